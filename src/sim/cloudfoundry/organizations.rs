//! Organisations, spaces, stacks and the environment variable groups.
//!
//! Decides how a scenario names a place: organisation and space by name or guid. It never knows
//! what runs there. Scenarios lay the ground with it, and an operator edits the groups.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Foundation;
use super::record::{Entity, Record};
use super::state::State;

/// An organisation.
#[derive(Clone)]
pub struct Organization {
    pub record: Record,
    pub name: String,
    pub quota: String,
}

impl Entity for Organization {
    fn record(&self) -> &Record {
        &self.record
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// A space of an organisation.
#[derive(Clone)]
pub struct Space {
    pub record: Record,
    pub name: String,
    pub organization: String,
}

impl Entity for Space {
    fn record(&self) -> &Record {
        &self.record
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// A root file system.
#[derive(Clone)]
pub struct Stack {
    pub record: Record,
    pub name: String,
    pub state: String,
    pub state_reason: Option<String>,
}

impl Entity for Stack {
    fn record(&self) -> &Record {
        &self.record
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Variables that every app gets at its start, or at its staging.
#[derive(Clone, Default)]
pub struct EnvironmentGroup {
    pub variables: BTreeMap<String, String>,
    /// Absent until the first edit, as on a new platform.
    pub updated_at: Option<Timestamp>,
}

impl State {
    pub fn organization_named(&self, text: &str) -> Option<String> {
        let is = |organization: &&Organization| {
            organization.record.guid == text || organization.name.eq_ignore_ascii_case(text)
        };
        self.organizations.iter().find(is).map(|organization| organization.record.guid.clone())
    }

    pub fn space_named(&self, organization: &str, text: &str) -> Option<String> {
        let organization = self.organization_named(organization)?;
        let is = |space: &&Space| {
            space.organization == organization && (space.record.guid == text || space.name.eq_ignore_ascii_case(text))
        };
        self.spaces.iter().find(is).map(|space| space.record.guid.clone())
    }

    fn add_organization(&mut self, name: &str, now: Timestamp) -> String {
        if let Some(known) = self.organization_named(name) {
            return known;
        }
        let guid = self.next_guid(name);
        let quota = self.next_guid("default quota");
        let record = Record::new(guid.clone(), now);
        self.organizations.insert(Organization { record, name: name.to_owned(), quota });
        guid
    }

    pub fn add_space(&mut self, organization: &str, name: &str, now: Timestamp) -> String {
        if let Some(known) = self.space_named(organization, name) {
            return known;
        }
        let organization = self.add_organization(organization, now);
        let guid = self.next_guid(name);
        self.spaces.insert(Space { record: Record::new(guid.clone(), now), name: name.to_owned(), organization });
        guid
    }
}

impl Foundation {
    /// Makes sure that there is an organisation of this name; its guid.
    pub fn add_organization(&mut self, name: &str) -> String {
        let now = self.now;
        self.act(now, |state, _| state.add_organization(name, now))
    }

    /// Makes sure that there is a space of this name, and its organisation; the space's guid.
    pub fn add_space(&mut self, organization: &str, name: &str) -> String {
        let now = self.now;
        self.act(now, |state, _| state.add_space(organization, name, now))
    }

    /// The guid of an organisation, by its name.
    pub fn organization_guid(&self, name: &str) -> Option<String> {
        self.state.organization_named(name)
    }

    /// The guid of a space, by the names of its organisation and its own.
    pub fn space_guid(&self, organization: &str, name: &str) -> Option<String> {
        self.state.space_named(organization, name)
    }

    /// Adds a stack, in state `ACTIVE`; its guid.
    pub fn add_stack(&mut self, name: &str) -> String {
        let now = self.now;
        self.act(now, |state, _| {
            let guid = state.next_guid(name);
            let record = Record::new(guid.clone(), now);
            let stack = Stack { record, name: name.to_owned(), state: "ACTIVE".to_owned(), state_reason: None };
            state.stacks.insert(stack);
            guid
        })
    }

    /// Puts a stack into `ACTIVE`, `RESTRICTED`, `DEPRECATED` or `DISABLED`.
    pub fn set_stack_state(&mut self, name: &str, stack_state: &str, now: Timestamp) -> bool {
        self.act(now, |state, _| {
            let Some(stack) = state.stacks.iter_mut().find(|stack| stack.name == name) else { return false };
            stack.state = stack_state.to_owned();
            stack.state_reason = (stack_state != "ACTIVE").then(|| format!("{name} is on its way out"));
            stack.record.updated_at = now;
            true
        })
    }

    /// An operator edits the running environment variable group. CC writes no audit event for it.
    pub fn set_running_env(&mut self, name: &str, value: &str, now: Timestamp) {
        self.act(now, |state, _| {
            state.running.variables.insert(name.to_owned(), value.to_owned());
            state.running.updated_at = Some(now);
        });
    }

    /// An operator edits the staging environment variable group. CC writes no audit event for it.
    pub fn set_staging_env(&mut self, name: &str, value: &str, now: Timestamp) {
        self.act(now, |state, _| {
            state.staging.variables.insert(name.to_owned(), value.to_owned());
            state.staging.updated_at = Some(now);
        });
    }
}
