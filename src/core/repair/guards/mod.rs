//! Guards: every reason not to delete, each a small pure function with a name.
//!
//! Decides whether one action of a plan may be done, was it to be approved now. A guard looks at
//! the facts of its case and nothing else; what it does not know makes it wait or refuse, never
//! pass. `plan` asks every guard about every action and shows all verdicts, the passing ones too.
//! Each names the disaster that it answers (`against`: numbers of reliability.md, section 2).

pub mod approval;
pub mod before_image;
pub mod breaker;
pub mod evidence;
pub mod freeze;
pub mod identity;
pub mod intent;
pub mod lease;
pub mod ownership;
pub mod preflight;
pub mod references;
pub mod settle;
pub mod unknown;

#[cfg(test)]
mod fixture;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::before::BeforeImage;
use super::evidence::Evidence;
use super::policy::{Circumstances, Policy};
use super::target::Step;
use crate::core::desired::WhenParentGone;
use crate::core::drift::Root;
use crate::core::identity::ScopeKey;
use crate::core::observation::{Failure, IdentityState, Live};

/// What a guard says of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The guard.
    pub guard: &'static str,
    /// What it says.
    pub outcome: Outcome,
    /// Why, for a person.
    pub reason: String,
}

/// Whether an action may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing speaks against it.
    Passed,
    /// It must not be done.
    Refused,
    /// It cannot be said yet.
    Waits {
        /// When it can, where that is known.
        until: Option<Timestamp>,
    },
}

impl Verdict {
    fn passed(guard: &'static str, reason: impl Into<String>) -> Self {
        Self { guard, outcome: Outcome::Passed, reason: reason.into() }
    }

    fn refused(guard: &'static str, reason: impl Into<String>) -> Self {
        Self { guard, outcome: Outcome::Refused, reason: reason.into() }
    }

    fn waits(guard: &'static str, until: Option<Timestamp>, reason: impl Into<String>) -> Self {
        Self { guard, outcome: Outcome::Waits { until }, reason: reason.into() }
    }

    /// Whether nothing speaks against it.
    pub fn is_passed(&self) -> bool {
        self.outcome == Outcome::Passed
    }
}

/// Which document says that the thing should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// StateTables, whose items name it, say what happens when the parent is gone; the one that
    /// wants least counts.
    Table(WhenParentGone),
    /// A manifest declares it with `ownedBy`.
    Owned,
    /// A manifest declares it gone (`state: absent`).
    Absent,
    /// It serves load balancers of this plan and nobody else; they go because of this kind's word.
    Alone(&'static str),
    /// Nothing in force names it.
    Nobody,
}

impl Intent {
    /// Whether anything written says that it should go.
    pub fn is_to_delete(self) -> bool {
        match self {
            Self::Table(when) => when == WhenParentGone::Prune,
            Self::Owned | Self::Absent | Self::Alone(_) => true,
            Self::Nobody => false,
        }
    }

    /// Whose mode it is deleted under: a StateTable's, or that of its own kind.
    pub fn cause(self, kind: &'static str) -> &'static str {
        match self {
            Self::Table(_) => crate::kinds::state_table::KIND,
            Self::Alone(cause) => cause,
            Self::Owned | Self::Absent | Self::Nobody => kind,
        }
    }
}

/// Whom a thing belongs to, as `core::orphan` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Everybody on whose behalf it was made is proven gone: in words.
    LeftOver(String),
    /// Something living claims it or refers to it.
    Needed,
    /// It cannot be said.
    Unclear(Failure),
}

