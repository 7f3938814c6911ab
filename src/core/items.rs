//! The items of a StateTable: which of them, and of their pieces, are left over.
//!
//! Decides the orphan chain: an item whose parent is proven gone, and each piece that it names and
//! nobody else needs, as one group under the parent. An orphan stays until it is proven gone or
//! needed, also when its item goes first. `evaluate` calls it for every table whose reading, or
//! whose parents' reading, may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::arn::Arn;
use super::claims::{Claim, Claimed};
use super::desired::{Parent, StateTable, WhenParentGone};
use super::drift::{Drift, Finding, FindingKey, Root};
use super::identity::{self, Ask, ScopeKey, Select};
use super::index::Index;
use super::memory::ScopeMemory;
use super::observation::{Failure, Live, Reading, Reason};
use super::orphan::Standing;
use super::unit::{Bench, Open, Unit, hold, open_findings, own_failure};
use super::world::Sight;
use crate::kinds;

/// A deployer's clock may be so far ahead of ours.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A unit that no manifest declares by name: an item, or a piece of it.
#[derive(Debug)]
pub struct Named {
    /// `TableItem`, or the piece's kind.
    pub kind: &'static str,
    /// What a person knows it by.
    pub name: Arc<str>,
    /// Where it is observed.
    pub scope: ScopeKey,
    /// The application of its parent.
    pub application: Arc<str>,
    /// What is said about it.
    pub unit: Unit,
}

/// Judges every item of a table. Pieces are reported only where something is to be said of them.
pub fn judge(table: &StateTable, claims: &[Claim], bench: &Bench<'_>, memory: Option<&ScopeMemory>) -> Vec<Named> {
    let reading = match bench.world.reading(&table.declared.scope) {
        Ok(reading) => reading,
        Err(failure) => return blind(table, bench.leftovers.index, &failure, memory),
    };
    let mut named = Vec::new();
    let mut pieces: BTreeMap<(Arc<str>, Arc<str>), Option<Named>> = BTreeMap::new();
    for claim in claims {
        let context = Context { table, claim, bench, memory };
        let item = context.item(reading);
        let gone = item.unit.findings.iter().any(|finding| !finding.held);
        named.push(item);
        for piece in &claim.pieces {
            let said = context.piece(piece, gone);
            let known = pieces.entry((piece.ask.kind.into(), spoken(&piece.ask.select))).or_default();
            // Two items may name one piece: what was found through either is said once.
            if known.as_ref().is_none_or(|known| known.unit.findings.is_empty()) {
                *known = said.or_else(|| known.take());
            }
        }
    }
    let said: BTreeSet<(Arc<str>, Arc<str>)> =
        named.iter().map(|named| (named.kind.into(), named.name.clone())).chain(pieces.keys().cloned()).collect();
    named.extend(pieces.into_values().flatten());
    let own: Vec<&Arc<Finding>> = own_findings(table, bench.leftovers.index, memory).collect();
    let unnamed = own.iter().filter(|finding| !said.contains(&(finding.key.kind.clone(), finding.key.name.clone())));
    named.extend(unnamed.filter_map(|finding| remaining(finding, &own, bench)));
    named
}

/// The orphans that this table's items led to before, wherever the table stands in its file now.
/// What is declared in the table's scope by itself speaks for itself.
fn own_findings<'a>(
    table: &'a StateTable,
    index: &'a Index,
    memory: Option<&'a ScopeMemory>,
) -> impl Iterator<Item = &'a Arc<Finding>> {
    let environment = &table.declared.environment;
    let home = index.scopes.get(&table.declared.scope);
    let declared = move |key: &FindingKey| home.is_some_and(|home| home.declares(key));
    memory.into_iter().flat_map(|memory| memory.findings.values()).filter(move |finding| {
        let key = &finding.key;
        key.drift == Drift::Orphaned && key.environment == *environment && !declared(key)
    })
}

/// An orphan that no item names any more (somebody deleted the item first): it stays until it is
/// proven gone, or something living needs it.
fn remaining(finding: &Arc<Finding>, own: &[&Arc<Finding>], bench: &Bench<'_>) -> Option<Named> {
    let ask = ask_again(finding)?;
    let entry = kinds::find(ask.kind)?;
    let unit = match bench.world.sight(entry.kind, &finding.scope, &ask) {
        Sight::Absent(..) => return None,
        Sight::Unknown(failure) => Unit::held(finding, failure),
        // Another incarnation has its name: this one is gone.
        Sight::Present(live, _) if live.id != finding.id => return None,
        Sight::Present(live, _) => {
            let group = own.iter().filter(|other| other.root == finding.root).map(|other| &other.id).collect();
            match bench.leftovers.needed(&finding.scope, live, &group) {
                Ok(true) => return None,
                Ok(false) => Unit { findings: vec![Finding { held: false, ..(**finding).clone() }], ..Unit::default() },
                Err(failure) => Unit::held(finding, failure),
            }
        }
    };
    Some(still(finding, ask.kind, unit))
}

