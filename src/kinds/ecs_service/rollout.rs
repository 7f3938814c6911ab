//! Whether a service that is as declared also works: its counts and its rollout.
//!
//! Decides what is on its way and until when, and what has failed. It never compares declared
//! fields. A rollout counts from when its deployment was made, since ECS may touch a deployment
//! for as long as its tasks keep dying. Too few tasks outside of a rollout are given patience: ECS
//! replaces tasks that died, and follows a count that was raised. [`super::EcsService`] calls it
//! when it is asked for its judgement.

use jiff::{SignedDuration, Timestamp};

use super::live::REGISTERED;
use crate::core::judge::Judgement;
use crate::core::observation::{Failure, Reason};
use crate::core::value::{Expect, Fact, Fields, Path, Value};
use crate::kinds::patience;

/// Judges one service by its facts.
pub fn judge(fields: &Fields, expects: &[(Path, Expect)], settle: SignedDuration, now: Timestamp) -> Vec<Judgement> {
    let state = state(fields, settle, now).unwrap_or_else(|failure| Some(Judgement::Unknown(failure)));
    state.into_iter().chain(behind(fields, expects)).collect()
}

fn state(fields: &Fields, settle: SignedDuration, now: Timestamp) -> Result<Option<Judgement>, Failure> {
    if required(fields, "status")?.as_text() == Some("DRAINING") {
        return Ok(Some(degraded("is DRAINING: somebody is deleting it".to_owned(), false)));
    }
    let running = number(fields, "runningCount")?;
    // A task set has its own share of the service's count.
    let desired = match fields.value("rollout.desiredCount") {
        Some(share) => share.as_int().unwrap_or_default(),
        None => number(fields, "desiredCount")?,
    };
    let counts = format!("{running} of {desired} running");
    let state = text(fields, "rollout.state");
    if state == Some("FAILED") {
        let reason = text(fields, "rollout.reason").unwrap_or("ECS gives no reason");
        return Ok(Some(degraded(format!("rollout failed: {counts} ({reason})"), running > 0)));
    }
    if !is_rolling(fields) {
        let (works, patience) = if running > 0 { (true, settle) } else { (false, patience::when_down(settle)) };
        let short = Judgement::Unsteady { message: counts, works, patience, progress: running };
        return Ok((running < desired).then_some(short));
    }
    let clocks = ["rollout.createdAt", "rollout.updatedAt"];
    let Some(since) = clocks.into_iter().find_map(|path| text(fields, path)?.parse::<Timestamp>().ok()) else {
        let detail = format!("a rollout is under way ({counts}), but DescribeServices does not say since when");
        return Err(Failure::new(Reason::Malformed, detail));
    };
    let until = since.saturating_add(settle).unwrap_or(since);
    Ok(Some(if now < until {
        Judgement::Converging { until, message: format!("rolling out: {counts}") }
    } else {
        degraded(format!("rollout has not finished after {settle:#}: {counts}"), running > 0)
    }))
}

/// Whether a rollout is under way.
fn is_rolling(fields: &Fields) -> bool {
    match (text(fields, "rollout.state"), text(fields, "rollout.stability")) {
        (Some(state), _) => state == "IN_PROGRESS",
        (None, Some(stability)) => stability == "STABILIZING",
        (None, None) => fields.value("rollout.deployments").and_then(Value::as_int).unwrap_or_default() > 1,
    }
}

