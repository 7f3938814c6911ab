//! F12, F13, F15 and F18 for Cloud Foundry: answers that come late or never, a platform that asks for
//! fewer calls, tokens that expire, a sign-in that is down, and a name that nobody resolves.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use moored::sim::cloudfoundry::faults::{Effect, Rule};

use super::common::{Scratch, text};
use super::place::{self, ENVIRONMENT, LISTS};
use super::stage::{Stage, start};

const TOKEN: &str = "/login/oauth/token";

fn nothing() -> BTreeSet<String> {
    BTreeSet::new()
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_slow_list_is_waited_for_and_one_that_hangs_holds_up_nobody_else() {
    let mut stage = Stage::settled("f12").await;
    stage.plague("/v3/apps", Effect::Slow(Duration::from_secs(2)));
    stage.pass().await;
    assert_eq!((stage.open(), stage.unknown().len()), (nothing(), 0), "two seconds are no failure");
    stage.heal();
    let began = std::time::Instant::now();
    stage.plague("/v3/routes", Effect::Slow(Duration::from_secs(40)));
    stage.pass().await;
    assert!(began.elapsed() < Duration::from_secs(20), "given up after {:?}", began.elapsed());
    let unknown = stage.unknown();
    assert_eq!(unknown.get("production App/site"), Some(&"timeout"), "{unknown:?}");
    assert!(
        !unknown.keys().any(|name| name.contains("Buildpacks/")),
        "the foundation is read all the same: {unknown:?}"
    );
    assert_eq!(stage.open(), nothing());
    stage.is_back(&nothing(), "a list that hung").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_a_platform_that_asks_for_fewer_calls_gets_fewer_and_is_read_again_soon_after() {
    const PASSES: usize = 10;
    let mut stage = Stage::settled("f13").await;
    stage.cf(|cf, _| cf.reset_requests());
    stage.passes(PASSES).await;
    let steady = stage.cf(|cf, _| cf.requests.len());
    let now = stage.clock.now();
    let end = now.checked_add(SignedDuration::from_mins(10)).unwrap();
    stage.fault(Rule::always("/v3/", Effect::RateLimited(45)).between(now, end));
    while stage.clock.now() < end.checked_sub(SignedDuration::from_secs(61)).unwrap() {
        stage.pass().await;
        assert_eq!(stage.open(), nothing());
        assert_eq!(stage.unknown().get("production App/site"), Some(&"throttled"), "{:?}", stage.unknown());
    }
    let requests = stage.cf(|cf, _| cf.requests.clone());
    assert!(requests.len() * 10 <= steady * 11, "{} requests where {steady} are usual", requests.len());
    assert!(requests.iter().filter(|request| request.status == 429).count() >= 5, "the fault has struck");
    for (refused, next) in requests.iter().zip(requests.iter().skip(1)) {
        let waited = next.at.duration_since(refused.at);
        assert!(refused.status != 429 || waited >= SignedDuration::from_secs(45), "asked again after {waited:#}");
    }
    stage.advance(SignedDuration::from_secs(62));
    stage.cf(|cf, _| cf.reset_requests());
    stage.is_back(&nothing(), "ten minutes of 429").await;
    let after = stage.cf(|cf, _| cf.requests.len());
    assert!(after * PASSES <= steady * 2 * 2, "{after} requests in two passes where {steady} are usual in ten");
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_token_that_expires_in_the_middle_of_a_pass_is_renewed_within_it() {
    let mut stage = Stage::settled("f15").await;
    for after in [0, 1] {
        stage.cf(|cf, _| cf.reset_requests());
        stage.pass_with(after, |stage| stage.cf(|cf, _| cf.revoke_tokens())).await;
        assert_eq!((stage.open(), stage.unknown().len()), (nothing(), 0), "after {after} readings");
        assert_eq!(stage.asked().get(TOKEN), Some(&1), "one sign-in");
    }
    for path in LISTS {
        stage.fault(Rule::always(path, Effect::ExpiredToken).times(1));
        stage.pass().await;
        assert_eq!((stage.open(), stage.unknown().len()), (nothing(), 0), "{path}");
        assert_eq!(stage.asked().get(TOKEN), Some(&1), "{path}: one sign-in");
        stage.heal();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_while_nobody_can_sign_in_everything_is_unknown_and_one_pass_later_nothing_is() {
    let mut stage = Stage::settled("f15-uaa").await;
    let app = stage.app("site");
    stage.cf(|cf, now| cf.stop(&app, now));
    stage.passes(3).await;
    let open = stage.open();
    assert_eq!(open.len(), 1);
    stage.plague("/login", Effect::Status(503));
    stage.cf(|cf, _| cf.revoke_tokens());
    for _ in 0..3 {
        stage.pass().await;
        assert_eq!(stage.open(), open, "held, and nothing beside it");
        assert!(stage.proven().is_empty());
        assert_eq!(stage.unknown().get("production App/api"), Some(&"server"), "{:?}", stage.unknown());
    }
    stage.heal();
    stage.pass().await;
    assert_eq!((stage.proven(), stage.unknown().len()), (open, 0), "within one pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_secret_that_is_refused_is_not_tried_at_each_pass() {
    let mut stage = Stage::settled("f15-secret").await;
    stage.cf(|cf, _| {
        cf.set_secret("moored", "another");
        cf.revoke_tokens();
        cf.reset_requests();
    });
    for _ in 0..4 {
        stage.pass().await;
        assert_eq!(stage.open(), nothing());
        assert_eq!(stage.unknown().get("production App/api"), Some(&"credentials"), "{:?}", stage.unknown());
    }
    assert_eq!(stage.asked().get(TOKEN), Some(&1), "UAA locks out who tries again and again");
    stage.cf(|cf, _| cf.set_secret("moored", place::SECRET));
    stage.advance(SignedDuration::from_mins(5));
    stage.is_back(&nothing(), "a secret that was put right").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_a_name_that_nobody_resolves_is_unknown_and_the_platform_is_read_again_once_it_is_there() {
    let scratch = Scratch::new("f18-secret");
    let secret = scratch.write("secret", place::SECRET);
    let environment = ENVIRONMENT.replace("/nowhere/secret", text(&secret));
    // No name below it exists anywhere (RFC 2606).
    let outside = environment.replace("api.example.com", "api.example.invalid");
    let mut files = place::manifests().to_vec();
    files[0] = ("environment.yaml", environment.as_str());
    let mut stage = Stage::in_sync("f18", place::foundation(start()), &files).await;
    let mut nowhere = place::manifests().to_vec();
    nowhere[0] = ("environment.yaml", outside.as_str());
    let mut lost = Stage::over("f18-lost", place::foundation(start()), &nowhere).await;
    lost.go_outside();
    lost.pass().await;
    let unknown = lost.unknown();
    let why = unknown.get("production App/api").copied().unwrap_or_default();
    assert!(["network", "timeout"].contains(&why), "{unknown:?}");
    assert_eq!(lost.open(), nothing());

    stage.go_outside();
    stage.passes(2).await;
    assert_eq!(stage.open(), nothing());
    assert!(stage.unknown().contains_key("production App/api"), "{:?}", stage.unknown());
    stage.come_home();
    stage.is_back(&nothing(), "a name that is resolved again").await;
}
