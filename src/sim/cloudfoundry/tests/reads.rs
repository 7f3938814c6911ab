//! Lists, single things, manifests, events.

use super::*;
use crate::sim::cloudfoundry::ProcessPlan;

#[test]
fn an_unknown_parameter_is_refused_with_the_valid_ones() {
    let mut foundation = foundation();
    foundation.set_api_version(3, 210, 0);
    let (status, body) = get(&mut foundation, "auditor", "/v3/processes?embed=process_instances", at(0));
    assert_eq!((status, error(&body)), (400, (10005, "CF-BadQueryParameter")));
    assert!(text(&body, "/errors/0/detail").contains("Valid parameters are: 'page', 'per_page'"), "{body}");
    foundation.set_api_version(3, 211, 0);
    assert_eq!(get(&mut foundation, "auditor", "/v3/processes?embed=process_instances", at(0)).0, 200);
}

#[test]
fn pages_hold_at_most_5000_rows_and_times_no_fractions() {
    let mut foundation = foundation();
    let mut status = |query: &str| get(&mut foundation, "auditor", &format!("/v3/apps?{query}"), at(0)).0;
    assert_eq!(status("per_page=5000"), 200);
    assert_eq!(status("per_page=5001"), 400);
    assert_eq!(status("page=0"), 400);
    assert_eq!(status("order_by=memory"), 400);
    assert_eq!(status("created_ats[gte]=2020-01-01T00:00:00Z"), 200);
    assert_eq!(status("created_ats[gte]=2020-01-01T00:00:00.5Z"), 400);
    assert_eq!(status("created_ats[from]=2020-01-01T00:00:00Z"), 400);
}

#[test]
fn pages_link_to_each_other_and_keep_the_filters() {
    let mut foundation = foundation();
    for name in ["a", "b", "c"] {
        app(&mut foundation, name);
    }
    let space = foundation.space_guid("gds", "prod").unwrap();
    let path = format!("/v3/apps?space_guids={space}&per_page=2");
    let (_, first) = get(&mut foundation, "auditor", &path, at(0));
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["pagination"]["total_results"], 3);
    assert_eq!(first["pagination"]["previous"], Value::Null);
    let next = text(&first, "/pagination/next/href").to_owned();
    assert_eq!(next, format!("{BASE}/v3/apps?page=2&per_page=2&space_guids={space}"));
    let (_, second) = get(&mut foundation, "auditor", next.strip_prefix(BASE).unwrap(), at(0));
    assert_eq!((names(&second), &second["pagination"]["next"]), (vec!["c"], &Value::Null));
}

#[test]
fn a_comma_in_a_name_is_encoded_twice() {
    let mut foundation = foundation();
    app(&mut foundation, "a,b");
    app(&mut foundation, "c");
    assert_eq!(names(&get(&mut foundation, "auditor", "/v3/apps?names=a,b", at(0)).1), Vec::<&str>::new());
    assert_eq!(names(&get(&mut foundation, "auditor", "/v3/apps?names=a%252Cb,C", at(0)).1), ["a,b", "c"]);
}

#[test]
fn lists_hide_commands_from_admins_too() {
    let mut foundation = foundation();
    let plan = AppPlan { command: Some("run".to_owned()), ..AppPlan::new("web") };
    let guid = foundation.push("gds", "prod", &plan, at(0));
    let (_, list) = get(&mut foundation, "admin", "/v3/processes", at(0));
    assert_eq!(list["resources"][0]["command"], "[PRIVATE DATA HIDDEN IN LISTS]");
    let (_, single) = get(&mut foundation, "admin", &format!("/v3/processes/{guid}"), at(0));
    assert_eq!(single["command"], "run");
    let (_, droplets) = get(&mut foundation, "admin", "/v3/droplets", at(0));
    assert_eq!(droplets["resources"][0]["process_types"]["redacted_message"], "[PRIVATE DATA HIDDEN IN LISTS]");
}

#[test]
fn since_counts_seconds_and_a_crash_resets_it_without_a_new_version() {
    let mut foundation = foundation();
    let guid = app(&mut foundation, "web");
    let path = "/v3/processes?embed=process_instances";
    let (_, before) = get(&mut foundation, "auditor", path, at(100));
    assert_eq!(before["resources"][0]["process_instances"][0]["since"], 100);
    assert!(foundation.crash(&guid, "web", 0, at(100)));
    let (_, after) = get(&mut foundation, "auditor", path, at(110));
    let instance = &after["resources"][0]["process_instances"][0];
    assert_eq!((&instance["state"], &instance["since"]), (&Value::from("RUNNING"), &Value::from(5)));
    assert_eq!(before["resources"][0]["version"], after["resources"][0]["version"]);
}

#[test]
fn an_environment_changes_the_app_and_only_a_restart_the_version() {
    let mut foundation = foundation();
    let guid = app(&mut foundation, "web");
    let look = |foundation: &mut Foundation, now| {
        let app = get(foundation, "auditor", &format!("/v3/apps/{guid}"), now).1;
        let process = get(foundation, "auditor", &format!("/v3/processes/{guid}"), now).1;
        (app["updated_at"].clone(), process["version"].clone(), process["updated_at"].clone())
    };
    let before = look(&mut foundation, at(5));
    foundation.set_env(&guid, "A", "1", at(10));
    let set = look(&mut foundation, at(15));
    assert_ne!(before.0, set.0);
    assert_eq!((&before.1, &before.2), (&set.1, &set.2));
    foundation.restart(&guid, at(20));
    assert_ne!(set.1, look(&mut foundation, at(25)).1);
}

