//! Orphans: what a gone parent left behind.
//!
//! Decides whether a live object is an orphan. It is one only when every claimant's parent is
//! proven gone by a reading that *started* after the object's own reading finished, and nothing
//! live outside its own group refers to it. Anything that cannot be read makes it unknown: this
//! file is where a wrong answer would later become a wrong delete. `evaluate` calls it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::claims::ClaimIndex;
use super::desired::{Declared, Desired, Parent};
use super::identity::{Ask, ScopeKey, ScopeKind, Select};
use super::index::Index;
use super::judge::Proof;
use super::observation::{Failure, Live, Reason};
use super::world::{Sight, World};
use crate::kinds;

/// Whether a live object is an orphan.
#[derive(Debug, Clone)]
pub enum Standing {
    /// Something living claims it or refers to it.
    Needed,
    /// Its parent is proven gone, and nothing else needs it.
    Orphaned(Proof),
    /// It looks like one, but the readings do not settle it yet; these scopes would.
    Suspected(Failure, BTreeSet<ScopeKey>),
    /// It cannot be said.
    Unknown(Failure),
}

/// How a parent stands.
enum ParentStanding {
    Alive,
    Gone(Proof),
    Unordered(ScopeKey),
    Unknown(Failure),
}

/// What the orphan question is asked against.
pub struct Leftovers<'a> {
    /// The world.
    pub world: World<'a>,
    /// What is declared.
    pub desired: &'a Desired,
    /// Who claims what.
    pub claims: &'a ClaimIndex,
    /// Declarations by where and how they are found.
    pub index: &'a Index,
    references: OnceCell<BTreeMap<&'a str, Vec<(&'a ScopeKey, &'a Live)>>>,
}

impl<'a> Leftovers<'a> {
    /// The question's context; the index of references is built only if somebody asks.
    pub fn new(world: World<'a>, desired: &'a Desired, claims: &'a ClaimIndex, index: &'a Index) -> Self {
        Self { world, desired, claims, index, references: OnceCell::new() }
    }

    /// How `live` stands, that was read in `scope` at `read_at`, as a leftover of `parent`. An
    /// `open` finding stays on the same facts without a new order of readings.
    pub fn standing(&self, scope: &ScopeKey, live: &Live, parent: &Parent, read_at: Timestamp, open: bool) -> Standing {
        let mut wanted = BTreeSet::new();
        let mut proof = None;
        let claimants = self.claimants(scope, live);
        let Claimants::Parents(claimants) = claimants else {
            return match claimants {
                Claimants::Living => Standing::Needed,
                Claimants::Clouded(why) => Standing::Unknown(why),
                Claimants::Parents(_) => Standing::Needed,
            };
        };
        for claimant in std::iter::once(parent).chain(claimants.iter().filter(|claimant| *claimant != parent)) {
            match self.parent_standing(claimant, read_at, open) {
                ParentStanding::Alive => return Standing::Needed,
                ParentStanding::Unknown(failure) => return Standing::Unknown(failure),
                ParentStanding::Unordered(scope) => {
                    wanted.insert(scope);
                }
                ParentStanding::Gone(known) => {
                    proof.get_or_insert(known);
                }
            }
        }
        match self.referrer(scope, live, parent) {
            Ok(None) => {}
            Ok(Some(_)) => return Standing::Needed,
            Err((failure, scopes)) if scopes.is_empty() => return Standing::Unknown(failure),
            Err((failure, scopes)) => return Standing::Suspected(failure, scopes),
        }
        match proof {
            Some(proof) if wanted.is_empty() => Standing::Orphaned(proof),
            _ => Standing::Suspected(
                Failure::new(
                    Reason::Unconfirmed,
                    format!("{} looks gone; waiting for a reading of it that starts after this one", parent.name),
                ),
                wanted,
            ),
        }
    }

    /// Whether anything living claims `live` or refers to it, when no item names it any more.
    pub fn needed(&self, scope: &ScopeKey, live: &Live) -> Result<bool, Failure> {
        match self.claimants(scope, live) {
            Claimants::Living => return Ok(true),
            Claimants::Clouded(failure) => return Err(failure),
            // Claimed by other items: those speak for it.
            Claimants::Parents(parents) if !parents.is_empty() => return Ok(true),
            Claimants::Parents(_) => {}
        }
        let referrers = self.references.get_or_init(|| self.references());
        let referred = live.addresses.iter().filter_map(|address| referrers.get(&**address)).flatten();
        Ok(referred
            .into_iter()
            .any(|(at, referrer)| referrer.id != live.id && matches!(self.claimants(at, referrer), Claimants::Living)))
    }

    /// Whether the parent is gone, by a reading that started after `read_at`.
    fn parent_standing(&self, parent: &Parent, read_at: Timestamp, open: bool) -> ParentStanding {
        let Some(entry) = kinds::find(parent.ask.kind) else {
            return ParentStanding::Unknown(Failure::new(Reason::BadItem, format!("unknown kind {}", parent.ask.kind)));
        };
        match self.world.sight(entry.kind, &parent.scope, &parent.ask) {
            Sight::Present(..) => ParentStanding::Alive,
            Sight::Unknown(failure) => ParentStanding::Unknown(failure),
            Sight::Absent(proof, reading) if open || reading.started > read_at => ParentStanding::Gone(proof),
            Sight::Absent(..) => ParentStanding::Unordered(parent.scope.clone()),
        }
    }

