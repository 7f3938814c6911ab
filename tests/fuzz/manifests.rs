//! Manifests: any bytes, and sound ones with a few changes. They are read or refused; what is refused
//! is told in words that mislead nobody; what is read says the same when it is read again.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use moored::core::index::Index;
use moored::core::redact::Redactor;
use moored::core::visible::is_hidden;
use moored::manifest::load::Parsed;
use moored::manifest::resolve::{Resolved, resolve};
use moored::manifest::source::{self, Source, SourceFile};

use crate::bytes::Bytes;
use crate::home;

/// The example, as it lies in the repository.
fn example() -> &'static [SourceFile] {
    static EXAMPLE: OnceLock<Vec<SourceFile>> = OnceLock::new();
    EXAMPLE.get_or_init(|| source::read(&home().join("desired-state")).expect("the example is sound").files)
}

fn read(source: &Source) -> Resolved {
    let parsed = Arc::new(Parsed::of(source, None));
    resolve(&[parsed], &Redactor::new(&[7; 32]), "2026-11-20T10:00:00Z".parse().unwrap())
}

fn check(files: Vec<SourceFile>) {
    let source = Source { root: PathBuf::from("root"), files, digest: "digest".to_owned() };
    let resolved = read(&source);
    for refusal in &resolved.rejected {
        assert!(!refusal.problems.is_empty(), "refused without a reason");
        let told = refusal.render(false);
        assert!(told.starts_with("error: "), "{told}");
        let bad = told.chars().find(|character| *character != '\n' && is_hidden(*character));
        assert_eq!(bad, None, "{}", told.escape_debug());
    }
    if resolved.rejected.is_empty() {
        assert_eq!(read(&source).desired, resolved.desired, "the same text says something else");
        Index::new(&resolved.desired);
    } else {
        assert!(resolved.desired.resources.is_empty(), "half of a refused root is accepted");
    }
}

/// A NUL byte never gets this far: the reader of files refuses it.
fn file(path: &str, bytes: &[u8]) -> SourceFile {
    SourceFile { path: path.to_owned(), text: String::from_utf8_lossy(bytes).replace('\0', "").into() }
}

pub fn any_bytes(input: &[u8]) {
    check(vec![file("a.yaml", input)]);
}

pub fn edited(input: &[u8]) {
    let mut bytes = Bytes(input);
    let mut files = example().to_vec();
    let chosen = bytes.below(files.len());
    let mut text = files[chosen].text.as_bytes().to_vec();
    bytes.edit(&mut text);
    // By itself it is quickly read; among the others its references mean something.
    let changed = file(&files[chosen].path, &text);
    if bytes.below(2) == 0 {
        check(vec![changed]);
    } else {
        files[chosen] = changed;
        check(files);
    }
}
