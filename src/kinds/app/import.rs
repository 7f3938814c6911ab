//! A live app as a manifest would declare it.
//!
//! Decides how facts are written the way version 1 of Cloud Foundry's manifests writes them, below
//! `application`, and what a manifest cannot say. Never writes a variable or a command whose value is
//! hidden. Its bindings are declared by its `services`. Called through the kind's entry.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::v1::WEB;
use super::vars;
use crate::core::asks::Facet;
use crate::core::identity::ScopeKind;
use crate::core::observation::Live;
use crate::core::value::{Fact, Fields, Value};
use crate::kinds::importing::{
    Import, ImportSetting, Imported, Spec, flag, has_secret_query, number, tells_secret, text, texts,
};

/// How apps are imported.
pub const IMPORT: Import = Import { facets: &[Facet::AppManifest], declare };

/// The switches that a manifest may name.
const FEATURES: [&str; 4] = ["ssh", "revisions", "service-binding-k8s", "file-based-vcap-services"];
/// How a process may be checked.
const CHECKS: [&str; 3] = ["http", "port", "process"];
const PROTOCOLS: [&str; 3] = ["http1", "http2", "tcp"];
const ALGORITHMS: [&str; 3] = ["round-robin", "least-connection", "hash"];
/// More is more than the reader of manifests takes for an amount.
const MOST_MEGABYTES: i64 = 8_000_000_000;

/// What is not written, and must be told.
#[derive(Default)]
struct LeftOut {
    hidden: Vec<String>,
    suspicious: Vec<String>,
}

fn declare(live: &Live, setting: &ImportSetting<'_>) -> Result<Imported, &'static str> {
    if setting.scope.kind == ScopeKind::CfFoundation {
        return Err("apps of the whole foundation: import them with their organisation (--cf-organization NAME)");
    }
    let fields = &live.fields;
    let Some((space, name)) = live.key.key.rsplit_once('/') else { return Err("apps without a space") };
    if matches!(&*fields.fact("docker.image"), Fact::Unknown(_)) {
        return Err("docker apps whose image is not known: they have no droplet that names it");
    }
    if !listed(fields, "routes").all(is_route) {
        return Err("apps with a route that no manifest can spell");
    }
    if std::iter::once(name).chain(listed(fields, "services")).any(|name| vars::open(name).is_some()) {
        return Err("apps that are called, or bound to something called, like a ((variable))");
    }
    let mut left_out = LeftOut::default();
    let organization = &setting.scope.thing;
    let mut spec = Spec::default();
    spec.put("organization", Some(Json::from(&**organization)));
    spec.put("space", Some(Json::from(space)));
    spec.put("application", application(fields, name, &mut left_out));
    let stopped = fields.value("state").and_then(Value::as_text) == Some("STOPPED");
    spec.put("desiredState", stopped.then(|| Json::from("stopped")));
    Ok(Imported {
        names: vec![
            name.to_owned(),
            format!("{name}-{space}"),
            format!("{name}-{space}-{organization}-{}", setting.scope.account),
        ],
        name_field: Some("application.name"),
        spec: spec.whole(),
        hidden: left_out.hidden,
        suspicious: left_out.suspicious,
    })
}

/// The texts of a set.
fn listed<'a>(fields: &'a Fields, path: &str) -> impl Iterator<Item = &'a str> {
    let items: &[Value] = match fields.value(path) {
        Some(Value::List(items)) => items,
        _ => &[],
    };
    items.iter().filter_map(Value::as_text)
}

/// Whether a manifest that names this route means this very one: its reader writes hosts in lower
/// case, and takes a lonely `/` away.
fn is_route(url: &str) -> bool {
    let (authority, path) = url.split_at(url.find('/').unwrap_or(url.len()));
    let strange = |char: char| char.is_whitespace() || "?#@".contains(char);
    authority.contains('.')
        && !authority.starts_with('.')
        && !authority.contains(|char: char| char.is_ascii_uppercase())
        && path != "/"
        && !url.contains("://")
        && !url.contains(strange)
        && vars::open(url).is_none()
}

