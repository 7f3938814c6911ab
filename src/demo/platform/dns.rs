//! The zones, records and health checks of the platform.
//!
//! Decides how the public name of a service is spelled for Route 53: records in the DNS account,
//! health checks in the service's own. Called while the world is put up, and by scenarios in which
//! a deployer publishes a new name.

use jiff::Timestamp;
use serde_json::json;

use super::balancers::Standing;
use super::plan::{Check, DNS_ACCOUNT, Front, Record, Site};
use super::{ask, text};
use crate::sim::world::route53::{AliasTarget, RecordSet, Route53, Routing};
use crate::sim::world::{ApiError, Service, World};

/// The zone of every application load balancer in eu-west-1.
const BALANCERS_ZONE: &str = "Z32O12XQLNTSW2";

/// The zones of both environments, with nothing in them yet.
pub(super) fn put_zones(world: &mut World) {
    let dns = zones(world);
    for site in Site::ALL {
        expect_done(dns.put_zone(site.zone_id(), site.zone()));
    }
}

/// What the DNS account has in Route 53.
pub(super) fn zones(world: &mut World) -> &mut Route53 {
    world.route53.entry(DNS_ACCOUNT.to_owned()).or_default()
}

/// Publishes a service under its name.
pub fn put_record(world: &mut World, site: Site, name: &str, front: &Front, standing: &Standing) {
    let host = site.host(name);
    let cname = |ttl: i64, target: &str| RecordSet::simple(&host, "CNAME", ttl, &[target]);
    let half = |set: &str, weight: i64, target: &str| RecordSet {
        set_identifier: Some(set.to_owned()),
        routing: Some(Routing::Weight(weight)),
        ..cname(60, target)
    };
    let records = match (site.of(front.record), &standing.green) {
        (Record::Alias, _) => vec![alias(&host, &standing.dns_name)],
        (Record::Cname(ttl), _) => vec![cname(ttl, &standing.dns_name)],
        (Record::BlueGreen(_), green) => {
            let blue = half("blue", 100, &standing.dns_name);
            std::iter::once(blue).chain(green.as_deref().map(|green| half("green", 0, green))).collect()
        }
    };
    let dns = zones(world);
    for record in records {
        expect_done(dns.put_record(site.zone_id(), record));
    }
}

/// The console writes `dualstack.` before the name.
fn alias(host: &str, balancer: &str) -> RecordSet {
    let target = AliasTarget {
        hosted_zone_id: BALANCERS_ZONE.to_owned(),
        dns_name: format!("dualstack.{balancer}."),
        evaluate_target_health: true,
    };
    RecordSet { name: host.to_owned(), kind: "A".to_owned(), alias: Some(target), ..RecordSet::default() }
}

/// Lets a service be checked from around the world, under a tag `Name`; the check's id.
pub fn put_check(world: &mut World, site: Site, name: &str, check: &Check, at: Timestamp) -> String {
    let owner = site.owner();
    let mut config = json!({
        "Type": "HTTPS",
        "FullyQualifiedDomainName": site.host(name),
        "Port": 443,
        "ResourcePath": check.path,
        "RequestInterval": 30,
        "FailureThreshold": 3,
    });
    if let Some(search) = check.search {
        config["Type"] = json!("HTTPS_STR_MATCH");
        config["SearchString"] = json!(search);
    }
    let input =
        json!({ "CallerReference": format!("wonderland-{name}-{}", at.as_second()), "HealthCheckConfig": config });
    let made = ask(world, &owner, Service::Route53, "CreateHealthCheck", input, at);
    let id = text(&made, "/HealthCheck/Id");
    let tags = json!({
        "ResourceType": "healthcheck",
        "ResourceId": id,
        "AddTags": [{ "Key": "Name", "Value": name }],
    });
    ask(world, &owner, Service::Route53, "ChangeTagsForResource", tags, at);
    id
}

/// The plan holds no name that Route 53 refuses; see [`super::ask`].
pub(super) fn expect_done(result: Result<(), ApiError>) {
    debug_assert!(result.is_ok(), "the example platform cannot be put up: {result:?}");
}
