//! Which of the events of a trail caused a change.
//!
//! Decides whether an event names the changed thing, how well it explains what happened to it, and
//! which of several does best. It never guesses: an event that names another thing explains nothing,
//! however near in time. Pure; [`super::plan::Window::settle`] calls it.

use std::cmp::Reverse;

use super::plan::Span;
use crate::aws::trail::Event;
use crate::core::identity::ScopeKind;
use crate::core::record::{Attribution, Change, What};

/// Calls that name a thing all day and change none of its facts but tags and targets.
const INCIDENTAL: [&str; 7] = [
    "AddTags",
    "ChangeTagsForResource",
    "DeregisterTargets",
    "RegisterTargets",
    "RemoveTags",
    "TagResource",
    "UntagResource",
];

/// How well an event that names a thing explains what happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It may be the cause, where no other is.
    Possible,
    /// It does just this.
    Likely,
}

/// The event that caused a change: of those that do just this, the newest before it was seen. With
/// `last` also one that only may have, since no better one will come.
pub fn cause(change: &Change, events: &[Event], span: Span, last: bool) -> Option<Attribution> {
    let before = |event: &Event| event.at <= change.at;
    // Newest last: of equals the last is taken.
    let candidates = events.iter().rev().filter(|event| span.contains(event.at));
    let explaining = candidates.filter_map(|event| Some((fit(change, event)?, event)));
    let (_, event) = explaining
        .filter(|(fit, event)| last || (*fit == Fit::Likely && before(event)))
        .max_by_key(|(fit, event)| (*fit, before(event), Reverse(event.at.duration_since(change.at).abs())))?;
    Some(Attribution { actor: event.actor.clone(), event: event.name.clone(), at: event.at })
}

fn fit(change: &Change, event: &Event) -> Option<Fit> {
    let (source, thing) = match change.scope.kind {
        ScopeKind::EcsCluster => ("ecs.amazonaws.com", "Service"),
        ScopeKind::LoadBalancers => ("elasticloadbalancing.amazonaws.com", &*change.kind),
        ScopeKind::HealthChecks => ("route53.amazonaws.com", "HealthCheck"),
        ScopeKind::HostedZone => return record_fit(change, event),
        // Their writes are data events.
        ScopeKind::Table => return None,
    };
    if event.source != source || !names(change, event, thing) {
        return None;
    }
    let verb = event.name.strip_suffix(thing);
    let likely = match change.what {
        What::Appeared => verb == Some("Create"),
        What::Gone => verb == Some("Delete"),
        What::Changed => !INCIDENTAL.contains(&&*event.name),
    };
    Some(if likely { Fit::Likely } else { Fit::Possible })
}

/// Whether an event is about the changed thing. By name only if the call is about such things:
/// task definitions, target groups and services are often namesakes.
fn names(change: &Change, event: &Event, thing: &str) -> bool {
    let mentioned = |text: &str| event.mentions.contains(text);
    match change.scope.kind {
        ScopeKind::EcsCluster => {
            let about = event.name.contains(thing) || event.name.contains("TaskSet");
            let arn = format!(":cluster/{}", change.scope.thing);
            let here = || {
                mentioned(&change.scope.thing) || event.mentions.iter().any(|mention| mention.ends_with(arn.as_str()))
            };
            mentioned(&change.object) || (about && mentioned(&change.key) && here())
        }
        ScopeKind::HealthChecks => {
            (event.name.contains(thing) || *event.name == *"ChangeTagsForResource") && mentioned(&change.key)
        }
        _ => mentioned(&change.object) || (event.name.contains(thing) && mentioned(&change.key)),
    }
}

/// A batch names its records one by one, with what it did to each.
fn record_fit(change: &Change, event: &Event) -> Option<Fit> {
    let mine = event.records.iter().filter(|record| *record.key == *change.key);
    let does = |action: &str| match change.what {
        What::Gone => action == "DELETE",
        What::Appeared | What::Changed => action == "CREATE" || action == "UPSERT",
    };
    mine.map(|record| if does(&record.action) { Fit::Likely } else { Fit::Possible }).max()
}
