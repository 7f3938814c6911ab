//! What an application's manifest expects of the live application.
//!
//! Decides which facts are compared and how they are spelled: only what the manifest names, and as
//! whole sets only where the declaration is exhaustive. Values that may be secret become keyed hashes
//! here. Never reads a manifest: `v1` has. `spec` calls it; `live` sets the same facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::KIND;
use super::live::without_secret_query;
use super::v1::{Application, Check, Process, Route, Sidecar};
use crate::core::redact::Redactor;
use crate::core::value::{Expect, Path, Value};

/// What is expected beside the manifest, and what hides its secrets.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// `space/app`, both in lower case: what the hashes are made for.
    pub key: &'a str,
    /// Whether it runs at all.
    pub started: bool,
    /// Whether routes, services and names of variables are all there may be.
    pub exhaustive: bool,
    /// Hashes what may be secret.
    pub redactor: &'a Redactor,
    /// Names whose values may be shown.
    pub visible: &'a BTreeSet<Arc<str>>,
}

/// Everything that is expected.
pub fn expects(application: &Application, terms: &Terms<'_>) -> Vec<(Path, Expect)> {
    let mut wanted = Wanted { terms, expects: Vec::new() };
    wanted.is("state", Some(if terms.started { "STARTED" } else { "STOPPED" }));
    wanted.is("lifecycle", application.lifecycle);
    wanted.is("buildpacks", application.buildpacks.as_deref().map(in_order));
    wanted.is("stack", application.stack.as_deref());
    wanted.is("docker.image", application.docker_image.as_deref());
    wanted.variables(&application.env);
    for (name, on) in &application.features {
        wanted.is(format!("features.{name}"), Some(*on));
    }
    wanted.marks("labels", &application.labels);
    wanted.marks("annotations", &application.annotations);
    wanted.routes(application);
    if terms.exhaustive && application.all_services {
        let instances = application.services.iter().map(|service| service.instance.as_str());
        wanted.is("services", Some(Value::set(instances)));
    }
    for (kind, process) in &application.processes {
        wanted.process(kind, process);
    }
    for (name, sidecar) in &application.sidecars {
        wanted.sidecar(name, sidecar);
    }
    wanted.expects
}

struct Wanted<'a> {
    terms: &'a Terms<'a>,
    expects: Vec<(Path, Expect)>,
}

impl Wanted<'_> {
    fn is(&mut self, path: impl Into<Path>, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.expects.push((path.into(), Expect::Is(value.into())));
        }
    }

    fn secret(&mut self, path: String, name: &str, value: Option<&str>) {
        let Terms { key, redactor, visible, .. } = *self.terms;
        let hashed = value.map(|value| redactor.secret(KIND, key, &path, name, value, visible));
        self.is(path, hashed);
    }

    fn variables(&mut self, variables: &BTreeMap<String, Option<String>>) {
        for (name, value) in variables {
            self.secret(format!("env.{name}"), name, value.as_deref());
        }
        if self.terms.exhaustive {
            self.is("envNames", Some(Value::set(variables.keys().map(String::as_str))));
        }
    }

    fn marks(&mut self, kind: &str, marks: &BTreeMap<String, Option<String>>) {
        for (name, text) in marks {
            self.is(format!("{kind}.{name}"), Some(text.as_deref().map_or(Value::Nothing, Value::text)));
        }
    }

    /// A manifest that says nothing of routes leaves them to `cf push`, which makes one.
    fn routes(&mut self, application: &Application) {
        if application.no_route {
            return self.is("routeCount", Some(0));
        }
        for route in &application.routes {
            self.route(route);
        }
        if application.any_route && application.routes.is_empty() {
            self.expects.push(("routeCount".into(), Expect::Between(Some(1), None)));
        } else if self.terms.exhaustive && application.all_routes {
            let urls = application.routes.iter().map(|route| route.url.as_str());
            self.is("routes", Some(Value::set(urls)));
        }
    }

    fn route(&mut self, route: &Route) {
        let at = |name: &str| format!("routes.{}.{name}", route.url);
        self.is(format!("routes.{}", route.url), Some(true));
        self.is(at("protocol"), route.protocol);
        self.is(at("loadbalancing"), route.loadbalancing);
        self.is(at("hash_header"), route.hash_header.as_deref());
        self.is(at("hash_balance"), route.hash_balance.as_deref());
    }

    fn process(&mut self, kind: &str, process: &Process) {
        let at = |name: &str| format!("processes.{kind}.{name}");
        self.is(at("instances"), process.instances);
        self.is(at("memory"), process.memory);
        self.is(at("disk"), process.disk);
        self.is(at("logRate"), process.log_rate);
        self.secret(at("command"), "command", process.command.as_deref());
        self.is(at("user"), process.user.as_deref());
        self.is(at("timeout"), process.timeout);
        self.check(&at("healthCheck"), &process.health);
        self.check(&at("readiness"), &process.readiness);
    }

    fn check(&mut self, path: &str, check: &Check) {
        self.is(format!("{path}.type"), check.kind);
        let endpoint = check.endpoint.as_deref().map(without_secret_query);
        self.is(format!("{path}.endpoint"), endpoint.as_deref());
        self.is(format!("{path}.invocationTimeout"), check.invocation_timeout);
        self.is(format!("{path}.interval"), check.interval);
    }

    fn sidecar(&mut self, name: &str, sidecar: &Sidecar) {
        let at = |field: &str| format!("sidecars.{name}.{field}");
        self.secret(at("command"), "command", sidecar.command.as_deref());
        let types = sidecar.process_types.as_ref();
        self.is(at("processTypes"), types.map(|types| Value::set(types.iter().map(String::as_str))));
        self.is(at("memory"), sidecar.memory);
    }
}

