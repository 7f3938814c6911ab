//! The pure part at 10,000 and 100,000 resources: validate, evaluate whole and after one changed scope, render.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod platform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_types::app_name::AppName;
use criterion::{Criterion, criterion_group, criterion_main};
use moored::aws::budget::Budgets;
use moored::aws::intercept::Requests;
use moored::aws::session::{SessionOptions, Sessions};
use moored::clock::Clock;
use moored::core::evaluate::{Input, evaluate};
use moored::core::identity::ScopeKind;
use moored::core::memory::Memory;
use moored::core::report::Report;
use moored::engine::pass;
use moored::engine::reader::{Outside, Shared};
use moored::engine::roots::Roots;
use moored::engine::watch::Watch;
use moored::serve::metrics::{self, ShellMetrics};
use moored::sim::wire::connector;
use platform::Size;

/// A watch that has read the whole platform once, in process.
fn read_platform(total: usize, folder: &std::path::Path) -> Watch {
    let redactor = platform::redactor();
    let desired = platform::desired(folder, &redactor);
    let clock = Clock::wall();
    let sessions = Sessions::new(SessionOptions {
        cloud: Some("http://127.0.0.1:1".to_owned()),
        home_account: None,
        clock: clock.clone(),
        http_client: Some(connector::in_process(platform::cloud(Size::of(total)))),
        requests: Requests::default(),
        user_agent: AppName::new("moored-bench").unwrap(),
    });
    let budgets = Arc::new(Budgets::new(clock.clone()));
    budgets.declare(desired.environments.values().flat_map(|environment| environment.accounts.values()));
    let outside =
        Outside::new(Some("http://127.0.0.1:1".to_owned()), None, &clock, &redactor, &Requests::default()).unwrap();
    let shared =
        Arc::new(Shared::new(sessions, outside, budgets, clock.clone(), redactor, true, Duration::from_secs(600)));
    let mut watch = Watch::new(Memory::default(), None);
    watch.declare(desired);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(pass::pass(&mut watch, &shared, |_| true, |_, _, _| {}));
    let snapshot = watch.evaluate(clock.now());
    let summary = Report::new(&snapshot, &watch.index, &Default::default(), clock.now()).summary;
    assert_eq!(
        (summary.in_sync as usize, summary.resources as usize),
        (total, total),
        "the platform must be in sync: {summary:?}"
    );
    watch
}

fn benches(criterion: &mut Criterion) {
    for total in [10_000, 100_000] {
        bench_at(total, criterion);
    }
}

fn bench_at(total: usize, criterion: &mut Criterion) {
    let folder = platform::folder(total);
    platform::write(Size::of(total), &folder);
    let redactor = platform::redactor();
    criterion.bench_function(&format!("validate {total} resources"), |bench| {
        bench.iter(|| Roots::new(vec![folder.clone()]).load(&redactor, Clock::wall().now()));
    });

    let watch = read_platform(total, &folder);
    let now = Clock::wall().now();
    let identities = BTreeMap::new();
    let empty = Memory::default();
    let input = Input {
        desired: &watch.desired,
        index: &watch.index,
        observations: &watch.observations,
        identities: &identities,
        memory: &empty,
        holds: &[],
        now,
        patient: true,
    };
    let all: BTreeSet<_> = watch.index.scopes.keys().cloned().collect();
    criterion.bench_function(&format!("evaluate {total} after a full read"), |bench| {
        bench.iter(|| evaluate(&input, None, &all));
    });
    let whole = evaluate(&input, None, &all);
    let input = Input { memory: &whole.memory, ..input };
    let again = evaluate(&input, Some(&whole), &all);
    let one: BTreeSet<_> = all.iter().filter(|key| key.kind == ScopeKind::EcsCluster).take(1).cloned().collect();
    criterion.bench_function(&format!("evaluate {total} after one changed scope"), |bench| {
        bench.iter(|| evaluate(&input, Some(&again), &one));
    });
    let shell = ShellMetrics::default();
    criterion.bench_function(&format!("render {total} for the metrics"), |bench| {
        bench.iter(|| metrics::render(&again.snapshot, &watch.index, &shell));
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

criterion_group! {
    name = pure;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(8));
    targets = benches
}
criterion_main!(pure);
