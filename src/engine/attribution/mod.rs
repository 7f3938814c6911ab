//! Attribution: who made the changes that the recorder saw.
//!
//! Decides when CloudTrail is asked and when no more. It runs beside the readings, with a budget of
//! its own: detection waits for none of it, and no finding depends on what it says. [`plan`] decides
//! what to ask, [`cause`] which event answers. The daemon starts [`run`] where there is a store.

pub mod audit;
pub mod cause;
pub mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use self::plan::{PATIENCE, Questions, Trail, Window, plan};
use super::reader::Shared;
use crate::aws::read::{CallFailure, ReadContext};
use crate::aws::trail::{self, Events};
use crate::core::desired::Account;
use crate::core::identity::ScopeKey;
use crate::core::observation::{Failure, Reason};
use crate::core::record::{Attributed, Change};
use crate::serve::http::Published;
use crate::store::History;

/// Changes that one turn takes on, oldest first: many enough for those that nobody is named for, and
/// that wait for twenty minutes, not to hold up the others.
const TURN: usize = 2_000;
/// How often the store is asked for changes that wait.
const TICK: Duration = Duration::from_secs(15);
/// The shortest time between two looks at one trail; it doubles with every failure.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// The longest.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(16);
/// How long a role that may not read CloudTrail is left alone.
const DENIED_FOR: SignedDuration = SignedDuration::from_mins(15);
/// A trail that cannot be read for so long keeps no change waiting.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(2);
/// What is said of changes whose role may not ask.
const DENIED: &str = "the role may not read CloudTrail (cloudtrail:LookupEvents)";

/// Asks for whoever made what the store says is pending, until the task is aborted.
pub async fn run(
    shared: Arc<Shared>,
    board: watch::Receiver<Option<Arc<Published>>>,
    history: Arc<Mutex<dyn History>>,
) {
    let mut trails = Trails::default();
    loop {
        shared.clock.sleep(TICK).await;
        let published = board.borrow().clone();
        let Some(published) = published else { continue };
        let changes = pending(&history).await;
        if changes.is_empty() {
            continue;
        }
        let plan = plan(changes, |scope| account(&published, scope), shared.clock.now());
        // Looking takes a while: no snapshot is kept for it.
        drop(published);
        write(&history, plan.settled).await;
        for questions in plan.questions {
            let settled = trails.ask(&shared, questions).await;
            write(&history, settled).await;
        }
    }
}

/// What was learned of each trail since the start.
#[derive(Debug, Default)]
pub struct Trails {
    standing: BTreeMap<Trail, Standing>,
    /// Until when credentials are not used for asking.
    denied: BTreeMap<Arc<str>, Timestamp>,
}

#[derive(Debug, Default)]
struct Standing {
    not_before: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    failures: u32,
}

impl Trails {
    /// Looks through the windows of one trail, and says what is known of their changes now.
    pub async fn ask(&mut self, shared: &Shared, mut questions: Questions) -> Vec<(i64, Attributed)> {
        let now = shared.clock.now();
        if self.denied.get(&questions.trail.credentials).is_some_and(|until| lies_ahead(*until, now, DENIED_FOR)) {
            return denied(&questions);
        }
        let standing = self.standing.entry(questions.trail.clone()).or_default();
        if standing.not_before.is_some_and(|until| lies_ahead(until, now, LONGEST_PAUSE)) {
            return Vec::new();
        }
        let context = match believed(shared, &questions).await {
            Ok(context) => context,
            Err(failure) => return standing.failed(&failure, &questions, now),
        };
        let (mut settled, mut left) = (Vec::new(), false);
        while let Some(window) = questions.windows.front() {
            let asked = shared.clock.now();
            match look(shared, &context, &questions, window).await {
                Ok(found) => {
                    let said = window.settle(&found, asked);
                    left |= said.len() < window.changes.len();
                    settled.extend(said);
                    questions.windows.pop_front();
                }
                // The code tells CloudTrail's own refusal from that of the role.
                Err(call) if call.failure.reason == Reason::Denied && call.code.is_some() => {
                    let until = later(asked, DENIED_FOR);
                    info!(event = "attribution_denied", credentials = %questions.trail.credentials, detail = %call.failure.detail, "changes are recorded without who made them");
                    self.denied.insert(questions.trail.credentials.clone(), until);
                    settled.extend(denied(&questions));
                    return settled;
                }
                Err(call) => {
                    settled.extend(standing.failed(&call.failure, &questions, asked));
                    return settled;
                }
            }
        }
        standing.answered(left.then(|| later(shared.clock.now(), PAUSE)));
        settled
    }
}

