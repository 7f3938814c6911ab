//! The manifest that CC generates of a live app: `GET /v3/apps/:guid/manifest`.
//!
//! Decides which attributes it names and in which order, with CC's quirks: `lifecycle` is always
//! there, services are their sorted names and nothing else, a detected command is left out, memory
//! is in `M`, the number of instances is live. It never shows a state. Readings serve it, to roles
//! that may see secrets.

use serde_json::{Map, Value, json};

use super::apps::App;
use super::presenting::View;
use super::processes::{HealthCheck, Process};
use super::record::Entity;

impl View<'_> {
    /// The app's manifest in YAML.
    pub fn manifest(&self, app: &App) -> String {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("name", json!(app.name));
        if !app.env.is_empty() {
            put("env", json!(app.env));
        }
        match &app.docker {
            Some(image) => {
                put("lifecycle", json!("docker"));
                put("docker", json!({"image": image}));
            }
            None => {
                put("lifecycle", json!("buildpack"));
                if !app.buildpacks.is_empty() {
                    put("buildpacks", json!(app.buildpacks));
                }
                put("stack", json!(app.stack));
            }
        }
        if self.since(3, 196) {
            let features = json!({"ssh": true, "revisions": true, "service-binding-k8s": false,
                "file-based-vcap-services": false});
            put("features", features);
        }
        let services = self.service_names(app);
        if !services.is_empty() {
            put("services", json!(services));
        }
        let routes = self.routes_of(app);
        if !routes.is_empty() {
            put("routes", Value::Array(routes));
        }
        if let Some(metadata) = metadata(app) {
            put("metadata", metadata);
        }
        let mut processes: Vec<&Process> =
            app.processes.iter().filter_map(|process| self.state.processes.get(process)).collect();
        processes.sort_by(|one, other| one.kind.cmp(&other.kind));
        put("processes", Value::Array(processes.into_iter().map(process).collect()));
        let document = json!({"applications": [Value::Object(members)]});
        format!("---\n{}", serde_yaml::to_string(&document).unwrap_or_default())
    }

    fn service_names(&self, app: &App) -> Vec<&str> {
        let bound =
            self.state.bindings.iter().filter(|binding| binding.app.as_deref() == Some(app.record.guid.as_str()));
        let instances = bound.filter_map(|binding| self.state.instances.get(&binding.instance));
        let mut names: Vec<&str> = instances.map(Entity::name).collect();
        names.sort_unstable();
        names
    }

    fn routes_of(&self, app: &App) -> Vec<Value> {
        let leads = self
            .state
            .routes
            .iter()
            .filter(|route| route.destinations.iter().any(|destination| destination.app == app.record.guid));
        let mut urls: Vec<&str> = leads.map(|route| route.url.as_str()).collect();
        urls.sort_unstable();
        urls.into_iter().map(|url| json!({"route": url, "protocol": "http1", "options": {}})).collect()
    }
}

fn metadata(app: &App) -> Option<Value> {
    let own = &app.record.metadata;
    let mut members = Map::new();
    if !own.labels.is_empty() {
        members.insert("labels".to_owned(), json!(own.labels));
    }
    if !own.annotations.is_empty() {
        members.insert("annotations".to_owned(), json!(own.annotations));
    }
    (!members.is_empty()).then_some(Value::Object(members))
}

fn process(process: &Process) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            members.insert(name.to_owned(), value);
        }
    };
    put("type", json!(process.kind));
    put("instances", json!(process.instances));
    put("memory", json!(format!("{}M", process.memory)));
    put("disk_quota", json!(format!("{}M", process.disk)));
    put("log-rate-limit-per-second", log_rate(process.log_rate));
    put("command", json!(process.command));
    check("", &process.health, &mut put);
    check("readiness-", &process.readiness, &mut put);
    put("timeout", json!(process.health.timeout));
    Value::Object(members)
}

fn check(prefix: &str, check: &HealthCheck, put: &mut impl FnMut(&str, Value)) {
    put(&format!("{prefix}health-check-type"), json!(check.kind));
    put(&format!("{prefix}health-check-http-endpoint"), json!(check.endpoint));
    put(&format!("{prefix}health-check-invocation-timeout"), json!(check.invocation_timeout));
    put(&format!("{prefix}health-check-interval"), json!(check.interval));
}

/// No limit is the bare number; a limit has the largest unit that divides it.
fn log_rate(bytes: i64) -> Value {
    if bytes < 0 {
        return json!(bytes);
    }
    let units = [("G", 1_073_741_824), ("M", 1_048_576), ("K", 1024)];
    let fitting = units.into_iter().find(|(_, size)| bytes > 0 && bytes % size == 0);
    let (unit, size) = fitting.unwrap_or(("B", 1));
    json!(format!("{}{unit}", bytes / size))
}
