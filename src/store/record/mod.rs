//! The flight recorder: what was live, kept as facts once and as changes since.
//!
//! Decides what a reading means for the record: what is new, what differs, what is gone, what was
//! merely not seen. Of each thing only a hash stays in memory, so that a reading in which nothing
//! changed costs no statement; facts are fetched where the hash is another one. A first reading of
//! a scope is its baseline and gives no change. After an error nothing was written and the next
//! reading finds it all again. [`super::history`] calls it.

pub(super) mod past;
mod prune;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Result, TransactionBehavior};

use crate::core::identity::{ObjectKey, ScopeKey};
use crate::core::observation::Live;
use crate::core::record::facts::{Facts, digest};
use crate::core::record::{Change, FieldChange, Seen, What};
use prune::{Pruned, Pruning};
use rows::Rows;

/// How often the time of the last reading is written down where nothing else is.
const STAMP_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// What is in the record, as far as a reading needs it.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    scopes: BTreeMap<ScopeKey, Scope>,
    /// Changes in the table.
    changes: u64,
    /// The number of the redaction key: hashes under other numbers compare with nothing.
    key: u32,
    pruning: Pruning,
}

/// One recorded scope.
#[derive(Debug)]
struct Scope {
    id: i64,
    /// The last recorded reading began then.
    read_at: Timestamp,
    /// The same, as it is written down.
    stamped_at: Timestamp,
    /// The last reading that had everything began then.
    listed_at: Option<Timestamp>,
    things: BTreeMap<ObjectKey, Thing>,
}

/// One recorded thing.
#[derive(Debug, Clone, Copy)]
struct Thing {
    id: i64,
    /// Of its last sight.
    digest: u64,
    /// The last reading that had it, or proved it gone, where that is not the scope's last one.
    missed: Option<Timestamp>,
    gone: bool,
}

/// What a reading means for one thing.
enum Step<'a> {
    /// It is not in the record.
    New(&'a Live, u64),
    /// It is another one than before, or there again.
    Look(&'a Live, u64, Thing),
    /// It is as it was before readings lacked it.
    Back(&'a ObjectKey, Thing),
    /// It is proven gone.
    Gone(&'a ObjectKey, Thing),
    /// This reading lacks it, which proves nothing.
    Missed(&'a ObjectKey, Thing),
}

/// What a transaction wrote, to be remembered once it is committed.
#[derive(Default)]
struct Written {
    scope: i64,
    things: Vec<(ObjectKey, Thing)>,
    changes: Vec<Change>,
    added: u64,
    removed: u64,
    pruned: Pruned,
}

impl Recorder {
    /// What the tables hold. `key` numbers the redaction key in use.
    pub fn load(connection: &Connection, key: u32) -> Result<Self> {
        let (scopes, changes) = rows::load(connection)?;
        let pruning = Pruning::after(scopes.values().map(|scope| scope.read_at).max());
        Ok(Self { scopes, changes, key, pruning })
    }

    /// Another redaction key is in use.
    pub fn rekey(&mut self, key: u32) {
        self.key = key;
    }

    /// Things in the record that are not gone.
    pub fn recorded(&self, scope: &ScopeKey) -> BTreeSet<ObjectKey> {
        let things = self.scopes.get(scope).into_iter().flat_map(|scope| &scope.things);
        things.filter(|(_, thing)| !thing.gone).map(|(key, _)| key.clone()).collect()
    }

    /// Records one reading: the changes that it shows.
    pub fn record(&mut self, connection: &mut Connection, seen: &Seen<'_>) -> Result<Vec<Change>> {
        let as_of = seen.started.min(seen.finished);
        self.pruning.hear(seen.finished);
        let scope = self.scopes.get(seen.scope);
        let steps = self.steps(seen);
        let is_over = |at: Timestamp| as_of.duration_since(at).abs() >= STAMP_EVERY;
        let mut written = Written::default();
        let writes = !steps.is_empty() || scope.is_none_or(|scope| is_over(scope.stamped_at));
        if writes {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let rows = Rows { connection: &transaction, key: self.key, at: seen.finished };
            let listed_at = seen.listed.then_some(as_of);
            written.scope = match scope {
                Some(scope) => rows.stamp(scope.id, as_of, listed_at)?,
                None => rows.new_scope(seen.scope, as_of, listed_at)?,
            };
            for step in &steps {
                written.take(step, scope, &Page { rows: &rows, seen, as_of })?;
            }
            let held = (self.changes + written.added).saturating_sub(written.removed);
            written.pruned = self.pruning.prune(&transaction, seen.finished, held, written.added)?;
            transaction.commit()?;
        }
        Ok(self.remember(seen, as_of, writes, written))
    }

    fn steps<'s>(&'s self, seen: &'s Seen<'_>) -> Vec<Step<'s>> {
        let known = self.scopes.get(seen.scope).map(|scope| &scope.things);
        let mut steps = Vec::new();
        let mut still_there = 0;
        for (key, live) in seen.objects {
            let digest = digest(live);
            match known.and_then(|things| things.get(key)).copied() {
                None => steps.push(Step::New(live, digest)),
                Some(thing) => {
                    still_there += usize::from(thing.is_there());
                    if thing.gone || thing.digest != digest {
                        steps.push(Step::Look(live, digest, thing));
                    } else if thing.missed.is_some() {
                        steps.push(Step::Back(key, thing));
                    }
                }
            }
        }
        let Some(known) = known else { return steps };
        let gone: BTreeSet<&ObjectKey> = seen.gone.iter().filter(|key| !seen.objects.contains_key(*key)).collect();
        for key in &gone {
            if let Some((key, thing)) = known.get_key_value(*key)
                && !thing.gone
            {
                steps.push(Step::Gone(key, *thing));
            }
        }
        if known.values().filter(|thing| thing.is_there()).count() > still_there {
            let lacking = known
                .iter()
                .filter(|(key, thing)| thing.is_there() && !seen.objects.contains_key(*key) && !gone.contains(*key));
            steps.extend(lacking.map(|(key, thing)| Step::Missed(key, *thing)));
        }
        steps
    }

    /// Brings what is in memory up to date with what was written.
    fn remember(&mut self, seen: &Seen<'_>, as_of: Timestamp, stamped: bool, written: Written) -> Vec<Change> {
        let scope = self.scopes.entry(seen.scope.clone()).or_insert_with(|| Scope {
            id: written.scope,
            read_at: as_of,
            stamped_at: as_of,
            listed_at: None,
            things: BTreeMap::new(),
        });
        scope.read_at = as_of;
        if stamped {
            scope.stamped_at = as_of;
        }
        if seen.listed {
            scope.listed_at = Some(as_of);
        }
        scope.things.extend(written.things);
        let pruned = written.pruned;
        self.changes = (self.changes + written.added).saturating_sub(written.removed + pruned.changes);
        if !pruned.things.is_empty() || !pruned.scopes.is_empty() {
            self.scopes.retain(|_, scope| !pruned.scopes.contains(&scope.id));
            for scope in self.scopes.values_mut() {
                scope.things.retain(|_, thing| !pruned.things.contains(&thing.id));
            }
        }
        written.changes
    }
}

impl Thing {
    /// Whether the scope's last reading had it.
    fn is_there(&self) -> bool {
        !self.gone && self.missed.is_none()
    }
}

/// One reading, and where it is written.
struct Page<'a> {
    rows: &'a Rows<'a>,
    seen: &'a Seen<'a>,
    as_of: Timestamp,
}

impl Page<'_> {
    fn change(
        &self,
        key: &ObjectKey,
        object: Arc<str>,
        what: What,
        after: Option<Timestamp>,
        fields: Vec<FieldChange>,
    ) -> Change {
        let at = self.seen.finished;
        Change {
            id: 0,
            at,
            // A clock that was set back says nothing about what came first.
            after: after.filter(|after| *after <= at),
            scope: self.seen.scope.clone(),
            kind: key.kind.into(),
            key: key.key.clone(),
            object,
            what,
            fields,
            attributed: crate::core::record::Attributed::Pending,
        }
    }
}

