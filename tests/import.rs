//! `moored import`, as a person uses it: a world with something of everything becomes manifests,
//! which say the same to every reader of YAML, and `moored check` finds no drift in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "import/hostile.rs"]
mod hostile;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use moored::clock::Clock;
use moored::sim::world::faults::Effect;
use moored::sim::world::route53::{AliasTarget, RecordSet, Routing};
use moored::sim::world::{Caller, Service, ecs};
use serde::Deserialize;
use serde_json::{Value, json};

use common::platform::{CLUSTER, DNS, MAIN, Platform, REGION, SECRETS, SETTINGS, manifests};
use common::{Outcome, command, run, text};

/// The zone of the platform.
const ZONE: &str = "Z0HARBOREXAMPLE";

/// Flags for all that production has but the deployer's own table.
const EVERYTHING: [&str; 8] = [
    "--cluster",
    CLUSTER,
    "--hosted-zone",
    "dns:example.com",
    "--health-checks",
    "--load-balancers",
    "--table",
    SETTINGS,
];

/// An environment with two organisations of Cloud Foundry.
const ORGANIZATIONS: &str = "apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  cloudFoundry:
    api: https://api.example.com
    organizations: {a: {}, b: {}}
    auth: {clientId: moored, clientSecretFile: /nonexistent}
";

/// A platform of which nothing is declared but its environments, in the root `bare`.
fn undeclared(name: &str) -> Platform {
    let platform = Platform::new(name);
    let environments = manifests().into_iter().find(|(file, _)| *file == "environments.yaml").unwrap().1;
    platform.scratch.write("bare/environments.yaml", environments);
    platform
}

/// Runs a subcommand on these roots.
fn moored(platform: &Platform, roots: &[&str], subcommand: &str, more: &[&str]) -> Outcome {
    let mut command = command();
    command.arg(subcommand);
    for root in roots {
        command.args(["--desired-state", text(&platform.scratch.file(root))]);
    }
    run_with(command, more)
}

fn run_with(mut command: Command, more: &[&str]) -> Outcome {
    command.args(more);
    run(command)
}

/// Imports into the folder `imported`, or to stdout.
fn import(platform: &Platform, root: &str, output: &str, more: &[&str]) -> Outcome {
    let target = if output == "-" { PathBuf::from("-") } else { platform.scratch.file(output) };
    let flags = ["--environment", "production", "--cloud", platform.url.as_str(), "--output", text(&target)];
    moored(platform, &[root], "import", &[&flags[..], more].concat())
}

/// The report of `moored check` on these roots, of production alone.
fn check(platform: &Platform, roots: &[&str]) -> (i32, Value) {
    let flags = ["--cloud", platform.url.as_str(), "--environment", "production", "--format", "json"];
    let outcome = moored(platform, roots, "check", &flags);
    (outcome.code, outcome.json())
}

/// Files below a folder by their names.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

/// The documents of a text, as Rust's YAML reads them.
fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
}

/// Every imported manifest, by kind and name.
fn imported(files: &BTreeMap<String, String>) -> BTreeMap<(String, String), Value> {
    let word = |value: &Value, pointer: &str| value.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let all = files.values().flat_map(|text| documents(text));
    all.map(|document| ((word(&document, "/kind"), word(&document, "/metadata/name")), document)).collect()
}

fn long_ago() -> Timestamp {
    Clock::wall().now().checked_sub(SignedDuration::from_hours(40 * 24)).unwrap()
}

/// The text at a place of an answer.
fn said(answer: &Value, pointer: &str) -> String {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}: {answer}")).to_owned()
}

fn elbv2(platform: &Platform, operation: &str, input: Value) -> Value {
    platform.act(MAIN, Service::Elbv2, operation, input)
}

fn check_of(platform: &Platform, reference: &str, config: Value) -> String {
    let input = json!({ "CallerReference": reference, "HealthCheckConfig": config });
    said(&platform.act(MAIN, Service::Route53, "CreateHealthCheck", input), "/HealthCheck/Id")
}

