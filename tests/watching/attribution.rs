//! Who did it: what CloudTrail says of the people who changed something, in the diff and in the
//! report, and what is said where it does not tell or may not be asked.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use moored::clock::Clock;
use moored::sim::world::faults::{Effect, Match, Rule};
use moored::sim::world::{Caller, Service, ecs};
use serde_json::{Value, json};

use crate::common::daemon::{Daemon, get};
use crate::common::platform::{CLUSTER, DNS, MAIN, Platform, REGION, SECRETS, SETTINGS};
use crate::common::{PATIENCE, moored, text};
use crate::people::{act, change_records, cname, drift, set};

/// Where the record of `api` leads, as declared.
const BALANCER: &str = "api-1420117001.eu-west-1.elb.amazonaws.com";

const DENIED: &str = "the role may not read CloudTrail (cloudtrail:LookupEvents)";
const ITEMS: &str = "item writes are data events: LookupEvents never shows them";

/// Asks again until this is so of the answer; fails with the last answer.
#[track_caller]
fn becomes<T: Debug>(what: &str, mut probe: impl FnMut() -> T, is_so: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = probe();
        if is_so(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}\n{found:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Who did it, as an attribution says.
fn actor(attribution: &Value) -> String {
    ["actor", "event"].map(|member| attribution[member].as_str().unwrap()).join(" ")
}

/// The report's findings, each with who did it.
fn findings(api: SocketAddr) -> Vec<Value> {
    get(api, "/api/v1/report").json()["findings"].as_array().unwrap().clone()
}

fn blamed(findings: &[Value]) -> BTreeSet<String> {
    let told = |finding: &Value| {
        let attribution = &finding["attribution"];
        let by = if attribution.is_null() { "nobody".to_owned() } else { actor(attribution) };
        format!("{} {}: {by}", finding["drift"].as_str().unwrap(), finding["kind"].as_str().unwrap())
    };
    findings.iter().map(told).collect()
}

/// The recorded changes, each with who did it or why that is not known.
fn recorded(api: SocketAddr) -> BTreeSet<String> {
    let told = |change: &Value| {
        let attributed = &change["attributed"];
        let by = match (attributed.get("by"), attributed.get("notVisible").and_then(Value::as_str)) {
            (Some(by), _) => actor(by),
            (None, Some(why)) => why.to_owned(),
            (None, None) => attributed.to_string(),
        };
        format!("{} {}: {by}", change["what"].as_str().unwrap(), change["kind"].as_str().unwrap())
    };
    get(api, "/api/v1/history").json()["changes"].as_array().unwrap().iter().map(told).collect()
}

/// The trail is asked a quarter of a minute after the start: all that it is asked in this test is
/// asked in that one turn.
#[test]
fn who_did_it_is_told_where_the_trail_says_so_and_elsewhere_why_not() {
    let platform = Platform::new("watching-who");
    let in_dns = Match { account: Some(DNS.to_owned()), service: Some(Service::CloudTrail), operation: None };
    platform.cloud.with_world(|world| {
        world.cloudtrail.delay = SignedDuration::ZERO;
        world.faults.add(Rule::always(in_dns, Effect::Denied));
    });
    let state = platform.scratch.file("moored.db");
    let mut daemon = Daemon::start(&platform, &["--state", text(&state), "--api-listen", "127.0.0.1:0"]);
    let api = daemon.address("--api-listen");
    daemon.settled();

    let began = Clock::wall().now();
    let [alice, bob, dave] = ["alice", "bob", "dave"].map(|name| Caller::user(MAIN, REGION, name));
    let fewer = json!({ "cluster": CLUSTER, "service": "api", "desiredCount": 1 });
    act(&platform, &alice, Service::Ecs, "UpdateService", fewer);
    platform.cloud.with_world(|world| {
        let worker = ecs::of(world, &bob).service_mut(CLUSTER, "worker").expect("the worker runs");
        worker.drains_for = SignedDuration::ZERO;
    });
    let gone = json!({ "cluster": CLUSTER, "service": "worker", "force": true });
    act(&platform, &bob, Service::Ecs, "DeleteService", gone);
    change_records(&platform, "carol", "UPSERT", &[cname("api", 300, BALANCER)]);
    let edge = json!({ "setting": { "S": "release" }, "channel": { "S": "edge" }, "signing_key": { "S": SECRETS[2] } });
    act(&platform, &dave, Service::DynamoDb, "PutItem", json!({ "TableName": SETTINGS, "Item": edge }));
    let metrics = daemon.until("everything is found", |metrics| drift(metrics).len() == 8);
    let known = set([
        "production changed DnsRecord api",
        "production changed EcsService api",
        "production changed TableItem release",
        "production missing EcsService worker",
    ]);
    assert!(drift(&metrics).is_superset(&known), "{}", metrics.text);

    let wanted = set([
        "changed DnsRecord: nobody",
        // CloudTrail may still tell of somebody else: a change waits six minutes for its name.
        "changed EcsService: nobody",
        "changed TableItem: nobody",
        "missing EcsService: bob DeleteService",
        "orphaned DnsRecord: bob DeleteService",
        "orphaned HealthCheck: bob DeleteService",
        "orphaned LoadBalancer: bob DeleteService",
        "orphaned TableItem: bob DeleteService",
    ]);
    let found = becomes("who did it", || findings(api), |findings| blamed(findings) == wanted);
    assert_eq!(found.len(), 8, "{found:#?}");
    // CloudTrail counts in whole seconds.
    let (from, until) = (began - SignedDuration::from_secs(1), Clock::wall().now());
    for finding in found.iter().filter(|finding| !finding["attribution"].is_null()) {
        let at: Timestamp = finding["attribution"]["at"].as_str().unwrap().parse().unwrap();
        assert!(from <= at && at <= until, "{finding}");
    }
    let wanted = BTreeSet::from([
        "changed EcsService: \"pending\"".to_owned(),
        "gone EcsService: bob DeleteService".to_owned(),
        format!("changed DnsRecord: {DENIED}"),
        format!("changed TableItem: {ITEMS}"),
    ]);
    becomes("the record says so too", || recorded(api), |recorded| recorded.is_superset(&wanted));
    moored(["diff", "--since", "10m", "--state", text(&state)]).exits(0).hides(&SECRETS).says(&[
        "desiredCount: 2 → 1",
        "by: not known yet",
        "gone      EcsService worker",
        "by bob (DeleteService at ",
        "ttl: 60 → 300",
        &format!("by: not visible: {DENIED}"),
        "channel: stable → edge",
        &format!("by: not visible: {ITEMS}"),
    ]);

    // Who may not ask is left alone for a while, and finds what it finds as before.
    let asked = platform.cloud.calls().into_iter().filter(|call| call.operation == "LookupEvents");
    assert_eq!(asked.filter(|call| call.account == DNS).count(), 1);
    platform.set_ttl(60);
    let metrics = daemon.until("the record is mended", |metrics| drift(metrics).len() == 7);
    assert!(!drift(&metrics).contains("production changed DnsRecord api"), "{}", metrics.text);
    assert_eq!(metrics.sum("moored_observation_failures_total", &[]), 0.0, "{}", metrics.text);
}
