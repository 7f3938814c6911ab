//! One reading of one scope: identity first, then the scope's own calls, with a deadline.
//!
//! Decides whether a reading may be believed at all: credentials that belong to another account
//! make every scope of that account Unknown, also where they change while a scope is read. A panic
//! inside a scope ends as a failure of that scope. The daemon and `check` call it; it holds no state
//! but the identities it has checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::Mutex;

use crate::aws::budget::Budgets;
use crate::aws::identity::{self, Identity};
use crate::aws::intercept::Requests;
use crate::aws::read::ReadContext;
use crate::aws::session::Sessions;
use crate::clock::Clock;
use crate::cloudfoundry;
use crate::core::asks::Asks;
use crate::core::desired::{Access, Account, Foundation};
use crate::core::identity::ScopeKey;
use crate::core::observation::{Failure, IdentityState, Reading, Reason};
use crate::core::redact::Redactor;
use crate::probe::ProbeContext;
use crate::scopes::{Context, Reader};

/// What every reading shares.
pub struct Shared {
    /// AWS clients.
    pub sessions: Sessions,
    /// Sessions of foundations.
    pub foundations: cloudfoundry::session::Sessions,
    /// What is asked over HTTP without credentials.
    pub probes: ProbeContext,
    /// Call budgets.
    pub budgets: Arc<Budgets>,
    /// Time.
    pub clock: Clock,
    /// Hashes secrets.
    pub redactor: Arc<Redactor>,
    /// Whether the cloud is a simulated one (`--cloud`).
    pub simulated: bool,
    /// How long a checked identity is believed.
    pub identity_age: Duration,
    identities: Mutex<BTreeMap<Arc<str>, Slot>>,
}

/// What is asked that is not AWS.
pub struct Outside {
    /// Sessions of foundations.
    pub foundations: cloudfoundry::session::Sessions,
    /// What is asked over HTTP without credentials.
    pub probes: ProbeContext,
}

impl Outside {
    /// On the real network, through a proxy or none; or on a simulated cloud.
    pub fn new(
        cloud: Option<String>,
        proxy: Option<String>,
        clock: &Clock,
        redactor: &Arc<Redactor>,
        requests: &Requests,
    ) -> Result<Self, String> {
        let (clock, requests) = (clock.clone(), requests.clone());
        let probes = ProbeContext::new(clock.clone(), redactor.clone(), cloud.clone(), proxy.clone());
        let options = cloudfoundry::session::SessionOptions { cloud, clock, requests, proxy };
        Ok(Self { foundations: cloudfoundry::session::Sessions::new(options)?, probes })
    }
}

/// What STS said of one account; whoever holds it asks, the others wait for the answer.
type Slot = Arc<Mutex<Option<Known>>>;

/// What STS said, and which access keys it has said it of.
struct Known {
    identity: Identity,
    /// Newest last; none while the identity is not believed.
    keys: Vec<String>,
}

impl Known {
    /// Whether these access keys, and no others, are known to be the declared account's.
    fn vouches_for(&self, signers: &BTreeSet<String>) -> bool {
        self.identity.believe().is_ok() && signers.iter().all(|signer| self.keys.contains(signer))
    }
}

/// Access keys that are remembered of one account: a role has a new one every hour in every region.
const KEYS: usize = 64;

/// The longest that one reading may take; a hung one must not hold its scope for ever.
const DEADLINE: Duration = Duration::from_secs(900);

/// A failed identity check is asked again after this, so that many scopes cause one call.
const IDENTITY_RETRY: SignedDuration = SignedDuration::from_secs(5);

/// The outcome of one reading.
pub struct Done {
    /// Which scope.
    pub key: ScopeKey,
    /// Its reader, unless it panicked.
    pub reader: Option<Reader>,
    /// What was read.
    pub result: Result<Reading, Failure>,
    /// What STS said of the account, by the key of the credentials that were used.
    pub identity: Option<(Arc<str>, Identity)>,
}

impl Shared {
    /// Shared parts of all readings.
    pub fn new(
        sessions: Sessions,
        outside: Outside,
        budgets: Arc<Budgets>,
        clock: Clock,
        redactor: Arc<Redactor>,
        simulated: bool,
        identity_age: Duration,
    ) -> Self {
        let Outside { foundations, probes } = outside;
        let identities = Mutex::new(BTreeMap::new());
        Self { sessions, foundations, probes, budgets, clock, redactor, simulated, identity_age, identities }
    }

