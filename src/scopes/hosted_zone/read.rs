//! The calls that read a hosted zone, and what their answers say.
//!
//! Decides which zone a name means and how a listed record set is understood; whether the list is
//! whole is decided next door. Never writes. Called by [`super::HostedZone`].

use aws_sdk_route53::types::{ResourceRecordSet, RrType};

use crate::aws::allow_list::{
    ROUTE53_GET_HOSTED_ZONE, ROUTE53_LIST_HOSTED_ZONES_BY_NAME, ROUTE53_LIST_RESOURCE_RECORD_SETS,
};
use crate::aws::read::ReadContext;
use crate::core::observation::{Failure, Reason};
use crate::kinds::dns_record::live::{Alias, Observed, geolocation};
use crate::kinds::dns_record::name::canonical;
use crate::scopes::pages::Pages;

/// The largest page of records.
const RECORDS_PAGE: i32 = 300;
/// The largest page of zones.
const ZONES_PAGE: i32 = 100;

/// The id of the one zone of this name.
pub(super) async fn zone_id(cx: &ReadContext, zone: &str) -> Result<String, Failure> {
    let mut found: Vec<(String, bool)> = Vec::new();
    let mut pages = Pages::of("ListHostedZonesByName");
    let mut start: (String, Option<String>) = (zone.to_owned(), None);
    loop {
        let (name, id) = start;
        let request =
            cx.clients.route53.list_hosted_zones_by_name().dns_name(name).set_hosted_zone_id(id).max_items(ZONES_PAGE);
        let page = cx.call(&ROUTE53_LIST_HOSTED_ZONES_BY_NAME, request.send()).await?;
        for listed in page.hosted_zones().iter().filter(|listed| canonical(listed.name()) == zone) {
            let private = listed.config().is_some_and(|config| config.private_zone());
            found.push((bare_id(listed.id()), private));
        }
        // Zones come in the order of their names, beginning with the one that was asked for.
        match page.next_dns_name() {
            Some(next) if page.is_truncated() && canonical(next) == zone => {
                start = pages.next((next.to_owned(), page.next_hosted_zone_id().map(str::to_owned)))?;
            }
            _ => break,
        }
    }
    found.sort();
    found.dedup();
    let account = &cx.clients.account;
    match found.as_slice() {
        [(id, _)] => Ok(id.clone()),
        [] => Err(Failure::new(
            Reason::ContainerMissing,
            format!(
                "account {account} has no hosted zone {zone}; its records are unknown, not gone — check `zone:` and `account:`"
            ),
        )),
        several => {
            let ids: Vec<String> = several
                .iter()
                .map(|(id, private)| format!("{id} ({})", if *private { "private" } else { "public" }))
                .collect();
            Err(Failure::new(
                Reason::Ambiguous,
                format!(
                    "account {account} has {} hosted zones {zone}: {} — moored knows a zone by its name, so keep one of them in this account",
                    ids.len(),
                    ids.join(", ")
                ),
            ))
        }
    }
}

/// How many records Route 53 says there are.
pub(super) async fn record_count(cx: &ReadContext, id: &str) -> Result<usize, Failure> {
    let answer = cx.call(&ROUTE53_GET_HOSTED_ZONE, cx.clients.route53.get_hosted_zone().id(id).send()).await?;
    let count = answer.hosted_zone().and_then(|zone| zone.resource_record_set_count());
    count.and_then(|count| usize::try_from(count).ok()).ok_or_else(|| {
        Failure::new(
            Reason::Malformed,
            format!("GetHostedZone of {id} gave no ResourceRecordSetCount, so no list of it can be proven whole"),
        )
    })
}

/// Every record set, page by page.
pub(super) async fn records(cx: &ReadContext, id: &str) -> Result<Vec<Observed>, Failure> {
    let mut records = Vec::new();
    let mut pages = Pages::of("ListResourceRecordSets");
    let mut start: (Option<String>, Option<String>, Option<String>) = (None, None, None);
    loop {
        let (name, record_type, set) = start;
        let request = cx
            .clients
            .route53
            .list_resource_record_sets()
            .hosted_zone_id(id)
            .max_items(RECORDS_PAGE)
            .set_start_record_name(name)
            .set_start_record_type(record_type.map(|text| RrType::from(text.as_str())))
            .set_start_record_identifier(set);
        let page = cx.call(&ROUTE53_LIST_RESOURCE_RECORD_SETS, request.send()).await?;
        records.extend(page.resource_record_sets().iter().map(observed));
        if !page.is_truncated() {
            return Ok(records);
        }
        if page.next_record_name().is_none() {
            return Err(Failure::new(
                Reason::Malformed,
                format!("ListResourceRecordSets of {id} has more records, but does not say where they begin"),
            ));
        }
        start = pages.next((
            page.next_record_name().map(str::to_owned),
            page.next_record_type().map(|record_type| record_type.as_str().to_owned()),
            page.next_record_identifier().map(str::to_owned),
        ))?;
    }
}

fn observed(record: &ResourceRecordSet) -> Observed {
    Observed {
        name: record.name().to_owned(),
        record_type: record.r#type().as_str().to_owned(),
        set: record.set_identifier().map(str::to_owned),
        ttl: record.ttl(),
        values: record.resource_records().iter().map(|record| record.value().to_owned()).collect(),
        alias: record.alias_target().map(|alias| Alias {
            dns_name: alias.dns_name().to_owned(),
            hosted_zone_id: bare_id(alias.hosted_zone_id()),
            evaluate_target_health: alias.evaluate_target_health(),
        }),
        weight: record.weight(),
        region: record.region().map(|region| region.as_str().to_owned()),
        failover: record.failover().map(|failover| failover.as_str().to_owned()),
        geolocation: record
            .geo_location()
            .map(|place| geolocation(place.continent_code(), place.country_code(), place.subdivision_code())),
        multi_value_answer: record.multi_value_answer().unwrap_or(false),
        health_check_id: record.health_check_id().map(str::to_owned),
    }
}

/// An id without the `/hostedzone/` that Route 53 puts before it.
fn bare_id(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}
