//! Evidence: how often, and for how long, a thing was seen to be left over.
//!
//! Decides what counts as one more confirmation, what begins the count anew, and when there is
//! enough of it (design section 5, guard 4). A confirmation is a new reading of the thing, followed
//! by a new reading of what it hung on. It never decides that a thing is left over: `candidate`
//! does. It is kept between passes and across restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::policy::{CLOCK_SLACK, CONFIRMATIONS, CONFIRMED_FOR, GAP_PASSES};
use crate::core::identity::ScopeKey;

/// A pass is taken to last at least so long: a single check promises no next reading at all.
const SHORTEST_PASS: SignedDuration = SignedDuration::from_mins(1);

/// What is known of every thing that looks left over, by [`name`].
pub type Dossier = BTreeMap<Arc<str>, Evidence>;

/// How a thing is named in the dossier.
pub fn name(environment: &str, scope: &ScopeKey, kind: &str, name: &str) -> Arc<str> {
    format!("{environment} {scope} {kind} {name}").into()
}

/// Confirmations that followed each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Of the thing and of those it hung on: another one of them begins anew.
    pub incarnation: Arc<str>,
    /// How many there were.
    pub confirmations: u32,
    /// When the first was complete.
    pub first: Timestamp,
    /// When the last was.
    pub last: Timestamp,
    /// The reading of the thing that the last one rests on was finished then.
    object_read: Timestamp,
    /// The reading of what it hung on began then.
    parent_read: Timestamp,
}

/// What one evaluation says of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// It is left over, by readings in the right order.
    Confirmed(Confirmation),
    /// It, or what it hangs on, could not be read: neither for it nor against it.
    Unclear,
    /// Something living needs it, its parent is back, or it is gone.
    Refuted,
}

/// Readings that show a thing to be left over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// Of the thing and of those it hung on.
    pub incarnation: Arc<str>,
    /// The reading of the thing was finished then.
    pub object_read: Timestamp,
    /// The reading of what it hung on began then.
    pub parent_read: Timestamp,
    /// The last of these readings was finished then.
    pub complete: Timestamp,
}

/// The next evidence; `None` where there is nothing left of it. `pass` is the longest time between
/// two readings of what it rests on.
pub fn observe(
    previous: Option<&Evidence>,
    sighting: &Sighting,
    pass: SignedDuration,
    now: Timestamp,
) -> Option<Evidence> {
    let kept = previous.filter(|known| known.holds(pass, now));
    match sighting {
        Sighting::Refuted => None,
        Sighting::Unclear => kept.cloned(),
        Sighting::Confirmed(new) => Some(match kept.filter(|known| known.incarnation == new.incarnation) {
            Some(known) if known.object_read < new.object_read && known.parent_read < new.parent_read => {
                known.with(new)
            }
            // What goes back in time is an old answer: it is worth no more than a first one.
            Some(known) if known.object_read > new.object_read || known.parent_read > new.parent_read => {
                Evidence::first(new)
            }
            Some(known) => known.clone(),
            None => Evidence::first(new),
        }),
    }
}

impl Evidence {
    fn first(new: &Confirmation) -> Self {
        Self {
            incarnation: new.incarnation.clone(),
            confirmations: 1,
            first: new.complete,
            last: new.complete,
            object_read: new.object_read,
            parent_read: new.parent_read,
        }
    }

    fn with(&self, new: &Confirmation) -> Self {
        Self { confirmations: self.confirmations.saturating_add(1), first: self.first, ..Self::first(new) }
    }

    /// Whether the next confirmation may follow: the gap since the last is no longer than allowed.
    fn holds(&self, pass: SignedDuration, now: Timestamp) -> bool {
        let age = now.duration_since(self.last);
        age >= -CLOCK_SLACK && age <= pass.max(SHORTEST_PASS) * GAP_PASSES
    }

    /// Whether there is enough of it now.
    pub fn is_ripe(&self, pass: SignedDuration, now: Timestamp) -> bool {
        self.holds(pass, now)
            && self.confirmations >= CONFIRMATIONS
            && self.last.duration_since(self.first) >= CONFIRMED_FOR
    }

    /// When there will be enough, if every pass confirms it as fast as those before.
    pub fn ripe_at(&self, pass: SignedDuration) -> Timestamp {
        let taken = i32::try_from(self.confirmations.saturating_sub(1)).unwrap_or(i32::MAX);
        let pace = self.last.duration_since(self.first).checked_div(taken).unwrap_or(pass.max(SHORTEST_PASS));
        let missing = i32::try_from(CONFIRMATIONS.saturating_sub(self.confirmations)).unwrap_or(i32::MAX);
        let counted = self.last.saturating_add(pace * missing).unwrap_or(Timestamp::MAX);
        counted.max(self.first.saturating_add(CONFIRMED_FOR).unwrap_or(Timestamp::MAX))
    }

