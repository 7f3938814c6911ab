//! The ECS operations on services.
//!
//! Decides what each call accepts, changes and answers. What time does to a service is
//! [`super::service`]'s. [`super::apply`] calls it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::service::{Controller, EcsService, ServiceStatus};
use super::{Answer, ApiError, Caller, Ecs, INVALID, Typed};
use super::{is_name, missing, page, resource_of, service_arn};

/// What DescribeServices takes at once.
const MOST_DESCRIBED: usize = 10;

/// Members that mean nothing to the simulator and are described as they came.
const CARRIED: [&str; 9] = [
    "capacityProviderStrategy",
    "enableECSManagedTags",
    "enableExecuteCommand",
    "healthCheckGracePeriodSeconds",
    "networkConfiguration",
    "placementConstraints",
    "placementStrategy",
    "propagateTags",
    "serviceRegistries",
];

impl Ecs {
    pub(super) fn create_service(&mut self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        let name = input.required("serviceName")?;
        if !is_name(name) {
            return Err(input.invalid("The specified service name is invalid."));
        }
        let cluster = self.live_cluster(caller, input)?;
        let mut service = EcsService::new(&cluster.arn, &service_arn(&cluster.arn, name), name, now);
        match cluster.services.get(name).and_then(|existing| existing.status(now)) {
            Some(ServiceStatus::Active) => return Err(input.invalid("Creation of service was not idempotent.")),
            Some(ServiceStatus::Draining) => {
                return Err(input.invalid("Unable to Start a service that is still Draining."));
            }
            Some(ServiceStatus::Inactive) | None => {}
        }
        service.controller = controller(input)?;
        service.scheduling_strategy = scheduling_strategy(input)?.to_owned();
        service.launch_type = launch_type(input)?;
        service.load_balancers = load_balancers(input)?.to_vec();
        service.task_definition = self.definition_to_run(caller, input, service.controller)?;
        service.tags = input.list("tags")?.to_vec();
        service.carried = carried(input);
        if let Some(configuration) = input.map("deploymentConfiguration")? {
            service.deployment_configuration = merged(&service.deployment_configuration, configuration);
        }
        let desired = desired_at_creation(input, &service)?;
        if service.task_definition.is_some() {
            let number = self.next_deployment();
            service.begin_deployment(number, desired, now);
        }
        let output = json!({ "service": service.describe(now, true) });
        self.live_cluster(caller, input)?.services.insert(name.to_owned(), service);
        Ok(output)
    }

    pub(super) fn update_service(&mut self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        let controller = {
            let service = self.known_service(caller, input)?;
            if service.status(now) != Some(ServiceStatus::Active) {
                return Err(ApiError::bad_request("ServiceNotActiveException", "Service was not ACTIVE."));
            }
            service.controller
        };
        if controller != Controller::Ecs && (input.has("taskDefinition") || input.has("loadBalancers")) {
            return Err(input.invalid(
                "Unable to update task definition or load balancers on services with a CODE_DEPLOY or EXTERNAL \
                 deployment controller.",
            ));
        }
        let desired = input.count("desiredCount")?;
        let force = input.flag("forceNewDeployment")?;
        let load_balancers = load_balancers(input)?;
        let configuration = input.map("deploymentConfiguration")?;
        let definition =
            if input.has("taskDefinition") { self.definition_to_run(caller, input, controller)? } else { None };
        let number = self.next_deployment();

        let service = self.known_service(caller, input)?;
        let mut rolls_out = force;
        if definition.is_some() && definition != service.task_definition {
            service.task_definition = definition;
            rolls_out = true;
        }
        if input.has("loadBalancers") && load_balancers != service.load_balancers {
            service.load_balancers = load_balancers.to_vec();
            rolls_out = true;
        }
        if let Some(configuration) = configuration {
            service.deployment_configuration = merged(&service.deployment_configuration, configuration);
        }
        service.carried.extend(carried(input));
        let desired = desired.unwrap_or_else(|| service.desired_count());
        if rolls_out {
            service.begin_deployment(number, desired, now);
        } else if desired != service.desired_count() {
            service.scale(desired, now);
        }
        Ok(json!({ "service": service.describe(now, true) }))
    }

    pub(super) fn delete_service(&mut self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        let force = input.flag("force")?;
        let service = self.known_service(caller, input)?;
        match service.status(now) {
            Some(ServiceStatus::Active) if force || service.desired_count() == 0 => service.delete(now),
            Some(ServiceStatus::Active) => {
                return Err(input.invalid("The service cannot be stopped while it is scaled above 0."));
            }
            Some(ServiceStatus::Draining) => {}
            Some(ServiceStatus::Inactive) | None => return Err(service_not_found()),
        }
        Ok(json!({ "service": service.describe(now, true) }))
    }

    pub(super) fn describe_services(&mut self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        let references = input.texts("services")?;
        if references.is_empty() {
            return Err(input.invalid("Services cannot be empty."));
        }
        if references.len() > MOST_DESCRIBED {
            return Err(input.invalid(format!("Services cannot have more than {MOST_DESCRIBED} elements")));
        }
        let include = input.texts("include")?;
        if let Some(odd) = include.iter().find(|each| **each != "TAGS") {
            return Err(input.invalid(format!("Invalid include: {odd}")));
        }
        let with_tags = !include.is_empty();
        let cluster = self.live_cluster(caller, input)?;
        let (mut services, mut failures) = (Vec::new(), Vec::new());
        for reference in references {
            // An ARN of another cluster, region or account names nothing here.
            let arn =
                if reference.starts_with("arn:") { reference.to_owned() } else { service_arn(&cluster.arn, reference) };
            match cluster.services.values().find(|service| service.arn == arn) {
                Some(service) => services.push(service.describe(now, with_tags)),
                None => failures.push(missing(&arn)),
            }
        }
        Ok(json!({ "services": services, "failures": failures }))
    }

