//! The simulated cloud is honest: it does what AWS documents, as boto3 sees it.
//!
//! Decides that every behaviour in `tests/conformance/` (Python; moored's code has no part in it) is
//! the simulator's, and that docs/conformance.md lists these and no others. The world that the
//! behaviours need (accounts, roles, faults) they describe themselves. `make test` makes the venv
//! that has boto3, moto's, and names its server in `MOTO_SERVER`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use moored::clock::Clock;
use moored::sim::wire::{Cloud, server};
use moored::sim::world::World;
use moored::sim::world::faults::{Effect, Match, Rule};
use serde_json::Value;

/// DNS changes, new tables and deleted services take their time, and this much less of ours. More
/// would make a table ACTIVE before a slow machine has looked at it.
const SPEED: f64 = 5.0;
const LEAST: usize = 80;

#[test]
fn the_simulated_cloud_does_what_aws_documents() {
    let world = prepared(&serde_json::from_str(&said(&conformance(&["world"]))).unwrap());
    let wall = Clock::wall();
    let clock = Clock::scaled(wall.now(), SPEED);
    let cloud = Cloud::new(world, move || clock.now(), 1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let served = runtime.block_on(server::spawn(cloud)).unwrap();

    let asked = conformance(&[
        "ask",
        "--name",
        "simulator",
        "--endpoint",
        &served.url,
        "--prepared",
        "--report",
        "--format",
        "json",
    ]);
    let text = said(&asked);
    // `make conformance` writes the document's table from this.
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance-simulator.json"), &text).unwrap();
    let answers: Value = serde_json::from_str(&text).unwrap();
    let answers = answers["answers"].as_array().unwrap();
    let wrong: Vec<String> = answers
        .iter()
        .filter(|answer| answer["outcome"] != "same")
        .map(|answer| format!("{}: {}", answer["behaviour"], answer["instead"]))
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), answers.len(), wrong.join("\n"));
    assert!(answers.len() >= LEAST, "only {} behaviours were asked", answers.len());
}

#[test]
fn the_document_lists_every_behaviour_and_no_other() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let document = fs::read_to_string(document).unwrap();
    let table = document.lines().skip_while(|line| !line.starts_with("| --- |")).skip(1);
    let listed: Vec<&str> = table.take_while(|line| line.starts_with("| ") && !line.starts_with("| **")).collect();
    let text = said(&conformance(&["rows"]));
    let expected: Vec<&str> = text.lines().collect();
    for (row, beginning) in listed.iter().zip(&expected) {
        let simulated = row.strip_prefix(*beginning);
        let simulated = simulated.unwrap_or_else(|| panic!("where it should begin with {beginning}\nit says {row}"));
        assert!(simulated.starts_with(" yes |"), "the simulator has to do this: {row}");
    }
    assert_eq!(listed.len(), expected.len(), "`make conformance` writes docs/conformance.md");
}

/// The world that `python -m conformance world` describes.
fn prepared(description: &Value) -> World {
    let list = |member: &str| description[member].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut world = World::default();
    for account in list("accounts") {
        world.sts.add_account(&text(account));
    }
    for role in list("roles") {
        let trusted: Vec<&str> = role["trusted"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        world.sts.add_role(&text(&role["account"]), &text(&role["name"]), &trusted);
    }
    for fault in list("faults") {
        let effect = match text(&fault["effect"]).as_str() {
            "throttle" => Effect::Throttle,
            "denied" => Effect::Denied,
            "expired-token" => Effect::ExpiredToken,
            "unprocessed-keys" => Effect::UnprocessedKeys,
            other => panic!("the simulator has no fault '{other}'"),
        };
        let matches = Match { account: Some(text(&fault["account"])), ..Match::default() };
        world.faults.add(Rule::always(matches, effect));
    }
    world
}

/// Runs the Python package with nothing of our own environment, which may hold proxies and profiles.
fn conformance(arguments: &[&str]) -> Output {
    let python = python();
    Command::new(&python)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-m", "conformance"])
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", python.display()))
}

fn python() -> PathBuf {
    let server = std::env::var_os("MOTO_SERVER")
        .expect("MOTO_SERVER is not set: run `make test`, which makes the venv of moto_server and boto3 and names it");
    Path::new(&server).with_file_name("python")
}

/// What a run printed; it must have succeeded.
fn said(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}
