//! The daemon: reads every scope again and again, and keeps the board up to date.
//!
//! Decides when: level-triggered, one queue keyed by scope, a jittered resync, backoff per scope,
//! reload on content change, SIGHUP at once. One task owns all state; readings run in tasks of
//! their own and report by channel, so that a slow or panicking one delays nobody.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch as board};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::attribution;
use super::pace;
use super::queue::Queue;
use super::reader::{self, Done, Shared};
use super::roots::Roots;
use super::watch::Watch;
use crate::aws::allow_list::Service;
use crate::aws::identity::Identity;
use crate::aws::intercept::Requests;
use crate::core::desired::Access;
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::core::observation::{Failure, Reason};
use crate::scopes::{self, Reader};
use crate::serve::http::Published;
use crate::serve::log_lines;
use crate::serve::metrics::{self, ShellMetrics};

/// How the daemon is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The wish of most scopes.
    pub resync: Duration,
    /// How often the manifests' files are looked at, in real time.
    pub reload_every: Duration,
    /// Seeds the jitter.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { resync: Duration::from_secs(60), reload_every: Duration::from_secs(2), seed: 0 }
    }
}

/// The longest the board goes without being made anew, so that counters move, in real time.
const REPUBLISH: Duration = Duration::from_secs(5);

/// The daemon's state.
pub struct Daemon {
    options: Options,
    shared: Arc<Shared>,
    requests: Requests,
    watch: Watch,
    roots: Roots,
    queue: Queue,
    readers: BTreeMap<ScopeKey, Reader>,
    failures: BTreeMap<ScopeKey, u32>,
    last_read: BTreeMap<ScopeKey, Timestamp>,
    /// Calls of each scope's last good reading: neighbours share a budget.
    calls: BTreeMap<ScopeKey, u32>,
    /// How often in a row a scope was wanted without settling anything.
    wanted: BTreeMap<ScopeKey, u32>,
    last_now: Timestamp,
    board: board::Sender<Option<Arc<Published>>>,
    started: Timestamp,
    turn: u64,
}

impl Daemon {
    /// A daemon over these parts; `roots` must have been loaded once into `watch`.
    pub fn new(options: Options, shared: Arc<Shared>, requests: Requests, watch: Watch, roots: Roots) -> Self {
        let started = shared.clock.now();
        let (board, _) = board::channel(None);
        let mut watch = watch;
        watch.patient = true;
        Self {
            options,
            shared,
            requests,
            watch,
            roots,
            queue: Queue::default(),
            readers: BTreeMap::new(),
            failures: BTreeMap::new(),
            last_read: BTreeMap::new(),
            calls: BTreeMap::new(),
            wanted: BTreeMap::new(),
            last_now: started,
            board,
            started,
            turn: 0,
        }
    }

    /// Where snapshots appear.
    pub fn board(&self) -> board::Receiver<Option<Arc<Published>>> {
        self.board.subscribe()
    }

    /// Runs until `stop`. `reload` makes it look at the manifests at once (SIGHUP).
    pub async fn run(mut self, stop: impl Future<Output = ()>, mut reload: mpsc::Receiver<()>) {
        let (report, mut reports) = mpsc::channel::<Done>(64);
        let (said, mut identities) = mpsc::channel(16);
        let mut ask_idle = tokio::time::interval(self.shared.clock.real(self.options.resync));
        ask_idle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(self.options.reload_every);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut republish = tokio::time::interval(REPUBLISH);
        tokio::pin!(stop);
        // Asks who made what the store records; ends with this.
        let mut beside = JoinSet::new();
        if let Some(history) = self.watch.history() {
            beside.spawn(attribution::run(self.shared.clone(), self.board(), history));
        }
        // What the store remembers is shown before the first reading: open findings are held, and
        // what somebody set aside stays so.
        let now = self.shared.clock.now();
        self.watch.mind_holds(now);
        self.conclude();
        self.plan();
        loop {
            self.mind_the_clock();
            self.start_due(&report);
            let wait = self.until_next();
            let clock = self.shared.clock.clone();
            tokio::select! {
                () = &mut stop => break,
                Some(done) = reports.recv() => {
                    self.take(done);
                    while let Ok(done) = reports.try_recv() {
                        self.take(done);
                    }
                }
                Some(()) = reload.recv() => {
                    info!(event = "reload_asked", "looking at the manifests now");
                    self.reload(true);
                }
                _ = look.tick() => {
                    self.reload(false);
                    self.mind_holds();
                }
                _ = republish.tick() => {
                    let now = self.shared.clock.now();
                    tokio::task::block_in_place(|| self.watch.attribute(now));
                    self.publish();
                }
                _ = ask_idle.tick() => self.ask_idle_accounts(&said),
                Some((credentials, identity)) = identities.recv() => self.watch.identify(credentials, identity),
                () = clock.sleep(wait) => {}
            }
            if self.watch.is_due(self.shared.clock.now()) {
                self.conclude();
            }
        }
        info!(event = "stopping", "asked to stop; open findings are kept");
    }

