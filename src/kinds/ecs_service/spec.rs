//! What a manifest of kind EcsService says, and what it expects of the live service.
//!
//! Decides how each declared field is spelled, so that it can be compared with `live`, and which
//! details must be read for it. Only declared fields are compared. The loader calls [`resolve`]
//! through the kind's entry.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::KIND;
use super::definition::{Secrets, container_path, units};
use super::image::ImageSpec;
use super::live::Cluster;
use crate::core::arn::Arn;
use crate::core::asks::Facet;
use crate::core::identity::{ScopeKey, ScopeKind, Select};
use crate::core::value::{Expect, Path, Value};
use crate::kinds::Declaration;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;

/// The launch types of ECS.
pub(super) const LAUNCH_TYPES: [&str; 4] = ["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"];
/// The network modes of ECS.
pub(super) const NETWORK_MODES: [&str; 5] = ["awsvpc", "bridge", "host", "none", "default"];

/// A service of an ECS cluster.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EcsServiceSpec {
    /// The name of the cluster that runs it.
    pub cluster: String,
    /// The alias of the account in the Environment; `main`, or the only one, by default.
    pub account: Option<String>,
    /// The region; by default the only one of the account.
    pub region: Option<String>,
    /// The service's name in ECS; `metadata.name` by default.
    pub service_name: Option<String>,
    /// How many tasks should run. Use `capacity` where an autoscaler decides.
    pub desired_count: Option<u32>,
    /// The bounds of the task count, where an autoscaler decides.
    pub capacity: Option<Capacity>,
    /// `EC2`, `FARGATE`, `EXTERNAL` or `MANAGED_INSTANCES`.
    pub launch_type: Option<String>,
    /// `REPLICA` or `DAEMON`.
    pub scheduling_strategy: Option<String>,
    /// The Fargate platform version that the service asks for, such as `1.4.0` or `LATEST`.
    pub platform_version: Option<Text>,
    /// Facts of the task definition that serves production.
    pub task_definition: Option<TaskDefinitionSpec>,
    /// Registrations with load balancers, by the target group's name or ARN.
    #[serde(default)]
    pub load_balancers: BTreeMap<String, LoadBalancerSpec>,
    /// Tags of the service. Tags that are not declared are not compared.
    #[serde(default)]
    pub tags: BTreeMap<String, Text>,
}

/// Bounds of a task count, both inclusive.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capacity {
    /// At least as many.
    pub min: Option<u32>,
    /// At most as many.
    pub max: Option<u32>,
}

/// Facts of a task definition.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskDefinitionSpec {
    /// The family.
    pub family: Option<String>,
    /// The revision. Leave it out unless a deployer writes it here: every deployment makes a new one.
    pub revision: Option<u32>,
    /// The task's CPU: units (`256`) or `0.25 vCPU`.
    pub cpu: Option<Text>,
    /// The task's memory: MiB (`512`) or `0.5 GB`.
    pub memory: Option<Text>,
    /// `awsvpc`, `bridge`, `host` or `none`.
    pub network_mode: Option<String>,
    /// The ARN of the application's role.
    pub task_role_arn: Option<String>,
    /// The ARN of the role that pulls images and writes logs.
    pub execution_role_arn: Option<String>,
    /// Containers by name.
    #[serde(default)]
    pub containers: BTreeMap<String, ContainerSpec>,
}

/// Facts of one container.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerSpec {
    /// The image: `repository:tag`, or `repository`, `tag` and `digest` apart. An undeclared tag or
    /// digest is not compared.
    pub image: Option<ImageSpec>,
    /// Environment variables by name. Values are compared as keyed hashes and shown only where the
    /// Environment lists the name under `visible`.
    #[serde(default)]
    pub environment: BTreeMap<String, Text>,
    /// The command, word by word. An empty list says that the image decides.
    pub command: Option<Vec<Text>>,
    /// The entry point, word by word. An empty list says that the image decides.
    pub entry_point: Option<Vec<Text>>,
    /// Reserved CPU units.
    pub cpu: Option<u32>,
    /// The hard memory limit in MiB.
    pub memory: Option<u32>,
    /// The soft memory limit in MiB.
    pub memory_reservation: Option<u32>,
    /// Whether the task stops when this container does (ECS's default is true).
    pub essential: Option<bool>,
    /// Ports by the port inside the container.
    #[serde(default)]
    pub port_mappings: BTreeMap<String, PortSpec>,
    /// Volumes by the path inside the container.
    #[serde(default)]
    pub mount_points: BTreeMap<String, MountSpec>,
}