impl Standing {
    fn answered(&mut self, not_before: Option<Timestamp>) {
        *self = Self { not_before, ..Self::default() };
    }

    /// Waits longer each time; what has waited for hours is told why there is no answer.
    fn failed(&mut self, failure: &Failure, questions: &Questions, now: Timestamp) -> Vec<(i64, Attributed)> {
        if self.failures == 0 {
            warn!(event = "attribution_failed", region = %questions.trail.region, credentials = %questions.trail.credentials, detail = %failure.detail, "CloudTrail cannot be asked; moored asks again");
        }
        let since = *self.failing_since.get_or_insert(now);
        let pause = PAUSE.saturating_mul(1_i32 << self.failures.min(4)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(later(now, pause));
        if now.duration_since(since) < GIVE_UP {
            return Vec::new();
        }
        let why: Arc<str> = format!("CloudTrail could not be asked: {}", failure.detail).into();
        let old = |change: &&Change| now.duration_since(change.at) >= PATIENCE;
        questions.changes().filter(old).map(|change| (change.id, Attributed::NotVisible(why.clone()))).collect()
    }
}

impl Questions {
    /// The changes that still wait.
    fn changes(&self) -> impl Iterator<Item = &Change> {
        self.windows.iter().flat_map(|window| &window.changes)
    }
}

fn denied(questions: &Questions) -> Vec<(i64, Attributed)> {
    questions.changes().map(|change| (change.id, Attributed::NotVisible(DENIED.into()))).collect()
}

/// What to ask with, once it is known whose credentials these are.
async fn believed(shared: &Shared, questions: &Questions) -> Result<ReadContext, Failure> {
    let Questions { trail, account, .. } = questions;
    shared.identity(account, &trail.region).await.believe()?;
    shared.context(account, &trail.region).await
}

/// One look, believed only if all of it was signed by the declared account.
async fn look(
    shared: &Shared,
    context: &ReadContext,
    questions: &Questions,
    window: &Window,
) -> Result<Events, CallFailure> {
    let found = trail::lookup(context, window.span.from, window.span.until).await?;
    let Questions { trail, account, .. } = questions;
    let (vouched, _) = shared.vouch(account, &trail.region, &context.signers()).await;
    vouched.map(|()| found).map_err(|failure| CallFailure { code: None, failure })
}

/// The account that a scope is read with; of a scope that is watched no more, any that is declared.
fn account(published: &Published, scope: &ScopeKey) -> Option<Account> {
    let environments = &published.desired.environments;
    let sharing = published.index.scopes.get(scope).into_iter().flat_map(|home| &home.environments);
    let mut accounts = sharing
        .filter_map(|name| environments.get(name))
        .chain(environments.values())
        .flat_map(|environment| environment.accounts.values());
    accounts.find(|account| account.id == scope.account).cloned()
}

/// The changes that wait for an answer. The store's lock is held in a thread that may wait for it.
async fn pending(history: &Arc<Mutex<dyn History>>) -> Vec<Change> {
    let history = history.clone();
    let asked = spawn_blocking(move || history.lock().unwrap_or_else(PoisonError::into_inner).pending(TURN)).await;
    match asked {
        Ok(Ok(changes)) => changes,
        Ok(Err(error)) => {
            warn!(event = "attribution_unreadable", %error, "cannot tell which changes wait for who made them");
            Vec::new()
        }
        // A panic: it has been counted and told.
        Err(_) => Vec::new(),
    }
}

/// Writes what was found out, one change at a time, so that a save waits for one at most.
async fn write(history: &Arc<Mutex<dyn History>>, settled: Vec<(i64, Attributed)>) {
    if settled.is_empty() {
        return;
    }
    let history = history.clone();
    let written = spawn_blocking(move || {
        settled.iter().try_for_each(|(id, attributed)| {
            history.lock().unwrap_or_else(PoisonError::into_inner).attribute(*id, attributed)
        })
    });
    if let Ok(Err(error)) = written.await {
        warn!(event = "attribution_unwritten", %error, "who made a change could not be stored; moored asks again");
    }
}

/// Whether a time is still to come. One that is further away than it can be was set by a clock that
/// has been set back since.
fn lies_ahead(until: Timestamp, now: Timestamp, longest: SignedDuration) -> bool {
    now < until && until.duration_since(now) <= longest
}

fn later(at: Timestamp, wait: SignedDuration) -> Timestamp {
    at.saturating_add(wait).unwrap_or(at)
}