/// What to ask a scope for, to learn how an open orphan stands.
pub fn ask_again(finding: &Finding) -> Option<Ask> {
    let kind = kinds::find(&finding.key.kind)?.kind.name();
    let select = match kind {
        "TableItem" => item_select(&finding.key.name, &finding.scope)?,
        "DnsRecord" => {
            let mut parts = finding.id.splitn(4, '/').skip(1);
            let (name, record_type) = (parts.next()?, parts.next()?);
            let set = parts.next().filter(|set| !set.is_empty());
            Select::Key(kinds::dns_record::record_key(name, record_type, set).into())
        }
        "HealthCheck" => Select::Key(finding.id.rsplit('/').next()?.into()),
        _ => Select::Arn(finding.id.clone()),
    };
    Some(Ask { kind, select })
}

/// How the item is found that is named `table/key`.
pub fn item_select(name: &str, scope: &ScopeKey) -> Option<Select> {
    let key = name.strip_prefix(&*scope.thing)?.strip_prefix('/')?;
    Some(Select::Key(key.into()))
}

/// What is said when judging itself failed: nothing new, and nothing ends.
pub fn panicked(table: &StateTable, index: &Index, memory: Option<&ScopeMemory>) -> Vec<Named> {
    blind(table, index, &own_failure(), memory)
}

/// The table cannot be judged: whatever was open stays.
fn blind(table: &StateTable, index: &Index, failure: &Failure, memory: Option<&ScopeMemory>) -> Vec<Named> {
    own_findings(table, index, memory)
        .filter_map(|finding| {
            let kind = kinds::find(&finding.key.kind)?.kind.name();
            Some(still(finding, kind, Unit::held(finding, failure.clone())))
        })
        .collect()
}

fn still(finding: &Arc<Finding>, kind: &'static str, unit: Unit) -> Named {
    let (name, scope) = (finding.key.name.clone(), finding.scope.clone());
    Named { kind, name, scope, application: finding.application.clone(), unit }
}

struct Context<'a, 'w> {
    table: &'a StateTable,
    claim: &'a Claim,
    bench: &'a Bench<'w>,
    memory: Option<&'a ScopeMemory>,
}

/// A live object that may be left over.
struct Candidate<'a> {
    kind: &'static str,
    name: Arc<str>,
    live: &'a Live,
    scope: &'a ScopeKey,
    /// When the reading that shows it finished.
    seen: Timestamp,
}

impl Context<'_, '_> {
    fn item(&self, reading: &Reading) -> Named {
        let scope = &self.table.declared.scope;
        let name: Arc<str> = format!("{}/{}", scope.thing, self.claim.item.key.key).into();
        let item = Candidate { kind: "TableItem", name, live: &self.claim.item, scope, seen: reading.finished };
        let open = self.open("TableItem", &item.name);
        let mut unit = Unit::default();
        let ahead = self.claim.written_at.filter(|at| at.duration_since(item.seen) > CLOCK_SKEW);
        let from_the_future = ahead.map(|at| format!("it says that it was written at {at}, which is in the future"));
        match (self.claim.problem.as_ref().or(from_the_future.as_ref()), &self.claim.parent) {
            (None, Some(parent)) => {
                if let Some(proof) = self.stand(&item, parent, &open, &mut unit)
                    && self.table.when_parent_gone != WhenParentGone::Keep
                {
                    match self.settling(proof.deleted) {
                        Some(until) if open.is_empty() => {
                            let what = parent.ask.kind;
                            unit.converging =
                                Some((until, format!("written a moment ago; its {what} may still be on its way")));
                        }
                        _ => {
                            let message =
                                format!("its {} {} is gone: {}", parent.ask.kind, parent.name, proof.sentence);
                            unit.findings.push(self.orphan(&item, parent, message, &open));
                        }
                    }
                }
            }
            (problem, _) => {
                let detail = problem.map_or("its parent cannot be read", |problem| problem.as_str());
                unit.unknown = Some(Failure::new(Reason::BadItem, detail));
                hold(&open, Drift::Orphaned, &mut unit.findings);
            }
        }
        Named { kind: "TableItem", name: item.name, scope: scope.clone(), application: self.application(), unit }
    }

