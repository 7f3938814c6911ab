//! Strangers: live things that nobody accounts for.
//!
//! Decides who accounts for a thing: a declaration of any environment, by whatever name it finds
//! it (of an application of a foundation, in its organisation); an item of a StateTable, as the
//! parent it was written for or a piece that it names; a balancer that is accounted for, for its
//! target groups; an open orphan. While one of them cannot be read, what it might account for is
//! doubted.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::core::drift::Drift;
use crate::core::identity::{ObjectKey, ScopeKey, ScopeKind, Select};
use crate::core::index::{Home, Index};
use crate::core::observation::{Failure, Live, Reading, Reason};
use crate::core::unit::Bench;
use crate::core::world::{Sight, World};
use crate::kinds::{self, app, buildpacks};

/// A live thing that nobody accounts for.
pub struct Stranger<'a> {
    /// It.
    pub live: &'a Arc<Live>,
    /// Why somebody who cannot be understood might.
    pub doubt: Option<Failure>,
}

/// The strangers of a scope, and why that may not be all.
pub struct Undeclared<'a> {
    /// Them.
    pub strangers: Vec<Stranger<'a>>,
    /// Why nobody can say of any that it is one.
    pub doubt: Option<Failure>,
    /// Tables that may name things here, with the time from which their items were read.
    heard: Vec<(ScopeKey, Timestamp)>,
}

impl Undeclared<'_> {
    /// Tables that were read before a thing was first seen: a newer item may name it.
    pub fn behind(&self, first_seen: Timestamp) -> BTreeSet<ScopeKey> {
        self.heard.iter().filter(|(_, heard)| *heard <= first_seen).map(|(table, _)| table.clone()).collect()
    }
}

/// What declarations of all environments account for.
pub struct Declared {
    /// By key, of what the reading has and of what it should have.
    pub keys: BTreeSet<ObjectKey>,
    /// Why there may be more.
    doubt: Option<Failure>,
}

/// What is declared in a scope, by the keys of what is there.
pub fn declared(scope: &ScopeKey, home: &Home, index: &Index, reading: &Reading, world: World<'_>) -> Declared {
    let mut all = Declared { keys: BTreeSet::new(), doubt: None };
    for declared in &home.resources {
        let kind = declared.kind.name();
        if let Select::Key(key) = &declared.select {
            all.keys.insert(ObjectKey { kind, key: key.clone() });
            continue;
        }
        let found = match world.resolve(&declared.ask()) {
            Ok(ask) => reading.find(&ask),
            Err(failure) => {
                all.doubt = Some(failure);
                continue;
            }
        };
        if found.is_empty()
            && let Sight::Unknown(failure) = world.sight(declared.kind, scope, &declared.ask())
        {
            all.doubt = Some(failure);
        }
        all.keys.extend(found.into_iter().map(|live| live.key.clone()));
    }
    if scope.kind == ScopeKind::CfFoundation {
        let here = reading.objects.keys().filter(|key| key.kind == app::KIND && is_declared(index, scope, key));
        all.keys.extend(here.cloned());
    }
    all
}

/// Whether a manifest declares, by its key, what has this key: here, or where it lies.
pub(super) fn is_declared(index: &Index, scope: &ScopeKey, key: &ObjectKey) -> bool {
    index.declares(scope, key)
        || elsewhere(scope, key).is_some_and(|(organization, key)| {
            // Cloud Foundry does not tell organisations apart by case; manifests may write any.
            let mut scopes = index.scopes.keys().filter(|known| is_same(known, &organization));
            scopes.any(|known| index.declares(known, &key))
        })
}

fn is_same(one: &ScopeKey, other: &ScopeKey) -> bool {
    one.kind == other.kind && one.account == other.account && one.thing.eq_ignore_ascii_case(&other.thing)
}

/// The scope that an application of a foundation is declared in, and its key there.
fn elsewhere(scope: &ScopeKey, key: &ObjectKey) -> Option<(ScopeKey, ObjectKey)> {
    if scope.kind != ScopeKind::CfFoundation || key.kind != app::KIND {
        return None;
    }
    let (organization, within) = key.key.split_once('/')?;
    let home = ScopeKey::new(ScopeKind::CfOrganization, &scope.account, &scope.region, organization);
    Some((home, ObjectKey::new(app::KIND, within)))
}

