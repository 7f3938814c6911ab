//! moored: a reconciling drift detector.
//!
//! Data flows one way: [`manifest`] → [`kinds`] → [`engine`] (reads [`scopes`]) → [`core`]
//! (evaluates) → snapshot → [`serve`]. `core` and `kinds` are pure. [`sim`] is the simulated
//! cloud, and [`demo`] plays scenarios on it; see CONTRIBUTING.md for where a change belongs.

pub mod aws;
pub mod cli;
pub mod clock;
pub mod cloudfoundry;
pub mod core;
pub mod demo;
pub mod engine;
pub mod import;
pub mod kinds;
pub mod manifest;
pub mod panics;
pub mod probe;
pub mod scopes;
pub mod serve;
pub mod sim;
pub mod store;
