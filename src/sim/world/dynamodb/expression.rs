//! DynamoDB's expressions: conditions, filters, projections and updates.
//!
//! Decides what an expression means for one item, and refuses what AWS refuses: reserved words,
//! placeholders that are missing or unused. Reads no table. Nested updates, list indexes, arithmetic,
//! `IN`, `contains`, `size` and `attribute_type` are not simulated and are refused, never ignored.

mod parser;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::Value;

use super::attribute::{Item, compare, normalise, parts};
use super::{Typed, validation};
use crate::sim::world::ApiError;

pub(super) use parser::{condition, projection, update};

/// An attribute, or a member of a map in one: the names from outside to inside.
pub(super) type Path = Vec<String>;

/// What stands on a side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Path(Path),
    Value(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Exists(Path),
    NotExists(Path),
    BeginsWith(Operand, Operand),
    Compare(Operand, Comparison, Operand),
    Between(Operand, Operand, Operand),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

/// What an UpdateExpression does to top-level attributes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Update {
    pub(super) set: Vec<(String, Assignment)>,
    pub(super) remove: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Assignment {
    To(Operand),
    /// `if_not_exists(path, operand)`
    IfNotExists(Path, Operand),
}

impl Operand {
    fn value<'a>(&'a self, item: &'a Item) -> Option<&'a Value> {
        match self {
            Self::Path(path) => lookup(item, path),
            Self::Value(value) => Some(value),
        }
    }

    fn attribute(&self) -> Option<&str> {
        match self {
            Self::Path(path) => path.first().map(String::as_str),
            Self::Value(_) => None,
        }
    }
}

impl Condition {
    /// Whether it holds for an item; an absent item has no attributes.
    pub(super) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Exists(path) => lookup(item, path).is_some(),
            Self::NotExists(path) => lookup(item, path).is_none(),
            Self::BeginsWith(operand, prefix) => match (operand.value(item), prefix.value(item)) {
                (Some(value), Some(prefix)) => begins_with(value, prefix),
                _ => false,
            },
            Self::Compare(left, comparison, right) => comparison.holds(left.value(item), right.value(item)),
            Self::Between(operand, low, high) => {
                let value = operand.value(item);
                Comparison::GreaterOrEqual.holds(value, low.value(item))
                    && Comparison::LessOrEqual.holds(value, high.value(item))
            }
            Self::And(left, right) => left.holds(item) && right.holds(item),
            Self::Or(left, right) => left.holds(item) || right.holds(item),
            Self::Not(inner) => !inner.holds(item),
        }
    }

    /// The attributes that it looks at.
    pub(super) fn attributes(&self) -> Vec<&str> {
        match self {
            Self::Exists(path) | Self::NotExists(path) => path.first().map(String::as_str).into_iter().collect(),
            Self::BeginsWith(left, right) | Self::Compare(left, _, right) => {
                [left, right].into_iter().filter_map(Operand::attribute).collect()
            }
            Self::Between(operand, low, high) => {
                [operand, low, high].into_iter().filter_map(Operand::attribute).collect()
            }
            Self::And(left, right) | Self::Or(left, right) => [left.attributes(), right.attributes()].concat(),
            Self::Not(inner) => inner.attributes(),
        }
    }

    /// The parts that must all hold.
    pub(super) fn conjuncts(&self) -> Vec<&Condition> {
        match self {
            Self::And(left, right) => [left.conjuncts(), right.conjuncts()].concat(),
            other => vec![other],
        }
    }
}

impl Comparison {
    /// An absent attribute equals nothing and has no order.
    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        let equal = left.is_some() && left == right;
        let order = || left.zip(right).and_then(|(left, right)| compare(left, right));
        match self {
            Self::Equal => equal,
            Self::NotEqual => !equal,
            Self::Less => order() == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order() == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl Update {
    /// The attributes that it names.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.set.iter().map(|(name, _)| name).chain(&self.remove)
    }

    /// The item after the update; every operand means the item before it.
    pub(super) fn apply(&self, before: &Item) -> Result<Item, ApiError> {
        let mut after = before.clone();
        for (name, assignment) in &self.set {
            let value = match assignment {
                Assignment::To(operand) => operand.value(before),
                Assignment::IfNotExists(path, operand) => lookup(before, path).or_else(|| operand.value(before)),
            };
            let value = value.ok_or_else(|| {
                validation("The provided expression refers to an attribute that does not exist in the item")
            })?;
            after.insert(name.clone(), value.clone());
        }
        for name in &self.remove {
            after.shift_remove(name);
        }
        Ok(after)
    }
}

/// The item with nothing but these attributes.
pub(super) fn project(item: &Item, names: &[String]) -> Item {
    let kept = item.iter().filter(|(name, _)| names.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn lookup<'a>(item: &'a Item, path: &[String]) -> Option<&'a Value> {
    let (first, inner) = path.split_first()?;
    inner.iter().try_fold(item.get(first)?, |value, name| value.get("M")?.get(name))
}

fn begins_with(value: &Value, prefix: &Value) -> bool {
    match (parts(value), parts(prefix)) {
        (Some(("S", Value::String(text))), Some(("S", Value::String(prefix)))) => text.starts_with(prefix.as_str()),
        _ => false,
    }
}

/// `ExpressionAttributeNames` and `ExpressionAttributeValues` of a request. AWS refuses a request
/// that carries one that no expression uses.
#[derive(Debug)]
pub(super) struct Placeholders<'a> {
    input: Typed<'a>,
    used: BTreeSet<String>,
}

