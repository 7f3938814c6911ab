//! Steps: what follows from one event, as the next episode and at most one request.
//!
//! Decides the whole course of an episode: the intent is durable before anything is read for it,
//! the reading that allows a request is at most two seconds old when the request is handed over,
//! each intent has at most one request, and what became of it is told by reading, never by asking
//! again. A freeze, a lost lease or a clock that goes back stop it before the next request. It
//! never waits and never calls: the engine and the simulator drive it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::episode::{Answer, Delete, Episode, Event, Lease, Phase, Precondition, Request, State, Task};
use super::fresh::{Allows, Found, Fresh};
use super::ledger::{Closed, Ending, Entry, Fate};
use super::policy::{CLOCK_SLACK, FRESH};
use super::target::{Step, place};

/// A reading that tells nothing is repeated so often, before nothing is done instead.
const READINGS: u32 = 3;

/// A request that was sent may still be carried out for so long; and a thing that is deleted may be
/// shown for so long.
pub const LATE: SignedDuration = SignedDuration::from_mins(2);

/// Between two readings of whether it is gone.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// The episode after an event, and what it asks for. An event that answers nothing it asked changes
/// nothing.
pub fn step(episode: &Episode, event: &Event, now: Timestamp) -> (Episode, Option<Request>) {
    let mut next = episode.clone();
    let request = next.turn(event, now);
    (next, request)
}

impl Episode {
    fn turn(&mut self, event: &Event, now: Timestamp) -> Option<Request> {
        if self.ending().is_some() {
            return None;
        }
        if self.clock.duration_since(now) > CLOCK_SLACK {
            self.stop("the clock was set back: nobody can say how old a reading is");
        }
        self.clock = self.clock.max(now);
        let stopped = match event {
            Event::Renewed(until) => {
                if let Some(lease) = &mut self.lease {
                    lease.until = lease.until.max(*until);
                }
                return None;
            }
            Event::Frozen(why) => Some(format!("repair was frozen ({why})")),
            Event::LeaseLost => {
                self.lease = None;
                Some("the lease was lost: somebody else may be repairing".to_owned())
            }
            Event::Stop => Some("moored was asked to end".to_owned()),
            _ => None,
        };
        if let Some(why) = stopped {
            self.stop(&why);
            // What was asked is waited for; where nothing was, there is nothing to wait for.
            return if self.phase == Phase::Acting(State::Pending) { self.end() } else { None };
        }
        match (self.phase.clone(), event) {
            (Phase::Starting, Event::Started(lease)) => self.start(*lease, now),
            (Phase::Starting, Event::NotStarted(why)) => self.give_up(why),
            (Phase::Starting, Event::TimedOut) => self.give_up("the lease did not come in time"),
            (Phase::Identifying, Event::IdentityChecked(Ok(()))) if self.stopping.is_none() => {
                self.phase = Phase::Preflight;
                Some(Request::ReadFresh(self.tasks.iter().enumerate().map(|(at, _)| at).collect()))
            }
            (Phase::Identifying, Event::IdentityChecked(Ok(()))) => self.end(),
            (Phase::Identifying, Event::IdentityChecked(Err(why))) => self.stop_and_end(why),
            (Phase::Identifying, Event::TimedOut) => self.stop_and_end("the credentials could not be checked in time"),
            (Phase::Preflight, Event::Read(fresh)) => self.preflight(fresh),
            (Phase::Preflight, Event::TimedOut) => self.stop_and_end("what is to go could not be read in time"),
            (Phase::Opening, Event::Journalled(_)) => self.proceed(now),
            (Phase::Opening, Event::NotJournalled(why)) => self.unwritten(why),
            (Phase::Opening, Event::TimedOut) => self.unwritten("no answer in time"),
            (Phase::Acting(state), event) => self.act(state, event, now),
            (Phase::Closing, Event::Journalled(_)) => self.release(),
            (Phase::Closing, Event::NotJournalled(why)) => self.unwritten(why),
            (Phase::Closing, Event::TimedOut) => self.unwritten("no answer in time"),
            (Phase::Releasing, Event::Released | Event::TimedOut) => {
                self.phase = Phase::Ended(self.outcome());
                None
            }
            _ => None,
        }
    }

