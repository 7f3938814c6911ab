//! Task definitions: registered, described, listed and deregistered.
//!
//! Decides revisions (never used twice) and the defaults that AWS fills in, which differ from what was
//! sent. Knows no services. [`super::apply`] and [`super::service_calls`] call it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, ApiError, Caller, Ecs, Typed};
use super::{arn, is_name, page, resource_of, seconds};

#[derive(Debug, Clone, Default)]
pub(super) struct Family {
    registered: u64,
    revisions: BTreeMap<u64, TaskDefinition>,
}

#[derive(Debug, Clone)]
pub(super) struct TaskDefinition {
    pub(super) arn: String,
    pub(super) active: bool,
    /// What DescribeTaskDefinition shows.
    shown: Value,
    tags: Vec<Value>,
}

impl TaskDefinition {
    pub(super) fn has_container(&self, name: &str) -> bool {
        containers(&self.shown).iter().any(|container| container["name"] == name)
    }
}

impl Ecs {
    pub(super) fn register_task_definition(&mut self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        let family = input.required("family").map_err(|_| client("Family should not be null or empty."))?;
        if !is_name(family) {
            return Err(client("Family contains invalid characters."));
        }
        let containers = input.structures("containerDefinitions")?;
        if containers.is_empty() {
            return Err(client("Container list cannot be empty."));
        }
        for container in containers {
            container.required("name").map_err(|_| client("Container.name should not be null or empty."))?;
            container.required("image").map_err(|_| client("Container.image should not be null or empty."))?;
        }
        let tags = input.list("tags")?.to_vec();
        let mut shown = json!({ "family": family, "volumes": [], "placementConstraints": [] });
        let carried = [
            "taskRoleArn",
            "executionRoleArn",
            "networkMode",
            "containerDefinitions",
            "volumes",
            "placementConstraints",
            "requiresCompatibilities",
            "cpu",
            "memory",
            "pidMode",
            "ipcMode",
            "proxyConfiguration",
            "inferenceAccelerators",
            "ephemeralStorage",
            "runtimePlatform",
        ];
        for member in carried {
            if let Some(value) = input.raw(member) {
                shown[member] = value.clone();
            }
        }
        let host_ports = matches!(input.text("networkMode")?, Some("awsvpc" | "host"));
        fill_in(&mut shown, host_ports);

        let versions = self.families.entry(family.to_owned()).or_default();
        versions.registered += 1;
        let revision = versions.registered;
        let arn = arn(caller, "task-definition", &format!("{family}:{revision}"));
        shown["taskDefinitionArn"] = json!(arn);
        shown["revision"] = json!(revision);
        shown["status"] = json!("ACTIVE");
        shown["compatibilities"] = json!(["EC2", "FARGATE"]);
        shown["registeredAt"] = seconds(now);
        shown["registeredBy"] = json!(caller.arn);
        let output = json!({ "taskDefinition": shown, "tags": tags });
        versions.revisions.insert(revision, TaskDefinition { arn, active: true, shown, tags });
        Ok(output)
    }

    pub(super) fn describe_task_definition(&self, caller: &Caller, input: Typed<'_>) -> Answer {
        let reference = input.required("taskDefinition")?;
        let found = self.task_definition(caller, reference)?;
        let definition = found.ok_or_else(|| client("Unable to describe task definition."))?;
        let mut output = json!({ "taskDefinition": definition.shown });
        if input.texts("include")?.contains(&"TAGS") {
            output["tags"] = json!(definition.tags);
        }
        Ok(output)
    }

    pub(super) fn deregister_task_definition(&mut self, caller: &Caller, input: Typed<'_>, now: Timestamp) -> Answer {
        let reference = input.required("taskDefinition")?;
        let (family, revision) = family_and_revision(caller, reference)?;
        let revision = revision.ok_or_else(|| client("Invalid revision number. Number: null"))?;
        let versions = self.families.get_mut(family);
        let definition = versions
            .and_then(|versions| versions.revisions.get_mut(&revision))
            .ok_or_else(|| client("The specified task definition does not exist."))?;
        definition.active = false;
        definition.shown["status"] = json!("INACTIVE");
        definition.shown["deregisteredAt"] = seconds(now);
        Ok(json!({ "taskDefinition": definition.shown }))
    }

