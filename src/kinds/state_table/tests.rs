//! What a StateTable may say, and what it is told when it says something else.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::core::desired::{Account, Class, Environment, Naming, WhenParentGone};
use crate::core::redact::Redactor;
use crate::core::value::Source;
use crate::kinds::{Rules, TableRules};

fn resolve(spec: serde_json::Value) -> Result<Declaration, Vec<SpecProblem>> {
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
        foundation: None,
        visible: BTreeSet::new(),
        source: Source { file: "environment.yaml".into(), line: 1 },
    };
    let spec: StateTableSpec = serde_json::from_value(spec).unwrap();
    spec::resolve(&spec, &Setting::new(&environment, "deployments", &Redactor::new(&[7; 32])))
}

fn with_pieces(pieces: serde_json::Value) -> Result<TableRules, Vec<SpecProblem>> {
    let declaration = resolve(json!({
        "table": "wonderland-deployments",
        "key": { "partition": "service" },
        "parent": { "kind": "EcsService", "cluster": "wonderland", "name": "{service}" },
        "writtenAt": "{updated_at}",
        "whenParentGone": "prune",
        "pieces": pieces,
    }))?;
    match declaration.rules {
        Some(Rules::Table(rules)) => Ok(rules),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_designs_example_names_every_piece_in_its_own_scope() {
    let rules = with_pieces(json!([
        { "kind": "LoadBalancer", "arn": "{load_balancer_arn}" },
        { "kind": "DnsRecord", "account": "dns", "zone": "Example.com.", "name": "{hostname}", "type": "cname", "optional": true },
        { "kind": "DnsRecord", "forEach": "{hostnames[]}", "zone": "example.com", "name": "{each}", "type": "CNAME", "set": "{set}" },
        { "kind": "HealthCheck", "id": "{health_check_id}" },
    ]))
    .unwrap();
    let scopes: Vec<String> = rules.pieces.iter().map(|piece| piece.scope.to_string()).collect();
    assert_eq!(
        scopes,
        [
            "load_balancers/111122223333/eu-west-1",
            "hosted_zone/444455556666/global/example.com",
            "hosted_zone/111122223333/global/example.com",
            "health_checks/111122223333/global",
        ]
    );
    let Some(Naming::Record { record_type, set: None, .. }) = rules.pieces.get(1).map(|piece| &piece.naming) else {
        unreachable!()
    };
    assert_eq!(&**record_type, "CNAME");
    assert_eq!(rules.parent_scope.to_string(), "ecs_cluster/111122223333/eu-west-1/wonderland");
    assert_eq!(
        (rules.when_parent_gone, rules.pieces.get(1).map(|piece| piece.optional)),
        (WhenParentGone::Prune, Some(true))
    );
}

#[test]
fn a_bad_piece_is_told_where_it_is_wrong() {
    let cases = [
        (json!({ "kind": "Bucket" }), "pieces.0.kind"),
        (json!({ "kind": "LoadBalancer" }), "pieces.0"),
        (json!({ "kind": "LoadBalancer", "arn": "{a", }), "pieces.0.arn"),
        (json!({ "kind": "LoadBalancer", "arn": "{a}", "zone": "example.com" }), "pieces.0.zone"),
        (json!({ "kind": "LoadBalancer", "arn": "{each}" }), "pieces.0.arn"),
        (json!({ "kind": "LoadBalancer", "arn": "{arns[]}" }), "pieces.0.arn"),
        (json!({ "kind": "LoadBalancer", "arn": "{a}", "forEach": "{arns[]}" }), "pieces.0.forEach"),
        (json!({ "kind": "LoadBalancer", "arn": "{each}", "forEach": "{arns}" }), "pieces.0.forEach"),
        (json!({ "kind": "HealthCheck", "id": "{id}", "account": "nowhere" }), "pieces.0.account"),
        (json!({ "kind": "HealthCheck", "id": "{id}", "region": "eu-west-1" }), "pieces.0.region"),
        (json!({ "kind": "DnsRecord", "zone": "{zone}", "name": "{n}", "type": "A" }), "pieces.0.zone"),
        (json!({ "kind": "DnsRecord", "zone": "example.com", "name": "{n}", "type": "CNAM" }), "pieces.0.type"),
    ];
    for (piece, place) in cases {
        let problems = with_pieces(json!([piece.clone()])).unwrap_err();
        let places: Vec<String> = problems.iter().map(|problem| problem.path.join(".")).collect();
        assert_eq!(places, [place], "{piece}");
    }
}

#[test]
fn an_unknown_piece_is_told_which_ones_there_are() {
    let problems = with_pieces(json!([{ "kind": "LoadBalancr", "arn": "{a}" }])).unwrap_err();
    let hint = problems.first().and_then(|problem| problem.hint.clone()).unwrap();
    assert!(hint.contains("LoadBalancer"), "{hint}");
}

#[test]
fn problems_of_parent_table_and_pieces_are_said_at_once() {
    let problems = resolve(json!({
        "table": "a b",
        "key": { "partition": "service" },
        "parent": { "kind": "App", "name": "{service}" },
        "writtenAt": "{updated_at",
        "pieces": [{ "kind": "Bucket" }],
    }))
    .unwrap_err();
    let places: Vec<String> = problems.iter().map(|problem| problem.path.join(".")).collect();
    assert_eq!(places, ["table", "parent.kind", "writtenAt", "pieces.0.kind"]);
}

#[test]
fn what_no_item_can_tell_apart_is_refused() {
    let problems = resolve(json!({
        "table": "deployments",
        "key": { "partition": "service", "sort": "service" },
        "parent": { "kind": "EcsService", "cluster": "wonderland", "name": "service" },
        "pieces": [
            { "kind": "LoadBalancer", "arn": "load_balancer_arn" },
            { "kind": "HealthCheck", "id": "health_check_id" },
            { "kind": "DnsRecord", "zone": "example.com", "name": "hostname.example.com", "type": "A" },
            { "kind": "DnsRecord", "zone": "example.com", "name": "api.example.com", "type": "A", "set": "{service}" },
        ],
    }))
    .unwrap_err();
    let places: Vec<String> = problems.iter().map(|problem| problem.path.join(".")).collect();
    assert_eq!(places, ["key.sort", "parent.name", "pieces.0.arn", "pieces.1.id", "pieces.2.name"]);
    assert!(problems.iter().all(|problem| problem.hint.is_some()));
}
