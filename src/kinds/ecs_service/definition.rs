//! The facts of a task definition, both as declared and as registered.
//!
//! Decides how each field is spelled and what ECS means where a field is left out, so that an
//! implicit default never reads as drift. Environment values and commands become keyed hashes
//! here. `spec` spells the declared side with it, the cluster's reader the registered side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::KIND;
use super::image::Image;
use crate::core::redact::Redactor;
use crate::core::value::{Path, Value};

/// What DescribeTaskDefinition said. It holds environment values, so it cannot be printed.
pub struct ObservedDefinition {
    /// In CPU units.
    pub cpu: Option<String>,
    /// In MiB.
    pub memory: Option<String>,
    /// Such as `awsvpc`.
    pub network_mode: Option<String>,
    /// The role of the application.
    pub task_role_arn: Option<String>,
    /// The role of the agent.
    pub execution_role_arn: Option<String>,
    /// Its containers.
    pub containers: Vec<ObservedContainer>,
}

/// One container of a task definition. It holds environment values, so it cannot be printed.
pub struct ObservedContainer {
    /// Its name.
    pub name: String,
    /// As it was registered.
    pub image: Option<String>,
    /// In CPU units; 0 when none are reserved.
    pub cpu: i32,
    /// The hard limit in MiB.
    pub memory: Option<i32>,
    /// The soft limit in MiB.
    pub memory_reservation: Option<i32>,
    /// Whether the task stops with it.
    pub essential: Option<bool>,
    /// Name and value.
    pub environment: Vec<(String, String)>,
    /// Empty where the image decides.
    pub command: Vec<String>,
    /// Empty where the image decides.
    pub entry_point: Vec<String>,
    /// Its ports.
    pub port_mappings: Vec<ObservedPort>,
    /// Its volumes.
    pub mount_points: Vec<ObservedMount>,
}

/// One port of a container.
pub struct ObservedPort {
    /// Inside.
    pub container_port: i32,
    /// Outside.
    pub host_port: Option<i32>,
    /// `tcp` or `udp`.
    pub protocol: Option<String>,
}

/// One volume of a container.
pub struct ObservedMount {
    /// Where it is mounted.
    pub container_path: String,
    /// Which volume.
    pub source_volume: Option<String>,
    /// Whether it cannot be written.
    pub read_only: Option<bool>,
}

/// Hashes the values of one service.
#[derive(Debug, Clone, Copy)]
pub struct Secrets<'a> {
    /// The service's ARN: equal values of two services do not look equal.
    pub service_arn: &'a str,
    /// The key.
    pub redactor: &'a Redactor,
    /// Names whose values may be shown.
    pub visible: &'a BTreeSet<Arc<str>>,
}

impl Secrets<'_> {
    /// The hash of an environment variable's value.
    pub fn variable(&self, path: &str, name: &str, value: &str) -> Value {
        self.redactor.secret(KIND, self.service_arn, path, name, value, self.visible)
    }

    /// The hash of a command line; it is shown where `visible` lists `command` (or `entryPoint`).
    pub fn command(&self, path: &str, name: &str, words: &[String]) -> Value {
        let line = serde_json::Value::from(words).to_string();
        self.redactor.secret(KIND, self.service_arn, path, name, &line, self.visible)
    }
}

/// The path of a container's field.
pub fn container_path(container: &str, field: &str) -> String {
    format!("taskDefinition.containers.{container}.{field}")
}

/// CPU and memory of a task as ECS keeps them: `1 vCPU` is 1024 units, `2 GB` are 2048 MiB.
pub fn units(text: &str) -> Value {
    let lower = text.trim().to_ascii_lowercase();
    let (number, factor) = match lower.strip_suffix("vcpu").or_else(|| lower.strip_suffix("gb")) {
        Some(number) => (number.trim(), 1024.0),
        None => (lower.as_str(), 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if (0.0..1e9).contains(&number) => Value::Int((number * factor).round() as i64),
        _ => Value::text(text.trim()),
    }
}

/// The facts of a registered task definition.
pub fn facts(definition: &ObservedDefinition, secrets: &Secrets<'_>) -> Arc<[(Path, Value)]> {
    let mode = definition.network_mode.as_deref().unwrap_or("bridge");
    let mut facts = Facts::default();
    facts.set("taskDefinition.networkMode".to_owned(), mode);
    facts.set_some("taskDefinition.cpu".to_owned(), definition.cpu.as_deref().map(units));
    facts.set_some("taskDefinition.memory".to_owned(), definition.memory.as_deref().map(units));
    facts.set_some("taskDefinition.taskRoleArn".to_owned(), definition.task_role_arn.as_deref());
    facts.set_some("taskDefinition.executionRoleArn".to_owned(), definition.execution_role_arn.as_deref());
    // awsvpc and host have one port for both sides; bridge chooses a free one.
    let same_port = matches!(mode, "awsvpc" | "host");
    for container in &definition.containers {
        put_container(container, same_port, secrets, &mut facts);
    }
    facts.0.into_iter().map(|(path, value)| (Path::Owned(path), value)).collect()
}

#[derive(Default)]
struct Facts(BTreeMap<String, Value>);

impl Facts {
    fn set(&mut self, path: String, value: impl Into<Value>) {
        self.0.insert(path, value.into());
    }

    fn set_some(&mut self, path: String, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(path, value);
        }
    }
}

