//! What the simulated load balancing refuses, and how its things hang together.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::sim::world::Service;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

fn ask_at(world: &mut World, operation: &str, input: Value, second: i64) -> Answer {
    let request = Request::new(Service::Elbv2, operation, input);
    apply(world, &Caller::root(ACCOUNT, REGION), &request, Timestamp::from_second(second).unwrap(), 1)
}

fn ask(world: &mut World, operation: &str, input: Value) -> Answer {
    ask_at(world, operation, input, 0)
}

fn place(world: &mut World) -> &mut Elbv2 {
    world.elbv2.entry((ACCOUNT.to_owned(), REGION.to_owned())).or_default()
}

fn text(answer: &Value, pointer: &str) -> String {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no text at {pointer} in {answer}")).to_owned()
}

fn refused(answer: Answer, code: &str) -> String {
    let error = answer.expect_err("this should be refused");
    assert_eq!(error.code, code, "{}", error.message);
    error.message
}

fn balancer(world: &mut World, name: &str) -> String {
    let made = ask(world, "CreateLoadBalancer", json!({"Name": name, "Subnets": ["subnet-a", "subnet-b"]})).unwrap();
    text(&made, "/LoadBalancers/0/LoadBalancerArn")
}

fn group(world: &mut World, name: &str) -> String {
    let input = json!({"Name": name, "Protocol": "HTTP", "Port": "80", "VpcId": "vpc-1", "TargetType": "ip"});
    text(&ask(world, "CreateTargetGroup", input).unwrap(), "/TargetGroups/0/TargetGroupArn")
}

fn listen(world: &mut World, balancer: &str, group: &str) -> Answer {
    let actions = json!([{"Type": "forward", "TargetGroupArn": group}]);
    let input = json!({"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": "80", "DefaultActions": actions});
    ask(world, "CreateListener", input)
}

#[test]
fn every_incarnation_has_an_arn_and_a_dns_name_of_its_own() {
    let mut world = World::default();
    let first = balancer(&mut world, "deployer-api");
    let first_dns = place(&mut world).load_balancer_named("deployer-api").unwrap().dns_name.clone();
    assert!(first.starts_with("arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/deployer-api/"));
    assert!(first_dns.ends_with(".eu-west-1.elb.amazonaws.com"), "{first_dns}");
    ask(&mut world, "DeleteLoadBalancer", json!({"LoadBalancerArn": first})).unwrap();
    let second = balancer(&mut world, "deployer-api");
    assert_ne!(first, second);
    assert_ne!(first_dns, place(&mut world).load_balancer_named("deployer-api").unwrap().dns_name);
}

#[test]
fn a_name_is_taken_by_other_settings_and_repeated_by_the_same() {
    let mut world = World::default();
    let first = balancer(&mut world, "api");
    assert_eq!(balancer(&mut world, "api"), first);
    let other = json!({"Name": "api", "Subnets": ["subnet-a", "subnet-b"], "Scheme": "internal"});
    refused(ask(&mut world, "CreateLoadBalancer", other), "DuplicateLoadBalancerName");
}

#[test]
fn a_protected_load_balancer_is_not_deleted_and_an_absent_one_is() {
    let mut world = World::default();
    let arn = balancer(&mut world, "api");
    let protect =
        |on: &str| json!({"LoadBalancerArn": arn, "Attributes": [{"Key": "deletion_protection.enabled", "Value": on}]});
    ask(&mut world, "ModifyLoadBalancerAttributes", protect("true")).unwrap();
    refused(ask(&mut world, "DeleteLoadBalancer", json!({"LoadBalancerArn": arn})), "OperationNotPermitted");
    assert!(place(&mut world).load_balancer_named("api").is_some());
    ask(&mut world, "ModifyLoadBalancerAttributes", protect("false")).unwrap();
    for _ in 0..2 {
        ask(&mut world, "DeleteLoadBalancer", json!({"LoadBalancerArn": arn})).unwrap();
        assert!(place(&mut world).load_balancer_named("api").is_none());
    }
    refused(ask(&mut world, "DeleteLoadBalancer", json!({"LoadBalancerArn": "api"})), "ValidationError");
}

#[test]
fn one_bad_attribute_changes_none() {
    let mut world = World::default();
    let arn = balancer(&mut world, "api");
    let before = ask(&mut world, "DescribeLoadBalancerAttributes", json!({"LoadBalancerArn": arn})).unwrap();
    let attributes = json!([
        {"Key": "idle_timeout.timeout_seconds", "Value": "120"},
        {"Key": "no.such.attribute", "Value": "1"},
    ]);
    let input = json!({"LoadBalancerArn": arn, "Attributes": attributes});
    refused(ask(&mut world, "ModifyLoadBalancerAttributes", input), "InvalidConfigurationRequest");
    let after = ask(&mut world, "DescribeLoadBalancerAttributes", json!({"LoadBalancerArn": arn})).unwrap();
    assert_eq!(before, after);
}

#[test]
fn one_unknown_name_fails_the_whole_call() {
    let mut world = World::default();
    balancer(&mut world, "api");
    let message =
        refused(ask(&mut world, "DescribeLoadBalancers", json!({"Names": ["api", "gone"]})), "LoadBalancerNotFound");
    assert!(message.contains("gone") && !message.contains("api"), "{message}");
    let many = json!({"Names": vec!["api"; 21]});
    refused(ask(&mut world, "DescribeLoadBalancers", many), "ValidationError");
}

