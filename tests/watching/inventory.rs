//! Inventories: what changed where nothing is declared, who is a stranger, what vanished, and what
//! it means when much is gone at once.

use std::collections::{BTreeMap, BTreeSet};

use moored::sim::world::Service;
use moored::sim::world::faults::{Effect, Match, Rule};
use serde_json::{Value, json};

use crate::common::daemon::Daemon;
use crate::common::exposition::Metrics;
use crate::common::platform::{CLUSTER, DNS, MAIN, Platform};
use crate::common::{Scratch, moored, text};
use crate::people::{
    EXAMPLE_COM, HARBOR, ZONE, change_records, cname, drift, environment, inventory, root, set, severities, undeclared,
    verdict,
};

const ELSEWHERE: &str = "elsewhere.example.net";

/// Members of a JSON object, as one line.
fn line(value: &Value, members: &[&str]) -> String {
    members.iter().map(|member| value[*member].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn with_an_environment_and_inventories_alone_it_is_known_what_appeared_changed_and_went() {
    let platform = Platform::new("watching-enough");
    let manifests = [
        environment(),
        inventory("example-com", "{scope: {hostedZone: example.com, account: dns}}"),
        inventory("harbor", "{scope: {ecsCluster: harbor}}"),
    ];
    let root = root(&platform, "watched", &manifests);
    let state = platform.scratch.file("moored.db");
    let daemon = Daemon::over(&root, &platform.url, &["--state", text(&state)]);
    let metrics = daemon.settled();
    let there = |services: f64, records: f64| {
        BTreeMap::from([(format!("production {HARBOR}"), services), (format!("production {EXAMPLE_COM}"), records)])
    };
    assert_eq!(undeclared(&metrics), there(2.0, 2.0), "the NS and SOA of the zone itself are nobody's to declare");
    let changes = || -> BTreeSet<String> {
        let diff = moored(["diff", "--since", "10m", "--state", text(&state), "--format", "json"]).exits(0).json();
        diff["changes"].as_array().unwrap().iter().map(|change| line(change, &["what", "kind", "key"])).collect()
    };
    assert_eq!(changes(), BTreeSet::new(), "a first reading is no change");

    change_records(&platform, "erin", "CREATE", &[cname("new", 60, ELSEWHERE)]);
    platform.set_ttl(300);
    platform.delete_worker();
    daemon.logged("change", 3);
    let wanted = set([
        "appeared DnsRecord new.example.com|CNAME|",
        "changed DnsRecord api.example.com|CNAME|",
        "gone EcsService worker",
    ]);
    assert_eq!(changes(), wanted);
    moored(["diff", "--since", "10m", "--state", text(&state)]).exits(0).says(&[
        "appeared  DnsRecord new.example.com CNAME",
        "changed   DnsRecord api.example.com CNAME",
        "ttl: 60 → 300",
        "gone      EcsService worker",
        "3 change(s) since",
    ]);

    let metrics = daemon.until("all of it is counted", |metrics| undeclared(metrics) == there(1.0, 3.0));
    assert_eq!(drift(&metrics), BTreeSet::new(), "a change is no drift where nothing is declared");
    assert_eq!(verdict(&metrics), "in_sync");
    let check = ["check", "--desired-state", text(&root), "--cloud", platform.url.as_str()];
    let report = moored([&check[..], &["--format", "json"][..]].concat()).exits(0).json();
    for part in ["findings", "converging", "ignored", "unknown"] {
        assert_eq!(report[part], json!([]), "{part}");
    }
    assert!(daemon.events("finding_opened").is_empty());
    assert_eq!(daemon.events("change").len(), 3);
}

#[test]
fn a_record_made_by_hand_is_unexpected_but_while_an_exception_allows_it() {
    let platform = Platform::new("watching-stranger");
    let zone = "{scope: {hostedZone: example.com, account: dns}, exhaustive: true}";
    platform.append("tables.yaml", &inventory("example-com", zone));
    let daemon = Daemon::start(&platform, &[]);
    let in_zone = |metrics: &Metrics| undeclared(metrics).get(&format!("production {EXAMPLE_COM}")).copied();
    let metrics = daemon.settled();
    assert_eq!(drift(&metrics), BTreeSet::new(), "a manifest, an item or the zone itself accounts for each");
    assert_eq!(in_zone(&metrics), Some(0.0));

    let stranger = set(["production unexpected DnsRecord by-hand.example.com CNAME"]);
    change_records(&platform, "erin", "CREATE", &[cname("by-hand", 60, ELSEWHERE)]);
    let metrics = daemon.until("the stranger is found", |metrics| drift(metrics) == stranger);
    assert_eq!((severities(&metrics), in_zone(&metrics)), (vec!["warning".to_owned()], Some(1.0)));
    assert_eq!(verdict(&metrics), "drifted");
    let (code, report) = platform.report(&[]);
    assert_eq!((code, report["findings"].as_array().map(Vec::len)), (2, Some(1)), "{report}");
    let finding = &report["findings"][0];
    let told = line(finding, &["kind", "name", "drift", "severity", "scope"]);
    assert_eq!(told, format!("DnsRecord by-hand.example.com CNAME unexpected warning {EXAMPLE_COM}"));
    assert_eq!(finding["group"]["root"], json!({ "kind": "Inventory", "name": "example-com" }));
    assert_eq!(finding["source"]["file"], "tables.yaml");
    platform.check(&["--fail-on", "critical"]).exits(0);

    let excepted = "exhaustive: true, except: [{name: \"by-hand.*\", atMost: 1h}]";
    platform.edit("tables.yaml", "exhaustive: true", excepted);
    let converging = |metrics: &Metrics| metrics.sum("moored_resources", &[("state", "converging")]);
    daemon.until("it is allowed", |metrics| drift(metrics).is_empty() && converging(metrics) == 1.0);
    let (code, report) = platform.report(&[]);
    assert_eq!((code, &report["findings"]), (0, &json!([])), "{report}");
    let allowed = report["converging"].as_array().unwrap();
    assert_eq!(allowed.len(), 1, "{report}");
    assert_eq!(line(&allowed[0], &["kind", "name"]), "DnsRecord by-hand.example.com CNAME");

    platform.edit("tables.yaml", "atMost: 1h", "atMost: 1s");
    let metrics = daemon.until("its time is over", |metrics| drift(metrics) == stranger);
    assert_eq!(converging(&metrics), 0.0);
    change_records(&platform, "erin", "DELETE", &[cname("by-hand", 60, ELSEWHERE)]);
    daemon.until("it is gone", |metrics| drift(metrics).is_empty() && in_zone(metrics) == Some(0.0));
}

#[test]
fn a_service_that_nobody_declares_has_vanished_when_it_is_deleted_until_it_is_made_again() {
    let platform = Platform::new("watching-vanished");
    let watch = inventory("harbor", "{scope: {ecsCluster: harbor}, watch: {vanished: true}}");
    let daemon = Daemon::over(&root(&platform, "watched", &[environment(), watch]), &platform.url, &[]);
    assert_eq!(drift(&daemon.settled()), BTreeSet::new(), "it need not be declared");

    platform.delete_worker();
    let vanished = set(["production vanished EcsService worker"]);
    let metrics = daemon.until("it has vanished", |metrics| drift(metrics) == vanished);
    assert_eq!((severities(&metrics), verdict(&metrics)), (vec!["warning".to_owned()], "drifted".to_owned()));
    platform.fault(Service::Ecs, None, Effect::Denied);
    let held = set(["production vanished EcsService worker (held)"]);
    daemon.until("nobody can look", |metrics| drift(metrics) == held);
    platform.heal();
    daemon.until("it is still gone", |metrics| drift(metrics) == vanished);

    let again = json!({ "cluster": CLUSTER, "serviceName": "worker", "taskDefinition": "worker", "desiredCount": 2 });
    platform.act(MAIN, Service::Ecs, "CreateService", again);
    daemon.until("it is back", |metrics| drift(metrics).is_empty());
    let told = |event: &str| -> Vec<String> {
        daemon.logged(event, 1).iter().map(|told| line(told, &["drift", "kind", "name"])).collect()
    };
    assert_eq!(told("finding_opened"), ["vanished EcsService worker"]);
    assert_eq!(told("finding_ended"), ["vanished EcsService worker"]);
}

#[test]
fn the_loss_of_many_records_is_one_finding_that_outlives_cut_credentials_and_a_power_cut() {
    let platform = Platform::new("watching-loss");
    let records: Vec<Value> = (0..24).map(|number| cname(&format!("host-{number:02}"), 60, ELSEWHERE)).collect();
    change_records(&platform, "erin", "CREATE", &records);
    let zone = "{scope: {hostedZone: example.com, account: dns}, decides: environment, \
                watch: {vanished: true, maxDrop: 20%, over: 10m, floor: 20}}";
    let root = root(&platform, "watched", &[environment(), inventory("example-com", zone)]);
    let state = platform.scratch.file("moored.db");
    let start = || Daemon::over(&root, &platform.url, &["--state", text(&state)]);
    let daemon = start();
    let metrics = daemon.settled();
    assert_eq!((drift(&metrics), verdict(&metrics)), (BTreeSet::new(), "in_sync".to_owned()));

    change_records(&platform, "mallory", "DELETE", &records[..10]);
    let since = |metrics: &Metrics| metrics.value("moored_drift_since_timestamp_seconds", &[]).unwrap();
    let down = |metrics: &Metrics| {
        let lost = [("environment", "production"), ("scope", EXAMPLE_COM)];
        assert_eq!(metrics.value("moored_mass_loss", &lost), Some(1.0), "{}", metrics.text);
        assert_eq!(verdict(metrics), "down");
        assert_eq!(severities(metrics), ["critical"]);
    };
    let lost = set(["production vanished Inventory example-com"]);
    let metrics = daemon.until("the loss is one finding", |metrics| drift(metrics) == lost);
    down(&metrics);
    let began = since(&metrics);
    let opened = daemon.logged("finding_opened", 1);
    assert_eq!(opened.len(), 1, "{opened:?}");
    // Beside the 24: the records of `api` and `worker`, and the NS and SOA of the zone.
    let detail = opened[0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("10 of 28 are gone (35 %; more than 20 % within 10m)"), "{detail}");
    assert!(detail.contains("host-00.example.com CNAME") && detail.contains("18 are left"), "{detail}");

    platform.cloud.with_world(|world| world.faults.add(Rule::always(Match::default(), Effect::ExpiredToken)));
    let held = set(["production vanished Inventory example-com (held)"]);
    let metrics = daemon.until("credentials are cut", |metrics| drift(metrics) == held);
    down(&metrics);
    daemon.kill();
    let daemon = start();
    let first = daemon.scrape().expect("a ready daemon can be scraped");
    assert_eq!(drift(&first), held, "held from the first scrape on");
    down(&first);
    let failures = |metrics: &Metrics| metrics.sum("moored_observation_failures_total", &[("scope", EXAMPLE_COM)]);
    let later = daemon.until("several readings fail", |metrics| failures(metrics) >= 3.0);
    assert_eq!((drift(&later), since(&later)), (held, began));
    down(&later);
    platform.heal();
    let metrics = daemon.until("it can be seen again", |metrics| drift(metrics) == lost);
    assert_eq!(since(&metrics), began);
    down(&metrics);
    assert!(daemon.events("finding_opened").is_empty() && daemon.events("finding_ended").is_empty());

    change_records(&platform, "erin", "CREATE", &records[..10]);
    let metrics = daemon.until("all are back", |metrics| drift(metrics).is_empty());
    assert!(metrics.all("moored_mass_loss", &[]).is_empty(), "{}", metrics.text);
    assert_eq!(verdict(&metrics), "in_sync");
    let past = moored(["history", "--state", text(&state), "--format", "json"]).exits(0).json();
    assert_eq!(past.as_array().map(Vec::len), Some(1), "{past}");
    assert_eq!((&past[0]["finding"]["kind"], past[0]["endedAt"].is_string()), (&json!("Inventory"), true), "{past}");
}

/// An environment in the zone's own account.
fn neighbour(name: &str) -> String {
    format!(
        "apiVersion: moored.dev/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec:\n  class: staging\n  aws: \
         {{accounts: {{main: {{account: \"{DNS}\", regions: [eu-west-1], budgets: {{route53: 500/s, sts: 500/s}}}}}}}}\n"
    )
}

/// A record of the zone that one environment declares.
fn home(environment: &str) -> String {
    format!(
        "apiVersion: moored.dev/v1\nkind: DnsRecord\nmetadata: {{name: home, environments: [{environment}]}}\n\
         spec: {{zone: example.com, name: {environment}.example.com, type: CNAME, ttl: 60, value: {ELSEWHERE}}}\n"
    )
}

#[test]
fn environments_that_share_a_zone_call_each_others_records_their_own() {
    let platform = Platform::new("watching-shared");
    platform.cloud.with_world(|world| {
        let zones = world.route53.entry(DNS.to_owned()).or_default();
        for name in ["api.example.com", "worker.example.com"] {
            assert!(zones.remove_record(ZONE, name, "CNAME", None).is_some(), "{name}");
        }
    });
    change_records(&platform, "erin", "CREATE", &["blue", "green"].map(|name| cname(name, 60, ELSEWHERE)));
    let both = "apiVersion: moored.dev/v1\nkind: Inventory\n\
                metadata: {name: example-com, environments: [blue, green]}\n\
                spec: {scope: {hostedZone: example.com}, exhaustive: true}\n";
    let manifests = [neighbour("blue"), neighbour("green"), home("blue"), home("green"), both.to_owned()];
    let root = root(&platform, "shared", &manifests);
    let daemon = Daemon::over(&root, &platform.url, &[]);
    let there = |count: f64| -> BTreeMap<String, f64> {
        ["blue", "green"].into_iter().map(|name| (format!("{name} {EXAMPLE_COM}"), count)).collect()
    };
    let metrics = daemon.settled();
    assert_eq!((drift(&metrics), undeclared(&metrics)), (BTreeSet::new(), there(0.0)));
    let check = ["check", "--desired-state", text(&root), "--cloud", platform.url.as_str()];
    // The other environment's declarations count also where it is not asked for.
    let asked: [&[&str]; 2] = [&[], &["--environment", "blue"]];
    for more in asked {
        moored([&check[..], more].concat()).exits(0);
    }

    change_records(&platform, "mallory", "CREATE", &[cname("by-hand", 60, ELSEWHERE)]);
    let strangers = set([
        "blue unexpected DnsRecord by-hand.example.com CNAME",
        "green unexpected DnsRecord by-hand.example.com CNAME",
    ]);
    let metrics = daemon.until("nobody declares it", |metrics| drift(metrics) == strangers);
    assert_eq!((undeclared(&metrics), severities(&metrics).concat()), (there(1.0), "warningwarning".to_owned()));
    assert_eq!(daemon.logged("finding_opened", 2).len(), 2);
}

/// Seven inventories, each of which is wrong in one place.
const WRONG: &str = r#"apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: a, environments: [production]}
spec:
  scope: {hostedZone: example.com, ecsCluster: harbor}
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: b, environments: [production]}
spec:
  scope: {hostedZone: example.com}
  exhautsive: true
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: c, environments: [production]}
spec:
  scope: {hostedZone: example.com}
  except: [{name: a}, {name: b, atMost: soon}]
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: d, environments: [production]}
spec:
  scope: {hostedZone: example.com}
  watch: {maxDrop: 120%}
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: e, environments: [production]}
spec:
  scope: {hostedZone: example.com}
  decides: environment
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: f, environments: [production]}
spec:
  scope: {loadBalancers: true, account: prod}
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: g, environments: [production]}
spec:
  scope: {ecsCluster: harbor}
  watch: {vanished: yes}
