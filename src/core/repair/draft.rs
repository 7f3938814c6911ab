//! A plan under construction: one group, in order, each action with its case and its hash.
//!
//! Decides the order of actions, what each of them carries, and what the hash covers. The facts come
//! from `candidate`, the verdicts from the guards. Only `plan` calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::before::BeforeImage;
use super::breaker::Breakers;
use super::candidate::{Candidate, Ground};
use super::guards::{Case, Outcome, judge};
use super::mention::Mention;
use super::plan::{Action, Input, Lost, Plan};
use super::policy::PLAN_TTL;
use super::target::{Canon, Step, Target, place};
use crate::core::desired::{Desired, Parent};
use crate::core::drift::Root;
use crate::core::identity::{Ask, ScopeKey, ScopeKind, Select};
use crate::core::observation::Live;
use crate::core::value::Value;
use crate::kinds::target_group::{Health, health};

/// In the order of their steps; within a step, what refers to another goes before it.
pub(super) fn ordered<'c, 'a>(mut group: Vec<&'c Candidate<'a>>) -> Vec<&'c Candidate<'a>> {
    group.sort_by(|a, b| (a.step, a.scope, &a.id).cmp(&(b.step, b.scope, &b.id)));
    let mut order: Vec<usize> = Vec::with_capacity(group.len());
    let mut seen = BTreeSet::new();
    for at in 0..group.len() {
        before(at, &group, &mut seen, &mut order);
    }
    order.into_iter().filter_map(|at| group.get(at).copied()).collect()
}

fn before(at: usize, group: &[&Candidate<'_>], seen: &mut BTreeSet<usize>, order: &mut Vec<usize>) {
    let Some(one) = group.get(at).filter(|_| seen.insert(at)) else { return };
    for (other_at, other) in group.iter().enumerate() {
        let refers = || {
            let (Some(one), Some(other)) = (one.live(), other.live()) else { return false };
            other.references.iter().any(|reference| one.addresses.contains(reference))
        };
        if other.step == one.step && other_at != at && refers() {
            before(other_at, group, seen, order);
        }
    }
    order.push(at);
}

/// By address: everything live that refers to it, by place.
pub(super) type Referrers<'a> = BTreeMap<&'a str, BTreeSet<Arc<str>>>;

pub(super) fn referrers<'c>(input: &Input<'_>, candidates: &'c [Candidate<'_>]) -> Referrers<'c> {
    let addresses = candidates.iter().filter_map(Candidate::live).flat_map(|live| live.addresses.iter());
    let mut found: Referrers<'c> = addresses.map(|address| (&**address, BTreeSet::new())).collect();
    for (scope, observation) in input.observations {
        for live in observation.reading.iter().flat_map(|reading| reading.objects.values()) {
            for reference in live.references.iter() {
                if let Some(known) = found.get_mut(&**reference) {
                    known.insert(place(scope, &live.id));
                }
            }
        }
    }
    found
}

/// A plan under construction.
pub(super) struct Draft<'c, 'a> {
    pub(super) ground: &'c Ground<'a>,
    pub(super) breakers: &'c Breakers,
    pub(super) referrers: &'c Referrers<'c>,
    pub(super) environment: &'c Arc<str>,
    pub(super) root: &'c Root,
    /// In order.
    pub(super) group: Vec<&'c Candidate<'a>>,
}

