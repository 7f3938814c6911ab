//! F10 and F17: what is looked for where it is not. A missing table, a region that does not have it
//! and a cluster that nobody names are no missing items and services.

use std::collections::BTreeSet;

use moored::core::redact::Redactor;
use moored::engine::roots::Roots;
use moored::sim::world::{Caller, Service, dynamodb};
use serde_json::json;

use super::common::Scratch;
use super::common::platform::{self, DEPLOYMENTS, MAIN, REGION, SETTINGS};
use super::world::{Lookout, OTHER_TTL, with};

const RELEASE: &str = "production TableItem/release";

#[tokio::test(flavor = "multi_thread")]
async fn f10_only_a_missing_item_is_a_missing_item() {
    let mut lookout = Lookout::settled("f10-item").await;
    let owner = Caller::root(MAIN, REGION);
    lookout.cloud.with_world(|world| {
        assert!(dynamodb::of(world, &owner).remove_item(SETTINGS, &json!({ "setting": { "S": "release" } })));
    });
    lookout.pass().await;
    assert_eq!(lookout.proven(), BTreeSet::from([format!("{RELEASE} missing")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_missing_table_is_no_missing_item_and_ends_no_finding() {
    let mut lookout = Lookout::bereft("f10-table").await;
    let before = lookout.open();
    for table in [SETTINGS, DEPLOYMENTS] {
        lookout.act(MAIN, Service::DynamoDb, "DeleteTable", json!({ "TableName": table }));
    }
    for _ in 0..3 {
        lookout.pass().await;
        assert_eq!(lookout.open(), before, "the items of a missing table are unknown");
        assert_eq!(lookout.unknown().get(RELEASE), Some(&"container_missing"));
        assert_eq!(lookout.unknown().get("production StateTable/deployments"), Some(&"container_missing"));
    }
    lookout.set_ttl(300);
    lookout.pass().await;
    assert_eq!(lookout.open(), with(&before, OTHER_TTL), "other scopes are read on");
}

/// The same item, declared in a region that has no such table.
#[tokio::test(flavor = "multi_thread")]
async fn f10_a_table_in_another_region_is_no_missing_item() {
    let mut lookout = Lookout::over("f10-region", false, |scratch| {
        std::fs::remove_file(scratch.file("desired-state/apps.yaml")).unwrap();
        scratch.write("desired-state/environments.yaml", ENVIRONMENT.replace("@region@", "eu-central-1"));
        scratch.write("desired-state/tables.yaml", ITEM);
    });
    for _ in 0..3 {
        lookout.pass().await;
        assert_eq!(lookout.open(), BTreeSet::new());
        assert_eq!(lookout.unknown().get(RELEASE), Some(&"container_missing"));
    }
    let asked = lookout.cloud.calls().into_iter().filter(|call| call.service == Service::DynamoDb);
    assert!(asked.clone().count() > 0 && asked.into_iter().all(|call| call.region == "eu-central-1"));
}

const ENVIRONMENT: &str = r#"apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  aws: {accounts: {main: {account: "111122223333", regions: [@region@]}}}
"#;

const ITEM: &str = r#"apiVersion: moored.dev/v1
kind: TableItem
metadata: {name: release, environments: [production]}
spec: {table: settings, key: {setting: release}, attributes: {channel: stable}}
"#;

/// The problems of these manifests, or none.
fn problems(name: &str, environment: &str, resource: &str) -> Vec<String> {
    let scratch = Scratch::new(name);
    scratch.write("desired-state/all.yaml", format!("{environment}---\n{resource}"));
    let start = "2026-11-20T10:00:00Z".parse().unwrap();
    let loaded = Roots::new(vec![scratch.file("desired-state")]).load(&Redactor::new(&[7; 32]), start);
    loaded.rejected.iter().flat_map(|rejected| &rejected.problems).map(|problem| problem.message.to_string()).collect()
}

const SERVICE: &str = r#"apiVersion: moored.dev/v1
kind: EcsService
metadata: {name: api, environments: [production]}
spec: {@cluster@desiredCount: 2@region@}
"#;

#[test]
fn f17_a_wrong_region_and_an_omitted_cluster_are_refused_when_the_manifests_are_loaded() {
    let environment = ENVIRONMENT.replace("@region@", "eu-west-1");
    let service = |cluster: &str, region: &str| SERVICE.replace("@cluster@", cluster).replace("@region@", region);
    assert_eq!(problems("f17-sound", &environment, &service("cluster: harbor, ", "")), Vec::<String>::new());

    let omitted = problems("f17-omitted", &environment, &service("", ""));
    assert!(omitted.iter().any(|problem| problem.contains("cluster")), "{omitted:?}");
    let empty = problems("f17-empty", &environment, &service("cluster: \"\", ", ""));
    assert!(!empty.is_empty(), "an empty name means the cluster `default`");
    let elsewhere = problems("f17-elsewhere", &environment, &service("cluster: harbor, ", ", region: us-east-1"));
    assert!(elsewhere.iter().any(|problem| problem.contains("us-east-1")), "{elsewhere:?}");
    let no_region =
        problems("f17-nonsense", &ENVIRONMENT.replace("@region@", "west"), &service("cluster: harbor, ", ""));
    assert!(no_region.iter().any(|problem| problem.contains("west")), "{no_region:?}");
    let two = ENVIRONMENT.replace("@region@", "eu-west-1, eu-central-1");
    let ambiguous = problems("f17-ambiguous", &two, &service("cluster: harbor, ", ""));
    assert!(ambiguous.iter().any(|problem| problem.contains("region")), "{ambiguous:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_every_request_to_ecs_names_its_cluster_by_full_arn() {
    let mut lookout = Lookout::bereft("f17-arns").await;
    lookout.passes(2).await;
    let about_clusters = ["DescribeClusters", "ListServices", "DescribeServices"];
    let asked: Vec<_> = lookout
        .cloud
        .calls()
        .into_iter()
        .filter(|call| !call.human && about_clusters.contains(&call.operation.as_str()))
        .collect();
    for operation in about_clusters {
        assert!(asked.iter().any(|call| call.operation == operation), "{operation} is never called");
    }
    for call in asked {
        let arn = format!("arn:aws:ecs:{REGION}:{}:cluster/{}", call.account, platform::CLUSTER);
        assert_eq!(call.container.as_deref(), Some(arn.as_str()), "{call:?}");
        assert_eq!(call.region, REGION);
    }
}
