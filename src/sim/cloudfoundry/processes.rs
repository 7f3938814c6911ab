//! Processes and their instances.
//!
//! Decides what a running process is made of: a `version` that only a restart changes, and
//! instances whose time counts from their last change of state. A crash starts an instance anew
//! from the same version, so its young age proves nothing. It never knows the app's configuration,
//! which waits for the next version. Apps, deployments and scenarios call it.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Foundation;
use super::events::{Actor, Target};
use super::plans::ProcessPlan;
use super::record::{Entity, Record};
use super::state::{State, after};

/// How long an instance takes to come up.
const START: SignedDuration = SignedDuration::from_secs(5);

/// What Diego says of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// Up.
    Running,
    /// Died, and waits to be started again.
    Crashed,
    /// On its way up.
    Starting,
    /// On its way down.
    Stopping,
    /// Nowhere: no cell has room for it, or Diego knows nothing of it.
    Down,
}

impl InstanceState {
    /// As the API spells it.
    pub fn spelled(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Crashed => "CRASHED",
            Self::Starting => "STARTING",
            Self::Stopping => "STOPPING",
            Self::Down => "DOWN",
        }
    }
}

/// One instance, and what becomes of it by itself.
#[derive(Clone)]
pub struct Instance {
    state: InstanceState,
    since: Timestamp,
    next: Option<(Timestamp, InstanceState)>,
}

impl Instance {
    fn steady(state: InstanceState, since: Timestamp) -> Self {
        Self { state, since, next: None }
    }

    /// Its state, and since when it is in it.
    pub fn at(&self, now: Timestamp) -> (InstanceState, Timestamp) {
        match self.next {
            Some((when, then)) if when <= now => (then, when),
            _ => (self.state, self.since),
        }
    }
}

/// A liveness or readiness check.
#[derive(Clone)]
pub struct HealthCheck {
    pub kind: String,
    pub endpoint: Option<String>,
    pub timeout: Option<u32>,
    pub invocation_timeout: Option<u32>,
    pub interval: Option<u32>,
}

impl HealthCheck {
    pub fn new(kind: &str, endpoint: Option<&str>) -> Self {
        let endpoint = endpoint.map(str::to_owned);
        Self { kind: kind.to_owned(), endpoint, timeout: None, invocation_timeout: None, interval: None }
    }
}

/// A process of an app.
#[derive(Clone)]
pub struct Process {
    pub record: Record,
    pub app: String,
    pub kind: String,
    /// Detected by the buildpack, where absent.
    pub command: Option<String>,
    pub instances: usize,
    pub memory: u64,
    pub disk: u64,
    pub log_rate: i64,
    pub health: HealthCheck,
    pub readiness: HealthCheck,
    /// What the DesiredLRP is keyed by, together with the guid.
    pub version: String,
    pub revision: Option<String>,
    pub running: Vec<Instance>,
    crashing: bool,
}

impl Entity for Process {
    fn record(&self) -> &Record {
        &self.record
    }
}

impl Process {
    fn new(record: Record, app: &str, kind: &str, version: String) -> Self {
        Self {
            record,
            app: app.to_owned(),
            kind: kind.to_owned(),
            command: None,
            instances: 0,
            memory: 0,
            disk: 0,
            log_rate: -1,
            health: HealthCheck::new("port", None),
            readiness: HealthCheck::new("process", None),
            version,
            revision: None,
            running: Vec::new(),
            crashing: false,
        }
    }

    /// What an instance that starts now will become.
    pub fn begin(&self, now: Timestamp) -> Instance {
        let then = if self.crashing { InstanceState::Crashed } else { InstanceState::Running };
        Instance { state: InstanceState::Starting, since: now, next: Some((after(now, START), then)) }
    }

    /// As many instances as wanted, all of them just starting.
    pub fn start_all(&mut self, now: Timestamp) {
        self.running = (0..self.instances).map(|_| self.begin(now)).collect();
    }

    /// Every wanted instance is simply up.
    pub fn run_all(&mut self, since: Timestamp) {
        self.running = vec![Instance::steady(InstanceState::Running, since); self.instances];
    }

