//! The real daemon over the simulated cloud, in this process, on clocks that run sixty times as fast
//! as the wall's: a minute is a second. The cloud has a clock of its own, which never jumps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_types::app_name::AppName;
use jiff::{SignedDuration, Timestamp};
use moored::aws::budget::Budgets;
use moored::aws::intercept::Requests;
use moored::aws::session::{SessionOptions, Sessions};
use moored::clock::Clock;
use moored::core::redact::Redactor;
use moored::core::snapshot::Snapshot;
use moored::engine::daemon::{Daemon, Options};
use moored::engine::reader::{Outside, Shared};
use moored::engine::roots::Roots;
use moored::engine::watch::Watch;
use moored::serve::http::Published;
use moored::sim::wire::{Cloud, connector};
use moored::sim::world::Service;
use moored::sim::world::route53::RecordSet;
use moored::store::{History, SqliteHistory};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::common::Scratch;
use super::common::platform::{self, DNS, MAIN};
use super::world::ZONE;

/// How much faster than the wall.
const PACE: f64 = 60.0;
/// How often the board is looked at, in real time.
const LOOK: Duration = Duration::from_millis(20);
/// How long the daemon may take to stop, in real time.
const PATIENCE: Duration = Duration::from_secs(10);

/// A daemon with its cloud.
pub struct Steady {
    pub cloud: Cloud,
    /// The daemon's clock.
    pub clock: Clock,
    cloud_clock: Clock,
    scratch: Scratch,
    running: Option<Running>,
}

struct Running {
    board: watch::Receiver<Option<Arc<Published>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// Dropped, it would say that nobody will ever ask for a reload.
    _reload: mpsc::Sender<()>,
}

impl Steady {
    /// Starts the daemon over the platform.
    pub fn start(name: &str) -> Self {
        let start: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let (clock, cloud_clock) = (Clock::scaled(start, PACE), Clock::scaled(start, PACE));
        let made = start.checked_sub(SignedDuration::from_hours(40 * 24)).unwrap();
        let time = cloud_clock.clone();
        let cloud = Cloud::new(platform::world(made), move || time.now(), 7);
        let scratch = Scratch::new(name);
        for (file, content) in platform::manifests() {
            scratch.write(&format!("desired-state/{file}"), content);
        }
        let mut steady = Self { cloud, clock, cloud_clock, scratch, running: None };
        steady.begin();
        steady
    }

    fn begin(&mut self) {
        let redactor = Arc::new(Redactor::new(&[7; 32]));
        let mut roots = Roots::new(vec![self.scratch.file("desired-state")]);
        let desired = roots.load(&redactor, self.clock.now()).desired.unwrap();
        let requests = Requests::default();
        let sessions = Sessions::new(SessionOptions {
            cloud: Some("http://127.0.0.1:1".to_owned()),
            home_account: Some(MAIN.to_owned()),
            clock: self.clock.clone(),
            http_client: Some(connector::in_process(self.cloud.clone())),
            requests: requests.clone(),
            user_agent: AppName::new("moored-test").unwrap(),
        });
        let budgets = Arc::new(Budgets::new(self.clock.clone()));
        budgets.declare(desired.environments.values().flat_map(|environment| environment.accounts.values()));
        let options = Options { reload_every: Duration::from_secs(3600), seed: 7, ..Options::default() };
        let outside =
            Outside::new(Some("http://127.0.0.1:1".to_owned()), None, &self.clock, &redactor, &Requests::default())
                .unwrap();
        let shared = Shared::new(sessions, outside, budgets, self.clock.clone(), redactor, true, options.resync);
        let mut history = SqliteHistory::open(&self.scratch.file("moored.db")).unwrap();
        let memory = history.load().unwrap();
        let history = Arc::new(Mutex::new(history)) as Arc<Mutex<dyn History>>;
        let mut watched = Watch::new(memory, Some(history));
        watched.declare(desired);
        let daemon = Daemon::new(options, Arc::new(shared), requests, watched, roots);
        let board = daemon.board();
        let (stop, stopped) = oneshot::channel::<()>();
        let (reload, reloads) = mpsc::channel(1);
        let until = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(daemon.run(until, reloads));
        self.running = Some(Running { board, stop, task, _reload: reload });
    }

    /// Ends the daemon.
    pub async fn halt(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, running.task).await.expect("it stops in time").expect("it does not panic");
    }

    /// Ends it, and starts another one on the same state file, once that is closed.
    pub async fn restart(&mut self) {
        self.halt().await;
        for _ in 0..100 {
            if SqliteHistory::open(&self.scratch.file("moored.db")).is_ok() {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        self.begin();
    }

    /// The cloud's time.
    pub fn now(&self) -> Timestamp {
        self.cloud_clock.now()
    }

    /// Lets minutes pass.
    pub async fn minutes(&self, minutes: u64) {
        self.cloud_clock.sleep(Duration::from_secs(60 * minutes)).await;
    }

    /// What is published now.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let published = self.running.as_ref()?.board.borrow().clone()?;
        Some(published.snapshot.clone())
    }

    /// Open findings, with whether they are only held.
    pub fn findings(&self) -> BTreeMap<String, bool> {
        let snapshot = self.snapshot().unwrap_or_default();
        let named = snapshot.findings.iter().map(|finding| {
            let key = &finding.key;
            (format!("{} {}/{} {}", key.environment, key.kind, key.name, key.drift), finding.held)
        });
        named.collect()
    }

    /// Waits until a snapshot is so; how long that took on the cloud's clock.
    pub async fn until(&self, what: &str, mut is_so: impl FnMut(&Snapshot) -> bool) -> SignedDuration {
        let began = self.now();
        let longest = SignedDuration::from_mins(30);
        loop {
            if self.snapshot().is_some_and(|snapshot| is_so(&snapshot)) {
                return self.now().duration_since(began);
            }
            assert!(self.now().duration_since(began) < longest, "waited in vain: {what}: {:?}", self.findings());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How many requests of readings arrived between these times; who made what is asked beside.
    pub fn calls(&self, from: Timestamp, until: Timestamp) -> usize {
        let calls = self.cloud.calls().into_iter();
        let read = calls.filter(|call| !call.human && call.service != Service::CloudTrail);
        read.filter(|call| from <= call.at && call.at < until).count()
    }

    /// Another TTL for the record of `api`.
    pub fn set_ttl(&self, seconds: i64) {
        let target = "api-1420117001.eu-west-1.elb.amazonaws.com";
        self.cloud.with_world(|world| {
            let zones = world.route53.get_mut(DNS).unwrap();
            zones.put_record(ZONE, RecordSet::simple("api.example.com", "CNAME", seconds, &[target])).unwrap();
        });
    }
}

/// Whether everything was read, and nothing is unknown.
pub fn all_is_known(snapshot: &Snapshot) -> bool {
    !snapshot.scopes.is_empty() && snapshot.scopes.iter().all(|view| view.complete) && snapshot.unknown.is_empty()
}