impl<'a> Draft<'_, 'a> {
    /// The plan.
    pub(super) fn plan(&self) -> Plan {
        let input = &self.ground.input;
        let account = self.account();
        let trips: Vec<String> = self.breakers.trips.iter().map(ToString::to_string).collect();
        let places: BTreeSet<Arc<str>> = self.group.iter().map(|candidate| candidate.place()).collect();
        let ids: BTreeSet<&Arc<str>> = self.group.iter().map(|candidate| &candidate.id).collect();
        let actions: Vec<Action> = self
            .group
            .iter()
            .map(|candidate| self.action(candidate, account.as_deref(), &trips, &places, &ids))
            .collect();
        let hash = self.hash(account.as_deref(), &actions);
        let approvable = approvable(&actions, input.now);
        Plan {
            environment: self.environment.clone(),
            root: self.root.clone(),
            hash,
            account,
            deletes: u32::try_from(actions.len()).unwrap_or(u32::MAX),
            actions,
            made_at: input.now,
            expires_at: input.now.saturating_add(PLAN_TTL).unwrap_or(Timestamp::MAX),
            approvable,
            redeploy: self.group.iter().find_map(|candidate| candidate.redeploy).cloned(),
            lost: self.group.iter().flat_map(|candidate| &candidate.parents).find_map(|parent| self.lost(parent)),
        }
    }

    /// The account of the parents, where they share one; of what has none, its own.
    fn account(&self) -> Option<Arc<str>> {
        let parents = self.group.iter().flat_map(|candidate| &candidate.parents);
        let mut accounts: BTreeSet<&Arc<str>> = parents.map(|parent| &parent.scope.account).collect();
        if accounts.is_empty() {
            accounts.extend(self.group.iter().map(|candidate| &candidate.scope.account));
        }
        if accounts.len() == 1 { accounts.first().map(|account| (*account).clone()) } else { None }
    }

    fn action(
        &self,
        candidate: &Candidate<'a>,
        account: Option<&str>,
        trips: &[String],
        places: &BTreeSet<Arc<str>>,
        ids: &BTreeSet<&Arc<str>>,
    ) -> Action {
        let input = &self.ground.input;
        let live = candidate.live();
        let before = live.map(|live| BeforeImage::of(candidate.step, live)).unwrap_or_default();
        let evidence = input.dossier.get(&candidate.dossier_name());
        let gone = self.ground.gone(candidate).ok().flatten();
        let pieces = self.ground.pieces(candidate, places);
        let own = candidate.place();
        let addresses = live.into_iter().flat_map(|live| live.addresses.iter());
        let referrers: BTreeSet<Arc<str>> = addresses
            .filter_map(|address| self.referrers.get(&**address))
            .flatten()
            .filter(|referrer| **referrer != own)
            .cloned()
            .collect();
        let mut doubts = self.ground.doubts(candidate);
        doubts.extend(pieces.unread);
        let access = input.desired.environments.get(self.environment).and_then(|known| known.access(candidate.scope));
        let mention = |parent: &Parent| Mention::of(&parent.scope, &parent.ask, &self.ground.world);
        let guards = judge(
            input.guards,
            &Case {
                now: input.now,
                policy: input.policies.get(self.environment),
                circumstances: input.circumstances.get(self.environment),
                root: self.root,
                account,
                step: candidate.step,
                scope: candidate.scope,
                id: &candidate.id,
                live,
                intent: candidate.intent(),
                reviewed: candidate.reviewed,
                unread_roots: unread_roots(input.desired),
                account_declared: access.is_some(),
                identity: access.and_then(|access| input.identities.get(&access.identity_key()?).copied()),
                ownership: self.ground.ownership(candidate, ids),
                evidence,
                pass: self.ground.pass(candidate),
                settling: self.ground.settling(candidate, gone.as_ref(), evidence),
                trips,
                uncounted: self.breakers.uncounted.as_deref(),
                of_its_kind: self.breakers.of.get(candidate.step.kind()).copied().unwrap_or_default(),
                outside: referrers.difference(places).cloned().collect(),
                unlisted: live.and_then(|live| unlisted(input, candidate, live)),
                staying: pieces.staying,
                before: &before,
                doubts,
            },
        );
        Action {
            step: candidate.step,
            kind: candidate.step.kind(),
            name: candidate.name.clone(),
            scope: candidate.scope.clone(),
            id: candidate.id.clone(),
            target: live.and_then(|live| Target::of(candidate.scope, live).ok()),
            parents: candidate.parents.iter().map(mention).collect(),
            referrers: referrers.into_iter().collect(),
            pieces: pieces.all.into_iter().collect(),
            wait: live.map_or(SignedDuration::ZERO, |live| self.wait(candidate, live)),
            before,
            guards,
        }
    }

    /// Whoever was told the name before it went still comes here until its time to live is over. That
    /// matters only while somebody is served.
    fn wait(&self, candidate: &Candidate<'_>, live: &Live) -> SignedDuration {
        if candidate.step != Step::LoadBalancer || !self.serves(candidate, live) {
            return SignedDuration::ZERO;
        }
        let records = self.group.iter().filter(|other| other.step == Step::Record).filter_map(|other| other.live());
        let here = records.filter(|record| record.references.iter().any(|name| live.addresses.contains(name)));
        let longest = here.map(|record| record.fields.value("ttl").and_then(Value::as_int).unwrap_or_default()).max();
        longest.map_or(SignedDuration::ZERO, |seconds| SignedDuration::from_secs(seconds.max(PROPAGATION)))
    }

    /// Whether any target behind it is healthy, or might be.
    fn serves(&self, candidate: &Candidate<'_>, live: &Live) -> bool {
        live.references.iter().filter_map(|reference| reference.strip_prefix("targetgroup:")).any(|arn| {
            let ask = Ask { kind: Step::TargetGroup.kind(), select: Select::Arn(arn.into()) };
            let group = self.ground.world.reading(candidate.scope).ok().and_then(|reading| reading.find(&ask).pop());
            let targets = group.map(|group| health(group));
            !matches!(targets, Some(Health::Known(targets)) if targets.healthy == 0)
        })
    }

    fn lost(&self, parent: &Parent) -> Option<Lost> {
        let known = self.ground.world.memory_of(&parent.scope, &parent.ask).filter(|known| !known.id.is_empty())?;
        let declared = self.ground.input.index.declared_as(self.environment, &parent.scope, &parent.ask);
        let expects = declared.into_iter().flat_map(|declared| &declared.expects);
        Some(Lost {
            kind: parent.ask.kind.into(),
            name: parent.name.clone(),
            id: known.id.clone(),
            incarnation: known.incarnation.clone(),
            first_seen: known.first_seen,
            gone_since: known.gone_since,
            declared: expects.map(|(path, expect)| (Arc::from(&**path), expect.to_json())).collect(),
        })
    }

    /// Everything that an approval is about. A plan whose world has moved has another hash.
    fn hash(&self, account: Option<&str>, actions: &[Action]) -> Arc<str> {
        let mut canon = Canon::default();
        canon.list(["moored plan 1", &**self.environment, &*self.root.kind, &*self.root.name]);
        canon.list(account);
        for action in actions {
            let scope = action.scope.to_string();
            canon.list([action.kind, scope.as_str(), &*action.id]);
            match &action.target {
                Some(target) => canon.list([&**target.key(), &**target.incarnation(), &**target.version()]),
                None => canon.text("unread"),
            }
            for mentions in [&action.parents, &action.pieces] {
                canon.text(&mentions.len().to_string());
                for Mention { scope, kind, select, incarnation, by: _ } in mentions {
                    let scope = scope.to_string();
                    canon.list([scope.as_str(), &**kind, &**select, incarnation.as_deref().unwrap_or_default()]);
                }
            }
            canon.list(action.referrers.iter().map(|referrer| &**referrer));
        }
        canon.digest()
    }
}

