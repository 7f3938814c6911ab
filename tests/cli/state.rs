//! State files that cannot be used: one line with a reason and a hint, exit 1, and nothing of what
//! lies there is changed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::platform::{MAIN, Platform};
use crate::common::{Outcome, Scratch, moored, text};

/// Every file of a directory with its content.
fn content(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())).collect()
}

/// Every command that opens the state refuses it alike, and leaves it as it is.
#[track_caller]
fn refused(platform: &Platform, directory: &Scratch, state: &Path, reasons: &[&str]) {
    let before = content(directory.path());
    let state = text(state);
    let outcomes = [
        platform.check(&["--state", state]),
        platform.moored("show", &["EcsService/api", "--state", state]),
        platform.moored("run", &["--state", state, "--metrics-listen", "127.0.0.1:0"]),
    ];
    for outcome in outcomes {
        outcome.exits(1).complains_in_one_line().complains(reasons);
    }
    let after = content(directory.path());
    for (name, bytes) in &before {
        assert!(after.get(name) == Some(bytes), "{name} is not what it was");
    }
    // SQLite's own files and the lock come and go; nothing else does.
    let passing = |name: &str| [".lock", "-wal", "-shm"].iter().any(|end| name.ends_with(end));
    let new: Vec<&String> = after.keys().filter(|name| !before.contains_key(*name) && !passing(name)).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(platform.cloud.calls().is_empty(), "no cloud is asked");
}

/// A state file as moored makes it, and the directory that it lies in.
fn sound(name: &str) -> (Platform, Scratch, std::path::PathBuf) {
    let platform = Platform::new(name);
    let directory = Scratch::new(name);
    let state = directory.file("moored.db");
    platform.check(&["--state", text(&state)]).exits(0);
    platform.cloud.reset_calls();
    (platform, directory, state)
}

#[test]
fn a_directory_is_no_state_file() {
    let (platform, directory) = (Platform::new("state-directory"), Scratch::new("state-directory"));
    refused(&platform, &directory, directory.path(), &["is a directory", "/moored.db"]);
}

#[test]
fn a_place_that_does_not_exist_is_no_place_for_a_state_file() {
    let (platform, directory) = (Platform::new("state-nowhere"), Scratch::new("state-nowhere"));
    refused(&platform, &directory, &directory.file("absent/moored.db"), &["its directory must exist"]);
}

#[test]
fn somebody_elses_file_is_left_as_it_is() {
    let (platform, directory) = (Platform::new("state-foreign"), Scratch::new("state-foreign"));
    let notes = directory.write("notes.txt", "these are my notes, please keep them\n".repeat(200));
    refused(&platform, &directory, &notes, &["is no state file of moored", "give another path"]);
    let other = directory.file("songs.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE song (title TEXT)").unwrap();
    refused(&platform, &directory, &other, &["of another program"]);
}

#[test]
fn a_corrupt_state_file_is_refused_with_what_to_do() {
    let (platform, directory, state) = sound("state-corrupt");
    let mut bytes = fs::read(&state).unwrap();
    assert!(bytes.len() > 8192, "there are pages to damage");
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xff);
    fs::write(&state, &bytes).unwrap();
    refused(&platform, &directory, &state, &["is damaged", "move it"]);
}

#[test]
fn a_state_file_of_a_newer_version_is_refused() {
    let (platform, directory, state) = sound("state-newer");
    let connection = rusqlite::Connection::open(&state).unwrap();
    assert_eq!(connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema'", []).unwrap(), 1);
    connection.close().unwrap();
    refused(&platform, &directory, &state, &["written by a newer moored (schema 999", "run that version"]);
    let history = moored(["history", "--state", text(&state)]);
    history.exits(1).complains_in_one_line().complains(&["written by a newer moored"]);
}

#[test]
fn a_key_that_others_may_read_or_that_is_cut_short_is_refused() {
    let (platform, directory, state) = sound("state-key");
    let key = directory.file("moored.db.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let outcome = platform.check(&["--state", text(&state)]);
    outcome.exits(1).complains_in_one_line().complains(&["chmod 600", "moored.db.key"]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "short").unwrap();
    platform.check(&["--state", text(&state)]).exits(1).complains_in_one_line().complains(&["exactly 32 bytes"]);
}

#[test]
fn a_history_that_is_not_there_is_an_error_with_a_hint() {
    let directory = Scratch::new("state-absent");
    let outcome = moored(["history", "--state", text(&directory.file("moored.db"))]);
    outcome.exits(1).complains_in_one_line().complains(&["does not exist", "moored run --state"]);
    assert!(content(directory.path()).is_empty(), "looking made something");
}

fn history(state: &Path, more: &[&str]) -> Outcome {
    moored([&["history", "--state", text(state)][..], more].concat())
}

#[test]
fn a_check_with_a_state_file_remembers_since_when_and_what_is_over() {
    let (platform, _directory, state) = sound("state-history");
    history(&state, &[]).exits(0).says(&["no findings were opened or ended since"]);
    platform.run_tasks(MAIN, "api", 1);
    let since = || {
        let (code, report) = platform.report(&["--state", text(&state)]);
        assert_eq!(code, 2, "{report}");
        report["findings"][0]["since"].as_str().unwrap().to_owned()
    };
    let first = since();
    assert_eq!(since(), first, "the same finding, not a new one");
    history(&state, &[]).exits(0).says(&["open", "changed", "EcsService", "api"]);

    platform.run_tasks(MAIN, "api", 2);
    platform.check(&["--state", text(&state)]).exits(0);
    let past = history(&state, &["--format", "json", "--kind", "EcsService"]).exits(0).json();
    assert_eq!(past.as_array().unwrap().len(), 1, "{past}");
    assert_eq!(past[0]["openedAt"], first.as_str());
    assert!(past[0]["endedAt"].is_string(), "{past}");
    let other = history(&state, &["--format", "json", "--kind", "DnsRecord"]).exits(0).json();
    assert_eq!(other, serde_json::json!([]));
}
