//! A live health check as a manifest would declare it.
//!
//! Decides that it is found by its id, which never changes, and called by its tag `Name` or by what
//! it watches; and that what looks as if it held a secret is not written. Called through the kind's
//! entry.

use serde_json::Value as Json;

use super::spec::CheckType;
use crate::core::asks::Facet;
use crate::core::observation::Live;
use crate::core::value::{Fields, Value};
use crate::kinds::importing::{
    Import, ImportSetting, Imported, Spec, flag, has_secret_query, number, tells_secret, text, texts, word,
};

/// How health checks are imported.
pub const IMPORT: Import = Import { facets: &[Facet::Status, Facet::Tags], declare };

fn declare(live: &Live, setting: &ImportSetting<'_>) -> Result<Imported, &'static str> {
    let fields = &live.fields;
    let id = &*live.key.key;
    let only = |path, when| flag(fields, path).filter(|flag| *flag == when).map(Json::from);
    let known = |path| fields.value(path).and_then(Value::as_text);
    let mut suspicious = Vec::new();
    let mut spec = Spec::default();
    spec.put("account", setting.account.map(Json::from));
    spec.put("id", Some(Json::from(id)));
    spec.put("type", word::<CheckType>(fields, "type"));
    spec.put("fqdn", text(fields, "fqdn"));
    spec.put("ipAddress", text(fields, "ipAddress"));
    spec.put("port", number(fields, "port", 0..=u16::MAX.into()));
    match known("resourcePath") {
        Some(path) if has_secret_query(path) => {
            suspicious.push("resourcePath (for what stands in its query)".to_owned());
        }
        path => spec.put("resourcePath", path.map(Json::from)),
    }
    match known("searchString") {
        Some(searched) if tells_secret(searched) => suspicious.push("searchString".to_owned()),
        searched => spec.put("searchString", searched.map(Json::from)),
    }
    spec.put(
        "requestInterval",
        number(fields, "requestInterval", 10..=30).filter(|seconds| *seconds == 10 || *seconds == 30),
    );
    spec.put("failureThreshold", number(fields, "failureThreshold", 1..=10));
    spec.put("inverted", only("inverted", true));
    // A check that somebody switches off hides every outage: that it is on is worth declaring.
    spec.put("disabled", flag(fields, "disabled").map(Json::from));
    spec.put("measureLatency", only("measureLatency", true));
    spec.put("enableSni", only("enableSni", false).filter(|_| is_https(fields)));
    spec.put("healthThreshold", number(fields, "healthThreshold", 0..=u16::MAX.into()));
    spec.put("childHealthChecks", texts(fields, "childHealthChecks"));
    spec.put("regions", texts(fields, "regions"));
    Ok(Imported { names: names(fields, id), name_field: None, spec: spec.whole(), hidden: Vec::new(), suspicious })
}

fn is_https(fields: &Fields) -> bool {
    fields.value("type").and_then(Value::as_text).is_some_and(|check_type| check_type.starts_with("HTTPS"))
}

fn names(fields: &Fields, id: &str) -> Vec<String> {
    let known = |path| fields.value(path).and_then(Value::as_text).filter(|text| !text.trim().is_empty());
    let mut names: Vec<String> = Vec::new();
    if let Some(called) = known("tags.Name").or_else(|| known("fqdn")).or_else(|| known("ipAddress")) {
        let short = id.split('-').next().unwrap_or(id);
        names.extend([called.to_owned(), format!("{called}-{short}")]);
    }
    names.push(id.to_owned());
    names
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::live::{Observed, live};
    use super::super::spec::{HealthCheckSpec, resolve};
    use super::*;
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::kinds::dns_record::fixture::{Stage, differences};

    fn imported(live: &Live) -> Imported {
        let scope = ScopeKey::new(ScopeKind::HealthChecks, "111122223333", "global", "");
        declare(live, &ImportSetting { scope: &scope, account: None, region: None }).unwrap()
    }

    #[test]
    fn checks_of_every_type_come_back_as_they_were() {
        let of =
            |check_type: &str| Observed { id: "6a1b-2c".into(), check_type: check_type.into(), ..Observed::default() };
        let endpoint = |check_type: &str| Observed { fqdn: Some("API.example.com".into()), ..of(check_type) };
        let cases = [
            endpoint("HTTP"),
            Observed { enable_sni: Some(false), inverted: Some(true), ..endpoint("HTTPS") },
            Observed {
                search_string: Some("1e3".into()),
                resource_path: Some("health".into()),
                ..endpoint("HTTPS_STR_MATCH")
            },
            Observed {
                ip_address: Some("2001:DB8::1".into()),
                port: Some(5432),
                request_interval: Some(10),
                ..of("TCP")
            },
            Observed { children: vec!["b".into(), "a".into()], health_threshold: Some(0), ..of("CALCULATED") },
            Observed { disabled: Some(true), ..of("CLOUDWATCH_METRIC") },
            Observed { regions: vec!["us-east-1".into(), "eu-west-1".into(), "sa-east-1".into()], ..endpoint("HTTP") },
        ];
        for observed in cases {
            let live = live(observed, Some(Ok(BTreeMap::new())), None);
            let spec = Json::Object(imported(&live).spec);
            let declared: HealthCheckSpec = serde_json::from_value(spec.clone()).unwrap();
            let declaration = resolve(&declared, &Stage::new().setting("another-name")).unwrap();
            assert_eq!(differences(&declaration, &live), Vec::<String>::new(), "{spec}");
            assert_eq!(declaration.id, live.id);
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_not_written_and_not_compared() {
        let check = |path: &str, searched: &str| {
            let observed = Observed {
                id: "6a1b-2c".into(),
                check_type: "HTTPS_STR_MATCH".into(),
                resource_path: Some(path.into()),
                search_string: Some(searched.into()),
                ..Observed::default()
            };
            live(observed, Some(Ok(BTreeMap::new())), None)
        };
        let secretive = check("/health?token=hunter2", "session_key=hunter2");
        let imported_secretive = imported(&secretive);
        assert_eq!(imported_secretive.suspicious, ["resourcePath (for what stands in its query)", "searchString"]);
        let spec = Json::Object(imported_secretive.spec);
        assert!(!spec.to_string().contains("hunter2"), "{spec}");
        let declared: HealthCheckSpec = serde_json::from_value(spec).unwrap();
        let declaration = resolve(&declared, &Stage::new().setting("another-name")).unwrap();
        assert_eq!(differences(&declaration, &secretive), Vec::<String>::new());
        let plain = imported(&check("/health?deep=yes", "1e3"));
        assert_eq!(plain.suspicious, Vec::<String>::new());
        assert_eq!(
            (plain.spec.get("resourcePath"), plain.spec.get("searchString")),
            (Some(&json!("/health?deep=yes")), Some(&json!("1e3")))
        );
    }

    #[test]
    fn a_check_is_called_by_its_tag_or_by_what_it_watches() {
        let check = |tags: &[(&str, &str)]| {
            let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let observed = Observed {
                id: "6a1b-2c".into(),
                check_type: "HTTP".into(),
                fqdn: Some("api.example.com".into()),
                ..Observed::default()
            };
            imported(&live(observed, Some(Ok(tags)), None))
        };
        assert_eq!(check(&[("Name", "api")]).names, ["api", "api-6a1b", "6a1b-2c"]);
        assert_eq!(check(&[("Name", " ")]).names, ["api.example.com", "api.example.com-6a1b", "6a1b-2c"]);
        assert_eq!(check(&[]).spec.get("disabled"), Some(&json!(false)), "that it is on is worth declaring");
    }
}
