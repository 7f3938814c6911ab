//! The proof of an import: what it says is what was read.
//!
//! Decides whether an import may be handed out: its very bytes are loaded like any manifests,
//! together with those in force, and evaluated against the very readings that they were made of.
//! One difference, or one thing that cannot be judged, and nothing is handed out. That a thing does
//! not work right now is told, and is no fault of the import. The command `moored import` calls it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::reading::Seen;
use super::{Import, ImportError, Request};
use crate::core::drift::Drift;
use crate::core::memory::Memory;
use crate::core::redact::Redactor;
use crate::core::snapshot::Snapshot;
use crate::engine::watch::Watch;
use crate::manifest::load::Parsed;
use crate::manifest::resolve::resolve;
use crate::manifest::source::{Source, SourceFile};

/// What the import is called as a root of manifests.
const ROOT: &str = "(import)";

/// More differences than this are counted, not shown.
const SHOWN: usize = 20;

/// Checks an import against what was read; returns what does not work right now, one line each.
pub fn prove(
    request: &Request<'_>,
    import: &Import,
    in_force: Vec<Arc<Parsed>>,
    seen: &Seen,
    redactor: &Redactor,
    now: Timestamp,
) -> Result<Vec<String>, ImportError> {
    let mut roots = in_force;
    roots.push(Arc::new(Parsed::of(&source(&import.files), None)));
    let resolved = resolve(&roots, redactor, now);
    if !resolved.rejected.is_empty() {
        let refusals: Vec<String> = resolved.rejected.iter().map(|rejected| rejected.render(false)).collect();
        return Err(ImportError::Untrue(refusals.join("\n")));
    }
    let mut watch = Watch::new(Memory::default(), None);
    watch.declare(resolved.desired);
    watch.observations = seen.observations.clone();
    let snapshot = watch.evaluate(now);
    let untrue = untrue(request, import, &snapshot);
    if untrue.is_empty() {
        return Ok(troubles(request, import, &snapshot));
    }
    let mut lines: Vec<String> = untrue.iter().take(SHOWN).cloned().collect();
    if untrue.len() > SHOWN {
        lines.push(format!("and {} more", untrue.len() - SHOWN));
    }
    Err(ImportError::Untrue(lines.join("\n")))
}

fn source(files: &BTreeMap<String, String>) -> Source {
    let files =
        files.iter().map(|(path, text)| SourceFile { path: path.clone(), text: text.as_str().into() }).collect();
    Source { root: PathBuf::from(ROOT), files, digest: ROOT.to_owned() }
}

/// Whether something is said of a thing that the import declares.
fn concerns(request: &Request<'_>, import: &Import, environment: &str, kind: &str, name: &str) -> bool {
    *environment == *request.environment.name
        && import.declared.iter().any(|(declared_kind, declared)| *declared_kind == kind && **declared == *name)
}

/// What is not as the import says.
fn untrue(request: &Request<'_>, import: &Import, snapshot: &Snapshot) -> Vec<String> {
    let findings = snapshot.findings.iter().filter(|finding| {
        let key = &finding.key;
        key.drift != Drift::Degraded && concerns(request, import, &key.environment, &key.kind, &key.name)
    });
    let unknown = snapshot
        .unknown
        .iter()
        .filter(|unknown| concerns(request, import, &unknown.environment, &unknown.kind, &unknown.name));
    let findings = findings.map(|finding| {
        let key = &finding.key;
        format!("{} {}: {}: {}", key.kind, key.name, key.drift, finding.message)
    });
    findings
        .chain(unknown.map(|unknown| format!("{} {}: unknown: {}", unknown.kind, unknown.name, unknown.detail)))
        .collect()
}

/// What is as the import says, but does not work, or is on its way to something else.
fn troubles(request: &Request<'_>, import: &Import, snapshot: &Snapshot) -> Vec<String> {
    let degraded = snapshot
        .findings
        .iter()
        .filter(|finding| finding.key.drift == Drift::Degraded)
        .map(|finding| (&finding.key.environment, &finding.key.kind, &finding.key.name, &finding.message));
    let moving = snapshot.converging.iter().map(|one| (&one.environment, &one.kind, &one.name, &one.message));
    degraded
        .chain(moving)
        .filter(|(environment, kind, name, _)| concerns(request, import, environment, kind, name))
        .map(|(_, kind, name, message)| format!("{kind} {name}: {message}"))
        .collect()
}
