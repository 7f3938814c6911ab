//! Inventories: what lives in a scope undeclared, what of it vanished, and when too much is gone.
//!
//! Decides `unexpected` (live, undeclared, in an exhaustive inventory), `vanished` (undeclared, was
//! there, proven gone) and mass loss, which is one finding however much is lost. A thing that any
//! environment declares, or that an item of a readable StateTable names, is nobody's stranger.
//! While anything that could declare or claim it cannot be read, nothing new is said. `evaluate`
//! calls it for every scope that may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::desired::{Census, Exception, Inventory};
use super::drift::{Drift, Finding, FindingKey, Root, Severity};
use super::identity::{Ask, ObjectKey, ScopeKey, Select, spoken};
use super::index::Home;
use super::items::Named;
use super::memory::{CensusMemory, ObjectMemory, ScopeMemory};
use super::observation::{Failure, Live, Reading, Reason};
use super::unit::{Bench, Unit};
use super::world::Sight;
use crate::kinds;

/// Change points of a census that are kept; more are merged, the higher count winning.
const MOST_COUNTS: usize = 128;

/// Names of lost things in a message.
const NAMED: usize = 5;

/// The live things of a scope that nobody accounts for, and why that may not be all.
pub struct Undeclared<'a> {
    /// Them.
    pub strangers: Vec<&'a Arc<Live>>,
    /// Why nobody can say that there are no others, or that these are ones.
    pub doubt: Option<Failure>,
}

/// What of a reading nobody accounts for: no declaration of any environment, no item of a table.
pub fn undeclared<'a>(scope: &ScopeKey, home: &Home, reading: &'a Reading, bench: &Bench<'_>) -> Undeclared<'a> {
    let mut keys: BTreeSet<ObjectKey> = BTreeSet::new();
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    let mut doubt = None;
    for declared in &home.resources {
        let kind = declared.kind.name();
        match &declared.select {
            Select::Key(key) => {
                keys.insert(ObjectKey { kind, key: key.clone() });
            }
            Select::Arn(arn) => {
                ids.insert(arn);
            }
            Select::Alias(_) | Select::ReferencedBy(..) => match bench.world.resolve(&declared.ask()) {
                Ok(ask) => keys.extend(reading.find(&ask).into_iter().map(|live| live.key.clone())),
                Err(failure) => doubt = Some(failure),
            },
        }
    }
    let claims = bench.leftovers.claims;
    // A table's items are what its deployer keeps there.
    let own_items = !home.tables.is_empty();
    let accounted = |live: &Live| {
        keys.contains(&live.key)
            || ids.contains(&*live.id)
            || own_items
            || is_built_in(scope, live)
            || claims.is_parent(scope, &live.key)
            || claims.parents(scope, live).next().is_some()
            || claims.is_clouded(scope, live)
    };
    let strangers = reading.objects.values().filter(|live| !accounted(live)).collect();
    let doubt = doubt.or_else(|| unread_claims(scope, bench)).or_else(|| unread_roots(bench));
    Undeclared { strangers, doubt }
}

/// Every zone has its apex NS and SOA.
fn is_built_in(scope: &ScopeKey, live: &Live) -> bool {
    let mut parts = live.key.key.split('|');
    live.key.kind == kinds::dns_record::KIND
        && parts.next() == Some(&*scope.thing)
        && matches!(parts.next(), Some("NS" | "SOA"))
}

/// A table that may name things of this scope and cannot be read now.
fn unread_claims(scope: &ScopeKey, bench: &Bench<'_>) -> Option<Failure> {
    bench
        .leftovers
        .desired
        .tables
        .iter()
        .filter(|table| table.parent_scope == *scope || table.pieces.iter().any(|piece| piece.scope == *scope))
        .find_map(|table| {
            let failure = match bench.world.reading(&table.declared.scope) {
                Ok(reading) if reading.listed => return None,
                Ok(_) => Failure::new(Reason::Incomplete, "it was not scanned yet"),
                Err(failure) => failure,
            };
            let detail = format!(
                "the table {} may name things here, and cannot be read: {}",
                table.declared.scope.thing, failure.detail
            );
            Some(Failure::new(failure.reason, detail))
        })
}

