//! Droplets, and the staging that makes them.
//!
//! Decides which buildpacks take part: the named ones, or what detection finds among today's admin
//! buildpacks in their order. It never restarts anything: a droplet runs from the next start on.
//! Pushes and restages call it.

use jiff::Timestamp;
use serde_json::json;

use super::apps::App;
use super::events::Actor;
use super::record::{Entity, Record};
use super::state::State;

/// A buildpack that took part in making a droplet.
#[derive(Clone)]
pub struct Used {
    pub name: String,
    pub version: Option<String>,
}

/// What staging made.
#[derive(Clone)]
pub struct Droplet {
    pub record: Record,
    pub app: String,
    pub package: String,
    pub buildpacks: Vec<Used>,
    pub stack: Option<String>,
    pub docker: Option<String>,
}

impl Entity for Droplet {
    fn record(&self) -> &Record {
        &self.record
    }
}

impl State {
    /// Makes a droplet of today's buildpacks and makes it the current one. Nothing restarts.
    pub fn stage(&mut self, guid: &str, actor: &Actor, now: Timestamp) {
        let Some(app) = self.apps.get(guid) else { return };
        let (stack, docker) = (app.stack.clone(), app.docker.clone());
        let buildpacks = if docker.is_some() { Vec::new() } else { self.used_by(app) };
        let droplet = self.next_guid("droplet");
        let package = self.next_guid("package");
        self.droplets.insert(Droplet {
            record: Record::new(droplet.clone(), now),
            app: guid.to_owned(),
            package,
            buildpacks,
            stack: docker.is_none().then_some(stack),
            docker,
        });
        if let Some(app) = self.apps.get_mut(guid) {
            app.droplet = Some(droplet.clone());
            app.revised = true;
            app.record.updated_at = now;
        }
        self.audit_app("audit.app.build.create", actor, guid, json!({}), now);
        let data = json!({"request": {"droplet_guid": droplet}});
        self.audit_app("audit.app.droplet.mapped", actor, guid, data, now);
    }

    /// The buildpacks that staging would use now.
    fn used_by(&self, app: &App) -> Vec<Used> {
        let order = self.detection_order();
        let serving = |name: &str| order.iter().find(|one| one.name == name && one.serves(&app.stack)).copied();
        let used = |name: &str| Used { name: name.to_owned(), version: serving(name).and_then(|one| one.version()) };
        if !app.buildpacks.is_empty() {
            return app.buildpacks.iter().map(|name| used(name)).collect();
        }
        if let Some(name) = &app.detects {
            return vec![used(name)];
        }
        let first = order.iter().find(|one| one.serves(&app.stack));
        first.map(|one| Used { name: one.name.clone(), version: one.version() }).into_iter().collect()
    }
}
