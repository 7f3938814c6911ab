//! What a manifest may say of a DNS record.
//!
//! Decides which record is meant and what is expected of it, spelled the way [`super::live`] spells
//! the live one. Never looks at a zone. The loader calls [`declare`].

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{live, name, value};
use crate::core::identity::{ScopeKey, ScopeKind, Select};
use crate::core::value::{Expect, Path, Value};
use crate::kinds::Declaration;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::tree::Node;

/// A record of a Route 53 hosted zone. Only what is declared is compared.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DnsRecordSpec {
    /// The hosted zone, such as `example.com`. The account must have one zone of this name.
    zone: String,
    /// The account that holds the zone, by its alias in the Environment.
    account: Option<String>,
    /// The full name, such as `api.example.com` or `*.example.com`; by default metadata.name.
    name: Option<String>,
    /// The record type.
    #[serde(rename = "type")]
    record_type: RecordType,
    /// How many seconds resolvers may keep the answer.
    ttl: Option<u32>,
    /// The values; their order does not matter. Long TXT values need not be cut or quoted.
    values: Option<Vec<Text>>,
    /// The value, where there is only one.
    value: Option<Text>,
    /// What the record stands for, instead of values.
    alias: Option<AliasSpec>,
    /// Tells apart the records of one name and type that have a routing policy.
    set_identifier: Option<String>,
    /// Weighted routing: this record's share of the answers.
    weight: Option<u8>,
    /// Latency routing: the AWS region of this answer.
    region: Option<String>,
    /// Failover routing: the part of this answer.
    failover: Option<Failover>,
    /// Geolocation routing: where the people are who get this answer.
    geolocation: Option<GeolocationSpec>,
    /// Multivalue answer routing.
    multi_value_answer: Option<bool>,
    /// The health check that decides whether this answer is given.
    health_check_id: Option<String>,
}

/// The target of an alias record.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AliasSpec {
    /// The name of the target, such as a load balancer's; `dualstack.` before it makes no difference.
    dns_name: String,
    /// The hosted zone of the target.
    hosted_zone_id: Option<String>,
    /// Whether the target's health counts.
    evaluate_target_health: Option<bool>,
}

/// A place on the map: a continent, or a country and perhaps a part of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GeolocationSpec {
    /// Such as `EU`.
    continent: Option<String>,
    /// Such as `DE`; `*` for everywhere else.
    country: Option<String>,
    /// Such as `CA`, within the country `US`.
    subdivision: Option<String>,
}

/// The record types of Route 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum RecordType {
    A,
    Aaaa,
    Caa,
    Cname,
    Ds,
    Https,
    Mx,
    Naptr,
    Ns,
    Ptr,
    Soa,
    Spf,
    Srv,
    Sshfp,
    Svcb,
    Tlsa,
    Txt,
}

impl RecordType {
    fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Caa => "CAA",
            Self::Cname => "CNAME",
            Self::Ds => "DS",
            Self::Https => "HTTPS",
            Self::Mx => "MX",
            Self::Naptr => "NAPTR",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Spf => "SPF",
            Self::Srv => "SRV",
            Self::Sshfp => "SSHFP",
            Self::Svcb => "SVCB",
            Self::Tlsa => "TLSA",
            Self::Txt => "TXT",
        }
    }
}

/// The part a record plays in failover routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Failover {
    /// Answers while it is healthy.
    Primary,
    /// Answers when the primary is not.
    Secondary,
}

impl Failover {
    fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Secondary => "SECONDARY",
        }
    }
}

/// Reads and resolves a spec.
pub(super) fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: DnsRecordSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    resolve(&spec, setting)
}

