//! All roots together: which are accepted, and what they declare.
//!
//! Decides that a root with any problem is rejected whole, as is every root that needs something of it; the others
//! stand. Never keeps an older revision: the engine does, and hands it in again. The engine and the commands call it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::conflict::conflicts;
use super::judge::{Candidate, Judged, Need, Union};
use super::load::{Parsed, Rejected, ResourceDocument};
use super::ownership::circles;
use super::problem::Problem;
use super::tree::{Data, Node, Resolved as Meaning};
use super::warning::{Warning, warnings};
use crate::core::desired::{Declared, Desired, Inventory, Parent, Revision, StateTable};
use crate::core::identity::Ask;
use crate::core::redact::Redactor;
use crate::kinds::{Declaration, Rules};

/// What all roots declare together.
#[derive(Debug)]
pub struct Resolved {
    /// What the accepted roots declare.
    pub desired: Desired,
    /// The roots that are not accepted.
    pub rejected: Vec<Rejected>,
    /// What is allowed but probably not meant, in the accepted roots.
    pub warnings: Vec<Warning>,
}

/// Puts all roots together. `now` tells which Ignores have ended.
pub fn resolve(roots: &[Arc<Parsed>], redactor: &Redactor, now: Timestamp) -> Resolved {
    let union = Union::of(roots);
    let mut judged: Vec<Judged<'_>> =
        roots.iter().enumerate().map(|(index, root)| Judged::of(index, root, &union, redactor)).collect();
    blame(&mut judged, circles(roots));
    for index in 0..judged.len() {
        let found = conflicts(roots, &judged, &BTreeSet::from([index]));
        blame(&mut judged, found);
    }
    // Each turn rejects at least one more root, or is the last.
    let mut waiting = BTreeSet::new();
    let standing = loop {
        let standing: BTreeSet<usize> =
            judged.iter().enumerate().filter(|(_, root)| root.problems.is_empty()).map(|(index, _)| index).collect();
        let mut found = unmet(roots, &judged, &standing);
        waiting.extend(found.iter().map(|(index, _)| *index));
        if found.is_empty() {
            found = conflicts(roots, &judged, &standing);
        }
        if found.is_empty() {
            break standing;
        }
        blame(&mut judged, found);
    };

    let mut rejected = Vec::new();
    let mut candidates = Vec::new();
    for (index, (root, judged)) in roots.iter().zip(judged).enumerate() {
        if judged.problems.is_empty() {
            candidates.extend(judged.candidates);
        } else {
            let refusal = Rejected::new(&root.root, Some(root.digest.clone()), judged.problems, &root.shown());
            rejected.push(Rejected { waits: waiting.contains(&index), ..refusal });
        }
    }
    let accepted: Vec<&Parsed> =
        roots.iter().enumerate().filter(|(index, _)| standing.contains(index)).map(|(_, root)| &**root).collect();
    let desired = desired(&accepted, candidates, redactor);
    let warnings = warnings(&accepted, &desired, now);
    Resolved { desired, rejected, warnings }
}

