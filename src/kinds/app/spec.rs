//! What a manifest of kind App says, and which resources it declares.
//!
//! Decides where the application is described (here, or in a manifest of Cloud Foundry's own that is
//! used unchanged), which applications of that manifest are meant, and what each declares: itself, and
//! each of its bindings in its own right. Never interprets an attribute: `v1` and `expect` do. The
//! loader calls [`declare`].

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::expect::{Terms, expects};
use super::v1::sheet::{Notes, is_null, scalar};
use super::v1::{self, Application};
use super::{App, legacy, live, vars};
use crate::core::asks::Facet;
use crate::core::identity::{ScopeKey, Select};
use crate::kinds::service_binding::spec as binding;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;
use crate::kinds::{Declaration, Part, Parts, Rules};
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::problem::{Place, shorten, suggest};
use crate::manifest::tree::{Data, Node};

/// What to do about a name that a variable leaves open.
const NAME_HINT: &str = "add a file that gives it to `vars`";

/// An application of Cloud Foundry, or all those of a Cloud Foundry manifest. Only what is declared is
/// compared: with neither `manifest` nor `application`, that it runs. An instance that does not run counts
/// after five minutes, or two where none of its process does, `policy.settle` if that is less. Each of its
/// `services` is a resource of its own, called `ServiceBinding APP/INSTANCE`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppSpec {
    /// The organisation; by default the only one of the Environment.
    pub organization: Option<String>,
    /// The space.
    pub space: Text,
    /// A manifest of Cloud Foundry's own, used unchanged: its path, seen from this file. Each of its
    /// applications is a resource of its own, called by its own name.
    pub manifest: Option<String>,
    /// The names of the applications in it that are meant; by default all of them.
    pub select: Option<Vec<Text>>,
    /// Whether the applications of the manifest are called `<metadata.name>/<application>`: where another
    /// space of the environment has some of the same names. False by default.
    #[serde(default)]
    pub prefixed: bool,
    /// Files with values of `((variables))`, seen from this file; the later ones count. What no file
    /// gives is not compared.
    pub vars: Option<Vec<String>>,
    /// The application, in place of a manifest: the attributes of one application as version 1 of Cloud
    /// Foundry's manifests spells them, with `-` or `_`. Its `name` is metadata.name by default.
    #[schemars(with = "Option<v1::Attributes>")]
    pub application: Option<IgnoredAny>,
    /// Whether it may be reached, bound and configured by nothing else than what is declared: routes,
    /// services and names of variables are compared as a whole. False by default, as `cf push` only adds.
    #[serde(default)]
    pub exhaustive: bool,
    /// Whether it runs at all.
    #[serde(default)]
    pub desired_state: DesiredState,
}

/// Whether an application runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DesiredState {
    /// It runs.
    #[default]
    Started,
    /// It is there, and does not run.
    Stopped,
}

/// Reads and resolves a spec.
pub fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: AppSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    let scope = setting.organization(spec.organization.as_deref()).map_err(|problem| vec![problem])?;
    if spec.space.trim().is_empty() {
        let problem = SpecProblem::at(["space"], "the name of the space is empty");
        return Err(vec![problem.hint("write the name of the space that the application lies in")]);
    }
    let files = variables(&spec, node, setting);
    let ground = Ground { spec: &spec, setting, scope };
    match (&spec.manifest, files) {
        (None, Ok(files)) => ground.inline(node, &files),
        (Some(path), Ok(files)) => ground.manifest(path, node, &files),
        (None, Err(problems)) => Err(problems),
        // What is wrong with both is told at once.
        (Some(path), Err(problems)) => {
            let found = content(path, setting).err();
            Err(problems.into_iter().chain(found).collect())
        }
    }
}

