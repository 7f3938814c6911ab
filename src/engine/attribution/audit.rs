//! Who changed what on Cloud Foundry, by the platform's own audit events.
//!
//! Decides which of the deeds that a foundation's readings bring made a change of that foundation.
//! Nothing is asked for it: the events come with the lists. Events of a foundation are kept for as
//! long as a change may wait for one. Pure; the recording calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::core::identity::{ObjectKey, ScopeKey};
use crate::core::observation::{Deed, Reading};
use crate::core::record::{Attributed, Attribution, Change, What};
use crate::kinds::{app, buildpacks};

/// How long a change waits for its event: events are written with the change, but a reading may
/// have begun just before, and one may fail.
const PATIENCE: SignedDuration = SignedDuration::from_mins(3);
/// The fact that an app was restarted.
const RESTARTED: &str = "runtime.restartedAt";
/// How long events are kept.
const KEPT: SignedDuration = SignedDuration::from_mins(45);
/// Stamps are whole seconds, and clocks differ a little.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// The note of a reading that tells why there are no events.
pub const UNREAD: &str = "auditEvents";
/// The first version of the API that writes events of buildpacks (reference 1.4).
const BUILDPACK_EVENTS: (u32, u32) = (3, 210);

/// What foundations told lately, and which changes wait to be explained by it.
#[derive(Debug, Default)]
pub struct Audit {
    /// By guid, with the time at which moored heard of each: after a gap they are old when they come.
    deeds: BTreeMap<ScopeKey, BTreeMap<Arc<str>, (Deed, Timestamp)>>,
    waiting: BTreeMap<ScopeKey, Vec<Change>>,
}

impl Audit {
    /// Takes changes that wait for an answer.
    pub fn wait(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            let waiting = self.waiting.entry(change.scope.clone()).or_default();
            if waiting.iter().all(|known| known.id != change.id) {
                waiting.push(change);
            }
        }
    }

    /// What can be said of a scope's changes with what its newest reading brought.
    pub fn settle(&mut self, scope: &ScopeKey, reading: &Reading, now: Timestamp) -> Vec<(i64, Attributed)> {
        let deeds = self.deeds.entry(scope.clone()).or_default();
        for deed in &reading.deeds {
            deeds.entry(deed.guid.clone()).or_insert_with(|| (deed.clone(), now));
        }
        deeds.retain(|_, (_, heard)| now.duration_since(*heard) < KEPT);
        let Some(waiting) = self.waiting.get_mut(scope) else { return Vec::new() };
        let mut settled = Vec::new();
        waiting.retain(|change| match said(change, deeds.values().map(|(deed, _)| deed), reading, now) {
            Some(attributed) => {
                settled.push((change.id, attributed));
                false
            }
            None => true,
        });
        settled
    }
}

fn said<'a>(
    change: &Change,
    deeds: impl Iterator<Item = &'a Deed>,
    reading: &Reading,
    now: Timestamp,
) -> Option<Attributed> {
    if is_consequence(change) {
        return Some(Attributed::NotVisible("a consequence: see the change of its binding".into()));
    }
    let from = change.after.unwrap_or(change.at).saturating_sub(SKEW).unwrap_or(change.at);
    let until = change.at.saturating_add(SKEW).unwrap_or(change.at);
    let about: Vec<&Deed> =
        deeds.filter(|deed| is_about(change, deed) && deed.at >= from && deed.at <= until).collect();
    let best = about.iter().map(|deed| fits(change, &deed.action)).max().unwrap_or_default();
    let fitting = about.into_iter().filter(|deed| best > 0 && fits(change, &deed.action) == best);
    // What the newest of them led to is what was read.
    let fitting: Vec<&Deed> = fitting.collect();
    if let Some(deed) = fitting.iter().max_by_key(|deed| deed.at) {
        let actors: BTreeSet<&str> = fitting.iter().map(|deed| &*deed.actor).collect();
        if actors.len() > 1 {
            let why = format!("one of {} did it: each acted on it in that time", Vec::from_iter(actors).join(", "));
            return Some(Attributed::NotVisible(why.into()));
        }
        let (actor, event) = (deed.actor.clone(), deed.action.clone());
        return Some(Attributed::By(Attribution { actor, event, at: deed.at }));
    }
    if let Some(why) = reading.notes.get(UNREAD) {
        return Some(Attributed::NotVisible(why.clone()));
    }
    if &*change.kind == buildpacks::KIND && is_too_old(reading) {
        let why = "by nobody we can see (platform older than 3.210)";
        return Some(Attributed::NotVisible(why.into()));
    }
    (now.duration_since(change.at) > PATIENCE)
        .then(|| Attributed::NotVisible("the platform's audit events show nothing of it".into()))
}

