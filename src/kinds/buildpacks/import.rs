//! The live buildpacks of a foundation as a manifest would declare them.
//!
//! Decides that one manifest declares them all: that of their order, which lists what is enabled. What
//! is disabled is met by no app and is left to a person, like versions: a buildpack is updated all the
//! time. Called through the kind's entry, and by `crate::import` to learn what the order's declares.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::live::ORDER;
use super::{CLASSIC, KIND, is_order, order_key, parts};
use crate::core::identity::ObjectKey;
use crate::core::observation::{Live, Reading};
use crate::core::value::{Fields, Value};
use crate::kinds::importing::{Import, ImportSetting, Imported, Spec};

/// How buildpacks are imported: their order, and they with it.
pub const IMPORT: Import = Import { facets: &[], declare };

fn declare(live: &Live, setting: &ImportSetting<'_>) -> Result<Imported, &'static str> {
    if !is_order(&live.key) {
        return Err(match is_enabled(live) {
            true => "enabled buildpacks that a Buildpacks manifest does not list: add them to it",
            false => "disabled buildpacks, which no app meets: list them with `enabled: false` to keep them so",
        });
    }
    let lifecycle = live.key.key.strip_prefix(super::ORDER).unwrap_or_default();
    if ![CLASSIC, "cnb"].contains(&lifecycle) {
        return Err("orders of buildpacks of a lifecycle that no manifest names");
    }
    let listed: Vec<(&str, &str)> = tried(&live.fields).filter_map(|tried| tried.split_once('|')).collect();
    if listed.is_empty() {
        return Err("orders that no enabled buildpack is in");
    }
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    listed.iter().for_each(|(name, _)| *times.entry(name).or_default() += 1);
    let alone = |name: &str| times.get(name).is_none_or(|times| *times == 1);
    if listed.iter().any(|(name, stack)| stack.is_empty() && !alone(name)) {
        return Err("orders with a buildpack that is there for one stack and for any: write that manifest by hand");
    }
    let entries = listed.iter().filter_map(|(name, stack)| {
        let mut entry = Spec::default();
        entry.put("name", Some(Json::from(*name)));
        entry.put("stack", (!stack.is_empty()).then(|| Json::from(*stack)));
        entry.part()
    });
    let mut spec = Spec::default();
    spec.put("lifecycle", (lifecycle != CLASSIC).then(|| Json::from(lifecycle)));
    spec.put("buildpacks", Some(entries.collect()));
    let name = if lifecycle == CLASSIC { "buildpacks".to_owned() } else { format!("buildpacks-{lifecycle}") };
    // The manifest must not be called like a buildpack that it lists.
    let taken: BTreeSet<&str> = listed.iter().map(|(name, _)| *name).collect();
    let names = [name.clone(), format!("order-of-{name}"), format!("order-of-{name}-{}", setting.scope.account)];
    Ok(Imported {
        names: names.into_iter().filter(|name| !taken.contains(name.as_str())).collect(),
        name_field: None,
        spec: spec.whole(),
        hidden: Vec::new(),
        suspicious: Vec::new(),
    })
}

fn is_enabled(live: &Live) -> bool {
    live.fields.value("enabled") == Some(&Value::Bool(true))
}

/// `name|stack` of every enabled buildpack.
fn tried(fields: &Fields) -> impl Iterator<Item = &str> {
    let items: &[Value] = match fields.value(ORDER) {
        Some(Value::List(items)) => items,
        _ => &[],
    };
    items.iter().filter_map(Value::as_text)
}

/// The order whose manifest lists a buildpack.
pub fn order_of(live: &Live, reading: &Reading) -> Option<ObjectKey> {
    if is_order(&live.key) || !is_enabled(live) {
        return None;
    }
    let (name, stack, lifecycle) = parts(&live.key.key);
    let order = reading.object(KIND, &order_key(lifecycle))?;
    let entry = format!("{name}|{}", stack.unwrap_or_default());
    tried(&order.fields).any(|tried| tried == entry).then(|| order.key.clone())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use jiff::Timestamp;

    use super::super::live::{Buildpack, Observed, live};
    use super::super::spec::{BuildpacksSpec, resolve};
    use super::*;
    use crate::core::identity::{Ask, ScopeKey, ScopeKind};
    use crate::kinds::app::spec::tests::Stage;
    use crate::kinds::dns_record::fixture::differences;
    use crate::kinds::{Rules, buildpacks};

    fn buildpack(name: &str, stack: Option<&str>, position: i64, enabled: bool) -> Buildpack {
        Buildpack {
            guid: format!("{name}-{position}").into(),
            name: name.into(),
            stack: stack.map(Into::into),
            position,
            enabled,
            state: "READY".into(),
            ..Buildpack::default()
        }
    }

    fn foundation(buildpacks: Vec<Buildpack>) -> Reading {
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        (reading.complete, reading.listed) = (true, true);
        for live in live("api.example.com", &Observed { buildpacks, autodetect: BTreeMap::new() }) {
            if let Some(alias) = buildpacks::alias_of(&live.key) {
                reading.alias(alias, live.key.clone());
            }
            reading.insert(live);
        }
        reading
    }

    fn imported(live: &Live) -> Result<Imported, &'static str> {
        let scope = ScopeKey::new(ScopeKind::CfFoundation, "api.example.com", "cf", "");
        declare(live, &ImportSetting { scope: &scope, account: None, region: None })
    }

    #[test]
    fn the_manifest_of_an_order_finds_every_enabled_buildpack_as_it_is() {
        let reading = foundation(vec![
            buildpack("ruby_buildpack", Some("cflinuxfs4"), 1, true),
            buildpack("old_buildpack", Some("cflinuxfs3"), 2, false),
            buildpack("ruby_buildpack", Some("cflinuxfs3"), 3, true),
            buildpack("buildpacks", Some("cflinuxfs4"), 4, true),
        ]);
        let order = reading.object(KIND, &order_key(CLASSIC)).unwrap();
        let imported = imported(order).unwrap();
        assert_eq!(imported.names.first().map(String::as_str), Some("order-of-buildpacks"));
        let spec: BuildpacksSpec = serde_json::from_value(Json::Object(imported.spec)).unwrap();
        let declaration = resolve(&spec, &Stage::new().setting("order-of-buildpacks")).unwrap();
        assert_eq!(differences(&declaration, order), Vec::<String>::new());
        let Some(Rules::Parts(parts)) = declaration.rules else { panic!("an order has parts") };
        let mut found = 0;
        for part in parts.parts.iter().filter(|part| part.kind.name() == KIND) {
            let ask = Ask { kind: KIND, select: part.declaration.select.clone() };
            let [live] = reading.find(&ask)[..] else { panic!("{}", part.name) };
            assert_eq!(differences(&part.declaration, live), Vec::<String>::new());
            assert_eq!(order_of(live, &reading).as_ref(), Some(&order.key));
            found += 1;
        }
        assert_eq!(found, 3);
    }

    #[test]
    fn what_is_disabled_or_cannot_be_told_apart_is_left_out() {
        let reading = foundation(vec![
            buildpack("old_buildpack", None, 1, false),
            buildpack("ruby_buildpack", None, 2, true),
            buildpack("ruby_buildpack", Some("cflinuxfs4"), 3, true),
        ]);
        let refused = |key: &str| imported(reading.object(KIND, key).unwrap()).unwrap_err();
        assert!(refused("old_buildpack||buildpack").starts_with("disabled"));
        assert!(refused("order|buildpack").contains("for any"));
        assert!(refused("order|cnb").contains("no enabled buildpack"));
        let old = reading.object(KIND, "old_buildpack||buildpack").unwrap();
        assert_eq!(order_of(old, &reading), None);
    }
}
