//! The buildpacks of a Cloud Foundry foundation, and which applications it runs.
//!
//! Decides which calls a reading takes: four lists, the audit log where it tells of buildpacks, a
//! second question, by name, about whatever is asked for and not listed, and, where that finds no
//! app, whether the space can still be seen. Nothing here can write.
//! Never judges what it reads. The engine runs it through [`crate::scopes::Reader`].

mod read;

use std::collections::{BTreeMap, BTreeSet};

use super::cf_organization::ask::{FoundNames, NAMES, Names, add, all, any_of, by_name, settle};
use super::cf_organization::canary;
use super::cf_organization::emptied::{self, Emptied, Thing};
use super::cf_organization::events::Events;
use super::cf_organization::note_platform;
use crate::cloudfoundry::allow_list::{APPS, BUILDPACKS, ORGANIZATIONS};
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::{Buildpack, Organization};
use crate::core::asks::Asks;
use crate::core::identity::{Ask, ObjectKey, ScopeKey, Select};
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};
use crate::kinds::app::{self, absence::space_note};
use crate::kinds::buildpacks::{self, CLASSIC, live};
use read::Lists;

/// Since this version of the API the audit log tells of buildpacks.
const TELLS_OF_BUILDPACKS: (u32, u32, u32) = (3, 210, 0);

/// The reader of a foundation.
#[derive(Debug)]
pub struct CfFoundation {
    events: Events,
    emptied: Emptied,
}

impl CfFoundation {
    /// A reader that has read nothing yet; the foundation is the context's.
    pub fn new(_key: &ScopeKey) -> Self {
        Self { events: Events::of_foundation(), emptied: Emptied::default() }
    }

    /// Reads the foundation once. `Err` when nothing of it can be believed.
    pub async fn read(&mut self, context: &ReadContext, asks: &Asks) -> Result<Reading, Failure> {
        let mut reading = Reading::begin(context.now());
        let mut lists = Lists::read(context, &mut reading.remarks).await?;
        let apps = lists.apps.iter().filter_map(|app| {
            Some(Thing { guid: app.guid.clone(), space: app.relationships.space.clone()?, goes_with: None })
        });
        let apps: Vec<Thing> = apps.collect();
        let doubts = self.emptied.check(context, &emptied::APPS, apps, &lists.spaces, reading.started).await;
        (reading.complete, reading.listed) = (true, true);
        for (guid, path) in &lists.spaces {
            reading.notes.insert(space_note(path).into(), guid.clone());
        }
        for buildpack in live::live(&context.session.host, &lists.observed()) {
            if let Some(alias) = buildpacks::alias_of(&buildpack.key) {
                reading.alias(alias, buildpack.key.clone());
            }
            add(&mut reading, buildpack);
        }
        for app in lists.apps.iter().filter_map(|app| lists.app(app)) {
            add(&mut reading, app);
        }
        if context.api_version().await? >= TELLS_OF_BUILDPACKS {
            self.events.read(context, None, &mut reading).await;
        }
        emptied::answer(&doubts, &lists.spaces, &[app::KIND], asks, &mut reading);
        ask_for_apps(context, &lists, asks, &mut reading).await;
        ask_for_buildpacks(context, asks, &mut reading).await;
        confirm(context, &lists, &mut reading).await?;
        note_platform(context, &mut reading);
        reading.finished = context.now();
        reading.api_calls = context.calls();
        Ok(reading)
    }
}

/// See [`canary`]. An error where another platform has answered in the middle of the reading.
async fn confirm(cx: &ReadContext, lists: &Lists, reading: &mut Reading) -> Result<(), Failure> {
    let suspects = canary::suspects(reading, &lists.spaces);
    canary::check(cx, &suspects, &lists.spaces, reading).await;
    if cx.session.grants() == lists.grants {
        return Ok(());
    }
    let listed = all::<Organization>(cx, &ORGANIZATIONS, &[], &mut reading.remarks).await?;
    let before: BTreeSet<&str> = lists.organizations.iter().map(|guid| &**guid).collect();
    let now: BTreeSet<&str> = listed.items.iter().map(|organization| &*organization.guid).collect();
    canary::same_platform(&cx.session.host, &before, &now)
}

