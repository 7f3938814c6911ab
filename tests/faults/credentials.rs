//! F15 and F16: credentials that expire, are revoked or cannot be fetched; and such that turn out to
//! be another account's, in which everything has the same name.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use moored::core::observation::IdentityState;
use moored::sim::world::faults::{Effect, Match, Rule};
use moored::sim::world::{Caller, Service, dynamodb, ecs};

use super::common::platform::{CLUSTER, DEPLOYMENTS, DNS, MAIN, REGION, SETTINGS, STRANGER};
use super::world::{Lookout, MINUTE, OTHER_TTL, ZONE, account, service, with};

const ZONE_SCOPE: &str = "hosted_zone/444455556666/global/example.com";
const RECORD: &str = "production DnsRecord/api";

/// When the role of the zone's account was assumed, each time.
fn assumed(lookout: &Lookout) -> Vec<Timestamp> {
    let calls = lookout.cloud.calls().into_iter();
    calls.filter(|call| call.operation == "AssumeRole" && call.outcome == "ok").map(|call| call.at).collect()
}

/// What STS says of an account, as it is exported.
fn identity(lookout: &Lookout, account: &str) -> IdentityState {
    let snapshot = lookout.snapshot();
    let mut states = snapshot.environments.iter().filter_map(|environment| environment.identity.get(account).copied());
    states.next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_session_that_expires_is_renewed_before_anything_is_unknown() {
    let mut lookout = Lookout::settled("f15-expiry").await;
    let first = *assumed(&lookout).last().expect("the zone is read through a role");
    let soon = first.checked_add(SignedDuration::from_mins(57)).unwrap();
    lookout.advance(soon.duration_since(lookout.cloud_now()));
    for minute in 57..64 {
        lookout.pass().await;
        assert!(lookout.unknown().is_empty() && lookout.open().is_empty(), "{minute}: {:?}", lookout.unknown());
    }
    assert_eq!(assumed(&lookout).len(), 2, "an hour later another session was asked for");
}

/// The credentials of one account after another end after so many readings of a pass.
#[tokio::test(flavor = "multi_thread")]
async fn f15_credentials_that_expire_in_the_middle_of_a_pass_open_and_end_nothing() {
    let mut lookout = Lookout::bereft("f15-middle").await;
    let before = lookout.open();
    for (step, of) in [(0, MAIN), (1, MAIN), (2, DNS), (3, MAIN), (4, DNS), (5, MAIN), (6, MAIN)] {
        lookout.cloud.reset_calls();
        let expired = Rule::always(account(of), Effect::ExpiredToken);
        lookout.pass_with(step, |lookout| lookout.cloud.with_world(|world| world.faults.add(expired))).await;
        assert_eq!(lookout.open(), before, "step {step}");
        lookout.pass().await;
        assert_eq!(lookout.open(), before, "step {step}");
        assert!(!lookout.struck().is_empty(), "step {step}");
        assert!(lookout.unknown().values().all(|reason| *reason == "credentials"), "{:?}", lookout.unknown());
        assert!(!lookout.unknown().is_empty());
        lookout.is_back(&before, "credentials that expired").await;
    }
}

/// The SDK believes a session as long as it was meant to last; AWS may think otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn f15_a_session_that_is_revoked_is_replaced_with_the_next_pass() {
    let mut lookout = Lookout::bereft("f15-revoked").await;
    let before = lookout.open();
    let sessions = assumed(&lookout).len();
    lookout.cloud.with_world(|world| world.sts.revoke_sessions());
    lookout.pass().await;
    assert_eq!(lookout.open(), before);
    assert_eq!(lookout.unknown().get(RECORD), Some(&"credentials"), "{:?}", lookout.unknown());
    lookout.set_ttl(300);
    lookout.pass().await;
    assert_eq!(lookout.proven(), with(&before, OTHER_TTL), "the pass after the refresh finds drift again");
    assert_eq!(assumed(&lookout).len(), sessions + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_without_sts_nothing_is_believed_and_nothing_is_gone() {
    let mut lookout = Lookout::bereft("f15-sts").await;
    let before = lookout.open();
    for effect in [Effect::ServerError { status: 503 }, Effect::Reset, Effect::UnrecognizedClient] {
        lookout.fault(Rule::always(service(Service::Sts), effect.clone()));
        for _ in 0..4 {
            lookout.pass().await;
            assert_eq!(lookout.open(), before, "{effect:?}");
        }
        assert_eq!((lookout.in_sync(), lookout.proven().len()), (0, 0), "{effect:?}: everything is held");
        for id in [MAIN, DNS] {
            assert_eq!(identity(&lookout, id), IdentityState::Unverified, "{effect:?}");
        }
        let others = lookout.struck().len();
        assert!(others > 0);
        lookout.is_back(&before, "STS down").await;
    }
    // Nor can a role be assumed when the session has ended.
    lookout.advance(SignedDuration::from_mins(70));
    lookout.plague(Service::Sts, "AssumeRole", Effect::ServerError { status: 500 });
    lookout.passes(2).await;
    assert_eq!(lookout.open(), before);
    assert!(lookout.unknown().contains_key(RECORD) && !lookout.struck().is_empty());
    lookout.is_back(&before, "AssumeRole down").await;
}

/// An account with the same cluster, tables and zone, in which nearly everything is gone.
fn put_twin(lookout: &Lookout) {
    let (twin, now) = (Caller::root(STRANGER, REGION), lookout.cloud_now());
    lookout.cloud.with_world(|world| {
        let tables = dynamodb::of(world, &twin);
        tables.put_table(&twin, DEPLOYMENTS, "service", None, now);
        tables.put_table(&twin, SETTINGS, "setting", None, now);
        ecs::of(world, &twin).put_running_service(&twin, CLUSTER, "elsewhere", 1, "elsewhere", now);
        world.route53.entry(STRANGER.to_owned()).or_default().put_zone(ZONE, "example.com").unwrap();
    });
}

fn twin() -> Effect {
    Effect::OtherAccount { account: STRANGER.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_twin_account_from_the_start_is_a_mismatch_and_no_empty_cloud() {
    for of in [MAIN, DNS] {
        let mut lookout = Lookout::new("f16-start");
        put_twin(&lookout);
        lookout.fault(Rule::always(account(of), twin()));
        for _ in 0..3 {
            lookout.pass().await;
            assert_eq!(lookout.open(), BTreeSet::new(), "{of}: nothing of the twin is believed");
            assert_eq!(identity(&lookout, of), IdentityState::Mismatch, "within the first pass");
        }
        assert!(!lookout.struck().is_empty());
        lookout.is_back(&BTreeSet::new(), "a twin account").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_twin_account_between_two_passes_ends_and_opens_nothing() {
    let mut lookout = Lookout::bereft("f16-between").await;
    put_twin(&lookout);
    let before = lookout.open();
    for of in [MAIN, DNS] {
        // Everybody's identity is asked for again with the next pass.
        lookout.advance(MINUTE);
        lookout.fault(Rule::always(account(of), twin()));
        for _ in 0..3 {
            lookout.pass().await;
            assert_eq!(lookout.open(), before, "{of}");
            assert_eq!(identity(&lookout, of), IdentityState::Mismatch, "{of}: within one pass");
        }
        let reasons: BTreeSet<&str> = lookout.unknown().into_values().collect();
        assert!(reasons.contains("identity_mismatch"), "{reasons:?}");
        lookout.is_back(&before, "a twin account").await;
    }
}

/// The identity was checked less than a minute ago when a role's session runs out, and the next one
/// belongs to the twin: what it shows must not be believed on the word of the earlier check.
#[tokio::test(flavor = "multi_thread")]
async fn f16_a_session_of_a_twin_account_after_the_check_is_found_out_by_its_key() {
    let mut lookout = Lookout::bereft("f16-session").await;
    put_twin(&lookout);
    let before = lookout.open();
    let issued = *assumed(&lookout).last().unwrap();
    let at = |lookout: &Lookout, seconds: i64| {
        let then = issued.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        lookout.advance(then.duration_since(lookout.cloud_now()));
    };
    // Everybody's identity is checked in the fifty-ninth minute …
    at(&lookout, 58 * 60 + 10);
    lookout.pass().await;
    assert_eq!(identity(&lookout, DNS), IdentityState::Simulated);
    // … and the session ends with the hour.
    at(&lookout, 60 * 60 + 5);
    lookout.plague(Service::Sts, "AssumeRole", twin());
    let zone = lookout.scope(ZONE_SCOPE);
    lookout.read(&zone).await;
    let listed: Vec<_> =
        lookout.cloud.calls().into_iter().filter(|call| call.operation == "ListResourceRecordSets").collect();
    assert!(
        listed.iter().any(|call| call.account == STRANGER && call.outcome == "ok"),
        "the twin answered: {listed:?}"
    );
    assert_eq!(lookout.unknown().get(RECORD), Some(&"identity_mismatch"), "{:?}", lookout.unknown());
    assert_eq!(identity(&lookout, DNS), IdentityState::Mismatch);
    assert_eq!(lookout.open(), before);
    lookout.passes(2).await;
    assert_eq!(lookout.open(), before);
    lookout.is_back(&before, "a twin's session").await;
    lookout.set_ttl(300);
    lookout.is_back(&with(&before, OTHER_TTL), "no fault").await;
}

/// Whatever STS answers for: no request but reads ever reaches the twin.
#[tokio::test(flavor = "multi_thread")]
async fn f16_a_twin_account_is_only_ever_read() {
    let mut lookout = Lookout::new("f16-reads");
    put_twin(&lookout);
    lookout.fault(Rule::always(Match::default(), twin()));
    lookout.passes(3).await;
    let calls = lookout.cloud.calls();
    let reads = ["Describe", "List", "Get", "BatchGet", "Scan", "AssumeRole"];
    for call in calls.iter().filter(|call| !call.human) {
        assert!(reads.iter().any(|verb| call.operation.starts_with(verb)), "{call:?}");
    }
    let beyond: Vec<_> = calls.iter().filter(|call| call.service != Service::Sts).collect();
    assert!(beyond.is_empty(), "an account that is not ours is asked nothing but whose it is: {beyond:?}");
}
