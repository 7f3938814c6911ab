//! The printed JSON Schema is proven against `desired-state/` by an independent validator, and our
//! YAML tree against an independent YAML reader.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use moored::manifest::{decode, parse, schema, source};
use serde::Deserialize;
use serde_json::{Value, json};

fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("desired-state");
    let source = source::read(&root).unwrap();
    // A manifest of Cloud Foundry's own is none of moored's.
    let own = source.files.iter().filter(|file| !file.path.ends_with("/manifest.yml"));
    own.map(|file| (file.path.clone(), file.text.to_string())).collect()
}

/// Every document as serde_yaml (the YAML organisation's fork) reads it.
fn independent(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| serde_json::to_value(serde_yaml::Value::deserialize(document).unwrap()).unwrap())
        .filter(|value| !value.is_null())
        .collect()
}

#[test]
fn the_schema_accepts_every_document_of_the_example() {
    let validator = jsonschema::validator_for(&schema::json_schema()).unwrap();
    let mut seen = 0;
    for (path, text) in documents() {
        for document in independent(&text) {
            seen += 1;
            let errors: Vec<String> =
                validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(errors.is_empty(), "{path}: {errors:#?}");
        }
    }
    assert!(seen > 30, "only {seen} documents");
}

#[test]
fn the_schema_refuses_what_the_loader_refuses() {
    let validator = jsonschema::validator_for(&schema::json_schema()).unwrap();
    let service = |spec: Value| json!({ "apiVersion": "moored.dev/v1", "kind": "EcsService", "metadata": { "name": "api", "environments": ["production"] }, "spec": spec });
    assert!(validator.is_valid(&service(json!({ "cluster": "wonderland", "desiredCount": 2 }))));
    assert!(!validator.is_valid(&service(json!({ "cluster": "wonderland", "desiredCoutn": 2 }))), "an unknown field");
    assert!(!validator.is_valid(&service(json!({ "desiredCount": 2 }))), "a missing required field");
    assert!(!validator.is_valid(&service(json!({ "cluster": "wonderland", "desiredCount": "two" }))), "a wrong type");
    let mut unknown = service(json!({ "cluster": "wonderland" }));
    unknown["kind"] = "EcsServce".into();
    assert!(!validator.is_valid(&unknown), "an unknown kind");
}

#[test]
fn every_property_of_the_schema_says_what_it_means() {
    fn walk(at: &str, schema: &Value, silent: &mut Vec<String>, seen: &mut usize) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                *seen += 1;
                let at = format!("{at}.{name}");
                let told = property.get("description").is_some()
                    || property.get("const").is_some()
                    || property.get("$ref").is_some();
                if !told {
                    silent.push(at.clone());
                }
                walk(&at, property, silent, seen);
            }
        }
        for list in ["oneOf", "anyOf", "allOf"] {
            for part in schema.get(list).and_then(Value::as_array).into_iter().flatten() {
                walk(at, part, silent, seen);
            }
        }
        for (name, part) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
            walk(name, part, silent, seen);
        }
    }
    let (mut silent, mut seen) = (Vec::new(), 0);
    walk("", &schema::json_schema(), &mut silent, &mut seen);
    assert!(seen > 80, "only {seen} properties");
    assert!(silent.is_empty(), "without a description: {silent:#?}");
}

#[test]
fn our_tree_reads_the_example_as_an_independent_reader_does() {
    // No schema: scalars become what YAML 1.2 says they are.
    let open = moored::manifest::check::Checker::new(&json!(true));
    for (path, text) in documents() {
        let file = source::SourceFile { path: path.clone(), text: text.as_str().into() };
        let ours: Vec<Value> =
            parse::parse(&file).unwrap().iter().map(|node| decode::decode(node, &open).unwrap()).collect();
        assert_eq!(ours, independent(&text), "{path}");
    }
}
