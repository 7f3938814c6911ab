//! The ledger's words: what an episode writes down, before and after every request.
//!
//! Decides what an entry says and how an action can end. The store chains, encrypts and syncs
//! entries; an episode only asks for them to be written, and `resume` reads them after a crash.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::episode::Sequence;
use super::target::Target;
use crate::core::drift::Root;

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Our request was sent, and a reading shows that the thing is gone.
    Deleted,
    /// It was gone before our request could have done it.
    AlreadyGone,
    /// It is still there although the request was sent.
    Refused,
    /// No request was sent, or it is known to have had no effect.
    Aborted,
    /// No reading could tell.
    Unknown,
}

impl Fate {
    /// Whether a reading shows that the thing is gone.
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Deleted | Self::AlreadyGone)
    }

    /// The word used in metrics and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::AlreadyGone => "already_gone",
            Self::Refused => "refused",
            Self::Aborted => "aborted",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An action that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closed {
    /// How it ended.
    pub fate: Fate,
    /// Why, for a person.
    pub reason: Arc<str>,
}

/// How an episode ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// Everything that was planned is gone.
    Clean,
    /// It stopped before that.
    Stopped {
        /// Why, for a person.
        reason: Arc<str>,
    },
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Entry {
    /// An approved plan begins to be carried out.
    Begun {
        /// The episode.
        episode: Arc<str>,
        /// The environment.
        environment: Arc<str>,
        /// The group.
        root: Root,
        /// The plan's hash.
        plan: Arc<str>,
        /// The lease's fencing number.
        fence: u64,
        /// Everything that is to be done, in order.
        tasks: Sequence,
        /// When.
        at: Timestamp,
    },
    /// An action is about to be done; the store adds the encrypted before-image.
    Intent {
        /// The episode.
        episode: Arc<str>,
        /// Which of its actions.
        action: usize,
        /// What it deletes.
        target: Target,
        /// The lease's fencing number.
        fence: u64,
        /// When.
        at: Timestamp,
    },
    /// An action is over.
    Outcome {
        /// The episode.
        episode: Arc<str>,
        /// Which of its actions.
        action: usize,
        /// How it ended.
        closed: Closed,
        /// When.
        at: Timestamp,
    },
    /// The episode is over.
    Ended {
        /// The episode.
        episode: Arc<str>,
        /// How.
        ending: Ending,
        /// When.
        at: Timestamp,
    },
}

impl Entry {
    /// The episode that wrote it.
    pub fn episode(&self) -> &Arc<str> {
        match self {
            Self::Begun { episode, .. }
            | Self::Intent { episode, .. }
            | Self::Outcome { episode, .. }
            | Self::Ended { episode, .. } => episode,
        }
    }
}
