//! One address, asked over HTTP.
//!
//! Decides that a reading says what was heard, silence included: that nobody answers is a fact of
//! the address, whatever it means, and only a request that moored could not send is no reading. One
//! request a reading. Never judges. The engine opens it by way of [`super::open`].

mod read;

use std::sync::Arc;

use crate::core::asks::Asks;
use crate::core::identity::ScopeKey;
use crate::core::observation::{Failure, Reading};
use crate::kinds::http_probe::live::{Spelling, live};
use crate::probe::ProbeContext;
use crate::scopes::ReadFuture;

/// The reader of one address.
#[derive(Debug)]
pub struct HttpProbe {
    url: Arc<str>,
}

impl HttpProbe {
    /// A reader of the address that the key names.
    pub fn new(key: &ScopeKey) -> Self {
        Self { url: key.thing.clone() }
    }

    /// Asks once.
    pub fn read<'a>(&'a self, context: &'a ProbeContext, asks: &'a Asks) -> ReadFuture<'a> {
        Box::pin(self.listen(context, asks))
    }

    async fn listen(&self, context: &ProbeContext, asks: &Asks) -> Result<Reading, Failure> {
        let mut reading = Reading::begin(context.now());
        let heard = read::heard(context, &self.url, !asks.plain.is_empty()).await?;
        let spelling = Spelling { url: &self.url, redactor: &context.redactor, visible: &asks.visible };
        reading.insert(live(&heard, &asks.plain, spelling));
        (reading.complete, reading.listed) = (true, true);
        reading.finished = context.now();
        reading.api_calls = 1;
        Ok(reading)
    }
}
