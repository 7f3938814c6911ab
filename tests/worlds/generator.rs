//! A platform of every kind, its manifests as text, and what was broken in it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use jiff::Timestamp;
use moored::sim::world::elbv2::TargetHealth;
use moored::sim::world::route53::RecordSet;
use moored::sim::world::{self, Caller, Request, Service, World, dynamodb, ecs};
use serde_json::{Value, json};

use super::draw::Draw;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

/// Everything that can be wrong, as the generator knows it.
pub const WAYS: &[&str] = &[
    "DnsRecord changed",
    "DnsRecord degraded",
    "DnsRecord missing",
    "DnsRecord orphaned",
    "DnsRecord unexpected",
    "EcsService changed",
    "EcsService degraded",
    "EcsService latent",
    "EcsService missing",
    "EcsService vanished",
    "HealthCheck changed",
    "HealthCheck degraded",
    "HealthCheck missing",
    "LoadBalancer changed",
    "LoadBalancer missing",
    "LoadBalancer orphaned",
    "TableItem changed",
    "TableItem missing",
    "TableItem orphaned",
    "TableItem unexpected",
    "TargetGroup changed",
    "TargetGroup degraded",
    "TargetGroup missing",
];

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Truth {
    pub kind: String,
    pub name: String,
    pub drift: String,
}

impl Truth {
    pub fn new(kind: &str, name: &str, drift: &str) -> Self {
        Self { kind: kind.to_owned(), name: name.to_owned(), drift: drift.to_owned() }
    }
}

/// One thing of the platform, with what is needed to break it.
#[derive(Debug, Clone)]
enum Thing {
    Service {
        name: String,
        cluster: String,
    },
    /// Undeclared, in the cluster that an inventory watches.
    Stray {
        name: String,
    },
    Record {
        name: String,
        zone: String,
    },
    Check {
        name: String,
        id: String,
    },
    /// A balancer and the record that points at it.
    Balancer {
        name: String,
        arn: String,
        host: String,
    },
    Group {
        name: String,
        arn: String,
        /// The balancer and port at which it is listened for: without that its targets are unused.
        front: (String, u16),
        listener: String,
    },
    Item {
        name: String,
    },
    /// What a deployer made: a service, and its item, balancer and record.
    Deployed {
        name: String,
        host: String,
    },
    /// A name in the exhaustive zone under which nothing stands yet.
    Vacancy {
        host: String,
    },
}

/// The platform.
pub struct Platform {
    pub world: World,
    pub folder: PathBuf,
    /// What its manifests contradict from the start (declared gone, but there; not yet deployed).
    pub drifted_on_paper: BTreeSet<Truth>,
    things: Vec<Thing>,
    draw: Draw,
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct Builder {
    world: World,
    human: Caller,
    made: Timestamp,
    manifests: String,
    things: Vec<Thing>,
    on_paper: BTreeSet<Truth>,
    /// Balancers that target groups share, and how many groups there are.
    fronts: Vec<String>,
    grouped: usize,
}

impl Builder {
    fn ask(&mut self, service: Service, operation: &str, input: Value) -> Value {
        ask(&mut self.world, &self.human, service, operation, input, self.made)
    }

    fn declare(&mut self, kind: &str, name: &str, more: &str, spec: &str) {
        let _ = writeln!(
            self.manifests,
            "---\napiVersion: moored.dev/v1\nkind: {kind}\nmetadata: {{name: \"{name}\", environments: [production]}}\n{more}spec:\n{spec}"
        );
    }

    fn zone(&mut self, zone: &str) {
        let zones = self.world.route53.entry(ACCOUNT.to_owned()).or_default();
        zones.put_zone(&zone_id(zone), zone).unwrap();
    }

    fn record(&mut self, zone: &str, record: RecordSet) {
        let zones = self.world.route53.entry(ACCOUNT.to_owned()).or_default();
        zones.put_record(&zone_id(zone), record).unwrap();
    }

    fn service(&mut self, at: usize, draw: &mut Draw) {
        let (name, cluster) = (format!("service-{at}"), format!("cluster-{}", at / 400));
        self.run(&cluster, &name);
        let declared_revision = draw.below(40) == 0;
        let revision = if declared_revision { ", revision: 2" } else { "" };
        self.declare(
            "EcsService",
            &name,
            "",
            &format!("  cluster: {cluster}\n  desiredCount: 2\n  taskDefinition: {{family: app{revision}}}"),
        );
        if declared_revision {
            self.on_paper.insert(Truth::new("EcsService", &name, "latent"));
        } else {
            self.things.push(Thing::Service { name, cluster });
        }
    }

