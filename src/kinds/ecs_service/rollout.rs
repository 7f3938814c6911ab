//! Whether a service that is as declared also works: its counts and its rollout.
//!
//! Decides what is on its way and until when, and what has failed. It never compares declared
//! fields. A rollout counts from when its deployment was made, since ECS may touch a deployment
//! for as long as its tasks keep dying; a change of the count counts from the last touch.
//! [`super::EcsService`] calls it when it is asked for its judgement.

use jiff::{SignedDuration, Timestamp};

use crate::core::judge::Judgement;
use crate::core::observation::{Failure, Reason};
use crate::core::value::{Expect, Fact, Fields, Path, Value};

/// Judges one service by its facts.
pub fn judge(fields: &Fields, expects: &[(Path, Expect)], settle: SignedDuration, now: Timestamp) -> Vec<Judgement> {
    match state(fields, settle, now) {
        Ok(found) => found.into_iter().chain(waiting(fields, expects)).collect(),
        Err(failure) => vec![Judgement::Unknown(failure)],
    }
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
    let several = fields.value("rollout.deployments").and_then(Value::as_int).unwrap_or_default() > 1;
    let rolling = match (state, text(fields, "rollout.stability")) {
        (Some(state), _) => state == "IN_PROGRESS",
        (None, Some(stability)) => stability == "STABILIZING",
        (None, None) => several,
    };
    let short = running < desired;
    let waiting_for_tasks = short && state.is_none();
    if !(rolling || waiting_for_tasks) {
        // ECS replaces a task that died; only a service with none left is degraded at once.
        return Ok(
            short.then(|| if running > 0 { Judgement::Unsteady { message: counts } } else { degraded(counts, false) })
        );
    }
    let clocks =
        if rolling { ["rollout.createdAt", "rollout.updatedAt"] } else { ["rollout.updatedAt", "rollout.createdAt"] };
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

/// The declared revision is deployed as a task set, but another one serves production.
fn waiting(fields: &Fields, expects: &[(Path, Expect)]) -> Option<Judgement> {
    let declared = |path: &str| {
        expects.iter().find_map(|(at, expect)| match expect {
            Expect::Is(value) if **at == *path => Some(value),
            Expect::Is(_) | Expect::Between(..) => None,
        })
    };
    let revision = declared("taskDefinition.revision").and_then(Value::as_int)?;
    let family = declared("taskDefinition.family").or(fields.value("taskDefinition.family"))?.as_text()?;
    let in_use = fields.value("taskDefinition.revision").and_then(Value::as_int)?;
    let Value::List(others) = fields.value("rollout.waiting")? else { return None };
    let wanted = Value::text(format!("{family}:{revision}"));
    (in_use != revision && others.contains(&wanted)).then(|| Judgement::Latent {
        message: format!("revision {revision} is deployed, but revision {in_use} is still the primary task set"),
    })
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
    use super::super::live::tests::{cluster, observed, task_set};
    use super::super::live::{Observed, live};
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
    fn without_a_rollout_state_a_missing_task_has_until_settle_after_the_last_touch() {
        let early = judged(|service| rolling(service, None), "2026-11-20T11:05:00Z");
        assert!(matches!(early.as_slice(), [Judgement::Converging { .. }]), "{early:?}");
        let late = judged(|service| rolling(service, None), "2026-11-20T11:10:00Z");
        assert!(matches!(late.as_slice(), [Judgement::Degraded { .. }]), "{late:?}");
    }

    #[test]
    fn a_finished_rollout_without_any_task_is_degraded_at_once_and_with_some_only_if_it_stays_so() {
        let some = judged(|service| rolling(service, Some("COMPLETED")), "2026-11-20T11:00:01Z");
        assert!(matches!(some.as_slice(), [Judgement::Unsteady { message }] if message == "1 of 2 running"));
        let none = judged(|service| service.running_count = 0, "2026-11-20T11:00:01Z");
        assert!(matches!(none.as_slice(), [Judgement::Degraded { works: false, .. }]));
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

    #[test]
    fn a_service_without_counts_is_unknown() {
        let mut fields = Fields::default();
        fields.set("status", "ACTIVE");
        assert!(matches!(judge(&fields, &[], SETTLE, at("2026-11-20T12:00:00Z")).as_slice(), [Judgement::Unknown(_)]));
    }
}
