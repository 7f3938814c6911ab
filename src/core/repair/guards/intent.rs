//! Guard 1: intent is a document.
//!
//! Decides whether something written says that the thing should go. A manifest that disappears
//! deletes nothing.

use super::{Case, Intent, Verdict};
use crate::core::desired::WhenParentGone;

/// Its name.
pub const NAME: &str = "intent";

/// File errors read as deleted namespaces; a template edited for everybody; protection that went
/// with the block that said so.
pub const AGAINST: &[u8] = &[8, 50, 51];

/// A delete needs a document in force, reviewed by a person, that says so.
pub fn check(case: &Case<'_>) -> Verdict {
    if let Some(root) = case.unread_roots.first() {
        let reason = format!(
            "the manifests below {root} are not in force as they are now: fix what `moored validate` says first"
        );
        return Verdict::refused(NAME, reason);
    }
    if !case.reviewed {
        let reason = "the manifest that says so is an import that nobody has reviewed, or `severity: info`: \
                      review it, and take its annotation or severity away";
        return Verdict::refused(NAME, reason);
    }
    match case.intent {
        Intent::Table(WhenParentGone::Prune) => Verdict::passed(NAME, "the StateTable says `whenParentGone: prune`"),
        Intent::Table(WhenParentGone::Report) => {
            Verdict::refused(NAME, "a StateTable that names it says `whenParentGone: report`: a finding, no plan")
        }
        Intent::Table(WhenParentGone::Keep) => {
            Verdict::refused(NAME, "a StateTable that names it says `whenParentGone: keep`: the cure is the parent")
        }
        Intent::Owned => Verdict::passed(NAME, "its manifest says `ownedBy`, and the owner is gone"),
        Intent::Absent => Verdict::passed(NAME, "its manifest says `state: absent`"),
        Intent::Alone(_) => Verdict::passed(NAME, "it serves the load balancer of this plan and nobody else"),
        Intent::Nobody => {
            let reason = "no manifest and no item names it any more: a name alone is no intent; delete it by hand, \
                          or declare it with `state: absent`";
            Verdict::refused(NAME, reason)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;

    #[test]
    fn a_table_that_says_prune_a_owner_that_is_gone_and_state_absent_are_intents() {
        let room = Room::ready();
        for intent in [Intent::Table(WhenParentGone::Prune), Intent::Owned, Intent::Absent, Intent::Alone("StateTable")]
        {
            assert!(check(&Case { intent, ..room.case() }).is_passed(), "{intent:?}");
        }
    }

    #[test]
    fn a_table_that_only_reports_or_keeps_and_a_document_that_is_gone_are_none() {
        let room = Room::ready();
        for intent in [Intent::Table(WhenParentGone::Report), Intent::Table(WhenParentGone::Keep), Intent::Nobody] {
            assert!(!check(&Case { intent, ..room.case() }).is_passed(), "{intent:?}");
        }
    }

    #[test]
    fn what_nobody_reviewed_and_what_is_not_in_force_deletes_nothing() {
        let room = Room::ready();
        assert!(!check(&Case { reviewed: false, ..room.case() }).is_passed());
        assert!(!check(&Case { unread_roots: vec!["platform".into()], ..room.case() }).is_passed());
    }
}
