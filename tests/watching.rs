//! What nobody has to declare: inventories that watch whole scopes, holds that set findings aside
//! for minutes, and who did it. The real `moored run` beside the real `moored hold`, `diff` and
//! `check`, against a simulated cloud in which people work by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "watching/attribution.rs"]
mod attribution;
#[path = "watching/hold.rs"]
mod hold;
#[path = "watching/inventory.rs"]
mod inventory;
#[path = "watching/people.rs"]
mod people;
#[path = "watching/roots.rs"]
mod roots;
