//! The pace of calls to one foundation with one principal: how many, and when none at all.
//!
//! Decides whether a call goes out now, waits for its turn, or fails at once. A call waits for
//! moored's own restraint: a quarter of what the platform allows in an hour, with a burst. It never
//! waits for the platform's restraint: with hardly anything left, or after a 429, every call fails
//! until the time that the platform named, so that one slow foundation holds nobody up. Called by
//! [`super::session`].

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;

/// Calls a second and the burst, where the platform names no limit.
const DEFAULT: (f64, f64) = (20.0, 40.0);
/// The smallest burst, in calls: a reading of everything takes a dozen.
const LEAST_BURST: f64 = 20.0;
/// How long no call goes out after a 429 that does not say how long.
const PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// The longest time that a platform can ask for, or a clock that was set back can add.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// What the platform last said of its own limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// Calls in a period.
    pub limit: Option<u64>,
    /// How many of them are left, by an estimate in steps of a tenth.
    pub remaining: Option<u64>,
    /// When the period ends.
    pub reset: Option<Timestamp>,
}

impl RateLimit {
    /// Whether less than a tenth is left.
    fn is_nearly_spent(&self) -> bool {
        match (self.limit, self.remaining) {
            (Some(limit), Some(remaining)) => limit > 0 && remaining.saturating_mul(10) < limit,
            _ => false,
        }
    }
}

/// The pace of one session.
#[derive(Debug)]
pub(super) struct Pace {
    state: Mutex<State>,
    /// First come, first served: the one who waits for a call holds it, the others queue.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    rate: f64,
    burst: f64,
    fill: f64,
    filled: Timestamp,
    seen: Option<RateLimit>,
    closed_until: Option<Timestamp>,
}

/// What becomes of a call.
enum Turn {
    Now,
    After(Duration),
    Never(Timestamp),
}

impl Pace {
    /// With a full burst.
    pub(super) fn new(now: Timestamp) -> Self {
        let (rate, burst) = DEFAULT;
        let state = State { rate, burst, fill: burst, filled: now, seen: None, closed_until: None };
        Self { state: Mutex::new(state), turn: tokio::sync::Mutex::default() }
    }

    /// Calls a second where nothing is known of a foundation yet.
    pub(super) fn default_rate() -> f64 {
        DEFAULT.0
    }

    /// Waits until one more call is in order; the error is the time until which none is.
    pub(super) async fn turn(&self, clock: &Clock) -> Result<(), Timestamp> {
        let _turn = self.turn.lock().await;
        loop {
            let turn = self.state().take(clock.now());
            match turn {
                Turn::Now => return Ok(()),
                Turn::After(wait) => clock.sleep(wait).await,
                Turn::Never(until) => return Err(until),
            }
        }
    }

    /// Takes note of an answer.
    pub(super) fn answered(&self, status: u16, retry_after: Option<u64>, seen: RateLimit, now: Timestamp) {
        let mut state = self.state();
        if let Some(limit) = seen.limit.filter(|limit| *limit > 0) {
            state.allow(limit);
            state.seen = Some(seen);
        }
        let ahead = |time: Timestamp| (time > now).then_some(time);
        if status == 429 {
            let asked = retry_after.map(|told| wait(told, now));
            let asked = asked.map(|wait| later(now, wait.min(LONGEST)));
            let until = asked.and_then(ahead).or_else(|| seen.reset.and_then(ahead));
            state.closed_until = Some(until.unwrap_or_else(|| later(now, PAUSE)).min(later(now, LONGEST)));
        } else if seen.is_nearly_spent() {
            // A period that is over says nothing of the next one.
            let until = seen.reset.map_or_else(|| Some(later(now, PAUSE)), ahead);
            state.closed_until = until.map(|until| until.min(later(now, LONGEST))).max(state.closed_until);
        }
    }

    /// Calls a second.
    pub(super) fn rate(&self) -> f64 {
        self.state().rate
    }

