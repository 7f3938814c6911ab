//! Recall: which incarnation of each thing was seen, and what is proven gone.
//!
//! Decides what of a reading is worth remembering: things that somebody declares or claims, and
//! services and balancers, which others may point at. A thing is remembered as gone only by its
//! kind's own proof. `evaluate` calls it before it judges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::claims::ClaimIndex;
use super::drift::Drift;
use super::evaluate::{Input, guarded};
use super::identity::{Ask, ObjectKey, ScopeKey, ScopeKind, Select, spoken};
use super::index::Index;
use super::inventory;
use super::memory::{Mark, Memory, ObjectMemory, ScopeMemory, Watched};
use super::observation::{Live, Marked, Reading};
use super::world::{Sight, World, is_ghost};
use crate::kinds;

/// What is gone for so long is forgotten: clusters that run jobs see many names.
const FORGET_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Earlier names of one thing that are kept.
const FORMER_NAMES: usize = 16;

/// Brings the memory of objects up to date with the readings of these scopes.
pub fn remember(input: &Input<'_>, scopes: &BTreeSet<&ScopeKey>, claims: &ClaimIndex, memory: &mut Memory) {
    let world = World { observations: input.observations, memory: input.memory, now: input.now };
    for scope in scopes {
        let Ok(reading) = world.reading(scope) else {
            interrupt(scope, memory);
            continue;
        };
        // A bug in a kind's proof must not stop the others; what it would have said is not remembered.
        let Some(updates) = guarded(|| updates(input, &world, scope, reading, claims)) else { continue };
        let old = input.memory.scopes.get(*scope).map(|known| &known.objects);
        let expired = |object: &ObjectMemory| {
            object.gone_since.or(object.absent_since).is_some_and(|at| input.now.duration_since(at) > FORGET_AFTER)
        };
        let told = input.memory.scopes.get(*scope).map(|known| Told::of(known)).unwrap_or_default();
        let forgotten = |key: &ObjectKey, object: &ObjectMemory| expired(object) && !told.rests_on(key);
        let any_forgotten = old.is_some_and(|objects| objects.iter().any(|(key, object)| forgotten(key, object)));
        if updates.is_empty() && !any_forgotten {
            continue;
        }
        let objects = &mut Arc::make_mut(memory.scopes.entry((*scope).clone()).or_default()).objects;
        objects.extend(updates);
        objects.retain(|key, object| !forgotten(key, object));
    }
}

/// What inventories told of a scope, and remember it by.
#[derive(Default)]
struct Told<'a> {
    vanished: BTreeSet<(&'a str, &'a str)>,
    lost: bool,
}

impl<'a> Told<'a> {
    fn of(known: &'a ScopeMemory) -> Self {
        let vanished = known.findings.keys().filter(|key| key.drift == Drift::Vanished);
        Self {
            vanished: vanished.map(|key| (&*key.kind, &*key.name)).collect(),
            lost: known.census.values().any(|census| census.lost.is_some()),
        }
    }

    fn rests_on(&self, key: &ObjectKey) -> bool {
        self.lost || (!self.vanished.is_empty() && self.vanished.contains(&(key.kind, &*spoken(&key.key))))
    }
}