    fn start(&mut self, lease: Lease, now: Timestamp) -> Option<Request> {
        self.lease = Some(lease);
        if let Some(sent_at) = self.settling.take() {
            let until = sent_at.saturating_add(LATE).unwrap_or(Timestamp::MAX);
            return self.read_back(None, until);
        }
        if self.stopping.is_none() && now > self.expires_at {
            self.stop("the plan expired before the lease was ours: approve it again");
        }
        if self.stopping.is_some() {
            return self.end();
        }
        self.phase = Phase::Identifying;
        Some(Request::CheckIdentity(self.tasks.iter().map(|task| task.target.scope().clone()).collect()))
    }

    /// Every refusal that a reading can foresee is found before the first action.
    fn preflight(&mut self, fresh: &[Fresh]) -> Option<Request> {
        let all: BTreeSet<Arc<str>> =
            self.tasks.iter().map(|task| place(task.target.scope(), task.target.id())).collect();
        for (at, task) in self.tasks.iter().enumerate() {
            let read = fresh.iter().find(|fresh| fresh.action == at);
            let why = match read.map(|fresh| fresh.allows(task, &all, false)) {
                Some(Allows::Request | Allows::Nothing) => continue,
                Some(Allows::Never(why) | Allows::Unclear(why)) => why,
                None => "it was not read".to_owned(),
            };
            let why = format!("nothing was done: {}: {why}", task.target);
            return self.stop_and_end(&why);
        }
        let Some(lease) = self.lease.filter(|_| self.stopping.is_none()) else { return self.end() };
        self.phase = Phase::Opening;
        Some(Request::Journal(Entry::Begun {
            episode: self.id.clone(),
            environment: self.environment.clone(),
            root: self.root.clone(),
            plan: self.plan.clone(),
            fence: lease.fence,
            tasks: self.tasks.clone(),
            at: self.clock,
        }))
    }

    /// The next action, if there is one and nothing speaks against it; else the end.
    fn proceed(&mut self, now: Timestamp) -> Option<Request> {
        let at = self.closed.len();
        if let Some((closed, task)) = self.closed.last().zip(self.tasks.get(at.saturating_sub(1)))
            && !closed.fate.is_gone()
        {
            let why = format!("{} is {}: {}", task.target, closed.fate, closed.reason);
            return self.stop_and_end(&why);
        }
        let Some(task) = self.tasks.get(at).filter(|_| self.stopping.is_none()).cloned() else { return self.end() };
        let Some(lease) = self.lease.filter(|lease| now <= lease.last_moment()) else {
            return self.stop_and_end("the lease runs out before the next request could be answered");
        };
        if now < self.not_before(&task) {
            self.phase = Phase::Acting(State::Pending);
            return None;
        }
        self.phase = Phase::Acting(State::Intending);
        let (episode, target) = (self.id.clone(), task.target);
        Some(Request::Journal(Entry::Intent { episode, action: at, target, fence: lease.fence, at: self.clock }))
    }

    fn act(&mut self, state: State, event: &Event, now: Timestamp) -> Option<Request> {
        let Some(task) = self.tasks.get(self.closed.len()).cloned() else { return self.end() };
        match (state, event) {
            (State::Pending, Event::Tick) => self.proceed(now),
            (State::Intending, Event::Journalled(image)) => self.intended(&task, image.as_ref()),
            (State::Intending, Event::NotJournalled(why)) => self.unwritten(why),
            (State::Intending, Event::TimedOut) => self.unwritten("no answer in time"),
            (State::Intended, Event::IdentityChecked(Ok(()))) => self.verify(1),
            (State::Intended, Event::IdentityChecked(Err(why))) => self.record(Fate::Aborted, why),
            (State::Intended, Event::TimedOut) => {
                self.record(Fate::Aborted, "the credentials could not be checked in time")
            }
            (State::Verifying { asked, readings }, Event::Read(fresh)) => {
                self.verified(&task, fresh, asked, readings, now)
            }
            (State::Verifying { readings, .. }, Event::TimedOut) => self.unclear("it was not read in time", readings),
            (State::Sent, Event::Sent(answer)) => self.sent(answer.clone()),
            (State::Sent, Event::TimedOut) => self.sent(Answer::Unclear("no answer in time".into())),
            (State::Sent, Event::NotSent(why)) => self.record(Fate::Aborted, why),
            (State::ReadBack { answer, until, again: None }, Event::ReadBack(found)) => {
                self.settle(&task, answer, until, found, now)
            }
            (State::ReadBack { answer, until, again: None }, Event::TimedOut) => {
                self.settle(&task, answer, until, &Found::Unclear("no answer in time".into()), now)
            }
            (State::ReadBack { answer, until, again: Some(at) }, Event::Tick) if now >= at => {
                self.read_back(answer, until)
            }
            (State::Recording(closed), Event::Journalled(_)) => {
                if task.target.step() == Step::Record {
                    self.names_gone = Some(self.clock);
                }
                self.closed.push(closed);
                self.proceed(now)
            }
            (State::Recording(_), Event::NotJournalled(why)) => self.unwritten(why),
            (State::Recording(_), Event::TimedOut) => self.unwritten("no answer in time"),
            _ => None,
        }
    }

