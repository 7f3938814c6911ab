//! ChangeResourceRecordSets: a batch of changes, all or nothing.
//!
//! Decides what a zone looks like after a batch, or everything that is wrong with it. Atomic by
//! construction: the batch is tried on a copy, and only a batch without a single problem gives the
//! copy back. Never deletes a record set that was not repeated exactly. Called by
//! [`super::zones`].

use std::collections::{BTreeMap, BTreeSet};

use super::records::{Key, RecordSet, Records};
use crate::sim::world::ApiError;
use crate::sim::world::members::Members;

/// Most changes, and most values (an UPSERT's count twice), in one batch.
const MOST_CHANGES: usize = 1_000;
/// Most characters of values in one batch.
const MOST_CHARACTERS: usize = 32_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    Delete,
    Upsert,
}

struct Change {
    action: Action,
    record: RecordSet,
}

/// The zone that a batch is for, as far as the batch has to know it.
pub(super) struct Target<'a> {
    pub(super) zone_id: &'a str,
    pub(super) zone_name: &'a str,
    pub(super) records: &'a Records,
    /// Ids of the account's health checks.
    pub(super) checks: BTreeSet<&'a str>,
}

/// The record sets after the batch.
pub(super) fn changed(target: &Target<'_>, batch: &Members<'_>) -> Result<Records, ApiError> {
    let changes = read(batch)?;
    let mut problems = limits(&changes);
    for change in changes.iter().filter(|change| change.action != Action::Delete) {
        if let Some(check) = change.record.health_check.as_deref()
            && !target.checks.contains(check)
        {
            return Err(ApiError::new(
                404,
                "NoSuchHealthCheck",
                format!("No health check exists with the specified ID: {check}"),
            ));
        }
        problems.extend(change.record.problems(target.zone_name));
    }
    problems.extend(repeated(&changes));

    let mut records = target.records.clone();
    for change in &changes {
        problems.extend(carry_out(&mut records, change));
    }
    problems.extend(conflicts(target, &records, &changes));
    problems.extend(apex_losses(target.zone_name, &records));
    if problems.is_empty() {
        Ok(records)
    } else {
        Err(ApiError::bad_request("InvalidChangeBatch", problems.join("\n")))
    }
}

fn read(batch: &Members<'_>) -> Result<Vec<Change>, ApiError> {
    batch.only(&["Comment", "Changes"])?;
    let listed = batch.structures("Changes")?;
    if listed.is_empty() {
        return Err(batch.invalid("Invalid request: ChangeBatch holds no Changes"));
    }
    let mut changes = Vec::with_capacity(listed.len());
    for change in listed {
        change.only(&["Action", "ResourceRecordSet"])?;
        let action = match change.required("Action")? {
            "CREATE" => Action::Create,
            "DELETE" => Action::Delete,
            "UPSERT" => Action::Upsert,
            other => return Err(change.invalid(format!("Invalid request: '{other}' is not an Action"))),
        };
        let record = change
            .structure("ResourceRecordSet")?
            .ok_or_else(|| change.invalid("Invalid request: ResourceRecordSet is required"))?;
        changes.push(Change { action, record: RecordSet::read(&record)? });
    }
    Ok(changes)
}

fn limits(changes: &[Change]) -> Vec<String> {
    let (mut values, mut characters) = (0, 0);
    for change in changes {
        let times = if change.action == Action::Upsert { 2 } else { 1 };
        values += times * change.record.values.len();
        characters += times * change.record.values.iter().map(|value| value.chars().count()).sum::<usize>();
    }
    let mut problems = Vec::new();
    if changes.len() > MOST_CHANGES || values > MOST_CHANGES {
        problems.push(format!("Number of records limit of {MOST_CHANGES} exceeded."));
    }
    if characters > MOST_CHARACTERS {
        problems.push(format!("Number of characters limit of {MOST_CHARACTERS} exceeded."));
    }
    problems
}

