//! A live item, spelled the way manifests are compared with.
//!
//! Decides which facts an item has. Every attribute is there as a keyed hash under
//! `attributes.NAME`; the few that templates of a StateTable read are there in plain text too,
//! under `NAME`. The table's reader hands in the attributes; this module names no client.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::KIND;
use super::spelling::number;
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::redact::Redactor;
use crate::core::value::{Fact, Fields, Value};
use crate::kinds::ecs_service::live::partition;

/// A table's physical name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// Twelve digits.
    pub account: Arc<str>,
    /// Such as `eu-west-1`.
    pub region: Arc<str>,
    /// Its name.
    pub table: Arc<str>,
}

impl TableName {
    /// The table's ARN.
    pub fn arn(&self) -> String {
        format!("arn:{}:dynamodb:{}:{}:table/{}", partition(&self.region), self.region, self.account, self.table)
    }

    /// The identity of one of its items: DynamoDB has no ARN for it, so the key follows the table's.
    pub fn item_id(&self, key: &str) -> String {
        format!("{}/{key}", self.arn())
    }
}

/// A value of an attribute. It may be secret, so it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Attribute {
    /// S.
    Text(String),
    /// N, as DynamoDB wrote it.
    Number(String),
    /// BOOL.
    Bool(bool),
    /// NULL.
    Null,
    /// B, in base64.
    Bytes(String),
    /// SS, NS or BS, and its entries.
    Set(&'static str, BTreeSet<String>),
    /// L.
    List(Vec<Attribute>),
    /// M.
    Map(BTreeMap<String, Attribute>),
    /// Of a type that the SDK does not know.
    Unreadable,
}

/// The attributes of one item.
pub type Attributes = BTreeMap<String, Attribute>;

impl Attribute {
    /// The text that a manifest declares it by: lists, sets and maps as JSON with sorted names.
    fn text(&self) -> String {
        match self {
            Self::Text(text) | Self::Bytes(text) => text.clone(),
            Self::Number(text) => plain_number(text),
            Self::Bool(_) | Self::Null | Self::Set(..) | Self::List(_) | Self::Map(_) | Self::Unreadable => {
                self.json(false).to_string()
            }
        }
    }

    /// What a template reads; `None` for what no text can be made of.
    fn plain(&self) -> Option<Value> {
        match self {
            Self::Text(text) => Some(Value::text(text.as_str())),
            Self::Number(text) => Some(Value::text(plain_number(text))),
            Self::Bool(flag) => Some(Value::Bool(*flag)),
            Self::Null => Some(Value::Nothing),
            Self::Set(_, entries) => Some(Value::set(entries.iter().map(String::as_str))),
            Self::List(entries) => {
                Some(Value::List(entries.iter().map(|entry| entry.plain().unwrap_or(Value::Nothing)).collect()))
            }
            Self::Bytes(_) | Self::Map(_) | Self::Unreadable => None,
        }
    }

    /// As JSON; `typed` keeps apart what only differs in type, as DynamoDB's own JSON does.
    fn json(&self, typed: bool) -> Json {
        let (kind, bare) = match self {
            Self::Text(text) => ("S", Json::from(text.as_str())),
            Self::Number(text) => ("N", Json::from(plain_number(text))),
            Self::Bool(flag) => ("BOOL", Json::from(*flag)),
            Self::Null => ("NULL", Json::Null),
            Self::Bytes(text) => ("B", Json::from(text.as_str())),
            Self::Set(kind, entries) => {
                (*kind, Json::Array(entries.iter().map(|entry| Json::from(entry.as_str())).collect()))
            }
            Self::List(entries) => ("L", Json::Array(entries.iter().map(|entry| entry.json(typed)).collect())),
            Self::Map(entries) => ("M", object(entries, typed)),
            Self::Unreadable => ("?", Json::Null),
        };
        if !typed {
            return bare;
        }
        let mut tagged = serde_json::Map::new();
        tagged.insert(kind.to_owned(), bare);
        Json::Object(tagged)
    }
}

fn object(entries: &Attributes, typed: bool) -> Json {
    Json::Object(entries.iter().map(|(name, entry)| (name.clone(), entry.json(typed))).collect())
}

fn plain_number(text: &str) -> String {
    number(text).unwrap_or_else(|| text.to_owned())
}

/// How the values of a table's items are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'a> {
    /// Hashes what may be secret.
    pub redactor: &'a Redactor,
    /// Attributes that templates read.
    pub plain: &'a BTreeSet<Arc<str>>,
    /// Names whose values may be shown.
    pub visible: &'a BTreeSet<Arc<str>>,
}

