//! Admin buildpacks and their detection order.
//!
//! Decides positions: a buildpack that is created, moved or deleted shifts its neighbours by one
//! bulk UPDATE, which does not touch their `updated_at`; a position that is too large is the last;
//! an absent one is the first. It never stages anything. An operator and a test suite that dies
//! before its clean-up call it.

use jiff::Timestamp;
use serde_json::json;

use super::Foundation;
use super::events::Actor;
use super::record::{Entity, Record};
use super::state::State;

/// An admin buildpack.
#[derive(Clone)]
pub struct Buildpack {
    pub record: Record,
    pub name: String,
    /// Any stack, where absent.
    pub stack: Option<String>,
    /// Nothing was uploaded yet, where absent.
    pub filename: Option<String>,
    pub position: usize,
    pub enabled: bool,
    pub locked: bool,
}

impl Entity for Buildpack {
    fn record(&self) -> &Record {
        &self.record
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn position(&self) -> usize {
        self.position
    }
}

impl Buildpack {
    /// Whether staging for this stack would try it.
    pub fn serves(&self, stack: &str) -> bool {
        self.enabled && self.filename.is_some() && self.stack.as_deref().is_none_or(|own| own == stack)
    }

    /// `1.8.39` of `ruby_buildpack-cached-cflinuxfs4-v1.8.39.zip`.
    pub fn version(&self) -> Option<String> {
        let filename = self.filename.as_deref()?;
        let (_, version) = filename.rsplit_once("-v")?;
        Some(version.strip_suffix(".zip").unwrap_or(version).to_owned())
    }
}

impl State {
    /// The buildpacks in detection order.
    pub fn detection_order(&self) -> Vec<&Buildpack> {
        let mut order: Vec<&Buildpack> = self.buildpacks.iter().collect();
        order.sort_by_key(|buildpack| buildpack.position);
        order
    }

    /// The guid of the buildpack of this name and stack.
    pub fn buildpack_named(&self, name: &str, stack: Option<&str>) -> Option<String> {
        let same = |buildpack: &&Buildpack| buildpack.name == name && buildpack.stack.as_deref() == stack;
        self.buildpacks.iter().find(same).map(|buildpack| buildpack.record.guid.clone())
    }

    pub fn create_buildpack(
        &mut self,
        name: &str,
        stack: Option<&str>,
        position: Option<usize>,
        actor: &Actor,
        now: Timestamp,
    ) -> String {
        let last = self.buildpacks.iter().count() + 1;
        let position = position.unwrap_or(1).clamp(1, last);
        self.shift(position, usize::MAX, true);
        let guid = self.next_guid(name);
        self.buildpacks.insert(Buildpack {
            record: Record::new(guid.clone(), now),
            name: name.to_owned(),
            stack: stack.map(str::to_owned),
            filename: None,
            position,
            enabled: true,
            locked: false,
        });
        let request = json!({"request": {"name": name, "stack": stack, "position": position}});
        self.audit_buildpack("audit.buildpack.create", actor, &guid, request, now);
        guid
    }

    /// Moves a buildpack; the others close the gap and make room.
    pub fn place_buildpack(&mut self, guid: &str, position: usize, now: Timestamp) -> bool {
        let last = self.buildpacks.iter().count();
        let Some(old) = self.buildpacks.get(guid).map(|buildpack| buildpack.position) else { return false };
        let new = position.clamp(1, last.max(1));
        if new < old {
            self.shift(new, old - 1, true);
        } else {
            self.shift(old + 1, new, false);
        }
        if let Some(buildpack) = self.buildpacks.get_mut(guid) {
            buildpack.position = new;
            buildpack.record.updated_at = now;
        }
        true
    }

    pub fn remove_buildpack(&mut self, guid: &str, actor: &Actor, now: Timestamp) -> bool {
        let Some(position) = self.buildpacks.get(guid).map(|buildpack| buildpack.position) else { return false };
        self.audit_buildpack("audit.buildpack.delete", actor, guid, json!({}), now);
        self.buildpacks.remove(guid);
        self.shift(position, usize::MAX, false);
        true
    }

