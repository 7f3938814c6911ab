//! Readings of an organisation whose foundation is pretended over HTTP.
#![allow(clippy::unwrap_used)]

mod stand;

use jiff::SignedDuration;
use serde_json::json;

use crate::core::asks::Asks;
use crate::core::identity::{Ask, ObjectKey, Select};
use crate::core::judge::Kind;
use crate::core::observation::{Marked, NamedAnswer, Reading, Reason};
use crate::core::value::{Fact, Value};
use crate::kinds::app::App;
use crate::kinds::{app, service_binding, service_instance};
use stand::{Stand, World, world};

fn ask(kind: &'static str, key: &str) -> Ask {
    Ask { kind, select: Select::Key(key.into()) }
}

fn told<'a>(reading: &'a Reading, name: &str) -> Option<&'a Marked> {
    reading.marks.get(&ObjectKey::new(app::KIND, "production/api"))?.get(name)
}

fn mark<'a>(reading: &'a Reading, name: &str) -> Option<&'a str> {
    told(reading, name)?.value.as_deref()
}

fn env(reading: &Reading) -> Fact {
    reading.object(app::KIND, "production/api").unwrap().fields.fact("env.GREETING").into_owned()
}

#[tokio::test]
async fn an_organisation_is_read_with_one_call_a_list() {
    let mut stand = Stand::new(world()).await;
    let reading = stand.read().await;
    assert!(reading.complete && reading.listed, "{:?}", reading.remarks);
    assert_eq!(reading.remarks, []);
    let keys: Vec<(&str, &str)> = reading.objects.keys().map(|key| (key.kind, &*key.key)).collect();
    assert_eq!(
        keys,
        [
            ("App", "production/api"),
            ("ServiceBinding", "production/api/queue"),
            ("ServiceInstance", "production/queue")
        ]
    );
    let fields = &reading.object(app::KIND, "production/api").unwrap().fields;
    assert_eq!(fields.value("routes.api.example.com.protocol"), Some(&Value::text("http1")));
    assert_eq!(fields.value("services"), Some(&Value::set(["queue"])));
    assert_eq!(fields.value("runtime.web.running"), Some(&Value::Int(1)));
    assert_eq!(&*reading.notes["space:production"], "s-1");
    assert_eq!(&*reading.notes["apiVersion"], "3.228.0");
    assert_eq!(&*reading.notes["runningEnvironment"], "2026-11-01T00:00:00Z");
    assert_eq!((mark(&reading, "version:web"), mark(&reading, "binding:queue").is_some()), (Some("v1"), true));
    assert!(matches!(env(&reading), Fact::Known(Value::Secret(_))));

    let steady = stand.read().await;
    // Organisation, spaces, apps, deployments, processes, instances, bindings, routes, buildpacks,
    // stacks, the group of variables and the audit log.
    assert_eq!(steady.api_calls, 12);
    assert_eq!(stand.asked("/manifest").await, 1, "nothing changed");
}

#[tokio::test]
async fn a_platform_that_refuses_to_embed_instances_is_asked_process_by_process_from_then_on() {
    let mut world = world();
    world.refused.push(("embed=process_instances", 400));
    let mut stand = Stand::new(world).await;
    for _ in 0..2 {
        let reading = stand.read().await;
        let app = reading.object(app::KIND, "production/api").unwrap();
        assert_eq!(app.fields.value("runtime.web.running"), Some(&Value::Int(1)));
    }
    assert_eq!((stand.asked("embed=").await, stand.asked("/stats").await), (1, 2));
}

#[tokio::test]
async fn instances_of_apps_that_nobody_asks_about_are_not_asked_for_one_by_one() {
    let mut stand = Stand::new(World { version: "3.195.0", ..world() }).await;
    stand.asks = Asks::default();
    let reading = stand.read().await;
    let app = reading.object(app::KIND, "production/api").unwrap();
    assert!(matches!(*app.fields.fact("runtime.web.running"), Fact::Unknown(_)));
    assert_eq!((stand.asked("embed=").await, stand.asked("/stats").await), (0, 0));
}

#[tokio::test]
async fn a_role_that_may_read_no_manifest_leaves_it_unchecked_and_is_tried_again_after_ten_minutes() {
    let mut world = world();
    world.refused.push(("/manifest", 403));
    let mut stand = Stand::new(world).await;
    let reading = stand.read().await;
    assert!(matches!(env(&reading), Fact::Unchecked(why) if why.contains("admin_read_only")));
    assert!(reading.complete);
    stand.read().await;
    assert_eq!(stand.asked("/manifest").await, 1);
    stand.clock.jump(SignedDuration::from_mins(10));
    stand.change(|world| world.refused.clear());
    assert!(matches!(env(&stand.read().await), Fact::Known(_)), "the role was given what it needs");
}

