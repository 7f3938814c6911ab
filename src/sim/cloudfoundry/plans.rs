//! What scenarios say of an app that they push.
//!
//! Decides the defaults, which are CC's. It never touches the foundation:
//! [`Foundation::push`](super::Foundation::push) takes a plan and applies it as a manifest.

use std::collections::BTreeMap;

/// What a scenario says of an app: the attributes of its manifest.
#[derive(Clone)]
pub struct AppPlan {
    /// Its name.
    pub name: String,
    /// Instances of the web process; 0 for an app that only has workers.
    pub instances: usize,
    /// MB of a web instance.
    pub memory: u64,
    /// MB of a web instance.
    pub disk: u64,
    /// The web process's command.
    pub command: Option<String>,
    /// The web process's health check: `port`, `http` or `process`.
    pub health_check: String,
    /// Where `http` asks.
    pub health_endpoint: Option<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Routes, such as `www.example.com/path`.
    pub routes: Vec<String>,
    /// Names of service instances of the space that it binds.
    pub services: Vec<String>,
    /// Empty: detected.
    pub buildpacks: Vec<String>,
    /// Which buildpack detection finds; the first in order that serves the stack, where absent.
    pub detects: Option<String>,
    /// Its stack.
    pub stack: String,
    /// An image: then it has neither buildpacks nor stack.
    pub docker: Option<String>,
    /// The processes besides web.
    pub processes: Vec<ProcessPlan>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl AppPlan {
    /// One web instance with CC's defaults, detected buildpack, stack `cflinuxfs4`, no route.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            instances: 1,
            memory: 1024,
            disk: 1024,
            command: None,
            health_check: "port".to_owned(),
            health_endpoint: None,
            env: BTreeMap::new(),
            routes: Vec::new(),
            services: Vec::new(),
            buildpacks: Vec::new(),
            detects: None,
            stack: "cflinuxfs4".to_owned(),
            docker: None,
            processes: Vec::new(),
            labels: BTreeMap::new(),
        }
    }

    /// The web process, which the attributes of the app itself describe.
    pub(super) fn web(&self) -> ProcessPlan {
        ProcessPlan {
            instances: self.instances,
            memory: self.memory,
            disk: self.disk,
            command: self.command.clone(),
            health_check: self.health_check.clone(),
            health_endpoint: self.health_endpoint.clone(),
            ..ProcessPlan::new("web")
        }
    }
}

/// What a scenario says of a process.
#[derive(Debug, Clone)]
pub struct ProcessPlan {
    /// `web`, `worker`, …
    pub kind: String,
    /// How many instances.
    pub instances: usize,
    /// MB of each.
    pub memory: u64,
    /// MB of each.
    pub disk: u64,
    /// The buildpack's, where absent.
    pub command: Option<String>,
    /// `port`, `http` or `process`.
    pub health_check: String,
    /// Where `http` asks.
    pub health_endpoint: Option<String>,
}

impl ProcessPlan {
    /// One instance with CC's defaults: 1024 MB, health check `port` for web and `process` for others.
    pub fn new(kind: &str) -> Self {
        let health_check = if kind == "web" { "port" } else { "process" };
        Self {
            kind: kind.to_owned(),
            instances: 1,
            memory: 1024,
            disk: 1024,
            command: None,
            health_check: health_check.to_owned(),
            health_endpoint: None,
        }
    }
}
