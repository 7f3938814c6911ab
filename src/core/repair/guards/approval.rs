//! Guard 6: a person must be able to approve it.
//!
//! Decides whether the environment lets anybody approve the deletion of such a thing, and whether
//! it is known in which account the approver must be. Whether somebody did is `repair::approval`'s
//! matter.

use super::{Case, Verdict};
use crate::core::repair::policy::Mode;

/// Its name.
pub const NAME: &str = "approval";

/// Deleting as the default of a policy; a click in a page that deleted.
pub const AGAINST: &[u8] = &[38, 46, 52, 70];

/// The mode is `approve`, and there is an account to approve from.
pub fn check(case: &Case<'_>) -> Verdict {
    let kind = case.step.kind();
    let cause = case.intent.cause(kind);
    let mode = case.policy.map_or(Mode::Observe, |policy| policy.prune_mode(cause, kind));
    match (mode, case.account) {
        (Mode::Observe, _) => {
            let reason = format!(
                "the environment only observes {kind} here: `repair: {{prune: {{{cause}: approve}}}}` would let a \
                 person approve it"
            );
            Verdict::refused(NAME, reason)
        }
        (Mode::Approve, None) => {
            Verdict::refused(NAME, "it cannot be said in which account the approver must be signed in")
        }
        (Mode::Approve, Some(account)) => {
            let reason = format!("a person approves the plan's hash and its number of deletes, signed in to {account}");
            Verdict::passed(NAME, reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;

    #[test]
    fn a_kind_in_mode_approve_can_be_approved() {
        assert!(check(&Room::ready().case()).is_passed());
    }

    #[test]
    fn what_is_only_observed_or_has_no_account_cannot() {
        let mut room = Room::ready();
        assert!(!check(&Case { policy: None, ..room.case() }).is_passed());
        assert!(!check(&Case { account: None, ..room.case() }).is_passed());
        room.policy.prune.insert("LoadBalancer", Mode::Observe);
        assert!(!check(&room.case()).is_passed());
    }
}
