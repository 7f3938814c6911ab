//! The proof of an import: what it says is what was read.
//!
//! Decides whether an import may be handed out: its very bytes are loaded like any manifests,
//! together with those in force, and evaluated against the very readings that they were made of.
//! One difference, one thing that cannot be judged or that got lost on the way, and nothing is
//! handed out. A manifest may declare several things, and each of them counts. That a thing does not
//! work right now, or will not after its next restart, is told, and is no fault of the import. The
//! command `moored import` calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::reading::{Found, Seen};
use super::{Import, ImportError, Request};
use crate::core::desired::Desired;
use crate::core::drift::Drift;
use crate::core::identity::{ObjectKey, ScopeKey};
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
    let imported = Arc::new(Parsed::of(&source(&import.files), None));
    let read_back = imported.resource_count();
    let before = names(request, &resolve(&in_force, redactor, now).desired);
    let mut roots = in_force;
    roots.push(imported);
    let resolved = resolve(&roots, redactor, now);
    if !resolved.rejected.is_empty() {
        let refusals: Vec<String> = resolved.rejected.iter().map(|rejected| rejected.render(false)).collect();
        return Err(ImportError::Untrue(refusals.join("\n")));
    }
    let mut lost = lost(request, import, read_back, &resolved.desired);
    lost.extend(unmentioned(request, seen, &resolved.desired));
    if !lost.is_empty() {
        return Err(untrue_of(&lost));
    }
    let ours: Names = names(request, &resolved.desired).difference(&before).cloned().collect();
    let mut watch = Watch::new(Memory::default(), None);
    watch.declare(resolved.desired);
    watch.observations = seen.observations.clone();
    let snapshot = watch.evaluate(now);
    let untrue = untrue(request, &ours, &snapshot);
    if untrue.is_empty() {
        return Ok(troubles(request, &ours, &snapshot));
    }
    Err(untrue_of(&untrue))
}

