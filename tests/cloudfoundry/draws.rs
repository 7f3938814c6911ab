//! A property: whatever role, page, list or answer is taken away, nothing is ever called missing,
//! orphaned or vanished; and what is put right again is found as it was.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use moored::sim::cloudfoundry::faults::{Effect, Rule};
use moored::sim::cloudfoundry::{AppPlan, Foundation, Role};
use proptest::prelude::*;

use super::place::{self, LISTS, ORGANIZATION, SPACE};
use super::stage::{Stage, start};

/// An app of a drawn foundation: bound to the database, to the queue, with so many instances.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    db: bool,
    queue: bool,
    instances: usize,
    declared: bool,
}

/// Something that goes wrong: where, what, how often, and from which page on.
#[derive(Debug, Clone)]
struct Wrong {
    path: &'static str,
    effect: Effect,
    share: f64,
    later_pages: bool,
}

fn app() -> impl Strategy<Value = Drawn> {
    (any::<bool>(), any::<bool>(), 1_usize..3, any::<bool>()).prop_map(|(db, queue, instances, declared)| Drawn {
        db,
        queue,
        instances,
        declared,
    })
}

fn wrong() -> impl Strategy<Value = Wrong> {
    let paths: Vec<&'static str> = LISTS.into_iter().chain(["/v3/", "/v3/apps/", "/login", "/"]).collect();
    let effects = vec![
        Effect::Empty,
        Effect::DropPage,
        Effect::ShiftRows,
        Effect::TotalChanges,
        Effect::LostRole,
        Effect::Status(403),
        Effect::Status(404),
        Effect::Status(500),
        Effect::Status(503),
        Effect::ExpiredToken,
        Effect::RateLimited(20),
        Effect::Html,
        Effect::Truncated,
        Effect::Reset,
        Effect::Stale(SignedDuration::from_mins(5)),
    ];
    let shares = prop_oneof![Just(1.0), Just(0.5), Just(0.1)];
    (proptest::sample::select(paths), proptest::sample::select(effects), shares, any::<bool>())
        .prop_map(|(path, effect, share, later_pages)| Wrong { path, effect, share, later_pages })
}

fn name(number: usize) -> String {
    format!("app-{number}")
}

fn foundation(apps: &[Drawn]) -> Foundation {
    let (mut foundation, made) = place::bare(start());
    for (service, plan) in [("db", Some(("postgres", "medium"))), ("queue", None)] {
        foundation.create_service_instance(ORGANIZATION, SPACE, service, plan, made);
    }
    for (number, app) in apps.iter().enumerate() {
        let mut plan = AppPlan::new(&name(number));
        plan.instances = app.instances;
        plan.services = services(app);
        plan.routes = vec![format!("{}.example.com", name(number))];
        plan.detects = Some("ruby_buildpack".to_owned());
        place::run(&mut foundation, SPACE, &plan, made);
    }
    foundation
}

fn services(app: &Drawn) -> Vec<String> {
    let bound = [(app.db, "db"), (app.queue, "queue")];
    bound.into_iter().filter(|(bound, _)| *bound).map(|(_, name)| name.to_owned()).collect()
}

/// Of the declared ones; the others are watched.
fn manifest(apps: &[Drawn]) -> String {
    let document = |(number, app): (usize, &Drawn)| {
        let (name, services) = (name(number), services(app).join(", "));
        format!(
            "---\napiVersion: moored.dev/v1\nkind: App\nmetadata: {{name: {name}, environments: [production]}}\n\
             spec: {{space: prod, application: {{instances: {}, services: [{services}]}}}}\n",
            app.instances
        )
    };
    apps.iter().enumerate().filter(|(_, app)| app.declared).map(document).collect()
}

async fn play(apps: Vec<Drawn>, wrongs: Vec<Wrong>, pages: bool, revoked: bool) -> Result<(), TestCaseError> {
    let declared = manifest(&apps);
    let mut files = place::manifests().to_vec();
    files.retain(|(file, _)| !["apps.yaml", "services.yaml"].contains(file));
    files.push(("drawn.yaml", declared.as_str()));
    if declared.is_empty() {
        files.pop();
    }
    let mut stage = Stage::over("draws", foundation(&apps), &files).await;
    stage.passes(2).await;
    prop_assert_eq!(stage.open(), BTreeSet::new());
    prop_assert_eq!(stage.unknown(), BTreeMap::new());

    stage.cf(|cf, _| {
        cf.page_limit = pages.then_some(4);
        if revoked {
            cf.revoke_role("moored", &Role::AdminReadOnly);
        }
        for wrong in &wrongs {
            let rule = Rule::always(wrong.path, wrong.effect.clone()).sometimes(wrong.share);
            cf.faults.add(if wrong.later_pages { rule.about("&page=") } else { rule });
        }
    });
    for pass in 0..3 {
        stage.pass().await;
        prop_assert_eq!(stage.losses(), BTreeSet::new(), "pass {} of {:?}", pass, wrongs);
    }
    stage.cf(|cf, _| {
        cf.faults.clear();
        cf.set_role("moored", Role::AdminReadOnly);
    });
    // A secret that was refused is tried again after five minutes.
    stage.advance(SignedDuration::from_mins(5));
    stage.passes(3).await;
    prop_assert_eq!(stage.open(), BTreeSet::new(), "put right: {:?}", wrongs);
    prop_assert_eq!(stage.unknown(), BTreeMap::new(), "put right: {:?}", wrongs);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_taken_away_from_an_answer_is_ever_called_gone(
        apps in proptest::collection::vec(app(), 1..5),
        wrongs in proptest::collection::vec(wrong(), 0..4),
        pages in any::<bool>(),
        revoked in proptest::bool::weighted(0.1),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(play(apps, wrongs, pages, revoked))?;
    }
}
