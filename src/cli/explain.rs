//! `moored explain KIND[.field]`: what a field means, from the same schema that checks it.

use std::io::Write;

use clap::Args;

use super::Outcome;

/// Explain a kind or one of its fields, such as `moored explain EcsService.taskDefinition`
#[derive(Debug, Args)]
pub struct Explain {
    /// KIND, or KIND.field.field (`spec` may be left out); without one, the kinds are listed
    #[arg(value_name = "KIND[.FIELD]")]
    path: Option<String>,
}

impl Explain {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let mut out = std::io::stdout().lock();
        match &self.path {
            Some(path) => writeln!(out, "{}", crate::manifest::schema::explain(path)?.trim_end())?,
            None => {
                writeln!(out, "Kinds (`moored explain KIND` tells more):\n")?;
                for entry in crate::kinds::KINDS {
                    writeln!(out, "  {:<14} {}", entry.kind.name(), entry.summary)?;
                }
                writeln!(
                    out,
                    "  {:<14} An environment: its class, its AWS accounts, what may be shown",
                    "Environment"
                )?;
                writeln!(out, "  {:<14} Drift that somebody decided to live with until a date", "Ignore")?;
            }
        }
        Ok(Outcome::Fine)
    }
}
