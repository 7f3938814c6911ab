//! The report: a snapshot in the shape of the JSON contract (design, section 6).
//!
//! Decides names and nesting of `DriftReport`; the table, the API and scripts read the same value,
//! so none of them can disagree. It contains no secret: there is none in a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::desired::{Class, Revision};
use super::drift::{Drift, FieldDrift, Finding, Severity, State, Verdict};
use super::filter::Filter;
use super::identity::ScopeKey;
use super::index::Index;
use super::observation::IdentityState;
use super::snapshot::{ApplicationView, Converging, Snapshot, Unknown};
use super::value::Source;

/// The whole report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `moored.dev/v1`.
    pub api_version: &'static str,
    /// `DriftReport`.
    pub kind: &'static str,
    /// When the pass began.
    pub started_at: Timestamp,
    /// When the snapshot was made.
    pub finished_at: Timestamp,
    /// The revisions in force.
    pub revisions: Vec<Revision>,
    /// Environments.
    pub environments: Vec<EnvironmentReport>,
    /// Applications, those in sync too.
    pub applications: Vec<ApplicationReport>,
    /// Scopes.
    pub scopes: Vec<ScopeReport>,
    /// Findings, worst first.
    pub findings: Vec<FindingReport>,
    /// Resources on their way.
    pub converging: Vec<Converging>,
    /// Ignored findings.
    pub ignored: Vec<IgnoredReport>,
    /// Resources that cannot be judged.
    pub unknown: Vec<Unknown>,
    /// Totals.
    pub summary: Summary,
}

/// An environment in the report.
#[derive(Debug, Clone, Serialize)]
pub struct EnvironmentReport {
    /// Its name.
    pub name: Arc<str>,
    /// Its class.
    pub class: Class,
    /// Its verdict.
    pub verdict: Verdict,
    /// Its accounts.
    pub identity: Vec<IdentityReport>,
}

/// One account's identity.
#[derive(Debug, Clone, Serialize)]
pub struct IdentityReport {
    /// Twelve digits.
    pub account: Arc<str>,
    /// Whether the credentials belong to it.
    pub state: IdentityState,
}

/// An application in the report.
#[derive(Debug, Clone, Serialize)]
pub struct ApplicationReport {
    /// The environment.
    pub environment: Arc<str>,
    /// The application.
    pub name: Arc<str>,
    /// Its verdict.
    pub verdict: Verdict,
    /// The pieces that are missing.
    pub missing: Vec<String>,
}

/// A scope in the report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeReport {
    /// Its key.
    pub scope: ScopeKey,
    /// Who shares it.
    pub environments: BTreeSet<Arc<str>>,
    /// Whether the last attempt was complete.
    pub complete: bool,
    /// When it was last read well.
    pub observed_at: Option<Timestamp>,
    /// The longest time between a change and its detection, in seconds.
    pub bound_seconds: f64,
    /// API calls of the last good reading.
    pub api_calls: u32,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// Details that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// The group of a finding.
#[derive(Debug, Clone, Serialize)]
pub struct GroupReport {
    /// Stable while the root is: `environment/Kind/name`.
    pub id: String,
    /// The root.
    pub root: super::drift::Root,
    /// How many findings the group has.
    pub size: u32,
}

/// A finding in the report.
#[derive(Debug, Clone, Serialize)]
pub struct FindingReport {
    /// Physical identity.
    pub id: Arc<str>,
    /// The environment.
    pub environment: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The name.
    pub name: Arc<str>,
    /// The scope.
    pub scope: ScopeKey,
    /// How it differs.
    pub drift: Drift,
    /// How urgent.
    pub severity: Severity,
    /// The application.
    pub application: Arc<str>,
    /// What a person reads.
    pub message: Arc<str>,
    /// Kept for want of proof.
    pub held: bool,
    /// The differing fields.
    pub fields: Vec<FieldDrift>,
    /// The group.
    pub group: GroupReport,
    /// Since when.
    pub since: Timestamp,
    /// Who did it, where that can be seen.
    pub attribution: Option<()>,
    /// Where it is declared.
    pub source: Option<Source>,
    /// Where a person reads on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook: Option<Arc<str>>,
    /// How to put it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redeploy: Option<Arc<str>>,
}

