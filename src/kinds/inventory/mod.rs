//! Inventory: what may live in a scope besides what is declared.
//!
//! Decides what a manifest of it may say. Who is unexpected, what has vanished and when too much
//! is lost at once is `core::inventory`'s matter. One line of [`crate::kinds::KINDS`].

pub mod spec;
#[cfg(test)]
mod tests;

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
use spec::InventorySpec;

/// The kind's name.
pub const KIND: &str = "Inventory";

/// The kind's line of the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &Inventory,
    summary: "What may live in a cluster, zone, table or account besides what is declared there.",
    schema,
    declare,
    import: None,
};

/// A watch over everything in a scope.
#[derive(Debug)]
pub struct Inventory;

fn schema() -> Schema {
    schemars::schema_for!(InventorySpec)
}

fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: InventorySpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    spec::resolve(&spec, setting)
}

impl Kind for Inventory {
    fn name(&self) -> &'static str {
        KIND
    }

    /// It is a rule, not a thing: there is nothing that could be gone.
    fn absence(&self, _ask: &Ask, _reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        Err(Failure::new(Reason::Unconfirmed, "an inventory is a rule, not a thing that could be gone"))
    }

    fn judge(&self, _declared: &Declared, _live: &Live, _world: &World<'_>) -> Vec<Judgement> {
        Vec::new()
    }
}
