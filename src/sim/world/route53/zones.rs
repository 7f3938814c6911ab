//! Hosted zones of the simulated Route 53, public and private.
//!
//! Decides how zones come and go and how they are listed. A zone is never deleted while it holds
//! anything but its own SOA and NS. Called by [`super::apply`].

use jiff::Timestamp;
use serde_json::{Value, json};

use super::batch::{Target, changed};
use super::names::{canonical, order};
use super::records::{self, RecordSet, Records};
use super::{Route53, page_size};
use crate::sim::world::members::{CAPITALS, Dice, Members};
use crate::sim::world::{Answer, ApiError};

/// Zones list at most this many to a page.
const LARGEST_PAGE: usize = 100;
/// The name servers of every simulated zone.
const NAME_SERVERS: [&str; 4] =
    ["ns-1.awsdns-01.org", "ns-513.awsdns-00.net", "ns-1025.awsdns-00.co.uk", "ns-1537.awsdns-00.com"];

/// One hosted zone.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    pub(super) id: String,
    /// Lower case, with trailing dot.
    pub(super) name: String,
    pub(super) caller_reference: String,
    pub(super) comment: Option<String>,
    /// The VPC that sees the zone; a zone with one is private.
    pub(super) vpc: Option<Vpc>,
    pub(super) records: Records,
}

#[derive(Debug, Clone)]
pub(super) struct Vpc {
    pub(super) id: String,
    pub(super) region: String,
}

impl Zone {
    /// A zone with nothing but its own SOA and NS.
    pub(super) fn new(id: String, name: String, caller_reference: String) -> Self {
        let servers = NAME_SERVERS.map(|server| format!("{server}."));
        let authority = format!("{} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400", servers[0]);
        let apex = [
            RecordSet::simple(&name, "NS", 172_800, &servers.each_ref().map(String::as_str)),
            RecordSet::simple(&name, "SOA", 900, &[authority.as_str()]),
        ];
        let records = apex.into_iter().map(|record| (record.key(), record)).collect();
        Self { id, name, caller_reference, comment: None, vpc: None, records }
    }

    fn to_json(&self) -> Value {
        json!({
            "Id": format!("/hostedzone/{}", self.id),
            "Name": self.name,
            "CallerReference": self.caller_reference,
            "Config": { "Comment": self.comment, "PrivateZone": self.vpc.is_some() },
            "ResourceRecordSetCount": self.records.len(),
        })
    }

    /// The members beside `HostedZone` that GetHostedZone and CreateHostedZone add.
    fn detail(&self) -> (Value, Value) {
        match &self.vpc {
            Some(vpc) => (Value::Null, json!({ "VPCRegion": vpc.region, "VPCId": vpc.id })),
            None => (json!({ "NameServers": NAME_SERVERS }), Value::Null),
        }
    }
}

impl Route53 {
    /// The zone with this id, with or without its `/hostedzone/`.
    pub(super) fn zone(&self, id: &str) -> Result<&Zone, ApiError> {
        let bare = bare(id);
        self.zones
            .get(bare)
            .ok_or_else(|| ApiError::new(404, "NoSuchHostedZone", format!("No hosted zone found with ID: {bare}")))
    }

    pub(super) fn create_zone(&mut self, members: &Members<'_>, dice: &mut Dice, now: Timestamp) -> Answer {
        members.only(&["Name", "CallerReference", "HostedZoneConfig", "VPC"])?;
        let name = canonical(members.required("Name")?)
            .map_err(|problem| ApiError::bad_request("InvalidDomainName", problem.to_string()))?;
        let reference = members.required("CallerReference")?;
        if self.zones.values().any(|zone| zone.caller_reference == reference) {
            return Err(ApiError::new(
                409,
                "HostedZoneAlreadyExists",
                format!("A hosted zone has already been created with the specified caller reference: {reference}"),
            ));
        }
        let mut zone = Zone::new(format!("Z{}", dice.letters(CAPITALS, 20)), name, reference.to_owned());
        if let Some(vpc) = members.structure("VPC")? {
            let (id, region) = (vpc.required("VPCId")?, vpc.required("VPCRegion")?);
            zone.vpc = Some(Vpc { id: id.to_owned(), region: region.to_owned() });
        }
        if let Some(config) = members.structure("HostedZoneConfig")? {
            zone.comment = config.text("Comment")?.map(str::to_owned);
            if config.boolean("PrivateZone")? == Some(true) && zone.vpc.is_none() {
                return Err(members.invalid("A private hosted zone needs a VPC"));
            }
        }
        let (delegation, vpc) = zone.detail();
        let described = zone.to_json();
        self.zones.insert(zone.id.clone(), zone);
        let info = self.submit(None, dice, now);
        Ok(json!({ "HostedZone": described, "ChangeInfo": info, "DelegationSet": delegation, "VPC": vpc }))
    }

