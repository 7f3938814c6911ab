//! Lists that come empty where they were not.
//!
//! Decides whether such a list is believed: only if the audit log tells of the deletion of everything
//! that it had, or if a space is not visible any more, whose things are unknown anyway. A platform in
//! trouble answers 200 with nothing in it, and whoever is asked by name then finds nothing either.
//! Never says what is gone. The readers of [`super`] and of [`crate::scopes::cf_foundation`] keep one
//! [`Emptied`] each.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::events;
use crate::cloudfoundry::read::ReadContext;
use crate::core::observation::{Failure, Reason};

/// A list, and which events tell that a thing of it was deleted.
pub struct List {
    what: &'static str,
    deletions: &'static [&'static str],
}

/// Apps.
pub const APPS: List = List { what: "apps", deletions: &["audit.app.delete-request"] };
/// Their bindings.
pub const BINDINGS: List =
    List { what: "bindings", deletions: &["audit.service_binding.delete", "audit.service_binding.start_delete"] };
/// Service instances.
pub const INSTANCES: List = List {
    what: "service instances",
    deletions: &[
        "audit.service_instance.delete",
        "audit.service_instance.start_delete",
        "audit.user_provided_service_instance.delete",
    ],
};
/// Routes.
pub const ROUTES: List = List { what: "routes", deletions: &["audit.route.delete-request"] };

/// What lists had when they had something.
#[derive(Debug, Default)]
pub struct Emptied {
    had: BTreeMap<&'static str, Had>,
}

#[derive(Debug)]
struct Had {
    /// The guids of its things.
    things: Vec<Arc<str>>,
    /// The guids of the spaces that were visible.
    spaces: Vec<Arc<str>>,
    /// When the reading began.
    since: Timestamp,
}

impl Emptied {
    /// Takes down the things of a list by their guids, and the visible spaces, of a reading that began
    /// at `started`. The error says why an empty one is not believed.
    pub async fn check<V>(
        &mut self,
        cx: &ReadContext,
        list: &List,
        things: Vec<Arc<str>>,
        spaces: &BTreeMap<Arc<str>, V>,
        started: Timestamp,
    ) -> Result<(), Failure> {
        if !things.is_empty() {
            let spaces = spaces.keys().cloned().collect();
            self.had.insert(list.what, Had { things, spaces, since: started });
            return Ok(());
        }
        let Some(had) = self.had.get(list.what) else { return Ok(()) };
        if had.spaces.iter().any(|space| !spaces.contains_key(space)) {
            return Ok(());
        }
        // A clock that was set back must not hide what happens now.
        let deleted = events::targets_since(cx, list.deletions, had.since.min(started)).await?;
        if had.things.iter().all(|thing| deleted.contains(thing)) {
            self.had.remove(list.what);
            return Ok(());
        }
        let detail = format!(
            "the list of {} is empty, at {:.0} it had {}, and the audit log does not tell of their deletion: it is not believed",
            list.what,
            had.since,
            had.things.len(),
        );
        Err(Failure::new(Reason::Incomplete, detail))
    }
}
