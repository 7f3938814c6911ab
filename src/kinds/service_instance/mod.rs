//! ServiceInstance: an instance of a service in a space of a Cloud Foundry organisation.
//!
//! Decides when an instance is proven gone, and whether what was last done with it worked. Never
//! reads one: `scopes` does. `core` calls the [`Kind`], the loader [`ENTRY`].

mod import;
pub mod live;
pub mod operation;
pub mod spec;

use jiff::SignedDuration;
use schemars::Schema;

use crate::core::desired::Declared;
use crate::core::identity::{Ask, Select};
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, Reading};
use crate::core::world::World;
use crate::kinds::KindEntry;
use crate::kinds::app::absence;
use crate::kinds::app::clock::Skew;
use operation::State;

/// The kind's name.
pub const KIND: &str = "ServiceInstance";

/// A broker may take so long to make a large database.
const DEADLINE: SignedDuration = SignedDuration::from_mins(60);

/// The kind's line of the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &ServiceInstance,
    summary: "An instance of a service: its offering and plan, its tags, and whether what was last done with it worked.",
    schema,
    declare: spec::declare,
    import: Some(import::IMPORT),
};

/// An instance of a service.
#[derive(Debug)]
pub struct ServiceInstance;

fn schema() -> Schema {
    schemars::schema_for!(spec::ServiceInstanceSpec)
}

impl Kind for ServiceInstance {
    fn name(&self) -> &'static str {
        KIND
    }

    /// See [`absence::proven`].
    fn absence(&self, ask: &Ask, reading: &Reading, known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        absence::proven("service instance", space_of(&ask.select), ask, reading, known)
    }

    /// As [`App`](crate::kinds::app::App) does: every difference gets a minute.
    fn settles(&self) -> SignedDuration {
        SignedDuration::from_secs(60)
    }

    /// An instance that could not be changed is as it was; one that could not be made is none. One that
    /// is being deleted, though it is declared, is not on its way to what is wanted.
    fn judge(&self, declared: &Declared, live: &Live, world: &World<'_>) -> Vec<Judgement> {
        let skew = Skew::of(&declared.scope, world);
        let judged = match operation::state(&live.fields, DEADLINE, skew.theirs(world.now)) {
            State::Done => None,
            State::Failed(told) | State::Leaving(told) => Some(degraded(format!("its {told}"), live)),
            State::Overdue(told) => Some(degraded(format!("its {told}: ask its broker"), live)),
            State::Running(until, told) => {
                Some(Judgement::Converging { until: skew.ours(until), message: format!("its {told}") })
            }
            State::Unknown(failure) => Some(Judgement::Unknown(failure)),
        };
        judged.into_iter().collect()
    }
}

fn degraded(message: String, live: &Live) -> Judgement {
    Judgement::Degraded { message, works: !operation::is_creation(&live.fields), caused_by: None }
}

/// The space in a key that begins with it, as a rule: the name of an instance may have a slash. That of
/// a space may have one too ([`absence::space_of`]).
pub fn space_of(select: &Select) -> Option<&str> {
    match select {
        Select::Key(key) => key.split_once('/').map(|(space, _)| space),
        Select::Arn(_) | Select::Alias(_) | Select::ReferencedBy(..) => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::live::{Observed, tests::observed};
    use super::operation::Operation;
    use super::*;
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::core::memory::Memory;
    use crate::core::observation::NamedAnswer;
    use crate::kinds::dns_record::fixture::{Stage, declaration};

    fn judged(kind: &str, state: &str, now: &str) -> Vec<Judgement> {
        let operation = Operation {
            kind: Some(kind.to_owned()),
            state: Some(state.to_owned()),
            description: Some("quota exceeded".to_owned()),
            created_at: Some("2026-11-20T10:00:00Z".parse().unwrap()),
            updated_at: Some("2026-11-20T10:30:00Z".parse().unwrap()),
        };
        let live = live::live(&Observed { operation: Some(operation), ..observed() });
        let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
        let declared = Stage::new().declared(&ServiceInstance, "db", declaration(scope, "production/db"));
        let (observations, memory) = (BTreeMap::new(), Memory::default());
        let now: Timestamp = now.parse().unwrap();
        ServiceInstance.judge(&declared, &live, &World { observations: &observations, memory: &memory, now })
    }

    #[test]
    fn an_instance_whose_creation_failed_does_not_work_and_one_whose_update_failed_does() {
        let created = judged("create", "failed", "2026-11-20T12:00:00Z");
        let message = "its creation failed: quota exceeded".to_owned();
        assert_eq!(created, [Judgement::Degraded { message, works: false, caused_by: None }]);
        let updated = judged("update", "failed", "2026-11-20T12:00:00Z");
        assert!(matches!(updated.as_slice(), [Judgement::Degraded { works: true, .. }]), "{updated:?}");
        assert_eq!(judged("create", "succeeded", "2026-11-20T12:00:00Z"), []);
    }

    #[test]
    fn a_creation_has_a_deadline_that_polling_the_broker_does_not_move() {
        let early = judged("create", "in progress", "2026-11-20T10:59:59Z");
        assert!(matches!(early.as_slice(), [Judgement::Converging { .. }]), "{early:?}");
        let late = judged("create", "in progress", "2026-11-20T11:00:00Z");
        assert!(matches!(late.as_slice(), [Judgement::Degraded { works: false, .. }]), "{late:?}");
    }

    #[test]
    fn a_declared_instance_that_is_being_deleted_is_degraded_at_once() {
        let found = judged("delete", "in progress", "2026-11-20T10:00:01Z");
        let [Judgement::Degraded { message, works: true, .. }] = found.as_slice() else { unreachable!("{found:?}") };
        assert!(message.starts_with("its deletion is in progress since 2026-11-20T10:00:00Z"), "{message}");
    }

    #[test]
    fn the_name_of_an_instance_may_have_a_slash() {
        let ask = Ask { kind: KIND, select: Select::Key("production/db/main".into()) };
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        (reading.complete, reading.listed) = (true, true);
        reading.notes.insert(absence::space_note("production").into(), "5a84d315".into());
        reading.answers.insert(ask.clone(), NamedAnswer::NotFound);
        assert!(ServiceInstance.absence(&ask, &reading, None).is_ok());
    }
}
