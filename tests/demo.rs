//! The demo, played by the real binary: every expectation of every scenario, from the outside.

#![allow(clippy::expect_used)]

use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// One at a time: two daemons and two clouds on one machine would only slow each other down.
static STAGE: Mutex<()> = Mutex::new(());

/// Plays a scenario as a check and returns what it printed.
fn played(scenario: &str) -> String {
    let _alone = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_moored"))
        .args(["demo", scenario, "--check"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("MOORED_LOG")
        .output()
        .expect("moored can be run");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    assert!(!stdout.contains("FAILED"), "{stdout}");
    stdout
}

fn has_seen(printed: &str, expectations: &[&str]) {
    for expectation in expectations {
        let seen = printed.lines().any(|line| line.contains(" ok ") && line.contains(expectation));
        assert!(seen, "`{expectation}` was not seen in:\n{printed}");
    }
}

#[test]
fn wonderland_comes_out_as_it_must() {
    let printed = played("wonderland");
    assert!(printed.contains("simulated"), "{printed}");
    has_seen(
        &printed,
        &[
            "a calm evening: `moored check` exits 0",
            "the wrong account: the service is degraded while it drains",
            "the wrong account: deployer-api is down",
            "the service is gone: the service is missing",
            "the service is gone: production is partial",
            "what it left behind: four things are orphaned",
            "what it left behind: all five are one group, and the service is its root",
            "what it left behind: each finding names its file, its line and its minute",
            "what it left behind: `moored check` exits 2",
            "moored's own credentials expire: none of them is resolved",
            "moored's own credentials expire: `moored check` exits 3 and shows them as held",
            "a redeploy by hand: no finding is open",
            "a redeploy by hand: `moored check` exits 0",
        ],
    );
}

#[test]
fn an_ordinary_day_wakes_nobody() {
    let printed = played("ordinary-day");
    has_seen(
        &printed,
        &[
            "a release rolls out: shop is converging",
            "traffic is shifted: both weights are ignored, in the open",
            "acceptance tests go, and the item waits: the item is converging",
            "Cloud Foundry's acceptance tests come: app and buildpack of the tests may be there for a while",
            "Cloud Foundry's acceptance tests go: everything is in sync",
            "an app is deployed without a gap: helpdesk is converging",
            "the app is deployed: everything is in sync",
            "AWS asks for fewer calls: services and items are unknown for that reason",
            "moored is restarted: there never was any finding",
            "moored is restarted: `moored check` exits 0",
            "the platform gets a new buildpack: two apps wait for a restage, in one group",
            "the apps are built again: there never was any finding above info",
            "the apps are built again: `moored check` exits 0",
            "a stack roll: all three apps wait for another stack, in one group",
            "a stack roll: `moored check` exits 2, and knows of nothing else",
            "a stack roll: there never was any finding above info",
        ],
    );
}

#[test]
fn c2_is_in_sync_only_when_the_queue_is_back_and_everything_was_restarted() {
    let printed = played("c2");
    has_seen(
        &printed,
        &[
            "three environments: all three environments are in sync",
            "a deploy: eight bindings are missing",
            "a deploy: each of them names who removed it",
            "a deploy: a binding that nobody declared has vanished",
            "a deploy: web and worker of production are down",
            "a deploy: development is untouched",
            "a deploy: `moored check` exits 2",
            "moored loses its own roles: no app is known any more",
            "moored loses its own roles: nothing is resolved, and nothing else is missing",
            "moored gets its roles back: the same eight bindings are missing",
            "the database is back: the queue is still missing",
            "the database is back: the worker is noticed though no address answers for it",
            "the database is back: c2-prod is partial",
            "the database is back: production is partial",
            "the queue is bound again: no binding is missing",
            "the queue is bound again: the web apps wait for a restart",
            "the queue is bound again: only development is in sync",
            "the queue is bound again: `moored check` exits 2",
            "everything is restarted: all three environments are in sync",
            "everything is restarted: `moored check` exits 0",
        ],
    );
}

#[test]
fn govuk_paas_collapses_once_and_a_left_buildpack_is_found_within_one_pass() {
    let printed = played("govuk-paas");
    has_seen(
        &printed,
        &[
            "a platform for others: `moored check` exits 0",
            "the delete pipeline: the collapse is one finding",
            "the delete pipeline: all that is missing belongs to it",
            "the delete pipeline: Concourse has a pipeline that must not be there",
            "the delete pipeline: production is down: a probe says so",
            "the delete pipeline: `moored check` exits 2",
            "the rebuild: the mass loss is over",
            "the rebuild: production is no longer down",
            "the rebuild: it is the monitoring app, and it is critical",
            "a test leaves its buildpack behind: it is told that it is first in detection",
            "a test leaves its buildpack behind: five apps would meet it first",
            "the buildpack is taken away: production is in sync",
            "the buildpack is taken away: `moored check` exits 0",
        ],
    );
}
