//! The calls that read health checks, and what their answers say.
//!
//! Decides how a listed check, its tags and its status are understood; when each is read is decided
//! next door. Never writes. Called by [`super::HealthChecks`].

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_route53::types::{HealthCheck, HealthCheckObservation, TagResourceType};

use crate::aws::allow_list::{
    ROUTE53_GET_HEALTH_CHECK, ROUTE53_GET_HEALTH_CHECK_COUNT, ROUTE53_GET_HEALTH_CHECK_STATUS,
    ROUTE53_LIST_HEALTH_CHECKS, ROUTE53_LIST_TAGS_FOR_RESOURCES,
};
use crate::aws::read::ReadContext;
use crate::core::observation::{Failure, Reason};
use crate::kinds::health_check::live::{Observed, Status, Tags, is_endpoint};
use crate::scopes::pages::Pages;

/// The largest page of health checks.
const PAGE: i32 = 100;

/// How many health checks Route 53 says the account has.
pub(super) async fn count(cx: &ReadContext) -> Result<usize, Failure> {
    let answer = cx.call(&ROUTE53_GET_HEALTH_CHECK_COUNT, cx.clients.route53.get_health_check_count().send()).await?;
    let count = answer.health_check_count();
    usize::try_from(count)
        .map_err(|_| Failure::new(Reason::Malformed, format!("GetHealthCheckCount gave {count}, which is no count")))
}

/// Every health check by its id, page by page.
pub(super) async fn list(cx: &ReadContext) -> Result<BTreeMap<Arc<str>, Observed>, Failure> {
    let mut checks = BTreeMap::new();
    let mut pages = Pages::of("ListHealthChecks");
    let mut marker: Option<String> = None;
    loop {
        let request = cx.clients.route53.list_health_checks().max_items(PAGE).set_marker(marker);
        let page = cx.call(&ROUTE53_LIST_HEALTH_CHECKS, request.send()).await?;
        for check in page.health_checks() {
            checks.insert(Arc::from(check.id()), observed(check));
        }
        if !page.is_truncated() {
            return Ok(checks);
        }
        let Some(next) = page.next_marker() else {
            return Err(Failure::new(
                Reason::Malformed,
                "ListHealthChecks has more checks, but does not say where they begin",
            ));
        };
        marker = Some(pages.next(next.to_owned())?);
    }
}

/// The health check of this id; `None` when Route 53 says that there is none.
pub(super) async fn named(cx: &ReadContext, id: &str) -> Result<Option<Observed>, Failure> {
    let request = cx.clients.route53.get_health_check().health_check_id(id);
    match cx.call(&ROUTE53_GET_HEALTH_CHECK, request.send()).await {
        Ok(answer) => match answer.health_check().filter(|check| check.id() == id) {
            Some(check) => Ok(Some(observed(check))),
            None => {
                Err(Failure::new(Reason::Malformed, format!("GetHealthCheck of {id} answered with something else")))
            }
        },
        Err(failure) if failure.is_not_found(&ROUTE53_GET_HEALTH_CHECK) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// The tags of up to ten health checks, by id.
pub(super) async fn tags(cx: &ReadContext, ids: &[Arc<str>]) -> Result<BTreeMap<Arc<str>, Tags>, Failure> {
    let ids = ids.iter().map(|id| id.to_string()).collect();
    let request = cx
        .clients
        .route53
        .list_tags_for_resources()
        .resource_type(TagResourceType::Healthcheck)
        .set_resource_ids(Some(ids));
    let answer = cx.call(&ROUTE53_LIST_TAGS_FOR_RESOURCES, request.send()).await?;
    let mut all = BTreeMap::new();
    for set in answer.resource_tag_sets() {
        let pairs = set
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())));
        if let Some(id) = set.resource_id() {
            all.insert(Arc::from(id), pairs.collect());
        }
    }
    Ok(all)
}

/// The code by which Route 53 refuses a question that makes no sense.
const INVALID: &str = "InvalidInput";

/// What the checkers of one health check reported last; `None` where Route 53 refuses to tell it of
/// a check that asks no endpoint. Of one that does, the same refusal is a failure like any other.
pub(super) async fn status(cx: &ReadContext, id: &str, check_type: &str) -> Result<Option<Status>, Failure> {
    let request = cx.clients.route53.get_health_check_status().health_check_id(id);
    match cx.call(&ROUTE53_GET_HEALTH_CHECK_STATUS, request.send()).await {
        Ok(answer) => Ok(Some(summed(answer.health_check_observations()))),
        Err(failure) if failure.code.as_deref() == Some(INVALID) && !is_endpoint(check_type) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// A checker's report begins with `Success` or `Failure`; what says neither is no report.
fn summed(observations: &[HealthCheckObservation]) -> Status {
    let mut sum = Status::default();
    for report in observations.iter().filter_map(|observation| observation.status_report()?.status()) {
        let failed = report.starts_with("Failure");
        if failed || report.starts_with("Success") {
            sum.checkers += 1;
            sum.failed += i64::from(failed);
        }
    }
    sum
}

fn observed(check: &HealthCheck) -> Observed {
    let named = Observed {
        id: check.id().to_owned(),
        caller_reference: check.caller_reference().to_owned(),
        ..Observed::default()
    };
    let Some(config) = check.health_check_config() else { return named };
    Observed {
        check_type: config.r#type().as_str().to_owned(),
        fqdn: config.fully_qualified_domain_name().map(str::to_owned),
        ip_address: config.ip_address().map(str::to_owned),
        port: config.port(),
        resource_path: config.resource_path().map(str::to_owned),
        search_string: config.search_string().map(str::to_owned),
        request_interval: config.request_interval(),
        failure_threshold: config.failure_threshold(),
        measure_latency: config.measure_latency(),
        inverted: config.inverted(),
        disabled: config.disabled(),
        health_threshold: config.health_threshold(),
        children: config.child_health_checks().to_vec(),
        enable_sni: config.enable_sni(),
        regions: config.regions().iter().map(|region| region.as_str().to_owned()).collect(),
        ..named
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_route53::types::StatusReport;

    use super::*;

    #[test]
    fn only_reports_of_success_or_failure_are_counted() {
        let said = |text: &str| {
            HealthCheckObservation::builder().status_report(StatusReport::builder().status(text).build()).build()
        };
        let observations = [
            said("Success: HTTP Status Code 200, OK"),
            said("Failure: Connection timed out"),
            said("Unknown"),
            HealthCheckObservation::builder().build(),
        ];
        assert_eq!(summed(&observations), Status { checkers: 2, failed: 1 });
    }
}
