//! The flight recorder's end of the watch: every believed reading goes into the record.
//!
//! Decides what of a reading is proven gone (by each kind's own proof), which recorded things a
//! list lacks and are therefore asked for by name, and which change led to an open finding. It
//! judges no drift, and a record that cannot be written stops nothing. [`super::watch`] calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tracing::{error, info, warn};

use crate::core::asks::Asks;
use crate::core::drift::{Drift, Finding, FindingKey};
use crate::core::identity::{Ask, ObjectKey, ScopeKey, ScopeKind};
use crate::core::index::Index;
use crate::core::memory::Memory;
use crate::core::observation::{Observations, Reading};
use crate::core::record::{Attributed, Change, Seen, What};
use crate::core::snapshot::{Attributions, Snapshot};
use crate::core::world::{Sight, World};
use crate::engine::attribution::audit::Audit;
use crate::store::{ChangeQuery, History, StoreError};

/// A finding and the change that led to it were seen by the same reading, or by neighbours.
const NEAR: SignedDuration = SignedDuration::from_mins(10);

/// CloudTrail is minutes late; what nobody was named for by then stays without a name.
const HOPELESS: SignedDuration = SignedDuration::from_mins(45);

/// Times of beginning that one look asks about.
const TIMES: usize = 10;

/// Changes that one of them takes in.
const MOST_CHANGES: usize = 5_000;

/// Things of one scope that are asked for by name at once: the calls come out of its budget.
const MOST_ASKED: usize = 50;

/// What the watch and the record share.
pub struct Recording {
    history: Option<Arc<Mutex<dyn History>>>,
    /// Recorded things that the last listing of a scope lacked without proof.
    unproven: BTreeMap<ScopeKey, BTreeSet<ObjectKey>>,
    attributions: Attributions,
    /// Who did what on Cloud Foundry.
    audit: Audit,
    /// Findings of which nothing more will be learnt, by when they began.
    settled: BTreeMap<FindingKey, Timestamp>,
    /// Where the next look begins.
    looks: usize,
    /// Whether the last reading could be recorded.
    pub healthy: bool,
}

impl Recording {
    /// A recording into this store, if there is one.
    pub fn new(history: Option<Arc<Mutex<dyn History>>>) -> Self {
        let (unproven, settled) = (BTreeMap::new(), BTreeMap::new());
        let (attributions, audit) = (Attributions::default(), Audit::default());
        Self { history, unproven, attributions, audit, settled, looks: 0, healthy: true }
    }

    /// From now on whoever asks the record is shown what these manifests let be shown, and no more.
    pub fn show(&mut self, index: &Index) {
        let Some(history) = &self.history else { return };
        let names = index.scopes.iter().map(|(scope, home)| (scope.clone(), home.asks.visible.clone())).collect();
        let result = history.lock().unwrap_or_else(PoisonError::into_inner).set_visible(names);
        if let Err(reason) = result {
            error!(event = "visible_not_saved", %reason, "names taken off `visible` stay readable in the record until this is mended; the next reading tries again");
        }
    }

