//! The manifests of apps: the one detail of an organisation that costs a call each.
//!
//! Decides which manifests are read: of apps that somebody wants to know so well, those that changed
//! since, as many as the platform's rate limit has room for in one pass; and what may be said of an
//! app whose manifest was not read. Of what a manifest says, no text is kept. A role that may not
//! read one is not asked to at each pass. Never judges. Called by
//! [`super::CfOrganization`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ask::{a_pass, about_each, is_the_platforms, remark};
use crate::cloudfoundry::allow_list::APP_MANIFEST;
use crate::cloudfoundry::classify::CallFailure;
use crate::cloudfoundry::read::ReadContext;
use crate::core::observation::{Failure, Reason};
use crate::core::value::Fact;
use crate::kinds::app::manifest::Manifest;

/// The most manifests that one pass reads.
const A_PASS: usize = 1_000;
/// A manifest is read again after this, though nothing tells that it changed: a sidecar may have.
const OLD: SignedDuration = SignedDuration::from_hours(6);
/// The most of those that one pass reads.
const OLD_A_PASS: usize = 50;
/// Stamps are whole seconds, of clocks that differ: what is read so soon after a change may lack another.
const SETTLED: SignedDuration = SignedDuration::from_secs(30);
/// So many apps that do not answer in a row are no trouble of theirs.
const SLOW: usize = 2;
/// A role that was refused is tried again after this.
const REFUSED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// Why nothing is known that the role may not read.
const NEEDS: &str = "needs cloud_controller.admin_read_only, or Space Developer";
/// The role that is refused everywhere, if anywhere.
const AUDITOR: &str = "cloud_controller.global_auditor";

/// An app whose manifest is wanted.
pub(super) struct Subject {
    /// Its guid.
    pub(super) guid: Arc<str>,
    /// Its key, which the hashes are made with.
    pub(super) key: Arc<str>,
    /// The guid of its space.
    pub(super) space: Arc<str>,
    /// Another one whenever its manifest may say something else.
    pub(super) state: u64,
    /// When it was changed last.
    pub(super) changed: Option<Timestamp>,
}

/// The manifests that were read.
#[derive(Default)]
pub(super) struct Manifests {
    /// By the guid of the app.
    known: BTreeMap<Arc<str>, Known>,
    /// Where the role was refused, and when: the guid of a space, or nothing for everywhere.
    refused: BTreeMap<Arc<str>, Timestamp>,
    /// When those that cannot be read were last tried, by the guid of the app: others have their turn first.
    failed: BTreeMap<Arc<str>, Timestamp>,
    /// Under which names values were kept readable: other names mean reading again.
    visible: BTreeSet<Arc<str>>,
}

struct Known {
    manifest: Manifest,
    state: u64,
    /// Before the call that read it.
    at: Timestamp,
    /// Whether it was read long enough after the last change to hold until the next.
    settled: bool,
}

impl Manifests {
    /// What is known of each subject's manifest, by the guid of the app.
    pub(super) async fn read(
        &mut self,
        cx: &ReadContext,
        subjects: &[Subject],
        visible: &BTreeSet<Arc<str>>,
        remarks: &mut Vec<Failure>,
    ) -> BTreeMap<Arc<str>, Result<Manifest, Fact>> {
        if self.visible != *visible {
            self.known.clear();
            self.visible = visible.clone();
        }
        let by_guid: BTreeMap<&Arc<str>, &Subject> = subjects.iter().map(|subject| (&subject.guid, subject)).collect();
        self.known.retain(|guid, _| by_guid.contains_key(guid));
        self.failed.retain(|guid, _| by_guid.contains_key(guid));
        let everywhere = cx.session.scopes().contains(AUDITOR);
        let realm = |subject: &Subject| if everywhere { Arc::<str>::from("") } else { subject.space.clone() };

        let now = cx.now();
        let is_refused = |at: &Timestamp| (SignedDuration::ZERO..REFUSED_FOR).contains(&now.duration_since(*at));
        let askable = subjects.iter().filter(|subject| !self.refused.get(&realm(subject)).is_some_and(is_refused));
        let mut realms: BTreeMap<Arc<str>, Vec<&Subject>> = BTreeMap::new();
        for subject in self.due(askable.collect(), now, a_pass(cx).min(A_PASS)) {
            realms.entry(realm(subject)).or_default().push(subject);
        }
        let mut due: Vec<(Arc<str>, Vec<&Subject>)> = realms.into_iter().collect();
        due.sort_by_key(|(_, subjects)| subjects.first().and_then(|first| self.failed.get(&first.guid)).copied());
        let mut failed = BTreeMap::new();
        let mut rest = Vec::new();
        let mut slow = 0;
        for (realm, subjects) in &due {
            // One refusal is the answer for all apps of a space: the first one is asked for alone.
            let Some((first, others)) = subjects.split_first() else { continue };
            let (at, answer) = (cx.now(), cx.text(&APP_MANIFEST, Some(&*first.guid)).await);
            let in_trouble = answer.as_ref().is_err_and(is_unreachable);
            slow = if answer.as_ref().is_err_and(is_slow) { slow + 1 } else { 0 };
            let refused = answer.as_ref().is_err_and(is_refusal);
            if refused {
                self.refused.insert(realm.clone(), at);
            } else if answer.is_ok() {
                self.refused.remove(realm);
            }
            self.learn(cx, first, answer, at, &mut failed, remarks);
            if in_trouble {
                rest.clear();
                break;
            }
            if !refused {
                rest.extend(others.iter().map(|subject| subject.guid.clone()));
            }
            if slow >= SLOW {
                break;
            }
        }
        let ask = move |guid: Arc<str>| async move {
            let at = cx.now();
            cx.text(&APP_MANIFEST, Some(&*guid)).await.map(|text| (text, at))
        };
        about_each(&rest, ask, |guid, answer| {
            let Some(subject) = by_guid.get(&guid) else { return };
            let at = answer.as_ref().map_or(now, |(_, at)| *at);
            self.learn(cx, subject, answer.map(|(text, _)| text), at, &mut failed, remarks);
        })
        .await;
        let told = |subject: &Subject| {
            let refused = self.refused.contains_key(&realm(subject));
            (subject.guid.clone(), self.told(subject, failed.get(&subject.guid), refused, now))
        };
        subjects.iter().map(told).collect()
    }