#[tokio::test]
async fn a_manifest_that_was_readable_is_unknown_once_the_app_changes_and_its_marks_are_not_told() {
    let mut stand = Stand::new(world()).await;
    let before = stand.read().await;
    stand.change(|world| {
        world.refused.push(("/manifest", 403));
        world.lists.get_mut("/v3/apps").unwrap()[0]["updated_at"] = json!("2026-11-20T09:00:00Z");
    });
    let after = stand.read().await;
    assert!(matches!(env(&after), Fact::Unknown(why) if why.contains("was readable until")));
    assert!(mark(&before, "environment").is_some());
    assert_eq!(told(&after, "environment"), None, "what is not told is as it was");
}

#[tokio::test]
async fn what_neither_list_nor_name_finds_in_a_visible_space_is_proven_gone() {
    let mut stand = Stand::new(world()).await;
    let gone = [
        ask(app::KIND, "production/worker"),
        ask(service_instance::KIND, "production/db"),
        ask(service_binding::KIND, "production/api/db"),
        ask(service_binding::KIND, "production/worker/queue"),
    ];
    for ask in &gone {
        stand.asks.want(ask.clone(), []);
    }
    let reading = stand.read().await;
    for ask in &gone {
        assert_eq!(reading.answers.get(ask), Some(&NamedAnswer::NotFound), "{ask:?}");
    }
    assert!(App.absence(&gone[0], &reading, None).is_ok());
    assert_eq!(stand.asked("/v3/apps?names=worker").await, 1, "for the app and for its binding");
}

#[tokio::test]
async fn what_is_found_by_name_shows_that_the_list_was_not_whole() {
    let mut lossy = world();
    let lost = lossy.lists.get_mut("/v3/service_credential_bindings").unwrap().remove(0);
    lossy.named.insert("/v3/service_credential_bindings", vec![lost]);
    let mut stand = Stand::new(lossy).await;
    let (binding, other) = (ask(service_binding::KIND, "production/api/queue"), ask(app::KIND, "production/worker"));
    stand.asks.want(binding.clone(), []);
    stand.asks.want(other.clone(), []);
    let reading = stand.read().await;
    assert!(!reading.complete);
    assert!(matches!(&reading.answers[&binding], NamedAnswer::Unknown(why) if why.reason == Reason::Incomplete));
    assert_eq!(App.absence(&other, &reading, None).unwrap_err().reason, Reason::Incomplete);
    assert!(reading.object(service_binding::KIND, "production/api/queue").is_none(), "nothing is made of one answer");
}

#[tokio::test]
async fn a_role_that_was_lost_makes_a_space_unknown_and_not_empty() {
    let mut stand = Stand::new(world()).await;
    stand.asks.want(ask(service_binding::KIND, "production/api/queue"), []);
    stand.change(|world| {
        for path in ["/v3/spaces", "/v3/apps", "/v3/processes", "/v3/service_instances", "/v3/routes"] {
            world.lists.remove(path);
        }
        world.lists.remove("/v3/service_credential_bindings");
    });
    let reading = stand.read().await;
    for ask in stand.asks.things.keys() {
        let answer = &reading.answers[ask];
        assert!(matches!(answer, NamedAnswer::Unknown(why) if why.reason == Reason::ContainerMissing), "{ask:?}");
    }
    stand.change(|world| drop(world.lists.remove("/v3/organizations")));
    assert_eq!(stand.try_read().await.unwrap_err().reason, Reason::ContainerMissing);
}

#[tokio::test]
async fn a_list_that_is_shorter_than_it_says_makes_the_whole_reading_fail() {
    let mut world = world();
    world.totals.insert("/v3/apps", 2);
    let mut stand = Stand::new(world).await;
    assert_eq!(stand.try_read().await.unwrap_err().reason, Reason::Incomplete);
}

#[tokio::test]
async fn what_tells_details_alone_can_fail_without_harm() {
    let mut world = world();
    for path in ["/v3/audit_events", "/v3/buildpacks", "/v3/stacks", "/v3/environment_variable_groups"] {
        world.refused.push((path, 403));
    }
    let mut stand = Stand::new(world).await;
    let reading = stand.read().await;
    assert!(reading.complete);
    assert_eq!(reading.remarks.len(), 4, "{:?}", reading.remarks);
    assert!(reading.notes.contains_key("auditEvents") && !reading.notes.contains_key("runningEnvironment"));
    for what in ["auditEvents", "buildpacks", "stacks", "runningEnvironment"] {
        assert!(reading.notes[format!("unread:{what}").as_str()].contains("no"), "{what}");
    }
    let app = reading.object(app::KIND, "production/api").unwrap();
    assert!(matches!(*app.fields.fact("restage"), Fact::Unknown(_)));
    stand.change(|world| world.refused.clear());
    let unread = |reading: &Reading| reading.notes.keys().any(|note| note.starts_with("unread:"));
    assert!(!unread(&stand.read().await));
}