/// Adds problems to the roots that have them.
fn blame(judged: &mut [Judged<'_>], found: Vec<(usize, Problem)>) {
    for (index, problem) in found {
        if let Some(root) = judged.get_mut(index) {
            root.problems.push(problem);
        }
    }
}

/// What standing roots need of roots that do not stand.
fn unmet(roots: &[Arc<Parsed>], judged: &[Judged<'_>], standing: &BTreeSet<usize>) -> Vec<(usize, Problem)> {
    let mut found = Vec::new();
    for index in standing {
        let needs = judged.get(*index).map(|root| root.needs.as_slice()).unwrap_or_default();
        for Need { on, file, place, what, name } in needs.iter().filter(|need| !standing.contains(&need.on)) {
            let other = roots.get(*on).map(|root| &*root.root).unwrap_or_default();
            let message = format!("the {what} `{name}` is declared in {other}, which was rejected");
            found.push((
                *index,
                Problem::at(*file, *place, message).hint(format!("correct the errors of {other} first")),
            ));
        }
    }
    found
}

/// What the accepted roots declare, in order.
fn desired(accepted: &[&Parsed], mut candidates: Vec<Candidate<'_>>, redactor: &Redactor) -> Desired {
    candidates.sort_by(|a, b| a.name().cmp(&b.name()));
    let owned = candidates.iter().any(|candidate| candidate.document.envelope.owner.is_some());
    let parents: BTreeMap<(Arc<str>, &'static str, Arc<str>), Parent> =
        if owned { candidates.iter().map(parent).collect() } else { BTreeMap::new() };

    let mut desired = Desired::default();
    for root in accepted {
        for environment in root.environments.iter().filter_map(|document| document.environment.as_ref()) {
            desired.environments.insert(environment.name.clone(), environment.clone());
        }
        desired.ignores.extend(root.ignores.iter().flat_map(|document| &document.ignores).cloned().map(Arc::new));
        desired.revisions.push(revision(root));
    }
    desired.ignores.sort_by(|a, b| (&a.environment, &a.name).cmp(&(&b.environment, &b.name)));
    for candidate in candidates {
        let Candidate { document, environment, kind, name, application, is_part: _, named, declaration } = candidate;
        let Declaration { scope, select, id, expects, facets, rules, not_compared } = declaration;
        let envelope = &document.envelope;
        let owner = envelope.owner.as_ref();
        let declared = Arc::new(Declared {
            environment: environment.name.clone(),
            kind,
            name,
            scope,
            select,
            id,
            expects,
            not_compared,
            facets,
            absent: envelope.absent,
            owned_by: owner
                .and_then(|owner| parents.get(&(environment.name.clone(), owner.kind, owner.name.clone())).cloned()),
            policy: envelope.policy.clone(),
            application: envelope.labels.get("app").cloned().unwrap_or(application),
            team: envelope.labels.get("team").cloned(),
            labels: envelope.labels.clone(),
            source: document.source.clone(),
            digest: digest(document, &named, &environment.name, redactor),
        });
        match rules {
            // Parts are candidates of their own by now.
            None | Some(Rules::Parts(_)) => {}
            Some(Rules::Inventory(rules)) => {
                desired.inventories.push(Arc::new(Inventory { declared: declared.clone(), rules }));
            }
            Some(Rules::Table(rules)) => desired.tables.push(Arc::new(StateTable {
                declared: declared.clone(),
                key: rules.key,
                parent_kind: rules.parent_kind,
                parent_scope: rules.parent_scope,
                parent_name: rules.parent_name,
                written_at: rules.written_at,
                when_parent_gone: rules.when_parent_gone,
                pieces: rules.pieces,
            })),
        }
        desired.resources.push(declared);
    }
    desired
}

fn parent(candidate: &Candidate<'_>) -> ((Arc<str>, &'static str, Arc<str>), Parent) {
    let (kind, name) = (candidate.kind.name(), candidate.name.clone());
    let Declaration { scope, select, .. } = &candidate.declaration;
    let parent = Parent { scope: scope.clone(), ask: Ask { kind, select: select.clone() }, name: name.clone() };
    ((candidate.environment.name.clone(), kind, name), parent)
}

fn revision(root: &Parsed) -> Revision {
    Revision {
        root: root.root.clone(),
        digest: root.digest.clone(),
        commit: root.commit.as_ref().map(|commit| commit.id.as_str().into()),
        dirty: root.commit.as_ref().is_some_and(|commit| commit.dirty),
        accepted: true,
    }
}

/// Changes when what is declared changes; comments, order and quotes around text do not matter.
/// Keyed: it is kept in the state file, and a short secret could be guessed from a plain hash.
fn digest(document: &ResourceDocument, named: &[&Node], environment: &str, redactor: &Redactor) -> u64 {
    let mut hasher = Sha256::new();
    write_node(document.spec(environment), &mut hasher);
    named.iter().for_each(|node| write_node(node, &mut hasher));
    // Policy is about moored, not about the thing: a new runbook gives nothing time to settle.
    match document.document.get("ownedBy") {
        Some(node) => write_node(node, &mut hasher),
        None => hasher.update([0u8]),
    }
    hasher.update([u8::from(document.envelope.absent)]);
    redactor.fingerprint(&hasher.finalize())
}

/// Every part with its kind and length, so that no two values are written alike.
fn write_node(node: &Node, hasher: &mut Sha256) {
    fn write(kind: u8, length: usize, hasher: &mut Sha256) {
        hasher.update([kind]);
        hasher.update((length as u64).to_be_bytes());
    }
    match &node.data {
        Data::Scalar(scalar) => {
            let kind = if scalar.resolve() == Meaning::Text { 1 } else { 2 };
            write(kind, scalar.raw.len(), hasher);
            hasher.update(scalar.raw.as_bytes());
        }
        Data::Seq(items) => {
            write(3, items.len(), hasher);
            items.iter().for_each(|item| write_node(item, hasher));
        }
        Data::Map(entries) => {
            write(4, entries.len(), hasher);
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
            for (key, value) in sorted {
                write(5, key.name.len(), hasher);
                hasher.update(key.name.as_bytes());
                write_node(value, hasher);
            }
        }
    }
}
