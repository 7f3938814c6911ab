//! An application as version 1 of Cloud Foundry's manifest describes it.
//!
//! Decides what each attribute means, as the Cloud Controller does: the attributes of a process beside
//! the application's own are the web process', unless `processes` has one of that type; `-` and `_` are
//! the same at these two levels and nowhere else. Never knows what is live. `spec` calls it with what
//! `vars` and `legacy` have prepared, `expect` reads what it returns.

mod attributes;
mod parts;
pub mod sheet;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::live::without_secrets;
use super::units;
use crate::manifest::tree::Node;
pub use attributes::Attributes;
use attributes::{APPLICATION, PROCESS};
pub use parts::{Route, Service, Sidecar};
use sheet::{Notes, Sheet, scalar};

/// The type of the process that serves requests.
pub const WEB: &str = "web";

/// The switches of an application.
const FEATURES: [&str; 4] = ["ssh", "revisions", "service-binding-k8s", "file-based-vcap-services"];

/// What a manifest says of one application: of what is `None` or not there, nothing. It holds values
/// that may be secret, so it cannot be printed.
#[derive(Default)]
pub struct Application {
    /// Its name.
    pub name: Option<String>,
    /// `buildpack`, `cnb` or `docker`.
    pub lifecycle: Option<&'static str>,
    /// Names and addresses in order; empty where the platform detects which one fits.
    pub buildpacks: Option<Vec<String>>,
    /// The root file system.
    pub stack: Option<String>,
    /// The image of a docker application.
    pub docker_image: Option<String>,
    /// Variables by name; without a value where it cannot be compared.
    pub env: BTreeMap<String, Option<String>>,
    /// Switches by name.
    pub features: BTreeMap<&'static str, bool>,
    /// Labels; without a value, one that must not be there.
    pub labels: BTreeMap<String, Option<String>>,
    /// Annotations, likewise.
    pub annotations: BTreeMap<String, Option<String>>,
    /// What it is bound to.
    pub services: Vec<Service>,
    /// Whether `services` is all that the manifest names: no variable leaves a name open.
    pub all_services: bool,
    /// Where it is reached.
    pub routes: Vec<Route>,
    /// Whether `routes` is all that the manifest names.
    pub all_routes: bool,
    /// It is not to be reached at all.
    pub no_route: bool,
    /// It is to be reached at an address of the platform's choice.
    pub any_route: bool,
    /// Processes by type.
    pub processes: BTreeMap<String, Process>,
    /// What runs beside its processes, by name.
    pub sidecars: BTreeMap<String, Sidecar>,
    /// What is named and cannot be compared, and why.
    pub not_compared: Vec<String>,
}

/// One process of an application.
#[derive(Default)]
pub struct Process {
    /// What it starts. A command that the droplet decides (`null`, `default`) is not compared.
    pub command: Option<String>,
    /// Who it runs as.
    pub user: Option<String>,
    /// How many of it.
    pub instances: Option<i64>,
    /// In MB.
    pub memory: Option<i64>,
    /// In MB.
    pub disk: Option<i64>,
    /// In bytes a second; -1 without a limit.
    pub log_rate: Option<i64>,
    /// Seconds until it must be healthy.
    pub timeout: Option<i64>,
    /// Whether it is alive.
    pub health: Check,
    /// Whether it takes requests.
    pub readiness: Check,
}

/// How a process is checked.
#[derive(Default)]
pub struct Check {
    /// `http`, `port` or `process`.
    pub kind: Option<&'static str>,
    /// The path that is asked for.
    pub endpoint: Option<String>,
    /// Seconds that one check may take.
    pub invocation_timeout: Option<i64>,
    /// Seconds between two.
    pub interval: Option<i64>,
}

/// Every attribute that an application may have at its own level.
pub fn attributes() -> Vec<&'static str> {
    attributes::names(&[APPLICATION.as_slice(), PROCESS.as_slice()])
}

/// What a node says of an application. Whatever is wrong is in `notes`.
pub fn read(node: &Node, notes: &mut Notes<'_>) -> Application {
    let mut application = Application::default();
    if let Some(sheet) = Sheet::of_either(node, "", &attributes(), notes) {
        application.name = sheet.text("name", notes);
        application.lifecycle(&sheet, notes);
        application.switches(&sheet, notes);
        application.env = parts::variables(&sheet, notes);
        (application.services, application.all_services) = parts::services(&sheet, notes);
        application.routing(&sheet, notes);
        application.processes(&sheet, notes);
        application.sidecars = parts::sidecars(&sheet, notes);
    }
    application.not_compared = std::mem::take(&mut notes.not_compared);
    application
}

