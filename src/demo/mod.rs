//! The demo: the incidents that moored was made for, on a simulated cloud.
//!
//! Decides how a scenario is put on: [`stage`] starts cloud and daemon, [`scenario`] says what
//! happens and what must be seen, [`script`] plays it, [`outside`] looks. No step and no
//! expectation reaches into the daemon, which is the one that `moored run` starts. Only the CLI
//! calls it.

mod manifests;
mod outside;
pub mod platform;
mod scenario;
mod script;
mod stage;
mod teller;
pub(crate) mod time;

use std::future::pending;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};

pub use scenario::Scenario;

use outside::Outside;
use script::Player;
use stage::Stage;
use teller::Teller;

/// How a scenario is played.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which one.
    pub scenario: Scenario,
    /// Without story and pauses: fails unless everything comes out as expected.
    pub check: bool,
    /// Seconds of the demo in one second of the wall.
    pub speed: f64,
    /// The manifests, if not the example's.
    pub desired_state: Option<PathBuf>,
    /// Where metrics are served.
    pub metrics_listen: Option<SocketAddr>,
    /// Where the API is served.
    pub api_listen: Option<SocketAddr>,
    /// The `moored` to run commands with: this very one.
    pub binary: PathBuf,
}

/// Plays a scenario to its end, or until somebody interrupts it.
pub async fn play(options: Options) -> anyhow::Result<()> {
    let interrupted = interruption();
    tokio::pin!(interrupted);
    let mut stage = Stage::open(&options).await?;
    let outcome = tokio::select! {
        outcome = perform(&mut stage, &options) => outcome,
        () = &mut interrupted => if options.check { interruption_is_no_success() } else { Ok(()) },
    };
    stage.close().await;
    outcome
}

async fn perform(stage: &mut Stage, options: &Options) -> anyhow::Result<()> {
    let people = !options.check;
    let stays = people && std::io::stdout().is_terminal();
    let teller = Teller::new(stage, people);
    let outside = Outside::new(stage, options.binary.clone())?;
    teller.begin(options.scenario, options.speed);
    Player::new(stage, outside, teller.clone(), people).play(options.scenario.steps()).await?;
    teller.end(options.scenario, stays);
    if stays {
        pending::<()>().await;
    }
    Ok(())
}

fn interruption_is_no_success() -> anyhow::Result<()> {
    bail!("interrupted before everything was seen")
}

/// Ends when somebody presses Ctrl-C or asks the process to terminate; never where signals cannot
/// be heard.
async fn interruption() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
