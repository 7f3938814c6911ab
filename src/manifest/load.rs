//! One root, read: its documents and everything that is wrong with each of them by itself.
//!
//! Decides what every document says, as far as that can be told without the others. Never accepts or rejects: that takes
//! all roots together, and `resolve` does it. The engine and the commands call [`read_root`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::attached::{self, Role};
use super::draft::{Draft, locate};
use super::envelope::{self, Envelope, ManifestKind, Owner};
use super::environment;
use super::ignore;
use super::parse;
use super::problem::{self, Place, Problem, suggest};
use super::schema::Form;
use super::source::{self, Commit, Source, SourceFile};
use super::tree::{self, Data, Key, Node};
use crate::core::desired::Environment;
use crate::core::ignore::Ignore;
use crate::core::value;
use crate::kinds::{self, KindEntry};

/// After so many problems a root is not read further: nobody reads them all, and each costs memory.
const MOST_PROBLEMS: usize = 1_000;

/// What one root says.
pub struct Parsed {
    /// The root as it was given.
    pub root: Arc<str>,
    /// SHA-256 over its files, in hexadecimal.
    pub digest: Arc<str>,
    /// The commit, in a checkout.
    pub commit: Option<Commit>,
    pub(super) files: Vec<SourceFile>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    pub(super) environments: Vec<EnvironmentDocument>,
    pub(super) ignores: Vec<IgnoreDocument>,
    pub(super) resources: Vec<ResourceDocument>,
    /// What documents with problems would declare: what refers to it does not dangle.
    pub(super) broken: Vec<Mention>,
    /// Files that manifests name, by their paths below the root: they are no manifests themselves.
    pub(super) named: BTreeMap<Arc<str>, Node>,
    /// Those of them that cannot be read.
    pub(super) unparsed: BTreeSet<Arc<str>>,
    /// Files of which no line is shown: they give values of variables, or nobody knows what they are.
    hidden: BTreeSet<Arc<str>>,
    /// Whether a file is no YAML, so that nobody knows what it declares.
    pub(super) unreadable: bool,
}

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parsed({} at {})", self.root, self.digest)
    }
}

/// An Environment; without its content where that has problems.
pub(super) struct EnvironmentDocument {
    pub name: Arc<str>,
    pub environment: Option<Arc<Environment>>,
    pub file: Arc<str>,
    pub document: Node,
}

/// An Ignore.
pub(super) struct IgnoreDocument {
    pub envelope: Envelope,
    pub ignores: Vec<Ignore>,
    pub file: Arc<str>,
    pub place: Place,
}

/// A resource whose shape is right, for all of its environments.
pub(super) struct ResourceDocument {
    pub entry: &'static KindEntry,
    pub form: &'static Form,
    pub envelope: Envelope,
    pub source: value::Source,
    /// Where its name stands.
    pub place: Place,
    pub document: Node,
    /// The spec in the environments that override it.
    merged: BTreeMap<Arc<str>, Node>,
}

impl ResourceDocument {
    /// The spec in one environment. That a document has one was checked with its shape.
    pub fn spec(&self, environment: &str) -> &Node {
        self.merged.get(environment).or_else(|| self.document.get("spec")).unwrap_or(&self.document)
    }

    /// The place of a field of that spec, which may lie in the overrides.
    pub fn spec_place(&self, environment: &str, path: &[String]) -> Place {
        let start = self.document.key_place("spec").unwrap_or(self.document.place);
        locate(self.spec(environment), start, path)
    }
}

/// A declaration as far as it could be read: enough to tell what it refers to, and what else has its name.
pub(super) struct Mention {
    pub kind: &'static str,
    /// Empty if there is none.
    pub name: Arc<str>,
    /// The environments and where each is listed.
    pub environments: Vec<(Arc<str>, Place)>,
    pub owner: Option<Owner>,
    pub file: Arc<str>,
    /// Where its name stands.
    pub place: Place,
}

impl Mention {
    fn of(kind: &'static str, document: &Node, file: Arc<str>, place: Place) -> Self {
        let mut environments: Vec<(Arc<str>, Place)> = Vec::new();
        for (environment, place) in listed(document) {
            if environments.iter().all(|(known, _)| **known != *environment) {
                environments.push((environment.into(), place));
            }
        }
        let owner = owner(document);
        Self { kind, name: name(document).unwrap_or_default().into(), environments, owner, file, place }
    }
}

/// A root that is not accepted, and why.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// The root as it was given.
    pub root: Arc<str>,
    /// What was read, unless reading failed.
    pub digest: Option<Arc<str>>,
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
    /// Its files, so that problems can be shown with their lines: those of which lines may be shown.
    pub files: Vec<SourceFile>,
    /// Whether it is sound by itself, and refused only because it needs something of a root that is not.
    pub waits: bool,
}

impl Rejected {
    /// A rejection with its problems in the order of their places, each told once.
    pub(super) fn new(
        root: &Arc<str>,
        digest: Option<Arc<str>>,
        mut problems: Vec<Problem>,
        files: &[SourceFile],
    ) -> Self {
        problems.sort_by(|a, b| (&a.file, a.place, &a.message).cmp(&(&b.file, b.place, &b.message)));
        problems.dedup_by(|a, b| (&a.file, a.place, &a.message) == (&b.file, b.place, &b.message));
        Self { root: root.clone(), digest, problems, files: files.to_vec(), waits: false }
    }

