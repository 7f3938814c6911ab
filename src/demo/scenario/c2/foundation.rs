//! C2 as a simulated foundation, exactly as the manifests beside this file declare it, with one
//! binding that they forget.
//!
//! Decides names and numbers, and what each of the people in the story does. It never decides when:
//! the steps do.

use jiff::{SignedDuration, Timestamp};

use crate::sim::cloudfoundry::{AppPlan, Foundation, Role};

/// The foundation's API.
pub const HOST: &str = "api.fr.example.gov";
/// Who deploys.
pub const DEPLOYER: &str = "c2-deployer@example.gov";

const ORGANIZATION: &str = "c2";
const CLIENT: &str = "moored";
const STACK: &str = "cflinuxfs4";
const BUILDPACK: &str = "ruby_buildpack";
/// The platform has been running for so long when the story begins.
const AGE: SignedDuration = SignedDuration::from_hours(40 * 24);
/// A restart counts only if it is later than what it hands out, and the platform tells whole seconds.
const MOMENT: SignedDuration = SignedDuration::from_secs(30);

const SPACES: [&str; 3] = ["dev", "staging", "prod"];
/// The two that the deploy hits.
const LOSING: [&str; 2] = ["staging", "prod"];
/// The one with a service that nobody declared.
const LOGGING: &str = "prod";

fn web(space: &str) -> String {
    format!("c2-{space}")
}

fn worker(space: &str) -> String {
    format!("c2-{space}-worker")
}

/// C2 in three spaces, in sync.
pub fn foundation(now: Timestamp) -> Foundation {
    let made = now.checked_sub(AGE).unwrap_or(now);
    let mut foundation = Foundation::new(HOST, made);
    foundation.add_stack(STACK);
    foundation.add_buildpack(BUILDPACK, Some(STACK), "ruby_buildpack-cached-cflinuxfs4-v1.10.25.zip");
    for space in SPACES {
        foundation.create_service_instance(
            ORGANIZATION,
            space,
            &format!("c2-{space}-db"),
            Some(("aws-rds", "micro-psql")),
            made,
        );
        foundation.create_service_instance(
            ORGANIZATION,
            space,
            &format!("c2-{space}-queue"),
            Some(("redis", "small")),
            made,
        );
        let mut services = vec![format!("c2-{space}-db"), format!("c2-{space}-queue")];
        let instances = if space == LOGGING { 2 } else { 1 };
        let common = AppPlan { instances, buildpacks: vec![BUILDPACK.to_owned()], ..AppPlan::new("") };
        let plan = AppPlan {
            name: worker(space),
            memory: 640,
            command: Some("script/worker-start".to_owned()),
            health_check: "process".to_owned(),
            services: services.clone(),
            ..common.clone()
        };
        foundation.push(ORGANIZATION, space, &plan, made);
        if space == LOGGING {
            foundation.create_service_instance(ORGANIZATION, space, &format!("c2-{space}-logs"), None, made);
            services.push(format!("c2-{space}-logs"));
        }
        let plan = AppPlan {
            name: web(space),
            command: Some("script/server_start".to_owned()),
            routes: vec![format!("c2-{space}.fr.example.gov")],
            services,
            ..common
        };
        foundation.push(ORGANIZATION, space, &plan, made);
    }
    foundation.add_client(CLIENT, "simulated", &["cloud_controller.read"]);
    let organization = foundation.add_organization(ORGANIZATION);
    foundation.set_role(CLIENT, Role::OrgAuditor(organization));
    give_roles(&mut foundation);
    foundation
}

/// Space Auditor in every space.
fn roles(foundation: &Foundation) -> Vec<Role> {
    let spaces = SPACES.iter().filter_map(|space| foundation.space_guid(ORGANIZATION, space));
    spaces.map(Role::SpaceAuditor).collect()
}

/// moored may look into the spaces.
pub fn give_roles(foundation: &mut Foundation) -> Option<()> {
    for role in roles(foundation) {
        foundation.set_role(CLIENT, role);
    }
    Some(())
}

/// moored still sees the organisation, and no space of it.
pub fn take_roles(foundation: &mut Foundation) -> Option<()> {
    for role in roles(foundation) {
        foundation.revoke_role(CLIENT, &role);
    }
    Some(())
}

/// Guids of one space: of both apps, and of a service by the end of its name.
struct Guids<'a> {
    foundation: &'a Foundation,
    space: &'a str,
}

