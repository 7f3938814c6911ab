//! Plans: what would be deleted, in which order, and what every guard says to it.
//!
//! Decides one plan for each environment and group root: its actions, the hash that an approval
//! names, and when it could be approved. It is made anew at every evaluation from what is known
//! then, so a plan is never older than the readings it shows. It sends nothing; `moored plan` and the
//! API show it, `approval` and `episode` take it from there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value as Json;

use super::before::{BeforeImage, facets};
use super::breaker::Breakers;
use super::candidate::{Candidate, Ground, group_of};
use super::draft::{Draft, ordered, referrers};
use super::evidence::{Dossier, observe};
use super::guards::{Guard, Verdict};
use super::mention::Mention;
use super::naming::Claims;
use super::policy::{Circumstances, Policy};
use super::target::{Step, Target};
use crate::core::asks::Facet;
use crate::core::desired::Desired;
use crate::core::drift::{Drift, Root};
use crate::core::identity::{Ask, ScopeKey};
use crate::core::index::Index;
use crate::core::memory::Memory;
use crate::core::observation::{IdentityState, Observations};
use crate::core::orphan::Leftovers;
use crate::core::snapshot::Snapshot;
use crate::core::world::World;

/// What planning looks at.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What evaluation says.
    pub snapshot: &'a Snapshot,
    /// What earlier passes taught.
    pub memory: &'a Memory,
    /// What was read.
    pub observations: &'a Observations,
    /// What is declared.
    pub desired: &'a Desired,
    /// Its index.
    pub index: &'a Index,
    /// What STS said of each account, by [`Account::identity_key`](crate::core::desired::Account::identity_key).
    pub identities: &'a BTreeMap<Arc<str>, IdentityState>,
    /// What may be repaired, by environment.
    pub policies: &'a BTreeMap<Arc<str>, Policy>,
    /// What the ledger says, by environment.
    pub circumstances: &'a BTreeMap<Arc<str>, Circumstances>,
    /// How often each thing was seen to be left over.
    pub dossier: &'a Dossier,
    /// Every guard ([`GUARDS`](super::guards::GUARDS)); the simulator leaves some out to show what they are for.
    pub guards: &'a [Guard],
    /// The time.
    pub now: Timestamp,
}

impl<'a> Input<'a> {
    /// The world.
    pub fn world(&self) -> World<'a> {
        World { observations: self.observations, memory: self.memory, now: self.now }
    }
}

/// One delete.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// When it is done.
    pub step: Step,
    /// The kind.
    pub kind: &'static str,
    /// What a person calls it.
    pub name: Arc<str>,
    /// Where it lives.
    pub scope: ScopeKey,
    /// Its physical identity.
    pub id: Arc<str>,
    /// The thing itself, where it was read: key, incarnation and version.
    pub target: Option<Target>,
    /// Everybody on whose behalf it was made.
    pub parents: Vec<Mention>,
    /// Whatever refers to it now.
    pub referrers: Vec<Arc<str>>,
    /// What it names, if it is an item.
    pub pieces: Vec<Mention>,
    /// How long names must have been gone that point here: nothing, unless somebody is still served.
    pub wait: SignedDuration,
    /// What is kept of it.
    pub before: BeforeImage,
    /// What every guard says.
    pub guards: Vec<Verdict>,
}

/// What was lost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lost {
    /// The kind.
    pub kind: Arc<str>,
    /// What a person calls it.
    pub name: Arc<str>,
    /// Its physical identity when it was last seen.
    pub id: Arc<str>,
    /// Which one of that name.
    pub incarnation: Option<Arc<str>>,
    /// When moored first saw it.
    pub first_seen: Timestamp,
    /// Since when it is proven gone.
    pub gone_since: Option<Timestamp>,
    /// What it was declared as, where a manifest does.
    pub declared: BTreeMap<Arc<str>, Json>,
}

