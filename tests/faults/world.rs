//! A lookout: moored's own readers, evaluation and store over the simulated cloud, pass by pass, on
//! a clock that only the test moves.
//!
//! The cloud has another clock, which never jumps. A pass reads every scope once, in an order that
//! turns with each pass (so that parents come before and after what they may have left behind), and
//! then what is wanted, as the daemon does within a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_types::app_name::AppName;
use jiff::{SignedDuration, Timestamp};
use moored::aws::budget::Budgets;
use moored::aws::intercept::Requests;
use moored::aws::session::{SessionOptions, Sessions};
use moored::clock::Clock;
use moored::core::drift::State;
use moored::core::identity::ScopeKey;
use moored::core::memory::Memory;
use moored::core::observation::Reason;
use moored::core::redact::Redactor;
use moored::core::snapshot::Snapshot;
use moored::engine::reader::{self, Outside, Shared};
use moored::engine::roots::Roots;
use moored::engine::watch::Watch;
use moored::scopes::{self, Reader};
use moored::sim::wire::{Call, Cloud, connector};
use moored::sim::world::faults::{Effect, Match, Rule};
use moored::sim::world::{Caller, Request, Service, dynamodb, ecs};
use moored::store::{History, SqliteHistory};
use serde_json::{Value, json};

use super::common::Scratch;
use super::common::platform::{self, CLUSTER, DEPLOYMENTS, MAIN, REGION, SECRETS};

/// Between two passes.
pub const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// The longest between a change and its detection; three of it, and a reading is stale.
const BOUND: Duration = Duration::from_secs(66);
/// Between two readings of one pass.
const MOMENT: SignedDuration = SignedDuration::from_millis(200);
/// How often a pass follows a suspicion.
const ROUNDS: usize = 3;
/// When it begins.
const START: &str = "2026-11-20T10:00:00Z";
/// What the deleted worker leaves: itself, its item, record, health check and load balancer.
pub const LEFT: usize = 5;
/// The zone of the platform.
pub const ZONE: &str = "Z0HARBOREXAMPLE";

/// What moored sees.
pub struct Lookout {
    pub cloud: Cloud,
    /// moored's own clock.
    pub clock: Clock,
    cloud_clock: Clock,
    pub watch: Watch,
    shared: Arc<Shared>,
    readers: BTreeMap<ScopeKey, Reader>,
    scratch: Scratch,
    keeps: bool,
    turn: usize,
}

impl Lookout {
    /// Over the platform, which is in sync with its manifests.
    pub fn new(name: &str) -> Self {
        Self::over(name, false, |_| {})
    }

    /// The same with a state file.
    pub fn keeping(name: &str) -> Self {
        Self::over(name, true, |_| {})
    }

    /// The same with other manifests: `prepare` may write them over those in `desired-state/`.
    pub fn over(name: &str, keeps: bool, prepare: impl FnOnce(&Scratch)) -> Self {
        let start: Timestamp = START.parse().unwrap();
        let (clock, cloud_clock) = (Clock::stopped(start), Clock::stopped(start));
        let made = start.checked_sub(SignedDuration::from_hours(40 * 24)).unwrap();
        let time = cloud_clock.clone();
        let cloud = Cloud::new(platform::world(made), move || time.now(), 7);
        let scratch = Scratch::new(name);
        for (file, content) in platform::manifests() {
            scratch.write(&format!("desired-state/{file}"), content);
        }
        prepare(&scratch);
        let (watch, shared) = begin(&scratch, &clock, &cloud, keeps);
        Self { cloud, clock, cloud_clock, watch, shared, readers: BTreeMap::new(), scratch, keeps, turn: 0 }
    }

    /// Over the platform, read often enough that everything is known.
    pub async fn settled(name: &str) -> Self {
        let mut lookout = Self::new(name);
        lookout.settle().await;
        lookout
    }

    /// The same, with the worker deleted and all that it left found.
    pub async fn bereft(name: &str) -> Self {
        let mut lookout = Self::settled(name).await;
        lookout.lose_the_worker().await;
        lookout
    }

    /// Reads until everything is known, and in sync.
    pub async fn settle(&mut self) {
        self.passes(2).await;
        assert_eq!(self.open(), BTreeSet::new(), "{:?}", self.findings());
        assert_eq!(self.unknown(), BTreeMap::new());
    }

    /// Deletes the worker and waits until all that it left is found.
    pub async fn lose_the_worker(&mut self) {
        self.delete_worker(SignedDuration::ZERO);
        self.passes(2).await;
        assert_eq!(self.proven().len(), LEFT, "drift is found without the fault: {:?}", self.findings());
    }

    /// Ends the process and begins another one on the same state file.
    pub fn restart(&mut self) {
        self.watch = Watch::new(Memory::default(), None);
        self.readers.clear();
        let (watch, shared) = begin(&self.scratch, &self.clock, &self.cloud, self.keeps);
        (self.watch, self.shared) = (watch, shared);
        self.watch.evaluate(self.clock.now());
    }

