//! How CC shows its rows: the presenters, field for field as recorded and documented.
//!
//! Decides the shape of every JSON answer, and what lists hide from everyone. It never decides who
//! sees a row, and changes nothing. Reading and writing both answer with these.

mod apps;
mod platform;
mod services;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::Caller;
use super::faults::Effect;
use super::record::{Metadata, Record, stamp};
use super::state::State;

pub use apps::Secrets;

/// The foundation as one request sees it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub state: &'a State,
    pub caller: &'a Caller,
    pub base: &'a str,
    pub now: Timestamp,
    pub effect: Option<&'a Effect>,
    pub page_limit: Option<usize>,
}

impl View<'_> {
    /// Whether the API is this new.
    pub fn since(&self, major: u32, minor: u32) -> bool {
        self.state.api >= (major, minor, 0)
    }

    fn link(&self, path: &str) -> Value {
        json!({"href": format!("{}{path}", self.base)})
    }

    fn action(&self, path: &str) -> Value {
        json!({"href": format!("{}{path}", self.base), "method": "POST"})
    }
}

fn metadata(metadata: &Metadata) -> Value {
    json!({"labels": metadata.labels, "annotations": metadata.annotations})
}

fn created(record: &Record) -> String {
    stamp(record.created_at)
}

fn updated(record: &Record) -> String {
    stamp(record.updated_at)
}

/// A relationship to one thing.
fn to_one(guid: &str) -> Value {
    json!({"data": {"guid": guid}})
}

/// A relationship to one thing or to none.
fn to_optional(guid: Option<&str>) -> Value {
    guid.map_or_else(|| json!({"data": null}), to_one)
}
