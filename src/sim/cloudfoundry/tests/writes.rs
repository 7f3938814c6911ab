//! Writes, as a repairer sends them.

use super::*;

fn binding_body(app: &str, instance: &str) -> String {
    serde_json::json!({"type": "app", "relationships": {
        "app": {"data": {"guid": app}}, "service_instance": {"data": {"guid": instance}}}})
    .to_string()
}

fn location(answer: &Answer) -> &str {
    let location = answer.headers.iter().find(|(name, _)| name == "Location");
    location.and_then(|(_, to)| to.strip_prefix(BASE)).unwrap()
}

#[test]
fn a_managed_binding_takes_a_job_and_is_listed_before_it_is_done() {
    let mut foundation = foundation();
    let db = foundation.create_service_instance("gds", "prod", "db", Some(("postgres", "small")), at(0));
    let guid = app(&mut foundation, "web");
    let body = binding_body(&guid, &db);
    let answer = ask(&mut foundation, "admin", "POST", "/v3/service_credential_bindings", &body, at(10));
    assert_eq!((answer.status, answer.body.len()), (202, 0));
    let job = location(&answer).to_owned();
    assert_eq!(get(&mut foundation, "admin", &job, at(11)).1["state"], "PROCESSING");
    let (_, list) = get(&mut foundation, "admin", "/v3/service_credential_bindings", at(11));
    assert_eq!(text(&list, "/resources/0/last_operation/state"), "in progress");
    let done = get(&mut foundation, "admin", &job, at(13)).1;
    assert_eq!(done["state"], "COMPLETE");
    let single = text(&done, "/links/service_credential_binding/href").strip_prefix(BASE).unwrap().to_owned();
    let (_, binding) = get(&mut foundation, "admin", &single, at(13));
    assert_eq!(text(&binding, "/last_operation/state"), "succeeded");
    let answer = ask(&mut foundation, "admin", "DELETE", &single, "", at(20));
    assert_eq!(answer.status, 202);
    assert_eq!(get(&mut foundation, "admin", &single, at(21)).0, 200);
    assert_eq!(get(&mut foundation, "admin", &single, at(24)).0, 404);
}

#[test]
fn a_user_provided_binding_is_there_at_once_and_only_once() {
    let mut foundation = foundation();
    let db = foundation.create_service_instance("gds", "prod", "db", None, at(0));
    let guid = app(&mut foundation, "web");
    let body = binding_body(&guid, &db);
    let path = "/v3/service_credential_bindings";
    assert_eq!(ask(&mut foundation, "admin", "POST", path, &body, at(1)).status, 201);
    let again = ask(&mut foundation, "admin", "POST", path, &body, at(2));
    assert_eq!((again.status, error(&json(&again))), (422, (10008, "CF-UnprocessableEntity")));
    let binding = foundation.binding_guid(&guid, &db).unwrap();
    let single = format!("{path}/{binding}");
    assert_eq!(ask(&mut foundation, "admin", "DELETE", &single, "", at(3)).status, 204);
    assert_eq!(get(&mut foundation, "admin", &single, at(3)).0, 404);
}

#[test]
fn labels_do_not_move_the_time_of_a_binding() {
    let mut foundation = foundation();
    let db = foundation.create_service_instance("gds", "prod", "db", None, at(0));
    let guid = app(&mut foundation, "web");
    let binding = foundation.bind(&guid, &db, at(1)).unwrap();
    let path = format!("/v3/service_credential_bindings/{binding}");
    let before = get(&mut foundation, "admin", &path, at(2)).1;
    let patch = r#"{"metadata": {"labels": {"a": "b", "c": null}}}"#;
    let after = json(&ask(&mut foundation, "admin", "PATCH", &path, patch, at(100)));
    assert_eq!(after["metadata"]["labels"], serde_json::json!({"a": "b"}));
    assert_eq!(before["updated_at"], after["updated_at"]);
}

#[test]
fn an_auditor_writes_nothing_and_is_told_why() {
    let mut foundation = foundation();
    let guid = app(&mut foundation, "web");
    let writes = [
        ("POST", format!("/v3/apps/{guid}/actions/restart"), ""),
        ("PATCH", format!("/v3/apps/{guid}/environment_variables"), r#"{"var": {"A": "1"}}"#),
        ("POST", format!("/v3/processes/{guid}/actions/scale"), r#"{"instances": 0}"#),
        ("POST", "/v3/buildpacks".to_owned(), r#"{"name": "x"}"#),
    ];
    for (method, path, body) in writes {
        let answer = ask(&mut foundation, "auditor", method, &path, body, at(1));
        assert_eq!((answer.status, error(&json(&answer)).1), (403, "CF-NotAuthorized"), "{path}");
    }
}

#[test]
fn variables_are_merged_and_a_null_removes_one() {
    let mut foundation = foundation();
    let guid = app(&mut foundation, "web");
    foundation.set_env(&guid, "OLD", "1", at(1));
    let path = format!("/v3/apps/{guid}/environment_variables");
    let body = json(&ask(&mut foundation, "admin", "PATCH", &path, r#"{"var": {"NEW": "2", "OLD": null}}"#, at(2)));
    assert_eq!(body["var"], serde_json::json!({"NEW": "2"}));
    assert_eq!(ask(&mut foundation, "admin", "PATCH", &path, r#"{"var": {"NEW": 2}}"#, at(3)).status, 422);
}

#[test]
fn scaling_is_instant_and_refused_for_web_during_a_deployment() {
    let mut foundation = foundation();
    let guid = app(&mut foundation, "web");
    let path = format!("/v3/processes/{guid}/actions/scale");
    let answer = ask(&mut foundation, "admin", "POST", &path, r#"{"instances": 3}"#, at(1));
    assert_eq!((answer.status, &json(&answer)["instances"]), (202, &Value::from(3)));
    let stats = get(&mut foundation, "admin", &format!("/v3/processes/{guid}/stats"), at(2)).1;
    let states: Vec<&str> = rows(&stats).iter().map(|row| text(row, "/state")).collect();
    assert_eq!(states, ["RUNNING", "STARTING", "STARTING"]);
    let body = serde_json::json!({"relationships": {"app": {"data": {"guid": guid}}}}).to_string();
    assert_eq!(ask(&mut foundation, "admin", "POST", "/v3/deployments", &body, at(3)).status, 201);
    assert_eq!(ask(&mut foundation, "admin", "POST", &path, r#"{"instances": 1}"#, at(4)).status, 422);
}

#[test]
fn a_buildpack_of_a_name_that_is_taken_or_a_stack_that_is_not_there_is_refused() {
    let mut foundation = foundation();
    let mut create = |body: &str| ask(&mut foundation, "admin", "POST", "/v3/buildpacks", body, at(1)).status;
    assert_eq!(create(r#"{"name": "x", "stack": "cflinuxfs4"}"#), 201);
    assert_eq!(create(r#"{"name": "x", "stack": "cflinuxfs4"}"#), 422);
    assert_eq!(create(r#"{"name": "x"}"#), 201);
    assert_eq!(create(r#"{"name": "y", "stack": "windows"}"#), 422);
    assert_eq!(create("no json"), 400);
}
