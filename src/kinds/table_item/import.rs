//! A live item as a manifest would declare it.
//!
//! Decides that its key is declared, and of its attributes only those whose values the environment
//! lets be shown. Called through the kind's entry.

use serde_json::{Map, Value as Json};

use super::live::attribute_path;
use super::spelling::parse_key;
use crate::core::observation::Live;
use crate::core::value::Value;
use crate::kinds::importing::{Import, ImportSetting, Imported, Spec};
use crate::manifest::write;

/// How items are imported.
pub const IMPORT: Import = Import { facets: &[], declare };

fn declare(live: &Live, setting: &ImportSetting<'_>) -> Result<Imported, &'static str> {
    let key = parse_key(&live.key.key).filter(|key| key.keys().all(|name| write::is_key(name)));
    let Some(key) = key else { return Err("an item whose key moored cannot write") };
    let mut hidden = Vec::new();
    let mut attributes = Map::new();
    let prefix = attribute_path("");
    let names = live.fields.iter().filter_map(|(path, _)| path.strip_prefix(prefix.as_str()));
    for name in names.filter(|name| !key.contains_key(*name)) {
        let shown = match live.fields.value(&attribute_path(name)) {
            Some(Value::Secret(secret)) => secret.shown.as_deref(),
            _ => None,
        };
        match shown {
            Some(shown) => {
                attributes.insert(name.to_owned(), Json::from(shown));
            }
            None => hidden.push(name.to_owned()),
        }
    }
    let table = &setting.scope.thing;
    let called = key.values().map(String::as_str).collect::<Vec<_>>().join("-");
    let mut spec = Spec::default();
    spec.put("table", Some(Json::from(&**table)));
    spec.put_place(setting);
    // Numbers in it are in the one spelling already, so that it needs no types.
    spec.put("key", Some(Json::Object(key.into_iter().map(|(name, value)| (name, Json::from(value))).collect())));
    spec.put("attributes", Some(Json::Object(attributes)));
    Ok(Imported {
        names: vec![
            called.clone(),
            format!("{table}-{called}"),
            format!("{table}-{}-{}-{}", live.key.key, setting.scope.account, setting.scope.region),
        ],
        name_field: None,
        spec: spec.whole(),
        hidden,
        suspicious: Vec::new(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use serde_json::json;

    use super::super::live::{Attribute, Attributes, Keeping, TableName, live};
    use super::super::spec::{TableItemSpec, resolve};
    use super::*;
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::core::redact::Redactor;
    use crate::kinds::dns_record::fixture::{Stage, differences};

    #[test]
    fn an_item_comes_back_by_its_key_and_only_with_what_may_be_shown() {
        let attributes: Attributes = [
            ("service", Attribute::Text("a=b".into())),
            ("shard", Attribute::Number("1.0".into())),
            ("frozen", Attribute::Bool(true)),
            ("count", Attribute::Number("2.50".into())),
            ("token", Attribute::Text("hunter2".into())),
        ]
        .into_iter()
        .map(|(name, attribute)| (name.to_owned(), attribute))
        .collect();
        let table = TableName { account: "111122223333".into(), region: "eu-west-1".into(), table: "settings".into() };
        let visible: BTreeSet<Arc<str>> = ["frozen".into(), "count".into()].into();
        let keeping = Keeping { redactor: &Redactor::new(&[7; 32]), plain: &BTreeSet::new(), visible: &visible };
        let live = live(&attributes, "service=a\\=b,shard=1", &table, &keeping);
        let scope = ScopeKey::new(ScopeKind::Table, "111122223333", "eu-west-1", "settings");
        let imported = declare(&live, &ImportSetting { scope: &scope, account: None, region: None }).unwrap();
        let spec = Json::Object(imported.spec);
        let key = json!({ "service": "a=b", "shard": "1" });
        assert_eq!(
            spec,
            json!({ "table": "settings", "key": key, "attributes": { "count": "2.5", "frozen": "true" } })
        );
        assert_eq!(imported.hidden, ["token"]);
        let declared: TableItemSpec = serde_json::from_value(spec).unwrap();
        let declaration = resolve(&declared, &Stage::new().setting("another-name")).unwrap();
        assert_eq!((declaration.id.clone(), declaration.expects.len()), (live.id.clone(), 2));
        assert_eq!(differences(&declaration, &live), Vec::<String>::new());
    }
}
