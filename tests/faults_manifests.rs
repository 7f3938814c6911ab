//! Faults of manifests, row by row of the fault model: cut off, half checked out, swapped, hostile,
//! contradictory, foreign, misspelt. Each test is named after its row. What must hold in all of
//! them: a revision is accepted whole or refused with its reasons, and what was in force stays so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "faults_manifests/bombs.rs"]
mod bombs;
#[path = "faults_manifests/checkout.rs"]
mod checkout;
#[path = "faults_manifests/contradictions.rs"]
mod contradictions;
#[path = "faults_manifests/foreign.rs"]
mod foreign;
#[path = "faults_manifests/hostile_names.rs"]
mod hostile_names;
#[path = "faults_manifests/odd_files.rs"]
mod odd_files;
#[path = "faults_manifests/roots.rs"]
mod roots;
#[path = "faults_manifests/truncation.rs"]
mod truncation;
#[path = "faults_manifests/typos.rs"]
mod typos;