    /// What readers keep between readings is lost, as with a process that has just begun.
    pub fn forget_readers(&mut self) {
        self.readers.clear();
    }

    /// Lets time pass, for both.
    pub fn advance(&self, by: SignedDuration) {
        self.clock.jump(by);
        self.cloud_clock.jump(by);
    }

    /// The cloud's time.
    pub fn cloud_now(&self) -> Timestamp {
        self.cloud_clock.now()
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
        let mut scopes: Vec<ScopeKey> = self.watch.index.scopes.keys().cloned().collect();
        let turn = self.turn % scopes.len();
        scopes.rotate_left(turn);
        self.turn += 1;
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
        self.is_sound();
    }

    /// Reads one scope.
    pub async fn read(&mut self, key: &ScopeKey) {
        let reader = self.readers.remove(key).unwrap_or_else(|| scopes::open(key));
        let (asks, access) = (self.watch.asks(key), self.watch.access(key).unwrap());
        let mut done = reader::read(self.shared.clone(), key.clone(), access, asks, reader).await;
        self.advance(MOMENT);
        let now = self.clock.now();
        self.watch.observe(&mut done, BOUND, now);
        if let Some(reader) = done.reader.take() {
            self.readers.insert(key.clone(), reader);
        }
        self.watch.evaluate(now);
    }

    /// What holds always: no panic anywhere, and no secret in anything that is shown.
    fn is_sound(&self) {
        let snapshot = self.snapshot();
        assert!(self.unknown().values().all(|reason| *reason != Reason::Panicked.as_str()), "{:?}", snapshot.unknown);
        let shown = format!("{snapshot:?}");
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{secret} is shown");
        }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.watch.snapshot().unwrap()
    }

    /// Open findings, with whether they are only held.
    pub fn findings(&self) -> BTreeMap<String, bool> {
        let snapshot = self.snapshot();
        let named = snapshot.findings.iter().map(|finding| {
            let key = &finding.key;
            (format!("{} {}/{} {}", key.environment, key.kind, key.name, key.drift), finding.held)
        });
        named.collect()
    }

    /// Open findings, held or not.
    pub fn open(&self) -> BTreeSet<String> {
        self.findings().into_keys().collect()
    }

    /// Findings that the last readings prove.
    pub fn proven(&self) -> BTreeSet<String> {
        self.findings().into_iter().filter(|(_, held)| !held).map(|(name, _)| name).collect()
    }

    /// Findings that something is gone, or left over: what a repair would act on.
    pub fn losses(&self) -> BTreeSet<String> {
        let lost = |name: &String| ["missing", "orphaned", "vanished"].iter().any(|drift| name.ends_with(drift));
        self.open().into_iter().filter(lost).collect()
    }

    /// What cannot be judged, and why.
    pub fn unknown(&self) -> BTreeMap<String, &'static str> {
        let snapshot = self.snapshot();
        let named = snapshot.unknown.iter();
        named
            .map(|unknown| (format!("{} {}/{}", unknown.environment, unknown.kind, unknown.name), unknown.reason))
            .collect()
    }

    /// How many resources are in sync.
    pub fn in_sync(&self) -> u32 {
        self.snapshot().count(State::InSync)
    }

    /// The key of a scope.
    pub fn scope(&self, name: &str) -> ScopeKey {
        ScopeKey::parse(name).filter(|key| self.watch.index.scopes.contains_key(key)).unwrap()
    }

    /// Whether a scope was read whole.
    pub fn is_whole(&self, key: &ScopeKey) -> bool {
        let snapshot = self.snapshot();
        snapshot.scopes.iter().any(|view| view.scope == *key && view.complete && view.error.is_none())
    }

    /// Everything that the last good reading of a scope saw.
    pub fn seen(&self, key: &ScopeKey) -> BTreeSet<String> {
        let reading = self.watch.observations.get(key).and_then(|observation| observation.reading.as_ref());
        let objects = reading.into_iter().flat_map(|reading| reading.objects.keys());
        objects.map(|object| format!("{}/{}", object.kind, object.key)).collect()
    }

    /// From now on requests meet this fault. What was called before is forgotten.
    pub fn fault(&self, rule: Rule) {
        self.cloud.reset_calls();
        self.cloud.with_world(|world| world.faults.add(rule));
    }

    /// Every request of one operation meets this effect.
    pub fn plague(&self, service: Service, operation: &str, effect: Effect) {
        self.fault(Rule::always(Match::operation(service, operation), effect));
    }

    /// The cloud behaves again.
    pub fn heal(&self) {
        self.cloud.with_world(|world| world.faults.clear());
    }

    /// The requests that met a fault.
    pub fn struck(&self) -> Vec<Call> {
        self.cloud.calls().into_iter().filter(|call| call.fault.is_some()).collect()
    }

    /// The fault is over: within two passes everything is known, and exactly this is found.
    pub async fn is_back(&mut self, expected: &BTreeSet<String>, after: &str) {
        self.heal();
        self.passes(2).await;
        assert_eq!(self.proven(), *expected, "{after}: two passes after its end");
        assert_eq!(self.open(), *expected, "{after}: nothing is held any more");
        assert_eq!(self.unknown(), BTreeMap::new(), "{after}: two passes after its end");
    }

    /// A simulated person's call.
    pub fn act(&self, account: &str, service: Service, operation: &str, input: Value) -> Value {
        let caller = Caller::root(account, REGION);
        self.cloud
            .call(&caller, &Request::new(service, operation, input))
            .unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// Deletes the service `worker` and nothing else of it; it drains for so long.
    pub fn delete_worker(&self, drains_for: SignedDuration) {
        let owner = Caller::root(MAIN, REGION);
        self.cloud.with_world(|world| {
            ecs::of(world, &owner).service_mut(CLUSTER, "worker").unwrap().drains_for = drains_for;
        });
        self.act(
            MAIN,
            Service::Ecs,
            "DeleteService",
            json!({ "cluster": CLUSTER, "service": "worker", "force": true }),
        );
    }

    /// Creates a service anew, or for the first time; its tasks run.
    pub fn create(&self, name: &str) {
        let (owner, now) = (Caller::root(MAIN, REGION), self.cloud_now());
        self.cloud.with_world(|world| {
            ecs::of(world, &owner).put_running_service(&owner, CLUSTER, name, 2, name, now);
        });
    }

    /// Another TTL for the record of `api`: a difference that is found with the next reading.
    pub fn set_ttl(&self, seconds: i64) {
        self.cloud.with_world(|world| {
            let zones = world.route53.get_mut(platform::DNS).unwrap();
            let mut record = zones.record(ZONE, "api.example.com", "CNAME", None).unwrap().clone();
            record.ttl = Some(seconds);
            zones.put_record(ZONE, record).unwrap();
        });
    }

    /// An item of a deployer, written at this time, that names nothing.
    pub fn put_item(&self, service: &str, written: Timestamp) {
        let owner = Caller::root(MAIN, REGION);
        let item = json!({ "service": { "S": service }, "updated_at": { "S": written.to_string() } });
        self.cloud.with_world(|world| dynamodb::of(world, &owner).put_item(DEPLOYMENTS, item).unwrap());
    }
}

