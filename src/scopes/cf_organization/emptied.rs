//! Lists that have nothing of a space any more of which they had something.
//!
//! Decides whether such a list is believed: at once only if the audit log tells of the deletion of
//! everything that it had there, else after many readings that all say the same. A platform in trouble
//! answers 200 with nothing in it, and whoever is asked by name then finds nothing either. A space that
//! is not visible is not judged: its things are unknown anyway. Doubt about one list of one space is
//! about nothing else. Never says what is gone. The readers of [`super`] and of
//! [`crate::scopes::cf_foundation`] keep one [`Emptied`] each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ask::remark;
use super::events;
use crate::cloudfoundry::read::ReadContext;
use crate::core::asks::Asks;
use crate::core::identity::Select;
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};

/// Without a word of the audit log, a list is believed after so many readings …
const READINGS: u32 = 10;
/// … and no sooner than this: the trouble of a platform passes.
const AT_LEAST: SignedDuration = SignedDuration::from_mins(15);
/// What was there longer ago is forgotten, as the audit log does.
const KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);

/// A list, and which events tell that a thing of it was deleted.
pub struct List {
    what: &'static str,
    deletions: &'static [&'static str],
}

/// Apps.
pub const APPS: List = List { what: "apps", deletions: &["audit.app.delete-request"] };
/// Their bindings, which go with their app.
pub const BINDINGS: List = List {
    what: "bindings",
    deletions: &["audit.service_binding.delete", "audit.service_binding.start_delete", "audit.app.delete-request"],
};
/// Service instances.
pub const INSTANCES: List = List {
    what: "service instances",
    deletions: &[
        "audit.service_instance.delete",
        "audit.service_instance.start_delete",
        "audit.user_provided_service_instance.delete",
    ],
};
/// Routes.
pub const ROUTES: List = List { what: "routes", deletions: &["audit.route.delete-request"] };

/// A thing of a list.
pub struct Thing {
    /// Its guid.
    pub guid: Arc<str>,
    /// The guid of its space.
    pub space: Arc<str>,
    /// The guid of what it is deleted with.
    pub goes_with: Option<Arc<str>>,
}

/// Why nothing is believed of a list, by the guids of spaces.
pub type Doubts = BTreeMap<Arc<str>, Failure>;

/// What lists had of each space when they had something.
#[derive(Debug, Default)]
pub struct Emptied {
    had: BTreeMap<&'static str, BTreeMap<Arc<str>, Had>>,
}

/// The guid of a thing, and of what it goes with.
type Known = (Arc<str>, Option<Arc<str>>);

#[derive(Debug)]
struct Had {
    /// The guids of its things, each with what it is deleted with.
    things: Vec<Known>,
    /// When the reading began.
    since: Timestamp,
    /// When the first reading began that lacked them all, and how many have since.
    lacked: Option<(Timestamp, u32)>,
}

impl Emptied {
    /// Takes down the things of a list in the visible spaces, of a reading that began at `started`, and
    /// says where the list is not believed.
    pub async fn check<V>(
        &mut self,
        cx: &ReadContext,
        list: &List,
        things: Vec<Thing>,
        visible: &BTreeMap<Arc<str>, V>,
        started: Timestamp,
    ) -> Doubts {
        let had = self.had.entry(list.what).or_default();
        had.retain(|_, had| started.duration_since(had.since) <= KEPT);
        let mut now: BTreeMap<Arc<str>, Vec<Known>> = BTreeMap::new();
        for thing in things.into_iter().filter(|thing| visible.contains_key(&thing.space)) {
            now.entry(thing.space).or_default().push((thing.guid, thing.goes_with));
        }
        let present: BTreeSet<Arc<str>> = now.keys().cloned().collect();
        for (space, things) in now {
            had.insert(space, Had { things, since: started, lacked: None });
        }
        let is_emptied = |space: &Arc<str>| !present.contains(space) && visible.contains_key(space);
        // A clock that was set back must not hide what happens now.
        let since = had.iter().filter(|(space, _)| is_emptied(space)).map(|(_, had)| had.since.min(started)).min();
        let Some(since) = since else { return Doubts::new() };
        let deleted = events::targets_since(cx, list.deletions, since).await.map_err(Failure::from);
        let mut doubts = Doubts::new();
        had.retain(|space, had| {
            if !is_emptied(space) {
                return true;
            }
            let doubt = had.doubt(list.what, &deleted, started);
            let is_doubted = doubt.is_some();
            doubts.extend(doubt.map(|failure| (space.clone(), failure)));
            is_doubted
        });
        doubts
    }
}

