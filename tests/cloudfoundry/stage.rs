//! A stage: moored's own readers, evaluation and store over a simulated foundation on loopback,
//! pass by pass, on one clock that stands still until the test moves it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_types::app_name::AppName;
use jiff::{SignedDuration, Timestamp};
use moored::aws::budget::Budgets;
use moored::aws::intercept::Requests;
use moored::aws::session::{SessionOptions, Sessions};
use moored::clock::Clock;
use moored::core::drift::{Drift, Finding, Verdict};
use moored::core::identity::ScopeKey;
use moored::core::memory::Memory;
use moored::core::observation::Reason;
use moored::core::redact::Redactor;
use moored::core::snapshot::Snapshot;
use moored::engine::reader::{self, Outside, Shared};
use moored::engine::roots::Roots;
use moored::engine::watch::Watch;
use moored::scopes::{self, Reader};
use moored::sim::cloudfoundry::Foundation;
use moored::sim::cloudfoundry::faults::{Effect, Rule};
use moored::sim::wire::{Cloud, connector, server};
use moored::sim::world::World;
use moored::store::{History, SqliteHistory};

use super::common::Scratch;
use super::place;

/// When it begins.
const START: &str = "2026-11-20T10:00:00Z";
/// The longest between a change and its detection; three of it, and a reading is stale.
const BOUND: Duration = Duration::from_secs(66);
/// Between two passes.
pub const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// How often a pass follows a suspicion.
const ROUNDS: usize = 3;

/// The beginning of time.
pub fn start() -> Timestamp {
    START.parse().unwrap()
}

/// What moored sees.
pub struct Stage {
    pub cloud: Cloud,
    pub clock: Clock,
    pub watch: Watch,
    shared: Arc<Shared>,
    readers: BTreeMap<ScopeKey, Reader>,
    server: server::Running,
    _scratch: Scratch,
}

impl Stage {
    /// Over this foundation, with these manifests: a name each, and what it says.
    pub async fn over(name: &str, foundation: Foundation, files: &[(&str, &str)]) -> Self {
        let clock = Clock::stopped(start());
        let scratch = Scratch::new(name);
        for (file, content) in files {
            scratch.write(&format!("desired-state/{file}"), content);
        }
        let ticking = clock.clone();
        let cloud = Cloud::new(World::default(), move || ticking.now(), 7);
        cloud.add_foundation(foundation);
        let server = server::spawn(cloud.clone()).await.unwrap();
        let redactor = Arc::new(Redactor::new(&[7; 32]));
        let loaded = Roots::new(vec![scratch.file("desired-state")]).load(&redactor, clock.now());
        let refused: Vec<String> = loaded.rejected.iter().map(|rejected| rejected.render(false)).collect();
        assert!(refused.is_empty(), "{refused:?}");
        let desired = loaded.desired.unwrap();
        let shared = shared(Some(server.url.clone()), &cloud, &clock, &redactor);
        let mut kept = SqliteHistory::open(&scratch.file("moored.db")).unwrap();
        let memory: Memory = kept.load().unwrap();
        let history = Arc::new(Mutex::new(kept)) as Arc<Mutex<dyn History>>;
        let mut watch = Watch::new(memory, Some(history));
        watch.patient = true;
        watch.declare(desired);
        let readers = BTreeMap::new();
        Self { cloud, clock, watch, shared, readers, server, _scratch: scratch }
    }

    /// Over the place of [`place::foundation`], which is in sync with its manifests.
    pub async fn settled(name: &str) -> Self {
        Self::in_sync(name, place::foundation(start()), &place::manifests()).await
    }

    /// The same over another foundation with other manifests.
    pub async fn in_sync(name: &str, foundation: Foundation, files: &[(&str, &str)]) -> Self {
        let mut stage = Self::over(name, foundation, files).await;
        stage.passes(2).await;
        assert_eq!(stage.open(), BTreeSet::new(), "{:#?}", stage.snapshot().findings);
        assert_eq!(stage.unknown(), BTreeMap::new(), "{:#?}", stage.snapshot().unknown);
        stage
    }

