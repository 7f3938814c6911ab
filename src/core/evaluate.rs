//! `evaluate`: desired, observations, memory and a time become a snapshot, the next memory, what
//! to ask next and which scopes to read again.
//!
//! Decides by delegating: [`unit`](super::unit) judges a declaration, [`items`](super::items) a
//! table's items; this file decides what has to be judged again. Outcomes are kept per home scope,
//! so that one new reading costs what that scope and its dependents cost, not what exists. The
//! engine calls it after every reading; it never does anything itself.

mod outcome;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use outcome::Outcome;

use super::asks::Asks;
use super::claims::{self, Claim, ClaimIndex};
use super::desired::{Declared, Desired, Inventory};
use super::drift::{Drift, Finding, FindingKey, Root, Verdict};
use super::hold::Hold;
use super::identity::{ScopeKey, ScopeKind};
use super::index::Index;
use super::inventory::{self, Losses};
use super::items::{self, Named};
use super::memory::{Memory, ScopeMemory};
use super::observation::{IdentityState, Observations, Reading};
use super::orphan::Leftovers;
use super::questions;
use super::recall;
use super::snapshot::{EnvironmentView, IgnoreView, ScopeView, Snapshot};
use super::unit::{self, Bench, Unit};
use super::verdict;
use super::world::World;
use crate::kinds::buildpacks;

/// What an evaluation looks at.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What is declared.
    pub desired: &'a Desired,
    /// Its index.
    pub index: &'a Index,
    /// What was read.
    pub observations: &'a Observations,
    /// What STS said of each account, by [`Account::identity_key`](super::desired::Account::identity_key).
    pub identities: &'a BTreeMap<Arc<str>, IdentityState>,
    /// What earlier passes taught.
    pub memory: &'a Memory,
    /// Applications that somebody works on.
    pub holds: &'a [Hold],
    /// The time.
    pub now: Timestamp,
    /// Whether there will be another reading to wait for: a single pass says what it sees.
    pub patient: bool,
}

/// A finding that appeared, ended, or began to be held.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It was not open before.
    Opened(Arc<Finding>),
    /// There is proof that it is over.
    Ended(Arc<Finding>),
    /// It was proven, and now is only held.
    Held(Arc<Finding>),
    /// It was held, and now is proven again.
    Confirmed(Arc<Finding>),
}

/// What one evaluation gives.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// What to show.
    pub snapshot: Arc<Snapshot>,
    /// What to remember.
    pub memory: Memory,
    /// What to ask of each scope next.
    pub asks: BTreeMap<ScopeKey, Arc<Asks>>,
    /// Scopes to read soon, so that a suspicion is settled.
    pub wanted: BTreeSet<ScopeKey>,
    /// What happened to findings since the evaluation before.
    pub events: Vec<Event>,
    /// When time alone may change the outcome (a deadline, an Ignore's end).
    pub recheck_at: Option<Timestamp>,
    outcomes: BTreeMap<ScopeKey, Arc<Outcome>>,
    claims: Claims,
}

/// The claims of each scope's tables, in the order of its tables.
type Claims = BTreeMap<ScopeKey, Option<Arc<Vec<Vec<Claim>>>>>;

