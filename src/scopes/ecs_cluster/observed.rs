//! What the ECS client answers, in the words of the kind.
//!
//! Decides nothing: it only carries members over, so that `kinds::ecs_service` names no client.
//! [`super::read`] calls it.

use aws_sdk_ecs::types::{ContainerDefinition, Deployment, LoadBalancer, Service, TaskDefinition, TaskSet};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use crate::kinds::ecs_service::definition::{ObservedContainer, ObservedDefinition, ObservedMount, ObservedPort};
use crate::kinds::ecs_service::live::{Detail, Observed, ObservedDeployment, ObservedLoadBalancer, ObservedTaskSet};

/// ECS sends times as floating-point numbers; a millisecond is as fine as they mean.
pub(super) fn moment(at: &DateTime) -> Option<Timestamp> {
    let milliseconds = (at.as_nanos() + 500_000).div_euclid(1_000_000);
    Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?).ok()
}

pub(super) fn tags(service: &Service) -> Vec<(String, String)> {
    service
        .tags()
        .iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
        .collect()
}

pub(super) fn service(service: &Service, name: &str, tags: Detail<Vec<(String, String)>>) -> Observed {
    Observed {
        name: name.to_owned(),
        status: service.status().unwrap_or_default().to_owned(),
        desired_count: service.desired_count(),
        running_count: service.running_count(),
        pending_count: service.pending_count(),
        launch_type: service.launch_type().map(|kind| kind.as_str().to_owned()),
        scheduling_strategy: service.scheduling_strategy().map(|strategy| strategy.as_str().to_owned()),
        platform_version: service.platform_version().map(str::to_owned),
        controller: service.deployment_controller().map(|controller| controller.r#type().as_str().to_owned()),
        created_at: service.created_at().and_then(moment),
        task_definition: service.task_definition().map(str::to_owned),
        deployments: service.deployments().iter().map(deployment).collect(),
        task_sets: service.task_sets().iter().map(task_set).collect(),
        load_balancers: service.load_balancers().iter().map(load_balancer).collect(),
        tags,
        definition: Detail::NotAsked,
        registered: Detail::NotAsked,
    }
}

fn deployment(deployment: &Deployment) -> ObservedDeployment {
    ObservedDeployment {
        primary: deployment.status() == Some("PRIMARY"),
        rollout_state: deployment.rollout_state().map(|state| state.as_str().to_owned()),
        rollout_reason: deployment.rollout_state_reason().map(str::to_owned),
        failed_tasks: deployment.failed_tasks(),
        created_at: deployment.created_at().and_then(moment),
        updated_at: deployment.updated_at().and_then(moment),
    }
}

fn task_set(set: &TaskSet) -> ObservedTaskSet {
    ObservedTaskSet {
        primary: set.status() == Some("PRIMARY"),
        task_definition: set.task_definition().map(str::to_owned),
        desired_count: set.computed_desired_count(),
        running_count: set.running_count(),
        pending_count: set.pending_count(),
        launch_type: set.launch_type().map(|kind| kind.as_str().to_owned()),
        platform_version: set.platform_version().map(str::to_owned),
        stability: set.stability_status().map(|status| status.as_str().to_owned()),
        created_at: set.created_at().and_then(moment),
        updated_at: set.updated_at().and_then(moment),
        load_balancers: set.load_balancers().iter().map(load_balancer).collect(),
    }
}

fn load_balancer(balancer: &LoadBalancer) -> ObservedLoadBalancer {
    ObservedLoadBalancer {
        target_group_arn: balancer.target_group_arn().map(str::to_owned),
        name: balancer.load_balancer_name().map(str::to_owned),
        container_name: balancer.container_name().map(str::to_owned),
        container_port: balancer.container_port(),
    }
}

pub(super) fn definition(definition: &TaskDefinition) -> ObservedDefinition {
    ObservedDefinition {
        cpu: definition.cpu().map(str::to_owned),
        memory: definition.memory().map(str::to_owned),
        network_mode: definition.network_mode().map(|mode| mode.as_str().to_owned()),
        task_role_arn: definition.task_role_arn().map(str::to_owned),
        execution_role_arn: definition.execution_role_arn().map(str::to_owned),
        containers: definition.container_definitions().iter().map(container).collect(),
    }
}

fn container(container: &ContainerDefinition) -> ObservedContainer {
    ObservedContainer {
        name: container.name().unwrap_or_default().to_owned(),
        image: container.image().map(str::to_owned),
        cpu: container.cpu(),
        memory: container.memory(),
        memory_reservation: container.memory_reservation(),
        essential: container.essential(),
        environment: container
            .environment()
            .iter()
            .filter_map(|variable| Some((variable.name()?.to_owned(), variable.value().unwrap_or_default().to_owned())))
            .collect(),
        command: container.command().to_vec(),
        entry_point: container.entry_point().to_vec(),
        port_mappings: container
            .port_mappings()
            .iter()
            .filter_map(|port| {
                Some(ObservedPort {
                    container_port: port.container_port()?,
                    host_port: port.host_port(),
                    protocol: port.protocol().map(|protocol| protocol.as_str().to_owned()),
                })
            })
            .collect(),
        mount_points: container
            .mount_points()
            .iter()
            .filter_map(|mount| {
                Some(ObservedMount {
                    container_path: mount.container_path()?.to_owned(),
                    source_volume: mount.source_volume().map(str::to_owned),
                    read_only: mount.read_only(),
                })
            })
            .collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_time_keeps_its_millisecond_however_the_number_was_rounded() {
        for nanos in [611_000_000, 610_999_942, 611_000_061] {
            let at = moment(&DateTime::from_secs_and_nanos(1_795_168_800, nanos)).unwrap();
            assert_eq!(at.to_string(), "2026-11-20T10:00:00.611Z");
        }
    }
}
