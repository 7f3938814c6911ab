//! F26: manifests that are meant, or happen, to exhaust moored. Bounds: 8 MiB a file, 64 MiB a root,
//! 20,000 documents a file, 32 levels, and aliases that are few rather than none.
//!
//! The row asks for a refusal within a second and 64 MiB. This runs a debug build beside other tests
//! on two shared cores, so the clock is read generously here: a bomb that went off would take minutes.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::common::platform::manifests;
use crate::common::{PATIENCE, Scratch, command, text};

const SOON: Duration = Duration::from_secs(10);
const MIB: u64 = 1 << 20;

/// What a run of `validate` said and took.
struct Measured {
    code: Option<i32>,
    said: String,
    took: Duration,
    /// The most memory it ever held, in bytes, as far as it was looked at in time.
    peak: u64,
}

fn validate(root: &Path) -> Measured {
    let mut command = command();
    command.args(["validate", "--desired-state", text(root)]).stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().expect("the binary starts");
    let mut stderr = child.stderr.take().expect("stderr is a pipe");
    let reader = thread::spawn(move || {
        let mut said = String::new();
        stderr.read_to_string(&mut said).map(|_| said)
    });
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("the process can be waited for").is_none() {
        // Once it has ended, its memory is no longer told.
        peak = fs::read_to_string(&status).ok().as_deref().and_then(high_water).unwrap_or_default().max(peak);
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(1));
    }
    let ended = child.wait().expect("the process has ended");
    let said = reader.join().expect("stderr is read").expect("stderr is UTF-8");
    Measured { code: ended.code(), said, took: began.elapsed(), peak }
}

/// The line `VmHWM:    12345 kB`.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

fn good() -> Scratch {
    let root = Scratch::new("bombs");
    for (file, content) in manifests() {
        root.write(file, content);
    }
    root
}

/// Nine times nine times nine …
fn billion_laughs() -> String {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    bomb
}

/// Deeper by one blank on each line.
fn staircase(levels: usize) -> String {
    (0..levels).map(|level| format!("{}a:\n", " ".repeat(level))).collect()
}

#[test]
fn f26_what_would_exhaust_memory_or_time_is_refused_soon_and_in_little_memory() {
    let baseline = validate(good().path());
    assert_eq!(baseline.code, Some(0), "{}", baseline.said);

    let bombs = [
        ("a million documents", "--- a\n".repeat(1_000_000), "the most in one file is 20000"),
        ("a million documents by dots", "a\n...\n".repeat(1_000_000), "more than 20000 documents"),
        ("a million empty documents", "---\n".repeat(1_000_000), "the most in one file is 20000"),
        ("an alias bomb", billion_laughs(), "aliases repeat more than"),
        ("a long text by aliases", format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(99)), "aliases"),
        ("an alias of itself", "a: &a [*a]\n".to_owned(), "the alias names nothing"),
        ("100,000 levels of lists", "- ".repeat(100_000), "nested more than 32 levels"),
        ("100,000 levels of brackets", "[".repeat(100_000), "nested more than 32 levels"),
        ("100,000 levels of braces", "{a: ".repeat(100_000), "nested more than 32 levels"),
        ("3,000 levels of maps", staircase(3_000), "nested more than 32 levels"),
        ("a list on one line", format!("- [{}", "a,".repeat(4_000_000)), "too long to be read"),
        ("a list of two million", "- a\n".repeat(2_000_000), "more than 100000 values"),
        ("20,000 documents that are none", "kind: x\n---\n".repeat(19_999), "unknown kind `x`"),
        ("a file of quotes", "\"".repeat(1 << 20), "not valid YAML"),
    ];
    for (name, bomb, reason) in bombs {
        let root = good();
        assert!(bomb.len() as u64 <= 8 * MIB, "{name} is refused by its size");
        root.write("bomb.yaml", bomb);
        refused(name, root.path(), reason, baseline.peak);
    }
}

#[test]
fn f26_a_file_or_root_that_is_too_large_is_refused_without_reading_it() {
    let baseline = validate(good().path());
    let root = good();
    // A gibibyte that takes no room on the disk.
    fs::File::create(root.file("bomb.yaml")).unwrap().set_len(1 << 30).unwrap();
    refused("a gibibyte", root.path(), "bomb.yaml", baseline.peak);
    fs::File::create(root.file("bomb.yaml")).unwrap().set_len(8 * MIB + 1).unwrap();
    refused("a byte more than a file may have", root.path(), "is larger than 8 MiB", baseline.peak);
    fs::remove_file(root.file("bomb.yaml")).unwrap();
    for number in 0..8 {
        fs::File::create(root.file(&format!("{number}.yaml"))).unwrap().set_len(8 * MIB).unwrap();
    }
    refused("more than a root may have", root.path(), "larger than 64 MiB together", baseline.peak);
}

#[track_caller]
fn refused(name: &str, root: &Path, reason: &str, baseline: u64) {
    let Measured { code, said, took, peak } = validate(root);
    assert_eq!(code, Some(1), "{name}: {said}");
    assert!(said.contains(reason) && said.contains("help: "), "{name}: {said}");
    assert!(said.len() < 200_000, "{name}: nobody reads {} bytes", said.len());
    assert!(took < SOON, "{name} took {took:?}");
    assert!(peak < baseline + 64 * MIB, "{name} held {} MiB, a small root {} MiB", peak / MIB, baseline / MIB);
}

#[test]
fn f26_aliases_are_bounded_not_forbidden() {
    let root = good();
    let record = |name: &str, values: &str| {
        format!(
            "apiVersion: moored.dev/v1\nkind: DnsRecord\nmetadata: {{name: {name}, environments: [production]}}\n\
             spec: {{account: dns, zone: example.com, name: {name}.example.com, type: A, ttl: 60, values: {values}}}\n"
        )
    };
    // The label is the name, by an alias.
    let aliased = record("many", "[192.0.2.1]").replace("{name: many, ", "{name: &name many, labels: {app: *name}, ");
    root.write("aliases.yaml", aliased);
    let outcome = validate(root.path());
    assert_eq!(outcome.code, Some(0), "{}", outcome.said);
    let repeated = vec!["*one"; 101].join(", ");
    root.write("aliases.yaml", record("many", &format!("[&one 192.0.2.1, {repeated}]")));
    let outcome = validate(root.path());
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.said.contains("more than 100 aliases in one document"), "{}", outcome.said);
}
