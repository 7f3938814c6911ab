//! Findings over time: they appear, they end on proof, and nothing else ends them: no restart, no
//! outage, no cut credentials.

use std::path::PathBuf;

use moored::sim::world::Service;
use moored::sim::world::faults::Effect;
use serde_json::json;

use crate::common::daemon::{Daemon, finding};
use crate::common::exposition::Metrics;
use crate::common::platform::{DNS, MAIN, Platform, SCOPES, STAGING};
use crate::common::{moored, text};

const CHANGED: [(&str, &str); 4] = finding("EcsService", "api", "changed");

/// Whether the changed count of `api` is open: `None`, or whether it is only held.
fn open(metrics: &Metrics) -> Option<bool> {
    let held = metrics.value("moored_finding_held", &CHANGED);
    assert_eq!(metrics.value("moored_drift", &CHANGED).is_some(), held.is_some(), "{}", metrics.text);
    held.map(|held| held == 1.0)
}

fn since(metrics: &Metrics) -> f64 {
    metrics.value("moored_drift_since_timestamp_seconds", &CHANGED).unwrap()
}

/// How often a scope of this kind could not be read.
fn failures(metrics: &Metrics, kind: &str) -> f64 {
    let failed = metrics.all("moored_observation_failures_total", &[]);
    failed.into_iter().filter(|(labels, _)| labels["scope"].starts_with(kind)).map(|(_, count)| count).sum()
}

fn state(platform: &Platform) -> PathBuf {
    platform.scratch.file("moored.db")
}

#[test]
fn drift_appears_within_seconds_and_ends_when_the_world_is_put_right() {
    let platform = Platform::new("appears");
    let daemon = Daemon::start(&platform, &[]);
    let metrics = daemon.settled();
    assert_eq!(metrics.sum("moored_drift", &[]), 0.0, "{}", metrics.text);
    assert_eq!(metrics.sum("moored_resources", &[("state", "in_sync")]), metrics.sum("moored_resources", &[]));
    let scopes = metrics.all("moored_scope_info", &[]);
    let mut known: Vec<&str> = scopes.iter().map(|(labels, _)| labels["scope"].as_str()).collect();
    known.sort_unstable();
    assert_eq!(known, SCOPES);
    for account in [MAIN, DNS, STAGING] {
        assert_eq!(metrics.sum("moored_identity", &[("account", account), ("state", "simulated")]), 1.0, "{account}");
    }

    platform.run_tasks(MAIN, "api", 1);
    let metrics = daemon.until("the drift is found", |metrics| open(metrics) == Some(false));
    assert_eq!(metrics.value("moored_drift", &CHANGED), Some(1.0));
    let severity = metrics.all("moored_drift_severity", &CHANGED);
    assert_eq!(severity.iter().map(|(labels, _)| labels["severity"].as_str()).collect::<Vec<_>>(), ["warning"]);
    assert_eq!(metrics.sum("moored_resources", &[("kind", "EcsService"), ("state", "drifted")]), 1.0);
    let verdict = [("environment", "production"), ("application", "api"), ("verdict", "drifted")];
    assert_eq!(metrics.value("moored_application_verdict", &verdict), Some(1.0));
    assert!(since(&metrics) > 1.7e9);
    let opened = daemon.logged("finding_opened", 1);
    assert_eq!((opened.len(), &opened[0]["name"], &opened[0]["drift"]), (1, &json!("api"), &json!("changed")));
    assert_eq!((&opened[0]["source"], &opened[0]["severity"]), (&json!("apps.yaml:1"), &json!("warning")));

    platform.run_tasks(MAIN, "api", 2);
    daemon.until("the drift is over", |metrics| open(metrics).is_none());
    assert_eq!(daemon.logged("finding_ended", 1).len(), 1);
}

#[test]
fn a_deleted_service_and_its_leftovers_are_found_as_one_group() {
    let platform = Platform::new("group");
    let daemon = Daemon::start(&platform, &[]);
    daemon.settled();
    platform.delete_worker();
    let metrics = daemon.until("the service and four leftovers", |metrics| metrics.sum("moored_drift", &[]) == 5.0);
    assert_eq!(metrics.value("moored_drift", &finding("EcsService", "worker", "missing")), Some(1.0));
    assert_eq!(metrics.sum("moored_drift", &[("drift", "orphaned"), ("application", "worker")]), 4.0);
    let down = [("application", "worker"), ("verdict", "down")];
    assert_eq!(metrics.value("moored_application_verdict", &down), Some(1.0));
    let partial = [("environment", "production"), ("verdict", "partial")];
    assert_eq!(metrics.value("moored_environment_verdict", &partial), Some(1.0));
    let opened = daemon.logged("finding_opened", 5);
    assert!(opened.iter().all(|line| line["group"] == "EcsService/worker"), "{opened:?}");
}

