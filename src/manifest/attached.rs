//! Files that manifests name: Cloud Foundry's own manifests, used unchanged, and their variables.
//!
//! Decides which files of a root those are, so that nobody takes them for manifests of moored's, and
//! of which files no line and no word may be shown, because they hold secrets. They are read, digested
//! and refused with their root. Never interprets one: the kind does that names it. The loader calls it.

use std::collections::BTreeMap;

use super::parse;
use super::problem::{Place, Problem};
use super::source::SourceFile;
use super::tree::{Data, Node};
use crate::kinds::app;
use crate::kinds::setting::Files;

/// A file of a root with its documents, as far as they could be parsed.
pub(super) type Read<'a> = (&'a SourceFile, Result<Vec<Node>, Vec<Problem>>);

/// What a file is named for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// A manifest of Cloud Foundry's.
    Manifest,
    /// Values of its variables, which may be secret: the stronger of the two.
    Vars,
}

/// Fields of an App that name files.
const FIELDS: [(&str, Role); 2] = [("manifest", Role::Manifest), ("vars", Role::Vars)];

/// The paths of all files that are named by others.
pub(super) fn named(read: &[Read<'_>]) -> BTreeMap<String, Role> {
    let mut paths = BTreeMap::new();
    for (file, documents) in read {
        let apps = documents.iter().flatten().filter(|document| text(document.get("kind")) == Some(app::KIND));
        for document in apps {
            let overrides = document.get("overrides").map(|overrides| &overrides.data);
            let patches = match overrides {
                Some(Data::Map(entries)) => entries.iter().map(|(_, patch)| patch).collect(),
                _ => Vec::new(),
            };
            let named = document.get("spec").into_iter().chain(patches).flat_map(|spec| roles(spec, &file.path));
            for (path, role) in named {
                let known = paths.entry(path).or_insert(role);
                *known = role.max(*known);
            }
        }
    }
    paths
}

/// The paths of the files that a spec names, in a manifest of this path.
pub(super) fn of(spec: &Node, file: &str) -> Vec<String> {
    roles(spec, file).into_iter().map(|(path, _)| path).collect()
}

fn roles(spec: &Node, file: &str) -> Vec<(String, Role)> {
    let files = Files { file, named: None };
    let values = FIELDS.iter().filter_map(|(field, role)| Some((spec.get(field)?, *role)));
    let named = values.flat_map(|(value, role)| texts(value).into_iter().map(move |text| (text, role)));
    named.filter_map(|(text, role)| Some((files.locate(text)?, role))).collect()
}

/// Whether a file that nobody names is meant to be one of moored's own. One that is not may be a vars file whose name
/// is misspelt where it is named.
pub(super) fn is_own(file: &SourceFile) -> bool {
    file.text.contains("apiVersion")
}

/// The same problems without a word of the file: what is between backticks may be a part of a secret.
pub(super) fn hushed(problems: Vec<Problem>) -> Vec<Problem> {
    let hushed = |message: String| match (message.find('`'), message.rfind('`')) {
        (Some(first), Some(last)) if first < last => {
            let (before, after) = (message.get(..=first), message.get(last..));
            format!("{}…{}", before.unwrap_or_default(), after.unwrap_or_default())
        }
        _ => message,
    };
    problems.into_iter().map(|problem| Problem { message: hushed(problem.message), ..problem }).collect()
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::super::load::{Parsed, Rejected};
    use super::super::resolve::resolve;
    use super::super::source::{Source, SourceFile};
    use crate::core::redact::Redactor;

    const ENVIRONMENT: &str = "apiVersion: moored.dev/v1\nkind: Environment\nmetadata: {name: production}\nspec:\n  \
                               class: production\n  cloudFoundry:\n    api: https://api.example.com\n    \
                               organizations: {gds: {}}\n    auth: {clientId: a, clientSecretFile: /b}\n";
    const APP: &str = "apiVersion: moored.dev/v1\nkind: App\nmetadata: {name: web, environments: [production]}\n\
                       spec: {space: prod, manifest: cf.yml, vars: [vars.yml]}\n";
    const MANIFEST: &str = "applications: [{name: web, memory: ((memory))}]\n";

    /// Why such a root is refused: all that a person is shown, and the messages alone.
    fn refused(app: &str, manifest: &str, vars: &str) -> (String, Vec<String>) {
        let files = [("app.yaml", app), ("cf.yml", manifest), ("environment.yaml", ENVIRONMENT), ("vars.yml", vars)];
        let files = files.map(|(path, text)| SourceFile { path: path.to_owned(), text: Arc::from(text) }).to_vec();
        let source = Source { root: PathBuf::from("root"), files, digest: String::new() };
        let parsed = Arc::new(Parsed::of(&source, None));
        let now = jiff::Timestamp::UNIX_EPOCH;
        let mut rejected: Vec<Rejected> = resolve(&[parsed], &Redactor::new(&[7; 32]), now).rejected;
        let rejected = rejected.pop().expect("it is refused");
        let messages = rejected.problems.iter().map(|problem| problem.message.clone()).collect();
        (rejected.render(false), messages)
    }

    #[test]
    fn no_word_of_a_vars_file_is_shown_whatever_is_wrong() {
        for (app, manifest, vars) in [
            (APP.to_owned(), MANIFEST, "memory: !hunter2\n"),
            (APP.to_owned(), MANIFEST, "memory: 1G\nhunter2: a\nhunter2: b\n"),
            (APP.to_owned(), MANIFEST, "memory: 1G\n hunter2: [\n"),
            (APP.to_owned(), MANIFEST, "memory: hunter2\n"),
            (APP.to_owned(), MANIFEST, "hunter2\n"),
            (APP.to_owned(), "applications: [{name: web, memory: ((memory))}", "memory: hunter2\n"),
            (APP.replace("vars.yml", "vras.yml"), MANIFEST, "memory: hunter2\n"),
            (APP.replace("vars.yml", "vras.yml"), MANIFEST, "memory: !hunter2\n"),
            (APP.replace("spec: {", "spec: [{"), MANIFEST, "memory: hunter2\n"),
        ] {
            let (shown, _) = refused(&app, manifest, vars);
            assert!(!shown.contains("hunter2") && shown.contains("error: "), "{vars}: {shown}");
        }
    }

    #[test]
    fn a_manifest_that_is_no_yaml_is_there_all_the_same() {
        let (shown, messages) = refused(APP, "applications: [{name: web\n", "memory: 1G\n");
        assert!(messages.len() == 1 && messages[0].starts_with("not valid YAML"), "{messages:?}");
        assert!(shown.contains("cf.yml:"), "{shown}");
    }
}
