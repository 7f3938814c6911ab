//! ServiceBinding: what lets an app use a service instance.
//!
//! Decides when a binding is proven gone, and whether the app can use one that is there: a binding
//! is listed from the moment somebody asks for it. That the app must be restarted to notice it is
//! told of the app. Never reads one: `scopes` does. `core` calls the [`Kind`], the loader [`ENTRY`].

pub(crate) mod import;
pub mod live;
pub mod spec;

use jiff::SignedDuration;
use schemars::Schema;

use crate::core::desired::Declared;
use crate::core::identity::{Ask, Select};
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, Reading, Reason};
use crate::core::value::Value;
use crate::core::world::World;
use crate::kinds::KindEntry;
use crate::kinds::app::clock::Skew;
use crate::kinds::app::{self, absence};
use crate::kinds::service_instance::operation::{self, State};
use crate::kinds::service_instance::{self, space_of};

/// The kind's name.
pub const KIND: &str = "ServiceBinding";

/// A broker may take so long to make credentials.
const DEADLINE: SignedDuration = SignedDuration::from_mins(15);

/// The kind's line of the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &ServiceBinding,
    summary: "The binding of an app to a service instance: that it is there, and that the app can use it.",
    schema,
    declare: spec::declare,
    import: Some(import::IMPORT),
};

/// The binding of an app to a service instance.
#[derive(Debug)]
pub struct ServiceBinding;

fn schema() -> Schema {
    schemars::schema_for!(spec::ServiceBindingSpec)
}

impl Kind for ServiceBinding {
    fn name(&self) -> &'static str {
        KIND
    }

    /// See [`absence::proven`]. What it would bind may be lacking too, which says more.
    fn absence(&self, ask: &Ask, reading: &Reading, known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        let proof = absence::proven("binding", space_of(&ask.select), ask, reading, known)?;
        is_told_apart(&ask.select, reading)?;
        let sentence = match lacking(&ask.select, reading) {
            Some(lacking) => format!("{lacking}: {}", proof.sentence),
            None => proof.sentence,
        };
        Ok(Proof { sentence, ..proof })
    }

    /// As [`App`](app::App) does: every difference gets a minute.
    fn settles(&self) -> SignedDuration {
        SignedDuration::from_secs(60)
    }

    fn stands_on(&self, select: &Select) -> Option<Ask> {
        let (space, app, _) = ends(select)?;
        Some(Ask { kind: app::KIND, select: Select::Key(format!("{space}/{app}").into()) })
    }

    /// Whether the app can use it is judged, not compared.
    fn judges(&self, path: &str) -> bool {
        path == live::USABLE
    }

    fn judge(&self, declared: &Declared, live: &Live, world: &World<'_>) -> Vec<Judgement> {
        if live.fields.value(live::USABLE) == Some(&Value::Bool(true)) {
            return Vec::new();
        }
        let degraded = |told: String| {
            let message = format!("bound, but its {told}: it is not in VCAP_SERVICES");
            Some(Judgement::Degraded { message, works: false, caused_by: None })
        };
        let skew = Skew::of(&declared.scope, world);
        let judged = match operation::state(&live.fields, DEADLINE, skew.theirs(world.now)) {
            State::Done => None,
            State::Failed(told) | State::Overdue(told) => degraded(told),
            // It is declared: nothing brings it back.
            State::Leaving(told) => {
                let message = format!("bound, but its {told}");
                Some(Judgement::Degraded { message, works: false, caused_by: None })
            }
            State::Running(until, told) => {
                Some(Judgement::Converging { until: skew.ours(until), message: format!("bound, but its {told}") })
            }
            State::Unknown(failure) => Some(Judgement::Unknown(failure)),
        };
        judged.into_iter().collect()
    }
}

/// Space, app and instance, where a key has no more parts: any of them may have a `/` in its name.
fn ends(select: &Select) -> Option<(&str, &str, &str)> {
    let Select::Key(key) = select else { return None };
    let (space, rest) = key.split_once('/')?;
    let (app, instance) = rest.split_once('/')?;
    (!instance.contains('/')).then_some((space, app, instance))
}

/// Whether it is clear which app and instance a key with more parts means, which was asked for by what
/// stands before and after its second `/`.
fn is_told_apart(select: &Select, reading: &Reading) -> Result<(), Failure> {
    let Select::Key(key) = select else { return Ok(()) };
    let parts = key.match_indices('/').filter_map(|(at, _)| key.get(..at)).skip(1);
    let apps: Vec<bool> = parts.map(|app| reading.object(app::KIND, app).is_some()).collect();
    match apps.as_slice() {
        [_] | [true, ..] if apps.iter().skip(1).all(|is_app| !is_app) => Ok(()),
        _ => {
            let detail = format!("`{key}` may name more than one app and instance: a name has a `/` in it");
            Err(Failure::new(Reason::Ambiguous, detail))
        }
    }
}

