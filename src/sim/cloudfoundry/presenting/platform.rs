//! Organisations, spaces, stacks, buildpacks, groups, jobs and audit events.
//!
//! Decides which of their fields a platform is too old for. It never shows a secret: the groups'
//! variables are none to CC. Part of [`View`].

use serde_json::{Value, json};

use super::{View, created, metadata, to_one, updated};
use crate::sim::cloudfoundry::buildpacks::Buildpack;
use crate::sim::cloudfoundry::events::Event;
use crate::sim::cloudfoundry::jobs::Job;
use crate::sim::cloudfoundry::organizations::{EnvironmentGroup, Organization, Space, Stack};
use crate::sim::cloudfoundry::record::stamp;

impl View<'_> {
    pub fn organization(&self, organization: &Organization) -> Value {
        let record = &organization.record;
        let path = format!("/v3/organizations/{}", record.guid);
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "name": organization.name,
            "suspended": false,
            "relationships": {"quota": to_one(&organization.quota)},
            "metadata": metadata(&record.metadata),
            "links": {
                "self": self.link(&path),
                "domains": self.link(&format!("{path}/domains")),
                "default_domain": self.link(&format!("{path}/domains/default")),
                "quota": self.link(&format!("/v3/organization_quotas/{}", organization.quota)),
            },
        })
    }

    pub fn space(&self, space: &Space) -> Value {
        let record = &space.record;
        let path = format!("/v3/spaces/{}", record.guid);
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "name": space.name,
            "relationships": {"organization": to_one(&space.organization), "quota": {"data": null}},
            "metadata": metadata(&record.metadata),
            "links": {
                "self": self.link(&path),
                "organization": self.link(&format!("/v3/organizations/{}", space.organization)),
                "features": self.link(&format!("{path}/features")),
                "apply_manifest": self.action(&format!("{path}/actions/apply_manifest")),
            },
        })
    }

    pub fn stack(&self, stack: &Stack) -> Value {
        let record = &stack.record;
        let mut body = json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "name": stack.name,
            "description": format!("Cloud Foundry Linux-based filesystem ({})", stack.name),
        });
        if let (true, Some(body)) = (self.since(3, 210), body.as_object_mut()) {
            body.insert("state".to_owned(), json!(stack.state));
            body.insert("state_reason".to_owned(), json!(stack.state_reason));
        }
        let first = self.state.stacks.iter().next().is_some_and(|first| first.record.guid == record.guid);
        let rest = json!({
            "run_rootfs_image": stack.name,
            "build_rootfs_image": stack.name,
            "default": first,
            "metadata": metadata(&record.metadata),
            "links": {"self": self.link(&format!("/v3/stacks/{}", record.guid))},
        });
        joined(body, rest)
    }

    pub fn buildpack(&self, buildpack: &Buildpack) -> Value {
        let record = &buildpack.record;
        let path = format!("/v3/buildpacks/{}", record.guid);
        let state = if buildpack.filename.is_some() { "READY" } else { "AWAITING_UPLOAD" };
        let mut body = json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "name": buildpack.name,
            "stack": buildpack.stack,
            "state": state,
        });
        if let (true, Some(body)) = (self.since(3, 195), body.as_object_mut()) {
            body.insert("lifecycle".to_owned(), json!("buildpack"));
        }
        let rest = json!({
            "filename": buildpack.filename,
            "position": buildpack.position,
            "enabled": buildpack.enabled,
            "locked": buildpack.locked,
            "metadata": metadata(&record.metadata),
            "links": {
                "self": self.link(&path),
                "upload": self.action(&format!("{path}/upload")),
            },
        });
        joined(body, rest)
    }

    /// `running` or `staging`.
    pub fn environment_group(&self, name: &str, group: &EnvironmentGroup) -> Value {
        json!({
            "updated_at": group.updated_at.map(stamp),
            "name": name,
            "var": group.variables,
            "links": {"self": self.link(&format!("/v3/environment_variable_groups/{name}"))},
        })
    }

    pub fn job(&self, job: &Job) -> Value {
        let record = &job.record;
        let done = job.due <= self.now;
        let mut links = json!({"self": self.link(&format!("/v3/jobs/{}", record.guid))});
        if let (true, Some((name, path)), Some(links)) = (done, &job.result, links.as_object_mut()) {
            links.insert((*name).to_owned(), self.link(path));
        }
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": if done { stamp(job.due) } else { updated(record) },
            "operation": job.operation,
            "state": if done { "COMPLETE" } else { "PROCESSING" },
            "errors": [],
            "warnings": [],
            "links": links,
        })
    }

    pub fn event(&self, event: &Event) -> Value {
        let record = &event.record;
        let guid = |guid: &Option<String>| guid.as_ref().map(|guid| json!({"guid": guid}));
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": created(record),
            "type": event.kind,
            "actor": {"guid": event.actor.guid, "type": event.actor.kind, "name": event.actor.name},
            "target": {"guid": event.target.guid, "type": event.target.kind, "name": event.target.name},
            "data": event.data,
            "space": guid(&event.space),
            "organization": guid(&event.organization),
            "links": {"self": self.link(&format!("/v3/audit_events/{}", record.guid))},
        })
    }
}

/// Two objects as one, the members of the first before those of the second.
fn joined(mut first: Value, second: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (first.as_object_mut(), second) {
        members.extend(more);
    }
    first
}
