//! The daemon as a process: how it begins, how it ends, and whom it lets near its state.

use std::net::TcpListener;
use std::time::Duration;

use moored::sim::world::Service;
use moored::sim::world::faults::Effect;

use crate::common::daemon::{Daemon, finding};
use crate::common::platform::{MAIN, Platform};
use crate::common::{eventually, moored, text};

#[test]
fn it_is_alive_ready_and_tells_its_version() {
    let platform = Platform::new("alive");
    let daemon = Daemon::start(&platform, &[]);
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = daemon.ask(path).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{path}");
    }
    let metrics = daemon.scrape().unwrap();
    assert_eq!(metrics.value("moored_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
    assert_eq!(metrics.value("moored_panics_total", &[]), Some(0.0));

    let url = daemon.url();
    moored(["health", "--url", &url]).exits(0).says(&["ok"]);
    moored(["health", "--url", &url, "--ready"]).exits(0).says(&["ready"]);
    daemon.kill();
    let dead = moored(["health", "--url", &url]).exits(1).complains_in_one_line();
    dead.complains(&["no answer from", "is the daemon running"]);
}

#[test]
fn it_ends_with_0_when_asked_to() {
    for signal in ["TERM", "INT"] {
        let platform = Platform::new("ends");
        let mut daemon = Daemon::start(&platform, &[]);
        daemon.signal(signal);
        let (status, took) = daemon.ended();
        assert_eq!(status.code(), Some(0), "{signal}: {}", daemon.log());
        assert!(took < Duration::from_secs(10), "{signal}: {took:?}");
    }
}

#[test]
fn it_ends_in_time_even_while_a_scope_hangs_and_keeps_its_findings() {
    let platform = Platform::new("hangs");
    let state = platform.scratch.file("moored.db");
    platform.run_tasks(MAIN, "api", 1);
    let mut daemon = Daemon::start(&platform, &["--state", text(&state)]);
    let changed = finding("EcsService", "api", "changed");
    daemon.until("the drift is found", |metrics| metrics.value("moored_drift", &changed) == Some(1.0));
    platform.fault(Service::Ecs, None, Effect::Timeout);
    let hanging = || platform.cloud.calls().iter().any(|call| call.outcome == "timeout");
    eventually("a reading hangs", || hanging().then_some(()));
    daemon.signal("TERM");
    let (status, took) = daemon.ended();
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(took < Duration::from_secs(10), "{took:?}");
    moored(["history", "--state", text(&state)]).exits(0).says(&["open", "changed", "api"]);
}

#[test]
fn a_hanging_scope_delays_no_other() {
    let platform = Platform::new("hangs-alone");
    platform.fault(Service::DynamoDb, None, Effect::Timeout);
    let daemon = Daemon::start(&platform, &[]);
    platform.run_tasks(MAIN, "api", 1);
    let changed = finding("EcsService", "api", "changed");
    daemon.until("drift in another scope is found", |metrics| metrics.value("moored_drift", &changed) == Some(1.0));
}

#[test]
fn a_port_that_is_taken_is_1_with_a_hint() {
    let platform = Platform::new("port");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = platform.moored("run", &["--metrics-listen", &address]).exits(1);
    refused.complains(&["--metrics-listen", &address, "the port is taken", "is another moored running?"]);
    let refused = platform.moored("run", &["--metrics-listen", "127.0.0.1:0", "--api-listen", &address]).exits(1);
    refused.complains(&["--api-listen", "the port is taken"]);
}

#[test]
fn two_daemons_never_share_a_state_file_but_history_may_look() {
    let platform = Platform::new("shared");
    let state = platform.scratch.file("moored.db");
    let kept = ["--state", text(&state)];
    let daemon = Daemon::start(&platform, &kept);
    daemon.settled();
    let second = platform.moored("run", &[&kept[..], &["--metrics-listen", "127.0.0.1:0"][..]].concat());
    for outcome in [second, platform.check(&kept), platform.moored("show", &["EcsService/api", kept[0], kept[1]])] {
        outcome.exits(1).complains_in_one_line().complains(&["in use by another moored", text(&state)]);
    }

    platform.run_tasks(MAIN, "api", 1);
    let changed = finding("EcsService", "api", "changed");
    let metrics = daemon.until("it goes on", |metrics| metrics.value("moored_drift", &changed) == Some(1.0));
    assert_eq!(metrics.value("moored_store_healthy", &[("store", "history")]), Some(1.0));
    moored(["history", kept[0], kept[1]]).exits(0).says(&["open", "changed", "EcsService", "api"]);
}

#[test]
fn without_good_manifests_it_does_not_begin() {
    let platform = Platform::new("begin");
    platform.edit("apps.yaml", "desiredCount: 2", "desiredCoutn: 2");
    let refused = platform.moored("run", &["--metrics-listen", "127.0.0.1:0"]).exits(1);
    refused.complains(&["unknown field `desiredCoutn`", "the manifests were rejected"]);
    assert!(platform.cloud.calls().is_empty());
}