fn in_order(names: &[String]) -> Value {
    Value::List(names.iter().map(|name| Value::text(name.as_str())).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::kinds::app::v1::Service;

    fn shown(application: &Application, exhaustive: bool) -> Vec<String> {
        let (redactor, visible) = (Redactor::new(&[7; 32]), BTreeSet::from(["LOG_LEVEL".into()]));
        let terms = Terms { key: "production/api", started: true, exhaustive, redactor: &redactor, visible: &visible };
        let expects = expects(application, &terms);
        expects.iter().map(|(path, expect)| format!("{path}: {}", expect.to_json())).collect()
    }

    fn route(url: &str) -> Route {
        Route { url: url.to_owned(), protocol: None, loadbalancing: None, hash_header: None, hash_balance: None }
    }

    #[test]
    fn a_manifest_that_says_nothing_expects_nothing_but_that_the_app_runs() {
        assert_eq!(shown(&Application::default(), false), [r#"state: "STARTED""#]);
    }

    #[test]
    fn a_value_is_shown_only_where_the_environment_lists_its_name() {
        let named = |name: &str| (name.to_owned(), Some("hunter2".to_owned()));
        let env = BTreeMap::from([named("LOG_LEVEL"), named("TOKEN"), ("OPEN".to_owned(), None)]);
        let application = Application { env, ..Application::default() };
        let expected = [r#"state: "STARTED""#, r#"env.LOG_LEVEL: "hunter2""#, r#"env.TOKEN: "(secret)""#];
        assert_eq!(shown(&application, false), expected);
        assert_eq!(shown(&application, true)[3], r#"envNames: ["LOG_LEVEL","OPEN","TOKEN"]"#, "its name is known");
    }

    #[test]
    fn only_an_exhaustive_declaration_compares_routes_and_services_as_a_whole() {
        let application = Application {
            routes: vec![route("b.example.com"), route("a.example.com")],
            all_routes: true,
            services: vec![Service { instance: "db".to_owned(), binding_name: None }],
            all_services: true,
            ..Application::default()
        };
        let each = [r#"state: "STARTED""#, "routes.b.example.com: true", "routes.a.example.com: true"];
        assert_eq!(shown(&application, false), each);
        let all = shown(&application, true);
        assert!(all.contains(&r#"routes: ["a.example.com","b.example.com"]"#.to_owned()), "{all:?}");
        assert!(all.contains(&r#"services: ["db"]"#.to_owned()), "{all:?}");
        let open = Application { all_routes: false, all_services: false, ..application };
        assert!(!shown(&open, true).iter().any(|line| line.starts_with("routes:") || line.starts_with("services:")));
    }

    #[test]
    fn a_worker_has_no_route_and_a_random_one_is_any() {
        let worker = Application { no_route: true, routes: vec![route("a.example.com")], ..Application::default() };
        assert_eq!(shown(&worker, true)[1..2], ["envNames: []"]);
        assert_eq!(shown(&worker, false), [r#"state: "STARTED""#, "routeCount: 0"]);
        let random = Application { any_route: true, ..Application::default() };
        assert_eq!(shown(&random, false), [r#"state: "STARTED""#, r#"routeCount: "at least 1""#]);
    }

    #[test]
    fn buildpacks_are_compared_in_order_and_none_is_autodetection() {
        let with = |names: &[&str]| Application {
            buildpacks: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..Application::default()
        };
        assert_eq!(shown(&with(&["b", "a"]), false)[1], r#"buildpacks: ["b","a"]"#);
        assert_eq!(shown(&with(&[]), false)[1], "buildpacks: []");
    }

    #[test]
    fn a_label_without_a_value_must_not_be_there() {
        let labels = BTreeMap::from([("team".to_owned(), None)]);
        assert_eq!(shown(&Application { labels, ..Application::default() }, false)[1], "labels.team: null");
    }
}