impl Guids<'_> {
    fn web(&self) -> Option<String> {
        self.foundation.app_guid(ORGANIZATION, self.space, &web(self.space))
    }

    fn worker(&self) -> Option<String> {
        self.foundation.app_guid(ORGANIZATION, self.space, &worker(self.space))
    }

    fn service(&self, end: &str) -> Option<String> {
        self.foundation.instance_guid(ORGANIZATION, self.space, &format!("c2-{}-{end}", self.space))
    }
}

/// The deploy replaces the apps of staging and production by what a generated manifest says: the
/// bindings are not in it. Without a database nothing comes up.
pub fn deploy(foundation: &mut Foundation, now: Timestamp) -> Option<()> {
    foundation.act_as(DEPLOYER);
    for space in LOSING {
        let guids = Guids { foundation, space };
        let (web, worker) = (guids.web()?, guids.worker()?);
        let (database, queue) = (guids.service("db")?, guids.service("queue")?);
        let logs = guids.service("logs");
        for app in [&web, &worker] {
            foundation.unbind(app, &database, now).then_some(())?;
            foundation.unbind(app, &queue, now).then_some(())?;
        }
        if let Some(logs) = logs {
            foundation.unbind(&web, &logs, now).then_some(())?;
        }
        for app in [&web, &worker] {
            foundation.restart(app, now);
            foundation.keep_crashing(app, "web", now).then_some(())?;
        }
    }
    Some(())
}

/// Somebody binds the databases again and restarts the web apps, which come up.
pub fn restore_databases(foundation: &mut Foundation, now: Timestamp) -> Option<()> {
    foundation.act_as("on-call@example.gov");
    let earlier = now.checked_sub(MOMENT).unwrap_or(now);
    for space in LOSING {
        let guids = Guids { foundation, space };
        let (web, worker, database) = (guids.web()?, guids.worker()?, guids.service("db")?);
        foundation.bind(&web, &database, earlier)?;
        foundation.bind(&worker, &database, earlier)?;
        foundation.stop_crashing(&web, "web", now).then_some(())?;
        foundation.restart(&web, now);
    }
    Some(())
}

/// Somebody binds the queues again, and the service for logs. Nothing is restarted.
pub fn restore_queues(foundation: &mut Foundation, now: Timestamp) -> Option<()> {
    foundation.act_as("on-call@example.gov");
    for space in LOSING {
        let guids = Guids { foundation, space };
        let (web, worker, queue) = (guids.web()?, guids.worker()?, guids.service("queue")?);
        let logs = guids.service("logs");
        foundation.bind(&web, &queue, now)?;
        foundation.bind(&worker, &queue, now)?;
        if let Some(logs) = logs {
            foundation.bind(&web, &logs, now)?;
        }
    }
    Some(())
}

/// At last everything runs with what it is bound to.
pub fn restart(foundation: &mut Foundation, now: Timestamp) -> Option<()> {
    foundation.act_as("on-call@example.gov");
    for space in LOSING {
        let guids = Guids { foundation, space };
        let (web, worker) = (guids.web()?, guids.worker()?);
        foundation.stop_crashing(&worker, "web", now).then_some(())?;
        for app in [&web, &worker] {
            foundation.restart(app, now);
        }
    }
    Some(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_story_can_be_told_to_its_end() {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let mut foundation = foundation(start);
        let at = |minutes: i64| start.checked_add(SignedDuration::from_mins(minutes)).unwrap();
        let is_bound = |foundation: &Foundation, service: &str| {
            let guids = Guids { foundation, space: "prod" };
            let (web, service) = (guids.web().unwrap(), guids.service(service).unwrap());
            foundation.binding_guid(&web, &service).is_some()
        };
        assert!(["db", "queue", "logs"].iter().all(|service| is_bound(&foundation, service)));
        deploy(&mut foundation, at(1)).unwrap();
        assert!(!["db", "queue", "logs"].iter().any(|service| is_bound(&foundation, service)));
        take_roles(&mut foundation).unwrap();
        give_roles(&mut foundation).unwrap();
        restore_databases(&mut foundation, at(2)).unwrap();
        assert!(is_bound(&foundation, "db") && !is_bound(&foundation, "queue"));
        restore_queues(&mut foundation, at(3)).unwrap();
        restart(&mut foundation, at(4)).unwrap();
        assert!(["db", "queue", "logs"].iter().all(|service| is_bound(&foundation, service)));
    }
}
