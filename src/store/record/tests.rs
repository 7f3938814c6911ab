//! The record from reading to reading, over restarts, and when it is full.

#![allow(clippy::unwrap_used)]

use std::fs::File;

use serde_json::{Value as Json, json};

use super::past::{ChangeQuery, attribute, changes, facts_at, pending, reach, things};
use super::*;
use crate::core::ignore::Glob;
use crate::core::record::{Attributed, Attribution, FactsAt, ThingName};
use crate::core::value::{Fields, Value};
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

    /// What is not there where nothing is.
    fn lacking(&self) -> Vec<String> {
        self.recorder.lacking(&zone(), &BTreeMap::new()).iter().map(|key| key.key.to_string()).collect()
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
    assert_eq!(book.lacking(), ["a", "c"], "what is gone is not asked for");
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
    assert_eq!(book.lacking(), ["a"], "it is asked for by name");
    assert_eq!(reach(&book.connection).unwrap()[0].unseen, 1);
    let mut book = book.restart();
    assert_eq!(told(&book.read(300, true, &[], &["a"])), ["0-301 gone a"], "it was seen last at 0");
    assert_eq!(book.read(310, true, &[], &["a"]), [], "once");
    assert_eq!(reach(&book.connection).unwrap()[0].unseen, 0);
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
    let expected = [json!("notRecorded"), json!(60), json!(30), json!(30), json!("notRecorded"), json!("notRecorded")];
    let expected: Vec<Json> = expected.into_iter().chain([json!(10), json!(10), json!(5), json!(5)]).collect();
    assert_eq!(seconds.map(ttl).to_vec(), expected);
    let FactsAt::Present { object, since, until, .. } = book.then("a", 150) else { panic!("it was there") };
    assert_eq!((&*object, since, until), ("example.com/a", at(101), at(101)), "one reading showed it");
    assert_eq!(book.then("a", 250), FactsAt::NotRecorded { begins: Some(at(301)) }, "nobody looked until 300");
    assert_eq!(book.then("b", 350), FactsAt::NotRecorded { begins: Some(at(401)) });
    assert_eq!(book.then("b", 300), FactsAt::Absent { since: None }, "the list lacked it");
    assert_eq!(book.then("c", 350), FactsAt::NotRecorded { begins: None });
}

#[test]
fn what_is_gone_stays_absent_as_long_as_readings_say_so() {
    let mut book = Book::new("record-absent");
    book.read(0, true, &[record("a", 60)], &[]);
    book.read(100, true, &[], &["a"]);
    book.read(200, true, &[], &["a"]);
    book.read(300, true, &[record("a", 10)], &[]);
    assert_eq!(book.then("a", 150), FactsAt::Absent { since: Some(at(101)) });
    assert_eq!(book.then("a", 250), FactsAt::NotRecorded { begins: Some(at(301)) });
}

#[test]
fn a_detail_that_was_first_asked_for_later_is_not_told_of_the_time_before() {
    let with = |ttl: i64, team: Option<&str>| {
        let mut live = record("a", ttl);
        match team {
            Some(team) => live.fields.set("tags.team", team),
            None => live.fields.put("tags", crate::kinds::detail::not_asked()),
        }
        live
    };
    let mut book = Book::new("record-first-asked");
    book.read(0, true, &[with(60, None)], &[]);
    book.read(100, true, &[with(60, Some("web"))], &[]);
    book.read(200, true, &[with(60, Some("data"))], &[]);
    book.read(300, true, &[], &["a"]);
    book.read(400, true, &[with(60, None)], &[]);
    let team = |second| match book.then("a", second) {
        FactsAt::Present { facts, .. } => (facts.get("ttl").cloned(), facts.get("tags.team").cloned()),
        other => panic!("{other:?}"),
    };
    for (second, expected) in [(50, None), (150, Some(json!("web"))), (250, Some(json!("data"))), (500, None)] {
        assert_eq!(team(second), (Some(json!(60)), expected), "{second}");
    }
}

#[test]
fn what_a_very_large_change_does_not_keep_is_not_made_up() {
    let wide = |ttl: i64, value: i64| {
        let mut live = record("a", ttl);
        (0..300).for_each(|number| live.fields.set(format!("f{number:03}"), value));
        live
    };
    let mut book = Book::new("record-wide");
    book.read(0, true, &[wide(1, 1)], &[]);
    let found = book.read(100, true, &[wide(1, 2)], &[]);
    assert_eq!(found[0].fields.len(), crate::core::record::MOST_FIELDS + 1);
    book.read(200, true, &[wide(2, 2)], &[]);
    assert_eq!(book.then("a", 50), FactsAt::NotRecorded { begins: Some(at(101)) });
    assert!(matches!(book.then("a", 150), FactsAt::Present { facts, .. } if facts["ttl"] == 1 && facts["f299"] == 2));
}

