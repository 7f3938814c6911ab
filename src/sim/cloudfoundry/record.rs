//! What every row of the simulated Cloud Controller has, and the tables that hold the rows.
//!
//! Decides the order of lists: by insertion, as CC's default `id asc`, so that new rows land at the
//! end. It never knows what a row means. Every world part keeps its rows in a [`Table`].

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::sim::world::faults::splitmix64;

/// Labels and annotations.
#[derive(Clone, Default)]
pub struct Metadata {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// The columns that every row has.
#[derive(Clone)]
pub struct Record {
    pub guid: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub metadata: Metadata,
}

impl Record {
    pub fn new(guid: String, now: Timestamp) -> Self {
        Self { guid, created_at: now, updated_at: now, metadata: Metadata::default() }
    }
}

/// A row of a table.
pub trait Entity {
    fn record(&self) -> &Record;

    /// The name by which lists can be ordered.
    fn name(&self) -> &str {
        ""
    }

    /// The position by which the list of buildpacks is ordered.
    fn position(&self) -> usize {
        0
    }
}

/// Rows in the order of their insertion, found by guid.
#[derive(Clone)]
pub struct Table<T> {
    rows: BTreeMap<u64, T>,
    ids: BTreeMap<String, u64>,
    last: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), ids: BTreeMap::new(), last: 0 }
    }
}

impl<T: Entity> Table<T> {
    pub fn insert(&mut self, row: T) {
        self.last += 1;
        self.ids.insert(row.record().guid.clone(), self.last);
        self.rows.insert(self.last, row);
    }

    pub fn get(&self, guid: &str) -> Option<&T> {
        let id = self.ids.get(guid)?;
        self.rows.get(id)
    }

    pub fn get_mut(&mut self, guid: &str) -> Option<&mut T> {
        let id = self.ids.get(guid)?;
        self.rows.get_mut(id)
    }

    pub fn remove(&mut self, guid: &str) -> Option<T> {
        let id = self.ids.remove(guid)?;
        self.rows.remove(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.values_mut()
    }

    /// The guids of the rows that pass, in their order.
    pub fn guids(&self, mut passes: impl FnMut(&T) -> bool) -> Vec<String> {
        self.rows.values().filter(|row| passes(row)).map(|row| row.record().guid.clone()).collect()
    }
}

/// A guid that looks like a random one (version 4) and depends on nothing but its arguments.
pub fn guid(foundation: &str, serial: u64, name: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in foundation.bytes().chain(name.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let high = splitmix64(hash ^ serial);
    let low = splitmix64(high ^ hash);
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0x0fff,
        0x8000 | ((low >> 48) & 0x3fff),
        low & 0xffff_ffff_ffff
    )
}

/// A time as CC writes it: whole seconds.
pub fn stamp(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_looks_random_and_is_not() {
        let one = guid("api.example.com", 1, "web");
        assert_eq!(one, guid("api.example.com", 1, "web"));
        assert_ne!(one, guid("api.example.com", 2, "web"));
        assert_ne!(one, guid("api.example.org", 1, "web"));
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{one}");
        assert!(one.split('-').nth(2).is_some_and(|part| part.starts_with('4')), "{one}");
    }
}
