//! Target groups of load balancers: the kind `TargetGroup`.
//!
//! Decides when a group has too few healthy targets; when it is proven gone it leaves to the load
//! balancers' proof. Never reads one. `core` calls the [`Kind`], the loader [`ENTRY`].

mod import;
pub mod live;
mod spec;

use std::sync::Arc;

use crate::core::desired::Declared;
use crate::core::identity::Ask;
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, Reading, Reason};
use crate::core::value::{Expect, Fact, Value};
use crate::core::world::World;
use crate::kinds::load_balancer::proven_absent;
use crate::kinds::{KindEntry, detail, patience};
use live::Targets;

/// The kind's name.
pub const KIND: &str = "TargetGroup";

/// Where the number of healthy targets stands, and what `minHealthy` expects of it.
const HEALTHY: &str = "targets.healthy";

/// A target group.
#[derive(Debug)]
pub struct TargetGroup;

/// The kind's line in the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &TargetGroup,
    summary: "A target group of a load balancer: how it reaches and checks its targets, and how many of them are healthy.",
    schema,
    declare: spec::declare,
    import: Some(import::IMPORT),
};

fn schema() -> schemars::Schema {
    schemars::schema_for!(spec::TargetGroupSpec)
}

/// What a reading says of the health of a group's targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It was read.
    Known(Targets),
    /// Nobody asked.
    NotAsked,
    /// The role may never read it.
    Unchecked(Arc<str>),
    /// It could not be read.
    Unknown(Arc<str>),
}

/// The health of a live group's targets.
pub fn health(live: &Live) -> Health {
    match live.fields.fact("targets").into_owned() {
        fact if detail::is_not_asked(&fact) => Health::NotAsked,
        Fact::Unchecked(why) => Health::Unchecked(why),
        Fact::Unknown(why) => Health::Unknown(why),
        Fact::Known(_) => counted(live).map_or(Health::NotAsked, Health::Known),
    }
}

fn counted(live: &Live) -> Option<Targets> {
    let number = |path| live.fields.value(path).and_then(Value::as_int);
    Some(Targets {
        registered: number("targets.registered")?,
        healthy: number(HEALTHY)?,
        initial: number("targets.initial")?,
    })
}

