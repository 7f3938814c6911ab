//! Sentences about `evaluate`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod fixture;
mod findings;
mod orphans;
mod properties;