fn application(fields: &Fields, name: &str, left_out: &mut LeftOut) -> Option<Json> {
    let mut application = Spec::default();
    application.put("name", Some(Json::from(name)));
    // The two others go without saying: by an image, and by the lack of one.
    application.put("lifecycle", said(fields, "lifecycle").filter(|word| word == "cnb"));
    let mut docker = Spec::default();
    docker.put("image", said(fields, "docker.image"));
    application.put("docker", docker.part());
    // None is detection, which is what a manifest without them means.
    application.put("buildpacks", texts(fields, "buildpacks"));
    application.put("stack", said(fields, "stack"));
    let processes: BTreeSet<&str> = fields
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("processes.")?.strip_suffix(".instances"))
        .filter(|process| !process.is_empty() && vars::open(process).is_none())
        .collect();
    // What stands beside the application's own attributes is its web process.
    let alone = processes.iter().eq([&WEB]);
    if alone {
        put_process(fields, WEB, &mut application, left_out);
    }
    application.put("env", variables(fields, left_out));
    application.put("features", features(fields));
    application.put("metadata", metadata(fields, left_out));
    application.put("services", texts(fields, "services"));
    let unreachable = fields.value("routeCount").and_then(Value::as_int) == Some(0);
    application.put("no-route", unreachable.then_some(Json::Bool(true)));
    application.put("routes", Some(listed(fields, "routes").filter_map(|url| route(fields, url)).collect()));
    if !alone {
        let all = processes.iter().filter_map(|process| {
            let mut spec = Spec::default();
            spec.put("type", Some(Json::from(*process)));
            put_process(fields, process, &mut spec, left_out);
            spec.part()
        });
        application.put("processes", Some(all.collect()));
    }
    application.put("sidecars", Some(sidecars(fields, left_out)));
    application.part()
}

/// A text, unless the reader of manifests would take a part of it for a variable.
fn said(fields: &Fields, path: &str) -> Option<Json> {
    text(fields, path).filter(|text| text.as_str().is_some_and(|text| vars::open(text).is_none()))
}

fn one_of(fields: &Fields, path: &str, known: &[&str]) -> Option<Json> {
    text(fields, path).filter(|word| known.iter().any(|known| word == *known))
}

fn put_process(fields: &Fields, process: &str, spec: &mut Spec, left_out: &mut LeftOut) {
    let at = |field: &str| format!("processes.{process}.{field}");
    spec.put("command", command(fields, &at("command"), &format!("the command of {process}"), left_out));
    spec.put("instances", number(fields, &at("instances"), 0..=i64::MAX));
    spec.put("memory", megabytes(fields, &at("memory")));
    spec.put("disk_quota", megabytes(fields, &at("disk")));
    spec.put("log-rate-limit-per-second", log_rate(fields, &at("logRate")));
    spec.put("user", said(fields, &at("user")));
    spec.put("timeout", number(fields, &at("timeout"), 1..=i64::MAX));
    for (name, check) in [("health-check", "healthCheck"), ("readiness-health-check", "readiness")] {
        let at = |field: &str| at(&format!("{check}.{field}"));
        spec.put(&format!("{name}-type"), one_of(fields, &at("type"), &CHECKS));
        let is_http = fields.value(&at("type")).and_then(Value::as_text) == Some("http");
        let endpoint = fields.value(&at("endpoint")).and_then(Value::as_text).filter(|_| is_http);
        if endpoint.is_some_and(has_secret_query) {
            left_out.suspicious.push(format!("{name}-http-endpoint of {process} (for what stands in its query)"));
        } else if is_http {
            spec.put(&format!("{name}-http-endpoint"), said(fields, &at("endpoint")));
        }
        spec.put(&format!("{name}-invocation-timeout"), number(fields, &at("invocationTimeout"), 1..=i64::MAX));
        spec.put(&format!("{name}-interval"), number(fields, &at("interval"), 1..=i64::MAX));
    }
}

/// A command, where it may be shown. `default` and `null` would leave it to the buildpack.
fn command(fields: &Fields, path: &str, what: &str, left_out: &mut LeftOut) -> Option<Json> {
    let Some(Value::Secret(secret)) = fields.value(path) else { return None };
    let shown = secret.shown.as_deref().filter(|shown| !matches!(*shown, "" | "default" | "null"));
    match shown.filter(|shown| vars::open(shown).is_none()) {
        Some(command) => Some(Json::from(command)),
        None => {
            left_out.hidden.push(what.to_owned());
            None
        }
    }
}

fn megabytes(fields: &Fields, path: &str) -> Option<Json> {
    let amount = fields.value(path)?.as_int().filter(|amount| (1..=MOST_MEGABYTES).contains(amount))?;
    Some(Json::from(format!("{amount}M")))
}

fn log_rate(fields: &Fields, path: &str) -> Option<Json> {
    match fields.value(path)?.as_int()? {
        rate @ (-1 | 0) => Some(Json::from(rate)),
        rate if (1..=MOST_MEGABYTES).contains(&rate) => Some(Json::from(format!("{rate}B"))),
        _ => None,
    }
}

