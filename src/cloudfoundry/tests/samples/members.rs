//! What is read of each kind of answer: which members, and what becomes of them.
//!
//! Each table claims all that its type takes in. `*` in a pointer stands for every element of a
//! list, and `#` at its end for the names of an object, whose values are not taken in.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::super::types::*;

/// Where a member stands in an answer, and what was made of it.
pub(super) type Member<T> = (&'static str, fn(&T) -> Value);

/// A type that says what it takes in.
pub(super) trait Sampled: DeserializeOwned + 'static {
    const MEMBERS: &'static [Member<Self>];
}

/// What an answer tells there.
pub(super) fn told(body: &Value, pointer: &str) -> Value {
    if let Some((list, rest)) = pointer.split_once("/*") {
        let all = body.pointer(list).and_then(Value::as_array).into_iter().flatten();
        return Value::Array(all.map(|each| told(each, rest)).collect());
    }
    if let Some(object) = pointer.strip_suffix('#') {
        let names = body.pointer(object).and_then(Value::as_object).into_iter().flat_map(|object| object.keys());
        return json!(names.collect::<BTreeSet<_>>());
    }
    body.pointer(pointer).cloned().unwrap_or_default()
}

/// Whether nothing is told: `null`, an empty text, an empty list or object, or a list of nothing else.
pub(super) fn is_nothing(told: &Value) -> bool {
    match told {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.iter().all(is_nothing),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether all that is told was taken in as it stands.
pub(super) fn is_taken_in(told: &Value, read: &Value) -> bool {
    match (told, read) {
        _ if is_nothing(told) => true,
        (Value::Array(told), Value::Array(read)) => {
            told.len() == read.len() && told.iter().zip(read).all(|(told, read)| is_taken_in(told, read))
        }
        (Value::Object(told), Value::Object(read)) => {
            told.iter().all(|(name, told)| read.get(name).is_some_and(|read| is_taken_in(told, read)))
        }
        _ => told == read,
    }
}

impl Sampled for App {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/name", |it| json!(it.name)),
        ("/state", |it| json!(it.state)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
        ("/lifecycle/type", |it| json!(it.lifecycle.kind)),
        ("/lifecycle/data/buildpacks", |it| json!(it.lifecycle.data.buildpacks)),
        ("/lifecycle/data/stack", |it| json!(it.lifecycle.data.stack)),
        ("/metadata/labels", |it| json!(it.metadata.labels)),
        ("/metadata/annotations", |it| json!(it.metadata.annotations)),
        ("/relationships/space/data/guid", |it| json!(it.relationships.space)),
        ("/relationships/current_droplet/data/guid", |it| json!(it.relationships.current_droplet)),
    ];
}

impl Sampled for Process {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/type", |it| json!(it.kind)),
        ("/instances", |it| json!(it.instances)),
        ("/memory_in_mb", |it| json!(it.memory_in_mb)),
        ("/disk_in_mb", |it| json!(it.disk_in_mb)),
        ("/log_rate_limit_in_bytes_per_second", |it| json!(it.log_rate_limit_in_bytes_per_second)),
        ("/user", |it| json!(it.user)),
        ("/version", |it| json!(it.version)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
        ("/health_check/type", |it| json!(it.health_check.as_ref().map(|check| &check.kind))),
        ("/health_check/data", |it| check_data(it.health_check.as_ref())),
        ("/readiness_health_check/type", |it| json!(it.readiness_health_check.as_ref().map(|check| &check.kind))),
        ("/readiness_health_check/data", |it| check_data(it.readiness_health_check.as_ref())),
        ("/relationships/app/data/guid", |it| json!(it.relationships.app)),
        ("/relationships/revision/data/guid", |it| json!(it.relationships.revision)),
        ("/process_instances/*/index", |it| instances(it, |each| json!(each.index))),
        ("/process_instances/*/state", |it| instances(it, |each| json!(each.state))),
        ("/process_instances/*/since", |it| instances(it, |each| json!(each.since))),
        ("/process_instances/*/routable", |it| instances(it, |each| json!(each.routable))),
    ];
}

fn check_data(check: Option<&HealthCheck>) -> Value {
    let Some(HealthCheck { data, .. }) = check else { return Value::Null };
    json!({
        "timeout": data.timeout,
        "invocation_timeout": data.invocation_timeout,
        "interval": data.interval,
        "endpoint": data.endpoint,
    })
}

fn instances(process: &Process, member: fn(&Instance) -> Value) -> Value {
    process.process_instances.iter().flatten().map(member).collect()
}

impl Sampled for HealthCheck {
    const MEMBERS: &'static [Member<Self>] = &[("/type", |it| json!(it.kind)), ("/data", |it| check_data(Some(it)))];
}

impl Sampled for Instance {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/index", |it| json!(it.index)),
        ("/state", |it| json!(it.state)),
        ("/since", |it| json!(it.since)),
        ("/routable", |it| json!(it.routable)),
    ];
}

impl Sampled for Stats {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/resources/*/type", |it| it.resources.iter().map(|each| json!(each.kind)).collect()),
        ("/resources/*/index", |it| it.resources.iter().map(|each| json!(each.index)).collect()),
        ("/resources/*/state", |it| it.resources.iter().map(|each| json!(each.state)).collect()),
        ("/resources/*/uptime", |it| it.resources.iter().map(|each| json!(each.uptime)).collect()),
        ("/resources/*/routable", |it| it.resources.iter().map(|each| json!(each.routable)).collect()),
    ];
}

