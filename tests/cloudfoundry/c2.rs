//! Scenario `c2`: a deploy loses the database and the queue; the database comes back, the queue does
//! not; and when both are there again, nothing works before the processes are restarted.

use std::collections::BTreeSet;

use moored::core::drift::{Drift, Severity, Verdict};

use super::stage::Stage;

const DB: &str = "production ServiceBinding/api/db missing";
const QUEUE: &str = "production ServiceBinding/api/queue missing";
const LATENT: &str = "production App/api latent";

fn set(findings: &[&str]) -> BTreeSet<String> {
    findings.iter().map(|finding| (*finding).to_owned()).collect()
}

/// The deploy that loses both.
fn lose_both(stage: &Stage) {
    let (app, db, queue) = (stage.app("api"), stage.instance("db"), stage.instance("queue"));
    stage.cf(|cf, now| {
        cf.act_as("deployer@example.com");
        assert!(cf.unbind(&app, &db, now) && cf.unbind(&app, &queue, now));
    });
}

fn bind(stage: &Stage, instance: &str) {
    let (app, instance) = (stage.app("api"), stage.instance(instance));
    stage.cf(|cf, now| {
        cf.act_as("operator@example.com");
        cf.bind(&app, &instance, now).unwrap();
    });
}

fn restart(stage: &Stage) {
    let app = stage.app("api");
    stage.cf(|cf, now| cf.restart(&app, now));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lost_bindings_are_in_sync_only_when_both_are_back_and_the_processes_restarted() {
    let mut stage = Stage::settled("c2").await;
    lose_both(&stage);
    stage.pass().await;
    assert_eq!(stage.proven(), set(&[LATENT]), "they may be put back within the minute");
    stage.pass().await;
    assert_eq!(stage.proven(), set(&[LATENT, DB, QUEUE]));
    assert_eq!((stage.verdict("api"), stage.production()), (Verdict::Partial, Verdict::Partial));
    assert_eq!(stage.finding("ServiceBinding", "api/db", Drift::Missing).severity, Severity::Critical);
    let waits = stage.message("App", "api", Drift::Latent);
    assert!(waits.contains("breaks at the next restart"), "{waits}");

    bind(&stage, "db");
    stage.pass().await;
    assert_eq!(stage.proven(), set(&[LATENT, QUEUE]));
    assert_eq!((stage.verdict("api"), stage.production()), (Verdict::Partial, Verdict::Partial), "half restored");
    restart(&stage);
    stage.passes(2).await;
    assert_eq!(stage.proven(), set(&[QUEUE]), "a restart brings no queue back");
    assert_eq!(stage.verdict("api"), Verdict::Partial);

    bind(&stage, "queue");
    stage.passes(3).await;
    assert_eq!(stage.proven(), set(&[LATENT]), "everything is there, and the processes do not have it");
    assert_ne!(stage.verdict("api"), Verdict::InSync);
    let waits = stage.message("App", "api", Drift::Latent);
    assert!(waits.starts_with("needs a restart: its binding to queue changed at"), "{waits}");

    restart(&stage);
    stage.passes(2).await;
    assert_eq!(stage.open(), BTreeSet::new());
    assert_eq!((stage.verdict("api"), stage.production()), (Verdict::InSync, Verdict::InSync));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_binding_is_attributed_to_whom_the_audit_log_names() {
    let mut stage = Stage::settled("c2-who").await;
    lose_both(&stage);
    stage.passes(2).await;
    let snapshot = stage.snapshot();
    for name in ["api/db", "api/queue"] {
        let finding = stage.finding("ServiceBinding", name, Drift::Missing);
        let by = snapshot.attribution(&finding).unwrap_or_else(|| panic!("nobody is named for {name}"));
        assert_eq!((&*by.actor, &*by.event), ("deployer@example.com", "audit.service_binding.delete"), "{name}");
        assert!(by.at <= finding.since, "{name}: {by:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_that_is_listed_and_failed_is_degraded_and_not_in_sync() {
    let mut stage = Stage::settled("c2-failed").await;
    let (app, queue) = (stage.app("api"), stage.instance("queue"));
    let binding = stage.cf(|cf, _| cf.binding_guid(&app, &queue)).unwrap();
    stage.cf(|cf, now| cf.set_binding_operation(&binding, "create", "in progress", now));
    stage.pass().await;
    assert!(stage.converging().contains("ServiceBinding/api/queue"), "{:?}", stage.converging());
    stage.cf(|cf, now| cf.set_binding_operation(&binding, "create", "failed", now));
    stage.pass().await;
    let said = stage.message("ServiceBinding", "api/queue", Drift::Degraded);
    assert!(said.contains("not in VCAP_SERVICES"), "{said}");
    assert_eq!(stage.verdict("api"), Verdict::Partial);
}