/// Seconds that a change of a zone takes to reach every name server (Route 53: usually within 60).
const PROPAGATION: i64 = 60;

/// From when all would pass: now, or the last of the times that guards wait for.
fn approvable(actions: &[Action], now: Timestamp) -> Option<Timestamp> {
    let mut from = now;
    for verdict in actions.iter().flat_map(|action| &action.guards) {
        from = match verdict.outcome {
            Outcome::Passed => from,
            Outcome::Waits { until: Some(until) } => from.max(until),
            Outcome::Waits { until: None } | Outcome::Refused => return None,
        };
    }
    (!actions.is_empty()).then_some(from)
}

/// Roots of which the newest revision is not in force: nobody knows what they say.
fn unread_roots(desired: &Desired) -> Vec<Arc<str>> {
    let stale = desired.revisions.iter().filter(|revision| !revision.accepted).map(|revision| revision.root.clone());
    desired.unread_roots.iter().cloned().chain(stale).collect()
}

/// A scope that could hold something that refers to it, and was not listed whole.
fn unlisted(input: &Input<'_>, candidate: &Candidate<'_>, live: &Live) -> Option<String> {
    if live.addresses.is_empty() {
        return None;
    }
    let (scope, step) = (candidate.scope, candidate.step);
    let served = matches!(step, Step::LoadBalancer | Step::TargetGroup);
    let may_refer = |other: &&ScopeKey| {
        let neighbour = other.account == scope.account && other.region == scope.region;
        match other.kind {
            ScopeKind::HostedZone | ScopeKind::HealthChecks => true,
            ScopeKind::EcsCluster => served && neighbour,
            ScopeKind::LoadBalancers => step == Step::TargetGroup && neighbour,
            _ => false,
        }
    };
    input.index.scopes.keys().filter(may_refer).find_map(|other| match input.world().reading(other) {
        Ok(reading) if reading.complete && reading.listed => None,
        Ok(_) => Some(format!("{other} is not listed whole")),
        Err(failure) => Some(format!("{other} cannot be read ({failure})")),
    })
}
