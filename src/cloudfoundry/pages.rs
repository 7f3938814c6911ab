//! Lists: all pages of one, or none of it.
//!
//! Decides whether a list is whole. Pages are counted from the start of a list that may shrink
//! while it is read, and one deletion then hides another thing: so every page must tell the same
//! total, no guid may come twice, and there must be as many things as were told. A log alone may grow
//! at its end while it is read. A list that fails is read once more, and then is incomplete. Never
//! calls an empty list an absence; that is for the scopes to judge.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::allow_list::{AUDIT_EVENTS, Resource};
use super::classify::{self, CallFailure, Meaning};
use super::read::{ReadContext, parsed};
use super::types::{Domain, Link, Organization, ServiceOffering, ServicePlan, Space};
use crate::core::observation::Reason;

/// The most things on a page that the API allows.
const PER_PAGE: u64 = 5000;
/// Pages beyond those that the total asks for, before a list is taken to be endless.
const PAGES_TOO_MANY: u64 = 2;
/// The most things of one list: no foundation has so many of anything, and memory is bounded.
const LARGEST: u64 = 200_000;

/// A whole list.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// In the order of the platform.
    pub items: Vec<T>,
    /// What was asked for beside them. A thing may come once with every page.
    pub included: Included,
    /// What the platform remarked, each remark once.
    pub warnings: Vec<String>,
}

/// Parents of what is listed, where the query asked for them with `include` or `fields`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Included {
    /// Of spaces.
    pub organizations: Vec<Organization>,
    /// Of routes.
    pub domains: Vec<Domain>,
    /// Of service instances.
    pub service_plans: Vec<ServicePlan>,
    /// Of service plans.
    pub service_offerings: Vec<ServiceOffering>,
    /// Of apps and service instances.
    pub spaces: Vec<Space>,
}

impl Included {
    fn absorb(&mut self, more: Self) {
        self.organizations.extend(more.organizations);
        self.domains.extend(more.domains);
        self.service_plans.extend(more.service_plans);
        self.service_offerings.extend(more.service_offerings);
        self.spaces.extend(more.spaces);
    }
}

#[derive(Deserialize)]
pub(super) struct Page<T> {
    pagination: Pagination,
    resources: Vec<T>,
    #[serde(default)]
    included: Included,
}

#[derive(Deserialize)]
struct Pagination {
    total_results: u64,
    #[serde(default)]
    next: Option<Link>,
}

/// The same page again, for nothing but the guids.
#[derive(Deserialize)]
struct Guids {
    resources: Vec<Guid>,
}

#[derive(Deserialize)]
struct Guid {
    guid: Arc<str>,
}

/// One way through all pages.
enum Round<T> {
    Whole(Listed<T>),
    /// It changed on the way, in words.
    Changed(String),
}

impl ReadContext {
    /// Reads all pages of a list. An unknown parameter is [`Reason::Invalid`] with status 400.
    pub async fn list<T: DeserializeOwned>(
        &self,
        resource: &'static Resource,
        query: &[(&str, &str)],
    ) -> Result<Listed<T>, CallFailure> {
        if let Round::Whole(listed) = self.round(resource, query).await? {
            return Ok(listed);
        }
        match self.round(resource, query).await? {
            Round::Whole(listed) => Ok(listed),
            Round::Changed(said) => Err(self.session.failed(resource.name, Meaning::new(Reason::Incomplete, said))),
        }
    }

    async fn round<T: DeserializeOwned>(
        &self,
        resource: &'static Resource,
        query: &[(&str, &str)],
    ) -> Result<Round<T>, CallFailure> {
        let mut listed = Listed { items: Vec::new(), included: Included::default(), warnings: Vec::new() };
        // What is sorted by its age grows at its end; what then moves to the next page comes twice.
        let grows = *resource == AUDIT_EVENTS;
        let mut seen = BTreeSet::new();
        let (mut least, mut last) = (None, 0);
        for number in 1.. {
            let (page, guids) = self.page::<T>(resource, query, number, &mut listed.warnings).await?;
            let total = page.pagination.total_results;
            let first = *least.get_or_insert(total);
            let before = std::mem::replace(&mut last, total).max(first);
            if total < before || (total > before && !grows) {
                return Ok(Round::Changed(format!("the total went from {before} to {total} between two pages")));
            }
            if total > LARGEST {
                let said = format!("it is said to have {total} things; moored takes in {LARGEST} of one list at most");
                let hint = "declare fewer organisations for one moored, or report it";
                return Err(self.session.failed(resource.name, Meaning::hinted(Reason::Incomplete, said, hint)));
            }
            for (guid, thing) in guids.into_iter().zip(page.resources) {
                match seen.replace(guid) {
                    None => listed.items.push(thing),
                    Some(_) if grows => {}
                    Some(twice) => return Ok(Round::Changed(format!("{twice} came twice"))),
                }
            }
            listed.included.absorb(page.included);
            let Some(next) = page.pagination.next else { break };
            if !self.session.is_own(&next.href) {
                let said = "the next page is said to be at another host".to_owned();
                return Err(self.session.failed(resource.name, Meaning::new(Reason::Malformed, said)));
            }
            if number >= total.div_ceil(PER_PAGE) + PAGES_TOO_MANY {
                let said = format!("after {number} pages of {total} things there is said to be another");
                return Err(self.session.failed(resource.name, Meaning::new(Reason::Incomplete, said)));
            }
        }
        let (count, least) = (listed.items.len() as u64, least.unwrap_or_default());
        if count < least || count > last {
            return Ok(Round::Changed(format!("{count} things came where {last} were told")));
        }
        Ok(Round::Whole(listed))
    }

    async fn page<T: DeserializeOwned>(
        &self,
        resource: &'static Resource,
        query: &[(&str, &str)],
        number: u64,
        warnings: &mut Vec<String>,
    ) -> Result<(Page<T>, Vec<Arc<str>>), CallFailure> {
        let (per_page, page) = (PER_PAGE.to_string(), number.to_string());
        let mut query = query.to_vec();
        query.push(("per_page", per_page.as_str()));
        if let Some(order) = resource.order.filter(|_| !query.iter().any(|(name, _)| *name == "order_by")) {
            query.push(("order_by", order));
        }
        if number > 1 {
            query.push(("page", page.as_str()));
        }
        let answer =
            self.get(resource, None, &query).await.map_err(|failure| self.beyond_the_cap(resource, failure))?;
        let failed = |meaning| self.session.failed(resource.name, meaning);
        let guids: Guids = parsed(&answer).map_err(failed)?;
        let page = parsed(&answer).map_err(failed)?;
        for warning in answer.warnings {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        Ok((page, guids.resources.into_iter().map(|thing| thing.guid).collect()))
    }

    /// An operator can cap how far a list may be read, which the platform tells in words alone.
    fn beyond_the_cap(&self, resource: &Resource, failure: CallFailure) -> CallFailure {
        let is_cap = |error: &classify::ApiError| error.detail.contains("maximum_result");
        if failure.status != Some(400) || !failure.error.as_ref().is_some_and(is_cap) {
            return failure;
        }
        let said = "it has more things than the operator lets anybody list (cc.renderer.max_total_results)";
        let hint = "ask the operator to raise it, or declare fewer organisations";
        self.session.failed(resource.name, Meaning::hinted(Reason::Incomplete, said, hint))
    }
}