/// An ignored finding in the report.
#[derive(Debug, Clone, Serialize)]
pub struct IgnoredReport {
    /// The finding.
    #[serde(flatten)]
    pub finding: FindingReport,
    /// The Ignore's name.
    pub by: Arc<str>,
    /// Its reason.
    pub reason: Arc<str>,
    /// Its last moment.
    pub until: Timestamp,
}

/// Totals over resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// All of them.
    pub resources: u32,
    /// In sync.
    pub in_sync: u32,
    /// Drifted.
    pub drifted: u32,
    /// Converging.
    pub converging: u32,
    /// Unknown.
    pub unknown: u32,
    /// Ignored.
    pub ignored: u32,
    /// Fields that the role can never read.
    pub unchecked: u32,
}

impl Report {
    /// The report of a snapshot, as far as the filter lets it through.
    pub fn new(snapshot: &Snapshot, index: &Index, filter: &Filter, started_at: Timestamp) -> Self {
        let labels = Labels::new(index, filter);
        let shown = |finding: &Finding| {
            let key = &finding.key;
            filter.thing(&key.environment, &key.kind, &key.name, &finding.application)
                && labels.allow(&key.environment, &finding.application)
        };
        Self {
            api_version: "moored.dev/v1",
            kind: "DriftReport",
            started_at,
            finished_at: snapshot.at,
            revisions: snapshot.revisions.clone(),
            environments: environments(snapshot, filter),
            applications: applications(snapshot, index, filter, &labels),
            scopes: scopes(snapshot, filter),
            findings: snapshot
                .findings
                .iter()
                .filter(|finding| shown(finding))
                .map(|finding| finding_report(snapshot, finding))
                .collect(),
            converging: snapshot
                .converging
                .iter()
                .filter(|entry| {
                    filter.thing(&entry.environment, &entry.kind, &entry.name, &entry.application)
                        && labels.allow(&entry.environment, &entry.application)
                })
                .cloned()
                .collect(),
            ignored: snapshot
                .ignored
                .iter()
                .filter(|ignored| shown(&ignored.finding))
                .map(|ignored| IgnoredReport {
                    finding: finding_report(snapshot, &ignored.finding),
                    by: ignored.by.clone(),
                    reason: ignored.reason.clone(),
                    until: ignored.until,
                })
                .collect(),
            unknown: snapshot
                .unknown
                .iter()
                .filter(|entry| {
                    filter.thing(&entry.environment, &entry.kind, &entry.name, &entry.application)
                        && labels.allow(&entry.environment, &entry.application)
                })
                .cloned()
                .collect(),
            summary: summary(snapshot, filter),
        }
    }
}

/// Applications that carry all wanted labels other than `app`.
struct Labels(Option<BTreeSet<(Arc<str>, Arc<str>)>>);

impl Labels {
    fn new(index: &Index, filter: &Filter) -> Self {
        let wanted: BTreeMap<&str, &str> =
            filter.labels.iter().filter(|(key, _)| *key != "app").map(|(key, value)| (&**key, &**value)).collect();
        if wanted.is_empty() {
            return Self(None);
        }
        let all = index
            .scopes
            .values()
            .flat_map(|home| home.resources.iter().chain(home.tables.iter().map(|table| &table.declared)));
        let carrying = all.filter(|declared| {
            wanted.iter().all(|(key, value)| declared.labels.get(*key).is_some_and(|known| **known == **value))
        });
        Self(Some(carrying.map(|declared| (declared.environment.clone(), declared.application.clone())).collect()))
    }

    fn allow(&self, environment: &Arc<str>, application: &Arc<str>) -> bool {
        self.0.as_ref().is_none_or(|allowed| allowed.contains(&(environment.clone(), application.clone())))
    }
}

