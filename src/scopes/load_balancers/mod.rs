//! The load balancers and target groups of one account and region.
//!
//! Decides that a reading is whole, which things are asked about by name, and which details are
//! wanted. Never judges a balancer. The engine opens it by way of [`super::open`].

mod detail;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::aws::read::ReadContext;
use crate::core::asks::{Asks, Facet};
use crate::core::identity::ScopeKey;
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};
use crate::kinds::{load_balancer, target_group};
use crate::scopes::{ReadFuture, Scope};
use detail::Details;
use read::Listed;

/// The reader of one account and region.
#[derive(Debug)]
pub struct LoadBalancers {
    details: Details,
}

impl LoadBalancers {
    /// A reader that has read nothing yet; account and region are the context's.
    pub fn new(_key: &ScopeKey) -> Self {
        Self { details: Details::new() }
    }

    async fn read_all(&mut self, cx: &ReadContext, asks: &Asks) -> Result<Reading, Failure> {
        let mut reading = Reading::begin(cx.now());
        let mut listed = Listed::read(cx).await?;
        (reading.complete, reading.listed) = (true, true);
        ask_by_name(cx, asks, &mut listed, &mut reading).await;
        listed.connect();

        let mut wanted: BTreeMap<Arc<str>, BTreeSet<Facet>> = BTreeMap::new();
        for (ask, facets) in &asks.things {
            if let Some(arn) = listed.arn_of(ask) {
                wanted.entry(arn.clone()).or_default().extend(facets);
            }
        }
        self.details.keep_only(&listed.arns());
        self.details.refresh(cx, &wanted, &mut reading.remarks).await;

        let now = cx.now();
        let none = BTreeSet::new();
        for balancer in listed.balancers.into_values() {
            let facets = wanted.get(&balancer.arn).unwrap_or(&none);
            let details = self.details.of_balancer(&balancer.arn, facets, now);
            reading.insert(load_balancer::live::live(balancer, details));
        }
        for group in listed.groups.into_values() {
            let facets = wanted.get(&group.arn).unwrap_or(&none);
            let targets = self.details.targets(&group.arn, facets, now);
            let tags = self.details.tags(&group.arn, facets, now);
            reading.insert(target_group::live::live(group, targets, tags));
        }
        reading.finished = now;
        reading.api_calls = cx.calls();
        Ok(reading)
    }
}

impl Scope for LoadBalancers {
    fn read<'a>(&'a mut self, context: &'a ReadContext, asks: &'a Asks) -> ReadFuture<'a> {
        Box::pin(self.read_all(context, asks))
    }
}

/// Asks about each wanted thing that the list lacks. One that is there after all shows that the
/// list is not whole.
async fn ask_by_name(cx: &ReadContext, asks: &Asks, listed: &mut Listed, reading: &mut Reading) {
    for ask in asks.things.keys() {
        if !listed.leaves_open(ask) {
            continue;
        }
        let answer = match listed.ask(cx, ask).await {
            Ok(true) => {
                reading.complete = false;
                let detail = format!(
                    "the list lacks {} {}, which is there; nothing is called gone until it is listed",
                    ask.kind, ask.select
                );
                reading.remarks.push(Failure::new(Reason::Incomplete, detail));
                continue;
            }
            Ok(false) => NamedAnswer::NotFound,
            Err(failure) => NamedAnswer::Unknown(failure),
        };
        reading.answers.insert(ask.clone(), answer);
    }
}
