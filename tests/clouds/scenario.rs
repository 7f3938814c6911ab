//! The scenarios, as their files tell them.
//!
//! Decides what is expected of a cloud: what AWS would make moored say, but for the lines that a
//! named fault of that cloud makes different. Plays nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::cloud::Which;
use super::deed::Deed;

const FILES: [&str; 10] = [
    include_str!("scenarios/quiet.yaml"),
    include_str!("scenarios/missing.yaml"),
    include_str!("scenarios/changed.yaml"),
    include_str!("scenarios/unexpected.yaml"),
    include_str!("scenarios/inventories.yaml"),
    include_str!("scenarios/orphaned.yaml"),
    include_str!("scenarios/works.yaml"),
    include_str!("scenarios/unknown.yaml"),
    include_str!("scenarios/large.yaml"),
    include_str!("scenarios/memory.yaml"),
];

/// The scope of which a fault may say something wherever it is read.
const HEALTH_CHECKS: &str = "health_checks/123456789012/global";

/// One world, what is declared of it, and what is to be said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    /// Not on every cloud.
    pub only: Option<Only>,
    /// What is done, in this order.
    pub world: Vec<Deed>,
    /// See [`super::declared`].
    pub declare: Vec<Value>,
    /// What is done after moored has looked and remembers what it saw. It looks twice more, and the
    /// last report is the one that counts.
    pub then: Option<Vec<Deed>>,
    /// The lines of the report, see [`super::report`].
    pub find: BTreeSet<String>,
    #[serde(default)]
    pub except: Vec<Except>,
    /// Verdicts by application.
    #[serde(default)]
    pub verdicts: BTreeMap<String, String>,
    /// How many calls the pass makes.
    pub calls: Option<usize>,
}

/// The clouds that can play a scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Only {
    pub of: BTreeSet<Which>,
    /// Why the others cannot.
    pub fault: String,
}

/// What a fault makes different.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Except {
    pub of: BTreeSet<Which>,
    pub fault: String,
    #[serde(default)]
    pub lose: BTreeSet<String>,
    #[serde(default)]
    pub gain: BTreeSet<String>,
}

/// Something that an emulator gets wrong.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub of: BTreeSet<Which>,
    /// For whoever reads the file.
    #[serde(rename = "reason")]
    _reason: String,
    /// What is said wherever the health checks are read.
    #[serde(default)]
    always: BTreeMap<Which, String>,
}

impl Scenario {
    pub fn runs_on(&self, which: Which) -> bool {
        self.only.as_ref().is_none_or(|only| only.of.contains(&which))
    }

    /// What this cloud is to make moored say, in a report of these scopes.
    pub fn expected(&self, which: Which, report: &Value) -> BTreeSet<String> {
        let mut lines = self.find.clone();
        for except in self.except.iter().filter(|except| except.of.contains(&which)) {
            lines.retain(|line| !except.lose.contains(line));
            lines.extend(except.gain.iter().cloned());
        }
        let scopes = report["scopes"].as_array().unwrap();
        if scopes.iter().any(|scope| scope["scope"] == HEALTH_CHECKS) {
            lines.extend(faults().values().filter_map(|fault| fault.always.get(&which).cloned()));
        }
        lines
    }
}

/// Every scenario.
pub fn all() -> Vec<Scenario> {
    FILES.iter().flat_map(|file| read::<Vec<Scenario>>(file)).collect()
}

/// Every fault by its name.
pub fn faults() -> BTreeMap<String, Fault> {
    read(include_str!("faults.yaml"))
}

/// Reads YAML by way of JSON, where a variant is a map of one entry and not a tag.
pub fn read<T: DeserializeOwned>(text: &str) -> T {
    let value: Value = serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}
