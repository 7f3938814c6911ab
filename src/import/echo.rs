//! Echoes: a declaration that only repeats what is live.
//!
//! Decides when the reviewed manifest of an App reads as if it had been exported from live within the
//! last hour: it names everything that an export names ([`echoes`]), all of it was live when it was
//! written, and it was written a moment ago ([`written`]). Such a manifest launders drift: what was
//! lost before is missing from the declaration as well, and nothing will ever tell. Never says that it
//! was exported (a complete manifest that was just deployed reads alike), and never rejects it. The
//! commands `validate` and `check` call [`warnings`].

mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use crate::core::desired::{Declared, Desired};
use crate::core::identity::{ScopeKey, Select};
use crate::core::memory::Memory;
use crate::core::observation::{Live, Observations};
use crate::core::record::reveal::SECRET;
use crate::core::record::{FactsAt, ThingName};
use crate::core::value::{Expect, Fact, Value};
use crate::core::visible::escaped;
use crate::kinds::{app, service_binding};
use crate::manifest::envelope::REVIEWED;
use crate::manifest::problem::Problem;
use crate::manifest::warning::Warning;
use crate::store::{ChangeQuery, History};
use written::{Files, Written};

/// An export is suspected for so long.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// So many changes of one app are undone to find a moment at which it was as declared.
const MOST_CHANGES: usize = 100;

/// What an app was at a moment: facts by path, as the record has them.
pub type Facts = BTreeMap<Arc<str>, Json>;

/// What is known when manifests are compared with what was live.
#[derive(Clone, Copy)]
pub struct Grounds<'a> {
    /// What is declared.
    pub desired: &'a Desired,
    /// Where the manifests are.
    pub roots: &'a [PathBuf],
    /// What was read just now; nothing where no cloud is asked.
    pub observations: &'a Observations,
    /// What was remembered before these manifests were evaluated.
    pub memory: &'a Memory,
    /// The record, where there is a state file.
    pub history: Option<&'a dyn History>,
    /// The time.
    pub now: Timestamp,
}

/// A warning for each app whose manifest is an echo.
pub fn warnings(grounds: &Grounds<'_>) -> Vec<Warning> {
    let mut bindings: BTreeMap<(&str, &ScopeKey, &str), &Declared> = BTreeMap::new();
    for declared in grounds.desired.resources.iter().filter(|known| known.kind.name() == service_binding::KIND) {
        if let Select::Key(key) = &declared.select {
            bindings.insert((&*declared.environment, &declared.scope, &**key), &**declared);
        }
    }
    let mut files = Files::new(grounds.roots, &grounds.desired.revisions);
    let mut warnings = Vec::new();
    for declared in grounds.desired.resources.iter().filter(|known| known.kind.name() == app::KIND) {
        let Select::Key(key) = &declared.select else { continue };
        let Some(written) = files.of(declared).filter(|written| written.reviewed) else { continue };
        let Some(at) = written_at(grounds, declared, &written) else { continue };
        let prefix = format!("{key}/");
        let (environment, scope) = (&*declared.environment, &declared.scope);
        let own = bindings
            .range((environment, scope, prefix.as_str())..)
            .take_while(|((at, of, binding), _)| {
                *at == environment && *of == scope && binding.starts_with(prefix.as_str())
            })
            .map(|(_, binding)| *binding);
        let group: Vec<&Declared> = std::iter::once(&**declared).chain(own).collect();
        if grounds.was_live(declared, &group, key, at) {
            warnings.push(warning(declared, key, written, at, grounds.now));
        }
    }
    warnings
}

/// When the declaration was written, if that was within the last hour. Where the state file knows
/// this very declaration, it says so: a checkout gives every file the time of the checkout.
fn written_at(grounds: &Grounds<'_>, declared: &Declared, written: &Written) -> Option<Timestamp> {
    let is_recent = |at: &Timestamp| is_recent(*at, grounds.now);
    let by_file = written.at.filter(is_recent);
    let name = (declared.environment.clone(), declared.kind.name(), declared.name.clone());
    let known = grounds.memory.scopes.get(&declared.scope).and_then(|memory| memory.declared.get(&name));
    match known.filter(|known| known.digest == declared.digest) {
        Some(known) => {
            let changed = known.changed_at.filter(is_recent)?;
            Some(by_file.map_or(changed, |by_file| by_file.min(changed)))
        }
        None => by_file,
    }
}

/// Whether it was within the last hour.
pub fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    (SignedDuration::ZERO..=HOUR).contains(&now.duration_since(at))
}

