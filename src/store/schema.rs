//! The state file: how it is opened, made, and recognised.
//!
//! Decides whether a file is ours, whole, of a version we know, and not in use; it never changes a
//! file that is not ours. A file of an earlier version is brought up to date in one transaction by
//! whoever may write it; a reader leaves it as it is. [`super::history`] calls it once at the start.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{StoreError, beside, key};

/// The version of the tables below.
pub(super) const VERSION: i64 = 2;

/// Marks a SQLite file as moored's ("moor" in ASCII).
const APPLICATION: i64 = 0x6d6f_6f72;

/// How long a statement waits for a reader or a checkpoint of another process.
const PATIENCE: Duration = Duration::from_secs(5);

/// So large the write-ahead log may stay after a reading that wrote much.
const LOG_BYTES: i64 = 64 << 20;

const TABLES: &str = "
    CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE object (
        scope TEXT NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        json TEXT NOT NULL,
        PRIMARY KEY (scope, kind, key)
    ) WITHOUT ROWID;
    CREATE TABLE declared (
        scope TEXT NOT NULL,
        environment TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        digest TEXT NOT NULL,
        changed_at INTEGER,
        PRIMARY KEY (scope, environment, kind, name)
    ) WITHOUT ROWID;
    CREATE TABLE finding (
        id INTEGER PRIMARY KEY,
        scope TEXT NOT NULL,
        environment TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        drift TEXT NOT NULL,
        opened_at INTEGER NOT NULL,
        ended_at INTEGER,
        held INTEGER NOT NULL,
        json TEXT NOT NULL
    );
    CREATE UNIQUE INDEX finding_open ON finding (scope, environment, kind, name, drift) WHERE ended_at IS NULL;
    CREATE INDEX finding_ended ON finding (ended_at) WHERE ended_at IS NOT NULL;
    CREATE INDEX finding_opened ON finding (opened_at);
";

/// What version 2 added: the flight recorder. Scopes and things are named once, and by number
/// everywhere else. `object` of a change stands only where the thing's is another one by now, and
/// `facts` only where a thing that was gone is there again. Deleted pages are used again, so the
/// file does not grow beyond what was once recorded at the same time.
const RECORDER: &str = "
    CREATE TABLE recorded_scope (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        began INTEGER NOT NULL,
        read_at INTEGER NOT NULL,
        listed_at INTEGER
    );
    CREATE TABLE recorded_thing (
        id INTEGER PRIMARY KEY,
        scope INTEGER NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        object TEXT NOT NULL,
        since INTEGER NOT NULL,
        seen INTEGER,
        gone_at INTEGER,
        digest INTEGER NOT NULL,
        facts TEXT NOT NULL,
        UNIQUE (scope, kind, key)
    );
    CREATE INDEX recorded_thing_seen ON recorded_thing (seen) WHERE seen IS NOT NULL;
    CREATE TABLE recorded_change (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        thing INTEGER NOT NULL,
        at INTEGER NOT NULL,
        after INTEGER,
        what TEXT NOT NULL,
        object TEXT,
        fields TEXT NOT NULL,
        facts TEXT,
        attributed TEXT
    );
    CREATE INDEX recorded_change_thing ON recorded_change (thing, at);
    CREATE INDEX recorded_change_at ON recorded_change (at);
    CREATE INDEX recorded_change_pending ON recorded_change (at) WHERE attributed IS NULL;
";

/// What version 2 added besides: what inventories counted, and holds.
const BESIDES: &str = "
    CREATE TABLE census (
        scope TEXT NOT NULL,
        environment TEXT NOT NULL,
        name TEXT NOT NULL,
        json TEXT NOT NULL,
        PRIMARY KEY (scope, environment, name)
    ) WITHOUT ROWID;
    CREATE TABLE hold (
        id INTEGER PRIMARY KEY,
        application TEXT NOT NULL,
        environment TEXT,
        reason TEXT NOT NULL,
        by TEXT NOT NULL,
        began INTEGER NOT NULL,
        until INTEGER NOT NULL
    );
    CREATE INDEX hold_until ON hold (until);
";

