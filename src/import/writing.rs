//! Manifests as files: one for each application, one for each scope's rest.
//!
//! Decides which manifest goes to which file, in which order, what is said about it in comments, and
//! that no two files have one name, on any file system. Equal things give equal bytes: nothing here
//! knows the time. [`super::manifests`] calls it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::naming;
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::kinds::importing::Imported;
use crate::kinds::{app, dns_record, ecs_service, health_check, load_balancer, service_instance, target_group};
use crate::manifest::envelope::{API_VERSION, REVIEWED};
use crate::manifest::write::{document, is_key, scalar};

/// Kinds in the order in which a person reads an application; all others follow.
const ORDER: [&str; 7] = [
    ecs_service::KIND,
    app::KIND,
    service_instance::KIND,
    load_balancer::KIND,
    target_group::KIND,
    dns_record::KIND,
    health_check::KIND,
];

/// More manifests than this make another file.
const MOST_IN_FILE: usize = 2_000;

/// More things that are not declared than this are counted, not named.
const MOST_NAMED: usize = 30;

/// The most characters of a foreign name in a comment.
const LONGEST_SHOWN: usize = 100;

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
    // Stems are in lower case, so that names that differ are different on every file system.
    let mut taken: BTreeSet<String> = by_file.keys().cloned().collect();
    let mut files = BTreeMap::new();
    for (stem, mut manifests) in by_file {
        manifests.sort_by(|a, b| (rank(a.kind), a.kind, &a.name).cmp(&(rank(b.kind), b.kind, &b.name)));
        for (at, part) in manifests.chunks(MOST_IN_FILE).enumerate() {
            let name = if at == 0 { stem.clone() } else { free(&stem, at + 1, &mut taken) };
            let documents: Vec<String> = part.iter().map(|manifest| written(environment, manifest)).collect();
            files.insert(format!("{name}.yaml"), format!("{}{}", header(), documents.join("---\n")));
        }
    }
    files
}