/// Another revision serves production than the declared one, which waits for its turn: in a task
/// set of its own, or only registered. A revision that ECS does not have is a plain difference.
fn behind(fields: &Fields, expects: &[(Path, Expect)]) -> Option<Judgement> {
    let declared = |path: &str| {
        expects.iter().find_map(|(at, expect)| match expect {
            Expect::Is(value) if **at == *path => Some(value),
            Expect::Is(_) | Expect::Between(..) => None,
        })
    };
    let revision = declared("taskDefinition.revision").and_then(Value::as_int)?;
    let family = declared("taskDefinition.family").or(fields.value("taskDefinition.family"))?.as_text()?;
    let in_use = fields.value("taskDefinition.revision").and_then(Value::as_int)?;
    if in_use == revision {
        return None;
    }
    let wanted = Value::text(format!("{family}:{revision}"));
    let is_in = |list: &Value| matches!(list, Value::List(entries) if entries.contains(&wanted));
    if fields.value("rollout.waiting").is_some_and(is_in) {
        let message = format!("revision {revision} is deployed, but revision {in_use} is still the primary task set");
        return Some(Judgement::Latent { message, cause: None });
    }
    // Not by `Fields::fact`: that nobody asked for the rest of the definition is no answer here.
    let (_, registered) = fields.iter().find(|(path, _)| *path == REGISTERED)?;
    match registered {
        Fact::Known(list) => (is_in(list) && !is_rolling(fields)).then(|| Judgement::Latent {
            message: format!("revision {revision} is registered, but revision {in_use} is deployed"),
            cause: None,
        }),
        Fact::Unchecked(why) => Some(Judgement::Unchecked(why.clone())),
        Fact::Unknown(why) => Some(Judgement::Unknown(Failure::new(
            Reason::Incomplete,
            format!("whether revision {revision} is registered: {why}"),
        ))),
    }
}

fn degraded(message: String, works: bool) -> Judgement {
    Judgement::Degraded { message, works, caused_by: None }
}

fn text<'a>(fields: &'a Fields, path: &str) -> Option<&'a str> {
    fields.value(path)?.as_text()
}

fn number(fields: &Fields, path: &str) -> Result<i64, Failure> {
    required(fields, path)?.as_int().ok_or_else(|| Failure::new(Reason::Malformed, format!("`{path}` is no number")))
}