    fn run(&mut self, cluster: &str, name: &str) {
        let (human, made) = (self.human.clone(), self.made);
        ecs::of(&mut self.world, &human).put_running_service(&human, cluster, name, 2, "app:1", made);
    }

    fn stray(&mut self, at: usize) {
        let name = format!("stray-{at}");
        self.run("watched", &name);
        self.things.push(Thing::Stray { name });
    }

    fn plain_record(&mut self, at: usize, draw: &mut Draw) {
        let zone = format!("zone-{}.example.com", at / 600);
        let name = format!("r{at}.{zone}");
        self.record(&zone, RecordSet::simple(&name, "A", 60, &["192.0.2.1"]));
        let gone = draw.below(40) == 0;
        let more = if gone { "state: absent\n" } else { "" };
        self.declare("DnsRecord", &name, more, &format!("  zone: {zone}\n  type: A\n  ttl: 60\n  values: [192.0.2.1]"));
        if gone {
            self.on_paper.insert(Truth::new("DnsRecord", &name, "unexpected"));
        } else {
            self.things.push(Thing::Record { name, zone });
        }
    }

    fn check(&mut self, at: usize) {
        let name = format!("check-{at}");
        let config = json!({
            "Type": "HTTPS", "FullyQualifiedDomainName": format!("{name}.example.com"), "Port": 443,
            "ResourcePath": "/health", "RequestInterval": 30, "FailureThreshold": 3,
        });
        let input = json!({ "CallerReference": name, "HealthCheckConfig": config });
        let id = said(&self.ask(Service::Route53, "CreateHealthCheck", input), "/HealthCheck/Id");
        self.declare(
            "HealthCheck",
            &name,
            "",
            &format!("  id: {id}\n  type: HTTPS\n  fqdn: {name}.example.com\n  port: 443\n  failureThreshold: 3"),
        );
        self.things.push(Thing::Check { name, id });
    }

    fn load_balancer(&mut self, name: &str) -> (String, String) {
        let input = json!({ "Name": name, "Subnets": ["subnet-1", "subnet-2"] });
        let made = self.ask(Service::Elbv2, "CreateLoadBalancer", input);
        let arn = said(&made, "/LoadBalancers/0/LoadBalancerArn");
        let place = (ACCOUNT.to_owned(), REGION.to_owned());
        assert!(self.world.elbv2.entry(place).or_default().activate(&arn));
        (arn, said(&made, "/LoadBalancers/0/DNSName"))
    }

    fn balancer(&mut self, at: usize) {
        let name = format!("balancer-{at}");
        let (arn, dns) = self.load_balancer(&name);
        self.declare("LoadBalancer", &name, "", "  scheme: internet-facing\n  type: application\n  idleTimeout: 60");
        let host = format!("{name}.fronts.example.com");
        self.record("fronts.example.com", RecordSet::simple(&host, "CNAME", 60, &[&dns]));
        self.declare(
            "DnsRecord",
            &host,
            "",
            &format!("  zone: fronts.example.com\n  type: CNAME\n  ttl: 60\n  values: [\"{dns}\"]"),
        );
        self.things.push(Thing::Balancer { name, arn, host });
    }

    fn group(&mut self, at: usize) {
        let name = format!("group-{at}");
        let (human, made) = (self.human.clone(), self.made);
        if self.fronts.len() * 40 <= self.grouped {
            let shared = self.load_balancer(&format!("shared-{}", self.fronts.len())).0;
            self.fronts.push(shared);
        }
        let front = (self.fronts.last().unwrap().clone(), 8000 + (self.grouped % 40) as u16);
        self.grouped += 1;
        let (arn, listener) = put_group(&mut self.world, &human, &name, "/health", &front, made);
        self.declare(
            "TargetGroup",
            &name,
            "",
            "  protocol: HTTP\n  port: 8080\n  healthCheck: {path: /health}\n  minHealthy: 1",
        );
        self.things.push(Thing::Group { name, arn, front, listener });
    }

