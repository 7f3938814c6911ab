//! Record sets: their shape, their order, and reading them page by page.
//!
//! Decides which record set an input describes and what Route 53 would say is wrong with it.
//! Never changes a zone: that is [`super::batch`]. Called by the zones and batches next door.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

use super::names::{NameError, canonical, is_within, order};
use super::page_size;
use crate::sim::world::members::Members;
use crate::sim::world::{Answer, ApiError};

/// The record types that Route 53 serves.
const TYPES: [&str; 17] = [
    "A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "SSHFP", "SVCB",
    "TLSA", "TXT",
];

/// Records list at most this many to a page.
const LARGEST_PAGE: usize = 300;

/// Where a record set stands in its zone: reversed name, type, set identifier.
pub(super) type Key = (String, String, String);

/// The record sets of one zone, in Route 53's order.
pub(super) type Records = BTreeMap<Key, RecordSet>;

/// One record set. Two are equal when Route 53 would accept one as the exact repetition of the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordSet {
    /// Lower case, with trailing dot and octal escapes.
    pub name: String,
    /// `A`, `CNAME` …
    pub kind: String,
    /// Tells apart record sets of one name and type.
    pub set_identifier: Option<String>,
    /// Seconds; none for an alias.
    pub ttl: Option<i64>,
    /// The values; order does not matter to DNS.
    pub values: BTreeSet<String>,
    /// The target, if it is an alias.
    pub alias: Option<AliasTarget>,
    /// How Route 53 chooses among record sets of one name and type.
    pub routing: Option<Routing>,
    /// The health check it depends on.
    pub health_check: Option<String>,
}

/// What an alias record set points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasTarget {
    /// The zone of the target: a load balancer's canonical zone, or one of the caller's own.
    pub hosted_zone_id: String,
    /// Lower case, with trailing dot.
    pub dns_name: String,
    /// Whether the target's health counts.
    pub evaluate_target_health: bool,
}

/// A routing policy with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routing {
    /// Share of the answers, 0 to 255.
    Weight(i64),
    /// Latency: the AWS region the answer lives in.
    Region(String),
    /// `PRIMARY` or `SECONDARY`.
    Failover(String),
    /// Continent, country or subdivision.
    GeoLocation(BTreeMap<String, String>),
    /// One of several answers given together.
    MultiValue,
}

