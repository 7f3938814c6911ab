//! Buildpacks, events and what humans do.

use super::*;
use crate::sim::cloudfoundry::InstanceState;

fn order(foundation: &mut Foundation, now: Timestamp) -> Vec<(String, u64, String)> {
    let body = get(foundation, "auditor", "/v3/buildpacks?order_by=position", now).1;
    let row = |row: &Value| {
        (text(row, "/name").to_owned(), row["position"].as_u64().unwrap(), text(row, "/updated_at").to_owned())
    };
    rows(&body).iter().map(row).collect()
}

#[test]
fn a_new_buildpack_is_first_and_enabled_and_its_neighbours_shift_without_a_trace() {
    let mut foundation = foundation();
    foundation.add_buildpack("ruby", Some("cflinuxfs4"), "ruby-v1.2.3.zip");
    foundation.add_buildpack("java", Some("cflinuxfs4"), "java-v4.5.6.zip");
    let before = order(&mut foundation, at(1));
    foundation.create_buildpack("CATS-1", None, None, at(10));
    let after = order(&mut foundation, at(11));
    let positions: Vec<(&str, u64)> = after.iter().map(|(name, position, _)| (name.as_str(), *position)).collect();
    assert_eq!(positions, [("CATS-1", 1), ("ruby", 2), ("java", 3)]);
    assert_eq!(after[1].2, before[0].2, "a bulk UPDATE moves no updated_at");
    let (_, body) = get(&mut foundation, "auditor", "/v3/buildpacks?names=CATS-1", at(12));
    let row = &body["resources"][0];
    assert_eq!(
        (&row["enabled"], &row["stack"], &row["state"]),
        (&Value::from(true), &Value::Null, &Value::from("AWAITING_UPLOAD"))
    );
}

