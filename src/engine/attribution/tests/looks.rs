//! The looks themselves, against the simulated cloud: how often, with which credentials, and what
//! becomes of their failures.

use std::sync::Arc;
use std::time::Duration;

use aws_types::app_name::AppName;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{ACCOUNT, REGION, account, at, service, who};
use crate::aws::budget::Budgets;
use crate::aws::intercept::Requests;
use crate::aws::session::{SessionOptions, Sessions};
use crate::clock::Clock;
use crate::core::desired::Account;
use crate::core::record::{Attributed, Change, What};
use crate::core::redact::Redactor;
use crate::engine::attribution::plan::plan;
use crate::engine::attribution::{DENIED, Trails};
use crate::engine::reader::{Outside, Shared};
use crate::sim::wire::{Cloud, connector};
use crate::sim::world::faults::{Effect, Match, Rule};
use crate::sim::world::{Caller, Request, Service, World, ecs};

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
        let outside =
            Outside::new(Some("http://127.0.0.1:1".to_owned()), None, &clock, &redactor, &Requests::default()).unwrap();
        let shared = Shared::new(sessions, outside, budgets, clock.clone(), redactor, true, Duration::from_secs(3600));
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
    let changes = [bench.seen(1, What::Changed)];
    bench.pass_minutes(6);
    let (said, _) = bench.turn(&changes).await;
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
    bench.pass_minutes(6);
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