/// Kinds and names of everything that a manifest of the environment declares: a document may
/// declare several things.
type Names = BTreeSet<(&'static str, Arc<str>)>;

fn names(request: &Request<'_>, desired: &Desired) -> Names {
    let of_environment = desired.resources.iter().filter(|known| known.environment == request.environment.name);
    of_environment.map(|known| (known.kind.name(), known.name.clone())).collect()
}

fn untrue_of(all: &[String]) -> ImportError {
    let mut lines: Vec<String> = all.iter().take(SHOWN).cloned().collect();
    if all.len() > SHOWN {
        lines.push(format!("and {} more", all.len() - SHOWN));
    }
    ImportError::Untrue(lines.join("\n"))
}

/// Manifests that were meant to be there and are not: what nobody declares is not compared, so that
/// it would never differ.
fn lost(request: &Request<'_>, import: &Import, read_back: usize, desired: &Desired) -> Vec<String> {
    let there = names(request, desired);
    let missing = import.declared.iter().filter(|declared| !there.contains(*declared));
    let mut lost: Vec<String> = missing.map(|(kind, name)| format!("{kind} {name}: its manifest is missing")).collect();
    if read_back != import.declared.len() {
        lost.push(format!("{} manifests were made, and {read_back} are in the files", import.declared.len()));
    }
    lost
}

/// Things that the manifests of others were meant to declare and do not.
fn unmentioned(request: &Request<'_>, seen: &Seen, desired: &Desired) -> Vec<String> {
    if seen.carried.is_empty() {
        return Vec::new();
    }
    let mut mentioned: BTreeSet<(&ScopeKey, &ObjectKey)> = BTreeSet::new();
    for known in desired.resources.iter().filter(|known| known.environment == request.environment.name) {
        let reading = seen.observations.get(&known.scope).and_then(|observation| observation.reading.as_ref());
        let things = reading.map(|reading| reading.find(&known.ask())).unwrap_or_default();
        let scope = &known.scope;
        mentioned.extend(things.into_iter().map(|live| (scope, &live.key)));
    }
    let lost = seen.carried.iter().filter(|Found { scope, live }| !mentioned.contains(&(scope, &live.key)));
    lost.map(|Found { live, .. }| format!("{} {}: no manifest mentions it", live.key.kind, live.key.key)).collect()
}

fn source(files: &BTreeMap<String, String>) -> Source {
    let files =
        files.iter().map(|(path, text)| SourceFile { path: path.clone(), text: text.as_str().into() }).collect();
    Source { root: PathBuf::from(ROOT), files, digest: ROOT.to_owned() }
}

/// Whether something is said of a thing that the import declares.
fn concerns(request: &Request<'_>, ours: &Names, environment: &str, kind: &str, name: &str) -> bool {
    *environment == *request.environment.name
        && ours.iter().any(|(declared_kind, declared)| *declared_kind == kind && **declared == *name)
}

/// Whether it says that a thing does not work, rather than that it is not as declared.
fn is_trouble(drift: Drift) -> bool {
    matches!(drift, Drift::Degraded | Drift::Latent)
}

/// What is not as the import says.
fn untrue(request: &Request<'_>, ours: &Names, snapshot: &Snapshot) -> Vec<String> {
    let findings = snapshot.findings.iter().filter(|finding| {
        let key = &finding.key;
        !is_trouble(key.drift) && concerns(request, ours, &key.environment, &key.kind, &key.name)
    });
    let unknown = snapshot
        .unknown
        .iter()
        .filter(|unknown| concerns(request, ours, &unknown.environment, &unknown.kind, &unknown.name));
    let findings = findings.map(|finding| {
        let key = &finding.key;
        format!("{} {}: {}: {}", key.kind, key.name, key.drift, finding.message)
    });
    findings
        .chain(unknown.map(|unknown| format!("{} {}: unknown: {}", unknown.kind, unknown.name, unknown.detail)))
        .collect()
}

/// What is as the import says, but does not work, or is on its way to something else.
fn troubles(request: &Request<'_>, ours: &Names, snapshot: &Snapshot) -> Vec<String> {
    let degraded = snapshot
        .findings
        .iter()
        .filter(|finding| is_trouble(finding.key.drift))
        .map(|finding| (&finding.key.environment, &finding.key.kind, &finding.key.name, &finding.message));
    let moving = snapshot.converging.iter().map(|one| (&one.environment, &one.kind, &one.name, &one.message));
    degraded
        .chain(moving)
        .filter(|(environment, kind, name, _)| concerns(request, ours, environment, kind, name))
        .map(|(_, kind, name, message)| format!("{kind} {name}: {message}"))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::identity::ScopeKind;
    use crate::core::observation::{Observation, Reading};
    use crate::kinds::dns_record::live::{Observed, live};

    const ENVIRONMENT: &str = "apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec: {class: production, aws: {accounts: {main: {account: \"111122223333\", regions: [eu-west-1]}}}}
";

    fn record(name: &str) -> String {
        format!(
            "apiVersion: moored.dev/v1\nkind: DnsRecord\nmetadata: {{name: {name}, environments: [production]}}\n\
             spec: {{zone: example.com, name: {name}, type: A, ttl: 60, value: 192.0.2.1}}\n"
        )
    }

    /// What is said of an import that means to declare these records, and whose files declare those.
    fn proven(declared: &[&str], written: &[&str]) -> Result<Vec<String>, ImportError> {
        let now = Timestamp::UNIX_EPOCH;
        let redactor = Redactor::new(&[7; 32]);
        let text = |name: &str, text: &str| BTreeMap::from([(name.to_owned(), text.to_owned())]);
        let environments = Source { root: PathBuf::from("desired"), ..source(&text("environments.yaml", ENVIRONMENT)) };
        let in_force = vec![Arc::new(Parsed::of(&environments, None))];
        let desired = resolve(&in_force, &redactor, now).desired;
        let environment = desired.environments.get("production").unwrap().clone();
        let scope = ScopeKey::new(ScopeKind::HostedZone, "111122223333", "global", "example.com");
        let mut reading = Reading::begin(now);
        (reading.complete, reading.listed) = (true, true);
        for name in ["a.example.com", "b.example.com"] {
            let observed = Observed {
                name: name.into(),
                record_type: "A".into(),
                ttl: Some(60),
                values: vec!["192.0.2.1".into()],
                ..Observed::default()
            };
            reading.insert(live(observed, "example.com"));
        }
        let observation = Observation { reading: Some(Arc::new(reading)), ..Observation::default() };
        let seen = Seen { observations: BTreeMap::from([(scope.clone(), observation)]), ..Seen::default() };
        let documents: Vec<String> = written.iter().map(|name| record(name)).collect();
        let import = Import {
            files: text("zone.yaml", &documents.join("---\n")),
            declared: declared.iter().map(|name| ("DnsRecord", Arc::from(*name))).collect(),
            ..Import::default()
        };
        let scopes = BTreeSet::from([scope]);
        let spaces = BTreeMap::new();
        let request = Request { desired: &desired, environment: &environment, scopes: &scopes, spaces: &spaces };
        prove(&request, &import, in_force, &seen, &redactor, now)
    }

    #[test]
    fn a_manifest_that_got_lost_or_is_too_many_is_no_proof() {
        let (a, b) = ("a.example.com", "b.example.com");
        proven(&[a, b], &[a, b]).unwrap();
        let lost = proven(&[a, b], &[a]).unwrap_err().to_string();
        assert!(lost.contains("DnsRecord b.example.com: its manifest is missing"), "{lost}");
        assert!(lost.contains("2 manifests were made, and 1 are in the files"), "{lost}");
        let many = proven(&[a], &[a, b]).unwrap_err().to_string();
        assert!(many.contains("1 manifests were made, and 2 are in the files"), "{many}");
    }
}
