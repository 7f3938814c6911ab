use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::platform::*;
use crate::core::repair::episode::*;
use crate::core::repair::fresh::{Found, Fresh};
use crate::core::repair::ledger::{Ending, Entry, Fate};
use crate::core::repair::resume::{Broken, resume};
use crate::core::repair::step::{LATE, step};
use crate::core::repair::target::Step;
use crate::core::tests::fixture::at;

pub const BEGUN: i64 = 300;

/// The episode of an approved plan.
pub fn episode() -> Episode {
    let mut ops = Ops::ripe();
    let (plan, now) = (ops.plan(), ops.stage.now);
    Episode::begin("e1".into(), &plan, &approved(&plan, now), now).unwrap()
}

pub fn lease() -> Lease {
    Lease { fence: 7, until: at(BEGUN + 600) }
}

/// A reading that allows everything.
pub fn fine(episode: &Episode, action: usize, now: Timestamp) -> Fresh {
    let task = episode.tasks().get(action).unwrap();
    Fresh {
        action,
        started: now,
        target: Found::Present {
            incarnation: task.target.incarnation().clone(),
            version: task.target.version().clone(),
        },
        owners: vec![Found::Gone; task.owners.len()],
        pieces: vec![Found::Gone; task.pieces.len()],
        referrers: Ok(Default::default()),
        protected: Some(false),
    }
}

/// What a cloud, a ledger and a lease that work say to a request.
pub fn good(episode: &Episode, request: &Request, now: Timestamp) -> Event {
    match request {
        Request::CheckIdentity(_) => Event::IdentityChecked(Ok(())),
        Request::Journal(Entry::Intent { target, .. }) => Event::Journalled(Some(target.version().clone())),
        Request::Journal(_) => Event::Journalled(None),
        Request::ReadFresh(actions) => Event::Read(actions.iter().map(|at| fine(episode, *at, now)).collect()),
        Request::Delete(_) => Event::Sent(Answer::Accepted),
        Request::ReadBack(_) => Event::ReadBack(Found::Gone),
        Request::Release => Event::Released,
    }
}

/// What was asked of the engine, in order.
pub struct Run {
    pub episode: Episode,
    pub requests: Vec<Request>,
    pub now: Timestamp,
}

impl Run {
    pub fn new() -> Self {
        Self { episode: episode(), requests: Vec::new(), now: at(BEGUN) }
    }

    pub fn tell(&mut self, event: &Event) -> Option<Request> {
        let (episode, request) = step(&self.episode, event, self.now);
        self.episode = episode;
        self.requests.extend(request.clone());
        request
    }

    /// Goes on while everything works, until `stop` says so; the request that it stopped at.
    pub fn until(&mut self, stop: impl Fn(&Request) -> bool) -> Option<Request> {
        let mut next = match self.requests.last() {
            None => self.tell(&Event::Started(lease())),
            Some(last) => {
                let answer = good(&self.episode, last, self.now);
                self.tell(&answer)
            }
        };
        while let Some(request) = next {
            if stop(&request) {
                return Some(request);
            }
            self.now += SignedDuration::from_millis(100);
            let answer = good(&self.episode, &request, self.now);
            next = self.tell(&answer);
        }
        None
    }

    fn deletes(&self) -> Vec<&Delete> {
        let deletes = self.requests.iter().filter_map(|request| match request {
            Request::Delete(delete) => Some(delete),
            _ => None,
        });
        deletes.collect()
    }

    fn entries(&self) -> Vec<Entry> {
        let entries = self.requests.iter().filter_map(|request| match request {
            Request::Journal(entry) => Some(entry.clone()),
            _ => None,
        });
        entries.collect()
    }

    fn fates(&self) -> Vec<Fate> {
        self.episode.closed().iter().map(|closed| closed.fate).collect()
    }

    fn stopped(&self) -> Arc<str> {
        match self.episode.ending() {
            Some(Ending::Stopped { reason }) => reason.clone(),
            other => panic!("{other:?}"),
        }
    }
}

