//! Approvals: a person's word that one plan, as it is, may be carried out.
//!
//! Decides whether an approval fits a plan that exists now: its hash, the number of deletes, the
//! environment, the account that the approver is signed in to, and its age. Whatever does not fit
//! is refused with one line. The CLI and the daemon call it before an episode begins.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::guards::Outcome;
use super::plan::Plan;
use super::policy::{CLOCK_SLACK, PLAN_TTL};

/// A person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Its own name: it counts once.
    pub id: Arc<str>,
    /// The environment, as the person typed it.
    pub environment: Arc<str>,
    /// The plan's hash.
    pub plan: Arc<str>,
    /// How many deletes the person expects.
    pub deletes: u32,
    /// The account, or API host, of the person's own session, as STS or the platform says.
    pub account: Option<Arc<str>>,
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// Whether it was given ahead of the evidence.
    pub when_ripe: bool,
}

/// Why an approval does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It was used.
    #[error("approval {0} was used already: an approval counts once, so look at the plan and approve it again")]
    Replayed(Arc<str>),
    /// It is too old.
    #[error("it was given at {0}, and an approval is good for 15 minutes: approve the plan again")]
    Expired(Timestamp),
    /// No such plan exists now.
    #[error("no plan of now has the hash {0}: it is misspelt, or the world has moved since; run `moored plan`")]
    NoSuchPlan(Arc<str>),
    /// It is of another environment.
    #[error("plan {plan} is for the environment {planned}, not for {named}")]
    Environment {
        /// The plan's hash.
        plan: Arc<str>,
        /// Its environment.
        planned: Arc<str>,
        /// The one that was named.
        named: Arc<str>,
    },
    /// The person expects another number of deletes.
    #[error("the plan deletes {planned} things, not {named}: run `moored plan` and read what they are")]
    Count {
        /// How many the plan deletes.
        planned: u32,
        /// How many were named.
        named: u32,
    },
    /// The person is signed in elsewhere.
    #[error("whoever approves it must be signed in to {planned}; this session is in {session}")]
    Account {
        /// The account of the plan's root.
        planned: Arc<str>,
        /// The session's.
        session: Arc<str>,
    },
    /// A guard speaks against it.
    #[error("{guard}: {thing}: {reason}")]
    Guarded {
        /// The guard.
        guard: &'static str,
        /// The thing.
        thing: Arc<str>,
        /// Why.
        reason: String,
    },
}

impl Approval {
    /// Whether it approves this very plan now.
    pub fn fits(&self, plan: &Plan, now: Timestamp) -> Result<(), Refusal> {
        let age = now.duration_since(self.at);
        if age > PLAN_TTL || age < -CLOCK_SLACK {
            return Err(Refusal::Expired(self.at));
        }
        if plan.hash != self.plan || plan.hash.is_empty() {
            return Err(Refusal::NoSuchPlan(self.plan.clone()));
        }
        if plan.environment != self.environment {
            let (plan, planned) = (self.plan.clone(), plan.environment.clone());
            return Err(Refusal::Environment { plan, planned, named: self.environment.clone() });
        }
        if plan.deletes != self.deletes {
            return Err(Refusal::Count { planned: plan.deletes, named: self.deletes });
        }
        if plan.account.is_none() || plan.account != self.account {
            let words = |account: &Option<Arc<str>>, none: &str| account.clone().unwrap_or_else(|| none.into());
            let planned = words(&plan.account, "an account that nobody can name");
            return Err(Refusal::Account { planned, session: words(&self.account, "no account at all") });
        }
        Ok(())
    }
}

/// The plan that an approval names, if it may be carried out now. One that is only not ripe yet may
/// be approved ahead (`when_ripe`): ask again once it is.
pub fn accept<'p>(
    approval: &Approval,
    plans: &'p [Plan],
    used: &BTreeSet<Arc<str>>,
    now: Timestamp,
) -> Result<&'p Plan, Refusal> {
    if used.contains(&approval.id) {
        return Err(Refusal::Replayed(approval.id.clone()));
    }
    let plan = plans.iter().find(|plan| plan.hash == approval.plan);
    let plan = plan.ok_or_else(|| Refusal::NoSuchPlan(approval.plan.clone()))?;
    approval.fits(plan, now)?;
    let speaks_against = |outcome: Outcome| match outcome {
        Outcome::Passed => false,
        Outcome::Refused => true,
        Outcome::Waits { until } => !(approval.when_ripe && until.is_some()),
    };
    match plan.verdicts().find(|(_, verdict)| speaks_against(verdict.outcome)) {
        Some((action, verdict)) => Err(Refusal::Guarded {
            guard: verdict.guard,
            thing: format!("{} {}", action.kind, action.name).into(),
            reason: verdict.reason.clone(),
        }),
        None => Ok(plan),
    }
}