    pub(super) fn get_zone(&self, members: &Members<'_>) -> Answer {
        let zone = self.zone(members.required("Id")?)?;
        let (delegation, vpc) = zone.detail();
        let vpcs = if vpc.is_null() { Value::Null } else { Value::Array(vec![vpc]) };
        Ok(json!({ "HostedZone": zone.to_json(), "DelegationSet": delegation, "VPCs": vpcs }))
    }

    pub(super) fn delete_zone(&mut self, members: &Members<'_>, dice: &mut Dice, now: Timestamp) -> Answer {
        let zone = self.zone(members.required("Id")?)?;
        let own = |record: &RecordSet| record.name == zone.name && matches!(record.kind.as_str(), "SOA" | "NS");
        if !zone.records.values().all(own) {
            return Err(ApiError::bad_request(
                "HostedZoneNotEmpty",
                "The specified hosted zone contains non-required resource record sets and so cannot be deleted.",
            ));
        }
        let id = zone.id.clone();
        self.zones.remove(&id);
        self.tags.remove(&("hostedzone".to_owned(), id));
        Ok(json!({ "ChangeInfo": self.submit(None, dice, now) }))
    }

    pub(super) fn list_zones(&self, members: &Members<'_>) -> Answer {
        let limit = page_size(members, LARGEST_PAGE)?;
        let marker = members.text("Marker")?;
        let mut following = self.zones.range(bare(marker.unwrap_or_default()).to_owned()..).map(|(_, zone)| zone);
        let page: Vec<Value> = following.by_ref().take(limit).map(Zone::to_json).collect();
        let next = following.next();
        Ok(json!({
            "HostedZones": page,
            "Marker": marker,
            "IsTruncated": next.is_some(),
            "NextMarker": next.map(|zone| zone.id.as_str()),
            "MaxItems": limit.to_string(),
        }))
    }

    pub(super) fn list_zones_by_name(&self, members: &Members<'_>) -> Answer {
        let limit = page_size(members, LARGEST_PAGE)?;
        let (name, id) = (members.text("DNSName")?, members.text("HostedZoneId")?);
        if id.is_some() && name.is_none() {
            return Err(members.invalid("Invalid request: HostedZoneId needs DNSName"));
        }
        let start = match name {
            Some(name) => {
                let name = canonical(name)
                    .map_err(|problem| ApiError::bad_request("InvalidDomainName", problem.to_string()))?;
                (order(&name), bare(id.unwrap_or_default()))
            }
            None => (String::new(), ""),
        };
        let mut sorted: Vec<&Zone> = self.zones.values().collect();
        sorted.sort_by_cached_key(|zone| (order(&zone.name), zone.id.clone()));
        let mut following = sorted.into_iter().skip_while(|zone| (order(&zone.name), zone.id.as_str()) < start);
        let page: Vec<Value> = following.by_ref().take(limit).map(Zone::to_json).collect();
        let next = following.next();
        Ok(json!({
            "HostedZones": page,
            "DNSName": name,
            "HostedZoneId": id,
            "IsTruncated": next.is_some(),
            "NextDNSName": next.map(|zone| zone.name.as_str()),
            "NextHostedZoneId": next.map(|zone| zone.id.as_str()),
            "MaxItems": limit.to_string(),
        }))
    }

    pub(super) fn list_records(&self, members: &Members<'_>) -> Answer {
        records::list(&self.zone(members.required("HostedZoneId")?)?.records, members)
    }

    pub(super) fn change_records(&mut self, members: &Members<'_>, dice: &mut Dice, now: Timestamp) -> Answer {
        let zone = self.zone(members.required("HostedZoneId")?)?;
        let batch = members
            .structure("ChangeBatch")?
            .ok_or_else(|| members.invalid("Invalid request: ChangeBatch is required"))?;
        let comment = batch.text("Comment")?.map(str::to_owned);
        let target = Target {
            zone_id: &zone.id,
            zone_name: &zone.name,
            records: &zone.records,
            checks: self.checks.keys().map(String::as_str).collect(),
        };
        let records = changed(&target, &batch)?;
        let id = zone.id.clone();
        if let Some(zone) = self.zones.get_mut(&id) {
            zone.records = records;
        }
        Ok(json!({ "ChangeInfo": self.submit(comment, dice, now) }))
    }
}

/// A zone id without its `/hostedzone/`.
pub(super) fn bare(id: &str) -> &str {
    id.trim_start_matches('/').trim_start_matches("hostedzone/")
}
