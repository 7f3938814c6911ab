//! Guard 4: one look is no evidence.
//!
//! Decides whether the thing was seen to be left over often enough, and for long enough. Counting is
//! `repair::evidence`'s matter.

use super::{Case, Verdict};

/// Its name.
pub const NAME: &str = "evidence";

/// One failed, partial or stale read that was taken for the truth.
pub const AGAINST: &[u8] = &[1, 2, 3, 4, 15, 16, 18, 19];

/// K complete confirmations over at least G, of the same incarnation, with no gap that is too long.
pub fn check(case: &Case<'_>) -> Verdict {
    match case.evidence {
        Some(evidence) if evidence.is_ripe(case.pass, case.now) => {
            Verdict::passed(NAME, evidence.sentence(case.pass, case.now))
        }
        Some(evidence) => {
            let until = evidence.ripe_at(case.pass);
            let until = (until > case.now).then_some(until);
            Verdict::waits(NAME, until, evidence.sentence(case.pass, case.now))
        }
        None => Verdict::waits(NAME, None, "evidence 0/3: not confirmed yet by a reading of its parent after its own"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::super::fixture::{Room, at, confirmed};
    use super::*;

    #[test]
    fn three_confirmations_over_two_minutes_pass() {
        assert!(check(&Room::ready().case()).is_passed());
    }

    #[test]
    fn two_of_three_wait_and_say_until_when() {
        let room = Room { now: at(62), evidence: confirmed(&[0, 60]), ..Room::ready() };
        let verdict = check(&room.case());
        assert_eq!(verdict.outcome, Outcome::Waits { until: Some(at(120)) });
        assert!(verdict.reason.starts_with("evidence 2/3, approvable "), "{}", verdict.reason);
        let none = Room { evidence: None, ..Room::ready() };
        assert!(!check(&none.case()).is_passed());
    }

    #[test]
    fn evidence_that_is_too_old_is_none_any_more() {
        let room = Room { now: at(1_000), ..Room::ready() };
        assert!(!check(&room.case()).is_passed());
    }
}
