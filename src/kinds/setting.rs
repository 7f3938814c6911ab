//! The setting of a declaration: the environment it is resolved in.
//!
//! Decides which account and region a spec means when it does not say (`account` defaults to
//! `main` or the only one, `region` to the only one; anything ambiguous is an error). Kinds call
//! it from `declare`. Likewise which organisation of a foundation is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::desired::{Account, Environment, Foundation};
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::core::redact::Redactor;
use crate::manifest::decode::DecodeError;
use crate::manifest::problem::Place;
use crate::manifest::tree::Node;

/// Something wrong in a spec, with the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecProblem {
    /// The fields from `spec` down, such as `["taskDefinition", "containers", "api"]`.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Where it stands, if that is known better than by `path`.
    pub place: Option<Place>,
    /// In this file below the root, if it is not the manifest's own.
    pub file: Option<String>,
    /// Whether it is about `metadata.name`, which was read in place of the field.
    pub of_name: bool,
}

impl From<DecodeError> for SpecProblem {
    fn from(error: DecodeError) -> Self {
        Self { place: Some(error.place), ..Self::at(Vec::<String>::new(), error.message) }
    }
}

impl SpecProblem {
    /// A problem at this path.
    pub fn at<S: Into<String>>(path: impl IntoIterator<Item = S>, message: impl Into<String>) -> Self {
        let path = path.into_iter().map(Into::into).collect();
        Self { path, message: message.into(), hint: None, place: None, file: None, of_name: false }
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same about `metadata.name`, if that was read in place of the field.
    pub fn of_name(mut self, of_name: bool) -> Self {
        self.of_name = of_name;
        self
    }
}

/// Where a spec is resolved.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// `metadata.name`.
    pub name: &'a str,
    /// Hashes what may be secret.
    pub redactor: &'a Redactor,
    /// Files beside the manifests that a spec may name.
    pub files: Files<'a>,
}

/// Files that are no manifests of moored's own, but that a manifest names: each is read with its root.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files<'a> {
    /// The file of the manifest, below its root: paths are relative to its folder.
    pub file: &'a str,
    /// Contents by their path below the root.
    pub named: Option<&'a BTreeMap<Arc<str>, Node>>,
}

impl<'a> Files<'a> {
    /// The path below the root of a file that the manifest names; `None` if it leads out of the root.
    pub fn locate(&self, named: &str) -> Option<String> {
        let mut parts: Vec<&str> = self.file.split('/').collect();
        parts.pop();
        if named.starts_with('/') {
            return None;
        }
        for part in named.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()?),
                part => parts.push(part),
            }
        }
        Some(parts.join("/"))
    }

    /// The content of a file below the root.
    pub fn content(&self, path: &str) -> Option<&'a Node> {
        self.named?.get(path)
    }
}

impl<'a> Setting<'a> {
    /// Without files beside the manifests.
    pub fn new(environment: &'a Environment, name: &'a str, redactor: &'a Redactor) -> Self {
        Self { environment, name, redactor, files: Files::default() }
    }

    /// The foundation of this environment.
    pub fn foundation(&self) -> Result<&'a Foundation, SpecProblem> {
        self.environment.foundation.as_ref().ok_or_else(|| {
            SpecProblem::at(
                Vec::<String>::new(),
                format!("environment `{}` declares no Cloud Foundry", self.environment.name),
            )
            .hint("add spec.cloudFoundry to its Environment manifest")
        })
    }

    /// The scope of the organisation that `name` means; without one, the only one.
    pub fn organization(&self, name: Option<&str>) -> Result<ScopeKey, SpecProblem> {
        let foundation = self.foundation()?;
        let known = || foundation.organizations.keys().map(|name| &**name).collect::<Vec<_>>().join(", ");
        let of = |name: &str| ScopeKey::new(ScopeKind::CfOrganization, &foundation.host, "cf", name);
        // Cloud Foundry does not tell their names apart by case: two spellings are one organisation.
        let lower = name.map(str::to_lowercase);
        let declared = foundation.organizations.keys().find(|known| Some(known.to_lowercase()) == lower);
        match name {
            Some(name) if declared.is_some() || foundation.every => Ok(match declared {
                Some(declared) => of(declared),
                None => of(&name.to_lowercase()),
            }),
            Some(name) => Err(SpecProblem::at(
                ["organization"],
                format!("environment `{}` has no organisation `{name}`", self.environment.name),
            )
            .hint(format!("its organisations are: {}", known()))),
            None => match foundation.organizations.keys().next() {
                Some(only) if foundation.organizations.len() == 1 && !foundation.every => Ok(of(only)),
                _ => Err(SpecProblem::at(
                    ["organization"],
                    format!("which organisation of environment `{}`?", self.environment.name),
                )
                .hint(match foundation.every {
                    true => "add `organization:` with its name".to_owned(),
                    false => format!("add `organization:` with one of: {}", known()),
                })),
            },
        }
    }

    /// The scope of the whole foundation.
    pub fn platform(&self) -> Result<ScopeKey, SpecProblem> {
        Ok(ScopeKey::new(ScopeKind::CfFoundation, &self.foundation()?.host, "cf", ""))
    }

    /// The account that `alias` means; without one `main`, or the only one.
    pub fn account(&self, alias: Option<&str>) -> Result<&'a Account, SpecProblem> {
        let accounts = &self.environment.accounts;
        let known = || accounts.keys().map(|name| &**name).collect::<Vec<_>>().join(", ");
        match alias {
            Some(alias) => accounts.get(alias).ok_or_else(|| {
                SpecProblem::at(
                    ["account"],
                    format!("environment `{}` has no account `{alias}`", self.environment.name),
                )
                .hint(format!("its accounts are: {}", known()))
            }),
            None => match (accounts.get("main"), accounts.len()) {
                (Some(main), _) => Ok(main),
                (None, 1) => accounts.values().next().ok_or_else(|| self.no_account()),
                (None, 0) => Err(self.no_account()),
                (None, _) => Err(SpecProblem::at(
                    ["account"],
                    format!("which account of environment `{}`?", self.environment.name),
                )
                .hint(format!("add `account:` with one of: {}", known()))),
            },
        }
    }

    fn no_account(&self) -> SpecProblem {
        SpecProblem::at(
            Vec::<String>::new(),
            format!("environment `{}` declares no AWS account", self.environment.name),
        )
        .hint("add spec.aws.accounts to its Environment manifest")
    }

    /// The region that `region` means in this account; without one, the only one.
    pub fn region(&self, account: &Account, region: Option<&str>) -> Result<Arc<str>, SpecProblem> {
        let known = || account.regions.join(", ");
        match region {
            Some(region) => account.regions.iter().find(|known| ***known == *region).cloned().ok_or_else(|| {
                SpecProblem::at(["region"], format!("account {} is not used in region `{region}`", account.id))
                    .hint(format!("its regions are: {}", known()))
            }),
            None => match account.regions.as_slice() {
                [only] => Ok(only.clone()),
                _ => Err(SpecProblem::at(["region"], format!("which region of account {}?", account.id))
                    .hint(format!("add `region:` with one of: {}", known()))),
            },
        }
    }

    /// Names whose values this environment lets be shown.
    pub fn visible(&self) -> &'a BTreeSet<Arc<str>> {
        &self.environment.visible
    }
}
