//! What is allowed but probably not meant: shared accounts, imports that nobody has reviewed, fields that are left open,
//! and Ignores that have ended or match nothing.
//!
//! Decides nothing but what a person is told; a warning never rejects a root. `resolve` calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::draft::locate;
use super::envelope::REVIEWED;
use super::load::{Parsed, path_in_root};
use super::problem::Problem;
use crate::core::desired::{Class, Declared, Desired};
use crate::core::drift::Drift;
use crate::core::identity::ScopeKind;
use crate::core::ignore::Ignore;
use crate::kinds::{
    app, buildpacks, dns_record, ecs_service, health_check, http_probe, load_balancer, service_binding,
    service_instance, table_item, target_group,
};

/// So many fields of a document are named that are left open.
const NAMED: usize = 8;

/// What is allowed but probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The root.
    pub root: Arc<str>,
    /// What and where.
    pub problem: Problem,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&path_in_root(&self.root, &self.problem.file))?;
        if let Some(place) = self.problem.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.problem.message)?;
        match &self.problem.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// What to warn of in the accepted roots. `now` tells which Ignores have ended.
pub(super) fn warnings(accepted: &[&Parsed], desired: &Desired, now: Timestamp) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut classes: BTreeMap<Arc<str>, (Class, Arc<str>)> = BTreeMap::new();
    let left_open = left_open(desired);
    for root in accepted {
        let mut warn = |problem: Problem| warnings.push(Warning { root: root.root.clone(), problem });
        root.warnings.iter().cloned().for_each(&mut warn);
        for document in &root.environments {
            let Some(environment) = &document.environment else { continue };
            if let Some(foundation) = &environment.foundation {
                let (class, name) = classes
                    .entry(foundation.host.clone())
                    .or_insert_with(|| (environment.class, environment.name.clone()));
                if *class != environment.class {
                    let place = locate(&document.document, document.document.place, &["spec", "cloudFoundry", "api"]);
                    let message = format!(
                        "the foundation {} serves `{}` ({}) and `{name}` ({})",
                        foundation.host,
                        environment.name,
                        environment.class.as_str(),
                        class.as_str()
                    );
                    let hint = "what goes wrong in one environment reaches the other; give each its own foundation";
                    warn(Problem::at(&*document.file, place, message).hint(hint));
                }
            }
            for (alias, account) in &environment.accounts {
                let (class, name) =
                    classes.entry(account.id.clone()).or_insert_with(|| (environment.class, environment.name.clone()));
                if *class != environment.class {
                    let path = ["spec", "aws", "accounts", &**alias, "account"];
                    let place = locate(&document.document, document.document.place, &path);
                    let message = format!(
                        "account {} serves `{}` ({}) and `{name}` ({})",
                        account.id,
                        environment.name,
                        environment.class.as_str(),
                        class.as_str()
                    );
                    let hint = "what goes wrong in one environment reaches the other; give each its own account";
                    warn(Problem::at(&*document.file, place, message).hint(hint));
                }
            }
        }
        unreviewed(root).into_iter().for_each(&mut warn);
        for document in &root.resources {
            let source = &document.source;
            let declared = left_open.get(&(&*source.file, source.line)).map(Vec::as_slice).unwrap_or_default();
            // Files of two roots may have one name.
            let declared = declared.iter().filter(|declared| Arc::ptr_eq(&declared.source.file, &source.file));
            if let Some(message) = not_compared(declared.copied()) {
                let place = locate(&document.document, document.place, &["spec", "vars"]);
                let hint = "give variables in a file that `vars` names, and quote what looks like a number";
                warn(Problem::at(&*source.file, place, message).hint(hint));
            }
        }
        for document in &root.ignores {
            let mut told = |message: String, hint: &str| {
                warn(Problem::at(&*document.file, document.place, message).hint(hint));
            };
            let name = &document.envelope.name;
            if let Some(ignore) = document.ignores.first().filter(|ignore| ignore.expires() <= now) {
                let message = format!("the Ignore `{name}` of {} ended with {}", ignore.owner, ignore.until);
                told(message, "its findings are open again; take it away, or decide anew");
                continue;
            }
            for ignore in document.ignores.iter().filter(|ignore| !may_match(ignore, desired)) {
                let message = format!("the Ignore `{name}` matches nothing in `{}`", ignore.environment);
                told(message, "check kind and name, or take it away");
            }
        }
    }
    warnings
}

/// What leaves fields open, by where it is declared.
fn left_open(desired: &Desired) -> BTreeMap<(&str, u32), Vec<&Declared>> {
    let mut found: BTreeMap<(&str, u32), Vec<&Declared>> = BTreeMap::new();
    for declared in desired.resources.iter().filter(|declared| !declared.not_compared.is_empty()) {
        found.entry((&*declared.source.file, declared.source.line)).or_default().push(declared);
    }
    found
}

/// What is not compared of one document's resources: the fields, and why, each reason once.
fn not_compared<'a>(declared: impl Iterator<Item = &'a Declared>) -> Option<String> {
    let declared: Vec<&Declared> = declared.collect();
    let names: BTreeSet<&str> = declared.iter().map(|declared| &*declared.name).collect();
    let mut reasons: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for one in &declared {
        for (path, why) in one.left_open() {
            let field = if names.len() > 1 { format!("{path} of {}", one.name) } else { path.to_owned() };
            reasons.entry(why).or_default().insert(field);
        }
    }
    let reasons: Vec<String> = reasons
        .into_iter()
        .map(|(why, fields)| {
            let named: Vec<&str> = fields.iter().take(NAMED).map(String::as_str).collect();
            let more = match fields.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{}{more}: {why}", named.join(", "))
        })
        .collect();
    (!reasons.is_empty()).then(|| format!("not compared: {}", reasons.join("; ")))
}

