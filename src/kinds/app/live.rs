//! A live app, spelled the way manifests are compared with.
//!
//! Decides which facts an app has, and which of its parts are remembered with the times of their
//! changes ([`Marks`]). What only says how it runs at the moment lies below `runtime.` and is never
//! recorded as a change. The reader of an organisation hands in what it saw as [`Observed`]; this
//! module names no client.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::manifest::{self, Manifest};
use super::{KIND, handover, restage};
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::value::{Fact, Fields, Value};
use crate::kinds::detail;
use crate::kinds::importing::{has_secret_query, tells_secret};

pub use super::restage::{Buildpack, Platform, Stack};

/// Parts of a thing by name, remembered with the times of their changes. Only what was told this very
/// time: a part that is not here is as it was.
pub type Marks = BTreeMap<Arc<str>, Arc<str>>;

/// One app, free of any client.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Its guid.
    pub guid: Arc<str>,
    /// Its name.
    pub name: String,
    /// The name of its space.
    pub space: String,
    /// `STARTED` or `STOPPED`.
    pub state: String,
    /// `buildpack`, `cnb` or `docker`.
    pub lifecycle_type: String,
    /// The buildpacks that it asks for, in their order; none where they are detected.
    pub buildpacks: Vec<String>,
    /// The stack that it asks for.
    pub stack: Option<String>,
    /// The image that it runs: its droplet names it.
    pub docker_image: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When anything of it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Key and value.
    pub labels: BTreeMap<String, String>,
    /// Key and value.
    pub annotations: BTreeMap<String, String>,
    /// Its processes: two of one type while a deployment rolls.
    pub processes: Vec<Process>,
    /// The routes that lead to it.
    pub routes: Vec<Route>,
    /// The names of the service instances that it is bound to, whether it can use them or not.
    pub services: BTreeSet<String>,
    /// What it runs, where that was read.
    pub droplet: Option<Droplet>,
    /// The last act that started it anew, as the audit log tells it: when, and which event.
    pub restarted: Option<(Timestamp, String)>,
    /// The deployment that rolls.
    pub deployment: Option<Deployment>,
    /// What its own manifest says; `None` where nobody asked.
    pub manifest: Option<Result<Manifest, Fact>>,
}

/// One process of an app.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its guid.
    pub guid: Arc<str>,
    /// `web`, or another name.
    pub process_type: String,
    /// How many instances should run.
    pub instances: i64,
    /// In MB.
    pub memory: Option<i64>,
    /// In MB.
    pub disk: Option<i64>,
    /// Bytes a second; -1 is as many as it likes.
    pub log_rate: Option<i64>,
    /// The user that it runs as, where it is not the default one.
    pub user: Option<String>,
    /// Another one for everything that is handed to the containers.
    pub version: Option<Arc<str>>,
    /// The revision of the app that it runs, where the platform keeps them: its variables and command
    /// are that one's.
    pub revision: Option<Arc<str>>,
    /// Whether it is alive.
    pub health_check: Check,
    /// Whether it takes requests.
    pub readiness: Check,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When anything of it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Its instances as they are, or why that is not known; none need be asked for where none
    /// should run.
    pub states: Result<Vec<Instance>, Fact>,
}

/// How a process is checked.
#[derive(Debug, Clone, Default)]
pub struct Check {
    /// `port`, `process` or `http`.
    pub check_type: Option<String>,
    /// The path that is asked for.
    pub endpoint: Option<String>,
    /// Seconds that it may take to start.
    pub timeout: Option<i64>,
    /// Seconds that one check may take.
    pub invocation_timeout: Option<i64>,
    /// Seconds between two checks.
    pub interval: Option<i64>,
}

/// One instance of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// `RUNNING`, `CRASHED`, `STARTING`, `STOPPING` or `DOWN`.
    pub state: String,
    /// Since when, by the platform's clock: the end of the call that told, less the age that it told.
    /// So never too early.
    pub since: Option<Timestamp>,
}

/// One route.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// Host, domain, port and path as one text.
    pub url: String,
    /// `http1`, `http2` or `tcp`.
    pub protocol: Option<String>,
    /// Such as `loadbalancing`.
    pub options: BTreeMap<String, String>,
}

/// What an app runs.
#[derive(Debug, Clone)]
pub struct Droplet {
    /// Its guid.
    pub guid: Arc<str>,
    /// The stack that it was built for.
    pub stack: Option<String>,
    /// Name and version of the buildpacks that built it, in their order.
    pub buildpacks: Vec<(String, Option<String>)>,
    /// When it was built.
    pub created_at: Option<Timestamp>,
}

/// A deployment that rolls.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Its guid.
    pub guid: Arc<str>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last got on: an instance became healthy, or its status changed.
    pub progressed_at: Option<Timestamp>,
    /// Such as `DEPLOYING` or `PAUSED`.
    pub reason: Option<String>,
}

/// The key of an app: Cloud Foundry tells neither names of spaces nor of apps apart by case.
pub fn key(space: &str, name: &str) -> String {
    format!("{}/{}", space.to_lowercase(), name.to_lowercase())
}