fn is_delete(request: &Request) -> bool {
    matches!(request, Request::Delete(_))
}

fn reads_one(request: &Request) -> bool {
    matches!(request, Request::ReadFresh(actions) if actions.len() == 1)
}

#[test]
fn an_approved_plan_goes_from_the_name_to_the_item_and_ends_clean() {
    let mut run = Run::new();
    assert_eq!(run.until(|_| false), None);
    assert_eq!(run.episode.ending(), Some(&Ending::Clean));
    assert_eq!(run.fates(), [Fate::Deleted; 4]);
    let steps: Vec<Step> = run.deletes().iter().map(|delete| delete.target.step()).collect();
    assert_eq!(steps, [Step::Record, Step::HealthCheck, Step::LoadBalancer, Step::Item]);
    let conditions: Vec<Precondition> = run.deletes().iter().map(|delete| delete.precondition).collect();
    assert_eq!(conditions[0], Precondition::ExactRecord);
    assert_eq!(conditions[3], Precondition::EveryAttributeAndFence);
    assert!(run.deletes().iter().all(|delete| delete.fence == 7));
    assert!(matches!(run.requests.last(), Some(Request::Release)));
}

#[test]
fn before_every_delete_stand_its_durable_intent_the_identity_and_a_reading_in_that_order() {
    let mut run = Run::new();
    run.until(|_| false);
    for (at, request) in run.requests.iter().enumerate().filter(|(_, request)| is_delete(request)) {
        let Request::Delete(delete) = request else { continue };
        let [intent, identity, reading] = &run.requests[at - 3..at] else { panic!("{at}") };
        assert!(matches!(intent, Request::Journal(Entry::Intent { action, .. }) if *action == delete.action));
        assert!(matches!(identity, Request::CheckIdentity(scopes) if scopes.contains(delete.target.scope())));
        assert_eq!(*reading, Request::ReadFresh(vec![delete.action]));
    }
}

#[test]
fn a_refusal_that_a_first_reading_foresees_leaves_everything_as_it_is() {
    let mut run = Run::new();
    run.until(|request| matches!(request, Request::ReadFresh(_)));
    let mut fresh: Vec<Fresh> = (0..4).map(|action| fine(&run.episode, action, run.now)).collect();
    fresh[2].protected = Some(true);
    assert!(matches!(run.tell(&Event::Read(fresh)), Some(Request::Journal(Entry::Ended { .. }))));
    run.until(|_| false);
    assert!(run.stopped().contains("deletion protection is on"));
    assert!(run.deletes().is_empty());
}

#[test]
fn what_changed_since_the_plan_is_left_alone_and_so_is_everything_after_it() {
    let edits: [&dyn Fn(&mut Fresh); 6] = [
        &|fresh| fresh.target = Found::Present { incarnation: "another".into(), version: "v".into() },
        &|fresh| fresh.owners = vec![Found::Present { incarnation: "c2".into(), version: "v".into() }],
        &|fresh| fresh.owners = Vec::new(),
        &|fresh| fresh.referrers = Ok([Arc::from("www")].into()),
        &|fresh| fresh.referrers = Err("throttled".into()),
        &|fresh| fresh.started = at(0),
    ];
    for (number, edit) in edits.iter().enumerate() {
        let mut run = Run::new();
        run.until(reads_one);
        // A reading that tells nothing is asked for again; it tells nothing again.
        for _ in 0..3 {
            let mut fresh = fine(&run.episode, 0, run.now);
            edit(&mut fresh);
            run.tell(&Event::Read(vec![fresh]));
        }
        run.until(|_| false);
        assert_eq!(run.fates(), [Fate::Aborted], "edit {number}");
        assert!(run.deletes().is_empty(), "edit {number}");
    }
}

