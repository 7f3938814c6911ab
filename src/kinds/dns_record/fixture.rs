//! What unit tests of kinds need around a spec: an environment, a setting, a declared resource.
//!
//! Decides nothing. Only tests of the kinds call it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::desired::{Account, Class, Declared, Environment, Policy};
use crate::core::identity::{ScopeKey, Select};
use crate::core::judge::Kind;
use crate::core::observation::Live;
use crate::core::redact::Redactor;
use crate::core::value::{Fact, Source};
use crate::kinds::Declaration;
use crate::kinds::setting::Setting;

/// An environment with one account, `main`, in `eu-west-1`.
pub(crate) struct Stage {
    environment: Environment,
    redactor: Redactor,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let main = Account {
            id: "111122223333".into(),
            regions: vec!["eu-west-1".into()],
            observe_role: None,
            budgets: BTreeMap::new(),
        };
        let environment = Environment {
            name: "production".into(),
            class: Class::Production,
            accounts: BTreeMap::from([(Arc::<str>::from("main"), main)]),
            foundation: None,
            visible: BTreeSet::new(),
            source: source(),
        };
        Self { environment, redactor: Redactor::new(&[7; 32]) }
    }

    pub(crate) fn setting<'a>(&'a self, name: &'a str) -> Setting<'a> {
        Setting::new(&self.environment, name, &self.redactor)
    }

    pub(crate) fn declared(&self, kind: &'static dyn Kind, name: &str, declaration: Declaration) -> Declared {
        Declared {
            environment: self.environment.name.clone(),
            kind,
            name: name.into(),
            scope: declaration.scope,
            select: declaration.select,
            id: declaration.id,
            expects: declaration.expects,
            not_compared: declaration.not_compared,
            facets: declaration.facets,
            absent: false,
            owned_by: None,
            policy: Policy::default(),
            application: name.into(),
            team: None,
            labels: BTreeMap::new(),
            source: source(),
            digest: 0,
        }
    }
}

/// A declaration that expects nothing of the thing of this key.
pub(crate) fn declaration(scope: ScopeKey, key: &str) -> Declaration {
    Declaration {
        not_compared: Vec::new(),
        scope,
        select: Select::Key(key.into()),
        id: key.into(),
        expects: Vec::new(),
        facets: BTreeSet::new(),
        rules: None,
    }
}

/// The declared fields that a live thing does not meet.
pub(crate) fn differences(declaration: &Declaration, live: &Live) -> Vec<String> {
    let unmet = declaration.expects.iter().filter(|(path, expect)| match &*live.fields.fact(path) {
        Fact::Known(value) => !expect.met_by(value),
        Fact::Unchecked(_) | Fact::Unknown(_) => true,
    });
    unmet.map(|(path, _)| path.to_string()).collect()
}

fn source() -> Source {
    Source { file: "test.yaml".into(), line: 1 }
}
