//! The queue: when each scope is read next.
//!
//! Decides order and holding, and nothing else: one entry per scope, the earlier of two wishes
//! wins, and a scope that is being read is held until it is done, never run twice. Pure, so that
//! its rules are tested without waiting. The daemon drives it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::core::identity::ScopeKey;

/// A delay queue keyed by scope.
#[derive(Debug, Default)]
pub struct Queue {
    due: BTreeMap<ScopeKey, Timestamp>,
    running: BTreeSet<ScopeKey>,
}

impl Queue {
    /// A queue without wishes that still holds what `before` is reading.
    pub fn after(before: Self) -> Self {
        Self { due: BTreeMap::new(), running: before.running }
    }

    /// Wishes for a reading at `at`; an earlier wish stays.
    pub fn schedule(&mut self, key: &ScopeKey, at: Timestamp) {
        let entry = self.due.entry(key.clone()).or_insert(at);
        *entry = (*entry).min(at);
    }

    /// The next scope that is due and not being read; it counts as being read from now on.
    pub fn take(&mut self, now: Timestamp) -> Option<ScopeKey> {
        let (key, _) = self.ready().filter(|(_, at)| **at <= now).min_by_key(|(_, at)| **at)?;
        let key = key.clone();
        self.due.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    /// The reading of a scope is over.
    pub fn done(&mut self, key: &ScopeKey) {
        self.running.remove(key);
    }

    /// When the next scope falls due, as far as none is held.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.ready().map(|(_, at)| *at).min()
    }

    /// Forgets scopes that are no longer declared; what is being read is let finish.
    pub fn retain(&mut self, keep: impl Fn(&ScopeKey) -> bool) {
        self.due.retain(|key, _| keep(key));
    }

    /// Whether a scope is waiting or being read.
    pub fn knows(&self, key: &ScopeKey) -> bool {
        self.due.contains_key(key) || self.running.contains(key)
    }

    /// Whether a scope is being read.
    pub fn is_running(&self, key: &ScopeKey) -> bool {
        self.running.contains(key)
    }

    fn ready(&self) -> impl Iterator<Item = (&ScopeKey, &Timestamp)> {
        self.due.iter().filter(|(key, _)| !self.running.contains(*key))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::identity::ScopeKind;

    fn key(thing: &str) -> ScopeKey {
        ScopeKey::new(ScopeKind::EcsCluster, "111122223333", "eu-west-1", thing)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_running_scope_is_held_and_never_run_twice() {
        let mut queue = Queue::default();
        queue.schedule(&key("a"), at(1));
        assert_eq!(queue.take(at(1)), Some(key("a")));
        queue.schedule(&key("a"), at(1));
        assert_eq!((queue.take(at(5)), queue.next_at()), (None, None));
        queue.done(&key("a"));
        assert_eq!(queue.take(at(5)), Some(key("a")));
    }

    #[test]
    fn the_earlier_of_two_wishes_wins_and_nothing_runs_before_its_time() {
        let mut queue = Queue::default();
        queue.schedule(&key("a"), at(60));
        queue.schedule(&key("a"), at(5));
        queue.schedule(&key("a"), at(30));
        assert_eq!((queue.take(at(4)), queue.next_at()), (None, Some(at(5))));
        assert_eq!(queue.take(at(5)), Some(key("a")));
    }
}
