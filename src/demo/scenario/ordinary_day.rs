//! `ordinary-day`: everything that happens anyway.
//!
//! A deployer begins a new service, a release rolls out slowly, traffic is shifted, acceptance tests
//! come and go in AWS and on Cloud Foundry, the night is quieter than the day, AWS asks for fewer
//! calls, moored itself is restarted, and the platform gets a new buildpack and a new stack. What
//! moored must do: nothing that anybody would be woken for. Whatever is on its way is converging, what
//! cannot be read is unknown, and neither is ever a finding; what waits for a restage is good to know.

mod cloud_foundry;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::by_hand;
use super::sights::{SOON, all_in_sync, calm, entry, no_finding};
use crate::demo::outside::{Report, text};
use crate::demo::platform::{self, App, CHECKOUT, CLUSTER, DEPLOYMENTS, PREVIEW, Record, SHOP, Site, dns_owner};
use crate::demo::script::{Act, Expectation, Seen, Sees, Step, expect};
use crate::sim::wire::Cloud;
use crate::sim::world::ecs::{self, RolloutState};
use crate::sim::world::faults::{Effect, Match, Rule};
use crate::sim::world::{ApiError, Service, World};

/// The first readings: budgets make them take a while.
const FIRST_READINGS: SignedDuration = SignedDuration::from_mins(4);

/// Longer than the time between two readings of anything but a table's scan.
const TWO_READINGS: SignedDuration = SignedDuration::from_secs(75);

/// A table is scanned every five minutes.
const A_SCAN: SignedDuration = SignedDuration::from_mins(8);

/// A throttled call is tried again and again, in real time, before it is given up.
const THROTTLED: SignedDuration = SignedDuration::from_mins(8);

pub fn steps() -> Vec<Step> {
    vec![
        a_calm_morning(),
        a_new_service_is_begun(),
        a_release_rolls_out(),
        the_release_is_done(),
        traffic_is_shifted(),
        acceptance_tests(),
        the_item_waits(),
        the_new_service_arrives(),
        cloud_foundry::acceptance_tests(),
        cloud_foundry::acceptance_tests_are_over(),
        cloud_foundry::a_rolling_deploy(),
        cloud_foundry::the_deploy_is_done(),
        the_night(),
        aws_asks_for_fewer_calls(),
        aws_answers_again(),
        moored_is_restarted(),
        cloud_foundry::a_new_buildpack(),
        cloud_foundry::the_apps_are_built_again(),
        cloud_foundry::a_stack_roll(),
    ]
}

fn quiet() -> Expectation {
    expect("there never was any finding", SOON, Sees::NeverAnyFinding)
}

fn a_calm_morning() -> Step {
    Step {
        title: "a calm morning",
        story: "Two (simulated) environments, ten services each, and three apps on a Cloud Foundry, as the manifests \
                declare them.",
        act: Act::Nothing,
        look: &["moored check --cloud {cloud} --desired-state {state}"],
        shows_check: false,
        expect: calm(FIRST_READINGS),
    }
}

fn a_new_service_is_begun() -> Step {
    Step {
        title: "a deployer begins a new service",
        story: "It makes a load balancer, a name and a health check for preview-42, and writes all of it into its \
                table. The service itself comes later: for a while the item's parent does not exist.",
        act: Act::Cloud(begin_preview),
        look: &[],
        shows_check: false,
        expect: vec![expect("nothing is found", SOON, Sees::Report(no_finding))],
    }
}

fn a_release_rolls_out() -> Step {
    Step {
        title: "a release rolls out",
        story: "shop gets a new task definition. Its tasks are slow to start, so two deployments run side by side.",
        act: Act::Cloud(deploy_shop),
        look: &[
            "curl -s {metrics}/metrics | grep 'state=\"converging\"'",
            "curl -s {api}/api/v1/report | jq .converging",
        ],
        shows_check: false,
        expect: vec![
            expect("shop is converging", SOON, Sees::Report(shop_is_converging)),
            expect("nothing is found", SOON, Sees::Report(no_finding)),
        ],
    }
}

