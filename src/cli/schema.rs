//! `moored schema`: one JSON Schema for editors and CI.

use std::io::Write;

use clap::Args;

use super::Outcome;

/// Print the JSON Schema of a manifest (draft 2020-12), for editors and CI
#[derive(Debug, Args)]
pub struct Schema {}

impl Schema {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let schema = crate::manifest::schema::json_schema();
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &schema)?;
        writeln!(out)?;
        Ok(Outcome::Fine)
    }
}
