//! Target groups, their targets and the targets' health.
//!
//! Decides when a group may go and what its health checks report. Never probes anything: a target
//! becomes healthy after a while unless a scenario says otherwise. Called by [`super::apply`].

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Elbv2, is_name, page};
use crate::sim::world::members::{Dice, HEX, Members};
use crate::sim::world::{Answer, ApiError, Caller};

/// How long the first health checks of a target take.
const FIRST_CHECKS: SignedDuration = SignedDuration::from_secs(60);
/// How long a deregistered target drains: the default deregistration delay.
const DRAINING: SignedDuration = SignedDuration::from_secs(300);

/// What the health checks of a target group find about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetHealth {
    /// It answers as it should.
    Healthy,
    /// It does not answer, or not as it should.
    Unhealthy,
}

/// One target group.
#[derive(Debug, Clone)]
pub(super) struct TargetGroup {
    pub(super) arn: String,
    pub(super) name: String,
    settings: Settings,
    /// By id and port.
    targets: BTreeMap<(String, i64), Target>,
}

/// What a second CreateTargetGroup of the same name must repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    protocol: String,
    port: i64,
    vpc: String,
    target_type: String,
    check_protocol: String,
    check_port: String,
    check_path: Option<String>,
    check_codes: Option<String>,
    check_enabled: bool,
    interval: i64,
    timeout: i64,
    healthy_threshold: i64,
    unhealthy_threshold: i64,
}

#[derive(Debug, Clone)]
struct Target {
    registered: Timestamp,
    /// What a scenario said; without a word the target becomes healthy by itself.
    health: Option<TargetHealth>,
    draining_since: Option<Timestamp>,
}

impl TargetGroup {
    fn to_json(&self, load_balancers: &[&str]) -> Value {
        let settings = &self.settings;
        json!({
            "TargetGroupArn": self.arn,
            "TargetGroupName": self.name,
            "Protocol": settings.protocol,
            "ProtocolVersion": settings.protocol.starts_with("HTTP").then_some("HTTP1"),
            "Port": settings.port,
            "VpcId": settings.vpc,
            "HealthCheckProtocol": settings.check_protocol,
            "HealthCheckPort": settings.check_port,
            "HealthCheckEnabled": settings.check_enabled,
            "HealthCheckIntervalSeconds": settings.interval,
            "HealthCheckTimeoutSeconds": settings.timeout,
            "HealthyThresholdCount": settings.healthy_threshold,
            "UnhealthyThresholdCount": settings.unhealthy_threshold,
            "HealthCheckPath": settings.check_path,
            "Matcher": settings.check_codes.as_ref().map(|codes| json!({ "HttpCode": codes })),
            "LoadBalancerArns": load_balancers,
            "TargetType": settings.target_type,
            "IpAddressType": "ipv4",
        })
    }

    pub(super) fn set_health(&mut self, id: &str, health: TargetHealth) -> bool {
        let mut found = false;
        for ((other, _), target) in &mut self.targets {
            if other == id {
                target.health = Some(health);
                found = true;
            }
        }
        found
    }

    /// The ids and ports that a request names.
    fn named(&self, members: &Members<'_>) -> Result<Vec<(String, i64)>, ApiError> {
        let mut named = Vec::new();
        for target in members.structures("Targets")? {
            let id = target.required("Id")?;
            let fits = match self.settings.target_type.as_str() {
                "ip" => id.parse::<IpAddr>().is_ok(),
                _ => id.starts_with("i-"),
            };
            if !fits {
                return Err(ApiError::bad_request(
                    "InvalidTarget",
                    format!("'{id}' is no target of type {}", self.settings.target_type),
                ));
            }
            let port = target.integer("Port", 1..=65_535)?.unwrap_or(self.settings.port);
            named.push((id.to_owned(), port));
        }
        Ok(named)
    }
}

impl Target {
    fn has_left(&self, now: Timestamp) -> bool {
        self.draining_since.is_some_and(|since| now.duration_since(since) >= DRAINING)
    }

