//! Clouds agree: the real binary says the same of one world on the simulated cloud, on moto, on
//! ministack, and with its tables in DynamoDB Local.
//!
//! Decides that what moored says is no echo of our own simulator. The scenarios are data
//! (`tests/clouds/scenarios/`): every world is filled over the wire, by the same requests on every
//! cloud, and `moored check` is asked about it: once, or before and after something was done. A
//! scenario may except a cloud only by naming one of the emulator's faults (`tests/clouds/faults.yaml`),
//! and only with the lines that the fault makes different: an emulator that is mended fails here.
//! `make test` sets the emulators up and names them in `MOTO_SERVER`, `MINISTACK` and `DYNAMODB_LOCAL`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cloud::{Cloud, Which};
use common::{Outcome, Scratch, command, run, text};
use hand::Hand;
use scenario::Scenario;

mod common;

#[path = "clouds/cloud.rs"]
mod cloud;
#[path = "clouds/declared.rs"]
mod declared;
#[path = "clouds/deed.rs"]
mod deed;
#[path = "clouds/emulator.rs"]
mod emulator;
#[path = "clouds/front.rs"]
mod front;
#[path = "clouds/hand.rs"]
mod hand;
#[path = "clouds/report.rs"]
mod report;
#[path = "clouds/requests.rs"]
mod requests;
#[path = "clouds/scenario.rs"]
mod scenario;

/// A value in every world that nobody may see.
const SECRET: &str = "hunter2";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulated_cloud_agrees() {
    agrees(Which::Simulated).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moto_agrees_but_for_its_faults() {
    agrees(Which::Moto).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack_agrees_but_for_its_faults() {
    agrees(Which::Ministack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_in_dynamodb_local_agree() {
    agrees(Which::DynamodbLocal).await;
}

#[test]
fn every_exception_names_a_fault_of_that_cloud_and_every_fault_is_met_and_documented() {
    let faults = scenario::faults();
    let mut met = BTreeSet::new();
    for scenario in scenario::all() {
        let named = scenario.except.iter().map(|except| (&except.fault, &except.of));
        for (fault, clouds) in named {
            let known = faults.get(fault).unwrap_or_else(|| panic!("{}: no fault {fault}", scenario.name));
            assert!(clouds.iter().all(|cloud| known.of.contains(cloud)), "{}: {fault}", scenario.name);
            met.insert(fault.clone());
        }
        if let Some(only) = &scenario.only {
            let known = faults.get(&only.fault).unwrap_or_else(|| panic!("{}: no fault {}", scenario.name, only.fault));
            assert!(only.of.iter().all(|cloud| !known.of.contains(cloud)), "{}: {}", scenario.name, only.fault);
            met.insert(only.fault.clone());
        }
        for except in &scenario.except {
            let lost: Vec<_> = except.lose.difference(&scenario.find).collect();
            assert!(lost.is_empty(), "{}: {} takes away what nobody expects: {lost:?}", scenario.name, except.fault);
            let gained: Vec<_> = except.gain.intersection(&scenario.find).collect();
            assert!(gained.is_empty(), "{}: {} adds what is expected: {gained:?}", scenario.name, except.fault);
        }
    }
    assert_eq!(met, faults.keys().cloned().collect::<BTreeSet<_>>(), "faults that no scenario meets");
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clouds.md")).unwrap();
    let unsaid: Vec<_> = faults.keys().filter(|fault| !document.contains(&format!("| {fault} |"))).collect();
    assert!(unsaid.is_empty(), "docs/clouds.md does not tell of {unsaid:?}");
}

/// Plays every scenario on this cloud; fails with all that differs.
async fn agrees(which: Which) {
    let cloud = Cloud::start(which).await;
    let mut wrong = Vec::new();
    for scenario in scenario::all().iter().filter(|scenario| scenario.runs_on(which)) {
        cloud.reset().await;
        let mut hand = Hand::new(&cloud);
        for deed in &scenario.world {
            hand.does(deed).await;
        }
        let scratch = Scratch::new("clouds");
        scratch.write("desired-state/manifests.yaml", declared::manifests(&scenario.declare, &hand.ids));
        if let Some(then) = &scenario.then {
            remember(&cloud, scenario, &scratch);
            for deed in then {
                hand.does(deed).await;
            }
            cloud.pass_until_now();
            remember(&cloud, scenario, &scratch);
        }
        cloud.pass_until_now();
        let differing = disagreement(&cloud, scenario, &scratch, &hand);
        if !differing.is_empty() {
            wrong.push(format!("{}\n  {}", scenario.name, differing.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{which:?} disagrees in {} scenarios:\n{}", wrong.len(), wrong.join("\n"));
    whoami_tells_the_account_and_the_wrong_one(&cloud);
}

/// What `moored check` says of this world and should not, or should say and does not.
fn disagreement(cloud: &Cloud, scenario: &Scenario, scratch: &Scratch, hand: &Hand<'_>) -> Vec<String> {
    let before = cloud.front.calls();
    let outcome = check(cloud, scenario, scratch);
    let calls = cloud.front.calls() - before;
    let said = outcome.json();
    let found = report::lines(&said, &hand.ids);
    let expected = scenario.expected(cloud.which, &said);

    let unexpected = found.difference(&expected).map(|line| format!("+ {line}"));
    let unsaid = expected.difference(&found).map(|line| format!("- {line}"));
    let mut differing: Vec<String> = unexpected.chain(unsaid).collect();
    let code = report::exit_code(&found);
    if outcome.code != code {
        differing.push(format!("exit code {} where the report asks for {code}", outcome.code));
    }
    for (application, verdict) in &scenario.verdicts {
        let told = report::verdict(&said, application);
        if told != *verdict {
            differing.push(format!("the verdict of {application} is {told}, not {verdict}"));
        }
    }
    if scenario.calls.is_some_and(|expected| expected != calls) {
        differing.push(format!("{calls} calls were made"));
    }
    differing
}

/// Looks for the sake of the memory alone; only a report can be remembered.
fn remember(cloud: &Cloud, scenario: &Scenario, scratch: &Scratch) {
    let outcome = check(cloud, scenario, scratch);
    assert!([0, 2, 3].contains(&outcome.code), "{}: {outcome:?}", scenario.name);
}

/// One pass, with a memory where the scenario needs one.
fn check(cloud: &Cloud, scenario: &Scenario, scratch: &Scratch) -> Outcome {
    let state = scratch.file("state.db");
    let mut more = vec!["--format", "json"];
    if scenario.then.is_some() {
        more.extend(["--state", text(&state)]);
    }
    moored(cloud, "check", scratch, &more)
}

fn whoami_tells_the_account_and_the_wrong_one(cloud: &Cloud) {
    let scratch = Scratch::new("clouds");
    scratch.write("desired-state/production.yaml", declared::environments(["production"]));
    moored(cloud, "whoami", &scratch, &[]).exits(0).says(&["123456789012  simulated as arn:aws:"]);
    let stranger = Scratch::new("clouds");
    stranger.write("desired-state/stranger.yaml", declared::environments(["stranger"]));
    moored(cloud, "whoami", &stranger, &[]).exits(3).says(&["MISMATCH: these credentials are account 123456789012"]);
}

/// Runs a subcommand over the manifests in `desired-state/`; nothing secret is shown.
fn moored(cloud: &Cloud, subcommand: &str, scratch: &Scratch, more: &[&str]) -> Outcome {
    let mut command = command();
    command.args([subcommand, "--cloud", &cloud.front.url]);
    command.args(["--desired-state", text(&scratch.file("desired-state"))]).args(more);
    run(command).hides(&[SECRET])
}
