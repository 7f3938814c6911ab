//! `whoami`, `show` and `iam observe`: who moored is, what it knows, and what it needs; and that no
//! command lets out a value that may be secret.

use std::collections::{BTreeMap, BTreeSet};

use moored::sim::world::Service;
use serde_json::{Value, json};

use crate::common::platform::{DNS, MAIN, Platform, SECRETS, SETTINGS, STAGING};
use crate::common::{Outcome, hidden};

#[test]
fn whoami_names_every_account_and_is_loud_for_production() {
    let platform = Platform::new("whoami");
    let outcome = platform.moored("whoami", &[]).exits(0);
    outcome.says(&["!!! PRODUCTION: production !!!", "staging\n", MAIN, DNS, STAGING, "simulated as arn:aws:"]);
    let staging = platform.moored("whoami", &["--environment", "staging"]).exits(0);
    assert!(!staging.stdout.contains(MAIN), "{}", staging.stdout);
}

#[test]
fn whoami_exits_3_when_the_account_is_another_or_nobody_says() {
    let platform = Platform::new("whoami-stranger");
    let outcome = platform.moored_at(&platform.served_to_a_stranger(), "whoami", &[]);
    outcome.exits(3).says(&["MISMATCH: these credentials are account 999900001111"]);
    platform.fault(Service::Sts, None, moored::sim::world::faults::Effect::UnrecognizedClient);
    platform.moored("whoami", &[]).exits(3).says(&["unverified"]);
}

#[test]
fn show_puts_what_is_declared_beside_what_is_live() {
    let platform = Platform::new("show");
    platform.run_tasks(MAIN, "api", 1);
    let outcome = platform.moored("show", &["EcsService/api", "--environment", "production"]).exits(0);
    outcome.says(&[
        "EcsService/api in production",
        "present",
        "apps.yaml:1",
        "ecs:DescribeServices",
        "desiredCount",
        "example/api",
    ]);
    let shown = platform.moored("show", &["ecsservice/api", "--format", "json"]).exits(0).json();
    let environments: Vec<&Value> = shown.as_array().unwrap().iter().map(|entry| &entry["environment"]).collect();
    assert_eq!(environments, ["production", "staging"]);
    let fields = shown[0]["fields"].as_array().unwrap();
    let field =
        |path: &str| fields.iter().find(|field| field["path"] == path).unwrap_or_else(|| panic!("no {path}: {shown}"));
    assert_eq!(field("desiredCount"), &json!({ "path": "desiredCount", "desired": 2, "live": 1 }));
    let variable = "taskDefinition.containers.api.environment.LOG_LEVEL";
    assert_eq!(field(variable)["live"], "info", "the environment lists it as visible");
    let secret = field("taskDefinition.containers.api.environment.API_TOKEN");
    assert_eq!((&secret["desired"], &secret["live"]), (&json!("(secret)"), &json!("(secret)")));
    assert!(shown[0]["ageSeconds"].as_u64().unwrap() < 60 && shown[0]["observedAt"].is_string(), "{shown}");

    platform.delete_worker();
    platform.moored("show", &["EcsService/worker"]).exits(0).says(&["absent", "INACTIVE"]);
}

#[test]
fn what_show_cannot_find_gets_a_hint() {
    let platform = Platform::new("show-hints");
    for (resource, hint) in [
        ("EcsService/apu", "did you mean EcsService/api?"),
        ("EcsServise/api", "did you mean `EcsService`?"),
        ("api", "KIND/NAME"),
        ("DnsRecord/nothing-like-it", "no manifest declares DnsRecord/nothing-like-it"),
    ] {
        platform.moored("show", &[resource]).exits(1).complains_in_one_line().complains(&[hint]);
    }
}

/// The actions that a policy allows; one that denies or names no resource is none of ours.
fn actions(policy: &Value) -> BTreeSet<String> {
    assert_eq!(policy["Version"], "2012-10-17");
    let mut actions = BTreeSet::new();
    let mut names = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        assert!(!statement["Resource"].as_array().unwrap().is_empty(), "{statement}");
        assert!(names.insert(statement["Sid"].as_str().unwrap().to_owned()), "two statements of one name: {policy}");
        actions
            .extend(statement["Action"].as_array().unwrap().iter().map(|action| action.as_str().unwrap().to_owned()));
    }
    actions
}

#[test]
fn the_observing_policy_only_reads_and_covers_everything_that_a_check_asks() {
    let platform = Platform::new("iam");
    let printed = platform.manifests_only(&["iam", "observe"], &[]).exits(0).json();
    let policies: BTreeMap<String, BTreeSet<String>> =
        printed.as_object().unwrap().iter().map(|(account, policy)| (account.clone(), actions(policy))).collect();
    assert_eq!(policies.keys().map(String::as_str).collect::<Vec<_>>(), [MAIN, DNS, STAGING]);
    for action in policies.values().flatten() {
        let (_, operation) = action.split_once(':').unwrap();
        let reads =
            ["Get", "List", "Lookup", "Describe", "BatchGet", "Scan"].iter().any(|verb| operation.starts_with(verb));
        assert!(reads || action == "sts:AssumeRole", "{action} is more than reading");
    }

    // Everything in sync, then with things to look for by name.
    platform.check(&[]).exits(0);
    platform.delete_worker();
    platform.append("tables.yaml", "apiVersion: moored.dev/v1\nkind: TableItem\nmetadata: {name: absent, environments: [production]}\nspec: {table: settings, key: {setting: absent}}\n");
    platform.append("tables.yaml", "apiVersion: moored.dev/v1\nkind: HealthCheck\nmetadata: {name: gone, environments: [production]}\nspec: {id: 11111111-2222-3333-4444-555555555555}\n");
    platform.check(&[]).exits(2);
    let mut asked = BTreeSet::new();
    for call in platform.cloud.calls().into_iter().filter(|call| !call.human) {
        asked.insert(call.operation.clone());
        if call.service == Service::Sts {
            assert!(["GetCallerIdentity", "AssumeRole"].contains(&call.operation.as_str()), "{call:?}");
            continue;
        }
        let action = format!("{}:{}", call.service.signing_name(), call.operation);
        assert!(
            policies.get(&call.account).is_some_and(|policy| policy.contains(&action)),
            "{action} in {}",
            call.account
        );
    }
    for operation in
        ["ListServices", "GetItem", "GetHealthCheck", "DescribeTaskDefinition", "DescribeListeners", "Scan"]
    {
        assert!(asked.contains(operation), "the check was to ask {operation}: {asked:?}");
    }

    let one = platform.manifests_only(&["iam", "observe"], &["--account", DNS]).exits(0).json();
    assert_eq!(&actions(&one), &policies[DNS]);
    platform
        .manifests_only(&["iam", "observe"], &["--account", "000000000000"])
        .exits(1)
        .complains(&["used are:", MAIN]);
}