/// One port of a container.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortSpec {
    /// The port on the host; 0 for any free one.
    pub host_port: Option<u16>,
    /// `tcp` or `udp`.
    pub protocol: Option<String>,
}

/// One volume of a container.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MountSpec {
    /// The name of the task definition's volume.
    pub source_volume: Option<String>,
    /// Whether it cannot be written (ECS's default is false).
    pub read_only: Option<bool>,
}

/// One registration with a load balancer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalancerSpec {
    /// The container that is registered.
    pub container_name: Option<String>,
    /// Its port.
    pub container_port: Option<u16>,
}

/// Resolves a spec in one environment.
pub fn resolve(spec: &EcsServiceSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let account = setting.account(spec.account.as_deref()).map_err(|problem| vec![problem])?;
    let region = setting.region(account, spec.region.as_deref()).map_err(|problem| vec![problem])?;
    let cluster = Cluster { account: account.id.clone(), region, name: spec.cluster.as_str().into() };
    let name = spec.service_name.as_deref().unwrap_or(setting.name);
    let arn = cluster.service_arn(name);
    let mut wanted = Wanted {
        cluster: &cluster,
        secrets: Secrets { service_arn: &arn, redactor: setting.redactor, visible: setting.visible() },
        expects: Vec::new(),
        problems: Vec::new(),
    };
    wanted.plain_name(&["cluster"], &spec.cluster);
    wanted.plain_name(&["serviceName"], name);
    wanted.service(spec);
    let facets = facets(spec);
    let Wanted { expects, problems, .. } = wanted;
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Declaration {
        not_compared: Vec::new(),
        scope: ScopeKey::new(ScopeKind::EcsCluster, &cluster.account, &cluster.region, &cluster.name),
        select: Select::Key(name.into()),
        id: arn.as_str().into(),
        expects,
        facets,
        rules: None,
    })
}

fn facets(spec: &EcsServiceSpec) -> BTreeSet<Facet> {
    let mut facets = BTreeSet::new();
    // Family and revision come with the service; everything else needs a call.
    let in_definition = spec.task_definition.as_ref().is_some_and(|definition| {
        definition.cpu.is_some()
            || definition.memory.is_some()
            || definition.network_mode.is_some()
            || definition.task_role_arn.is_some()
            || definition.execution_role_arn.is_some()
            || !definition.containers.is_empty()
    });
    if in_definition {
        facets.insert(Facet::TaskDefinition);
    }
    if !spec.tags.is_empty() {
        facets.insert(Facet::Tags);
    }
    facets
}

struct Wanted<'a> {
    cluster: &'a Cluster,
    secrets: Secrets<'a>,
    expects: Vec<(Path, Expect)>,
    problems: Vec<SpecProblem>,
}

