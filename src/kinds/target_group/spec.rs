//! What a manifest may say of a target group.
//!
//! Decides which group is meant and what is expected of it. Never looks at an account. The loader
//! calls [`declare`].

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::HEALTHY;
use crate::core::asks::Facet;
use crate::core::identity::{ScopeKey, ScopeKind, Select};
use crate::core::value::{Expect, Path, Value};
use crate::kinds::Declaration;
use crate::kinds::load_balancer::spec::{Protocol, named};
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::tree::Node;

/// A target group of a load balancer. Only what is declared is compared; that none of its targets
/// is healthy is always a finding.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TargetGroupSpec {
    /// The account, by its alias in the Environment.
    account: Option<String>,
    /// The AWS region.
    region: Option<String>,
    /// The target group's name; by default metadata.name.
    name: Option<String>,
    /// The protocol in which targets are spoken to.
    protocol: Option<Protocol>,
    /// The port that targets listen on.
    port: Option<u16>,
    /// What its targets are.
    target_type: Option<TargetType>,
    /// How its targets are checked.
    health_check: Option<TargetCheckSpec>,
    /// How many targets must be healthy.
    min_healthy: Option<u16>,
    /// Its tags. Tags that are not declared are not compared.
    tags: Option<BTreeMap<String, Text>>,
}

/// How targets are checked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TargetCheckSpec {
    /// The protocol of the check.
    protocol: Option<Protocol>,
    /// The port that is checked, or `traffic-port`.
    port: Option<Text>,
    /// The path that is asked for.
    path: Option<String>,
    /// Seconds between two checks.
    interval: Option<u16>,
    /// Seconds to wait for an answer.
    timeout: Option<u16>,
    /// How many good answers in a row make a target healthy.
    healthy_threshold: Option<u16>,
    /// How many bad answers in a row make it unhealthy.
    unhealthy_threshold: Option<u16>,
    /// The codes that count as good answers, such as `200` or `200-399`.
    matcher: Option<Text>,
}

/// What the targets of a group are.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TargetType {
    Instance,
    Ip,
    Lambda,
    Alb,
}

impl TargetType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Ip => "ip",
            Self::Lambda => "lambda",
            Self::Alb => "alb",
        }
    }
}

/// Reads and resolves a spec.
pub(super) fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: TargetGroupSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    resolve(&spec, setting)
}

pub(super) fn resolve(spec: &TargetGroupSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let account = setting.account(spec.account.as_deref()).map_err(|problem| vec![problem])?;
    let region = setting.region(account, spec.region.as_deref()).map_err(|problem| vec![problem])?;
    if spec.port == Some(0) {
        let problem = SpecProblem::at(["port"], "targets cannot listen on port 0");
        return Err(vec![problem.hint("a port is a number from 1 to 65535")]);
    }
    let name = spec.name.as_deref().unwrap_or(setting.name);
    let mut facets = BTreeSet::from([Facet::TargetHealth]);
    if spec.tags.is_some() {
        facets.insert(Facet::Tags);
    }
    Ok(Declaration {
        not_compared: Vec::new(),
        scope: ScopeKey::new(ScopeKind::LoadBalancers, &account.id, &region, ""),
        select: Select::Key(name.into()),
        id: format!("arn:aws:elasticloadbalancing:{region}:{}:targetgroup/{name}", account.id).into(),
        expects: expects(spec),
        facets,
        rules: None,
    })
}

fn expects(spec: &TargetGroupSpec) -> Vec<(Path, Expect)> {
    let check = spec.health_check.as_ref();
    let number = |number: Option<u16>| number.map(|number| Value::Int(number.into()));
    let mut expects: Vec<(Path, Expect)> = [
        ("protocol", spec.protocol.map(|protocol| Value::text(protocol.as_str()))),
        ("port", number(spec.port)),
        ("targetType", spec.target_type.map(|target_type| Value::text(target_type.as_str()))),
        ("healthCheck.protocol", check.and_then(|check| check.protocol).map(|protocol| Value::text(protocol.as_str()))),
        ("healthCheck.port", check.and_then(|check| check.port.as_deref()).map(Value::text)),
        ("healthCheck.path", check.and_then(|check| check.path.as_deref()).map(Value::text)),
        ("healthCheck.interval", number(check.and_then(|check| check.interval))),
        ("healthCheck.timeout", number(check.and_then(|check| check.timeout))),
        ("healthCheck.healthyThreshold", number(check.and_then(|check| check.healthy_threshold))),
        ("healthCheck.unhealthyThreshold", number(check.and_then(|check| check.unhealthy_threshold))),
        ("healthCheck.matcher", check.and_then(|check| check.matcher.as_deref()).map(Value::text)),
    ]
    .into_iter()
    .filter_map(|(path, value)| Some((Path::from(path), Expect::Is(value?))))
    .collect();
    if let Some(min) = spec.min_healthy {
        expects.push((HEALTHY.into(), Expect::Between(Some(min.into()), None)));
    }
    expects.extend(named("tags", spec.tags.as_ref()));
    expects
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::dns_record::fixture::{Stage, differences};
    use crate::kinds::target_group::live::{HealthCheck, Observed, Targets, live};

    fn resolved(spec: serde_json::Value) -> Declaration {
        let spec: TargetGroupSpec = serde_json::from_value(spec).unwrap();
        resolve(&spec, &Stage::new().setting("api")).unwrap()
    }

    #[test]
    fn a_group_cannot_have_port_0() {
        let spec: TargetGroupSpec = serde_json::from_value(json!({"port": 0})).unwrap();
        let problems = resolve(&spec, &Stage::new().setting("api")).unwrap_err();
        let [problem] = problems.as_slice() else { unreachable!() };
        assert_eq!(problem.path, ["port"]);
        assert!(problem.hint.is_some());
    }

    #[test]
    fn the_health_of_its_targets_is_always_asked_for() {
        let bare = resolved(json!({}));
        assert_eq!(&*bare.id, "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/api");
        assert_eq!(bare.facets, BTreeSet::from([Facet::TargetHealth]));
    }

    #[test]
    fn a_group_as_elbv2_describes_it_has_no_difference() {
        let declaration = resolved(json!({
            "protocol": "HTTP", "port": 8080, "targetType": "ip", "minHealthy": 2, "tags": {"team": "werkzeug"},
            "healthCheck": {"protocol": "HTTP", "port": "traffic-port", "path": "/health", "interval": 30, "timeout": 5,
                            "healthyThreshold": 5, "unhealthyThreshold": 2, "matcher": "200"}
        }));
        let observed = Observed {
            name: "api".into(),
            protocol: Some("HTTP".into()),
            port: Some(8080),
            target_type: Some("ip".into()),
            health_check: HealthCheck {
                protocol: Some("HTTP".into()),
                port: Some("traffic-port".into()),
                path: Some("/health".into()),
                interval: Some(30),
                timeout: Some(5),
                healthy_threshold: Some(5),
                unhealthy_threshold: Some(2),
                matcher: Some("200".into()),
            },
            ..Observed::default()
        };
        let tags = BTreeMap::from([("team".to_owned(), "werkzeug".to_owned())]);
        let group = live(observed, Some(Ok(Targets { registered: 2, healthy: 2, initial: 0 })), Some(Ok(tags)));
        assert_eq!(differences(&declaration, &group), Vec::<String>::new());
    }
}
