//! The lists of one organisation.
//!
//! Decides which lists a reading takes, and which of them it can do without: droplets, buildpacks,
//! stacks and the group of variables tell details; without any other list nothing of the
//! organisation is believed. Never builds a live thing: [`super::assemble`] does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::ask::{GUIDS, Unread, all, any_of, or_unread};
use super::processes::{self, Processes, Wanted};
use crate::cloudfoundry::allow_list::{
    APPS, BUILDPACKS, DEPLOYMENTS, DROPLETS, ORGANIZATIONS, ROUTES, RUNNING_ENVIRONMENT, SERVICE_CREDENTIAL_BINDINGS,
    SERVICE_INSTANCES, SPACES, STACKS,
};
use crate::cloudfoundry::pages::{Included, Listed};
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::{
    App, Binding, Buildpack, Deployment, Droplet, EnvironmentGroup, Organization, Route, ServiceInstance, Space, Stack,
};
use crate::core::observation::{Failure, Reason};
use crate::kinds::app::live;

/// What the lists of an organisation say; what belongs to an app stands under its guid.
pub(super) struct Lists {
    /// Its guid.
    pub(super) organization: Arc<str>,
    /// How often moored had signed in before that was read.
    pub(super) grants: u64,
    /// The names of its visible spaces, in lower case, by guid.
    pub(super) spaces: BTreeMap<Arc<str>, Arc<str>>,
    /// Its apps.
    pub(super) apps: Vec<App>,
    /// Their processes: two of one type while a deployment rolls.
    pub(super) processes: BTreeMap<Arc<str>, Vec<processes::Observed>>,
    /// Their bindings.
    pub(super) bindings: BTreeMap<Arc<str>, Vec<Binding>>,
    /// The routes that lead to them.
    pub(super) routes: BTreeMap<Arc<str>, Vec<Arc<Route>>>,
    /// All routes by guid with the guid of their space, those that lead nowhere too.
    pub(super) all_routes: Vec<(Arc<str>, Option<Arc<str>>)>,
    /// The deployments that roll.
    pub(super) deployments: BTreeMap<Arc<str>, Deployment>,
    /// Its service instances.
    pub(super) instances: Vec<ServiceInstance>,
    /// The names of service instances by guid, with those that other organisations share.
    pub(super) names: BTreeMap<Arc<str>, Arc<str>>,
    /// The plans and offerings of the instances, as far as the role sees them.
    pub(super) included: Included,
    /// Every admin buildpack, unless they could not be read.
    pub(super) buildpacks: Vec<Buildpack>,
    /// Every stack, unless they could not be read.
    pub(super) stacks: Vec<Stack>,
    /// When the variables that every running app gets were changed last.
    pub(super) running_environment: Option<Timestamp>,
    /// Which of these could not be read.
    pub(super) unread: Unread,
}

