//! Who did it: planning and matching by themselves, and [`looks`] against the simulated cloud.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod looks;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cause::{Said, cause};
use super::plan::{CONSEQUENCE, ITEMS, Span, Window, plan};
use crate::aws::trail::{Event, Events};
use crate::core::desired::Account;
use crate::core::identity::ScopeKey;
use crate::core::record::{Attributed, Change, FieldChange, What};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const CLUSTER: &str = "ecs_cluster/111122223333/eu-west-1/wonderland";
const ZONE: &str = "hosted_zone/111122223333/global/example.com";
const BALANCERS: &str = "load_balancers/111122223333/eu-west-1";
const SERVICE_ARN: &str = "arn:aws:ecs:eu-west-1:111122223333:service/wonderland/api";

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
}

fn change(scope: &str, kind: &str, key: &str, object: &str, what: What) -> Change {
    Change {
        id: 1,
        at: at(10),
        after: Some(at(9)),
        scope: ScopeKey::parse(scope).unwrap(),
        kind: kind.into(),
        key: key.into(),
        object: object.into(),
        what,
        fields: Vec::new(),
        attributed: Attributed::Pending,
    }
}

fn service(what: What) -> Change {
    change(CLUSTER, "EcsService", "api", SERVICE_ARN, what)
}

fn record(name: &str, what: What) -> Change {
    change(ZONE, "DnsRecord", &format!("{name}|CNAME|"), &format!("example.com/{name}/CNAME/"), what)
}

fn account(budget: f64) -> Account {
    Account {
        id: ACCOUNT.into(),
        regions: vec![REGION.into()],
        observe_role: None,
        budgets: BTreeMap::from([("cloudtrail".into(), budget)]),
    }
}

/// A change of these fields.
fn of_fields(change: Change, paths: &[&str]) -> Change {
    let field = |path: &&str| FieldChange { path: (*path).into(), before: json!(1), after: json!(2) };
    Change { fields: paths.iter().map(field).collect(), ..change }
}

/// An event of alice's, in the minute.
fn event(service: &str, name: &str, minute: i64, parameters: Value) -> Event {
    by("alice", service, name, minute, parameters)
}

fn by(person: &str, service: &str, name: &str, minute: i64, parameters: Value) -> Event {
    Event::from_whole(&json!({
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "eventTime": at(minute).to_string(),
        "userIdentity": { "type": "IAMUser", "arn": format!("arn:aws:iam::111122223333:user/{person}") },
        "requestParameters": parameters,
    }))
    .unwrap()
}

/// A call about the service that changes.
fn call(person: &str, name: &str, minute: i64) -> Event {
    by(person, "ecs", name, minute, json!({ "cluster": "wonderland", "service": "api" }))
}

/// A batch that does this to one record of a zone.
fn batch(action: &str, name: &str, kind: &str, zone: &str) -> Event {
    let set = json!({ "name": name, "type": kind, "tTL": 60 });
    let changes = json!([{ "action": action, "resourceRecordSet": set }]);
    let parameters = json!({ "hostedZoneId": zone, "changeBatch": { "changes": changes } });
    event("route53", "ChangeResourceRecordSets", 9, parameters)
}

/// Everything that a trail has told.
fn all(events: Vec<Event>) -> Events {
    Events { events, since: at(-1000) }
}

/// Who did it, as known in this minute, or why nobody is named.
fn known(change: &Change, events: Vec<Event>, minute: i64) -> Option<String> {
    match cause(change, &all(events), at(minute)) {
        Said::By(by) => Some(format!("{} {}", by.actor, by.event)),
        Said::Unclear(why) => Some(why),
        Said::Nothing => None,
    }
}

/// The same, when CloudTrail will tell no more.
fn named(change: &Change, events: Vec<Event>) -> Option<String> {
    known(change, events, 60)
}

fn who(said: &[(i64, Attributed)]) -> Vec<String> {
    let spoken = |(_, attributed): &(i64, Attributed)| match attributed {
        Attributed::By(by) => format!("{} {}", by.actor, by.event),
        Attributed::NotVisible(why) => why.to_string(),
        Attributed::Pending => panic!("nothing is said of what is pending"),
    };
    said.iter().map(spoken).collect()
}

#[test]
fn an_item_is_never_asked_about_and_an_undeclared_account_neither() {
    let item = change("table/111122223333/eu-west-1/deployments", "TableItem", "service=api", "x", What::Gone);
    let stranger = change("ecs_cluster/444455556666/eu-west-1/c", "EcsService", "api", "x", What::Gone);
    let plan = plan(vec![item, stranger], |scope| (*scope.account == *ACCOUNT).then(|| account(2.0)), at(11));
    assert!(plan.questions.is_empty());
    let said: Vec<&Attributed> = plan.settled.iter().map(|(_, attributed)| attributed).collect();
    assert_eq!(said[0], &Attributed::NotVisible(ITEMS.into()));
    assert_eq!(said[1], &Attributed::NotVisible("no environment declares account 444455556666 any more".into()));
}

