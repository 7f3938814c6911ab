//! The context of one reading: how a scope calls a foundation.
//!
//! Decides what is asked a second time: a call with a token that has just expired, once with a new
//! one, and a call that broke off or met a router without a backend, once after a second. Never
//! waits for the platform's rate limit and never judges an answer. The engine makes one for each
//! reading; scopes and [`super::identity`] call through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::allow_list::Resource;
use super::classify::{self, Meaning};
use super::session::Session;
use super::transport::{Answer, pairs};
use crate::clock::Clock;
use crate::core::redact::Redactor;

pub use super::classify::CallFailure;

/// The time before the second attempt.
const PAUSE: Duration = Duration::from_secs(1);

/// What a scope reads with.
pub struct ReadContext {
    /// Who asks, and where.
    pub session: Arc<Session>,
    /// The clock.
    pub clock: Clock,
    /// Hides what may be secret.
    pub redactor: Arc<Redactor>,
    attempts: AtomicU32,
}

impl ReadContext {
    /// For one reading: its calls count from zero.
    pub fn new(session: Arc<Session>, clock: Clock, redactor: Arc<Redactor>) -> Self {
        Self { session, clock, redactor, attempts: AtomicU32::new(0) }
    }

    /// Calls made through this context so far, with retries and those that signed in.
    pub fn calls(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Signs in, unless there is a token that does.
    pub async fn sign_in(&self) -> Result<(), CallFailure> {
        self.session.token(&self.attempts).await.map(|_| ())
    }

    /// The version of the API, by which it is known what it can be asked.
    pub async fn api_version(&self) -> Result<(u32, u32, u32), CallFailure> {
        self.sign_in().await?;
        Ok(self.session.api_version().unwrap_or_default())
    }

    /// Reads what is one thing, or one thing of many by its guid.
    pub async fn one<T: DeserializeOwned>(
        &self,
        resource: &'static Resource,
        guid: Option<&str>,
    ) -> Result<T, CallFailure> {
        let answer = self.get(resource, guid, &[]).await?;
        parsed(&answer).map_err(|meaning| self.session.failed(resource.name, meaning))
    }

    /// Reads what is no JSON: the manifest of an app.
    pub async fn text(&self, resource: &'static Resource, guid: Option<&str>) -> Result<String, CallFailure> {
        let answer = self.get(resource, guid, &[]).await?;
        written(&answer).ok_or_else(|| self.session.failed(resource.name, classify::unreadable(&answer, None)))
    }

    /// Sends a question, twice where that helps.
    pub(super) async fn get(
        &self,
        resource: &'static Resource,
        guid: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<Answer, CallFailure> {
        let query = pairs(query);
        let (mut renewed, mut repeated) = (false, false);
        loop {
            match self.attempt(resource, guid, &query).await {
                Err(failure) if failure.is_expired_token() && !renewed => renewed = true,
                Err(failure) if failure.is_passing() && !repeated => {
                    repeated = true;
                    self.clock.sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt(
        &self,
        resource: &'static Resource,
        guid: Option<&str>,
        query: &str,
    ) -> Result<Answer, CallFailure> {
        self.session.turn(resource.name).await?;
        let token = self.session.token(&self.attempts).await?;
        let request = self.session.get(resource, guid, query, Some(&token))?;
        let outcome = self.session.send(resource.name, request, &self.attempts).await;
        if outcome.as_ref().is_err_and(CallFailure::is_expired_token) {
            self.session.expire(&token);
        }
        outcome
    }
}

/// A successful answer as what it should be; where it is not, which part of it.
pub(super) fn parsed<T: DeserializeOwned>(answer: &Answer) -> Result<T, Meaning> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        if !error.is_data() {
            return classify::unreadable(answer, None);
        }
        // Slower, and only now worth its while.
        let again = &mut serde_json::Deserializer::from_slice(&answer.body);
        let why = match serde_path_to_error::deserialize::<_, T>(again) {
            Err(at) => format!("{}: {}", at.path(), at.inner()),
            Ok(_) => error.to_string(),
        };
        classify::unreadable(answer, Some(why))
    })
}

/// The text of an answer, unless somebody else wrote it.
fn written(answer: &Answer) -> Option<String> {
    let text = std::str::from_utf8(&answer.body).ok()?;
    let kind = answer.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let is_foreign = text.trim().is_empty() || text.trim_start().starts_with('<') || kind.contains("html");
    (!is_foreign).then(|| text.to_owned())
}
