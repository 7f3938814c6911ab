//! Reads of single things, and which of them are no mere reads.
//!
//! Decides what a GET finds, what a role may not see of it (403 where the thing itself is visible,
//! 404 where it is not), and which readings CC writes an audit event about. It changes nothing:
//! the note that it hands back is written down by [`super::serving`].

use serde_json::{Value, json};

use super::Answer;
use super::apps::App;
use super::errors::CfError;
use super::listing::{Kind, Listing};
use super::lists::unique;
use super::presenting::{Secrets, View};
use super::processes::Process;
use super::services::ServiceInstance;

type Query<'q> = &'q [(String, String)];

/// An audit event that a reading leaves behind.
pub enum Note {
    /// Somebody looked at an app's whole environment.
    Environment(String),
    /// Somebody looked at an app's own variables.
    Variables(String),
    /// Somebody looked at a binding's credentials.
    Binding(String),
    /// Somebody looked at an instance's parameters or credentials.
    Instance(String),
}

/// What a reading answers, and what it leaves behind.
pub struct Reading {
    pub answer: Answer,
    pub note: Option<Note>,
}

impl From<Value> for Reading {
    fn from(body: Value) -> Self {
        Self { answer: Answer::json(200, &body), note: None }
    }
}

impl Reading {
    fn noted(body: Value, note: Note) -> Self {
        Self { note: Some(note), ..Self::from(body) }
    }
}

const PLAIN: Kind = Kind { filters: &[], orders: &[], includes: &[] };
const SPACE: Kind = Kind { filters: &["include"], orders: &[], includes: &["organization"] };
const APP: Kind = Kind { filters: &["include"], orders: &[], includes: &["space"] };
const INSTANCE: Kind = Kind { filters: &["fields"], orders: &[], includes: &[] };