#[test]
fn changes_of_one_time_share_a_window_and_route_53_has_a_trail_of_its_own() {
    let mut pending: Vec<Change> =
        (0..100).map(|number| record(&format!("r{number}.example.com"), What::Gone)).collect();
    pending.push(service(What::Changed));
    pending.push(Change { at: at(300), after: Some(at(299)), ..service(What::Changed) });
    let plan = plan(pending, |_| Some(account(2.0)), at(301));
    let shape: Vec<(&str, Vec<usize>)> = plan
        .questions
        .iter()
        .map(|questions| {
            (&*questions.trail.region, questions.windows.iter().map(|window| window.changes.len()).collect())
        })
        .collect();
    assert_eq!(shape, [(REGION, vec![1, 1]), ("us-east-1", vec![100])]);
}

#[test]
fn what_only_follows_from_calls_is_not_asked_about() {
    let balancer = || change(BALANCERS, "LoadBalancer", "api", "arn:lb", What::Changed);
    let check = change("health_checks/111122223333/global", "HealthCheck", "id", "arn:hc", What::Changed);
    let follows = [
        of_fields(service(What::Changed), &["pendingCount", "rollout.state", "runningCount"]),
        of_fields(check, &["status.failing"]),
        of_fields(balancer(), &["state", "stateReason"]),
        of_fields(change(BALANCERS, "TargetGroup", "api", "arn:tg", What::Changed), &["targets.healthy"]),
    ];
    let called = [
        of_fields(service(What::Changed), &["status"]),
        of_fields(service(What::Changed), &["desiredCount", "runningCount"]),
        of_fields(service(What::Changed), &["rollout.createdAt", "rollout.state"]),
        of_fields(balancer(), &["scheme", "state"]),
        service(What::Gone),
    ];
    let asked = |changes: &[Change]| {
        let plan = plan(changes.to_vec(), |_| Some(account(2.0)), at(11));
        let waiting = plan.questions.iter().flat_map(|questions| &questions.windows).map(|window| window.changes.len());
        (plan.settled.clone(), waiting.sum::<usize>())
    };
    let (settled, waiting) = asked(&follows);
    assert_eq!(waiting, 0);
    assert_eq!(settled, vec![(1, Attributed::NotVisible(CONSEQUENCE.into())); follows.len()]);
    assert_eq!(asked(&called), (Vec::new(), called.len()));
}

#[test]
fn a_window_is_the_time_between_the_readings_and_what_clocks_differ_by() {
    let moments = SignedDuration::from_secs(10);
    let span = Span::of(&service(What::Changed), at(11));
    assert_eq!((span.from, span.until), (at(9) - moments, at(10) + moments));
    let first = Change { after: None, ..service(What::Changed) };
    assert_eq!(Span::between(&first).from, at(10 - 60));
    let draining = Span::of(&service(What::Gone), at(11));
    assert_eq!(draining.from, at(9 - 20), "a deleted service drains before it is gone");
    let set_back = Change { after: Some(at(500)), ..service(What::Changed) };
    let span = Span::of(&set_back, at(11));
    assert!(span.from < span.until);
}

#[test]
fn the_newest_call_about_the_service_in_its_cluster_did_it() {
    let elsewhere = event("ecs", "UpdateService", 10, json!({ "cluster": "other", "service": "api" }));
    let events = vec![elsewhere, call("alice", "UpdateService", 10), call("alice", "UpdateService", 9)];
    let Said::By(by) = cause(&service(What::Changed), &all(events), at(60)) else { panic!("nobody is named") };
    assert_eq!((&*by.event, by.at), ("UpdateService", at(10)));
    let by_arn = event("ecs", "UpdateService", 9, json!({ "service": SERVICE_ARN }));
    assert_eq!(named(&service(What::Changed), vec![by_arn]).as_deref(), Some("alice UpdateService"));
}

#[test]
fn the_author_of_the_edit_before_is_not_named_however_late_cloudtrail_is() {
    let before = || call("bob", "UpdateService", 8);
    for minute in [10, 16, 29, 30, 60] {
        assert_eq!(known(&service(What::Changed), vec![before()], minute), None, "{minute}");
    }
    let late = vec![call("alice", "UpdateService", 9), before()];
    assert_eq!(named(&service(What::Changed), late).as_deref(), Some("alice UpdateService"));
}

