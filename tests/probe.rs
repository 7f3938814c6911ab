//! HTTP probes as the engine asks them: rows F18, F19, F21 and F56 of the fault matrix for probes,
//! and what of an answer becomes a fact. Everything is asked through a real transport; only names,
//! authorities and patience are the test's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "probe/answers.rs"]
mod answers;
#[path = "probe/asking.rs"]
mod asking;
#[path = "faults_network/certificates.rs"]
mod certificates;
#[path = "probe/places.rs"]
mod places;
#[path = "probe/silence.rs"]
mod silence;
#[path = "probe/tls.rs"]
mod tls;
