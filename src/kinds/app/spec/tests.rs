//! Whole specs: which resources a document declares, from its own words or from a manifest.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::*;
use crate::core::desired::{Auth, Class, Environment, Foundation};
use crate::core::redact::Redactor;
use crate::core::value::Source;
use crate::kinds::setting::Files;
use crate::manifest::parse::parse_foreign;
use crate::manifest::source::SourceFile;

/// Production in Cloud Foundry, with files beside its manifests.
pub(crate) struct Stage {
    environment: Environment,
    redactor: Redactor,
    files: BTreeMap<Arc<str>, Node>,
}

impl Stage {
    /// Without files.
    pub(crate) fn new() -> Self {
        let foundation = Foundation {
            api: "https://api.example.com".into(),
            host: "api.example.com".into(),
            organizations: BTreeMap::from([("gds".into(), None)]),
            every: false,
            auth: Auth::Client { id: "moored".into(), secret_file: "/run/secrets/cf".into() },
        };
        let environment = Environment {
            name: "production".into(),
            class: Class::Production,
            accounts: BTreeMap::new(),
            foundation: Some(foundation),
            visible: BTreeSet::from(["LOG_LEVEL".into()]),
            source: Source { file: "environment.yaml".into(), line: 1 },
        };
        Self { environment, redactor: Redactor::new(&[7; 32]), files: BTreeMap::new() }
    }

    /// The same with a file below the root.
    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), parsed(path, text));
        self
    }

    /// The setting of a manifest in the folder `apps`.
    pub(crate) fn setting<'a>(&'a self, name: &'a str) -> Setting<'a> {
        let files = Files { file: "apps/app.yaml", named: Some(&self.files) };
        Setting { files, ..Setting::new(&self.environment, name, &self.redactor) }
    }

    fn declare(&self, spec: &str) -> Result<Declaration, Vec<SpecProblem>> {
        let checker = Checker::new(schemars::schema_for!(AppSpec).as_value());
        declare(&parsed("apps/app.yaml", spec), &checker, &self.setting("c2"))
    }
}

fn parsed(path: &str, text: &str) -> Node {
    let file = SourceFile { path: path.to_owned(), text: Arc::from(text) };
    parse_foreign(&file).unwrap().remove(0)
}

/// Kind, name and key of every resource, and the application that it is part of.
fn parts(declaration: &Declaration) -> Vec<String> {
    let Some(Rules::Parts(parts)) = &declaration.rules else { return Vec::new() };
    let told = parts.parts.iter().map(|part| {
        let of = part.application.as_deref().unwrap_or("itself");
        format!("{} {} ({}) of {of}", part.kind.name(), part.name, part.declaration.id)
    });
    told.collect()
}

fn expected(declaration: &Declaration, path: &str) -> Option<Json> {
    declaration.expects.iter().find(|(known, _)| known == path).map(|(_, expect)| expect.to_json())
}

