//! The platform itself: where it is, what it offers to all apps, and who did what on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::{Metadata, Relationships, named, or_default};

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Root {
    /// By what is there.
    pub links: Links,
}

/// The addresses of the platform's parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Links {
    /// The API.
    pub cloud_controller_v3: Option<Link>,
    /// Where people sign in.
    pub login: Option<Link>,
    /// Where clients sign in, if not there.
    pub uaa: Option<Link>,
}

/// One address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Link {
    /// The address.
    #[serde(deserialize_with = "or_default")]
    pub href: String,
    /// What is known of it.
    #[serde(deserialize_with = "or_default")]
    pub meta: LinkMeta,
}

/// What is known of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LinkMeta {
    /// Such as `3.188.0`.
    pub version: Option<String>,
}

impl Link {
    /// The version in numbers, with zeros for what is not said: the oldest that there can be.
    pub fn version(&self) -> (u32, u32, u32) {
        let version = self.meta.version.as_deref().unwrap_or_default();
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
        let mut next = || numbers.next().unwrap_or_default();
        (next(), next(), next())
    }
}

/// What the platform says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Info {
    /// The operator's name for it.
    #[serde(deserialize_with = "or_default")]
    pub name: Arc<str>,
    /// Of the service broker API.
    pub osbapi_version: Option<Arc<str>>,
    /// How often it may be asked, since API 3.200.
    pub rate_limits: Option<RateLimits>,
}

/// How often the platform may be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RateLimits {
    /// Whether anything is limited.
    pub enabled: bool,
    /// Calls in a period.
    pub general_limit: Option<u64>,
    /// The period.
    pub reset_interval_in_minutes: Option<u64>,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Organization {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name, in which case does not matter.
    pub name: Arc<str>,
    /// Whether nobody may change anything in it.
    #[serde(default, deserialize_with = "or_default")]
    pub suspended: bool,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// What people wrote onto it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Its quota.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
}

/// A space.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Space {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name, in which case does not matter.
    pub name: Arc<str>,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// What people wrote onto it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Its organisation and quota.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
}

/// A buildpack of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Buildpack {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name, which is one of its own only together with stack and lifecycle.
    pub name: Arc<str>,
    /// The stack it is for; any stack without one.
    #[serde(default)]
    pub stack: Option<Arc<str>>,
    /// `AWAITING_UPLOAD` or `READY`.
    #[serde(default, deserialize_with = "or_default")]
    pub state: Arc<str>,
    /// The file that was uploaded, whose name tells the version.
    #[serde(default)]
    pub filename: Option<Arc<str>>,
    /// From 1, within its lifecycle.
    pub position: u32,
    /// `buildpack` or `cnb`, on platforms that tell.
    #[serde(default)]
    pub lifecycle: Option<Arc<str>>,
    /// Whether apps are staged with it.
    pub enabled: bool,
    /// Whether it is protected from uploads.
    pub locked: bool,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// What people wrote onto it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// A root file system that apps run on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stack {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `ACTIVE`, `RESTRICTED`, `DEPRECATED` or `DISABLED`, on platforms that tell.
    #[serde(default)]
    pub state: Option<Arc<str>>,
    /// Why it is in that state.
    #[serde(default)]
    pub state_reason: Option<Arc<str>>,
    /// Whether apps that name no stack run on it.
    #[serde(default, deserialize_with = "or_default")]
    pub default: bool,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// Variables that all apps get. Their values are not taken in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EnvironmentGroup {
    /// `running` or `staging`.
    pub name: Arc<str>,
    /// When it was changed; never, without one.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// The names of the variables.
    #[serde(rename = "var", default, deserialize_with = "names")]
    pub names: BTreeSet<Arc<str>>,
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<Arc<str>>, D::Error> {
    let variables = Option::<BTreeMap<Arc<str>, IgnoredAny>>::deserialize(deserializer)?;
    Ok(variables.unwrap_or_default().into_keys().collect())
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AuditEvent {
    /// Its guid.
    pub guid: Arc<str>,
    /// Such as `audit.service_binding.delete`.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// When, to the second.
    pub created_at: Timestamp,
    /// Who did it.
    #[serde(default, deserialize_with = "or_default")]
    pub actor: Party,
    /// To whom.
    #[serde(default, deserialize_with = "or_default")]
    pub target: Party,
    /// Whether it was part of a push, and not done by hand.
    #[serde(rename = "data", default, deserialize_with = "manifest_triggered")]
    pub manifest_triggered: bool,
    /// The space it was done in.
    #[serde(default, deserialize_with = "named")]
    pub space: Option<Arc<str>>,
    /// The organisation it was done in.
    #[serde(default, deserialize_with = "named")]
    pub organization: Option<Arc<str>>,
}

/// Who or what takes part in an event. A target may be gone, its name stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Party {
    /// The guid, or the id of a client.
    #[serde(deserialize_with = "or_default")]
    pub guid: Arc<str>,
    /// Such as `user` or `app`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: Arc<str>,
    /// The name.
    #[serde(deserialize_with = "or_default")]
    pub name: Arc<str>,
}

/// Of all that is told of the request, the one thing that is the same in every event.
fn manifest_triggered<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let data = serde_json::Value::deserialize(deserializer)?;
    Ok(data.get("manifest_triggered").and_then(serde_json::Value::as_bool).unwrap_or_default())
}
