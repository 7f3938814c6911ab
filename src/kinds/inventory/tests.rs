//! What an Inventory may say, and what it is told when it says something else.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::core::desired::{Account, Class, Environment, InventoryRules};
use crate::core::redact::Redactor;
use crate::core::value::Source;
use crate::kinds::Rules;

fn resolve(spec: serde_json::Value) -> Result<(String, InventoryRules), Vec<SpecProblem>> {
    let account = |id: &str| Account {
        id: id.into(),
        regions: vec!["eu-west-1".into()],
        observe_role: None,
        budgets: BTreeMap::new(),
    };
    let environment = Environment {
        name: "production".into(),
        class: Class::Production,
        accounts: BTreeMap::from([("main".into(), account("111122223333")), ("dns".into(), account("444455556666"))]),
        visible: BTreeSet::new(),
        source: Source { file: "environment.yaml".into(), line: 1 },
    };
    let spec: InventorySpec = serde_json::from_value(spec).unwrap();
    let setting = Setting { environment: &environment, name: "example-com", redactor: &Redactor::new(&[7; 32]) };
    let declaration = spec::resolve(&spec, &setting)?;
    match declaration.rules {
        Some(Rules::Inventory(rules)) => Ok((declaration.scope.to_string(), rules)),
        other => panic!("{other:?}"),
    }
}

fn problem(spec: serde_json::Value) -> String {
    let problems = resolve(spec).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.into_iter().next().unwrap();
    format!("{}: {}", problem.path.join("."), problem.message)
}

#[test]
fn the_designs_example_watches_the_zone_of_another_account() {
    let (scope, rules) = resolve(json!({
        "scope": { "hostedZone": "Example.com.", "account": "dns" },
        "exhaustive": true,
        "except": [{ "name": "_acme-challenge.*" }, { "name": "CATS-*", "atMost": "45m" }],
        "watch": { "vanished": true, "maxDrop": "20%", "over": "10m", "floor": 20 },
        "decides": "environment",
    }))
    .unwrap();
    assert_eq!(scope, "hosted_zone/444455556666/global/example.com");
    assert!(rules.exhaustive && rules.vanished && rules.decides);
    let census = rules.census.unwrap();
    assert_eq!((census.max_drop, census.over.as_mins(), census.floor), (20, 10, 20));
    let times: Vec<_> = rules.except.iter().map(|except| except.at_most.map(|time| time.as_mins())).collect();
    assert_eq!(times, [None, Some(45)]);
}

#[test]
fn every_scope_can_be_watched() {
    for (spec, scope) in [
        (json!({ "ecsCluster": "wonderland" }), "ecs_cluster/111122223333/eu-west-1/wonderland"),
        (json!({ "table": "deployments" }), "table/111122223333/eu-west-1/deployments"),
        (json!({ "healthChecks": true }), "health_checks/111122223333/global"),
        (json!({ "loadBalancers": true, "account": "dns" }), "load_balancers/444455556666/eu-west-1"),
    ] {
        assert_eq!(resolve(json!({ "scope": spec })).unwrap().0, scope);
    }
}

#[test]
fn what_makes_no_sense_is_told_with_its_place() {
    let zone = json!({ "hostedZone": "example.com" });
    assert_eq!(problem(json!({ "scope": {} })), "scope: the inventory names no scope");
    assert_eq!(
        problem(json!({ "scope": { "ecsCluster": "a", "table": "b" } })),
        "scope: the inventory names two scopes: ecsCluster and table"
    );
    assert_eq!(
        problem(json!({ "scope": { "healthChecks": true, "region": "eu-west-1" } })),
        "scope.region: `healthChecks` has no region: Route 53 is global"
    );
    assert_eq!(
        problem(json!({ "scope": { "hostedZone": "example.com", "account": "prod" } })),
        "scope.account: environment `production` has no account `prod`"
    );
    assert_eq!(problem(json!({ "scope": zone, "watch": { "maxDrop": "120%" } })), "watch.maxDrop: `120%` is no part");
    assert_eq!(
        problem(json!({ "scope": zone, "watch": { "floor": 3 } })),
        "watch: `over` and `floor` say nothing without `maxDrop`"
    );
    assert_eq!(
        problem(json!({ "scope": zone, "except": [{ "name": "a" }, { "name": "b", "atMost": "soon" }] })),
        "except.1.atMost: `soon` is no duration"
    );
    assert_eq!(
        problem(json!({ "scope": zone, "except": [{ "name": "a", "kind": "Dns" }] })),
        "except.0.kind: unknown kind `Dns`"
    );
    assert_eq!(problem(json!({ "scope": zone, "decides": "environment" })), "decides: nothing here can collapse");
}

#[test]
fn an_exception_of_a_zone_is_spelled_in_any_case() {
    let (_, rules) = resolve(json!({
        "scope": { "hostedZone": "example.com", "account": "dns" }, "except": [{ "name": "CATS-*" }],
    }))
    .unwrap();
    assert!(rules.except.first().unwrap().glob.matches("cats-1.example.com"));
}
