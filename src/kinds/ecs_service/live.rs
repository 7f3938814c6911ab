//! A live ECS service, spelled the way manifests are compared with.
//!
//! Decides which facts a service has: what ECS leaves out is filled in with its own default, and
//! under the controllers CODE_DEPLOY and EXTERNAL the primary task set speaks for the service. The
//! cluster's reader hands in what it saw as [`Observed`]; this module names no client.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::KIND;
use crate::core::arn::Arn;
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::value::{Fact, Fields, Path, Value};
use crate::kinds::detail;

/// Which declared revisions of the family are registered besides the one in use.
pub const REGISTERED: &str = "taskDefinition.registered";

/// The cluster that a service belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Twelve digits.
    pub account: Arc<str>,
    /// Such as `eu-west-1`.
    pub region: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl Cluster {
    /// The cluster's ARN.
    pub fn arn(&self) -> String {
        format!("arn:{}:ecs:{}:{}:cluster/{}", partition(&self.region), self.region, self.account, self.name)
    }

    /// The ARN of a service in it: the same for every incarnation of the name.
    pub fn service_arn(&self, service: &str) -> String {
        format!("arn:{}:ecs:{}:{}:service/{}/{service}", partition(&self.region), self.region, self.account, self.name)
    }
}

/// The partition that a region lies in.
pub fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// A part of a service that is read only when somebody wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail<T> {
    /// It was read.
    Known(T),
    /// Nobody wanted it.
    NotAsked,
    /// The role may not read it, and never could.
    Unchecked(Arc<str>),
    /// It could not be read this time.
    Unknown(Arc<str>),
}

impl<T> Detail<T> {
    /// The fact that stands for what was not read. What nobody asked for is unknown as well.
    fn gap(&self) -> Option<Fact> {
        match self {
            Self::Known(_) => None,
            Self::NotAsked => Some(detail::not_asked()),
            Self::Unchecked(why) => Some(Fact::Unchecked(why.clone())),
            Self::Unknown(why) => Some(Fact::Unknown(why.clone())),
        }
    }
}

/// What DescribeServices said about one service.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The service's name.
    pub name: String,
    /// `ACTIVE` or `DRAINING`.
    pub status: String,
    /// How many tasks should run.
    pub desired_count: i32,
    /// How many run.
    pub running_count: i32,
    /// How many are starting.
    pub pending_count: i32,
    /// Such as `FARGATE`.
    pub launch_type: Option<String>,
    /// `REPLICA` or `DAEMON`.
    pub scheduling_strategy: Option<String>,
    /// Of Fargate.
    pub platform_version: Option<String>,
    /// `ECS`, `CODE_DEPLOY` or `EXTERNAL`.
    pub controller: Option<String>,
    /// Tells this incarnation from the one before.
    pub created_at: Option<Timestamp>,
    /// The ARN of the service's own task definition.
    pub task_definition: Option<String>,
    /// Deployments of the ECS controller.
    pub deployments: Vec<ObservedDeployment>,
    /// Task sets of the other controllers.
    pub task_sets: Vec<ObservedTaskSet>,
    /// Target groups that it registers with.
    pub load_balancers: Vec<ObservedLoadBalancer>,
    /// Key and value.
    pub tags: Detail<Vec<(String, String)>>,
    /// The facts of the task definition in use.
    pub definition: Detail<Arc<[(Path, Value)]>>,
    /// Which revisions of its family (`family:revision`) are registered, of those that manifests
    /// declare and it does not use; not asked where there is none.
    pub registered: Detail<BTreeSet<Arc<str>>>,
}

/// A deployment of the ECS controller.
#[derive(Debug, Clone)]
pub struct ObservedDeployment {
    /// Whether it is the newest.
    pub primary: bool,
    /// `IN_PROGRESS`, `COMPLETED`, `FAILED`; absent with a classic load balancer.
    pub rollout_state: Option<String>,
    /// Why it is in that state.
    pub rollout_reason: Option<String>,
    /// Tasks that could not be started.
    pub failed_tasks: i32,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// When ECS last touched it.
    pub updated_at: Option<Timestamp>,
}

