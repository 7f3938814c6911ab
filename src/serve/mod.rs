//! What moored shows over HTTP: metrics, health, and the JSON API.
//!
//! Decides how a published snapshot is shown, to whom, and how much a visitor may ask for. It
//! computes nothing anew and changes nothing: there is no mutating route. The engine publishes to
//! the [`http::Board`]; the CLI starts the two listeners.

pub mod api;
mod exposition;
pub mod health;
pub mod http;
pub mod metrics;
mod query;
mod samples;
mod views;
