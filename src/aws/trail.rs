//! The trail: what was changed in an account and region lately, and by whom, as CloudTrail tells it.
//!
//! Decides who acted, in the words of a person, and which things a call is about: by the place where
//! it names them, never by mere mention. Never decides what an event caused: [`crate::engine::attribution`] does. An event's parameters may hold secrets, so
//! an [`Event`] has no `Debug` and is not kept beyond one look.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_cloudtrail::types::{self, LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::allow_list::CLOUDTRAIL_LOOKUP_EVENTS;
use super::read::{CallFailure, ReadContext};
use crate::kinds::dns_record::name;

/// The largest page, and how many of them are read of one window.
const PAGE: i32 = 50;
const PAGES: usize = 80;
/// How many events that is.
pub const MOST: usize = 4_000;
/// The longest name of an actor, in characters.
const LONGEST: usize = 200;

/// ECS, as events name it.
pub const ECS: &str = "ecs.amazonaws.com";
/// Elastic Load Balancing, as events name it.
pub const BALANCING: &str = "elasticloadbalancing.amazonaws.com";
/// Route 53, as events name it.
pub const ROUTE_53: &str = "route53.amazonaws.com";
/// The services whose changes moored asks about.
const SOURCES: [&str; 3] = [ECS, BALANCING, ROUTE_53];
/// The API of classic load balancers: the same source and the same names, of other things.
const CLASSIC: &str = "2012-06-01";

/// What changed in one window of time.
pub struct Events {
    /// The events of services that moored reads, newest first.
    pub events: Vec<Event>,
    /// From then on these are all: the beginning of the window, or later if it has too many.
    pub since: Timestamp,
}

/// One successful call that changed something.
pub struct Event {
    /// The operation.
    pub name: Arc<str>,
    /// The service, such as `ecs.amazonaws.com`.
    pub source: String,
    /// When it was called, to the second.
    pub at: Timestamp,
    /// Who called: a user, `role/session`, `root`, or an AWS service.
    pub actor: Arc<str>,
    /// The ECS service that it is about: its cluster and its name.
    pub service: Option<(String, String)>,
    /// The health check that it is about.
    pub check: Option<String>,
    /// The load balancers and target groups that it is about.
    pub arns: BTreeSet<String>,
    /// The records that a batch changed.
    pub records: Vec<RecordChange>,
}

/// What a batch did to one record.
pub struct RecordChange {
    /// `CREATE`, `UPSERT` or `DELETE`.
    pub action: String,
    /// The zone's key for the record: `name|TYPE|set`.
    pub key: String,
    /// The id of its zone.
    pub zone: Option<String>,
}

/// Reads the changes of a window, as far as [`MOST`] events back.
pub async fn lookup(context: &ReadContext, from: Timestamp, until: Timestamp) -> Result<Events, CallFailure> {
    let changes = LookupAttribute::builder().attribute_key(LookupAttributeKey::ReadOnly).attribute_value("false");
    // Both members are set, so that it is always built; without it there would only be more events.
    let only: Option<Vec<LookupAttribute>> = changes.build().ok().map(|only| vec![only]);
    let mut events = Vec::new();
    let mut oldest = until;
    let mut position: Option<String> = None;
    for _ in 0..PAGES {
        let request = context.clients.cloudtrail.lookup_events();
        let request = request
            .set_lookup_attributes(only.clone())
            .start_time(DateTime::from_secs(from.as_second()))
            .end_time(DateTime::from_secs(until.as_second()))
            .max_results(PAGE)
            .set_next_token(position);
        let page = context.call(&CLOUDTRAIL_LOOKUP_EVENTS, request.send()).await?;
        events.extend(page.events().iter().filter_map(Event::read));
        oldest = page.events().iter().filter_map(time).fold(oldest, Timestamp::min);
        position = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if position.is_none() {
            return Ok(Events { events, since: from });
        }
    }
    // Others may have been in the same second.
    Ok(Events { events, since: oldest.saturating_add(SignedDuration::from_secs(1)).unwrap_or(oldest) })
}

fn time(told: &types::Event) -> Option<Timestamp> {
    told.event_time().and_then(|time| Timestamp::from_second(time.secs()).ok())
}

impl Event {
    /// An event that may have changed something that moored reads.
    fn read(told: &types::Event) -> Option<Self> {
        let source = told.event_source().filter(|source| SOURCES.contains(source))?;
        let whole: Value =
            told.cloud_trail_event().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Self::of(told.event_name()?, source, time(told)?, told.username(), &whole)
    }

