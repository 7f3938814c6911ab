use std::sync::Arc;

use super::fixture::*;
use crate::core::desired::WhenParentGone;
use crate::core::drift::*;
use crate::core::identity::Select;
use crate::core::observation::*;
use crate::core::value::Fact;

const FOUR: [&str; 5] = [
    "missing EcsService deployer-api",
    "orphaned DnsRecord deployer-api.example.com CNAME",
    "orphaned HealthCheck hc-deployer-api",
    "orphaned LoadBalancer deployer-api",
    "orphaned TableItem deployments/service=deployer-api",
];

#[test]
fn a_deleted_service_leaves_one_group_with_one_root_and_four_orphans() {
    let mut stage = Stage::wonderland();
    assert_eq!(stage.findings(), [""; 0]);
    stage.lose_service(60);
    assert_eq!(stage.findings(), FOUR);
    let snapshot = stage.evaluate();
    assert_eq!(snapshot.groups.len(), 1);
    let root = Root { kind: "EcsService".into(), name: "deployer-api".into() };
    assert_eq!(snapshot.groups.get(&("production".into(), root)), Some(&5));
}

#[test]
fn a_parent_reading_that_started_before_the_leftovers_reading_confirms_nothing_and_is_wanted_again() {
    let mut stage = Stage::wonderland();
    stage.evaluate();
    stage.services(60, vec![], &[("deployer-api", "c1")]);
    stage.scan_again(61);
    stage.at(62);
    assert_eq!(stage.findings(), ["missing EcsService deployer-api"]);
    assert!(stage.wanted().contains(&cluster()));
    stage.services(70, vec![], &[("deployer-api", "c1")]);
    stage.at(71);
    assert_eq!(stage.findings(), FOUR);
}

#[test]
fn nothing_is_an_orphan_while_the_parent_cannot_be_read() {
    let mut stage = Stage::wonderland();
    stage.evaluate();
    for reason in [Reason::Throttled, Reason::Denied, Reason::ContainerMissing, Reason::IdentityMismatch] {
        stage.fail(cluster(), reason);
        stage.at(61);
        assert_eq!(stage.findings(), [""; 0], "{reason}");
    }
}

#[test]
fn a_draining_parent_is_still_there() {
    let mut stage = Stage::wonderland();
    let mut draining = running("deployer-api", "c1");
    draining.fields.set("status", "DRAINING");
    stage.services(60, vec![draining], &[]);
    stage.at(61);
    assert_eq!(stage.findings(), ["degraded EcsService deployer-api"]);
}

#[test]
fn a_balancer_that_a_living_service_shares_stays() {
    let mut stage = Stage::wonderland();
    let mut other = item("web");
    other.fields.set("lb", lb_arn("deployer-api").as_str());
    stage.observe(table(), 0, vec![item("deployer-api"), other]);
    stage.services(60, vec![running("web", "c1")], &[("deployer-api", "c1")]);
    stage.at(61);
    assert!(!stage.findings().iter().any(|line| line.contains("LoadBalancer")));
}

#[test]
fn a_declared_balancer_without_owner_has_a_living_claimant() {
    let mut stage = Stage::wonderland();
    let select = Select::Key("deployer-api".into());
    stage.declare(declared("LoadBalancer", "front", balancers(), select));
    stage.lose_service(60);
    assert!(!stage.findings().iter().any(|line| line.contains("orphaned LoadBalancer")));
}

#[test]
fn a_reference_from_outside_the_group_keeps_a_balancer() {
    let mut stage = Stage::wonderland();
    stage.observe(zone(), 1, vec![record("deployer-api", "lb-deployer-api"), record("www", "lb-deployer-api")]);
    stage.lose_service(60);
    assert!(!stage.findings().iter().any(|line| line.contains("LoadBalancer")));
}

#[test]
fn while_a_zone_cannot_be_read_no_balancer_is_an_orphan() {
    let mut stage = Stage::wonderland();
    stage.fail(zone(), Reason::Throttled);
    stage.lose_service(60);
    let findings = stage.findings();
    assert!(!findings.iter().any(|line| line.contains("LoadBalancer") || line.contains("DnsRecord")), "{findings:?}");
    assert!(findings.contains(&FOUR[4].to_owned()), "{findings:?}");
}

#[test]
fn a_cluster_that_is_not_listed_whole_leaves_the_balancer_undecided() {
    let mut stage = Stage::wonderland();
    stage.evaluate();
    stage.lose_service(60);
    let observation = stage.observations.get_mut(&cluster()).unwrap();
    Arc::make_mut(observation.reading.as_mut().unwrap()).listed = false;
    stage.evaluate();
    assert!(!stage.findings().iter().any(|line| line.contains("orphaned LoadBalancer")));
    assert!(stage.wanted().contains(&cluster()));
    assert!(stage.last.as_ref().unwrap().asks[&cluster()].everything);
}

