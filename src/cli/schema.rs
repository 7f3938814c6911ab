//! `moored schema`: one JSON Schema for editors and CI.

use clap::Args;

use super::{Outcome, output};

/// Print the JSON Schema of a manifest (draft 2020-12), for editors and CI
#[derive(Debug, Args)]
pub struct Schema {}

impl Schema {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        output::json(&crate::manifest::schema::json_schema())?;
        Ok(Outcome::Fine)
    }
}
