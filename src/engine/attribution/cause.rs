//! Which of the events of a trail caused a change.
//!
//! Decides whether an event is about the changed thing and can have done what happened to it, and
//! when the trail has told enough to say so. It never guesses: an event about another thing explains
//! nothing, and of two people between the same two readings nobody is named. Pure;
//! [`super::plan::Window::settle`] calls it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::plan::{PATIENCE, Span, drains};
use crate::aws::trail::{BALANCING, ECS, Event, Events, ROUTE_53, RecordChange};
use crate::core::identity::ScopeKind;
use crate::core::record::{Attribution, Change, What};

/// By then CloudTrail has told of nearly every call. Of those that may all be the cause, the first
/// to be told is not waited for alone.
pub const TOLD: SignedDuration = SignedDuration::from_mins(6);
/// Of those that may have done it, so many are listed.
const LISTED: usize = 3;

/// Calls that change a balancer though their names do not say so.
const OF_BALANCERS: [&str; 3] = ["SetIpAddressType", "SetSecurityGroups", "SetSubnets"];

/// What the events tell of who made a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// One did it.
    By(Attribution),
    /// More than one may have, and no later event can tell which: the reason why nobody is named.
    Unclear(String),
    /// Nothing so far.
    Nothing,
}

/// How well an event explains what happened to a thing that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It may have done it, as another call may have.
    May,
    /// Only such a call does this.
    Did,
}

/// When an event was, as seen from the two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Near {
    /// Between them only if clocks differ.
    Skewed,
    /// Before them, of a thing that takes a while to be gone.
    Draining,
    /// Between them.
    Between,
}

/// What is known at `now` of who made a change.
pub fn cause(change: &Change, found: &Events, now: Timestamp) -> Said {
    let span = Span::of(change, now);
    let near: Vec<&Event> = found.events.iter().filter(|event| span.contains(event.at)).collect();
    let rank = |event: &Event| Some((nearness(change, event), fit(change, event)?));
    let Some(best) = near.iter().filter_map(|event| rank(event)).max() else { return Said::Nothing };
    let (whole, age) = (found.since <= span.from, now.duration_since(change.at));
    let is_ripe = match best {
        (Near::Between, Fit::Did) => true,
        (Near::Between, Fit::May) | (Near::Draining, _) => whole && age >= TOLD,
        (Near::Skewed, _) => whole && age >= PATIENCE,
    };
    if !is_ripe {
        return Said::Nothing;
    }
    let zones: BTreeSet<&str> =
        near.iter().flat_map(|event| of_record(change, event)).filter_map(|record| record.zone.as_deref()).collect();
    if zones.len() > 1 {
        let zones: Vec<&str> = zones.into_iter().collect();
        return Said::Unclear(format!("a record of this name was changed in more than one zone: {}", zones.join(", ")));
    }
    let equals: Vec<&Event> = near.into_iter().filter(|event| rank(event) == Some(best)).collect();
    let people: BTreeMap<&str, &str> = equals.iter().map(|event| (&*event.actor, &*event.name)).collect();
    if people.len() > 1 {
        let listed: Vec<String> = people.iter().take(LISTED).map(|(who, call)| format!("{who} ({call})")).collect();
        let more = if people.len() > LISTED { ", …" } else { "" };
        return Said::Unclear(format!("more than one may have done it: {}{more}", listed.join(", ")));
    }
    match equals.into_iter().max_by_key(|event| event.at) {
        Some(event) => Said::By(Attribution { actor: event.actor.clone(), event: event.name.clone(), at: event.at }),
        None => Said::Nothing,
    }
}

fn nearness(change: &Change, event: &Event) -> Near {
    let between = Span::between(change);
    if between.contains(event.at) {
        Near::Between
    } else if drains(change) && event.at < between.from {
        Near::Draining
    } else {
        Near::Skewed
    }
}

fn fit(change: &Change, event: &Event) -> Option<Fit> {
    let thing = match change.scope.kind {
        ScopeKind::EcsCluster => "Service",
        ScopeKind::LoadBalancers => &*change.kind,
        ScopeKind::HealthChecks => "HealthCheck",
        ScopeKind::HostedZone => return record_fit(change, event),
        // Their writes are data events; the others are no matter of CloudTrail's.
        ScopeKind::Table | ScopeKind::CfFoundation | ScopeKind::CfOrganization | ScopeKind::HttpProbe => return None,
    };
    let does = |verb: &str| event.name.strip_prefix(verb) == Some(thing);
    match change.what {
        _ if !is_about(change, event) => None,
        What::Appeared => does("Create").then_some(Fit::Did),
        What::Gone => does("Delete").then_some(Fit::Did),
        What::Changed => can_change(change, event, thing).then_some(Fit::May),
    }
}

/// Whether an event is about the changed thing, by what it says it is about and never by mere mention.
fn is_about(change: &Change, event: &Event) -> bool {
    match change.scope.kind {
        ScopeKind::EcsCluster => {
            let is_this = |(cluster, service): &(String, String)| {
                cluster.as_str() == &*change.scope.thing && service.as_str() == &*change.key
            };
            event.source == ECS && event.service.as_ref().is_some_and(is_this)
        }
        ScopeKind::HealthChecks => event.source == ROUTE_53 && event.check.as_deref() == Some(&*change.key),
        ScopeKind::LoadBalancers => event.source == BALANCING && event.arns.contains(&*change.object),
        _ => false,
    }
}

/// Whether a call of this name can change such fields: tags are changed by calls for tags alone, and
/// by those that make a thing anew.
fn can_change(change: &Change, event: &Event, thing: &str) -> bool {
    let is_tag = |path: &str| path == "tags" || path.starts_with("tags.");
    let tags = change.fields.iter().filter(|field| is_tag(&field.path)).count();
    let name = &*event.name;
    if name.contains("Tag") {
        return tags > 0;
    }
    if tags > 0 && tags == change.fields.len() {
        return false;
    }
    match thing {
        "Service" => name.contains("Service") || name.contains("TaskSet"),
        // The attributes of a group are no facts that moored records.
        "TargetGroup" => name.contains("TargetGroup") && !name.ends_with("Attributes"),
        "LoadBalancer" => name.contains("LoadBalancer") || name.contains("Listener") || OF_BALANCERS.contains(&name),
        _ => name.contains(thing),
    }
}

/// A batch names its records one by one, with what it did to each.
fn record_fit(change: &Change, event: &Event) -> Option<Fit> {
    let did = |action: &str| of_record(change, event).any(|record| record.action == action);
    let (created, replaced, deleted) = (did("CREATE"), did("UPSERT"), did("DELETE"));
    match change.what {
        What::Gone => (deleted && !created && !replaced).then_some(Fit::Did),
        What::Appeared if created && !deleted => Some(Fit::Did),
        What::Appeared | What::Changed => (created || replaced).then_some(Fit::May),
    }
}

/// What a batch did to the changed record, or to a namesake in another zone.
fn of_record<'a>(change: &'a Change, event: &'a Event) -> impl Iterator<Item = &'a RecordChange> {
    let is_zone = change.scope.kind == ScopeKind::HostedZone;
    event.records.iter().filter(move |record| is_zone && record.key.as_str() == &*change.key)
}