#[tokio::test]
async fn an_app_without_any_process_came_or_went_while_the_lists_were_read() {
    let mut stand = Stand::new(world()).await;
    stand.change(|world| drop(world.lists.remove("/v3/processes")));
    let reading = stand.read().await;
    assert!(!reading.complete && reading.object(app::KIND, "production/api").is_none());
}

/// A second service instance and the binding of the app to it.
fn with_db(mut world: World) -> World {
    let mut instance = world.lists["/v3/service_instances"][0].clone();
    (instance["guid"], instance["name"]) = (json!("i-2"), json!("db"));
    world.lists.get_mut("/v3/service_instances").unwrap().push(instance);
    let mut binding = world.lists["/v3/service_credential_bindings"][0].clone();
    binding["guid"] = json!("b-2");
    binding["relationships"]["service_instance"]["data"]["guid"] = json!("i-2");
    world.lists.get_mut("/v3/service_credential_bindings").unwrap().push(binding);
    world
}

fn lose_queue(world: &mut World) {
    world.lists.get_mut("/v3/service_credential_bindings").unwrap().remove(0);
}

#[tokio::test]
async fn a_space_that_goes_out_of_sight_in_the_middle_of_a_reading_was_never_in_it() {
    let mut stand = Stand::new(World { blind: true, ..world() }).await;
    let gone = ask(app::KIND, "production/worker");
    stand.asks.want(gone.clone(), []);
    let reading = stand.read().await;
    assert!(matches!(&reading.answers[&gone], NamedAnswer::Unknown(why) if why.reason == Reason::ContainerMissing));
    assert_eq!(App.absence(&gone, &reading, None).unwrap_err().reason, Reason::ContainerMissing);
    assert!(reading.objects.is_empty() && reading.marks.is_empty(), "what was read of it may be half of it");
    assert_eq!(stand.asked("/v3/spaces?guids=s-1").await, 1);
}

#[tokio::test]
async fn a_platform_that_asks_for_a_new_sign_in_and_is_another_one_then_is_not_believed() {
    for (guid, expected) in [("o-1", None), ("o-2", Some(Reason::IdentityMismatch))] {
        let mut stand = Stand::new(World { fails_over: Some(("/v3/routes", guid)), ..world() }).await;
        let failure = stand.try_read().await.err();
        assert_eq!(failure.map(|failure| failure.reason), expected);
        assert_eq!(stand.asked("/v3/organizations").await, 2, "before and after");
    }
}

#[tokio::test]
async fn an_organisation_of_another_guid_than_is_pinned_is_not_read() {
    let mut stand = Stand::new(world()).await;
    stand.pins.insert("GDS".into(), Some("o-2".into()));
    let failure = stand.try_read().await.unwrap_err();
    assert_eq!(failure.reason, Reason::IdentityMismatch);
    assert!(failure.detail.contains("o-1") && failure.detail.contains("o-2"), "{failure}");
    stand.pins.insert("GDS".into(), Some("o-1".into()));
    assert!(stand.try_read().await.is_ok());
}

#[tokio::test]
async fn a_binding_that_a_whole_list_lacks_is_told_to_be_gone_unless_its_space_is() {
    for blind in [false, true] {
        let mut stand = Stand::new(with_db(world())).await;
        let before = stand.read().await;
        stand.clock.jump(SignedDuration::from_mins(1));
        stand.change(|world| {
            lose_queue(world);
            world.blind = blind;
        });
        let after = stand.read().await;
        let gone = Marked { value: None, before: Some(before.started) };
        assert_eq!(told(&after, "binding:queue"), (!blind).then_some(&gone));
        assert_eq!(told(&after, "binding:db").is_some(), !blind);
    }
}

#[tokio::test]
async fn while_an_instance_of_the_app_is_not_seen_no_binding_is_told_to_be_gone() {
    let mut stand = Stand::new(with_db(world())).await;
    stand.read().await;
    stand.change(|world| {
        world.lists.get_mut("/v3/service_instances").unwrap().remove(0);
    });
    let reading = stand.read().await;
    assert_eq!(told(&reading, "binding:queue"), None);
    assert!(mark(&reading, "binding:db").is_some());
}