#[test]
fn a_young_item_waits_for_its_service_unless_the_service_is_proven_deleted() {
    let mut stage = Stage::wonderland();
    let mut young = item("deployer-api");
    young.fields.set("updated_at", at(30).to_string().as_str());
    stage.observe(table(), 40, vec![young]);
    // Never seen before: INACTIVE of an unknown incarnation may be the one before.
    stage.services(60, vec![], &[("deployer-api", "c0")]);
    stage.at(61);
    assert!(!stage.findings().iter().any(|line| line.contains("orphaned")));
    assert_eq!(stage.evaluate().count(State::Converging), 1);
    let mut known = Stage::wonderland();
    known.evaluate();
    let mut young = item("deployer-api");
    young.fields.set("updated_at", at(30).to_string().as_str());
    known.observe(table(), 40, vec![young]);
    known.lose_service(60);
    assert_eq!(known.findings(), FOUR);
}

#[test]
fn an_item_that_cannot_be_understood_is_unknown_and_names_no_orphan() {
    let mut stage = Stage::wonderland();
    let mut odd = item("deployer-api");
    odd.fields.set(
        "lb",
        "arn:aws:elasticloadbalancing:eu-west-1:999999999999:loadbalancer/app/deployer-api/50dc6c495c0c9188",
    );
    stage.observe(table(), 0, vec![odd]);
    stage.lose_service(60);
    assert_eq!(stage.findings(), ["missing EcsService deployer-api"]);
    let unknown = stage.evaluate().unknown.clone();
    assert!(
        unknown.iter().any(|entry| entry.reason == "bad_item" && entry.detail.contains("999999999999")),
        "{unknown:?}"
    );
}

#[test]
fn whoever_deletes_the_item_first_still_sees_the_other_orphans_until_they_are_gone() {
    let mut stage = Stage::wonderland();
    stage.evaluate();
    stage.lose_service(60);
    stage.evaluate();
    stage.observe(table(), 120, vec![]);
    stage.answer(table(), "TableItem", Select::Key("service=deployer-api".into()), NamedAnswer::NoItem);
    stage.at(121);
    assert_eq!(stage.findings(), FOUR[..4]);
    stage.fail(zone(), Reason::Timeout);
    assert!(stage.findings().contains(&format!("{} (held)", FOUR[1])));
    stage.observe(zone(), 130, vec![]);
    stage.observe(checks(), 130, vec![]);
    stage.answer(checks(), "HealthCheck", Select::Key("hc-deployer-api".into()), NamedAnswer::NotFound);
    stage.observe(balancers(), 130, vec![]);
    stage.at(131);
    assert!(stage.findings().contains(&format!("{} (held)", FOUR[3])), "a list alone proves nothing about a balancer");
    let arn = Select::Arn(lb_arn("deployer-api").into());
    stage.answer(balancers(), "LoadBalancer", arn, NamedAnswer::NotFound);
    assert_eq!(stage.findings(), [FOUR[0]]);
}

#[test]
fn a_service_that_comes_back_ends_the_whole_group() {
    let mut stage = Stage::wonderland();
    stage.evaluate();
    stage.lose_service(60);
    stage.evaluate();
    stage.services(120, vec![running("deployer-api", "c2")], &[]);
    stage.at(121);
    assert_eq!(stage.findings(), [""; 0]);
}

#[test]
fn keep_reports_neither_the_item_nor_its_pieces() {
    let mut stage = Stage::wonderland();
    stage.desired.tables.clear();
    stage.desired.resources.truncate(1);
    stage.declare_table(WhenParentGone::Keep);
    stage.lose_service(60);
    assert_eq!(stage.findings(), ["missing EcsService deployer-api"]);
}

#[test]
fn an_owned_record_is_an_orphan_when_its_owner_is_gone_and_grouped_under_it() {
    let mut stage = Stage::new();
    stage.declare(service("api"));
    let select = Select::Key(crate::kinds::dns_record::record_key("api.example.com", "CNAME", None).into());
    let mut owned = declared("DnsRecord", "api-record", zone(), select);
    owned.owned_by = Some(parent("api"));
    stage.declare(owned);
    stage.observe(zone(), 0, vec![record("api", "lb-api")]);
    stage.services(1, vec![running("api", "c1")], &[]);
    stage.at(2);
    assert_eq!(stage.findings(), [""; 0]);
    stage.services(60, vec![], &[("api", "c1")]);
    stage.at(61);
    assert_eq!(stage.findings(), ["missing EcsService api", "orphaned DnsRecord api-record"]);
    assert_eq!(stage.evaluate().groups.len(), 1);
}

