//! The calls that a reading of a cluster is made of.
//!
//! Decides when an answer is complete: every page of a list, and for every name that was asked an
//! answer about it. What is not complete is a failure, never a shorter answer. The orchestration
//! is [`super::EcsCluster`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_ecs::operation::describe_services::DescribeServicesOutput;
use aws_sdk_ecs::types::{Cluster as SdkCluster, Service, ServiceField, TaskDefinitionStatus};

use super::observed;
use crate::aws::allow_list;
use crate::aws::read::{CallFailure, ReadContext};
use crate::core::arn::Arn;
use crate::core::observation::{Failure, Reason};
use crate::kinds::ecs_service::definition::ObservedDefinition;
use crate::kinds::ecs_service::live::{Cluster, Detail, Observed, family_and_revision, incarnation};

/// As many names as DescribeServices takes.
const BATCH: usize = 10;
/// As many services as a page of ListServices holds.
const PAGE: i32 = 100;
/// More pages than the quota of services per cluster (5,000) fills.
const MAX_PAGES: usize = 200;

/// What DescribeServices said about one name.
pub(super) enum Described {
    /// ACTIVE or DRAINING.
    There(Box<Observed>),
    /// INACTIVE, with the incarnation that it was.
    Inactive(Option<Arc<str>>),
    /// MISSING.
    Missing,
    /// Something else, which proves nothing.
    Unclear(Failure),
}

/// Whether tags come with the services.
pub(super) enum Tags {
    /// Nobody wants them.
    NotWanted,
    /// Somebody does.
    Wanted,
    /// The role may not read them.
    Refused(Failure),
}

/// The calls of one reading.
pub(super) struct Calls<'a> {
    /// How to call.
    pub cx: &'a ReadContext,
    /// What to call about.
    pub cluster: &'a Cluster,
}

