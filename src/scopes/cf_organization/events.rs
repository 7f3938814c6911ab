//! The audit log: what was done since the last reading, and when each app was last started anew.
//!
//! Decides how far back the log is read, and which events are worth it: not those that watching and
//! crashing write. Stamps are whole seconds and do not follow the order in which events appear, so
//! that each reading overlaps the one before. Never the only source of anything: the log may be
//! pruned, and a role that cannot see it sees it empty. The readers of [`super`] and of
//! [`crate::scopes::cf_foundation`] keep one [`Events`] each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ask::{all, remark};
use crate::cloudfoundry::allow_list::AUDIT_EVENTS;
use crate::cloudfoundry::classify::CallFailure;
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::AuditEvent;
use crate::core::observation::{Deed, Failure, Reading};

/// How much of the time before the last reading is read again.
const OVERLAP: SignedDuration = SignedDuration::from_secs(120);
/// How long the platform keeps events.
const KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How far back the first reading looks at first.
const LATELY: SignedDuration = SignedDuration::from_hours(2 * 24);
/// So many starts lately are evidence enough: a month of them would be many pages.
const CROWDED: usize = 2_500;

/// The note of a reading that could not read the log: why not (see `engine::attribution`).
const UNREAD: &str = "auditEvents";

/// After these, every process was handed its configuration anew (see `kinds::app::restart`).
const STARTS: [&str; 2] = ["audit.app.restart", "audit.app.start"];

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
    /// When the last reading began that could see them.
    since: Option<Timestamp>,
    /// Events told before that the next reading may see again.
    told: BTreeMap<Arc<str>, Timestamp>,
    /// The last start of each app, by its guid.
    starts: BTreeMap<Arc<str>, (Timestamp, Arc<str>)>,
}

impl Events {
    /// The events of an organisation; the first reading looks for starts alone.
    pub fn of_organization() -> Self {
        Self::new(&STARTS, OF_ORGANIZATION)
    }

    /// The events that belong to no organisation.
    pub fn of_foundation() -> Self {
        Self::new(OF_FOUNDATION, OF_FOUNDATION)
    }

    fn new(history: &'static [&'static str], news: &'static [&'static str]) -> Self {
        Self { history, news, since: None, told: BTreeMap::new(), starts: BTreeMap::new() }
    }

    /// Adds to a reading what was done since the one before it; where the log cannot be read, a note
    /// says why.
    pub async fn read(&mut self, cx: &ReadContext, organization: Option<&str>, reading: &mut Reading) {
        let (started, remarks) = (reading.started, &mut reading.remarks);
        let events = match self.since {
            // A clock that was set back must not hide what happens now.
            Some(since) => read(cx, organization, self.news, before(since.min(started), OVERLAP), remarks).await,
            None => history(cx, organization, self.history, started, remarks).await,
        };
        match events {
            Ok(events) => reading.deeds = self.learn(events, started),
            Err(call) => {
                reading.notes.insert(UNREAD.into(), call.failure.detail.clone());
                remark(&mut reading.remarks, call.failure);
            }
        }
    }

    /// The last start of an app, and which event told it.
    pub fn last_start(&self, app: &str) -> Option<(Timestamp, String)> {
        self.starts.get(app).map(|(at, event)| (*at, event.to_string()))
    }

    /// Forgets the starts of apps that are gone.
    pub fn keep_only(&mut self, is_there: impl Fn(&str) -> bool) {
        self.starts.retain(|app, _| is_there(app));
    }

    fn learn(&mut self, events: Vec<AuditEvent>, started: Timestamp) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for event in events {
            if self.told.insert(event.guid.clone(), event.created_at).is_some() {
                continue;
            }
            let start = (event.created_at, event.kind.clone());
            if STARTS.contains(&&*event.kind) {
                let last = self.starts.entry(event.target.guid.clone()).or_insert_with(|| start.clone());
                if last.0 < start.0 {
                    *last = start;
                }
            }
            deeds.push(deed(event));
        }
        self.since = Some(started);
        let horizon = before(started, OVERLAP + SignedDuration::from_secs(1));
        self.told.retain(|_, at| *at >= horizon);
        deeds
    }
}

/// The guids of what was done to like this since then.
pub async fn targets_since(
    cx: &ReadContext,
    types: &[&str],
    since: Timestamp,
) -> Result<BTreeSet<Arc<str>>, CallFailure> {
    let told = read(cx, None, types, before(since, OVERLAP), &mut Vec::new()).await?;
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
    let lately = read(cx, organization, types, before(now, LATELY), remarks).await?;
    if lately.len() >= CROWDED {
        return Ok(lately);
    }
    read(cx, organization, types, before(now, KEPT), remarks).await
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
        let listed = [("2", "audit.app.restart", 20), ("1", "audit.app.start", 10), ("3", "audit.app.stop", 30)];
        events.learn(listed.iter().map(|(guid, kind, at)| event(guid, kind, *at)).collect(), at(40));
        assert_eq!(events.last_start("app"), Some((at(20), "audit.app.restart".to_owned())));
        events.keep_only(|_| false);
        assert_eq!(events.last_start("app"), None);
    }

    #[test]
    fn who_has_no_name_is_a_client() {
        assert_eq!(&*deed(event("1", "audit.app.update", 0)).actor, "uaa client deployer");
    }
}
