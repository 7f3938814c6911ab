//! Readings against the simulated cloud in process: what they cost, and what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_types::app_name::AppName;
use serde_json::json;

use super::open;
use crate::aws::budget::Budgets;
use crate::aws::intercept::Requests;
use crate::aws::read::ReadContext;
use crate::aws::session::{SessionOptions, Sessions};
use crate::clock::Clock;
use crate::core::asks::{Asks, Facet};
use crate::core::desired::Account;
use crate::core::identity::{Ask, ScopeKey, ScopeKind, Select};
use crate::core::judge::Kind;
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};
use crate::core::redact::Redactor;
use crate::core::value::{Fact, Value};
use crate::scopes::{Context, Reader};
use crate::sim::wire::{Cloud, connector};
use crate::sim::world::faults::{Effect, Match, Rule};
use crate::sim::world::route53::RecordSet;
use crate::sim::world::{Caller, Request, Service, World, dynamodb, ecs};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

/// A simulated cloud with a reader of one scope, a thousand times faster than life.
struct Bench {
    cloud: Cloud,
    key: ScopeKey,
    reader: Reader,
    asks: Asks,
    clock: Clock,
}

impl Bench {
    fn new(kind: ScopeKind, region: &str, thing: &str) -> Self {
        let clock = Clock::scaled("2026-11-20T10:00:00Z".parse().unwrap(), 1000.0);
        let time = clock.clone();
        let cloud = Cloud::new(World::with_accounts([ACCOUNT]), move || time.now(), 7);
        let key = ScopeKey::new(kind, ACCOUNT, region, thing);
        Self { cloud, reader: open(&key), key, asks: Asks::default(), clock }
    }

    fn human(&self) -> Caller {
        Caller::root(ACCOUNT, REGION)
    }

