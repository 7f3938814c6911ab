//! Sessions: who moored is at a foundation, where its API and its sign-in are, and its pace.
//!
//! Decides what goes out: GETs of the read allow-list and, at the address that discovery gave, the
//! request for a token; nothing else, whoever asks. Never retries. The engine builds [`Sessions`];
//! [`super::read`] calls through a [`Session`].

mod sign_in;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::{Method, Request, Url};

use super::allow_list::{self, Resource};
use super::auth::{Secret, Token};
use super::classify::{self, CallFailure, Meaning};
use super::pace::{Pace, RateLimit};
use super::transport::{Answer, Transport};
use crate::aws::intercept::{OK, REFUSED, Requests};
use crate::clock::Clock;
use crate::core::desired::{Auth, Foundation};
use crate::core::observation::Reason;
use sign_in::{Platform, RefusedSecret};

/// The service that calls are counted under.
const SERVICE: &str = "cloudfoundry";

/// What sessions are made with.
#[derive(Clone)]
pub struct SessionOptions {
    /// The address of a simulated cloud, which the caller has checked to be a loopback address.
    pub cloud: Option<String>,
    /// The clock that tokens expire by.
    pub clock: Clock,
    /// Where attempts are counted.
    pub requests: Requests,
    /// The address of a proxy, which may hold a name and a password.
    pub proxy: Option<String>,
}

/// The proxy's address may hold a password.
impl fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxied = self.proxy.is_some();
        f.debug_struct("SessionOptions").field("cloud", &self.cloud).field("proxied", &proxied).finish_non_exhaustive()
    }
}

/// All sessions, opened when first used.
#[derive(Debug)]
pub struct Sessions {
    options: SessionOptions,
    transport: Transport,
    open: Mutex<BTreeMap<SessionKey, Arc<Session>>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SessionKey {
    identity: Arc<str>,
    api: Arc<str>,
    secret_file: Arc<str>,
}

impl SessionKey {
    fn of(foundation: &Foundation) -> Self {
        let (Auth::Client { secret_file: file, .. } | Auth::User { password_file: file, .. }) = &foundation.auth;
        Self { identity: foundation.identity_key(), api: foundation.api.clone(), secret_file: file.clone() }
    }
}

impl Sessions {
    /// None open yet. The error says why there can be no HTTPS client.
    pub fn new(options: SessionOptions) -> Result<Self, String> {
        let transport = Transport::new(options.proxy.as_deref(), options.cloud.is_some())?;
        Ok(Self { options, transport, open: Mutex::default() })
    }

    /// Whether these sessions speak to a simulated cloud.
    pub fn simulated(&self) -> bool {
        self.options.cloud.is_some()
    }

    /// The session of a foundation; the same one for the same credentials. Asks nothing yet.
    pub async fn session(&self, foundation: &Foundation) -> Arc<Session> {
        let open = || Arc::new(Session::new(foundation, &self.options, self.transport.clone()));
        self.open().entry(SessionKey::of(foundation)).or_insert_with(open).clone()
    }

    /// Drops the token of a foundation: the next reading signs in anew. What the platform said of
    /// its limits, and a secret that it refused, are remembered.
    pub async fn forget(&self, foundation: &Foundation) {
        if let Some(session) = self.open().get(&SessionKey::of(foundation)) {
            session.sign_out();
        }
    }

    /// Calls a second that a foundation takes of moored.
    pub fn rate(&self, foundation: &Foundation) -> f64 {
        self.open().get(&SessionKey::of(foundation)).map_or_else(Pace::default_rate, |session| session.rate())
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<SessionKey, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One principal at one foundation.
pub struct Session {
    /// Names the foundation.
    pub host: Arc<str>,
    base: String,
    /// Guids that the manifest pins, by the name of the organisation in lower case.
    pins: BTreeMap<String, Arc<str>>,
    auth: Auth,
    cloud: Option<String>,
    clock: Clock,
    requests: Requests,
    transport: Transport,
    pace: Pace,
    state: Mutex<State>,
    /// How often it has signed in.
    grants: AtomicU64,
    /// Whoever holds it signs in, the others wait; with the secret that was refused last.
    signing_in: tokio::sync::Mutex<Option<RefusedSecret>>,
}

/// What is known of the platform, and what it has granted.
#[derive(Default)]
struct State {
    platform: Option<Platform>,
    token: Option<Arc<Token>>,
    refresh: Option<Secret>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} {})", self.host, self.auth.principal())
    }
}

