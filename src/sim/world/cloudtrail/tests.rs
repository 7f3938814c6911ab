//! What CloudTrail tells, when, and how it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::sim::world::{self, Answer, Caller, Request, Service, World, dynamodb};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A world whose events show at once.
fn world() -> World {
    let mut world = World::with_accounts([ACCOUNT]);
    world.cloudtrail.delay = SignedDuration::ZERO;
    world
}

fn alice() -> Caller {
    Caller::session(ACCOUNT, REGION, "deploy-role", "alice")
}

fn act(world: &mut World, caller: &Caller, service: Service, operation: &str, input: Value, now: Timestamp) -> Answer {
    world::apply(world, caller, &Request::new(service, operation, input), now, 7)
}

fn create_cluster(world: &mut World, name: &str, now: Timestamp) {
    act(world, &alice(), Service::Ecs, "CreateCluster", json!({ "clusterName": name }), now).unwrap();
}

fn lookup_in(world: &mut World, region: &str, input: Value, now: Timestamp) -> Answer {
    act(world, &Caller::root(ACCOUNT, region), Service::CloudTrail, "LookupEvents", input, now)
}

fn lookup(world: &mut World, input: Value, now: Timestamp) -> Answer {
    lookup_in(world, REGION, input, now)
}

fn names(answer: &Value) -> Vec<&str> {
    answer["Events"].as_array().unwrap().iter().map(|event| event["EventName"].as_str().unwrap()).collect()
}

fn whole(event: &Value) -> Value {
    serde_json::from_str(event["CloudTrailEvent"].as_str().unwrap()).unwrap()
}

#[test]
fn an_event_shows_only_after_the_delay_and_for_ninety_days() {
    let mut world = World::with_accounts([ACCOUNT]);
    create_cluster(&mut world, "wonderland", at(0));
    let shown = |world: &mut World, seconds| names(&lookup(world, json!({}), at(seconds)).unwrap()).len();
    assert_eq!(shown(&mut world, 119), 0);
    assert_eq!(shown(&mut world, 120), 1);
    assert_eq!(shown(&mut world, 90 * 86_400), 1);
    assert_eq!(shown(&mut world, 90 * 86_400 + 1), 0);
}

#[test]
fn an_event_says_who_called_what_with_which_parameters() {
    let mut world = world();
    create_cluster(&mut world, "wonderland", at(0));
    let answer = lookup(&mut world, json!({}), at(1)).unwrap();
    let event = &answer["Events"][0];
    assert_eq!((&event["EventSource"], &event["ReadOnly"]), (&json!("ecs.amazonaws.com"), &json!("false")));
    assert_eq!((&event["Username"], &event["EventTime"]), (&json!("alice"), &json!(1_800_000_000)));
    let whole = whole(event);
    assert_eq!(whole["userIdentity"]["type"], "AssumedRole");
    assert_eq!(whole["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"], "deploy-role");
    assert_eq!(whole["requestParameters"], json!({ "clusterName": "wonderland" }));
    assert_eq!((&whole["awsRegion"], &whole["eventID"]), (&json!(REGION), &event["EventId"]));
}

#[test]
fn failures_reads_and_item_writes_are_no_management_events() {
    let mut world = world();
    let caller = alice();
    dynamodb::of(&mut world, &caller).put_table(&caller, "deployments", "service", None, at(0));
    act(&mut world, &caller, Service::Ecs, "ListClusters", json!({}), at(0)).unwrap();
    act(&mut world, &caller, Service::Ecs, "DeleteCluster", json!({ "cluster": "none" }), at(0)).unwrap_err();
    let item = json!({ "TableName": "deployments", "Item": { "service": { "S": "api" } } });
    act(&mut world, &caller, Service::DynamoDb, "PutItem", item, at(0)).unwrap();
    assert!(names(&lookup(&mut world, json!({}), at(1)).unwrap()).is_empty());
    act(&mut world, &caller, Service::DynamoDb, "DeleteTable", json!({ "TableName": "deployments" }), at(2)).unwrap();
    assert_eq!(names(&lookup(&mut world, json!({}), at(3)).unwrap()), ["DeleteTable"]);
}

