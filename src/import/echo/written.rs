//! When a declaration was written, and whether a person has reviewed it.
//!
//! Decides which files say what an App is: the manifest itself, and the manifest of Cloud Foundry's
//! that it names. The newer of the two counts. In a checkout without changes the time of a file is
//! that of the checkout and says nothing. What cannot be read says nothing either. [`super`] calls it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::core::desired::{Declared, Revision};
use crate::core::value::Source;
use crate::kinds::{app, setting};
use crate::manifest::envelope::REVIEWED;
use crate::manifest::parse::parse;
use crate::manifest::source::SourceFile;
use crate::manifest::tree::{Data, Node};

/// The files of a declaration.
pub(super) struct Written {
    /// The root, as it was given.
    pub root: Arc<str>,
    /// The newest of its files, below the root.
    pub file: String,
    /// When that was written.
    pub at: Option<Timestamp>,
    /// Whether a person stands for it.
    pub reviewed: bool,
}

/// The manifest files of all roots, each read once.
pub(super) struct Files<'a> {
    roots: &'a [PathBuf],
    revisions: &'a [Revision],
    /// The App documents of a file, by its root and its path below that.
    read: BTreeMap<(usize, Arc<str>), Vec<Node>>,
}

impl<'a> Files<'a> {
    pub fn new(roots: &'a [PathBuf], revisions: &'a [Revision]) -> Self {
        Self { roots, revisions, read: BTreeMap::new() }
    }

    /// What is known of the document that declares this.
    pub fn of(&mut self, declared: &Declared) -> Option<Written> {
        let Source { file, line } = &declared.source;
        let roots = self.roots;
        roots.iter().enumerate().find_map(|(index, root)| {
            let documents = self.read.entry((index, file.clone())).or_insert_with(|| apps(&path(root, file), file));
            let document = documents.iter().find(|document| document.place.line == *line)?;
            let attached = attached(document, &declared.environment, file);
            let dated = std::iter::once(file.to_string()).chain(attached);
            let (at, file) = dated.map(|file| (changed(&path(root, &file)), file)).max_by_key(|(at, _)| *at)?;
            let root: Arc<str> = root.display().to_string().into();
            let clean = self.revisions.iter().any(|known| known.root == root && known.commit.is_some() && !known.dirty);
            Some(Written { root, file, at: at.filter(|_| !clean), reviewed: is_reviewed(document) })
        })
    }
}

/// A file of a root, which may be that file itself.
fn path(root: &Path, file: &str) -> PathBuf {
    if root.is_file() { root.to_owned() } else { root.join(file) }
}

/// The App documents of a file. It was accepted a moment ago: what cannot be read now has changed since.
fn apps(path: &Path, file: &str) -> Vec<Node> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut documents = parse(&SourceFile { path: file.to_owned(), text: text.into() }).unwrap_or_default();
    documents.retain(|document| document.get("kind").and_then(Node::as_text) == Some(app::KIND));
    documents
}

/// The manifest of Cloud Foundry's that a document names in this environment.
fn attached(document: &Node, environment: &str, file: &str) -> Option<String> {
    let patch = document.get("overrides").and_then(|overrides| overrides.get(environment));
    let named = patch.and_then(|patch| patch.get("manifest"));
    let named = named.or_else(|| document.get("spec")?.get("manifest"))?;
    setting::Files { file, named: None }.locate(named.as_text()?)
}

fn is_reviewed(document: &Node) -> bool {
    let annotations = document.get("metadata").and_then(|metadata| metadata.get("annotations"));
    match annotations.and_then(|annotations| annotations.get(REVIEWED)).map(|node| &node.data) {
        Some(Data::Scalar(said)) => said.raw.eq_ignore_ascii_case("true"),
        Some(Data::Seq(_) | Data::Map(_)) => false,
        None => true,
    }
}

fn changed(path: &Path) -> Option<Timestamp> {
    let modified = fs::metadata(path).ok()?.modified().ok()?;
    Timestamp::try_from(modified).ok()
}
