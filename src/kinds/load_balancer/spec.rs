//! What a manifest may say of a load balancer.
//!
//! Decides which balancer is meant, what is expected of it, and which details have to be read for
//! that. Never looks at an account. The loader calls [`declare`].

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::core::asks::Facet;
use crate::core::identity::{ScopeKey, ScopeKind, Select};
use crate::core::value::{Expect, Path, Value};
use crate::kinds::Declaration;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::tree::Node;

/// An application, network or gateway load balancer. Only what is declared is compared.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LoadBalancerSpec {
    /// The account, by its alias in the Environment.
    account: Option<String>,
    /// The AWS region.
    region: Option<String>,
    /// The load balancer's name; by default metadata.name.
    name: Option<String>,
    /// Whether it is reached from the internet.
    scheme: Option<Scheme>,
    /// What kind of load balancer it is.
    #[serde(rename = "type")]
    balancer_type: Option<BalancerType>,
    /// The kinds of addresses it has.
    ip_address_type: Option<IpAddressType>,
    /// The ids of its security groups; their order does not matter.
    security_groups: Option<Vec<String>>,
    /// The ids of its subnets; their order does not matter.
    subnets: Option<Vec<String>>,
    /// Its listeners by port. Listeners on other ports are not compared.
    listeners: Option<BTreeMap<String, ListenerSpec>>,
    /// How many seconds a connection may be idle.
    idle_timeout: Option<u32>,
    /// Whether it is protected from deletion.
    deletion_protection: Option<bool>,
    /// Further attributes by their ELBv2 keys, such as `routing.http2.enabled`.
    attributes: Option<BTreeMap<String, Text>>,
    /// Its tags. Tags that are not declared are not compared.
    tags: Option<BTreeMap<String, Text>>,
}

/// A listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListenerSpec {
    /// The protocol.
    protocol: Protocol,
    /// The security policy of an HTTPS or TLS listener.
    ssl_policy: Option<String>,
    /// The ARN of its default certificate, as a list.
    certificates: Option<Vec<String>>,
    /// The name of the target group that its default action forwards to.
    target_group: Option<String>,
}

/// Whether a load balancer is reached from the internet.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Scheme {
    InternetFacing,
    Internal,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::InternetFacing => "internet-facing",
            Self::Internal => "internal",
        }
    }
}

/// The kinds of load balancers.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum BalancerType {
    Application,
    Network,
    Gateway,
}

impl BalancerType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Network => "network",
            Self::Gateway => "gateway",
        }
    }

    /// How ARNs abbreviate it.
    fn in_arn(self) -> &'static str {
        match self {
            Self::Application => "app",
            Self::Network => "net",
            Self::Gateway => "gwy",
        }
    }
}

/// The kinds of addresses that a load balancer can have.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub(super) enum IpAddressType {
    #[serde(rename = "ipv4")]
    Ipv4,
    #[serde(rename = "dualstack")]
    Dualstack,
    #[serde(rename = "dualstack-without-public-ipv4")]
    DualstackWithoutPublicIpv4,
}

impl IpAddressType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Dualstack => "dualstack",
            Self::DualstackWithoutPublicIpv4 => "dualstack-without-public-ipv4",
        }
    }
}

/// The protocols of listeners, target groups and their health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::kinds) enum Protocol {
    Http,
    Https,
    Tcp,
    Tls,
    Udp,
    TcpUdp,
    Quic,
    TcpQuic,
    Geneve,
}

impl Protocol {
    /// As ELBv2 writes it.
    pub(in crate::kinds) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Udp => "UDP",
            Self::TcpUdp => "TCP_UDP",
            Self::Quic => "QUIC",
            Self::TcpQuic => "TCP_QUIC",
            Self::Geneve => "GENEVE",
        }
    }
}

/// Reads and resolves a spec.
pub(super) fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: LoadBalancerSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    resolve(&spec, setting)
}

pub(super) fn resolve(spec: &LoadBalancerSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let account = setting.account(spec.account.as_deref()).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let region = setting.region(account, spec.region.as_deref()).map_err(|problem| problems.push(problem)).ok();
    for port in spec.listeners.iter().flat_map(BTreeMap::keys) {
        if port.parse::<u16>().is_err() {
            problems.push(
                SpecProblem::at(["listeners", port.as_str()], format!("`{port}` is no port"))
                    .hint("listeners are named by their ports, such as `443: {protocol: HTTPS}`"),
            );
        }
    }
    let (Some(region), true) = (region, problems.is_empty()) else { return Err(problems) };
    let name = spec.name.as_deref().unwrap_or(setting.name);
    let in_arn = spec.balancer_type.map_or("app", BalancerType::in_arn);
    Ok(Declaration {
        not_compared: Vec::new(),
        scope: ScopeKey::new(ScopeKind::LoadBalancers, &account.id, &region, ""),
        select: Select::Key(name.into()),
        id: format!("arn:aws:elasticloadbalancing:{region}:{}:loadbalancer/{in_arn}/{name}", account.id).into(),
        expects: expects(spec),
        facets: facets(spec),
        rules: None,
    })
}

/// Only what is declared has to be read.
fn facets(spec: &LoadBalancerSpec) -> BTreeSet<Facet> {
    let attributes = spec.idle_timeout.is_some() || spec.deletion_protection.is_some() || spec.attributes.is_some();
    [(Facet::Listeners, spec.listeners.is_some()), (Facet::Attributes, attributes), (Facet::Tags, spec.tags.is_some())]
        .into_iter()
        .filter_map(|(facet, needed)| needed.then_some(facet))
        .collect()
}

