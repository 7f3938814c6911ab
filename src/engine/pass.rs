//! One pass over the scopes, for `check` and `show`.
//!
//! Decides the order: tables and zones first (they say what else to ask for), then everything that
//! may be left over, then the parents. So each parent is read after what it may have left behind, and
//! staleness finds fewer orphans, never more. What a list lacks of what was there before is asked for
//! by name at once: no later pass would know more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::reader::{self, Shared};
use super::watch::Watch;
use crate::core::identity::{Ask, ScopeKey, ScopeKind};
use crate::core::memory::ScopeMemory;
use crate::core::observation::{Failure, Reason};
use crate::core::questions::{asks_for_unlisted, unlisted};
use crate::scopes::{self, Reader};

/// A single pass has no next reading that could be late.
const NEVER_STALE: Duration = Duration::ZERO;

/// How often a suspicion may ask for more: a fresh scan, then its parents, then what refers to it.
const ROUNDS: usize = 3;

/// The most scopes that are read at once; budgets pace the calls themselves.
const AT_ONCE: usize = 32;

/// Reads every scope that `only` lets through once, once more where a list lacks what was there
/// before, and again what a suspicion wants, a few times at most. `progress` hears how many of how many are done.
pub async fn pass(
    watch: &mut Watch,
    shared: &Arc<Shared>,
    only: impl Fn(&ScopeKey) -> bool,
    mut progress: impl FnMut(u64, u64, &str),
) {
    let mut readers: BTreeMap<ScopeKey, Reader> = BTreeMap::new();
    let scopes: BTreeSet<ScopeKey> = watch.index.scopes.keys().filter(|key| only(key)).cloned().collect();
    let total = scopes.len() as u64;
    let mut done = 0;
    for wave in waves(&scopes, &watch.parents()) {
        if wave.is_empty() {
            continue;
        }
        read_all(watch, shared, wave, &mut readers, |message| {
            done += 1;
            progress(done, total, message);
        })
        .await;
        watch.evaluate(shared.clock.now());
    }
    let lacking: BTreeSet<ScopeKey> = lacking(watch).into_iter().filter(|key| scopes.contains(key)).collect();
    for wave in waves(&lacking, &watch.parents()) {
        if wave.is_empty() {
            continue;
        }
        read_all(watch, shared, wave, &mut readers, |message| progress(done, total, message)).await;
        watch.evaluate(shared.clock.now());
    }
    for (credentials, access) in watch.idle() {
        if let Some(identity) = shared.who(&access).await {
            watch.identify(credentials, identity);
        }
    }
    for _ in 0..ROUNDS {
        let wanted: BTreeSet<ScopeKey> = watch.wanted().into_iter().filter(|key| scopes.contains(key)).collect();
        if wanted.is_empty() {
            break;
        }
        for wave in waves(&wanted, &watch.parents()) {
            read_all(watch, shared, wave, &mut readers, |message| progress(done, total, message)).await;
            watch.evaluate(shared.clock.now());
        }
    }
}

/// Scopes whose lists lack what was there before, and have not answered for it: since they were
/// judged, it is among their questions.
fn lacking(watch: &Watch) -> BTreeSet<ScopeKey> {
    let lacks = |scope: &ScopeKey, known: &ScopeMemory| {
        let reading = watch.observations.get(scope).and_then(|observation| observation.reading.as_ref());
        reading.is_some_and(|reading| unlisted(known, reading).any(|key| !reading.answers.contains_key(&Ask::of(key))))
    };
    let asked = watch.memory().scopes.iter().filter(|(scope, _)| asks_for_unlisted(scope, &watch.index));
    asked.filter(|(scope, known)| lacks(scope, known)).map(|(scope, _)| scope.clone()).collect()
}

/// Tables (their items say what to ask for), zones (their records say which checks), then what is
/// nobody's parent, then parents.
fn waves(scopes: &BTreeSet<ScopeKey>, parents: &BTreeSet<ScopeKey>) -> [BTreeSet<ScopeKey>; 4] {
    let rank = |key: &ScopeKey| match key.kind {
        ScopeKind::Table => 0,
        _ if parents.contains(key) => 3,
        ScopeKind::HostedZone => 1,
        _ => 2,
    };
    [0, 1, 2, 3].map(|wanted| scopes.iter().filter(|key| rank(key) == wanted).cloned().collect())
}

async fn read_all(
    watch: &mut Watch,
    shared: &Arc<Shared>,
    keys: BTreeSet<ScopeKey>,
    readers: &mut BTreeMap<ScopeKey, Reader>,
    mut progress: impl FnMut(&str),
) {
    let mut waiting = keys.into_iter();
    let mut running: JoinSet<reader::Done> = JoinSet::new();
    loop {
        while running.len() < AT_ONCE {
            let Some(key) = waiting.next() else { break };
            let reader = readers.remove(&key).unwrap_or_else(|| scopes::open(&key));
            let asks = watch.asks(&key);
            match watch.access(&key) {
                Some(access) => {
                    running.spawn(reader::read(shared.clone(), key, access, asks, reader));
                }
                None => {
                    let failure = Failure::new(Reason::IdentityUnverified, "no environment declares this account");
                    let mut done = reader::Done { key, reader: None, result: Err(failure), identity: None };
                    watch.observe(&mut done, NEVER_STALE, shared.clock.now());
                }
            }
        }
        let Some(joined) = running.join_next().await else { break };
        let Ok(mut done) = joined else { continue };
        let now = shared.clock.now();
        watch.observe(&mut done, NEVER_STALE, now);
        progress(&done.key.to_string());
        if let Some(reader) = done.reader.take() {
            readers.insert(done.key, reader);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_first_and_parents_last() {
        let table = ScopeKey::new(ScopeKind::Table, "1", "eu-west-1", "deployments");
        let zone = ScopeKey::new(ScopeKind::HostedZone, "1", "global", "example.com");
        let checks = ScopeKey::new(ScopeKind::HealthChecks, "1", "global", "");
        let cluster = ScopeKey::new(ScopeKind::EcsCluster, "1", "eu-west-1", "wonderland");
        let all = BTreeSet::from([cluster.clone(), zone.clone(), table.clone(), checks.clone()]);
        let waves = waves(&all, &BTreeSet::from([cluster.clone()]));
        assert_eq!(waves, [table, zone, checks, cluster].map(|key| BTreeSet::from([key])));
    }
}
