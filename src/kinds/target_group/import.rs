//! A live target group as a manifest would declare it.
//!
//! Decides that how many targets must be healthy is a person's word: it is never taken from what is
//! healthy now. Called through the kind's entry.

use serde_json::Value as Json;

use super::spec::TargetType;
use crate::core::asks::Facet;
use crate::core::observation::Live;
use crate::core::value::{Fields, Value};
use crate::kinds::importing::{Import, ImportSetting, Imported, Spec, has_secret_query, number, tags, text, word};
use crate::kinds::load_balancer::import::names;
use crate::kinds::load_balancer::spec::Protocol;

/// How target groups are imported.
pub const IMPORT: Import = Import { facets: &[Facet::TargetHealth, Facet::Tags], declare };

fn declare(live: &Live, setting: &ImportSetting<'_>) -> Result<Imported, &'static str> {
    let fields = &live.fields;
    let name = &*live.key.key;
    let mut spec = Spec::default();
    spec.put_place(setting);
    spec.put("name", Some(Json::from(name)));
    spec.put("protocol", word::<Protocol>(fields, "protocol"));
    spec.put("port", number(fields, "port", 1..=u16::MAX.into()));
    spec.put("targetType", word::<TargetType>(fields, "targetType"));
    let mut suspicious = Vec::new();
    spec.put("healthCheck", check(fields, &mut suspicious));
    spec.put("tags", tags(fields));
    Ok(Imported {
        names: names(name, setting),
        name_field: Some("name"),
        spec: spec.whole(),
        hidden: Vec::new(),
        suspicious,
    })
}

fn check(fields: &Fields, suspicious: &mut Vec<String>) -> Option<Json> {
    let number = |path| number(fields, path, 0..=u16::MAX.into());
    let mut check = Spec::default();
    check.put("protocol", word::<Protocol>(fields, "healthCheck.protocol"));
    check.put("port", text(fields, "healthCheck.port"));
    let path = fields.value("healthCheck.path").and_then(Value::as_text);
    if path.is_some_and(has_secret_query) {
        suspicious.push("healthCheck.path (for what stands in its query)".to_owned());
    } else {
        check.put("path", path.map(Json::from));
    }
    check.put("interval", number("healthCheck.interval"));
    check.put("timeout", number("healthCheck.timeout"));
    check.put("healthyThreshold", number("healthCheck.healthyThreshold"));
    check.put("unhealthyThreshold", number("healthCheck.unhealthyThreshold"));
    check.put("matcher", text(fields, "healthCheck.matcher"));
    check.part()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::live::{HealthCheck, Observed, Targets, live};
    use super::super::spec::{TargetGroupSpec, resolve};
    use super::*;
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::kinds::dns_record::fixture::{Stage, differences};

    #[test]
    fn a_group_comes_back_as_it_was_and_its_healthy_targets_are_no_promise() {
        let observed = Observed {
            name: "api".into(),
            protocol: Some("HTTP".into()),
            port: Some(8080),
            target_type: Some("ip".into()),
            health_check: HealthCheck {
                protocol: Some("HTTP".into()),
                port: Some("8081".into()),
                path: Some("/health".into()),
                interval: Some(30),
                timeout: Some(5),
                healthy_threshold: Some(5),
                unhealthy_threshold: Some(2),
                matcher: Some("200".into()),
            },
            ..Observed::default()
        };
        let targets = Targets { registered: 3, healthy: 1, initial: 0 };
        let live = live(observed, Some(Ok(targets)), Some(Ok(BTreeMap::new())));
        let scope = ScopeKey::new(ScopeKind::LoadBalancers, "111122223333", "eu-west-1", "");
        let imported = declare(&live, &ImportSetting { scope: &scope, account: None, region: None }).unwrap();
        assert_eq!(imported.spec.get("minHealthy"), None);
        let declared: TargetGroupSpec = serde_json::from_value(Json::Object(imported.spec)).unwrap();
        let declaration = resolve(&declared, &Stage::new().setting("another-name")).unwrap();
        assert_eq!(differences(&declaration, &live), Vec::<String>::new());
        assert_eq!(declaration.expects.len(), 11);
    }
}