/// The contents of the vars files.
fn variables<'a>(spec: &AppSpec, node: &Node, setting: &Setting<'a>) -> Result<Vec<&'a Node>, Vec<SpecProblem>> {
    let mut contents = Vec::new();
    let mut problems = Vec::new();
    for (index, named) in spec.vars.iter().flatten().enumerate() {
        match content(named, setting) {
            Ok((_, content)) if matches!(content.data, Data::Map(_)) => contents.push(content),
            Ok((path, content)) => {
                let message = format!("a vars file is a map, and this is {}", content.kind_name());
                let problem = SpecProblem::at(Vec::<String>::new(), message).hint("write `name: value` lines");
                problems.push(SpecProblem { place: Some(content.place), file: Some(path), ..problem });
            }
            Err(problem) => problems.push(SpecProblem { place: item(node, "vars", index), ..problem }),
        }
    }
    if problems.is_empty() { Ok(contents) } else { Err(problems) }
}

/// A file that the spec names: its path below the root, and what it says.
fn content<'a>(named: &str, setting: &Setting<'a>) -> Result<(String, &'a Node), SpecProblem> {
    let problem = |message: String, hint: &str| SpecProblem::at(["manifest"], message).hint(hint);
    let Some(path) = setting.files.locate(named) else {
        let hint = "write a path that is relative to this file and stays below the root";
        return Err(problem(format!("`{}` leads out of the root", shorten(named)), hint));
    };
    match setting.files.content(&path) {
        Some(content) => Ok((path, content)),
        None => {
            let hint = "put it below the root, with a name that ends in .yml or .yaml";
            Err(problem(format!("there is no file `{}` below the root", shorten(&path)), hint))
        }
    }
}

/// Where an item of a list stands.
fn item(node: &Node, field: &str, index: usize) -> Option<Place> {
    match node.get(field).map(|list| &list.data) {
        Some(Data::Seq(items)) => items.get(index).map(|item| item.place),
        _ => None,
    }
}

/// What all applications of one spec have in common.
struct Ground<'a> {
    spec: &'a AppSpec,
    setting: &'a Setting<'a>,
    scope: ScopeKey,
}

