//! The example platform as a simulated world, exactly as `desired-state/` declares it.
//!
//! Decides what exists when a scenario begins: everything that is declared, the deployer's table
//! with what it made, and a few things that are nobody's business. It changes nothing later:
//! scenarios do, with the same building blocks. The demo calls [`world`] for what lies in AWS, and
//! `cloud_foundry::put` for what lies beside it.

mod balancers;
pub(super) mod cloud_foundry;
mod dns;
mod plan;
mod services;
mod strangers;
mod tables;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::sim::world::{self as sim, Caller, Request, Service, World};

pub(super) use balancers::put as put_balancer;
pub(super) use dns::{put_check, put_record};
pub(super) use plan::{App, CHECKOUT, CLUSTER, DEPLOYER_API, DEPLOYMENTS, PREVIEW, Record, SHOP, Site, dns_owner};
pub(super) use services::{creation, task_definition};
pub(super) use tables::item;

/// The platform has been running for so long when the story begins.
const AGE: SignedDuration = SignedDuration::from_hours(40 * 24);

/// Seeds the ids that AWS would draw.
const SEED: u64 = 0x0da7_a5e7;

/// The platform, in sync, at the beginning of a story.
pub fn world(now: Timestamp) -> World {
    let made = now.checked_sub(AGE).unwrap_or(now);
    let mains = Site::ALL.map(Site::account);
    let mut world = World::with_accounts(mains.into_iter().chain([plan::DNS_ACCOUNT]));
    for account in [plan::DNS_ACCOUNT, Site::Staging.account()] {
        world.sts.add_role(account, plan::OBSERVE_ROLE, &mains);
    }
    dns::put_zones(&mut world);
    tables::put_tables(&mut world, made);
    for site in Site::ALL {
        for app in plan::APPS {
            put_app(&mut world, site, app, made);
        }
    }
    strangers::put(&mut world, made);
    world
}

/// A service with everything in front of it and, in production, the deployer's item about it.
fn put_app(world: &mut World, site: Site, app: &App, made: Timestamp) {
    if let Some(front) = &app.front {
        let standing = put_balancer(world, site, app, front, made);
        put_record(world, site, app.name, front, &standing);
        let check = front.check.as_ref().map(|check| put_check(world, site, app.name, check, made));
        if let (Site::Production, Some(check)) = (site, check) {
            let hostname = matches!(site.of(front.record), Record::Cname(_)).then(|| site.host(app.name));
            tables::put_item(world, item(app.name, made, &standing.arn, hostname.as_deref(), &check));
        }
    }
    services::put(world, site, app, made);
}

/// One call of an account's owner while the platform is put up. The plan asks for nothing that AWS
/// refuses; a debug build says so if it does, and the demo's first expectation in any build.
fn ask(world: &mut World, caller: &Caller, service: Service, operation: &str, input: Value, at: Timestamp) -> Value {
    let answer = sim::apply(world, caller, &Request::new(service, operation, input), at, SEED);
    debug_assert!(answer.is_ok(), "the example platform cannot be put up: {operation}: {answer:?}");
    answer.unwrap_or_default()
}

/// The text at a place of an answer.
fn text(answer: &Value, pointer: &str) -> String {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sim::world::ecs;

    #[test]
    fn every_planned_service_runs_and_has_the_front_that_its_manifest_names() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut world = world(now);
        for site in Site::ALL {
            for app in plan::APPS {
                let running = ecs::of(&mut world, &site.owner()).service(CLUSTER, app.name).unwrap().running_count(now);
                assert_eq!(running, site.of(app.tasks), "{} in {site:?}", app.name);
                let Some(front) = &app.front else { continue };
                let place = (site.account().to_owned(), plan::REGION.to_owned());
                let balancer = world.elbv2.get(&place).unwrap().load_balancer_named(app.name).unwrap();
                assert_eq!(balancer.dns_name, front.balancer.dns_name(app.name, site.of(front.drawn)));
            }
        }
    }

    #[test]
    fn the_deployer_knows_every_service_that_it_gave_a_check() {
        let mut world = world(Timestamp::UNIX_EPOCH);
        let table = crate::sim::world::dynamodb::of(&mut world, &Site::Production.owner());
        let checked = plan::APPS.iter().filter(|app| app.front.is_some_and(|front| front.check.is_some())).count();
        assert_eq!(table.items(DEPLOYMENTS).len(), checked);
    }
}
