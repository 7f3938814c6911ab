//! One event of the simulated CloudTrail, spelled as AWS spells it.
//!
//! Decides what an event says of who called, what was asked and what was answered, and which of its
//! sides it can be looked up by. Never decides whether a call is told of: [`super::record`] does.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::sim::world::members::iso;
use crate::sim::world::sts::Sts;
use crate::sim::world::{Caller, Request, Service};

/// A call that AWS has carried out.
pub(super) struct Call<'a> {
    pub(super) caller: &'a Caller,
    pub(super) request: &'a Request,
    pub(super) output: &'a Value,
    /// Where it is told of.
    pub(super) region: &'a str,
    pub(super) at: Timestamp,
}

/// What is told of a call.
#[derive(Debug)]
pub(super) struct Event {
    id: String,
    name: String,
    source: String,
    read_only: bool,
    username: String,
    access_key: String,
    /// Type and name.
    resources: Vec<(&'static str, String)>,
    /// The whole event as JSON text, as a trail delivers it to a bucket.
    whole: String,
}

impl Call<'_> {
    pub(super) fn event(&self, sts: &Sts, id: String) -> Event {
        let Self { caller, request, output, .. } = self;
        let actor = Actor::of(caller);
        let source = format!("{}.amazonaws.com", request.service.signing_name());
        // CloudTrail counts becoming a role among the reads.
        let read_only = request.service == Service::Sts;
        let access_key = sts.access_key(caller);
        let answered = match request.service {
            // What AssumeRole answers is secret.
            Service::Sts => Value::Null,
            service => spelled(service, output),
        };
        let mut whole = json!({
            "eventVersion": "1.11",
            "userIdentity": actor.identity(caller, &sts.user_id(caller), &access_key, self.at),
            "eventTime": iso(self.at),
            "eventSource": source,
            "eventName": request.operation,
            "awsRegion": self.region,
            "sourceIPAddress": actor.service().unwrap_or("203.0.113.10"),
            "userAgent": "simulated",
            "requestParameters": spelled(request.service, &request.input),
            "responseElements": answered,
            "requestID": id,
            "eventID": id,
            "readOnly": read_only,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": caller.account,
            "eventCategory": "Management",
        });
        // Only services with several APIs, or an old one, say which it is.
        match request.service {
            Service::Elbv2 => whole["apiVersion"] = json!("2015-12-01"),
            Service::Route53 => whole["apiVersion"] = json!("2013-04-01"),
            _ => {}
        }
        Event {
            name: request.operation.clone(),
            username: actor.username().to_owned(),
            resources: resources(request, output),
            whole: whole.to_string(),
            id,
            source,
            read_only,
            access_key,
        }
    }
}

impl Event {
    /// Whether it is found by this value of a lookup attribute.
    pub(super) fn has(&self, key: &str, value: &str) -> bool {
        match key {
            "AccessKeyId" => self.access_key == value,
            "EventId" => self.id == value,
            "EventName" => self.name == value,
            "EventSource" => self.source == value,
            "ReadOnly" => self.read_only.to_string() == value,
            "ResourceName" => self.resources.iter().any(|(_, name)| name == value),
            "ResourceType" => self.resources.iter().any(|(kind, _)| *kind == value),
            "Username" => self.username == value,
            _ => false,
        }
    }

    /// The event in the answer to LookupEvents.
    pub(super) fn shown(&self, at: Timestamp) -> Value {
        let resources: Vec<Value> =
            self.resources.iter().map(|(kind, name)| json!({ "ResourceType": kind, "ResourceName": name })).collect();
        json!({
            "EventId": self.id,
            "EventName": self.name,
            "ReadOnly": self.read_only.to_string(),
            "AccessKeyId": self.access_key,
            "EventTime": at.as_second(),
            "EventSource": self.source,
            "Username": self.username,
            "Resources": resources,
            "CloudTrailEvent": self.whole,
        })
    }
}

/// Who a caller is, by its ARN.
enum Actor<'a> {
    Root,
    User(&'a str),
    Session { role: &'a str, name: &'a str },
}

