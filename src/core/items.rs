//! The items of a StateTable: which of them, and of their pieces, are left over.
//!
//! Decides the orphan chain: an item whose parent is proven gone, and each piece that it names and
//! nobody else needs, as one group under the parent. `evaluate` calls it for every table whose
//! reading, or whose parents' reading, may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::claims::{Claim, Claimed};
use super::desired::{Parent, StateTable, WhenParentGone};
use super::drift::{Drift, Finding, FindingKey, Root};
use super::identity::ScopeKey;
use super::memory::ScopeMemory;
use super::observation::{Failure, Live, Reading, Reason};
use super::orphan::Standing;
use super::unit::{Bench, Open, Unit, hold, open_findings, own_failure};
use super::world::Sight;
use crate::kinds;

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
    let environment = &table.declared.environment;
    let reading = match bench.world.reading(&table.declared.scope) {
        Ok(reading) => reading,
        Err(failure) => return blind(table, &failure, memory),
    };
    let mut named = Vec::new();
    let mut pieces: BTreeMap<(Arc<str>, Arc<str>), Option<Named>> = BTreeMap::new();
    for claim in claims {
        let context = Context { table, claim, bench, memory };
        let item_name: Arc<str> = format!("{}/{}", table.declared.scope.thing, claim.item.key.key).into();
        let open = open_findings(memory, environment, "TableItem", &item_name);
        let unit = context.item(reading, &item_name, &open);
        let gone = unit.findings.iter().any(|finding| finding.key.drift == Drift::Orphaned && !finding.held);
        let application = context.application();
        for piece in &claim.pieces {
            let said = context.piece(piece, gone);
            let known = pieces.entry((piece.ask.kind.into(), spoken(&piece.ask.select))).or_default();
            // Two items may name one piece: what was found through either is said once.
            if known.as_ref().is_none_or(|known| known.unit.findings.is_empty()) {
                *known = said.or_else(|| known.take());
            }
        }
        named.push(Named {
            kind: "TableItem",
            name: item_name,
            scope: table.declared.scope.clone(),
            application,
            unit,
        });
    }
    let known: BTreeSet<(Arc<str>, Arc<str>)> =
        named.iter().map(|named| (named.kind.into(), named.name.clone())).chain(pieces.keys().cloned()).collect();
    named.extend(pieces.into_values().flatten());
    let unnamed = own_findings(table, memory)
        .filter(|finding| !known.contains(&(finding.key.kind.clone(), finding.key.name.clone())));
    named.extend(unnamed.filter_map(|finding| remaining(finding, bench)));
    named
}

/// The orphans that this table's items led to before.
fn own_findings<'a>(table: &'a StateTable, memory: Option<&'a ScopeMemory>) -> impl Iterator<Item = &'a Arc<Finding>> {
    memory.into_iter().flat_map(|memory| memory.findings.values()).filter(|finding| {
        finding.key.drift == Drift::Orphaned
            && finding.key.environment == table.declared.environment
            && finding.source.as_ref() == Some(&table.declared.source)
    })
}

/// An orphan that no item names any more (somebody deleted the item first): it stays until it is
/// proven gone, or something living needs it.
fn remaining(finding: &Arc<Finding>, bench: &Bench<'_>) -> Option<Named> {
    let kind = kind_name(&finding.key.kind)?;
    let held = |failure: Failure| Unit {
        findings: vec![Finding { held: true, ..(**finding).clone() }],
        unknown: Some(failure),
        ..Unit::default()
    };
    let unit = match bench.world.reading(&finding.scope) {
        Err(failure) => held(failure),
        Ok(reading) => match reading.objects.values().find(|live| live.key.kind == kind && live.id == finding.id) {
            Some(live) => match bench.leftovers.needed(&finding.scope, live) {
                Ok(true) => return None,
                Ok(false) => Unit { findings: vec![Finding { held: false, ..(**finding).clone() }], ..Unit::default() },
                Err(failure) => held(failure),
            },
            None if reading.complete && reading.listed => return None,
            None => held(Failure::new(Reason::Unconfirmed, "not listed whole since its item went")),
        },
    };
    Some(Named {
        kind,
        name: finding.key.name.clone(),
        scope: finding.scope.clone(),
        application: finding.application.clone(),
        unit,
    })
}

/// What is said when judging itself failed: nothing new, and nothing ends.
pub fn panicked(table: &StateTable, memory: Option<&ScopeMemory>) -> Vec<Named> {
    blind(table, &own_failure(), memory)
}

/// The table cannot be judged: whatever was open stays.
fn blind(table: &StateTable, failure: &Failure, memory: Option<&ScopeMemory>) -> Vec<Named> {
    own_findings(table, memory)
        .filter_map(|finding| {
            let kind = kind_name(&finding.key.kind)?;
            let unit = Unit {
                findings: vec![Finding { held: true, ..(**finding).clone() }],
                unknown: Some(failure.clone()),
                ..Unit::default()
            };
            let application = finding.application.clone();
            Some(Named { kind, name: finding.key.name.clone(), scope: finding.scope.clone(), application, unit })
        })
        .collect()
}

fn kind_name(kind: &str) -> Option<&'static str> {
    kinds::find(kind).map(|entry| entry.kind.name())
}

struct Context<'a, 'w> {
    table: &'a StateTable,
    claim: &'a Claim,
    bench: &'a Bench<'w>,
    memory: Option<&'a ScopeMemory>,
}