#[test]
fn a_record_that_points_at_a_gone_balancer_dangles_and_is_grouped_under_it() {
    let mut stage = Stage::new();
    let select = Select::Key(crate::kinds::dns_record::record_key("api.example.com", "CNAME", None).into());
    stage.declare(declared("DnsRecord", "api-record", zone(), select));
    stage.declare(declared("LoadBalancer", "api", balancers(), Select::Key("api".into())));
    let mut record = record("api", "lb-api");
    record.references = ["dns:lb-api".into()].into();
    stage.observe(zone(), 0, vec![record.clone()]);
    stage.observe(balancers(), 0, vec![balancer("api"), balancer("other")]);
    stage.at(1);
    stage.evaluate();
    let mut reading = Reading::begin(at(60));
    (reading.complete, reading.listed) = (true, true);
    reading.insert(balancer("other"));
    let ask = crate::core::identity::Ask { kind: "LoadBalancer", select: Select::Key("api".into()) };
    reading.answers.insert(ask, NamedAnswer::NotFound);
    stage.put(balancers(), reading);
    stage.observe(zone(), 60, vec![record]);
    stage.at(61);
    let findings = stage.findings();
    assert_eq!(findings, ["degraded DnsRecord api-record", "missing LoadBalancer api"]);
    assert_eq!(stage.evaluate().groups.len(), 1);
}

#[test]
fn a_template_reads_only_known_values() {
    let mut stage = Stage::wonderland();
    let mut odd = item("deployer-api");
    odd.fields.put("updated_at", Fact::Unknown("hidden".into()));
    stage.observe(table(), 0, vec![odd]);
    stage.lose_service(60);
    assert_eq!(stage.findings(), ["missing EcsService deployer-api"]);
}

#[test]
fn an_item_that_was_handed_over_since_the_last_scan_leaves_no_orphans() {
    let mut stage = Stage::wonderland();
    stage.evaluate();
    // The service is replaced by another one that takes over the record, the check and the balancer.
    stage.services(60, vec![running("api2", "c9")], &[("deployer-api", "c1")]);
    stage.at(61);
    assert_eq!(stage.findings(), ["missing EcsService deployer-api", FOUR[4]], "the item names its service for good");
    assert!(stage.wanted().contains(&table()), "only a fresh scan tells about its pieces");
    let mut heir = item("api2");
    for name in ["lb", "host", "check"] {
        heir.fields.set(name, item("deployer-api").fields.value(name).unwrap().clone());
    }
    stage.observe(table(), 64, vec![item("deployer-api"), heir]);
    stage.services(66, vec![running("api2", "c9")], &[("deployer-api", "c1")]);
    stage.at(67);
    assert_eq!(stage.findings(), ["missing EcsService deployer-api", FOUR[4]]);
}

#[test]
fn a_check_that_a_manifest_may_mean_is_no_orphan_while_that_cannot_be_looked_up() {
    let mut stage = Stage::wonderland();
    stage.declare(declared("HealthCheck", "front", checks(), Select::Alias("tagName:front".into())));
    stage.evaluate();
    stage.lose_service(60);
    let observation = stage.observations.get_mut(&checks()).unwrap();
    // Its tags were not read, so nobody knows which check `front` is.
    Arc::make_mut(observation.reading.as_mut().unwrap()).complete = false;
    assert!(!stage.findings().iter().any(|line| line.contains("orphaned HealthCheck")), "{:?}", stage.findings());
}

#[test]
fn a_line_that_moves_in_a_manifest_ends_no_orphan() {
    let mut stage = Stage::wonderland();
    stage.evaluate();
    stage.lose_service(60);
    assert_eq!(stage.findings(), FOUR);
    let mut moved = (*stage.desired.tables[0]).clone();
    moved.declared = Arc::new(crate::core::desired::Declared { source: source(51), ..(*moved.declared).clone() });
    stage.desired.tables = vec![Arc::new(moved)];
    stage.fail(table(), Reason::Throttled);
    assert_eq!(stage.findings().iter().filter(|line| line.ends_with("(held)")).count(), 4);
}

#[test]
fn an_owner_in_the_same_scope_must_have_been_gone_in_an_earlier_reading() {
    let mut stage = Stage::new();
    stage.declare(service("front"));
    let mut sidecar = service("sidecar");
    sidecar.owned_by = Some(parent("front"));
    stage.declare(sidecar);
    stage.services(0, vec![running("front", "c1"), running("sidecar", "c1")], &[]);
    stage.at(1);
    assert_eq!(stage.findings(), [""; 0]);
    stage.services(60, vec![running("sidecar", "c1")], &[("front", "c1")]);
    stage.at(61);
    assert_eq!(stage.findings(), ["missing EcsService front"]);
    assert!(stage.wanted().contains(&cluster()));
    stage.services(62, vec![running("sidecar", "c1")], &[("front", "c1")]);
    stage.at(63);
    assert_eq!(stage.findings(), ["missing EcsService front", "orphaned EcsService sidecar"]);
}

#[test]
fn an_item_from_the_future_is_not_waited_for() {
    let mut stage = Stage::wonderland();
    let mut ahead = item("deployer-api");
    ahead.fields.set("updated_at", "2036-01-01T00:00:00Z");
    stage.observe(table(), 0, vec![ahead]);
    stage.lose_service(60);
    let snapshot = stage.evaluate();
    assert_eq!(snapshot.count(State::Converging), 0);
    assert!(snapshot.unknown.iter().any(|entry| entry.detail.contains("in the future")), "{:?}", snapshot.unknown);
}