    /// A sound revision that is refused because the roots in force do not stand with it.
    pub fn at_odds(parsed: &Parsed, with: &Rejected) -> Self {
        let first = with.problems.first().map(|problem| {
            let place = problem.place.map(|place| format!(":{}", place.line)).unwrap_or_default();
            format!(": {}{place}: {}", path_in_root(&with.root, &problem.file), problem.message)
        });
        let message = format!("with this revision {} would not stand any more{}", with.root, first.unwrap_or_default());
        let hint = "change both at once, or the other one first";
        let problem = Problem::of_file(&*parsed.root, message).hint(hint);
        Self::new(&parsed.root, Some(parsed.digest.clone()), vec![problem], &[])
    }

    /// What a person reads.
    pub fn render(&self, colour: bool) -> String {
        let problems: Vec<Problem> = self.problems.iter().map(|problem| in_root(&self.root, problem)).collect();
        let texts: BTreeMap<String, Arc<str>> =
            self.files.iter().map(|file| (path_in_root(&self.root, &file.path), file.text.clone())).collect();
        problem::render(&problems, &|file: &str| texts.get(file).cloned(), colour)
    }
}

/// The problem with its file as it is found from where the root was given.
fn in_root(root: &str, problem: &Problem) -> Problem {
    Problem { file: path_in_root(root, &problem.file), ..problem.clone() }
}

/// A file as it is found from where the root was given, which may be that file itself.
pub(super) fn path_in_root(root: &str, file: &str) -> String {
    let is_root = root == file || root.strip_suffix(file).is_some_and(|folder| folder.ends_with('/'));
    if is_root { root.to_owned() } else { format!("{}/{file}", root.trim_end_matches('/')) }
}

/// Reads a root once its files have settled; calls `pause` between readings.
pub fn read_root(root: &Path, pause: impl FnMut()) -> Result<Parsed, Rejected> {
    match source::read_settled(root, pause) {
        Ok(source) => Ok(Parsed::of(&source, source::commit(root))),
        Err(problems) => Err(Rejected::new(&root.display().to_string().into(), None, problems, &[])),
    }
}

impl Parsed {
    /// What the files of a root say.
    pub fn of(source: &Source, commit: Option<Commit>) -> Self {
        let mut parsed = Self {
            root: source.root.display().to_string().into(),
            digest: source.digest.as_str().into(),
            commit,
            files: source.files.clone(),
            problems: Vec::new(),
            warnings: Vec::new(),
            environments: Vec::new(),
            ignores: Vec::new(),
            resources: Vec::new(),
            broken: Vec::new(),
            named: BTreeMap::new(),
            unparsed: BTreeSet::new(),
            hidden: BTreeSet::new(),
            unreadable: false,
        };
        let read: Vec<_> = source.files.iter().map(|file| (file, parse::parse(file))).collect();
        let named = attached::named(&read);
        for (file, read) in read {
            let path: Arc<str> = file.path.as_str().into();
            let role = named.get(&*path);
            let hidden = role.map_or(!attached::is_own(file), |role| *role == Role::Vars);
            if hidden {
                parsed.hidden.insert(path.clone());
            }
            let hushed = |problems| if hidden { attached::hushed(problems) } else { problems };
            if role.is_some() {
                match attached::content(file) {
                    Ok(node) => drop(parsed.named.insert(path, node)),
                    Err(problems) => {
                        parsed.problems.extend(hushed(problems));
                        parsed.unparsed.insert(path);
                    }
                }
                continue;
            }
            match read {
                Ok(documents) => documents.into_iter().for_each(|document| {
                    if parsed.problems.len() < MOST_PROBLEMS {
                        parsed.take(&path, document);
                    }
                }),
                Err(problems) => {
                    parsed.problems.extend(hushed(problems));
                    parsed.unreadable = true;
                }
            }
            if parsed.problems.len() >= MOST_PROBLEMS {
                parsed.unreadable = true;
                break;
            }
        }
        if parsed.says_nothing() {
            let message = format!("no manifests below {}: its files hold no document", parsed.root);
            let hint = "restore them: an empty root would take everything out of watch";
            parsed.problems.push(Problem::of_file(&*parsed.root, message).hint(hint));
        }
        parsed
    }

    /// How many resources its documents declare.
    pub fn resource_count(&self) -> usize {
        self.resources.len()
    }

    /// Its files, as far as their lines may be shown.
    pub(super) fn shown(&self) -> Vec<SourceFile> {
        self.files.iter().filter(|file| !self.hidden.contains(file.path.as_str())).cloned().collect()
    }

