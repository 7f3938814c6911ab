//! `moored check`: one pass, one report, one exit code.

use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;

use super::options::{self, CloudOption, Filters, Format, Manifests};
use super::{Outcome, output, render, setup};
use crate::core::drift::Severity;
use crate::core::identity::ScopeKey;
use crate::core::memory::Memory;
use crate::core::observation::IdentityState;
use crate::core::report::{IdentityReport, Report};
use crate::engine::watch::Watch;
use crate::import::echo::{self, Grounds};

/// Read everything once and report what drifted
///
/// Exit codes: 0 in sync (converging or ignored alone too), 2 drift, 3 no drift but not everything
/// could be read (or findings are only held), 1 no report at all.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    manifests: Manifests,
    #[command(flatten)]
    cloud: CloudOption,
    #[command(flatten)]
    filters: Filters,
    /// How to print the report
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Only findings at least this severe count as drift in the exit code
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = severity)]
    fail_on: Severity,
    /// Keep what is learned (since when, incarnations, held findings) in this SQLite file
    #[arg(long, value_name = "PATH", env = "MOORED_STATE")]
    state: Option<PathBuf>,
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| format!("`{text}` is no severity; use info, warning or critical"))
}

impl Check {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let filter = self.filters.build()?;
        let state = setup::State::open(self.state.as_ref())?;
        let (_, desired) = setup::load(&self.manifests, &state.redactor)?;
        options::check_environments(&filter, &desired)?;
        let clock = setup::clock(&self.cloud)?;
        let parts =
            setup::parts(&desired, &self.cloud, state.redactor.clone(), clock.clone(), Duration::from_secs(60))?;
        let remembered = state.memory.clone();
        let mut watch = Watch::new(state.memory, state.history);
        watch.declare(desired);
        let started = clock.now();
        watch.mind_holds(started);
        // A filter by environment saves calls where nothing can be left over.
        let index = watch.index.clone();
        let shown = |scope: &ScopeKey| {
            let home = index.scopes.get(scope);
            home.is_some_and(|home| home.environments.iter().any(|environment| filter.environment(environment)))
        };
        // What looks left over may be needed by another environment.
        let may_be_shared = !watch.parents().is_empty();
        setup::pass(&mut watch, &parts.shared, |scope| may_be_shared || shown(scope))?;
        watch.evaluate(clock.now());
        watch.attribute(clock.now());
        self.point_out_echoes(&watch, &remembered, clock.now());
        let snapshot = watch.snapshot().unwrap_or_default();
        if !Report::matches_anything(&snapshot, &watch.index, &filter) {
            bail!(
                "nothing that is declared or found matches these filters; see `moored expected` for what is declared"
            );
        }
        let report = Report::new(&snapshot, &watch.index, &filter, started);
        match self.format {
            Format::Table => output::text(render::report(&report))?,
            Format::Json => {
                output::json(&report)?;
            }
        }
        Ok(outcome(&report, self.fail_on))
    }

    /// Manifests that may have been exported from live: what they declare is in sync, and may be wrong.
    fn point_out_echoes(&self, watch: &Watch, memory: &Memory, now: Timestamp) {
        let store = watch.history();
        let history = store.as_ref().map(|store| store.lock().unwrap_or_else(PoisonError::into_inner));
        let (desired, observations) = (&*watch.desired, &watch.observations);
        let roots = self.manifests.roots.as_slice();
        let grounds = Grounds { desired, roots, observations, memory, history: history.as_deref(), now };
        for warning in echo::warnings(&grounds) {
            anstream::eprintln!("warning: {warning}");
        }
    }
}

/// Drift that is proven and severe enough is 2; anything that could not be settled is 3.
pub fn outcome(report: &Report, fail_on: Severity) -> Outcome {
    let drift = report.findings.iter().any(|finding| !finding.held && finding.severity >= fail_on);
    let held = report.findings.iter().any(|finding| finding.held);
    let blind = report.scopes.iter().any(|scope| scope.error.is_some() || !scope.complete);
    let doubtful =
        |identity: &IdentityReport| matches!(identity.state, IdentityState::Mismatch | IdentityState::Unverified);
    let stranger = report.environments.iter().any(|environment| environment.identity.iter().any(doubtful));
    if drift {
        Outcome::Drift
    } else if held || blind || stranger || !report.unknown.is_empty() {
        Outcome::Incomplete
    } else {
        Outcome::Fine
    }
}