fn expects(spec: &LoadBalancerSpec) -> Vec<(Path, Expect)> {
    let mut expects: Vec<(Path, Expect)> = [
        ("scheme", spec.scheme.map(|scheme| Value::text(scheme.as_str()))),
        ("type", spec.balancer_type.map(|balancer_type| Value::text(balancer_type.as_str()))),
        ("ipAddressType", spec.ip_address_type.map(|address_type| Value::text(address_type.as_str()))),
        ("securityGroups", spec.security_groups.as_ref().map(|ids| Value::set(ids.iter().map(String::as_str)))),
        ("subnets", spec.subnets.as_ref().map(|ids| Value::set(ids.iter().map(String::as_str)))),
        ("idleTimeout", spec.idle_timeout.map(|seconds| Value::Int(seconds.into()))),
        ("deletionProtection", spec.deletion_protection.map(Value::Bool)),
    ]
    .into_iter()
    .filter_map(|(path, value)| Some((Path::from(path), Expect::Is(value?))))
    .collect();
    for (port, listener) in spec.listeners.iter().flatten() {
        let declared = [
            ("protocol", Some(Value::text(listener.protocol.as_str()))),
            ("sslPolicy", listener.ssl_policy.as_deref().map(Value::text)),
            ("certificates", listener.certificates.as_ref().map(|arns| Value::set(arns.iter().map(String::as_str)))),
            ("targetGroup", listener.target_group.as_deref().map(Value::text)),
        ];
        let of_port = declared
            .into_iter()
            .filter_map(|(field, value)| Some((Path::from(format!("listeners.{port}.{field}")), Expect::Is(value?))));
        expects.extend(of_port);
    }
    expects.extend(named("attributes", spec.attributes.as_ref()));
    expects.extend(named("tags", spec.tags.as_ref()));
    expects
}

/// What is expected of each entry of a map of texts.
pub(in crate::kinds) fn named(field: &str, texts: Option<&BTreeMap<String, Text>>) -> Vec<(Path, Expect)> {
    let texts = texts.into_iter().flatten();
    texts.map(|(key, text)| (Path::from(format!("{field}.{key}")), Expect::Is(Value::text(&**text)))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::value::Fact;
    use crate::kinds::dns_record::fixture::{Stage, differences};
    use crate::kinds::load_balancer::live::{Details, Listener, Observed, live};

    fn resolved(spec: serde_json::Value) -> Result<Declaration, Vec<SpecProblem>> {
        let spec: LoadBalancerSpec = serde_json::from_value(spec).unwrap();
        resolve(&spec, &Stage::new().setting("api"))
    }

    fn map(pairs: &[(&str, &str)]) -> Option<Result<BTreeMap<String, String>, Fact>> {
        Some(Ok(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()))
    }

    #[test]
    fn only_declared_fields_cost_details() {
        let bare = resolved(json!({})).unwrap();
        assert_eq!(&*bare.id, "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/api");
        assert_eq!((bare.facets, bare.expects), (BTreeSet::new(), Vec::new()));
        let full = resolved(json!({"type": "network", "idleTimeout": 60, "tags": {"team": "x"}})).unwrap();
        assert_eq!(&*full.id, "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/net/api");
        assert_eq!(full.facets, BTreeSet::from([Facet::Attributes, Facet::Tags]));
    }

    #[test]
    fn a_balancer_as_elbv2_describes_it_has_no_difference_and_a_lost_listener_is_one() {
        let declaration = resolved(json!({
            "scheme": "internet-facing", "type": "application", "ipAddressType": "ipv4",
            "securityGroups": ["sg-2", "sg-1"], "subnets": ["subnet-b", "subnet-a"],
            "listeners": {"443": {"protocol": "HTTPS", "sslPolicy": "p", "certificates": ["arn:c"], "targetGroup": "api"}},
            "idleTimeout": 60, "deletionProtection": true,
            "attributes": {"routing.http2.enabled": "true"}, "tags": {"team": "werkzeug"}
        }))
        .unwrap();
        let observed = || Observed {
            name: "api".into(),
            scheme: Some("internet-facing".into()),
            balancer_type: Some("application".into()),
            ip_address_type: Some("ipv4".into()),
            security_groups: vec!["sg-1".into(), "sg-2".into()],
            subnets: vec!["subnet-a".into(), "subnet-b".into()],
            ..Observed::default()
        };
        let https = Listener {
            port: 443,
            protocol: Some("HTTPS".into()),
            ssl_policy: Some("p".into()),
            certificates: vec!["arn:c".into()],
            target_group: Some("api".into()),
        };
        let details = |listeners| Details {
            listeners: Some(Ok(listeners)),
            attributes: map(&[
                ("idle_timeout.timeout_seconds", "60"),
                ("deletion_protection.enabled", "true"),
                ("routing.http2.enabled", "true"),
            ]),
            tags: map(&[("team", "werkzeug"), ("other", "x")]),
        };
        assert_eq!(differences(&declaration, &live(observed(), details(vec![https]))), Vec::<String>::new());
        let lost = differences(&declaration, &live(observed(), details(Vec::new())));
        assert_eq!(
            lost,
            [
                "listeners.443.protocol",
                "listeners.443.sslPolicy",
                "listeners.443.certificates",
                "listeners.443.targetGroup"
            ]
        );
    }

    #[test]
    fn a_listener_is_named_by_its_port() {
        let problems = resolved(json!({"listeners": {"https": {"protocol": "HTTPS"}}})).unwrap_err();
        assert_eq!(problems.first().unwrap().path, ["listeners", "https"]);
    }
}
