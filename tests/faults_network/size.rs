//! F46, F49 and F50: a hundred thousand resources, things that come and go, and a process that may
//! open few files.
//!
//! These run in debug builds beside other tests, so that they look at sizes, counts and growth. The
//! row's seconds and bytes at 100,000 are measured by `make bench` (docs/performance.md).

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_types::app_name::AppName;
use jiff::{SignedDuration, Timestamp};
use moored::aws::budget::Budgets;
use moored::aws::intercept::Requests;
use moored::aws::session::{SessionOptions, Sessions};
use moored::clock::Clock;
use moored::core::memory::Memory;
use moored::engine::pass;
use moored::engine::reader::{Outside, Shared};
use moored::engine::watch::Watch;
use moored::serve::metrics::{self, ShellMetrics};
use moored::sim::wire::{Cloud, connector, server};
use moored::sim::world::route53::RecordSet;
use moored::sim::world::{Caller, World, dynamodb, ecs};
use serde_json::json;
use tokio::runtime::Runtime;

use super::direct::runtime;
use crate::common::daemon::Daemon;
use crate::common::exposition::Metrics;
use crate::common::{Scratch, command, text};
use crate::generated::{self, ACCOUNT, REGION, Size};

/// The cap on findings that have series of their own.
const CAP: usize = 5_000;

/// A generated platform that is read in process, pass by pass.
struct Generated {
    cloud: Cloud,
    shared: Arc<Shared>,
    watch: Watch,
    runtime: Runtime,
    _scratch: Scratch,
}

impl Generated {
    fn new(name: &str, size: Size, world: World) -> Self {
        let scratch = Scratch::new(name);
        generated::write(size, scratch.path());
        let redactor = generated::redactor();
        let desired = generated::desired(scratch.path(), &redactor);
        let clock = Clock::wall();
        let time = clock.clone();
        let cloud = Cloud::new(world, move || time.now(), 7);
        let sessions = Sessions::new(SessionOptions {
            cloud: Some("http://127.0.0.1:9".to_owned()),
            home_account: None,
            clock: clock.clone(),
            http_client: Some(connector::in_process(cloud.clone())),
            requests: Requests::default(),
            user_agent: AppName::new("moored-test").unwrap(),
        });
        let budgets = Arc::new(Budgets::new(clock.clone()));
        budgets.declare(desired.environments.values().flat_map(|environment| environment.accounts.values()));
        let outside =
            Outside::new(Some("http://127.0.0.1:1".to_owned()), None, &clock, &redactor, &Requests::default()).unwrap();
        let shared = Arc::new(Shared::new(sessions, outside, budgets, clock, redactor, true, Duration::from_secs(600)));
        let mut watch = Watch::new(Memory::default(), None);
        watch.declare(desired);
        Self { cloud, shared, watch, runtime: runtime(), _scratch: scratch }
    }

    /// Reads everything once; what is then published.
    fn pass(&mut self) -> Metrics {
        self.runtime.block_on(pass::pass(&mut self.watch, &self.shared, |_| true, |_, _, _| {}));
        let snapshot = self.watch.snapshot().unwrap();
        Metrics::parse(&metrics::render(&snapshot, &self.watch.index, &ShellMetrics::default()))
    }

    /// How long it takes to judge everything that was read, with nothing judged before: the best of three.
    fn judging(&self) -> Duration {
        let judge = || {
            let mut fresh = Watch::new(Memory::default(), None);
            fresh.declare((*self.watch.desired).clone());
            fresh.observations = self.watch.observations.clone();
            fresh.identities = self.watch.identities.clone();
            let began = Instant::now();
            let snapshot = fresh.evaluate(Clock::wall().now());
            let took = began.elapsed();
            assert_eq!(snapshot.findings.len(), self.watch.snapshot().unwrap().findings.len());
            took
        };
        (0..3).map(|_| judge()).min().unwrap()
    }
}

fn long_ago() -> Timestamp {
    Clock::wall().now() - SignedDuration::from_hours(1)
}

