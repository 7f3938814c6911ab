//! The kind as a whole: a declaration against its own live form, and every branch of the proof.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::definition::{ObservedContainer, ObservedDefinition, ObservedMount, ObservedPort, Secrets, facts};
use super::live::tests::{cluster, observed};
use super::live::{Detail, Observed, live};
use super::*;
use crate::core::asks::Facet;
use crate::core::compare::compare;
use crate::core::desired::{Account, Class, Environment};
use crate::core::identity::Select;
use crate::core::redact::Redactor;
use crate::core::value::{Expect, Path, Source};

fn environment() -> Environment {
    let main = Account {
        id: "111122223333".into(),
        regions: vec!["eu-west-1".into()],
        observe_role: None,
        budgets: BTreeMap::new(),
    };
    Environment {
        name: "production".into(),
        class: Class::Production,
        accounts: BTreeMap::from([("main".into(), main)]),
        foundation: None,
        visible: BTreeSet::from(["LOG_LEVEL".into()]),
        source: Source { file: "environment.yaml".into(), line: 1 },
    }
}

fn resolve(spec: serde_json::Value) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: EcsServiceSpec = serde_json::from_value(spec).unwrap();
    let (environment, redactor) = (environment(), Redactor::new(&[7; 32]));
    spec::resolve(&spec, &Setting::new(&environment, "deployer-api", &redactor))
}

/// What ECS would show of the service that `full_spec` declares, its defaults left out.
fn canonical() -> Observed {
    let definition = ObservedDefinition {
        cpu: Some("256".to_owned()),
        memory: Some("512".to_owned()),
        network_mode: Some("awsvpc".to_owned()),
        task_role_arn: None,
        execution_role_arn: None,
        containers: vec![ObservedContainer {
            name: "api".to_owned(),
            image: Some("docker.io/jimdo/deployer".to_owned()),
            cpu: 0,
            memory: None,
            memory_reservation: Some(128),
            essential: None,
            environment: vec![("TOKEN".to_owned(), "hunter2".to_owned()), ("LOG_LEVEL".to_owned(), "info".to_owned())],
            command: vec!["serve".to_owned(), "8080".to_owned()],
            entry_point: Vec::new(),
            port_mappings: vec![ObservedPort { container_port: 8080, host_port: None, protocol: None }],
            mount_points: vec![ObservedMount {
                container_path: "/var/lib/data.d".to_owned(),
                source_volume: Some("data".to_owned()),
                read_only: None,
            }],
        }],
    };
    let redactor = Redactor::new(&[7; 32]);
    let service_arn = cluster().service_arn("deployer-api");
    let visible: BTreeSet<Arc<str>> = environment().visible;
    let secrets = Secrets { service_arn: &service_arn, redactor: &redactor, visible: &visible };
    let mut service = observed();
    service.definition = Detail::Known(facts(&definition, &secrets));
    service.tags = Detail::Known(vec![("team".to_owned(), "werkzeug".to_owned())]);
    service
}

fn full_spec() -> serde_json::Value {
    json!({
        "cluster": "wonderland",
        "capacity": { "min": 2, "max": 6 },
        "launchType": "fargate",
        "schedulingStrategy": "REPLICA",
        "taskDefinition": {
            "family": "deployer-api", "revision": 42, "cpu": "0.25 vCPU", "memory": "512", "networkMode": "awsvpc",
            "containers": { "api": {
                "image": { "repository": "jimdo/deployer", "tag": "latest" },
                "environment": { "LOG_LEVEL": "info", "TOKEN": "hunter2" },
                "command": ["serve", "8080"],
                "entryPoint": [],
                "cpu": 0,
                "memoryReservation": 128,
                "essential": true,
                "portMappings": { "8080": { "hostPort": 8080, "protocol": "TCP" } },
                "mountPoints": { "/var/lib/data.d": { "sourceVolume": "data", "readOnly": false } },
            } },
        },
        "loadBalancers": {
            "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/api/6d0ecf831eec9f09": { "containerName": "api", "containerPort": 8080 },
        },
        "tags": { "team": "werkzeug" },
    })
}

#[test]
fn a_service_does_not_differ_from_its_own_live_form() {
    let declaration = resolve(full_spec()).unwrap();
    let comparison = compare(&declaration.expects, &live(&canonical(), &cluster()).fields);
    assert_eq!(comparison.differing, Vec::new());
    assert!(comparison.unknown.is_empty());
    assert_eq!(declaration.facets, BTreeSet::from([Facet::TaskDefinition, Facet::Tags]));
    assert_eq!(*declaration.id, *live(&canonical(), &cluster()).id);
}

#[test]
fn a_differing_secret_is_seen_and_not_shown() {
    let mut spec = full_spec();
    spec["taskDefinition"]["containers"]["api"]["environment"] = json!({ "LOG_LEVEL": "debug", "TOKEN": "hunter3" });
    let comparison = compare(&resolve(spec).unwrap().expects, &live(&canonical(), &cluster()).fields);
    let shown: Vec<String> =
        comparison.differing.iter().map(|field| format!("{}: {} {}", field.path, field.desired, field.live)).collect();
    let env = "taskDefinition.containers.api.environment";
    assert_eq!(
        shown,
        [format!("{env}.LOG_LEVEL: \"debug\" \"info\""), format!("{env}.TOKEN: \"(secret)\" \"(secret)\"")]
    );
}