/// What would be done for one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The environment.
    pub environment: Arc<str>,
    /// The group.
    pub root: Root,
    /// Names the plan: targets, incarnations, parents and referrers, no times and no verdicts.
    pub hash: Arc<str>,
    /// In which account the approver must be signed in: that of the root.
    pub account: Option<Arc<str>>,
    /// What would be done, in order.
    pub actions: Vec<Action>,
    /// How many deletes that is.
    pub deletes: u32,
    /// When it was made.
    pub made_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// From when it can be approved, if nothing changes; `None` while a guard refuses it, or nobody
    /// knows when it will not.
    pub approvable: Option<Timestamp>,
    /// How to put back what was lost.
    pub redeploy: Option<Arc<str>>,
    /// What was lost.
    pub lost: Option<Lost>,
}

impl Plan {
    /// Whether every guard passes every action now.
    pub fn is_ripe(&self) -> bool {
        !self.actions.is_empty() && self.verdicts().all(|(_, verdict)| verdict.is_passed())
    }

    /// What the guards say, with the action that it is about.
    pub fn verdicts(&self) -> impl Iterator<Item = (&Action, &Verdict)> {
        self.actions.iter().flat_map(|action| action.guards.iter().map(move |verdict| (action, verdict)))
    }

    /// What to ask each scope for, so that before-images are whole and guards can decide.
    pub fn asks(&self) -> impl Iterator<Item = (&ScopeKey, Ask, BTreeSet<Facet>)> {
        self.actions.iter().filter_map(|action| {
            let target = action.target.as_ref()?;
            Some((target.scope(), target.ask(), facets(action.step)))
        })
    }
}

/// One plan for each environment and group root that has anything left over, sorted by both.
pub fn plan(input: &Input<'_>) -> Vec<Plan> {
    on_ground(input, |ground, candidates| {
        let mut breakers: BTreeMap<&Arc<str>, Breakers> = BTreeMap::new();
        let mut groups: BTreeMap<(&Arc<str>, &Root), Vec<&Candidate<'_>>> = BTreeMap::new();
        for candidate in candidates {
            let count = || Breakers::read(&ground.input, candidate.environment);
            breakers.entry(candidate.environment).or_insert_with(count);
            groups.entry((candidate.environment, candidate.root)).or_default().push(candidate);
        }
        // A table that only reports leaves findings, and no plan.
        groups.retain(|_, group| group.iter().any(|candidate| candidate.intent().is_to_delete()));
        let referrers = referrers(&ground.input, candidates);
        let none = Breakers::default();
        groups
            .into_iter()
            .map(|((environment, root), group)| {
                let breakers = breakers.get(environment).unwrap_or(&none);
                let group = ordered(group);
                Draft { ground, breakers, referrers: &referrers, environment, root, group }.plan()
            })
            .collect()
    })
}

/// The dossier after this evaluation: what is no longer left over is no longer in it.
pub fn gather(input: &Input<'_>) -> Dossier {
    on_ground(input, |ground, candidates| {
        let mut dossier = Dossier::new();
        for candidate in candidates {
            let name = candidate.dossier_name();
            let sighting = ground.sighting(candidate, &group_of(candidates, candidate));
            let known = observe(input.dossier.get(&name), &sighting, ground.pass(candidate), input.now);
            dossier.extend(known.map(|known| (name, known)));
        }
        dossier
    })
}

fn on_ground<T>(input: &Input<'_>, what: impl for<'g> FnOnce(&Ground<'g>, &[Candidate<'g>]) -> T) -> T {
    // Reading every claim costs what the tables hold: not while all is well. What an inventory finds
    // unexpected is not declared gone, and not grouped under itself.
    let any = input.snapshot.findings.iter().any(|finding| match finding.key.drift {
        Drift::Orphaned => true,
        Drift::Unexpected => finding.root.kind == finding.key.kind,
        _ => false,
    });
    let claims = if any { Claims::read(input) } else { Claims::default() };
    let world = input.world();
    let leftovers = Leftovers::new(world, input.desired, claims.index(), input.index);
    let ground = Ground { input: *input, world, claims: &claims, leftovers: &leftovers };
    let candidates = if any { ground.candidates() } else { Vec::new() };
    what(&ground, &candidates)
}
