//! Scopes: what one set of list calls reads as a whole. The only code that names an SDK client or
//! what Cloud Foundry answers.
//!
//! Decides which calls a reading takes and what its answers say; never what drifted. The engine
//! owns one [`Reader`] per key, runs it never twice at once, and throws it away after a panic. A
//! new scope is one folder with a `read.rs` and one line in [`open`].

pub mod cf_foundation;
pub mod cf_organization;
pub mod detail;
pub mod ecs_cluster;
pub mod health_checks;
pub mod hosted_zone;
pub mod http_probe;
pub mod load_balancers;
pub mod pages;
pub mod table;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::aws::allow_list::{self, Operation};
use crate::aws::read::ReadContext;
use crate::cloudfoundry;
use crate::cloudfoundry::allow_list::{self as cf, Resource};
use crate::core::asks::Asks;
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::core::observation::{Failure, Reading, Reason};
use crate::probe::ProbeContext;

/// A reading under way.
pub type ReadFuture<'a> = Pin<Box<dyn Future<Output = Result<Reading, Failure>> + Send + 'a>>;

/// The reader of one scope, with what it keeps between readings (immutable facts, detail ages).
pub trait Scope: Send {
    /// Reads the scope once. `Err` when nothing of it can be believed.
    fn read<'a>(&'a mut self, context: &'a ReadContext, asks: &'a Asks) -> ReadFuture<'a>;

    /// How often it wants to be read, when the budgets allow (the resync interval unless the scope
    /// costs its owner money).
    fn interval(&self, resync: Duration) -> Duration {
        resync
    }
}

/// A reader, by what it reads with.
pub enum Reader {
    /// Of an AWS account.
    Aws(Box<dyn Scope>),
    /// Of a Cloud Foundry organisation.
    CfOrganization(Box<cf_organization::CfOrganization>),
    /// Of a whole foundation.
    CfFoundation(Box<cf_foundation::CfFoundation>),
    /// Of what anybody is told over HTTP.
    HttpProbe(Box<http_probe::HttpProbe>),
}

/// What a reading asks with.
pub enum Context {
    /// An account's clients.
    Aws(ReadContext),
    /// A foundation's session.
    CloudFoundry(cloudfoundry::read::ReadContext),
    /// Nobody's credentials.
    Anybody(ProbeContext),
}

/// A reader for this key.
pub fn open(key: &ScopeKey) -> Reader {
    match key.kind {
        ScopeKind::CfFoundation => Reader::CfFoundation(Box::new(cf_foundation::CfFoundation::new(key))),
        ScopeKind::CfOrganization => Reader::CfOrganization(Box::new(cf_organization::CfOrganization::new(key))),
        ScopeKind::EcsCluster => Reader::Aws(Box::new(ecs_cluster::EcsCluster::new(key))),
        ScopeKind::HealthChecks => Reader::Aws(Box::new(health_checks::HealthChecks::new(key))),
        ScopeKind::HostedZone => Reader::Aws(Box::new(hosted_zone::HostedZone::new(key))),
        ScopeKind::HttpProbe => Reader::HttpProbe(Box::new(http_probe::HttpProbe::new(key))),
        ScopeKind::LoadBalancers => Reader::Aws(Box::new(load_balancers::LoadBalancers::new(key))),
        ScopeKind::Table => Reader::Aws(Box::new(table::Table::new(key))),
    }
}

impl Reader {
    /// Reads the scope once. `Err` when nothing of it can be believed.
    pub async fn read(&mut self, context: &Context, asks: &Asks) -> Result<Reading, Failure> {
        match (self, context) {
            (Self::Aws(scope), Context::Aws(context)) => scope.read(context, asks).await,
            (Self::CfOrganization(scope), Context::CloudFoundry(context)) => scope.read(context, asks).await,
            (Self::CfFoundation(scope), Context::CloudFoundry(context)) => scope.read(context, asks).await,
            (Self::HttpProbe(scope), Context::Anybody(context)) => scope.read(context, asks).await,
            _ => Err(Failure::new(
                Reason::IdentityUnverified,
                "moored meant to read this with credentials of another kind: it is a bug, please report it",
            )),
        }
    }