#[test]
fn a_large_reading_is_written_in_parts_and_the_next_one_finds_what_failed() {
    let world = |ttl: i64| -> BTreeMap<ObjectKey, Arc<Live>> {
        let keys = (0..AT_ONCE).map(|number| format!("r{number:05}")).chain(["z".to_owned()]);
        keys.map(|key| record(&key, ttl)).map(|live| (live.key.clone(), Arc::new(live))).collect()
    };
    let scope = zone();
    let read = |book: &mut Book, second: i64, objects: &BTreeMap<ObjectKey, Arc<Live>>| {
        let (started, finished) = (at(second), at(second + 1));
        let seen = Seen { scope: &scope, started, finished, listed: true, objects, gone: Vec::new() };
        book.recorder.record(&mut book.connection, &seen)
    };
    let full = |event: &str| {
        format!(
            "CREATE TRIGGER no_room BEFORE {event} ON recorded_thing WHEN NEW.key = 'z' BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    };
    let mut book = Book::new("record-parts");
    book.connection.execute_batch(&full("INSERT")).unwrap();
    assert!(read(&mut book, 0, &world(60)).is_err());
    assert_eq!(book.lacking().len(), AT_ONCE, "the first part is written");
    let mut book = book.restart();
    book.connection.execute_batch("DROP TRIGGER no_room").unwrap();
    assert_eq!(read(&mut book, 100, &world(60)).unwrap(), [], "the rest of the baseline is no appearance");
    assert_eq!(book.lacking().len(), AT_ONCE + 1);

    book.connection.execute_batch(&full("UPDATE")).unwrap();
    assert!(read(&mut book, 200, &world(30)).is_err());
    let mut book = book.restart();
    book.connection.execute_batch("DROP TRIGGER no_room").unwrap();
    let found = read(&mut book, 300, &world(30)).unwrap();
    assert_eq!(told(&found), ["100-301 changed z ttl 60>30"], "the failed reading did not see it as it was");
    assert_eq!(book.recorder.changes as usize, AT_ONCE + 1);
}

#[test]
fn the_very_same_thing_again_is_known_by_its_address() {
    let mut book = Book::new("record-same");
    let scope = zone();
    let mut read = |second: i64, live: &Arc<Live>| {
        let objects = BTreeMap::from([(live.key.clone(), live.clone())]);
        let (started, finished) = (at(second), at(second + 1));
        let seen = Seen { scope: &scope, started, finished, listed: true, objects: &objects, gone: Vec::new() };
        let changes = book.recorder.record(&mut book.connection, &seen).unwrap();
        let kept = book.recorder.scopes[&scope].things[&live.key].sight.upgrade();
        (changes.len(), kept.is_some_and(|kept| Arc::ptr_eq(&kept, live)))
    };
    let (first, same, other) = (Arc::new(record("a", 60)), Arc::new(record("a", 60)), Arc::new(record("a", 30)));
    assert_eq!(read(0, &first), (0, true));
    assert_eq!(read(10, &first), (0, true));
    assert_eq!(read(20, &same), (0, true), "the new one is known from now on");
    assert_eq!(read(30, &other), (1, true));
    assert_eq!(read(40, &first), (1, true), "it is not as it was then");
}

#[test]
fn the_oldest_changes_go_where_the_file_is_too_large() {
    let mut book = Book::new("record-bytes");
    let world = |ttl: i64| (0..1500).map(|number| record(&format!("r{number}"), ttl)).collect::<Vec<_>>();
    (0..3).for_each(|turn| drop(book.read(turn * 100, true, &world(turn), &[])));
    assert_eq!(book.recorder.changes, 3000);
    book.recorder.pruning.most_bytes = 1;
    let mut last = world(2);
    last[0] = record("r0", 9);
    book.read(300, true, &last, &[]);
    assert_eq!((book.recorder.changes, book.all().len()), (1001, 1001), "2,000 rows at a time");
    assert_eq!(told(&book.all()).last().unwrap(), "200-301 changed r0 ttl 2>9", "the oldest went");
    assert_eq!(reach(&book.connection).unwrap()[0].begins, at(201));
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
fn a_change_that_stands_for_many_by_the_time_somebody_is_named_is_nobodys() {
    let mut book = Book::new("record-named-late");
    book.read(0, true, &[record("a", 0)], &[]);
    for turn in 1..=rows::PER_HOUR {
        book.read(turn * 10, true, &[record("a", turn)], &[]);
    }
    let looked_up = book.all().pop().unwrap();
    assert_eq!(looked_up.attributed, Attributed::Pending);
    book.read(rows::PER_HOUR * 10 + 10, true, &[record("a", 1000)], &[]);
    let by = Attribution { actor: "alice".into(), event: "ChangeResourceRecordSets".into(), at: at(600) };
    attribute(&book.connection, looked_up.id, &Attributed::By(by)).unwrap();
    let merged = book.all().pop().unwrap();
    assert_eq!(merged.id, looked_up.id);
    assert!(matches!(merged.attributed, Attributed::NotVisible(_)), "{merged:?}");
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
        live.fields.set("token", Value::secret(hash, None));
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
