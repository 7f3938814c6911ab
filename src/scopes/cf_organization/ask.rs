//! How questions are put to a foundation, alike for an organisation and for all of it.
//!
//! Decides how several names become one filter, how many calls are under way at once, and when a
//! row of calls is given up because the platform, not the thing, is the trouble. Never judges an
//! answer. Called by the readers of [`super`] and of [`crate::scopes::cf_foundation`].

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cloudfoundry::allow_list::Resource;
use crate::cloudfoundry::classify::CallFailure;
use crate::cloudfoundry::pages::Listed;
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::Relationships;
use crate::core::identity::Ask;
use crate::core::observation::{Failure, Live, NamedAnswer, Reading, Reason};
use crate::core::visible::escaped;

/// The most names that one call asks for: longer addresses are refused on the way.
pub const NAMES: usize = 100;
/// The most guids that one call asks for, as the cf CLI does.
pub const GUIDS: usize = 200;
/// The most calls under way at once.
const AT_ONCE: usize = 4;
/// What the questions about single things may take of one pass, in seconds.
const A_PASS_SECONDS: f64 = 60.0;
/// So many are asked in any case.
const LEAST_A_PASS: usize = 20;

/// Reads a list, and passes on what the platform remarked on it.
pub async fn all<T: DeserializeOwned>(
    cx: &ReadContext,
    resource: &'static Resource,
    query: &[(&str, &str)],
    remarks: &mut Vec<Failure>,
) -> Result<Listed<T>, CallFailure> {
    let listed = cx.list(resource, query).await?;
    for warning in &listed.warnings {
        let detail = format!("{} at {}: the platform warns: {}", resource.name, cx.session.host, escaped(warning));
        remark(remarks, Failure::new(Reason::Incomplete, detail));
    }
    Ok(listed)
}

/// What a reading could do without and did: why, by what it is.
pub type Unread = BTreeMap<&'static str, Arc<str>>;

/// What a reading can do without: its failure is a remark, and taken down.
pub fn or_unread<T>(
    outcome: Result<T, CallFailure>,
    what: &'static str,
    unread: &mut Unread,
    remarks: &mut Vec<Failure>,
) -> Option<T> {
    match outcome {
        Ok(answer) => Some(answer),
        Err(call) => {
            unread.insert(what, call.failure.detail.clone());
            remark(remarks, call.failure);
            None
        }
    }
}

/// Tells people once.
pub fn remark(remarks: &mut Vec<Failure>, failure: Failure) {
    if !remarks.contains(&failure) {
        remarks.push(failure);
    }
}

/// Adds a live thing. Two of one name are not told apart, so that neither is called gone.
pub fn add(reading: &mut Reading, live: Live) {
    if reading.objects.contains_key(&live.key) {
        reading.complete = false;
        let detail = format!("two things are called {} {}: moored cannot tell them apart", live.key.kind, live.key.key);
        remark(&mut reading.remarks, Failure::new(Reason::Ambiguous, detail));
    }
    reading.insert(live);
}

/// A filter that any of these names passes. The platform decodes each name once more after it has
/// split them at the commas.
pub fn any_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let encoded = |name: &str| name.replace('%', "%25").replace(',', "%2C").replace('+', "%2B");
    names.into_iter().map(encoded).collect::<Vec<_>>().join(",")
}

/// Whether a failure is the platform's rather than that of the one thing that was asked for.
pub fn is_the_platforms(call: &CallFailure) -> bool {
    let platform = [Reason::Throttled, Reason::Network, Reason::Timeout, Reason::Server, Reason::Credentials];
    platform.contains(&call.failure.reason)
}

/// How many things one pass may ask about one by one: what fits into a minute of what the platform
/// allows, so that a reading ends in time however tight that is.
pub fn a_pass(cx: &ReadContext) -> usize {
    ((cx.session.rate() * A_PASS_SECONDS) as usize).max(LEAST_A_PASS)
}