    /// What a person reads: `evidence 2/3, approvable 03:12:40`.
    pub fn sentence(&self, pass: SignedDuration, now: Timestamp) -> String {
        let shown = self.confirmations.min(CONFIRMATIONS);
        if self.is_ripe(pass, now) {
            let over = self.last.duration_since(self.first);
            return format!("evidence {shown}/{CONFIRMATIONS}: confirmed {} times over {over:#}", self.confirmations);
        }
        format!("evidence {shown}/{CONFIRMATIONS}, approvable {}", self.ripe_at(pass).strftime("%H:%M:%S"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PASS: SignedDuration = SignedDuration::from_mins(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).unwrap()
    }

    fn seen(second: i64) -> Sighting {
        Sighting::Confirmed(Confirmation {
            incarnation: "one".into(),
            object_read: at(second),
            parent_read: at(second + 1),
            complete: at(second + 2),
        })
    }

    fn after(sightings: &[(i64, Sighting)]) -> Option<Evidence> {
        sightings
            .iter()
            .fold(None, |known, (second, sighting)| observe(known.as_ref(), sighting, PASS, at(*second + 2)))
    }

    fn ripe(sightings: &[(i64, Sighting)]) -> bool {
        let last = sightings.last().map_or(0, |(second, _)| *second + 2);
        after(sightings).is_some_and(|evidence| evidence.is_ripe(PASS, at(last)))
    }

    #[test]
    fn three_confirmations_over_two_minutes_are_enough_and_less_of_either_is_not() {
        assert!(ripe(&[(0, seen(0)), (60, seen(60)), (120, seen(120))]));
        assert!(!ripe(&[(0, seen(0)), (120, seen(120))]));
        assert!(!ripe(&[(0, seen(0)), (30, seen(30)), (60, seen(60)), (90, seen(90))]));
    }

    #[test]
    fn one_reading_counts_once_however_often_it_is_looked_at() {
        let evidence = after(&[(0, seen(0)), (60, seen(0)), (120, seen(0))]).unwrap();
        assert_eq!(evidence.confirmations, 1);
        let half = Sighting::Confirmed(Confirmation {
            object_read: at(0),
            ..match seen(60) {
                Sighting::Confirmed(confirmation) => confirmation,
                _ => unreachable!("it is one"),
            }
        });
        assert_eq!(after(&[(0, seen(0)), (60, half)]).unwrap().confirmations, 1, "only the parent was read again");
    }

    #[test]
    fn whoever_is_seen_to_need_it_ends_the_count_and_a_failed_reading_only_pauses_it() {
        let paused = [(0, seen(0)), (60, seen(60)), (120, Sighting::Unclear), (180, seen(180))];
        assert!(ripe(&paused));
        let ended = [(0, seen(0)), (60, seen(60)), (120, Sighting::Refuted), (180, seen(180))];
        assert_eq!(after(&ended).unwrap().confirmations, 1);
    }

    #[test]
    fn a_gap_of_more_than_three_passes_or_another_incarnation_begins_anew() {
        assert_eq!(after(&[(0, seen(0)), (178, seen(178))]).unwrap().confirmations, 2);
        assert_eq!(after(&[(0, seen(0)), (182, seen(182))]).unwrap().confirmations, 1);
        assert_eq!(after(&[(0, seen(0)), (182, Sighting::Unclear)]), None);
        let other = Sighting::Confirmed(Confirmation {
            incarnation: "two".into(),
            object_read: at(60),
            parent_read: at(61),
            complete: at(62),
        });
        assert_eq!(after(&[(0, seen(0)), (60, other)]).unwrap().confirmations, 1);
    }

    #[test]
    fn an_answer_from_the_past_is_worth_a_first_one() {
        assert_eq!(after(&[(60, seen(60)), (120, seen(30))]).unwrap().confirmations, 1);
    }

    #[test]
    fn a_person_reads_how_much_there_is_and_when_it_will_do() {
        let evidence = after(&[(0, seen(0)), (60, seen(60))]).unwrap();
        assert_eq!(evidence.ripe_at(PASS), at(122));
        let clock = at(122).strftime("%H:%M:%S").to_string();
        assert_eq!(evidence.sentence(PASS, at(62)), format!("evidence 2/3, approvable {clock}"));
    }
}
