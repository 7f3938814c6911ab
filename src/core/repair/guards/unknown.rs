//! The rule under all others: unknown is not absent, and not "as it was" either.
//!
//! Decides that whatever about the thing could not be read keeps it where it is.

use super::{Case, Verdict};

/// Its name.
pub const NAME: &str = "unknown";

/// A timeout, a throttle, a denial or an empty page that was read as "all gone".
pub const AGAINST: &[u8] = &[1, 3, 6, 8, 11, 13, 14, 17];

/// Everything that was asked was answered.
pub fn check(case: &Case<'_>) -> Verdict {
    if !case.doubts.is_empty() {
        return Verdict::waits(NAME, None, format!("not known now: {}", case.doubts.join("; ")));
    }
    match case.live {
        Some(_) => Verdict::passed(NAME, "everything about it was read"),
        None => Verdict::waits(NAME, None, "it cannot be read now"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;

    #[test]
    fn what_was_read_passes() {
        assert!(check(&Room::ready().case()).is_passed());
    }

    #[test]
    fn one_answer_that_is_missing_is_enough_to_wait() {
        let room = Room::ready();
        assert!(!check(&Case { live: None, ..room.case() }).is_passed());
        assert!(!check(&Case { doubts: vec!["its parent: throttled".to_owned()], ..room.case() }).is_passed());
    }
}
