//! `moored iam observe`: the least policy that lets moored observe, from the read allow-list.

use clap::{Args, Subcommand};

use super::options::Manifests;
use super::{Outcome, output, setup};
use crate::core::redact::Redactor;

/// Print the IAM policies that moored needs
#[derive(Debug, Args)]
pub struct Iam {
    #[command(subcommand)]
    policy: Policy,
}

#[derive(Debug, Subcommand)]
enum Policy {
    /// The least policy for observing: only what these manifests need to be read, no write
    Observe(Observe),
}

#[derive(Debug, Args)]
struct Observe {
    #[command(flatten)]
    manifests: Manifests,
    /// Only for this account (12 digits); without it one policy per account is printed, by account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
}

impl Iam {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let Policy::Observe(observe) = self.policy;
        let (_, desired) = setup::load(&observe.manifests, &Redactor::new(&[0; 32]))?;
        let mut policies = crate::aws::policy::observe(&desired);
        let shown = match &observe.account {
            Some(account) => {
                let known = policies.keys().cloned().collect::<Vec<_>>().join(", ");
                policies
                    .remove(account)
                    .ok_or_else(|| anyhow::anyhow!("--account {account}: no manifest uses it; used are: {known}"))?
            }
            None if policies.len() == 1 => policies.into_values().next().unwrap_or_default(),
            None => serde_json::to_value(policies)?,
        };
        output::json(&shown)?;
        Ok(Outcome::Fine)
    }
}
