//! The record from reading to reading, over restarts, and when it is full.

#![allow(clippy::unwrap_used)]

use std::fs::File;

use serde_json::{Value as Json, json};

use super::past::{ChangeQuery, changes, facts_at, pending, reach, things};
use super::*;
use crate::core::ignore::Glob;
use crate::core::record::{Attributed, FactsAt, ThingName};
use crate::core::value::{Fields, Secret, Value};
use crate::store::schema;
use crate::store::scratch::Scratch;

const ZONE: &str = "hosted_zone/111122223333/global/example.com";
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn zone() -> ScopeKey {
    ScopeKey::parse(ZONE).unwrap()
}

fn name(key: &str) -> ThingName {
    ThingName { scope: zone(), kind: "DnsRecord".into(), key: key.into() }
}

fn record(key: &str, ttl: i64) -> Live {
    let mut fields = Fields::default();
    fields.set("ttl", ttl);
    Live {
        key: ObjectKey::new("DnsRecord", key),
        id: format!("example.com/{key}").into(),
        incarnation: None,
        fields,
        addresses: Box::default(),
        references: Box::default(),
    }
}

/// A state file and what is in memory of it.
struct Book {
    recorder: Recorder,
    connection: Connection,
    _lock: File,
    scratch: Scratch,
}

impl Book {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let (connection, lock) = schema::open(&scratch.file("moored.db")).unwrap();
        Self { recorder: Recorder::load(&connection, 0).unwrap(), connection, _lock: lock, scratch }
    }

    fn restart(self) -> Self {
        let Self { connection, _lock, scratch, .. } = self;
        drop((connection, _lock));
        let (connection, lock) = schema::open(&scratch.file("moored.db")).unwrap();
        Self { recorder: Recorder::load(&connection, 0).unwrap(), connection, _lock: lock, scratch }
    }

    /// A reading that begins at this second and takes one.
    fn read(&mut self, second: i64, listed: bool, objects: &[Live], gone: &[&str]) -> Vec<Change> {
        let scope = zone();
        let objects: BTreeMap<ObjectKey, Arc<Live>> =
            objects.iter().map(|live| (live.key.clone(), Arc::new(live.clone()))).collect();
        let gone = gone.iter().map(|key| ObjectKey::new("DnsRecord", key)).collect();
        let seen =
            Seen { scope: &scope, started: at(second), finished: at(second + 1), listed, objects: &objects, gone };
        self.recorder.record(&mut self.connection, &seen).unwrap()
    }

    fn all(&self) -> Vec<Change> {
        changes(&self.connection, &ChangeQuery { limit: 10_000, ..ChangeQuery::default() }).unwrap()
    }

    fn then(&self, key: &str, second: i64) -> FactsAt {
        facts_at(&self.connection, &name(key), at(second)).unwrap()
    }
}

/// What happened, between which seconds, spelled short.
fn told(changes: &[Change]) -> Vec<String> {
    let second = |at: Timestamp| at.as_second() - 1_700_000_000;
    let one = |change: &Change| {
        let fields: String = change.fields.iter().map(|f| format!(" {} {}>{}", f.path, f.before, f.after)).collect();
        let after = change.after.map_or("?".to_owned(), |after| second(after).to_string());
        format!("{after}-{} {} {}{fields}", second(change.at), change.what, change.key)
    };
    changes.iter().map(one).collect()
}

#[test]
fn a_first_reading_is_the_baseline_and_the_next_ones_are_compared_with_it() {
    let mut book = Book::new("record-baseline");
    assert_eq!(book.read(0, true, &[record("a", 60), record("b", 60)], &[]), []);
    let found = book.read(10, true, &[record("a", 30), record("c", 60)], &["b"]);
    assert_eq!(told(&found), ["0-11 changed a ttl 60>30", "0-11 appeared c", "0-11 gone b"]);
    assert_eq!(book.all(), found);
    assert_eq!(book.recorder.recorded(&zone()).len(), 2);
    assert_eq!(pending(&book.connection, 2).unwrap(), found[..2]);
}

