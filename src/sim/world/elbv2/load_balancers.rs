//! Load balancers and their attributes.
//!
//! Decides when a load balancer exists, is active, and may be deleted. Called by [`super::apply`].

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Elbv2, is_name, kind_of, page};
use crate::sim::world::members::{Dice, HEX, Members, iso};
use crate::sim::world::{Answer, ApiError, Caller};

/// Most names or ARNs in one describe call.
const MOST_NAMED: usize = 20;
/// How long a new load balancer is `provisioning`.
const PROVISIONING: SignedDuration = SignedDuration::from_secs(60);
/// The one VPC of every simulated region.
const VPC: &str = "vpc-0a1b2c3d4e5f60718";
/// The attribute that forbids deletion.
const DELETION_PROTECTION: &str = "deletion_protection.enabled";

/// Attributes of every load balancer, with their defaults.
const COMMON_ATTRIBUTES: [(&str, &str); 4] = [
    (DELETION_PROTECTION, "false"),
    ("access_logs.s3.enabled", "false"),
    ("access_logs.s3.bucket", ""),
    ("access_logs.s3.prefix", ""),
];
const APPLICATION_ATTRIBUTES: [(&str, &str); 10] = [
    ("load_balancing.cross_zone.enabled", "true"),
    ("idle_timeout.timeout_seconds", "60"),
    ("client_keep_alive.seconds", "3600"),
    ("routing.http2.enabled", "true"),
    ("routing.http.drop_invalid_header_fields.enabled", "false"),
    ("routing.http.preserve_host_header.enabled", "false"),
    ("routing.http.xff_client_port.enabled", "false"),
    ("routing.http.xff_header_processing.mode", "append"),
    ("routing.http.desync_mitigation_mode", "defensive"),
    ("waf.fail_open.enabled", "false"),
];
const NETWORK_ATTRIBUTES: [(&str, &str); 1] = [("load_balancing.cross_zone.enabled", "false")];

/// One incarnation of a load balancer.
#[derive(Debug, Clone)]
pub struct LoadBalancer {
    /// Unique to this incarnation.
    pub arn: String,
    /// Unique while it lives, in its account and region.
    pub name: String,
    /// What records point to.
    pub dns_name: String,
    /// `application` or `network`.
    pub kind: String,
    pub(super) created: Timestamp,
    pub(super) active_from: Timestamp,
    pub(super) settings: Settings,
    attributes: BTreeMap<String, String>,
    region: String,
}

/// What a second CreateLoadBalancer of the same name must repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    scheme: String,
    subnets: Vec<String>,
    security_groups: Vec<String>,
    ip_address_type: String,
}

impl LoadBalancer {
    fn to_json(&self, now: Timestamp) -> Value {
        let zones: Vec<Value> = ('a'..='z')
            .zip(&self.settings.subnets)
            .map(|(letter, subnet)| json!({ "ZoneName": format!("{}{letter}", self.region), "SubnetId": subnet }))
            .collect();
        json!({
            "LoadBalancerArn": self.arn,
            "DNSName": self.dns_name,
            "CanonicalHostedZoneId": canonical_zone(&self.region, &self.kind),
            "CreatedTime": iso(self.created),
            "LoadBalancerName": self.name,
            "Scheme": self.settings.scheme,
            "VpcId": VPC,
            "State": { "Code": if now >= self.active_from { "active" } else { "provisioning" } },
            "Type": self.kind,
            "AvailabilityZones": zones,
            "SecurityGroups": self.settings.security_groups,
            "IpAddressType": self.settings.ip_address_type,
        })
    }

    fn attributes(&self) -> Value {
        let attributes: Vec<Value> =
            self.attributes.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        json!({ "Attributes": attributes })
    }

    fn is_protected(&self) -> bool {
        self.attributes.get(DELETION_PROTECTION).is_some_and(|value| value == "true")
    }
}

