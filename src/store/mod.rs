//! The store: what outlives the process.
//!
//! Decides how memory and the history of findings are kept in one SQLite file, and what is said
//! when that file cannot be used. It never judges: it keeps what `evaluate` made and gives it back
//! as it was. The engine saves, `moored history` and the API ask for the past. The same file is the
//! flight recorder's: what was live, as facts and changes.

pub mod history;
pub mod hold;
pub mod key;
mod record;
mod rows;
mod schema;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::ErrorCode;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::core::drift::Finding;
use crate::core::evaluate::Event;
use crate::core::filter::Filter;
use crate::core::hold::Hold;
use crate::core::identity::{ObjectKey, ScopeKey};
use crate::core::memory::Memory;
use crate::core::observation::Live;
use crate::core::record::reveal::Visible;
use crate::core::record::{Attributed, Change, FactsAt, Seen};

pub use history::SqliteHistory;
pub use record::past::{ChangeQuery, Reach, RecordedThing, ThingFacts};

/// What earlier passes taught, and which findings were open when.
pub trait History: Send {
    /// The memory as it was last saved.
    fn load(&mut self) -> Result<Memory, StoreError>;

    /// Saves what changed since the last good save. After an error nothing of it was written, and
    /// the next save writes all of it.
    fn save(&mut self, memory: &Memory, events: &[Event], at: Timestamp) -> Result<(), StoreError>;

    /// Findings, open and ended ones, newest first.
    fn past(&self, query: &Past) -> Result<Vec<PastFinding>, StoreError>;

    /// Compares a reading with what is recorded and records the difference, a few thousand things in
    /// one transaction. The first reading of a scope is its baseline: facts without changes. After an
    /// error the next reading finds what was not written. Values in these changes that may be secret
    /// bear the marks of the record: [`History::changes`] tells what may be shown.
    fn record(&mut self, seen: &Seen<'_>) -> Result<Vec<Change>, StoreError>;

    /// What is recorded in a scope and neither gone nor there, from memory: things that a list lacks,
    /// to be asked for by name. Empty for a store that was opened to be read.
    fn lacking(&self, scope: &ScopeKey, there: &BTreeMap<ObjectKey, Arc<Live>>) -> Vec<ObjectKey>;

    /// From now on whoever asks what changed is shown these values that may be secret, and no others.
    /// After an error the next [`History::record`] tries again.
    fn set_visible(&mut self, names: Visible) -> Result<(), StoreError>;

    /// Recorded changes, newest last.
    fn changes(&self, query: &ChangeQuery) -> Result<Vec<Change>, StoreError>;

    /// What a thing was at a moment.
    fn facts_at(&self, scope: &ScopeKey, kind: &str, key: &str, at: Timestamp) -> Result<FactsAt, StoreError>;

    /// Recorded things, whether gone or not, by kind and name.
    fn things(&self, query: &ChangeQuery) -> Result<Vec<RecordedThing>, StoreError>;

    /// How far the record reaches, by scope.
    fn reach(&self) -> Result<Vec<Reach>, StoreError>;

    /// Changes whose actor nobody has looked up, oldest first.
    fn pending(&self, limit: usize) -> Result<Vec<Change>, StoreError>;

    /// Says who made a change.
    fn attribute(&mut self, id: i64, attributed: &Attributed) -> Result<(), StoreError>;

    /// The holds that are not over.
    fn holds(&self, now: Timestamp) -> Result<Vec<Hold>, StoreError>;
}

/// What everything that a query names was at a moment.
pub fn facts_of(history: &dyn History, query: &ChangeQuery, at: Timestamp) -> Result<Vec<ThingFacts>, StoreError> {
    let things = history.things(query)?.into_iter();
    let facts = things.map(|RecordedThing { name, .. }| {
        let then = history.facts_at(&name.scope, &name.kind, &name.key, at)?;
        Ok(ThingFacts { name, then })
    });
    facts.collect()
}

/// What is asked of the past.
#[derive(Debug, Clone)]
pub struct Past {
    /// Only findings that were open at some time since then.
    pub since: Option<Timestamp>,
    /// Which findings; of labels only `app` was recorded.
    pub filter: Filter,
    /// At most this many.
    pub limit: usize,
}

/// A finding with its beginning and end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastFinding {
    /// The finding as it was last.
    pub finding: Finding,
    /// When moored first saw it.
    pub opened_at: Timestamp,
    /// When its end was proven; `None` while it is open.
    pub ended_at: Option<Timestamp>,
}

/// Why the store cannot be used: one line with a reason and a hint.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The path names a directory.
    #[error("{path} is a directory: give the path of a file in it, such as {path}/moored.db")]
    IsDirectory {
        /// The path as given, without a slash at its end.
        path: String,
    },
    /// The system does not let it be opened or written.
    #[error(
        "cannot open or write {path}: {reason}; its directory must exist, be writable for this user and have space left"
    )]
    Unusable {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// Another process holds the lock.
    #[error("{path} is in use by another moored: stop that one, or give this one a state file of its own")]
    Locked {
        /// The state file.
        path: String,
    },
    /// The file belongs to something else.
    #[error("{path} is no state file of moored ({reason}): it is left as it is; give another path")]
    Foreign {
        /// The file.
        path: String,
        /// What it is instead.
        reason: String,
    },
    /// The file is ours, but not whole.
    #[error(
        "{path} is damaged ({reason}): move it and {path}-wal away and start again; what is drifted is found anew, since when it is drifted is lost"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The file was written by a later version.
    #[error(
        "{path} was written by a newer moored (schema {found}, this one knows {known}): run that version, or give another path"
    )]
    Newer {
        /// The file.
        path: String,
        /// The file's schema.
        found: i64,
        /// The newest schema that is known here.
        known: i64,
    },
    /// There is nothing to read.
    #[error("{path} does not exist: give the state file of a daemon (`moored run --state PATH`)")]
    Absent {
        /// The file.
        path: String,
    },
    /// Anything else that SQLite says.
    #[error("{path}: {reason}")]
    Sqlite {
        /// The file.
        path: String,
        /// What SQLite said.
        reason: String,
    },
    /// The redaction key cannot be used.
    #[error("key file {path}: {problem}")]
    Key {
        /// The key file.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl StoreError {
    fn unusable(path: &Path, reason: &std::io::Error) -> Self {
        Self::Unusable { path: path.display().to_string(), reason: one_line(reason) }
    }

    fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, reason) = (path.display().to_string(), one_line(error));
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign { path, reason },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason },
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure,
            ) => Self::Unusable { path, reason },
            Some(_) => Self::Sqlite { path, reason },
            None if unreadable(error) => Self::Damaged { path, reason },
            None => Self::Sqlite { path, reason },
        }
    }
}

/// Whether a value was there, but made no sense.
fn unreadable(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

fn one_line(text: &impl ToString) -> String {
    text.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The file of this name with something appended: what belongs to a state file lies beside it.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod scratch {
    use std::path::{Path, PathBuf};

    /// A directory of one test, removed at its end.
    pub struct Scratch(PathBuf);

    impl Scratch {
        pub fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("moored-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        pub fn path(&self) -> &Path {
            &self.0
        }

        pub fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
