//! `moored explain`: what a field of a manifest means, from the very schema the loader checks.
//!
//! Decides how a schema is put into words for a terminal. Never knows a field by itself. The command calls it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;
use thiserror::Error;

use super::envelope::ManifestKind;
use super::problem::{shorten, suggest};
use super::schema::document_schema;

/// As deep as types are put into words.
const DEPTH: usize = 4;
/// The widest column of types.
const WIDEST_TYPE: usize = 40;

/// Why a field cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExplainError {
    /// There is no such kind.
    #[error("unknown kind `{kind}`; {hint}")]
    UnknownKind {
        /// As it was asked for.
        kind: String,
        /// What to ask for.
        hint: String,
    },
    /// There is no such field.
    #[error("`{within}` has no field `{field}`; {hint}")]
    UnknownField {
        /// The way up to the field.
        within: String,
        /// As it was asked for.
        field: String,
        /// What to ask for.
        hint: String,
    },
}

/// Explains a kind or field, such as `EcsService` or `EcsService.spec.taskDefinition.containers`. `spec` may be left
/// out, and so may the names by which a map is keyed.
pub fn explain(path: &str) -> Result<String, ExplainError> {
    let mut steps = path.trim().split('.').filter(|step| !step.is_empty()).peekable();
    let kind = kind(steps.next().unwrap_or_default())?;
    let document = document_schema(kind);
    let book = Book { document: &document };
    let mut at = At { path: kind.name().to_owned(), schema: &document, required: false };
    let Some(first) = steps.peek() else {
        return Ok(book.kind_page(&at));
    };
    if book.field(&document, first).is_none() {
        at = book.step(&at, "spec")?;
    }
    for step in steps {
        at = book.step(&at, step)?;
    }
    Ok(book.field_page(&at))
}

fn kind(name: &str) -> Result<ManifestKind, ExplainError> {
    let names = || ManifestKind::all().map(ManifestKind::name);
    ManifestKind::all().find(|kind| kind.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
        let hint = match suggest(name, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known kinds: {}", names().collect::<Vec<_>>().join(", ")),
        };
        ExplainError::UnknownKind { kind: shorten(name), hint }
    })
}

/// Where an explanation has arrived.
struct At<'a> {
    path: String,
    schema: &'a Value,
    required: bool,
}

/// One field of a map.
struct Field<'a> {
    name: &'a str,
    schema: &'a Value,
    required: bool,
}

/// A document's schema, and how to read it.
#[derive(Clone, Copy)]
struct Book<'a> {
    document: &'a Value,
}