impl Keeping<'_> {
    /// The hash of one attribute's value.
    pub fn attribute(&self, id: &str, name: &str, text: &str) -> Value {
        self.redactor.secret(KIND, id, name, name, text, self.visible)
    }

    /// A keyed hash over all attributes: a plain one would give away short secrets.
    fn incarnation(&self, id: &str, attributes: &Attributes) -> Option<Arc<str>> {
        let all = object(attributes, true).to_string();
        match self.redactor.secret(KIND, id, "", "", &all, &BTreeSet::new()) {
            Value::Secret(secret) => Some(format!("{:032x}", secret.hash).into()),
            _ => None,
        }
    }
}

/// The path of an attribute that a manifest declares.
pub fn attribute_path(name: &str) -> String {
    format!("attributes.{name}")
}

/// The live thing that an item is.
pub fn live(attributes: &Attributes, key: &str, table: &TableName, keeping: &Keeping<'_>) -> Live {
    let id = table.item_id(key);
    let mut fields = Fields::default();
    for (name, attribute) in attributes {
        let hashed = keeping.attribute(&id, name, &attribute.text());
        if keeping.plain.contains(name.as_str()) {
            // A hash is no text either, so that a template says so instead of finding nothing.
            fields.set(name.clone(), attribute.plain().unwrap_or_else(|| hashed.clone()));
        }
        match attribute {
            Attribute::Unreadable => {
                fields.put(attribute_path(name), Fact::Unknown("of a type that moored does not know".into()))
            }
            _ => fields.set(attribute_path(name), hashed),
        }
    }
    fields.shrink();
    Live {
        key: ObjectKey::new(KIND, key),
        incarnation: keeping.incarnation(&id, attributes),
        id: id.into(),
        fields,
        addresses: Box::default(),
        references: Box::default(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::template::{Template, TemplateError};

    fn item(attributes: &Attributes, plain: &[&str]) -> Live {
        let table =
            TableName { account: "111122223333".into(), region: "eu-west-1".into(), table: "deployments".into() };
        let plain: BTreeSet<Arc<str>> = plain.iter().map(|name| Arc::from(*name)).collect();
        let keeping = Keeping { redactor: &Redactor::new(&[7; 32]), plain: &plain, visible: &BTreeSet::new() };
        live(attributes, "service=api", &table, &keeping)
    }

    fn attributes() -> Attributes {
        BTreeMap::from([
            ("service".to_owned(), Attribute::Text("api".to_owned())),
            (
                "hosts".to_owned(),
                Attribute::List(vec![Attribute::Text("a".to_owned()), Attribute::Text("b".to_owned())]),
            ),
            ("count".to_owned(), Attribute::Number("2.0".to_owned())),
            ("token".to_owned(), Attribute::Text("hunter2".to_owned())),
            ("made".to_owned(), Attribute::Map(BTreeMap::from([("by".to_owned(), Attribute::Text("ci".to_owned()))]))),
            ("gone".to_owned(), Attribute::Null),
        ])
    }

    #[test]
    fn templates_read_only_what_they_asked_for() {
        let live = item(&attributes(), &["service", "hosts", "count"]);
        let expand = |text: &str| Template::parse(text).unwrap().expand(&live.fields, None);
        assert_eq!(expand("{service}-{count}").unwrap(), "api-2");
        assert_eq!(Template::parse("{hosts[]}").unwrap().expand_entries(&live.fields).unwrap(), ["a", "b"]);
        assert_eq!(expand("{token}"), Err(TemplateError::Missing("token".into())));
        assert_eq!(live.fields.value("token"), None);
    }

    #[test]
    fn a_map_is_not_text_and_a_null_is_not_there() {
        let live = item(&attributes(), &["made", "gone"]);
        let expand = |text: &str| Template::parse(text).unwrap().expand(&live.fields, None);
        assert_eq!(expand("{made}"), Err(TemplateError::NotText("made".into())));
        assert_eq!(expand("{gone}"), Err(TemplateError::Missing("gone".into())));
    }

    #[test]
    fn an_item_that_changed_is_another_incarnation() {
        let before = item(&attributes(), &[]);
        let mut changed = attributes();
        changed.insert("count".to_owned(), Attribute::Text("2".to_owned()));
        assert_ne!(before.incarnation, item(&changed, &[]).incarnation);
        assert_eq!(before.incarnation, item(&attributes(), &["service"]).incarnation);
    }
}
