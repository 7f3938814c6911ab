//! The watch: what is declared, what was read, what was concluded.
//!
//! Decides when `core::evaluate` runs and keeps its results; every new reading goes in here and
//! every snapshot comes out. It makes no call and waits for nothing, so `check`, the daemon and
//! tests share it. The store gets what must survive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::{error, info, warn};

use super::reader::Done;
use super::recording::Recording;
use crate::aws::identity::Identity;
use crate::core::asks::Asks;
use crate::core::desired::{Access, Desired};
use crate::core::evaluate::{Evaluation, Event, Input, evaluate};
use crate::core::hold::Hold;
use crate::core::identity::ScopeKey;
use crate::core::index::Index;
use crate::core::memory::Memory;
use crate::core::observation::{Failure, IdentityState, Observation, Observations};
use crate::core::snapshot::Snapshot;
use crate::store::History;

/// What is known, and what follows from it.
pub struct Watch {
    /// What is declared.
    pub desired: Arc<Desired>,
    /// Its index.
    pub index: Arc<Index>,
    /// What was read.
    pub observations: Observations,
    /// What STS said, by the key of the credentials (`Account::identity_key`).
    pub identities: BTreeMap<Arc<str>, Identity>,
    /// Failed readings by scope and reason.
    pub failures: BTreeMap<(ScopeKey, &'static str), u64>,
    evaluation: Option<Evaluation>,
    memory: Memory,
    changed: BTreeSet<ScopeKey>,
    identities_changed: bool,
    history: Option<Arc<std::sync::Mutex<dyn History>>>,
    holds: Vec<Hold>,
    recording: Recording,
    /// Whether the last save succeeded.
    store_healthy: bool,
    /// Whether there will be other readings: the daemon waits where a single pass cannot.
    pub patient: bool,
}

impl Watch {
    /// A watch that begins with what the store remembers.
    pub fn new(memory: Memory, history: Option<Arc<std::sync::Mutex<dyn History>>>) -> Self {
        Self {
            desired: Arc::default(),
            index: Arc::default(),
            observations: Observations::new(),
            identities: BTreeMap::new(),
            failures: BTreeMap::new(),
            evaluation: None,
            memory,
            changed: BTreeSet::new(),
            identities_changed: false,
            recording: Recording::new(history.clone()),
            history,
            holds: Vec::new(),
            store_healthy: true,
            patient: false,
        }
    }

    /// Puts a new desired state in force; everything is judged again on what was read before. A
    /// reading that lacks what is now asked for is dropped: what it does not say is not known.
    pub fn declare(&mut self, desired: Desired) -> BTreeSet<ScopeKey> {
        let before = std::mem::replace(&mut self.index, Arc::new(Index::new(&desired)));
        self.desired = Arc::new(desired);
        let index = self.index.clone();
        self.recording.show(&index);
        let outgrown = |scope: &ScopeKey| match (before.scopes.get(scope), index.scopes.get(scope)) {
            (Some(old), Some(new)) => needs_more(&old.asks, &new.asks),
            _ => true,
        };
        let dropped: BTreeSet<ScopeKey> = index.scopes.keys().filter(|scope| outgrown(scope)).cloned().collect();
        self.observations.retain(|scope, _| index.scopes.contains_key(scope) && !dropped.contains(scope));
        self.failures.retain(|(scope, _), _| index.scopes.contains_key(scope));
        let environments = self.desired.environments.values();
        let credentials: BTreeSet<Arc<str>> =
            environments.flat_map(|environment| environment.identities()).map(|(_, key)| key).collect();
        self.identities.retain(|key, _| credentials.contains(key));
        self.evaluation = None;
        dropped
    }

    /// What a scope is read with: the first environment's that shares it.
    pub fn access(&self, scope: &ScopeKey) -> Option<Access> {
        let home = self.index.scopes.get(scope)?;
        let sharing = home.environments.iter().filter_map(|name| self.desired.environments.get(name));
        sharing.into_iter().find_map(|environment| environment.access(scope))
    }

    /// What to ask of a scope.
    pub fn asks(&self, scope: &ScopeKey) -> Arc<Asks> {
        let dynamic = self.evaluation.as_ref().and_then(|evaluation| evaluation.asks.get(scope));
        let asks = dynamic.or_else(|| self.index.scopes.get(scope).map(|home| &home.asks)).cloned().unwrap_or_default();
        self.recording.asks(scope, asks)
    }