impl Session {
    fn new(foundation: &Foundation, options: &SessionOptions, transport: Transport) -> Self {
        let base = match &options.cloud {
            Some(cloud) => format!("{}/_cf/{}", cloud.trim_end_matches('/'), foundation.host),
            None => foundation.api.trim_end_matches('/').to_owned(),
        };
        let pinned = foundation.organizations.iter();
        let pins = pinned.filter_map(|(name, guid)| Some((name.to_lowercase(), guid.clone()?)));
        Self {
            host: foundation.host.clone(),
            base,
            pins: pins.collect(),
            auth: foundation.auth.clone(),
            cloud: options.cloud.clone(),
            clock: options.clock.clone(),
            requests: options.requests.clone(),
            transport,
            pace: Pace::new(options.clock.now()),
            state: Mutex::default(),
            grants: AtomicU64::new(0),
            signing_in: tokio::sync::Mutex::default(),
        }
    }

    /// Calls a second that fit into what the platform allows.
    pub fn rate(&self) -> f64 {
        self.pace.rate()
    }

    /// What the platform last said of its own limit; nothing if it sets none.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.pace.seen()
    }

    /// The version of the API, once it is known; zeros where the platform tells none.
    pub fn api_version(&self) -> Option<(u32, u32, u32)> {
        self.state().platform.as_ref().map(|platform| platform.api_version)
    }

    /// What the last token allows; nothing before the first, or where UAA does not say.
    pub fn scopes(&self) -> BTreeSet<String> {
        self.state().token.as_ref().map(|token| token.scopes.clone()).unwrap_or_default()
    }

    /// The guid that the manifest pins for an organisation. Environments that pin others have a session
    /// of their own (`Foundation::identity_key`).
    pub fn pinned(&self, organization: &str) -> Option<&Arc<str>> {
        self.pins.get(&organization.to_lowercase())
    }

    /// How often it has signed in: where that moved, another platform may answer than before.
    pub fn grants(&self) -> u64 {
        self.grants.load(Ordering::SeqCst)
    }

    /// Whether an address of the platform's own making leads to this API.
    pub(super) fn is_own(&self, address: &str) -> bool {
        match (Url::parse(address), Url::parse(&self.base)) {
            // The scheme may be another, where TLS ends before the platform.
            (Ok(url), Ok(base)) => url.host_str() == base.host_str() && url.port() == base.port(),
            _ => false,
        }
    }

    /// Waits for the turn of one more call.
    pub(super) async fn turn(&self, asked: &str) -> Result<(), CallFailure> {
        let turn = self.pace.turn(&self.clock).await;
        turn.map_err(|until| self.failed(asked, Meaning::throttled_until(until)))
    }

    /// A request of something that may be read; `query` is encoded already.
    pub(super) fn get(
        &self,
        resource: &Resource,
        guid: Option<&str>,
        query: &str,
        token: Option<&Token>,
    ) -> Result<Request, CallFailure> {
        let path = resource.path.replace(":guid", guid.unwrap_or_default());
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = self.transport.client().get(format!("{}{path}{mark}{query}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token.reveal());
        }
        let invalid = |error: reqwest::Error| {
            let said = format!("no such request can be made: {}", classify::causes(&error.without_url()));
            self.failed(resource.name, Meaning::new(Reason::Invalid, said))
        };
        request.build().map_err(invalid)
    }

    /// Sends one request, counts it, and takes note of the platform's limits. Nothing of a request
    /// that is not on the read list is sent.
    pub(super) async fn send(
        &self,
        name: &'static str,
        request: Request,
        attempts: &AtomicU32,
    ) -> Result<Answer, CallFailure> {
        if !self.may_send(&request) {
            tracing::error!(foundation = %self.host, "moored refuses {name}: not on its read list");
            self.requests.called(&self.host, SERVICE, name, REFUSED);
            return Err(self.failed(name, Meaning::refused()));
        }
        attempts.fetch_add(1, Ordering::Relaxed);
        let outcome = match self.transport.fetch(request).await {
            Ok(answer) => {
                self.pace.answered(answer.status, answer.retry_after, answer.limit, self.clock.now());
                if answer.is_success() { Ok(answer) } else { Err(classify::answered(&answer)) }
            }
            Err(nothing) => Err(classify::unanswered(&nothing)),
        };
        let label = outcome.as_ref().map_or_else(|meaning| meaning.reason.as_str(), |_| OK);
        self.requests.called(&self.host, SERVICE, name, label);
        outcome.map_err(|meaning| self.failed(name, meaning))
    }

    fn may_send(&self, request: &Request) -> bool {
        let url = request.url();
        if request.method() == Method::GET {
            let Ok(base) = Url::parse(&self.base) else { return false };
            let below = url.path().strip_prefix(base.path().trim_end_matches('/'));
            return base.origin() == url.origin() && below.is_some_and(allow_list::permits);
        }
        let is_sign_in = self.state().platform.as_ref().is_some_and(|platform| platform.token_endpoint == *url);
        request.method() == Method::POST && is_sign_in
    }

    pub(super) fn failed(&self, name: &str, meaning: Meaning) -> CallFailure {
        CallFailure::new(&format!("{name} at {}", self.host), meaning)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