#[test]
fn what_nobody_looked_for_before_is_no_appearance() {
    let mut book = Book::new("record-unlisted");
    book.read(0, false, &[record("a", 60)], &[]);
    assert_eq!(book.read(10, false, &[record("a", 60), record("b", 60)], &[]), [], "nobody asked for b before");
    book.read(20, true, &[record("a", 60), record("b", 60)], &[]);
    let found = book.read(30, false, &[record("a", 60), record("c", 60)], &[]);
    assert_eq!(told(&found), ["20-31 appeared c"], "the list at 20 lacked it");
}

#[test]
fn a_thing_that_a_reading_lacks_is_untouched_until_it_is_proven_gone() {
    let mut book = Book::new("record-lacks");
    book.read(0, true, &[record("a", 60)], &[]);
    assert_eq!(book.read(10, true, &[], &[]), []);
    assert_eq!(book.read(20, true, &[], &[]), []);
    assert_eq!(book.recorder.recorded(&zone()).len(), 1, "it is asked for by name");
    let mut book = book.restart();
    assert_eq!(told(&book.read(300, true, &[], &["a"])), ["0-301 gone a"], "it was seen last at 0");
    assert_eq!(book.read(310, true, &[], &["a"]), [], "once");
    let mut book = book.restart();
    assert_eq!(told(&book.read(600, true, &[record("a", 30)], &[])), ["300-601 appeared a ttl 60>30"]);
}

#[test]
fn what_changed_while_moored_was_down_is_found() {
    let mut book = Book::new("record-down");
    book.read(0, true, &[record("a", 60)], &[]);
    book.read(30, true, &[record("a", 60)], &[]);
    book.read(70, true, &[record("a", 60)], &[]);
    let mut book = book.restart();
    let found = book.read(5000, true, &[record("a", 30), record("b", 1)], &[]);
    assert_eq!(told(&found), ["70-5001 changed a ttl 60>30", "70-5001 appeared b"]);
}

#[test]
fn a_reading_without_news_writes_nothing_but_the_time_once_a_minute() {
    let mut book = Book::new("record-quiet");
    let things: Vec<Live> = (0..50).map(|number| record(&format!("r{number}"), 60)).collect();
    book.read(0, true, &things, &[]);
    let before = book.connection.total_changes();
    (1..12).for_each(|turn| assert_eq!(book.read(turn * 5, true, &things, &[]), []));
    assert_eq!(book.connection.total_changes(), before);
    book.read(60, true, &things, &[]);
    assert_eq!(book.connection.total_changes(), before + 1);
    assert_eq!(reach(&book.connection).unwrap()[0].read_at, at(60));
}

#[test]
fn what_was_is_put_together_from_what_is() {
    let mut book = Book::new("record-then");
    book.read(0, true, &[record("a", 60)], &[]);
    book.read(100, true, &[record("a", 30)], &[]);
    book.read(200, true, &[], &["a"]);
    book.read(300, true, &[record("a", 10)], &[]);
    book.read(400, true, &[record("a", 5), record("b", 1)], &[]);
    let ttl = |second| match book.then("a", second) {
        FactsAt::Present { facts, .. } => facts["ttl"].clone(),
        other => json!(serde_json::to_value(other).unwrap()["stands"]),
    };
    let seconds = [0, 50, 101, 150, 201, 250, 301, 350, 401, 5000];
    let expected = [json!("notRecorded"), json!(60), json!(30), json!(30), json!("absent"), json!("absent")];
    let expected: Vec<Json> = expected.into_iter().chain([json!(10), json!(10), json!(5), json!(5)]).collect();
    assert_eq!(seconds.map(ttl).to_vec(), expected);
    let FactsAt::Present { object, since, until, .. } = book.then("a", 150) else { panic!("it was there") };
    assert_eq!((&*object, since, until), ("example.com/a", at(101), at(101)), "one reading showed it");
    assert_eq!(book.then("a", 250), FactsAt::Absent { since: Some(at(201)) });
    assert_eq!(book.then("b", 350), FactsAt::Absent { since: None }, "the list lacked it");
    assert_eq!(book.then("c", 350), FactsAt::NotRecorded { begins: None });
}

