//! The flight recorder from the outside: how large its file grows, what `moored diff` and
//! `moored show --at` say of it, and that a daemon with little more than an Environment fills it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "recorder/diff.rs"]
mod diff;
#[path = "recorder/live.rs"]
mod live;
#[path = "recorder/size.rs"]
mod size;
