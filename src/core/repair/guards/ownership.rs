//! Guard 3: only what is ours, and only when nobody else needs it.
//!
//! Decides by what `core::orphan` says of every claimant: one living parent, or one live reference
//! from outside the group, and it stays. A name pattern is never ownership.

use super::{Case, Intent, Ownership, Verdict};

/// Its name.
pub const NAME: &str = "ownership";

/// Two clusters of one name; a record of the same name that was somebody else's; an ownership label
/// copied to a child; base images deleted for their age.
pub const AGAINST: &[u8] = &[39, 40, 41, 42, 43, 47];

/// Somebody's own record must name it, and everybody whose record does must be gone.
pub fn check(case: &Case<'_>) -> Verdict {
    match &case.ownership {
        _ if case.intent == Intent::Nobody => {
            Verdict::refused(NAME, "no record of a deployer and no manifest names it: it is not known to be ours")
        }
        Ownership::LeftOver(proof) => Verdict::passed(NAME, proof.clone()),
        Ownership::Needed => Verdict::refused(NAME, "something living claims it or refers to it"),
        Ownership::Unclear(failure) => {
            Verdict::waits(NAME, None, format!("it cannot be said whether anybody needs it ({failure})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;
    use crate::core::observation::{Failure, Reason};

    #[test]
    fn what_everybody_left_behind_passes_with_the_proof() {
        let room = Room::ready();
        let verdict = check(&room.case());
        assert!(verdict.is_passed() && verdict.reason.contains("INACTIVE"), "{verdict:?}");
    }

    #[test]
    fn what_somebody_needs_or_might_need_or_nobody_names_stays() {
        let room = Room::ready();
        assert!(!check(&Case { ownership: Ownership::Needed, ..room.case() }).is_passed());
        let unclear = Ownership::Unclear(Failure::new(Reason::Throttled, "slow down"));
        assert!(!check(&Case { ownership: unclear, ..room.case() }).is_passed());
        assert!(!check(&Case { intent: Intent::Nobody, ..room.case() }).is_passed());
    }
}
