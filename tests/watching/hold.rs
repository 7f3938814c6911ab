//! Holds: somebody works on an application, and everybody sees it. Made beside the daemon, which
//! has the state file locked, and over HTTP by whoever has the token; never for longer than an
//! hour, and never by a web page.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use moored::clock::Clock;
use serde_json::{Value, json};

use crate::common::daemon::{Answer, Daemon, exchange, finding};
use crate::common::exposition::Metrics;
use crate::common::platform::{MAIN, Platform, SECRETS, SETTINGS};
use crate::common::{Outcome, Scratch, command, moored, run, text};
use crate::people::{drift, set};

/// The drift of the application `api`, and that of another one.
const BOTH: [&str; 2] = ["production changed EcsService api", "production changed TableItem release"];
const OTHER: [&str; 1] = [BOTH[1]];

const TOKEN: &str = "hold-token-canary-5d1a8e60";
const HOLDS: &str = "/api/v1/holds";
const HOST: (&str, &str) = ("Host", "127.0.0.1");
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A daemon that has found drift of two applications, with its state in a file.
struct Scene {
    daemon: Daemon,
    api: SocketAddr,
    state: PathBuf,
    token_file: PathBuf,
    platform: Platform,
}

impl Scene {
    fn new(name: &str, with_token: bool) -> Self {
        let platform = Platform::new(name);
        platform.run_tasks(MAIN, "api", 1);
        let edge = json!({
            "setting": { "S": "release" }, "channel": { "S": "edge" }, "signing_key": { "S": SECRETS[2] },
        });
        platform.put_item(SETTINGS, edge);
        let (state, token_file) = (platform.scratch.file("moored.db"), platform.scratch.write("token", TOKEN));
        let mut arguments = vec!["--state", text(&state), "--api-listen", "127.0.0.1:0"];
        if with_token {
            arguments.extend(["--api-token-file", text(&token_file)]);
        }
        let mut daemon = Daemon::start(&platform, &arguments);
        let api = daemon.address("--api-listen");
        daemon.settled();
        let scene = Self { daemon, api, state, token_file, platform };
        scene.drifts("the drift is found", set(BOTH));
        scene
    }

    /// Waits until just this drifts.
    #[track_caller]
    fn drifts(&self, what: &str, wanted: BTreeSet<String>) -> Metrics {
        self.daemon.until(what, |metrics| drift(metrics) == wanted)
    }

    /// `moored hold` beside the daemon.
    fn hold(&self, more: &[&str]) -> Outcome {
        moored([&["hold", "--state", text(&self.state)][..], more].concat())
    }

    /// `moored hold` that asks the daemon.
    fn ask(&self, more: &[&str]) -> Outcome {
        let server = format!("http://{}", self.api);
        moored([&["hold", "--server", server.as_str()][..], more].concat())
    }

