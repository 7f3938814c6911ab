//! `moored expected`: what should exist, by environment, without reading any cloud.

use clap::{Args, ValueEnum};
use std::collections::BTreeMap;

use super::options::{self, Filters, Manifests};
use super::{Outcome, output, render, setup};
use crate::core::desired::{Declared, Desired};
use crate::core::redact::Redactor;

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
            ExpectedFormat::Table => output::line(table(&shown))?,
            ExpectedFormat::Json => output::json(&rows())?,
            ExpectedFormat::Yaml => output::text(serde_yaml::to_string(&rows())?)?,
            ExpectedFormat::Dot => output::text(dot(&shown, &desired))?,
            ExpectedFormat::Mermaid => output::text(mermaid(&shown, &desired))?,
            ExpectedFormat::Svg => output::text(svg(&shown, &desired))?,
        }
        Ok(Outcome::Fine)
    }
}

fn table(shown: &[&Declared]) -> comfy_table::Table {
    let mut table = render::table(["ENVIRONMENT", "APPLICATION", "KIND", "NAME", "SCOPE", "SOURCE"]);
    for declared in shown {
        let name = if declared.absent { format!("{} (absent)", declared.name) } else { declared.name.to_string() };
        table.add_row([
            render::clean(&declared.environment),
            render::clean(&declared.application),
            declared.kind.name().to_owned(),
            render::clean(&name),
            render::clean(&declared.scope.to_string()),
            format!("{}:{}", render::clean(&declared.source.file), declared.source.line),
        ]);
    }
    table
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

/// Edges: who owns whom, and which table tracks which parent's kind.
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
    owned.chain(tracked).collect()
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
