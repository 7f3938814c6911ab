//! The audit log: what was done since the last reading, and when each app was last started anew.
//!
//! Decides how far back the log is read, and which events are worth it: not those that watching and
//! crashing write. Stamps are whole seconds and do not follow the order in which events appear, so
//! that each reading overlaps the one before; they are the platform's, and so are the times that are
//! asked for. Never the only source of anything: the log may be pruned, and a role that cannot see it
//! sees it empty. The readers of [`super`] and of
//! [`crate::scopes::cf_foundation`] keep one [`Events`] each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ask::{all, remark};
use crate::cloudfoundry::allow_list::AUDIT_EVENTS;
use crate::cloudfoundry::classify::CallFailure;
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::AuditEvent;
use crate::core::observation::{Deed, Failure, Reading, Reason};

/// How much of the time before the last reading is read again.
const OVERLAP: SignedDuration = SignedDuration::from_secs(120);
/// How long the platform keeps events.
const KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How far back the first reading looks at first.
const LATELY: SignedDuration = SignedDuration::from_hours(2 * 24);
/// So many starts lately are evidence enough: a month of them would be many pages.
const CROWDED: usize = 2_500;

/// Where even starts are too many to be read, those of the last hour are.
const JUST_NOW: SignedDuration = SignedDuration::from_hours(1);

/// The note of a reading that does not know who did what: why not (see `engine::attribution`).
const UNREAD: &str = "auditEvents";
/// The note of a reading that does not know what was started either.
const UNREAD_STARTS: &str = "unread:auditEvents";

/// After this, every process was handed its configuration anew (see `kinds::app::restart`).
const RESTART: &str = "audit.app.restart";
/// After this too, but only of an app that did not run: else it has no effect, and is told all the same.
const START: &str = "audit.app.start";
/// After these, an app does not run.
const STOPS: [&str; 2] = ["audit.app.create", "audit.app.stop"];
/// What tells when an app was started anew.
const LIFE: [&str; 4] = ["audit.app.create", "audit.app.restart", "audit.app.start", "audit.app.stop"];

/// What people and pipelines do to what an organisation's manifests declare.
const OF_ORGANIZATION: &[&str] = &[
    "audit.app.apply_manifest",
    "audit.app.create",
    "audit.app.delete-request",
    "audit.app.deployment.cancel",
    "audit.app.deployment.create",
    "audit.app.droplet.mapped",
    "audit.app.map-route",
    "audit.app.process.create",
    "audit.app.process.delete",
    "audit.app.process.scale",
    "audit.app.process.terminate_instance",
    "audit.app.process.update",
    "audit.app.restage",
    "audit.app.restart",
    "audit.app.start",
    "audit.app.stop",
    "audit.app.unmap-route",
    "audit.app.update",
    "audit.route.create",
    "audit.route.delete-request",
    "audit.route.update",
    "audit.service_binding.create",
    "audit.service_binding.delete",
    "audit.service_binding.start_create",
    "audit.service_binding.start_delete",
    "audit.service_binding.update",
    "audit.service_instance.create",
    "audit.service_instance.delete",
    "audit.service_instance.start_create",
    "audit.service_instance.start_delete",
    "audit.service_instance.start_update",
    "audit.service_instance.update",
    "audit.space.create",
    "audit.space.delete-request",
    "audit.space.update",
    "audit.user_provided_service_instance.create",
    "audit.user_provided_service_instance.delete",
    "audit.user_provided_service_instance.update",
];

/// What operators do to buildpacks (since API 3.210).
const OF_FOUNDATION: &[&str] =
    &["audit.buildpack.create", "audit.buildpack.delete", "audit.buildpack.update", "audit.buildpack.upload"];

