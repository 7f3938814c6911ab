//! The foundations that the independent client is shown: one with something of everything that
//! moored reads, and the same once more with pages of two rows.
//!
//! Decides what is there before the first question, and what simulated people do when the client
//! asks for it below `/_stage/`, because no request of the API brings it about. It judges nothing.
//! `tests/cloudfoundry_conformance.rs` and `examples/foundation.rs` serve it; the Python package
//! beside it knows these names.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::post;
use jiff::{SignedDuration, Timestamp};
use moored::clock::Clock;
use moored::sim::cloudfoundry::faults::{Effect, Rule};
use moored::sim::cloudfoundry::{AppPlan, Foundation, InstanceState, ProcessPlan, Role};
use moored::sim::wire::{Cloud, server};
use moored::sim::world::World;

/// The foundation that most questions go to.
pub const HOST: &str = "api.example.com";
/// The same, whose lists have pages of two rows.
const PAGED: &str = "paged.example.com";
/// Everybody's password and secret.
const SECRET: &str = "simulated";
const ORGANIZATION: &str = "harbor";
/// How long before the first question everything was set up.
const AGE: SignedDuration = SignedDuration::from_hours(2);

/// Both foundations, living by this clock.
pub fn cloud(clock: &Clock) -> Cloud {
    let (set_up, ticking) = (before(clock.now(), AGE), clock.clone());
    let cloud = Cloud::new(World::default(), move || ticking.now(), 1);
    let mut paged = foundation(PAGED, set_up);
    paged.page_limit = Some(2);
    cloud.add_foundation(foundation(HOST, set_up));
    cloud.add_foundation(paged);
    cloud
}

/// Everything that the cloud serves, and the stage beside it.
pub fn router(cloud: Cloud) -> Router {
    let stage = cloud.clone();
    let act = move |Path(act): Path<String>| {
        let stage = stage.clone();
        async move { perform(&stage, &act) }
    };
    server::router(cloud).route("/_stage/{act}", post(act))
}

