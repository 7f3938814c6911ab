//! `moored validate`: are these manifests sound? No cloud, no credentials.
//!
//! With a state file, which is only read: do they repeat what was live when they were written?

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::options::{Format, Manifests};
use super::{Outcome, output};
use crate::clock::Clock;
use crate::core::desired::Desired;
use crate::core::memory::Memory;
use crate::core::observation::Observations;
use crate::core::redact::Redactor;
use crate::engine::roots::Roots;
use crate::import::echo::{self, Grounds};
use crate::manifest::warning::Warning;
use crate::store::{self, History as _, SqliteHistory};

/// Check the manifests without reading any cloud: every error with its place and a hint
#[derive(Debug, Args)]
pub struct Validate {
    #[command(flatten)]
    manifests: Manifests,
    /// How to print the result
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Point out manifests that repeat what this SQLite file recorded as live within the last hour; it is only read
    #[arg(long, value_name = "PATH", env = "MOORED_STATE")]
    state: Option<PathBuf>,
}

/// What a state file remembers.
struct Remembered {
    history: SqliteHistory,
    memory: Memory,
    /// Its key tells whether it knows a declaration; any will do where nothing is compared.
    redactor: Redactor,
}

impl Validate {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let remembered = self.remembered()?;
        let now = Clock::wall().now();
        let any = Redactor::new(&[0; 32]);
        let redactor = remembered.as_ref().map_or(&any, |remembered| &remembered.redactor);
        let mut roots = Roots::new(self.manifests.roots.clone());
        let mut loaded = roots.load(redactor, now);
        let errors: usize = loaded.rejected.iter().map(|rejected| rejected.problems.len()).sum();
        if let (Some(desired), Some(remembered), 0) = (&loaded.desired, &remembered, errors) {
            let echoes = self.echoes(desired, remembered, now);
            loaded.warnings.extend(echoes);
        }
        match self.format {
            Format::Table => {
                let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
                for rejected in &loaded.rejected {
                    anstream::eprint!("{}", rejected.render(colour));
                }
                for warning in &loaded.warnings {
                    anstream::eprintln!("warning: {warning}");
                }
                if let (Some(desired), 0) = (&loaded.desired, errors) {
                    output::line(format_args!(
                        "valid: {} environment(s), {} resource(s), {} ignore(s) in {} root(s)",
                        desired.environments.len(),
                        desired.resources.len(),
                        desired.ignores.len(),
                        desired.revisions.len()
                    ))?;
                }
            }
            Format::Json => {
                let problem = |problem: &crate::manifest::problem::Problem, severity: &str| {
                    serde_json::json!({
                        "severity": severity, "file": problem.file, "line": problem.place.map(|place| place.line),
                        "column": problem.place.map(|place| place.column), "message": problem.message, "hint": problem.hint,
                    })
                };
                let problems: Vec<_> = loaded
                    .rejected
                    .iter()
                    .flat_map(|rejected| &rejected.problems)
                    .map(|known| problem(known, "error"))
                    .chain(loaded.warnings.iter().map(|known| problem(&known.problem, "warning")))
                    .collect();
                output::json(&serde_json::json!({ "valid": errors == 0, "problems": problems }))?;
            }
        }
        if errors > 0 {
            anyhow::bail!("{errors} error(s)");
        }
        Ok(Outcome::Fine)
    }

    /// Opens the state file, if one is given. Before the first start of the daemon there is none.
    fn remembered(&self) -> anyhow::Result<Option<Remembered>> {
        let Some(path) = &self.state else { return Ok(None) };
        if !path.exists() {
            let path = path.display();
            anstream::eprintln!("warning: {path}: no such state file; nothing is compared with what was live");
            return Ok(None);
        }
        let mut history = SqliteHistory::open_read_only(path)?;
        let memory = history.load()?;
        let mut key = path.clone().into_os_string();
        key.push(".key");
        // A missing one is made for whoever writes the file, and not here.
        let key = if PathBuf::from(key).exists() { store::key::redaction_key(path)? } else { [0; 32] };
        Ok(Some(Remembered { history, memory, redactor: Redactor::new(&key) }))
    }

    fn echoes(&self, desired: &Desired, remembered: &Remembered, now: Timestamp) -> Vec<Warning> {
        let (roots, observations) = (self.manifests.roots.as_slice(), &Observations::new());
        let Remembered { history, memory, .. } = remembered;
        echo::warnings(&Grounds { desired, roots, observations, memory, history: Some(history), now })
    }
}
