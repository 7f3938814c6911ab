use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::date;

use super::fixture::*;
use crate::core::desired::Declared;
use crate::core::drift::*;
use crate::core::evaluate::Event;
use crate::core::identity::*;
use crate::core::ignore::{Glob, Ignore};
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::*;
use crate::core::value::*;
use crate::core::world::World;

fn one_service() -> Stage {
    let mut stage = Stage::new();
    stage.declare(service("api"));
    stage.services(0, vec![running("api", "c1")], &[]);
    stage.at(1);
    stage
}

#[test]
fn a_service_as_declared_is_in_sync() {
    let mut stage = one_service();
    let snapshot = stage.evaluate();
    assert_eq!(snapshot.findings, []);
    assert_eq!((snapshot.count(State::InSync), snapshot.applications.len()), (1, 0));
}

#[test]
fn a_changed_field_is_found_with_both_values_and_its_place() {
    let mut stage = one_service();
    let mut live = running("api", "c1");
    live.fields.set("desiredCount", 5);
    live.fields.set("runningCount", 5);
    stage.services(0, vec![live], &[]);
    let snapshot = stage.evaluate();
    let finding = snapshot.findings.first().unwrap();
    assert_eq!(line(finding), "changed EcsService api");
    let field = finding.fields.first().unwrap();
    assert_eq!((&*field.path, &field.desired, &field.live), ("desiredCount", &2.into(), &5.into()));
    assert_eq!(finding.source.as_ref().unwrap().line, 10);
}

#[test]
fn a_failed_reading_holds_what_was_open_and_finds_nothing_new() {
    let mut stage = one_service();
    stage.evaluate();
    stage.services(60, vec![], &[("api", "c1")]);
    stage.at(61);
    assert_eq!(stage.findings(), ["missing EcsService api"]);
    for reason in [Reason::Throttled, Reason::Denied, Reason::Credentials, Reason::Malformed, Reason::ContainerMissing]
    {
        stage.fail(cluster(), reason);
        assert_eq!(stage.findings(), ["missing EcsService api (held)"], "{reason}");
    }
}

#[test]
fn a_finding_ends_only_on_proof_and_keeps_its_since_until_then() {
    let mut stage = one_service();
    stage.services(60, vec![], &[("api", "c1")]);
    stage.at(61);
    let since = stage.evaluate().findings.first().unwrap().since;
    stage.fail(cluster(), Reason::Timeout);
    stage.at(120);
    stage.evaluate();
    stage.services(180, vec![], &[("api", "c1")]);
    stage.at(181);
    let snapshot = stage.evaluate();
    let finding = snapshot.findings.first().unwrap();
    assert_eq!((finding.since, finding.held), (since, false));
    stage.services(240, vec![running("api", "c2")], &[]);
    stage.at(241);
    assert_eq!(stage.findings(), [""; 0]);
    assert!(matches!(stage.last.as_ref().unwrap().events.as_slice(), [Event::Ended(_)]));
}

#[test]
fn after_a_restart_open_findings_are_held_before_anything_is_read() {
    let mut stage = Stage::wonderland();
    stage.lose_service(60);
    assert_eq!(stage.findings().len(), 5);
    stage.observations.clear();
    let held = stage.findings();
    assert_eq!(held.len(), 5, "{held:?}");
    assert!(held.iter().all(|line| line.ends_with("(held)")), "{held:?}");
}

#[test]
fn a_stale_reading_is_unknown() {
    let mut stage = one_service();
    stage.at(16 * 60);
    let snapshot = stage.evaluate();
    assert_eq!((snapshot.count(State::Unknown), snapshot.unknown.first().unwrap().reason), (1, "stale"));
}

#[test]
fn the_first_load_has_no_settling_time_but_a_change_has() {
    let mut stage = Stage::new();
    stage.declare(service("api"));
    stage.services(0, vec![], &[("api", "c1")]);
    stage.at(1);
    assert_eq!(stage.findings(), ["missing EcsService api"]);
    stage.declare(service("new"));
    stage.services(60, vec![], &[("api", "c1"), ("new", "c1")]);
    stage.at(61);
    assert_eq!(stage.findings(), ["missing EcsService api"]);
    assert_eq!(stage.evaluate().count(State::Converging), 1);
    stage.services(700, vec![], &[("api", "c1"), ("new", "c1")]);
    stage.at(701);
    assert_eq!(stage.findings(), ["missing EcsService api", "missing EcsService new"]);
}

#[test]
fn a_rollout_passes_through_other_values_without_drift_until_its_deadline() {
    let mut stage = one_service();
    stage.evaluate();
    let mut live = running("api", "c1");
    live.fields.set("desiredCount", 3);
    live.fields.set("rollout.state", "IN_PROGRESS");
    live.fields.set("rollout.createdAt", at(50).to_string().as_str());
    live.fields.set("rollout.updatedAt", at(50).to_string().as_str());
    stage.services(60, vec![live.clone()], &[]);
    stage.at(61);
    let snapshot = stage.evaluate();
    assert_eq!((snapshot.findings.len(), snapshot.count(State::Converging)), (0, 1));
    stage.services(700, vec![live], &[]);
    stage.at(701);
    assert_eq!(stage.findings(), ["changed EcsService api", "degraded EcsService api"]);
}