    /// A context for calls in one account and region.
    pub async fn context(&self, account: &Account, region: &str) -> Result<ReadContext, Failure> {
        let region = match (region, account.regions.first()) {
            ("global", Some(first)) => first,
            (region, _) => region,
        };
        let clients = self.sessions.clients(account, region).await?;
        Ok(ReadContext::new(clients, self.clock.clone(), self.redactor.clone(), self.budgets.clone()))
    }

    /// What STS says of an account; asked at most once in `identity_age`, however many scopes ask.
    pub async fn identity(&self, account: &Account, region: &str) -> Identity {
        let slot = self.slot(account.identity_key()).await;
        let mut slot = slot.lock().await;
        if let Some(identity) = self.recent(slot.as_ref()) {
            return identity;
        }
        self.ask(account, region, &mut slot).await
    }

    /// Whether all that a reading has asked was signed by the declared account: credentials may be
    /// replaced between the check and the reading, or in the middle of it, and another account of
    /// identical names would answer. Asks STS again only where a key signed that it was not asked about.
    pub(super) async fn vouch(
        &self,
        account: &Account,
        region: &str,
        signers: &BTreeSet<String>,
    ) -> (Result<(), Failure>, Option<Identity>) {
        let slot = self.slot(account.identity_key()).await;
        let mut slot = slot.lock().await;
        if slot.as_ref().is_some_and(|known| known.vouches_for(signers)) {
            return (Ok(()), None);
        }
        let identity = self.ask(account, region, &mut slot).await;
        (identity.believe(), Some(identity))
    }

    /// What a reading asks with, and whose credentials these are, once they may be believed.
    async fn enter(
        &self,
        access: &Access,
        region: &str,
    ) -> Result<(Context, Option<Identity>), (Failure, Option<Identity>)> {
        match access {
            Access::Anybody => Ok((Context::Anybody(self.probes.clone()), None)),
            Access::CloudFoundry(foundation) => {
                let identity = self.foundation_identity(foundation).await;
                match identity.believe() {
                    Ok(()) => Ok((Context::CloudFoundry(self.foundation(foundation).await), Some(identity))),
                    Err(failure) => Err((failure, Some(identity))),
                }
            }
            Access::Aws(account) => {
                let identity = self.identity(account, region).await;
                if let Err(failure) = identity.believe() {
                    return Err((failure, Some(identity)));
                }
                match self.context(account, region).await {
                    Ok(context) => Ok((Context::Aws(context), Some(identity))),
                    Err(failure) => Err((failure, Some(identity))),
                }
            }
        }
    }

    /// Whose credentials these are, if there are any.
    pub async fn who(&self, access: &Access) -> Option<Identity> {
        match access {
            Access::Aws(account) => Some(self.identity(account, "global").await),
            Access::CloudFoundry(foundation) => Some(self.foundation_identity(foundation).await),
            Access::Anybody => None,
        }
    }

    /// What may be believed of a reading that is over, and what was learned of the credentials.
    async fn leave(
        &self,
        access: &Access,
        region: &str,
        context: &Context,
        result: Result<Reading, Failure>,
    ) -> (Result<Reading, Failure>, Option<Identity>) {
        match (access, context, result) {
            (Access::Aws(account), Context::Aws(context), Ok(reading)) => {
                let (vouched, newer) = self.vouch(account, region, &context.signers()).await;
                (vouched.map(|()| reading), newer)
            }
            (Access::Aws(account), _, Err(failure)) => {
                self.renew(account, &failure).await;
                (Err(failure), None)
            }
            (Access::CloudFoundry(foundation), _, Err(failure)) => {
                if matches!(failure.reason, Reason::Credentials | Reason::IdentityMismatch) {
                    self.foundations.forget(foundation).await;
                }
                (Err(failure), None)
            }
            (_, _, result) => (result, None),
        }
    }

    /// A context for calls to a foundation.
    pub async fn foundation(&self, foundation: &Foundation) -> cloudfoundry::read::ReadContext {
        let session = self.foundations.session(foundation).await;
        cloudfoundry::read::ReadContext::new(session, self.clock.clone(), self.redactor.clone())
    }

