//! A small platform, in sync with its manifests, on a simulated cloud that this process serves.
//!
//! Two environments. In production a service `api` with a declared record, health check and load
//! balancer, and a service `worker` that a deployer made: only its item in the table `deployments`
//! names what stands in front of it. The zone lies in an account of its own, behind a role. In
//! staging there is `api` alone. Nothing is secret but the values in [`SECRETS`].

use std::fs;
use std::path::PathBuf;

use axum::extract::Request as HttpRequest;
use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn};
use jiff::{SignedDuration, Timestamp};
use moored::clock::Clock;
use moored::sim::wire::{Cloud, server};
use moored::sim::world::faults::{Effect, Match, Rule};
use moored::sim::world::route53::RecordSet;
use moored::sim::world::{self, Caller, Request, Service, World, dynamodb, ecs};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::{Outcome, Scratch, command, run, text};

/// Production's main account, where moored runs.
pub const MAIN: &str = "111122223333";
/// The account of the zone.
pub const DNS: &str = "444455556666";
/// Staging's account.
pub const STAGING: &str = "777788889999";
/// An account that no manifest declares.
pub const STRANGER: &str = "999900001111";
pub const REGION: &str = "eu-west-1";
pub const CLUSTER: &str = "harbor";
pub const DEPLOYMENTS: &str = "deployments";
pub const SETTINGS: &str = "settings";

/// Every scope that the manifests watch.
pub const SCOPES: [&str; 7] = [
    "ecs_cluster/111122223333/eu-west-1/harbor",
    "ecs_cluster/777788889999/eu-west-1/harbor",
    "health_checks/111122223333/global",
    "hosted_zone/444455556666/global/example.com",
    "load_balancers/111122223333/eu-west-1",
    "table/111122223333/eu-west-1/deployments",
    "table/111122223333/eu-west-1/settings",
];

/// Values that nobody may see: an environment variable that is declared and one that is not, an
/// attribute of an item that is declared and one that is not.
pub const SECRETS: [&str; 4] = [
    "canary-declared-variable-51c7",
    "canary-live-variable-8d02",
    "canary-declared-attribute-e6f4",
    "canary-live-attribute-1b9a",
];

const ZONE: &str = "Z0HARBOREXAMPLE";
const API_BALANCER: &str = "api-1420117001.eu-west-1.elb.amazonaws.com";
const WORKER_BALANCER: &str = "worker-1420117002.eu-west-1.elb.amazonaws.com";
const SEED: u64 = 7;

const ENVIRONMENTS: &str = r#"apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  aws:
    accounts:
      main:
        account: "111122223333"
        regions: [eu-west-1]
        budgets: {ecs: 500/s, dynamodb: 500/s, route53: 500/s, elasticloadbalancing: 500/s, sts: 500/s}
      dns:
        account: "444455556666"
        regions: [eu-west-1]
        observeRole: arn:aws:iam::444455556666:role/moored-observe
        budgets: {route53: 500/s, sts: 500/s}
  visible: [LOG_LEVEL, channel]
---
apiVersion: moored.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  class: staging
  aws:
    accounts:
      main:
        account: "777788889999"
        regions: [eu-west-1]
        budgets: {ecs: 500/s, sts: 500/s}
  visible: [LOG_LEVEL]
"#;

const APPS: &str = r#"apiVersion: moored.dev/v1
kind: EcsService
metadata:
  name: api
  environments: [production, staging]
  labels: {app: api, team: werkzeug}
policy: {vital: true, runbook: "https://wiki.example.com/runbooks/api"}
spec:
  cluster: harbor
  desiredCount: 2
  taskDefinition:
    family: api
    containers:
      api:
        image: {repository: example/api}
        environment: {LOG_LEVEL: info, API_TOKEN: @variable@}
overrides:
  staging: {desiredCount: 1}
---
apiVersion: moored.dev/v1
kind: EcsService
metadata:
  name: worker
  environments: [production]
  labels: {app: worker, team: werkzeug}
policy: {vital: true, redeploy: make deploy SERVICE=worker}
spec:
  cluster: harbor
  capacity: {min: 1, max: 4}
---
apiVersion: moored.dev/v1
kind: DnsRecord
metadata:
  name: api
  environments: [production]
  labels: {app: api, team: werkzeug}
