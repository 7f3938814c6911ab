//! Faults of the network, of load and of the process: rows F11, F12, F18, F19, F21, F46, F49–F52 and
//! F55 of the fault matrix, one test or more each, named after the row. In every one the fault is
//! shown to have struck; what it touched reads Unknown and never as drift; and afterwards all is
//! read again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../benches/platform/mod.rs"]
mod generated;

mod common;

#[path = "faults_network/bodies.rs"]
mod bodies;
#[path = "faults_network/certificates.rs"]
mod certificates;
#[path = "faults_network/detours.rs"]
mod detours;
#[path = "faults_network/direct.rs"]
mod direct;
#[path = "faults_network/names.rs"]
mod names;
#[path = "faults_network/real.rs"]
mod real;
#[path = "faults_network/secrets.rs"]
mod secrets;
#[path = "faults_network/size.rs"]
mod size;
#[path = "faults_network/slowness.rs"]
mod slowness;
#[path = "faults_network/unread.rs"]
mod unread;
#[path = "faults_network/visitors.rs"]
mod visitors;
#[path = "faults_network/wire.rs"]
mod wire;
