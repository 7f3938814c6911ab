//! `moored expected`: what should exist, by environment, without reading any cloud.

use clap::{Args, ValueEnum};
use std::collections::BTreeMap;

use super::options::{self, Filters, Manifests};
use super::{Outcome, output, render, setup};
use crate::core::desired::{Declared, Desired};
use crate::core::identity::{ScopeKey, Select};
use crate::core::redact::Redactor;
use crate::kinds::{app, buildpacks, service_binding, service_instance};

/// Show what the manifests declare, per environment, and how the pieces belong together
#[derive(Debug, Args)]
pub struct Expected {
    #[command(flatten)]
    manifests: Manifests,
    #[command(flatten)]
    filters: Filters,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: ExpectedFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExpectedFormat {
    /// For people
    Table,
    /// For programs
    Json,
    /// For programs that prefer it, and for reading
    Yaml,
    /// Graphviz
    Dot,
    /// Mermaid, for Markdown
    Mermaid,
    /// A picture, without any other program
    Svg,
}

impl Expected {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let filter = self.filters.build()?;
        let (_, desired) = setup::load(&self.manifests, &Redactor::new(&[0; 32]))?;
        options::check_environments(&filter, &desired)?;
        let shown: Vec<&Declared> = desired
            .resources
            .iter()
            .map(|declared| &**declared)
            .filter(|declared| filter.declaration(declared))
            .collect();
        let rows = || shown.iter().map(|declared| row(declared)).collect::<Vec<_>>();
        match self.format {
            ExpectedFormat::Table => output::line(table(&shown, &desired))?,
            ExpectedFormat::Json => output::json(&rows())?,
            ExpectedFormat::Yaml => output::text(serde_yaml::to_string(&rows())?)?,
            ExpectedFormat::Dot => output::text(dot(&shown, &desired))?,
            ExpectedFormat::Mermaid => output::text(mermaid(&shown, &desired))?,
            ExpectedFormat::Svg => output::text(svg(&shown, &desired))?,
        }
        Ok(Outcome::Fine)
    }
}

fn table(shown: &[&Declared], desired: &Desired) -> comfy_table::Table {
    // What nobody wrote line by line: a manifest of Cloud Foundry's, an app's bindings, an order's buildpacks.
    let mut of_document: BTreeMap<(&str, &str, u32), usize> = BTreeMap::new();
    for declared in &desired.resources {
        *of_document.entry(document(declared)).or_default() += 1;
    }
    let mut table = render::table(["ENVIRONMENT", "APPLICATION", "KIND", "NAME", "SCOPE", "SOURCE"]);
    for declared in shown {
        let name = if declared.absent { format!("{} (absent)", declared.name) } else { declared.name.to_string() };
        table.add_row([
            render::clean(&declared.environment),
            render::clean(&declared.application),
            declared.kind.name().to_owned(),
            render::clean(&name),
            render::clean(&declared.scope.to_string()),
            match of_document.get(&document(declared)) {
                Some(several) if *several > 1 => format!("{}, one of {several}", source(declared)),
                _ => source(declared),
            },
        ]);
    }
    table
}

fn source(declared: &Declared) -> String {
    format!("{}:{}", render::clean(&declared.source.file), declared.source.line)
}

/// The document in one environment, which may stand for several resources.
fn document(declared: &Declared) -> (&str, &str, u32) {
    (&*declared.environment, &*declared.source.file, declared.source.line)
}

fn row(declared: &Declared) -> serde_json::Value {
    let expects: BTreeMap<&str, serde_json::Value> =
        declared.expects.iter().map(|(path, expect)| (&**path, expect.to_json())).collect();
    serde_json::json!({
        "environment": declared.environment, "kind": declared.kind.name(), "name": declared.name, "application": declared.application,
        "id": declared.id, "scope": declared.scope, "vital": declared.policy.vital, "state": if declared.absent { "absent" } else { "present" },
        "ownedBy": declared.owned_by.as_ref().map(|owner| format!("{}/{}", owner.ask.kind, owner.name)),
        "fields": expects, "source": declared.source,
    })
}

/// Edges: who owns whom, which table tracks which parent's kind, and what belongs together in Cloud Foundry.
fn edges<'a>(shown: &[&'a Declared], desired: &'a Desired) -> Vec<(String, String, &'static str)> {
    let owned = shown.iter().filter_map(|declared| {
        let owner = declared.owned_by.as_ref()?;
        let from = format!("{}/{}/{}", declared.environment, owner.ask.kind, owner.name);
        Some((from, node(declared), "owns"))
    });
    let tracked = desired
        .tables
        .iter()
        .filter(|table| shown.iter().any(|declared| std::ptr::eq(*declared, &*table.declared)))
        .flat_map(|table| {
            shown
                .iter()
                .filter(|declared| {
                    declared.kind.name() == table.parent_kind
                        && declared.scope == table.parent_scope
                        && declared.environment == table.declared.environment
                })
                .map(|parent| (node(parent), node(&table.declared), "tracked in"))
        });
    owned.chain(tracked).chain(in_cloud_foundry(shown)).collect()
}

