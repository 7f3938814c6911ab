//! The observer: sees what any person or program outside the daemon can see, and nothing else.
//!
//! Asks `/metrics`, `/api/v1/report` and the command `moored check`, and understands their answers.
//! It decides nothing about what should be seen: [`super::script`] does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::stage::Stage;

/// How long an answer may take, in real time.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a whole `moored check` may take, in real time.
const CHECK_PATIENCE: Duration = Duration::from_secs(60);

/// How often a sentry looks, in real time: more often than anything could appear and vanish.
const ROUND: Duration = Duration::from_millis(150);

/// Where to look.
#[derive(Debug, Clone)]
pub struct Outside {
    client: reqwest::Client,
    metrics: String,
    api: String,
    binary: PathBuf,
    arguments: Vec<String>,
}

/// One series of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// A `DriftReport`, as JSON.
#[derive(Debug, Clone)]
pub struct Report(Value);

/// What `moored check` ended with and printed.
#[derive(Debug)]
pub struct Checked {
    /// Its exit code; none if a signal ended it.
    pub exit: Option<i32>,
    /// What it printed on stdout.
    pub stdout: String,
    /// What it printed on stderr.
    pub stderr: String,
}

impl Outside {
    /// An observer of this stage that runs this `moored`.
    pub fn new(stage: &Stage, binary: PathBuf) -> Result<Self, reqwest::Error> {
        // Connections are not kept: one that is idle would outlive a daemon that stops.
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).pool_max_idle_per_host(0).build()?;
        let desired_state = stage.desired_state.display().to_string();
        Ok(Self {
            client,
            metrics: format!("{}/metrics", stage.metrics_url()),
            api: format!("{}/api/v1/report", stage.api_url()),
            binary,
            arguments: vec!["--cloud".to_owned(), stage.cloud_url.clone(), "--desired-state".to_owned(), desired_state],
        })
    }

    /// Every series that the daemon exports now.
    pub async fn scrape(&self) -> Result<Vec<Sample>, String> {
        let text = self.get(&self.metrics).await?;
        text.lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| Sample::parse(line).ok_or_else(|| format!("the scrape holds what is no series: {line}")))
            .collect()
    }

    /// What the daemon reports now.
    pub async fn report(&self) -> Result<Report, String> {
        Report::parse(&self.get(&self.api).await?)
    }

    async fn get(&self, url: &str) -> Result<String, String> {
        let answer = self.client.get(url).send().await.map_err(|error| format!("no answer from {url}: {error}"))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("{url} answers {status}"));
        }
        answer.text().await.map_err(|error| format!("half an answer from {url}: {error}"))
    }

    /// Runs `moored check` on the cloud and the manifests of the stage, with further arguments.
    pub async fn check(&self, further: &[&str]) -> Result<Checked, String> {
        let mut command = Command::new(&self.binary);
        command.arg("check").args(&self.arguments).args(further).env("NO_COLOR", "1");
        // Settings of whoever plays the demo are not meant for this reading.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MOORED_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let running = command.output();
        let ended = tokio::time::timeout(CHECK_PATIENCE, running).await;
        let output = match ended {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(format!("cannot run {}: {error}", self.binary.display())),
            Err(_) => return Err(format!("`moored check` took longer than {}s", CHECK_PATIENCE.as_secs())),
        };
        Ok(Checked {
            exit: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl Checked {
    /// The report that it printed as JSON.
    pub fn report(&self) -> Result<Report, String> {
        Report::parse(&self.stdout).map_err(|problem| format!("{problem}; stderr: {}", self.stderr.trim()))
    }
}

impl Report {
    fn parse(text: &str) -> Result<Self, String> {
        match serde_json::from_str(text) {
            Ok(report) => Ok(Self(report)),
            Err(error) => Err(format!("no report ({error})")),
        }
    }

    /// The entries of a list, such as `findings`.
    pub fn list(&self, name: &str) -> &[Value] {
        self.0.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// A number of the summary, such as `unknown`.
    pub fn total(&self, name: &str) -> u64 {
        self.0.get("summary").and_then(|summary| summary.get(name)).and_then(Value::as_u64).unwrap_or_default()
    }

    /// When the snapshot was made.
    pub fn finished(&self) -> Option<jiff::Timestamp> {
        self.0.get("finishedAt")?.as_str()?.parse().ok()
    }
}

/// The text at a pointer of an entry; empty if there is none.
pub fn text<'a>(entry: &'a Value, pointer: &str) -> &'a str {
    entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl Sample {
    /// Reads one line of the Prometheus text format.
    fn parse(line: &str) -> Option<Self> {
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = BTreeMap::new();
        if let Some(listed) = rest.strip_prefix('{') {
            rest = listed;
            while !rest.starts_with('}') {
                let (label, quoted) = rest.split_once("=\"")?;
                let (value, after) = unquote(quoted)?;
                labels.insert(label.to_owned(), value);
                rest = after.strip_prefix(',').unwrap_or(after);
            }
            rest = rest.strip_prefix('}')?;
        }
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self { name: name.to_owned(), labels, value })
    }

    /// Whether it is a series of this metric with at least these labels.
    pub fn is(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.name == name && labels.iter().all(|(label, value)| self.labels.get(*label).is_some_and(|own| own == value))
    }
}

/// The text up to the closing quote, and what follows the quote.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, text.get(at + 1..)?)),
            (_, '\\') => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            (_, other) => value.push(other),
        }
    }
}

