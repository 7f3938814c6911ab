//! The state file, damaged: it is read or refused with words, and never trips the daemon.

use std::fs;
use std::sync::{Arc, OnceLock};

use moored::core::drift::Finding;
use moored::core::filter::Filter;
use moored::core::memory::{Memory, ScopeMemory};
use moored::store::{History as _, Past, SqliteHistory, StoreError};
use rusqlite::Connection;

use crate::bytes::Bytes;
use crate::common::Scratch;

const FINDING: &str = r#"{"environment":"production","kind":"TableItem","name":"service=api","drift":"orphaned",
"id":"x","scope":"table/111122223333/eu-west-1/deployments","severity":"warning","application":"api","message":"left over",
"held":false,"fields":[],"root":{"kind":"TableItem","name":"service=api"},"since":"2026-11-20T10:00:00Z","source":null,
"vital":false,"works":true,"runbook":null,"redeploy":null}"#;

/// A sound state file with an open finding.
fn sound() -> &'static [u8] {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let scratch = Scratch::new("fuzz-state-sound");
        let path = scratch.file("moored.db");
        let finding: Finding = serde_json::from_str(FINDING).unwrap();
        let mut known = ScopeMemory::default();
        let (key, scope, since) = (finding.key.clone(), finding.scope.clone(), finding.since);
        known.findings.insert(key, Arc::new(finding));
        let mut memory = Memory { seasoned: true, ..Memory::default() };
        memory.scopes.insert(scope, Arc::new(known));
        let mut history = SqliteHistory::open(&path).unwrap();
        history.save(&memory, &[], since).unwrap();
        drop(history);
        fs::read(&path).unwrap()
    })
}

/// A person reads a reason of one line, with the file's name.
fn refused(error: &StoreError, path: &str) {
    let told = error.to_string();
    assert!(told.contains(path) && !told.contains('\n'), "{told}");
}

pub fn damaged(input: &[u8]) {
    let mut bytes = Bytes(input);
    let scratch = Scratch::new("fuzz-state");
    let path = scratch.file("moored.db");
    let mut content = sound().to_vec();
    let in_a_row = bytes.below(3) > 0;
    if !in_a_row {
        // Bits that fell over, or a file that ends early.
        for _ in 0..1 + bytes.below(8) {
            let at = bytes.below(content.len().min(1 << 16));
            content[at] = bytes.byte();
        }
        if bytes.below(4) == 0 {
            content.truncate(bytes.below(content.len()));
        }
    }
    fs::write(&path, &content).unwrap();
    if in_a_row {
        let mut text = FINDING.as_bytes().to_vec();
        bytes.edit(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let statement = *bytes.one_of(&[
            "UPDATE finding SET json = ?1",
            "UPDATE finding SET scope = ?1",
            "UPDATE finding SET kind = ?1",
            "UPDATE finding SET opened_at = ?1",
            "UPDATE finding SET ended_at = ?1",
            "INSERT INTO object (scope, kind, key, json) VALUES ('table/1/r/t', 'TableItem', 'k', ?1)",
            "INSERT INTO declared (scope, environment, kind, name, digest, changed_at) VALUES ('table/1/r/t', 'e', 'TableItem', 'n', ?1, 1)",
        ]);
        let connection = Connection::open(&path).unwrap();
        connection.execute(statement, [text]).unwrap();
    }

    let shown = path.display().to_string();
    let past = Past { since: None, filter: Filter::default(), limit: 10 };
    match SqliteHistory::open(&path) {
        Err(error) => refused(&error, &shown),
        Ok(mut history) => {
            for outcome in [history.load().map(|_| ()), history.past(&past).map(|_| ())] {
                if let Err(error) = outcome {
                    refused(&error, &shown);
                }
            }
            let now = "2026-11-20T11:00:00Z".parse().unwrap();
            if let Err(error) = history.save(&Memory { seasoned: true, ..Memory::default() }, &[], now) {
                refused(&error, &shown);
            }
        }
    }
}