fn required<'a>(fields: &'a Fields, path: &str) -> Result<&'a Value, Failure> {
    match (fields.value(path), &*fields.fact(path)) {
        (Some(value), _) => Ok(value),
        (None, Fact::Unknown(why) | Fact::Unchecked(why)) => {
            Err(Failure::new(Reason::Incomplete, format!("{path}: {why}")))
        }
        (None, Fact::Known(_)) => Err(Failure::new(Reason::Malformed, format!("DescribeServices gave no `{path}`"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::super::live::tests::{cluster, observed, task_set};
    use super::super::live::{Detail, Observed, live};
    use super::*;

    const SETTLE: SignedDuration = SignedDuration::from_mins(10);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn judged(change: impl FnOnce(&mut Observed), now: &str) -> Vec<Judgement> {
        let mut service = observed();
        change(&mut service);
        judge(&live(&service, &cluster()).fields, &[], SETTLE, at(now))
    }

    fn rolling(service: &mut Observed, state: Option<&str>) {
        if let Some(primary) = service.deployments.first_mut() {
            primary.rollout_state = state.map(str::to_owned);
            primary.updated_at = Some(at("2026-11-20T11:00:00Z"));
        }
        service.running_count = 1;
    }

    #[test]
    fn a_service_whose_tasks_all_run_needs_no_judgement() {
        assert!(judged(|_| (), "2026-11-20T12:00:00Z").is_empty());
    }

    #[test]
    fn a_draining_service_does_not_work() {
        let found = judged(|service| service.status = "DRAINING".to_owned(), "2026-11-20T12:00:00Z");
        assert!(matches!(found.as_slice(), [Judgement::Degraded { works: false, .. }]), "{found:?}");
    }

    #[test]
    fn a_rollout_has_a_deadline_that_restarting_tasks_do_not_move() {
        let early = judged(|service| rolling(service, Some("IN_PROGRESS")), "2026-11-20T10:05:00Z");
        assert!(matches!(early.as_slice(), [Judgement::Converging { .. }]), "{early:?}");
        let late = judged(|service| rolling(service, Some("IN_PROGRESS")), "2026-11-20T11:00:01Z");
        let [Judgement::Degraded { message, works: true, .. }] = late.as_slice() else { unreachable!("{late:?}") };
        assert_eq!(message, "rollout has not finished after 10m: 1 of 2 running");
    }

    #[test]
    fn outside_of_a_rollout_a_missing_task_is_given_the_settling_time_and_a_lost_service_two_minutes() {
        for state in [Some("COMPLETED"), None] {
            // Long after ECS last touched the deployment: a task that dies now has just died.
            let now = "2026-11-21T10:00:00Z";
            let unsteady = |works, patience, progress| Judgement::Unsteady {
                message: format!("{progress} of 2 running"),
                works,
                patience,
                progress,
            };
            assert_eq!(judged(|service| rolling(service, state), now), [unsteady(true, SETTLE, 1)], "{state:?}");
            let gone = |service: &mut Observed| {
                rolling(service, state);
                service.running_count = 0;
            };
            assert_eq!(judged(gone, now), [unsteady(false, SignedDuration::from_mins(2), 0)], "{state:?}");
        }
    }

    #[test]
    fn a_failed_rollout_is_degraded_even_when_the_old_tasks_run() {
        let found = judged(
            |service| {
                rolling(service, Some("FAILED"));
                service.running_count = 2;
            },
            "2026-11-20T10:00:01Z",
        );
        assert!(matches!(found.as_slice(), [Judgement::Degraded { works: true, .. }]), "{found:?}");
    }

    #[test]
    fn a_declared_revision_that_waits_in_another_task_set_is_latent() {
        let mut service = observed();
        service.deployments.clear();
        service.task_sets = vec![task_set(true, 43, 2), task_set(false, 44, 2)];
        let expects: [(Path, Expect); 1] = [("taskDefinition.revision".into(), Expect::Is(Value::Int(44)))];
        let found = judge(&live(&service, &cluster()).fields, &expects, SETTLE, at("2026-11-20T12:00:00Z"));
        assert!(matches!(found.as_slice(), [Judgement::Latent { .. }]), "{found:?}");
    }

    /// What is said of a service with revision 42 where 44 is declared.
    fn of_44(change: impl FnOnce(&mut Observed)) -> Vec<Judgement> {
        let mut service = observed();
        change(&mut service);
        let expects: [(Path, Expect); 1] = [("taskDefinition.revision".into(), Expect::Is(Value::Int(44)))];
        judge(&live(&service, &cluster()).fields, &expects, SETTLE, at("2026-11-20T10:05:00Z"))
    }

    #[test]
    fn a_declared_revision_that_is_registered_but_not_deployed_is_latent_unless_something_rolls_out() {
        let registered = |service: &mut Observed| {
            service.registered = Detail::Known([Arc::<str>::from("deployer-api:44")].into());
        };
        let message = "revision 44 is registered, but revision 42 is deployed".to_owned();
        assert_eq!(of_44(registered), [Judgement::Latent { message, cause: None }]);
        let rolling_out = of_44(|service| {
            registered(service);
            rolling(service, Some("IN_PROGRESS"));
        });
        assert!(matches!(rolling_out.as_slice(), [Judgement::Converging { .. }]), "{rolling_out:?}");
        let unknown = of_44(|service| service.registered = Detail::Known(BTreeSet::new()));
        assert_eq!(unknown, [], "ECS has no such revision");
        assert_eq!(of_44(|_| ()), [], "nobody asked");
    }

    #[test]
    fn whether_a_revision_is_registered_may_be_unknown_or_never_readable() {
        let lost = of_44(|service| service.registered = Detail::Unknown("throttled".into()));
        assert!(matches!(lost.as_slice(), [Judgement::Unknown(_)]), "{lost:?}");
        let denied = of_44(|service| service.registered = Detail::Unchecked("denied".into()));
        assert_eq!(denied, [Judgement::Unchecked("denied".into())]);
    }

    #[test]
    fn a_service_without_counts_is_unknown() {
        let mut fields = Fields::default();
        fields.set("status", "ACTIVE");
        assert!(matches!(judge(&fields, &[], SETTLE, at("2026-11-20T12:00:00Z")).as_slice(), [Judgement::Unknown(_)]));
    }
}
