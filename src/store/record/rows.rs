//! Rows of the record: how scopes, things and changes are spelled in tables.
//!
//! Decides which columns are written and how many changes of one thing an hour may hold. It
//! compares nothing. [`super`] calls it inside one transaction for each reading.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde_json::Value as Json;

use super::{Scope, Thing};
use crate::core::identity::{ObjectKey, ScopeKey};
use crate::core::observation::Live;
use crate::core::record::facts::Facts;
use crate::core::record::{Attributed, Change, FieldChange, What};
use crate::store::rows::{json, kind, moment, nanoseconds, scope, text};

/// So many changes of one thing are kept apart within an hour; what follows becomes a part of the
/// last one. A thing that flaps with every reading must not push everything else out of the record.
pub(super) const PER_HOUR: i64 = 60;

/// Where one reading is written.
pub(super) struct Rows<'a> {
    pub connection: &'a Connection,
    /// The number of the redaction key.
    pub key: u32,
    /// When the reading was finished.
    pub at: Timestamp,
}

/// All scopes with their things, and how many changes there are.
pub(super) fn load(connection: &Connection) -> Result<(BTreeMap<ScopeKey, Scope>, u64)> {
    let mut scopes: BTreeMap<i64, (ScopeKey, Scope)> = BTreeMap::new();
    let mut statement = connection.prepare("SELECT name, id, read_at, listed_at FROM recorded_scope")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        // What only another version of moored knows stays as it is.
        let Some(name) = scope(row, 0)? else { continue };
        let (id, read_at) = (row.get(1)?, moment(2, row.get(2)?)?);
        let listed_at = time(row, 3)?;
        scopes.insert(id, (name, Scope { id, read_at, stamped_at: read_at, listed_at, things: BTreeMap::new() }));
    }
    let mut statement = connection.prepare("SELECT scope, kind, key, id, digest, seen, gone_at FROM recorded_thing")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let home: i64 = row.get(0)?;
        let (Some((_, scope)), Some(kind)) = (scopes.get_mut(&home), kind(row, 1)?) else { continue };
        let digest: i64 = row.get(4)?;
        let gone: Option<i64> = row.get(6)?;
        let (id, missed, gone) = (row.get(3)?, time(row, 5)?, gone.is_some());
        let thing = Thing { id, digest: digest as u64, sight: Weak::new(), missed, gone };
        scope.things.insert(ObjectKey { kind, key: row.get(2)? }, thing);
    }
    let changes: i64 = connection.query_row("SELECT count(*) FROM recorded_change", [], |row| row.get(0))?;
    Ok((scopes.into_values().collect(), changes as u64))
}

