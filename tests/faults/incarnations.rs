//! F07: things that are made anew under the name of others, at every step.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use moored::sim::world::{Caller, Service, ecs};
use serde_json::{Value, json};

use super::common::platform::{CLUSTER, MAIN, REGION};
use super::world::{LEFT, Lookout};

const BALANCER: &str = "production LoadBalancer/worker orphaned";

#[tokio::test(flavor = "multi_thread")]
async fn f07_a_service_created_again_under_the_same_name_is_another_one() {
    let mut lookout = Lookout::bereft("f07").await;
    lookout.create("worker");
    lookout.passes(2).await;
    assert_eq!(lookout.open(), BTreeSet::new(), "the new one needs what the old one left");
    lookout.lose_the_worker().await;
}

/// After every reading of a pass in which the five findings are open; and after every reading of
/// the pass in which they would be found.
#[tokio::test(flavor = "multi_thread")]
async fn f07_a_service_created_again_at_any_step_leaves_nothing_over() {
    let mut lookout = Lookout::settled("f07-steps").await;
    let scopes = lookout.watch.index.scopes.len();
    for step in 0..scopes {
        lookout.delete_worker(SignedDuration::ZERO);
        if step % 2 == 0 {
            lookout.passes(2).await;
            assert_eq!(lookout.losses().len(), LEFT);
        }
        let before = lookout.losses();
        lookout.pass_with(step, |lookout| lookout.create("worker")).await;
        let after = lookout.losses();
        // That it was gone, and that its item was alone, may have been true for a moment.
        let pieces = |name: &&String| !name.contains("EcsService/") && !name.contains("TableItem/");
        let new: BTreeSet<&String> = after.difference(&before).filter(pieces).collect();
        assert_eq!(new, BTreeSet::new(), "step {step}");
        lookout.passes(2).await;
        assert_eq!(lookout.open(), BTreeSet::new(), "step {step}");
        assert_eq!(lookout.unknown(), Default::default(), "step {step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f07_a_service_created_again_between_two_readings_was_never_gone() {
    let mut lookout = Lookout::settled("f07-unseen").await;
    for _ in 0..3 {
        lookout.delete_worker(SignedDuration::ZERO);
        lookout.advance(SignedDuration::from_secs(5));
        lookout.create("worker");
        lookout.pass().await;
        assert_eq!(lookout.open(), BTreeSet::new());
        assert_eq!(lookout.unknown(), Default::default());
    }
    lookout.lose_the_worker().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f07_a_balancer_that_another_service_is_attached_to_is_no_longer_left_over() {
    let mut lookout = Lookout::bereft("f07-attached").await;
    assert!(lookout.proven().contains(BALANCER), "{:?}", lookout.findings());
    let group = target_group_of_worker(&lookout);
    lookout.create("successor");
    let owner = Caller::root(MAIN, REGION);
    lookout.cloud.with_world(|world| {
        let service = ecs::of(world, &owner).service_mut(CLUSTER, "successor").unwrap();
        service.load_balancers =
            vec![json!({ "targetGroupArn": group, "containerName": "successor", "containerPort": 80 })];
    });
    lookout.passes(2).await;
    assert!(!lookout.open().contains(BALANCER), "{:?}", lookout.findings());
    assert_eq!(lookout.losses().len(), LEFT - 1, "the others are still left over: {:?}", lookout.losses());
}

#[tokio::test(flavor = "multi_thread")]
async fn f07_a_balancer_created_again_under_the_same_name_is_nobodys_leftover() {
    let mut lookout = Lookout::bereft("f07-balancer").await;
    let worker = json!({ "Names": ["worker"] });
    let described = lookout.act(MAIN, Service::Elbv2, "DescribeLoadBalancers", worker);
    let old = text(&described, "/LoadBalancers/0/LoadBalancerArn");
    lookout.act(MAIN, Service::Elbv2, "DeleteLoadBalancer", json!({ "LoadBalancerArn": old }));
    let subnets = json!({ "Name": "worker", "Subnets": ["subnet-0aaa1111", "subnet-0bbb2222"] });
    let created = lookout.act(MAIN, Service::Elbv2, "CreateLoadBalancer", subnets);
    assert_ne!(text(&created, "/LoadBalancers/0/LoadBalancerArn"), old);
    for _ in 0..3 {
        lookout.pass().await;
        let named: Vec<_> = lookout.snapshot().findings.iter().map(|finding| finding.id.clone()).collect();
        assert!(!named.iter().any(|id| id.contains("/app/worker/") && **id != *old), "{named:?}");
    }
    assert!(!lookout.open().contains(BALANCER), "the item names the old one, which is gone");
}

fn target_group_of_worker(lookout: &Lookout) -> String {
    let described = lookout.act(MAIN, Service::Elbv2, "DescribeTargetGroups", json!({ "Names": ["worker"] }));
    text(&described, "/TargetGroups/0/TargetGroupArn")
}

fn text(answer: &Value, pointer: &str) -> String {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}: {answer}")).to_owned()
}
