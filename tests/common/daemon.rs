//! A `moored run` that ends with its test, and a plain HTTP client to ask it.
//!
//! Decides nothing about what it should say. It listens on ports that the system chooses and tells
//! where in its log, so that tests never fight for one.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::exposition::Metrics;
use super::platform::Platform;
use super::{PATIENCE, command, text};

/// What an HTTP server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {}", self.body))
    }
}

/// Sends one request with exactly these headers and reads to the end of the connection.
pub fn exchange(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// A GET by the name that a browser on this machine would use.
#[track_caller]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    exchange(address, "GET", path, &[("Host", "127.0.0.1")]).unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

/// The labels of a finding's series.
pub const fn finding<'a>(kind: &'a str, name: &'a str, drift: &'a str) -> [(&'static str, &'a str); 4] {
    [("environment", "production"), ("kind", kind), ("name", name), ("drift", drift)]
}

/// A running daemon.
pub struct Daemon {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    metrics: SocketAddr,
}

impl Daemon {
    /// Watches the platform with its manifests; `more` are further arguments.
    pub fn start(platform: &Platform, more: &[&str]) -> Self {
        Self::over(&platform.desired_state(), &platform.url, more)
    }

    /// Watches a cloud with these manifests, and waits until it serves.
    pub fn over(root: &Path, cloud: &str, more: &[&str]) -> Self {
        let mut command = command();
        command.args(["run", "--desired-state", text(root), "--cloud", cloud]);
        command.args(["--metrics-listen", "127.0.0.1:0", "--resync", "1s", "--log-format", "json"]).args(more);
        Self::launch(command)
    }

    /// Runs a command that is a daemon with a JSON log, and waits until it serves.
    pub fn launch(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = Arc::default();
        let stdout = follow(child.stdout.take().expect("stdout is a pipe"), &log);
        let stderr = follow(child.stderr.take().expect("stderr is a pipe"), &log);
        let metrics = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut daemon = Self { child, log, readers: vec![stdout, stderr], metrics };
        daemon.metrics = daemon.address("--metrics-listen");
        daemon.wait_for("readiness", |daemon| {
            daemon.ask("/readyz").is_some_and(|answer| answer.status == 200).then_some(())
        });
        daemon
    }

    /// Where the listener of this flag is.
    pub fn address(&mut self, flag: &str) -> SocketAddr {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.events("listening").into_iter().find(|line| line["flag"] == flag);
            if let Some(address) = told.as_ref().and_then(|line| line["address"].as_str()) {
                return address.parse().expect("the log tells an address");
            }
            let ended = self.child.try_wait().expect("the process can be waited for");
            assert!(ended.is_none() && Instant::now() < deadline, "{flag} is not served ({ended:?}):\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its metrics are.
    pub fn url(&self) -> String {
        format!("http://{}", self.metrics)
    }

    /// The answer of the metrics listener, if there is one.
    pub fn ask(&self, path: &str) -> Option<Answer> {
        exchange(self.metrics, "GET", path, &[("Host", "127.0.0.1")]).ok()
    }

    /// A scrape.
    pub fn scrape(&self) -> Option<Metrics> {
        self.ask("/metrics").filter(|answer| answer.status == 200).map(|answer| Metrics::parse(&answer.body))
    }

    /// Scrapes until this is so; the scrape.
    #[track_caller]
    pub fn until(&self, what: &str, mut is_so: impl FnMut(&Metrics) -> bool) -> Metrics {
        let mut last = None;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(metrics) = self.scrape() {
                if is_so(&metrics) {
                    return metrics;
                }
                last = Some(metrics);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let scrape = last.map(|metrics| metrics.text).unwrap_or_default();
        panic!("waited in vain: {what}\n{scrape}\n{}", self.log())
    }

    /// Waits until every scope was read whole, and nothing is unknown.
    #[track_caller]
    pub fn settled(&self) -> Metrics {
        self.until("everything is read", |metrics| {
            let complete = metrics.all("moored_observation_complete", &[]);
            let unknown = metrics.sum("moored_resources", &[("state", "unknown")]);
            !complete.is_empty() && complete.iter().all(|(_, value)| *value == 1.0) && unknown == 0.0
        })
    }

    /// Waits until there is an answer; fails with the log.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, mut probe: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(found) = probe(self) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("waited in vain: {what}\n{}", self.log())
    }

    /// All that it has printed.
    pub fn log(&self) -> String {
        self.lines().join("\n")
    }

    /// The log's lines of one event.
    pub fn events(&self, event: &str) -> Vec<Value> {
        let lines = self.lines();
        let parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        parsed.filter(|line| line["event"] == event).collect()
    }

    /// The log's lines of one event, as soon as there are so many.
    #[track_caller]
    pub fn logged(&self, event: &str, count: usize) -> Vec<Value> {
        self.wait_for(event, |daemon| Some(daemon.events(event)).filter(|lines| lines.len() >= count))
    }

    fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        // The shell's own `kill` is everywhere, and needs no unsafe code here.
        let line = format!("kill -{name} {}", self.child.id());
        let status = std::process::Command::new("sh").args(["-c", &line]).status();
        assert!(status.is_ok_and(|status| status.success()), "{line}");
    }

    /// Waits for its end: how it ended, and how long that took.
    pub fn ended(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                let took = began.elapsed();
                // Its last words, too.
                self.readers.drain(..).for_each(|reader| reader.join().expect("the log is read"));
                return (status, took);
            }
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process can be waited for");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps the lines of a pipe, so that it never fills up.
fn follow(pipe: impl Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let log = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).into_owned();
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}
