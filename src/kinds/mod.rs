//! The kinds: one folder and one line of [`KINDS`] each.
//!
//! Decides what a manifest of a kind may say (`spec.rs`), how the live thing is spelled
//! (`live.rs`), when it is proven gone and whether it works (`mod.rs`). Pure: no client, no clock,
//! no file. The loader calls [`KindEntry::declare`], scopes call `live`, `core` calls the rest.

pub mod app;
pub mod buildpacks;
pub mod detail;
pub mod dns_record;
pub mod ecs_service;
pub mod health_check;
pub mod http_probe;
pub mod importing;
pub mod inventory;
pub mod load_balancer;
pub mod patience;
pub mod service_binding;
pub mod service_instance;
pub mod setting;
pub mod state_table;
pub mod table_item;
pub mod target_group;
pub mod text;

use crate::core::asks::Facet;
use crate::core::desired::{InventoryRules, Piece, WhenParentGone};
use crate::core::identity::{ScopeKey, Select};
use crate::core::judge::Kind;
use crate::core::template::Template;
use crate::core::value::{Expect, Path};
use crate::manifest::check::Checker;
use crate::manifest::tree::Node;
use importing::Import;
use setting::{Setting, SpecProblem};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a spec says, resolved to one environment's physical identity.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// Where it is observed.
    pub scope: ScopeKey,
    /// How it is found there.
    pub select: Select,
    /// The physical identity it has, or would have.
    pub id: Arc<str>,
    /// What its fields should be, spelled the provider's way.
    pub expects: Vec<(Path, Expect)>,
    /// The details that `expects` needs.
    pub facets: BTreeSet<Facet>,
    /// What it says beyond being a thing with fields.
    pub rules: Option<Rules>,
    /// Fields that it names without saying what they should be: a variable that nobody gives.
    pub not_compared: Vec<String>,
}

/// What some kinds say beyond being a thing with fields.
#[derive(Debug, Clone)]
pub enum Rules {
    /// A StateTable's.
    Table(TableRules),
    /// An Inventory's.
    Inventory(InventoryRules),
    /// A document that stands for several resources: an App for its bindings, a manifest for its apps.
    Parts(Parts),
}

/// The resources that one document declares.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Each of them.
    pub parts: Vec<Part>,
    /// Whether the document is nothing beside them.
    pub alone: bool,
}

/// One resource of a document that declares several.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its kind.
    pub kind: &'static dyn Kind,
    /// Its name, in place of `metadata.name`.
    pub name: Arc<str>,
    /// The application it is part of where the document names none; its own name by default.
    pub application: Option<Arc<str>>,
    /// What it should be. Parts have no parts.
    pub declaration: Declaration,
}

/// What a StateTable says beyond being a table.
#[derive(Debug, Clone)]
pub struct TableRules {
    /// Partition and sort attribute.
    pub key: (Arc<str>, Option<Arc<str>>),
    /// The parent's kind.
    pub parent_kind: &'static str,
    /// The parent's scope.
    pub parent_scope: ScopeKey,
    /// The parent's name, from the item.
    pub parent_name: Template,
    /// When the item was written, from the item.
    pub written_at: Option<Template>,
    /// What its orphans are.
    pub when_parent_gone: WhenParentGone,
    /// What else the item names.
    pub pieces: Vec<Piece>,
}

/// One line of the table.
pub struct KindEntry {
    /// How `core` sees it.
    pub kind: &'static dyn Kind,
    /// One sentence for `explain` and the docs.
    pub summary: &'static str,
    /// The JSON Schema of its spec.
    pub schema: fn() -> schemars::Schema,
    /// Resolves a spec (already merged with the environment's overrides and checked).
    pub declare: fn(&Node, &Checker, &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>>,
    /// How live things of it become manifests; none of a kind that is a rule rather than a thing.
    pub import: Option<Import>,
}

/// Every kind that is observed.
pub static KINDS: &[KindEntry] = &[
    app::ENTRY,
    buildpacks::ENTRY,
    dns_record::ENTRY,
    ecs_service::ENTRY,
    health_check::ENTRY,
    http_probe::ENTRY,
    inventory::ENTRY,
    load_balancer::ENTRY,
    service_binding::ENTRY,
    service_instance::ENTRY,
    state_table::ENTRY,
    table_item::ENTRY,
    target_group::ENTRY,
];

/// The entry of this name.
pub fn find(name: &str) -> Option<&'static KindEntry> {
    KINDS.iter().find(|entry| entry.kind.name() == name)
}
