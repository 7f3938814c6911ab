//! The applications, service instances and bindings of one Cloud Foundry organisation.
//!
//! Decides which calls a reading takes: the lists, of as many pages as there are things; the
//! droplets that are new; the manifests of apps that changed; a second question about whatever is
//! asked for and not listed; and, where that finds nothing, whether the space can still be seen.
//! Nothing here can write, and nothing that writes an audit event is
//! asked. Never judges what it reads. The engine runs it through [`crate::scopes::Reader`].

pub mod ask;
mod assemble;
pub mod canary;
pub mod emptied;
pub mod events;
mod manifests;
mod marks;
mod named;
mod processes;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::App;
use crate::core::asks::Asks;
use crate::core::identity::{ScopeKey, Select};
use crate::core::observation::{Failure, Reading};
use crate::kinds::{app, service_binding, service_instance};
use assemble::{Details, Doubted};
use emptied::{Doubts, Emptied, Thing};
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
    /// Apps without a process in the last reading, by guid.
    bare: BTreeSet<Arc<str>>,
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
            bare: BTreeSet::new(),
        }
    }

    /// Reads the organisation once. `Err` when nothing of it can be believed.
    pub async fn read(&mut self, context: &ReadContext, asks: &Asks) -> Result<Reading, Failure> {
        let mut reading = Reading::begin(context.now());
        self.told.begin();
        let asked = asked_apps(asks);
        let mut lists = Lists::read(context, &self.name, &asked, &mut self.processes, &mut reading.remarks).await?;
        let doubted = self.doubted(context, &lists, reading.started).await;
        (reading.complete, reading.listed) = (true, true);

        self.droplets.read(context, &lists.apps, &mut lists.unread, &mut reading.remarks).await;
        note(&lists, &mut reading);
        let subjects = assemble::subjects(&lists, asks, &context.redactor);
        let manifests = self.manifests.read(context, &subjects, &asks.visible, &mut reading.remarks).await;
        // After the lists: whatever they show was done before, and the log has it.
        self.events.read(context, Some(&lists.organization), &mut reading).await;
        let (droplets, events) = (&self.droplets, &self.events);
        let details = Details { droplets, events, doubted: &doubted, bare: &self.bare, manifests };
        let bare = assemble::assemble(&mut lists, details, &mut self.told, &mut reading);
        answer_doubts(&doubted, &lists, asks, &mut reading);
        named::ask(context, &lists, asks, &mut reading).await;
        self.confirm(context, &lists, &mut reading).await?;
        self.bare = bare;
        if reading.complete {
            let apps: BTreeSet<&str> = lists.apps.iter().map(|app| &*app.guid).collect();
            self.told.believe(reading.started, |app| apps.contains(app));
        }
        note_platform(context, &mut reading);
        reading.finished = context.now();
        reading.api_calls = context.calls();
        Ok(reading)
    }

    /// See [`emptied`].
    async fn doubted(&mut self, cx: &ReadContext, lists: &Lists, started: Timestamp) -> Doubted {
        let thing = |guid: &Arc<str>, space: &Option<Arc<str>>| {
            Some(Thing { guid: guid.clone(), space: space.clone()?, goes_with: None })
        };
        let spaces: BTreeMap<&Arc<str>, &Option<Arc<str>>> =
            lists.apps.iter().map(|app| (&app.guid, &app.relationships.space)).collect();
        let of_apps = lists.bindings.iter().flat_map(|(app, bindings)| bindings.iter().map(move |one| (app, one)));
        let bindings = of_apps.filter_map(|(app, binding)| {
            let thing = thing(&binding.guid, spaces.get(app)?)?;
            Some(Thing { goes_with: Some(app.clone()), ..thing })
        });
        let bindings: Vec<Thing> = bindings.collect();
        let apps = lists.apps.iter().filter_map(|app| thing(&app.guid, &app.relationships.space)).collect();
        let instances = lists.instances.iter();
        let instances = instances.filter_map(|one| thing(&one.guid, &one.relationships.space)).collect();
        let routes = lists.all_routes.iter().filter_map(|(guid, space)| thing(guid, space)).collect();
        let (emptied, visible) = (&mut self.emptied, &lists.spaces);
        Doubted {
            apps: emptied.check(cx, &emptied::APPS, apps, visible, started).await,
            bindings: emptied.check(cx, &emptied::BINDINGS, bindings, visible, started).await,
            instances: emptied.check(cx, &emptied::INSTANCES, instances, visible, started).await,
            routes: emptied.check(cx, &emptied::ROUTES, routes, visible, started).await,
        }
    }

    /// See [`canary`]. An error where another platform has answered in the middle of the reading.
    async fn confirm(&mut self, cx: &ReadContext, lists: &Lists, reading: &mut Reading) -> Result<(), Failure> {
        let mut suspects = canary::suspects(reading, &lists.spaces);
        let bereft = lists.apps.iter().filter(|app| self.told.has_lost(&app.guid));
        suspects.extend(bereft.filter_map(|app| app.relationships.space.clone()));
        let doubted = canary::check(cx, &suspects, &lists.spaces, reading).await;
        let is_doubted = |app: &&App| app.relationships.space.as_ref().is_some_and(|space| doubted.contains(space));
        for app in lists.apps.iter().filter(is_doubted) {
            self.told.withdraw(&app.guid);
        }
        if cx.session.grants() == lists.grants {
            return Ok(());
        }
        let now = read::organization(cx, &self.name, &mut reading.remarks).await?;
        canary::same_platform(&cx.session.host, &BTreeSet::from([&*lists.organization]), &BTreeSet::from([&*now]))
    }
}

/// What is asked for and not there, where its list is not believed.
fn answer_doubts(doubted: &Doubted, lists: &Lists, asks: &Asks, reading: &mut Reading) {
    let all: [(&Doubts, &[&'static str]); 4] = [
        (&doubted.apps, &[app::KIND, service_binding::KIND]),
        (&doubted.bindings, &[service_binding::KIND]),
        (&doubted.instances, &[service_instance::KIND]),
        (&doubted.routes, &[]),
    ];
    for (doubts, kinds) in all {
        emptied::answer(doubts, &lists.spaces, kinds, asks, reading);
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
fn note(lists: &Lists, reading: &mut Reading) {
    reading.notes.insert("organization".into(), lists.organization.clone());
    for (guid, name) in &lists.spaces {
        reading.notes.insert(app::absence::space_note(name).into(), guid.clone());
    }
    if let Some(at) = lists.running_environment {
        reading.notes.insert("runningEnvironment".into(), at.to_string().into());
    }
    for (what, why) in &lists.unread {
        reading.notes.insert(format!("unread:{what}").into(), why.clone());
    }
}

/// What the platform can be asked, and how far its clock is ahead.
pub(in crate::scopes) fn note_platform(context: &ReadContext, reading: &mut Reading) {
    if let Some((major, minor, patch)) = context.session.api_version() {
        reading.notes.insert("apiVersion".into(), format!("{major}.{minor}.{patch}").into());
    }
    if let Some(skew) = context.clock_skew() {
        reading.notes.insert("clockSkew".into(), skew.as_secs().to_string().into());
    }
}

#[cfg(test)]
mod tests;