/// A task set of CodeDeploy or an external controller.
#[derive(Debug, Clone)]
pub struct ObservedTaskSet {
    /// Whether it serves production.
    pub primary: bool,
    /// Its own task definition's ARN.
    pub task_definition: Option<String>,
    /// How many of its tasks should run.
    pub desired_count: i32,
    /// How many run.
    pub running_count: i32,
    /// How many are starting.
    pub pending_count: i32,
    /// Such as `FARGATE`.
    pub launch_type: Option<String>,
    /// Of Fargate.
    pub platform_version: Option<String>,
    /// `STEADY_STATE` or `STABILIZING`.
    pub stability: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When ECS last touched it.
    pub updated_at: Option<Timestamp>,
    /// Target groups that it registers with.
    pub load_balancers: Vec<ObservedLoadBalancer>,
}

/// One registration with a load balancer.
#[derive(Debug, Clone)]
pub struct ObservedLoadBalancer {
    /// The target group.
    pub target_group_arn: Option<String>,
    /// A classic load balancer's name.
    pub name: Option<String>,
    /// The container that is registered.
    pub container_name: Option<String>,
    /// And its port.
    pub container_port: Option<i32>,
}

impl Observed {
    /// The ARN of the task definition that serves production.
    pub fn definition_in_use(&self) -> Option<&str> {
        self.primary_set().and_then(|set| set.task_definition.as_deref()).or(self.task_definition.as_deref())
    }

    fn primary_set(&self) -> Option<&ObservedTaskSet> {
        self.task_sets.iter().find(|set| set.primary)
    }
}

/// The live thing that a service is.
pub fn live(observed: &Observed, cluster: &Cluster) -> Live {
    let mut fields = Fields::default();
    fields.set("status", &*observed.status);
    fields.set("desiredCount", observed.desired_count);
    fields.set("deploymentController", observed.controller.as_deref().unwrap_or("ECS"));
    fields.set("schedulingStrategy", observed.scheduling_strategy.as_deref().unwrap_or("REPLICA"));
    fields.set_some("createdAt", observed.created_at.map(moment));
    put_definition(observed, &mut fields);
    let set = observed.primary_set();
    match set {
        Some(set) => put_task_set(observed, set, &mut fields),
        None => put_deployment(observed, &mut fields),
    }
    let balancers = match set {
        Some(set) if !set.load_balancers.is_empty() => &set.load_balancers,
        _ => &observed.load_balancers,
    };
    let references = balancers.iter().filter_map(|balancer| put_balancer(balancer, &mut fields)).collect();
    match &observed.tags {
        Detail::Known(tags) => tags.iter().for_each(|(key, value)| fields.set(format!("tags.{key}"), &**value)),
        unread => unread.gap().into_iter().for_each(|gap| fields.put("tags", gap)),
    }
    fields.shrink();
    Live {
        key: ObjectKey::new(KIND, &observed.name),
        id: cluster.service_arn(&observed.name).into(),
        incarnation: observed.created_at.map(incarnation),
        fields,
        addresses: Box::default(),
        references,
    }
}

/// How an incarnation is spelled: RFC 3339 with its fraction.
pub fn incarnation(created_at: Timestamp) -> Arc<str> {
    created_at.to_string().into()
}

/// Whether one incarnation was created after another.
pub fn is_later(one: &str, other: &str) -> bool {
    match (one.parse::<Timestamp>(), other.parse::<Timestamp>()) {
        (Ok(one), Ok(other)) => one > other,
        _ => false,
    }
}

fn moment(at: Timestamp) -> Value {
    Value::text(at.to_string())
}

