//! The JSON API: the same words as the report, and nobody is told anything who should not be.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::common::daemon::{Answer, Daemon, exchange, finding, get};
use crate::common::platform::{MAIN, Platform};
use crate::common::{eventually, text};

const LISTEN: [&str; 2] = ["--api-listen", "127.0.0.1:0"];

/// A daemon with an API that has found the changed count of `api`.
fn drifted(platform: &Platform, more: &[&str]) -> (Daemon, SocketAddr) {
    platform.run_tasks(MAIN, "api", 1);
    let mut daemon = Daemon::start(platform, &[&LISTEN[..], more].concat());
    let api = daemon.address("--api-listen");
    let changed = finding("EcsService", "api", "changed");
    daemon.settled();
    daemon.until("the drift is found", |metrics| metrics.value("moored_finding_held", &changed) == Some(0.0));
    (daemon, api)
}

/// The names of fields, level by level; entries of a list are taken together.
#[derive(Debug, Default, PartialEq)]
struct Shape(BTreeMap<String, Shape>);

impl Shape {
    fn of(value: &Value) -> Self {
        let mut shape = Self::default();
        shape.add(value);
        shape
    }

    fn add(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    self.0.entry(name.clone()).or_default().add(field);
                }
            }
            Value::Array(entries) => entries.iter().for_each(|entry| self.add(entry)),
            _ => {}
        }
    }
}

#[test]
fn the_report_has_the_shape_of_check_and_says_the_same() {
    let platform = Platform::new("api-report");
    let (_daemon, api) = drifted(&platform, &[]);
    let answer = get(api, "/api/v1/report");
    assert_eq!(answer.status, 200);
    let head = answer.head.to_lowercase();
    assert!(head.contains("content-type: application/json") && head.contains("cache-control: no-store"), "{head}");
    let served = eventually("nothing is unknown", || {
        let served = get(api, "/api/v1/report").json();
        (served["unknown"] == json!([]) && served["findings"][0]["held"] == false).then_some(served)
    });
    let (_, checked) = platform.report(&[]);
    assert_eq!(Shape::of(&served), Shape::of(&checked));
    let told = |report: &Value| {
        let finding = &report["findings"][0];
        ["id", "kind", "name", "drift", "severity", "fields", "source"].map(|field| finding[field].clone())
    };
    assert_eq!(told(&served), told(&checked));
    assert_eq!(served["revisions"], checked["revisions"]);
}

#[test]
fn its_parts_can_be_asked_for_and_filtered() {
    let platform = Platform::new("api-parts");
    let (_daemon, api) = drifted(&platform, &[]);
    let items = |path: &str| {
        let answer = get(api, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()["items"].as_array().unwrap().clone()
    };
    let findings = items("/api/v1/findings");
    assert_eq!((findings.len(), &findings[0]["name"]), (1, &json!("api")));
    assert!(items("/api/v1/findings?environment=staging").is_empty());
    assert_eq!(items("/api/v1/findings?kind=ecsservice&name=a*&app=api").len(), 1);
    assert_eq!(items("/api/v1/environments").len(), 2);
    assert!(items("/api/v1/applications").iter().any(|view| view["name"] == "api" && view["verdict"] == "drifted"));

    let resources = items("/api/v1/resources");
    assert_eq!(resources.len(), 8);
    let one = items("/api/v1/resources?environment=production&kind=EcsService&name=api");
    assert_eq!((one.len(), &one[0]["state"]), (1, &json!("drifted")));
    assert_eq!(
        (&one[0]["facts"]["desired"]["desiredCount"], &one[0]["facts"]["live"]["fields"]["desiredCount"]),
        (&json!(2), &json!(1))
    );

    let graph = get(api, "/api/v1/graph").json();
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 8);
    let refers = json!({ "from": "production/DnsRecord/api", "to": "production/LoadBalancer/api", "why": "refersTo" });
    assert!(graph["edges"].as_array().unwrap().contains(&refers), "{graph}");
}