    /// What the platform last said of its limit.
    pub(super) fn seen(&self) -> Option<RateLimit> {
        self.state().seen
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, now: Timestamp) -> Turn {
        if let Some(until) = self.closed_until {
            let left = until.duration_since(now);
            if left > SignedDuration::ZERO && left <= LONGEST {
                return Turn::Never(until);
            }
            self.closed_until = None;
        }
        // A clock that was set back fills nothing.
        let passed = now.duration_since(self.filled).as_secs_f64().max(0.0);
        self.fill = (self.fill + passed * self.rate).min(self.burst);
        self.filled = now;
        if self.fill >= 1.0 {
            self.fill -= 1.0;
            return Turn::Now;
        }
        let seconds = ((1.0 - self.fill) / self.rate).clamp(0.001, 3600.0);
        Turn::After(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1)))
    }

    /// A quarter of what the platform allows in an hour; what was used of the burst stays used.
    fn allow(&mut self, limit: u64) {
        let limit = limit as f64;
        let (rate, burst) = ((limit / 4.0 / 3600.0).min(DEFAULT.0), (limit / 40.0).max(LEAST_BURST));
        self.fill = (self.fill + burst - self.burst).clamp(0.0, burst);
        (self.rate, self.burst) = (rate, burst);
    }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(now)
}

/// `Retry-After` as a wait: HTTP means seconds, but Cloud Controller writes the time of the reset
/// there (`middleware/base_rate_limiter.rb`). No wait is as long as such a time is large.
fn wait(told: u64, now: Timestamp) -> SignedDuration {
    const TIMES_BEGIN: i64 = 1_000_000_000;
    match i64::try_from(told).unwrap_or(i64::MAX) {
        time if time >= TIMES_BEGIN => SignedDuration::from_secs(time.saturating_sub(now.as_second()).max(0)),
        seconds => SignedDuration::from_secs(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(limit: u64, remaining: u64, reset: i64) -> RateLimit {
        RateLimit { limit: Some(limit), remaining: Some(remaining), reset: Timestamp::from_second(reset).ok() }
    }

    #[tokio::test]
    async fn a_burst_passes_at_once_and_the_rest_at_a_quarter_of_the_limit() {
        let clock = Clock::stopped(Timestamp::UNIX_EPOCH);
        let pace = Pace::new(clock.now());
        assert_eq!(pace.rate(), 20.0);
        pace.answered(200, None, seen(2000, 1800, 600), clock.now());
        for _ in 0..50 {
            pace.turn(&clock).await.unwrap();
        }
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH, "2000 / 40 calls at once");
        for _ in 0..5 {
            pace.turn(&clock).await.unwrap();
        }
        let took = clock.now().duration_since(Timestamp::UNIX_EPOCH).as_secs();
        assert!((35..=37).contains(&took), "five calls at 500 an hour took {took} s");
    }

    #[tokio::test]
    async fn with_a_tenth_left_every_call_fails_until_the_reset() {
        let clock = Clock::stopped(Timestamp::UNIX_EPOCH);
        let pace = Pace::new(clock.now());
        pace.answered(200, None, seen(2000, 200, 600), clock.now());
        assert_eq!(pace.turn(&clock).await, Ok(()), "a tenth is left");
        pace.answered(200, None, seen(2000, 0, 600), clock.now());
        assert_eq!(pace.turn(&clock).await, Err(Timestamp::from_second(600).unwrap()));
        clock.jump(SignedDuration::from_secs(600));
        assert_eq!(pace.turn(&clock).await, Ok(()));
    }

    #[tokio::test]
    async fn a_429_is_believed_for_as_long_as_it_says_and_no_longer_than_an_hour() {
        let clock = Clock::stopped(Timestamp::UNIX_EPOCH);
        let until = async |retry_after: Option<u64>, seen: RateLimit| {
            let pace = Pace::new(clock.now());
            pace.answered(429, retry_after, seen, clock.now());
            pace.turn(&clock).await.unwrap_err().as_second()
        };
        assert_eq!(until(Some(7), seen(2000, 0, 600)).await, 7);
        assert_eq!(until(None, seen(2000, 0, 600)).await, 600);
        assert_eq!(until(None, RateLimit::default()).await, 60);
        assert_eq!(until(Some(u64::MAX), RateLimit::default()).await, 3600);
    }

    #[test]
    fn retry_after_may_be_a_time_as_cloud_controller_writes_it() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(wait(1_800_000_090, now).as_secs(), 90);
        assert_eq!(wait(1_700_000_000, now).as_secs(), 0);
        assert_eq!(wait(90, now).as_secs(), 90);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_shuts_nothing_for_longer_than_an_hour() {
        let clock = Clock::stopped(Timestamp::UNIX_EPOCH);
        let pace = Pace::new(clock.now());
        pace.answered(429, Some(60), RateLimit::default(), clock.now());
        clock.jump(SignedDuration::from_hours(-2));
        assert_eq!(pace.turn(&clock).await, Ok(()));
    }
}
