//! GOV.UK PaaS as a simulated foundation, exactly as the manifests beside this file declare it, with
//! apps that nobody declared.
//!
//! Decides names and numbers, and what each pipeline and person in the story does. It never decides
//! when: the steps do.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::sim::cloudfoundry::sites::{Site, Sites};
use crate::sim::cloudfoundry::{AppPlan, Foundation};

/// The foundation's API.
pub const HOST: &str = "api.cloud.example.service.gov.uk";
/// The buildpack that an acceptance test leaves behind.
pub const LEFTOVER: &str = "CATS-buildpack-77";
/// The app that nobody pushes after the rebuild.
pub const FORGOTTEN: &str = "paas-metrics";

const ORGANIZATION: &str = "govuk-paas";
const STACK: &str = "cflinuxfs4";
const HEALTHCHECK: &str = "healthcheck.cloud.example.service.gov.uk";
const CONCOURSE: &str = "deployer.cloud.example.service.gov.uk";
/// The platform has been running for so long when the story begins.
const AGE: SignedDuration = SignedDuration::from_hours(40 * 24);

/// The platform's buildpacks with their versions, in detection order.
const BUILDPACKS: [(&str, &str); 5] = [
    ("staticfile_buildpack", "1.6.29"),
    ("ruby_buildpack", "1.10.25"),
    ("nodejs_buildpack", "1.8.38"),
    ("go_buildpack", "1.10.36"),
    ("python_buildpack", "1.8.37"),
];

/// An app of the story.
struct Pushed {
    space: &'static str,
    name: &'static str,
    /// The buildpack that it names, or else the one that detection finds.
    buildpack: &'static str,
    is_detected: bool,
    is_routed: bool,
}

impl Pushed {
    const fn naming(space: &'static str, name: &'static str, buildpack: &'static str) -> Self {
        Self { space, name, buildpack, is_detected: false, is_routed: false }
    }

    const fn detected(space: &'static str, name: &'static str, buildpack: &'static str) -> Self {
        Self { space, name, buildpack, is_detected: true, is_routed: true }
    }

    fn plan(&self) -> AppPlan {
        let buildpack = self.buildpack.to_owned();
        let routes = if self.is_routed { vec![self.route()] } else { Vec::new() };
        let plan = AppPlan { memory: 64, routes, ..AppPlan::new(self.name) };
        match self.is_detected {
            true => AppPlan { detects: Some(buildpack), ..plan },
            false => AppPlan { buildpacks: vec![buildpack], ..plan },
        }
    }

    fn route(&self) -> String {
        format!("{}.cloud.example.service.gov.uk", self.name)
    }
}

/// The platform's own apps: five that are declared, seven that are not.
static APPS: [Pushed; 12] = [
    Pushed::detected("platform", "healthcheck", "go_buildpack"),
    Pushed::naming("platform", "paas-billing", "nodejs_buildpack"),
    Pushed::naming("platform", "paas-auditor", "go_buildpack"),
    Pushed::naming("platform", "paas-accounts", "go_buildpack"),
    Pushed::naming("monitoring", FORGOTTEN, "go_buildpack"),
    Pushed::naming("monitoring", "continuous-smoke-tests", "ruby_buildpack"),
    Pushed::naming("monitoring", "paas-prometheus-exporter", "go_buildpack"),
    Pushed::naming("monitoring", "paas-log-forwarder", "go_buildpack"),
    Pushed::detected("public", "paas-admin", "nodejs_buildpack"),
    Pushed::detected("public", "paas-product-page", "ruby_buildpack"),
    Pushed::detected("public", "paas-tech-docs", "ruby_buildpack"),
    Pushed::naming("public", "paas-statuspage", "staticfile_buildpack"),
];

/// What somebody else runs there.
const TENANT: &str = "notify";
static TENANTS: [Pushed; 4] = [
    Pushed::naming("production", "notify-api", "python_buildpack"),
    Pushed::detected("production", "notify-admin", "python_buildpack"),
    Pushed::naming("production", "notify-delivery", "python_buildpack"),
    Pushed::naming("staging", "notify-api", "python_buildpack"),
];