spec:
  account: dns
  zone: example.com
  name: api.example.com
  type: CNAME
  ttl: 60
  value: api-1420117001.eu-west-1.elb.amazonaws.com
---
apiVersion: moored.dev/v1
kind: HealthCheck
metadata:
  name: api
  environments: [production]
  labels: {app: api, team: werkzeug}
spec: {type: HTTPS, fqdn: api.example.com, port: 443, resourcePath: /health}
---
apiVersion: moored.dev/v1
kind: LoadBalancer
metadata:
  name: api
  environments: [production]
  labels: {app: api, team: werkzeug}
spec:
  type: application
  scheme: internet-facing
  idleTimeout: 60
  listeners:
    "80": {protocol: HTTP, targetGroup: api}
"#;

const TABLES: &str = r#"apiVersion: moored.dev/v1
kind: StateTable
metadata: {name: deployments, environments: [production], labels: {app: deployments, team: werkzeug}}
spec:
  table: deployments
  key: {partition: service}
  parent: {kind: EcsService, cluster: harbor, name: "{service}"}
  writtenAt: "{updated_at}"
  whenParentGone: prune
  pieces:
    - {kind: LoadBalancer, arn: "{load_balancer_arn}", optional: true}
    - {kind: DnsRecord, account: dns, zone: example.com, name: "{hostname}", type: CNAME, optional: true}
    - {kind: HealthCheck, id: "{health_check_id}", optional: true}
---
apiVersion: moored.dev/v1
kind: TableItem
metadata: {name: release, environments: [production], labels: {app: deployments, team: werkzeug}}
spec:
  table: settings
  key: {setting: release}
  attributes: {channel: stable, signing_key: @attribute@}
"#;