"#;

#[test]
fn what_is_wrong_with_an_inventory_is_told_with_its_place() {
    let root = Scratch::new("watching-wrong");
    root.write("environment.yaml", environment());
    root.write("wrong.yaml", WRONG);
    let validate = ["validate", "--desired-state", text(root.path())];
    let told = moored([&validate[..], &["--format", "json"][..]].concat()).exits(1).json();
    let places: Vec<String> = told["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|told| {
            format!("{}:{}:{}: {}", line(told, &["file"]), told["line"], told["column"], line(told, &["message"]))
        })
        .collect();
    let wanted = [
        "wrong.yaml:5:3: the inventory names two scopes: hostedZone and ecsCluster",
        "wrong.yaml:12:3: unknown field `exhautsive`",
        "wrong.yaml:19:41: `soon` is no duration",
        "wrong.yaml:26:20: `120%` is no part",
        "wrong.yaml:33:12: nothing here can collapse",
        "wrong.yaml:39:41: environment `production` has no account `prod`",
        "wrong.yaml:46:21: `vanished` must be true or false, not text",
    ];
    assert_eq!(places, wanted);
    moored(validate).exits(1).complains(&[
        "wrong.yaml:12:3",
        "12 |   exhautsive: true",
        "help: did you mean `exhaustive`?",
        "help: write one inventory for each",
        "help: such as `45m`",
        "help: a whole number from 1% to 99%, such as `20%`",
        "7 error(s)",
    ]);
}
