//! Redaction: values that may be secret become keyed hashes where they are parsed.
//!
//! Decides what two equal secrets look like without saying what they are: HMAC-SHA256 under a
//! 32-byte key over kind, name, path and value, so that equal values of two things do not look
//! equal. Kinds hash the declared side, scopes the live side; nobody stores the value.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::value::Value;

/// The keyed hash of one installation.
#[derive(Clone)]
pub struct Redactor {
    mac: Hmac<Sha256>,
    id: Arc<str>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({})", self.id)
    }
}

impl Redactor {
    /// A redactor with this key.
    pub fn new(key: &[u8; 32]) -> Self {
        // A 32-byte key always fits; the fallback keeps this total without a panic path.
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
        let id = digest(mac.clone(), &["key-id"]);
        Self { mac, id: format!("{:016x}", (id >> 64) as u64).into() }
    }

    /// Names the key without revealing it: stored beside hashes, so that a changed key is noticed.
    pub fn key_id(&self) -> &Arc<str> {
        &self.id
    }

    /// A short keyed hash of anything, for "did it change?".
    pub fn fingerprint(&self, bytes: &[u8]) -> u64 {
        let mut mac = self.mac.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
    }

    /// The hash of a value, which is shown only where `visible` lists its name.
    pub fn secret(
        &self,
        kind: &str,
        id: &str,
        path: &str,
        name: &str,
        value: &str,
        visible: &BTreeSet<Arc<str>>,
    ) -> Value {
        let shown = visible.contains(name).then(|| value.into());
        Value::secret(digest(self.mac.clone(), &[kind, id, path, value]), shown)
    }
}

/// Length-prefixed, so that no two lists of parts hash alike.
fn digest(mut mac: Hmac<Sha256>, parts: &[&str]) -> u128 {
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().iter().take(16).fold(0, |hash, byte| (hash << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_of_two_things_do_not_look_equal() {
        let redactor = Redactor::new(&[7; 32]);
        let none = BTreeSet::new();
        let of = |id: &str, value: &str| redactor.secret("EcsService", id, "env.PASSWORD", "PASSWORD", value, &none);
        assert_eq!(of("a", "hunter2"), of("a", "hunter2"));
        assert_ne!(of("a", "hunter2"), of("b", "hunter2"));
        assert_ne!(of("a", "hunter2"), of("a", "hunter3"));
        assert_ne!(
            of("a", "hunter2"),
            Redactor::new(&[8; 32]).secret("EcsService", "a", "env.PASSWORD", "PASSWORD", "hunter2", &none)
        );
    }
}
