use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::live::tests::{at, in_state, observed, platform, process, running as runs};
use super::super::live::{Observed, live};
use super::*;
use crate::core::identity::{ObjectKey, ScopeKind};
use crate::core::memory::{Memory, ObjectMemory, ScopeMemory, Watched};
use crate::core::observation::{Observation, Observations, Reading};
use crate::kinds::service_binding::live::{live as binding, tests::observed as bound_queue};

/// The minute of a day on which something changed between 10:10 and 10:20.
fn minute(minute: i64) -> Timestamp {
    at("2026-11-20T10:00:00Z").saturating_add(SignedDuration::from_mins(minute)).unwrap()
}

fn change() -> Change {
    Change { from: minute(10), until: minute(20) }
}

#[test]
fn what_runs_is_fresh_or_stale_only_by_evidence_from_outside_of_the_change() {
    let nothing = Evidence::default();
    let restarted = |at: i64, start: Option<i64>| Evidence {
        restarted: Some(minute(at)),
        oldest_start: start.map(minute),
        ..nothing
    };
    for (why, evidence, expected) in [
        ("nobody knows", nothing, Verdict::Maybe),
        ("another version since", Evidence { version_after: Some(minute(20)), ..nothing }, Verdict::Fresh),
        ("another version, but when?", Evidence { version_after: Some(minute(19)), ..nothing }, Verdict::Maybe),
        ("a process made since", Evidence { process_created: Some(minute(20)), ..nothing }, Verdict::Fresh),
        ("a process made before", Evidence { process_created: Some(minute(5)), ..nothing }, Verdict::Maybe),
        ("restarted since", restarted(20, Some(21)), Verdict::Fresh),
        ("restarted before", restarted(19, Some(21)), Verdict::Maybe),
        ("restarted, with instances of nobody knows when", restarted(20, None), Verdict::Maybe),
        ("restarted without effect", restarted(20, Some(5)), Verdict::Stale),
        ("an instance from before", Evidence { oldest_start: Some(minute(9)), ..nothing }, Verdict::Stale),
        ("crashed since", Evidence { oldest_start: Some(minute(30)), ..nothing }, Verdict::Maybe),
        (
            "crashed since, but of a version from before",
            Evidence { version_since: Some(minute(10)), oldest_start: Some(minute(30)), ..nothing },
            Verdict::Stale,
        ),
    ] {
        assert_eq!(verdict(change(), evidence), expected, "{why}");
    }
}

proptest! {
    #[test]
    fn less_evidence_never_makes_anything_fresh(
        times in proptest::collection::vec(proptest::option::of(0i64..40), 5),
        without in 0usize..5,
    ) {
        let evidence = |times: &[Option<i64>]| {
            let of = |which: usize| times.get(which).copied().flatten().map(minute);
            Evidence {
                version_after: of(0),
                version_since: of(1),
                process_created: of(2),
                restarted: of(3),
                oldest_start: of(4),
            }
        };
        let mut fewer = times.clone();
        fewer[without] = None;
        let (whole, poorer) = (verdict(change(), evidence(&times)), verdict(change(), evidence(&fewer)));
        prop_assert!(whole == Verdict::Fresh || poorer != Verdict::Fresh, "{:?} without {}", times, without);
    }
}

/// What the world knows of the app `production/api`.
struct Stage {
    app: Observed,
    marks: Marks,
    reading: Reading,
}

impl Stage {
    /// It was first seen at 01:30, and runs since 02:00.
    fn new() -> Self {
        let mut stage =
            Self { app: observed(), marks: Marks::new(), reading: Reading::begin(at("2026-11-20T12:00:00Z")) };
        for name in ["guid:web", "version:web", "manifest", "environment", "process:web", "command:web"] {
            stage.mark(name, Some("x"), None, "2026-11-20T01:30:00Z");
        }
        stage
    }

    fn mark(&mut self, name: &str, value: Option<&str>, after: Option<&str>, since: &str) {
        let mark = Mark { value: value.map(Into::into), since: at(since), after: after.map(at) };
        self.marks.insert(name.into(), mark);
    }

