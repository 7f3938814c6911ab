//! Mentions: things as documents name them, whether or not anybody has read them.
//!
//! Decides how the owners and pieces of a plan are written down, and how they are asked for again.
//! Plans, tasks and the ledger hold them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::identity::{Ask, ScopeKey, Select};
use crate::core::world::World;
use crate::kinds;

/// How a thing is found in its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// By the scope's own key.
    Key,
    /// By ARN.
    Arn,
    /// By another name.
    Alias,
}

/// A thing as a document names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mention {
    /// Where it is, or was.
    pub scope: ScopeKey,
    /// Its kind.
    pub kind: Arc<str>,
    /// How it is found there.
    pub by: By,
    /// Which one.
    pub select: Arc<str>,
    /// Which one of that name, where that is remembered.
    pub incarnation: Option<Arc<str>>,
}

impl Mention {
    /// A thing that somebody asks for.
    pub fn of(scope: &ScopeKey, ask: &Ask, world: &World<'_>) -> Self {
        // What only a record knows is written down by the key that the record gives now.
        let resolved = world.resolve(ask).unwrap_or_else(|_| ask.clone());
        let (by, select) = match &resolved.select {
            Select::Key(key) => (By::Key, key.clone()),
            Select::Arn(arn) => (By::Arn, arn.clone()),
            Select::Alias(alias) => (By::Alias, alias.clone()),
            Select::ReferencedBy(_) => (By::Alias, resolved.select.to_string().into()),
        };
        let known = world.memory_of(scope, &resolved);
        Self {
            scope: scope.clone(),
            kind: ask.kind.into(),
            by,
            select,
            incarnation: known.and_then(|known| known.incarnation.clone()),
        }
    }

    /// How its scope is asked for it; `None` where no kind is called so any more.
    pub fn ask(&self) -> Option<Ask> {
        let kind = kinds::find(&self.kind)?.kind.name();
        let select = match self.by {
            By::Key => Select::Key(self.select.clone()),
            By::Arn => Select::Arn(self.select.clone()),
            By::Alias => Select::Alias(self.select.clone()),
        };
        Some(Ask { kind, select })
    }
}

impl fmt::Display for Mention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.select)
    }
}
