//! Inventories: strangers, what vanished, and mass loss.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::fixture::*;
use crate::core::desired::*;
use crate::core::drift::*;
use crate::core::identity::*;
use crate::core::ignore::Glob;
use crate::core::observation::*;

fn rules() -> InventoryRules {
    InventoryRules {
        within: Within::default(),
        exhaustive: false,
        except: Vec::new(),
        vanished: false,
        census: None,
        decides: false,
    }
}

fn exhaustive() -> InventoryRules {
    InventoryRules { exhaustive: true, ..rules() }
}

fn vanishing() -> InventoryRules {
    InventoryRules { vanished: true, ..rules() }
}

fn census() -> InventoryRules {
    let census = Census { max_drop: 20, over: SignedDuration::from_mins(10), floor: 10 };
    InventoryRules { census: Some(census), decides: true, ..vanishing() }
}

fn except(name: &str, at_most: Option<i64>) -> Exception {
    Exception { kind: None, glob: Glob::new(name), at_most: at_most.map(SignedDuration::from_secs) }
}

fn watch(stage: &mut Stage, environment: &str, scope: ScopeKey, rules: InventoryRules) {
    let mut own = declared("Inventory", "everything", scope, Select::Key(environment.into()));
    own.environment = environment.into();
    own.id = "inventory/everything".into();
    let own = Arc::new(own);
    stage.desired.resources.push(own.clone());
    stage.desired.inventories.push(Arc::new(Inventory { declared: own, rules }));
    stage.last = None;
}

fn records(names: &[&str]) -> Vec<Live> {
    names.iter().map(|name| record(name, "somewhere")).collect()
}

fn hosts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("host-{number:02}")).collect()
}

