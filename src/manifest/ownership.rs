//! Owners that own each other.
//!
//! Decides that of things which own each other in a circle none is the first: every one of them is told. Never looks
//! for owners that do not exist: `judge` does, which also knows the thing that owns itself. `resolve` calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::envelope::Owner;
use super::judge::Name;
use super::load::Parsed;
use super::problem::Problem;

/// So many of a circle are named.
const SHOWN: usize = 8;

/// Something that is owned.
#[derive(Clone, Copy)]
struct Owned<'a> {
    index: usize,
    file: &'a str,
    owner: &'a Owner,
}

/// The problems of everything that is, by way of others, its own owner.
pub(super) fn circles(roots: &[Arc<Parsed>]) -> Vec<(usize, Problem)> {
    let owned = owned(roots);
    let mut found = Vec::new();
    let mut seen: BTreeSet<Name<'_>> = BTreeSet::new();
    for start in owned.keys() {
        // The way up from here, until it ends or comes to what was seen before: on this way, or on an earlier one.
        let mut way: Vec<Name<'_>> = Vec::new();
        let mut at = *start;
        while let Some(Owned { owner, .. }) = owned.get(&at) {
            if !seen.insert(at) {
                break;
            }
            way.push(at);
            at = (at.0, owner.kind, &*owner.name);
        }
        let circle: Vec<Name<'_>> = way.into_iter().skip_while(|name| *name != at).collect();
        if circle.len() > 1 {
            found.extend(circle.iter().enumerate().filter_map(|(position, name)| {
                let Owned { index, file, owner } = owned.get(name)?;
                let message = format!("things own each other in a circle: {}", shown(&circle, position));
                let hint = "take `ownedBy` away from the one that can be without the others";
                Some((*index, Problem::at(*file, owner.place, message).hint(hint)))
            }));
        }
    }
    found
}

/// Everything that is owned; of what is declared twice the first.
fn owned(roots: &[Arc<Parsed>]) -> BTreeMap<Name<'_>, Owned<'_>> {
    let mut owned = BTreeMap::new();
    for (index, root) in roots.iter().enumerate() {
        for document in &root.resources {
            let Some(owner) = &document.envelope.owner else { continue };
            let file = &*document.source.file;
            for (environment, _) in &document.envelope.environments {
                let name = (&**environment, document.entry.kind.name(), &*document.envelope.name);
                owned.entry(name).or_insert(Owned { index, file, owner });
            }
        }
        for mention in &root.broken {
            let Some(owner) = &mention.owner else { continue };
            for (environment, _) in &mention.environments {
                let name = (&**environment, mention.kind, &*mention.name);
                owned.entry(name).or_insert(Owned { index, file: &mention.file, owner });
            }
        }
    }
    owned
}

/// The circle as it is seen from one of its members.
fn shown(circle: &[Name<'_>], position: usize) -> String {
    let from_here = circle.iter().cycle().skip(position).take(circle.len() + 1);
    let names: Vec<String> = from_here.take(SHOWN).map(|(_, kind, name)| format!("{kind} `{name}`")).collect();
    let more = if circle.len() + 1 > SHOWN { " → …" } else { "" };
    format!("{}{more}", names.join(" → "))
}
