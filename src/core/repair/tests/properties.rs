//! Properties over random worlds and random events: less knowledge and less permission never delete
//! more, and no course of events sends one request twice.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use jiff::SignedDuration;
use proptest::prelude::*;

use super::episodes::{BEGUN, episode, good, lease};
use super::platform::Ops;
use crate::core::desired::{Class, WhenParentGone};
use crate::core::identity::ScopeKey;
use crate::core::observation::{IdentityState, Reason};
use crate::core::repair::episode::{Answer, Episode, Event, Request};
use crate::core::repair::fresh::Found;
use crate::core::repair::ledger::Entry;
use crate::core::repair::policy::{Circumstances, Mode, Policy};
use crate::core::repair::step::step;
use crate::core::tests::fixture::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn scopes() -> [ScopeKey; 5] {
    [table(), zone(), checks(), balancers(), cluster()]
}

/// Which services are deleted, how many passes show it, and which scope fails in which of them.
type History = ([bool; 3], i64, Option<(i64, usize)>);

fn history() -> impl Strategy<Value = History> {
    let failure = prop::option::weighted(0.3, (1i64..6, 0usize..5));
    (prop::array::uniform3(prop::bool::weighted(0.5)), 3i64..7, failure)
}

fn world((dead, passes, failure): History) -> Ops {
    let mut ops = Ops::with(&NAMES, WhenParentGone::Prune);
    let dead: Vec<&str> = NAMES.iter().zip(dead).filter(|(_, dead)| *dead).map(|(name, _)| *name).collect();
    for pass in 1..=passes {
        ops.read(60 * pass, &dead);
        if let Some((_, scope)) = failure.filter(|(at, _)| *at == pass) {
            ops.stage.fail(scopes()[scope].clone(), Reason::Timeout);
        }
        ops.conclude(60 * pass);
    }
    ops
}

/// One thing less that is known or allowed.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Scope(usize),
    Page(usize),
    List(usize),
    Item(usize),
    Identity(usize),
    Evidence(usize),
    Ledger,
    Policy,
    Key,
    Lease,
    Mode,
    Frozen,
    Unsettled(usize),
}

fn loss() -> impl Strategy<Value = Loss> {
    prop_oneof![
        (0usize..5).prop_map(Loss::Scope),
        (0usize..5).prop_map(Loss::Page),
        (0usize..5).prop_map(Loss::List),
        (0usize..3).prop_map(Loss::Item),
        (0usize..2).prop_map(Loss::Identity),
        (0usize..12).prop_map(Loss::Evidence),
        (0usize..12).prop_map(Loss::Unsettled),
        Just(Loss::Ledger),
        Just(Loss::Policy),
        Just(Loss::Key),
        Just(Loss::Lease),
        Just(Loss::Mode),
        Just(Loss::Frozen),
    ]
}

fn lose(ops: &mut Ops, loss: Loss, known: &BTreeSet<Arc<str>>) {
    let environment = "production";
    let reading = |ops: &mut Ops, scope: usize, complete: bool, listed: bool| {
        let observation = ops.stage.observations.get_mut(&scopes()[scope]).unwrap();
        let reading = Arc::make_mut(observation.reading.as_mut().unwrap());
        (reading.complete, reading.listed) = (reading.complete && complete, reading.listed && listed);
    };
    let policy = |ops: &mut Ops, change: &dyn Fn(&mut Policy)| {
        ops.policies.get_mut(environment).into_iter().for_each(change);
    };
    match loss {
        Loss::Scope(scope) => ops.stage.fail(scopes()[scope].clone(), Reason::Denied),
        Loss::Page(scope) => reading(ops, scope, false, true),
        Loss::List(scope) => reading(ops, scope, true, false),
        Loss::Item(name) => {
            let observation = ops.stage.observations.get_mut(&table()).unwrap();
            let reading = Arc::make_mut(observation.reading.as_mut().unwrap());
            reading.objects.retain(|key, _| *key.key != *format!("service={}", NAMES[name]));
        }
        Loss::Identity(which) => {
            let account = ops.identities.keys().nth(which).cloned().unwrap();
            ops.identities.insert(account, IdentityState::Unverified);
        }
        Loss::Evidence(which) => {
            if let Some(name) = ops.dossier.keys().nth(which).cloned() {
                ops.dossier.remove(&name);
            }
        }
        Loss::Unsettled(which) => {
            let id = known.iter().nth(which).cloned();
            ops.circumstances.get_mut(environment).into_iter().for_each(|known| known.unsettled.extend(id.clone()));
        }
        Loss::Ledger => {
            ops.circumstances.remove(environment);
        }
        Loss::Policy => {
            ops.policies.remove(environment);
        }
        Loss::Key => policy(ops, &|policy| policy.has_key = false),
        Loss::Lease => policy(ops, &|policy| policy.lease = None),
        Loss::Mode => policy(ops, &|policy| {
            policy.prune.insert("HealthCheck", Mode::Observe);
        }),
        Loss::Frozen => {
            let frozen = Circumstances { frozen: Some("by hand".into()), ..Circumstances::default() };
            ops.circumstances.insert(environment.into(), frozen);
        }
    }
}

