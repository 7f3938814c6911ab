//! The kill switch: frozen means nothing.
//!
//! Decides by what the ledger says. A ledger that was not read allows nothing: a veto that cannot be
//! loaded is in force.

use super::{Case, Verdict};

/// Its name.
pub const NAME: &str = "freeze";

/// Deletions that ran for 23 minutes, or for hours, because nothing could stop them.
pub const AGAINST: &[u8] = &[29, 36, 48, 49];

/// Repair is not frozen, and somebody has looked.
pub fn check(case: &Case<'_>) -> Verdict {
    match case.circumstances.map(|circumstances| &circumstances.frozen) {
        Some(None) => Verdict::passed(NAME, "repair is not frozen"),
        Some(Some(why)) => {
            Verdict::refused(NAME, format!("repair is frozen ({why}): `moored unfreeze --reason …` lets it go on"))
        }
        None => Verdict::refused(NAME, "the ledger was not read: nobody can say that repair is not frozen"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;

    #[test]
    fn what_is_not_frozen_passes() {
        assert!(check(&Room::ready().case()).is_passed());
    }

    #[test]
    fn a_freeze_and_a_ledger_that_was_not_read_stop_everything() {
        let mut room = Room::ready();
        assert!(!check(&Case { circumstances: None, ..room.case() }).is_passed());
        room.circumstances.frozen = Some("disk full".into());
        assert!(!check(&room.case()).is_passed());
    }
}
