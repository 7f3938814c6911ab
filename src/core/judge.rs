//! What a kind adds to the generic comparison: its proof of absence and its own judgement.
//!
//! Decides the interface between `core` and `kinds`. Fields are compared generically; a kind says
//! when a thing of it is proven gone, and whether a thing that is as declared also works. A kind
//! is pure: it sees readings, memory and a time, and returns values.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::desired::Declared;
use super::drift::{Drift, FieldDrift, Root};
use super::identity::{Ask, Select};
use super::memory::ObjectMemory;
use super::observation::{Failure, Live, Reading};
use super::world::World;

/// Why a thing is known to be gone, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// One sentence: which answers prove it.
    pub sentence: String,
    /// Whether the API itself says that this incarnation was deleted (ECS INACTIVE), so that no
    /// settling time can explain it.
    pub deleted: bool,
}

/// What a kind finds beyond differing fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// As declared, but not working.
    Degraded {
        /// What a person reads.
        message: String,
        /// Whether any of it still works.
        works: bool,
        /// The cause, where it is another thing: an address such as `dns:…` of a gone object.
        caused_by: Option<String>,
    },
    /// What is broken is usually mended by itself (a task that died, a count that was just
    /// raised): degraded only if it is still so after `patience`.
    Unsteady {
        /// What a person reads.
        message: String,
        /// Whether any of it still works.
        works: bool,
        /// How long it may take.
        patience: SignedDuration,
        /// Rises while it mends; the wait begins again whenever it does.
        progress: i64,
    },
    /// The role may never read what would tell whether it works: counted, and nothing ends by it.
    Unchecked(Arc<str>),
    /// Something more that nobody can tell here: counted, and that is all.
    Untold(Arc<str>),
    /// What the role may never read, of one drift alone.
    Unsure {
        /// What does not end by it.
        drift: Drift,
        /// Why.
        why: Arc<str>,
    },
    /// A rollout or job is running.
    Converging {
        /// Its deadline; past it, the thing is degraded.
        until: Timestamp,
        /// What a person reads.
        message: String,
    },
    /// Right on paper, but the running process or the next restart says otherwise.
    Latent {
        /// What a person reads.
        message: String,
        /// What many things may have in common: a buildpack, a group of variables.
        cause: Option<Root>,
    },
    /// It differs in a way that comparing single fields does not tell, such as an order.
    Changed {
        /// What a person reads.
        message: String,
        /// What differs.
        fields: Vec<FieldDrift>,
    },
    /// It failed when it was asked: degraded only after so many readings in a row.
    Failing {
        /// What a person reads.
        message: String,
        /// How many.
        times: u32,
        /// Whether the environment is `down` by it.
        decides: bool,
    },
    /// It cannot be judged.
    Unknown(Failure),
}

/// A kind of resource, as evaluation sees it.
pub trait Kind: Sync + Send + std::fmt::Debug {
    /// The name in manifests, such as `EcsService`.
    fn name(&self) -> &'static str;

    /// The written proof of absence: called when `ask` matches nothing in `reading`. Anything but
    /// a proof is a failure with its reason, and the thing is Unknown.
    fn absence(&self, ask: &Ask, reading: &Reading, known: Option<&ObjectMemory>) -> Result<Proof, Failure>;

    /// Whether the same incarnation can be there again once it was proven gone. Where it cannot, an
    /// answer that shows it soon afterwards is an old one.
    fn revives(&self) -> bool {
        true
    }

    /// How long an absence, or a stranger, may be the middle of an ordinary operation (a push that
    /// deletes and makes anew): only what is so for longer is told. `check` says what it sees.
    fn settles(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// What a thing cannot be there without, in its own scope: a binding without its app.
    fn stands_on(&self, _select: &Select) -> Option<Ask> {
        None
    }

    /// What is to be said of a live thing that no manifest declares, in an inventory that wants to
    /// know of such; `None` where nobody needs to (a buildpack that is disabled).
    fn stranger(&self, _live: &Live, _reading: &Reading) -> Option<String> {
        Some("live, but no manifest declares it".to_owned())
    }

    /// Whether `judge` speaks of this declared field, so that it is not compared as well.
    fn judges(&self, _path: &str) -> bool {
        false
    }

    /// What is to be said about a live thing beyond its declared fields.
    fn judge(&self, declared: &Declared, live: &Live, world: &World<'_>) -> Vec<Judgement>;
}
