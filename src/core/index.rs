//! The index of the desired state: made once per accepted revision, read at every evaluation.
//!
//! Decides which scopes exist, who shares them, what is asked of each before any claim is known,
//! and how many pieces an application has. It keeps evaluation proportional to what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::asks::{Asks, Facet};
use super::desired::{Declared, Desired, Inventory, StateTable};
use super::drift::FindingKey;
use super::identity::{Ask, ObjectKey, ScopeKey, Select};
use super::ignore::Ignore;
use super::value::Expect;
use crate::kinds::http_probe;

/// What one scope is watched for.
#[derive(Debug, Clone, Default)]
pub struct Home {
    /// Environments that share it.
    pub environments: BTreeSet<Arc<str>>,
    /// Declarations that are observed in it, StateTables aside.
    pub resources: Vec<Arc<Declared>>,
    /// StateTables that are observed in it.
    pub tables: Vec<Arc<StateTable>>,
    /// Inventories of it.
    pub inventories: Vec<Arc<Inventory>>,
    /// What the declarations ask of it.
    pub asks: Arc<Asks>,
}

impl Home {
    /// Whether a declaration here has the environment, kind and name of a finding.
    pub fn declares(&self, key: &FindingKey) -> bool {
        self.resources.iter().any(|declared| {
            declared.environment == key.environment && declared.kind.name() == &*key.kind && declared.name == key.name
        })
    }
}

/// The index.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// Every scope that is watched.
    pub scopes: BTreeMap<ScopeKey, Home>,
    /// Declarations by where and how they are found.
    pub by_ask: BTreeMap<(ScopeKey, Ask), Vec<Arc<Declared>>>,
    /// Declarations found by something else than a key or an ARN.
    pub indirect: BTreeMap<ScopeKey, Vec<Arc<Declared>>>,
    /// How many declared pieces an application has, by environment and name.
    pub applications: BTreeMap<(Arc<str>, Arc<str>), u32>,
    /// How many applications each environment has.
    pub application_totals: BTreeMap<Arc<str>, u32>,
    /// Ignores by environment.
    pub ignores: BTreeMap<Arc<str>, Vec<Arc<Ignore>>>,
}

impl Index {
    /// Indexes a desired state.
    pub fn new(desired: &Desired) -> Self {
        let mut index = Self::default();
        for declared in &desired.resources {
            *index.applications.entry((declared.environment.clone(), declared.application.clone())).or_default() += 1;
            let home = index.scopes.entry(declared.scope.clone()).or_default();
            home.environments.insert(declared.environment.clone());
            // A StateTable is judged with its items, an Inventory with its scope, below.
            if matches!(declared.kind.name(), "StateTable" | "Inventory") {
                continue;
            }
            home.resources.push(declared.clone());
            let asks = Arc::make_mut(&mut home.asks);
            asks.want(declared.ask(), declared.facets.iter().copied());
            asks.definitions.extend(definition(declared));
            asks.plain.extend(http_probe::pointers(declared));
            if let Some(owner) = &declared.owned_by {
                let owners = index.scopes.entry(owner.scope.clone()).or_default();
                owners.environments.insert(declared.environment.clone());
                Arc::make_mut(&mut owners.asks).want(owner.ask.clone(), []);
            }
            if let Select::ReferencedBy(referrer) = &declared.select {
                index.scopes.entry(referrer.0.clone()).or_default().environments.insert(declared.environment.clone());
            }
            if matches!(declared.select, Select::Alias(_) | Select::ReferencedBy(..)) {
                index.indirect.entry(declared.scope.clone()).or_default().push(declared.clone());
            }
            index.by_ask.entry((declared.scope.clone(), declared.ask())).or_default().push(declared.clone());
        }
        for table in &desired.tables {
            index.add_table(table);
        }
        for inventory in &desired.inventories {
            let home = index.scopes.entry(inventory.declared.scope.clone()).or_default();
            home.inventories.push(inventory.clone());
            let asks = Arc::make_mut(&mut home.asks);
            (asks.everything, asks.scan) = (true, true);
            asks.of_everything.insert(Facet::TaskDefinition);
        }
        for home in index.scopes.values_mut() {
            Arc::make_mut(&mut home.asks).visible = shared_visibility(desired, &home.environments);
        }
        for (environment, _) in index.applications.keys() {
            *index.application_totals.entry(environment.clone()).or_default() += 1;
        }
        for ignore in &desired.ignores {
            index.ignores.entry(ignore.environment.clone()).or_default().push(ignore.clone());
        }
        index
    }

    fn add_table(&mut self, table: &Arc<StateTable>) {
        let environment = &table.declared.environment;
        let others = table.pieces.iter().map(|piece| &piece.scope).chain([&table.parent_scope]);
        for scope in others {
            self.scopes.entry(scope.clone()).or_default().environments.insert(environment.clone());
        }
        let home = self.scopes.entry(table.declared.scope.clone()).or_default();
        home.tables.push(table.clone());
        let asks = Arc::make_mut(&mut home.asks);
        asks.scan = true;
        let templates = table.pieces.iter().flat_map(|piece| {
            let naming: Vec<_> = match &piece.naming {
                super::desired::Naming::Key(template) | super::desired::Naming::Arn(template) => vec![template],
                super::desired::Naming::Record { name, set, .. } => std::iter::once(name).chain(set).collect(),
            };
            naming.into_iter().chain(&piece.for_each)
        });
        for template in templates.chain([&table.parent_name]).chain(&table.written_at) {
            asks.plain.extend(template.attributes());
        }
    }

    /// Whether an inventory watches for what goes from this scope.
    pub fn is_watched(&self, scope: &ScopeKey) -> bool {
        self.scopes.get(scope).is_some_and(|home| !home.inventories.is_empty())
    }

    /// Whether a manifest declares, by its key, what has this key.
    pub fn declares(&self, scope: &ScopeKey, key: &ObjectKey) -> bool {
        self.by_ask.contains_key(&(scope.clone(), Ask::of(key)))
    }

    /// The declaration that is found like this, if one is.
    pub fn declared_as(&self, environment: &str, scope: &ScopeKey, ask: &Ask) -> Option<&Arc<Declared>> {
        self.by_ask.get(&(scope.clone(), ask.clone()))?.iter().find(|declared| *declared.environment == *environment)
    }
}

/// The revision of a task definition that a service declares, as `family:revision`.
fn definition(declared: &Declared) -> Option<Arc<str>> {
    let value = |wanted: &str| {
        declared.expects.iter().find_map(|(path, expect)| match expect {
            Expect::Is(value) if path == wanted => Some(value),
            _ => None,
        })
    };
    let family = value("taskDefinition.family")?.as_text()?;
    let revision = value("taskDefinition.revision")?.as_int()?;
    Some(format!("{family}:{revision}").into())
}

/// A value is shown only where every environment that shares its scope lists its name.
fn shared_visibility(desired: &Desired, environments: &BTreeSet<Arc<str>>) -> BTreeSet<Arc<str>> {
    let mut lists =
        environments.iter().filter_map(|name| desired.environments.get(name)).map(|environment| &environment.visible);
    let first = lists.next().cloned().unwrap_or_default();
    lists.fold(first, |shared, list| shared.intersection(list).cloned().collect())
}
