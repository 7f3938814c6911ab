//! What a manifest may say of a health check.
//!
//! Decides which check is meant, by one of four ways to name it, and what is expected of it. Never
//! looks at an account. The loader calls [`declare`].

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::live;
use crate::core::asks::Facet;
use crate::core::desired::Account;
use crate::core::identity::{ScopeKey, ScopeKind, Select};
use crate::core::value::{Expect, Path, Value};
use crate::kinds::Declaration;
use crate::kinds::dns_record::{name, value};
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::tree::Node;

/// A Route 53 health check. It is found by `id`, `callerReference`, `tagName` or `referencedBy`;
/// without any of them by its tag `Name`, which is then metadata.name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HealthCheckSpec {
    /// The account that holds the check, by its alias in the Environment.
    account: Option<String>,
    /// Find it by its id.
    id: Option<String>,
    /// Find it by the reference that its creator gave it.
    caller_reference: Option<Text>,
    /// Find it by the value of its tag `Name`. Two checks of one name are ambiguous.
    tag_name: Option<Text>,
    /// Find it as the one that a DNS record depends on.
    referenced_by: Option<ReferrerSpec>,
    /// What kind of check it is.
    #[serde(rename = "type")]
    check_type: Option<CheckType>,
    /// The name that is checked, such as `api.example.com`.
    fqdn: Option<String>,
    /// The address that is checked.
    ip_address: Option<String>,
    /// The port that is checked.
    port: Option<u16>,
    /// The path that is asked for, such as `/health`.
    resource_path: Option<String>,
    /// The text that the answer must contain.
    search_string: Option<Text>,
    /// Seconds between two checks by one checker: 10 or 30.
    request_interval: Option<u16>,
    /// How many answers in a row change the status.
    failure_threshold: Option<u8>,
    /// Whether a failing endpoint counts as healthy.
    inverted: Option<bool>,
    /// Whether the check is off, and always counts as healthy.
    disabled: Option<bool>,
    /// Whether latency is measured.
    measure_latency: Option<bool>,
    /// Whether the name is sent during the TLS handshake.
    enable_sni: Option<bool>,
    /// How many of `childHealthChecks` must be healthy.
    health_threshold: Option<u16>,
    /// The ids of the checks that a calculated one watches.
    child_health_checks: Option<Vec<String>>,
    /// The regions of the checkers.
    regions: Option<Vec<String>>,
}

/// A record that depends on the check.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReferrerSpec {
    /// What refers to the check: a record.
    kind: ReferrerKind,
    /// The record's full name.
    name: String,
    /// The record's hosted zone; by default its name without the first label.
    zone: Option<String>,
    /// The record's type; by default `CNAME`.
    #[serde(rename = "type")]
    record_type: Option<String>,
    /// The record's set identifier, where it has a routing policy.
    set_identifier: Option<String>,
    /// The account of the zone; by default that of the check.
    account: Option<String>,
}

/// What can refer to a health check.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
enum ReferrerKind {
    /// A record of a hosted zone.
    DnsRecord,
}

/// The types of health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum CheckType {
    Http,
    Https,
    HttpStrMatch,
    HttpsStrMatch,
    Tcp,
    Calculated,
    CloudwatchMetric,
    RecoveryControl,
}

impl CheckType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::HttpStrMatch => "HTTP_STR_MATCH",
            Self::HttpsStrMatch => "HTTPS_STR_MATCH",
            Self::Tcp => "TCP",
            Self::Calculated => "CALCULATED",
            Self::CloudwatchMetric => "CLOUDWATCH_METRIC",
            Self::RecoveryControl => "RECOVERY_CONTROL",
        }
    }
}

/// Reads and resolves a spec.
pub(super) fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: HealthCheckSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    resolve(&spec, setting)
}

pub(super) fn resolve(spec: &HealthCheckSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let account = setting.account(spec.account.as_deref()).map_err(|problem| vec![problem])?;
    let problems = impossible(spec);
    let select = match select(spec, setting, account) {
        Ok(select) if problems.is_empty() => select,
        Ok(_) => return Err(problems),
        Err(found) => return Err(found.into_iter().chain(problems).collect()),
    };
    let mut facets = BTreeSet::from([Facet::Status]);
    let id: Arc<str> = match &select {
        Select::Key(id) | Select::Arn(id) => live::arn(id).into(),
        Select::Alias(alias) => format!("healthcheck/{}/{alias}", account.id).into(),
        Select::ReferencedBy(referrer) => {
            let (zone, record) = &**referrer;
            format!("healthcheck/{}/referencedBy:{}/{record}", account.id, zone.thing).into()
        }
    };
    if matches!(&select, Select::Alias(alias) if alias.starts_with("tagName:")) {
        facets.insert(Facet::Tags);
    }
    Ok(Declaration {
        not_compared: Vec::new(),
        scope: ScopeKey::new(ScopeKind::HealthChecks, &account.id, "global", ""),
        select,
        id,
        expects: expects(spec),
        facets,
        rules: None,
    })
}

