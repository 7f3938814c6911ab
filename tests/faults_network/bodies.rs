//! F11, bodies: what is no answer, half an answer or far too much of one is malformed and changes
//! nothing, in each of AWS's protocols; memory stays bounded.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use moored::aws::allow_list::{
    DYNAMODB_GET_ITEM, ECS_LIST_SERVICES, ELBV2_DESCRIBE_LOAD_BALANCERS, ROUTE53_LIST_RESOURCE_RECORD_SETS,
};
use moored::aws::read::{CallFailure, ReadContext};
use moored::aws::transport::Limits;
use moored::core::observation::Reason;
use moored::sim::wire::connector;

use super::direct::{context, runtime};
use super::wire::{Act, Wire, raw};
use crate::common::daemon::Daemon;
use crate::common::platform::{CLUSTER, DNS, MAIN, Platform, SETTINGS};

const MIB: u64 = 1024 * 1024;

type Change = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

tokio::task_local! {
    /// What becomes of the bodies of this task's calls.
    static CHANGE: Change;
}

/// A client whose answers are changed on their way.
#[derive(Debug)]
struct Tampering(SharedHttpClient);

#[derive(Debug)]
struct TamperingConnector(SharedHttpConnector);

impl HttpClient for Tampering {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(TamperingConnector(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for TamperingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let change = CHANGE.try_with(Arc::clone).ok();
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            if let Some(change) = change {
                let body = answer.take_body();
                *answer.body_mut() = SdkBody::from(change(body.bytes().unwrap_or_default()));
            }
            Ok(answer)
        })
    }
}

/// How a service speaks.
#[derive(Debug, Clone, Copy)]
enum Protocol {
    /// ECS.
    Json,
    /// DynamoDB, whose values nest.
    Items,
    /// Elastic Load Balancing: forms there, XML back.
    Query,
    /// Route 53: XML.
    Rest,
}

impl Protocol {
    const ALL: [Self; 4] = [Self::Json, Self::Items, Self::Query, Self::Rest];

    /// Text of an honest answer that is read, not skipped.
    fn telling(self) -> &'static str {
        match self {
            Self::Json => "harbor/api",
            Self::Items => "stable",
            Self::Query => "loadbalancer/app/api",
            Self::Rest => "api.example.com",
        }
    }

    /// An answer that is nested a hundred thousand levels deep.
    fn deep(self) -> String {
        let levels = 100_000;
        let nested = |open: &str, close: &str| open.repeat(levels) + &close.repeat(levels);
        match self {
            Self::Json => format!("{{\"unheardOf\":{}}}", nested("[", "]")),
            Self::Items => format!("{{\"Item\":{{\"setting\":{}}}}}", nested("{\"L\":[", "]}")),
            Self::Query => {
                format!("<DescribeLoadBalancersResponse>{}</DescribeLoadBalancersResponse>", nested("<a>", "</a>"))
            }
            Self::Rest => {
                format!("<ListResourceRecordSetsResponse>{}</ListResourceRecordSetsResponse>", nested("<a>", "</a>"))
            }
        }
    }
}

/// What the answer to a call of this protocol says.
async fn ask(context: &ReadContext, protocol: Protocol) -> Result<String, CallFailure> {
    let clients = &context.clients;
    match protocol {
        Protocol::Json => {
            let request = clients.ecs.list_services().cluster(CLUSTER).send();
            Ok(format!("{:?}", context.call(&ECS_LIST_SERVICES, request).await?.service_arns()))
        }
        Protocol::Items => {
            let key = AttributeValue::S("release".to_owned());
            let request = clients.dynamodb.get_item().table_name(SETTINGS).key("setting", key).send();
            let answer = context.call(&DYNAMODB_GET_ITEM, request).await?;
            Ok(format!("{:?}", answer.item().map(|item| item.iter().collect::<BTreeMap<_, _>>())))
        }
        Protocol::Query => {
            let request = clients.elbv2.describe_load_balancers().send();
            Ok(format!("{:?}", context.call(&ELBV2_DESCRIBE_LOAD_BALANCERS, request).await?.load_balancers()))
        }
        Protocol::Rest => {
            let request = clients.route53.list_resource_record_sets().hosted_zone_id("Z0HARBOREXAMPLE").send();
            let answer = context.call(&ROUTE53_LIST_RESOURCE_RECORD_SETS, request).await?;
            Ok(format!("{:?}", answer.resource_record_sets()))
        }
    }
}

