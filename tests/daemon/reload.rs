//! New revisions of the manifests: good ones are put in force, bad ones change nothing but the
//! metric, however they arrive.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::common::Scratch;
use crate::common::daemon::{Daemon, finding};
use crate::common::exposition::Metrics;
use crate::common::platform::{MAIN, Platform, manifests};

const CHANGED: [(&str, &str); 4] = finding("EcsService", "api", "changed");

fn success(metrics: &Metrics) -> Option<f64> {
    metrics.value("moored_manifest_load_success", &[])
}

/// The digest in force.
fn digest(metrics: &Metrics) -> String {
    let revisions = metrics.all("moored_manifest_revision_info", &[]);
    assert_eq!(revisions.len(), 1, "{}", metrics.text);
    revisions[0].0["digest"].clone()
}

#[test]
fn a_bad_revision_changes_nothing_but_the_metric_and_a_good_one_is_put_in_force() {
    let platform = Platform::new("revisions");
    platform.run_tasks(MAIN, "api", 1);
    let daemon = Daemon::start(&platform, &[]);
    let metrics = daemon.until("the drift is found", |metrics| metrics.value("moored_drift", &CHANGED) == Some(1.0));
    assert_eq!(success(&metrics), Some(1.0));
    let before = digest(&metrics);

    platform.edit("apps.yaml", "desiredCount: 2", "desiredCoutn: 2");
    let metrics = daemon.until("the bad revision is refused", |metrics| success(metrics) == Some(0.0));
    assert_eq!(digest(&metrics), before, "the last good revision stays in force");
    assert_eq!(metrics.value("moored_drift", &CHANGED), Some(1.0), "and so do its findings");
    let refused = daemon.logged("manifests_rejected", 1);
    assert_eq!(refused[0]["first"], "apps.yaml:10:3: unknown field `desiredCoutn`");
    assert_eq!(daemon.ask("/readyz").map(|answer| answer.status), Some(200));

    // What is live is now what is declared.
    platform.edit("apps.yaml", "desiredCoutn: 2", "desiredCount: 1");
    let metrics = daemon.until("the good revision is in force", |metrics| success(metrics) == Some(1.0));
    assert_ne!(digest(&metrics), before);
    daemon.until("the finding is over", |metrics| metrics.all("moored_drift", &CHANGED).is_empty());
    assert_eq!(daemon.logged("manifests_accepted", 1).len(), 1, "only the good one: {}", daemon.log());
}

#[test]
fn a_removed_root_is_a_bad_revision_too() {
    let platform = Platform::new("removed");
    let daemon = Daemon::start(&platform, &[]);
    let resources = daemon.settled().sum("moored_resources", &[]);
    fs::rename(platform.desired_state(), platform.scratch.file("away")).unwrap();
    let metrics = daemon.until("the loss is seen", |metrics| success(metrics) == Some(0.0));
    assert_eq!(metrics.sum("moored_resources", &[]), resources, "a manifest that disappears un-declares nothing");
    fs::rename(platform.scratch.file("away"), platform.desired_state()).unwrap();
    daemon.until("it is back", |metrics| success(metrics) == Some(1.0));
}

#[test]
fn hangup_looks_at_the_manifests_now() {
    let platform = Platform::new("hangup");
    let daemon = Daemon::start(&platform, &[]);
    let before = digest(&daemon.settled());
    platform.edit("apps.yaml", "app: worker", "app: workers");
    daemon.signal("HUP");
    daemon.logged("reload_asked", 1);
    let metrics = daemon.until("the new revision is in force", |metrics| digest(metrics) != before);
    assert!(!metrics.all("moored_application_info", &[("application", "workers")]).is_empty());
    daemon.signal("HUP");
    daemon.logged("reload_asked", 2);
    assert_eq!(success(&daemon.settled()), Some(1.0), "and nothing ended");
}

/// Fills a dated directory, as the kubelet does for a ConfigMap.
fn fill(mount: &Path, dated: &str, change: impl Fn(&str) -> String) {
    fs::create_dir(mount.join(dated)).unwrap();
    for (file, content) in manifests() {
        fs::write(mount.join(dated).join(file), change(&content)).unwrap();
    }
}

/// Lets `..data` point at another dated directory, at once, and removes the old one.
fn swap(mount: &Path, from: &str, to: &str) {
    symlink(to, mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    fs::remove_dir_all(mount.join(from)).unwrap();
}

#[test]
fn a_config_map_is_read_again_when_its_data_is_swapped() {
    let platform = Platform::new("config-map");
    let mount = Scratch::new("config-map-mount");
    let (first, second, third) = ("..2026_11_20_10_00_00.1", "..2026_11_20_10_01_00.2", "..2026_11_20_10_02_00.3");
    fill(mount.path(), first, str::to_owned);
    symlink(first, mount.file("..data")).unwrap();
    for (file, _) in manifests() {
        symlink(Path::new("..data").join(file), mount.file(file)).unwrap();
    }
    let daemon = Daemon::over(mount.path(), &platform.url, &[]);
    let before = digest(&daemon.settled());

    fill(mount.path(), second, |content| content.replace("app: worker", "app: workers"));
    swap(mount.path(), first, second);
    let metrics = daemon.until("the swapped data is in force", |metrics| digest(metrics) != before);
    assert_eq!(success(&metrics), Some(1.0));
    assert!(!metrics.all("moored_application_info", &[("application", "workers")]).is_empty());

    fill(mount.path(), third, |content| content.replace("kind: Environment", "kind: Enviroment"));
    swap(mount.path(), second, third);
    let refused = daemon.until("a bad swap is refused", |metrics| success(metrics) == Some(0.0));
    assert_eq!(digest(&refused), digest(&metrics));
}
