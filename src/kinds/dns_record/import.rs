//! A live record as a manifest would declare it.
//!
//! Decides what it is called and how its values are written for people: a text without the quotes
//! and cuts that Route 53 needs. What Route 53 keeps in every zone by itself is nobody's
//! declaration. Called through the kind's entry.

use serde_json::{Map, Value as Json};

use super::spec::{Failover, RecordType};
use super::{is_built_in, value};
use crate::core::observation::Live;
use crate::core::value::Fields;
use crate::kinds::importing::{Import, ImportSetting, Imported, Spec, flag, number, text, texts, word};

/// How records are imported.
pub const IMPORT: Import = Import { facets: &[], declare };

fn declare(live: &Live, setting: &ImportSetting<'_>) -> Result<Imported, &'static str> {
    if is_built_in(live) {
        return Err("the apex NS and SOA, which Route 53 keeps in every zone");
    }
    let fields = &live.fields;
    let mut key = live.key.key.splitn(3, '|');
    let (name, record_type, set) =
        (key.next().unwrap_or_default(), key.next().unwrap_or_default(), key.next().unwrap_or_default());
    let Some(known_type) = word::<RecordType>(fields, "type") else {
        return Err("a record of a type that moored does not know");
    };
    let alias = alias(fields);
    let mut spec = Spec::default();
    spec.put("zone", Some(Json::from(&*setting.scope.thing)));
    spec.put("account", setting.account.map(Json::from));
    spec.put("name", Some(Json::from(name)));
    spec.put("type", Some(known_type));
    if alias.is_none() {
        spec.put("ttl", number(fields, "ttl", 0..=u32::MAX.into()));
        let values = values(fields, record_type);
        spec.put(if values.len() == 1 { "value" } else { "values" }, one_or_all(values));
    }
    spec.put("alias", alias);
    spec.put("setIdentifier", (!set.is_empty()).then(|| Json::from(set)));
    spec.put("weight", number(fields, "weight", 0..=u8::MAX.into()));
    spec.put("region", text(fields, "region"));
    spec.put("failover", word::<Failover>(fields, "failover"));
    spec.put("geolocation", geolocation(fields));
    spec.put("multiValueAnswer", flag(fields, "multiValueAnswer").filter(|flag| *flag).map(Json::from));
    spec.put("healthCheckId", text(fields, "healthCheckId"));
    Ok(Imported {
        names: names(name, record_type, set, &setting.scope.account),
        name_field: Some("name"),
        spec: spec.whole(),
        hidden: Vec::new(),
        suspicious: Vec::new(),
    })
}

fn names(name: &str, record_type: &str, set: &str, account: &str) -> Vec<String> {
    let record_type = record_type.to_ascii_lowercase();
    let mut names = vec![match set {
        "" => name.to_owned(),
        set => format!("{name}-{set}"),
    }];
    let whole = match set {
        "" => format!("{name}-{record_type}"),
        set => format!("{name}-{record_type}-{set}"),
    };
    names.extend([whole.clone(), format!("{whole}-{account}")]);
    names
}

fn alias(fields: &Fields) -> Option<Json> {
    let mut alias = Spec::default();
    alias.put("dnsName", Some(text(fields, "alias.dnsName")?));
    alias.put("hostedZoneId", text(fields, "alias.hostedZoneId"));
    alias.put("evaluateTargetHealth", flag(fields, "alias.evaluateTargetHealth").map(Json::from));
    alias.part()
}

fn one_or_all(mut values: Vec<String>) -> Option<Json> {
    match values.len() {
        1 => values.pop().map(Json::from),
        _ => Some(Json::from(values)),
    }
}

/// The values as people write them; none if one of them is no value of its type, which a manifest
/// could not say.
fn values(fields: &Fields, record_type: &str) -> Vec<String> {
    let Some(Json::Array(live)) = texts(fields, "values") else { return Vec::new() };
    let written: Option<Vec<String>> = live
        .iter()
        .map(|live| {
            let live = live.as_str()?;
            let plain = plain(live);
            let says_the_same = |text: &str| value::value(record_type, text).is_ok_and(|spelled| spelled == live);
            [plain.as_str(), live].into_iter().find(|text| says_the_same(text)).map(str::to_owned)
        })
        .collect();
    written.unwrap_or_default()
}

/// A quoted text without its quotes, its pieces joined. Where that says something else (a text
/// with escapes in it), the caller keeps the quotes.
fn plain(live: &str) -> String {
    match live.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(content) if !content.is_empty() => content.replace("\" \"", ""),
        _ => live.to_owned(),
    }
}