fn zone_of(hosts: &[String]) -> Vec<Live> {
    records(&hosts.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn what_no_manifest_declares_is_unexpected_in_an_exhaustive_inventory() {
    let mut stage = Stage::new();
    let key = crate::kinds::dns_record::record_key("api.example.com", "CNAME", None);
    stage.declare(declared("DnsRecord", "api", zone(), Select::Key(key.into())));
    let apex = |kind: &str| {
        live("DnsRecord", &crate::kinds::dns_record::record_key("example.com", kind, None), "example.com/apex")
    };
    let mut things = records(&["api", "stranger", "_acme-challenge.api"]);
    things.extend([apex("NS"), apex("SOA"), apex("MX")]);
    stage.observe(zone(), 0, things);
    stage.at(1);
    assert!(stage.findings().is_empty(), "without an inventory nothing is a stranger");

    let rules = InventoryRules { except: vec![except("_acme-challenge.*", None)], ..exhaustive() };
    watch(&mut stage, "production", zone(), rules);
    assert_eq!(
        stage.findings(),
        ["unexpected DnsRecord example.com MX", "unexpected DnsRecord stranger.example.com CNAME"]
    );
    let snapshot = stage.evaluate();
    assert!(snapshot.findings.iter().all(|finding| *finding.root.name == *"everything"), "one inventory, one group");
    assert_eq!(snapshot.undeclared, BTreeMap::from([(zone(), 3)]));

    stage.observe(zone(), 10, records(&["api"]));
    stage.at(11);
    assert!(stage.findings().is_empty());
}

#[test]
fn an_exception_with_a_time_ends() {
    let mut stage = Stage::new();
    watch(
        &mut stage,
        "production",
        zone(),
        InventoryRules { except: vec![except("cats-*", Some(2700))], ..exhaustive() },
    );
    stage.observe(zone(), 0, records(&["cats-1"]));
    stage.at(1);
    assert!(stage.findings().is_empty());
    let snapshot = stage.evaluate();
    assert_eq!(snapshot.converging.len(), 1, "it is shown while it is allowed");
    let until = stage.last.as_ref().unwrap().recheck_at.unwrap();
    assert_eq!(until.as_second(), at(2700).as_second(), "and judged again when its time is over");

    stage.observe(zone(), 2699, records(&["cats-1", "cats-2"]));
    stage.at(2702);
    assert_eq!(stage.findings(), ["unexpected DnsRecord cats-1.example.com CNAME"], "each has its own time");
}

#[test]
fn environments_that_share_a_zone_do_not_call_each_others_things_strangers() {
    let mut stage = Stage::new();
    let key = |name: &str| {
        Select::Key(crate::kinds::dns_record::record_key(&format!("{name}.example.com"), "CNAME", None).into())
    };
    stage.declare(declared("DnsRecord", "api", zone(), key("api")));
    let mut other = declared("DnsRecord", "web", zone(), key("web"));
    other.environment = "staging".into();
    stage.declare(other);
    watch(&mut stage, "production", zone(), exhaustive());
    watch(&mut stage, "staging", zone(), exhaustive());
    stage.observe(zone(), 0, records(&["api", "web"]));
    stage.at(1);
    assert!(stage.findings().is_empty());
}

#[test]
fn what_a_deployers_item_names_is_no_stranger() {
    let mut stage = Stage::wonderland();
    watch(&mut stage, "production", balancers(), exhaustive());
    watch(&mut stage, "production", zone(), exhaustive());
    watch(&mut stage, "production", cluster(), exhaustive());
    assert!(stage.findings().is_empty());

    stage.observe(balancers(), 10, vec![balancer("deployer-api"), balancer("by-hand")]);
    stage.scan_again(11);
    stage.at(12);
    assert_eq!(stage.findings(), ["unexpected LoadBalancer by-hand"]);

    // While the table cannot be read, the item might name anything: nothing new, nothing ends.
    stage.fail(table(), Reason::Throttled);
    stage.observe(balancers(), 20, vec![balancer("deployer-api"), balancer("by-hand"), balancer("late")]);
    stage.at(21);
    assert_eq!(stage.findings(), ["unexpected LoadBalancer by-hand (held)"]);
}

#[test]
fn a_root_that_was_never_read_might_declare_anything() {
    let mut stage = Stage::new();
    watch(&mut stage, "production", zone(), exhaustive());
    stage.observe(zone(), 0, records(&["of-the-other-team"]));
    stage.desired.unread_roots = vec!["teams/other".into()];
    stage.at(1);
    assert!(stage.findings().is_empty());
    let unknown = &stage.evaluate().unknown;
    assert!(unknown.iter().any(|unknown| unknown.detail.contains("teams/other")), "{unknown:?}");

    stage.desired.unread_roots.clear();
    stage.last = None;
    assert_eq!(stage.findings(), ["unexpected DnsRecord of-the-other-team.example.com CNAME"]);
}

#[test]
fn what_was_there_and_is_proven_gone_has_vanished_until_it_is_back() {
    let mut stage = Stage::new();
    watch(&mut stage, "production", zone(), vanishing());
    stage.observe(zone(), 0, records(&["a", "b"]));
    stage.at(1);
    assert!(stage.findings().is_empty());
    stage.observe(zone(), 10, records(&["a"]));
    stage.at(11);
    assert_eq!(stage.findings(), ["vanished DnsRecord b.example.com CNAME"]);

    stage.fail(zone(), Reason::Denied);
    stage.at(12);
    assert_eq!(stage.findings(), ["vanished DnsRecord b.example.com CNAME (held)"]);

    stage.observe(zone(), 20, records(&["a", "b"]));
    stage.at(21);
    assert!(stage.findings().is_empty());
}

#[test]
fn what_was_gone_before_the_inventory_is_not_its_matter() {
    let mut stage = Stage::new();
    let key = crate::kinds::dns_record::record_key("api.example.com", "CNAME", None);
    stage.declare(declared("DnsRecord", "api", zone(), Select::Key(key.into())));
    stage.observe(zone(), 0, records(&["api", "b"]));
    stage.at(1);
    stage.evaluate();
    stage.observe(zone(), 10, records(&["api"]));
    stage.at(11);
    stage.evaluate();
    watch(&mut stage, "production", zone(), vanishing());
    stage.observe(zone(), 20, records(&["api"]));
    stage.at(21);
    assert!(stage.findings().is_empty());
}

#[test]
fn a_service_that_a_list_lacks_has_vanished_only_when_ecs_says_so() {
    let mut stage = Stage::new();
    watch(&mut stage, "production", cluster(), vanishing());
    stage.services(0, vec![running("a", "c1"), running("b", "c2")], &[]);
    stage.at(1);
    stage.evaluate();
    stage.services(10, vec![running("a", "c1")], &[]);
    stage.at(11);
    assert!(stage.findings().is_empty(), "a list alone proves nothing");
    let asks = &stage.last.as_ref().unwrap().asks;
    let asked = Ask { kind: "EcsService", select: Select::Key("b".into()) };
    assert!(asks.get(&cluster()).unwrap().things.contains_key(&asked), "so that it is asked for by name");
    stage.services(20, vec![running("a", "c1")], &[("b", "c2")]);
    stage.at(21);
    assert_eq!(stage.findings(), ["vanished EcsService b"]);
}

#[test]
fn mass_loss_is_one_finding_and_takes_the_environment_down() {
    let mut stage = Stage::new();
    let hosts = hosts(30);
    let key = crate::kinds::dns_record::record_key("host-00.example.com", "CNAME", None);
    let mut api = declared("DnsRecord", "api", zone(), Select::Key(key.into()));
    api.policy.vital = true;
    stage.declare(api);
    watch(&mut stage, "production", zone(), census());
    stage.observe(zone(), 0, zone_of(&hosts));
    stage.at(1);
    assert!(stage.findings().is_empty());

    stage.observe(zone(), 60, zone_of(hosts.get(20..).unwrap()));
    stage.at(61);
    assert_eq!(stage.findings(), ["missing DnsRecord api", "vanished Inventory everything"]);
    let snapshot = stage.evaluate();
    assert_eq!(snapshot.groups.len(), 1, "one cause, one group: {:?}", snapshot.groups);
    assert_eq!(snapshot.environments.first().unwrap().verdict, Verdict::Down);
    let loss = snapshot.findings.iter().find(|finding| *finding.key.kind == *"Inventory").unwrap();
    assert!(loss.message.starts_with("20 of 30 are gone (66 %; more than 20 % within 10m)"), "{}", loss.message);
    assert_eq!(loss.severity, Severity::Critical);

    // Latched while the window moves on, and while nothing can be read.
    stage.fail(zone(), Reason::Timeout);
    stage.at(90);
    assert_eq!(stage.findings(), ["missing DnsRecord api (held)", "vanished Inventory everything (held)"]);
    stage.observe(zone(), 3600, zone_of(hosts.get(20..).unwrap()));
    stage.at(3601);
    assert_eq!(stage.findings(), ["missing DnsRecord api", "vanished Inventory everything"]);
    // It ends when no more than the allowed part is missing; what is still gone is told by name.
    stage.observe(zone(), 3660, zone_of(hosts.get(2..).unwrap()));
    stage.at(3661);
    assert_eq!(stage.findings(), ["missing DnsRecord api", "vanished DnsRecord host-01.example.com CNAME"]);
}

#[test]
fn a_slow_decline_and_a_small_scope_are_no_mass_loss() {
    let mut stage = Stage::new();
    let hosts = hosts(30);
    watch(&mut stage, "production", zone(), InventoryRules { vanished: false, ..census() });
    for step in 0..20 {
        stage.observe(zone(), step * 700, zone_of(hosts.get(step as usize..).unwrap()));
        stage.at(step * 700 + 1);
        assert!(stage.findings().is_empty(), "step {step}");
    }
    let mut small = Stage::new();
    watch(&mut small, "production", zone(), InventoryRules { vanished: false, ..census() });
    small.observe(zone(), 0, zone_of(hosts.get(..9).unwrap()));
    small.at(1);
    small.evaluate();
    small.observe(zone(), 10, records(&["host-00"]));
    small.at(11);
    assert!(small.findings().is_empty(), "nine are below the floor");
}

#[test]
fn a_mass_loss_while_moored_was_down_is_found() {
    let mut stage = Stage::new();
    let hosts = hosts(30);
    watch(&mut stage, "production", zone(), census());
    stage.observe(zone(), 0, zone_of(&hosts));
    stage.at(1);
    stage.evaluate();
    // A restart, hours later: memory is all that is left.
    stage.last = None;
    stage.observations.clear();
    stage.at(7200);
    stage.evaluate();
    stage.observe(zone(), 7210, records(&["host-00"]));
    stage.at(7211);
    assert_eq!(stage.findings(), ["vanished Inventory everything"]);
}

#[test]
fn what_is_proven_gone_stays_proven_when_nobody_asks_again() {
    let mut stage = Stage::new();
    watch(&mut stage, "production", cluster(), vanishing());
    stage.services(0, vec![running("a", "c1"), running("b", "c2")], &[]);
    stage.at(1);
    stage.evaluate();
    stage.services(10, vec![running("a", "c1")], &[("b", "c2")]);
    stage.at(11);
    assert_eq!(stage.findings(), ["vanished EcsService b"]);
    stage.services(20, vec![running("a", "c1")], &[]);
    stage.at(21);
    assert_eq!(stage.findings(), ["vanished EcsService b"]);
    assert!(stage.evaluate().unknown.is_empty());
}

#[test]
fn services_still_gone_after_a_mass_loss_are_told_by_name() {
    let mut stage = Stage::new();
    let names: Vec<String> = (0..30).map(|number| format!("svc-{number:02}")).collect();
    let alive = |from: usize| names.iter().skip(from).map(|name| running(name, "c")).collect::<Vec<_>>();
    let again = || {
        let back = names.iter().skip(2).take(18).map(|name| running(name, "again"));
        back.chain(alive(20)).collect::<Vec<_>>()
    };
    let dead: Vec<(&str, &str)> = names.iter().take(20).map(|name| (name.as_str(), "c")).collect();
    watch(&mut stage, "production", cluster(), census());
    stage.services(0, alive(0), &[]);
    stage.at(1);
    stage.evaluate();
    stage.services(60, alive(20), &dead);
    stage.at(61);
    assert_eq!(stage.findings(), ["vanished Inventory everything"]);
    stage.services(120, again(), &[]);
    stage.at(121);
    assert_eq!(stage.findings(), ["vanished EcsService svc-00", "vanished EcsService svc-01"]);
}

#[test]
fn an_edited_inventory_ends_no_vanished_finding() {
    let mut stage = Stage::new();
    watch(&mut stage, "production", zone(), vanishing());
    stage.observe(zone(), 0, records(&["a", "b"]));
    stage.at(1);
    stage.evaluate();
    stage.observe(zone(), 10, records(&["a"]));
    stage.at(11);
    stage.evaluate();
    let own = stage.desired.inventories[0].declared.clone();
    let rules = InventoryRules { except: vec![except("cats-*", None)], ..vanishing() };
    stage.desired.inventories = vec![Arc::new(Inventory { declared: own, rules })];
    stage.last = None;
    stage.observe(zone(), 20, records(&["a"]));
    stage.at(21);
    assert_eq!(stage.findings(), ["vanished DnsRecord b.example.com CNAME"]);
}

#[test]
fn what_left_before_the_inventory_began_is_neither_vanished_nor_a_mass_loss() {
    let mut stage = Stage::new();
    stage.declare(service("api"));
    let names: Vec<String> = (0..20).map(|number| format!("job-{number:02}")).collect();
    let mut all: Vec<Live> = names.iter().map(|name| running(name, "c")).collect();
    all.push(running("api", "c1"));
    stage.services(0, all, &[]);
    stage.at(1);
    stage.evaluate();
    watch(&mut stage, "production", cluster(), census());
    stage.services(3600, vec![running("api", "c1")], &[]);
    stage.at(3601);
    assert!(stage.findings().is_empty());
    let dead: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "c")).collect();
    stage.services(3660, vec![running("api", "c1")], &dead);
    stage.at(3661);
    assert!(stage.findings().is_empty());
}

