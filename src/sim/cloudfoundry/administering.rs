//! Writes that need more than a repairer's role: buildpacks, and what an app is.
//!
//! Decides their refusals, as recorded: a name that is taken, a stack that does not exist, a lock.
//! Positions are the business of [`super::buildpacks`]. Part of [`Writer`].

use serde_json::{Value, json};

use super::Answer;
use super::errors::CfError;
use super::writing::{Writer, merge_metadata, refuse_unknown};

impl Writer<'_> {
    pub(super) fn update_app(&mut self, guid: &str, body: &Value) -> Result<Answer, CfError> {
        let space = self.state.apps.get(guid).map(|app| app.space.clone());
        let space = space.filter(|space| self.caller.sees_space(space)).ok_or_else(|| CfError::not_found("App"))?;
        if !self.caller.develops(&space) {
            return Err(CfError::not_authorized());
        }
        refuse_unknown(body, &["name", "lifecycle", "metadata"])?;
        let now = self.now;
        let Some(app) = self.state.apps.get_mut(guid) else { return Err(CfError::not_found("App")) };
        merge_metadata(&mut app.record.metadata, body);
        if let Some(name) = body.get("name").and_then(Value::as_str) {
            app.name = name.to_owned();
        }
        if let Some(data) = body.pointer("/lifecycle/data") {
            if let Some(stack) = data.get("stack").and_then(Value::as_str) {
                app.stack = stack.to_owned();
            }
            if let Some(names) = data.get("buildpacks").and_then(Value::as_array) {
                app.buildpacks = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            }
        }
        app.record.updated_at = now;
        self.state.audit_update(guid, body.clone(), &self.caller.actor, now);
        self.shown_app(guid)
    }

    pub(super) fn create_buildpack(&mut self, body: &Value) -> Result<Answer, CfError> {
        self.needs_admin()?;
        refuse_unknown(body, &["name", "stack", "position", "enabled", "locked", "lifecycle", "metadata"])?;
        let name = body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| CfError::unprocessable("Name must be a string"))?;
        let stack = body.get("stack").and_then(Value::as_str);
        self.refuse_taken(name, stack, None)?;
        let position = position(body);
        let guid = self.state.create_buildpack(name, stack, position, &self.caller.actor, self.now);
        self.set_switches(&guid, body);
        self.shown_buildpack(201, &guid)
    }

    pub(super) fn update_buildpack(&mut self, guid: &str, body: &Value) -> Result<Answer, CfError> {
        self.needs_admin()?;
        refuse_unknown(body, &["name", "stack", "position", "enabled", "locked", "metadata"])?;
        let missing = || CfError::not_found("Buildpack");
        let known = self.state.buildpacks.get(guid).ok_or_else(missing)?;
        let name = body.get("name").and_then(Value::as_str).unwrap_or(&known.name).to_owned();
        let stack = body.get("stack").and_then(Value::as_str).or(known.stack.as_deref()).map(str::to_owned);
        self.refuse_taken(&name, stack.as_deref(), Some(guid))?;
        if let Some(position) = position(body) {
            self.state.place_buildpack(guid, position, self.now);
        }
        let now = self.now;
        if let Some(buildpack) = self.state.buildpacks.get_mut(guid) {
            buildpack.name = name;
            buildpack.stack = stack;
            buildpack.record.updated_at = now;
        }
        self.set_switches(guid, body);
        let request = json!({"request": body});
        self.state.audit_buildpack("audit.buildpack.update", &self.caller.actor, guid, request, now);
        self.shown_buildpack(200, guid)
    }

    pub(super) fn upload_buildpack(&mut self, guid: &str, bits: &[u8]) -> Result<Answer, CfError> {
        self.needs_admin()?;
        let known = self.state.buildpacks.get(guid).ok_or_else(|| CfError::not_found("Buildpack"))?;
        if known.locked {
            return Err(CfError::unprocessable("Buildpack is locked"));
        }
        let form = String::from_utf8_lossy(bits);
        let named = form.split_once("filename=\"").and_then(|(_, rest)| rest.split_once('"'));
        let filename = named.map(|(name, _)| name).ok_or_else(|| CfError::unprocessable("A file must be provided"))?;
        if !filename.ends_with(".zip") {
            let detail = format!("Uploaded buildpack file is invalid: {filename} is not a zip");
            return Err(CfError::unprocessable(detail));
        }
        self.state.upload_buildpack(guid, filename, &self.caller.actor, self.now);
        let job = self.short_job("buildpack.upload");
        Ok(self.shown_buildpack(202, guid)?.with_header("Location", self.job_address(&job)))
    }

    pub(super) fn delete_buildpack(&mut self, guid: &str) -> Result<Answer, CfError> {
        self.needs_admin()?;
        if self.state.remove_buildpack(guid, &self.caller.actor, self.now) {
            let job = self.short_job("buildpack.delete");
            Ok(self.accepted(&job))
        } else {
            Err(CfError::not_found("Buildpack"))
        }
    }

    fn needs_admin(&self) -> Result<(), CfError> {
        if self.caller.is_admin() { Ok(()) } else { Err(CfError::not_authorized()) }
    }

    fn refuse_taken(&self, name: &str, stack: Option<&str>, own: Option<&str>) -> Result<(), CfError> {
        if let Some(stack) = stack
            && !self.state.stacks.iter().any(|known| known.name == stack)
        {
            return Err(CfError::unprocessable(format!("Stack '{stack}' does not exist")));
        }
        let taken = self.state.buildpack_named(name, stack);
        if taken.is_none() || taken.as_deref() == own {
            return Ok(());
        }
        Err(CfError::unprocessable(match stack {
            Some(stack) => format!("Buildpack with name '{name}' and stack '{stack}' already exists"),
            None => format!("Buildpack with name '{name}' and an unassigned stack already exists"),
        }))
    }

    fn set_switches(&mut self, guid: &str, body: &Value) {
        let Some(buildpack) = self.state.buildpacks.get_mut(guid) else { return };
        let switch = |name: &str| body.get(name).and_then(Value::as_bool);
        buildpack.enabled = switch("enabled").unwrap_or(buildpack.enabled);
        buildpack.locked = switch("locked").unwrap_or(buildpack.locked);
        merge_metadata(&mut buildpack.record.metadata, body);
    }

    fn shown_buildpack(&self, status: u16, guid: &str) -> Result<Answer, CfError> {
        let buildpack = self.state.buildpacks.get(guid).ok_or_else(|| CfError::not_found("Buildpack"))?;
        Ok(Answer::json(status, &self.view().buildpack(buildpack)))
    }
}

fn position(body: &Value) -> Option<usize> {
    body.get("position").and_then(Value::as_u64).and_then(|position| usize::try_from(position).ok())
}
