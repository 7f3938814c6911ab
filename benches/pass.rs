//! The real daemon against the simulated cloud over loopback: calls, CPU, memory and scrape time,
//! read from outside (its own process metrics). Prints a table; run it with `make bench`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, clippy::disallowed_methods)]

mod platform;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use moored::sim::wire::server;
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

fn measure(total: usize) {
    let size = Size::of(total);
    let folder = platform::folder(total);
    platform::write(size, &folder);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = runtime.block_on(server::spawn(platform::cloud(size))).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(env!("CARGO_BIN_EXE_moored"))
        .args([
            "run",
            "--resync",
            "2s",
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
        assert!(started.elapsed() < Duration::from_secs(120), "not in sync after two minutes");
        match get(port, "/metrics").filter(|text| in_sync(text) == total) {
            Some(text) => break text,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let cold = started.elapsed();
    let cpu_before = cpu_seconds(daemon.0.id());
    std::thread::sleep(Duration::from_secs(20));
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
    println!(
        "| {total} | {cold:.1?} | {calls:.0} | {floor} | {:.2} | {cpu:.3} s | {:.0} MiB | {} KiB | {:.2?} |",
        calls / floor as f64,
        sum(&last, "process_resident_memory_bytes", "") / 1048576.0,
        last.len() / 1024,
        scrapes[scrapes.len() / 2],
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

fn main() {
    // `cargo test --benches` and criterion's filters have no meaning here.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!(
        "| resources | first pass | calls a pass | paging floor | ratio | CPU a pass | RSS | scrape size | scrape median |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for total in [2_000, 10_000] {
        measure(total);
    }
}
