//! Version 1, attribute by attribute: what is read, what is refused and where.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::kinds::app::{legacy, vars};
use crate::manifest::parse::parse_foreign;
use crate::manifest::source::SourceFile;

/// Every attribute of the reference once.
const FULL: &str = "
version: 1
applications:
- name: api
  lifecycle: buildpack
  buildpacks: [go_buildpack, 'https://user:hunter2@example.com/own.git']
  stack: cflinuxfs4
  path: build/libs
  cnb-credentials: {registry: {token: hunter2}}
  env: {DEBUG: true, LISTEN: 8080, RATIO: 1.10, EMPTY: null, TEXT: 'yes', VERSION: 1.0, WORD: yes, DAY: 2016-06-13}
  features: {ssh: false, revisions: true, service-binding-k8s: true, file-based-vcap-services: false}
  metadata:
    labels: {team: werkzeug, gone: null}
    annotations: {contact: someone@example.com}
  services:
  - db
  - {name: queue, binding_name: jobs, parameters: {secret: hunter2}}
  routes:
  - route: https://API.example.com/v1
    protocol: http2
    options: {loadbalancing: hash, hash_header: X-User, hash_balance: 2}
  - {route: 'tcp://tcp.example.com:1234', protocol: tcp}
  default-route: true
  memory: 999M
  processes:
  - type: web
    command: serve
    user: vcap
    instances: 2
    memory: 1G
    disk_quota: 512MB
    log-rate-limit-per-second: 16K
    timeout: 180
    health-check-type: http
    health-check-http-endpoint: /health
    health-check-invocation-timeout: 5
    health-check-interval: 30
    readiness-health-check-type: http
    readiness-health-check-http-endpoint: /ready
    readiness-health-check-invocation-timeout: 2
    readiness-health-check-interval: 10
  - {type: worker, command: null, health-check-type: none, log-rate-limit-per-second: -1}
  sidecars:
  - {name: proxy, command: envoy, process_types: [web, worker], memory: 64M}
";

/// The first application of a manifest, and what is wrong with it, each with its line.
fn read_in(text: &str) -> (Application, Vec<String>) {
    let file = SourceFile { path: "manifest.yml".to_owned(), text: Arc::from(text) };
    let document = parse_foreign(&file).unwrap().remove(0);
    let mut notes = Notes::of(Some("manifest.yml"));
    let nodes = legacy::applications(&vars::laid_out(&document, &[], &mut notes), &mut notes);
    let application = nodes.first().map(|node| read(node, &mut notes)).unwrap_or_default();
    let told = notes.problems.iter().map(|problem| {
        assert_eq!(problem.file.as_deref(), Some("manifest.yml"));
        let (line, hint) = (problem.place.unwrap().line, problem.hint.as_deref().unwrap());
        format!("{line}: {}; {hint}", problem.message)
    });
    (application, told.collect())
}

/// The same of an application with these attributes.
fn with(attributes: &str) -> (Application, Vec<String>) {
    read_in(&format!("version: 1\napplications:\n- name: api\n  {}\n", attributes.replace('\n', "\n  ")))
}

fn texts(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn every_attribute_of_an_application_is_read() {
    let (api, problems) = read_in(FULL);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        (api.name.as_deref(), api.lifecycle, api.stack.as_deref()),
        (Some("api"), Some("buildpack"), Some("cflinuxfs4"))
    );
    assert_eq!(api.buildpacks, texts(&["go_buildpack", "https://***:***@example.com/own.git"]), "as the API shows it");
    let features: Vec<(&str, bool)> = api.features.iter().map(|(name, on)| (*name, *on)).collect();
    assert_eq!(
        features,
        [("file-based-vcap-services", false), ("revisions", true), ("service-binding-k8s", true), ("ssh", false)]
    );
    assert_eq!(api.labels.get("team"), Some(&Some("werkzeug".to_owned())));
    assert_eq!(api.labels.get("gone"), Some(&None));
    assert_eq!(api.annotations.len(), 1);
    let queue = Service { instance: "queue".to_owned(), binding_name: Some("jobs".to_owned()) };
    assert_eq!(api.services, [Service { instance: "db".to_owned(), binding_name: None }, queue]);
    assert_eq!((api.no_route, api.any_route, api.all_routes), (false, true, true));
    let sidecar = api.sidecars.get("proxy").unwrap();
    assert_eq!((sidecar.command.as_deref(), sidecar.memory), (Some("envoy"), Some(64)));
    assert_eq!(sidecar.process_types, texts(&["web", "worker"]));
}

