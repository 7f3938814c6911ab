//! Pace: how long until a scope is read again.
//!
//! Decides intervals, jitter and backoff as plain arithmetic, and with them the bound that is
//! exported as `moored_detection_bound_seconds`. Randomness is an argument. The daemon calls it.

use std::time::Duration;

use crate::core::observation::Reason;

/// The shortest time between two readings of a scope that somebody wants at once.
pub const SOON: Duration = Duration::from_secs(2);

/// The first wait after a failure; it doubles up to the interval, so that detection is back within
/// two passes of the end of a fault.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// The interval of a scope: its own wish, or as long as its calls take at the budgeted rate.
pub fn interval(wish: Duration, calls: u32, per_second: f64) -> Duration {
    let paced = if per_second > 0.0 {
        Duration::try_from_secs_f64(f64::from(calls) / per_second).unwrap_or(wish)
    } else {
        wish
    };
    wish.max(paced)
}

/// Spreads readings: a tenth earlier or later. `chance` lies in 0..1.
pub fn jittered(interval: Duration, chance: f64) -> Duration {
    interval.mul_f64(0.9 + 0.2 * chance.clamp(0.0, 1.0))
}

/// The wait after this many failures in a row, the last of them for this reason. Who is asked for
/// fewer calls does not come back early.
pub fn backoff(failures: u32, reason: Reason, interval: Duration, chance: f64) -> Duration {
    if reason == Reason::Throttled {
        return jittered(interval, chance);
    }
    let doubled = FIRST_RETRY.saturating_mul(1_u32 << failures.saturating_sub(1).min(8));
    jittered(doubled.min(interval), chance)
}

/// The longest time between a change and its detection: a whole jittered interval and a reading.
pub fn bound(interval: Duration, took: Duration) -> Duration {
    jittered(interval, 1.0) + took
}

/// A number in 0..1 from a seed and a counter (SplitMix64), for jitter only.
pub fn chance(seed: u64, turn: u64) -> f64 {
    let mut z = seed.wrapping_add(turn.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_scope_that_costs_more_than_its_budget_is_read_more_slowly() {
        assert_eq!(interval(MINUTE, 10, 2.0), MINUTE);
        assert_eq!(interval(MINUTE, 334, 2.0), Duration::from_secs(167));
    }

    #[test]
    fn backoff_doubles_and_ends_at_the_interval() {
        let wait = |failures, reason| backoff(failures, reason, MINUTE, 0.5);
        let waits: Vec<u64> = (1..7).map(|failures| wait(failures, Reason::Server).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        assert_eq!(wait(u32::MAX, Reason::Server), MINUTE);
        assert_eq!(wait(1, Reason::Throttled), MINUTE, "it asked for fewer calls");
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        for turn in 0..1000 {
            let wait = jittered(MINUTE, chance(7, turn));
            assert!((54..=66).contains(&wait.as_secs()), "{wait:?}");
        }
    }
}