fn variables(fields: &Fields, left_out: &mut LeftOut) -> Option<Json> {
    let mut variables = Map::new();
    for (path, fact) in fields.iter() {
        let (Some(name), Fact::Known(Value::Secret(secret))) = (path.strip_prefix("env."), fact) else { continue };
        match secret.shown.as_deref().filter(|shown| vars::open(shown).is_none()) {
            Some(shown) => drop(variables.insert(name.to_owned(), Json::from(shown))),
            None => left_out.hidden.push(name.to_owned()),
        }
    }
    Some(Json::Object(variables))
}

fn features(fields: &Fields) -> Option<Json> {
    let mut features = Spec::default();
    for name in FEATURES {
        features.put(name, flag(fields, &format!("features.{name}")).map(Json::from));
    }
    features.part()
}

fn metadata(fields: &Fields, left_out: &mut LeftOut) -> Option<Json> {
    let mut metadata = Spec::default();
    for kind in ["labels", "annotations"] {
        let mut marks = Map::new();
        for (path, _) in fields.iter() {
            let name = path.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.'));
            let (Some(name), Some(Json::String(mark))) = (name, said(fields, path)) else { continue };
            if tells_secret(&format!("{name}={mark}")) {
                left_out.suspicious.push(format!("metadata.{kind}.{name}"));
            } else {
                marks.insert(name.to_owned(), Json::String(mark));
            }
        }
        metadata.put(kind, Some(Json::Object(marks)));
    }
    metadata.part()
}

fn route(fields: &Fields, url: &str) -> Option<Json> {
    let at = |field: &str| format!("routes.{url}.{field}");
    let mut options = Spec::default();
    options.put("loadbalancing", one_of(fields, &at("loadbalancing"), &ALGORITHMS));
    options.put("hash_header", said(fields, &at("hash_header")));
    let balance = text(fields, &at("hash_balance")).filter(|balance| balance.as_str().is_some_and(is_balance));
    options.put("hash_balance", balance);
    let mut route = Spec::default();
    route.put("route", Some(Json::from(url)));
    route.put("protocol", one_of(fields, &at("protocol"), &PROTOCOLS));
    route.put("options", options.part());
    route.part()
}

/// Whether the reader of manifests spells this number like that.
fn is_balance(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(|number| (0.0..=100.0).contains(&number) && format!("{number:?}") == text)
}

