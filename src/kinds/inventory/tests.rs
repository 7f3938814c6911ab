//! What an Inventory may say, and what it is told when it says something else.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::core::desired::{Account, Auth, Class, Environment, Foundation, InventoryRules};
use crate::core::identity::{ObjectKey, Select};
use crate::core::redact::Redactor;
use crate::core::value::Source;
use crate::kinds::Rules;

fn declaration(spec: serde_json::Value, organizations: &[&str]) -> Result<Declaration, Vec<SpecProblem>> {
    let account = |id: &str| Account {
        id: id.into(),
        regions: vec!["eu-west-1".into()],
        observe_role: None,
        budgets: BTreeMap::new(),
    };
    let foundation = Foundation {
        api: "https://api.example.com".into(),
        host: "api.example.com".into(),
        organizations: organizations.iter().map(|name| ((*name).into(), None)).collect(),
        every: false,
        auth: Auth::Client { id: "moored".into(), secret_file: "/run/secrets/cf".into() },
    };
    let environment = Environment {
        name: "production".into(),
        class: Class::Production,
        accounts: BTreeMap::from([("main".into(), account("111122223333")), ("dns".into(), account("444455556666"))]),
        foundation: Some(foundation),
        visible: BTreeSet::new(),
        source: Source { file: "environment.yaml".into(), line: 1 },
    };
    let spec: InventorySpec = serde_json::from_value(spec).unwrap();
    spec::resolve(&spec, &Setting::new(&environment, "example-com", &Redactor::new(&[7; 32])))
}

fn rules(declaration: Declaration) -> InventoryRules {
    match declaration.rules {
        Some(Rules::Inventory(rules)) => rules,
        other => panic!("{other:?}"),
    }
}

fn resolve(spec: serde_json::Value) -> Result<(String, InventoryRules), Vec<SpecProblem>> {
    let declaration = declaration(spec, &["gds"])?;
    Ok((declaration.scope.to_string(), rules(declaration)))
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
        (json!({ "cfSpace": "prod" }), "cf_organization/api.example.com/cf/gds"),
        (json!({ "cfOrganization": "gds" }), "cf_organization/api.example.com/cf/gds"),
        (json!({ "cfSpace": "prod", "cfOrganization": "gds" }), "cf_organization/api.example.com/cf/gds"),
        (json!({ "cfFoundation": true }), "cf_foundation/api.example.com/cf"),
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
    assert_eq!(
        problem(json!({ "scope": { "cfOrganization": "gds", "cfFoundation": true } })),
        "scope: the inventory names two scopes: cfOrganization and cfFoundation"
    );
    assert_eq!(
        problem(json!({ "scope": { "cfSpace": "prod", "account": "main" } })),
        "scope.account: `cfSpace` has no account: Cloud Foundry is no part of an AWS account"
    );
    assert_eq!(
        problem(json!({ "scope": { "cfOrganization": "gsd" } })),
        "scope.cfOrganization: environment `production` has no organisation `gsd`"
    );
    assert_eq!(problem(json!({ "scope": { "cfSpace": " " } })), "scope.cfSpace: the space has no name");
    assert_eq!(
        problem(json!({ "scope": { "cfFoundation": true }, "exhaustive": true })),
        "exhaustive: an app is declared in its organisation, not in the foundation"
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

#[test]
fn inventories_of_two_spaces_of_one_organisation_are_two() {
    let of = |space: &str| declaration(json!({ "scope": { "cfSpace": space } }), &["gds"]).unwrap();
    let (prod, staging) = (of("Prod"), of("staging"));
    assert_eq!(&*prod.id, "inventory/cf_organization/api.example.com/cf/gds/prod");
    assert_eq!(prod.select, Select::Key("production/prod".into()));
    assert_ne!((&prod.id, &prod.select), (&staging.id, &staging.select));
    let within = rules(prod).within;
    assert!(within.covers(&ObjectKey::new("ServiceBinding", "prod/api/Db")));
    assert!(!within.covers(&ObjectKey::new("App", "prod-2/api")));
}

#[test]
fn a_space_of_one_of_several_organisations_is_asked_which() {
    let problems = declaration(json!({ "scope": { "cfSpace": "prod" } }), &["a", "b"]).unwrap_err();
    let problem = problems.first().unwrap();
    assert_eq!(problem.path, ["scope", "cfOrganization"]);
    assert_eq!(problem.hint.as_deref(), Some("add `cfOrganization:` with one of: a, b"));
}

#[test]
fn a_foundation_is_watched_for_its_applications_alone() {
    let (_, rules) = resolve(json!({ "scope": { "cfFoundation": true }, "watch": { "vanished": true } })).unwrap();
    assert!(rules.within.covers(&ObjectKey::new("App", "gds/prod/api")));
    assert!(!rules.within.covers(&ObjectKey::new("Buildpacks", "ruby_buildpack||buildpack")));
}

#[test]
fn an_exception_in_cloud_foundry_is_spelled_in_any_case() {
    let except = json!([{ "name": "CATS-*" }]);
    let (_, rules) = resolve(json!({ "scope": { "cfOrganization": "gds" }, "except": except })).unwrap();
    assert!(rules.except.first().unwrap().glob.matches("cats-1"));
}
