//! The buildpacks of a Cloud Foundry foundation, and the order in which they are tried: the kind
//! `Buildpacks`.
//!
//! Decides when a buildpack is proven gone, what an undeclared one would hit, and (with [`order`])
//! whether applications meet them in the declared order. One document declares the order and every
//! buildpack in it, each a resource of its own. Never reads a foundation. `core` calls the
//! [`Kind`], the loader [`ENTRY`], the reader of a foundation [`live`].

pub(crate) mod import;
pub mod live;
mod order;
pub mod spec;

use crate::core::desired::Declared;
use crate::core::identity::{Ask, ObjectKey, Select};
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, NamedAnswer, Reading, Reason};
use crate::core::value::Value;
use crate::core::world::World;
use crate::kinds::KindEntry;

/// The kind's name.
pub const KIND: &str = "Buildpacks";

/// The lifecycle of buildpacks as they always were; the other one has Cloud Native Buildpacks.
pub const CLASSIC: &str = "buildpack";

/// The state of a buildpack that has no bits: no application can be staged with it.
const AWAITING_UPLOAD: &str = "AWAITING_UPLOAD";

/// Begins the key of the order of a lifecycle.
const ORDER: &str = "order|";

/// Begins the name by which a buildpack is found whatever its stack.
const BY_NAME: &str = "buildpack:";

/// A foundation's buildpacks.
#[derive(Debug)]
pub struct Buildpacks;

/// The kind's line in the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &Buildpacks,
    summary: "The buildpacks of a Cloud Foundry foundation: which there are, and in which order applications meet them.",
    schema,
    declare: spec::declare,
    import: Some(import::IMPORT),
};

fn schema() -> schemars::Schema {
    schemars::schema_for!(spec::BuildpacksSpec)
}

/// The key of a buildpack; no stack is any.
pub fn key(name: &str, stack: Option<&str>, lifecycle: &str) -> String {
    format!("{name}|{}|{lifecycle}", stack.unwrap_or_default())
}

/// The key of the order of a lifecycle's buildpacks.
pub fn order_key(lifecycle: &str) -> String {
    format!("{ORDER}{lifecycle}")
}

/// The alias by which a manifest finds a buildpack whose stack it leaves out.
pub fn alias(name: &str, lifecycle: &str) -> String {
    format!("{BY_NAME}{name}|{lifecycle}")
}

/// The alias of the buildpack that has this key; the order has none.
pub fn alias_of(key: &ObjectKey) -> Option<String> {
    if key.kind != KIND || is_order(key) {
        return None;
    }
    let (name, _, lifecycle) = parts(&key.key);
    Some(alias(name, lifecycle))
}

/// Whether this is an order, not a buildpack.
pub fn is_order(key: &ObjectKey) -> bool {
    key.kind == KIND && key.key.starts_with(ORDER)
}

/// Name, stack and lifecycle of a buildpack's key.
fn parts(key: &str) -> (&str, Option<&str>, &str) {
    let mut parts = key.splitn(3, '|');
    let (name, stack, lifecycle) = (parts.next(), parts.next(), parts.next());
    (name.unwrap_or_default(), stack.filter(|stack| !stack.is_empty()), lifecycle.unwrap_or(CLASSIC))
}

/// The name in the key of a buildpack.
pub fn name_in(key: &str) -> &str {
    parts(key).0
}

/// What a person calls the buildpack that has this key.
pub fn spoken(key: &str) -> String {
    let (name, stack, lifecycle) = parts(key);
    called(name, stack, lifecycle)
}

/// What a person calls a buildpack: its stack and the rarer lifecycle are told where there are any.
fn called(name: &str, stack: Option<&str>, lifecycle: &str) -> String {
    let lifecycle = Some(lifecycle).filter(|lifecycle| *lifecycle != CLASSIC);
    let details: Vec<&str> = stack.into_iter().chain(lifecycle).collect();
    match details.is_empty() {
        true => name.to_owned(),
        false => format!("{name} ({})", details.join(", ")),
    }
}

