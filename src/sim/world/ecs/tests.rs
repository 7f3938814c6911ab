#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::sim::world::Service;

const NAME: &str = "api";

fn caller() -> Caller {
    Caller::root("111122223333", "eu-west-1")
}

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

fn call(world: &mut World, operation: &str, input: Value, second: i64) -> Answer {
    apply(world, &caller(), &Request::new(Service::Ecs, operation, input), at(second), 0)
}

/// Two tasks of a service have long been running in cluster `main`.
fn world() -> World {
    let mut world = World::with_accounts(["111122223333"]);
    of(&mut world, &caller()).put_running_service(&caller(), "main", NAME, 2, NAME, at(0));
    world
}

fn describe(world: &mut World, second: i64) -> Value {
    call(world, "DescribeServices", json!({"cluster": "main", "services": [NAME]}), second).unwrap()
}

fn service(world: &mut World, second: i64) -> Value {
    describe(world, second)["services"][0].clone()
}

fn counts(service: &Value) -> (u64, u64, u64) {
    let count = |member: &str| service[member].as_u64().unwrap();
    (count("desiredCount"), count("runningCount"), count("pendingCount"))
}

fn delete(world: &mut World, second: i64) -> Answer {
    call(world, "DeleteService", json!({"cluster": "main", "service": NAME, "force": true}), second)
}

fn create(second: i64, world: &mut World) -> Answer {
    let input = json!({"cluster": "main", "serviceName": NAME, "taskDefinition": NAME, "desiredCount": 1});
    call(world, "CreateService", input, second)
}

#[test]
fn more_than_ten_services_are_not_described_at_once() {
    let mut world = world();
    let names: Vec<String> = (0..11).map(|number| format!("s{number}")).collect();
    let error = call(&mut world, "DescribeServices", json!({"cluster": "main", "services": names}), 0).unwrap_err();
    assert_eq!(error.code, "InvalidParameterException");
    assert_eq!(error.message, "Services cannot have more than 10 elements");
}

#[test]
fn an_unknown_cluster_is_an_error_and_not_an_empty_list() {
    for (operation, input) in [
        ("ListServices", json!({"cluster": "gone"})),
        ("DescribeServices", json!({"cluster": "gone", "services": [NAME]})),
        ("ListServices", json!({})),
    ] {
        assert_eq!(call(&mut world(), operation, input, 0).unwrap_err().code, "ClusterNotFoundException");
    }
}

#[test]
fn a_cluster_of_another_account_is_refused_by_its_arn() {
    let input = json!({"cluster": "arn:aws:ecs:eu-west-1:999900001111:cluster/main"});
    let error = call(&mut world(), "ListServices", input, 0).unwrap_err();
    assert_eq!(error.message, "Identifier is for 999900001111. Your accountId is 111122223333");
}

#[test]
fn a_deleted_service_drains_turns_inactive_and_is_purged() {
    let mut world = world();
    delete(&mut world, 100).unwrap();
    let seen: Vec<_> = [100, 129, 130, 3_729]
        .map(|second| service(&mut world, second)["status"].as_str().unwrap().to_owned())
        .to_vec();
    assert_eq!(seen, ["DRAINING", "DRAINING", "INACTIVE", "INACTIVE"]);
    let gone = describe(&mut world, 3_730);
    assert_eq!(gone["services"], json!([]));
    let arn = "arn:aws:ecs:eu-west-1:111122223333:service/main/api";
    assert_eq!(gone["failures"], json!([{"arn": arn, "reason": "MISSING"}]));
}

#[test]
fn a_service_drains_as_long_as_its_balancer_lets_requests_finish() {
    let mut world = world();
    of(&mut world, &caller()).service_mut("main", NAME).unwrap().drains_for = SignedDuration::from_secs(300);
    delete(&mut world, 100).unwrap();
    let seen = [399, 400].map(|second| service(&mut world, second)["status"].as_str().unwrap().to_owned());
    assert_eq!(seen, ["DRAINING", "INACTIVE"]);
}

#[test]
fn a_draining_service_is_described_but_not_listed() {
    let mut world = world();
    delete(&mut world, 100).unwrap();
    assert_eq!(service(&mut world, 101)["status"], "DRAINING");
    let listed = call(&mut world, "ListServices", json!({"cluster": "main"}), 101).unwrap();
    assert_eq!(listed["serviceArns"], json!([]));
}

#[test]
fn a_service_that_still_runs_is_deleted_only_by_force() {
    let mut world = world();
    let input = json!({"cluster": "main", "service": NAME});
    let error = call(&mut world, "DeleteService", input.clone(), 10).unwrap_err();
    assert_eq!(error.message, "The service cannot be stopped while it is scaled above 0.");
    call(&mut world, "UpdateService", json!({"cluster": "main", "service": NAME, "desiredCount": 0}), 11).unwrap();
    call(&mut world, "DeleteService", input, 12).unwrap();
}

#[test]
fn a_recreated_service_has_the_same_arn_and_another_creation_time() {
    let mut world = world();
    let first = service(&mut world, 0);
    delete(&mut world, 100).unwrap();
    let error = create(110, &mut world).unwrap_err();
    assert_eq!(error.message, "Unable to Start a service that is still Draining.");
    create(140, &mut world).unwrap();
    let second = service(&mut world, 140);
    assert_eq!(first["serviceArn"], second["serviceArn"]);
    assert_eq!((&first["createdAt"], &second["createdAt"]), (&json!(0.0), &json!(140.0)));
}

