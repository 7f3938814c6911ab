//! From a scenario's short declarations to whole manifests.
//!
//! Decides how they are written out: `{kind, name, spec, …}` becomes a manifest for `environment`
//! (production by default), a name stands for what `bundles.yaml` has under it, `{like, spec}` for
//! the same with parts of its spec replaced, and `{numbers: [a, b], …}` for one manifest with each of
//! the numbers a..b in the place of `{n}`. JSON is YAML, so that is what is written.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::hand::filled;
use super::scenario::read;

type Bundles = BTreeMap<String, Vec<Value>>;

/// The manifests of these declarations and of the environments that they are for.
pub fn manifests(declare: &[Value], ids: &BTreeMap<String, String>) -> String {
    let bundles: Bundles = read(include_str!("bundles.yaml"));
    let mut documents = Vec::new();
    for entry in declare {
        expand(entry, &bundles, &mut documents);
    }
    let environments: BTreeSet<&str> =
        documents.iter().filter_map(|document| document["metadata"]["environments"][0].as_str()).collect();
    let environments = self::environments(environments);
    let resources: Vec<String> = documents.iter().map(Value::to_string).collect();
    filled(&[environments, resources.join("\n---\n")].join("\n---\n"), ids)
}

/// The manifests of these environments.
pub fn environments<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let known: BTreeMap<String, Value> = read(include_str!("environments.yaml"));
    let manifest = |name: &str| {
        let spec = known.get(name).unwrap_or_else(|| panic!("no environment {name}"));
        json!({ "apiVersion": "moored.dev/v1", "kind": "Environment", "metadata": { "name": name }, "spec": spec })
    };
    let manifests: Vec<String> = names.into_iter().map(|name| manifest(name).to_string()).collect();
    manifests.join("\n---\n")
}

fn expand(entry: &Value, bundles: &Bundles, documents: &mut Vec<Value>) {
    let bundle = |name: &str| bundles.get(name).unwrap_or_else(|| panic!("no bundle {name}"));
    if let Some(name) = entry.as_str() {
        bundle(name).iter().for_each(|entry| expand(entry, bundles, documents));
    } else if let Some(name) = entry["like"].as_str() {
        for entry_of_bundle in bundle(name) {
            let mut changed = entry_of_bundle.clone();
            let changes = entry["spec"].as_object().cloned().unwrap_or_default();
            changed["spec"].as_object_mut().unwrap().extend(changes);
            expand(&changed, bundles, documents);
        }
    } else if let Some(numbers) = entry["numbers"].as_array() {
        let mut one = entry.clone();
        one.as_object_mut().unwrap().remove("numbers");
        let one = one.to_string();
        for number in numbers[0].as_u64().unwrap()..numbers[1].as_u64().unwrap() {
            let numbered: Value = serde_json::from_str(&one.replace("{n}", &number.to_string())).unwrap();
            expand(&numbered, bundles, documents);
        }
    } else {
        documents.push(manifest(entry.as_object().unwrap().clone()));
    }
}

fn manifest(mut entry: Map<String, Value>) -> Value {
    let environment = entry.remove("environment").unwrap_or_else(|| json!("production"));
    let metadata = json!({ "name": entry.remove("name").unwrap(), "environments": [environment] });
    let mut manifest = json!({ "apiVersion": "moored.dev/v1", "kind": entry.remove("kind").unwrap() });
    manifest["metadata"] = metadata;
    manifest.as_object_mut().unwrap().extend(entry);
    manifest
}