    /// The intent is durable: with a before-image of just what was planned, or nothing goes.
    fn intended(&mut self, task: &Task, image: Option<&Arc<str>>) -> Option<Request> {
        if image != Some(task.target.version()) {
            return self.record(Fate::Aborted, "what could be kept of it is not what was planned: it has changed");
        }
        self.phase = Phase::Acting(State::Intended);
        Some(Request::CheckIdentity(BTreeSet::from([task.target.scope().clone()])))
    }

    fn verify(&mut self, readings: u32) -> Option<Request> {
        if let Some(why) = self.stopping.clone() {
            return self.record(Fate::Aborted, &why);
        }
        self.phase = Phase::Acting(State::Verifying { asked: self.clock, readings });
        Some(Request::ReadFresh(vec![self.closed.len()]))
    }

    fn verified(
        &mut self,
        task: &Task,
        fresh: &[Fresh],
        asked: Timestamp,
        readings: u32,
        now: Timestamp,
    ) -> Option<Request> {
        let at = self.closed.len();
        let Some(fresh) = fresh.iter().find(|fresh| fresh.action == at && fresh.started >= asked) else {
            return self.unclear("it was not read when it was asked for", readings);
        };
        match fresh.allows(task, &self.tasks.after(at), true) {
            Allows::Request => {}
            Allows::Nothing => return self.record(Fate::AlreadyGone, "somebody else deleted it"),
            Allows::Never(why) => return self.record(Fate::Aborted, &why),
            Allows::Unclear(why) => return self.unclear(&why, readings),
        }
        if let Some(why) = self.stopping.clone() {
            return self.record(Fate::Aborted, &why);
        }
        let Some(lease) = self.lease else { return self.record(Fate::Aborted, "there is no lease") };
        let old = fresh.started.saturating_add(FRESH).unwrap_or(Timestamp::MIN);
        if now < fresh.started || now > old {
            return self.unclear("the reading is older than two seconds", readings);
        }
        let not_after = old.min(lease.last_moment());
        if now > not_after {
            return self.record(Fate::Aborted, "the lease runs out before the request could be answered");
        }
        let precondition = match task.target.step() {
            Step::Item => Precondition::EveryAttributeAndFence,
            Step::Record => Precondition::ExactRecord,
            Step::HealthCheck | Step::LoadBalancer | Step::TargetGroup => Precondition::IdAlone,
        };
        self.phase = Phase::Acting(State::Sent);
        let target = task.target.clone();
        Some(Request::Delete(Delete { action: at, target, precondition, fence: lease.fence, not_after }))
    }

    /// A reading that told nothing: once more, or not at all.
    fn unclear(&mut self, why: &str, readings: u32) -> Option<Request> {
        if readings < READINGS { self.verify(readings.saturating_add(1)) } else { self.record(Fate::Aborted, why) }
    }

    fn sent(&mut self, answer: Answer) -> Option<Request> {
        let until = self.clock.saturating_add(LATE).unwrap_or(Timestamp::MAX);
        self.read_back(Some(answer), until)
    }

