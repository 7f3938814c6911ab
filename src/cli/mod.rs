//! The command line: one file per subcommand.
//!
//! Decides flags, exit codes and what goes to stdout (results) and stderr (progress, errors). The
//! exit codes are a contract: 0 in sync, 2 drift, 3 incomplete, 1 no report at all, usage errors
//! included. `main` calls [`main`] and nothing else.

mod changes;
mod check;
mod completions;
mod demo;
mod diff;
mod examples;
mod expected;
mod explain;
mod health;
mod history;
mod hold;
mod iam;
mod import;
mod logging;
pub(crate) mod options;
mod output;
mod render;
mod run;
mod schema;
pub(crate) mod setup;
mod show;
mod then;
mod validate;
mod when;
mod whoami;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// moored keeps watch over what a team runs on Cloud Foundry and AWS: it compares declared manifests
/// with what is live, says exactly what drifted and since when, and exports it to Prometheus.
#[derive(Debug, Parser)]
#[command(name = "moored", version, max_term_width = 100, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 in sync · 2 drift · 3 no drift, but not everything could be read · 1 no report (bad manifests, bad flags, bad state file)\n\nStart here: `moored demo` (no cloud needed), then `moored validate --desired-state DIR`, then `moored check --desired-state DIR`."
)]
pub struct Cli {
    #[command(flatten)]
    logging: logging::LogOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    Show(show::Show),
    Validate(validate::Validate),
    Expected(expected::Expected),
    Explain(explain::Explain),
    Schema(schema::Schema),
    Whoami(whoami::Whoami),
    History(history::History),
    Diff(diff::Diff),
    Hold(hold::HoldCommand),
    Import(import::Import),
    Iam(iam::Iam),
    Health(health::Health),
    Demo(demo::Demo),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// What a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is as declared, or the command did what it was asked.
    Fine,
    /// There is drift.
    Drift,
    /// There is no drift in what could be read, but not all of it could.
    Incomplete,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Fine => Self::SUCCESS,
            Outcome::Drift => Self::from(2),
            Outcome::Incomplete => Self::from(3),
        }
    }
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a usage error must never look like drift (2).
            let code = if error.use_stderr() { 1 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    crate::panics::install();
    let installed = cli.logging.install(matches!(cli.command, Command::Run(_)));
    match installed.and_then(|()| cli.command.execute()) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            anstream::eprintln!("{}error:{} {error:#}", render::ERROR.render(), render::ERROR.render_reset());
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn execute(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Run(command) => command.execute(),
            Self::Check(command) => command.execute(),
            Self::Show(command) => command.execute(),
            Self::Validate(command) => command.execute(),
            Self::Expected(command) => command.execute(),
            Self::Explain(command) => command.execute(),
            Self::Schema(command) => command.execute(),
            Self::Whoami(command) => command.execute(),
            Self::History(command) => command.execute(),
            Self::Diff(command) => command.execute(),
            Self::Hold(command) => command.execute(),
            Self::Import(command) => command.execute(),
            Self::Iam(command) => command.execute(),
            Self::Health(command) => command.execute(),
            Self::Demo(command) => command.execute(),
            Self::Completions(command) => command.execute(),
            Self::Man(command) => command.execute(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
