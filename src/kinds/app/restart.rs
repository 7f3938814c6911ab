//! Drift that waits for a restart: what runs was handed another configuration than is set now.
//!
//! Decides, for everything that is handed to a container only when it is desired anew, whether the
//! running process has it: [`verdict`]. Variables and bindings are baked into what Diego was told,
//! and an instance that crashes or is moved starts again with the old: that it started later proves
//! nothing. Names are told, never values. [`super::App`] calls [`judge`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::core::drift::Root;
use crate::core::identity::ScopeKey;
use crate::core::judge::Judgement;
use crate::core::memory::Mark;
use crate::core::observation::Live;
use crate::core::value::{Fields, Value};
use crate::core::world::World;
use crate::kinds::service_binding;

/// The platform tells times to the second: what it says happened at one ended a second later.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The audit log forgets after this (31 days): of what changed earlier, that it tells of no restart
/// means nothing, and an app that was never restarted with proof would be suspected for ever.
const MEMORY_OF_EVENTS: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Acts after which every process was desired anew. That a droplet was mapped, or a restage or a
/// deployment begun, is none: it may fail, and what ran before runs on.
const RESTARTS: [&str; 2] = ["audit.app.restart", "audit.app.start"];

/// Within what time something changed: it was another before `from`, and is as it is since `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// No earlier than this.
    pub from: Timestamp,
    /// Before this.
    pub until: Timestamp,
}

/// What is known of the age of what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// The version that runs was another after this.
    pub version_after: Option<Timestamp>,
    /// The version that runs was there by this.
    pub version_since: Option<Timestamp>,
    /// The process was made.
    pub process_created: Option<Timestamp>,
    /// The app was restarted, by the audit log.
    pub restarted: Option<Timestamp>,
    /// The oldest running instance started.
    pub oldest_start: Option<Timestamp>,
}

/// Whether what runs has what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It has it.
    Fresh,
    /// Nobody can say: its instances may have crashed, and started with the old.
    Maybe,
    /// It cannot have it.
    Stale,
}

/// Fresh only if version, process or restart are later than the whole change. A restart counts only
/// if every instance has started since: an app that ran already is started without effect. Every
/// piece of evidence that is missing makes it less fresh, never more.
pub fn verdict(change: Change, evidence: Evidence) -> Verdict {
    let later = |at: &Timestamp| *at >= change.until;
    let made_anew = [evidence.version_after, evidence.process_created].iter().flatten().any(later);
    let restarted = evidence.restarted.filter(later).zip(evidence.oldest_start);
    if made_anew || restarted.is_some_and(|(restarted, start)| start >= restarted) {
        return Verdict::Fresh;
    }
    let ran = evidence.oldest_start.is_some_and(|start| start < change.from);
    let was_there = evidence.version_since.is_some_and(|since| since <= change.from);
    if ran || was_there { Verdict::Stale } else { Verdict::Maybe }
}

/// A process with running instances.
struct Running<'a> {
    name: &'a str,
    evidence: Evidence,
}

/// Something that a process is handed when it is desired anew.
struct Handed<'a> {
    /// As a person says it.
    what: String,
    change: Change,
    /// The only process that it is for.
    process: Option<&'a str>,
}

type Marks = BTreeMap<Arc<str>, Mark>;

/// Judges a started app that runs and is not being deployed.
pub fn judge(scope: &ScopeKey, live: &Live, world: &World<'_>) -> Vec<Judgement> {
    let fields = &live.fields;
    if fields.value("state").and_then(Value::as_text) != Some("STARTED") {
        return Vec::new();
    }
    let none = Marks::new();
    let marks = world.memory.object(scope, &live.key).map_or(&none, |known| &known.marks);
    let running = running(fields, marks);
    if running.is_empty() {
        return Vec::new();
    }
    let own: Vec<Handed<'_>> = configured(marks).chain(bound(scope, live, world)).collect();
    let mut said = told(&own, &running, world.now);
    said.extend(unbound(marks, fields, &running, world.now));
    if said.is_empty() {
        said.extend(touched(fields, marks, &running));
    }
    let mut said: Vec<Judgement> = said.into_iter().map(|message| Judgement::Latent { message, cause: None }).collect();
    if let Some(shared) = running_group(scope, world) {
        let cause = Root { kind: "EnvironmentVariableGroup".into(), name: "running".into() };
        let shared = told(&[shared], &running, world.now);
        said.extend(shared.into_iter().map(|message| Judgement::Latent { message, cause: Some(cause.clone()) }));
    }
    said
}

