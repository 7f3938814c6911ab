//! The context of one reading: how a scope calls a foundation.
//!
//! Decides what is asked a second time: a call with a token that has just expired, once with a new
//! one, and a call that broke off or met a router without a backend, once after a second. Never
//! waits for the platform's rate limit and never judges an answer. The engine makes one for each
//! reading; scopes and [`super::identity`] call through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use super::allow_list::Resource;
use super::classify::{self, Meaning};
use super::session::Session;
use super::transport::{Answer, pairs};
use crate::clock::Clock;
use crate::core::redact::Redactor;

pub use super::classify::CallFailure;

/// No answer has told the platform's time.
const UNKNOWN: i64 = i64::MIN;
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
    /// In milliseconds.
    skew: AtomicI64,
}

impl ReadContext {
    /// For one reading: its calls count from zero.
    pub fn new(session: Arc<Session>, clock: Clock, redactor: Arc<Redactor>) -> Self {
        Self { session, clock, redactor, attempts: AtomicU32::new(0), skew: AtomicI64::new(UNKNOWN) }
    }

    /// Calls made through this context so far, with retries and those that signed in.
    pub fn calls(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How much later it is by the platform's clock than by moored's, in whole seconds; nothing before
    /// an answer told.
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        let skew = Some(self.skew.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN)?;
        // What an answer tells is cut to the second, and a little old when it comes.
        Some(SignedDuration::from_secs(skew.saturating_add(999).div_euclid(1000)))
    }

    /// A time of moored's clock by the platform's, as far as that is known.
    pub fn platform_time(&self, at: Timestamp) -> Timestamp {
        at.saturating_add(self.clock_skew().unwrap_or_default()).unwrap_or(at)
    }

    /// The answer that came soonest is the one to go by.
    fn learn_skew(&self, answer: &Answer) {
        if let Some(date) = answer.date {
            let skew = date.duration_since(self.clock.now()).as_millis();
            self.skew.fetch_max(i64::try_from(skew).unwrap_or_default(), Ordering::Relaxed);
        }
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
        match &outcome {
            Ok(answer) => self.learn_skew(answer),
            Err(failure) if failure.is_expired_token() => self.session.expire(&token),
            Err(_) => {}
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
            Err(at) => format!("{}: {}", at.path(), without_values(at.inner())),
            Ok(_) => without_values(&error),
        };
        classify::unreadable(answer, Some(why))
    })
}

/// What is wrong with a part of an answer. The value that stands there may be a secret, and is not
/// repeated: only what was expected.
fn without_values(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    if said.starts_with("missing field `") {
        return said.to_owned();
    }
    let compared = said.starts_with("invalid type: ") || said.starts_with("invalid value: ");
    match said.rsplit_once(", expected ").filter(|_| compared) {
        Some((_, expected)) => format!("it is not {expected}"),
        None => "it has not the form that is expected there".to_owned(),
    }
}

/// The text of an answer, unless somebody else wrote it.
fn written(answer: &Answer) -> Option<String> {
    let text = std::str::from_utf8(&answer.body).ok()?;
    let kind = answer.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let is_foreign = text.trim().is_empty() || text.trim_start().starts_with('<') || kind.contains("html");
    (!is_foreign).then(|| text.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_parsed_is_told_without_the_value_that_stands_there() {
        fn told<T: DeserializeOwned>(json: &str) -> String {
            without_values(&serde_json::from_str::<T>(json).err().unwrap())
        }
        assert_eq!(told::<u32>(r#""hunter2, expected hunter3""#), "it is not u32");
        assert_eq!(told::<Timestamp>(r#""hunter2""#), "it has not the form that is expected there");
        assert_eq!(told::<std::net::IpAddr>(r#""hunter2 at line 7""#), "it has not the form that is expected there");
    }
}
