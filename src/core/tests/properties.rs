//! Properties over random histories: information that is lost never adds a loss.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::fixture::*;
use crate::core::drift::Drift;
use crate::core::identity::ScopeKey;
use crate::core::observation::{Live, Reason};

/// What happens to one scope in one pass.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Full,
    Failed,
    /// Nothing new arrives.
    Silent,
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![3 => Just(Answer::Full), 1 => Just(Answer::Failed), 1 => Just(Answer::Silent)]
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn platform() -> Stage {
    let mut stage = Stage::new();
    for name in NAMES {
        stage.declare(service(name));
    }
    stage.declare_table(crate::core::desired::WhenParentGone::Prune);
    stage
}

/// One pass: which services are alive, and how each scope answers.
type Pass = ([bool; 3], [Answer; 5]);

fn passes() -> impl Strategy<Value = Vec<Pass>> {
    let alive = prop::array::uniform3(prop::bool::weighted(0.7));
    prop::collection::vec((alive, [answer(), answer(), answer(), answer(), answer()]), 1..8)
}

fn play(stage: &mut Stage, at_pass: usize, (alive, answers): &Pass, reverse: bool) {
    let second = 60 * at_pass as i64;
    let all = |make: fn(&str) -> Live| {
        let mut things: Vec<Live> = NAMES.iter().map(|name| make(name)).collect();
        if reverse {
            things.reverse();
        }
        things
    };
    let leftovers: [(ScopeKey, Vec<Live>); 4] = [
        (table(), all(item)),
        (zone(), all(|name| record(name, &format!("lb-{name}")))),
        (checks(), all(check)),
        (balancers(), all(balancer)),
    ];
    for ((scope, things), answer) in leftovers.into_iter().zip(answers) {
        match answer {
            Answer::Full => stage.observe(scope, second, things),
            Answer::Failed => stage.fail(scope, Reason::Timeout),
            Answer::Silent => {}
        }
    }
    match answers[4] {
        Answer::Full => {
            let living =
                NAMES.iter().zip(alive).filter(|(_, alive)| **alive).map(|(name, _)| running(name, "c1")).collect();
            let dead: Vec<(&str, &str)> =
                NAMES.iter().zip(alive).filter(|(_, alive)| !**alive).map(|(name, _)| (*name, "c1")).collect();
            stage.services(second + 5, living, &dead);
        }
        Answer::Failed => stage.fail(cluster(), Reason::Throttled),
        Answer::Silent => {}
    }
    stage.at(second + 10);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_loss_is_only_ever_found_of_what_was_really_lost(history in passes()) {
        let mut stage = platform();
        let mut dead_once = BTreeSet::new();
        for (at_pass, pass) in history.iter().enumerate() {
            dead_once.extend(NAMES.iter().zip(&pass.0).filter(|(_, alive)| !**alive).map(|(name, _)| *name));
            play(&mut stage, at_pass, pass, false);
            for finding in &stage.evaluate().findings {
                if matches!(finding.key.drift, Drift::Missing | Drift::Orphaned) {
                    prop_assert!(dead_once.contains(&*finding.root.name), "{}", line(finding));
                }
            }
        }
    }

    #[test]
    fn dropping_any_answer_never_adds_a_loss(history in passes(), pass in 0usize..8, scope in 0usize..5) {
        let losses = |history: &[Pass]| {
            let mut stage = platform();
            let mut seen = BTreeSet::new();
            for (at_pass, pass) in history.iter().enumerate() {
                play(&mut stage, at_pass, pass, false);
                let snapshot = stage.evaluate();
                seen.extend(snapshot.findings.iter().filter(|finding| matches!(finding.key.drift, Drift::Missing | Drift::Vanished | Drift::Orphaned)).map(|finding| finding.key.clone()));
            }
            seen
        };
        let whole = losses(&history);
        let mut poorer = history.clone();
        let at_pass = pass % poorer.len();
        poorer[at_pass].1[scope] = Answer::Failed;
        let poor = losses(&poorer);
        prop_assert!(poor.is_subset(&whole), "{:?}", poor.difference(&whole).collect::<Vec<_>>());
    }

    #[test]
    fn a_finding_never_ends_while_its_scope_is_not_read(history in passes()) {
        let mut stage = platform();
        let mut open: BTreeSet<_> = BTreeSet::new();
        for (at_pass, pass) in history.iter().enumerate() {
            play(&mut stage, at_pass, pass, false);
            let snapshot = stage.evaluate();
            let now: BTreeSet<_> = snapshot.findings.iter().map(|finding| (finding.key.clone(), finding.scope.clone())).collect();
            for (key, scope) in open.difference(&now) {
                // What ended was read, or its parent was.
                let read = |scope: &ScopeKey| stage.observations.get(scope).is_some_and(|known| known.failure.is_none());
                prop_assert!(read(scope) && read(&cluster()), "{key:?} ended unread");
            }
            open = now;
        }
    }

    #[test]
    fn the_order_of_the_input_is_irrelevant(history in passes()) {
        let run = |reverse: bool| {
            let mut stage = platform();
            if reverse {
                stage.desired.resources.reverse();
            }
            history.iter().enumerate().map(|(at_pass, pass)| {
                play(&mut stage, at_pass, pass, reverse);
                (*stage.evaluate()).clone()
            }).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(false), run(true));
    }
}
