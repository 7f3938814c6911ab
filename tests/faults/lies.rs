//! F03 to F06: answers that contradict each other, answers from the past, services that ECS does not
//! know yet, and services on their way out.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use moored::sim::world::Service;
use moored::sim::world::faults::{Effect, Match, Rule};

use super::world::{LEFT, Lookout, MINUTE, OTHER_TTL, with};

const MAIN_CLUSTER: &str = "ecs_cluster/111122223333/eu-west-1/harbor";
const TABLE: &str = "table/111122223333/eu-west-1/deployments";
const API: &str = "production EcsService/api";
const WORKER: &str = "production EcsService/worker missing";

fn without(text: &str) -> Effect {
    Effect::Without { text: text.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_a_service_that_its_list_lacks_and_its_description_has_is_there() {
    let mut lookout = Lookout::bereft("f03-list").await;
    let before = lookout.open();
    lookout.plague(Service::Ecs, "ListServices", without("/api\""));
    lookout.create("other");
    for _ in 0..3 {
        lookout.pass().await;
        assert_eq!(lookout.open(), before);
        assert!(!lookout.unknown().contains_key(API), "present wins: {:?}", lookout.unknown());
    }
    assert!(lookout.seen(&lookout.scope(MAIN_CLUSTER)).contains("EcsService/api"));
    assert!(!lookout.struck().is_empty());
    lookout.is_back(&before, "a list that lacks a service").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_a_service_that_its_list_has_and_its_description_lacks_is_unknown() {
    let mut lookout = Lookout::settled("f03-describe").await;
    lookout.plague(Service::Ecs, "DescribeServices", without("\"serviceName\":\"api\""));
    for _ in 0..3 {
        lookout.pass().await;
        assert_eq!(lookout.open(), BTreeSet::new());
        assert_eq!(lookout.unknown().get(API), Some(&"incomplete"));
    }
    assert!(!lookout.struck().is_empty());
    lookout.delete_worker(SignedDuration::ZERO);
    lookout.heal();
    lookout.passes(2).await;
    assert_eq!(lookout.proven().len(), LEFT, "a real loss is found two passes later");
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_a_check_a_balancer_a_record_and_an_item_that_only_a_list_lacks_are_not_gone() {
    let mut lookout = Lookout::bereft("f03-others").await;
    let before = lookout.open();
    let about = |service, operation, text| Rule::always(Match::operation(service, operation), without(text));
    let lies = [
        about(Service::Route53, "ListHealthChecks", "worker.example.com"),
        about(Service::Route53, "ListHealthChecks", "api.example.com"),
        // The list alone: a question by name has no page size.
        about(Service::Elbv2, "DescribeLoadBalancers", "loadbalancer/app/api/").about("PageSize"),
        about(Service::Elbv2, "DescribeLoadBalancers", "loadbalancer/app/worker/").about("PageSize"),
        about(Service::Elbv2, "DescribeTargetGroups", "targetgroup/worker/").about("PageSize"),
        about(Service::Route53, "ListResourceRecordSets", "api.example.com"),
        about(Service::Route53, "ListResourceRecordSets", "worker.example.com"),
        about(Service::DynamoDb, "BatchGetItem", "\"release\""),
        about(Service::DynamoDb, "Scan", "\"worker\""),
        about(Service::DynamoDb, "Scan", "\"api\""),
    ];
    for lie in lies {
        let told = format!("{lie:?}");
        lookout.fault(lie);
        lookout.advance(SignedDuration::from_mins(6));
        for _ in 0..2 {
            lookout.pass().await;
            assert_eq!(lookout.open(), before, "{told}");
        }
        assert!(!lookout.struck().is_empty(), "{told}");
        lookout.is_back(&before, &told).await;
    }
}

/// Deletes the worker under a rule that answers from up to ten minutes ago, once so many minutes are
/// over, and waits until the loss is found.
async fn about_to_wander(name: &str, minutes: i64) -> Lookout {
    let mut lookout = Lookout::settled(name).await;
    let from = lookout.cloud_now().checked_add(SignedDuration::from_mins(minutes)).unwrap();
    let wandering = Rule::always(Match::default(), Effect::Wandering { up_to: 600 });
    lookout.fault(Rule { from: Some(from), ..wandering });
    lookout.lose_the_worker().await;
    lookout
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_answers_from_before_a_loss_neither_end_nor_multiply_its_findings() {
    let mut lookout = about_to_wander("f04-loss", 3).await;
    let before = lookout.open();
    let mut held = 0;
    for pass in 0..12 {
        lookout.pass().await;
        assert_eq!(lookout.open(), before, "pass {pass}");
        held += usize::from(!lookout.proven().contains(WORKER));
    }
    let from_the_past = lookout.struck().into_iter().filter(|call| call.operation == "DescribeServices").count();
    assert!(from_the_past >= 10, "{from_the_past} descriptions came from the past");
    assert!(held > 0, "an answer that contradicts an earlier one proves nothing");
    lookout.is_back(&before, "answers from the past").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_answers_from_before_a_service_was_made_anew_open_nothing() {
    let mut lookout = about_to_wander("f04-anew", 5).await;
    lookout.create("worker");
    lookout.passes(2).await;
    assert_eq!(lookout.open(), BTreeSet::new(), "it is there again");
    let mut unknown = 0;
    for pass in 0..12 {
        lookout.pass().await;
        assert_eq!(lookout.losses(), BTreeSet::new(), "pass {pass}: an earlier incarnation says nothing of this one");
        unknown += usize::from(lookout.unknown().contains_key("production EcsService/worker"));
    }
    assert!(unknown > 0, "some of these answers came from before it was made anew: {:?}", lookout.struck().len());
    lookout.is_back(&BTreeSet::new(), "answers from the past").await;
    lookout.set_ttl(300);
    lookout.is_back(&BTreeSet::from([OTHER_TTL.to_owned()]), "no fault").await;
}

/// ECS answers MISSING for a service that a deployer created moments ago; its item is there.
#[tokio::test(flavor = "multi_thread")]
async fn f05_an_item_of_a_service_that_ecs_does_not_know_yet_is_no_orphan() {
    let mut lookout = Lookout::settled("f05-item").await;
    // The scan is due.
    lookout.advance(SignedDuration::from_mins(5));
    lookout.fault(lagging("DescribeServices", 120));
    lookout.fault(lagging("ListServices", 120));
    let now = lookout.cloud_now();
    lookout.put_item("fresh", now);
    lookout.create("fresh");
    lookout.put_item("forgotten", now.checked_sub(SignedDuration::from_hours(24)).unwrap());
    let (table, cluster) = (lookout.scope(TABLE), lookout.scope(MAIN_CLUSTER));
    let mut waiting = 0;
    for step in 0..6 {
        lookout.read(&table).await;
        lookout.read(&cluster).await;
        let young = lookout.losses().into_iter().filter(|name| name.contains("fresh")).count();
        assert_eq!(young, 0, "step {step}: {:?}", lookout.losses());
        let converging = lookout.snapshot().converging.iter().any(|item| item.name.contains("service=fresh"));
        waiting += usize::from(converging);
        lookout.advance(SignedDuration::from_secs(15));
    }
    assert!(waiting > 0 && !lookout.struck().is_empty(), "its service was MISSING, and it was given time");
    let forgotten = "production TableItem/deployments/service=forgotten orphaned".to_owned();
    lookout.is_back(&BTreeSet::from([forgotten]), "ECS lags; an old item without a service is an orphan").await;
}

fn lagging(operation: &str, seconds: u32) -> Rule {
    Rule::always(Match::operation(Service::Ecs, operation), Effect::Lagging { seconds })
}

/// Every age of the new service, from the very moment on, in steps of twenty seconds.
#[tokio::test(flavor = "multi_thread")]
async fn f05_a_service_made_anew_between_two_readings_is_never_missing() {
    for lag in [30, 60, 120] {
        let mut lookout = Lookout::settled("f05-anew").await;
        lookout.fault(lagging("DescribeServices", lag));
        lookout.fault(lagging("ListServices", lag));
        lookout.delete_worker(SignedDuration::ZERO);
        lookout.create("worker");
        let cluster = lookout.scope(MAIN_CLUSTER);
        let mut unknown = 0;
        for _ in 0..9 {
            lookout.read(&cluster).await;
            assert_eq!(lookout.losses(), BTreeSet::new(), "lag {lag}");
            unknown += usize::from(lookout.unknown().contains_key("production EcsService/worker"));
            lookout.advance(SignedDuration::from_secs(20));
        }
        assert!(unknown >= 2, "lag {lag}: MISSING was answered, and doubted, {unknown} times");
        lookout.is_back(&BTreeSet::new(), "ECS lags").await;
        lookout.lose_the_worker().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_draining_is_there_and_only_inactive_or_missing_is_gone() {
    for dwell in [0, 30, 90, 600] {
        let mut lookout = Lookout::settled("f06").await;
        let drains = SignedDuration::from_secs(dwell);
        lookout.delete_worker(drains);
        let deleted = lookout.cloud_now();
        while lookout.cloud_now().duration_since(deleted) + MINUTE * 2 < drains {
            lookout.pass().await;
            assert_eq!(lookout.losses(), BTreeSet::new(), "DRAINING for {dwell}s: it is there");
            assert!(lookout.seen(&lookout.scope(MAIN_CLUSTER)).contains("EcsService/worker"));
        }
        lookout.advance(drains);
        lookout.passes(2).await;
        let gone = lookout.losses();
        assert_eq!(gone.len(), LEFT, "INACTIVE after {dwell}s: {gone:?}");
        // ECS forgets it after an hour.
        lookout.advance(SignedDuration::from_mins(65));
        lookout.passes(2).await;
        assert_eq!(lookout.losses(), gone, "MISSING is gone too");
        assert_eq!(lookout.unknown(), Default::default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_a_service_that_was_purged_while_nobody_looked_is_gone() {
    let mut lookout = Lookout::settled("f06-purged").await;
    lookout.delete_worker(SignedDuration::from_secs(30));
    lookout.advance(SignedDuration::from_hours(2));
    lookout.passes(3).await;
    assert_eq!(lookout.losses().len(), LEFT, "{:?}", lookout.findings());
    let before = lookout.losses();
    lookout.set_ttl(300);
    lookout.is_back(&with(&before, OTHER_TTL), "no fault").await;
}