fn sidecars(fields: &Fields, left_out: &mut LeftOut) -> Json {
    let names = fields.iter().filter_map(|(path, _)| path.strip_prefix("sidecars.")?.strip_suffix(".processTypes"));
    let named = names.filter(|name| !name.is_empty() && vars::open(name).is_none());
    let all = named.filter_map(|name| {
        let at = |field: &str| format!("sidecars.{name}.{field}");
        let mut sidecar = Spec::default();
        sidecar.put("name", Some(Json::from(name)));
        sidecar
            .put("command", command(fields, &at("command"), &format!("the command of the sidecar {name}"), left_out));
        sidecar.put("process_types", texts(fields, &at("processTypes")));
        sidecar.put("memory", megabytes(fields, &at("memory")));
        sidecar.part()
    });
    all.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use serde_json::json;

    use super::super::live::tests::{observed, platform, process};
    use super::super::live::{Observed, live};
    use super::super::manifest::tests::parsed;
    use super::super::spec::tests::Stage;
    use super::super::spec::{AppSpec, declare as resolve};
    use super::*;
    use crate::core::identity::ScopeKey;
    use crate::kinds::dns_record::fixture::differences;
    use crate::kinds::{Declaration, Rules};
    use crate::manifest::check::Checker;
    use crate::manifest::parse::parse;
    use crate::manifest::source::SourceFile;
    use crate::manifest::write::document;

    const MANIFEST: &str = "
applications:
- name: api
  env: {LOG_LEVEL: \"yes\", PASSWORD: hunter2}
  features: {ssh: false, revisions: true}
  processes: [{type: web, command: run --token hunter3}]
  sidecars: [{name: proxy, process_types: [worker, web], command: envoy, memory: 64M}]
";

    fn app(change: impl FnOnce(&mut Observed)) -> Live {
        let mut app = observed();
        app.manifest = Some(parsed(MANIFEST));
        change(&mut app);
        live(&app, &platform()).0
    }

    fn imported(live: &Live) -> Result<Imported, &'static str> {
        let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
        declare(live, &ImportSetting { scope: &scope, account: None, region: None })
    }

    /// What the loader makes of the very text that an import writes.
    fn read_back(imported: &Imported) -> Declaration {
        let text = document(&Json::Object(imported.spec.clone()));
        let file = SourceFile { path: "apps/app.yaml".to_owned(), text: text.as_str().into() };
        let node = parse(&file).unwrap_or_else(|problems| panic!("{problems:?}\n{text}")).remove(0);
        let checker = Checker::new(schemars::schema_for!(AppSpec).as_value());
        let declared = resolve(&node, &checker, &Stage::new().setting("another-name"));
        declared.unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
    }

    #[test]
    fn an_imported_app_does_not_differ_from_itself() {
        let live = app(|app| {
            app.processes.push(process("worker", Vec::new()));
            app.buildpacks = vec!["ruby_buildpack".to_owned(), "https://***:***@git.example.com/x".to_owned()];
            app.annotations.insert("contact".to_owned(), "on call: 12:30".to_owned());
            app.processes[0].log_rate = Some(16_384);
            app.processes[0].health_check.check_type = Some("http".to_owned());
            app.processes[0].health_check.endpoint = Some("/health?deep=no".to_owned());
        });
        let imported = imported(&live).unwrap();
        let declaration = read_back(&imported);
        assert_eq!(differences(&declaration, &live), Vec::<String>::new());
        assert_eq!((&*declaration.id, declaration.not_compared.len()), ("production/api", 0));
        let Some(Rules::Parts(parts)) = &declaration.rules else { panic!("its binding is no part of it") };
        assert_eq!(parts.parts.iter().map(|part| &*part.declaration.id).collect::<Vec<_>>(), ["production/api/queue"]);
        // The state, and every fact but those of commands and of the variable that are hidden.
        for path in ["state", "env.LOG_LEVEL", "features.ssh", "sidecars.proxy.memory", "processes.worker.instances"] {
            assert!(declaration.expects.iter().any(|(known, _)| known == path), "{path}");
        }
        assert_eq!(imported.hidden, ["PASSWORD", "the command of web", "the command of the sidecar proxy"]);
        assert!(!Json::Object(imported.spec).to_string().contains("hunter"));
    }

    #[test]
    fn a_lonely_web_process_stands_beside_the_attributes_of_its_app() {
        let spec = imported(&app(|_| ())).unwrap().spec;
        let application = spec.get("application").unwrap();
        assert_eq!((&application["memory"], &application["log-rate-limit-per-second"]), (&json!("256M"), &json!(-1)));
        assert_eq!((application.get("processes"), application.get("buildpacks")), (None, None), "detected");
        assert_eq!(application["services"], json!(["queue"]));
        let route = json!({ "route": "api.example.com/v1", "protocol": "http1", "options": { "loadbalancing": "round-robin" } });
        assert_eq!(application["routes"], json!([route]));
    }

    #[test]
    fn a_stopped_worker_is_declared_stopped_and_without_a_route() {
        let live = app(|app| {
            app.state = "STOPPED".to_owned();
            app.routes.clear();
            app.processes = vec![process("worker", Vec::new())];
        });
        let imported = imported(&live).unwrap();
        assert_eq!(imported.spec.get("desiredState"), Some(&json!("stopped")));
        assert_eq!(imported.spec.get("application").unwrap()["no-route"], true);
        assert_eq!(differences(&read_back(&imported), &live), Vec::<String>::new());
    }

    #[test]
    fn a_docker_app_is_its_image_and_one_without_a_droplet_is_left_out() {
        let docker = |image: Option<&str>| {
            app(|app| {
                app.lifecycle_type = "docker".to_owned();
                app.docker_image = image.map(str::to_owned);
            })
        };
        let live = docker(Some("jimdo/deployer:1"));
        let imported_app = imported(&live).unwrap();
        assert_eq!(imported_app.spec.get("application").unwrap()["docker"], json!({ "image": "jimdo/deployer:1" }));
        assert_eq!(differences(&read_back(&imported_app), &live), Vec::<String>::new());
        assert!(imported(&docker(None)).unwrap_err().contains("no droplet"));
    }

    #[test]
    fn what_a_manifest_would_say_of_something_else_is_not_said() {
        let refused = |change: fn(&mut Observed)| imported(&app(change)).unwrap_err();
        assert!(refused(|app| app.routes[0].url = "api example.com".to_owned()).contains("route"));
        assert!(refused(|app| app.services.extend(["((db))".to_owned()])).contains("variable"));
        let annotated = imported(&app(|app| drop(app.annotations.insert("api-token".to_owned(), "x".to_owned()))));
        assert_eq!(annotated.unwrap().suspicious, ["metadata.annotations.api-token"]);
    }
}