    /// From now on nothing of the simulated cloud is asked, but the network.
    pub fn go_outside(&mut self) {
        let redactor = self.shared.redactor.clone();
        self.shared = shared(None, &self.cloud, &self.clock, &redactor);
    }

    /// And now the simulated cloud again.
    pub fn come_home(&mut self) {
        let redactor = self.shared.redactor.clone();
        self.shared = shared(Some(self.server.url.clone()), &self.cloud, &self.clock, &redactor);
    }

    /// What people do on the foundation.
    pub fn cf<R>(&self, act: impl FnOnce(&mut Foundation, Timestamp) -> R) -> R {
        let now = self.clock.now();
        self.cloud.with_foundation(place::HOST, |foundation| act(foundation, now)).expect("it is mounted")
    }

    /// The guid of an app of the place.
    pub fn app(&self, name: &str) -> String {
        self.cf(|cf, _| cf.app_guid(place::ORGANIZATION, place::SPACE, name)).unwrap()
    }

    /// The guid of a service instance of the place.
    pub fn instance(&self, name: &str) -> String {
        self.cf(|cf, _| cf.instance_guid(place::ORGANIZATION, place::SPACE, name)).unwrap()
    }

    pub fn advance(&self, by: SignedDuration) {
        self.clock.jump(by);
    }

    /// A minute later, everything is read once more.
    pub async fn pass(&mut self) {
        self.pass_with(usize::MAX, |_| {}).await;
    }

    pub async fn passes(&mut self, count: usize) {
        for _ in 0..count {
            self.pass().await;
        }
    }

    /// A pass in which something happens after so many readings.
    pub async fn pass_with(&mut self, after: usize, happens: impl FnOnce(&Self)) {
        self.advance(MINUTE);
        let scopes: Vec<ScopeKey> = self.watch.index.scopes.keys().cloned().collect();
        let mut happens = Some(happens);
        for (at, key) in scopes.iter().enumerate() {
            if at == after
                && let Some(happens) = happens.take()
            {
                happens(&*self);
            }
            self.read(key).await;
        }
        for _ in 0..ROUNDS {
            for key in self.watch.wanted() {
                self.read(&key).await;
            }
        }
        self.watch.attribute(self.clock.now());
        let panicked = self.unknown().values().any(|reason| *reason == Reason::Panicked.as_str());
        assert!(!panicked, "{:?}", self.snapshot().unknown);
    }

    async fn read(&mut self, key: &ScopeKey) {
        let reader = self.readers.remove(key).unwrap_or_else(|| scopes::open(key));
        let (asks, access) = (self.watch.asks(key), self.watch.access(key).unwrap());
        let mut done = reader::read(self.shared.clone(), key.clone(), access, asks, reader).await;
        let now = self.clock.now();
        self.watch.observe(&mut done, BOUND, now);
        if let Some(reader) = done.reader.take() {
            self.readers.insert(key.clone(), reader);
        }
        self.watch.evaluate(now);
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.watch.snapshot().unwrap()
    }

    /// Open findings, held or not.
    pub fn open(&self) -> BTreeSet<String> {
        self.snapshot().findings.iter().map(|finding| told(finding)).collect()
    }

    /// Findings that the last readings prove.
    pub fn proven(&self) -> BTreeSet<String> {
        self.snapshot().findings.iter().filter(|finding| !finding.held).map(|finding| told(finding)).collect()
    }

    /// Findings that something is gone, or left over: what a repair would act on.
    pub fn losses(&self) -> BTreeSet<String> {
        let lost = |drift: Drift| matches!(drift, Drift::Missing | Drift::Orphaned | Drift::Vanished);
        let snapshot = self.snapshot();
        snapshot.findings.iter().filter(|finding| lost(finding.key.drift)).map(|finding| told(finding)).collect()
    }

    /// A finding of production.
    #[track_caller]
    pub fn finding(&self, kind: &str, name: &str, drift: Drift) -> Arc<Finding> {
        let snapshot = self.snapshot();
        let is_it = |finding: &&Arc<Finding>| {
            let key = &finding.key;
            *key.environment == *"production" && *key.kind == *kind && *key.name == *name && key.drift == drift
        };
        let found = snapshot.findings.iter().find(is_it);
        found.cloned().unwrap_or_else(|| panic!("no {kind}/{name} {drift}: {:#?}", snapshot.findings))
    }

