//! Probes: asking an address over HTTP as anybody would.
//!
//! Decides what is sent, where to, and how far ([`address`], [`transport`]); never what an answer
//! should have been. It follows no redirect, keeps no cookie, takes nothing from the environment,
//! and verifies every certificate. The engine makes one [`ProbeContext`] for all probes;
//! `scopes::http_probe` asks through it.

pub mod address;
pub mod certificate;
pub mod transport;

use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::core::redact::Redactor;
use address::Reach;
use transport::{Setup, Transport};

/// What probes ask with: cheap to clone, and its clones share their connections' set-up.
#[derive(Clone)]
pub struct ProbeContext {
    /// The clock of readings. How long an answer takes is real time.
    pub clock: Clock,
    /// Hides what may be secret in an answer.
    pub redactor: Arc<Redactor>,
    /// The simulated cloud that answers in place of the network, if there is one.
    pub cloud: Option<Arc<str>>,
    /// How requests get there.
    pub transport: Arc<Transport>,
}

impl ProbeContext {
    /// On the network; or, with the URL of a simulated cloud, on that alone. A proxy carries what is
    /// asked over TLS.
    pub fn new(clock: Clock, redactor: Arc<Redactor>, cloud: Option<String>, proxy: Option<String>) -> Self {
        let reach = if cloud.is_some() { Reach::Loopback } else { Reach::Network };
        let transport = Transport::new(Setup { reach, proxy, ..Setup::default() });
        Self { clock, redactor, cloud: cloud.map(Arc::from), transport: Arc::new(transport) }
    }

    /// The same by another transport.
    pub fn through(self, transport: Transport) -> Self {
        Self { transport: Arc::new(transport), ..self }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
