//! What a probe's answer, or its silence, is held to be.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::live::{Answer, Document, Observed, Spelling, live};
use super::*;
use crate::core::memory::Memory;
use crate::core::redact::Redactor;
use crate::kinds::dns_record::fixture::Stage;
use crate::manifest::check::Checker;
use crate::manifest::parse::parse;
use crate::manifest::source::SourceFile;

const URL: &str = "https://example.com/";
const NOW: &str = "2026-03-01T00:00:00Z";

/// A probe of example.com with these terms.
fn declared(terms: &str) -> Declared {
    let text = format!("url: https://example.com\n{terms}");
    let file = SourceFile { path: "a.yaml".to_owned(), text: text.as_str().into() };
    let node = parse(&file).unwrap().remove(0);
    let checker = Checker::new(schema().as_value());
    let stage = Stage::new();
    let declaration = (ENTRY.declare)(&node, &checker, &stage.setting("door")).unwrap();
    stage.declared(&HttpProbe, "door", declaration)
}

fn answer(document: Document) -> Answer {
    Answer { status: 200, location: None, latency_ms: 40, expires_at: None, document }
}

fn said(document: Json) -> Observed {
    Observed::Answer(answer(Document::Json(document)))
}

/// What is said of a probe that was asked for what it compares, and heard this.
fn judged(declared: &Declared, observed: &Observed) -> Vec<Judgement> {
    judged_by(declared, observed, &pointers(declared).into_iter().collect())
}

fn judged_by(declared: &Declared, observed: &Observed, asked: &BTreeSet<Arc<str>>) -> Vec<Judgement> {
    let (redactor, visible) = (Redactor::new(&[7; 32]), BTreeSet::new());
    let live = live(observed, asked, Spelling { url: URL, redactor: &redactor, visible: &visible });
    let (observations, memory) = (BTreeMap::new(), Memory::default());
    HttpProbe.judge(declared, &live, &World { observations: &observations, memory: &memory, now: NOW.parse().unwrap() })
}

/// The one message of a failure; none of an answer that is as declared.
#[track_caller]
fn complaint(declared: &Declared, observed: &Observed) -> Option<String> {
    match judged(declared, observed).as_slice() {
        [] => None,
        [Judgement::Failing { message, .. }] => Some(message.clone()),
        other => unreachable!("{other:?}"),
    }
}

fn failing(message: &str) -> Option<String> {
    Some(message.to_owned())
}

fn nothing(class: Silence) -> Observed {
    Observed::Nothing { class, said: "no answer".to_owned() }
}

#[test]
fn any_success_will_do_unless_a_status_is_declared() {
    let with = |status| Observed::Answer(Answer { status, ..answer(Document::NotAsked) });
    let bare = declared("");
    assert_eq!(complaint(&bare, &with(204)), None);
    assert_eq!(complaint(&bare, &with(503)), failing("HTTP 503, declared 200..299"));
    let several = declared("status: [200, 404]");
    assert_eq!(complaint(&several, &with(404)), None);
    assert_eq!(complaint(&several, &with(204)), failing("HTTP 204, declared [200,404]"));
    let login = Answer { status: 302, location: Some("login.example.com".into()), ..answer(Document::NotAsked) };
    let one = declared("status: 200");
    assert_eq!(complaint(&one, &Observed::Answer(login)), failing("HTTP 302 to login.example.com, declared 200"));
}

#[test]
fn an_answer_after_the_timeout_is_none_and_one_after_the_latency_is_slow() {
    let after = |latency_ms| Observed::Answer(Answer { latency_ms, ..answer(Document::NotAsked) });
    let probe = declared("maxLatency: 800ms\ntimeout: 5s");
    assert_eq!(complaint(&probe, &after(800)), None);
    assert_eq!(complaint(&probe, &after(801)), failing("it took 801 ms, at most 800 ms is declared"));
    assert_eq!(complaint(&probe, &after(6000)), failing("no answer within 5 s, only after 6 s"));
}

#[test]
fn a_certificate_must_be_good_for_so_long_yet() {
    let until = |text: &str| {
        Observed::Answer(Answer { expires_at: Some(Ok(text.parse().unwrap())), ..answer(Document::NotAsked) })
    };
    let probe = declared("tlsExpiresIn: 14d");
    assert_eq!(complaint(&probe, &until("2026-03-15T00:00:00Z")), None);
    let soon = "its certificate expires in 13 days (2026-03-14T23:59:59Z), declared is 14 days";
    assert_eq!(complaint(&probe, &until("2026-03-14T23:59:59Z")), failing(soon));
    let unseen = Answer { expires_at: Some(Err(Fact::Unchecked("simulated".into()))), ..answer(Document::NotAsked) };
    assert_eq!(judged(&probe, &Observed::Answer(unseen)), [Judgement::Unchecked("simulated".into())]);
    assert!(matches!(
        judged(&probe, &Observed::Answer(answer(Document::NotAsked))).as_slice(),
        [Judgement::Unknown(failure)] if failure.reason == Reason::Malformed
    ));
}

