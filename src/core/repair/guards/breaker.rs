//! Guard 5: too much at once is a fault of ours, until a person says otherwise.
//!
//! Decides by the breakers that `repair::breaker` finds tripped. What cannot be counted cannot be
//! trusted. Of a kind with few things only one group is cleared at a time, since a percentage says
//! nothing there.

use super::{Case, Verdict};
use crate::core::repair::policy::SMALL_KIND;

/// Its name.
pub const NAME: &str = "breaker";

/// 883 sites in 23 minutes; an empty set that meant everything; every cluster scaled down by one
/// edit.
pub const AGAINST: &[u8] = &[5, 7, 9, 31, 36, 38, 50];

/// Nothing looks as if too much was lost at once.
pub fn check(case: &Case<'_>) -> Verdict {
    if let Some(why) = case.uncounted {
        return Verdict::waits(NAME, None, format!("it cannot be counted how much looks lost: {why}"));
    }
    if !case.trips.is_empty() {
        let trips = case.trips.join("; ");
        let reason = format!("{trips}: repair is frozen until somebody looks, and runs `moored unfreeze --reason …`");
        return Verdict::refused(NAME, reason);
    }
    let running = case.circumstances.and_then(|circumstances| circumstances.running.as_ref());
    match running.filter(|running| *running != case.root && case.of_its_kind < SMALL_KIND) {
        Some(running) => {
            let kind = case.step.kind();
            let reason = format!(
                "there are only {} things of kind {kind}: one group at a time, and {}/{} is being cleared",
                case.of_its_kind, running.kind, running.name
            );
            Verdict::waits(NAME, None, reason)
        }
        None => Verdict::passed(NAME, "no kind lost 5 things, or a fifth of them, within 10 minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;

    #[test]
    fn a_quiet_environment_passes() {
        assert!(check(&Room::ready().case()).is_passed());
    }

    #[test]
    fn a_tripped_breaker_and_what_cannot_be_counted_stop_everything() {
        let room = Room { trips: vec!["6 of 20 LoadBalancers look orphaned".to_owned()], ..Room::ready() };
        assert!(!check(&room.case()).is_passed());
        let room = Room::ready();
        assert!(!check(&Case { uncounted: Some("the zone cannot be read"), ..room.case() }).is_passed());
    }

    #[test]
    fn of_a_kind_with_fewer_than_ten_things_one_group_goes_at_a_time() {
        let mut room = Room::ready();
        room.circumstances.running = Some(Room::another_group());
        assert!(check(&room.case()).is_passed(), "there are 40 of them");
        assert!(!check(&Case { of_its_kind: 9, ..room.case() }).is_passed());
        room.circumstances.running = Some(room.root.clone());
        assert!(check(&Case { of_its_kind: 9, ..room.case() }).is_passed());
    }
}