    fn act(&self, service: Service, operation: &str, input: serde_json::Value) -> serde_json::Value {
        self.cloud
            .call(&self.human(), &Request::new(service, operation, input))
            .unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    fn fault(&self, operation: &str, effect: Effect) {
        let service = match self.key.kind {
            ScopeKind::EcsCluster => Service::Ecs,
            ScopeKind::Table => Service::DynamoDb,
            ScopeKind::LoadBalancers => Service::Elbv2,
            ScopeKind::HostedZone | ScopeKind::HealthChecks => Service::Route53,
            other => panic!("{other:?} is not of AWS"),
        };
        self.cloud.with_world(|world| world.faults.add(Rule::always(Match::operation(service, operation), effect)));
    }

    fn heal(&self) {
        self.cloud.with_world(|world| world.faults.clear());
    }

    fn ask(&mut self, kind: &'static str, name: &str, facets: &[Facet]) -> Ask {
        let ask = Ask { kind, select: Select::Key(name.into()) };
        self.asks.want(ask.clone(), facets.iter().copied());
        ask
    }

    /// A reading, and how many calls it took by operation.
    async fn read(&mut self) -> (Result<Reading, Failure>, BTreeMap<String, usize>) {
        self.cloud.reset_calls();
        let account = Account {
            id: ACCOUNT.into(),
            regions: vec![REGION.into()],
            observe_role: None,
            budgets: BTreeMap::from([
                ("route53".into(), 1000.0),
                ("ecs".into(), 1000.0),
                ("elasticloadbalancing".into(), 1000.0),
                ("dynamodb".into(), 1000.0),
            ]),
        };
        let sessions = Sessions::new(SessionOptions {
            cloud: Some("http://127.0.0.1:1".to_owned()),
            home_account: None,
            clock: self.clock.clone(),
            http_client: Some(connector::in_process(self.cloud.clone())),
            requests: Requests::default(),
            user_agent: AppName::new("moored-test").unwrap(),
        });
        let budgets = Arc::new(Budgets::new(self.clock.clone()));
        budgets.declare([&account]);
        let clients = sessions.clients(&account, REGION).await.unwrap();
        let context = ReadContext::new(clients, self.clock.clone(), Arc::new(Redactor::new(&[1; 32])), budgets);
        let result = self.reader.read(&Context::Aws(context), &self.asks).await;
        let mut calls = BTreeMap::new();
        for call in self.cloud.calls() {
            *calls.entry(call.operation).or_default() += 1;
        }
        if let Ok(reading) = &result {
            assert_eq!(reading.api_calls as usize, calls.values().sum::<usize>(), "api_calls is what was sent");
        }
        (result, calls)
    }

    async fn good(&mut self) -> (Reading, BTreeMap<String, usize>) {
        let (result, calls) = self.read().await;
        (result.unwrap(), calls)
    }

    async fn reason(&mut self) -> Reason {
        self.read().await.0.expect_err("nothing of this may be believed").reason
    }
}

fn count(calls: &BTreeMap<String, usize>, operation: &str) -> usize {
    calls.get(operation).copied().unwrap_or_default()
}

fn cluster_with(services: usize) -> Bench {
    let bench = Bench::new(ScopeKind::EcsCluster, REGION, "wonderland");
    bench.act(Service::Ecs, "CreateCluster", json!({ "clusterName": "wonderland" }));
    let (human, now) = (bench.human(), bench.clock.now());
    bench.act(
        Service::Ecs,
        "RegisterTaskDefinition",
        json!({ "family": "app", "containerDefinitions": [{ "name": "app", "image": "jimdo/app:1", "memory": 64, "environment": [{ "name": "PASSWORD", "value": "hunter2" }] }] }),
    );
    bench.cloud.with_world(|world| {
        for at in 0..services {
            ecs::of(world, &human).put_running_service(&human, "wonderland", &format!("s{at:03}"), 2, "app", now);
        }
    });
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn active_services_cost_one_call_and_one_for_ten() {
    let mut bench = cluster_with(205);
    for at in 0..25 {
        bench.ask("EcsService", &format!("s{at:03}"), &[]);
    }
    let (reading, calls) = bench.good().await;
    assert_eq!((reading.objects.len(), reading.complete, reading.listed), (25, true, false));
    assert_eq!(calls.values().sum::<usize>(), 1 + 3, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_costs_one_call_one_for_a_hundred_and_one_for_ten() {
    let mut bench = cluster_with(205);
    bench.asks.everything = true;
    let (reading, calls) = bench.good().await;
    assert_eq!((reading.objects.len(), reading.complete, reading.listed), (205, true, true));
    assert_eq!(calls.values().sum::<usize>(), 1 + 3 + 21, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_service_is_draining_then_inactive_then_missing_and_only_then_absent() {
    let mut bench = cluster_with(3);
    let ask = bench.ask("EcsService", "s001", &[]);
    bench.ask("EcsService", "s002", &[]);
    let kind = crate::kinds::ecs_service::EcsService;
    bench.act(Service::Ecs, "DeleteService", json!({ "cluster": "wonderland", "service": "s001", "force": true }));
    let (reading, _) = bench.good().await;
    let live = reading.object("EcsService", "s001").expect("a draining service is there");
    assert_eq!(live.fields.value("status"), Some(&Value::text("DRAINING")));
    bench.clock.sleep(std::time::Duration::from_secs(40)).await;
    let (reading, calls) = bench.good().await;
    assert!(matches!(reading.answers.get(&ask), Some(NamedAnswer::Inactive(Some(_)))), "{:?}", reading.answers);
    assert!(reading.listed && kind.absence(&ask, &reading, None).is_ok(), "{calls:?}");
    bench.clock.sleep(std::time::Duration::from_secs(3700)).await;
    let (reading, _) = bench.good().await;
    assert_eq!(reading.answers.get(&ask), Some(&NamedAnswer::Missing));
    assert!(kind.absence(&ask, &reading, None).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_cluster_is_no_missing_service() {
    let mut bench = Bench::new(ScopeKind::EcsCluster, REGION, "wonderland");
    bench.ask("EcsService", "api", &[]);
    assert_eq!(bench.reason().await, Reason::ContainerMissing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_definition_is_read_once_and_its_secrets_are_hashes() {
    let mut bench = cluster_with(1);
    bench.ask("EcsService", "s000", &[Facet::TaskDefinition]);
    let (reading, calls) = bench.good().await;
    assert_eq!(count(&calls, "DescribeTaskDefinition"), 1);
    let live = reading.object("EcsService", "s000").unwrap();
    assert!(
        matches!(live.fields.value("taskDefinition.containers.app.environment.PASSWORD"), Some(Value::Secret(_))),
        "{live:?}"
    );
    assert!(!format!("{live:?}").contains("hunter2"));
    let (_, calls) = bench.good().await;
    assert_eq!(count(&calls, "DescribeTaskDefinition"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_detail_is_unchecked_and_a_lost_one_unknown() {
    let mut bench = cluster_with(1);
    bench.ask("EcsService", "s000", &[Facet::TaskDefinition]);
    bench.fault("DescribeTaskDefinition", Effect::Denied);
    let (reading, _) = bench.good().await;
    let live = reading.object("EcsService", "s000").unwrap();
    assert!(matches!(*live.fields.fact("taskDefinition.containers.app.image.tag"), Fact::Unchecked(_)), "{live:?}");
    assert_eq!(reading.remarks.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_any_kind_gives_a_reading_that_proves_an_absence() {
    let faults = [
        (Effect::Throttle, Reason::Throttled),
        (Effect::Denied, Reason::Denied),
        (Effect::ExpiredToken, Reason::Credentials),
        (Effect::UnrecognizedClient, Reason::Credentials),
        (Effect::ServerError { status: 503 }, Reason::Server),
        (Effect::HtmlBody { status: 200 }, Reason::Malformed),
        (Effect::TruncatedBody, Reason::Malformed),
    ];
    for (effect, expected) in faults {
        let mut bench = cluster_with(3);
        for at in 0..3 {
            bench.ask("EcsService", &format!("s{at:03}"), &[]);
        }
        bench.fault("DescribeServices", effect.clone());
        assert_eq!(bench.reason().await, expected, "{effect:?}");
        bench.heal();
        assert_eq!(bench.good().await.0.objects.len(), 3, "{effect:?}");
    }
    let mut bench = cluster_with(3);
    bench.ask("EcsService", "s001", &[]);
    bench.fault("DescribeServices", Effect::EmptyPage);
    assert_eq!(bench.reason().await, Reason::Incomplete);
}

fn zone_with(records: usize) -> Bench {
    let bench = Bench::new(ScopeKind::HostedZone, "global", "example.com");
    bench.cloud.with_world(|world| {
        let zones = world.route53.entry(ACCOUNT.to_owned()).or_default();
        zones.put_zone("ZEXAMPLE", "example.com").unwrap();
        for at in 0..records {
            let record = RecordSet::simple(&format!("r{at:04}.example.com"), "A", 60, &["192.0.2.1"]);
            zones.put_record("ZEXAMPLE", record).unwrap();
        }
    });
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn records_cost_one_call_for_three_hundred_and_the_zones_count() {
    let mut bench = zone_with(700);
    let (reading, calls) = bench.good().await;
    assert_eq!(calls.values().sum::<usize>(), 1 + 1 + 3, "the first reading looks for the zone: {calls:?}");
    assert_eq!((reading.objects.len(), reading.complete, reading.listed), (702, true, true));
    let (_, calls) = bench.good().await;
    assert_eq!(calls.values().sum::<usize>(), 1 + 3, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_list_that_lacks_a_page_is_no_reading() {
    let mut bench = zone_with(10);
    bench.good().await;
    bench.fault("ListResourceRecordSets", Effect::EmptyPage);
    assert_eq!(bench.reason().await, Reason::Incomplete);
    bench.heal();
    bench.cloud.with_world(|world| world.route53.clear());
    assert_eq!(bench.reason().await, Reason::ContainerMissing);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_zones_of_one_name_are_ambiguous() {
    let mut bench = zone_with(1);
    bench.act(Service::Route53, "CreateHostedZone", json!({ "Name": "example.com", "CallerReference": "b" }));
    assert_eq!(bench.reason().await, Reason::Ambiguous);
}

fn check_config(host: &str) -> serde_json::Value {
    json!({ "Type": "HTTPS", "FullyQualifiedDomainName": host, "ResourcePath": "/health", "Port": 443 })
}

#[tokio::test(flavor = "multi_thread")]
async fn health_checks_cost_a_page_for_a_hundred_a_count_and_one_call_a_status() {
    let mut bench = Bench::new(ScopeKind::HealthChecks, "global", "");
    let mut ids = Vec::new();
    for at in 0..120 {
        let made = bench.act(
            Service::Route53,
            "CreateHealthCheck",
            json!({ "CallerReference": format!("r{at}"), "HealthCheckConfig": check_config("api.example.com") }),
        );
        ids.push(made.pointer("/HealthCheck/Id").and_then(|id| id.as_str()).unwrap().to_owned());
    }
    for id in ids.iter().take(2) {
        bench.ask("HealthCheck", id, &[Facet::Status]);
    }
    let gone = bench.ask("HealthCheck", "11111111-2222-3333-4444-555555555555", &[]);
    let (reading, calls) = bench.good().await;
    assert_eq!(
        (
            count(&calls, "ListHealthChecks"),
            count(&calls, "GetHealthCheckCount"),
            count(&calls, "GetHealthCheckStatus")
        ),
        (2, 1, 2)
    );
    assert_eq!((count(&calls, "GetHealthCheck"), reading.answers.get(&gone)), (1, Some(&NamedAnswer::NotFound)));
    assert_eq!((reading.objects.len(), reading.complete), (120, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_asks_no_endpoint_has_no_status_and_that_is_nobodys_failure() {
    let mut bench = Bench::new(ScopeKind::HealthChecks, "global", "");
    let make = |bench: &Bench, reference: &str, config: serde_json::Value| {
        let input = json!({ "CallerReference": reference, "HealthCheckConfig": config });
        let made = bench.act(Service::Route53, "CreateHealthCheck", input);
        made.pointer("/HealthCheck/Id").and_then(|id| id.as_str()).unwrap().to_owned()
    };
    let alarm = json!({ "Type": "CLOUDWATCH_METRIC", "AlarmIdentifier": { "Region": REGION, "Name": "errors" } });
    let control = json!({
        "Type": "RECOVERY_CONTROL",
        "RoutingControlArn": "arn:aws:route53-recovery-control::111122223333:controlpanel/1/routingcontrol/2",
    });
    let sum = json!({ "Type": "CALCULATED", "ChildHealthChecks": [], "HealthThreshold": 0 });
    let ids = [("alarm", alarm), ("control", control), ("sum", sum)].map(|(name, config)| make(&bench, name, config));
    let endpoint = make(&bench, "endpoint", check_config("api.example.com"));
    for id in ids.iter().chain([&endpoint]) {
        bench.ask("HealthCheck", id, &[Facet::Status]);
    }
    let (reading, calls) = bench.good().await;
    assert_eq!((count(&calls, "GetHealthCheckStatus"), &reading.remarks), (2, &Vec::new()), "the alarm, the endpoint");
    let status = |reading: &Reading, id: &str| {
        reading.object("HealthCheck", id).unwrap().fields.fact("status.failing").into_owned()
    };
    for id in &ids {
        assert!(matches!(status(&reading, id), Fact::Unchecked(why) if why.contains("tells no status")), "{id}");
    }
    assert_eq!(status(&reading, &endpoint), Fact::Known(Value::Int(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn balancers_cost_their_pages_and_a_named_question_for_each_that_is_missing() {
    let mut bench = Bench::new(ScopeKind::LoadBalancers, REGION, "");
    for name in ["api", "web"] {
        bench.act(Service::Elbv2, "CreateLoadBalancer", json!({ "Name": name, "Subnets": ["subnet-1", "subnet-2"] }));
    }
    bench.ask("LoadBalancer", "api", &[Facet::Listeners]);
    let gone = bench.ask("LoadBalancer", "gone", &[]);
    let (reading, calls) = bench.good().await;
    assert_eq!(
        (
            count(&calls, "DescribeLoadBalancers"),
            count(&calls, "DescribeTargetGroups"),
            count(&calls, "DescribeListeners")
        ),
        (2, 1, 1)
    );
    assert_eq!(reading.answers.get(&gone), Some(&NamedAnswer::NotFound));
    let kind = crate::kinds::load_balancer::LoadBalancer;
    assert!(kind.absence(&gone, &reading, None).is_ok());
    let (_, calls) = bench.good().await;
    assert_eq!(count(&calls, "DescribeListeners"), 0, "details have their own, slower cadence");
    bench.fault("DescribeLoadBalancers", Effect::EmptyPage);
    let (result, _) = bench.read().await;
    if let Ok(reading) = result {
        let ask = Ask { kind: "LoadBalancer", select: Select::Key("api".into()) };
        assert!(
            reading.find(&ask).len() == 1 || kind.absence(&ask, &reading, None).is_err(),
            "an empty list proves nothing"
        );
    }
}

fn table_with(items: usize) -> Bench {
    let bench = Bench::new(ScopeKind::Table, REGION, "deployments");
    let (human, now) = (bench.human(), bench.clock.now());
    bench.cloud.with_world(|world| {
        let tables = dynamodb::of(world, &human);
        tables.put_table(&human, "deployments", "service", None, now);
        for at in 0..items {
            tables.put_item("deployments", json!({ "service": { "S": format!("s{at:03}") }, "token": { "S": "hunter2" }, "lb": { "S": "arn" } })).unwrap();
        }
    });
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_items_are_read_in_hundreds_and_a_missing_one_is_asked_for_alone() {
    let mut bench = table_with(150);
    for at in 0..150 {
        bench.ask("TableItem", &format!("service=s{at:03}"), &[]);
    }
    let gone = bench.ask("TableItem", "service=gone", &[]);
    let (reading, calls) = bench.good().await;
    assert_eq!((count(&calls, "BatchGetItem"), count(&calls, "GetItem"), count(&calls, "Scan")), (2, 1, 0));
    assert_eq!(reading.answers.get(&gone), Some(&NamedAnswer::NoItem));
    assert_eq!(reading.objects.len(), 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_has_its_own_slower_cadence_and_shows_only_what_templates_read() {
    let mut bench = table_with(3);
    bench.asks.scan = true;
    bench.asks.plain = BTreeSet::from(["service".into(), "lb".into()]);
    let (reading, calls) = bench.good().await;
    assert_eq!((count(&calls, "Scan"), reading.objects.len(), reading.listed, reading.complete), (1, 3, true, true));
    let item = reading.object("TableItem", "service=s001").unwrap();
    assert_eq!(item.fields.value("lb"), Some(&Value::text("arn")));
    assert!(!format!("{item:?}").contains("hunter2"), "{item:?}");
    let (again, calls) = bench.good().await;
    assert_eq!((count(&calls, "Scan"), again.objects.len(), again.listed_at), (0, 3, reading.listed_at));
    bench.clock.sleep(std::time::Duration::from_secs(301)).await;
    let (_, calls) = bench.good().await;
    assert_eq!(count(&calls, "Scan"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_is_no_missing_item() {
    let mut bench = Bench::new(ScopeKind::Table, REGION, "deployments");
    bench.ask("TableItem", "service=api", &[]);
    assert_eq!(bench.reason().await, Reason::ContainerMissing);
}

#[tokio::test(flavor = "multi_thread")]
async fn unprocessed_keys_are_unknown_items_not_missing_ones() {
    let mut bench = table_with(3);
    let ask = bench.ask("TableItem", "service=s001", &[]);
    bench.fault("BatchGetItem", Effect::UnprocessedKeys);
    if let (Ok(reading), _) = bench.read().await {
        assert!(
            matches!(reading.answers.get(&ask), Some(NamedAnswer::Unknown(_))) || reading.find(&ask).len() == 1,
            "{:?}",
            reading.answers
        );
    }
}
