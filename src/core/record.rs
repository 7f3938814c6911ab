//! The flight recorder's words: what changed in the world, between which readings, and who did it.
//!
//! Decides what a change is and how two of them are told as one; which facts are kept, and when
//! they differ, is decided in [`facts`], who may see which in [`reveal`]. It judges nothing: a change
//! is no drift. The store keeps changes, the attribution fills in who, the CLI and the API show them.

pub mod facts;
pub mod reveal;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::arn::Arn;
use super::desired::{Declared, Desired};
use super::filter::Filter;
use super::identity::{ObjectKey, ScopeKey, Select, spoken};
use super::ignore::Glob;
use super::observation::Live;

/// What happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It is there and was not.
    Appeared,
    /// Some of its facts are others.
    Changed,
    /// It was there and is proven gone.
    Gone,
}

impl What {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Appeared, Self::Changed, Self::Gone];

    /// The name used in the store and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Appeared => "appeared",
            Self::Changed => "changed",
            Self::Gone => "gone",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == text)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// So many fields of one change are kept, by path; of the others only how many there were.
pub const MOST_FIELDS: usize = 200;

/// The path of the field that stands for them: its `after` is their number.
pub const MORE: &str = "…";

/// One field of a change; `null` where it was not there. A value that may be secret is `(secret)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Where in the thing.
    pub path: Arc<str>,
    /// What it was.
    pub before: Json,
    /// What it is.
    pub after: Json,
}

/// Who did it, as the cloud's own log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// The person or role.
    pub actor: Arc<str>,
    /// Such as `UpdateService`.
    pub event: Arc<str>,
    /// When the cloud logged it.
    pub at: Timestamp,
}

/// What is known of who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Attributed {
    /// Nobody has looked yet.
    Pending,
    /// The log names somebody.
    By(Attribution),
    /// The log does not show it, and why not.
    NotVisible(Arc<str>),
}

/// One change of one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its number in this installation's record.
    pub id: i64,
    /// The reading that showed it was finished then.
    pub at: Timestamp,
    /// The last reading that still showed the former state began then: it happened in between.
    pub after: Option<Timestamp>,
    /// Where.
    pub scope: ScopeKey,
    /// The thing's kind.
    pub kind: Arc<str>,
    /// The thing's name in the scope.
    pub key: Arc<str>,
    /// The thing's physical identity (ARN, …) after the change.
    pub object: Arc<str>,
    /// What happened.
    pub what: What,
    /// What differs. Empty for a thing that appears for the first time.
    pub fields: Vec<FieldChange>,
    /// Who did it.
    pub attributed: Attributed,
}

/// Why a change that stands for many is not looked up.
pub const TOO_OFTEN: &str = "it changed too often in this hour for each change to be looked up";

impl Change {
    /// This and a later change of the same thing, told as one; `None` where together they are
    /// nothing. A field that is back at its value stays, so that its flapping is not hidden.
    pub fn then(mut self, later: Self) -> Option<Self> {
        self.what = match (self.what, later.what) {
            (What::Appeared, What::Gone) => return None,
            (What::Gone, What::Appeared) => What::Changed,
            (What::Appeared, _) => What::Appeared,
            (_, What::Gone) => What::Gone,
            _ => What::Changed,
        };
        for field in later.fields {
            match self.fields.iter_mut().find(|known| known.path == field.path) {
                Some(known) => known.after = field.after,
                None => self.fields.push(field),
            }
        }
        self.fields = bounded(self.fields);
        self.at = later.at;
        self.object = later.object;
        self.attributed = Attributed::NotVisible(TOO_OFTEN.into());
        Some(self)
    }
}

/// No more fields than are kept. What was cut off earlier is counted with what is cut off now.
pub fn bounded(mut fields: Vec<FieldChange>) -> Vec<FieldChange> {
    let earlier: u64 =
        fields.iter().filter(|field| &*field.path == MORE).filter_map(|field| field.after.as_u64()).sum();
    fields.retain(|field| &*field.path != MORE);
    let more = earlier + fields.len().saturating_sub(MOST_FIELDS) as u64;
    fields.truncate(MOST_FIELDS);
    if more > 0 {
        fields.push(FieldChange { path: MORE.into(), before: Json::Null, after: more.into() });
    }
    fields
}

