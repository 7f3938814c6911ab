//! The health checks of one account.
//!
//! Decides that a reading is whole (every page arrived, and Route 53 counts as many checks), which
//! checks are asked about by id, and when tags and statuses are read again. Never judges a check.
//! The engine opens it by way of [`super::open`].

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::SignedDuration;

use crate::aws::read::ReadContext;
use crate::core::asks::{Asks, Facet};
use crate::core::identity::{Ask, ObjectKey, ScopeKey, Select};
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};
use crate::kinds::health_check::KIND;
use crate::kinds::health_check::live::{
    Observed, Status, Tags, by_caller_reference, by_tag_name, has_status, live, no_status,
};
use crate::scopes::detail::Aged;
use crate::scopes::{ReadFuture, Scope};

/// Tags change rarely.
const TAGS_CADENCE: SignedDuration = SignedDuration::from_mins(5);
/// What checkers see changes at any time.
const STATUS_CADENCE: SignedDuration = SignedDuration::from_secs(60);
/// The most checks that one call gives tags of.
const TAGS_BATCH: usize = 10;

/// The reader of one account's health checks.
#[derive(Debug)]
pub struct HealthChecks {
    tags: Aged<Tags>,
    /// `None` where Route 53 gives none of a check of this type.
    statuses: Aged<Option<Status>>,
}

impl HealthChecks {
    /// A reader that has read nothing yet; the account is the context's.
    pub fn new(_key: &ScopeKey) -> Self {
        Self { tags: Aged::new(TAGS_CADENCE), statuses: Aged::new(STATUS_CADENCE) }
    }

    async fn read_checks(&mut self, cx: &ReadContext, asks: &Asks) -> Result<Reading, Failure> {
        let mut reading = Reading::begin(cx.now());
        let counted = read::count(cx).await;
        let mut checks = read::list(cx).await?;
        reading.listed = true;
        match agree(cx, counted, checks.len()).await {
            Ok(()) => reading.complete = true,
            Err(failure) => reading.remarks.push(failure),
        }
        ask_by_id(cx, asks, &mut checks, &mut reading).await;

        let ids: BTreeSet<Arc<str>> = checks.keys().cloned().collect();
        self.tags.keep_only(&ids);
        self.statuses.keep_only(&ids);
        let tags_are_asked = asks.things.iter().any(|(ask, facets)| facets.contains(&Facet::Tags) || is_tag_name(ask));
        if tags_are_asked {
            self.read_tags(cx, &ids, &mut reading.remarks).await;
        }
        self.name(&checks, tags_are_asked, cx, &mut reading);
        let watched = watched(asks, &checks, &reading);
        self.read_statuses(cx, &watched, &checks, &mut reading.remarks).await;

        let now = cx.now();
        for (id, check) in checks {
            let tags = tags_are_asked.then(|| self.tags.get(&id, now).cloned());
            let status = watched.contains(&id).then(|| match self.statuses.get(&id, now) {
                Ok(status) => status.ok_or_else(|| no_status(&check.check_type)),
                Err(fact) => Err(fact),
            });
            reading.insert(live(check, tags, status));
        }
        reading.finished = now;
        reading.api_calls = cx.calls();
        Ok(reading)
    }

    /// New checks at once, the others when it is time; ten by ten.
    async fn read_tags(&mut self, cx: &ReadContext, ids: &BTreeSet<Arc<str>>, remarks: &mut Vec<Failure>) {
        let now = cx.now();
        let due: Vec<Arc<str>> = ids.iter().filter(|id| self.tags.is_due(id, now)).cloned().collect();
        for batch in due.chunks(TAGS_BATCH) {
            let mut outcome = read::tags(cx, batch).await;
            for id in batch {
                let tags = match &mut outcome {
                    Ok(tags) => tags.remove(id).ok_or_else(|| {
                        Failure::new(
                            Reason::Incomplete,
                            format!("ListTagsForResources did not answer for health check {id}"),
                        )
                    }),
                    Err(failure) => Err(failure.clone()),
                };
                self.tags.learn(id, tags, cx.now(), remarks);
            }
        }
    }