    fn state(&self, in_use: bool, now: Timestamp) -> Value {
        let checked = now.duration_since(self.registered) >= FIRST_CHECKS;
        let (state, reason, description) = match self.health {
            _ if !in_use => ("unused", "Target.NotInUse", "Target group is not configured to receive traffic"),
            _ if self.draining_since.is_some() => {
                ("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
            }
            Some(TargetHealth::Unhealthy) => ("unhealthy", "Target.FailedHealthChecks", "Health checks failed"),
            Some(TargetHealth::Healthy) => return json!({ "State": "healthy" }),
            None if checked => return json!({ "State": "healthy" }),
            None => ("initial", "Elb.RegistrationInProgress", "Target registration is in progress"),
        };
        json!({ "State": state, "Reason": reason, "Description": description })
    }
}

impl Elbv2 {
    pub(super) fn create_target_group(&mut self, members: &Members<'_>, caller: &Caller, dice: &mut Dice) -> Answer {
        let name = members.required("Name")?;
        if !is_name(name) {
            return Err(members.invalid(format!("The target group name '{name}' is not valid")));
        }
        let settings = read_settings(members)?;
        let tags = super::tags::read(members)?;
        if let Some(existing) = self.target_groups.values().find(|group| group.name == name) {
            return if existing.settings == settings {
                Ok(json!({ "TargetGroups": [existing.to_json(&self.balancers_of(&existing.arn))] }))
            } else {
                Err(ApiError::bad_request(
                    "DuplicateTargetGroupName",
                    format!("A target group with the same name '{name}' exists, but with different settings"),
                ))
            };
        }
        let (account, region) = (&caller.account, &caller.region);
        let suffix = dice.letters(HEX, 16);
        let group = TargetGroup {
            arn: format!("arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{suffix}"),
            name: name.to_owned(),
            settings,
            targets: BTreeMap::new(),
        };
        let described = group.to_json(&[]);
        self.tags.insert(group.arn.clone(), tags);
        self.target_groups.insert(group.arn.clone(), group);
        Ok(json!({ "TargetGroups": [described] }))
    }

    pub(super) fn describe_target_groups(&self, members: &Members<'_>) -> Answer {
        let arns = members.texts("TargetGroupArns")?;
        let names = members.texts("Names")?;
        let balancer = members.text("LoadBalancerArn")?;
        let ways = [!arns.is_empty(), !names.is_empty(), balancer.is_some()];
        if ways.iter().filter(|given| **given).count() > 1 {
            return Err(members.invalid("Only one of LoadBalancerArn, TargetGroupArns and Names can be specified"));
        }
        if let Some(arn) = balancer
            && !self.load_balancers.contains_key(arn)
        {
            return Err(super::load_balancers::not_found(arn));
        }
        let all_there = arns.iter().all(|arn| self.target_groups.contains_key(*arn))
            && names.iter().all(|name| self.target_group_named(name).is_some());
        if !all_there {
            return Err(not_found());
        }
        let chosen = self.target_groups.iter().filter(|(arn, group)| {
            (arns.is_empty() || arns.contains(&arn.as_str()))
                && (names.is_empty() || names.contains(&group.name.as_str()))
                && balancer.is_none_or(|balancer| self.balancers_of(arn).contains(&balancer))
        });
        let (shown, next) = page(chosen, members)?;
        let shown: Vec<Value> = shown.into_iter().map(|group| group.to_json(&self.balancers_of(&group.arn))).collect();
        Ok(json!({ "TargetGroups": shown, "NextMarker": next }))
    }

    pub(super) fn delete_target_group(&mut self, members: &Members<'_>) -> Answer {
        let arn = members.required("TargetGroupArn")?;
        if !self.balancers_of(arn).is_empty() {
            return Err(ApiError::bad_request(
                "ResourceInUse",
                format!("Target group '{arn}' is currently in use by a listener or a rule"),
            ));
        }
        self.target_groups.remove(arn);
        self.tags.remove(arn);
        Ok(json!({}))
    }

    pub(super) fn register_targets(&mut self, members: &Members<'_>, now: Timestamp) -> Answer {
        let group = self.target_groups.get_mut(members.required("TargetGroupArn")?).ok_or_else(not_found)?;
        for key in group.named(members)? {
            let registered = group.targets.get(&key).filter(|target| target.draining_since.is_none());
            if registered.is_none() {
                group.targets.insert(key, Target { registered: now, health: None, draining_since: None });
            }
        }
        Ok(json!({}))
    }

