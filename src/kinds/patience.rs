//! Patience: how long what usually mends itself is given before it is called degraded.
//!
//! Decides that the less works, the shorter the wait, and that none is longer than the settling
//! time of the declaration. Kinds call it from `judge`; `core` does the waiting.

use jiff::SignedDuration;

/// Long enough for the one task of a service to be replaced, short enough for an outage.
const DOWN: SignedDuration = SignedDuration::from_mins(2);
/// As long as a few targets take to be replaced and checked.
const SHORT: SignedDuration = SignedDuration::from_mins(5);

/// For a thing of which nothing works.
pub fn when_down(settle: SignedDuration) -> SignedDuration {
    settle.min(DOWN)
}

/// For a thing of which less works than is declared.
pub fn when_short(settle: SignedDuration) -> SignedDuration {
    settle.min(SHORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_settling_time_shortens_every_wait() {
        let (long, short) = (SignedDuration::from_mins(10), SignedDuration::from_secs(30));
        assert_eq!((when_down(long), when_short(long)), (DOWN, SHORT));
        assert_eq!((when_down(short), when_short(short)), (short, short));
    }
}
