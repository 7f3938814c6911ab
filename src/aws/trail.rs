//! The trail: what was changed in an account and region lately, and by whom, as CloudTrail tells it.
//!
//! Decides who acted, in the words of a person, and which things an event names. Never decides what
//! an event caused: [`crate::engine::attribution`] does. An event's parameters may hold secrets, so
//! an [`Event`] has no `Debug` and is not kept beyond one look.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_cloudtrail::types::{self, LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use serde_json::Value;

use super::allow_list::CLOUDTRAIL_LOOKUP_EVENTS;
use super::read::{CallFailure, ReadContext};
use crate::kinds::dns_record::name;

/// The largest page, and how many of them are read of one window.
const PAGE: i32 = 50;
const PAGES: usize = 20;
/// How many events that is.
pub const MOST: usize = 1_000;
/// The longest name of an actor, in characters.
const LONGEST: usize = 200;

/// The services whose changes moored asks about, as events name them.
const SOURCES: [&str; 3] = ["ecs.amazonaws.com", "elasticloadbalancing.amazonaws.com", "route53.amazonaws.com"];

/// What changed in one window of time.
pub struct Events {
    /// The events of services that moored reads, newest first.
    pub events: Vec<Event>,
    /// Whether these are all: if not, the window has older ones.
    pub whole: bool,
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
    /// Every text of its resources, parameters and answer.
    pub mentions: BTreeSet<String>,
    /// The records that a batch changed.
    pub records: Vec<RecordChange>,
}

/// What a batch did to one record.
pub struct RecordChange {
    /// `CREATE`, `UPSERT` or `DELETE`.
    pub action: String,
    /// The zone's key for the record: `name|TYPE|set`.
    pub key: String,
}

/// Reads the changes of a window, as far as [`MOST`] events back.
pub async fn lookup(context: &ReadContext, from: Timestamp, until: Timestamp) -> Result<Events, CallFailure> {
    let changes = LookupAttribute::builder().attribute_key(LookupAttributeKey::ReadOnly).attribute_value("false");
    // Both members are set, so that it is always built; without it there would only be more events.
    let only: Option<Vec<LookupAttribute>> = changes.build().ok().map(|only| vec![only]);
    let mut events = Vec::new();
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
        position = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if position.is_none() {
            return Ok(Events { events, whole: true });
        }
    }
    Ok(Events { events, whole: false })
}

impl Event {
    /// An event that may have changed something that moored reads.
    fn read(told: &types::Event) -> Option<Self> {
        let source = told.event_source().filter(|source| SOURCES.contains(source))?;
        let at = told.event_time().and_then(|time| Timestamp::from_second(time.secs()).ok())?;
        let whole: Value =
            told.cloud_trail_event().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let named = told.resources().iter().filter_map(|resource| resource.resource_name());
        Self::of(told.event_name()?, source, at, told.username(), named, &whole)
    }

    fn of<'a>(
        name: &str,
        source: &str,
        at: Timestamp,
        username: Option<&str>,
        named: impl Iterator<Item = &'a str>,
        whole: &Value,
    ) -> Option<Self> {
        // CloudTrail tells of calls that were refused, too.
        if whole.get("errorCode").is_some_and(|code| !code.is_null()) {
            return None;
        }
        let mut mentions: BTreeSet<String> = named.map(str::to_owned).collect();
        for side in ["requestParameters", "responseElements"] {
            collect(whole.get(side).unwrap_or(&Value::Null), &mut mentions);
        }
        Some(Self {
            name: plain(name).into(),
            source: source.to_owned(),
            at,
            actor: plain(&actor(whole, username)).into(),
            mentions,
            records: records(whole),
        })
    }

    /// An event as a trail delivers it, for tests of what is made of it.
    #[cfg(test)]
    pub(crate) fn from_whole(whole: &Value) -> Option<Self> {
        let text = |member: &str| whole.get(member).and_then(Value::as_str);
        let at = text("eventTime")?.parse().ok()?;
        Self::of(text("eventName")?, text("eventSource")?, at, None, std::iter::empty(), whole)
    }
}

/// Every text in a value. The JSON reader has bounded the depth.
fn collect(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            into.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(members) => members.values().for_each(|member| collect(member, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The record changes of a batch, in the spelling of the zone's keys.
fn records(whole: &Value) -> Vec<RecordChange> {
    let changes = whole.pointer("/requestParameters/changeBatch/changes").and_then(Value::as_array);
    let changed = |change: &Value| {
        let text = |pointer: &str| change.pointer(pointer).and_then(Value::as_str);
        let (record, kind) = (text("/resourceRecordSet/name")?, text("/resourceRecordSet/type")?);
        let key = name::record_key(record, kind, text("/resourceRecordSet/setIdentifier"));
        Some(RecordChange { action: text("/action")?.to_ascii_uppercase(), key })
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
    text.chars().filter(|character| !character.is_control()).take(LONGEST).collect()
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
        let whole = json!({ "requestParameters": { "changeBatch": { "changes": [change, { "action": "UPSERT" }] } } });
        let records = records(&whole);
        assert_eq!(records.len(), 1, "a change without a record is none");
        assert_eq!((records[0].action.as_str(), records[0].key.as_str()), ("DELETE", "*.example.com|CNAME|blue"));
    }
}
