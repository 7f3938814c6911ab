//! The setting of a declaration: the environment it is resolved in.
//!
//! Decides which account and region a spec means when it does not say (`account` defaults to
//! `main` or the only one, `region` to the only one; anything ambiguous is an error). Kinds call
//! it from `declare`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::core::desired::{Account, Environment};
use crate::core::redact::Redactor;
use crate::manifest::decode::DecodeError;
use crate::manifest::problem::Place;

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
        Self { path, message: message.into(), hint: None, place: None, of_name: false }
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
}

impl<'a> Setting<'a> {
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