    fn of(name: &str, source: &str, at: Timestamp, username: Option<&str>, whole: &Value) -> Option<Self> {
        // CloudTrail tells of calls that were refused, too.
        let was_refused = whole.get("errorCode").is_some_and(|code| !code.is_null());
        let is_classic = source == BALANCING && text(whole, "/apiVersion") == Some(CLASSIC);
        if was_refused || is_classic {
            return None;
        }
        let is_of = |service: &str| source == service;
        Some(Self {
            name: plain(name).into(),
            source: source.to_owned(),
            at,
            actor: plain(&actor(whole, username)).into(),
            service: if is_of(ECS) { service(whole) } else { None },
            check: if is_of(ROUTE_53) { check(whole) } else { None },
            arns: if is_of(BALANCING) { balancing(whole) } else { BTreeSet::new() },
            records: if is_of(ROUTE_53) { records(whole) } else { Vec::new() },
        })
    }

    /// An event as a trail delivers it, for tests of what is made of it.
    #[cfg(test)]
    pub(crate) fn from_whole(whole: &Value) -> Option<Self> {
        let at = text(whole, "/eventTime")?.parse().ok()?;
        Self::of(text(whole, "/eventName")?, text(whole, "/eventSource")?, at, None, whole)
    }
}

/// The text at this place, if there is any.
fn text<'a>(whole: &'a Value, place: &str) -> Option<&'a str> {
    whole.pointer(place).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The last part of an ARN, a path, or a name.
fn bare(text: &str) -> String {
    text.rsplit('/').next().unwrap_or(text).to_owned()
}

/// The ECS service that a call is about: its cluster and its name.
fn service(whole: &Value) -> Option<(String, String)> {
    const ARNS: [&str; 5] = [
        "/responseElements/service/serviceArn",
        "/requestParameters/service",
        "/requestParameters/serviceArn",
        "/requestParameters/serviceDeploymentArn",
        "/requestParameters/resourceArn",
    ];
    if let Some(found) = ARNS.iter().filter_map(|place| text(whole, place)).find_map(in_service_arn) {
        return Some(found);
    }
    let name = text(whole, "/requestParameters/service").or_else(|| text(whole, "/requestParameters/serviceName"))?;
    let cluster = text(whole, "/requestParameters/cluster")
        .or_else(|| text(whole, "/responseElements/service/clusterArn"))
        // What ECS takes where nobody says.
        .unwrap_or("default");
    Some((bare(cluster), bare(name)))
}

