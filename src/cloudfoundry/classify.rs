//! What a failed call to a foundation means, and what a person can do about it.
//!
//! Decides the [`Reason`] of every failure by the HTTP status and by the code and title of the
//! error, never by its detail, which is text for people. Never says that a thing is absent: a 404
//! may mean "may not see" as well, and what is no JSON came from somebody else on the way. Called
//! by [`super::session`] for every attempt and by [`super::read`] for answers that cannot be read.

use std::error::Error as StdError;

use jiff::Timestamp;
use serde::Deserialize;

use super::transport::{Answer, NoAnswer};
use crate::core::observation::{Failure, Reason};
use crate::core::visible::escaped;

/// The longest detail of a failure, in characters.
const LINE: usize = 300;

/// Errors that ask for fewer calls, whatever their status.
const THROTTLED: &[(i64, &str)] = &[
    (10013, "CF-RateLimitExceeded"),
    (10014, "CF-IPBasedRateLimitExceeded"),
    (10016, "CF-ServiceBrokerRateLimitExceeded"),
    (20008, "CF-UaaRateLimited"),
];
/// The path itself is unknown, not the thing that it names.
const UNKNOWN_ROUTE: (i64, &str) = (10000, "CF-NotFound");
/// The token has expired, or the platform has changed its keys.
const INVALID_TOKEN: (i64, &str) = (1000, "CF-InvalidAuthToken");
/// What UAA says, with status 400 or 401, of a secret, a password or a refresh token that is wrong.
const REFUSED_SIGN_IN: &[&str] = &["invalid_client", "invalid_grant", "unauthorized", "unauthorized_client"];

/// The platform's own word on what went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// Such as 10003.
    pub code: i64,
    /// Such as `CF-NotAuthorized`.
    pub title: String,
    /// For people, in one line.
    pub detail: String,
}

impl ApiError {
    fn is(&self, (code, title): (i64, &str)) -> bool {
        self.code == code && self.title == title
    }
}

/// A call that gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct CallFailure {
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The platform's own error, where it gave one.
    pub error: Option<ApiError>,
    /// What it means.
    pub failure: Failure,
}

impl CallFailure {
    /// What this failure of a call means.
    pub(super) fn new(asked: &str, meaning: Meaning) -> Self {
        let Meaning { reason, status, error, said, hint } = meaning;
        Self { status, error, failure: Failure::new(reason, line(asked, &said, &hint)) }
    }

    /// Whether the platform itself says that it finds no such thing. It says so of things that the
    /// role may not see, too: this alone proves no absence.
    pub fn is_not_found(&self) -> bool {
        self.status == Some(404) && self.error.as_ref().is_some_and(|error| !error.is(UNKNOWN_ROUTE))
    }

    /// Whether a new token would do.
    pub(super) fn is_expired_token(&self) -> bool {
        self.status == Some(401) && self.error.as_ref().is_some_and(|error| error.is(INVALID_TOKEN))
    }

    /// Whether the same call may well succeed a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match self.status {
            Some(status) => matches!(status, 502..=504),
            None => self.failure.reason == Reason::Network,
        }
    }
}

impl From<CallFailure> for Failure {
    fn from(call: CallFailure) -> Self {
        call.failure
    }
}

/// A failed call, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The class of failure.
    pub(super) reason: Reason,
    status: Option<u16>,
    error: Option<ApiError>,
    said: String,
    hint: String,
}

impl Meaning {
    /// Where nothing was answered, or nothing that tells why.
    pub(super) fn new(reason: Reason, said: impl Into<String>) -> Self {
        Self { reason, status: None, error: None, said: said.into(), hint: hint(reason).to_owned() }
    }

    /// Where what to do about it is another thing than usual.
    pub(super) fn hinted(reason: Reason, said: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..Self::new(reason, said) }
    }

    /// moored itself does not let this call out.
    pub(super) fn refused() -> Self {
        let hint = "a defect of moored: please report it";
        Self::hinted(Reason::Denied, "moored refuses it: not on its read list", hint)
    }

    /// No call goes out before this time.
    pub(super) fn throttled_until(until: Timestamp) -> Self {
        let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
        let said = "not asked, since hardly anything is left of the rate limit";
        Self::hinted(Reason::Throttled, said, format!("moored asks again after {until}"))
    }
}

/// What an answer other than success means.
pub(super) fn answered(answer: &Answer) -> Meaning {
    let status = answer.status;
    if (300..400).contains(&status) {
        return redirected(answer);
    }
    let (error, refusal) = (api_error(&answer.body), refusal(&answer.body));
    let reason = reason(status, error.as_ref(), refusal.as_deref());
    let said = match (&error, &refusal) {
        (Some(error), _) => format!("{} ({}): {}", error.title, error.code, error.detail),
        (None, Some(refusal)) => format!("HTTP {status} {refusal}"),
        (None, None) => format!("HTTP {status} with {}", looks_like(answer)),
    };
    let hint = match status {
        404 if reason == Reason::Denied => "it is not there, or this role may not see it; see `moored whoami`",
        _ => hint(reason),
    };
    Meaning { reason, status: Some(status), error, said, hint: hint.to_owned() }
}

