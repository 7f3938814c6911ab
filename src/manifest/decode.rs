//! From a checked document to the types of its kind.
//!
//! It decides what an unquoted value becomes: text where the schema lets text stand beside numbers, so that `1.10` stays
//! `1.10`, and what YAML 1.2 says everywhere else. It never looks for problems of shape; `check` has told those before.
//! The loader calls it for the envelope and the `spec` of every document.

use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

use super::check::{Checker, Field};
use super::problem::Place;
use super::tree::{Data, Node, Resolved, Scalar, Segment};

/// The most characters of a refusal that are shown: it may repeat what was written.
const MESSAGE: usize = 160;

/// Why a document is not what its type asks for, and where.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The deepest value that is at fault.
    pub place: Place,
    /// What the type says about it.
    pub message: String,
}

/// Makes a value of `T`, whose schema is `schema`, of a document.
///
/// The values go by way of JSON rather than YAML: only there may an enum be written as a map with one field and a
/// number be the name of a field, as the schemas promise.
pub fn decode<T: DeserializeOwned>(node: &Node, schema: &Checker) -> Result<T, DecodeError> {
    serde_path_to_error::deserialize(value(node, schema, Some(schema.root()))).map_err(|error| {
        let path = segments(error.path());
        let reason: String = error.inner().to_string().chars().take(MESSAGE).collect();
        let message = match path.last() {
            Some(Segment::Key(name)) => format!("`{name}`: {reason}"),
            Some(Segment::Index(index)) => format!("item {}: {reason}", index + 1),
            None => reason,
        };
        DecodeError { place: node.at(&path).place, message }
    })
}

fn segments(path: &serde_path_to_error::Path) -> Vec<Segment> {
    use serde_path_to_error::Segment as Step;
    path.iter()
        .map_while(|step| match step {
            Step::Seq { index } => Some(Segment::Index(*index)),
            Step::Map { key } => Some(Segment::Key(key.clone())),
            Step::Enum { variant } => Some(Segment::Key(variant.clone())),
            Step::Unknown => None,
        })
        .collect()
}

fn value(node: &Node, schema: &Checker, rule: Option<usize>) -> Value {
    let facets = rule.map(|rule| schema.facets(node, rule)).unwrap_or_default();
    match &node.data {
        Data::Scalar(scalar) => scalar_value(scalar, schema.keeps_text(&facets)),
        Data::Seq(items) => {
            let rule = schema.item(&facets);
            Value::Array(items.iter().map(|item| value(item, schema, rule)).collect())
        }
        Data::Map(entries) => {
            let fields = entries.iter().map(|(key, field)| {
                let rule = match schema.field(&facets, &key.name) {
                    Field::Rule(rule) => Some(rule),
                    Field::Anything | Field::Unknown => None,
                };
                (key.name.clone(), value(field, schema, rule))
            });
            Value::Object(fields.collect())
        }
    }
}

fn scalar_value(scalar: &Scalar, keeps_text: bool) -> Value {
    let text = || Value::String(scalar.raw.clone());
    match scalar.resolve() {
        Resolved::Null => Value::Null,
        _ if keeps_text => text(),
        Resolved::Bool(truth) => Value::Bool(truth),
        Resolved::Int(number) => Value::from(number),
        // JSON has no infinity; what asks for a number will refuse the text.
        Resolved::Float(number) => Number::from_f64(number).map_or_else(text, Value::Number),
        Resolved::Text => text(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde::Deserialize;

    use super::super::parse::parse;
    use super::super::source::SourceFile;
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec {
        environment: BTreeMap<String, String>,
        desired_count: Option<u8>,
        listeners: BTreeMap<u16, Protocol>,
        weight: f64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Protocol {
        Http,
        Https { certificate: String },
    }

    fn decoded(text: &str) -> Result<Spec, DecodeError> {
        let schema = r##"{
            "type": "object",
            "properties": {
                "environment": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Text"}},
                "desiredCount": {"type": ["integer", "null"]},
                "listeners": {"type": "object", "patternProperties": {"^\\d+$": {"$ref": "#/$defs/Protocol"}}},
                "weight": {"type": "number"}
            },
            "$defs": {
                "Text": {"type": ["string", "number", "boolean"]},
                "Protocol": {"oneOf": [
                    {"type": "string", "enum": ["http"]},
                    {"type": "object", "properties": {"https": {
                        "type": "object", "properties": {"certificate": {"$ref": "#/$defs/Text"}}
                    }}, "required": ["https"]}
                ]}
            }
        }"##;
        let checker = Checker::new(&serde_json::from_str(schema).unwrap());
        let file = SourceFile { path: "a.yaml".to_owned(), text: Arc::from(text) };
        decode(&parse(&file).unwrap().remove(0), &checker)
    }

    #[test]
    fn what_may_be_text_keeps_its_spelling_and_everything_else_is_what_yaml_says() {
        let text = "environment: {A: 1.10, B: true, C: 0x10, D: \"~\"}\ndesiredCount:\n\
                    listeners: {80: http, 443: {https: {certificate: 007}}}\nweight: 10\n";
        let spec = decoded(text).unwrap();
        let values: Vec<&str> = spec.environment.values().map(String::as_str).collect();
        assert_eq!(values, ["1.10", "true", "0x10", "~"]);
        assert_eq!(spec.desired_count, None);
        assert_eq!(spec.listeners.get(&80), Some(&Protocol::Http));
        assert_eq!(spec.listeners.get(&443), Some(&Protocol::Https { certificate: "007".to_owned() }));
        assert!((spec.weight - 10.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_refusal_names_the_place_of_the_value() {
        let error = decoded("environment: {}\nlisteners: {}\nweight: 1\ndesiredCount: 300\n").unwrap_err();
        assert_eq!((error.place.line, error.place.column), (4, 15));
        assert!(error.message.starts_with("`desiredCount`: "), "{}", error.message);
    }
}
