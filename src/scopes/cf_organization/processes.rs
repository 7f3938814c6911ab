//! The processes of an organisation's apps, and the state of their instances.
//!
//! Decides how instances are observed: embedded in the list of processes where the platform can
//! (API 3.211), else process by process, for the started apps that somebody asks about. Never
//! judges how an app runs. [`super::read`] calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ask::{about_each, all, remark};
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
                    let told = cx.now();
                    return Ok(listed.items.into_iter().map(|process| embedded(process, wanted, told)).collect());
                }
                Err(refusal) if refusal.status == Some(400) => self.refused_by = Some(version),
                Err(failure) => return Err(failure.into()),
            }
        }
        let processes = all::<Process>(cx, &PROCESSES, &[own], remarks).await?.items;
        let due: Vec<Arc<str>> = processes
            .iter()
            .filter(|process| runs(process, wanted) && belongs_to(process, &wanted.asked))
            .map(|process| process.guid.clone())
            .collect();
        let mut known = BTreeMap::new();
        let ask = move |guid: Arc<str>| async move {
            let answer = cx.one::<Stats>(&PROCESS_STATS, Some(&*guid)).await;
            answer.map(|stats| instances(&stats, cx.now()))
        };
        for (guid, answer) in about_each(&due, ask).await {
            known.insert(guid, answer.map_err(|call| gap(&call, remarks)));
        }
        let due: BTreeSet<Arc<str>> = due.into_iter().collect();
        let observed = |process: Process| {
            let states = known.remove(&process.guid).unwrap_or_else(|| match runs(&process, wanted) {
                false => Ok(Vec::new()),
                true if due.contains(&process.guid) => {
                    Err(Fact::Unknown("not asked this time: the platform answered no question about instances".into()))
                }
                true => Err(detail::not_asked()),
            });
            Observed { process, states }
        };
        Ok(processes.into_iter().map(observed).collect())
    }
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

/// The platform tells an age. As the answer was made a little before it came, the start is never
/// put too early.
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