/// The live thing that an app is, and its marks. The bindings' marks are theirs
/// ([`crate::kinds::service_binding::live::mark`]) and are added by the reader.
pub fn live(observed: &Observed, platform: &Platform) -> (Live, Marks) {
    let mut fields = Fields::default();
    put_app(observed, &mut fields);
    put_routes(&observed.routes, &mut fields);
    let mut marks = Marks::new();
    let handed = handover::at(observed);
    fields.set_some("runtime.handedAt", handed.map(moment));
    put_mark(observed, handover::mark(observed.updated_at, handed), "handed", &mut marks);
    let mut processes: BTreeMap<&str, Vec<&Process>> = BTreeMap::new();
    for process in &observed.processes {
        processes.entry(&process.process_type).or_default().push(process);
    }
    for (process_type, all) in &processes {
        // The one that a deployment brings is what was asked for last, and what will stay.
        let Some(newest) = all.iter().max_by_key(|process| process.created_at) else { continue };
        put_process(newest, &mut fields);
        put_instances(process_type, all, &mut fields);
        put_marks(newest, &mut marks);
        let name = format!("handed:{process_type}");
        put_mark(observed, handover::mark(newest.updated_at, handed), &name, &mut marks);
        if observed.deployment.is_some() {
            marks.insert(format!("rolling:{process_type}").into(), newest.guid.clone());
        }
    }
    match &observed.manifest {
        Some(Ok(manifest)) => {
            manifest.put(&mut fields);
            marks.insert("manifest".into(), manifest.key.clone());
            marks.insert("environment".into(), manifest.environment.clone());
            for process in processes.keys() {
                let command = match manifest.commands.get(*process) {
                    Some(Value::Secret(secret)) => format!("{:032x}", secret.hash),
                    _ => "detected".to_owned(),
                };
                marks.insert(format!("command:{process}").into(), command.into());
            }
        }
        Some(Err(why)) => manifest::put_gap(why, processes.keys().copied(), &mut fields),
        None => manifest::put_gap(&detail::not_asked(), processes.keys().copied(), &mut fields),
    }
    restage::put(observed, platform, &mut fields);
    fields.shrink();
    let live = Live {
        key: ObjectKey::new(KIND, &key(&observed.space, &observed.name)),
        id: observed.guid.clone(),
        incarnation: None,
        fields,
        addresses: Box::default(),
        references: Box::default(),
    };
    (live, marks)
}

fn put_app(observed: &Observed, fields: &mut Fields) {
    let list = |names: &[String]| Value::List(names.iter().map(|name| Value::text(name.as_str())).collect());
    fields.set("state", &*observed.state);
    fields.set("lifecycle", &*observed.lifecycle_type);
    if observed.lifecycle_type == "docker" {
        let image = observed.docker_image.as_deref().map(|image| Fact::Known(Value::text(image)));
        let gap = || Fact::Unknown("the droplet, which names the image, was not read".into());
        fields.put("docker.image", image.unwrap_or_else(gap));
    } else {
        let shown: Vec<String> = observed.buildpacks.iter().map(|buildpack| without_secrets(buildpack)).collect();
        fields.set("buildpacks", list(&shown));
        fields.set_some("stack", observed.stack.as_deref());
    }
    fields.set_some("createdAt", observed.created_at.map(moment));
    for (key, value) in &observed.labels {
        fields.set(format!("labels.{key}"), &**value);
    }
    for (key, value) in &observed.annotations {
        fields.set(format!("annotations.{key}"), &**value);
    }
    fields.set("services", Value::set(observed.services.iter().map(String::as_str)));
    if let Some(droplet) = &observed.droplet {
        fields.set("droplet.guid", &*droplet.guid);
        fields.set_some("droplet.stack", droplet.stack.as_deref());
        fields.set_some("droplet.createdAt", droplet.created_at.map(moment));
    }
    fields.set_some("runtime.updatedAt", observed.updated_at.map(moment));
    if let Some((at, event)) = &observed.restarted {
        fields.set("runtime.restartedAt", moment(*at));
        fields.set("runtime.restartedBy", &**event);
    }
    if let Some(deployment) = &observed.deployment {
        fields.set("runtime.deployment.guid", &*deployment.guid);
        fields.set("runtime.deployment.since", moment(deployment.created_at));
        fields.set_some("runtime.deployment.progressedAt", deployment.progressed_at.map(moment));
        fields.set_some("runtime.deployment.reason", deployment.reason.as_deref());
    }
}

fn put_routes(routes: &[Route], fields: &mut Fields) {
    let urls: Vec<String> = routes.iter().map(|route| lowered(&route.url)).collect();
    fields.set("routes", Value::set(urls.iter().map(String::as_str)));
    fields.set("routeCount", count(routes.len()));
    for (route, url) in routes.iter().zip(&urls) {
        let path = format!("routes.{url}");
        fields.set_some(format!("{path}.protocol"), route.protocol.as_deref());
        for (name, value) in &route.options {
            fields.set(format!("{path}.{name}"), &**value);
        }
        fields.set(path, true);
    }
}