#[test]
fn a_reading_that_is_older_than_two_seconds_allows_nothing() {
    let mut run = Run::new();
    run.until(reads_one);
    let fresh = fine(&run.episode, 0, run.now);
    run.now += SignedDuration::from_millis(2_001);
    assert_eq!(run.tell(&Event::Read(vec![fresh])), Some(Request::ReadFresh(vec![0])), "it is read again");
    let fresh = fine(&run.episode, 0, run.now);
    run.now += SignedDuration::from_millis(1_999);
    let Some(Request::Delete(delete)) = run.tell(&Event::Read(vec![fresh.clone()])) else { panic!() };
    assert_eq!(delete.not_after, fresh.started + SignedDuration::from_secs(2), "nor may it leave later");
}

#[test]
fn a_request_that_was_too_late_to_leave_is_closed_and_nothing_follows() {
    let mut run = Run::new();
    run.until(is_delete);
    run.tell(&Event::NotSent("the process was paused".into()));
    run.until(|_| false);
    assert_eq!((run.fates(), run.deletes().len()), (vec![Fate::Aborted], 1));
}

#[test]
fn no_request_leaves_that_the_lease_might_not_outlast() {
    let mut run = Run::new();
    run.until(reads_one);
    run.now = at(BEGUN + 590);
    let fresh = fine(&run.episode, 0, run.now);
    run.tell(&Event::Read(vec![fresh]));
    run.until(|_| false);
    assert!(run.deletes().is_empty());
    assert!(run.episode.closed()[0].reason.contains("lease"), "{:?}", run.episode.closed());
}

#[test]
fn a_freeze_a_lost_lease_and_a_clock_that_goes_back_stop_it_before_the_next_request() {
    let stops: [(&Event, i64); 4] =
        [(&Event::Frozen("by hand".into()), 0), (&Event::LeaseLost, 0), (&Event::Stop, 0), (&Event::Tick, -3_600)];
    for (event, seconds) in stops {
        let mut run = Run::new();
        run.until(reads_one);
        let told = run.now;
        run.now += SignedDuration::from_secs(seconds);
        assert_eq!(run.tell(event), None, "{event:?}");
        run.now = told;
        let fresh = fine(&run.episode, 0, run.now);
        run.tell(&Event::Read(vec![fresh]));
        run.until(|_| false);
        assert!(run.deletes().is_empty(), "{event:?}");
        assert!(matches!(run.episode.ending(), Some(Ending::Stopped { .. })), "{event:?}");
    }
}

#[test]
fn a_freeze_after_the_request_still_waits_for_what_became_of_it() {
    let mut run = Run::new();
    run.until(is_delete);
    run.tell(&Event::Frozen("by hand".into()));
    run.until(|_| false);
    assert_eq!((run.fates(), run.deletes().len()), (vec![Fate::Deleted], 1));
}

#[test]
fn an_answer_that_never_came_is_settled_by_reading_and_never_by_sending_again() {
    let mut run = Run::new();
    run.until(is_delete);
    let Some(Request::ReadBack(target)) = run.tell(&Event::TimedOut) else { panic!() };
    let still = Found::Present { incarnation: target.incarnation().clone(), version: target.version().clone() };
    assert_eq!(run.tell(&Event::ReadBack(still)), None, "it may still come true");
    run.now = run.episode.wakes_at().unwrap();
    assert!(matches!(run.tell(&Event::Tick), Some(Request::ReadBack(_))));
    run.until(|request| matches!(request, Request::Journal(Entry::Intent { action: 1, .. })));
    assert_eq!((run.fates(), run.deletes().len()), (vec![Fate::Deleted], 1));
}

#[test]
fn success_is_no_proof_and_what_stays_although_it_was_accepted_is_refused() {
    let mut run = Run::new();
    run.until(is_delete);
    let Some(Request::ReadBack(target)) = run.tell(&Event::Sent(Answer::Accepted)) else { panic!() };
    let still = Found::Present { incarnation: target.incarnation().clone(), version: target.version().clone() };
    run.now += LATE;
    run.tell(&Event::ReadBack(still));
    run.until(|_| false);
    assert_eq!((run.fates(), run.deletes().len()), (vec![Fate::Refused], 1));
}

