//! Facts as they are recorded, and how they differ from what a reading says.
//!
//! Decides what counts as a change. A path that a reading could not tell (`Unknown`, `Unchecked`),
//! or whose ancestor it could not, keeps its recorded value; a path that a reading does not have
//! though nothing above it was untold is known not to be there. What was never told is a *gap*:
//! when it is told for the first time, that is no change, and what it was before stays unknown. A
//! detail that nobody asked for is untold like any other (`kinds::detail`), so it never reads as
//! removed; one that is kept between readings may have changed before the last of them. A value
//! that may be secret is a keyed hash; hashes under two keys say nothing about each other, so a new
//! key changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{FieldChange, reveal};
use crate::core::observation::Live;
use crate::core::value::{Fact, Value};
use crate::kinds::ecs_service::live::REGISTERED;
use crate::kinds::{detail, table_item};

/// When an app was restarted last.
const RESTARTED: &str = "runtime.restartedAt";

/// The path of the physical identity among the facts: a thing of the same name may be another one.
pub const ID: &str = "id";

/// What is recorded of one thing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// What was told last.
    #[serde(rename = "f")]
    known: BTreeMap<Arc<str>, Kept>,
    /// Paths that no reading has told yet, with all below them.
    #[serde(rename = "g", default, skip_serializing_if = "BTreeSet::is_empty")]
    gaps: BTreeSet<Arc<str>>,
    /// Paths that the last reading did not tell, and when the last one that did began.
    #[serde(rename = "s", default, skip_serializing_if = "BTreeMap::is_empty")]
    stale: BTreeMap<Arc<str>, Timestamp>,
    /// Paths that were gaps, and when the reading was finished that told them first.
    #[serde(rename = "n", default, skip_serializing_if = "BTreeMap::is_empty")]
    first: BTreeMap<Arc<str>, Timestamp>,
}

/// What a reading makes of recorded facts.
#[derive(Debug, PartialEq)]
pub struct Update {
    /// The facts now.
    pub facts: Facts,
    /// What differs, by path; values that may be secret are marked.
    pub fields: Vec<FieldChange>,
    /// All of it still was as it was then, by a reading that began then or later.
    pub after: Timestamp,
}

impl Facts {
    /// The facts of a thing that is recorded for the first time. `key` numbers the redaction key.
    pub fn of(live: &Live, key: u32) -> Self {
        let Told { known, unknown } = Told::of(live, key);
        Self {
            known: known.into_iter().filter_map(|(path, kept)| Some((path.into(), kept?))).collect(),
            gaps: unknown.into_iter().map(Arc::from).collect(),
            stale: BTreeMap::new(),
            first: BTreeMap::new(),
        }
    }

    /// What a new reading, finished at `at`, makes of them; the last one that had the thing began
    /// at `seen`.
    pub fn update(&self, live: &Live, key: u32, seen: Timestamp, at: Timestamp) -> Update {
        let Told { known: told, unknown } = Told::of(live, key);
        let kind = live.key.kind;
        let mut update = Update { facts: Self::default(), fields: Vec::new(), after: seen };
        for (path, kept) in &self.known {
            if told.contains_key(&**path) {
                continue;
            }
            if lineage(path).any(|path| unknown.contains(path)) {
                update.facts.known.insert(path.clone(), kept.clone());
            } else {
                update.differs(self.surely_told(kind, path, seen), path, Some(kept), None);
            }
        }
        for (path, kept) in told {
            let path: Arc<str> = path.into();
            let before = self.known.get(&path);
            let same = match (before, &kept) {
                (Some(before), Some(after)) => before.same(after),
                (before, after) => before.is_none() && after.is_none(),
            };
            let first_told = before.is_none() && lineage(&path).any(|path| self.gaps.contains(path));
            if !same && !first_told {
                update.differs(self.surely_told(kind, &path, seen), &path, before, kept.as_ref());
            }
            if let Some(kept) = kept {
                update.facts.known.insert(path, kept);
            }
        }
        update.fields.sort_by(|one, other| one.path.cmp(&other.path));
        let untold = |path: &str| lineage(path).any(|path| unknown.contains(path));
        let (gaps, filled): (Vec<_>, Vec<_>) = self.gaps.iter().cloned().partition(|gap| untold(gap));
        update.facts.gaps.extend(gaps);
        update.facts.first.extend(self.first.iter().map(|(path, at)| (path.clone(), *at)));
        update.facts.first.extend(filled.into_iter().map(|gap| (gap, at)));
        update.facts.stale.extend(self.stale.iter().filter(|(path, _)| untold(path)).map(|(p, at)| (p.clone(), *at)));
        for path in &unknown {
            if lineage(path).any(|path| self.gaps.contains(path)) {
                update.facts.gaps.insert((*path).into());
            } else {
                let since = self.told_last(path, seen);
                update.facts.stale.entry((*path).into()).or_insert(since);
            }
        }
        update
    }

    /// The facts as JSON, with a mark on what only [`reveal::Visible`] lets people see.
    pub fn marked(&self) -> BTreeMap<Arc<str>, Json> {
        self.known.iter().map(|(path, kept)| (path.clone(), kept.marked())).collect()
    }

    /// Whether nobody knew this path at that time: it was a gap then, or below one.
    pub fn is_untold(&self, path: &str, at: Timestamp) -> bool {
        lineage(path).any(|path| self.first.get(path).is_some_and(|first| *first > at))
    }

    /// When the last reading that told this path began.
    fn told_last(&self, path: &str, seen: Timestamp) -> Timestamp {
        lineage(path).filter_map(|path| self.stale.get(path)).fold(seen, |earliest, at| earliest.min(*at))
    }

