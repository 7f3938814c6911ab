//! TableItem: an item of a DynamoDB table.
//!
//! Decides when an item is proven gone. Never reads the table itself: `scopes::table` does. One
//! line of [`crate::kinds::KINDS`]; StateTables find their items under this kind as well.

mod import;
pub mod live;
pub mod spec;
pub mod spelling;

use schemars::Schema;

use crate::core::desired::Declared;
use crate::core::identity::Ask;
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, NamedAnswer, Reading, Reason};
use crate::core::world::World;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::{Declaration, KindEntry};
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::tree::Node;
use spec::TableItemSpec;

/// The kind's name.
pub const KIND: &str = "TableItem";

/// The kind's line of the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &TableItem,
    summary: "An item of a DynamoDB table and its attributes.",
    schema,
    declare,
    import: Some(import::IMPORT),
};

/// An item of a DynamoDB table.
#[derive(Debug)]
pub struct TableItem;

fn schema() -> Schema {
    schemars::schema_for!(TableItemSpec)
}

fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: TableItemSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    spec::resolve(&spec, setting)
}

impl Kind for TableItem {
    fn name(&self) -> &'static str {
        KIND
    }

    /// The proof (design section 4, reference "Absence and identity"): a consistent GetItem of this
    /// very key answered without an item. A missing table is an error of the whole reading, and a
    /// complete scan that lacks the item proves nothing: the item may have been written behind it.
    fn absence(&self, ask: &Ask, reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        match reading.answers.get(ask) {
            Some(NamedAnswer::NoItem) => {
                Ok(Proof { sentence: "a consistent GetItem returned no item".to_owned(), deleted: false })
            }
            Some(NamedAnswer::Unknown(failure)) => Err(failure.clone()),
            Some(NamedAnswer::Inactive(_) | NamedAnswer::Missing | NamedAnswer::NotFound) | None => Err(Failure::new(
                Reason::Unconfirmed,
                format!("the last reading of the table did not ask for the item {}", ask.select),
            )),
        }
    }

    fn judge(&self, _declared: &Declared, _live: &Live, _world: &World<'_>) -> Vec<Judgement> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
