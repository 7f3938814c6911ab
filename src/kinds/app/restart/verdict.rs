//! Whether what runs has what changed.
//!
//! Decides it from times alone, all of them by moored's clock. Where a time that the platform told is
//! held against one that moored saw, or against the age of an instance, neither side is proven within
//! [`MARGIN`]. [`super::judge`] calls [`verdict`].

use jiff::{SignedDuration, Timestamp};

/// How far two clocks may be apart although one was put right by the other.
pub const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// Who stamped a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teller {
    /// moored, when it read.
    Moored,
    /// The platform, when it was done.
    Platform,
}

/// Within what time something changed: it was another before `from`, and is as it is since `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// No earlier than this.
    pub from: Timestamp,
    /// Before this.
    pub until: Timestamp,
    /// Who says so.
    pub by: Teller,
    /// The stamps of the platform prove that the last restart came after it.
    pub handed: bool,
}

/// What is known of the age of what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evidence {
    /// The version that runs was another after this, as moored saw it.
    pub version_after: Option<Timestamp>,
    /// The version that runs was there by this, as moored saw it.
    pub version_since: Option<Timestamp>,
    /// The process was made, as the platform says.
    pub process_created: Option<Timestamp>,
    /// The app was restarted, as the platform says.
    pub restarted: Option<Timestamp>,
    /// The oldest running instance started, by its age.
    pub oldest_start: Option<Timestamp>,
}

/// Whether what runs has what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It has it.
    Fresh,
    /// Nobody can say: its instances may have crashed, and started with the old.
    Maybe,
    /// It cannot have it.
    Stale,
}

/// Stale at once if the version that runs was there before the change, whatever was started since.
/// Fresh only if version, process or restart are later than the whole change. A restart counts only if
/// every instance has started since, and only of a version that was not there before it: what runs
/// already is started without effect. Never Fresh because an instance is young.
pub fn verdict(change: Change, evidence: Evidence) -> Verdict {
    let margin = |by: Teller| if by == change.by { SignedDuration::ZERO } else { MARGIN };
    let later = |at: Timestamp, by: Teller| at >= plus(change.until, margin(by));
    let was_there = |since: Timestamp| plus(since, margin(Teller::Moored)) <= change.from;
    if evidence.version_since.is_some_and(was_there) {
        return Verdict::Stale;
    }
    let new_version = evidence.version_after.is_some_and(|at| later(at, Teller::Moored));
    let new_process = evidence.process_created.is_some_and(|at| later(at, Teller::Platform));
    if new_version || new_process || restarted(evidence).is_some_and(|at| change.handed || later(at, Teller::Platform))
    {
        return Verdict::Fresh;
    }
    let ran = evidence.oldest_start.is_some_and(|start| plus(start, MARGIN) < change.from);
    if ran { Verdict::Stale } else { Verdict::Maybe }
}

/// The restart that made what runs.
fn restarted(evidence: Evidence) -> Option<Timestamp> {
    let at = evidence.restarted?;
    let made_the_version = evidence.version_since.is_none_or(|since| plus(since, MARGIN) >= at);
    let made_the_instances = evidence.oldest_start.is_some_and(|start| start >= at);
    (made_the_version && made_the_instances).then_some(at)
}

