//! The simulated Elastic Container Service of one account and region.
//!
//! Decides what clusters, services and task definitions answer, and how time alone changes them: a
//! rollout settles, a deleted service drains, turns INACTIVE and is purged. It never reads a clock
//! and runs no tasks. [`super::apply`] calls it for every request; scenarios and tests put things
//! straight into place through [`of`] and the public methods of [`Ecs`].

mod cluster;
mod service;
mod service_calls;
mod task_definition;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use service::{Controller, EcsService, RolloutState, ServiceStatus};

use super::typed::Typed;
use super::{Answer, ApiError, Caller, Request, World};
use cluster::Cluster;
use task_definition::Family;

/// ECS's code for an input that breaks its rules.
const INVALID: &str = "InvalidParameterException";

/// What ECS holds in one account and region.
#[derive(Debug, Clone, Default)]
pub struct Ecs {
    clusters: BTreeMap<String, Cluster>,
    families: BTreeMap<String, Family>,
    deployments_begun: u64,
}

/// The ECS that a caller speaks to: that of its account and region.
pub fn of<'a>(world: &'a mut World, caller: &Caller) -> &'a mut Ecs {
    world.ecs.entry((caller.account.clone(), caller.region.clone())).or_default()
}

/// Answers one ECS request.
pub fn apply(world: &mut World, caller: &Caller, request: &Request, now: Timestamp, _seed: u64) -> Answer {
    let ecs = of(world, caller);
    ecs.purge(now);
    let input = Typed::new(&request.input, INVALID);
    match request.operation.as_str() {
        "CreateCluster" => ecs.create_cluster(caller, input, now),
        "DeleteCluster" => ecs.delete_cluster(caller, input, now),
        "DescribeClusters" => ecs.describe_clusters(caller, input, now),
        "ListClusters" => ecs.list_clusters(input),
        "CreateService" => ecs.create_service(caller, input, now),
        "UpdateService" => ecs.update_service(caller, input, now),
        "DeleteService" => ecs.delete_service(caller, input, now),
        "DescribeServices" => ecs.describe_services(caller, input, now),
        "ListServices" => ecs.list_services(caller, input, now),
        "RegisterTaskDefinition" => ecs.register_task_definition(caller, input, now),
        "DescribeTaskDefinition" => ecs.describe_task_definition(caller, input),
        "DeregisterTaskDefinition" => ecs.deregister_task_definition(caller, input, now),
        "ListTaskDefinitions" => ecs.list_task_definitions(input),
        other => Err(ApiError::bad_request(
            "UnknownOperationException",
            format!("The simulated ECS does not know the operation {other}."),
        )),
    }
}

impl Ecs {
    /// Forgets the deleted things that AWS would no longer describe.
    fn purge(&mut self, now: Timestamp) {
        self.clusters.retain(|_, cluster| !cluster.is_purged(now));
        for cluster in self.clusters.values_mut() {
            cluster.services.retain(|_, service| service.status(now).is_some());
        }
    }

    /// A service that ECS still describes: ACTIVE, DRAINING or INACTIVE.
    pub fn service(&self, cluster: &str, name: &str) -> Option<&EcsService> {
        self.clusters.get(cluster)?.services.get(name)
    }

    /// The same, to break or repair it behind ECS's back.
    pub fn service_mut(&mut self, cluster: &str, name: &str) -> Option<&mut EcsService> {
        self.clusters.get_mut(cluster)?.services.get_mut(name)
    }

    /// Puts a service into place that has long been running as desired, on the newest revision of a
    /// family. What it needs (cluster, family) is made if it is missing.
    pub fn put_running_service(
        &mut self,
        caller: &Caller,
        cluster: &str,
        name: &str,
        desired: u64,
        family: &str,
        created_at: Timestamp,
    ) -> &mut EcsService {
        let definition = self.newest_or_minimal(caller, family, created_at);
        let number = self.next_deployment();
        let cluster = self.put_cluster(caller, cluster);
        let mut service = EcsService::new(&cluster.arn, &service_arn(&cluster.arn, name), name, created_at);
        service.task_definition = Some(definition);
        service.begin_deployment(number, desired, created_at);
        service.settle_at_once();
        cluster.services.remove(name);
        cluster.services.entry(name.to_owned()).or_insert(service)
    }

