//! What a foundation answers, as far as moored reads it.
//!
//! Decides what an answer must hold: what tells things apart and what is always there is required,
//! so that half an answer is malformed and not another thing; the rest may be missing or `null`,
//! and words that newer platforms add are kept as they are. Nothing here has a place for a secret:
//! credentials, commands and the values of variables are not taken in at all. Pure; built by
//! [`super::read`] and [`super::pages`], read by the scopes.

mod apps;
mod platform;
mod routes;
mod services;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

pub use apps::{
    App, Checksum, Deployment, DeploymentDetails, DeploymentStatus, Droplet, DropletBuildpack, HealthCheck,
    HealthCheckData, Instance, InstanceStats, Lifecycle, LifecycleData, Process, Stats,
};
pub use platform::{
    AuditEvent, Buildpack, EnvironmentGroup, Info, Link, LinkMeta, Links, Organization, Party, RateLimits, Root, Space,
    Stack,
};
pub use routes::{Destination, DestinationApp, Domain, ProcessType, Route};
pub use services::{Binding, MaintenanceInfo, ServiceInstance, ServiceOffering, ServicePlan};

/// What people wrote onto a thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// Labels.
    #[serde(default, deserialize_with = "or_default")]
    pub labels: BTreeMap<Arc<str>, Option<Arc<str>>>,
    /// Annotations.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<Arc<str>, Option<Arc<str>>>,
}

/// The guids of the things that a thing belongs to or refers to; which of them it has is up to its
/// type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Relationships {
    /// The app of a process, a binding, a droplet, a deployment.
    #[serde(deserialize_with = "related")]
    pub app: Option<Arc<str>>,
    /// What an app runs.
    #[serde(deserialize_with = "related")]
    pub current_droplet: Option<Arc<str>>,
    /// The domain of a route.
    #[serde(deserialize_with = "related")]
    pub domain: Option<Arc<str>>,
    /// The organisation of a space, or of a private domain.
    #[serde(deserialize_with = "related")]
    pub organization: Option<Arc<str>>,
    /// The quota of an organisation or a space.
    #[serde(deserialize_with = "related")]
    pub quota: Option<Arc<str>>,
    /// The revision that a process runs.
    #[serde(deserialize_with = "related")]
    pub revision: Option<Arc<str>>,
    /// The instance of a binding.
    #[serde(deserialize_with = "related")]
    pub service_instance: Option<Arc<str>>,
    /// The offering of a plan.
    #[serde(deserialize_with = "related")]
    pub service_offering: Option<Arc<str>>,
    /// The plan of a managed service instance.
    #[serde(deserialize_with = "related")]
    pub service_plan: Option<Arc<str>>,
    /// The space of an app, a route, a service instance.
    #[serde(deserialize_with = "related")]
    pub space: Option<Arc<str>>,
}

/// What was last done to a service instance or a binding, and how far it got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LastOperation {
    /// `create`, `update` or `delete`.
    #[serde(rename = "type")]
    pub kind: Option<Arc<str>>,
    /// `initial`, `in progress`, `succeeded` or `failed`.
    #[serde(deserialize_with = "or_default")]
    pub state: Arc<str>,
    /// The broker's words.
    pub description: Option<Arc<str>>,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// When it got so far.
    pub updated_at: Option<Timestamp>,
}

/// `null` is as good as nothing.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The guid in `{"data": {"guid": …}}`, where every part can be missing.
fn related<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    #[derive(Deserialize)]
    struct ToOne {
        #[serde(default)]
        data: Option<Named>,
    }
    let to_one = Option::<ToOne>::deserialize(deserializer)?;
    Ok(to_one.and_then(|to_one| to_one.data).and_then(|named| named.guid))
}

/// The guid in `{"guid": …}`, where every part can be missing.
fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    Ok(Option::<Named>::deserialize(deserializer)?.and_then(|named| named.guid))
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    guid: Option<Arc<str>>,
}