#[test]
fn a_change_names_the_identity_that_the_thing_had_then() {
    let mut book = Book::new("record-identity");
    book.read(0, true, &[record("a", 60)], &[]);
    book.read(10, true, &[record("a", 30)], &[]);
    book.read(20, true, &[Live { id: "another".into(), ..record("a", 30) }], &[]);
    let objects: Vec<String> = book.all().iter().map(|change| change.object.to_string()).collect();
    assert_eq!(objects, ["example.com/a", "another"]);
}

#[test]
fn a_thing_that_flaps_has_so_many_changes_an_hour_and_no_more() {
    let mut book = Book::new("record-flaps");
    book.read(0, true, &[record("a", 0), record("b", 0)], &[]);
    for turn in 1..=300 {
        book.read(turn * 10, true, &[record("a", turn), record("b", 0)], &[]);
    }
    let all = book.all();
    assert_eq!(all.len() as i64, rows::PER_HOUR);
    let last = all.last().unwrap();
    assert_eq!(told(std::slice::from_ref(last)), ["590-3001 changed a ttl 59>300"], "it stands for all that followed");
    assert!(matches!(last.attributed, Attributed::NotVisible(_)));
    assert_eq!(book.recorder.changes as i64, rows::PER_HOUR);
    book.read(3005, true, &[record("a", 300), record("b", 1)], &[]);
    assert_eq!(book.all().len() as i64, rows::PER_HOUR + 1, "others are heard");
    book.read(2 * HOUR, true, &[record("a", 1), record("b", 1)], &[]);
    assert_eq!(book.all().len() as i64, rows::PER_HOUR + 2, "and itself in the next hour");

    let mut book = Book::new("record-comes-and-goes");
    book.read(0, true, &[record("a", 0)], &[]);
    for turn in 1..=100 {
        book.read(turn * 20, true, &[], &["a"]);
        book.read(turn * 20 + 10, true, &[record("a", 0)], &[]);
    }
    assert!(book.all().len() as i64 <= rows::PER_HOUR);
    assert_eq!(book.recorder.changes as usize, book.all().len());
    assert!(matches!(book.then("a", 5000), FactsAt::Present { .. }));
}

#[test]
fn another_redaction_key_changes_nothing() {
    let secret = |hash| {
        let mut live = record("a", 60);
        live.fields.set("token", Value::Secret(Secret { hash, shown: None }));
        live
    };
    let mut book = Book::new("record-key");
    book.read(0, true, &[secret(7)], &[]);
    book.recorder.rekey(1);
    assert_eq!(book.read(10, true, &[secret(8)], &[]), []);
    let found = book.read(20, true, &[secret(9)], &[]);
    assert_eq!(told(&found), ["10-21 changed a token \"(secret)\">\"(secret)\""]);
}

#[test]
fn questions_are_narrowed_by_time_kind_name_and_scope() {
    let mut book = Book::new("record-questions");
    book.read(0, true, &[record("a.example.com|A|", 1), record("b.example.com|A|", 1)], &[]);
    book.read(100, true, &[record("a.example.com|A|", 2), record("b.example.com|A|", 1)], &[]);
    book.read(200, true, &[record("a.example.com|A|", 2), record("b.example.com|A|", 2)], &[]);
    let query = ChangeQuery { limit: 10, ..ChangeQuery::default() };
    let count = |query: ChangeQuery| changes(&book.connection, &query).unwrap().len();
    let names = |glob: &str| ChangeQuery { names: vec![Glob::new(glob)], ..query.clone() };
    assert_eq!(count(query.clone()), 2);
    assert_eq!(count(ChangeQuery { since: Some(at(102)), ..query.clone() }), 1);
    assert_eq!(count(ChangeQuery { until: Some(at(50)), ..query.clone() }), 1, "it may have happened by then");
    assert_eq!((count(names("a.example.com")), count(names("*.example.com")), count(names("example"))), (1, 2, 0));
    assert_eq!(count(ChangeQuery { also: [name("b.example.com|A|")].into(), ..names("a.*") }), 2);
    assert_eq!(count(ChangeQuery { only: Some([name("b.example.com|A|")].into()), ..query.clone() }), 1);
    assert_eq!(count(ChangeQuery { kinds: vec!["EcsService".to_owned()], ..query.clone() }), 0);
    assert_eq!(count(ChangeQuery { scopes: Some(BTreeSet::new()), ..query.clone() }), 0);
    let last = changes(&book.connection, &ChangeQuery { limit: 1, ..query.clone() }).unwrap();
    assert_eq!(told(&last), ["100-201 changed b.example.com|A| ttl 1>2"], "the newest are kept");
    let found = things(&book.connection, &names("b*")).unwrap();
    assert_eq!(found.iter().map(|thing| &*thing.name.key).collect::<Vec<_>>(), ["b.example.com|A|"]);
}