/// Evaluates. With a `previous` evaluation of the same desired state only the scopes in `changed`,
/// their dependents, and those whose deadline has passed are judged again.
pub fn evaluate(input: &Input<'_>, previous: Option<&Evaluation>, changed: &BTreeSet<ScopeKey>) -> Evaluation {
    let mut next = Evaluation { memory: input.memory.clone(), ..Evaluation::default() };
    next.claims = read_claims(input, previous, changed);
    let mut claim_index = ClaimIndex::default();
    for claims in next.claims.values() {
        match claims {
            Some(tables) => tables.iter().for_each(|claims| claim_index.add(claims)),
            None => claim_index.add_broken(),
        }
    }
    let all = previous.is_none();
    let read = input.index.scopes.keys().filter(|scope| all || changed.contains(*scope)).collect();
    recall::remember(input, &read, &claim_index, &mut next.memory);
    let seen = next.memory.clone();
    let world = World { observations: input.observations, memory: &seen, now: input.now };
    let leftovers = Leftovers::new(world, input.desired, &claim_index, input.index);
    let bench = Bench {
        world,
        environments: &input.desired.environments,
        leftovers: &leftovers,
        seasoned: input.memory.seasoned,
        losses: Losses::new(),
        patient: input.patient,
    };
    for (scope, home) in &input.index.scopes {
        let kept = previous.and_then(|previous| previous.outcomes.get(scope)).filter(|outcome| {
            !depends(scope, input.index, changed) && outcome.recheck_at.is_none_or(|at| at > input.now)
        });
        let outcome = match kept {
            Some(outcome) => outcome.clone(),
            None => {
                let before = input.memory.scopes.get(scope).map(|memory| &**memory);
                let mut outcome = Outcome::default();
                outcome.count(home, &bench, before);
                let losses = inventory::losses(
                    home.inventories
                        .iter()
                        .filter_map(|inventory| Some((&**inventory, outcome.census.get(&inventory.key())?))),
                );
                let bench = Bench { losses, ..bench };
                outcome.take_stock(scope, home, &bench, before, input);
                for declared in &home.resources {
                    let unit = guarded(|| unit::judge(declared, &bench, before))
                        .unwrap_or_else(|| unit::panicked(declared, before));
                    outcome.add(&declared.environment, named(declared, unit), input);
                }
                let claims = next.claims.get(scope).cloned().flatten();
                for (at, table) in home.tables.iter().enumerate() {
                    // The table itself is known when it was read.
                    let unit = Unit { unknown: world.reading(scope).err(), ..Unit::default() };
                    outcome.add(&table.declared.environment, named(&table.declared, unit), input);
                    let claims = claims.as_ref().and_then(|tables| tables.get(at));
                    let judged = claims.and_then(|claims| guarded(|| items::judge(table, claims, &bench, before)));
                    for named in judged.unwrap_or_else(|| items::panicked(table, input.index, before)) {
                        outcome.add(&table.declared.environment, named, input);
                    }
                }
                Arc::new(outcome)
            }
        };
        next.outcomes.insert(scope.clone(), outcome);
    }
    next.conclude(input, previous);
    next
}

/// A declaration with what is said about it.
fn named(declared: &Declared, unit: Unit) -> Named {
    let (name, scope, application) = (declared.name.clone(), declared.scope.clone(), declared.application.clone());
    Named { kind: declared.kind.name(), name, scope, application, unit }
}

/// A bug in one kind must not blind the others: its panic is caught here, and what it judged is
/// Unknown. The shell's hook counts it.
pub(super) fn guarded<T>(judge: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(judge)).ok()
}

/// Whether what is said about a scope may change when these scopes were read again: its own
/// reading, its parents', and whatever may refer to what is left over there.
fn depends(scope: &ScopeKey, index: &Index, changed: &BTreeSet<ScopeKey>) -> bool {
    if changed.contains(scope) {
        return true;
    }
    let Some(home) = index.scopes.get(scope) else { return false };
    if !home.inventories.is_empty() && changed.iter().any(|other| other.kind == ScopeKind::Table) {
        // An item may name what nobody declares.
        return true;
    }
    if !home.tables.is_empty() {
        // A table's orphans depend on its parents, its pieces, and everything that may refer to them.
        return changed.iter().any(|other| {
            other.kind != ScopeKind::Table || index.scopes.get(other).is_some_and(|other| !other.tables.is_empty())
        });
    }
    let owned = home.resources.iter().any(|declared| declared.owned_by.is_some());
    changed.iter().any(|other| match (scope.kind, other.kind) {
        (ScopeKind::HostedZone, ScopeKind::LoadBalancers) => true,
        (ScopeKind::HealthChecks, ScopeKind::HostedZone) => true,
        _ => owned,
    })
}