#[test]
fn a_rollout_replaces_the_old_tasks_only_when_the_new_ones_run() {
    let mut world = world();
    let definition = json!({"family": NAME, "containerDefinitions": [{"name": "api", "image": "api:2"}]});
    call(&mut world, "RegisterTaskDefinition", definition, 100).unwrap();
    let input = json!({"cluster": "main", "service": NAME, "taskDefinition": NAME});
    call(&mut world, "UpdateService", input, 100).unwrap();

    let during = service(&mut world, 119);
    assert_eq!(counts(&during), (2, 2, 2));
    let states: Vec<_> = during["deployments"].as_array().unwrap().iter().map(|each| &each["status"]).collect();
    assert_eq!(states, ["PRIMARY", "ACTIVE"]);
    assert_eq!(during["deployments"][0]["rolloutState"], "IN_PROGRESS");

    let after = service(&mut world, 120);
    assert_eq!(counts(&after), (2, 2, 0));
    assert_eq!(after["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(after["deployments"][0]["rolloutState"], "COMPLETED");
    assert!(after["taskDefinition"].as_str().unwrap().ends_with(":task-definition/api:2"));
}

#[test]
fn scaling_is_no_deployment_and_takes_its_time() {
    let mut world = world();
    let before = service(&mut world, 100);
    call(&mut world, "UpdateService", json!({"cluster": "main", "service": NAME, "desiredCount": 5}), 100).unwrap();
    let during = service(&mut world, 101);
    assert_eq!(counts(&during), (5, 2, 3));
    assert_eq!(during["deployments"][0]["id"], before["deployments"][0]["id"]);
    assert_eq!(counts(&service(&mut world, 120)), (5, 5, 0));
}

#[test]
fn what_a_scenario_holds_stays_held() {
    let mut world = world();
    let held = of(&mut world, &caller()).service_mut("main", NAME).unwrap();
    held.set_running_count(0);
    held.set_rollout_state(RolloutState::Failed, at(50));
    let broken = service(&mut world, 5_000);
    assert_eq!(counts(&broken), (2, 0, 0));
    assert_eq!(broken["deployments"][0]["rolloutState"], "FAILED");
}

#[test]
fn a_blue_green_service_tells_the_truth_only_in_its_task_set() {
    let mut world = world();
    let ecs = of(&mut world, &caller());
    ecs.service_mut("main", NAME).unwrap().controller = Controller::CodeDeploy;
    ecs.shift_task_set("main", NAME, "arn:aws:ecs:eu-west-1:111122223333:task-definition/api:9", at(10));
    let shown = service(&mut world, 11);
    assert_eq!(shown["deployments"], json!([]));
    assert!(shown["taskDefinition"].as_str().unwrap().ends_with("api:1"));
    assert!(shown["taskSets"][0]["taskDefinition"].as_str().unwrap().ends_with("api:9"));
    assert_eq!(counts(&shown), (2, 2, 0));
}

#[test]
fn services_are_listed_ten_at_a_time_and_deletions_do_not_skip_any() {
    let mut world = world();
    for number in 0..12 {
        let ecs = of(&mut world, &caller());
        ecs.put_running_service(&caller(), "many", &format!("s{number:02}"), 1, NAME, at(0));
    }
    let first = call(&mut world, "ListServices", json!({"cluster": "many"}), 1).unwrap();
    assert_eq!(first["serviceArns"].as_array().unwrap().len(), 10);
    let gone = json!({"cluster": "many", "service": "s09", "force": true});
    call(&mut world, "DeleteService", gone, 2).unwrap();
    let next = json!({"cluster": "many", "nextToken": first["nextToken"]});
    let second = call(&mut world, "ListServices", next, 3).unwrap();
    assert_eq!(second["serviceArns"].as_array().unwrap().len(), 2);
    assert!(second.get("nextToken").is_none());
    let error = call(&mut world, "ListServices", json!({"cluster": "many", "maxResults": 101}), 4).unwrap_err();
    assert_eq!(error.code, "InvalidParameterException");
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    let input = json!({"cluster": "main", "service": NAME, "desiredCount": "3"});
    assert_eq!(call(&mut world(), "UpdateService", input, 0).unwrap_err().code, "InvalidParameterException");
}

#[test]
fn an_unknown_task_definition_is_a_client_exception() {
    let error = call(&mut world(), "DescribeTaskDefinition", json!({"taskDefinition": "none:1"}), 0).unwrap_err();
    assert_eq!(error.code, "ClientException");
    assert_eq!(error.message, "Unable to describe task definition.");
}

#[test]
fn a_revision_number_is_never_used_twice() {
    let mut world = world();
    let deregister = json!({"taskDefinition": "api:1"});
    call(&mut world, "DeregisterTaskDefinition", deregister, 1).unwrap();
    let error = call(&mut world, "DescribeTaskDefinition", json!({"taskDefinition": NAME}), 1).unwrap_err();
    assert_eq!(error.code, "ClientException");
    let definition = json!({"family": NAME, "containerDefinitions": [{"name": "api", "image": "api:2"}]});
    let registered = call(&mut world, "RegisterTaskDefinition", definition, 2).unwrap();
    assert_eq!(registered["taskDefinition"]["revision"], 2);
}

#[test]
fn tags_are_shown_only_when_they_are_asked_for() {
    let mut world = world();
    let tags = vec![json!({"key": "team", "value": "werkzeug"})];
    of(&mut world, &caller()).service_mut("main", NAME).unwrap().tags = tags.clone();
    assert!(service(&mut world, 1).get("tags").is_none());
    let input = json!({"cluster": "main", "services": [NAME], "include": ["TAGS"]});
    let shown = call(&mut world, "DescribeServices", input, 1).unwrap();
    assert_eq!(shown["services"][0]["tags"], json!(tags));
}
