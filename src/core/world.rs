//! The world as one evaluation sees it: observations, memory and the time, read-only.
//!
//! Decides how a thing is looked up, and that a lookup has three answers, never two. Kinds and
//! `evaluate` ask it; it changes nothing.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::identity::{Ask, ObjectKey, ScopeKey, ScopeKind, Select, spoken};
use super::judge::{Kind, Proof};
use super::memory::{Memory, ObjectMemory};
use super::observation::{Failure, Live, Observations, Reading, Reason};
use crate::kinds;

/// Where a thing stands.
#[derive(Debug, Clone)]
pub enum Sight<'a> {
    /// It is there.
    Present(&'a Arc<Live>, &'a Arc<Reading>),
    /// It is proven gone.
    Absent(Proof, &'a Arc<Reading>),
    /// It is not known.
    Unknown(Failure),
}

/// The read-only view.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// What was read.
    pub observations: &'a Observations,
    /// What earlier passes taught.
    pub memory: &'a Memory,
    /// The time of this evaluation.
    pub now: Timestamp,
}

/// How old an answer may be that AWS still gives.
const OLD_ANSWERS: SignedDuration = SignedDuration::from_mins(10);

/// Whether a reading shows what is known to be gone for good.
pub fn is_ghost(kind: &dyn Kind, known: &ObjectMemory, live: &Live, reading: &Reading) -> bool {
    let same = known.id == live.id && known.incarnation == live.incarnation && live.incarnation.is_some();
    let soon = known.gone_since.is_some_and(|gone| reading.finished.duration_since(gone) < OLD_ANSWERS);
    same && soon && !kind.revives()
}

impl<'a> World<'a> {
    /// The current reading of a scope, or why there is none.
    pub fn reading(&self, scope: &ScopeKey) -> Result<&'a Arc<Reading>, Failure> {
        match self.observations.get(scope) {
            Some(observation) => observation.current(self.now),
            None => Err(Failure::new(Reason::NotYetRead, "not read since the start")),
        }
    }

    /// Where a thing stands, by its kind's own proof of absence.
    pub fn sight(&self, kind: &dyn Kind, scope: &ScopeKey, ask: &Ask) -> Sight<'a> {
        let reading = match self.reading(scope) {
            Ok(reading) => reading,
            Err(failure) => return Sight::Unknown(failure),
        };
        let resolved = match self.resolve(ask) {
            Ok(resolved) => resolved,
            Err(failure) => return Sight::Unknown(failure),
        };
        let mut found = reading.find(&resolved);
        match (found.pop(), found.len()) {
            (Some(live), 0) => match self.memory.object(scope, &live.key) {
                Some(known) if is_ghost(kind, known, live, reading) => Sight::Unknown(Failure::new(
                    Reason::Stale,
                    "it was proven gone a moment ago, and this very incarnation cannot come back: the answer is an old one",
                )),
                _ => Sight::Present(live, reading),
            },
            (Some(_), more) => Sight::Unknown(Failure::new(
                Reason::Ambiguous,
                format!("{} things match {}: give it an id", more + 1, resolved.select),
            )),
            (None, _) => {
                let known = self.memory_of(scope, &resolved);
                match kind.absence(&resolved, reading, known) {
                    Ok(proof) => Sight::Absent(proof, reading),
                    Err(failure) => Sight::Unknown(failure),
                }
            }
        }
    }

    /// The same by the kind that the question itself names; `None` where no kind is called so.
    pub fn sight_of(&self, scope: &ScopeKey, ask: &Ask) -> Option<Sight<'a>> {
        let entry = kinds::find(ask.kind)?;
        Some(self.sight(entry.kind, scope, ask))
    }

    /// Turns "the check that this record refers to" into that check's own key.
    pub fn resolve(&self, ask: &Ask) -> Result<Ask, Failure> {
        let Select::ReferencedBy(referrer) = &ask.select else { return Ok(ask.clone()) };
        let (zone, record) = &**referrer;
        let reading = self.reading(zone)?;
        let Some(live) = reading.object("DnsRecord", record) else {
            return Err(Failure::new(
                Reason::Unconfirmed,
                format!("the record {} that should refer to it is not there", spoken(record)),
            ));
        };
        let referenced = live.references.iter().find_map(|reference| reference.strip_prefix("healthcheck:"));
        match referenced {
            Some(id) => Ok(Ask { kind: ask.kind, select: Select::Key(id.into()) }),
            None => Err(Failure::new(
                Reason::Unconfirmed,
                format!("the record {} refers to no health check", spoken(record)),
            )),
        }
    }

    /// What is remembered of the thing that a question names.
    pub fn memory_of(&self, scope: &ScopeKey, ask: &Ask) -> Option<&'a ObjectMemory> {
        let key: Arc<str> = match &ask.select {
            Select::Key(key) => key.clone(),
            Select::Arn(arn) => super::arn::Arn::parse(arn)?.elbv2_name()?.into(),
            Select::Alias(_) | Select::ReferencedBy(..) => return None,
        };
        self.memory.object(scope, &ObjectKey { kind: ask.kind, key })
    }

    /// The remembered object that had this address and is proven gone: `(scope, key)`.
    pub fn gone_with_address(&self, kind: ScopeKind, address: &str) -> Option<(&'a ScopeKey, &'a ObjectKey)> {
        self.memory.scopes.iter().filter(|(scope, _)| scope.kind == kind).find_map(|(scope, memory)| {
            memory
                .objects
                .iter()
                .find(|(_, object)| {
                    let gone = object.gone_since.is_some().then_some(&object.addresses).into_iter().flatten();
                    gone.chain(&object.former).any(|known| **known == *address)
                })
                .map(|(key, _)| (scope, key))
        })
    }
}
