//! Whether an app runs: its state, its deployment, and the instances of each of its processes.
//!
//! Decides what does not work, what is given patience and what is on its way. A process without a
//! route counts like any other: a worker that does not run is noticed here and nowhere else. Never
//! compares declared fields, but for the state. [`super::App`] calls it when it is asked for its
//! judgement.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::core::drift::FieldDrift;
use crate::core::judge::Judgement;
use crate::core::observation::{Failure, Reason};
use crate::core::value::{Expect, Fact, Fields, Path, Value};
use crate::kinds::app::clock::Skew;
use crate::kinds::patience;

/// Where the state stands, and what is declared of it.
pub const STATE: &str = "state";

/// A deployment may take as long as this from one healthy instance to the next, and longer where the
/// declaration settles for longer.
const DEPLOYMENT: SignedDuration = SignedDuration::from_mins(10);

/// An instance may take this longer to start than its health check allows: its container is made first.
const CONTAINER: SignedDuration = SignedDuration::from_mins(1);

/// Whether a deployment rolls.
pub fn is_deploying(fields: &Fields) -> bool {
    fields.value("runtime.deployment.since").is_some()
}

/// Judges one app by its facts. A push or a restage stops an app before it starts it again.
pub fn judge(
    fields: &Fields,
    expects: &[(Path, Expect)],
    settle: SignedDuration,
    skew: Skew,
    now: Timestamp,
) -> Vec<Judgement> {
    let declared = expects.iter().find_map(|(path, expect)| match expect {
        Expect::Is(value) if *path == STATE => value.as_text(),
        Expect::Is(_) | Expect::Between(..) => None,
    });
    match (declared, text(fields, STATE)) {
        (Some("STARTED"), Some("STOPPED")) => {
            let (message, patience) = ("it is stopped".to_owned(), patience::when_down(settle));
            return vec![Judgement::Unsteady { message, works: false, patience, progress: 0 }];
        }
        (Some("STOPPED"), Some("STARTED")) => {
            let field = FieldDrift { path: STATE.into(), desired: "STOPPED".into(), live: "STARTED".into() };
            return vec![Judgement::Changed {
                message: "it is started, declared stopped".to_owned(),
                fields: vec![field],
            }];
        }
        (_, Some("STARTED")) => {}
        (_, Some(_)) => return Vec::new(),
        (_, None) => {
            return vec![Judgement::Unknown(Failure::new(Reason::Malformed, "the app list gave no `state`"))];
        }
    }
    let census = Census::of(fields, expects);
    if is_deploying(fields) {
        return vec![deployment(fields, &census, settle, skew, now)];
    }
    census.shortage(settle).into_iter().chain(census.gap).collect()
}

/// A rolling deployment ends by itself only when its new instances are healthy: without a deadline
/// one that never gets there would be on its way for ever. One that was paused waits for a person.
fn deployment(fields: &Fields, census: &Census<'_>, settle: SignedDuration, skew: Skew, now: Timestamp) -> Judgement {
    let time = |part: &str| text(fields, &format!("runtime.deployment.{part}"))?.parse::<Timestamp>().ok();
    let Some(since) = time("since") else {
        return Judgement::Unknown(Failure::new(Reason::Malformed, "the deployment list gave no `created_at`"));
    };
    let patience = settle.max(DEPLOYMENT);
    let reason = text(fields, "runtime.deployment.reason");
    if reason == Some("PAUSED") {
        let until = now.saturating_add(patience).unwrap_or(now);
        let message = format!("a deployment since {since} is PAUSED: `cf continue-deployment` lets it go on");
        return Judgement::Converging { until, message };
    }
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let last = time("progressedAt").map_or(since, |progressed| progressed.max(since));
    let until = skew.ours(last.saturating_add(patience).unwrap_or(last));
    if now < until {
        Judgement::Converging { until, message: format!("a rolling deployment since {since}{reason}") }
    } else {
        let message = format!("the deployment since {since} has not finished{reason}: look at `cf app` and its logs");
        degraded(message, census.works())
    }
}