const ROTATED: [&str; 2] = ["canary-rotated-variable-77aa", "canary-rotated-attribute-90be"];

/// Live values that differ from the declared ones, so that both sides of a secret are in findings.
fn rotate(platform: &Platform) {
    let container = json!({
        "name": "api", "image": "example/api:2026.11", "memory": 128,
        "environment": [{ "name": "LOG_LEVEL", "value": "debug" }, { "name": "API_TOKEN", "value": ROTATED[0] }],
    });
    let definition = json!({ "family": "api", "containerDefinitions": [container] });
    platform.act(MAIN, Service::Ecs, "RegisterTaskDefinition", definition);
    platform.run_tasks(MAIN, "api", 2);
    let item = json!({ "setting": { "S": "release" }, "channel": { "S": "edge" }, "signing_key": { "S": ROTATED[1] } });
    platform.put_item(SETTINGS, item);
}

/// No word as long as a session token: the shortest token of the simulator has 160 characters.
#[track_caller]
fn no_token(place: &str, text: &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let longest = text.split(|c: char| !is_part(c)).map(str::len).max().unwrap_or_default();
    assert!(longest < 120, "a word of {longest} characters on {place}");
}

fn tell_nothing(outcome: Outcome) {
    no_token("stdout", &outcome.stdout);
    no_token("stderr", &outcome.stderr);
    outcome.hides(&SECRETS).hides(&ROTATED);
}

#[test]
fn no_command_shows_a_value_that_may_be_secret() {
    let platform = Platform::new("secrets");
    tell_nothing(platform.check(&[]).exits(0));
    rotate(&platform);
    let check = platform.check(&["--format", "json"]).exits(2);
    let report = check.json();
    let findings = report["findings"].as_array().unwrap();
    let fields: Vec<&Value> = findings.iter().flat_map(|finding| finding["fields"].as_array().unwrap()).collect();
    let token = fields.iter().find(|field| field["path"].as_str().unwrap().ends_with(".API_TOKEN")).unwrap();
    assert_eq!((&token["desired"], &token["live"]), (&json!("(secret)"), &json!("(secret)")));
    let channel = fields.iter().find(|field| field["path"] == "attributes.channel").unwrap();
    assert_eq!((&channel["desired"], &channel["live"]), (&json!("stable"), &json!("edge")));
    tell_nothing(check);
    tell_nothing(platform.check(&[]).exits(2));
    for resource in ["EcsService/api", "TableItem/release", "StateTable/deployments"] {
        tell_nothing(platform.moored("show", &[resource]).exits(0));
        tell_nothing(platform.moored("show", &[resource, "--format", "json"]).exits(0));
    }
    for format in ["table", "json", "dot", "mermaid"] {
        tell_nothing(platform.manifests_only(&["expected"], &["--format", format]).exits(0));
    }
}

#[test]
fn no_log_shows_a_secret_or_a_token_at_any_level() {
    let platform = Platform::new("secret-logs");
    rotate(&platform);
    for level in ["debug", "trace"] {
        for format in ["text", "json"] {
            let outcome = platform.check(&["--log", level, "--log-format", format]).exits(2);
            assert!(outcome.stderr.contains("identity"), "there is a log to look at: {}", outcome.stderr);
            tell_nothing(outcome);
        }
    }
}

#[test]
fn a_state_file_holds_no_secret() {
    let platform = Platform::new("secret-state");
    rotate(&platform);
    let state = platform.scratch.file("moored.db");
    platform.check(&["--state", crate::common::text(&state)]).exits(2);
    let mut looked_at = 0;
    for entry in std::fs::read_dir(platform.scratch.path()).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("moored.db") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for secret in SECRETS.iter().chain(&ROTATED) {
            hidden(secret, "the disk", &String::from_utf8_lossy(&bytes));
        }
        looked_at += 1;
    }
    assert!(looked_at >= 2, "the state and its key");
}

#[test]
fn what_is_expected_can_be_looked_at_as_a_picture() {
    let platform = Platform::new("picture");
    let picture = platform.manifests_only(&["expected"], &["--format", "svg"]).exits(0).stdout;
    assert!(picture.starts_with("<svg xmlns=") && picture.trim_end().ends_with("</svg>"), "{picture}");
    assert!(picture.contains(">EcsService api</text>"), "{picture}");
    assert_eq!(picture.matches("<text").count(), picture.matches("</text>").count());
}
