//! Signing in at a foundation, and finding out where.
//!
//! Decides when a new token is needed and which grant is tried: the refresh token, where there is
//! one, then the secret in the file. One at a time: of many readings the first signs in, the others
//! wait. A secret that was refused is not tried again for a while, unless the file has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;

use super::Session;
use crate::cloudfoundry::allow_list::ROOT;
use crate::cloudfoundry::auth::{Grant, Token};
use crate::cloudfoundry::classify::{self, CallFailure, Meaning};
use crate::cloudfoundry::read;
use crate::cloudfoundry::types::Root;
use crate::core::observation::Reason;

/// The name of the one request that is no GET.
const TOKEN: &str = "POST /oauth/token";
/// A secret that UAA refused is not tried again before this: it locks a user out after a few.
const REFUSED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Where to sign in, and what can be asked.
#[derive(Clone)]
pub(super) struct Platform {
    pub(super) token_endpoint: Url,
    pub(super) api_version: (u32, u32, u32),
}

/// A secret that was refused, of which only a digest is kept.
pub(super) struct RefusedSecret {
    digest: [u8; 32],
    until: Timestamp,
    failure: CallFailure,
}

impl RefusedSecret {
    fn holds(&self, digest: &[u8; 32], now: Timestamp) -> bool {
        let left = self.until.duration_since(now);
        self.digest == *digest && left > SignedDuration::ZERO && left <= REFUSED_FOR
    }
}

impl Session {
    /// A token that does not expire in a moment.
    pub(in crate::cloudfoundry) async fn token(&self, attempts: &AtomicU32) -> Result<Arc<Token>, CallFailure> {
        if let Some(token) = self.kept() {
            return Ok(token);
        }
        let mut refused = self.signing_in.lock().await;
        if let Some(token) = self.kept() {
            return Ok(token);
        }
        let refresh = self.state().refresh.clone();
        if let Some(token) = refresh {
            match self.sign_in(&Grant::Refresh { token }, attempts).await {
                Err(old) if old.failure.reason == Reason::Credentials => {
                    self.state().refresh = None;
                }
                outcome => return outcome,
            }
        }
        let grant = match Grant::from_file(&self.auth).await {
            // A simulated foundation knows no secrets: without a file, its own public one will do.
            Err(_) if self.cloud.is_some() => Ok(Grant::simulated(&self.auth)),
            grant => grant,
        };
        let grant = grant.map_err(|failure| CallFailure { status: None, error: None, failure })?;
        let (digest, now) = (grant.secret().digest(), self.clock.now());
        if let Some(earlier) = refused.as_ref().filter(|earlier| earlier.holds(&digest, now)) {
            return Err(earlier.failure.clone());
        }
        let outcome = self.sign_in(&grant, attempts).await;
        *refused = match &outcome {
            Err(failure) if failure.failure.reason == Reason::Credentials => {
                let until = self.clock.now().saturating_add(REFUSED_FOR).unwrap_or(now);
                Some(RefusedSecret { digest, until, failure: failure.clone() })
            }
            _ => None,
        };
        outcome
    }

    /// Drops a token that the platform takes no longer, unless there is a newer one.
    pub(in crate::cloudfoundry) fn expire(&self, token: &Arc<Token>) {
        let mut state = self.state();
        if state.token.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, token)) {
            state.token = None;
        }
    }

    /// Drops everything that was granted.
    pub(super) fn sign_out(&self) {
        let mut state = self.state();
        (state.token, state.refresh) = (None, None);
    }

    fn kept(&self) -> Option<Arc<Token>> {
        let now = self.clock.now();
        self.state().token.clone().filter(|token| token.is_good(now))
    }

    /// Looks where to sign in, since platforms move and are upgraded, and does.
    async fn sign_in(&self, grant: &Grant, attempts: &AtomicU32) -> Result<Arc<Token>, CallFailure> {
        let platform = self.discover(attempts).await?;
        let endpoint = platform.token_endpoint.clone();
        self.state().platform = Some(platform);
        let request = grant.request(self.transport.client(), endpoint);
        let request = request.map_err(|_| self.failed(TOKEN, Meaning::new(Reason::Invalid, "no such request")))?;
        let answer = self.send(TOKEN, request, attempts).await?;
        let granted = grant.granted(&answer.body, self.clock.now());
        let granted = granted.ok_or_else(|| {
            let said = format!("HTTP {} without a token", answer.status);
            self.failed(TOKEN, classify::unreadable(&answer, Some(said)))
        })?;
        let token = Arc::new(granted.token);
        // Before anybody can ask with it.
        self.grants.fetch_add(1, Ordering::SeqCst);
        let mut state = self.state();
        state.token = Some(token.clone());
        state.refresh = granted.refresh;
        Ok(token)
    }

    async fn discover(&self, attempts: &AtomicU32) -> Result<Platform, CallFailure> {
        let answer = self.send(ROOT.name, self.get(&ROOT, None, "", None)?, attempts).await?;
        let links = read::parsed::<Root>(&answer).map_err(|meaning| self.failed(ROOT.name, meaning))?.links;
        let malformed = |said: &str| self.failed(ROOT.name, classify::unreadable(&answer, Some(said.to_owned())));
        let v3 = links.cloud_controller_v3.ok_or_else(|| malformed("it offers no v3 API"))?;
        let sign_in = links.login.or(links.uaa).ok_or_else(|| malformed("it says not where to sign in"))?;
        let endpoint = Url::parse(&format!("{}/oauth/token", sign_in.href.trim_end_matches('/'))).ok();
        let token_endpoint = endpoint
            .filter(|url| self.trusts(url))
            .ok_or_else(|| malformed("where it says to sign in, no secret can be sent safely"))?;
        Ok(Platform { token_endpoint, api_version: v3.version() })
    }

    /// Whether a secret may be sent there: over TLS, or within the simulated cloud.
    fn trusts(&self, url: &Url) -> bool {
        match &self.cloud {
            None => url.scheme() == "https",
            Some(cloud) => Url::parse(cloud).is_ok_and(|cloud| cloud.origin() == url.origin()),
        }
    }
}
