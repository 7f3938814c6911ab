//! Apps: what runs, in how many instances, and built from what.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Metadata, Relationships, named, or_default};

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct App {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name, in which case does not matter.
    pub name: Arc<str>,
    /// `STARTED` or `STOPPED`.
    pub state: Arc<str>,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed; labels, starts and stops count.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// How it is staged.
    #[serde(default, deserialize_with = "or_default")]
    pub lifecycle: Lifecycle,
    /// What people wrote onto it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Its space, and since API 3.174 its current droplet.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
}

/// How an app is staged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Lifecycle {
    /// `buildpack`, `cnb` or `docker`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: Arc<str>,
    /// With what.
    #[serde(deserialize_with = "or_default")]
    pub data: LifecycleData,
}

/// With what an app is staged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LifecycleData {
    /// In order; none means that the platform tries its own.
    #[serde(deserialize_with = "or_default")]
    pub buildpacks: Vec<Arc<str>>,
    /// The stack.
    pub stack: Option<Arc<str>>,
}

/// A process of an app. Its command is hidden in lists, and not taken in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Process {
    /// Its guid, which a rolling deployment replaces.
    pub guid: Arc<str>,
    /// `web`, or another name.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// How many are wanted.
    pub instances: u32,
    /// The memory of each.
    #[serde(default)]
    pub memory_in_mb: Option<u64>,
    /// The disk of each.
    #[serde(default)]
    pub disk_in_mb: Option<u64>,
    /// -1 is no limit.
    #[serde(default)]
    pub log_rate_limit_in_bytes_per_second: Option<i64>,
    /// Who runs it in the container.
    #[serde(default)]
    pub user: Option<Arc<str>>,
    /// Changes with every restart, on platforms that tell.
    #[serde(default)]
    pub version: Option<Arc<str>>,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// When it counts as alive.
    #[serde(default)]
    pub health_check: Option<HealthCheck>,
    /// When it gets requests.
    #[serde(default)]
    pub readiness_health_check: Option<HealthCheck>,
    /// Its app and revision.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
    /// The state of each instance, where the query asked for `embed=process_instances`.
    #[serde(default)]
    pub process_instances: Option<Vec<Instance>>,
}

/// A health check, or a readiness check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// `port`, `http` or `process`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: Arc<str>,
    /// How.
    #[serde(deserialize_with = "or_default")]
    pub data: HealthCheckData,
}

/// How health is checked, in seconds; the platform's defaults where nothing stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HealthCheckData {
    /// For an instance to become healthy.
    pub timeout: Option<u64>,
    /// For one check.
    pub invocation_timeout: Option<u64>,
    /// Between two checks.
    pub interval: Option<u64>,
    /// The path of an `http` check.
    pub endpoint: Option<Arc<str>>,
}

/// One instance of a process, as the list embeds it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Instance {
    /// From 0.
    pub index: u32,
    /// `RUNNING`, `CRASHED`, `STARTING`, `STOPPING` or `DOWN`.
    pub state: Arc<str>,
    /// How long it has been in that state, in seconds; unknown of one that is down.
    #[serde(default)]
    pub since: Option<i64>,
    /// Whether it gets requests, on platforms that tell.
    #[serde(default)]
    pub routable: Option<bool>,
}

/// The instances of one process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stats {
    /// By index.
    pub resources: Vec<InstanceStats>,
}

/// One instance of a process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstanceStats {
    /// The type of its process.
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub kind: Arc<str>,
    /// From 0.
    pub index: u32,
    /// `RUNNING`, `CRASHED`, `STARTING`, `STOPPING` or `DOWN`.
    pub state: Arc<str>,
    /// How long it has been in that state, in seconds.
    #[serde(default)]
    pub uptime: Option<i64>,
    /// Whether it gets requests, on platforms that tell.
    #[serde(default)]
    pub routable: Option<bool>,
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Deployment {
    /// Its guid.
    pub guid: Arc<str>,
    /// How far it is.
    pub status: DeploymentStatus,
    /// `rolling`, `recreate` or `canary`.
    #[serde(default)]
    pub strategy: Option<Arc<str>>,
    /// The droplet that it rolls out.
    #[serde(default, deserialize_with = "named")]
    pub droplet: Option<Arc<str>>,
    /// The droplet before.
    #[serde(default, deserialize_with = "named")]
    pub previous_droplet: Option<Arc<str>>,
    /// When it began.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// Its app.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
}

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DeploymentStatus {
    /// `ACTIVE` or `FINALIZED`.
    pub value: Arc<str>,
    /// Such as `DEPLOYING`, `PAUSED`, `DEPLOYED`, `CANCELED`, `SUPERSEDED`.
    #[serde(default)]
    pub reason: Option<Arc<str>>,
    /// Since when.
    #[serde(default, deserialize_with = "or_default")]
    pub details: DeploymentDetails,
}

/// Since when a rollout is so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct DeploymentDetails {
    /// When a new instance last became healthy: it gets on.
    pub last_successful_healthcheck: Option<Timestamp>,
    /// When its status changed.
    pub last_status_change: Option<Timestamp>,
}

/// What staging made. Commands are hidden in lists, and not taken in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Droplet {
    /// Its guid.
    pub guid: Arc<str>,
    /// `STAGED`, `FAILED`, `EXPIRED` and others on the way.
    pub state: Arc<str>,
    /// Why there is none.
    #[serde(default)]
    pub error: Option<Arc<str>>,
    /// How it was staged.
    #[serde(default, deserialize_with = "or_default")]
    pub lifecycle: Lifecycle,
    /// Of its content.
    #[serde(default)]
    pub checksum: Option<Checksum>,
    /// With what it was staged.
    #[serde(default, deserialize_with = "or_default")]
    pub buildpacks: Vec<DropletBuildpack>,
    /// On which stack.
    #[serde(default)]
    pub stack: Option<Arc<str>>,
    /// The image of a docker app.
    #[serde(default)]
    pub image: Option<Arc<str>>,
    /// When it was staged.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// Its app.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
}

/// A checksum.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Checksum {
    /// `sha1` or `sha256`.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// In hexadecimal digits.
    #[serde(default)]
    pub value: Option<Arc<str>>,
}

/// A buildpack as it was when it staged a droplet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DropletBuildpack {
    /// Its name on the platform, or its address.
    pub name: Arc<str>,
    /// Its name for itself.
    #[serde(default)]
    pub buildpack_name: Option<Arc<str>>,
    /// Its version.
    #[serde(default)]
    pub version: Option<Arc<str>>,
}
