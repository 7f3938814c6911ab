//! Signing in: what UAA is asked for a token, and what it grants.
//!
//! Decides which grant is asked for, how long a token is used, and how secrets are read: from files
//! alone, anew at each sign-in. Never parses a token, never shows one, and never says what is in a
//! file. [`super::session`] decides when to sign in.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Request, Url};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::transport::pairs;
use crate::core::desired::Auth;
use crate::core::observation::{Failure, Reason};
use crate::core::visible::escaped;

/// The client that people sign in with, whose secret is empty.
const CLIENT_OF_PEOPLE: (&str, &str) = ("cf", "");
/// What principals of a simulated foundation sign in with where no file holds anything else.
const SIMULATED: &str = "simulated";
/// The largest file that can hold a secret, in bytes.
const LARGEST: u64 = 64 * 1024;

/// A secret, a password or a token.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Tells two of them apart without keeping either.
    pub(super) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A file that gives no secret.
#[derive(Debug, thiserror::Error)]
enum BadSecret {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("is larger than 64 KiB")]
    TooLarge,
    #[error("is no text")]
    NoText,
    #[error("is empty")]
    Empty,
}

/// How a token is asked for.
#[derive(Debug)]
pub(super) enum Grant {
    /// A client of its own.
    Client { id: Arc<str>, secret: Secret },
    /// A person.
    Password { name: Arc<str>, password: Secret },
    /// A person who has signed in before.
    Refresh { token: Secret },
}

impl Grant {
    /// With the secret that the file holds now.
    pub(super) async fn from_file(auth: &Auth) -> Result<Self, Failure> {
        Ok(match auth {
            Auth::Client { id, secret_file } => Self::Client { id: id.clone(), secret: read(secret_file).await? },
            Auth::User { name, password_file } => {
                Self::Password { name: name.clone(), password: read(password_file).await? }
            }
        })
    }

    /// With the secret that every principal of a simulated foundation has.
    pub(super) fn simulated(auth: &Auth) -> Self {
        let secret = Secret(SIMULATED.to_owned());
        match auth {
            Auth::Client { id, .. } => Self::Client { id: id.clone(), secret },
            Auth::User { name, .. } => Self::Password { name: name.clone(), password: secret },
        }
    }

    /// What is tried.
    pub(super) fn secret(&self) -> &Secret {
        match self {
            Self::Client { secret, .. } => secret,
            Self::Password { password, .. } => password,
            Self::Refresh { token } => token,
        }
    }

    /// The request for a token.
    pub(super) fn request(&self, client: &Client, endpoint: Url) -> reqwest::Result<Request> {
        let ((user, password), form) = match self {
            Self::Client { id, secret } => ((&**id, secret.reveal()), pairs(&[("grant_type", "client_credentials")])),
            Self::Password { name, password } => (
                CLIENT_OF_PEOPLE,
                pairs(&[("grant_type", "password"), ("username", &**name), ("password", password.reveal())]),
            ),
            Self::Refresh { token } => {
                (CLIENT_OF_PEOPLE, pairs(&[("grant_type", "refresh_token"), ("refresh_token", token.reveal())]))
            }
        };
        client
            .post(endpoint)
            .basic_auth(user, Some(password))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
            .build()
    }

    /// What is granted, unless the answer holds no token.
    pub(super) fn granted(&self, body: &[u8], now: Timestamp) -> Option<Granted> {
        #[derive(Deserialize)]
        struct Raw {
            access_token: String,
            refresh_token: Option<String>,
            expires_in: Option<i64>,
            scope: Option<String>,
        }
        // Why it cannot be read would show a part of it.
        let raw = serde_json::from_slice::<Raw>(body).ok()?;
        let until = raw.expires_in.map_or(Timestamp::MAX, |seconds| use_until(now, seconds));
        let scopes = raw.scope.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        let refresh = match self {
            Self::Client { .. } => None,
            Self::Password { .. } => raw.refresh_token.map(Secret),
            Self::Refresh { token } => Some(raw.refresh_token.map_or_else(|| token.clone(), Secret)),
        };
        Some(Granted { token: Token { access: Secret(raw.access_token), until, scopes }, refresh })
    }
}

/// What UAA granted.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) token: Token,
    /// For the next sign-in, where there is one.
    pub(super) refresh: Option<Secret>,
}

/// An access token.
#[derive(Debug)]
pub(super) struct Token {
    access: Secret,
    until: Timestamp,
    /// What it allows, as far as UAA said.
    pub(super) scopes: BTreeSet<String>,
}

impl Token {
    /// Whether it is not about to expire.
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        now < self.until
    }

    pub(super) fn reveal(&self) -> &str {
        self.access.reveal()
    }
}