impl Wanted<'_> {
    fn is(&mut self, path: impl Into<Path>, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.expects.push((path.into(), Expect::Is(value.into())));
        }
    }

    fn problem(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(SpecProblem::at(path.iter().copied(), message).hint(hint));
    }

    fn plain_name(&mut self, path: &[&str], name: &str) {
        if name.is_empty() || name.contains([':', '/']) || name.contains(char::is_whitespace) {
            self.problem(
                path,
                format!("`{name}` is no name"),
                format!("write the name alone; {KIND} makes the ARN from it"),
            );
        }
    }

    /// The provider's own spelling of one of a few words, whatever its case on the page.
    fn word(&mut self, at: &[&str], path: String, text: Option<&str>, known: &[&'static str]) {
        let Some(text) = text else { return };
        match known.iter().find(|word| word.eq_ignore_ascii_case(text)) {
            Some(word) => self.is(path, Some(*word)),
            None => self.problem(at, format!("`{text}` is not known here"), format!("one of: {}", known.join(", "))),
        }
    }

    fn service(&mut self, spec: &EcsServiceSpec) {
        self.count(spec);
        self.word(&["launchType"], "launchType".to_owned(), spec.launch_type.as_deref(), &LAUNCH_TYPES);
        let strategies = ["REPLICA", "DAEMON"];
        self.word(
            &["schedulingStrategy"],
            "schedulingStrategy".to_owned(),
            spec.scheduling_strategy.as_deref(),
            &strategies,
        );
        self.is("platformVersion", spec.platform_version.as_deref());
        if let Some(definition) = &spec.task_definition {
            self.definition(definition);
        }
        for (group, balancer) in &spec.load_balancers {
            self.balancer(group, balancer);
        }
        for (key, value) in &spec.tags {
            self.is(format!("tags.{key}"), Some(&**value));
        }
    }

    fn count(&mut self, spec: &EcsServiceSpec) {
        let daemon = spec.scheduling_strategy.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("DAEMON"));
        for (field, declared) in [("desiredCount", spec.desired_count.is_some()), ("capacity", spec.capacity.is_some())]
        {
            if daemon && declared {
                self.problem(
                    &[field],
                    format!("a DAEMON service has no `{field}`"),
                    "leave it out: ECS runs one task on each instance",
                );
            }
        }
        match (spec.desired_count, &spec.capacity) {
            (Some(_), Some(_)) => self.problem(
                &["capacity"],
                "both `desiredCount` and `capacity` are declared",
                "keep `desiredCount` where the count is fixed, `capacity` where an autoscaler decides",
            ),
            (Some(count), None) => self.is("desiredCount", Some(i64::from(count))),
            (None, Some(Capacity { min: None, max: None })) => {
                self.problem(&["capacity"], "`capacity` has no bound", "add `min`, `max` or both");
            }
            (None, Some(Capacity { min: Some(min), max: Some(max) })) if min > max => {
                self.problem(
                    &["capacity"],
                    format!("no count is at least {min} and at most {max}"),
                    "swap `min` and `max`",
                );
            }
            (None, Some(Capacity { min, max })) => {
                self.expects.push(("desiredCount".into(), Expect::Between(min.map(i64::from), max.map(i64::from))));
            }
            (None, None) => {}
        }
    }

    fn definition(&mut self, definition: &TaskDefinitionSpec) {
        self.is("taskDefinition.family", definition.family.as_deref());
        self.is("taskDefinition.revision", definition.revision.map(i64::from));
        self.is("taskDefinition.cpu", definition.cpu.as_deref().map(units));
        self.is("taskDefinition.memory", definition.memory.as_deref().map(units));
        let mode = definition.network_mode.as_deref();
        self.word(&["taskDefinition", "networkMode"], "taskDefinition.networkMode".to_owned(), mode, &NETWORK_MODES);
        self.is("taskDefinition.taskRoleArn", definition.task_role_arn.as_deref());
        self.is("taskDefinition.executionRoleArn", definition.execution_role_arn.as_deref());
        for (name, container) in &definition.containers {
            self.container(name, container);
        }
    }

    fn container(&mut self, name: &str, container: &ContainerSpec) {
        let at = |field: &str| container_path(name, field);
        match &container.image {
            Some(ImageSpec(Ok(image))) => {
                self.is(at("image.repository"), Some(&*image.repository));
                self.is(at("image.tag"), image.tag.as_deref());
                self.is(at("image.digest"), image.digest.as_deref());
            }
            Some(ImageSpec(Err(refused))) => {
                let place = ["taskDefinition", "containers", name, "image"].into_iter().chain(refused.part);
                let problem = SpecProblem::at(place, format!("`{}` names no image", refused.text));
                self.problems.push(problem.hint(refused.hint()));
            }
            None => {}
        }
        self.is(at("cpu"), container.cpu.map(i64::from));
        self.is(at("memory"), container.memory.map(i64::from));
        self.is(at("memoryReservation"), container.memory_reservation.map(i64::from));
        self.is(at("essential"), container.essential);
        for (field, words) in [("command", &container.command), ("entryPoint", &container.entry_point)] {
            let Some(words) = words else { continue };
            let words: Vec<String> = words.iter().map(|word| word.0.clone()).collect();
            let path = at(field);
            let value = self.secrets.command(&path, field, &words);
            self.is(path, Some(value));
        }
        for (variable, text) in &container.environment {
            let path = at(&format!("environment.{variable}"));
            let value = self.secrets.variable(&path, variable, text);
            self.is(path, Some(value));
        }
        for (port, mapping) in &container.port_mappings {
            let place = ["taskDefinition", "containers", name, "portMappings", port.as_str()];
            match port.parse::<u16>() {
                Ok(port) if port > 0 => {
                    self.is(at(&format!("portMappings.{port}.hostPort")), mapping.host_port.map(i64::from));
                    let path = at(&format!("portMappings.{port}.protocol"));
                    self.word(&place, path, mapping.protocol.as_deref(), &["tcp", "udp"]);
                }
                _ => self.problem(
                    &place,
                    format!("`{port}` is no port"),
                    "the key is the port inside the container, such as `8080`",
                ),
            }
        }
        for (path, mount) in &container.mount_points {
            self.is(at(&format!("mountPoints.{path}.sourceVolume")), mount.source_volume.as_deref());
            self.is(at(&format!("mountPoints.{path}.readOnly")), mount.read_only);
        }
    }

    fn balancer(&mut self, group: &str, balancer: &LoadBalancerSpec) {
        let place = ["loadBalancers", group];
        if balancer.container_port == Some(0) {
            self.problem(
                &["loadBalancers", group, "containerPort"],
                "no container listens on port 0",
                "write the port inside the container, such as `8080`",
            );
        }
        let name = if group.starts_with("arn:") {
            let Some(arn) = Arn::parse(group).filter(|arn| arn.resource.starts_with("targetgroup/")) else {
                return self.problem(
                    &place,
                    format!("`{group}` is no target group's ARN"),
                    "give the target group's name or its full ARN",
                );
            };
            if arn.account != &*self.cluster.account || arn.region != &*self.cluster.region {
                let ours = format!("the service lies in {} {}", self.cluster.account, self.cluster.region);
                return self.problem(&place, format!("the target group lies in {} {}", arn.account, arn.region), ours);
            }
            let name = arn.elbv2_name().unwrap_or(group);
            self.is(format!("loadBalancers.{name}.targetGroupArn"), Some(group));
            name
        } else {
            if balancer.container_name.is_none() && balancer.container_port.is_none() {
                self.problem(&place, "nothing is declared of it", "add `containerName` or `containerPort`");
            }
            group
        };
        self.is(format!("loadBalancers.{name}.containerName"), balancer.container_name.as_deref());
        self.is(format!("loadBalancers.{name}.containerPort"), balancer.container_port.map(i64::from));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::dns_record::fixture::Stage;

    fn refused(fields: serde_json::Value) -> Vec<String> {
        let mut spec = json!({"cluster": "wonderland"});
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let spec: EcsServiceSpec = serde_json::from_value(spec).unwrap();
        let problems = resolve(&spec, &Stage::new().setting("api")).unwrap_err();
        assert!(problems.iter().all(|problem| problem.hint.is_some()), "{problems:?}");
        problems.iter().map(|problem| problem.path.join(".")).collect()
    }

    #[test]
    fn an_image_that_is_none_is_told_by_the_part_that_is_wrong() {
        let image =
            |image: serde_json::Value| refused(json!({"taskDefinition": {"containers": {"api": {"image": image}}}}));
        assert_eq!(
            image(json!({"repository": "jimdo/deployer:tag@sha256:abc"})),
            ["taskDefinition.containers.api.image.repository"]
        );
        assert_eq!(image(json!("nginx@latest")), ["taskDefinition.containers.api.image"]);
    }

    #[test]
    fn port_0_and_the_count_of_a_daemon_are_refused() {
        assert_eq!(
            refused(json!({"loadBalancers": {"api": {"containerPort": 0}}})),
            ["loadBalancers.api.containerPort"]
        );
        assert_eq!(refused(json!({"schedulingStrategy": "daemon", "desiredCount": 2})), ["desiredCount"]);
        assert_eq!(refused(json!({"schedulingStrategy": "DAEMON", "capacity": {"min": 2}})), ["capacity"]);
    }
}
