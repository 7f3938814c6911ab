//! Which questions to CloudTrail the changes that wait for an answer need.
//!
//! Decides what can be said of them without asking, and which windows of which trail tell the rest:
//! questions grow with windows, not with changes. Pure; [`super::run`] plans each turn with it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::cause::{Said, cause};
use crate::aws::trail::{Events, MOST};
use crate::core::desired::Account;
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::core::record::{Attributed, Change, What};

/// What is said of table items.
pub const ITEMS: &str = "item writes are data events: LookupEvents never shows them";
/// What is said of what follows from calls, and needs none of its own.
pub const CONSEQUENCE: &str = "a consequence, not a call: see the changes before it";
/// What is said of what an address answers.
pub const ANSWER: &str = "an answer, not a call: nobody is named for it";
/// How long a change is looked for: CloudTrail tells of most calls within minutes.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(20);
/// The region in which Route 53 tells of itself.
const GLOBAL: &str = "us-east-1";
/// A deleted service drains for as long as its target group lets connections end.
const DRAINING: SignedDuration = SignedDuration::from_mins(20);
/// Clocks differ by so much, and a call may be answered a moment before it shows. No more: the cause
/// of one change is often near another.
const SKEW: SignedDuration = SignedDuration::from_secs(10);
/// How far before a change without an earlier reading.
const UNKNOWN: SignedDuration = SignedDuration::from_hours(1);
/// Windows that overlap are one up to this length; the newest [`MOST`] events of each are read.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);
/// LookupEvents refuses what is older than 90 days.
const KEPT: SignedDuration = SignedDuration::from_hours(89 * 24);

/// Where is asked, and with whose credentials.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trail {
    /// Names the credentials (`Account::identity_key`).
    pub credentials: Arc<str>,
    /// The region whose trail it is.
    pub region: Arc<str>,
}

/// A stretch of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// One look at a trail, for all changes whose causes may lie in it.
pub struct Window {
    /// What is read.
    pub span: Span,
    /// For these.
    pub changes: Vec<Change>,
}

/// Everything that is asked of one trail.
pub struct Questions {
    /// Which trail.
    pub trail: Trail,
    /// The account, with the role to use.
    pub account: Account,
    /// The windows, oldest first.
    pub windows: VecDeque<Window>,
}

/// What is done about the changes of one turn.
#[derive(Default)]
pub struct Plan {
    /// Needs no question.
    pub settled: Vec<(i64, Attributed)>,
    /// Needs these.
    pub questions: Vec<Questions>,
}

impl Span {
    /// What is looked through for the cause of a change.
    pub fn of(change: &Change, now: Timestamp) -> Self {
        let slack = if drains(change) { DRAINING } else { SKEW };
        let from = earlier(Self::between(change).from, slack);
        let until = change.at.saturating_add(SKEW).unwrap_or(change.at);
        Self { from: from.max(earlier(now, KEPT)).min(until), until }
    }

    /// When the cause was, if clocks agree: between the two readings.
    pub fn between(change: &Change) -> Self {
        let from = match change.after {
            // A clock that was set back between the two readings puts them in the wrong order.
            Some(after) => after.min(change.at),
            None => earlier(change.at, UNKNOWN),
        };
        // Events carry whole seconds.
        Self { from: Timestamp::from_second(from.as_second()).unwrap_or(from), until: change.at }
    }

    /// Whether the time lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.until
    }
}

impl Window {
    /// What can be said of its changes after a look at `asked`; of the others perhaps at the next.
    pub fn settle(&self, found: &Events, asked: Timestamp) -> Vec<(i64, Attributed)> {
        let settled = |change: &Change| match cause(change, found, asked) {
            Said::By(by) => Some((change.id, Attributed::By(by))),
            Said::Unclear(why) => Some((change.id, Attributed::NotVisible(why.into()))),
            Said::Nothing if asked.duration_since(change.at) >= PATIENCE => {
                Some((change.id, Attributed::NotVisible(nothing(change, found, asked).into())))
            }
            Said::Nothing => None,
        };
        self.changes.iter().filter_map(settled).collect()
    }
}

