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
            "AWS asks for fewer calls: services and items are unknown for that reason",
            "moored is restarted: there never was any finding",
            "moored is restarted: `moored check` exits 0",
        ],
    );
}
