//! The parts of an application that have names of their own: variables, labels, services, routes and
//! sidecars.
//!
//! Decides how each is spelled, so that it can be compared: a variable as the text that Cloud Foundry
//! makes of its value, a route without its scheme. Never keeps the parameters of a binding, which may
//! be secret. `v1` calls it.

use std::collections::BTreeMap;

use super::sheet::{Notes, Sheet, is_null, scalar};
use crate::kinds::app::units;
use crate::manifest::tree::{Data, Node, Resolved, Scalar};

/// How many digits a number with a fraction may have before its point, and zeros after it, to be
/// written alike by everybody.
const USUAL: std::ops::Range<f64> = 1e-4..1e15;

/// A service instance that an application is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The instance.
    pub instance: String,
    /// The name of the binding.
    pub binding_name: Option<String>,
}

/// An address of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `host.domain[:port][/path]`.
    pub url: String,
    /// `http1`, `http2` or `tcp`.
    pub protocol: Option<&'static str>,
    /// `round-robin`, `least-connection` or `hash`.
    pub loadbalancing: Option<&'static str>,
    /// The header that decides, with `hash`.
    pub hash_header: Option<String>,
    /// How uneven `hash` may be.
    pub hash_balance: Option<String>,
}

/// What runs beside the processes of an application. Its command may be secret, so it cannot be printed.
pub struct Sidecar {
    /// What it starts.
    pub command: Option<String>,
    /// Beside which processes.
    pub process_types: Option<Vec<String>>,
    /// In MB.
    pub memory: Option<i64>,
}

pub(super) fn variables(sheet: &Sheet<'_>, notes: &mut Notes<'_>) -> BTreeMap<String, Option<String>> {
    let path = sheet.path("env");
    let mut variables = BTreeMap::new();
    for (key, node) in sheet.map("env", notes) {
        if let Some(why) = refused(&key.name) {
            let message = format!("the variable `{}` {why}", notes.told(key.place, &key.name));
            notes.problem(key.place, message, "take it out: Cloud Foundry refuses it in a manifest");
        }
        let path = format!("{path}.{}", key.name);
        let value = match &node.data {
            Data::Scalar(_) => scalar(node, &path, notes).and_then(|scalar| {
                let text = variable(scalar);
                if text.is_none() {
                    notes.leave_out(&path, "the cf CLI and the API write this value differently: put it in quotes");
                }
                text
            }),
            Data::Seq(_) | Data::Map(_) => {
                notes.leave_out(&path, "not a single value: put it in quotes");
                None
            }
        };
        variables.insert(key.name.clone(), value);
    }
    variables
}

/// Why Cloud Foundry refuses a variable of this name.
fn refused(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    match name.as_str() {
        "PORT" => Some("is set by the platform alone"),
        _ if name.starts_with("VCAP_") || name.starts_with("VMC_") => {
            Some("has a name that the platform keeps to itself")
        }
        _ => None,
    }
}

/// What an application finds in a variable. Before it gets there the value has been read by YAML 1.1,
/// mostly written again by the cf CLI, and made text by the Cloud Controller. `None` where it
/// depends on which of them were involved.
fn variable(scalar: &Scalar) -> Option<String> {
    let raw = scalar.raw.as_str();
    match scalar.resolve() {
        Resolved::Null => Some(String::new()),
        Resolved::Bool(truth) => Some(truth.to_string()),
        // `007` is octal to some, `0x1f` a number.
        Resolved::Int(number) => Some(number.to_string()).filter(|text| text == raw),
        // `1.0` is `1` after the CLI.
        Resolved::Float(number) if number.fract() != 0.0 && USUAL.contains(&number.abs()) => Some(number.to_string()),
        Resolved::Float(_) => None,
        Resolved::Text if scalar.plain && is_another_in_yaml_1_1(raw) => None,
        Resolved::Text => Some(raw.to_owned()),
    }
}

/// Whether YAML 1.1 may take a plain text for something else: `yes`, `1_000`, `12:30`, `2016-06-13`.
fn is_another_in_yaml_1_1(raw: &str) -> bool {
    let word = raw.to_ascii_lowercase();
    let begins_like_a_number = raw.trim_start_matches(['+', '-']).starts_with(|first: char| first.is_ascii_digit());
    matches!(word.as_str(), "yes" | "no" | "on" | "off")
        || (begins_like_a_number && raw.bytes().all(|byte| byte.is_ascii_digit() || b"_:,+-".contains(&byte)))
}

/// Labels or annotations. One without a value must not be there.
pub(super) fn marks(metadata: &Sheet<'_>, name: &str, notes: &mut Notes<'_>) -> BTreeMap<String, Option<String>> {
    let path = metadata.path(name);
    let mut marks = BTreeMap::new();
    for (key, node) in metadata.map(name, notes) {
        if is_null(node) {
            marks.insert(key.name.clone(), None);
        } else if let Some(scalar) = scalar(node, &format!("{path}.{}", key.name), notes) {
            marks.insert(key.name.clone(), Some(scalar.raw.clone()));
        }
    }
    marks
}