    /// Takes the outcome of one reading. `bound` is the longest time to the next one and its end.
    pub fn observe(&mut self, done: &mut Done, bound: Duration, now: Timestamp) {
        if let Some((credentials, identity)) = done.identity.take() {
            self.identify(credentials, identity);
        }
        if !self.index.scopes.contains_key(&done.key) {
            return;
        }
        let observation: &mut Observation = self.observations.entry(done.key.clone()).or_default();
        observation.bound = SignedDuration::try_from(bound).unwrap_or(SignedDuration::MAX);
        let placeholder = Err(Failure::new(crate::core::observation::Reason::NotYetRead, ""));
        match std::mem::replace(&mut done.result, placeholder) {
            Ok(reading) => {
                if observation.failure.take().is_some() {
                    info!(event = "scope_recovered", scope = %done.key, "reads again");
                }
                observation.failed_at = None;
                let mut reading = reading;
                if let Some(before) = &observation.reading {
                    reading.previous = Some(before.started);
                    reading.share(before);
                }
                observation.reading = Some(Arc::new(reading));
            }
            Err(failure) => {
                *self.failures.entry((done.key.clone(), failure.reason.as_str())).or_default() += 1;
                if observation.failure.as_ref().map(|known| known.reason) != Some(failure.reason) {
                    warn!(event = "scope_failed", scope = %done.key, reason = failure.reason.as_str(), detail = %failure.detail, "cannot be read");
                }
                observation.failed_at = Some(now);
                observation.failure = Some(failure);
            }
        }
        self.changed.insert(done.key.clone());
    }

    /// Accounts and foundations in which nothing is declared: no reading asks whose they are.
    pub fn idle(&self) -> BTreeMap<Arc<str>, Access> {
        let all = self.desired.environments.values().flat_map(|environment| {
            let accounts = environment.accounts.values().cloned().map(Access::Aws);
            accounts.chain(environment.foundation.iter().cloned().map(Access::CloudFoundry))
        });
        let busy: BTreeSet<Arc<str>> =
            self.index.scopes.keys().filter_map(|scope| self.access(scope)?.identity_key()).collect();
        all.filter_map(|access| Some((access.identity_key()?, access))).filter(|(key, _)| !busy.contains(key)).collect()
    }

    /// Takes what STS said of some credentials.
    pub fn identify(&mut self, credentials: Arc<str>, identity: Identity) {
        let before = self.identities.insert(credentials, identity.clone());
        if before.map(|before| before.state) == Some(identity.state) {
            return;
        }
        self.identities_changed = true;
        match identity.believe() {
            Ok(()) => {
                info!(event = "identity", account = %identity.account, state = identity.state.as_str(), "identity checked")
            }
            Err(failure) => {
                error!(event = "identity", account = %identity.account, state = identity.state.as_str(), detail = %failure.detail, "identity not believed")
            }
        }
    }

    /// Looks for who made the changes that open findings began with; whether more is known than before.
    pub fn attribute(&mut self, now: Timestamp) -> bool {
        let Some(evaluation) = &mut self.evaluation else { return false };
        let changed = self.recording.attribute(&evaluation.snapshot, now);
        if changed {
            Arc::make_mut(&mut evaluation.snapshot).attributions = self.recording.attributions().clone();
        }
        changed
    }

    /// Looks for holds that were made or ended beside; whether others are in force than before.
    pub fn mind_holds(&mut self, now: Timestamp) -> bool {
        let Some(history) = &self.history else { return false };
        let holds = history.lock().unwrap_or_else(std::sync::PoisonError::into_inner).holds(now);
        // What cannot be asked stays as it is; each hold ends by its own time.
        holds.is_ok_and(|holds| self.hold(holds))
    }

    /// Puts these holds in force; whether they are others than before.
    fn hold(&mut self, holds: Vec<Hold>) -> bool {
        if holds == self.holds {
            return false;
        }
        for hold in holds.iter().filter(|hold| !self.holds.contains(hold)) {
            warn!(event = "hold", application = %hold.application, by = %hold.by, until = %hold.until, reason = %hold.reason, "its findings are shown as ignored until then");
        }
        self.holds = holds;
        // Every finding may be another matter now.
        self.evaluation = None;
        true
    }

    /// Whether evaluating now could say something new: readings came, a deadline passed, or a
    /// reading grew stale.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        let Some(evaluation) = &self.evaluation else { return true };
        let stale = self.observations.iter().filter(|(_, observation)| {
            observation.failure.is_none() && observation.reading.is_some() && observation.current(now).is_err()
        });
        let known_stale = |scope: &ScopeKey| {
            evaluation.snapshot.scopes.iter().any(|view| view.scope == *scope && view.error.is_some())
        };
        let fresh_stale: Vec<ScopeKey> =
            stale.map(|(scope, _)| scope.clone()).filter(|scope| !known_stale(scope)).collect();
        self.changed.extend(fresh_stale);
        !self.changed.is_empty() || self.identities_changed || evaluation.recheck_at.is_some_and(|at| at <= now)
    }

