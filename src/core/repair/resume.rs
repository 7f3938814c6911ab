//! After a crash: what the ledger says of an episode becomes an episode that only settles.
//!
//! Decides what was open. An intent without an outcome is settled by reading, never by sending
//! again: nobody knows whether the request left. Whatever had not begun is left alone; it needs a
//! new plan and a new approval. The engine calls it at its start, and whoever takes over the lease.

use jiff::Timestamp;
use thiserror::Error;

use super::episode::{Episode, Phase};
use super::ledger::Entry;

/// Why no episode can be made of its entries.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Broken {
    /// It has no beginning.
    #[error("the ledger has no beginning of the episode: it was edited or cut off; repair stays frozen")]
    Headless,
    /// An entry speaks of another episode.
    #[error("an entry of the episode {0} is among those of another: the ledger was edited; repair stays frozen")]
    Foreign(String),
    /// An entry does not follow from those before.
    #[error("entry {0} of the episode does not follow from those before: the ledger was edited; repair stays frozen")]
    Disorder(usize),
}

/// The episode that these entries are of, in the order in which they were written. It asks for the
/// lease first, and sends nothing but readings.
pub fn resume(entries: &[Entry], now: Timestamp) -> Result<Episode, Broken> {
    let Some(Entry::Begun { episode, environment, root, plan, tasks, .. }) = entries.first() else {
        return Err(Broken::Headless);
    };
    let mut resumed = Episode {
        id: episode.clone(),
        environment: environment.clone(),
        root: root.clone(),
        plan: plan.clone(),
        tasks: tasks.clone(),
        closed: Vec::new(),
        phase: Phase::Starting,
        lease: None,
        stopping: Some("moored ended in the middle of it: what is left needs a new plan and a new approval".into()),
        names_gone: None,
        clock: now,
        expires_at: now,
        settling: None,
    };
    for (line, entry) in entries.iter().enumerate().skip(1) {
        if entry.episode() != &resumed.id {
            return Err(Broken::Foreign(entry.episode().to_string()));
        }
        if resumed.ending().is_some() {
            return Err(Broken::Disorder(line));
        }
        let next = resumed.closed.len();
        let planned = resumed.tasks.get(next);
        match entry {
            Entry::Intent { action, target, at, .. }
                if *action == next
                    && resumed.settling.is_none()
                    && planned.is_some_and(|task| task.target == *target) =>
            {
                resumed.settling = Some(*at);
            }
            Entry::Outcome { action, closed, .. } if *action == next && resumed.settling.is_some() => {
                resumed.settling = None;
                resumed.closed.push(closed.clone());
            }
            Entry::Ended { ending, .. } if resumed.settling.is_none() => {
                resumed.phase = Phase::Ended(ending.clone());
            }
            Entry::Begun { .. } | Entry::Intent { .. } | Entry::Outcome { .. } | Entry::Ended { .. } => {
                return Err(Broken::Disorder(line));
            }
        }
    }
    Ok(resumed)
}
