//! The lists of the v3 API.
//!
//! Decides for each which parameters it takes, which rows the caller sees, and what is included. It
//! never refuses a caller a whole list: what may not be seen is left out, and the answer is 200.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::apps::App;
use super::bindings::Binding;
use super::errors::CfError;
use super::events::Event;
use super::listing::{Kind, Listing};
use super::presenting::{Secrets, View};
use super::processes::Process;
use super::record::{Entity, Table};
use super::services::ServiceInstance;

type Body = Result<Value, CfError>;
type Query<'q> = &'q [(String, String)];

/// Audit events are deleted after so many days.
const KEPT_DAYS: i64 = 31;

const ORGANIZATIONS: Kind = Kind { filters: &["names"], orders: &["name"], includes: &[] };
const SPACES: Kind =
    Kind { filters: &["names", "organization_guids", "include"], orders: &["name"], includes: &["organization"] };
const APPS: Kind = Kind {
    filters: &["names", "organization_guids", "space_guids", "stacks", "lifecycle_type", "include"],
    orders: &["name"],
    includes: &["space"],
};
const OLD_PROCESSES: Kind =
    Kind { filters: &["types", "space_guids", "organization_guids", "app_guids"], orders: &[], includes: &[] };
const PROCESSES: Kind = Kind {
    filters: &["types", "space_guids", "organization_guids", "app_guids", "embed"],
    orders: &[],
    includes: &["process_instances"],
};
const BINDINGS: Kind = Kind {
    filters: &[
        "names",
        "service_instance_guids",
        "service_instance_names",
        "app_guids",
        "app_names",
        "type",
        "include",
    ],
    orders: &["name"],
    includes: &["app", "service_instance"],
};
const INSTANCES: Kind = Kind {
    filters: &[
        "names",
        "space_guids",
        "organization_guids",
        "service_plan_guids",
        "service_plan_names",
        "type",
        "fields",
    ],
    orders: &["name"],
    includes: &[],
};
const ROUTES: Kind = Kind {
    filters: &["hosts", "paths", "domain_guids", "app_guids", "space_guids", "organization_guids", "include"],
    orders: &[],
    includes: &["domain", "space"],
};
const DOMAINS: Kind = Kind { filters: &["names"], orders: &[], includes: &[] };
const BUILDPACKS: Kind =
    Kind { filters: &["names", "stacks", "lifecycle"], orders: &["position", "name"], includes: &[] };
const STACKS: Kind = Kind { filters: &["names"], orders: &["name"], includes: &[] };
const OFFERINGS: Kind = Kind { filters: &["names"], orders: &["name"], includes: &[] };
const PLANS: Kind = Kind { filters: &["names", "service_offering_guids"], orders: &["name"], includes: &[] };
const DEPLOYMENTS: Kind =
    Kind { filters: &["app_guids", "status_values", "status_reasons"], orders: &[], includes: &[] };
const DROPLETS: Kind =
    Kind { filters: &["app_guids", "organization_guids", "space_guids", "states"], orders: &[], includes: &[] };
const EVENTS: Kind =
    Kind { filters: &["types", "target_guids", "space_guids", "organization_guids"], orders: &[], includes: &[] };

