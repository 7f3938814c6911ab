//! What commands that read a cloud have in common: manifests, state, sessions, one pass.
//!
//! Decides how flags become an engine. Manifests are loaded first: without them there is no report
//! (exit 1); a cloud that cannot be read still gives one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use aws_types::app_name::AppName;
use indicatif::{ProgressBar, ProgressStyle};

use super::options::{CloudOption, Manifests};
use crate::aws::budget::Budgets;
use crate::aws::intercept::Requests;
use crate::aws::session::{SessionOptions, Sessions};
use crate::clock::Clock;
use crate::core::desired::Desired;
use crate::core::memory::Memory;
use crate::core::redact::Redactor;
use crate::engine::reader::{Outside, Shared};
use crate::engine::roots::{Loaded, Roots};
use crate::engine::watch::Watch;
use crate::store::{self, History, SqliteHistory};

/// The state a command keeps, or the lack of it.
pub struct State {
    /// What the store remembers.
    pub memory: Memory,
    /// Where it is kept.
    pub history: Option<Arc<Mutex<dyn History>>>,
    /// Hashes secrets under this installation's key.
    pub redactor: Arc<Redactor>,
}

impl State {
    /// Opens the state file, or works without one.
    pub fn open(path: Option<&PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            let redactor = Arc::new(Redactor::new(&store::key::ephemeral_key()?));
            return Ok(Self { memory: Memory::default(), history: None, redactor });
        };
        // The state file first: a bad path must leave nothing behind.
        let mut history = SqliteHistory::open(path)?;
        let redactor = Arc::new(Redactor::new(&store::key::redaction_key(path)?));
        if history.key_changed(redactor.key_id())? {
            tracing::warn!(
                event = "key_changed",
                "the key beside the state file is a new one: values hashed before cannot be compared"
            );
        }
        let memory = history.load()?;
        Ok(Self { memory, history: Some(Arc::new(Mutex::new(history))), redactor })
    }
}

/// Loads the manifests, or fails with all their errors.
pub fn load(manifests: &Manifests, redactor: &Redactor) -> anyhow::Result<(Roots, Desired)> {
    let (roots, loaded) = read(manifests, redactor);
    accept(roots, loaded)
}

/// Loads the manifests for a daemon: one team's broken root must not blind the others, so it begins with those that
/// stand. Fails with all errors when none does.
pub fn load_standing(manifests: &Manifests, redactor: &Redactor) -> anyhow::Result<(Roots, Desired)> {
    let (roots, mut loaded) = read(manifests, redactor);
    if loaded.desired.is_some() {
        roots.tell(&loaded.rejected);
        loaded.rejected.clear();
        for warning in loaded.warnings.drain(..) {
            tracing::warn!(event = "manifests_warning", %warning);
        }
    }
    accept(roots, loaded)
}

fn read(manifests: &Manifests, redactor: &Redactor) -> (Roots, Loaded) {
    let mut roots = Roots::new(manifests.roots.clone());
    let loaded = roots.load(redactor, Clock::wall().now());
    (roots, loaded)
}

fn accept(roots: Roots, loaded: Loaded) -> anyhow::Result<(Roots, Desired)> {
    if !loaded.rejected.is_empty() {
        let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        let mut count = 0;
        for rejected in &loaded.rejected {
            anstream::eprint!("{}", rejected.render(colour));
            count += rejected.problems.len();
        }
        bail!("the manifests were rejected: {count} error(s) above, nothing was changed");
    }
    for warning in &loaded.warnings {
        anstream::eprintln!("warning: {warning}");
    }
    let desired = loaded.desired.context("no manifests were loaded")?;
    Ok((roots, desired))
}

/// What is needed to read.
pub struct Parts {
    /// Shared parts of all readings.
    pub shared: Arc<Shared>,
    /// Counted calls.
    pub requests: Requests,
}

/// Sessions, budgets and a clock for these manifests.
pub fn parts(
    desired: &Desired,
    cloud: &CloudOption,
    redactor: Arc<Redactor>,
    clock: Clock,
    identity_age: Duration,
) -> anyhow::Result<Parts> {
    let proxy_url = cloud.proxy.clone();
    let (cloud, proxy) = (cloud.url()?, cloud.proxy()?);
    let requests = Requests::default();
    let simulated = cloud.is_some();
    let outside = Outside::new(cloud.clone(), proxy_url, &clock, &redactor, &requests)
        .map_err(|problem| anyhow!("cannot prepare to ask Cloud Foundry: {problem}"))?;
    let sessions = Sessions::new(SessionOptions {
        cloud,
        home_account: home_account(desired),
        clock: clock.clone(),
        http_client: None,
        requests: requests.clone(),
        user_agent: user_agent()?,
    })
    .through(proxy);
    let budgets = Arc::new(Budgets::new(clock.clone()));
    budgets.declare(desired.environments.values().flat_map(|environment| environment.accounts.values()));
    let shared = Shared::new(sessions, outside, budgets, clock, redactor, simulated, identity_age);
    Ok(Parts { shared: Arc::new(shared), requests })
}

/// Names moored in the accounts' own logs.
pub fn user_agent() -> anyhow::Result<AppName> {
    AppName::new(concat!("moored-", env!("CARGO_PKG_VERSION"))).context("the version is no user agent")
}

/// The clock to read by: a demo's own, which runs faster than the wall's; else the wall's.
pub fn clock(cloud: &CloudOption) -> anyhow::Result<Clock> {
    let Some(url) = cloud.url()? else { return Ok(Clock::wall()) };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    Ok(runtime.block_on(crate::demo::time::ask(&url)).unwrap_or_else(Clock::wall))
}

/// On a simulated cloud roles are assumed from the first environment's main account.
pub fn home_account(desired: &Desired) -> Option<String> {
    let accounts = desired
        .environments
        .values()
        .flat_map(|environment| environment.accounts.get("main").or_else(|| environment.accounts.values().next()));
    accounts.map(|account| account.id.to_string()).next()
}

/// A progress line on stderr, only at a terminal.
pub fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{spinner} reading {pos}/{len} scopes {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

/// One pass over everything, or over the scopes that `only` lets through.
pub fn pass(
    watch: &mut Watch,
    shared: &Arc<Shared>,
    only: impl Fn(&crate::core::identity::ScopeKey) -> bool,
) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let bar = progress();
    runtime.block_on(crate::engine::pass::pass(watch, shared, only, |done, all, message| {
        bar.set_length(all);
        bar.set_position(done);
        bar.set_message(message.to_owned());
    }));
    bar.finish_and_clear();
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(())
}