/// Whether these are all fields that differed: only then they can be undone.
pub fn is_whole(fields: &[FieldChange]) -> bool {
    fields.iter().all(|field| &*field.path != MORE)
}

/// Takes facts after these changes back to what they were before.
pub fn undo(fields: &[FieldChange], facts: &mut BTreeMap<Arc<str>, Json>) {
    for field in fields {
        if field.before.is_null() {
            facts.remove(&field.path);
        } else {
            facts.insert(field.path.clone(), field.before.clone());
        }
    }
}

/// One complete reading, as the recorder takes it.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// What was read.
    pub scope: &'a ScopeKey,
    /// No object in it is older than this: before the first call, or before the scan that it keeps.
    pub started: Timestamp,
    /// After the last answer.
    pub finished: Timestamp,
    /// Everything in the scope is in `objects`: what a later reading has besides is new.
    pub listed: bool,
    /// What is there.
    pub objects: &'a BTreeMap<ObjectKey, Arc<Live>>,
    /// What is proven gone, by its kind's own proof.
    pub gone: Vec<ObjectKey>,
}

/// What is recorded of a thing at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "stands")]
pub enum FactsAt {
    /// It was there.
    Present {
        /// Its physical identity.
        object: Arc<str>,
        /// Its facts, by path.
        facts: BTreeMap<Arc<str>, Json>,
        /// Readings showed it like this from then …
        since: Timestamp,
        /// … until the one that began then.
        until: Timestamp,
    },
    /// It was proven not to be there.
    Absent {
        /// Since when; `None` where it was never seen before.
        since: Option<Timestamp>,
    },
    /// The record does not say.
    NotRecorded {
        /// Where the record of this thing begins, if there is one.
        begins: Option<Timestamp>,
    },
}

/// A thing's name across all scopes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ThingName {
    /// Where it lives.
    pub scope: ScopeKey,
    /// Its kind.
    pub kind: Arc<str>,
    /// Its name in the scope.
    pub key: Arc<str>,
}

impl ThingName {
    /// Whether a person who writes this glob may mean it: by its key, by the key as it is spoken,
    /// by the name at its beginning, or by its physical identity.
    pub fn is_called(&self, glob: &Glob, object: &str) -> bool {
        let key = &*self.key;
        let name = key.split('|').next().unwrap_or(key);
        let value = key.split_once('=').map(|(_, value)| value);
        glob.matches(key)
            || glob.matches(&spoken(key))
            || glob.matches(name)
            || value.is_some_and(|value| glob.matches(value))
            || glob.matches(object)
    }
}

/// The declared things that a filter lets through, as the cloud calls them. Those that are found
/// by an alias have no name of their own and are left out.
pub fn declared(desired: &Desired, filter: &Filter) -> BTreeSet<ThingName> {
    let shown = desired.resources.iter().filter(|declared| filter.declaration(declared));
    shown.filter_map(|declared| name_of(declared)).collect()
}