fn the_release_is_done() -> Step {
    Step {
        title: "the release is done",
        story: "The new tasks run, the old ones are gone.",
        act: Act::Cloud(finish_shop),
        look: &[],
        shows_check: false,
        expect: vec![expect("shop is no longer converging", SOON, Sees::Report(shop_is_settled)), quiet()],
    }
}

fn traffic_is_shifted() -> Step {
    Step {
        title: "traffic is shifted",
        story: "The release pipeline moves ten percent of checkout's traffic from blue to green. An Ignore with an \
                owner, a reason and an end says that weights are its business.",
        act: Act::Cloud(shift_checkout),
        look: &["curl -s {api}/api/v1/report | jq .ignored"],
        shows_check: false,
        expect: vec![expect("both weights are ignored, in the open", SOON, Sees::Report(weights_are_ignored)), quiet()],
    }
}

fn acceptance_tests() -> Step {
    Step {
        title: "acceptance tests come",
        story: "They make a service, a load balancer, a record and a health check that no manifest mentions, and take \
                all of it away again. Nobody declared it, so nobody misses it.",
        act: Act::CloudThenWait(run_acceptance_tests, TWO_READINGS),
        look: &[],
        shows_check: false,
        expect: vec![expect("nothing is found", SOON, Sees::Report(no_finding)), quiet()],
    }
}

fn the_item_waits() -> Step {
    Step {
        title: "acceptance tests go, and the item waits",
        story: "moored has found the item of preview-42, whose service is still not there. It was written minutes \
                ago: the service may be on its way, so the item is converging and no orphan.",
        act: Act::CloudThenWait(end_acceptance_tests, TWO_READINGS),
        look: &["curl -s {api}/api/v1/report | jq '.converging[] | select(.kind == \"TableItem\")'"],
        shows_check: false,
        expect: vec![
            expect("the item is converging", A_SCAN, Sees::Report(preview_is_converging)),
            expect("nothing is found", SOON, Sees::Report(no_finding)),
        ],
    }
}

fn the_new_service_arrives() -> Step {
    Step {
        title: "the new service arrives",
        story: "The deployer creates preview-42 at last.",
        act: Act::Cloud(create_preview),
        look: &[],
        shows_check: false,
        expect: vec![expect("nothing waits any more", A_SCAN, Sees::Report(all_in_sync)), quiet()],
    }
}

fn the_night() -> Step {
    Step {
        title: "the night",
        story: "Fewer customers: the autoscaler takes shop from six tasks to four, which is within its capacity.",
        act: Act::CloudThenWait(scale_shop_down, TWO_READINGS),
        look: &["moored show EcsService/shop --cloud {cloud} --desired-state {state}"],
        shows_check: false,
        expect: vec![expect("everything is in sync", SOON, Sees::Report(all_in_sync)), quiet()],
    }
}

fn aws_asks_for_fewer_calls() -> Step {
    Step {
        title: "AWS asks for fewer calls",
        story: "ECS and DynamoDB throttle every call for more than a minute. What cannot be read is unknown: not in \
                sync, and not drift either.",
        act: Act::CloudThenWait(throttle, SignedDuration::from_secs(60)),
        look: &["curl -s {metrics}/metrics | grep -E 'moored_observation_failures_total|state=\"unknown\"'"],
        shows_check: false,
        expect: vec![
            expect("services and items are unknown for that reason", THROTTLED, Sees::Report(throttled)),
            expect("nothing is found", SOON, Sees::Report(no_finding)),
        ],
    }
}

fn aws_answers_again() -> Step {
    Step {
        title: "AWS answers again",
        story: "The next readings succeed.",
        act: Act::Cloud(answer_again),
        look: &[],
        shows_check: false,
        expect: vec![expect("nothing is unknown any more", THROTTLED, Sees::Report(all_in_sync)), quiet()],
    }
}

fn moored_is_restarted() -> Step {
    let mut expected = calm(FIRST_READINGS);
    expected.push(quiet());
    Step {
        title: "moored is restarted",
        story: "A new version is rolled out, or the node goes away. The state file is still there; until everything \
                has been read again, it is unknown.",
        act: Act::RestartDaemon,
        look: &["moored check --cloud {cloud} --desired-state {state}"],
        shows_check: true,
        expect: expected,
    }
}

