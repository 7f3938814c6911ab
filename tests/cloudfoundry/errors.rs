//! F08, F09, F14 and F21 for Cloud Foundry: every error of every question, a role that is lost,
//! servers that fail now and then, and a login page in the platform's place.

use std::collections::{BTreeMap, BTreeSet};

use moored::sim::cloudfoundry::faults::{Effect, Rule};

use super::place::LISTS;
use super::stage::Stage;

/// What each answer means, whatever was asked.
fn meanings() -> Vec<(Effect, &'static str)> {
    vec![
        (Effect::Status(400), "invalid"),
        (Effect::Status(401), "credentials"),
        (Effect::Status(403), "denied"),
        (Effect::Status(404), "denied"),
        (Effect::Status(422), "invalid"),
        (Effect::Status(500), "server"),
        (Effect::Status(502), "server"),
        (Effect::Status(503), "server"),
        (Effect::Status(504), "server"),
        (Effect::RateLimited(20), "throttled"),
        (Effect::ExpiredToken, "credentials"),
        (Effect::Html, "malformed"),
        (Effect::Truncated, "network"),
        (Effect::Reset, "network"),
        (Effect::Redirect("https://login.example.com/login?token=canary".to_owned()), "malformed"),
    ]
}

/// Lists without which nothing of the organisation is believed.
const NEEDED: [&str; 8] = [
    "/v3/organizations",
    "/v3/spaces",
    "/v3/apps",
    "/v3/deployments",
    "/v3/processes",
    "/v3/service_instances",
    "/v3/service_credential_bindings",
    "/v3/routes",
];

async fn bereft(name: &str) -> (Stage, BTreeSet<String>) {
    let mut stage = Stage::settled(name).await;
    let (app, db) = (stage.app("api"), stage.instance("db"));
    stage.cf(|cf, now| assert!(cf.unbind(&app, &db, now)));
    stage.passes(2).await;
    let open = stage.open();
    assert_eq!(open.len(), 2, "{open:?}");
    (stage, open)
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_every_error_of_every_question_is_understood_and_none_reads_as_absent() {
    let (mut stage, open) = bereft("f08").await;
    let questions = LISTS.into_iter().chain(["/v3/environment_variable_groups/running"]);
    for path in questions {
        for (effect, reason) in meanings() {
            stage.plague(path, effect.clone());
            stage.pass().await;
            assert!(stage.asked().contains_key(path), "{path} is never asked: the fault tests nothing");
            assert_eq!(stage.losses().len(), 1, "{path} {effect:?}: {:?}", stage.losses());
            assert!(stage.losses().is_subset(&open), "{path} {effect:?}");
            if NEEDED.contains(&path) {
                let unknown = stage.unknown();
                assert_eq!(unknown.get("production App/site"), Some(&reason), "{path} {effect:?}: {unknown:?}");
                assert_eq!(stage.open(), open, "{path} {effect:?}: what was open is held");
            }
            let shown = format!("{:?}", stage.snapshot());
            assert!(!shown.contains("token=canary"), "where a redirect leads holds a token");
            stage.is_back(&open, &format!("{path} {effect:?}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_a_manifest_that_cannot_be_read_makes_its_fields_unknown_and_nothing_else() {
    let mut stage = Stage::settled("f08-manifest").await;
    let app = stage.app("api");
    for (effect, _) in meanings().into_iter().filter(|(effect, _)| !matches!(effect, Effect::RateLimited(_))) {
        stage.plague("/v3/apps/", effect.clone());
        // The state of the app changes, and nothing that it is compared by.
        stage.cf(|cf, now| cf.set_env(&app, "LOG_LEVEL", "info", now));
        stage.pass().await;
        let manifest = format!("/v3/apps/{app}/manifest");
        assert!(stage.asked().contains_key(&manifest), "{effect:?}");
        assert_eq!(stage.open(), BTreeSet::new(), "{effect:?}");
        let unknown: BTreeMap<String, &str> = stage.unknown();
        assert_eq!(unknown.keys().collect::<Vec<_>>(), ["production App/api"], "{effect:?}");
        stage.heal();
        // A role that was refused is asked to again after ten minutes.
        stage.advance(jiff::SignedDuration::from_mins(11));
        stage.is_back(&BTreeSet::new(), &format!("{effect:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f09_a_role_that_is_lost_shows_empty_lists_and_nothing_is_gone() {
    let (mut stage, open) = bereft("f09").await;
    for path in LISTS.into_iter().chain(["/v3/"]) {
        stage.plague(path, Effect::LostRole);
        for _ in 0..3 {
            stage.pass().await;
            assert_eq!(stage.losses().len(), 1, "{path}: {:?}", stage.losses());
            assert!(stage.losses().is_subset(&open), "{path}");
        }
        if path == "/v3/" || path == "/v3/spaces" || path == "/v3/organizations" {
            assert_eq!(stage.unknown().get("production App/site"), Some(&"container_missing"), "{path}");
            assert_eq!(stage.open(), open, "{path}: what was open is held");
        }
        stage.is_back(&open, path).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_requests_that_fail_now_and_then_give_no_verdict_of_a_mixed_pass() {
    let (mut stage, open) = bereft("f14").await;
    stage.cf(|cf, _| cf.page_limit = Some(2));
    for share in [0.01, 0.1, 0.5] {
        for effect in [Effect::Status(503), Effect::Status(500), Effect::Reset, Effect::Truncated] {
            stage.fault(Rule::always("/", effect.clone()).sometimes(share));
            for pass in 0..8 {
                stage.pass().await;
                assert_eq!(stage.open(), open, "{share} {effect:?}, pass {pass}");
            }
            stage.is_back(&open, &format!("{share} {effect:?}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_login_page_in_the_platforms_place_is_neither_followed_nor_believed() {
    let (mut stage, open) = bereft("f21").await;
    for effect in [Effect::Redirect("/_cf/api.example.com/login".to_owned()), Effect::Html] {
        stage.plague("/", effect.clone());
        stage.cf(|cf, _| cf.revoke_tokens());
        stage.passes(3).await;
        assert_eq!(stage.open(), open, "{effect:?}: what was open is held");
        assert_eq!(stage.unknown().get("production App/site"), Some(&"malformed"), "{effect:?}");
        let asked = stage.asked();
        assert!(!asked.keys().any(|path| path == "/login"), "{effect:?} was followed: {asked:?}");
        stage.is_back(&open, "a login page").await;
    }
}
