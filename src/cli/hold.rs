//! `moored hold`: somebody works on an application, and the others see it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::options::{Format, Server};
use super::{Outcome, output, render};
use crate::clock::Clock;
use crate::core::hold::Hold;
use crate::store::{History as _, SqliteHistory, hold};

/// Set the findings of an application aside while somebody works on it, for an hour at most
///
/// They are shown as ignored, with the reason and who said it, and count as findings again as soon
/// as the hold is over. With --list the holds in force are listed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  moored hold --app deployer-api --for 15m --reason \"schema migration\" --state /var/lib/moored/state.db\n  moored hold --list --server http://127.0.0.1:9470"
)]
pub struct HoldCommand {
    /// The application (its `app` label)
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    app: Option<String>,
    /// Only in this environment
    #[arg(long, value_name = "NAME", requires = "app")]
    environment: Option<String>,
    /// For how long, at most 1h
    #[arg(long = "for", value_name = "DURATION", default_value = "15m", value_parser = super::options::duration)]
    length: Duration,
    /// Why: who reads the report at night wants to know
    #[arg(long, value_name = "TEXT", requires = "app", required_unless_present_any = ["end", "list"])]
    reason: Option<String>,
    /// End the holds of the application now
    #[arg(long, requires = "app", conflicts_with = "reason")]
    end: bool,
    /// List the holds in force
    #[arg(long, conflicts_with_all = ["app", "environment", "reason"])]
    list: bool,
    /// The daemon's state file
    #[arg(long, value_name = "PATH", env = "MOORED_STATE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl HoldCommand {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let holds = match (&self.app, self.end) {
            (None, _) => self.list()?,
            (Some(application), true) => return self.end(application),
            (Some(application), false) => vec![self.begin(application)?],
        };
        if self.format == Format::Json {
            output::json(&holds)?;
            return Ok(Outcome::Fine);
        }
        if holds.is_empty() {
            output::line("nothing is held")?;
        }
        for hold in &holds {
            let place = hold.environment.as_deref().unwrap_or("every environment");
            output::line(format_args!(
                "{} in {} is held until {} by {}: {}",
                render::clean(&hold.application),
                render::clean(place),
                render::moment(hold.until),
                render::clean(&hold.by),
                render::clean(&hold.reason)
            ))?;
        }
        Ok(Outcome::Fine)
    }

    fn begin(&self, application: &str) -> anyhow::Result<Hold> {
        let (now, length) = (Clock::wall().now(), SignedDuration::try_from(self.length)?);
        let (reason, by) = (self.reason.as_deref().unwrap_or_default(), who());
        let held = Hold::begin(application, self.environment.as_deref(), reason, &by, now, length)
            .map_err(anyhow::Error::msg)?;
        match (&self.server.server, &self.state) {
            (Some(_), _) => {
                let asked = json!({
                    "application": application, "environment": self.environment, "reason": reason, "by": by,
                    "seconds": self.length.as_secs(),
                });
                let answer = self.server.post("/api/v1/holds", &asked)?;
                serde_json::from_value(answer)
                    .context("the daemon's answer cannot be understood; is it the same version?")
            }
            (None, Some(state)) => {
                hold::begin(state, &held)?;
                self.doubt(state, application)?;
                Ok(held)
            }
            (None, None) => bail!("give the daemon's --state file or its --server"),
        }
    }

    /// A misspelt name holds nothing, and nobody would notice.
    fn doubt(&self, state: &Path, application: &str) -> anyhow::Result<()> {
        let memory = SqliteHistory::open_read_only(state)?.load()?;
        let mut open = memory.scopes.values().flat_map(|scope| scope.findings.values());
        let meant = open.any(|finding| {
            *finding.application == *application
                && self.environment.as_ref().is_none_or(|environment| **environment == *finding.key.environment)
        });
        if !meant {
            let place = self.environment.as_deref().map(|environment| format!(" in {environment}")).unwrap_or_default();
            anstream::eprintln!(
                "warning: no open finding is of {}{}; is it spelt right?",
                render::clean(application),
                render::clean(&place)
            );
        }
        Ok(())
    }

    fn end(&self, application: &str) -> anyhow::Result<Outcome> {
        let ended = match (&self.server.server, &self.state) {
            (Some(_), _) => {
                let asked = json!({ "application": application, "environment": self.environment, "seconds": 0 });
                let answer = self.server.post("/api/v1/holds", &asked)?;
                answer.get("ended").and_then(Value::as_u64).unwrap_or_default()
            }
            (None, Some(state)) => {
                hold::end(state, application, self.environment.as_deref(), Clock::wall().now())? as u64
            }
            (None, None) => bail!("give the daemon's --state file or its --server"),
        };
        if ended == 0 {
            bail!("no hold of {application} was in force");
        }
        output::line(format_args!("{ended} hold(s) of {} ended", render::clean(application)))?;
        Ok(Outcome::Fine)
    }

    fn list(&self) -> anyhow::Result<Vec<Hold>> {
        match (&self.server.server, &self.state) {
            (Some(_), _) => {
                let answer = self.server.get("/api/v1/holds", &[])?;
                let items = answer.get("items").cloned().unwrap_or_default();
                serde_json::from_value(items)
                    .context("the daemon's answer cannot be understood; is it the same version?")
            }
            (None, Some(state)) => Ok(hold::in_force(state, Clock::wall().now())?),
            (None, None) => bail!("give the daemon's --state file or its --server"),
        }
    }
}

/// Who says so, as this machine knows them.
fn who() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    named.map(|name| render::clean(&name)).find(|name| !name.trim().is_empty()).unwrap_or_else(|| "somebody".to_owned())
}
