use std::collections::BTreeSet;

use super::platform::*;
use crate::core::desired::WhenParentGone;
use crate::core::repair::approval::{Approval, Refusal, accept};
use crate::core::tests::fixture::*;

#[test]
fn an_approval_that_names_the_plan_the_deletes_and_the_account_counts_once() {
    let mut ops = Ops::ripe();
    let (plan, now) = (ops.plan(), ops.stage.now);
    let approval = approved(&plan, now);
    let plans = [plan];
    assert!(accept(&approval, &plans, &BTreeSet::new(), now).is_ok());
    let used = BTreeSet::from([approval.id.clone()]);
    assert_eq!(accept(&approval, &plans, &used, now), Err(Refusal::Replayed("a1".into())));
}

#[test]
fn an_approval_that_fits_in_all_but_one_thing_is_refused_for_that() {
    let mut ops = Ops::ripe();
    let (plan, now) = (ops.plan(), ops.stage.now);
    let right = approved(&plan, now);
    let plans = [plan];
    let refused = |approval: Approval| accept(&approval, &plans, &BTreeSet::new(), now).unwrap_err();
    assert!(matches!(refused(Approval { deletes: 3, ..right.clone() }), Refusal::Count { planned: 4, named: 3 }));
    assert!(matches!(refused(Approval { plan: "beef".into(), ..right.clone() }), Refusal::NoSuchPlan(_)));
    assert!(matches!(refused(Approval { environment: "prod".into(), ..right.clone() }), Refusal::Environment { .. }));
    let elsewhere = Approval { account: Some("999999999999".into()), ..right.clone() };
    assert!(matches!(refused(elsewhere), Refusal::Account { .. }));
    assert!(matches!(refused(Approval { account: None, ..right.clone() }), Refusal::Account { .. }));
    assert!(matches!(refused(Approval { at: at(-700), ..right.clone() }), Refusal::Expired(_)));
    assert!(matches!(refused(Approval { at: at(9_000), ..right }), Refusal::Expired(_)), "or from the future");
}

#[test]
fn a_plan_that_is_not_ripe_can_be_approved_ahead_but_not_one_that_is_refused() {
    let mut ops = Ops::with(&["deployer-api"], WhenParentGone::Prune);
    (1..=3).for_each(|minute| ops.pass(60 * minute, &["deployer-api"]));
    let (young, now) = (ops.plan(), ops.stage.now);
    let plain = approved(&young, now);
    let ahead = Approval { when_ripe: true, ..plain.clone() };
    let plans = [young];
    let guard = |approval: &Approval| match accept(approval, &plans, &BTreeSet::new(), now) {
        Err(Refusal::Guarded { guard, .. }) => Some(guard),
        _ => None,
    };
    assert_eq!((guard(&plain), guard(&ahead)), (Some("evidence"), None));
    ops.policies.get_mut("production").unwrap().has_key = false;
    let refused = [ops.plan()];
    assert!(accept(&ahead, &refused, &BTreeSet::new(), now).is_err());
}