    /// Evaluates, publishes, and plans what the evaluation wants. A scope that is wanted again and
    /// again is read less and less often: its budget belongs to the others too.
    fn conclude(&mut self) {
        let now = self.shared.clock.now();
        self.watch.is_due(now);
        tokio::task::block_in_place(|| self.watch.evaluate(now));
        self.publish();
        let wanted = self.watch.wanted();
        self.wanted.retain(|key, _| wanted.contains(key));
        for key in wanted {
            if self.queue.is_running(&key) {
                continue;
            }
            let tries = self.wanted.get(&key).copied().unwrap_or_default();
            let gap = pace::SOON.saturating_mul(1 << tries.min(6)).min(self.options.resync);
            let earliest = self.last_read.get(&key).map_or(now, |at| later(*at, gap));
            self.queue.schedule(&key, earliest.max(now));
        }
    }

    /// A clock that was set back must not stop the readings until it is where it was.
    fn mind_the_clock(&mut self) {
        let now = self.shared.clock.now();
        if self.last_now.duration_since(now) > SignedDuration::from_secs(1) {
            warn!(event = "clock_set_back", by = %self.last_now.duration_since(now), "reading everything again");
            self.queue = Queue::after(std::mem::take(&mut self.queue));
            self.last_read.clear();
            self.plan();
        }
        self.last_now = now;
    }

    fn publish(&mut self) {
        let Some(snapshot) = self.watch.snapshot() else { return };
        let shell = ShellMetrics {
            requests: self.requests.snapshot(),
            failures: self.watch.failures.clone(),
            panics: crate::panics::count(),
            log_lines_dropped: log_lines::dropped(),
            store_healthy: self.watch.has_store().then_some(self.watch.store_is_healthy()),
            roots: self.roots.status(),
        };
        let metrics: Arc<str> = metrics::render(&snapshot, &self.watch.index, &shell).into();
        let published = Published {
            snapshot,
            index: self.watch.index.clone(),
            desired: self.watch.desired.clone(),
            observations: Arc::new(self.watch.observations.clone()),
            memory: self.watch.memory().clone(),
            metrics,
            started: self.started,
        };
        self.board.send_replace(Some(Arc::new(published)));
    }

    /// Asks who the credentials of accounts are in which nothing is read.
    fn ask_idle_accounts(&self, said: &mpsc::Sender<(Arc<str>, Identity)>) {
        for (credentials, access) in self.watch.idle() {
            let (shared, said) = (self.shared.clone(), said.clone());
            tokio::spawn(async move {
                if let Some(identity) = shared.who(&access).await {
                    // The receiver is gone only when the daemon is stopping.
                    let _ = said.send((credentials, identity)).await;
                }
            });
        }
    }

    /// Starts every reading that is due.
    fn start_due(&mut self, report: &mpsc::Sender<Done>) {
        let now = self.shared.clock.now();
        while let Some(key) = self.queue.take(now) {
            let reader = self.readers.remove(&key).unwrap_or_else(|| scopes::open(&key));
            let asks = self.watch.asks(&key);
            self.last_read.insert(key.clone(), now);
            if self.watch.wanted().contains(&key) {
                let tries = self.wanted.entry(key.clone()).or_default();
                *tries = tries.saturating_add(1);
            }
            let Some(access) = self.watch.access(&key) else {
                let failure = Failure::new(Reason::IdentityUnverified, "no environment declares this account");
                self.take(Done { key, reader: Some(reader), result: Err(failure), identity: None });
                continue;
            };
            let (shared, report) = (self.shared.clone(), report.clone());
            tokio::spawn(async move {
                let done = reader::read(shared, key, access, asks, reader).await;
                // The receiver is gone only when the daemon is stopping.
                let _ = report.send(done).await;
            });
        }
    }

