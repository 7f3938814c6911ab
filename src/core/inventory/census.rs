//! The census: how much of what was there is gone at once.
//!
//! Decides mass loss by proofs alone: of the things that were there at the beginning of the window,
//! more than the allowed part is proven gone. What came and went within the window counts for
//! nothing, and a list that shrinks without proofs changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::strangers::is_declared;
use super::{exception, root};
use crate::core::desired::{Census, Inventory};
use crate::core::drift::Root;
use crate::core::identity::ObjectKey;
use crate::core::memory::{CensusMemory, Lost, ObjectMemory, ScopeMemory, Watched};
use crate::core::unit::Bench;

/// The next census of an inventory. A reading that failed leaves it as it is.
pub fn count(inventory: &Inventory, bench: &Bench<'_>, memory: Option<&ScopeMemory>) -> CensusMemory {
    let declared = &inventory.declared;
    let digest = inventory.rules.digest();
    let known = memory.and_then(|memory| memory.census.get(&inventory.key()));
    let mut next = known.filter(|known| known.digest == digest).cloned().unwrap_or(CensusMemory {
        digest,
        since: None,
        lost: None,
    });
    let reading = bench.world.reading(&declared.scope).ok().filter(|reading| reading.complete && reading.listed);
    let Some(reading) = reading else { return next };
    let since = *next.since.get_or_insert(reading.finished);
    let Some(census) = &inventory.rules.census else { return next };
    match next.lost {
        None => {
            let from = reading.finished.saturating_sub(census.over).unwrap_or(since).max(since);
            let (mut before, mut gone) = (0_u32, 0);
            for (_, object) in there_at(inventory, bench, from) {
                before = before.saturating_add(1);
                gone += usize::from(object.gone_since.is_some());
            }
            if before >= census.floor && is_mass_loss(census, before, gone) {
                next.lost = Some(Lost { before, from, at: reading.finished });
            }
        }
        Some(lost) => {
            let gone = gone_since(inventory, bench, lost.from).count();
            if !is_mass_loss(census, lost.before, gone) {
                next.lost = None;
            }
        }
    }
    next
}

fn is_mass_loss(census: &Census, before: u32, gone: usize) -> bool {
    gone as u64 * 100 > u64::from(before) * u64::from(census.max_drop)
}

/// Things that an inventory counts: in its sight, seen while it watched, and not excepted.
fn counted<'a>(
    inventory: &'a Inventory,
    bench: &'a Bench<'_>,
) -> impl Iterator<Item = (&'a ObjectKey, &'a ObjectMemory)> {
    let (scope, index) = (&inventory.declared.scope, bench.leftovers.index);
    // What went together with its manifest was meant to go.
    let meant = move |key: &ObjectKey, object: &ObjectMemory| {
        let indirect = || index.indirect.get(scope).into_iter().flatten().any(|other| other.kind.name() == key.kind);
        object.watched == Watched::Declared
            && object.gone_since.is_some()
            && !is_declared(index, scope, key)
            && !indirect()
    };
    let memory = bench.world.memory.scopes.get(scope);
    let rules = &inventory.rules;
    memory.into_iter().flat_map(|memory| &memory.objects).filter(move |(key, object)| {
        object.watched != Watched::No
            && rules.within.covers(key)
            && exception(&rules.except, key).is_none()
            && !meant(key, object)
    })
}

/// Those of them that were there at this time.
fn there_at<'a>(
    inventory: &'a Inventory,
    bench: &'a Bench<'_>,
    at: Timestamp,
) -> impl Iterator<Item = (&'a ObjectKey, &'a ObjectMemory)> {
    counted(inventory, bench).filter(move |(_, object)| was_there(object, at))
}

/// Which of those that were there at this time are proven gone.
pub(super) fn gone_since<'a>(
    inventory: &'a Inventory,
    bench: &'a Bench<'_>,
    at: Timestamp,
) -> impl Iterator<Item = &'a ObjectKey> {
    let gone = there_at(inventory, bench, at).filter(|(_, object)| object.gone_since.is_some());
    gone.map(|(key, _)| key)
}

fn was_there(object: &ObjectMemory, at: Timestamp) -> bool {
    object.first_seen <= at && object.gone_since.is_none_or(|gone| gone > at)
}

/// Mass losses by environment: what went missing with them belongs to them.
pub type Losses = BTreeMap<Arc<str>, (Root, Timestamp)>;

/// The mass losses among these censuses, with the time from which a loss belongs to each.
pub fn losses<'a>(counted: impl Iterator<Item = (&'a Inventory, &'a CensusMemory)>) -> Losses {
    let lost = counted.filter_map(|(inventory, memory)| {
        inventory.rules.census.as_ref()?;
        Some((inventory.declared.environment.clone(), (root(inventory), memory.lost?.from)))
    });
    lost.collect()
}