/// Asks once more, by name, about the apps that are asked for and not listed.
async fn ask_for_apps(cx: &ReadContext, lists: &Lists, asks: &Asks, reading: &mut Reading) {
    let spaces: BTreeMap<&str, &str> = lists.spaces.iter().map(|(guid, path)| (path.as_str(), &**guid)).collect();
    let mut names = Names::new();
    let mut lacking: Vec<(&Ask, &str, &str)> = Vec::new();
    let of_apps = |ask: &&Ask| ask.kind == app::KIND && !reading.answers.contains_key(*ask);
    let open: Vec<&Ask> = asks.things.keys().filter(of_apps).collect();
    for ask in open {
        let Select::Key(key) = &ask.select else { continue };
        let Some((path, name)) = key.rsplit_once('/').filter(|_| reading.find(ask).is_empty()) else { continue };
        match spaces.get(path) {
            Some(space) => {
                names.entry(*space).or_default().insert(name);
                lacking.push((ask, *space, name));
            }
            None => {
                let detail = format!("the space {path} is not visible: deleted, or the role was lost");
                let failure = Failure::new(Reason::ContainerMissing, detail);
                reading.answers.insert(ask.clone(), NamedAnswer::Unknown(failure));
            }
        }
    }
    let found: FoundNames<'_> = by_name(cx, &APPS, &names, str::to_lowercase, &mut reading.remarks).await;
    for (ask, space, name) in lacking {
        if let Some(found) = found.get(&(space, name)) {
            settle(reading, ask, found.clone(), &format!("app {}", ask.select));
        }
    }
}

/// Whether this is the buildpack that is asked for.
fn is_it(buildpack: &Buildpack, select: &Select) -> bool {
    let lifecycle = buildpack.lifecycle.as_deref().unwrap_or(CLASSIC);
    match select {
        Select::Key(key) => **key == *buildpacks::key(&buildpack.name, buildpack.stack.as_deref(), lifecycle),
        Select::Alias(alias) => **alias == *buildpacks::alias(&buildpack.name, lifecycle),
        Select::Arn(_) | Select::ReferencedBy(_) => false,
    }
}

/// Likewise about buildpacks.
async fn ask_for_buildpacks(cx: &ReadContext, asks: &Asks, reading: &mut Reading) {
    let lacking: Vec<(&Ask, &str)> = asks
        .things
        .keys()
        .filter(|ask| ask.kind == buildpacks::KIND && reading.find(ask).is_empty())
        .filter_map(|ask| Some((ask, asked_name(&ask.select)?)))
        .collect();
    for batch in lacking.chunks(NAMES) {
        let names: BTreeSet<&str> = batch.iter().map(|(_, name)| *name).collect();
        let names = any_of(names);
        let listed = all::<Buildpack>(cx, &BUILDPACKS, &[("names", names.as_str())], &mut reading.remarks).await;
        for (ask, _) in batch {
            let found = match &listed {
                Ok(listed) => Ok(listed.items.iter().any(|buildpack| is_it(buildpack, &ask.select))),
                Err(call) => Err(call.failure.clone()),
            };
            settle(reading, ask, found, &format!("buildpack {}", ask.select));
        }
    }
}

/// The name of a buildpack that is asked for; the order of them all has none.
fn asked_name(select: &Select) -> Option<&str> {
    match select {
        Select::Key(key) if buildpacks::is_order(&ObjectKey::new(buildpacks::KIND, key)) => None,
        Select::Key(key) => Some(buildpacks::name_in(key)),
        Select::Alias(alias) => Some(alias.split_once(':')?.1.split_once('|')?.0),
        Select::Arn(_) | Select::ReferencedBy(_) => None,
    }
}
