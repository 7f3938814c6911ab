//! The client against a pretended foundation over HTTP.

mod calls;
mod identities;
mod lists;
mod samples;
mod shapes;
mod signing;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::read::ReadContext;
use super::session::{SessionOptions, Sessions};
use crate::aws::intercept::Requests;
use crate::clock::Clock;
use crate::core::desired::{Auth, Foundation};
use crate::core::redact::Redactor;

const HOST: &str = "api.example.com";

/// What reached the foundation.
struct Asked {
    /// Below the address of the API, or of the whole cloud.
    path: String,
    query: String,
    authorization: String,
    body: String,
    /// How often the same path was asked before.
    nth: usize,
    /// The address of the API.
    base: String,
}

/// A foundation that knows discovery and sign-in; the rest it answers as told.
struct Platform {
    server: MockServer,
    clock: Clock,
    requests: Requests,
    sessions: Sessions,
    secret: PathBuf,
}

impl Platform {
    async fn answering(answer: impl Fn(&Asked) -> Option<ResponseTemplate> + Send + Sync + 'static) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let secret = std::env::temp_dir().join(format!("moored-cf-{}-{number}", std::process::id()));
        std::fs::write(&secret, "s3cret\n").unwrap();

        let server = MockServer::start().await;
        let base = format!("{}/_cf/{HOST}", server.uri());
        let cloud = server.uri();
        let counts: Mutex<BTreeMap<String, usize>> = Mutex::default();
        let respond = move |request: &Request| {
            let asked = asked(request, &base, &counts);
            answer(&asked).unwrap_or_else(|| known(&asked, &cloud))
        };
        Mock::given(any()).respond_with(respond).mount(&server).await;

        let (clock, requests) = (Clock::stopped(Timestamp::UNIX_EPOCH), Requests::default());
        let options =
            SessionOptions { cloud: Some(server.uri()), clock: clock.clone(), requests: requests.clone(), proxy: None };
        let sessions = Sessions::new(options).unwrap();
        Self { server, clock, requests, sessions, secret }
    }

    fn foundation(&self) -> Foundation {
        Foundation {
            api: format!("https://{HOST}").into(),
            host: HOST.into(),
            organizations: BTreeMap::new(),
            every: true,
            auth: Auth::Client { id: "moored".into(), secret_file: self.secret.to_string_lossy().into() },
        }
    }

    /// The same for a person.
    fn foundation_of(&self, name: &str) -> Foundation {
        let auth = Auth::User { name: name.into(), password_file: self.secret.to_string_lossy().into() };
        Foundation { auth, ..self.foundation() }
    }

    async fn context(&self, foundation: &Foundation) -> ReadContext {
        let session = self.sessions.session(foundation).await;
        ReadContext::new(session, self.clock.clone(), Arc::new(Redactor::new(&[0; 32])))
    }

    /// Everything that was asked so far: `GET /v3/apps?per_page=5000`.
    async fn asked(&self) -> Vec<String> {
        let all = self.server.received_requests().await.unwrap();
        all.iter()
            .map(|request| {
                let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
                format!("{} {}{query}", request.method, below(request.url.path()))
            })
            .collect()
    }

    /// The bodies of the requests for a token.
    async fn sign_ins(&self) -> Vec<String> {
        let all = self.server.received_requests().await.unwrap();
        let posted = all.iter().filter(|request| request.url.path() == "/uaa/oauth/token");
        posted.map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect()
    }

    /// How often each outcome was counted for an operation.
    fn counted(&self, operation: &str) -> BTreeMap<&'static str, u64> {
        let all = self.requests.snapshot().into_iter();
        all.filter(|(key, _)| key.operation == operation).map(|(key, count)| (key.outcome, count)).collect()
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.secret);
    }
}

fn below(path: &str) -> &str {
    path.strip_prefix("/_cf/api.example.com").unwrap_or(path)
}

fn asked(request: &Request, base: &str, counts: &Mutex<BTreeMap<String, usize>>) -> Asked {
    let path = below(request.url.path()).to_owned();
    let mut counts = counts.lock().unwrap();
    let count = counts.entry(path.clone()).or_default();
    let nth = *count;
    *count += 1;
    let authorization = request.headers.get("authorization").and_then(|value| value.to_str().ok());
    Asked {
        path,
        query: request.url.query().unwrap_or_default().to_owned(),
        authorization: authorization.unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&request.body).into_owned(),
        nth,
        base: base.to_owned(),
    }
}

/// Discovery, sign-in, and an unknown path.
fn known(asked: &Asked, cloud: &str) -> ResponseTemplate {
    match &*asked.path {
        "/" => ok(root(&format!("{cloud}/uaa"))),
        "/uaa/oauth/token" => ok(json!({
            "access_token": format!("token-{}", asked.nth),
            "refresh_token": format!("refresh-{}", asked.nth),
            "token_type": "bearer",
            "expires_in": 1199,
            "scope": "cloud_controller.read openid",
        })),
        _ => error(404, 10000, "CF-NotFound"),
    }
}

/// What `GET /` answers, with sign-in at this address.
fn root(login: &str) -> Value {
    json!({ "links": {
        "self": { "href": "https://api.example.com" },
        "cloud_controller_v3": { "href": "https://api.example.com/v3", "meta": { "version": "3.195.0" } },
        "login": { "href": login },
        "uaa": { "href": login },
        "credhub": null,
        "routing": null,
    }})
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn error(status: u16, code: i64, title: &str) -> ResponseTemplate {
    let body = json!({ "errors": [{ "code": code, "title": title, "detail": "some words" }] });
    ResponseTemplate::new(status).set_body_json(body)
}

/// A page of organisations with these guids, which are their names too.
fn page(asked: &Asked, guids: &[&str], total: usize, next: Option<u32>) -> ResponseTemplate {
    let next = next.map(|number| json!({ "href": format!("{}{}?page={number}", asked.base, asked.path) }));
    let resources: Vec<Value> = guids.iter().map(|guid| json!({ "guid": guid, "name": guid })).collect();
    ok(json!({ "pagination": { "total_results": total, "next": next }, "resources": resources }))
}