/// The finding of a record whose TTL was changed.
pub const OTHER_TTL: &str = "production DnsRecord/api changed";

/// Everything of one account, whatever the service.
pub fn account(id: &str) -> Match {
    Match { account: Some(id.to_owned()), ..Match::default() }
}

/// Everything of one service, in every account.
pub fn service(service: Service) -> Match {
    Match { service: Some(service), ..Match::default() }
}

/// This finding beside others.
pub fn with(findings: &BTreeSet<String>, another: &str) -> BTreeSet<String> {
    findings.iter().cloned().chain([another.to_owned()]).collect()
}

fn begin(scratch: &Scratch, clock: &Clock, cloud: &Cloud, keeps: bool) -> (Watch, Arc<Shared>) {
    let redactor = Arc::new(Redactor::new(&[7; 32]));
    let loaded = Roots::new(vec![scratch.file("desired-state")]).load(&redactor, clock.now());
    let refused: Vec<String> = loaded.rejected.iter().map(|rejected| rejected.render(false)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let desired = loaded.desired.unwrap();
    let sessions = Sessions::new(SessionOptions {
        cloud: Some("http://127.0.0.1:1".to_owned()),
        home_account: Some(MAIN.to_owned()),
        clock: clock.clone(),
        http_client: Some(connector::in_process(cloud.clone())),
        requests: Requests::default(),
        user_agent: AppName::new("moored-test").unwrap(),
    });
    let budgets = Arc::new(Budgets::new(clock.clone()));
    budgets.declare(desired.environments.values().flat_map(|environment| environment.accounts.values()));
    let outside =
        Outside::new(Some("http://127.0.0.1:1".to_owned()), None, clock, &redactor, &Requests::default()).unwrap();
    let shared =
        Arc::new(Shared::new(sessions, outside, budgets, clock.clone(), redactor, true, Duration::from_secs(60)));
    let (mut memory, mut history) = (Memory::default(), None);
    if keeps {
        let mut kept = SqliteHistory::open(&scratch.file("moored.db")).unwrap();
        memory = kept.load().unwrap();
        history = Some(Arc::new(Mutex::new(kept)) as Arc<Mutex<dyn History>>);
    }
    let mut watch = Watch::new(memory, history);
    watch.patient = true;
    watch.declare(desired);
    (watch, shared)
}