impl Elbv2 {
    pub(super) fn create_load_balancer(
        &mut self,
        members: &Members<'_>,
        caller: &Caller,
        dice: &mut Dice,
        now: Timestamp,
    ) -> Answer {
        members.only(&[
            "Name",
            "Subnets",
            "SubnetMappings",
            "SecurityGroups",
            "Scheme",
            "Tags",
            "Type",
            "IpAddressType",
        ])?;
        let name = members.required("Name")?;
        if !is_name(name) || name.starts_with("internal-") {
            return Err(members.invalid(format!("The load balancer name '{name}' is not valid")));
        }
        let kind = members.text("Type")?.unwrap_or("application");
        if !matches!(kind, "application" | "network") {
            return Err(members.invalid(format!("The load balancer type '{kind}' is not simulated")));
        }
        let settings = read_settings(members, kind)?;
        let tags = super::tags::read(members)?;
        if let Some(existing) = self.load_balancer_named(name) {
            return if existing.settings == settings && existing.kind == kind {
                Ok(json!({ "LoadBalancers": [existing.to_json(now)] }))
            } else {
                Err(ApiError::bad_request(
                    "DuplicateLoadBalancerName",
                    format!("A load balancer with the same name '{name}' exists, but with different settings"),
                ))
            };
        }

        let (account, region) = (&caller.account, &caller.region);
        let suffix = dice.letters(HEX, 16);
        let (short, dns_name) = match kind {
            "network" => ("net", format!("{name}-{suffix}.elb.{region}.amazonaws.com")),
            _ => {
                let prefix = if settings.scheme == "internal" { "internal-" } else { "" };
                let number = format!("1{}", dice.letters("0123456789", 9));
                ("app", format!("{prefix}{name}-{number}.{region}.elb.amazonaws.com"))
            }
        };
        let own: &[(&str, &str)] = if kind == "network" { &NETWORK_ATTRIBUTES } else { &APPLICATION_ATTRIBUTES };
        let balancer = LoadBalancer {
            arn: format!("arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/{short}/{name}/{suffix}"),
            name: name.to_owned(),
            dns_name,
            kind: kind.to_owned(),
            created: now,
            active_from: now.checked_add(PROVISIONING).unwrap_or(Timestamp::MAX),
            settings,
            attributes: COMMON_ATTRIBUTES
                .iter()
                .chain(own)
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            region: region.clone(),
        };
        let described = balancer.to_json(now);
        self.tags.insert(balancer.arn.clone(), tags);
        self.load_balancers.insert(balancer.arn.clone(), balancer);
        Ok(json!({ "LoadBalancers": [described] }))
    }

    pub(super) fn describe_load_balancers(&self, members: &Members<'_>, now: Timestamp) -> Answer {
        let arns = members.texts("LoadBalancerArns")?;
        let names = members.texts("Names")?;
        if !arns.is_empty() && !names.is_empty() {
            return Err(members.invalid("Load balancer names and ARNs cannot be specified together"));
        }
        if arns.len() > MOST_NAMED || names.len() > MOST_NAMED {
            return Err(members.invalid(format!("At most {MOST_NAMED} load balancers can be described by name or ARN")));
        }
        if let Some(arn) = arns.iter().find(|arn| kind_of(arn) != Some("loadbalancer")) {
            return Err(members.invalid(format!("'{arn}' is not a valid load balancer ARN")));
        }
        let unknown = arns
            .iter()
            .filter(|arn| !self.load_balancers.contains_key(**arn))
            .chain(names.iter().filter(|name| self.load_balancer_named(name).is_none()))
            .copied()
            .collect::<Vec<&str>>();
        if !unknown.is_empty() {
            return Err(not_found(&unknown.join(", ")));
        }
        let chosen = self.load_balancers.iter().filter(|(arn, balancer)| {
            (arns.is_empty() || arns.contains(&arn.as_str()))
                && (names.is_empty() || names.contains(&balancer.name.as_str()))
        });
        let (shown, next) = page(chosen, members)?;
        let shown: Vec<Value> = shown.into_iter().map(|balancer| balancer.to_json(now)).collect();
        Ok(json!({ "LoadBalancers": shown, "NextMarker": next }))
    }

    pub(super) fn describe_attributes(&self, members: &Members<'_>) -> Answer {
        let arn = members.required("LoadBalancerArn")?;
        Ok(self.load_balancers.get(arn).ok_or_else(|| not_found(arn))?.attributes())
    }