    /// A request to `/api/v1/holds` with a body.
    fn send(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect_timeout(&self.api, Duration::from_secs(5)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut request =
            format!("{method} {HOLDS} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Asks the API, which has an answer.
    #[track_caller]
    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Value {
        let answer = exchange(self.api, "GET", path, headers).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// The one finding that is ignored: whose it is, by what, and why.
    #[track_caller]
    fn ignored(&self, headers: &[(&str, &str)]) -> (String, Timestamp) {
        let report = self.get("/api/v1/report", headers);
        let ignored = report["ignored"].as_array().unwrap();
        assert_eq!(ignored.len(), 1, "{report}");
        let part = |member: &str| ignored[0][member].as_str().unwrap();
        let members = ["environment", "drift", "kind", "name", "by"].map(part).join(" ");
        (format!("{members}: {}", part("reason")), part("until").parse().unwrap())
    }
}

/// An error in the shape of every error of this API.
#[track_caller]
fn problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let problem = answer.json();
    for member in ["error", "hint"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
}

/// A wish for a hold, with these members instead; `null` leaves one out.
fn wish(instead: Value) -> String {
    let mut wish = json!({ "application": "api", "reason": "deploy", "by": "carol", "seconds": 900 });
    for (member, value) in instead.as_object().unwrap() {
        wish[member.as_str()] = value.clone();
    }
    wish.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    wish.to_string()
}

#[test]
fn a_hold_sets_an_applications_findings_aside_in_the_open_and_its_end_brings_them_back() {
    let scene = Scene::new("hold-cli", false);
    let changed = finding("EcsService", "api", "changed");
    let since = |metrics: &Metrics| metrics.value("moored_drift_since_timestamp_seconds", &changed).unwrap();
    let began = since(&scene.drifts("both", set(BOTH)));
    let mut alice = command();
    alice.env("USER", "alice").args(["hold", "--app", "api", "--for", "15m", "--reason", "deploy of 2026.11"]);
    alice.args(["--state", text(&scene.state)]);
    let held = "api in every environment is held until ";
    let asked = Instant::now();
    run(alice).exits(0).says(&[held, "Z by alice: deploy of 2026.11"]);

    let metrics = scene.drifts("the other application alone drifts", set(OTHER));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    for name in [
        "moored_drift",
        "moored_drift_severity",
        "moored_drift_since_timestamp_seconds",
        "moored_finding_held",
        "moored_application_verdict",
    ] {
        assert!(metrics.all(name, &[("application", "api")]).is_empty(), "{name}: {}", metrics.text);
    }
    let ignored = [("environment", "production"), ("kind", "EcsService"), ("state", "ignored")];
    assert_eq!(metrics.value("moored_resources", &ignored), Some(1.0));
    assert_eq!(metrics.sum("moored_resources", &[("state", "ignored")]), 1.0);
    let (what, until) = scene.ignored(&[HOST]);
    assert_eq!(what, "production changed EcsService api hold: deploy of 2026.11 (held by alice)");
    let left = until.duration_since(Clock::wall().now());
    assert!(left <= SignedDuration::from_mins(15) && left > SignedDuration::from_mins(14), "{left:?}");
    scene.hold(&["--list"]).exits(0).says(&[held, "Z by alice: deploy of 2026.11"]);
    let listed = scene.hold(&["--list", "--format", "json"]).exits(0).json();
    assert_eq!(listed, scene.get(HOLDS, &[HOST])["items"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!((&listed[0]["application"], &listed[0]["environment"]), (&json!("api"), &Value::Null));

    scene.hold(&["--app", "api", "--end"]).exits(0).says(&["1 hold(s) of api ended"]);
    let metrics = scene.drifts("its findings are back", set(BOTH));
    assert_eq!(since(&metrics), began, "it is the same finding");
    assert_eq!(metrics.sum("moored_resources", &[("state", "ignored")]), 0.0);
    assert_eq!(scene.daemon.events("finding_opened").len(), 2);
    assert!(scene.daemon.events("finding_ended").is_empty(), "what is set aside has not ended");
    assert_eq!(scene.daemon.events("hold").len(), 1);
    scene.hold(&["--list"]).exits(0).says(&["nothing is held"]);
    let again = scene.hold(&["--app", "api", "--end"]).exits(1).complains_in_one_line();
    again.complains(&["no hold of api was in force"]);
}

#[test]
fn a_hold_is_for_its_own_environment_and_ends_by_itself() {
    let scene = Scene::new("hold-time", false);
    let elsewhere = ["--app", "api", "--environment", "staging", "--reason", "elsewhere"];
    scene.hold(&elsewhere).exits(0).says(&["api in staging is held until "]);
    scene.daemon.logged("hold", 1);
    assert_eq!(drift(&scene.daemon.scrape().unwrap()), set(BOTH), "staging is another matter");

    let asked = Instant::now();
    scene.hold(&["--app", "api", "--for", "5s", "--reason", "a quick look"]).exits(0);
    scene.drifts("the quick look", set(OTHER));
    scene.drifts("it is over, and nobody had to say so", set(BOTH));
    assert!(asked.elapsed() >= Duration::from_secs(5), "{:?}", asked.elapsed());
    let left = scene.hold(&["--list"]).exits(0).says(&["api in staging is held until "]);
    assert_eq!(left.stdout.lines().count(), 1, "{}", left.stdout);
}

#[test]
fn a_hold_outlives_a_power_cut() {
    let Scene { daemon, platform, state, .. } = Scene::new("hold-restart", false);
    let hold = |more: &[&str]| moored([&["hold", "--app", "api", "--state", text(&state)][..], more].concat()).exits(0);
    hold(&["--reason", "deploy"]);
    daemon.until("it is in force", |metrics| drift(metrics) == set(OTHER));
    daemon.kill();
    let daemon = Daemon::start(&platform, &["--state", text(&state)]);
    daemon.until("it still is", |metrics| {
        drift(metrics) == set(OTHER) && metrics.sum("moored_resources", &[("state", "ignored")]) == 1.0
    });
    hold(&["--end"]);
    daemon.until("it is over", |metrics| drift(metrics) == set(BOTH));
    assert!(daemon.events("finding_opened").is_empty() && daemon.events("finding_ended").is_empty());
}

#[test]
fn over_http_nothing_is_held_without_a_token_not_even_on_loopback() {
    let scene = Scene::new("hold-no-token", false);
    let answer = scene.send("POST", &[HOST, JSON], &wish(json!({})));
    problem(&answer, 403);
    assert!(answer.body.contains("only made with a token") && answer.body.contains("--api-token-file"));
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    problem(&scene.send("POST", &[HOST, form], "application=api&reason=x&seconds=900"), 403);
    problem(&scene.send("POST", &[HOST, JSON], &wish(json!({ "seconds": 0 }))), 403);
    for method in ["PUT", "PATCH", "DELETE"] {
        problem(&scene.send(method, &[HOST, JSON], &wish(json!({}))), 405);
    }
    let refused = scene.ask(&["--app", "api", "--reason", "deploy"]).exits(1).complains_in_one_line();
    refused.complains(&["403", "holds are only made with a token"]);
    assert_eq!(scene.get(HOLDS, &[HOST]), json!({ "items": [] }));
    scene.hold(&["--list"]).exits(0).says(&["nothing is held"]);
    assert_eq!(drift(&scene.daemon.scrape().unwrap()), set(BOTH));
}

#[test]
fn over_http_with_the_token_a_hold_is_made_listed_and_ended() {
    let scene = Scene::new("hold-token", true);
    let bearer = format!("Bearer {TOKEN}");
    let token = ("Authorization", bearer.as_str());
    let (basic, longer) = (format!("Basic {TOKEN}"), format!("{bearer}0"));
    for wrong in ["Bearer wrong", "Bearer", basic.as_str(), longer.as_str()] {
        let answer = scene.send("POST", &[HOST, JSON, ("Authorization", wrong)], &wish(json!({})));
        problem(&answer, 401);
        assert!(answer.head.to_lowercase().contains("www-authenticate: bearer"), "{}", answer.head);
    }
    problem(&scene.send("POST", &[HOST, JSON], &wish(json!({}))), 401);
    problem(&scene.send("POST", &[("Host", "evil.example.com"), JSON, token], &wish(json!({}))), 421);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    problem(&scene.send("POST", &[HOST, form, token], "application=api&reason=x&seconds=900"), 415);
    problem(&scene.send("POST", &[HOST, token], &wish(json!({}))), 415);
    for instead in [
        json!({ "seconds": 7200 }),
        json!({ "seconds": 3601 }),
        json!({ "seconds": -1 }),
        json!({ "seconds": u64::MAX }),
        json!({ "seconds": null }),
        json!({ "reason": "" }),
        json!({ "reason": null }),
        json!({ "reason": "two\nlines" }),
        json!({ "application": " " }),
        json!({ "application": null }),
        json!({ "minutes": 15 }),
    ] {
        let answer = scene.send("POST", &[HOST, JSON, token], &wish(instead.clone()));
        assert_eq!(answer.status, 400, "{instead}: {}", answer.body);
        problem(&answer, 400);
    }
    problem(&scene.send("POST", &[HOST, JSON, token], "{"), 400);
    for method in ["PUT", "PATCH", "DELETE"] {
        problem(&scene.send(method, &[HOST, JSON, token], &wish(json!({}))), 405);
    }
    let listed = || scene.get(HOLDS, &[HOST, token])["items"].clone();
    assert_eq!(listed(), json!([]), "nothing of all that was taken");
    problem(&exchange(scene.api, "GET", HOLDS, &[HOST]).unwrap(), 401);

    let answer = scene.send("POST", &[HOST, JSON, token], &wish(json!({})));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let made = answer.json();
    let part = |member: &str| made[member].as_str().unwrap();
    assert_eq!(["application", "reason", "by"].map(part), ["api", "deploy", "carol"]);
    let [from, until] = ["from", "until"].map(|member| part(member).parse::<Timestamp>().unwrap());
    assert_eq!(until.duration_since(from), SignedDuration::from_secs(900));
    assert_eq!(listed(), json!([made]));
    scene.drifts("it is in force", set(OTHER));
    let (what, _) = scene.ignored(&[HOST, token]);
    assert_eq!(what, "production changed EcsService api hold: deploy (held by carol)");
    let ended = scene.send("POST", &[HOST, JSON, token], r#"{"application":"api","seconds":0}"#);
    assert_eq!((ended.status, ended.json()), (200, json!({ "ended": 1 })));
    scene.drifts("it is over", set(BOTH));

    let refused = scene.ask(&["--app", "api", "--reason", "deploy"]).exits(1).complains_in_one_line();
    refused.complains(&["401", "no token, or not the right one"]);
    let file = ["--token-file", text(&scene.token_file)];
    let with = |more: &[&str]| scene.ask(&[&file[..], more].concat()).hides(&[TOKEN]);
    let held = "api in production is held until ";
    let made = with(&["--app", "api", "--environment", "production", "--reason", "deploy by hand", "--for", "1h"]);
    made.exits(0).says(&[held, ": deploy by hand"]);
    scene.drifts("it is in force again", set(OTHER));
    with(&["--list"]).exits(0).says(&[held, ": deploy by hand"]);
    with(&["--app", "api", "--end"]).exits(0).says(&["1 hold(s) of api ended"]);
    scene.drifts("it is over again", set(BOTH));
    assert!(!scene.daemon.log().contains(TOKEN), "{}", scene.daemon.log());
}

#[test]
fn a_hold_that_cannot_be_meant_is_refused_with_1() {
    let scratch = Scratch::new("hold-usage");
    let (absent, foreign) = (scratch.file("absent.db"), scratch.write("foreign.db", "no database at all\n"));
    let state = ["--state", text(&absent)];
    let app = ["--app", "api"];
    let reason = ["--reason", "deploy"];
    let cases: [(&[&[&str]], &str); 12] = [
        (&[&app, &state], "--reason"),
        (&[&reason, &state], "--app"),
        (&[&app, &reason, &state, &["--for", "2h"]], "a hold lasts at most 1h"),
        (&[&app, &reason, &state, &["--for", "0s"]], "at least 1s"),
        (&[&app, &state, &["--reason", " "]], "the reason is empty"),
        (&[&app, &state, &["--reason", "two\nlines"]], "one line"),
        (&[&reason, &state, &["--app", ""]], "the application is empty"),
        (&[&app, &reason], "give the daemon's --state file or its --server"),
        (&[&["--list"]], "give the daemon's --state file or its --server"),
        (&[&app, &reason, &state], "does not exist"),
        (&[&app, &reason, &["--state", text(&foreign)]], "foreign.db"),
        (&[&app, &reason, &["--server", "http://127.0.0.1:1"]], "is the daemon running"),
    ];
    for (arguments, complaint) in cases {
        let outcome = moored(std::iter::once("hold").chain(arguments.concat())).exits(1);
        assert_eq!(outcome.stdout, "", "{arguments:?}");
        outcome.complains(&[complaint]);
    }
    assert!(!absent.exists(), "nothing is made by mistake");
}