/// A root that was never accepted may declare anything.
fn unread_roots(bench: &Bench<'_>) -> Option<Failure> {
    let root = bench.leftovers.desired.unread_roots.first()?;
    Some(Failure::new(Reason::Incomplete, format!("what {root} declares is not known: it was rejected")))
}

/// The next census of an inventory. A reading that failed leaves it as it is.
pub fn count(inventory: &Inventory, bench: &Bench<'_>, memory: Option<&ScopeMemory>) -> CensusMemory {
    let declared = &inventory.declared;
    let known = memory.and_then(|memory| memory.census.get(&(declared.environment.clone(), declared.name.clone())));
    let known = known.filter(|known| known.digest == declared.digest);
    let reading = bench.world.reading(&declared.scope).ok().filter(|reading| reading.complete && reading.listed);
    let Some(reading) = reading else {
        return known.cloned().unwrap_or_else(|| CensusMemory::begin(declared.digest, bench.world.now));
    };
    let mut next = known.cloned().unwrap_or_else(|| CensusMemory::begin(declared.digest, reading.finished));
    let Some(census) = &inventory.rules.census else { return next };
    let counted = standing(inventory, reading, bench);
    if next.counts.last().is_none_or(|(_, last)| *last != counted) {
        next.counts.push((reading.finished, counted));
    }
    forget_counts(&mut next.counts, census, reading.finished);
    let most = next.counts.iter().map(|(_, count)| *count).max().unwrap_or(counted);
    match next.lost {
        None if most >= census.floor && is_mass_loss(census, most, counted) => {
            next.lost = Some((most, reading.finished));
        }
        Some((before, _)) if !is_mass_loss(census, before, counted) => {
            next.lost = None;
            next.counts = vec![(reading.finished, counted)];
        }
        _ => {}
    }
    next
}

fn is_mass_loss(census: &Census, before: u32, now: u32) -> bool {
    u64::from(now) * 100 < u64::from(before) * u64::from(100 - census.max_drop.min(100))
}

/// What is there, or not proven gone.
fn standing(inventory: &Inventory, reading: &Reading, bench: &Bench<'_>) -> u32 {
    let counted = |key: &ObjectKey| exception(&inventory.rules.except, key).is_none();
    let present = reading.objects.keys().filter(|key| counted(key)).count();
    let objects = bench.world.memory.scopes.get(&inventory.declared.scope).map(|memory| &memory.objects);
    let unproven = objects.into_iter().flatten().filter(|(key, object)| {
        object.gone_since.is_none()
            && object.absent_since.is_none()
            && !object.id.is_empty()
            && !reading.objects.contains_key(*key)
            && counted(key)
    });
    u32::try_from(present + unproven.count()).unwrap_or(u32::MAX)
}

/// Keeps what was in force at the beginning of the window, and all since.
fn forget_counts(counts: &mut Vec<(Timestamp, u32)>, census: &Census, now: Timestamp) {
    let start = now.saturating_sub(census.over).unwrap_or(Timestamp::MIN);
    let before = counts.iter().filter(|(at, _)| *at <= start).count();
    counts.drain(..before.saturating_sub(1));
    while counts.len() > MOST_COUNTS {
        let (at, count) = counts.remove(1);
        if let Some(next) = counts.get_mut(1) {
            *next = (at, count.max(next.1));
        }
    }
}

/// The exception that a thing falls under.
fn exception<'a>(exceptions: &'a [Exception], key: &ObjectKey) -> Option<&'a Exception> {
    let name = key.key.split('|').next().unwrap_or_default();
    exceptions.iter().find(|exception| {
        exception.kind.is_none_or(|kind| kind == key.kind)
            && (exception.glob.matches(name) || exception.glob.matches(&spoken(&key.key)))
    })
}

/// One inventory at its scope.
pub struct Count<'a, 'w> {
    /// What it says.
    pub inventory: &'a Inventory,
    /// Its scope.
    pub home: &'a Home,
    /// What judging needs.
    pub bench: &'a Bench<'w>,
    /// What was remembered.
    pub memory: Option<&'a ScopeMemory>,
    /// Its next census.
    pub census: &'a CensusMemory,
}

