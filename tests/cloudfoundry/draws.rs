//! A property: whoever reads, and whatever role, page, list or answer is taken away, nothing is ever called missing,
//! orphaned or vanished; and what is put right again is found as it was.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use moored::sim::cloudfoundry::faults::{Effect, Rule};
use moored::sim::cloudfoundry::{AppPlan, Foundation, Role};
use proptest::prelude::*;

use super::place::{self, LISTS, ORGANIZATION, SECRET, SPACE};
use super::stage::{Stage, start};

/// The space that is read beside the one of the apps.
const OTHER: &str = "tools";

/// What moored may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Everything, with secrets.
    Everything,
    /// Everything but secrets.
    Audits,
    /// Two spaces, by a role in each.
    Spaces,
    /// The organisation, and nothing that is in its spaces.
    Organization,
}

/// A role that is taken away.
#[derive(Debug, Clone, Copy)]
struct Revoked {
    /// After so many readings of a pass; before the first of them at 0.
    after: usize,
    /// The one in the space of the apps alone, where there is one in each.
    only_one: bool,
    /// The organisation is still seen.
    leaves_organization: bool,
}

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

fn any_reader() -> impl Strategy<Value = Reader> {
    let all = vec![Reader::Everything, Reader::Audits, Reader::Spaces, Reader::Organization];
    proptest::sample::select(all)
}

fn any_revoked() -> impl Strategy<Value = Revoked> {
    (0_usize..4, any::<bool>(), any::<bool>()).prop_map(|(after, only_one, leaves_organization)| Revoked {
        after,
        only_one,
        leaves_organization,
    })
}

fn name(number: usize) -> String {
    format!("app-{number}")
}

/// The roles of such a reader; the first is the one that sees the apps.
fn roles(foundation: &Foundation, reader: Reader) -> Vec<Role> {
    let space = |name: &str| Role::SpaceAuditor(foundation.space_guid(ORGANIZATION, name).unwrap());
    match reader {
        Reader::Everything => vec![Role::AdminReadOnly],
        Reader::Audits => vec![Role::GlobalAuditor],
        Reader::Spaces => vec![space(SPACE), space(OTHER)],
        Reader::Organization => vec![organization(foundation)],
    }
}

fn organization(foundation: &Foundation) -> Role {
    Role::OrgAuditor(foundation.organization_guid(ORGANIZATION).unwrap())
}

/// Every role of the reader.
fn grant(foundation: &mut Foundation, reader: Reader) {
    for role in roles(foundation, reader) {
        foundation.set_role("moored", role);
    }
}

fn revoke(foundation: &mut Foundation, reader: Reader, revoked: Revoked) {
    let count = if revoked.only_one { 1 } else { usize::MAX };
    for role in roles(foundation, reader).into_iter().take(count) {
        foundation.revoke_role("moored", &role);
    }
    if revoked.leaves_organization {
        let role = organization(foundation);
        foundation.set_role("moored", role);
    }
}

fn foundation(apps: &[Drawn], reader: Reader) -> Foundation {
    let (mut foundation, made) = place::bare(start());
    // Without any role it is still let in, and is told of nothing.
    foundation.add_client("moored", SECRET, &["cloud_controller.read"]);
    grant(&mut foundation, reader);
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

/// What cannot be judged, whatever the reason.
fn unknown(stage: &Stage) -> BTreeSet<String> {
    stage.unknown().into_keys().collect()
}

async fn play(
    apps: Vec<Drawn>,
    wrongs: Vec<Wrong>,
    pages: bool,
    reader: Reader,
    revoked: Option<Revoked>,
) -> Result<(), TestCaseError> {
    let declared = manifest(&apps);
    let mut files = place::manifests().to_vec();
    files.retain(|(file, _)| !["apps.yaml", "services.yaml"].contains(file));
    files.push(("drawn.yaml", declared.as_str()));
    if declared.is_empty() {
        files.pop();
    }
    let mut stage = Stage::over("draws", foundation(&apps, reader), &files).await;
    stage.passes(2).await;
    prop_assert_eq!(stage.open(), BTreeSet::new());
    let unseen = unknown(&stage);
    if reader != Reader::Organization {
        prop_assert_eq!(stage.unknown(), BTreeMap::new());
    }

    stage.cf(|cf, _| {
        cf.page_limit = pages.then_some(4);
        for wrong in &wrongs {
            let rule = Rule::always(wrong.path, wrong.effect.clone()).sometimes(wrong.share);
            cf.faults.add(if wrong.later_pages { rule.about("&page=") } else { rule });
        }
    });
    let after = revoked.map_or(usize::MAX, |revoked| revoked.after);
    let take_away = |stage: &Stage| {
        if let Some(revoked) = revoked {
            stage.cf(|cf, _| revoke(cf, reader, revoked));
        }
    };
    for pass in 0..3 {
        if pass == 0 {
            stage.pass_with(after, take_away).await;
            // There may be fewer readings than that in a pass.
            take_away(&stage);
        } else {
            stage.pass().await;
        }
        prop_assert_eq!(stage.losses(), BTreeSet::new(), "pass {} of {:?} {:?} {:?}", pass, reader, revoked, wrongs);
    }
    stage.cf(|cf, _| {
        cf.faults.clear();
        let role = organization(cf);
        cf.revoke_role("moored", &role);
        grant(cf, reader);
    });
    // A secret that was refused is tried again after five minutes.
    stage.advance(SignedDuration::from_mins(5));
    stage.passes(3).await;
    prop_assert_eq!(stage.open(), BTreeSet::new(), "put right: {:?} {:?} {:?}", reader, revoked, wrongs);
    prop_assert_eq!(unknown(&stage), unseen, "put right: {:?} {:?} {:?}", reader, revoked, wrongs);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_taken_away_from_an_answer_is_ever_called_gone(
        apps in proptest::collection::vec(app(), 1..5),
        wrongs in proptest::collection::vec(wrong(), 0..4),
        pages in any::<bool>(),
        reader in any_reader(),
        revoked in proptest::option::weighted(0.3, any_revoked()),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(play(apps, wrongs, pages, reader, revoked))?;
    }
}
