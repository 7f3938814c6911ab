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
use crate::kinds::{Declaration, app, service_binding};

/// What to do about a binding that two manifests declare.
const BOUND_TWICE: &str =
    "drop the app from the `apps` of the ServiceBinding, or the instance from the `services` of the App";

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
    let mut known: BTreeMap<Name<'_>, &Candidate<'_>> = BTreeMap::new();
    let mut objects: BTreeMap<(&ScopeKey, &str, &Select), (Party<'_>, &Candidate<'_>)> = BTreeMap::new();
    for index in among.iter().copied() {
        let (Some(root), Some(judged)) = (roots.get(index), judged.get(index)) else { continue };
        for (name, file, place) in named(root) {
            let party = Party { index, file, place };
            match names.get(&name) {
                Some(first) => found.extend(same_name(roots, *first, party, name, keep(name))),
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
                    Some(first) => {
                        let hint = apart(known.get(&candidate.name()).copied(), candidate);
                        found.extend(same_name(roots, *first, party, candidate.name(), hint));
                    }
                    None => drop(names.insert(candidate.name(), party)),
                }
            }
            known.entry(candidate.name()).or_insert(candidate);
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

/// What to do about two documents of one name.
fn keep((environment, _, _): Name<'_>) -> String {
    match environment {
        "" => "keep one of the two".to_owned(),
        environment => format!("rename one, or take `{environment}` from the environments of one"),
    }
}

/// What to do about two resources of one name that documents declare as their parts.
fn apart(first: Option<&Candidate<'_>>, second: &Candidate<'_>) -> String {
    let same = first.is_some_and(|first| first.declaration.id == second.declaration.id);
    match second.kind.name() {
        service_binding::KIND if same => BOUND_TWICE.to_owned(),
        app::KIND if same => "only one manifest may say what an app should be: keep one of the two".to_owned(),
        app::KIND | service_binding::KIND => {
            let called = "its applications are then called `<metadata.name>/<application>`";
            format!("where two spaces have apps of one name, add `prefixed: true` to one of the two Apps: {called}")
        }
        _ => keep(second.name()),
    }
}

fn same_name(
    roots: &[Arc<Parsed>],
    first: Party<'_>,
    second: Party<'_>,
    name: Name<'_>,
    hint: String,
) -> Vec<(usize, Problem)> {
    let (_, kind, name) = name;
    let message = format!("{kind} `{name}` is declared twice");
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
    let hint = match other.kind.name() {
        service_binding::KIND => BOUND_TWICE,
        _ => "only one manifest may say what an object should be: keep one of the two",
    };
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::path::PathBuf;

    use super::super::resolve::resolve;
    use super::super::source::{Source, SourceFile};
    use super::*;
    use crate::core::redact::Redactor;

    const ENVIRONMENT: &str = "apiVersion: moored.dev/v1\nkind: Environment\nmetadata: {name: production}\nspec:\n  \
                               class: production\n  cloudFoundry:\n    api: https://api.example.com\n    \
                               organizations: {gds: {}}\n    auth: {clientId: a, clientSecretFile: /b}\n";

    /// What is wrong with these documents: each with what to do about it.
    fn told(documents: &[&str]) -> Vec<(String, String)> {
        let head = |kind: &str| format!("apiVersion: moored.dev/v1\nkind: {kind}\n");
        let documents: Vec<String> = documents
            .iter()
            .map(|document| {
                let (kind, rest) = document.split_once(' ').unwrap();
                let (name, spec) = rest.split_once(' ').unwrap();
                let metadata = format!("metadata: {{name: {name}, environments: [production]}}\n");
                format!("{}{metadata}spec: {spec}\n", head(kind))
            })
            .collect();
        let text = documents.join("---\n");
        let manifest = "applications: [{name: web, services: [db]}]\n";
        let named = text.contains("cf.yml").then_some(("cf.yml", manifest));
        let files = [("a.yaml", text.as_str()), ("e.yaml", ENVIRONMENT)].into_iter().chain(named);
        let files = files.map(|(path, text)| SourceFile { path: path.to_owned(), text: Arc::from(text) }).collect();
        let source = Source { root: PathBuf::from("root"), files, digest: String::new() };
        let parsed = Arc::new(Parsed::of(&source, None));
        let resolved = resolve(&[parsed], &Redactor::new(&[7; 32]), jiff::Timestamp::UNIX_EPOCH);
        let problems = resolved.rejected.into_iter().flat_map(|rejected| rejected.problems);
        problems.map(|problem| (problem.message, problem.hint.unwrap_or_default())).collect()
    }

    #[test]
    fn apps_of_one_name_in_two_spaces_are_told_apart_by_their_documents() {
        let blue = "App blue {space: blue, manifest: cf.yml}";
        let both = told(&[blue, "App green {space: green, manifest: cf.yml}"]);
        assert_eq!(both.len(), 2, "{both:?}");
        for (message, hint) in &both {
            assert!(message.contains("is declared twice") && hint.contains("`prefixed: true`"), "{message}: {hint}");
        }
        assert!(told(&[blue, "App green {space: green, manifest: cf.yml, prefixed: true}"]).is_empty());
    }

    #[test]
    fn a_binding_of_an_app_and_of_a_service_binding_is_to_be_dropped_from_one() {
        let binding = "ServiceBinding db {space: prod, serviceInstance: db, apps: [web]}";
        for app in
            ["App x {space: prod, manifest: cf.yml}", "App x {space: prod, application: {name: web, services: [db]}}"]
        {
            let told = told(&[app, binding]);
            assert!(matches!(told.as_slice(), [(_, hint)] if hint == BOUND_TWICE), "{told:?}");
        }
    }
}
