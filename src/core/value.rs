//! Facts: what a field of a live thing is, and what a manifest expects of it.
//!
//! Decides equality after both sides were spelled the provider's way, and how a value may be
//! shown. A value that may be secret exists here only as a keyed hash; it is made where the value
//! is parsed, so nothing past that point can leak it. Kinds build these, `compare` reads them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A field's place inside its resource, such as `taskDefinition.containers.api.image.tag`.
pub type Path = Cow<'static, str>;

/// A normalised value. Sets are sorted lists, so that order never reads as drift.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// The field is not there.
    Nothing,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(Box<str>),
    /// A list, or a set in sorted order.
    List(Box<[Value]>),
    /// A value that may be secret; boxed, since most values are none and there are many.
    Secret(Box<Secret>),
}

impl Value {
    /// Text from anything that has some.
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    /// A set of texts: sorted, without duplicates.
    pub fn set<T: Into<Box<str>>>(items: impl IntoIterator<Item = T>) -> Self {
        let mut items: Vec<Value> = items.into_iter().map(Self::text).collect();
        items.sort();
        items.dedup();
        Self::List(items.into())
    }

    /// A value that may be secret, by its keyed hash; with its text only where that may be shown.
    pub fn secret(hash: u128, shown: Option<Box<str>>) -> Self {
        Self::Secret(Box::new(Secret { hash, shown }))
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// What a report shows. `reveal` says whether the environment lists the name as visible.
    pub fn to_json(&self, reveal: bool) -> serde_json::Value {
        match self {
            Self::Nothing => serde_json::Value::Null,
            Self::Bool(flag) => (*flag).into(),
            Self::Int(number) => (*number).into(),
            Self::Text(text) => (&**text).into(),
            Self::List(items) => items.iter().map(|item| item.to_json(reveal)).collect(),
            Self::Secret(secret) => match (&secret.shown, reveal) {
                (Some(text), true) => (&**text).into(),
                _ => "(secret)".into(),
            },
        }
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

/// A keyed hash of a value, with the value itself only where an environment lists it as visible.
#[derive(Clone)]
pub struct Secret {
    /// HMAC-SHA256 of kind, name, path and value, first 128 bits.
    pub hash: u128,
    /// The value, where `visible` names it.
    pub shown: Option<Box<str>>,
}

impl Secret {
    fn cmp_key(&self) -> u128 {
        self.hash
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.cmp_key() == other.cmp_key()
    }
}

impl Eq for Secret {}

impl PartialOrd for Secret {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Secret {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.cmp_key().cmp(&other.cmp_key())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// What a reading knows of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The API said so.
    Known(Value),
    /// The configured role can never read it: counted, without effect on the state.
    Unchecked(Arc<str>),
    /// It could not be read this time, or is older than its promise.
    Unknown(Arc<str>),
}

/// The facts of one live thing, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(Path, Fact)>);

impl Fields {
    /// Sets a known value.
    pub fn set(&mut self, path: impl Into<Path>, value: impl Into<Value>) {
        self.put(path, Fact::Known(value.into()));
    }

    /// Sets a known value when there is one.
    pub fn set_some(&mut self, path: impl Into<Path>, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(path, value);
        }
    }

    /// Sets any fact.
    pub fn put(&mut self, path: impl Into<Path>, fact: Fact) {
        let path = path.into();
        match self.0.binary_search_by(|(known, _)| known.cmp(&path)) {
            Ok(at) => {
                if let Some(entry) = self.0.get_mut(at) {
                    entry.1 = fact;
                }
            }
            Err(at) => self.0.insert(at, (path, fact)),
        }
    }

    /// The fact at this path; where the path itself is not there, the nearest ancestor that could
    /// not be read answers for it; else the field is known not to be there.
    pub fn fact(&self, path: &str) -> Cow<'_, Fact> {
        let mut end = path.len();
        loop {
            let prefix = path.get(..end).unwrap_or_default();
            if let Ok(at) = self.0.binary_search_by(|(known, _)| (**known).cmp(prefix))
                && let Some((_, fact)) = self.0.get(at)
                && (end == path.len() || !matches!(fact, Fact::Known(_)))
            {
                return Cow::Borrowed(fact);
            }
            match prefix.rfind('.') {
                Some(dot) => end = dot,
                None => return Cow::Owned(Fact::Known(Value::Nothing)),
            }
        }
    }

    /// The known value at this path.
    pub fn value(&self, path: &str) -> Option<&Value> {
        match self.0.binary_search_by(|(known, _)| (**known).cmp(path)) {
            Ok(at) => match self.0.get(at) {
                Some((_, Fact::Known(value))) => Some(value),
                _ => None,
            },
            Err(_) => None,
        }
    }

    /// All facts in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Fact)> {
        self.0.iter().map(|(path, fact)| (&**path, fact))
    }

    /// Gives back what building left over, for the many small maps that are kept.
    pub fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}

/// What a manifest expects of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// This value.
    Is(Value),
    /// A number between these bounds, both inclusive.
    Between(Option<i64>, Option<i64>),
}

impl Expect {
    /// Whether a known value meets the expectation.
    pub fn met_by(&self, live: &Value) -> bool {
        match self {
            Self::Is(value) => value == live,
            Self::Between(min, max) => live
                .as_int()
                .is_some_and(|number| min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)),
        }
    }

    /// Whether the expected value may be shown.
    pub fn reveals(&self) -> bool {
        !matches!(self, Self::Is(Value::Secret(secret)) if secret.shown.is_none())
    }

    /// What a report shows.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Is(value) => value.to_json(true),
            Self::Between(min, max) => match (min, max) {
                (Some(min), Some(max)) => format!("{min}..{max}").into(),
                (Some(min), None) => format!("at least {min}").into(),
                (None, Some(max)) => format!("at most {max}").into(),
                (None, None) => "any".into(),
            },
        }
    }
}

/// A place in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// The file below its root.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_ancestor_answers_for_its_fields() {
        let mut fields = Fields::default();
        fields.put("taskDefinition", Fact::Unknown("throttled".into()));
        fields.set("desiredCount", 2);
        assert!(matches!(*fields.fact("taskDefinition.cpu"), Fact::Unknown(_)));
        assert_eq!(*fields.fact("desiredCount"), Fact::Known(Value::Int(2)));
        assert_eq!(*fields.fact("launchType"), Fact::Known(Value::Nothing));
    }

    #[test]
    fn a_secret_never_shows_in_debug_or_json() {
        let secret = Value::secret(7, None);
        assert_eq!(format!("{secret:?}"), "Secret((secret))");
        assert_eq!(secret.to_json(true), "(secret)");
        let visible = Value::secret(7, Some("info".into()));
        assert_eq!((visible.to_json(true), visible.to_json(false)), ("info".into(), "(secret)".into()));
    }

    #[test]
    fn order_and_repetition_in_a_set_are_no_drift() {
        assert_eq!(Value::set(["b", "a", "b"]), Value::set(["a", "b"]));
    }
}