fn put_definition(observed: &Observed, fields: &mut Fields) {
    match &observed.definition {
        Detail::Known(facts) => facts.iter().for_each(|(path, value)| fields.set(path.clone(), value.clone())),
        unread => unread.gap().into_iter().for_each(|gap| fields.put("taskDefinition", gap)),
    }
    if let Some((family, revision)) = observed.definition_in_use().and_then(family_and_revision) {
        fields.set("taskDefinition.family", family);
        fields.set("taskDefinition.revision", revision);
    }
    match &observed.registered {
        Detail::NotAsked => {}
        Detail::Known(revisions) => {
            fields.set(REGISTERED, Value::set(revisions.iter().map(|revision| &**revision)));
        }
        unread => unread.gap().into_iter().for_each(|gap| fields.put(REGISTERED, gap)),
    }
}

fn put_deployment(observed: &Observed, fields: &mut Fields) {
    fields.set("runningCount", observed.running_count);
    fields.set("pendingCount", observed.pending_count);
    fields.set_some("launchType", observed.launch_type.as_deref());
    fields.set_some("platformVersion", observed.platform_version.as_deref());
    fields.set("rollout.deployments", count(observed.deployments.len()));
    if let Some(primary) = observed.deployments.iter().find(|deployment| deployment.primary) {
        fields.set_some("rollout.state", primary.rollout_state.as_deref());
        fields.set_some("rollout.reason", primary.rollout_reason.as_deref());
        fields.set("rollout.failedTasks", primary.failed_tasks);
        fields.set_some("rollout.createdAt", primary.created_at.map(moment));
        fields.set_some("rollout.updatedAt", primary.updated_at.map(moment));
    }
}

fn put_task_set(observed: &Observed, primary: &ObservedTaskSet, fields: &mut Fields) {
    fields.set("runningCount", primary.running_count);
    fields.set("pendingCount", primary.pending_count);
    fields.set_some("launchType", primary.launch_type.as_deref().or(observed.launch_type.as_deref()));
    fields.set_some("platformVersion", primary.platform_version.as_deref().or(observed.platform_version.as_deref()));
    fields.set("rollout.deployments", count(observed.task_sets.len()));
    fields.set("rollout.desiredCount", primary.desired_count);
    fields.set_some("rollout.stability", primary.stability.as_deref());
    fields.set_some("rollout.createdAt", primary.created_at.map(moment));
    fields.set_some("rollout.updatedAt", primary.updated_at.map(moment));
    let waiting = observed.task_sets.iter().filter(|set| !set.primary).filter_map(|set| set.task_definition.as_deref());
    fields.set("rollout.waiting", Value::set(waiting.filter_map(short_definition)));
}