#[test]
fn the_manifest_has_the_quirks_of_the_real_one_and_leaves_no_event() {
    let mut foundation = foundation();
    let queue = foundation.create_service_instance("gds", "prod", "queue", None, at(0));
    foundation.create_service_instance("gds", "prod", "db", Some(("postgres", "small")), at(0));
    let mut plan = AppPlan::new("web");
    plan.env.insert("ON".to_owned(), "true".to_owned());
    plan.routes = vec!["www.example.com/x".to_owned()];
    plan.services = vec!["queue".to_owned(), "db".to_owned()];
    plan.processes = vec![ProcessPlan { command: Some("work".to_owned()), ..ProcessPlan::new("worker") }];
    let guid = foundation.push("gds", "prod", &plan, at(0));
    let binding = foundation.binding_guid(&guid, &queue).unwrap();
    foundation.set_binding_operation(&binding, "create", "failed", at(1));
    let answer = ask(&mut foundation, "reader", "GET", &format!("/v3/apps/{guid}/manifest"), "", at(2));
    let yaml = String::from_utf8(answer.body).unwrap();
    assert!(yaml.starts_with("---\napplications:\n- name: web\n"), "{yaml}");
    let parsed: Value = serde_yaml::from_str(&yaml).unwrap();
    let one = &parsed["applications"][0];
    assert_eq!(one["env"]["ON"], "true");
    assert_eq!(one["lifecycle"], "buildpack");
    assert_eq!(one["services"], serde_json::json!(["db", "queue"]));
    assert_eq!(one["routes"], serde_json::json!([{"route": "www.example.com/x", "protocol": "http1", "options": {}}]));
    assert_eq!(one["processes"][0]["memory"], "1024M");
    assert_eq!(one["processes"][0].get("command"), None);
    assert_eq!(one["processes"][1]["command"], "work");
    let (_, events) = get(&mut foundation, "admin", "/v3/audit_events?created_ats[gte]=2023-11-14T22:13:22Z", at(3));
    assert_eq!(rows(&events).len(), 0, "{events}");
}

#[test]
fn looking_at_an_environment_writes_an_event_in_the_reader_s_name() {
    let mut foundation = foundation();
    let guid = app(&mut foundation, "web");
    ask(&mut foundation, "reader", "GET", &format!("/v3/apps/{guid}/env"), "", at(1));
    let (_, events) = get(&mut foundation, "auditor", "/v3/audit_events?types=audit.app.environment.show", at(2));
    assert_eq!(events["resources"][0]["actor"]["guid"], "reader");
    assert_eq!(events["resources"][0]["target"]["guid"], guid.as_str());
}

#[test]
fn a_rolling_deployment_shows_two_web_processes_and_ends_with_another_guid() {
    let mut foundation = foundation();
    let mut plan = AppPlan::new("web");
    plan.instances = 3;
    plan.processes = vec![ProcessPlan::new("worker")];
    let guid = foundation.push("gds", "prod", &plan, at(0));
    let webs = |foundation: &mut Foundation, now| {
        let body = get(foundation, "auditor", "/v3/processes?types=web", now).1;
        rows(&body).iter().map(|row| (text(row, "/guid").to_owned(), row["instances"].clone())).collect::<Vec<_>>()
    };
    let worker = |foundation: &mut Foundation, now| {
        get(foundation, "auditor", "/v3/processes?types=worker", now).1["resources"][0]["version"].clone()
    };
    let old_worker = worker(&mut foundation, at(1));
    foundation.rolling_deploy(&guid, jiff::SignedDuration::from_secs(60), at(10)).unwrap();
    assert_eq!(webs(&mut foundation, at(20)).len(), 2);
    let active = "/v3/deployments?status_values=ACTIVE";
    assert_eq!(rows(&get(&mut foundation, "auditor", active, at(20)).1).len(), 1);
    let left = webs(&mut foundation, at(70));
    assert_eq!((left.len(), &left[0].1), (1, &Value::from(3)));
    assert_ne!(left[0].0, guid);
    assert_ne!(worker(&mut foundation, at(71)), old_worker);
    assert_eq!(rows(&get(&mut foundation, "auditor", active, at(71)).1).len(), 0);
}

#[test]
fn chosen_fields_come_as_included_parents_and_nothing_else() {
    let mut foundation = foundation();
    foundation.create_service_instance("gds", "prod", "db", Some(("postgres", "small")), at(0));
    let path = "/v3/service_instances?fields[service_plan]=name,guid,relationships.service_offering\
                &fields[service_plan.service_offering]=name&fields[space]=name,guid";
    let (_, body) = get(&mut foundation, "auditor", path, at(0));
    let plan = &body["included"]["service_plans"][0];
    assert_eq!((&plan["name"], plan.get("free")), (&Value::from("small"), None));
    assert!(plan["relationships"]["service_offering"]["data"]["guid"].is_string());
    assert_eq!(body["included"]["service_offerings"], serde_json::json!([{"name": "postgres"}]));
    let (status, _) = get(&mut foundation, "auditor", "/v3/service_instances?fields[service_plan]=free", at(0));
    assert_eq!(status, 400);
}
