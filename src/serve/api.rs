//! The JSON API: the report and its parts, the past, and the graph, for programs that only read.
//!
//! Decides who may ask and what an answer looks like. No route changes anything but
//! [`super::holds`], which always needs a token. On
//! loopback the `Host` header is checked, so that a web page in somebody's browser cannot read the
//! API by a name that it lets resolve to 127.0.0.1; elsewhere a token is needed. The CLI starts it.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use super::http::{self, Board, NOT_YET, Published};
use super::{holds, query, views};
use crate::core::filter::Filter;
use crate::core::record::Change;
use crate::core::report::{ApplicationReport, EnvironmentReport, FindingReport, Report};
use crate::store::{self, ChangeQuery, History, PastFinding, Reach, StoreError, ThingFacts};

/// A shorter token could be guessed.
const SHORTEST_TOKEN: usize = 16;

/// What the API serves from.
pub struct Api {
    /// What the engine publishes.
    pub board: Board,
    /// What a visitor must know; may be left out on loopback.
    pub token: Option<Token>,
    /// The past, where one is kept.
    pub history: Option<Arc<Mutex<dyn History>>>,
    /// The daemon's state file, where it has one: holds are kept there.
    pub state: Option<PathBuf>,
}

/// A bearer token, of which only the hash is kept.
#[derive(Clone)]
pub struct Token([u8; 32]);

/// The token in a file, if one is given; white space around it is no part of it. It is read once.
pub fn token(path: Option<&Path>) -> Result<Option<Token>, String> {
    path.map(Token::read).transpose()
}

impl Token {
    fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("token file {}: {error}", path.display()))?;
        let token = text.trim();
        if token.len() < SHORTEST_TOKEN || token.chars().any(char::is_whitespace) {
            let hint = "make one with: openssl rand -hex 32";
            return Err(format!(
                "token file {}: it must hold one word of at least {SHORTEST_TOKEN} characters; {hint}",
                path.display()
            ));
        }
        Ok(Self::of(token))
    }

    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// Compares hashes, so that the time this takes tells nothing about the token.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer =
            given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        bearer.is_some_and(|(_, token)| Self::of(token.trim()).0 == self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Refuses to show the API to other hosts without a token.
pub fn check_exposure(address: SocketAddr, has_token: bool) -> Result<(), String> {
    if address.ip().is_loopback() || has_token {
        return Ok(());
    }
    Err(format!("the API on {address} could be read by other hosts: give a token file, or listen on 127.0.0.1"))
}

/// Serves the API until `shutdown`.
pub async fn serve_api(
    listener: TcpListener,
    api: Arc<Api>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    check_exposure(address, api.token.is_some()).map_err(io::Error::other)?;
    let door = Door { api: api.clone(), loopback: address.ip().is_loopback() };
    http::serve(listener, router(api, door), shutdown).await
}

fn router(api: Arc<Api>, door: Door) -> Router {
    Router::new()
        .route("/api/v1/report", get(report))
        .route("/api/v1/environments", get(environments))
        .route("/api/v1/applications", get(applications))
        .route("/api/v1/resources", get(resources))
        .route("/api/v1/findings", get(findings))
        .route("/api/v1/history", get(history))
        .route("/api/v1/graph", get(graph))
        .route("/api/v1/holds", get(holds::list).post(holds::make))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .method_not_allowed_fallback(wrong_method)
        .fallback(wrong_path)
        .layer(from_fn_with_state(door, guard))
        .with_state(api)
}

/// Why a request gets no answer, in the shape of every error of this API.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    error: String,
    /// What to do about it.
    pub hint: String,
}

