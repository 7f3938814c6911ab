//! Details: facts that cost calls of their own, kept with their age between readings.
//!
//! Decides when a detail is read again, and what may be said of it in between: the last good
//! answer as long as it keeps its promise (three cadences), then nothing; and nothing to be checked
//! where the role never could read it. Never sends a call. Scopes with detail facets keep one
//! [`Aged`] for each kind of detail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::core::observation::{Failure, Reason};
use crate::core::value::Fact;

/// A detail is never older than this many cadences when it is believed.
const PROMISE: i32 = 3;

/// One kind of detail of many things, by their ids.
#[derive(Debug)]
pub struct Aged<T> {
    cadence: SignedDuration,
    known: BTreeMap<Arc<str>, Detail<T>>,
}

/// The last good answer and the failure since, each with its time.
#[derive(Debug)]
struct Detail<T> {
    answer: Option<(T, Timestamp)>,
    failure: Option<(Failure, Timestamp)>,
}

impl<T> Aged<T> {
    /// Details that are read again after `cadence`.
    pub fn new(cadence: SignedDuration) -> Self {
        Self { cadence, known: BTreeMap::new() }
    }

    /// Whether it is time to read the detail of `id`: when it is new, when its cadence is over,
    /// and at once after a failure that another attempt may cure.
    pub fn is_due(&self, id: &str, now: Timestamp) -> bool {
        match self.known.get(id) {
            None => true,
            Some(Detail { failure: Some((failure, at)), .. }) => {
                failure.reason != Reason::Denied || self.is_over(*at, now)
            }
            Some(Detail { answer, .. }) => answer.as_ref().is_none_or(|(_, at)| self.is_over(*at, now)),
        }
    }

    /// Readings come a little early or late; a tenth of a cadence early is on time. A clock that
    /// was set back makes everything due.
    fn is_over(&self, since: Timestamp, now: Timestamp) -> bool {
        let age = now.duration_since(since);
        age.is_negative() || age * 10 >= self.cadence * 9
    }

    /// Keeps what an attempt to read the detail of `id` gave; a failure is also a remark, once.
    pub fn learn(&mut self, id: &Arc<str>, outcome: Result<T, Failure>, at: Timestamp, remarks: &mut Vec<Failure>) {
        let detail = self.known.entry(id.clone()).or_insert(Detail { answer: None, failure: None });
        match outcome {
            Ok(answer) => *detail = Detail { answer: Some((answer, at)), failure: None },
            Err(failure) => {
                if !remarks.contains(&failure) {
                    remarks.push(failure.clone());
                }
                detail.failure = Some((failure, at));
            }
        }
    }

    /// The detail of `id` while it keeps its promise; else what its fields are instead.
    pub fn get(&self, id: &str, now: Timestamp) -> Result<&T, Fact> {
        let Some(detail) = self.known.get(id) else { return Err(Fact::Unknown("not read yet".into())) };
        match (&detail.answer, &detail.failure) {
            (Some((answer, at)), _) if now.duration_since(*at) <= self.cadence * PROMISE => Ok(answer),
            (Some((_, at)), Some((failure, _))) => {
                Err(Fact::Unknown(format!("last read at {at}; since then {failure}").into()))
            }
            (Some((_, at)), None) => Err(Fact::Unknown(format!("last read at {at}").into())),
            (None, Some((failure, _))) if failure.reason == Reason::Denied => {
                Err(Fact::Unchecked(failure.detail.clone()))
            }
            (None, Some((failure, _))) => Err(Fact::Unknown(failure.to_string().into())),
            (None, None) => Err(Fact::Unknown("not read yet".into())),
        }
    }

    /// Forgets the details of everything else.
    pub fn keep_only(&mut self, ids: &BTreeSet<Arc<str>>) {
        self.known.retain(|id, _| ids.contains(id));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn learned(outcomes: &[(i64, Result<i64, Reason>)]) -> Aged<i64> {
        let mut aged = Aged::new(SignedDuration::from_secs(60));
        for (seconds, outcome) in outcomes {
            let outcome = outcome.map_err(|reason| Failure::new(reason, "why"));
            aged.learn(&"a".into(), outcome, at(*seconds), &mut Vec::new());
        }
        aged
    }

    #[test]
    fn a_detail_is_read_when_new_and_then_once_a_cadence() {
        let aged = learned(&[(0, Ok(7))]);
        assert!(aged.is_due("b", at(1)));
        assert!(!aged.is_due("a", at(30)));
        assert!(aged.is_due("a", at(55)) && aged.is_due("a", at(-5)));
    }

    #[test]
    fn a_failed_detail_is_tried_again_at_once_but_a_denied_one_after_its_cadence() {
        assert!(learned(&[(0, Err(Reason::Throttled))]).is_due("a", at(1)));
        let denied = learned(&[(0, Err(Reason::Denied))]);
        assert!(!denied.is_due("a", at(1)) && denied.is_due("a", at(60)));
    }

    #[test]
    fn the_last_answer_is_believed_for_three_cadences() {
        let aged = learned(&[(0, Ok(7)), (60, Err(Reason::Throttled))]);
        assert_eq!(aged.get("a", at(180)), Ok(&7));
        assert!(matches!(aged.get("a", at(181)), Err(Fact::Unknown(why)) if why.contains("throttled")));
    }

    #[test]
    fn what_the_role_never_could_read_is_unchecked_and_what_it_could_is_unknown() {
        assert!(matches!(learned(&[(0, Err(Reason::Denied))]).get("a", at(1)), Err(Fact::Unchecked(_))));
        assert!(matches!(learned(&[(0, Ok(7)), (60, Err(Reason::Denied))]).get("a", at(600)), Err(Fact::Unknown(_))));
        assert!(matches!(learned(&[(0, Err(Reason::Server))]).get("a", at(1)), Err(Fact::Unknown(_))));
    }

    #[test]
    fn one_failure_of_many_things_is_one_remark() {
        let mut aged: Aged<i64> = Aged::new(SignedDuration::from_secs(60));
        let mut remarks = Vec::new();
        for id in ["a", "b"] {
            aged.learn(&id.into(), Err(Failure::new(Reason::Denied, "may not list tags")), at(0), &mut remarks);
        }
        assert_eq!(remarks.len(), 1);
        aged.keep_only(&BTreeSet::from([Arc::<str>::from("a")]));
        assert!(aged.is_due("b", at(1)) && !aged.is_due("a", at(1)));
    }
}
