//! Verdicts: what findings make of an application, and applications of their environment.
//!
//! Decides `down > partial > unknown > drifted > in_sync`. An environment is at worst `partial`
//! from its applications: only a probe or an inventory may call it down, never silence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::drift::{Drift, Finding, Verdict};
use super::snapshot::{ApplicationView, Unknown};

type Name = (Arc<str>, Arc<str>);

/// The applications that are not in sync, and the environments' verdicts.
pub fn judge(
    findings: &[Arc<Finding>],
    unknown: &[Unknown],
    pieces: &BTreeMap<Name, u32>,
) -> (Vec<ApplicationView>, BTreeMap<Arc<str>, Verdict>) {
    let mut applications: BTreeMap<Name, (Verdict, Vec<String>, BTreeSet<(Arc<str>, Arc<str>)>)> = BTreeMap::new();
    for finding in findings {
        let name = (finding.key.environment.clone(), finding.application.clone());
        let (verdict, missing, dead) =
            applications.entry(name).or_insert_with(|| (Verdict::InSync, Vec::new(), BTreeSet::new()));
        *verdict = (*verdict).max(finding.verdict());
        let piece = (finding.key.kind.clone(), finding.key.name.clone());
        match finding.key.drift {
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
    for entry in unknown {
        let name = (entry.environment.clone(), entry.application.clone());
        let (verdict, ..) = applications.entry(name).or_insert_with(|| (Verdict::InSync, Vec::new(), BTreeSet::new()));
        *verdict = (*verdict).max(Verdict::Unknown);
    }
    let mut environments: BTreeMap<Arc<str>, Verdict> = BTreeMap::new();
    let views = applications
        .into_iter()
        .map(|((environment, name), (verdict, missing, dead))| {
            let all = pieces.get(&(environment.clone(), name.clone())).copied().unwrap_or(0);
            let none_works = all > 0 && dead.len() as u32 >= all;
            let verdict = if none_works { Verdict::Down } else { verdict };
            let worst = environments.entry(environment.clone()).or_insert(Verdict::InSync);
            *worst = (*worst).max(verdict.min(Verdict::Partial));
            ApplicationView { environment, name, verdict, missing }
        })
        .filter(|view| view.verdict != Verdict::InSync)
        .collect();
    (views, environments)
}