impl Sampled for Deployment {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/status/value", |it| json!(it.status.value)),
        ("/status/reason", |it| json!(it.status.reason)),
        ("/status/details/last_successful_healthcheck", |it| json!(it.status.details.last_successful_healthcheck)),
        ("/status/details/last_status_change", |it| json!(it.status.details.last_status_change)),
        ("/strategy", |it| json!(it.strategy)),
        ("/droplet/guid", |it| json!(it.droplet)),
        ("/previous_droplet/guid", |it| json!(it.previous_droplet)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
        ("/relationships/app/data/guid", |it| json!(it.relationships.app)),
    ];
}

impl Sampled for Droplet {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/state", |it| json!(it.state)),
        ("/error", |it| json!(it.error)),
        ("/lifecycle/type", |it| json!(it.lifecycle.kind)),
        ("/lifecycle/data/buildpacks", |it| json!(it.lifecycle.data.buildpacks)),
        ("/lifecycle/data/stack", |it| json!(it.lifecycle.data.stack)),
        ("/checksum/type", |it| json!(it.checksum.as_ref().map(|sum| &sum.kind))),
        ("/checksum/value", |it| json!(it.checksum.as_ref().and_then(|sum| sum.value.as_ref()))),
        ("/buildpacks/*/name", |it| it.buildpacks.iter().map(|each| json!(each.name)).collect()),
        ("/buildpacks/*/buildpack_name", |it| it.buildpacks.iter().map(|each| json!(each.buildpack_name)).collect()),
        ("/buildpacks/*/version", |it| it.buildpacks.iter().map(|each| json!(each.version)).collect()),
        ("/stack", |it| json!(it.stack)),
        ("/image", |it| json!(it.image)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
        ("/relationships/app/data/guid", |it| json!(it.relationships.app)),
    ];
}

impl Sampled for Route {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/protocol", |it| json!(it.protocol)),
        ("/host", |it| json!(it.host)),
        ("/path", |it| json!(it.path)),
        ("/port", |it| json!(it.port)),
        ("/url", |it| json!(it.url)),
        ("/options", |it| json!(it.options)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
        ("/metadata/labels", |it| json!(it.metadata.labels)),
        ("/metadata/annotations", |it| json!(it.metadata.annotations)),
        ("/relationships/space/data/guid", |it| json!(it.relationships.space)),
        ("/relationships/domain/data/guid", |it| json!(it.relationships.domain)),
        ("/destinations/*/guid", |it| destinations(it, |each| json!(each.guid))),
        ("/destinations/*/app/guid", |it| destinations(it, |each| json!(each.app.guid))),
        ("/destinations/*/app/process/type", |it| destinations(it, process_type)),
        ("/destinations/*/port", |it| destinations(it, |each| json!(each.port))),
        ("/destinations/*/protocol", |it| destinations(it, |each| json!(each.protocol))),
        ("/destinations/*/created_at", |it| destinations(it, |each| json!(each.created_at))),
        ("/destinations/*/updated_at", |it| destinations(it, |each| json!(each.updated_at))),
    ];
}

fn destinations(route: &Route, member: fn(&Destination) -> Value) -> Value {
    route.destinations.iter().map(member).collect()
}

fn process_type(destination: &Destination) -> Value {
    json!(destination.app.process.as_ref().map(|process| &process.kind))
}

impl Sampled for Destination {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/app/guid", |it| json!(it.app.guid)),
        ("/app/process/type", process_type),
        ("/port", |it| json!(it.port)),
        ("/protocol", |it| json!(it.protocol)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
    ];
}

impl Sampled for Domain {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/name", |it| json!(it.name)),
        ("/internal", |it| json!(it.internal)),
        ("/supported_protocols", |it| json!(it.supported_protocols)),
        ("/relationships/organization/data/guid", |it| json!(it.relationships.organization)),
    ];
}

impl Sampled for ServiceInstance {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/name", |it| json!(it.name)),
        ("/type", |it| json!(it.kind)),
        ("/tags", |it| json!(it.tags)),
        ("/last_operation", |it| operation(it.last_operation.as_ref())),
        ("/upgrade_available", |it| json!(it.upgrade_available)),
        ("/maintenance_info/version", |it| json!(it.maintenance_info.version)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
        ("/metadata/labels", |it| json!(it.metadata.labels)),
        ("/metadata/annotations", |it| json!(it.metadata.annotations)),
        ("/relationships/space/data/guid", |it| json!(it.relationships.space)),
        ("/relationships/service_plan/data/guid", |it| json!(it.relationships.service_plan)),
    ];
}

