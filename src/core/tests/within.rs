//! Inventories of a part of a scope, and those of Cloud Foundry.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use super::fixture::*;
use crate::core::desired::*;
use crate::core::identity::*;
use crate::core::memory::Watched;
use crate::core::observation::*;
use crate::kinds::buildpacks::live::{Buildpack, Observed, live as listed};

const API: &str = "api.example.com";

fn foundation() -> ScopeKey {
    ScopeKey::new(ScopeKind::CfFoundation, API, "cf", "")
}

fn organization() -> ScopeKey {
    ScopeKey::new(ScopeKind::CfOrganization, API, "cf", "GDS")
}

fn rules(within: Within) -> InventoryRules {
    InventoryRules { within, exhaustive: false, except: Vec::new(), vanished: false, census: None, decides: false }
}

fn beginning(prefix: &str) -> Within {
    Within { kinds: BTreeSet::new(), prefix: Some(prefix.into()) }
}

fn of_kind(kind: &'static str) -> Within {
    Within { kinds: BTreeSet::from([kind]), prefix: None }
}

fn watch(stage: &mut Stage, name: &str, scope: ScopeKey, rules: InventoryRules) {
    let own = declared("Inventory", name, scope, Select::Key(format!("production/{name}").into()));
    let own = Arc::new(own);
    stage.desired.resources.push(own.clone());
    stage.desired.inventories.push(Arc::new(Inventory { declared: own, rules }));
    stage.last = None;
}

fn records(hosts: impl IntoIterator<Item = String>) -> Vec<Live> {
    hosts.into_iter().map(|host| record(&host, "somewhere")).collect()
}

/// Hosts of the blue and of the green part of a zone.
fn hosts(blue: std::ops::Range<usize>, green: std::ops::Range<usize>) -> Vec<Live> {
    let of = |colour: &'static str, numbers: std::ops::Range<usize>| {
        numbers.map(move |number| format!("{colour}-{number:02}"))
    };
    records(of("blue", blue).chain(of("green", green)))
}

#[test]
fn an_inventory_of_a_part_says_nothing_of_the_rest() {
    let mut stage = Stage::new();
    watch(&mut stage, "blue", zone(), InventoryRules { exhaustive: true, ..rules(beginning("blue-")) });
    watch(&mut stage, "green", zone(), InventoryRules { vanished: true, ..rules(beginning("green-")) });
    stage.observe(zone(), 0, hosts(0..1, 0..2));
    stage.at(1);
    assert_eq!(stage.findings(), ["unexpected DnsRecord blue-00.example.com CNAME"]);
    stage.observe(zone(), 10, hosts(0..0, 0..1));
    stage.at(11);
    assert_eq!(stage.findings(), ["vanished DnsRecord green-01.example.com CNAME"]);
}

#[test]
fn mass_loss_is_counted_within_the_part_that_is_watched() {
    let mut stage = Stage::new();
    let census = Census { max_drop: 20, over: SignedDuration::from_mins(10), floor: 10 };
    for (name, prefix) in [("blue", "blue-"), ("green", "green-")] {
        watch(&mut stage, name, zone(), InventoryRules { census: Some(census), ..rules(beginning(prefix)) });
    }
    stage.observe(zone(), 0, hosts(0..12, 0..80));
    stage.at(1);
    assert!(stage.findings().is_empty());
    stage.observe(zone(), 60, hosts(6..12, 0..80));
    stage.at(61);
    assert_eq!(stage.findings(), ["vanished Inventory blue"], "six of twelve, not six of ninety-two");
}

#[test]
fn every_kind_of_thing_in_a_space_may_be_a_stranger() {
    let mut stage = Stage::new();
    stage.declare(declared("App", "api", organization(), Select::Key("prod/api".into())));
    watch(&mut stage, "prod", organization(), InventoryRules { exhaustive: true, ..rules(beginning("prod/")) });
    let mut things = vec![live("App", "prod/api", "a1"), live("App", "prod/web", "a2"), live("App", "test/web", "a3")];
    things.push(live("ServiceInstance", "prod/queue", "s1"));
    things.push(live("ServiceBinding", "prod/api/queue", "b1"));
    stage.observe(organization(), 0, things);
    stage.at(1);
    assert_eq!(stage.findings(), Vec::<String>::new(), "a space that is not visible shows nothing");
    stage.see(&organization(), "space:prod");
    stage.at(2);
    assert_eq!(stage.findings(), Vec::<String>::new(), "what is new may be the middle of a push");
    stage.see(&organization(), "space:prod");
    stage.at(70);
    let mut unexpected = stage.findings();
    unexpected.retain(|line| line.starts_with("unexpected"));
    assert_eq!(
        unexpected,
        [
            "unexpected App prod/web",
            "unexpected ServiceBinding prod/api/queue",
            "unexpected ServiceInstance prod/queue"
        ]
    );
}

#[test]
fn what_an_organisation_declares_is_no_stranger_in_the_foundation() {
    let mut stage = Stage::new();
    stage.declare(declared("App", "api", organization(), Select::Key("prod/api".into())));
    watch(&mut stage, "apps", foundation(), InventoryRules { vanished: true, ..rules(of_kind("App")) });
    let apps = ["gds/prod/api", "gds/prod/web", "other/prod/api"];
    stage.observe(foundation(), 0, apps.iter().map(|key| live("App", key, key)).collect());
    stage.at(1);
    stage.evaluate();
    let watched = apps.map(|key| stage.memory.object(&foundation(), &ObjectKey::new("App", key)).unwrap().watched);
    assert_eq!(watched, [Watched::Declared, Watched::Stranger, Watched::Stranger]);
}

fn buildpack(name: &str, position: i64, enabled: bool) -> Buildpack {
    Buildpack {
        guid: format!("guid-{name}").into(),
        name: name.into(),
        stack: Some("cflinuxfs4".into()),
        position,
        enabled,
        state: "READY".into(),
        ..Buildpack::default()
    }
}

fn buildpacks(of: Vec<Buildpack>) -> Vec<Live> {
    listed(API, &Observed { buildpacks: of, autodetect: [("cflinuxfs4".into(), 37)].into() })
}

#[test]
fn an_undeclared_buildpack_is_unexpected_while_it_is_enabled() {
    let mut stage = Stage::new();
    let java = Select::Key("java_buildpack|cflinuxfs4|buildpack".into());
    stage.declare(declared("Buildpacks", "java_buildpack", foundation(), java));
    watch(&mut stage, "detection", foundation(), InventoryRules { exhaustive: true, ..rules(of_kind("Buildpacks")) });
    stage.observe(foundation(), 0, buildpacks(vec![buildpack("cats", 1, true), buildpack("java_buildpack", 2, true)]));
    stage.at(1);
    assert_eq!(stage.findings(), ["unexpected Buildpacks cats (cflinuxfs4)"]);
    let snapshot = stage.evaluate();
    let finding = snapshot.findings.first().unwrap();
    assert!(finding.message.contains("37 apps") && finding.message.contains("FIRST"), "{}", finding.message);
    assert_eq!(&*finding.id, "guid-cats");

    stage.observe(
        foundation(),
        10,
        buildpacks(vec![buildpack("cats", 1, false), buildpack("java_buildpack", 2, true)]),
    );
    stage.at(11);
    assert!(stage.findings().is_empty(), "nobody meets a disabled one");
}
