//! Jobs: the answer to writes that take a while.
//!
//! Decides when a job is done: at its time, and not before. It never carries anything out; the
//! state's pending list does. Writes answer 202 with the job's address.

use jiff::Timestamp;

use super::record::{Entity, Record};
use super::state::State;

/// One job.
#[derive(Clone)]
pub struct Job {
    pub record: Record,
    pub operation: &'static str,
    pub due: Timestamp,
    /// What the completed job links to: the link's name and the path.
    pub result: Option<(&'static str, String)>,
}

impl Entity for Job {
    fn record(&self) -> &Record {
        &self.record
    }
}

impl State {
    /// Starts a job that is done at `due`; its guid.
    pub fn start_job(
        &mut self,
        operation: &'static str,
        due: Timestamp,
        result: Option<(&'static str, String)>,
        now: Timestamp,
    ) -> String {
        let guid = self.next_guid(operation);
        self.jobs.insert(Job { record: Record::new(guid.clone(), now), operation, due, result });
        guid
    }
}
