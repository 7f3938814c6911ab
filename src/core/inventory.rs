//! Inventories: what lives in a scope undeclared, what of it vanished, and when too much is gone.
//!
//! Decides `unexpected` (live, undeclared, in an exhaustive inventory), `vanished` (undeclared, was
//! there, proven gone) and mass loss, which is one finding however much is lost. Nothing is said
//! before everybody who could account for a thing was heard ([`strangers`]), and nothing ends
//! because a list lacks it. Of a scope an inventory may look at a part; what stays out of its sight
//! is not its matter. `evaluate` calls it for every scope that may have changed.

mod census;
mod exceptions;
mod strangers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

pub use census::{Losses, count, losses};
pub use strangers::{Undeclared, declared, undeclared};

use exceptions::exception;

use super::desired::Inventory;
use super::drift::{Drift, Finding, FindingKey, Root, Severity};
use super::identity::{Ask, ObjectKey, ScopeKind, Select, spoken};
use super::index::Home;
use super::items::Named;
use super::memory::{CensusMemory, ObjectMemory, ScopeMemory, Watched};
use super::observation::{Failure, Live, NamedAnswer, Reading, Reason};
use super::unit::{Bench, Unit, own_failure};
use super::world::Sight;
use crate::kinds::{self, app, buildpacks, table_item};

/// The kind's name.
pub const KIND: &str = kinds::inventory::KIND;