impl Problem {
    /// A problem from its parts.
    pub fn new(status: StatusCode, error: impl Into<String>, hint: &str) -> Self {
        Self { status, error: error.into(), hint: hint.to_owned() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Who is let in.
#[derive(Clone)]
struct Door {
    api: Arc<Api>,
    loopback: bool,
}

impl Door {
    fn refusal(&self, headers: &HeaderMap) -> Option<Problem> {
        if self.loopback && !is_local(headers) {
            let hint = "ask for http://127.0.0.1, http://localhost or http://[::1]";
            return Some(Problem::new(StatusCode::MISDIRECTED_REQUEST, "this API is not served under that name", hint));
        }
        match &self.api.token {
            Some(token) if !token.admits(headers) => {
                let hint = "send the header Authorization: Bearer TOKEN, with the token of the daemon's token file";
                Some(Problem::new(StatusCode::UNAUTHORIZED, "no token, or not the right one", hint))
            }
            // Without a token it is only served on loopback: see `serve_api`.
            _ => None,
        }
    }
}

/// Who may ask comes before what is asked; and no answer is kept or guessed at by a browser.
async fn guard(State(door): State<Door>, request: Request, next: Next) -> Response {
    let mut response = match door.refusal(request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl Api {
    /// What is published, and which part of it is asked for.
    fn ask(&self, uri: &Uri) -> Result<(Arc<Published>, Filter), Problem> {
        let filter = query::filter(uri)?;
        let published = self.board.borrow().clone();
        let hint = "the daemon's log says what is wrong with them; ask /readyz on its metrics listener";
        let published = published.ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, NOT_YET, hint))?;
        match undeclared(&published, &filter) {
            Some(problem) => Err(problem),
            None => Ok((published, filter)),
        }
    }

    /// Which changes are asked for. Where an environment lives, and which things belong to an
    /// application, only manifests say.
    fn changes(&self, asked: &query::Asked) -> Result<ChangeQuery, Problem> {
        let filter = &asked.past.filter;
        let query = ChangeQuery {
            since: asked.past.since,
            until: asked.until,
            scopes: (!asked.scopes.is_empty()).then(|| asked.scopes.clone()),
            ..ChangeQuery::of(filter, asked.past.limit)
        };
        let published = self.board.borrow().clone();
        match published {
            Some(published) => Ok(query.declared(filter, &published.desired, &published.index)),
            None if filter.environments.is_empty() && filter.labels.is_empty() => Ok(query),
            None => {
                let hint = "without manifests leave out environment and app; scope=… narrows it too";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, NOT_YET, hint))
            }
        }
    }

    fn report(&self, uri: &Uri) -> Result<Report, Problem> {
        let (published, filter) = self.ask(uri)?;
        Ok(Report::new(&published.snapshot, &published.index, &filter, published.started))
    }
}

/// What is wrong with the environments that are asked for.
fn undeclared(published: &Published, filter: &Filter) -> Option<Problem> {
    let declared = &published.desired.environments;
    filter.environments.iter().find(|name| !declared.contains_key(name.as_str()))?;
    let known: Vec<&str> = declared.keys().map(|name| &**name).collect();
    let hint = format!("declared are: {}", known.join(", "));
    Some(Problem::new(StatusCode::BAD_REQUEST, "no such environment is declared", &hint))
}

/// Exactly one `Host`, and a name of this machine, with any port.
fn is_local(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| local.eq_ignore_ascii_case(name))
}

/// A list, and the time of the snapshot that it is from.
#[derive(Debug, Serialize)]
struct Listing<T> {
    at: Timestamp,
    items: Vec<T>,
}

/// Past findings and recorded changes; they are from no snapshot.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PastListing {
    items: Vec<PastFinding>,
    /// Newest last.
    changes: Vec<Change>,
    /// Whether there are older ones that the limit left out.
    more_changes: bool,
    /// How far the record reaches where something of what is asked for lives.
    recorded: Vec<Reach>,
    /// Where a moment was asked for: what the named things were.
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Vec<ThingFacts>>,
}

type Answer<T> = Result<Json<T>, Problem>;

async fn report(State(api): State<Arc<Api>>, uri: Uri) -> Answer<Report> {
    Ok(Json(api.report(&uri)?))
}

async fn environments(State(api): State<Arc<Api>>, uri: Uri) -> Answer<Listing<EnvironmentReport>> {
    let report = api.report(&uri)?;
    Ok(Json(Listing { at: report.finished_at, items: report.environments }))
}

async fn applications(State(api): State<Arc<Api>>, uri: Uri) -> Answer<Listing<ApplicationReport>> {
    let report = api.report(&uri)?;
    Ok(Json(Listing { at: report.finished_at, items: report.applications }))
}

async fn findings(State(api): State<Arc<Api>>, uri: Uri) -> Answer<Listing<FindingReport>> {
    let report = api.report(&uri)?;
    Ok(Json(Listing { at: report.finished_at, items: report.findings }))
}

async fn resources(State(api): State<Arc<Api>>, uri: Uri) -> Answer<Listing<views::ResourceView>> {
    let (published, filter) = api.ask(&uri)?;
    Ok(Json(Listing { at: published.snapshot.at, items: views::resources(&published, &filter) }))
}

async fn graph(State(api): State<Arc<Api>>, uri: Uri) -> Answer<views::Graph> {
    let (published, filter) = api.ask(&uri)?;
    Ok(Json(views::graph(&published, &filter)))
}

