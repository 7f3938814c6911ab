//! Sentences about what is degraded only when it fails several times in a row.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fixture::{Stage, at, line};
use crate::core::desired::Declared;
use crate::core::drift::{State, Verdict};
use crate::core::identity::ScopeKey;
use crate::core::observation::Reason;
use crate::core::redact::Redactor;
use crate::core::snapshot::Snapshot;
use crate::kinds::dns_record::fixture::Stage as Setting;
use crate::kinds::http_probe::live::{Answer, Document, Observed, Silence, Spelling, live};
use crate::kinds::http_probe::{ENTRY, HttpProbe};
use crate::manifest::check::Checker;
use crate::manifest::parse::parse;
use crate::manifest::source::SourceFile;

const URL: &str = "https://example.com/";

/// What is to be seen of the probe: what it is, and what is said of it.
type Seen<'a> = (State, &'a str);

const FINE: Seen<'static> = (State::InSync, "");
const ONCE: Seen<'static> = (State::Converging, "failed 1 of 3 times in a row: HTTP 503, declared 200..299");
const TWICE: Seen<'static> = (State::Converging, "failed 2 of 3 times in a row: HTTP 503, declared 200..299");
const DEGRADED: Seen<'static> = (State::Drifted, "degraded HttpProbe door");
const HELD: Seen<'static> = (State::Unknown, "degraded HttpProbe door (held)");

/// A probe that a manifest declares with these terms.
fn declared(terms: &str) -> Declared {
    let text = format!("url: {URL}\n{terms}");
    let file = SourceFile { path: "a.yaml".to_owned(), text: text.as_str().into() };
    let node = parse(&file).unwrap().remove(0);
    let schema = (ENTRY.schema)();
    let checker = Checker::new(schema.as_value());
    let setting = Setting::new();
    let declaration = (ENTRY.declare)(&node, &checker, &setting.setting("door")).unwrap();
    setting.declared(&HttpProbe, "door", declaration)
}

/// A probe that is read every minute, and what is said of it.
struct Door {
    stage: Stage,
    scope: ScopeKey,
    minute: i64,
}

impl Door {
    fn new(terms: &str) -> Self {
        let (mut stage, declared) = (Stage::new(), declared(terms));
        let scope = declared.scope.clone();
        stage.declare(declared);
        Self { stage, scope, minute: 0 }
    }

    /// What is said after another reading that heard this.
    fn hears(&mut self, observed: &Observed) -> Arc<Snapshot> {
        self.minute += 1;
        let (redactor, visible) = (Redactor::new(&[7; 32]), BTreeSet::new());
        let spelling = Spelling { url: URL, redactor: &redactor, visible: &visible };
        let heard = live(observed, &BTreeSet::new(), spelling);
        self.stage.observe(self.scope.clone(), self.minute * 60, vec![heard]);
        self.judged_again(1)
    }

    fn fails(&mut self) -> Arc<Snapshot> {
        self.hears(&answer(503))
    }

    /// The same when nothing can be read.
    fn is_not_read(&mut self) -> Arc<Snapshot> {
        self.minute += 1;
        self.stage.fail(self.scope.clone(), Reason::Network);
        self.judged_again(1)
    }

    /// The same without another reading, so many seconds after the last one.
    fn judged_again(&mut self, seconds: i64) -> Arc<Snapshot> {
        self.stage.at(self.minute * 60 + seconds);
        self.stage.evaluate()
    }
}

fn answer(status: u16) -> Observed {
    let document = Document::NotAsked;
    Observed::Answer(Answer { status, location: None, latency_ms: 40, expires_at: None, document })
}

/// A name without an address: nobody can say from here whether it works.
fn silence() -> Observed {
    Observed::Nothing { class: Silence::Dns, said: "no address".to_owned() }
}

#[track_caller]
fn is(snapshot: &Snapshot, (state, said): Seen<'_>) {
    let states: Vec<State> = snapshot.counts.keys().map(|(_, _, state)| *state).collect();
    let mut told: Vec<String> = snapshot.findings.iter().map(|finding| line(finding)).collect();
    told.extend(snapshot.converging.iter().map(|converging| converging.message.to_string()));
    assert_eq!((states, told.join("; ").as_str()), (vec![state], said));
}