/// The log, as far as it was read.
#[derive(Debug)]
pub struct Events {
    /// Which events the first reading looks for.
    history: &'static [&'static str],
    /// Which events every other one does.
    news: &'static [&'static str],
    /// When the last reading began that could see them, by the platform's clock.
    since: Option<Timestamp>,
    /// Events told before that the next reading may see again.
    told: BTreeMap<Arc<str>, Timestamp>,
    /// What is known of each app, by its guid. A list that lacks an app for once ends no knowledge.
    lives: BTreeMap<Arc<str>, Life>,
    /// Whether the last reading knows every start up to its beginning.
    is_current: bool,
}

/// What the log tells of one app.
#[derive(Debug)]
struct Life {
    /// Its last event of this kind.
    seen: Timestamp,
    /// Whether it was stopped, or just made, at that.
    is_stopped: bool,
    /// When it was last started anew, and which event told that.
    start: Option<(Timestamp, Arc<str>)>,
}

impl Events {
    /// The events of an organisation; the first reading looks for starts alone.
    pub fn of_organization() -> Self {
        Self::new(&LIFE, OF_ORGANIZATION)
    }

    /// The events that belong to no organisation.
    pub fn of_foundation() -> Self {
        Self::new(OF_FOUNDATION, OF_FOUNDATION)
    }

    fn new(history: &'static [&'static str], news: &'static [&'static str]) -> Self {
        Self { history, news, since: None, told: BTreeMap::new(), lives: BTreeMap::new(), is_current: false }
    }

    /// Adds to a reading what was done since the one before it; where the log cannot be read, notes
    /// say why.
    pub async fn read(&mut self, cx: &ReadContext, organization: Option<&str>, reading: &mut Reading) {
        let started = cx.platform_time(reading.started);
        let mut gaps = Vec::new();
        let events = match self.since {
            // A clock that was set back must not hide what happens now.
            Some(since) => {
                let from = before(since.min(started), OVERLAP);
                self.news_since(cx, organization, from, started, &mut reading.remarks, &mut gaps).await
            }
            None => history(cx, organization, self.history, started, &mut reading.remarks).await,
        };
        self.is_current = events.is_ok() && !gaps.iter().any(|(note, _)| *note == UNREAD_STARTS);
        match events {
            Ok(events) => reading.deeds = self.learn(events, started),
            Err(call) => gaps.extend([(UNREAD, call.failure.clone()), (UNREAD_STARTS, call.failure)]),
        }
        for (note, failure) in gaps {
            reading.notes.insert(note.into(), failure.detail.clone());
            remark(&mut reading.remarks, failure);
        }
    }

    /// What was done since. Where that is more than can be read, now or ever, what was started; and
    /// where even that is, what was started lately: the window must not grow with each attempt.
    async fn news_since(
        &self,
        cx: &ReadContext,
        organization: Option<&str>,
        from: Timestamp,
        now: Timestamp,
        remarks: &mut Vec<Failure>,
        gaps: &mut Vec<(&'static str, Failure)>,
    ) -> Result<Vec<AuditEvent>, CallFailure> {
        match read(cx, organization, self.news, from, remarks).await {
            Err(call) if is_too_much(&call) => gaps.push((UNREAD, call.failure)),
            events => return events,
        }
        match read(cx, organization, self.history, from, remarks).await {
            Err(call) if is_too_much(&call) => gaps.push((UNREAD_STARTS, call.failure)),
            events => return events,
        }
        read(cx, organization, self.history, from.max(before(now, JUST_NOW)), remarks).await
    }

    /// The last time that an app was started anew, and which event told it.
    pub fn last_start(&self, app: &str) -> Option<(Timestamp, String)> {
        let (at, event) = self.lives.get(app)?.start.as_ref()?;
        Some((*at, event.to_string()))
    }

    /// The same, where the last reading would have told of a later one.
    pub fn last_start_now(&self, app: &str) -> Option<Timestamp> {
        let (at, _) = self.lives.get(app)?.start.as_ref()?;
        self.is_current.then_some(*at)
    }

    fn learn(&mut self, mut events: Vec<AuditEvent>, started: Timestamp) -> Vec<Deed> {
        // Of one second, what stops comes first: `cf restart` stops and starts within it.
        events.sort_by_key(|event| (event.created_at, !STOPS.contains(&&*event.kind)));
        let mut deeds = Vec::new();
        for event in events {
            if self.told.insert(event.guid.clone(), event.created_at).is_some() {
                continue;
            }
            self.live(&event);
            deeds.push(deed(event));
        }
        self.since = Some(started);
        // With some to spare, for clocks that drift apart.
        let horizon = before(started, OVERLAP * 2);
        self.told.retain(|_, at| *at >= horizon);
        let kept = before(started, KEPT);
        self.lives.retain(|_, life| life.seen >= kept);
        deeds
    }

    fn live(&mut self, event: &AuditEvent) {
        if !LIFE.contains(&&*event.kind) {
            return;
        }
        let first = || Life { seen: event.created_at, is_stopped: false, start: None };
        let life = self.lives.entry(event.target.guid.clone()).or_insert_with(first);
        // What is told late, out of order, says nothing of what came after it.
        if event.created_at < life.seen && *event.kind != *RESTART {
            return;
        }
        let counts = *event.kind == *RESTART || (*event.kind == *START && life.is_stopped);
        if counts && life.start.as_ref().is_none_or(|(last, _)| *last <= event.created_at) {
            life.start = Some((event.created_at, event.kind.clone()));
        }
        if event.created_at >= life.seen {
            life.seen = event.created_at;
            life.is_stopped = STOPS.contains(&&*event.kind);
        }
    }
}