impl View<'_> {
    /// The list of this name; nothing where CC has none.
    pub fn list(&self, name: &str, query: Query<'_>) -> Option<Body> {
        Some(match name {
            "organizations" => self.organizations(query),
            "spaces" => self.spaces(query),
            "apps" => self.apps(query),
            "processes" => self.processes(query),
            "service_credential_bindings" => self.bindings(query),
            "service_instances" => self.service_instances(query),
            "routes" => self.routes(query),
            "domains" => self.whole(&DOMAINS, "/v3/domains", query, &self.state.domains, |row| self.domain(row)),
            "buildpacks" => self.buildpacks(query),
            "stacks" => self.whole(&STACKS, "/v3/stacks", query, &self.state.stacks, |row| self.stack(row)),
            "service_offerings" => {
                let rows = &self.state.offerings;
                self.whole(&OFFERINGS, "/v3/service_offerings", query, rows, |row| self.offering(row))
            }
            "service_plans" => self.plans(query),
            "deployments" => self.deployments(query),
            "droplets" => self.droplets(query),
            "audit_events" => self.events(query),
            _ => return None,
        })
    }

    /// A list that everybody sees whole.
    fn whole<T: Entity>(
        &self,
        kind: &Kind,
        path: &str,
        query: Query<'_>,
        table: &Table<T>,
        present: impl Fn(&T) -> Value,
    ) -> Body {
        let listing = Listing::parse(query, kind)?;
        let rows = table.iter().filter(|row| listing.covers(row.record()) && listing.admits("names", row.name()));
        Ok(listing.page(self, path, rows.collect()).body(present))
    }

    fn organizations(&self, query: Query<'_>) -> Body {
        let listing = Listing::parse(query, &ORGANIZATIONS)?;
        let rows = self.state.organizations.iter().filter(|row| {
            listing.covers(&row.record)
                && listing.admits_folded("names", &row.name)
                && self.caller.sees_organization(&row.record.guid, &self.state.spaces)
        });
        Ok(listing.page(self, "/v3/organizations", rows.collect()).body(|row| self.organization(row)))
    }

    fn spaces(&self, query: Query<'_>) -> Body {
        let listing = Listing::parse(query, &SPACES)?;
        let rows = self.state.spaces.iter().filter(|row| {
            listing.covers(&row.record)
                && listing.admits_folded("names", &row.name)
                && listing.admits("organization_guids", &row.organization)
                && self.caller.sees_space(&row.record.guid)
        });
        let page = listing.page(self, "/v3/spaces", rows.collect());
        let included = listing.include.contains("organization").then(|| {
            let parents = page.rows.iter().map(|row| row.organization.as_str());
            json!({"organizations": unique(parents, &self.state.organizations, |row| self.organization(row))})
        });
        Ok(page.body_including(included, |row| self.space(row)))
    }

    /// Whether the caller sees a space and the request asks for it.
    fn in_space(&self, listing: &Listing, space: &str) -> bool {
        let organization = self.state.spaces.get(space).map(|space| space.organization.as_str());
        self.caller.sees_space(space)
            && listing.admits("space_guids", space)
            && listing.admits_optional("organization_guids", organization)
    }

    fn apps(&self, query: Query<'_>) -> Body {
        let listing = Listing::parse(query, &APPS)?;
        let asked = |row: &&App| {
            let lifecycle = if row.docker.is_some() { "docker" } else { "buildpack" };
            listing.covers(&row.record)
                && listing.admits_folded("names", &row.name)
                && listing.admits("stacks", &row.stack)
                && listing.admits("lifecycle_type", lifecycle)
                && self.in_space(&listing, &row.space)
        };
        let page = listing.page(self, "/v3/apps", self.state.apps.iter().filter(asked).collect());
        let included = listing.include.contains("space").then(|| {
            let parents = page.rows.iter().map(|row| row.space.as_str());
            json!({"spaces": unique(parents, &self.state.spaces, |row| self.space(row))})
        });
        Ok(page.body_including(included, |row| self.app(row)))
    }

    fn processes(&self, query: Query<'_>) -> Body {
        let kind = if self.since(3, 211) { &PROCESSES } else { &OLD_PROCESSES };
        let listing = Listing::parse(query, kind)?;
        let asked = |row: &&Process| {
            listing.covers(&row.record)
                && listing.admits("types", &row.kind)
                && listing.admits("app_guids", &row.app)
                && self.state.apps.get(&row.app).is_some_and(|app| self.in_space(&listing, &app.space))
        };
        let page = listing.page(self, "/v3/processes", self.state.processes.iter().filter(asked).collect());
        let embed = listing.include.contains("process_instances");
        Ok(page.body(|row| self.process(row, Secrets::InList, embed)))
    }

    fn bindings(&self, query: Query<'_>) -> Body {
        let listing = Listing::parse(query, &BINDINGS)?;
        let asked = |row: &&Binding| {
            let kind = if row.app.is_some() { "app" } else { "key" };
            let app = row.app.as_deref().and_then(|app| self.state.apps.get(app));
            let Some(instance) = self.state.instances.get(&row.instance) else { return false };
            listing.covers(&row.record)
                && listing.admits("type", kind)
                && listing.admits_optional("names", row.name.as_deref())
                && listing.admits("service_instance_guids", &row.instance)
                && listing.admits("service_instance_names", &instance.name)
                && listing.admits_optional("app_guids", row.app.as_deref())
                && listing.admits_optional("app_names", app.map(|app| app.name.as_str()))
                && self.caller.sees_space(&instance.space)
        };
        let rows = self.state.bindings.iter().filter(asked).collect();
        let page = listing.page(self, "/v3/service_credential_bindings", rows);
        let mut included = Map::new();
        if listing.include.contains("app") {
            let apps = page.rows.iter().filter_map(|row| row.app.as_deref());
            included.insert("apps".to_owned(), unique(apps, &self.state.apps, |row| self.app(row)));
        }
        if listing.include.contains("service_instance") {
            let guids = page.rows.iter().map(|row| row.instance.as_str());
            let instances = unique(guids, &self.state.instances, |row| self.service_instance(row));
            included.insert("service_instances".to_owned(), instances);
        }
        let included = (!included.is_empty()).then_some(Value::Object(included));
        Ok(page.body_including(included, |row| self.binding(row)))
    }

    fn service_instances(&self, query: Query<'_>) -> Body {
        let listing = Listing::parse(query, &INSTANCES)?;
        let asked = |row: &&ServiceInstance| {
            let kind = if row.plan.is_some() { "managed" } else { "user-provided" };
            let plan = row.plan.as_deref().and_then(|plan| self.state.plans.get(plan));
            listing.covers(&row.record)
                && listing.admits("type", kind)
                && listing.admits("names", &row.name)
                && listing.admits_optional("service_plan_guids", row.plan.as_deref())
                && listing.admits_optional("service_plan_names", plan.map(|plan| plan.name.as_str()))
                && self.in_space(&listing, &row.space)
        };
        let page = listing.page(self, "/v3/service_instances", self.state.instances.iter().filter(asked).collect());
        let included = self.chosen_fields(&listing.fields, &page.rows)?;
        Ok(page.body_including(included, |row| self.service_instance(row)))
    }

    fn routes(&self, query: Query<'_>) -> Body {
        let listing = Listing::parse(query, &ROUTES)?;
        let rows = self.state.routes.iter().filter(|row| {
            listing.covers(&row.record)
                && listing.admits("hosts", &row.host)
                && listing.admits("paths", &row.path)
                && listing.admits("domain_guids", &row.domain)
                && listing.admits_any("app_guids", row.destinations.iter().map(|one| one.app.as_str()))
                && self.in_space(&listing, &row.space)
        });
        let page = listing.page(self, "/v3/routes", rows.collect());
        let mut included = Map::new();
        if listing.include.contains("domain") {
            let guids = page.rows.iter().map(|row| row.domain.as_str());
            included.insert("domains".to_owned(), unique(guids, &self.state.domains, |row| self.domain(row)));
        }
        if listing.include.contains("space") {
            let guids = page.rows.iter().map(|row| row.space.as_str());
            included.insert("spaces".to_owned(), unique(guids, &self.state.spaces, |row| self.space(row)));
        }
        let included = (!included.is_empty()).then_some(Value::Object(included));
        Ok(page.body_including(included, |row| self.route(row)))
    }

    fn buildpacks(&self, query: Query<'_>) -> Body {
        let mut listing = Listing::parse(query, &BUILDPACKS)?;
        listing.order_by_default("position");
        let rows = self.state.buildpacks.iter().filter(|row| {
            listing.covers(&row.record)
                && listing.admits("names", &row.name)
                && listing.admits_optional("stacks", row.stack.as_deref())
                && listing.admits("lifecycle", "buildpack")
        });
        Ok(listing.page(self, "/v3/buildpacks", rows.collect()).body(|row| self.buildpack(row)))
    }

    fn plans(&self, query: Query<'_>) -> Body {
        let listing = Listing::parse(query, &PLANS)?;
        let rows = self.state.plans.iter().filter(|row| {
            listing.covers(&row.record)
                && listing.admits("names", &row.name)
                && listing.admits("service_offering_guids", &row.offering)
        });
        Ok(listing.page(self, "/v3/service_plans", rows.collect()).body(|row| self.plan(row)))
    }

    fn deployments(&self, query: Query<'_>) -> Body {
        let listing = Listing::parse(query, &DEPLOYMENTS)?;
        let rows = self.state.deployments.iter().filter(|row| {
            listing.covers(&row.record)
                && listing.admits("app_guids", &row.app)
                && listing.admits("status_values", if row.active { "ACTIVE" } else { "FINALIZED" })
                && listing.admits("status_reasons", row.reason)
                && self.state.apps.get(&row.app).is_some_and(|app| self.caller.sees_space(&app.space))
        });
        Ok(listing.page(self, "/v3/deployments", rows.collect()).body(|row| self.deployment(row)))
    }

    fn droplets(&self, query: Query<'_>) -> Body {
        let listing = Listing::parse(query, &DROPLETS)?;
        let rows = self.state.droplets.iter().filter(|row| {
            listing.covers(&row.record)
                && listing.admits("app_guids", &row.app)
                && listing.admits("states", "STAGED")
                && self.state.apps.get(&row.app).is_some_and(|app| self.in_space(&listing, &app.space))
        });
        Ok(listing.page(self, "/v3/droplets", rows.collect()).body(|row| self.droplet(row, Secrets::InList)))
    }

    /// Events of the whole foundation are for roles of the whole foundation.
    pub fn sees_event(&self, event: &Event) -> bool {
        let in_space = event.space.as_deref().is_some_and(|space| self.caller.sees_space(space));
        let in_organization =
            event.organization.as_deref().is_some_and(|organization| self.caller.audits_organization(organization));
        let age = self.now.duration_since(event.record.created_at);
        age <= SignedDuration::from_hours(24 * KEPT_DAYS)
            && (self.caller.sees_everything() || in_space || in_organization)
    }

    fn events(&self, query: Query<'_>) -> Body {
        let listing = Listing::parse(query, &EVENTS)?;
        let rows = self.state.events.iter().filter(|row| {
            listing.covers(&row.record)
                && listing.admits("types", row.kind)
                && listing.admits("target_guids", &row.target.guid)
                && !listing.excludes("target_guids[not]", &row.target.guid)
                && listing.admits_optional("space_guids", row.space.as_deref())
                && listing.admits_optional("organization_guids", row.organization.as_deref())
                && self.sees_event(row)
        });
        Ok(listing.page(self, "/v3/audit_events", rows.collect()).body(|row| self.event(row)))
    }
}

/// The rows of these guids, each once.
pub fn unique<'a, T: Entity>(
    guids: impl Iterator<Item = &'a str>,
    table: &Table<T>,
    present: impl Fn(&T) -> Value,
) -> Value {
    let guids: BTreeSet<&str> = guids.collect();
    Value::Array(guids.into_iter().filter_map(|guid| table.get(guid)).map(present).collect())
}
