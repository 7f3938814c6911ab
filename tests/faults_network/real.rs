//! moored as it asks AWS itself, without `--cloud`: the SDK's own chain of credentials and its own
//! connector, led to an address of the test by the SDK's own variables.

use std::path::Path;
use std::process::Command;

use moored::sim::world::Service;
use serde_json::{Value, json};

use crate::common::platform::{MAIN, Platform};
use crate::common::{command, run, text};

/// Leaves production alone in the manifests: these credentials are no one's in staging.
pub fn production_alone(platform: &Platform) {
    platform.edit("apps.yaml", "environments: [production, staging]", "environments: [production]");
    platform.edit("apps.yaml", "overrides:\n  staging: {desiredCount: 1}\n", "");
    let file = platform.desired_state().join("environments.yaml");
    let content = std::fs::read_to_string(&file).unwrap();
    let (production, _) = content.split_once("---\n").unwrap();
    std::fs::write(&file, production).unwrap();
}

/// A subcommand that asks the "AWS" at this URL, with production's key. It trusts this authority alone.
pub fn asking(platform: &Platform, endpoint: &str, authority: Option<&Path>, subcommand: &str) -> Command {
    let mut command = command();
    command.args([subcommand, "--desired-state", text(&platform.desired_state())]);
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_ACCESS_KEY_ID", MAIN).env("AWS_SECRET_ACCESS_KEY", "a-secret-of-no-account");
    if let Some(authority) = authority {
        command.env("SSL_CERT_FILE", authority);
    }
    command
}

/// The report of `moored check`, asking the "AWS" at this URL, and its exit code.
pub fn report(platform: &Platform, endpoint: &str, authority: Option<&Path>) -> (i32, Value) {
    let mut command = asking(platform, endpoint, authority, "check");
    command.args(["--format", "json"]);
    let outcome = run(command);
    (outcome.code, outcome.json())
}

/// Nothing can be read there, for a reason of the network, and nothing is said to have drifted.
/// What is said of it instead.
#[track_caller]
pub fn unreachable(platform: &Platform, endpoint: &str, authority: &Path) -> String {
    let (code, report) = report(platform, endpoint, Some(authority));
    assert_eq!(code, 3, "{report}");
    assert_eq!(report["findings"], json!([]), "{report}");
    assert_eq!(report["environments"][0]["verdict"], "unknown", "{report}");
    assert_eq!(report["summary"]["unknown"], report["summary"]["resources"], "{report}");
    let scopes = report["scopes"].as_array().unwrap().iter();
    let errors: Vec<&str> = scopes.map(|scope| scope["error"].as_str().unwrap_or_default()).collect();
    assert!(!errors.is_empty() && errors.iter().all(|error| error.starts_with("network: ")), "{errors:?}");
    errors.join("\n")
}

/// How often the cloud was asked who somebody is: the first call of every reading.
pub fn identities(platform: &Platform) -> usize {
    platform.cloud.count(Service::Sts, "GetCallerIdentity")
}
