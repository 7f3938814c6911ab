//! DNS records: the kind `DnsRecord`.
//!
//! Decides when a record is proven gone and when it leads nowhere. Never reads a zone. `core`
//! calls the [`Kind`], the loader [`ENTRY`], and whoever names a record [`record_key`].

#[cfg(test)]
pub(crate) mod fixture;
mod import;
pub mod live;
pub mod name;
mod spec;
pub mod value;

pub use name::record_key;

use crate::core::desired::Declared;
use crate::core::identity::{Ask, ScopeKind, Select};
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, Reading, Reason};
use crate::core::world::World;
use crate::kinds::KindEntry;

/// The kind's name.
pub const KIND: &str = "DnsRecord";

/// A record of a hosted zone.
#[derive(Debug)]
pub struct DnsRecord;

/// The kind's line in the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &DnsRecord,
    summary: "A record of a Route 53 hosted zone: its values, TTL, alias, routing policy and health check.",
    schema,
    declare: spec::declare,
    import: Some(import::IMPORT),
};

fn schema() -> schemars::Schema {
    schemars::schema_for!(spec::DnsRecordSpec)
}

/// Whether Route 53 itself keeps this record in every zone: NS and SOA of the apex. Such a record
/// is never unexpected.
pub fn is_built_in(live: &Live) -> bool {
    let mut parts = live.id.split('/');
    let (zone, name, record_type) = (parts.next(), parts.next(), parts.next());
    zone == name && matches!(record_type, Some("NS" | "SOA"))
}

impl Kind for DnsRecord {
    fn name(&self) -> &'static str {
        KIND
    }

    /// A record is gone when the zone's list is complete, by Route 53's own count, and lacks it.
    fn absence(&self, ask: &Ask, reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        let Select::Key(key) = &ask.select else {
            return Err(Failure::new(
                Reason::Invalid,
                format!("a record is found by its name and type, not by `{}`", ask.select),
            ));
        };
        if !(reading.complete && reading.listed) {
            return Err(Failure::new(Reason::Incomplete, "the list of the zone's records is not complete"));
        }
        let sentence = format!(
            "the zone's complete list of {} records (Route 53 counts as many) has no {}",
            reading.objects.len(),
            key.replace('|', " ").trim_end()
        );
        Ok(Proof { sentence, deleted: false })
    }

    /// A record whose load balancer is proven gone answers with a name that leads nowhere.
    fn judge(&self, _declared: &Declared, live: &Live, world: &World<'_>) -> Vec<Judgement> {
        let targets = live.references.iter().filter(|reference| reference.starts_with("dns:"));
        targets
            .filter(|target| world.gone_with_address(ScopeKind::LoadBalancers, target).is_some())
            .map(|target| Judgement::Degraded {
                message: format!("points at a load balancer that is gone ({})", target.trim_start_matches("dns:")),
                works: false,
                caused_by: Some(target.to_string()),
            })
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::core::identity::{ObjectKey, ScopeKey};
    use crate::core::memory::{Memory, ScopeMemory};

    const BALANCER: &str = "api-1.eu-west-1.elb.amazonaws.com";

    fn record(name: &str, record_type: &str) -> Live {
        let observed = live::Observed {
            name: name.into(),
            record_type: record_type.into(),
            values: vec![format!("{BALANCER}.")],
            ..live::Observed::default()
        };
        live::live(observed, "example.com")
    }

    fn ask() -> Ask {
        Ask { kind: KIND, select: Select::Key("api.example.com|CNAME|".into()) }
    }

    #[test]
    fn a_record_is_gone_only_when_a_complete_list_lacks_it() {
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        assert_eq!(DnsRecord.absence(&ask(), &reading, None).unwrap_err().reason, Reason::Incomplete);
        reading.complete = true;
        assert_eq!(DnsRecord.absence(&ask(), &reading, None).unwrap_err().reason, Reason::Incomplete);
        reading.listed = true;
        let proof = DnsRecord.absence(&ask(), &reading, None).unwrap();
        assert!(proof.sentence.contains("api.example.com CNAME") && !proof.deleted, "{}", proof.sentence);
        let by_arn = Ask { kind: KIND, select: Select::Arn("arn:aws:route53:::x".into()) };
        assert_eq!(DnsRecord.absence(&by_arn, &reading, None).unwrap_err().reason, Reason::Invalid);
    }

    #[test]
    fn a_record_that_points_at_a_gone_balancer_is_degraded_by_it() {
        let scope = ScopeKey::new(ScopeKind::LoadBalancers, "111122223333", "eu-west-1", "");
        let remembered = |gone_since| {
            let object = ObjectMemory {
                id: "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/api/1".into(),
                incarnation: None,
                addresses: vec![name::address(BALANCER).into()],
                former: Vec::new(),
                first_seen: Timestamp::UNIX_EPOCH,
                marks: BTreeMap::new(),
                watched: crate::core::memory::Watched::No,
                absent_since: None,
                gone_since,
            };
            let objects = BTreeMap::from([(ObjectKey::new("LoadBalancer", "api"), object)]);
            Memory {
                scopes: BTreeMap::from([(scope.clone(), Arc::new(ScopeMemory { objects, ..ScopeMemory::default() }))]),
                seasoned: true,
            }
        };
        let declared =
            fixture::Stage::new().declared(&DnsRecord, "api.example.com", fixture::declaration(scope.clone(), "x"));
        let observations = BTreeMap::new();
        let judge = |memory: &Memory, live: &Live| {
            DnsRecord.judge(&declared, live, &World { observations: &observations, memory, now: Timestamp::UNIX_EPOCH })
        };
        let dangling = judge(&remembered(Some(Timestamp::UNIX_EPOCH)), &record("api.example.com.", "CNAME"));
        let [Judgement::Degraded { works, caused_by, .. }] = dangling.as_slice() else { panic!("{dangling:?}") };
        assert_eq!((*works, caused_by.as_deref()), (false, Some("dns:api-1.eu-west-1.elb.amazonaws.com")));
        assert_eq!(judge(&remembered(None), &record("api.example.com.", "CNAME")), []);
    }

    #[test]
    fn only_the_apex_ns_and_soa_are_built_in() {
        assert!(is_built_in(&record("example.com.", "NS")) && is_built_in(&record("example.com.", "SOA")));
        assert!(!is_built_in(&record("sub.example.com.", "NS")) && !is_built_in(&record("example.com.", "MX")));
    }
}
