//! `moored completions SHELL` and `moored man`: made from the same definitions as the parser.

use clap::{Args, CommandFactory};

use super::{Cli, Outcome, output};

/// Print a completion script, such as `moored completions bash > /etc/bash_completion.d/moored`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "moored", &mut script);
        output::text(String::from_utf8_lossy(&script))?;
        Ok(Outcome::Fine)
    }
}

/// Print the man page (roff), such as `moored man | man -l -`
#[derive(Debug, Args)]
pub struct Man {
    /// The page of a subcommand, such as `check`
    command: Option<String>,
}

impl Man {
    pub fn execute(self) -> anyhow::Result<Outcome> {
        let mut root = Cli::command();
        root.build();
        let command = match &self.command {
            None => root,
            Some(name) => root
                .find_subcommand(name)
                .cloned()
                .ok_or_else(|| anyhow::anyhow!("no subcommand `{name}`; see `moored --help`"))?,
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        output::text(String::from_utf8_lossy(&page))?;
        Ok(Outcome::Fine)
    }
}
