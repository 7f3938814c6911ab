//! A health check as Route 53 lists it, spelled the one way moored compares it.
//!
//! Decides its facts, including those that Route 53 leaves out because they are defaults, what it
//! is called and what it refers to. Never judges. The reader of an account's health checks calls
//! [`live`]; the specs share its spellings.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::KIND;
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::value::{Fact, Fields, Value};
use crate::kinds::detail;
use crate::kinds::dns_record::{name, value};

/// One health check, free of any SDK. What Route 53 did not say is `None`.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Its id.
    pub id: String,
    /// What its creator called it.
    pub caller_reference: String,
    /// Such as `HTTPS`.
    pub check_type: String,
    /// The name that is checked.
    pub fqdn: Option<String>,
    /// The address that is checked.
    pub ip_address: Option<String>,
    /// The port that is checked.
    pub port: Option<i32>,
    /// The path that is asked for.
    pub resource_path: Option<String>,
    /// The text that the answer must contain.
    pub search_string: Option<String>,
    /// Seconds between two checks.
    pub request_interval: Option<i32>,
    /// How many answers in a row change the status.
    pub failure_threshold: Option<i32>,
    /// Whether latency is measured.
    pub measure_latency: Option<bool>,
    /// Whether failure means healthy.
    pub inverted: Option<bool>,
    /// Whether it is off, and counts as healthy.
    pub disabled: Option<bool>,
    /// How many children must be healthy.
    pub health_threshold: Option<i32>,
    /// The checks that a calculated one watches.
    pub children: Vec<String>,
    /// Whether the name is sent during the TLS handshake.
    pub enable_sni: Option<bool>,
    /// Where the checkers are, if not everywhere.
    pub regions: Vec<String>,
}

/// What the checkers around the world reported last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// Checkers that reported.
    pub checkers: i64,
    /// Those of them that could not reach the endpoint.
    pub failed: i64,
}

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// The live health check of an observed one. Tags and status are `None` where nobody asked; that of a
/// check whose type has no status cannot be checked.
pub fn live(observed: Observed, tags: Option<Result<Tags, Fact>>, status: Option<Result<Status, Fact>>) -> Live {
    let inverted = observed.inverted.unwrap_or(false);
    let mut references: Vec<Arc<str>> = Vec::new();
    let mut fields = Fields::default();
    fields.set("type", observed.check_type.as_str());
    fields.set("callerReference", observed.caller_reference.as_str());
    fields.set("inverted", inverted);
    fields.set("disabled", observed.disabled.unwrap_or(false));
    if is_endpoint(&observed.check_type) {
        endpoint(&observed, &mut fields);
    }
    if let Some(fqdn) = &observed.fqdn {
        fields.set("fqdn", Value::text(name::canonical(fqdn)));
        references.push(name::address(fqdn).into());
    }
    fields.set_some("healthThreshold", observed.health_threshold);
    if !observed.children.is_empty() {
        fields.set("childHealthChecks", Value::set(observed.children.iter().map(String::as_str)));
        references.extend(observed.children.iter().map(|id| Arc::<str>::from(format!("healthcheck:{id}"))));
    }
    match tags {
        None => fields.put("tags", detail::not_asked()),
        Some(Err(fact)) => fields.put("tags", fact),
        Some(Ok(tags)) => {
            fields.set("tags", Value::set(tags.keys().map(String::as_str)));
            for (key, value) in &tags {
                fields.set(format!("tags.{key}"), value.as_str());
            }
        }
    }
    match status {
        None if has_status(&observed.check_type) => fields.put("status", detail::not_asked()),
        None => fields.put("status", no_status(&observed.check_type)),
        Some(Err(fact)) => fields.put("status", fact),
        Some(Ok(status)) => {
            let failing = if inverted { status.checkers - status.failed } else { status.failed };
            fields.set("status.checkers", status.checkers);
            fields.set("status.failing", failing);
        }
    }
    fields.shrink();
    let addresses: Vec<Arc<str>> = vec![format!("healthcheck:{}", observed.id).into()];
    Live {
        key: ObjectKey::new(KIND, &observed.id),
        id: arn(&observed.id).into(),
        incarnation: None,
        fields,
        addresses: addresses.into(),
        references: references.into(),
    }
}