/// The name of a further file of this stem: numbered, and not that of another application's file.
fn free(stem: &str, number: usize, taken: &mut BTreeSet<String>) -> String {
    let mut number = number;
    loop {
        let name = format!("{stem}-{number}");
        if taken.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

fn rank(kind: &str) -> usize {
    ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len())
}

/// The file of a manifest, without its extension.
fn stem(manifest: &Manifest<'_>) -> String {
    let scope = manifest.scope;
    let rest = match (&manifest.application, scope.kind) {
        (Some(application), _) => return format!("apps/{}", naming::file(application)),
        (None, ScopeKind::CfFoundation) => format!("foundation-{}", scope.account),
        (None, ScopeKind::CfOrganization) => format!("organization-{}", scope.thing),
        (None, ScopeKind::HttpProbe) => format!("probe-{}", scope.account),
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
    let Imported { name_field, spec, hidden, suspicious, .. } = &manifest.imported;
    let mut spec = spec.clone();
    let mut too_long = Vec::new();
    leave_out_long_keys(&mut spec, "", &mut too_long);
    if let Some(field) = name_field {
        leave_out_name(&mut spec, field, &manifest.name);
    }
    let mut metadata = json!({ "name": manifest.name, "environments": [environment] });
    if let (Some(application), Some(entries)) = (&manifest.application, metadata.as_object_mut()) {
        entries.insert("labels".to_owned(), json!({ "app": application }));
    }
    if let Some(entries) = metadata.as_object_mut() {
        entries.insert("annotations".to_owned(), json!({ REVIEWED: "false" }));
    }
    let whole = json!({ "apiVersion": API_VERSION, "kind": manifest.kind, "metadata": metadata, "spec": spec });
    let reasons = [
        ("`visible` of the Environment does not list them", hidden),
        ("they look as if they held a secret", suspicious),
        ("their names are too long for a key in YAML", &too_long),
    ];
    let comments: String = reasons.into_iter().map(|(reason, names)| not_declared(reason, names)).collect();
    format!("{comments}{}", document(&whole))
}

/// Takes the field at this path out where it says what the manifest is called.
fn leave_out_name(entries: &mut Map<String, Json>, path: &str, name: &str) {
    if let Some((outer, inner)) = path.split_once('.') {
        if let Some(Json::Object(entries)) = entries.get_mut(outer) {
            leave_out_name(entries, inner, name);
        }
    } else if entries.get(path).and_then(Json::as_str) == Some(name) {
        entries.shift_remove(path);
    }
}

/// Takes entries out whose keys some reader of YAML would refuse, and maps that are empty then.
fn leave_out_long_keys(entries: &mut Map<String, Json>, path: &str, left_out: &mut Vec<String>) {
    entries.retain(|key, value| {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if !is_key(key) {
            left_out.push(path);
            return false;
        }
        match value {
            Json::Object(inner) if !inner.is_empty() => {
                leave_out_long_keys(inner, &path, left_out);
                !inner.is_empty()
            }
            _ => true,
        }
    });
}

/// What a reviewer cannot see in the manifest, and why.
fn not_declared(reason: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let mut list: Vec<String> = names.iter().take(MOST_NAMED).map(|name| shown(name)).collect();
    if names.len() > MOST_NAMED {
        list.push(format!("and {} more", names.len() - MOST_NAMED));
    }
    comment(&format!("Not declared, since {reason}: {}.", list.join(", ")))
}

/// A foreign name inside a comment: it must not end the line, nor fill the screen.
fn shown(name: &str) -> String {
    let plain =
        |char: char| char.is_ascii_alphanumeric() || matches!(char, ' ' | ':' | '_' | '-' | '.' | '/' | '(' | ')');
    let mut short: String = name.chars().take(LONGEST_SHOWN).collect();
    if short.len() < name.len() {
        short.push_str("...");
    }
    if short.chars().all(plain) { short } else { scalar(&short) }
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
        let imported =
            Imported { names: Vec::new(), name_field: Some("name"), spec, hidden: Vec::new(), suspicious: Vec::new() };
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
    fn a_large_application_and_one_that_is_called_like_its_second_file_keep_all_their_manifests() {
        let scope = ScopeKey::new(ScopeKind::HostedZone, "1", "global", "example.com");
        let large = (0..=2 * MOST_IN_FILE).map(|at| manifest(&scope, "DnsRecord", &format!("r{at}"), Some("API")));
        let small = ["api-2", "Api-3", "api-2-2"].map(|name| manifest(&scope, "DnsRecord", name, Some(name)));
        let files = files("production", large.chain(small).collect());
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            [
                "apps/api-2-2.yaml",
                "apps/api-2.yaml",
                "apps/api-3.yaml",
                "apps/api-4.yaml",
                "apps/api-5.yaml",
                "apps/api.yaml"
            ]
        );
        let documents: usize = files.values().map(|text| text.matches("kind: DnsRecord\n").count()).sum();
        assert_eq!(documents, 2 * MOST_IN_FILE + 1 + 3);
    }

    #[test]
    fn an_entry_whose_name_no_key_can_have_is_left_out_with_a_word() {
        let scope = ScopeKey::new(ScopeKind::Table, "1", "eu-west-1", "t");
        let long = "k".repeat(1_025);
        let mut item = manifest(&scope, "TableItem", "a", None);
        item.imported.spec =
            json!({ "key": { "id": "1" }, "attributes": { &long: "x", "a": "y" }, "tags": { &long: "x" } })
                .as_object()
                .unwrap()
                .clone();
        let text = written("production", &item);
        assert!(text.contains("too long for a key"), "{text}");
        assert!(text.contains("spec:\n  key:\n    id: \"1\"\n  attributes:\n    a: \"y\"\n"), "{text}");
        assert!(!text.contains(&long) && !text.contains("tags:"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 2 * WIDTH), "{text}");
    }

    #[test]
    fn a_name_further_in_goes_without_saying_only_where_the_manifest_has_it() {
        let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
        let text = |name: &str| {
            let mut app = manifest(&scope, "App", name, None);
            app.imported.name_field = Some("application.name");
            app.imported.spec = json!({ "application": { "name": "web", "stack": "s" } }).as_object().unwrap().clone();
            written("production", &app)
        };
        assert!(text("web").ends_with("spec:\n  application:\n    stack: s\n"), "{}", text("web"));
        assert!(text("web-prod").ends_with("  application:\n    name: web\n    stack: s\n"), "{}", text("web-prod"));
    }

    #[test]
    fn a_hidden_name_cannot_end_its_comment() {
        let text = not_declared("of a reason", &["api: TOKEN".to_owned(), "api: A\nkind: Ignore".to_owned()]);
        let one_line = text.replace("\n# ", " ");
        assert!(one_line.contains("api: TOKEN, \"api: A\\nkind: Ignore\""), "{text}");
        assert!(text.lines().all(|line| line.starts_with("# ") && line.len() <= WIDTH), "{text}");
    }
}