    /// Those that changed first, of which those that failed come last; then some of the old ones.
    fn due<'a>(&self, subjects: Vec<&'a Subject>, now: Timestamp, most: usize) -> Vec<&'a Subject> {
        let (old, mut changed): (Vec<&Subject>, Vec<&Subject>) =
            subjects.into_iter().partition(|subject| self.holds(subject));
        // One that was read but is not settled waits for those that were never read.
        let read = |subject: &Subject| {
            self.known.get(&subject.guid).filter(|known| known.state == subject.state).map(|known| known.at)
        };
        changed.sort_by_key(|subject| (self.failed.get(&subject.guid).copied(), read(subject)));
        let is_old = |known: &Known| now.duration_since(known.at) >= OLD;
        let old = old.into_iter().filter(|subject| self.known.get(&subject.guid).is_some_and(is_old));
        changed.into_iter().chain(old.take(OLD_A_PASS)).take(most).collect()
    }

    /// Whether the app is as it was when its manifest was read.
    fn holds(&self, subject: &Subject) -> bool {
        self.known.get(&subject.guid).is_some_and(|known| known.settled && known.state == subject.state)
    }

    fn learn(
        &mut self,
        cx: &ReadContext,
        subject: &Subject,
        answer: Result<String, CallFailure>,
        at: Timestamp,
        failed: &mut BTreeMap<Arc<str>, Fact>,
        remarks: &mut Vec<Failure>,
    ) {
        let manifest = match answer {
            Ok(text) => self.parsed(cx, subject, &text),
            Err(call) => {
                let why = Fact::Unknown(call.failure.to_string().into());
                // That the auditors' tier reads no manifest is no trouble: its fields are unchecked.
                if !is_refusal(&call) || self.known.contains_key(&subject.guid) {
                    remark(remarks, call.failure);
                }
                Err(why)
            }
        };
        match manifest {
            Ok(manifest) => {
                let by_its_clock = cx.platform_time(at);
                let is_settled = |changed| by_its_clock.duration_since(changed) >= SETTLED;
                let settled = subject.changed.is_none_or(is_settled);
                self.failed.remove(&subject.guid);
                let known = Known { manifest, state: subject.state, at, settled };
                self.known.insert(subject.guid.clone(), known);
            }
            Err(why) => {
                self.failed.insert(subject.guid.clone(), at);
                failed.insert(subject.guid.clone(), why);
            }
        }
    }

    fn parsed(&self, cx: &ReadContext, subject: &Subject, text: &str) -> Result<Manifest, Fact> {
        // What the parser says of a text may repeat a part of it, and any part may be a secret.
        let yaml: serde_yaml::Value = serde_yaml::from_str(text)
            .map_err(|_| Fact::Unknown("the platform's manifest of it cannot be parsed as YAML".into()))?;
        Manifest::parse(&yaml, &subject.key, &cx.redactor, &self.visible)
    }

    /// What may be said now, in a pass that asks since `began`. What was readable and is not any more is
    /// unknown; what never was is not checked.
    fn told(
        &self,
        subject: &Subject,
        failed: Option<&Fact>,
        refused: bool,
        began: Timestamp,
    ) -> Result<Manifest, Fact> {
        let tells = |known: &Known| known.state == subject.state && (known.settled || known.at >= began);
        match self.known.get(&subject.guid) {
            Some(known) if tells(known) => Ok(known.manifest.clone()),
            Some(known) if refused => Err(Fact::Unknown(format!("was readable until {}: {NEEDS}", known.at).into())),
            _ if refused => Err(Fact::Unchecked(NEEDS.into())),
            _ => Err(failed.cloned().unwrap_or_else(|| {
                Fact::Unknown(
                    "not read yet as it is now: others had their turn first, or the platform is in trouble".into(),
                )
            })),
        }
    }
}

/// Whether the role may not. What is not found is gone since it was listed.
fn is_refusal(call: &CallFailure) -> bool {
    call.failure.reason == Reason::Denied && !call.is_not_found()
}

/// Whether it makes no sense to ask for another one; an error of the server may be about this one, and
/// so may it be that nothing came in time.
fn is_unreachable(call: &CallFailure) -> bool {
    is_the_platforms(call) && !is_slow(call) && call.failure.reason != Reason::Server
}

/// Whether no answer came in time.
fn is_slow(call: &CallFailure) -> bool {
    call.failure.reason == Reason::Timeout
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_does_not_answer_waits_for_the_others_and_then_for_its_turn() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let subject =
            |guid: &str| Subject { guid: guid.into(), key: guid.into(), space: "s".into(), state: 0, changed: None };
        let subjects: Vec<Subject> = ["a", "b", "c", "d"].into_iter().map(subject).collect();
        let mut manifests = Manifests::default();
        manifests.failed.insert("a".into(), at(20));
        manifests.failed.insert("b".into(), at(10));
        let due = manifests.due(subjects.iter().collect(), at(30), 3);
        assert_eq!(due.iter().map(|subject| &*subject.guid).collect::<Vec<_>>(), ["c", "d", "b"]);
    }
}
