//! The clock of the shell: wall time, the demo's scaled time, or a test's own.
//!
//! Decides what "now" is for everything outside the pure core, which gets time as an argument.
//! The demo runs daemon and cloud on one scaled clock; tests set clocks forward and back, or move
//! them by hand. Durations count on the monotonic clock, so a jump of the wall clock shortens or
//! lengthens no wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// A cheap handle on one clock.
#[derive(Debug, Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
enum Inner {
    Wall,
    /// `factor` 0 stands still; `moved` is how far it was set, in milliseconds.
    Scaled {
        origin: Timestamp,
        started: Instant,
        factor: f64,
        moved: AtomicI64,
    },
}

impl Clock {
    /// The system's wall clock.
    pub fn wall() -> Self {
        Self { inner: Arc::new(Inner::Wall) }
    }

    /// A clock that begins at `origin` and runs `factor` times as fast as real time.
    pub fn scaled(origin: Timestamp, factor: f64) -> Self {
        Self::starting(origin, factor.max(1.0))
    }

    /// A clock that stands still until somebody moves it: [`Clock::jump`], or whoever sleeps on it,
    /// who wakes at once, later.
    pub fn stopped(at: Timestamp) -> Self {
        Self::starting(at, 0.0)
    }

    fn starting(origin: Timestamp, factor: f64) -> Self {
        let (started, moved) = (Instant::now(), AtomicI64::new(0));
        Self { inner: Arc::new(Inner::Scaled { origin, started, factor, moved }) }
    }

    /// Sets the clock forward or back, as a person or a time server does. Nobody sets the wall's.
    pub fn jump(&self, by: SignedDuration) {
        if let Inner::Scaled { moved, .. } = &*self.inner {
            moved.fetch_add(i64::try_from(by.as_millis()).unwrap_or_default(), Ordering::SeqCst);
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &*self.inner {
            #[allow(clippy::disallowed_methods, reason = "the one clock")]
            Inner::Wall => Timestamp::now(),
            Inner::Scaled { origin, started, factor, moved } => {
                let elapsed = (started.elapsed().as_secs_f64() * factor * 1000.0) as i64;
                let millis = elapsed.saturating_add(moved.load(Ordering::SeqCst));
                origin.saturating_add(SignedDuration::from_millis(millis)).unwrap_or(*origin)
            }
        }
    }

    /// How long a duration on this clock is in real time; nothing on one that stands still.
    pub fn real(&self, duration: Duration) -> Duration {
        match &*self.inner {
            Inner::Wall => duration,
            Inner::Scaled { factor, .. } if *factor > 0.0 => duration.div_f64(*factor),
            Inner::Scaled { .. } => Duration::ZERO,
        }
    }

    /// Waits for a duration on this clock.
    pub async fn sleep(&self, duration: Duration) {
        if let Inner::Scaled { factor, .. } = &*self.inner
            && *factor <= 0.0
        {
            self.jump(SignedDuration::try_from(duration).unwrap_or(SignedDuration::ZERO));
        }
        tokio::time::sleep(self.real(duration)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stopped_clock_is_moved_by_hand_and_by_who_sleeps_on_it() {
        let clock = Clock::stopped(Timestamp::UNIX_EPOCH);
        let seconds = || clock.now().as_second();
        assert_eq!((seconds(), clock.real(Duration::from_secs(60))), (0, Duration::ZERO));
        clock.sleep(Duration::from_secs(60)).await;
        assert_eq!(seconds(), 60);
        clock.clone().jump(SignedDuration::from_hours(-1));
        assert_eq!(seconds(), 60 - 3600);
    }

    #[test]
    fn a_jump_changes_no_wait() {
        let clock = Clock::scaled(Timestamp::UNIX_EPOCH, 10.0);
        clock.jump(SignedDuration::from_hours(24));
        assert!(clock.now().as_second() >= 86_400);
        assert_eq!(clock.real(Duration::from_secs(10)), Duration::from_secs(1));
    }
}