#[test]
fn the_first_call_that_is_told_waits_for_others_of_its_time() {
    let first = || call("bob", "UpdateService", 9);
    assert_eq!(known(&service(What::Changed), vec![first()], 15), None);
    assert_eq!(known(&service(What::Changed), vec![first()], 16).as_deref(), Some("bob UpdateService"));
    let both = vec![call("alice", "UpdateService", 10), first()];
    let why = "more than one may have done it: alice (UpdateService), bob (UpdateService)";
    assert_eq!(known(&service(What::Changed), both, 16).as_deref(), Some(why));
}

#[test]
fn a_window_with_too_many_events_names_nobody_who_may_not_have_been_the_only_one() {
    let change = service(What::Changed);
    let window = Window { span: Span::of(&change, at(11)), changes: vec![change] };
    let found = Events { events: vec![call("bob", "UpdateService", 10)], since: at(10) };
    assert!(window.settle(&found, at(20)).is_empty());
    let said = window.settle(&found, at(30));
    assert!(who(&said)[0].contains("among the newest 4000 of that time"), "{said:?}");
}

#[test]
fn a_clock_that_is_a_moment_ahead_costs_patience_and_not_the_name() {
    let seen = Change { at: at(10) - SignedDuration::from_secs(5), ..service(What::Gone) };
    let deleted = || call("alice", "DeleteService", 10);
    assert_eq!(known(&seen, vec![deleted()], 16), None, "another may be on its way");
    assert_eq!(named(&seen, vec![deleted()]).as_deref(), Some("alice DeleteService"));
}

#[test]
fn only_a_deletion_explains_that_a_service_is_gone() {
    let gone = service(What::Gone);
    assert_eq!(named(&gone, vec![call("alice", "UpdateService", 9)]), None);
    let events = vec![call("bob", "UpdateService", 9), call("alice", "DeleteService", 9)];
    assert_eq!(known(&gone, events, 10).as_deref(), Some("alice DeleteService"), "at once");
    let drained = || call("alice", "DeleteService", 0);
    assert_eq!(known(&gone, vec![drained()], 15), None, "it may have been made anew, and deleted again");
    assert_eq!(known(&gone, vec![drained()], 16).as_deref(), Some("alice DeleteService"));
    let again = vec![call("bob", "DeleteService", 9), drained()];
    assert_eq!(known(&gone, again, 16).as_deref(), Some("bob DeleteService"));
    let appeared = service(What::Appeared);
    assert_eq!(named(&appeared, vec![call("alice", "UpdateService", 9)]), None);
    assert_eq!(known(&appeared, vec![call("alice", "CreateService", 9)], 10).as_deref(), Some("alice CreateService"));
}

#[test]
fn a_call_that_mentions_a_service_is_not_about_it() {
    let (cluster, service_name) = ("wonderland", "wonderland");
    let arn = "arn:aws:ecs:eu-west-1:111122223333:service/wonderland/wonderland";
    let namesake = change(CLUSTER, "EcsService", service_name, arn, What::Changed);
    let balancers = json!([{ "containerName": service_name, "containerPort": 80 }]);
    let variable = json!([{ "environment": [{ "name": "PEER", "value": arn }] }]);
    for (name, parameters) in [
        ("UpdateService", json!({ "cluster": cluster, "service": "api" })),
        ("UpdateService", json!({ "cluster": cluster, "service": "api-green", "loadBalancers": balancers })),
        ("RegisterTaskDefinition", json!({ "family": service_name, "containerDefinitions": variable })),
        ("RunTask", json!({ "cluster": cluster, "overrides": { "containerOverrides": variable } })),
        ("UpdateCluster", json!({ "cluster": cluster })),
    ] {
        assert_eq!(named(&namesake, vec![event("ecs", name, 9, parameters)]), None, "{name}");
    }
    let mine = event("ecs", "UpdateService", 9, json!({ "cluster": cluster, "service": service_name }));
    assert_eq!(named(&namesake, vec![mine]).as_deref(), Some("alice UpdateService"));
}

#[test]
fn who_shifts_the_traffic_did_not_change_the_target_group() {
    const ELB: &str = "elasticloadbalancing";
    let arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/api/0123456789abcdef";
    let listener = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/api/0123/4567";
    let group = of_fields(change(BALANCERS, "TargetGroup", "api", arn, What::Changed), &["healthCheck.path"]);
    let others = || {
        let forward = json!([{ "type": "forward", "targetGroupArn": arn }]);
        let rule = json!({ "listenerArn": listener, "actions": forward });
        vec![
            by("bob", ELB, "ModifyListener", 9, json!({ "listenerArn": listener, "defaultActions": forward })),
            by("bob", ELB, "CreateRule", 9, rule),
            by("bob", ELB, "RegisterTargets", 9, json!({ "targetGroupArn": arn })),
            by("bob", ELB, "ModifyTargetGroupAttributes", 9, json!({ "targetGroupArn": arn })),
            by("bob", ELB, "CreateLoadBalancer", 9, json!({ "name": "api" })),
        ]
    };
    assert_eq!(named(&group, others()), None);
    let modified = event(ELB, "ModifyTargetGroup", 9, json!({ "targetGroupArn": arn }));
    let events = others().into_iter().chain([modified]).collect();
    assert_eq!(named(&group, events).as_deref(), Some("alice ModifyTargetGroup"));
    let balancer = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/api/0123";
    let front = change(BALANCERS, "LoadBalancer", "api", balancer, What::Changed);
    let front = of_fields(front, &["listeners.443.targetGroup"]);
    assert_eq!(named(&front, others()).as_deref(), Some("bob ModifyListener"));
}

