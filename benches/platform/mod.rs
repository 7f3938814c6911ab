//! A generated platform of any size: its manifests and the simulated world they describe, in sync.
#![allow(dead_code)]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use moored::clock::Clock;
use moored::core::redact::Redactor;
use moored::engine::roots::Roots;
use moored::sim::wire::Cloud;
use moored::sim::world::route53::RecordSet;
use moored::sim::world::{Caller, Request, Service, World, dynamodb, ecs};
use serde_json::json;

pub const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "eu-west-1";

/// How many of each kind: half services, nearly half records, some items, and a few balancers.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub services: usize,
    pub clusters: usize,
    pub records: usize,
    pub zones: usize,
    pub items: usize,
    pub balancers: usize,
}

impl Size {
    /// A platform of `total` resources: services in clusters of 250, records in zones of 500.
    pub fn of(total: usize) -> Self {
        let services = total / 2;
        let items = total / 20;
        let balancers = (total / 50).min(100);
        let records = total - services - items - balancers;
        Self {
            services,
            clusters: services.div_ceil(250).max(1),
            records,
            zones: records.div_ceil(500).max(1),
            items,
            balancers,
        }
    }
}

/// The manifests: one document a resource, in files of a thousand.
pub fn manifests(size: Size) -> Vec<String> {
    let mut documents = vec![format!(
        "apiVersion: moored.dev/v1\nkind: Environment\nmetadata: {{name: production}}\nspec:\n  class: production\n  aws:\n    accounts:\n      main:\n        account: \"{ACCOUNT}\"\n        regions: [{REGION}]\n        budgets: {{ecs: 1000/s, route53: 1000/s, dynamodb: 1000/s, elasticloadbalancing: 1000/s}}\n"
    )];
    let mut resource = |kind: &str, name: String, app: usize, spec: String| {
        documents.push(format!(
            "apiVersion: moored.dev/v1\nkind: {kind}\nmetadata:\n  name: {name}\n  environments: [production]\n  labels: {{app: app-{app}, team: werkzeug}}\npolicy: {{vital: true, settle: 10m}}\nspec:\n{spec}"
        ));
    };
    for at in 0..size.services {
        let cluster = at % size.clusters;
        resource(
            "EcsService",
            format!("service-{at}"),
            at,
            format!(
                "  cluster: cluster-{cluster}\n  capacity: {{min: 2, max: 6}}\n  launchType: FARGATE\n  taskDefinition: {{family: app}}\n"
            ),
        );
    }
    for at in 0..size.records {
        let zone = at % size.zones;
        resource(
            "DnsRecord",
            format!("r{at}.zone-{zone}.example.com"),
            at,
            format!("  zone: zone-{zone}.example.com\n  type: A\n  ttl: 60\n  values: [192.0.2.1]\n"),
        );
    }
    for at in 0..size.items {
        resource(
            "TableItem",
            format!("item-{at}"),
            at,
            format!("  table: settings\n  key: {{name: item-{at}}}\n  attributes: {{mode: fast}}\n"),
        );
    }
    for at in 0..size.balancers {
        resource("LoadBalancer", format!("lb-{at}"), at, "  scheme: internet-facing\n  type: application\n".to_owned());
    }
    documents.chunks(1000).map(|chunk| chunk.join("---\n")).collect()
}

/// Writes the manifests below `folder`.
pub fn write(size: Size, folder: &Path) {
    fs::create_dir_all(folder).expect("a folder for the manifests");
    for (at, text) in manifests(size).iter().enumerate() {
        fs::write(folder.join(format!("part-{at:03}.yaml")), text).expect("a manifest file");
    }
}

/// The world that is exactly as declared.
pub fn world(size: Size, now: Timestamp) -> World {
    let human = Caller::root(ACCOUNT, REGION);
    let mut world = World::with_accounts([ACCOUNT]);
    let act = |world: &mut World, service, operation: &str, input| {
        moored::sim::world::apply(world, &human, &Request::new(service, operation, input), now, 7).expect(operation)
    };
    act(
        &mut world,
        Service::Ecs,
        "RegisterTaskDefinition",
        json!({ "family": "app", "containerDefinitions": [{ "name": "app", "image": "app:1", "memory": 64 }] }),
    );
    for cluster in 0..size.clusters {
        act(&mut world, Service::Ecs, "CreateCluster", json!({ "clusterName": format!("cluster-{cluster}") }));
    }
    for at in 0..size.balancers {
        act(
            &mut world,
            Service::Elbv2,
            "CreateLoadBalancer",
            json!({ "Name": format!("lb-{at}"), "Subnets": ["subnet-1", "subnet-2"] }),
        );
    }
    for at in 0..size.services {
        let cluster = format!("cluster-{}", at % size.clusters);
        ecs::of(&mut world, &human).put_running_service(&human, &cluster, &format!("service-{at}"), 2, "app", now);
    }
    let zones = world.route53.entry(ACCOUNT.to_owned()).or_default();
    for zone in 0..size.zones {
        zones.put_zone(&format!("Z{zone}"), &format!("zone-{zone}.example.com")).expect("a zone");
    }
    for at in 0..size.records {
        let zone = at % size.zones;
        let record = RecordSet::simple(&format!("r{at}.zone-{zone}.example.com"), "A", 60, &["192.0.2.1"]);
        zones.put_record(&format!("Z{zone}"), record).expect("a record");
    }
    let tables = dynamodb::of(&mut world, &human);
    tables.put_table(&human, "settings", "name", None, now);
    for at in 0..size.items {
        tables
            .put_item("settings", json!({ "name": { "S": format!("item-{at}") }, "mode": { "S": "fast" } }))
            .expect("an item");
    }
    world
}

/// The cloud of a platform, on the wall clock.
pub fn cloud(size: Size) -> Cloud {
    let clock = Clock::wall();
    // Everything was made an hour ago, so that nothing is still on its way.
    let made = clock.now() - jiff::SignedDuration::from_hours(1);
    Cloud::new(world(size, made), move || clock.now(), 7)
}

/// The desired state of a platform, loaded from files.
pub fn desired(folder: &Path, redactor: &Redactor) -> moored::core::desired::Desired {
    let loaded = Roots::new(vec![folder.to_owned()]).load(redactor, Clock::wall().now());
    assert!(
        loaded.rejected.is_empty(),
        "{}",
        loaded.rejected.iter().map(|rejected| rejected.render(false)).collect::<String>()
    );
    loaded.desired.expect("manifests")
}

/// A folder for the manifests of a platform of this size.
pub fn folder(total: usize) -> std::path::PathBuf {
    let mut name = String::new();
    let _ = write!(name, "moored-bench-{total}-{}", std::process::id());
    std::env::temp_dir().join(name)
}

/// A redactor with a fixed key.
pub fn redactor() -> Arc<Redactor> {
    Arc::new(Redactor::new(&[7; 32]))
}
