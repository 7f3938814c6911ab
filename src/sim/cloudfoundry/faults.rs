//! Scripted misbehaviour of a foundation: which request meets which fault.
//!
//! Decides, from rules, the time and a seed, what goes wrong with a request. It never touches
//! resources and never delays anything itself: [`Foundation::answer`](super::Foundation::answer)
//! asks [`Faults::choose`] once a request and carries the effect out. Scenarios and tests add rules.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Request;
use crate::sim::world::faults::splitmix64;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Refused with this status and CC's own error body for it.
    Status(u16),
    /// 429: JSON that calls itself `text/plain`, and a `Retry-After` so many seconds away, which CC
    /// spells as a time.
    RateLimited(u32),
    /// 401 `CF-InvalidAuthToken`, whatever the token.
    ExpiredToken,
    /// A web page with status 200, as a login page or a proxy answers.
    Html,
    /// Half of the body arrives.
    Truncated,
    /// A list answers 200 and has nothing.
    Empty,
    /// The second page of a list has no rows; the total still counts them.
    DropPage,
    /// From the second page on, a row of the first is gone: one is skipped.
    ShiftRows,
    /// From the second page on, the total is one more.
    TotalChanges,
    /// Answered, but this late.
    Slow(Duration),
    /// A read answers from the world as it was this long ago.
    Stale(SignedDuration),
    /// Answered as if the caller had no role: lists shrink with 200, single things are 404.
    LostRole,
    /// 302 to this address.
    Redirect(String),
    /// Carried out, and then the connection breaks before anything of the answer arrives.
    Reset,
}

/// One scripted fault. Empty texts and absent members match everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The method that it hits.
    pub method: Option<String>,
    /// What the path begins with, such as `/v3/apps`.
    pub path: String,
    /// What the decoded query contains, such as `page=2`.
    pub query: String,
    /// What happens.
    pub effect: Effect,
    /// 1.0 hits every matching request.
    pub probability: f64,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Not at or after this time.
    pub until: Option<Timestamp>,
    /// How many more requests it hits; unlimited when absent.
    pub remaining: Option<u32>,
}

impl Rule {
    /// Hits every request whose path begins so, until the rules are cleared.
    pub fn always(path: &str, effect: Effect) -> Self {
        Self {
            method: None,
            path: path.to_owned(),
            query: String::new(),
            effect,
            probability: 1.0,
            from: None,
            until: None,
            remaining: None,
        }
    }

    /// The same for this method alone.
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// The same for requests alone whose decoded query contains this text.
    pub fn about(self, query: &str) -> Self {
        Self { query: query.to_owned(), ..self }
    }

    /// The same with this probability.
    pub fn sometimes(self, probability: f64) -> Self {
        Self { probability, ..self }
    }

    /// The same for the next `count` matching requests.
    pub fn times(self, count: u32) -> Self {
        Self { remaining: Some(count), ..self }
    }

    /// The same from a time on, until another.
    pub fn between(self, from: Timestamp, until: Timestamp) -> Self {
        Self { from: Some(from), until: Some(until), ..self }
    }

    fn applies(&self, request: &Request, now: Timestamp) -> bool {
        self.remaining != Some(0)
            && self.from.is_none_or(|from| from <= now)
            && self.until.is_none_or(|until| now < until)
            && self.method.as_ref().is_none_or(|method| *method == request.method)
            && request.path.starts_with(&self.path)
            && (self.query.is_empty() || request.query_text().contains(&self.query))
            && self.fits(request)
    }

    /// Some effects mean nothing to some requests, and must not be used up by them.
    fn fits(&self, request: &Request) -> bool {
        let reads_cc = request.method == "GET" && request.path.starts_with("/v3/");
        match self.effect {
            Effect::Stale(_) | Effect::Empty => reads_cc,
            Effect::DropPage => reads_cc && request.page() == 2,
            Effect::ShiftRows | Effect::TotalChanges => reads_cc && request.page() > 1,
            Effect::LostRole => request.path.starts_with("/v3/"),
            _ => true,
        }
    }
}

/// The rules in force; the first that applies to a request decides.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Vec<Rule>,
    requests: u64,
}

impl Faults {
    /// Adds a rule after the others.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Drops every rule: the foundation behaves again.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How far back reads may be answered from; the past is kept that long, and only then.
    pub fn longest_staleness(&self) -> Option<SignedDuration> {
        let ages = self.rules.iter().filter_map(|rule| match rule.effect {
            Effect::Stale(by) => Some(by),
            _ => None,
        });
        ages.max()
    }

    /// What happens to this request. Equal seeds and equal requests meet equal faults.
    pub fn choose(&mut self, request: &Request, now: Timestamp, seed: u64) -> Option<Effect> {
        self.requests = self.requests.wrapping_add(1);
        for (position, rule) in (0_u64..).zip(self.rules.iter_mut()) {
            if !rule.applies(request, now) || chance(seed, self.requests, position) >= rule.probability {
                continue;
            }
            rule.remaining = rule.remaining.map(|remaining| remaining.saturating_sub(1));
            return Some(rule.effect.clone());
        }
        None
    }
}

/// A number in 0.0..1.0 that depends on nothing but its arguments.
fn chance(seed: u64, request: u64, rule: u64) -> f64 {
    let drawn = splitmix64(splitmix64(splitmix64(seed) ^ request) ^ rule);
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}
