//! Logs: one event per decision, as JSON or text, on stderr.
//!
//! Decides what is logged, and how it looks. A daemon never waits for whoever reads its log
//! ([`log_lines`]); a command does, so that nothing it says is lost.

mod line;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tracing::Level;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, registry};

use crate::serve::log_lines;
use line::JsonLine;

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line a person reads.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogOptions {
    /// What to log, such as `info`, `moored=debug` or `warn` (default: info for `run`, nothing else)
    #[arg(long, global = true, env = "MOORED_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How logs look (stderr)
    #[arg(long, global = true, env = "MOORED_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
}

impl LogOptions {
    /// Installs the subscriber. A daemon logs its decisions; a command only what went wrong.
    pub fn install(&self, daemon: bool) -> anyhow::Result<()> {
        // What a command has to say is in its output.
        let default = if daemon { "moored=info,warn" } else { "off" };
        let filter = self.log.as_deref().unwrap_or(default);
        let hint = "write it like `info`, `warn` or `moored=debug`";
        let filter = EnvFilter::try_new(filter).with_context(|| format!("--log {filter}: no filter; {hint}"))?;
        // Below info the AWS SDK and HTTP crates log whole answers, with environments in them.
        let own = filter_fn(|metadata| *metadata.level() <= Level::INFO || metadata.target().starts_with("moored"));
        let writer = if daemon {
            let lines = log_lines::stderr().context("the log's thread cannot be started")?;
            match self.log_format {
                LogFormat::Text => BoxMakeWriter::new(move || lines.clone()),
                LogFormat::Json => BoxMakeWriter::new(move || JsonLine(lines.clone())),
            }
        } else {
            match self.log_format {
                LogFormat::Text => BoxMakeWriter::new(std::io::stderr),
                LogFormat::Json => BoxMakeWriter::new(|| JsonLine(std::io::stderr())),
            }
        };
        let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
        let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        // A second installation (the demo inside a test) keeps the first.
        let _ = match self.log_format {
            LogFormat::Text => {
                let layer = layer.fmt_fields(format::debug_fn(line::field).delimited(" "));
                registry().with(filter).with(layer.with_ansi(colour).with_filter(own)).try_init()
            }
            LogFormat::Json => registry()
                .with(filter)
                .with(layer.json().flatten_event(true).with_ansi(false).with_filter(own))
                .try_init(),
        };
        Ok(())
    }
}