fn put_container(container: &ObservedContainer, same_port: bool, secrets: &Secrets<'_>, facts: &mut Facts) {
    let at = |field: &str| container_path(&container.name, field);
    if let Some(image) = container.image.as_deref() {
        match Image::parse(image).map(Image::pulled) {
            Some(image) => {
                facts.set(at("image.repository"), &*image.repository);
                facts.set_some(at("image.tag"), image.tag.as_deref());
                facts.set_some(at("image.digest"), image.digest.as_deref());
            }
            None => facts.set(at("image.repository"), image),
        }
    }
    facts.set(at("cpu"), container.cpu);
    facts.set_some(at("memory"), container.memory);
    facts.set_some(at("memoryReservation"), container.memory_reservation);
    facts.set(at("essential"), container.essential.unwrap_or(true));
    for (name, words) in [("command", &container.command), ("entryPoint", &container.entry_point)] {
        let path = at(name);
        let value = secrets.command(&path, name, words);
        facts.set(path, value);
    }
    for (name, value) in &container.environment {
        let path = at(&format!("environment.{name}"));
        let value = secrets.variable(&path, name, value);
        facts.set(path, value);
    }
    // The same port over both protocols: TCP comes last and stays.
    let (tcp, other): (Vec<_>, Vec<_>) = container.port_mappings.iter().partition(|port| protocol(port) == "tcp");
    for port in other.into_iter().chain(tcp) {
        let inside = port.container_port;
        let outside = port.host_port.unwrap_or(if same_port { inside } else { 0 });
        facts.set(at(&format!("portMappings.{inside}.hostPort")), outside);
        facts.set(at(&format!("portMappings.{inside}.protocol")), protocol(port));
    }
    for mount in &container.mount_points {
        let path = &mount.container_path;
        facts.set_some(at(&format!("mountPoints.{path}.sourceVolume")), mount.source_volume.as_deref());
        facts.set(at(&format!("mountPoints.{path}.readOnly")), mount.read_only.unwrap_or(false));
    }
}

fn protocol(port: &ObservedPort) -> &str {
    port.protocol.as_deref().unwrap_or("tcp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_and_memory_are_the_same_in_every_unit() {
        for (text, value) in [("256", 256), ("0.25 vCPU", 256), ("1vcpu", 1024), ("2 GB", 2048), ("0.5GB", 512)] {
            assert_eq!(units(text), Value::Int(value), "{text}");
        }
        assert_eq!(units("plenty"), Value::text("plenty"));
    }

    #[test]
    fn a_port_over_both_protocols_is_its_tcp_side() {
        let port = |protocol: &str, outside| ObservedPort {
            container_port: 53,
            host_port: Some(outside),
            protocol: Some(protocol.to_owned()),
        };
        let container = ObservedContainer {
            name: "dns".to_owned(),
            image: None,
            cpu: 0,
            memory: None,
            memory_reservation: None,
            essential: None,
            environment: Vec::new(),
            command: Vec::new(),
            entry_point: Vec::new(),
            port_mappings: vec![port("tcp", 5353), port("udp", 5354)],
            mount_points: Vec::new(),
        };
        let redactor = Redactor::new(&[7; 32]);
        let secrets = Secrets { service_arn: "a", redactor: &redactor, visible: &BTreeSet::new() };
        let mut facts = Facts::default();
        put_container(&container, true, &secrets, &mut facts);
        assert_eq!(facts.0.get("taskDefinition.containers.dns.portMappings.53.hostPort"), Some(&Value::Int(5353)));
    }
}
