//! The Cloud Controller's rate limiter.
//!
//! Decides who is counted and when enough is enough: every user and client but the admins of both
//! kinds, and everybody without a token together. `Remaining` is floored to tenths of the limit, so
//! that it stands still for a long while; `Retry-After` is the time of the reset, in seconds since
//! 1970, as CC's middleware writes it. Counted before anything else happens to a request.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::access::Caller;
use super::errors::CfError;
use super::state::after;

/// Who everybody without a token is.
const ADDRESS: &str = "";

/// The limiter and its counts.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// Off, as CC is by default.
    pub enabled: bool,
    /// Requests of a user or client in one interval.
    pub general: u64,
    /// Requests without a token in one interval.
    pub unauthenticated: u64,
    /// The length of the interval.
    pub reset_minutes: u32,
    counts: BTreeMap<String, (u64, Timestamp)>,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { enabled: false, general: 2000, unauthenticated: 100, reset_minutes: 60, counts: BTreeMap::new() }
    }
}

/// What the limiter says of one request.
pub struct Standing {
    pub headers: Vec<(String, String)>,
    pub refusal: Option<CfError>,
}

impl RateLimit {
    /// Counts a request; nothing where it is not limited.
    pub(super) fn count(&mut self, caller: Option<&Caller>, now: Timestamp) -> Option<Standing> {
        if !self.enabled || caller.is_some_and(Caller::is_unlimited) {
            return None;
        }
        let (who, limit) = match caller {
            Some(caller) => (caller.name.as_str(), self.general),
            None => (ADDRESS, self.unauthenticated),
        };
        let reset = after(now, SignedDuration::from_mins(i64::from(self.reset_minutes)));
        let count = self.counts.entry(who.to_owned()).or_insert((0, reset));
        if count.1 <= now {
            *count = (0, reset);
        }
        let exceeded = count.0 >= limit;
        if !exceeded {
            count.0 += 1;
        }
        let left = limit.saturating_sub(count.0 + u64::from(exceeded));
        let tenths = (left * 10).checked_div(limit).unwrap_or(0);
        let mut headers = headers(limit, tenths * limit / 10, count.1);
        let refusal = exceeded.then(|| {
            headers.push(("Retry-After".to_owned(), count.1.as_second().to_string()));
            if caller.is_some() { CfError::rate_limited() } else { CfError::address_rate_limited() }
        });
        Some(Standing { headers, refusal })
    }

    /// The refusal that a fault asks for, so many seconds long.
    pub(super) fn scripted(&self, seconds: u32, now: Timestamp) -> Standing {
        let reset = after(now, SignedDuration::from_secs(i64::from(seconds)));
        let mut headers = headers(self.general, 0, reset);
        headers.push(("Retry-After".to_owned(), reset.as_second().to_string()));
        Standing { headers, refusal: Some(CfError::rate_limited()) }
    }
}

fn headers(limit: u64, remaining: u64, reset: Timestamp) -> Vec<(String, String)> {
    vec![
        ("X-RateLimit-Limit".to_owned(), limit.to_string()),
        ("X-RateLimit-Reset".to_owned(), reset.as_second().to_string()),
        ("X-RateLimit-Remaining".to_owned(), remaining.to_string()),
    ]
}