    pub(super) fn list_services(&mut self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        let launch_type = launch_type(input)?.filter(|_| input.has("launchType"));
        let strategy = input.text("schedulingStrategy")?;
        let cluster = self.live_cluster(caller, input)?;
        let listed = cluster.services.values().filter(|service| {
            service.status(now) == Some(ServiceStatus::Active)
                && launch_type.as_ref().is_none_or(|wanted| service.launch_type.as_ref() == Some(wanted))
                && strategy.is_none_or(|wanted| service.scheduling_strategy == wanted)
        });
        let entries: Vec<_> = listed.map(|service| (service.name.clone(), service.arn.clone())).collect();
        page(&entries, input, 10, "serviceArns")
    }

    /// The service that the `service` member names, in whatever status.
    fn known_service(&mut self, caller: &Caller, input: Typed<'_>) -> Result<&mut EcsService, ApiError> {
        let reference = input.required("service")?;
        let name = match resource_of(caller, reference)? {
            None => reference,
            Some(resource) => resource.rsplit('/').next().unwrap_or(resource),
        };
        let cluster = self.live_cluster(caller, input)?;
        let is_meant = |service: &EcsService| name == reference || service.arn == reference;
        cluster.services.get_mut(name).filter(|service| is_meant(service)).ok_or_else(service_not_found)
    }

    /// The ARN of the ACTIVE definition that `taskDefinition` names, with the containers that the load
    /// balancers need. Services with external task sets have none of their own.
    fn definition_to_run(
        &self,
        caller: &Caller,
        input: Typed<'_>,
        controller: Controller,
    ) -> Result<Option<String>, ApiError> {
        if controller == Controller::External {
            if input.has("taskDefinition") {
                return Err(input.invalid("Task definition is not supported with an EXTERNAL deployment controller."));
            }
            return Ok(None);
        }
        let reference = input.text("taskDefinition")?;
        let reference = reference.ok_or_else(|| input.invalid("TaskDefinition can not be blank."))?;
        let client = |message: &str| ApiError::bad_request("ClientException", message);
        let found = self.task_definition(caller, reference)?;
        let definition = found.ok_or_else(|| client("TaskDefinition not found."))?;
        if !definition.active {
            return Err(client("TaskDefinition is inactive"));
        }
        for load_balancer in input.structures("loadBalancers")? {
            let container = load_balancer.required("containerName")?;
            if !definition.has_container(container) {
                let message = format!("The container {container} does not exist in the task definition.");
                return Err(input.invalid(message));
            }
        }
        Ok(Some(definition.arn.clone()))
    }
}

fn service_not_found() -> ApiError {
    ApiError::bad_request("ServiceNotFoundException", "Service not found.")
}

fn controller(input: Typed<'_>) -> Result<Controller, ApiError> {
    let Some(controller) = input.structure("deploymentController")? else { return Ok(Controller::Ecs) };
    let name = controller.required("type")?;
    Controller::parse(name).ok_or_else(|| input.invalid(format!("Invalid deployment controller: {name}")))
}

fn load_balancers(input: Typed<'_>) -> Result<&[Value], ApiError> {
    input.structures("loadBalancers")?;
    input.list("loadBalancers")
}

fn scheduling_strategy(input: Typed<'_>) -> Result<&str, ApiError> {
    match input.text("schedulingStrategy")? {
        None => Ok("REPLICA"),
        Some(strategy @ ("REPLICA" | "DAEMON")) => Ok(strategy),
        Some(other) => Err(input.invalid(format!("Invalid scheduling strategy: {other}"))),
    }
}

/// The launch type; a capacity provider strategy stands in its place.
fn launch_type(input: Typed<'_>) -> Result<Option<String>, ApiError> {
    let named = input.text("launchType")?;
    match named {
        Some(_) if input.has("capacityProviderStrategy") => Err(ApiError::bad_request(
            INVALID,
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        )),
        None if input.has("capacityProviderStrategy") => Ok(None),
        None => Ok(Some("EC2".to_owned())),
        Some("EC2" | "FARGATE" | "EXTERNAL") => Ok(named.map(str::to_owned)),
        Some(other) => Err(input.invalid(format!("Invalid launch type: {other}"))),
    }
}

/// A replica service must say how many; a daemon runs once on the one instance that is simulated.
fn desired_at_creation(input: Typed<'_>, service: &EcsService) -> Result<u64, ApiError> {
    let desired = input.count("desiredCount")?;
    if service.scheduling_strategy == "DAEMON" {
        return match desired {
            None => Ok(1),
            Some(_) => Err(input.invalid("The daemon scheduling strategy does not support a desired count.")),
        };
    }
    match desired {
        Some(desired) => Ok(desired),
        None if service.controller == Controller::External => Ok(0),
        None => Err(input.invalid("Desired count is required for the replica scheduling strategy.")),
    }
}

fn carried(input: Typed<'_>) -> Map<String, Value> {
    let present = CARRIED.into_iter().filter_map(|name| Some((name.to_owned(), input.raw(name)?.clone())));
    present.collect()
}

/// An object with some members replaced.
fn merged(base: &Value, changes: &Map<String, Value>) -> Value {
    let mut merged = base.as_object().cloned().unwrap_or_default();
    merged.extend(changes.clone());
    Value::Object(merged)
}
