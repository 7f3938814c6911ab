//! Orphans: what a gone parent left behind.
//!
//! Decides whether a live object is an orphan. It is one only when every claimant's parent is
//! proven gone by a reading that *started* after the object's own reading finished, every table
//! that could claim it was read after the parent went, and nothing live outside its own group
//! refers to it. Anything that cannot be read makes it unknown: this file is where a wrong answer
//! would later become a wrong delete. `unit` and `items` call it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::claims::ClaimIndex;
use super::desired::{Declared, Desired, Parent, StateTable};
use super::identity::{Ask, ScopeKey, ScopeKind, Select};
use super::index::Index;
use super::judge::Proof;
use super::observation::{Failure, Live, Reason};
use super::world::{Sight, World};

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

/// Why it cannot be said, and the scopes whose reading would settle it.
type Doubt = (Failure, BTreeSet<ScopeKey>);

impl From<Doubt> for Standing {
    fn from((failure, wanted): Doubt) -> Self {
        if wanted.is_empty() { Self::Unknown(failure) } else { Self::Suspected(failure, wanted) }
    }
}

/// Everybody on whose behalf an object exists.
enum Claimants {
    /// Somebody who needs no parent.
    Living,
    /// These parents; none at all for a thing nobody claims.
    Parents(BTreeSet<Parent>),
    /// Somebody who cannot be read might.
    Clouded(Failure),
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

    /// How `live` stands, that was read in `scope` at `read_at`, as a leftover of `parent`. A
    /// finding that is `open` for this very object stays on the same facts without new readings.
    pub fn standing(&self, scope: &ScopeKey, live: &Live, parent: &Parent, read_at: Timestamp, open: bool) -> Standing {
        let mut parents = match self.claimants(scope, live) {
            Claimants::Living => return Standing::Needed,
            Claimants::Clouded(why) => return Standing::Unknown(why),
            Claimants::Parents(parents) => parents,
        };
        parents.insert(parent.clone());
        let proof = match self.all_gone(scope, &parents, read_at, open) {
            Ok(Some(proof)) => proof,
            Ok(None) => return Standing::Needed,
            Err(doubt) => return doubt.into(),
        };
        if !open && let Err(doubt) = self.claims_are_newer(scope, live, &parents) {
            return doubt.into();
        }
        match self.referrer(scope, live, |at, referrer| self.is_leftover_of(at, referrer, parent, &[])) {
            Ok(None) => Standing::Orphaned(proof),
            Ok(Some(_)) => Standing::Needed,
            Err(doubt) => doubt.into(),
        }
    }

    /// Whether anything living claims `live` or refers to it, when no item names it any more.
    /// `group` are the ids of what is left over with it.
    pub fn needed(&self, scope: &ScopeKey, live: &Live, group: &BTreeSet<&Arc<str>>) -> Result<bool, Failure> {
        match self.claimants(scope, live) {
            Claimants::Living => return Ok(true),
            Claimants::Clouded(failure) => return Err(failure),
            // Claimed by other items: those speak for it.
            Claimants::Parents(parents) if !parents.is_empty() => return Ok(true),
            Claimants::Parents(_) => {}
        }
        let referrer = self.referrer(scope, live, |_, referrer| Ok(group.contains(&referrer.id)));
        referrer.map(|found| found.is_some()).map_err(|(failure, _)| failure)
    }

