//! The real daemon against the simulated cloud over loopback: calls, CPU, memory and scrape time,
//! read from outside (its own process metrics). Prints a table; run it with `make bench`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, clippy::disallowed_methods)]

mod platform;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use moored::sim::wire::server;
use moored::sim::world::faults::{Effect, Match, Rule};
use platform::Size;

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(answer)
}

/// CPU seconds of a process so far (`/proc/PID/stat`, in ticks of 10 ms).
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (after_name[11].parse::<f64>().unwrap() + after_name[12].parse::<f64>().unwrap()) / 100.0
}

/// The sum of all samples of a metric that carry these labels.
fn sum(text: &str, metric: &str, labels: &str) -> f64 {
    text.lines()
        .filter(|line| line.starts_with(metric) && line.contains(labels))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// One platform: how big it is, how often it is read, and how long the cloud takes for each answer.
struct Course {
    total: usize,
    resync: Duration,
    latency: Duration,
    watched: Duration,
}

/// The largest sample of a metric.
fn largest(text: &str, metric: &str) -> f64 {
    let samples = text.lines().filter(|line| line.starts_with(metric));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).fold(0.0, f64::max)
}

fn measure(course: &Course) {
    let total = course.total;
    let size = Size::of(total);
    let folder = platform::folder(total);
    platform::write(size, &folder);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cloud = platform::cloud(size);
    let millis = course.latency.as_millis() as u64;
    if millis > 0 {
        cloud.with_world(|world| world.faults.add(Rule::always(Match::default(), Effect::Slow { millis })));
    }
    let running = runtime.block_on(server::spawn(cloud)).unwrap();
    let state = folder.with_extension("db");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(env!("CARGO_BIN_EXE_moored"))
        .args([
            "run",
            "--resync",
            &format!("{}s", course.resync.as_secs()),
            "--state",
            state.to_str().unwrap(),
            "--cloud",
            &running.url,
            "--metrics-listen",
            &format!("127.0.0.1:{port}"),
            "--desired-state",
        ])
        .arg(&folder)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon(child);
    let started = Instant::now();
    let in_sync = |text: &str| sum(text, "moored_resources{", "state=\"in_sync\"") as usize;
    let first = loop {
        assert!(started.elapsed() < Duration::from_secs(300), "not in sync after five minutes");
        match get(port, "/metrics").filter(|text| in_sync(text) == total) {
            Some(text) => break text,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let cold = started.elapsed();
    let cpu_before = cpu_seconds(daemon.0.id());
    std::thread::sleep(course.watched);
    let cpu_used = cpu_seconds(daemon.0.id()) - cpu_before;
    let last = get(port, "/metrics").unwrap();
    let passes = (sum(&last, "moored_api_requests_total{", "DescribeClusters")
        - sum(&first, "moored_api_requests_total{", "DescribeClusters"))
        / size.clusters as f64;
    let cpu = cpu_used / passes;
    let calls = (sum(&last, "moored_api_requests_total{", "") - sum(&first, "moored_api_requests_total{", "")) / passes;
    let per_cluster = size.services.div_ceil(size.clusters);
    let floor = size.clusters * (1 + per_cluster.div_ceil(10))
        + size.zones * (1 + size.records.div_ceil(size.zones).div_ceil(300))
        + size.items.div_ceil(100)
        + 2;
    let mut scrapes: Vec<Duration> = (0..50)
        .map(|_| {
            let at = Instant::now();
            get(port, "/metrics").unwrap();
            at.elapsed()
        })
        .collect();
    scrapes.sort();
    // Scopes are read beside each other: the longest chain of pages is what no pass can beat.
    let chain = (1 + per_cluster.div_ceil(10)).max(1 + size.records.div_ceil(size.zones).div_ceil(300));
    let wall = largest(&last, "moored_observation_duration_seconds{");
    let slowest = match millis {
        0 => format!("{wall:.2} s"),
        _ => format!("{wall:.2} s = {:.2} x", wall / (chain as f64 * course.latency.as_secs_f64())),
    };
    println!(
        "| {total} | {millis} ms | {cold:.1?} | {calls:.0} | {floor} | {:.2} | {slowest} | {cpu:.3} s | {:.0} MiB | {} KiB | {:.2?} |",
        calls / floor as f64,
        sum(&last, "process_resident_memory_bytes", "") / 1048576.0,
        last.len() / 1024,
        scrapes[scrapes.len() / 2],
    );
    drop(daemon);
    std::fs::remove_dir_all(&folder).unwrap();
    for suffix in ["", "-wal", "-shm", ".lock", ".key"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", state.display()));
    }
}

fn main() {
    // `cargo test --benches` and criterion's filters have no meaning here.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!(
        "| resources | latency | first pass | calls a pass | paging floor | ratio | slowest scope | CPU a pass | RSS | scrape size | scrape median |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    // `cargo bench --bench pass -- 100000` measures that size alone.
    let asked: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let seconds = Duration::from_secs;
    for (total, resync, latency, watched) in
        [(2_000, 2, 0, 20), (2_000, 2, 30, 20), (10_000, 2, 0, 20), (100_000, 60, 0, 150)]
    {
        if !asked.is_empty() && !asked.contains(&total) {
            continue;
        }
        let latency = Duration::from_millis(latency);
        measure(&Course { total, resync: seconds(resync), latency, watched: seconds(watched) });
    }
}