    /// Whether a foundation is the declared one; asked at most once in `identity_age`.
    pub async fn foundation_identity(&self, foundation: &Foundation) -> Identity {
        let slot = self.slot(foundation.identity_key()).await;
        let mut slot = slot.lock().await;
        if let Some(identity) = self.recent(slot.as_ref()) {
            return identity;
        }
        let context = self.foundation(foundation).await;
        let identity = cloudfoundry::identity::check(&context, foundation, self.simulated).await;
        if let Err(failure) = identity.believe()
            && matches!(failure.reason, Reason::Credentials | Reason::IdentityMismatch)
        {
            self.foundations.forget(foundation).await;
        }
        *slot = Some(Known { identity: identity.clone(), keys: Vec::new() });
        identity
    }

    /// What was said lately, if that still holds.
    fn recent(&self, known: Option<&Known>) -> Option<Identity> {
        let known = &known?.identity;
        let age = self.clock.now().duration_since(known.checked_at);
        let believed = match known.believe() {
            Ok(()) => SignedDuration::try_from(self.identity_age).unwrap_or(SignedDuration::from_secs(60)),
            Err(_) => IDENTITY_RETRY,
        };
        (!age.is_negative() && age < believed).then(|| known.clone())
    }

    async fn slot(&self, credentials: Arc<str>) -> Slot {
        self.identities.lock().await.entry(credentials).or_default().clone()
    }

    /// Asks STS, and remembers of which access key it spoke.
    async fn ask(&self, account: &Account, region: &str, slot: &mut Option<Known>) -> Identity {
        let (identity, signers) = match self.context(account, region).await {
            Ok(context) => (identity::check(&context, &account.id, self.simulated).await, context.signers()),
            Err(failure) => {
                let unverified = Identity {
                    account: account.id.clone(),
                    state: IdentityState::Unverified,
                    arn: None,
                    seen: None,
                    checked_at: self.clock.now(),
                    failure: Some(failure),
                };
                (unverified, BTreeSet::new())
            }
        };
        let before = slot.take().map(|known| known.keys).unwrap_or_default();
        let mut keys = Vec::new();
        if let Err(failure) = identity.believe() {
            self.renew(account, &failure).await;
        } else {
            keys.extend(before.into_iter().filter(|key| !signers.contains(key)));
            // Of two keys it is not known which one the answer is about.
            if signers.len() == 1 {
                keys.extend(signers);
            }
            keys.drain(..keys.len().saturating_sub(KEYS));
        }
        *slot = Some(Known { identity: identity.clone(), keys });
        identity
    }

    /// Credentials that AWS refuses, or that are another account's, are fetched anew for the next
    /// attempt, however long they were meant to last: they may have been revoked, or replaced by now.
    async fn renew(&self, account: &Account, failure: &Failure) {
        if matches!(failure.reason, Reason::Credentials | Reason::IdentityMismatch) {
            self.sessions.forget(account).await;
        }
    }
}

/// Reads a scope once, in a task of its own so that a panic stays inside.
pub async fn read(shared: Arc<Shared>, key: ScopeKey, access: Access, asks: Arc<Asks>, mut reader: Reader) -> Done {
    let (task_key, credentials) = (key.clone(), access.identity_key());
    let task = tokio::spawn(async move {
        let (context, identity) = match shared.enter(&access, &task_key.region).await {
            Ok(entered) => entered,
            Err((failure, identity)) => return (reader, Err(failure), identity),
        };
        let limit = shared.clock.real(DEADLINE).max(Duration::from_secs(60));
        let result = match tokio::time::timeout(limit, reader.read(&context, &asks)).await {
            Ok(result) => result,
            Err(_) => {
                Err(Failure::new(Reason::Timeout, format!("reading {task_key} took longer than {}s", limit.as_secs())))
            }
        };
        let (result, newer) = shared.leave(&access, &task_key.region, &context, result).await;
        (reader, result, newer.or(identity))
    });
    match task.await {
        Ok((reader, result, identity)) => {
            Done { key, reader: Some(reader), result, identity: credentials.zip(identity) }
        }
        Err(_) => {
            let failure = Failure::new(
                Reason::Panicked,
                format!("moored itself failed while reading {key}: this is a bug, please report it"),
            );
            Done { key, reader: None, result: Err(failure), identity: None }
        }
    }
}
