//! Rolling deployments.
//!
//! Decides what they look like from outside: two web processes at a time, and at the end only the
//! new one, under another guid; then the other processes restart. It never changes a droplet. The
//! write and the scenarios start one; it ends by itself.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Foundation;
use super::events::Actor;
use super::record::{Entity, Record};
use super::state::{Pending, State, after};

/// A deployment.
#[derive(Clone)]
pub struct Deployment {
    pub record: Record,
    pub app: String,
    pub active: bool,
    /// `DEPLOYING`, `DEPLOYED`, `SUPERSEDED`.
    pub reason: &'static str,
    pub droplet: Option<String>,
    pub previous_droplet: Option<String>,
    pub new_process: String,
    pub revision: (u32, Option<String>),
    /// How many web instances there will be.
    instances: usize,
}

impl Entity for Deployment {
    fn record(&self) -> &Record {
        &self.record
    }
}

impl State {
    /// The guid of the app's deployment that is under way.
    pub fn deployment_of(&self, app: &str) -> Option<String> {
        let found = self.deployments.iter().find(|deployment| deployment.active && deployment.app == app);
        found.map(|deployment| deployment.record.guid.clone())
    }

    /// Starts a rolling deployment of the app's current droplet; it starts a stopped app too.
    pub fn deploy(&mut self, app: &str, lasts: SignedDuration, actor: &Actor, now: Timestamp) -> Option<String> {
        let old = self.process_of(app, "web")?;
        if let Some(running) = self.deployment_of(app) {
            self.supersede(&running, now);
        }
        let revision = self.revise(app);
        let new_process = self.next_guid("web");
        let version = self.next_guid("version");
        let mut process = self.processes.get(&old)?.clone();
        let instances = process.instances;
        process.record = Record::new(new_process.clone(), now);
        process.version = version;
        process.revision.clone_from(&revision);
        process.instances = instances.min(1);
        process.start_all(now);
        self.add_process(process);
        let known = self.apps.get_mut(app)?;
        known.started = true;
        known.record.updated_at = now;
        let (droplet, revision) = (known.droplet.clone(), known.revision.clone());
        let guid = self.next_guid("deployment");
        self.deployments.insert(Deployment {
            record: Record::new(guid.clone(), now),
            app: app.to_owned(),
            active: true,
            reason: "DEPLOYING",
            droplet: droplet.clone(),
            previous_droplet: droplet,
            new_process,
            revision,
            instances,
        });
        self.pending.push((after(now, lasts), Pending::Deployment(guid.clone())));
        let data = json!({"deployment_guid": guid, "strategy": "rolling", "type": "restart"});
        self.audit_app("audit.app.deployment.create", actor, app, data, now);
        Some(guid)
    }

    /// A newer deployment takes over: what the older one started goes.
    fn supersede(&mut self, guid: &str, now: Timestamp) {
        let Some(deployment) = self.deployments.get_mut(guid) else { return };
        deployment.active = false;
        deployment.reason = "SUPERSEDED";
        deployment.record.updated_at = now;
        let abandoned = deployment.new_process.clone();
        self.remove_process(&abandoned);
    }

    /// The last old instance is gone.
    pub fn finish_deployment(&mut self, guid: &str, now: Timestamp) {
        let Some(deployment) = self.deployments.get_mut(guid).filter(|deployment| deployment.active) else { return };
        deployment.active = false;
        deployment.reason = "DEPLOYED";
        deployment.record.updated_at = now;
        let (app, new, instances) = (deployment.app.clone(), deployment.new_process.clone(), deployment.instances);
        let revision = deployment.revision.1.clone();
        for process in self.processes_of(&app) {
            let is_web = self.processes.get(&process).is_some_and(|process| process.kind == "web");
            if process == new {
                if let Some(process) = self.processes.get_mut(&process) {
                    process.resize(instances, now);
                    process.record.updated_at = now;
                }
            } else if is_web {
                self.remove_process(&process);
            } else {
                self.renew_process(&process, revision.clone(), now);
            }
        }
    }
}

impl Foundation {
    /// `cf restart --strategy rolling`: two web processes until it ends by itself; its guid, or
    /// nothing where the app is not there.
    pub fn rolling_deploy(&mut self, app: &str, lasts: SignedDuration, now: Timestamp) -> Option<String> {
        self.act(now, |state, actor| state.deploy(app, lasts, actor, now))
    }

    /// `cf push --strategy rolling` of new code: stages a droplet of today's buildpacks first.
    pub fn rolling_push(&mut self, app: &str, lasts: SignedDuration, now: Timestamp) -> Option<String> {
        self.act(now, |state, actor| {
            let previous = state.apps.get(app)?.droplet.clone();
            state.stage(app, actor, now);
            let guid = state.deploy(app, lasts, actor, now)?;
            if let Some(deployment) = state.deployments.get_mut(&guid) {
                deployment.previous_droplet = previous;
            }
            Some(guid)
        })
    }
}