#[test]
fn route_53_tells_of_itself_in_one_region_in_cloudtrails_spelling() {
    let mut world = world();
    let zone = json!({ "Name": "example.com", "CallerReference": "r" });
    act(&mut world, &alice(), Service::Route53, "CreateHostedZone", zone, at(0)).unwrap();
    assert!(names(&lookup(&mut world, json!({}), at(1)).unwrap()).is_empty());
    let answer = lookup_in(&mut world, "us-east-1", json!({}), at(1)).unwrap();
    assert_eq!(names(&answer), ["CreateHostedZone"]);
    let event = &answer["Events"][0];
    assert_eq!(event["Resources"][0]["ResourceType"], "AWS::Route53::HostedZone");
    assert_eq!(whole(event)["requestParameters"]["callerReference"], "r");
}

#[test]
fn pages_come_newest_first_and_end() {
    let mut world = world();
    for number in 0..5 {
        create_cluster(&mut world, &format!("c{number}"), at(number));
    }
    let mut seen = Vec::new();
    let mut input = json!({ "MaxResults": 2 });
    for page in 0..3 {
        let answer = lookup(&mut world, input.clone(), at(10 + page)).unwrap();
        let events = answer["Events"].as_array().unwrap();
        seen.extend(events.iter().map(|event| event["EventTime"].as_i64().unwrap() - 1_800_000_000));
        input["NextToken"] = answer["NextToken"].clone();
    }
    assert_eq!(seen, [4, 3, 2, 1, 0]);
    assert!(input["NextToken"].is_null());
}

#[test]
fn one_attribute_and_a_range_narrow_what_is_shown() {
    let mut world = world();
    create_cluster(&mut world, "early", at(0));
    create_cluster(&mut world, "late", at(60));
    act(&mut world, &alice(), Service::Ecs, "DeleteCluster", json!({ "cluster": "early" }), at(90)).unwrap();
    let by = |key: &str, value: &str| json!({ "LookupAttributes": [{ "AttributeKey": key, "AttributeValue": value }] });
    assert_eq!(names(&lookup(&mut world, by("EventName", "DeleteCluster"), at(100)).unwrap()), ["DeleteCluster"]);
    assert!(names(&lookup(&mut world, by("ReadOnly", "true"), at(101)).unwrap()).is_empty());
    let range = json!({ "StartTime": 1_800_000_030, "EndTime": 1_800_000_060 });
    assert_eq!(names(&lookup(&mut world, range, at(102)).unwrap()), ["CreateCluster"]);
}

#[test]
fn a_question_that_cloudtrail_does_not_take_is_refused_by_its_own_name() {
    let mut world = world();
    let name = json!({ "AttributeKey": "EventName", "AttributeValue": "x" });
    let questions = [
        (json!({ "LookupAttributes": [name, name] }), "InvalidLookupAttributesException"),
        (
            json!({ "LookupAttributes": [{ "AttributeKey": "Color", "AttributeValue": "x" }] }),
            "InvalidLookupAttributesException",
        ),
        (json!({ "StartTime": 20, "EndTime": 10 }), "InvalidTimeRangeException"),
        (json!({ "MaxResults": 51 }), "InvalidMaxResultsException"),
        (json!({ "MaxResults": 0 }), "InvalidMaxResultsException"),
        (json!({ "NextToken": "x" }), "InvalidNextTokenException"),
        (json!({ "EventCategory": "x" }), "InvalidEventCategoryException"),
    ];
    for (seconds, (input, code)) in (0..).zip(questions) {
        let refused = lookup(&mut world, input.clone(), at(seconds)).unwrap_err();
        assert_eq!(refused.code, code, "{input}");
    }
}

#[test]
fn a_third_question_in_one_second_is_throttled_in_that_region_only() {
    let mut world = world();
    for _ in 0..2 {
        lookup(&mut world, json!({}), at(0)).unwrap();
    }
    assert_eq!(lookup(&mut world, json!({}), at(0)).unwrap_err().code, "ThrottlingException");
    lookup_in(&mut world, "eu-central-1", json!({}), at(0)).unwrap();
    lookup(&mut world, json!({}), at(1)).unwrap();
}

#[test]
fn a_service_that_acts_by_itself_is_the_one_that_invoked() {
    let mut world = world();
    let scaling = Caller::autoscaling(ACCOUNT, REGION);
    act(&mut world, &scaling, Service::Ecs, "CreateCluster", json!({ "clusterName": "c" }), at(0)).unwrap();
    let answer = lookup(&mut world, json!({}), at(1)).unwrap();
    let identity = &whole(&answer["Events"][0])["userIdentity"];
    assert_eq!(identity["invokedBy"], "ecs.application-autoscaling.amazonaws.com");
}
