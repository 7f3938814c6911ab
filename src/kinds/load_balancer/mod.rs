//! Load balancers: the kind `LoadBalancer`.
//!
//! Decides when a balancer is proven gone (and, with it, a target group: [`proven_absent`]), and
//! when it does not carry traffic. Never reads one. `core` calls the [`Kind`], the loader [`ENTRY`].

pub(in crate::kinds) mod import;
pub mod live;
pub(in crate::kinds) mod spec;

use jiff::Timestamp;

use crate::core::arn::Arn;
use crate::core::desired::Declared;
use crate::core::identity::{Ask, Select};
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, NamedAnswer, Reading, Reason};
use crate::core::value::Value;
use crate::core::world::World;
use crate::kinds::target_group::Health;
use crate::kinds::{KindEntry, patience, target_group};

/// The kind's name.
pub const KIND: &str = "LoadBalancer";

/// An application, network or gateway load balancer.
#[derive(Debug)]
pub struct LoadBalancer;

/// The kind's line in the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &LoadBalancer,
    summary: "A load balancer: its scheme, listeners, attributes and tags, and whether any target behind it is healthy.",
    schema,
    declare: spec::declare,
    import: Some(import::IMPORT),
};

fn schema() -> schemars::Schema {
    schemars::schema_for!(spec::LoadBalancerSpec)
}

/// The proof for what ELBv2 describes by name: every page of the list lacks it, and a question
/// about that very name or ARN was answered with the service's own not-found error; or the name
/// belongs to another incarnation.
pub(in crate::kinds) fn proven_absent(what: &str, ask: &Ask, reading: &Reading) -> Result<Proof, Failure> {
    if !(reading.complete && reading.listed) {
        return Err(Failure::new(Reason::Incomplete, format!("the list of {what}s is not complete")));
    }
    let (wanted, incarnation) = match &ask.select {
        Select::Key(name) => (name, None),
        Select::Arn(arn) => (arn, Arn::parse(arn).and_then(|parsed| parsed.elbv2_name())),
        Select::Alias(_) | Select::ReferencedBy(..) => {
            return Err(Failure::new(
                Reason::Invalid,
                format!("a {what} is found by its name or ARN, not as {}", ask.select),
            ));
        }
    };
    if let Some(other) = incarnation.and_then(|name| reading.object(ask.kind, name)) {
        let sentence = format!("the complete list lacks {wanted}; its name now belongs to {}", other.id);
        return Ok(Proof { sentence, deleted: false });
    }
    match reading.answers.get(ask) {
        Some(NamedAnswer::NotFound) => {
            let sentence = format!("ELBv2 knows no {what} {wanted}, and the complete list lacks it");
            Ok(Proof { sentence, deleted: false })
        }
        Some(NamedAnswer::Unknown(failure)) => Err(failure.clone()),
        _ => Err(Failure::new(Reason::Unconfirmed, format!("ELBv2 was not asked about the {what} {wanted} itself"))),
    }
}

impl Kind for LoadBalancer {
    fn name(&self) -> &'static str {
        KIND
    }

    fn absence(&self, ask: &Ask, reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        proven_absent("load balancer", ask, reading)
    }

    /// What its state says, and whether any target behind it is healthy.
    fn judge(&self, declared: &Declared, live: &Live, world: &World<'_>) -> Vec<Judgement> {
        state(declared, live, world.now).into_iter().chain(targets(declared, live, world)).collect()
    }
}

fn state(declared: &Declared, live: &Live, now: Timestamp) -> Option<Judgement> {
    let text = |path| live.fields.value(path).and_then(Value::as_text);
    let because = text("stateReason").map(|reason| format!(": {reason}")).unwrap_or_default();
    let degraded = |message: String, works| Some(Judgement::Degraded { message, works, caused_by: None });
    match text("state")? {
        "provisioning" => {
            let created: Option<Timestamp> = text("createdTime").and_then(|time| time.parse().ok());
            let until = created.and_then(|created| created.saturating_add(declared.policy.settle).ok());
            match until {
                Some(until) if until > now => {
                    Some(Judgement::Converging { until, message: "it is being provisioned".to_owned() })
                }
                Some(_) => {
                    degraded(format!("still being provisioned after {:#}{because}", declared.policy.settle), false)
                }
                None => Some(Judgement::Unknown(Failure::new(
                    Reason::Incomplete,
                    "it is being provisioned, and its age is not known",
                ))),
            }
        }
        "failed" => degraded(format!("it could not be set up{because}"), false),
        "active_impaired" => degraded(format!("it works, but cannot scale{because}"), true),
        _ => None,
    }
}

