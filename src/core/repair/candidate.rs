//! Candidates: what looks left over, which document says that it should go, and what is known of it.
//!
//! Decides which findings a plan is about, whom each thing was made for, and whether one evaluation
//! confirms that it is left over. Whether anybody needs it is for `core::orphan` to say; whether it
//! may be deleted for the guards. `plan` and `plan::gather` call it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::evidence::{self, Confirmation, Evidence, Sighting};
use super::guards::{Intent, Ownership};
use super::mention::Mention;
use super::naming::{Claims, Naming};
use super::plan::Input;
use super::target::{Canon, Step, incarnation, place};
use crate::core::desired::{Declared, Parent, WhenParentGone};
use crate::core::drift::{Drift, Finding, Root, Severity};
use crate::core::identity::{Ask, ScopeKey, Select};
use crate::core::items::ask_again;
use crate::core::observation::{Failure, Live, Reading, Reason};
use crate::core::orphan::{Leftovers, Standing};
use crate::core::unit::declaration_key;
use crate::core::world::{Sight, World};
use crate::kinds::target_group;

/// Why a thing is there.
pub enum Why<'a> {
    /// These items name it, or are it.
    Named(Vec<&'a Naming>),
    /// A manifest declares it with `ownedBy`.
    Owned(&'a Declared),
    /// A manifest declares it gone.
    Absent(&'a Declared),
    /// It serves a load balancer that goes, under the mode of this kind.
    Alone(&'static str),
    /// Nothing in force names it.
    Nobody,
}

/// A thing that looks left over.
pub struct Candidate<'a> {
    /// The environment.
    pub environment: &'a Arc<str>,
    /// The group.
    pub root: &'a Root,
    /// When it would go.
    pub step: Step,
    /// Where it lives.
    pub scope: &'a ScopeKey,
    /// What a person calls it.
    pub name: Arc<str>,
    /// Its physical identity.
    pub id: Arc<str>,
    /// Where it stands.
    pub sight: Sight<'a>,
    /// Whether the latest readings did not confirm the finding.
    pub held: bool,
    /// Why it is there.
    pub why: Why<'a>,
    /// Everybody on whose behalf it was made.
    pub parents: BTreeSet<Parent>,
    /// Whether a person reviewed the document that says so.
    pub reviewed: bool,
    /// How to put the parent back.
    pub redeploy: Option<&'a Arc<str>>,
}

/// What is known of gone parents.
pub struct Gone {
    /// Whether the API itself says that every one was deleted.
    pub deleted: bool,
    /// The first of their readings began then.
    pub read: Timestamp,
    /// The last was finished then.
    pub complete: Timestamp,
    /// Since when the last of them is gone, where that is remembered.
    pub since: Option<Timestamp>,
}

impl<'a> Candidate<'a> {
    /// The thing, where it was read.
    pub fn live(&self) -> Option<&'a Live> {
        match self.sight {
            Sight::Present(live, _) => Some(live),
            Sight::Absent(..) | Sight::Unknown(_) => None,
        }
    }

    /// Its name in the dossier.
    pub fn dossier_name(&self) -> Arc<str> {
        evidence::name(self.environment, self.scope, self.step.kind(), &self.name)
    }

    /// Its name among all accounts.
    pub fn place(&self) -> Arc<str> {
        place(self.scope, &self.id)
    }

    /// Which document says that it should go.
    pub fn intent(&self) -> Intent {
        match &self.why {
            Why::Named(namings) => {
                let wish = |naming: &&Naming| naming.table.when_parent_gone;
                let least = [WhenParentGone::Keep, WhenParentGone::Report]
                    .into_iter()
                    .find(|least| namings.iter().any(|naming| wish(naming) == *least));
                Intent::Table(least.unwrap_or(WhenParentGone::Prune))
            }
            Why::Owned(_) => Intent::Owned,
            Why::Absent(_) => Intent::Absent,
            Why::Alone(cause) => Intent::Alone(cause),
            Why::Nobody => Intent::Nobody,
        }
    }
}

/// What planning stands on.
pub struct Ground<'a> {
    /// The input.
    pub input: Input<'a>,
    /// The world.
    pub world: World<'a>,
    /// What items say.
    pub claims: &'a Claims,
    /// Who needs what.
    pub leftovers: &'a Leftovers<'a>,
}