/// Opens the state file for the one process that writes it. The lock is held as long as the
/// returned file is.
pub(super) fn open(path: &Path) -> Result<(Connection, File), StoreError> {
    refuse_directory(path)?;
    let lock = lock(path)?;
    make(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(path, flags)?;
    if is_empty(path, &connection)? {
        create(path, &mut connection)?;
    } else {
        let version = recognise(path, &connection)?;
        check(path, &connection)?;
        if version < VERSION {
            migrate(&mut connection).map_err(|error| StoreError::sqlite(path, &error))?;
        }
    }
    tune(&connection).map_err(|error| StoreError::sqlite(path, &error))?;
    Ok((connection, lock))
}

/// Opens the state file beside the daemon that writes it; with its version, which may be an earlier one.
pub(super) fn open_read_only(path: &Path) -> Result<(Connection, i64), StoreError> {
    refuse_directory(path)?;
    if !path.exists() {
        return Err(StoreError::Absent { path: path.display().to_string() });
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    if is_empty(path, &connection)? {
        return Err(StoreError::Foreign { path: path.display().to_string(), reason: "it is empty".to_owned() });
    }
    let version = recognise(path, &connection)?;
    Ok((connection, version))
}

/// Opens the state file to write a row beside the daemon, which holds the lock and may be writing.
pub(super) fn open_beside(path: &Path) -> Result<Connection, StoreError> {
    refuse_directory(path)?;
    if !path.exists() {
        return Err(StoreError::Absent { path: path.display().to_string() });
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    if is_empty(path, &connection)? {
        return Err(StoreError::Foreign { path: path.display().to_string(), reason: "it is empty".to_owned() });
    }
    match recognise(path, &connection)? {
        VERSION => Ok(connection),
        _ => Err(StoreError::Unusable {
            path: path.display().to_string(),
            reason: "an older moored made it; start this version's daemon on it once".to_owned(),
        }),
    }
}

fn refuse_directory(path: &Path) -> Result<(), StoreError> {
    let text = path.display().to_string();
    if path.is_dir() || text.ends_with('/') {
        return Err(StoreError::IsDirectory { path: text.trim_end_matches('/').to_owned() });
    }
    Ok(())
}

/// An advisory lock (flock) on a file of its own: SQLite's locks end with each transaction, and
/// two daemons on one memory would each undo what the other learnt. The system drops it with the
/// process, so a crash leaves nothing to clean up.
fn lock(path: &Path) -> Result<File, StoreError> {
    let beside = beside(path, ".lock");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&beside);
    let file = file.map_err(|error| StoreError::unusable(&beside, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(StoreError::unusable(&beside, &error)),
    }
}

/// Makes the file if there is none. What runs is nobody else's business, not for a moment.
fn make(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(StoreError::unusable(path, &error)),
        _ => Ok(()),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connect = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(PATIENCE)?;
        Ok(connection)
    };
    connect().map_err(|error| StoreError::sqlite(path, &error))
}

fn is_empty(path: &Path, connection: &Connection) -> Result<bool, StoreError> {
    let tables: rusqlite::Result<i64> =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0));
    tables.map(|tables| tables == 0).map_err(|error| StoreError::sqlite(path, &error))
}

fn create(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    let install: String = key::random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut create = || -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.execute_batch(TABLES)?;
        transaction.execute_batch(RECORDER)?;
        transaction.execute_batch(BESIDES)?;
        for (key, value) in [("schema", VERSION.to_string()), ("install", install.clone())] {
            transaction.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", (key, value))?;
        }
        transaction.commit()
    };
    create().map_err(|error| StoreError::sqlite(path, &error))?;
    // The empty file may have been somebody else's making.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| StoreError::unusable(path, &error))
}

/// From version 1, which knew no recorder.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(RECORDER)?;
    transaction.execute_batch(BESIDES)?;
    set_meta(&transaction, "schema", &VERSION.to_string())?;
    transaction.commit()
}

/// The version of the file, if it is ours and the version one that this program knows.
fn recognise(path: &Path, connection: &Connection) -> Result<i64, StoreError> {
    let application: rusqlite::Result<i64> = connection.query_row("PRAGMA application_id", [], |row| row.get(0));
    if application.map_err(|error| StoreError::sqlite(path, &error))? != APPLICATION {
        let reason = "a SQLite database of another program".to_owned();
        return Err(StoreError::Foreign { path: path.display().to_string(), reason });
    }
    let version = meta(connection, "schema").map_err(|error| StoreError::sqlite(path, &error))?;
    match version.as_deref().and_then(|version| version.parse::<i64>().ok()) {
        Some(found @ 1..=VERSION) => Ok(found),
        Some(found) if found > VERSION => {
            Err(StoreError::Newer { path: path.display().to_string(), found, known: VERSION })
        }
        _ => Err(StoreError::Damaged {
            path: path.display().to_string(),
            reason: "it does not say its version".to_owned(),
        }),
    }
}

