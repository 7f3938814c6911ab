//! Guard 3, seen from the other side: nothing that stays points at what goes.
//!
//! Decides whether a live thing outside the plan refers to it, and whether an item names anything
//! that is not going before it. It backs up `ownership`, which asks who claims it.

use super::{Case, Verdict};
use crate::core::repair::target::Step;
use crate::kinds::target_group::{Health, health};

/// Its name.
pub const NAME: &str = "references";

/// A plan in use that was cleaned up, and an empty record stayed; one service's deletion removed a
/// rule that all shared.
pub const AGAINST: &[u8] = &[21, 23, 26, 45];

/// Nobody would be left with a name that leads nowhere.
pub fn check(case: &Case<'_>) -> Verdict {
    if !case.outside.is_empty() {
        return Verdict::refused(NAME, format!("referred to by what stays: {}", case.outside.join(", ")));
    }
    if !case.staying.is_empty() {
        let reason = format!("an item goes last, and it still names what stays: {}", case.staying.join(", "));
        return Verdict::refused(NAME, reason);
    }
    if let Some(unlisted) = &case.unlisted {
        return Verdict::waits(NAME, None, format!("something might refer to it: {unlisted}"));
    }
    match case.live.filter(|_| case.step == Step::TargetGroup).map(health) {
        None => Verdict::passed(NAME, "nothing that stays refers to it"),
        Some(Health::Known(targets)) if targets.registered == 0 => {
            Verdict::passed(NAME, "nothing that stays refers to it, and it has no targets")
        }
        Some(Health::Known(targets)) => {
            Verdict::refused(NAME, format!("{} targets are registered with it: somebody uses it", targets.registered))
        }
        Some(Health::NotAsked) => Verdict::waits(NAME, None, "its targets were not read yet"),
        Some(Health::Unchecked(why) | Health::Unknown(why)) => {
            Verdict::waits(NAME, None, format!("its targets cannot be read ({why})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;

    #[test]
    fn what_nobody_points_at_passes() {
        assert!(check(&Room::ready().case()).is_passed());
        let mut room = Room::ready();
        room.live.fields = crate::core::value::Fields::default();
        for path in ["targets.registered", "targets.healthy", "targets.initial"] {
            room.live.fields.set(path, 0);
        }
        assert!(check(&Case { step: Step::TargetGroup, ..room.case() }).is_passed());
    }

    #[test]
    fn one_reference_from_outside_or_one_that_might_be_is_enough_to_stay() {
        let room = Room::ready();
        assert!(!check(&Case { outside: vec!["example.com/www/CNAME/".into()], ..room.case() }).is_passed());
        assert!(!check(&Case { unlisted: Some("the zone is not listed".to_owned()), ..room.case() }).is_passed());
    }

    #[test]
    fn an_item_that_names_what_stays_is_kept_and_so_is_a_group_with_targets() {
        let mut room = Room::ready();
        assert!(!check(&Case { staying: vec!["LoadBalancer api".to_owned()], ..room.case() }).is_passed());
        assert!(!check(&Case { step: Step::TargetGroup, ..room.case() }).is_passed(), "its targets were not read");
        for path in ["targets.registered", "targets.healthy", "targets.initial"] {
            room.live.fields.set(path, 1);
        }
        assert!(!check(&Case { step: Step::TargetGroup, ..room.case() }).is_passed());
    }
}
