//! Who did it: planning and matching by themselves, and the looks against the simulated cloud.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_types::app_name::AppName;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cause::cause;
use super::plan::{ITEMS, Span, Window, plan};
use super::{DENIED, Trails};
use crate::aws::budget::Budgets;
use crate::aws::intercept::Requests;
use crate::aws::session::{SessionOptions, Sessions};
use crate::aws::trail::{Event, Events};
use crate::clock::Clock;
use crate::core::desired::Account;
use crate::core::identity::ScopeKey;
use crate::core::record::{Attributed, Change, What};
use crate::core::redact::Redactor;
use crate::engine::reader::Shared;
use crate::sim::wire::{Cloud, connector};
use crate::sim::world::faults::{Effect, Match, Rule};
use crate::sim::world::{Caller, Request, Service, World, ecs};

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

/// An event of alice's, in the minute.
fn event(service: &str, name: &str, minute: i64, parameters: Value) -> Event {
    Event::from_whole(&json!({
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "eventTime": at(minute).to_string(),
        "userIdentity": { "type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/alice" },
        "requestParameters": parameters,
    }))
    .unwrap()
}

fn named(change: &Change, events: &[Event], last: bool) -> Option<String> {
    cause(change, events, Span::of(change, at(60)), last).map(|by| format!("{} {}", by.actor, by.event))
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
fn a_window_reaches_from_before_the_last_reading_to_after_this_one() {
    let span = Span::of(&service(What::Changed), at(11));
    assert_eq!((span.from, span.until), (at(4), at(11)));
    let first = Change { after: None, ..service(What::Changed) };
    assert_eq!(Span::of(&first, at(11)).from, at(10 - 60));
    let draining = Span::of(&service(What::Gone), at(11));
    assert_eq!(draining.from, at(9 - 20), "a deleted service drains before it is gone");
    let set_back = Change { after: Some(at(500)), ..service(What::Changed) };
    let span = Span::of(&set_back, at(11));
    assert!(span.from < span.until);
}

#[test]
fn the_newest_event_that_names_the_service_and_its_cluster_did_it() {
    let mine = |minute, desired: i64| {
        let parameters = json!({ "cluster": "wonderland", "service": "api", "desiredCount": desired });
        event("ecs", "UpdateService", minute, parameters)
    };
    let elsewhere = event("ecs", "UpdateService", 10, json!({ "cluster": "other", "service": "api" }));
    let namesake = event("ecs", "RegisterTaskDefinition", 10, json!({ "family": "api", "group": "wonderland" }));
    let events = [elsewhere, namesake, mine(9, 0), mine(8, 1)];
    let by = cause(&service(What::Changed), &events, Span::of(&service(What::Changed), at(60)), false).unwrap();
    assert_eq!((&*by.event, by.at), ("UpdateService", at(9)));
    assert_eq!(named(&service(What::Changed), &events[..2], true), None);
    let by_arn = event("ecs", "UpdateService", 9, json!({ "service": SERVICE_ARN }));
    assert_eq!(named(&service(What::Changed), &[by_arn], false).as_deref(), Some("alice UpdateService"));
}

#[test]
fn a_deletion_waits_for_the_event_that_deletes_and_takes_another_only_in_the_end() {
    let parameters = || json!({ "cluster": "wonderland", "service": "api" });
    let scaled = || event("ecs", "UpdateService", 9, parameters());
    assert_eq!(named(&service(What::Gone), &[scaled()], false), None, "the deletion may be on its way");
    assert_eq!(named(&service(What::Gone), &[scaled()], true).as_deref(), Some("alice UpdateService"));
    let events = [scaled(), event("ecs", "DeleteService", 8, parameters())];
    assert_eq!(named(&service(What::Gone), &events, false).as_deref(), Some("alice DeleteService"));
}

#[test]
fn a_record_is_found_in_a_batch_by_name_type_and_set() {
    let batch = |minute, action: &str, name: &str, kind: &str| {
        let set = json!({ "name": name, "type": kind, "tTL": 60 });
        let changes = json!([{ "action": action, "resourceRecordSet": set }]);
        event("route53", "ChangeResourceRecordSets", minute, json!({ "changeBatch": { "changes": changes } }))
    };
    let wild = record("*.example.com", What::Gone);
    let found = named(&wild, &[batch(9, "DELETE", "\\052.Example.com.", "CNAME")], false);
    assert_eq!(found.as_deref(), Some("alice ChangeResourceRecordSets"));
    assert_eq!(named(&wild, &[batch(9, "DELETE", "*.example.com", "TXT")], true), None);
    assert_eq!(named(&wild, &[batch(9, "UPSERT", "*.example.com", "CNAME")], false), None);
    let appeared = record("*.example.com", What::Appeared);
    assert!(named(&appeared, &[batch(9, "UPSERT", "*.example.com", "CNAME")], false).is_some());
}

#[test]
fn targets_that_come_and_go_did_not_change_their_group() {
    let arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/api/0123456789abcdef";
    let group = change(BALANCERS, "TargetGroup", "api", arn, What::Changed);
    let modified = event("elasticloadbalancing", "ModifyTargetGroup", 8, json!({ "targetGroupArn": arn }));
    let registered = event("elasticloadbalancing", "RegisterTargets", 9, json!({ "targetGroupArn": arn }));
    let balancer = event("elasticloadbalancing", "CreateLoadBalancer", 9, json!({ "name": "api" }));
    let found = named(&group, &[balancer, registered, modified], false);
    assert_eq!(found.as_deref(), Some("alice ModifyTargetGroup"));
}

#[test]
fn what_is_not_told_within_twenty_minutes_is_not_visible() {
    let change = service(What::Changed);
    let window = Window { span: Span::of(&change, at(11)), changes: vec![change] };
    let nothing = Events { events: Vec::new(), whole: true };
    assert!(window.settle(&nothing, at(29)).is_empty());
    let said = window.settle(&nothing, at(30));
    let why = "CloudTrail shows no event of it (looked until 2027-01-15T08:30:00Z)";
    assert_eq!(said, [(1, Attributed::NotVisible(why.into()))]);
}

/// A simulated cloud with a service, and what asks it, on one clock that stands still.
struct Bench {
    cloud: Cloud,
    clock: Clock,
    shared: Shared,
    trails: Trails,
    account: Account,
}

impl Bench {
    fn new() -> Self {
        let clock = Clock::stopped(at(0));
        let time = clock.clone();
        let mut world = World::with_accounts([ACCOUNT]);
        world.cloudtrail.delay = SignedDuration::ZERO;
        let owner = Caller::root(ACCOUNT, REGION);
        ecs::of(&mut world, &owner).put_running_service(&owner, "wonderland", "api", 2, "api", at(0));
        let cloud = Cloud::new(world, move || time.now(), 7);
        let sessions = Sessions::new(SessionOptions {
            cloud: Some("http://127.0.0.1:1".to_owned()),
            home_account: None,
            clock: clock.clone(),
            http_client: Some(connector::in_process(cloud.clone())),
            requests: Requests::default(),
            user_agent: AppName::new("moored-test").unwrap(),
        });
        let account = account(1000.0);
        let budgets = Arc::new(Budgets::new(clock.clone()));
        budgets.declare([&account]);
        let redactor = Arc::new(Redactor::new(&[1; 32]));
        let shared = Shared::new(sessions, budgets, clock.clone(), redactor, true, Duration::from_secs(3600));
        Self { cloud, clock, shared, trails: Trails::default(), account }
    }

    fn act(&self, caller: &Caller, operation: &str, input: Value) {
        self.cloud.call(caller, &Request::new(Service::Ecs, operation, input)).unwrap();
    }

    /// One turn over these changes: what it says, by change, and how many looks there have been.
    async fn turn(&mut self, pending: &[Change]) -> (Vec<(i64, Attributed)>, usize) {
        let account = self.account.clone();
        let plan = plan(pending.to_vec(), |_| Some(account.clone()), self.clock.now());
        let mut said = plan.settled;
        for questions in plan.questions {
            said.extend(self.trails.ask(&self.shared, questions).await);
        }
        (said, self.cloud.count(Service::CloudTrail, "LookupEvents"))
    }

    fn pass_minutes(&self, minutes: i64) {
        self.clock.jump(SignedDuration::from_mins(minutes));
    }

    /// The service was changed a minute ago, and seen to be now.
    fn seen(&self, id: i64, what: What) -> Change {
        let now = self.clock.now();
        let before = now.checked_sub(SignedDuration::from_mins(1)).unwrap();
        Change { id, at: now, after: Some(before), ..service(what) }
    }
}

fn who(said: &[(i64, Attributed)]) -> Vec<String> {
    let spoken = |(_, attributed): &(i64, Attributed)| match attributed {
        Attributed::By(by) => format!("{} {}", by.actor, by.event),
        Attributed::NotVisible(why) => why.to_string(),
        Attributed::Pending => panic!("nothing is said of what is pending"),
    };
    said.iter().map(spoken).collect()
}

#[tokio::test]
async fn the_actor_of_a_simulated_call_is_found_with_one_look_for_all_changes() {
    let mut bench = Bench::new();
    let alice = Caller::session(ACCOUNT, REGION, "deploy-role", "alice");
    bench.act(&alice, "DeleteService", json!({ "cluster": "wonderland", "service": "api", "force": true }));
    bench.pass_minutes(1);
    let changes: Vec<Change> = (0..50).map(|id| bench.seen(id, What::Gone)).collect();
    let (said, looks) = bench.turn(&changes).await;
    assert_eq!((said.len(), looks), (50, 1));
    assert!(who(&said).iter().all(|said| said == "deploy-role/alice DeleteService"), "{said:?}");
}

#[tokio::test]
async fn a_scaling_service_is_named_as_the_one_that_scales() {
    let mut bench = Bench::new();
    let scaling = Caller::autoscaling(ACCOUNT, REGION);
    bench.act(&scaling, "UpdateService", json!({ "cluster": "wonderland", "service": "api", "desiredCount": 3 }));
    bench.pass_minutes(1);
    let (said, _) = bench.turn(&[bench.seen(1, What::Changed)]).await;
    assert_eq!(who(&said), ["autoscaling: ecs.application-autoscaling.amazonaws.com UpdateService"]);
}

#[tokio::test]
async fn a_late_event_is_waited_for_with_pauses() {
    let mut bench = Bench::new();
    bench.cloud.with_world(|world| world.cloudtrail.delay = SignedDuration::from_mins(5));
    let bob = Caller::user(ACCOUNT, REGION, "bob");
    bench.act(&bob, "UpdateService", json!({ "cluster": "wonderland", "service": "api", "desiredCount": 0 }));
    bench.pass_minutes(1);
    let changes = [bench.seen(1, What::Changed)];
    assert_eq!(bench.turn(&changes).await, (Vec::new(), 1));
    assert_eq!(bench.turn(&changes).await, (Vec::new(), 1), "not twice in a minute");
    bench.pass_minutes(5);
    let (said, looks) = bench.turn(&changes).await;
    assert_eq!((who(&said), looks), (vec!["bob UpdateService".to_owned()], 2));
}

#[tokio::test]
async fn a_role_that_may_not_ask_is_left_alone_for_a_quarter_of_an_hour() {
    let mut bench = Bench::new();
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    bench.cloud.with_world(|world| world.sts.deny(&root, Service::CloudTrail, &["LookupEvents"]));
    let first = bench.turn(&[bench.seen(1, What::Changed)]).await;
    assert_eq!((who(&first.0), first.1), (vec![DENIED.to_owned()], 1));
    bench.pass_minutes(14);
    let second = bench.turn(&[bench.seen(2, What::Changed)]).await;
    assert_eq!((who(&second.0), second.1), (vec![DENIED.to_owned()], 1), "not asked again");
    bench.cloud.with_world(|world| world.sts.lift_denials(&root));
    bench.pass_minutes(2);
    assert_eq!(bench.turn(&[bench.seen(3, What::Changed)]).await, (Vec::new(), 2));
}

#[tokio::test]
async fn a_failing_trail_keeps_its_changes_waiting_longer_each_time() {
    let mut bench = Bench::new();
    let broken = Rule::always(
        Match::operation(Service::CloudTrail, "LookupEvents"),
        Effect::Refused { status: 400, code: "UnsupportedOperationException".to_owned(), retry_after: None },
    );
    bench.cloud.with_world(|world| world.faults.add(broken));
    let changes = [bench.seen(1, What::Changed)];
    assert_eq!(bench.turn(&changes).await, (Vec::new(), 1));
    bench.pass_minutes(1);
    assert_eq!(bench.turn(&changes).await, (Vec::new(), 2));
    bench.pass_minutes(1);
    assert_eq!(bench.turn(&changes).await.1, 2, "two minutes after the second failure");
    bench.pass_minutes(1);
    assert_eq!(bench.turn(&changes).await.1, 3);
    bench.pass_minutes(150);
    let (said, _) = bench.turn(&changes).await;
    assert!(who(&said)[0].starts_with("CloudTrail could not be asked: "), "{said:?}");
}

#[tokio::test]
async fn nothing_is_asked_with_credentials_that_are_not_believed() {
    let mut bench = Bench::new();
    bench.account.id = "444455556666".into();
    assert_eq!(bench.turn(&[bench.seen(1, What::Changed)]).await, (Vec::new(), 0));
}