/// Reads every page once: better an error now than in the middle of an incident.
fn check(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let verdict: rusqlite::Result<String> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(StoreError::Damaged { path: path.display().to_string(), reason: super::one_line(&verdict) }),
        Err(error) => Err(StoreError::sqlite(path, &error)),
    }
}

/// With a write-ahead log readers never wait for the writer. `NORMAL` does not sync at each commit:
/// a power cut may lose the last passes, never the file, and the next pass finds what was lost.
fn tune(connection: &Connection) -> rusqlite::Result<()> {
    // Where the file system cannot have one, SQLite keeps its journal; that works too.
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)
}

/// One value of the `meta` table.
pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

/// Sets one value of the `meta` table.
pub(super) fn set_meta(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", (key, value))?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::scratch::Scratch;

    fn refusal(path: &Path) -> String {
        let text = open(path).err().unwrap().to_string();
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
        let scratch = Scratch::new("schema-foreign");
        let text = scratch.file("notes.txt");
        let notes = "these are my notes, please keep them\n".repeat(200);
        std::fs::write(&text, &notes).unwrap();
        assert!(refusal(&text).contains("no state file of moored"));
        assert_eq!(std::fs::read_to_string(&text).unwrap(), notes);

        let other = scratch.file("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE meta (song TEXT)").unwrap();
        assert!(refusal(&other).contains("of another program"));
    }

    #[test]
    fn the_file_is_its_owners_alone_from_the_first_moment() {
        let scratch = Scratch::new("schema-private");
        let path = scratch.file("moored.db");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        make(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        let (connection, _lock) = open(&path).unwrap();
        connection.execute_batch("CREATE TABLE more (a)").unwrap();
        assert_eq!((mode(&path), mode(&beside(&path, "-wal"))), (0o600, 0o600));
        let limit: i64 = connection.query_row("PRAGMA journal_size_limit", [], |row| row.get(0)).unwrap();
        assert_eq!(limit, LOG_BYTES);
    }

    #[test]
    fn a_file_of_a_newer_version_is_refused() {
        let scratch = Scratch::new("schema-newer");
        let path = scratch.file("moored.db");
        drop(open(&path).unwrap());
        set_meta(&Connection::open(&path).unwrap(), "schema", "3").unwrap();
        assert!(refusal(&path).contains("written by a newer moored (schema 3, this one knows 2)"));
    }

    #[test]
    fn a_file_of_the_first_version_is_brought_up_to_date_and_keeps_what_it_holds() {
        let scratch = Scratch::new("schema-first");
        let path = scratch.file("moored.db");
        let first = Connection::open(&path).unwrap();
        first.pragma_update(None, "application_id", APPLICATION).unwrap();
        first.execute_batch(TABLES).unwrap();
        set_meta(&first, "schema", "1").unwrap();
        set_meta(&first, "install", "0123").unwrap();
        drop(first);
        assert_eq!(open_read_only(&path).unwrap().1, 1, "a reader leaves it as it is");

        let (connection, lock) = open(&path).unwrap();
        connection.execute_batch("SELECT id FROM recorded_change").unwrap();
        assert_eq!(meta(&connection, "install").unwrap().as_deref(), Some("0123"));
        drop((connection, lock));
        assert_eq!(open_read_only(&path).unwrap().1, VERSION);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let scratch = Scratch::new("schema-damaged");
        let path = scratch.file("moored.db");
        drop(open(&path).unwrap());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xff);
        std::fs::write(&path, &bytes).unwrap();
        assert!(refusal(&path).contains("is damaged"));
    }

    #[test]
    fn a_directory_or_a_place_that_cannot_be_written_is_refused_with_a_hint() {
        let scratch = Scratch::new("schema-places");
        assert!(refusal(scratch.path()).contains("/moored.db"));
        assert!(refusal(&scratch.file("absent/moored.db")).contains("its directory must exist"));
    }

    #[test]
    fn two_processes_never_share_a_file_but_a_reader_may_look() {
        let scratch = Scratch::new("schema-locked");
        let path = scratch.file("moored.db");
        assert!(matches!(open_read_only(&path), Err(StoreError::Absent { .. })));
        let held = open(&path).unwrap();
        assert!(refusal(&path).contains("in use by another moored"));
        assert!(open_read_only(&path).is_ok());
        drop(held);
        assert!(open(&path).is_ok());
    }
}
