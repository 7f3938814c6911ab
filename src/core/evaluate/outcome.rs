//! What is said about everything whose home is one scope, as it is gathered.
//!
//! Decides how a judged resource is counted, and what Ignores and holds set aside. It judges
//! nothing itself. Only [`super::evaluate`] makes outcomes, and keeps those that nothing touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Input, guarded};
use crate::core::drift::{Finding, State};
use crate::core::identity::ScopeKey;
use crate::core::ignore::Ignore;
use crate::core::index::Home;
use crate::core::inventory::{self, Count};
use crate::core::items::Named;
use crate::core::memory::{CensusMemory, Name, ScopeMemory};
use crate::core::snapshot::{Converging, Ignored, Unknown};
use crate::core::unit::{Bench, Unit, own_failure};

/// What is said about everything whose home is one scope.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    pub(super) counts: BTreeMap<(Arc<str>, &'static str, State), u32>,
    pub(super) findings: Vec<Arc<Finding>>,
    pub(super) ignored: Vec<Ignored>,
    pub(super) converging: Vec<Converging>,
    pub(super) unknown: Vec<Unknown>,
    pub(super) unchecked: BTreeMap<(Arc<str>, Arc<str>), u32>,
    pub(super) wanted: BTreeSet<ScopeKey>,
    pub(super) scan_after: Option<Timestamp>,
    pub(super) unsteady: BTreeMap<Name, (Timestamp, i64)>,
    pub(super) census: BTreeMap<(Arc<str>, Arc<str>), CensusMemory>,
    /// Live things that nobody declares; `None` where not everything was listed.
    pub(super) undeclared: Option<u32>,
    pub(super) recheck_at: Option<Timestamp>,
}

impl Outcome {
    /// Counts what is there for each inventory of a scope.
    pub(super) fn count(&mut self, home: &Home, bench: &Bench<'_>, before: Option<&ScopeMemory>) {
        for inventory in &home.inventories {
            self.census.insert(inventory.key(), inventory::count(inventory, bench, before));
        }
    }

    /// Says what lives in a scope undeclared, and what of it is gone.
    pub(super) fn take_stock(
        &mut self,
        scope: &ScopeKey,
        home: &Home,
        bench: &Bench<'_>,
        before: Option<&ScopeMemory>,
        input: &Input<'_>,
    ) {
        let reading = bench.world.reading(scope).ok().filter(|reading| reading.complete);
        let listed = reading.filter(|reading| reading.listed);
        let undeclared = listed.and_then(|reading| guarded(|| inventory::undeclared(scope, home, reading, bench)));
        self.undeclared = match (&undeclared, reading.and_then(|reading| reading.counted)) {
            (Some(undeclared), _) => u32::try_from(undeclared.strangers.len()).ok(),
            (None, Some(counted)) => {
                let known = reading.map_or(0, |reading| reading.objects.len());
                Some(counted.saturating_sub(u32::try_from(known).unwrap_or(u32::MAX)))
            }
            (None, None) => None,
        };
        let census = std::mem::take(&mut self.census);
        for inventory in &home.inventories {
            let Some(counted) = census.get(&inventory.key()) else { continue };
            let count = Count { inventory, home, bench, memory: before, census: counted };
            let judged = guarded(|| count.judge(undeclared.as_ref())).unwrap_or_else(|| count.blind(&own_failure()));
            for named in judged {
                self.add(&inventory.declared.environment, named, input);
            }
        }
        self.census = census;
    }

    /// Counts a resource and keeps what there is to say about it.
    pub(super) fn add(&mut self, environment: &Arc<str>, named: Named, input: &Input<'_>) {
        let Named { kind, name, scope, application, mut unit } = named;
        let had_findings = !unit.findings.is_empty();
        let ignored = self.apply_ignores(&mut unit, input);
        let state = match unit.state() {
            State::InSync if had_findings && ignored => State::Ignored,
            state => state,
        };
        *self.counts.entry((environment.clone(), kind, state)).or_default() += 1;
        if let Some((until, message)) = unit.converging
            && state == State::Converging
        {
            self.recheck(until);
            let (kind, message) = (kind.into(), message.into());
            self.converging.push(Converging {
                environment: environment.clone(),
                kind,
                name: name.clone(),
                scope: scope.clone(),
                until,
                message,
                application: application.clone(),
            });
        }
        if let Some(failure) = unit.unknown {
            self.unknown.push(Unknown {
                environment: environment.clone(),
                kind: kind.into(),
                name: name.clone(),
                scope: scope.clone(),
                reason: failure.reason.as_str(),
                detail: failure.detail,
                application: application.clone(),
            });
        }
        for why in unit.unchecked {
            *self.unchecked.entry((environment.clone(), why)).or_default() += 1;
        }
        self.wanted.extend(unit.wanted);
        self.scan_after = self.scan_after.max(unit.scan_after);
        if let Some(since) = unit.unsteady {
            self.unsteady.insert((environment.clone(), kind, name.clone()), since);
        }
        self.findings.extend(unit.findings.into_iter().map(Arc::new));
    }

    /// Moves what is ignored aside; whether anything was.
    fn apply_ignores(&mut self, unit: &mut Unit, input: &Input<'_>) -> bool {
        let mut any = false;
        let findings = std::mem::take(&mut unit.findings);
        for mut finding in findings {
            if let Some(hold) = input.holds.iter().find(|hold| hold.matches(&finding, input.now)) {
                any = true;
                self.recheck(hold.until);
                let (by, reason, until) = ("hold".into(), hold.because(), hold.until);
                self.ignored.push(Ignored { finding: Arc::new(finding), by, reason, until });
                continue;
            }
            let ignores = input.index.ignores.get(&finding.key.environment).into_iter().flatten();
            let matching: Vec<&Arc<Ignore>> = ignores.filter(|ignore| ignore.matches(&finding, input.now)).collect();
            for ignore in &matching {
                self.recheck(ignore.expires());
            }
            let whole = matching.iter().find(|ignore| ignore.path.is_none());
            let left = finding.fields.iter().filter(|field| !matching.iter().any(|ignore| ignore.covers(&field.path)));
            let covered = !finding.fields.is_empty() && left.count() == 0;
            if let Some(ignore) = whole.or_else(|| matching.first().filter(|_| covered)) {
                any = true;
                let (by, reason, until) = (ignore.name.clone(), ignore.reason.clone(), ignore.expires());
                self.ignored.push(Ignored { finding: Arc::new(finding), by, reason, until });
                continue;
            }
            finding.fields.retain(|field| !matching.iter().any(|ignore| ignore.covers(&field.path)));
            unit.findings.push(finding);
        }
        any
    }

    pub(super) fn recheck(&mut self, at: Timestamp) {
        self.recheck_at = Some(self.recheck_at.map_or(at, |known| known.min(at)));
    }
}
