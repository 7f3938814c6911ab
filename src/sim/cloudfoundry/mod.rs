//! The simulated Cloud Foundry: a Cloud Controller v3 and its UAA, stricter than their documentation.
//!
//! Decides what each request would be answered, from state, request, time and seed alone; and what
//! the acts of simulated humans change ([`Foundation`]'s other methods). It never reads a clock,
//! opens a socket or waits: [`wire`] translates HTTP to it, and the demo and the tests script it.
//! [`sites`] are the web sites that HTTP probes look at. No observing code may call it.

mod access;
mod administering;
mod apps;
mod bindings;
mod buildpacks;
mod deployments;
mod droplets;
mod encoding;
mod errors;
mod events;
pub mod faults;
mod fields;
mod jobs;
mod listing;
mod lists;
mod manifest;
mod organizations;
mod plans;
mod presenting;
mod processes;
mod rates;
mod reading;
mod record;
mod routes;
mod services;
mod serving;
pub mod sites;
mod state;
#[cfg(test)]
mod tests;
mod uaa;
pub mod wire;
mod writing;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use access::Accounts;
use events::Actor;
use faults::Faults;
use state::State;

pub use access::Role;
pub use plans::{AppPlan, ProcessPlan};
pub use processes::InstanceState;
pub use rates::RateLimit;

/// Requests older than the newest this many are forgotten, so that a long demo does not grow.
const REQUESTS_KEPT: usize = 100_000;

/// Who acts where a scenario names nobody.
const OPERATOR: &str = "operator@example.com";

/// A request below a foundation's base address.
#[derive(Clone)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// Below the base: `/v3/apps`.
    pub path: String,
    /// Decoded once, in its order.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// The foundation's own address, for links: `http://127.0.0.1:1/_cf/api.example.com`.
    pub base: String,
}

impl Request {
    /// The decoded query as one text, for rules and logs.
    fn query_text(&self) -> String {
        let pairs: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    }

    /// Which page of a list it asks for.
    fn page(&self) -> u64 {
        let asked = self.query.iter().find(|(name, _)| name == "page");
        asked.and_then(|(_, page)| page.parse().ok()).unwrap_or(1)
    }

    fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.headers.get("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }
}

/// What comes back, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// As the server spells their names.
    pub headers: Vec<(String, String)>,
    /// The whole body, even where only a part of it arrives.
    pub body: Vec<u8>,
    /// How long to wait before sending it.
    pub delay: Option<Duration>,
    /// The connection breaks half-way through the body; before it, where the body is empty.
    pub cut: bool,
}

impl Answer {
    fn new(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { status, headers, body, delay: None, cut: false }
    }

    fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", serde_json::to_vec(body).unwrap_or_default())
    }

    /// Accepted, or done without a word: CC calls its empty bodies `text/html`.
    fn empty(status: u16) -> Self {
        Self::new(status, "text/html", Vec::new())
    }

    fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// One request that a foundation has answered, or failed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// When it arrived.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// Its path below the base.
    pub path: String,
    /// Its query, decoded: `page=1&per_page=5000`.
    pub query: String,
    /// The status that it was answered with, even if that did not arrive.
    pub status: u16,
    /// Whose token it carried; empty without a valid one.
    pub principal: String,
}

/// One simulated Cloud Foundry. Cheap to clone for tests of "what if".
#[derive(Clone)]
pub struct Foundation {
    /// What its API is called, such as `api.example.com`.
    pub host: String,
    /// Scripted misbehaviour.
    pub faults: Faults,
    /// Every request so far, oldest first; those of scenarios are none.
    pub requests: Vec<Logged>,
    /// The rate limiter.
    pub rate_limit: RateLimit,
    /// Lists never have longer pages than this, so that a few rows are many pages.
    pub page_limit: Option<usize>,
    accounts: Accounts,
    state: State,
    actor: Actor,
    /// The latest time that it has heard of.
    now: Timestamp,
    /// What the world was, from each of these times on; kept only while a rule asks for the past.
    past: VecDeque<(Timestamp, State)>,
}