    async fn read_statuses(
        &mut self,
        cx: &ReadContext,
        watched: &BTreeSet<Arc<str>>,
        checks: &BTreeMap<Arc<str>, Observed>,
        remarks: &mut Vec<Failure>,
    ) {
        for id in watched {
            if let Some(check) = checks.get(id).filter(|_| self.statuses.is_due(id, cx.now())) {
                let status = read::status(cx, id, &check.check_type).await;
                self.statuses.learn(id, status, cx.now(), remarks);
            }
        }
    }

    /// Lets checks be found by what else they are called.
    fn name(&self, checks: &BTreeMap<Arc<str>, Observed>, by_tag: bool, cx: &ReadContext, reading: &mut Reading) {
        let now = cx.now();
        for (id, check) in checks {
            let key = ObjectKey::new(KIND, id);
            reading.alias(by_caller_reference(&check.caller_reference), key.clone());
            if by_tag
                && let Ok(tags) = self.tags.get(id, now)
                && let Some(name) = tags.get("Name")
            {
                reading.alias(by_tag_name(name), key);
            }
        }
    }
}

impl Scope for HealthChecks {
    fn read<'a>(&'a mut self, context: &'a ReadContext, asks: &'a Asks) -> ReadFuture<'a> {
        Box::pin(self.read_checks(context, asks))
    }
}

/// Whether Route 53 counts as many checks as it listed; a check that came between is given a
/// second look.
async fn agree(cx: &ReadContext, counted: Result<usize, Failure>, listed: usize) -> Result<(), Failure> {
    if counted? == listed {
        return Ok(());
    }
    match read::count(cx).await? {
        counted if counted == listed => Ok(()),
        counted => Err(Failure::new(
            Reason::Incomplete,
            format!(
                "ListHealthChecks gave {listed} health checks, but Route 53 counts {counted}; none is called gone until they agree"
            ),
        )),
    }
}

/// Asks about each wanted id that the list lacks. One that is there after all shows that the list
/// is not whole.
async fn ask_by_id(cx: &ReadContext, asks: &Asks, checks: &mut BTreeMap<Arc<str>, Observed>, reading: &mut Reading) {
    for ask in asks.things.keys().filter(|ask| ask.kind == KIND) {
        let Select::Key(id) = &ask.select else { continue };
        if checks.contains_key(id) {
            continue;
        }
        let answer = match read::named(cx, id).await {
            Ok(Some(check)) => {
                reading.complete = false;
                let detail = format!(
                    "ListHealthChecks lacks health check {id}, which is there; no other one is called gone until it is listed"
                );
                reading.remarks.push(Failure::new(Reason::Incomplete, detail));
                checks.insert(id.clone(), check);
                continue;
            }
            Ok(None) => NamedAnswer::NotFound,
            Err(failure) => NamedAnswer::Unknown(failure),
        };
        reading.answers.insert(ask.clone(), answer);
    }
}

fn is_tag_name(ask: &Ask) -> bool {
    matches!(&ask.select, Select::Alias(alias) if alias.starts_with("tagName:"))
}

/// The checks whose status somebody asked for, as far as Route 53 tells it. A check that only a
/// record knows is not found here: its id has to be asked for.
fn watched(asks: &Asks, checks: &BTreeMap<Arc<str>, Observed>, reading: &Reading) -> BTreeSet<Arc<str>> {
    let mut ids = BTreeSet::new();
    for (ask, _) in asks.things.iter().filter(|(ask, facets)| ask.kind == KIND && facets.contains(&Facet::Status)) {
        match &ask.select {
            Select::Key(id) => ids.extend([id.clone()]),
            Select::Alias(alias) => {
                ids.extend(reading.aliases.get(alias).into_iter().flatten().map(|key| key.key.clone()))
            }
            Select::Arn(_) | Select::ReferencedBy(..) => {}
        }
    }
    ids.retain(|id| checks.get(id).is_some_and(|check| has_status(&check.check_type)));
    ids
}
