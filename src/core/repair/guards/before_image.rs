//! Guard 9: nothing goes that could not be put back.
//!
//! Decides whether a whole before-image can be made and kept: every fact was read, and there is a
//! key to encrypt it with.

use super::{Case, Verdict};

/// Its name.
pub const NAME: &str = "before-image";

/// Databases and directories removed for good, with backups that did not restore; the parts of a
/// saga that nobody remembered.
pub const AGAINST: &[u8] = &[32, 34, 36, 37, 56];

/// The environment names a key file, and nothing of the thing is unread.
pub fn check(case: &Case<'_>) -> Verdict {
    if !case.policy.is_some_and(|policy| policy.has_key) {
        let reason = "no key to encrypt what is kept of it: name one as `repair: {keyFile: …}`";
        return Verdict::refused(NAME, reason);
    }
    if case.live.is_none() {
        return Verdict::waits(NAME, None, "it cannot be read now, so there would be nothing to restore it from");
    }
    if !case.before.gaps.is_empty() {
        return Verdict::waits(NAME, None, format!("not read yet: {}", case.before.gaps.join(", ")));
    }
    match case.before.not_restored.len() {
        0 => Verdict::passed(NAME, "it can be restored as it is"),
        lost => Verdict::passed(NAME, format!("it can be restored, except for {lost} things that the plan lists")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Room;
    use super::*;

    #[test]
    fn a_thing_that_was_read_whole_passes() {
        assert!(check(&Room::ready().case()).is_passed());
    }

    #[test]
    fn without_a_key_or_with_a_gap_there_is_no_image() {
        let mut room = Room::ready();
        room.before.gaps.push("listeners: throttled".into());
        assert!(!check(&room.case()).is_passed());
        room.before.gaps.clear();
        room.policy.has_key = false;
        assert!(!check(&room.case()).is_passed());
        assert!(!check(&Case { live: None, ..Room::ready().case() }).is_passed());
    }
}