fn put(platform: &Platform, record: RecordSet) {
    platform.cloud.with_world(|world| {
        world.route53.get_mut(DNS).unwrap().put_record(ZONE, record).unwrap();
    });
}

/// A record of a routing policy.
fn routed(set: &str, routing: Routing, record: RecordSet) -> RecordSet {
    RecordSet { set_identifier: Some(set.to_owned()), routing: Some(routing), ..record }
}

/// The shop: a service behind an application load balancer with two listeners, a weighted pair of
/// names, an alias at the apex, and a health check.
fn put_shop(platform: &Platform) {
    let subnets = json!(["subnet-0aaa1111", "subnet-0bbb2222"]);
    let group = json!({
        "Name": "shop", "Protocol": "HTTP", "Port": 8080, "VpcId": "vpc-0a1b2c3d4e5f60718", "TargetType": "ip",
        "HealthCheckPath": "/health?deep=no", "Matcher": { "HttpCode": "200-399" },
    });
    let group = said(&elbv2(platform, "CreateTargetGroup", group), "/TargetGroups/0/TargetGroupArn");
    let tags = json!([{ "Key": "cost", "Value": "0123" }, { "Key": "on", "Value": "12:30" }]);
    let balancer = json!({ "Name": "shop", "Subnets": subnets, "Tags": tags });
    let answer = elbv2(platform, "CreateLoadBalancer", balancer);
    let (arn, dns) = (said(&answer, "/LoadBalancers/0/LoadBalancerArn"), said(&answer, "/LoadBalancers/0/DNSName"));
    let forward = json!([{ "Type": "forward", "TargetGroupArn": group }]);
    let redirect = json!([{ "Type": "redirect", "RedirectConfig": { "Protocol": "HTTPS", "StatusCode": "HTTP_301" } }]);
    let certificates = json!([{ "CertificateArn": "arn:aws:acm:eu-west-1:111122223333:certificate/1" }]);
    for listener in [
        json!({ "LoadBalancerArn": arn, "Protocol": "HTTP", "Port": 80, "DefaultActions": redirect }),
        json!({ "LoadBalancerArn": arn, "Protocol": "HTTPS", "Port": 443, "DefaultActions": forward, "Certificates": certificates }),
    ] {
        elbv2(platform, "CreateListener", listener);
    }
    let definition = json!({
        "family": "shop", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "taskRoleArn": "arn:aws:iam::111122223333:role/shop",
        "containerDefinitions": [
            { "name": "web", "image": "example/shop:7", "portMappings": [{ "containerPort": 8080 }],
              "environment": [{ "name": "LOG_LEVEL", "value": "no" }, { "name": "SHOP_TOKEN", "value": SECRETS[1] }],
              "command": ["serve", SECRETS[0]],
              "mountPoints": [{ "containerPath": "/var/lib/shop.d", "sourceVolume": "data", "readOnly": true }] },
            { "name": "log", "image": "public.ecr.aws/x/log@sha256:ab", "essential": false, "memoryReservation": 64 },
        ],
        "volumes": [{ "name": "data" }],
    });
    platform.act(MAIN, Service::Ecs, "RegisterTaskDefinition", definition);
    let owner = Caller::root(MAIN, REGION);
    platform.cloud.with_world(|world| {
        world.elbv2.get_mut(&(MAIN.to_owned(), REGION.to_owned())).unwrap().activate(&arn);
        let service = ecs::of(world, &owner).put_running_service(&owner, CLUSTER, "shop", 3, "shop", long_ago());
        service.load_balancers =
            vec![json!({ "targetGroupArn": group, "containerName": "web", "containerPort": 8080 })];
        service.tags = vec![json!({ "key": "team", "value": "payments" })];
    });
    let check =
        json!({ "Type": "HTTPS_STR_MATCH", "FullyQualifiedDomainName": "shop.example.com", "SearchString": "1e3" });
    let check = check_of(platform, "shop-1", check);
    for (set, weight) in [("blue", 255), ("green", 0)] {
        let record = RecordSet::simple("shop.example.com", "CNAME", 60, &[dns.as_str()]);
        let record = RecordSet { health_check: Some(check.clone()), ..record };
        put(platform, routed(set, Routing::Weight(weight), record));
    }
    let alias = AliasTarget {
        hosted_zone_id: "Z32O12XQLNTSW2".into(),
        dns_name: format!("dualstack.{dns}."),
        evaluate_target_health: true,
    };
    put(
        platform,
        RecordSet { name: "example.com".into(), kind: "A".into(), alias: Some(alias), ..RecordSet::default() },
    );
}

