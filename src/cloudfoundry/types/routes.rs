//! Routes: how apps are reached.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Metadata, Relationships, or_default};

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Route {
    /// Its guid.
    pub guid: Arc<str>,
    /// `http` or `tcp`.
    #[serde(default, deserialize_with = "or_default")]
    pub protocol: Arc<str>,
    /// The part before the domain.
    #[serde(default, deserialize_with = "or_default")]
    pub host: Arc<str>,
    /// With a slash before it, or empty.
    #[serde(default, deserialize_with = "or_default")]
    pub path: Arc<str>,
    /// Of a TCP route.
    #[serde(default)]
    pub port: Option<u16>,
    /// Host, domain, port and path.
    pub url: Arc<str>,
    /// Which processes it leads to.
    pub destinations: Vec<Destination>,
    /// How requests are shared out; a number or a text each.
    #[serde(default, deserialize_with = "or_default")]
    pub options: BTreeMap<Arc<str>, serde_json::Value>,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// What people wrote onto it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Its space and domain.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
}

/// One process that a route leads to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Destination {
    /// Its guid.
    #[serde(default)]
    pub guid: Option<Arc<str>>,
    /// Which app.
    pub app: DestinationApp,
    /// The port in the container.
    #[serde(default)]
    pub port: Option<u16>,
    /// `http1`, `http2` or `tcp`.
    #[serde(default)]
    pub protocol: Option<Arc<str>>,
    /// When it was mapped, since API 3.198.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When it was changed, since API 3.198.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

/// The app that a route leads to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DestinationApp {
    /// Its guid.
    pub guid: Arc<str>,
    /// Which of its processes; `web` without one.
    #[serde(default)]
    pub process: Option<ProcessType>,
}

/// The type of a process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProcessType {
    /// `web`, or another name.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Domain {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Whether only apps reach it.
    #[serde(default, deserialize_with = "or_default")]
    pub internal: bool,
    /// `http` or `tcp`.
    #[serde(default, deserialize_with = "or_default")]
    pub supported_protocols: Vec<Arc<str>>,
    /// The organisation of a private domain.
    #[serde(default, deserialize_with = "or_default")]
    pub relationships: Relationships,
}
