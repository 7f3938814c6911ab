//! F52, a log that nobody reads: the pipe fills up, and the daemon goes on without it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use moored::clock::Clock;
use moored::sim::wire::{Cloud, server};
use moored::sim::world::Service;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::direct::runtime;
use crate::common::daemon::exchange;
use crate::common::exposition::Metrics;
use crate::common::{Scratch, command, eventually, text};
use crate::generated::{self, Size};

/// Findings of a cloud in which nothing is: a line of the log each.
const LINES: usize = 3_000;

/// A daemon with more to log than its pipe and its queue can hold, and nobody who reads it.
struct Unread {
    child: Child,
    log: BufReader<ChildStderr>,
    metrics: SocketAddr,
    cloud: Cloud,
    _served: server::Running,
    _runtime: Runtime,
    _scratch: Scratch,
}

impl Unread {
    fn new() -> Self {
        let size = Size { services: 0, clusters: 0, records: LINES, zones: 6, items: 0, balancers: 0 };
        let scratch = Scratch::new("unread");
        generated::write(size, scratch.path());
        let clock = Clock::wall();
        let world = generated::world(Size { records: 0, ..size }, clock.now() - SignedDuration::from_hours(1));
        let cloud = Cloud::new(world, move || clock.now(), 7);
        let runtime = runtime();
        let served = runtime.block_on(server::spawn(cloud.clone())).unwrap();
        let mut command = command();
        command.args(["run", "--desired-state", text(scratch.path()), "--cloud", &served.url]);
        command.args(["--metrics-listen", "127.0.0.1:0", "--resync", "1s", "--log-format", "json"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::with_capacity(256, child.stderr.take().unwrap());
        let metrics = loop {
            let line = next(&mut log).expect("it says where it listens");
            if line["event"] == "listening" {
                break line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        // From here on nobody reads.
        let unread = Self { child, log, metrics, cloud, _served: served, _runtime: runtime, _scratch: scratch };
        eventually("lines are dropped", || unread.dropped().filter(|count| *count > 0.0));
        unread
    }

    fn dropped(&self) -> Option<f64> {
        let answer = exchange(self.metrics, "GET", "/metrics", &[("Host", "127.0.0.1")]).ok()?;
        let metrics = (answer.status == 200).then(|| Metrics::parse(&answer.body))?;
        metrics.value("moored_log_lines_dropped_total", &[])
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line of the log; none at its end.
fn next(log: &mut BufReader<ChildStderr>) -> Option<Value> {
    let mut line = String::new();
    let count = log.read_line(&mut line).unwrap();
    (count > 0).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
}

#[test]
fn f52_while_nobody_reads_the_log_detection_goes_on_and_the_log_says_later_what_is_missing() {
    let mut unread = Unread::new();
    // The readings go on, and so do the scrapes.
    let readings = || unread.cloud.count(Service::Route53, "ListResourceRecordSets");
    let before = readings();
    eventually("two more readings of every zone", || (readings() >= before + 12).then_some(()));
    let dropped = unread.dropped().unwrap();
    assert!(dropped > 100.0 && dropped < LINES as f64, "{dropped}");

    // Somebody reads again. What was kept is whole, line by line, and the gap is told.
    let (mut opened, mut missing) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(30);
    while missing == 0 && Instant::now() < deadline {
        let line = next(&mut unread.log).expect("it goes on logging");
        opened += usize::from(line["event"] == "finding_opened");
        missing += if line["event"] == "log_lines_dropped" { line["lines"].as_u64().unwrap() } else { 0 };
    }
    assert!(missing as f64 >= dropped, "{missing} are told of, {dropped} were dropped");
    assert!(opened > 500 && opened + missing as usize >= LINES, "{opened} findings and {missing} missing lines");
}

#[test]
fn f52_a_daemon_whose_log_nobody_reads_ends_when_it_is_asked_to() {
    let mut unread = Unread::new();
    let line = format!("kill -TERM {}", unread.child.id());
    assert!(std::process::Command::new("sh").args(["-c", &line]).status().unwrap().success());
    let began = Instant::now();
    let status = eventually("it ends", || unread.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
