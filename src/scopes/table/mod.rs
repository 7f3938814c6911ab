//! The scope of one DynamoDB table: the items that somebody asks about, and where a StateTable
//! wants them, all items.
//!
//! Decides which calls a reading takes. Asked items are read every time, in batches; one that a
//! batch does not have is asked for by itself, which alone proves that it is not there. The whole
//! table is scanned every five minutes at most, since that costs its owner money, unless somebody
//! needs to know what was written since; in between the last scan's items stay, each replaced by
//! what was read of it since. What a scan lacks and the one before had is asked for, too. Never writes. The engine runs it through [`crate::scopes::Scope`].

mod item;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::aws::read::ReadContext;
use crate::core::asks::Asks;
use crate::core::identity::{Ask, ObjectKey, ScopeKey, Select};
use crate::core::observation::{Failure, Live, NamedAnswer, Reading, Reason};
use crate::kinds::table_item::KIND;
use crate::kinds::table_item::live::{Keeping, TableName, live};
use crate::scopes::{ReadFuture, Scope};
use item::{Item, KeySchema, attributes};
use read::{BATCH, Calls};

/// How long a table's key schema is believed without asking again; it cannot change, but a table
/// can be made anew under its name.
const SCHEMA_FOR: SignedDuration = SignedDuration::from_mins(5);
/// The time between two scans.
const SCAN_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// The reader of one table.
pub struct Table {
    name: TableName,
    schema: Option<(Timestamp, KeySchema)>,
    scanned: Option<Scanned>,
}

/// What the last scan saw, kept up to date with what was read since.
struct Scanned {
    /// Before the first page: what was written later may be missing.
    started: Timestamp,
    finished: Timestamp,
    items: BTreeMap<ObjectKey, Arc<Live>>,
    /// The names under which values were kept readable: other names need another scan.
    plain: BTreeSet<Arc<str>>,
    visible: BTreeSet<Arc<str>>,
}

impl Table {
    /// The reader of this table.
    pub fn new(key: &ScopeKey) -> Self {
        Self {
            name: TableName { account: key.account.clone(), region: key.region.clone(), table: key.thing.clone() },
            schema: None,
            scanned: None,
        }
    }

    async fn read_once(&mut self, cx: &ReadContext, asks: &Asks) -> Result<Reading, Failure> {
        let mut reading = Reading::begin(cx.now());
        let name = self.name.clone();
        let calls = Calls { cx, name: &name };
        let schema = self.schema(&calls).await?;
        let keeping = Keeping { redactor: &cx.redactor, plain: &asks.plain, visible: &asks.visible };
        let understand = |item: &Item| -> Result<Live, Failure> {
            let key = schema.text(item)?;
            Ok(live(&attributes(item), &key, &name, &keeping))
        };

        if asks.scan {
            if self.scan_is_due(cx.now(), asks) {
                let started = cx.now();
                let mut items = BTreeMap::new();
                let keep = |item: Item| -> Result<(), Failure> {
                    let live = understand(&item)?;
                    items.insert(live.key.clone(), Arc::new(live));
                    Ok(())
                };
                calls.scan(keep).await?;
                self.account_for_lost(&calls, &schema, &items).await?;
                self.scanned = Some(Scanned {
                    started,
                    finished: cx.now(),
                    items,
                    plain: asks.plain.clone(),
                    visible: asks.visible.clone(),
                });
            }
        } else {
            self.scanned = None;
        }

        let mut answers = Answers::default();
        let wanted = wanted(&schema, asks, &mut answers);
        for batch in wanted.chunks(BATCH) {
            let keys = batch.iter().map(|(_, key)| key.clone()).collect();
            let (items, unprocessed) = calls.batch(keys).await?;
            for item in &items {
                answers.there(understand(item)?);
            }
            for (ask, key) in batch {
                if answers.is_there(ask) {
                    continue;
                }
                if unprocessed.contains(key) {
                    answers.told(ask, NamedAnswer::Unknown(not_processed(&ask.select)));
                    continue;
                }
                match calls.item(key.clone()).await? {
                    Some(item) => answers.there(understand(&item)?),
                    None => answers.told(ask, NamedAnswer::NoItem),
                }
            }
        }

        if let Some(scanned) = &mut self.scanned {
            answers.refresh(&mut scanned.items);
            reading.objects.clone_from(&scanned.items);
            reading.listed = true;
            reading.listed_at = Some(scanned.started);
        }
        reading.objects.extend(answers.objects);
        reading.answers = answers.named;
        reading.complete = true;
        reading.finished = cx.now();
        reading.api_calls = cx.calls();
        Ok(reading)
    }