/// A context whose answers can be tampered with.
async fn tampered(platform: &Platform, protocol: Protocol) -> Arc<ReadContext> {
    let account = if matches!(protocol, Protocol::Rest) { DNS } else { MAIN };
    let client = SharedHttpClient::new(Tampering(connector::in_process(platform.cloud.clone())));
    Arc::new(context(account, "http://127.0.0.1:9", Some(client), Limits::AWS).await)
}

#[test]
fn f11_an_answer_that_is_cut_at_any_byte_is_never_taken_for_a_whole_one() {
    let platform = Platform::new("cut");
    runtime().block_on(async {
        for protocol in Protocol::ALL {
            let context = tampered(&platform, protocol).await;
            let seen = Arc::<Mutex<Vec<u8>>>::default();
            let keep = seen.clone();
            let untouched: Change = Arc::new(move |body| {
                *keep.lock().unwrap() = body.to_vec();
                body.to_vec()
            });
            let honest = CHANGE.scope(untouched, ask(&context, protocol)).await.unwrap();
            assert!(honest.contains(protocol.telling()), "{protocol:?}: {honest}");
            let length = seen.lock().unwrap().trim_ascii_end().len();
            assert!(length > 50, "{protocol:?}");

            let places: Vec<usize> = (0..length).collect();
            // Some hundred at a time, so that the SDK's pauses before it tries again pass together.
            for places in places.chunks(300) {
                let cut_at = |at: usize| {
                    let cut: Change = Arc::new(move |body| body[..at.min(body.len())].to_vec());
                    let context = context.clone();
                    (at, tokio::spawn(CHANGE.scope(cut, async move { ask(&context, protocol).await })))
                };
                let calls: Vec<_> = places.iter().copied().map(cut_at).collect();
                for (at, call) in calls {
                    let said = call.await.unwrap();
                    let reason = said.as_ref().map_err(|failure| failure.failure.reason);
                    assert_eq!(reason, Err(Reason::Malformed), "{protocol:?} cut at {at} of {length}: {said:?}");
                }
            }
        }
    });
}

#[test]
fn f11_what_is_no_answer_is_malformed_in_every_protocol() {
    let platform = Platform::new("foreign");
    runtime().block_on(async {
        for protocol in Protocol::ALL {
            let context = tampered(&platform, protocol).await;
            let changed = |change: Change| CHANGE.scope(change, ask(&context, protocol));
            let telling = protocol.telling().as_bytes();
            let bad_utf8: Change = Arc::new(move |body| {
                let mut body = body.to_vec();
                let at = body.windows(telling.len()).position(|window| window == telling).expect("it is told");
                body[at + 1] = 0xff;
                body
            });
            let bodies: [(&str, Change); 5] = [
                ("a page", Arc::new(|_| b"<!DOCTYPE html><html><body>Please sign in</body></html>".to_vec())),
                ("half a page", Arc::new(|_| b"<html><body>Please sign in".to_vec())),
                ("nothing", Arc::new(|_| Vec::new())),
                ("compressed", Arc::new(|_| b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec())),
                ("bad UTF-8", bad_utf8),
            ];
            for (what, change) in bodies {
                let said = changed(change).await;
                let reason = said.as_ref().map_err(|failure| failure.failure.reason);
                assert_eq!(reason, Err(Reason::Malformed), "{protocol:?}, {what}: {said:?}");
            }
            let deep = protocol.deep();
            let said = changed(Arc::new(move |_| deep.clone().into_bytes())).await;
            match (protocol, said) {
                // Well-formed, and what is not known is skipped: a zone of no records, which the
                // zone's own count of them gives the lie to.
                (Protocol::Rest, said) => assert_eq!(said.unwrap(), "[]"),
                (_, said) => assert_eq!(said.unwrap_err().failure.reason, Reason::Malformed, "{protocol:?}"),
            }
        }
    });
}

