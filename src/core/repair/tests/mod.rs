//! Sentences about repair: plans of a small platform, episodes, and properties of both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod approvals;
mod episodes;
mod plans;
mod platform;
mod properties;