impl<'a> Actor<'a> {
    fn of(caller: &'a Caller) -> Self {
        let resource = caller.arn.splitn(6, ':').nth(5).unwrap_or_default();
        let session = resource.strip_prefix("assumed-role/").and_then(|session| session.split_once('/'));
        match (session, resource.strip_prefix("user/")) {
            (Some((role, name)), _) => Self::Session { role, name },
            (None, Some(user)) => Self::User(user.rsplit('/').next().unwrap_or(user)),
            (None, None) => Self::Root,
        }
    }

    fn username(&self) -> &'a str {
        match *self {
            Self::Root => "root",
            Self::User(name) | Self::Session { name, .. } => name,
        }
    }

    /// The AWS service that acts through its own role.
    fn service(&self) -> Option<&'static str> {
        match self {
            Self::Session { role, .. } if role.starts_with("AWSServiceRoleForApplicationAutoScaling_") => {
                Some("ecs.application-autoscaling.amazonaws.com")
            }
            _ => None,
        }
    }

    fn identity(&self, caller: &Caller, principal: &str, access_key: &str, now: Timestamp) -> Value {
        let account = &caller.account;
        let mut identity = json!({
            "type": match self {
                Self::Root => "Root",
                Self::User(_) => "IAMUser",
                Self::Session { .. } => "AssumedRole",
            },
            "principalId": principal,
            "arn": caller.arn,
            "accountId": account,
            "accessKeyId": access_key,
        });
        match self {
            Self::Root => {}
            Self::User(name) => identity["userName"] = json!(name),
            Self::Session { role, .. } => {
                let role_id = principal.split_once(':').map_or(principal, |(id, _)| id);
                identity["sessionContext"] = json!({
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": role_id,
                        "arn": format!("arn:aws:iam::{account}:role/{role}"),
                        "accountId": account,
                        "userName": role,
                    },
                    "attributes": { "creationDate": iso(now), "mfaAuthenticated": "false" },
                });
            }
        }
        if let Some(service) = self.service() {
            identity["invokedBy"] = json!(service);
        }
        identity
    }
}

/// Members in CloudTrail's spelling: `HostedZoneId` is `hostedZoneId`, `TTL` is `tTL`; nothing is null.
fn spelled(service: Service, members: &Value) -> Value {
    match members {
        Value::Object(members) if members.is_empty() => Value::Null,
        // ECS has this spelling already, and maps whose keys belong to its users.
        members if service == Service::Ecs => members.clone(),
        members => lower(members),
    }
}

fn lower(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: Map<String, Value> = members
                .iter()
                .map(|(name, member)| {
                    let mut letters = name.chars();
                    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                    (first.into_iter().chain(letters).collect(), lower(member))
                })
                .collect();
            Value::Object(members)
        }
        Value::Array(items) => items.iter().map(lower).collect(),
        other => other.clone(),
    }
}

/// What LookupEvents names as the resources of an event.
fn resources(request: &Request, output: &Value) -> Vec<(&'static str, String)> {
    const ZONE: &str = "AWS::Route53::HostedZone";
    const CHECK: &str = "AWS::Route53::HealthCheck";
    const BALANCER: &str = "AWS::ElasticLoadBalancingV2::LoadBalancer";
    const GROUP: &str = "AWS::ElasticLoadBalancingV2::TargetGroup";
    let places: &[(&'static str, &str)] = match request.service {
        Service::Route53 => &[
            (ZONE, "/HostedZoneId"),
            (ZONE, "/HostedZone/Id"),
            (ZONE, "/Id"),
            (CHECK, "/HealthCheckId"),
            (CHECK, "/HealthCheck/Id"),
        ],
        Service::Elbv2 => &[
            (BALANCER, "/LoadBalancerArn"),
            (BALANCER, "/LoadBalancers/0/LoadBalancerArn"),
            (GROUP, "/TargetGroupArn"),
            (GROUP, "/TargetGroups/0/TargetGroupArn"),
        ],
        Service::DynamoDb => &[("AWS::DynamoDB::Table", "/TableName")],
        Service::Sts => &[("AWS::IAM::Role", "/RoleArn")],
        Service::Ecs | Service::CloudTrail => &[],
    };
    let name = |place: &str| request.input.pointer(place).or_else(|| output.pointer(place)).and_then(Value::as_str);
    places.iter().filter_map(|(kind, place)| Some((*kind, name(place)?.to_owned()))).collect()
}
