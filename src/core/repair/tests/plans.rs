use std::sync::Arc;

use super::platform::*;
use crate::core::desired::*;
use crate::core::identity::{ObjectKey, Select};
use crate::core::observation::*;
use crate::core::repair::guards::Outcome;
use crate::core::repair::policy::Mode;
use crate::core::repair::target::Step;
use crate::core::tests::fixture::*;

const KEY: &str = "deployer-api.example.com|CNAME|";

#[test]
fn a_deleted_service_gives_one_plan_that_goes_from_the_name_to_the_item() {
    let mut ops = Ops::ripe();
    let plan = ops.plan();
    assert_eq!(objections(&plan), [""; 0]);
    let steps: Vec<Step> = plan.actions.iter().map(|action| action.step).collect();
    assert_eq!(steps, [Step::Record, Step::HealthCheck, Step::LoadBalancer, Step::Item]);
    assert_eq!((plan.deletes, plan.account.as_deref()), (4, Some(ACCOUNT)));
    assert_eq!(plan.approvable, Some(ops.stage.now));
    let lost = plan.lost.as_ref().unwrap();
    assert_eq!((&*lost.kind, &*lost.name, lost.incarnation.as_deref()), ("EcsService", "deployer-api", Some("c1")));
    assert!(lost.declared.contains_key("desiredCount"));
}

#[test]
fn nothing_is_planned_while_all_is_well_or_the_table_only_reports() {
    let mut well = Ops::with(&["deployer-api"], WhenParentGone::Prune);
    well.pass(60, &[]);
    assert_eq!(well.plans(), []);
    for report in [WhenParentGone::Report, WhenParentGone::Keep] {
        let mut ops = Ops::with(&["deployer-api"], report);
        (1..=4).for_each(|minute| ops.pass(60 * minute, &["deployer-api"]));
        assert_eq!(ops.plans(), [], "{report:?}");
    }
}

#[test]
fn a_plan_is_shown_before_it_is_ripe_and_says_when_it_will_be() {
    let mut ops = Ops::with(&["deployer-api"], WhenParentGone::Prune);
    (1..=3).for_each(|minute| ops.pass(60 * minute, &["deployer-api"]));
    let young = ops.plan();
    assert!(!young.is_ripe());
    assert!(
        objections(&young).iter().all(|line| line.contains("evidence 2/3, approvable ")),
        "{:?}",
        objections(&young)
    );
    let ripe_at = young.approvable.unwrap();
    ops.pass(240, &["deployer-api"]);
    let ripe = ops.plan();
    assert!(ripe.is_ripe() && ripe_at <= ops.stage.now);
    assert_eq!(young.hash, ripe.hash, "so that it can be approved ahead");
}

#[test]
fn two_equal_worlds_have_one_hash_and_every_part_that_moves_another() {
    let hash = |change: &dyn Fn(&mut Ops)| {
        let mut ops = Ops::ripe();
        change(&mut ops);
        ops.plan().hash
    };
    let same = hash(&|_| {});
    assert_eq!(same, hash(&|_| {}));
    assert_eq!(same.len(), 64);
    let moved: [&dyn Fn(&mut Ops); 4] = [
        &|ops| ops.edit(&zone(), "DnsRecord", KEY, |record| record.fields.set("ttl", 300)),
        &|ops| {
            ops.edit(&balancers(), "LoadBalancer", "deployer-api", |lb| lb.fields.set("listeners.443.protocol", "TLS"))
        },
        &|ops| ops.edit(&zone(), "DnsRecord", KEY, |record| record.references = Box::default()),
        &|ops| {
            let memory = Arc::make_mut(ops.stage.memory.scopes.get_mut(&cluster()).unwrap());
            memory.objects.get_mut(&ObjectKey::new("EcsService", "deployer-api")).unwrap().incarnation = None;
        },
    ];
    for (at, change) in moved.iter().enumerate() {
        assert_ne!(same, hash(*change), "change {at}");
    }
}

#[test]
fn a_protected_balancer_stops_the_whole_plan_before_it_begins() {
    let mut ops = Ops::ripe();
    ops.edit(&balancers(), "LoadBalancer", "deployer-api", |balancer| balancer.fields.set("deletionProtection", true));
    let plan = ops.plan();
    assert_eq!(plan.approvable, None);
    let objections = objections(&plan);
    assert!(objections.iter().any(|line| line.starts_with("preflight on LoadBalancer")), "{objections:?}");
}

#[test]
fn what_was_read_in_half_is_not_deleted_in_half() {
    let mut ops = Ops::ripe();
    ops.stage.fail(zone(), Reason::Timeout);
    assert!(ops.deletable().is_empty());
    let plan = ops.plan();
    assert!(objections(&plan).iter().any(|line| line.starts_with("unknown on DnsRecord")), "{:?}", objections(&plan));
}

