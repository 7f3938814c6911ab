//! What is known to have been handed to the processes of an app, by the stamps that Cloud Foundry
//! keeps.
//!
//! Decides when every process was last handed its configuration anew, and whether that was after the
//! app, or a process, was last changed. A change and a restart between two readings look alike to
//! whoever sees only the readings: the stamps tell which came first. As the stamps move on with every
//! label, that they once proved it is remembered as a mark. [`super::live`] makes the marks,
//! [`super::restart`] asks [`covers`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::live::Observed;
use super::v1::WEB;
use crate::core::memory::Mark;

/// Acts after which every process was desired anew. That a droplet was mapped, or a restage or a
/// deployment begun, is none: it may fail, and what ran before runs on.
const RESTARTS: [&str; 2] = ["audit.app.restart", "audit.app.start"];

/// The mark of a thing that was changed after its processes were handed their configuration.
const LATE: &str = "late";

/// An app and its first web process are made together; only a deployment makes another.
const TOGETHER: SignedDuration = SignedDuration::from_secs(5);

/// When every process was last handed its configuration anew: by a restart, by a start of what was
/// stopped (the reader knows), or by a deployment, which restarts the processes that it does not
/// replace when it ends.
pub fn at(observed: &Observed) -> Option<Timestamp> {
    let restarted = observed.restarted.as_ref().filter(|(_, event)| RESTARTS.contains(&event.as_str()));
    restarted.map(|(at, _)| *at).max(deployed(observed))
}

fn deployed(observed: &Observed) -> Option<Timestamp> {
    if observed.deployment.is_some() {
        return None;
    }
    let web = observed.processes.iter().filter(|process| process.process_type == WEB);
    let (made, app) = (web.filter_map(|process| process.created_at).max()?, observed.created_at?);
    (made.duration_since(app) > TOGETHER).then_some(made)
}

/// The mark of something that was stamped with its last change. An act stamps what it acts on: the
/// same second is the act's own.
pub fn mark(stamped: Option<Timestamp>, handed: Option<Timestamp>) -> Option<Arc<str>> {
    let stamped = stamped?;
    Some(
        handed
            .filter(|handed| stamped.as_second() <= handed.as_second())
            .map_or(LATE.into(), |at| at.to_string().into()),
    )
}

/// Whether what a reading showed, which was finished at `seen`, was handed over since, by the mark of
/// this name. A reading takes more than one call, so that the stamp may be older than what it came
/// with: the last reading whose stamp was in time must have begun after it.
pub fn covers(marks: &BTreeMap<Arc<str>, Mark>, name: &str, seen: Timestamp) -> bool {
    marks.get(name).is_some_and(|mark| match mark.value.as_deref() {
        None => false,
        Some(LATE) => mark.after.is_some_and(|after| seen < after),
        Some(_) => true,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::live::tests::{at as time, deployment, observed};
    use super::*;

    const RESTARTED: &str = "2026-11-20T04:00:00Z";

    fn handed(event: &str, change: impl FnOnce(&mut Observed)) -> Option<Timestamp> {
        let mut app = Observed { restarted: Some((time(RESTARTED), event.to_owned())), ..observed() };
        change(&mut app);
        at(&app)
    }

    #[test]
    fn a_restart_hands_over_and_a_mapped_droplet_does_not() {
        assert_eq!(handed(RESTARTS[0], |_| ()), Some(time(RESTARTED)));
        assert_eq!(handed("audit.app.droplet.mapped", |_| ()), None);
    }

    #[test]
    fn a_web_process_that_is_younger_than_its_app_is_a_deployment_that_has_ended() {
        let young = |app: &mut Observed| app.processes[0].created_at = Some(time("2026-11-20T05:00:00Z"));
        assert_eq!(handed(RESTARTS[0], young), Some(time("2026-11-20T05:00:00Z")));
        let rolling = handed(RESTARTS[0], |app| {
            young(app);
            app.deployment = Some(deployment("2026-11-20T05:00:00Z"));
        });
        assert_eq!(rolling, Some(time(RESTARTED)), "one that rolls may be cancelled");
    }

    #[test]
    fn what_was_stamped_after_the_last_act_is_late_and_the_second_of_the_act_is_its_own() {
        let handed = Some(time(RESTARTED));
        for (stamped, expected) in
            [("2026-11-20T03:59:59Z", RESTARTED), ("2026-11-20T04:00:00.9Z", RESTARTED), ("2026-11-20T04:00:01Z", LATE)]
        {
            assert_eq!(mark(Some(time(stamped)), handed).as_deref(), Some(expected), "{stamped}");
        }
        assert_eq!(mark(Some(time(RESTARTED)), None).as_deref(), Some(LATE));
        assert_eq!(mark(None, handed), None);
    }

    #[test]
    fn what_was_handed_over_stays_so_when_a_label_moves_the_stamp() {
        let since = time("2026-11-20T06:00:00Z");
        let marked = |value: Option<&str>, after: Option<&str>| {
            let mark = Mark { value: value.map(Into::into), since, after: after.map(time) };
            BTreeMap::from([(Arc::<str>::from("handed"), mark)])
        };
        let covers = |marks: BTreeMap<Arc<str>, Mark>, seen: &str| covers(&marks, "handed", time(seen));
        assert!(covers(marked(Some(RESTARTED), None), "2026-11-20T04:01:00Z"));
        let late = |after| marked(Some(LATE), after);
        assert!(covers(late(Some("2026-11-20T05:59:00Z")), "2026-11-20T04:01:00Z"), "before it was late");
        assert!(!covers(late(Some("2026-11-20T04:01:00Z")), "2026-11-20T04:01:00Z"), "of one reading and the next");
        assert!(!covers(late(None), "2026-11-20T04:01:00Z"), "it was late when it was first seen");
        assert!(!covers(marked(None, None), "2026-11-20T04:01:00Z") && !covers(BTreeMap::new(), RESTARTED));
    }
}
