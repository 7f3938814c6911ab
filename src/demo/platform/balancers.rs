//! The load balancers of the platform, with listeners, target groups and healthy targets.
//!
//! Decides how the front of a service is spelled for ELBv2. Called while the world is put up, and
//! by scenarios in which a deployer makes a new one.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::{App, Balancer, Front, REGION, Record, Site, VPC};
use super::{ask, text};
use crate::sim::world::{Caller, Service, World};

const TLS_POLICY: &str = "ELBSecurityPolicy-TLS13-1-2-2021-06";

/// A load balancer that stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its ARN.
    pub arn: String,
    /// What records point to.
    pub dns_name: String,
    /// The DNS name of its green twin, where traffic is shifted between two.
    pub green: Option<String>,
}

/// Puts the balancer of a service into place, and its green twin where the record has two halves.
pub fn put(world: &mut World, site: Site, app: &App, front: &Front, at: Timestamp) -> Standing {
    let tasks = site.of(app.tasks);
    let (arn, dns_name) = put_one(world, site, app, front, (app.name, site.of(front.drawn)), tasks, at);
    let green = match site.of(front.record) {
        Record::BlueGreen(drawn) => {
            let name = format!("{}-green", app.name);
            Some(put_one(world, site, app, front, (name.as_str(), drawn), 0, at).1)
        }
        Record::Alias | Record::Cname(_) => None,
    };
    Standing { arn, dns_name, green }
}

/// Puts one balancer of this name, with this part of its DNS name and so many targets, into place;
/// its ARN and DNS name.
fn put_one(
    world: &mut World,
    site: Site,
    app: &App,
    front: &Front,
    (name, drawn): (&str, &str),
    tasks: u64,
    at: Timestamp,
) -> (String, String) {
    let owner = site.owner();
    let port = app.port.unwrap_or(80);
    let elbv2 =
        |world: &mut World, operation: &str, input: Value| ask(world, &owner, Service::Elbv2, operation, input, at);

    let group = elbv2(world, "CreateTargetGroup", target_group(name, front.balancer, port));
    let group = text(&group, "/TargetGroups/0/TargetGroupArn");
    let targets: Vec<Value> =
        (0..tasks).map(|task| json!({ "Id": format!("10.0.1.{}", task + 11), "Port": port })).collect();
    if !targets.is_empty() {
        elbv2(world, "RegisterTargets", json!({ "TargetGroupArn": group, "Targets": targets }));
    }
    let balancer = elbv2(world, "CreateLoadBalancer", load_balancer(name, app.team, front.balancer));
    let arn = text(&balancer, "/LoadBalancers/0/LoadBalancerArn");
    elbv2(world, "CreateListener", listener(&arn, &group, front.balancer, port, site));
    let mut attributes = Vec::new();
    if front.balancer == Balancer::Web {
        attributes.push(json!({ "Key": "idle_timeout.timeout_seconds", "Value": front.idle_timeout }));
    }
    if site.of(front.protected) && name == app.name {
        attributes.push(json!({ "Key": "deletion_protection.enabled", "Value": "true" }));
    }
    if !attributes.is_empty() {
        elbv2(world, "ModifyLoadBalancerAttributes", json!({ "LoadBalancerArn": arn, "Attributes": attributes }));
    }

    let dns_name = front.balancer.dns_name(name, drawn);
    let Caller { account, region, .. } = site.owner();
    world.elbv2.entry((account, region)).or_default().set_dns_name(&arn, &dns_name);
    (arn, dns_name)
}

fn target_group(name: &str, balancer: Balancer, port: u16) -> Value {
    let mut group = json!({ "Name": name, "Port": port, "VpcId": VPC, "TargetType": "ip" });
    match balancer {
        Balancer::Web => {
            group["Protocol"] = json!("HTTP");
            group["HealthCheckPath"] = json!("/health");
        }
        Balancer::Inner => group["Protocol"] = json!("TCP"),
    }
    group
}

fn load_balancer(name: &str, team: &str, balancer: Balancer) -> Value {
    let tags = json!([{ "Key": "team", "Value": team }]);
    let subnets = json!(["subnet-0aaa1111", "subnet-0bbb2222"]);
    match balancer {
        Balancer::Web => json!({
            "Name": name,
            "Type": "application",
            "Scheme": "internet-facing",
            "Subnets": subnets,
            "SecurityGroups": ["sg-0web443"],
            "Tags": tags,
        }),
        Balancer::Inner => {
            json!({ "Name": name, "Type": "network", "Scheme": "internal", "Subnets": subnets, "Tags": tags })
        }
    }
}

fn listener(balancer_arn: &str, group_arn: &str, balancer: Balancer, port: u16, site: Site) -> Value {
    let actions = json!([{ "Type": "forward", "TargetGroupArn": group_arn }]);
    match balancer {
        Balancer::Web => {
            let certificate = format!("arn:aws:acm:{REGION}:{}:certificate/6e0c2f1e-simulated", site.account());
            json!({
                "LoadBalancerArn": balancer_arn,
                "Protocol": "HTTPS",
                "Port": 443,
                "SslPolicy": TLS_POLICY,
                "Certificates": [{ "CertificateArn": certificate }],
                "DefaultActions": actions,
            })
        }
        Balancer::Inner => {
            json!({ "LoadBalancerArn": balancer_arn, "Protocol": "TCP", "Port": port, "DefaultActions": actions })
        }
    }
}