#[test]
fn load_balancers_page_by_marker_and_pages_are_bounded() {
    let mut world = World::default();
    for number in 0..3 {
        balancer(&mut world, &format!("api-{number}"));
    }
    let first = ask(&mut world, "DescribeLoadBalancers", json!({"PageSize": "2"})).unwrap();
    assert_eq!(first["LoadBalancers"].as_array().map(Vec::len), Some(2));
    let rest = ask(&mut world, "DescribeLoadBalancers", json!({"Marker": first["NextMarker"]})).unwrap();
    assert_eq!(rest["LoadBalancers"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest["NextMarker"], Value::Null);
    refused(ask(&mut world, "DescribeLoadBalancers", json!({"PageSize": "401"})), "ValidationError");
}

#[test]
fn a_new_load_balancer_is_provisioning_for_a_minute() {
    let mut world = World::default();
    let arn = balancer(&mut world, "api");
    for (second, code) in [(59, "provisioning"), (60, "active")] {
        let answer = ask_at(&mut world, "DescribeLoadBalancers", json!({}), second).unwrap();
        assert_eq!(text(&answer, "/LoadBalancers/0/State/Code"), code);
    }
    place(&mut world).activate(&arn);
    let answer = ask(&mut world, "DescribeLoadBalancers", json!({})).unwrap();
    assert_eq!(text(&answer, "/LoadBalancers/0/State/Code"), "active");
}

#[test]
fn a_target_group_in_use_stays_until_its_load_balancer_is_gone() {
    let mut world = World::default();
    let (balancer, group) = (balancer(&mut world, "api"), group(&mut world, "api"));
    let listener = text(&listen(&mut world, &balancer, &group).unwrap(), "/Listeners/0/ListenerArn");
    let groups = ask(&mut world, "DescribeTargetGroups", json!({"LoadBalancerArn": balancer})).unwrap();
    assert_eq!(text(&groups, "/TargetGroups/0/LoadBalancerArns/0"), balancer);
    refused(ask(&mut world, "DeleteTargetGroup", json!({"TargetGroupArn": group})), "ResourceInUse");

    ask(&mut world, "DeleteLoadBalancer", json!({"LoadBalancerArn": balancer})).unwrap();
    refused(ask(&mut world, "DescribeListeners", json!({"ListenerArns": [listener]})), "ListenerNotFound");
    refused(ask(&mut world, "DescribeListeners", json!({"LoadBalancerArn": balancer})), "LoadBalancerNotFound");
    ask(&mut world, "DeleteTargetGroup", json!({"TargetGroupArn": group})).unwrap();
    refused(ask(&mut world, "DescribeTargetGroups", json!({"TargetGroupArns": [group]})), "TargetGroupNotFound");
}

#[test]
fn a_port_is_taken_by_another_listener_and_repeated_by_the_same() {
    let mut world = World::default();
    let (balancer, first) = (balancer(&mut world, "api"), group(&mut world, "api"));
    let made = listen(&mut world, &balancer, &first).unwrap();
    assert_eq!(listen(&mut world, &balancer, &first).unwrap(), made);
    let second = group(&mut world, "other");
    refused(listen(&mut world, &balancer, &second), "DuplicateListener");
}

#[test]
fn a_target_becomes_healthy_fails_on_demand_and_drains() {
    let mut world = World::default();
    let (balancer, group) = (balancer(&mut world, "api"), group(&mut world, "api"));
    let target = json!({"TargetGroupArn": group, "Targets": [{"Id": "10.0.0.1"}]});
    ask(&mut world, "RegisterTargets", target.clone()).unwrap();
    let state = |world: &mut World, second: i64| {
        let answer = ask_at(world, "DescribeTargetHealth", json!({"TargetGroupArn": group}), second).unwrap();
        answer.pointer("/TargetHealthDescriptions/0/TargetHealth/State").and_then(Value::as_str).map(str::to_owned)
    };
    assert_eq!(state(&mut world, 0).as_deref(), Some("unused"));
    listen(&mut world, &balancer, &group).unwrap();
    assert_eq!(state(&mut world, 0).as_deref(), Some("initial"));
    assert_eq!(state(&mut world, 60).as_deref(), Some("healthy"));
    assert!(place(&mut world).set_target_health(&group, "10.0.0.1", TargetHealth::Unhealthy));
    assert_eq!(state(&mut world, 60).as_deref(), Some("unhealthy"));
    ask_at(&mut world, "DeregisterTargets", target, 100).unwrap();
    assert_eq!(state(&mut world, 399).as_deref(), Some("draining"));
    assert_eq!(state(&mut world, 400), None);
}

#[test]
fn tags_are_asked_for_twenty_at_a_time_and_only_of_what_exists() {
    let mut world = World::default();
    let arn = balancer(&mut world, "api");
    let tag = json!({"ResourceArns": [arn], "Tags": [{"Key": "team", "Value": "werkzeug"}]});
    ask(&mut world, "AddTags", tag).unwrap();
    let described = ask(&mut world, "DescribeTags", json!({"ResourceArns": [arn]})).unwrap();
    assert_eq!(text(&described, "/TagDescriptions/0/Tags/0/Value"), "werkzeug");
    refused(ask(&mut world, "DescribeTags", json!({"ResourceArns": vec![arn.as_str(); 21]})), "ValidationError");
    ask(&mut world, "DeleteLoadBalancer", json!({"LoadBalancerArn": arn})).unwrap();
    refused(ask(&mut world, "DescribeTags", json!({"ResourceArns": [arn]})), "LoadBalancerNotFound");
}