    /// Something became another between 03:00 and 03:12.
    fn changed(&mut self, name: &str) {
        self.mark(name, Some("y"), Some("2026-11-20T03:00:00Z"), "2026-11-20T03:12:00Z");
    }

    fn restarted(&mut self, event: &str) {
        self.app.restarted = Some((at("2026-11-20T04:00:00Z"), event.to_owned()));
        self.app.processes[0].states = Ok(vec![runs("2026-11-20T04:00:10Z")]);
    }

    fn judged(&self) -> Vec<(String, Option<String>)> {
        let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
        let (live, _) = live(&self.app, &platform());
        let known = ObjectMemory {
            id: live.id.clone(),
            incarnation: None,
            addresses: Vec::new(),
            former: Vec::new(),
            first_seen: at("2026-11-20T01:30:00Z"),
            marks: self.marks.clone(),
            watched: Watched::No,
            absent_since: None,
            gone_since: None,
        };
        let objects = BTreeMap::from([(ObjectKey::new(crate::kinds::app::KIND, "production/api"), known)]);
        let scopes = BTreeMap::from([(scope.clone(), Arc::new(ScopeMemory { objects, ..ScopeMemory::default() }))]);
        let memory = Memory { scopes, seasoned: true };
        let seen = Observation { reading: Some(Arc::new(self.reading.clone())), ..Observation::default() };
        let observations: Observations = BTreeMap::from([(scope.clone(), seen)]);
        let world = World { observations: &observations, memory: &memory, now: at("2026-11-20T12:00:00Z") };
        let told = judge(&scope, &live, &world).into_iter().map(|judgement| match judgement {
            Judgement::Latent { message, cause } => (message, cause.map(|root| format!("{} {}", root.kind, root.name))),
            other => (format!("{other:?}"), None),
        });
        told.collect()
    }

    fn message(&self) -> String {
        self.judged().into_iter().map(|(message, _)| message).collect::<Vec<_>>().join(" | ")
    }
}

#[test]
fn an_app_of_which_nothing_changed_needs_no_restart() {
    assert_eq!(Stage::new().judged(), []);
}

#[test]
fn a_variable_that_is_newer_than_what_runs_needs_a_restart() {
    let mut stage = Stage::new();
    stage.changed("environment");
    let message = "needs a restart: its environment changed at 2026-11-20 03:12Z, web runs since 2026-11-20 02:00Z";
    assert_eq!(stage.judged(), [(message.to_owned(), None)]);
    stage.restarted("audit.app.restart");
    assert_eq!(stage.judged(), []);
}

#[test]
fn a_crash_after_the_change_is_no_proof_that_the_process_has_it() {
    let mut stage = Stage::new();
    stage.changed("environment");
    stage.app.processes[0].states = Ok(vec![runs("2026-11-20T05:00:00Z")]);
    assert!(stage.message().starts_with("needs a restart: "), "its version is from before: {}", stage.message());
    stage.marks.remove("version:web");
    assert!(stage.message().starts_with("may need a restart: its environment"), "{}", stage.message());
}

#[test]
fn another_version_after_the_change_has_it_but_not_one_that_a_cancelled_deployment_brought_back() {
    let (after, since) = (Some("2026-11-20T03:30:00Z"), "2026-11-20T03:31:00Z");
    let mut stage = Stage::new();
    stage.changed("environment");
    stage.app.processes[0].states = Ok(vec![runs("2026-11-20T05:00:00Z")]);
    stage.mark("version:web", Some("v2"), after, since);
    assert_eq!(stage.judged(), []);
    stage.mark("guid:web", Some("old"), after, since);
    assert!(stage.message().starts_with("may need a restart"), "{}", stage.message());
}

#[test]
fn a_mapped_droplet_or_a_deployment_that_began_restarted_nothing() {
    for event in ["audit.app.droplet.mapped", "audit.app.deployment.create"] {
        let mut stage = Stage::new();
        stage.changed("environment");
        stage.restarted(event);
        assert!(!stage.message().is_empty(), "{event}");
    }
}