fn plus(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Seconds after ten o'clock.
    fn second(second: i64) -> Timestamp {
        let ten: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        ten.saturating_add(SignedDuration::from_secs(second)).unwrap()
    }

    /// Something changed between the 600th and the 1200th second.
    fn change(by: Teller) -> Change {
        Change { from: second(600), until: second(1200), by, handed: false }
    }

    const NOTHING: Evidence = Evidence {
        version_after: None,
        version_since: None,
        process_created: None,
        restarted: None,
        oldest_start: None,
    };

    fn restarted(at: i64, start: Option<i64>) -> Evidence {
        Evidence { restarted: Some(second(at)), oldest_start: start.map(second), ..NOTHING }
    }

    #[test]
    fn what_runs_is_fresh_or_stale_only_by_evidence_from_outside_of_the_change() {
        let version = |after: Option<i64>, since: Option<i64>| Evidence {
            version_after: after.map(second),
            version_since: since.map(second),
            ..NOTHING
        };
        for (why, evidence, expected) in [
            ("nobody knows", NOTHING, Verdict::Maybe),
            ("another version since", version(Some(1200), None), Verdict::Fresh),
            ("another version, but when?", version(Some(1199), None), Verdict::Maybe),
            ("a process made before", Evidence { process_created: Some(second(300)), ..NOTHING }, Verdict::Maybe),
            ("restarted since", restarted(1300, Some(1310)), Verdict::Fresh),
            ("restarted before", restarted(1100, Some(1310)), Verdict::Maybe),
            ("restarted, with instances of nobody knows when", restarted(1300, None), Verdict::Maybe),
            ("restarted without effect", restarted(1300, Some(300)), Verdict::Stale),
            ("an instance from before", Evidence { oldest_start: Some(second(500)), ..NOTHING }, Verdict::Stale),
            ("crashed since", Evidence { oldest_start: Some(second(1800)), ..NOTHING }, Verdict::Maybe),
            (
                "crashed since, but of a version from before",
                Evidence { oldest_start: Some(second(1800)), ..version(None, Some(600)) },
                Verdict::Stale,
            ),
        ] {
            assert_eq!(verdict(change(Teller::Moored), evidence), expected, "{why}");
        }
    }

    #[test]
    fn a_start_without_effect_and_a_later_crash_are_no_restart() {
        let crashed = restarted(1300, Some(1800));
        let from_before = Evidence { version_since: Some(second(500)), ..crashed };
        assert_eq!(verdict(change(Teller::Moored), from_before), Verdict::Stale, "the version is from before");
        let from_between = Evidence { version_since: Some(second(1250)), ..crashed };
        assert_eq!(
            verdict(change(Teller::Moored), from_between),
            Verdict::Maybe,
            "the version is older than the start"
        );
        let its_own = Evidence { version_since: Some(second(1330)), ..crashed };
        assert_eq!(verdict(change(Teller::Moored), its_own), Verdict::Fresh);
    }

    #[test]
    fn times_of_two_clocks_prove_nothing_within_the_margin() {
        let of_ages = |start: i64| Evidence { oldest_start: Some(second(start)), ..NOTHING };
        for (by, evidence, expected) in [
            (Teller::Platform, restarted(1200, Some(1200)), Verdict::Fresh),
            (Teller::Moored, restarted(1204, Some(1204)), Verdict::Maybe),
            (Teller::Moored, restarted(1205, Some(1205)), Verdict::Fresh),
            (Teller::Platform, Evidence { version_after: Some(second(1204)), ..NOTHING }, Verdict::Maybe),
            (Teller::Platform, Evidence { version_after: Some(second(1205)), ..NOTHING }, Verdict::Fresh),
            (Teller::Platform, Evidence { version_since: Some(second(596)), ..NOTHING }, Verdict::Maybe),
            (Teller::Platform, Evidence { version_since: Some(second(595)), ..NOTHING }, Verdict::Stale),
            (Teller::Platform, of_ages(595), Verdict::Maybe),
            (Teller::Moored, of_ages(594), Verdict::Stale),
        ] {
            assert_eq!(verdict(change(by), evidence), expected, "{by:?} {evidence:?}");
        }
    }

    #[test]
    fn a_change_that_the_stamps_put_before_the_restart_was_handed_over_by_it() {
        let handed = Change { handed: true, ..change(Teller::Moored) };
        assert_eq!(verdict(handed, restarted(900, Some(910))), Verdict::Fresh, "both between two readings");
        assert_eq!(verdict(handed, restarted(900, Some(800))), Verdict::Maybe, "not every instance has started since");
        assert_eq!(verdict(handed, NOTHING), Verdict::Maybe);
    }

    proptest! {
        /// But for the version that runs, which can refute a restart.
        #[test]
        fn less_evidence_never_makes_anything_fresh(
            times in proptest::collection::vec(proptest::option::of(0i64..1800), 5),
            without in 0usize..4,
            handed in any::<bool>(),
            ours in any::<bool>(),
        ) {
            let evidence = |times: &[Option<i64>]| {
                let of = |which: usize| times.get(which).copied().flatten().map(second);
                Evidence {
                    version_after: of(0),
                    process_created: of(1),
                    restarted: of(2),
                    oldest_start: of(3),
                    version_since: of(4),
                }
            };
            let mut fewer = times.clone();
            fewer[without] = None;
            let change = Change { handed, ..change(if ours { Teller::Moored } else { Teller::Platform }) };
            let (whole, poorer) = (verdict(change, evidence(&times)), verdict(change, evidence(&fewer)));
            prop_assert!(whole == Verdict::Fresh || poorer != Verdict::Fresh, "{:?} without {}", times, without);
        }
    }
}