    /// Takes the outcome of a reading and plans the next.
    fn take(&mut self, mut done: Done) {
        let now = self.shared.clock.now();
        let key = done.key.clone();
        self.queue.done(&key);
        self.turn += 1;
        let chance = pace::chance(self.options.seed, self.turn);
        let wish = done.reader.as_ref().map_or(self.options.resync, |reader| reader.interval(self.options.resync));
        let (calls, took) = match &done.result {
            Ok(reading) => (
                reading.api_calls,
                Duration::try_from(reading.finished.duration_since(reading.started)).unwrap_or_default(),
            ),
            Err(_) => (0, Duration::ZERO),
        };
        if done.result.is_ok() {
            self.calls.insert(key.clone(), calls);
        }
        let shared_budget =
            |other: &&ScopeKey| other.account == key.account && service(other.kind) == service(key.kind);
        let together = self.calls.iter().filter(|(other, _)| shared_budget(other)).map(|(_, calls)| calls).sum();
        let interval = pace::interval(wish, together, self.rate(&key));
        let wait = match &done.result {
            Ok(_) => {
                self.failures.remove(&key);
                pace::jittered(interval, chance)
            }
            Err(failure) => {
                let failures = self.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                pace::backoff(*failures, failure.reason, interval, chance)
            }
        };
        self.watch.observe(&mut done, pace::bound(interval, took), now);
        if let Some(reader) = done.reader {
            self.readers.insert(key.clone(), reader);
        }
        if self.watch.index.scopes.contains_key(&key) {
            self.queue.schedule(&key, later(now, wait));
        } else {
            self.readers.remove(&key);
        }
    }

    /// Calls a second that the readings of a scope may take together with its neighbours'.
    fn rate(&self, key: &ScopeKey) -> f64 {
        match (service(key.kind), self.watch.access(key)) {
            (Some(service), _) => self.shared.budgets.rate(&key.account, service),
            (None, Some(Access::CloudFoundry(foundation))) => self.shared.foundations.rate(&foundation),
            (None, _) => f64::INFINITY,
        }
    }

    /// Plans a first reading of every scope that is new, spread over two seconds.
    fn plan(&mut self) {
        let now = self.shared.clock.now();
        let index = self.watch.index.clone();
        self.queue.retain(|key| index.scopes.contains_key(key));
        self.readers.retain(|key, _| index.scopes.contains_key(key));
        self.failures.retain(|key, _| index.scopes.contains_key(key));
        self.last_read.retain(|key, _| index.scopes.contains_key(key));
        self.calls.retain(|key, _| index.scopes.contains_key(key));
        for key in index.scopes.keys() {
            if !self.queue.knows(key) {
                self.turn += 1;
                let spread = Duration::from_millis((pace::chance(self.options.seed, self.turn) * 2000.0) as u64);
                self.queue.schedule(key, later(now, spread));
            }
        }
    }

    /// Puts changed manifests in force; rejected ones change nothing but the metric.
    fn reload(&mut self, at_once: bool) {
        if !at_once && !tokio::task::block_in_place(|| self.roots.changed()) {
            return;
        }
        let redactor = self.shared.redactor.clone();
        let loaded = tokio::task::block_in_place(|| self.roots.load(&redactor, self.shared.clock.now()));
        self.roots.tell(&loaded.rejected);
        if let Some(desired) = loaded.desired.filter(|desired| *self.watch.desired != *desired) {
            let before: Vec<_> = self.watch.desired.revisions.iter().map(|revision| revision.digest.clone()).collect();
            let after = desired.revisions.iter().map(|revision| revision.digest.clone());
            if !after.eq(before) {
                info!(event = "manifests_accepted", resources = desired.resources.len(), "a new revision is in force");
                for warning in &loaded.warnings {
                    warn!(event = "manifests_warning", %warning);
                }
            }
            self.shared
                .budgets
                .declare(desired.environments.values().flat_map(|environment| environment.accounts.values()));
            let dropped = tokio::task::block_in_place(|| self.watch.declare(desired));
            self.plan();
            let now = self.shared.clock.now();
            dropped.iter().for_each(|key| self.queue.schedule(key, now));
        }
        self.conclude();
    }

    /// A hold that was made or ended beside is in force at once.
    fn mind_holds(&mut self) {
        let now = self.shared.clock.now();
        if tokio::task::block_in_place(|| self.watch.mind_holds(now)) {
            self.conclude();
        }
    }

    fn until_next(&self) -> Duration {
        let now = self.shared.clock.now();
        let next = [self.queue.next_at(), self.watch.recheck_at()].into_iter().flatten().min();
        let wait = next.map_or(SignedDuration::from_secs(5), |at| at.duration_since(now));
        Duration::try_from(wait).unwrap_or_default().clamp(Duration::from_millis(5), Duration::from_secs(5))
    }
}

fn later(at: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| at.saturating_add(wait).ok()).unwrap_or(at)
}

/// The AWS service whose budget a scope's calls mostly use.
fn service(kind: ScopeKind) -> Option<Service> {
    match kind {
        ScopeKind::CfFoundation | ScopeKind::CfOrganization | ScopeKind::HttpProbe => None,
        ScopeKind::EcsCluster => Some(Service::Ecs),
        ScopeKind::HealthChecks | ScopeKind::HostedZone => Some(Service::Route53),
        ScopeKind::LoadBalancers => Some(Service::Elbv2),
        ScopeKind::Table => Some(Service::DynamoDb),
    }
}
