use std::collections::BTreeSet;

use super::super::live::tests::{at, in_state, observed, platform, process, running as runs};
use super::super::live::{Observed, live};
use super::*;
use crate::core::identity::ScopeKind;
use crate::core::memory::{Memory, ScopeMemory, Watched};
use crate::core::observation::{Observation, Observations};
use crate::kinds::service_binding::live::{live as binding, tests::observed as bound_queue};

/// What the world knows of the app `production/api`.
struct Stage {
    app: Observed,
    marks: Marks,
    reading: Reading,
    /// The guid of the binding to `queue`, where moored has seen it.
    bound: Option<Arc<str>>,
    first_seen: Timestamp,
}

impl Stage {
    /// It was first seen at 01:30, and runs since 02:00.
    fn new() -> Self {
        let mut stage = Self {
            app: observed(),
            marks: Marks::new(),
            reading: Reading::begin(at("2026-11-20T12:00:00Z")),
            bound: None,
            first_seen: at("2026-11-20T01:30:00Z"),
        };
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

    /// A version that nobody saw begin, so that only the audit log tells of the restart.
    fn restarted(&mut self) {
        self.event("audit.app.restart");
        self.mark("version:web", Some("v2"), None, "2026-11-20T04:00:30Z");
    }

    fn event(&mut self, event: &str) {
        self.app.restarted = Some((at("2026-11-20T04:00:00Z"), event.to_owned()));
        self.app.processes[0].states = Ok(vec![runs("2026-11-20T04:00:10Z")]);
    }

    fn note(&mut self, name: &str, text: &str) {
        self.reading.notes.insert(name.into(), text.into());
    }

    fn told(&self) -> Judged {
        let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
        let (live, _) = live(&self.app, &platform());
        let known = |id: &Arc<str>| ObjectMemory {
            id: id.clone(),
            incarnation: None,
            addresses: Vec::new(),
            former: Vec::new(),
            first_seen: self.first_seen,
            marks: self.marks.clone(),
            watched: Watched::No,
            absent_since: None,
            gone_since: None,
        };
        let app = ObjectKey::new(crate::kinds::app::KIND, "production/api");
        let queue = ObjectKey::new(service_binding::KIND, "production/api/queue");
        let mut objects = BTreeMap::from([(app, known(&live.id))]);
        objects.extend(self.bound.as_ref().map(|guid| (queue, known(guid))));
        let scopes = BTreeMap::from([(scope.clone(), Arc::new(ScopeMemory { objects, ..ScopeMemory::default() }))]);
        let memory = Memory { scopes, seasoned: true };
        let seen = Observation { reading: Some(Arc::new(self.reading.clone())), ..Observation::default() };
        let observations: Observations = BTreeMap::from([(scope.clone(), seen)]);
        let world = World { observations: &observations, memory: &memory, now: at("2026-11-20T12:00:00Z") };
        judge(&scope, &live, &world)
    }

    fn judged(&self) -> Vec<(String, Option<String>)> {
        let told = self.told().latent.into_iter().map(|judgement| match judgement {
            Judgement::Latent { message, cause } => (message, cause.map(|root| format!("{} {}", root.kind, root.name))),
            other => (format!("{other:?}"), None),
        });
        told.collect()
    }

    fn message(&self) -> String {
        self.judged().into_iter().map(|(message, _)| message).collect::<Vec<_>>().join(" | ")
    }

    fn unsure(&self) -> String {
        self.told().unsure.join(" | ")
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
    let message =
        "needs a restart: its environment changed at 2026-11-20 03:12:00Z, web runs since 2026-11-20 02:00:00Z";
    assert_eq!(stage.judged(), [(message.to_owned(), None)]);
    stage.restarted();
    assert_eq!(stage.judged(), []);
}

#[test]
fn a_crash_after_the_change_is_no_proof_that_the_process_has_it() {
    let mut stage = Stage::new();
    stage.changed("environment");
    stage.app.processes[0].states = Ok(vec![runs("2026-11-20T05:00:00Z")]);
    let old =
        "needs a restart: its environment changed at 2026-11-20 03:12:00Z, web still runs the version from before";
    assert!(stage.message().starts_with(old), "{}", stage.message());
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
        stage.event(event);
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
        "needs a restart: its binding to queue changed at 2026-11-20 03:12:00Z, web runs since 2026-11-20 02:00:00Z";
    assert_eq!(stage.message(), message);
    stage.restarted();
    assert_eq!(stage.judged(), []);
}

#[test]
fn a_binding_in_the_same_second_as_the_restart_may_be_too_late_for_it() {
    let mut stage = Stage::new();
    bind(&mut stage, "2026-11-20T04:00:00Z");
    stage.restarted();
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
    let message = "the binding to queue is removed (2026-11-20 03:12:00Z), but the running process still has it: breaks at the next restart";
    assert_eq!(stage.message(), message);
    stage.restarted();
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
    stage.app.manifest = Some(Err(Fact::Unchecked("the role may not".into())));
    let told = stage.told();
    assert_eq!((told.latent, told.untold), (Vec::new(), BTreeSet::from([TOUCHED])), "an auditor is told no finding");
}

#[test]
fn nothing_is_said_of_an_app_that_is_stopped_and_of_one_that_does_not_run_only_that_nobody_can_tell() {
    let mut stage = Stage::new();
    stage.changed("environment");
    stage.app.state = "STOPPED".to_owned();
    assert_eq!(stage.told(), Judged::default());
    stage.app.state = "STARTED".to_owned();
    stage.app.processes[0].states = Ok(vec![in_state("CRASHED")]);
    assert_eq!(stage.judged(), []);
    assert!(stage.unsure().starts_with("nothing of it is known to run"), "{}", stage.unsure());
}

#[test]
fn a_process_that_does_not_run_beside_one_that_does_cannot_be_told() {
    let mut stage = Stage::new();
    assert_eq!(stage.unsure(), "");
    stage.app.processes.push(process("worker", vec![in_state("CRASHED")]));
    assert!(stage.unsure().starts_with("no instance of worker runs"), "{}", stage.unsure());
}

#[test]
fn every_process_and_every_change_is_named_in_one_sentence_and_what_breaks_comes_first() {
    let mut stage = Stage::new();
    stage.app.processes.push(process("worker", vec![runs("2026-11-20T02:00:09Z")]));
    stage.app.services = BTreeSet::from(["db".to_owned(), "queue".to_owned()]);
    stage.changed("environment");
    for (name, created) in [("db", "2026-11-20T03:10:00Z"), ("queue", "2026-11-20T03:11:00Z")] {
        let mut bound = bound_queue();
        bound.instance = name.to_owned();
        (bound.created_at, bound.updated_at) = (Some(at(created)), Some(at(created)));
        stage.reading.insert(binding(&bound));
    }
    for service in ["cache", "logs"] {
        stage.mark(&format!("binding:{service}"), None, Some("2026-11-20T03:00:00Z"), "2026-11-20T03:12:00Z");
    }
    let told: Vec<String> = stage.judged().into_iter().map(|(message, _)| message).collect();
    let expected = [
        "the bindings to cache and logs are removed (2026-11-20 03:12:00Z), but the running process still has them: breaks at the next restart",
        "needs a restart: its environment changed at 2026-11-20 03:12:00Z and its bindings to db and queue changed between 2026-11-20 03:10:00Z and 2026-11-20 03:11:00Z, web runs since 2026-11-20 02:00:00Z, worker since 2026-11-20 02:00:09Z",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_start_of_an_app_that_runs_and_a_crash_after_it_are_no_restart() {
    let mut stage = Stage::new();
    stage.changed("environment");
    stage.event("audit.app.start");
    assert!(stage.message().starts_with("needs a restart"), "the version is from before: {}", stage.message());
    stage.mark("version:web", Some("v2"), None, "2026-11-20T04:00:30Z");
    assert_eq!(stage.judged(), [], "this one had an effect");
}

/// Something was set and the app restarted between two readings, at 03:00 and 03:12.
fn within_one_interval(stage: &mut Stage, name: &str) {
    let (from, until) = (Some("2026-11-20T03:00:00Z"), "2026-11-20T03:12:00Z");
    stage.mark(name, Some("y"), from, until);
    stage.mark("version:web", Some("v2"), from, until);
    stage.app.restarted = Some((at("2026-11-20T03:05:00Z"), "audit.app.restart".to_owned()));
    stage.app.processes[0].states = Ok(vec![runs("2026-11-20T03:05:10Z")]);
}

#[test]
fn what_was_set_and_restarted_between_two_readings_is_told_apart_by_the_stamps() {
    for (name, stamp) in [("environment", "handed"), ("process:web", "handed:web"), ("command:web", "handed:web")] {
        let mut stage = Stage::new();
        within_one_interval(&mut stage, name);
        stage.mark(stamp, Some("2026-11-20T03:05:00Z"), None, "2026-11-20T03:12:00Z");
        assert_eq!(stage.judged(), [], "{name}: nothing was stamped after the restart");
        stage.mark(stamp, Some("late"), Some("2026-11-20T09:00:00Z"), "2026-11-20T09:01:00Z");
        assert_eq!(stage.judged(), [], "{name}: it got a label hours later");
        stage.mark(stamp, Some("late"), Some("2026-11-20T03:00:00Z"), "2026-11-20T03:12:00Z");
        assert!(stage.message().starts_with("may need a restart"), "{name}: {}", stage.message());
    }
}

#[test]
fn limits_that_a_reading_showed_beside_the_old_version_changed_before_the_new_one() {
    let mut stage = Stage::new();
    stage.changed("process:web");
    stage.app.processes[0].states = Ok(vec![runs("2026-11-20T03:13:00Z")]);
    stage.mark("version:web", Some("v2"), Some("2026-11-20T03:11:59Z"), "2026-11-20T03:13:30Z");
    assert_eq!(stage.judged(), []);
    let change = stage.marks.remove("process:web").unwrap();
    stage.marks.insert("environment".into(), change);
    assert!(stage.message().starts_with("may need a restart: its environment"), "it was read later than the version");
}

#[test]
fn another_version_of_the_same_revision_has_the_old_variables_and_the_new_bindings() {
    let (after, since) = (Some("2026-11-20T03:30:00Z"), "2026-11-20T03:31:00Z");
    let mut stage = Stage::new();
    stage.app.processes[0].states = Ok(vec![runs("2026-11-20T05:00:00Z")]);
    stage.mark("version:web", Some("v2"), after, since);
    stage.mark("revision:web", Some("r1"), None, "2026-11-20T01:30:00Z");
    bind(&mut stage, "2026-11-20T03:12:00Z");
    assert_eq!(stage.judged(), []);
    stage.changed("environment");
    assert!(stage.message().starts_with("may need a restart: its environment"), "its ports: {}", stage.message());
    stage.mark("revision:web", Some("r2"), after, since);
    assert_eq!(stage.judged(), []);
}

#[test]
fn a_process_that_is_as_new_as_its_limits_was_made_with_them() {
    let mut stage = Stage::new();
    for name in ["guid:worker", "process:worker", "command:worker"] {
        stage.changed(name);
    }
    stage.app.processes.push(process("worker", vec![runs("2026-11-20T02:00:00Z")]));
    assert_eq!(stage.judged(), []);
    for name in ["guid:web", "process:web"] {
        stage.changed(name);
    }
    assert!(!stage.message().is_empty(), "a deployment may have ended before it was scaled");
    stage.changed("rolling:web");
    assert_eq!(stage.judged(), [], "it was rolling when it was read");
}

#[test]
fn a_worker_is_restarted_when_the_deployment_of_its_web_process_ends() {
    let mut stage = Stage::new();
    stage.changed("environment");
    stage.app.processes = vec![process("web", vec![runs("2026-11-20T03:30:20Z")])];
    stage.app.processes[0].created_at = Some(at("2026-11-20T03:30:00Z"));
    stage.app.processes.push(process("worker", vec![runs("2026-11-20T03:31:00Z")]));
    for name in ["version:web", "guid:web", "version:worker"] {
        stage.mark(name, Some("y"), Some("2026-11-20T03:30:00Z"), "2026-11-20T03:31:30Z");
    }
    assert_eq!(stage.judged(), []);
    stage.mark("version:worker", Some("x"), None, "2026-11-20T01:30:00Z");
    assert!(stage.message().contains("worker"), "it was not restarted: {}", stage.message());
}

#[test]
fn what_rests_on_an_audit_log_that_was_not_read_opens_nothing() {
    let mut stage = Stage::new();
    stage.marks.remove("version:web");
    stage.changed("environment");
    stage.app.processes[0].states = Ok(vec![runs("2026-11-20T05:00:00Z")]);
    assert!(stage.message().starts_with("may need a restart"), "{}", stage.message());
    stage.note("unread:auditEvents", "the role sees no events");
    assert_eq!(stage.judged(), []);
    assert!(stage.unsure().ends_with("the role sees no events"), "{}", stage.unsure());
    stage.app.processes[0].states = Ok(vec![runs("2026-11-20T02:00:00Z")]);
    assert!(stage.message().starts_with("needs a restart"), "an age is no matter of the log");
}

#[test]
fn bindings_that_are_not_believed_leave_open_what_waits_for_them() {
    let stage = Stage::new();
    let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
    let (mut live, _) = live(&stage.app, &platform());
    live.fields.put("services", Fact::Unknown("the list is empty".into()));
    let (observations, memory) = (Observations::new(), Memory::default());
    let world = World { observations: &observations, memory: &memory, now: at("2026-11-20T12:00:00Z") };
    assert_eq!(judge(&scope, &live, &world).unsure, ["its bindings are not known: the list is empty"]);
}

#[test]
fn variables_of_all_apps_that_were_not_read_have_not_come_to_rest() {
    let mut stage = Stage::new();
    stage.note("unread:runningEnvironment", "503");
    assert_eq!(stage.judged(), []);
    assert!(stage.unsure().contains("was not read: 503"), "{}", stage.unsure());
}

#[test]
fn a_restart_that_the_log_no_longer_tells_is_remembered() {
    let mut stage = Stage::new();
    stage.marks.remove("version:web");
    bind(&mut stage, "2026-11-20T03:12:00Z");
    stage.app.processes[0].states = Ok(vec![runs("2026-11-20T04:00:10Z")]);
    assert!(stage.message().starts_with("may need a restart"), "{}", stage.message());
    stage.mark("restarted", Some("2026-11-20T04:00:00Z"), None, "2026-11-20T04:00:30Z");
    assert_eq!(stage.judged(), []);
}

#[test]
fn a_platform_whose_clock_is_ahead_is_not_taken_for_one_that_restarted_later() {
    let mut stage = Stage::new();
    stage.marks.remove("version:web");
    stage.changed("environment");
    stage.app.restarted = Some((at("2026-11-20T03:12:30Z"), "audit.app.restart".to_owned()));
    stage.app.processes[0].states = Ok(vec![runs("2026-11-20T03:12:40Z")]);
    assert_eq!(stage.judged(), []);
    stage.note("clockSkew", "28");
    assert!(stage.message().starts_with("may need a restart"), "two seconds after it: {}", stage.message());
}

#[test]
fn what_moored_watched_is_suspected_for_as_long_as_nothing_disproves_it() {
    let mut stage = Stage::new();
    stage.marks.clear();
    stage.app.processes[0].created_at = None;
    bind(&mut stage, "2026-10-10T03:12:00Z");
    assert_eq!(stage.judged(), [], "it was so when moored came");
    stage.first_seen = at("2026-10-01T00:00:00Z");
    assert!(stage.message().starts_with("may need a restart"), "{}", stage.message());
}

#[test]
fn a_binding_to_an_instance_that_was_renamed_is_not_removed() {
    let mut stage = Stage::new();
    stage.app.services = BTreeSet::from(["jobs".to_owned()]);
    stage.mark("binding:queue", None, Some("2026-11-20T03:00:00Z"), "2026-11-20T03:12:00Z");
    let mut renamed = bound_queue();
    renamed.instance = "jobs".to_owned();
    renamed.created_at = Some(at("2026-10-01T10:00:00Z"));
    renamed.updated_at = renamed.created_at;
    stage.reading.insert(binding(&renamed));
    assert!(stage.message().contains("the binding to queue is removed"), "nobody knows which it was");
    stage.bound = Some(renamed.guid);
    assert_eq!(stage.judged(), []);
}
