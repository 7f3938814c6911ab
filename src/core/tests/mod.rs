//! Sentences about `evaluate`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod failing;
mod findings;
pub(in crate::core) mod fixture;
mod inventory;
mod orphans;
mod properties;
mod within;
