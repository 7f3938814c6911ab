//! `moored validate`: are these manifests sound? No cloud, no credentials.

use clap::Args;

use super::options::{Format, Manifests};
use super::{Outcome, output};
use crate::clock::Clock;
use crate::core::redact::Redactor;
use crate::engine::roots::Roots;

/// Check the manifests without reading any cloud: every error with its place and a hint
#[derive(Debug, Args)]
pub struct Validate {
    #[command(flatten)]
    manifests: Manifests,
    /// How to print the result
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Validate {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        // Nothing is compared here, so any key will do.
        let redactor = Redactor::new(&[0; 32]);
        let mut roots = Roots::new(self.manifests.roots.clone());
        let loaded = roots.load(&redactor, Clock::wall().now());
        let errors: usize = loaded.rejected.iter().map(|rejected| rejected.problems.len()).sum();
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
}