/// Asks about each of these things, some at a time, and hands on each answer as it comes; gives up
/// once all that were asked about together met a platform in trouble. What was not asked has no answer.
pub async fn about_each<T, F, Fut>(guids: &[Arc<str>], ask: F, mut learn: impl FnMut(Arc<str>, Result<T, CallFailure>))
where
    F: Fn(Arc<str>) -> Fut,
    Fut: Future<Output = Result<T, CallFailure>>,
{
    for batch in guids.chunks(AT_ONCE) {
        let call = |at: usize| maybe(batch.get(at).cloned().map(&ask));
        let (first, second, third, fourth) = tokio::join!(call(0), call(1), call(2), call(3));
        let told: Vec<Result<T, CallFailure>> = [first, second, third, fourth].into_iter().flatten().collect();
        let in_trouble = told.iter().all(|answer| answer.as_ref().is_err_and(is_the_platforms));
        for (guid, answer) in batch.iter().zip(told) {
            learn(guid.clone(), answer);
        }
        if in_trouble {
            break;
        }
    }
}

async fn maybe<T>(call: Option<impl Future<Output = T>>) -> Option<T> {
    match call {
        Some(call) => Some(call.await),
        None => None,
    }
}

/// A thing of a space, as far as its name goes.
#[derive(Deserialize)]
struct Found {
    name: Arc<str>,
    #[serde(default)]
    relationships: Relationships,
}

/// Names that are asked for, by the guid of the space where they would be.
pub type Names<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;
/// Whether each of them was found.
pub type FoundNames<'a> = BTreeMap<(&'a str, &'a str), Result<bool, Failure>>;

/// Asks for nothing but these things. `spelled` makes names alike that the platform takes for one.
pub async fn by_name<'a>(
    cx: &ReadContext,
    resource: &'static Resource,
    wanted: &Names<'a>,
    spelled: fn(&str) -> String,
    remarks: &mut Vec<Failure>,
) -> FoundNames<'a> {
    let mut answers = BTreeMap::new();
    for (space, names) in wanted {
        let names: Vec<&'a str> = names.iter().copied().collect();
        for batch in names.chunks(NAMES) {
            let found = found_in_space(cx, resource, space, batch, spelled, remarks).await;
            for name in batch {
                let answer = found.as_ref().map(|found| found.contains(*name)).map_err(Failure::clone);
                answers.insert((*space, *name), answer);
            }
        }
    }
    answers
}

async fn found_in_space(
    cx: &ReadContext,
    resource: &'static Resource,
    space: &str,
    names: &[&str],
    spelled: fn(&str) -> String,
    remarks: &mut Vec<Failure>,
) -> Result<BTreeSet<String>, Failure> {
    let query = [("names", any_of(names.iter().copied())), ("space_guids", space.to_owned())];
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let listed = all::<Found>(cx, resource, &query, remarks).await?;
    // An instance can be shared into a space that is not its own.
    let own = listed.items.iter().filter(|found| found.relationships.space.as_deref() == Some(space));
    Ok(own.map(|found| spelled(&found.name)).collect())
}

/// Takes down whether a thing that the list lacks was found by its name. If it was, the list is not
/// whole, though it seemed to be. `what` is what a person calls the thing.
pub fn settle(reading: &mut Reading, ask: &Ask, found: Result<bool, Failure>, what: &str) {
    let answer = match found {
        Ok(false) => NamedAnswer::NotFound,
        Ok(true) => {
            let detail = format!(
                "the list lacks {what}, which is there when asked for by name; nothing is called gone until the two agree"
            );
            let failure = Failure::new(Reason::Incomplete, detail);
            reading.complete = false;
            remark(&mut reading.remarks, failure.clone());
            NamedAnswer::Unknown(failure)
        }
        Err(failure) => NamedAnswer::Unknown(failure),
    };
    reading.answers.insert(ask.clone(), answer);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(reason: Reason) -> CallFailure {
        CallFailure { status: None, error: None, failure: Failure::new(reason, "why") }
    }

    async fn asked(answer: impl Fn(&str) -> Result<(), CallFailure>) -> usize {
        let guids: Vec<Arc<str>> = (0..9).map(|number| number.to_string().into()).collect();
        let mut learned = 0;
        let ask = |guid: Arc<str>| std::future::ready(answer(&guid));
        about_each(&guids, ask, |_, _| learned += 1).await;
        learned
    }

    #[tokio::test]
    async fn one_that_does_not_answer_holds_up_nobody_but_a_platform_that_does_not_is_left() {
        let slow = |guid: &str| if guid == "0" { Err(failed(Reason::Timeout)) } else { Ok(()) };
        assert_eq!(asked(slow).await, 9);
        assert_eq!(asked(|_| Err(failed(Reason::Timeout))).await, 4);
    }
}