fn name_of(declared: &Declared) -> Option<ThingName> {
    let key: Arc<str> = match &declared.select {
        Select::Key(key) => key.clone(),
        Select::Arn(arn) => Arn::parse(arn)?.elbv2_name()?.into(),
        Select::Alias(_) | Select::ReferencedBy(..) => return None,
    };
    Some(ThingName { scope: declared.scope.clone(), kind: declared.kind.name().into(), key })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn change(what: What, before: i64, after: i64) -> Change {
        Change {
            id: 1,
            at: Timestamp::from_second(after).unwrap(),
            after: Timestamp::from_second(before).ok(),
            scope: ScopeKey::parse("hosted_zone/111122223333/global/example.com").unwrap(),
            kind: "DnsRecord".into(),
            key: "api.example.com|CNAME|".into(),
            object: "example.com/api.example.com/CNAME".into(),
            what,
            fields: vec![FieldChange { path: "ttl".into(), before: before.into(), after: after.into() }],
            attributed: Attributed::Pending,
        }
    }

    #[test]
    fn two_changes_told_as_one_reach_from_the_first_to_the_last() {
        let both = change(What::Changed, 60, 300).then(change(What::Changed, 300, 900)).unwrap();
        assert_eq!((both.after.unwrap().as_second(), both.at.as_second()), (60, 900));
        assert_eq!((&both.fields[0].before, &both.fields[0].after), (&Json::from(60), &Json::from(900)));
        assert_eq!(both.attributed, Attributed::NotVisible(TOO_OFTEN.into()));
    }

    #[test]
    fn a_change_of_very_many_fields_keeps_some_and_the_number_of_the_others() {
        let field = |number: usize| FieldChange {
            path: format!("f{number:04}").into(),
            before: Json::Null,
            after: number.into(),
        };
        let few: Vec<FieldChange> = (0..MOST_FIELDS).map(field).collect();
        assert_eq!(bounded(few.clone()), few);
        let many = bounded((0..MOST_FIELDS + 50).map(field).collect());
        assert_eq!((many.len(), &many[MOST_FIELDS].after), (MOST_FIELDS + 1, &Json::from(50)));
        assert!(is_whole(&few) && !is_whole(&many));

        let with = |fields: &[FieldChange]| Change { fields: fields.to_vec(), ..change(What::Changed, 1, 2) };
        let again = with(&many).then(with(&many)).unwrap().fields;
        assert_eq!(again, many, "the same fields are no more than they were");
        let others: Vec<FieldChange> = (1000..1007).map(field).collect();
        let both = with(&many).then(with(&others)).unwrap().fields;
        assert_eq!((both.len(), &both[MOST_FIELDS].after), (MOST_FIELDS + 1, &Json::from(57)));
    }

    #[test]
    fn what_came_and_went_is_nothing_and_what_went_and_came_is_a_change() {
        assert_eq!(change(What::Appeared, 1, 2).then(change(What::Gone, 2, 3)), None);
        let what = |first, second| change(first, 1, 2).then(change(second, 2, 3)).unwrap().what;
        assert_eq!(what(What::Gone, What::Appeared), What::Changed);
        assert_eq!(what(What::Changed, What::Gone), What::Gone);
        assert_eq!(what(What::Appeared, What::Changed), What::Appeared);
    }

    #[test]
    fn a_record_is_found_by_its_name_alone_and_an_item_by_its_value() {
        let name = |key: &str| ThingName {
            scope: ScopeKey::parse("hosted_zone/111122223333/global/example.com").unwrap(),
            kind: "DnsRecord".into(),
            key: key.into(),
        };
        let called = |key: &str, glob: &str| name(key).is_called(&Glob::new(glob), "arn:x");
        for glob in ["api.example.com", "api.example.com CNAME", "*.example.com", "arn:*"] {
            assert!(called("api.example.com|CNAME|", glob), "{glob}");
        }
        assert!(called("service=worker", "worker") && !called("service=worker", "work"));
        assert!(!called("api.example.com|CNAME|", "example.com"));
    }

    #[test]
    fn who_did_it_is_spelled_in_three_ways() {
        let by = Attribution { actor: "alice".into(), event: "UpdateService".into(), at: Timestamp::UNIX_EPOCH };
        for (attributed, json) in [
            (Attributed::Pending, serde_json::json!("pending")),
            (
                Attributed::By(by),
                serde_json::json!({"by": {"actor": "alice", "event": "UpdateService", "at": "1970-01-01T00:00:00Z"}}),
            ),
            (Attributed::NotVisible("why".into()), serde_json::json!({"notVisible": "why"})),
        ] {
            assert_eq!(serde_json::to_value(&attributed).unwrap(), json);
            assert_eq!(serde_json::from_value::<Attributed>(json).unwrap(), attributed);
        }
    }
}
