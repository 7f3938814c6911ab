//! One ECS service and how time changes it.
//!
//! Decides its status, counts and rollouts at a given time: all of it is a function of what was
//! asked and when. Never looks at other services. [`super::service_calls`] and scenarios call it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::seconds;

/// How long tasks take to start or stop.
const SETTLE: SignedDuration = SignedDuration::from_secs(20);
/// How long a deleted service is DRAINING, unless a scenario says otherwise.
const DRAINING: SignedDuration = SignedDuration::from_secs(30);
/// How long it can be described as INACTIVE after that.
const INACTIVE: SignedDuration = SignedDuration::from_hours(1);

/// The status that ECS shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceStatus {
    /// There.
    Active,
    /// Deleted; its tasks are stopping.
    Draining,
    /// Deleted, and still described for a while.
    Inactive,
}

impl fmt::Display for ServiceStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        })
    }
}

/// Who carries deployments out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// ECS itself: rolling deployments.
    Ecs,
    /// AWS CodeDeploy: blue/green task sets.
    CodeDeploy,
    /// Somebody else's task sets.
    External,
}

impl Controller {
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Ecs, Self::CodeDeploy, Self::External].into_iter().find(|controller| controller.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ECS",
            Self::CodeDeploy => "CODE_DEPLOY",
            Self::External => "EXTERNAL",
        }
    }
}

/// How far a rollout has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// Tasks are still being replaced.
    InProgress,
    /// Done.
    Completed,
    /// Given up by the circuit breaker.
    Failed,
}

impl RolloutState {
    fn name(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }
}

/// One deployment or task set. The newest of a service is its PRIMARY.
#[derive(Debug, Clone)]
struct Deployment {
    number: u64,
    task_definition: Option<String>,
    desired: u64,
    /// What ran when `desired` was last set.
    running_before: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    failed_tasks: u64,
    /// Set by a scenario: the rollout does not move by itself.
    held_rollout: Option<RolloutState>,
    /// Set by a scenario: as many tasks run, whatever is desired.
    held_running: Option<u64>,
}

impl Deployment {
    fn running(&self, now: Timestamp) -> u64 {
        if let (Some(held), true) = (self.held_running, self.desired > 0) {
            return held;
        }
        let stuck = matches!(self.held_rollout, Some(RolloutState::InProgress | RolloutState::Failed));
        let settled = now.duration_since(self.updated_at) >= SETTLE;
        if settled && !stuck { self.desired } else { self.running_before }
    }

    fn pending(&self, now: Timestamp) -> u64 {
        match self.rollout(now) {
            RolloutState::Failed => 0,
            RolloutState::InProgress | RolloutState::Completed => self.desired.saturating_sub(self.running(now)),
        }
    }

    fn rollout(&self, now: Timestamp) -> RolloutState {
        match self.held_rollout {
            Some(held) => held,
            None if now.duration_since(self.created_at) >= SETTLE => RolloutState::Completed,
            None => RolloutState::InProgress,
        }
    }

    fn scale(&mut self, desired: u64, now: Timestamp) {
        self.running_before = self.running(now);
        self.desired = desired;
        self.updated_at = now;
    }
}

/// One service. The public members may be set by scenarios as they like.
#[derive(Debug, Clone)]
pub struct EcsService {
    /// The same for every incarnation of the name.
    pub arn: String,
    /// The cluster that it is in.
    pub cluster_arn: String,
    /// Its name.
    pub name: String,
    /// Differs between incarnations.
    pub created_at: Timestamp,
    /// FARGATE, EC2 or EXTERNAL; absent with a capacity provider strategy.
    pub launch_type: Option<String>,
    /// The ARN that the service was created or last updated with; task sets have their own.
    pub task_definition: Option<String>,
    /// Who deploys it.
    pub controller: Controller,
    /// REPLICA or DAEMON.
    pub scheduling_strategy: String,
    /// As `CreateService` takes them.
    pub load_balancers: Vec<Value>,
    /// As `CreateService` takes it.
    pub deployment_configuration: Value,
    /// A list of key and value.
    pub tags: Vec<Value>,
    /// Further members, kept and described as they came.
    pub carried: Map<String, Value>,
    /// How long it drains once it is deleted: as long as its load balancer lets requests finish.
    pub drains_for: SignedDuration,
    deleted_at: Option<Timestamp>,
    deployments: Vec<Deployment>,
}

