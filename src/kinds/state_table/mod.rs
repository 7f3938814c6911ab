//! StateTable: a deployer's own table, whose items say what was made for which service.
//!
//! Decides what a manifest of it may say. What its items mean is `core::items`' matter, and the
//! items themselves are of the kind TableItem. One line of [`crate::kinds::KINDS`].

pub mod spec;

use schemars::Schema;

use crate::core::desired::Declared;
use crate::core::identity::Ask;
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, Reading, Reason};
use crate::core::world::World;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::{Declaration, KindEntry};
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::tree::Node;
use spec::StateTableSpec;

/// The kind's name.
pub const KIND: &str = "StateTable";

/// The kind's line of the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &StateTable,
    summary: "A deployer's own table: its items, their parents, and the pieces that were made for them.",
    schema,
    declare,
    import: None,
};

/// A deployer's own table.
#[derive(Debug)]
pub struct StateTable;

fn schema() -> Schema {
    schemars::schema_for!(StateTableSpec)
}

fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: StateTableSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    spec::resolve(&spec, setting)
}

impl Kind for StateTable {
    fn name(&self) -> &'static str {
        KIND
    }

    /// There is no proof: a table that is not found makes its whole reading fail, so that its items
    /// are unknown and never gone.
    fn absence(&self, _ask: &Ask, _reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        Err(Failure::new(
            Reason::Unconfirmed,
            "a table is never taken for gone: its items would seem to be gone with it",
        ))
    }

    fn judge(&self, _declared: &Declared, _live: &Live, _world: &World<'_>) -> Vec<Judgement> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