/// Lets every tenth of each kind drift; how many that are.
fn spoil(world: &mut World, size: Size, made: Timestamp) -> usize {
    let human = Caller::root(ACCOUNT, REGION);
    let tenths = |count: usize| (0..count).step_by(10);
    for at in tenths(size.services) {
        let cluster = format!("cluster-{}", at % size.clusters);
        ecs::of(world, &human).put_running_service(&human, &cluster, &format!("service-{at}"), 1, "app", made);
    }
    for at in tenths(size.records) {
        let zone = at % size.zones;
        let record = RecordSet::simple(&format!("r{at}.zone-{zone}.example.com"), "A", 300, &["192.0.2.1"]);
        world.route53.get_mut(ACCOUNT).unwrap().put_record(&format!("Z{zone}"), record).unwrap();
    }
    for at in tenths(size.items) {
        let item = json!({ "name": { "S": format!("item-{at}") }, "mode": { "S": "slow" } });
        dynamodb::of(world, &human).put_item("settings", item).unwrap();
    }
    [size.services, size.records, size.items].into_iter().map(|count| tenths(count).count()).sum()
}

#[test]
fn f46_the_work_and_the_scrape_grow_no_faster_than_the_platform() {
    let measured = [2_000, 8_000].map(|total| {
        let (size, made) = (Size::of(total), long_ago());
        let mut world = generated::world(size, made);
        let spoiled = spoil(&mut world, size, made);
        let mut platform = Generated::new("grow", size, world);
        let metrics = platform.pass();
        let count = |state| metrics.sum("moored_resources", &[("state", state)]) as usize;
        assert_eq!((count("drifted"), count("unknown")), (spoiled, 0), "of {total}");
        assert_eq!(count("in_sync"), total - spoiled);
        let found = metrics.all("moored_drift", &[]).into_iter();
        let found: BTreeSet<_> = found.map(|(labels, _)| (labels["kind"].clone(), labels["name"].clone())).collect();
        assert_eq!(found.len(), spoiled);
        let snapshot = platform.watch.snapshot().unwrap();
        let began = Instant::now();
        metrics::render(&snapshot, &platform.watch.index, &ShellMetrics::default());
        let rendering = began.elapsed();
        (platform.judging(), rendering, metrics.text.len() as f64)
    });
    let [(judging, _, bytes), (judging_more, rendering, more_bytes)] = measured;
    // Four times as much: twice that in time leaves room for a busy machine; a square would be 16.
    assert!(judging_more < judging * 8, "{judging:?} for 2,000 and {judging_more:?} for 8,000");
    assert!(more_bytes < bytes * 4.5, "{bytes} bytes for 2,000 and {more_bytes} for 8,000");
    assert!(more_bytes * 12.5 < 25e6, "{more_bytes} bytes at 8,000 are too many at 100,000");
    assert!(rendering < Duration::from_secs(1), "{rendering:?}");
    assert!(judging_more < Duration::from_secs(5), "{judging_more:?}");
}

