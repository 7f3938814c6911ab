//! The history in SQLite: memory for the next start, findings and changes for people who ask what was.
//!
//! Decides what a save costs (the difference to the last one, in one transaction) and how long
//! findings are kept; the flight recorder in the same file is [`super::record`]. It judges nothing.
//! The daemon owns the one that writes; `moored history` opens another beside it that only reads.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::record::{Recorder, past};
use super::{ChangeQuery, History, Past, PastFinding, Reach, RecordedThing, StoreError, hold, rows, schema};
use crate::core::drift::Finding;
use crate::core::evaluate::Event;
use crate::core::hold::Hold;
use crate::core::identity::{ObjectKey, ScopeKey};
use crate::core::memory::Memory;
use crate::core::observation::Live;
use crate::core::record::reveal::Visible;
use crate::core::record::{Attributed, Change, FactsAt, Seen, ThingName};

const PRUNE_EVERY: SignedDuration = SignedDuration::from_hours(1);

const REDACTION_KEY: &str = "redaction_key";

/// How often the redaction key was another one: recorded hashes carry this number.
const REDACTION_KEYS: &str = "redaction_keys";

/// The first version of the file that has a record.
const RECORDED_SINCE: i64 = 2;

/// One SQLite file.
#[derive(Debug)]
pub struct SqliteHistory {
    connection: Connection,
    path: PathBuf,
    saved: Option<Memory>,
    pruned_at: Option<Timestamp>,
    recorder: Recorder,
    /// What may be shown, while it is not written down yet.
    visible: Option<Visible>,
    /// Whether the file has a record: an earlier version's, opened to be read, has none.
    has_record: bool,
    /// Declared last, so that the file is closed before somebody else may open it.
    _lock: Option<File>,
}

impl SqliteHistory {
    /// Opens or makes the state file, for this process alone.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (connection, lock) = schema::open(path)?;
        let recorder = number_of_key(&connection).and_then(|key| Recorder::load(&connection, key));
        let recorder = recorder.map_err(|error| StoreError::sqlite(path, &error))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            saved: None,
            pruned_at: None,
            recorder,
            visible: None,
            has_record: true,
            _lock: Some(lock),
        })
    }

    /// Opens a state file for reading, beside the daemon that may be writing it. Saving is an error.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let (connection, version) = schema::open_read_only(path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            saved: None,
            pruned_at: None,
            recorder: Recorder::default(),
            visible: None,
            has_record: version >= RECORDED_SINCE,
            _lock: None,
        })
    }

    /// Names this installation; made with the file.
    pub fn install_id(&self) -> Result<Option<String>, StoreError> {
        schema::meta(&self.connection, "install").map_err(|error| self.error(&error))
    }

    /// Whether the redaction key is another one than before; from now on this one is known. Hashes
    /// of secrets made under the old key compare with nothing made under the new one.
    pub fn key_changed(&mut self, id: &str) -> Result<bool, StoreError> {
        let changed = self.rekey(id).map_err(|error| self.error(&error))?;
        if let Some(number) = changed {
            self.recorder.rekey(number);
        }
        Ok(changed.is_some())
    }

    /// The number of the new key, if it is a new one.
    fn rekey(&mut self, id: &str) -> rusqlite::Result<Option<u32>> {
        let transaction = self.connection.transaction()?;
        let known = schema::meta(&transaction, REDACTION_KEY)?;
        if known.as_deref() == Some(id) {
            return Ok(None);
        }
        schema::set_meta(&transaction, REDACTION_KEY, id)?;
        let mut changed = None;
        if known.is_some() {
            let number = number_of_key(&transaction)?.saturating_add(1);
            schema::set_meta(&transaction, REDACTION_KEYS, &number.to_string())?;
            changed = Some(number);
        }
        transaction.commit()?;
        Ok(changed)
    }

    fn write_visible(&mut self) -> Result<(), StoreError> {
        if let Some(names) = &self.visible {
            past::set_visible(&self.connection, names).map_err(|error| self.error(&error))?;
        }
        self.visible = None;
        Ok(())
    }

    /// What the record answers; nothing where there is none.
    fn ask<T: Default>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        if !self.has_record {
            return Ok(T::default());
        }
        question(&self.connection).map_err(|error| self.error(&error))
    }

    fn error(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::sqlite(&self.path, error)
    }

    fn read(&mut self) -> rusqlite::Result<Memory> {
        // One transaction, so that a reader beside the daemon sees one save and not parts of two.
        let transaction = self.connection.transaction()?;
        rows::read(&transaction)
    }

    fn write(
        &mut self,
        before: &Memory,
        after: &Memory,
        events: &[Event],
        at: Timestamp,
        prune: bool,
    ) -> rusqlite::Result<()> {
        let transaction: Transaction<'_> = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        rows::write(&transaction, before, after, events, at)?;
        if prune {
            rows::prune(&transaction, at)?;
        }
        transaction.commit()
    }

    fn select(&self, query: &Past) -> rusqlite::Result<Vec<PastFinding>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT json, opened_at, ended_at FROM finding \
             WHERE ?1 IS NULL OR ended_at IS NULL OR ended_at >= ?1 ORDER BY opened_at DESC, id DESC",
        )?;
        let mut rows = statement.query(params![query.since.map(rows::nanoseconds)])?;
        let mut past = Vec::new();
        while let Some(row) = rows.next()? {
            if past.len() >= query.limit {
                break;
            }
            let finding: Finding = rows::json(row, 0)?;
            let key = &finding.key;
            if !query.filter.thing(&key.environment, &key.kind, &key.name, &finding.application) {
                continue;
            }
            let ended_at: Option<i64> = row.get(2)?;
            past.push(PastFinding {
                opened_at: rows::moment(1, row.get(1)?)?,
                ended_at: ended_at.map(|at| rows::moment(2, at)).transpose()?,
                finding,
            });
        }
        Ok(past)
    }
}