impl RecordSet {
    /// A plain record set, as a simulated human would type it. [`super::Route53::put_record`]
    /// brings the name into Route 53's spelling.
    pub fn simple(name: &str, kind: &str, ttl: i64, values: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            ttl: Some(ttl),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Reads the structure `ResourceRecordSet` of a request.
    pub(super) fn read(members: &Members<'_>) -> Result<Self, ApiError> {
        members.only(&[
            "Name",
            "Type",
            "SetIdentifier",
            "Weight",
            "Region",
            "Failover",
            "GeoLocation",
            "MultiValueAnswer",
            "TTL",
            "ResourceRecords",
            "AliasTarget",
            "HealthCheckId",
        ])?;
        let name = canonical(members.required("Name")?).map_err(refused)?;
        let kind = members.required("Type")?.to_owned();
        if !TYPES.contains(&kind.as_str()) {
            return Err(members.invalid(format!("Invalid request: '{kind}' is not a record type of Route 53")));
        }
        let record = Self {
            set_identifier: members.text("SetIdentifier")?.map(str::to_owned),
            ttl: members.integer("TTL", 0..=2_147_483_647)?,
            values: read_values(members)?,
            alias: members.structure("AliasTarget")?.map(|target| AliasTarget::read(&target)).transpose()?,
            routing: Routing::read(members)?,
            health_check: members.text("HealthCheckId")?.map(str::to_owned),
            name,
            kind,
        };
        let described = record.described();
        match (&record.alias, record.ttl, record.values.is_empty()) {
            (Some(_), None, true) | (None, Some(_), false) => {}
            _ => {
                return Err(members.invalid(format!(
                    "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or \
                     TrafficPolicyInstanceId] in Change with {described}"
                )));
            }
        }
        if record.routing.is_some() && record.set_identifier.is_none() {
            return Err(
                members.invalid(format!("Invalid request: Missing field 'SetIdentifier' in Change with {described}"))
            );
        }
        if record.set_identifier.is_some() && record.routing.is_none() {
            return Err(members.invalid(format!(
                "Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, or \
                 MultiValueAnswer], but found none in Change with {described}"
            )));
        }
        Ok(record)
    }

    /// The place of this record set in its zone.
    pub(super) fn key(&self) -> Key {
        (order(&self.name), self.kind.clone(), self.set_identifier.clone().unwrap_or_default())
    }

    /// How Route 53 names a record set in its messages.
    pub(super) fn described(&self) -> String {
        match &self.set_identifier {
            None => format!("[name='{}', type='{}']", self.name, self.kind),
            Some(identifier) => {
                format!("[name='{}', type='{}', set identifier='{identifier}']", self.name, self.kind)
            }
        }
    }

    /// What is wrong with the content, for a record set that is to be written into a zone.
    pub(super) fn problems(&self, zone: &str) -> Vec<String> {
        let mut problems = Vec::new();
        if !is_within(&self.name, zone) {
            problems.push(format!("RRSet with DNS name {} is not permitted in zone {zone}", self.name));
        }
        if self.kind == "CNAME" && self.values.len() > 1 {
            problems.push(format!("Invalid Resource Record: CNAME {} has more than one value", self.name));
        }
        for value in &self.values {
            if let Some(problem) = value_problem(&self.kind, value) {
                problems
                    .push(format!("Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''"));
            }
        }
        problems
    }

    /// The structure `ResourceRecordSet` of an answer.
    pub(super) fn to_json(&self) -> Value {
        let records = (!self.values.is_empty())
            .then(|| self.values.iter().map(|value| json!({ "Value": value })).collect::<Vec<Value>>());
        let mut described = json!({
            "Name": self.name,
            "Type": self.kind,
            "SetIdentifier": self.set_identifier,
            "TTL": self.ttl,
            "ResourceRecords": records,
            "AliasTarget": self.alias.as_ref().map(AliasTarget::to_json),
            "HealthCheckId": self.health_check,
        });
        if let (Some((member, value)), Some(members)) =
            (self.routing.as_ref().map(Routing::to_member), described.as_object_mut())
        {
            members.insert(member.to_owned(), value);
        }
        described
    }
}

impl AliasTarget {
    fn read(members: &Members<'_>) -> Result<Self, ApiError> {
        Ok(Self {
            hosted_zone_id: members.required("HostedZoneId")?.to_owned(),
            dns_name: canonical(members.required("DNSName")?).map_err(refused)?,
            evaluate_target_health: members
                .boolean("EvaluateTargetHealth")?
                .ok_or_else(|| members.invalid("EvaluateTargetHealth is required"))?,
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "HostedZoneId": self.hosted_zone_id,
            "DNSName": self.dns_name,
            "EvaluateTargetHealth": self.evaluate_target_health,
        })
    }
}

impl Routing {
    fn read(members: &Members<'_>) -> Result<Option<Self>, ApiError> {
        let mut found = Vec::new();
        if let Some(weight) = members.integer("Weight", 0..=255)? {
            found.push(Self::Weight(weight));
        }
        if let Some(region) = members.text("Region")? {
            found.push(Self::Region(region.to_owned()));
        }
        match members.text("Failover")? {
            None => {}
            Some(role @ ("PRIMARY" | "SECONDARY")) => found.push(Self::Failover(role.to_owned())),
            Some(_) => return Err(members.invalid("Failover must be PRIMARY or SECONDARY")),
        }
        if let Some(place) = members.structure("GeoLocation")? {
            let mut codes = BTreeMap::new();
            for code in ["ContinentCode", "CountryCode", "SubdivisionCode"] {
                if let Some(value) = place.text(code)? {
                    codes.insert(code.to_owned(), value.to_owned());
                }
            }
            found.push(Self::GeoLocation(codes));
        }
        if members.boolean("MultiValueAnswer")? == Some(true) {
            found.push(Self::MultiValue);
        }
        if found.len() > 1 {
            return Err(members.invalid(
                "Invalid request: Expected exactly one of [Weight, Region, Failover, GeoLocation, or \
                 MultiValueAnswer], but found more than one",
            ));
        }
        Ok(found.pop())
    }

