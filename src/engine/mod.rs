//! The engine: owns the tasks, turns wishes into readings and readings into snapshots.
//!
//! Decides when things happen, never what they mean: `core` does. One queue keyed by scope, one
//! owner of all state ([`watch::Watch`]), readings in tasks of their own. `run` uses [`daemon`],
//! `check` and `show` use [`pass`].

pub mod attribution;
pub mod daemon;
pub mod facts;
pub mod pace;
pub mod pass;
pub mod queue;
pub mod reader;
mod recording;
pub mod roots;
pub mod watch;