impl Application {
    fn lifecycle(&mut self, sheet: &Sheet<'_>, notes: &mut Notes<'_>) {
        if let Some(docker) = sheet.node("docker") {
            let known = ["image", "username", "password"];
            let docker = Sheet::of(docker, sheet.path("docker"), &known, notes);
            self.docker_image = docker.and_then(|docker| docker.text("image", notes));
            self.lifecycle = Some("docker");
        }
        if let Some(lifecycle) = sheet.word("lifecycle", &["buildpack", "cnb", "docker"], notes) {
            self.lifecycle = Some(lifecycle);
        }
        self.stack = sheet.text("stack", notes);
        self.buildpacks =
            sheet.texts("buildpacks", notes).map(|names| names.iter().map(|name| without_secrets(name)).collect());
        if sheet.has("buildpack") {
            self.buildpacks = match sheet.node("buildpack") {
                None => Some(Vec::new()),
                Some(_) => sheet.text("buildpack", notes).map(|name| match name.as_str() {
                    "default" | "null" => Vec::new(),
                    name => vec![without_secrets(name)],
                }),
            };
        }
        for (one, other) in [("buildpack", "buildpacks"), ("docker", "buildpack"), ("docker", "buildpacks")] {
            if sheet.has(one) && sheet.has(other) {
                let message = format!("both `{one}` and `{other}` are written");
                notes.problem(sheet.place, message, "Cloud Foundry refuses them together: keep one");
            }
        }
    }

    fn switches(&mut self, sheet: &Sheet<'_>, notes: &mut Notes<'_>) {
        if let Some(node) = sheet.node("features")
            && let Some(features) = Sheet::of(node, sheet.path("features"), &FEATURES, notes)
        {
            for name in FEATURES {
                if let Some(on) = features.flag(name, notes) {
                    self.features.insert(name, on);
                }
            }
        }
        if let Some(node) = sheet.node("metadata")
            && let Some(metadata) = Sheet::of(node, sheet.path("metadata"), &["labels", "annotations"], notes)
        {
            self.labels = parts::marks(&metadata, "labels", notes);
            self.annotations = parts::marks(&metadata, "annotations", notes);
        }
    }

    fn routing(&mut self, sheet: &Sheet<'_>, notes: &mut Notes<'_>) {
        (self.routes, self.all_routes) = parts::routes(sheet, notes);
        self.no_route = sheet.flag("no_route", notes) == Some(true);
        let random = sheet.flag("random_route", notes) == Some(true);
        let default = sheet.flag("default_route", notes) == Some(true);
        self.any_route = random || default;
        if self.no_route && sheet.node("routes").is_some() {
            notes.leave_out("routes", "`no-route: true` beside them wins: take one of the two out");
        }
        if random && default {
            let message = "both `random-route` and `default-route` are true";
            notes.problem(sheet.place, message, "Cloud Foundry refuses them together: keep one");
        }
    }

    fn processes(&mut self, sheet: &Sheet<'_>, notes: &mut Notes<'_>) {
        let mut own = notes.apart();
        let web = process(sheet, &mut own);
        notes.problems.append(&mut own.problems);
        let known = [vec!["type"], attributes::names(&[PROCESS.as_slice()])].concat();
        for (path, node) in sheet.items("processes", notes) {
            // Named by its type, which says more than its number.
            let named = node.get("type").and_then(|kind| {
                let scalar = scalar(kind, &path, &mut Notes::default())?;
                Some(format!("processes.{}", notes.told(kind.place, &scalar.raw)))
            });
            let path = named.unwrap_or(path);
            let Some(sheet) = Sheet::of_either(node, path, &known, notes) else { continue };
            let Some(kind) = sheet.required("type", notes) else { continue };
            let process = process(&sheet, notes);
            if self.processes.insert(kind, process).is_some() {
                let message = format!("`{}` is there twice", sheet.path("type"));
                notes.problem(sheet.place, message, "describe each type of process once");
            }
        }
        if !self.processes.contains_key(WEB) {
            self.processes.insert(WEB.to_owned(), web);
            notes.not_compared.append(&mut own.not_compared);
        }
    }
}

fn process(sheet: &Sheet<'_>, notes: &mut Notes<'_>) -> Process {
    let command = sheet.text("command", notes);
    Process {
        command: command.filter(|command| command != "default" && command != "null"),
        user: sheet.text("user", notes),
        instances: sheet.number("instances", 0, notes),
        memory: sheet.amount("memory", units::megabytes, notes),
        disk: sheet.amount("disk_quota", units::megabytes, notes),
        log_rate: sheet.amount("log_rate_limit_per_second", units::bytes_a_second, notes),
        timeout: sheet.number("timeout", 1, notes),
        health: check(sheet, "health_check", notes),
        readiness: check(sheet, "readiness_health_check", notes),
    }
}

fn check(sheet: &Sheet<'_>, name: &str, notes: &mut Notes<'_>) -> Check {
    let kind = sheet.word(&format!("{name}_type"), &["http", "port", "process", "none"], notes);
    let endpoint = format!("{name}_http_endpoint");
    if let Some(kind) = kind.filter(|kind| *kind != "http" && sheet.node(&endpoint).is_some()) {
        let message = format!("a check of the type `{kind}` asks for no path: `{}`", sheet.path(&endpoint));
        let hint = "make the type `http`, or take the path out: Cloud Foundry refuses them together";
        sheet.problem(&endpoint, message, hint, notes);
    }
    Check {
        // `none` is the old name of `process`.
        kind: kind.map(|kind| if kind == "none" { "process" } else { kind }),
        endpoint: sheet.text(&endpoint, notes),
        invocation_timeout: sheet.number(&format!("{name}_invocation_timeout"), 1, notes),
        interval: sheet.number(&format!("{name}_interval"), 1, notes),
    }
}