/// A route with its host in lower case, as no host tells cases apart; a path does.
fn lowered(url: &str) -> String {
    let (authority, path) = url.split_at(url.find('/').unwrap_or(url.len()));
    format!("{}{path}", authority.to_lowercase())
}

/// A buildpack as it may be shown: its name, or an address without user, password and query.
pub fn without_secrets(buildpack: &str) -> String {
    let Some((scheme, rest)) = buildpack.split_once("://") else { return buildpack.to_owned() };
    let (rest, branch) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
    let rest = rest.split('?').next().unwrap_or_default();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***:***@{host}{path}{branch}"),
        None => format!("{scheme}://{host}{path}{branch}"),
    }
}

/// The path that a check asks for, without what stands in its query where that is secret by its name.
pub fn without_secret_query(path: &str) -> String {
    let Some((before, query)) = path.split_once('?').filter(|_| has_secret_query(path)) else { return path.to_owned() };
    let hidden = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) => format!("{name}=***"),
        None if tells_secret(part) => "***".to_owned(),
        None => part.to_owned(),
    });
    format!("{before}?{}", hidden.collect::<Vec<_>>().join("&"))
}

fn put_process(process: &Process, fields: &mut Fields) {
    let path = |name: &str| format!("processes.{}.{name}", process.process_type);
    fields.set(path("instances"), process.instances);
    fields.set_some(path("memory"), process.memory);
    fields.set_some(path("disk"), process.disk);
    fields.set_some(path("logRate"), process.log_rate);
    fields.set_some(path("user"), process.user.as_deref());
    fields.set_some(path("timeout"), process.health_check.timeout);
    for (name, check) in [("healthCheck", &process.health_check), ("readiness", &process.readiness)] {
        let path = |part: &str| path(&format!("{name}.{part}"));
        fields.set_some(path("type"), check.spelled_type());
        fields.set_some(path("endpoint"), check.shown_endpoint().as_deref());
        fields.set_some(path("invocationTimeout"), check.invocation_timeout);
        fields.set_some(path("interval"), check.interval);
    }
}

impl Check {
    /// `none` is an older word for `process`.
    fn spelled_type(&self) -> Option<&str> {
        match self.check_type.as_deref() {
            Some("none") => Some("process"),
            known => known,
        }
    }

    fn shown_endpoint(&self) -> Option<String> {
        self.endpoint.as_deref().map(without_secret_query)
    }
}

fn put_instances(process_type: &str, all: &[&Process], fields: &mut Fields) {
    let base = format!("runtime.{process_type}");
    let newest = all.iter().filter_map(|process| process.created_at).max();
    fields.set_some(format!("runtime.processCreatedAt.{process_type}"), newest.map(moment));
    let mut instances: Vec<&Instance> = Vec::new();
    for process in all {
        match &process.states {
            Ok(states) => instances.extend(states),
            Err(why) => return fields.put(base, why.clone()),
        }
    }
    let in_state = |state: &str| count(instances.iter().filter(|instance| instance.state == state).count());
    for (name, state) in [("running", "RUNNING"), ("crashed", "CRASHED"), ("starting", "STARTING"), ("down", "DOWN")] {
        fields.set(format!("{base}.{name}"), in_state(state));
    }
    let running = instances.iter().filter(|instance| instance.state == "RUNNING");
    // The oldest is not known unless the age of every one is.
    let starts: Option<Vec<Timestamp>> = running.map(|instance| instance.since).collect();
    let oldest = starts.unwrap_or_default().into_iter().min();
    fields.set_some(format!("{base}.oldestStart"), oldest.map(|at| moment(whole_second(at))));
}

/// Sets a mark that says nothing while a deployment rolls, which may be cancelled.
fn put_mark(observed: &Observed, value: Option<Arc<str>>, name: &str, marks: &mut Marks) {
    if let Some(value) = value.filter(|_| observed.deployment.is_none()) {
        marks.insert(name.into(), value);
    }
}

fn put_marks(process: &Process, marks: &mut Marks) {
    let mut mark = |name: &str, value: Arc<str>| {
        marks.insert(format!("{name}:{}", process.process_type).into(), value);
    };
    mark("guid", process.guid.clone());
    if let Some(version) = &process.version {
        mark("version", version.clone());
    }
    if let Some(revision) = &process.revision {
        mark("revision", revision.clone());
    }
    let (user, limits) = (&process.user, (process.memory, process.disk, process.log_rate));
    let check = |check: &Check| {
        format!(
            "{:?} {:?} {:?}",
            (check.spelled_type(), check.shown_endpoint()),
            (check.timeout, check.invocation_timeout),
            check.interval
        )
    };
    let configured = format!("{user:?} {limits:?} {} {}", check(&process.health_check), check(&process.readiness));
    mark("process", configured.into());
}

/// Never earlier, so that what seems to have begun before a moment did.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() + i64::from(at.subsec_nanosecond() > 0)).unwrap_or(at)
}

fn moment(at: Timestamp) -> Value {
    Value::text(at.to_string())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(in crate::kinds::app) mod tests;