fn environments(snapshot: &Snapshot, filter: &Filter) -> Vec<EnvironmentReport> {
    let shown = snapshot.environments.iter().filter(|view| filter.environment(&view.name));
    shown
        .map(|view| EnvironmentReport {
            name: view.name.clone(),
            class: view.class,
            verdict: view.verdict,
            identity: view
                .identity
                .iter()
                .map(|(account, state)| IdentityReport { account: account.clone(), state: *state })
                .collect(),
        })
        .collect()
}

fn applications(snapshot: &Snapshot, index: &Index, filter: &Filter, labels: &Labels) -> Vec<ApplicationReport> {
    let worse: BTreeMap<(&str, &str), &ApplicationView> =
        snapshot.applications.iter().map(|view| ((&*view.environment, &*view.name), view)).collect();
    let declared = index.applications.keys().map(|(environment, name)| (&**environment, &**name));
    let all: BTreeSet<(&str, &str)> = declared.chain(worse.keys().copied()).collect();
    all.into_iter()
        .filter(|(environment, name)| {
            filter.environment(environment)
                && filter.application(name)
                && labels.allow(&(*environment).into(), &(*name).into())
        })
        .map(|(environment, name)| {
            let view = worse.get(&(environment, name));
            ApplicationReport {
                environment: environment.into(),
                name: name.into(),
                verdict: view.map_or(Verdict::InSync, |view| view.verdict),
                missing: view.map(|view| view.missing.clone()).unwrap_or_default(),
            }
        })
        .collect()
}

fn scopes(snapshot: &Snapshot, filter: &Filter) -> Vec<ScopeReport> {
    let shown = snapshot
        .scopes
        .iter()
        .filter(|view| view.environments.iter().any(|environment| filter.environment(environment)));
    shown
        .map(|view| ScopeReport {
            scope: view.scope.clone(),
            environments: view.environments.clone(),
            complete: view.complete,
            observed_at: view.observed_at,
            bound_seconds: view.bound.as_secs_f64(),
            api_calls: view.api_calls,
            error: view.error.as_ref().map(ToString::to_string),
            remarks: view.remarks.iter().map(ToString::to_string).collect(),
        })
        .collect()
}

fn finding_report(snapshot: &Snapshot, finding: &Finding) -> FindingReport {
    let key = &finding.key;
    FindingReport {
        id: finding.id.clone(),
        environment: key.environment.clone(),
        kind: key.kind.clone(),
        name: key.name.clone(),
        scope: finding.scope.clone(),
        drift: key.drift,
        severity: finding.severity,
        application: finding.application.clone(),
        message: finding.message.clone(),
        held: finding.held,
        fields: finding.fields.clone(),
        group: GroupReport {
            id: format!("{}/{}/{}", key.environment, finding.root.kind, finding.root.name),
            root: finding.root.clone(),
            size: snapshot.group_size(finding),
        },
        since: finding.since,
        attribution: None,
        source: finding.source.clone(),
        runbook: finding.runbook.clone(),
        redeploy: finding.redeploy.clone(),
    }
}

/// Totals; they follow the filter by environment and kind (counts have no names).
fn summary(snapshot: &Snapshot, filter: &Filter) -> Summary {
    let count = |state: State| {
        let shown = snapshot.counts.iter().filter(|((environment, kind, counted), _)| {
            *counted == state
                && filter.environment(environment)
                && (filter.kinds.is_empty() || filter.kinds.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind)))
        });
        shown.map(|(_, count)| count).sum::<u32>()
    };
    let states = State::ALL.iter().map(|state| count(*state)).sum();
    let unchecked = snapshot
        .unchecked
        .iter()
        .filter(|((environment, _), _)| filter.environment(environment))
        .map(|(_, count)| count)
        .sum();
    Summary {
        resources: states,
        in_sync: count(State::InSync),
        drifted: count(State::Drifted),
        converging: count(State::Converging),
        unknown: count(State::Unknown),
        ignored: count(State::Ignored),
        unchecked,
    }
}