#[test]
fn the_past_is_kept_for_ninety_days_and_removed_a_little_at_a_time() {
    let mut book = Book::new("record-prune");
    let world = |ttl: i64| (0..1500).map(|number| record(&format!("r{number}"), ttl)).collect::<Vec<_>>();
    book.read(0, true, &world(0), &[]);
    book.read(HOUR, true, &world(1), &[]);
    let gone: Vec<Live> = world(2).into_iter().skip(1).collect();
    book.read(2 * HOUR, true, &gone, &["r0"]);
    assert_eq!(book.recorder.changes, 3000);
    for day in (5..=90).step_by(5) {
        book.read(day * DAY, true, &gone, &[]);
    }
    assert_eq!(book.recorder.changes, 3000);
    book.read(90 * DAY + 3 * HOUR, true, &gone, &[]);
    assert!((900..=1000).contains(&book.recorder.changes), "2,000 rows at a time: {}", book.recorder.changes);
    book.read(90 * DAY + 3 * HOUR + 60, true, &gone, &[]);
    assert_eq!((book.recorder.changes, book.all().len()), (0, 0));
    assert_eq!(things(&book.connection, &ChangeQuery { limit: 9999, ..ChangeQuery::default() }).unwrap().len(), 1499);
    assert_eq!(reach(&book.connection).unwrap()[0].begins, at(2 * HOUR + 1));
    assert!(matches!(book.then("r1", HOUR), FactsAt::NotRecorded { begins: Some(_) }));
    assert!(matches!(book.then("r1", 3 * HOUR), FactsAt::Present { .. }));
}

#[test]
fn a_jump_of_the_clock_costs_nothing_of_the_past() {
    let mut book = Book::new("record-jump");
    book.read(0, true, &[record("a", 60)], &[]);
    book.read(10, true, &[record("a", 30)], &[]);
    book.read(400 * DAY, true, &[record("a", 30)], &[]);
    book.read(400 * DAY + 120, true, &[record("a", 30)], &[]);
    let found = book.read(20, true, &[record("a", 20)], &[]);
    assert_eq!(found[0].after, None, "what is dated in the future came not before this");
    assert_eq!(book.all().len(), 2);
}

#[test]
fn a_reading_that_cannot_be_written_is_found_again_by_the_next() {
    let mut book = Book::new("record-error");
    book.read(0, true, &[record("a", 60)], &[]);
    book.connection.execute_batch("ALTER TABLE recorded_change RENAME TO away").unwrap();
    let scope = zone();
    let live = record("a", 30);
    let objects = BTreeMap::from([(live.key.clone(), Arc::new(live))]);
    let seen = |second| Seen {
        scope: &scope,
        started: at(second),
        finished: at(second + 1),
        listed: true,
        objects: &objects,
        gone: Vec::new(),
    };
    assert!(book.recorder.record(&mut book.connection, &seen(10)).is_err());
    book.connection.execute_batch("ALTER TABLE away RENAME TO recorded_change").unwrap();
    let found = book.recorder.record(&mut book.connection, &seen(20)).unwrap();
    assert_eq!(told(&found), ["0-21 changed a ttl 60>30"]);
}
