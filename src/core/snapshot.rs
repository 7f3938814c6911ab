//! The snapshot: everything one evaluation says, ready to be shown.
//!
//! Decides nothing; it is the one value from which reports, metrics and the API are rendered, so
//! that all of them always agree. Its size follows what is drifted, not what exists: resources in
//! sync are only counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::desired::{Class, Revision};
use super::drift::{Drift, Finding, FindingKey, Root, State, Verdict};
use super::identity::ScopeKey;
use super::observation::{Failure, IdentityState};
use super::record::Attribution;

/// A resource that is on its way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Converging {
    /// The environment.
    pub environment: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The name.
    pub name: Arc<str>,
    /// Where it is observed.
    pub scope: ScopeKey,
    /// Past this it is degraded.
    pub until: Timestamp,
    /// What a person reads.
    pub message: Arc<str>,
    /// The application it is part of.
    #[serde(skip)]
    pub application: Arc<str>,
}

/// A resource that cannot be judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unknown {
    /// The environment.
    pub environment: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The name.
    pub name: Arc<str>,
    /// Where it is observed.
    pub scope: ScopeKey,
    /// The class of the reason.
    pub reason: &'static str,
    /// The reason in words.
    pub detail: Arc<str>,
    /// The application it is part of.
    #[serde(skip)]
    pub application: Arc<str>,
}

/// A finding that somebody decided to live with.
#[derive(Debug, Clone, PartialEq)]
pub struct Ignored {
    /// The finding.
    pub finding: Arc<Finding>,
    /// The Ignore's name.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// Its last moment.
    pub until: Timestamp,
}

/// An environment.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentView {
    /// Its name.
    pub name: Arc<str>,
    /// Its class.
    pub class: Class,
    /// At worst `partial` from its applications.
    pub verdict: Verdict,
    /// Each account with the state of its identity.
    pub identity: BTreeMap<Arc<str>, IdentityState>,
}

/// An application that is not in sync.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ApplicationView {
    /// The environment.
    pub environment: Arc<str>,
    /// The application.
    pub name: Arc<str>,
    /// Its verdict.
    pub verdict: Verdict,
    /// The pieces that are missing, as `Kind/name`.
    pub missing: Vec<String>,
}

/// A scope.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopeView {
    /// Its key.
    pub scope: ScopeKey,
    /// Who shares it.
    pub environments: BTreeSet<Arc<str>>,
    /// Whether the last attempt was complete.
    pub complete: bool,
    /// When it was last read well.
    pub observed_at: Option<Timestamp>,
    /// How long the last good reading took.
    pub took: SignedDuration,
    /// The longest time between a change and its detection.
    pub bound: SignedDuration,
    /// API calls of the last good reading.
    pub api_calls: u32,
    /// Why the last attempt failed.
    pub error: Option<Failure>,
    /// Details that could not be read.
    pub remarks: Vec<Failure>,
}

/// An Ignore, for the metric that warns before it expires.
#[derive(Debug, Clone, PartialEq)]
pub struct IgnoreView {
    /// Its name.
    pub name: Arc<str>,
    /// The environment.
    pub environment: Arc<str>,
    /// Its last moment.
    pub expires: Timestamp,
}

/// Everything one evaluation says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// When it was made.
    pub at: Timestamp,
    /// The revisions in force.
    pub revisions: Vec<Revision>,
    /// Environments by name.
    pub environments: Vec<EnvironmentView>,
    /// Applications that are not in sync, by environment and name.
    pub applications: Vec<ApplicationView>,
    /// How many applications each environment has.
    pub application_totals: BTreeMap<Arc<str>, u32>,
    /// Scopes by key.
    pub scopes: Vec<ScopeView>,
    /// Open findings, worst first.
    pub findings: Vec<Arc<Finding>>,
    /// Sizes of groups, by environment and root.
    pub groups: BTreeMap<(Arc<str>, Root), u32>,
    /// Resources on their way.
    pub converging: Vec<Converging>,
    /// Ignored findings.
    pub ignored: Vec<Ignored>,
    /// Resources that cannot be judged.
    pub unknown: Vec<Unknown>,
    /// Resources by environment, kind and state.
    pub counts: BTreeMap<(Arc<str>, &'static str, State), u32>,
    /// Fields that the role can never read, by environment and reason.
    pub unchecked: BTreeMap<(Arc<str>, Arc<str>), u32>,
    /// Live things that nobody declares, by scope, where everything was listed.
    pub undeclared: BTreeMap<ScopeKey, u32>,
    /// Applications that would detect an undeclared buildpack first, by environment and stack.
    pub hijacked: BTreeMap<(Arc<str>, Arc<str>), u32>,
    /// Ignores.
    pub ignores: Vec<IgnoreView>,
    /// Who made the changes that findings began with, as far as it is known.
    pub attributions: Attributions,
}

/// Who made the change that a finding began with, by its key; with the beginning that is meant.
pub type Attributions = Arc<BTreeMap<FindingKey, (Timestamp, Attribution)>>;

impl Snapshot {
    /// How many resources are in this state.
    pub fn count(&self, state: State) -> u32 {
        self.counts.iter().filter(|((_, _, counted), _)| *counted == state).map(|(_, count)| count).sum()
    }

    /// Who made the change that a finding began with; of what was left behind, who made that of its root.
    pub fn attribution(&self, finding: &Finding) -> Option<&Attribution> {
        let of = |key: &FindingKey| self.attributions.get(key).map(|(_, attribution)| attribution);
        let root = |drift| FindingKey {
            environment: finding.key.environment.clone(),
            kind: finding.root.kind.clone(),
            name: finding.root.name.clone(),
            drift,
        };
        of(&finding.key).or_else(|| of(&root(Drift::Missing))).or_else(|| of(&root(Drift::Vanished)))
    }

    /// The size of a finding's group.
    pub fn group_size(&self, finding: &Finding) -> u32 {
        self.groups.get(&(finding.key.environment.clone(), finding.root.clone())).copied().unwrap_or(1)
    }
}
