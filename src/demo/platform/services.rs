//! The services of the platform and the task definitions they run.
//!
//! Decides how the plan of a service is spelled for ECS. Called while the world is put up, and by
//! scenarios in which somebody deploys.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::ask;
use super::plan::{App, CLUSTER, REGION, Site};
use crate::sim::world::{Service, World, ecs};

/// What runs when the story begins.
const FIRST_TAG: &str = "2026.10.1";

/// As long as a balancer usually lets requests finish before a task stops.
const DRAINING: SignedDuration = SignedDuration::from_secs(120);

/// Puts a service into place that has long been running.
pub(super) fn put(world: &mut World, site: Site, app: &App, made: Timestamp) {
    let owner = site.owner();
    ask(world, &owner, Service::Ecs, "RegisterTaskDefinition", task_definition(app, site, FIRST_TAG), made);
    let balancers = balancers(world, app, site);
    let ecs = ecs::of(world, &owner);
    let service = ecs.put_running_service(&owner, CLUSTER, app.name, site.of(app.tasks), app.name, made);
    service.load_balancers = balancers;
    service.tags = tags(app);
    service.drains_for = DRAINING;
}

/// The input of a RegisterTaskDefinition.
pub fn task_definition(app: &App, site: Site, tag: &str) -> Value {
    let variables: Vec<Value> =
        app.variables.iter().map(|(name, values)| json!({ "name": name, "value": site.of(*values) })).collect();
    let ports: Vec<Value> =
        app.port.iter().map(|port| json!({ "containerPort": port, "hostPort": port, "protocol": "tcp" })).collect();
    let (cpu, memory) = app.size;
    json!({
        "family": app.name,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": cpu,
        "memory": memory,
        "containerDefinitions": [{
            "name": app.container,
            "image": format!("{}:{tag}", app.image),
            "command": app.command,
            "environment": variables,
            "portMappings": ports,
        }],
    })
}

/// The input of a CreateService, as a deployer would send it again.
pub fn creation(world: &World, app: &App, site: Site) -> Value {
    json!({
        "cluster": CLUSTER,
        "serviceName": app.name,
        "taskDefinition": app.name,
        "launchType": "FARGATE",
        "desiredCount": site.of(app.tasks),
        "loadBalancers": balancers(world, app, site),
        "tags": tags(app),
    })
}

/// The registration with the target group of the service's name, if there is one.
fn balancers(world: &World, app: &App, site: Site) -> Vec<Value> {
    let place = (site.account().to_owned(), REGION.to_owned());
    let group = world.elbv2.get(&place).and_then(|elbv2| elbv2.target_group_named(app.name));
    let registration = group
        .zip(app.port)
        .map(|(arn, port)| json!({ "targetGroupArn": arn, "containerName": app.container, "containerPort": port }));
    registration.into_iter().collect()
}

fn tags(app: &App) -> Vec<Value> {
    vec![json!({ "key": "team", "value": app.team })]
}
