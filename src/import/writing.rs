//! Manifests as files: one for each application, one for each scope's rest.
//!
//! Decides which manifest goes to which file, in which order, and what is said about it in
//! comments. Equal things give equal bytes: nothing here knows the time. [`super::manifests`] calls it.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::naming;
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::kinds::importing::Imported;
use crate::kinds::{dns_record, ecs_service, health_check, load_balancer, target_group};
use crate::manifest::envelope::{API_VERSION, REVIEWED};
use crate::manifest::write::{document, scalar};

/// Kinds in the order in which a person reads an application; all others follow.
const ORDER: [&str; 5] =
    [ecs_service::KIND, load_balancer::KIND, target_group::KIND, dns_record::KIND, health_check::KIND];

/// More manifests than this make another file.
const MOST_IN_FILE: usize = 2_000;

/// More hidden values than this are counted, not named.
const MOST_HIDDEN: usize = 30;

/// The characters of a line of a comment.
const WIDTH: usize = 100;

/// One manifest.
#[derive(Debug)]
pub struct Manifest<'a> {
    /// Its kind.
    pub kind: &'static str,
    /// `metadata.name`.
    pub name: String,
    /// The application that it is part of.
    pub application: Option<String>,
    /// Where the thing was found.
    pub scope: &'a ScopeKey,
    /// What it declares.
    pub imported: Imported,
}

/// The files and what they say.
pub fn files(environment: &str, manifests: Vec<Manifest<'_>>) -> BTreeMap<String, String> {
    let mut by_file: BTreeMap<String, Vec<Manifest<'_>>> = BTreeMap::new();
    for manifest in manifests {
        by_file.entry(stem(&manifest)).or_default().push(manifest);
    }
    let mut files = BTreeMap::new();
    for (stem, mut manifests) in by_file {
        manifests.sort_by(|a, b| (rank(a.kind), a.kind, &a.name).cmp(&(rank(b.kind), b.kind, &b.name)));
        for (at, part) in manifests.chunks(MOST_IN_FILE).enumerate() {
            let number = if at == 0 { String::new() } else { format!("-{}", at + 1) };
            let documents: Vec<String> = part.iter().map(|manifest| written(environment, manifest)).collect();
            files.insert(format!("{stem}{number}.yaml"), format!("{}{}", header(), documents.join("---\n")));
        }
    }
    files
}

fn rank(kind: &str) -> usize {
    ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len())
}

/// The file of a manifest, without its extension.
fn stem(manifest: &Manifest<'_>) -> String {
    let scope = manifest.scope;
    let rest = match (&manifest.application, scope.kind) {
        (Some(application), _) => return format!("apps/{}", naming::file(application)),
        (None, ScopeKind::EcsCluster) => format!("cluster-{}", scope.thing),
        (None, ScopeKind::HealthChecks) => "health-checks".to_owned(),
        (None, ScopeKind::HostedZone) => format!("zone-{}", scope.thing),
        (None, ScopeKind::LoadBalancers) => format!("load-balancers-{}", scope.region),
        (None, ScopeKind::Table) => format!("table-{}", scope.thing),
    };
    naming::file(&rest)
}

fn header() -> String {
    let text = format!(
        "Imported from what is live: nobody has reviewed it. Whatever was wrong when it was imported is declared here now. \
         Read it, correct it, and set {REVIEWED} to \"true\" in each manifest that is as it should be. Until then its \
         findings are info at most, and nothing is repaired by it."
    );
    comment(&text)
}

