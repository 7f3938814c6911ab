//! The flight recorder: what was live, kept as facts once and as changes since.
//!
//! Decides what a reading means for the record: what is new, what differs, what is gone, what was
//! merely not seen. Of each thing only a hash stays in memory, so that a reading in which nothing
//! changed costs no statement; facts are fetched where the hash is another one. A first reading of
//! a scope is its baseline and gives no change. A large reading is written in several transactions;
//! the scope bears its time only after the last one, so that after an error the next reading finds
//! all that is missing. [`super::history`] calls it.

pub(super) mod past;
mod prune;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Result, TransactionBehavior};

use crate::core::identity::{ObjectKey, ScopeKey};
use crate::core::observation::Live;
use crate::core::record::facts::{Facts, digest};
use crate::core::record::{Attributed, Change, FieldChange, Seen, What, bounded};
use prune::{Pruned, Pruning};
use rows::Rows;

/// How often the time of the last reading is written down where nothing else is.
const STAMP_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// So many things are written in one transaction: others wait for the store no longer than that.
const AT_ONCE: usize = 5_000;

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
#[derive(Debug, Clone)]
struct Thing {
    id: i64,
    /// Of its last sight.
    digest: u64,
    /// What has this digest, if a reading since the start had it: one that serves the very same
    /// again (a scan that is kept) costs no digest. As long as this is here, nothing else can have
    /// its address.
    sight: Weak<Live>,
    /// The last reading that had it, or proved it gone, where that is not the scope's last one.
    missed: Option<Timestamp>,
    gone: bool,
}

/// What a reading means for one thing.
enum Step<'a> {
    /// It is not in the record.
    New(&'a Arc<Live>, u64),
    /// It is another one than before, or there again.
    Look(&'a Arc<Live>, u64, Thing),
    /// It is as it was before readings lacked it.
    Back(&'a ObjectKey, Thing),
    /// It is proven gone.
    Gone(&'a ObjectKey, Thing),
    /// This reading lacks it, which proves nothing.
    Missed(ObjectKey, Thing),
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

    /// Things in the record that are not gone and are not there either.
    pub fn lacking(&self, scope: &ScopeKey, there: &BTreeMap<ObjectKey, Arc<Live>>) -> Vec<ObjectKey> {
        let things = self.scopes.get(scope).into_iter().flat_map(|scope| &scope.things);
        let lacking = things.filter(|(key, thing)| !thing.gone && !there.contains_key(*key));
        lacking.map(|(key, _)| key.clone()).collect()
    }

    /// Records one reading: the changes that it shows.
    pub fn record(&mut self, connection: &mut Connection, seen: &Seen<'_>) -> Result<Vec<Change>> {
        let as_of = seen.started.min(seen.finished);
        self.pruning.hear(seen.finished);
        let steps = self.steps(seen);
        let is_over = |at: Timestamp| as_of.duration_since(at).abs() >= STAMP_EVERY;
        let stamps = !steps.is_empty() || self.scopes.get(seen.scope).is_none_or(|scope| is_over(scope.stamped_at));
        let mut changes = Vec::new();
        if stamps {
            let (mut batch, mut rest) = steps.split_at(steps.len().min(AT_ONCE));
            while !rest.is_empty() {
                changes.extend(self.write(connection, &Page { seen, as_of, is_last: false }, batch)?);
                (batch, rest) = rest.split_at(rest.len().min(AT_ONCE));
            }
            changes.extend(self.write(connection, &Page { seen, as_of, is_last: true }, batch)?);
        }
        if let Some(scope) = self.scopes.get_mut(seen.scope) {
            scope.read_at = as_of;
            if stamps {
                scope.stamped_at = as_of;
            }
            if seen.listed {
                scope.listed_at = Some(as_of);
            }
        }
        Ok(changes)
    }

    fn steps<'s>(&mut self, seen: &'s Seen<'_>) -> Vec<Step<'s>> {
        let mut steps = Vec::new();
        let Some(scope) = self.scopes.get_mut(seen.scope) else {
            steps.extend(seen.objects.values().map(|live| Step::New(live, digest(live))));
            return steps;
        };
        let known = &mut scope.things;
        let mut still_there = 0;
        for (key, live) in seen.objects {
            let Some(thing) = known.get_mut(key) else {
                steps.push(Step::New(live, digest(live)));
                continue;
            };
            still_there += usize::from(thing.is_there());
            let digest = thing.digest_of(live);
            if thing.gone || thing.digest != digest {
                steps.push(Step::Look(live, digest, thing.clone()));
            } else if thing.missed.is_some() {
                steps.push(Step::Back(key, thing.clone()));
            }
        }
        let gone: BTreeSet<&ObjectKey> = seen.gone.iter().filter(|key| !seen.objects.contains_key(*key)).collect();
        for key in gone.iter().copied() {
            if let Some(thing) = known.get(key)
                && !thing.gone
            {
                steps.push(Step::Gone(key, thing.clone()));
            }
        }
        if known.values().filter(|thing| thing.is_there()).count() > still_there {
            let lacking = known
                .iter()
                .filter(|(key, thing)| thing.is_there() && !seen.objects.contains_key(*key) && !gone.contains(*key));
            steps.extend(lacking.map(|(key, thing)| Step::Missed(key.clone(), thing.clone())));
        }
        steps
    }

    /// Writes these steps in one transaction, with the scope's new time if they are the last ones.
    fn write(&mut self, connection: &mut Connection, page: &Page<'_>, steps: &[Step<'_>]) -> Result<Vec<Change>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rows = Rows { connection: &transaction, key: self.key, at: page.seen.finished };
        let scope = self.scopes.get(page.seen.scope);
        let id = match scope {
            Some(scope) => scope.id,
            None => rows.new_scope(page.seen.scope, page.as_of)?,
        };
        let mut written = Written { scope: id, ..Written::default() };
        for step in steps {
            written.take(step, scope, &rows, page)?;
        }
        let held = (self.changes + written.added).saturating_sub(written.removed);
        written.pruned.changes = self.pruning.make_room(&transaction, held, written.added)?;
        if page.is_last {
            rows.stamp(written.scope, page.as_of, page.seen.listed.then_some(page.as_of))?;
            self.pruning.forget(&transaction, page.seen.finished, &mut written.pruned)?;
        }
        transaction.commit()?;
        Ok(self.remember(page, written))
    }

    /// Brings what is in memory up to date with what was written.
    fn remember(&mut self, page: &Page<'_>, written: Written) -> Vec<Change> {
        let scope = self.scopes.entry(page.seen.scope.clone()).or_insert_with(|| Scope {
            id: written.scope,
            read_at: page.as_of,
            stamped_at: page.as_of,
            listed_at: None,
            things: BTreeMap::new(),
        });
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

    /// The digest of what a reading has of it.
    fn digest_of(&mut self, live: &Arc<Live>) -> u64 {
        if std::ptr::eq(self.sight.as_ptr(), Arc::as_ptr(live)) {
            return self.digest;
        }
        let digest = digest(live);
        if digest == self.digest {
            self.sight = Arc::downgrade(live);
        }
        digest
    }
}

/// One reading, of which some steps are written at once.
struct Page<'a> {
    seen: &'a Seen<'a>,
    as_of: Timestamp,
    /// Nothing of the reading is left to be written after these steps.
    is_last: bool,
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
            fields: bounded(fields),
            attributed: Attributed::Pending,
        }
    }
}