impl Had {
    /// Why it is not believed that all this is gone; nothing once it is.
    fn doubt(
        &mut self,
        what: &str,
        deleted: &Result<BTreeSet<Arc<str>>, Failure>,
        started: Timestamp,
    ) -> Option<Failure> {
        let is_deleted = |deleted: &BTreeSet<Arc<str>>| {
            let gone = |guid: &Arc<str>| deleted.contains(guid);
            self.things.iter().all(|(guid, with)| gone(guid) || with.as_ref().is_some_and(gone))
        };
        if deleted.as_ref().is_ok_and(is_deleted) {
            return None;
        }
        let (first, readings) = self.lacked.map_or((started, 1), |(first, readings)| (first, readings + 1));
        self.lacked = Some((first, readings));
        if readings >= READINGS && started.duration_since(first) >= AT_LEAST {
            return None;
        }
        let told = match deleted {
            Ok(_) => "the audit log does not tell of their deletion".to_owned(),
            Err(failure) => format!("the audit log cannot be asked ({failure})"),
        };
        let (since, count) = (self.since, self.things.len());
        let detail = format!(
            "the list of {what} of a space is empty, at {since:.0} it had {count}, and {told}: it is not believed yet"
        );
        Some(Failure::new(Reason::Incomplete, detail))
    }
}

/// Answers what is asked about things of this kind in doubted spaces, and not found: nobody knows.
/// `spaces` are the visible ones, as keys begin with them, by guid.
pub fn answer<V: AsRef<str>>(
    doubts: &Doubts,
    spaces: &BTreeMap<Arc<str>, V>,
    kinds: &[&'static str],
    asks: &Asks,
    reading: &mut Reading,
) {
    for (space, failure) in doubts {
        remark(&mut reading.remarks, failure.clone());
        let Some(name) = spaces.get(space) else { continue };
        let beginning = format!("{}/", name.as_ref());
        for ask in asks.things.keys().filter(|ask| kinds.contains(&ask.kind)) {
            let Select::Key(key) = &ask.select else { continue };
            if key.starts_with(&beginning) && reading.object(ask.kind, key).is_none() {
                reading.answers.insert(ask.clone(), NamedAnswer::Unknown(failure.clone()));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(minutes * 60).unwrap()
    }

    fn had() -> Had {
        Had { things: vec![("b-1".into(), Some("a-1".into())), ("b-2".into(), None)], since: at(0), lacked: None }
    }

    fn deleted(guids: &[&str]) -> Result<BTreeSet<Arc<str>>, Failure> {
        Ok(guids.iter().map(|guid| (*guid).into()).collect())
    }

    #[test]
    fn an_empty_list_is_believed_at_once_where_the_log_tells_of_every_deletion() {
        assert_eq!(had().doubt("bindings", &deleted(&["a-1", "b-2"]), at(1)), None, "one went with its app");
        let failure = had().doubt("bindings", &deleted(&["b-1"]), at(1)).unwrap();
        assert!(failure.detail.contains("it had 2"), "{failure}");
    }

    #[test]
    fn without_a_word_of_the_log_it_is_believed_after_many_readings() {
        let mut had = had();
        let denied = Err(Failure::new(Reason::Denied, "may not"));
        for minute in 1..=15 {
            assert!(had.doubt("bindings", &denied, at(minute)).is_some(), "minute {minute}");
        }
        assert_eq!(had.doubt("bindings", &denied, at(16)), None);
    }
}
