//! Episodes: one carrying-out of one approved plan, as a value.
//!
//! Decides what an episode can be: its tasks in an order that nothing can change, the one action
//! that is under way, what was closed before it, and how requests and events are spelled. What
//! follows from an event is `step`'s matter. The engine keeps an episode, and does what it asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::approval::{Approval, Refusal};
use super::fresh::{Found, Fresh};
use super::ledger::{Closed, Ending, Entry};
use super::mention::Mention;
use super::plan::{Action, Plan};
use super::policy::{LEASE_MARGIN, SEND_TIMEOUT};
use super::target::{Step, Target, place};
use crate::core::drift::Root;
use crate::core::identity::ScopeKey;

/// One delete that is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// What.
    pub target: Target,
    /// What a person calls it.
    pub name: Arc<str>,
    /// On whose behalf it was made: all must be gone.
    pub owners: Vec<Mention>,
    /// What an item names: all must be gone before it.
    pub pieces: Vec<Mention>,
    /// How long the names that point here must have been gone.
    pub wait: SignedDuration,
}

/// Tasks in the one order in which they can be done: whatever is pointed at goes after what points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Task>", into = "Vec<Task>")]
pub struct Sequence(Arc<[Task]>);

/// Why tasks are no sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Disorder {
    /// Nothing to do is not "everything".
    #[error("there is nothing to do")]
    Empty,
    /// A step comes after a later one.
    #[error("action {0} comes after one of a later step")]
    Step(usize),
    /// One thing is named twice.
    #[error("action {0} deletes what an earlier one deletes")]
    Twice(usize),
}

impl TryFrom<Vec<Task>> for Sequence {
    type Error = Disorder;

    fn try_from(tasks: Vec<Task>) -> Result<Self, Disorder> {
        in_order(&tasks).map(|()| Self(tasks.into()))
    }
}

fn in_order(tasks: &[Task]) -> Result<(), Disorder> {
    let (mut step, mut seen) = (Step::Record, BTreeSet::new());
    for (at, task) in tasks.iter().enumerate() {
        if task.target.step() < step {
            return Err(Disorder::Step(at));
        }
        if !seen.insert((task.target.scope(), task.target.id())) {
            return Err(Disorder::Twice(at));
        }
        step = task.target.step();
    }
    if tasks.is_empty() { Err(Disorder::Empty) } else { Ok(()) }
}

impl From<Sequence> for Vec<Task> {
    fn from(sequence: Sequence) -> Self {
        sequence.0.to_vec()
    }
}

impl Sequence {
    /// The task at a place.
    pub fn get(&self, at: usize) -> Option<&Task> {
        self.0.get(at)
    }

    /// All tasks, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Task> {
        self.0.iter()
    }

    /// The places of what goes after this task.
    pub fn after(&self, at: usize) -> BTreeSet<Arc<str>> {
        self.0.iter().skip(at.saturating_add(1)).map(|task| place(task.target.scope(), task.target.id())).collect()
    }
}

/// The right to write, as the lease table gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its number: whoever holds a higher one has the right now.
    pub fence: u64,
    /// Until when.
    pub until: Timestamp,
}

impl Lease {
    /// The last moment at which a request may leave.
    pub fn last_moment(&self) -> Timestamp {
        let needed = SEND_TIMEOUT.saturating_add(LEASE_MARGIN);
        self.until.saturating_sub(needed).unwrap_or(Timestamp::MIN)
    }
}

/// What the cloud checks before it deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// DynamoDB, in one transaction: every attribute as it was read, and the lease's number.
    EveryAttributeAndFence,
    /// Route 53: the record exactly as it was read, values and all.
    ExactRecord,
    /// Nothing but the id, which no other incarnation has.
    IdAlone,
}

/// One request to delete exactly one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Which action it is: there is at most one request for each.
    pub action: usize,
    /// What.
    pub target: Target,
    /// What the cloud must check.
    pub precondition: Precondition,
    /// The lease's number.
    pub fence: u64,
    /// It must not leave later; whoever finds it later reports `NotSent`.
    pub not_after: Timestamp,
}

/// What an episode asks of the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Whose are the credentials that would sign requests in these scopes?
    CheckIdentity(BTreeSet<ScopeKey>),
    /// Write this down, durably. With an intent goes the encrypted before-image of its target.
    Journal(Entry),
    /// Read these actions' targets, then their owners, with those very credentials.
    ReadFresh(Vec<usize>),
    /// Delete.
    Delete(Delete),
    /// Read whether it is still there.
    ReadBack(Target),
    /// Give the lease back.
    Release,
}

/// What the cloud answered to a delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was accepted.
    Accepted,
    /// There was nothing to delete.
    NotFound,
    /// It was refused, or a precondition did not hold.
    Refused(Arc<str>),
    /// No answer came that says what happened.
    Unclear(Arc<str>),
}

