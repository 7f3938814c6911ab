//! The rules of a JSON Schema, compiled once so that thousands of documents are checked quickly.
//!
//! Decides what part of a schema counts (types, properties, required, enums, bounds, alternatives and references) and
//! how it is held. It never looks at a document: `check` does.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::tree::{Resolved, Scalar};

/// So many alternatives inside alternatives are followed; no schema of ours has more than two.
pub(super) const MAX_NESTING: usize = 8;

/// The longest description that serves as a hint.
pub(super) const DESCRIPTION: usize = 120;

/// The JSON types, as bits.
pub(super) mod kind {
    pub const NULL: u8 = 1;
    pub const BOOL: u8 = 2;
    pub const INTEGER: u8 = 4;
    pub const NUMBER: u8 = 8;
    pub const TEXT: u8 = 16;
    pub const LIST: u8 = 32;
    pub const MAP: u8 = 64;
}

/// The rule of the whole document.
pub(super) const ROOT: usize = 0;

/// What one object of the schema asks for. Rules name one another by index, so that a schema may contain itself.
#[derive(Debug, Default)]
pub(super) struct Rule {
    /// Allowed types as bits of [`kind`]; 0 allows all.
    pub(super) types: u8,
    pub(super) properties: BTreeMap<String, usize>,
    pub(super) patterns: Vec<(Pattern, usize)>,
    pub(super) required: Vec<String>,
    pub(super) others: Others,
    pub(super) items: Option<usize>,
    pub(super) choices: Vec<Choice>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) nullable: bool,
    pub(super) description: Option<String>,
    /// Rules that hold as well: `$ref` and `allOf`.
    pub(super) also: Vec<usize>,
    pub(super) alternatives: Vec<Alternatives>,
    /// This rule and everything it takes in through `also`.
    pub(super) facets: Vec<usize>,
}

/// What `additionalProperties` says.
#[derive(Debug, Default, Clone, Copy)]
pub(super) enum Others {
    #[default]
    Refused,
    Anything,
    By(usize),
}

/// The patterns by which schemars allows whole numbers as names; no other pattern is enforced.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pattern {
    Digits,
    SignedDigits,
    Other,
}

impl Pattern {
    pub(super) fn of(pattern: &str) -> Pattern {
        match pattern {
            r"^\d+$" => Pattern::Digits,
            r"^-?\d+$" => Pattern::SignedDigits,
            _ => Pattern::Other,
        }
    }

    pub(super) fn matches(self, name: &str) -> bool {
        let digits = match self {
            Pattern::Digits => name,
            Pattern::SignedDigits => name.strip_prefix('-').unwrap_or(name),
            Pattern::Other => return true,
        };
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    }
}

/// `oneOf` or `anyOf`: one of several rules must hold.
#[derive(Debug)]
pub(super) struct Alternatives {
    pub(super) rules: Vec<usize>,
    pub(super) tag: Option<Tag>,
}

/// The field that tells alternatives apart because each fixes it, and all its words.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) choices: Vec<Choice>,
}

/// One value of an `enum` or `const`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    Text(String),
    Int(i64),
    Bool(bool),
    Null,
}

impl Choice {
    pub(super) fn of(value: &Value) -> Option<Choice> {
        match value {
            Value::String(text) => Some(Choice::Text(text.clone())),
            Value::Number(number) => number.as_i64().map(Choice::Int),
            Value::Bool(truth) => Some(Choice::Bool(*truth)),
            Value::Null => Some(Choice::Null),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn is(&self, scalar: &Scalar) -> bool {
        match (self, scalar.resolve()) {
            (Choice::Text(text), Resolved::Text) => *text == scalar.raw,
            (Choice::Int(number), Resolved::Int(written)) => *number == written,
            (Choice::Bool(truth), Resolved::Bool(written)) => *truth == written,
            (Choice::Null, Resolved::Null) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Text(text) => write!(formatter, "`{text}`"),
            Choice::Int(number) => write!(formatter, "`{number}`"),
            Choice::Bool(truth) => write!(formatter, "`{truth}`"),
            Choice::Null => formatter.write_str("nothing"),
        }
    }
}

/// Turns a schema into rules.
pub(super) struct Compiler<'a> {
    pub(super) schema: &'a Value,
    pub(super) rules: Vec<Rule>,
    pub(super) named: BTreeMap<&'a str, usize>,
}

impl<'a> Compiler<'a> {
    pub(super) fn rule(&mut self, schema: &'a Value) -> usize {
        let index = self.rules.len();
        self.rules.push(Rule::default());
        self.fill(index, schema);
        index
    }