/// `country US, subdivision CA` in its parts.
fn geolocation(fields: &Fields) -> Option<Json> {
    let place = fields.value("geolocation")?.as_text()?;
    let mut parts = Map::new();
    for (what, code) in place.split(", ").filter_map(|part| part.split_once(' ')) {
        if matches!(what, "continent" | "country" | "subdivision") {
            parts.insert(what.to_owned(), Json::from(code));
        }
    }
    Some(Json::Object(parts))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::super::live::{self, Alias, Observed, live};
    use super::super::spec::{DnsRecordSpec, resolve};
    use super::*;
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::kinds::dns_record::fixture::{Stage, differences};

    fn imported(observed: Observed) -> Result<Imported, &'static str> {
        let scope = ScopeKey::new(ScopeKind::HostedZone, "111122223333", "global", "example.com");
        declare(&live(observed, "example.com"), &ImportSetting { scope: &scope, account: None, region: None })
    }

    fn record(name: &str, record_type: &str, values: &[&str]) -> Observed {
        Observed {
            name: name.into(),
            record_type: record_type.into(),
            ttl: Some(300),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            ..Observed::default()
        }
    }

    /// Imports a record, checks that the import means it, and returns the spec.
    fn spec(observed: Observed) -> Json {
        let imported = imported(observed.clone()).unwrap();
        let spec: DnsRecordSpec = serde_json::from_value(Json::Object(imported.spec.clone())).unwrap();
        let declaration = resolve(&spec, &Stage::new().setting("another-name")).unwrap();
        let live = live(observed, "example.com");
        assert_eq!(differences(&declaration, &live), Vec::<String>::new(), "{:?}", imported.spec);
        assert_eq!(declaration.id, live.id);
        Json::Object(imported.spec)
    }

    #[test]
    fn every_routing_policy_comes_back_as_it_was() {
        let routed = |observed: Observed| Observed { set: Some("b|1".into()), ..observed };
        let simple = || record("api.example.com.", "A", &["192.0.2.1"]);
        let cases = [
            Observed { weight: Some(0), ..simple() },
            Observed { region: Some("eu-west-1".into()), ..simple() },
            Observed { failover: Some("SECONDARY".into()), health_check_id: Some("abc".into()), ..simple() },
            Observed { geolocation: Some(live::geolocation(None, Some("US"), Some("CA"))), ..simple() },
            Observed { geolocation: Some(live::geolocation(None, Some("*"), None)), ..simple() },
            Observed { multi_value_answer: true, ..simple() },
        ];
        for case in cases {
            assert_eq!(spec(routed(case)).get("setIdentifier"), Some(&json!("b|1")));
        }
    }

    #[test]
    fn an_alias_has_no_ttl_and_a_wildcard_is_written_as_one() {
        let alias = Alias {
            dns_name: "dualstack.API-1.elb.amazonaws.com.".into(),
            hosted_zone_id: "Z1".into(),
            evaluate_target_health: true,
        };
        let observed = Observed {
            name: "\\052.example.com.".into(),
            record_type: "A".into(),
            alias: Some(alias),
            ..Observed::default()
        };
        assert_eq!(
            spec(observed),
            json!({
                "zone": "example.com", "name": "*.example.com", "type": "A",
                "alias": { "dnsName": "api-1.elb.amazonaws.com", "hostedZoneId": "Z1", "evaluateTargetHealth": true },
            })
        );
    }

    #[test]
    fn texts_are_written_for_people_unless_that_would_change_them() {
        let long = "k".repeat(300);
        let (first, second) = long.split_at(255);
        let cut = format!("\"{first}\" \"{second}\"");
        for (live, written) in [
            ("\"v=spf1 -all\"", "v=spf1 -all"),
            (cut.as_str(), long.as_str()),
            ("\"say \\\"hi\\\"\"", "\"say \\\"hi\\\"\""),
            ("\" padded \"", "\" padded \""),
            ("\"\"", "\"\""),
            ("\"a\\\" \\\"b\"", "\"a\\\" \\\"b\""),
        ] {
            assert_eq!(spec(record("t.example.com.", "TXT", &[live])).get("value"), Some(&json!(written)), "{live}");
        }
        let two = spec(record("t.example.com.", "TXT", &["\"b\"", "\"a\""]));
        assert_eq!(two.get("values"), Some(&json!(["a", "b"])));
    }

    #[test]
    fn what_is_no_value_is_not_declared_and_the_apex_is_nobodys() {
        assert_eq!(spec(record("a.example.com.", "A", &["not an address"])).get("value"), None);
        assert!(imported(record("example.com.", "NS", &["ns-1.awsdns-00.org."])).is_err());
        assert!(imported(record("a.example.com.", "TYPE65000", &["x"])).is_err());
        assert!(imported(record("sub.example.com.", "NS", &["ns-1.awsdns-00.org."])).is_ok());
    }
}