impl Rows<'_> {
    /// A scope that was never read before. Nothing in it has been listed until it is stamped.
    pub fn new_scope(&self, name: &ScopeKey, as_of: Timestamp) -> Result<i64> {
        self.connection.execute(
            "INSERT INTO recorded_scope (name, began, read_at) VALUES (?1, ?2, ?3)",
            params![name.to_string(), nanoseconds(self.at), nanoseconds(as_of)],
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    /// When a scope was read last.
    pub fn stamp(&self, scope: i64, as_of: Timestamp, listed_at: Option<Timestamp>) -> Result<()> {
        let mut stamp = self.connection.prepare_cached(
            "UPDATE recorded_scope SET read_at = ?2, listed_at = coalesce(?3, listed_at) WHERE id = ?1",
        )?;
        stamp.execute(params![scope, nanoseconds(as_of), listed_at.map(nanoseconds)])?;
        Ok(())
    }

    /// A thing that was never seen before.
    pub fn new_thing(&self, scope: i64, live: &Live, digest: u64, facts: &Facts) -> Result<i64> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO recorded_thing (scope, kind, key, object, since, digest, facts) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.insert(params![
            scope,
            live.key.kind,
            live.key.key,
            live.id,
            nanoseconds(self.at),
            digest as i64,
            text(facts)?
        ])
    }

    /// A thing's physical identity and facts, as they were last.
    pub fn thing(&self, thing: i64) -> Result<(Arc<str>, Facts)> {
        let mut select = self.connection.prepare_cached("SELECT object, facts FROM recorded_thing WHERE id = ?1")?;
        select.query_row([thing], |row| Ok((row.get(0)?, json(row, 1)?)))
    }

    /// A thing that is there, with its facts.
    pub fn put_thing(&self, thing: i64, live: &Live, digest: u64, facts: &Facts) -> Result<()> {
        let mut update = self.connection.prepare_cached(
            "UPDATE recorded_thing SET object = ?2, digest = ?3, facts = ?4, seen = NULL, gone_at = NULL \
             WHERE id = ?1",
        )?;
        update.execute(params![thing, live.id, digest as i64, text(facts)?])?;
        Ok(())
    }

    /// When a thing was seen last, where that is not the scope's last reading.
    pub fn put_sight(&self, thing: i64, last: Option<Timestamp>) -> Result<()> {
        let mut update = self.connection.prepare_cached("UPDATE recorded_thing SET seen = ?2 WHERE id = ?1")?;
        update.execute(params![thing, last.map(nanoseconds)])?;
        Ok(())
    }

    /// A thing that is proven gone by a reading that began at `as_of`; its physical identity.
    pub fn bury(&self, thing: i64, as_of: Timestamp) -> Result<Arc<str>> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE recorded_thing SET seen = ?2, gone_at = ?3 WHERE id = ?1 RETURNING object")?;
        update.query_row(params![thing, nanoseconds(as_of), nanoseconds(self.at)], |row| row.get(0))
    }

    /// Changes that were of the thing's former physical identity say so from now on.
    pub fn name_former(&self, thing: i64, object: &str) -> Result<()> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE recorded_change SET object = ?2 WHERE thing = ?1 AND object IS NULL")?;
        update.execute(params![thing, object])?;
        Ok(())
    }

    /// What a thing was that went and is there again: its row will hold the facts of the new one.
    pub fn keep_former(&self, thing: i64, facts: &Facts) -> Result<()> {
        let mut update = self.connection.prepare_cached(
            "UPDATE recorded_change SET facts = ?2 WHERE what = 'gone' AND id = \
             (SELECT id FROM recorded_change WHERE thing = ?1 ORDER BY at DESC, id DESC LIMIT 1)",
        )?;
        update.execute(params![thing, text(facts)?])?;
        Ok(())
    }

    /// A change of its own, with the number that it was given.
    pub fn new_change(&self, thing: i64, mut change: Change) -> Result<Change> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO recorded_change (thing, at, after, what, fields, attributed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        change.id = insert.insert(params![
            thing,
            nanoseconds(change.at),
            change.after.map(nanoseconds),
            change.what.as_str(),
            spell_fields(&change.fields)?,
            spell_attributed(&change.attributed)?
        ])?;
        Ok(change)
    }

    /// The last change of a thing, if the hour before this one is full.
    pub fn last_of_a_full_hour(&self, thing: i64, change: &Change) -> Result<Option<Change>> {
        let hour_ago = change.at.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(change.at);
        let mut count =
            self.connection.prepare_cached("SELECT count(*) FROM recorded_change WHERE thing = ?1 AND at > ?2")?;
        let recent: i64 = count.query_row(params![thing, nanoseconds(hour_ago)], |row| row.get(0))?;
        if recent < PER_HOUR {
            return Ok(None);
        }
        let mut select = self.connection.prepare_cached(
            "SELECT id, at, after, what, fields FROM recorded_change WHERE thing = ?1 ORDER BY at DESC, id DESC LIMIT 1",
        )?;
        let last = select.query_row([thing], |row| {
            Ok(Change {
                id: row.get(0)?,
                at: moment(1, row.get(1)?)?,
                after: time(row, 2)?,
                what: what(row, 3)?,
                fields: fields(row, 4)?,
                ..change.clone()
            })
        });
        last.optional()
    }

    /// A change that stands for more than it did.
    pub fn put_change(&self, change: &Change) -> Result<()> {
        let mut update = self.connection.prepare_cached(
            "UPDATE recorded_change SET at = ?2, what = ?3, object = NULL, fields = ?4, attributed = ?5 WHERE id = ?1",
        )?;
        update.execute(params![
            change.id,
            nanoseconds(change.at),
            change.what.as_str(),
            spell_fields(&change.fields)?,
            spell_attributed(&change.attributed)?
        ])?;
        Ok(())
    }

    /// Removes a change.
    pub fn drop_change(&self, id: i64) -> Result<()> {
        self.connection.prepare_cached("DELETE FROM recorded_change WHERE id = ?1")?.execute([id])?;
        Ok(())
    }
}

/// `[[path, before, after], …]`: the names of the members would be a third of the file.
fn spell_fields(fields: &[FieldChange]) -> Result<String> {
    let triples: Vec<(&str, &Json, &Json)> =
        fields.iter().map(|field| (&*field.path, &field.before, &field.after)).collect();
    text(&triples)
}

/// Fields, as `spell_fields` wrote them.
pub(super) fn fields(row: &Row<'_>, column: usize) -> Result<Vec<FieldChange>> {
    let triples: Vec<(Arc<str>, Json, Json)> = json(row, column)?;
    Ok(triples.into_iter().map(|(path, before, after)| FieldChange { path, before, after }).collect())
}

/// `NULL` is pending, so that an index finds what is.
pub(super) fn spell_attributed(attributed: &Attributed) -> Result<Option<String>> {
    match attributed {
        Attributed::Pending => Ok(None),
        Attributed::By(_) | Attributed::NotVisible(_) => text(attributed).map(Some),
    }
}

/// Who did it, as `spell_attributed` wrote it.
pub(super) fn attributed(row: &Row<'_>, column: usize) -> Result<Attributed> {
    let is_pending = row.get::<_, Option<String>>(column)?.is_none();
    if is_pending { Ok(Attributed::Pending) } else { json(row, column) }
}

/// What a column says has happened.
pub(super) fn what(row: &Row<'_>, column: usize) -> Result<What> {
    let word: String = row.get(column)?;
    What::parse(&word).ok_or_else(|| {
        let problem = format!("`{word}` is no kind of change");
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, problem.into())
    })
}

/// A time that may not be there.
pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column)?.map(|at| moment(column, at)).transpose()
}
