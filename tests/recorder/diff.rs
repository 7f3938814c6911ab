//! `moored diff` and `moored show --at` over a state file, as a person reads them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use moored::clock::Clock;
use moored::core::identity::{ObjectKey, ScopeKey};
use moored::core::observation::Live;
use moored::core::record::{Attributed, Attribution, Seen};
use moored::core::value::{Fields, Value};
use moored::store::{History, SqliteHistory};

use crate::common::{Outcome, Scratch, moored, text};

const ZONE: &str = "hosted_zone/111122223333/global/example.com";

/// A state file in which something happened.
struct Record {
    scratch: Scratch,
    now: Timestamp,
}

fn record(key: &str, ttl: i64, token: u128) -> Live {
    let mut fields = Fields::default();
    fields.set("ttl", ttl);
    fields.set("token", Value::secret(token, None));
    Live {
        key: ObjectKey::new("DnsRecord", key),
        id: format!("example.com/{key}").into(),
        incarnation: None,
        fields,
        addresses: Box::default(),
        references: Box::default(),
    }
}

impl Record {
    /// Three hours ago the baseline, two hours ago a change, an hour ago a loss and a stranger.
    fn new(name: &str) -> Self {
        let record_of = Self { scratch: Scratch::new(name), now: Clock::wall().now() };
        let mut history = SqliteHistory::open(&record_of.path()).unwrap();
        let (api, web) = ("api.example.com|CNAME|", "web.example.com|A|");
        let mut read = |hours: i64, lives: &[Live], gone: &[&str]| {
            let objects: BTreeMap<ObjectKey, Arc<Live>> =
                lives.iter().map(|live| (live.key.clone(), Arc::new(live.clone()))).collect();
            let started = record_of.ago(hours);
            let seen = Seen {
                scope: &ScopeKey::parse(ZONE).unwrap(),
                started,
                finished: started + SignedDuration::from_secs(2),
                listed: true,
                objects: &objects,
                gone: gone.iter().map(|key| ObjectKey::new("DnsRecord", key)).collect(),
            };
            history.record(&seen).unwrap()
        };
        read(3, &[record(api, 60, 1), record(web, 60, 1)], &[]);
        let changed = read(2, &[record(api, 300, 2), record(web, 60, 1)], &[]);
        read(1, &[record(api, 300, 2), record("evil\u{1b}[2J.example.com|A|", 1, 1)], &[web]);
        read(0, &[record(api, 300, 2), record("evil\u{1b}[2J.example.com|A|", 1, 1)], &[]);
        let by = Attribution { actor: "alice".into(), event: "ChangeResourceRecordSets".into(), at: record_of.ago(2) };
        history.attribute(changed[0].id, &Attributed::By(by)).unwrap();
        drop(history);
        record_of
    }

    fn path(&self) -> PathBuf {
        self.scratch.file("moored.db")
    }

    fn ago(&self, hours: i64) -> Timestamp {
        self.now - SignedDuration::from_hours(hours)
    }

    fn diff(&self, more: &[&str]) -> Outcome {
        moored([&["diff", "--state", text(&self.path())][..], more].concat())
    }

    fn show(&self, resource: &str, hours: i64) -> Outcome {
        let at = (self.ago(hours) + SignedDuration::from_mins(1)).to_string();
        let nowhere = self.scratch.file("no-manifests");
        moored([
            "show",
            resource,
            "--at",
            at.as_str(),
            "--state",
            text(&self.path()),
            "--desired-state",
            text(&nowhere),
        ])
    }
}

#[test]
fn a_diff_says_what_changed_between_which_readings_and_who_did_it() {
    let record = Record::new("diff-table");
    let page = record.diff(&["--since", "5h"]).exits(0);
    page.says(&[
        "changed   DnsRecord api.example.com CNAME",
        "ttl: 60 → 300",
        "token: (secret) → (secret)",
        "by alice (ChangeResourceRecordSets at ",
        "gone      DnsRecord web.example.com A",
        "appeared  DnsRecord evil\\u{1b}[2J.example.com A",
        "by: not known yet",
        "3 change(s) since",
        "the record of hosted_zone/111122223333/global/example.com begins at",
    ]);
    let later = record.diff(&["--since", "90m"]).exits(0);
    assert!(!later.stdout.contains("ttl") && !later.stdout.contains("begins at"), "{}", later.stdout);
}

#[test]
fn a_diff_as_json_has_every_member_and_can_be_narrowed() {
    let record = Record::new("diff-json");
    let json =
        |more: &[&str]| record.diff(&[&["--since", "5h", "--format", "json"][..], more].concat()).exits(0).json();
    let all = json(&[]);
    let first = &all["changes"][0];
    assert_eq!(
        (&first["what"], &first["kind"], &first["scope"]),
        (&"changed".into(), &"DnsRecord".into(), &ZONE.into())
    );
    assert_eq!(first["fields"][1], serde_json::json!({"path": "ttl", "before": 60, "after": 300}), "by path");
    assert_eq!(first["attributed"]["by"]["actor"], "alice");
    assert_eq!((&all["moreChanges"], &all["recorded"][0]["scope"]), (&false.into(), &ZONE.into()));
    let count = |more: &[&str]| json(more)["changes"].as_array().unwrap().len();
    assert_eq!(count(&[]), 3);
    assert_eq!(count(&["--name", "api.example.com"]), 1);
    assert_eq!(count(&["--kind", "EcsService"]), 0);
    assert_eq!(count(&["--scope", ZONE]), 3);
    assert_eq!(count(&["--until", "90m"]), 3, "the loss may have happened before");
    assert_eq!((count(&["--limit", "1"]), &json(&["--limit", "1"])["moreChanges"]), (1, &true.into()));
}

