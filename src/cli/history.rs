//! `moored history`: which findings were opened and ended, from the daemon's state file or its API.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;

use super::options::{Filters, Format, Server};
use super::{Outcome, output, render, when};
use crate::clock::Clock;
use crate::store::{History as _, Past, PastFinding, SqliteHistory};

/// Show findings that were opened and ended, newest first
#[derive(Debug, Args)]
pub struct History {
    /// The daemon's state file
    #[arg(long, value_name = "PATH", env = "MOORED_STATE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
    /// From when on: 22:00 (the latest one, UTC), 2h (ago), 2026-01-31, or 2026-01-31T22:00:00Z
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// At most this many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    #[command(flatten)]
    filters: Filters,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl History {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let filter = self.filters.build()?;
        let now = Clock::wall().now();
        let since = when::parse(&self.since, now).context("--since")?;
        let past = match (&self.server.server, &self.state) {
            (Some(_), _) => self.ask(since)?,
            (None, Some(state)) => {
                let past = Past { since: Some(since), filter, limit: usize::from(self.limit) };
                SqliteHistory::open_read_only(state)?.past(&past)?
            }
            (None, None) => bail!("give the daemon's --state file or its --server"),
        };
        if self.format == Format::Json {
            let rows: Vec<_> = past
                .iter()
                .map(|entry| serde_json::json!({ "finding": entry.finding, "openedAt": entry.opened_at, "endedAt": entry.ended_at }))
                .collect();
            output::json(&rows)?;
            return Ok(Outcome::Fine);
        }
        if past.is_empty() {
            output::line(format_args!("no findings were opened or ended since {}", render::moment(since)))?;
            return Ok(Outcome::Fine);
        }
        let mut table = render::table(["OPENED", "ENDED", "SEVERITY", "DRIFT", "ENVIRONMENT", "KIND", "NAME", "WHAT"]);
        for entry in &past {
            let key = &entry.finding.key;
            table.add_row([
                render::moment(entry.opened_at),
                entry.ended_at.map_or_else(
                    || "open".to_owned(),
                    |at| format!("{} (after {})", render::moment(at), render::age(entry.opened_at, at)),
                ),
                entry.finding.severity.to_string(),
                key.drift.to_string(),
                render::clean(&key.environment),
                key.kind.to_string(),
                render::clean(&key.name),
                render::clean(&entry.finding.message),
            ]);
        }
        output::line(table)?;
        Ok(Outcome::Fine)
    }

    /// The same from a running daemon.
    fn ask(&self, since: Timestamp) -> anyhow::Result<Vec<PastFinding>> {
        let mut query = vec![("since", since.to_string()), ("limit", self.limit.to_string())];
        query.extend(filters(&self.filters));
        let answer = self.server.get("/api/v1/history", &query)?;
        let items = answer.get("items").cloned().unwrap_or_default();
        serde_json::from_value(items).context("the daemon's answer cannot be understood; is it the same version?")
    }
}

/// Filters as the API understands them.
pub(super) fn filters(filters: &Filters) -> Vec<(&'static str, String)> {
    let of = |name: &'static str, values: &[String]| -> Vec<(&'static str, String)> {
        values.iter().map(|value| (name, value.clone())).collect()
    };
    [
        of("environment", &filters.environment),
        of("kind", &filters.kind),
        of("name", &filters.name),
        of("label", &filters.labels),
    ]
    .concat()
}
