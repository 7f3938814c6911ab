//! `moored demo`: watch an incident, or have it checked.
//!
//! Decides flags only; the story is `crate::demo`'s.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::Outcome;
use crate::demo::{self, Scenario};

/// Watch an incident on a simulated cloud: no account, no network, nothing to set up
///
/// Starts a simulated AWS and Cloud Foundry and the daemon that `moored run` starts, all on one clock
/// that runs faster than the wall's, and plays a scenario step by step. It prints where metrics, report and
/// cloud are, and what to look at; at a terminal everything stays up at the end until Ctrl-C.
#[derive(Debug, Args)]
pub struct Demo {
    /// What happens
    #[arg(value_enum, value_name = "SCENARIO")]
    scenario: Option<Scenario>,
    /// Play without pauses and assert every expectation from the outside (exit 0 or 1)
    #[arg(long)]
    check: bool,
    /// Simulated seconds in one second, from 1 to 60
    #[arg(long, value_name = "FACTOR", default_value = "30", value_parser = speed)]
    speed: f64,
    /// Manifests other than the scenario's (default: a copy in this binary; for wonderland and
    /// ordinary-day ./desired-state, if it is there)
    #[arg(long, value_name = "PATH")]
    desired_state: Option<PathBuf>,
    /// Where /metrics is served (default: 127.0.0.1:9469, or any free port)
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    /// Where /api/v1 is served, on loopback (default: 127.0.0.1:9470, or any free port)
    #[arg(long, value_name = "ADDRESS")]
    api_listen: Option<SocketAddr>,
}

/// Slower than the wall makes no sense, and faster than this, a pause to read is longer than the
/// story's own waiting times.
fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (1.0..=60.0).contains(&factor) => Ok(factor),
        _ => Err(format!("`{text}` is no speed; give a factor from 1 to 60")),
    }
}

impl Demo {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let options = demo::Options {
            scenario: self.scenario.unwrap_or(Scenario::Wonderland),
            check: self.check,
            speed: self.speed,
            desired_state: self.desired_state,
            metrics_listen: self.metrics_listen,
            api_listen: self.api_listen,
            binary: std::env::current_exe().context("cannot find this program itself, which the demo runs to check")?,
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
        let outcome = runtime.block_on(demo::play(options));
        runtime.shutdown_timeout(Duration::from_secs(2));
        outcome?;
        Ok(Outcome::Fine)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_that_no_machine_keeps_up_with_is_refused() {
        assert_eq!(speed("30"), Ok(30.0));
        for text in ["0", "-1", "nan", "1000", "fast"] {
            assert!(speed(text).is_err(), "{text}");
        }
    }
}
