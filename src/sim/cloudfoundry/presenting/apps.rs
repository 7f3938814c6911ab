//! Apps, processes with their instances, droplets and deployments.
//!
//! Decides what hides a command from whom, and how an instance's age is told: in seconds since its
//! last change of state. It never shows an instance of a stopped app. Part of [`View`].

use serde_json::{Value, json};

use super::{View, created, metadata, to_one, to_optional, updated};
use crate::sim::cloudfoundry::apps::App;
use crate::sim::cloudfoundry::deployments::Deployment;
use crate::sim::cloudfoundry::droplets::Droplet;
use crate::sim::cloudfoundry::processes::{HealthCheck, InstanceState, Process};
use crate::sim::cloudfoundry::record::stamp;

const HIDDEN_IN_LISTS: &str = "[PRIVATE DATA HIDDEN IN LISTS]";
const HIDDEN: &str = "[PRIVATE DATA HIDDEN]";
/// What buildpacks that detect a command find, in this world.
const DETECTED_COMMAND: &str = "bundle exec rackup config.ru -p $PORT";

/// Whether a row shows its commands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// A list shows them to nobody.
    InList,
    /// The caller's role may not see them.
    Hidden,
    /// The caller sees them.
    Shown,
}

impl View<'_> {
    pub fn app(&self, app: &App) -> Value {
        let record = &app.record;
        let path = format!("/v3/apps/{}", record.guid);
        let lifecycle = if app.docker.is_some() {
            json!({"type": "docker", "data": {}})
        } else {
            json!({"type": "buildpack", "data": {"buildpacks": app.buildpacks, "stack": app.stack}})
        };
        let relationships = if self.since(3, 174) {
            json!({"space": to_one(&app.space), "current_droplet": to_optional(app.droplet.as_deref())})
        } else {
            json!({"space": to_one(&app.space)})
        };
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "name": app.name,
            "state": if app.started { "STARTED" } else { "STOPPED" },
            "lifecycle": lifecycle,
            "relationships": relationships,
            "metadata": metadata(&record.metadata),
            "links": {
                "self": self.link(&path),
                "environment_variables": self.link(&format!("{path}/environment_variables")),
                "space": self.link(&format!("/v3/spaces/{}", app.space)),
                "processes": self.link(&format!("{path}/processes")),
                "packages": self.link(&format!("{path}/packages")),
                "current_droplet": self.link(&format!("{path}/droplets/current")),
                "droplets": self.link(&format!("{path}/droplets")),
                "tasks": self.link(&format!("{path}/tasks")),
                "start": self.action(&format!("{path}/actions/start")),
                "stop": self.action(&format!("{path}/actions/stop")),
                "clear_buildpack_cache": self.action(&format!("{path}/actions/clear_buildpack_cache")),
                "revisions": self.link(&format!("{path}/revisions")),
                "deployed_revisions": self.link(&format!("{path}/revisions/deployed")),
                "features": self.link(&format!("{path}/features")),
            },
        })
    }

    pub fn process(&self, process: &Process, secrets: Secrets, with_instances: bool) -> Value {
        let record = &process.record;
        let path = format!("/v3/processes/{}", record.guid);
        let command = match secrets {
            Secrets::InList => HIDDEN_IN_LISTS,
            Secrets::Hidden => HIDDEN,
            Secrets::Shown => process.command.as_deref().unwrap_or(DETECTED_COMMAND),
        };
        let space = self.state.apps.get(&process.app).map(|app| app.space.as_str()).unwrap_or_default();
        let mut body = json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "version": process.version,
            "type": process.kind,
            "command": command,
            "user": "vcap",
            "instances": process.instances,
            "memory_in_mb": process.memory,
            "disk_in_mb": process.disk,
            "log_rate_limit_in_bytes_per_second": process.log_rate,
            "health_check": {"type": process.health.kind, "data": health_data(&process.health, true)},
            "readiness_health_check":
                {"type": process.readiness.kind, "data": health_data(&process.readiness, false)},
            "relationships": {
                "app": to_one(&process.app),
                "revision": process.revision.as_deref().map(to_one),
            },
            "metadata": metadata(&record.metadata),
            "links": {
                "self": self.link(&path),
                "scale": self.action(&format!("{path}/actions/scale")),
                "app": self.link(&format!("/v3/apps/{}", process.app)),
                "space": self.link(&format!("/v3/spaces/{space}")),
                "stats": self.link(&format!("{path}/stats")),
                "process_instances": self.link(&format!("{path}/process_instances")),
            },
        });
        if let (true, Some(members)) = (with_instances, body.as_object_mut()) {
            members.insert("process_instances".to_owned(), Value::Array(self.instances(process)));
        }
        body
    }

    /// Every wanted instance: index, state, and for how many seconds it has been in it.
    fn reported(&self, process: &Process) -> Vec<(usize, InstanceState, Option<i64>)> {
        if !self.state.apps.get(&process.app).is_some_and(|app| app.started) {
            return Vec::new();
        }
        let report = |index: usize| match process.running.get(index).map(|instance| instance.at(self.now)) {
            None | Some((InstanceState::Down, _)) => (index, InstanceState::Down, None),
            Some((state, since)) => (index, state, Some(self.now.duration_since(since).as_secs().max(0))),
        };
        (0..process.instances).map(report).collect()
    }

    fn instances(&self, process: &Process) -> Vec<Value> {
        let mut rows = Vec::with_capacity(process.instances);
        for (index, state, since) in self.reported(process) {
            rows.push(json!({"index": index, "state": state.spelled(), "since": since}));
        }
        rows
    }

    pub fn process_instances(&self, process: &Process) -> Value {
        let path = format!("/v3/processes/{}", process.record.guid);
        json!({
            "resources": self.instances(process),
            "links": {
                "self": self.link(&format!("{path}/process_instances")),
                "process": self.link(&path),
            },
        })
    }

    pub fn stats(&self, process: &Process) -> Value {
        let stats = |(index, state, since): (usize, InstanceState, Option<i64>)| {
            if state == InstanceState::Down {
                return json!({"type": process.kind, "index": index, "state": "DOWN", "routable": null,
                    "uptime": 0, "isolation_segment": null, "details": null});
            }
            let is_running = state == InstanceState::Running;
            json!({
                "type": process.kind,
                "index": index,
                "instance_guid": format!("{}-{index}", process.version),
                "state": state.spelled(),
                "routable": is_running,
                "host": if is_running { "10.244.16.10" } else { "" },
                "instance_internal_ip": if is_running { "10.255.93.167" } else { "" },
                "uptime": since,
                "mem_quota": process.memory * 1_048_576,
                "disk_quota": process.disk * 1_048_576,
                "log_rate_limit": process.log_rate,
                "fds_quota": 16384,
                "isolation_segment": null,
                "details": null,
                "instance_ports": if is_running {
                    json!([{"external": 0, "internal": 8080,
                        "external_tls_proxy_port": 61002, "internal_tls_proxy_port": 61001}])
                } else {
                    json!([])
                },
                "usage": {"time": stamp(self.now), "cpu": 0.0, "cpu_entitlement": 0.0, "mem": 19_177_472,
                    "disk": 69_705_728, "log_rate": 0},
            })
        };
        let all: Vec<Value> = self.reported(process).into_iter().map(stats).collect();
        json!({"resources": all})
    }

    pub fn droplet(&self, droplet: &Droplet, secrets: Secrets) -> Value {
        let record = &droplet.record;
        let path = format!("/v3/droplets/{}", record.guid);
        let shown = secrets == Secrets::Shown;
        let commands = if shown { self.commands(droplet) } else { json!({"redacted_message": HIDDEN_IN_LISTS}) };
        let buildpacks: Vec<Value> = droplet
            .buildpacks
            .iter()
            .map(|used| {
                let short = used.name.trim_end_matches("_buildpack");
                json!({"name": used.name, "detect_output": short, "version": used.version, "buildpack_name": short})
            })
            .collect();
        let mut links = json!({
            "self": self.link(&path),
            "app": self.link(&format!("/v3/apps/{}", droplet.app)),
            "assign_current_droplet": {
                "href": format!("{}/v3/apps/{}/relationships/current_droplet", self.base, droplet.app),
                "method": "PATCH",
            },
            "package": self.link(&format!("/v3/packages/{}", droplet.package)),
        });
        // An image stays where it is: there are no bits to sum up or to fetch.
        let is_image = droplet.docker.is_some();
        if let (false, Some(links)) = (is_image, links.as_object_mut()) {
            links.insert("download".to_owned(), self.link(&format!("{path}/download")));
        }
        let checksum = json!({"type": "sha256", "value": format!("{:0>64}", record.guid.replace('-', ""))});
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "state": "STAGED",
            "error": null,
            "lifecycle": {"type": if is_image { "docker" } else { "buildpack" }, "data": {}},
            "checksum": if is_image { Value::Null } else { checksum },
            "buildpacks": if is_image { Value::Null } else { Value::Array(buildpacks) },
            "stack": droplet.stack,
            "image": droplet.docker,
            "execution_metadata": if shown { "" } else { HIDDEN_IN_LISTS },
            "process_types": commands,
            "relationships": {"app": to_one(&droplet.app)},
            "metadata": metadata(&record.metadata),
            "links": links,
        })
    }

    fn commands(&self, droplet: &Droplet) -> Value {
        let app = self.state.apps.get(&droplet.app);
        let processes = app.into_iter().flat_map(|app| app.processes.iter());
        let kinds = processes.filter_map(|process| self.state.processes.get(process));
        Value::Object(kinds.map(|process| (process.kind.clone(), json!(DETECTED_COMMAND))).collect())
    }

    pub fn deployment(&self, deployment: &Deployment) -> Value {
        let record = &deployment.record;
        let path = format!("/v3/deployments/{}", record.guid);
        let app = self.link(&format!("/v3/apps/{}", deployment.app));
        let links = if deployment.active {
            json!({"self": self.link(&path), "app": app, "cancel": self.action(&format!("{path}/actions/cancel"))})
        } else {
            json!({"self": self.link(&path), "app": app})
        };
        let (number, revision) = &deployment.revision;
        let droplet = |guid: &Option<String>| json!({"guid": guid});
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "status": {
                "value": if deployment.active { "ACTIVE" } else { "FINALIZED" },
                "reason": deployment.reason,
                "details": {
                    "last_successful_healthcheck": updated(record),
                    "last_status_change": updated(record),
                },
            },
            "strategy": "rolling",
            "options": {"max_in_flight": 1},
            "droplet": droplet(&deployment.droplet),
            "previous_droplet": droplet(&deployment.previous_droplet),
            "new_processes": [{"guid": deployment.new_process, "type": "web"}],
            "revision": revision.as_ref().map(|guid| json!({"guid": guid, "version": number})),
            "metadata": metadata(&record.metadata),
            "relationships": {"app": to_one(&deployment.app)},
            "links": links,
        })
    }
}

/// Of a process that is merely watched, nobody can ask for a timeout or an endpoint.
fn health_data(check: &HealthCheck, of_liveness: bool) -> Value {
    let mut data = json!({"invocation_timeout": check.invocation_timeout, "interval": check.interval});
    if let Some(members) = data.as_object_mut() {
        if of_liveness && check.kind != "process" {
            members.insert("timeout".to_owned(), json!(check.timeout));
        }
        if check.kind == "http" {
            members.insert("endpoint".to_owned(), json!(check.endpoint));
        }
    }
    data
}