    /// Makes this the definition of a new primary task set, all of whose tasks run, as CodeDeploy or
    /// an external controller does. The service's own `taskDefinition` stays as it was.
    pub fn shift_task_set(&mut self, cluster: &str, name: &str, task_definition: &str, now: Timestamp) {
        let number = self.next_deployment();
        if let Some(service) = self.service_mut(cluster, name) {
            service.shift_task_set(task_definition, number, now);
        }
    }

    /// Makes ids of deployments that no two share.
    fn next_deployment(&mut self) -> u64 {
        self.deployments_begun += 1;
        self.deployments_begun
    }
}

/// `arn:aws:ecs:region:account:kind/name`.
fn arn(caller: &Caller, kind: &str, name: &str) -> String {
    format!("arn:aws:ecs:{}:{}:{kind}/{name}", caller.region, caller.account)
}

/// A service's ARN: that of its cluster, with the service's name.
fn service_arn(cluster_arn: &str, name: &str) -> String {
    format!("{}/{name}", cluster_arn.replacen(":cluster/", ":service/", 1))
}

/// The resource part of an ARN of the caller's own account and region; None if it is a plain name.
fn resource_of<'a>(caller: &Caller, reference: &'a str) -> Result<Option<&'a str>, ApiError> {
    if !reference.starts_with("arn:") {
        return Ok(None);
    }
    let mut parts = reference.splitn(6, ':').skip(2);
    let (Some("ecs"), Some(region), Some(account), Some(resource)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(ApiError::bad_request(INVALID, format!("Invalid identifier: {reference}")));
    };
    if account != caller.account {
        let message = format!("Identifier is for {account}. Your accountId is {}", caller.account);
        return Err(ApiError::bad_request(INVALID, message));
    }
    if region != caller.region {
        let message = format!("Identifier is for {region}. The request was sent to {}", caller.region);
        return Err(ApiError::bad_request(INVALID, message));
    }
    Ok(Some(resource))
}

/// Letters, digits, hyphens and underscores, at most 255.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= 255 && name.bytes().all(allowed)
}

/// ECS writes times as seconds since 1970, with a fraction.
fn seconds(at: Timestamp) -> Value {
    json!(at.as_millisecond() as f64 / 1000.0)
}

/// One page of `(sort key, ARN)` pairs, which must be sorted by key. The token names the last key
/// that was served, so that a page stays right when things before it disappear.
fn page(entries: &[(String, String)], input: Typed<'_>, default_size: usize, member: &str) -> Answer {
    let size = match input.count("maxResults")?.map(usize::try_from) {
        None => default_size,
        Some(Ok(size @ 1..=100)) => size,
        Some(_) => return Err(input.invalid("maxResults must be between 1 and 100.")),
    };
    let start = match input.text("nextToken")? {
        None => 0,
        Some(token) => {
            let after = token.strip_prefix("after/").ok_or_else(|| input.invalid("Invalid token."))?;
            entries.partition_point(|(key, _)| key.as_str() <= after)
        }
    };
    let rest = entries.get(start..).unwrap_or_default();
    let served = rest.get(..size).unwrap_or(rest);
    let arns: Vec<&String> = served.iter().map(|(_, arn)| arn).collect();
    let mut output = json!({ member: arns });
    if let (true, Some((last, _))) = (served.len() < rest.len(), served.last()) {
        output["nextToken"] = json!(format!("after/{last}"));
    }
    Ok(output)
}

/// How ECS reports what it could not find.
fn missing(arn: &str) -> Value {
    json!({ "arn": arn, "reason": "MISSING" })
}

#[cfg(test)]
mod tests;