impl Ground<'_> {
    /// The application that the spec itself describes, and its bindings.
    fn inline(&self, node: &Node, files: &[&Node]) -> Result<Declaration, Vec<SpecProblem>> {
        let of_manifests = [("select", self.spec.select.is_some()), ("prefixed", self.spec.prefixed)];
        if let Some((field, _)) = of_manifests.into_iter().find(|(_, given)| *given) {
            let problem = SpecProblem::at([field], format!("`{field}` is about the applications of a manifest"));
            return Err(vec![problem.hint(format!("add `manifest:`, or leave `{field}` out"))]);
        }
        let mut notes = Notes::of(None);
        let application = match node.get("application") {
            Some(application) if self.spec.application.is_some() => {
                let laid_out = vars::laid_out(application, files, &mut notes);
                v1::read(&legacy::described(&laid_out, self.setting.name, &mut notes), &mut notes)
            }
            _ => Application { all_services: true, ..Application::default() },
        };
        if let Some(open) = application.not_compared.iter().find(|left| left.starts_with("name ")) {
            let problem = SpecProblem::at(["application", "name"], format!("the application is left without {open}"));
            notes.problems.push(problem.hint(NAME_HINT));
        }
        if !notes.problems.is_empty() {
            return Err(notes.problems);
        }
        let name = application.name.as_deref().unwrap_or(self.setting.name);
        let declaration = self.declaration(name, &application);
        let parts = self.bindings(name, &application, self.setting.name);
        let rules = (!parts.is_empty()).then_some(Rules::Parts(Parts { parts, alone: false }));
        Ok(Declaration { rules, ..declaration })
    }

    /// The applications of a manifest, and the bindings of each.
    fn manifest(&self, path: &str, node: &Node, files: &[&Node]) -> Result<Declaration, Vec<SpecProblem>> {
        if self.spec.application.is_some() {
            let problem = SpecProblem::at(["application"], "both `manifest` and `application` are declared");
            return Err(vec![problem.hint("keep the manifest, or what is written here")]);
        }
        let (path, content) = content(path, self.setting).map_err(|problem| vec![problem])?;
        let mut notes = Notes::of(Some(&path));
        let nodes = legacy::applications(&vars::laid_out(content, files, &mut notes), &mut notes);
        let mut found = named(&nodes, &mut notes);
        if !notes.problems.is_empty() {
            return Err(notes.problems);
        }
        self.select(&mut found, node, &notes)?;
        let mut parts = Vec::new();
        for (name, node) in &found {
            let application = v1::read(node, &mut notes);
            let declaration = self.declaration(name, &application);
            let called = match self.spec.prefixed {
                true => format!("{}/{name}", self.setting.name),
                false => name.clone(),
            };
            parts.push(Part { kind: &App, name: called.as_str().into(), application: None, declaration });
            parts.extend(self.bindings(name, &application, &called));
        }
        if !notes.problems.is_empty() {
            return Err(notes.problems);
        }
        if parts.is_empty() {
            let problem = SpecProblem::at(["manifest"], "no application of this manifest is declared");
            return Err(vec![problem.hint("name one of its applications in `select`, or take this document out")]);
        }
        let whole = self.declaration(self.setting.name, &Application::default());
        Ok(Declaration { rules: Some(Rules::Parts(Parts { parts, alone: true })), ..whole })
    }

    /// Leaves those that are selected.
    fn select(&self, found: &mut Vec<(String, &Node)>, node: &Node, notes: &Notes<'_>) -> Result<(), Vec<SpecProblem>> {
        let Some(selected) = &self.spec.select else { return Ok(()) };
        let mut problems = Vec::new();
        for (index, name) in selected.iter().enumerate() {
            if found.iter().any(|(known, _)| **known == **name) {
                continue;
            }
            let told = |(name, node): &(String, &Node)| {
                notes.told(node.get("name").map_or(node.place, |name| name.place), name)
            };
            let known: Vec<String> = found.iter().map(told).collect();
            let hint = match suggest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("its applications are: {}", known.join(", ")),
            };
            let message = format!("the manifest has no application `{}`", shorten(name));
            let problem = SpecProblem::at(["select"], message).hint(hint);
            problems.push(SpecProblem { place: item(node, "select", index), ..problem });
        }
        found.retain(|(name, _)| selected.iter().any(|selected| **selected == **name));
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn declaration(&self, name: &str, application: &Application) -> Declaration {
        let key = live::key(&self.spec.space, name);
        let terms = Terms {
            key: &key,
            started: self.spec.desired_state == DesiredState::Started,
            exhaustive: self.spec.exhaustive,
            redactor: self.setting.redactor,
            visible: self.setting.visible(),
        };
        Declaration {
            scope: self.scope.clone(),
            select: Select::Key(key.as_str().into()),
            id: key.as_str().into(),
            expects: expects(application, &terms),
            facets: BTreeSet::from([Facet::AppManifest]),
            rules: None,
            not_compared: application.not_compared.clone(),
        }
    }

    /// Its bindings, as parts of `whole`.
    fn bindings(&self, name: &str, application: &Application, whole: &str) -> Vec<Part> {
        let place = binding::Ground { scope: &self.scope, space: &self.spec.space };
        let bound = application.services.iter();
        bound.map(|service| place.part(name, &service.instance, service.binding_name.as_deref(), whole)).collect()
    }
}

/// The applications with their names, by which they are selected.
fn named<'n>(nodes: &'n [Node], notes: &mut Notes<'_>) -> Vec<(String, &'n Node)> {
    let mut found: Vec<(String, &Node)> = Vec::new();
    for node in nodes {
        let mut open = notes.apart();
        let written = node.get("name").filter(|name| !is_null(name));
        let name = written.and_then(|name| scalar(name, "name", &mut open));
        match name.map(|name| name.raw.clone()).filter(|name| !name.is_empty()) {
            Some(name) if found.iter().any(|(known, _)| known.to_lowercase() == name.to_lowercase()) => {
                let told = notes.told(written.map_or(node.place, |written| written.place), &name);
                let message = format!("the application `{told}` is described twice");
                notes.problem(node.place, message, "Cloud Foundry tells no names apart by case: keep one of the two");
            }
            Some(name) => found.push((name, node)),
            None if !open.problems.is_empty() => notes.problems.append(&mut open.problems),
            None if !open.not_compared.is_empty() => {
                let message = format!("an application is left without {}", open.not_compared.concat());
                notes.problem(node.place, message, NAME_HINT);
            }
            None => notes.problem(node.place, "an application has no name", "add `name:`"),
        }
    }
    found
}