/// What belongs to no service: other routing policies, texts of all kinds, checks of all types.
fn put_others(platform: &Platform) {
    let at = |name: &str, address: &str| RecordSet::simple(&format!("{name}.example.com"), "A", 300, &[address]);
    let place = |key: &str, code: &str| Routing::GeoLocation(BTreeMap::from([(key.to_owned(), code.to_owned())]));
    for record in [
        routed("eu", Routing::Region(REGION.into()), at("near", "192.0.2.1")),
        routed("us", Routing::Region("us-east-1".into()), at("near", "192.0.2.2")),
        routed("everywhere", place("CountryCode", "*"), at("map", "192.0.2.3")),
        routed("europe", place("ContinentCode", "EU"), at("map", "192.0.2.4")),
        routed("first", Routing::Failover("PRIMARY".into()), at("safe", "192.0.2.5")),
        routed("second", Routing::Failover("SECONDARY".into()), at("safe", "192.0.2.6")),
        routed("a", Routing::MultiValue, at("many", "192.0.2.7")),
    ] {
        put(platform, record);
    }
    let long = format!("\"{}\" \"{}\"", "k".repeat(255), "v".repeat(45));
    for (name, kind, values) in [
        ("*", "CNAME", vec!["www.example.com."]),
        ("text", "TXT", vec!["\"v=spf1 -all\"", "\"say \\\"hi\\\"\"", "\"no\"", "\" padded \""]),
        ("long", "TXT", vec![long.as_str()]),
        ("mail", "MX", vec!["10 mx1.example.net.", "20 mx2.example.net."]),
        ("mail", "TXT", vec!["\"\""]),
        ("six", "AAAA", vec!["2001:DB8::1"]),
        ("_xmpp._tcp", "SRV", vec!["1 10 5269 xmpp.example.com."]),
        ("ca", "CAA", vec!["0 issue \"letsencrypt.org\""]),
        ("sub", "NS", vec!["ns-1.awsdns-00.org.", "ns-2.awsdns-00.com."]),
    ] {
        put(platform, RecordSet::simple(&format!("{name}.example.com"), kind, 300, &values));
    }
    let tcp = check_of(
        platform,
        "tcp-1",
        json!({ "Type": "TCP", "IPAddress": "192.0.2.1", "Port": 5432, "RequestInterval": 10 }),
    );
    let inverted = check_of(
        platform,
        "inverted-1",
        json!({ "Type": "HTTP", "FullyQualifiedDomainName": "down.example.com", "ResourcePath": "/a b", "Inverted": true }),
    );
    let children = json!([tcp, inverted]);
    check_of(platform, "sum-1", json!({ "Type": "CALCULATED", "ChildHealthChecks": children, "HealthThreshold": 1 }));
    platform.cloud.with_world(|world| {
        assert!(world.route53.get_mut(MAIN).unwrap().set_health(&inverted, false));
    });
    put_network_balancer(platform);
}

