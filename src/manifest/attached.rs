//! Files that manifests name: Cloud Foundry's own manifests, used unchanged, and their variables.
//!
//! Decides which files of a root those are, so that nobody takes them for manifests of moored's.
//! They are read, digested and refused with their root. Never interprets one: the kind does that
//! names it. The loader calls it.

use std::collections::BTreeSet;

use super::parse;
use super::problem::{Place, Problem};
use super::source::SourceFile;
use super::tree::{Data, Node};
use crate::kinds::app;
use crate::kinds::setting::Files;

/// A file of a root with its documents, as far as they could be parsed.
pub(super) type Read<'a> = (&'a SourceFile, Result<Vec<Node>, Vec<Problem>>);

/// Fields of an App that name files.
const FIELDS: [&str; 2] = ["manifest", "vars"];

/// The paths of all files that are named by others.
pub(super) fn named(read: &[Read<'_>]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (file, documents) in read {
        let apps = documents.iter().flatten().filter(|document| text(document.get("kind")) == Some(app::KIND));
        for document in apps {
            let overrides = document.get("overrides").map(|overrides| &overrides.data);
            let patches = match overrides {
                Some(Data::Map(entries)) => entries.iter().map(|(_, patch)| patch).collect(),
                _ => Vec::new(),
            };
            paths.extend(document.get("spec").into_iter().chain(patches).flat_map(|spec| of(spec, &file.path)));
        }
    }
    paths
}

/// The paths of the files that a spec names, in a manifest of this path.
pub(super) fn of(spec: &Node, file: &str) -> Vec<String> {
    let files = Files { file, named: None };
    let values = FIELDS.iter().filter_map(|field| spec.get(field));
    values.flat_map(texts).filter_map(|named| files.locate(named)).collect()
}

/// What such a file says. An empty document says nothing, two say too much.
pub(super) fn content(file: &SourceFile) -> Result<Node, Vec<Problem>> {
    let mut documents = parse::parse_foreign(file)?.into_iter();
    match (documents.next(), documents.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            Ok(Node { place: Place { line: 1, column: 1, offset: 0, length: 0 }, data: Data::Map(Vec::new()) })
        }
        (Some(_), Some(second)) => {
            let problem = Problem::at(&file.path, second.place, "a second document in a file that another one names");
            Err(vec![problem.hint("keep one document in it, or name one file for each")])
        }
    }
}

fn text(node: Option<&Node>) -> Option<&str> {
    node.and_then(Node::as_text)
}

fn texts(node: &Node) -> Vec<&str> {
    match &node.data {
        Data::Seq(items) => items.iter().filter_map(Node::as_text).collect(),
        _ => node.as_text().into_iter().collect(),
    }
}
