//! Clusters: made, described, listed and deleted.
//!
//! Decides which cluster a reference means and whether it is there. A deleted cluster is INACTIVE for
//! a while. [`super::apply`] calls it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Answer, ApiError, Caller, Ecs, EcsService, INVALID, ServiceStatus, Typed};
use super::{arn, is_name, missing, page, resource_of};

/// AWS says only that an INACTIVE cluster remains discoverable for a time.
const PURGED_AFTER: SignedDuration = SignedDuration::from_hours(1);

#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) arn: String,
    name: String,
    deleted_at: Option<Timestamp>,
    pub(super) services: BTreeMap<String, EcsService>,
}

impl Cluster {
    fn new(caller: &Caller, name: &str) -> Self {
        Self { arn: arn(caller, "cluster", name), name: name.to_owned(), deleted_at: None, services: BTreeMap::new() }
    }

    pub(super) fn is_purged(&self, now: Timestamp) -> bool {
        self.deleted_at.is_some_and(|deleted| now.duration_since(deleted) >= PURGED_AFTER)
    }

    fn describe(&self, now: Timestamp) -> Value {
        let running: u64 = self.services.values().map(|service| service.running_count(now)).sum();
        let pending: u64 = self.services.values().map(|service| service.pending_count(now)).sum();
        let active = self.services.values().filter(|service| service.status(now) == Some(ServiceStatus::Active));
        json!({
            "clusterArn": self.arn,
            "clusterName": self.name,
            "status": if self.deleted_at.is_none() { "ACTIVE" } else { "INACTIVE" },
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": running,
            "pendingTasksCount": pending,
            "activeServicesCount": active.count(),
            "statistics": [],
            "tags": [],
            "settings": [],
            "capacityProviders": [],
            "defaultCapacityProviderStrategy": [],
        })
    }
}

impl Ecs {
    /// Makes a cluster, or revives a deleted one; an ACTIVE one stays as it is.
    pub(super) fn put_cluster(&mut self, caller: &Caller, name: &str) -> &mut Cluster {
        let cluster = self.clusters.entry(name.to_owned()).or_insert_with(|| Cluster::new(caller, name));
        if cluster.deleted_at.is_some() {
            *cluster = Cluster::new(caller, name);
        }
        cluster
    }

    pub(super) fn create_cluster(&mut self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        let name = input.text("clusterName")?.unwrap_or("default");
        if !is_name(name) {
            return Err(input.invalid("The specified cluster name is invalid."));
        }
        Ok(json!({ "cluster": self.put_cluster(caller, name).describe(now) }))
    }

    pub(super) fn delete_cluster(&mut self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        input.required("cluster")?;
        let cluster = self.live_cluster(caller, input)?;
        if cluster.services.values().any(|service| service.status(now) != Some(ServiceStatus::Inactive)) {
            return Err(ApiError::bad_request(
                "ClusterContainsServicesException",
                "The Cluster cannot be deleted while Services are active.",
            ));
        }
        cluster.deleted_at = Some(now);
        Ok(json!({ "cluster": cluster.describe(now) }))
    }

    pub(super) fn describe_clusters(&self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        let mut references = input.texts("clusters")?;
        if references.len() > 100 {
            return Err(input.invalid("Clusters cannot have more than 100 elements."));
        }
        if references.is_empty() {
            references.push("default");
        }
        let (mut clusters, mut failures) = (Vec::new(), Vec::new());
        for reference in references {
            let name = cluster_name(caller, reference)?;
            match self.clusters.get(name) {
                Some(cluster) => clusters.push(cluster.describe(now)),
                None => failures.push(missing(&arn(caller, "cluster", name))),
            }
        }
        Ok(json!({ "clusters": clusters, "failures": failures }))
    }

    pub(super) fn list_clusters(&self, input: Typed<'_>) -> Answer {
        let active = self.clusters.values().filter(|cluster| cluster.deleted_at.is_none());
        let entries: Vec<_> = active.map(|cluster| (cluster.name.clone(), cluster.arn.clone())).collect();
        page(&entries, input, 100, "clusterArns")
    }

    /// The ACTIVE cluster that the `cluster` member names; `default` when it is absent.
    pub(super) fn live_cluster(&mut self, caller: &Caller, input: Typed<'_>) -> Result<&mut Cluster, ApiError> {
        let name = cluster_name(caller, input.text("cluster")?.unwrap_or("default"))?;
        let not_found = |message: &str| ApiError::bad_request("ClusterNotFoundException", message);
        match self.clusters.get_mut(name) {
            None => Err(not_found("Cluster not found.")),
            Some(cluster) if cluster.deleted_at.is_some() => Err(not_found("The referenced cluster was inactive.")),
            Some(cluster) => Ok(cluster),
        }
    }
}

fn cluster_name<'a>(caller: &Caller, reference: &'a str) -> Result<&'a str, ApiError> {
    match resource_of(caller, reference)? {
        None => Ok(reference),
        Some(resource) => resource
            .strip_prefix("cluster/")
            .ok_or_else(|| ApiError::bad_request(INVALID, format!("Invalid identifier: {reference}"))),
    }
}