/// What an episode is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The lease is ours.
    Started(Lease),
    /// It is not, and why.
    NotStarted(Arc<str>),
    /// The lease lasts longer.
    Renewed(Timestamp),
    /// It is somebody else's, or nobody knows.
    LeaseLost,
    /// Repair is frozen, and why.
    Frozen(Arc<str>),
    /// moored is asked to end.
    Stop,
    /// The credentials are the declared accounts', or not, and why.
    IdentityChecked(Result<(), Arc<str>>),
    /// It is durable; of an intent, with the version that the before-image shows.
    Journalled(Option<Arc<str>>),
    /// It is not, and why.
    NotJournalled(Arc<str>),
    /// What was read.
    Read(Vec<Fresh>),
    /// What the cloud answered.
    Sent(Answer),
    /// The request never left, and why.
    NotSent(Arc<str>),
    /// Whether it is still there.
    ReadBack(Found),
    /// The lease was given back.
    Released,
    /// What was asked last did not come in time.
    TimedOut,
    /// Time has passed.
    Tick,
}

/// Where the one action that is under way stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Names that point to it are still known to some.
    Pending,
    /// Its intent is being written.
    Intending,
    /// The intent is durable; the credentials are being checked.
    Intended,
    /// It is read, asked for at that time; so many readings were asked for.
    Verifying {
        /// When.
        asked: Timestamp,
        /// How many.
        readings: u32,
    },
    /// A reading allowed it, and the one request was handed over with that.
    Sent,
    /// It is read whether it is gone.
    ReadBack {
        /// What the cloud answered; `None` where nobody knows whether it was asked.
        answer: Option<Answer>,
        /// Until when an answer may still come true.
        until: Timestamp,
        /// It is read again then; `None` while it is read.
        again: Option<Timestamp>,
    },
    /// Its end is being written.
    Recording(Closed),
}

/// Where an episode stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// It waits for the lease.
    Starting,
    /// The credentials of every account are being checked.
    Identifying,
    /// Every target is read, before anything is done.
    Preflight,
    /// Its beginning is being written.
    Opening,
    /// The action after those that are closed.
    Acting(State),
    /// Its end is being written.
    Closing,
    /// The lease is being given back.
    Releasing,
    /// It is over.
    Ended(Ending),
}

/// One carrying-out of an approved plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    pub(super) id: Arc<str>,
    pub(super) environment: Arc<str>,
    pub(super) root: Root,
    pub(super) plan: Arc<str>,
    pub(super) tasks: Sequence,
    /// What was closed, in the order of the tasks: the next task is the one after them.
    pub(super) closed: Vec<Closed>,
    pub(super) phase: Phase,
    pub(super) lease: Option<Lease>,
    /// Why it goes no further.
    pub(super) stopping: Option<Arc<str>>,
    /// When the last name was gone.
    pub(super) names_gone: Option<Timestamp>,
    /// The latest time that it was told.
    pub(super) clock: Timestamp,
    /// The last moment at which it may begin.
    pub(super) expires_at: Timestamp,
    /// It only settles what was begun before a crash.
    pub(super) settling: Option<Timestamp>,
}

impl Episode {
    /// An approved plan that every guard passes, ready to be carried out.
    pub fn begin(id: Arc<str>, plan: &Plan, approval: &Approval, now: Timestamp) -> Result<Self, Refusal> {
        approval.fits(plan, now)?;
        if let Some((action, verdict)) = plan.verdicts().find(|(_, verdict)| !verdict.is_passed()) {
            let thing = format!("{} {}", action.kind, action.name).into();
            return Err(Refusal::Guarded { guard: verdict.guard, thing, reason: verdict.reason.clone() });
        }
        let task = |action: &Action| {
            Some(Task {
                target: action.target.clone()?,
                name: action.name.clone(),
                owners: action.parents.clone(),
                pieces: action.pieces.clone(),
                wait: action.wait,
            })
        };
        let tasks: Option<Vec<Task>> = plan.actions.iter().map(task).collect();
        let tasks = tasks.and_then(|tasks| Sequence::try_from(tasks).ok());
        Ok(Self {
            id,
            environment: plan.environment.clone(),
            root: plan.root.clone(),
            plan: plan.hash.clone(),
            tasks: tasks.ok_or_else(|| Refusal::NoSuchPlan(plan.hash.clone()))?,
            closed: Vec::new(),
            phase: Phase::Starting,
            lease: None,
            stopping: None,
            names_gone: None,
            clock: now,
            expires_at: plan.expires_at,
            settling: None,
        })
    }

    /// Its name, which is also that of its sessions.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The environment.
    pub fn environment(&self) -> &Arc<str> {
        &self.environment
    }

    /// The group.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The plan's hash.
    pub fn plan(&self) -> &Arc<str> {
        &self.plan
    }

    /// What there is to do.
    pub fn tasks(&self) -> &Sequence {
        &self.tasks
    }

    /// What is over, in the order of the tasks.
    pub fn closed(&self) -> &[Closed] {
        &self.closed
    }

    /// Where it stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// How it ended, if it did.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.phase {
            Phase::Ended(ending) => Some(ending),
            _ => None,
        }
    }

    /// When a `Tick` would move it on; `None` while it waits for an answer.
    pub fn wakes_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Acting(State::Pending) => self.tasks.get(self.closed.len()).map(|task| self.not_before(task)),
            Phase::Acting(State::ReadBack { again, .. }) => *again,
            _ => None,
        }
    }

    /// The time before which the names that point to a thing are still known to some.
    pub(super) fn not_before(&self, task: &Task) -> Timestamp {
        match self.names_gone {
            Some(at) if task.wait > SignedDuration::ZERO => at.saturating_add(task.wait).unwrap_or(Timestamp::MAX),
            Some(_) | None => Timestamp::MIN,
        }
    }
}