impl Count<'_, '_> {
    /// The inventory itself, and everything there is something to say about.
    pub fn judge(&self, undeclared: Option<&Undeclared<'_>>) -> Vec<Named> {
        let scope = &self.inventory.declared.scope;
        let (reading, undeclared) = match (self.bench.world.reading(scope), undeclared) {
            (Ok(reading), Some(undeclared)) if reading.complete && reading.listed => (reading, undeclared),
            (Ok(_), _) => return self.blind(&Failure::new(Reason::Incomplete, "it was not listed yet")),
            (Err(failure), _) => return self.blind(&failure),
        };
        let mut own = Unit { unknown: undeclared.doubt.clone(), ..Unit::default() };
        own.findings.extend(self.mass_loss(reading));
        let mut named = vec![self.named(KIND, self.inventory.declared.name.clone(), own)];
        named.extend(self.strangers(reading, undeclared));
        named.extend(self.vanished(reading));
        named
    }

    /// Nothing is known: what was open is held.
    pub fn blind(&self, failure: &Failure) -> Vec<Named> {
        let held = |finding: &Arc<Finding>| Finding { held: true, ..(**finding).clone() };
        let unknown = Unit { unknown: Some(failure.clone()), ..Unit::default() };
        let mut own = unknown.clone();
        own.findings.extend(self.open_loss().map(held));
        let mut named = vec![self.named(KIND, self.inventory.declared.name.clone(), own)];
        named.extend(self.open().filter_map(|finding| {
            let kind = kinds::find(&finding.key.kind)?.kind.name();
            let unit = Unit { findings: vec![held(finding)], ..unknown.clone() };
            Some(self.named(kind, finding.key.name.clone(), unit))
        }));
        named
    }

    fn mass_loss(&self, reading: &Reading) -> Option<Finding> {
        let (census, (before, at)) = (self.inventory.rules.census.as_ref()?, self.census.lost?);
        let left = standing(self.inventory, reading, self.bench);
        let lost = before.saturating_sub(left);
        let from = at.saturating_sub(census.over).unwrap_or(at);
        let mut gone: Vec<String> = self
            .objects()
            .filter(|(_, object)| object.gone_since.is_some_and(|gone| gone >= from))
            .map(|(key, _)| spoken(&key.key))
            .collect();
        gone.truncate(NAMED);
        let names = if gone.is_empty() { String::new() } else { format!(": {}, …", gone.join(", ")) };
        let message = format!(
            "{lost} of {before} are gone ({} %; more than {} % within {:#}){names}; {left} are left",
            u64::from(lost) * 100 / u64::from(before.max(1)),
            census.max_drop,
            census.over,
        );
        let key = self.key(KIND, self.inventory.declared.name.clone(), Drift::Vanished);
        let mut finding = self.finding(key, self.inventory.declared.id.clone(), message, at);
        finding.decides = self.inventory.rules.decides;
        finding.works = left > 0;
        let class = self.bench.class(&self.inventory.declared.environment);
        let vital = self.inventory.declared.policy.vital || finding.decides;
        finding.severity = self.inventory.declared.policy.severity.unwrap_or(Drift::Missing.severity(vital, class));
        Some(finding)
    }

