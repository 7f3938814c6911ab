//! Guard 4, second half: nobody is still at work on it.
//!
//! Decides that what was written, declared or lost a moment ago is left alone as long as its
//! policy's `settle` says, except where the API itself says that the parent was deleted.

use super::{Case, Verdict};

/// Its name.
pub const NAME: &str = "settle";

/// A service that was "not found" right after it was made; dependents of a parent that only
/// restarted.
pub const AGAINST: &[u8] = &[20, 24, 25];

/// The settling time is over.
pub fn check(case: &Case<'_>) -> Verdict {
    match case.settling.filter(|until| *until > case.now) {
        None => Verdict::passed(NAME, "nobody can still be at work on it"),
        Some(until) => {
            let clock = until.strftime("%H:%M:%S");
            Verdict::waits(NAME, Some(until), format!("its parent may still be on its way until {clock}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::super::fixture::{Room, at};
    use super::*;

    #[test]
    fn what_has_settled_passes() {
        let room = Room::ready();
        assert!(check(&room.case()).is_passed());
        assert!(check(&Case { settling: Some(at(130)), ..room.case() }).is_passed(), "at its end it is over");
    }

    #[test]
    fn what_may_still_be_on_its_way_waits_until_then() {
        let room = Room::ready();
        let verdict = check(&Case { settling: Some(at(600)), ..room.case() });
        assert_eq!(verdict.outcome, Outcome::Waits { until: Some(at(600)) });
    }
}
