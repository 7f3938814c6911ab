//! What the daemon shows to machines: a scrape that always parses, whatever things are called, and
//! no value that may be secret on any of its surfaces.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use moored::sim::world::Service;
use moored::sim::world::faults::Effect;
use serde_json::json;

use crate::common::daemon::{Daemon, finding, get};
use crate::common::platform::{DEPLOYMENTS, MAIN, Platform, SECRETS, SETTINGS};
use crate::common::{hidden, text};

/// promtool, where there is one.
fn promtool() -> Option<PathBuf> {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/prometheus/promtool");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("promtool"));
    installed.chain([unpacked]).find(|candidate| candidate.is_file())
}

/// Prometheus's own opinion of a scrape.
fn lint(scrape: &str) {
    let Some(promtool) = promtool() else { return };
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(scrape.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}\n{scrape}", String::from_utf8_lossy(&said));
}

#[test]
fn a_scrape_is_clean_in_good_times_and_bad() {
    let platform = Platform::new("scrape");
    let state = platform.scratch.file("moored.db");
    let daemon = Daemon::start(&platform, &["--state", text(&state)]);
    // Every scrape is parsed strictly; these are the ones that differ.
    let settled = daemon.settled();
    lint(&settled.text);
    // Counted in whole seconds, of which a young daemon has used none.
    assert!(settled.value("process_cpu_seconds_total", &[]).is_some(), "{}", settled.text);
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"] {
        assert!(settled.value(name, &[]).is_some_and(|value| value > 0.0), "{name}: {}", settled.text);
    }
    for (_, bound) in settled.all("moored_detection_bound_seconds", &[]) {
        assert!((1.0..60.0).contains(&bound), "{}", settled.text);
    }
    platform.delete_worker();
    platform.fault(Service::DynamoDb, Some("BatchGetItem"), Effect::Throttle);
    let troubled = daemon.until("drift and trouble", |metrics| {
        metrics.sum("moored_drift", &[]) > 0.0 && metrics.sum("moored_observation_failures_total", &[]) > 0.0
    });
    lint(&troubled.text);
    let answer = daemon.ask("/metrics").unwrap();
    assert!(answer.head.contains("text/plain; version=0.0.4; charset=utf-8"), "{}", answer.head);
}

#[test]
fn a_hostile_name_cannot_forge_or_break_a_series() {
    let platform = Platform::new("hostile");
    let hostile = "a\"} 1\nmoored_drift{environment=\"forged\"} 1 \\ \u{202e}";
    let long = "ü".repeat(300);
    for name in [hostile, long.as_str()] {
        let item = json!({ "service": { "S": name }, "updated_at": { "S": "2020-01-01T00:00:00Z" } });
        platform.put_item(DEPLOYMENTS, item);
    }
    let daemon = Daemon::start(&platform, &[]);
    let metrics = daemon.until("both leftovers are found", |metrics| {
        metrics.sum("moored_drift", &[("kind", "TableItem"), ("drift", "orphaned")]) == 2.0
    });
    lint(&metrics.text);
    let drifts = metrics.all("moored_drift", &[]);
    assert!(drifts.iter().all(|(labels, _)| labels["environment"] == "production"), "{}", metrics.text);
    assert!(drifts.iter().any(|(labels, _)| labels["name"].contains("a\"} 1\nmoored_drift")), "{}", metrics.text);
    assert!(drifts.iter().all(|(labels, _)| labels.values().all(|value| value.len() <= 128)), "{}", metrics.text);
    assert!(!metrics.text.contains('\u{202e}'));
    // People see escapes, not what a terminal would obey.
    let check = platform.check(&[]).exits(2);
    assert!(!check.stdout.contains('\u{202e}') && check.stdout.contains("\\u{202e}"), "{}", check.stdout);
}

#[test]
fn no_surface_shows_a_value_that_may_be_secret() {
    let platform = Platform::new("surfaces");
    // Live values that differ from the declared ones, so that both are in findings.
    let rotated = ["canary-rotated-variable-3d5e", "canary-rotated-attribute-c0de"];
    let container = json!({
        "name": "api", "image": "example/api:2026.11", "memory": 128,
        "environment": [{ "name": "LOG_LEVEL", "value": "debug" }, { "name": "API_TOKEN", "value": rotated[0] }],
    });
    let definition = json!({ "family": "api", "containerDefinitions": [container] });
    platform.act(MAIN, Service::Ecs, "RegisterTaskDefinition", definition);
    platform.run_tasks(MAIN, "api", 2);
    let item = json!({ "setting": { "S": "release" }, "channel": { "S": "edge" }, "signing_key": { "S": rotated[1] } });
    platform.put_item(SETTINGS, item);

    let state = platform.scratch.file("moored.db");
    let arguments = ["--state", text(&state), "--api-listen", "127.0.0.1:0", "--log", "trace"];
    let mut daemon = Daemon::start(&platform, &arguments);
    let api = daemon.address("--api-listen");
    daemon.settled();
    let (service, item) = (finding("EcsService", "api", "changed"), finding("TableItem", "release", "changed"));
    let metrics = daemon.until("both are found", |metrics| {
        metrics.value("moored_drift", &service).is_some() && metrics.value("moored_drift", &item).is_some()
    });

    let mut surfaces = vec![("/metrics".to_owned(), metrics.text.clone())];
    let mut paths: Vec<String> = Vec::new();
    for part in ["report", "environments", "applications", "resources", "findings", "history", "graph"] {
        paths.push(format!("/api/v1/{part}"));
    }
    for one in ["EcsService&name=api", "TableItem&name=release", "StateTable&name=deployments"] {
        paths.push(format!("/api/v1/resources?environment=production&kind={one}"));
    }
    for path in paths {
        let answer = get(api, &path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        surfaces.push((path, answer.body));
    }
    assert!(surfaces.iter().any(|(_, body)| body.contains("(secret)")), "there is something to hide");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().0.code(), Some(0));
    surfaces.push(("the log".to_owned(), daemon.log()));
    for entry in fs::read_dir(platform.scratch.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            surfaces.push((text(&path).to_owned(), String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()));
        }
    }
    for (place, content) in &surfaces {
        for secret in SECRETS.iter().chain(&rotated) {
            hidden(secret, place, content);
        }
    }
}
