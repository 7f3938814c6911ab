//! What failures mean.

use super::*;

fn answer(status: u16, content_type: &str, body: &str) -> Answer {
    Answer {
        status,
        content_type: Some(content_type.to_owned()),
        location: None,
        retry_after: None,
        limit: Default::default(),
        date: None,
        warnings: Vec::new(),
        body: body.as_bytes().to_vec(),
    }
}

fn failed(status: u16, body: &str) -> CallFailure {
    CallFailure::new("GET /v3/apps", answered(&answer(status, "application/json", body)))
}

fn error(code: i64, title: &str) -> String {
    format!(r#"{{"errors":[{{"code":{code},"title":"{title}","detail":"some words"}}]}}"#)
}

#[test]
fn every_error_of_the_platform_has_its_reason() {
    for (status, code, title, reason) in [
        (401, 10002, "CF-NotAuthenticated", Reason::Credentials),
        (401, 1000, "CF-InvalidAuthToken", Reason::Credentials),
        (403, 10003, "CF-NotAuthorized", Reason::Denied),
        (403, 330002, "CF-FeatureDisabled", Reason::Denied),
        (404, 10010, "CF-ResourceNotFound", Reason::Denied),
        (404, 10000, "CF-NotFound", Reason::Invalid),
        (400, 10005, "CF-BadQueryParameter", Reason::Invalid),
        (422, 10008, "CF-UnprocessableEntity", Reason::Invalid),
        (429, 10013, "CF-RateLimitExceeded", Reason::Throttled),
        (429, 10014, "CF-IPBasedRateLimitExceeded", Reason::Throttled),
        (503, 20008, "CF-UaaRateLimited", Reason::Throttled),
        (503, 10016, "CF-ServiceBrokerRateLimitExceeded", Reason::Throttled),
        (503, 20004, "CF-UaaUnavailable", Reason::Server),
        (503, 10015, "CF-ServiceUnavailable", Reason::Server),
        (500, 10001, "UnknownError", Reason::Server),
    ] {
        let failure = failed(status, &error(code, title));
        assert_eq!(failure.failure.reason, reason, "{status} {title}");
        assert!(failure.failure.detail.contains(&format!("{title} ({code}): some words")), "{failure}");
    }
}

#[test]
fn what_is_no_json_is_never_the_platforms_no() {
    for (status, reason) in [
        (200, Reason::Malformed),
        (400, Reason::Malformed),
        (403, Reason::Malformed),
        (404, Reason::Malformed),
        (429, Reason::Throttled),
        (502, Reason::Server),
    ] {
        let html = answer(status, "text/html", "<html><h1>404 Not Found</h1></html>");
        let meaning = if html.is_success() { unreadable(&html, None) } else { answered(&html) };
        let failure = CallFailure::new("GET /v3/apps", meaning);
        assert_eq!(failure.failure.reason, reason, "{status}");
        assert!(failure.failure.detail.contains(&format!("HTTP {status} with HTML")), "{failure}");
        assert!(!failure.is_not_found());
    }
}

#[test]
fn a_missing_thing_is_told_from_an_unknown_path() {
    assert!(failed(404, &error(10010, "CF-ResourceNotFound")).is_not_found());
    assert!(!failed(404, &error(10000, "CF-NotFound")).is_not_found());
    assert!(!failed(403, &error(10003, "CF-NotAuthorized")).is_not_found());
}

#[test]
fn only_what_a_moment_can_mend_is_asked_again() {
    for status in [502, 503, 504] {
        assert!(failed(status, "").is_passing());
    }
    for status in [400, 401, 404, 429, 500, 501] {
        assert!(!failed(status, &error(1, "x")).is_passing(), "{status}");
    }
    assert!(CallFailure::new("", Meaning::new(Reason::Network, "")).is_passing());
    assert!(!CallFailure::new("", Meaning::new(Reason::Timeout, "")).is_passing());
}

#[test]
fn a_sign_in_that_is_refused_is_told_without_what_uaa_repeats() {
    let body = r#"{"error":"invalid_grant","error_description":"Invalid refresh token (expired): eyJhbGci"}"#;
    let failure = failed(400, body);
    assert_eq!(failure.failure.reason, Reason::Credentials);
    assert!(failure.failure.detail.contains("HTTP 400 invalid_grant"), "{failure}");
    assert!(!failure.failure.detail.contains("eyJ"));
    assert_eq!(failed(400, r#"{"error":"invalid_scope"}"#).failure.reason, Reason::Invalid);
    assert!(!failed(401, r#"{"error":"eyJhbGci"}"#).failure.detail.contains("eyJ"));
}

#[test]
fn a_redirect_is_told_by_the_host_alone() {
    let login = Answer {
        location: Some("https://login.example.com/?token=hunter2".to_owned()),
        ..answer(302, "text/html", "")
    };
    let failure = CallFailure::new("GET /", answered(&login));
    assert_eq!(failure.failure.reason, Reason::Malformed);
    assert!(failure.failure.detail.contains("leads to login.example.com"), "{failure}");
    assert!(!failure.failure.detail.contains("hunter2"));
}

#[test]
fn a_detail_is_one_short_line_that_steers_no_terminal() {
    let body = format!(r#"{{"errors":[{{"code":1,"title":"x","detail":"\u001b[31m{}\nmore"}}]}}"#, "long ".repeat(200));
    let failure = failed(500, &body);
    assert!(failure.failure.detail.chars().count() <= LINE);
    assert!(failure.failure.detail.contains("\\u{1b}[31mlong"), "{failure}");
    assert!(failure.failure.detail.ends_with("if it lasts"), "{failure}");
}
