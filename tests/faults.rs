//! Faults of the cloud's answers and of the credentials: rows F01–F08, F10 and F13–F17 of the fault
//! matrix, one test or more each, named after the row, and their composite. In every one the fault
//! is shown to have struck; what it touched reads Unknown and never as drift, what was open stays
//! open; and afterwards drift is found again within two passes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "faults/composite.rs"]
mod composite;
#[path = "faults/credentials.rs"]
mod credentials;
#[path = "faults/errors.rs"]
mod errors;
#[path = "faults/incarnations.rs"]
mod incarnations;
#[path = "faults/lies.rs"]
mod lies;
#[path = "faults/lists.rs"]
mod lists;
#[path = "faults/places.rs"]
mod places;
#[path = "faults/rates.rs"]
mod rates;
#[path = "faults/steady.rs"]
mod steady;
#[path = "faults/world.rs"]
mod world;
