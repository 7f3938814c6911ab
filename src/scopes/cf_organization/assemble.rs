//! From lists to live things.
//!
//! Decides what belongs together (processes, routes and bindings to their apps, names to guids) and
//! hands it to the kinds, which say what it means. Sends no call. Called by
//! [`super::CfOrganization`] once all lists of a reading are there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ask::{add, remark};
use super::emptied::Doubts;
use super::events::Events;
use super::manifests::Subject;
use super::marks::Told;
use super::processes;
use super::read::{Droplets, Lists, app_key};
use crate::cloudfoundry::types::{
    App, Binding, Deployment, Droplet, HealthCheck, LastOperation, Route, ServiceInstance, ServiceOffering, ServicePlan,
};
use crate::core::asks::{Asks, Facet};
use crate::core::identity::{Ask, Select};
use crate::core::observation::{Failure, Reading, Reason};
use crate::core::redact::Redactor;
use crate::core::value::Fact;
use crate::kinds::app::KIND;
use crate::kinds::app::live::{self as app, Check, Platform};
use crate::kinds::app::manifest::Manifest;
use crate::kinds::service_instance::operation::Operation;
use crate::kinds::{service_binding, service_instance};

/// What is known of the apps beyond the lists.
pub(super) struct Details<'a> {
    /// What they run.
    pub(super) droplets: &'a Droplets,
    /// When they were started.
    pub(super) events: &'a Events,
    /// Which lists are not believed.
    pub(super) doubted: &'a Doubted,
    /// Apps that had no process in the last reading either, by guid.
    pub(super) bare: &'a BTreeSet<Arc<str>>,
    /// What their manifests say, by guid; nothing of an app that nobody asked about.
    pub(super) manifests: BTreeMap<Arc<str>, Result<Manifest, Fact>>,
}

/// Lists that are not believed, by the spaces of which they have nothing any more (see
/// [`super::emptied`]).
pub(super) struct Doubted {
    pub(super) apps: Doubts,
    pub(super) bindings: Doubts,
    pub(super) instances: Doubts,
    pub(super) routes: Doubts,
}

/// The apps whose manifests are asked for.
pub(super) fn subjects(lists: &Lists, asks: &Asks, redactor: &Redactor) -> Vec<Subject> {
    let subject = |app: &App| {
        let key: Arc<str> = app_key(app, &lists.spaces)?.into();
        let ask = Ask { kind: KIND, select: Select::Key(key.clone()) };
        if !asks.wants(&ask, Facet::AppManifest) {
            return None;
        }
        let processes = lists.processes.get(&app.guid).into_iter().flatten().map(|observed| &observed.process);
        let bindings = lists.bindings.get(&app.guid).into_iter().flatten();
        let changed = processes.clone().filter_map(|process| process.updated_at).chain(app.updated_at).max();
        let parts: BTreeSet<String> = processes
            .map(|process| format!("{} {:?} {:?}", process.guid, process.updated_at, process.version))
            .chain(bindings.map(|binding| binding.guid.to_string()))
            .collect();
        let state = redactor.fingerprint(format!("{key} {:?} {parts:?}", app.updated_at).as_bytes());
        Some(Subject { guid: app.guid.clone(), key, space: app.relationships.space.clone()?, state, changed })
    };
    lists.apps.iter().filter_map(subject).collect()
}

