//! What is declared twice: a name in one environment, or one live object by whatever names.
//!
//! Decides that neither of two such declarations is meant more than the other: both places are told, and both roots are
//! to blame. `resolve` calls it, for one root alone and for all that stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::draft::locate;
use super::judge::{Candidate, Judged, Name};
use super::load::{Parsed, path_in_root};
use super::problem::{Place, Problem};
use crate::core::identity::{ScopeKey, Select};
use crate::kinds::Declaration;

/// One of two declarations that cannot both be meant.
#[derive(Clone, Copy)]
struct Party<'a> {
    index: usize,
    file: &'a str,
    place: Place,
}

/// Names that are declared twice among these roots, and live objects that are.
pub(super) fn conflicts(
    roots: &[Arc<Parsed>],
    judged: &[Judged<'_>],
    among: &BTreeSet<usize>,
) -> Vec<(usize, Problem)> {
    let mut found = Vec::new();
    let mut names: BTreeMap<Name<'_>, Party<'_>> = BTreeMap::new();
    let mut objects: BTreeMap<(&ScopeKey, &str, &Select), (Party<'_>, &Candidate<'_>)> = BTreeMap::new();
    for index in among.iter().copied() {
        let (Some(root), Some(judged)) = (roots.get(index), judged.get(index)) else { continue };
        for (name, file, place) in named(root) {
            let party = Party { index, file, place };
            match names.get(&name) {
                Some(first) => found.extend(same_name(roots, *first, party, name)),
                None => {
                    names.insert(name, party);
                }
            }
        }
        for candidate in &judged.candidates {
            let party = Party { index, file: &candidate.document.source.file, place: candidate.document.place };
            if candidate.is_part {
                match names.get(&candidate.name()) {
                    // A document may have the name of one of its parts.
                    Some(first) if (first.index, first.file, first.place) == (index, party.file, party.place) => {}
                    Some(first) => found.extend(same_name(roots, *first, party, candidate.name())),
                    None => drop(names.insert(candidate.name(), party)),
                }
            }
            let Declaration { scope, select, .. } = &candidate.declaration;
            let key = (scope, candidate.kind.name(), select);
            match objects.get(&key) {
                // Two of one name are told already.
                Some((_, first)) if first.name() == candidate.name() => {}
                Some((first_party, first)) => {
                    found.extend(same_object(roots, (*first_party, *first), (party, candidate)))
                }
                None => {
                    objects.insert(key, (party, candidate));
                }
            }
        }
    }
    found
}

/// Everything that a root declares under a name.
fn named(root: &Parsed) -> impl Iterator<Item = (Name<'_>, &str, Place)> {
    let environments = root.environments.iter().map(|document| {
        let place = locate(&document.document, document.document.place, &["metadata", "name"]);
        (("", "Environment", &*document.name), &*document.file, place)
    });
    let ignores = root.ignores.iter().flat_map(|document| {
        let environments = document.envelope.environments.iter();
        environments.map(move |(at, _)| ((&**at, "Ignore", &*document.envelope.name), &*document.file, document.place))
    });
    let resources = root.resources.iter().flat_map(|document| {
        let environments = document.envelope.environments.iter();
        environments.map(move |(at, _)| {
            let name = (&**at, document.entry.kind.name(), &*document.envelope.name);
            (name, &*document.source.file, document.place)
        })
    });
    let broken = root.broken.iter().filter(|mention| !mention.name.is_empty()).flat_map(|mention| {
        let environments = mention.environments.iter();
        environments.map(move |(at, _)| ((&**at, mention.kind, &*mention.name), &*mention.file, mention.place))
    });
    environments.chain(ignores).chain(resources).chain(broken)
}

fn same_name(roots: &[Arc<Parsed>], first: Party<'_>, second: Party<'_>, name: Name<'_>) -> Vec<(usize, Problem)> {
    let (environment, kind, name) = name;
    let message = format!("{kind} `{name}` is declared twice");
    let hint = match environment {
        "" => "keep one of the two".to_owned(),
        environment => format!("rename one, or take `{environment}` from the environments of one"),
    };
    both(roots, first, second, &message, &hint)
}

fn same_object(
    roots: &[Arc<Parsed>],
    first: (Party<'_>, &Candidate<'_>),
    second: (Party<'_>, &Candidate<'_>),
) -> Vec<(usize, Problem)> {
    let ((first, one), (second, other)) = (first, second);
    let id = &one.declaration.id;
    if std::ptr::eq(one.document, other.document) {
        let (a, b) = (&one.environment.name, &other.environment.name);
        let message = format!("the environments `{a}` and `{b}` mean one live object here: {id}");
        let hint = "list one of them only, or let `overrides` tell them apart";
        return vec![(second.index, Problem::at(second.file, second.place, message).hint(hint))];
    }
    let message = format!("one live object is declared twice: {id}");
    let hint = "only one manifest may say what an object should be: keep one of the two";
    both(roots, first, second, &message, hint)
}

/// The problem of two declarations: told once within a root, and to both roots otherwise.
fn both(
    roots: &[Arc<Parsed>],
    first: Party<'_>,
    second: Party<'_>,
    message: &str,
    hint: &str,
) -> Vec<(usize, Problem)> {
    let tell = |to: Party<'_>, other: Party<'_>| {
        let file = match roots.get(other.index) {
            Some(root) => path_in_root(&root.root, other.file),
            None => other.file.to_owned(),
        };
        let message = format!("{message}: here and in {file}:{}", other.place.line);
        (to.index, Problem::at(to.file, to.place, message).hint(hint))
    };
    let mut told = vec![tell(second, first)];
    if first.index != second.index {
        told.push(tell(first, second));
    }
    told
}