/// Whether less might be read.
fn is_too_much(call: &CallFailure) -> bool {
    matches!(call.failure.reason, Reason::Incomplete | Reason::Malformed)
}

/// The guids of what was done to like this since then, by moored's clock.
pub async fn targets_since(
    cx: &ReadContext,
    types: &[&str],
    since: Timestamp,
) -> Result<BTreeSet<Arc<str>>, CallFailure> {
    let told = read(cx, None, types, before(cx.platform_time(since), OVERLAP), &mut Vec::new()).await?;
    Ok(told.into_iter().map(|event| event.target.guid).collect())
}

/// The first look: lately, and a month back where that is not too much.
async fn history(
    cx: &ReadContext,
    organization: Option<&str>,
    types: &[&str],
    now: Timestamp,
    remarks: &mut Vec<Failure>,
) -> Result<Vec<AuditEvent>, CallFailure> {
    let lately = match read(cx, organization, types, before(now, LATELY), remarks).await {
        Err(call) if is_too_much(&call) => {
            remark(remarks, call.failure);
            return read(cx, organization, types, before(now, JUST_NOW), remarks).await;
        }
        lately => lately?,
    };
    if lately.len() >= CROWDED {
        return Ok(lately);
    }
    match read(cx, organization, types, before(now, KEPT), remarks).await {
        Err(call) if is_too_much(&call) => {
            remark(remarks, call.failure);
            Ok(lately)
        }
        all => all,
    }
}

async fn read(
    cx: &ReadContext,
    organization: Option<&str>,
    types: &[&str],
    from: Timestamp,
    remarks: &mut Vec<Failure>,
) -> Result<Vec<AuditEvent>, CallFailure> {
    let (types, from) = (types.join(","), from.to_string());
    let mut query = vec![("types", types.as_str()), ("created_ats[gte]", from.as_str())];
    query.extend(organization.map(|guid| ("organization_guids", guid)));
    Ok(all::<AuditEvent>(cx, &AUDIT_EVENTS, &query, remarks).await?.items)
}

/// A whole second, as the platform wants it.
fn before(at: Timestamp, by: SignedDuration) -> Timestamp {
    let earlier = at.checked_sub(by).unwrap_or(Timestamp::UNIX_EPOCH);
    Timestamp::from_second(earlier.as_second()).unwrap_or(earlier)
}