/// The instances of one process.
struct Process<'a> {
    name: &'a str,
    wanted: i64,
    running: i64,
    others: String,
    /// All that it lacks are starting, and may take so long.
    starting: Option<SignedDuration>,
}

impl Process<'_> {
    fn is_short(&self) -> bool {
        self.running < self.wanted
    }

    /// How long it is given to be whole. What starts slowly is slow by declaration.
    fn patience(&self, settle: SignedDuration) -> SignedDuration {
        let usual = if self.running == 0 { patience::when_down(settle) } else { patience::when_short(settle) };
        self.starting.map_or(usual, |starting| usual.max(starting))
    }
}

/// The instances of every process that should have some.
struct Census<'a> {
    processes: Vec<Process<'a>>,
    /// Why the instances of one of them are not known.
    gap: Option<Judgement>,
}

impl<'a> Census<'a> {
    fn of(fields: &'a Fields, expects: &'a [(Path, Expect)]) -> Self {
        let mut census = Self { processes: Vec::new(), gap: None };
        for (name, wanted) in wanted(fields, expects) {
            match &*fields.fact(&format!("runtime.{name}.running")) {
                Fact::Known(running) => {
                    let running = running.as_int().unwrap_or_default();
                    let starting = starting(fields, name).filter(|(number, _)| running + number >= wanted);
                    census.processes.push(Process {
                        name,
                        wanted,
                        running,
                        others: others(fields, name),
                        starting: starting.map(|(_, allowed)| allowed),
                    });
                }
                Fact::Unchecked(why) => census.gap = Some(Judgement::Unchecked(why.clone())),
                Fact::Unknown(why) => {
                    let failure = Failure::new(Reason::Incomplete, format!("the instances of {name}: {why}"));
                    census.gap = Some(Judgement::Unknown(failure));
                }
            }
        }
        census
    }

    /// Whether it serves: its web process does, or, where it has none, any other. What is not known
    /// is not said to be broken.
    fn works(&self) -> bool {
        match self.processes.iter().find(|process| process.name == "web") {
            Some(web) => web.running > 0,
            None => self.gap.is_some() || self.processes.iter().any(|process| process.running > 0),
        }
    }

    /// Too few instances, in one judgement: instances that die are started anew by the platform, and
    /// a count that was raised is followed.
    fn shortage(&self, settle: SignedDuration) -> Option<Judgement> {
        let short: Vec<&Process<'_>> = self.processes.iter().filter(|process| process.is_short()).collect();
        // The one that is given the least tells when it is enough.
        let patience = short.iter().map(|process| process.patience(settle)).min()?;
        let told = short.iter().map(|process| {
            format!("{}: {} of {} instances run{}", process.name, process.running, process.wanted, process.others)
        });
        let message = told.collect::<Vec<_>>().join("; ");
        let progress = self.processes.iter().map(|process| process.running).sum();
        Some(Judgement::Unsteady { message, works: self.works(), patience, progress })
    }
}

/// How many instances each process should have. Of one that somebody scaled to none, or that the
/// app does not have at all, as many as are declared.
fn wanted<'a>(fields: &'a Fields, expects: &'a [(Path, Expect)]) -> BTreeMap<&'a str, i64> {
    let mut wanted = BTreeMap::new();
    for (path, fact) in fields.iter() {
        if let (Some(name), Fact::Known(Value::Int(instances @ 1..))) = (process_of(path), fact) {
            wanted.insert(name, *instances);
        }
    }
    for (path, expect) in expects {
        let least = match expect {
            Expect::Is(Value::Int(instances)) | Expect::Between(Some(instances), _) => *instances,
            Expect::Is(_) | Expect::Between(None, _) => 0,
        };
        if let Some(name) = process_of(path).filter(|_| least > 0) {
            wanted.entry(name).or_insert(least);
        }
    }
    wanted
}