/// The claims of every table, read again where the table was; `None` where that failed.
fn read_claims(input: &Input<'_>, previous: Option<&Evaluation>, changed: &BTreeSet<ScopeKey>) -> Claims {
    let mut all = Claims::new();
    for (scope, home) in input.index.scopes.iter().filter(|(_, home)| !home.tables.is_empty()) {
        let kept = previous.and_then(|previous| previous.claims.get(scope)).filter(|_| !changed.contains(scope));
        let reading = input.observations.get(scope).and_then(|observation| observation.reading.as_ref());
        let claims = match (kept, reading) {
            (Some(kept), _) => kept.clone(),
            (None, Some(reading)) => {
                guarded(|| home.tables.iter().map(|table| claims::read(table, reading)).collect()).map(Arc::new)
            }
            (None, None) => Some(Arc::new(vec![Vec::new(); home.tables.len()])),
        };
        all.insert(scope.clone(), claims);
    }
    all
}

impl Evaluation {
    /// Adds up the outcomes: memory of findings, events, asks and the snapshot.
    fn conclude(&mut self, input: &Input<'_>, previous: Option<&Evaluation>) {
        self.remember_findings(input, previous);
        let mut orphaned = self.of_unread_roots(input);
        let mut snapshot =
            Snapshot { at: input.now, revisions: input.desired.revisions.clone(), ..Snapshot::default() };
        for (scope, outcome) in &self.outcomes {
            for (key, count) in &outcome.counts {
                *snapshot.counts.entry(key.clone()).or_default() += count;
            }
            for (key, count) in &outcome.unchecked {
                *snapshot.unchecked.entry(key.clone()).or_default() += count;
            }
            snapshot.findings.extend(outcome.findings.iter().cloned());
            snapshot.ignored.extend(outcome.ignored.iter().cloned());
            snapshot.converging.extend(outcome.converging.iter().cloned());
            snapshot.unknown.extend(outcome.unknown.iter().cloned());
            self.wanted.extend(outcome.wanted.iter().cloned());
            snapshot.undeclared.extend(outcome.undeclared.map(|count| (scope.clone(), count)));
            self.recheck_at = [self.recheck_at, outcome.recheck_at].into_iter().flatten().min();
        }
        snapshot.hijacked = hijacked(&snapshot.findings, input.observations);
        snapshot.findings.append(&mut orphaned);
        snapshot.findings.sort_by(|a, b| a.by_urgency(b));
        snapshot.unknown.sort_by(|a, b| (&a.environment, &a.kind, &a.name).cmp(&(&b.environment, &b.kind, &b.name)));
        snapshot.converging.sort_by(|a, b| (&a.environment, &a.kind, &a.name).cmp(&(&b.environment, &b.kind, &b.name)));
        snapshot.ignored.sort_by(|a, b| a.finding.key.cmp(&b.finding.key));
        gather(&mut snapshot.findings);
        for finding in &snapshot.findings {
            *snapshot.groups.entry((finding.key.environment.clone(), finding.root.clone())).or_default() += 1;
        }
        snapshot.application_totals = input.index.application_totals.clone();
        let (applications, verdicts) = verdict::judge(&snapshot.findings, &snapshot.unknown, &input.index.applications);
        snapshot.applications = applications;
        snapshot.environments = input
            .desired
            .environments
            .values()
            .map(|environment| EnvironmentView {
                name: environment.name.clone(),
                class: environment.class,
                verdict: verdicts.get(&environment.name).copied().unwrap_or(Verdict::InSync),
                identity: environment
                    .identities()
                    .map(|(whose, credentials)| {
                        let state = input.identities.get(&credentials).copied();
                        (whose.clone(), state.unwrap_or(IdentityState::Unverified))
                    })
                    .collect(),
            })
            .collect();
        snapshot.scopes = input
            .index
            .scopes
            .iter()
            .map(|(scope, home)| scope_view(scope, home.environments.clone(), input))
            .collect();
        snapshot.ignores = input
            .desired
            .ignores
            .iter()
            .map(|ignore| IgnoreView {
                name: ignore.name.clone(),
                environment: ignore.environment.clone(),
                expires: ignore.expires(),
            })
            .collect();
        let scan_after = self.outcomes.values().filter_map(|outcome| outcome.scan_after).max();
        let claims = self.claims.values().flatten().flat_map(|tables| tables.iter().flatten());
        self.asks = questions::next(input, &self.memory, claims, &snapshot, &self.wanted, scan_after);
        self.snapshot = Arc::new(snapshot);
    }

