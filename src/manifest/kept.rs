//! A revision as it is kept while it is in force: its text, to be parsed again when a newer one is
//! rejected.
//!
//! Decides nothing. Trees of ten thousand documents weigh ten times what their text does, and are
//! needed again only on a bad day. The engine keeps one for each root.

use super::load::Parsed;
use super::source::{Source, SourceFile};
use super::succession::{Subjects, subjects};
use std::path::PathBuf;
use std::sync::Arc;

/// The text of an accepted revision.
#[derive(Debug, Clone)]
pub struct Kept {
    /// SHA-256 over its files, in hexadecimal.
    pub digest: Arc<str>,
    /// The commit, in a checkout.
    pub commit: Option<super::source::Commit>,
    pub(super) files: Vec<SourceFile>,
    /// What it speaks of.
    pub(super) subjects: Subjects,
    root: Arc<str>,
}

impl Kept {
    /// What is kept of a revision.
    pub fn of(parsed: &Parsed) -> Self {
        let (digest, commit) = (parsed.digest.clone(), parsed.commit.clone());
        Self { digest, commit, files: parsed.files.clone(), subjects: subjects(parsed), root: parsed.root.clone() }
    }

    /// The revision again.
    pub fn parse(&self) -> Parsed {
        let source =
            Source { root: PathBuf::from(&*self.root), files: self.files.clone(), digest: self.digest.to_string() };
        Parsed::of(&source, self.commit.clone())
    }
}
