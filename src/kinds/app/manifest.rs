//! What the platform's own manifest of an app (`GET /v3/apps/:guid/manifest`) says beyond the lists.
//!
//! Decides what is taken of it: variables, commands, features and sidecars, which no list shows. All
//! that may be secret is hashed here, at once; nothing past this point has the text. Never reads it.
//! The reader of an organisation calls [`Manifest::parse`], [`super::live`] the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_yaml::Value as Yaml;

use super::{KIND, units};
use crate::core::redact::Redactor;
use crate::core::value::{Fact, Fields, Value};

/// What a manifest says that cannot be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Variables by name, hashed.
    pub variables: BTreeMap<String, Value>,
    /// Commands by type of process, hashed; none of a process whose command is the buildpack's.
    pub commands: BTreeMap<String, Value>,
    /// Features by name.
    pub features: BTreeMap<String, bool>,
    /// Containers beside the processes.
    pub sidecars: Vec<Sidecar>,
    /// Changes when any variable does.
    pub environment: Arc<str>,
    /// Names the key of the hashes: under another key they say nothing about each other.
    pub key: Arc<str>,
}

/// A container beside a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// Its name.
    pub name: String,
    /// Its command, hashed.
    pub command: Option<Value>,
    /// The processes that it stands beside.
    pub process_types: BTreeSet<String>,
    /// In MB.
    pub memory: Option<i64>,
}

/// The paths of everything that only the manifest tells of an app as a whole.
const WHOLE: [&str; 4] = ["env", "envNames", "features", "sidecars"];

/// The switches of an app.
const FEATURES: [&str; 4] = ["ssh", "revisions", "service-binding-k8s", "file-based-vcap-services"];

/// Why a feature is not known that the manifest leaves out.
const NO_FEATURE: &str = "the platform's manifests do not tell it: needs a newer Cloud Controller (API 3.196 for ssh)";

impl Manifest {
    /// Reads the manifest of the app with this key (`space/app`). What is no manifest is not known,
    /// rather than empty.
    pub fn parse(yaml: &Yaml, key: &str, redactor: &Redactor, visible: &BTreeSet<Arc<str>>) -> Result<Self, Fact> {
        let Some(app) = yaml.get("applications").and_then(Yaml::as_sequence).and_then(|apps| apps.first()) else {
            return Err(Fact::Unknown("the answer of the platform is no manifest: it has no `applications`".into()));
        };
        let secret = |path: &str, name: &str, text: &str| redactor.secret(KIND, key, path, name, text, visible);
        let variables: BTreeMap<String, Value> = entries(app.get("env"))
            .filter_map(|(name, value)| {
                let hashed = secret(&format!("env.{name}"), name, &spelled(value)?);
                Some((name.to_owned(), hashed))
            })
            .collect();
        let commands = items(app.get("processes"))
            .filter_map(|process| {
                let (of, command) = (text(process, "type")?, text(process, "command")?);
                Some((of.to_owned(), secret(&command_path(of), "command", command)))
            })
            .collect();
        let features = entries(app.get("features"))
            .filter_map(|(name, value)| Some((name.to_owned(), value.as_bool()?)))
            .collect();
        let sidecars = items(app.get("sidecars"))
            .filter_map(|sidecar| {
                let name = text(sidecar, "name")?;
                let hashed = |command| secret(&format!("sidecars.{name}.command"), "command", command);
                Some(Sidecar {
                    name: name.to_owned(),
                    command: text(sidecar, "command").map(hashed),
                    process_types: items(sidecar.get("process_types"))
                        .filter_map(|of| Some(of.as_str()?.to_owned()))
                        .collect(),
                    memory: text(sidecar, "memory").and_then(|memory| units::megabytes(memory).ok()),
                })
            })
            .collect();
        let environment = format!("{:016x}", redactor.fingerprint(&bytes(&variables))).into();
        Ok(Self { variables, commands, features, sidecars, environment, key: redactor.key_id().clone() })
    }

    /// Sets what it says.
    pub fn put(&self, fields: &mut Fields) {
        for (name, value) in &self.variables {
            fields.set(format!("env.{name}"), value.clone());
        }
        fields.set("envNames", Value::set(self.variables.keys().map(String::as_str)));
        for (process, command) in &self.commands {
            fields.set(command_path(process), command.clone());
        }
        for name in FEATURES.into_iter().filter(|name| !self.features.contains_key(*name)) {
            fields.put(format!("features.{name}"), Fact::Unchecked(NO_FEATURE.into()));
        }
        for (name, on) in &self.features {
            fields.set(format!("features.{name}"), *on);
        }
        for sidecar in &self.sidecars {
            let path = |name: &str| format!("sidecars.{}.{name}", sidecar.name);
            fields.set_some(path("command"), sidecar.command.clone());
            fields.set(path("processTypes"), Value::set(sidecar.process_types.iter().map(String::as_str)));
            fields.set_some(path("memory"), sidecar.memory);
        }
    }
}

/// Sets why nothing of it is known, for an app with these types of processes.
pub fn put_gap<'a>(why: &Fact, processes: impl IntoIterator<Item = &'a str>, fields: &mut Fields) {
    for path in WHOLE {
        fields.put(path, why.clone());
    }
    for process in processes {
        fields.put(command_path(process), why.clone());
    }
}

