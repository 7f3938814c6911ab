//! Fuzzing: foreign bytes against everything that reads them: manifests, templates, AWS's answers,
//! the simulator's requests, the state file; and foreign text against everything that escapes it.
//!
//! A target takes bytes and panics when something is wrong. It is run here on random bytes for a few
//! seconds with every `cargo test`, for as long as one likes by `make fuzz`, and always on what is
//! kept in `tests/fuzz/crashes/TARGET/`. A crash that is found is written to
//! `target/fuzz/TARGET.crash`, as small as it could be made: move it there with the fix.
//! (moored writes no HTML yet; `expected --format svg` is proven in tests/faults_manifests.)

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "fuzz/answers.rs"]
mod answers;
#[path = "fuzz/bytes.rs"]
mod bytes;
#[path = "fuzz/manifests.rs"]
mod manifests;
#[path = "fuzz/simulator.rs"]
mod simulator;
#[path = "fuzz/state.rs"]
mod state;
#[path = "fuzz/texts.rs"]
mod texts;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long each target runs with all the other tests. `BOLERO_RANDOM_TEST_TIME_MS` overrides it.
const BRIEFLY: Duration = Duration::from_secs(2);

/// The most bytes of one input.
const LONGEST: usize = 4096;

type Target = fn(&[u8]);

/// Every target, by the name of its folder of crashes.
const TARGETS: [(&str, Target); 10] = [
    ("answers", answers::damaged),
    ("manifest_bytes", manifests::any_bytes),
    ("manifest_edits", manifests::edited),
    ("metrics", texts::metrics),
    ("names", texts::names),
    ("simulator", simulator::any_request),
    ("simulator_items", simulator::edited_request),
    ("state", state::damaged),
    ("templates", texts::templates),
    ("terminal", texts::terminal),
];

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fuzz(name: &'static str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target of this name");
    bolero::check!(name = name).with_test_time(BRIEFLY).with_max_len(LONGEST).for_each(move |input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
            keep(name, input);
            resume_unwind(panic);
        }
    });
}

/// Smaller ones replace larger ones while the input is shrunk.
fn keep(name: &str, input: &[u8]) {
    let folder: PathBuf = home().join("target/fuzz");
    let _ = fs::create_dir_all(&folder);
    let _ = fs::write(folder.join(format!("{name}.crash")), input);
}

#[test]
fn what_once_crashed_does_not_any_more() {
    for (name, target) in TARGETS {
        let Ok(folder) = fs::read_dir(home().join("tests/fuzz/crashes").join(name)) else { continue };
        for entry in folder {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            assert!(catch_unwind(AssertUnwindSafe(|| target(&input))).is_ok(), "{} crashes again", path.display());
        }
    }
    for entry in fs::read_dir(home().join("tests/fuzz/crashes")).unwrap() {
        let folder = entry.unwrap().file_name();
        let known = TARGETS.iter().any(|(name, _)| folder == *name) || folder == "README.md";
        assert!(known, "tests/fuzz/crashes/{} belongs to no target", folder.display());
    }
}

#[test]
fn manifests_of_any_bytes_are_read_or_refused() {
    fuzz("manifest_bytes");
}

#[test]
fn edited_manifests_are_read_or_refused() {
    fuzz("manifest_edits");
}

#[test]
fn templates_of_any_text_name_what_they_say_or_nothing() {
    fuzz("templates");
}

#[test]
fn names_and_keys_have_one_spelling() {
    fuzz("names");
}

#[test]
fn damaged_answers_prove_nothing_gone() {
    fuzz("answers");
}

#[test]
fn the_simulator_answers_any_request() {
    fuzz("simulator");
}

#[test]
fn the_simulator_answers_any_expression() {
    fuzz("simulator_items");
}

#[test]
fn scrapes_parse_whatever_things_are_called() {
    fuzz("metrics");
}

#[test]
fn terminals_are_shown_nothing_that_steers_them() {
    fuzz("terminal");
}

#[test]
fn damaged_state_files_are_read_or_refused() {
    fuzz("state");
}
