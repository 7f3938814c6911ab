//! The report: a snapshot in the shape of the JSON contract (design, section 6).
//!
//! Decides names and nesting of `DriftReport`; the table, the API and scripts read the same value,
//! so none of them can disagree. It contains no secret: there is none in a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::desired::{Class, Declared, Revision};
use super::drift::{Drift, FieldDrift, Finding, Severity, State, Verdict};
use super::filter::Filter;
use super::identity::ScopeKey;
use super::index::Index;
use super::observation::IdentityState;
use super::record::Attribution;
use super::snapshot::{ApplicationView, Converging, Ignored, Snapshot, Unknown};
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
    /// The longest time between a change and its detection, in seconds; none in a single pass.
    pub bound_seconds: Option<f64>,
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
    pub attribution: Option<Attribution>,
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
        let shown = Shown::new(snapshot, index, filter);
        Self {
            api_version: "moored.dev/v1",
            kind: "DriftReport",
            started_at,
            finished_at: snapshot.at,
            revisions: snapshot.revisions.clone(),
            environments: environments(snapshot, filter),
            applications: applications(snapshot, index, filter, &shown),
            scopes: scopes(snapshot, filter),
            findings: shown.findings.iter().map(|finding| finding_report(snapshot, finding)).collect(),
            converging: shown.converging.iter().map(|entry| (*entry).clone()).collect(),
            ignored: shown
                .ignored
                .iter()
                .map(|ignored| IgnoredReport {
                    finding: finding_report(snapshot, &ignored.finding),
                    by: ignored.by.clone(),
                    reason: ignored.reason.clone(),
                    until: ignored.until,
                })
                .collect(),
            unknown: shown.unknown.iter().map(|entry| (*entry).clone()).collect(),
            summary: summary(snapshot, index, filter, &shown),
        }
    }

    /// Whether anything declared, or anything there is to say, passes the filter: a misspelt name
    /// must not read as "all is well".
    pub fn matches_anything(snapshot: &Snapshot, index: &Index, filter: &Filter) -> bool {
        let shown = Shown::new(snapshot, index, filter);
        filter.is_empty()
            || !(shown.findings.is_empty()
                && shown.unknown.is_empty()
                && shown.converging.is_empty()
                && shown.ignored.is_empty())
            || declarations(index).any(|declared| shown.labels.shows(filter, declared))
    }
}

/// What of a snapshot passes the filter.
struct Shown<'a> {
    labels: Labels,
    findings: Vec<&'a Arc<Finding>>,
    converging: Vec<&'a Converging>,
    ignored: Vec<&'a Ignored>,
    unknown: Vec<&'a Unknown>,
}

impl<'a> Shown<'a> {
    fn new(snapshot: &'a Snapshot, index: &Index, filter: &Filter) -> Self {
        let labels = Labels::new(index, filter);
        let passes = |environment: &Arc<str>, kind: &str, name: &str, application: &Arc<str>| {
            filter.thing(environment, kind, name, application) && labels.allow(environment, application)
        };
        let finding = |finding: &Finding| {
            passes(&finding.key.environment, &finding.key.kind, &finding.key.name, &finding.application)
        };
        let findings = snapshot.findings.iter().filter(|known| finding(known)).collect();
        let converging = snapshot.converging.iter();
        let converging = converging
            .filter(|entry| passes(&entry.environment, &entry.kind, &entry.name, &entry.application))
            .collect();
        let ignored = snapshot.ignored.iter().filter(|ignored| finding(&ignored.finding)).collect();
        let unknown = snapshot.unknown.iter();
        let unknown =
            unknown.filter(|entry| passes(&entry.environment, &entry.kind, &entry.name, &entry.application)).collect();
        Self { labels, findings, converging, ignored, unknown }
    }
}

/// Applications that carry all wanted labels other than `app`.
struct Labels(Option<BTreeSet<(Arc<str>, Arc<str>)>>);

impl Labels {
    fn new(index: &Index, filter: &Filter) -> Self {
        if filter.labels.keys().all(|key| key == "app") {
            return Self(None);
        }
        let carrying = declarations(index).filter(|declared| filter.carried_by(&declared.labels));
        Self(Some(carrying.map(|declared| (declared.environment.clone(), declared.application.clone())).collect()))
    }

    fn allow(&self, environment: &Arc<str>, application: &Arc<str>) -> bool {
        self.0.as_ref().is_none_or(|allowed| allowed.contains(&(environment.clone(), application.clone())))
    }

