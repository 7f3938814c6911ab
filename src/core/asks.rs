//! Asks: what the evaluation wants to know about one scope at its next reading.
//!
//! Decides how much a reading costs: only things that manifests or table items name are asked
//! for, and detail facets (one call an object) only where a declared field needs them. Built from
//! the desired state and from claims; scopes read them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::identity::Ask;

/// A detail that costs calls of its own, with its own slower cadence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facet {
    /// The facts of an ECS task definition (immutable: read once).
    TaskDefinition,
    /// Tags.
    Tags,
    /// The listeners of a load balancer.
    Listeners,
    /// The attributes of a load balancer (idle timeout, deletion protection).
    Attributes,
    /// The health of a target group's targets.
    TargetHealth,
    /// What the checkers of a health check see.
    Status,
    /// What a Cloud Foundry application's own manifest says beyond the lists.
    AppManifest,
}

/// Everything asked of one scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asks {
    /// Things asked for, with the details wanted of each.
    pub things: BTreeMap<Ask, BTreeSet<Facet>>,
    /// Whether everything in the scope is to be listed and described (an inventory, an orphan's referrers).
    pub everything: bool,
    /// Details wanted of everything that is listed.
    pub of_everything: BTreeSet<Facet>,
    /// Whether a table is to be scanned (a StateTable wants its items).
    pub scan: bool,
    /// Whether a scan older than this will not do: a claim may have been written since.
    pub fresh_since: Option<Timestamp>,
    /// Revisions of task definitions (`family:revision`) that manifests declare.
    pub definitions: BTreeSet<Arc<str>>,
    /// Attributes of items that templates read; all others are hashed.
    pub plain: BTreeSet<Arc<str>>,
    /// Names whose values every environment that shares the scope lets be shown.
    pub visible: BTreeSet<Arc<str>>,
}

impl Asks {
    /// Asks for a thing and some of its details.
    pub fn want(&mut self, ask: Ask, facets: impl IntoIterator<Item = Facet>) {
        self.things.entry(ask).or_default().extend(facets);
    }

    /// Whether anybody wants this detail of this thing.
    pub fn wants(&self, ask: &Ask, facet: Facet) -> bool {
        self.of_everything.contains(&facet) || self.things.get(ask).is_some_and(|facets| facets.contains(&facet))
    }
}
