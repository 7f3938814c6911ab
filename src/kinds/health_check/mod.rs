//! Health checks of Route 53: the kind `HealthCheck`.
//!
//! Decides when a check is proven gone, by each way of naming it, and when what it watches does not
//! work. Never reads one. `core` calls the [`Kind`], the loader [`ENTRY`].

pub mod live;
mod spec;

use crate::core::desired::Declared;
use crate::core::identity::{Ask, ScopeKind, Select};
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, NamedAnswer, Reading, Reason};
use crate::core::value::{Fact, Value};
use crate::core::world::World;
use crate::kinds::KindEntry;

/// The kind's name.
pub const KIND: &str = "HealthCheck";

/// A Route 53 health check.
#[derive(Debug)]
pub struct HealthCheck;

/// The kind's line in the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &HealthCheck,
    summary: "A Route 53 health check: what it asks, how often, and whether most of its checkers get an answer.",
    scope: ScopeKind::HealthChecks,
    schema,
    declare: spec::declare,
};

fn schema() -> schemars::Schema {
    schemars::schema_for!(spec::HealthCheckSpec)
}

impl Kind for HealthCheck {
    fn name(&self) -> &'static str {
        KIND
    }

    /// By id a check is gone when Route 53 answers so for that very id and the complete list lacks
    /// it; by another name when the list is complete and, for a tag, every check's tags were read.
    fn absence(&self, ask: &Ask, reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        if !(reading.complete && reading.listed) {
            return Err(Failure::new(Reason::Incomplete, "the list of the account's health checks is not complete"));
        }
        let listed = format!("the complete list of {} health checks (Route 53 counts as many)", reading.objects.len());
        let sentence = match &ask.select {
            Select::Key(id) => match reading.answers.get(ask) {
                Some(NamedAnswer::NotFound) => format!("Route 53 knows no health check {id}, and {listed} lacks it"),
                Some(NamedAnswer::Unknown(failure)) => return Err(failure.clone()),
                _ => {
                    return Err(Failure::new(
                        Reason::Unconfirmed,
                        format!("Route 53 was not asked about health check {id} itself"),
                    ));
                }
            },
            Select::Alias(alias) if alias.starts_with("tagName:") => {
                let unread = reading
                    .objects
                    .values()
                    .filter(|live| !matches!(*live.fields.fact("tags"), Fact::Known(Value::List(_))))
                    .count();
                if unread > 0 {
                    return Err(Failure::new(
                        Reason::Incomplete,
                        format!("the tags of {unread} health checks were not read: one of them may be {alias}"),
                    ));
                }
                format!("{listed}, all of whose tags were read, has none with {alias}")
            }
            Select::Alias(alias) => format!("{listed} has none with {alias}"),
            Select::Arn(_) | Select::ReferencedBy(..) => {
                return Err(Failure::new(
                    Reason::Invalid,
                    format!("a health check cannot be looked up as {}", ask.select),
                ));
            }
        };
        Ok(Proof { sentence, deleted: false })
    }

    /// A check that most of its checkers see failing: the endpoint is down.
    fn judge(&self, _declared: &Declared, live: &Live, _world: &World<'_>) -> Vec<Judgement> {
        if live.fields.value("disabled") == Some(&Value::Bool(true)) {
            // Nobody asks the endpoint; that it is off is a difference where it is declared on.
            return Vec::new();
        }
        if let Fact::Unknown(why) = &*live.fields.fact("status") {
            return vec![Judgement::Unknown(Failure::new(Reason::Incomplete, format!("its status: {why}")))];
        }
        let number = |path| live.fields.value(path).and_then(Value::as_int);
        match (number("status.failing"), number("status.checkers")) {
            (Some(failing), Some(checkers)) if failing * 2 > checkers => vec![Judgement::Degraded {
                message: format!("{failing} of {checkers} checkers see it failing"),
                works: false,
                caused_by: None,
            }],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::live::{Observed, Status, Tags};
    use super::*;
    use crate::core::identity::ScopeKey;
    use crate::core::memory::Memory;
    use crate::kinds::dns_record::fixture::{Stage, declaration};

    fn ask(select: Select) -> Ask {
        Ask { kind: KIND, select }
    }

    fn listed(tags: Option<Result<Tags, Fact>>) -> Reading {
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        (reading.complete, reading.listed) = (true, true);
        reading.insert(live::live(
            Observed { id: "other".into(), check_type: "TCP".into(), ..Observed::default() },
            tags,
            None,
        ));
        reading
    }

    fn reason(reading: &Reading, ask: &Ask) -> Reason {
        HealthCheck.absence(ask, reading, None).unwrap_err().reason
    }

    #[test]
    fn a_check_is_gone_by_id_only_when_route_53_says_so_of_that_id() {
        let by_id = ask(Select::Key("abc".into()));
        let mut reading = listed(None);
        assert_eq!(reason(&reading, &by_id), Reason::Unconfirmed);
        reading.answers.insert(by_id.clone(), NamedAnswer::Unknown(Failure::new(Reason::Throttled, "slow down")));
        assert_eq!(reason(&reading, &by_id), Reason::Throttled);
        reading.answers.insert(by_id.clone(), NamedAnswer::NotFound);
        assert!(HealthCheck.absence(&by_id, &reading, None).is_ok());
        reading.complete = false;
        assert_eq!(reason(&reading, &by_id), Reason::Incomplete);
    }

    #[test]
    fn a_check_is_gone_by_caller_reference_when_a_complete_list_lacks_it() {
        let by_reference = ask(Select::Alias("callerReference:x".into()));
        assert!(HealthCheck.absence(&by_reference, &listed(None), None).is_ok());
        let half = Reading { complete: false, ..listed(None) };
        assert_eq!(reason(&half, &by_reference), Reason::Incomplete);
    }

    #[test]
    fn a_check_is_gone_by_tag_only_when_every_tag_was_read() {
        let by_tag = ask(Select::Alias("tagName:api".into()));
        assert_eq!(reason(&listed(None), &by_tag), Reason::Incomplete);
        assert_eq!(reason(&listed(Some(Err(Fact::Unknown("throttled".into())))), &by_tag), Reason::Incomplete);
        assert_eq!(reason(&listed(Some(Err(Fact::Unchecked("denied".into())))), &by_tag), Reason::Incomplete);
        assert!(HealthCheck.absence(&by_tag, &listed(Some(Ok(Tags::new()))), None).is_ok());
    }

    #[test]
    fn a_check_that_only_a_record_knows_is_never_proven_gone_here() {
        let zone = ScopeKey::new(ScopeKind::HostedZone, "111122223333", "global", "example.com");
        assert_eq!(reason(&listed(None), &ask(Select::ReferencedBy(zone, "x".into()))), Reason::Invalid);
    }

    #[test]
    fn a_check_does_not_work_when_most_checkers_fail() {
        let scope = ScopeKey::new(ScopeKind::HealthChecks, "111122223333", "global", "");
        let declared = Stage::new().declared(&HealthCheck, "api", declaration(scope, "abc"));
        let (observations, memory) = (BTreeMap::new(), Memory::default());
        let judge = |disabled, status| {
            let observed = Observed {
                id: "abc".into(),
                check_type: "HTTP".into(),
                disabled: Some(disabled),
                ..Observed::default()
            };
            let world = World { observations: &observations, memory: &memory, now: Timestamp::UNIX_EPOCH };
            HealthCheck.judge(&declared, &live::live(observed, None, Some(status)), &world)
        };
        let failing = Ok(Status { checkers: 16, failed: 9 });
        assert!(matches!(judge(false, failing.clone()).as_slice(), [Judgement::Degraded { works: false, .. }]));
        assert_eq!(judge(false, Ok(Status { checkers: 16, failed: 8 })), []);
        assert_eq!(judge(true, failing), []);
        assert!(matches!(judge(false, Err(Fact::Unknown("old".into()))).as_slice(), [Judgement::Unknown(_)]));
        assert_eq!(judge(false, Err(Fact::Unchecked("denied".into()))), []);
    }
}
