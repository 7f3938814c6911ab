//! A live service as a manifest would declare it.
//!
//! Decides what is worth declaring: not the revision and the image's tag, which every deployment
//! changes, and no environment variable whose value is hidden. Called through the kind's entry.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::image::Image;
use super::spec::{LAUNCH_TYPES, NETWORK_MODES};
use crate::core::asks::Facet;
use crate::core::observation::Live;
use crate::core::value::{Fact, Fields, Value};
use crate::kinds::importing::{Import, ImportSetting, Imported, Spec, number, tags, text};

/// How services are imported.
pub const IMPORT: Import = Import { facets: &[Facet::TaskDefinition, Facet::Tags], declare };

const CONTAINERS: &str = "taskDefinition.containers.";
const PORT: std::ops::RangeInclusive<i64> = 1..=65_535;
const COUNT: std::ops::RangeInclusive<i64> = 0..=u32::MAX as i64;

fn declare(live: &Live, setting: &ImportSetting<'_>) -> Result<Imported, &'static str> {
    let fields = &live.fields;
    if is(fields, "status", "DRAINING") {
        return Err("a service that somebody is deleting (DRAINING)");
    }
    let name = &*live.key.key;
    let daemon = is(fields, "schedulingStrategy", "DAEMON");
    let mut hidden = Vec::new();
    let mut spec = Spec::default();
    spec.put("cluster", Some(Json::from(&*setting.scope.thing)));
    spec.put_place(setting);
    spec.put("serviceName", Some(Json::from(name)));
    spec.put("desiredCount", number(fields, "desiredCount", COUNT).filter(|_| !daemon));
    spec.put("launchType", one_of(fields, "launchType", &LAUNCH_TYPES));
    spec.put("schedulingStrategy", daemon.then(|| Json::from("DAEMON")));
    // LATEST is also what ECS says where nothing was asked for.
    spec.put("platformVersion", text(fields, "platformVersion").filter(|version| version != "LATEST"));
    spec.put("taskDefinition", definition(fields, &mut hidden));
    spec.put("loadBalancers", balancers(fields));
    spec.put("tags", tags(fields));
    let cluster = &setting.scope.thing;
    Ok(Imported {
        names: vec![
            name.to_owned(),
            format!("{name}-{cluster}"),
            format!("{name}-{cluster}-{}-{}", setting.scope.account, setting.scope.region),
        ],
        name_field: Some("serviceName"),
        spec: spec.whole(),
        hidden,
        suspicious: Vec::new(),
    })
}

fn is(fields: &Fields, path: &str, word: &str) -> bool {
    fields.value(path).and_then(Value::as_text) == Some(word)
}

fn one_of(fields: &Fields, path: &str, known: &[&str]) -> Option<Json> {
    text(fields, path).filter(|word| known.iter().any(|known| word == *known))
}

fn definition(fields: &Fields, hidden: &mut Vec<String>) -> Option<Json> {
    let mut definition = Spec::default();
    definition.put("family", text(fields, "taskDefinition.family"));
    definition.put("cpu", units(fields, "taskDefinition.cpu"));
    definition.put("memory", units(fields, "taskDefinition.memory"));
    definition.put("networkMode", one_of(fields, "taskDefinition.networkMode", &NETWORK_MODES));
    definition.put("taskRoleArn", text(fields, "taskDefinition.taskRoleArn"));
    definition.put("executionRoleArn", text(fields, "taskDefinition.executionRoleArn"));
    // In these modes the port on the host is the container's own, and goes without saying.
    let mode = fields.value("taskDefinition.networkMode").and_then(Value::as_text);
    let same_port = matches!(mode, Some("awsvpc" | "host"));
    let mut containers = Spec::default();
    for (name, container) in by_container(fields) {
        containers.put(name, container.spec(name, same_port, hidden));
    }
    definition.put("containers", containers.part());
    definition.part()
}

/// CPU and memory as ECS's own API has them: as text.
fn units(fields: &Fields, path: &str) -> Option<Json> {
    match fields.value(path)? {
        Value::Int(number) => Some(Json::from(number.to_string())),
        Value::Text(text) => Some(Json::from(&**text)),
        _ => None,
    }
}

/// The facts of each container by their paths in it. No container's name has a dot.
fn by_container(fields: &Fields) -> BTreeMap<&str, Container<'_>> {
    let mut containers: BTreeMap<&str, Container<'_>> = BTreeMap::new();
    for (path, fact) in fields.iter() {
        if let (Some((name, field)), Fact::Known(value)) =
            (path.strip_prefix(CONTAINERS).and_then(|rest| rest.split_once('.')), fact)
        {
            containers.entry(name).or_default().0.insert(field, value);
        }
    }
    containers
}

#[derive(Default)]
struct Container<'a>(BTreeMap<&'a str, &'a Value>);

