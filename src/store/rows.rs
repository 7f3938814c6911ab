//! Rows: how memory is spelled in tables, and read back.
//!
//! Decides which rows a save writes: only those that differ from the last saved memory. Scopes
//! that are shared with it (the same `Arc`) are not even looked at. An ended finding keeps its row,
//! with the time of its end. [`super::history`] wraps each call in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Result, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use super::schema;
use crate::core::drift::{Finding, FindingKey};
use crate::core::evaluate::Event;
use crate::core::identity::{ObjectKey, ScopeKey};
use crate::core::memory::{DeclaredMemory, Memory, ScopeMemory};

const SEASONED: &str = "seasoned";

/// How long ended findings are kept: 90 days, in nanoseconds.
const KEPT: i64 = 90 * 24 * 3600 * 1_000_000_000;

/// How many ended findings are kept.
const MOST: i64 = 100_000;

/// The memory that the tables hold.
pub(super) fn read(connection: &Connection) -> Result<Memory> {
    let mut scopes: BTreeMap<ScopeKey, ScopeMemory> = BTreeMap::new();
    let mut strangers = 0_u32;

    let mut statement = connection.prepare("SELECT scope, kind, key, json FROM object")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (Some(scope), Some(kind)) = (scope(row, 0)?, kind(row, 1)?) else {
            strangers += 1;
            continue;
        };
        scopes.entry(scope).or_default().objects.insert(ObjectKey { kind, key: row.get(2)? }, json(row, 3)?);
    }

    let mut statement =
        connection.prepare("SELECT scope, kind, environment, name, digest, changed_at FROM declared")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (Some(scope), Some(kind)) = (scope(row, 0)?, kind(row, 1)?) else {
            strangers += 1;
            continue;
        };
        let changed_at: Option<i64> = row.get(5)?;
        let memory =
            DeclaredMemory { digest: digest(row, 4)?, changed_at: changed_at.map(|at| moment(5, at)).transpose()? };
        scopes.entry(scope).or_default().declared.insert((row.get(2)?, kind, row.get(3)?), memory);
    }

    let mut statement = connection.prepare("SELECT scope, kind, json FROM finding WHERE ended_at IS NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (Some(scope), Some(_)) = (scope(row, 0)?, kind(row, 1)?) else {
            strangers += 1;
            continue;
        };
        let finding: Finding = json(row, 2)?;
        scopes.entry(scope).or_default().findings.insert(finding.key.clone(), Arc::new(finding));
    }

    let mut statement = connection.prepare("SELECT scope, environment, name, json FROM census")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(scope) = scope(row, 0)? else {
            strangers += 1;
            continue;
        };
        scopes.entry(scope).or_default().census.insert((row.get(1)?, row.get(2)?), json(row, 3)?);
    }

    if strangers > 0 {
        warn!(
            event = "memory_of_unknown_kinds",
            rows = strangers,
            "the state file remembers things of kinds that this version does not know; they are left out"
        );
    }
    Ok(Memory {
        scopes: scopes.into_iter().map(|(scope, memory)| (scope, Arc::new(memory))).collect(),
        seasoned: schema::meta(connection, SEASONED)?.is_some(),
    })
}

/// Whether there is nothing to write: every scope is still the very one that was saved.
pub(super) fn same(before: &Memory, after: &Memory) -> bool {
    before.seasoned == after.seasoned
        && before.scopes.len() == after.scopes.len()
        && before.scopes.iter().zip(&after.scopes).all(|(old, new)| old.0 == new.0 && Arc::ptr_eq(old.1, new.1))
}

