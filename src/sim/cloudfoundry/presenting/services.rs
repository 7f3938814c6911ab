//! Service instances, offerings, plans and bindings; domains and routes.
//!
//! Decides what sets managed and user-provided instances apart. It never shows credentials. Part of
//! [`View`].

use serde_json::{Value, json};

use super::{View, created, metadata, to_one, updated};
use crate::sim::cloudfoundry::bindings::Binding;
use crate::sim::cloudfoundry::record::{guid, stamp};
use crate::sim::cloudfoundry::routes::{Domain, Route};
use crate::sim::cloudfoundry::services::{Offering, Plan, ServiceInstance};

impl View<'_> {
    pub fn service_instance(&self, instance: &ServiceInstance) -> Value {
        let record = &instance.record;
        let guid = &record.guid;
        let path = format!("/v3/service_instances/{guid}");
        let operation = &instance.operation;
        let of = |what: &str| self.link(&format!("/v3/{what}?service_instance_guids={guid}"));
        let mut body = json!({
            "guid": guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "name": instance.name,
            "tags": [],
            "last_operation": {
                "type": operation.kind,
                "state": operation.state,
                "description": operation.description.as_deref().unwrap_or_default(),
                "updated_at": stamp(operation.updated_at),
                "created_at": stamp(operation.created_at),
            },
        });
        let space = self.link(&format!("/v3/spaces/{}", instance.space));
        let rest = match &instance.plan {
            Some(plan) => json!({
                "type": "managed",
                "maintenance_info": {},
                "upgrade_available": false,
                "dashboard_url": null,
                "relationships": {"space": to_one(&instance.space), "service_plan": to_one(plan)},
                "metadata": metadata(&record.metadata),
                "links": {
                    "self": self.link(&path),
                    "space": space,
                    "service_credential_bindings": of("service_credential_bindings"),
                    "service_route_bindings": of("service_route_bindings"),
                    "service_plan": self.link(&format!("/v3/service_plans/{plan}")),
                    "parameters": self.link(&format!("{path}/parameters")),
                    "shared_spaces": self.link(&format!("{path}/relationships/shared_spaces")),
                },
            }),
            None => json!({
                "type": "user-provided",
                "syslog_drain_url": null,
                "route_service_url": null,
                "relationships": {"space": to_one(&instance.space)},
                "metadata": metadata(&record.metadata),
                "links": {
                    "self": self.link(&path),
                    "space": space,
                    "service_credential_bindings": of("service_credential_bindings"),
                    "service_route_bindings": of("service_route_bindings"),
                    "credentials": self.link(&format!("{path}/credentials")),
                },
            }),
        };
        if let (Some(members), Value::Object(rest)) = (body.as_object_mut(), rest) {
            members.extend(rest);
        }
        body
    }

    pub fn binding(&self, binding: &Binding) -> Value {
        let record = &binding.record;
        let path = format!("/v3/service_credential_bindings/{}", record.guid);
        let operation = &binding.operation;
        let mut relationships = json!({"service_instance": to_one(&binding.instance)});
        let mut links = json!({
            "self": self.link(&path),
            "details": self.link(&format!("{path}/details")),
            "service_instance": self.link(&format!("/v3/service_instances/{}", binding.instance)),
        });
        let is_managed = self.state.instances.get(&binding.instance).is_some_and(|known| known.plan.is_some());
        if let (Some(links), Some(relationships)) = (links.as_object_mut(), relationships.as_object_mut()) {
            if is_managed {
                links.insert("parameters".to_owned(), self.link(&format!("{path}/parameters")));
            }
            if let Some(app) = &binding.app {
                relationships.insert("app".to_owned(), to_one(app));
                links.insert("app".to_owned(), self.link(&format!("/v3/apps/{app}")));
            }
        }
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "name": binding.name,
            "type": if binding.app.is_some() { "app" } else { "key" },
            "last_operation": {
                "state": operation.state,
                "description": operation.description,
                "type": operation.kind,
                "updated_at": stamp(operation.updated_at),
                "created_at": stamp(operation.created_at),
            },
            "metadata": metadata(&record.metadata),
            "relationships": relationships,
            "links": links,
        })
    }

    pub fn offering(&self, offering: &Offering) -> Value {
        let record = &offering.record;
        // Each offering has a broker of its own, which nothing else asks for.
        let broker = guid(&self.state.host, 0, &format!("broker of {}", offering.name));
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "name": offering.name,
            "description": format!("{} for everybody", offering.name),
            "available": true,
            "tags": [],
            "requires": [],
            "shareable": false,
            "documentation_url": null,
            "broker_catalog": {
                "id": record.guid,
                "metadata": {},
                "features": {
                    "plan_updateable": true,
                    "bindable": true,
                    "instances_retrievable": false,
                    "bindings_retrievable": false,
                    "allow_context_updates": false,
                },
            },
            "relationships": {"service_broker": to_one(&broker)},
            "metadata": metadata(&record.metadata),
            "links": {
                "self": self.link(&format!("/v3/service_offerings/{}", record.guid)),
                "service_plans": self.link(&format!("/v3/service_plans?service_offering_guids={}", record.guid)),
                "service_broker": self.link(&format!("/v3/service_brokers/{broker}")),
            },
        })
    }

    pub fn plan(&self, plan: &Plan) -> Value {
        let record = &plan.record;
        let path = format!("/v3/service_plans/{}", record.guid);
        let unasked = json!({"parameters": {}});
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "name": plan.name,
            "description": plan.name,
            "available": true,
            "visibility_type": "public",
            "free": true,
            "costs": [],
            "maintenance_info": {},
            "broker_catalog": {
                "id": record.guid,
                "metadata": {},
                "maximum_polling_duration": null,
                "features": {"bindable": true, "plan_updateable": false},
            },
            "schemas": {
                "service_instance": {"create": unasked, "update": unasked},
                "service_binding": {"create": unasked},
            },
            "relationships": {"service_offering": to_one(&plan.offering)},
            "metadata": metadata(&record.metadata),
            "links": {
                "self": self.link(&path),
                "service_offering": self.link(&format!("/v3/service_offerings/{}", plan.offering)),
                "visibility": self.link(&format!("{path}/visibility")),
            },
        })
    }

    pub fn domain(&self, domain: &Domain) -> Value {
        let record = &domain.record;
        let path = format!("/v3/domains/{}", record.guid);
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "name": domain.name,
            "internal": false,
            "router_group": null,
            "supported_protocols": ["http"],
            "relationships": {"organization": {"data": null}, "shared_organizations": {"data": []}},
            "metadata": metadata(&record.metadata),
            "links": {
                "self": self.link(&path),
                "route_reservations": self.link(&format!("{path}/route_reservations")),
            },
        })
    }

    pub fn route(&self, route: &Route) -> Value {
        let record = &route.record;
        let path = format!("/v3/routes/{}", record.guid);
        json!({
            "guid": record.guid,
            "created_at": created(record),
            "updated_at": updated(record),
            "protocol": "http",
            "host": route.host,
            "path": route.path,
            "port": null,
            "url": route.url,
            "destinations": self.destinations(route),
            "options": {},
            "metadata": metadata(&record.metadata),
            "relationships": {"space": to_one(&route.space), "domain": to_one(&route.domain)},
            "links": {
                "self": self.link(&path),
                "space": self.link(&format!("/v3/spaces/{}", route.space)),
                "destinations": self.link(&format!("{path}/destinations")),
                "domain": self.link(&format!("/v3/domains/{}", route.domain)),
            },
        })
    }

    fn destinations(&self, route: &Route) -> Vec<Value> {
        let dated = self.since(3, 198);
        let present = |destination: &crate::sim::cloudfoundry::routes::Destination| {
            let mut body = json!({
                "guid": destination.guid,
                "app": {"guid": destination.app, "process": {"type": destination.process}},
                "weight": null,
                "port": 8080,
                "protocol": "http1",
            });
            if let (true, Some(members)) = (dated, body.as_object_mut()) {
                members.insert("created_at".to_owned(), json!(stamp(destination.created_at)));
                members.insert("updated_at".to_owned(), json!(stamp(destination.created_at)));
            }
            body
        };
        route.destinations.iter().map(present).collect()
    }

    /// `GET /v3/routes/:guid/destinations`.
    pub fn destination_list(&self, route: &Route) -> Value {
        let path = format!("/v3/routes/{}", route.record.guid);
        json!({
            "destinations": self.destinations(route),
            "links": {"self": self.link(&format!("{path}/destinations")), "route": self.link(&path)},
        })
    }
}
