//! Inventories of spaces and organisations: what nobody declared, what is gone, and how much of it.

use std::collections::BTreeSet;

use moored::core::drift::Drift;
use moored::sim::cloudfoundry::{AppPlan, Foundation};

use super::place::{self, ENVIRONMENT, ORGANIZATION, SPACE};
use super::stage::{Stage, start};

const EXHAUSTIVE: &str = "apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: all-of-gds, environments: [production]}
spec:
  scope: {cfOrganization: gds}
  exhaustive: true
  except: [{name: legacy}, {name: legacy/logs}, {name: 'smoke-*'}]
";

/// A manifest that forgets the queue.
const FORGETFUL: &str = "apiVersion: moored.dev/v1
kind: App
metadata: {name: api, environments: [production]}
spec: {space: prod, application: {services: [db]}}
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: prod, environments: [production]}
spec: {scope: {cfSpace: prod}, watch: {vanished: true}}
";

const CENSUS: &str = "apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: gds, environments: [production]}
spec:
  scope: {cfOrganization: gds}
  watch: {vanished: true, maxDrop: 20%, over: 10m, floor: 10}
  decides: environment
";

fn only(finding: &str) -> BTreeSet<String> {
    BTreeSet::from([finding.to_owned()])
}

/// Twenty apps that nobody declares.
fn many() -> Foundation {
    let (mut foundation, made) = place::bare(start());
    for number in 0..20 {
        place::run(&mut foundation, SPACE, &AppPlan::new(&format!("app-{number:02}")), made);
    }
    foundation
}

fn delete(stage: &Stage, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let app = stage.app(&format!("app-{number:02}"));
        stage.cf(|cf, now| assert!(cf.delete_app(&app, now)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_nobody_declares_is_unexpected_unless_it_is_excepted() {
    let mut files = place::manifests().to_vec();
    files.push(("exhaustive.yaml", EXHAUSTIVE));
    let mut stage = Stage::in_sync("unexpected", place::foundation(start()), &files).await;
    stage.cf(|cf, now| {
        cf.push(ORGANIZATION, "tools", &AppPlan::new("miner"), now);
        cf.push(ORGANIZATION, "tools", &AppPlan::new("smoke-17"), now);
    });
    stage.pass().await;
    assert!(stage.open().is_empty(), "what is new may be the middle of an operation");
    stage.pass().await;
    assert_eq!(stage.open(), only("production App/tools/miner unexpected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_binding_that_the_manifest_forgot_has_vanished() {
    let files = [("environment.yaml", ENVIRONMENT), ("apps.yaml", FORGETFUL)];
    let mut stage = Stage::in_sync("vanished", place::foundation(start()), &files).await;
    let (app, queue) = (stage.app("api"), stage.instance("queue"));
    stage.cf(|cf, now| {
        cf.act_as("deployer@example.com");
        assert!(cf.unbind(&app, &queue, now));
    });
    stage.passes(3).await;
    let expected = ["production App/api latent", "production ServiceBinding/prod/api/queue vanished"];
    assert_eq!(stage.proven(), BTreeSet::from(expected.map(str::to_owned)));
    stage.pass().await;
    let vanished = stage.finding("ServiceBinding", "prod/api/queue", Drift::Vanished);
    let snapshot = stage.snapshot();
    let by = snapshot.attribution(&vanished).expect("the log names who did it");
    assert_eq!(&*by.actor, "deployer@example.com");

    stage.cf(|cf, now| cf.bind(&app, &queue, now).unwrap());
    stage.pass().await;
    stage.cf(|cf, now| cf.restart(&app, now));
    stage.passes(2).await;
    assert_eq!(stage.open(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_loss_is_one_finding_that_takes_the_environment_down() {
    let files = [("environment.yaml", ENVIRONMENT), ("census.yaml", CENSUS)];
    let mut stage = Stage::in_sync("mass", many(), &files).await;
    delete(&stage, 0..12);
    stage.passes(3).await;
    assert_eq!(stage.open(), only("production Inventory/gds vanished"));
    let said = stage.message("Inventory", "gds", Drift::Vanished);
    assert!(said.starts_with("12 of 20 are gone (60 %") && said.ends_with("8 are left"), "{said}");
    assert_eq!(stage.production().as_str(), "down");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_everything_is_believed_because_the_audit_log_tells_of_it() {
    let files = [("environment.yaml", ENVIRONMENT), ("census.yaml", CENSUS)];
    let mut stage = Stage::in_sync("collapse", many(), &files).await;
    delete(&stage, 0..20);
    stage.passes(3).await;
    assert_eq!(stage.open(), only("production Inventory/gds vanished"));
    let said = stage.message("Inventory", "gds", Drift::Vanished);
    assert!(said.starts_with("20 of 20 are gone (100 %"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_apps_that_vanish_are_a_finding_each() {
    let files = [("environment.yaml", ENVIRONMENT), ("census.yaml", CENSUS)];
    let mut stage = Stage::in_sync("few", many(), &files).await;
    delete(&stage, 3..5);
    stage.passes(3).await;
    let expected = ["production App/prod/app-03 vanished", "production App/prod/app-04 vanished"];
    assert_eq!(stage.open(), BTreeSet::from(expected.map(str::to_owned)));
}