    /// How often it wants to be read, when the budgets allow.
    pub fn interval(&self, resync: Duration) -> Duration {
        match self {
            Self::Aws(scope) => scope.interval(resync),
            Self::CfOrganization(_) | Self::CfFoundation(_) | Self::HttpProbe(_) => resync,
        }
    }
}

/// What a scope is read by, as `show` names it: actions of IAM, or paths of Cloud Foundry's API.
pub fn calls(kind: ScopeKind) -> Vec<&'static str> {
    let resources: &[&Resource] = match kind {
        ScopeKind::CfFoundation => &[&cf::ORGANIZATIONS, &cf::SPACES, &cf::APPS, &cf::BUILDPACKS, &cf::AUDIT_EVENTS],
        ScopeKind::CfOrganization => &[
            &cf::ORGANIZATIONS,
            &cf::SPACES,
            &cf::APPS,
            &cf::PROCESSES,
            &cf::SERVICE_CREDENTIAL_BINDINGS,
            &cf::SERVICE_INSTANCES,
            &cf::ROUTES,
            &cf::BUILDPACKS,
            &cf::STACKS,
            &cf::DEPLOYMENTS,
            &cf::DROPLETS,
            &cf::RUNNING_ENVIRONMENT,
            &cf::AUDIT_EVENTS,
            &cf::APP_MANIFEST,
        ],
        ScopeKind::HttpProbe => return vec!["GET"],
        _ => return operations(kind).iter().map(|operation| operation.iam).collect(),
    };
    resources.iter().map(|resource| resource.name).collect()
}

/// The AWS operations that reading a scope may take, which `iam observe` grants.
pub fn operations(kind: ScopeKind) -> &'static [&'static Operation] {
    match kind {
        // No AWS calls: what Cloud Foundry is asked stands in `cloudfoundry::allow_list`.
        ScopeKind::CfFoundation | ScopeKind::CfOrganization | ScopeKind::HttpProbe => &[],
        ScopeKind::EcsCluster => &[
            &allow_list::ECS_DESCRIBE_CLUSTERS,
            &allow_list::ECS_LIST_SERVICES,
            &allow_list::ECS_DESCRIBE_SERVICES,
            &allow_list::ECS_DESCRIBE_TASK_DEFINITION,
        ],
        ScopeKind::HealthChecks => &[
            &allow_list::ROUTE53_LIST_HEALTH_CHECKS,
            &allow_list::ROUTE53_GET_HEALTH_CHECK_COUNT,
            &allow_list::ROUTE53_GET_HEALTH_CHECK,
            &allow_list::ROUTE53_GET_HEALTH_CHECK_STATUS,
            &allow_list::ROUTE53_LIST_TAGS_FOR_RESOURCES,
        ],
        ScopeKind::HostedZone => &[
            &allow_list::ROUTE53_LIST_HOSTED_ZONES_BY_NAME,
            &allow_list::ROUTE53_GET_HOSTED_ZONE,
            &allow_list::ROUTE53_LIST_RESOURCE_RECORD_SETS,
        ],
        ScopeKind::LoadBalancers => &[
            &allow_list::ELBV2_DESCRIBE_LOAD_BALANCERS,
            &allow_list::ELBV2_DESCRIBE_TARGET_GROUPS,
            &allow_list::ELBV2_DESCRIBE_LISTENERS,
            &allow_list::ELBV2_DESCRIBE_LOAD_BALANCER_ATTRIBUTES,
            &allow_list::ELBV2_DESCRIBE_TAGS,
            &allow_list::ELBV2_DESCRIBE_TARGET_HEALTH,
        ],
        ScopeKind::Table => &[
            &allow_list::DYNAMODB_DESCRIBE_TABLE,
            &allow_list::DYNAMODB_GET_ITEM,
            &allow_list::DYNAMODB_BATCH_GET_ITEM,
            &allow_list::DYNAMODB_SCAN,
        ],
    }
}

#[cfg(test)]
mod tests;
