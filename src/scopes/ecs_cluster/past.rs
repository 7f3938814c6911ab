//! What the services of a cluster were when they were last read.
//!
//! Decides which answers come from the past, or from a replica that lags: those are doubted, so that
//! they neither prove a service gone nor end the proof. An incarnation that ECS called INACTIVE does
//! not come back; a service that was there a moment ago is INACTIVE, not MISSING. Never judges.
//! Called by [`super::EcsCluster`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::read::Described;
use crate::core::observation::{Failure, Reason};
use crate::kinds::ecs_service::live::{Observed, incarnation, is_later};

/// Answers are not older than this; ECS calls a deleted service INACTIVE for longer.
const OLDEST: SignedDuration = SignedDuration::from_mins(10);

/// What was read before.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// When each service was last there, and which incarnation that was.
    there: BTreeMap<String, (Timestamp, Option<Arc<str>>)>,
    /// The incarnation of each name that ECS called INACTIVE last.
    ended: BTreeMap<String, Arc<str>>,
}

impl Past {
    /// Names that were there when they were last read: a list that lacks one of them has either
    /// lost it, or it is gone, and only a question by name says which.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.there.keys()
    }

    /// Doubts every answer that says less than an earlier one; remembers the others.
    pub(super) fn check(&mut self, described: &mut BTreeMap<String, Described>, now: Timestamp) {
        for (name, what) in described.iter_mut() {
            if let Some(doubt) = self.doubt(name, what, now) {
                let detail = format!("{doubt}: an answer from the past; it is read again");
                *what = Described::Unclear(Failure::new(Reason::Incomplete, detail));
            }
            self.remember(name, what, now);
        }
        self.there.retain(|name, (at, _)| described.contains_key(name) || now.duration_since(*at) < OLDEST);
        self.ended.retain(|name, _| described.contains_key(name));
    }

    fn doubt(&self, name: &str, what: &Described, now: Timestamp) -> Option<String> {
        let there = self.there.get(name);
        match what {
            Described::There(observed) => {
                let (made, status) = (made(observed)?, &observed.status);
                let is_older = |(_, known): &(Timestamp, Option<Arc<str>>)| {
                    known.as_ref().is_some_and(|known| is_later(known, &made))
                };
                if self.ended.get(name) == Some(&made) {
                    Some(format!("ECS says {status} of {name}, whose incarnation {made} it called INACTIVE before"))
                } else if there.is_some_and(is_older) {
                    Some(format!("ECS says {status} of {name} as it was created at {made}, but a later one was there"))
                } else {
                    None
                }
            }
            Described::Inactive(Some(created)) => {
                let known = there?.1.as_ref()?;
                is_later(known, created).then(|| {
                    format!("ECS says INACTIVE of {name} as it was created at {created}, but {known} was there")
                })
            }
            Described::Missing => {
                // A clock that was set back leaves ages that nobody knows.
                let age = now.duration_since(there?.0);
                (SignedDuration::ZERO..OLDEST).contains(&age).then(|| {
                    format!("ECS says MISSING of {name}, which was there {}s ago and not INACTIVE since", age.as_secs())
                })
            }
            Described::Inactive(None) | Described::Unclear(_) => None,
        }
    }

    fn remember(&mut self, name: &str, what: &Described, now: Timestamp) {
        match what {
            Described::There(observed) => {
                self.ended.remove(name);
                self.there.insert(name.to_owned(), (now, made(observed)));
            }
            Described::Inactive(created) => {
                self.there.remove(name);
                if let Some(created) = created {
                    self.ended.insert(name.to_owned(), created.clone());
                }
            }
            Described::Missing => {
                self.there.remove(name);
                self.ended.remove(name);
            }
            Described::Unclear(_) => {}
        }
    }
}

fn made(observed: &Observed) -> Option<Arc<str>> {
    observed.created_at.map(incarnation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::ecs_service::live::Detail;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn there(created: i64) -> Described {
        Described::There(Box::new(Observed {
            name: "api".to_owned(),
            status: "ACTIVE".to_owned(),
            desired_count: 1,
            running_count: 1,
            pending_count: 0,
            launch_type: None,
            scheduling_strategy: None,
            platform_version: None,
            controller: None,
            created_at: Some(at(created)),
            task_definition: None,
            deployments: Vec::new(),
            task_sets: Vec::new(),
            load_balancers: Vec::new(),
            tags: Detail::NotAsked,
            definition: Detail::NotAsked,
            registered: Detail::NotAsked,
        }))
    }

    fn inactive(created: i64) -> Described {
        Described::Inactive(Some(incarnation(at(created))))
    }

    /// Which of these answers, one after the other at these seconds, are doubted.
    fn doubted(answers: Vec<(i64, Described)>) -> Vec<bool> {
        let mut past = Past::default();
        let answers = answers.into_iter().map(|(second, what)| {
            let mut described = BTreeMap::from([("api".to_owned(), what)]);
            past.check(&mut described, at(second));
            matches!(described.get("api"), Some(Described::Unclear(_)))
        });
        answers.collect()
    }

    #[test]
    fn what_was_inactive_does_not_come_back_but_another_incarnation_does() {
        assert_eq!(doubted(vec![(100, inactive(1)), (160, there(1)), (220, there(150))]), [false, true, false]);
    }

    #[test]
    fn an_earlier_incarnation_says_nothing_of_a_later_one() {
        assert_eq!(doubted(vec![(100, there(50)), (160, inactive(1)), (220, inactive(50))]), [false, true, false]);
        assert_eq!(doubted(vec![(100, there(50)), (160, there(1)), (220, inactive(1))]), [false, true, true]);
    }

    #[test]
    fn what_was_there_a_moment_ago_is_not_missing() {
        assert_eq!(
            doubted(vec![(100, there(1)), (160, Described::Missing), (160 + 600, Described::Missing)]),
            [false, true, false]
        );
        assert_eq!(
            doubted(vec![(100, there(1)), (160, inactive(1)), (220, Described::Missing)]),
            [false, false, false]
        );
        assert_eq!(
            doubted(vec![(5000, there(1)), (160, Described::Missing)]),
            [false, false],
            "the clock was set back"
        );
    }
}
