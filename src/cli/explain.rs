//! `moored explain KIND[.field]`: what a field means, from the same schema that checks it.

use clap::Args;

use super::{Outcome, examples, output};

/// Explain a kind or one of its fields, such as `moored explain EcsService.taskDefinition`
#[derive(Debug, Args)]
pub struct Explain {
    /// KIND, or KIND.field.field (`spec` may be left out); without one, the kinds are listed
    #[arg(value_name = "KIND[.FIELD]")]
    path: Option<String>,
}

impl Explain {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        match &self.path {
            Some(path) => {
                output::line(crate::manifest::schema::explain(path)?.trim_end())?;
                if let Some(example) = examples::of(path.trim()) {
                    output::line(format_args!("\nExample:\n\n{}", example.trim_end()))?;
                }
            }
            None => {
                output::line("Kinds (`moored explain KIND` tells more):\n")?;
                let observed = crate::kinds::KINDS.iter().map(|entry| (entry.kind.name(), entry.summary));
                let others = [
                    ("Environment", "An environment: its class, its AWS accounts and Cloud Foundry, what may be shown"),
                    ("Ignore", "Drift that somebody decided to live with until a date"),
                ];
                for (name, summary) in observed.chain(others) {
                    output::line(format_args!("  {name:<15} {summary}"))?;
                }
            }
        }
        Ok(Outcome::Fine)
    }
}