#[tokio::test]
async fn a_list_that_has_nothing_of_a_space_any_more_is_doubted_alone() {
    let mut stand = Stand::new(world()).await;
    let binding = ask(service_binding::KIND, "production/api/queue");
    stand.asks.want(binding.clone(), []);
    stand.read().await;
    stand.change(lose_queue);
    let reading = stand.read().await;
    assert!(reading.complete);
    assert!(matches!(&reading.answers[&binding], NamedAnswer::Unknown(why) if why.detail.contains("not believed yet")));
    let app = reading.object(app::KIND, "production/api").unwrap();
    assert!(matches!(*app.fields.fact("services"), Fact::Unknown(_)));
    assert_eq!(app.fields.value("runtime.web.running"), Some(&Value::Int(1)), "the app is as known as ever");
    assert_eq!(told(&reading, "binding:queue"), None);

    stand.change(|world| {
        let event = json!({ "guid": "e-1", "type": "audit.service_binding.delete", "target": { "guid": "b-1" },
            "created_at": "2026-11-20T10:00:00Z" });
        world.lists.insert("/v3/audit_events", vec![event]);
    });
    let reading = stand.read().await;
    assert_eq!(reading.answers[&binding], NamedAnswer::NotFound, "the log tells of it");
    assert!(told(&reading, "binding:queue").is_some_and(|mark| mark.value.is_none()));
}

#[tokio::test]
async fn where_diego_is_down_apps_are_known_and_their_instances_are_not() {
    let mut world = world();
    world.refused.push(("embed=process_instances", 503));
    let mut stand = Stand::new(world).await;
    let reading = stand.read().await;
    assert!(reading.complete);
    let app = reading.object(app::KIND, "production/api").unwrap();
    assert_eq!(app.fields.value("processes.web.memory"), Some(&Value::Int(256)));
    assert!(matches!(*app.fields.fact("runtime.web.running"), Fact::Unknown(_)));
    assert_eq!(stand.asked("/stats").await, 0);
}

#[tokio::test]
async fn times_of_the_platform_are_told_by_its_own_clock() {
    let mut stand = Stand::new(World { ahead: 40, ..world() }).await;
    let reading = stand.read().await;
    assert_eq!(&*reading.notes["clockSkew"], "40");
    let app = reading.object(app::KIND, "production/api").unwrap();
    assert_eq!(app.fields.value("runtime.web.oldestStart"), Some(&Value::text("2026-11-20T09:59:40Z")));
    stand.read().await;
    assert_eq!(stand.asked("created_ats%5Bgte%5D=2026-11-20T09%3A58%3A40Z").await, 1, "two minutes before, there");
}

#[tokio::test]
async fn an_app_that_stays_without_a_process_is_no_doubt_about_the_others() {
    let mut bare = world();
    let mut other = bare.lists["/v3/apps"][0].clone();
    (other["guid"], other["name"]) = (json!("a-2"), json!("bare"));
    bare.lists.get_mut("/v3/apps").unwrap().push(other);
    let mut stand = Stand::new(bare).await;
    assert!(!stand.read().await.complete, "it came or went");
    let reading = stand.read().await;
    assert!(reading.complete);
    let app = reading.object(app::KIND, "production/bare").unwrap();
    assert!(matches!(*app.fields.fact("processes.web.memory"), Fact::Unknown(_)));
    assert_eq!(app.fields.value("stack"), Some(&Value::text("cflinuxfs4")));
}

#[tokio::test]
async fn what_an_incomplete_reading_told_was_not_told() {
    let mut stand = Stand::new(world()).await;
    let first = stand.read().await;
    stand.clock.jump(SignedDuration::from_mins(1));
    stand.asks.want(ask(app::KIND, "production/worker"), []);
    stand.change(|world| {
        drop(world.named.insert(
            "/v3/apps",
            vec![json!({ "guid": "a-9", "name": "worker",
        "state": "STARTED", "relationships": { "space": { "data": { "guid": "s-1" } } } })],
        ))
    });
    assert!(!stand.read().await.complete);
    stand.clock.jump(SignedDuration::from_mins(1));
    stand.change(|world| world.named.clear());
    assert_eq!(told(&stand.read().await, "version:web").unwrap().before, Some(first.started));
}

#[tokio::test]
async fn a_restart_that_the_log_tells_is_a_mark() {
    let mut stand = Stand::new(world()).await;
    stand.change(|world| {
        let event = json!({ "guid": "e-1", "type": "audit.app.restart", "target": { "guid": "a-1" },
            "created_at": "2026-11-20T09:00:00Z" });
        world.lists.insert("/v3/audit_events", vec![event]);
    });
    assert_eq!(mark(&stand.read().await, "restarted"), Some("2026-11-20T09:00:00Z"));
    stand.change(|world| world.refused.push(("/v3/audit_events", 503)));
    assert_eq!(told(&stand.read().await, "restarted"), None, "there may be a newer one");
}
