//! Five thousand apps of one organisation, each with a binding and a route: what evaluating them
//! takes, whole and after one changed app; what a steady pass over loopback takes; and how much memory
//! the real daemon holds. Prints a table, then lets criterion measure the evaluation.
//!
//! `cargo bench --bench cloudfoundry`. The daemon signs in as an auditor: as a role that reads
//! secrets it would take minutes to read 5,000 manifests at its pace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_types::app_name::AppName;
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::{SignedDuration, Timestamp};
use moored::aws::budget::Budgets;
use moored::aws::intercept::Requests;
use moored::aws::session::{SessionOptions, Sessions};
use moored::clock::Clock;
use moored::core::evaluate::{Input, evaluate};
use moored::core::identity::{ScopeKey, ScopeKind};
use moored::core::memory::Memory;
use moored::core::redact::Redactor;
use moored::core::report::Report;
use moored::engine::reader::{self, Outside, Shared};
use moored::engine::roots::Roots;
use moored::engine::watch::Watch;
use moored::scopes::{self, Reader};
use moored::sim::cloudfoundry::{AppPlan, Foundation};
use moored::sim::wire::{Cloud, connector, server};
use moored::sim::world::World;
use tokio::runtime::Runtime;

const APPS: usize = 5_000;
const HOST: &str = "api.example.com";
/// A pass reads so many manifests at most: after these, all are read.
const COLD: usize = 7;
const STEADY: usize = 10;
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

fn foundation(now: Timestamp) -> Foundation {
    let made = now.checked_sub(SignedDuration::from_hours(24)).unwrap();
    let mut foundation = Foundation::new(HOST, made);
    foundation.add_client("reader", "simulated", &["cloud_controller.admin_read_only"]);
    foundation.add_client("auditor", "simulated", &["cloud_controller.global_auditor"]);
    foundation.add_stack("cflinuxfs4");
    foundation.add_buildpack("ruby_buildpack", Some("cflinuxfs4"), "ruby_buildpack-cached-cflinuxfs4-v1.10.7.zip");
    foundation.add_domain("example.com");
    for space in 0..APPS.div_ceil(100) {
        foundation.create_service_instance("gds", &format!("space-{space}"), "store", None, made);
    }
    for number in 0..APPS {
        let mut plan = AppPlan::new(&format!("app-{number}"));
        plan.env.insert("LOG_LEVEL".to_owned(), "info".to_owned());
        plan.services = vec!["store".to_owned()];
        plan.routes = vec![format!("app-{number}.example.com")];
        let app = foundation.push("gds", &format!("space-{}", number / 100), &plan, made);
        foundation.restart(&app, made.checked_add(MINUTE).unwrap());
    }
    foundation
}

fn write(folder: &Path, client: &str) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    let environment = format!(
        "apiVersion: moored.dev/v1\nkind: Environment\nmetadata: {{name: production}}\nspec:\n  class: production\n  \
         cloudFoundry:\n    api: https://{HOST}\n    organizations: {{gds: {{}}}}\n    \
         auth: {{clientId: {client}, clientSecretFile: /nowhere/secret}}\n"
    );
    std::fs::write(folder.join("environment.yaml"), environment).unwrap();
    for file in 0..APPS.div_ceil(1000) {
        let mut documents = String::new();
        for number in file * 1000..APPS.min((file + 1) * 1000) {
            write!(
                documents,
                "---\napiVersion: moored.dev/v1\nkind: App\nmetadata: {{name: app-{number}, environments: [production]}}\n\
                 spec:\n  space: space-{}\n  application:\n    instances: 1\n    memory: 1G\n    \
                 env: {{LOG_LEVEL: info}}\n    services: [store]\n    routes: [{{route: app-{number}.example.com}}]\n",
                number / 100
            )
            .unwrap();
        }
        std::fs::write(folder.join(format!("apps-{file}.yaml")), documents).unwrap();
    }
}

/// moored in this process, with readers that remember.
struct Observer {
    watch: Watch,
    shared: Arc<Shared>,
    readers: BTreeMap<ScopeKey, Reader>,
    clock: Clock,
}

impl Observer {
    fn new(folder: &Path, cloud: &Cloud, url: &str, clock: &Clock) -> Self {
        let redactor = Arc::new(Redactor::new(&[7; 32]));
        let loaded = Roots::new(vec![folder.to_owned()]).load(&redactor, clock.now());
        let refused: String = loaded.rejected.iter().map(|rejected| rejected.render(false)).collect();
        assert!(refused.is_empty(), "{refused}");
        let sessions = Sessions::new(SessionOptions {
            cloud: Some("http://127.0.0.1:1".to_owned()),
            home_account: None,
            clock: clock.clone(),
            http_client: Some(connector::in_process(cloud.clone())),
            requests: Requests::default(),
            user_agent: AppName::new("moored-bench").unwrap(),
        });
        let outside = Outside::new(Some(url.to_owned()), None, clock, &redactor, &Requests::default()).unwrap();
        let budgets = Arc::new(Budgets::new(clock.clone()));
        let age = Duration::from_secs(600);
        let shared = Arc::new(Shared::new(sessions, outside, budgets, clock.clone(), redactor, true, age));
        let mut watch = Watch::new(Memory::default(), None);
        watch.patient = true;
        watch.declare(loaded.desired.unwrap());
        Self { watch, shared, readers: BTreeMap::new(), clock: clock.clone() }
    }

