//! Generated worlds: what moored finds is exactly what the generator broke, whatever the seed.
//!
//! The generator draws a platform of every kind, writes its manifests as text and fills the
//! simulated cloud by requests; then it breaks a part of it and notes what it broke. It asks
//! moored nothing, so that its truth is its own. Two numbers are compared: nothing that was broken
//! is missed (recall 1.000), and nothing else is found (precision 1.000).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "worlds/draw.rs"]
mod draw;
#[path = "worlds/generator.rs"]
mod generator;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_types::app_name::AppName;
use generator::{Platform, Truth};
use jiff::{SignedDuration, Timestamp};
use moored::aws::budget::Budgets;
use moored::aws::intercept::Requests;
use moored::aws::session::{SessionOptions, Sessions};
use moored::clock::Clock;
use moored::core::memory::Memory;
use moored::core::redact::Redactor;
use moored::core::snapshot::Snapshot;
use moored::engine::pass;
use moored::engine::reader::{Outside, Shared};
use moored::engine::roots::Roots;
use moored::engine::watch::Watch;
use moored::sim::wire::{Cloud, connector};

/// moored over one generated platform, on a clock that only the test moves.
struct Observer {
    watch: Watch,
    shared: Arc<Shared>,
    clock: Clock,
    runtime: tokio::runtime::Runtime,
}

impl Observer {
    fn new(platform: &Platform, cloud: &Cloud, clock: &Clock) -> Self {
        let redactor = Arc::new(Redactor::new(&[7; 32]));
        let loaded = Roots::new(vec![platform.folder.clone()]).load(&redactor, clock.now());
        let refused: String = loaded.rejected.iter().map(|rejected| rejected.render(false)).collect();
        assert!(refused.is_empty(), "{refused}");
        let desired = loaded.desired.unwrap();
        let sessions = Sessions::new(SessionOptions {
            cloud: Some("http://127.0.0.1:1".to_owned()),
            home_account: None,
            clock: clock.clone(),
            http_client: Some(connector::in_process(cloud.clone())),
            requests: Requests::default(),
            user_agent: AppName::new("moored-worlds").unwrap(),
        });
        let budgets = Arc::new(Budgets::new(clock.clone()));
        budgets.declare(desired.environments.values().flat_map(|environment| environment.accounts.values()));
        let age = Duration::from_secs(600);
        let outside =
            Outside::new(Some("http://127.0.0.1:1".to_owned()), None, clock, &redactor, &Requests::default()).unwrap();
        let shared = Arc::new(Shared::new(sessions, outside, budgets, clock.clone(), redactor, true, age));
        let mut watch = Watch::new(Memory::default(), None);
        watch.declare(desired);
        Self { watch, shared, clock: clock.clone(), runtime: tokio::runtime::Runtime::new().unwrap() }
    }

    fn pass(&mut self) -> Arc<Snapshot> {
        self.clock.jump(SignedDuration::from_mins(6));
        self.runtime.block_on(pass::pass(&mut self.watch, &self.shared, |_| true, |_, _, _| {}));
        self.watch.evaluate(self.clock.now())
    }
}

fn found(snapshot: &Snapshot) -> BTreeSet<Truth> {
    snapshot
        .findings
        .iter()
        .map(|finding| Truth::new(&finding.key.kind, &finding.key.name, finding.key.drift.as_str()))
        .collect()
}

/// Precision and recall, with what was got wrong.
#[track_caller]
fn judge(snapshot: &Snapshot, truth: &BTreeSet<Truth>, what: &str) {
    let found = found(snapshot);
    let missed: Vec<_> = truth.difference(&found).collect();
    let invented: Vec<_> = found.difference(truth).collect();
    assert!(missed.is_empty() && invented.is_empty(), "{what}: missed {missed:?}, invented {invented:?}");
    assert!(snapshot.unknown.is_empty(), "{what}: {:?}", snapshot.unknown);
}

/// Plays one world: with 0 % drift first, then broken, then what two passes say.
fn play(seed: u64, size: usize, percent: usize) {
    let made: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let mut platform = Platform::draw(seed, size, made);
    let clock = Clock::scaled(made + SignedDuration::from_hours(2), 1.0);
    let ticking = clock.clone();
    let cloud = Cloud::new(std::mem::take(&mut platform.world), move || ticking.now(), seed);
    let mut observer = Observer::new(&platform, &cloud, &clock);
    let quiet = observer.pass();
    judge(&quiet, &platform.drifted_on_paper, &format!("seed {seed}, {size} resources, before anything was broken"));

    let broken = cloud.with_world(|world| platform.break_some(world, percent, clock.now()));
    assert_eq!(broken.is_empty(), percent == 0 || size * percent < 100, "the world must be broken as far as asked");
    clock.jump(SignedDuration::from_mins(30));
    observer.pass();
    let snapshot = observer.pass();
    let mut truth = platform.drifted_on_paper.clone();
    truth.extend(broken);
    judge(&snapshot, &truth, &format!("seed {seed}, {size} resources, {percent} % broken"));
    assert!(percent == 0 || truth.len() * 100 >= size * percent / 2, "only {} of {size} drifted", truth.len());
}

#[test]
fn quiet_worlds_of_a_hundred_have_no_findings() {
    (0..20).for_each(|seed| play(seed, 100, 0));
}

#[test]
fn in_worlds_of_a_hundred_exactly_what_was_broken_is_found() {
    (0..60).for_each(|seed| play(seed, 100, 5 + (seed as usize % 4) * 10));
}

#[test]
fn worlds_of_two_thousand_are_judged_without_a_mistake() {
    (2..5).for_each(|seed| play(seed, 2_000, 5));
}

#[test]
fn worlds_of_ten_thousand_are_judged_without_a_mistake() {
    play(12, 10_000, 5);
}

#[test]
fn every_kind_is_broken_in_every_way_it_can_be() {
    let mut ways = BTreeSet::new();
    for seed in 0..60 {
        let made: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let mut platform = Platform::draw(seed, 100, made);
        let mut world = std::mem::take(&mut platform.world);
        let broken = platform.break_some(&mut world, 35, made + SignedDuration::from_hours(2));
        let both = broken.iter().chain(&platform.drifted_on_paper);
        ways.extend(both.map(|truth| (truth.kind.clone(), truth.drift.clone())));
    }
    let ways: Vec<String> = ways.iter().map(|(kind, drift)| format!("{kind} {drift}")).collect();
    assert_eq!(ways, generator::WAYS, "the generator must reach all of them");
}