/// Whether a deed is about the changed thing. An order of buildpacks has no guid: whatever was done
/// to any of them may have changed it.
fn is_about(change: &Change, deed: &Deed) -> bool {
    let is_order =
        || &*change.kind == buildpacks::KIND && buildpacks::is_order(&ObjectKey::new(buildpacks::KIND, &change.key));
    *deed.target == *change.object || (deed.action.starts_with("audit.buildpack.") && is_order())
}

/// How much of a change an action explains: 0 nothing.
fn fits(change: &Change, action: &str) -> usize {
    let verb = action.rsplit('.').next().unwrap_or(action);
    let deletes = matches!(verb, "delete" | "delete-request" | "start_delete");
    let creates = matches!(verb, "create" | "start_create");
    match change.what {
        What::Gone => usize::from(deletes),
        What::Appeared => usize::from(creates),
        What::Changed if &*change.kind != app::KIND => 1 + usize::from(!creates),
        What::Changed => change.fields.iter().filter(|field| can_change(action, &field.path)).count(),
    }
}

/// Whether an action on an app can change this fact of it (CC `app/repositories/event_types.rb`, and
/// what the actions of that name do).
fn can_change(action: &str, path: &str) -> bool {
    let is = |top: &str| path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with('.'));
    let ends = |words: &[&str]| words.iter().any(|word| path.ends_with(word));
    match action.strip_prefix("audit.app.").unwrap_or_default() {
        "process.scale" => is("processes") && ends(&[".instances", ".memory", ".disk", ".logRate"]),
        "process.update" | "process.create" | "process.delete" => is("processes"),
        "start" => is("state") || is(RESTARTED),
        "stop" => is("state"),
        "restart" => is(RESTARTED),
        "restage" | "build.create" | "droplet.mapped" | "droplet.create" | "deployment.create" | "revision.create" => {
            is("droplet") || is("restage") || is(RESTARTED)
        }
        "map-route" | "unmap-route" => path.starts_with("route"),
        "update" => !is("services") && !path.starts_with("route") && !is(RESTARTED),
        "apply_manifest" => !is("services") && !is("state") && !is(RESTARTED),
        _ => false,
    }
}

/// Whether all that changed follows from what has events of its own: the bindings of an app.
fn is_consequence(change: &Change) -> bool {
    let follows = |path: &str| path == "services" || path.starts_with("services.");
    change.what == What::Changed
        && &*change.kind == app::KIND
        && !change.fields.is_empty()
        && change.fields.iter().all(|field| follows(&field.path))
}