#[test]
fn every_attribute_of_a_process_is_read_and_a_web_entry_wins_over_the_level_above() {
    let (api, _) = read_in(FULL);
    let web = api.processes.get(WEB).unwrap();
    assert_eq!((web.command.as_deref(), web.user.as_deref(), web.instances), (Some("serve"), Some("vcap"), Some(2)));
    assert_eq!((web.memory, web.disk, web.log_rate, web.timeout), (Some(1024), Some(512), Some(16_384), Some(180)));
    let check = |check: &Check| (check.kind, check.endpoint.clone(), check.invocation_timeout, check.interval);
    assert_eq!(check(&web.health), (Some("http"), Some("/health".to_owned()), Some(5), Some(30)));
    assert_eq!(check(&web.readiness), (Some("http"), Some("/ready".to_owned()), Some(2), Some(10)));
    let worker = api.processes.get("worker").unwrap();
    assert_eq!((worker.command.as_deref(), worker.memory, worker.log_rate), (None, None, Some(-1)));
    assert_eq!(worker.health.kind, Some("process"), "`none` is its old name");
}

#[test]
fn a_variable_is_the_text_that_cloud_foundry_makes_of_it() {
    let (api, _) = read_in(FULL);
    let value = |name: &str| api.env.get(name).unwrap().as_deref();
    assert_eq!((value("DEBUG"), value("LISTEN"), value("RATIO")), (Some("true"), Some("8080"), Some("1.1")));
    assert_eq!((value("EMPTY"), value("TEXT")), (Some(""), Some("yes")));
    for name in ["VERSION", "WORD", "DAY"] {
        assert_eq!(value(name), None, "{name}");
        assert!(api.not_compared.iter().any(|left| left.starts_with(&format!("env.{name} "))), "{name}");
    }
}

#[test]
fn a_route_is_spelled_as_the_api_spells_it() {
    let (api, _) = read_in(FULL);
    let [http, tcp] = api.routes.as_slice() else { unreachable!() };
    assert_eq!(
        (http.url.as_str(), http.protocol, http.loadbalancing),
        ("api.example.com/v1", Some("http2"), Some("hash"))
    );
    assert_eq!((http.hash_header.as_deref(), http.hash_balance.as_deref()), (Some("X-User"), Some("2.0")));
    assert_eq!((tcp.url.as_str(), tcp.protocol), ("tcp.example.com:1234", Some("tcp")));
}

#[test]
fn hyphen_and_underscore_are_the_same_and_what_stands_at_the_top_is_the_web_process() {
    let (api, problems) =
        with("disk-quota: 1G\nhealth_check_type: process\nno_route: true\nlog_rate_limit_per_second: 0");
    assert_eq!(problems, Vec::<String>::new());
    let web = api.processes.get(WEB).unwrap();
    assert_eq!((web.disk, web.health.kind, web.log_rate, api.no_route), (Some(1024), Some("process"), Some(0), true));
    let twice = with("disk-quota: 1G\ndisk_quota: 2G").1;
    assert_eq!(twice, ["5: `disk_quota` is written twice; `-` and `_` are the same in this name: keep one"]);
}

#[test]
fn an_unknown_attribute_is_refused_where_it_stands_and_a_misspelt_one_gets_a_suggestion() {
    assert_eq!(with("memmory: 1G").1, ["4: unknown attribute `memmory`; did you mean `memory`?"]);
    let processes = with("processes:\n- {type: web, instnaces: 2}").1;
    assert_eq!(processes, ["5: unknown attribute `instnaces`; did you mean `instances`?"]);
    let options = with("routes:\n- route: a.example.com\n  options: {loadbalancing: fastest}").1;
    let hint = "one of: round-robin, least-connection, hash";
    assert_eq!(options, [format!("6: `fastest` is no `routes.0.options.loadbalancing`; {hint}")]);
    let replicas = with("replicas: 2").1;
    assert!(replicas.first().unwrap().starts_with("4: unknown attribute `replicas`; known here are: name, "));
}

#[test]
fn wrong_values_are_all_told_at_once() {
    let problems = with("memory: 1GiB\ninstances: -1\nno-route: 'yes'\nhealth-check-type: htp\nservices: db\nroutes: [{route: localhost}]").1;
    let beginnings = [
        "8: `services` is text, not a list",
        "9: `localhost` is no route",
        "6: `no_route` is neither true nor false",
        "5: `-1` is no number for `instances`",
        "4: `memory`: `GiB` of `1GiB` is no unit that Cloud Foundry knows",
        "7: `htp` is no `health_check_type`; did you mean `http`?",
    ];
    assert_eq!(problems.len(), beginnings.len(), "{problems:?}");
    for (problem, beginning) in problems.iter().zip(beginnings) {
        assert!(problem.starts_with(beginning), "{problem}");
    }
}

#[test]
fn no_buildpack_in_particular_is_autodetection_and_two_spellings_are_refused() {
    for text in ["buildpacks: []", "buildpack: default", "buildpack: null", "buildpack:"] {
        assert_eq!(with(text).0.buildpacks, texts(&[]), "{text}");
    }
    assert_eq!(with("buildpack: go").0.buildpacks, texts(&["go"]));
    assert_eq!(with("stack: cflinuxfs4").0.buildpacks, None);
    assert_eq!(with("buildpack: go\nbuildpacks: [go]").1.len(), 1);
    let (docker, problems) = with("docker: {image: cloudfoundry/test, username: me}");
    assert_eq!(
        (docker.docker_image.as_deref(), docker.lifecycle, problems.len()),
        (Some("cloudfoundry/test"), Some("docker"), 0)
    );
}