impl Lists {
    /// Reads them. `asked` are the keys of the apps that somebody asks about.
    pub(super) async fn read(
        cx: &ReadContext,
        name: &str,
        asked: &BTreeSet<Arc<str>>,
        processes: &mut Processes,
        remarks: &mut Vec<Failure>,
    ) -> Result<Self, Failure> {
        cx.sign_in().await?;
        let grants = cx.session.grants();
        let organization = organization(cx, name, remarks).await?;
        let own = ("organization_guids", &*organization);
        let spaces = all::<Space>(cx, &SPACES, &[own], remarks).await?.items;
        let spaces: BTreeMap<Arc<str>, Arc<str>> =
            spaces.into_iter().map(|space| (space.guid, space.name.to_lowercase().into())).collect();
        let apps = all::<App>(cx, &APPS, &[own], remarks).await?.items;
        let guids: BTreeSet<Arc<str>> = apps.iter().map(|app| app.guid.clone()).collect();

        let mut deployments = deployments(cx, &guids, remarks).await?;
        let wanted = wanted(&apps, &spaces, asked);
        let processes = processes.read(cx, &organization, &wanted, remarks).await?;
        let processes = by_app(processes, |observed| observed.process.relationships.app.as_ref());
        let rolls = |app: &Arc<str>| processes.get(app).is_some_and(|all| has_twins(all));
        if guids.iter().any(|app| rolls(app) && !deployments.contains_key(app)) {
            // One that began in between must not look like a change of what it replaces.
            deployments.extend(self::deployments(cx, &guids, remarks).await?);
        }

        let fields = [
            own,
            ("fields[service_plan]", "name,guid,relationships.service_offering"),
            ("fields[service_plan.service_offering]", "name,guid"),
        ];
        let Listed { items: instances, included, .. } =
            all::<ServiceInstance>(cx, &SERVICE_INSTANCES, &fields, remarks).await?;
        let mut bindings = all::<Binding>(cx, &SERVICE_CREDENTIAL_BINDINGS, &[("type", "app")], remarks).await?.items;
        bindings.retain(|binding| binding.relationships.app.as_ref().is_some_and(|app| guids.contains(app)));
        let names = names(cx, &instances, &bindings, remarks).await?;
        let routes = all::<Route>(cx, &ROUTES, &[own], remarks).await?.items;

        let mut unread = Unread::new();
        let buildpacks = all::<Buildpack>(cx, &BUILDPACKS, &[], remarks).await;
        let buildpacks = or_unread(buildpacks, "buildpacks", &mut unread, remarks);
        let stacks = or_unread(all::<Stack>(cx, &STACKS, &[], remarks).await, "stacks", &mut unread, remarks);
        let group = cx.one::<EnvironmentGroup>(&RUNNING_ENVIRONMENT, None).await;
        let group = or_unread(group, "runningEnvironment", &mut unread, remarks);
        Ok(Self {
            spaces,
            apps,
            processes,
            bindings: by_app(bindings, |binding| binding.relationships.app.as_ref()),
            all_routes: routes.iter().map(|route| (route.guid.clone(), route.relationships.space.clone())).collect(),
            routes: by_destination(routes),
            deployments,
            instances,
            names,
            included,
            buildpacks: buildpacks.map(|listed| listed.items).unwrap_or_default(),
            stacks: stacks.map(|listed| listed.items).unwrap_or_default(),
            running_environment: group.and_then(|group| group.updated_at),
            unread,
            grants,
            organization,
        })
    }
}

/// The key of an app, unless its space is not visible.
pub(super) fn app_key(app: &App, spaces: &BTreeMap<Arc<str>, Arc<str>>) -> Option<String> {
    let space = spaces.get(app.relationships.space.as_ref()?)?;
    Some(live::key(space, &app.name))
}

/// The guid of an organisation. The error says that it is not visible, or not the one that is pinned.
pub(super) async fn organization(
    cx: &ReadContext,
    name: &str,
    remarks: &mut Vec<Failure>,
) -> Result<Arc<str>, Failure> {
    let names = any_of([name]);
    let listed = all::<Organization>(cx, &ORGANIZATIONS, &[("names", names.as_str())], remarks).await?;
    let lower = name.to_lowercase();
    let own = listed.items.into_iter().find(|organization| organization.name.to_lowercase() == lower);
    let guid = own.map(|organization| organization.guid).ok_or_else(|| {
        let detail = format!("the organisation {name} is not visible: renamed, deleted, or the role was lost");
        Failure::new(Reason::ContainerMissing, detail)
    })?;
    match cx.session.pinned(name) {
        Some(pinned) if *pinned != guid => {
            let host = &cx.session.host;
            let detail = format!(
                "the organisation {name} at {host} has the guid {guid}, pinned is {pinned}: another foundation, or it was made anew — check the Environment"
            );
            Err(Failure::new(Reason::IdentityMismatch, detail))
        }
        _ => Ok(guid),
    }
}

fn wanted(apps: &[App], spaces: &BTreeMap<Arc<str>, Arc<str>>, asked: &BTreeSet<Arc<str>>) -> Wanted {
    let is_asked = |app: &&App| app_key(app, spaces).is_some_and(|key| asked.contains(key.as_str()));
    Wanted {
        started: apps.iter().filter(|app| *app.state == *"STARTED").map(|app| app.guid.clone()).collect(),
        asked: apps.iter().filter(is_asked).map(|app| app.guid.clone()).collect(),
    }
}

