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
    InventoryRules { exhaustive: false, except: Vec::new(), vanished: false, census: None, decides: false }
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
    stage.at(11);
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
