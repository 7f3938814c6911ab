//! Listeners, each with its one default rule.
//!
//! Decides which port of a load balancer goes where, and thereby which target groups are in use.
//! Called by [`super::apply`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Elbv2, load_balancers, page, target_groups};
use crate::sim::world::members::{Dice, HEX, Members};
use crate::sim::world::{Answer, ApiError};

/// The policy that AWS takes for a secure listener without one.
const DEFAULT_POLICY: &str = "ELBSecurityPolicy-2016-08";

/// One listener.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    arn: String,
    load_balancer: String,
    protocol: String,
    port: i64,
    certificates: Vec<String>,
    policy: Option<String>,
    actions: Vec<Value>,
    target_groups: BTreeSet<String>,
}

impl Listener {
    fn to_json(&self) -> Value {
        let certificates: Vec<Value> =
            self.certificates.iter().map(|certificate| json!({ "CertificateArn": certificate })).collect();
        json!({
            "ListenerArn": self.arn,
            "LoadBalancerArn": self.load_balancer,
            "Port": self.port,
            "Protocol": self.protocol,
            "Certificates": certificates,
            "SslPolicy": self.policy,
            "DefaultActions": self.actions,
        })
    }

    fn default_rule(&self) -> Value {
        let suffix = self.arn.rsplit('/').next().unwrap_or_default();
        json!({
            "RuleArn": format!("{}/{suffix}", self.arn.replacen(":listener/", ":listener-rule/", 1)),
            "Priority": "default",
            "Conditions": [],
            "Actions": self.actions,
            "IsDefault": true,
        })
    }
}

impl Elbv2 {
    pub(super) fn create_listener(&mut self, members: &Members<'_>, dice: &mut Dice) -> Answer {
        members.only(&[
            "LoadBalancerArn",
            "Protocol",
            "Port",
            "SslPolicy",
            "Certificates",
            "DefaultActions",
            "Tags",
        ])?;
        let balancer_arn = members.required("LoadBalancerArn")?;
        let balancer = self.load_balancers.get(balancer_arn).ok_or_else(|| load_balancers::not_found(balancer_arn))?;
        let protocol = members.required("Protocol")?;
        let spoken: &[&str] =
            if balancer.kind == "network" { &["TCP", "TLS", "UDP", "TCP_UDP"] } else { &["HTTP", "HTTPS"] };
        if !spoken.contains(&protocol) {
            return Err(members.invalid(format!(
                "Protocol '{protocol}' must be one of {} for a load balancer of type {}",
                spoken.join(", "),
                balancer.kind
            )));
        }
        let port = members.integer("Port", 1..=65_535)?.ok_or_else(|| members.invalid("A listener needs a Port"))?;
        let mut certificates = Vec::new();
        for certificate in members.structures("Certificates")? {
            certificates.push(certificate.required("CertificateArn")?.to_owned());
        }
        let is_secure = matches!(protocol, "HTTPS" | "TLS");
        if is_secure == certificates.is_empty() {
            return Err(members.invalid("A certificate belongs to an HTTPS or TLS listener, and only there"));
        }
        let policy = is_secure.then_some(members.text("SslPolicy")?.unwrap_or(DEFAULT_POLICY).to_owned());
        let (actions, target_groups) = self.read_actions(members)?;
        let taken = |other: &&Listener| other.load_balancer == balancer_arn && other.port == port;
        if let Some(other) = self.listeners.values().find(taken) {
            let is_the_same = other.protocol == protocol
                && other.certificates == certificates
                && other.policy == policy
                && other.actions == actions;
            return if is_the_same {
                Ok(json!({ "Listeners": [other.to_json()] }))
            } else {
                Err(ApiError::bad_request(
                    "DuplicateListener",
                    format!("A listener already exists on port {port} of load balancer '{balancer_arn}'"),
                ))
            };
        }
        for group in &target_groups {
            if self.balancers_of(group).iter().any(|other| *other != balancer_arn) {
                return Err(ApiError::bad_request(
                    "TargetGroupAssociationLimit",
                    format!("Target group '{group}' is already used by another load balancer"),
                ));
            }
        }
        let tags = super::tags::read(members)?;
        let listener = Listener {
            arn: format!("{}/{}", balancer_arn.replacen(":loadbalancer/", ":listener/", 1), dice.letters(HEX, 16)),
            load_balancer: balancer_arn.to_owned(),
            protocol: protocol.to_owned(),
            port,
            certificates,
            policy,
            actions,
            target_groups,
        };
        let described = listener.to_json();
        self.tags.insert(listener.arn.clone(), tags);
        self.listeners.insert(listener.arn.clone(), listener);
        Ok(json!({ "Listeners": [described] }))
    }

    pub(super) fn describe_listeners(&self, members: &Members<'_>) -> Answer {
        let arns = members.texts("ListenerArns")?;
        let balancer = members.text("LoadBalancerArn")?;
        if arns.is_empty() == balancer.is_none() {
            return Err(members.invalid("You must specify either listener ARNs or a load balancer ARN"));
        }
        if let Some(arn) = balancer
            && !self.load_balancers.contains_key(arn)
        {
            return Err(load_balancers::not_found(arn));
        }
        if let Some(arn) = arns.iter().find(|arn| !self.listeners.contains_key(**arn)) {
            return Err(not_found(arn));
        }
        let chosen = self.listeners.iter().filter(|(arn, listener)| {
            balancer.map_or_else(|| arns.contains(&arn.as_str()), |balancer| listener.load_balancer == balancer)
        });
        let (shown, next) = page(chosen, members)?;
        let shown: Vec<Value> = shown.into_iter().map(Listener::to_json).collect();
        Ok(json!({ "Listeners": shown, "NextMarker": next }))
    }