fn running<'a>(fields: &'a Fields, marks: &Marks) -> Vec<Running<'a>> {
    let of = |path: &str, fact: &str| time(fields, &format!("runtime.{path}{fact}"));
    let names = fields.iter().filter_map(|(path, _)| path.strip_prefix("runtime.")?.strip_suffix(".running"));
    let runs = |name: &&str| {
        let count = fields.value(&format!("runtime.{name}.running")).and_then(Value::as_int);
        count.is_some_and(|count| count > 0)
    };
    let restarted = fields
        .value("runtime.restartedBy")
        .and_then(Value::as_text)
        .filter(|event| RESTARTS.contains(event))
        .and_then(|_| of("", "restartedAt"));
    let evidence = |name: &str| {
        let version = mark(marks, "version", name);
        // A deployment that is cancelled brings the old process back, with its old version. Only of
        // one and the same process is another version a new one.
        let same = mark(marks, "guid", name).zip(version).is_some_and(|(guid, version)| guid.since < version.since);
        Evidence {
            version_after: version.filter(|_| same).and_then(|version| version.after),
            version_since: version.map(|version| version.since),
            process_created: of("processCreatedAt.", name),
            restarted,
            oldest_start: of(name, ".oldestStart"),
        }
    };
    names.filter(runs).map(|name| Running { name, evidence: evidence(name) }).collect()
}

/// The mark of a part that is there.
fn mark<'a>(marks: &'a Marks, part: &str, process: &str) -> Option<&'a Mark> {
    marks.get(format!("{part}:{process}").as_str()).filter(|mark| mark.value.is_some())
}

/// Variables, commands and limits whose change was watched. What only the manifest tells is not
/// changed by being readable for the first time, nor under a new key.
fn configured(marks: &Marks) -> impl Iterator<Item = Handed<'_>> {
    let readable = marks.get("manifest").map(|mark| mark.since);
    marks.iter().filter_map(move |(name, mark)| {
        let change = mark.value.as_ref().and(mark.after).map(|from| Change { from, until: mark.since })?;
        let seen = readable.is_some_and(|readable| readable < mark.since);
        let (what, process) = match name.split_once(':') {
            None if &**name == "environment" && seen => ("its environment".to_owned(), None),
            Some(("command", process)) if seen => (format!("the command of {process}"), Some(process)),
            Some(("process", process)) => (format!("the limits or health checks of {process}"), Some(process)),
            _ => return None,
        };
        Some(Handed { what, change, process })
    })
}

