//! The read allow-list: every address of a foundation's API that observing may GET.
//!
//! Decides what moored may ask. Several innocent-looking GETs are not here, and must never be: an
//! app's `/env` and `/environment_variables`, a revision's, and a binding's `/details` each write an
//! audit event; an instance's `/credentials` and the `/parameters` show secrets or call the broker.
//! An app's `/manifest` tells the same and leaves no trace. Never sends anything.
//! [`super::session`] refuses what is not in [`READ`]; scopes name their calls by these constants,
//! and metrics take their names from here.

/// One address that moored may GET.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    /// Names it in metrics and in words.
    pub name: &'static str,
    /// Its path below the API's address; `:guid` stands for the guid of one thing.
    pub path: &'static str,
    /// What its list is sorted by, where the order of creation will not do.
    pub order: Option<&'static str>,
}

impl Resource {
    const fn at(name: &'static str, path: &'static str) -> Self {
        Self { name, path, order: None }
    }

    const fn by(self, order: &'static str) -> Self {
        Self { name: self.name, path: self.path, order: Some(order) }
    }

    fn covers(&self, path: &str) -> bool {
        let fits = |(expected, part): (&str, &str)| if expected == ":guid" { is_guid(part) } else { part == expected };
        self.path.split('/').count() == path.split('/').count() && self.path.split('/').zip(path.split('/')).all(fits)
    }
}

/// Where sign-in and API version are found.
pub const ROOT: Resource = Resource::at("GET /", "/");
/// The platform's name and its rate limits.
pub const INFO: Resource = Resource::at("GET /v3/info", "/v3/info");
/// Organisations.
pub const ORGANIZATIONS: Resource = Resource::at("GET /v3/organizations", "/v3/organizations");
/// Spaces.
pub const SPACES: Resource = Resource::at("GET /v3/spaces", "/v3/spaces");
/// Apps.
pub const APPS: Resource = Resource::at("GET /v3/apps", "/v3/apps");
/// One app as its manifest, environment included.
pub const APP_MANIFEST: Resource = Resource::at("GET /v3/apps/:guid/manifest", "/v3/apps/:guid/manifest");
/// Processes.
pub const PROCESSES: Resource = Resource::at("GET /v3/processes", "/v3/processes");
/// The instances of one process, for platforms that do not embed them in the list.
pub const PROCESS_STATS: Resource = Resource::at("GET /v3/processes/:guid/stats", "/v3/processes/:guid/stats");
/// Bindings of apps, and keys.
pub const SERVICE_CREDENTIAL_BINDINGS: Resource =
    Resource::at("GET /v3/service_credential_bindings", "/v3/service_credential_bindings");
/// Service instances.
pub const SERVICE_INSTANCES: Resource = Resource::at("GET /v3/service_instances", "/v3/service_instances");
/// Routes with their destinations.
pub const ROUTES: Resource = Resource::at("GET /v3/routes", "/v3/routes");
/// Buildpacks in the order in which they are tried.
pub const BUILDPACKS: Resource = Resource::at("GET /v3/buildpacks", "/v3/buildpacks").by("position");
/// Stacks.
pub const STACKS: Resource = Resource::at("GET /v3/stacks", "/v3/stacks");
/// Deployments.
pub const DEPLOYMENTS: Resource = Resource::at("GET /v3/deployments", "/v3/deployments");
/// Droplets.
pub const DROPLETS: Resource = Resource::at("GET /v3/droplets", "/v3/droplets");
/// Who did what.
pub const AUDIT_EVENTS: Resource = Resource::at("GET /v3/audit_events", "/v3/audit_events").by("created_at");
/// The variables that every running app gets.
pub const RUNNING_ENVIRONMENT: Resource =
    Resource::at("GET /v3/environment_variable_groups/running", "/v3/environment_variable_groups/running");

/// Everything that may be read.
pub const READ: &[&Resource] = &[
    &ROOT,
    &INFO,
    &ORGANIZATIONS,
    &SPACES,
    &APPS,
    &APP_MANIFEST,
    &PROCESSES,
    &PROCESS_STATS,
    &SERVICE_CREDENTIAL_BINDINGS,
    &SERVICE_INSTANCES,
    &ROUTES,
    &BUILDPACKS,
    &STACKS,
    &DEPLOYMENTS,
    &DROPLETS,
    &AUDIT_EVENTS,
    &RUNNING_ENVIRONMENT,
];

/// Whether this path below the API's address may be read.
pub fn permits(path: &str) -> bool {
    READ.iter().any(|resource| resource.covers(path))
}

/// Guids of service instances may be of the broker's own making; what could steer a path is none.
fn is_guid(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|character| character.is_ascii_alphanumeric() || "-_".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_permits_its_own_path_and_is_named_after_it() {
        for resource in READ {
            assert_eq!(resource.name, format!("GET {}", resource.path));
            assert!(permits(&resource.path.replace(":guid", "6a901b7c-9417-4dc1-8189-d3234aa0ab82")));
        }
    }

    #[test]
    fn what_writes_an_event_or_shows_a_secret_is_not_permitted() {
        for path in [
            "/v3/apps/1-2/env",
            "/v3/apps/1-2/environment_variables",
            "/v3/apps/1-2/manifest/",
            "/v3/apps//manifest",
            "/v3/apps/1%2F2/manifest",
            "/v3/apps/:guid/manifest",
            "/v3/revisions/1-2/environment_variables",
            "/v3/service_credential_bindings/1-2/details",
            "/v3/service_credential_bindings/1-2/parameters",
            "/v3/service_instances/1-2/credentials",
            "/v3/service_instances/1-2/parameters",
            "/v3/environment_variable_groups/staging",
            "/v3/apps/1-2",
            "/v2/apps",
            "",
        ] {
            assert!(!permits(path), "{path}");
        }
    }
}