    /// Whether the parent itself is proven gone, whatever the order: what a person would see.
    pub fn parent_sight(&self, parent: &Parent) -> Option<Sight<'a>> {
        let entry = kinds::find(parent.ask.kind)?;
        Some(self.world.sight(entry.kind, &parent.scope, &parent.ask))
    }

    /// Everybody on whose behalf the object exists.
    fn claimants(&self, scope: &ScopeKey, live: &Live) -> Claimants {
        if self.claims.is_clouded(scope, live) {
            return Claimants::Clouded(Failure::new(
                Reason::BadItem,
                "an item whose parent cannot be read names it too",
            ));
        }
        if let Some(table) = self.desired.tables.iter().find(|table| self.world.reading(&table.declared.scope).is_err())
        {
            let detail = format!("the table of {} cannot be read: it might name it too", table.declared.name);
            return Claimants::Clouded(Failure::new(Reason::Incomplete, detail));
        }
        let mut parents: BTreeSet<Parent> = self.claims.parents(scope, live).cloned().collect();
        for declared in self.declarations(scope, live) {
            match (&declared.owned_by, declared.absent) {
                (_, true) => {}
                (Some(owner), false) => {
                    parents.insert(owner.clone());
                }
                (None, false) => return Claimants::Living,
            }
        }
        Claimants::Parents(parents)
    }

    /// The manifests that declare this live object, however they name it.
    fn declarations(&self, scope: &ScopeKey, live: &Live) -> Vec<&'a Arc<Declared>> {
        let kind = live.key.kind;
        let direct = [Select::Key(live.key.key.clone()), Select::Arn(live.id.clone())]
            .into_iter()
            .filter_map(|select| self.index.by_ask.get(&(scope.clone(), Ask { kind, select })))
            .flatten();
        let indirect = self.index.indirect.get(scope).into_iter().flatten().filter(|declared| {
            declared.kind.name() == kind
                && matches!(self.world.sight(declared.kind, scope, &declared.ask()), Sight::Present(found, _) if found.id == live.id)
        });
        direct.chain(indirect).collect()
    }

    /// A live thing outside the parent's group that refers to `live`; or why that cannot be said,
    /// with the scopes whose reading would.
    #[allow(clippy::type_complexity)]
    fn referrer(
        &self,
        scope: &ScopeKey,
        live: &Live,
        parent: &Parent,
    ) -> Result<Option<&'a Live>, (Failure, BTreeSet<ScopeKey>)> {
        if live.addresses.is_empty() {
            return Ok(None);
        }
        let may_refer = |kind: ScopeKind| match kind {
            ScopeKind::HostedZone | ScopeKind::HealthChecks => true,
            ScopeKind::EcsCluster => matches!(live.key.kind, "LoadBalancer" | "TargetGroup"),
            ScopeKind::LoadBalancers | ScopeKind::Table => false,
        };
        for other in self.index.scopes.keys().filter(|other| may_refer(other.kind)) {
            if other.kind == ScopeKind::EcsCluster && (other.account != scope.account || other.region != scope.region) {
                continue;
            }
            match self.world.reading(other) {
                Ok(reading) if reading.complete && reading.listed => {}
                Ok(_) => {
                    let failure = Failure::new(
                        Reason::Unconfirmed,
                        format!("{other} is not listed whole yet: something there might refer to it"),
                    );
                    return Err((failure, BTreeSet::from([other.clone()])));
                }
                Err(failure) => {
                    let detail = format!("{other} cannot be read ({failure}): something there might refer to it");
                    return Err((Failure::new(failure.reason, detail), BTreeSet::new()));
                }
            }
        }
        let index = self.references.get_or_init(|| self.references());
        let outside = live
            .addresses
            .iter()
            .filter_map(|address| index.get(&**address))
            .flatten()
            .find(|(at, referrer)| referrer.id != live.id && !self.is_leftover_of(at, referrer, parent));
        Ok(outside.map(|(_, referrer)| *referrer))
    }

    /// Whether a referrer is itself only there on this parent's behalf.
    fn is_leftover_of(&self, scope: &ScopeKey, live: &Live, parent: &Parent) -> bool {
        match self.claimants(scope, live) {
            Claimants::Parents(parents) => parents.len() == 1 && parents.contains(parent),
            Claimants::Living | Claimants::Clouded(_) => false,
        }
    }

    fn references(&self) -> BTreeMap<&'a str, Vec<(&'a ScopeKey, &'a Live)>> {
        let mut index: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (scope, observation) in self.world.observations {
            for live in observation.reading.iter().flat_map(|reading| reading.objects.values()) {
                for reference in &live.references {
                    index.entry(reference).or_default().push((scope, &**live));
                }
            }
        }
        index
    }
}

enum Claimants {
    /// Somebody who needs no parent.
    Living,
    /// These parents; none at all for a thing nobody claims.
    Parents(BTreeSet<Parent>),
    /// Somebody who cannot be read might.
    Clouded(Failure),
}