/// Bindings that it can use: the platform tells when each was made or given new credentials.
fn bound(scope: &ScopeKey, live: &Live, world: &World<'_>) -> Vec<Handed<'static>> {
    let (Ok(reading), Some(Value::List(services))) = (world.reading(scope), live.fields.value("services")) else {
        return Vec::new();
    };
    let bindings = services.iter().filter_map(Value::as_text).filter_map(|service| {
        let key = format!("{}/{service}", live.key.key);
        let binding = &reading.object(service_binding::KIND, &key)?.fields;
        let usable = binding.value("usable") == Some(&Value::Bool(true));
        let at = time(binding, "updatedAt").max(time(binding, "createdAt")).filter(|_| usable)?;
        Some(Handed { what: format!("its binding to {service}"), change: at_second(at), process: None })
    });
    bindings.collect()
}

/// The variables that every app of the foundation is handed.
fn running_group(scope: &ScopeKey, world: &World<'_>) -> Option<Handed<'static>> {
    let at: Timestamp = world.reading(scope).ok()?.notes.get("runningEnvironment")?.parse().ok()?;
    let what = "the environment variable group `running`".to_owned();
    Some(Handed { what, change: at_second(at), process: None })
}

/// What is stale, in one message; or, where nothing is, what may be.
fn told(all: &[Handed<'_>], running: &[Running<'_>], now: Timestamp) -> Vec<String> {
    let mut worst: BTreeMap<Verdict, Vec<String>> = BTreeMap::new();
    for handed in all {
        let concerned = running.iter().filter(|process| handed.process.is_none_or(|only| only == process.name));
        let judged = concerned.map(|process| (verdict(handed.change, process.evidence), process));
        let Some((verdict, process)) = judged.max_by_key(|(verdict, _)| *verdict) else { continue };
        let (what, name) = (&handed.what, process.name);
        let changed = spoken(handed.change.until);
        let since = process.evidence.oldest_start.map(|start| format!(" since {}", spoken(start))).unwrap_or_default();
        let message = match verdict {
            Verdict::Stale => format!("{what} changed at {changed}, {name} runs{since}"),
            Verdict::Maybe if !is_forgotten(handed.change, now) => {
                format!("{what} changed at {changed}, and nothing proves that {name} was restarted after it")
            }
            Verdict::Maybe | Verdict::Fresh => continue,
        };
        worst.entry(verdict).or_default().push(message);
    }
    match (worst.remove(&Verdict::Stale), worst.remove(&Verdict::Maybe)) {
        (Some(stale), _) => vec![format!("needs a restart: {}", stale.join("; "))],
        (None, Some(maybe)) => vec![format!("may need a restart: {}", maybe.join("; "))],
        (None, None) => Vec::new(),
    }
}

/// Whether the audit log would no longer tell of a restart after it.
fn is_forgotten(change: Change, now: Timestamp) -> bool {
    now.duration_since(change.until) > MEMORY_OF_EVENTS
}

/// Bindings that were there and are gone, while what runs may still have their credentials.
fn unbound(marks: &Marks, fields: &Fields, running: &[Running<'_>], now: Timestamp) -> Vec<String> {
    let is_bound = |service: &str| {
        let bound = Value::text(service);
        matches!(fields.value("services"), Some(Value::List(services)) if services.contains(&bound))
    };
    let gone = marks.iter().filter(|(_, mark)| mark.value.is_none()).filter_map(|(name, mark)| {
        let service = name.strip_prefix("binding:").filter(|service| !is_bound(service))?;
        let change = Change { from: mark.after?, until: mark.since };
        let worst = running.iter().map(|process| verdict(change, process.evidence)).max()?;
        let at = spoken(mark.since);
        match worst {
            Verdict::Stale => Some(format!(
                "the binding to {service} is removed ({at}), but the running process still has it: breaks at the next restart"
            )),
            Verdict::Maybe if !is_forgotten(change, now) => Some(format!(
                "the binding to {service} is removed ({at}), and the running process may still have it: it may break at the next restart"
            )),
            Verdict::Maybe | Verdict::Fresh => None,
        }
    });
    gone.collect()
}

/// Something of the app itself is newer than what runs. It may have been its labels: where its
/// variables are watched, that says nothing more.
fn touched(fields: &Fields, marks: &Marks, running: &[Running<'_>]) -> Option<String> {
    let at = time(fields, "runtime.updatedAt")?;
    let watched = marks.get("manifest").is_some_and(|mark| mark.value.is_some() && mark.since <= at);
    let stale = running.iter().any(|process| verdict(at_second(at), process.evidence) == Verdict::Stale);
    (stale && !watched).then(|| {
        format!("may need a restart: something of the app changed at {}, after its processes started", spoken(at))
    })
}

fn at_second(at: Timestamp) -> Change {
    Change { from: at, until: at.saturating_add(SECOND).unwrap_or(at) }
}

fn time(fields: &Fields, path: &str) -> Option<Timestamp> {
    fields.value(path)?.as_text()?.parse().ok()
}

/// To the minute: the platform tells ages, which differ by a second from reading to reading.
fn spoken(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