/// A tenth before the token expires, at least 30 s and at most 5 min; one that lives shorter than
/// a minute is used for half of that.
fn use_until(now: Timestamp, seconds: i64) -> Timestamp {
    let margin = (seconds / 10).clamp(30, 300).min(seconds / 2);
    now.saturating_add(SignedDuration::from_secs(seconds.saturating_sub(margin))).unwrap_or(now)
}

async fn read(file: &Arc<str>) -> Result<Secret, Failure> {
    let path = file.clone();
    let taken = tokio::task::spawn_blocking(move || taken_in(Path::new(&*path))).await;
    let bad = match taken {
        Ok(Ok(secret)) => return Ok(secret),
        Ok(Err(bad)) => bad.to_string(),
        Err(_) => "cannot be read".to_owned(),
    };
    let file = escaped(file);
    let detail = format!("the secret file `{file}` {bad} — check its path and who may read it");
    Err(Failure::new(Reason::Credentials, detail))
}

/// The text of the file without the one newline that editors put at its end.
fn taken_in(path: &Path) -> Result<Secret, BadSecret> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(BadSecret::TooLarge);
    }
    let text = String::from_utf8(bytes).map_err(|_| BadSecret::NoText)?;
    let line = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() { Err(BadSecret::Empty) } else { Ok(Secret(line.to_owned())) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn in_file(name: &str, content: &[u8]) -> Arc<str> {
        let path = std::env::temp_dir().join(format!("moored-cf-secret-{name}-{}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path.to_string_lossy().into()
    }

    #[tokio::test]
    async fn a_secret_is_the_files_text_without_one_newline() {
        for (name, content, secret) in
            [("plain", "s3cret", "s3cret"), ("line", "s3cret\r\n", "s3cret"), ("two", "s3cret\n\n", "s3cret\n")]
        {
            let file = in_file(name, content.as_bytes());
            assert_eq!(read(&file).await.unwrap().reveal(), secret, "{name}");
            std::fs::remove_file(&*file).unwrap();
        }
    }

    #[tokio::test]
    async fn a_file_without_a_secret_is_named_and_its_content_is_not() {
        let large = vec![b'x'; 64 * 1024 + 1];
        for (name, content, said) in [
            ("empty", &b"\n"[..], "is empty"),
            ("large", &large[..], "is larger than 64 KiB"),
            ("binary", &b"hunter2\xff"[..], "is no text"),
        ] {
            let file = in_file(name, content);
            let failure = read(&file).await.unwrap_err();
            assert_eq!(failure.reason, Reason::Credentials);
            assert!(failure.detail.contains(&*file) && failure.detail.contains(said), "{failure}");
            assert!(!failure.detail.contains("hunter2"), "{failure}");
            std::fs::remove_file(&*file).unwrap();
        }
        let missing = read(&"/nowhere/secret".into()).await.unwrap_err();
        assert!(missing.detail.contains("`/nowhere/secret` cannot be read"), "{missing}");
    }

    #[test]
    fn a_token_is_used_until_shortly_before_it_expires() {
        let now = Timestamp::UNIX_EPOCH;
        for (validity, used) in [(43_200, 42_900), (1199, 1080), (100, 70), (20, 10), (0, 0)] {
            assert_eq!(use_until(now, validity).as_second(), used, "{validity}");
        }
        assert_eq!(use_until(now, i64::MAX), Timestamp::MAX);
    }

    #[test]
    fn nothing_shows_a_token_or_a_password() {
        let grant = Grant::Password { name: "anne".into(), password: Secret("hunter2".to_owned()) };
        let body = br#"{"access_token":"abc123","refresh_token":"def456","expires_in":1199,"scope":"a.read b.write"}"#;
        let granted = grant.granted(body, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(granted.token.scopes, BTreeSet::from(["a.read".to_owned(), "b.write".to_owned()]));
        let request = grant.request(&Client::new(), Url::parse("http://127.0.0.1/oauth/token").unwrap()).unwrap();
        let shown = format!("{grant:?} {granted:?} {request:?}");
        for secret in ["hunter2", "abc123", "def456", "Y2Y6"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(grant.granted(br#"{"access_token":["abc123"]}"#, Timestamp::UNIX_EPOCH).is_none());
    }

    #[test]
    fn a_refresh_token_that_is_not_replaced_stays() {
        let refresh = Grant::Refresh { token: Secret("old".to_owned()) };
        let again = refresh.granted(br#"{"access_token":"a"}"#, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(again.refresh.unwrap().reveal(), "old");
        let client = Grant::Client { id: "moored".into(), secret: Secret("s".to_owned()) };
        let granted = client.granted(br#"{"access_token":"a","refresh_token":"r"}"#, Timestamp::UNIX_EPOCH).unwrap();
        assert!(granted.refresh.is_none(), "a client just asks again");
    }
}
