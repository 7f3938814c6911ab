//! Verdicts: what findings make of an application, and applications of their environment.
//!
//! Decides `down > partial > unknown > drifted > in_sync`. An environment is at worst `partial`
//! from its applications: only a probe or an inventory may call it down, never silence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::drift::{Drift, Finding, Severity, Verdict};
use super::snapshot::{ApplicationView, Unknown};

type Name = (Arc<str>, Arc<str>);

/// What is known of one application.
struct Tally {
    verdict: Verdict,
    missing: Vec<String>,
    /// Pieces of which nothing works, by kind and name.
    dead: BTreeSet<(Arc<str>, Arc<str>)>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { verdict: Verdict::InSync, missing: Vec::new(), dead: BTreeSet::new() }
    }
}

/// The applications that are not in sync, and the environments' verdicts.
pub fn judge(
    findings: &[Arc<Finding>],
    unknown: &[Unknown],
    pieces: &BTreeMap<Name, u32>,
) -> (Vec<ApplicationView>, BTreeMap<Arc<str>, Verdict>) {
    let mut applications: BTreeMap<Name, Tally> = BTreeMap::new();
    for finding in findings {
        let name = (finding.key.environment.clone(), finding.application.clone());
        let Tally { verdict, missing, dead } = applications.entry(name).or_default();
        *verdict = (*verdict).max(finding.verdict());
        let piece = (finding.key.kind.clone(), finding.key.name.clone());
        match finding.key.drift {
            _ if finding.severity == Severity::Info => {}
            Drift::Missing => {
                missing.push(format!("{}/{}", piece.0, piece.1));
                dead.insert(piece);
            }
            Drift::Degraded if !finding.works => {
                dead.insert(piece);
            }
            _ => {}
        }
    }
    let decided = findings.iter().filter(|finding| finding.decides).map(|finding| finding.key.environment.clone());
    let decided: BTreeSet<Arc<str>> = decided.collect();
    for entry in unknown {
        let name = (entry.environment.clone(), entry.application.clone());
        let tally = applications.entry(name).or_default();
        tally.verdict = tally.verdict.max(Verdict::Unknown);
    }
    let mut environments: BTreeMap<Arc<str>, Verdict> = BTreeMap::new();
    let views = applications
        .into_iter()
        .map(|((environment, name), Tally { verdict, missing, dead })| {
            let all = pieces.get(&(environment.clone(), name.clone())).copied().unwrap_or(0);
            let none_works = all > 0 && dead.len() as u32 >= all;
            let verdict = if none_works { Verdict::Down } else { verdict };
            let worst = environments.entry(environment.clone()).or_insert(Verdict::InSync);
            *worst = (*worst).max(verdict.min(Verdict::Partial));
            ApplicationView { environment, name, verdict, missing }
        })
        .filter(|view| view.verdict != Verdict::InSync)
        .collect();
    environments.extend(decided.into_iter().map(|environment| (environment, Verdict::Down)));
    (views, environments)
}
