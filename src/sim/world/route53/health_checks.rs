//! Health checks of the simulated Route 53.
//!
//! Decides what a valid configuration is, when a caller reference is spent, and what the checkers
//! report. Never probes anything: a scenario says what is healthy. Deleting a check that records
//! still use succeeds, as it does at AWS. Called by [`super::apply`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Route53, page_size};
use crate::sim::world::members::{Dice, HEX, Members, iso};
use crate::sim::world::{Answer, ApiError};

/// Health checks list at most this many to a page.
const LARGEST_PAGE: usize = 100;

/// The regions that check endpoints, with a checker's address in each.
const CHECKERS: [(&str, &str); 8] = [
    ("us-east-1", "15.177.2.1"),
    ("us-west-1", "15.177.10.1"),
    ("us-west-2", "15.177.14.1"),
    ("eu-west-1", "15.177.18.1"),
    ("ap-southeast-1", "15.177.42.1"),
    ("ap-southeast-2", "15.177.46.1"),
    ("ap-northeast-1", "15.177.50.1"),
    ("sa-east-1", "15.177.34.1"),
];

/// How a member of the configuration is read.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Text,
    Integer(i64, i64),
    Boolean,
    Texts,
    Alarm,
}

/// Members that can be set on creation only.
const FIXED: [(&str, Shape); 3] =
    [("Type", Shape::Text), ("RequestInterval", Shape::Integer(10, 30)), ("MeasureLatency", Shape::Boolean)];

/// Members that an update can change too.
const CHANGEABLE: [(&str, Shape); 15] = [
    ("IPAddress", Shape::Text),
    ("Port", Shape::Integer(1, 65_535)),
    ("ResourcePath", Shape::Text),
    ("FullyQualifiedDomainName", Shape::Text),
    ("SearchString", Shape::Text),
    ("FailureThreshold", Shape::Integer(1, 10)),
    ("Inverted", Shape::Boolean),
    ("Disabled", Shape::Boolean),
    ("HealthThreshold", Shape::Integer(0, 256)),
    ("ChildHealthChecks", Shape::Texts),
    ("EnableSNI", Shape::Boolean),
    ("Regions", Shape::Texts),
    ("AlarmIdentifier", Shape::Alarm),
    ("InsufficientDataHealthStatus", Shape::Text),
    ("RoutingControlArn", Shape::Text),
];

/// Members that `ResetElements` may name.
const RESETTABLE: [&str; 4] = ["ChildHealthChecks", "FullyQualifiedDomainName", "Regions", "ResourcePath"];

/// A configuration: every member typed, defaults filled in, so that equal means the same.
type Config = BTreeMap<String, Value>;

/// One health check.
#[derive(Debug, Clone)]
pub(super) struct HealthCheck {
    id: String,
    caller_reference: String,
    version: i64,
    config: Config,
    /// What the checkers find.
    pub(super) healthy: bool,
}

impl HealthCheck {
    fn to_json(&self) -> Value {
        json!({
            "Id": self.id,
            "CallerReference": self.caller_reference,
            "HealthCheckConfig": self.config,
            "HealthCheckVersion": self.version,
        })
    }

    fn status(&self) -> &'static str {
        match (kind(&self.config), self.healthy) {
            ("TCP", true) => "Success: TCP connection established",
            ("TCP", false) => "Failure: Connection timed out. The endpoint or the internet connection is down",
            (_, true) => "Success: HTTP Status Code 200, OK",
            (_, false) => "Failure: HTTP Status Code 503, Service Unavailable",
        }
    }
}

impl Route53 {
    fn check(&self, id: &str) -> Result<&HealthCheck, ApiError> {
        self.checks.get(id).ok_or_else(|| no_such(id))
    }

    pub(super) fn create_check(&mut self, members: &Members<'_>, dice: &mut Dice) -> Answer {
        members.only(&["CallerReference", "HealthCheckConfig"])?;
        let reference = members.required("CallerReference")?;
        if reference.len() > 64 {
            return Err(members.invalid("CallerReference must have at most 64 characters"));
        }
        let given =
            members.structure("HealthCheckConfig")?.ok_or_else(|| members.invalid("HealthCheckConfig is required"))?;
        let known: Vec<&str> = FIXED.iter().chain(&CHANGEABLE).map(|(name, _)| *name).collect();
        given.only(&known)?;
        let mut config = read(&given, &FIXED)?;
        config.extend(read(&given, &CHANGEABLE)?);
        fill_in_defaults(&mut config);
        self.judge(&config).map_err(|problem| members.invalid(problem))?;

        if let Some(existing) = self.checks.values().find(|check| check.caller_reference == reference) {
            return if existing.config == config {
                Ok(json!({ "HealthCheck": existing.to_json() }))
            } else {
                Err(spent(reference))
            };
        }
        if self.spent_references.contains(reference) {
            return Err(spent(reference));
        }
        let id = [8, 4, 4, 4, 12].map(|length| dice.letters(HEX, length)).join("-");
        let check =
            HealthCheck { id: id.clone(), caller_reference: reference.to_owned(), version: 1, config, healthy: true };
        let described = check.to_json();
        self.checks.insert(id, check);
        Ok(json!({ "HealthCheck": described }))
    }

