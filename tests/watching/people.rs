//! What people do to the platform by hand, and small roots that watch it with next to nothing
//! declared. Decides nothing about what moored should say; reads scrapes as sets, so that nothing
//! more is said than what a test expects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use moored::sim::world::{Caller, Request, Service};
use serde_json::{Value, json};

use crate::common::exposition::{Labels, Metrics};
use crate::common::platform::{DNS, Platform, REGION, manifests};

/// The platform's zone, as moored names it.
pub const EXAMPLE_COM: &str = "hosted_zone/444455556666/global/example.com";
/// Production's cluster, as moored names it.
pub const HARBOR: &str = "ecs_cluster/111122223333/eu-west-1/harbor";
/// The platform's zone, as Route 53 names it.
pub const ZONE: &str = "Z0HARBOREXAMPLE";

/// The manifest of `production`, in which nothing is declared.
pub fn environment() -> String {
    let [_, (_, environments), _] = manifests();
    environments.split("---\n").next().unwrap().to_owned()
}

/// An Inventory of production.
pub fn inventory(name: &str, spec: &str) -> String {
    let metadata = format!("{{name: {name}, environments: [production]}}");
    format!("apiVersion: moored.dev/v1\nkind: Inventory\nmetadata: {metadata}\nspec: {spec}\n")
}

/// Makes these documents a root of their own.
pub fn root(platform: &Platform, folder: &str, documents: &[String]) -> PathBuf {
    platform.scratch.write(&format!("{folder}/all.yaml"), documents.join("---\n"));
    platform.scratch.file(folder)
}

/// A person's call.
pub fn act(platform: &Platform, who: &Caller, service: Service, operation: &str, input: Value) {
    let answer = platform.cloud.call(who, &Request::new(service, operation, input));
    answer.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
}

/// One batch of changes by somebody of the zone's account.
pub fn change_records(platform: &Platform, who: &str, action: &str, sets: &[Value]) {
    let changes: Vec<Value> = sets.iter().map(|set| json!({ "Action": action, "ResourceRecordSet": set })).collect();
    let input = json!({ "HostedZoneId": ZONE, "ChangeBatch": { "Changes": changes } });
    act(platform, &Caller::user(DNS, REGION, who), Service::Route53, "ChangeResourceRecordSets", input);
}

/// A record of the zone.
pub fn cname(name: &str, ttl: u32, target: &str) -> Value {
    let values = json!([{ "Value": target }]);
    json!({ "Name": format!("{name}.example.com"), "Type": "CNAME", "TTL": ttl, "ResourceRecords": values })
}

/// Texts as a set.
pub fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.into_iter().map(str::to_owned).collect()
}

/// Everything that a scrape calls drift, as `environment drift kind name`, with ` (held)` where it
/// is only that.
pub fn drift(metrics: &Metrics) -> BTreeSet<String> {
    let told = |labels: &Labels| {
        let own: Vec<(&str, &str)> = labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect();
        let held = if metrics.value("moored_finding_held", &own) == Some(1.0) { " (held)" } else { "" };
        let [environment, drift, kind, name] = ["environment", "drift", "kind", "name"].map(|label| &labels[label]);
        format!("{environment} {drift} {kind} {name}{held}")
    };
    metrics.all("moored_drift", &[]).into_iter().map(|(labels, _)| told(labels)).collect()
}

/// The severities of everything that drifts.
pub fn severities(metrics: &Metrics) -> Vec<String> {
    let all = metrics.all("moored_drift_severity", &[]);
    all.into_iter().map(|(labels, _)| labels["severity"].clone()).collect()
}

/// How many things are there undeclared, by environment and scope.
pub fn undeclared(metrics: &Metrics) -> BTreeMap<String, f64> {
    let all = metrics.all("moored_live_undeclared", &[]).into_iter();
    all.map(|(labels, count)| (format!("{} {}", labels["environment"], labels["scope"]), count)).collect()
}

/// The one verdict of production.
#[track_caller]
pub fn verdict(metrics: &Metrics) -> String {
    let all = metrics.all("moored_environment_verdict", &[("environment", "production")]).into_iter();
    let said: Vec<String> =
        all.filter(|(_, value)| *value == 1.0).map(|(labels, _)| labels["verdict"].clone()).collect();
    assert_eq!(said.len(), 1, "{}", metrics.text);
    said.concat()
}