    fn item(&mut self, at: usize, draw: &mut Draw) {
        let name = format!("item-{at}");
        let tables = dynamodb::of(&mut self.world, &self.human);
        tables.put_item("settings", json!({ "name": { "S": name }, "mode": { "S": "fast" } })).unwrap();
        let gone = draw.below(40) == 0;
        let (more, attributes) = if gone { ("state: absent\n", "") } else { ("", "\n  attributes: {mode: fast}") };
        self.declare("TableItem", &name, more, &format!("  table: settings\n  key: {{name: {name}}}{attributes}"));
        if gone {
            self.on_paper.insert(Truth::new("TableItem", &name, "unexpected"));
        } else {
            self.things.push(Thing::Item { name });
        }
    }

    fn deployed(&mut self, at: usize) {
        let name = format!("deployed-{at}");
        self.run("deployed", &name);
        let (arn, dns) = self.load_balancer(&name);
        let host = format!("{name}.deployed.example.com");
        self.record("deployed.example.com", RecordSet::simple(&host, "CNAME", 60, &[&dns]));
        let item = json!({
            "service": { "S": name }, "updated_at": { "S": self.made.to_string() },
            "load_balancer_arn": { "S": arn }, "hostname": { "S": host },
        });
        dynamodb::of(&mut self.world, &self.human).put_item("deployments", item).unwrap();
        self.things.push(Thing::Deployed { name, host });
    }
}

impl Platform {
    /// A platform of about this many resources, in sync but for what its manifests contradict.
    pub fn draw(seed: u64, size: usize, made: Timestamp) -> Self {
        let mut draw = Draw::new(seed);
        let human = Caller::root(ACCOUNT, REGION);
        let mut builder = Builder {
            world: World::with_accounts([ACCOUNT]),
            human: human.clone(),
            made,
            manifests: ENVIRONMENT.to_owned(),
            things: Vec::new(),
            on_paper: BTreeSet::new(),
            fronts: Vec::new(),
            grouped: 0,
        };
        for image in ["app:1", "app:2"] {
            let containers = json!([{ "name": "app", "image": image, "memory": 64 }]);
            builder.ask(
                Service::Ecs,
                "RegisterTaskDefinition",
                json!({ "family": "app", "containerDefinitions": containers }),
            );
        }
        for cluster in (0..=size / 400).map(|at| format!("cluster-{at}")) {
            builder.ask(Service::Ecs, "CreateCluster", json!({ "clusterName": cluster }));
        }
        for cluster in ["watched", "deployed"] {
            builder.ask(Service::Ecs, "CreateCluster", json!({ "clusterName": cluster }));
        }
        for zone in (0..=size / 600).map(|at| format!("zone-{at}.example.com")) {
            builder.zone(&zone);
        }
        for zone in ["fronts.example.com", "deployed.example.com", "exhaustive.example.com"] {
            builder.zone(zone);
        }
        let tables = dynamodb::of(&mut builder.world, &human);
        tables.put_table(&human, "settings", "name", None, made);
        tables.put_table(&human, "deployments", "service", None, made);
        for at in 0..size {
            match draw.below(100) {
                0..30 => builder.service(at, &mut draw),
                30..54 => builder.plain_record(at, &mut draw),
                54..62 => builder.check(at),
                62..70 => builder.balancer(at),
                70..76 => builder.group(at),
                76..84 => builder.item(at, &mut draw),
                84..92 => builder.deployed(at),
                92..96 => builder.stray(at),
                _ => builder.things.push(Thing::Vacancy { host: format!("v{at}.exhaustive.example.com") }),
            }
        }
        let folder = std::env::temp_dir().join(format!("moored-worlds-{seed}-{size}-{}", std::process::id()));
        let folder = folder.join(format!("{:?}", std::thread::current().id()).replace(['(', ')'], "-"));
        std::fs::create_dir_all(&folder).unwrap();
        let Builder { world, things, on_paper, manifests, .. } = builder;
        // A file may have 8 MiB.
        let documents: Vec<&str> = manifests.split("---\n").collect();
        for (at, chunk) in documents.chunks(2_000).enumerate() {
            std::fs::write(folder.join(format!("part-{at}.yaml")), chunk.join("---\n")).unwrap();
        }
        Self { world, folder, drifted_on_paper: on_paper, things, draw }
    }

    /// Breaks so many of a hundred things, each in one of its ways; what is then wrong.
    pub fn break_some(&mut self, world: &mut World, percent: usize, now: Timestamp) -> BTreeSet<Truth> {
        let mut broken = BTreeSet::new();
        let wanted = self.things.len() * percent / 100;
        let mut left = self.things.clone();
        for _ in 0..wanted {
            let thing = left.swap_remove(self.draw.below(left.len()));
            self.break_one(world, &thing, now, &mut broken);
        }
        broken
    }

