//! Scripted faults.

use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::sim::cloudfoundry::faults::{Effect, Rule};

fn with(effect: Effect) -> Foundation {
    let mut foundation = foundation();
    for name in ["a", "b", "c", "d"] {
        app(&mut foundation, name);
    }
    foundation.page_limit = Some(2);
    foundation.faults.add(Rule::always("/v3/apps", effect));
    foundation
}

fn page(foundation: &mut Foundation, number: u32) -> (u16, Value) {
    get(foundation, "auditor", &format!("/v3/apps?page={number}&per_page=5000"), at(1))
}

#[test]
fn a_list_can_be_empty_with_200() {
    let (status, body) = page(&mut with(Effect::Empty), 1);
    assert_eq!((status, &body["pagination"]["total_results"]), (200, &Value::from(0)));
}

#[test]
fn a_lost_page_still_counts() {
    let mut foundation = with(Effect::DropPage);
    assert_eq!(names(&page(&mut foundation, 1).1), ["a", "b"]);
    let (_, second) = page(&mut foundation, 2);
    assert_eq!((rows(&second).len(), &second["pagination"]["total_results"]), (0, &Value::from(4)));
}

#[test]
fn a_row_that_goes_between_pages_hides_another() {
    let mut foundation = with(Effect::ShiftRows);
    assert_eq!(names(&page(&mut foundation, 1).1), ["a", "b"]);
    let (_, second) = page(&mut foundation, 2);
    assert_eq!((names(&second), &second["pagination"]["total_results"]), (vec!["d"], &Value::from(3)));
}

#[test]
fn a_total_can_change_between_pages() {
    let mut foundation = with(Effect::TotalChanges);
    assert_eq!(page(&mut foundation, 1).1["pagination"]["total_results"], 4);
    assert_eq!(page(&mut foundation, 2).1["pagination"]["total_results"], 5);
}

#[test]
fn refusals_are_spelled_as_the_real_ones() {
    let refused = |effect: Effect| {
        let (status, body) = page(&mut with(effect), 1);
        (status, error(&body).1.to_owned())
    };
    assert_eq!(refused(Effect::Status(503)), (503, "CF-ServiceUnavailable".to_owned()));
    assert_eq!(refused(Effect::Status(500)), (500, "UnknownError".to_owned()));
    assert_eq!(refused(Effect::RateLimited(30)), (429, "CF-RateLimitExceeded".to_owned()));
    assert_eq!(refused(Effect::ExpiredToken), (401, "CF-InvalidAuthToken".to_owned()));
}

#[test]
fn answers_can_be_late_pages_elsewhere_or_half() {
    let answer = |effect: Effect| ask(&mut with(effect), "auditor", "GET", "/v3/apps", "", at(1));
    assert_eq!(answer(Effect::Slow(Duration::from_secs(9))).delay, Some(Duration::from_secs(9)));
    assert!(answer(Effect::Html).body.starts_with(b"<!DOCTYPE html>"));
    assert_eq!(answer(Effect::Redirect("https://login.example.com".to_owned())).status, 302);
    assert!(answer(Effect::Truncated).cut);
    let reset = answer(Effect::Reset);
    assert_eq!((reset.cut, reset.body.len()), (true, 0));
}

#[test]
fn a_lost_role_shows_nothing_of_what_is_there() {
    let mut foundation = with(Effect::LostRole);
    let (status, body) = page(&mut foundation, 1);
    assert_eq!((status, rows(&body).len()), (200, 0));
    let guid = foundation.app_guid("gds", "prod", "a").unwrap();
    assert_eq!(get(&mut foundation, "auditor", &format!("/v3/apps/{guid}"), at(1)).0, 404);
}

#[test]
fn a_stale_read_shows_the_world_as_it_was() {
    let mut foundation = foundation();
    let guid = app(&mut foundation, "web");
    let stale = Rule::always("/v3/apps", Effect::Stale(SignedDuration::from_secs(60)));
    foundation.faults.add(stale.about("names=web"));
    foundation.delete_app(&guid, at(100));
    let mut seen = |query: &str, second| rows(&get(&mut foundation, "auditor", query, at(second)).1).len();
    assert_eq!(seen("/v3/apps?names=web", 130), 1);
    assert_eq!(seen("/v3/apps", 130), 0);
    assert_eq!(seen("/v3/apps?names=web", 161), 0);
}

#[test]
fn a_rule_with_a_count_a_method_and_a_time_hits_nothing_else() {
    let mut foundation = foundation();
    let rule = Rule::always("/v3/stacks", Effect::Status(503)).method("GET").times(1).between(at(10), at(20));
    foundation.faults.add(rule);
    let mut status = |path: &str, second| get(&mut foundation, "auditor", path, at(second)).0;
    assert_eq!(status("/v3/stacks", 9), 200);
    assert_eq!(status("/v3/apps", 10), 200);
    assert_eq!(status("/v3/stacks", 10), 503);
    assert_eq!(status("/v3/stacks", 11), 200);
}

#[test]
fn one_seed_replays_one_history_and_another_seed_another() {
    let history = |seed: u64| {
        let mut foundation = foundation();
        foundation.faults.add(Rule::always("/v3/", Effect::Status(503)).sometimes(0.5));
        let token = token(&mut foundation, "auditor", at(0));
        let asked = request("GET", "/v3/stacks", &token, "");
        (0..64).map(|_| foundation.answer(&asked, at(1), seed).status).collect::<Vec<u16>>()
    };
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2));
}

#[test]
fn every_request_is_logged_with_who_asked() {
    let mut foundation = foundation();
    get(&mut foundation, "auditor", "/v3/apps?names=x", at(7));
    let last = foundation.requests.last().unwrap();
    assert_eq!((last.path.as_str(), last.query.as_str(), last.status), ("/v3/apps", "names=x", 200));
    assert_eq!((last.principal.as_str(), last.at), ("auditor", at(7)));
    assert_eq!((foundation.count("GET", "/v3/"), foundation.count("POST", "/v3/")), (1, 0));
}