fn is_too_old(reading: &Reading) -> bool {
    let version = reading.notes.get("apiVersion").map(|version| {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    });
    version.is_some_and(|version| version < BUILDPACK_EVENTS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::core::identity::ScopeKind;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn scope() -> ScopeKey {
        ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds")
    }

    fn change(what: What, kind: &str) -> Change {
        Change {
            id: 1,
            at: at(100),
            after: Some(at(40)),
            scope: scope(),
            kind: kind.into(),
            key: "prod/web/queue".into(),
            object: "guid".into(),
            what,
            fields: Vec::new(),
            attributed: Attributed::Pending,
        }
    }

    fn deed(action: &str, seconds: i64) -> Deed {
        let (guid, target) = (format!("{action}{seconds}").into(), "guid".into());
        Deed { guid, action: action.into(), actor: "ada".into(), target, at: at(seconds) }
    }

    fn settled(change: Change, deeds: Vec<Deed>, version: &str, now: i64) -> Option<Attributed> {
        let mut audit = Audit::default();
        audit.wait([change]);
        let mut reading = Reading::begin(at(100));
        reading.deeds = deeds;
        reading.notes.insert("apiVersion".into(), version.into());
        audit.settle(&scope(), &reading, at(now)).into_iter().next().map(|(_, attributed)| attributed)
    }

    fn event(attributed: Option<Attributed>) -> String {
        match attributed {
            Some(Attributed::By(by)) => format!("{} {}", by.actor, by.event),
            Some(Attributed::NotVisible(why)) => why.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_binding_that_is_gone_was_deleted_by_whom_the_event_names() {
        let deeds = vec![deed("audit.service_binding.create", 90), deed("audit.service_binding.delete", 60)];
        let said = settled(change(What::Gone, "ServiceBinding"), deeds, "3.220.0", 101);
        assert_eq!(event(said), "ada audit.service_binding.delete");
    }

    #[test]
    fn an_event_of_another_time_names_nobody_and_after_a_while_that_is_said() {
        let deeds = || vec![deed("audit.service_binding.delete", 20)];
        assert_eq!(settled(change(What::Gone, "ServiceBinding"), deeds(), "3.220.0", 101), None);
        let late = settled(change(What::Gone, "ServiceBinding"), deeds(), "3.220.0", 800);
        assert_eq!(event(late), "the platform's audit events show nothing of it");
    }

    #[test]
    fn of_two_who_acted_in_that_time_none_is_accused() {
        let other = Deed { actor: "bob".into(), ..deed("audit.service_binding.delete", 70) };
        let deeds = vec![deed("audit.service_binding.delete", 60), other];
        let said = settled(change(What::Gone, "ServiceBinding"), deeds, "3.220.0", 101);
        assert_eq!(event(said), "one of ada, bob did it: each acted on it in that time");
    }

    #[test]
    fn a_restart_is_no_reason_for_a_count_and_neither_is_a_stop() {
        let field =
            |path: &str| crate::core::record::FieldChange { path: path.into(), before: 1.into(), after: 5.into() };
        let scaled = Change { fields: vec![field("processes.worker.instances")], ..change(What::Changed, "App") };
        let deeds =
            vec![deed("audit.app.process.scale", 60), deed("audit.app.restart", 61), deed("audit.app.stop", 62)];
        assert_eq!(event(settled(scaled, deeds, "3.220.0", 101)), "ada audit.app.process.scale");
        let unbound = Change { fields: vec![field("services")], ..change(What::Changed, "App") };
        let said = settled(unbound, vec![deed("audit.app.update", 60)], "3.220.0", 101);
        assert_eq!(event(said), "a consequence: see the change of its binding");
    }

    #[test]
    fn an_order_was_changed_by_whoever_touched_the_buildpacks() {
        let order = Change { key: buildpacks::order_key("buildpack").into(), ..change(What::Changed, "Buildpacks") };
        let elsewhere = Deed { target: "another".into(), ..deed("audit.buildpack.create", 60) };
        assert_eq!(event(settled(order, vec![elsewhere], "3.220.0", 101)), "ada audit.buildpack.create");
    }

    #[test]
    fn an_old_platform_names_nobody_for_a_buildpack() {
        let said = |version| settled(change(What::Appeared, "Buildpacks"), Vec::new(), version, 101);
        assert_eq!(event(said("3.209.0")), "by nobody we can see (platform older than 3.210)");
        assert_eq!(said("3.210.0"), None);
    }
}