impl Written {
    fn take(&mut self, step: &Step<'_>, scope: Option<&Scope>, page: &Page<'_>) -> Result<()> {
        let rows = page.rows;
        // The last reading that had the thing, or proved it gone.
        let sighted = |thing: &Thing| thing.missed.or(scope.map(|scope| scope.read_at)).unwrap_or(page.as_of);
        let listed_at = scope.and_then(|scope| scope.listed_at);
        match *step {
            Step::New(live, digest) => {
                let id = rows.new_thing(self.scope, live, digest, &Facts::of(live, rows.key))?;
                self.things.push((live.key.clone(), Thing { id, digest, missed: None, gone: false }));
                // Before the first list nobody knows what else was there.
                if listed_at.is_some() {
                    let change = page.change(&live.key, live.id.clone(), What::Appeared, listed_at, Vec::new());
                    self.file(rows, id, change)?;
                }
            }
            Step::Look(live, digest, thing) => {
                let (object, facts) = rows.thing(thing.id)?;
                if *object != *live.id {
                    rows.name_former(thing.id, &object)?;
                }
                let update = facts.update(live, rows.key, sighted(&thing));
                let (key, id) = (&live.key, live.id.clone());
                if thing.gone {
                    rows.keep_former(thing.id, &facts)?;
                    rows.put_thing(thing.id, live, digest, &Facts::of(live, rows.key))?;
                    let after = listed_at.max(Some(sighted(&thing)));
                    self.file(rows, thing.id, page.change(key, id, What::Appeared, after, update.fields))?;
                } else {
                    rows.put_thing(thing.id, live, digest, &update.facts)?;
                    if !update.fields.is_empty() {
                        let change = page.change(key, id, What::Changed, Some(update.after), update.fields);
                        self.file(rows, thing.id, change)?;
                    }
                }
                self.things.push((key.clone(), Thing { digest, missed: None, gone: false, ..thing }));
            }
            Step::Back(key, thing) => {
                rows.put_sight(thing.id, None)?;
                self.things.push((key.clone(), Thing { missed: None, ..thing }));
            }
            Step::Gone(key, thing) => {
                let object = rows.bury(thing.id, page.as_of)?;
                let change = page.change(key, object, What::Gone, Some(sighted(&thing)), Vec::new());
                self.file(rows, thing.id, change)?;
                self.things.push((key.clone(), Thing { missed: Some(page.as_of), gone: true, ..thing }));
            }
            Step::Missed(key, thing) => {
                let last = sighted(&thing);
                rows.put_sight(thing.id, Some(last))?;
                self.things.push((key.clone(), Thing { missed: Some(last), ..thing }));
            }
        }
        Ok(())
    }

    /// Writes a change down, or makes it a part of the last one where there are too many.
    fn file(&mut self, rows: &Rows<'_>, thing: i64, change: Change) -> Result<()> {
        let Some(last) = rows.last_of_a_full_hour(thing, &change)? else {
            self.added += 1;
            self.changes.push(rows.new_change(thing, change)?);
            return Ok(());
        };
        let id = last.id;
        match last.then(change) {
            Some(both) => {
                rows.put_change(&both)?;
                self.changes.push(both);
            }
            None => {
                rows.drop_change(id)?;
                self.removed += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