impl Written {
    fn take(&mut self, step: &Step<'_>, scope: Option<&Scope>, rows: &Rows<'_>, page: &Page<'_>) -> Result<()> {
        // The last reading that had the thing, or proved it gone.
        let sighted = |thing: &Thing| thing.missed.or(scope.map(|scope| scope.read_at)).unwrap_or(page.as_of);
        let listed_at = scope.and_then(|scope| scope.listed_at);
        match step {
            Step::New(live, digest) => {
                let id = rows.new_thing(self.scope, live, *digest, &Facts::of(live, rows.key))?;
                let (digest, sight) = (*digest, Arc::downgrade(live));
                self.things.push((live.key.clone(), Thing { id, digest, sight, missed: None, gone: false }));
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
                let update = facts.update(live, rows.key, sighted(thing), rows.at);
                let (key, id) = (&live.key, live.id.clone());
                if thing.gone {
                    rows.keep_former(thing.id, &facts)?;
                    rows.put_thing(thing.id, live, *digest, &Facts::of(live, rows.key))?;
                    let after = listed_at.max(Some(sighted(thing)));
                    self.file(rows, thing.id, page.change(key, id, What::Appeared, after, update.fields))?;
                } else {
                    rows.put_thing(thing.id, live, *digest, &update.facts)?;
                    if !update.fields.is_empty() {
                        let change = page.change(key, id, What::Changed, Some(update.after), update.fields);
                        self.file(rows, thing.id, change)?;
                    }
                }
                let (id, digest, sight) = (thing.id, *digest, Arc::downgrade(live));
                self.things.push((key.clone(), Thing { id, digest, sight, missed: None, gone: false }));
            }
            Step::Back(key, thing) => {
                rows.put_sight(thing.id, None)?;
                self.things.push(((*key).clone(), Thing { missed: None, ..thing.clone() }));
            }
            Step::Gone(key, thing) => {
                let object = rows.bury(thing.id, page.as_of)?;
                let change = page.change(key, object, What::Gone, Some(sighted(thing)), Vec::new());
                self.file(rows, thing.id, change)?;
                let gone = Thing { missed: Some(page.as_of), gone: true, sight: Weak::new(), ..*thing };
                self.things.push(((*key).clone(), gone));
            }
            Step::Missed(key, thing) => {
                let last = sighted(thing);
                rows.put_sight(thing.id, Some(last))?;
                self.things.push((key.clone(), Thing { missed: Some(last), ..thing.clone() }));
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
