//! The simulated Route 53: hosted zones, record sets, health checks and their tags.
//!
//! Decides, per account, what each operation answers. Route 53 is global, so the caller's region
//! plays no part. Never kinder than the real one: a DELETE repeats the record set exactly, a batch
//! is all or nothing, a caller reference is used once. Called by [`super::apply`]; scenarios also
//! use the methods of [`Route53`] as hands in the console.

mod batch;
mod health_checks;
mod names;
mod records;
mod tags;
#[cfg(test)]
mod tests;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub use records::{AliasTarget, RecordSet, Routing};

use self::health_checks::HealthCheck;
use self::names::canonical;
use self::zones::{Zone, bare};
use super::members::{CAPITALS, Dice, Members, iso};
use super::{Answer, ApiError, Caller, Request, World};

/// How long a change takes to reach every name server.
const PROPAGATION: SignedDuration = SignedDuration::from_secs(60);

/// Everything that one account has in Route 53.
#[derive(Debug, Clone, Default)]
pub struct Route53 {
    zones: BTreeMap<String, Zone>,
    checks: BTreeMap<String, HealthCheck>,
    /// Caller references of deleted health checks: AWS refuses them for days.
    spent_references: BTreeSet<String>,
    changes: BTreeMap<String, Submitted>,
    /// By (`healthcheck` or `hostedzone`, id).
    tags: BTreeMap<(String, String), BTreeMap<String, String>>,
}

#[derive(Debug, Clone)]
struct Submitted {
    at: Timestamp,
    comment: Option<String>,
}

/// Answers one Route 53 request.
pub fn apply(world: &mut World, caller: &Caller, request: &Request, now: Timestamp, seed: u64) -> Answer {
    let operation = request.operation.as_str();
    // Reading leaves the counter alone, so one read more does not change the ids of later things.
    let reads = operation.starts_with("Get") || operation.starts_with("List");
    let serial = if reads { world.serial } else { world.next_serial() };
    let dice = &mut Dice::new(seed, serial);
    let members = &Members::new(&request.input, "InvalidInput");
    let account = world.route53.entry(caller.account.clone()).or_default();
    match operation {
        "CreateHostedZone" => account.create_zone(members, dice, now),
        "GetHostedZone" => account.get_zone(members),
        "DeleteHostedZone" => account.delete_zone(members, dice, now),
        "ListHostedZones" => account.list_zones(members),
        "ListHostedZonesByName" => account.list_zones_by_name(members),
        "ListResourceRecordSets" => account.list_records(members),
        "ChangeResourceRecordSets" => account.change_records(members, dice, now),
        "GetChange" => account.get_change(members, now),
        "CreateHealthCheck" => account.create_check(members, dice),
        "GetHealthCheck" => account.get_check(members),
        "GetHealthCheckCount" => account.count_checks(),
        "GetHealthCheckStatus" => account.check_status(members, now),
        "ListHealthChecks" => account.list_checks(members),
        "UpdateHealthCheck" => account.update_check(members),
        "DeleteHealthCheck" => account.delete_check(members),
        "ListTagsForResource" => account.list_tags_of_one(members),
        "ListTagsForResources" => account.list_tags(members),
        "ChangeTagsForResource" => account.change_tags(members),
        other => Err(ApiError::new(
            404,
            "UnknownOperationException",
            format!("the simulated Route 53 does not know the operation {other}"),
        )),
    }
}

/// How many items the caller wants on a page; AWS quietly lowers what is too much.
fn page_size(members: &Members<'_>, largest: usize) -> Result<usize, ApiError> {
    let wanted = members.integer("MaxItems", 1..=i64::from(i32::MAX))?;
    Ok(wanted.and_then(|wanted| usize::try_from(wanted).ok()).map_or(largest, |wanted| wanted.min(largest)))
}

impl Route53 {
    /// Remembers a change and answers its `ChangeInfo`.
    fn submit(&mut self, comment: Option<String>, dice: &mut Dice, now: Timestamp) -> Value {
        let id = format!("C{}", dice.letters(CAPITALS, 20));
        let submitted = Submitted { at: now, comment };
        let info = submitted.info(&id, now);
        self.changes.insert(id, submitted);
        info
    }

    fn get_change(&self, members: &Members<'_>, now: Timestamp) -> Answer {
        let id = members.required("Id")?.trim_start_matches('/').trim_start_matches("change/");
        match self.changes.get(id) {
            Some(submitted) => Ok(json!({ "ChangeInfo": submitted.info(id, now) })),
            None => Err(ApiError::new(404, "NoSuchChange", format!("Could not find resource with ID: {id}"))),
        }
    }

    /// Puts a public zone with a known id and nothing but its SOA and NS into the account.
    pub fn put_zone(&mut self, id: &str, name: &str) -> Result<(), ApiError> {
        let name = spelled(name)?;
        self.zones.insert(id.to_owned(), Zone::new(id.to_owned(), name, format!("put-{id}")));
        Ok(())
    }

    /// Writes a record set over whatever is there, without any of the API's refusals.
    pub fn put_record(&mut self, zone_id: &str, mut record: RecordSet) -> Result<(), ApiError> {
        record.name = spelled(&record.name)?;
        self.zone(zone_id)?;
        if let Some(zone) = self.zones.get_mut(bare(zone_id)) {
            zone.records.insert(record.key(), record);
        }
        Ok(())
    }

    /// Takes a record set away, as a hand in the console would; none if it was not there.
    pub fn remove_record(
        &mut self,
        zone_id: &str,
        name: &str,
        kind: &str,
        set_identifier: Option<&str>,
    ) -> Option<RecordSet> {
        let key = self.record(zone_id, name, kind, set_identifier)?.key();
        self.zones.get_mut(bare(zone_id))?.records.remove(&key)
    }

    /// The record set of this name, type and set identifier.
    pub fn record(&self, zone_id: &str, name: &str, kind: &str, set_identifier: Option<&str>) -> Option<&RecordSet> {
        let name = canonical(name).ok()?;
        let zone = self.zones.get(bare(zone_id))?;
        zone.records.values().find(|record| {
            record.name == name && record.kind == kind && record.set_identifier.as_deref() == set_identifier
        })
    }

    /// Every record set of a zone in Route 53's order; nothing for an unknown zone.
    pub fn records(&self, zone_id: &str) -> impl Iterator<Item = &RecordSet> {
        self.zones.get(bare(zone_id)).into_iter().flat_map(|zone| zone.records.values())
    }

    /// Whether this health check exists.
    pub fn has_health_check(&self, id: &str) -> bool {
        self.checks.contains_key(id)
    }

    /// Says what the checkers find from now on; false if there is no such health check.
    pub fn set_health(&mut self, id: &str, healthy: bool) -> bool {
        match self.checks.get_mut(id) {
            Some(check) => {
                check.healthy = healthy;
                true
            }
            None => false,
        }
    }
}

impl Submitted {
    fn info(&self, id: &str, now: Timestamp) -> Value {
        let status = if now.duration_since(self.at) >= PROPAGATION { "INSYNC" } else { "PENDING" };
        json!({
            "Id": format!("/change/{id}"),
            "Status": status,
            "SubmittedAt": iso(self.at),
            "Comment": self.comment,
        })
    }
}

fn spelled(name: &str) -> Result<String, ApiError> {
    canonical(name).map_err(|problem| ApiError::bad_request("InvalidDomainName", problem.to_string()))
}