#[test]
fn no_answer_at_all_is_unknown_unless_the_other_side_is_to_blame() {
    let (bare, strict) = (declared(""), declared("noAnswer: failure\nfailures: 5\ndecides: environment"));
    for class in [Silence::Dns, Silence::Unreachable] {
        let judgements = judged(&bare, &nothing(class));
        let [Judgement::Unknown(failure)] = judgements.as_slice() else { unreachable!("{judgements:?}") };
        assert_eq!(failure.reason, Reason::Network);
        assert!(failure.detail.starts_with("no answer: nobody can say from here whether it works"), "{failure}");
        let failing = Judgement::Failing { message: "no answer".to_owned(), times: 5, decides: true };
        assert_eq!(judged(&strict, &nothing(class)), [failing]);
    }
    for class in [Silence::Refused, Silence::Tls, Silence::Timeout, Silence::Broken] {
        let failing = Judgement::Failing { message: "no answer".to_owned(), times: 3, decides: false };
        assert_eq!(judged(&bare, &nothing(class)), [failing], "{class:?}");
    }
    for probe in [bare, strict] {
        let refused = judged(&probe, &nothing(Silence::RefusedAddress));
        assert_eq!(refused, [Judgement::Unknown(Failure::new(Reason::Invalid, "no answer"))]);
    }
}

#[test]
fn production_without_a_destroy_job_is_as_declared() {
    let probe = declared("json:\n- {path: /jobs/destroy, absent: true}\n- {path: /jobs/deploy, present: true}");
    assert_eq!(complaint(&probe, &said(json!({"jobs": {"deploy": {"paused": false}}}))), None);
    assert_eq!(
        complaint(&probe, &said(json!({"jobs": {"destroy": {}}}))),
        failing("/jobs/destroy is there, declared absent; /jobs/deploy is not there")
    );
}

#[test]
fn a_login_page_proves_the_absence_of_nothing() {
    let probe = declared("json: [{path: /jobs/destroy, absent: true}]");
    let page = Observed::Answer(answer(Document::Other));
    assert_eq!(complaint(&probe, &page), failing("its answer is no JSON, so nothing in it can be as declared"));
    for unread in [Document::TooLong, Document::NotAsked] {
        let judgements = judged(&probe, &Observed::Answer(answer(unread)));
        assert!(matches!(judgements.as_slice(), [Judgement::Unknown(_)]), "{judgements:?}");
    }
    let judgements = judged_by(&probe, &said(json!({})), &BTreeSet::from(["/jobs/deploy".into()]));
    assert!(matches!(judgements.as_slice(), [Judgement::Unknown(_)]), "{judgements:?}");
}

#[test]
fn what_is_written_is_meant_whatever_type_json_gives_it() {
    let probe =
        declared("json: [{path: /count, equals: 3}, {path: /on, equals: true}, {path: /version, equals: 1.10}]");
    assert_eq!(complaint(&probe, &said(json!({"count": 3, "on": true, "version": "1.10"}))), None);
    assert_eq!(complaint(&probe, &said(json!({"count": "3", "on": "true", "version": "1.10"}))), None);
    assert_eq!(
        complaint(&probe, &said(json!({"count": 4, "on": false, "version": [1, 10]}))),
        failing("/count is 4, declared 3; /on is false, declared true; /version is a list or map, declared 1.10")
    );
}

#[test]
fn two_fields_that_are_not_there_are_not_the_same() {
    let probe = declared("json: [{path: /wanted/version, equalsField: /running/version}]");
    let with =
        |wanted: Json, running: Json| said(json!({"wanted": {"version": wanted}, "running": {"version": running}}));
    assert_eq!(complaint(&probe, &with(json!("7"), json!("7"))), None);
    assert_eq!(
        complaint(&probe, &with(json!("7"), json!("6"))),
        failing("/wanted/version is 7, /running/version is 6, declared the same")
    );
    let none = "/wanted/version is no single value to compare with /running/version";
    assert_eq!(complaint(&probe, &said(json!({}))), failing(none));
    assert_eq!(complaint(&probe, &with(json!({"a": 1}), json!({"b": 2}))), failing(none));
}

#[test]
fn a_secret_is_compared_and_never_shown() {
    let probe = declared("json: [{path: /token, equals: hunter2}, {path: /secret/a, equalsField: /secret/b}]");
    let with = |token: &str, two: &str| said(json!({"token": token, "secret": {"a": "one", "b": two}}));
    assert_eq!(complaint(&probe, &with("hunter2", "one")), None);
    let complaint = complaint(&probe, &with("hunter3", "two")).unwrap();
    assert!(complaint.contains("/token is another than declared"), "{complaint}");
    assert!(!["hunter", "one", "two"].iter().any(|secret| complaint.contains(secret)), "{complaint}");
}

#[test]
fn only_a_probe_asks_for_pointers() {
    let probe = declared("json: [{path: /a, present: true}, {path: /b, equalsField: /c}]");
    assert_eq!(pointers(&probe), ["/a", "/b", "/c"].map(Arc::<str>::from));
    let other = Declared { kind: &crate::kinds::target_group::TargetGroup, ..probe };
    assert_eq!(pointers(&other), Vec::<Arc<str>>::new());
}