/// The platform, in sync.
pub fn foundation(now: Timestamp) -> Foundation {
    let made = beginning(now);
    let mut foundation = Foundation::new(HOST, made);
    foundation.add_client("moored", "simulated", &["cloud_controller.global_auditor"]);
    foundation.add_stack(STACK);
    for (name, version) in BUILDPACKS {
        foundation.add_buildpack(name, Some(STACK), &format!("{name}-cached-{STACK}-v{version}.zip"));
    }
    for app in &APPS {
        foundation.push(ORGANIZATION, app.space, &app.plan(), made);
    }
    for app in &TENANTS {
        foundation.push(TENANT, app.space, &app.plan(), made);
    }
    foundation
}

/// What the outside sees while all is well.
pub fn open_sites(sites: &mut Sites, now: Timestamp) {
    let made = beginning(now);
    sites.set(HEALTHCHECK, "/", Site::status(200), made);
    sites.set(CONCOURSE, "/pipelines.json", pipelines(false), made);
}

fn beginning(now: Timestamp) -> Timestamp {
    now.checked_sub(AGE).unwrap_or(now)
}

/// What Concourse says of itself.
fn pipelines(destroys: bool) -> Site {
    let create = json!({ "paused": false });
    Site::json(&match destroys {
        true => json!({ "pipelines": { "create-cloudfoundry": create, "destroy-cloudfoundry": { "paused": false } } }),
        false => json!({ "pipelines": { "create-cloudfoundry": create } }),
    })
}

/// The delete pipeline takes every app of the platform's organisation.
pub fn destroy(foundation: &mut Foundation, now: Timestamp) -> Option<()> {
    foundation.act_as("concourse@example.gov.uk");
    for app in &APPS {
        let guid = foundation.app_guid(ORGANIZATION, app.space, app.name)?;
        foundation.delete_app(&guid, now).then_some(())?;
    }
    Some(())
}

/// Where there is no app, the router knows no route; and Concourse shows what it has done.
pub fn close_sites(sites: &mut Sites, now: Timestamp) {
    sites.set(HEALTHCHECK, "/", Site::status(404), now);
    sites.set(CONCOURSE, "/pipelines.json", pipelines(true), now);
}

/// Everything is pushed again, but for the app that nobody thinks of.
pub fn rebuild(foundation: &mut Foundation, now: Timestamp) -> Option<()> {
    foundation.act_as("platform-engineer@example.gov.uk");
    for app in APPS.iter().filter(|app| app.name != FORGOTTEN) {
        foundation.push(ORGANIZATION, app.space, &app.plan(), now);
    }
    Some(())
}

/// The platform answers, and the pipeline is taken out of Concourse.
pub fn reopen_sites(sites: &mut Sites, now: Timestamp) {
    sites.set(HEALTHCHECK, "/", Site::status(200), now);
    sites.set(CONCOURSE, "/pipelines.json", pipelines(false), now);
}

/// An acceptance test makes a buildpack as the API makes them, first, enabled and for any stack, and
/// dies before it cleans up.
pub fn leave_buildpack(foundation: &mut Foundation, now: Timestamp) -> Option<()> {
    foundation.act_as("acceptance-tests@example.gov.uk");
    let guid = foundation.create_buildpack(LEFTOVER, None, None, now);
    foundation.upload_buildpack(&guid, "simple-buildpack-v0.0.1.zip", now).then_some(())
}

/// Somebody disables the buildpack, deletes it, and pushes the app that was forgotten.
pub fn clean_up(foundation: &mut Foundation, now: Timestamp) -> Option<()> {
    foundation.act_as("platform-engineer@example.gov.uk");
    let guid = foundation.buildpack_guid(LEFTOVER, None)?;
    foundation.enable_buildpack(&guid, false, now).then_some(())?;
    foundation.delete_buildpack(&guid, now).then_some(())?;
    let forgotten = APPS.iter().find(|app| app.name == FORGOTTEN)?;
    foundation.push(ORGANIZATION, forgotten.space, &forgotten.plan(), now);
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
        let there = |foundation: &Foundation| {
            APPS.iter().filter(|app| foundation.app_guid(ORGANIZATION, app.space, app.name).is_some()).count()
        };
        assert_eq!(there(&foundation), 12);
        destroy(&mut foundation, at(1)).unwrap();
        assert_eq!(there(&foundation), 0);
        rebuild(&mut foundation, at(2)).unwrap();
        assert_eq!(there(&foundation), 11);
        leave_buildpack(&mut foundation, at(3)).unwrap();
        clean_up(&mut foundation, at(4)).unwrap();
        assert_eq!(there(&foundation), 12);
    }
}
