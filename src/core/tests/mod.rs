//! Sentences about `evaluate`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod findings;
mod fixture;
mod inventory;
mod orphans;
mod properties;
mod within;