impl EcsService {
    pub(super) fn new(cluster_arn: &str, arn: &str, name: &str, created_at: Timestamp) -> Self {
        Self {
            arn: arn.to_owned(),
            cluster_arn: cluster_arn.to_owned(),
            name: name.to_owned(),
            created_at,
            launch_type: Some("FARGATE".to_owned()),
            task_definition: None,
            controller: Controller::Ecs,
            scheduling_strategy: "REPLICA".to_owned(),
            load_balancers: Vec::new(),
            deployment_configuration: json!({ "maximumPercent": 200, "minimumHealthyPercent": 100 }),
            tags: Vec::new(),
            carried: Map::new(),
            drains_for: DRAINING,
            deleted_at: None,
            deployments: Vec::new(),
        }
    }

    /// The status at this time; None when ECS has forgotten the service.
    pub fn status(&self, now: Timestamp) -> Option<ServiceStatus> {
        let Some(deleted_at) = self.deleted_at else { return Some(ServiceStatus::Active) };
        let since = now.duration_since(deleted_at);
        if since < self.drains_for {
            Some(ServiceStatus::Draining)
        } else if since < self.drains_for + INACTIVE {
            Some(ServiceStatus::Inactive)
        } else {
            None
        }
    }

    /// How many tasks should run.
    pub fn desired_count(&self) -> u64 {
        self.deployments.first().map_or(0, |primary| primary.desired)
    }

    /// How many tasks run, in all deployments together.
    pub fn running_count(&self, now: Timestamp) -> u64 {
        self.current(now).map(|deployment| deployment.running(now)).sum()
    }

    /// How many tasks are starting.
    pub fn pending_count(&self, now: Timestamp) -> u64 {
        self.current(now).map(|deployment| deployment.pending(now)).sum()
    }

    /// From now on this many tasks run, whatever is desired: tasks die as fast as ECS starts them.
    pub fn set_running_count(&mut self, running: u64) {
        if let Some(primary) = self.deployments.first_mut() {
            primary.held_running = Some(running);
        }
    }

    /// Holds the newest rollout in a state; a held rollout does not settle.
    pub fn set_rollout_state(&mut self, state: RolloutState, now: Timestamp) {
        if let Some(primary) = self.deployments.first_mut() {
            primary.running_before = primary.running(now);
            primary.held_rollout = Some(state);
            primary.failed_tasks = if state == RolloutState::Failed { primary.desired.max(1) } else { 0 };
        }
    }

    /// What a scenario has held moves by itself again.
    pub fn release(&mut self) {
        if let Some(primary) = self.deployments.first_mut() {
            primary.held_rollout = None;
            primary.held_running = None;
        }
    }

    /// A new task set takes over: see [`super::Ecs::shift_task_set`].
    pub(super) fn shift_task_set(&mut self, task_definition: &str, number: u64, now: Timestamp) {
        let desired = self.desired_count();
        let own = self.task_definition.replace(task_definition.to_owned());
        self.begin_deployment(number, desired, now);
        self.task_definition = own;
        self.deployments.truncate(1);
        self.settle_at_once();
    }

    /// All tasks of the newest deployment run, and it is complete.
    pub(super) fn settle_at_once(&mut self) {
        if let Some(primary) = self.deployments.first_mut() {
            primary.running_before = primary.desired;
            primary.held_rollout = Some(RolloutState::Completed);
        }
    }

    /// Starts to roll the current task definition out; what runs keeps running until that is done.
    pub(super) fn begin_deployment(&mut self, number: u64, desired: u64, now: Timestamp) {
        let mut replaced: Vec<Deployment> = self.current(now).cloned().collect();
        for deployment in &mut replaced {
            let running = deployment.running(now);
            deployment.desired = running;
            deployment.running_before = running;
            deployment.held_running = None;
        }
        replaced.retain(|deployment| deployment.desired > 0);
        let primary = Deployment {
            number,
            task_definition: self.task_definition.clone(),
            desired,
            running_before: 0,
            created_at: now,
            updated_at: now,
            failed_tasks: 0,
            held_rollout: None,
            held_running: None,
        };
        self.deployments = std::iter::once(primary).chain(replaced).collect();
    }

    /// Changes the count without a deployment.
    pub(super) fn scale(&mut self, desired: u64, now: Timestamp) {
        if let Some(primary) = self.deployments.first_mut() {
            primary.scale(desired, now);
        }
    }

    /// Deletes it: the tasks stop, and it drains.
    pub(super) fn delete(&mut self, now: Timestamp) {
        let running = self.running_count(now);
        self.deployments.truncate(1);
        self.release();
        if let Some(primary) = self.deployments.first_mut() {
            primary.scale(0, now);
            primary.running_before = running;
        }
        self.deleted_at = Some(now);
    }