impl<'a> Container<'a> {
    fn number(&self, field: &str) -> Option<i64> {
        self.0.get(field).and_then(|value| value.as_int())
    }

    fn text(&self, field: &str) -> Option<&'a str> {
        self.0.get(field).and_then(|value| value.as_text())
    }

    fn flag(&self, field: &str) -> Option<bool> {
        self.0.get(field).map(|value| **value == Value::Bool(true))
    }

    /// The value of a field that may be secret, where it may be shown.
    fn shown(&self, field: &str) -> Option<&'a str> {
        match self.0.get(field) {
            Some(Value::Secret(secret)) => secret.shown.as_deref(),
            _ => None,
        }
    }

    /// What follows `group.` in the paths that begin so.
    fn below(&self, group: &str) -> impl Iterator<Item = &'a str> {
        self.0.keys().filter_map(move |field| field.strip_prefix(group)?.strip_prefix('.'))
    }

    fn spec(&self, name: &str, same_port: bool, hidden: &mut Vec<String>) -> Option<Json> {
        let positive = |field| self.number(field).filter(|number| COUNT.contains(number) && *number > 0);
        let mut spec = Spec::default();
        spec.put("image", self.image());
        spec.put("environment", self.environment(name, hidden));
        spec.put("command", self.words("command"));
        spec.put("entryPoint", self.words("entryPoint"));
        spec.put("cpu", positive("cpu").map(Json::from));
        spec.put("memory", positive("memory").map(Json::from));
        spec.put("memoryReservation", positive("memoryReservation").map(Json::from));
        // What ECS takes for granted is not repeated, unless it is otherwise.
        spec.put("essential", (self.flag("essential") == Some(false)).then_some(Json::Bool(false)));
        spec.put("portMappings", self.ports(same_port));
        spec.put("mountPoints", self.mounts());
        spec.part()
    }

    /// The repository alone: a deployment is no drift.
    fn image(&self) -> Option<Json> {
        let repository = self.text("image.repository")?;
        let sound = Image::of(repository, None, None).is_some_and(|image| image.repository == repository);
        let mut image = Spec::default();
        image.put("repository", sound.then(|| Json::from(repository)));
        image.part()
    }

    fn environment(&self, container: &str, hidden: &mut Vec<String>) -> Option<Json> {
        let mut environment = Map::new();
        for variable in self.below("environment") {
            match self.shown(&format!("environment.{variable}")) {
                Some(value) => {
                    environment.insert(variable.to_owned(), Json::from(value));
                }
                None => hidden.push(format!("{container}: {variable}")),
            }
        }
        Some(Json::Object(environment))
    }

    /// A command line; an empty one says that the image decides.
    fn words(&self, field: &str) -> Option<Json> {
        serde_json::from_str::<Vec<String>>(self.shown(field)?).ok().map(Json::from)
    }

    fn ports(&self, same_port: bool) -> Option<Json> {
        let known = |field: &'a str| field.split_once('.')?.0.parse::<u16>().ok();
        let ports: BTreeSet<u16> = self.below("portMappings").filter_map(known).filter(|port| *port > 0).collect();
        let mut mappings = Spec::default();
        for port in ports {
            let mut mapping = Spec::default();
            let host = self.number(&format!("portMappings.{port}.hostPort"));
            let fixed = host.filter(|host| !same_port && PORT.contains(host));
            mapping.put("hostPort", fixed.map(Json::from));
            let protocol = self.text(&format!("portMappings.{port}.protocol"));
            mapping.put("protocol", protocol.filter(|word| matches!(*word, "tcp" | "udp")).map(Json::from));
            mappings.put(&port.to_string(), mapping.part());
        }
        mappings.part()
    }

    fn mounts(&self) -> Option<Json> {
        let paths: BTreeSet<&str> =
            self.below("mountPoints").filter_map(|field| Some(field.rsplit_once('.')?.0)).collect();
        let mut mounts = Spec::default();
        for path in paths {
            let mut mount = Spec::default();
            mount.put("sourceVolume", self.text(&format!("mountPoints.{path}.sourceVolume")).map(Json::from));
            let read_only = self.flag(&format!("mountPoints.{path}.readOnly")) == Some(true);
            mount.put("readOnly", read_only.then_some(Json::Bool(true)));
            mounts.put(path, mount.part());
        }
        mounts.part()
    }
}