    /// Records the readings of these scopes. After a failure the others wait for their next reading:
    /// a store that cannot be written must not hold up the daemon scope by scope.
    pub fn record(
        &mut self,
        scopes: &BTreeSet<ScopeKey>,
        observations: &Observations,
        memory: &Memory,
        now: Timestamp,
    ) {
        let Some(history) = self.history.clone() else { return };
        let world = World { observations, memory, now };
        let mut result = Ok(());
        for scope in scopes {
            let Ok(reading) = world.reading(scope) else { continue };
            if !reading.complete {
                continue;
            }
            let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut gone, mut unproven) = (Vec::new(), Vec::new());
            for key in history.lacking(scope, &reading.objects) {
                let ask = Ask::of(&key);
                match world.sight_of(scope, &ask) {
                    Some(Sight::Absent(..)) => gone.push(key),
                    _ if reading.listed => unproven.push(key),
                    _ => {}
                }
            }
            let started = reading.listed_at.map_or(reading.started, |listed| listed.min(reading.started));
            let (finished, listed, objects) = (reading.finished, reading.listed, &reading.objects);
            let recorded = history.record(&Seen { scope, started, finished, listed, objects, gone });
            drop(history);
            self.ask_next(scope, unproven);
            match recorded {
                Ok(changes) => {
                    changes.iter().for_each(|change| told(scope, change));
                    self.name_doers(scope, changes, reading, now);
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.note(result);
    }

    /// Names who made the changes of a scope whose readings bring its own audit events.
    fn name_doers(&mut self, scope: &ScopeKey, changes: Vec<Change>, reading: &Reading, now: Timestamp) {
        if !matches!(scope.kind, ScopeKind::CfFoundation | ScopeKind::CfOrganization) {
            return;
        }
        let Some(history) = &self.history else { return };
        let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
        if reading.previous.is_none() {
            // Changes that waited when moored was stopped wait again.
            let waited = history.pending(MOST_CHANGES).unwrap_or_default();
            self.audit.wait(waited.into_iter().filter(|change| change.scope == *scope));
        }
        self.audit.wait(changes);
        for (id, attributed) in self.audit.settle(scope, reading, now) {
            if let Err(reason) = history.attribute(id, &attributed) {
                warn!(event = "attribution_unwritten", %reason, "who made a change could not be stored");
            }
        }
    }

    /// Those that were not asked about last time come first, so that none is never asked about.
    fn ask_next(&mut self, scope: &ScopeKey, mut unproven: Vec<ObjectKey>) {
        let asked = self.unproven.remove(scope).unwrap_or_default();
        if unproven.is_empty() {
            return;
        }
        unproven.sort_by_key(|key| asked.contains(key));
        unproven.truncate(MOST_ASKED);
        self.unproven.insert(scope.clone(), unproven.into_iter().collect());
    }

    fn note(&mut self, result: Result<(), StoreError>) {
        match result {
            Ok(()) => {
                if !self.healthy {
                    info!(event = "record_recovered", "readings are recorded again");
                }
                self.healthy = true;
            }
            Err(reason) => {
                if self.healthy {
                    error!(event = "record_failed", %reason, "changes are not recorded until this is mended; the next reading finds them");
                }
                self.healthy = false;
            }
        }
    }

    /// What to ask of a scope, with what its last listing lacked.
    pub fn asks(&self, scope: &ScopeKey, asks: Arc<Asks>) -> Arc<Asks> {
        let Some(unproven) = self.unproven.get(scope) else { return asks };
        let mut more = (*asks).clone();
        for key in unproven {
            more.want(Ask::of(key), []);
        }
        Arc::new(more)
    }

    /// Who made the changes that open findings began with, as far as it is known.
    pub fn attributions(&self) -> &Attributions {
        &self.attributions
    }

    /// Looks again for who made them; whether somebody new is known.
    pub fn attribute(&mut self, snapshot: &Snapshot, now: Timestamp) -> bool {
        if self.history.is_none() {
            return false;
        }
        let findings = snapshot.findings.iter().chain(snapshot.ignored.iter().map(|ignored| &ignored.finding));
        let open: BTreeMap<&FindingKey, &Arc<Finding>> = findings.map(|finding| (&finding.key, finding)).collect();
        let since = |key: &FindingKey| open.get(key).map(|finding| finding.since);
        self.settled.retain(|key, began| since(key) == Some(*began));
        let ended: Vec<_> =
            self.attributions.iter().filter(|(key, by)| since(key) != Some(by.0)).map(|(key, _)| key.clone()).collect();
        let mut changed = !ended.is_empty();
        if changed {
            let attributions = Arc::make_mut(&mut self.attributions);
            ended.iter().for_each(|key| drop(attributions.remove(key)));
        }
        let known = |key: &FindingKey| self.settled.contains_key(key) || self.attributions.contains_key(key);
        let wanted: Vec<&Arc<Finding>> = open.values().filter(|finding| !known(&finding.key)).copied().collect();
        // What began at about the same time is looked for at once; a few such times at each look.
        let mut times: BTreeMap<i64, Vec<&Arc<Finding>>> = BTreeMap::new();
        for finding in wanted {
            times.entry(finding.since.as_second() / NEAR.as_secs()).or_default().push(finding);
        }
        let skipped = self.looks.checked_rem(times.len()).unwrap_or_default();
        self.looks = self.looks.wrapping_add(TIMES);
        for together in times.values().cycle().skip(skipped).take(times.len().min(TIMES)) {
            changed |= self.look(together, now);
        }
        changed
    }

    /// Looks for the changes that these findings began with.
    fn look(&mut self, together: &[&Arc<Finding>], now: Timestamp) -> bool {
        let Some(history) = &self.history else { return false };
        let first = together.iter().map(|finding| finding.since).min().unwrap_or(now);
        let last = together.iter().map(|finding| finding.since).max().unwrap_or(now);
        let query = ChangeQuery {
            since: first.saturating_sub(NEAR).ok(),
            until: last.saturating_add(NEAR).ok(),
            limit: MOST_CHANGES,
            ..ChangeQuery::default()
        };
        let changes = match history.lock().unwrap_or_else(PoisonError::into_inner).changes(&query) {
            Ok(changes) => changes,
            Err(reason) => {
                warn!(event = "attribution_unknown", %reason, "who made the changes that findings began with cannot be read");
                return false;
            }
        };
        let whole = changes.len() < MOST_CHANGES;
        let mut changed = false;
        let mut by_object: BTreeMap<(&ScopeKey, &str), Vec<&Change>> = BTreeMap::new();
        for change in &changes {
            by_object.entry((&change.scope, &change.object)).or_default().push(change);
        }
        for finding in together {
            let near = |change: &&&Change| change.at.duration_since(finding.since).abs() <= NEAR;
            let all = by_object.get(&(&finding.scope, &*finding.id)).into_iter().flatten();
            let leading = all.filter(near).filter(|change| explains(change, finding));
            // First which change it was, and only then who made it.
            let led = leading.min_by_key(|change| change.at.duration_since(finding.since).abs());
            match led.map(|change| &change.attributed) {
                Some(Attributed::By(by)) => {
                    Arc::make_mut(&mut self.attributions).insert(finding.key.clone(), (finding.since, by.clone()));
                    changed = true;
                }
                Some(Attributed::Pending) => {}
                None if !whole || now.duration_since(finding.since) <= HOPELESS => {}
                Some(Attributed::NotVisible(_)) | None => {
                    self.settled.insert(finding.key.clone(), finding.since);
                }
            }
        }
        changed
    }
}

/// Whether a change is what a finding is about. What is left over, does not work or waits to be
/// deployed is another thing's doing, or nobody's.
fn explains(change: &Change, finding: &Finding) -> bool {
    let below =
        |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    match finding.key.drift {
        Drift::Missing | Drift::Vanished => change.what == What::Gone,
        Drift::Unexpected => change.what == What::Appeared,
        Drift::Changed if change.what == What::Gone => false,
        Drift::Changed if change.what == What::Appeared => true,
        Drift::Changed => finding.fields.iter().any(|field| {
            change.fields.iter().any(|other| below(&other.path, &field.path) || below(&field.path, &other.path))
        }),
        // Cloud Foundry tells what was done to an app: that it was stopped, or set otherwise.
        Drift::Degraded => is_app(change) && has(change, &["state", "processes"]),
        Drift::Latent => is_app(change) && has(change, &["env", "envNames", "processes", "restage", "services"]),
        Drift::Orphaned => false,
    }
}

fn is_app(change: &Change) -> bool {
    change.what == What::Changed && &*change.kind == crate::kinds::app::KIND
}

/// Whether it changed one of these facts, or what is below it.
fn has(change: &Change, tops: &[&str]) -> bool {
    change.fields.iter().any(|field| field.path.split('.').next().is_some_and(|top| tops.contains(&top)))
}

/// One change, one line.
fn told(scope: &ScopeKey, change: &Change) {
    info!(event = "change", scope = %scope, kind = %change.kind, name = %change.key, what = change.what.as_str(), fields = change.fields.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::drift::{FieldDrift, Root, Severity};
    use crate::core::record::FieldChange;

    fn finding(drift: Drift, path: &str) -> Finding {
        let name: Arc<str> = "api".into();
        let field = FieldDrift { path: path.into(), desired: 2.into(), live: 3.into() };
        Finding {
            key: FindingKey { environment: "production".into(), kind: "EcsService".into(), name: name.clone(), drift },
            id: "arn".into(),
            scope: scope(),
            severity: Severity::Warning,
            application: name.clone(),
            message: "".into(),
            held: false,
            fields: vec![field],
            root: Root { kind: "EcsService".into(), name },
            since: Timestamp::UNIX_EPOCH,
            source: None,
            vital: false,
            works: true,
            decides: false,
            runbook: None,
            redeploy: None,
        }
    }

    fn scope() -> ScopeKey {
        ScopeKey::new(crate::core::identity::ScopeKind::EcsCluster, "111122223333", "eu-west-1", "wonderland")
    }

    fn change(what: What, path: &str) -> Change {
        Change {
            id: 1,
            at: Timestamp::UNIX_EPOCH,
            after: None,
            scope: scope(),
            kind: "EcsService".into(),
            key: "api".into(),
            object: "arn".into(),
            what,
            fields: vec![FieldChange { path: path.into(), before: 2.into(), after: 3.into() }],
            attributed: Attributed::Pending,
        }
    }

    #[test]
    fn a_finding_is_explained_by_the_change_that_it_is_about_and_no_other() {
        let cases = [
            (Drift::Changed, "desiredCount", What::Changed, "desiredCount", true),
            (Drift::Changed, "desiredCount", What::Changed, "tags.team", false),
            (Drift::Changed, "taskDefinition", What::Changed, "taskDefinition.cpu", true),
            (Drift::Changed, "desiredCount", What::Gone, "desiredCount", false),
            (Drift::Missing, "", What::Gone, "", true),
            (Drift::Missing, "", What::Changed, "", false),
            (Drift::Unexpected, "", What::Appeared, "", true),
            (Drift::Orphaned, "", What::Appeared, "", false),
            (Drift::Degraded, "", What::Changed, "runningCount", false),
        ];
        for (drift, field, what, path, expected) in cases {
            assert_eq!(
                explains(&change(what, path), &finding(drift, field)),
                expected,
                "{drift} {field} {what} {path}"
            );
        }
    }
}
