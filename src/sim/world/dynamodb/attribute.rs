//! Attribute values and keys.
//!
//! Decides which values DynamoDB takes, how it writes them back, how large they are and how two
//! compare. Knows no tables. The other parts of [`super`] call it.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::number::Number;
use super::validation;
use crate::sim::world::ApiError;

/// An item: attribute values by name, each like `{"S": "text"}`.
pub type Item = Map<String, Value>;

/// The value of a key attribute. Binary keys are not simulated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyValue {
    Text(String),
    Number(Number),
}

impl KeyValue {
    pub(super) fn read(value: &Value) -> Option<Self> {
        match parts(value)? {
            ("S", inner) => inner.as_str().map(|text| Self::Text(text.to_owned())),
            ("N", inner) => inner.as_str().and_then(Number::parse).map(Self::Number),
            _ => None,
        }
    }
}

/// A primary key in the order of a scan: AWS spreads partitions by a hash, so their order means
/// nothing; within one, items are sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ItemKey {
    place: u64,
    pub(super) partition: KeyValue,
    pub(super) sort: Option<KeyValue>,
}

impl ItemKey {
    pub(super) fn new(partition: KeyValue, sort: Option<KeyValue>) -> Self {
        let text = match &partition {
            KeyValue::Text(text) => text.clone(),
            KeyValue::Number(number) => number.to_string(),
        };
        // FNV-1a: any stable hash will do.
        let place = text
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
        Self { place, partition, sort }
    }
}

/// The type and content of a value that has been normalised.
pub(super) fn parts(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.iter().next().map(|(kind, inner)| (kind.as_str(), inner))
}

/// Checks an item and writes it as DynamoDB would.
pub(super) fn normalise_item(item: &Item) -> Result<Item, ApiError> {
    item.iter().map(|(name, value)| Ok((name.clone(), normalise(value)?))).collect()
}

/// Checks a value and writes it as DynamoDB would: numbers in one form, sets in one order, so that
/// equal values are equal JSON.
pub(super) fn normalise(value: &Value) -> Result<Value, ApiError> {
    let Some((kind, inner)) = parts(value) else {
        return Err(validation(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ));
    };
    let inner = match (kind, inner) {
        ("S" | "B", Value::String(_)) | ("BOOL", Value::Bool(_)) | ("NULL", Value::Bool(true)) => inner.clone(),
        ("N", Value::String(text)) => Value::String(number(text)?),
        ("SS" | "BS", Value::Array(list)) => set(list, |text| Ok(text.to_owned()))?,
        ("NS", Value::Array(list)) => set(list, number)?,
        ("L", Value::Array(list)) => Value::Array(list.iter().map(normalise).collect::<Result<_, _>>()?),
        ("M", Value::Object(members)) => Value::Object(normalise_item(members)?),
        _ => {
            let message = format!("An attribute value of type {kind} does not hold what that type holds");
            return Err(ApiError::bad_request("SerializationException", message));
        }
    };
    Ok(Value::Object(Map::from_iter([(kind.to_owned(), inner)])))
}

fn number(text: &str) -> Result<String, ApiError> {
    match Number::parse(text) {
        Some(number) => Ok(number.to_string()),
        None => {
            Err(validation(format!("The parameter cannot be converted to a numeric value: {text} (at most 38 digits)")))
        }
    }
}

fn set(list: &[Value], element: impl Fn(&str) -> Result<String, ApiError>) -> Result<Value, ApiError> {
    let mut elements = Vec::new();
    for value in list {
        let text = value.as_str().ok_or_else(|| validation("A set holds strings only"))?;
        elements.push(element(text)?);
    }
    if elements.is_empty() {
        return Err(validation("One or more parameter values were invalid: An string set  may not be empty"));
    }
    elements.sort();
    if elements.windows(2).any(|pair| matches!(pair, [left, right] if left == right)) {
        return Err(validation("One or more parameter values were invalid: Input collection contains duplicates."));
    }
    Ok(Value::from(elements))
}

/// The order of two values, if they are of one type that has an order.
pub(super) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (KeyValue::read(left)?, KeyValue::read(right)?) {
        (KeyValue::Text(left), KeyValue::Text(right)) => Some(left.cmp(&right)),
        (KeyValue::Number(left), KeyValue::Number(right)) => Some(left.cmp(&right)),
        _ => None,
    }
}

/// The bytes that an item counts for: names and values.
pub(super) fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size(value)).sum()
}

fn size(value: &Value) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    let digits = |value: &Value| text(value).div_ceil(2) + 1;
    match parts(value) {
        Some(("S", inner)) => text(inner),
        Some(("N", inner)) => digits(inner),
        Some(("B", inner)) => text(inner) / 4 * 3,
        Some(("SS" | "BS", Value::Array(list))) => list.iter().map(text).sum(),
        Some(("NS", Value::Array(list))) => list.iter().map(digits).sum(),
        Some(("L", Value::Array(list))) => list.iter().map(|value| size(value) + 1).sum::<usize>() + 3,
        Some(("M", Value::Object(members))) => item_size(members) + members.len() + 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    #[test]
    fn equal_numbers_and_sets_become_equal_json() {
        let normal = |value| normalise(&value).unwrap();
        assert_eq!(normal(json!({"N": "1.0"})), normal(json!({"N": "1"})));
        assert_eq!(normal(json!({"SS": ["b", "a"]})), normal(json!({"SS": ["a", "b"]})));
        assert_eq!(normal(json!({"L": [{"N": "2.50"}]})), json!({"L": [{"N": "2.5"}]}));
    }

    #[test]
    fn a_value_without_exactly_one_type_is_refused() {
        assert_eq!(normalise(&json!({})).unwrap_err().code, "ValidationException");
        assert_eq!(normalise(&json!({"S": "a", "N": "1"})).unwrap_err().code, "ValidationException");
        assert_eq!(normalise(&json!({"N": 1})).unwrap_err().code, "SerializationException");
        assert_eq!(normalise(&json!({"SS": []})).unwrap_err().code, "ValidationException");
    }
}