    fn to_member(&self) -> (&'static str, Value) {
        match self {
            Self::Weight(weight) => ("Weight", json!(weight)),
            Self::Region(region) => ("Region", json!(region)),
            Self::Failover(role) => ("Failover", json!(role)),
            Self::GeoLocation(codes) => ("GeoLocation", json!(codes)),
            Self::MultiValue => ("MultiValueAnswer", json!(true)),
        }
    }

    /// Whether two record sets with this very routing could not be told apart in an answer.
    pub(super) fn is_exclusive(&self) -> bool {
        matches!(self, Self::Region(_) | Self::Failover(_) | Self::GeoLocation(_))
    }
}

fn read_values(members: &Members<'_>) -> Result<BTreeSet<String>, ApiError> {
    let mut values = BTreeSet::new();
    for record in members.structures("ResourceRecords")? {
        let value = record.required("Value")?;
        if !values.insert(value.to_owned()) {
            return Err(ApiError::bad_request("InvalidChangeBatch", format!("Duplicate Resource Record: '{value}'")));
        }
    }
    Ok(values)
}

/// What is wrong with a value of this type, in Route 53's words.
fn value_problem(kind: &str, value: &str) -> Option<&'static str> {
    let (fine, problem) = match kind {
        "A" => (value.parse::<Ipv4Addr>().is_ok(), "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"),
        "AAAA" => {
            (value.parse::<Ipv6Addr>().is_ok(), "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)")
        }
        "CNAME" | "NS" | "PTR" => (canonical(value).is_ok(), "UnsupportedCharacter (Value is not a domain name)"),
        "TXT" | "SPF" => (
            value.len() >= 2 && value.starts_with('"') && value.ends_with('"'),
            "InvalidCharacterString (Value should be enclosed in quotation marks)",
        ),
        _ => (true, ""),
    };
    (!fine).then_some(problem)
}

fn refused(problem: NameError) -> ApiError {
    ApiError::bad_request("InvalidChangeBatch", format!("Invalid Resource Record: '{problem}'"))
}

/// One page of a zone's record sets.
pub(super) fn list(records: &Records, members: &Members<'_>) -> Answer {
    let limit = page_size(members, LARGEST_PAGE)?;
    let name = members.text("StartRecordName")?;
    let kind = members.text("StartRecordType")?;
    let identifier = members.text("StartRecordIdentifier")?;
    if (kind.is_some() && name.is_none()) || (identifier.is_some() && kind.is_none()) {
        return Err(members
            .invalid("Invalid request: StartRecordType needs StartRecordName, and StartRecordIdentifier needs both"));
    }
    let name = match name {
        Some(name) => order(&canonical(name).map_err(|problem| members.invalid(problem.to_string()))?),
        None => String::new(),
    };
    let start: Key = (name, kind.unwrap_or_default().to_owned(), identifier.unwrap_or_default().to_owned());
    let mut following = records.range(start..).map(|(_, record)| record);
    let page: Vec<Value> = following.by_ref().take(limit).map(RecordSet::to_json).collect();
    let next = following.next();
    Ok(json!({
        "ResourceRecordSets": page,
        "IsTruncated": next.is_some(),
        "NextRecordName": next.map(|record| record.name.as_str()),
        "NextRecordType": next.map(|record| record.kind.as_str()),
        "NextRecordIdentifier": next.and_then(|record| record.set_identifier.as_deref()),
        "MaxItems": limit.to_string(),
    }))
}
