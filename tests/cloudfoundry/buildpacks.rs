//! The buildpacks of a foundation: what `govuk-paas` met, and acceptance tests that come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use moored::core::drift::{Drift, Severity};

use super::place;
use super::stage::{Stage, start};

fn only(finding: &str) -> BTreeSet<String> {
    BTreeSet::from([finding.to_owned()])
}

/// A test suite creates a buildpack, with bits, and dies before it cleans up.
fn create(stage: &Stage, name: &str) -> String {
    stage.cf(|cf, now| {
        cf.act_as("cats@example.com");
        let guid = cf.create_buildpack(name, None, None, now);
        cf.upload_buildpack(&guid, &format!("{name}-v0.0.1.zip"), now);
        guid
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undeclared_buildpack_first_in_detection_is_unexpected_with_the_number_of_apps_it_hits() {
    let mut stage = Stage::settled("bruh").await;
    let guid = create(&stage, "bruh");
    stage.pass().await;
    assert_eq!(stage.open(), only("production Buildpacks/bruh unexpected"), "found within one pass");
    let found = stage.finding("Buildpacks", "bruh", Drift::Unexpected);
    // api, mailer and legacy detect their buildpack.
    assert!(found.message.contains("3 apps that detect their buildpack would meet it"), "{}", found.message);
    assert!(found.message.contains("FIRST in detection on cflinuxfs4"), "{}", found.message);
    let key = (Arc::<str>::from("production"), Arc::<str>::from("cflinuxfs4"));
    assert_eq!(stage.snapshot().hijacked.get(&key), Some(&3));
    stage.pass().await;
    let snapshot = stage.snapshot();
    let by = snapshot.attribution(&found).expect("since API 3.210 the log tells");
    assert_eq!((&*by.actor, &*by.event), ("cats@example.com", "audit.buildpack.create"));

    stage.cf(|cf, now| cf.delete_buildpack(&guid, now));
    stage.is_back(&BTreeSet::new(), "a buildpack that was deleted").await;
    assert!(stage.snapshot().hijacked.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buildpack_that_is_disabled_hits_nobody() {
    let mut stage = Stage::settled("disabled").await;
    let guid = create(&stage, "bruh");
    stage.cf(|cf, now| cf.enable_buildpack(&guid, false, now));
    stage.passes(2).await;
    assert_eq!(stage.open(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buildpack_of_acceptance_tests_may_stay_for_its_time_and_no_longer() {
    let mut stage = Stage::settled("cats").await;
    create(&stage, "CATS-1-buildpack");
    stage.pass().await;
    assert!(stage.converging().contains("Buildpacks/CATS-1-buildpack"), "{:?}", stage.converging());
    stage.advance(SignedDuration::from_mins(40));
    stage.pass().await;
    assert_eq!(stage.open(), BTreeSet::new(), "41 minutes");
    stage.advance(SignedDuration::from_mins(5));
    stage.pass().await;
    assert_eq!(stage.open(), only("production Buildpacks/CATS-1-buildpack unexpected"), "47 minutes");
    let said = stage.message("Buildpacks", "CATS-1-buildpack", Drift::Unexpected);
    assert!(said.contains("45m"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_order_is_one_change_told_as_a_move() {
    let mut stage = Stage::settled("order").await;
    stage.cf(|cf, now| {
        let node = cf.buildpack_guid("nodejs_buildpack", Some("cflinuxfs4")).unwrap();
        cf.move_buildpack(&node, 1, now);
    });
    stage.pass().await;
    assert_eq!(stage.open(), only("production Buildpacks/buildpacks changed"));
    let found = stage.finding("Buildpacks", "buildpacks", Drift::Changed);
    assert_eq!(
        &*found.message,
        "nodejs_buildpack is tried 1st of the declared ones, declared 3rd, after ruby_buildpack"
    );
    assert_eq!((found.fields.len(), found.severity), (1, Severity::Warning));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_buildpack_that_is_gone_is_missing_and_one_that_is_disabled_is_changed() {
    let mut stage = Stage::settled("gone").await;
    stage.cf(|cf, now| {
        let node = cf.buildpack_guid("nodejs_buildpack", Some("cflinuxfs4")).unwrap();
        let statics = cf.buildpack_guid("staticfile_buildpack", Some("cflinuxfs4")).unwrap();
        cf.delete_buildpack(&node, now);
        cf.enable_buildpack(&statics, false, now);
    });
    stage.pass().await;
    let own: BTreeSet<String> = stage.open().into_iter().filter(|told| told.contains(" Buildpacks/")).collect();
    let expected =
        ["production Buildpacks/nodejs_buildpack missing", "production Buildpacks/staticfile_buildpack changed"];
    assert_eq!(own, BTreeSet::from(expected.map(str::to_owned)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_platform_names_nobody_for_a_buildpack_and_the_finding_stays() {
    let mut foundation = place::foundation(start());
    foundation.set_api_version(3, 209, 0);
    let mut stage = Stage::in_sync("old", foundation, &place::manifests()).await;
    create(&stage, "bruh");
    stage.passes(3).await;
    let found = stage.finding("Buildpacks", "bruh", Drift::Unexpected);
    assert!(stage.snapshot().attribution(&found).is_none());
}