fn command_path(process: &str) -> String {
    format!("processes.{process}.command")
}

/// How the Cloud Controller hands a variable to a process; nothing of one that is not set.
fn spelled(value: &Yaml) -> Option<String> {
    match value {
        Yaml::Null => None,
        Yaml::String(text) => Some(text.clone()),
        Yaml::Bool(flag) => Some(flag.to_string()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => serde_json::to_string(value).ok(),
    }
}

fn bytes(variables: &BTreeMap<String, Value>) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, value) in variables {
        all.extend_from_slice(name.as_bytes());
        all.push(0);
        if let Value::Secret(secret) = value {
            all.extend_from_slice(&secret.hash.to_be_bytes());
        }
    }
    all
}

fn text<'a>(map: &'a Yaml, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str()
}

fn items(list: Option<&Yaml>) -> impl Iterator<Item = &Yaml> {
    list.and_then(Yaml::as_sequence).into_iter().flatten()
}

fn entries(map: Option<&Yaml>) -> impl Iterator<Item = (&str, &Yaml)> {
    map.and_then(Yaml::as_mapping)
        .into_iter()
        .flat_map(|map| map.iter())
        .filter_map(|(name, value)| Some((name.as_str()?, value)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(in crate::kinds::app) mod tests {
    use super::*;

    const MANIFEST: &str = "
applications:
- name: api
  env: {LOG_LEVEL: info, PASSWORD: hunter2, OLD: 1, ON: true, GONE: null}
  lifecycle: buildpack
  features: {ssh: false, revisions: true}
  processes:
  - {type: web, instances: 2, memory: 1024M, command: run --token hunter3}
  - {type: worker, instances: 1, memory: 256M}
  sidecars:
  - {name: proxy, process_types: [worker, web], command: envoy, memory: 256M}
";

    pub(in crate::kinds::app) fn parsed(yaml: &str) -> Result<Manifest, Fact> {
        let visible = BTreeSet::from([Arc::<str>::from("LOG_LEVEL")]);
        Manifest::parse(&serde_yaml::from_str(yaml).unwrap(), "production/api", &Redactor::new(&[7; 32]), &visible)
    }

    fn fields(yaml: &str) -> Fields {
        let mut fields = Fields::default();
        parsed(yaml).unwrap().put(&mut fields);
        fields
    }

    #[test]
    fn no_value_survives_parsing_but_those_that_may_be_shown() {
        let manifest = parsed(MANIFEST).unwrap();
        let shown = format!("{manifest:?}");
        assert!(!shown.contains("hunter"), "{shown}");
        assert_eq!(manifest.variables.get("LOG_LEVEL").unwrap().to_json(true), "info");
        assert_eq!(manifest.variables.get("PASSWORD").unwrap().to_json(true), "(secret)");
    }

    #[test]
    fn a_variable_is_hashed_as_the_text_that_the_process_gets() {
        let none = BTreeSet::new();
        let hashed = |name: &str, text: &str| {
            Redactor::new(&[7; 32]).secret(KIND, "production/api", &format!("env.{name}"), name, text, &none)
        };
        let fields = fields(MANIFEST);
        assert_eq!(fields.value("env.OLD"), Some(&hashed("OLD", "1")));
        assert_eq!(fields.value("env.ON"), Some(&hashed("ON", "true")));
        assert_eq!(fields.value("envNames"), Some(&Value::set(["LOG_LEVEL", "OLD", "ON", "PASSWORD"])), "GONE is null");
    }

    #[test]
    fn commands_features_and_sidecars_come_from_the_manifest() {
        let fields = fields(MANIFEST);
        assert!(matches!(fields.value("processes.web.command"), Some(Value::Secret(_))));
        assert_eq!(fields.value("processes.worker.command"), None, "the buildpack's own");
        assert_eq!(fields.value("features.ssh"), Some(&Value::Bool(false)));
        assert_eq!(fields.value("sidecars.proxy.processTypes"), Some(&Value::set(["web", "worker"])));
        assert_eq!(fields.value("sidecars.proxy.memory"), Some(&Value::Int(256)));
    }

    #[test]
    fn a_feature_that_the_platform_does_not_tell_is_unchecked_and_not_off() {
        let fields = fields("applications: [{name: api, features: {revisions: true}}]");
        for untold in ["ssh", "service-binding-k8s", "file-based-vcap-services"] {
            assert!(matches!(*fields.fact(&format!("features.{untold}")), Fact::Unchecked(_)), "{untold}");
        }
        assert_eq!(fields.value("features.revisions"), Some(&Value::Bool(true)));
    }

    #[test]
    fn the_environment_is_another_when_any_variable_is() {
        let of = |env: &str| parsed(&format!("applications: [{{name: api, env: {env}}}]")).unwrap().environment;
        assert_eq!(of("{A: x, B: y}"), of("{B: y, A: x}"));
        for other in ["{A: x}", "{A: x, B: z}", "{A: y, B: x}", "{A: x, B: y, C: z}"] {
            assert_ne!(of("{A: x, B: y}"), of(other), "{other}");
        }
    }

    #[test]
    fn an_answer_that_is_no_manifest_is_not_known_rather_than_empty() {
        for answer in ["<html>", "{}", "applications: []"] {
            assert!(matches!(parsed(answer), Err(Fact::Unknown(_))), "{answer}");
        }
    }
}