/// Whether every target behind it is known to be unhealthy. One that is healthy shows that it
/// works; otherwise the health of every group it forwards to must be known. Where nobody asked
/// for one of them nothing is said; nor of a balancer without targets, which may be scaled down.
fn targets(declared: &Declared, live: &Live, world: &World<'_>) -> Option<Judgement> {
    let reading = world.reading(&declared.scope).ok()?;
    let groups: Vec<Health> = reading
        .objects
        .values()
        .filter(|group| {
            let is_its_own = |address| live.references.contains(address);
            group.key.kind == target_group::KIND && group.addresses.iter().any(is_its_own)
        })
        .map(|group| target_group::health(group))
        .collect();
    let mut asked_of_all = groups.len() == live.references.len();
    let (mut failing, mut waiting) = (0, 0);
    let mut gap = None;
    for group in groups {
        match group {
            Health::Known(targets) if targets.healthy > 0 => return None,
            Health::Known(targets) => {
                failing += targets.failing();
                waiting += targets.initial;
            }
            Health::NotAsked => asked_of_all = false,
            Health::Unknown(why) => {
                let detail = format!("the health of its targets: {why}");
                gap = Some(Judgement::Unknown(Failure::new(Reason::Incomplete, detail)));
            }
            Health::Unchecked(why) => {
                gap.get_or_insert(Judgement::Unchecked(why));
            }
        }
    }
    if !asked_of_all {
        return None;
    }
    let down = Judgement::Unsteady {
        message: format!("none of its {} targets is healthy", failing + waiting),
        works: false,
        patience: patience::when_down(declared.policy.settle),
        progress: 0,
    };
    gap.or_else(|| (failing > 0).then_some(down))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::live::{Details, Observed};
    use super::*;
    use crate::core::identity::ScopeKey;
    use crate::core::identity::ScopeKind;
    use crate::core::memory::Memory;
    use crate::core::observation::{Observation, Observations};
    use crate::core::value::Fact;
    use crate::kinds::dns_record::fixture::{Stage, declaration};
    use crate::kinds::target_group::live::{Observed as Group, Targets};

    const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/api/1";
    const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/api/1";
    const OTHER: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/other/1";

    fn ask(select: Select) -> Ask {
        Ask { kind: KIND, select }
    }

    fn balancer(arn: &str, state: &str) -> Live {
        forwarding(arn, state, &[GROUP])
    }

    fn forwarding(arn: &str, state: &str, groups: &[&str]) -> Live {
        let observed = Observed {
            arn: arn.into(),
            name: "api".into(),
            state: Some(state.into()),
            created: Some(Timestamp::UNIX_EPOCH),
            target_groups: groups.iter().map(|group| Arc::from(*group)).collect(),
            ..Observed::default()
        };
        live::live(observed, Details::default())
    }

    fn complete() -> Reading {
        let mut reading = Reading::begin(Timestamp::UNIX_EPOCH);
        (reading.complete, reading.listed) = (true, true);
        reading
    }

    fn reason(ask: &Ask, reading: &Reading) -> Reason {
        LoadBalancer.absence(ask, reading, None).unwrap_err().reason
    }

    #[test]
    fn a_balancer_is_gone_only_when_elbv2_says_so_of_that_name_and_the_list_lacks_it() {
        let by_name = ask(Select::Key("api".into()));
        let mut reading = complete();
        assert_eq!(reason(&by_name, &reading), Reason::Unconfirmed);
        reading.answers.insert(by_name.clone(), NamedAnswer::Unknown(Failure::new(Reason::Denied, "no")));
        assert_eq!(reason(&by_name, &reading), Reason::Denied);
        reading.answers.insert(by_name.clone(), NamedAnswer::NotFound);
        assert!(LoadBalancer.absence(&by_name, &reading, None).is_ok());
        reading.complete = false;
        assert_eq!(reason(&by_name, &reading), Reason::Incomplete);
        assert_eq!(reason(&ask(Select::Alias("x".into())), &complete()), Reason::Invalid);
    }

    #[test]
    fn an_incarnation_is_gone_when_its_name_belongs_to_another() {
        let by_arn = ask(Select::Arn(ARN.into()));
        let mut reading = complete();
        assert_eq!(reason(&by_arn, &reading), Reason::Unconfirmed);
        let other = ARN.replace("api/1", "api/2");
        reading.insert(balancer(&other, "active"));
        let proof = LoadBalancer.absence(&by_arn, &reading, None).unwrap();
        assert!(proof.sentence.contains(&other), "{}", proof.sentence);
        let mut unlisted = complete();
        unlisted.answers.insert(by_arn.clone(), NamedAnswer::NotFound);
        assert!(LoadBalancer.absence(&by_arn, &unlisted, None).is_ok());
    }

    type Asked = Option<Result<Targets, Fact>>;

    fn judged(state: &str, now: Timestamp, group: Asked) -> Vec<Judgement> {
        judged_by(&balancer(ARN, state), now, [(GROUP, group)])
    }

    /// A balancer that forwards to two groups.
    fn judged_by_both(first: Asked, second: Asked) -> Vec<Judgement> {
        let balancer = forwarding(ARN, "active", &[GROUP, OTHER]);
        judged_by(&balancer, Timestamp::UNIX_EPOCH, [(GROUP, first), (OTHER, second)])
    }

    fn judged_by<const N: usize>(balancer: &Live, now: Timestamp, groups: [(&str, Asked); N]) -> Vec<Judgement> {
        let scope = ScopeKey::new(ScopeKind::LoadBalancers, "111122223333", "eu-west-1", "");
        let declared = Stage::new().declared(&LoadBalancer, "api", declaration(scope.clone(), "api"));
        let mut reading = complete();
        reading.finished = now;
        for (arn, targets) in groups {
            let observed = Group { arn: arn.into(), name: arn.into(), ..Group::default() };
            reading.insert(target_group::live::live(observed, targets, None));
        }
        let observation = Observation { reading: Some(Arc::new(reading)), ..Observation::default() };
        let (observations, memory): (Observations, Memory) =
            (BTreeMap::from([(scope, observation)]), Memory::default());
        LoadBalancer.judge(&declared, balancer, &World { observations: &observations, memory: &memory, now })
    }

    #[test]
    fn provisioning_has_a_deadline() {
        let soon = Timestamp::UNIX_EPOCH;
        assert!(matches!(judged("provisioning", soon, None).as_slice(), [Judgement::Converging { .. }]));
        let late = soon.saturating_add(SignedDuration::from_mins(11)).unwrap();
        assert!(matches!(judged("provisioning", late, None).as_slice(), [Judgement::Degraded { works: false, .. }]));
    }

    #[test]
    fn a_failed_balancer_does_not_work_and_an_impaired_one_does() {
        let now = Timestamp::UNIX_EPOCH;
        assert!(matches!(judged("failed", now, None).as_slice(), [Judgement::Degraded { works: false, .. }]));
        assert!(matches!(judged("active_impaired", now, None).as_slice(), [Judgement::Degraded { works: true, .. }]));
        assert_eq!(judged("active", now, None), []);
    }

    #[test]
    fn a_balancer_without_a_healthy_target_has_two_minutes_and_one_without_targets_is_left_alone() {
        let now = Timestamp::UNIX_EPOCH;
        let message = "none of its 2 targets is healthy".to_owned();
        let patience = SignedDuration::from_mins(2);
        let down = Judgement::Unsteady { message, works: false, patience, progress: 0 };
        assert_eq!(judged("active", now, targets(2, 0, 0)), [down]);
        assert_eq!(judged("active", now, targets(2, 1, 0)), []);
        assert_eq!(judged("active", now, targets(0, 0, 0)), []);
        assert_eq!(judged("active", now, targets(1, 0, 1)), []);
    }

    fn targets(registered: i64, healthy: i64, initial: i64) -> Asked {
        Some(Ok(Targets { registered, healthy, initial }))
    }

    #[test]
    fn a_balancer_is_not_called_down_before_the_health_of_every_group_is_known() {
        let (failing, healthy) = (|| targets(2, 0, 0), || targets(2, 2, 0));
        let lost = || Some(Err(Fact::Unknown("throttled".into())));
        let denied = || Some(Err(Fact::Unchecked("denied".into())));
        assert_eq!(judged_by_both(failing(), None), [], "nobody asked for the other group");
        assert_eq!(judged_by_both(lost(), None), []);
        assert!(matches!(judged_by_both(failing(), lost()).as_slice(), [Judgement::Unknown(_)]));
        assert!(matches!(judged_by_both(lost(), denied()).as_slice(), [Judgement::Unknown(_)]));
        assert_eq!(judged_by_both(failing(), denied()), [Judgement::Unchecked("denied".into())]);
        assert_eq!(judged_by_both(lost(), healthy()), [], "a healthy target is enough");
        let both = judged_by_both(failing(), failing());
        assert!(matches!(both.as_slice(), [Judgement::Unsteady { works: false, .. }]), "{both:?}");
    }
}
