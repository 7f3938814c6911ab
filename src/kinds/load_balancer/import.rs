//! A live load balancer as a manifest would declare it.
//!
//! Decides what is worth declaring: of its many attributes only the two that have a field of their
//! own. Called through the kind's entry.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::spec::{BalancerType, IpAddressType, Protocol, Scheme};
use crate::core::asks::Facet;
use crate::core::observation::Live;
use crate::core::value::Fields;
use crate::kinds::importing::{Import, ImportSetting, Imported, Spec, flag, number, tags, text, texts, word};

/// How load balancers are imported.
pub const IMPORT: Import = Import { facets: &[Facet::Listeners, Facet::Attributes, Facet::Tags], declare };

fn declare(live: &Live, setting: &ImportSetting<'_>) -> Result<Imported, &'static str> {
    let fields = &live.fields;
    let name = &*live.key.key;
    let mut spec = Spec::default();
    spec.put_place(setting);
    spec.put("name", Some(Json::from(name)));
    spec.put("scheme", word::<Scheme>(fields, "scheme"));
    spec.put("type", word::<BalancerType>(fields, "type"));
    spec.put("ipAddressType", word::<IpAddressType>(fields, "ipAddressType"));
    spec.put("securityGroups", texts(fields, "securityGroups"));
    spec.put("subnets", texts(fields, "subnets"));
    spec.put("listeners", listeners(fields));
    spec.put("idleTimeout", number(fields, "idleTimeout", 0..=u32::MAX.into()));
    spec.put("deletionProtection", flag(fields, "deletionProtection").map(Json::from));
    spec.put("tags", tags(fields));
    Ok(Imported {
        names: names(name, setting),
        name_field: Some("name"),
        spec: spec.whole(),
        hidden: Vec::new(),
        suspicious: Vec::new(),
    })
}

/// A balancer's or target group's name, which is unique in its account and region.
pub(in crate::kinds) fn names(name: &str, setting: &ImportSetting<'_>) -> Vec<String> {
    let (account, region) = (&setting.scope.account, &setting.scope.region);
    vec![name.to_owned(), format!("{name}-{region}"), format!("{name}-{region}-{account}")]
}

fn listeners(fields: &Fields) -> Option<Json> {
    let ports: BTreeSet<u16> = fields
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("listeners.")?.split_once('.')?.0.parse().ok())
        .collect();
    let mut listeners = Spec::default();
    for port in ports {
        let at = |field: &str| format!("listeners.{port}.{field}");
        // A listener is declared by its protocol, or not at all.
        let Some(protocol) = word::<Protocol>(fields, &at("protocol")) else { continue };
        let mut listener = Spec::default();
        listener.put("protocol", Some(protocol));
        listener.put("sslPolicy", text(fields, &at("sslPolicy")));
        listener.put("certificates", texts(fields, &at("certificates")));
        listener.put("targetGroup", text(fields, &at("targetGroup")));
        listeners.put(&port.to_string(), listener.part());
    }
    listeners.part()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::live::{Details, Listener, Observed, live};
    use super::super::spec::{LoadBalancerSpec, resolve};
    use super::*;
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::kinds::dns_record::fixture::{Stage, differences};

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn listener(port: i32, protocol: &str, group: Option<&str>) -> Listener {
        Listener {
            port,
            protocol: Some(protocol.into()),
            target_group: group.map(str::to_owned),
            ..Listener::default()
        }
    }

    #[test]
    fn a_balancer_with_several_listeners_comes_back_as_it_was() {
        let observed = Observed {
            name: "api".into(),
            state: Some("active".into()),
            scheme: Some("internet-facing".into()),
            balancer_type: Some("application".into()),
            ip_address_type: Some("ipv4".into()),
            security_groups: vec!["sg-2".into(), "sg-1".into()],
            subnets: vec!["subnet-b".into(), "subnet-a".into()],
            ..Observed::default()
        };
        let secure = Listener {
            ssl_policy: Some("p".into()),
            certificates: vec!["arn:c".into()],
            ..listener(443, "HTTPS", Some("a, b"))
        };
        let details = Details {
            listeners: Some(Ok(vec![listener(80, "HTTP", None), secure, listener(4433, "NEWTALK", None)])),
            attributes: Some(Ok(texts(&[
                ("idle_timeout.timeout_seconds", "60"),
                ("deletion_protection.enabled", "true"),
            ]))),
            tags: Some(Ok(texts(&[("team", "werkzeug"), ("aws:stack", "x")]))),
        };
        let live = live(observed, details);
        let scope = ScopeKey::new(ScopeKind::LoadBalancers, "111122223333", "eu-west-1", "");
        let imported = declare(&live, &ImportSetting { scope: &scope, account: Some("main"), region: None }).unwrap();
        let spec = Json::Object(imported.spec);
        assert_eq!(
            spec.get("listeners"),
            Some(&json!({
                "80": { "protocol": "HTTP" },
                "443": { "protocol": "HTTPS", "sslPolicy": "p", "certificates": ["arn:c"], "targetGroup": "a, b" },
            }))
        );
        assert_eq!(
            (spec.get("tags"), spec.get("account")),
            (Some(&json!({ "team": "werkzeug" })), Some(&json!("main")))
        );
        let declared: LoadBalancerSpec = serde_json::from_value(spec).unwrap();
        let declaration = resolve(&declared, &Stage::new().setting("another-name")).unwrap();
        assert_eq!(differences(&declaration, &live), Vec::<String>::new());
    }
}