/// What a complete reading has not, so that there can be no binding. An instance of another space may
/// be shared with this one.
fn lacking(select: &Select, reading: &Reading) -> Option<String> {
    let (space, app, instance) = ends(select)?;
    let has = |kind: &'static str, name: &str| reading.object(kind, &format!("{space}/{name}")).is_some();
    if !has(app::KIND, app) {
        Some(format!("there is no app `{app}` in the space {space}"))
    } else if !has(service_instance::KIND, instance) {
        Some(format!("the space {space} has no service instance `{instance}` of its own"))
    } else {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::live::tests::{observed, operation};
    use super::live::{Observed, live};
    use super::*;
    use crate::core::identity::{ObjectKey, ScopeKey, ScopeKind};
    use crate::core::memory::Memory;
    use crate::core::observation::NamedAnswer;
    use crate::kinds::dns_record::fixture::{Stage, declaration};
    use crate::kinds::service_instance::operation::Operation;

    fn judged(operation: Operation, now: &str) -> Vec<Judgement> {
        let live = live(&Observed { operation: Some(operation), ..observed() });
        let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
        let declaration = declaration(scope, "production/api/queue");
        let declared = Stage::new().declared(&ServiceBinding, "api/queue", declaration);
        let (observations, memory) = (BTreeMap::new(), Memory::default());
        let now: Timestamp = now.parse().unwrap();
        ServiceBinding.judge(&declared, &live, &World { observations: &observations, memory: &memory, now })
    }

    #[test]
    fn a_binding_that_succeeded_needs_no_judgement() {
        assert_eq!(judged(operation("create", "succeeded"), "2026-11-20T12:00:00Z"), []);
    }

    #[test]
    fn a_binding_whose_creation_failed_is_listed_but_does_not_work() {
        let found = judged(operation("create", "failed"), "2026-11-20T10:00:01Z");
        let message = "bound, but its creation failed: it is not in VCAP_SERVICES".to_owned();
        assert_eq!(found, [Judgement::Degraded { message, works: false, caused_by: None }]);
    }

    #[test]
    fn a_binding_in_progress_is_given_fifteen_minutes() {
        let early = judged(operation("create", "in progress"), "2026-11-20T10:14:59Z");
        assert!(matches!(early.as_slice(), [Judgement::Converging { .. }]), "{early:?}");
        let late = judged(operation("create", "in progress"), "2026-11-20T10:15:00Z");
        assert!(matches!(late.as_slice(), [Judgement::Degraded { works: false, .. }]), "{late:?}");
    }

    #[test]
    fn a_binding_in_progress_since_nobody_knows_when_is_unknown() {
        let dateless = Operation { created_at: None, ..operation("create", "in progress") };
        let found = judged(dateless, "2026-11-20T10:00:01Z");
        assert!(matches!(found.as_slice(), [Judgement::Unknown(failure)] if failure.reason == Reason::Malformed));
    }

    #[test]
    fn a_declared_binding_that_is_being_deleted_is_degraded_at_once() {
        let found = judged(operation("delete", "in progress"), "2026-11-20T10:00:01Z");
        let message = "bound, but its deletion is in progress since 2026-11-20T10:00:00Z".to_owned();
        assert_eq!(found, [Judgement::Degraded { message, works: false, caused_by: None }]);
    }

    #[test]
    fn a_binding_of_an_app_or_to_an_instance_that_is_not_there_says_so_first() {
        let ask = Ask { kind: KIND, select: Select::Key("production/api/queue".into()) };
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        (reading.complete, reading.listed) = (true, true);
        reading.notes.insert(absence::space_note("production").into(), "5a84d315".into());
        reading.answers.insert(ask.clone(), NamedAnswer::NotFound);
        let sentence = |reading: &Reading| ServiceBinding.absence(&ask, reading, None).unwrap().sentence;
        let add = |reading: &mut Reading, kind: &'static str, key: &str| {
            reading.insert(Live { key: ObjectKey::new(kind, key), ..live(&observed()) });
        };
        assert!(sentence(&reading).starts_with("there is no app `api` in the space production: "));
        add(&mut reading, app::KIND, "production/api");
        let unserved = "the space production has no service instance `queue` of its own: ";
        assert!(sentence(&reading).starts_with(unserved));
        add(&mut reading, service_instance::KIND, "production/queue");
        assert!(sentence(&reading).starts_with("the complete list of bindings lacks it"));
    }

    #[test]
    fn a_slash_in_a_name_is_believed_only_where_the_apps_leave_one_meaning() {
        let absence = |key: &str, apps: &[&str]| {
            let ask = Ask { kind: KIND, select: Select::Key(key.into()) };
            let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
            (reading.complete, reading.listed) = (true, true);
            reading.notes.insert(absence::space_note("production").into(), "5a84d315".into());
            reading.answers.insert(ask.clone(), NamedAnswer::NotFound);
            for app in apps {
                reading.insert(Live { key: ObjectKey::new(app::KIND, app), ..live(&observed()) });
            }
            ServiceBinding.absence(&ask, &reading, None).map(|_| ()).map_err(|failure| failure.reason)
        };
        assert_eq!(absence("production/api/queue", &[]), Ok(()));
        assert_eq!(absence("production/api/db/main", &["production/api"]), Ok(()));
        for apps in [vec![], vec!["production/api/db"], vec!["production/api", "production/api/db"]] {
            assert_eq!(absence("production/api/db/main", &apps), Err(Reason::Ambiguous), "{apps:?}");
        }
    }

    #[test]
    fn a_binding_stands_on_its_app() {
        let on = |key: &str| ServiceBinding.stands_on(&Select::Key(key.into())).map(|ask| ask.select.to_string());
        assert_eq!(on("production/api/queue").as_deref(), Some("production/api"));
        assert_eq!(on("production/api/v2/queue"), None, "whose `/` is it?");
    }
}