/// The strangers of a listed reading.
pub fn undeclared<'a>(scope: &ScopeKey, home: &Home, reading: &'a Reading, bench: &Bench<'_>) -> Undeclared<'a> {
    let Declared { keys, doubt } = declared(scope, home, bench.leftovers.index, reading, bench.world);
    let claims = bench.leftovers.claims;
    // A table's items are what its deployer keeps there.
    let own_items = !home.tables.is_empty();
    let by_itself = |live: &Live| {
        keys.contains(&live.key)
            || own_items
            || is_built_in(scope, live)
            || claims.is_parent(scope, &live.key)
            || claims.parents(scope, live).next().is_some()
    };
    let (mut accounted, mut others): (Vec<&Arc<Live>>, Vec<&Arc<Live>>) =
        reading.objects.values().partition(|live| by_itself(live));
    if !others.is_empty() {
        let orphans = orphans(scope, bench);
        accounted.extend(others.extract_if(.., |live| orphans.contains(&*live.id)));
    }
    let behind: BTreeSet<&str> = accounted
        .iter()
        .flat_map(|live| &live.references)
        .filter_map(|reference| reference.strip_prefix("targetgroup:"))
        .collect();
    let strangers = others.into_iter().filter(|live| !behind.contains(&*live.id)).map(|live| {
        let clouded = claims.is_clouded(scope, live);
        let detail = "an item that cannot be understood may name it";
        Stranger { live, doubt: clouded.then(|| Failure::new(Reason::BadItem, detail)) }
    });
    let strangers = strangers.collect();
    let (heard, unread) = tables(scope, bench);
    Undeclared { strangers, doubt: doubt.or(unread).or_else(|| unread_roots(bench)), heard }
}

/// Every zone has its apex NS and SOA, and every foundation the order of its buildpacks.
fn is_built_in(scope: &ScopeKey, live: &Live) -> bool {
    if buildpacks::is_order(&live.key) {
        return true;
    }
    let mut parts = live.key.key.split('|');
    live.key.kind == kinds::dns_record::KIND
        && parts.next() == Some(&*scope.thing)
        && matches!(parts.next(), Some("NS" | "SOA"))
}

/// Ids of things here that are open orphans: a better word for them was found.
fn orphans<'a>(scope: &ScopeKey, bench: &Bench<'a>) -> BTreeSet<&'a str> {
    let findings = bench.world.memory.scopes.values().flat_map(|memory| memory.findings.values());
    let here = findings.filter(|finding| finding.key.drift == Drift::Orphaned && finding.scope == *scope);
    here.map(|finding| &*finding.id).collect()
}

/// Tables that may name things of this scope, and why one of them cannot be heard.
fn tables(scope: &ScopeKey, bench: &Bench<'_>) -> (Vec<(ScopeKey, Timestamp)>, Option<Failure>) {
    let (mut heard, mut unread) = (Vec::new(), None);
    let tables = bench.leftovers.desired.tables.iter();
    let concerned =
        tables.filter(|table| table.parent_scope == *scope || table.pieces.iter().any(|piece| piece.scope == *scope));
    for table in concerned {
        let home = &table.declared.scope;
        let failure = match bench.world.reading(home) {
            Ok(reading) if reading.listed => {
                heard.push((home.clone(), reading.listed_at.unwrap_or(reading.started)));
                continue;
            }
            Ok(_) => Failure::new(Reason::Incomplete, "it was not scanned yet"),
            Err(failure) => failure,
        };
        let detail = format!("the table {} may name things here, and cannot be read: {}", home.thing, failure.detail);
        unread = Some(Failure::new(failure.reason, detail));
    }
    (heard, unread)
}

/// A root that was never accepted may declare anything.
fn unread_roots(bench: &Bench<'_>) -> Option<Failure> {
    let root = bench.leftovers.desired.unread_roots.first()?;
    Some(Failure::new(Reason::Incomplete, format!("what {root} declares is not known: it was rejected")))
}
