//! A load balancer as ELBv2 describes it, spelled the one way moored compares it.
//!
//! Decides its facts, its addresses and which incarnation it is. Never judges. The reader of an
//! account's load balancers calls [`live`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::KIND;
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::value::{Fact, Fields, Value};
use crate::kinds::detail;
use crate::kinds::dns_record::name;

/// One load balancer, free of any SDK.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Its ARN, new for every incarnation.
    pub arn: Arc<str>,
    /// Its name, unique in account and region.
    pub name: Arc<str>,
    /// Such as `provisioning` or `active`.
    pub state: Option<String>,
    /// Why it is in that state, where ELBv2 says.
    pub state_reason: Option<String>,
    /// Where it is reached.
    pub dns_name: Option<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// `internet-facing` or `internal`.
    pub scheme: Option<String>,
    /// `application`, `network` or `gateway`.
    pub balancer_type: Option<String>,
    /// Such as `ipv4`.
    pub ip_address_type: Option<String>,
    /// Security group ids.
    pub security_groups: Vec<String>,
    /// Subnet ids.
    pub subnets: Vec<String>,
    /// The ARNs of the target groups that name it.
    pub target_groups: Vec<Arc<str>>,
}

/// What costs calls of its own; `None` where nobody asked.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// Its listeners.
    pub listeners: Option<Result<Vec<Listener>, Fact>>,
    /// Its attributes by their ELBv2 keys.
    pub attributes: Option<Result<BTreeMap<String, String>, Fact>>,
    /// Its tags.
    pub tags: Option<Result<BTreeMap<String, String>, Fact>>,
}

/// One listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listener {
    /// The port it listens on.
    pub port: i32,
    /// Such as `HTTPS`.
    pub protocol: Option<String>,
    /// The security policy of a TLS listener.
    pub ssl_policy: Option<String>,
    /// Certificate ARNs.
    pub certificates: Vec<String>,
    /// The target group that its default action forwards to.
    pub target_group: Option<String>,
}

/// The live load balancer of an observed one.
pub fn live(observed: Observed, details: Details) -> Live {
    let mut fields = Fields::default();
    fields.set_some("state", observed.state.as_deref());
    fields.set_some("stateReason", observed.state_reason.as_deref());
    fields.set_some("createdTime", observed.created.map(|at| Value::text(at.to_string())));
    fields.set_some("scheme", observed.scheme.as_deref());
    fields.set_some("type", observed.balancer_type.as_deref());
    fields.set_some("ipAddressType", observed.ip_address_type.as_deref());
    fields.set("securityGroups", Value::set(observed.security_groups));
    fields.set("subnets", Value::set(observed.subnets));
    let mut addresses: Vec<Arc<str>> = Vec::new();
    if let Some(dns_name) = &observed.dns_name {
        fields.set("dnsName", Value::text(name::canonical(dns_name)));
        addresses.push(name::address(dns_name).into());
    }
    // Both ways: a service that registers with a group needs the balancer in front of it, and the
    // balancer needs the group.
    let groups: Vec<Arc<str>> = observed.target_groups.iter().map(|arn| format!("targetgroup:{arn}").into()).collect();
    addresses.extend(groups.iter().cloned());
    match details.listeners {
        None => fields.put("listeners", detail::not_asked()),
        Some(Err(fact)) => fields.put("listeners", fact),
        Some(Ok(listeners)) => listeners.into_iter().for_each(|listener| put_listener(&mut fields, listener)),
    }
    match details.attributes.unwrap_or_else(|| Err(detail::not_asked())) {
        Err(fact) => {
            for path in ["attributes", "idleTimeout", "deletionProtection"] {
                fields.put(path, fact.clone());
            }
        }
        Ok(attributes) => put_attributes(&mut fields, &attributes),
    }
    put_tags(&mut fields, details.tags);
    fields.shrink();
    Live {
        key: ObjectKey::new(KIND, &observed.name),
        id: observed.arn.clone(),
        incarnation: Some(observed.arn),
        fields,
        addresses: addresses.into(),
        references: groups.into(),
    }
}

fn put_listener(fields: &mut Fields, listener: Listener) {
    let port = listener.port;
    fields.set_some(format!("listeners.{port}.protocol"), listener.protocol.as_deref());
    fields.set_some(format!("listeners.{port}.sslPolicy"), listener.ssl_policy.as_deref());
    fields.set_some(format!("listeners.{port}.targetGroup"), listener.target_group.as_deref());
    if !listener.certificates.is_empty() {
        fields.set(format!("listeners.{port}.certificates"), Value::set(listener.certificates));
    }
}

fn put_attributes(fields: &mut Fields, attributes: &BTreeMap<String, String>) {
    for (key, value) in attributes {
        fields.set(format!("attributes.{key}"), value.as_str());
        match key.as_str() {
            "idle_timeout.timeout_seconds" => fields.set_some("idleTimeout", value.parse::<i64>().ok()),
            "deletion_protection.enabled" => fields.set("deletionProtection", value == "true"),
            _ => {}
        }
    }
}

/// The tags of a balancer or target group; `None` where nobody asked.
pub fn put_tags(fields: &mut Fields, tags: Option<Result<BTreeMap<String, String>, Fact>>) {
    match tags {
        None => fields.put("tags", detail::not_asked()),
        Some(Err(fact)) => fields.put("tags", fact),
        Some(Ok(tags)) => {
            for (key, value) in &tags {
                fields.set(format!("tags.{key}"), value.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balancer_is_called_by_its_dns_name_and_its_target_groups() {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/api/1";
        let observed = Observed {
            arn: arn.into(),
            name: "api".into(),
            dns_name: Some("API-1.eu-west-1.elb.amazonaws.com".into()),
            target_groups: vec!["arn:tg".into()],
            ..Observed::default()
        };
        let balancer = live(observed, Details::default());
        let addresses: Vec<&str> = balancer.addresses.iter().map(|address| &**address).collect();
        assert_eq!(addresses, ["dns:api-1.eu-west-1.elb.amazonaws.com", "targetgroup:arn:tg"]);
        let references: Vec<&str> = balancer.references.iter().map(|reference| &**reference).collect();
        assert_eq!(references, ["targetgroup:arn:tg"], "its group is no orphan while it lives");
        assert_eq!((&*balancer.id, balancer.incarnation.as_deref()), (arn, Some(arn)));
    }

    #[test]
    fn details_that_nobody_asked_for_are_unknown_and_not_empty() {
        let balancer = live(Observed::default(), Details::default());
        for path in ["listeners.443.protocol", "idleTimeout", "deletionProtection", "attributes.x.y", "tags.team"] {
            assert!(matches!(*balancer.fields.fact(path), Fact::Unknown(_)), "{path}");
        }
    }

    #[test]
    fn attributes_that_could_not_be_read_leave_their_fields_unknown() {
        let unknown = Fact::Unknown("throttled".into());
        let balancer =
            live(Observed::default(), Details { attributes: Some(Err(unknown.clone())), ..Details::default() });
        for path in ["idleTimeout", "deletionProtection", "attributes.routing.http2.enabled"] {
            assert_eq!(*balancer.fields.fact(path), unknown, "{path}");
        }
    }
}