    /// Findings that nothing in force speaks of, while a root that may have declared their things
    /// is not in force: they are held, and shown.
    fn of_unread_roots(&self, input: &Input<'_>) -> Vec<Arc<Finding>> {
        if input.desired.unread_roots.is_empty() {
            return Vec::new();
        }
        let mut held = Vec::new();
        for (scope, memory) in &self.memory.scopes {
            let outcome = self.outcomes.get(scope);
            let said = outcome.into_iter().flat_map(|outcome| {
                let ignored = outcome.ignored.iter().map(|ignored| &ignored.finding.key);
                outcome.findings.iter().map(|finding| &finding.key).chain(ignored)
            });
            let said: BTreeSet<&FindingKey> = said.collect();
            let unsaid = memory.findings.values().filter(|finding| !said.contains(&finding.key));
            held.extend(unsaid.map(|finding| Arc::new(finding.as_held())));
        }
        held
    }

    /// Open findings (ignored ones too) become memory; what changed becomes events. A scope that
    /// is no longer declared takes its findings with it.
    fn remember_findings(&mut self, input: &Input<'_>, previous: Option<&Evaluation>) {
        let partial = !input.desired.unread_roots.is_empty();
        for scope in input.memory.scopes.keys().filter(|scope| !partial && !self.outcomes.contains_key(scope)) {
            if let Some(gone) = self.memory.scopes.remove(scope) {
                self.events.extend(gone.findings.values().cloned().map(Event::Ended));
            }
        }
        let kept = |scope: &ScopeKey, outcome: &Arc<Outcome>| {
            previous
                .and_then(|previous| previous.outcomes.get(scope))
                .is_some_and(|before| Arc::ptr_eq(before, outcome))
        };
        for (scope, outcome) in self.outcomes.iter().filter(|(scope, outcome)| !kept(scope, outcome)) {
            let home = input.index.scopes.get(scope);
            let before = input.memory.scopes.get(scope);
            let mut open: BTreeMap<FindingKey, Arc<Finding>> = outcome
                .findings
                .iter()
                .chain(outcome.ignored.iter().map(|ignored| &ignored.finding))
                .map(|finding| (finding.key.clone(), finding.clone()))
                .collect();
            if partial {
                let known = before.into_iter().flat_map(|before| before.findings.values());
                for finding in known.filter(|finding| !is_declared(finding, input.index)) {
                    open.entry(finding.key.clone()).or_insert_with(|| Arc::new(finding.as_held()));
                }
            }
            let mut declared: BTreeMap<_, _> = home
                .into_iter()
                .flat_map(|home| &home.resources)
                .map(|declared| {
                    (
                        unit::declaration_key(declared),
                        unit::remember(declared, before.map(|before| &**before), input.memory.seasoned, input.now),
                    )
                })
                .collect();
            let mut census = outcome.census.clone();
            if partial {
                // What roots that are not in force declared and counted goes on where it was.
                if let Some(known) = before {
                    for (name, known) in &known.census {
                        census.entry(name.clone()).or_insert_with(|| known.clone());
                    }
                    for (name, known) in &known.declared {
                        declared.entry(name.clone()).or_insert_with(|| known.clone());
                    }
                }
            }
            let unchanged = before.is_some_and(|before| {
                before.findings == open
                    && before.declared == declared
                    && before.unsteady == outcome.unsteady
                    && before.census == census
            });
            if unchanged {
                continue;
            }
            let none = BTreeMap::new();
            let known = before.map_or(&none, |before| &before.findings);
            for (key, finding) in &open {
                self.events.extend(match known.get(key) {
                    None => Some(Event::Opened(finding.clone())),
                    Some(before) if finding.held && !before.held => Some(Event::Held(finding.clone())),
                    Some(before) if !finding.held && before.held => Some(Event::Confirmed(finding.clone())),
                    Some(_) => None,
                });
            }
            self.events.extend(
                known
                    .iter()
                    .filter(|(key, _)| !open.contains_key(key))
                    .map(|(_, finding)| Event::Ended(finding.clone())),
            );
            let entry: &mut Arc<ScopeMemory> = self.memory.scopes.entry(scope.clone()).or_default();
            let entry = Arc::make_mut(entry);
            (entry.findings, entry.declared) = (open, declared);
            (entry.unsteady, entry.census) = (outcome.unsteady.clone(), census);
        }
        self.memory.seasoned = true;
    }
}

