//! The manifests of apps: the one detail of an organisation that costs a call each.
//!
//! Decides which manifests are read: of apps that somebody wants to know so well, those that changed
//! since; and what may be said of an app whose manifest was not read. Of what a manifest says, no
//! text is kept. A role that may not read one is not asked to at each pass. Never judges. Called by
//! [`super::CfOrganization`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::ask::{about_each, is_the_platforms, remark};
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
    /// Under which names values were kept readable: other names mean reading again.
    visible: BTreeSet<Arc<str>>,
}

struct Known {
    manifest: Manifest,
    state: u64,
    /// Before the call that read it.
    at: Timestamp,
    /// Stamps are whole seconds: what is read in the second of a change may lack the next one.
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
        let everywhere = cx.session.scopes().contains(AUDITOR);
        let realm = |subject: &Subject| if everywhere { Arc::<str>::from("") } else { subject.space.clone() };

        let mut due: BTreeMap<Arc<str>, Vec<&Subject>> = BTreeMap::new();
        for subject in self.due(subjects, cx.now()) {
            due.entry(realm(subject)).or_default().push(subject);
        }
        let now = cx.now();
        let is_refused = |at: &Timestamp| (SignedDuration::ZERO..REFUSED_FOR).contains(&now.duration_since(*at));
        let mut failed = BTreeMap::new();
        let mut rest = Vec::new();
        for (realm, subjects) in &due {
            if self.refused.get(realm).is_some_and(is_refused) {
                continue;
            }
            // One refusal is the answer for all apps of a space: the first one is asked for alone.
            let Some((first, others)) = subjects.split_first() else { continue };
            let (at, answer) = (cx.now(), cx.text(&APP_MANIFEST, Some(&*first.guid)).await);
            let in_trouble = answer.as_ref().is_err_and(is_unreachable);
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
        }
        let ask = move |guid: Arc<str>| async move {
            let at = cx.now();
            cx.text(&APP_MANIFEST, Some(&*guid)).await.map(|text| (text, at))
        };
        for (guid, answer) in about_each(&rest, ask).await {
            let Some(subject) = by_guid.get(&guid) else { continue };
            let at = answer.as_ref().map_or(now, |(_, at)| *at);
            self.learn(cx, subject, answer.map(|(text, _)| text), at, &mut failed, remarks);
        }
        let told = |subject: &Subject| {
            let refused = self.refused.contains_key(&realm(subject));
            (subject.guid.clone(), self.told(subject, failed.get(&subject.guid), refused))
        };
        subjects.iter().map(told).collect()
    }

    /// Those that changed first, then some of the old ones.
    fn due<'a>(&self, subjects: &'a [Subject], now: Timestamp) -> Vec<&'a Subject> {
        let changed = subjects.iter().filter(|subject| !self.holds(subject));
        let is_old = |known: &Known| now.duration_since(known.at) >= OLD;
        let old =
            subjects.iter().filter(|subject| self.holds(subject) && self.known.get(&subject.guid).is_some_and(is_old));
        changed.chain(old.take(OLD_A_PASS)).take(A_PASS).collect()
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
                let settled = subject.changed.is_none_or(|changed| changed.as_second() < at.as_second());
                let known = Known { manifest, state: subject.state, at, settled };
                self.known.insert(subject.guid.clone(), known);
            }
            Err(why) => {
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

    /// What may be said now. What was readable and is not any more is unknown; what never was is
    /// not checked.
    fn told(&self, subject: &Subject, failed: Option<&Fact>, refused: bool) -> Result<Manifest, Fact> {
        match self.known.get(&subject.guid) {
            Some(known) if known.state == subject.state => Ok(known.manifest.clone()),
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

/// Whether it makes no sense to ask for another one; an error of the server may be about this one.
fn is_unreachable(call: &CallFailure) -> bool {
    is_the_platforms(call) && call.failure.reason != Reason::Server
}