/// What an inventory's findings are grouped under.
pub fn root(inventory: &Inventory) -> Root {
    Root { kind: KIND.into(), name: inventory.declared.name.clone() }
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
            (Ok(reading), None) if reading.complete && reading.listed => return self.blind(&own_failure()),
            (Ok(_), _) => return self.blind(&Failure::new(Reason::Incomplete, "it was not listed yet")),
            (Err(failure), _) => return self.blind(&failure),
        };
        let invisible = self.invisible(reading);
        if let (Some(failure), Some(_)) = (&invisible, &self.inventory.rules.within.prefix) {
            return self.blind(failure);
        }
        let rules = &self.inventory.rules;
        let asks_who = rules.exhaustive || rules.except.iter().any(|exception| exception.at_most.is_some());
        let unknown = undeclared.doubt.clone().filter(|_| asks_who).or(invisible);
        let mut own = Unit { unknown, ..Unit::default() };
        own.findings.extend(self.mass_loss());
        let mut named = vec![self.named(KIND, self.inventory.declared.name.clone(), own)];
        let mut said = self.strangers(reading, undeclared);
        said.extend(self.unlisted(reading, &said));
        named.extend(said);
        named.extend(self.vanished(reading));
        named
    }

    /// Why nobody can say what became of a part of it: a space of Cloud Foundry that the role does
    /// not see (any more) shows nothing, and proves nothing.
    fn invisible(&self, reading: &Reading) -> Option<Failure> {
        if self.inventory.declared.scope.kind != ScopeKind::CfOrganization {
            return None;
        }
        let sees = |space: &str| reading.notes.contains_key(&*app::absence::space_note(space));
        let own = self.inventory.rules.within.prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'));
        let space = match own {
            Some(space) => (!sees(space)).then_some(space),
            None => {
                let there = self.objects().filter(|(_, object)| object.gone_since.is_none() && !object.id.is_empty());
                let mut spaces = there.filter_map(|(key, _)| Some(key.key.split_once('/')?.0));
                spaces.find(|space| !sees(space))
            }
        }?;
        let detail = format!("the space {space} is not visible: deleted, renamed, or the role was lost");
        Some(Failure::new(Reason::ContainerMissing, detail))
    }

    /// The same as part of the application that the thing belongs to, where a manifest declares that.
    fn of_its_app(&self, key: &ObjectKey, mut named: Named) -> Named {
        let ground = kinds::find(key.kind).and_then(|entry| entry.kind.stands_on(&Select::Key(key.key.clone())));
        let declared = &self.inventory.declared;
        let index = self.bench.leftovers.index;
        let whole = ground.and_then(|ask| index.declared_as(&declared.environment, &declared.scope, &ask));
        if let Some(whole) = whole {
            named.application = whole.application.clone();
            for finding in &mut named.unit.findings {
                finding.application = whole.application.clone();
            }
        }
        named
    }

    /// Until when something new may be the middle of an ordinary operation.
    fn unsettled(&self, kind: &str, since: Timestamp) -> Option<Timestamp> {
        let settles = kinds::find(kind)?.kind.settles();
        let until = since.saturating_add(settles).ok()?;
        (self.bench.patient && until > self.bench.world.now).then_some(until)
    }

    /// Nothing is known: what was open is held.
    pub fn blind(&self, failure: &Failure) -> Vec<Named> {
        let mut own = Unit { unknown: Some(failure.clone()), ..Unit::default() };
        own.findings.extend(self.open_loss().map(|finding| finding.as_held()));
        let mut named = vec![self.named(KIND, self.inventory.declared.name.clone(), own)];
        named.extend(self.open().filter_map(|finding| {
            let kind = kinds::find(&finding.key.kind)?.kind.name();
            Some(self.named(kind, finding.key.name.clone(), Unit::held(finding, failure.clone())))
        }));
        named
    }

    fn mass_loss(&self) -> Option<Finding> {
        let (census, lost) = (self.inventory.rules.census.as_ref()?, self.census.lost?);
        let mut gone: Vec<&ObjectKey> = census::gone_since(self.inventory, self.bench, lost.from).collect();
        let count = u32::try_from(gone.len()).unwrap_or(u32::MAX);
        gone.truncate(NAMED);
        let mut names = gone.iter().map(|key| spoken(&key.key)).collect::<Vec<_>>().join(", ");
        if count as usize > NAMED {
            names.push_str(", …");
        }
        let before = lost.before.max(1);
        let message = format!(
            "{count} of {before} are gone ({} %; more than {} % within {:#}): {names}; {} are left",
            u64::from(count) * 100 / u64::from(before),
            census.max_drop,
            census.over,
            before.saturating_sub(count),
        );
        let key = self.key(KIND, self.inventory.declared.name.clone(), Drift::Vanished);
        let mut finding = self.finding(key, self.inventory.declared.id.clone(), message, lost.at);
        finding.decides = self.inventory.rules.decides;
        finding.works = count < before;
        let class = self.bench.class(&self.inventory.declared.environment);
        let policy = &self.inventory.declared.policy;
        let default = Drift::Missing.severity(policy.vital || finding.decides, class);
        finding.severity = policy.severity.unwrap_or(default);
        Some(finding)
    }

    /// What is live and undeclared, and not excepted.
    fn strangers(&self, reading: &Reading, undeclared: &Undeclared<'_>) -> Vec<Named> {
        let rules = &self.inventory.rules;
        let taken = self.taken_names();
        let mut named = Vec::new();
        for stranger in &undeclared.strangers {
            let live = stranger.live;
            if !rules.within.covers(&live.key) {
                continue;
            }
            let first_seen = self.remembered(&live.key).map_or(reading.finished, |object| object.first_seen);
            let created = live.fields.value("createdAt").and_then(|value| value.as_text()?.parse::<Timestamp>().ok());
            let there_since = created.map_or(first_seen, |created| created.min(first_seen));
            let exception = exception(&rules.except, &live.key);
            let most = exception.and_then(|exception| exception.at_most);
            let until = most.map(|most| there_since.saturating_add(most).unwrap_or(Timestamp::MAX));
            let told = match exception {
                Some(_) => most.is_some(),
                None => rules.exhaustive,
            };
            if !told {
                continue;
            }
            let entry = kinds::find(live.key.kind);
            let Some(said) = entry.and_then(|entry| entry.kind.stranger(live, reading)) else { continue };
            let message = match (most, until) {
                (Some(most), Some(until)) if until > self.bench.world.now => {
                    let message = format!("undeclared, which is allowed for {most:#}");
                    let unit = Unit { converging: Some((until, message)), ..Unit::default() };
                    named.push(self.named(live.key.kind, name_of(live, &taken), unit));
                    continue;
                }
                (Some(most), _) => format!("{said}; it is there for longer than the {most:#} that are allowed"),
                (None, _) => said,
            };
            let name = name_of(live, &taken);
            let key = self.key(live.key.kind, name.clone(), Drift::Unexpected);
            let open = self.open_as(&key).filter(|open| open.id == live.id);
            // Somebody who cannot be read may have declared it.
            let doubt = undeclared.doubt.as_ref().or(stranger.doubt.as_ref());
            let behind = undeclared.behind(first_seen);
            let unit = match (doubt, open) {
                (Some(_), None) => continue,
                (Some(failure), Some(open)) => Unit::held(open, failure.clone()),
                (None, None) if self.bench.patient && !behind.is_empty() => {
                    let detail = "it is new: a scan will show whether an item names it";
                    let unknown = Some(Failure::new(Reason::Unconfirmed, detail));
                    Unit { unknown, wanted: behind, scan_after: Some(first_seen), ..Unit::default() }
                }
                (None, None) if let Some(until) = self.unsettled(live.key.kind, first_seen) => {
                    Unit { converging: Some((until, "new, and undeclared".to_owned())), ..Unit::default() }
                }
                (None, _) => {
                    let finding = self.finding(key, live.id.clone(), message, first_seen);
                    Unit { findings: vec![finding], ..Unit::default() }
                }
            };
            named.push(self.of_its_app(&live.key, self.named(live.key.kind, name, unit)));
        }
        named
    }

    /// Strangers that a list lacks are gone only by their kind's own proof.
    fn unlisted(&self, reading: &Reading, said: &[Named]) -> Vec<Named> {
        let said: BTreeSet<(&str, &str)> = said.iter().map(|named| (named.kind, &*named.name)).collect();
        let open = self
            .open()
            .filter(|open| open.key.drift == Drift::Unexpected && !said.contains(&(&*open.key.kind, &*open.key.name)));
        let open: Vec<&Arc<Finding>> = open.collect();
        if open.is_empty() {
            return Vec::new();
        }
        let lacking = |(key, object): &(&ObjectKey, &ObjectMemory)| {
            object.gone_since.is_none() && !object.id.is_empty() && !reading.objects.contains_key(*key)
        };
        let lacking: BTreeMap<&str, &ObjectKey> =
            self.objects().filter(lacking).map(|(key, object)| (&*object.id, key)).collect();
        let scope = &self.inventory.declared.scope;
        let doubted = |open: &&Arc<Finding>| {
            let key = *lacking.get(&*open.id)?;
            let told = match exception(&self.inventory.rules.except, key) {
                Some(exception) => exception.at_most.is_some(),
                None => self.inventory.rules.exhaustive,
            };
            let ask = Ask::of(key);
            if !told || !self.inventory.rules.within.covers(key) || self.is_declared(key) {
                return None;
            }
            let Some(Sight::Unknown(failure)) = self.bench.world.sight_of(scope, &ask) else { return None };
            Some(self.named(key.kind, open.key.name.clone(), Unit::held(open, failure)))
        };
        open.iter().filter_map(doubted).collect()
    }

    /// What was there undeclared, and is proven gone. Mass loss speaks for all that went with it.
    fn vanished(&self, reading: &Reading) -> Vec<Named> {
        let (true, Some(since)) = (self.inventory.rules.vanished, self.census.since) else { return Vec::new() };
        let scope = &self.inventory.declared.scope;
        let mut said: BTreeSet<(&str, Arc<str>)> = BTreeSet::new();
        let mut named = Vec::new();
        let gone = self.objects().filter(|(key, object)| {
            object.gone_since.is_some() && object.watched == Watched::Stranger && !reading.objects.contains_key(*key)
        });
        for (key, object) in gone.filter(|(key, _)| self.is_watched(key)) {
            let Some(gone) = object.gone_since else { continue };
            let name: Arc<str> = spoken(&key.key).into();
            let finding_key = self.key(key.kind, name.clone(), Drift::Vanished);
            let open = self.open_as(&finding_key);
            let told = open.is_some() || (gone > since && self.census.lost.is_none_or(|lost| gone < lost.from));
            if !told {
                continue;
            }
            let ask = Ask::of(key);
            let doubt = match reading.answers.get(&ask) {
                Some(NamedAnswer::Unknown(failure)) => Some(failure.clone()),
                _ => None,
            };
            let unit = match (doubt, open) {
                (Some(_), None) => continue,
                (Some(failure), Some(open)) => Unit::held(open, failure),
                (None, None) if let Some(until) = self.unsettled(key.kind, gone) => {
                    Unit { converging: Some((until, "not there at the moment".to_owned())), ..Unit::default() }
                }
                // Proven once, and every complete list has lacked it since: that stands.
                (None, open) => {
                    let message = match (self.bench.world.sight_of(scope, &ask), open) {
                        (Some(Sight::Absent(proof, _)), _) => {
                            format!("undeclared, but it was there: {}", proof.sentence)
                        }
                        (_, Some(open)) => open.message.to_string(),
                        _ => format!("undeclared, but it was there; it was proven gone at {gone:.0}"),
                    };
                    let finding = self.finding(finding_key, object.id.clone(), message, gone);
                    Unit { findings: vec![Finding { works: false, ..finding }], ..Unit::default() }
                }
            };
            said.insert((key.kind, name.clone()));
            named.push(self.of_its_app(key, self.named(key.kind, name, unit)));
        }
        named.extend(self.forgotten(reading, &said));
        named
    }

    /// What memory does not have stays open until it is back, declared or excepted.
    fn forgotten(&self, reading: &Reading, said: &BTreeSet<(&str, Arc<str>)>) -> Vec<Named> {
        let open: Vec<&Arc<Finding>> = self
            .open()
            .filter(|open| {
                open.key.drift == Drift::Vanished && !said.contains(&(&*open.key.kind, open.key.name.clone()))
            })
            .collect();
        if open.is_empty() {
            return Vec::new();
        }
        let known: BTreeSet<(&str, String)> = reading
            .objects
            .keys()
            .chain(self.objects().map(|(key, _)| key))
            .map(|key| (key.kind, spoken(&key.key)))
            .collect();
        let left = |open: &&Arc<Finding>| {
            let kind = kinds::find(&open.key.kind)?.kind.name();
            let name = open.key.name.to_string();
            let watched = self.is_watched(&ObjectKey::new(kind, &name));
            let unit = || Unit { findings: vec![(***open).clone()], ..Unit::default() };
            (watched && !known.contains(&(kind, name))).then(|| self.named(kind, open.key.name.clone(), unit()))
        };
        open.iter().filter_map(left).collect()
    }

    /// Whether the loss of an undeclared thing of this name would be told.
    fn is_watched(&self, key: &ObjectKey) -> bool {
        // A table's items are for its deployer to remove.
        let own_item = !self.home.tables.is_empty() && key.kind == table_item::KIND;
        let rules = &self.inventory.rules;
        !own_item && rules.within.covers(key) && exception(&rules.except, key).is_none() && !self.is_declared(key)
    }

    /// Whether a manifest declares what has this key. What it declares by another name, memory knows.
    fn is_declared(&self, key: &ObjectKey) -> bool {
        strangers::is_declared(self.bench.leftovers.index, &self.inventory.declared.scope, key)
    }

    fn objects(&self) -> impl Iterator<Item = (&ObjectKey, &ObjectMemory)> {
        let memory = self.bench.world.memory.scopes.get(&self.inventory.declared.scope);
        memory.into_iter().flat_map(|memory| &memory.objects)
    }

    fn remembered(&self, key: &ObjectKey) -> Option<&ObjectMemory> {
        self.bench.world.memory.object(&self.inventory.declared.scope, key)
    }

    /// Kinds and names that declarations of this environment have.
    fn taken_names(&self) -> BTreeSet<(&str, &str)> {
        let own = self.home.resources.iter().filter(|other| other.environment == self.inventory.declared.environment);
        own.map(|other| (other.kind.name(), &*other.name)).collect()
    }

    /// Open findings of this inventory, mass loss aside.
    fn open(&self) -> impl Iterator<Item = &Arc<Finding>> {
        let root = root(self.inventory);
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
            root: root(self.inventory),
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

/// Names of lost things in a message.
const NAMED: usize = 5;

/// What a stranger is called in reports; by its id where a declaration has that name.
fn name_of(live: &Live, taken: &BTreeSet<(&str, &str)>) -> Arc<str> {
    let name = match live.key.kind {
        buildpacks::KIND => buildpacks::spoken(&live.key.key),
        _ => spoken(&live.key.key),
    };
    if taken.contains(&(live.key.kind, &*name)) { live.id.clone() } else { name.into() }
}
