//! The pure core: what is declared, what is live, and what the difference means.
//!
//! Decides states, drifts, groups and verdicts from values alone. It never awaits, opens, reads a
//! clock or draws a random number: time is an argument, maps are ordered, and equal input gives
//! equal bytes (`tests/purity.rs` refuses the rest). The engine and the tests call it.

pub mod arn;
pub mod asks;
pub mod claims;
pub mod compare;
pub mod desired;
pub mod drift;
pub mod evaluate;
pub mod filter;
pub mod hold;
pub mod identity;
pub mod ignore;
pub mod index;
pub mod inventory;
pub mod items;
pub mod judge;
pub mod memory;
pub mod observation;
pub mod orphan;
pub mod questions;
pub mod recall;
pub mod record;
pub mod redact;
pub mod repair;
pub mod report;
pub mod snapshot;
pub mod template;
pub mod unit;
pub mod value;
pub mod verdict;
pub mod visible;
pub mod world;

#[cfg(test)]
mod tests;
