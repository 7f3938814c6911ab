//! The kind as a whole: a declaration against its own live form, and every branch of the proof.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use super::live::{Attribute, Attributes, Keeping, TableName, live};
use super::*;
use crate::core::compare::compare;
use crate::core::desired::{Account, Class, Environment};
use crate::core::identity::Select;
use crate::core::redact::Redactor;
use crate::core::value::Source;

fn resolve(spec: serde_json::Value) -> Result<Declaration, Vec<SpecProblem>> {
    let main = Account {
        id: "111122223333".into(),
        regions: vec!["eu-west-1".into()],
        observe_role: None,
        budgets: BTreeMap::new(),
    };
    let environment = Environment {
        name: "production".into(),
        class: Class::Production,
        accounts: BTreeMap::from([("main".into(), main)]),
        foundation: None,
        visible: BTreeSet::new(),
        source: Source { file: "environment.yaml".into(), line: 1 },
    };
    let spec: TableItemSpec = serde_json::from_value(spec).unwrap();
    spec::resolve(&spec, &Setting::new(&environment, "api", &Redactor::new(&[7; 32])))
}

#[test]
fn an_item_does_not_differ_from_its_own_live_form_though_templates_read_it() {
    let declaration = resolve(json!({
        "table": "deployments",
        "key": { "service": "api", "shard": "1.0" },
        "keyTypes": { "shard": "N" },
        "attributes": { "count": "2.50", "owner": "werkzeug", "open": "true", "hosts": "[\"a\",\"b\"]" },
        "attributeTypes": { "count": "N" },
    }))
    .unwrap();
    assert_eq!(declaration.select, Select::Key("service=api,shard=1".into()));
    assert_eq!(&*declaration.id, "arn:aws:dynamodb:eu-west-1:111122223333:table/deployments/service=api,shard=1");
    let text = |text: &str| Attribute::Text(text.to_owned());
    let attributes: Attributes = BTreeMap::from([
        ("service".to_owned(), text("api")),
        ("shard".to_owned(), Attribute::Number("1".to_owned())),
        ("count".to_owned(), Attribute::Number("2.5".to_owned())),
        ("owner".to_owned(), text("werkzeug")),
        ("open".to_owned(), Attribute::Bool(true)),
        ("hosts".to_owned(), Attribute::List(vec![text("a"), text("b")])),
    ]);
    let table = TableName { account: "111122223333".into(), region: "eu-west-1".into(), table: "deployments".into() };
    let redactor = Redactor::new(&[7; 32]);
    let keeping = Keeping { redactor: &redactor, plain: &BTreeSet::from(["owner".into()]), visible: &BTreeSet::new() };
    let live = live(&attributes, "service=api,shard=1", &table, &keeping);
    let comparison = compare(&declaration.expects, &live.fields);
    assert!(comparison.differing.is_empty(), "{:?}", comparison.differing);
    assert_eq!(declaration.expects.len(), 4);
    assert_eq!(live.id, declaration.id);
}

#[test]
fn every_problem_of_a_spec_is_said_at_once() {
    let problems = resolve(json!({
        "table": "arn:aws:dynamodb:eu-west-1:111122223333:table/deployments",
        "key": { "a": "1", "b": "x", "c": "3" },
        "keyTypes": { "b": "N", "d": "S" },
        "attributes": { "a": "1" },
    }))
    .unwrap_err();
    let places: Vec<String> = problems.iter().map(|problem| problem.path.join(".")).collect();
    assert_eq!(places, ["table", "key", "keyTypes.d", "key.b", "attributes.a"]);
}

#[test]
fn only_a_consistent_question_for_this_very_item_proves_its_absence() {
    let at: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
    let ask = Ask { kind: KIND, select: Select::Key("service=api".into()) };
    let mut reading = Reading::begin(at);
    (reading.listed, reading.complete) = (true, true);
    assert_eq!(TableItem.absence(&ask, &reading, None).unwrap_err().reason, Reason::Unconfirmed);
    let failure = Failure::new(Reason::Throttled, "x");
    reading.answers.insert(ask.clone(), NamedAnswer::Unknown(failure.clone()));
    assert_eq!(TableItem.absence(&ask, &reading, None), Err(failure));
    reading.answers.insert(ask.clone(), NamedAnswer::NotFound);
    assert!(TableItem.absence(&ask, &reading, None).is_err());
    reading.answers.insert(ask.clone(), NamedAnswer::NoItem);
    assert!(TableItem.absence(&ask, &reading, None).is_ok());
}
