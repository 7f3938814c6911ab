//! Memory: what earlier passes taught, kept across restarts.
//!
//! Decides what is worth remembering: incarnations (so that a re-created thing is not taken for
//! the one before), what is gone, open findings (so that they are held, not forgotten), and the
//! declarations' digests (so that a change is given its settling time). `evaluate` makes the next
//! memory from the last; the store keeps it; nobody edits it in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::drift::{Finding, FindingKey};
use super::identity::{ObjectKey, ScopeKey};

/// What is remembered of one live thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMemory {
    /// Its id when last seen; empty for a thing that was only ever proven absent.
    pub id: Arc<str>,
    /// Which incarnation was last seen (createdAt).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Arc<str>>,
    /// What other things called it; kept for the kinds that records can point at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Arc<str>>,
    /// What earlier incarnations of it were called: a record may still point there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Arc<str>>,
    /// When moored first saw it; a thing that is made again begins anew.
    pub first_seen: Timestamp,
    /// Since when its marked parts have been as they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<Arc<str>, Mark>,
    /// How it was accounted for when it was last seen in the scope of an inventory.
    #[serde(default, skip_serializing_if = "Watched::is_no")]
    pub watched: Watched,
    /// Since when every reading has proven it gone, without one that failed in between: what was
    /// claimed must have been read since then. It begins again after a restart.
    #[serde(skip)]
    pub absent_since: Option<Timestamp>,
    /// Since when it is proven gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_since: Option<Timestamp>,
}

/// A marked part of a thing, and when moored saw it become what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What it is; `None` once it is gone.
    pub value: Option<Arc<str>>,
    /// A reading that was finished then showed it first.
    pub since: Timestamp,
    /// It was something else, or not there, at this time; `None` where it was so when the thing was
    /// first seen.
    pub after: Option<Timestamp>,
}

/// How a thing was accounted for while an inventory watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched {
    /// It was not there since an inventory watches.
    #[default]
    No,
    /// A manifest declared it: its loss is `missing`, and no loss at all once the manifest is gone.
    Declared,
    /// No manifest did.
    Stranger,
}

impl Watched {
    fn is_no(&self) -> bool {
        *self == Self::No
    }
}

/// What is remembered of one declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredMemory {
    /// The digest of what is declared.
    pub digest: u64,
    /// When it changed while moored watched; `None` when it was there from the first load on.
    pub changed_at: Option<Timestamp>,
}

/// Environment, kind and name of a resource.
pub type Name = (Arc<str>, &'static str, Arc<str>);

/// What an inventory remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CensusMemory {
    /// Of its rules: what they say anew begins anew.
    pub digest: u64,
    /// The first complete listing that it saw: what was gone before is not its matter.
    pub since: Option<Timestamp>,
    /// Mass loss, while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
}

/// A mass loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// How many things were there.
    pub before: u32,
    /// The beginning of the time within which they went.
    pub from: Timestamp,
    /// The reading that showed it.
    pub at: Timestamp,
}

/// What is remembered of one scope.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScopeMemory {
    /// Asked-for things that were seen.
    pub objects: BTreeMap<ObjectKey, ObjectMemory>,
    /// Open findings of things whose home is this scope.
    pub findings: BTreeMap<FindingKey, Arc<Finding>>,
    /// Since when unsteady things have been so, and how far they had mended by then, by
    /// environment, kind and name. Not kept across a restart: their patience then begins again.
    pub unsteady: BTreeMap<Name, (Timestamp, i64)>,
    /// Inventories of this scope, by environment and name.
    pub census: BTreeMap<(Arc<str>, Arc<str>), CensusMemory>,
    /// Declarations whose home is this scope, by environment, kind and name.
    pub declared: BTreeMap<Name, DeclaredMemory>,
}

/// Everything remembered, by home scope; unchanged scopes are shared between passes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// By scope.
    pub scopes: BTreeMap<ScopeKey, Arc<ScopeMemory>>,
    /// Whether a set of manifests was evaluated before: the first load has no settling time.
    pub seasoned: bool,
}

impl Memory {
    /// What is remembered of one live thing.
    pub fn object(&self, scope: &ScopeKey, key: &ObjectKey) -> Option<&ObjectMemory> {
        self.scopes.get(scope)?.objects.get(key)
    }
}