impl Grounds<'_> {
    /// Whether an app was as declared when it was declared so, or at a moment before. Without a record
    /// of that time, what it is now has to do.
    fn was_live(&self, app: &Declared, group: &[&Declared], key: &str, written: Timestamp) -> bool {
        match self.recorded(app, key, written) {
            Some(moments) => moments.iter().any(|moment| echoes(group, moment)),
            None => {
                let observation = self.observations.get(&app.scope);
                let reading = observation.and_then(|observation| observation.current(self.now).ok());
                let live = reading.and_then(|reading| reading.object(app::KIND, key));
                live.is_some_and(|live| echoes(group, &facts(live)))
            }
        }
    }

    /// What the record says that an app was when it was declared so, and at every moment of the hour
    /// before; `None` where it does not reach back so far.
    fn recorded(&self, app: &Declared, key: &str, written: Timestamp) -> Option<Vec<Facts>> {
        let history = self.history?;
        let then = |at: Timestamp| history.facts_at(&app.scope, app::KIND, key, at).ok();
        let mut moments = Vec::new();
        match then(written)? {
            FactsAt::Present { facts, .. } => moments.push(facts),
            FactsAt::Absent { .. } => {}
            FactsAt::NotRecorded { .. } => return None,
        }
        let name = ThingName { scope: app.scope.clone(), kind: app::KIND.into(), key: key.into() };
        let query = ChangeQuery {
            since: self.now.checked_sub(HOUR).ok(),
            until: Some(written),
            only: Some(BTreeSet::from([name])),
            limit: MOST_CHANGES,
            ..ChangeQuery::default()
        };
        for change in history.changes(&query).unwrap_or_default() {
            let before = change.at.checked_sub(SignedDuration::from_nanos(1)).ok().and_then(&then);
            if let Some(FactsAt::Present { facts, .. }) = before {
                moments.push(facts);
            }
        }
        Some(moments)
    }
}

/// The facts of a live app, as the record would have them.
pub fn facts(live: &Live) -> Facts {
    let known = live.fields.iter().filter_map(|(path, fact)| match fact {
        Fact::Known(Value::Nothing) | Fact::Unknown(_) | Fact::Unchecked(_) => None,
        Fact::Known(value) => Some((Arc::from(path), value.to_json(true))),
    });
    known.collect()
}

/// Whether an app's declaration and those of its bindings say all that an export of these facts would
/// say, and nothing else: every route, service and name of a variable, the size of every process, and
/// buildpacks or stack. Where routes, services or names of variables are not known, nobody can say so.
pub fn echoes(declared: &[&Declared], live: &Facts) -> bool {
    let Some(app) = declared.iter().find(|declared| declared.kind.name() == app::KIND) else { return false };
    let named: BTreeMap<&str, &Expect> = app.expects.iter().map(|(path, expect)| (&**path, expect)).collect();
    is_complete(&named, &bound(app, declared), live) && named.iter().all(|(path, expect)| agrees(path, expect, live))
}

/// The instances that an app is declared to be bound to.
fn bound<'a>(app: &Declared, declared: &[&'a Declared]) -> BTreeSet<&'a str> {
    let Select::Key(key) = &app.select else { return BTreeSet::new() };
    let bindings = declared.iter().filter(|declared| declared.kind.name() == service_binding::KIND);
    let instances = bindings.filter_map(|binding| match &binding.select {
        Select::Key(binding) => binding.strip_prefix(&**key)?.strip_prefix('/'),
        Select::Arn(_) | Select::Alias(_) | Select::ReferencedBy(..) => None,
    });
    instances.collect()
}

fn is_complete(named: &BTreeMap<&str, &Expect>, bound: &BTreeSet<&str>, live: &Facts) -> bool {
    let (Some(routes), Some(services), Some(variables)) =
        (texts(live, "routes"), texts(live, "services"), texts(live, "envNames"))
    else {
        return false;
    };
    let names = |path: &str| named.contains_key(path);
    let routed = match routes.is_empty() {
        true => names("routeCount"),
        false => routes.iter().all(|url| names(&format!("routes.{url}"))),
    };
    routed
        && services == *bound
        && variables.iter().all(|name| names(&format!("env.{name}")))
        && live.keys().filter(|path| is_size(path)).all(|path| names(path))
        && ["buildpacks", "stack", "docker.image"].into_iter().any(names)
}

/// Whether a fact is the number, memory or disk of a process.
fn is_size(path: &str) -> bool {
    let field = path.strip_prefix("processes.").and_then(|rest| rest.rsplit_once('.'));
    field.is_some_and(|(_, field)| ["instances", "memory", "disk"].contains(&field))
}

/// The texts of a set, where it is known.
fn texts<'a>(live: &'a Facts, path: &str) -> Option<BTreeSet<&'a str>> {
    Some(live.get(path)?.as_array()?.iter().filter_map(Json::as_str).collect())
}

/// Whether a declared field may be a copy of the live one. A value that may be secret is compared
/// where it is shown; no export has anything but single values.
fn agrees(path: &str, expect: &Expect, live: &Facts) -> bool {
    let fact = live.get(path).unwrap_or(&Json::Null);
    match expect {
        // An export does not say whether the app runs.
        Expect::Is(_) if path == app::instances::STATE => true,
        Expect::Is(Value::Secret(secret)) => match (fact.as_str(), secret.shown.as_deref()) {
            (None, _) => false,
            (Some(SECRET), _) | (_, None) => true,
            (Some(fact), Some(shown)) => fact == shown,
        },
        Expect::Is(value) => value.to_json(true) == *fact,
        Expect::Between(..) => false,
    }
}

fn warning(declared: &Declared, key: &str, written: Written, at: Timestamp, now: Timestamp) -> Warning {
    let age = match now.duration_since(at).as_mins() {
        ..=0 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    };
    let message = format!(
        "`{}` says exactly what is live in {} ({}), attribute for attribute, and was written {age} ago: if it was \
         exported from live (`cf create-app-manifest`), it launders drift: a binding that was lost before is now \
         missing from the declaration as well",
        escaped(&written.file),
        declared.environment,
        escaped(key),
    );
    let hint = format!(
        "compare it with the version before; a generated manifest is `{REVIEWED}: \"false\"` until a person has read it"
    );
    Warning { root: written.root, problem: Problem::of_file(written.file, message).hint(hint) }
}

#[cfg(test)]
mod tests;
