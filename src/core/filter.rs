//! Filters: what a person asked to see.
//!
//! Decides which entries of a snapshot are shown; it never changes what they say. The CLI's
//! `--environment`, `-l`, `--kind` and `--name` and the API's query parameters build it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::desired::Declared;
use super::ignore::Glob;

/// What to show. Empty lists let everything through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Names of environments.
    pub environments: Vec<String>,
    /// Names of kinds.
    pub kinds: Vec<String>,
    /// Globs over names.
    pub names: Vec<Glob>,
    /// Labels that must be there; `app` is the application.
    pub labels: BTreeMap<String, String>,
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.environments.is_empty() && self.kinds.is_empty() && self.names.is_empty() && self.labels.is_empty()
    }

    /// Whether an environment is shown.
    pub fn environment(&self, name: &str) -> bool {
        self.environments.is_empty() || self.environments.iter().any(|wanted| wanted == name)
    }

    /// Whether a declaration is shown.
    pub fn declaration(&self, declared: &Declared) -> bool {
        self.thing(&declared.environment, declared.kind.name(), &declared.name, &declared.application)
            && self.carried_by(&declared.labels)
    }

    /// Whether these labels have all that are wanted; `app` is the application's own question.
    pub fn carried_by(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        let mut wanted = self.labels.iter().filter(|(key, _)| *key != "app");
        wanted.all(|(key, value)| labels.get(key.as_str()).is_some_and(|known| **known == **value))
    }

    /// Whether a kind is shown.
    pub fn kind(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind))
    }

    /// Whether an application is shown.
    pub fn application(&self, name: &str) -> bool {
        self.labels.get("app").is_none_or(|wanted| wanted == name)
    }

    /// Whether a thing is shown; labels other than `app` are looked up by the caller.
    pub fn thing(&self, environment: &str, kind: &str, name: &str, application: &str) -> bool {
        self.environment(environment)
            && self.kind(kind)
            && (self.names.is_empty() || self.names.iter().any(|glob| glob.matches(name)))
            && self.application(application)
    }
}