#[test]
fn what_is_declared_by_another_name_is_missing_and_not_vanished_too() {
    let mut stage = Stage::new();
    stage.declare(declared("HealthCheck", "api", checks(), Select::Alias("callerReference:api".into())));
    watch(&mut stage, "production", checks(), vanishing());
    let mut reading = Reading::begin(at(0));
    (reading.complete, reading.listed) = (true, true);
    let live = check("api");
    reading.alias("callerReference:api", live.key.clone());
    reading.insert(live);
    stage.put(checks(), reading);
    stage.at(1);
    stage.evaluate();
    stage.observe(checks(), 10, vec![]);
    stage.answer(checks(), "HealthCheck", Select::Key("hc-api".into()), NamedAnswer::NotFound);
    stage.at(11);
    assert_eq!(stage.findings(), ["missing HealthCheck api"]);
}

#[test]
fn while_tags_cannot_be_read_no_check_is_a_stranger() {
    let mut stage = Stage::new();
    stage.declare(declared("HealthCheck", "api", checks(), Select::Alias("tagName:api".into())));
    watch(&mut stage, "production", checks(), exhaustive());
    stage.observe(checks(), 0, vec![check("api")]);
    stage.at(1);
    assert!(stage.findings().is_empty());
}

#[test]
fn an_item_that_cannot_be_understood_ends_no_finding() {
    let mut stage = Stage::wonderland();
    watch(&mut stage, "production", balancers(), exhaustive());
    stage.observe(balancers(), 10, vec![balancer("deployer-api"), balancer("by-hand")]);
    stage.scan_again(11);
    stage.at(12);
    assert_eq!(stage.findings(), ["unexpected LoadBalancer by-hand"]);
    let mut odd = item("odd");
    odd.fields.set("lb", "nonsense");
    stage.observe(table(), 20, vec![item("deployer-api"), odd]);
    stage.at(21);
    assert!(stage.findings().contains(&"unexpected LoadBalancer by-hand (held)".to_owned()));
}

