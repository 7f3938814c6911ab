//! `moored run`: the daemon.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::info;

use super::options::{CloudOption, Manifests};
use super::{Outcome, setup};
use crate::clock::Clock;
use crate::engine::daemon::{Daemon, Options};
use crate::engine::watch::Watch;
use crate::serve::api::{self, Api, check_exposure, serve_api};
use crate::serve::http::serve_metrics;
use crate::serve::log_lines;
use crate::store::{History, SqliteHistory};

/// Watch continuously: read, compare, export metrics, serve the API
///
/// SIGHUP looks at the manifests at once, SIGTERM and SIGINT stop it. Changed manifests are put in
/// force when they are valid as a whole; a bad revision changes nothing but
/// `moored_manifest_load_success`.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    manifests: Manifests,
    #[command(flatten)]
    cloud: CloudOption,
    /// Keep open findings and what was learned in this SQLite file (default: in memory only)
    #[arg(long, value_name = "PATH", env = "MOORED_STATE")]
    state: Option<PathBuf>,
    /// Where /metrics, /healthz and /readyz are served
    #[arg(long, value_name = "ADDRESS", env = "MOORED_METRICS_LISTEN", default_value = "127.0.0.1:9469")]
    metrics_listen: SocketAddr,
    /// Where /api/v1 is served (default: nowhere); beyond loopback it needs --api-token-file
    #[arg(long, value_name = "ADDRESS", env = "MOORED_API_LISTEN")]
    api_listen: Option<SocketAddr>,
    /// A file with the bearer token that the API asks for
    #[arg(long, value_name = "PATH", env = "MOORED_API_TOKEN_FILE")]
    api_token_file: Option<PathBuf>,
    /// How often each scope is read, where the call budgets allow it
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::options::duration)]
    resync: Duration,
}

impl Run {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let state = setup::State::open(self.state.as_ref())?;
        let (roots, desired) = setup::load_standing(&self.manifests, &state.redactor)?;
        let clock = Clock::wall();
        let parts = setup::parts(&desired, &self.cloud, state.redactor.clone(), clock, self.resync)?;
        let mut watch = Watch::new(state.memory, state.history.clone());
        watch.declare(desired);
        let token = api::token(self.api_token_file.as_deref()).map_err(anyhow::Error::msg)?;
        if let Some(address) = self.api_listen {
            check_exposure(address, token.is_some()).map_err(anyhow::Error::msg)?;
        }
        // A handle of its own, so that a long question about the past keeps no save waiting.
        let past: Option<Arc<Mutex<dyn History>>> = match (&self.state, self.api_listen) {
            (Some(path), Some(_)) => Some(Arc::new(Mutex::new(SqliteHistory::open_read_only(path)?))),
            _ => None,
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
        let result = runtime.block_on(async {
            let metrics = bind(self.metrics_listen, "--metrics-listen").await?;
            let listener = match self.api_listen {
                Some(address) => Some(bind(address, "--api-listen").await?),
                None => None,
            };
            let options = Options { resync: self.resync, seed: seed(), ..Options::default() };
            let daemon = Daemon::new(options, parts.shared, parts.requests, watch, roots);
            let (stop, stopped) = watch::channel(false);
            let servers = [
                Some(tokio::spawn(serve_metrics(metrics, daemon.board(), until(stopped.clone())))),
                listener.map(|listener| {
                    let api = Api { board: daemon.board(), token, history: past, state: self.state.clone() };
                    tokio::spawn(serve_api(listener, Arc::new(api), until(stopped.clone())))
                }),
            ];
            let (reload, reloads) = mpsc::channel(1);
            let mut hangup = signal(SignalKind::hangup())?;
            tokio::spawn(async move {
                while hangup.recv().await.is_some() {
                    // One pending wish is enough.
                    let _ = reload.try_send(());
                }
            });
            let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let asked = async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            daemon.run(asked, reloads).await;
            let _ = stop.send(true);
            for server in servers.into_iter().flatten() {
                let _ = tokio::time::timeout(Duration::from_secs(2), server).await;
            }
            anyhow::Ok(())
        });
        runtime.shutdown_timeout(Duration::from_secs(2));
        log_lines::flush(Duration::from_secs(1));
        result?;
        Ok(Outcome::Fine)
    }
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => {
            info!(event = "listening", address = %listener.local_addr()?, flag);
            Ok(listener)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("{flag} {address}: the port is taken; is another moored running? Choose another with {flag}")
        }
        Err(error) => Err(error).with_context(|| format!("{flag} {address}: cannot listen")),
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Two replicas must not read in step: the jitter's seed differs by process and time.
fn seed() -> u64 {
    let nanos = Clock::wall().now().as_nanosecond() as u64;
    nanos ^ (u64::from(std::process::id()) << 32)
}