/// A network load balancer that no service uses.
fn put_network_balancer(platform: &Platform) {
    let group = json!({ "Name": "edge", "Protocol": "TCP", "Port": 5432, "VpcId": "vpc-0a1b2c3d4e5f60718", "TargetType": "ip" });
    let group = said(&elbv2(platform, "CreateTargetGroup", group), "/TargetGroups/0/TargetGroupArn");
    let balancer = json!({ "Name": "edge", "Type": "network", "Subnets": ["subnet-0aaa1111", "subnet-0bbb2222"] });
    let balancer = said(&elbv2(platform, "CreateLoadBalancer", balancer), "/LoadBalancers/0/LoadBalancerArn");
    let actions = json!([{ "Type": "forward", "TargetGroupArn": group }]);
    let listener = json!({ "LoadBalancerArn": balancer, "Protocol": "TCP", "Port": 5432, "DefaultActions": actions });
    elbv2(platform, "CreateListener", listener);
    platform.cloud.with_world(|world| {
        world.elbv2.get_mut(&(MAIN.to_owned(), REGION.to_owned())).unwrap().activate(&balancer);
    });
}

#[test]
fn a_check_right_after_an_import_finds_no_drift_and_later_drift_is_info() {
    let platform = undeclared("import-round-trip");
    put_shop(&platform);
    put_others(&platform);
    import(&platform, "bare", "imported", &EVERYTHING).exits(0).complains(&["imported: "]).hides(&SECRETS);

    let files = files(&platform.scratch.file("imported"));
    for (name, text) in &files {
        for secret in SECRETS {
            common::hidden(secret, name, text);
        }
    }
    let declared = imported(&files);
    assert_eq!(declared.len(), 39, "{:?}", declared.keys());
    assert!(declared.values().all(|document| document["metadata"]["annotations"]["moored.dev/reviewed"] == "false"));
    let hint = ["imports that nobody has reviewed", "moored.dev/reviewed: \"true\""];
    moored(&platform, &["bare", "imported"], "validate", &[]).exits(0).says(&["valid: "]).complains(&hint);

    let (code, report) = check(&platform, &["bare", "imported"]);
    assert_eq!((code, &report["findings"]), (0, &json!([])), "{report}");
    let summary = &report["summary"];
    assert_eq!(summary["resources"], declared.len());
    // Route 53 tells no status of a calculated check.
    assert_eq!((&summary["inSync"], &summary["unchecked"]), (&summary["resources"], &json!(1)), "{summary}");

    platform.run_tasks(MAIN, "api", 1);
    platform.set_ttl(301);
    let (code, report) = check(&platform, &["bare", "imported"]);
    let findings = report["findings"].as_array().unwrap();
    let told: BTreeSet<(&str, &str)> = findings
        .iter()
        .map(|finding| (finding["kind"].as_str().unwrap(), finding["severity"].as_str().unwrap()))
        .collect();
    assert_eq!((code, told), (2, BTreeSet::from([("EcsService", "info"), ("DnsRecord", "info")])), "{report}");
}

