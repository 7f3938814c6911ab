//! Cloud Foundry's own manifests, used unchanged for two environments.

use std::collections::BTreeSet;

use moored::core::drift::Drift;
use moored::sim::cloudfoundry::{AppPlan, Foundation};

use super::place;
use super::stage::{Stage, start};

const ENVIRONMENTS: &str = "apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  cloudFoundry:
    api: https://api.example.com
    organizations: {gds: {}}
    auth: {clientId: moored, clientSecretFile: /nowhere/secret}
---
apiVersion: moored.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  class: staging
  cloudFoundry:
    api: https://api.example.com
    organizations: {gds: {}}
    auth: {clientId: moored, clientSecretFile: /nowhere/secret}
";

const APP: &str = "apiVersion: moored.dev/v1
kind: App
metadata: {name: front, environments: [production, staging]}
spec:
  space: prod
  manifest: cf/manifest.yml
  select: [front]
  vars: [cf/vars.yml]
overrides:
  staging: {space: staging, select: [front-staging]}
";

const MANIFEST: &str = "---
applications:
- &front
  name: front
  memory: 256M
  instances: 2
  env: {LOG_LEVEL: ((level)), RELEASE: ((release))}
  routes: [{route: front.example.com}]
  services: [store]
- <<: *front
  name: front-staging
  instances: 1
  routes: [{route: front-staging.example.com}]
- name: another
";

fn foundation() -> Foundation {
    let (mut foundation, made) = place::bare(start());
    for (space, name, instances) in [("prod", "front", 2), ("staging", "front-staging", 1)] {
        foundation.create_service_instance(place::ORGANIZATION, space, "store", None, made);
        let mut plan = AppPlan::new(name);
        (plan.instances, plan.memory) = (instances, 256);
        plan.env.insert("LOG_LEVEL".to_owned(), "info".to_owned());
        plan.env.insert("RELEASE".to_owned(), "2026-11-18".to_owned());
        plan.routes = vec![format!("{name}.example.com")];
        plan.services = vec!["store".to_owned()];
        plan.detects = Some("ruby_buildpack".to_owned());
        place::run(&mut foundation, space, &plan, made);
    }
    foundation
}

fn files() -> [(&'static str, &'static str); 4] {
    [
        ("environments.yaml", ENVIRONMENTS),
        ("front.yaml", APP),
        ("cf/manifest.yml", MANIFEST),
        ("cf/vars.yml", "level: info\n"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn one_manifest_serves_two_environments_with_other_selections_and_spaces() {
    let mut stage = Stage::in_sync("manifest", foundation(), &files()).await;
    let counted: BTreeSet<String> = stage
        .watch
        .desired
        .resources
        .iter()
        .map(|declared| format!("{} {}/{}", declared.environment, declared.kind.name(), declared.name))
        .collect();
    let expected = [
        "production App/front",
        "production ServiceBinding/front/store",
        "staging App/front-staging",
        "staging ServiceBinding/front-staging/store",
    ];
    assert_eq!(counted, BTreeSet::from(expected.map(str::to_owned)));

    let app = stage.app("front");
    stage.cf(|cf, now| cf.scale(&app, "web", 1, now));
    stage.pass().await;
    assert_eq!(stage.open(), BTreeSet::from(["production App/front changed".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_no_file_gives_is_not_compared_and_counted() {
    let mut stage = Stage::in_sync("unresolved", foundation(), &files()).await;
    let unchecked: u32 = stage.snapshot().unchecked.values().sum();
    assert_eq!(unchecked, 2, "RELEASE of each app: {:?}", stage.snapshot().unchecked);
    let app = stage.app("front");
    stage.cf(|cf, now| {
        cf.set_env(&app, "RELEASE", "2026-11-19", now);
        cf.set_env(&app, "LOG_LEVEL", "debug", now);
    });
    stage.pass().await;
    let changed = stage.finding("App", "front", Drift::Changed);
    let fields: Vec<&str> = changed.fields.iter().map(|field| &*field.path).collect();
    assert_eq!(fields, ["env.LOG_LEVEL"]);
}