/// An app has its bindings, each is to a service instance, and an order lists its buildpacks.
fn in_cloud_foundry(shown: &[&Declared]) -> Vec<(String, String, &'static str)> {
    let mut found = Vec::new();
    let places: BTreeMap<Place<'_>, &Declared> = shown
        .iter()
        .filter_map(|declared| Some((place(declared, declared.kind.name(), key(declared)?), *declared)))
        .collect();
    for declared in shown {
        let Some(key) = key(declared) else { continue };
        if declared.kind.name() == service_binding::KIND {
            // `space/app/instance`.
            let Some((space, rest)) = key.split_once('/') else { continue };
            let Some((app, instance)) = rest.split_once('/') else { continue };
            let (app, instance) = (format!("{space}/{app}"), format!("{space}/{instance}"));
            if let Some(app) = places.get(&place(declared, app::KIND, &app)) {
                found.push((node(app), node(declared), "has"));
            }
            if let Some(instance) = places.get(&place(declared, service_instance::KIND, &instance)) {
                found.push((node(declared), node(instance), "to"));
            }
        }
        if declared.kind.name() == buildpacks::KIND && key.starts_with(&buildpacks::order_key("")) {
            let entries = shown.iter().filter(|other| {
                other.kind.name() == buildpacks::KIND
                    && document(other) == document(declared)
                    && !std::ptr::eq(**other, *declared)
            });
            found.extend(entries.map(|entry| (node(declared), node(entry), "lists")));
        }
    }
    found
}

/// Environment, scope, kind and key: what a thing is looked for by.
type Place<'a> = (&'a str, &'a ScopeKey, &'a str, &'a str);

fn place<'a>(declared: &'a Declared, kind: &'a str, key: &'a str) -> Place<'a> {
    (&*declared.environment, &declared.scope, kind, key)
}

fn key(declared: &Declared) -> Option<&str> {
    match &declared.select {
        Select::Key(key) => Some(key),
        _ => None,
    }
}

fn node(declared: &Declared) -> String {
    format!("{}/{}/{}", declared.environment, declared.kind.name(), declared.name)
}

fn dot(shown: &[&Declared], desired: &Desired) -> String {
    let escaped = |text: &str| render::clean(text).replace('\\', "\\\\").replace('"', "\\\"");
    let quote = |text: &str| format!("\"{}\"", escaped(text));
    let mut text = String::from("digraph expected {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (at, environment) in desired.environments.keys().enumerate() {
        text.push_str(&format!("  subgraph cluster_{at} {{\n    label={};\n", quote(environment)));
        for declared in shown.iter().filter(|declared| declared.environment == *environment) {
            let label = format!("{}\\n{}", declared.kind.name(), escaped(&declared.name));
            text.push_str(&format!("    {} [label=\"{label}\"];\n", quote(&node(declared))));
        }
        text.push_str("  }\n");
    }
    for (from, to, label) in edges(shown, desired) {
        text.push_str(&format!("  {} -> {} [label={}];\n", quote(&from), quote(&to), quote(label)));
    }
    text.push_str("}\n");
    text
}

fn mermaid(shown: &[&Declared], desired: &Desired) -> String {
    let ids: BTreeMap<String, usize> = shown.iter().enumerate().map(|(at, declared)| (node(declared), at)).collect();
    let mut text = String::from("flowchart LR\n");
    for (at, environment) in desired.environments.keys().enumerate() {
        let plain = environment.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let title = if plain { environment.to_string() } else { format!("e{at}[\"{}\"]", mermaid_text(environment)) };
        text.push_str(&format!("  subgraph {title}\n"));
        for declared in shown.iter().filter(|declared| declared.environment == *environment) {
            if let Some(id) = ids.get(&node(declared)) {
                text.push_str(&format!("    n{id}[\"{} {}\"]\n", declared.kind.name(), mermaid_text(&declared.name)));
            }
        }
        text.push_str("  end\n");
    }
    for (from, to, label) in edges(shown, desired) {
        if let (Some(from), Some(to)) = (ids.get(&from), ids.get(&to)) {
            text.push_str(&format!("  n{from} -->|{label}| n{to}\n"));
        }
    }
    text
}

/// Mermaid's own entities: what it shows becomes HTML.
fn mermaid_text(text: &str) -> String {
    let text = render::clean(text).replace('#', "#35;").replace('"', "#quot;").replace('&', "#amp;");
    text.replace('<', "#lt;").replace('>', "#gt;")
}

