//! Reading for an import: first what there is, then every detail of what gets a manifest.
//!
//! Decides when enough was read: every scope whole, every detail known or never readable, and
//! nothing come in between. It reads with the scopes' own readers, through clients that cannot
//! write. [`super`] makes manifests of what it brings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::scope::{Standing, standings, witnesses};
use super::{ImportError, Request};
use crate::core::asks::{Asks, Facet};
use crate::core::identity::{Ask, ObjectKey, ScopeKey, ScopeKind, Select};
use crate::core::index::Index;
use crate::core::observation::{Failure, Live, NamedAnswer, Observation, Observations, Reading, Reason};
use crate::core::value::Fact;
use crate::engine::reader::{self, Shared};
use crate::kinds::app::absence::space_note;
use crate::kinds::{self, detail};
use crate::scopes::{self, Reader};

/// So often a scope is read again for what came in between.
const ROUNDS: usize = 3;

/// What checkers see of a thing.
const STATUS: &str = "status";

/// A thing that gets a manifest.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it is.
    pub scope: ScopeKey,
    /// What it is.
    pub live: Arc<Live>,
}

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Seen {
    /// The readings.
    pub observations: Observations,
    /// What gets a manifest, in the order of scopes and keys.
    pub found: Vec<Found>,
    /// What those manifests declare besides: bindings of apps, buildpacks of an order.
    pub carried: Vec<Found>,
    /// Everything there is, and the application of what is declared.
    pub world: Vec<(Arc<Live>, Option<Arc<str>>)>,
    /// What gets no manifest: why, and how much of it.
    pub left_out: BTreeMap<String, u32>,
    /// Details that the role may not read.
    pub unchecked: BTreeSet<Arc<str>>,
}

/// Reads all that an import needs. `progress` hears what is being read.
pub async fn read(
    request: &Request<'_>,
    shared: &Arc<Shared>,
    progress: impl FnMut(&str),
) -> Result<Seen, ImportError> {
    let index = Index::new(request.desired);
    let mut round = Round { request, shared, index, readers: BTreeMap::new(), seen: Seen::default(), progress };
    for scope in witnesses(request.desired, request.scopes) {
        let asks = round.asks(&scope);
        round.observe(&scope, asks).await?;
    }
    for scope in request.scopes {
        let asks = round.listing(scope);
        round.observe(scope, asks).await?;
        round.check_spaces(scope)?;
    }
    round.read_details().await?;
    round.conclude()
}

struct Round<'a, P> {
    request: &'a Request<'a>,
    shared: &'a Arc<Shared>,
    index: Index,
    readers: BTreeMap<ScopeKey, Reader>,
    seen: Seen,
    progress: P,
}

