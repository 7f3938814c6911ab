//! F55 for Cloud Foundry: canaries in environments, commands, parameters of bindings, the client's
//! secret and the tokens; the noisiest log; and not six bytes of any canary on any surface.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use moored::clock::Clock;
use moored::sim::cloudfoundry::{AppPlan, Foundation, Request};
use moored::sim::wire::{Cloud, server};
use moored::sim::world::World;

use super::common::daemon::{Daemon, exchange, finding};
use super::common::{Scratch, command, run, text};
use super::place;

/// A live variable that is declared with another value.
const LIVE: &str = "Zq7vXk2mWp9RaH";
/// The declared value.
const DECLARED: &str = "Jf4tLy8sHd3NuC";
/// A token in the command of a process.
const COMMAND: &str = "Bn6cGw1xQe5TzK";
/// What the broker is told when it binds.
const PARAMETER: &str = "Vu9rKz2aMi7PoB";
/// The client's secret.
const CLIENT: &str = "Oh3jYb8fSx4DeG";
/// In the group of variables of the whole platform.
const GROUP: &str = "Cs5wNt1gEl6UyJ";

const CANARIES: [&str; 6] = [LIVE, DECLARED, COMMAND, PARAMETER, CLIENT, GROUP];

fn manifests(secret_file: &str) -> String {
    let environment = place::ENVIRONMENT.replace("/nowhere/secret", secret_file);
    format!(
        "{environment}---\napiVersion: moored.dev/v1\nkind: App\nmetadata: {{name: api, environments: [production]}}\n\
         spec:\n  space: prod\n  application:\n    env: {{API_TOKEN: {DECLARED}}}\n    command: run --key {DECLARED}\n    \
         services: [{{name: db, parameters: {{password: {PARAMETER}}}}}]\n"
    )
}

fn foundation(now: Timestamp) -> Foundation {
    let (mut foundation, made) = place::bare(now);
    foundation.add_client("moored", CLIENT, &["cloud_controller.admin_read_only"]);
    foundation.create_service_instance(place::ORGANIZATION, place::SPACE, "db", None, made);
    let mut plan = AppPlan::new("api");
    plan.env.insert("API_TOKEN".to_owned(), LIVE.to_owned());
    plan.command = Some(format!("run --key {COMMAND}"));
    plan.services = vec!["db".to_owned()];
    plan.detects = Some("ruby_buildpack".to_owned());
    place::run(&mut foundation, place::SPACE, &plan, made);
    foundation.set_running_env("SHARED_KEY", GROUP, made);
    foundation
}

/// The tokens that this foundation will issue to moored, in their order.
fn tokens(mut foundation: Foundation, now: Timestamp) -> Vec<String> {
    let form = format!("grant_type=client_credentials&client_id=moored&client_secret={CLIENT}");
    let content_type = ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
    let request = Request {
        method: "POST".to_owned(),
        path: "/login/oauth/token".to_owned(),
        query: Vec::new(),
        headers: BTreeMap::from([content_type]),
        body: form.into_bytes(),
        base: String::new(),
    };
    let mut issued = Vec::new();
    for _ in 0..20 {
        let answer = foundation.answer(&request, now, 1);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        issued.push(body["access_token"].as_str().expect("a token").to_owned());
    }
    issued
}

/// No six bytes of a canary are anywhere in there.
#[track_caller]
fn clean(place: &str, content: &[u8], tokens: &[String]) {
    for secret in CANARIES {
        for window in secret.as_bytes().windows(6) {
            let leak = content.windows(6).position(|bytes| bytes == window);
            let around = leak.map(|at| &content[at.saturating_sub(80)..(at + 80).min(content.len())]);
            assert!(leak.is_none(), "{secret} is in {place}: {}", String::from_utf8_lossy(around.unwrap_or_default()));
        }
    }
    let content = String::from_utf8_lossy(content);
    // Parts of a token are hexadecimal numbers, which may be anywhere.
    assert!(!tokens.iter().any(|token| content.contains(token.as_str())), "a token is in {place}");
}