#[test]
fn without_a_durable_intent_or_a_fitting_before_image_nothing_is_sent() {
    let bad = [Event::NotJournalled("disk full".into()), Event::TimedOut, Event::Journalled(None)];
    for event in bad {
        let mut run = Run::new();
        run.until(|request| matches!(request, Request::Journal(Entry::Intent { .. })));
        run.tell(&event);
        run.until(|_| false);
        assert!(run.deletes().is_empty(), "{event:?}");
        assert!(matches!(run.episode.ending(), Some(Ending::Stopped { .. })), "{event:?}");
    }
}

#[test]
fn an_episode_that_crashed_at_any_entry_only_reads_and_closes_what_was_open() {
    let mut whole = Run::new();
    whole.until(|_| false);
    let entries = whole.entries();
    for written in 1..=entries.len() {
        let known = &entries[..written];
        let resumed = resume(known, at(BEGUN + 3_600)).unwrap();
        let open = matches!(known.last(), Some(Entry::Intent { .. }));
        let lease = Lease { fence: 8, until: at(BEGUN + 9_000) };
        let mut run = Run { episode: resumed, requests: Vec::new(), now: at(BEGUN + 3_600) };
        let first = run.tell(&Event::Started(lease));
        assert_eq!(matches!(first, Some(Request::ReadBack(_))), open, "after {written} entries");
        if let Some(first) = first {
            let answer = good(&run.episode, &first, run.now);
            run.tell(&answer);
            run.until(|_| false);
        }
        assert!(run.deletes().is_empty());
        assert!(run.episode.ending().is_some(), "after {written} entries");
        let closed = [known, &run.entries()[..]].concat();
        let intents = closed.iter().filter(|entry| matches!(entry, Entry::Intent { .. })).count();
        let outcomes = closed.iter().filter(|entry| matches!(entry, Entry::Outcome { .. })).count();
        assert_eq!(intents, outcomes, "the ledger is closed");
    }
}

#[test]
fn an_open_intent_whose_thing_is_still_there_is_closed_once_nothing_can_come_true_any_more() {
    let mut whole = Run::new();
    whole.until(|_| false);
    let entries: Vec<Entry> = whole.entries().into_iter().take(2).collect();
    let mut run = Run { episode: resume(&entries, at(BEGUN)).unwrap(), requests: Vec::new(), now: at(BEGUN + 1) };
    let Some(Request::ReadBack(target)) = run.tell(&Event::Started(lease())) else { panic!() };
    let still = Found::Present { incarnation: target.incarnation().clone(), version: target.version().clone() };
    assert_eq!(run.tell(&Event::ReadBack(still.clone())), None, "an old request may still arrive");
    run.now += LATE + LATE;
    run.tell(&Event::Tick);
    run.tell(&Event::ReadBack(still));
    run.until(|_| false);
    assert_eq!(run.fates(), [Fate::Aborted]);
}

#[test]
fn a_ledger_that_was_edited_gives_no_episode() {
    let mut whole = Run::new();
    whole.until(|_| false);
    let entries = whole.entries();
    assert_eq!(resume(&entries[1..], at(BEGUN)), Err(Broken::Headless));
    let mut swapped = entries.clone();
    swapped.swap(1, 2);
    assert_eq!(resume(&swapped, at(BEGUN)), Err(Broken::Disorder(1)));
    let written = serde_json::to_string(&entries).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Entry>>(&written).unwrap(), entries);
}

#[test]
fn tasks_in_another_order_are_no_sequence() {
    let tasks: Vec<Task> = episode().tasks().iter().cloned().collect();
    let mut backwards = tasks.clone();
    backwards.reverse();
    assert_eq!(Sequence::try_from(backwards), Err(Disorder::Step(1)));
    assert_eq!(Sequence::try_from(Vec::new()), Err(Disorder::Empty));
    let twice = [tasks.clone(), tasks.last().cloned().into_iter().collect()].concat();
    assert_eq!(Sequence::try_from(twice), Err(Disorder::Twice(4)));
}
