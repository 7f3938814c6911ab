//! F22: a manifest that was cut off, at every byte.
//!
//! The bar: it is refused, or says exactly what its whole documents said before. A cut between two
//! documents leaves sound YAML, and nothing in the file tells it from a person who took the last
//! documents away. While a file is being written the two readings that must agree (F23) keep the
//! half of it out; a half that stays is a revision like any other, and git shows what it lost.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use moored::core::desired::Desired;
use moored::core::redact::Redactor;
use moored::engine::roots::Roots;
use moored::manifest::kept::Kept;
use moored::manifest::load::Parsed;
use moored::manifest::resolve::{Resolved, resolve};
use moored::manifest::source::{Source, SourceFile};
use moored::manifest::succession;

use crate::common::Scratch;
use crate::common::platform::manifests;

fn redactor() -> Redactor {
    Redactor::new(&[7; 32])
}

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

/// The manifests as one root, one file of them with another text.
fn parsed(changed: &str, text: &str) -> Parsed {
    let files = manifests().into_iter().map(|(file, whole)| {
        let text = if file == changed { text.into() } else { whole.into() };
        SourceFile { path: file.to_owned(), text }
    });
    let source = Source { root: PathBuf::from("root"), files: files.collect(), digest: text.len().to_string() };
    Parsed::of(&source, None)
}

/// What a root declares; its revision aside, which is another for every text.
fn declared(resolved: Resolved) -> Desired {
    assert!(resolved.rejected.is_empty(), "{}", resolved.rejected[0].render(false));
    Desired { revisions: Vec::new(), ..resolved.desired }
}

#[test]
fn f22_a_manifest_cut_off_at_any_byte_is_refused_or_says_what_its_whole_documents_said() {
    for (file, whole) in manifests() {
        let before = Kept::of(&parsed(file, &whole));
        let documents: Vec<&str> = whole.split("---\n").collect();
        let sound: Vec<Desired> = (0..=documents.len())
            .map(|count| resolve(&[Arc::new(parsed(file, &documents[..count].join("---\n")))], &redactor(), now()))
            .filter(|resolved| resolved.rejected.is_empty())
            .map(declared)
            .collect();
        let (mut refused, mut accepted) = (0, 0);
        for cut in (1..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
            let mut half = parsed(file, &whole[..cut]);
            succession::examine(&before, &mut half);
            let resolved = resolve(&[Arc::new(half)], &redactor(), now());
            if resolved.rejected.is_empty() {
                accepted += 1;
                let says = declared(resolved);
                assert!(sound.contains(&says), "{file} cut at {cut} says something else:\n{}", &whole[..cut]);
            } else {
                refused += 1;
                let problems = &resolved.rejected[0].problems;
                assert!(problems.iter().all(|problem| problem.hint.is_some()), "{file} cut at {cut}: {problems:?}");
            }
        }
        // The line between two documents and the end of the file: a few bytes each.
        assert!(accepted <= 6 * documents.len(), "{file}: {accepted} of {} cuts are accepted", whole.len());
        assert!(refused > whole.len() * 9 / 10, "{file}: only {refused} cuts are refused");
    }
}

#[test]
fn f22_the_last_good_revision_stays_in_force_while_a_file_is_cut_off() {
    let root = Scratch::new("cut-off");
    for (file, content) in manifests() {
        root.write(file, content);
    }
    let mut roots = Roots::new(vec![root.path().to_owned()]);
    let good = roots.load(&redactor(), now()).desired.expect("the manifests are good");
    let whole = fs::read(root.file("apps.yaml")).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let second = text.find("---\n").unwrap();
    let cuts = [
        ("nothing is left", 0),
        ("within a word", text.find("desiredCount").unwrap() + 4),
        ("within a number", text.find("ttl: 60").unwrap() + 6),
        ("within a bracket", text.find("{repository").unwrap() + 5),
        ("after a line within a document", text.find("  desiredCount: 2\n").unwrap()),
        ("before the overrides", text.find("overrides:").unwrap()),
        ("after the head of the next document", second + "---\napiVersion: moored.dev/v1\n".len()),
    ];
    for (name, cut) in cuts {
        root.write("apps.yaml", &whole[..cut]);
        let loaded = roots.load(&redactor(), now());
        assert_eq!(loaded.rejected.len(), 1, "{name}: it is accepted");
        let desired = loaded.desired.expect("what was in force stays so");
        assert_eq!(
            (&desired.resources, &desired.environments, &desired.tables),
            (&good.resources, &good.environments, &good.tables),
            "{name}"
        );
        assert!(!desired.revisions[0].accepted && !roots.status()[0].success, "{name}");
        assert_eq!(desired.revisions[0].digest, good.revisions[0].digest, "{name}");
    }
    root.write("apps.yaml", &whole);
    let loaded = roots.load(&redactor(), now());
    assert!(loaded.rejected.is_empty() && roots.status()[0].success, "the whole file is good again");
}
