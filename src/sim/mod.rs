//! The simulated cloud: our own adversary, for the faults no emulator produces.
//!
//! Decides what a strict AWS would answer. [`world`] is a pure machine (state, caller, request,
//! time and seed in; answer out); [`wire`] translates the real AWS protocols to it, on loopback
//! and in process. It never reads a clock, opens a socket outside [`wire::server`], or is kinder
//! than AWS's documentation. The demo and the tests call it; no observing code may.

pub mod cloudfoundry;
pub mod wire;
pub mod world;