impl History for SqliteHistory {
    fn load(&mut self) -> Result<Memory, StoreError> {
        let memory = self.read().map_err(|error| self.error(&error))?;
        self.saved = Some(memory.clone());
        Ok(memory)
    }

    fn save(&mut self, memory: &Memory, events: &[Event], at: Timestamp) -> Result<(), StoreError> {
        let before = match &self.saved {
            Some(saved) => saved.clone(),
            None => self.load()?,
        };
        let prune = self.pruned_at.is_none_or(|last| at.duration_since(last) >= PRUNE_EVERY);
        if !prune && events.is_empty() && rows::same(&before, memory) {
            return Ok(());
        }
        self.write(&before, memory, events, at, prune).map_err(|error| self.error(&error))?;
        self.saved = Some(memory.clone());
        if prune {
            self.pruned_at = Some(at);
        }
        Ok(())
    }

    fn past(&self, query: &Past) -> Result<Vec<PastFinding>, StoreError> {
        self.select(query).map_err(|error| self.error(&error))
    }

    fn record(&mut self, seen: &Seen<'_>) -> Result<Vec<Change>, StoreError> {
        self.write_visible()?;
        let changes = self.recorder.record(&mut self.connection, seen);
        changes.map_err(|error| self.error(&error))
    }

    fn lacking(&self, scope: &ScopeKey, there: &BTreeMap<ObjectKey, Arc<Live>>) -> Vec<ObjectKey> {
        self.recorder.lacking(scope, there)
    }

    fn set_visible(&mut self, names: Visible) -> Result<(), StoreError> {
        self.visible = Some(names);
        self.write_visible()
    }

    fn changes(&self, query: &ChangeQuery) -> Result<Vec<Change>, StoreError> {
        self.ask(|connection| past::changes(connection, query))
    }

