//! `moored history`: which findings were opened and ended, from the daemon's state file.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::options::{Filters, Format};
use super::{Outcome, render};
use crate::store::{History as _, Past, SqliteHistory};

/// Show findings that were opened and ended, newest first
#[derive(Debug, Args)]
pub struct History {
    /// The daemon's state file
    #[arg(long, value_name = "PATH", env = "MOORED_STATE")]
    state: PathBuf,
    /// How far to look back, such as 24h
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = super::options::duration)]
    since: Duration,
    /// At most this many
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    filters: Filters,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl History {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let filter = self.filters.build()?;
        let history = SqliteHistory::open_read_only(&self.state)?;
        let now = Timestamp::now();
        let since = now.saturating_sub(SignedDuration::try_from(self.since)?).ok();
        let past = history.past(&Past { since, filter, limit: self.limit })?;
        if self.format == Format::Json {
            let rows: Vec<_> = past
                .iter()
                .map(|entry| serde_json::json!({ "finding": entry.finding, "openedAt": entry.opened_at, "endedAt": entry.ended_at }))
                .collect();
            let mut out = std::io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &rows)?;
            writeln!(out)?;
            return Ok(Outcome::Fine);
        }
        if past.is_empty() {
            println!("no findings were opened or ended since {}", since.map(render::moment).unwrap_or_default());
            return Ok(Outcome::Fine);
        }
        let mut table = render::table(["OPENED", "ENDED", "SEVERITY", "DRIFT", "ENVIRONMENT", "KIND", "NAME", "WHAT"]);
        for entry in &past {
            let key = &entry.finding.key;
            table.add_row([
                render::moment(entry.opened_at),
                entry.ended_at.map_or_else(|| "open".to_owned(), |at| format!("{} (after {})", render::moment(at), render::age(entry.opened_at, at))),
                entry.finding.severity.to_string(),
                key.drift.to_string(),
                key.environment.to_string(),
                key.kind.to_string(),
                render::clean(&key.name),
                render::clean(&entry.finding.message),
            ]);
        }
        println!("{table}");
        Ok(Outcome::Fine)
    }
}
