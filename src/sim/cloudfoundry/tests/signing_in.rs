//! UAA, tokens, roles and the rate limit.

use super::*;
use crate::sim::cloudfoundry::Role;

#[test]
fn a_client_gets_a_token_and_no_refresh_token() {
    let mut foundation = foundation();
    let body = json(&sign_in(&mut foundation, "auditor:a", "grant_type=client_credentials", at(0)));
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["scope"], "cloud_controller.global_auditor");
    assert!(body.get("refresh_token").is_none(), "{body}");
}

#[test]
fn a_user_signs_in_through_cf_and_refreshes_once_with_each_refresh_token() {
    let mut foundation = foundation();
    foundation.add_user("bob", "p&w");
    let answer = sign_in(&mut foundation, "cf:", "grant_type=password&username=bob&password=p%26w", at(0));
    let body = json(&answer);
    assert_eq!(body["expires_in"], 1199);
    let form = format!("grant_type=refresh_token&refresh_token={}", text(&body, "/refresh_token"));
    assert_eq!(sign_in(&mut foundation, "cf:", &form, at(10)).status, 200);
    let again = sign_in(&mut foundation, "cf:", &form, at(11));
    assert_eq!((again.status, text(&json(&again), "/error")), (401, "invalid_token"));
}

#[test]
fn a_wrong_secret_is_unauthorized_without_a_reason() {
    let mut foundation = foundation();
    foundation.add_user("bob", "right");
    let client = sign_in(&mut foundation, "auditor:wrong", "grant_type=client_credentials", at(0));
    let user = sign_in(&mut foundation, "cf:", "grant_type=password&username=bob&password=wrong", at(0));
    assert_eq!((client.status, text(&json(&client), "/error")), (401, "unauthorized"));
    assert_eq!(client, user);
}

#[test]
fn no_token_and_an_expired_one_are_two_errors() {
    let mut foundation = foundation();
    let answer = foundation.answer(&request("GET", "/v3/apps", "", ""), at(0), 1);
    assert_eq!((answer.status, error(&json(&answer))), (401, (10002, "CF-NotAuthenticated")));
    let token = token(&mut foundation, "auditor", at(0));
    let asked = request("GET", "/v3/apps", &token, "");
    assert_eq!(foundation.answer(&asked, at(43_198), 1).status, 200);
    let answer = foundation.answer(&asked, at(43_199), 1);
    assert_eq!((answer.status, error(&json(&answer))), (401, (1000, "CF-InvalidAuthToken")));
}

#[test]
fn a_revoked_role_empties_lists_with_200_and_hides_single_things() {
    let mut foundation = foundation();
    let guid = app(&mut foundation, "web");
    let space = foundation.space_guid("gds", "prod").unwrap();
    foundation.add_client("local", "l", &["cloud_controller.read"]);
    foundation.set_role("local", Role::SpaceAuditor(space.clone()));
    let body = json(&sign_in(&mut foundation, "local:l", "grant_type=client_credentials", at(0)));
    let token = text(&body, "/access_token").to_owned();
    let look = |path: &str, foundation: &mut Foundation| {
        let answer = foundation.answer(&request("GET", path, &token, ""), at(1), 1);
        (answer.status, json(&answer))
    };
    assert_eq!(names(&look("/v3/apps", &mut foundation).1), ["web"]);
    assert!(foundation.revoke_role("local", &Role::SpaceAuditor(space)));
    let (status, body) = look("/v3/apps", &mut foundation);
    assert_eq!((status, &body["pagination"]["total_results"]), (200, &Value::from(0)));
    let (status, body) = look(&format!("/v3/apps/{guid}"), &mut foundation);
    assert_eq!((status, error(&body)), (404, (10010, "CF-ResourceNotFound")));
}

#[test]
fn an_auditor_reads_neither_manifest_nor_environment_and_a_reader_both() {
    let mut foundation = foundation();
    let guid = app(&mut foundation, "web");
    for what in ["manifest", "env", "environment_variables"] {
        let path = format!("/v3/apps/{guid}/{what}");
        let (status, body) = get(&mut foundation, "auditor", &path, at(1));
        assert_eq!((status, error(&body)), (403, (10003, "CF-NotAuthorized")), "{what}");
        assert_eq!(ask(&mut foundation, "reader", "GET", &path, "", at(1)).status, 200, "{what}");
    }
}

#[test]
fn the_limit_answers_429_in_plain_text_and_spares_admins() {
    let mut foundation = foundation();
    foundation.rate_limit.enabled = true;
    foundation.rate_limit.general = 20;
    let header = |answer: &Answer, name: &str| {
        answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let first = ask(&mut foundation, "auditor", "GET", "/v3/stacks", "", at(0));
    // Floored to tenths of the limit: 19 are left.
    assert_eq!(header(&first, "X-RateLimit-Remaining").as_deref(), Some("18"));
    for _ in 0..19 {
        assert_eq!(ask(&mut foundation, "auditor", "GET", "/v3/stacks", "", at(1)).status, 200);
    }
    let refused = ask(&mut foundation, "auditor", "GET", "/v3/stacks", "", at(2));
    assert_eq!((refused.status, error(&json(&refused))), (429, (10013, "CF-RateLimitExceeded")));
    assert_eq!(header(&refused, "Content-Type").as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(header(&refused, "Retry-After"), header(&refused, "X-RateLimit-Reset"));
    let spared = ask(&mut foundation, "reader", "GET", "/v3/stacks", "", at(2));
    assert_eq!((spared.status, header(&spared, "X-RateLimit-Limit")), (200, None));
    assert_eq!(ask(&mut foundation, "auditor", "GET", "/v3/stacks", "", at(3600)).status, 200);
}
