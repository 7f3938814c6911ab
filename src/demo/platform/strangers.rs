//! Things that exist and that no manifest mentions: nobody's business, and no drift.
//!
//! Decides nothing about them but that they are there, as in every real account.

use jiff::Timestamp;
use serde_json::json;

use super::ask;
use super::dns::{expect_done, zones};
use super::plan::{CLUSTER, Site, VPC};
use crate::sim::world::route53::RecordSet;
use crate::sim::world::{Service, World, dynamodb, ecs};

/// Leftovers, experiments and other teams' things.
pub(super) fn put(world: &mut World, made: Timestamp) {
    let owner = Site::Production.owner();
    for name in ["hackday-bot", "metrics-forwarder"] {
        ecs::of(world, &owner).put_running_service(&owner, CLUSTER, name, 1, name, made);
    }
    dynamodb::of(world, &owner).put_table(&owner, "shop-sessions", "session", None, made);
    let wiki = json!({ "Name": "old-wiki", "Subnets": ["subnet-0aaa1111", "subnet-0bbb2222"] });
    ask(world, &owner, Service::Elbv2, "CreateLoadBalancer", wiki, made);
    let group = json!({ "Name": "old-wiki", "Protocol": "HTTP", "Port": 80, "VpcId": VPC, "TargetType": "ip" });
    ask(world, &owner, Service::Elbv2, "CreateTargetGroup", group, made);

    let dns = zones(world);
    expect_done(dns.put_zone("Z03PARKEDEXAMPLE", "example.net"));
    let zone = Site::Production.zone_id();
    for record in [
        RecordSet::simple("example.com", "MX", 3600, &["10 mx1.example.com", "20 mx2.example.com"]),
        RecordSet::simple("example.com", "TXT", 3600, &["\"v=spf1 include:_spf.example.com -all\""]),
        RecordSet::simple("wiki.example.com", "A", 300, &["192.0.2.17"]),
        RecordSet::simple("*.preview.example.com", "A", 300, &["192.0.2.18"]),
    ] {
        expect_done(dns.put_record(zone, record));
    }
}
