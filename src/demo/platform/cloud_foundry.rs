//! What of the example platform runs on Cloud Foundry, exactly as `desired-state/cloud-foundry/`
//! declares it: one organisation with three apps, and the web sites that probes look at.
//!
//! Decides names and numbers only. It changes nothing later: scenarios do, with what is named here.
//! Scenarios about the example platform call [`put`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::AGE;
use crate::sim::cloudfoundry::sites::Site;
use crate::sim::cloudfoundry::{AppPlan, Foundation, ProcessPlan};
use crate::sim::wire::Cloud;

/// The foundation's API.
pub const HOST: &str = "api.cf.example.com";
/// The organisation.
pub const ORGANIZATION: &str = "example";
/// Its one space.
pub const SPACE: &str = "production";
/// The app with a worker and bindings.
pub const HELPDESK: &str = "helpdesk";
/// The app whose buildpack is detected.
pub const SURVEYS: &str = "surveys";
/// The buildpack of both.
pub const RUBY: &str = "ruby_buildpack";

/// The stack of every app.
pub const STACK: &str = "cflinuxfs4";
/// The stack that comes after it.
pub const NEXT_STACK: &str = "cflinuxfs5";
/// The buildpacks of each stack, the one that is tried first at the top, with their versions.
pub const BUILDPACKS: [(&str, &str); 3] =
    [("staticfile_buildpack", "1.6.29"), (RUBY, "1.10.25"), ("nodejs_buildpack", "1.8.38")];

const BROKERED: Option<(&str, &str)> = Some(("postgres", "small"));

/// Puts the foundation and the sites beside the AWS accounts.
pub fn put(cloud: &Cloud, now: Timestamp) {
    let made = now.checked_sub(AGE).unwrap_or(now);
    cloud.add_foundation(foundation(made));
    let health = Site::json(&json!({ "status": "ok", "version": "2026.10.1" }));
    cloud.with_sites(|sites| sites.set("helpdesk.cf.example.com", "/health", health, made));
}

fn foundation(made: Timestamp) -> Foundation {
    let mut foundation = Foundation::new(HOST, made);
    foundation.add_client("moored", "simulated", &["cloud_controller.admin_read_only"]);
    foundation.add_stack(STACK);
    for (name, version) in BUILDPACKS {
        foundation.add_buildpack(name, Some(STACK), &buildpack_file(name, STACK, version));
    }
    foundation.create_service_instance(ORGANIZATION, SPACE, "helpdesk-db", BROKERED, made);
    foundation.create_service_instance(ORGANIZATION, SPACE, "helpdesk-queue", None, made);
    foundation.create_service_instance(ORGANIZATION, SPACE, "surveys-db", BROKERED, made);
    for plan in [helpdesk(), docs(), surveys()] {
        foundation.push(ORGANIZATION, SPACE, &plan, made);
    }
    foundation
}

/// The file of a buildpack, whose name tells the version.
pub fn buildpack_file(name: &str, stack: &str, version: &str) -> String {
    format!("{name}-cached-{stack}-v{version}.zip")
}

fn helpdesk() -> AppPlan {
    AppPlan {
        instances: 2,
        memory: 512,
        buildpacks: vec![RUBY.to_owned()],
        env: BTreeMap::from([("LOG_LEVEL".to_owned(), "info".to_owned())]),
        routes: vec!["helpdesk.cf.example.com".to_owned()],
        services: vec!["helpdesk-db".to_owned(), "helpdesk-queue".to_owned()],
        processes: vec![ProcessPlan {
            memory: 256,
            command: Some("bundle exec rake jobs:work".to_owned()),
            ..ProcessPlan::new("worker")
        }],
        ..AppPlan::new(HELPDESK)
    }
}

fn docs() -> AppPlan {
    AppPlan {
        memory: 64,
        buildpacks: vec!["staticfile_buildpack".to_owned()],
        routes: vec!["docs.cf.example.com".to_owned()],
        ..AppPlan::new("docs")
    }
}

fn surveys() -> AppPlan {
    AppPlan {
        memory: 256,
        detects: Some(RUBY.to_owned()),
        routes: vec!["surveys.cf.example.com".to_owned()],
        services: vec!["surveys-db".to_owned()],
        ..AppPlan::new(SURVEYS)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_the_manifests_bind_is_bound() {
        let foundation = foundation(Timestamp::UNIX_EPOCH);
        for (app, service) in [(HELPDESK, "helpdesk-db"), (HELPDESK, "helpdesk-queue"), (SURVEYS, "surveys-db")] {
            let app = foundation.app_guid(ORGANIZATION, SPACE, app).unwrap();
            let service = foundation.instance_guid(ORGANIZATION, SPACE, service).unwrap();
            assert!(foundation.binding_guid(&app, &service).is_some());
        }
    }
}