#[test]
fn a_thing_that_is_younger_than_the_scan_is_no_stranger_yet() {
    let mut stage = Stage::wonderland();
    watch(&mut stage, "production", balancers(), exhaustive());
    stage.observe(balancers(), 10, vec![balancer("deployer-api"), balancer("shop")]);
    stage.at(11);
    assert!(stage.findings().is_empty());
    assert!(stage.wanted().contains(&table()));
    assert!(stage.last.as_ref().unwrap().asks.get(&table()).unwrap().fresh_since.is_some());
    stage.observe(table(), 20, vec![item("deployer-api"), item("shop")]);
    stage.observe(cluster(), 21, vec![running("deployer-api", "c1"), running("shop", "c1")]);
    stage.at(22);
    assert!(stage.findings().is_empty());
}

#[test]
fn a_stranger_that_a_list_lacks_is_held_until_ecs_says_that_it_is_gone() {
    let mut stage = Stage::new();
    watch(&mut stage, "production", cluster(), exhaustive());
    stage.services(0, vec![running("a", "c1")], &[]);
    stage.at(1);
    assert_eq!(stage.findings(), ["unexpected EcsService a"]);
    stage.services(10, vec![], &[]);
    stage.at(11);
    assert_eq!(stage.findings(), ["unexpected EcsService a (held)"]);
    stage.services(20, vec![], &[("a", "c1")]);
    stage.at(21);
    assert!(stage.findings().is_empty());
}