#[test]
fn a_task_that_is_being_replaced_wakes_nobody_unless_it_stays_away() {
    let mut stage = one_service();
    let mut short = running("api", "c1");
    short.fields.set("runningCount", 1);
    stage.services(60, vec![short.clone()], &[]);
    stage.at(61);
    let snapshot = stage.evaluate();
    assert_eq!((snapshot.findings.len(), snapshot.count(State::Converging)), (0, 1));
    stage.services(700, vec![short], &[]);
    stage.at(701);
    assert_eq!(stage.findings(), ["degraded EcsService api"]);
    let mut none = running("api", "c1");
    none.fields.set("runningCount", 0);
    let mut dead = one_service();
    dead.services(60, vec![none.clone()], &[]);
    dead.at(61);
    assert_eq!(dead.findings(), [""; 0], "one sample wakes nobody");
    dead.services(190, vec![none], &[]);
    dead.at(191);
    assert_eq!(dead.findings(), ["degraded EcsService api"]);
}

#[test]
fn a_field_that_cannot_be_read_this_time_is_unknown_and_one_that_never_can_is_only_counted() {
    let mut stage = one_service();
    let mut declared = service("api");
    declared.expects.push(("taskDefinition.cpu".into(), Expect::Is(Value::text("256"))));
    stage.desired.resources = vec![Arc::new(declared)];
    let mut live = running("api", "c1");
    live.fields.put("taskDefinition", Fact::Unknown("throttled".into()));
    stage.services(0, vec![live.clone()], &[]);
    assert_eq!(stage.evaluate().count(State::Unknown), 1);
    live.fields.put("taskDefinition", Fact::Unchecked("denied".into()));
    stage.services(0, vec![live], &[]);
    let snapshot = stage.evaluate();
    assert_eq!((snapshot.count(State::InSync), snapshot.unchecked.values().sum::<u32>()), (1, 1));
}

#[test]
fn declared_gone_but_there_is_unexpected() {
    let mut stage = one_service();
    let mut declared = service("api");
    declared.absent = true;
    stage.desired.resources = vec![Arc::new(declared)];
    assert_eq!(stage.findings(), ["unexpected EcsService api"]);
    stage.services(60, vec![], &[("api", "c1")]);
    stage.at(61);
    assert_eq!(stage.findings(), [""; 0]);
}

fn ignore(drifts: Vec<Drift>, path: Option<&str>) -> Arc<Ignore> {
    Arc::new(Ignore {
        name: "known".into(),
        environment: "production".into(),
        kind: Some("EcsService".into()),
        glob: Glob::new("a*"),
        drifts,
        path: path.map(Into::into),
        reason: "shifted by the pipeline".into(),
        owner: "platform".into(),
        until: date(2026, 12, 31),
        source: source(90),
    })
}

#[test]
fn an_ignored_finding_is_shown_as_ignored_until_its_last_day() {
    let mut stage = one_service();
    let mut live = running("api", "c1");
    live.fields.set("desiredCount", 5);
    live.fields.set("runningCount", 5);
    stage.services(0, vec![live], &[]);
    stage.desired.ignores = vec![ignore(vec![Drift::Changed], Some("/desiredCount"))];
    let snapshot = stage.evaluate();
    assert_eq!((snapshot.findings.len(), snapshot.ignored.len(), snapshot.count(State::Ignored)), (0, 1, 1));
    stage.desired.ignores = vec![Arc::new(Ignore { until: date(2020, 1, 1), ..(*ignore(vec![], None)).clone() })];
    assert_eq!(stage.findings(), ["changed EcsService api"]);
}

#[test]
fn a_missing_vital_thing_cannot_be_ignored() {
    let mut stage = one_service();
    let mut declared = service("api");
    declared.policy.vital = true;
    stage.desired.resources = vec![Arc::new(declared)];
    stage.desired.ignores = vec![ignore(vec![], None)];
    stage.services(0, vec![], &[("api", "c1")]);
    assert_eq!(stage.findings(), ["missing EcsService api"]);
}

#[test]
fn an_application_is_down_when_its_vital_piece_is_missing_and_its_environment_at_worst_partial() {
    let mut stage = Stage::wonderland();
    stage.services(60, vec![], &[("deployer-api", "c1")]);
    stage.at(61);
    let snapshot = stage.evaluate();
    assert_eq!(snapshot.applications.first().unwrap().verdict, Verdict::Down);
    assert_eq!(snapshot.environments.first().unwrap().verdict, Verdict::Partial);
}

/// A kind with a bug.
#[derive(Debug)]
struct Broken;

impl Kind for Broken {
    fn name(&self) -> &'static str {
        "EcsService"
    }

    fn absence(&self, _: &Ask, _: &Reading, _: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        panic!("a bug")
    }

    fn judge(&self, _: &Declared, _: &crate::core::observation::Live, _: &World<'_>) -> Vec<Judgement> {
        panic!("a bug")
    }
}