impl Kind for TargetGroup {
    fn name(&self) -> &'static str {
        KIND
    }

    fn absence(&self, ask: &Ask, reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        proven_absent("target group", ask, reading)
    }

    /// The minimum of healthy targets: below it the group is degraded, not changed.
    fn judges(&self, path: &str) -> bool {
        path == HEALTHY
    }

    /// Whether its targets are healthy. A group without targets may be scaled down, and says
    /// nothing unless `minHealthy` is declared. Targets come and go with every deployment and every
    /// task that is replaced, so that too few of them are given patience.
    fn judge(&self, declared: &Declared, live: &Live, _world: &World<'_>) -> Vec<Judgement> {
        let unknown = |why: &str| {
            vec![Judgement::Unknown(Failure::new(Reason::Incomplete, format!("the health of its targets: {why}")))]
        };
        let targets = match health(live) {
            Health::Known(targets) => targets,
            // A declared group is asked for; only the reading is older than the manifest.
            Health::NotAsked => return unknown(detail::NOT_ASKED),
            Health::Unchecked(why) => return vec![Judgement::Unchecked(why)],
            Health::Unknown(why) => return unknown(&why),
        };
        let wanted = declared.expects.iter().find_map(|(path, expect)| match expect {
            Expect::Between(Some(min), _) if *path == HEALTHY => Some(*min),
            _ => None,
        });
        let message = match wanted {
            _ if targets.healthy == 0 && targets.failing() > 0 => {
                format!("none of its {} targets is healthy", targets.registered)
            }
            Some(min) if targets.healthy < min => {
                format!(
                    "{} of its {} targets are healthy, at least {min} are declared",
                    targets.healthy, targets.registered
                )
            }
            _ => return Vec::new(),
        };
        let (works, settle) = (targets.healthy > 0, declared.policy.settle);
        let patience = if works { patience::when_short(settle) } else { patience::when_down(settle) };
        vec![Judgement::Unsteady { message, works, patience, progress: targets.healthy }]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::core::identity::ScopeKind;
    use crate::core::identity::{ScopeKey, Select};
    use crate::core::memory::Memory;
    use crate::core::observation::NamedAnswer;
    use crate::core::value::Path;
    use crate::kinds::Declaration;
    use crate::kinds::dns_record::fixture::{Stage, declaration};

    fn judged(min_healthy: Option<i64>, targets: Option<Result<Targets, Fact>>) -> Vec<Judgement> {
        let scope = ScopeKey::new(ScopeKind::LoadBalancers, "111122223333", "eu-west-1", "");
        let expects: Vec<(Path, Expect)> =
            min_healthy.into_iter().map(|min| (HEALTHY.into(), Expect::Between(Some(min), None))).collect();
        let declared = Stage::new().declared(&TargetGroup, "api", Declaration { expects, ..declaration(scope, "api") });
        let group = live::live(live::Observed::default(), targets, None);
        let (observations, memory) = (BTreeMap::new(), Memory::default());
        TargetGroup.judge(
            &declared,
            &group,
            &World { observations: &observations, memory: &memory, now: Timestamp::UNIX_EPOCH },
        )
    }

    fn targets(registered: i64, healthy: i64, initial: i64) -> Option<Result<Targets, Fact>> {
        Some(Ok(Targets { registered, healthy, initial }))
    }

    fn unsteady(message: &str, works: bool, minutes: i64, progress: i64) -> [Judgement; 1] {
        [Judgement::Unsteady {
            message: message.to_owned(),
            works,
            patience: SignedDuration::from_mins(minutes),
            progress,
        }]
    }

    #[test]
    fn a_group_whose_targets_all_fail_does_not_work_if_it_stays_so_for_two_minutes() {
        assert_eq!(judged(None, targets(2, 0, 0)), unsteady("none of its 2 targets is healthy", false, 2, 0));
        assert_eq!(judged(None, targets(2, 1, 0)), []);
        assert_eq!(judged(None, targets(0, 0, 0)), [], "scaled down");
        assert_eq!(judged(None, targets(1, 0, 1)), [], "registered a moment ago");
    }

    #[test]
    fn fewer_healthy_targets_than_declared_are_given_five_minutes_unless_there_are_none() {
        let few = "2 of its 3 targets are healthy, at least 3 are declared";
        assert_eq!(judged(Some(3), targets(3, 2, 0)), unsteady(few, true, 5, 2));
        let none = "0 of its 0 targets are healthy, at least 1 are declared";
        assert_eq!(judged(Some(1), targets(0, 0, 0)), unsteady(none, false, 2, 0));
        assert_eq!(judged(Some(2), targets(3, 2, 0)), []);
    }

    #[test]
    fn health_that_could_not_be_read_is_unknown_and_health_that_never_can_is_unchecked() {
        let lost = judged(None, Some(Err(Fact::Unknown("throttled".into()))));
        assert!(matches!(lost.as_slice(), [Judgement::Unknown(_)]), "{lost:?}");
        let denied = judged(None, Some(Err(Fact::Unchecked("denied".into()))));
        assert_eq!(denied, [Judgement::Unchecked("denied".into())]);
        let newer_than_the_reading = judged(None, None);
        assert!(matches!(newer_than_the_reading.as_slice(), [Judgement::Unknown(_)]), "{newer_than_the_reading:?}");
    }

    #[test]
    fn a_group_is_gone_only_when_elbv2_says_so_of_that_name() {
        let ask = Ask { kind: KIND, select: Select::Key("api".into()) };
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        (reading.complete, reading.listed) = (true, true);
        assert_eq!(TargetGroup.absence(&ask, &reading, None).unwrap_err().reason, Reason::Unconfirmed);
        reading.answers.insert(ask.clone(), NamedAnswer::NotFound);
        assert!(TargetGroup.absence(&ask, &reading, None).unwrap().sentence.contains("target group api"));
    }
}