    fn facts_at(&self, scope: &ScopeKey, kind: &str, key: &str, at: Timestamp) -> Result<FactsAt, StoreError> {
        let name = ThingName { scope: scope.clone(), kind: kind.into(), key: key.into() };
        let facts = self.ask(|connection| past::facts_at(connection, &name, at).map(Some))?;
        Ok(facts.unwrap_or(FactsAt::NotRecorded { begins: None }))
    }

    fn things(&self, query: &ChangeQuery) -> Result<Vec<RecordedThing>, StoreError> {
        self.ask(|connection| past::things(connection, query))
    }

    fn reach(&self) -> Result<Vec<Reach>, StoreError> {
        self.ask(past::reach)
    }

    fn pending(&self, limit: usize) -> Result<Vec<Change>, StoreError> {
        self.ask(|connection| past::pending(connection, limit))
    }

    fn attribute(&mut self, id: i64, attributed: &Attributed) -> Result<(), StoreError> {
        self.ask(|connection| past::attribute(connection, id, attributed))
    }

    fn holds(&self, now: Timestamp) -> Result<Vec<Hold>, StoreError> {
        self.ask(|connection| hold::read(connection, now))
    }
}

/// The number of the redaction key in use.
fn number_of_key(connection: &Connection) -> rusqlite::Result<u32> {
    Ok(schema::meta(connection, REDACTION_KEYS)?.and_then(|text| text.parse().ok()).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::drift::{Drift, FieldDrift, FindingKey, Root, Severity};
    use crate::core::filter::Filter;
    use crate::core::identity::{ObjectKey, ScopeKey};
    use crate::core::memory::{DeclaredMemory, ObjectMemory, ScopeMemory};
    use crate::core::value::Source;
    use crate::store::scratch::Scratch;

    const CLUSTER: &str = "ecs_cluster/111122223333/eu-west-1/wonderland";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(1_700_000_000 + seconds, 123_456_789).unwrap()
    }

    fn finding(name: &str, since: Timestamp) -> Finding {
        Finding {
            key: FindingKey {
                environment: "production".into(),
                kind: "EcsService".into(),
                name: name.into(),
                drift: Drift::Changed,
            },
            id: format!("arn:aws:ecs:eu-west-1:111122223333:service/wonderland/{name}").into(),
            scope: ScopeKey::parse(CLUSTER).unwrap(),
            severity: Severity::Critical,
            application: "deployer".into(),
            message: "two words\nand \"a quote\"".into(),
            held: false,
            fields: vec![FieldDrift { path: "desiredCount".into(), desired: 2.into(), live: serde_json::Value::Null }],
            root: Root { kind: "EcsService".into(), name: name.into() },
            since,
            source: Some(Source { file: "api.yaml".into(), line: 7 }),
            vital: true,
            works: true,
            decides: false,
            runbook: None,
            redeploy: Some("make bootstrap".into()),
        }
    }

    /// A memory of one scope with these open findings.
    fn memory(findings: &[Finding]) -> Memory {
        let object = ObjectMemory {
            id: "arn:1".into(),
            incarnation: Some("2024-01-01".into()),
            addresses: vec!["dns:api".into()],
            former: Vec::new(),
            first_seen: at(0),
            marks: BTreeMap::new(),
            watched: crate::core::memory::Watched::No,
            absent_since: None,
            gone_since: Some(at(1)),
        };
        let declared = DeclaredMemory { digest: u64::MAX, changed_at: Some(at(2)) };
        let scope = ScopeMemory {
            objects: [(ObjectKey::new("EcsService", "api"), object)].into(),
            findings: findings.iter().map(|finding| (finding.key.clone(), Arc::new(finding.clone()))).collect(),
            declared: [(("production".into(), "EcsService", "api".into()), declared)].into(),
            ..ScopeMemory::default()
        };
        Memory { scopes: [(ScopeKey::parse(CLUSTER).unwrap(), Arc::new(scope))].into(), seasoned: true }
    }

    fn all() -> Past {
        Past { since: None, filter: Filter::default(), limit: 1000 }
    }

    fn names(past: &[PastFinding]) -> Vec<(&str, bool)> {
        past.iter().map(|past| (&*past.finding.key.name, past.ended_at.is_some())).collect()
    }

    #[test]
    fn memory_is_the_same_after_a_restart() {
        let scratch = Scratch::new("history-restart");
        let path = scratch.file("moored.db");
        let saved = memory(&[finding("api", at(10)), Finding { held: true, ..finding("worker", at(20)) }]);
        let mut history = SqliteHistory::open(&path).unwrap();
        assert_eq!(history.load().unwrap(), Memory::default());
        history.save(&saved, &[], at(30)).unwrap();
        let install = history.install_id().unwrap();
        drop(history);

        let mut history = SqliteHistory::open(&path).unwrap();
        assert_eq!(history.load().unwrap(), saved);
        assert!(install.is_some() && history.install_id().unwrap() == install);
    }

    #[test]
    fn what_is_forgotten_stays_forgotten_and_an_ended_finding_becomes_history() {
        let scratch = Scratch::new("history-ended");
        let path = scratch.file("moored.db");
        let mut history = SqliteHistory::open(&path).unwrap();
        history.save(&memory(&[finding("api", at(10)), finding("worker", at(20))]), &[], at(30)).unwrap();
        history.save(&memory(&[finding("worker", at(20))]), &[], at(40)).unwrap();
        assert_eq!(names(&history.past(&all()).unwrap()), [("worker", false), ("api", true)]);
        let ended = history.past(&all()).unwrap().pop().unwrap();
        assert_eq!((ended.opened_at, ended.ended_at, ended.finding), (at(10), Some(at(40)), finding("api", at(10))));

        history.save(&Memory { seasoned: true, ..Memory::default() }, &[], at(50)).unwrap();
        drop(history);
        assert_eq!(SqliteHistory::open(&path).unwrap().load().unwrap(), Memory { seasoned: true, ..Memory::default() });
    }

    #[test]
    fn a_finding_that_ends_and_opens_again_between_two_saves_is_two_findings() {
        let scratch = Scratch::new("history-again");
        let mut history = SqliteHistory::open(&scratch.file("moored.db")).unwrap();
        history.save(&memory(&[finding("api", at(10))]), &[], at(10)).unwrap();
        let short = Arc::new(finding("short", at(12)));
        let events = [Event::Opened(short.clone()), Event::Ended(short)];
        history.save(&memory(&[finding("api", at(15))]), &events, at(20)).unwrap();
        assert_eq!(names(&history.past(&all()).unwrap()), [("api", false), ("short", true), ("api", true)]);
    }

    #[test]
    fn the_past_is_filtered_and_limited() {
        let scratch = Scratch::new("history-filter");
        let mut history = SqliteHistory::open(&scratch.file("moored.db")).unwrap();
        history.save(&memory(&[finding("api", at(10)), finding("worker", at(20))]), &[], at(30)).unwrap();
        history.save(&memory(&[finding("worker", at(20))]), &[], at(40)).unwrap();
        let since = Past { since: Some(at(41)), ..all() };
        assert_eq!(names(&history.past(&since).unwrap()), [("worker", false)]);
        assert_eq!(names(&history.past(&Past { limit: 1, ..all() }).unwrap()), [("worker", false)]);
        let elsewhere = Filter { environments: vec!["staging".to_owned()], ..Filter::default() };
        assert_eq!(history.past(&Past { filter: elsewhere, ..all() }).unwrap(), []);
    }

    #[test]
    fn ended_findings_are_kept_for_ninety_days() {
        let scratch = Scratch::new("history-prune");
        let mut history = SqliteHistory::open(&scratch.file("moored.db")).unwrap();
        history.save(&memory(&[finding("api", at(0))]), &[], at(0)).unwrap();
        history.save(&memory(&[]), &[], at(1)).unwrap();
        let day = 24 * 3600;
        history.save(&memory(&[]), &[], at(89 * day)).unwrap();
        assert_eq!(history.past(&all()).unwrap().len(), 1);
        history.save(&memory(&[]), &[], at(91 * day)).unwrap();
        assert_eq!(history.past(&all()).unwrap(), []);
    }

    #[test]
    fn a_reader_sees_what_the_daemon_saved_and_cannot_save() {
        let scratch = Scratch::new("history-reader");
        let path = scratch.file("moored.db");
        let mut daemon = SqliteHistory::open(&path).unwrap();
        let mut reader = SqliteHistory::open_read_only(&path).unwrap();
        daemon.save(&memory(&[finding("api", at(10))]), &[], at(30)).unwrap();
        assert_eq!(names(&reader.past(&all()).unwrap()), [("api", false)]);
        assert!(matches!(reader.save(&memory(&[]), &[], at(40)), Err(StoreError::Unusable { .. })));
    }

    #[test]
    fn a_name_that_is_no_longer_visible_is_hidden_from_every_reader_at_once_also_in_the_past() {
        use crate::core::value::{Fields, Value};
        let scratch = Scratch::new("history-visible");
        let path = scratch.file("moored.db");
        let mut daemon = SqliteHistory::open(&path).unwrap();
        let reader = SqliteHistory::open_read_only(&path).unwrap();
        let scope = ScopeKey::parse("table/111122223333/eu-west-1/deployments").unwrap();
        let read = |daemon: &mut SqliteHistory, second: i64, hash: u128, text: &str| {
            let mut fields = Fields::default();
            fields.set("attributes.level", Value::secret(hash, Some(text.into())));
            let key = ObjectKey::new("TableItem", "service=api");
            let (id, nothing) = (Arc::<str>::from("deployments/service=api"), Box::default());
            let live = Live {
                key: key.clone(),
                id,
                incarnation: None,
                fields,
                addresses: nothing,
                references: Box::default(),
            };
            let objects = BTreeMap::from([(key, Arc::new(live))]);
            let (started, finished) = (at(second), at(second + 1));
            daemon.record(&Seen { scope: &scope, started, finished, listed: true, objects: &objects, gone: Vec::new() })
        };
        let names = |names: &[&str]| -> Visible {
            [(scope.clone(), names.iter().map(|name| Arc::from(*name)).collect())].into_iter().collect()
        };
        read(&mut daemon, 0, 7, "info").unwrap();
        read(&mut daemon, 10, 8, "debug").unwrap();
        let told = |history: &SqliteHistory| {
            let changes = history.changes(&ChangeQuery { limit: 9, ..ChangeQuery::default() }).unwrap();
            let FactsAt::Present { facts, .. } = history.facts_at(&scope, "TableItem", "service=api", at(5)).unwrap()
            else {
                return String::new();
            };
            format!("{} > {}, {}", changes[0].fields[0].before, changes[0].fields[0].after, facts["attributes.level"])
        };
        let hidden = r#""(secret)" > "(secret)", "(secret)""#;
        assert_eq!((told(&daemon), told(&reader)), (hidden.to_owned(), hidden.to_owned()), "nobody has said");
        daemon.set_visible(names(&["level"])).unwrap();
        let shown = r#""info" > "debug", "info""#;
        assert_eq!((told(&daemon), told(&reader)), (shown.to_owned(), shown.to_owned()));
        daemon.set_visible(names(&["other"])).unwrap();
        assert_eq!((told(&daemon), told(&reader)), (hidden.to_owned(), hidden.to_owned()));
    }

    #[test]
    fn another_redaction_key_is_noticed_once() {
        let scratch = Scratch::new("history-key");
        let mut history = SqliteHistory::open(&scratch.file("moored.db")).unwrap();
        let changed: Vec<bool> = ["a", "a", "b", "b"].iter().map(|id| history.key_changed(id).unwrap()).collect();
        assert_eq!(changed, [false, false, true, false]);
    }
}