    async fn pass(&mut self) {
        self.clock.jump(MINUTE);
        let scopes: Vec<ScopeKey> = self.watch.index.scopes.keys().cloned().collect();
        for key in scopes {
            let reader = self.readers.remove(&key).unwrap_or_else(|| scopes::open(&key));
            let (asks, access) = (self.watch.asks(&key), self.watch.access(&key).unwrap());
            let mut done = reader::read(self.shared.clone(), key.clone(), access, asks, reader).await;
            self.watch.observe(&mut done, Duration::ZERO, self.clock.now());
            if let Some(reader) = done.reader.take() {
                self.readers.insert(key, reader);
            }
        }
        self.watch.evaluate(self.clock.now());
    }
}

/// The median of some times.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn benches(criterion: &mut Criterion) {
    let folder = std::env::temp_dir().join(format!("moored-bench-cf-{}", std::process::id()));
    write(&folder, "reader");
    let clock = Clock::stopped("2026-11-20T10:00:00Z".parse().unwrap());
    let ticking = clock.clone();
    let cloud = Cloud::new(World::default(), move || ticking.now(), 7);
    cloud.add_foundation(foundation(clock.now()));
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(server::spawn(cloud.clone())).unwrap();
    let mut observer = Observer::new(&folder, &cloud, &server.url, &clock);
    let began = Instant::now();
    for _ in 0..COLD {
        runtime.block_on(observer.pass());
    }
    let cold = began.elapsed();
    let snapshot = observer.watch.snapshot().unwrap();
    let summary = Report::new(&snapshot, &observer.watch.index, &Default::default(), clock.now()).summary;
    assert_eq!((summary.in_sync, summary.resources), (2 * APPS as u32, 2 * APPS as u32), "{summary:?}");
    let steady = median(
        (0..STEADY)
            .map(|_| {
                let began = Instant::now();
                runtime.block_on(observer.pass());
                began.elapsed()
            })
            .collect(),
    );

    let now = clock.now();
    let (identities, empty) = (BTreeMap::new(), Memory::default());
    let watch = &observer.watch;
    let input = Input {
        desired: &watch.desired,
        index: &watch.index,
        observations: &watch.observations,
        identities: &identities,
        memory: &empty,
        holds: &[],
        now,
        patient: true,
    };
    let all: BTreeSet<ScopeKey> = watch.index.scopes.keys().cloned().collect();
    let whole = evaluate(&input, None, &all);
    let input = Input { memory: &whole.memory, ..input };
    let again = evaluate(&input, Some(&whole), &all);
    let one: BTreeSet<ScopeKey> = all.iter().filter(|key| key.kind == ScopeKind::CfOrganization).cloned().collect();
    let timed = |previous| {
        let times = (0..STEADY).map(|_| {
            let began = Instant::now();
            let evaluation = evaluate(&input, previous, &one);
            let took = began.elapsed();
            drop(evaluation);
            took
        });
        median(times.collect())
    };
    let (from_nothing, after_one) = (timed(None), timed(Some(&again)));
    let (rss, in_daemon) = daemon(&runtime);
    println!("| what | measured | aim |\n| --- | --- | --- |");
    println!("| {COLD} cold passes with {APPS} manifests | {cold:.2?} | |");
    println!("| evaluate, whole | {from_nothing:.1?} | 150 ms |");
    println!("| evaluate after one changed app | {after_one:.1?} | 150 ms |");
    println!("| steady pass over loopback, evaluation included | {steady:.2?} | 1.5 s |");
    println!("| the same in the daemon, reading alone | {in_daemon:.2} s | 1.5 s |");
    println!("| RSS of the daemon, read every 15 s | {:.0} MiB | 128 MiB |", rss / 1_048_576.0);

    criterion.bench_function(&format!("evaluate {APPS} apps, whole"), |bench| {
        bench.iter(|| evaluate(&input, None, &all));
    });
    criterion.bench_function(&format!("evaluate {APPS} apps after one changed"), |bench| {
        bench.iter(|| evaluate(&input, Some(&again), &one));
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Memory of the real daemon in bytes, and how long its readings take in seconds.
fn daemon(runtime: &Runtime) -> (f64, f64) {
    let folder = std::env::temp_dir().join(format!("moored-bench-cf-daemon-{}", std::process::id()));
    write(&folder, "auditor");
    let clock = Clock::wall();
    let ticking = clock.clone();
    let cloud = Cloud::new(World::default(), move || ticking.now(), 7);
    cloud.add_foundation(foundation(clock.now()));
    let server = runtime.block_on(server::spawn(cloud)).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let child = Command::new(env!("CARGO_BIN_EXE_moored"))
        .args(["run", "--resync", "15s", "--cloud", &server.url, "--metrics-listen", &listen, "--desired-state"])
        .arg(&folder)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon(child);
    let began = Instant::now();
    let resources = 2 * APPS;
    while get(port).is_none_or(|text| sum(&text, "moored_resources{", "state=\"in_sync\"") as usize != resources) {
        assert!(began.elapsed() < Duration::from_secs(120), "not in sync after two minutes");
        std::thread::sleep(Duration::from_millis(100));
    }
    // Several passes, and a rest after the last one.
    std::thread::sleep(Duration::from_secs(55));
    let text = get(port).unwrap();
    drop(daemon);
    std::fs::remove_dir_all(&folder).unwrap();
    (
        sum(&text, "process_resident_memory_bytes", ""),
        sum(&text, "moored_observation_duration_seconds{", "cf_organization"),
    )
}

fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(answer)
}

/// The sum of all samples of a metric that carry these labels.
fn sum(text: &str, metric: &str, labels: &str) -> f64 {
    text.lines()
        .filter(|line| line.starts_with(metric) && line.contains(labels))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

criterion_group! {
    name = cloudfoundry;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(8));
    targets = benches
}
criterion_main!(cloudfoundry);
