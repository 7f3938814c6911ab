//! A small foundation, in sync with its manifests.
//!
//! Organisation `gds`, of which the space `prod` is in use. `api` (web and worker) is bound to `db`
//! and `queue` and has its buildpack detected; `site` names its buildpack; `mailer` is a worker
//! without a route; `legacy` is declared nowhere and only watched. Every secret is `simulated`, as
//! moored takes it where there is no file.

use jiff::{SignedDuration, Timestamp};
use moored::sim::cloudfoundry::{AppPlan, Foundation, ProcessPlan};

pub const HOST: &str = "api.example.com";
pub const ORGANIZATION: &str = "gds";
pub const SPACE: &str = "prod";
pub const SECRET: &str = "simulated";

/// Every list that a reading takes.
pub const LISTS: [&str; 11] = [
    "/v3/organizations",
    "/v3/spaces",
    "/v3/apps",
    "/v3/deployments",
    "/v3/processes",
    "/v3/service_instances",
    "/v3/service_credential_bindings",
    "/v3/routes",
    "/v3/buildpacks",
    "/v3/stacks",
    "/v3/audit_events",
];

/// Signs in with a role that reads everything.
pub const ENVIRONMENT: &str = "apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  cloudFoundry:
    api: https://api.example.com
    organizations: {gds: {}}
    auth: {clientId: moored, clientSecretFile: /nowhere/secret}
";

/// Signs in with a role that reads no secrets.
pub const AUDITED: &str = "apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  cloudFoundry:
    api: https://api.example.com
    organizations: {gds: {}}
    auth: {clientId: auditor, clientSecretFile: /nowhere/secret}
";

pub const APPS: &str = "apiVersion: moored.dev/v1
kind: App
metadata: {name: api, environments: [production]}
spec:
  space: prod
  application:
    env: {LOG_LEVEL: info}
    services: [db, queue]
    routes: [{route: api.example.com}]
    processes:
      - {type: web, instances: 2, memory: 512M}
      - {type: worker, instances: 1, command: bin/work}
---
apiVersion: moored.dev/v1
kind: App
metadata: {name: site, environments: [production]}
spec:
  space: prod
  application:
    buildpacks: [staticfile_buildpack]
    stack: cflinuxfs4
    instances: 1
    services: [logs]
    routes: [{route: www.example.com}, {route: help.example.com}]
---
apiVersion: moored.dev/v1
kind: App
metadata: {name: mailer, environments: [production]}
spec:
  space: prod
  application:
    no-route: true
    services: [queue]
    processes: [{type: worker, instances: 1}]
";

pub const SERVICES: &str = "apiVersion: moored.dev/v1
kind: ServiceInstance
metadata: {name: db, environments: [production]}
spec: {space: prod, offering: postgres, plan: medium}
---
apiVersion: moored.dev/v1
kind: ServiceInstance
metadata: {name: queue, environments: [production]}
spec: {space: prod, offering: rabbitmq, plan: shared}
---
apiVersion: moored.dev/v1
kind: ServiceInstance
metadata: {name: logs, environments: [production]}
spec: {space: prod, type: user-provided}
";

pub const BUILDPACKS: &str = "apiVersion: moored.dev/v1
kind: Buildpacks
metadata: {name: buildpacks, environments: [production]}
spec:
  buildpacks:
    - {name: staticfile_buildpack, stack: cflinuxfs4}
    - {name: ruby_buildpack, stack: cflinuxfs4}
    - {name: nodejs_buildpack, stack: cflinuxfs4}
  except: [{name: 'CATS-*', atMost: 45m}]
";

pub const WATCHED: &str = "apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: prod, environments: [production]}
spec: {scope: {cfSpace: prod}, watch: {vanished: true}}
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: everywhere, environments: [production]}
spec: {scope: {cfFoundation: true}, watch: {vanished: true}}
";

/// What is declared.
pub fn manifests() -> [(&'static str, &'static str); 5] {
    with(ENVIRONMENT)
}

/// The same, read with another role.
pub fn with(environment: &'static str) -> [(&'static str, &'static str); 5] {
    [
        ("environment.yaml", environment),
        ("apps.yaml", APPS),
        ("services.yaml", SERVICES),
        ("buildpacks.yaml", BUILDPACKS),
        ("watched.yaml", WATCHED),
    ]
}

/// A foundation with nothing on it but stacks, buildpacks and who may read it. It is a day old when
/// the stage begins.
pub fn bare(start: Timestamp) -> (Foundation, Timestamp) {
    let made = start.checked_sub(SignedDuration::from_hours(24)).unwrap();
    let mut foundation = Foundation::new(HOST, made);
    foundation.add_client("moored", SECRET, &["cloud_controller.admin_read_only"]);
    foundation.add_client("auditor", SECRET, &["cloud_controller.global_auditor"]);
    for stack in ["cflinuxfs3", "cflinuxfs4", "windows"] {
        foundation.add_stack(stack);
    }
    for (name, version) in
        [("staticfile_buildpack", "1.6.20"), ("ruby_buildpack", "1.10.7"), ("nodejs_buildpack", "1.8.30")]
    {
        let file = format!("{name}-cached-cflinuxfs4-v{version}.zip");
        foundation.add_buildpack(name, Some("cflinuxfs4"), &file);
    }
    foundation.add_domain("example.com");
    for space in [SPACE, "staging", "tools"] {
        foundation.add_space(ORGANIZATION, space);
    }
    (foundation, made)
}

/// Pushes an app and, a minute later, restarts it: what it is bound to, it runs with.
pub fn run(foundation: &mut Foundation, space: &str, plan: &AppPlan, at: Timestamp) -> String {
    let app = foundation.push(ORGANIZATION, space, plan, at);
    foundation.restart(&app, at.checked_add(SignedDuration::from_mins(1)).unwrap());
    app
}

/// The place.
pub fn foundation(start: Timestamp) -> Foundation {
    let (mut foundation, made) = bare(start);
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    for (name, plan) in [("db", Some(("postgres", "medium"))), ("queue", Some(("rabbitmq", "shared"))), ("logs", None)]
    {
        foundation.create_service_instance(ORGANIZATION, SPACE, name, plan, made);
    }
    let mut api = AppPlan::new("api");
    (api.instances, api.memory) = (2, 512);
    api.env.insert("LOG_LEVEL".to_owned(), "info".to_owned());
    api.services = texts(&["db", "queue"]);
    api.routes = texts(&["api.example.com"]);
    api.detects = Some("ruby_buildpack".to_owned());
    api.processes = vec![ProcessPlan { command: Some("bin/work".to_owned()), ..ProcessPlan::new("worker") }];
    let mut site = AppPlan::new("site");
    site.buildpacks = texts(&["staticfile_buildpack"]);
    site.services = texts(&["logs"]);
    site.routes = texts(&["www.example.com", "help.example.com"]);
    let mut mailer = AppPlan::new("mailer");
    mailer.instances = 0;
    mailer.services = texts(&["queue"]);
    mailer.detects = Some("nodejs_buildpack".to_owned());
    mailer.processes = vec![ProcessPlan::new("worker")];
    let mut legacy = AppPlan::new("legacy");
    legacy.services = texts(&["logs"]);
    legacy.detects = Some("ruby_buildpack".to_owned());
    for plan in [&api, &site, &mailer, &legacy] {
        run(&mut foundation, SPACE, plan, made);
    }
    foundation
}
