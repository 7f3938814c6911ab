//! The clock of the shell: wall time, or the demo's scaled time.
//!
//! Decides what "now" is for everything outside the pure core, which gets time as an argument.
//! The demo runs daemon and cloud on one scaled clock; nothing else scales it. Durations count on
//! the monotonic clock, so a jump of the wall clock shortens or lengthens no wait.

use std::sync::Arc;
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
    Scaled { origin: Timestamp, started: Instant, factor: f64 },
}

impl Clock {
    /// The system's wall clock.
    pub fn wall() -> Self {
        Self { inner: Arc::new(Inner::Wall) }
    }

    /// A clock that begins at `origin` and runs `factor` times as fast as real time.
    pub fn scaled(origin: Timestamp, factor: f64) -> Self {
        Self { inner: Arc::new(Inner::Scaled { origin, started: Instant::now(), factor: factor.max(1.0) }) }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &*self.inner {
            #[allow(clippy::disallowed_methods, reason = "the one clock")]
            Inner::Wall => Timestamp::now(),
            Inner::Scaled { origin, started, factor } => {
                let elapsed = SignedDuration::from_millis((started.elapsed().as_secs_f64() * factor * 1000.0) as i64);
                origin.saturating_add(elapsed).unwrap_or(*origin)
            }
        }
    }

    /// How long a duration on this clock is in real time.
    pub fn real(&self, duration: Duration) -> Duration {
        match &*self.inner {
            Inner::Wall => duration,
            Inner::Scaled { factor, .. } => duration.div_f64(*factor),
        }
    }

    /// Waits for a duration on this clock.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(self.real(duration)).await;
    }
}
