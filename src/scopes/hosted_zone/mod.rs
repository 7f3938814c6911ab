//! The records of one hosted zone.
//!
//! Decides that a reading of a zone is whole: every page arrived, and Route 53 itself counts as
//! many records. A steady reading takes one call for the count and one for every 300 records.
//! Never judges a record. The engine opens it by way of [`super::open`].

mod read;

use std::sync::Arc;

use crate::aws::read::ReadContext;
use crate::core::asks::Asks;
use crate::core::identity::ScopeKey;
use crate::core::observation::{Failure, Reading, Reason};
use crate::kinds::dns_record::live::live;
use crate::scopes::{ReadFuture, Scope};

/// The reader of one zone.
#[derive(Debug)]
pub struct HostedZone {
    zone: Arc<str>,
    /// Looked up once; forgotten when the zone of this id is gone.
    id: Option<String>,
}

impl HostedZone {
    /// A reader that knows the zone by its name only.
    pub fn new(key: &ScopeKey) -> Self {
        Self { zone: key.thing.clone(), id: None }
    }

    async fn read_zone(&mut self, cx: &ReadContext) -> Result<Reading, Failure> {
        let mut reading = Reading::begin(cx.now());
        let id = match self.id.clone() {
            Some(id) => id,
            None => self.id.insert(read::zone_id(cx, &self.zone).await?).clone(),
        };
        let counted = read::record_count(cx, &id).await?;
        for record in read::records(cx, &id).await? {
            reading.insert(live(record, &self.zone));
        }
        // Counted as keys: a record that two pages repeat does not stand in for one that neither has.
        let listed = reading.objects.len();
        if listed == 0 {
            return Err(Failure::new(
                Reason::Incomplete,
                format!(
                    "ListResourceRecordSets gave no record of {} ({id}), but every zone has NS and SOA; moored reads it again",
                    self.zone
                ),
            ));
        }
        if counted != listed {
            let counted = read::record_count(cx, &id).await?;
            if counted != listed {
                return Err(Failure::new(
                    Reason::Incomplete,
                    format!(
                        "{} ({id}) was listed with {listed} records, but Route 53 counts {counted}; moored reads it again",
                        self.zone
                    ),
                ));
            }
        }
        (reading.complete, reading.listed) = (true, true);
        reading.finished = cx.now();
        reading.api_calls = cx.calls();
        Ok(reading)
    }
}

impl Scope for HostedZone {
    fn read<'a>(&'a mut self, context: &'a ReadContext, _asks: &'a Asks) -> ReadFuture<'a> {
        Box::pin(async move {
            let outcome = self.read_zone(context).await;
            if outcome.as_ref().is_err_and(|failure| failure.reason == Reason::ContainerMissing) {
                self.id = None;
            }
            outcome
        })
    }
}
