//! Pruning the record: by age and by number, a little at a time.
//!
//! Decides what is forgotten: changes older than 90 days, the oldest ones beyond a million or beyond
//! a gibibyte, things that have been gone or unseen for 90 days, scopes not read for as long. One
//! reading removes a few thousand rows at most, so that no save takes long; the pages are used
//! again. A clock that jumps forward must not cost the record, so nothing is too old until the time
//! has been sound for an hour. [`super`] calls it in the transactions of a reading.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Result};

use crate::store::rows::nanoseconds;
use crate::store::schema;

/// How long the past is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How many changes are kept.
const MOST: u64 = 1_000_000;

/// How large the file may be before the oldest changes go: 10,000 things of which 1 % change each
/// hour need less than a third. A bound on rows alone is none, since one change may be large.
const MOST_BYTES: u64 = 1 << 30;

/// How many rows one reading removes at most; more only where it wrote more.
const BATCH: u64 = 2_000;

/// How many things are forgotten at once.
const THINGS: i64 = 200;

/// How often the age of rows is looked at.
const EVERY: SignedDuration = SignedDuration::from_secs(60);

/// A step of the clock that no reading takes.
const JUMP_BACK: SignedDuration = SignedDuration::from_hours(1);
const JUMP_AHEAD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long the clock must have been sound after one.
const PROBATION: SignedDuration = SignedDuration::from_hours(1);

/// The newest time of which a change was removed: the record is whole from there on.
pub(super) const HORIZON: &str = "recorder_horizon";

/// When something was pruned, and whether the clock can be believed.
#[derive(Debug)]
pub(super) struct Pruning {
    heard: Option<Timestamp>,
    distrusted_until: Option<Timestamp>,
    looked_at: Option<Timestamp>,
    /// How large the file may be.
    pub most_bytes: u64,
}

impl Default for Pruning {
    fn default() -> Self {
        Self { heard: None, distrusted_until: None, looked_at: None, most_bytes: MOST_BYTES }
    }
}

/// What was removed.
#[derive(Debug, Default)]
pub(super) struct Pruned {
    /// How many changes.
    pub changes: u64,
    /// Which things.
    pub things: BTreeSet<i64>,
    /// Which scopes.
    pub scopes: BTreeSet<i64>,
}

impl Pruning {
    /// After a restart: the last reading was recorded then.
    pub fn after(last: Option<Timestamp>) -> Self {
        Self { heard: last, ..Self::default() }
    }

    /// Hears what time it is.
    pub fn hear(&mut self, at: Timestamp) {
        let step = self.heard.map_or(SignedDuration::ZERO, |heard| at.duration_since(heard));
        if step > JUMP_AHEAD || step < -JUMP_BACK {
            self.distrusted_until = Some(at.saturating_add(PROBATION).unwrap_or(at));
        }
        self.heard = Some(at);
    }

    /// Removes the oldest changes where there are too many, or where they are too large: how many
    /// it removed. `held` changes are in the table, `added` of them new.
    pub fn make_room(&self, connection: &Connection, held: u64, added: u64) -> Result<u64> {
        let batch = BATCH.max(added);
        if held > MOST {
            return cut(connection, i64::MAX, (held - MOST).min(batch));
        }
        if bytes(connection)? > self.most_bytes {
            return cut(connection, i64::MAX, batch);
        }
        Ok(0)
    }

    /// Removes what is too old, once a minute. The reading's scope must bear its new time by then.
    pub fn forget(&mut self, connection: &Connection, at: Timestamp, pruned: &mut Pruned) -> Result<()> {
        let trusted = self.distrusted_until.is_none_or(|until| at >= until);
        let due = self.looked_at.is_none_or(|last| at.duration_since(last).abs() >= EVERY);
        if trusted && due {
            self.looked_at = Some(at);
            let oldest = nanoseconds(at.saturating_sub(KEPT).unwrap_or(Timestamp::MIN));
            pruned.changes += cut(connection, oldest, BATCH)?;
            forget(connection, oldest, pruned)?;
        }
        Ok(())
    }
}

/// What the file holds, without pages that wait to be used again.
fn bytes(connection: &Connection) -> Result<u64> {
    let pragma = |sql: &str| -> Result<u64> {
        let value: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(value.unsigned_abs())
    };
    let used = pragma("PRAGMA page_count")?.saturating_sub(pragma("PRAGMA freelist_count")?);
    Ok(used.saturating_mul(pragma("PRAGMA page_size")?))
}

/// Removes the oldest changes before this time, and keeps in mind up to when.
fn cut(connection: &Connection, before: i64, most: u64) -> Result<u64> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(at) FROM (SELECT at FROM recorded_change WHERE at < ?1 ORDER BY at, id LIMIT ?2)")?
        .query_row([before, most], |row| row.get(0))?;
    let Some(newest) = newest else { return Ok(0) };
    let removed = connection
        .prepare_cached(
            "DELETE FROM recorded_change WHERE id IN \
             (SELECT id FROM recorded_change WHERE at < ?1 ORDER BY at, id LIMIT ?2)",
        )?
        .execute([before, most])?;
    if horizon(connection)?.is_none_or(|known| known < newest) {
        schema::set_meta(connection, HORIZON, &newest.to_string())?;
    }
    Ok(removed as u64)
}

/// Up to when changes were removed, if any were.
pub(super) fn horizon(connection: &Connection) -> Result<Option<i64>> {
    Ok(schema::meta(connection, HORIZON)?.and_then(|text| text.parse().ok()))
}

/// Removes things that nobody has seen for so long, with what is left of their changes.
fn forget(connection: &Connection, oldest: i64, pruned: &mut Pruned) -> Result<()> {
    let select = |sql: &str, values: [i64; 2]| -> Result<Vec<i64>> {
        connection.prepare_cached(sql)?.query_map(values, |row| row.get(0))?.collect()
    };
    let mut things = select("SELECT id FROM recorded_thing WHERE seen < ?1 LIMIT ?2", [oldest, THINGS])?;
    for scope in select("SELECT id FROM recorded_scope WHERE read_at < ?1 LIMIT ?2", [oldest, THINGS])? {
        let left = select("SELECT id FROM recorded_thing WHERE scope = ?1 LIMIT ?2", [scope, THINGS])?;
        if left.is_empty() {
            connection.execute("DELETE FROM recorded_scope WHERE id = ?1", [scope])?;
            pruned.scopes.insert(scope);
        }
        things.extend(left);
    }
    for thing in things {
        let changes = connection.prepare_cached("DELETE FROM recorded_change WHERE thing = ?1")?.execute([thing])?;
        connection.prepare_cached("DELETE FROM recorded_thing WHERE id = ?1")?.execute([thing])?;
        pruned.changes += changes as u64;
        pruned.things.insert(thing);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap()
    }

    #[test]
    fn a_clock_that_jumped_is_not_believed_for_an_hour() {
        let mut pruning = Pruning::after(Some(at(0)));
        pruning.hear(at(1));
        assert_eq!(pruning.distrusted_until, None, "an hour without readings is no jump");
        pruning.hear(at(365 * 24));
        assert_eq!(pruning.distrusted_until, Some(at(365 * 24 + 1)));
        pruning.hear(at(2));
        assert_eq!(pruning.distrusted_until, Some(at(3)), "set right again");
    }
}
