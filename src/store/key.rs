//! The redaction key: 32 bytes in a file beside the state.
//!
//! Decides where the key lives, who may read it, and that it is made once. It never shows it: the
//! key leaves this file only as the argument of `Redactor::new`. The CLI calls it at the start.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{StoreError, beside};

/// The permission bits of those who are neither owner nor group. The group may read: Kubernetes
/// gives files on a volume with `fsGroup` to the group, whatever mode they were made with.
const OTHERS: u32 = 0o007;

/// The key beside this state file (`STATE.key`); made when there is none.
pub fn redaction_key(state: &Path) -> Result<[u8; 32], StoreError> {
    let path = beside(state, ".key");
    match File::open(&path) {
        Ok(file) => read(&path, file),
        Err(error) if error.kind() == ErrorKind::NotFound => create(&path),
        Err(error) => Err(problem(&path, format!("cannot be read: {error}; it must be readable for this user"))),
    }
}

/// A key for one run: hashes made with it compare with each other and with nothing else.
pub fn ephemeral_key() -> Result<[u8; 32], StoreError> {
    random()
}

/// Bytes from the system's generator.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; N];
    let read = File::open(path).and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(|error| problem(path, format!("no randomness for a new key: {error}")))?;
    Ok(bytes)
}

fn read(path: &Path, file: File) -> Result<[u8; 32], StoreError> {
    let metadata = file.metadata().map_err(|error| problem(path, format!("cannot be read: {error}")))?;
    if metadata.permissions().mode() & OTHERS != 0 {
        return Err(problem(path, format!("other users may read or write it; run: chmod 600 {}", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(33).read_to_end(&mut bytes).map_err(|error| problem(path, format!("cannot be read: {error}")))?;
    let wrong_length = |_| {
        let detail = "it does not hold exactly 32 bytes; put back the right one, or remove it and a new one is made \
                      (secrets read before then cannot be compared with those read after)";
        problem(path, detail.to_owned())
    };
    <[u8; 32]>::try_from(bytes).map_err(wrong_length)
}

fn create(path: &Path) -> Result<[u8; 32], StoreError> {
    let key: [u8; 32] = random()?;
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&key)?;
        file.sync_all()
    };
    write().map_err(|error| {
        problem(path, format!("cannot be made: {error}; its directory must exist and be writable for this user"))
    })?;
    Ok(key)
}

fn problem(path: &Path, problem: String) -> StoreError {
    StoreError::Key { path: path.display().to_string(), problem }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::{Permissions, metadata, set_permissions, write};

    use super::*;
    use crate::store::scratch::Scratch;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_may_read_it() {
        let scratch = Scratch::new("key-made");
        let state = scratch.file("moored.db");
        let key = redaction_key(&state).unwrap();
        assert_eq!(redaction_key(&state).unwrap(), key);
        assert_eq!(metadata(scratch.file("moored.db.key")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(ephemeral_key().unwrap(), key);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_but_the_group_may() {
        let scratch = Scratch::new("key-open");
        let (state, file) = (scratch.file("moored.db"), scratch.file("moored.db.key"));
        redaction_key(&state).unwrap();
        for (mode, accepted) in [(0o660, true), (0o644, false), (0o602, false)] {
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(redaction_key(&state).is_ok(), accepted, "{mode:o}");
        }
        assert!(redaction_key(&state).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused_without_showing_it() {
        let scratch = Scratch::new("key-length");
        let (state, file) = (scratch.file("moored.db"), scratch.file("moored.db.key"));
        redaction_key(&state).unwrap();
        for content in ["", "hunter2", "a passphrase that is clearly longer than thirty-two bytes"] {
            write(&file, content).unwrap();
            let text = redaction_key(&state).unwrap_err().to_string();
            assert!(text.contains("exactly 32 bytes") && (content.is_empty() || !text.contains(content)), "{text}");
        }
    }
}
