//! The samples of each metric: what [`super::metrics::METRICS`] names, function by function.
//!
//! Decides which series a snapshot has and what their values are. It formats nothing: label values
//! are made presentable by [`super::exposition`]. Only the table calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::exposition::Family;
use super::metrics::ShellMetrics;
use crate::core::drift::{Drift, Finding, State, Verdict};
use crate::core::index::Index;
use crate::core::observation::IdentityState;
use crate::core::snapshot::Snapshot;

/// At most this many findings have series of their own.
pub(super) const MOST_FINDINGS: usize = 5_000;

/// What is rendered.
pub(super) struct Subject<'a> {
    snapshot: &'a Snapshot,
    index: &'a Index,
    shell: &'a ShellMetrics,
    findings: Vec<Shown<'a>>,
    truncated: usize,
}

impl<'a> Subject<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, index: &'a Index, shell: &'a ShellMetrics) -> Self {
        let (findings, truncated) = urgent(snapshot);
        Self { snapshot, index, shell, findings, truncated }
    }
}

/// A finding that has series of its own.
struct Shown<'a> {
    finding: &'a Finding,
    scope: String,
}

impl Shown<'_> {
    fn labels(&self) -> [&str; 6] {
        let key = &self.finding.key;
        [&key.environment, &key.kind, &key.name, &self.scope, key.drift.as_str(), &self.finding.application]
    }
}

/// The most urgent findings, and how many are left out. Two that would have the same labels (one
/// thing named by two tables) are one.
fn urgent(snapshot: &Snapshot) -> (Vec<Shown<'_>>, usize) {
    let mut seen = BTreeSet::new();
    let mut shown = Vec::new();
    for finding in &snapshot.findings {
        let new = seen.insert((&finding.key, &finding.scope, &finding.application));
        if new && shown.len() < MOST_FINDINGS {
            shown.push(Shown { finding, scope: finding.scope.to_string() });
        }
    }
    let truncated = seen.len() - shown.len();
    (shown, truncated)
}

