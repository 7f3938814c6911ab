//! Guard 11: one writer in an environment.
//!
//! Decides whether there is anything that keeps two repairers apart, and whether this environment is
//! being repaired already. Without a lease table only what nobody depends on is repaired.

use super::{Case, Verdict};
use crate::core::desired::Class;

/// Its name.
pub const NAME: &str = "lease";

/// An old leader that never stopped leading; a clock an hour ahead and two schedulers; two owners
/// with one id.
pub const AGAINST: &[u8] = &[26, 40, 58, 59];

/// A lease table is named, or nobody depends on the environment; and no episode runs in it.
pub fn check(case: &Case<'_>) -> Verdict {
    let running = case.circumstances.and_then(|circumstances| circumstances.running.as_ref());
    if let Some(running) = running {
        let reason = format!("{}/{} is being cleared: one episode at a time", running.kind, running.name);
        return Verdict::waits(NAME, None, reason);
    }
    match case.policy {
        Some(policy) if policy.lease.is_some() => Verdict::passed(NAME, "a lease table keeps a second repairer out"),
        Some(policy) if matches!(policy.class, Class::Development | Class::Emulator) => {
            Verdict::passed(NAME, format!("class {} needs no lease table", policy.class.as_str()))
        }
        Some(_) | None => {
            Verdict::refused(NAME, "nothing keeps two repairers apart: name a table as `repair: {lease: {table: …}}`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;

    #[test]
    fn a_lease_table_or_a_class_that_nobody_depends_on_passes() {
        let mut room = Room::ready();
        assert!(check(&room.case()).is_passed());
        (room.policy.lease, room.policy.class) = (None, Class::Development);
        assert!(check(&room.case()).is_passed());
    }

    #[test]
    fn production_without_a_lease_and_a_second_episode_are_refused() {
        let mut room = Room::ready();
        room.policy.lease = None;
        assert!(!check(&room.case()).is_passed());
        let mut room = Room::ready();
        room.circumstances.running = Some(Room::another_group());
        assert!(!check(&room.case()).is_passed());
    }
}