impl fmt::Debug for Foundation {
    /// Passwords and environments stay out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Foundation").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Foundation {
    /// A foundation with nothing on it, of API version 3.228.0.
    pub fn new(host: &str, now: Timestamp) -> Self {
        Self {
            host: host.to_owned(),
            faults: Faults::default(),
            requests: Vec::new(),
            rate_limit: RateLimit::default(),
            page_limit: None,
            accounts: Accounts::new(host),
            state: State::new(host),
            actor: Actor::person(host, OPERATOR),
            now,
            past: VecDeque::new(),
        }
    }

    /// Gates features as that version would: buildpack events from 3.210, embedded instances from
    /// 3.211, features in manifests from 3.196, …
    pub fn set_api_version(&mut self, major: u32, minor: u32, patch: u32) {
        self.state.api = (major, minor, patch);
    }

    /// From now on, the acts of this API are this person's.
    pub fn act_as(&mut self, person: &str) -> &mut Self {
        self.actor = Actor::person(&self.host, person);
        self
    }

    /// Adds a user of the password grant.
    pub fn add_user(&mut self, name: &str, password: &str) {
        self.accounts.add_user(name, password);
    }

    /// Adds a client of the client_credentials grant. Authorities such as
    /// `cloud_controller.global_auditor` are its roles; one that has only roles in spaces needs
    /// `cloud_controller.read`.
    pub fn add_client(&mut self, id: &str, secret: &str, authorities: &[&str]) {
        self.accounts.add_client(id, secret, authorities);
    }

    /// Gives a user or client a role, from the next request on.
    pub fn set_role(&mut self, principal: &str, role: Role) -> bool {
        self.accounts.set_role(principal, role)
    }

    /// Takes a role away, from the next request on.
    pub fn revoke_role(&mut self, principal: &str, role: &Role) -> bool {
        self.accounts.revoke_role(principal, role)
    }

    /// Changes a password or client secret; tokens that are out stay valid.
    pub fn set_secret(&mut self, principal: &str, secret: &str) -> bool {
        self.accounts.set_secret(principal, secret)
    }

    /// Ends every token and refresh token.
    pub fn revoke_tokens(&mut self) {
        self.accounts.revoke_tokens();
    }

    /// How many requests of this method had a path that begins so; an empty method is any.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let counts = |logged: &&Logged| (method.is_empty() || logged.method == method) && logged.path.starts_with(path);
        self.requests.iter().filter(counts).count()
    }

    /// Forgets the requests so far.
    pub fn reset_requests(&mut self) {
        self.requests.clear();
    }

    /// Something that a simulated human does, after what time has brought about.
    fn act<R>(&mut self, now: Timestamp, change: impl FnOnce(&mut State, &Actor) -> R) -> R {
        self.advance(now);
        let actor = self.actor.clone();
        let result = change(&mut self.state, &actor);
        self.remember(now);
        result
    }

    /// Lets time bring about what is due.
    fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        let changed = self.state.settle(now);
        if changed || self.past.is_empty() {
            self.remember(now);
        }
    }

    /// Keeps the world as it is from `now` on, as far back as the rules may ask for. Called after
    /// every change.
    fn remember(&mut self, now: Timestamp) {
        let Some(staleness) = self.faults.longest_staleness() else {
            self.past.clear();
            return;
        };
        self.past.push_back((now, self.state.clone()));
        while self.past.get(1).is_some_and(|(since, _)| now.duration_since(*since) >= staleness) {
            self.past.pop_front();
        }
    }

    /// The world as it was this long ago, or as far back as is known.
    fn past_state(&self, age: SignedDuration, now: Timestamp) -> Option<State> {
        let old_enough = |since: &Timestamp| now.duration_since(*since) >= age;
        let newest = self.past.iter().rev().find(|(since, _)| old_enough(since));
        newest.or(self.past.front()).map(|(_, state)| state.clone())
    }
}
