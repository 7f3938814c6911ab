//! Revisions that manifests declare, and that their services do not use: whether ECS has them.
//!
//! Decides when ECS is asked about one: only where a service that somebody asks about runs another
//! revision of the same family, and once if it is registered; one that is not is asked about again
//! after five minutes. Never judges. Called by [`super::EcsCluster`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::read::Calls;
use super::{ask, unread};
use crate::core::asks::Asks;
use crate::core::observation::Failure;
use crate::kinds::ecs_service::live::{Detail, Observed, family_and_revision};

/// How long a revision that ECS does not have is believed not to be there.
const AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// What ECS said about declared revisions (`family:revision`).
#[derive(Debug, Default)]
pub(super) struct Registered {
    /// Those that were ACTIVE, for ever: a revision never changes.
    known: BTreeSet<Arc<str>>,
    /// Those that it does not have, with the time of that answer.
    lacking: BTreeMap<Arc<str>, Timestamp>,
}

impl Registered {
    /// Tells each service which of the declared revisions that it does not use are registered. The
    /// first failure is the answer for all that would have to be asked about in this reading.
    pub(super) async fn fill(
        &mut self,
        services: &mut [Box<Observed>],
        calls: &Calls<'_>,
        asks: &Asks,
        definitions_were_read: bool,
        remarks: &mut Vec<Failure>,
    ) {
        self.known.retain(|revision| asks.definitions.contains(revision));
        self.lacking.retain(|revision, _| asks.definitions.contains(revision));
        let mut failed: Option<Failure> = None;
        for service in services {
            let others = others(service, &asks.definitions);
            if others.is_empty() || !asks.things.contains_key(&ask(&service.name)) {
                continue;
            }
            let mut registered = BTreeSet::new();
            let mut gap = None;
            for revision in others {
                let answer = match (self.remembered(revision, calls.cx.now()), failed.clone()) {
                    (Some(answer), _) => Ok(answer),
                    (None, Some(failure)) => Err(failure),
                    (None, None) => self.learn(revision, calls).await,
                };
                match answer {
                    Ok(true) => {
                        registered.insert(revision.clone());
                    }
                    Ok(false) => {}
                    Err(failure) => gap = Some(failure),
                }
                if let (Some(failure), None) = (&gap, &failed) {
                    remarks.push(failure.clone());
                    failed = gap.clone();
                }
            }
            let was_readable = definitions_were_read || !self.known.is_empty() || !self.lacking.is_empty();
            service.registered = match gap {
                None => Detail::Known(registered),
                Some(failure) => unread(&failure, was_readable),
            };
        }
    }

    /// What an earlier answer still says. A clock that was set back makes it ask again.
    fn remembered(&self, revision: &Arc<str>, now: Timestamp) -> Option<bool> {
        if self.known.contains(revision) {
            return Some(true);
        }
        let age = now.duration_since(*self.lacking.get(revision)?);
        (SignedDuration::ZERO..AGAIN).contains(&age).then_some(false)
    }

    async fn learn(&mut self, revision: &Arc<str>, calls: &Calls<'_>) -> Result<bool, Failure> {
        let is_registered = calls.is_registered(revision).await?;
        if is_registered {
            self.lacking.remove(revision);
            self.known.insert(revision.clone());
        } else {
            self.lacking.insert(revision.clone(), calls.cx.now());
        }
        Ok(is_registered)
    }
}

/// The declared revisions of the family in use, the one in use aside.
fn others<'a>(service: &Observed, declared: &'a BTreeSet<Arc<str>>) -> Vec<&'a Arc<str>> {
    let Some((family, in_use)) = service.definition_in_use().and_then(family_and_revision) else {
        return Vec::new();
    };
    let is_other = |declared: &str| {
        family_and_revision(declared).is_some_and(|(other, revision)| other == family && revision != in_use)
    };
    declared.iter().filter(|declared| is_other(declared)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_revision_is_remembered_for_ever_and_a_lacking_one_for_five_minutes() {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let (there, lacking, new) =
            (Arc::<str>::from("api:12"), Arc::<str>::from("api:13"), Arc::<str>::from("api:14"));
        let registered = Registered { known: [there.clone()].into(), lacking: [(lacking.clone(), at(1000))].into() };
        assert_eq!(registered.remembered(&there, at(1_000_000)), Some(true));
        assert_eq!(registered.remembered(&lacking, at(1299)), Some(false));
        assert_eq!(registered.remembered(&lacking, at(1300)), None);
        assert_eq!(registered.remembered(&lacking, at(999)), None, "the clock was set back");
        assert_eq!(registered.remembered(&new, at(1000)), None);
    }
}
