//! Holds in the state file: made beside the daemon that runs, which sees them within seconds.
//!
//! Decides that a hold can be made while the daemon holds the file's lock: it is one row, written
//! in one transaction, and nothing that the daemon remembers. `moored hold` and the API call it;
//! the daemon asks [`super::History::holds`].

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Result, params};

use super::{StoreError, rows, schema};
use crate::core::hold::Hold;

/// The most holds that are kept: who makes more does not work by hand.
const MOST: i64 = 1_000;

/// Makes a hold.
pub fn begin(path: &Path, hold: &Hold) -> std::result::Result<(), StoreError> {
    let connection = schema::open_beside(path)?;
    insert(&connection, hold).map_err(|error| StoreError::sqlite(path, &error))
}

/// Ends the holds of an application that are in force; how many there were.
pub fn end(
    path: &Path,
    application: &str,
    environment: Option<&str>,
    now: Timestamp,
) -> std::result::Result<usize, StoreError> {
    let connection = schema::open_beside(path)?;
    let ended = connection.execute(
        "UPDATE hold SET until = ?3 WHERE application = ?1 AND until > ?3 AND (?2 IS NULL OR environment = ?2)",
        params![application, environment, rows::nanoseconds(now)],
    );
    ended.map_err(|error| StoreError::sqlite(path, &error))
}

/// The holds in force.
pub fn in_force(path: &Path, now: Timestamp) -> std::result::Result<Vec<Hold>, StoreError> {
    let connection = schema::open_beside(path)?;
    read(&connection, now).map_err(|error| StoreError::sqlite(path, &error))
}

fn insert(connection: &Connection, hold: &Hold) -> Result<()> {
    connection.execute("DELETE FROM hold WHERE id <= (SELECT max(id) FROM hold) - ?1", [MOST])?;
    connection.execute(
        "INSERT INTO hold (application, environment, reason, by, began, until) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            hold.application,
            hold.environment,
            hold.reason,
            hold.by,
            rows::nanoseconds(hold.from),
            rows::nanoseconds(hold.until)
        ],
    )?;
    Ok(())
}

/// The holds that are not over, in the order in which they were made.
pub(super) fn read(connection: &Connection, now: Timestamp) -> Result<Vec<Hold>> {
    let mut statement = connection.prepare_cached(
        "SELECT application, environment, reason, by, began, until FROM hold WHERE until > ?1 ORDER BY id",
    )?;
    let mut found = statement.query([rows::nanoseconds(now)])?;
    let mut holds = Vec::new();
    while let Some(row) = found.next()? {
        holds.push(Hold {
            application: row.get(0)?,
            environment: row.get(1)?,
            reason: row.get(2)?,
            by: row.get(3)?,
            from: rows::moment(4, row.get(4)?)?,
            until: rows::moment(5, row.get(5)?)?,
        });
    }
    Ok(holds)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::store::scratch::Scratch;
    use crate::store::{History, SqliteHistory};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + minute * 60).unwrap()
    }

    #[test]
    fn a_hold_is_made_beside_the_daemon_and_seen_by_it() {
        let scratch = Scratch::new("hold");
        let path = scratch.file("moored.db");
        assert!(matches!(in_force(&path, at(0)), Err(StoreError::Absent { .. })));
        let daemon = SqliteHistory::open(&path).unwrap();
        let hold = |environment: Option<&str>| {
            Hold::begin("api", environment, "deploy", "alice", at(0), SignedDuration::from_mins(15)).unwrap()
        };
        begin(&path, &hold(None)).unwrap();
        begin(&path, &hold(Some("staging"))).unwrap();
        assert_eq!(daemon.holds(at(1)).unwrap(), [hold(None), hold(Some("staging"))]);
        assert_eq!(end(&path, "api", Some("staging"), at(2)).unwrap(), 1);
        assert_eq!(in_force(&path, at(2)).unwrap(), [hold(None)]);
        assert_eq!(end(&path, "web", None, at(2)).unwrap(), 0);
        assert_eq!(daemon.holds(at(15)).unwrap(), []);
    }
}