/// Balancer, name and check first, then the item; the service comes later.
fn begin_preview(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    let item = cloud.with_world(|world| stand_in_front_of(world, &PREVIEW, now));
    let input = json!({ "TableName": DEPLOYMENTS, "Item": item });
    by_hand(cloud, &Site::Production.owner(), Service::DynamoDb, "PutItem", input).map(drop)
}

/// Everything that makes a service reachable, and the item that names it.
fn stand_in_front_of(world: &mut World, app: &App, now: Timestamp) -> Value {
    let site = Site::Production;
    let Some(front) = &app.front else { return Value::Null };
    let standing = platform::put_balancer(world, site, app, front, now);
    platform::put_record(world, site, app.name, front, &standing);
    let check = front.check.as_ref().map(|check| platform::put_check(world, site, app.name, check, now));
    platform::item(app.name, now, &standing.arn, Some(&site.host(app.name)), &check.unwrap_or_default())
}

fn create_preview(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    let owner = Site::Production.owner();
    let definition = platform::task_definition(&PREVIEW, Site::Production, "2026.11.1-preview");
    by_hand(cloud, &owner, Service::Ecs, "RegisterTaskDefinition", definition)?;
    let input = cloud.with_world(|world| platform::creation(world, &PREVIEW, Site::Production));
    by_hand(cloud, &owner, Service::Ecs, "CreateService", input).map(drop)
}

/// A new revision whose tasks do not start until [`finish_shop`].
fn deploy_shop(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    let owner = Site::Production.owner();
    let definition = platform::task_definition(&SHOP, Site::Production, "2026.11.1");
    by_hand(cloud, &owner, Service::Ecs, "RegisterTaskDefinition", definition)?;
    let input = json!({ "cluster": CLUSTER, "service": SHOP.name, "taskDefinition": SHOP.name });
    by_hand(cloud, &owner, Service::Ecs, "UpdateService", input)?;
    cloud.with_world(|world| {
        if let Some(shop) = ecs::of(world, &owner).service_mut(CLUSTER, SHOP.name) {
            shop.set_rollout_state(RolloutState::InProgress, now);
        }
    });
    Ok(())
}

fn finish_shop(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    cloud.with_world(|world| {
        if let Some(shop) = ecs::of(world, &Site::Production.owner()).service_mut(CLUSTER, SHOP.name) {
            shop.release();
        }
    });
    Ok(())
}

fn scale_shop_down(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    let input = json!({ "cluster": CLUSTER, "service": SHOP.name, "desiredCount": 4 });
    by_hand(cloud, &Site::Production.owner(), Service::Ecs, "UpdateService", input).map(drop)
}

fn shift_checkout(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    let site = Site::Production;
    let Some(front) = CHECKOUT.front else { return Ok(()) };
    let Record::BlueGreen(drawn) = site.of(front.record) else { return Ok(()) };
    let halves = [
        ("blue", 90, front.balancer.dns_name(CHECKOUT.name, site.of(front.drawn))),
        ("green", 10, front.balancer.dns_name("checkout-green", drawn)),
    ];
    let changes: Vec<Value> = halves
        .iter()
        .map(|(set, weight, target)| {
            let record = json!({
                "Name": site.host(CHECKOUT.name),
                "Type": "CNAME",
                "SetIdentifier": set,
                "Weight": weight,
                "TTL": 60,
                "ResourceRecords": [{ "Value": target }],
            });
            json!({ "Action": "UPSERT", "ResourceRecordSet": record })
        })
        .collect();
    let input = json!({ "HostedZoneId": site.zone_id(), "ChangeBatch": { "Changes": changes } });
    by_hand(cloud, &dns_owner(), Service::Route53, "ChangeResourceRecordSets", input).map(drop)
}

/// What the acceptance tests make and take away again.
const TESTS: App = App { name: "acceptance-7", team: "nobody", ..PREVIEW };

fn run_acceptance_tests(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    let owner = Site::Production.owner();
    cloud.with_world(|world| stand_in_front_of(world, &TESTS, now));
    let definition = platform::task_definition(&TESTS, Site::Production, "test");
    by_hand(cloud, &owner, Service::Ecs, "RegisterTaskDefinition", definition)?;
    let input = cloud.with_world(|world| platform::creation(world, &TESTS, Site::Production));
    by_hand(cloud, &owner, Service::Ecs, "CreateService", input).map(drop)
}