/// Somebody who looks at the metrics all the time and writes down every finding.
#[derive(Debug)]
pub struct Sentry {
    task: JoinHandle<()>,
    log: Arc<Mutex<Log>>,
}

/// What a sentry wrote down.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// How often it looked and got an answer.
    pub scrapes: u64,
    /// Every finding it ever saw.
    pub findings: BTreeSet<Sighting>,
}

/// A finding as metrics tell it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// Its environment.
    pub environment: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How it drifted.
    pub drift: String,
    /// How urgent it is.
    pub severity: String,
}

impl fmt::Display for Sighting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environment, kind, name, drift, severity } = self;
        write!(formatter, "{environment}: {kind}/{name} {drift} ({severity})")
    }
}

impl Sentry {
    /// Sets a sentry in front of a daemon. A daemon that is being restarted answers nothing.
    pub fn post(outside: Outside) -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let book = log.clone();
        let task = tokio::spawn(async move {
            loop {
                if let Ok(samples) = outside.scrape().await {
                    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
                    book.scrapes += 1;
                    let findings = samples.iter().filter(|sample| sample.name == "moored_drift_severity");
                    book.findings.extend(findings.map(sighting));
                }
                tokio::time::sleep(ROUND).await;
            }
        });
        Self { task, log }
    }

    /// What it has written down so far.
    pub fn log(&self) -> Log {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Sentry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn sighting(sample: &Sample) -> Sighting {
    let label = |name: &str| sample.labels.get(name).cloned().unwrap_or_default();
    Sighting {
        environment: label("environment"),
        kind: label("kind"),
        name: label("name"),
        drift: label("drift"),
        severity: label("severity"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_read_with_whatever_its_labels_hold() {
        let sample = Sample::parse(r#"moored_drift{name="a\"b\\c\n}",drift="missing"} 1"#).unwrap();
        assert_eq!((sample.name.as_str(), sample.value), ("moored_drift", 1.0));
        assert_eq!(sample.labels.get("name").map(String::as_str), Some("a\"b\\c\n}"));
        assert!(sample.is("moored_drift", &[("drift", "missing")]));
        assert!(!sample.is("moored_drift", &[("drift", "orphaned")]));
        assert_eq!(Sample::parse("moored_panics_total 0").unwrap().labels.len(), 0);
    }

    #[test]
    fn half_a_series_is_none() {
        for line in ["moored_drift", "moored_drift{", "moored_drift{a=\"b} 1", "moored_drift{a=\"b\"}", "x y"] {
            assert_eq!(Sample::parse(line), None, "{line}");
        }
    }
}
