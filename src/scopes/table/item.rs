//! What the DynamoDB client answers, in the words of the kind, and keys the other way round.
//!
//! Decides how a key's text becomes the client's attribute values, by the types that the table's
//! own key schema names. [`super::Table`] calls it.

#[allow(clippy::disallowed_types, reason = "the SDK's own type")]
use std::collections::HashMap;
use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType, TableDescription};
use aws_smithy_types::base64;

use crate::core::observation::{Failure, Reason};
use crate::kinds::table_item::live::{Attribute, Attributes};
use crate::kinds::table_item::spelling::{key_text, number, parse_key};

/// An item, or a key, as the client has it.
#[allow(clippy::disallowed_types, reason = "the SDK's own type")]
pub(super) type Item = HashMap<String, AttributeValue>;

/// The key attributes of a table and their types.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KeySchema {
    attributes: BTreeMap<String, ScalarAttributeType>,
}

impl KeySchema {
    /// The key schema that DescribeTable told.
    pub fn of(table: &TableDescription) -> Result<Self, Failure> {
        let type_of = |name: &str| {
            let definition =
                table.attribute_definitions().iter().find(|definition| definition.attribute_name() == name);
            definition.map(|definition| definition.attribute_type().clone())
        };
        let attributes: Option<BTreeMap<String, ScalarAttributeType>> = table
            .key_schema()
            .iter()
            .map(|element| Some((element.attribute_name().to_owned(), type_of(element.attribute_name())?)))
            .collect();
        match attributes {
            Some(attributes) if !attributes.is_empty() => Ok(Self { attributes }),
            _ => Err(Failure::new(Reason::Malformed, "DescribeTable answered without the types of the table's key")),
        }
    }

    /// The text of an item's key.
    pub fn text(&self, item: &Item) -> Result<String, Failure> {
        let mut parts = Vec::with_capacity(self.attributes.len());
        for name in self.attributes.keys() {
            let text = match item.get(name) {
                Some(AttributeValue::S(text)) => text.clone(),
                Some(AttributeValue::N(text)) => number(text).unwrap_or_else(|| text.clone()),
                Some(AttributeValue::B(bytes)) => base64::encode(bytes),
                _ => {
                    return Err(Failure::new(
                        Reason::Malformed,
                        format!("an item came without its key attribute `{name}`"),
                    ));
                }
            };
            parts.push((name.as_str(), text));
        }
        Ok(key_text(parts.iter().map(|(name, text)| (*name, text.as_str()))))
    }

    /// The key that a text names; an error says how the table would have it.
    pub fn key(&self, text: &str) -> Result<Item, Failure> {
        let invalid = |what: String| Failure::new(Reason::Invalid, format!("the item {text}: {what}"));
        let names: Vec<&str> = self.attributes.keys().map(String::as_str).collect();
        let parts = parse_key(text).filter(|parts| parts.keys().eq(self.attributes.keys())).ok_or_else(|| {
            invalid(format!("the table's key is made of {}; correct `key` in the manifest", names.join(" and ")))
        })?;
        let mut key = Item::new();
        for (name, value) in parts {
            // DynamoDB would refuse the whole batch that such a key is part of.
            if value.is_empty() {
                return Err(invalid(format!("`{name}` is empty, which no key can be")));
            }
            let value = match self.attributes.get(&name) {
                Some(ScalarAttributeType::N) if number(&value).is_none() => {
                    return Err(invalid(format!("`{name}` is a number in the table")));
                }
                Some(ScalarAttributeType::N) => AttributeValue::N(value),
                Some(ScalarAttributeType::B) => {
                    let bytes = base64::decode(&value)
                        .map_err(|_| invalid(format!("`{name}` is binary: write it in base64")))?;
                    AttributeValue::B(Blob::new(bytes))
                }
                _ => AttributeValue::S(value),
            };
            key.insert(name, value);
        }
        match self.text(&key)? {
            canonical if canonical == text => Ok(key),
            canonical => Err(invalid(format!(
                "the table has numbers in its key: declare `keyTypes`, which makes it {canonical}"
            ))),
        }
    }
}

/// An item's attributes in the words of the kind.
pub(super) fn attributes(item: &Item) -> Attributes {
    item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn attribute(value: &AttributeValue) -> Attribute {
    match value {
        AttributeValue::S(text) => Attribute::Text(text.clone()),
        AttributeValue::N(text) => Attribute::Number(text.clone()),
        AttributeValue::B(bytes) => Attribute::Bytes(base64::encode(bytes)),
        AttributeValue::Bool(flag) => Attribute::Bool(*flag),
        AttributeValue::Null(_) => Attribute::Null,
        AttributeValue::Ss(entries) => Attribute::Set("SS", entries.iter().cloned().collect()),
        AttributeValue::Ns(entries) => Attribute::Set("NS", numbers(entries)),
        AttributeValue::Bs(entries) => Attribute::Set("BS", entries.iter().map(base64::encode).collect()),
        AttributeValue::L(entries) => Attribute::List(entries.iter().map(attribute).collect()),
        AttributeValue::M(entries) => {
            Attribute::Map(entries.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
        _ => Attribute::Unreadable,
    }
}

fn numbers(entries: &[String]) -> BTreeSet<String> {
    entries.iter().map(|text| number(text).unwrap_or_else(|| text.clone())).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn schema(attributes: &[(&str, ScalarAttributeType)]) -> KeySchema {
        KeySchema { attributes: attributes.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect() }
    }

    #[test]
    fn a_key_becomes_its_own_text_again() {
        let schema = schema(&[("service", ScalarAttributeType::S), ("shard", ScalarAttributeType::N)]);
        let text = "service=a\\=b,shard=2";
        let key = schema.key(text).unwrap();
        assert_eq!(key.get("shard"), Some(&AttributeValue::N("2".to_owned())));
        assert_eq!(schema.text(&key).unwrap(), text);
        let binary = self::schema(&[("id", ScalarAttributeType::B)]);
        assert_eq!(binary.text(&binary.key("id=aGk\\=").unwrap()).unwrap(), "id=aGk\\=");
    }

    #[test]
    fn a_key_of_other_attributes_or_spelling_is_an_error_and_never_another_item() {
        let schema = schema(&[("shard", ScalarAttributeType::N)]);
        for text in ["service=api", "shard=2,service=api", "shard=2.0", "shard=two", "shard=", "2"] {
            assert_eq!(schema.key(text).unwrap_err().reason, Reason::Invalid, "{text}");
        }
    }
}