    /// A scan tells nothing of how many items there are: it is whole when every item that the one
    /// before had, and it lacks, is gone. An item that a scan lost would claim nothing any more.
    async fn account_for_lost(
        &self,
        calls: &Calls<'_>,
        schema: &KeySchema,
        items: &BTreeMap<ObjectKey, Arc<Live>>,
    ) -> Result<(), Failure> {
        let before = self.scanned.iter().flat_map(|scanned| scanned.items.keys());
        let lost = before.filter(|key| !items.contains_key(*key));
        let lost: Vec<Item> = lost.filter_map(|key| schema.key(&key.key).ok()).collect();
        for batch in lost.chunks(BATCH) {
            let (there, unprocessed) = calls.batch(batch.to_vec()).await?;
            if let Some(item) = there.first().or(unprocessed.first()) {
                let (table, key) = (&self.name.table, schema.text(item)?);
                let detail = format!("the scan of {table} lacks the item {key}, which is not known to be gone");
                return Err(Failure::new(Reason::Incomplete, detail));
            }
        }
        Ok(())
    }

    async fn schema(&mut self, calls: &Calls<'_>) -> Result<KeySchema, Failure> {
        let now = calls.cx.now();
        if let Some((read, schema)) = &self.schema
            && now.duration_since(*read) < SCHEMA_FOR
        {
            return Ok(schema.clone());
        }
        let schema = calls.key_schema().await?;
        if self.schema.as_ref().is_some_and(|(_, known)| *known != schema) {
            self.scanned = None;
        }
        self.schema = Some((now, schema.clone()));
        Ok(schema)
    }

    fn scan_is_due(&self, now: Timestamp, asks: &Asks) -> bool {
        self.scanned.as_ref().is_none_or(|scanned| {
            let age = now.duration_since(scanned.finished);
            age.is_negative()
                || age >= SCAN_EVERY
                || asks.fresh_since.is_some_and(|since| scanned.started <= since)
                || scanned.plain != asks.plain
                || scanned.visible != asks.visible
        })
    }
}

impl Scope for Table {
    fn read<'a>(&'a mut self, context: &'a ReadContext, asks: &'a Asks) -> ReadFuture<'a> {
        Box::pin(async move {
            let read = self.read_once(context, asks).await;
            if let Err(failure) = &read {
                // What is known of the table may be why it failed.
                self.schema = None;
                if failure.reason == Reason::ContainerMissing {
                    self.scanned = None;
                }
            }
            read
        })
    }
}

/// What was told about the asked items.
#[derive(Default)]
struct Answers {
    objects: BTreeMap<ObjectKey, Arc<Live>>,
    named: BTreeMap<Ask, NamedAnswer>,
}

impl Answers {
    fn there(&mut self, live: Live) {
        self.objects.insert(live.key.clone(), Arc::new(live));
    }

    fn is_there(&self, ask: &Ask) -> bool {
        object_key(ask).is_some_and(|key| self.objects.contains_key(&key))
    }

    fn told(&mut self, ask: &Ask, answer: NamedAnswer) {
        self.named.insert(ask.clone(), answer);
    }

    /// Puts what was read now in the place of what a scan saw.
    fn refresh(&self, items: &mut BTreeMap<ObjectKey, Arc<Live>>) {
        items.extend(self.objects.iter().map(|(key, live)| (key.clone(), live.clone())));
        for (ask, answer) in &self.named {
            if let (NamedAnswer::NoItem, Some(key)) = (answer, object_key(ask)) {
                items.remove(&key);
            }
        }
    }
}

