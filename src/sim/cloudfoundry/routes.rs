//! Domains, routes and where they lead.
//!
//! Decides how a route's text falls into host, domain, port and path, and that mapping takes effect
//! at once. It never touches a process version. Pushes and scenarios call it.

use jiff::Timestamp;
use serde_json::json;

use super::Foundation;
use super::events::Actor;
use super::record::{Entity, Record};
use super::state::State;

/// A shared domain.
#[derive(Clone)]
pub struct Domain {
    pub record: Record,
    pub name: String,
}

impl Entity for Domain {
    fn record(&self) -> &Record {
        &self.record
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Where a route leads.
#[derive(Clone)]
pub struct Destination {
    pub guid: String,
    pub app: String,
    pub process: String,
    pub created_at: Timestamp,
}

/// An HTTP route.
#[derive(Clone)]
pub struct Route {
    pub record: Record,
    /// Without a scheme: `www.example.com/path`.
    pub url: String,
    pub host: String,
    pub path: String,
    pub domain: String,
    pub space: String,
    pub destinations: Vec<Destination>,
}

impl Entity for Route {
    fn record(&self) -> &Record {
        &self.record
    }
}

impl State {
    pub fn domain_named(&self, name: &str) -> Option<String> {
        self.domains.iter().find(|domain| domain.name == name).map(|domain| domain.record.guid.clone())
    }

    pub fn add_domain(&mut self, name: &str, now: Timestamp) -> String {
        if let Some(known) = self.domain_named(name) {
            return known;
        }
        let guid = self.next_guid(name);
        self.domains.insert(Domain { record: Record::new(guid.clone(), now), name: name.to_owned() });
        guid
    }

    fn route_named(&self, text: &str) -> Option<String> {
        let found = self.routes.iter().find(|route| route.url == text);
        found.map(|route| route.record.guid.clone())
    }

    /// Maps a route to the web process of an app, and makes it and its domain if need be.
    pub fn map_route(&mut self, app: &str, text: &str, by_manifest: bool, actor: &Actor, now: Timestamp) {
        let Some(space) = self.apps.get(app).map(|app| app.space.clone()) else { return };
        let guid = match self.route_named(text) {
            Some(known) => known,
            None => self.add_route(&space, text, now),
        };
        let destination = self.next_guid("destination");
        let Some(route) = self.routes.get_mut(&guid) else { return };
        if route.destinations.iter().any(|destination| destination.app == app) {
            return;
        }
        route.destinations.push(Destination {
            guid: destination,
            app: app.to_owned(),
            process: "web".to_owned(),
            created_at: now,
        });
        let data = json!({"route_guid": guid, "app_port": 8080, "route_mapping_guid": null,
            "destination_guid": null, "process_type": "web", "weight": null, "manifest_triggered": by_manifest});
        self.audit_app("audit.app.map-route", actor, app, data, now);
    }

    /// A known domain ends the name; failing that, the host is what comes before the first dot.
    fn add_route(&mut self, space: &str, text: &str, now: Timestamp) -> String {
        let (name, path) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let known = self.domains.iter().filter(|domain| ends_with_domain(name, &domain.name));
        let longest = known.max_by_key(|domain| domain.name.len()).map(|domain| domain.name.clone());
        let domain = longest.unwrap_or_else(|| name.split_once('.').map_or(name, |(_, domain)| domain).to_owned());
        let host = name.strip_suffix(domain.as_str()).unwrap_or_default().trim_end_matches('.').to_owned();
        let domain = self.add_domain(&domain, now);
        let guid = self.next_guid(text);
        self.routes.insert(Route {
            record: Record::new(guid.clone(), now),
            url: text.to_owned(),
            host,
            path: path.to_owned(),
            domain,
            space: space.to_owned(),
            destinations: Vec::new(),
        });
        guid
    }
}

fn ends_with_domain(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|host| host.is_empty() || host.ends_with('.'))
}

impl Foundation {
    /// Makes sure that there is a shared domain of this name; its guid.
    pub fn add_domain(&mut self, name: &str) -> String {
        let now = self.now;
        self.act(now, |state, _| state.add_domain(name, now))
    }

    /// `cf map-route`, such as `www.example.com/path`; takes effect at once.
    pub fn map_route(&mut self, app: &str, route: &str, now: Timestamp) {
        self.act(now, |state, actor| state.map_route(app, route, false, actor, now));
    }

    /// `cf unmap-route`; takes effect at once, and the route stays.
    pub fn unmap_route(&mut self, app: &str, route: &str, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            let Some(guid) = state.route_named(route) else { return false };
            let Some(known) = state.routes.get_mut(&guid) else { return false };
            let before = known.destinations.len();
            known.destinations.retain(|destination| destination.app != app);
            if known.destinations.len() == before {
                return false;
            }
            let data = json!({"route_guid": guid, "app_port": 8080, "process_type": "web"});
            state.audit_app("audit.app.unmap-route", actor, app, data, now);
            true
        })
    }
}