fn deed(event: AuditEvent) -> Deed {
    let actor: Arc<str> = match event.actor.name.is_empty() {
        true => format!("uaa client {}", event.actor.guid).into(),
        false => event.actor.name,
    };
    Deed { guid: event.guid, action: event.kind, actor, target: event.target.guid, at: event.created_at }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cloudfoundry::types::Party;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn event(guid: &str, kind: &str, seconds: i64) -> AuditEvent {
        AuditEvent {
            guid: guid.into(),
            kind: kind.into(),
            created_at: at(seconds),
            actor: Party { guid: "deployer".into(), ..Party::default() },
            target: Party { guid: "app".into(), ..Party::default() },
            manifest_triggered: false,
            space: None,
            organization: None,
        }
    }

    #[test]
    fn an_event_that_two_readings_see_is_told_once() {
        let mut events = Events::of_organization();
        assert_eq!(events.learn(vec![event("1", "audit.app.update", 0)], at(10)).len(), 1);
        let again = events.learn(vec![event("1", "audit.app.update", 0), event("2", "audit.app.update", 5)], at(40));
        assert_eq!(again.iter().map(|deed| &*deed.guid).collect::<Vec<_>>(), ["2"]);
        events.learn(Vec::new(), at(1000));
        assert!(events.told.is_empty(), "what no reading will see again is forgotten");
    }

    #[test]
    fn the_last_start_is_the_newest_whatever_the_order_of_the_list() {
        let mut events = Events::of_organization();
        let listed = [("2", "audit.app.restart", 20), ("1", "audit.app.restart", 10), ("3", "audit.app.stop", 30)];
        events.learn(listed.iter().map(|(guid, kind, at)| event(guid, kind, *at)).collect(), at(40));
        assert_eq!(events.last_start("app"), Some((at(20), "audit.app.restart".to_owned())));
    }

    #[test]
    fn an_app_that_runs_is_started_without_effect() {
        let mut events = Events::of_organization();
        let (start, stop) = ("audit.app.start", "audit.app.stop");
        let mut after = |told: Vec<AuditEvent>| {
            events.learn(told, at(1000));
            events.last_start("app").map(|(at, _)| at)
        };
        assert_eq!(after(vec![event("1", start, 10)]), None, "whether it ran, nobody knows");
        assert_eq!(after(vec![event("3", start, 20), event("2", stop, 20)]), Some(at(20)), "stopped, then started");
        assert_eq!(after(vec![event("4", start, 30)]), Some(at(20)), "it ran");
        assert_eq!(after(vec![event("5", stop, 40)]), Some(at(20)));
        assert_eq!(after(vec![event("6", start, 50)]), Some(at(50)));
        assert_eq!(after(vec![event("7", stop, 45)]), Some(at(50)), "told late, it stops nothing");
        assert_eq!(after(vec![event("8", start, 60)]), Some(at(50)));
    }

    #[test]
    fn the_first_start_of_a_new_app_counts() {
        let mut events = Events::of_organization();
        events.learn(vec![event("1", "audit.app.create", 10), event("2", "audit.app.start", 12)], at(20));
        assert_eq!(events.last_start("app"), Some((at(12), "audit.app.start".to_owned())));
    }

    #[test]
    fn a_start_is_known_for_as_long_as_the_platform_keeps_events_whatever_lists_lack() {
        let mut events = Events::of_organization();
        let month = 31 * 24 * 3600;
        events.learn(vec![event("1", "audit.app.restart", 10)], at(20));
        events.learn(Vec::new(), at(month));
        assert_eq!(events.last_start("app").map(|(at, _)| at), Some(at(10)));
        events.learn(Vec::new(), at(month + 60));
        assert_eq!(events.last_start("app"), None);
    }

    #[test]
    fn a_start_is_told_as_the_last_only_by_a_reading_that_read_the_log() {
        let mut events = Events::of_organization();
        events.learn(vec![event("1", "audit.app.restart", 10)], at(20));
        assert_eq!(events.last_start_now("app"), None);
        events.is_current = true;
        assert_eq!(events.last_start_now("app"), Some(at(10)));
    }

    #[test]
    fn who_has_no_name_is_a_client() {
        assert_eq!(&*deed(event("1", "audit.app.update", 0)).actor, "uaa client deployer");
    }
}
