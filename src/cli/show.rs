//! `moored show KIND/NAME`: everything known of one resource: facts, ages, the calls that told; with
//! `--at`, what the flight recorder knows of it at an earlier moment.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use super::options::{self, CloudOption, Filters, Format, Manifests, Server};
use super::then::Then;
use super::{Outcome, output, render, setup, when};
use crate::clock::Clock;
use crate::core::desired::Declared;
use crate::core::identity::{ScopeKey, Select};
use crate::engine::watch::Watch;

/// So many resources are offered for a part of their name.
const PARTS: usize = 3;

/// Show one declared resource: what is declared, what is live, how old each fact is
#[derive(Debug, Args)]
pub struct Show {
    /// KIND/NAME, such as EcsService/deployer-api
    #[arg(value_name = "KIND/NAME")]
    resource: String,
    #[command(flatten)]
    manifests: Manifests,
    #[command(flatten)]
    cloud: CloudOption,
    /// Only in this environment (default: all that declare it)
    #[arg(long, value_name = "NAME")]
    environment: Vec<String>,
    /// What it was then, from the record of the daemon's --state or --server: 22:00, 2h (ago), 2026-01-31T22:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The daemon's state file, for incarnations and since when
    #[arg(long, value_name = "PATH", env = "MOORED_STATE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Show {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let (kind, name) = self
            .resource
            .split_once('/')
            .with_context(|| format!("`{}`: give it as KIND/NAME, such as EcsService/deployer-api", self.resource))?;
        let filters =
            Filters { environment: self.environment.clone(), kind: vec![kind.to_owned()], ..Filters::default() };
        let filter = filters.build()?;
        if let Some(at) = &self.at {
            let then = Then {
                resource: &self.resource,
                filters,
                name,
                at: when::parse(at, Clock::wall().now()).context("--at")?,
                manifests: &self.manifests,
                state: self.state.as_deref(),
                server: &self.server,
            };
            return then.show(self.format);
        }
        let state = setup::State::open(self.state.as_ref())?;
        let (_, desired) = setup::load(&self.manifests, &state.redactor)?;
        options::check_environments(&filter, &desired)?;
        let wanted: Vec<_> = desired
            .resources
            .iter()
            .filter(|declared| {
                filter.thing(&declared.environment, declared.kind.name(), &declared.name, &declared.application)
                    && *declared.name == *name
            })
            .cloned()
            .collect();
        if wanted.is_empty() {
            let names = desired
                .resources
                .iter()
                .filter(|declared| declared.kind.name().eq_ignore_ascii_case(kind))
                .map(|declared| &*declared.name);
            // A binding is called APP/INSTANCE, whatever document declares it.
            let parts: Vec<String> = names
                .clone()
                .filter(|known| known.split('/').any(|part| part == name))
                .take(PARTS)
                .map(|known| format!("{kind}/{known}"))
                .collect();
            let hint = match crate::manifest::problem::suggest(name, names) {
                _ if !parts.is_empty() => format!("; did you mean {}?", parts.join(" or ")),
                Some(near) => format!("; did you mean {kind}/{near}?"),
                None => String::new(),
            };
            bail!("no manifest declares {kind}/{name}{hint}");
        }
        let clock = setup::clock(&self.cloud)?;
        let parts =
            setup::parts(&desired, &self.cloud, state.redactor.clone(), clock.clone(), Duration::from_secs(60))?;
        let mut watch = Watch::new(state.memory, None);
        watch.declare(desired);
        let needed = |scope: &ScopeKey| {
            wanted.iter().any(|declared| {
                let owner = declared.owned_by.as_ref().map(|owner| &owner.scope);
                let named_by = match &declared.select {
                    Select::ReferencedBy(referrer) => Some(&referrer.0),
                    _ => None,
                };
                [Some(&declared.scope), owner, named_by].into_iter().flatten().any(|needed| needed == scope)
            })
        };
        setup::pass(&mut watch, &parts.shared, needed)?;
        watch.evaluate(clock.now());
        let shown: Vec<serde_json::Value> =
            wanted.iter().map(|declared| crate::engine::facts::facts(declared, &watch, clock.now())).collect();
        match self.format {
            Format::Json => {
                output::json(&shown)?;
            }
            Format::Table => {
                for (declared, facts) in wanted.iter().zip(&shown) {
                    output::text(sheet(declared, facts))?;
                }
            }
        }
        Ok(Outcome::Fine)
    }
}

/// Everything known of one resource, as a person reads it.
fn sheet(declared: &Declared, facts: &serde_json::Value) -> String {
    let text = |value: Option<&serde_json::Value>| match value {
        None | Some(serde_json::Value::Null) => "-".to_owned(),
        Some(serde_json::Value::String(text)) => render::clean(text),
        Some(other) => render::clean(&other.to_string()),
    };
    let title = format!(
        "{}/{} in {}",
        declared.kind.name(),
        render::clean(&declared.name),
        render::clean(&declared.environment)
    );
    let mut sheet = format!("{}\n", render::styled(anstyle::Style::new().bold(), title));
    for (label, pointer) in [
        ("stands", "/stands"),
        ("because", "/because"),
        ("id", "/id"),
        ("incarnation", "/incarnation"),
        ("declared at", "/source"),
        ("scope", "/scope"),
        ("read at", "/observedAt"),
        ("read by", "/calls"),
    ] {
        sheet.push_str(&format!("  {label:<12} {}\n", text(facts.pointer(pointer))));
    }
    let mut table = render::table(["  FIELD", "DECLARED", "LIVE"]);
    for field in facts.pointer("/fields").and_then(serde_json::Value::as_array).into_iter().flatten() {
        table.add_row([format!("  {}", text(field.get("path"))), text(field.get("desired")), text(field.get("live"))]);
    }
    format!("{sheet}{table}\n\n")
}