    /// A piece, where something is to be said of it. It is an orphan only with its item.
    fn piece(&self, claimed: &Claimed, item_is_orphan: bool) -> Option<Named> {
        let entry = kinds::find(claimed.ask.kind)?;
        let name = spoken(&claimed.ask.select);
        let open = self.open(claimed.ask.kind, &name);
        let nothing_to_say = open.is_empty() && !item_is_orphan;
        if nothing_to_say || self.table.when_parent_gone == WhenParentGone::Keep {
            return None;
        }
        let mut unit = Unit::default();
        match (self.bench.world.sight(entry.kind, &claimed.scope, &claimed.ask), &self.claim.parent) {
            (Sight::Absent(..), _) => return None,
            (Sight::Unknown(failure), _) => {
                unit.unknown = Some(failure);
                hold(&open, Drift::Orphaned, &mut unit.findings);
            }
            (Sight::Present(..), None) => {
                unit.unknown = Some(Failure::new(Reason::BadItem, "the item that names it cannot be understood"));
                hold(&open, Drift::Orphaned, &mut unit.findings);
            }
            (Sight::Present(live, reading), Some(parent)) => {
                let kind = entry.kind.name();
                let piece = Candidate { kind, name: name.clone(), live, scope: &claimed.scope, seen: reading.finished };
                if self.stand(&piece, parent, &open, &mut unit).is_some() {
                    if item_is_orphan {
                        let message = format!(
                            "made for {} {}, which is gone; nothing live refers to it",
                            parent.ask.kind, parent.name
                        );
                        unit.findings.push(self.orphan(&piece, parent, message, &open));
                    } else {
                        hold(&open, Drift::Orphaned, &mut unit.findings);
                    }
                } else if unit.unknown.is_none() {
                    return None;
                }
            }
        }
        Some(Named {
            kind: entry.kind.name(),
            name,
            scope: claimed.scope.clone(),
            application: self.application(),
            unit,
        })
    }

    /// The proof that a candidate is left over; what cannot be said goes into the unit.
    fn stand(
        &self,
        candidate: &Candidate<'_>,
        parent: &Parent,
        open: &Open<'_>,
        unit: &mut Unit,
    ) -> Option<super::judge::Proof> {
        // Another object of the same name has no part in an open finding.
        let same = open.get(&Drift::Orphaned).is_some_and(|finding| finding.id == candidate.live.id);
        match self.bench.leftovers.standing(candidate.scope, candidate.live, parent, candidate.seen, same) {
            Standing::Needed => return None,
            Standing::Orphaned(proof) => return Some(proof),
            Standing::Unknown(failure) => unit.unknown = Some(failure),
            Standing::Suspected(failure, wanted) => {
                unit.unknown = Some(failure);
                unit.wanted = wanted;
            }
        }
        if same {
            hold(open, Drift::Orphaned, &mut unit.findings);
        }
        None
    }

    fn open(&self, kind: &str, name: &Arc<str>) -> Open<'_> {
        open_findings(self.memory, &self.table.declared.environment, kind, name)
    }

    /// Until when a young item may still wait for its parent; never after a proven deletion.
    fn settling(&self, deleted: bool) -> Option<Timestamp> {
        let until = self.claim.written_at?.saturating_add(self.table.declared.policy.settle).ok()?;
        (!deleted && until > self.bench.world.now).then_some(until)
    }

    /// The parent's application where the parent is declared; its name where it is not.
    fn application(&self) -> Arc<str> {
        let Some(parent) = &self.claim.parent else { return self.table.declared.application.clone() };
        let declared =
            self.bench.leftovers.index.declared_as(&self.table.declared.environment, &parent.scope, &parent.ask);
        declared.map_or_else(|| parent.name.clone(), |declared| declared.application.clone())
    }

    fn orphan(&self, candidate: &Candidate<'_>, parent: &Parent, message: String, open: &Open<'_>) -> Finding {
        let table = &self.table.declared;
        let declared = self.bench.leftovers.index.declared_as(&table.environment, &parent.scope, &parent.ask);
        let class = self.bench.class(&table.environment);
        let before = open.get(&Drift::Orphaned).filter(|finding| finding.id == candidate.live.id);
        Finding {
            key: FindingKey {
                environment: table.environment.clone(),
                kind: candidate.kind.into(),
                name: candidate.name.clone(),
                drift: Drift::Orphaned,
            },
            id: candidate.live.id.clone(),
            scope: candidate.scope.clone(),
            severity: table.policy.severity.unwrap_or(Drift::Orphaned.severity(false, class)),
            application: self.application(),
            message: message.into(),
            held: false,
            fields: Vec::new(),
            root: Root {
                kind: parent.ask.kind.into(),
                name: declared.map_or_else(|| parent.name.clone(), |declared| declared.name.clone()),
            },
            since: before.map_or(candidate.seen, |finding| finding.since),
            source: Some(table.source.clone()),
            vital: false,
            works: false,
            decides: false,
            runbook: table.policy.runbook.clone(),
            redeploy: declared.and_then(|declared| declared.policy.redeploy.clone()),
        }
    }
}

/// What a person calls a thing that was selected like this.
fn spoken(select: &Select) -> Arc<str> {
    match select {
        Select::Arn(arn) => Arn::parse(arn).and_then(|arn| arn.elbv2_name()).unwrap_or(arn).into(),
        Select::Key(text) => identity::spoken(text).into(),
        Select::Alias(text) => text.clone(),
        Select::ReferencedBy(..) => select.to_string().into(),
    }
}