    /// The deployments that ECS shows: replaced ones only until the newest is complete.
    fn current(&self, now: Timestamp) -> impl Iterator<Item = &Deployment> {
        let shown = match (self.status(now), self.deployments.first()) {
            (None | Some(ServiceStatus::Inactive), _) | (_, None) => 0,
            (_, Some(primary)) if primary.rollout(now) == RolloutState::Completed => 1,
            (_, Some(_)) => self.deployments.len(),
        };
        self.deployments.iter().take(shown)
    }

    /// The service as DescribeServices shows it.
    pub(super) fn describe(&self, now: Timestamp, with_tags: bool) -> Value {
        let status = self.status(now).unwrap_or(ServiceStatus::Inactive);
        let mut output = json!({
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": self.cluster_arn,
            "status": status.to_string(),
            "desiredCount": self.desired_count(),
            "runningCount": self.running_count(now),
            "pendingCount": self.pending_count(now),
            "deploymentController": { "type": self.controller.name() },
            "deploymentConfiguration": self.deployment_configuration,
            "schedulingStrategy": self.scheduling_strategy,
            "loadBalancers": self.load_balancers,
            "serviceRegistries": [],
            "events": [],
            "placementConstraints": [],
            "placementStrategy": [],
            "createdAt": seconds(self.created_at),
            "enableECSManagedTags": false,
            "propagateTags": "NONE",
            "enableExecuteCommand": false,
        });
        let shown = self.current(now).enumerate();
        if self.controller == Controller::Ecs {
            output["deployments"] = shown.map(|(place, each)| self.describe_deployment(each, place, now)).collect();
        } else {
            output["deployments"] = json!([]);
            output["taskSets"] = shown.map(|(place, each)| self.describe_task_set(each, place, now)).collect();
        }
        for (member, value) in [("launchType", &self.launch_type), ("taskDefinition", &self.task_definition)] {
            if let Some(value) = value {
                output[member] = json!(value);
            }
        }
        for (member, value) in &self.carried {
            output[member.as_str()] = value.clone();
        }
        if with_tags {
            output["tags"] = json!(self.tags);
        }
        output
    }

    fn describe_deployment(&self, deployment: &Deployment, place: usize, now: Timestamp) -> Value {
        let rollout = deployment.rollout(now);
        let id = format!("ecs-svc/{:019}", deployment.number);
        let reason = match rollout {
            RolloutState::InProgress => format!("ECS deployment {id} in progress."),
            RolloutState::Completed => format!("ECS deployment {id} completed."),
            RolloutState::Failed => "ECS deployment circuit breaker: tasks failed to start.".to_owned(),
        };
        let mut output = json!({
            "id": id,
            "status": place_name(place),
            "taskDefinition": deployment.task_definition,
            "desiredCount": deployment.desired,
            "runningCount": deployment.running(now),
            "pendingCount": deployment.pending(now),
            "failedTasks": deployment.failed_tasks,
            "rolloutState": rollout.name(),
            "rolloutStateReason": reason,
            "createdAt": seconds(deployment.created_at),
            "updatedAt": seconds(deployment.updated_at),
        });
        if let Some(launch_type) = &self.launch_type {
            output["launchType"] = json!(launch_type);
        }
        output
    }

    fn describe_task_set(&self, deployment: &Deployment, place: usize, now: Timestamp) -> Value {
        let id = format!("ecs-svc/{:019}", deployment.number);
        let steady = deployment.rollout(now) == RolloutState::Completed;
        json!({
            "id": id,
            "taskSetArn": format!("{}/{id}", self.arn.replacen(":service/", ":task-set/", 1)),
            "serviceArn": self.arn,
            "clusterArn": self.cluster_arn,
            "status": place_name(place),
            "taskDefinition": deployment.task_definition,
            "computedDesiredCount": deployment.desired,
            "runningCount": deployment.running(now),
            "pendingCount": deployment.pending(now),
            "scale": { "value": 100.0, "unit": "PERCENT" },
            "stabilityStatus": if steady { "STEADY_STATE" } else { "STABILIZING" },
            "launchType": self.launch_type,
            "loadBalancers": self.load_balancers,
            "createdAt": seconds(deployment.created_at),
            "updatedAt": seconds(deployment.updated_at),
            "tags": [],
        })
    }
}

fn place_name(place: usize) -> &'static str {
    if place == 0 { "PRIMARY" } else { "ACTIVE" }
}