#[test]
fn a_panic_in_one_kind_makes_its_resource_unknown_and_spares_the_others() {
    let mut stage = one_service();
    let mut broken = service("broken");
    broken.kind = &Broken;
    stage.declare(broken);
    stage.services(0, vec![running("api", "c1"), running("broken", "c1")], &[]);
    let snapshot = stage.evaluate();
    assert_eq!((snapshot.count(State::InSync), snapshot.count(State::Unknown)), (1, 1));
    assert_eq!(snapshot.unknown.first().unwrap().reason, "panicked");
}

#[test]
fn what_is_judged_again_in_part_equals_what_is_judged_whole() {
    let mut stage = Stage::wonderland();
    stage.evaluate();
    stage.full = false;
    stage.services(60, vec![], &[("deployer-api", "c1")]);
    stage.at(61);
    let part = stage.evaluate();
    let mut again = Stage::wonderland();
    again.evaluate();
    again.services(60, vec![], &[("deployer-api", "c1")]);
    again.at(61);
    assert_eq!(*part, *again.evaluate());
}

#[test]
fn a_manifest_that_goes_takes_its_findings_with_it() {
    let mut stage = one_service();
    stage.services(0, vec![], &[("api", "c1")]);
    assert_eq!(stage.findings().len(), 1);
    stage.desired.resources.clear();
    assert_eq!(stage.findings(), [""; 0]);
    assert!(matches!(stage.last.as_ref().unwrap().events.as_slice(), [Event::Ended(_)]));
    assert_eq!(stage.last.as_ref().unwrap().asks.keys().collect::<BTreeSet<_>>().len(), 0);
}

#[test]
fn a_single_pass_cannot_wait_and_says_what_it_sees() {
    let mut stage = one_service();
    stage.patient = false;
    let mut short = running("api", "c1");
    short.fields.set("runningCount", 1);
    stage.services(60, vec![short], &[]);
    stage.at(61);
    assert_eq!(stage.findings(), ["degraded EcsService api"]);
}

#[test]
fn a_reading_from_before_the_clock_was_set_back_is_not_believed() {
    let mut stage = one_service();
    stage.evaluate();
    stage.at(-3600);
    let snapshot = stage.evaluate();
    assert_eq!(snapshot.unknown.first().unwrap().reason, "stale");
}

#[test]
fn what_did_not_work_before_a_rollout_does_not_work_during_it() {
    let mut stage = one_service();
    let mut dead = running("api", "c1");
    dead.fields.set("runningCount", 0);
    stage.services(60, vec![dead.clone()], &[]);
    stage.at(61);
    stage.evaluate();
    stage.services(190, vec![dead.clone()], &[]);
    stage.at(191);
    assert_eq!(stage.findings(), ["degraded EcsService api"]);
    dead.fields.set("rollout.state", "IN_PROGRESS");
    dead.fields.set("rollout.createdAt", at(200).to_string().as_str());
    dead.fields.set("rollout.updatedAt", at(200).to_string().as_str());
    stage.services(210, vec![dead], &[]);
    stage.at(211);
    assert_eq!(stage.findings(), ["degraded EcsService api"], "a new rollout is no proof that it works");
}

#[test]
fn findings_of_a_root_that_is_not_in_force_are_held() {
    let mut stage = Stage::new();
    stage.declare(service("api"));
    stage.declare(service("web"));
    stage.services(0, vec![], &[("api", "c1"), ("web", "c2")]);
    stage.at(1);
    assert_eq!(stage.findings(), ["missing EcsService api", "missing EcsService web"]);

    // A restart with the root that declares `web` broken from the start.
    stage.last = None;
    stage.desired.resources.retain(|declared| *declared.name == *"api");
    stage.desired.unread_roots = vec!["teams/web".into()];
    assert_eq!(stage.findings(), ["missing EcsService api", "missing EcsService web (held)"]);
    assert_eq!(stage.findings(), ["missing EcsService api", "missing EcsService web (held)"]);
    stage.desired.resources.clear();
    stage.last = None;
    assert_eq!(stage.findings(), ["missing EcsService api (held)", "missing EcsService web (held)"]);

    stage.desired.unread_roots.clear();
    stage.last = None;
    assert!(stage.findings().is_empty(), "what no root declares any more is over");
}

#[test]
fn what_nobody_has_reviewed_takes_nothing_down() {
    let mut stage = Stage::new();
    let mut imported = service("api");
    imported.policy.vital = true;
    imported.policy.severity = Some(Severity::Info);
    stage.declare(imported);
    stage.services(0, vec![], &[("api", "c1")]);
    stage.at(1);
    let snapshot = stage.evaluate();
    assert_eq!(snapshot.findings.len(), 1, "it is shown");
    assert_eq!(snapshot.applications.first().unwrap().verdict, Verdict::Drifted);
    assert_eq!(snapshot.environments.first().unwrap().verdict, Verdict::Drifted);
}