    pub(super) fn get_check(&self, members: &Members<'_>) -> Answer {
        Ok(json!({ "HealthCheck": self.check(members.required("HealthCheckId")?)?.to_json() }))
    }

    pub(super) fn count_checks(&self) -> Answer {
        Ok(json!({ "HealthCheckCount": self.checks.len() }))
    }

    pub(super) fn list_checks(&self, members: &Members<'_>) -> Answer {
        let limit = page_size(members, LARGEST_PAGE)?;
        let marker = members.text("Marker")?.unwrap_or_default();
        let mut following = self.checks.range(marker.to_owned()..).map(|(_, check)| check);
        let page: Vec<Value> = following.by_ref().take(limit).map(HealthCheck::to_json).collect();
        let next = following.next();
        Ok(json!({
            "HealthChecks": page,
            "Marker": marker,
            "IsTruncated": next.is_some(),
            "NextMarker": next.map(|check| check.id.as_str()),
            "MaxItems": limit.to_string(),
        }))
    }

    pub(super) fn update_check(&mut self, members: &Members<'_>) -> Answer {
        let mut known: Vec<&str> = CHANGEABLE.iter().map(|(name, _)| *name).collect();
        known.retain(|name| *name != "RoutingControlArn");
        known.extend(["HealthCheckId", "HealthCheckVersion", "ResetElements"]);
        members.only(&known)?;
        let mut check = self.check(members.required("HealthCheckId")?)?.clone();
        if let Some(expected) = members.integer("HealthCheckVersion", 1..=i64::MAX)?
            && expected != check.version
        {
            return Err(ApiError::new(
                409,
                "HealthCheckVersionMismatch",
                format!("The health check {} has version {}, not {expected}", check.id, check.version),
            ));
        }
        for element in members.texts("ResetElements")? {
            if !RESETTABLE.contains(&element) {
                return Err(members.invalid(format!("'{element}' cannot be reset")));
            }
            check.config.remove(element);
        }
        check.config.extend(read(members, &CHANGEABLE)?);
        self.judge(&check.config).map_err(|problem| members.invalid(problem))?;
        check.version += 1;
        let described = check.to_json();
        self.checks.insert(check.id.clone(), check);
        Ok(json!({ "HealthCheck": described }))
    }

    pub(super) fn delete_check(&mut self, members: &Members<'_>) -> Answer {
        let id = members.required("HealthCheckId")?;
        let check = self.checks.remove(id).ok_or_else(|| no_such(id))?;
        self.spent_references.insert(check.caller_reference);
        self.tags.remove(&("healthcheck".to_owned(), check.id));
        Ok(json!({}))
    }

    pub(super) fn check_status(&self, members: &Members<'_>, now: Timestamp) -> Answer {
        let check = self.check(members.required("HealthCheckId")?)?;
        if !watches_an_endpoint(kind(&check.config)) {
            return Err(members.invalid(format!("Health checks of type {} have no observations", kind(&check.config))));
        }
        let chosen: Option<Vec<&str>> = check
            .config
            .get("Regions")
            .and_then(Value::as_array)
            .map(|regions| regions.iter().filter_map(Value::as_str).collect());
        let observations: Vec<Value> = CHECKERS
            .iter()
            .filter(|(region, _)| chosen.as_ref().is_none_or(|chosen| chosen.contains(region)))
            .map(|(region, address)| {
                json!({
                    "Region": region,
                    "IPAddress": address,
                    "StatusReport": { "Status": check.status(), "CheckedTime": iso(now) },
                })
            })
            .collect();
        Ok(json!({ "HealthCheckObservations": observations }))
    }