fn verdict(snapshot: &Snapshot) -> Verdict {
    snapshot.environments.first().unwrap().verdict
}

#[test]
fn two_failures_in_a_row_are_on_their_way_and_the_third_is_degraded() {
    let mut door = Door::new("");
    is(&door.hears(&answer(200)), FINE);
    is(&door.fails(), ONCE);
    let twice = door.fails();
    is(&twice, TWICE);
    assert_eq!(verdict(&twice), Verdict::InSync);
    let third = door.fails();
    is(&third, DEGRADED);
    let finding = third.findings.first().unwrap();
    assert_eq!((&*finding.message, finding.works, finding.decides), ("HTTP 503, declared 200..299", false, false));
    assert!(finding.since >= at(4 * 60), "found with the third failure, not with the first: {}", finding.since);
    assert_eq!(verdict(&third), Verdict::Partial, "only what decides the environment takes it down");
}

#[test]
fn what_decides_the_environment_takes_it_down_with_the_third_failure_and_not_before() {
    let mut door = Door::new("decides: environment");
    assert_eq!(verdict(&door.fails()), Verdict::InSync);
    assert_eq!(verdict(&door.fails()), Verdict::InSync);
    let third = door.fails();
    is(&third, DEGRADED);
    assert_eq!(verdict(&third), Verdict::Down);
    assert_eq!(verdict(&door.hears(&answer(200))), Verdict::InSync);
}

#[test]
fn a_good_answer_ends_it_and_counting_begins_anew() {
    let mut door = Door::new("");
    door.fails();
    is(&door.fails(), TWICE);
    is(&door.hears(&answer(200)), FINE);
    is(&door.fails(), ONCE);
    is(&door.fails(), TWICE);
    is(&door.fails(), DEGRADED);
    is(&door.hears(&answer(200)), FINE);
    is(&door.fails(), ONCE);
}

#[test]
fn it_is_degraded_for_as_long_as_it_fails() {
    let mut door = Door::new("");
    for _ in 0..3 {
        door.fails();
    }
    let since = door.judged_again(2).findings.first().unwrap().since;
    let fourth = door.fails();
    is(&fourth, DEGRADED);
    assert_eq!(fourth.findings.first().unwrap().since, since);
}

#[test]
fn one_reading_that_is_judged_several_times_fails_but_once() {
    let mut door = Door::new("");
    for seen in [ONCE, TWICE] {
        is(&door.fails(), seen);
        for second in 2..12 {
            is(&door.judged_again(second), seen);
        }
    }
    is(&door.fails(), DEGRADED);
}

#[test]
fn what_nobody_can_tell_neither_counts_nor_begins_anew() {
    let mut door = Door::new("");
    is(&door.fails(), ONCE);
    for _ in 0..3 {
        is(&door.hears(&silence()), (State::Unknown, ""));
        is(&door.is_not_read(), (State::Unknown, ""));
    }
    is(&door.fails(), TWICE);
    is(&door.hears(&silence()), (State::Unknown, ""));
    is(&door.is_not_read(), (State::Unknown, ""));
    is(&door.fails(), DEGRADED);
    is(&door.hears(&silence()), HELD);
    is(&door.is_not_read(), HELD);
    is(&door.fails(), DEGRADED);
}

#[test]
fn who_asks_but_once_is_told_at_once() {
    let mut door = Door::new("decides: environment");
    door.stage.patient = false;
    let once = door.fails();
    is(&once, DEGRADED);
    assert_eq!(verdict(&once), Verdict::Down);
}

#[test]
fn a_manifest_says_how_many_failures_it_takes() {
    let mut door = Door::new("failures: 1");
    is(&door.fails(), DEGRADED);
    let mut door = Door::new("failures: 2");
    let message = "failed 1 of 2 times in a row: HTTP 503, declared 200..299";
    is(&door.fails(), (State::Converging, message));
    is(&door.fails(), DEGRADED);
}