#[test]
fn manifests_are_grouped_by_the_service_that_they_serve() {
    let platform = undeclared("import-grouping");
    put_shop(&platform);
    put_others(&platform);
    import(&platform, "bare", "imported", &EVERYTHING).exits(0);
    let files = files(&platform.scratch.file("imported"));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected = [
        "apps/api.yaml",
        "apps/shop.yaml",
        "apps/worker.yaml",
        "health-checks.yaml",
        "load-balancers-eu-west-1.yaml",
        "table-settings.yaml",
        "zone-example.com.yaml",
    ];
    assert_eq!(names, expected);
    let shop: Vec<String> = documents(&files["apps/shop.yaml"])
        .iter()
        .map(|document| {
            format!("{} {}", document["kind"].as_str().unwrap(), document["metadata"]["name"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        shop,
        [
            "EcsService shop",
            "LoadBalancer shop",
            "TargetGroup shop",
            "DnsRecord example.com",
            "DnsRecord shop.example.com-blue",
            "DnsRecord shop.example.com-green",
            "HealthCheck shop.example.com",
        ]
    );
    let service = &documents(&files["apps/shop.yaml"])[0];
    let web = &service["spec"]["taskDefinition"]["containers"]["web"];
    assert_eq!(web["image"], json!({ "repository": "example/shop" }), "a deployment is no drift");
    assert_eq!(web["environment"], json!({ "LOG_LEVEL": "no" }), "what is not visible is not written");
    assert!(files["apps/shop.yaml"].contains("# Not declared, since `visible`"), "{}", files["apps/shop.yaml"]);
    assert_eq!(service["spec"].get("serviceName"), None, "the name says so already");
    let records = imported(&files);
    let record = |name: &str| &records[&("DnsRecord".to_owned(), name.to_owned())]["spec"];
    assert_eq!(record("*.example.com")["value"], "www.example.com");
    assert_eq!(
        record("text.example.com")["values"],
        json!(["\" padded \"", "no", "\"say \\\"hi\\\"\"", "v=spf1 -all"])
    );
    assert_eq!(
        (&record("mail.example.com-mx")["ttl"], &record("mail.example.com-txt")["value"]),
        (&json!(300), &json!("\"\""))
    );
    let apex = |document: &Value| document["spec"]["name"] == "example.com" && document["spec"]["type"] == "NS";
    assert!(!records.values().any(apex), "Route 53 keeps it");
}

#[test]
fn every_reader_of_yaml_reads_the_same() {
    let platform = undeclared("import-readers");
    put_shop(&platform);
    put_others(&platform);
    import(&platform, "bare", "imported", &EVERYTHING).exits(0);
    for (name, text) in files(&platform.scratch.file("imported")) {
        assert_eq!(json!(documents(&text)), pyyaml(&text), "{name}:\n{text}");
    }
}

/// The documents of a text as PyYAML reads them: a reader of YAML 1.1. It lies beside moto.
fn pyyaml(text: &str) -> Value {
    let moto = std::env::var_os("MOTO_SERVER")
        .expect("MOTO_SERVER is not set: run `make test`, which makes the venv of moto_server and names it");
    let python = Path::new(&moto).parent().expect("moto_server lies in a venv").join("python");
    let program =
        "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin.buffer.read().decode()))))";
    let mut child = Command::new(python)
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the venv of moto_server has a python");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "PyYAML refuses:\n{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn two_imports_of_one_world_are_the_same_and_the_second_has_nothing_left() {
    let platform = undeclared("import-twice");
    put_shop(&platform);
    let first = import(&platform, "bare", "-", &EVERYTHING).exits(0);
    assert_eq!(first.stdout, import(&platform, "bare", "-", &EVERYTHING).exits(0).stdout);
    assert!(documents(&first.stdout).len() >= 10, "{}", first.stdout);

    import(&platform, "bare", "imported", &EVERYTHING).exits(0);
    let before = files(&platform.scratch.file("imported"));
    import(&platform, "bare", "imported", &EVERYTHING).exits(1).complains(&["is there already"]);
    assert_eq!(before, files(&platform.scratch.file("imported")), "nothing is overwritten");

    platform
        .scratch
        .write("imported/environments.yaml", fs::read(platform.scratch.file("bare/environments.yaml")).unwrap());
    import(&platform, "imported", "more", &EVERYTHING).exits(0).complains(&["nothing to import"]);
    assert!(!platform.scratch.file("more").exists());
}

#[test]
fn what_a_manifest_or_a_deployers_table_names_is_left_alone() {
    let platform = Platform::new("import-declared");
    let outcome = import(&platform, "desired-state", "imported", &EVERYTHING).exits(0);
    outcome.complains(&["left out: 3 × things that the items of a StateTable name"]);
    let files = files(&platform.scratch.file("imported"));
    let names: Vec<(String, String)> = imported(&files).into_keys().collect();
    let group = |name: &str| ("TargetGroup".to_owned(), name.to_owned());
    assert_eq!(names, [group("api"), group("worker")], "nothing else is undeclared");
    assert!(
        files.contains_key("apps/api.yaml"),
        "the balancer before it is declared as part of api: {:?}",
        files.keys()
    );
    assert_eq!(check(&platform, &["desired-state", "imported"]).0, 0);

    platform.delete_worker();
    let (_, report) = check(&platform, &["desired-state", "imported"]);
    let orphans = report["findings"].as_array().unwrap().iter().filter(|finding| finding["drift"] == "orphaned");
    assert_eq!(orphans.count(), 4, "an import makes nobody's leftovers somebody's: {report}");
}

#[test]
fn half_a_world_is_not_imported() {
    let platform = undeclared("import-half");
    let balancers = ["--load-balancers"];
    platform.fault(Service::Elbv2, Some("DescribeListeners"), Effect::ServerError { status: 500 });
    let outcome = import(&platform, "bare", "imported", &balancers).exits(1);
    outcome.complains(&["load_balancers/111122223333/eu-west-1", "half an import would be a lie"]);
    assert!(!platform.scratch.file("imported").exists());

    platform.heal();
    platform.fault(Service::Elbv2, Some("DescribeListeners"), Effect::Denied);
    import(&platform, "bare", "imported", &balancers).exits(0).complains(&["the role may not read it"]);
    let text = files(&platform.scratch.file("imported")).into_values().collect::<String>();
    assert!(text.contains("kind: LoadBalancer") && !text.contains("listeners:"), "{text}");
    platform.heal();
    assert_eq!(check(&platform, &["bare", "imported"]).0, 0);

    let outcome = import(&platform, "bare", "moon", &["--cluster", "moon"]).exits(1);
    outcome.complains(&["moon", "its services are unknown, not gone"]);
}

#[test]
fn without_flags_the_inventories_say_what_to_import() {
    let platform = undeclared("import-inventory");
    let outcome = import(&platform, "bare", "imported", &[]).exits(1).complains_in_one_line();
    outcome.complains(&["--cluster NAME", "--hosted-zone", "Inventory"]);
    let inventory = "apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: harbor, environments: [production]}
spec: {scope: {ecsCluster: harbor}}
";
    platform.scratch.write("bare/inventory.yaml", inventory);
    import(&platform, "bare", "imported", &[]).exits(0);
    let names: Vec<(String, String)> = imported(&files(&platform.scratch.file("imported"))).into_keys().collect();
    let service = |name: &str| ("EcsService".to_owned(), name.to_owned());
    assert_eq!(names, [service("api"), service("worker")]);
}

#[test]
fn flags_that_name_nothing_are_errors_with_a_hint() {
    let platform = undeclared("import-flags");
    for (flags, hint) in [
        (["--hosted-zone", "moon:example.com"], "its accounts are: dns, main"),
        (["--hosted-zone", "a b"], "no DNS name"),
        (["--table", "a/b"], "write the name alone"),
        (["--cluster", "arn:aws:ecs:eu-west-1:111122223333:cluster/harbor"], "not an ARN"),
    ] {
        import(&platform, "bare", "imported", &flags).exits(1).complains_in_one_line().complains(&[hint]);
    }
    let region = ["--cluster", CLUSTER, "--region", "us-east-1"];
    import(&platform, "bare", "imported", &region).exits(1).complains_in_one_line().complains(&["eu-west-1"]);
    assert!(platform.cloud.calls().is_empty(), "no cloud is asked with such flags");
}

#[test]
fn cloud_foundry_is_imported_only_where_the_environment_has_one() {
    let platform = undeclared("import-no-foundation");
    let flags: [&[&str]; 3] = [&["--cf-organization", "gds"], &["--cf-space", "production"], &["--cf-foundation"]];
    for flags in flags {
        let outcome = import(&platform, "bare", "imported", flags).exits(1).complains_in_one_line();
        outcome.complains(&["environment `production` declares no Cloud Foundry", "spec.cloudFoundry"]);
    }
    let two = ["--cf-organization", "a", "--cf-organization", "b", "--cf-space", "c"];
    platform.scratch.write("bare/environments.yaml", ORGANIZATIONS);
    let outcome = import(&platform, "bare", "imported", &two).exits(1).complains_in_one_line();
    outcome.complains(&["--cf-space: of which organisation?"]);
}