/// What is bound, and whether that is all that the manifest names.
pub(super) fn services(sheet: &Sheet<'_>, notes: &mut Notes<'_>) -> (Vec<Service>, bool) {
    let mut services: Vec<Service> = Vec::new();
    let mut all = true;
    for (path, node) in sheet.items("services", notes) {
        match service(path, node, notes) {
            Some(service) if services.iter().any(|known| known.instance == service.instance) => {}
            Some(service) => services.push(service),
            None => all = false,
        }
    }
    (services, all)
}

fn service(path: String, node: &Node, notes: &mut Notes<'_>) -> Option<Service> {
    match &node.data {
        Data::Map(_) => {
            let sheet = Sheet::of(node, path, &["name", "binding_name", "parameters"], notes)?;
            let instance = sheet.required("name", notes)?;
            Some(Service { instance, binding_name: sheet.text("binding_name", notes) })
        }
        Data::Scalar(_) | Data::Seq(_) => {
            Some(Service { instance: scalar(node, &path, notes)?.raw.clone(), binding_name: None })
        }
    }
}

/// Where it is reached, and whether that is all that the manifest names.
pub(super) fn routes(sheet: &Sheet<'_>, notes: &mut Notes<'_>) -> (Vec<Route>, bool) {
    let items = sheet.items("routes", notes);
    let named = items.len();
    let routes: Vec<Route> = items.into_iter().filter_map(|(path, node)| route(path, node, notes)).collect();
    let all = sheet.node("routes").is_some() && routes.len() == named;
    (routes, all)
}

fn route(path: String, node: &Node, notes: &mut Notes<'_>) -> Option<Route> {
    let sheet = Sheet::of(node, path, &["route", "protocol", "options"], notes)?;
    let text = sheet.required("route", notes)?;
    let Some(url) = url(&text) else {
        let message = format!("`{}` is no route", notes.told(sheet.place_of("route"), &text));
        let hint = "write `host.domain`, and `:port` or `/path` where it has one";
        sheet.problem("route", message, hint, notes);
        return None;
    };
    let options = sheet.node("options").and_then(|node| {
        Sheet::of(node, sheet.path("options"), &["loadbalancing", "hash_header", "hash_balance"], notes)
    });
    let options = options.as_ref();
    let algorithms = ["round-robin", "least-connection", "hash"];
    Some(Route {
        url,
        protocol: sheet.word("protocol", &["http1", "http2", "tcp"], notes),
        loadbalancing: options.and_then(|options| options.word("loadbalancing", &algorithms, notes)),
        hash_header: options.and_then(|options| options.text("hash_header", notes)),
        hash_balance: options.and_then(|options| balance(options, notes)),
    })
}

/// A number between 0 and 100, as the API writes it: `1.5`, `2.0`.
fn balance(options: &Sheet<'_>, notes: &mut Notes<'_>) -> Option<String> {
    let raw = options.text("hash_balance", notes)?;
    let number = raw.trim().parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    if number.is_none() {
        let told = notes.told(options.place_of("hash_balance"), &raw);
        let message = format!("`{told}` is no `{}`", options.path("hash_balance"));
        options.problem("hash_balance", message, "write a number from 0 to 100", notes);
    }
    number.map(|number| format!("{number:?}"))
}

/// A route as the API spells it: without its scheme, the host in lower case, no `/` alone at the end.
fn url(text: &str) -> Option<String> {
    let text = text.trim();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let sound = authority.contains('.')
        && !authority.starts_with('.')
        && !rest.contains(|character: char| character.is_whitespace() || "?#@".contains(character));
    let path = if path == "/" { "" } else { path };
    sound.then(|| format!("{}{path}", authority.to_ascii_lowercase()))
}

pub(super) fn sidecars(sheet: &Sheet<'_>, notes: &mut Notes<'_>) -> BTreeMap<String, Sidecar> {
    let mut sidecars = BTreeMap::new();
    for (path, node) in sheet.items("sidecars", notes) {
        let known = ["name", "command", "process_types", "memory"];
        let Some(sheet) = Sheet::of(node, path, &known, notes) else { continue };
        let Some(name) = sheet.required("name", notes) else { continue };
        let (command, process_types) = (sheet.text("command", notes), sheet.texts("process_types", notes));
        if sheet.node("process_types").is_none() || process_types.as_ref().is_some_and(Vec::is_empty) {
            sheet.lacks("process_types", notes);
        }
        let sidecar = Sidecar { command, process_types, memory: sheet.amount("memory", units::megabytes, notes) };
        sidecars.insert(name, sidecar);
    }
    sidecars
}