/// One record set may be named once, or twice as a DELETE followed by a CREATE.
fn repeated(changes: &[Change]) -> Vec<String> {
    let mut actions: BTreeMap<Key, Vec<Action>> = BTreeMap::new();
    for change in changes {
        actions.entry(change.record.key()).or_default().push(change.action);
    }
    let mut problems = Vec::new();
    for change in changes {
        let seen = actions.remove(&change.record.key()).unwrap_or_default();
        if seen.len() > 1 && seen != [Action::Delete, Action::Create] {
            problems.push(format!(
                "The request contains an invalid set of changes for a resource record set '{} {}'",
                change.record.kind, change.record.name
            ));
        }
    }
    problems
}

/// Carries out one change on the copy, or says why Route 53 would not.
fn carry_out(records: &mut Records, change: &Change) -> Option<String> {
    let key = change.record.key();
    let described = change.record.described();
    match (change.action, records.get(&key)) {
        (Action::Create, Some(_)) => {
            Some(format!("Tried to create resource record set {described} but it already exists"))
        }
        (Action::Delete, None) => Some(format!("Tried to delete resource record set {described} but it was not found")),
        (Action::Delete, Some(current)) if *current != change.record => Some(format!(
            "Tried to delete resource record set {described} but the values provided do not match the current values"
        )),
        (Action::Delete, Some(_)) => {
            records.remove(&key);
            None
        }
        (Action::Create, None) | (Action::Upsert, _) => {
            records.insert(key, change.record.clone());
            None
        }
    }
}

/// What may not live side by side in the zone after the batch, for the names that were written.
fn conflicts(target: &Target<'_>, records: &Records, changes: &[Change]) -> Vec<String> {
    let zone = target.zone_name;
    let written: BTreeMap<Key, &RecordSet> = changes
        .iter()
        .filter(|change| change.action != Action::Delete)
        .map(|change| (change.record.key(), &change.record))
        .collect();
    let mut problems = Vec::new();
    for (key, record) in written {
        let RecordSet { name, kind, .. } = record;
        let (place, ..) = &key;
        // Every record set of the name lies between its first possible key and its last.
        let namesakes: Vec<&RecordSet> = records
            .range((place.clone(), String::new(), String::new())..)
            .take_while(|((other, ..), _)| other == place)
            .map(|(_, other)| other)
            .collect();
        if kind == "CNAME" && name == zone {
            problems.push(format!("RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"));
        }
        if namesakes.iter().any(|other| other.kind != *kind && (other.kind == "CNAME" || kind == "CNAME")) {
            problems.push(format!(
                "RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other records with \
                 the same DNS name in zone {zone}"
            ));
        }
        let mut rivals =
            namesakes.iter().filter(|other| other.kind == *kind && other.set_identifier != record.set_identifier);
        if rivals.any(|rival| are_at_odds(rival, record)) {
            problems.push(format!(
                "RRSet with DNS name {name}, type {kind} cannot be written as other RRSets exist with the same name \
                 and type and another or the same exclusive routing policy"
            ));
        }
        if let Some(alias) = &record.alias
            && alias.hosted_zone_id == target.zone_id
            && !records.values().any(|other| other.name == alias.dns_name && other.kind == *kind)
        {
            problems.push(format!(
                "Tried to create an alias that targets {}, type {kind} in zone {}, but that target was not found",
                alias.dns_name, target.zone_id
            ));
        }
    }
    problems
}

/// Record sets of one name and type must share one routing policy, and be distinguishable by it.
fn are_at_odds(one: &RecordSet, other: &RecordSet) -> bool {
    match (&one.routing, &other.routing) {
        (Some(one), Some(other)) => {
            std::mem::discriminant(one) != std::mem::discriminant(other) || (one == other && one.is_exclusive())
        }
        _ => true,
    }
}

/// A zone keeps its own SOA and NS, whatever a batch says.
fn apex_losses(zone: &str, records: &Records) -> Vec<String> {
    let has = |kind: &str| records.values().any(|record| record.name == zone && record.kind == kind);
    let mut problems = Vec::new();
    if !has("SOA") {
        problems.push("A HostedZone must contain exactly one SOA record.".to_owned());
    }
    if !has("NS") {
        problems.push("A HostedZone must contain at least one NS record for the zone itself.".to_owned());
    }
    problems
}
