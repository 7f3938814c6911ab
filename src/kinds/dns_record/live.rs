//! A record as Route 53 lists it, spelled the one way moored compares it.
//!
//! Decides a record's key, its facts and what it refers to. Never compares. The hosted zone's
//! reader calls [`live`] for every record set of the zone.

use std::sync::Arc;

use super::{KIND, name, value};
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::value::{Fields, Value};

/// One record set, free of any SDK.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The owner name, in any spelling.
    pub name: String,
    /// Such as `CNAME`.
    pub record_type: String,
    /// Tells apart the records of a routing policy.
    pub set: Option<String>,
    /// Seconds; none for an alias.
    pub ttl: Option<i64>,
    /// The values; none for an alias.
    pub values: Vec<String>,
    /// What an alias stands for.
    pub alias: Option<Alias>,
    /// Weighted routing.
    pub weight: Option<i64>,
    /// Latency routing.
    pub region: Option<String>,
    /// Failover routing: `PRIMARY` or `SECONDARY`.
    pub failover: Option<String>,
    /// Geolocation routing, as [`geolocation`] spells it.
    pub geolocation: Option<String>,
    /// Multivalue answer routing.
    pub multi_value_answer: bool,
    /// The health check that it depends on.
    pub health_check_id: Option<String>,
}

/// What an alias record stands for.
#[derive(Debug, Clone, Default)]
pub struct Alias {
    /// The name of the target, in any spelling.
    pub dns_name: String,
    /// The zone of the target.
    pub hosted_zone_id: String,
    /// Whether the target's health counts.
    pub evaluate_target_health: bool,
}

/// The live record of an observed one.
pub fn live(observed: Observed, zone: &str) -> Live {
    let record_type = observed.record_type.as_str();
    let set = observed.set.as_deref();
    let addresses: Vec<Arc<str>> = vec![name::address(&observed.name).into()];
    let mut references: Vec<Arc<str>> = Vec::new();
    let mut fields = Fields::default();
    fields.set("type", record_type);
    fields.set_some("ttl", observed.ttl);
    if !observed.values.is_empty() {
        let values = observed
            .values
            .iter()
            .map(|text| value::value(record_type, text).unwrap_or_else(|_| text.trim().to_owned()));
        fields.set("values", Value::set(values));
    }
    if record_type == "CNAME" {
        references.extend(observed.values.iter().map(|target| Arc::<str>::from(name::address(target))));
    }
    if let Some(alias) = &observed.alias {
        fields.set("alias.dnsName", Value::text(name::target(&alias.dns_name)));
        fields.set("alias.hostedZoneId", alias.hosted_zone_id.as_str());
        fields.set("alias.evaluateTargetHealth", alias.evaluate_target_health);
        references.push(name::address(&alias.dns_name).into());
    }
    fields.set_some("weight", observed.weight);
    fields.set_some("region", observed.region.as_deref());
    fields.set_some("failover", observed.failover.as_deref());
    fields.set_some("geolocation", observed.geolocation.as_deref());
    fields.set("multiValueAnswer", observed.multi_value_answer);
    if let Some(id) = &observed.health_check_id {
        fields.set("healthCheckId", id.as_str());
        references.push(format!("healthcheck:{id}").into());
    }
    fields.shrink();
    Live {
        key: ObjectKey::new(KIND, &name::record_key(&observed.name, record_type, set)),
        id: name::record_id(zone, &observed.name, record_type, set).into(),
        incarnation: None,
        fields,
        addresses: addresses.into(),
        references: references.into(),
    }
}

/// A place on the map, in one spelling: `country US, subdivision CA`.
pub fn geolocation(continent: Option<&str>, country: Option<&str>, subdivision: Option<&str>) -> String {
    [("continent", continent), ("country", country), ("subdivision", subdivision)]
        .into_iter()
        .filter_map(|(what, code)| code.map(|code| format!("{what} {}", code.to_ascii_uppercase())))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::value::Fact;

    #[test]
    fn an_alias_refers_to_its_balancer_and_its_health_check() {
        let record = live(
            Observed {
                name: "\\052.Example.com.".into(),
                record_type: "A".into(),
                set: Some("blue".into()),
                alias: Some(Alias {
                    dns_name: "dualstack.API-1.eu-west-1.elb.amazonaws.com.".into(),
                    hosted_zone_id: "Z32O12XQLNTSW2".into(),
                    evaluate_target_health: true,
                }),
                weight: Some(10),
                health_check_id: Some("abc".into()),
                ..Observed::default()
            },
            "example.com",
        );
        assert_eq!(record.key, ObjectKey::new("DnsRecord", "*.example.com|A|blue"));
        assert_eq!(&*record.id, "example.com/*.example.com/A/blue");
        let references: Vec<&str> = record.references.iter().map(|reference| &**reference).collect();
        assert_eq!(references, ["dns:api-1.eu-west-1.elb.amazonaws.com", "healthcheck:abc"]);
        assert_eq!(record.fields.value("alias.dnsName"), Some(&Value::text("api-1.eu-west-1.elb.amazonaws.com")));
        assert_eq!(*record.fields.fact("values"), Fact::Known(Value::Nothing));
    }

    #[test]
    fn a_value_that_cannot_be_read_stays_as_it_is() {
        let record = live(
            Observed {
                name: "a.example.com.".into(),
                record_type: "A".into(),
                values: vec!["not an address".into()],
                ..Observed::default()
            },
            "example.com",
        );
        assert_eq!(record.fields.value("values"), Some(&Value::set(["not an address"])));
    }

    #[test]
    fn a_place_is_spelled_from_the_largest_to_the_smallest() {
        assert_eq!(geolocation(None, Some("us"), Some("ca")), "country US, subdivision CA");
        assert_eq!(geolocation(Some("EU"), None, None), "continent EU");
    }
}