#[test]
fn who_changes_a_calculated_check_did_not_change_its_children() {
    let check = |id: &str| change("health_checks/111122223333/global", "HealthCheck", id, "arn:hc", What::Changed);
    let update = || {
        let parameters = json!({ "healthCheckId": "parent", "childHealthChecks": ["child"] });
        vec![event("route53", "UpdateHealthCheck", 9, parameters)]
    };
    assert_eq!(named(&check("child"), update()), None);
    assert_eq!(named(&check("parent"), update()).as_deref(), Some("alice UpdateHealthCheck"));
}

#[test]
fn tags_are_changed_by_calls_for_tags_and_other_fields_by_other_calls() {
    let tag = || by("bob", "ecs", "TagResource", 9, json!({ "resourceArn": SERVICE_ARN, "tags": [] }));
    let both = || vec![tag(), call("alice", "UpdateService", 9)];
    let changed = |paths: &[&str]| named(&of_fields(service(What::Changed), paths), both());
    assert_eq!(changed(&["tags.team"]).as_deref(), Some("bob TagResource"));
    assert_eq!(changed(&["desiredCount"]).as_deref(), Some("alice UpdateService"));
    let why = "more than one may have done it: alice (UpdateService), bob (TagResource)";
    assert_eq!(changed(&["desiredCount", "tags.team"]).as_deref(), Some(why));
    let tags = of_fields(service(What::Changed), &["tags.team"]);
    assert_eq!(named(&tags, vec![call("alice", "UpdateService", 9)]), None);
    assert_eq!(named(&of_fields(service(What::Changed), &["desiredCount"]), vec![tag()]), None);
}

#[test]
fn a_record_is_found_in_a_batch_by_name_type_and_set() {
    let wild = record("*.example.com", What::Gone);
    let found = known(&wild, vec![batch("DELETE", "\\052.Example.com.", "CNAME", "Z1")], 10);
    assert_eq!(found.as_deref(), Some("alice ChangeResourceRecordSets"));
    assert_eq!(named(&wild, vec![batch("DELETE", "*.example.com", "TXT", "Z1")]), None);
    assert_eq!(named(&wild, vec![batch("UPSERT", "*.example.com", "CNAME", "Z1")]), None, "it makes records");
    let appeared = record("*.example.com", What::Appeared);
    let replaced = || vec![batch("UPSERT", "*.example.com", "CNAME", "Z1")];
    assert_eq!(known(&appeared, replaced(), 15), None, "it may only have changed what another made");
    assert!(known(&appeared, replaced(), 16).is_some());
    assert!(known(&appeared, vec![batch("CREATE", "*.example.com", "CNAME", "Z1")], 10).is_some());
}

#[test]
fn a_name_that_was_changed_in_two_zones_names_nobody() {
    let twice = || {
        let inner = batch("UPSERT", "www.example.com", "CNAME", "/hostedzone/Z2");
        vec![batch("DELETE", "www.example.com", "CNAME", "Z1"), inner]
    };
    let why = "a record of this name was changed in more than one zone: Z1, Z2";
    assert_eq!(named(&record("www.example.com", What::Gone), twice()).as_deref(), Some(why));
    let same = vec![
        batch("UPSERT", "www.example.com", "CNAME", "Z1"),
        batch("UPSERT", "www.example.com", "CNAME", "/hostedzone/Z1"),
    ];
    let found = named(&record("www.example.com", What::Changed), same);
    assert_eq!(found.as_deref(), Some("alice ChangeResourceRecordSets"));
}

#[test]
fn what_is_not_told_within_twenty_minutes_is_not_visible() {
    let change = service(What::Changed);
    let window = Window { span: Span::of(&change, at(11)), changes: vec![change] };
    assert!(window.settle(&all(Vec::new()), at(29)).is_empty());
    let said = window.settle(&all(Vec::new()), at(30));
    let why = "CloudTrail shows no event of it (looked until 2027-01-15T08:30:00Z)";
    assert_eq!(said, [(1, Attributed::NotVisible(why.into()))]);
}