/// A number of kilobytes that the system tells of a process.
fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {status}"));
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// 256 MiB of zeros, compressed to a thousandth.
fn bomb() -> Vec<u8> {
    let line = "head -c 268435456 /dev/zero | gzip -9";
    let output = Command::new("sh").args(["-c", line]).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success() && output.stdout.len() < 1024 * 1024, "{line}");
    output.stdout
}

#[test]
fn f11_a_giant_answer_is_cut_off_and_memory_stays_bounded() {
    let platform = Platform::new("giant");
    let wire = Wire::new(&platform.cloud);
    let daemon = Daemon::over(&platform.desired_state(), &wire.url(), &[]);
    daemon.settled();
    assert!(wire.asked().iter().all(|asked| !asked.text.to_ascii_lowercase().contains("accept-encoding")));
    let before = memory(daemon.pid(), "VmRSS");
    std::fs::write(format!("/proc/{}/clear_refs", daemon.pid()), "5").unwrap();

    let scope = format!("table/{MAIN}/eu-west-1/{SETTINGS}");
    let malformed = [("scope", scope.as_str()), ("reason", "malformed")];
    let bomb = raw("200 OK", &[("content-type", "application/x-amz-json-1.0"), ("content-encoding", "gzip")], &bomb());
    let mut failures = 0.0;
    for (what, phase) in [("told", 0), ("untold", 1), ("compressed", 2)] {
        let (asked, flooded) = (wire.count("dynamodb"), wire.flooded());
        let bomb = bomb.clone();
        wire.script(move |asked| match phase {
            _ if asked.service != "dynamodb" || !asked.text.contains(SETTINGS) => Act::Honest,
            0 => Act::Flood(256 * MIB, true),
            1 => Act::Flood(256 * MIB, false),
            _ => Act::Raw(bomb.clone()),
        });
        let metrics = daemon.until("two readings are refused", |metrics| {
            assert_eq!(metrics.sum("moored_drift", &[]), 0.0, "{what}: {}", metrics.text);
            metrics.value("moored_observation_failures_total", &malformed).is_some_and(|count| count >= failures + 2.0)
        });
        failures = metrics.value("moored_observation_failures_total", &malformed).unwrap();
        let unknown = [("kind", "TableItem"), ("state", "unknown")];
        assert_eq!(metrics.sum("moored_resources", &unknown), 1.0, "{what}: {}", metrics.text);
        let attempts = (wire.count("dynamodb") - asked) as u64;
        let (sent, cap) = (wire.flooded() - flooded, if phase == 0 { 16 } else { 48 });
        assert!(sent <= attempts * cap * MIB, "{what}: {sent} bytes in {attempts} attempts");
        assert!(phase == 2 || sent > 0, "{what}: nothing was sent");
    }
    let grown = memory(daemon.pid(), "VmHWM").saturating_sub(before);
    assert!(grown < 128 * MIB, "{grown} bytes more than before");
    wire.heal();
    daemon.settled();
    assert_eq!(daemon.scrape().unwrap().value("moored_panics_total", &[]), Some(0.0));
    let said = daemon.events("scope_failed");
    assert!(said.iter().any(|line| line["detail"].as_str().unwrap().contains("HTTP 200 with more than")), "{said:?}");
    assert!(said.iter().all(|line| line["reason"] == "malformed"), "{said:?}");
}