fn updates(
    input: &Input<'_>,
    world: &World<'_>,
    scope: &ScopeKey,
    reading: &Reading,
    claims: &ClaimIndex,
) -> BTreeMap<ObjectKey, ObjectMemory> {
    let none = BTreeMap::new();
    let known = input.memory.scopes.get(scope).map_or(&none, |known| &known.objects);
    let mut updates = BTreeMap::new();
    let home = input.index.scopes.get(scope).filter(|home| !home.inventories.is_empty());
    let declared =
        home.filter(|_| reading.listed).map(|home| inventory::declared(scope, home, input.index, reading, *world).keys);
    let watched = |key: &ObjectKey| match &declared {
        None => Watched::No,
        Some(declared) if declared.contains(key) => Watched::Declared,
        Some(_) => Watched::Stranger,
    };
    for (key, live) in &reading.objects {
        let before = known.get(key);
        let is_same = |before: &&ObjectMemory| before.id == live.id && before.incarnation == live.incarnation;
        let same = before.filter(is_same);
        let watched = match watched(key) {
            // A reading that listed nothing says nothing new about it.
            Watched::No => before.map_or(Watched::No, |before| before.watched),
            watched => watched,
        };
        let marks = match same {
            // A reading that contradicts itself tells of no part what became of it.
            Some(same) if !reading.complete => same.marks.clone(),
            same => marks(same, reading.marks.get(key), reading),
        };
        let unmarked = same.is_none_or(|same| same.marks == marks);
        let known_so = unmarked && same.is_some_and(|same| same.gone_since.is_none() && same.watched == watched);
        if known_so || !is_worth_it(input.index, claims, scope, live) {
            continue;
        }
        let ghost = |before: &ObjectMemory| {
            kinds::find(key.kind).is_some_and(|entry| is_ghost(entry.kind, before, live, reading))
        };
        if before.is_some_and(ghost) {
            continue;
        }
        // An item's incarnation is all that it says: it lives on when somebody writes to it.
        let lives_on = |before: &&ObjectMemory| {
            before.gone_since.is_none() && (is_same(before) || (before.id == live.id && key.kind == "TableItem"))
        };
        let addresses = if scope.kind == ScopeKind::LoadBalancers { live.addresses.to_vec() } else { Vec::new() };
        let object = ObjectMemory {
            id: live.id.clone(),
            incarnation: live.incarnation.clone(),
            former: before.map(|before| former(before, &addresses)).unwrap_or_default(),
            addresses,
            first_seen: before.filter(lives_on).map_or(reading.finished, |before| before.first_seen),
            marks,
            watched,
            absent_since: None,
            gone_since: None,
        };
        updates.insert(key.clone(), object);
    }
    let proven = |key: &ObjectKey| {
        let ask = Ask::of(key);
        matches!(world.sight_of(scope, &ask), Some(Sight::Absent(..)))
    };
    for (key, before) in known.iter().filter(|(key, _)| !reading.objects.contains_key(*key)) {
        let proven = proven(key);
        let absent_since = if proven { before.absent_since.or(Some(reading.finished)) } else { None };
        let gone_since = before.gone_since.or(absent_since.filter(|_| !before.id.is_empty()));
        if (absent_since, gone_since) != (before.absent_since, before.gone_since) {
            updates.insert(key.clone(), ObjectMemory { absent_since, gone_since, ..before.clone() });
        }
    }
    for key in reading.answers.keys().filter_map(asked_key).filter(|key| !known.contains_key(key)) {
        if proven(&key) {
            updates.insert(key, never_seen(reading.finished));
        }
    }
    updates
}

/// The marks of a thing that is there: what is as it was keeps its time, and so does what this
/// reading does not tell. Of a thing that is seen for the first time nobody knows since when it has
/// been so.
fn marks(
    before: Option<&ObjectMemory>,
    told: Option<&BTreeMap<Arc<str>, Marked>>,
    reading: &Reading,
) -> BTreeMap<Arc<str>, Mark> {
    let mut marks = before.map(|before| before.marks.clone()).unwrap_or_default();
    for (name, part) in told.into_iter().flatten() {
        let (value, since) = (part.value.clone(), reading.finished);
        match marks.get_mut(name) {
            Some(known) if known.value == value => {}
            Some(known) => {
                let after = part.before.filter(|last| *last >= known.since).unwrap_or(known.since);
                *known = Mark { value, since, after: Some(after) };
            }
            None => {
                // It is new to a thing that is known; when a reader tells it for the first time, it
                // may always have been there.
                let after = before.and(part.before);
                marks.insert(name.clone(), Mark { value, since, after });
            }
        }
    }
    marks
}

fn asked_key(ask: &Ask) -> Option<ObjectKey> {
    match &ask.select {
        Select::Key(key) => Some(ObjectKey { kind: ask.kind, key: key.clone() }),
        Select::Arn(_) | Select::Alias(_) | Select::ReferencedBy(..) => None,
    }
}

/// A thing that was only ever proven absent.
fn never_seen(at: Timestamp) -> ObjectMemory {
    ObjectMemory {
        id: "".into(),
        incarnation: None,
        addresses: Vec::new(),
        former: Vec::new(),
        first_seen: at,
        marks: BTreeMap::new(),
        watched: Watched::No,
        absent_since: Some(at),
        gone_since: None,
    }
}

/// A reading that failed ends every run of proofs.
fn interrupt(scope: &ScopeKey, memory: &mut Memory) {
    let Some(known) = memory.scopes.get_mut(scope) else { return };
    if known.objects.values().any(|object| object.absent_since.is_some()) {
        for object in Arc::make_mut(known).objects.values_mut() {
            object.absent_since = None;
        }
    }
}

/// What a thing was called before and is not called now, newest last.
fn former(before: &ObjectMemory, now: &[Arc<str>]) -> Vec<Arc<str>> {
    let all = before.former.iter().chain(&before.addresses).filter(|address| !now.contains(address));
    let all: Vec<Arc<str>> = all.cloned().collect();
    all.iter().skip(all.len().saturating_sub(FORMER_NAMES)).cloned().collect()
}

fn is_worth_it(index: &Index, claims: &ClaimIndex, scope: &ScopeKey, live: &Live) -> bool {
    let declared = |select| index.by_ask.contains_key(&(scope.clone(), Ask { kind: live.key.kind, select }));
    matches!(scope.kind, ScopeKind::EcsCluster | ScopeKind::LoadBalancers | ScopeKind::CfOrganization)
        || index.is_watched(scope)
        || declared(Select::Key(live.key.key.clone()))
        || claims.parents(scope, live).next().is_some()
}