/// What it means that a success cannot be read.
pub(super) fn unreadable(answer: &Answer, why: Option<String>) -> Meaning {
    let said = why.unwrap_or_else(|| format!("HTTP {} with {}", answer.status, looks_like(answer)));
    Meaning { status: Some(answer.status), ..Meaning::new(Reason::Malformed, said) }
}

/// What it means that there is no answer.
pub(super) fn unanswered(nothing: &NoAnswer) -> Meaning {
    match nothing {
        NoAnswer::TooLarge { status, .. } => {
            Meaning { status: Some(*status), ..Meaning::new(Reason::Malformed, nothing.to_string()) }
        }
        NoAnswer::Broken(error) => {
            let reason = match error {
                late if late.is_timeout() => Reason::Timeout,
                unsent if unsent.is_builder() => Reason::Invalid,
                _ => Reason::Network,
            };
            Meaning::new(reason, causes(error))
        }
    }
}

fn reason(status: u16, error: Option<&ApiError>, refusal: Option<&str>) -> Reason {
    if status == 429 || error.is_some_and(|error| THROTTLED.iter().any(|row| error.is(*row))) {
        return Reason::Throttled;
    }
    match status {
        401 => Reason::Credentials,
        400 if refusal.is_some_and(|refusal| REFUSED_SIGN_IN.contains(&refusal)) => Reason::Credentials,
        408 => Reason::Timeout,
        500..=599 => Reason::Server,
        // Not the platform's way of saying no.
        _ if error.is_none() && refusal.is_none() => Reason::Malformed,
        403 => Reason::Denied,
        404 if error.is_some_and(|error| error.is(UNKNOWN_ROUTE)) => Reason::Invalid,
        404 => Reason::Denied,
        400..=499 => Reason::Invalid,
        _ => Reason::Malformed,
    }
}

fn redirected(answer: &Answer) -> Meaning {
    // The rest of the address may hold what was asked for, or a token.
    let host = answer.location.as_deref().and_then(|location| reqwest::Url::parse(location).ok());
    let host = host.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "another path".to_owned());
    let said = format!("HTTP {} that leads to {host}", answer.status);
    let hint = "a login page or a proxy answers in the platform's place: check the address of the API";
    Meaning { status: Some(answer.status), ..Meaning::hinted(Reason::Malformed, said, hint) }
}

/// The first of the platform's errors, whatever the content type says: that of a 429 is text.
fn api_error(body: &[u8]) -> Option<ApiError> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Raw>,
    }
    #[derive(Deserialize)]
    struct Raw {
        code: i64,
        title: String,
        #[serde(default)]
        detail: serde_json::Value,
    }
    let raw = serde_json::from_slice::<Errors>(body).ok()?.errors.into_iter().next()?;
    let detail = raw.detail.as_str().map_or_else(|| raw.detail.to_string(), str::to_owned);
    Some(ApiError { code: raw.code, title: one_line(&raw.title), detail: one_line(&detail) })
}

/// UAA's word for why it refuses. Not its description, which repeats a refresh token that is too old.
fn refusal(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let word = serde_json::from_slice::<Refusal>(body).ok()?.error;
    let is_word = word.len() <= 40 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    Some(if is_word { word } else { "refused".to_owned() })
}

fn looks_like(answer: &Answer) -> &'static str {
    let body = answer.body.trim_ascii_start();
    let is_html = answer.content_type.as_deref().is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    match body.first() {
        None => "an empty body",
        Some(b'<') => "HTML",
        Some(_) if is_html => "HTML",
        Some(_) => "a body that is not understood",
    }
}

fn hint(reason: Reason) -> &'static str {
    match reason {
        Reason::Throttled => "moored waits and asks again",
        Reason::Denied => "give the client or user a role that may read it; see `moored whoami`",
        Reason::Credentials => "check the client or user and the file with its secret; see `moored whoami`",
        Reason::Network => "check the address, the certificate and the route; a proxy needs --proxy",
        Reason::Malformed => "check for a proxy or a login page that answers in the platform's place",
        Reason::Invalid => "check the names in the manifest; if they are right, report it",
        Reason::Incomplete => "it changed while it was read; moored reads it again",
        _ => "moored asks again; see the platform's status page if it lasts",
    }
}

/// The causes in words, outermost first, without those that only repeat another.
pub(super) fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in std::iter::successors(Some(error), |&cause| cause.source()) {
        let cause = cause.to_string();
        if !said.iter().any(|earlier| earlier.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
}

/// One line for a person: what was asked, what was said to it, what to do.
fn line(asked: &str, said: &str, hint: &str) -> String {
    let (asked, hint) = (one_line(asked), one_line(hint));
    let frame = asked.chars().count() + hint.chars().count() + ":  — ".chars().count();
    let said = shortened(&one_line(said), LINE.saturating_sub(frame));
    shortened(&format!("{asked}: {said} — {hint}"), LINE)
}

/// The first line of foreign text, with an escape for what could steer a terminal.
pub(super) fn one_line(text: &str) -> String {
    shortened(&escaped(text.trim().lines().next().unwrap_or_default()), LINE)
}

fn shortened(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
