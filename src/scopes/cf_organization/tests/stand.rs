//! A pretended foundation with one organisation, and its reader.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::super::CfOrganization;
use super::ask;
use crate::aws::intercept::Requests;
use crate::clock::Clock;
use crate::cloudfoundry::read::ReadContext;
use crate::cloudfoundry::session::{SessionOptions, Sessions};
use crate::core::asks::{Asks, Facet};
use crate::core::desired::{Auth, Foundation};
use crate::core::identity::{ScopeKey, ScopeKind};
use crate::core::observation::{Failure, Reading};
use crate::core::redact::Redactor;
use crate::kinds::app;

const HOST: &str = "api.example.com";
const NOW: &str = "2026-11-20T10:00:00Z";
const MANIFEST: &str = "---\napplications:\n- name: api\n  env: {GREETING: hello}\n  processes: [{type: web}]\n";

/// What the foundation answers.
#[derive(Default)]
pub(super) struct World {
    pub(super) version: &'static str,
    pub(super) lists: BTreeMap<&'static str, Vec<Json>>,
    /// The answers to questions by name.
    pub(super) named: BTreeMap<&'static str, Vec<Json>>,
    /// The totals that lists tell, where they are not true.
    pub(super) totals: BTreeMap<&'static str, usize>,
    /// Refusals: by a part of path and query, with the status.
    pub(super) refused: Vec<(&'static str, u16)>,
    /// Whoever looks for a space by its guid finds none.
    pub(super) blind: bool,
    /// The token is refused once, by a part of path and query; from then on the organisation has this guid.
    pub(super) fails_over: Option<(&'static str, &'static str)>,
    /// How many seconds its clock is ahead.
    pub(super) ahead: i64,
}

impl World {
    fn answer(&mut self, path: &str, query: &str, cloud: &str) -> ResponseTemplate {
        let whole = format!("{path}?{query}");
        if let Some((_, guid)) = self.fails_over.take_if(|(part, _)| whole.contains(*part)) {
            self.lists.insert("/v3/organizations", vec![json!({ "guid": guid, "name": "GDS" })]);
            let error = json!({ "errors": [{ "code": 1000, "title": "CF-InvalidAuthToken", "detail": "no" }] });
            return ResponseTemplate::new(401).set_body_json(error);
        }
        if let Some((_, status)) = self.refused.iter().find(|(part, _)| whole.contains(part)) {
            let error = json!({ "errors": [{ "code": 10003, "title": "CF-NotAuthorized", "detail": "no" }] });
            return ResponseTemplate::new(*status).set_body_json(error);
        }
        let body = match path {
            "/" => json!({ "links": {
                "cloud_controller_v3": { "href": cloud, "meta": { "version": self.version } },
                "login": { "href": format!("{cloud}/uaa") },
            }}),
            "/uaa/oauth/token" => json!({ "access_token": "t", "token_type": "bearer", "expires_in": 43200 }),
            "/v3/environment_variable_groups/running" => {
                json!({ "name": "running", "updated_at": "2026-11-01T00:00:00Z", "var": {} })
            }
            "/v3/processes/p-web/stats" => {
                json!({ "resources": [{ "type": "web", "index": 0, "state": "RUNNING", "uptime": 60 }] })
            }
            _ if path.ends_with("/manifest") => {
                return ResponseTemplate::new(200).set_body_raw(MANIFEST, "application/x-yaml");
            }
            _ => {
                let by_name = query.contains("space_guids=") || query.contains("app_guids=");
                let list = if by_name { self.named.get(path) } else { self.lists.get(path) };
                let unseen = self.blind && path == "/v3/spaces" && query.starts_with("guids=");
                let list = list.filter(|_| !unseen).cloned().unwrap_or_default();
                let total = self.totals.get(path).copied().unwrap_or(list.len());
                json!({ "pagination": { "total_results": total, "next": null }, "resources": list })
            }
        };
        ResponseTemplate::new(200).set_body_json(body)
    }
}

/// An organisation `gds` with a space `Production`, an app `Api` and its binding to `queue`.
pub(super) fn world() -> World {
    let space = json!({ "space": { "data": { "guid": "s-1" } } });
    let of_app = |more: Json| {
        let mut all = json!({ "app": { "data": { "guid": "a-1" } } });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let at = "2026-11-01T10:00:00Z";
    World {
        version: "3.228.0",
        lists: BTreeMap::from([
            ("/v3/organizations", vec![json!({ "guid": "o-1", "name": "GDS" })]),
            ("/v3/spaces", vec![json!({ "guid": "s-1", "name": "Production" })]),
            (
                "/v3/apps",
                vec![
                    json!({ "guid": "a-1", "name": "Api", "state": "STARTED", "updated_at": at, "relationships": space,
                    "lifecycle": { "type": "buildpack", "data": { "buildpacks": [], "stack": "cflinuxfs4" } } }),
                ],
            ),
            (
                "/v3/processes",
                vec![json!({ "guid": "p-web", "type": "web", "instances": 1, "memory_in_mb": 256, "version": "v1",
                    "updated_at": at, "relationships": of_app(json!({})),
                    "process_instances": [{ "index": 0, "state": "RUNNING", "since": 60 }] })],
            ),
            (
                "/v3/service_instances",
                vec![json!({ "guid": "i-1", "name": "queue", "type": "user-provided", "relationships": space })],
            ),
            (
                "/v3/service_credential_bindings",
                vec![json!({ "guid": "b-1", "type": "app", "created_at": at, "updated_at": at,
                    "relationships": of_app(json!({ "service_instance": { "data": { "guid": "i-1" } } })) })],
            ),
            (
                "/v3/routes",
                vec![json!({ "guid": "r-1", "url": "api.example.com",
                    "destinations": [{ "app": { "guid": "a-1" }, "protocol": "http1" }] })],
            ),
        ]),
        ..World::default()
    }
}

/// A foundation with a reader of its organisation.
pub(super) struct Stand {
    server: MockServer,
    world: Arc<Mutex<World>>,
    pub(super) clock: Clock,
    sessions: Sessions,
    secret: PathBuf,
    reader: CfOrganization,
    pub(super) asks: Asks,
    /// The guids that the manifest pins.
    pub(super) pins: BTreeMap<Arc<str>, Option<Arc<str>>>,
}

impl Stand {
    pub(super) async fn new(world: World) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let secret = std::env::temp_dir().join(format!("moored-cf-organization-{}-{number}", std::process::id()));
        std::fs::write(&secret, "s3cret\n").unwrap();
        let (server, world) = (MockServer::start().await, Arc::new(Mutex::new(world)));
        let clock = Clock::stopped(NOW.parse().unwrap());
        let (cloud, answering, ticking) = (server.uri(), world.clone(), clock.clone());
        let respond = move |request: &Request| {
            let (path, query) = (below(request.url.path()), request.url.query().unwrap_or_default());
            let mut world = answering.lock().unwrap();
            let date = ticking.now().checked_add(SignedDuration::from_secs(world.ahead)).unwrap();
            let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            world.answer(path, query, &cloud).insert_header("date", date.as_str())
        };
        Mock::given(any()).respond_with(respond).mount(&server).await;
        let (cloud, requests) = (Some(server.uri()), Requests::default());
        let sessions = Sessions::new(SessionOptions { cloud, clock: clock.clone(), requests, proxy: None }).unwrap();
        let reader = CfOrganization::new(&ScopeKey::new(ScopeKind::CfOrganization, HOST, "cf", "gds"));
        let mut asks = Asks::default();
        asks.want(ask(app::KIND, "production/api"), [Facet::AppManifest]);
        Self { server, world, clock, sessions, secret, reader, asks, pins: BTreeMap::new() }
    }

    pub(super) async fn try_read(&mut self) -> Result<Reading, Failure> {
        let foundation = Foundation {
            api: format!("https://{HOST}").into(),
            host: HOST.into(),
            organizations: self.pins.clone(),
            every: true,
            auth: Auth::Client { id: "moored".into(), secret_file: self.secret.to_string_lossy().into() },
        };
        let session = self.sessions.session(&foundation).await;
        let context = ReadContext::new(session, self.clock.clone(), Arc::new(Redactor::new(&[0; 32])));
        self.reader.read(&context, &self.asks).await
    }

    pub(super) async fn read(&mut self) -> Reading {
        self.try_read().await.unwrap()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.lock().unwrap());
    }

    /// How often something with this in its path or query was asked.
    pub(super) async fn asked(&self, what: &str) -> usize {
        let all = self.server.received_requests().await.unwrap();
        let whole = |request: &Request| format!("{}?{}", request.url.path(), request.url.query().unwrap_or_default());
        all.iter().filter(|request| whole(request).contains(what)).count()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.secret);
    }
}

fn below(path: &str) -> &str {
    path.strip_prefix("/_cf/api.example.com").unwrap_or(path)
}