    /// What a person reads of a finding.
    #[track_caller]
    pub fn message(&self, kind: &str, name: &str, drift: Drift) -> String {
        self.finding(kind, name, drift).message.to_string()
    }

    /// What cannot be judged, and why.
    pub fn unknown(&self) -> BTreeMap<String, &'static str> {
        let snapshot = self.snapshot();
        let named = snapshot.unknown.iter();
        named
            .map(|unknown| (format!("{} {}/{}", unknown.environment, unknown.kind, unknown.name), unknown.reason))
            .collect()
    }

    /// What is on its way, as `Kind/name`.
    pub fn converging(&self) -> BTreeSet<String> {
        self.snapshot().converging.iter().map(|entry| format!("{}/{}", entry.kind, entry.name)).collect()
    }

    /// The verdict of an application of production.
    pub fn verdict(&self, application: &str) -> Verdict {
        let snapshot = self.snapshot();
        let mut views = snapshot.applications.iter();
        let own = views.find(|view| *view.environment == *"production" && *view.name == *application);
        own.map_or(Verdict::InSync, |view| view.verdict)
    }

    /// The verdict of production.
    pub fn production(&self) -> Verdict {
        let snapshot = self.snapshot();
        let own = snapshot.environments.iter().find(|view| *view.name == *"production");
        own.map(|view| view.verdict).unwrap()
    }

    /// From now on requests meet this fault. What was asked before is forgotten.
    pub fn fault(&self, rule: Rule) {
        self.cf(|cf, _| {
            cf.reset_requests();
            cf.faults.add(rule);
        });
    }

    /// Every request whose path begins so meets this effect.
    pub fn plague(&self, path: &str, effect: Effect) {
        self.fault(Rule::always(path, effect));
    }

    /// The foundation behaves again.
    pub fn heal(&self) {
        self.cf(|cf, _| cf.faults.clear());
    }

    /// How often each path was asked since the requests were forgotten.
    pub fn asked(&self) -> BTreeMap<String, usize> {
        let mut asked = BTreeMap::new();
        self.cf(|cf, _| {
            for request in &cf.requests {
                *asked.entry(request.path.clone()).or_default() += 1;
            }
        });
        asked
    }

    /// The fault is over: within two passes everything is known, and exactly this is found.
    pub async fn is_back(&mut self, expected: &BTreeSet<String>, after: &str) {
        self.heal();
        self.passes(2).await;
        let said: Vec<String> = self.snapshot().findings.iter().map(|finding| finding.message.to_string()).collect();
        assert_eq!(self.proven(), *expected, "{after}: two passes after its end: {said:?}");
        assert_eq!(self.open(), *expected, "{after}: nothing is held any more");
        assert_eq!(self.unknown(), BTreeMap::new(), "{after}: two passes after its end");
    }
}

fn told(finding: &Finding) -> String {
    let key = &finding.key;
    format!("{} {}/{} {}", key.environment, key.kind, key.name, key.drift)
}

/// What readings share; without a cloud they go out to the network.
fn shared(url: Option<String>, cloud: &Cloud, clock: &Clock, redactor: &Arc<Redactor>) -> Arc<Shared> {
    let sessions = Sessions::new(SessionOptions {
        cloud: Some("http://127.0.0.1:1".to_owned()),
        home_account: None,
        clock: clock.clone(),
        http_client: Some(connector::in_process(cloud.clone())),
        requests: Requests::default(),
        user_agent: AppName::new("moored-test").unwrap(),
    });
    let simulated = url.is_some();
    let outside = Outside::new(url, None, clock, redactor, &Requests::default()).unwrap();
    let budgets = Arc::new(Budgets::new(clock.clone()));
    let age = Duration::from_secs(50);
    Arc::new(Shared::new(sessions, outside, budgets, clock.clone(), redactor.clone(), simulated, age))
}