    /// Deregistering what is not registered succeeds.
    pub(super) fn deregister_targets(&mut self, members: &Members<'_>, now: Timestamp) -> Answer {
        let arn = members.required("TargetGroupArn")?;
        let in_use = !self.balancers_of(arn).is_empty();
        let group = self.target_groups.get_mut(arn).ok_or_else(not_found)?;
        for key in group.named(members)? {
            if !in_use {
                group.targets.remove(&key);
            } else if let Some(target) = group.targets.get_mut(&key) {
                target.draining_since = target.draining_since.or(Some(now));
            }
        }
        Ok(json!({}))
    }

    pub(super) fn describe_target_health(&self, members: &Members<'_>, now: Timestamp) -> Answer {
        let arn = members.required("TargetGroupArn")?;
        let group = self.target_groups.get(arn).ok_or_else(not_found)?;
        let in_use = !self.balancers_of(arn).is_empty();
        let mut asked = group.named(members)?;
        if asked.is_empty() {
            let there = group.targets.iter().filter(|(_, target)| !target.has_left(now));
            asked = there.map(|(key, _)| key.clone()).collect();
        }
        let descriptions: Vec<Value> = asked
            .iter()
            .map(|key| {
                let health = match group.targets.get(key).filter(|target| !target.has_left(now)) {
                    Some(target) => target.state(in_use, now),
                    None => json!({
                        "State": "unused",
                        "Reason": "Target.NotRegistered",
                        "Description": "Target is not registered to the target group",
                    }),
                };
                let (id, port) = key;
                json!({
                    "Target": { "Id": id, "Port": port },
                    "HealthCheckPort": port.to_string(),
                    "TargetHealth": health,
                })
            })
            .collect();
        Ok(json!({ "TargetHealthDescriptions": descriptions }))
    }
}

fn read_settings(members: &Members<'_>) -> Result<Settings, ApiError> {
    let protocol = members.required("Protocol")?.to_owned();
    if !matches!(protocol.as_str(), "HTTP" | "HTTPS" | "TCP" | "TLS" | "UDP" | "TCP_UDP") {
        return Err(members.invalid(format!("The protocol '{protocol}' is not simulated")));
    }
    let target_type = members.text("TargetType")?.unwrap_or("instance");
    if !matches!(target_type, "instance" | "ip") {
        return Err(members.invalid(format!("The target type '{target_type}' is not simulated")));
    }
    let is_http = protocol.starts_with("HTTP");
    let check_protocol =
        members.text("HealthCheckProtocol")?.unwrap_or(if is_http { "HTTP" } else { "TCP" }).to_owned();
    let checks_http = check_protocol.starts_with("HTTP");
    let http = |member: Option<&str>, default: &str| checks_http.then(|| member.unwrap_or(default).to_owned());
    let codes = members.structure("Matcher")?.map(|matcher| matcher.required("HttpCode")).transpose()?;
    let settings = Settings {
        port: members.integer("Port", 1..=65_535)?.ok_or_else(|| members.invalid("Port is required"))?,
        vpc: members.required("VpcId")?.to_owned(),
        target_type: target_type.to_owned(),
        check_port: members.text("HealthCheckPort")?.unwrap_or("traffic-port").to_owned(),
        check_path: http(members.text("HealthCheckPath")?, "/"),
        check_codes: http(codes, "200"),
        check_enabled: members.boolean("HealthCheckEnabled")?.unwrap_or(true),
        interval: members.integer("HealthCheckIntervalSeconds", 5..=300)?.unwrap_or(30),
        timeout: members.integer("HealthCheckTimeoutSeconds", 2..=120)?.unwrap_or(if is_http { 5 } else { 10 }),
        healthy_threshold: members.integer("HealthyThresholdCount", 2..=10)?.unwrap_or(5),
        unhealthy_threshold: members.integer("UnhealthyThresholdCount", 2..=10)?.unwrap_or(2),
        protocol,
        check_protocol,
    };
    if settings.timeout >= settings.interval {
        return Err(members.invalid("Health check timeout must be smaller than the interval"));
    }
    Ok(settings)
}

pub(super) fn not_found() -> ApiError {
    ApiError::bad_request("TargetGroupNotFound", "One or more target groups not found")
}
