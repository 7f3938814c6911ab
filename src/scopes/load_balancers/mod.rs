//! The load balancers and target groups of one account and region.
//!
//! Decides that a reading is whole, which things are asked about by name (those that somebody wants,
//! and those that the lists have lost), and which details are wanted. Never judges a balancer. The engine opens it by way of [`super::open`].

mod detail;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::aws::read::ReadContext;
use crate::core::asks::{Asks, Facet};
use crate::core::identity::{Ask, ScopeKey, Select};
use crate::core::observation::{Failure, NamedAnswer, Reading, Reason};
use crate::kinds::{load_balancer, target_group};
use crate::scopes::{ReadFuture, Scope};
use detail::Details;
use read::Listed;

/// The most lost things that one reading asks about; the others are asked about by the next ones.
const MOST_LOST: usize = 50;

/// The reader of one account and region.
#[derive(Debug)]
pub struct LoadBalancers {
    details: Details,
    /// Kinds and names that the lists had, and that are not known to be gone.
    known: BTreeSet<(&'static str, Arc<str>)>,
}

impl LoadBalancers {
    /// A reader that has read nothing yet; account and region are the context's.
    pub fn new(_key: &ScopeKey) -> Self {
        Self { details: Details::new(), known: BTreeSet::new() }
    }

    async fn read_all(&mut self, cx: &ReadContext, asks: &Asks) -> Result<Reading, Failure> {
        let mut reading = Reading::begin(cx.now());
        let mut listed = Listed::read(cx).await?;
        (reading.complete, reading.listed) = (true, true);
        let lost = self.lost(&listed);
        let questions: BTreeSet<Ask> = asks.things.keys().chain(lost.iter().take(MOST_LOST)).cloned().collect();
        ask_by_name(cx, &questions, &mut listed, &mut reading).await;
        self.account_for(lost, &listed, &mut reading);
        listed.connect();

        let mut wanted: BTreeMap<Arc<str>, BTreeSet<Facet>> = BTreeMap::new();
        for (ask, facets) in &asks.things {
            if let Some(arn) = listed.arn_of(ask) {
                wanted.entry(arn.clone()).or_default().extend(facets);
            }
        }
        self.details.keep_only(&listed.arns());
        // Where a group may be missing from its list, any balancer may have one.
        let attached = if reading.complete { listed.attached() } else { listed.arns() };
        self.details.refresh(cx, &wanted, &attached, &mut reading.remarks).await;

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

    /// What the lists had and lack now. A list has no count to be checked against: whether it is
    /// whole, or these things are gone, only a question by name tells.
    fn lost(&self, listed: &Listed) -> Vec<Ask> {
        let lost = self.known.iter().map(|(kind, name)| Ask { kind, select: Select::Key(name.clone()) });
        lost.filter(|ask| listed.leaves_open(ask)).collect()
    }

    /// Nothing is called gone while something is neither listed nor known to be gone.
    fn account_for(&mut self, lost: Vec<Ask>, listed: &Listed, reading: &mut Reading) {
        let is_gone = |ask: &Ask| reading.answers.get(ask) == Some(&NamedAnswer::NotFound);
        let open: Vec<Ask> = lost.into_iter().filter(|ask| listed.leaves_open(ask) && !is_gone(ask)).collect();
        self.known = listed.names();
        if open.is_empty() {
            return;
        }
        reading.complete = false;
        let detail = format!(
            "the lists lack {} things that they had, and it is not known that these are gone; nothing is called gone until it is",
            open.len()
        );
        reading.remarks.push(Failure::new(Reason::Incomplete, detail));
        for ask in open {
            if let Select::Key(name) = ask.select {
                self.known.insert((ask.kind, name));
            }
        }
    }
}

impl Scope for LoadBalancers {
    fn read<'a>(&'a mut self, context: &'a ReadContext, asks: &'a Asks) -> ReadFuture<'a> {
        Box::pin(self.read_all(context, asks))
    }
}

/// Asks about each wanted thing that the list lacks. One that is there after all shows that the
/// list is not whole.
async fn ask_by_name(cx: &ReadContext, questions: &BTreeSet<Ask>, listed: &mut Listed, reading: &mut Reading) {
    for ask in questions {
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