pub(super) fn resolve(spec: &DnsRecordSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let mut problems = Vec::new();
    let account = setting.account(spec.account.as_deref()).map_err(|problem| problems.push(problem)).ok();
    let (zone, name) = names(spec, setting, &mut problems);
    let values = values(spec, &mut problems);
    routing(spec, &mut problems);
    if spec.record_type == RecordType::Cname && !name.is_empty() && name == zone {
        problems.push(
            SpecProblem::at(["type"], format!("the zone's own name `{zone}` cannot have a CNAME record"))
                .hint("make it an A or AAAA record with `alias`"),
        );
    }
    if spec.alias.is_some() && spec.ttl.is_some() {
        problems.push(
            SpecProblem::at(["ttl"], "an alias record has no `ttl`")
                .hint("leave it out: an alias answers with the ttl of its target"),
        );
    }
    let (Some(account), true) = (account, problems.is_empty()) else { return Err(problems) };

    let record_type = spec.record_type.as_str();
    let set = spec.set_identifier.as_deref();
    Ok(Declaration {
        not_compared: Vec::new(),
        scope: ScopeKey::new(ScopeKind::HostedZone, &account.id, "global", &zone),
        select: Select::Key(name::record_key(&name, record_type, set).into()),
        id: name::record_id(&zone, &name, record_type, set).into(),
        expects: expects(spec, values),
        facets: BTreeSet::new(),
        rules: None,
    })
}

/// The zone and the name in it.
fn names(spec: &DnsRecordSpec, setting: &Setting<'_>, problems: &mut Vec<SpecProblem>) -> (String, String) {
    let written = spec.name.as_deref().unwrap_or(setting.name);
    let of_name = spec.name.is_none();
    let mut read = |field: &str, text: &str, of_name: bool| match name::declared(text) {
        Ok(name) => name,
        Err(problem) => {
            problems.push(SpecProblem::at([field], problem.to_string()).of_name(of_name));
            String::new()
        }
    };
    let (zone, name) = (read("zone", &spec.zone, false), read("name", written, of_name));
    if !zone.is_empty() && !name.is_empty() && !name::is_within(&name, &zone) {
        problems.push(
            SpecProblem::at(["name"], format!("the record `{name}` does not lie in the zone `{zone}`"))
                .hint(format!("write the full name, such as `name: {written}.{zone}`, or another zone"))
                .of_name(of_name),
        );
    }
    (zone, name)
}

/// The declared values in their one spelling.
fn values(spec: &DnsRecordSpec, problems: &mut Vec<SpecProblem>) -> Option<Value> {
    let (field, written): (&str, Vec<&Text>) = match (&spec.values, &spec.value) {
        (None, None) => return None,
        (Some(values), None) => ("values", values.iter().collect()),
        (None, Some(value)) => ("value", vec![value]),
        (Some(_), Some(_)) => {
            problems
                .push(SpecProblem::at(["value"], "both `value` and `values` are given").hint("move it into `values`"));
            return None;
        }
    };
    if spec.alias.is_some() {
        problems.push(
            SpecProblem::at([field], "an alias record has no values").hint(format!("keep either `alias` or `{field}`")),
        );
    }
    if written.is_empty() {
        problems.push(
            SpecProblem::at([field], "a record has at least one value")
                .hint("leave `values` out to compare none of them"),
        );
    }
    if spec.record_type == RecordType::Cname && written.len() > 1 {
        problems.push(SpecProblem::at([field], "a CNAME record has one value only"));
    }
    let mut spelled = Vec::new();
    for (index, text) in written.into_iter().enumerate() {
        match value::value(spec.record_type.as_str(), text) {
            Ok(value) => spelled.push(value),
            Err(problem) => {
                let index = index.to_string();
                let path = if field == "values" { vec![field, index.as_str()] } else { vec![field] };
                problems.push(SpecProblem::at(path, problem.to_string()));
            }
        }
    }
    Some(Value::set(spelled))
}