    /// From when at the latest this path was as it is recorded: a detail is kept between readings.
    fn surely_told(&self, kind: &str, path: &str, seen: Timestamp) -> Timestamp {
        let told = self.told_last(path, seen);
        told.saturating_sub(detail::may_lag(kind, path)).unwrap_or(told)
    }
}

impl Update {
    fn differs(&mut self, since: Timestamp, path: &Arc<str>, before: Option<&Kept>, after: Option<&Kept>) {
        self.after = self.after.min(since);
        let marked = |kept: Option<&Kept>| kept.map_or(Json::Null, Kept::marked);
        self.fields.push(FieldChange { path: path.clone(), before: marked(before), after: marked(after) });
    }
}

/// A path and all its ancestors.
fn lineage(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rfind('.').and_then(|dot| path.get(..dot)))
}

/// Whether a path says something of the world. What it says of a service's registered revisions,
/// and which attributes of an item are in plain text, depends on what manifests ask; what runs at
/// the moment is no change of anything.
fn is_recorded(kind: &str, path: &str) -> bool {
    match kind {
        table_item::KIND => path.starts_with("attributes."),
        // That an app was restarted, and when, is asked first in every incident.
        _ => path != REGISTERED && (!path.starts_with(detail::RUNTIME) || path == RESTARTED),
    }
}

/// What one reading tells of a thing; `None` for what it tells not to be there.
struct Told<'a> {
    known: BTreeMap<&'a str, Option<Kept>>,
    unknown: BTreeSet<&'a str>,
}

impl<'a> Told<'a> {
    fn of(live: &'a Live, key: u32) -> Self {
        let mut told = Self { known: BTreeMap::new(), unknown: BTreeSet::new() };
        told.known.insert(ID, Some(Kept::Text((&*live.id).into())));
        for (path, fact) in live.fields.iter().filter(|(path, _)| is_recorded(live.key.kind, path)) {
            match fact {
                Fact::Known(Value::Nothing) => {
                    told.known.insert(path, None);
                }
                Fact::Known(value) => {
                    told.known.insert(path, Some(Kept::of(value, key)));
                }
                Fact::Unknown(_) | Fact::Unchecked(_) => {
                    told.unknown.insert(path);
                }
            }
        }
        told
    }
}

/// A value as it is stored: as JSON spells it, with a token for what may be secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    Nothing,
    Bool(bool),
    Int(i64),
    Text(Box<str>),
    List(Vec<Kept>),
    Secret(Token),
}

/// A keyed hash, and the number of its key; the value only where an environment lets it be shown.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Token {
    #[serde(rename = "#")]
    hash: Box<str>,
    #[serde(rename = "k", default, skip_serializing_if = "is_first")]
    key: u32,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    shown: Option<Box<str>>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

fn is_first(key: &u32) -> bool {
    *key == 0
}

impl Kept {
    fn of(value: &Value, key: u32) -> Self {
        match value {
            Value::Nothing => Self::Nothing,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(number) => Self::Int(*number),
            Value::Text(text) => Self::Text(text.clone()),
            Value::List(items) => Self::List(items.iter().map(|item| Self::of(item, key)).collect()),
            Value::Secret(secret) => {
                Self::Secret(Token { hash: format!("{:032x}", secret.hash).into(), key, shown: secret.shown.clone() })
            }
        }
    }

    /// Whether nothing shows that they differ. Secrets stand at the end of a set, so that entries
    /// that are none keep their places when a new key puts the hashes into another order.
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(one), Self::Secret(other)) => one.key != other.key || one.hash == other.hash,
            (Self::List(one), Self::List(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same(other))
            }
            _ => self == other,
        }
    }

    fn marked(&self) -> Json {
        match self {
            Self::Nothing => Json::Null,
            Self::Bool(flag) => (*flag).into(),
            Self::Int(number) => (*number).into(),
            Self::Text(text) => (&**text).into(),
            Self::List(items) => items.iter().map(Self::marked).collect(),
            Self::Secret(Token { shown: Some(text), .. }) => reveal::marked(text),
            Self::Secret(_) => reveal::SECRET.into(),
        }
    }
}

/// A hash of all that a reading says of a thing: equal hashes, nothing to compare. It is stored, so
/// it must not change from one version of moored, or of Rust, to the next.
pub fn digest(live: &Live) -> u64 {
    let mut digest = Digest(0x6d6f_6f72_6564_2031);
    digest.text(&live.id);
    for (path, fact) in live.fields.iter().filter(|(path, _)| is_recorded(live.key.kind, path)) {
        digest.text(path);
        match fact {
            Fact::Known(value) => digest.value(value),
            Fact::Unknown(_) | Fact::Unchecked(_) => digest.word(u64::MAX),
        }
    }
    digest.0
}

struct Digest(u64);

impl Digest {
    /// Folds a 64 × 64 bit product: every bit of the result hangs on every bit so far.
    fn word(&mut self, word: u64) {
        let product = u128::from((self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15)) * 0xd6e8_feb8_6659_fd93;
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ self.0.rotate_left(29);
    }

    /// The length first, so that no two texts in a row read like two others.
    fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        for chunk in text.as_bytes().chunks(8) {
            self.word(chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Nothing => self.word(0),
            Value::Bool(flag) => self.word(1 + u64::from(*flag)),
            Value::Int(number) => {
                self.word(3);
                self.word(*number as u64);
            }
            Value::Text(text) => {
                self.word(4);
                self.text(text);
            }
            Value::List(items) => {
                self.word(5);
                self.word(items.len() as u64);
                items.iter().for_each(|item| self.value(item));
            }
            Value::Secret(secret) => {
                self.word(6 + u64::from(secret.shown.is_some()));
                self.word(secret.hash as u64);
                self.word((secret.hash >> 64) as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests;
