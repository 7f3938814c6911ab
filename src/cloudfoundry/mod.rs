//! Cloud Foundry: sessions, the pace of calls, the read allow-list, pages, and what a failed call
//! means.
//!
//! Decides how a question is sent to a foundation's API and what its failure says; never what is
//! asked, and nothing about drift. Reading Cloud Foundry is not free of writes: some GETs put an
//! event into the audit log that moored reads, so that only what [`allow_list`] names is sent. The
//! engine builds [`session::Sessions`] once, checks [`identity`] before a scope is believed, and
//! gives each reading a [`read::ReadContext`], through which alone the scopes call.

pub mod allow_list;
mod auth;
pub mod classify;
pub mod identity;
pub mod pace;
pub mod pages;
pub mod read;
pub mod session;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod transport;
pub mod types;