/// What people do on the main foundation behind the client's back.
fn perform(cloud: &Cloud, act: &str) -> StatusCode {
    let done = cloud.with_foundation(HOST, |foundation| {
        let role = Role::SpaceAuditor(foundation.space_guid(ORGANIZATION, "staging").unwrap_or_default());
        match act {
            "revoke-fleeting" => foundation.revoke_role("fleeting", &role),
            "restore-fleeting" => foundation.set_role("fleeting", role),
            _ => false,
        }
    });
    if done == Some(true) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

fn foundation(host: &str, now: Timestamp) -> Foundation {
    let mut foundation = Foundation::new(host, now);
    platform(&mut foundation, now);
    people(&mut foundation);
    foundation.act_as("ada@example.com");
    for space in ["prod", "staging"] {
        services(&mut foundation, space, now);
        for name in ["web", "shop", "rolling"] {
            foundation.push(ORGANIZATION, space, &ordinary(name, space), now);
        }
    }
    oddities(&mut foundation, now);
    for name in ["web", "shop", "rolling"] {
        let app = foundation.app_guid(ORGANIZATION, "staging", name).unwrap_or_default();
        foundation.rolling_deploy(&app, SignedDuration::from_secs(60), now);
    }
    limits(&mut foundation);
    foundation
}

/// What operators look after.
fn platform(foundation: &mut Foundation, now: Timestamp) {
    for stack in ["cflinuxfs4", "cflinuxfs3", "windows"] {
        foundation.add_stack(stack);
    }
    foundation.set_stack_state("cflinuxfs3", "DEPRECATED", now);
    for name in ["staticfile_buildpack", "java_buildpack", "ruby_buildpack"] {
        foundation.add_buildpack(name, Some("cflinuxfs4"), &format!("{name}-cached-cflinuxfs4-v1.8.0.zip"));
    }
    foundation.set_running_env("HTTP_PROXY", "http://proxy.example.com", now);
    for (organization, space) in [(ORGANIZATION, "prod"), (ORGANIZATION, "staging"), ("yard", "dock"), ("pier", "end")]
    {
        foundation.add_space(organization, space);
    }
}

/// A principal for each role, and one whose role is going to be taken away.
fn people(foundation: &mut Foundation) {
    for (client, authority) in [
        ("auditor", "global_auditor"),
        ("reader", "admin_read_only"),
        ("operator", "admin"),
        ("scoped", "read"),
        ("fleeting", "read"),
    ] {
        foundation.add_client(client, SECRET, &[&format!("cloud_controller.{authority}")]);
    }
    foundation.add_user("ada@example.com", SECRET);
    let spaces: Vec<String> =
        ["prod", "staging"].iter().filter_map(|space| foundation.space_guid(ORGANIZATION, space)).collect();
    for space in spaces {
        foundation.set_role("ada@example.com", Role::SpaceDeveloper(space.clone()));
        foundation.set_role("scoped", Role::SpaceAuditor(space));
    }
    let staging = foundation.space_guid(ORGANIZATION, "staging").unwrap_or_default();
    foundation.set_role("fleeting", Role::SpaceAuditor(staging));
}

fn services(foundation: &mut Foundation, space: &str, now: Timestamp) {
    let managed = [("db", ("postgres", "small")), ("queue", ("rabbitmq", "shared")), ("cache", ("redis", "tiny"))];
    for (name, plan) in managed {
        foundation.create_service_instance(ORGANIZATION, space, name, Some(plan), now);
    }
    foundation.create_service_instance(ORGANIZATION, space, "logs", None, now);
}

fn ordinary(name: &str, space: &str) -> AppPlan {
    let mut plan = AppPlan::new(name);
    plan.instances = 2;
    plan.routes = vec![format!("{name}-{space}.apps.example.com")];
    plan.services = vec!["db".to_owned(), "queue".to_owned(), "logs".to_owned()];
    plan.env.insert("LOG_LEVEL".to_owned(), "info".to_owned());
    plan.processes.push(ProcessPlan::new("worker"));
    plan
}

/// Apps that are unlike the others, one in each way that an answer can differ.
fn oddities(foundation: &mut Foundation, now: Timestamp) {
    let mut image = AppPlan::new("image");
    image.docker = Some("registry.example.com/image:1".to_owned());
    image.health_check = "http".to_owned();
    image.health_endpoint = Some("/health".to_owned());
    image.routes = vec!["image.harbor.example.com/path".to_owned(), "image.example.org".to_owned()];
    image.labels.insert("team".to_owned(), "harbor".to_owned());
    foundation.push(ORGANIZATION, "prod", &image, now);

    let mut idle = AppPlan::new("idle");
    idle.buildpacks = vec!["ruby_buildpack".to_owned()];
    idle.command = Some("bundle exec rake".to_owned());
    let idle = foundation.push(ORGANIZATION, "prod", &idle, now);
    foundation.stop(&idle, now);

    let mut ailing = AppPlan::new("ailing");
    ailing.instances = 3;
    let ailing = foundation.push(ORGANIZATION, "prod", &ailing, now);
    foundation.set_instance(&ailing, "web", 1, InstanceState::Crashed, now);
    foundation.set_instance(&ailing, "web", 2, InstanceState::Down, now);

    foundation.push("yard", "dock", &AppPlan::new("crane"), now);
    let failed = foundation.create_service_instance("yard", "dock", "hoist", Some(("postgres", "small")), now);
    foundation.set_instance_operation(&failed, "create", "failed", Some("the broker is on holiday"), now);
}

/// The rate limiter is on, wide enough for every question; and one question meets its refusal.
fn limits(foundation: &mut Foundation) {
    foundation.rate_limit.enabled = true;
    foundation.rate_limit.general = 20_000;
    let refusal = Effect::RateLimited(60);
    foundation.faults.add(Rule::always("/v3/organizations", refusal).about("names=throttled"));
}

fn before(now: Timestamp, age: SignedDuration) -> Timestamp {
    now.saturating_sub(age).unwrap_or(now)
}
