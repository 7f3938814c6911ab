//! Breakers: when too much is gone, or looks orphaned, or is no longer declared, at once.
//!
//! Decides, for one environment, which kinds tripped and what could not be counted. It counts only
//! where repair could reach: the tables, their parents and pieces, and what is declared with
//! `ownedBy` or gone. It freezes nothing itself: the guard refuses while a breaker trips, and the
//! engine writes the freeze to the ledger, where it stays until a person lifts it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::plan::Input;
use super::policy::{BREAKER_COUNT, BREAKER_MANY, BREAKER_PERCENT, BREAKER_WINDOW, Circumstances};
use crate::core::drift::Drift;
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::core::memory::ObjectMemory;

/// What was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// Live things look orphaned.
    Orphaned,
    /// Things that were live are gone.
    Gone,
    /// Things that were declared are not any more.
    Undeclared,
}

/// Too much of one kind at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trip {
    /// The kind.
    pub kind: Arc<str>,
    /// What was lost.
    pub loss: Loss,
    /// How many, within the breakers' window.
    pub count: u32,
    /// Of how many.
    pub of: u32,
}

impl fmt::Display for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, loss, count, of } = self;
        match loss {
            Loss::Orphaned => write!(f, "{count} of {of} things of kind {kind} look orphaned"),
            Loss::Gone => write!(f, "{count} of {of} things of kind {kind} are gone"),
            Loss::Undeclared => write!(f, "{count} of {of} things of kind {kind} are no longer declared"),
        }
    }
}

/// The breakers of one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breakers {
    /// Those that trip.
    pub trips: Vec<Trip>,
    /// What cannot be counted now, in words.
    pub uncounted: Option<String>,
    /// How many things of each kind there are.
    pub of: BTreeMap<Arc<str>, u32>,
}

impl Breakers {
    /// Counts what was lost in an environment.
    pub fn read(input: &Input<'_>, environment: &str) -> Self {
        let nothing = Circumstances::default();
        let known = input.circumstances.get(environment).unwrap_or(&nothing);
        let scopes = within_reach(input, environment);
        let mut breakers = Self {
            uncounted: scopes.iter().find_map(|scope| uncounted(input, scope)),
            of: living(input, &scopes),
            ..Self::default()
        };
        let news = |at: &Timestamp| known.unfrozen_at.is_none_or(|unfrozen| *at > unfrozen);
        for (kind, times) in orphaned(input, environment) {
            let count = busiest(times.into_iter().filter(news).collect());
            breakers.add(kind, Loss::Orphaned, count, 0);
        }
        for (kind, lost) in gone(input, &scopes) {
            let counts = |known_gone: &&(Arc<str>, Timestamp)| {
                let (id, at) = known_gone;
                let age = input.now.duration_since(*at);
                news(at) && age <= BREAKER_WINDOW && !known.cleared.contains(id)
            };
            let count = u32::try_from(lost.iter().filter(counts).count()).unwrap_or(u32::MAX);
            // What is gone is not among the living any more.
            breakers.add(kind, Loss::Gone, count, count);
        }
        for (kind, before) in &known.declared_before {
            let declared = input.desired.resources.iter();
            let now = declared
                .filter(|declared| *declared.environment == *environment && declared.kind.name() == &**kind)
                .count();
            let lost = before.saturating_sub(u32::try_from(now).unwrap_or(u32::MAX));
            if is_too_much(lost, *before) {
                breakers.trips.push(Trip { kind: kind.clone(), loss: Loss::Undeclared, count: lost, of: *before });
            }
        }
        breakers.trips.sort();
        breakers
    }

    fn add(&mut self, kind: Arc<str>, loss: Loss, count: u32, besides: u32) {
        let of = self.of.get(&kind).copied().unwrap_or_default().saturating_add(besides);
        if is_too_much(count, of) {
            self.trips.push(Trip { kind, loss, count, of });
        }
    }
}

/// Five of a kind, or a fifth of it if that is at least three.
fn is_too_much(count: u32, of: u32) -> bool {
    let part = u64::from(count) * 100 >= u64::from(of) * BREAKER_PERCENT;
    count >= BREAKER_COUNT || (count >= BREAKER_MANY && part)
}