fn operation(operation: Option<&LastOperation>) -> Value {
    let Some(operation) = operation else { return Value::Null };
    json!({
        "type": operation.kind,
        "state": operation.state,
        "description": operation.description,
        "created_at": operation.created_at,
        "updated_at": operation.updated_at,
    })
}

impl Sampled for Binding {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/name", |it| json!(it.name)),
        ("/type", |it| json!(it.kind)),
        ("/last_operation", |it| operation(it.last_operation.as_ref())),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
        ("/metadata/labels", |it| json!(it.metadata.labels)),
        ("/metadata/annotations", |it| json!(it.metadata.annotations)),
        ("/relationships/app/data/guid", |it| json!(it.relationships.app)),
        ("/relationships/service_instance/data/guid", |it| json!(it.relationships.service_instance)),
    ];
}

impl Sampled for ServicePlan {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/name", |it| json!(it.name)),
        ("/relationships/service_offering/data/guid", |it| json!(it.relationships.service_offering)),
    ];
}

impl Sampled for ServiceOffering {
    const MEMBERS: &'static [Member<Self>] = &[("/guid", |it| json!(it.guid)), ("/name", |it| json!(it.name))];
}

impl Sampled for Organization {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/name", |it| json!(it.name)),
        ("/suspended", |it| json!(it.suspended)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
        ("/metadata/labels", |it| json!(it.metadata.labels)),
        ("/metadata/annotations", |it| json!(it.metadata.annotations)),
        ("/relationships/quota/data/guid", |it| json!(it.relationships.quota)),
    ];
}

impl Sampled for Space {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/name", |it| json!(it.name)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
        ("/metadata/labels", |it| json!(it.metadata.labels)),
        ("/metadata/annotations", |it| json!(it.metadata.annotations)),
        ("/relationships/organization/data/guid", |it| json!(it.relationships.organization)),
        ("/relationships/quota/data/guid", |it| json!(it.relationships.quota)),
    ];
}

impl Sampled for Buildpack {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/name", |it| json!(it.name)),
        ("/stack", |it| json!(it.stack)),
        ("/state", |it| json!(it.state)),
        ("/filename", |it| json!(it.filename)),
        ("/position", |it| json!(it.position)),
        ("/lifecycle", |it| json!(it.lifecycle)),
        ("/enabled", |it| json!(it.enabled)),
        ("/locked", |it| json!(it.locked)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
        ("/metadata/labels", |it| json!(it.metadata.labels)),
        ("/metadata/annotations", |it| json!(it.metadata.annotations)),
    ];
}

impl Sampled for Stack {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/name", |it| json!(it.name)),
        ("/state", |it| json!(it.state)),
        ("/state_reason", |it| json!(it.state_reason)),
        ("/default", |it| json!(it.default)),
        ("/created_at", |it| json!(it.created_at)),
        ("/updated_at", |it| json!(it.updated_at)),
    ];
}

impl Sampled for EnvironmentGroup {
    const MEMBERS: &'static [Member<Self>] =
        &[("/name", |it| json!(it.name)), ("/updated_at", |it| json!(it.updated_at)), ("/var#", |it| json!(it.names))];
}

impl Sampled for AuditEvent {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/guid", |it| json!(it.guid)),
        ("/type", |it| json!(it.kind)),
        ("/created_at", |it| json!(it.created_at)),
        ("/actor/guid", |it| json!(it.actor.guid)),
        ("/actor/type", |it| json!(it.actor.kind)),
        ("/actor/name", |it| json!(it.actor.name)),
        ("/target/guid", |it| json!(it.target.guid)),
        ("/target/type", |it| json!(it.target.kind)),
        ("/target/name", |it| json!(it.target.name)),
        ("/data/manifest_triggered", |it| json!(it.manifest_triggered)),
        ("/space/guid", |it| json!(it.space)),
        ("/organization/guid", |it| json!(it.organization)),
    ];
}

impl Sampled for Info {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/name", |it| json!(it.name)),
        ("/osbapi_version", |it| json!(it.osbapi_version)),
        ("/rate_limits/enabled", |it| json!(it.rate_limits.as_ref().map(|limits| limits.enabled))),
        ("/rate_limits/general_limit", |it| json!(it.rate_limits.as_ref().map(|limits| limits.general_limit))),
        ("/rate_limits/reset_interval_in_minutes", |it| {
            json!(it.rate_limits.as_ref().map(|limits| limits.reset_interval_in_minutes))
        }),
    ];
}

impl Sampled for Root {
    const MEMBERS: &'static [Member<Self>] = &[
        ("/links/cloud_controller_v3/href", |it| json!(it.links.cloud_controller_v3.as_ref().map(|link| &link.href))),
        ("/links/cloud_controller_v3/meta/version", |it| {
            json!(it.links.cloud_controller_v3.as_ref().and_then(|link| link.meta.version.as_ref()))
        }),
        ("/links/login/href", |it| json!(it.links.login.as_ref().map(|link| &link.href))),
        ("/links/uaa/href", |it| json!(it.links.uaa.as_ref().map(|link| &link.href))),
    ];
}