impl View<'_> {
    /// Answers a GET below `/v3`.
    pub fn read(&self, segments: &[&str], query: Query<'_>) -> Result<Reading, CfError> {
        if !self.caller.may_read() {
            return Err(CfError::not_authorized());
        }
        match segments {
            [list] => match self.list(list, query) {
                Some(body) => body.map(Reading::from),
                None => Err(CfError::unknown_route()),
            },
            ["apps", guid, rest @ ..] => self.read_app(self.visible_app(guid)?, rest, query),
            ["environment_variable_groups", "running"] => {
                Ok(self.environment_group("running", &self.state.running).into())
            }
            ["environment_variable_groups", "staging"] => {
                Ok(self.environment_group("staging", &self.state.staging).into())
            }
            ["service_credential_bindings", guid, rest @ ..] => self.read_binding(guid, rest),
            ["service_instances", guid, rest @ ..] => self.read_instance(guid, rest, query),
            ["processes", guid, rest @ ..] => {
                let found = self.state.processes.get(guid).filter(|process| self.sees_process(process));
                self.read_process(found.ok_or_else(|| CfError::not_found("Process"))?, rest)
            }
            ["routes", guid, "destinations"] => {
                let found = self.state.routes.get(guid).filter(|route| self.caller.sees_space(&route.space));
                Ok(self.destination_list(found.ok_or_else(|| CfError::not_found("Route"))?).into())
            }
            ["spaces", guid] => self.read_space(guid, query),
            [list, guid] => {
                Listing::parse(query, &PLAIN)?;
                self.read_plain(list, guid).map(Reading::from)
            }
            _ => Err(CfError::unknown_route()),
        }
    }

    fn visible_app(&self, guid: &str) -> Result<&App, CfError> {
        let found = self.state.apps.get(guid).filter(|app| self.caller.sees_space(&app.space));
        found.ok_or_else(|| CfError::not_found("App"))
    }

    fn sees_process(&self, process: &Process) -> bool {
        self.visible_app(&process.app).is_ok()
    }

    fn read_app(&self, app: &App, rest: &[&str], query: Query<'_>) -> Result<Reading, CfError> {
        let guid = &app.record.guid;
        match rest {
            [] => {
                let listing = Listing::parse(query, &APP)?;
                let mut body = self.app(app);
                if let (true, Some(members)) = (listing.include.contains("space"), body.as_object_mut()) {
                    let space = unique(std::iter::once(app.space.as_str()), &self.state.spaces, |row| self.space(row));
                    members.insert("included".to_owned(), json!({"spaces": space}));
                }
                Ok(body.into())
            }
            ["manifest"] => {
                if !self.caller.reads_secrets(&app.space) {
                    return Err(CfError::not_authorized());
                }
                let yaml = self.manifest(app).into_bytes();
                Ok(Reading { answer: Answer::new(200, "application/x-yaml; charset=utf-8", yaml), note: None })
            }
            ["env"] => {
                if !self.caller.reads_environment(&app.space) {
                    return Err(CfError::not_authorized());
                }
                Ok(Reading::noted(self.environment(app), Note::Environment(guid.clone())))
            }
            ["environment_variables"] => {
                if !self.caller.reads_environment(&app.space) {
                    return Err(CfError::not_authorized());
                }
                Ok(Reading::noted(self.variables(app), Note::Variables(guid.clone())))
            }
            ["permissions"] => {
                let sensitive = self.caller.reads_secrets(&app.space);
                Ok(json!({"read_basic_data": true, "read_sensitive_data": sensitive}).into())
            }
            ["droplets", "current"] => {
                let droplet = app.droplet.as_deref().and_then(|droplet| self.state.droplets.get(droplet));
                let droplet = droplet.ok_or_else(|| CfError::not_found("Droplet"))?;
                Ok(self.droplet(droplet, self.secrets(&app.space)).into())
            }
            ["processes", kind] => {
                let process = self.state.process_of(guid, kind);
                let process = process.and_then(|process| self.state.processes.get(&process));
                self.read_process(process.ok_or_else(|| CfError::not_found("Process"))?, &[])
            }
            [sub @ ("processes" | "routes" | "droplets" | "deployments")] => {
                let mut narrowed = query.to_vec();
                narrowed.push(("app_guids".to_owned(), guid.clone()));
                let body = self.list(sub, &narrowed).ok_or_else(CfError::unknown_route)?;
                body.map(Reading::from)
            }
            _ => Err(CfError::unknown_route()),
        }
    }

    fn secrets(&self, space: &str) -> Secrets {
        if self.caller.reads_secrets(space) { Secrets::Shown } else { Secrets::Hidden }
    }

    fn environment(&self, app: &App) -> Value {
        let space = self.state.spaces.get(&app.space).map(|space| space.name.as_str()).unwrap_or_default();
        json!({
            "staging_env_json": self.state.staging.variables,
            "running_env_json": self.state.running.variables,
            "environment_variables": app.env,
            "system_env_json": {"VCAP_SERVICES": {}},
            "application_env_json": {"VCAP_APPLICATION": {
                "limits": {"fds": 16384}, "application_name": app.name, "application_uris": [], "name": app.name,
                "space_name": space, "space_id": app.space, "uris": [], "users": null,
            }},
        })
    }

    /// An app's own variables, as they are read and as a change of them is answered.
    pub fn variables(&self, app: &App) -> Value {
        let path = format!("{}/v3/apps/{}", self.base, app.record.guid);
        json!({
            "var": app.env,
            "links": {"self": {"href": format!("{path}/environment_variables")}, "app": {"href": path}},
        })
    }

    fn read_process(&self, process: &Process, rest: &[&str]) -> Result<Reading, CfError> {
        let space = self.state.apps.get(&process.app).map(|app| app.space.as_str()).unwrap_or_default();
        match rest {
            [] => Ok(self.process(process, self.secrets(space), false).into()),
            ["stats"] => Ok(self.stats(process).into()),
            ["process_instances"] if self.since(3, 211) => Ok(self.process_instances(process).into()),
            _ => Err(CfError::unknown_route()),
        }
    }

    fn read_binding(&self, guid: &str, rest: &[&str]) -> Result<Reading, CfError> {
        let missing = || CfError::not_found("Service credential binding");
        let binding = self.state.bindings.get(guid).ok_or_else(missing)?;
        let instance = self.visible_instance(&binding.instance).map_err(|_| missing())?;
        match rest {
            [] => Ok(self.binding(binding).into()),
            ["details"] if !self.caller.reads_secrets(&instance.space) => Err(CfError::not_authorized()),
            ["details"] => Ok(Reading::noted(json!({"credentials": {}}), Note::Binding(guid.to_owned()))),
            ["parameters"] => Err(CfError::no_binding_parameters()),
            _ => Err(CfError::unknown_route()),
        }
    }

    fn visible_instance(&self, guid: &str) -> Result<&ServiceInstance, CfError> {
        let found = self.state.instances.get(guid).filter(|instance| self.caller.sees_space(&instance.space));
        found.ok_or_else(|| CfError::not_found("Service instance"))
    }

    fn read_instance(&self, guid: &str, rest: &[&str], query: Query<'_>) -> Result<Reading, CfError> {
        let instance = self.visible_instance(guid)?;
        match rest {
            [] => {
                let listing = Listing::parse(query, &INSTANCE)?;
                let mut body = self.service_instance(instance);
                let included = self.chosen_fields(&listing.fields, &[instance])?;
                if let (Some(included), Some(members)) = (included, body.as_object_mut()) {
                    members.insert("included".to_owned(), included);
                }
                Ok(body.into())
            }
            ["credentials" | "parameters"] if !self.caller.reads_secrets(&instance.space) => {
                Err(CfError::not_authorized())
            }
            ["credentials"] if instance.plan.is_none() => {
                Ok(Reading::noted(json!({}), Note::Instance(guid.to_owned())))
            }
            ["parameters"] if instance.plan.is_some() => Err(CfError::no_instance_parameters()),
            _ => Err(CfError::unknown_route()),
        }
    }

    fn read_space(&self, guid: &str, query: Query<'_>) -> Result<Reading, CfError> {
        let listing = Listing::parse(query, &SPACE)?;
        let found = self.state.spaces.get(guid).filter(|_| self.caller.sees_space(guid));
        let space = found.ok_or_else(|| CfError::not_found("Space"))?;
        let mut body = self.space(space);
        if let (true, Some(members)) = (listing.include.contains("organization"), body.as_object_mut()) {
            let parent = std::iter::once(space.organization.as_str());
            let parents = unique(parent, &self.state.organizations, |row| self.organization(row));
            members.insert("included".to_owned(), json!({"organizations": parents}));
        }
        Ok(body.into())
    }

    /// Single things that take no parameters.
    fn read_plain(&self, list: &str, guid: &str) -> Result<Value, CfError> {
        let state = self.state;
        let found = match list {
            "organizations" => {
                let visible = self.caller.sees_organization(guid, &state.spaces);
                (state.organizations.get(guid).filter(|_| visible).map(|row| self.organization(row)), "Organization")
            }
            "routes" => {
                let visible = state.routes.get(guid).filter(|row| self.caller.sees_space(&row.space));
                (visible.map(|row| self.route(row)), "Route")
            }
            "domains" => (state.domains.get(guid).map(|row| self.domain(row)), "Domain"),
            "buildpacks" => (state.buildpacks.get(guid).map(|row| self.buildpack(row)), "Buildpack"),
            "stacks" => (state.stacks.get(guid).map(|row| self.stack(row)), "Stack"),
            "service_offerings" => (state.offerings.get(guid).map(|row| self.offering(row)), "Service offering"),
            "service_plans" => (state.plans.get(guid).map(|row| self.plan(row)), "Service plan"),
            "deployments" => {
                let visible = state.deployments.get(guid).filter(|row| self.visible_app(&row.app).is_ok());
                (visible.map(|row| self.deployment(row)), "Deployment")
            }
            "droplets" => {
                let droplet = state.droplets.get(guid);
                let shown = droplet.and_then(|row| self.visible_app(&row.app).ok().map(|app| (row, app)));
                (shown.map(|(row, app)| self.droplet(row, self.secrets(&app.space))), "Droplet")
            }
            "audit_events" => {
                let visible = state.events.get(guid).filter(|row| self.sees_event(row));
                (visible.map(|row| self.event(row)), "Event")
            }
            "jobs" => (state.jobs.get(guid).map(|row| self.job(row)), "Job"),
            _ => return Err(CfError::unknown_route()),
        };
        found.0.ok_or_else(|| CfError::not_found(found.1))
    }
}
