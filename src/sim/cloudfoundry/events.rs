//! Audit events: who did what to what, as CC's repositories write them.
//!
//! Decides the event's shape and which platforms write it (buildpack events exist since 3.210). It
//! never decides that something happens: the acts call [`State::audit`] and its kin. The readings
//! that are no mere readings write events too.

use jiff::Timestamp;
use serde_json::Value;

use super::record::{Entity, Record, guid};
use super::state::State;

/// Who acted.
#[derive(Clone)]
pub struct Actor {
    pub guid: String,
    pub kind: &'static str,
    /// A client has none.
    pub name: Option<String>,
}

impl Actor {
    /// The user of this name.
    pub fn person(host: &str, name: &str) -> Self {
        Self { guid: guid(host, 0, name), kind: "user", name: Some(name.to_owned()) }
    }
}

/// What was acted upon.
#[derive(Clone)]
pub struct Target {
    pub guid: String,
    pub kind: &'static str,
    pub name: String,
}

/// One audit event.
#[derive(Clone)]
pub struct Event {
    pub record: Record,
    pub kind: &'static str,
    pub actor: Actor,
    pub target: Target,
    pub data: Value,
    pub space: Option<String>,
    pub organization: Option<String>,
}

impl Entity for Event {
    fn record(&self) -> &Record {
        &self.record
    }
}

impl State {
    /// Writes an event about something in a space, or about something of the whole foundation.
    pub fn audit(
        &mut self,
        kind: &'static str,
        actor: &Actor,
        target: Target,
        space: Option<&str>,
        data: Value,
        now: Timestamp,
    ) {
        let organization = space.and_then(|space| self.spaces.get(space)).map(|space| space.organization.clone());
        let record = Record::new(self.next_guid(kind), now);
        let space = space.map(str::to_owned);
        self.events.insert(Event { record, kind, actor: actor.clone(), target, data, space, organization });
    }

    /// Writes an event about an app.
    pub fn audit_app(&mut self, kind: &'static str, actor: &Actor, app: &str, data: Value, now: Timestamp) {
        let Some((name, space)) = self.apps.get(app).map(|app| (app.name.clone(), app.space.clone())) else { return };
        let target = Target { guid: app.to_owned(), kind: "app", name };
        self.audit(kind, actor, target, Some(&space), data, now);
    }

    /// Writes an event about a buildpack, where the platform is new enough to.
    pub fn audit_buildpack(&mut self, kind: &'static str, actor: &Actor, buildpack: &str, data: Value, now: Timestamp) {
        if self.api < (3, 210, 0) {
            return;
        }
        let Some(name) = self.buildpacks.get(buildpack).map(|buildpack| buildpack.name.clone()) else { return };
        let target = Target { guid: buildpack.to_owned(), kind: "buildpack", name };
        self.audit(kind, actor, target, None, data, now);
    }
}
