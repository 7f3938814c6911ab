//! Writes of the v3 API: what a repairer sends.
//!
//! Decides who may write what, what CC refuses with 422, and which writes take a job. What a write
//! means is the world parts' business. [`super::serving`] calls it for everything but GET.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::access::Caller;
use super::errors::CfError;
use super::presenting::{Secrets, View};
use super::record::Metadata;
use super::state::{State, after};
use super::{Answer, Request};

/// How long a deployment takes that a request asks for.
const DEPLOYMENT: SignedDuration = SignedDuration::from_secs(30);

/// One write under way.
pub struct Writer<'a> {
    pub state: &'a mut State,
    pub caller: &'a Caller,
    pub base: &'a str,
    pub now: Timestamp,
}

impl Writer<'_> {
    /// Answers a POST, PATCH or DELETE below `/v3`.
    pub fn write(&mut self, segments: &[&str], request: &Request) -> Result<Answer, CfError> {
        match (request.method.as_str(), segments) {
            ("POST", ["service_credential_bindings"]) => self.create_binding(&body(request)?),
            ("DELETE", ["service_credential_bindings", guid]) => self.delete_binding(guid),
            ("PATCH", ["service_credential_bindings", guid]) => self.label_binding(guid, &body(request)?),
            ("POST", ["apps", guid, "actions", action]) => self.act(guid, action),
            ("PATCH", ["apps", guid, "environment_variables"]) => self.set_variables(guid, &body(request)?),
            ("PATCH", ["apps", guid]) => self.update_app(guid, &body(request)?),
            ("POST", ["processes", guid, "actions", "scale"]) => self.scale(guid, &body(request)?),
            ("POST", ["apps", guid, "processes", kind, "actions", "scale"]) => {
                let process = self.state.process_of(guid, kind).ok_or_else(|| CfError::not_found("Process"))?;
                self.scale(&process, &body(request)?)
            }
            ("POST", ["deployments"]) => self.deploy(&body(request)?),
            ("POST", ["buildpacks"]) => self.create_buildpack(&body(request)?),
            ("PATCH", ["buildpacks", guid]) => self.update_buildpack(guid, &body(request)?),
            ("POST", ["buildpacks", guid, "upload"]) => self.upload_buildpack(guid, &request.body),
            ("DELETE", ["buildpacks", guid]) => self.delete_buildpack(guid),
            _ => Err(CfError::unknown_route()),
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        View { state: self.state, caller: self.caller, base: self.base, now: self.now, effect: None, page_limit: None }
    }

    /// 202 and where to ask.
    pub(super) fn accepted(&self, job: &str) -> Answer {
        Answer::empty(202).with_header("Location", self.job_address(job))
    }

    pub(super) fn job_address(&self, job: &str) -> String {
        format!("{}/v3/jobs/{job}", self.base)
    }

    /// An app that the caller sees and may repair; its space.
    fn repairable(&self, app: &str) -> Result<String, CfError> {
        let space = self.state.apps.get(app).map(|app| app.space.clone());
        let space = space.filter(|space| self.caller.sees_space(space)).ok_or_else(|| CfError::not_found("App"))?;
        if self.caller.repairs(&space) { Ok(space) } else { Err(CfError::not_authorized()) }
    }

    fn create_binding(&mut self, body: &Value) -> Result<Answer, CfError> {
        let known = ["type", "name", "relationships", "parameters", "metadata", "strategy"];
        refuse_unknown(body, &known)?;
        let is_key = match body.get("type").and_then(Value::as_str) {
            Some("app") => false,
            Some("key") => true,
            _ => return Err(CfError::unprocessable("Type must be one of 'app', 'key'")),
        };
        let guid = |name: &str| related(body, name);
        let instance = guid("service_instance")
            .ok_or_else(|| CfError::unprocessable("Relationships Service instance can't be blank"))?;
        let unknown = || CfError::unprocessable(format!("The service instance could not be found: '{instance}'"));
        let found = self.state.instances.get(instance).ok_or_else(unknown)?;
        let (space, is_managed) = (found.space.clone(), found.plan.is_some());
        if !self.caller.sees_space(&space) {
            return Err(unknown());
        }
        if !self.caller.repairs(&space) {
            return Err(CfError::not_authorized());
        }
        let name = body.get("name").and_then(Value::as_str);
        let app = if is_key { None } else { Some(self.bindable_app(guid("app"), instance, &space)?) };
        if is_key && !is_managed {
            return Err(CfError::unprocessable(
                "Service credential bindings of type 'key' are not supported for user-provided service instances.",
            ));
        }
        let state = if is_managed { "in progress" } else { "succeeded" };
        let binding = self.state.add_binding(app.as_deref(), instance, name, state, self.now).ok_or_else(unknown)?;
        if let Some(binding) = self.state.bindings.get_mut(&binding) {
            merge_metadata(&mut binding.record.metadata, body);
        }
        let actor = &self.caller.actor;
        if is_managed {
            let due = self.state.ask_broker("create", &binding, actor, self.now);
            let result = ("service_credential_binding", format!("/v3/service_credential_bindings/{binding}"));
            let job = self.state.start_job("service_bindings.create", due, Some(result), self.now);
            return Ok(self.accepted(&job));
        }
        self.state.audit_binding("create", &binding, serde_json::json!({"request": {"type": "app"}}), actor, self.now);
        self.shown_binding(201, &binding)
    }

    /// The app of a new binding: in the same space, and not bound yet, not even badly.
    fn bindable_app(&self, app: Option<&str>, instance: &str, space: &str) -> Result<String, CfError> {
        let app = app.ok_or_else(|| CfError::unprocessable("Relationships App can't be blank"))?;
        let found = self.state.apps.get(app).filter(|app| self.caller.sees_space(&app.space));
        let found = found.ok_or_else(|| CfError::unprocessable(format!("The app could not be found: '{app}'")))?;
        if found.space != space {
            return Err(CfError::unprocessable("The service instance and the app are in different spaces"));
        }
        let Some(old) = self.state.binding_between(app, instance) else { return Ok(app.to_owned()) };
        let is_going = self.state.bindings.get(&old).is_some_and(|old| old.operation.kind == "delete");
        Err(CfError::unprocessable(if is_going {
            "The binding is getting deleted or its deletion failed"
        } else {
            "The app is already bound to the service instance"
        }))
    }

    fn shown_binding(&self, status: u16, guid: &str) -> Result<Answer, CfError> {
        let binding = self.state.bindings.get(guid);
        let binding = binding.ok_or_else(|| CfError::not_found("Service credential binding"))?;
        Ok(Answer::json(status, &self.view().binding(binding)))
    }

    /// A binding that the caller may repair; whether a broker has a say in it.
    fn repairable_binding(&self, guid: &str) -> Result<bool, CfError> {
        let missing = || CfError::not_found("Service credential binding");
        let binding = self.state.bindings.get(guid).ok_or_else(missing)?;
        let instance = self.state.instances.get(&binding.instance).ok_or_else(missing)?;
        if !self.caller.sees_space(&instance.space) {
            return Err(missing());
        }
        if !self.caller.repairs(&instance.space) {
            return Err(CfError::not_authorized());
        }
        Ok(instance.plan.is_some())
    }

    fn delete_binding(&mut self, guid: &str) -> Result<Answer, CfError> {
        let actor = &self.caller.actor;
        if self.repairable_binding(guid)? {
            let due = self.state.ask_broker("delete", guid, actor, self.now);
            let job = self.state.start_job("service_bindings.delete", due, None, self.now);
            return Ok(self.accepted(&job));
        }
        self.state.remove_binding(guid, actor, self.now);
        Ok(Answer { headers: Vec::new(), ..Answer::empty(204) })
    }

    /// Labels do not move a binding's `updated_at`.
    fn label_binding(&mut self, guid: &str, body: &Value) -> Result<Answer, CfError> {
        self.repairable_binding(guid)?;
        refuse_unknown(body, &["metadata"])?;
        if let Some(binding) = self.state.bindings.get_mut(guid) {
            merge_metadata(&mut binding.record.metadata, body);
        }
        self.shown_binding(200, guid)
    }

    fn act(&mut self, guid: &str, action: &str) -> Result<Answer, CfError> {
        self.repairable(guid)?;
        let actor = &self.caller.actor;
        match action {
            "start" => self.state.start(guid, actor, self.now),
            "stop" => self.state.stop(guid, actor, self.now),
            "restart" => self.state.restart(guid, "audit.app.restart", actor, self.now),
            _ => return Err(CfError::unknown_route()),
        }
        self.shown_app(guid)
    }

    pub(super) fn shown_app(&self, guid: &str) -> Result<Answer, CfError> {
        let app = self.state.apps.get(guid).ok_or_else(|| CfError::not_found("App"))?;
        Ok(Answer::json(200, &self.view().app(app)))
    }

    fn set_variables(&mut self, guid: &str, body: &Value) -> Result<Answer, CfError> {
        self.repairable(guid)?;
        let variables = body.get("var").and_then(Value::as_object);
        let variables = variables.ok_or_else(|| CfError::unprocessable("Var must be an object"))?;
        let mut changes = BTreeMap::new();
        for (name, value) in variables {
            if name.starts_with("VCAP_") || name == "PORT" {
                return Err(CfError::unprocessable(format!("Var cannot set {name}")));
            }
            let value = match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                _ => {
                    let detail = format!("Non-string value in environment variable for key '{name}'");
                    return Err(CfError::unprocessable(detail));
                }
            };
            changes.insert(name.clone(), value);
        }
        self.state.update_env(guid, &changes, &self.caller.actor, self.now);
        let app = self.state.apps.get(guid).ok_or_else(|| CfError::not_found("App"))?;
        Ok(Answer::json(200, &self.view().variables(app)))
    }

    fn scale(&mut self, guid: &str, body: &Value) -> Result<Answer, CfError> {
        let process = self.state.processes.get(guid).ok_or_else(|| CfError::not_found("Process"))?;
        let (app, is_web) = (process.app.clone(), process.kind == "web");
        self.repairable(&app)?;
        refuse_unknown(body, &["instances", "memory_in_mb", "disk_in_mb", "log_rate_limit_in_bytes_per_second"])?;
        if is_web && self.state.deployment_of(&app).is_some() {
            return Err(CfError::unprocessable("Cannot scale this process while a deployment is in flight."));
        }
        let number = |name: &str| body.get(name).and_then(Value::as_u64);
        let instances = number("instances").and_then(|instances| usize::try_from(instances).ok());
        let (memory, disk) = (number("memory_in_mb"), number("disk_in_mb"));
        self.state.scale_process(guid, instances, memory, disk, &self.caller.actor, self.now);
        let process = self.state.processes.get(guid).ok_or_else(|| CfError::not_found("Process"))?;
        Ok(Answer::json(202, &self.view().process(process, Secrets::Hidden, false)))
    }

    fn deploy(&mut self, body: &Value) -> Result<Answer, CfError> {
        let app = related(body, "app").ok_or_else(|| CfError::unprocessable("Relationships App can't be blank"))?;
        self.repairable(app)?;
        let deployed = self.state.deploy(app, DEPLOYMENT, &self.caller.actor, self.now);
        let guid = deployed.ok_or_else(|| CfError::unprocessable("The app has no web process"))?;
        let deployment = self.state.deployments.get(&guid).ok_or_else(|| CfError::not_found("Deployment"))?;
        Ok(Answer::json(201, &self.view().deployment(deployment)))
    }

    /// Starts a job that is done in a moment; its guid.
    pub(super) fn short_job(&mut self, operation: &'static str) -> String {
        let due = after(self.now, SignedDuration::from_secs(1));
        self.state.start_job(operation, due, None, self.now)
    }
}

