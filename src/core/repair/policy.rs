//! Policy: what may be repaired in an environment, and the numbers that every repair keeps to.
//!
//! Decides which mode a thing is under, and holds the numbers of design section 5 in one place. It
//! never reads a manifest: the loader makes policies from an Environment's `repair`, and whatever
//! it does not say is `observe`. Guards and episodes read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::core::desired::Class;
use crate::core::drift::Root;

/// K: complete confirmations that an orphan needs before a person may approve its deletion (design
/// section 5, guard 4).
pub const CONFIRMATIONS: u32 = 3;

/// G: the confirmations cover at least this long (guard 4).
pub const CONFIRMED_FOR: SignedDuration = SignedDuration::from_mins(2);

/// Two confirmations are at most this many passes apart (guard 4).
pub const GAP_PASSES: i32 = 3;

/// How long a plan, and the approval of it, is good for (guard 6).
pub const PLAN_TTL: SignedDuration = SignedDuration::from_mins(15);

/// W: a delete leaves at most this long after the reading that allowed it began (guard 8).
pub const FRESH: SignedDuration = SignedDuration::from_secs(2);

/// So many of a kind at once freeze repair (guard 5).
pub const BREAKER_COUNT: u32 = 5;

/// Or this part of a kind, in per cent, (guard 5) …
pub const BREAKER_PERCENT: u64 = 20;

/// … if it is at least so many (guard 5).
pub const BREAKER_MANY: u32 = 3;

/// "At once" means within this time (guard 5).
pub const BREAKER_WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Of a kind with fewer, only one group is cleared at a time (guard 5).
pub const SMALL_KIND: u32 = 10;

/// A request that is not answered for so long is not known to have arrived. The executor's timeout.
pub const SEND_TIMEOUT: SignedDuration = SignedDuration::from_secs(10);

/// The lease must outlast the longest request by this much (reliability.md, I8).
pub const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// A smaller step back of the clock is no reason to stop.
pub const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(1);

/// Who decides on a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing is repaired; plans are shown all the same.
    Observe,
    /// A person approves each plan.
    Approve,
}

/// What may be repaired in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How much depends on it.
    pub class: Class,
    /// Whether orphans are deleted, by kind; `StateTable` speaks for its items and their pieces.
    pub prune: BTreeMap<&'static str, Mode>,
    /// Whether declared things are put back, by kind.
    pub heal: BTreeMap<&'static str, Mode>,
    /// Whether a file with the key for before-images is named: without one nothing is repaired.
    pub has_key: bool,
    /// The table with the lease, where one is named.
    pub lease: Option<Arc<str>>,
}

impl Policy {
    /// The policy of an environment that says nothing about repair.
    pub fn observe(class: Class) -> Self {
        Self { class, prune: BTreeMap::new(), heal: BTreeMap::new(), has_key: false, lease: None }
    }

    /// The mode for deleting a thing of `kind` because of what a `cause` says (`StateTable`, or the
    /// kind itself). A mode for the thing's own kind can only take away.
    pub fn prune_mode(&self, cause: &str, kind: &str) -> Mode {
        let by_cause = self.prune.get(cause).copied().unwrap_or(Mode::Observe);
        self.prune.get(kind).copied().map_or(by_cause, |own| own.min(by_cause))
    }
}

/// What the ledger says of one environment. Where it has not been read there is none, and that
/// allows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Why repair is frozen, if it is.
    pub frozen: Option<Arc<str>>,
    /// A person let repair go on then: what looked orphaned before trips no breaker again.
    pub unfrozen_at: Option<Timestamp>,
    /// The group that an episode is clearing now.
    pub running: Option<Root>,
    /// Things to which a request was sent whose outcome no reading has settled, by id.
    pub unsettled: BTreeSet<Arc<str>>,
    /// Things that episodes deleted within the breakers' window, by id: moored's own work is no loss.
    pub cleared: BTreeSet<Arc<str>>,
    /// The most that was declared of each kind within the breakers' window.
    pub declared_before: BTreeMap<Arc<str>, u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(modes: &[(&'static str, Mode)]) -> Policy {
        Policy { prune: modes.iter().copied().collect(), ..Policy::observe(Class::Staging) }
    }

    #[test]
    fn what_nobody_mentions_is_only_observed() {
        assert_eq!(policy(&[]).prune_mode("StateTable", "DnsRecord"), Mode::Observe);
        assert_eq!(policy(&[("DnsRecord", Mode::Approve)]).prune_mode("StateTable", "DnsRecord"), Mode::Observe);
    }

    #[test]
    fn a_table_speaks_for_its_pieces_and_a_pieces_own_kind_can_only_take_away() {
        let table = ("StateTable", Mode::Approve);
        assert_eq!(policy(&[table]).prune_mode("StateTable", "LoadBalancer"), Mode::Approve);
        let narrowed = policy(&[table, ("LoadBalancer", Mode::Observe)]);
        assert_eq!(narrowed.prune_mode("StateTable", "LoadBalancer"), Mode::Observe);
        assert_eq!(narrowed.prune_mode("StateTable", "DnsRecord"), Mode::Approve);
    }
}