fn written(environment: &str, manifest: &Manifest<'_>) -> String {
    let Imported { name_field, spec, hidden, .. } = &manifest.imported;
    let mut spec = spec.clone();
    if let Some(field) = name_field
        && spec.get(*field).and_then(Json::as_str) == Some(manifest.name.as_str())
    {
        spec.shift_remove(*field);
    }
    let mut metadata = json!({ "name": manifest.name, "environments": [environment] });
    if let (Some(application), Some(entries)) = (&manifest.application, metadata.as_object_mut()) {
        entries.insert("labels".to_owned(), json!({ "app": application }));
    }
    if let Some(entries) = metadata.as_object_mut() {
        entries.insert("annotations".to_owned(), json!({ REVIEWED: "false" }));
    }
    let whole = json!({ "apiVersion": API_VERSION, "kind": manifest.kind, "metadata": metadata, "spec": spec });
    format!("{}{}", not_declared(hidden), document(&whole))
}

/// What a reviewer cannot see in the manifest: what has a value that nobody may be shown.
fn not_declared(hidden: &[String]) -> String {
    if hidden.is_empty() {
        return String::new();
    }
    let mut names: Vec<String> = hidden.iter().take(MOST_HIDDEN).map(|name| shown(name)).collect();
    if hidden.len() > MOST_HIDDEN {
        names.push(format!("and {} more", hidden.len() - MOST_HIDDEN));
    }
    comment(&format!("Not declared, since `visible` of the Environment does not list them: {}.", names.join(", ")))
}

/// A foreign name inside a comment: it must not end the line.
fn shown(name: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, ' ' | ':' | '_' | '-' | '.' | '/');
    if name.chars().all(plain) { name.to_owned() } else { scalar(name) }
}

/// Lines of a comment, broken between words.
fn comment(text: &str) -> String {
    let mut out = String::new();
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.len() > 1 && line.len() + 1 + word.len() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn manifest<'a>(scope: &'a ScopeKey, kind: &'static str, name: &str, application: Option<&str>) -> Manifest<'a> {
        let spec = json!({ "zone": "example.com", "name": "*.example.com", "ttl": 60 }).as_object().unwrap().clone();
        let imported = Imported { names: Vec::new(), name_field: Some("name"), spec, hidden: Vec::new() };
        Manifest { kind, name: name.to_owned(), application: application.map(str::to_owned), scope, imported }
    }

    #[test]
    fn an_application_is_one_file_and_the_rest_of_a_scope_another() {
        let scope = ScopeKey::new(ScopeKind::HostedZone, "1", "global", "example.com");
        let of = |kind, name, application| manifest(&scope, kind, name, application);
        let files = files(
            "production",
            vec![
                of("TableItem", "z", Some("Shop")),
                of("DnsRecord", "b", Some("Shop")),
                of("DnsRecord", "a", Some("Shop")),
                of("EcsService", "shop", Some("Shop")),
                of("DnsRecord", "*.example.com", None),
            ],
        );
        assert_eq!(files.keys().collect::<Vec<_>>(), ["apps/shop.yaml", "zone-example.com.yaml"]);
        let shop = files.get("apps/shop.yaml").unwrap();
        let names: Vec<&str> = shop.lines().filter(|line| line.starts_with("  name: ")).collect();
        assert_eq!(names[..4], ["  name: shop", "  name: \"*.example.com\"", "  name: a", "  name: \"*.example.com\""]);
        assert_eq!(shop.matches("---\n").count(), 3);
        let zone = files.get("zone-example.com.yaml").unwrap();
        let expected = "apiVersion: moored.dev/v1\nkind: DnsRecord\nmetadata:\n  name: \"*.example.com\"\n  environments:\n    - production\n  \
                        annotations:\n    moored.dev/reviewed: \"false\"\nspec:\n  zone: example.com\n  ttl: 60\n";
        assert!(zone.ends_with(expected), "{zone}");
    }

    #[test]
    fn a_hidden_name_cannot_end_its_comment() {
        let text = not_declared(&["api: TOKEN".to_owned(), "api: A\nkind: Ignore".to_owned()]);
        let one_line = text.replace("\n# ", " ");
        assert!(one_line.contains("api: TOKEN, \"api: A\\nkind: Ignore\""), "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") && line.len() <= WIDTH), "{text}");
    }
}