/// Cluster and service in the ARN of a service or of its deployment. ARNs of long ago lack the cluster.
fn in_service_arn(arn: &str) -> Option<(String, String)> {
    let mut parts = arn.splitn(6, ':').nth(5)?.split('/');
    parts.next().filter(|kind| matches!(*kind, "service" | "service-deployment"))?;
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

/// The health check that a call is about. A calculated one also names its children, which it is not about.
fn check(whole: &Value) -> Option<String> {
    let places = ["/requestParameters/healthCheckId", "/responseElements/healthCheck/id"];
    let tagged = || text(whole, "/requestParameters/resourceId").filter(|_| tags_a_check(whole));
    places.iter().find_map(|place| text(whole, place)).or_else(tagged).map(bare)
}

fn tags_a_check(whole: &Value) -> bool {
    text(whole, "/requestParameters/resourceType").is_none_or(|kind| kind == "healthcheck")
}

/// The load balancers and target groups that a call is about. A listener belongs to its balancer; a
/// group that it forwards to is not what the call is about.
fn balancing(whole: &Value) -> BTreeSet<String> {
    let list = |place: &str| whole.pointer(place).and_then(Value::as_array).into_iter().flatten();
    let asked = ["loadBalancerArn", "targetGroupArn"];
    let asked = asked.iter().filter_map(|member| text(whole, &format!("/requestParameters/{member}")));
    let tagged = list("/requestParameters/resourceArns").filter_map(Value::as_str);
    let answered = [("loadBalancers", "loadBalancerArn"), ("targetGroups", "targetGroupArn")];
    let answered = answered.iter().flat_map(|(things, arn)| {
        list(&format!("/responseElements/{things}")).filter_map(move |thing| thing.get(*arn)?.as_str())
    });
    let listener = text(whole, "/requestParameters/listenerArn").and_then(balancer_of);
    asked.chain(tagged).chain(answered).map(str::to_owned).chain(listener).collect()
}

/// The ARN of the balancer that a listener belongs to.
fn balancer_of(listener: &str) -> Option<String> {
    let (head, tail) = listener.split_once(":listener/")?;
    let (balancer, _) = tail.rsplit_once('/')?;
    Some(format!("{head}:loadbalancer/{balancer}"))
}

/// The record changes of a batch, in the spelling of the zone's keys.
fn records(whole: &Value) -> Vec<RecordChange> {
    let changes = whole.pointer("/requestParameters/changeBatch/changes").and_then(Value::as_array);
    let zone = text(whole, "/requestParameters/hostedZoneId").map(bare);
    let changed = |change: &Value| {
        let (record, kind) = (text(change, "/resourceRecordSet/name")?, text(change, "/resourceRecordSet/type")?);
        let key = name::record_key(record, kind, text(change, "/resourceRecordSet/setIdentifier"));
        Some(RecordChange { action: text(change, "/action")?.to_ascii_uppercase(), key, zone: zone.clone() })
    };
    changes.into_iter().flatten().filter_map(changed).collect()
}

/// Who called, in the words of a person.
fn actor(whole: &Value, username: Option<&str>) -> String {
    let text = |member: &str| {
        whole.pointer(&format!("/userIdentity/{member}")).and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    let resource = text("arn").and_then(|arn| arn.splitn(6, ':').nth(5)).unwrap_or_default();
    // `AWS Internal` is no service.
    let service = text("invokedBy").filter(|service| service.ends_with(".amazonaws.com"));
    let spoken = |service: &str| {
        if service.contains("autoscaling") { format!("autoscaling: {service}") } else { service.to_owned() }
    };
    let person = match resource.split_once('/') {
        Some(("user", user)) => user.rsplit('/').next(),
        Some(("assumed-role" | "federated-user", session)) => Some(session),
        _ if text("type") == Some("Root") => Some("root"),
        _ => text("userName").or(username),
    };
    match (person, service) {
        // A service's own role says less than the service.
        (Some(person), Some(service)) if person.starts_with("AWSServiceRoleFor") => spoken(service),
        (Some(person), Some(service)) => format!("{person} via {service}"),
        (Some(person), None) => person.to_owned(),
        (None, Some(service)) => spoken(service),
        (None, None) => match text("accountId") {
            Some(account) => format!("account {account}"),
            None => "somebody whom CloudTrail does not name".to_owned(),
        },
    }
}

/// Text of others, fit to be shown: one line, not too long.
fn plain(text: &str) -> String {
    text.chars().filter(|character| !crate::core::visible::is_hidden(*character)).take(LONGEST).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn who(identity: Value) -> String {
        actor(&json!({ "userIdentity": identity }), None)
    }

    #[test]
    fn an_actor_is_a_user_a_roles_session_root_or_a_service() {
        assert_eq!(who(json!({ "type": "Root", "arn": "arn:aws:iam::111122223333:root" })), "root");
        let user = json!({ "type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ops/alice", "userName": "alice" });
        assert_eq!(who(user), "alice");
        let session = "arn:aws:sts::111122223333:assumed-role/deploy-role/alice";
        assert_eq!(who(json!({ "type": "AssumedRole", "arn": session })), "deploy-role/alice");
        let internal = json!({ "type": "AssumedRole", "arn": session, "invokedBy": "AWS Internal" });
        assert_eq!(who(internal), "deploy-role/alice");
        let stack = json!({ "type": "AssumedRole", "arn": session, "invokedBy": "cloudformation.amazonaws.com" });
        assert_eq!(who(stack), "deploy-role/alice via cloudformation.amazonaws.com");
        assert_eq!(who(json!({ "type": "AWSService", "invokedBy": "ecs.amazonaws.com" })), "ecs.amazonaws.com");
        let role = "AWSServiceRoleForApplicationAutoScaling_ECSService/AutoScaling-UpdateService";
        let scaling = json!({
            "type": "AssumedRole",
            "arn": format!("arn:aws:sts::111122223333:assumed-role/{role}"),
            "invokedBy": "ecs.application-autoscaling.amazonaws.com",
        });
        assert_eq!(who(scaling), "autoscaling: ecs.application-autoscaling.amazonaws.com");
        assert_eq!(who(json!({ "type": "AWSAccount", "accountId": "444455556666" })), "account 444455556666");
        assert_eq!(who(Value::Null), "somebody whom CloudTrail does not name");
    }

    #[test]
    fn a_call_that_was_refused_changed_nothing() {
        let mut whole = json!({
            "eventName": "DeleteService", "eventSource": "ecs.amazonaws.com", "eventTime": "2026-11-20T10:00:00Z",
        });
        assert!(Event::from_whole(&whole).is_some());
        whole["errorCode"] = json!("AccessDenied");
        assert!(Event::from_whole(&whole).is_none());
    }

    #[test]
    fn the_records_of_a_batch_are_spelled_as_the_zone_keys_them() {
        let set = json!({ "name": "\\052.Example.COM.", "type": "CNAME", "tTL": 60, "setIdentifier": "blue" });
        let change = json!({ "action": "DELETE", "resourceRecordSet": set });
        let batch = json!({ "changes": [change, { "action": "UPSERT" }] });
        let whole = json!({ "requestParameters": { "hostedZoneId": "/hostedzone/Z1", "changeBatch": batch } });
        let records = records(&whole);
        assert_eq!(records.len(), 1, "a change without a record is none");
        assert_eq!((records[0].action.as_str(), records[0].key.as_str()), ("DELETE", "*.example.com|CNAME|blue"));
        assert_eq!(records[0].zone.as_deref(), Some("Z1"));
    }

    #[test]
    fn a_call_is_about_the_service_that_it_asks_for_in_the_cluster_that_it_asks_for() {
        let about = |request: Value, answer: Value| {
            service(&json!({ "requestParameters": request, "responseElements": answer }))
        };
        let this = |cluster: &str| Some((cluster.to_owned(), "api".to_owned()));
        let arn = |resource: &str| format!("arn:aws:ecs:eu-west-1:111122223333:{resource}");
        assert_eq!(about(json!({ "service": "api", "cluster": arn("cluster/one") }), Value::Null), this("one"));
        assert_eq!(about(json!({ "service": arn("service/one/api"), "cluster": "x" }), Value::Null), this("one"));
        assert_eq!(about(json!({ "service": arn("service/api") }), Value::Null), this("default"), "an ARN of long ago");
        let made = json!({ "service": { "clusterArn": arn("cluster/one") } });
        assert_eq!(about(json!({ "serviceName": "api" }), made), this("one"));
        assert_eq!(about(json!({ "resourceArn": arn("service/one/api") }), Value::Null), this("one"));
        assert_eq!(
            about(json!({ "serviceDeploymentArn": arn("service-deployment/one/api/1") }), Value::Null),
            this("one")
        );
        assert_eq!(about(json!({ "resourceArn": arn("task-set/one/api/1") }), Value::Null), None);
        assert_eq!(about(json!({ "cluster": "one", "group": "service:api" }), Value::Null), None);
    }

    #[test]
    fn a_call_is_about_a_balancer_by_its_listener_and_not_about_the_group_that_gets_the_traffic() {
        let arn = |resource: &str| format!("arn:aws:elasticloadbalancing:eu-west-1:111122223333:{resource}");
        let about = |request: Value| {
            let arns = balancing(&json!({ "requestParameters": request, "responseElements": null }));
            arns.into_iter().collect::<Vec<String>>()
        };
        let group = arn("targetgroup/api/1");
        let forward = json!([{ "type": "forward", "targetGroupArn": group }]);
        let modified = about(json!({ "listenerArn": arn("listener/app/api/1/2"), "defaultActions": forward }));
        assert_eq!(modified, [arn("loadbalancer/app/api/1")]);
        assert_eq!(about(json!({ "targetGroupArn": group })), std::slice::from_ref(&group));
        assert_eq!(about(json!({ "resourceArns": [group], "tags": [] })), [group]);
    }

    #[test]
    fn a_call_is_about_a_check_and_not_about_its_children() {
        let about = |request: Value| check(&json!({ "requestParameters": request }));
        let parent = json!({ "healthCheckId": "parent", "childHealthChecks": ["child"] });
        assert_eq!(about(parent).as_deref(), Some("parent"));
        let tagged = |kind: &str| about(json!({ "resourceType": kind, "resourceId": "x" }));
        assert_eq!((tagged("healthcheck").as_deref(), tagged("hostedzone")), (Some("x"), None));
    }

    #[test]
    fn a_call_to_classic_load_balancers_is_about_other_things() {
        let mut whole = json!({
            "eventName": "DeleteLoadBalancer", "eventSource": BALANCING, "eventTime": "2026-11-20T10:00:00Z",
            "apiVersion": "2015-12-01", "requestParameters": { "loadBalancerArn": "arn:lb" },
        });
        assert!(Event::from_whole(&whole).is_some_and(|event| event.arns.contains("arn:lb")));
        whole["apiVersion"] = json!("2012-06-01");
        assert!(Event::from_whole(&whole).is_none());
    }
}