/// Writes what differs between the memory before and after.
pub(super) fn write(
    connection: &Connection,
    before: &Memory,
    after: &Memory,
    events: &[Event],
    at: Timestamp,
) -> Result<()> {
    let nothing = ScopeMemory::default();
    let scopes: BTreeSet<&ScopeKey> = before.scopes.keys().chain(after.scopes.keys()).collect();
    for scope in scopes {
        let (old, new) = (before.scopes.get(scope), after.scopes.get(scope));
        if let (Some(old), Some(new)) = (old, new)
            && Arc::ptr_eq(old, new)
        {
            continue;
        }
        let old = old.map_or(&nothing, |memory| &**memory);
        let new = new.map_or(&nothing, |memory| &**memory);
        let home = Home { connection, scope: scope.to_string(), at };
        home.objects(old, new)?;
        home.declared(old, new)?;
        home.census(old, new)?;
        home.findings(old, new)?;
    }
    for event in events {
        // What opened and ended since the last good save is in neither memory.
        if let Event::Ended(finding) = event
            && !remembers(before, finding)
        {
            let home = Home { connection, scope: finding.scope.to_string(), at };
            home.insert(finding, Some(nanoseconds(at)))?;
        }
    }
    if after.seasoned && !before.seasoned {
        schema::set_meta(connection, SEASONED, "true")?;
    }
    Ok(())
}

/// Removes ended findings that are too old or too many.
pub(super) fn prune(connection: &Connection, at: Timestamp) -> Result<()> {
    let oldest = nanoseconds(at).saturating_sub(KEPT);
    connection.execute("DELETE FROM finding WHERE ended_at IS NOT NULL AND ended_at < ?1", [oldest])?;
    connection.execute(
        "DELETE FROM finding WHERE id IN \
         (SELECT id FROM finding WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, id DESC LIMIT -1 OFFSET ?1)",
        [MOST],
    )?;
    Ok(())
}

fn remembers(memory: &Memory, finding: &Finding) -> bool {
    let mut same_key = memory.scopes.values().filter_map(|scope| scope.findings.get(&finding.key));
    same_key.any(|known| known.since == finding.since)
}

/// The rows of one home scope.
struct Home<'a> {
    connection: &'a Connection,
    scope: String,
    at: Timestamp,
}

