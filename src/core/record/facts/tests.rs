//! What is a change and what is none.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::core::identity::ObjectKey;
use crate::core::value::Fields;
use crate::kinds::detail;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn live(kind: &'static str, fields: impl FnOnce(&mut Fields)) -> Live {
    let mut all = Fields::default();
    fields(&mut all);
    Live {
        key: ObjectKey::new(kind, "api"),
        id: "arn:1".into(),
        incarnation: None,
        fields: all,
        addresses: Box::default(),
        references: Box::default(),
    }
}

fn service(fields: impl FnOnce(&mut Fields)) -> Live {
    live("EcsService", fields)
}

fn secret(hash: u128) -> Value {
    Value::secret(hash, None)
}

/// What differs, spelled short, after these readings, one a second.
fn story(readings: &[Live]) -> Vec<String> {
    let (first, rest) = readings.split_first().unwrap();
    let mut facts = Facts::of(first, 0);
    let mut told = Vec::new();
    for (second, reading) in (0..).zip(rest) {
        let update = facts.update(reading, 0, at(second), at(second + 1));
        let after = update.after.as_second();
        told.extend(update.fields.iter().map(|f| format!("{} {} > {} after {after}", f.path, f.before, f.after)));
        facts = update.facts;
        // As it comes back from the store.
        facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    }
    told
}

#[test]
fn a_field_that_differs_appears_or_vanishes_is_a_change() {
    let told = story(&[
        service(|f| f.set("idleTimeout", 60)),
        service(|f| f.set("idleTimeout", 90)),
        service(|f| {
            f.set("idleTimeout", 90);
            f.set("scheme", "internal");
        }),
        service(|f| f.set("scheme", "internal")),
    ]);
    assert_eq!(
        told,
        ["idleTimeout 60 > 90 after 0", "scheme null > \"internal\" after 1", "idleTimeout 90 > null after 2"]
    );
}

#[test]
fn what_could_not_be_read_keeps_its_value_and_a_later_change_reaches_back_to_when_it_could() {
    let unread = |f: &mut Fields| f.put("attributes", Fact::Unknown("throttled".into()));
    let told = story(&[
        service(|f| f.set("attributes.a.b", "1")),
        service(unread),
        service(unread),
        service(|f| {
            unread(f);
            f.set("scheme", "internal");
        }),
        service(|f| {
            f.set("attributes.a.b", "2");
            f.set("attributes.c", "new");
            f.set("scheme", "internal");
        }),
    ]);
    assert_eq!(
        told,
        [
            "scheme null > \"internal\" after 2",
            "attributes.a.b \"1\" > \"2\" after 0",
            "attributes.c null > \"new\" after 0"
        ]
    );
}

#[test]
fn a_detail_that_is_asked_for_later_is_no_change_nor_is_one_that_is_no_longer_asked_for() {
    let not_asked = |f: &mut Fields| f.put("tags", detail::not_asked());
    let told = story(&[
        service(not_asked),
        service(|f| f.set("tags.team", "web")),
        service(not_asked),
        service(|f| f.set("tags.team", "web")),
        service(|f| f.set("tags.team", "data")),
    ]);
    assert_eq!(told, ["tags.team \"web\" > \"data\" after 3"]);
}

#[test]
fn what_a_detail_was_before_anybody_asked_for_it_is_not_known() {
    let unread = |f: &mut Fields| f.put("tags", detail::not_asked());
    let read = |f: &mut Fields| f.set("tags.team", "web");
    let facts = Facts::of(&service(unread), 0).update(&service(read), 0, at(0), at(10)).facts;
    let facts = facts.update(&service(unread), 0, at(10), at(20)).facts;
    let facts = facts.update(&service(read), 0, at(20), at(30)).facts;
    let facts: Facts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert!(facts.is_untold("tags.team", at(9)) && !facts.is_untold("tags.team", at(10)));
    assert!(!facts.is_untold("scheme", at(9)));
}

#[test]
fn a_detail_that_is_kept_between_readings_may_have_changed_before_the_last_one() {
    let balancer = |scheme: &str, port: &str| {
        live("LoadBalancer", |f| {
            f.set("scheme", scheme);
            f.set("listeners.443.protocol", port);
        })
    };
    let facts = Facts::of(&balancer("internal", "TCP"), 0);
    let after = |reading: &Live| facts.update(reading, 0, at(3600), at(3601)).after;
    assert_eq!(after(&balancer("internal", "TLS")), at(3600 - 16 * 60));
    assert_eq!(after(&balancer("internet-facing", "TCP")), at(3600));
    assert_eq!(after(&balancer("internet-facing", "TLS")), at(3600 - 16 * 60), "the earlier one of both");
}

