//! What a manifest of kind Buildpacks says: which buildpacks there are, and in which order.
//!
//! Decides, at load, that the list makes sense, and makes a resource of the order, one of every
//! buildpack, and an inventory of what nobody declared. Never looks at a foundation. The loader
//! calls [`declare`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Buildpacks, CLASSIC, alias, called, key, live, order_key};
use crate::core::desired::{Exception, InventoryRules, Within};
use crate::core::identity::{ScopeKey, Select};
use crate::core::ignore::Glob;
use crate::core::value::{Expect, Path, Value};
use crate::kinds::inventory::{Inventory, spec as inventory};
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;
use crate::kinds::{Declaration, Part, Parts, Rules};
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::tree::Node;

/// The buildpacks of a Cloud Foundry foundation, in the order in which applications that name none
/// meet them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildpacksSpec {
    /// Which kind of buildpacks: each lifecycle has an order of its own.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// The buildpacks, the one that is tried first at the top.
    pub buildpacks: Vec<BuildpackSpec>,
    /// Whether any other enabled buildpack is `unexpected`: `true` by default.
    pub exhaustive: Option<bool>,
    /// Other buildpacks that may come and go.
    #[serde(default)]
    pub except: Vec<ExceptSpec>,
}

/// Which kind of buildpacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// Cloud Foundry's own buildpacks.
    #[default]
    Buildpack,
    /// Cloud Native Buildpacks.
    Cnb,
}

impl Lifecycle {
    const ALL: [Self; 2] = [Self::Buildpack, Self::Cnb];

    fn as_str(self) -> &'static str {
        match self {
            Self::Buildpack => CLASSIC,
            Self::Cnb => "cnb",
        }
    }
}

/// One buildpack.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildpackSpec {
    /// Its name, such as `ruby_buildpack`.
    pub name: String,
    /// The stack of the applications that it is for, such as `cflinuxfs4`. Left out, the only
    /// buildpack of that name is meant, whatever its stack.
    pub stack: Option<String>,
    /// Whether applications meet it: `true` by default.
    pub enabled: Option<bool>,
    /// Whether nothing may be uploaded to it.
    pub locked: Option<bool>,
    /// Its version, such as `1.10.25`, which is read from the name of the uploaded file.
    pub version: Option<Text>,
    /// The name of the uploaded file, such as `ruby_buildpack-cflinuxfs4-v1.10.25.zip`.
    pub filename: Option<String>,
}

/// A buildpack that may come and go.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExceptSpec {
    /// The names; `*` is any run of characters, `?` any one, `\052` a `*` itself.
    pub name: String,
    /// For how long such a buildpack may be there, such as `45m`; for ever by default.
    pub at_most: Option<String>,
}

/// Resolves a spec in one environment.
pub(super) fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: BuildpacksSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    resolve(&spec, setting)
}