    /// Whether a declaration is shown.
    fn shows(&self, filter: &Filter, declared: &Declared) -> bool {
        filter.thing(&declared.environment, declared.kind.name(), &declared.name, &declared.application)
            && self.allow(&declared.environment, &declared.application)
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

/// Applications with at least one declaration or finding that passes.
fn applications(snapshot: &Snapshot, index: &Index, filter: &Filter, shown: &Shown<'_>) -> Vec<ApplicationReport> {
    let worse: BTreeMap<(&str, &str), &ApplicationView> =
        snapshot.applications.iter().map(|view| ((&*view.environment, &*view.name), view)).collect();
    let declared = declarations(index).filter(|declared| shown.labels.shows(filter, declared));
    let declared = declared.map(|declared| (&*declared.environment, &*declared.application));
    let found = shown.findings.iter().map(|finding| (&*finding.key.environment, &*finding.application));
    let unknown = shown.unknown.iter().map(|entry| (&*entry.environment, &*entry.application));
    let all: BTreeSet<(&str, &str)> = declared.chain(found).chain(unknown).collect();
    let report = |(environment, name): (&str, &str)| {
        let view = worse.get(&(environment, name));
        ApplicationReport {
            environment: environment.into(),
            name: name.into(),
            verdict: view.map_or(Verdict::InSync, |view| view.verdict),
            missing: view.map(|view| view.missing.clone()).unwrap_or_default(),
        }
    };
    all.into_iter().map(report).collect()
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
            bound_seconds: Some(view.bound.as_secs_f64()).filter(|seconds| *seconds > 0.0),
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
        attribution: snapshot.attribution(finding).cloned(),
        source: finding.source.clone(),
        runbook: finding.runbook.clone(),
        redeploy: finding.redeploy.clone(),
    }
}

/// Totals. A filter by environment or kind follows the counts; by name or label the matching
/// declarations and entries are counted.
fn summary(snapshot: &Snapshot, index: &Index, filter: &Filter, shown: &Shown<'_>) -> Summary {
    let unchecked = snapshot.unchecked.iter().filter(|((environment, _), _)| filter.environment(environment));
    let unchecked = unchecked.map(|(_, count)| count).sum();
    if filter.names.is_empty() && filter.labels.is_empty() {
        let count = |state: State| {
            let counted = snapshot.counts.iter().filter(|((environment, kind, counted), _)| {
                *counted == state && filter.environment(environment) && filter.kind(kind)
            });
            counted.map(|(_, count)| count).sum::<u32>()
        };
        return Summary {
            resources: State::ALL.iter().map(|state| count(*state)).sum(),
            in_sync: count(State::InSync),
            drifted: count(State::Drifted),
            converging: count(State::Converging),
            unknown: count(State::Unknown),
            ignored: count(State::Ignored),
            unchecked,
        };
    }
    type Name<'a> = (&'a str, &'a str, &'a str);
    let key = |finding: &Finding| -> (Arc<str>, Arc<str>, Arc<str>) {
        (finding.key.environment.clone(), finding.key.kind.clone(), finding.key.name.clone())
    };
    let proven: BTreeSet<_> =
        shown.findings.iter().filter(|finding| !finding.held).map(|finding| key(finding)).collect();
    let unknown: BTreeSet<_> = shown
        .unknown
        .iter()
        .map(|entry| (entry.environment.clone(), entry.kind.clone(), entry.name.clone()))
        .chain(shown.findings.iter().filter(|finding| finding.held).map(|finding| key(finding)))
        .filter(|name| !proven.contains(name))
        .collect();
    let converging: BTreeSet<Name<'_>> =
        shown.converging.iter().map(|entry| (&*entry.environment, &*entry.kind, &*entry.name)).collect();
    let ignored: BTreeSet<_> =
        shown.ignored.iter().map(|ignored| key(&ignored.finding)).filter(|name| !proven.contains(name)).collect();
    let troubled = proven.len() + unknown.len() + converging.len() + ignored.len();
    let is_troubled = |name: &(Arc<str>, Arc<str>, Arc<str>)| {
        proven.contains(name)
            || unknown.contains(name)
            || ignored.contains(name)
            || converging.contains(&(&*name.0, &*name.1, &*name.2))
    };
    let declared = declarations(index).filter(|declared| shown.labels.shows(filter, declared));
    let in_sync = declared
        .map(|declared| (declared.environment.clone(), Arc::<str>::from(declared.kind.name()), declared.name.clone()))
        .filter(|name| !is_troubled(name))
        .count();
    Summary {
        resources: (in_sync + troubled) as u32,
        in_sync: in_sync as u32,
        drifted: proven.len() as u32,
        converging: converging.len() as u32,
        unknown: unknown.len() as u32,
        ignored: ignored.len() as u32,
        unchecked,
    }
}

/// Every declaration, StateTables and inventories too.
pub(crate) fn declarations(index: &Index) -> impl Iterator<Item = &Declared> {
    index.scopes.values().flat_map(|home| {
        let tables = home.tables.iter().map(|table| &*table.declared);
        let inventories = home.inventories.iter().map(|inventory| &*inventory.declared);
        home.resources.iter().map(|declared| &**declared).chain(tables).chain(inventories)
    })
}