/// What a check that asks an endpoint has, and Route 53's defaults where it did not say.
fn endpoint(observed: &Observed, fields: &mut Fields) {
    let check_type = observed.check_type.as_str();
    let default_port = match check_type {
        "HTTP" | "HTTP_STR_MATCH" => Some(80),
        "HTTPS" | "HTTPS_STR_MATCH" => Some(443),
        _ => None,
    };
    fields.set_some("port", observed.port.or(default_port));
    fields.set_some("ipAddress", observed.ip_address.as_deref().map(|text| Value::text(value::ip_address(text))));
    if check_type != "TCP" {
        fields.set("resourcePath", Value::text(resource_path(observed.resource_path.as_deref().unwrap_or_default())));
    }
    fields.set_some("searchString", observed.search_string.as_deref());
    fields.set("requestInterval", observed.request_interval.unwrap_or(30));
    fields.set("failureThreshold", observed.failure_threshold.unwrap_or(3));
    fields.set("measureLatency", observed.measure_latency.unwrap_or(false));
    fields.set("enableSni", observed.enable_sni.unwrap_or(matches!(check_type, "HTTPS" | "HTTPS_STR_MATCH")));
    if !observed.regions.is_empty() {
        fields.set("regions", Value::set(observed.regions.iter().map(String::as_str)));
    }
}

/// Whether a check of this type asks an endpoint, rather than other checks or an alarm.
pub fn is_endpoint(check_type: &str) -> bool {
    !matches!(check_type, "CALCULATED" | "CLOUDWATCH_METRIC" | "RECOVERY_CONTROL")
}

/// Whether Route 53 may tell what the checkers of such a check see. GetHealthCheckStatus cannot be
/// used for calculated checks (Route 53 API Reference), and a routing control has no checkers. That
/// it can be used for an alarm is not said; where it cannot, Route 53's refusal is [`no_status`].
pub fn has_status(check_type: &str) -> bool {
    !matches!(check_type, "CALCULATED" | "RECOVERY_CONTROL")
}

/// What the status of a check is that Route 53 gives none of: not to be had, today or tomorrow.
pub fn no_status(check_type: &str) -> Fact {
    Fact::Unchecked(format!("Route 53 tells no status of a health check of type {check_type}").into())
}

/// A path as Route 53 asks for it: with its slash.
pub fn resource_path(text: &str) -> String {
    if text.starts_with('/') { text.to_owned() } else { format!("/{text}") }
}

/// The other name of a check that its creator called so.
pub fn by_caller_reference(reference: &str) -> String {
    format!("callerReference:{reference}")
}

/// The other name of a check whose tag `Name` says so.
pub fn by_tag_name(name: &str) -> String {
    format!("tagName:{name}")
}

/// The ARN of a check.
pub fn arn(id: &str) -> String {
    format!("arn:aws:route53:::healthcheck/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn https() -> Observed {
        Observed {
            id: "abc".into(),
            check_type: "HTTPS".into(),
            fqdn: Some("API.example.com.".into()),
            ..Observed::default()
        }
    }

    #[test]
    fn defaults_that_route_53_leaves_out_are_facts() {
        let check = live(https(), None, None);
        let fields = &check.fields;
        assert_eq!(fields.value("requestInterval"), Some(&Value::Int(30)));
        assert_eq!(fields.value("failureThreshold"), Some(&Value::Int(3)));
        assert_eq!(fields.value("port"), Some(&Value::Int(443)));
        assert_eq!(fields.value("enableSni"), Some(&Value::Bool(true)));
        assert_eq!(fields.value("resourcePath"), Some(&Value::text("/")));
        assert_eq!(fields.value("fqdn"), Some(&Value::text("api.example.com")));
        assert_eq!(
            (&*check.id, check.references.first().map(|reference| &**reference)),
            ("arn:aws:route53:::healthcheck/abc", Some("dns:api.example.com"))
        );
    }

    #[test]
    fn what_nobody_asked_for_is_unknown_and_a_status_that_does_not_exist_is_unchecked() {
        let check = live(https(), None, None);
        for path in ["tags.team", "status.checkers"] {
            assert!(matches!(*check.fields.fact(path), Fact::Unknown(_)), "{path}");
        }
        for check_type in ["CALCULATED", "RECOVERY_CONTROL"] {
            let check = live(Observed { check_type: check_type.into(), ..https() }, None, None);
            assert_eq!(*check.fields.fact("status"), no_status(check_type));
            assert!(matches!(no_status(check_type), Fact::Unchecked(why) if why.contains(check_type)));
        }
    }

    #[test]
    fn a_calculated_check_has_children_and_no_endpoint() {
        let observed = Observed {
            id: "sum".into(),
            check_type: "CALCULATED".into(),
            children: vec!["b".into(), "a".into()],
            health_threshold: Some(1),
            ..Observed::default()
        };
        let check = live(observed, None, None);
        assert_eq!(check.fields.value("requestInterval"), None);
        assert_eq!(check.fields.value("childHealthChecks"), Some(&Value::set(["a", "b"])));
        assert_eq!(check.references.len(), 2);
    }

    #[test]
    fn an_inverted_check_fails_where_the_endpoint_answers() {
        let inverted = Observed { inverted: Some(true), ..https() };
        let check = live(inverted, None, Some(Ok(Status { checkers: 16, failed: 14 })));
        assert_eq!(check.fields.value("status.failing"), Some(&Value::Int(2)));
    }
}