/// The manifests by file.
pub fn manifests() -> [(&'static str, String); 3] {
    let filled = |text: &str| text.replace("@variable@", SECRETS[0]).replace("@attribute@", SECRETS[2]);
    [("apps.yaml", filled(APPS)), ("environments.yaml", filled(ENVIRONMENTS)), ("tables.yaml", filled(TABLES))]
}

/// The platform, its manifests and the cloud that serves it.
pub struct Platform {
    pub cloud: Cloud,
    /// For `--cloud`.
    pub url: String,
    pub scratch: Scratch,
    made: Timestamp,
    // Before the runtime, so that it is dropped first.
    _served: server::Running,
    runtime: Runtime,
}

impl Platform {
    pub fn new(name: &str) -> Self {
        let clock = Clock::wall();
        // So long ago that nothing is on its way any more.
        let made = clock.now().checked_sub(SignedDuration::from_hours(40 * 24)).unwrap();
        let cloud = Cloud::new(world(made), move || clock.now(), SEED);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let served = runtime.block_on(server::spawn(cloud.clone())).unwrap();
        let scratch = Scratch::new(name);
        for (file, content) in manifests() {
            scratch.write(&format!("desired-state/{file}"), content);
        }
        Self { url: served.url.clone(), cloud, scratch, made, _served: served, runtime }
    }

    /// The root of its manifests.
    pub fn desired_state(&self) -> PathBuf {
        self.scratch.file("desired-state")
    }

    /// Runs a subcommand that reads the cloud.
    pub fn moored(&self, subcommand: &str, more: &[&str]) -> Outcome {
        self.moored_at(&self.url, subcommand, more)
    }

    /// The same against another address.
    pub fn moored_at(&self, url: &str, subcommand: &str, more: &[&str]) -> Outcome {
        let mut command = command();
        command.args([subcommand, "--desired-state", text(&self.desired_state()), "--cloud", url]).args(more);
        run(command)
    }

    /// Runs a subcommand that reads the manifests alone.
    pub fn manifests_only(&self, subcommand: &[&str], more: &[&str]) -> Outcome {
        let mut command = command();
        command.args(subcommand).args(["--desired-state", text(&self.desired_state())]).args(more);
        run(command)
    }

    /// `moored check`.
    pub fn check(&self, more: &[&str]) -> Outcome {
        self.moored("check", more)
    }

    /// The report of `moored check --format json`, and its exit code.
    pub fn report(&self, more: &[&str]) -> (i32, Value) {
        let outcome = self.check(&[&["--format", "json"][..], more].concat());
        (outcome.code, outcome.json())
    }

    /// A simulated person's call.
    pub fn act(&self, account: &str, service: Service, operation: &str, input: Value) -> Value {
        let caller = Caller::root(account, REGION);
        self.cloud
            .call(&caller, &Request::new(service, operation, input))
            .unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// Lets so many tasks of a service run and be desired, with nothing on its way.
    pub fn run_tasks(&self, account: &str, name: &str, count: u64) {
        let caller = Caller::root(account, REGION);
        let made = self.made;
        self.cloud.with_world(|world| {
            ecs::of(world, &caller).put_running_service(&caller, CLUSTER, name, count, name, made);
        });
    }

    /// Deletes the service `worker`, and nothing else of it; ECS says at once that it is INACTIVE.
    pub fn delete_worker(&self) {
        let caller = Caller::root(MAIN, REGION);
        self.cloud.with_world(|world| {
            let service = ecs::of(world, &caller).service_mut(CLUSTER, "worker").expect("the worker runs");
            service.drains_for = SignedDuration::ZERO;
        });
        let input = json!({ "cluster": CLUSTER, "service": "worker", "force": true });
        self.act(MAIN, Service::Ecs, "DeleteService", input);
    }

    /// Gives the record of `api` another TTL.
    pub fn set_ttl(&self, seconds: i64) {
        self.cloud.with_world(|world| put_record(world, "api.example.com", seconds, API_BALANCER));
    }

    /// Puts an item into a table of production.
    pub fn put_item(&self, table: &str, item: Value) {
        let caller = Caller::root(MAIN, REGION);
        self.cloud.with_world(|world| dynamodb::of(world, &caller).put_item(table, item).unwrap());
    }

    /// From now on, requests to this service (and operation) fail like this.
    pub fn fault(&self, service: Service, operation: Option<&str>, effect: Effect) {
        let matches = Match { account: None, service: Some(service), operation: operation.map(str::to_owned) };
        self.cloud.with_world(|world| world.faults.add(Rule::always(matches, effect)));
    }

    /// The cloud behaves again.
    pub fn heal(&self) {
        self.cloud.with_world(|world| world.faults.clear());
    }

    /// Replaces a part of a manifest file.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.desired_state().join(file);
        let content = fs::read_to_string(&path).unwrap();
        assert!(content.contains(from), "{file} lacks `{from}`");
        fs::write(&path, content.replacen(from, to, 1)).unwrap();
    }

    /// Takes the tables out of the manifests. Without a parent that anything could be left over
    /// from, a check of one environment reads nothing of the other.
    pub fn forget_tables(&self) {
        fs::remove_file(self.desired_state().join("tables.yaml")).unwrap();
    }

    /// Adds a document to a manifest file.
    pub fn append(&self, file: &str, document: &str) {
        let path = self.desired_state().join(file);
        let content = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{content}---\n{document}")).unwrap();
    }

    /// Serves the same cloud at an address where whoever signs with production's key is taken for
    /// a stranger, as with a wrong profile.
    pub fn served_to_a_stranger(&self) -> String {
        let listener = self.runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = server::router(self.cloud.clone()).layer(from_fn(mistake));
        self.runtime.spawn(async move { axum::serve(listener, routes).await });
        url
    }
}

async fn mistake(mut request: HttpRequest, next: Next) -> axum::response::Response {
    let signed = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let forged = signed.map(|text| text.replace(&format!("Credential={MAIN}/"), &format!("Credential={STRANGER}/")));
    if let Some(header) = forged.and_then(|text| HeaderValue::from_str(&text).ok()) {
        request.headers_mut().insert("authorization", header);
    }
    next.run(request).await
}

/// What the manifests declare, as it has been for long.
pub fn world(made: Timestamp) -> World {
    let mut world = World::with_accounts([MAIN, DNS, STAGING, STRANGER]);
    world.sts.add_role(DNS, "moored-observe", &[MAIN]);
    world.route53.entry(DNS.to_owned()).or_default().put_zone(ZONE, "example.com").unwrap();
    let production = Caller::root(MAIN, REGION);
    let tables = dynamodb::of(&mut world, &production);
    tables.put_table(&production, DEPLOYMENTS, "service", None, made);
    tables.put_table(&production, SETTINGS, "setting", None, made);
    let release = json!({
        "setting": { "S": "release" }, "channel": { "S": "stable" },
        "signing_key": { "S": SECRETS[2] }, "password": { "S": SECRETS[3] },
    });
    tables.put_item(SETTINGS, release).unwrap();
    for (account, count) in [(MAIN, 2), (STAGING, 1)] {
        let owner = Caller::root(account, REGION);
        ask(&mut world, &owner, Service::Ecs, "RegisterTaskDefinition", task_definition(), made);
        ecs::of(&mut world, &owner).put_running_service(&owner, CLUSTER, "api", count, "api", made);
    }
    ecs::of(&mut world, &production).put_running_service(&production, CLUSTER, "worker", 2, "worker", made);
    for (service, balancer) in [("api", API_BALANCER), ("worker", WORKER_BALANCER)] {
        put_front(&mut world, service, balancer, made);
    }
    world
}

fn task_definition() -> Value {
    json!({
        "family": "api",
        "containerDefinitions": [{
            "name": "api",
            "image": "example/api:2026.10",
            "memory": 128,
            "environment": [
                { "name": "LOG_LEVEL", "value": "info" },
                { "name": "API_TOKEN", "value": SECRETS[0] },
                { "name": "SESSION_KEY", "value": SECRETS[1] },
            ],
        }],
    })
}

/// A load balancer, a health check, a record, and the deployer's item that names all three.
fn put_front(world: &mut World, service: &str, balancer: &str, made: Timestamp) {
    let owner = Caller::root(MAIN, REGION);
    let group = json!({ "Name": service, "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-0a1b2c3d4e5f60718", "TargetType": "ip" });
    let group =
        said(&ask(world, &owner, Service::Elbv2, "CreateTargetGroup", group, made), "/TargetGroups/0/TargetGroupArn");
    let subnets = json!({ "Name": service, "Subnets": ["subnet-0aaa1111", "subnet-0bbb2222"] });
    let arn = said(
        &ask(world, &owner, Service::Elbv2, "CreateLoadBalancer", subnets, made),
        "/LoadBalancers/0/LoadBalancerArn",
    );
    let actions = json!([{ "Type": "forward", "TargetGroupArn": group }]);
    let listener = json!({ "LoadBalancerArn": arn, "Protocol": "HTTP", "Port": 80, "DefaultActions": actions });
    ask(world, &owner, Service::Elbv2, "CreateListener", listener, made);
    let place = (MAIN.to_owned(), REGION.to_owned());
    assert!(world.elbv2.entry(place).or_default().set_dns_name(&arn, balancer));

    let host = format!("{service}.example.com");
    put_record(world, &host, 60, balancer);
    let config = json!({ "Type": "HTTPS", "FullyQualifiedDomainName": host, "Port": 443, "ResourcePath": "/health" });
    let check = json!({ "CallerReference": format!("{service}-1"), "HealthCheckConfig": config });
    let check = said(&ask(world, &owner, Service::Route53, "CreateHealthCheck", check, made), "/HealthCheck/Id");
    let name = json!([{ "Key": "Name", "Value": service }]);
    let tags = json!({ "ResourceType": "healthcheck", "ResourceId": check, "AddTags": name });
    ask(world, &owner, Service::Route53, "ChangeTagsForResource", tags, made);

    let item = json!({
        "service": { "S": service }, "updated_at": { "S": made.to_string() }, "load_balancer_arn": { "S": arn },
        "hostname": { "S": host }, "health_check_id": { "S": check }, "deploy_key": { "S": SECRETS[3] },
    });
    dynamodb::of(world, &owner).put_item(DEPLOYMENTS, item).unwrap();
}

fn put_record(world: &mut World, name: &str, ttl: i64, target: &str) {
    let zones = world.route53.entry(DNS.to_owned()).or_default();
    zones.put_record(ZONE, RecordSet::simple(name, "CNAME", ttl, &[target])).unwrap();
}

fn ask(world: &mut World, caller: &Caller, service: Service, operation: &str, input: Value, at: Timestamp) -> Value {
    let request = Request::new(service, operation, input);
    world::apply(world, caller, &request, at, SEED).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
}

/// The text at a place of an answer.
fn said(answer: &Value, pointer: &str) -> String {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}: {answer}")).to_owned()
}