    /// What is wrong with a configuration, by its type.
    fn judge(&self, config: &Config) -> Result<(), String> {
        let has = |name: &str| config.contains_key(name);
        let kind = kind(config);
        match kind {
            "HTTP" | "HTTPS" | "HTTP_STR_MATCH" | "HTTPS_STR_MATCH" | "TCP" => {
                if !has("IPAddress") && !has("FullyQualifiedDomainName") {
                    return Err(format!("{kind} needs IPAddress or FullyQualifiedDomainName"));
                }
                if kind == "TCP" && (has("ResourcePath") || !has("Port")) {
                    return Err("TCP needs Port and takes no ResourcePath".to_owned());
                }
                if kind.ends_with("_STR_MATCH") != has("SearchString") {
                    return Err("SearchString belongs to the types that match a string, and to no other".to_owned());
                }
                if has("ChildHealthChecks") || has("HealthThreshold") || has("AlarmIdentifier") {
                    return Err(format!("{kind} takes neither children nor an alarm"));
                }
            }
            "CALCULATED" => {
                let children = config.get("ChildHealthChecks").and_then(Value::as_array).map(Vec::as_slice);
                if let Some(stranger) = children
                    .unwrap_or_default()
                    .iter()
                    .filter_map(Value::as_str)
                    .find(|id| !self.checks.contains_key(*id))
                {
                    return Err(format!("The child health check {stranger} does not exist"));
                }
                if !has("HealthThreshold") {
                    return Err("CALCULATED needs HealthThreshold".to_owned());
                }
            }
            "CLOUDWATCH_METRIC" if has("AlarmIdentifier") => {}
            "CLOUDWATCH_METRIC" => return Err("CLOUDWATCH_METRIC needs AlarmIdentifier".to_owned()),
            "RECOVERY_CONTROL" if has("RoutingControlArn") => {}
            "RECOVERY_CONTROL" => return Err("RECOVERY_CONTROL needs RoutingControlArn".to_owned()),
            other => return Err(format!("'{other}' is not a type of health check")),
        }
        if !matches!(config.get("RequestInterval").and_then(Value::as_i64), None | Some(10 | 30)) {
            return Err("RequestInterval must be 10 or 30".to_owned());
        }
        if config.get("Regions").and_then(Value::as_array).is_some_and(|regions| regions.len() < 3) {
            return Err("Regions must name at least three".to_owned());
        }
        Ok(())
    }
}

fn kind(config: &Config) -> &str {
    config.get("Type").and_then(Value::as_str).unwrap_or_default()
}

fn watches_an_endpoint(kind: &str) -> bool {
    kind.starts_with("HTTP") || kind == "TCP"
}

/// The members of a configuration that are there, typed.
fn read(members: &Members<'_>, shapes: &[(&str, Shape)]) -> Result<Config, ApiError> {
    let mut config = Config::new();
    for (name, shape) in shapes {
        let value = match shape {
            Shape::Text => members.text(name)?.map(Value::from),
            Shape::Integer(least, most) => members.integer(name, *least..=*most)?.map(Value::from),
            Shape::Boolean => members.boolean(name)?.map(Value::from),
            Shape::Texts => {
                let texts = members.texts(name)?;
                (!texts.is_empty()).then(|| json!(texts))
            }
            Shape::Alarm => match members.structure(name)? {
                Some(alarm) => Some(json!({ "Region": alarm.required("Region")?, "Name": alarm.required("Name")? })),
                None => None,
            },
        };
        if let Some(value) = value {
            config.insert((*name).to_owned(), value);
        }
    }
    Ok(config)
}

/// What AWS answers for members that were left out.
fn fill_in_defaults(config: &mut Config) {
    let kind = kind(config).to_owned();
    let mut defaults = vec![("Inverted", json!(false)), ("Disabled", json!(false))];
    if watches_an_endpoint(&kind) {
        defaults.push(("RequestInterval", json!(30)));
        defaults.push(("FailureThreshold", json!(3)));
        defaults.push(("MeasureLatency", json!(false)));
        defaults.push(("EnableSNI", json!(kind.starts_with("HTTPS"))));
    }
    if kind.starts_with("HTTP") {
        defaults.push(("Port", json!(if kind.starts_with("HTTPS") { 443 } else { 80 })));
    }
    for (name, value) in defaults {
        config.entry(name.to_owned()).or_insert(value);
    }
}

fn no_such(id: &str) -> ApiError {
    ApiError::new(404, "NoSuchHealthCheck", format!("No health check exists with the specified ID: {id}"))
}

fn spent(reference: &str) -> ApiError {
    ApiError::new(
        409,
        "HealthCheckAlreadyExists",
        format!(
            "The caller reference {reference} has been used for a health check with another configuration, or one \
             that was deleted"
        ),
    )
}
