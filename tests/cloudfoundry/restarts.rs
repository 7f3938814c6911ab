//! Drift that waits: what is configured and not yet what runs.

use std::collections::BTreeSet;

use moored::core::drift::{Drift, Finding, Severity};
use moored::sim::cloudfoundry::Foundation;

use super::place;
use super::stage::{Stage, start};

fn set(findings: &[&str]) -> BTreeSet<String> {
    findings.iter().map(|finding| (*finding).to_owned()).collect()
}

/// The findings of one group, which is the only one.
#[track_caller]
fn group(stage: &Stage, kind: &str, name: &str) -> Vec<Finding> {
    let snapshot = stage.snapshot();
    for finding in &snapshot.findings {
        assert_eq!((&*finding.root.kind, &*finding.root.name), (kind, name), "{:#?}", snapshot.findings);
        assert_eq!((finding.key.drift, finding.severity), (Drift::Latent, Severity::Info));
        assert_eq!(snapshot.group_size(finding) as usize, snapshot.findings.len());
    }
    assert_eq!(snapshot.groups.len(), 1);
    snapshot.findings.iter().map(|finding| Finding::clone(finding)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_a_change_of_the_environment_is_never_taken_for_a_restart() {
    let mut stage = Stage::settled("crash").await;
    let app = stage.app("api");
    stage.cf(|cf, now| cf.set_env(&app, "FEATURE", "on", now));
    stage.pass().await;
    let said = stage.message("App", "api", Drift::Latent);
    assert!(said.starts_with("needs a restart: its environment changed at"), "{said}");
    stage.cf(|cf, now| {
        for (process, index) in [("web", 0), ("web", 1), ("worker", 0)] {
            assert!(cf.crash(&app, process, index, now));
        }
    });
    for _ in 0..5 {
        stage.pass().await;
        assert_eq!(stage.open(), set(&["production App/api latent"]), "younger instances of the old version");
    }
    stage.cf(|cf, now| cf.restart(&app, now));
    stage.passes(2).await;
    assert_eq!(stage.open(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_not_believed_by_a_moored_that_has_just_begun_either() {
    let (mut foundation, made) = (place::foundation(start()), start());
    let (app, queue) = ids(&foundation);
    foundation.unbind(&app, &queue, made);
    foundation.bind(&app, &queue, made).unwrap();
    let later = made.checked_add(jiff::SignedDuration::from_secs(20)).unwrap();
    for (process, index) in [("web", 0), ("web", 1), ("worker", 0)] {
        assert!(foundation.crash(&app, process, index, later));
    }
    let mut stage = Stage::over("crash-new", foundation, &place::manifests()).await;
    stage.passes(2).await;
    let said = stage.message("App", "api", Drift::Latent);
    assert!(said.starts_with("may need a restart: its binding to queue changed at"), "{said}");
}

fn ids(foundation: &Foundation) -> (String, String) {
    let app = foundation.app_guid(place::ORGANIZATION, place::SPACE, "api").unwrap();
    (app, foundation.instance_guid(place::ORGANIZATION, place::SPACE, "queue").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_that_was_removed_breaks_the_app_at_its_next_restart() {
    let mut stage = Stage::settled("unbound").await;
    let (app, logs) = (stage.app("site"), stage.instance("logs"));
    stage.cf(|cf, now| assert!(cf.unbind(&app, &logs, now)));
    stage.pass().await;
    let said = stage.message("App", "site", Drift::Latent);
    assert!(said.contains("the binding to logs is removed") && said.ends_with("breaks at the next restart"), "{said}");
    stage.cf(|cf, now| cf.restart(&app, now));
    stage.passes(2).await;
    assert_eq!(stage.open(), set(&["production ServiceBinding/site/logs missing"]), "now it has broken");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_commands_wait_for_a_restart_too() {
    let mut stage = Stage::settled("limits").await;
    let (site, mailer) = (stage.app("site"), stage.app("mailer"));
    stage.cf(|cf, now| {
        cf.set_memory(&site, "web", 256, now);
        cf.set_command(&mailer, "worker", "bin/other", now);
    });
    stage.pass().await;
    assert_eq!(stage.open(), set(&["production App/mailer latent", "production App/site latent"]));
    let (limits, command) =
        (stage.message("App", "site", Drift::Latent), stage.message("App", "mailer", Drift::Latent));
    assert!(limits.contains("the limits or health checks of web changed"), "{limits}");
    assert!(command.contains("the command of worker changed") && !command.contains("bin/other"), "{command}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_running_variables_is_one_group_of_all_apps_at_info() {
    let mut stage = Stage::settled("group").await;
    stage.cf(|cf, now| cf.set_running_env("HTTP_PROXY", "http://proxy.internal", now));
    stage.pass().await;
    assert_eq!(group(&stage, "EnvironmentVariableGroup", "running").len(), 3);
    for app in ["api", "site", "mailer"] {
        let app = stage.app(app);
        stage.cf(|cf, now| cf.restart(&app, now));
    }
    stage.passes(2).await;
    assert_eq!(stage.open(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_buildpack_is_one_group_of_the_apps_it_built_at_info() {
    let mut stage = Stage::settled("bump").await;
    stage.cf(|cf, now| {
        let ruby = cf.buildpack_guid("ruby_buildpack", Some("cflinuxfs4")).unwrap();
        cf.upload_buildpack(&ruby, "ruby_buildpack-cached-cflinuxfs4-v1.10.8.zip", now);
    });
    stage.pass().await;
    let found = group(&stage, "Buildpacks", "ruby_buildpack");
    let said: Vec<&str> = found.iter().map(|finding| &*finding.message).collect();
    assert_eq!(said, ["needs a restage: built with ruby_buildpack 1.10.7, the platform has 1.10.8"]);
    let app = stage.app("api");
    stage.cf(|cf, now| cf.restage(&app, now));
    stage.passes(2).await;
    assert_eq!(stage.open(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_going_is_one_group_of_all_apps_on_it() {
    let mut stage = Stage::settled("stack").await;
    stage.cf(|cf, now| cf.set_stack_state("cflinuxfs4", "DEPRECATED", now));
    stage.pass().await;
    assert_eq!(group(&stage, "Stack", "cflinuxfs4").len(), 3);
}