    /// What is live and undeclared, and not excepted.
    fn strangers(&self, reading: &Reading, undeclared: &Undeclared<'_>) -> Vec<Named> {
        let rules = &self.inventory.rules;
        let mut named = Vec::new();
        for live in &undeclared.strangers {
            let first_seen = self.remembered(&live.key).map_or(reading.finished, |object| object.first_seen);
            let exception = exception(&rules.except, &live.key);
            let until = exception
                .and_then(|exception| exception.at_most)
                .map(|most| (first_seen.saturating_add(most).unwrap_or(Timestamp::MAX), most));
            let message = match (exception, until) {
                (Some(_), None) => continue,
                (Some(_), Some((until, most))) if until > self.bench.world.now => {
                    let message = format!("undeclared, which is allowed for {most:#}");
                    let unit = Unit { converging: Some((until, message)), ..Unit::default() };
                    named.push(self.named(live.key.kind, self.name_of(live), unit));
                    continue;
                }
                (Some(_), Some((_, most))) => format!("undeclared, and there for more than the {most:#} allowed"),
                (None, _) if rules.exhaustive => "live, but no manifest declares it".to_owned(),
                (None, _) => continue,
            };
            let key = self.key(live.key.kind, self.name_of(live), Drift::Unexpected);
            let unit = match (&undeclared.doubt, self.open_as(&key).filter(|open| open.id == live.id)) {
                // Somebody who cannot be read may have declared it.
                (Some(_), None) => continue,
                (Some(failure), Some(open)) => Unit {
                    findings: vec![Finding { held: true, ..(**open).clone() }],
                    unknown: Some(failure.clone()),
                    ..Unit::default()
                },
                (None, _) => {
                    let finding = self.finding(key, live.id.clone(), message, first_seen);
                    Unit { findings: vec![finding], ..Unit::default() }
                }
            };
            named.push(self.named(live.key.kind, self.name_of(live), unit));
        }
        named
    }

    /// What was there undeclared, and is proven gone. Mass loss speaks for all that went with it.
    fn vanished(&self, reading: &Reading) -> Vec<Named> {
        if !self.inventory.rules.vanished {
            return Vec::new();
        }
        let mut named = Vec::new();
        let mut judged: BTreeSet<Arc<str>> = BTreeSet::new();
        let declared = |key: &ObjectKey, id: &str| {
            self.home.resources.iter().any(|declared| {
                declared.kind.name() == key.kind
                    && match &declared.select {
                        Select::Key(name) => *name == key.key,
                        _ => *declared.id == *id,
                    }
            })
        };
        let watched = |key: &ObjectKey| exception(&self.inventory.rules.except, key).is_none();
        for (key, object) in self.objects() {
            let gone = object.gone_since.or(object.absent_since).filter(|gone| *gone > self.census.since);
            let (Some(gone), false) = (gone, reading.objects.contains_key(key)) else { continue };
            if object.id.is_empty() || declared(key, &object.id) || !watched(key) {
                continue;
            }
            let name: Arc<str> = spoken(&key.key).into();
            let finding_key = self.key(key.kind, name.clone(), Drift::Vanished);
            let open = self.open_as(&finding_key);
            if open.is_none() && self.census.lost.is_some() {
                continue;
            }
            let ask = Ask { kind: key.kind, select: Select::Key(key.key.clone()) };
            let unit = match self.bench.world.sight_of(&self.inventory.declared.scope, &ask) {
                Some(Sight::Absent(proof, _)) => {
                    let message = format!("undeclared, but it was there: {}", proof.sentence);
                    let mut finding = self.finding(finding_key.clone(), object.id.clone(), message, gone);
                    finding.works = false;
                    Unit { findings: vec![finding], ..Unit::default() }
                }
                Some(Sight::Unknown(failure)) => match open {
                    Some(open) => Unit {
                        findings: vec![Finding { held: true, ..(**open).clone() }],
                        unknown: Some(failure),
                        ..Unit::default()
                    },
                    None => continue,
                },
                _ => continue,
            };
            judged.insert(name.clone());
            named.push(self.named(key.kind, name, unit));
        }
        // What memory no longer knows stays until it is back, declared or excepted.
        let present: BTreeSet<String> = reading.objects.keys().map(|key| spoken(&key.key)).collect();
        for open in self.open().filter(|open| open.key.drift == Drift::Vanished) {
            let Some(entry) = kinds::find(&open.key.kind) else { continue };
            let key = ObjectKey::new(entry.kind.name(), &open.key.name);
            let remembered = self.objects().any(|(known, _)| spoken(&known.key) == *open.key.name);
            if judged.contains(&open.key.name) || remembered || present.contains(&*open.key.name) {
                continue;
            }
            if watched(&key) && !declared(&key, &open.id) {
                let unit = Unit { findings: vec![(**open).clone()], ..Unit::default() };
                named.push(self.named(entry.kind.name(), open.key.name.clone(), unit));
            }
        }
        named
    }