/// Whether a manifest in force declares what a finding is about, or watches for it: then its end is a proven one.
fn is_declared(finding: &Finding, index: &Index) -> bool {
    index.scopes.get(&finding.scope).is_some_and(|home| {
        let rules = |inventory: &Arc<Inventory>| {
            inventory.declared.environment == finding.key.environment && finding.root == inventory::root(inventory)
        };
        home.declares(&finding.key) || home.inventories.iter().any(rules)
    })
}

/// How many applications would meet an undeclared buildpack before every declared one, by
/// environment and stack.
fn hijacked(findings: &[Arc<Finding>], observations: &Observations) -> BTreeMap<(Arc<str>, Arc<str>), u32> {
    let mut all = BTreeMap::new();
    let strangers = findings
        .iter()
        .filter(|finding| finding.key.drift == Drift::Unexpected && *finding.key.kind == *buildpacks::KIND);
    for finding in strangers {
        let reading = observations.get(&finding.scope).and_then(|observation| observation.reading.as_ref());
        let own = reading.into_iter().flat_map(|reading| reading.objects.values()).filter(|live| live.id == finding.id);
        for (stack, apps) in own.flat_map(|live| buildpacks::live::first_on(live)) {
            let key = (finding.key.environment.clone(), Arc::from(stack));
            all.insert(key, u32::try_from(apps).unwrap_or_default());
        }
    }
    all
}

/// What a mass loss left behind belongs to the mass loss: the group of a missing thing that is
/// itself in another group joins that one.
fn gather(findings: &mut [Arc<Finding>]) {
    let own = |finding: &Finding| finding.root.kind == finding.key.kind && finding.root.name == finding.key.name;
    let roots: BTreeMap<(Arc<str>, Root), Root> = findings
        .iter()
        .filter(|finding| finding.key.drift == Drift::Missing && !own(finding))
        .map(|finding| {
            let key = &finding.key;
            let this = Root { kind: key.kind.clone(), name: key.name.clone() };
            ((key.environment.clone(), this), finding.root.clone())
        })
        .collect();
    // A vanished thing is the root of what it left behind.
    let led: BTreeSet<(Arc<str>, Root)> = findings
        .iter()
        .filter(|finding| finding.key.drift == Drift::Orphaned)
        .map(|finding| (finding.key.environment.clone(), finding.root.clone()))
        .collect();
    for finding in findings.iter_mut().filter(|finding| finding.key.drift == Drift::Vanished) {
        let this = Root { kind: finding.key.kind.clone(), name: finding.key.name.clone() };
        if led.contains(&(finding.key.environment.clone(), this.clone())) {
            Arc::make_mut(finding).root = this;
        }
    }
    if roots.is_empty() {
        return;
    }
    for finding in findings.iter_mut() {
        if let Some(root) = roots.get(&(finding.key.environment.clone(), finding.root.clone())) {
            Arc::make_mut(finding).root = root.clone();
        }
    }
}

fn scope_view(scope: &ScopeKey, environments: BTreeSet<Arc<str>>, input: &Input<'_>) -> ScopeView {
    let observation = input.observations.get(scope);
    let reading: Option<&Arc<Reading>> = observation.and_then(|observation| observation.reading.as_ref());
    let error = match observation {
        Some(observation) => observation.current(input.now).err(),
        None => World { observations: input.observations, memory: input.memory, now: input.now }.reading(scope).err(),
    };
    ScopeView {
        scope: scope.clone(),
        environments,
        complete: error.is_none() && reading.is_some_and(|reading| reading.complete),
        observed_at: reading.map(|reading| reading.finished),
        took: reading.map_or(jiff::SignedDuration::ZERO, |reading| reading.finished.duration_since(reading.started)),
        bound: observation.map_or(jiff::SignedDuration::ZERO, |observation| observation.bound),
        api_calls: reading.map_or(0, |reading| reading.api_calls),
        error,
        remarks: reading.map(|reading| reading.remarks.clone()).unwrap_or_default(),
    }
}
