//! What goes to stdout: text and JSON, written whole.
//!
//! Decides that a reader who has left (`moored check | head`) is no failure of moored and changes
//! no exit code. Colour is dropped where stdout is no terminal or NO_COLOR is set.

use std::io::{ErrorKind, Write};

use serde::Serialize;

/// Prints text as it is.
pub fn text(text: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints one line.
pub fn line(line: impl std::fmt::Display) -> anyhow::Result<()> {
    text(format_args!("{line}\n"))
}

/// Prints a value as JSON that people can read too.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}