#[test]
fn an_open_finding_survives_a_power_cut_and_is_held_until_it_can_be_read_again() {
    let platform = Platform::new("power-cut");
    let state = state(&platform);
    let kept = ["--state", text(&state)];
    platform.run_tasks(MAIN, "api", 1);
    let daemon = Daemon::start(&platform, &kept);
    let before = since(&daemon.until("the drift is found", |metrics| open(metrics) == Some(false)));
    daemon.kill();

    // It is mended while nobody looks, and then nobody can look.
    platform.run_tasks(MAIN, "api", 2);
    platform.fault(Service::Ecs, None, Effect::ExpiredToken);
    let daemon = Daemon::start(&platform, &kept);
    let first = daemon.scrape().expect("a ready daemon can be scraped");
    assert_eq!(open(&first), Some(true), "held from the first scrape on: {}", first.text);
    assert_eq!(since(&first), before, "it is the same finding");
    let later = daemon.until("several readings fail", |metrics| failures(metrics, "ecs_cluster/") >= 3.0);
    assert_eq!(open(&later), Some(true), "{}", later.text);
    assert_eq!(later.value("moored_store_healthy", &[("store", "history")]), Some(1.0));
    assert!(daemon.events("finding_ended").is_empty());

    platform.heal();
    daemon.until("its end is proven", |metrics| open(metrics).is_none());
    let history = moored(["history", "--state", text(&state), "--format", "json"]).exits(0).json();
    assert_eq!(history.as_array().unwrap().len(), 1, "{history}");
    assert_eq!(history[0]["finding"]["name"], "api");
    assert!(history[0]["endedAt"].is_string(), "{history}");
}

#[test]
fn cut_credentials_resolve_nothing_and_never_unready_the_pod() {
    let platform = Platform::new("cut");
    platform.run_tasks(MAIN, "api", 1);
    let daemon = Daemon::start(&platform, &[]);
    let before = since(&daemon.until("the drift is found", |metrics| open(metrics) == Some(false)));

    platform.fault(Service::Sts, None, Effect::UnrecognizedClient);
    let unverified = |metrics: &Metrics, account| {
        metrics.sum("moored_identity", &[("account", account), ("state", "unverified")]) == 1.0
    };
    let metrics =
        daemon.until("the finding is held", |metrics| open(metrics) == Some(true) && unverified(metrics, MAIN));
    assert_eq!(since(&metrics), before);
    // Mended now, but who could know?
    platform.run_tasks(MAIN, "api", 2);
    let seen = failures(&metrics, "ecs_cluster/");
    let later = daemon.until("more readings fail, and nothing is called in sync", |metrics| {
        let in_sync = metrics.sum("moored_resources", &[("state", "in_sync")]);
        failures(metrics, "ecs_cluster/") >= seen + 4.0 && in_sync == 0.0
    });
    assert_eq!(open(&later), Some(true), "{}", later.text);
    assert_eq!(daemon.ask("/readyz").map(|answer| answer.status), Some(200), "a cloud's outage is not the pod's");

    platform.heal();
    daemon.until("its end is proven", |metrics| open(metrics).is_none());
}

#[test]
fn a_scope_that_may_not_be_read_says_why_and_delays_no_other() {
    let platform = Platform::new("one-scope");
    platform.fault(Service::DynamoDb, None, Effect::Denied);
    let daemon = Daemon::start(&platform, &[]);
    let tables: Vec<&str> = SCOPES.into_iter().filter(|scope| scope.starts_with("table/")).collect();
    let refused = |metrics: &Metrics, scope| {
        let denied = [("scope", scope), ("reason", "denied")];
        metrics.value("moored_observation_failures_total", &denied).is_some_and(|count| count >= 1.0)
    };
    let metrics = daemon.until("every scope but the tables is read", |metrics| {
        metrics.sum("moored_observation_complete", &[]) == 5.0 && tables.iter().all(|scope| refused(metrics, *scope))
    });
    for scope in tables {
        assert_eq!(metrics.value("moored_observation_complete", &[("scope", scope)]), Some(0.0));
        assert_eq!(metrics.value("moored_observation_last_success_timestamp_seconds", &[("scope", scope)]), None);
    }
    let denied = [("service", "dynamodb"), ("outcome", "denied")];
    assert!(metrics.sum("moored_api_requests_total", &denied) >= 2.0);
    platform.run_tasks(MAIN, "api", 1);
    daemon.until("drift elsewhere is found all the same", |metrics| open(metrics) == Some(false));

    platform.heal();
    daemon.settled();
}

#[test]
fn in_another_account_it_keeps_running_and_says_mismatch() {
    let platform = Platform::new("mismatch");
    platform.delete_worker();
    let cloud = platform.served_to_a_stranger();
    let daemon = Daemon::over(&platform.desired_state(), &cloud, &[]);
    let mismatch = [("environment", "production"), ("account", MAIN), ("state", "mismatch")];
    let metrics = daemon.until("the mismatch is seen", |metrics| {
        metrics.value("moored_identity", &mismatch) == Some(1.0) && failures(metrics, "ecs_cluster/111122223333") >= 2.0
    });
    assert_eq!(metrics.sum("moored_drift", &[]), 0.0, "nothing read there is believed: {}", metrics.text);
    let reason = [("reason", "identity_mismatch")];
    assert!(metrics.sum("moored_observation_failures_total", &reason) >= 2.0);
    assert_eq!(daemon.ask("/readyz").map(|answer| answer.status), Some(200));
}