impl Home<'_> {
    fn objects(&self, old: &ScopeMemory, new: &ScopeMemory) -> Result<()> {
        let mut delete =
            self.connection.prepare_cached("DELETE FROM object WHERE scope = ?1 AND kind = ?2 AND key = ?3")?;
        for key in old.objects.keys().filter(|key| !new.objects.contains_key(*key)) {
            delete.execute(params![self.scope, key.kind, key.key])?;
        }
        let mut put = self
            .connection
            .prepare_cached("INSERT OR REPLACE INTO object (scope, kind, key, json) VALUES (?1, ?2, ?3, ?4)")?;
        for (key, object) in &new.objects {
            if old.objects.get(key) != Some(object) {
                put.execute(params![self.scope, key.kind, key.key, text(object)?])?;
            }
        }
        Ok(())
    }

    fn declared(&self, old: &ScopeMemory, new: &ScopeMemory) -> Result<()> {
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM declared WHERE scope = ?1 AND environment = ?2 AND kind = ?3 AND name = ?4")?;
        for (environment, kind, name) in old.declared.keys().filter(|key| !new.declared.contains_key(*key)) {
            delete.execute(params![self.scope, environment, kind, name])?;
        }
        let mut put = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO declared (scope, environment, kind, name, digest, changed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (key, memory) in &new.declared {
            if old.declared.get(key) != Some(memory) {
                let (environment, kind, name) = key;
                let digest = format!("{:016x}", memory.digest);
                put.execute(params![self.scope, environment, kind, name, digest, memory.changed_at.map(nanoseconds)])?;
            }
        }
        Ok(())
    }

    fn census(&self, old: &ScopeMemory, new: &ScopeMemory) -> Result<()> {
        let mut delete =
            self.connection.prepare_cached("DELETE FROM census WHERE scope = ?1 AND environment = ?2 AND name = ?3")?;
        for (environment, name) in old.census.keys().filter(|key| !new.census.contains_key(*key)) {
            delete.execute(params![self.scope, environment, name])?;
        }
        let mut put = self
            .connection
            .prepare_cached("INSERT OR REPLACE INTO census (scope, environment, name, json) VALUES (?1, ?2, ?3, ?4)")?;
        for (key, counted) in &new.census {
            if old.census.get(key) != Some(counted) {
                put.execute(params![self.scope, key.0, key.1, text(counted)?])?;
            }
        }
        Ok(())
    }

    fn findings(&self, old: &ScopeMemory, new: &ScopeMemory) -> Result<()> {
        for (key, finding) in &old.findings {
            match new.findings.get(key) {
                None => self.end(key)?,
                // Ended and opened again between two saves: two rows of history.
                Some(next) if next.since != finding.since => {
                    self.end(key)?;
                    self.insert(next, None)?;
                }
                Some(next) if next != finding => self.update(next)?,
                Some(_) => {}
            }
        }
        for (key, finding) in &new.findings {
            if !old.findings.contains_key(key) {
                self.insert(finding, None)?;
            }
        }
        Ok(())
    }

    /// Replacing makes a save that was written, but reported as failed, harmless to repeat.
    fn insert(&self, finding: &Finding, ended_at: Option<i64>) -> Result<()> {
        let key = &finding.key;
        let mut insert = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO finding (scope, environment, kind, name, drift, opened_at, ended_at, held, json) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let (drift, opened_at) = (key.drift.as_str(), nanoseconds(finding.since));
        insert.execute(params![
            self.scope,
            key.environment,
            key.kind,
            key.name,
            drift,
            opened_at,
            ended_at,
            finding.held,
            text(finding)?
        ])?;
        Ok(())
    }

    fn update(&self, finding: &Finding) -> Result<()> {
        let key = &finding.key;
        let mut update = self.connection.prepare_cached(
            "UPDATE finding SET held = ?6, json = ?7 \
             WHERE scope = ?1 AND environment = ?2 AND kind = ?3 AND name = ?4 AND drift = ?5 AND ended_at IS NULL",
        )?;
        update.execute(params![
            self.scope,
            key.environment,
            key.kind,
            key.name,
            key.drift.as_str(),
            finding.held,
            text(finding)?
        ])?;
        Ok(())
    }

    fn end(&self, key: &FindingKey) -> Result<()> {
        let mut end = self.connection.prepare_cached(
            "UPDATE finding SET ended_at = ?6 \
             WHERE scope = ?1 AND environment = ?2 AND kind = ?3 AND name = ?4 AND drift = ?5 AND ended_at IS NULL",
        )?;
        end.execute(params![
            self.scope,
            key.environment,
            key.kind,
            key.name,
            key.drift.as_str(),
            nanoseconds(self.at)
        ])?;
        Ok(())
    }
}

/// A time as a number that sorts; what lies beyond the years 1677 to 2262 is brought to their end.
pub(super) fn nanoseconds(at: Timestamp) -> i64 {
    let exact = at.as_nanosecond();
    i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
}

/// The time that a column says.
pub(super) fn moment(column: usize, nanoseconds: i64) -> Result<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds.into())
        .map_err(|error| Error::FromSqlConversionFailure(column, Type::Integer, error.into()))
}

/// The value that a column spells as JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// A value as JSON.
pub(super) fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

/// The scope that a column names; `None` for one that only another version of moored knows.
pub(super) fn scope(row: &Row<'_>, column: usize) -> Result<Option<ScopeKey>> {
    let text: String = row.get(column)?;
    Ok(ScopeKey::parse(&text))
}

/// The kind that a column names; `None` for one that only another version of moored knows.
pub(super) fn kind(row: &Row<'_>, column: usize) -> Result<Option<&'static str>> {
    let text: String = row.get(column)?;
    Ok(crate::kinds::find(&text).map(|entry| entry.kind.name()))
}

fn digest(row: &Row<'_>, column: usize) -> Result<u64> {
    let text: String = row.get(column)?;
    u64::from_str_radix(&text, 16).map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}
