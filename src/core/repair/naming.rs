//! Namings: what every item of every StateTable says, found by the thing that it names.
//!
//! Decides nothing: `core::claims` reads the items. A fault while reading one table makes the index
//! of claims broken, so that nothing is called left over. `plan` reads it when something looks so.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::Input;
use crate::core::claims::{self, Claim, ClaimIndex};
use crate::core::desired::StateTable;
use crate::core::evaluate::guarded;
use crate::core::identity::{Ask, ScopeKey};

/// One item of a StateTable, understood.
pub struct Naming {
    /// The table.
    pub table: Arc<StateTable>,
    /// What the item says.
    pub claim: Claim,
}

/// What all items say.
#[derive(Default)]
pub struct Claims {
    namings: Vec<Naming>,
    by_thing: BTreeMap<(ScopeKey, Ask), Vec<usize>>,
    index: ClaimIndex,
}

impl Claims {
    /// Reads the claims of every table, of the last reading that was good.
    pub fn read(input: &Input<'_>) -> Self {
        let mut all = Self::default();
        for table in &input.desired.tables {
            let observation = input.observations.get(&table.declared.scope);
            let Some(reading) = observation.and_then(|observation| observation.reading.as_ref()) else { continue };
            match guarded(|| claims::read(table, reading)) {
                Some(found) => {
                    all.index.add(&found);
                    found.into_iter().for_each(|claim| all.add(table, claim));
                }
                None => all.index.add_broken(),
            }
        }
        all
    }

    fn add(&mut self, table: &Arc<StateTable>, claim: Claim) {
        let at = self.namings.len();
        let item = (table.declared.scope.clone(), Ask::of(&claim.item.key));
        let pieces = claim.pieces.iter().map(|piece| (piece.scope.clone(), piece.ask.clone()));
        for thing in pieces.chain([item]) {
            self.by_thing.entry(thing).or_default().push(at);
        }
        self.namings.push(Naming { table: table.clone(), claim });
    }

    /// Who claims what.
    pub fn index(&self) -> &ClaimIndex {
        &self.index
    }

    /// Every item that names a thing, or is it.
    pub fn naming(&self, scope: &ScopeKey, ask: &Ask) -> Vec<&Naming> {
        let known = self.by_thing.get(&(scope.clone(), ask.clone()));
        known.into_iter().flatten().filter_map(|at| self.namings.get(*at)).collect()
    }
}
