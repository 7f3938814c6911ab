//! `moored whoami`: which accounts these credentials really are, loud for production.

use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::options::{self, CloudOption, Filters, Manifests};
use super::{Outcome, output, render, setup};
use crate::clock::Clock;
use crate::core::desired::Class;
use crate::core::observation::IdentityState;

/// Show which AWS accounts the credentials belong to, and whether they are the declared ones
///
/// Exit codes: 0 all are the declared ones, 3 not all could be verified, 1 on a usage error.
#[derive(Debug, Args)]
pub struct Whoami {
    #[command(flatten)]
    manifests: Manifests,
    #[command(flatten)]
    cloud: CloudOption,
    #[command(flatten)]
    filters: Filters,
}

impl Whoami {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let filter = self.filters.build()?;
        let state = setup::State::open(None)?;
        let (_, desired) = setup::load(&self.manifests, &state.redactor)?;
        options::check_environments(&filter, &desired)?;
        let parts = setup::parts(&desired, &self.cloud, state.redactor, Clock::wall(), Duration::from_secs(60))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
        let mut sound = true;
        for environment in desired.environments.values().filter(|environment| filter.environment(&environment.name)) {
            let loud = environment.class == Class::Production;
            let class = environment.class.as_str();
            let title = match loud {
                true => format!("!!! PRODUCTION: {} !!!", environment.name),
                false if *environment.name == *class => environment.name.to_string(),
                false => format!("{} ({class})", environment.name),
            };
            output::line(render::styled(if loud { render::ERROR } else { anstyle::Style::new().bold() }, title))?;
            for (alias, account) in &environment.accounts {
                let region = account.regions.first().map(|region| &**region).unwrap_or("us-east-1");
                let identity = runtime.block_on(parts.shared.identity(account, region));
                sound &= matches!(identity.state, IdentityState::Verified | IdentityState::Simulated);
                let said = match (identity.state, &identity.arn) {
                    (IdentityState::Mismatch, _) => render::styled(
                        render::ERROR,
                        format!(
                            "MISMATCH: these credentials are account {}",
                            identity.seen.as_deref().unwrap_or("unknown")
                        ),
                    ),
                    (state, Some(arn)) => format!("{} as {}", state.as_str(), render::clean(arn)),
                    (state, None) => match &identity.failure {
                        Some(failure) => format!("{}: {}", state.as_str(), render::clean(&failure.detail)),
                        None => state.as_str().to_owned(),
                    },
                };
                output::line(format_args!("  {alias:<12} {}  {said}", account.id))?;
            }
        }
        Ok(if sound { Outcome::Fine } else { Outcome::Incomplete })
    }
}