fn only(problems: Vec<SpecProblem>) -> SpecProblem {
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

const MANIFEST: &str = "\
applications:
- name: Web
  memory: ((memory))
  services: [db, queue]
- name: worker
  memory: 256M
  no-route: true
  services: [queue]
";

#[test]
fn a_manifest_declares_each_of_its_applications_and_each_of_their_bindings() {
    let stage = Stage::new().file("cf/manifest.yml", MANIFEST).file("cf/vars.yml", "memory: 1G\n");
    let declaration = stage.declare("{space: Prod, manifest: ../cf/manifest.yml, vars: [../cf/vars.yml]}").unwrap();
    assert_eq!(
        parts(&declaration),
        [
            "App Web (prod/web) of itself",
            "ServiceBinding Web/db (prod/web/db) of Web",
            "ServiceBinding Web/queue (prod/web/queue) of Web",
            "App worker (prod/worker) of itself",
            "ServiceBinding worker/queue (prod/worker/queue) of worker",
        ]
    );
    let Some(Rules::Parts(Parts { parts, alone: true })) = declaration.rules else { unreachable!() };
    let web = &parts.first().unwrap().declaration;
    assert_eq!(web.scope.to_string(), "cf_organization/api.example.com/cf/gds");
    assert_eq!(expected(web, "processes.web.memory"), Some(1024.into()));
    assert_eq!((web.facets.contains(&Facet::AppManifest), web.not_compared.len()), (true, 0));
}

#[test]
fn only_the_selected_applications_are_declared_and_an_unknown_one_is_refused() {
    let stage = Stage::new().file("apps/manifest.yml", MANIFEST);
    let declaration = stage.declare("{space: prod, manifest: manifest.yml, select: [worker]}").unwrap();
    assert_eq!(
        parts(&declaration),
        ["App worker (prod/worker) of itself", "ServiceBinding worker/queue (prod/worker/queue) of worker"]
    );
    let problem = only(stage.declare("space: prod\nmanifest: manifest.yml\nselect: [wroker]\n").unwrap_err());
    assert_eq!(problem.message, "the manifest has no application `wroker`");
    assert_eq!((problem.hint.as_deref(), problem.place.unwrap().line), (Some("did you mean `worker`?"), 3));
}

#[test]
fn what_no_vars_file_gives_is_told_of_its_application_alone() {
    let stage = Stage::new().file("apps/manifest.yml", MANIFEST);
    let declaration = stage.declare("{space: prod, manifest: manifest.yml}").unwrap();
    let Some(Rules::Parts(Parts { parts, .. })) = declaration.rules else { unreachable!() };
    let left_out = |name: &str| parts.iter().find(|part| &*part.name == name).unwrap().declaration.not_compared.clone();
    assert_eq!(left_out("Web"), ["memory (no vars file has ((memory)))"]);
    assert_eq!(left_out("worker"), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_a_manifest_stands_in_that_file() {
    let stage = Stage::new().file("apps/manifest.yml", "applications:\n- name: web\n  memory: 1X\n");
    let problem = only(stage.declare("{space: prod, manifest: manifest.yml}").unwrap_err());
    assert_eq!((problem.file.as_deref(), problem.place.unwrap().line), (Some("apps/manifest.yml"), 3));
    let twice = stage.file("apps/manifest.yml", "applications: [{name: web}, {name: WEB}]\n");
    assert!(only(twice.declare("{space: prod, manifest: manifest.yml}").unwrap_err()).message.contains("twice"));
}

#[test]
fn a_file_that_is_not_there_or_outside_of_the_root_is_refused() {
    let refused = |spec: &str| only(Stage::new().declare(spec).unwrap_err()).message;
    assert_eq!(refused("{space: prod, manifest: none.yml}"), "there is no file `apps/none.yml` below the root");
    assert_eq!(refused("{space: prod, manifest: ../../x.yml}"), "`../../x.yml` leads out of the root");
    assert_eq!(refused("{space: prod, vars: [none.yml]}"), "there is no file `apps/none.yml` below the root");
    let list = Stage::new().file("apps/vars.yml", "- a\n");
    let problem = only(list.declare("{space: prod, vars: [vars.yml]}").unwrap_err());
    assert_eq!((problem.file.as_deref(), problem.hint.is_some()), (Some("apps/vars.yml"), true));
}

#[test]
fn an_application_that_is_described_here_is_itself_and_its_bindings_are_parts_of_it() {
    let spec = "
space: prod
exhaustive: true
desiredState: stopped
application:
  env: {LOG_LEVEL: info, TOKEN: hunter2}
  services: [db]
";
    let declaration = Stage::new().declare(spec).unwrap();
    assert_eq!(&*declaration.id, "prod/c2");
    assert_eq!(parts(&declaration), ["ServiceBinding c2/db (prod/c2/db) of c2"]);
    assert!(matches!(&declaration.rules, Some(Rules::Parts(Parts { alone: false, .. }))));
    assert_eq!(expected(&declaration, "state"), Some("STOPPED".into()));
    assert_eq!(expected(&declaration, "env.LOG_LEVEL"), Some("info".into()));
    assert_eq!(expected(&declaration, "services"), Some(serde_json::json!(["db"])));
    assert!(!format!("{declaration:?}").contains("hunter2"));
}

#[test]
fn its_name_in_cloud_foundry_may_be_another() {
    let declaration = Stage::new().declare("{space: prod, application: {name: C2-prod, services: [db]}}").unwrap();
    assert_eq!(&*declaration.id, "prod/c2-prod");
    assert_eq!(parts(&declaration), ["ServiceBinding c2/db (prod/c2-prod/db) of c2"], "one verdict for both");
    let bare = Stage::new().declare("{space: prod}").unwrap();
    assert_eq!((&*bare.id, bare.rules.is_none(), bare.expects.len()), ("prod/c2", true, 1));
    let open = only(Stage::new().declare("{space: prod, application: {name: ((name))}}").unwrap_err());
    assert!(open.message.contains("((name))"), "{}", open.message);
}

#[test]
fn the_two_ways_to_describe_an_application_exclude_each_other() {
    let stage = Stage::new().file("apps/manifest.yml", MANIFEST);
    let refused = |spec: &str| only(stage.declare(spec).unwrap_err()).path;
    assert_eq!(refused("{space: prod, manifest: manifest.yml, application: {memory: 1G}}"), ["application"]);
    assert_eq!(refused("{space: prod, select: [web]}"), ["select"]);
    assert_eq!(refused("{space: prod, prefixed: true}"), ["prefixed"]);
    assert_eq!(refused("{space: ' '}"), ["space"]);
    assert_eq!(refused("{space: prod, organization: other}"), ["organization"]);
}

#[test]
fn two_spaces_may_have_applications_of_one_name_where_the_document_prefixes_its_own() {
    let stage = Stage::new().file("apps/manifest.yml", MANIFEST);
    let declaration = stage.declare("{space: blue, manifest: manifest.yml, select: [worker], prefixed: true}").unwrap();
    assert_eq!(
        parts(&declaration),
        ["App c2/worker (blue/worker) of itself", "ServiceBinding c2/worker/queue (blue/worker/queue) of c2/worker"]
    );
}

#[test]
fn an_application_that_is_described_here_may_have_the_attributes_of_old_too() {
    let declaration = Stage::new().declare("{space: prod, application: {domain: example.com, memory: 1G}}").unwrap();
    assert_eq!((&*declaration.id, expected(&declaration, "routes.c2.example.com")), ("prod/c2", Some(true.into())));
    let refused = only(Stage::new().declare("{space: prod, application: {host: c2}}").unwrap_err());
    assert_eq!(refused.message, "which domain is the host `c2` in?");
}

#[test]
fn a_manifest_and_a_vars_file_that_are_not_there_are_told_at_once() {
    let problems = Stage::new().declare("{space: prod, manifest: none.yml, vars: [nor.yml]}").unwrap_err();
    let told: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        told,
        ["there is no file `apps/nor.yml` below the root", "there is no file `apps/none.yml` below the root"]
    );
}

#[test]
fn a_name_that_a_vars_file_gives_is_told_as_it_is_written() {
    let text = "applications: [{name: ((a))}, {name: ((a))}, {name: b}]\n";
    let stage = Stage::new().file("apps/manifest.yml", text).file("apps/vars.yml", "a: hunter2\n");
    let twice = only(stage.declare("{space: prod, manifest: manifest.yml, vars: [vars.yml]}").unwrap_err());
    assert_eq!(twice.message, "the application `((a))` is described twice");
    let stage = stage.file("apps/manifest.yml", "applications: [{name: ((a))}]\n");
    let unknown = stage.declare("{space: prod, manifest: manifest.yml, vars: [vars.yml], select: [x]}").unwrap_err();
    assert_eq!(only(unknown).hint.as_deref(), Some("its applications are: ((a))"));
}
