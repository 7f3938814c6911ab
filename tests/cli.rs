//! The command line, as people and pipelines meet it: the real binary against a simulated cloud on
//! loopback. What it prints, how it exits, and what it never does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "cli/check.rs"]
mod check;
#[path = "cli/contract.rs"]
mod contract;
#[path = "cli/facts.rs"]
mod facts;
#[path = "cli/manifests.rs"]
mod manifests;
#[path = "cli/state.rs"]
mod state;
#[path = "cli/trouble.rs"]
mod trouble;
#[path = "cli/usage.rs"]
mod usage;