impl<'a> Placeholders<'a> {
    pub(super) fn new(input: Typed<'a>) -> Self {
        Self { input, used: BTreeSet::new() }
    }

    fn name(&mut self, placeholder: &str) -> Result<String, ApiError> {
        let names = self.input.map("ExpressionAttributeNames")?;
        let name = names.and_then(|names| names.get(placeholder)).and_then(Value::as_str).ok_or_else(|| {
            validation(format!(
                "An expression attribute name used in the document path is not defined; attribute name: {placeholder}"
            ))
        })?;
        self.used.insert(placeholder.to_owned());
        Ok(name.to_owned())
    }

    fn value(&mut self, placeholder: &str) -> Result<Value, ApiError> {
        let values = self.input.map("ExpressionAttributeValues")?;
        let value = values.and_then(|values| values.get(placeholder)).ok_or_else(|| {
            validation(format!(
                "An expression attribute value used in expression is not defined; attribute value: {placeholder}"
            ))
        })?;
        self.used.insert(placeholder.to_owned());
        normalise(value)
    }

    /// To be called when every expression of the request has been read.
    pub(super) fn all_used(&self) -> Result<(), ApiError> {
        for member in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
            let Some(placeholders) = self.input.map(member)? else { continue };
            if placeholders.is_empty() {
                return Err(validation(format!("{member} must not be empty")));
            }
            if let Some(unused) = placeholders.keys().find(|placeholder| !self.used.contains(*placeholder)) {
                return Err(validation(format!(
                    "Value provided in {member} unused in expressions: keys: {{{unused}}}"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    fn holds(expression: &str, item: Value) -> bool {
        let input = json!({
            "ExpressionAttributeNames": {"#s": "status"},
            "ExpressionAttributeValues": {":a": {"S": "a"}, ":one": {"N": "1"}, ":nine": {"N": "9"}},
        });
        let mut placeholders = Placeholders::new(Typed::new(&input, "ValidationException"));
        let condition = condition(expression, "ConditionExpression", &mut placeholders).unwrap();
        condition.holds(item.as_object().unwrap())
    }

    fn refusal(expression: &str, input: Value) -> String {
        let mut placeholders = Placeholders::new(Typed::new(&input, "ValidationException"));
        let parsed = condition(expression, "ConditionExpression", &mut placeholders);
        parsed.and_then(|_| placeholders.all_used()).unwrap_err().message
    }

    #[test]
    fn conditions_are_read_with_the_precedence_of_sql() {
        let item = json!({"status": {"S": "a"}, "n": {"N": "5"}});
        assert!(holds("#s = :a OR #s <> :a AND n = :one", item.clone()));
        assert!(!holds("(#s = :a OR #s <> :a) AND n = :one", item.clone()));
        assert!(!holds("NOT #s = :a OR n = :one", item.clone()));
        assert!(holds("n BETWEEN :one AND :nine AND begins_with(#s, :a)", item.clone()));
        assert!(holds("attribute_exists(#s) and not attribute_exists(gone)", item));
    }

    #[test]
    fn numbers_compare_by_value() {
        assert!(holds("n > :nine", json!({"n": {"N": "10"}})));
        assert!(!holds("n > :nine", json!({"n": {"S": "10"}})));
    }

    #[test]
    fn an_absent_attribute_equals_nothing() {
        assert!(!holds("n = :one", json!({})));
        assert!(holds("n <> :one", json!({})));
        assert!(!holds("n < :one", json!({})));
        assert!(holds("attribute_not_exists(n)", json!({})));
    }

    #[test]
    fn members_of_maps_are_reached_with_dots() {
        assert!(holds("a.b = :one", json!({"a": {"M": {"b": {"N": "1"}}}})));
        assert!(!holds("a.b = :one", json!({"a": {"S": "b"}})));
    }

    #[test]
    fn a_reserved_word_needs_a_placeholder() {
        let input = json!({"ExpressionAttributeValues": {":a": {"S": "a"}}});
        let message = refusal("owner = :a", input);
        assert!(message.ends_with("Attribute name is a reserved keyword; reserved keyword: owner"), "{message}");
    }

    #[test]
    fn unused_and_undefined_placeholders_are_refused() {
        let unused = json!({"ExpressionAttributeValues": {":a": {"S": "a"}, ":b": {"S": "b"}}});
        assert!(refusal("x = :a", unused).contains("unused in expressions: keys: {:b}"));
        assert!(refusal("x = :a", json!({})).contains("is not defined; attribute value: :a"));
    }

    #[test]
    fn a_malformed_expression_is_refused() {
        let input = json!({"ExpressionAttributeValues": {":a": {"S": "a"}}});
        for expression in ["", "x =", "x = :a AND", "(x = :a", "x = :a)", "x ! :a", "size(x) = :a", "x = :a x"] {
            let message = refusal(expression, input.clone());
            assert!(message.starts_with("Invalid ConditionExpression:"), "{expression}: {message}");
        }
    }
}