fn number(count: usize) -> f64 {
    count as f64
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

/// All states of what has resources, those at zero too: a series that appears only with trouble
/// cannot be seen to rise.
pub(super) fn resources(subject: &Subject<'_>, family: &mut Family<'_>) {
    let counts = &subject.snapshot.counts;
    let present: BTreeSet<(&Arc<str>, &'static str)> =
        counts.keys().map(|(environment, kind, _)| (environment, *kind)).collect();
    for (environment, kind) in present {
        for state in State::ALL {
            let count = counts.get(&(environment.clone(), kind, *state)).copied().unwrap_or(0);
            family.add(&[environment, kind, state.as_str()], count.into());
        }
    }
}

pub(super) fn drift(subject: &Subject<'_>, family: &mut Family<'_>) {
    for shown in &subject.findings {
        family.add(&shown.labels(), 1.0);
    }
}

pub(super) fn severity(subject: &Subject<'_>, family: &mut Family<'_>) {
    for shown in &subject.findings {
        let [environment, kind, name, scope, drift, application] = shown.labels();
        family.add(&[environment, kind, name, scope, drift, application, shown.finding.severity.as_str()], 1.0);
    }
}

pub(super) fn since(subject: &Subject<'_>, family: &mut Family<'_>) {
    for shown in &subject.findings {
        family.add(&shown.labels(), seconds(shown.finding.since));
    }
}

pub(super) fn held(subject: &Subject<'_>, family: &mut Family<'_>) {
    for shown in &subject.findings {
        family.add(&shown.labels(), flag(shown.finding.held));
    }
}

pub(super) fn truncated(subject: &Subject<'_>, family: &mut Family<'_>) {
    family.add(&[], number(subject.truncated));
}

pub(super) fn applications(subject: &Subject<'_>, family: &mut Family<'_>) {
    let mut verdicts: BTreeMap<(&str, &str), Verdict> = subject
        .index
        .applications
        .keys()
        .map(|(environment, name)| ((&**environment, &**name), Verdict::InSync))
        .collect();
    verdicts.extend(subject.snapshot.applications.iter().map(|view| ((&*view.environment, &*view.name), view.verdict)));
    let mut counts: BTreeMap<(&str, Verdict), u32> = BTreeMap::new();
    for ((environment, _), verdict) in verdicts {
        *counts.entry((environment, verdict)).or_default() += 1;
    }
    for environment in &subject.snapshot.environments {
        for verdict in Verdict::ALL {
            let count = counts.get(&(&*environment.name, *verdict)).copied().unwrap_or(0);
            family.add(&[&environment.name, verdict.as_str()], count.into());
        }
    }
}

pub(super) fn application_verdict(subject: &Subject<'_>, family: &mut Family<'_>) {
    for view in &subject.snapshot.applications {
        family.add(&[&view.environment, &view.name, view.verdict.as_str()], 1.0);
    }
}

/// The team and the runbook of the first of its resources that has one.
pub(super) fn application_info(subject: &Subject<'_>, family: &mut Family<'_>) {
    let mut known: BTreeMap<(&str, &str), (&str, &str)> =
        subject.index.applications.keys().map(|(environment, name)| ((&**environment, &**name), ("", ""))).collect();
    for declared in crate::core::report::declarations(subject.index) {
        let Some((team, runbook)) = known.get_mut(&(&*declared.environment, &*declared.application)) else { continue };
        if team.is_empty() {
            *team = declared.team.as_deref().unwrap_or_default();
        }
        if runbook.is_empty() {
            *runbook = declared.policy.runbook.as_deref().unwrap_or_default();
        }
    }
    for ((environment, application), (team, runbook)) in known {
        family.add(&[environment, application, team, runbook], 1.0);
    }
}

pub(super) fn environment_verdict(subject: &Subject<'_>, family: &mut Family<'_>) {
    for environment in &subject.snapshot.environments {
        for verdict in Verdict::ALL {
            family.add(&[&environment.name, verdict.as_str()], flag(environment.verdict == *verdict));
        }
    }
}

pub(super) fn last_success(subject: &Subject<'_>, family: &mut Family<'_>) {
    for view in &subject.snapshot.scopes {
        if let Some(at) = view.observed_at {
            family.add(&[&view.scope.to_string()], seconds(at));
        }
    }
}

pub(super) fn complete(subject: &Subject<'_>, family: &mut Family<'_>) {
    for view in &subject.snapshot.scopes {
        family.add(&[&view.scope.to_string()], flag(view.complete));
    }
}

pub(super) fn duration(subject: &Subject<'_>, family: &mut Family<'_>) {
    for view in subject.snapshot.scopes.iter().filter(|view| view.observed_at.is_some()) {
        family.add(&[&view.scope.to_string()], view.took.as_secs_f64());
    }
}

pub(super) fn failures(subject: &Subject<'_>, family: &mut Family<'_>) {
    for ((scope, reason), count) in &subject.shell.failures {
        family.add(&[&scope.to_string(), reason], *count as f64);
    }
}

pub(super) fn bound(subject: &Subject<'_>, family: &mut Family<'_>) {
    for view in &subject.snapshot.scopes {
        family.add(&[&view.scope.to_string()], view.bound.as_secs_f64());
    }
}

pub(super) fn scope_info(subject: &Subject<'_>, family: &mut Family<'_>) {
    for view in &subject.snapshot.scopes {
        for environment in &view.environments {
            family.add(&[&view.scope.to_string(), environment], 1.0);
        }
    }
}

pub(super) fn live_undeclared(subject: &Subject<'_>, family: &mut Family<'_>) {
    for (scope, count) in &subject.snapshot.undeclared {
        let environments = subject.index.scopes.get(scope).into_iter().flat_map(|home| &home.environments);
        for environment in environments {
            family.add(&[&**environment, &scope.to_string()], f64::from(*count));
        }
    }
}

pub(super) fn hijacked(subject: &Subject<'_>, family: &mut Family<'_>) {
    for ((environment, stack), apps) in &subject.snapshot.hijacked {
        family.add(&[&**environment, &**stack], f64::from(*apps));
    }
}

pub(super) fn mass_loss(subject: &Subject<'_>, family: &mut Family<'_>) {
    let lost = |finding: &&Arc<Finding>| {
        finding.key.drift == Drift::Vanished && *finding.key.kind == *crate::core::inventory::KIND
    };
    for finding in subject.snapshot.findings.iter().filter(lost) {
        family.add(&[&*finding.key.environment, &finding.scope.to_string()], 1.0);
    }
}

pub(super) fn requests(subject: &Subject<'_>, family: &mut Family<'_>) {
    for (key, count) in &subject.shell.requests {
        family.add(&[&key.account, &key.service, &key.operation, key.outcome], *count as f64);
    }
}

pub(super) fn identity(subject: &Subject<'_>, family: &mut Family<'_>) {
    for environment in &subject.snapshot.environments {
        for (account, known) in &environment.identity {
            for state in IdentityState::ALL {
                family.add(&[&environment.name, account, state.as_str()], flag(*known == state));
            }
        }
    }
}

pub(super) fn unchecked(subject: &Subject<'_>, family: &mut Family<'_>) {
    for ((environment, reason), count) in &subject.snapshot.unchecked {
        family.add(&[environment, reason], (*count).into());
    }
}

pub(super) fn load_success(subject: &Subject<'_>, family: &mut Family<'_>) {
    for status in &subject.shell.roots {
        family.add(&[&status.root], flag(status.success));
    }
}

pub(super) fn revision(subject: &Subject<'_>, family: &mut Family<'_>) {
    for status in &subject.shell.roots {
        if let Some(digest) = &status.digest {
            family.add(&[&status.root, digest, status.commit.as_deref().unwrap_or_default()], 1.0);
        }
    }
}

pub(super) fn ignore_expires(subject: &Subject<'_>, family: &mut Family<'_>) {
    for ignore in &subject.snapshot.ignores {
        family.add(&[&ignore.name, &ignore.environment], seconds(ignore.expires));
    }
}

pub(super) fn store_healthy(subject: &Subject<'_>, family: &mut Family<'_>) {
    if let Some(healthy) = subject.shell.store_healthy {
        family.add(&["history"], flag(healthy));
    }
}

pub(super) fn panics(subject: &Subject<'_>, family: &mut Family<'_>) {
    family.add(&[], subject.shell.panics as f64);
}

pub(super) fn log_lines_dropped(subject: &Subject<'_>, family: &mut Family<'_>) {
    family.add(&[], subject.shell.log_lines_dropped as f64);
}

pub(super) fn build(_: &Subject<'_>, family: &mut Family<'_>) {
    family.add(&[env!("CARGO_PKG_VERSION")], 1.0);
}