fn process_of(path: &str) -> Option<&str> {
    path.strip_prefix("processes.")?.strip_suffix(".instances")
}

/// How many instances of a process are starting, and how long one may take.
fn starting(fields: &Fields, name: &str) -> Option<(i64, SignedDuration)> {
    let number = |path: String| fields.value(&path).and_then(Value::as_int);
    let timeout = number(format!("processes.{name}.timeout")).unwrap_or_default();
    let allowed = SignedDuration::from_secs(timeout.max(0)).saturating_add(CONTAINER);
    Some((number(format!("runtime.{name}.starting")).filter(|number| *number > 0)?, allowed))
}

fn others(fields: &Fields, name: &str) -> String {
    let of = |part: &str, state: &str| {
        let number = fields.value(&format!("runtime.{name}.{part}")).and_then(Value::as_int)?;
        (number > 0).then(|| format!("{number} {state}"))
    };
    let states = [("crashed", "CRASHED"), ("starting", "STARTING"), ("down", "DOWN")];
    let told: Vec<String> = states.iter().filter_map(|(part, state)| of(part, state)).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

fn degraded(message: String, works: bool) -> Judgement {
    Judgement::Degraded { message, works, caused_by: None }
}

fn text<'a>(fields: &'a Fields, path: &str) -> Option<&'a str> {
    fields.value(path)?.as_text()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::super::live::tests::{at, deployment, in_state, observed, platform, process, running};
    use super::super::live::{Instance, Observed, live};
    use super::*;

    const SINCE: &str = "2026-11-20T02:00:00Z";

    fn judged(expects: &[(Path, Expect)], change: impl FnOnce(&mut Observed)) -> Vec<Judgement> {
        let mut app = observed();
        change(&mut app);
        let (live, _) = live(&app, &platform());
        judge(&live.fields, expects, SignedDuration::from_mins(10), Skew::default(), at("2026-11-20T12:00:00Z"))
    }

    fn started() -> Vec<(Path, Expect)> {
        vec![(STATE.into(), Expect::Is(Value::text("STARTED")))]
    }

    fn unsteady(message: &str, works: bool, minutes: i64, progress: i64) -> [Judgement; 1] {
        let patience = SignedDuration::from_mins(minutes);
        [Judgement::Unsteady { message: message.to_owned(), works, patience, progress }]
    }

    #[test]
    fn an_app_that_should_run_and_is_stopped_is_given_the_time_of_a_restage() {
        let found = judged(&started(), |app| app.state = "STOPPED".to_owned());
        assert_eq!(found, unsteady("it is stopped", false, 2, 0));
    }

    #[test]
    fn an_instance_that_starts_slowly_is_given_what_its_check_allows_and_one_that_crashed_is_not() {
        let slow = |states: Vec<Instance>| {
            judged(&started(), |app| {
                app.processes = vec![process("web", states)];
                app.processes[0].health_check.timeout = Some(180);
            })
        };
        let starting = slow(vec![in_state("STARTING")]);
        assert_eq!(starting, unsteady("web: 0 of 1 instances run (1 STARTING)", false, 4, 0));
        let crashed = slow(vec![in_state("STARTING"), in_state("CRASHED")]);
        assert_eq!(crashed, unsteady("web: 0 of 2 instances run (1 CRASHED, 1 STARTING)", false, 2, 0));
    }

    #[test]
    fn an_app_that_is_declared_stopped_and_runs_is_changed_and_one_that_is_stopped_is_in_sync() {
        let stopped = [(STATE.into(), Expect::Is(Value::text("STOPPED")))];
        let found = judged(&stopped, |_| ());
        assert!(matches!(found.as_slice(), [Judgement::Changed { fields, .. }] if fields.len() == 1), "{found:?}");
        assert_eq!(judged(&stopped, |app| app.state = "STOPPED".to_owned()), []);
    }

    #[test]
    fn a_worker_without_an_instance_is_noticed_though_the_web_process_answers() {
        let found = judged(&started(), |app| {
            app.processes.push(process("worker", vec![in_state("CRASHED"), in_state("CRASHED")]));
        });
        assert_eq!(found, unsteady("worker: 0 of 2 instances run (2 CRASHED)", true, 2, 2));
    }

    #[test]
    fn an_app_whose_web_process_is_down_does_not_work_though_its_worker_runs() {
        let found = judged(&started(), |app| {
            app.processes = vec![process("web", vec![in_state("DOWN")]), process("worker", vec![running(SINCE)])];
        });
        assert_eq!(found, unsteady("web: 0 of 1 instances run (1 DOWN)", false, 2, 1));
    }

    #[test]
    fn an_app_of_workers_alone_works_while_any_of_them_runs() {
        let found = judged(&started(), |app| {
            app.processes =
                vec![process("web", Vec::new()), process("mail", vec![in_state("STARTING"), running(SINCE)])];
        });
        assert_eq!(found, unsteady("mail: 1 of 2 instances run (1 STARTING)", true, 5, 1));
    }

    #[test]
    fn a_process_that_was_scaled_to_none_or_is_not_there_is_measured_by_what_is_declared() {
        let mut expects = started();
        expects.push(("processes.worker.instances".into(), Expect::Is(Value::Int(2))));
        let message = "worker: 0 of 2 instances run";
        assert_eq!(
            judged(&expects, |app| app.processes.push(process("worker", Vec::new()))),
            unsteady(message, true, 2, 2)
        );
        assert_eq!(judged(&expects, |_| ()), unsteady(message, true, 2, 2));
    }

    #[test]
    fn instances_that_could_not_be_read_are_unknown_and_never_a_loss() {
        let found = judged(&started(), |app| app.processes[0].states = Err(Fact::Unknown("stats: 503".into())));
        assert!(matches!(found.as_slice(), [Judgement::Unknown(_)]), "{found:?}");
    }

    #[test]
    fn a_deployment_has_a_deadline() {
        let early = judged(&started(), |app| {
            app.deployment = Some(deployment("2026-11-20T11:51:00Z"));
            app.processes[0].states = Ok(vec![in_state("STARTING")]);
        });
        assert!(matches!(early.as_slice(), [Judgement::Converging { .. }]), "{early:?}");
        let late = judged(&started(), |app| app.deployment = Some(deployment("2026-11-20T11:50:00Z")));
        let [Judgement::Degraded { message, works: true, .. }] = late.as_slice() else { panic!("{late:?}") };
        assert!(
            message.starts_with("the deployment since 2026-11-20T11:50:00Z has not finished (DEPLOYING)"),
            "{message}"
        );
    }

    #[test]
    fn a_deployment_that_gets_on_has_time_from_its_last_healthy_instance() {
        let with = |progressed: &str, reason: &str| {
            judged(&started(), |app| {
                let mut rolling = deployment("2026-11-20T10:00:00Z");
                (rolling.progressed_at, rolling.reason) = (Some(at(progressed)), Some(reason.to_owned()));
                app.deployment = Some(rolling);
            })
        };
        let on = with("2026-11-20T11:51:00Z", "DEPLOYING");
        let until = at("2026-11-20T12:01:00Z");
        assert!(matches!(on.as_slice(), [Judgement::Converging { until: told, .. }] if *told == until), "{on:?}");
        let stuck = with("2026-11-20T11:49:00Z", "DEPLOYING");
        assert!(matches!(stuck.as_slice(), [Judgement::Degraded { .. }]), "{stuck:?}");
        let paused = with("2026-11-20T10:01:00Z", "PAUSED");
        assert!(matches!(paused.as_slice(), [Judgement::Converging { .. }]), "a person lets it go on: {paused:?}");
    }
}