#[test]
fn f49_series_follow_what_comes_and_goes_and_never_exceed_the_cap() {
    let size = Size { services: 0, clusters: 0, records: CAP + 200, zones: 11, items: 0, balancers: 0 };
    // The zones are there; of their records, none is.
    let world = generated::world(Size { records: 0, ..size }, long_ago());
    let mut platform = Generated::new("churn", size, world);
    let name = |at: usize| format!("r{at}.zone-{}.example.com", at % size.zones);
    let series = |metrics: &Metrics| -> BTreeSet<String> {
        metrics.all("moored_drift", &[]).into_iter().map(|(labels, _)| labels["name"].clone()).collect()
    };
    let metrics = platform.pass();
    assert_eq!(series(&metrics).len(), CAP);
    assert_eq!(metrics.value("moored_findings_truncated", &[]), Some(200.0));

    // In every round a fifth of the names exists, and each time another one.
    for round in 0..5 {
        let present = |at: usize| at % 5 == round;
        platform.cloud.with_world(|world| {
            let zones = world.route53.get_mut(ACCOUNT).unwrap();
            for at in 0..size.records {
                let zone = format!("Z{}", at % size.zones);
                if present(at) {
                    zones.put_record(&zone, RecordSet::simple(&name(at), "A", 60, &["192.0.2.1"])).unwrap();
                } else {
                    zones.remove_record(&zone, &name(at), "A", None);
                }
            }
        });
        let metrics = platform.pass();
        let expected: BTreeSet<String> = (0..size.records).filter(|at| !present(*at)).map(name).collect();
        assert_eq!(series(&metrics), expected, "round {round}");
        assert_eq!(metrics.value("moored_findings_truncated", &[]), Some(0.0), "round {round}");
        // Nothing of anything that ended is left elsewhere either.
        let gone = name(round);
        assert!(!metrics.text.contains(&format!("\"{gone}\"")), "round {round}: {gone}");
    }
}

/// A scrape over a connection that stays open.
fn scrape_over(stream: &mut TcpStream) -> Option<Metrics> {
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        answer.extend_from_slice(&piece[..count]);
        let so_far = String::from_utf8_lossy(&answer);
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_ascii_lowercase().split("content-length: ").nth(1)?.lines().next()?.trim().parse::<usize>().ok()?;
        if body.len() >= length {
            return head.starts_with("HTTP/1.1 200").then(|| Metrics::parse(body));
        }
    }
}

#[test]
fn f50_a_process_that_may_open_few_files_degrades_and_never_says_half() {
    let total = 10_000;
    let (size, scratch) = (Size::of(total), Scratch::new("few-files"));
    generated::write(size, &scratch.file("desired-state"));
    let runtime = runtime();
    let served = runtime.block_on(server::spawn(generated::cloud(size))).unwrap();
    let mut limited = std::process::Command::new("sh");
    limited.env_clear().envs(command().get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_moored"), "run"]);
    limited.args(["--desired-state", text(&scratch.file("desired-state")), "--cloud", &served.url]);
    limited.args(["--metrics-listen", "127.0.0.1:0", "--resync", "5s", "--log-format", "json"]);
    let mut daemon = Daemon::launch(limited);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("64"), "{files}");

    // Before it has read anything, visitors take every file that it may still open. One of them asks.
    let address: SocketAddr = daemon.address("--metrics-listen");
    let mut visitor = TcpStream::connect(address).unwrap();
    visitor.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let visitors: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(address).unwrap()).collect();
    let never_half = |metrics: &Metrics| {
        let count = |state| metrics.sum("moored_resources", &[("state", state)]) as usize;
        assert_eq!(metrics.sum("moored_drift", &[]), 0.0, "something is called drifted");
        assert_eq!(count("in_sync") + count("unknown") + count("converging"), total, "{}", daemon.log());
        count("unknown")
    };
    let struck = |daemon: &Daemon| {
        let said = daemon.events("scope_failed");
        said.iter().any(|line| line["detail"].as_str().unwrap_or_default().contains("Too many open files"))
    };
    let began = Instant::now();
    while !struck(&daemon) && began.elapsed() < Duration::from_secs(30) {
        if let Some(metrics) = scrape_over(&mut visitor) {
            assert!(never_half(&metrics) > 0, "everything was read without files to read it through");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(struck(&daemon), "it never ran out of files:\n{}", daemon.log());
    drop((visitors, visitor));
    let metrics = daemon.until("all is read", |metrics| never_half(metrics) == 0);
    assert_eq!(metrics.sum("moored_resources", &[("state", "in_sync")]) as usize, total);
    assert_eq!(metrics.value("moored_panics_total", &[]), Some(0.0));
    let resident = metrics.value("process_resident_memory_bytes", &[]).unwrap();
    assert!(resident < 256.0 * 1024.0 * 1024.0, "{resident} bytes");
}