impl Calls<'_> {
    /// Fails unless the cluster itself is there and ACTIVE: in a cluster that is not, no answer
    /// about a service means anything.
    ///
    /// Says how many services it counts as active, where it says so at all.
    pub async fn require_active_cluster(&self) -> Result<Option<u32>, Failure> {
        let arn = self.cluster.arn();
        let request = self.cx.clients.ecs.describe_clusters().clusters(arn.as_str()).send();
        let answer = self.cx.call(&allow_list::ECS_DESCRIBE_CLUSTERS, request).await?;
        let found = answer.clusters().iter().find(|found| found.cluster_arn() == Some(arn.as_str()));
        match found.and_then(SdkCluster::status) {
            Some("ACTIVE") => Ok(found.and_then(|found| u32::try_from(found.active_services_count()).ok())),
            Some(status) => Err(self.container_missing(&format!("is {status}"))),
            None => match answer.failures().first() {
                Some(failure) => {
                    Err(self.container_missing(&format!("is {}", failure.reason().unwrap_or("not found"))))
                }
                None => Err(Failure::new(Reason::Incomplete, format!("DescribeClusters said nothing about {arn}"))),
            },
        }
    }

    fn container_missing(&self, what: &str) -> Failure {
        let Cluster { account, region, name } = self.cluster;
        let detail = format!(
            "the cluster {name} {what} in account {account} {region}: its services are unknown, not gone; check `cluster` and `account` in the manifests"
        );
        Failure::new(Reason::ContainerMissing, detail)
    }

    /// The names of all services that are not draining.
    pub async fn list(&self) -> Result<BTreeSet<String>, Failure> {
        let cluster = self.cluster.arn();
        let mut names = BTreeSet::new();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let request = self
                .cx
                .clients
                .ecs
                .list_services()
                .cluster(cluster.as_str())
                .max_results(PAGE)
                .set_next_token(token.clone())
                .send();
            let page = self.cx.call(&allow_list::ECS_LIST_SERVICES, request).await?;
            for arn in page.service_arns() {
                names.insert(self.name_of(arn)?);
            }
            match page.next_token.filter(|next| !next.is_empty()) {
                None => return Ok(names),
                Some(next) if !seen.insert(next.clone()) => {
                    let detail = format!("ListServices of {cluster} gave the same page token twice");
                    return Err(Failure::new(Reason::Incomplete, detail));
                }
                Some(next) => token = Some(next),
            }
        }
        let detail = format!("ListServices of {cluster} did not end after {MAX_PAGES} pages");
        Err(Failure::new(Reason::Incomplete, detail))
    }

    /// The name in a service's ARN, of this account, region and cluster. ARNs from before 2018 do
    /// not name the cluster.
    fn name_of(&self, arn: &str) -> Result<String, Failure> {
        let parsed =
            Arn::parse(arn).filter(|arn| arn.account == &*self.cluster.account && arn.region == &*self.cluster.region);
        let parts: Vec<&str> = parsed.map(|arn| arn.resource.split('/').collect()).unwrap_or_default();
        match parts.as_slice() {
            ["service", name] => Ok((*name).to_owned()),
            ["service", cluster, name] if *cluster == &*self.cluster.name => Ok((*name).to_owned()),
            _ => {
                let detail = format!("ListServices of {} named `{arn}`, which is no service of it", self.cluster.arn());
                Err(Failure::new(Reason::Malformed, detail))
            }
        }
    }

    /// Describes services by name, every one of which is then in `described`.
    pub async fn describe(
        &self,
        names: &BTreeSet<String>,
        tags: &mut Tags,
        described: &mut BTreeMap<String, Described>,
    ) -> Result<(), Failure> {
        let names: Vec<String> = names.iter().cloned().collect();
        for batch in names.chunks(BATCH) {
            let answer = self.describe_batch(batch, tags).await?;
            let with_tags = matches!(tags, Tags::Wanted);
            let mut told: BTreeMap<String, Described> = BTreeMap::new();
            for service in answer.services() {
                let (name, what) = self.understand(service, with_tags)?;
                told.insert(name, what);
            }
            for failure in answer.failures() {
                let named = failure.arn().unwrap_or_default();
                let name = named.rsplit('/').next().unwrap_or(named).to_owned();
                let what = match failure.reason() {
                    Some("MISSING") => Described::Missing,
                    reason => Described::Unclear(Failure::new(
                        Reason::Incomplete,
                        format!("DescribeServices says {} about {name}", reason.unwrap_or("nothing")),
                    )),
                };
                told.insert(name, what);
            }
            if let Some(name) = batch.iter().find(|name| !told.contains_key(*name)) {
                let detail = format!("DescribeServices of {} left out {name}", self.cluster.arn());
                return Err(Failure::new(Reason::Incomplete, detail));
            }
            described.extend(told);
        }
        Ok(())
    }

    async fn describe_batch(&self, names: &[String], tags: &mut Tags) -> Result<DescribeServicesOutput, Failure> {
        if matches!(tags, Tags::Wanted) {
            match self.describe_services(names, true).await {
                Err(refused) if refused.failure.reason == Reason::Denied => *tags = Tags::Refused(refused.failure),
                answer => return Ok(answer?),
            }
        }
        Ok(self.describe_services(names, false).await?)
    }

    async fn describe_services(
        &self,
        names: &[String],
        with_tags: bool,
    ) -> Result<DescribeServicesOutput, CallFailure> {
        let request = self
            .cx
            .clients
            .ecs
            .describe_services()
            .cluster(self.cluster.arn())
            .set_services(Some(names.to_vec()))
            .set_include(with_tags.then(|| vec![ServiceField::Tags]))
            .send();
        self.cx.call(&allow_list::ECS_DESCRIBE_SERVICES, request).await
    }

    fn understand(&self, service: &Service, with_tags: bool) -> Result<(String, Described), Failure> {
        let malformed = |what: &str| {
            let detail = format!("DescribeServices of {} answered {what}", self.cluster.arn());
            Failure::new(Reason::Malformed, detail)
        };
        let name = service.service_name().ok_or_else(|| malformed("a service without a name"))?;
        if service.cluster_arn() != Some(self.cluster.arn().as_str()) {
            return Err(malformed(&format!("`{name}` of another cluster")));
        }
        let what = match service.status() {
            Some("ACTIVE" | "DRAINING") => {
                let tags = if with_tags { Detail::Known(observed::tags(service)) } else { Detail::NotAsked };
                Described::There(Box::new(observed::service(service, name, tags)))
            }
            Some("INACTIVE") => Described::Inactive(service.created_at().and_then(observed::moment).map(incarnation)),
            status => {
                let said = format!("the status {} of `{name}`, which moored does not know", status.unwrap_or("(none)"));
                Described::Unclear(malformed(&said))
            }
        };
        Ok((name.to_owned(), what))
    }

    /// One task definition.
    pub async fn definition(&self, arn: &str) -> Result<ObservedDefinition, Failure> {
        let request = self.cx.clients.ecs.describe_task_definition().task_definition(arn).send();
        let answer = self.cx.call(&allow_list::ECS_DESCRIBE_TASK_DEFINITION, request).await?;
        match answer.task_definition() {
            Some(definition) => Ok(observed::definition(definition)),
            None => Err(Failure::new(Reason::Malformed, format!("DescribeTaskDefinition answered without {arn}"))),
        }
    }

    /// Whether a revision (`family:revision`) is registered, so that it could be deployed. ECS has
    /// no code of its own for a revision that it does not know; its ClientException will do, since
    /// no absence is made of this answer.
    pub async fn is_registered(&self, revision: &str) -> Result<bool, Failure> {
        let request = self.cx.clients.ecs.describe_task_definition().task_definition(revision).send();
        let answer = match self.cx.call(&allow_list::ECS_DESCRIBE_TASK_DEFINITION, request).await {
            Ok(answer) => answer,
            Err(call) if call.failure.reason == Reason::Invalid && call.code.as_deref() == Some("ClientException") => {
                return Ok(false);
            }
            Err(call) => return Err(call.into()),
        };
        let definition = answer.task_definition();
        let described = definition.and_then(|definition| family_and_revision(definition.task_definition_arn()?));
        match definition {
            Some(definition) if described == family_and_revision(revision) => {
                Ok(definition.status() == Some(&TaskDefinitionStatus::Active))
            }
            _ => {
                let detail = format!("DescribeTaskDefinition of {revision} answered with something else");
                Err(Failure::new(Reason::Malformed, detail))
            }
        }
    }
}