/// Plans a turn. `account_of` says with which account's role a scope is read.
pub fn plan(pending: Vec<Change>, account_of: impl Fn(&ScopeKey) -> Option<Account>, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let mut trails: BTreeMap<Trail, (Account, Vec<Change>)> = BTreeMap::new();
    for change in pending {
        if matches!(change.scope.kind, ScopeKind::CfFoundation | ScopeKind::CfOrganization) {
            // Their readings bring the platform's own audit events.
            continue;
        } else if change.scope.kind == ScopeKind::HttpProbe {
            plan.settled.push((change.id, Attributed::NotVisible(ANSWER.into())));
        } else if change.scope.kind == ScopeKind::Table {
            plan.settled.push((change.id, Attributed::NotVisible(ITEMS.into())));
        } else if is_consequence(&change) {
            plan.settled.push((change.id, Attributed::NotVisible(CONSEQUENCE.into())));
        } else if let Some(account) = account_of(&change.scope) {
            let trail = Trail { credentials: account.identity_key(), region: region(&change.scope) };
            trails.entry(trail).or_insert_with(|| (account, Vec::new())).1.push(change);
        } else {
            let why = format!("no environment declares account {} any more", change.scope.account);
            plan.settled.push((change.id, Attributed::NotVisible(why.into())));
        }
    }
    for (trail, (account, changes)) in trails {
        plan.questions.push(Questions { trail, account, windows: windows(changes, now) });
    }
    plan
}

/// As few windows as cover the changes, none much longer than one change needs.
fn windows(changes: Vec<Change>, now: Timestamp) -> VecDeque<Window> {
    let mut spans: Vec<(Span, Change)> = changes.into_iter().map(|change| (Span::of(&change, now), change)).collect();
    spans.sort_by_key(|(span, change)| (span.from, change.id));
    let mut windows: VecDeque<Window> = VecDeque::new();
    for (span, change) in spans {
        let fits = |window: &Window| {
            let until = window.span.until.max(span.until);
            let together = until.duration_since(window.span.from) <= LONGEST || span.until <= window.span.until;
            span.from <= window.span.until && together
        };
        match windows.back_mut().filter(|window| fits(window)) {
            Some(window) => {
                window.span.until = window.span.until.max(span.until);
                window.changes.push(change);
            }
            None => windows.push_back(Window { span, changes: vec![change] }),
        }
    }
    windows
}

fn region(scope: &ScopeKey) -> Arc<str> {
    match scope.kind {
        ScopeKind::HostedZone | ScopeKind::HealthChecks => GLOBAL.into(),
        _ => scope.region.clone(),
    }
}

/// Whether a thing is gone only a while after the call that deletes it.
pub fn drains(change: &Change) -> bool {
    change.scope.kind == ScopeKind::EcsCluster && change.what == What::Gone
}

/// Whether all that changed follows from calls and from what tasks and targets do. That a service is
/// draining is none of it, and neither are a new rollout and its size: somebody asked for them.
fn is_consequence(change: &Change) -> bool {
    let follows = |path: &str| match change.scope.kind {
        ScopeKind::EcsCluster => {
            let of_rollout = |field: &str| !matches!(field, "createdAt" | "desiredCount" | "waiting");
            path.strip_prefix("rollout.").is_some_and(of_rollout) || matches!(path, "runningCount" | "pendingCount")
        }
        ScopeKind::HealthChecks => path.starts_with("status."),
        ScopeKind::LoadBalancers => path.starts_with("targets.") || matches!(path, "state" | "stateReason"),
        _ => false,
    };
    change.what == What::Changed && !change.fields.is_empty() && change.fields.iter().all(|field| follows(&field.path))
}

fn nothing(change: &Change, found: &Events, asked: Timestamp) -> String {
    let whole = found.since <= Span::of(change, asked).from;
    let among = if whole { String::new() } else { format!(" for certain among the newest {MOST} of that time") };
    format!("CloudTrail shows no event of it{among} (looked until {})", asked.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(at)
}