#[test]
fn being_readable_for_the_first_time_or_hashed_under_a_new_key_changes_no_variable() {
    let mut stage = Stage::new();
    for name in ["manifest", "environment", "command:web"] {
        stage.changed(name);
    }
    assert_eq!(stage.judged(), []);
    stage.changed("process:web");
    assert!(stage.message().contains("the limits or health checks of web"), "the lists tell these");
}

#[test]
fn a_command_concerns_only_its_own_process() {
    let mut stage = Stage::new();
    stage.changed("command:worker");
    assert_eq!(stage.judged(), [], "there is no worker");
    stage.app.processes.push(process("worker", vec![runs("2026-11-20T02:00:00Z")]));
    assert!(stage.message().contains("the command of worker"), "{}", stage.message());
}

fn bind(stage: &mut Stage, created: &str) {
    let mut queue = bound_queue();
    (queue.created_at, queue.updated_at) = (Some(at(created)), Some(at(created)));
    stage.reading.insert(binding(&queue));
}

#[test]
fn a_binding_that_was_put_back_counts_from_when_the_processes_were_restarted() {
    let mut stage = Stage::new();
    bind(&mut stage, "2026-11-20T03:12:00Z");
    let message =
        "needs a restart: its binding to queue changed at 2026-11-20 03:12Z, web runs since 2026-11-20 02:00Z";
    assert_eq!(stage.message(), message);
    stage.restarted("audit.app.restart");
    assert_eq!(stage.judged(), []);
}

#[test]
fn a_binding_in_the_same_second_as_the_restart_may_be_too_late_for_it() {
    let mut stage = Stage::new();
    bind(&mut stage, "2026-11-20T04:00:00Z");
    stage.restarted("audit.app.restart");
    stage.marks.remove("version:web");
    assert!(stage.message().starts_with("may need a restart: its binding to queue"), "{}", stage.message());
}

#[test]
fn an_old_binding_without_proof_of_a_restart_is_suspected_only_while_the_audit_log_would_tell() {
    let mut stage = Stage::new();
    stage.marks.clear();
    stage.app.processes[0].created_at = None;
    bind(&mut stage, "2026-11-10T03:12:00Z");
    assert!(stage.message().starts_with("may need a restart"), "{}", stage.message());
    bind(&mut stage, "2026-10-10T03:12:00Z");
    assert_eq!(stage.judged(), []);
}

#[test]
fn a_removed_binding_breaks_at_the_next_restart_and_not_after_it() {
    let mut stage = Stage::new();
    stage.app.services = BTreeSet::new();
    stage.mark("binding:queue", None, Some("2026-11-20T03:00:00Z"), "2026-11-20T03:12:00Z");
    let message = "the binding to queue is removed (2026-11-20 03:12Z), but the running process still has it: breaks at the next restart";
    assert_eq!(stage.message(), message);
    stage.restarted("audit.app.restart");
    assert_eq!(stage.judged(), []);
}

#[test]
fn a_new_running_environment_is_one_cause_of_many_apps() {
    let mut stage = Stage::new();
    stage.reading.notes.insert("runningEnvironment".into(), "2026-11-20T03:12:00Z".into());
    let judged = stage.judged();
    let [(message, Some(cause))] = judged.as_slice() else { unreachable!("{judged:?}") };
    assert!(message.starts_with("needs a restart: the environment variable group"), "{message}");
    assert_eq!(cause, "EnvironmentVariableGroup running");
}

#[test]
fn where_variables_are_not_watched_an_app_that_was_touched_after_its_start_may_need_a_restart() {
    let mut stage = Stage::new();
    stage.app.updated_at = Some(at("2026-11-20T03:12:00Z"));
    assert_eq!(stage.judged(), [], "its variables were watched, and did not change");
    stage.marks.remove("manifest");
    assert!(stage.message().starts_with("may need a restart: something of the app changed"), "{}", stage.message());
}

#[test]
fn nothing_is_said_of_an_app_that_is_stopped_or_of_which_nothing_runs() {
    let mut stage = Stage::new();
    stage.changed("environment");
    stage.app.state = "STOPPED".to_owned();
    assert_eq!(stage.judged(), []);
    stage.app.state = "STARTED".to_owned();
    stage.app.processes[0].states = Ok(vec![in_state("CRASHED")]);
    assert_eq!(stage.judged(), []);
}
