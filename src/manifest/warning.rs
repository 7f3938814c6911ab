//! What is allowed but probably not meant: shared accounts, and Ignores that have ended or match nothing.
//!
//! Decides nothing but what a person is told; a warning never rejects a root. `resolve` calls it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::draft::locate;
use super::load::{Parsed, path_in_root};
use super::problem::Problem;
use crate::core::desired::{Class, Desired};
use crate::core::drift::Drift;
use crate::core::ignore::Ignore;

/// What is allowed but probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The root.
    pub root: Arc<str>,
    /// What and where.
    pub problem: Problem,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&path_in_root(&self.root, &self.problem.file))?;
        if let Some(place) = self.problem.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.problem.message)?;
        match &self.problem.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// What to warn of in the accepted roots. `now` tells which Ignores have ended.
pub(super) fn warnings(accepted: &[&Parsed], desired: &Desired, now: Timestamp) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut classes: BTreeMap<Arc<str>, (Class, Arc<str>)> = BTreeMap::new();
    for root in accepted {
        let mut warn = |problem: Problem| warnings.push(Warning { root: root.root.clone(), problem });
        root.warnings.iter().cloned().for_each(&mut warn);
        for document in &root.environments {
            let Some(environment) = &document.environment else { continue };
            for (alias, account) in &environment.accounts {
                let (class, name) =
                    classes.entry(account.id.clone()).or_insert_with(|| (environment.class, environment.name.clone()));
                if *class != environment.class {
                    let path = ["spec", "aws", "accounts", &**alias, "account"];
                    let place = locate(&document.document, document.document.place, &path);
                    let message = format!(
                        "account {} serves `{}` ({}) and `{name}` ({})",
                        account.id,
                        environment.name,
                        environment.class.as_str(),
                        class.as_str()
                    );
                    let hint = "what goes wrong in one environment reaches the other; give each its own account";
                    warn(Problem::at(&*document.file, place, message).hint(hint));
                }
            }
        }
        for document in &root.ignores {
            let mut told = |message: String, hint: &str| {
                warn(Problem::at(&*document.file, document.place, message).hint(hint));
            };
            let name = &document.envelope.name;
            if let Some(ignore) = document.ignores.first().filter(|ignore| ignore.expires() <= now) {
                let message = format!("the Ignore `{name}` of {} ended with {}", ignore.owner, ignore.until);
                told(message, "its findings are open again; take it away, or decide anew");
                continue;
            }
            for ignore in document.ignores.iter().filter(|ignore| !may_match(ignore, desired)) {
                let message = format!("the Ignore `{name}` matches nothing in `{}`", ignore.environment);
                told(message, "check kind and name, or take it away");
            }
        }
    }
    warnings
}

/// Whether an Ignore could match a finding, as far as manifests tell: what is found without being declared, only in an
/// environment whose tables name such things.
fn may_match(ignore: &Ignore, desired: &Desired) -> bool {
    let undeclared = [Drift::Unexpected, Drift::Orphaned, Drift::Vanished];
    let of_undeclared = ignore.drifts.is_empty() || ignore.drifts.iter().any(|drift| undeclared.contains(drift));
    let has_tables = desired.tables.iter().any(|table| table.declared.environment == ignore.environment);
    (of_undeclared && has_tables)
        || desired.resources.iter().any(|declared| {
            declared.environment == ignore.environment
                && ignore.kind.as_deref().is_none_or(|kind| kind == declared.kind.name())
                && ignore.glob.matches(&declared.name)
        })
}
