//! The daemon from the outside: the real `moored run` against a simulated cloud on loopback, asked
//! over HTTP, killed, starved of credentials and given bad manifests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "daemon/api.rs"]
mod api;
#[path = "daemon/drift.rs"]
mod drift;
#[path = "daemon/exposition.rs"]
mod exposition;
#[path = "daemon/process.rs"]
mod process;
#[path = "daemon/reload.rs"]
mod reload;