impl<P: FnMut(&str)> Round<'_, P> {
    /// What the manifests in force ask of a scope.
    fn asks(&self, scope: &ScopeKey) -> Asks {
        self.index.scopes.get(scope).map(|home| (*home.asks).clone()).unwrap_or_default()
    }

    /// The same and everything else. Values are shown only where every environment that shares the
    /// scope agrees, this one included.
    fn listing(&self, scope: &ScopeKey) -> Asks {
        let mut asks = self.asks(scope);
        let mine = &self.request.environment.visible;
        asks.visible = match self.index.scopes.get(scope).filter(|home| !home.environments.is_empty()) {
            Some(_) => asks.visible.intersection(mine).cloned().collect(),
            None => mine.clone(),
        };
        asks.everything = true;
        asks.scan |= scope.kind == ScopeKind::Table;
        asks
    }

    async fn observe(&mut self, scope: &ScopeKey, asks: Asks) -> Result<(), ImportError> {
        (self.progress)(&scope.to_string());
        let unread = |failure| ImportError::Unread { scope: Box::new(scope.clone()), failure };
        let Some(access) = self.request.access(scope) else {
            return Err(unread(Failure::new(Reason::IdentityUnverified, "no environment declares this account")));
        };
        let reader = self.readers.remove(scope).unwrap_or_else(|| scopes::open(scope));
        let done = reader::read(self.shared.clone(), scope.clone(), access, Arc::new(asks), reader).await;
        self.readers.extend(done.reader.map(|reader| (scope.clone(), reader)));
        let reading = done.result.map_err(unread)?;
        if let Some(failure) = gap(&reading) {
            return Err(unread(failure));
        }
        let observation = Observation { reading: Some(Arc::new(reading)), ..Observation::default() };
        self.seen.observations.insert(scope.clone(), observation);
        Ok(())
    }

    /// A space that nobody can see is no empty one.
    fn check_spaces(&self, scope: &ScopeKey) -> Result<(), ImportError> {
        let reading = self.seen.observations.get(scope).and_then(|observation| observation.reading.as_ref());
        let (Some(spaces), Some(reading)) = (self.request.spaces.get(scope), reading) else { return Ok(()) };
        match spaces.iter().find(|space| !reading.notes.contains_key(space_note(space).as_str())) {
            Some(space) => {
                let detail = format!("the space {space} is not visible: misspelt, deleted, or the role may not see it");
                let failure = Failure::new(Reason::ContainerMissing, detail);
                Err(ImportError::Unread { scope: Box::new(scope.clone()), failure })
            }
            None => Ok(()),
        }
    }

    /// Reads the details of what gets a manifest, until nothing new has come in between.
    async fn read_details(&mut self) -> Result<(), ImportError> {
        let mut asked: BTreeMap<ScopeKey, BTreeSet<ObjectKey>> = BTreeMap::new();
        for _ in 0..ROUNDS {
            let mut settled = true;
            for scope in self.request.scopes {
                let wanted = self.wanted(scope);
                let known = asked.entry(scope.clone()).or_default();
                if wanted.keys().all(|key| known.contains(key)) {
                    continue;
                }
                settled = false;
                known.extend(wanted.keys().cloned());
                let mut asks = self.listing(scope);
                for (key, facets) in wanted {
                    asks.want(Ask { kind: key.kind, select: Select::Key(key.key) }, facets.iter().copied());
                }
                self.observe_all(scope, asks).await?;
            }
            if settled {
                return Ok(());
            }
        }
        match self.request.scopes.iter().find(|scope| self.is_behind(scope, &asked)) {
            Some(scope) => Err(ImportError::Restless { scope: Box::new(scope.clone()) }),
            None => Ok(()),
        }
    }

    /// Reads again while that brings more: where each detail costs a call, a reading brings a part.
    async fn observe_all(&mut self, scope: &ScopeKey, asks: Asks) -> Result<(), ImportError> {
        let mut missing = usize::MAX;
        loop {
            self.observe(scope, asks.clone()).await?;
            let left = self.missing(scope);
            if left == 0 || left >= missing {
                return Ok(());
            }
            missing = left;
        }
    }

    /// How many facts of what gets a manifest could not be read.
    fn missing(&self, scope: &ScopeKey) -> usize {
        let unread = |fact: &Fact| matches!(fact, Fact::Unknown(_)) && !detail::is_not_asked(fact);
        let open = self.standings(scope).into_iter().filter(|(_, standing)| *standing == Standing::Open);
        open.map(|(live, _)| live.fields.iter().filter(|(_, fact)| unread(fact)).count()).sum()
    }

    fn is_behind(&self, scope: &ScopeKey, asked: &BTreeMap<ScopeKey, BTreeSet<ObjectKey>>) -> bool {
        let known = asked.get(scope);
        !self.wanted(scope).keys().all(|key| known.is_some_and(|known| known.contains(key)))
    }

    /// The things that get a manifest and have details, with those.
    fn wanted(&self, scope: &ScopeKey) -> BTreeMap<ObjectKey, &'static [Facet]> {
        let facets = |kind: &str| kinds::find(kind).and_then(|entry| entry.import.as_ref()).map(|import| import.facets);
        let open = self.standings(scope).into_iter().filter(|(_, standing)| *standing == Standing::Open);
        open.filter_map(|(live, _)| Some((live.key.clone(), facets(live.key.kind)?)))
            .filter(|(_, facets)| !facets.is_empty())
            .collect()
    }

    fn standings(&self, scope: &ScopeKey) -> Vec<(Arc<Live>, Standing)> {
        let all = standings(self.request.desired, scope, &self.seen.observations, self.shared.clock.now());
        all.into_iter().filter(|(live, _)| self.request.covers(scope, live)).collect()
    }

    fn conclude(mut self) -> Result<Seen, ImportError> {
        for scope in self.request.scopes {
            for (live, standing) in self.standings(scope) {
                match standing {
                    Standing::Open => {
                        self.check_details(scope, &live)?;
                        self.seen.found.push(Found { scope: scope.clone(), live: live.clone() });
                        self.seen.world.push((live, None));
                    }
                    Standing::Carried => {
                        self.seen.carried.push(Found { scope: scope.clone(), live: live.clone() });
                        self.seen.world.push((live, None));
                    }
                    Standing::Declared(application) => self.seen.world.push((live, Some(application))),
                    Standing::LeftOut(reason) => {
                        *self.seen.left_out.entry(reason).or_default() += 1;
                        self.seen.world.push((live, None));
                    }
                }
            }
        }
        Ok(self.seen)
    }

    /// A detail that could not be read would be missing in the manifest without a word. What is not
    /// asked for in the end is not there: a service without a task definition has no facts of one.
    /// A status is no part of a manifest: that nobody may read it is for `moored check` to say.
    fn check_details(&mut self, scope: &ScopeKey, live: &Live) -> Result<(), ImportError> {
        for (path, fact) in live.fields.iter() {
            match fact {
                Fact::Unknown(why) if !detail::is_not_asked(fact) => {
                    let detail = format!("{path} of {} {}: {why}", live.key.kind, live.key.key);
                    let failure = Failure::new(Reason::Incomplete, detail);
                    return Err(ImportError::Unread { scope: Box::new(scope.clone()), failure });
                }
                Fact::Unchecked(_) if path == STATUS => {}
                Fact::Unchecked(why) => {
                    self.seen.unchecked.insert(why.clone());
                }
                Fact::Unknown(_) | Fact::Known(_) => {}
            }
        }
        Ok(())
    }
}

/// Why a reading is not whole, if it is not.
fn gap(reading: &Reading) -> Option<Failure> {
    if !(reading.complete && reading.listed) {
        let why = reading.remarks.first().cloned();
        return Some(why.unwrap_or_else(|| Failure::new(Reason::Incomplete, "the list of it is not complete")));
    }
    reading.answers.values().find_map(|answer| match answer {
        NamedAnswer::Unknown(failure) => Some(failure.clone()),
        NamedAnswer::Inactive(_) | NamedAnswer::Missing | NamedAnswer::NotFound | NamedAnswer::NoItem => None,
    })
}
