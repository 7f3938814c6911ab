//! Guard 7: every refusal that can be foreseen is found before the first request.
//!
//! Decides whether the cloud would refuse, or should have been asked to. Deletion protection is a
//! person's veto and is never switched off. An earlier request without a known outcome comes first.

use super::{Case, Verdict};
use crate::core::repair::target::Step;
use crate::core::value::{Fact, Value};
use crate::kinds::dns_record;

/// Its name.
pub const NAME: &str = "preflight";

/// One record that could not be deleted and blocked all others; a protected thing among those to go.
pub const AGAINST: &[u8] = &[44, 56, 61];

/// Nothing that is known now would stop the plan half-way.
pub fn check(case: &Case<'_>) -> Verdict {
    let unsettled = case.circumstances.is_some_and(|circumstances| circumstances.unsettled.contains(case.id));
    if unsettled {
        let reason = "an earlier request to delete it has no known outcome: `moored history --episodes` shows which";
        return Verdict::refused(NAME, reason);
    }
    let Some(live) = case.live else {
        return Verdict::waits(NAME, None, "it cannot be read now, so nobody knows what would stop its deletion");
    };
    match case.step {
        Step::LoadBalancer => {
            if live.fields.value("state").and_then(Value::as_text) == Some("provisioning") {
                return Verdict::waits(NAME, None, "it is still being provisioned");
            }
            match live.fields.fact("deletionProtection").into_owned() {
                Fact::Known(Value::Bool(false)) => Verdict::passed(NAME, "its deletion protection is off"),
                Fact::Known(Value::Bool(true)) => Verdict::refused(
                    NAME,
                    "its deletion protection is on: somebody wants it kept; moored never switches it off",
                ),
                Fact::Unknown(why) | Fact::Unchecked(why) => {
                    Verdict::waits(NAME, None, format!("its deletion protection is not known ({why})"))
                }
                Fact::Known(_) => Verdict::waits(NAME, None, "its deletion protection is not known"),
            }
        }
        Step::Record if dns_record::is_built_in(live) => {
            Verdict::refused(NAME, "Route 53 itself keeps this record in every zone")
        }
        Step::Record | Step::HealthCheck | Step::TargetGroup | Step::Item => {
            Verdict::passed(NAME, "nothing is known that would refuse it")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;

    #[test]
    fn an_unprotected_balancer_passes() {
        assert!(check(&Room::ready().case()).is_passed());
    }

    #[test]
    fn a_protected_balancer_and_one_whose_protection_is_not_known_stay() {
        let mut room = Room::ready();
        room.live.fields.set("deletionProtection", true);
        let verdict = check(&room.case());
        assert!(!verdict.is_passed() && verdict.reason.contains("protection is on"), "{verdict:?}");
        room.live.fields.put("deletionProtection", Fact::Unknown("throttled".into()));
        assert!(!check(&room.case()).is_passed());
        assert!(!check(&Case { live: None, ..room.case() }).is_passed());
    }

    #[test]
    fn a_request_without_a_known_outcome_comes_first() {
        let mut room = Room::ready();
        room.circumstances.unsettled.insert(room.live.id.clone());
        assert!(!check(&room.case()).is_passed());
    }
}