    /// Instances follow their wanted number at once, from the version that runs.
    pub fn resize(&mut self, instances: usize, now: Timestamp) {
        self.instances = instances;
        self.running.truncate(instances);
        while self.running.len() < instances {
            let instance = self.begin(now);
            self.running.push(instance);
        }
    }
}

impl State {
    /// The guids of an app's processes.
    pub fn processes_of(&self, app: &str) -> Vec<String> {
        self.apps.get(app).map(|app| app.processes.clone()).unwrap_or_default()
    }

    /// The guid of an app's process of this type; of two web processes, the older.
    pub fn process_of(&self, app: &str, kind: &str) -> Option<String> {
        let processes = &self.apps.get(app)?.processes;
        processes.iter().find(|guid| self.processes.get(guid).is_some_and(|process| process.kind == kind)).cloned()
    }

    /// Gives an app one more process.
    pub fn add_process(&mut self, process: Process) {
        if let Some(app) = self.apps.get_mut(&process.app) {
            app.processes.push(process.record.guid.clone());
            self.processes.insert(process);
        }
    }

    /// Takes a process away from its app.
    pub fn remove_process(&mut self, guid: &str) {
        let Some(process) = self.processes.remove(guid) else { return };
        if let Some(app) = self.apps.get_mut(&process.app) {
            app.processes.retain(|known| known != guid);
        }
    }

    fn process_mut(&mut self, app: &str, kind: &str) -> Option<&mut Process> {
        let guid = self.process_of(app, kind)?;
        self.processes.get_mut(&guid)
    }

    /// Gives an app this process, or changes the one it has. Nothing restarts.
    pub fn put_process(&mut self, app: &str, plan: &ProcessPlan, now: Timestamp) {
        let guid = match self.process_of(app, &plan.kind) {
            Some(known) => known,
            None => {
                // CC gives the first web process the guid of its app.
                let guid = if plan.kind == "web" { app.to_owned() } else { self.next_guid(&plan.kind) };
                let version = self.next_guid("version");
                self.add_process(Process::new(Record::new(guid.clone(), now), app, &plan.kind, version));
                guid
            }
        };
        let Some(process) = self.processes.get_mut(&guid) else { return };
        process.instances = plan.instances;
        process.memory = plan.memory;
        process.disk = plan.disk;
        process.command.clone_from(&plan.command);
        process.health = HealthCheck::new(&plan.health_check, plan.health_endpoint.as_deref());
        process.record.updated_at = now;
    }

    /// A new version: whatever is configured now is what the new instances run with.
    pub fn renew_process(&mut self, guid: &str, revision: Option<String>, now: Timestamp) {
        let version = self.next_guid("version");
        let Some(process) = self.processes.get_mut(guid) else { return };
        process.version = version;
        process.revision = revision;
        process.record.updated_at = now;
        process.start_all(now);
    }

    /// Instances at once; memory and disk wait for a restart. The version stays.
    pub fn scale_process(
        &mut self,
        guid: &str,
        instances: Option<usize>,
        memory: Option<u64>,
        disk: Option<u64>,
        actor: &Actor,
        now: Timestamp,
    ) -> bool {
        let Some(process) = self.processes.get(guid) else { return false };
        let (app, kind) = (process.app.clone(), process.kind.clone());
        let started = self.apps.get(&app).is_some_and(|app| app.started);
        let Some(process) = self.processes.get_mut(guid) else { return false };
        if let Some(instances) = instances {
            if started {
                process.resize(instances, now);
            } else {
                process.instances = instances;
            }
        }
        process.memory = memory.unwrap_or(process.memory);
        process.disk = disk.unwrap_or(process.disk);
        process.record.updated_at = now;
        let request = json!({"instances": instances, "memory_in_mb": memory, "disk_in_mb": disk});
        let data = json!({"process_guid": guid, "process_type": kind, "request": request});
        self.audit_app("audit.app.process.scale", actor, &app, data, now);
        true
    }