/// Values that Route 53 refuses.
fn impossible(spec: &HealthCheckSpec) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    if let Some(seconds) = spec.request_interval.filter(|seconds| !matches!(seconds, 10 | 30)) {
        problems.push(
            SpecProblem::at(["requestInterval"], format!("Route 53 cannot check every {seconds} seconds"))
                .hint("it can be 10 or 30"),
        );
    }
    if let Some(count) = spec.failure_threshold.filter(|count| !(1..=10).contains(count)) {
        problems.push(
            SpecProblem::at(["failureThreshold"], format!("`failureThreshold` cannot be {count}"))
                .hint("it can be any number from 1 to 10"),
        );
    }
    problems
}

/// The one way in which the check is named.
fn select(spec: &HealthCheckSpec, setting: &Setting<'_>, account: &Account) -> Result<Select, Vec<SpecProblem>> {
    let ways: Vec<&str> = [
        ("id", spec.id.is_some()),
        ("callerReference", spec.caller_reference.is_some()),
        ("tagName", spec.tag_name.is_some()),
        ("referencedBy", spec.referenced_by.is_some()),
    ]
    .into_iter()
    .filter_map(|(field, given)| given.then_some(field))
    .collect();
    if let [first, second, ..] = ways.as_slice() {
        let problem = SpecProblem::at([*second], format!("the check is named twice: by `{first}` and by `{second}`"));
        return Err(vec![problem.hint("keep the one that never changes, which is `id`")]);
    }
    if let Some(id) = &spec.id {
        return Ok(Select::Key(id.as_str().into()));
    }
    if let Some(reference) = &spec.caller_reference {
        return Ok(Select::Alias(live::by_caller_reference(reference).into()));
    }
    match &spec.referenced_by {
        Some(referrer) => referenced(referrer, setting, account),
        None => Ok(Select::Alias(live::by_tag_name(spec.tag_name.as_deref().unwrap_or(setting.name)).into())),
    }
}

