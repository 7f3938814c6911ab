//! What moored shows: metrics, health and the JSON API over HTTP, and the lines of its log.
//!
//! Decides how a published snapshot is shown, to whom, and how much a visitor may ask for. It
//! computes nothing anew and changes nothing but holds, and those only with a token. The engine
//! publishes to the [`http::Board`]; the CLI starts the two listeners.

pub mod api;
mod exposition;
pub mod health;
mod holds;
pub mod http;
pub mod log_lines;
pub mod metrics;
mod query;
mod samples;
mod views;