/// The most that happened within one window.
fn busiest(mut times: Vec<Timestamp>) -> u32 {
    times.sort();
    let within = |(at, first): (usize, &Timestamp)| {
        times.iter().skip(at).take_while(|time| time.duration_since(*first) <= BREAKER_WINDOW).count()
    };
    let most = times.iter().enumerate().map(within).max().unwrap_or_default();
    u32::try_from(most).unwrap_or(u32::MAX)
}

/// When each thing that looks orphaned began to, by kind: ignored ones count as well.
fn orphaned(input: &Input<'_>, environment: &str) -> BTreeMap<Arc<str>, Vec<Timestamp>> {
    let ignored = input.snapshot.ignored.iter().map(|ignored| &ignored.finding);
    let mut orphaned: BTreeMap<Arc<str>, Vec<Timestamp>> = BTreeMap::new();
    for finding in input.snapshot.findings.iter().chain(ignored) {
        if finding.key.drift == Drift::Orphaned && *finding.key.environment == *environment {
            orphaned.entry(finding.key.kind.clone()).or_default().push(finding.since);
        }
    }
    orphaned
}

/// What is remembered to be gone, by kind: id and since when.
fn gone(input: &Input<'_>, scopes: &BTreeSet<&ScopeKey>) -> BTreeMap<Arc<str>, Vec<(Arc<str>, Timestamp)>> {
    let mut gone: BTreeMap<Arc<str>, Vec<(Arc<str>, Timestamp)>> = BTreeMap::new();
    for known in scopes.iter().filter_map(|scope| input.memory.scopes.get(*scope)) {
        for (key, ObjectMemory { id, gone_since, .. }) in &known.objects {
            if let Some(since) = gone_since {
                gone.entry(key.kind.into()).or_default().push((id.clone(), *since));
            }
        }
    }
    gone
}

/// How many live things of each kind there are.
fn living(input: &Input<'_>, scopes: &BTreeSet<&ScopeKey>) -> BTreeMap<Arc<str>, u32> {
    let mut living: BTreeMap<Arc<str>, u32> = BTreeMap::new();
    let observations = scopes.iter().filter_map(|scope| input.observations.get(*scope));
    for reading in observations.filter_map(|observation| observation.reading.as_ref()) {
        for key in reading.objects.keys() {
            *living.entry(key.kind.into()).or_default() += 1;
        }
    }
    living
}

/// The scopes that repair of this environment reads and writes.
fn within_reach<'a>(input: &Input<'a>, environment: &str) -> BTreeSet<&'a ScopeKey> {
    let mut scopes = BTreeSet::new();
    for table in &input.desired.tables {
        if *table.declared.environment == *environment {
            scopes.extend([&table.declared.scope, &table.parent_scope]);
            scopes.extend(table.pieces.iter().map(|piece| &piece.scope));
        }
    }
    for declared in &input.desired.resources {
        let concerned = declared.absent || declared.owned_by.is_some();
        if concerned && *declared.environment == *environment {
            scopes.insert(&declared.scope);
            scopes.extend(declared.owned_by.iter().map(|owner| &owner.scope));
        }
    }
    scopes
}

/// Why a scope cannot be counted. Of a cluster only what was asked for is read, and that is whole.
fn uncounted(input: &Input<'_>, scope: &ScopeKey) -> Option<String> {
    match input.world().reading(scope) {
        Err(failure) => Some(format!("{scope} cannot be read ({failure})")),
        Ok(reading) if !reading.complete => Some(format!("{scope} was not read whole")),
        Ok(reading) if !reading.listed && scope.kind != ScopeKind::EcsCluster => {
            Some(format!("{scope} was not listed whole"))
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    #[test]
    fn five_of_a_kind_or_a_fifth_and_three_are_too_much() {
        assert!(is_too_much(5, 1_000));
        assert!(is_too_much(3, 15) && !is_too_much(3, 16));
        assert!(!is_too_much(2, 2), "two are never many");
        assert!(!is_too_much(0, 0));
    }

    #[test]
    fn what_is_lost_slowly_is_no_loss_at_once() {
        assert_eq!(busiest(vec![at(1_300), at(0), at(650)]), 1);
        assert_eq!(busiest(vec![at(0), at(599), at(600), at(601)]), 3);
        assert_eq!(busiest(Vec::new()), 0);
    }
}