#[test]
fn an_undeclared_tag_and_an_undeclared_variable_are_not_compared() {
    let spec = json!({ "cluster": "wonderland", "taskDefinition": { "containers": { "api": { "image": "jimdo/deployer" } } } });
    let comparison = compare(&resolve(spec).unwrap().expects, &live(&canonical(), &cluster()).fields);
    assert!(comparison.differing.is_empty());
}

#[test]
fn a_count_is_fixed_or_bounded_but_never_both() {
    let of = |more: serde_json::Value| {
        let mut spec = json!({ "cluster": "wonderland" });
        for (field, value) in more.as_object().unwrap() {
            spec[field.as_str()] = value.clone();
        }
        resolve(spec)
    };
    let bounded = of(json!({ "capacity": { "min": 3 } })).unwrap();
    assert_eq!(bounded.expects, vec![(Path::from("desiredCount"), Expect::Between(Some(3), None))]);
    for wrong in [
        json!({ "capacity": { "min": 3 }, "desiredCount": 3 }),
        json!({ "capacity": {} }),
        json!({ "capacity": { "min": 3, "max": 2 } }),
    ] {
        let problems = of(wrong).unwrap_err();
        assert_eq!(problems.iter().map(|problem| problem.path.join(".")).collect::<Vec<_>>(), ["capacity"]);
    }
}

#[test]
fn every_problem_of_a_spec_is_said_at_once() {
    let problems = resolve(json!({
        "cluster": "arn:aws:ecs:eu-west-1:111122223333:cluster/wonderland",
        "launchType": "LAMBDA",
        "taskDefinition": { "containers": { "api": { "portMappings": { "http": {} } } } },
        "loadBalancers": { "arn:aws:elasticloadbalancing:eu-west-1:444455556666:targetgroup/api/6d0e": { "containerPort": 80 } },
    }))
    .unwrap_err();
    let places: Vec<String> = problems.iter().filter_map(|problem| problem.path.first().cloned()).collect();
    assert_eq!(places, ["cluster", "launchType", "taskDefinition", "loadBalancers"]);
}

const CREATED: &str = "2026-11-20T10:00:00.611Z";

fn proof(answer: Option<NamedAnswer>, listed: bool, remembered: Option<&str>) -> Result<Proof, Failure> {
    let at: Timestamp = CREATED.parse().unwrap();
    let ask = Ask { kind: KIND, select: Select::Key("deployer-api".into()) };
    let mut reading = Reading::begin(at);
    reading.complete = true;
    reading.listed = listed;
    reading.answers.extend(answer.map(|answer| (ask.clone(), answer)));
    let known = ObjectMemory {
        id: "arn".into(),
        incarnation: remembered.map(Into::into),
        addresses: Vec::new(),
        former: Vec::new(),
        first_seen: at,
        marks: BTreeMap::new(),
        watched: crate::core::memory::Watched::No,
        absent_since: None,
        gone_since: None,
    };
    EcsService.absence(&ask, &reading, remembered.is_some().then_some(&known))
}

#[test]
fn inactive_proves_the_loss_of_the_incarnation_that_was_known() {
    let inactive = || Some(NamedAnswer::Inactive(Some(CREATED.into())));
    assert!(proof(inactive(), false, Some(CREATED)).unwrap().deleted);
    let other = proof(inactive(), false, Some("2026-11-20T11:00:00Z")).unwrap_err();
    assert_eq!(other.reason, Reason::Stale);
    // An earlier incarnation than the one that was seen: the answer is an old one, list or no list.
    assert_eq!(proof(inactive(), true, Some("2026-11-20T11:00:00Z")).unwrap_err().reason, Reason::Stale);
    assert!(!proof(inactive(), true, Some("2026-11-20T09:00:00Z")).unwrap().deleted);
}

#[test]
fn inactive_of_an_unknown_incarnation_needs_a_complete_list() {
    let inactive = || Some(NamedAnswer::Inactive(Some(CREATED.into())));
    assert_eq!(proof(inactive(), false, None).unwrap_err().reason, Reason::Unconfirmed);
    assert!(!proof(inactive(), true, None).unwrap().deleted);
    // Without a createdAt nothing says which incarnation it was, not even to one who knew none.
    assert_eq!(proof(Some(NamedAnswer::Inactive(None)), false, None).unwrap_err().reason, Reason::Unconfirmed);
}

#[test]
fn missing_needs_a_complete_list() {
    assert_eq!(proof(Some(NamedAnswer::Missing), false, Some(CREATED)).unwrap_err().reason, Reason::Unconfirmed);
    assert!(proof(Some(NamedAnswer::Missing), true, Some(CREATED)).is_ok());
}

#[test]
fn a_list_alone_and_a_failed_question_prove_nothing() {
    assert_eq!(proof(None, true, Some(CREATED)).unwrap_err().reason, Reason::Unconfirmed);
    let failure = Failure::new(Reason::Server, "x");
    assert_eq!(proof(Some(NamedAnswer::Unknown(failure.clone())), true, None), Err(failure));
    assert!(proof(Some(NamedAnswer::NoItem), true, None).is_err());
}