/// Everything that guards look at, for one action.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// The time.
    pub now: Timestamp,
    /// What may be repaired in its environment; none where nobody said.
    pub policy: Option<&'a Policy>,
    /// What the ledger says of its environment; none where it was not read.
    pub circumstances: Option<&'a Circumstances>,
    /// The group.
    pub root: &'a Root,
    /// The account in which the approver's own session must be.
    pub account: Option<&'a str>,
    /// The step, which names the kind.
    pub step: Step,
    /// Where the thing lives.
    pub scope: &'a ScopeKey,
    /// Its physical identity.
    pub id: &'a str,
    /// The thing; none where it cannot be read now.
    pub live: Option<&'a Live>,
    /// Which document says that it should go.
    pub intent: Intent,
    /// Whether a person has reviewed that document.
    pub reviewed: bool,
    /// Roots of manifests whose newest revision is not in force.
    pub unread_roots: Vec<Arc<str>>,
    /// Whether the environment declares the account that the thing lives in.
    pub account_declared: bool,
    /// Whose the credentials are that observe it; none where nobody asked.
    pub identity: Option<IdentityState>,
    /// Whom it belongs to.
    pub ownership: Ownership,
    /// How often it was seen to be left over.
    pub evidence: Option<&'a Evidence>,
    /// The longest time between two readings of what that rests on.
    pub pass: SignedDuration,
    /// Until when somebody may still be at work on it.
    pub settling: Option<Timestamp>,
    /// Breakers that trip now, in words.
    pub trips: &'a [String],
    /// What cannot be counted now, in words: no breaker can be trusted without it.
    pub uncounted: Option<&'a str>,
    /// How many things of its kind there are.
    pub of_its_kind: u32,
    /// Ids of live things outside the plan that refer to it.
    pub outside: Vec<Arc<str>>,
    /// What could hold more of them and was not listed whole, in words.
    pub unlisted: Option<String>,
    /// What an item names and what is not going with it.
    pub staying: Vec<String>,
    /// What is kept of it.
    pub before: &'a BeforeImage,
    /// Whatever about it could not be read.
    pub doubts: Vec<String>,
}

/// A guard.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// Its name.
    pub name: &'static str,
    /// The disasters that it answers (reliability.md, section 2).
    pub against: &'static [u8],
    /// What it decides.
    pub check: fn(&Case<'_>) -> Verdict,
}

/// Every guard, in the order in which a person reads their verdicts.
pub const GUARDS: [Guard; 13] = [
    Guard { name: freeze::NAME, against: freeze::AGAINST, check: freeze::check },
    Guard { name: intent::NAME, against: intent::AGAINST, check: intent::check },
    Guard { name: approval::NAME, against: approval::AGAINST, check: approval::check },
    Guard { name: identity::NAME, against: identity::AGAINST, check: identity::check },
    Guard { name: unknown::NAME, against: unknown::AGAINST, check: unknown::check },
    Guard { name: ownership::NAME, against: ownership::AGAINST, check: ownership::check },
    Guard { name: references::NAME, against: references::AGAINST, check: references::check },
    Guard { name: evidence::NAME, against: evidence::AGAINST, check: evidence::check },
    Guard { name: settle::NAME, against: settle::AGAINST, check: settle::check },
    Guard { name: breaker::NAME, against: breaker::AGAINST, check: breaker::check },
    Guard { name: preflight::NAME, against: preflight::AGAINST, check: preflight::check },
    Guard { name: before_image::NAME, against: before_image::AGAINST, check: before_image::check },
    Guard { name: lease::NAME, against: lease::AGAINST, check: lease::check },
];

/// What these guards say of a case.
pub fn judge(guards: &[Guard], case: &Case<'_>) -> Vec<Verdict> {
    guards.iter().map(|guard| (guard.check)(case)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::fixture::Room;
    use super::*;

    #[test]
    fn every_guard_has_a_name_of_its_own_a_disaster_and_a_reason_when_it_passes() {
        let names: BTreeSet<&str> = GUARDS.iter().map(|guard| guard.name).collect();
        assert_eq!(names.len(), GUARDS.len());
        let room = Room::ready();
        for (guard, verdict) in GUARDS.iter().zip(judge(&GUARDS, &room.case())) {
            assert!(!guard.against.is_empty() && guard.against.iter().all(|number| (1..=70).contains(number)));
            assert_eq!((verdict.guard, verdict.outcome), (guard.name, Outcome::Passed), "{}", verdict.reason);
            assert!(!verdict.reason.is_empty(), "{}", guard.name);
        }
    }
}
