//! F01 to F04 for Cloud Foundry: lists that come empty, lists that go wrong between their pages,
//! lists and names that contradict each other, and answers of yesterday.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use moored::core::drift::Drift;
use moored::sim::cloudfoundry::faults::{Effect, Rule};

use super::place::{LISTS, foundation, manifests};
use super::stage::{Stage, start};

/// What is open once `mailer` is deleted.
async fn bereft(name: &str) -> (Stage, BTreeSet<String>) {
    let mut stage = Stage::settled(name).await;
    let app = stage.app("mailer");
    stage.cf(|cf, now| assert!(cf.delete_app(&app, now)));
    stage.passes(2).await;
    let lost = stage.open();
    assert_eq!(lost.len(), 2, "the app and its binding: {lost:?}");
    (stage, lost)
}

/// Lists that tell of things by themselves; the others only add to them.
const CORE: [&str; 6] = [
    "/v3/organizations",
    "/v3/spaces",
    "/v3/apps",
    "/v3/processes",
    "/v3/service_instances",
    "/v3/service_credential_bindings",
];

#[tokio::test(flavor = "multi_thread")]
async fn f01_an_empty_list_of_any_kind_proves_no_absence_and_ends_no_finding() {
    let (mut stage, lost) = bereft("f01").await;
    for path in LISTS {
        stage.plague(path, Effect::Empty);
        for _ in 0..3 {
            stage.pass().await;
            assert_eq!(stage.losses(), lost, "{path} answers with empty lists");
        }
        assert!(stage.asked().contains_key(path), "{path} is never asked: the fault tests nothing");
        if CORE.contains(&path) {
            let blind = match path {
                "/v3/service_instances" => "production ServiceInstance/db",
                "/v3/service_credential_bindings" => "production ServiceBinding/api/db",
                _ => "production App/api",
            };
            assert!(stage.unknown().contains_key(blind), "{path}: {:?}", stage.unknown());
            assert_eq!(stage.open(), lost, "{path}");
        }
        stage.is_back(&lost, path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_all_lists_empty_at_once_are_no_empty_foundation() {
    let (mut stage, lost) = bereft("f01-all").await;
    stage.plague("/v3/", Effect::Empty);
    for _ in 0..3 {
        stage.pass().await;
        assert_eq!(stage.open(), lost);
    }
    stage.is_back(&lost, "all lists empty").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_lists_that_are_empty_from_the_first_reading_on_prove_nothing_either() {
    let mut stage = Stage::over("f01-first", foundation(start()), &manifests()).await;
    stage.plague("/v3/", Effect::Empty);
    for _ in 0..3 {
        stage.pass().await;
        assert_eq!(stage.open(), BTreeSet::new(), "nothing was ever seen, and nothing is gone");
    }
    stage.is_back(&BTreeSet::new(), "empty from the start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_pages_that_are_lost_or_shift_make_a_list_incomplete_and_nothing_gone() {
    let (mut stage, lost) = bereft("f02").await;
    stage.cf(|cf, _| cf.page_limit = Some(2));
    stage.pass().await;
    let paged = [
        "/v3/spaces",
        "/v3/apps",
        "/v3/processes",
        "/v3/service_instances",
        "/v3/service_credential_bindings",
        "/v3/routes",
        "/v3/buildpacks",
        "/v3/stacks",
    ];
    for path in paged {
        for effect in [Effect::DropPage, Effect::ShiftRows, Effect::TotalChanges] {
            stage.plague(path, effect.clone());
            stage.passes(2).await;
            let second =
                stage.cf(|cf, _| cf.requests.iter().any(|one| one.path == path && one.query.contains("page=2")));
            assert!(second, "{path} has no second page: the fault tests nothing");
            assert_eq!(stage.losses(), lost, "{path} {effect:?}");
            let reasons: BTreeSet<&str> = stage.unknown().into_values().collect();
            assert!(reasons.iter().all(|reason| *reason == "incomplete"), "{path} {effect:?}: {reasons:?}");
            stage.is_back(&lost, path).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_list_that_changes_once_is_simply_read_again() {
    let (mut stage, lost) = bereft("f02-once").await;
    stage.cf(|cf, _| cf.page_limit = Some(2));
    stage.fault(Rule::always("/v3/processes", Effect::ShiftRows).times(1));
    stage.pass().await;
    assert_eq!((stage.open(), stage.unknown().len()), (lost, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_where_a_list_and_a_name_contradict_each_other_present_wins() {
    for (path, list, thing) in [
        ("/v3/apps", "organization_guids=", "production App/api"),
        ("/v3/service_instances", "organization_guids=", "production ServiceInstance/db"),
        ("/v3/service_credential_bindings", "type=app&per_page", "production ServiceBinding/api/db"),
    ] {
        let mut stage = Stage::over("f03", foundation(start()), &manifests()).await;
        // The list alone is empty; who asks by name is told the truth.
        stage.fault(Rule::always(path, Effect::Empty).about(list));
        for _ in 0..3 {
            stage.pass().await;
            assert_eq!(stage.open(), BTreeSet::new(), "{path}");
            assert_eq!(stage.unknown().get(thing), Some(&"incomplete"), "{path}: {:?}", stage.unknown());
        }
        stage.is_back(&BTreeSet::new(), path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_answers_of_the_past_open_nothing_while_nothing_changes() {
    let (mut stage, lost) = bereft("f04").await;
    stage.passes(12).await;
    stage.fault(Rule::always("/v3/", Effect::Stale(SignedDuration::from_mins(10))).sometimes(0.5));
    for minute in 0..15 {
        stage.pass().await;
        assert_eq!((stage.open(), stage.unknown().len()), (lost.clone(), 0), "minute {minute}");
    }
    stage.is_back(&lost, "old answers").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_loss_that_old_answers_hide_is_found_when_they_are_old_enough_and_nothing_else_is() {
    let mut stage = Stage::settled("f04-loss").await;
    stage.fault(Rule::always("/v3/", Effect::Stale(SignedDuration::from_mins(5))).sometimes(0.7));
    stage.passes(2).await;
    let (app, logs) = (stage.app("site"), stage.instance("logs"));
    stage.cf(|cf, now| assert!(cf.unbind(&app, &logs, now)));
    let lost = BTreeSet::from(["production ServiceBinding/site/logs missing".to_owned()]);
    for minute in 0..8 {
        stage.pass().await;
        assert!(stage.losses().is_subset(&lost), "minute {minute}: {:?}", stage.losses());
    }
    stage.heal();
    stage.passes(2).await;
    assert_eq!(stage.losses(), lost);
    assert!(!stage.finding("ServiceBinding", "site/logs", Drift::Missing).held);
}