/// What a person calls the buildpack that is asked for.
fn asked(select: &Select) -> String {
    match select {
        Select::Alias(alias) => {
            let alias = alias.strip_prefix(BY_NAME).unwrap_or(alias);
            let (name, lifecycle) = alias.split_once('|').unwrap_or((alias, CLASSIC));
            called(name, None, lifecycle)
        }
        Select::Key(key) => spoken(key),
        Select::Arn(_) | Select::ReferencedBy(_) => select.to_string(),
    }
}

/// Whether nothing was ever uploaded to it.
fn is_empty(live: &Live) -> bool {
    live.fields.value("state").and_then(Value::as_text) == Some(AWAITING_UPLOAD)
}

impl Kind for Buildpacks {
    fn name(&self) -> &'static str {
        KIND
    }

    /// Gone is what a complete list lacks, and what the foundation does not find when asked for it
    /// by name; a foundation without a single buildpack is not believed.
    fn absence(&self, ask: &Ask, reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        if !reading.complete || !reading.listed {
            return Err(Failure::new(Reason::Incomplete, "the buildpacks were not all listed"));
        }
        if !reading.objects.keys().any(|key| key.kind == KIND && !is_order(key)) {
            let detail = "the foundation lists no buildpack at all: that is no proof that this one is gone";
            return Err(Failure::new(Reason::Incomplete, detail));
        }
        let name = asked(&ask.select);
        match reading.answers.get(ask) {
            Some(NamedAnswer::NotFound) => Ok(Proof {
                sentence: format!(
                    "the complete list of buildpacks lacks {name}, and nothing is found when it is asked for by name"
                ),
                deleted: false,
            }),
            Some(NamedAnswer::Unknown(failure)) => Err(failure.clone()),
            _ => Err(Failure::new(
                Reason::Unconfirmed,
                format!("the list lacks {name}; the next reading asks for it by name"),
            )),
        }
    }

    /// Only an enabled buildpack is met by applications that it was never meant for.
    fn stranger(&self, live: &Live, _reading: &Reading) -> Option<String> {
        if is_order(&live.key) || live.fields.value("enabled") != Some(&Value::Bool(true)) {
            return None;
        }
        if is_empty(live) {
            return Some(
                "undeclared and enabled; no application meets it before something is uploaded to it".to_owned(),
            );
        }
        let hit = match live.fields.value(live::AUTODETECT).and_then(Value::as_int) {
            None => String::new(),
            Some(0) => ": no app detects its buildpack there now".to_owned(),
            Some(1) => ": 1 app that detects its buildpack would meet it".to_owned(),
            Some(apps) => format!(": {apps} apps that detect their buildpack would meet it"),
        };
        let first: Vec<&str> = live::first_on(live).map(|(stack, _)| stack).collect();
        Some(match first.is_empty() {
            true => format!("undeclared and enabled{hit}"),
            false => format!("undeclared and enabled{hit}; it is FIRST in detection on {}", first.join(", ")),
        })
    }

    /// The order: what was moved is told, not what was shifted by it.
    fn judges(&self, path: &str) -> bool {
        path == live::ORDER
    }

    fn judge(&self, declared: &Declared, live: &Live, _: &World<'_>) -> Vec<Judgement> {
        if is_order(&live.key) {
            return order::judge(declared, live).into_iter().collect();
        }
        if !is_empty(live) {
            return Vec::new();
        }
        let message =
            format!("nothing was ever uploaded to it ({AWAITING_UPLOAD}): no application can be staged with it");
        vec![Judgement::Degraded { message, works: false, caused_by: None }]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::live::{Buildpack, Observed};
    use super::*;

    fn buildpack(name: &str, stack: Option<&str>, position: i64, enabled: bool) -> Buildpack {
        Buildpack {
            guid: format!("guid-{name}-{position}").into(),
            name: name.into(),
            stack: stack.map(Into::into),
            position,
            enabled,
            state: "READY".into(),
            filename: Some(format!("{name}-cflinuxfs4-v1.0.{position}.zip").into()),
            ..Buildpack::default()
        }
    }

    fn foundation(buildpacks: Vec<Buildpack>) -> Reading {
        let autodetect: BTreeMap<Arc<str>, u32> = BTreeMap::from([("cflinuxfs4".into(), 37), ("windows".into(), 2)]);
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        (reading.complete, reading.listed) = (true, true);
        for live in live::live("api.example.com", &Observed { buildpacks, autodetect }) {
            reading.insert(live);
        }
        reading
    }

    fn stranger(reading: &Reading, name: &str, stack: Option<&str>) -> Option<String> {
        Buildpacks.stranger(reading.object(KIND, &key(name, stack, CLASSIC)).unwrap(), reading)
    }

    #[test]
    fn an_undeclared_buildpack_is_told_with_what_it_would_hit_and_where_it_is_first() {
        let reading = foundation(vec![
            buildpack("cats-test", Some("cflinuxfs4"), 1, true),
            buildpack("java_buildpack", Some("cflinuxfs4"), 2, true),
            buildpack("anything", None, 3, true),
        ]);
        assert_eq!(
            stranger(&reading, "cats-test", Some("cflinuxfs4")).unwrap(),
            "undeclared and enabled: 37 apps that detect their buildpack would meet it; it is FIRST in detection on cflinuxfs4"
        );
        assert_eq!(
            stranger(&reading, "java_buildpack", Some("cflinuxfs4")).unwrap(),
            "undeclared and enabled: 37 apps that detect their buildpack would meet it"
        );
        assert_eq!(
            stranger(&reading, "anything", None).unwrap(),
            "undeclared and enabled: 39 apps that detect their buildpack would meet it; it is FIRST in detection on windows"
        );
    }

    #[test]
    fn a_disabled_buildpack_and_the_order_itself_are_no_strangers() {
        let reading =
            foundation(vec![buildpack("cats-test", None, 1, false), buildpack("java_buildpack", None, 2, true)]);
        assert_eq!(stranger(&reading, "cats-test", None), None);
        let order = reading.object(KIND, &order_key(CLASSIC)).unwrap();
        assert_eq!(Buildpacks.stranger(order, &reading), None);
        assert!(
            stranger(&reading, "java_buildpack", None).unwrap().contains("FIRST in detection on cflinuxfs4, windows")
        );
    }

    #[test]
    fn a_buildpack_without_bits_hits_nobody_and_does_not_work() {
        let empty = Buildpack { state: AWAITING_UPLOAD.into(), filename: None, ..buildpack("bruh", None, 1, true) };
        let reading = foundation(vec![empty, buildpack("java_buildpack", None, 2, true)]);
        assert!(stranger(&reading, "bruh", None).unwrap().contains("before something is uploaded"));
        assert!(stranger(&reading, "java_buildpack", None).unwrap().contains("FIRST"));
    }

    #[test]
    fn a_buildpack_is_gone_only_when_it_is_not_found_by_name_either() {
        let mut reading = foundation(vec![buildpack("java_buildpack", None, 1, true)]);
        let ask = Ask { kind: KIND, select: Select::Alias(alias("ruby_buildpack", CLASSIC).into()) };
        let reason = |reading: &Reading| Buildpacks.absence(&ask, reading, None).unwrap_err().reason;
        assert_eq!(reason(&reading), Reason::Unconfirmed);
        reading.answers.insert(ask.clone(), NamedAnswer::NotFound);
        let proof = Buildpacks.absence(&ask, &reading, None).unwrap();
        assert!(proof.sentence.contains("lacks ruby_buildpack, and"), "{}", proof.sentence);
        reading.complete = false;
        assert_eq!(reason(&reading), Reason::Incomplete);
    }

    #[test]
    fn a_foundation_that_lists_no_buildpack_at_all_proves_nothing() {
        let mut reading = foundation(Vec::new());
        let ask = Ask { kind: KIND, select: Select::Key(key("ruby_buildpack", Some("cflinuxfs4"), CLASSIC).into()) };
        reading.answers.insert(ask.clone(), NamedAnswer::NotFound);
        assert_eq!(Buildpacks.absence(&ask, &reading, None).unwrap_err().reason, Reason::Incomplete);
    }

    #[test]
    fn a_buildpack_is_called_by_its_name_and_by_what_tells_it_from_others() {
        assert_eq!(spoken(&key("ruby_buildpack", None, CLASSIC)), "ruby_buildpack");
        assert_eq!(spoken(&key("ruby_buildpack", Some("cflinuxfs4"), CLASSIC)), "ruby_buildpack (cflinuxfs4)");
        assert_eq!(spoken(&key("java", Some("cflinuxfs4"), "cnb")), "java (cflinuxfs4, cnb)");
    }
}
