//! Readings of a cluster whose answers the simulated cloud would never give.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::EcsCluster;
use crate::aws::intercept::Requests;
use crate::aws::read::{ReadContext, context_on};
use crate::aws::wire::Wire;
use crate::core::asks::Asks;
use crate::core::identity::{Ask, ScopeKey, ScopeKind, Select};
use crate::core::judge::Kind;
use crate::core::memory::ObjectMemory;
use crate::core::observation::{NamedAnswer, Reading, Reason};
use crate::core::value::{Fact, Fields, Value};
use crate::kinds::ecs_service::live::{REGISTERED, incarnation};
use crate::kinds::ecs_service::{EcsService, KIND};
use crate::scopes::Scope;

const CREATED: &str = "2026-11-20T10:00:00.611Z";
const CLUSTER: &str = r#"{"clusters": [{"clusterArn": "arn:aws:ecs:eu-west-1:111122223333:cluster/wonderland", "status": "ACTIVE"}], "failures": []}"#;
const LIST: &str = r#"{"serviceArns": ["arn:aws:ecs:eu-west-1:111122223333:service/wonderland/api"]}"#;
const MISSING: &str = r#"{"services": [], "failures": [{"arn": "arn:aws:ecs:eu-west-1:111122223333:service/wonderland/api", "reason": "MISSING"}]}"#;

fn service(status: &str) -> String {
    format!(
        r#"{{"services": [{{"serviceName": "api", "clusterArn": "arn:aws:ecs:eu-west-1:111122223333:cluster/wonderland",
            "status": "{status}", "createdAt": 1795168800.611, "desiredCount": 2, "runningCount": 2, "pendingCount": 0,
            "taskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/api:11"}}], "failures": []}}"#
    )
}

fn revision(number: u32, status: &str) -> (u16, String) {
    let arn = format!("arn:aws:ecs:eu-west-1:111122223333:task-definition/api:{number}");
    let definition = format!(r#"{{"taskDefinitionArn": "{arn}", "revision": {number}, "status": "{status}"}}"#);
    (200, format!(r#"{{"taskDefinition": {definition}}}"#))
}

/// A cloud in which DescribeServices and DescribeTaskDefinition answer like this.
fn cloud(services: &str, definition: (u16, String)) -> Wire {
    let services = services.to_owned();
    Wire::answering(move |_, sent| {
        if sent.body.contains("\"clusters\"") {
            (200, CLUSTER.to_owned())
        } else if sent.body.contains("\"services\"") {
            (200, services.clone())
        } else if sent.body.contains("\"taskDefinition\"") {
            definition.clone()
        } else {
            (200, LIST.to_owned())
        }
    })
}

fn asked(wire: &Wire, what: &str) -> usize {
    wire.sent().iter().filter(|sent| sent.body.contains(what)).count()
}

fn cluster() -> EcsCluster {
    EcsCluster::new(&ScopeKey::new(ScopeKind::EcsCluster, "111122223333", "eu-west-1", "wonderland"))
}

fn api() -> Ask {
    Ask { kind: KIND, select: Select::Key("api".into()) }
}

fn asks(definitions: &[&str]) -> Asks {
    let mut asks = Asks { definitions: definitions.iter().map(|text| Arc::from(*text)).collect(), ..Asks::default() };
    asks.want(api(), []);
    asks
}

async fn context(wire: &Wire) -> ReadContext {
    context_on(wire, &Requests::default()).await
}

#[tokio::test]
async fn what_is_listed_and_called_gone_is_unknown_and_is_listed_again() {
    let known = ObjectMemory {
        id: "arn".into(),
        incarnation: Some(incarnation(CREATED.parse().unwrap())),
        addresses: Vec::new(),
        former: Vec::new(),
        first_seen: CREATED.parse().unwrap(),
        marks: Default::default(),
        watched: crate::core::memory::Watched::No,
        absent_since: None,
        gone_since: None,
    };
    for gone in [service("INACTIVE"), MISSING.to_owned()] {
        let wire = cloud(&gone, revision(11, "ACTIVE"));
        let (context, mut cluster) = (context(&wire).await, cluster());
        for _ in 0..2 {
            let reading = cluster.read(&context, &asks(&[])).await.unwrap();
            let Some(NamedAnswer::Unknown(failure)) = reading.answers.get(&api()) else {
                unreachable!("{gone}: {:?}", reading.answers)
            };
            assert_eq!(failure.reason, Reason::Incomplete);
            assert!(failure.detail.starts_with("ListServices names api, but DescribeServices says that it is gone"));
            assert!(EcsService.absence(&api(), &reading, Some(&known)).is_err(), "{gone}");
        }
        assert_eq!(asked(&wire, "maxResults"), 2, "ListServices");
    }
}

async fn fields(cluster: &mut EcsCluster, context: &ReadContext, asks: &Asks) -> Fields {
    let reading: Reading = cluster.read(context, asks).await.unwrap();
    reading.object(KIND, "api").unwrap().fields.clone()
}

#[tokio::test]
async fn a_declared_revision_is_asked_about_once_and_only_where_another_one_runs() {
    let wire = cloud(&service("ACTIVE"), revision(12, "ACTIVE"));
    let (context, mut cluster) = (context(&wire).await, cluster());
    let nothing_to_ask: [&[&str]; 3] = [&["api:11"], &["worker:12"], &[]];
    for declared in nothing_to_ask {
        let fields = fields(&mut cluster, &context, &asks(declared)).await;
        assert_eq!(fields.value(REGISTERED), None, "{declared:?}");
    }
    assert_eq!(asked(&wire, "\"taskDefinition\""), 0);
    for _ in 0..2 {
        let fields = fields(&mut cluster, &context, &asks(&["api:12"])).await;
        assert_eq!(fields.value(REGISTERED), Some(&Value::set(["api:12"])));
    }
    assert_eq!(asked(&wire, "\"taskDefinition\""), 1);
}

#[tokio::test]
async fn a_revision_that_ecs_does_not_have_or_has_deregistered_is_not_registered() {
    let unknown = r#"{"__type": "ClientException", "message": "Unable to describe task definition."}"#;
    for answer in [(400, unknown.to_owned()), revision(12, "INACTIVE")] {
        let wire = cloud(&service("ACTIVE"), answer);
        let (context, mut cluster) = (context(&wire).await, cluster());
        for _ in 0..2 {
            let fields = fields(&mut cluster, &context, &asks(&["api:12"])).await;
            assert_eq!(fields.value(REGISTERED), Some(&Value::List(Box::default())));
        }
        assert_eq!(asked(&wire, "\"taskDefinition\""), 1, "the next question is five minutes away");
    }
}

#[tokio::test]
async fn a_revision_that_may_not_be_described_is_unchecked_and_another_answer_is_none() {
    let denied = r#"{"__type": "AccessDeniedException", "message": "not authorized"}"#;
    let wire = cloud(&service("ACTIVE"), (400, denied.to_owned()));
    let reading = cluster().read(&context(&wire).await, &asks(&["api:12", "api:13"])).await.unwrap();
    let api = reading.object(KIND, "api").unwrap();
    assert!(matches!(*api.fields.fact(REGISTERED), Fact::Unchecked(_)), "{api:?}");
    assert_eq!((asked(&wire, "\"taskDefinition\""), reading.remarks.len()), (1, 1));

    let wire = cloud(&service("ACTIVE"), revision(7, "ACTIVE"));
    let fields = fields(&mut cluster(), &context(&wire).await, &asks(&["api:12"])).await;
    assert!(matches!(*fields.fact(REGISTERED), Fact::Unknown(_)), "{fields:?}");
}