/// Adds every app, binding and service instance to the reading; tells which apps have no process.
pub(super) fn assemble(
    lists: &mut Lists,
    mut details: Details<'_>,
    told: &mut Told,
    reading: &mut Reading,
) -> BTreeSet<Arc<str>> {
    let platform = platform(lists);
    let mut processes = std::mem::take(&mut lists.processes);
    let any_process = !processes.is_empty();
    let mut bare = BTreeSet::new();
    for app in &lists.apps {
        // A space that was made since they were listed comes with the next reading.
        let Some(space_guid) = &app.relationships.space else { continue };
        let Some(space) = lists.spaces.get(space_guid) else { continue };
        let own = processes.remove(&app.guid);
        let mut gaps: Vec<(&'static str, Arc<str>)> = Vec::new();
        if own.is_none() {
            bare.insert(app.guid.clone());
            let key = app::key(space, &app.name);
            // That one app stays so is about that app; that all of them do is about the list.
            if details.bare.contains(&app.guid) && any_process {
                let detail: Arc<str> =
                    format!("app {key} has no process in their list, in this reading as in the last").into();
                remark(&mut reading.remarks, Failure::new(Reason::Incomplete, detail.clone()));
                gaps.extend([("processes", detail.clone()), ("runtime", detail)]);
            } else {
                reading.complete = false;
                let detail =
                    format!("app {key} has no process in their list: it came or went while the lists were read");
                remark(&mut reading.remarks, Failure::new(Reason::Incomplete, detail));
                continue;
            }
        }
        let (bindings, all_known) = bindings(app, space, lists, &mut reading.remarks);
        let unbelieved = details.doubted.bindings.get(space_guid);
        gaps.extend(unbelieved.map(|why| ("services", why.detail.clone())));
        if let Some(why) = details.doubted.routes.get(space_guid) {
            gaps.extend([("routes", why.detail.clone()), ("routeCount", why.detail.clone())]);
        }
        gaps.extend(unread(app, lists, details.droplets).map(|why| ("restage", why)));
        let observed = app::Observed {
            processes: own.unwrap_or_default().into_iter().map(process).collect(),
            routes: lists.routes.get(&app.guid).into_iter().flatten().map(|listed| route(listed, &app.guid)).collect(),
            services: bindings.keys().cloned().collect(),
            docker_image: details.droplets.of(app).and_then(|droplet| text(droplet.image.as_ref())),
            droplet: details.droplets.of(app).map(droplet),
            restarted: details.events.last_start(&app.guid),
            deployment: lists.deployments.get(&app.guid).map(|listed| deployment(listed, reading)),
            manifest: details.manifests.remove(&app.guid),
            ..listed(app, space)
        };
        let (mut live, mut marks) = app::live(&observed, &platform);
        for (path, why) in gaps {
            live.fields.put(path, Fact::Unknown(why));
        }
        marks.extend(bindings.values().filter_map(service_binding::live::mark));
        if let Some(at) = details.events.last_start_now(&app.guid) {
            marks.insert("restarted".into(), at.to_string().into());
        }
        let bound: Option<BTreeSet<&str>> =
            (all_known && unbelieved.is_none()).then(|| bindings.keys().map(String::as_str).collect());
        reading.marks.insert(live.key.clone(), told.told(&app.guid, marks, bound.as_ref()));
        add(reading, live);
        for binding in bindings.values() {
            add(reading, service_binding::live::live(binding));
        }
    }
    let apps: BTreeSet<&str> = lists.apps.iter().map(|app| &*app.guid).collect();
    if processes.keys().any(|app| !apps.contains(&**app)) {
        reading.complete = false;
        let detail = "a process belongs to an app that the list of apps lacks: it came while the lists were read, or \
                      the list is not whole";
        remark(&mut reading.remarks, Failure::new(Reason::Incomplete, detail));
    }
    add_instances(lists, reading);
    bare
}

/// Why nobody can say whether an app should be restaged.
fn unread(app: &App, lists: &Lists, droplets: &Droplets) -> Option<Arc<str>> {
    if *app.lifecycle.kind == *"docker" {
        return None;
    }
    let droplet = lists.unread.get("droplets").filter(|_| droplets.of(app).is_none());
    let platform = || ["buildpacks", "stacks"].into_iter().find_map(|what| lists.unread.get(what));
    droplet.or_else(platform).cloned()
}

fn platform(lists: &mut Lists) -> Platform {
    let buildpacks = std::mem::take(&mut lists.buildpacks).into_iter().map(|buildpack| app::Buildpack {
        name: buildpack.name.to_string(),
        stack: text(buildpack.stack.as_ref()),
        enabled: buildpack.enabled,
        filename: text(buildpack.filename.as_ref()),
        updated_at: buildpack.updated_at,
    });
    let stacks = std::mem::take(&mut lists.stacks)
        .into_iter()
        .map(|stack| app::Stack { name: stack.name.to_string(), state: text(stack.state.as_ref()) });
    Platform { buildpacks: buildpacks.collect(), stacks: stacks.collect() }
}

/// What the list of apps says of one.
fn listed(app: &App, space: &str) -> app::Observed {
    app::Observed {
        guid: app.guid.clone(),
        name: app.name.to_string(),
        space: space.to_owned(),
        state: app.state.to_string(),
        lifecycle_type: app.lifecycle.kind.to_string(),
        buildpacks: app.lifecycle.data.buildpacks.iter().map(ToString::to_string).collect(),
        stack: text(app.lifecycle.data.stack.as_ref()),
        docker_image: None,
        created_at: app.created_at,
        updated_at: app.updated_at,
        labels: written(&app.metadata.labels),
        annotations: written(&app.metadata.annotations),
        processes: Vec::new(),
        routes: Vec::new(),
        services: BTreeSet::new(),
        droplet: None,
        restarted: None,
        deployment: None,
        manifest: None,
    }
}

/// Labels or annotations.
fn written(all: &BTreeMap<Arc<str>, Option<Arc<str>>>) -> BTreeMap<String, String> {
    all.iter().filter_map(|(name, value)| Some((name.to_string(), value.as_ref()?.to_string()))).collect()
}

fn process(observed: processes::Observed) -> app::Process {
    let processes::Observed { process, states } = observed;
    app::Process {
        guid: process.guid,
        process_type: process.kind.to_string(),
        instances: process.instances.into(),
        memory: number(process.memory_in_mb),
        disk: number(process.disk_in_mb),
        log_rate: process.log_rate_limit_in_bytes_per_second,
        user: text(process.user.as_ref()),
        version: process.version,
        revision: process.relationships.revision,
        health_check: check(process.health_check),
        readiness: check(process.readiness_health_check),
        created_at: process.created_at,
        updated_at: process.updated_at,
        states,
    }
}

fn check(check: Option<HealthCheck>) -> Check {
    let HealthCheck { kind, data } = check.unwrap_or_default();
    Check {
        check_type: text(Some(&kind)),
        endpoint: text(data.endpoint.as_ref()),
        timeout: number(data.timeout),
        invocation_timeout: number(data.invocation_timeout),
        interval: number(data.interval),
    }
}

/// A route as it leads to this app, which says how requests arrive there.
fn route(route: &Arc<Route>, app: &str) -> app::Route {
    let mut own = route.destinations.iter().filter(|destination| *destination.app.guid == *app);
    let spelled = |value: &serde_json::Value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let options = route.options.iter().filter_map(|(name, value)| Some((name.to_string(), spelled(value)?)));
    app::Route {
        url: route.url.to_string(),
        protocol: own.find_map(|destination| text(destination.protocol.as_ref())),
        options: options.collect(),
    }
}

fn droplet(droplet: &Droplet) -> app::Droplet {
    let built_by = droplet.buildpacks.iter();
    app::Droplet {
        guid: droplet.guid.clone(),
        stack: text(droplet.stack.as_ref()),
        buildpacks: built_by.map(|by| (by.name.to_string(), text(by.version.as_ref()))).collect(),
        created_at: droplet.created_at,
    }
}

fn deployment(deployment: &Deployment, reading: &Reading) -> app::Deployment {
    let details = &deployment.status.details;
    app::Deployment {
        guid: deployment.guid.clone(),
        created_at: deployment.created_at.unwrap_or(reading.started),
        progressed_at: details.last_successful_healthcheck.max(details.last_status_change),
        reason: text(deployment.status.reason.as_ref()),
    }
}

/// The bindings of an app by the name of the instance: of two to one instance, the newest that it
/// can use, if it can use any. And whether these are all.
fn bindings(
    app: &App,
    space: &str,
    lists: &Lists,
    remarks: &mut Vec<Failure>,
) -> (BTreeMap<String, service_binding::live::Observed>, bool) {
    let mut bindings: BTreeMap<String, service_binding::live::Observed> = BTreeMap::new();
    let mut all_known = true;
    for listed in lists.bindings.get(&app.guid).into_iter().flatten() {
        let Some(instance) = instance_name(listed, lists) else {
            let key = app::key(space, &app.name);
            let detail = format!("app {key} is bound to a service instance that this role does not see");
            remark(remarks, Failure::new(Reason::Denied, detail));
            all_known = false;
            continue;
        };
        let binding = binding(listed, app, space, instance);
        let worth =
            |one: &service_binding::live::Observed| (service_binding::live::mark(one).is_some(), one.created_at);
        if bindings.get(&**instance).is_none_or(|other| worth(other) < worth(&binding)) {
            bindings.insert(instance.to_string(), binding);
        }
    }
    (bindings, all_known)
}

fn instance_name<'a>(binding: &Binding, lists: &'a Lists) -> Option<&'a Arc<str>> {
    lists.names.get(binding.relationships.service_instance.as_ref()?)
}