/// The imports of a root that nobody has reviewed, in one warning at the first of them: an import is many files.
fn unreviewed(root: &Parsed) -> Option<Problem> {
    let imports = || root.resources.iter().filter(|document| !document.envelope.reviewed);
    let first = imports().next()?;
    let files: BTreeSet<&str> = imports().map(|document| &*document.source.file).collect();
    let place = locate(&first.document, first.document.place, &["metadata", "annotations", REVIEWED]);
    let message = match (imports().count(), files.len()) {
        (1, _) => "this manifest is an import that nobody has reviewed".to_owned(),
        (count, 1) => format!("{count} manifests of this file are imports that nobody has reviewed"),
        (count, files) => format!("{count} manifests in {files} files are imports that nobody has reviewed"),
    };
    let hint = format!(
        "read them, then set `{REVIEWED}: \"true\"`; until then their findings are info at most, and nothing is repaired by them"
    );
    Some(Problem::at(&*first.source.file, place, message).hint(hint))
}

/// Whether an Ignore could match a finding, as far as manifests tell: what is found without being declared, only in an
/// environment with tables that name such things, or inventories.
fn may_match(ignore: &Ignore, desired: &Desired) -> bool {
    let undeclared = [Drift::Unexpected, Drift::Orphaned, Drift::Vanished];
    let of_undeclared = ignore.drifts.is_empty() || ignore.drifts.iter().any(|drift| undeclared.contains(drift));
    let here = |declared: &Declared| declared.environment == ignore.environment;
    let tables = desired.tables.iter().filter(|table| here(&table.declared));
    let named = tables.flat_map(|table| table.pieces.iter().map(|piece| piece.kind).chain([table_item::KIND]));
    let inventories = desired.inventories.iter().filter(|inventory| here(&inventory.declared));
    let watched = inventories.flat_map(|inventory| living_in(inventory.declared.scope.kind)).copied();
    let mut found = named.chain(watched);
    let finds_undeclared =
        of_undeclared && found.any(|kind| ignore.kind.as_deref().is_none_or(|wanted| wanted == kind));
    finds_undeclared
        || desired.resources.iter().any(|declared| {
            declared.environment == ignore.environment
                && ignore.kind.as_deref().is_none_or(|kind| kind == declared.kind.name())
                && ignore.glob.matches(&declared.name)
        })
}

/// The kinds of things that live in a scope.
fn living_in(scope: ScopeKind) -> &'static [&'static str] {
    match scope {
        ScopeKind::CfFoundation => &[app::KIND, buildpacks::KIND],
        ScopeKind::CfOrganization => &[app::KIND, service_binding::KIND, service_instance::KIND],
        ScopeKind::EcsCluster => &[ecs_service::KIND],
        ScopeKind::HealthChecks => &[health_check::KIND],
        ScopeKind::HostedZone => &[dns_record::KIND],
        ScopeKind::HttpProbe => &[http_probe::KIND],
        ScopeKind::LoadBalancers => &[load_balancer::KIND, target_group::KIND],
        ScopeKind::Table => &[table_item::KIND],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::path::PathBuf;

    use super::super::resolve::resolve;
    use super::super::source::{Source, SourceFile};
    use super::*;
    use crate::core::redact::Redactor;

    const ROOT: &str = "apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  cloudFoundry:
    api: https://api.example.com
    organizations: {gds: {}}
    auth: {clientId: a, clientSecretFile: /b}
---
apiVersion: moored.dev/v1
kind: App
metadata: {name: web, environments: [production]}
spec:
  space: prod
  application: {memory: ((mem)), disk_quota: ((mem)), env: {A: 1.0, B: b}}
---
apiVersion: moored.dev/v1
kind: App
metadata: {name: all, environments: [production]}
spec: {space: prod, manifest: cf.yml}
";

    #[test]
    fn what_a_document_leaves_open_is_told_once_with_the_reason() {
        let manifest = "applications: [{name: one, memory: ((mem))}, {name: two, memory: ((mem)), instances: 2}]\n";
        let files = [("a.yaml", ROOT), ("cf.yml", manifest)];
        let files = files.map(|(path, text)| SourceFile { path: path.to_owned(), text: Arc::from(text) }).to_vec();
        let source = Source { root: PathBuf::from("root"), files, digest: String::new() };
        let parsed = Arc::new(Parsed::of(&source, None));
        let resolved = resolve(&[parsed], &Redactor::new(&[7; 32]), Timestamp::UNIX_EPOCH);
        assert!(resolved.rejected.is_empty());
        let told: Vec<String> = resolved.warnings.iter().map(|warning| warning.problem.message.clone()).collect();
        let yaml = "the cf CLI and the API write this value differently: put it in quotes";
        assert_eq!(
            told,
            [
                format!("not compared: disk_quota, memory: no vars file has ((mem)); env.A: {yaml}"),
                "not compared: memory of one, memory of two: no vars file has ((mem))".to_owned(),
            ]
        );
        assert_eq!(resolved.warnings[0].problem.place.map(|place| place.line), Some(14));
    }
}