fn put_balancer(balancer: &ObservedLoadBalancer, fields: &mut Fields) -> Option<Arc<str>> {
    let arn = balancer.target_group_arn.as_deref();
    let name = match arn {
        Some(arn) => Arn::parse(arn).and_then(|arn| arn.elbv2_name()).unwrap_or(arn),
        None => balancer.name.as_deref()?,
    };
    fields.set_some(format!("loadBalancers.{name}.targetGroupArn"), arn);
    fields.set_some(format!("loadBalancers.{name}.containerName"), balancer.container_name.as_deref());
    fields.set_some(format!("loadBalancers.{name}.containerPort"), balancer.container_port);
    arn.map(|arn| format!("targetgroup:{arn}").into())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `arn:…:task-definition/api:42` is family `api`, revision 42.
pub fn family_and_revision(arn: &str) -> Option<(&str, i64)> {
    let (family, revision) = arn.rsplit('/').next()?.rsplit_once(':')?;
    Some((family, revision.parse().ok()?))
}

fn short_definition(arn: &str) -> Option<String> {
    family_and_revision(arn).map(|(family, revision)| format!("{family}:{revision}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(in crate::kinds::ecs_service) mod tests {
    use super::*;

    pub(in crate::kinds::ecs_service) fn cluster() -> Cluster {
        Cluster { account: "111122223333".into(), region: "eu-west-1".into(), name: "wonderland".into() }
    }

    pub(in crate::kinds::ecs_service) fn observed() -> Observed {
        let began: Timestamp = "2026-11-20T10:00:00.611Z".parse().unwrap();
        Observed {
            name: "deployer-api".to_owned(),
            status: "ACTIVE".to_owned(),
            desired_count: 2,
            running_count: 2,
            pending_count: 0,
            launch_type: Some("FARGATE".to_owned()),
            scheduling_strategy: None,
            platform_version: None,
            controller: None,
            created_at: Some(began),
            task_definition: Some("arn:aws:ecs:eu-west-1:111122223333:task-definition/deployer-api:42".to_owned()),
            deployments: vec![ObservedDeployment {
                primary: true,
                rollout_state: Some("COMPLETED".to_owned()),
                rollout_reason: None,
                failed_tasks: 0,
                created_at: Some(began),
                updated_at: Some(began),
            }],
            task_sets: Vec::new(),
            load_balancers: vec![ObservedLoadBalancer {
                target_group_arn: Some(
                    "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/api/6d0ecf831eec9f09".to_owned(),
                ),
                name: None,
                container_name: Some("api".to_owned()),
                container_port: Some(8080),
            }],
            tags: Detail::NotAsked,
            definition: Detail::NotAsked,
            registered: Detail::NotAsked,
        }
    }

    pub(in crate::kinds::ecs_service) fn task_set(primary: bool, revision: u32, running: i32) -> ObservedTaskSet {
        ObservedTaskSet {
            primary,
            task_definition: Some(format!(
                "arn:aws:ecs:eu-west-1:111122223333:task-definition/deployer-api:{revision}"
            )),
            desired_count: 2,
            running_count: running,
            pending_count: 0,
            launch_type: Some("FARGATE".to_owned()),
            platform_version: None,
            stability: Some("STEADY_STATE".to_owned()),
            created_at: Some("2026-11-20T10:00:00Z".parse().unwrap()),
            updated_at: Some("2026-11-20T10:00:00Z".parse().unwrap()),
            load_balancers: Vec::new(),
        }
    }

    #[test]
    fn a_service_refers_to_its_target_group_and_is_known_by_when_it_was_made() {
        let live = live(&observed(), &cluster());
        assert_eq!(&*live.id, "arn:aws:ecs:eu-west-1:111122223333:service/wonderland/deployer-api");
        assert_eq!(live.incarnation.as_deref(), Some("2026-11-20T10:00:00.611Z"));
        assert_eq!(
            live.references.first().map(|reference| &**reference),
            Some("targetgroup:arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/api/6d0ecf831eec9f09")
        );
        assert_eq!(live.fields.value("loadBalancers.api.containerPort"), Some(&Value::Int(8080)));
        assert_eq!(live.fields.value("schedulingStrategy"), Some(&Value::text("REPLICA")));
    }

    #[test]
    fn a_detail_that_was_not_read_is_unknown_and_never_empty() {
        let live = live(&observed(), &cluster());
        assert!(matches!(*live.fields.fact("taskDefinition.containers.api.cpu"), Fact::Unknown(_)));
        assert!(matches!(*live.fields.fact("tags.team"), Fact::Unknown(_)));
        assert_eq!(live.fields.value("taskDefinition.revision"), Some(&Value::Int(42)));
    }

    #[test]
    fn the_primary_task_set_speaks_for_the_service() {
        let mut service = observed();
        service.controller = Some("CODE_DEPLOY".to_owned());
        service.deployments.clear();
        service.running_count = 4;
        service.task_sets = vec![task_set(false, 44, 2), task_set(true, 43, 2)];
        let fields = live(&service, &cluster()).fields;
        assert_eq!(fields.value("taskDefinition.revision"), Some(&Value::Int(43)));
        assert_eq!(fields.value("runningCount"), Some(&Value::Int(2)));
        assert_eq!(fields.value("rollout.waiting"), Some(&Value::set(["deployer-api:44"])));
    }

    #[test]
    fn a_region_names_its_partition() {
        assert_eq!(
            [partition("eu-west-1"), partition("cn-north-1"), partition("us-gov-west-1")],
            ["aws", "aws-cn", "aws-us-gov"]
        );
    }
}