    /// Evaluates what changed, remembers it, and logs what happened to findings.
    pub fn evaluate(&mut self, now: Timestamp) -> Arc<Snapshot> {
        let identities: BTreeMap<Arc<str>, IdentityState> =
            self.identities.iter().map(|(account, identity)| (account.clone(), identity.state)).collect();
        let changed = std::mem::take(&mut self.changed);
        self.identities_changed = false;
        let input = Input {
            desired: &self.desired,
            index: &self.index,
            observations: &self.observations,
            identities: &identities,
            memory: &self.memory,
            holds: &self.holds,
            now,
            patient: self.patient,
        };
        let mut evaluation = evaluate(&input, self.evaluation.as_ref(), &changed);
        self.memory = evaluation.memory.clone();
        evaluation.events.iter().for_each(log);
        self.save(&evaluation.events, now);
        self.recording.record(&changed, &self.observations, &self.memory, now);
        Arc::make_mut(&mut evaluation.snapshot).attributions = self.recording.attributions().clone();
        let snapshot = evaluation.snapshot.clone();
        self.evaluation = Some(evaluation);
        snapshot
    }

    /// What is remembered now.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whether the last save and the last record succeeded.
    pub fn store_is_healthy(&self) -> bool {
        self.store_healthy && self.recording.healthy
    }

    /// Whether anything is kept across a restart.
    pub fn has_store(&self) -> bool {
        self.history.is_some()
    }

    /// The store, for those who write beside the daemon.
    pub fn history(&self) -> Option<Arc<std::sync::Mutex<dyn History>>> {
        self.history.clone()
    }

    /// Scopes that hold parents: of table items, and owners of declared things.
    pub fn parents(&self) -> BTreeSet<ScopeKey> {
        let owners =
            self.desired.resources.iter().filter_map(|declared| declared.owned_by.as_ref()).map(|owner| &owner.scope);
        self.desired.tables.iter().map(|table| &table.parent_scope).chain(owners).cloned().collect()
    }

    /// Scopes whose reading would settle a suspicion.
    pub fn wanted(&self) -> BTreeSet<ScopeKey> {
        self.evaluation.as_ref().map(|evaluation| evaluation.wanted.clone()).unwrap_or_default()
    }

    /// When time alone may change the outcome.
    pub fn recheck_at(&self) -> Option<Timestamp> {
        self.evaluation.as_ref().and_then(|evaluation| evaluation.recheck_at)
    }

    /// The latest snapshot.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.evaluation.as_ref().map(|evaluation| evaluation.snapshot.clone())
    }

    /// A failing store stops nothing: detection goes on in memory, the metric says so, and the next
    /// save writes all that is missing.
    fn save(&mut self, events: &[Event], now: Timestamp) {
        let Some(history) = &self.history else { return };
        let mut history = history.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let result = history.save(&self.memory, events, now);
        if let Err(reason) = &result
            && self.store_healthy
        {
            error!(event = "store_failed", %reason, "findings are not kept across a restart until this is mended");
        }
        if result.is_ok() && !self.store_healthy {
            info!(event = "store_recovered", "findings are kept again");
        }
        self.store_healthy = result.is_ok();
    }
}

/// One event, one line.
fn log(event: &Event) {
    let (name, finding) = match event {
        Event::Opened(finding) => ("finding_opened", finding),
        Event::Ended(finding) => ("finding_ended", finding),
        Event::Held(finding) => ("finding_held", finding),
        Event::Confirmed(finding) => ("finding_confirmed", finding),
    };
    let key = &finding.key;
    let source = finding.source.as_ref().map(|source| format!("{}:{}", source.file, source.line)).unwrap_or_default();
    info!(
        event = name,
        environment = %key.environment,
        kind = %key.kind,
        name = %key.name,
        drift = key.drift.as_str(),
        severity = finding.severity.as_str(),
        application = %finding.application,
        group = %format_args!("{}/{}", finding.root.kind, finding.root.name),
        since = %finding.since,
        source,
        detail = %finding.message,
    );
}

/// Whether a reading that answered the old asks cannot answer the new ones: a detail, a plain
/// attribute or a value to show was not kept. New names alone are asked for at the next reading.
fn needs_more(old: &Asks, new: &Asks) -> bool {
    let facets = |asks: &Asks| -> BTreeSet<_> {
        asks.things.iter().flat_map(|(ask, facets)| facets.iter().map(move |facet| (ask.clone(), *facet))).collect()
    };
    (new.scan && !old.scan)
        || (new.everything && !old.everything)
        || !new.of_everything.is_subset(&old.of_everything)
        || !new.plain.is_subset(&old.plain)
        || new.visible != old.visible
        || !new.definitions.is_subset(&old.definitions)
        || !facets(new).is_subset(&facets(old))
}