/// The check that a record depends on.
fn referenced(referrer: &ReferrerSpec, setting: &Setting<'_>, account: &Account) -> Result<Select, Vec<SpecProblem>> {
    let ReferrerKind::DnsRecord = referrer.kind;
    let mut problems = Vec::new();
    let account = match &referrer.account {
        None => &account.id,
        Some(alias) => match setting.account(Some(alias.as_str())) {
            Ok(account) => &account.id,
            Err(problem) => {
                return Err(vec![SpecProblem {
                    path: vec!["referencedBy".to_owned(), "account".to_owned()],
                    ..problem
                }]);
            }
        },
    };
    let mut read = |field: &str, text: &str| match name::declared(text) {
        Ok(name) => name,
        Err(problem) => {
            problems.push(SpecProblem::at(["referencedBy", field], problem.to_string()));
            String::new()
        }
    };
    let record = read("name", &referrer.name);
    let zone = match (&referrer.zone, record.split_once('.')) {
        (Some(zone), _) => read("zone", zone),
        (None, Some((_, parent))) => parent.to_owned(),
        (None, None) => String::new(),
    };
    if !zone.is_empty() && !record.is_empty() && !name::is_within(&record, &zone) {
        problems.push(SpecProblem::at(
            ["referencedBy", "name"],
            format!("the record `{record}` does not lie in the zone `{zone}`"),
        ));
    } else if zone.is_empty() && problems.is_empty() {
        problems.push(
            SpecProblem::at(["referencedBy", "zone"], format!("which zone is `{record}` in?")).hint("add `zone:`"),
        );
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let record_type = referrer.record_type.as_deref().unwrap_or("CNAME");
    let key = name::record_key(&record, record_type, referrer.set_identifier.as_deref());
    Ok(Select::ReferencedBy(Box::new((ScopeKey::new(ScopeKind::HostedZone, account, "global", &zone), key.into()))))
}

fn expects(spec: &HealthCheckSpec) -> Vec<(Path, Expect)> {
    let set = |items: &Option<Vec<String>>| items.as_ref().map(|items| Value::set(items.iter().map(String::as_str)));
    [
        ("type", spec.check_type.map(|check_type| Value::text(check_type.as_str()))),
        ("fqdn", spec.fqdn.as_deref().map(|fqdn| Value::text(name::canonical(fqdn)))),
        ("ipAddress", spec.ip_address.as_deref().map(|address| Value::text(value::ip_address(address)))),
        ("port", spec.port.map(|port| Value::Int(port.into()))),
        ("resourcePath", spec.resource_path.as_deref().map(|path| Value::text(live::resource_path(path)))),
        ("searchString", spec.search_string.as_deref().map(Value::text)),
        ("requestInterval", spec.request_interval.map(|seconds| Value::Int(seconds.into()))),
        ("failureThreshold", spec.failure_threshold.map(|count| Value::Int(count.into()))),
        ("inverted", spec.inverted.map(Value::Bool)),
        ("disabled", spec.disabled.map(Value::Bool)),
        ("measureLatency", spec.measure_latency.map(Value::Bool)),
        ("enableSni", spec.enable_sni.map(Value::Bool)),
        ("healthThreshold", spec.health_threshold.map(|count| Value::Int(count.into()))),
        ("childHealthChecks", set(&spec.child_health_checks)),
        ("regions", set(&spec.regions)),
    ]
    .into_iter()
    .filter_map(|(path, value)| Some((Path::from(path), Expect::Is(value?))))
    .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::dns_record::fixture::{Stage, differences};
    use crate::kinds::health_check::live::{Observed, live};

    fn resolved(spec: serde_json::Value) -> Result<Declaration, Vec<SpecProblem>> {
        let spec: HealthCheckSpec = serde_json::from_value(spec).unwrap();
        resolve(&spec, &Stage::new().setting("api"))
    }

    #[test]
    fn a_check_is_found_in_one_of_four_ways() {
        let by_tag = resolved(json!({})).unwrap();
        assert_eq!(by_tag.select, Select::Alias("tagName:api".into()));
        assert_eq!(&*by_tag.id, "healthcheck/111122223333/tagName:api");
        assert_eq!(by_tag.facets, BTreeSet::from([Facet::Status, Facet::Tags]));

        let by_reference = resolved(json!({"callerReference": "deploy-1"})).unwrap();
        assert_eq!(by_reference.select, Select::Alias("callerReference:deploy-1".into()));
        assert_eq!(by_reference.facets, BTreeSet::from([Facet::Status]));

        let by_id = resolved(json!({"id": "abc"})).unwrap();
        assert_eq!((by_id.select, &*by_id.id), (Select::Key("abc".into()), "arn:aws:route53:::healthcheck/abc"));

        let by_record = resolved(json!({"referencedBy": {"kind": "DnsRecord", "name": "API.example.com"}})).unwrap();
        let zone = ScopeKey::new(ScopeKind::HostedZone, "111122223333", "global", "example.com");
        assert_eq!(by_record.select, Select::ReferencedBy(Box::new((zone, "api.example.com|CNAME|".into()))));
    }

    #[test]
    fn a_check_named_twice_or_by_a_record_outside_its_zone_is_an_error() {
        let twice = resolved(json!({"id": "abc", "tagName": "api"})).unwrap_err();
        assert_eq!(twice.first().unwrap().path, ["tagName"]);
        let outside =
            resolved(json!({"referencedBy": {"kind": "DnsRecord", "name": "a.example.com", "zone": "example.org"}}))
                .unwrap_err();
        assert_eq!(outside.first().unwrap().path, ["referencedBy", "name"]);
        let no_zone = resolved(json!({"referencedBy": {"kind": "DnsRecord", "name": "localhost"}})).unwrap_err();
        assert_eq!(no_zone.first().unwrap().path, ["referencedBy", "zone"]);
    }

    #[test]
    fn an_interval_or_threshold_that_route_53_refuses_is_an_error() {
        for (interval, threshold) in [(20, 0), (0, 11)] {
            let problems = resolved(json!({"requestInterval": interval, "failureThreshold": threshold})).unwrap_err();
            let paths: Vec<String> = problems.iter().map(|problem| problem.path.join(".")).collect();
            assert_eq!(paths, ["requestInterval", "failureThreshold"]);
            assert!(problems.iter().all(|problem| problem.hint.is_some()));
        }
        assert!(resolved(json!({"requestInterval": 10, "failureThreshold": 10})).is_ok());
        assert!(resolved(json!({"requestInterval": 30, "failureThreshold": 1})).is_ok());
    }

    #[test]
    fn a_check_as_route_53_repeats_it_has_no_difference() {
        let declaration = resolved(json!({
            "type": "HTTPS_STR_MATCH", "fqdn": "API.example.com", "port": 443, "resourcePath": "health", "searchString": "ok",
            "requestInterval": 30, "failureThreshold": 3, "inverted": false, "disabled": false, "measureLatency": false,
            "enableSni": true, "regions": ["us-east-1", "eu-west-1"]
        }))
        .unwrap();
        let observed = Observed {
            id: "abc".into(),
            check_type: "HTTPS_STR_MATCH".into(),
            fqdn: Some("api.example.com".into()),
            resource_path: Some("/health".into()),
            search_string: Some("ok".into()),
            regions: vec!["eu-west-1".into(), "us-east-1".into()],
            ..Observed::default()
        };
        assert_eq!(differences(&declaration, &live(observed, None, None)), Vec::<String>::new());
    }
}