async fn deployments(
    cx: &ReadContext,
    apps: &BTreeSet<Arc<str>>,
    remarks: &mut Vec<Failure>,
) -> Result<BTreeMap<Arc<str>, Deployment>, Failure> {
    let active = all::<Deployment>(cx, &DEPLOYMENTS, &[("status_values", "ACTIVE")], remarks).await?.items;
    let of_app = |deployment: Deployment| Some((deployment.relationships.app.clone()?, deployment));
    Ok(active.into_iter().filter_map(of_app).filter(|(app, _)| apps.contains(app)).collect())
}

/// Whether two processes are of one type: only a deployment makes that so.
fn has_twins(all: &[processes::Observed]) -> bool {
    let types: BTreeSet<&str> = all.iter().map(|observed| &*observed.process.kind).collect();
    types.len() < all.len()
}

/// The names of the instances that are listed, and of those that apps are bound to though they
/// belong to others, which are asked for by their guids.
async fn names(
    cx: &ReadContext,
    instances: &[ServiceInstance],
    bindings: &[Binding],
    remarks: &mut Vec<Failure>,
) -> Result<BTreeMap<Arc<str>, Arc<str>>, Failure> {
    let mut names: BTreeMap<Arc<str>, Arc<str>> =
        instances.iter().map(|instance| (instance.guid.clone(), instance.name.clone())).collect();
    let shared: BTreeSet<&Arc<str>> = bindings
        .iter()
        .filter_map(|binding| binding.relationships.service_instance.as_ref())
        .filter(|instance| !names.contains_key(*instance))
        .collect();
    let shared: Vec<Arc<str>> = shared.into_iter().cloned().collect();
    for batch in shared.chunks(GUIDS) {
        let guids = batch.join(",");
        let listed = all::<ServiceInstance>(cx, &SERVICE_INSTANCES, &[("guids", guids.as_str())], remarks).await?;
        names.extend(listed.items.into_iter().map(|instance| (instance.guid, instance.name)));
    }
    Ok(names)
}

fn by_app<T>(items: Vec<T>, app: impl Fn(&T) -> Option<&Arc<str>>) -> BTreeMap<Arc<str>, Vec<T>> {
    let mut apps: BTreeMap<Arc<str>, Vec<T>> = BTreeMap::new();
    for item in items {
        if let Some(app) = app(&item).cloned() {
            apps.entry(app).or_default().push(item);
        }
    }
    apps
}

/// A route may lead to several apps, and to several processes of one.
fn by_destination(routes: Vec<Route>) -> BTreeMap<Arc<str>, Vec<Arc<Route>>> {
    let mut apps: BTreeMap<Arc<str>, Vec<Arc<Route>>> = BTreeMap::new();
    for route in routes {
        let route = Arc::new(route);
        let led_to: BTreeSet<&Arc<str>> = route.destinations.iter().map(|destination| &destination.app.guid).collect();
        for app in led_to {
            apps.entry(app.clone()).or_default().push(route.clone());
        }
    }
    apps
}

/// The droplets that apps run. A droplet never changes, so that each is read once and kept as long
/// as it is the current one of an app.
#[derive(Debug, Default)]
pub(super) struct Droplets {
    known: BTreeMap<Arc<str>, Droplet>,
}

impl Droplets {
    /// Reads those that are new; what cannot be read is missing and remarked.
    pub(super) async fn read(
        &mut self,
        cx: &ReadContext,
        apps: &[App],
        unread: &mut Unread,
        remarks: &mut Vec<Failure>,
    ) {
        let current: BTreeSet<&Arc<str>> =
            apps.iter().filter_map(|app| app.relationships.current_droplet.as_ref()).collect();
        self.known.retain(|guid, _| current.contains(guid));
        let new: Vec<Arc<str>> = current.into_iter().filter(|guid| !self.known.contains_key(*guid)).cloned().collect();
        for batch in new.chunks(GUIDS) {
            let guids = batch.join(",");
            let listed = all::<Droplet>(cx, &DROPLETS, &[("guids", guids.as_str())], remarks).await;
            let Some(listed) = or_unread(listed, "droplets", unread, remarks) else { return };
            self.known.extend(listed.items.into_iter().map(|droplet| (droplet.guid.clone(), droplet)));
        }
    }

    /// What an app runs.
    pub(super) fn of(&self, app: &App) -> Option<&Droplet> {
        self.known.get(app.relationships.current_droplet.as_ref()?)
    }
}