#[test]
fn that_nothing_changed_is_an_answer_and_exits_0() {
    let record = Record::new("diff-nothing");
    record.diff(&["--since", "1m"]).exits(0).says(&["nothing changed between", "in 1 scope(s)"]);
    let scratch = Scratch::new("diff-empty");
    drop(SqliteHistory::open(&scratch.file("moored.db")).unwrap());
    let empty = moored(["diff", "--since", "1h", "--state", text(&scratch.file("moored.db"))]);
    empty.exits(0).says(&["nothing is recorded", "moored run --state"]);
}

/// Manifests that say of the record's zone only whose it is.
const MANIFESTS: &str = r#"apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  aws: {accounts: {main: {account: "111122223333", regions: [eu-west-1]}}}
---
apiVersion: moored.dev/v1
kind: Inventory
metadata: {name: example-com, environments: [production], labels: {app: harbor}}
spec: {scope: {hostedZone: example.com}}
"#;

#[test]
fn nothing_changed_is_not_said_of_time_in_which_nothing_was_read() {
    let record = Record::new("diff-unread");
    let unread = record.diff(&["--since", "0s"]).exits(0);
    unread.says(&["whether anything changed since", "hosted_zone/111122223333/global/example.com was not read since"]);
}

#[test]
fn a_misspelt_filter_does_not_read_as_nothing_changed() {
    let record = Record::new("diff-misspelt");
    let manifests = record.scratch.file("inventory.yaml");
    std::fs::write(&manifests, MANIFESTS).unwrap();
    let declared = ["--since", "5h", "--desired-state", text(&manifests)];
    let diff = |more: &[&str]| record.diff(&[&declared[..], more].concat());
    for (more, reason) in [
        (&["-l", "app=habror"][..], "no manifest declares it; did you mean app=harbor?"),
        (&["-l", "app=nosuch"][..], "-l app=nosuch: no manifest declares it; declared are: app=harbor"),
        (
            &["--scope", "hosted_zone/111122223333/global/nope.org"][..],
            "recorded are: hosted_zone/111122223333/global/e",
        ),
        (&["--scope", "hosted_zone/111122223333/global/exmaple.com"][..], "did you mean hosted_zone/"),
    ] {
        diff(more).exits(1).complains_in_one_line().complains(&[reason]);
    }
    diff(&["-l", "app=harbor"]).exits(0).says(&["ttl: 60 → 300", "3 change(s) since"]);
}

#[test]
fn a_question_that_cannot_be_meant_is_refused_in_one_line() {
    let record = Record::new("diff-refused");
    for (more, reason) in [
        (&["--since", "yesterday"][..], "is no time"),
        (&["--since", "2h", "--until", "3h"][..], "is before --since"),
        (&["--since", "2h", "--scope", "zone"][..], "write it like hosted_zone/"),
        (&["--since", "2h", "--environment", "production"][..], "add --desired-state"),
        (&["--since", "2h", "--name", "misspelt"][..], "nothing in the record is called misspelt"),
        (&["--since", "2h", "--kind", "DnsRecrod"][..], "did you mean"),
    ] {
        record.diff(more).exits(1).complains_in_one_line().complains(&[reason]);
    }
    moored(["diff", "--since", "2h"]).exits(1).complains(&["--state", "--server"]);
}

#[test]
fn show_at_says_what_a_thing_was_and_what_became_of_it() {
    let record = Record::new("show-at");
    let page = record.show("DnsRecord/api.example.com", 3).exits(0);
    page.says(&[
        "api.example.com CNAME at ",
        "stood        present",
        "example.com/api.example.com",
        "ttl",
        "60",
        "(secret)",
        "What changed since:",
        "ttl: 60 → 300",
    ]);
    record.show("DnsRecord/web.example.com", 1).exits(0).says(&["absent, gone since", "nothing of it changed since"]);
    record.show("DnsRecord/evil?[2J.example.com", 2).exits(0).says(&["not known: its record begins at", "appeared"]);
    record.show("DnsRecord/evil?[2J.example.com", 3).exits(0).says(&["absent: it had not been seen yet", "appeared"]);
    record.show("DnsRecord/web.example.com", 4).exits(0).says(&["not known: its record begins at"]);
    record.show("DnsRecord/nobody", 1).exits(1).complains_in_one_line().complains(&["nothing in the record is called"]);
    let any = record.show("DnsRecord/????example.com", 1).exits(1).complains_in_one_line();
    any.complains(&["may be any of"]);
}

#[test]
fn an_environment_is_not_ignored_where_manifests_are_broken() {
    let record = Record::new("show-at-broken");
    let (state, broken) = (record.path(), record.scratch.file("broken.yaml"));
    std::fs::write(&broken, "kind: [\n").unwrap();
    let at = (record.ago(2) + SignedDuration::from_mins(1)).to_string();
    let show = ["show", "DnsRecord/api.example.com", "--at", at.as_str(), "--state", text(&state)];
    let show = [&show[..], &["--desired-state", text(&broken)]].concat();
    moored(show.clone()).exits(0).complains(&["without manifests only the cloud's own names are known"]);
    let refused = moored([&show[..], &["--environment", "staging"]].concat()).exits(1);
    let refused = refused.complains(&["--environment needs the manifests, and they cannot be read"]);
    assert_eq!(refused.stdout, "");
}