/// The past is on a disk, so it is asked for on a thread that may wait.
async fn history(State(api): State<Arc<Api>>, uri: Uri) -> Answer<PastListing> {
    let asked = query::past(&uri)?;
    let changes = api.changes(&asked)?;
    // An environment that is no longer declared may still have a past; one that never was has none.
    let stranger = api.board.borrow().as_ref().and_then(|published| undeclared(published, &asked.past.filter));
    let Some(history) = api.history.clone() else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no past is recorded", "start the daemon with a state file"));
    };
    let read = move || {
        let history = history.lock().unwrap_or_else(PoisonError::into_inner);
        look_back(&*history, &asked, &changes)
    };
    let hint = "the daemon's log and the metric moored_store_healthy say more";
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(listing)) => match stranger {
            Some(problem) if listing.items.is_empty() => Err(problem),
            _ => Ok(Json(listing)),
        },
        Ok(Err(error)) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), hint)),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the past could not be read", hint)),
    }
}

fn look_back(history: &dyn History, asked: &query::Asked, query: &ChangeQuery) -> Result<PastListing, StoreError> {
    let mut items = history.past(&asked.past)?;
    items.retain(|item| asked.until.is_none_or(|until| item.opened_at <= until));
    // One more than asked for tells whether there are more.
    let mut changes = history.changes(&ChangeQuery { limit: query.limit.saturating_add(1), ..query.clone() })?;
    let more_changes = changes.len() > query.limit;
    if more_changes {
        changes.remove(0);
    }
    let facts = asked.at.map(|at| store::facts_of(history, &query.clone().resolved(), at)).transpose()?;
    let mut recorded = history.reach()?;
    recorded.retain(|reach| query.reaches(&reach.scope));
    Ok(PastListing { items, changes, more_changes, recorded, facts })
}