#[test]
fn f55_not_six_bytes_of_a_secret_are_on_any_surface() {
    let (scratch, clock) = (Scratch::new("cf-canaries"), Clock::wall());
    let elsewhere = Scratch::new("cf-canaries-secret");
    let secret_file = elsewhere.write("secret", CLIENT);
    scratch.write("desired-state/all.yaml", manifests(text(&secret_file)));
    let now = clock.now().checked_sub(SignedDuration::from_hours(1)).unwrap();
    let foundation = foundation(now);
    let tokens = tokens(foundation.clone(), now);
    let ticking = clock.clone();
    let cloud = Cloud::new(World::default(), move || ticking.now(), 7);
    cloud.add_foundation(foundation);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(server::spawn(cloud.clone())).unwrap();
    let (root, state) = (scratch.file("desired-state"), scratch.file("moored.db"));

    let noisy = |subcommand: &str| -> Command {
        let mut command = command();
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        command.args([subcommand, "--cloud", server.url.as_str(), "--desired-state", text(&root), "--log", "trace"]);
        command
    };
    let mut command = noisy("run");
    command.args(["--metrics-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0", "--log-format", "json"]);
    command.args(["--resync", "1s", "--state", text(&state)]);
    let mut daemon = Daemon::launch(command);
    let api = daemon.address("--api-listen");
    let changed = finding("App", "api", "changed");
    let metrics = daemon.until("the variable is found", |metrics| metrics.value("moored_drift", &changed).is_some());

    let mut surfaces = vec![("/metrics".to_owned(), metrics.text.into_bytes())];
    for part in ["report", "environments", "applications", "resources", "findings", "history", "graph"] {
        let path = format!("/api/v1/{part}");
        let answer = exchange(api, "GET", &path, &[("Host", "127.0.0.1")]).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        surfaces.push((path, format!("{}{}", answer.head, answer.body).into_bytes()));
    }
    assert!(surfaces.iter().any(|(_, body)| String::from_utf8_lossy(body).contains("(secret)")), "nothing was hidden");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().0.code(), Some(0));
    surfaces.push(("the log".to_owned(), daemon.log().into_bytes()));
    let commands: [(&str, &[&str]); 4] =
        [("check", &["--format", "json"]), ("check", &[]), ("show", &["App/api"]), ("whoami", &[])];
    for (subcommand, more) in commands {
        let mut command = noisy(subcommand);
        command.args(more);
        let outcome = run(command);
        surfaces.push((format!("{subcommand} {more:?}"), format!("{}{}", outcome.stdout, outcome.stderr).into_bytes()));
    }
    for entry in fs::read_dir(scratch.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            surfaces.push((text(&path).to_owned(), fs::read(&path).unwrap()));
        }
    }
    assert!(surfaces.iter().any(|(place, content)| place.ends_with("moored.db") && !content.is_empty()));
    let manifest_was_read = cloud.with_foundation(place::HOST, |foundation| {
        foundation.requests.iter().any(|request| request.path.ends_with("/manifest") && request.status == 200)
    });
    assert_eq!(manifest_was_read, Some(true), "nothing secret was ever read");
    surfaces.iter().for_each(|(place, content)| clean(place, content, &tokens));
}

/// A role that may not read what is declared has no say in the exit code.
#[test]
fn fields_that_an_auditor_cannot_read_do_not_touch_the_exit_code() {
    let (scratch, clock) = (Scratch::new("cf-exit"), Clock::wall());
    for (file, content) in place::with(place::AUDITED) {
        scratch.write(&format!("desired-state/{file}"), content);
    }
    let ticking = clock.clone();
    let cloud = Cloud::new(World::default(), move || ticking.now(), 7);
    cloud.add_foundation(place::foundation(clock.now()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(server::spawn(cloud)).unwrap();
    let root = scratch.file("desired-state");
    let mut check = command();
    check.args(["check", "--cloud", server.url.as_str(), "--desired-state", text(&root), "--format", "json"]);
    let report = run(check).exits(0).json();
    let summary = &report["summary"];
    assert_eq!(summary["inSync"], summary["resources"], "{summary}");
    assert!(summary["unchecked"].as_u64().is_some_and(|unchecked| unchecked > 0), "{summary}");
}