static EPISODE: LazyLock<Episode> = LazyLock::new(episode);

/// Something that happens: mostly what was asked for, sometimes anything.
fn event(choice: u8, episode: &Episode, requests: &[Request], now: jiff::Timestamp) -> Event {
    let answer = |request: Option<&Request>| match request {
        Some(request) => good(episode, request, now),
        None => Event::Started(lease()),
    };
    let present = || {
        let task = episode.tasks().get(episode.closed().len()).or(episode.tasks().get(0)).unwrap();
        let (incarnation, version) = (task.target.incarnation().clone(), task.target.version().clone());
        Event::ReadBack(Found::Present { incarnation, version })
    };
    match choice {
        0 => Event::TimedOut,
        1 => Event::Tick,
        2 => Event::Frozen("by hand".into()),
        3 => Event::LeaseLost,
        4 => Event::Stop,
        5 => Event::Sent(Answer::Unclear("reset by peer".into())),
        6 => Event::Sent(Answer::Refused("in use".into())),
        7 => present(),
        8 => Event::ReadBack(Found::Unclear("throttled".into())),
        9 => Event::NotJournalled("disk full".into()),
        10 => Event::NotSent("paused".into()),
        11 => Event::Renewed(now + SignedDuration::from_mins(10)),
        12 => answer(requests.first()),
        13 => answer(requests.iter().rev().nth(1)),
        14 => Event::Started(lease()),
        _ => answer(requests.last()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn to_know_less_or_to_be_allowed_less_never_deletes_more(history in history(), loss in loss(), more in loss()) {
        let mut ops = world(history);
        let whole = ops.deletable();
        lose(&mut ops, loss, &whole);
        let less = ops.deletable();
        prop_assert!(less.is_subset(&whole), "{:?}", less.difference(&whole).collect::<Vec<_>>());
        lose(&mut ops, more, &whole);
        let least = ops.deletable();
        prop_assert!(least.is_subset(&less), "{:?}", least.difference(&less).collect::<Vec<_>>());
    }

    #[test]
    fn only_what_a_deleted_service_left_is_ever_deletable(history in history()) {
        let dead = history.0;
        let mut ops = world(history);
        for id in ops.deletable() {
            let owner = NAMES.iter().zip(dead).find(|(name, _)| {
                let ids = [item(name).id, check(name).id, balancer(name).id, record(name, "x").id];
                ids.contains(&id)
            });
            prop_assert!(owner.is_some_and(|(_, dead)| dead), "{id}");
        }
    }

    #[test]
    fn a_world_in_sync_has_no_plan_whatever_could_not_be_read(passes in 1i64..6, failure in prop::option::of((1i64..6, 0usize..5))) {
        let mut ops = world(([false; 3], passes, failure));
        prop_assert!(ops.plans().is_empty());
    }

    #[test]
    fn what_is_only_observed_is_never_deletable(history in history(), class in 0usize..4) {
        let mut ops = world(history);
        let policy = ops.policies.get_mut("production").unwrap();
        policy.class = [Class::Production, Class::Staging, Class::Development, Class::Emulator][class];
        policy.prune.insert("StateTable", Mode::Observe);
        prop_assert!(ops.deletable().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_course_of_events_sends_one_request_twice_and_every_one_comes_to_an_end(
        course in prop::collection::vec((0u8..60, 0i64..1_500), 0..80),
    ) {
        let (mut known, mut now) = (EPISODE.clone(), at(BEGUN));
        let mut requests: Vec<Request> = Vec::new();
        let (mut sent, mut stopped) = (BTreeSet::new(), false);
        for (choice, millis) in course {
            now += SignedDuration::from_millis(millis);
            let event = event(choice, &known, &requests, now);
            stopped |= matches!(event, Event::Frozen(_) | Event::LeaseLost | Event::Stop);
            let (next, request) = step(&known, &event, now);
            if let Some(Request::Delete(delete)) = &request {
                prop_assert!(!stopped, "nothing leaves after a freeze");
                prop_assert!(sent.insert(delete.action), "one request for each intent");
                prop_assert!(sent.range(delete.action + 1..).next().is_none(), "in order");
                prop_assert!(delete.not_after >= now);
                let durable = |request: &Request| matches!(request, Request::Journal(Entry::Intent { action, .. }) if *action == delete.action);
                prop_assert!(requests.iter().any(durable), "its intent was written");
            }
            known = next;
            requests.extend(request);
        }
        for _ in 0..100 {
            now += SignedDuration::from_secs(30);
            for event in [Event::TimedOut, Event::Tick] {
                let (next, request) = step(&known, &event, now);
                prop_assert!(!matches!(request, Some(Request::Delete(_))), "nothing was read");
                known = next;
            }
        }
        prop_assert!(known.ending().is_some(), "{:?}", known.phase());
    }
}
