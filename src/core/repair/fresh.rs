//! Fresh readings: what everything about a target was like a moment before its request.
//!
//! Decides whether one reading still allows what was planned: the same thing, unedited, nobody back
//! on whose behalf it was made, nothing that stays pointing at it, no protection. What the reading
//! does not say is unclear, never fine. `step` asks it before the first action and before each.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::episode::Task;
use super::target::Step;

/// Where a thing was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    Present {
        /// Which one of its name.
        incarnation: Arc<str>,
        /// What it is like.
        version: Arc<str>,
    },
    /// It is proven gone, by its kind's own proof.
    Gone,
    /// It could not be told.
    Unclear(Arc<str>),
}

/// What one reading says of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// Which action it is about.
    pub action: usize,
    /// Before its first call. Things are read before their owners, so that staleness deletes less.
    pub started: Timestamp,
    /// The thing.
    pub target: Found,
    /// Those on whose behalf it was made, in the task's order.
    pub owners: Vec<Found>,
    /// What an item names, in the task's order.
    pub pieces: Vec<Found>,
    /// Everything live that refers to it, by [`place`](super::target::place); or why that is not known.
    pub referrers: Result<BTreeSet<Arc<str>>, Arc<str>>,
    /// Whether deletion protection is on, where the kind has any.
    pub protected: Option<bool>,
}

/// What a reading allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allows {
    /// The request.
    Request,
    /// Nothing is left to do.
    Nothing,
    /// It must not be done, and why.
    Never(String),
    /// It cannot be said: reading again may tell.
    Unclear(String),
}

impl Fresh {
    /// What it allows for a task. `going` are the places of what goes after it, which may still point
    /// here. `last` asks that everything an item names is gone: not before anything was done.
    pub fn allows(&self, task: &Task, going: &BTreeSet<Arc<str>>, last: bool) -> Allows {
        match &self.target {
            Found::Gone => return Allows::Nothing,
            Found::Unclear(why) => return Allows::Unclear(format!("it could not be read: {why}")),
            Found::Present { incarnation, .. } if incarnation != task.target.incarnation() => {
                return Allows::Never("another thing has its name now".to_owned());
            }
            Found::Present { version, .. } if version != task.target.version() => {
                return Allows::Never("somebody has changed it since the plan was made".to_owned());
            }
            Found::Present { .. } => {}
        }
        if self.owners.len() != task.owners.len() || (last && self.pieces.len() != task.pieces.len()) {
            return Allows::Unclear("not everything that the plan rests on was read".to_owned());
        }
        let pieces = task.pieces.iter().zip(&self.pieces).filter(|_| last);
        for (mention, found) in task.owners.iter().zip(&self.owners).chain(pieces) {
            match found {
                Found::Gone => {}
                Found::Present { .. } => return Allows::Never(format!("{mention} is there")),
                Found::Unclear(why) => return Allows::Unclear(format!("{mention} could not be read: {why}")),
            }
        }
        match &self.referrers {
            Err(why) => return Allows::Unclear(format!("it is not known what refers to it: {why}")),
            Ok(referrers) => {
                if let Some(outside) = referrers.iter().find(|referrer| !going.contains(*referrer)) {
                    return Allows::Never(format!("{outside} refers to it"));
                }
            }
        }
        match (self.protected, task.target.step()) {
            (Some(true), _) => Allows::Never("its deletion protection is on".to_owned()),
            (None, Step::LoadBalancer) => Allows::Unclear("its deletion protection is not known".to_owned()),
            (Some(false) | None, _) => Allows::Request,
        }
    }
}
