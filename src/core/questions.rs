//! Questions: what to ask each scope at its next reading.
//!
//! Decides how the asks of the declarations grow by what was learned: parents that items name,
//! pieces whose parent is gone, open orphans, things that are no longer listed, and whole
//! listings where somebody might refer to what looks left over. While all is well it adds only
//! the parents, so that a reading stays at its paging minimum.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::asks::Asks;
use super::claims::Claim;
use super::desired::Parent;
use super::drift::{Drift, Finding};
use super::evaluate::Input;
use super::identity::{Ask, ObjectKey, ScopeKey, ScopeKind};
use super::index::Index;
use super::items::{ask_again, item_select};
use super::memory::{Memory, ScopeMemory};
use super::observation::Reading;
use super::snapshot::{Snapshot, Unknown};
use super::world::{Sight, World};

/// The asks under construction.
struct Questions<'a> {
    world: World<'a>,
    asks: BTreeMap<ScopeKey, Arc<Asks>>,
}

/// What to ask next. A scan that is older than `scan_after` may lack an item that names a new thing.
pub fn next<'a>(
    input: &Input<'a>,
    memory: &'a Memory,
    claims: impl Iterator<Item = &'a Claim>,
    snapshot: &Snapshot,
    wanted: &BTreeSet<ScopeKey>,
    scan_after: Option<Timestamp>,
) -> BTreeMap<ScopeKey, Arc<Asks>> {
    let world = World { observations: input.observations, memory, now: input.now };
    let asks = input.index.scopes.iter().map(|(scope, home)| (scope.clone(), home.asks.clone())).collect();
    let mut questions = Questions { world, asks };
    questions.about_claims(claims);
    for declared in input.index.indirect.values().flatten() {
        // A check that a record refers to is asked for by its id once the record is read.
        if let Ok(ask) = world.resolve(&declared.ask()) {
            questions.edit(&declared.scope, |asks| asks.want(ask, declared.facets.iter().copied()));
        }
    }
    for finding in snapshot.findings.iter().chain(snapshot.ignored.iter().map(|ignored| &ignored.finding)) {
        questions.about_orphan(finding);
    }
    for unknown in &snapshot.unknown {
        questions.about_item(unknown);
    }
    questions.about_unlisted(memory, input.index);
    for scope in wanted.iter().filter(|scope| scope.kind == ScopeKind::Table) {
        questions.edit(scope, |asks| asks.fresh_since = asks.fresh_since.max(scan_after));
    }
    for scope in wanted.iter().filter(|scope| scope.kind == ScopeKind::EcsCluster) {
        questions.edit(scope, |asks| asks.everything = true);
    }
    questions.asks
}

impl Questions<'_> {
    fn edit(&mut self, scope: &ScopeKey, edit: impl FnOnce(&mut Asks)) {
        if let Some(asks) = self.asks.get_mut(scope) {
            edit(Arc::make_mut(asks));
        }
    }

    /// Every parent is asked for; pieces only when their parent is gone.
    fn about_claims<'a>(&mut self, claims: impl Iterator<Item = &'a Claim>) {
        let mut fresh_since = None;
        for claim in claims {
            let Some(parent) = &claim.parent else { continue };
            self.edit(&parent.scope, |asks| asks.want(parent.ask.clone(), []));
            if !self.is_gone(parent) {
                continue;
            }
            fresh_since =
                fresh_since.max(self.world.memory_of(&parent.scope, &parent.ask).and_then(|known| known.absent_since));
            for piece in &claim.pieces {
                self.edit(&piece.scope, |asks| asks.want(piece.ask.clone(), []));
                if piece.scope.kind == ScopeKind::LoadBalancers {
                    self.list_clusters_beside(&piece.scope);
                }
            }
        }
        // A hand-over may have written a new claim since the parent went.
        for (_, asks) in self.asks.iter_mut().filter(|(scope, _)| scope.kind == ScopeKind::Table) {
            if asks.scan && fresh_since.is_some() {
                Arc::make_mut(asks).fresh_since = fresh_since;
            }
        }
    }

    fn is_gone(&self, parent: &Parent) -> bool {
        matches!(self.world.sight_of(&parent.scope, &parent.ask), Some(Sight::Absent(..)))
    }

    /// Any service there might use the balancer.
    fn list_clusters_beside(&mut self, scope: &ScopeKey) {
        for (other, asks) in &mut self.asks {
            if other.kind == ScopeKind::EcsCluster && other.account == scope.account && other.region == scope.region {
                Arc::make_mut(asks).everything = true;
            }
        }
    }

    /// How an open orphan stands is asked by name, whether or not an item still names it.
    fn about_orphan(&mut self, finding: &Finding) {
        if finding.key.drift == Drift::Orphaned
            && let Some(ask) = ask_again(finding)
        {
            self.edit(&finding.scope, |asks| asks.want(ask, []));
        }
    }

    /// An item that cannot be judged is read again with every pass.
    fn about_item(&mut self, unknown: &Unknown) {
        let select = item_select(&unknown.name, &unknown.scope);
        if let ("TableItem", ScopeKind::Table, Some(select)) = (&*unknown.kind, unknown.scope.kind, select) {
            self.edit(&unknown.scope, |asks| asks.want(Ask { kind: "TableItem", select }, []));
        }
    }

    /// A balancer, and whatever an inventory watches, is gone only when it is asked for by name.
    fn about_unlisted(&mut self, memory: &Memory, index: &Index) {
        for (scope, known) in memory.scopes.iter().filter(|(scope, _)| asks_for_unlisted(scope, index)) {
            let Ok(reading) = self.world.reading(scope) else { continue };
            for key in unlisted(known, reading) {
                self.edit(scope, |asks| asks.want(Ask::of(key), []));
            }
        }
    }
}

/// Whether what a list of this scope lacks is asked for by name.
pub fn asks_for_unlisted(scope: &ScopeKey, index: &Index) -> bool {
    matches!(scope.kind, ScopeKind::LoadBalancers | ScopeKind::CfOrganization) || index.is_watched(scope)
}

/// What was there, is not proven gone, and is not in this reading.
pub fn unlisted<'a>(known: &'a ScopeMemory, reading: &'a Reading) -> impl Iterator<Item = &'a ObjectKey> {
    let lacking =
        known.objects.iter().filter(|(key, object)| object.gone_since.is_none() && !reading.objects.contains_key(*key));
    lacking.map(|(key, _)| key)
}
