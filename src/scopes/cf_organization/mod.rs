//! The applications, service instances and bindings of one Cloud Foundry organisation.
//!
//! Decides which calls a reading takes: the lists, of as many pages as there are things; the
//! droplets that are new; the manifests of apps that changed; and a second question about whatever
//! is asked for and not listed. Nothing here can write, and nothing that writes an audit event is
//! asked. Never judges what it reads. The engine runs it through [`crate::scopes::Reader`].

pub mod ask;
mod assemble;
pub mod emptied;
pub mod events;
mod manifests;
mod marks;
mod named;
mod processes;
mod read;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cloudfoundry::read::ReadContext;
use crate::core::asks::Asks;
use crate::core::identity::{ScopeKey, Select};
use crate::core::observation::{Failure, Reading};
use crate::kinds::app;
use assemble::Details;
use emptied::Emptied;
use events::Events;
use manifests::Manifests;
use marks::Told;
use processes::Processes;
use read::{Droplets, Lists};

/// The reader of one organisation.
pub struct CfOrganization {
    name: Arc<str>,
    processes: Processes,
    droplets: Droplets,
    events: Events,
    manifests: Manifests,
    told: Told,
    emptied: Emptied,
}

impl CfOrganization {
    /// The reader of this organisation; the foundation is the context's.
    pub fn new(key: &ScopeKey) -> Self {
        Self {
            name: key.thing.clone(),
            processes: Processes::default(),
            droplets: Droplets::default(),
            events: Events::of_organization(),
            manifests: Manifests::default(),
            told: Told::default(),
            emptied: Emptied::default(),
        }
    }

    /// Reads the organisation once. `Err` when nothing of it can be believed.
    pub async fn read(&mut self, context: &ReadContext, asks: &Asks) -> Result<Reading, Failure> {
        let mut reading = Reading::begin(context.now());
        let asked = asked_apps(asks);
        let mut lists = Lists::read(context, &self.name, &asked, &mut self.processes, &mut reading.remarks).await?;
        self.doubt_empty(context, &lists, reading.started).await?;
        (reading.complete, reading.listed) = (true, true);
        note(context, &lists, &mut reading);

        self.droplets.read(context, &lists.apps, &mut reading.remarks).await;
        let subjects = assemble::subjects(&lists, asks, &context.redactor);
        let manifests = self.manifests.read(context, &subjects, &asks.visible, &mut reading.remarks).await;
        // After the lists: whatever they show was done before, and the log has it.
        self.events.read(context, Some(&lists.organization), &mut reading).await;
        let guids: BTreeSet<&str> = lists.apps.iter().map(|app| &*app.guid).collect();
        self.events.keep_only(|app| guids.contains(app));

        let details = Details { droplets: &self.droplets, events: &self.events, manifests };
        assemble::assemble(&mut lists, details, &mut self.told, &mut reading);
        named::ask(context, &lists, asks, &mut reading).await;
        reading.finished = context.now();
        reading.api_calls = context.calls();
        Ok(reading)
    }

    /// See [`emptied`]. An error where a list cannot be believed: what it lacks shows in other facts too.
    async fn doubt_empty(&mut self, cx: &ReadContext, lists: &Lists, started: Timestamp) -> Result<(), Failure> {
        let bindings = lists.bindings.values().flatten().map(|binding| binding.guid.clone());
        for (list, things) in [
            (&emptied::APPS, lists.apps.iter().map(|app| app.guid.clone()).collect()),
            (&emptied::BINDINGS, bindings.collect()),
            (&emptied::INSTANCES, lists.instances.iter().map(|instance| instance.guid.clone()).collect()),
            (&emptied::ROUTES, lists.all_routes.clone()),
        ] {
            self.emptied.check(cx, list, things, &lists.spaces, started).await?;
        }
        Ok(())
    }
}

fn asked_apps(asks: &Asks) -> BTreeSet<Arc<str>> {
    let keys = asks.things.keys().filter(|ask| ask.kind == app::KIND).filter_map(|ask| match &ask.select {
        Select::Key(key) => Some(key.clone()),
        Select::Arn(_) | Select::Alias(_) | Select::ReferencedBy(..) => None,
    });
    keys.collect()
}

/// What is known of the whole. A space that is visible is the canary for a role that was lost.
fn note(context: &ReadContext, lists: &Lists, reading: &mut Reading) {
    reading.notes.insert("organization".into(), lists.organization.clone());
    for (guid, name) in &lists.spaces {
        reading.notes.insert(app::absence::space_note(name).into(), guid.clone());
    }
    if let Some(at) = lists.running_environment {
        reading.notes.insert("runningEnvironment".into(), at.to_string().into());
    }
    note_version(context, reading);
}

/// What the platform can be asked.
pub(in crate::scopes) fn note_version(context: &ReadContext, reading: &mut Reading) {
    if let Some((major, minor, patch)) = context.session.api_version() {
        reading.notes.insert("apiVersion".into(), format!("{major}.{minor}.{patch}").into());
    }
}

#[cfg(test)]
mod tests;