    /// Whether nothing is wrong with any of its documents by itself.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn says_nothing(&self) -> bool {
        self.problems.is_empty()
            && self.environments.is_empty()
            && self.ignores.is_empty()
            && self.resources.is_empty()
            && self.broken.is_empty()
    }

    /// Reads one document.
    fn take(&mut self, file: &Arc<str>, document: Node) {
        let mut draft = Draft::new(file, &document);
        let Some(form) = envelope::form_of(&mut draft) else {
            self.problems.append(&mut draft.problems);
            return;
        };
        let merged = check(&mut draft, form);
        let envelope = envelope::read(&mut draft, form.kind);
        check_overrides(&mut draft);
        let file = file.clone();
        let place = draft.place(&["metadata", "name"]);
        match (form.kind, envelope) {
            (ManifestKind::Environment, envelope) => {
                let name = match &envelope {
                    Some(envelope) => Some(envelope.name.clone()),
                    None => name(&document).map(Arc::from),
                };
                let Some(name) = name else { return self.note(draft) };
                let environment = environment::read(&mut draft, form, &name).map(Arc::new);
                self.note(draft);
                self.environments.push(EnvironmentDocument { name, environment, file, document });
            }
            (ManifestKind::Ignore, Some(envelope)) => {
                let ignores = ignore::read(&mut draft, form, &envelope);
                self.note(draft);
                self.ignores.push(IgnoreDocument { envelope, ignores, file, place });
            }
            (ManifestKind::Resource(entry), Some(envelope)) if draft.problems.is_empty() => {
                let source = draft.source();
                self.note(draft);
                self.resources.push(ResourceDocument { entry, form, envelope, source, place, document, merged });
            }
            (ManifestKind::Ignore | ManifestKind::Resource(_), _) => {
                self.broken.push(Mention::of(form.kind.name(), &document, file, place));
                self.note(draft);
            }
        }
    }

    fn note(&mut self, draft: Draft<'_>) {
        self.problems.extend(draft.problems);
        self.warnings.extend(draft.warnings);
    }
}

/// Checks the shape of a document as it is in each of its environments; returns the specs that are overridden. The spec
/// alone need not be complete where every environment completes it.
fn check(draft: &mut Draft<'_>, form: &Form) -> BTreeMap<Arc<str>, Node> {
    let document = draft.document;
    let listed = listed(document);
    let patches: Vec<(&str, &Node)> = match document.get("overrides").map(|overrides| &overrides.data) {
        Some(Data::Map(entries)) => entries.iter().map(|(key, patch)| (key.name.as_str(), patch)).collect(),
        _ => Vec::new(),
    };
    let patches: Vec<(&str, &Node)> = patches
        .into_iter()
        .filter(|(environment, patch)| {
            listed.iter().any(|(listed, _)| listed == environment) && matches!(patch.data, Data::Map(_))
        })
        .collect();
    let completed = |environment: &str| patches.iter().any(|(patched, _)| *patched == environment);
    if patches.is_empty() || !listed.iter().all(|(environment, _)| completed(environment)) {
        form.document.check(draft.file, document, &mut draft.problems);
    }
    let mut merged = BTreeMap::new();
    for (environment, patch) in patches {
        let whole = tree::merge(document, &patch_of_spec(patch));
        form.document.check(draft.file, &whole, &mut draft.problems);
        if let Some(spec) = whole.get("spec") {
            merged.insert(environment.into(), spec.clone());
        }
    }
    merged
}

/// The override of one environment as a patch of the whole document.
fn patch_of_spec(patch: &Node) -> Node {
    let key = Key { place: patch.place, name: "spec".to_owned() };
    Node { place: patch.place, data: Data::Map(vec![(key, patch.clone())]) }
}

/// Needs the list of environments only, so that nothing else that is wrong hides what is wrong here.
fn check_overrides(draft: &mut Draft<'_>) {
    let Some(Data::Map(entries)) = draft.document.get("overrides").map(|overrides| &overrides.data) else { return };
    let listed = listed(draft.document);
    for (key, _) in entries {
        if listed.is_empty() || listed.iter().any(|(environment, _)| *environment == key.name) {
            continue;
        }
        let message =
            format!("`overrides` names the environment `{}`, which `metadata.environments` does not list", key.name);
        let hint = match suggest(&key.name, listed.iter().map(|(environment, _)| *environment)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "add it to `metadata.environments`, or take the override away".to_owned(),
        };
        draft.problems.push(Problem::at(&**draft.file, key.place, message).hint(hint));
    }
}

/// The name, as far as there is one.
fn name(document: &Node) -> Option<&str> {
    document.get("metadata")?.get("name")?.as_text()
}

/// The environments and where each is listed, as far as they are.
fn listed(document: &Node) -> Vec<(&str, Place)> {
    let environments = document.get("metadata").and_then(|metadata| metadata.get("environments"));
    match environments.map(|environments| &environments.data) {
        Some(Data::Seq(items)) => items.iter().filter_map(|item| Some((item.as_text()?, item.place))).collect(),
        _ => Vec::new(),
    }
}

/// The owner, as far as one is named.
fn owner(document: &Node) -> Option<Owner> {
    let owner = document.get("ownedBy")?;
    let name = owner.get("name")?;
    let kind = kinds::find(owner.get("kind")?.as_text()?)?.kind.name();
    Some(Owner { kind, name: name.as_text()?.into(), place: name.place })
}