impl Context<'_, '_> {
    fn item(&self, reading: &Reading, name: &Arc<str>, open: &Open<'_>) -> Unit {
        let mut unit = Unit::default();
        if let Some(problem) = &self.claim.problem {
            unit.unknown = Some(Failure::new(Reason::BadItem, &**problem));
            hold(open, Drift::Orphaned, &mut unit.findings);
            return unit;
        }
        let Some(parent) = &self.claim.parent else { return unit };
        let read_at = reading.listed_at.unwrap_or(reading.finished);
        let scope = &self.table.declared.scope;
        match self.bench.leftovers.standing(
            scope,
            &self.claim.item,
            parent,
            read_at,
            open.contains_key(&Drift::Orphaned),
        ) {
            Standing::Needed => {}
            Standing::Unknown(failure) => {
                unit.unknown = Some(failure);
                hold(open, Drift::Orphaned, &mut unit.findings);
            }
            Standing::Suspected(failure, wanted) => {
                unit.unknown = Some(failure);
                unit.wanted = wanted;
                hold(open, Drift::Orphaned, &mut unit.findings);
            }
            Standing::Orphaned(_) if self.table.when_parent_gone == WhenParentGone::Keep => {}
            Standing::Orphaned(proof) => match self.settling(proof.deleted) {
                Some(until) if open.is_empty() => {
                    unit.converging =
                        Some((until, format!("written a moment ago; its {} may still be on its way", parent.ask.kind)));
                }
                _ => {
                    let message = format!("its {} {} is gone: {}", parent.ask.kind, parent.name, proof.sentence);
                    unit.findings.push(self.orphan(
                        "TableItem",
                        name,
                        &self.claim.item,
                        scope,
                        parent,
                        message,
                        open,
                        reading.finished,
                    ));
                }
            },
        }
        unit
    }

    /// A piece, where something is to be said of it. It is an orphan only with its item.
    fn piece(&self, claimed: &Claimed, item_is_orphan: bool) -> Option<Named> {
        let parent = self.claim.parent.as_ref()?;
        let entry = kinds::find(claimed.ask.kind)?;
        let world = &self.bench.world;
        let sight = world.sight(entry.kind, &claimed.scope, &claimed.ask);
        let name = spoken(&claimed.ask.select);
        let open = open_findings(self.memory, &self.table.declared.environment, claimed.ask.kind, &name);
        let mut unit = Unit::default();
        match sight {
            Sight::Absent(..) => return None,
            // An unread scope says so itself; a piece of a living parent adds nothing to it.
            Sight::Unknown(_) if open.is_empty() && !item_is_orphan => return None,
            Sight::Unknown(failure) => {
                unit.unknown = Some(failure);
                hold(&open, Drift::Orphaned, &mut unit.findings);
            }
            Sight::Present(live, reading) => {
                if !item_is_orphan && open.is_empty() {
                    return None;
                }
                match self.bench.leftovers.standing(&claimed.scope, live, parent, reading.finished, !open.is_empty()) {
                    Standing::Needed => return None,
                    Standing::Unknown(failure) => {
                        unit.unknown = Some(failure);
                        hold(&open, Drift::Orphaned, &mut unit.findings);
                    }
                    Standing::Suspected(failure, wanted) => {
                        unit.unknown = Some(failure);
                        unit.wanted = wanted;
                        hold(&open, Drift::Orphaned, &mut unit.findings);
                    }
                    Standing::Orphaned(_) if !item_is_orphan => hold(&open, Drift::Orphaned, &mut unit.findings),
                    Standing::Orphaned(_) => {
                        let message = format!(
                            "made for {} {}, which is gone; nothing live refers to it",
                            parent.ask.kind, parent.name
                        );
                        unit.findings.push(self.orphan(
                            claimed.ask.kind,
                            &name,
                            live,
                            &claimed.scope,
                            parent,
                            message,
                            &open,
                            reading.finished,
                        ));
                    }
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

    #[allow(clippy::too_many_arguments)]
    fn orphan(
        &self,
        kind: &str,
        name: &Arc<str>,
        live: &Live,
        scope: &ScopeKey,
        parent: &Parent,
        message: String,
        open: &Open<'_>,
        seen: Timestamp,
    ) -> Finding {
        let table = &self.table.declared;
        let declared = self.bench.leftovers.index.declared_as(&table.environment, &parent.scope, &parent.ask);
        let class = self.bench.class(&table.environment);
        Finding {
            key: FindingKey {
                environment: table.environment.clone(),
                kind: kind.into(),
                name: name.clone(),
                drift: Drift::Orphaned,
            },
            id: live.id.clone(),
            scope: scope.clone(),
            severity: table.policy.severity.unwrap_or(Drift::Orphaned.severity(false, class)),
            application: self.application(),
            message: message.into(),
            held: false,
            fields: Vec::new(),
            root: Root {
                kind: parent.ask.kind.into(),
                name: declared.map_or_else(|| parent.name.clone(), |declared| declared.name.clone()),
            },
            since: open.get(&Drift::Orphaned).map_or(seen, |finding| finding.since),
            source: Some(table.source.clone()),
            vital: false,
            works: false,
            runbook: table.policy.runbook.clone(),
            redeploy: declared.and_then(|declared| declared.policy.redeploy.clone()),
        }
    }
}

/// What a person calls a thing that was selected like this.
fn spoken(select: &super::identity::Select) -> Arc<str> {
    use super::identity::Select;
    match select {
        Select::Arn(arn) => super::arn::Arn::parse(arn).and_then(|arn| arn.elbv2_name()).unwrap_or(arn).into(),
        Select::Key(text) => text.replace('|', " ").trim_end().into(),
        Select::Alias(text) => text.clone(),
        Select::ReferencedBy(..) => select.to_string().into(),
    }
}
