//! Apps.
//!
//! Decides what a push, a start, a restart, a restage and a change of environment do: which move
//! `updated_at`, which make new process versions, which events they write. A changed environment
//! waits for the next version. It never looks at requests; those and the scenarios call it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Foundation;
use super::events::Actor;
use super::plans::AppPlan;
use super::record::{Entity, Record};
use super::state::State;

const HIDDEN: &str = "[PRIVATE DATA HIDDEN]";

/// An app.
#[derive(Clone)]
pub struct App {
    pub record: Record,
    pub name: String,
    pub space: String,
    pub started: bool,
    pub env: BTreeMap<String, String>,
    /// Empty: detected.
    pub buildpacks: Vec<String>,
    pub stack: String,
    pub docker: Option<String>,
    pub droplet: Option<String>,
    /// The guids of its processes, oldest first.
    pub processes: Vec<String>,
    /// The newest revision's number and guid.
    pub revision: (u32, Option<String>),
    /// Whether the next start makes a new revision.
    pub revised: bool,
    /// Which buildpack detection finds in its code.
    pub detects: Option<String>,
}

impl Entity for App {
    fn record(&self) -> &Record {
        &self.record
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl State {
    pub fn app_named(&self, space: &str, name: &str) -> Option<String> {
        let found = self.apps.iter().find(|app| app.space == space && app.name.eq_ignore_ascii_case(name));
        found.map(|app| app.record.guid.clone())
    }

    fn create_app(&mut self, space: &str, plan: &AppPlan, actor: &Actor, now: Timestamp) -> String {
        let guid = self.next_guid(&plan.name);
        let mut record = Record::new(guid.clone(), now);
        record.metadata.labels.clone_from(&plan.labels);
        self.apps.insert(App {
            record,
            name: plan.name.clone(),
            space: space.to_owned(),
            started: false,
            env: BTreeMap::new(),
            buildpacks: Vec::new(),
            stack: String::new(),
            docker: None,
            droplet: None,
            processes: Vec::new(),
            revision: (0, None),
            revised: true,
            detects: None,
        });
        let data = json!({"request": {"name": plan.name, "environment_variables": HIDDEN}, "manifest_triggered": true});
        self.audit_app("audit.app.create", actor, &guid, data, now);
        guid
    }

    /// Applies a manifest as CC does: what it does not name stays. Then stages and starts.
    pub fn push(&mut self, space: &str, plan: &AppPlan, actor: &Actor, now: Timestamp) -> String {
        let known = self.app_named(space, &plan.name);
        let fresh = known.is_none();
        let guid = known.unwrap_or_else(|| self.create_app(space, plan, actor, now));
        if let Some(app) = self.apps.get_mut(&guid) {
            app.env.extend(plan.env.clone());
            app.buildpacks.clone_from(&plan.buildpacks);
            app.stack.clone_from(&plan.stack);
            app.docker.clone_from(&plan.docker);
            app.detects.clone_from(&plan.detects);
            app.record.updated_at = now;
        }
        let manifest = json!({"request": {"manifest": format!("---\napplications:\n- name: {}\n", plan.name)}});
        self.audit_app("audit.app.apply_manifest", actor, &guid, manifest, now);
        for process in std::iter::once(plan.web()).chain(plan.processes.iter().cloned()) {
            self.put_process(&guid, &process, now);
        }
        for route in &plan.routes {
            self.map_route(&guid, route, true, actor, now);
        }
        for service in &plan.services {
            if let Some(instance) = self.instance_named(space, service) {
                self.bind(&guid, &instance, true, actor, now);
            }
        }
        self.stage(&guid, actor, now);
        if fresh {
            self.start(&guid, actor, now);
        } else {
            self.restart(&guid, "audit.app.restart", actor, now);
        }
        guid
    }

    /// Starts a stopped app; a started one stays as it is.
    pub fn start(&mut self, guid: &str, actor: &Actor, now: Timestamp) {
        if self.apps.get(guid).is_some_and(|app| !app.started) {
            self.renew(guid, now);
        }
        self.audit_app("audit.app.start", actor, guid, json!({}), now);
    }

    pub fn stop(&mut self, guid: &str, actor: &Actor, now: Timestamp) {
        let Some(app) = self.apps.get_mut(guid) else { return };
        app.started = false;
        app.record.updated_at = now;
        for process in self.processes_of(guid) {
            if let Some(process) = self.processes.get_mut(&process) {
                process.running.clear();
                process.record.updated_at = now;
            }
        }
        self.audit_app("audit.app.stop", actor, guid, json!({}), now);
    }

    /// Stops and starts; starts a stopped app too.
    pub fn restart(&mut self, guid: &str, event: &'static str, actor: &Actor, now: Timestamp) {
        self.renew(guid, now);
        self.audit_app(event, actor, guid, json!({}), now);
    }

    /// New versions for every process.
    fn renew(&mut self, guid: &str, now: Timestamp) {
        let revision = self.revise(guid);
        for process in self.processes_of(guid) {
            self.renew_process(&process, revision.clone(), now);
        }
        if let Some(app) = self.apps.get_mut(guid) {
            app.started = true;
            app.record.updated_at = now;
        }
    }

    /// The revision that a start runs: a new one where environment or droplet have changed.
    pub fn revise(&mut self, guid: &str) -> Option<String> {
        let fresh = self.next_guid("revision");
        let app = self.apps.get_mut(guid)?;
        if std::mem::take(&mut app.revised) {
            app.revision = (app.revision.0 + 1, Some(fresh));
        }
        app.revision.1.clone()
    }

    /// Sets variables, or removes those without a value. Nothing restarts and no version changes.
    pub fn update_env(
        &mut self,
        guid: &str,
        changes: &BTreeMap<String, Option<String>>,
        actor: &Actor,
        now: Timestamp,
    ) -> bool {
        let Some(app) = self.apps.get_mut(guid) else { return false };
        for (name, value) in changes {
            match value {
                Some(value) => app.env.insert(name.clone(), value.clone()),
                None => app.env.remove(name),
            };
        }
        app.revised = true;
        app.record.updated_at = now;
        self.audit_update(guid, json!({"environment_variables": HIDDEN}), actor, now);
        true
    }

    pub fn audit_update(&mut self, guid: &str, request: Value, actor: &Actor, now: Timestamp) {
        self.audit_app("audit.app.update", actor, guid, json!({"request": request}), now);
    }

    pub fn delete_app(&mut self, guid: &str, actor: &Actor, now: Timestamp) -> bool {
        if self.apps.get(guid).is_none() {
            return false;
        }
        for binding in self.bindings.guids(|binding| binding.app.as_deref() == Some(guid)) {
            self.remove_binding(&binding, actor, now);
        }
        self.audit_app("audit.app.delete-request", actor, guid, json!({"request": {"recursive": true}}), now);
        for route in self.routes.iter_mut() {
            route.destinations.retain(|destination| destination.app != guid);
        }
        for process in self.processes_of(guid) {
            self.remove_process(&process);
        }
        for droplet in self.droplets.guids(|droplet| droplet.app == guid) {
            self.droplets.remove(&droplet);
        }
        for deployment in self.deployments.guids(|deployment| deployment.app == guid) {
            self.deployments.remove(&deployment);
        }
        self.apps.remove(guid);
        true
    }
}

impl Foundation {
    /// `cf push`: creates the app or applies the plan to it, additively, then stages and restarts.
    /// A new app's instances run at once. The space is made if it is not there. The app's guid.
    pub fn push(&mut self, organization: &str, space: &str, plan: &AppPlan, now: Timestamp) -> String {
        self.act(now, |state, actor| {
            let space = state.add_space(organization, space, now);
            let fresh = state.app_named(&space, &plan.name).is_none();
            let guid = state.push(&space, plan, actor, now);
            if fresh {
                for process in state.processes_of(&guid) {
                    if let Some(process) = state.processes.get_mut(&process) {
                        process.run_all(now);
                    }
                }
            }
            guid
        })
    }

    /// The guid of an app.
    pub fn app_guid(&self, organization: &str, space: &str, name: &str) -> Option<String> {
        self.state.app_named(&self.state.space_named(organization, space)?, name)
    }

    /// `cf set-env`: waits for a restart.
    pub fn set_env(&mut self, app: &str, name: &str, value: &str, now: Timestamp) -> bool {
        let changes = BTreeMap::from([(name.to_owned(), Some(value.to_owned()))]);
        self.act(now, |state, actor| state.update_env(app, &changes, actor, now))
    }

    /// `cf unset-env`: waits for a restart.
    pub fn unset_env(&mut self, app: &str, name: &str, now: Timestamp) -> bool {
        let changes = BTreeMap::from([(name.to_owned(), None)]);
        self.act(now, |state, actor| state.update_env(app, &changes, actor, now))
    }

    /// `cf start`.
    pub fn start(&mut self, app: &str, now: Timestamp) {
        self.act(now, |state, actor| state.start(app, actor, now));
    }

    /// `cf stop`.
    pub fn stop(&mut self, app: &str, now: Timestamp) {
        self.act(now, |state, actor| state.stop(app, actor, now));
    }

    /// `cf restart`: new versions, which carry whatever is configured now.
    pub fn restart(&mut self, app: &str, now: Timestamp) {
        self.act(now, |state, actor| state.restart(app, "audit.app.restart", actor, now));
    }

    /// `cf restage`: a new droplet of today's buildpacks, and a restart.
    pub fn restage(&mut self, app: &str, now: Timestamp) {
        self.act(now, |state, actor| {
            state.stage(app, actor, now);
            state.restart(app, "audit.app.restage", actor, now);
        });
    }

    /// Names other buildpacks or another stack; waits for a restage.
    pub fn set_lifecycle(&mut self, app: &str, buildpacks: &[&str], stack: &str, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            let Some(known) = state.apps.get_mut(app) else { return false };
            known.buildpacks = buildpacks.iter().map(|name| (*name).to_owned()).collect();
            known.stack = stack.to_owned();
            known.record.updated_at = now;
            let request =
                json!({"lifecycle": {"type": "buildpack", "data": {"buildpacks": buildpacks, "stack": stack}}});
            state.audit_update(app, request, actor, now);
            true
        })
    }

    /// `cf delete -r` without the routes: bindings, processes and droplets go with it.
    pub fn delete_app(&mut self, app: &str, now: Timestamp) -> bool {
        self.act(now, |state, actor| state.delete_app(app, actor, now))
    }
}
