//! Health checks of Route 53: the kind `HealthCheck`.
//!
//! Decides when a check is proven gone, by each way of naming it, and when what it watches does not
//! work. Never reads one. `core` calls the [`Kind`], the loader [`ENTRY`].

mod import;
pub mod live;
mod spec;

use crate::core::desired::Declared;
use crate::core::identity::{Ask, Select};
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, NamedAnswer, Reading, Reason};
use crate::core::value::{Fact, Value};
use crate::core::world::World;
use crate::kinds::{KindEntry, patience};

/// The kind's name.
pub const KIND: &str = "HealthCheck";

/// Of a hundred checkers, more than so many must reach an endpoint for Route 53 to count it as
/// healthy (Route 53 Developer Guide, "How Amazon Route 53 determines whether a health check is
/// healthy": dns-failover-determining-health-of-endpoints.html).
const QUORUM: i64 = 18;

/// A Route 53 health check.
#[derive(Debug)]
pub struct HealthCheck;

/// The kind's line in the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &HealthCheck,
    summary: "A Route 53 health check: what it asks, how often, and whether enough of its checkers get an answer.",
    schema,
    declare: spec::declare,
    import: Some(import::IMPORT),
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

    /// A check that Route 53 counts as unhealthy: too few of its checkers reach the endpoint, or,
    /// where it is inverted, enough of them do. Checkers find out one by one, and a failover or a
    /// deployment passes, so that it is given patience.
    fn judge(&self, declared: &Declared, live: &Live, _world: &World<'_>) -> Vec<Judgement> {
        if live.fields.value("disabled") == Some(&Value::Bool(true)) {
            // Nobody asks the endpoint; that it is off is a difference where it is declared on.
            return Vec::new();
        }
        match live.fields.fact("status").into_owned() {
            Fact::Unknown(why) => {
                return vec![Judgement::Unknown(Failure::new(Reason::Incomplete, format!("its status: {why}")))];
            }
            Fact::Unchecked(why) => return vec![Judgement::Unchecked(why)],
            Fact::Known(_) => {}
        }
        let number = |path| live.fields.value(path).and_then(Value::as_int);
        let (Some(failing), Some(checkers)) = (number("status.failing"), number("status.checkers")) else {
            return Vec::new();
        };
        let inverted = live.fields.value("inverted") == Some(&Value::Bool(true));
        if checkers == 0 || is_healthy(failing, checkers, inverted) {
            return Vec::new();
        }
        let message = if inverted {
            format!("{failing} of {checkers} checkers reach it, which the inverted check counts as failing")
        } else {
            format!("{failing} of {checkers} checkers see it failing")
        };
        let patience = patience::when_down(declared.policy.settle);
        vec![Judgement::Unsteady { message, works: false, patience, progress: 0 }]
    }
}

/// Route 53 asks first whether enough checkers reach the endpoint, and inverts the outcome then.
fn is_healthy(failing: i64, checkers: i64, inverted: bool) -> bool {
    let reaching = if inverted { failing } else { checkers - failing };
    (reaching * 100 > checkers * QUORUM) != inverted
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::{SignedDuration, Timestamp};

    use super::live::{Observed, Status, Tags};
    use super::*;
    use crate::core::identity::ScopeKey;
    use crate::core::identity::ScopeKind;
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
        assert_eq!(reason(&listed(None), &ask(Select::ReferencedBy(Box::new((zone, "x".into()))))), Reason::Invalid);
    }

    #[test]
    fn route_53_counts_an_endpoint_as_healthy_that_more_than_18_per_cent_of_the_checkers_reach() {
        assert!(is_healthy(13, 16, false), "3 of 16 are 18.75 %");
        assert!(!is_healthy(14, 16, false), "2 of 16 are 12.5 %");
        assert!(!is_healthy(41, 50, false), "9 of 50 are 18 %, which is not more");
        assert!(
            is_healthy(2, 16, true) && !is_healthy(3, 16, true),
            "inverted: those that fail are those that reach it"
        );
    }

    #[test]
    fn a_check_that_route_53_counts_as_unhealthy_does_not_work_if_it_stays_so_for_two_minutes() {
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
            HealthCheck.judge(&declared, &live::live(observed, None, status), &world)
        };
        let failing = Some(Ok(Status { checkers: 16, failed: 14 }));
        let message = "14 of 16 checkers see it failing".to_owned();
        let patience = SignedDuration::from_mins(2);
        let unsteady = Judgement::Unsteady { message, works: false, patience, progress: 0 };
        assert_eq!(judge(false, failing.clone()), [unsteady]);
        assert_eq!(judge(false, Some(Ok(Status { checkers: 16, failed: 9 }))), []);
        assert_eq!(judge(false, Some(Ok(Status::default()))), [], "no checker has reported yet");
        assert_eq!(judge(true, failing), []);
        assert!(matches!(judge(false, Some(Err(Fact::Unknown("old".into())))).as_slice(), [Judgement::Unknown(_)]));
        assert_eq!(judge(false, Some(Err(Fact::Unchecked("denied".into())))), [Judgement::Unchecked("denied".into())]);
        assert!(matches!(judge(false, None).as_slice(), [Judgement::Unknown(_)]), "newer than the reading");
    }
}
