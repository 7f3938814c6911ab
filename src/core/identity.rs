//! Names of things: the scope that is read as a whole, and one object inside it.
//!
//! Decides how physical identity is spelled. Keys are physical (account, region, thing), so two
//! environments that share a cluster or a zone read it once. Everything else uses these names.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What kind of scope a key names: one folder below `src/scopes/` each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// The buildpacks of one Cloud Foundry foundation, and which applications it runs.
    CfFoundation,
    /// The applications, service instances and bindings of one Cloud Foundry organisation.
    CfOrganization,
    /// The services of one ECS cluster.
    EcsCluster,
    /// The health checks of one account.
    HealthChecks,
    /// The records of one Route 53 hosted zone.
    HostedZone,
    /// One address that is asked over HTTP.
    HttpProbe,
    /// The load balancers and target groups of one account and region.
    LoadBalancers,
    /// The items of one DynamoDB table.
    Table,
}

impl ScopeKind {
    /// Every kind of scope, in the order of their names.
    pub const ALL: [Self; 8] = [
        Self::CfFoundation,
        Self::CfOrganization,
        Self::EcsCluster,
        Self::HealthChecks,
        Self::HostedZone,
        Self::HttpProbe,
        Self::LoadBalancers,
        Self::Table,
    ];

    /// The name used in keys, metrics and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CfFoundation => "cf_foundation",
            Self::CfOrganization => "cf_organization",
            Self::EcsCluster => "ecs_cluster",
            Self::HealthChecks => "health_checks",
            Self::HostedZone => "hosted_zone",
            Self::HttpProbe => "http_probe",
            Self::LoadBalancers => "load_balancers",
            Self::Table => "table",
        }
    }
}

/// The physical key of a scope, printed as `kind/account/region/thing`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeKey {
    /// What is read.
    pub kind: ScopeKind,
    /// Twelve digits; of Cloud Foundry, or of a probe, the host.
    pub account: Arc<str>,
    /// The AWS region, or `global`; `cf` of Cloud Foundry, `http` of a probe.
    pub region: Arc<str>,
    /// Cluster, zone, table or organisation name, or a probe's address; empty where account and
    /// region say it all.
    pub thing: Arc<str>,
}

impl ScopeKey {
    /// A key from its parts.
    pub fn new(kind: ScopeKind, account: &str, region: &str, thing: &str) -> Self {
        Self { kind, account: account.into(), region: region.into(), thing: thing.into() }
    }

    /// Reads what `Display` wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '/');
        let kind = parts.next()?;
        let kind = ScopeKind::ALL.into_iter().find(|candidate| candidate.as_str() == kind)?;
        let (account, region) = (parts.next()?, parts.next()?);
        Some(Self::new(kind, account, region, parts.next().unwrap_or_default()))
    }
}

impl fmt::Display for ScopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind.as_str(), self.account, self.region)?;
        if !self.thing.is_empty() {
            write!(f, "/{}", self.thing)?;
        }
        Ok(())
    }
}

impl Serialize for ScopeKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no scope key")))
    }
}

/// How a thing is found among the live things of its kind in one scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Select {
    /// By the scope's own key: service name, `name|TYPE|set`, item key, check id, balancer name.
    Key(Arc<str>),
    /// By full ARN: this incarnation and no other.
    Arn(Arc<str>),
    /// By another name that may not be unique (`callerReference:x`, `tagName:x`): two are Unknown.
    Alias(Arc<str>),
    /// The thing that this record of a zone refers to.
    /// Boxed: few are found like this, and every other way would be as large.
    ReferencedBy(Box<(ScopeKey, Arc<str>)>),
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(text) | Self::Arn(text) | Self::Alias(text) => f.write_str(text),
            Self::ReferencedBy(record) => write!(f, "the one that {} in {} refers to", record.1, record.0),
        }
    }
}

/// A scope's own key (`name|TYPE|set`) as a person says it.
pub fn spoken(key: &str) -> String {
    key.replace('|', " ").trim_end().to_owned()
}

/// One thing that somebody wants to know about in a scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask {
    /// The kind's name, such as `EcsService`.
    pub kind: &'static str,
    /// Which one.
    pub select: Select,
}

impl Ask {
    /// The question about the thing that has this key.
    pub fn of(key: &ObjectKey) -> Self {
        Self { kind: key.kind, select: Select::Key(key.key.clone()) }
    }
}

/// A live object's name inside its scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The kind's name.
    pub kind: &'static str,
    /// The scope's own key for it.
    pub key: Arc<str>,
}

impl ObjectKey {
    /// A key from its parts.
    pub fn new(kind: &'static str, key: &str) -> Self {
        Self { kind, key: key.into() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_key_is_read_back_as_it_was_written() {
        for text in
            ["ecs_cluster/111122223333/eu-west-1/wonderland", "health_checks/1/global", "hosted_zone/1/global/a/b"]
        {
            assert_eq!(ScopeKey::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ScopeKey::parse("volumes/1/eu-west-1"), None);
    }
}
