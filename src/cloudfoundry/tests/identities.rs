//! Whether a foundation is the declared one.

use super::super::identity::check;
use super::*;
use crate::core::observation::{IdentityState, Reason};

/// A foundation with these organisations, by name and guid.
async fn with(organizations: &'static [(&'static str, &'static str)]) -> Platform {
    Platform::answering(move |asked| {
        let resources: Vec<Value> =
            organizations.iter().map(|(name, guid)| json!({ "guid": guid, "name": name })).collect();
        let body = json!({ "pagination": { "total_results": resources.len(), "next": null }, "resources": resources });
        (asked.path == "/v3/organizations").then(|| ok(body))
    })
    .await
}

fn declaring(platform: &Platform, organizations: &[(&str, Option<&str>)]) -> Foundation {
    let organizations =
        organizations.iter().map(|(name, guid)| (Arc::from(*name), guid.map(Arc::from))).collect::<BTreeMap<_, _>>();
    Foundation { organizations, ..platform.foundation() }
}

async fn checked(platform: &Platform, organizations: &[(&str, Option<&str>)]) -> crate::aws::identity::Identity {
    let foundation = declaring(platform, organizations);
    check(&platform.context(&foundation).await, &foundation, false).await
}

#[tokio::test]
async fn a_pinned_guid_is_compared_with_the_one_of_that_name() {
    let platform = with(&[("Shop, North", "g-1")]).await;
    let right = checked(&platform, &[("shop, north", Some("g-1")), ("other", None)]).await;
    assert_eq!((right.state, right.believe()), (IdentityState::Verified, Ok(())));
    assert_eq!(right.arn.as_deref(), Some("moored"));
    let asked = platform.asked().await;
    assert_eq!(asked[2], "GET /v3/organizations?names=shop%252C%20north&per_page=5000");

    let wrong = checked(&platform, &[("shop, north", Some("g-2"))]).await;
    assert_eq!(wrong.state, IdentityState::Mismatch);
    assert_eq!(wrong.seen.as_deref(), Some("api.example.com with organisation Shop, North as g-1"));
    let failure = wrong.believe().unwrap_err();
    assert_eq!(failure.reason, Reason::IdentityMismatch);
    assert!(failure.detail.starts_with("the foundation answers as "), "{}", failure.detail);
}

#[tokio::test]
async fn a_pinned_guid_that_another_name_has_is_a_mismatch() {
    let platform = with(&[("a", "g-2")]).await;
    let swapped = checked(&platform, &[("a", Some("g-1")), ("b", Some("g-2"))]).await;
    assert_eq!(swapped.state, IdentityState::Mismatch);
}

#[tokio::test]
async fn an_organisation_that_the_role_does_not_see_proves_nothing() {
    let platform = with(&[]).await;
    assert_eq!(checked(&platform, &[("a", Some("g-1"))]).await.state, IdentityState::Verified);
}

#[tokio::test]
async fn without_a_pin_signing_in_is_enough_and_a_simulated_cloud_is_called_so() {
    let platform = with(&[]).await;
    let foundation = declaring(&platform, &[("a", None)]);
    let identity = check(&platform.context(&foundation).await, &foundation, true).await;
    assert_eq!(identity.state, IdentityState::Simulated);
    assert_eq!(platform.asked().await, ["GET /", "POST /uaa/oauth/token"]);
}

#[tokio::test]
async fn who_cannot_sign_in_is_unverified_for_the_reason_of_that() {
    let platform = Platform::answering(|asked| {
        (asked.path == "/uaa/oauth/token")
            .then(|| ResponseTemplate::new(401).set_body_json(json!({ "error": "unauthorized" })))
    })
    .await;
    let identity = checked(&platform, &[("a", None)]).await;
    assert_eq!(identity.state, IdentityState::Unverified);
    assert_eq!(identity.believe().unwrap_err().reason, Reason::Credentials);
}
