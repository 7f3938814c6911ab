//! The processes of an organisation's apps, and the state of their instances.
//!
//! Decides how instances are observed: embedded in the list of processes where the platform can
//! (API 3.211), else process by process, for the started apps that somebody asks about, as many as
//! the platform's rate limit has room for in one pass. Where Diego is down, processes are listed
//! without their instances. Never judges how an app runs. [`super::read`] calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ask::{a_pass, about_each, all, remark};
use crate::cloudfoundry::allow_list::{PROCESS_STATS, PROCESSES};
use crate::cloudfoundry::classify::CallFailure;
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::types::{Process, Stats};
use crate::core::observation::{Failure, Reason};
use crate::core::value::Fact;
use crate::kinds::app::live::Instance;
use crate::kinds::detail;

/// Since this version of the API the list of processes can tell of their instances.
const EMBEDS: (u32, u32, u32) = (3, 211, 0);

/// A process and its instances, or why nothing is known of those.
pub(super) struct Observed {
    /// As it is listed.
    pub(super) process: Process,
    /// As they are.
    pub(super) states: Result<Vec<Instance>, Fact>,
}

/// Apps by guid whose instances matter.
pub(super) struct Wanted {
    /// Those that are started: no other has any.
    pub(super) started: BTreeSet<Arc<str>>,
    /// Those that somebody asks about.
    pub(super) asked: BTreeSet<Arc<str>>,
}

/// How processes are read, which depends on the platform.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// The version of the API that refused to embed instances, against its own word.
    refused_by: Option<(u32, u32, u32)>,
    /// When each process was last asked for its instances, by its guid: those that waited longest are next.
    asked: BTreeMap<Arc<str>, Timestamp>,
}

impl Processes {
    /// Every process of the organisation.
    pub(super) async fn read(
        &mut self,
        cx: &ReadContext,
        organization: &str,
        wanted: &Wanted,
        remarks: &mut Vec<Failure>,
    ) -> Result<Vec<Observed>, Failure> {
        let own = ("organization_guids", organization);
        let version = cx.api_version().await?;
        if version >= EMBEDS && self.refused_by != Some(version) {
            match all::<Process>(cx, &PROCESSES, &[own, ("embed", "process_instances")], remarks).await {
                Ok(listed) => {
                    let told = cx.platform_time(cx.now());
                    return Ok(listed.items.into_iter().map(|process| embedded(process, wanted, told)).collect());
                }
                Err(refusal) if refusal.status == Some(400) => self.refused_by = Some(version),
                Err(down) if down.status.is_some_and(|status| status >= 500) => {
                    // What it cannot embed, it cannot tell of single processes either.
                    let processes = all::<Process>(cx, &PROCESSES, &[own], remarks).await?.items;
                    remark(remarks, down.failure.clone());
                    let why = Fact::Unknown(format!("the platform cannot tell of instances: {}", down.failure).into());
                    return Ok(processes.into_iter().map(|process| untold(process, wanted, &why)).collect());
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        let processes = all::<Process>(cx, &PROCESSES, &[own], remarks).await?.items;
        let due: BTreeSet<Arc<str>> = processes
            .iter()
            .filter(|process| runs(process, wanted) && belongs_to(process, &wanted.asked))
            .map(|process| process.guid.clone())
            .collect();
        let turn = self.turn(&due, a_pass(cx));
        let now = cx.now();
        self.asked.extend(turn.iter().map(|guid| (guid.clone(), now)));
        let mut known = BTreeMap::new();
        let ask = move |guid: Arc<str>| async move {
            let answer = cx.one::<Stats>(&PROCESS_STATS, Some(&*guid)).await;
            answer.map(|stats| instances(&stats, cx.platform_time(cx.now())))
        };
        about_each(&turn, ask, |guid, answer| {
            known.insert(guid, answer.map_err(|call| gap(&call, remarks)));
        })
        .await;
        let observed = |process: Process| {
            let states = known.remove(&process.guid).unwrap_or_else(|| match runs(&process, wanted) {
                false => Ok(Vec::new()),
                true if due.contains(&process.guid) => {
                    let why = "not asked this time: others have their turn, or the platform is in trouble";
                    Err(Fact::Unknown(why.into()))
                }
                true => Err(detail::not_asked()),
            });
            Observed { process, states }
        };
        Ok(processes.into_iter().map(observed).collect())
    }

    /// As many of these as may be asked for, those that waited longest first.
    fn turn(&mut self, due: &BTreeSet<Arc<str>>, most: usize) -> Vec<Arc<str>> {
        self.asked.retain(|guid, _| due.contains(guid));
        let mut turn: Vec<Arc<str>> = due.iter().cloned().collect();
        turn.sort_by_key(|guid| self.asked.get(guid).copied());
        turn.truncate(most);
        turn
    }
}

/// Without its instances, if it should have some.
fn untold(process: Process, wanted: &Wanted, why: &Fact) -> Observed {
    let states = if runs(&process, wanted) { Err(why.clone()) } else { Ok(Vec::new()) };
    Observed { process, states }
}

fn belongs_to(process: &Process, apps: &BTreeSet<Arc<str>>) -> bool {
    process.relationships.app.as_ref().is_some_and(|app| apps.contains(app))
}

/// Whether it should have instances.
fn runs(process: &Process, wanted: &Wanted) -> bool {
    process.instances > 0 && belongs_to(process, &wanted.started)
}

fn embedded(mut process: Process, wanted: &Wanted, told: Timestamp) -> Observed {
    let states = match process.process_instances.take() {
        Some(listed) => Ok(listed
            .iter()
            .map(|instance| Instance { state: instance.state.to_string(), since: start(instance.since, told) })
            .collect()),
        None if runs(&process, wanted) => {
            Err(Fact::Unknown("the list of processes tells nothing of its instances: is Diego well?".into()))
        }
        None => Ok(Vec::new()),
    };
    Observed { process, states }
}

fn instances(stats: &Stats, told: Timestamp) -> Vec<Instance> {
    let one = stats.resources.iter();
    one.map(|instance| Instance { state: instance.state.to_string(), since: start(instance.uptime, told) }).collect()
}

/// The platform tells an age: by its own clock, this is when it started, give or take a second.
fn start(age: Option<i64>, told: Timestamp) -> Option<Timestamp> {
    let age = age.filter(|age| *age >= 0)?;
    told.checked_sub(SignedDuration::from_secs(age)).ok()
}

/// Why nothing is known of a process' instances. A process that is not found was replaced since it
/// was listed.
fn gap(call: &CallFailure, remarks: &mut Vec<Failure>) -> Fact {
    let may_not = call.failure.reason == Reason::Denied && !call.is_not_found();
    remark(remarks, call.failure.clone());
    match may_not {
        true => Fact::Unchecked("needs cloud_controller.global_auditor, or Space Auditor".into()),
        false => Fact::Unknown(call.failure.to_string().into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn where_not_all_can_be_asked_for_in_a_pass_each_has_its_turn() {
        let mut processes = Processes::default();
        let due: BTreeSet<Arc<str>> = ["a", "b", "c"].into_iter().map(Arc::from).collect();
        let mut seen = Vec::new();
        for second in 0..3 {
            let turn = processes.turn(&due, 2);
            let now = Timestamp::from_second(second).unwrap();
            processes.asked.extend(turn.iter().map(|guid| (guid.clone(), now)));
            seen.push(turn.join(""));
        }
        assert_eq!(seen, ["ab", "ca", "ba"]);
    }
}
