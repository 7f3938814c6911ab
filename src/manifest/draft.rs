//! One document while it is being read.
//!
//! Decides which place of the file a problem points at. Never decides what is wrong: the readers of
//! envelope, Environment and Ignore do, and note it here, so that all of it is told at once.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::check::Checker;
use super::decode::decode;
use super::problem::{Place, Problem};
use super::tree::{Data, Node};
use crate::core::value::Source;

/// A document, and what is noted about it.
pub struct Draft<'a> {
    /// The file, relative to its root.
    pub file: &'a Arc<str>,
    /// What it says.
    pub document: &'a Node,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Problem>,
}

impl<'a> Draft<'a> {
    /// A document of which nothing is known yet.
    pub fn new(file: &'a Arc<str>, document: &'a Node) -> Self {
        Self { file, document, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Where the document begins.
    pub fn source(&self) -> Source {
        Source { file: self.file.clone(), line: self.document.place.line }
    }

    /// The place of a value, or of the deepest one on the way to it.
    pub fn place(&self, path: &[&str]) -> Place {
        locate(self.document, self.document.place, path)
    }

    /// Notes what is wrong with a value.
    pub fn problem(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) {
        let place = self.place(path);
        self.problems.push(Problem::at(&**self.file, place, message).hint(hint));
    }

    /// Notes what is allowed but probably not meant.
    pub fn warn(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) {
        let place = self.place(path);
        self.warnings.push(Problem::at(&**self.file, place, message).hint(hint));
    }

    /// The field `key` of the document as its type; `None` if it is not there or does not fit.
    pub fn part<T: DeserializeOwned>(&mut self, key: &str, checker: &Checker) -> Option<T> {
        let node = self.document.get(key)?;
        match decode(node, checker) {
            Ok(part) => Some(part),
            Err(error) => {
                // The check has told what is wrong with the shape already, and in better words.
                if self.problems.is_empty() {
                    self.problems.push(Problem::at(&**self.file, error.place, error.message));
                }
                None
            }
        }
    }
}

/// The place at the end of a path of names and item numbers, or of the deepest value on the way. Lists and maps are
/// shown by their name, which says more than their first line.
pub fn locate<S: AsRef<str>>(node: &Node, start: Place, path: &[S]) -> Place {
    let mut node = node;
    let mut place = start;
    for step in path {
        let step = step.as_ref();
        let next = match &node.data {
            Data::Map(_) => node.get(step),
            Data::Seq(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            Data::Scalar(_) => None,
        };
        let Some(next) = next else { break };
        place = match &next.data {
            Data::Scalar(_) => next.place,
            Data::Seq(_) | Data::Map(_) => node.key_place(step).unwrap_or(next.place),
        };
        node = next;
    }
    place
}