/// A routing policy needs a set identifier, and a record has one policy only.
fn routing(spec: &DnsRecordSpec, problems: &mut Vec<SpecProblem>) {
    let policies: Vec<&str> = [
        ("weight", spec.weight.is_some()),
        ("region", spec.region.is_some()),
        ("failover", spec.failover.is_some()),
        ("geolocation", spec.geolocation.is_some()),
        ("multiValueAnswer", spec.multi_value_answer == Some(true)),
    ]
    .into_iter()
    .filter_map(|(field, declared)| declared.then_some(field))
    .collect();
    match policies.as_slice() {
        [] => {}
        [policy] if spec.set_identifier.is_none() => problems.push(
            SpecProblem::at([*policy], format!("`{policy}` is a routing policy, and the record has no set identifier"))
                .hint("add `setIdentifier:` with the one that Route 53 shows"),
        ),
        [_] => {}
        [first, second, ..] => problems
            .push(SpecProblem::at([*second], format!("a record has one routing policy: `{first}` or `{second}`"))),
    }
    if spec.geolocation.as_ref().is_some_and(|place| place.continent.is_none() && place.country.is_none()) {
        problems.push(SpecProblem::at(["geolocation"], "a geolocation names a `continent` or a `country`"));
    }
}

fn expects(spec: &DnsRecordSpec, values: Option<Value>) -> Vec<(Path, Expect)> {
    let alias = spec.alias.as_ref();
    let place = spec.geolocation.as_ref();
    [
        ("type", Some(Value::text(spec.record_type.as_str()))),
        ("ttl", spec.ttl.map(|ttl| Value::Int(ttl.into()))),
        ("values", values),
        ("alias.dnsName", alias.map(|alias| Value::text(name::target(&alias.dns_name)))),
        ("alias.hostedZoneId", alias.and_then(|alias| alias.hosted_zone_id.as_deref()).map(Value::text)),
        ("alias.evaluateTargetHealth", alias.and_then(|alias| alias.evaluate_target_health).map(Value::Bool)),
        ("weight", spec.weight.map(|weight| Value::Int(weight.into()))),
        ("region", spec.region.as_deref().map(Value::text)),
        ("failover", spec.failover.map(|failover| Value::text(failover.as_str()))),
        (
            "geolocation",
            place.map(|place| {
                Value::text(live::geolocation(
                    place.continent.as_deref(),
                    place.country.as_deref(),
                    place.subdivision.as_deref(),
                ))
            }),
        ),
        ("multiValueAnswer", spec.multi_value_answer.map(Value::Bool)),
        ("healthCheckId", spec.health_check_id.as_deref().map(Value::text)),
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
    use crate::kinds::dns_record::live::{Alias, Observed, live};

    fn resolved(name: &str, spec: serde_json::Value) -> Result<Declaration, Vec<SpecProblem>> {
        let spec: DnsRecordSpec = serde_json::from_value(spec).unwrap();
        resolve(&spec, &Stage::new().setting(name))
    }

    #[test]
    fn a_record_is_named_by_its_zone_and_its_metadata() {
        let declaration =
            resolved("*.API.example.com", json!({"zone": "Example.com.", "type": "CNAME", "value": "x.example.com"}))
                .unwrap();
        assert_eq!(declaration.scope.to_string(), "hosted_zone/111122223333/global/example.com");
        assert_eq!(declaration.select, Select::Key("*.api.example.com|CNAME|".into()));
        assert_eq!(&*declaration.id, "example.com/*.api.example.com/CNAME/");
    }

    #[test]
    fn a_record_as_route_53_repeats_it_has_no_difference() {
        let key = "k".repeat(300);
        let declaration =
            resolved("t.example.com", json!({"zone": "example.com", "type": "TXT", "ttl": 300, "values": ["b", key]}))
                .unwrap();
        let (first, second) = key.split_at(255);
        let observed = Observed {
            name: "t.example.com.".into(),
            record_type: "TXT".into(),
            ttl: Some(300),
            values: vec![format!("\"{first}\" \"{second}\""), "\"b\"".into()],
            ..Observed::default()
        };
        assert_eq!(differences(&declaration, &live(observed, "example.com")), Vec::<String>::new());
    }

    #[test]
    fn an_alias_as_route_53_repeats_it_has_no_difference_and_another_target_has_one() {
        let declaration = resolved(
            "api.example.com",
            json!({"zone": "example.com", "type": "A", "setIdentifier": "de", "geolocation": {"country": "de"},
                   "alias": {"dnsName": "API-1.eu-west-1.elb.amazonaws.com", "evaluateTargetHealth": false}}),
        )
        .unwrap();
        let observed = |target: &str| Observed {
            name: "api.example.com.".into(),
            record_type: "A".into(),
            set: Some("de".into()),
            geolocation: Some(crate::kinds::dns_record::live::geolocation(None, Some("DE"), None)),
            alias: Some(Alias { dns_name: target.into(), hosted_zone_id: "Z1".into(), evaluate_target_health: false }),
            ..Observed::default()
        };
        let same = live(observed("dualstack.api-1.eu-west-1.elb.amazonaws.com."), "example.com");
        assert_eq!(differences(&declaration, &same), Vec::<String>::new());
        let other = live(observed("dualstack.api-2.eu-west-1.elb.amazonaws.com."), "example.com");
        assert_eq!(differences(&declaration, &other), ["alias.dnsName"]);
    }

    #[test]
    fn everything_wrong_with_a_record_is_said_at_once() {
        let problems = resolved(
            "api",
            json!({"zone": "example.com", "type": "A", "values": ["x"], "value": "y", "weight": 1, "account": "nowhere"}),
        )
        .unwrap_err();
        let fields: Vec<&str> =
            problems.iter().filter_map(|problem| problem.path.first().map(String::as_str)).collect();
        assert_eq!(fields, ["account", "name", "value", "weight"]);
        assert!(problems.get(1).unwrap().hint.as_deref().unwrap().contains("api.example.com"));
    }

    #[test]
    fn a_value_of_the_wrong_form_is_an_error_not_a_drift() {
        let problems =
            resolved("a.example.com", json!({"zone": "example.com", "type": "A", "value": "api.example.com"}))
                .unwrap_err();
        assert!(problems.first().unwrap().message.contains("192.0.2.1"), "{problems:?}");
    }

    #[test]
    fn each_wrong_value_is_told_by_its_own_entry() {
        let values = json!(["192.0.2.1", "x", "192.0.2.2", "y"]);
        let problems =
            resolved("a.example.com", json!({"zone": "example.com", "type": "A", "values": values})).unwrap_err();
        let paths: Vec<String> = problems.iter().map(|problem| problem.path.join(".")).collect();
        assert_eq!(paths, ["values.1", "values.3"]);
    }

    #[test]
    fn a_bad_name_is_told_of_where_it_was_written() {
        let outside = |spec| resolved("a.example.org", spec).unwrap_err().remove(0);
        assert!(outside(json!({"zone": "example.com", "type": "A"})).of_name);
        assert!(!outside(json!({"zone": "example.com", "type": "A", "name": "b.example.org"})).of_name);
        assert!(resolved("a..b", json!({"zone": "example.com", "type": "A"})).unwrap_err().remove(0).of_name);
    }

    #[test]
    fn what_route_53_never_accepts_is_an_error() {
        let cases = [
            (json!({"zone": "Example.com.", "type": "CNAME", "value": "x.example.net"}), "type"),
            (json!({"zone": "example.com", "type": "A", "ttl": 60, "alias": {"dnsName": "x.example.net"}}), "ttl"),
        ];
        for (spec, field) in cases {
            let problems = resolved("example.com", spec).unwrap_err();
            let [problem] = problems.as_slice() else { unreachable!() };
            assert_eq!(problem.path, [field]);
            assert!(problem.hint.is_some());
        }
    }
}