fn body(request: &Request) -> Result<Value, CfError> {
    let parsed: Option<Value> = serde_json::from_slice(&request.body).ok();
    parsed.filter(Value::is_object).ok_or_else(CfError::unparsable)
}

/// The guid of a to-one relationship.
fn related<'b>(body: &'b Value, name: &str) -> Option<&'b str> {
    body.get("relationships")?.get(name)?.get("data")?.get("guid")?.as_str()
}

pub(super) fn refuse_unknown(body: &Value, known: &[&str]) -> Result<(), CfError> {
    let names = body.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let odd: Vec<&str> = names.filter(|name| !known.contains(name)).collect();
    if odd.is_empty() {
        return Ok(());
    }
    Err(CfError::unprocessable(format!("Unknown field(s): '{}'", odd.join("', '"))))
}

/// Merges labels and annotations; a null removes one.
pub(super) fn merge_metadata(metadata: &mut Metadata, body: &Value) {
    let Some(changes) = body.get("metadata") else { return };
    for (name, target) in [("labels", &mut metadata.labels), ("annotations", &mut metadata.annotations)] {
        for (key, value) in changes.get(name).and_then(Value::as_object).into_iter().flatten() {
            match value.as_str() {
                Some(value) => target.insert(key.clone(), value.to_owned()),
                None => target.remove(key),
            };
        }
    }
}
