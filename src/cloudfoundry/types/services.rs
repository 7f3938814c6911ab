//! Services: instances, what they are instances of, and what is bound to them. Credentials,
//! parameters and the addresses of drains and dashboards, which may hold some, are not taken in.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::{LastOperation, Metadata, Relationships, or_default};

/// A service instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServiceInstance {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name, in which case matters.
    pub name: Arc<str>,
    /// `managed` or `user-provided`.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// What apps look for.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<Arc<str>>,
    /// What was last done to it.
    #[serde(default)]
    pub last_operation: Option<LastOperation>,
    /// Whether its plan has a newer version.
    #[serde(default)]
    pub upgrade_available: Option<bool>,
    /// The version of its plan.
    #[serde(default, deserialize_with = "or_default")]
    pub maintenance_info: MaintenanceInfo,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// What people wrote onto it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Its space, and the plan of a managed one.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
}

/// The version of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MaintenanceInfo {
    /// The version.
    pub version: Option<Arc<str>>,
}

/// A binding of an app, or a key. What stands in the list need not be in force: see the last
/// operation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Binding {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name, if it has one.
    #[serde(default)]
    pub name: Option<Arc<str>>,
    /// `app` or `key`.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// What was last done to it.
    #[serde(default)]
    pub last_operation: Option<LastOperation>,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When its credentials were changed; labels do not count.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// What people wrote onto it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Its app and service instance.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
}

/// A plan, as far as a list of instances includes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServicePlan {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its offering.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
}

/// An offering, as far as a list of instances includes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServiceOffering {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}
