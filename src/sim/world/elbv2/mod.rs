//! The simulated Elastic Load Balancing v2: load balancers, target groups, listeners, targets, tags.
//!
//! Decides, per account and region, what each operation answers. Never kinder than the real one:
//! deletion protection holds, an unknown name fails the whole call, and every incarnation has an
//! ARN of its own. Called by [`super::apply`]; scenarios also use the methods of [`Elbv2`].

mod listeners;
mod load_balancers;
mod tags;
mod target_groups;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::load_balancers::LoadBalancer;
pub use self::target_groups::TargetHealth;

use self::listeners::Listener;
use self::target_groups::TargetGroup;
use super::members::{Dice, Members};
use super::{Answer, ApiError, Caller, Request, World};

/// Everything one account has in one region, by ARN.
#[derive(Debug, Clone, Default)]
pub struct Elbv2 {
    load_balancers: BTreeMap<String, LoadBalancer>,
    target_groups: BTreeMap<String, TargetGroup>,
    listeners: BTreeMap<String, Listener>,
    tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// Answers one ELBv2 request.
pub fn apply(world: &mut World, caller: &Caller, request: &Request, now: Timestamp, seed: u64) -> Answer {
    let operation = request.operation.as_str();
    // Only what makes a new ARN moves the counter, so one read more does not change later ids.
    let serial = if operation.starts_with("Create") { world.next_serial() } else { world.serial };
    let dice = &mut Dice::new(seed, serial);
    let members = &Members::new(&request.input, "ValidationError");
    let place = world.elbv2.entry((caller.account.clone(), caller.region.clone())).or_default();
    match operation {
        "CreateLoadBalancer" => place.create_load_balancer(members, caller, dice, now),
        "DescribeLoadBalancers" => place.describe_load_balancers(members, now),
        "DescribeLoadBalancerAttributes" => place.describe_attributes(members),
        "ModifyLoadBalancerAttributes" => place.modify_attributes(members),
        "DeleteLoadBalancer" => place.delete_load_balancer(members),
        "CreateTargetGroup" => place.create_target_group(members, caller, dice),
        "DescribeTargetGroups" => place.describe_target_groups(members),
        "DeleteTargetGroup" => place.delete_target_group(members),
        "RegisterTargets" => place.register_targets(members, now),
        "DeregisterTargets" => place.deregister_targets(members, now),
        "DescribeTargetHealth" => place.describe_target_health(members, now),
        "CreateListener" => place.create_listener(members, dice),
        "DescribeListeners" => place.describe_listeners(members),
        "DescribeRules" => place.describe_rules(members),
        "DeleteListener" => place.delete_listener(members),
        "AddTags" => place.add_tags(members),
        "RemoveTags" => place.remove_tags(members),
        "DescribeTags" => place.describe_tags(members),
        other => Err(ApiError::bad_request(
            "InvalidAction",
            format!("Could not find operation {other} for version 2015-12-01"),
        )),
    }
}

impl Elbv2 {
    /// The load balancer of this name.
    pub fn load_balancer_named(&self, name: &str) -> Option<&LoadBalancer> {
        self.load_balancers.values().find(|balancer| balancer.name == name)
    }

    /// The ARN of the target group of this name.
    pub fn target_group_named(&self, name: &str) -> Option<&str> {
        self.target_groups.values().find(|group| group.name == name).map(|group| group.arn.as_str())
    }

    /// Ends the provisioning of a load balancer; false if there is none with this ARN.
    pub fn activate(&mut self, arn: &str) -> bool {
        match self.load_balancers.get_mut(arn) {
            Some(balancer) => {
                balancer.active_from = balancer.created;
                true
            }
            None => false,
        }
    }

    /// Gives a load balancer this DNS name instead of the one that was drawn, so that manifests can
    /// name it before it is made; false if there is none with this ARN.
    pub fn set_dns_name(&mut self, arn: &str, dns_name: &str) -> bool {
        match self.load_balancers.get_mut(arn) {
            Some(balancer) => {
                dns_name.clone_into(&mut balancer.dns_name);
                true
            }
            None => false,
        }
    }

    /// Says what the health checks of a group find about a target, on all its ports, from now on;
    /// false if no such target is registered.
    pub fn set_target_health(&mut self, group_arn: &str, target: &str, health: TargetHealth) -> bool {
        self.target_groups.get_mut(group_arn).is_some_and(|group| group.set_health(target, health))
    }

    /// The error for an ARN (of any kind) behind which there is nothing.
    fn require(&self, members: &Members<'_>, arn: &str) -> Result<(), ApiError> {
        if self.load_balancers.contains_key(arn)
            || self.target_groups.contains_key(arn)
            || self.listeners.contains_key(arn)
        {
            return Ok(());
        }
        let (code, noun) = match kind_of(arn) {
            Some("loadbalancer") => ("LoadBalancerNotFound", "Load balancer"),
            Some("targetgroup") => ("TargetGroupNotFound", "Target group"),
            Some("listener") => ("ListenerNotFound", "Listener"),
            _ => return Err(members.invalid(format!("'{arn}' is not a valid ARN"))),
        };
        Err(ApiError::bad_request(code, format!("{noun} '{arn}' not found")))
    }
}

/// What kind of thing an ELBv2 ARN names.
fn kind_of(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let is_ours = parts.next() == Some("arn") && parts.nth(1) == Some("elasticloadbalancing");
    let (kind, _) = parts.nth(2)?.split_once('/')?;
    is_ours.then_some(kind)
}

/// A name of a load balancer or target group: AWS puts it into DNS.
fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// One page of things in the order of their ARNs. The marker is the ARN that comes next, so a
/// deletion between two pages loses nothing.
fn page<'a, T>(
    things: impl Iterator<Item = (&'a String, &'a T)>,
    members: &Members<'_>,
) -> Result<(Vec<&'a T>, Option<String>), ApiError> {
    let size = members.integer("PageSize", 1..=400)?.unwrap_or(400);
    let size = usize::try_from(size).unwrap_or(400);
    let marker = members.text("Marker")?.unwrap_or_default();
    let mut following = things.filter(|(arn, _)| arn.as_str() >= marker);
    let shown = following.by_ref().take(size).map(|(_, thing)| thing).collect();
    Ok((shown, following.next().map(|(arn, _)| arn.clone())))
}
