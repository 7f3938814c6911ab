//! Whether apps run: workers without a route, deployments that roll, apps that are stopped.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use moored::core::drift::{Drift, Verdict};
use moored::sim::cloudfoundry::InstanceState;

use super::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_no_running_instance_is_degraded_though_the_web_process_answers() {
    let mut stage = Stage::settled("worker").await;
    let app = stage.app("api");
    stage.cf(|cf, now| cf.keep_crashing(&app, "worker", now));
    stage.pass().await;
    assert!(stage.open().is_empty() && stage.converging().contains("App/api"), "the platform may mend it");
    stage.passes(3).await;
    let said = stage.message("App", "api", Drift::Degraded);
    assert_eq!(said, "worker: 0 of 1 instances run (1 CRASHED)");
    assert_eq!(stage.verdict("api"), Verdict::Partial);
    stage.cf(|cf, now| cf.stop_crashing(&app, "worker", now));
    stage.is_back(&BTreeSet::new(), "a worker that crashed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_no_cell_has_room_for_is_degraded_and_nothing_of_it_works() {
    let mut stage = Stage::settled("down").await;
    let app = stage.app("mailer");
    stage.cf(|cf, now| cf.set_instance(&app, "worker", 0, InstanceState::Down, now));
    stage.passes(4).await;
    let degraded = stage.finding("App", "mailer", Drift::Degraded);
    assert!(degraded.message.starts_with("worker: 0 of 1 instances run"), "{}", degraded.message);
    assert!(!degraded.works);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_deployment_converges_and_ends_in_sync_though_the_web_process_is_another() {
    let mut stage = Stage::settled("rolling").await;
    let app = stage.app("api");
    let before = stage.cf(|cf, _| cf.process_guid(&app, "web"));
    stage.cf(|cf, now| cf.rolling_deploy(&app, SignedDuration::from_secs(150), now).unwrap());
    for minute in 1..=2 {
        stage.pass().await;
        assert!(stage.converging().contains("App/api"), "minute {minute}: {:?}", stage.converging());
        assert_eq!((stage.open(), stage.unknown().len()), (BTreeSet::new(), 0), "minute {minute}");
        assert_eq!(stage.verdict("api"), Verdict::InSync);
    }
    stage.passes(3).await;
    assert_ne!(stage.cf(|cf, _| cf.process_guid(&app, "web")), before, "the web process was replaced");
    assert_eq!((stage.open(), stage.unknown().len()), (BTreeSet::new(), 0));
    assert!(!stage.converging().contains("App/api"), "{:?}", stage.converging());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_never_ends_is_degraded_past_its_deadline() {
    let mut stage = Stage::settled("stuck").await;
    let app = stage.app("api");
    stage.cf(|cf, now| cf.rolling_deploy(&app, SignedDuration::from_hours(5), now).unwrap());
    stage.passes(9).await;
    assert!(stage.open().is_empty() && stage.converging().contains("App/api"));
    stage.passes(2).await;
    let said = stage.message("App", "api", Drift::Degraded);
    assert!(said.contains("has not finished (DEPLOYING)"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_somebody_stopped_does_not_work() {
    let mut stage = Stage::settled("stopped").await;
    let app = stage.app("site");
    stage.cf(|cf, now| cf.stop(&app, now));
    stage.pass().await;
    assert!(stage.open().is_empty() && stage.converging().contains("App/site"), "a push stops and starts it");
    stage.passes(2).await;
    assert_eq!(stage.message("App", "site", Drift::Degraded), "it is stopped");
    stage.cf(|cf, now| cf.start(&app, now));
    stage.is_back(&BTreeSet::new(), "an app that was stopped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_scaled_or_lost_a_route_is_changed() {
    let mut stage = Stage::settled("scaled").await;
    let (api, site) = (stage.app("api"), stage.app("site"));
    stage.cf(|cf, now| {
        cf.scale(&api, "web", 1, now);
        cf.unmap_route(&site, "help.example.com", now);
    });
    stage.pass().await;
    let scaled = stage.finding("App", "api", Drift::Changed);
    let fields: Vec<&str> = scaled.fields.iter().map(|field| &*field.path).collect();
    assert_eq!(fields, ["processes.web.instances"]);
    let routed = stage.finding("App", "site", Drift::Changed);
    let fields: Vec<&str> = routed.fields.iter().map(|field| &*field.path).collect();
    assert_eq!(fields, ["routes.help.example.com"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_deleted_is_missing_with_its_bindings() {
    let mut stage = Stage::settled("deleted").await;
    let app = stage.app("mailer");
    stage.cf(|cf, now| cf.delete_app(&app, now));
    stage.passes(2).await;
    let expected = ["production App/mailer missing", "production ServiceBinding/mailer/queue missing"];
    assert_eq!(stage.open(), BTreeSet::from(expected.map(str::to_owned)));
    assert_eq!(stage.verdict("mailer"), Verdict::Down, "nothing of it is left");
}