    pub(super) fn list_task_definitions(&self, input: Typed<'_>) -> Answer {
        let family = input.text("familyPrefix")?;
        let active = match input.text("status")? {
            None | Some("ACTIVE") => true,
            Some("INACTIVE") => false,
            Some(other) => return Err(input.invalid(format!("Invalid status: {other}"))),
        };
        let mut entries = Vec::new();
        for (name, versions) in &self.families {
            if family.is_some_and(|family| family != name) {
                continue;
            }
            // Padded, so that revisions sort by number; `!` sorts before every letter of a name.
            let listed = versions.revisions.iter().filter(|(_, definition)| definition.active == active);
            entries.extend(listed.map(|(revision, each)| (format!("{name}!{revision:010}"), each.arn.clone())));
        }
        page(&entries, input, 100, "taskDefinitionArns")
    }

    /// What `family`, `family:revision` or an ARN names; a bare family its newest ACTIVE revision.
    pub(super) fn task_definition(
        &self,
        caller: &Caller,
        reference: &str,
    ) -> Result<Option<&TaskDefinition>, ApiError> {
        let (family, revision) = family_and_revision(caller, reference)?;
        Ok(self.families.get(family).and_then(|versions| match revision {
            Some(revision) => versions.revisions.get(&revision),
            None => versions.revisions.values().rev().find(|definition| definition.active),
        }))
    }

    /// The newest ACTIVE revision of a family, made with one container if there is none.
    pub(super) fn newest_or_minimal(&mut self, caller: &Caller, family: &str, now: Timestamp) -> String {
        let newest = |ecs: &Self| match ecs.task_definition(caller, family) {
            Ok(Some(definition)) => Some(definition.arn.clone()),
            _ => None,
        };
        if let Some(arn) = newest(self) {
            return arn;
        }
        let container = json!({ "name": family, "image": format!("example/{family}:1") });
        let input = json!({ "family": family, "containerDefinitions": [container] });
        let registered = self.register_task_definition(caller, Typed::new(&input, super::INVALID), now);
        debug_assert!(registered.is_ok(), "{family} is no name for a family: {registered:?}");
        newest(self).unwrap_or_else(|| arn(caller, "task-definition", family))
    }
}

fn client(message: &str) -> ApiError {
    ApiError::bad_request("ClientException", message)
}

/// Splits `family:revision`; a revision that is not a number names nothing.
fn family_and_revision<'a>(caller: &Caller, reference: &'a str) -> Result<(&'a str, Option<u64>), ApiError> {
    let name = match resource_of(caller, reference)? {
        None => reference,
        Some(resource) => resource.strip_prefix("task-definition/").unwrap_or(resource),
    };
    match name.split_once(':') {
        None => Ok((name, None)),
        Some((family, revision)) => match revision.parse() {
            Ok(revision) => Ok((family, Some(revision))),
            Err(_) => Err(client(&format!("Invalid revision number. Number: {revision}"))),
        },
    }
}

fn containers(shown: &Value) -> &[Value] {
    shown["containerDefinitions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// AWS answers with defaults for what was not sent.
fn fill_in(shown: &mut Value, host_ports: bool) {
    let Some(containers) = shown.get_mut("containerDefinitions").and_then(Value::as_array_mut) else { return };
    for container in containers.iter_mut().filter_map(Value::as_object_mut) {
        let defaults = [
            ("cpu", json!(0)),
            ("essential", json!(true)),
            ("environment", json!([])),
            ("mountPoints", json!([])),
            ("portMappings", json!([])),
            ("systemControls", json!([])),
            ("volumesFrom", json!([])),
        ];
        for (member, default) in defaults {
            container.entry(member).or_insert(default);
        }
        let ports = container.get_mut("portMappings").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
            let host_port = if host_ports { port.get("containerPort").cloned().unwrap_or(json!(0)) } else { json!(0) };
            port.entry("hostPort").or_insert(host_port);
            port.entry("protocol").or_insert(json!("tcp"));
        }
    }
}