/// In the order in which a careful test cleans up: the service, the name, the balancer, the check.
fn end_acceptance_tests(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    let site = Site::Production;
    let owner = site.owner();
    let service = json!({ "cluster": CLUSTER, "service": TESTS.name, "force": true });
    by_hand(cloud, &owner, Service::Ecs, "DeleteService", service)?;
    let balancer = cloud.with_world(|world| {
        world.route53.entry(dns_owner().account).or_default().remove_record(
            site.zone_id(),
            &site.host(TESTS.name),
            "CNAME",
            None,
        );
        let place = world.elbv2.entry((owner.account.clone(), owner.region.clone())).or_default();
        place.load_balancer_named(TESTS.name).map(|balancer| balancer.arn.clone())
    });
    if let Some(arn) = balancer {
        by_hand(cloud, &owner, Service::Elbv2, "DeleteLoadBalancer", json!({ "LoadBalancerArn": arn }))?;
    }
    for check in checks_of(cloud, TESTS.name)? {
        by_hand(cloud, &owner, Service::Route53, "DeleteHealthCheck", json!({ "HealthCheckId": check }))?;
    }
    Ok(())
}

/// The ids of the checks that watch this host.
fn checks_of(cloud: &Cloud, name: &str) -> Result<Vec<String>, ApiError> {
    let site = Site::Production;
    let listed = by_hand(cloud, &site.owner(), Service::Route53, "ListHealthChecks", json!({}))?;
    let checks = listed.get("HealthChecks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let watching = |check: &&Value| text(check, "/HealthCheckConfig/FullyQualifiedDomainName") == site.host(name);
    Ok(checks.iter().filter(watching).map(|check| text(check, "/Id").to_owned()).collect())
}

fn throttle(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    cloud.with_world(|world| {
        for service in [Service::Ecs, Service::DynamoDb] {
            let all = Match { service: Some(service), ..Match::default() };
            world.faults.add(Rule::always(all, Effect::Throttle));
        }
    });
    Ok(())
}

fn answer_again(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    cloud.with_world(|world| world.faults.clear());
    Ok(())
}

fn shop_is_converging(report: &Report) -> Seen {
    match entry(report, "converging", "EcsService", SHOP.name) {
        Some(shop) => Ok(format!("{} until {}", text(shop, "/message"), text(shop, "/until"))),
        None => Err(format!("{} converging, shop is none of them", report.list("converging").len())),
    }
}

fn shop_is_settled(report: &Report) -> Seen {
    match entry(report, "converging", "EcsService", SHOP.name) {
        None => no_finding(report),
        Some(shop) => Err(text(shop, "/message").to_owned()),
    }
}

fn weights_are_ignored(report: &Report) -> Seen {
    let ignored = report.list("ignored");
    let by: Vec<String> =
        ignored.iter().map(|entry| format!("{} by {}", text(entry, "/name"), text(entry, "/by"))).collect();
    let seen = if by.is_empty() { "nothing is ignored".to_owned() } else { by.join(", ") };
    if ignored.len() == 2 && ignored.iter().all(|entry| text(entry, "/by") == "blue-green-weights") {
        Ok(seen)
    } else {
        Err(seen)
    }
}

fn preview_is_converging(report: &Report) -> Seen {
    match entry(report, "converging", "TableItem", PREVIEW.name) {
        Some(item) => Ok(format!("{} until {}", text(item, "/message"), text(item, "/until"))),
        None => Err(format!("{} converging, the item is none of them", report.list("converging").len())),
    }
}

/// A declared service and a declared item, each unknown because AWS throttled.
fn throttled(report: &Report) -> Seen {
    let because = |kind: &str| {
        let unknown = report.list("unknown").iter().filter(|entry| text(entry, "/kind") == kind);
        unknown.filter(|entry| text(entry, "/reason") == "throttled").count()
    };
    let (services, items) = (because("EcsService"), because("TableItem"));
    let seen = format!("{services} services and {items} items unknown: throttled");
    if services > 0 && items > 0 { Ok(seen) } else { Err(seen) }
}
