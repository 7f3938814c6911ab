//! Service offerings, plans and instances.
//!
//! Decides what an instance's life looks like, and that an update of a user-provided one rewrites
//! every one of its bindings. It never asks a broker: what scenarios do is done at once.

use jiff::Timestamp;
use serde_json::json;

use super::Foundation;
use super::events::{Actor, Target};
use super::record::{Entity, Record};
use super::state::State;

/// The last thing that was asked of a broker.
#[derive(Clone)]
pub struct LastOperation {
    pub kind: String,
    pub state: String,
    pub description: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl LastOperation {
    pub fn new(kind: &str, state: &str, now: Timestamp) -> Self {
        let (kind, state) = (kind.to_owned(), state.to_owned());
        Self { kind, state, description: None, created_at: now, updated_at: now }
    }

    /// The same operation, in another state.
    pub fn turn(&mut self, state: &str, now: Timestamp) {
        state.clone_into(&mut self.state);
        self.updated_at = now;
    }
}

/// A service offering.
#[derive(Clone)]
pub struct Offering {
    pub record: Record,
    pub name: String,
}

impl Entity for Offering {
    fn record(&self) -> &Record {
        &self.record
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// A plan of an offering.
#[derive(Clone)]
pub struct Plan {
    pub record: Record,
    pub name: String,
    pub offering: String,
}

impl Entity for Plan {
    fn record(&self) -> &Record {
        &self.record
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// A service instance.
#[derive(Clone)]
pub struct ServiceInstance {
    pub record: Record,
    pub name: String,
    pub space: String,
    /// User-provided, where absent.
    pub plan: Option<String>,
    pub operation: LastOperation,
}

impl Entity for ServiceInstance {
    fn record(&self) -> &Record {
        &self.record
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl ServiceInstance {
    fn target(&self) -> Target {
        let kind = if self.plan.is_some() { "service_instance" } else { "user_provided_service_instance" };
        Target { guid: self.record.guid.clone(), kind, name: self.name.clone() }
    }
}

impl State {
    /// The guid of a space's service instance, by its name.
    pub fn instance_named(&self, space: &str, name: &str) -> Option<String> {
        let found = self.instances.iter().find(|instance| instance.space == space && instance.name == name);
        found.map(|instance| instance.record.guid.clone())
    }

    fn plan_named(&mut self, offering: &str, plan: &str, now: Timestamp) -> String {
        let known = self.offerings.iter().find(|known| known.name == offering).map(|known| known.record.guid.clone());
        let offering_guid = known.unwrap_or_else(|| {
            let guid = self.next_guid(offering);
            self.offerings.insert(Offering { record: Record::new(guid.clone(), now), name: offering.to_owned() });
            guid
        });
        let same = |known: &&Plan| known.offering == offering_guid && known.name == plan;
        if let Some(known) = self.plans.iter().find(same) {
            return known.record.guid.clone();
        }
        let guid = self.next_guid(plan);
        let record = Record::new(guid.clone(), now);
        self.plans.insert(Plan { record, name: plan.to_owned(), offering: offering_guid });
        guid
    }

    /// Writes the event of a service instance; the type depends on who provides it.
    pub fn audit_instance(
        &mut self,
        managed: &'static str,
        user_provided: &'static str,
        guid: &str,
        actor: &Actor,
        now: Timestamp,
    ) {
        let Some(instance) = self.instances.get(guid) else { return };
        let kind = if instance.plan.is_some() { managed } else { user_provided };
        let (target, space) = (instance.target(), instance.space.clone());
        self.audit(kind, actor, target, Some(&space), json!({}), now);
    }
}

impl Foundation {
    /// `cf create-service` (offering and plan) or `cf create-user-provided-service` (neither), done
    /// at once; the instance's guid. The space is made if it is not there.
    pub fn create_service_instance(
        &mut self,
        organization: &str,
        space: &str,
        name: &str,
        plan: Option<(&str, &str)>,
        now: Timestamp,
    ) -> String {
        self.act(now, |state, actor| {
            let space = state.add_space(organization, space, now);
            let plan = plan.map(|(offering, plan)| state.plan_named(offering, plan, now));
            let guid = state.next_guid(name);
            state.instances.insert(ServiceInstance {
                record: Record::new(guid.clone(), now),
                name: name.to_owned(),
                space,
                plan,
                operation: LastOperation::new("create", "succeeded", now),
            });
            let user_provided = "audit.user_provided_service_instance.create";
            state.audit_instance("audit.service_instance.create", user_provided, &guid, actor, now);
            guid
        })
    }

    /// The guid of a service instance.
    pub fn instance_guid(&self, organization: &str, space: &str, name: &str) -> Option<String> {
        self.state.instance_named(&self.state.space_named(organization, space)?, name)
    }

    /// Puts an instance's last operation into a state: `in progress`, `succeeded` or `failed`.
    pub fn set_instance_operation(
        &mut self,
        instance: &str,
        kind: &str,
        operation: &str,
        description: Option<&str>,
        now: Timestamp,
    ) -> bool {
        self.act(now, |state, _| {
            let Some(known) = state.instances.get_mut(instance) else { return false };
            known.operation = LastOperation::new(kind, operation, now);
            known.operation.description = description.map(str::to_owned);
            true
        })
    }

    /// Updates a user-provided instance, which rewrites all of its bindings.
    pub fn update_user_provided(&mut self, instance: &str, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            let Some(known) = state.instances.get_mut(instance) else { return false };
            known.record.updated_at = now;
            known.operation = LastOperation::new("update", "succeeded", now);
            for binding in state.bindings.iter_mut().filter(|binding| binding.instance == instance) {
                binding.record.updated_at = now;
            }
            let user_provided = "audit.user_provided_service_instance.update";
            state.audit_instance("audit.service_instance.update", user_provided, instance, actor, now);
            true
        })
    }

    /// Deletes an instance with its bindings.
    pub fn delete_service_instance(&mut self, instance: &str, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            for binding in state.bindings.guids(|binding| binding.instance == instance) {
                state.remove_binding(&binding, actor, now);
            }
            let user_provided = "audit.user_provided_service_instance.delete";
            state.audit_instance("audit.service_instance.delete", user_provided, instance, actor, now);
            state.instances.remove(instance).is_some()
        })
    }
}