#[test]
fn an_unchecked_field_is_like_an_unknown_one() {
    let told = story(&[
        service(|f| f.put("tags", Fact::Unchecked("may not".into()))),
        service(|f| f.put("tags", Fact::Unknown("throttled".into()))),
        service(|f| f.set("tags.team", "web")),
    ]);
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn a_thing_of_the_same_name_with_another_identity_is_a_change() {
    let told = story(&[service(|_| {}), Live { id: "arn:2".into(), ..service(|_| {}) }]);
    assert_eq!(told, ["id \"arn:1\" > \"arn:2\" after 0"]);
}

#[test]
fn a_secret_that_differs_is_a_change_that_tells_nothing() {
    let told = story(&[service(|f| f.set("env.TOKEN", secret(7))), service(|f| f.set("env.TOKEN", secret(8)))]);
    assert_eq!(told, ["env.TOKEN \"(secret)\" > \"(secret)\" after 0"]);
}

#[test]
fn a_new_key_alone_is_no_change_not_even_in_lists() {
    let reading = |texts: &[&str], hashes: [u128; 2]| {
        let mut items: Vec<Value> = texts.iter().copied().map(Value::from).chain(hashes.map(secret)).collect();
        items.sort();
        service(|f| {
            f.set("list", Value::List(items.into()));
            f.set("token", secret(hashes[0]));
        })
    };
    let facts = Facts::of(&reading(&["b"], [1, 2]), 0);
    let update = facts.update(&reading(&["b"], [9, 3]), 1, at(0), at(1));
    assert_eq!(update.fields, []);
    assert_eq!(
        update.facts.update(&reading(&["b"], [9, 4]), 1, at(0), at(1)).fields.len(),
        1,
        "the new hashes compare"
    );
    let other = facts.update(&reading(&["c"], [9, 3]), 1, at(0), at(1));
    assert_eq!(other.fields.len(), 1, "what is no secret compares under any key");
}

#[test]
fn only_a_visible_value_is_stored_and_only_as_long_as_it_is_visible() {
    let reading = |shown: Option<&str>| service(|f| f.set("LOG_LEVEL", Value::secret(7, shown.map(Into::into))));
    let visible = Facts::of(&reading(Some("info")), 0);
    assert_eq!(visible.marked().get("LOG_LEVEL"), Some(&reveal::marked("info")));
    assert_ne!(digest(&reading(Some("info"))), digest(&reading(None)));
    let update = visible.update(&reading(None), 0, at(0), at(1));
    assert_eq!(update.fields, []);
    assert!(!serde_json::to_string(&update.facts).unwrap().contains("info"));
    assert_eq!(format!("{:?}", visible.known.get("LOG_LEVEL")), "Some(Secret((secret)))");
}

#[test]
fn what_only_manifests_ask_for_is_not_recorded() {
    let item = |plain: bool| {
        live("TableItem", |f| {
            f.set("attributes.hostname", secret(7));
            if plain {
                f.set("hostname", "api.example.com");
            }
        })
    };
    assert_eq!(digest(&item(false)), digest(&item(true)));
    assert!(!serde_json::to_string(&Facts::of(&item(true), 0)).unwrap().contains("api.example.com"));
    assert_eq!(story(&[live("EcsService", |f| f.set(REGISTERED, "api:1")), live("EcsService", |_| {})]), [""; 0]);
}

#[test]
fn the_hash_sees_every_part_and_stays_the_same() {
    let base = service(|f| f.set("a", "bc"));
    let others = [
        service(|f| f.set("ab", "c")),
        service(|f| f.set("a", "bd")),
        service(|f| f.put("a", Fact::Unknown("why".into()))),
        service(|f| f.set("a", Value::set(["bc"]))),
        service(|f| f.set("a", 1)),
        service(|f| f.set("a", true)),
        Live { id: "arn:2".into(), ..service(|f| f.set("a", "bc")) },
    ];
    let all: BTreeSet<u64> = others.iter().chain([&base]).map(digest).collect();
    assert_eq!(all.len(), others.len() + 1);
    let unread = |why: &str| service(|f| f.put("a", Fact::Unknown(why.into())));
    assert_eq!(digest(&unread("throttled")), digest(&unread("denied")), "why is no fact of the thing");
}