#[test]
fn an_exceptions_time_begins_again_with_each_life() {
    let mut stage = Stage::new();
    let rules = InventoryRules { except: vec![except("cats-*", Some(2700))], ..exhaustive() };
    watch(&mut stage, "production", zone(), rules);
    for (second, names) in [(0, &["cats-1"][..]), (600, &[]), (86_400, &["cats-1"])] {
        stage.observe(zone(), second, records(names));
        stage.at(second + 1);
        assert!(stage.findings().is_empty(), "at {second}");
    }
}

#[test]
fn a_stranger_that_is_declared_while_nothing_can_be_read_is_told_once() {
    let mut stage = Stage::new();
    watch(&mut stage, "production", cluster(), exhaustive());
    stage.services(0, vec![running("b", "c1")], &[]);
    stage.at(1);
    assert_eq!(stage.findings(), ["unexpected EcsService b"]);
    stage.declare(service("b"));
    stage.fail(cluster(), Reason::NotYetRead);
    stage.at(2);
    assert_eq!(stage.findings(), ["unexpected EcsService b (held)"]);
}

#[test]
fn what_came_and_went_within_minutes_is_no_mass_loss() {
    let mut stage = Stage::new();
    let hosts = hosts(60);
    watch(&mut stage, "production", zone(), InventoryRules { vanished: false, ..census() });
    for (second, count) in [(0, 30), (60, 60), (300, 30)] {
        stage.observe(zone(), second, zone_of(hosts.get(..count).unwrap()));
        stage.at(second + 1);
        assert!(stage.findings().is_empty(), "at {second}");
    }
}