#[test]
fn what_a_variable_leaves_open_is_not_compared_and_is_told() {
    let (api, problems) = with(
        "memory: ((size))\nenv: {A: x-((a)), B: b}\nbuildpacks: [go, ((pack))]\nservices: [db, ((queue))]\nroutes: [{route: ((host)).example.com}]",
    );
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!((api.processes.get(WEB).unwrap().memory, api.buildpacks.as_ref(), api.routes.len()), (None, None, 0));
    assert_eq!((api.all_services, api.all_routes, api.services.len()), (false, false, 1));
    assert_eq!(api.env.get("A"), Some(&None));
    let mut told = api.not_compared;
    told.sort();
    assert_eq!(
        told,
        [
            "buildpacks.1 (no vars file has ((pack)))",
            "env.A (no vars file has ((a)))",
            "memory (no vars file has ((size)))",
            "routes.0.route (no vars file has ((host)))",
            "services.1 (no vars file has ((queue)))",
        ]
    );
}

#[test]
fn maps_that_are_merged_by_their_anchors_become_attributes() {
    let text =
        "defaults: &defaults {memory: 1G, instances: 2}\napplications:\n- <<: *defaults\n  name: api\n  instances: 3\n";
    let (api, problems) = read_in(text);
    assert_eq!(problems, Vec::<String>::new());
    let web = api.processes.get(WEB).unwrap();
    assert_eq!((web.memory, web.instances), (Some(1024), Some(3)));
}

#[test]
fn what_cloud_foundry_refuses_together_is_refused_here() {
    let first = |attributes: &str| with(attributes).1.remove(0);
    assert!(first("env: {PORT: 8080}").starts_with("4: the variable `PORT` is set by the platform alone; "));
    assert!(first("env: {vcap_x: a}").starts_with("4: the variable `vcap_x` has a name that the platform keeps"));
    let checks = first("health-check-type: port\nhealth-check-http-endpoint: /health");
    assert!(
        checks.starts_with("5: a check of the type `port` asks for no path: `health_check_http_endpoint`; "),
        "{checks}"
    );
    let sidecar = with("sidecars: [{name: proxy}]").1;
    let told = ["4: `sidecars.0` has no `process_types`; add `process_types:`"];
    assert_eq!(sidecar, told);
    assert_eq!(with("sidecars: [{name: proxy, command: ((run)), process_types: [web]}]").1, Vec::<String>::new());
}

#[test]
fn routes_beside_no_route_are_told_and_not_compared() {
    let (api, problems) = with("no-route: true\nroutes: [{route: a.example.com}]");
    assert_eq!((problems.len(), api.no_route), (0, true));
    assert_eq!(api.not_compared, ["routes (`no-route: true` beside them wins: take one of the two out)"]);
}

#[test]
fn no_message_repeats_what_a_vars_file_gives() {
    let parsed = |text: &str| {
        let file = SourceFile { path: "manifest.yml".to_owned(), text: Arc::from(text) };
        parse_foreign(&file).unwrap().remove(0)
    };
    let vars = parsed("s: hunter2@secret\nm: {hunter2-key: 1}\n");
    for attributes in [
        "memory: ((s))",
        "memory: 1((s))",
        "instances: ((s))",
        "health-check-type: ((s))",
        "routes: [{route: ((s))}]",
        "routes: [{route: a.example.com, options: {loadbalancing: hash, hash_balance: ((s))}}]",
        "features: ((m))",
        "processes: [{type: ((s)), memory: 1}]",
        "processes: [((m))]",
        "host: ((s))",
        "domain: ((s))",
        "host: a\n  domain: ((s))",
    ] {
        let document = parsed(&format!("applications:\n- name: api\n  {attributes}\n"));
        let mut notes = Notes::of(Some("manifest.yml"));
        let nodes = legacy::applications(&vars::laid_out(&document, &[&vars], &mut notes), &mut notes);
        let application = nodes.first().map(|node| read(node, &mut notes)).unwrap_or_default();
        assert!(!notes.problems.is_empty(), "{attributes}: nothing is wrong with it");
        let told = format!("{:?} {:?}", notes.problems, application.not_compared);
        assert!(!told.contains("hunter2") && told.contains("(("), "{attributes}: {told}");
    }
}

#[test]
fn explain_lists_every_attribute() {
    let page = crate::manifest::schema::explain("App.application").unwrap();
    for name in attributes() {
        assert!(page.contains(&format!("\n  {name} ")), "{name}: {page}");
    }
    let memory = crate::manifest::schema::explain("App.application.memory").unwrap();
    assert!(memory.contains("With a unit, such as `512M`."), "{memory}");
}
