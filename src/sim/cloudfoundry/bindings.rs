//! Service credential bindings.
//!
//! Decides what a binding's life looks like: managed ones take the broker a while, user-provided
//! ones are there at once, and an app is bound to an instance once only. It never restarts an app:
//! what is bound or unbound waits for the next version. Writes and scenarios call it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Foundation;
use super::events::{Actor, Target};
use super::record::{Entity, Record};
use super::services::LastOperation;
use super::state::{Pending, State, after};

/// How long the broker takes.
const BROKER: SignedDuration = SignedDuration::from_secs(3);

/// A service credential binding.
#[derive(Clone)]
pub struct Binding {
    pub record: Record,
    pub name: Option<String>,
    /// A key, where absent.
    pub app: Option<String>,
    pub instance: String,
    pub operation: LastOperation,
}

impl Entity for Binding {
    fn record(&self) -> &Record {
        &self.record
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl State {
    /// The guid of the binding between an app and an instance, whatever state it is in.
    pub fn binding_between(&self, app: &str, instance: &str) -> Option<String> {
        let between = |binding: &&Binding| binding.app.as_deref() == Some(app) && binding.instance == instance;
        self.bindings.iter().find(between).map(|binding| binding.record.guid.clone())
    }

    /// Binds at once, as for a user-provided instance; nothing where there is a binding already.
    pub fn bind(
        &mut self,
        app: &str,
        instance: &str,
        by_manifest: bool,
        actor: &Actor,
        now: Timestamp,
    ) -> Option<String> {
        if self.binding_between(app, instance).is_some() || self.apps.get(app).is_none() {
            return None;
        }
        let binding = self.add_binding(Some(app), instance, None, "succeeded", now)?;
        let mut data = json!({"request": binding_request(Some(app), instance)});
        if by_manifest && let Some(data) = data.as_object_mut() {
            data.insert("manifest_triggered".to_owned(), Value::Bool(true));
        }
        self.audit_binding("create", &binding, data, actor, now);
        Some(binding)
    }

    /// Adds a binding whose creation is in this state.
    pub fn add_binding(
        &mut self,
        app: Option<&str>,
        instance: &str,
        name: Option<&str>,
        state: &str,
        now: Timestamp,
    ) -> Option<String> {
        self.instances.get(instance)?;
        let guid = self.next_guid("binding");
        self.bindings.insert(Binding {
            record: Record::new(guid.clone(), now),
            name: name.map(str::to_owned),
            app: app.map(str::to_owned),
            instance: instance.to_owned(),
            operation: LastOperation::new("create", state, now),
        });
        Some(guid)
    }

    /// Asks the broker to create or delete a binding, which ends by itself.
    pub fn ask_broker(&mut self, kind: &str, binding: &str, actor: &Actor, now: Timestamp) -> Timestamp {
        let due = after(now, BROKER);
        let Some(known) = self.bindings.get_mut(binding) else { return due };
        known.operation = LastOperation::new(kind, "in progress", now);
        let request = binding_request(known.app.as_deref(), &known.instance);
        let event = if kind == "delete" { "start_delete" } else { "start_create" };
        self.audit_binding(event, binding, json!({"request": request}), actor, now);
        self.pending.push((due, Pending::Binding(binding.to_owned(), actor.clone())));
        due
    }

    /// The broker has done what it was asked for.
    pub fn complete_binding(&mut self, guid: &str, actor: &Actor, now: Timestamp) {
        let Some(binding) = self.bindings.get_mut(guid) else { return };
        if binding.operation.state != "in progress" {
            return;
        }
        if binding.operation.kind == "delete" {
            self.remove_binding(guid, actor, now);
            return;
        }
        binding.operation.turn("succeeded", now);
        binding.record.updated_at = now;
        let request = binding_request(binding.app.as_deref(), &binding.instance);
        self.audit_binding("create", guid, json!({"request": request}), actor, now);
    }

    pub fn remove_binding(&mut self, guid: &str, actor: &Actor, now: Timestamp) {
        let Some(binding) = self.bindings.get(guid) else { return };
        let data = json!({"request": {
            "app_guid": binding.app, "service_instance_guid": binding.instance}});
        self.audit_binding("delete", guid, data, actor, now);
        self.bindings.remove(guid);
    }

    /// Writes the event of a binding, or of a key.
    pub fn audit_binding(&mut self, what: &str, guid: &str, data: Value, actor: &Actor, now: Timestamp) {
        let Some(binding) = self.bindings.get(guid) else { return };
        let of_app = binding.app.is_some();
        let kind = match (of_app, what) {
            (true, "create") => "audit.service_binding.create",
            (true, "start_create") => "audit.service_binding.start_create",
            (true, "start_delete") => "audit.service_binding.start_delete",
            (true, "show") => "audit.service_binding.show",
            (true, "update") => "audit.service_binding.update",
            (true, _) => "audit.service_binding.delete",
            (false, "create") => "audit.service_key.create",
            (false, "start_create") => "audit.service_key.start_create",
            (false, "start_delete") => "audit.service_key.start_delete",
            (false, "show") => "audit.service_key.show",
            (false, "update") => "audit.service_key.update",
            (false, _) => "audit.service_key.delete",
        };
        let name = binding.name.clone().unwrap_or_default();
        let target_kind = if of_app { "service_binding" } else { "service_key" };
        let space = self.instances.get(&binding.instance).map(|instance| instance.space.clone());
        let target = Target { guid: guid.to_owned(), kind: target_kind, name };
        self.audit(kind, actor, target, space.as_deref(), data, now);
    }
}

fn binding_request(app: Option<&str>, instance: &str) -> Value {
    let mut relationships = json!({"service_instance": {"data": {"guid": instance}}});
    if let (Some(app), Some(all)) = (app, relationships.as_object_mut()) {
        all.insert("app".to_owned(), json!({"data": {"guid": app}}));
    }
    let kind = if app.is_some() { "app" } else { "key" };
    json!({"type": kind, "relationships": relationships})
}

impl Foundation {
    /// `cf bind-service`, done at once; the binding's guid, or nothing where it is bound already.
    pub fn bind(&mut self, app: &str, instance: &str, now: Timestamp) -> Option<String> {
        self.act(now, |state, actor| state.bind(app, instance, false, actor, now))
    }

    /// `cf unbind-service`, done at once. The running processes keep what they have.
    pub fn unbind(&mut self, app: &str, instance: &str, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            let Some(binding) = state.binding_between(app, instance) else { return false };
            state.remove_binding(&binding, actor, now);
            true
        })
    }

    /// Puts a binding's last operation (`create` or `delete`) into a state, where it stays:
    /// `in progress`, `succeeded` or `failed`. The list shows the binding all the same.
    pub fn set_binding_operation(&mut self, binding: &str, kind: &str, operation: &str, now: Timestamp) -> bool {
        self.act(now, |state, _| {
            let Some(known) = state.bindings.get_mut(binding) else { return false };
            known.operation = LastOperation::new(kind, operation, now);
            true
        })
    }

    /// The guid of the binding between an app and an instance.
    pub fn binding_guid(&self, app: &str, instance: &str) -> Option<String> {
        self.state.binding_between(app, instance)
    }
}