    pub(super) fn fill(&mut self, index: usize, schema: &'a Value) {
        let rule = self.built(schema);
        if let Some(empty) = self.rules.get_mut(index) {
            *empty = rule;
        }
    }

    pub(super) fn built(&mut self, schema: &'a Value) -> Rule {
        let mut rule = Rule::default();
        let Some(schema) = schema.as_object() else {
            return rule;
        };
        rule.types = schema.get("type").map_or(0, types_named);
        rule.description = schema.get("description").and_then(Value::as_str).map(first_sentence);
        rule.required = list_in(schema, "required").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        rule.choices = list_in(schema, "enum").iter().chain(schema.get("const")).filter_map(Choice::of).collect();
        rule.minimum = schema.get("minimum").and_then(Value::as_f64);
        rule.maximum = schema.get("maximum").and_then(Value::as_f64);
        for (name, property) in map_in(schema, "properties") {
            rule.properties.insert(name.clone(), self.rule(property));
        }
        for (pattern, property) in map_in(schema, "patternProperties") {
            rule.patterns.push((Pattern::of(pattern), self.rule(property)));
        }
        rule.others = match schema.get("additionalProperties").or_else(|| schema.get("unevaluatedProperties")) {
            None | Some(Value::Bool(false)) => Others::Refused,
            Some(Value::Bool(true)) => Others::Anything,
            Some(other) => Others::By(self.rule(other)),
        };
        rule.items = schema.get("items").map(|items| self.rule(items));
        rule.also.extend(schema.get("$ref").and_then(Value::as_str).and_then(|name| self.named(name)));
        for part in list_in(schema, "allOf") {
            rule.also.push(self.rule(part));
        }
        for alternatives in [list_in(schema, "oneOf"), list_in(schema, "anyOf")] {
            self.alternatives(alternatives, &mut rule);
        }
        rule
    }

    /// The rule a `$ref` names. It gets its index before it is built, as it may name itself.
    pub(super) fn named(&mut self, reference: &'a str) -> Option<usize> {
        if reference == "#" {
            return Some(ROOT);
        }
        let name = reference.strip_prefix("#/$defs/")?;
        if let Some(known) = self.named.get(name) {
            return Some(*known);
        }
        let definition = self.schema.get("$defs")?.get(name.replace("~1", "/").replace("~0", "~"))?;
        let index = self.rules.len();
        self.rules.push(Rule::default());
        self.named.insert(name, index);
        self.fill(index, definition);
        Some(index)
    }

    /// Words are gathered into one choice, `null` into a flag; what remains are alternatives if it is more than one.
    pub(super) fn alternatives(&mut self, schemas: &'a [Value], rule: &mut Rule) {
        let is_null = |schema: &Value| schema.get("type").and_then(Value::as_str) == Some("null");
        let is_word = |schema: &Value| {
            (schema.get("const").is_some() || schema.get("enum").is_some()) && schema.get("properties").is_none()
        };
        rule.nullable |= schemas.iter().any(is_null);
        let (words, others): (Vec<&'a Value>, Vec<&'a Value>) =
            schemas.iter().filter(|schema| !is_null(schema)).partition(|schema| is_word(schema));

        let mut rules: Vec<usize> = others.into_iter().map(|schema| self.rule(schema)).collect();
        let choices: Vec<Choice> = words.into_iter().flat_map(|word| self.built(word).choices).collect();
        if !choices.is_empty() {
            rules.insert(0, self.rules.len());
            self.rules.push(Rule { choices, ..Rule::default() });
        }
        if rules.len() > 1 {
            rule.alternatives.push(Alternatives { rules, tag: None });
        } else if !rules.is_empty() {
            rule.also.extend(rules);
        } else if !schemas.is_empty() {
            rule.types = kind::NULL;
        }
    }
}

pub(super) fn list_in<'a>(schema: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    schema.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn map_in<'a>(schema: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    schema.get(name).and_then(Value::as_object).into_iter().flatten()
}

pub(super) fn types_named(types: &Value) -> u8 {
    let bit = |name: &Value| match name.as_str() {
        Some("null") => kind::NULL,
        Some("boolean") => kind::BOOL,
        Some("integer") => kind::INTEGER,
        Some("number") => kind::NUMBER,
        Some("string") => kind::TEXT,
        Some("array") => kind::LIST,
        Some("object") => kind::MAP,
        _ => 0,
    };
    match types {
        Value::Array(types) => types.iter().map(bit).fold(0, |all, one| all | one),
        one => bit(one),
    }
}

pub(super) fn first_sentence(description: &str) -> String {
    let line = description.lines().next().unwrap_or_default();
    let sentence = line.split_inclusive(". ").next().unwrap_or_default().trim_end();
    sentence.chars().take(DESCRIPTION).collect()
}