fn binding(listed: &Binding, app: &App, space: &str, instance: &str) -> service_binding::live::Observed {
    service_binding::live::Observed {
        guid: listed.guid.clone(),
        space: space.to_owned(),
        app: app.name.to_string(),
        instance: instance.to_owned(),
        name: text(listed.name.as_ref()),
        operation: listed.last_operation.as_ref().map(operation),
        created_at: listed.created_at,
        updated_at: listed.updated_at,
    }
}

fn operation(last: &LastOperation) -> Operation {
    Operation {
        kind: text(last.kind.as_ref()),
        state: text(Some(&last.state)),
        description: text(last.description.as_ref()),
        created_at: last.created_at,
        updated_at: last.updated_at,
    }
}

fn add_instances(lists: &Lists, reading: &mut Reading) {
    let plans: BTreeMap<&str, &ServicePlan> =
        lists.included.service_plans.iter().map(|plan| (&*plan.guid, plan)).collect();
    let offerings: BTreeMap<&str, &ServiceOffering> =
        lists.included.service_offerings.iter().map(|offering| (&*offering.guid, offering)).collect();
    for instance in &lists.instances {
        let space = instance.relationships.space.as_ref().and_then(|space| lists.spaces.get(space));
        // One that another organisation shares is that organisation's.
        let Some(space) = space else { continue };
        let plan = instance.relationships.service_plan.as_deref().and_then(|plan| plans.get(plan));
        let offering = plan.and_then(|plan| plan.relationships.service_offering.as_deref());
        let offering = offering.and_then(|offering| offerings.get(offering));
        let is_managed = *instance.kind == *"managed";
        let told = |name: Option<&Arc<str>>, what: &str| {
            let hidden = || Fact::Unchecked(format!("this role does not see the {what} of the instance").into());
            is_managed.then(|| name.map(ToString::to_string).ok_or_else(hidden))
        };
        let (plan, offering) =
            (told(plan.map(|plan| &plan.name), "plan"), told(offering.map(|offering| &offering.name), "offering"));
        let live = service_instance::live::live(&service(instance, space, plan, offering));
        add(reading, live);
    }
}

fn service(
    instance: &ServiceInstance,
    space: &str,
    plan: Option<Result<String, Fact>>,
    offering: Option<Result<String, Fact>>,
) -> service_instance::live::Observed {
    service_instance::live::Observed {
        guid: instance.guid.clone(),
        space: space.to_owned(),
        name: instance.name.to_string(),
        instance_type: instance.kind.to_string(),
        offering,
        plan,
        tags: instance.tags.iter().map(ToString::to_string).collect(),
        operation: instance.last_operation.as_ref().map(operation),
        created_at: instance.created_at,
    }
}

/// Text, where there is any.
fn text(text: Option<&Arc<str>>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(ToString::to_string)
}

fn number(number: Option<u64>) -> Option<i64> {
    number.and_then(|number| i64::try_from(number).ok())
}