    fn update_process(&mut self, app: &str, kind: &str, actor: &Actor, now: Timestamp) {
        let Some(process) = self.process_mut(app, kind) else { return };
        process.record.updated_at = now;
        let data = json!({"process_guid": process.record.guid, "process_type": kind,
            "request": {"command": "[PRIVATE DATA HIDDEN]"}});
        self.audit_app("audit.app.process.update", actor, app, data, now);
    }
}

impl Foundation {
    /// Wants another number of instances; they come and go at once, of the version that runs.
    pub fn scale(&mut self, app: &str, kind: &str, instances: usize, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            let guid = state.process_of(app, kind);
            guid.is_some_and(|guid| state.scale_process(&guid, Some(instances), None, None, actor, now))
        })
    }

    /// Wants another amount of memory, which waits for a restart.
    pub fn set_memory(&mut self, app: &str, kind: &str, memory: u64, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            let guid = state.process_of(app, kind);
            guid.is_some_and(|guid| state.scale_process(&guid, None, Some(memory), None, actor, now))
        })
    }

    /// Sets the command, which waits for a restart.
    pub fn set_command(&mut self, app: &str, kind: &str, command: &str, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            let Some(process) = state.process_mut(app, kind) else { return false };
            process.command = Some(command.to_owned());
            state.update_process(app, kind, actor, now);
            true
        })
    }

    /// Sets the health check, which waits for a restart.
    pub fn set_health_check(
        &mut self,
        app: &str,
        kind: &str,
        check: &str,
        endpoint: Option<&str>,
        now: Timestamp,
    ) -> bool {
        self.act(now, |state, actor| {
            let Some(process) = state.process_mut(app, kind) else { return false };
            process.health = HealthCheck::new(check, endpoint);
            state.update_process(app, kind, actor, now);
            true
        })
    }

    /// An instance dies and comes back: younger, and of the same old version.
    pub fn crash(&mut self, app: &str, kind: &str, index: usize, now: Timestamp) -> bool {
        self.act(now, |state, _| {
            let Some(process) = state.process_mut(app, kind) else { return false };
            let again = process.begin(now);
            let Some(instance) = process.running.get_mut(index) else { return false };
            *instance = again;
            let guid = process.record.guid.clone();
            let Some((name, space)) = state.apps.get(app).map(|app| (app.name.clone(), app.space.clone())) else {
                return false;
            };
            // Diego is the actor: nobody did it.
            let diego = Actor { guid: guid.clone(), kind: "process", name: Some(kind.to_owned()) };
            let target = Target { guid: app.to_owned(), kind: "app", name };
            let data = json!({"instance": guid, "index": index, "exit_status": 1,
                "exit_description": "APP/PROC: Exited with status 1", "reason": "CRASHED"});
            state.audit("audit.app.process.crash", &diego, target, Some(&space), data, now);
            true
        })
    }

    /// Every instance of a process is crashed, and is again after every restart.
    pub fn keep_crashing(&mut self, app: &str, kind: &str, now: Timestamp) -> bool {
        self.act(now, |state, _| {
            let Some(process) = state.process_mut(app, kind) else { return false };
            process.crashing = true;
            process.running = vec![Instance::steady(InstanceState::Crashed, now); process.instances];
            true
        })
    }

    /// What made a process crash is gone: Diego's next start succeeds, of the same version.
    pub fn stop_crashing(&mut self, app: &str, kind: &str, now: Timestamp) -> bool {
        self.act(now, |state, _| {
            let Some(process) = state.process_mut(app, kind) else { return false };
            process.crashing = false;
            process.start_all(now);
            true
        })
    }

    /// Puts one instance into a state, where it stays until its process starts anew.
    pub fn set_instance(
        &mut self,
        app: &str,
        kind: &str,
        index: usize,
        instance: InstanceState,
        now: Timestamp,
    ) -> bool {
        self.act(now, |state, _| {
            let process = state.process_mut(app, kind);
            let Some(slot) = process.and_then(|process| process.running.get_mut(index)) else { return false };
            *slot = Instance::steady(instance, now);
            true
        })
    }

    /// The guid of an app's process of this type.
    pub fn process_guid(&self, app: &str, kind: &str) -> Option<String> {
        self.state.process_of(app, kind)
    }
}
