//! Observations: what one reading of a scope says, and how far it can be believed.
//!
//! Decides nothing about drift. A reading holds the live things, the explicit answers to named
//! questions, and whether every page arrived; a failed attempt keeps its reason. Scopes build
//! them, `evaluate` reads them. Nothing here can turn a failure into an absence.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::identity::{Ask, ObjectKey, ScopeKey, Select};
use super::value::Fields;

/// Why something is not known. The label goes to metrics, the detail to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not read since the start.
    NotYetRead,
    /// The cloud asked for fewer calls.
    Throttled,
    /// The role may not.
    Denied,
    /// No usable credentials: missing, expired, unknown.
    Credentials,
    /// The endpoint could not be reached.
    Network,
    /// No answer in time.
    Timeout,
    /// The service failed (5xx).
    Server,
    /// The answer could not be understood.
    Malformed,
    /// A page, a count or a part of the answer is missing.
    Incomplete,
    /// The container itself (cluster, zone, table) was not found: its things are unknown, not gone.
    ContainerMissing,
    /// The request was refused as invalid.
    Invalid,
    /// The credentials belong to another account.
    IdentityMismatch,
    /// The identity could not be checked.
    IdentityUnverified,
    /// More than one thing matches.
    Ambiguous,
    /// Older than its promise.
    Stale,
    /// Not confirmed by a reading of the right order yet.
    Unconfirmed,
    /// What names it (a table item) cannot be understood.
    BadItem,
    /// moored itself failed while reading or judging.
    Panicked,
}

impl Reason {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotYetRead => "not_yet_read",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Credentials => "credentials",
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Server => "server",
            Self::Malformed => "malformed",
            Self::Incomplete => "incomplete",
            Self::ContainerMissing => "container_missing",
            Self::Invalid => "invalid",
            Self::IdentityMismatch => "identity_mismatch",
            Self::IdentityUnverified => "identity_unverified",
            Self::Ambiguous => "ambiguous",
            Self::Stale => "stale",
            Self::Unconfirmed => "unconfirmed",
            Self::BadItem => "bad_item",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why something is unknown, in words that end at a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The class of failure.
    pub reason: Reason,
    /// One line: what was asked, what was answered, what to do.
    pub detail: Arc<str>,
}

impl Failure {
    /// A failure from its parts.
    pub fn new(reason: Reason, detail: impl Into<Arc<str>>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}

/// One live thing, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Its name in the scope.
    pub key: ObjectKey,
    /// Its physical identity: ARN, `zone/name/type/set`, guid.
    pub id: Arc<str>,
    /// Tells a re-created thing from the one before it, where the id does not (createdAt).
    pub incarnation: Option<Arc<str>>,
    /// Its facts.
    pub fields: Fields,
    /// What other things call it (`dns:…`, `healthcheck:…`, `targetgroup:…`).
    pub addresses: Box<[Arc<str>]>,
    /// What it refers to, in the same spelling.
    pub references: Box<[Arc<str>]>,
}

/// An explicit answer to a question about one named thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedAnswer {
    /// ECS: the service is INACTIVE; its createdAt tells which one.
    Inactive(Option<Arc<str>>),
    /// ECS: MISSING in `failures`.
    Missing,
    /// The service's own not-found error for this very name or id.
    NotFound,
    /// DynamoDB: a consistent GetItem returned no item.
    NoItem,
    /// The question could not be answered.
    Unknown(Failure),
}

/// One reading of a scope.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Before the first call.
    pub started: Timestamp,
    /// After the last answer.
    pub finished: Timestamp,
    /// Every page of every list arrived, counts agree.
    pub complete: bool,
    /// When the last good reading before this one began.
    pub previous: Option<Timestamp>,
    /// A list of everything in the scope was part of this reading (not only named things).
    pub listed: bool,
    /// How many things the scope's container says it has, where it says so without a list.
    pub counted: Option<u32>,
    /// When the things that `complete` and `listed` speak of were read, where that is older than
    /// this reading (a table's scan has its own, slower cadence).
    pub listed_at: Option<Timestamp>,
    /// What is there.
    pub objects: BTreeMap<ObjectKey, Arc<Live>>,
    /// Keys by alias (`callerReference:x`).
    pub aliases: BTreeMap<Arc<str>, Vec<ObjectKey>>,
    /// Explicit answers about named things that are not in `objects`.
    pub answers: BTreeMap<Ask, NamedAnswer>,
    /// API calls that this reading took.
    pub api_calls: u32,
    /// What was noticed on the way (a detail that could not be read): for people.
    pub remarks: Vec<Failure>,
    /// What is known of the whole, by name: a visible space, the time of a group of variables.
    pub notes: BTreeMap<Arc<str>, Arc<str>>,
    /// Parts of things whose changes are remembered with their times, though they are no facts to
    /// show: the version of a process, the hash of an environment. Only what this very reading tells:
    /// a part that is not here is as it was, for all that is known.
    pub marks: BTreeMap<ObjectKey, BTreeMap<Arc<str>, Marked>>,
    /// What the platform says was done lately, and by whom.
    pub deeds: Vec<Deed>,
}