fn object_key(ask: &Ask) -> Option<ObjectKey> {
    match &ask.select {
        Select::Key(key) => Some(ObjectKey { kind: KIND, key: key.clone() }),
        Select::Arn(_) | Select::Alias(_) | Select::ReferencedBy(..) => None,
    }
}

/// The asked items with their keys. What cannot be a key of this table is answered at once.
fn wanted(schema: &KeySchema, asks: &Asks, answers: &mut Answers) -> Vec<(Ask, Item)> {
    let mut wanted = Vec::new();
    for ask in asks.things.keys().filter(|ask| ask.kind == KIND) {
        let Select::Key(text) = &ask.select else { continue };
        match schema.key(text) {
            Ok(key) => wanted.push((ask.clone(), key)),
            Err(failure) => answers.told(ask, NamedAnswer::Unknown(failure)),
        }
    }
    wanted
}

fn not_processed(select: &Select) -> Failure {
    let detail = format!(
        "BatchGetItem did not get to the item {select}: the table's read capacity is used up; moored asks again"
    );
    Failure::new(Reason::Throttled, detail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::identity::ScopeKind;
    use crate::core::value::Fields;

    fn item(key: &str, incarnation: &str) -> Live {
        Live {
            key: ObjectKey::new(KIND, key),
            id: key.into(),
            incarnation: Some(incarnation.into()),
            fields: Fields::default(),
            addresses: Box::default(),
            references: Box::default(),
        }
    }

    #[test]
    fn a_scan_is_due_when_it_is_old_too_old_for_somebody_or_kept_other_names() {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let names = |names: &[&str]| -> BTreeSet<Arc<str>> { names.iter().map(|name| Arc::from(*name)).collect() };
        let mut table = Table::new(&ScopeKey::new(ScopeKind::Table, "111122223333", "eu-west-1", "deployments"));
        let asks = Asks { plain: names(&["lb"]), visible: names(&["LOG_LEVEL"]), ..Asks::default() };
        assert!(table.scan_is_due(at(0), &asks), "never scanned");
        table.scanned = Some(Scanned {
            started: at(100),
            finished: at(110),
            items: BTreeMap::new(),
            plain: asks.plain.clone(),
            visible: asks.visible.clone(),
        });
        assert!(!table.scan_is_due(at(120), &asks));
        assert!(
            table.scan_is_due(at(410), &asks) && table.scan_is_due(at(50), &asks),
            "old, or the clock was set back"
        );
        let fresh = |since| Asks { fresh_since: Some(at(since)), ..asks.clone() };
        assert!(!table.scan_is_due(at(120), &fresh(99)));
        assert!(table.scan_is_due(at(120), &fresh(105)), "an item written at 105 may not have been seen");
        assert!(table.scan_is_due(at(120), &fresh(115)));
        assert!(table.scan_is_due(at(120), &Asks { plain: names(&["lb", "dns"]), ..asks.clone() }));
        assert!(table.scan_is_due(at(120), &Asks { visible: names(&[]), ..asks.clone() }));
    }

    #[test]
    fn what_is_read_now_replaces_what_a_scan_saw() {
        let mut scanned = Answers::default();
        for key in ["service=a", "service=b", "service=c"] {
            scanned.there(item(key, "old"));
        }
        let mut items = scanned.objects;
        let mut answers = Answers::default();
        answers.there(item("service=a", "new"));
        let gone = Ask { kind: KIND, select: Select::Key("service=b".into()) };
        answers.told(&gone, NamedAnswer::NoItem);
        let unclear = Ask { kind: KIND, select: Select::Key("service=c".into()) };
        answers.told(&unclear, NamedAnswer::Unknown(not_processed(&unclear.select)));
        answers.refresh(&mut items);
        let seen: Vec<_> = items.values().map(|live| (&*live.key.key, live.incarnation.as_deref())).collect();
        assert_eq!(seen, [("service=a", Some("new")), ("service=c", Some("old"))]);
    }
}