type Declarations<'a> = BTreeMap<(&'a str, &'a str, &'a str), &'a Declared>;

impl<'a> Ground<'a> {
    /// Everything that looks left over, target groups of balancers that go included.
    pub fn candidates(&self) -> Vec<Candidate<'a>> {
        let resources = self.input.desired.resources.iter();
        let declarations: Declarations<'a> = resources
            .filter(|declared| declared.absent || declared.owned_by.is_some())
            .map(|declared| ((&*declared.environment, declared.kind.name(), &*declared.name), &**declared))
            .collect();
        let findings = self.input.snapshot.findings.iter();
        let mut candidates: Vec<Candidate<'a>> =
            findings.filter_map(|finding| self.candidate(finding, &declarations)).collect();
        let alone = self.alone(&candidates);
        candidates.extend(alone);
        candidates
    }

    fn candidate(&self, finding: &'a Finding, declarations: &Declarations<'a>) -> Option<Candidate<'a>> {
        let key = &finding.key;
        let step = Step::of(&key.kind)?;
        let declared = declarations.get(&(&*key.environment, &*key.kind, &*key.name)).copied();
        let (why, ask) = match (key.drift, declared) {
            (Drift::Orphaned, Some(declared)) if !declared.absent => (Why::Owned(declared), declared.ask()),
            (Drift::Orphaned, _) => {
                let ask = ask_again(finding)?;
                (self.named(finding, &ask), ask)
            }
            (Drift::Unexpected, Some(declared)) if declared.absent && finding.root.kind == key.kind => {
                (Why::Absent(declared), declared.ask())
            }
            _ => return None,
        };
        let sight = self.world.sight_of(&finding.scope, &ask)?;
        let id = match &sight {
            Sight::Absent(..) => return None,
            Sight::Present(live, _) if matches!(why, Why::Absent(_)) => live.id.clone(),
            // Its name belongs to another incarnation: the one that was left over is gone.
            Sight::Present(live, _) if live.id != finding.id => return None,
            Sight::Present(..) | Sight::Unknown(_) => finding.id.clone(),
        };
        let mut parents: BTreeSet<Parent> = match &why {
            Why::Named(namings) => namings.iter().filter_map(|naming| naming.claim.parent.clone()).collect(),
            Why::Owned(declared) => declared.owned_by.iter().cloned().collect(),
            Why::Absent(_) | Why::Alone(_) | Why::Nobody => BTreeSet::new(),
        };
        if let Sight::Present(live, _) = &sight {
            parents.extend(self.claims.index().parents(&finding.scope, live).cloned());
        }
        // Nobody's word: `manifest` caps at `info` what no person has reviewed.
        let reviewed = match &why {
            Why::Named(namings) => namings.iter().all(|naming| is_reviewed(&naming.table.declared)),
            Why::Owned(declared) | Why::Absent(declared) => is_reviewed(declared),
            Why::Alone(_) | Why::Nobody => true,
        };
        Some(Candidate {
            environment: &key.environment,
            root: &finding.root,
            step,
            scope: &finding.scope,
            name: key.name.clone(),
            id,
            sight,
            held: finding.held,
            why,
            parents,
            reviewed,
            redeploy: finding.redeploy.as_ref(),
        })
    }

    /// The items that name it; those of other environments have a say, but not the first word.
    fn named(&self, finding: &Finding, ask: &Ask) -> Why<'a> {
        let namings = self.claims.naming(&finding.scope, ask);
        let own = namings.iter().any(|naming| naming.table.declared.environment == finding.key.environment);
        if own { Why::Named(namings) } else { Why::Nobody }
    }

    /// Target groups that serve balancers among these candidates and nobody else.
    fn alone(&self, candidates: &[Candidate<'a>]) -> Vec<Candidate<'a>> {
        let mut known: BTreeSet<(&'a Arc<str>, Arc<str>)> =
            candidates.iter().map(|candidate| (candidate.environment, candidate.place())).collect();
        let mut alone = Vec::new();
        for balancer in candidates.iter().filter(|candidate| candidate.step == Step::LoadBalancer) {
            let references = balancer.live().into_iter().flat_map(|live| live.references.iter());
            for arn in references.filter_map(|reference| reference.strip_prefix("targetgroup:")) {
                let ask = Ask { kind: target_group::KIND, select: Select::Arn(arn.into()) };
                let Some(sight) = self.world.sight_of(balancer.scope, &ask) else { continue };
                let name = match &sight {
                    Sight::Absent(..) => continue,
                    Sight::Present(live, _) => {
                        let group = group_of(candidates, balancer);
                        // What somebody else needs stays, and is no part of the plan.
                        if matches!(self.leftovers.needed(balancer.scope, live, &group), Ok(true)) {
                            continue;
                        }
                        live.key.key.clone()
                    }
                    Sight::Unknown(_) => arn.into(),
                };
                if known.insert((balancer.environment, place(balancer.scope, arn))) {
                    alone.push(Candidate {
                        environment: balancer.environment,
                        root: balancer.root,
                        step: Step::TargetGroup,
                        scope: balancer.scope,
                        name,
                        id: arn.into(),
                        sight,
                        held: balancer.held,
                        why: Why::Alone(balancer.intent().cause(Step::LoadBalancer.kind())),
                        parents: balancer.parents.clone(),
                        reviewed: balancer.reviewed,
                        redeploy: balancer.redeploy,
                    });
                }
            }
        }
        alone
    }

    /// Whom a thing belongs to, on the readings that there are. `group` are the ids of its group.
    pub fn ownership(&self, candidate: &Candidate<'a>, group: &BTreeSet<&Arc<str>>) -> Ownership {
        match &candidate.sight {
            Sight::Present(live, reading) => self.stand(candidate, live, reading, group, true),
            Sight::Absent(proof, _) => Ownership::Unclear(Failure::new(Reason::Unconfirmed, proof.sentence.as_str())),
            Sight::Unknown(failure) => Ownership::Unclear(failure.clone()),
        }
    }

    /// `open` forgives the order of readings: a confirmation never does.
    fn stand(
        &self,
        candidate: &Candidate<'a>,
        live: &Live,
        reading: &Reading,
        group: &BTreeSet<&Arc<str>>,
        open: bool,
    ) -> Ownership {
        match (&candidate.why, candidate.parents.first()) {
            (Why::Named(_) | Why::Owned(_), Some(parent)) => {
                match self.leftovers.standing(candidate.scope, live, parent, reading.finished, open) {
                    Standing::Orphaned(proof) => Ownership::LeftOver(proof.sentence),
                    Standing::Needed => Ownership::Needed,
                    Standing::Suspected(failure, _) | Standing::Unknown(failure) => Ownership::Unclear(failure),
                }
            }
            (Why::Absent(_) | Why::Alone(_), _) => match self.leftovers.needed(candidate.scope, live, group) {
                Ok(false) => {
                    Ownership::LeftOver("nobody claims it, and nothing outside the plan refers to it".to_owned())
                }
                Ok(true) => Ownership::Needed,
                Err(failure) => Ownership::Unclear(failure),
            },
            (Why::Named(_) | Why::Owned(_) | Why::Nobody, _) => {
                let detail = "nobody can say on whose behalf it was made";
                Ownership::Unclear(Failure::new(Reason::BadItem, detail))
            }
        }
    }

    /// Whether these readings confirm that it is left over.
    pub fn sighting(&self, candidate: &Candidate<'a>, group: &BTreeSet<&Arc<str>>) -> Sighting {
        let Sight::Present(live, reading) = &candidate.sight else { return Sighting::Unclear };
        if candidate.held {
            return Sighting::Unclear;
        }
        match self.stand(candidate, live, reading, group, false) {
            Ownership::Needed => Sighting::Refuted,
            Ownership::Unclear(_) => Sighting::Unclear,
            Ownership::LeftOver(_) => match self.gone(candidate) {
                Err(_) => Sighting::Unclear,
                Ok(None) => Sighting::Refuted,
                Ok(Some(gone)) => Sighting::Confirmed(Confirmation {
                    incarnation: self.incarnations(candidate, live),
                    object_read: reading.finished,
                    parent_read: gone.read,
                    complete: gone.complete.max(reading.finished),
                }),
            },
        }
    }

    /// What is known of its parents; `None` where one is there. What has none hangs on itself.
    pub fn gone(&self, candidate: &Candidate<'a>) -> Result<Option<Gone>, String> {
        let own = match &candidate.sight {
            Sight::Present(_, reading) => reading,
            Sight::Absent(..) | Sight::Unknown(_) => return Err("it cannot be read".to_owned()),
        };
        let mut all: Option<Gone> = None;
        for parent in &candidate.parents {
            let name = format!("{} {}", parent.ask.kind, parent.name);
            let (proof, reading) = match self.world.sight_of(&parent.scope, &parent.ask) {
                None => return Err(format!("{name}: there is no such kind")),
                Some(Sight::Unknown(failure)) => return Err(format!("its parent {name}: {failure}")),
                Some(Sight::Present(..)) => return Ok(None),
                Some(Sight::Absent(proof, reading)) => (proof, reading),
            };
            let known = self.world.memory_of(&parent.scope, &parent.ask);
            let since = known.and_then(|known| known.gone_since.or(known.absent_since));
            let before =
                all.unwrap_or(Gone { deleted: true, read: reading.started, complete: reading.finished, since });
            all = Some(Gone {
                deleted: before.deleted && proof.deleted,
                read: before.read.min(reading.started),
                complete: before.complete.max(reading.finished),
                since: before.since.max(since),
            });
        }
        let itself = || Gone { deleted: false, read: own.started, complete: own.finished, since: None };
        Ok(Some(all.unwrap_or_else(itself)))
    }

    /// Which one of its name it is, and which ones its parents were.
    fn incarnations(&self, candidate: &Candidate<'a>, live: &Live) -> Arc<str> {
        let mut canon = Canon::default();
        canon.text(&incarnation(candidate.step, live));
        for parent in &candidate.parents {
            let known = self.world.memory_of(&parent.scope, &parent.ask);
            let which = known.and_then(|known| known.incarnation.as_deref()).unwrap_or_default();
            canon.list([parent.scope.to_string().as_str(), parent.ask.kind, &*parent.name, which]);
        }
        canon.digest()
    }

    /// The longest time between two readings of a thing and its parents.
    pub fn pass(&self, candidate: &Candidate<'a>) -> SignedDuration {
        let scopes = candidate.parents.iter().map(|parent| &parent.scope).chain([candidate.scope]);
        let bounds = scopes.filter_map(|scope| self.input.observations.get(scope)).map(|known| known.bound);
        bounds.max().unwrap_or(SignedDuration::ZERO)
    }

    /// Until when somebody may still be at work on it: counted from when it was written, declared or
    /// lost its parent, except where the API says that the parent was deleted. What was written
    /// after that is for the next parent.
    pub fn settling(
        &self,
        candidate: &Candidate<'a>,
        gone: Option<&Gone>,
        evidence: Option<&Evidence>,
    ) -> Option<Timestamp> {
        let deleted = gone.is_some_and(|gone| gone.deleted);
        let lost = gone.and_then(|gone| gone.since).or(evidence.map(|evidence| evidence.first));
        let lost = lost.unwrap_or(self.input.now);
        let ends: Vec<Option<Timestamp>> = match &candidate.why {
            Why::Named(namings) => namings
                .iter()
                .flat_map(|naming| {
                    let settle = naming.table.declared.policy.settle;
                    let written = naming.claim.written_at.filter(|written| !deleted || *written > lost);
                    [written, (!deleted).then_some(lost)].map(|from| from?.saturating_add(settle).ok())
                })
                .collect(),
            Why::Owned(declared) => {
                let from = [self.declared_at(declared), (!deleted).then_some(lost)];
                from.map(|from| from?.saturating_add(declared.policy.settle).ok()).to_vec()
            }
            Why::Absent(declared) => {
                let declared_at = self.declared_at(declared);
                vec![declared_at.and_then(|from| from.saturating_add(declared.policy.settle).ok())]
            }
            // It settles with its balancer.
            Why::Alone(_) | Why::Nobody => Vec::new(),
        };
        ends.into_iter().flatten().max()
    }

    /// When the declaration changed while moored watched.
    fn declared_at(&self, declared: &Declared) -> Option<Timestamp> {
        let known = self.input.memory.scopes.get(&declared.scope)?;
        known.declared.get(&declaration_key(declared))?.changed_at
    }

    /// Whatever about it could not be read.
    pub fn doubts(&self, candidate: &Candidate<'a>) -> Vec<String> {
        let mut doubts = Vec::new();
        if let Sight::Unknown(failure) = &candidate.sight {
            doubts.push(failure.to_string());
        }
        if candidate.held {
            doubts.push("the latest readings did not confirm that it is left over".to_owned());
        }
        if candidate.live().is_some()
            && let Err(doubt) = self.gone(candidate)
        {
            doubts.push(doubt);
        }
        if let Why::Named(namings) = &candidate.why {
            doubts.extend(namings.iter().filter_map(|naming| naming.claim.problem.clone()));
        }
        doubts
    }

    /// What an item names: what of it stays although it is not among `places`, and what could not be
    /// read; with all that it names, in words.
    pub fn pieces(&self, candidate: &Candidate<'a>, places: &BTreeSet<Arc<str>>) -> Pieces {
        let mut pieces = Pieces::default();
        let Why::Named(namings) = &candidate.why else { return pieces };
        if candidate.step != Step::Item {
            return pieces;
        }
        for piece in namings.iter().flat_map(|naming| &naming.claim.pieces) {
            let name = format!("{} {}", piece.ask.kind, piece.ask.select);
            pieces.all.insert(Mention::of(&piece.scope, &piece.ask, &self.world));
            match self.world.sight_of(&piece.scope, &piece.ask) {
                Some(Sight::Absent(..)) => {}
                Some(Sight::Present(live, _)) if places.contains(&place(&piece.scope, &live.id)) => {}
                Some(Sight::Present(..)) => pieces.staying.push(name),
                Some(Sight::Unknown(failure)) => pieces.unread.push(format!("{name}: {failure}")),
                None => pieces.unread.push(format!("{name}: there is no such kind")),
            }
        }
        pieces
    }
}

/// What an item names.
#[derive(Default)]
pub struct Pieces {
    /// All of it.
    pub all: BTreeSet<Mention>,
    /// What is there and is not going.
    pub staying: Vec<String>,
    /// What could not be read.
    pub unread: Vec<String>,
}

/// The ids of the candidates in one group.
pub fn group_of<'c>(candidates: &'c [Candidate<'_>], one: &Candidate<'_>) -> BTreeSet<&'c Arc<str>> {
    let same = |other: &&Candidate<'_>| other.environment == one.environment && other.root == one.root;
    candidates.iter().filter(same).map(|candidate| &candidate.id).collect()
}

fn is_reviewed(declared: &Declared) -> bool {
    declared.policy.severity != Some(Severity::Info)
}