    fn break_one(&mut self, world: &mut World, thing: &Thing, now: Timestamp, broken: &mut BTreeSet<Truth>) {
        let human = Caller::root(ACCOUNT, REGION);
        let act =
            |world: &mut World, service, operation: &str, input| ask(world, &human, service, operation, input, now);
        let mut note = |kind: &str, name: &str, drift: &str| {
            broken.insert(Truth::new(kind, name, drift));
        };
        match thing {
            Thing::Service { name, cluster } => {
                let way = self.draw.one_of(&["missing", "changed", "degraded"]);
                match way {
                    "missing" => remove_service(world, &human, cluster, name, now),
                    "changed" => {
                        let input = json!({ "cluster": cluster, "service": name, "desiredCount": 3 });
                        act(world, Service::Ecs, "UpdateService", input);
                    }
                    _ => ecs::of(world, &human).service_mut(cluster, name).unwrap().set_running_count(0),
                }
                note("EcsService", name, way);
            }
            Thing::Stray { name } => {
                remove_service(world, &human, "watched", name, now);
                note("EcsService", name, "vanished");
            }
            Thing::Record { name, zone } => {
                let zones = world.route53.entry(ACCOUNT.to_owned()).or_default();
                match self.draw.one_of(&["missing", "ttl", "value"]) {
                    "missing" => {
                        zones.remove_record(&zone_id(zone), name, "A", None).unwrap();
                        note("DnsRecord", name, "missing");
                    }
                    "ttl" => {
                        zones.put_record(&zone_id(zone), RecordSet::simple(name, "A", 61, &["192.0.2.1"])).unwrap();
                        note("DnsRecord", name, "changed");
                    }
                    _ => {
                        zones.put_record(&zone_id(zone), RecordSet::simple(name, "A", 60, &["192.0.2.2"])).unwrap();
                        note("DnsRecord", name, "changed");
                    }
                }
            }
            Thing::Check { name, id } => {
                let way = self.draw.one_of(&["missing", "changed", "degraded"]);
                match way {
                    "missing" => {
                        act(world, Service::Route53, "DeleteHealthCheck", json!({ "HealthCheckId": id }));
                    }
                    "changed" => {
                        let input = json!({ "HealthCheckId": id, "FailureThreshold": 5 });
                        act(world, Service::Route53, "UpdateHealthCheck", input);
                    }
                    _ => assert!(world.route53.entry(ACCOUNT.to_owned()).or_default().set_health(id, false)),
                }
                note("HealthCheck", name, way);
            }
            Thing::Balancer { name, arn, host } => {
                let way = self.draw.one_of(&["missing", "changed"]);
                if way == "missing" {
                    act(world, Service::Elbv2, "DeleteLoadBalancer", json!({ "LoadBalancerArn": arn }));
                    note("DnsRecord", host, "degraded");
                } else {
                    let attributes = json!([{ "Key": "idle_timeout.timeout_seconds", "Value": "61" }]);
                    let input = json!({ "LoadBalancerArn": arn, "Attributes": attributes });
                    act(world, Service::Elbv2, "ModifyLoadBalancerAttributes", input);
                }
                note("LoadBalancer", name, way);
            }
            Thing::Group { name, arn, front, listener } => {
                let way = self.draw.one_of(&["missing", "changed", "degraded"]);
                match way {
                    "missing" => {
                        act(world, Service::Elbv2, "DeleteListener", json!({ "ListenerArn": listener }));
                        act(world, Service::Elbv2, "DeleteTargetGroup", json!({ "TargetGroupArn": arn }));
                    }
                    // Somebody made it again by hand, and mistyped the path.
                    "changed" => {
                        act(world, Service::Elbv2, "DeleteListener", json!({ "ListenerArn": listener }));
                        act(world, Service::Elbv2, "DeleteTargetGroup", json!({ "TargetGroupArn": arn }));
                        put_group(world, &human, name, "/helath", front, now);
                    }
                    _ => {
                        let place = (ACCOUNT.to_owned(), REGION.to_owned());
                        let balancers = world.elbv2.entry(place).or_default();
                        for target in ["10.0.0.1", "10.0.0.2"] {
                            assert!(balancers.set_target_health(arn, target, TargetHealth::Unhealthy));
                        }
                    }
                }
                note("TargetGroup", name, way);
            }
            Thing::Item { name } => {
                let way = self.draw.one_of(&["missing", "changed"]);
                let tables = dynamodb::of(world, &human);
                if way == "missing" {
                    assert!(tables.remove_item("settings", &json!({ "name": { "S": name } })));
                } else {
                    let item = json!({ "name": { "S": name }, "mode": { "S": "slow" } });
                    tables.put_item("settings", item).unwrap();
                }
                note("TableItem", name, way);
            }
            Thing::Deployed { name, host } => {
                remove_service(world, &human, "deployed", name, now);
                note("TableItem", &format!("deployments/service={name}"), "orphaned");
                note("LoadBalancer", name, "orphaned");
                note("DnsRecord", &format!("{host} CNAME"), "orphaned");
            }
            Thing::Vacancy { host } => {
                let zones = world.route53.entry(ACCOUNT.to_owned()).or_default();
                zones
                    .put_record(
                        &zone_id("exhaustive.example.com"),
                        RecordSet::simple(host, "TXT", 60, &["\"by hand\""]),
                    )
                    .unwrap();
                note("DnsRecord", &format!("{host} TXT"), "unexpected");
            }
        }
    }
}

/// A target group with two healthy targets behind a listener; the ARNs of both.
fn put_group(
    world: &mut World,
    human: &Caller,
    name: &str,
    path: &str,
    front: &(String, u16),
    at: Timestamp,
) -> (String, String) {
    let input = json!({
        "Name": name, "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-0a1b2c3d4e5f60718", "TargetType": "ip",
        "HealthCheckPath": path,
    });
    let made = ask(world, human, Service::Elbv2, "CreateTargetGroup", input, at);
    let arn = said(&made, "/TargetGroups/0/TargetGroupArn");
    let targets = json!([{ "Id": "10.0.0.1", "Port": 8080 }, { "Id": "10.0.0.2", "Port": 8080 }]);
    ask(world, human, Service::Elbv2, "RegisterTargets", json!({ "TargetGroupArn": arn, "Targets": targets }), at);
    let actions = json!([{ "Type": "forward", "TargetGroupArn": arn }]);
    let input = json!({ "LoadBalancerArn": front.0, "Protocol": "HTTP", "Port": front.1, "DefaultActions": actions });
    let listener = said(&ask(world, human, Service::Elbv2, "CreateListener", input, at), "/Listeners/0/ListenerArn");
    let balancers = world.elbv2.entry((ACCOUNT.to_owned(), REGION.to_owned())).or_default();
    for target in ["10.0.0.1", "10.0.0.2"] {
        assert!(balancers.set_target_health(&arn, target, TargetHealth::Healthy));
    }
    (arn, listener)
}

fn remove_service(world: &mut World, human: &Caller, cluster: &str, name: &str, now: Timestamp) {
    let input = json!({ "cluster": cluster, "service": name, "force": true });
    ask(world, human, Service::Ecs, "DeleteService", input, now);
}

fn zone_id(zone: &str) -> String {
    format!("Z{}", zone.replace(['.', '-'], "").to_uppercase())
}

fn ask(world: &mut World, caller: &Caller, service: Service, operation: &str, input: Value, at: Timestamp) -> Value {
    let request = Request::new(service, operation, input);
    world::apply(world, caller, &request, at, 7).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
}

fn said(answer: &Value, pointer: &str) -> String {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}: {answer}")).to_owned()
}

const ENVIRONMENT: &str = r#"apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  aws:
    accounts:
      main:
        account: "111122223333"
        regions: [eu-west-1]
        budgets: {ecs: 100000/s, dynamodb: 100000/s, route53: 100000/s, elasticloadbalancing: 100000/s, sts: 100000/s}
---
apiVersion: moored.dev/v1
kind: StateTable
metadata: {name: deployments, environments: [production]}
spec:
  table: deployments
  key: {partition: service}
  parent: {kind: EcsService, cluster: deployed, name: "{service}"}
  writtenAt: "{updated_at}"
  whenParentGone: prune
  pieces:
    - {kind: LoadBalancer, arn: "{load_balancer_arn}"}
    - {kind: DnsRecord, zone: deployed.example.com, name: "{hostname}", type: CNAME}
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: exhaustive, environments: [production]}
spec: {scope: {hostedZone: exhaustive.example.com}, exhaustive: true}
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: watched, environments: [production]}
spec: {scope: {ecsCluster: watched}, watch: {vanished: true}}
"#;