impl<'a> Book<'a> {
    fn step(self, at: &At<'a>, name: &str) -> Result<At<'a>, ExplainError> {
        let path = format!("{}.{name}", at.path);
        let mut names = Vec::new();
        let mut within = Some(at.schema);
        for _ in 0..DEPTH {
            let Some(schema) = within else { break };
            if let Some(field) = self.field(schema, name) {
                return Ok(At { path, schema: field.schema, required: field.required });
            }
            names.extend(self.fields(schema).into_iter().map(|field| field.name));
            within = self.value(schema);
        }
        let meant = suggest(name, names.iter().copied());
        match (self.value(at.schema), meant) {
            // A name by which the map is keyed, such as a container's.
            (Some(schema), None) if self.is_keyed(at.schema) => Ok(At { path, schema, required: false }),
            (_, meant) => {
                let hint = match meant {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None if names.is_empty() => "it has no fields".to_owned(),
                    None => format!("its fields: {}", names.join(", ")),
                };
                Err(ExplainError::UnknownField { within: at.path.clone(), field: shorten(name), hint })
            }
        }
    }

    fn kind_page(self, at: &At<'a>) -> String {
        let mut page = format!("{}\n\n{}\n", at.path, self.description(at.schema));
        self.list(at.schema, &mut page);
        if let Some(spec) = self.field(at.schema, "spec") {
            page.push_str("\nspec:\n");
            self.list(spec.schema, &mut page);
        }
        page
    }

    fn field_page(self, at: &At<'a>) -> String {
        let required = if at.required { ", required" } else { "" };
        let mut page =
            format!("{}: {}{required}\n\n{}\n", at.path, self.type_of(at.schema, DEPTH), self.description(at.schema));
        let mut within = Some(at.schema);
        for _ in 0..DEPTH {
            let Some(schema) = within else { break };
            if !self.fields(schema).is_empty() {
                self.list(schema, &mut page);
                break;
            }
            within = self.value(schema);
        }
        page
    }

    /// One line for each field.
    fn list(self, schema: &'a Value, page: &mut String) {
        let rows: Vec<(&str, String, String)> = self
            .fields(schema)
            .into_iter()
            .map(|field| {
                let required = if field.required { ", required" } else { "" };
                (
                    field.name,
                    self.type_of(field.schema, DEPTH) + required,
                    first_sentence(&self.description(field.schema)),
                )
            })
            .collect();
        let names = rows.iter().map(|(name, _, _)| name.chars().count()).max().unwrap_or(0);
        let types = rows.iter().map(|(_, kind, _)| kind.chars().count()).max().unwrap_or(0).min(WIDEST_TYPE);
        page.push('\n');
        for (name, kind, description) in rows {
            let line = format!("  {name:names$}  {kind:types$}  {description}");
            let _ = writeln!(page, "{}", line.trim_end());
        }
    }

    fn field(self, schema: &'a Value, name: &str) -> Option<Field<'a>> {
        self.fields(schema).into_iter().find(|field| field.name == name)
    }

    fn fields(self, schema: &'a Value) -> Vec<Field<'a>> {
        let mut fields: Vec<Field<'a>> = Vec::new();
        for part in self.parts(schema) {
            let required = part.get("required").and_then(Value::as_array);
            for (name, schema) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if fields.iter().all(|field| field.name != name) {
                    let required = required.is_some_and(|required| required.iter().any(|entry| entry == name.as_str()));
                    fields.push(Field { name, schema, required });
                }
            }
        }
        fields
    }

    /// What the items of a list, or the values of a map with names of its own, are.
    fn value(self, schema: &'a Value) -> Option<&'a Value> {
        self.parts(schema).into_iter().find_map(|part| part.get("items").or_else(|| keyed(part)))
    }

    fn is_keyed(self, schema: &'a Value) -> bool {
        self.parts(schema).into_iter().any(|part| keyed(part).is_some())
    }

    fn description(self, schema: &'a Value) -> String {
        let parts = self.parts(schema);
        let text = parts.into_iter().find_map(|part| part.get("description").and_then(Value::as_str));
        text.unwrap_or("No description.").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The type in words.
    fn type_of(self, schema: &'a Value, depth: usize) -> String {
        if depth == 0 {
            return "…".to_owned();
        }
        let mut choices = Vec::new();
        let mut types = BTreeSet::new();
        for part in self.parts(schema) {
            let listed = part.get("enum").and_then(Value::as_array).into_iter().flatten().chain(part.get("const"));
            let before = choices.len();
            choices.extend(listed.filter_map(Value::as_str));
            if choices.len() == before {
                match part.get("type") {
                    Some(Value::Array(names)) => types.extend(names.iter().filter_map(Value::as_str)),
                    Some(name) => types.extend(name.as_str()),
                    None => {}
                }
            }
        }
        let value = || self.value(schema).map(|value| self.type_of(value, depth - 1));
        let mut words = Vec::new();
        if !choices.is_empty() {
            words.push(choices.join(" | "));
        }
        let simple =
            [("string", "text"), ("integer", "whole number"), ("number", "number"), ("boolean", "true or false")];
        // What may be text may be written in any way: that it may look like a number is no news.
        let simple = simple.into_iter().find(|(name, _)| types.contains(name)).map(|(_, word)| word.to_owned());
        words.extend(simple);
        if types.contains("array") {
            words.push(value().map_or_else(|| "list".to_owned(), |value| format!("list of {value}")));
        }
        if types.contains("object") {
            let keyed = self.is_keyed(schema).then(value).flatten();
            words.push(keyed.map_or_else(|| "map".to_owned(), |value| format!("{value} by name")));
        }
        if words.is_empty() { "anything".to_owned() } else { words.join(" or ") }
    }

    /// The schema with all it refers to and all its alternatives.
    fn parts(self, schema: &'a Value) -> Vec<&'a Value> {
        let mut parts = vec![schema];
        let mut next = 0;
        while let Some(part) = parts.get(next).copied() {
            next += 1;
            let referred = part.get("$ref").and_then(Value::as_str).and_then(|reference| self.named(reference));
            let listed = ["allOf", "oneOf", "anyOf"].into_iter().filter_map(|key| part.get(key)?.as_array()).flatten();
            for found in referred.into_iter().chain(listed) {
                if !parts.iter().any(|known| std::ptr::eq(*known, found)) {
                    parts.push(found);
                }
            }
        }
        parts
    }

    fn named(self, reference: &str) -> Option<&'a Value> {
        self.document.get("$defs")?.get(reference.strip_prefix("#/$defs/")?)
    }
}

fn keyed(part: &Value) -> Option<&Value> {
    let others = part.get("additionalProperties").filter(|others| others.is_object());
    others.or_else(|| part.get("patternProperties")?.as_object()?.values().next())
}

fn first_sentence(text: &str) -> String {
    text.split_inclusive(". ").next().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_lists_what_may_stand_in_it() {
        let page = explain("EcsService").unwrap();
        for field in ["metadata", "overrides", "cluster", "desiredCount", "taskDefinition"] {
            assert!(page.contains(&format!("\n  {field} ")), "{field}: {page}");
        }
    }

    #[test]
    fn a_field_is_found_with_and_without_spec_and_names() {
        let page = explain("EcsService.spec.taskDefinition.containers").unwrap();
        assert!(page.starts_with("EcsService.spec.taskDefinition.containers: map by name\n"), "{page}");
        assert!(page.contains("\n  image "), "{page}");
        assert_eq!(explain("EcsService.taskDefinition.containers").unwrap(), page);
        let within = explain("ecsservice.taskDefinition.containers.image").unwrap();
        let named = explain("EcsService.taskDefinition.containers.api.image").unwrap();
        assert_eq!(within.lines().last(), named.lines().last());
    }

    #[test]
    fn what_is_not_known_gets_a_hint() {
        assert_eq!(
            explain("EcsServise").unwrap_err().to_string(),
            "unknown kind `EcsServise`; did you mean `EcsService`?"
        );
        assert_eq!(
            explain("EcsService.taskDefinition.containers.imgae").unwrap_err().to_string(),
            "`EcsService.spec.taskDefinition.containers` has no field `imgae`; did you mean `image`?"
        );
        assert!(explain("Environment.overrides").unwrap_err().to_string().contains("has no field `overrides`"));
    }

    #[test]
    fn words_that_are_fixed_are_listed() {
        let page = explain("Environment.class").unwrap();
        assert!(
            page.starts_with("Environment.spec.class: production | staging | development | emulator, required"),
            "{page}"
        );
    }
}
