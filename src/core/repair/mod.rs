//! Repair, the pure half: what could be deleted, why, whether it may be, and in which steps.
//!
//! Decides everything about a repair that can be wrong, from values alone: `plan` says what would
//! be done with every guard's verdict, `step` says what to ask next of the world. It never sends
//! anything and never reads a clock: the engine turns requests into calls and answers into events,
//! and the simulator drives the very same functions.

pub mod approval;
pub mod before;
pub mod breaker;
pub mod candidate;
mod draft;
pub mod episode;
pub mod evidence;
pub mod fresh;
pub mod guards;
pub mod ledger;
pub mod mention;
mod naming;
pub mod plan;
pub mod policy;
pub mod resume;
pub mod step;
pub mod target;

#[cfg(test)]
mod tests;
