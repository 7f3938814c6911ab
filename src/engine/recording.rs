//! The flight recorder's end of the watch: every believed reading goes into the record.
//!
//! Decides what of a reading is proven gone (by each kind's own proof), which recorded things a
//! list lacks and are therefore asked for by name, and which change led to an open finding. It
//! judges no drift, and a record that cannot be written stops nothing. [`super::watch`] calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tracing::{error, info};

use crate::core::asks::Asks;
use crate::core::drift::{Finding, FindingKey};
use crate::core::identity::{Ask, ObjectKey, ScopeKey, Select};
use crate::core::memory::Memory;
use crate::core::observation::Observations;
use crate::core::record::{Attributed, Change, Seen};
use crate::core::snapshot::{Attributions, Snapshot};
use crate::core::world::{Sight, World};
use crate::store::{ChangeQuery, History, StoreError};

/// A finding and the change that led to it were seen by the same reading, or by neighbours.
const NEAR: SignedDuration = SignedDuration::from_mins(10);

/// CloudTrail is minutes late; what nobody was named for by then stays without a name.
const HOPELESS: SignedDuration = SignedDuration::from_mins(45);

/// Changes that one look takes in.
const MOST_CHANGES: usize = 5_000;

/// Things of one scope that are asked for by name at once.
const MOST_ASKED: usize = 1_000;

/// What the watch and the record share.
pub struct Recording {
    history: Option<Arc<Mutex<dyn History>>>,
    /// Recorded things that the last listing of a scope lacked without proof.
    unproven: BTreeMap<ScopeKey, BTreeSet<ObjectKey>>,
    attributions: Attributions,
    /// Findings of which nothing more will be learnt, by when they began.
    settled: BTreeMap<FindingKey, Timestamp>,
    /// Whether the last reading could be recorded.
    pub healthy: bool,
}

impl Recording {
    /// A recording into this store, if there is one.
    pub fn new(history: Option<Arc<Mutex<dyn History>>>) -> Self {
        let (unproven, settled) = (BTreeMap::new(), BTreeMap::new());
        Self { history, unproven, attributions: Attributions::default(), settled, healthy: true }
    }

    /// Records the readings of these scopes.
    pub fn record(&mut self, scopes: &BTreeSet<ScopeKey>, observations: &Observations, memory: &Memory, now: Timestamp) {
        let Some(history) = self.history.clone() else { return };
        let world = World { observations, memory, now };
        for scope in scopes {
            let Ok(reading) = world.reading(scope) else { continue };
            if !reading.complete {
                continue;
            }
            let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut gone, mut unproven) = (Vec::new(), BTreeSet::new());
            for key in history.recorded(scope).into_iter().filter(|key| !reading.objects.contains_key(key)) {
                let ask = Ask { kind: key.kind, select: Select::Key(key.key.clone()) };
                match world.sight_of(scope, &ask) {
                    Some(Sight::Absent(..)) => gone.push(key),
                    _ if reading.listed && unproven.len() < MOST_ASKED => {
                        unproven.insert(key);
                    }
                    _ => {}
                }
            }
            let started = reading.listed_at.map_or(reading.started, |listed| listed.min(reading.started));
            let (finished, listed, objects) = (reading.finished, reading.listed, &reading.objects);
            let result = history.record(&Seen { scope, started, finished, listed, objects, gone });
            drop(history);
            match unproven.is_empty() {
                true => drop(self.unproven.remove(scope)),
                false => drop(self.unproven.insert(scope.clone(), unproven)),
            }
            self.note(scope, result);
        }
    }

    fn note(&mut self, scope: &ScopeKey, result: Result<Vec<Change>, StoreError>) {
        match result {
            Ok(changes) => {
                if !self.healthy {
                    info!(event = "record_recovered", "readings are recorded again");
                }
                self.healthy = true;
                for change in changes {
                    info!(event = "change", scope = %scope, kind = %change.kind, name = %change.key, what = change.what.as_str(), fields = change.fields.len());
                }
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
            more.want(Ask { kind: key.kind, select: Select::Key(key.key.clone()) }, []);
        }
        Arc::new(more)
    }

    /// Who made the changes that open findings began with, as far as it is known.
    pub fn attributions(&self) -> &Attributions {
        &self.attributions
    }

    /// Looks again for who made them; whether somebody new is known.
    pub fn attribute(&mut self, snapshot: &Snapshot, now: Timestamp) -> bool {
        let Some(history) = &self.history else { return false };
        let findings = snapshot.findings.iter().chain(snapshot.ignored.iter().map(|ignored| &ignored.finding));
        let open: BTreeMap<&FindingKey, &Arc<Finding>> = findings.map(|finding| (&finding.key, finding)).collect();
        let since = |key: &FindingKey| open.get(key).map(|finding| finding.since);
        self.settled.retain(|key, began| since(key) == Some(*began));
        let ended: Vec<_> = self.attributions.iter().filter(|(key, by)| since(key) != Some(by.0)).map(|(key, _)| key.clone()).collect();
        let mut changed = !ended.is_empty();
        if changed {
            let attributions = Arc::make_mut(&mut self.attributions);
            ended.iter().for_each(|key| drop(attributions.remove(key)));
        }
        let known = |key: &FindingKey| self.settled.contains_key(key) || self.attributions.contains_key(key);
        let wanted: Vec<&Arc<Finding>> = open.values().filter(|finding| !known(&finding.key)).copied().collect();
        let Some(oldest) = wanted.iter().map(|finding| finding.since).min() else { return changed };
        let query = ChangeQuery {
            since: oldest.saturating_sub(NEAR).ok(),
            limit: MOST_CHANGES,
            ..ChangeQuery::default()
        };
        let changes = history.lock().unwrap_or_else(PoisonError::into_inner).changes(&query);
        let Ok(changes) = changes else { return changed };
        let mut by_object: BTreeMap<(&ScopeKey, &str), Vec<&Change>> = BTreeMap::new();
        for change in &changes {
            by_object.entry((&change.scope, &change.object)).or_default().push(change);
        }
        for finding in wanted {
            let near = |change: &&&Change| {
                let apart = change.at.duration_since(finding.since).abs();
                apart <= NEAR
            };
            let all = by_object.get(&(&finding.scope, &*finding.id)).into_iter().flatten();
            let near: Vec<&&Change> = all.filter(near).collect();
            let by = near.iter().rev().find_map(|change| match &change.attributed {
                Attributed::By(by) => Some(by.clone()),
                Attributed::Pending | Attributed::NotVisible(_) => None,
            });
            let waiting = near.iter().any(|change| change.attributed == Attributed::Pending);
            if let Some(by) = by {
                Arc::make_mut(&mut self.attributions).insert(finding.key.clone(), (finding.since, by));
                changed = true;
            } else if !waiting && !near.is_empty() || now.duration_since(finding.since) > HOPELESS {
                self.settled.insert(finding.key.clone(), finding.since);
            }
        }
        changed
    }
}
