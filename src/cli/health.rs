//! `moored health`: for a container's HEALTHCHECK, without a shell.

use clap::Args;

use super::{Outcome, output};

/// Ask a running daemon whether it is alive (exit 0) or not (exit 1)
#[derive(Debug, Args)]
pub struct Health {
    /// Where its metrics listener is
    #[arg(long, env = "MOORED_HEALTH_URL", default_value = "http://127.0.0.1:9469")]
    url: String,
    /// Ask whether it is ready (manifests loaded and serving) instead
    #[arg(long)]
    ready: bool,
}

impl Health {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(crate::serve::health::ask(&self.url, self.ready)).map_err(anyhow::Error::msg)?;
        output::line(answer)?;
        Ok(Outcome::Fine)
    }
}