fn balancers(fields: &Fields) -> Option<Json> {
    let registered = fields.iter().filter_map(|(path, _)| path.strip_prefix("loadBalancers.")?.rsplit_once('.'));
    // By name, which outlives the incarnation that an ARN means.
    let groups: BTreeSet<&str> =
        registered.map(|(group, _)| group).filter(|group| !group.starts_with("arn:")).collect();
    let mut balancers = Spec::default();
    for group in groups {
        let mut balancer = Spec::default();
        balancer.put("containerName", text(fields, &format!("loadBalancers.{group}.containerName")));
        balancer.put("containerPort", number(fields, &format!("loadBalancers.{group}.containerPort"), PORT));
        balancers.put(group, balancer.part());
    }
    balancers.part()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::definition::{
        ObservedContainer, ObservedDefinition, ObservedMount, ObservedPort, Secrets, facts,
    };
    use super::super::live::tests::{cluster, observed};
    use super::super::live::{Detail, Observed, live};
    use super::super::spec::{EcsServiceSpec, resolve};
    use super::*;
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::core::redact::Redactor;
    use crate::kinds::dns_record::fixture::{Stage, differences};

    fn scope() -> ScopeKey {
        let cluster = cluster();
        ScopeKey::new(ScopeKind::EcsCluster, &cluster.account, &cluster.region, &cluster.name)
    }

    fn definition() -> ObservedDefinition {
        ObservedDefinition {
            cpu: Some("512".into()),
            memory: Some("1024".into()),
            network_mode: Some("bridge".into()),
            task_role_arn: Some("arn:aws:iam::111122223333:role/api".into()),
            execution_role_arn: None,
            containers: vec![ObservedContainer {
                name: "api".into(),
                image: Some("docker.io/jimdo/deployer:5".into()),
                cpu: 0,
                memory: Some(256),
                memory_reservation: None,
                essential: Some(false),
                environment: vec![("LOG_LEVEL".into(), "no".into()), ("API_TOKEN".into(), "hunter2".into())],
                command: vec!["serve".into()],
                entry_point: Vec::new(),
                port_mappings: vec![ObservedPort { container_port: 8080, host_port: Some(80), protocol: None }],
                mount_points: vec![ObservedMount {
                    container_path: "/var/lib.d".into(),
                    source_volume: Some("data".into()),
                    read_only: Some(true),
                }],
            }],
        }
    }

    fn service(visible: &[&str], change: impl FnOnce(&mut Observed)) -> Live {
        let visible: BTreeSet<Arc<str>> = visible.iter().map(|name| Arc::from(*name)).collect();
        let (redactor, arn) = (Redactor::new(&[7; 32]), cluster().service_arn(&observed().name));
        let secrets = Secrets { service_arn: &arn, redactor: &redactor, visible: &visible };
        let mut service = observed();
        service.definition = Detail::Known(facts(&definition(), &secrets));
        service.tags = Detail::Known(vec![("team".into(), "werkzeug".into())]);
        change(&mut service);
        live(&service, &cluster())
    }

    fn imported(live: &Live) -> Result<Imported, &'static str> {
        declare(live, &ImportSetting { scope: &scope(), account: None, region: None })
    }

    #[test]
    fn an_imported_service_does_not_differ_from_itself() {
        let live = service(&["LOG_LEVEL", "command"], |_| ());
        let imported = imported(&live).unwrap();
        let spec = Json::Object(imported.spec);
        let container = spec.pointer("/taskDefinition/containers/api").unwrap();
        assert_eq!(
            container,
            &json!({
                "image": { "repository": "jimdo/deployer" }, "environment": { "LOG_LEVEL": "no" }, "command": ["serve"],
                "memory": 256, "essential": false, "portMappings": { "8080": { "hostPort": 80, "protocol": "tcp" } },
                "mountPoints": { "/var/lib.d": { "sourceVolume": "data", "readOnly": true } },
            })
        );
        assert_eq!(imported.hidden, ["api: API_TOKEN"]);
        assert_eq!(
            (imported.names.first().map(String::as_str), imported.name_field),
            (Some(&*live.key.key), Some("serviceName"))
        );
        let decoded: EcsServiceSpec = serde_json::from_value(spec).unwrap();
        let declaration = resolve(&decoded, &Stage::new().setting("another-name")).unwrap();
        assert_eq!(differences(&declaration, &live), Vec::<String>::new());
        assert_eq!(declaration.id, live.id);
    }

    #[test]
    fn a_value_that_is_not_visible_is_not_written_and_neither_is_a_command() {
        let imported = imported(&service(&[], |_| ())).unwrap();
        let written = Json::Object(imported.spec).to_string();
        assert!(!written.contains("hunter2") && !written.contains("serve") && !written.contains("\"no\""), "{written}");
        assert_eq!(imported.hidden, ["api: API_TOKEN", "api: LOG_LEVEL"]);
    }

    #[test]
    fn a_daemon_has_no_count_and_a_service_that_is_being_deleted_no_manifest() {
        let daemon = service(&[], |service| service.scheduling_strategy = Some("DAEMON".into()));
        let spec = imported(&daemon).unwrap().spec;
        assert_eq!((spec.get("schedulingStrategy"), spec.get("desiredCount")), (Some(&json!("DAEMON")), None));
        let leaving = service(&[], |service| service.status = "DRAINING".into());
        assert!(imported(&leaving).is_err());
    }
}
