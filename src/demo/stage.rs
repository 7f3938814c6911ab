//! The stage: a simulated cloud on loopback, and the real daemon that watches it.
//!
//! Decides how the pieces are put together and taken down again; the daemon is assembled from the
//! same parts as `moored run`, reads the cloud over HTTP and keeps its state in a file. Nothing here
//! looks into the daemon: who wants to know something asks from [`super::outside`].

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{Options, time};
use crate::cli::options::{CloudOption, Manifests};
use crate::cli::setup::{self, State};
use crate::clock::Clock;
use crate::engine::daemon::{self, Daemon};
use crate::engine::watch::Watch;
use crate::serve::api::{Api, serve_api};
use crate::serve::http::serve_metrics;
use crate::sim::wire::{Cloud, server};

/// One story, played again, meets the same ids and jitter.
const SEED: u64 = 1;

/// The last moment at which a story begins: later, the Ignore of the example has expired, and an
/// example that rots is none. Until then it begins now.
const LATEST: Timestamp = Timestamp::constant(1_827_651_600, 0);

/// Where `moored run` listens too, and the port after it.
const USUAL_PORTS: [u16; 2] = [9469, 9470];

/// How long the daemon may take to stop, in real time.
const PATIENCE: Duration = Duration::from_secs(3);

/// Everything that runs.
pub struct Stage {
    /// The simulated cloud, for simulated people.
    pub cloud: Cloud,
    /// The clock that cloud and daemon share.
    pub clock: Clock,
    /// Where the cloud is reached.
    pub cloud_url: String,
    /// The manifests in force.
    pub desired_state: PathBuf,
    addresses: Addresses,
    serving: JoinHandle<()>,
    daemon: Option<Running>,
    scratch: Scratch,
}

/// Where the daemon listens.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    metrics: SocketAddr,
    api: SocketAddr,
}

/// A daemon with its listeners.
struct Running {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Dropped, it would say that nobody will ever ask for a reload.
    _reload: mpsc::Sender<()>,
}

impl Stage {
    /// Starts cloud and daemon.
    pub async fn open(options: &Options) -> anyhow::Result<Self> {
        let scratch = Scratch::new().context("cannot make a temporary directory for the demo")?;
        let example = options.scenario.manifests();
        let desired_state = example
            .directory(options.desired_state.as_deref(), scratch.path())
            .context("cannot write the scenario's manifests")?;
        let start = Clock::wall().now().min(LATEST);
        let clock = Clock::scaled(Timestamp::from_second(start.as_second()).unwrap_or(start), options.speed);
        let time = clock.clone();
        let cloud = Cloud::new(options.scenario.world(clock.now()), move || time.now(), SEED);
        options.scenario.put_beside(&cloud, clock.now());

        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let cloud_url = format!("http://{}", listener.local_addr()?);
        let routes = time::route(server::router(cloud.clone()), clock.clone());
        let serving = tokio::spawn(async move {
            // It ends with the stage, and never by itself.
            let _ = axum::serve(listener, routes).await;
        });
        let metrics = listen(options.metrics_listen, usual(options.check, 0)).await?;
        let api = listen(options.api_listen, usual(options.check, 1)).await?;
        let addresses = Addresses { metrics: metrics.local_addr()?, api: api.local_addr()? };
        if !addresses.api.ip().is_loopback() {
            bail!("--api-listen {}: the demo shows its API on loopback only", addresses.api);
        }
        let mut stage = Self { cloud, clock, cloud_url, desired_state, addresses, serving, daemon: None, scratch };
        stage.daemon = Some(stage.start(metrics, api).await?);
        Ok(stage)
    }

    /// Where `/metrics` is.
    pub fn metrics_url(&self) -> String {
        format!("http://{}", self.addresses.metrics)
    }

    /// Where `/api/v1` is.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.addresses.api)
    }

    /// A state file for somebody else than the daemon.
    pub fn other_state(&self) -> PathBuf {
        self.scratch.path().join("check.db")
    }

    /// Stops the daemon and starts another one on the same state file and ports.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.halt().await;
        let metrics = bind(self.addresses.metrics).await?;
        let api = bind(self.addresses.api).await?;
        self.daemon = Some(self.start(metrics, api).await?);
        Ok(())
    }

    /// Takes everything down.
    pub async fn close(mut self) {
        self.halt().await;
    }

    async fn halt(&mut self) {
        let Some(running) = self.daemon.take() else { return };
        let _ = running.stop.send(true);
        for mut task in running.tasks {
            if tokio::time::timeout(PATIENCE, &mut task).await.is_err() {
                task.abort();
                let _ = task.await;
            }
        }
    }

    /// The daemon, put together as `moored run` does it.
    async fn start(&self, metrics: TcpListener, api: TcpListener) -> anyhow::Result<Running> {
        let state = self.state().await?;
        let (roots, desired) = setup::load(&Manifests { roots: vec![self.desired_state.clone()] }, &state.redactor)?;
        let cloud = CloudOption { cloud: Some(self.cloud_url.clone()), proxy: None };
        let options = daemon::Options { seed: SEED, ..daemon::Options::default() };
        let parts = setup::parts(&desired, &cloud, state.redactor.clone(), self.clock.clone(), options.resync)?;
        let mut watched = Watch::new(state.memory, state.history.clone());
        watched.declare(desired);
        let daemon = Daemon::new(options, parts.shared, parts.requests, watched, roots);

        let (stop, stopped) = watch::channel(false);
        let (reload, reloads) = mpsc::channel(1);
        let (board, shutdown) = (daemon.board(), until(stopped.clone()));
        let metrics = tokio::spawn(async move {
            let _ = serve_metrics(metrics, board, shutdown).await;
        });
        let (served, shutdown) =
            (Api { board: daemon.board(), token: None, history: state.history, state: None }, until(stopped.clone()));
        let api = tokio::spawn(async move {
            let _ = serve_api(api, Arc::new(served), shutdown).await;
        });
        let daemon = tokio::spawn(daemon.run(until(stopped), reloads));
        Ok(Running { stop, tasks: vec![daemon, metrics, api], _reload: reload })
    }

    /// The daemon's state. One that has just stopped may still be closing the file.
    async fn state(&self) -> anyhow::Result<State> {
        let path = self.scratch.path().join("moored.db");
        let mut opened = State::open(Some(&path));
        for _ in 0..20 {
            if opened.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            opened = State::open(Some(&path));
        }
        opened
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The usual port for people; any free one for a check, which may run beside others.
fn usual(check: bool, which: usize) -> u16 {
    if check { 0 } else { USUAL_PORTS.get(which).copied().unwrap_or(0) }
}

/// Listens where it was asked to; else on the usual port, or any free one if that is taken.
async fn listen(asked: Option<SocketAddr>, usual: u16) -> anyhow::Result<TcpListener> {
    if let Some(address) = asked {
        return bind(address).await;
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, usual)).await {
        Ok(listener) => Ok(listener),
        Err(_) => bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await,
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// A directory of this demo alone, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let name = format!("moored-demo-{}-{}", std::process::id(), Clock::wall().now().as_nanosecond());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind in the temporary directory is small, and no reason to fail.
        let _ = fs::remove_dir_all(&self.0);
    }
}
