//! `/api/v1/holds`: the one thing that a visitor may change, and only with a token.
//!
//! Decides that a hold is never made for somebody who was not asked for a token: on loopback any
//! page in a browser could send the request. A hold sets findings aside visibly and for an hour at
//! most; nothing else can be changed here. The router of [`super::api`] leads here.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Api, Problem};
use crate::clock::Clock;
use crate::core::hold::Hold;
use crate::store::{StoreError, hold};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    application: String,
    environment: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default = "somebody")]
    by: String,
    /// How long; 0 ends what is in force.
    seconds: u64,
}

fn somebody() -> String {
    "somebody".to_owned()
}

type Answer = Result<Json<Value>, Problem>;

/// The holds in force.
pub(super) async fn list(State(api): State<Arc<Api>>) -> Answer {
    let path = kept(&api)?;
    let holds = beside(move || hold::in_force(&path, Clock::wall().now())).await?;
    Ok(Json(json!({ "items": holds })))
}

/// Makes a hold, or ends those of an application.
pub(super) async fn make(State(api): State<Arc<Api>>, headers: HeaderMap, body: Bytes) -> Answer {
    if api.token.is_none() {
        let hint = "start the daemon with --api-token-file, or use `moored hold --state`";
        return Err(Problem::new(StatusCode::FORBIDDEN, "holds are only made with a token", hint));
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not JSON", "send application/json"));
    }
    let refused = |why: String| Problem::new(StatusCode::BAD_REQUEST, why, "see `moored hold --help`");
    let wish: Wish = serde_json::from_slice(&body).map_err(|error| refused(error.to_string()))?;
    let (path, now) = (kept(&api)?, Clock::wall().now());
    if wish.seconds == 0 {
        let ended = beside(move || hold::end(&path, &wish.application, wish.environment.as_deref(), now)).await?;
        return Ok(Json(json!({ "ended": ended })));
    }
    let length = SignedDuration::from_secs(i64::try_from(wish.seconds).unwrap_or(i64::MAX));
    let by = if wish.by.trim().is_empty() || wish.by.chars().any(char::is_control) { somebody() } else { wish.by };
    let held = Hold::begin(&wish.application, wish.environment.as_deref(), &wish.reason, &by, now, length);
    let held = held.map_err(refused)?;
    // A misspelt name would hold nothing, and nobody would notice.
    let known = api.board.borrow().as_ref().is_none_or(|published| {
        let declared = published.index.applications.keys().any(|(_, name)| *name == held.application);
        declared || published.snapshot.findings.iter().any(|finding| finding.application == held.application)
    });
    let nowhere = wish.environment.as_deref().filter(|environment| {
        let published = api.board.borrow();
        published.as_ref().is_some_and(|published| !published.desired.environments.contains_key(*environment))
    });
    if let Some(environment) = nowhere {
        return Err(refused(format!("no manifest declares the environment {environment}")));
    }
    if !known {
        return Err(refused(format!("no manifest and no finding speaks of the application {}", held.application)));
    }
    let made = held.clone();
    beside(move || hold::begin(&path, &made)).await?;
    Ok(Json(serde_json::to_value(&held).unwrap_or_default()))
}

fn kept(api: &Api) -> Result<PathBuf, Problem> {
    let hint = "start the daemon with a state file";
    api.state.clone().ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no holds are kept", hint))
}

/// The state file is written beside the daemon, off the tasks that serve.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let hint = "the daemon's log and the metric moored_store_healthy say more";
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), hint)),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the state file could not be used", hint)),
    }
}
