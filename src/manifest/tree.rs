//! YAML as a tree in which everything knows its place.
//!
//! Decides what a value is and how one is found or patched. It never knows what a field means. `parse` makes it; `check`,
//! `decode` and the loader walk it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::problem::Place;

/// One value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands; a value that an alias repeats stands where its anchor is.
    pub place: Place,
    /// What it is.
    pub data: Data,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// A text, number, truth value or nothing.
    Scalar(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// The name of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Where it stands.
    pub place: Place,
    /// The name.
    pub name: String,
}

/// A value as it was written.
#[derive(Clone, PartialEq)]
pub struct Scalar {
    /// Its text, without quotes.
    pub raw: String,
    /// Whether it was written without quotes.
    pub plain: bool,
}

impl fmt::Debug for Scalar {
    /// Shows no text: a manifest may hold values that are nobody else's business.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Scalar({} bytes)", self.raw.len())
    }
}

/// What a value means by the core schema of YAML 1.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved {
    /// Nothing at all, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, and whole numbers beyond 64 bits.
    Float(f64),
    /// Everything else, and everything in quotes.
    Text,
}

impl Scalar {
    /// What the value means; whatever is quoted is text.
    pub fn resolve(&self) -> Resolved {
        if !self.plain {
            return Resolved::Text;
        }
        match self.raw.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
            "true" | "True" | "TRUE" => Resolved::Bool(true),
            "false" | "False" | "FALSE" => Resolved::Bool(false),
            raw => whole_number(raw).or_else(|| fraction(raw)).unwrap_or(Resolved::Text),
        }
    }
}

fn whole_number(raw: &str) -> Option<Resolved> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = raw.strip_prefix(prefix) {
            let written_in_digits = digits.chars().all(|character| character.is_digit(radix));
            return written_in_digits.then(|| i64::from_str_radix(digits, radix).ok()).flatten().map(Resolved::Int);
        }
    }
    let digits = raw.strip_prefix(['+', '-']).unwrap_or(raw);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    raw.parse().ok().map(Resolved::Int)
}

fn fraction(raw: &str) -> Option<Resolved> {
    let unsigned = raw.strip_prefix(['+', '-']).unwrap_or(raw);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if raw.starts_with('-') => {
            return Some(Resolved::Float(f64::NEG_INFINITY));
        }
        ".inf" | ".Inf" | ".INF" => return Some(Resolved::Float(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if raw.len() == unsigned.len() => {
            return Some(Resolved::Float(f64::NAN));
        }
        _ => {}
    }
    // Rust also reads `inf` and `nan` as numbers, which are words in YAML.
    let begins_a_number = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let number_like = unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    if !begins_a_number || !number_like {
        return None;
    }
    raw.parse().ok().map(Resolved::Float)
}

/// One step from a value to a value within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// To the field of a map.
    Key(String),
    /// To the item of a list, from 0.
    Index(usize),
}

impl Node {
    /// The value of a field, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Where the name of a field stands, if this is a map that has it.
    pub fn key_place(&self, key: &str) -> Option<Place> {
        self.entry(key).map(|(key, _)| key.place)
    }

    fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|(key, _)| key.name == name),
            Data::Scalar(_) | Data::Seq(_) => None,
        }
    }

    /// The text, if this is text by YAML's rules; a plain `1.10` or `true` is not.
    pub fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(scalar) if scalar.resolve() == Resolved::Text => Some(&scalar.raw),
            Data::Scalar(_) | Data::Seq(_) | Data::Map(_) => None,
        }
    }

    /// The value at the end of the path, or the deepest one on the way that exists.
    pub fn at(&self, path: &[Segment]) -> &Node {
        let mut found = self;
        for segment in path {
            let next = match (segment, &found.data) {
                (Segment::Key(key), _) => found.get(key),
                (Segment::Index(index), Data::Seq(items)) => items.get(*index),
                (Segment::Index(_), Data::Scalar(_) | Data::Map(_)) => None,
            };
            match next {
                Some(next) => found = next,
                None => break,
            }
        }
        found
    }

    /// What this is, in words for a person.
    pub fn kind_name(&self) -> &'static str {
        match &self.data {
            Data::Map(_) => "a map",
            Data::Seq(_) => "a list",
            Data::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null => "nothing",
                Resolved::Bool(_) => "true or false",
                Resolved::Int(_) | Resolved::Float(_) => "a number",
                Resolved::Text => "text",
            },
        }
    }

    fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar(scalar) if scalar.resolve() == Resolved::Null)
    }

    /// Whether nothing at all was written, as between two `---` lines.
    pub(super) fn is_unwritten(&self) -> bool {
        matches!(&self.data, Data::Scalar(scalar) if scalar.plain && scalar.raw.is_empty())
    }
}

/// Lays a patch over a base by RFC 7396: maps are merged, `null` removes, everything else replaces. Each value keeps
/// the place where it was written.
pub fn merge(base: &Node, patch: &Node) -> Node {
    let Data::Map(changes) = &patch.data else {
        return patch.clone();
    };
    let kept: &[(Key, Node)] = match &base.data {
        Data::Map(entries) => entries,
        Data::Scalar(_) | Data::Seq(_) => &[],
    };
    let place = if matches!(base.data, Data::Map(_)) { base.place } else { patch.place };
    let by_name: BTreeMap<&str, &(Key, Node)> = changes.iter().map(|change| (change.0.name.as_str(), change)).collect();
    let names_kept: BTreeSet<&str> = kept.iter().map(|(key, _)| key.name.as_str()).collect();

    let mut merged = Vec::with_capacity(kept.len() + changes.len());
    for (key, value) in kept {
        match by_name.get(key.name.as_str()) {
            None => merged.push((key.clone(), value.clone())),
            Some((_, change)) if change.is_null() => {}
            Some((changed_key, change)) => merged.push((changed_key.clone(), merge(value, change))),
        }
    }
    for (key, change) in changes {
        if !names_kept.contains(key.name.as_str()) && !change.is_null() {
            let nothing = Node { place: change.place, data: Data::Map(Vec::new()) };
            merged.push((key.clone(), merge(&nothing, change)));
        }
    }
    Node { place, data: Data::Map(merged) }
}