    pub fn upload_buildpack(&mut self, guid: &str, filename: &str, actor: &Actor, now: Timestamp) -> bool {
        let Some(buildpack) = self.buildpacks.get_mut(guid) else { return false };
        buildpack.filename = Some(filename.to_owned());
        buildpack.record.updated_at = now;
        self.audit_buildpack("audit.buildpack.upload", actor, guid, json!({}), now);
        true
    }

    /// The bulk UPDATE: nobody's `updated_at` moves.
    fn shift(&mut self, from: usize, to: usize, down_the_list: bool) {
        let moved = self.buildpacks.iter_mut().filter(|buildpack| (from..=to).contains(&buildpack.position));
        for buildpack in moved {
            buildpack.position = if down_the_list { buildpack.position + 1 } else { buildpack.position - 1 };
        }
    }
}

impl Foundation {
    /// Adds an uploaded, enabled buildpack after the others, as the platform's own deployment does;
    /// its guid.
    pub fn add_buildpack(&mut self, name: &str, stack: Option<&str>, filename: &str) -> String {
        let now = self.now;
        self.act(now, |state, actor| {
            let guid = state.create_buildpack(name, stack, Some(usize::MAX), actor, now);
            if let Some(buildpack) = state.buildpacks.get_mut(&guid) {
                buildpack.filename = Some(filename.to_owned());
            }
            guid
        })
    }

    /// `cf create-buildpack`: enabled, and first where no position is given; its guid. It has no
    /// bits until [`upload_buildpack`](Self::upload_buildpack).
    pub fn create_buildpack(
        &mut self,
        name: &str,
        stack: Option<&str>,
        position: Option<usize>,
        now: Timestamp,
    ) -> String {
        self.act(now, |state, actor| state.create_buildpack(name, stack, position, actor, now))
    }

    /// Uploads bits: the state becomes `READY`, the file's name carries the version.
    pub fn upload_buildpack(&mut self, buildpack: &str, filename: &str, now: Timestamp) -> bool {
        self.act(now, |state, actor| state.upload_buildpack(buildpack, filename, actor, now))
    }

    /// Moves a buildpack to a position; its neighbours shift.
    pub fn move_buildpack(&mut self, buildpack: &str, position: usize, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            let moved = state.place_buildpack(buildpack, position, now);
            let request = json!({"request": {"position": position}});
            state.audit_buildpack("audit.buildpack.update", actor, buildpack, request, now);
            moved
        })
    }

    /// Enables or disables a buildpack.
    pub fn enable_buildpack(&mut self, buildpack: &str, enabled: bool, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            let Some(known) = state.buildpacks.get_mut(buildpack) else { return false };
            known.enabled = enabled;
            known.record.updated_at = now;
            let request = json!({"request": {"enabled": enabled}});
            state.audit_buildpack("audit.buildpack.update", actor, buildpack, request, now);
            true
        })
    }

    /// Locks or unlocks a buildpack.
    pub fn lock_buildpack(&mut self, buildpack: &str, locked: bool, now: Timestamp) -> bool {
        self.act(now, |state, actor| {
            let Some(known) = state.buildpacks.get_mut(buildpack) else { return false };
            known.locked = locked;
            known.record.updated_at = now;
            let request = json!({"request": {"locked": locked}});
            state.audit_buildpack("audit.buildpack.update", actor, buildpack, request, now);
            true
        })
    }

    /// Deletes a buildpack for good; those behind it move up.
    pub fn delete_buildpack(&mut self, buildpack: &str, now: Timestamp) -> bool {
        self.act(now, |state, actor| state.remove_buildpack(buildpack, actor, now))
    }

    /// The guid of the buildpack of this name and stack.
    pub fn buildpack_guid(&self, name: &str, stack: Option<&str>) -> Option<String> {
        self.state.buildpack_named(name, stack)
    }
}