    /// The default rule is the only one that the simulated cloud knows.
    pub(super) fn describe_rules(&self, members: &Members<'_>) -> Answer {
        members.only(&["ListenerArn", "Marker", "PageSize"])?;
        let arn = members.required("ListenerArn")?;
        let listener = self.listeners.get(arn).ok_or_else(|| not_found(arn))?;
        Ok(json!({ "Rules": [listener.default_rule()] }))
    }

    pub(super) fn delete_listener(&mut self, members: &Members<'_>) -> Answer {
        let arn = members.required("ListenerArn")?;
        if self.listeners.remove(arn).is_none() {
            return Err(not_found(arn));
        }
        self.tags.remove(arn);
        Ok(json!({}))
    }

    /// The load balancers whose listeners forward to a target group.
    pub(super) fn balancers_of(&self, target_group: &str) -> Vec<&str> {
        let users: BTreeSet<&str> = self
            .listeners
            .values()
            .filter(|listener| listener.target_groups.contains(target_group))
            .map(|listener| listener.load_balancer.as_str())
            .collect();
        users.into_iter().collect()
    }

    pub(super) fn remove_listeners_of(&mut self, load_balancer: &str) {
        let (gone, kept): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.listeners)
            .into_iter()
            .partition(|(_, listener)| listener.load_balancer == load_balancer);
        self.listeners = kept;
        for arn in gone.keys() {
            self.tags.remove(arn);
        }
    }

    /// The default actions as AWS gives them back, and the target groups they use.
    fn read_actions(&self, members: &Members<'_>) -> Result<(Vec<Value>, BTreeSet<String>), ApiError> {
        let given = members.structures("DefaultActions")?;
        if given.is_empty() {
            return Err(members.invalid("A listener needs DefaultActions"));
        }
        let mut actions = Vec::with_capacity(given.len());
        let mut used = BTreeSet::new();
        for action in given {
            let order = action.integer("Order", 1..=50_000)?;
            let kind = action.required("Type")?;
            let described = match kind {
                "forward" => {
                    let weights = self.read_forward(&action)?;
                    used.extend(weights.iter().map(|(group, _)| group.clone()));
                    let only = if let [(group, _)] = weights.as_slice() { Some(group) } else { None };
                    let groups: Vec<Value> = weights
                        .iter()
                        .map(|(group, weight)| json!({ "TargetGroupArn": group, "Weight": weight }))
                        .collect();
                    json!({
                        "Type": kind,
                        "Order": order,
                        "TargetGroupArn": only,
                        "ForwardConfig": {
                            "TargetGroups": groups,
                            "TargetGroupStickinessConfig": { "Enabled": false },
                        },
                    })
                }
                "redirect" => {
                    let config = action.structure("RedirectConfig")?.ok_or_else(|| missing(&action, kind))?;
                    json!({
                        "Type": kind,
                        "Order": order,
                        "RedirectConfig": {
                            "Protocol": config.text("Protocol")?.unwrap_or("#{protocol}"),
                            "Port": config.text("Port")?.unwrap_or("#{port}"),
                            "Host": config.text("Host")?.unwrap_or("#{host}"),
                            "Path": config.text("Path")?.unwrap_or("/#{path}"),
                            "Query": config.text("Query")?.unwrap_or("#{query}"),
                            "StatusCode": config.required("StatusCode")?,
                        },
                    })
                }
                "fixed-response" => {
                    let config = action.structure("FixedResponseConfig")?.ok_or_else(|| missing(&action, kind))?;
                    json!({
                        "Type": kind,
                        "Order": order,
                        "FixedResponseConfig": {
                            "MessageBody": config.text("MessageBody")?,
                            "StatusCode": config.required("StatusCode")?,
                            "ContentType": config.text("ContentType")?,
                        },
                    })
                }
                other => return Err(action.invalid(format!("The action type '{other}' is not simulated"))),
            };
            actions.push(described);
        }
        Ok((actions, used))
    }

    /// The target groups of a forward action with their weights.
    fn read_forward(&self, action: &Members<'_>) -> Result<Vec<(String, i64)>, ApiError> {
        let mut weights = Vec::new();
        if let Some(forward) = action.structure("ForwardConfig")? {
            for group in forward.structures("TargetGroups")? {
                let weight = group.integer("Weight", 0..=999)?.unwrap_or(1);
                weights.push((group.required("TargetGroupArn")?.to_owned(), weight));
            }
        } else if let Some(group) = action.text("TargetGroupArn")? {
            weights.push((group.to_owned(), 1));
        }
        if weights.is_empty() {
            return Err(missing(action, "forward"));
        }
        if weights.iter().any(|(group, _)| !self.target_groups.contains_key(group)) {
            return Err(target_groups::not_found());
        }
        Ok(weights)
    }
}

fn missing(action: &Members<'_>, kind: &str) -> ApiError {
    action.invalid(format!("An action of type '{kind}' needs its configuration"))
}

fn not_found(arn: &str) -> ApiError {
    ApiError::bad_request("ListenerNotFound", format!("One or more listeners not found: '{arn}'"))
}