async fn wrong_path() -> Problem {
    let hint = "there are /api/v1/report, environments, applications, resources, findings, history, graph and holds";
    Problem::new(StatusCode::NOT_FOUND, "nothing is served here", hint)
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "there is no such method here", "use GET; holds are made with POST")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::sync::watch;

    use super::*;
    use crate::core::evaluate::Event;
    use crate::core::hold::Hold;
    use crate::core::identity::{ObjectKey, ScopeKey};
    use crate::core::memory::Memory;
    use crate::core::observation::Live;
    use crate::core::record::reveal::Visible;
    use crate::core::record::{Attributed, FactsAt, Seen};
    use crate::serve::http::tests::{exchange, nothing};
    use crate::store::{Past, RecordedThing};

    const TOKEN: &str = "0123456789abcdef0123";

    /// A store without a past.
    struct Blank;

    impl History for Blank {
        fn load(&mut self) -> Result<Memory, StoreError> {
            Ok(Memory::default())
        }

        fn save(&mut self, _: &Memory, _: &[Event], _: Timestamp) -> Result<(), StoreError> {
            Ok(())
        }

        fn past(&self, _: &Past) -> Result<Vec<PastFinding>, StoreError> {
            Ok(Vec::new())
        }

        fn record(&mut self, _: &Seen<'_>) -> Result<Vec<Change>, StoreError> {
            Ok(Vec::new())
        }

        fn lacking(&self, _: &ScopeKey, _: &BTreeMap<ObjectKey, Arc<Live>>) -> Vec<ObjectKey> {
            Vec::new()
        }

        fn set_visible(&mut self, _: Visible) -> Result<(), StoreError> {
            Ok(())
        }

        fn changes(&self, _: &ChangeQuery) -> Result<Vec<Change>, StoreError> {
            Ok(Vec::new())
        }

        fn facts_at(&self, _: &ScopeKey, _: &str, _: &str, _: Timestamp) -> Result<FactsAt, StoreError> {
            Ok(FactsAt::NotRecorded { begins: None })
        }

        fn things(&self, _: &ChangeQuery) -> Result<Vec<RecordedThing>, StoreError> {
            Ok(Vec::new())
        }

        fn reach(&self) -> Result<Vec<Reach>, StoreError> {
            Ok(Vec::new())
        }

        fn pending(&self, _: usize) -> Result<Vec<Change>, StoreError> {
            Ok(Vec::new())
        }

        fn attribute(&mut self, _: i64, _: &Attributed) -> Result<(), StoreError> {
            Ok(())
        }

        fn holds(&self, _: Timestamp) -> Result<Vec<Hold>, StoreError> {
            Ok(Vec::new())
        }
    }

    /// A running API on loopback; the sender keeps its board alive.
    struct Running {
        address: SocketAddr,
        _board: watch::Sender<Option<Arc<Published>>>,
    }

    impl Running {
        async fn start(published: Option<Published>, token: Option<Token>) -> Self {
            let (sender, board) = watch::channel(published.map(Arc::new));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let history: Arc<Mutex<dyn History>> = Arc::new(Mutex::new(Blank));
            let api = Arc::new(Api { board, token, history: Some(history), state: None });
            tokio::spawn(serve_api(listener, api, std::future::pending()));
            Self { address, _board: sender }
        }

        async fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
            exchange(self.address, format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")).await
        }
    }

    #[tokio::test]
    async fn only_local_names_are_served_on_loopback() {
        let running = Running::start(Some(nothing()), None).await;
        for (headers, status) in [
            ("Host: 127.0.0.1:9470\r\n", 200),
            ("Host: LOCALHOST\r\n", 200),
            ("Host: [::1]:9470\r\n", 200),
            ("Host: evil.example.com\r\n", 421),
            ("Host: 127.0.0.1.evil.example.com:9470\r\n", 421),
            ("Host: localhost\r\nHost: evil.example.com\r\n", 421),
            ("", 421),
        ] {
            assert_eq!(running.ask("GET", "/api/v1/report", headers).await.0, status, "{headers}");
        }
    }

    #[tokio::test]
    async fn with_a_token_nothing_is_told_without_it() {
        let running = Running::start(Some(nothing()), Some(Token::of(TOKEN))).await;
        for (authorization, status) in [
            (String::new(), 401),
            (format!("Authorization: Bearer {TOKEN}\r\n"), 200),
            (format!("Authorization: bearer {TOKEN}\r\n"), 200),
            (format!("Authorization: Bearer {TOKEN}4\r\n"), 401),
            (format!("Authorization: Basic {TOKEN}\r\n"), 401),
            (format!("Authorization: {TOKEN}\r\n"), 401),
        ] {
            let headers = format!("Host: localhost\r\n{authorization}");
            assert_eq!(running.ask("GET", "/api/v1/findings", &headers).await.0, status, "{authorization}");
        }
        let (status, _) = running.ask("GET", "/not/there", "Host: localhost\r\n").await;
        assert_eq!(status, 401, "what exists is not told either");
    }

    #[tokio::test]
    async fn every_route_reads_and_none_writes() {
        let running = Running::start(Some(nothing()), None).await;
        for route in ["report", "environments", "applications", "resources", "findings", "history", "graph"] {
            for (method, status) in [("GET", 200), ("POST", 405), ("PUT", 405), ("PATCH", 405), ("DELETE", 405)] {
                let (got, answer) = running.ask(method, &format!("/api/v1/{route}"), "Host: localhost\r\n").await;
                assert_eq!(got, status, "{method} {route}: {answer}");
                let answer = answer.to_lowercase();
                assert!(answer.contains("content-type: application/json"), "{answer}");
                assert!(
                    answer.contains("cache-control: no-store") && answer.contains("x-content-type-options: nosniff"),
                    "{answer}"
                );
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_understood_is_answered_with_an_error_and_a_hint() {
        let running = Running::start(Some(nothing()), None).await;
        for (path, status) in [
            ("/api/v1/findings?enviroment=production", 400),
            ("/api/v1/findings?environment=production", 400),
            ("/api/v1/history?since=yesterday", 400),
            ("/api/v1/plans", 404),
            ("/", 404),
        ] {
            let (got, answer) = running.ask("GET", path, "Host: localhost\r\n").await;
            assert_eq!(got, status, "{path}");
            assert!(answer.contains("{\"error\":\"") && answer.contains("\"hint\":\""), "{answer}");
        }
    }

    #[tokio::test]
    async fn before_manifests_are_loaded_there_is_no_report_but_a_past() {
        let running = Running::start(None, None).await;
        assert_eq!(running.ask("GET", "/api/v1/report", "Host: localhost\r\n").await.0, 503);
        assert_eq!(running.ask("GET", "/api/v1/history", "Host: localhost\r\n").await.0, 200);
    }

    #[test]
    fn other_hosts_need_a_token() {
        let (local, open): (SocketAddr, SocketAddr) =
            ("127.0.0.1:9470".parse().unwrap(), "0.0.0.0:9470".parse().unwrap());
        assert!(check_exposure(local, false).is_ok());
        assert!(check_exposure(open, false).is_err());
        assert!(check_exposure(open, true).is_ok());
    }

    #[test]
    fn a_token_file_holds_one_long_word_and_is_never_shown() {
        let scratch = crate::store::scratch::Scratch::new("api-token");
        let file = scratch.file("token");
        for (content, accepted) in
            [(format!("{TOKEN}\n"), true), ("hunter2\n".to_owned(), false), (String::new(), false)]
        {
            std::fs::write(&file, &content).unwrap();
            let token = token(Some(&file));
            assert_eq!(token.is_ok(), accepted, "{content}");
            assert!(!format!("{token:?}").contains(content.trim()) || content.is_empty());
        }
    }
}
