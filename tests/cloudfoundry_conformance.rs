//! The simulated Cloud Foundry is honest: it does what the v3 documentation says, as a client sees
//! it that is not ours.
//!
//! Decides that every behaviour in `tests/cloudfoundry_conformance/` (Python, PyPI's
//! cloudfoundry-client; moored's code has no part in it) is the simulator's, and that
//! docs/conformance-cloudfoundry.md lists these and no others. What the client was answered is held
//! against the API's OpenAPI document and against samples where `MOORED_CF_OPENAPI` or
//! `MOORED_CF_SAMPLES` name them: they are not ours to copy. `make test` makes the venv of the
//! client, and names its Python in `CF_PYTHON`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use moored::clock::Clock;
use serde_json::Value;
use tokio::net::TcpListener;

#[path = "cloudfoundry_conformance/world.rs"]
mod world;

/// Brokers and deployments take their time, and this much less of ours.
const SPEED: f64 = 10.0;
const LEAST_BEHAVIOURS: usize = 100;
/// Answers that the OpenAPI document must have been able to judge, and of how many operations.
const LEAST_ANSWERS: u64 = 200;
const LEAST_OPERATIONS: u64 = 40;
/// Kinds of rows that the samples must have been able to judge.
const LEAST_KINDS: u64 = 20;

/// What the client was answered; one run for all tests of this file.
static REPORT: LazyLock<Value> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let clock = Clock::scaled(Clock::wall().now(), SPEED);
    let router = world::router(world::cloud(&clock));
    runtime.spawn(async move { axum::serve(listener, router).await });
    let asked = python(&["ask", "--endpoint", &endpoint, "--report", "--format", "json"]);
    serde_json::from_str(&said(&asked)).unwrap()
});

#[test]
fn an_independent_client_finds_what_is_documented() {
    let answers = REPORT["answers"].as_array().unwrap();
    let differs = |answer: &&Value| !answer["instead"].is_null();
    let wrong: Vec<String> = answers
        .iter()
        .filter(differs)
        .map(|answer| format!("{}: {}", text(&answer["behaviour"]), text(&answer["instead"])))
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), answers.len(), wrong.join("\n"));
    assert!(answers.len() >= LEAST_BEHAVIOURS, "only {} behaviours were asked", answers.len());
}

#[test]
fn every_answer_is_one_that_the_openapi_document_knows() {
    let Some(verdict) = asked(
        "openapi",
        "neither MOORED_CF_OPENAPI nor MOORED_CF_SAMPLES names an OpenAPI document: no answer was held against one",
    ) else {
        return;
    };
    let (answers, operations) = (number(&verdict["validated"]), number(&verdict["operations"]));
    assert!(answers >= LEAST_ANSWERS, "only {answers} answers were validated");
    assert!(operations >= LEAST_OPERATIONS, "they were of {operations} operations only");
}

#[test]
fn every_answer_has_the_members_of_the_samples_and_no_others() {
    let Some(verdict) = asked("shapes", "MOORED_CF_SAMPLES names no folder: no answer was held against samples") else {
        return;
    };
    let kinds = number(&verdict["kinds"]);
    assert!(kinds >= LEAST_KINDS, "only {kinds} kinds were compared");
}

#[test]
fn the_document_lists_every_behaviour_and_no_other() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance-cloudfoundry.md");
    let document = fs::read_to_string(document).unwrap();
    let table = document.lines().skip_while(|line| !line.starts_with("| --- |")).skip(1);
    let listed: Vec<&str> = table.take_while(|line| line.starts_with("| ")).collect();
    let rows = said(&python(&["rows"]));
    let expected: Vec<&str> = rows.lines().collect();
    for (row, expected) in listed.iter().zip(&expected) {
        assert_eq!(row, expected, "`make conformance` writes docs/conformance-cloudfoundry.md");
    }
    assert_eq!(listed.len(), expected.len(), "`make conformance` writes docs/conformance-cloudfoundry.md");
}

/// What a judge of all answers said, if there was one; everything that it found is a failure.
fn asked(judge: &str, unasked: &str) -> Option<&'static Value> {
    let verdict = &REPORT[judge];
    if verdict["asked"] != true {
        // Straight to the terminal: what a test prints is shown only when it fails.
        let _ = writeln!(std::io::stderr(), "not asked to: {unasked}");
        return None;
    }
    let wrong: Vec<&str> = verdict["wrong"].as_array().unwrap().iter().map(text).collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    Some(verdict)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// Runs the Python package with nothing of our own environment but the names of what it may read.
fn python(arguments: &[&str]) -> Output {
    let python = std::env::var_os("CF_PYTHON").map(PathBuf::from);
    let python = python.expect("CF_PYTHON is not set: run `make test`, which makes the venv of cloudfoundry-client");
    let kept = ["PATH", "MOORED_CF_OPENAPI", "MOORED_CF_SAMPLES"];
    Command::new(&python)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"))
        .env_clear()
        .envs(kept.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-m", "cloudfoundry_conformance"])
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", python.display()))
}

/// What a run printed; it must have succeeded.
fn said(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}
