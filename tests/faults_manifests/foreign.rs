//! F28: a root that is empty, not mounted, or another environment's.
//!
//! None of them is broken, so nothing but its emptiness or strangeness tells. `validate` and a daemon
//! that begins refuse a root without a document. A running daemon also refuses a root that speaks of
//! none of the environments that it spoke of before; whoever means it restarts the daemon. What a
//! daemon that begins with a stranger's root then finds, is that its credentials are not that
//! account's (`identity_mismatch`): nothing of it is believed, and it pages.

use std::fs;
use std::path::Path;

use crate::common::daemon::{Daemon, finding};
use crate::common::exposition::Metrics;
use crate::common::platform::{MAIN, Platform, manifests};
use crate::common::{Scratch, moored, text};

const CHANGED: [(&str, &str); 4] = finding("EcsService", "api", "changed");

/// Sound manifests of somebody else.
const FOREIGN: &str = r#"apiVersion: moored.dev/v1
kind: Environment
metadata: {name: elsewhere}
spec: {class: production, aws: {accounts: {main: {account: "999900001111", regions: [eu-west-1]}}}}
---
apiVersion: moored.dev/v1
kind: EcsService
metadata: {name: api, environments: [elsewhere]}
spec: {cluster: harbor, desiredCount: 1}
"#;

fn success(metrics: &Metrics) -> Option<f64> {
    metrics.value("moored_manifest_load_success", &[])
}

#[track_caller]
fn refused(root: &Path, reasons: &[&str]) {
    let subcommands: [&[&str]; 3] = [&["validate"], &["run", "--metrics-listen", "127.0.0.1:0"], &["check"]];
    for subcommand in subcommands {
        let arguments = [subcommand, &["--desired-state", text(root)][..]].concat();
        moored(arguments).exits(1).complains(reasons).complains(&["help: "]);
    }
}

#[test]
fn f28_an_empty_or_missing_root_is_refused_from_the_beginning() {
    let root = Scratch::new("empty-root");
    refused(root.path(), &["no manifests below"]);
    refused(&root.file("not-mounted"), &["does not exist", "the volume is mounted"]);
    root.write("README.md", "nothing to see");
    root.write(".hidden.yaml", FOREIGN);
    refused(root.path(), &["no manifests below"]);
    root.write("apps.yaml", "# all of it is gone\n---\n...\n");
    refused(root.path(), &["no manifests below", "its files hold no document"]);
    root.write("apps.yaml", "");
    refused(root.path(), &["apps.yaml", "is empty: was it cut off"]);
    root.write("apps.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: apps}\n");
    refused(root.path(), &["unknown apiVersion `v1`", "unknown kind `ConfigMap`"]);
}

/// Puts a folder in the place of the daemon's root.
fn replace(platform: &Platform, with: &Path) {
    let root = platform.desired_state();
    if root.exists() {
        fs::remove_dir_all(&root).unwrap();
    }
    fs::rename(with, &root).unwrap();
}

#[test]
fn f28_a_running_daemon_keeps_its_revision_whatever_takes_the_roots_place() {
    let platform = Platform::new("foreign");
    let daemon = Daemon::start(&platform, &[]);
    let resources = daemon.settled().sum("moored_resources", &[]);
    let mut refusals = 0;
    for (name, files, reason) in [
        ("an empty folder", vec![], "no manifests below"),
        ("an empty document", vec![("a.yaml", "---\n")], "hold no document"),
        ("an empty file", vec![("apps.yaml", "")], "is empty"),
        ("another environment's", vec![("a.yaml", FOREIGN)], "these are other environments' manifests: `elsewhere`"),
    ] {
        let stranger = platform.scratch.file("stranger");
        fs::create_dir(&stranger).unwrap();
        for (file, content) in &files {
            fs::write(stranger.join(file), content).unwrap();
        }
        replace(&platform, &stranger);
        let metrics = daemon.until(name, |metrics| success(metrics) == Some(0.0));
        assert_eq!(metrics.sum("moored_resources", &[]), resources, "{name}: nothing is taken out of watch");
        refusals += 1;
        let told = daemon.wait_for(name, |daemon| {
            let told = daemon.events("manifests_rejected");
            told.into_iter().rfind(|line| line["first"].as_str().is_some_and(|first| first.contains(reason)))
        });
        assert_eq!(told["message"], "the last good revision stays in force", "{name}");

        let own = platform.scratch.file("own");
        fs::create_dir(&own).unwrap();
        for (file, content) in manifests() {
            fs::write(own.join(file), content).unwrap();
        }
        replace(&platform, &own);
        daemon.until("the own manifests are back", |metrics| success(metrics) == Some(1.0));
    }
    assert!(daemon.events("manifests_rejected").len() >= refusals);

    // Detection went on all the while, and a root that is merely smaller is no stranger.
    platform.run_tasks(MAIN, "api", 1);
    daemon.until("drift is found", |metrics| metrics.value("moored_drift", &CHANGED) == Some(1.0));
    let smaller = platform.scratch.file("smaller");
    fs::create_dir(&smaller).unwrap();
    for (file, content) in manifests().into_iter().filter(|(file, _)| *file != "tables.yaml") {
        fs::write(smaller.join(file), content).unwrap();
    }
    replace(&platform, &smaller);
    let fewer = daemon.until("the smaller root", |metrics| metrics.sum("moored_resources", &[]) < resources);
    assert_eq!(success(&fewer), Some(1.0));
}

#[test]
fn f28_a_restart_takes_what_is_there_and_believes_no_account_but_the_declared_one() {
    let platform = Platform::new("restart");
    platform.run_tasks(MAIN, "api", 1);
    for (file, _) in manifests() {
        fs::remove_file(platform.desired_state().join(file)).unwrap();
    }
    fs::write(platform.desired_state().join("a.yaml"), FOREIGN.replace("999900001111", MAIN)).unwrap();
    // Whoever signs with production's key is taken for a stranger here.
    let daemon = Daemon::over(&platform.desired_state(), &platform.served_to_a_stranger(), &[]);
    let mismatch = [("environment", "elsewhere"), ("account", MAIN), ("state", "mismatch")];
    let metrics = daemon.until("the mismatch", |metrics| metrics.value("moored_identity", &mismatch) == Some(1.0));
    assert_eq!(metrics.sum("moored_drift", &[]), 0.0, "{}", metrics.text);
    assert_eq!(success(&metrics), Some(1.0));
}