/// What a reading tells of a marked part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// What it is; `None` for a part that is known to be gone.
    pub value: Option<Arc<str>>,
    /// When the last reading before this one began that told it; `None` if this reader never did.
    pub before: Option<Timestamp>,
}

/// Something that was done, as the platform's own audit log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Unique.
    pub guid: Arc<str>,
    /// Such as `audit.service_binding.delete`.
    pub action: Arc<str>,
    /// Who: a name, or a client's id.
    pub actor: Arc<str>,
    /// To whom: the guid of a thing.
    pub target: Arc<str>,
    /// When, to the second.
    pub at: Timestamp,
}

impl Reading {
    /// An empty, incomplete reading that begins now.
    pub fn begin(started: Timestamp) -> Self {
        Self {
            started,
            finished: started,
            complete: false,
            previous: None,
            listed: false,
            counted: None,
            listed_at: None,
            objects: BTreeMap::new(),
            aliases: BTreeMap::new(),
            answers: BTreeMap::new(),
            api_calls: 0,
            remarks: Vec::new(),
            notes: BTreeMap::new(),
            marks: BTreeMap::new(),
            deeds: Vec::new(),
        }
    }

    /// What is as it was in the reading before is kept once, not twice.
    pub fn share(&mut self, before: &Self) {
        for (key, live) in &mut self.objects {
            if let Some(known) = before.objects.get(key).filter(|known| **known == *live) {
                *live = known.clone();
            }
        }
    }

    /// Adds a live thing.
    pub fn insert(&mut self, live: Live) {
        self.objects.insert(live.key.clone(), Arc::new(live));
    }

    /// Lets a thing be found by another name.
    pub fn alias(&mut self, alias: impl Into<Arc<str>>, key: ObjectKey) {
        self.aliases.entry(alias.into()).or_default().push(key);
    }

    /// The live things that a question matches: none, one, or (by alias) several.
    pub fn find(&self, ask: &Ask) -> Vec<&Arc<Live>> {
        match &ask.select {
            Select::Key(key) => self.object(ask.kind, key).into_iter().collect(),
            Select::Arn(arn) => super::arn::Arn::parse(arn)
                .and_then(|parsed| parsed.elbv2_name())
                .and_then(|name| self.object(ask.kind, name))
                .filter(|live| *live.id == **arn)
                .into_iter()
                .collect(),
            Select::Alias(alias) => self
                .aliases
                .get(alias)
                .into_iter()
                .flatten()
                .filter(|key| key.kind == ask.kind)
                .filter_map(|key| self.objects.get(key))
                .collect(),
            Select::ReferencedBy(..) => Vec::new(),
        }
    }

    /// One live thing by its key.
    pub fn object(&self, kind: &'static str, key: &str) -> Option<&Arc<Live>> {
        self.objects.get(&ObjectKey { kind, key: key.into() })
    }
}

/// What the core knows of a scope: the last good reading, and the failure since, if there is one.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// The last reading that was believed.
    pub reading: Option<Arc<Reading>>,
    /// The last attempt failed like this.
    pub failure: Option<Failure>,
    /// When the last attempt failed.
    pub failed_at: Option<Timestamp>,
    /// The longest time between a change and its detection; a reading older than three of it is stale.
    pub bound: SignedDuration,
}

/// A smaller step back of the clock is no reason to doubt an age.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(1);

impl Observation {
    /// The reading, or why there is none that can be believed now.
    pub fn current(&self, now: Timestamp) -> Result<&Arc<Reading>, Failure> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let Some(reading) = &self.reading else {
            return Err(Failure::new(Reason::NotYetRead, "not read since the start"));
        };
        let age = now.duration_since(reading.finished);
        if age < -CLOCK_SLACK {
            // Its age cannot be known, nor what it came before.
            return Err(Failure::new(Reason::Stale, "read in the future: the clock was set back"));
        }
        if self.bound > SignedDuration::ZERO && age > self.bound * 3 {
            return Err(Failure::new(Reason::Stale, format!("last read {}s ago", age.as_secs())));
        }
        Ok(reading)
    }
}

/// Everything observed, by scope.
pub type Observations = BTreeMap<ScopeKey, Observation>;

/// Whether the credentials belong to the declared account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityState {
    /// STS named the declared account.
    Verified,
    /// As verified, by a simulated cloud.
    Simulated,
    /// STS named another account.
    Mismatch,
    /// STS could not be asked.
    Unverified,
}

impl IdentityState {
    /// Every state, for metrics.
    pub const ALL: [Self; 4] = [Self::Verified, Self::Simulated, Self::Mismatch, Self::Unverified];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Simulated => "simulated",
            Self::Mismatch => "mismatch",
            Self::Unverified => "unverified",
        }
    }
}