    /// Where a parent stands, whatever the order of readings: what a person would see.
    pub fn parent_sight(&self, parent: &Parent) -> Option<Sight<'a>> {
        self.world.sight_of(&parent.scope, &parent.ask)
    }

    /// A proof that every parent is gone, each by a reading that started after `read_at`; `None`
    /// when one is alive. A parent in the object's own scope comes with the same reading: it must
    /// have been gone in an earlier one already.
    fn all_gone(
        &self,
        scope: &ScopeKey,
        parents: &BTreeSet<Parent>,
        read_at: Timestamp,
        open: bool,
    ) -> Result<Option<Proof>, Doubt> {
        let (mut proof, mut doubt, mut early) = (None, None, BTreeSet::new());
        for parent in parents {
            match self.parent_sight(parent) {
                None => doubt = Some(Failure::new(Reason::BadItem, format!("no kind is called {}", parent.ask.kind))),
                Some(Sight::Present(..)) => return Ok(None),
                Some(Sight::Unknown(failure)) => doubt = Some(failure),
                Some(Sight::Absent(known, reading)) => {
                    let before = || self.world.memory_of(&parent.scope, &parent.ask)?.absent_since;
                    let in_order = if parent.scope == *scope {
                        before().is_some_and(|since| since < reading.started)
                    } else {
                        reading.started > read_at
                    };
                    if !open && !in_order {
                        early.insert(parent.scope.clone());
                    }
                    proof.get_or_insert(known);
                }
            }
        }
        match (doubt, early.is_empty()) {
            (Some(failure), _) => Err((failure, BTreeSet::new())),
            (None, false) => {
                let detail = "its parent looks gone; waiting for a reading of the parent that starts after this one";
                Err((Failure::new(Reason::Unconfirmed, detail), early))
            }
            (None, true) => Ok(proof),
        }
    }

    /// Claims may have been written since the parent went (a rename, a hand-over): every table
    /// that could name the object must have been scanned since.
    fn claims_are_newer(&self, scope: &ScopeKey, live: &Live, parents: &BTreeSet<Parent>) -> Result<(), Doubt> {
        let gone = |parent: &Parent| self.world.memory_of(&parent.scope, &parent.ask)?.absent_since;
        let Some(since) = parents.iter().filter_map(gone).max() else { return Ok(()) };
        let older = self.tables_that_may_name(scope, live).filter(|table| {
            let reading = self.world.reading(&table.declared.scope);
            reading.is_ok_and(|reading| reading.listed_at.unwrap_or(reading.finished) <= since)
        });
        let wanted: BTreeSet<ScopeKey> = older.map(|table| table.declared.scope.clone()).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let detail = "its parent is gone; waiting for a scan that shows whether anybody else has claimed it since";
        Err((Failure::new(Reason::Unconfirmed, detail), wanted))
    }

    /// Tables with a piece of this kind in this scope.
    fn tables_that_may_name(&self, scope: &ScopeKey, live: &Live) -> impl Iterator<Item = &'a Arc<StateTable>> {
        let (scope, kind) = (scope.clone(), live.key.kind);
        let names =
            move |table: &&Arc<StateTable>| table.pieces.iter().any(|piece| piece.kind == kind && piece.scope == scope);
        self.desired.tables.iter().filter(names)
    }

    fn claimants(&self, scope: &ScopeKey, live: &Live) -> Claimants {
        if self.claims.is_clouded(scope, live) {
            let detail = "an item that cannot be understood might name it too";
            return Claimants::Clouded(Failure::new(Reason::BadItem, detail));
        }
        let unread =
            self.tables_that_may_name(scope, live).find(|table| self.world.reading(&table.declared.scope).is_err());
        if let Some(table) = unread {
            let detail = format!("the table of {} cannot be read: it might name it too", table.declared.name);
            return Claimants::Clouded(Failure::new(Reason::Incomplete, detail));
        }
        let mut parents: BTreeSet<Parent> = self.claims.parents(scope, live).cloned().collect();
        let declarations = match self.declarations(scope, live) {
            Ok(declarations) => declarations,
            Err(failure) => return Claimants::Clouded(failure),
        };
        for declared in declarations.into_iter().filter(|declared| !declared.absent) {
            match &declared.owned_by {
                Some(owner) => parents.insert(owner.clone()),
                None => return Claimants::Living,
            };
        }
        Claimants::Parents(parents)
    }

    /// The manifests that declare this live object, however they name it; one that cannot be looked
    /// up might.
    fn declarations(&self, scope: &ScopeKey, live: &Live) -> Result<Vec<&'a Arc<Declared>>, Failure> {
        let kind = live.key.kind;
        let direct = [Select::Key(live.key.key.clone()), Select::Arn(live.id.clone())]
            .into_iter()
            .filter_map(|select| self.index.by_ask.get(&(scope.clone(), Ask { kind, select })))
            .flatten();
        let mut found: Vec<&Arc<Declared>> = direct.collect();
        let indirect = self.index.indirect.get(scope).into_iter().flatten();
        for declared in indirect.filter(|declared| declared.kind.name() == kind) {
            match self.world.sight(declared.kind, scope, &declared.ask()) {
                Sight::Present(other, _) if other.id == live.id => found.push(declared),
                Sight::Present(..) | Sight::Absent(..) => {}
                Sight::Unknown(failure) => {
                    let detail = format!("{} might declare it, but cannot be looked up: {failure}", declared.name);
                    return Err(Failure::new(failure.reason, detail));
                }
            }
        }
        Ok(found)
    }

    /// A live thing that refers to `live` and is not its `own`; every scope that could hold one must
    /// have been read whole.
    fn referrer(
        &self,
        scope: &ScopeKey,
        live: &Live,
        own: impl Fn(&ScopeKey, &Live) -> Result<bool, Failure>,
    ) -> Result<Option<&'a Live>, Doubt> {
        if live.addresses.is_empty() {
            return Ok(None);
        }
        let neighbour = |other: &ScopeKey| other.account == scope.account && other.region == scope.region;
        let may_refer = |other: &&ScopeKey| match other.kind {
            ScopeKind::HostedZone | ScopeKind::HealthChecks => true,
            ScopeKind::EcsCluster => matches!(live.key.kind, "LoadBalancer" | "TargetGroup") && neighbour(other),
            ScopeKind::LoadBalancers => live.key.kind == "TargetGroup" && neighbour(other),
            _ => false,
        };
        for other in self.index.scopes.keys().filter(may_refer) {
            match self.world.reading(other) {
                Ok(reading) if reading.complete && reading.listed => {}
                Ok(_) => {
                    let detail = format!("{other} is not listed whole yet: something there might refer to it");
                    return Err((Failure::new(Reason::Unconfirmed, detail), BTreeSet::from([other.clone()])));
                }
                Err(failure) => {
                    let detail = format!("{other} cannot be read ({failure}): something there might refer to it");
                    return Err((Failure::new(failure.reason, detail), BTreeSet::new()));
                }
            }
        }
        let referrers = self.references.get_or_init(|| self.references());
        let found = live.addresses.iter().filter_map(|address| referrers.get(&**address)).flatten();
        let mut doubt = None;
        for (at, referrer) in found.filter(|(_, referrer)| referrer.id != live.id) {
            match own(at, referrer) {
                Ok(true) => {}
                Ok(false) => return Ok(Some(referrer)),
                Err(failure) => doubt = Some(failure),
            }
        }
        match doubt {
            Some(failure) => Err((failure, BTreeSet::new())),
            None => Ok(None),
        }
    }

    /// Whether it is there for this parent alone, and nothing outside the group needs it: what
    /// stays keeps what it refers to. `path` are the things that led here.
    fn is_leftover_of(
        &self,
        scope: &ScopeKey,
        live: &Live,
        parent: &Parent,
        path: &[Arc<str>],
    ) -> Result<bool, Failure> {
        match self.claimants(scope, live) {
            Claimants::Parents(parents) if parents.len() == 1 && parents.contains(parent) => {}
            Claimants::Parents(_) | Claimants::Living => return Ok(false),
            // Neither a reason to call it needed nor one to call it left over.
            Claimants::Clouded(failure) => return Err(failure),
        }
        if path.contains(&live.id) {
            return Ok(true);
        }
        let path = [path, &[live.id.clone()][..]].concat();
        let outside = self.referrer(scope, live, |at, referrer| self.is_leftover_of(at, referrer, parent, &path));
        outside.map(|found| found.is_none()).map_err(|(failure, _)| failure)
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
