//! The simulated cloud behind the real AWS protocols, with foundations and web sites beside it.
//!
//! Decides who calls (from the signature), which fault strikes, and how an answer is spelled in
//! bytes. It never decides what an operation means: [`super::world`] does. Real SDK clients reach it
//! over loopback ([`server`]) or without a socket ([`connector`]); scenarios and tests change the
//! world through [`Cloud::call`] and [`Cloud::with_world`].

mod beside;
pub mod connector;
mod exchange;
pub mod json;
pub mod query;
pub mod route53_rest;
pub mod server;
mod xml;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::http;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::cloudfoundry::Foundation;
use super::cloudfoundry::sites::Sites;
use super::world::faults::is_read;
use super::world::{self, Answer, Caller, Request, Service, World};

/// Calls older than the newest this many are forgotten, so that a long demo does not grow.
const CALLS_KEPT: usize = 100_000;

/// One call that the cloud has answered, or failed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// When it arrived.
    pub at: Timestamp,
    /// The caller's account; empty when the signature named nobody.
    pub account: String,
    /// The region of the signature.
    pub region: String,
    /// The service addressed.
    pub service: Service,
    /// The operation; empty when it could not be read.
    pub operation: String,
    /// The cluster, table or zone that the request names, as it names it.
    pub container: Option<String>,
    /// `ok`, the error's code, or the fault that kept the answer from arriving whole.
    pub outcome: String,
    /// The fault that struck, by its name.
    pub fault: Option<&'static str>,
    /// Whether a simulated human made it, through [`Cloud::call`].
    pub human: bool,
}

/// A handle on one simulated cloud; clones share it.
#[derive(Clone)]
pub struct Cloud(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    seed: u64,
}

struct State {
    world: World,
    calls: VecDeque<Call>,
    requests: u64,
    /// What the world was, from each of these times on; kept only while a rule asks for stale reads.
    past: VecDeque<(Timestamp, World)>,
    /// By host.
    foundations: BTreeMap<String, Foundation>,
    sites: Sites,
}

impl fmt::Debug for Cloud {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cloud").field("seed", &self.0.seed).finish_non_exhaustive()
    }
}

impl Cloud {
    /// A cloud that holds this world, lives by this clock and draws its randomness from this seed.
    pub fn new(world: World, clock: impl Fn() -> Timestamp + Send + Sync + 'static, seed: u64) -> Self {
        let mut state = State {
            world,
            calls: VecDeque::new(),
            requests: 0,
            past: VecDeque::new(),
            foundations: BTreeMap::new(),
            sites: Sites::default(),
        };
        state.remember(clock());
        Self(Arc::new(Shared { state: Mutex::new(state), clock: Box::new(clock), seed }))
    }

    /// Reads or changes the world directly, as no AWS call could.
    pub fn with_world<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        let now = self.now();
        let mut state = self.lock();
        let result = change(&mut state.world);
        state.remember(now);
        result
    }

    /// A simulated human's call: no faults, no permissions, and logged as human.
    pub fn call(&self, caller: &Caller, request: &Request) -> Answer {
        let now = self.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        state.requests += 1;
        let answer = world::apply(&mut state.world, caller, request, now, self.0.seed ^ state.requests);
        if !is_read(request) {
            state.remember(now);
        }
        state.log(Call {
            at: now,
            account: caller.account.clone(),
            region: caller.region.clone(),
            service: request.service,
            operation: request.operation.clone(),
            container: container(&request.input),
            outcome: outcome(&answer),
            fault: None,
            human: true,
        });
        answer
    }

    /// Mounts a foundation: it is reached below `/_cf/HOST`.
    pub fn add_foundation(&self, foundation: Foundation) {
        self.lock().foundations.insert(foundation.host.clone(), foundation);
    }

    /// Reads or changes a foundation, as simulated people do; `None` where there is none of this host.
    pub fn with_foundation<R>(&self, host: &str, change: impl FnOnce(&mut Foundation) -> R) -> Option<R> {
        self.lock().foundations.get_mut(host).map(change)
    }

    /// Reads or changes the web sites, which are reached below `/_http/HOST`.
    pub fn with_sites<R>(&self, change: impl FnOnce(&mut Sites) -> R) -> R {
        change(&mut self.lock().sites)
    }

    /// Answers one HTTP request as AWS, a foundation or a web site would, after whatever delay a
    /// fault asks for.
    pub async fn handle(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        if let Some(reply) = beside::answer(self, &request) {
            if let Some(delay) = reply.delay {
                tokio::time::sleep(delay).await;
            }
            return reply.response;
        }
        let reply = self.exchange(&request);
        if let Some(delay) = reply.delay {
            tokio::time::sleep(delay).await;
        }
        reply.response
    }

    /// Every call since the start or the last reset, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.iter().cloned().collect()
    }

    /// Forgets the calls so far.
    pub fn reset_calls(&self) {
        self.lock().calls.clear();
    }

    /// How often clients, not simulated humans, called this operation.
    pub fn count(&self, service: Service, operation: &str) -> usize {
        let state = self.lock();
        let by_client = |call: &&Call| !call.human && call.service == service && call.operation == operation;
        state.calls.iter().filter(by_client).count()
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// A panic in some other test or task must not take the cloud down with it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn log(&mut self, call: Call) {
        if self.calls.len() >= CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    /// Keeps the world as it is from `now` on, as far back as the rules may ask for. Called after
    /// every change.
    fn remember(&mut self, now: Timestamp) {
        let Some(staleness) = self.world.faults.longest_staleness() else {
            self.past.clear();
            return;
        };
        self.past.push_back((now, self.world.clone()));
        while self.past.get(1).is_some_and(|(since, _)| now.duration_since(*since) >= staleness) {
            self.past.pop_front();
        }
    }

    /// The world as it was this long ago, or as far back as is known.
    fn past_world(&self, age: SignedDuration, now: Timestamp) -> Option<World> {
        let old_enough = |since: &Timestamp| now.duration_since(*since) >= age;
        let newest = self.past.iter().rev().find(|(since, _)| old_enough(since));
        newest.or(self.past.front()).map(|(_, world)| world.clone())
    }
}

/// What the request is about as a whole.
fn container(input: &Value) -> Option<String> {
    let names = ["cluster", "TableName", "HostedZoneId", "Id"];
    let named = names.iter().find_map(|member| input.get(*member)).or_else(|| input.pointer("/clusters/0"));
    named.and_then(Value::as_str).map(str::to_owned)
}

/// How the call log spells an answer.
fn outcome(answer: &Answer) -> String {
    match answer {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code.clone(),
    }
}