#[test]
fn a_vanished_service_is_the_root_of_what_it_left_behind() {
    let mut stage = Stage::wonderland();
    stage.desired.resources.retain(|declared| declared.kind.name() != "EcsService");
    watch(&mut stage, "production", cluster(), vanishing());
    stage.services(5, vec![running("deployer-api", "c1")], &[]);
    stage.at(6);
    assert!(stage.findings().is_empty());
    stage.lose_service(10);
    let snapshot = stage.evaluate();
    assert_eq!(snapshot.findings.len(), 5);
    assert_eq!(snapshot.groups.len(), 1, "{:?}", snapshot.groups);
}

#[test]
fn a_broad_ignore_does_not_hide_what_takes_the_environment_down() {
    let mut stage = Stage::new();
    let hosts = hosts(30);
    watch(&mut stage, "production", zone(), census());
    let everything = crate::core::ignore::Ignore {
        name: "all".into(),
        environment: "production".into(),
        kind: None,
        glob: Glob::new("*"),
        drifts: Vec::new(),
        path: None,
        reason: "tired".into(),
        owner: "nobody".into(),
        until: "2099-12-31".parse().unwrap(),
        source: source(90),
    };
    stage.desired.ignores.push(Arc::new(everything));
    stage.observe(zone(), 0, zone_of(&hosts));
    stage.at(1);
    stage.evaluate();
    stage.observe(zone(), 60, zone_of(hosts.get(20..).unwrap()));
    stage.at(61);
    assert_eq!(stage.findings(), ["vanished Inventory everything"]);
}

#[test]
fn what_goes_together_with_its_manifest_is_no_loss() {
    let mut stage = Stage::new();
    let hosts = hosts(30);
    for host in &hosts {
        let key = crate::kinds::dns_record::record_key(&format!("{host}.example.com"), "CNAME", None);
        stage.declare(declared("DnsRecord", host, zone(), Select::Key(key.into())));
    }
    watch(&mut stage, "production", zone(), census());
    stage.observe(zone(), 0, zone_of(&hosts));
    stage.at(1);
    assert!(stage.findings().is_empty());
    stage.desired.resources.retain(|declared| !hosts.iter().take(15).any(|host| **host == *declared.name));
    stage.last = None;
    stage.observe(zone(), 60, zone_of(hosts.get(15..).unwrap()));
    stage.at(61);
    assert!(stage.findings().is_empty());
}

#[test]
fn a_mass_loss_outlives_a_restart_in_which_its_root_is_broken() {
    let mut stage = Stage::new();
    let hosts = hosts(30);
    watch(&mut stage, "production", zone(), census());
    let key = crate::kinds::dns_record::record_key("host-29.example.com", "CNAME", None);
    stage.declare(declared("DnsRecord", "of-the-other-root", zone(), Select::Key(key.into())));
    stage.observe(zone(), 0, zone_of(&hosts));
    stage.at(1);
    stage.evaluate();
    stage.observe(zone(), 60, zone_of(hosts.get(20..).unwrap()));
    stage.at(61);
    assert_eq!(stage.findings(), ["vanished Inventory everything"]);

    let (inventories, resources) = (stage.desired.inventories.clone(), stage.desired.resources.clone());
    stage.desired.inventories.clear();
    stage.desired.resources.retain(|declared| declared.kind.name() != "Inventory");
    stage.desired.unread_roots = vec!["teams/dns".into()];
    stage.last = None;
    stage.at(62);
    assert_eq!(stage.findings(), ["vanished Inventory everything (held)"]);

    (stage.desired.inventories, stage.desired.resources) = (inventories, resources);
    stage.desired.unread_roots.clear();
    stage.last = None;
    stage.observe(zone(), 3600, zone_of(hosts.get(20..).unwrap()));
    stage.at(3601);
    assert_eq!(stage.findings(), ["vanished Inventory everything"]);
}