/// The order, every buildpack in it, and the inventory of all others.
pub fn resolve(spec: &BuildpacksSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let scope = setting.platform().map_err(|problem| vec![problem])?;
    let mut problems = misspelt(spec, setting.name);
    let exhaustive = spec.exhaustive.unwrap_or(true);
    if !exhaustive && !spec.except.is_empty() {
        problems.push(
            SpecProblem::at(["except"], "nothing is excepted where any buildpack may be there")
                .hint("take it away, or `exhaustive: false`"),
        );
    }
    let except = exceptions(spec, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let lifecycle = spec.lifecycle.as_str();
    let application: Arc<str> = setting.name.into();
    let times = times(spec);
    let mut parts = Vec::with_capacity(spec.buildpacks.len() + 1);
    for buildpack in &spec.buildpacks {
        parts.push(Part {
            kind: &Buildpacks,
            name: name_of(buildpack, lifecycle, &times).into(),
            application: Some(application.clone()),
            declaration: one(buildpack, lifecycle, &scope),
        });
    }
    if exhaustive {
        parts.push(Part {
            kind: &Inventory,
            name: application.clone(),
            application: Some(application),
            declaration: Declaration {
                // Environments that share a foundation may each have one of each lifecycle.
                select: Select::Key(format!("{}/buildpacks/{lifecycle}", setting.environment.name).into()),
                rules: Some(Rules::Inventory(others(except))),
                ..thing(&scope, Select::Key("".into()), format!("inventory/{scope}/buildpacks/{lifecycle}"))
            },
        });
    }
    let order = spec.buildpacks.iter().map(|buildpack| match &buildpack.stack {
        Some(stack) => Value::text(format!("{}|{stack}", buildpack.name)),
        None => Value::text(buildpack.name.as_str()),
    });
    let order: Vec<Value> = order.collect();
    Ok(Declaration {
        id: live::order_id(&scope.account, lifecycle),
        expects: vec![(live::ORDER.into(), Expect::Is(Value::List(order.into())))],
        rules: Some(Rules::Parts(Parts { parts, alone: false })),
        ..thing(&scope, Select::Key(order_key(lifecycle).into()), String::new())
    })
}

/// A declaration that expects nothing.
fn thing(scope: &ScopeKey, select: Select, id: String) -> Declaration {
    Declaration {
        scope: scope.clone(),
        select,
        id: id.into(),
        expects: Vec::new(),
        facets: BTreeSet::new(),
        rules: None,
        not_compared: Vec::new(),
    }
}

fn one(buildpack: &BuildpackSpec, lifecycle: &str, scope: &ScopeKey) -> Declaration {
    let BuildpackSpec { name, stack, enabled, locked, version, filename } = buildpack;
    let select = match stack {
        Some(stack) => Select::Key(key(name, Some(stack), lifecycle).into()),
        None => Select::Alias(alias(name, lifecycle).into()),
    };
    let mut expects: Vec<(Path, Expect)> = vec![("enabled".into(), Expect::Is(enabled.unwrap_or(true).into()))];
    if let Some(locked) = locked {
        expects.push(("locked".into(), Expect::Is((*locked).into())));
    }
    if let Some(version) = version {
        expects.push(("version".into(), Expect::Is(live::spelled(version.trim()).into())));
    }
    if let Some(filename) = filename {
        expects.push(("filename".into(), Expect::Is(filename.as_str().into())));
    }
    let id = match stack {
        Some(stack) => format!("{}/{name}/{stack}", live::order_id(&scope.account, lifecycle)),
        None => format!("{}/{name}", live::order_id(&scope.account, lifecycle)),
    };
    Declaration { expects, ..thing(scope, select, id) }
}

/// How often each name is listed.
fn times(spec: &BuildpacksSpec) -> BTreeMap<&str, usize> {
    let mut times = BTreeMap::new();
    for buildpack in &spec.buildpacks {
        *times.entry(buildpack.name.as_str()).or_insert(0) += 1;
    }
    times
}

/// What a listed buildpack is called in reports; with its stack where another has its name.
fn name_of(buildpack: &BuildpackSpec, lifecycle: &str, times: &BTreeMap<&str, usize>) -> String {
    let several = times.get(buildpack.name.as_str()).is_some_and(|times| *times > 1);
    called(&buildpack.name, buildpack.stack.as_deref().filter(|_| several), lifecycle)
}

/// Enabled buildpacks that are not declared are unexpected.
fn others(except: Vec<Exception>) -> InventoryRules {
    InventoryRules {
        within: Within { kinds: BTreeSet::from([super::KIND]), prefix: None },
        exhaustive: true,
        except,
        vanished: false,
        census: None,
        decides: false,
    }
}

/// What may come and go: what the manifest says, and whatever another lifecycle has.
fn exceptions(spec: &BuildpacksSpec, problems: &mut Vec<SpecProblem>) -> Vec<Exception> {
    let named = spec.except.iter().map(|except| inventory::ExceptSpec {
        name: except.name.clone(),
        kind: None,
        at_most: except.at_most.clone(),
    });
    let mut exceptions = inventory::exceptions(&named.collect::<Vec<_>>(), str::to_owned, problems);
    // Keys end with their lifecycle, and no name has a space in it.
    let elsewhere = Lifecycle::ALL.into_iter().filter(|other| *other != spec.lifecycle);
    exceptions.extend(elsewhere.map(|other| Exception {
        kind: Some(super::KIND),
        glob: Glob::new(&format!("* {}", other.as_str())),
        at_most: None,
    }));
    exceptions
}

/// What cannot be meant in the list.
fn misspelt(spec: &BuildpacksSpec, document: &str) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    if spec.buildpacks.is_empty() {
        problems.push(
            SpecProblem::at(["buildpacks"], "no buildpack is declared")
                .hint("list them in the order in which they are tried, such as `- {name: ruby_buildpack}`"),
        );
    }
    let times = times(spec);
    for (at, buildpack) in spec.buildpacks.iter().enumerate() {
        let place = |field: &str| ["buildpacks".to_owned(), at.to_string(), field.to_owned()];
        let name = buildpack.name.as_str();
        if !is_spelled(name) {
            problems.push(
                SpecProblem::at(place("name"), format!("`{name}` is no name of a buildpack"))
                    .hint("letters, digits, `_` and `-`, such as `ruby_buildpack`"),
            );
        }
        if let Some(stack) = buildpack.stack.as_deref().filter(|stack| !is_spelled(stack)) {
            problems.push(
                SpecProblem::at(place("stack"), format!("`{stack}` is no name of a stack"))
                    .hint("such as `cflinuxfs4`; leave it out where one buildpack alone has the name"),
            );
        }
        if let Some(version) = buildpack.version.as_ref().filter(|version| version.trim().is_empty()) {
            problems.push(
                SpecProblem::at(place("version"), format!("`{}` is no version", version.0)).hint("such as `1.10.25`"),
            );
        }
        let first = spec.buildpacks.iter().position(|other| other.name == name && other.stack == buildpack.stack);
        if let Some(first) = first.filter(|first| *first < at) {
            problems.push(
                SpecProblem::at(place("name"), format!("`{name}` is listed twice: here and as number {}", first + 1))
                    .hint("keep one of the two, or tell them apart by `stack`"),
            );
        } else if buildpack.stack.is_none()
            && spec.buildpacks.iter().any(|other| other.name == name && other.stack.is_some())
        {
            problems.push(
                SpecProblem::at(place("name"), format!("which `{name}`? It is listed for a stack as well"))
                    .hint("add `stack:` to every one of that name"),
            );
        }
        if name_of(buildpack, spec.lifecycle.as_str(), &times) == document {
            problems.push(
                SpecProblem::at(place("name"), format!("the manifest itself is called `{document}`"))
                    .hint("give it another `metadata.name`: it stands for the order of them all"),
            );
        }
    }
    problems
}

/// What names of buildpacks and stacks are made of: keys rely on it that `|` and spaces are not.
fn is_spelled(name: &str) -> bool {
    let known = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    !name.is_empty() && name.chars().all(known)
}

#[cfg(test)]
mod tests;
