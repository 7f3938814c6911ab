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
use crate::core::identity::Ask;
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, Reading};
use crate::core::value::Value;
use crate::core::world::World;
use crate::kinds::KindEntry;
use crate::kinds::app::absence;
use crate::kinds::service_instance::operation::{self, State};
use crate::kinds::service_instance::space_of;

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

    /// See [`absence::proven`].
    fn absence(&self, ask: &Ask, reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        absence::proven("binding", space_of(&ask.select), ask, reading)
    }

    /// Whether the app can use it is judged, not compared.
    fn judges(&self, path: &str) -> bool {
        path == live::USABLE
    }

    fn judge(&self, _declared: &Declared, live: &Live, world: &World<'_>) -> Vec<Judgement> {
        if live.fields.value(live::USABLE) == Some(&Value::Bool(true)) {
            return Vec::new();
        }
        let degraded = |told: String| {
            let message = format!("bound, but its {told}: it is not in VCAP_SERVICES");
            Some(Judgement::Degraded { message, works: false, caused_by: None })
        };
        let judged = match operation::state(&live.fields, DEADLINE, world.now) {
            State::Done => None,
            State::Failed(told) | State::Overdue(told) => degraded(told),
            State::Running(until, told) => {
                Some(Judgement::Converging { until, message: format!("bound, but its {told}") })
            }
            State::Unknown(failure) => Some(Judgement::Unknown(failure)),
        };
        judged.into_iter().collect()
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
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::core::memory::Memory;
    use crate::core::observation::Reason;
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
}