    pub(super) fn modify_attributes(&mut self, members: &Members<'_>) -> Answer {
        let arn = members.required("LoadBalancerArn")?;
        let balancer = self.load_balancers.get_mut(arn).ok_or_else(|| not_found(arn))?;
        let mut attributes = balancer.attributes.clone();
        let given = members.structures("Attributes")?;
        if given.is_empty() {
            return Err(members.invalid("Attributes is required"));
        }
        for attribute in given {
            let (key, value) = (attribute.required("Key")?, attribute.text("Value")?.unwrap_or_default());
            let Some(current) = attributes.get_mut(key) else {
                return Err(bad_attribute(format!("Load balancer attribute key '{key}' is not recognized")));
            };
            if !is_attribute_value(key, value) {
                return Err(bad_attribute(format!("The value '{value}' is not valid for the attribute '{key}'")));
            }
            value.clone_into(current);
        }
        balancer.attributes = attributes;
        Ok(balancer.attributes())
    }

    pub(super) fn delete_load_balancer(&mut self, members: &Members<'_>) -> Answer {
        let arn = members.required("LoadBalancerArn")?;
        if kind_of(arn) != Some("loadbalancer") {
            return Err(members.invalid(format!("'{arn}' is not a valid load balancer ARN")));
        }
        if self.load_balancers.get(arn).is_some_and(LoadBalancer::is_protected) {
            return Err(ApiError::bad_request(
                "OperationNotPermitted",
                format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled"),
            ));
        }
        // Deleting what is not there succeeds, and looks the same.
        self.load_balancers.remove(arn);
        self.tags.remove(arn);
        self.remove_listeners_of(arn);
        Ok(json!({}))
    }
}

fn read_settings(members: &Members<'_>, kind: &str) -> Result<Settings, ApiError> {
    let mut subnets: Vec<String> = members.texts("Subnets")?.into_iter().map(str::to_owned).collect();
    for mapping in members.structures("SubnetMappings")? {
        subnets.push(mapping.required("SubnetId")?.to_owned());
    }
    let least = if kind == "application" { 2 } else { 1 };
    if subnets.len() < least {
        return Err(members.invalid("At least two subnets in two different Availability Zones must be specified"));
    }
    let scheme = members.text("Scheme")?.unwrap_or("internet-facing");
    if !matches!(scheme, "internet-facing" | "internal") {
        return Err(members.invalid(format!("The scheme '{scheme}' is not valid")));
    }
    let ip_address_type = members.text("IpAddressType")?.unwrap_or("ipv4");
    if !matches!(ip_address_type, "ipv4" | "dualstack") {
        return Err(members.invalid(format!("The IP address type '{ip_address_type}' is not valid")));
    }
    Ok(Settings {
        scheme: scheme.to_owned(),
        subnets,
        security_groups: members.texts("SecurityGroups")?.into_iter().map(str::to_owned).collect(),
        ip_address_type: ip_address_type.to_owned(),
    })
}

fn is_attribute_value(key: &str, value: &str) -> bool {
    let number_in = |least: u32, most: u32| value.parse::<u32>().is_ok_and(|number| (least..=most).contains(&number));
    match key {
        "idle_timeout.timeout_seconds" => number_in(1, 4_000),
        "client_keep_alive.seconds" => number_in(60, 604_800),
        "routing.http.xff_header_processing.mode" => matches!(value, "append" | "preserve" | "remove"),
        "routing.http.desync_mitigation_mode" => matches!(value, "monitor" | "defensive" | "strictest"),
        flag if flag.ends_with(".enabled") => matches!(value, "true" | "false"),
        _ => true,
    }
}

/// The zone that alias records to a load balancer of this region name.
fn canonical_zone(region: &str, kind: &str) -> &'static str {
    match (region, kind) {
        ("eu-west-1", "network") => "Z2IFOLAFXWLO4F",
        ("eu-west-1", _) => "Z32O12XQLNTSW2",
        ("eu-central-1", "network") => "Z3F0SRJ5LGBH90",
        ("eu-central-1", _) => "Z215JYRZR1TBD5",
        ("us-east-1", "network") => "Z26RNL4JYFTOTI",
        ("us-east-1", _) => "Z35SXDOTRQ7X7K",
        (_, "network") => "ZSIMULATEDNETWORK",
        _ => "ZSIMULATEDAPPLICATION",
    }
}

pub(super) fn not_found(what: &str) -> ApiError {
    ApiError::bad_request("LoadBalancerNotFound", format!("Load balancers '[{what}]' not found"))
}

fn bad_attribute(message: String) -> ApiError {
    ApiError::bad_request("InvalidConfigurationRequest", message)
}
