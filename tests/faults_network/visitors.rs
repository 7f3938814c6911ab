//! F51, visitors: scrapers without pause, and connections that never finish a request, cost neither
//! the readings their pace nor the next honest scraper its answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use moored::sim::world::Service;

use crate::common::daemon::{Daemon, exchange};
use crate::common::platform::Platform;

/// Connections at a time on one listener.
const CAP: usize = 64;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// The mean and the longest time between two readings of the zone in a stretch of time, in seconds.
fn pace(platform: &Platform, stretch: Duration) -> (f64, f64) {
    platform.cloud.reset_calls();
    std::thread::sleep(stretch);
    let calls = platform.cloud.calls();
    let zone =
        calls.iter().filter(|call| call.service == Service::Route53 && call.operation == "ListResourceRecordSets");
    let times: Vec<f64> = zone.map(|call| call.at.as_millisecond() as f64 / 1000.0).collect();
    let gaps: Vec<f64> = times.iter().zip(times.iter().skip(1)).map(|(one, next)| next - one).collect();
    assert!(gaps.len() >= 3, "the zone is not read: {times:?}");
    (gaps.iter().sum::<f64>() / gaps.len() as f64, gaps.iter().copied().fold(0.0, f64::max))
}

/// How many sockets a process has open.
fn sockets(pid: u32) -> usize {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(Result::ok);
    let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

fn address(daemon: &Daemon) -> SocketAddr {
    daemon.url().trim_start_matches("http://").parse().unwrap()
}

#[test]
fn f51_scrapers_without_pause_do_not_slow_the_readings() {
    let platform = Platform::new("scrapers");
    let daemon = Daemon::start(&platform, &[]);
    daemon.settled();
    let (calm, _) = pace(&platform, Duration::from_secs(5));
    let (stop, answers, address) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), address(&daemon));
    let scraper = || {
        let (stop, answers) = (stop.clone(), answers.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let answer = exchange(address, "GET", "/metrics", &[("Host", "127.0.0.1")]);
                assert_eq!(answer.expect("an answer").status, 200);
                answers.fetch_add(1, Ordering::SeqCst);
                // A hundredth of Prometheus's usual pause.
                std::thread::sleep(Duration::from_millis(150));
            }
        })
    };
    let scrapers: Vec<JoinHandle<()>> = (0..50).map(|_| scraper()).collect();
    let (busy, longest) = pace(&platform, Duration::from_secs(6));
    stop.store(true, Ordering::SeqCst);
    scrapers.into_iter().for_each(|scraper| scraper.join().unwrap());
    assert!(answers.load(Ordering::SeqCst) > 200, "{answers:?} answers are no storm");
    // A tenth of the usual cycle of 60 s is 6 s; these cycles take one.
    assert!(busy < calm + 1.0, "every {calm} s in calm, every {busy} s under the storm");
    assert!(longest < 4.0, "{longest} s without a reading");
}

#[test]
fn f51_connections_that_never_finish_a_request_are_few_and_end() {
    let platform = Platform::new("slowloris");
    let daemon = Daemon::start(&platform, &[]);
    daemon.settled();
    let (address, before) = (address(&daemon), sockets(daemon.pid()));
    let began = Instant::now();
    // As many as are served and wait in the system's queue: another one would not even connect.
    let mut slow: Vec<TcpStream> = (0..160).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-").unwrap();
        stream.set_nonblocking(true).unwrap();
    }
    // A byte now and then buys none of them more time.
    let dripping = Arc::<AtomicBool>::default();
    let enough = dripping.clone();
    let drips: JoinHandle<Vec<Duration>> = std::thread::spawn(move || {
        let mut ended = Vec::new();
        while !enough.load(Ordering::SeqCst) {
            slow.retain_mut(|stream| {
                let over = match stream.read(&mut [0; 512]) {
                    Ok(count) => count == 0,
                    Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
                };
                if over {
                    ended.push(began.elapsed());
                }
                let _ = stream.write(b"x");
                !over
            });
            std::thread::sleep(Duration::from_millis(250));
        }
        ended
    });
    std::thread::sleep(Duration::from_secs(1));
    let most = sockets(daemon.pid());
    assert!(most > before + CAP / 2, "{most} sockets: nobody held a connection");
    assert!(most <= before + CAP + 8, "{most} sockets, {before} before");
    let (_, longest) = pace(&platform, Duration::from_secs(6));
    assert!(longest < 4.0, "{longest} s without a reading");
    std::thread::sleep((PATIENCE + Duration::from_secs(3)).saturating_sub(began.elapsed()));
    dripping.store(true, Ordering::SeqCst);
    let ended = drips.join().unwrap();
    let first = ended.first().copied().unwrap_or_default();
    assert!(first >= PATIENCE - Duration::from_secs(1), "the first ended after {first:?}");
    // As many as are served at once; those behind them are let in, and end, after them.
    let in_time = ended.iter().filter(|ended| **ended <= PATIENCE + Duration::from_secs(4)).count();
    assert!(
        in_time >= CAP,
        "only {in_time} of {} ended in time: {:?}",
        ended.len(),
        ended.iter().step_by(16).collect::<Vec<_>>()
    );
    // They are gone with their thread; an honest scraper has its turn.
    let metrics = daemon.until("a scrape succeeds", |_| true);
    assert_eq!(metrics.value("moored_panics_total", &[]), Some(0.0));
}