/// Columns are environments, boxes are resources by application, lines are the edges.
fn svg(shown: &[&Declared], desired: &Desired) -> String {
    const WIDTH: usize = 360;
    const ROW: usize = 34;
    let escaped = |text: &str| {
        let text = render::clean(text).replace('&', "&amp;").replace('<', "&lt;");
        text.replace('>', "&gt;").replace('"', "&quot;")
    };
    let mut places: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut body, mut height) = (String::new(), 0);
    for (column, environment) in desired.environments.keys().enumerate() {
        let mut members: Vec<&&Declared> =
            shown.iter().filter(|declared| declared.environment == *environment).collect();
        members.sort_by(|a, b| (&a.application, a.kind.name(), &a.name).cmp(&(&b.application, b.kind.name(), &b.name)));
        let left = 20 + column * (WIDTH + 120);
        body.push_str(&format!("<text x=\"{left}\" y=\"26\" font-weight=\"bold\">{}</text>\n", escaped(environment)));
        for (row, declared) in members.iter().enumerate() {
            let top = 40 + row * ROW;
            places.insert(node(declared), (left, top + 12));
            let dashed = if declared.absent { " stroke-dasharray=\"4\"" } else { "" };
            body.push_str(&format!(
                "<rect x=\"{left}\" y=\"{top}\" width=\"{WIDTH}\" height=\"24\" fill=\"white\" stroke=\"black\"{dashed}/>\n\
                 <text x=\"{}\" y=\"{}\">{} {}</text>\n",
                left + 8,
                top + 16,
                declared.kind.name(),
                escaped(&declared.name),
            ));
        }
        height = height.max(60 + members.len() * ROW);
    }
    for (from, to, label) in edges(shown, desired) {
        if let (Some((x1, y1)), Some((x2, y2))) = (places.get(&from), places.get(&to)) {
            let (start, end) = (x1 + WIDTH, x2 + WIDTH);
            let bow = start.max(end) + 80;
            body.push_str(&format!(
                "<path d=\"M {start} {y1} C {bow} {y1}, {bow} {y2}, {end} {y2}\" fill=\"none\" stroke=\"gray\"><title>{} {label} {}</title></path>\n",
                escaped(&from),
                escaped(&to),
            ));
        }
    }
    let width = 20 + desired.environments.len() * (WIDTH + 120);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n{body}</svg>\n"
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::manifest::load::Parsed;
    use crate::manifest::resolve::resolve;
    use crate::manifest::source::{Source, SourceFile};

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
spec: {space: Prod, application: {name: Web-1, services: [Db, logs]}}
---
apiVersion: moored.dev/v1
kind: ServiceInstance
metadata: {name: Db, environments: [production]}
spec: {space: prod}
---
apiVersion: moored.dev/v1
kind: Buildpacks
metadata: {name: order, environments: [production]}
spec: {buildpacks: [{name: ruby_buildpack}, {name: go_buildpack}], exhaustive: false}
";

    fn desired() -> Desired {
        let files = vec![SourceFile { path: "a.yaml".to_owned(), text: Arc::from(ROOT) }];
        let source = Source { root: PathBuf::from("root"), files, digest: String::new() };
        let parsed = Arc::new(Parsed::of(&source, None));
        let resolved = resolve(&[parsed], &Redactor::new(&[7; 32]), jiff::Timestamp::UNIX_EPOCH);
        assert!(resolved.rejected.is_empty());
        resolved.desired
    }

    #[test]
    fn an_app_leads_to_its_bindings_and_instances_and_an_order_to_its_buildpacks() {
        let desired = desired();
        let shown: Vec<&Declared> = desired.resources.iter().map(|declared| &**declared).collect();
        let mut told: Vec<String> =
            edges(&shown, &desired).into_iter().map(|(from, to, label)| format!("{from} {label} {to}")).collect();
        told.sort();
        assert_eq!(
            told,
            [
                "production/App/web has production/ServiceBinding/web/Db",
                "production/App/web has production/ServiceBinding/web/logs",
                "production/Buildpacks/order lists production/Buildpacks/go_buildpack",
                "production/Buildpacks/order lists production/Buildpacks/ruby_buildpack",
                "production/ServiceBinding/web/Db to production/ServiceInstance/Db",
            ]
        );
    }

    #[test]
    fn what_one_document_declares_is_marked_in_the_table() {
        let desired = desired();
        let shown: Vec<&Declared> = desired.resources.iter().map(|declared| &**declared).collect();
        let mut table = table(&shown, &desired);
        table.set_width(300);
        let table = table.to_string();
        assert_eq!(table.matches("a.yaml:11, one of 3").count(), 3, "{table}");
        assert_eq!(table.matches("one of").count(), 6, "{table}");
    }
}