#[test]
fn an_item_whose_balancer_somebody_took_over_stays() {
    let mut ops = Ops::with(&["deployer-api", "heir"], WhenParentGone::Prune);
    for minute in 1..=5 {
        ops.read(60 * minute, &["deployer-api"]);
        ops.edit(&table(), "TableItem", "service=heir", |heir| {
            heir.fields.set("lb", lb_arn("deployer-api").as_str());
        });
        ops.conclude(60 * minute);
    }
    let plan = ops.plan();
    assert!(plan.actions.iter().all(|action| action.step != Step::LoadBalancer));
    let objections = objections(&plan);
    assert!(objections.iter().any(|line| line.starts_with("references on TableItem")), "{objections:?}");
    assert!(ops.deletable().is_empty());
}

#[test]
fn pieces_whose_item_somebody_deleted_by_hand_are_nobodys() {
    let mut ops = Ops::ripe();
    ops.stage.observe(table(), 300, vec![]);
    ops.stage.answer(table(), "TableItem", Select::Key("service=deployer-api".into()), NamedAnswer::NoItem);
    ops.stage.at(301);
    assert!(ops.stage.findings().iter().any(|line| line.contains("orphaned LoadBalancer")));
    assert_eq!(ops.plans(), [], "nothing in force names them");
}

#[test]
fn a_target_group_that_served_only_this_balancer_goes_with_it_and_a_used_one_stays() {
    let group_arn =
        format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/deployer-api/6d0ecf831eec9f09");
    let plan = |targets: i64| {
        let mut ops = Ops::with(&["deployer-api"], WhenParentGone::Prune);
        for minute in 1..=5 {
            ops.read(60 * minute, &["deployer-api"]);
            ops.edit(&balancers(), "LoadBalancer", "deployer-api", |balancer| {
                balancer.references = [format!("targetgroup:{group_arn}").into()].into();
            });
            let mut group = live("TargetGroup", "deployer-api", &group_arn);
            group.addresses = [format!("targetgroup:{group_arn}").into()].into();
            for path in ["targets.registered", "targets.healthy", "targets.initial"] {
                group.fields.set(path, targets);
            }
            let observation = ops.stage.observations.get_mut(&balancers()).unwrap();
            Arc::make_mut(observation.reading.as_mut().unwrap()).insert(group);
            ops.conclude(60 * minute);
        }
        ops.plan()
    };
    let quiet = plan(0);
    assert_eq!(objections(&quiet), [""; 0]);
    let steps: Vec<Step> = quiet.actions.iter().map(|action| action.step).collect();
    assert_eq!(steps, [Step::Record, Step::HealthCheck, Step::LoadBalancer, Step::TargetGroup, Step::Item]);
    assert!(quiet.actions.iter().all(|action| action.wait.is_zero()), "nobody is served");
    let busy = plan(1);
    assert!(!busy.is_ripe());
    let waits =
        busy.actions.iter().find(|action| action.step == Step::LoadBalancer).map(|action| action.wait.as_secs());
    assert_eq!(waits, Some(60), "somebody is: names go first");
}

#[test]
fn a_record_declared_gone_is_planned_by_itself() {
    let mut ops = Ops::with(&["deployer-api"], WhenParentGone::Prune);
    let mut gone = declared("DnsRecord", "old-name", zone(), Select::Key("old.example.com|CNAME|".into()));
    gone.absent = true;
    ops.stage.declare(gone);
    ops.policies.get_mut("production").unwrap().prune.insert("DnsRecord", Mode::Approve);
    for minute in 12..=16 {
        ops.read(60 * minute, &[]);
        let observation = ops.stage.observations.get_mut(&zone()).unwrap();
        Arc::make_mut(observation.reading.as_mut().unwrap()).insert(record("old", "elsewhere"));
        ops.conclude(60 * minute);
    }
    let young = ops.plan();
    assert!(objections(&young).iter().all(|line| line.starts_with("settle")), "{:?}", objections(&young));
    for minute in 23..=26 {
        ops.read(60 * minute, &[]);
        let observation = ops.stage.observations.get_mut(&zone()).unwrap();
        Arc::make_mut(observation.reading.as_mut().unwrap()).insert(record("old", "elsewhere"));
        ops.conclude(60 * minute);
    }
    let plan = ops.plan();
    assert_eq!(objections(&plan), [""; 0]);
    assert_eq!((plan.deletes, plan.account.as_deref()), (1, Some(DNS_ACCOUNT)));
}

#[test]
fn three_services_lost_at_once_trip_the_breaker() {
    let names = ["a", "b", "c"];
    let mut ops = Ops::with(&names, WhenParentGone::Prune);
    (1..=4).for_each(|minute| ops.pass(60 * minute, &names));
    let plans = ops.plans();
    assert_eq!(plans.len(), 3);
    for plan in &plans {
        let tripped = plan.verdicts().filter(|(_, verdict)| verdict.guard == "breaker");
        assert!(tripped.into_iter().all(|(_, verdict)| verdict.outcome == Outcome::Refused));
    }
    let told = ops.stage.now;
    ops.circumstances.get_mut("production").unwrap().unfrozen_at = Some(told);
    assert_eq!(ops.deletable().len(), 12, "a person has looked");
}