    fn objects(&self) -> impl Iterator<Item = (&ObjectKey, &ObjectMemory)> {
        let memory = self.bench.world.memory.scopes.get(&self.inventory.declared.scope);
        memory.into_iter().flat_map(|memory| &memory.objects)
    }

    fn remembered(&self, key: &ObjectKey) -> Option<&ObjectMemory> {
        self.bench.world.memory.object(&self.inventory.declared.scope, key)
    }

    /// What a stranger is called in reports; by its id where a declaration has that name.
    fn name_of(&self, live: &Live) -> Arc<str> {
        let name = spoken(&live.key.key);
        let taken = self.home.resources.iter().any(|declared| {
            declared.environment == self.inventory.declared.environment
                && declared.kind.name() == live.key.kind
                && *declared.name == *name
        });
        if taken { live.id.clone() } else { name.into() }
    }

    /// Open findings of this inventory, mass loss aside.
    fn open(&self) -> impl Iterator<Item = &Arc<Finding>> {
        let root = self.root();
        self.memory.into_iter().flat_map(|memory| memory.findings.values()).filter(move |finding| {
            let key = &finding.key;
            matches!(key.drift, Drift::Unexpected | Drift::Vanished)
                && key.environment == self.inventory.declared.environment
                && *key.kind != *KIND
                && finding.root == root
        })
    }

    fn open_loss(&self) -> Option<&Arc<Finding>> {
        self.open_as(&self.key(KIND, self.inventory.declared.name.clone(), Drift::Vanished))
    }

    fn open_as(&self, key: &FindingKey) -> Option<&Arc<Finding>> {
        self.memory?.findings.get(key)
    }

    fn root(&self) -> Root {
        root(self.inventory)
    }

    fn key(&self, kind: &str, name: Arc<str>, drift: Drift) -> FindingKey {
        FindingKey { environment: self.inventory.declared.environment.clone(), kind: kind.into(), name, drift }
    }

    fn named(&self, kind: &'static str, name: Arc<str>, unit: Unit) -> Named {
        let declared = &self.inventory.declared;
        Named { kind, name, scope: declared.scope.clone(), application: declared.application.clone(), unit }
    }

    fn finding(&self, key: FindingKey, id: Arc<str>, message: String, seen: Timestamp) -> Finding {
        let declared = &self.inventory.declared;
        let default: Severity = key.drift.severity(false, self.bench.class(&declared.environment));
        let before = self.open_as(&key).filter(|open| open.id == id);
        Finding {
            severity: declared.policy.severity.unwrap_or(default),
            since: before.map_or(seen, |open| open.since),
            id,
            scope: declared.scope.clone(),
            application: declared.application.clone(),
            message: message.into(),
            held: false,
            fields: Vec::new(),
            root: self.root(),
            source: Some(declared.source.clone()),
            vital: false,
            works: true,
            decides: false,
            runbook: declared.policy.runbook.clone(),
            redeploy: declared.policy.redeploy.clone(),
            key,
        }
    }
}

/// The kind's name.
pub const KIND: &str = kinds::inventory::KIND;

/// What an inventory's findings are grouped under.
pub fn root(inventory: &Inventory) -> Root {
    Root { kind: KIND.into(), name: inventory.declared.name.clone() }
}

/// Mass losses by environment: what went missing with them belongs to them.
pub type Losses = BTreeMap<Arc<str>, (Root, Timestamp)>;

/// The mass losses among these censuses, with the time from which a loss belongs to each.
pub fn losses<'a>(counted: impl Iterator<Item = (&'a Inventory, &'a CensusMemory)>) -> Losses {
    counted
        .filter_map(|(inventory, memory)| {
            let (census, (_, at)) = (inventory.rules.census.as_ref()?, memory.lost?);
            let from = at.saturating_sub(census.over).unwrap_or(at);
            Some((inventory.declared.environment.clone(), (root(inventory), from)))
        })
        .collect()
}
