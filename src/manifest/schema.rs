//! The form of every manifest, as JSON Schema: for editors, and for the loader itself.
//!
//! Decides which fields may stand beside a spec in a document of each kind; what stands within is decided by the types
//! themselves. What `moored schema` prints is what the loader checks. Never reads a manifest.

use std::sync::LazyLock;

use schemars::{Schema, schema_for};
use serde_json::{Map, Value, json};

use super::check::Checker;
use super::envelope::{API_VERSION, EnvironmentMetadata, ManifestKind, Metadata, OwnedBy, PolicySpec, Presence};
pub use super::explain::{ExplainError, explain};

/// The dialect of the schemas.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Where a schema keeps what is referred to.
const DEFINITIONS: &str = "#/$defs/";

/// What documents of one kind look like.
pub struct Form {
    /// The kind.
    pub kind: ManifestKind,
    /// Checks a whole document.
    pub document: Checker,
    /// Checks a spec alone, and says which of its values stay text.
    pub spec: Checker,
}

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let form = |kind: ManifestKind| Form {
        kind,
        document: Checker::new(&document_schema(kind)),
        spec: Checker::new(kind.spec_schema().as_value()),
    };
    ManifestKind::all().map(form).collect()
});

/// The form of this kind.
pub fn form(kind: &str) -> Option<&'static Form> {
    FORMS.iter().find(|form| form.kind.name() == kind)
}

/// One schema for a document of any kind.
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    let mut branches = Vec::new();
    for kind in ManifestKind::all() {
        let document = document(kind, &mut definitions);
        definitions.insert(kind.name().to_owned(), document);
        branches.push(json!({
            "if": { "properties": { "kind": { "const": kind.name() } }, "required": ["kind"] },
            "then": { "$ref": format!("{DEFINITIONS}{}", kind.name()) },
        }));
    }
    let names: Vec<&str> = ManifestKind::all().map(ManifestKind::name).collect();
    json!({
        "$schema": DIALECT,
        "title": "A manifest of moored",
        "type": "object",
        "properties": {
            "apiVersion": { "const": API_VERSION },
            "kind": { "type": "string", "description": "The kind of what is declared.", "enum": names },
        },
        "required": ["apiVersion", "kind"],
        "allOf": branches,
        "$defs": definitions,
    })
}

/// The schema of a document of one kind.
pub(super) fn document_schema(kind: ManifestKind) -> Value {
    let mut definitions = Map::new();
    let mut document = document(kind, &mut definitions);
    if let Some(document) = document.as_object_mut() {
        document.insert("$schema".to_owned(), DIALECT.into());
        document.insert("$defs".to_owned(), Value::Object(definitions));
    }
    document
}

fn document(kind: ManifestKind, definitions: &mut Map<String, Value>) -> Value {
    let metadata = match kind {
        ManifestKind::Environment => adopt("EnvironmentMetadata", schema_for!(EnvironmentMetadata), definitions),
        ManifestKind::Ignore | ManifestKind::Resource(_) => adopt("Metadata", schema_for!(Metadata), definitions),
    };
    let mut fields = vec![
        ("apiVersion", "The language of this manifest.", json!({ "type": "string", "const": API_VERSION })),
        ("kind", kind.summary(), json!({ "type": "string", "const": kind.name() })),
        ("metadata", "Its name, environments and labels.", metadata),
        ("spec", "What it should be.", adopt(&format!("{}.spec", kind.name()), kind.spec_schema(), definitions)),
    ];
    if matches!(kind, ManifestKind::Resource(_)) {
        let patches =
            json!({ "type": "object", "additionalProperties": { "type": "object", "additionalProperties": true } });
        fields.extend([
            ("policy", "How much it matters.", adopt("Policy", schema_for!(PolicySpec), definitions)),
            (
                "ownedBy",
                "Whose leftover it is once the owner is gone.",
                adopt("OwnedBy", schema_for!(OwnedBy), definitions),
            ),
            (
                "state",
                "Whether it should be there; `present` by default.",
                adopt("State", schema_for!(Presence), definitions),
            ),
            ("overrides", "By environment, what differs there: a patch of `spec` (RFC 7396).", patches),
        ]);
    }
    let described = |(name, description, mut schema): (&str, &str, Value)| {
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), description.into());
        }
        (name.to_owned(), schema)
    };
    let properties: Map<String, Value> = fields.into_iter().map(described).collect();
    json!({
        "type": "object",
        "description": kind.summary(),
        "properties": properties,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
    })
}

/// Takes a type's schema into `definitions`, with everything it refers to, under names that no other type has.
fn adopt(name: &str, schema: Schema, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = schema.to_value();
    if let Some(object) = schema.as_object_mut() {
        object.shift_remove("$schema");
        object.shift_remove("title");
        if let Some(Value::Object(own)) = object.shift_remove("$defs") {
            for (own_name, mut definition) in own {
                redirect(&mut definition, name);
                definitions.insert(format!("{name}.{own_name}"), definition);
            }
        }
    }
    redirect(&mut schema, name);
    definitions.insert(name.to_owned(), schema);
    json!({ "$ref": format!("{DEFINITIONS}{name}") })
}

/// Points the references of an adopted schema to the names it has now.
fn redirect(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                match value {
                    Value::String(reference) if key == "$ref" => {
                        if reference == "#" {
                            *reference = format!("{DEFINITIONS}{name}");
                        } else if let Some(own_name) = reference.strip_prefix(DEFINITIONS) {
                            *reference = format!("{DEFINITIONS}{name}.{own_name}");
                        }
                    }
                    other => redirect(other, name),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redirect(item, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn references<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
        match schema {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let schema = json_schema();
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(found.len() > ManifestKind::all().count());
        for reference in found {
            let name = reference.strip_prefix(DEFINITIONS).unwrap();
            assert!(schema["$defs"].get(name).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_kind_has_a_branch_that_refuses_unknown_fields() {
        let schema = json_schema();
        for kind in ManifestKind::all() {
            let document = &schema["$defs"][kind.name()];
            assert_eq!(document["additionalProperties"], false, "{}", kind.name());
            assert_eq!(document["properties"]["kind"]["const"], kind.name());
        }
        assert!(schema["$defs"]["Environment"]["properties"].get("overrides").is_none());
        assert!(schema["$defs"]["EcsService"]["properties"].get("overrides").is_some());
    }
}