#[test]
fn a_position_beyond_the_end_is_the_last_and_a_deletion_closes_the_gap() {
    let mut foundation = foundation();
    let first = foundation.add_buildpack("a", None, "a.zip");
    foundation.add_buildpack("b", None, "b.zip");
    foundation.add_buildpack("c", None, "c.zip");
    assert!(foundation.move_buildpack(&first, 99, at(1)));
    let names = |order: Vec<(String, u64, String)>| order.into_iter().map(|row| row.0).collect::<Vec<_>>();
    assert_eq!(names(order(&mut foundation, at(2))), ["b", "c", "a"]);
    let middle = foundation.buildpack_guid("c", None).unwrap();
    foundation.delete_buildpack(&middle, at(3));
    let left = order(&mut foundation, at(4));
    assert_eq!(left.iter().map(|row| row.1).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_droplet_keeps_the_versions_of_its_staging() {
    let mut foundation = foundation();
    let ruby = foundation.add_buildpack("ruby_buildpack", Some("cflinuxfs4"), "ruby_buildpack-v1.8.39.zip");
    let guid = app(&mut foundation, "web");
    foundation.upload_buildpack(&ruby, "ruby_buildpack-v1.9.0.zip", at(10));
    let version = |foundation: &mut Foundation, now| {
        let body = get(foundation, "auditor", &format!("/v3/apps/{guid}/droplets/current"), now).1;
        body["buildpacks"][0]["version"].clone()
    };
    assert_eq!(version(&mut foundation, at(11)), "1.8.39");
    foundation.restart(&guid, at(12));
    assert_eq!(version(&mut foundation, at(13)), "1.8.39");
    foundation.restage(&guid, at(14));
    assert_eq!(version(&mut foundation, at(15)), "1.9.0");
}

#[test]
fn buildpack_events_are_named_since_3_210_and_only_for_roles_of_the_whole_foundation() {
    let events = |minor: u32| {
        let mut foundation = foundation();
        foundation.set_api_version(3, minor, 0);
        foundation.act_as("mallory@example.com").create_buildpack("x", None, None, at(1));
        get(&mut foundation, "auditor", "/v3/audit_events?types=audit.buildpack.create", at(2)).1
    };
    assert_eq!(rows(&events(209)).len(), 0);
    let body = events(210);
    let event = &body["resources"][0];
    assert_eq!(event["actor"]["name"], "mallory@example.com");
    assert_eq!((&event["space"], &event["organization"]), (&Value::Null, &Value::Null));
}

#[test]
fn an_unbound_service_leaves_an_event_with_the_culprit() {
    let mut foundation = foundation();
    let db = foundation.create_service_instance("gds", "prod", "db", None, at(0));
    let guid = app(&mut foundation, "web");
    let binding = foundation.bind(&guid, &db, at(1)).unwrap();
    assert_eq!(foundation.bind(&guid, &db, at(1)), None);
    assert!(foundation.act_as("eve@example.com").unbind(&guid, &db, at(2)));
    let (_, body) = get(&mut foundation, "auditor", "/v3/service_credential_bindings?type=app", at(3));
    assert_eq!(rows(&body).len(), 0);
    let (_, body) = get(&mut foundation, "auditor", "/v3/audit_events?types=audit.service_binding.delete", at(3));
    let event = &body["resources"][0];
    assert_eq!((text(event, "/target/guid"), text(event, "/actor/name")), (binding.as_str(), "eve@example.com"));
    assert_eq!(text(event, "/data/request/app_guid"), guid);
}

#[test]
fn a_change_of_a_user_provided_instance_rewrites_its_bindings() {
    let mut foundation = foundation();
    let db = foundation.create_service_instance("gds", "prod", "db", None, at(0));
    let guid = app(&mut foundation, "web");
    let binding = foundation.bind(&guid, &db, at(1)).unwrap();
    foundation.update_user_provided(&db, at(100));
    let path = format!("/v3/service_credential_bindings/{binding}");
    let (_, body) = get(&mut foundation, "auditor", &path, at(101));
    assert_eq!(text(&body, "/updated_at"), "2023-11-14T22:15:00Z");
    assert_eq!(text(&body, "/created_at"), "2023-11-14T22:13:21Z");
}

#[test]
fn a_process_that_keeps_crashing_does_so_after_a_restart_too() {
    let mut foundation = foundation();
    let guid = app(&mut foundation, "web");
    let state = |foundation: &mut Foundation, now| {
        let body = get(foundation, "auditor", &format!("/v3/processes/{guid}/stats"), now).1;
        text(&body, "/resources/0/state").to_owned()
    };
    foundation.keep_crashing(&guid, "web", at(1));
    assert_eq!(state(&mut foundation, at(2)), "CRASHED");
    foundation.restart(&guid, at(10));
    assert_eq!(state(&mut foundation, at(11)), "STARTING");
    assert_eq!(state(&mut foundation, at(20)), "CRASHED");
    foundation.stop_crashing(&guid, "web", at(30));
    assert_eq!(state(&mut foundation, at(40)), "RUNNING");
    foundation.set_instance(&guid, "web", 0, InstanceState::Down, at(50));
    assert_eq!(state(&mut foundation, at(51)), "DOWN");
}

#[test]
fn a_deleted_app_takes_its_bindings_and_processes_with_it() {
    let mut foundation = foundation();
    let db = foundation.create_service_instance("gds", "prod", "db", None, at(0));
    let guid = app(&mut foundation, "web");
    foundation.bind(&guid, &db, at(1));
    assert!(foundation.delete_app(&guid, at(2)));
    for list in ["apps", "processes", "droplets", "service_credential_bindings"] {
        let (_, body) = get(&mut foundation, "auditor", &format!("/v3/{list}"), at(3));
        assert_eq!(rows(&body).len(), 0, "{list}");
    }
    assert_eq!(get(&mut foundation, "auditor", &format!("/v3/apps/{guid}"), at(3)).0, 404);
}