/// An error in the shape of every error of this API.
#[track_caller]
fn problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let problem = answer.json();
    assert!(problem["error"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    assert!(problem["hint"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
}

#[test]
fn what_is_misspelt_is_refused_with_a_hint_and_nothing_can_be_written() {
    let platform = Platform::new("api-errors");
    let mut daemon = Daemon::start(&platform, &LISTEN);
    let api = daemon.address("--api-listen");
    problem(&get(api, "/api/v1/reports"), 404);
    problem(&get(api, "/"), 404);
    problem(&get(api, "/api/v1/history"), 404);
    for query in ["enviroment=production", "environment=moon", "kind=Volume", "label=team", "name="] {
        problem(&get(api, &format!("/api/v1/findings?{query}")), 400);
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for path in ["/api/v1/report", "/api/v1/findings", "/api/v1/history"] {
            problem(&exchange(api, method, path, &[("Host", "localhost")]).unwrap(), 405);
        }
    }
    let strangers: [&[(&str, &str)]; 3] =
        [&[("Host", "evil.example.com")], &[("Host", "127.0.0.1.evil.example.com:9470")], &[]];
    for hosts in strangers {
        let answer = exchange(api, "GET", "/api/v1/report", hosts).unwrap();
        problem(&answer, 421);
    }
    for path in ["/metrics", "/healthz"] {
        problem(&get(api, path), 404);
    }
    assert_eq!(daemon.ask("/api/v1/report").map(|answer| answer.status), Some(404), "the listeners are two");
}

#[test]
fn with_a_token_file_nothing_is_told_without_the_token() {
    let platform = Platform::new("api-token");
    let token = "0123456789abcdef0123456789abcdef";
    let file = platform.scratch.write("token", format!("{token}\n"));
    let mut daemon = Daemon::start(&platform, &[&LISTEN[..], &["--api-token-file", text(&file)][..]].concat());
    let api = daemon.address("--api-listen");
    let ask = |authorization: &str| {
        let mut headers = vec![("Host", "localhost")];
        if !authorization.is_empty() {
            headers.push(("Authorization", authorization));
        }
        exchange(api, "GET", "/api/v1/report", &headers).unwrap()
    };
    let bearer = format!("Bearer {token}");
    let (longer, basic) = (format!("{bearer}0"), format!("Basic {token}"));
    for wrong in ["", "Bearer wrong", longer.as_str(), basic.as_str(), token] {
        let answer = ask(wrong);
        problem(&answer, 401);
        assert!(answer.head.to_lowercase().contains("www-authenticate: bearer"), "{}", answer.head);
    }
    assert_eq!(ask(&bearer).status, 200);
    problem(&get(api, "/not/there"), 401);
    assert_eq!(daemon.ask("/metrics").map(|answer| answer.status), Some(200), "metrics are another matter");
    assert!(!daemon.log().contains(token), "{}", daemon.log());
}

#[test]
fn beyond_loopback_it_needs_a_token_and_a_short_one_is_none() {
    let platform = Platform::new("api-exposed");
    let exposed = ["--metrics-listen", "127.0.0.1:0", "--api-listen", "0.0.0.0:0"];
    let refused = platform.moored("run", &exposed).exits(1).complains_in_one_line();
    refused.complains(&["could be read by other hosts", "give a token file"]);
    for (content, reason) in [("hunter2", "at least 16 characters"), ("two words of a pass phrase", "one word")] {
        let file = platform.scratch.write("short-token", content);
        let refused = platform.moored("run", &[&exposed[..], &["--api-token-file", text(&file)][..]].concat());
        refused.exits(1).complains_in_one_line().complains(&[reason, "openssl rand -hex 32"]).hides(&[content]);
    }
    let missing = platform.scratch.file("absent");
    let refused = platform.moored("run", &[&exposed[..], &["--api-token-file", text(&missing)][..]].concat());
    refused.exits(1).complains(&["token file", "absent"]);
}

#[test]
fn history_lists_what_was_opened_and_what_is_over() {
    let platform = Platform::new("api-history");
    let state = platform.scratch.file("moored.db");
    let (daemon, api) = drifted(&platform, &["--state", text(&state)]);
    let past = || get(api, "/api/v1/history").json()["items"].as_array().unwrap().clone();
    let open = past();
    assert_eq!((open.len(), &open[0]["finding"]["name"], &open[0]["endedAt"]), (1, &json!("api"), &Value::Null));
    assert!(open[0]["openedAt"].as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()), "{open:?}");

    platform.run_tasks(MAIN, "api", 2);
    daemon.until("the drift is over", |metrics| metrics.all("moored_drift", &[]).is_empty());
    let over = past();
    assert_eq!((over.len(), &over[0]["openedAt"]), (1, &open[0]["openedAt"]));
    assert!(over[0]["endedAt"].is_string(), "{over:?}");
    let later = get(api, "/api/v1/history?since=2999-01-01T00:00:00Z").json();
    assert_eq!(later["items"], json!([]));
    problem(&get(api, "/api/v1/history?since=yesterday"), 400);
}