    fn read_back(&mut self, answer: Option<Answer>, until: Timestamp) -> Option<Request> {
        let Some(task) = self.tasks.get(self.closed.len()) else { return self.end() };
        let target = task.target.clone();
        self.phase = Phase::Acting(State::ReadBack { answer, until, again: None });
        Some(Request::ReadBack(target))
    }

    /// What became of a request, by what a reading shows: the answer alone proves nothing.
    fn settle(
        &mut self,
        task: &Task,
        answer: Option<Answer>,
        until: Timestamp,
        found: &Found,
        now: Timestamp,
    ) -> Option<Request> {
        let gone = match found {
            Found::Gone => true,
            Found::Present { incarnation, .. } => incarnation != task.target.incarnation(),
            Found::Unclear(_) => false,
        };
        match (gone, &answer, found) {
            (true, Some(Answer::Refused(why)), Found::Present { .. }) => {
                let why = format!("{why}; another thing has its name now");
                self.record(Fate::Refused, &why)
            }
            (true, Some(Answer::Accepted), _) => self.record(Fate::Deleted, "a reading shows that it is gone"),
            (true, Some(Answer::Unclear(why)), _) => {
                let why = format!("it is gone after a request without a clear answer ({why})");
                self.record(Fate::Deleted, &why)
            }
            (true, Some(Answer::NotFound | Answer::Refused(_)), _) => {
                self.record(Fate::AlreadyGone, "somebody else deleted it")
            }
            (true, None, _) => self.record(Fate::AlreadyGone, "it was gone when it was read after a restart"),
            (false, Some(Answer::Refused(why)), Found::Present { .. }) => self.record(Fate::Refused, why),
            (false, _, _) if now < until => {
                let again = Some(now.saturating_add(AGAIN).unwrap_or(Timestamp::MAX));
                self.phase = Phase::Acting(State::ReadBack { answer, until, again });
                None
            }
            (false, None, Found::Present { .. }) => {
                self.record(Fate::Aborted, "it is still there: the request was not sent, or had no effect")
            }
            (false, Some(_), Found::Present { .. }) => {
                self.record(Fate::Refused, "it is still there, two minutes after the request")
            }
            (false, _, Found::Unclear(why)) => self.record(Fate::Unknown, why),
            // Something that is gone was told above.
            (false, _, Found::Gone) => None,
        }
    }

    fn record(&mut self, fate: Fate, reason: &str) -> Option<Request> {
        let closed = Closed { fate, reason: reason.into() };
        self.phase = Phase::Acting(State::Recording(closed.clone()));
        let (episode, action) = (self.id.clone(), self.closed.len());
        Some(Request::Journal(Entry::Outcome { episode, action, closed, at: self.clock }))
    }

    /// The first reason is the one that a person needs.
    fn stop(&mut self, why: &str) {
        self.stopping.get_or_insert_with(|| why.into());
    }

    fn stop_and_end(&mut self, why: &str) -> Option<Request> {
        self.stop(why);
        self.end()
    }

    fn end(&mut self) -> Option<Request> {
        self.phase = Phase::Closing;
        let (episode, ending) = (self.id.clone(), self.outcome());
        Some(Request::Journal(Entry::Ended { episode, ending, at: self.clock }))
    }

    /// The ledger cannot be written: nothing more is done, and what is open there is settled later.
    fn unwritten(&mut self, why: &str) -> Option<Request> {
        let why = format!("the ledger cannot be written ({why}): repair stops here");
        self.stop(&why);
        self.release()
    }

    fn release(&mut self) -> Option<Request> {
        self.phase = Phase::Releasing;
        Some(Request::Release)
    }

    /// Without a lease nothing was done, and nothing is given back.
    fn give_up(&mut self, why: &str) -> Option<Request> {
        self.stop(why);
        self.phase = Phase::Ended(self.outcome());
        None
    }

    fn outcome(&self) -> Ending {
        let all = self.tasks.get(self.closed.len()).is_none();
        match &self.stopping {
            Some(reason) if !(all && self.closed.iter().all(|closed| closed.fate.is_gone())) => {
                Ending::Stopped { reason: reason.clone() }
            }
            Some(_) | None => Ending::Clean,
        }
    }
}
