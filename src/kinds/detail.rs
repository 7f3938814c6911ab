//! Details: facts of a thing that cost calls of their own.
//!
//! Decides that a detail which nobody asked for is unknown and not empty (a manifest that is newer
//! than the reading must not see drift in it), and how much older than its reading a detail may
//! be. `live` of every kind whose details cost calls of their own calls it, and the flight recorder.

use jiff::SignedDuration;

use crate::core::value::Fact;

/// Why a field is unknown that the last reading was not asked for.
pub const NOT_ASKED: &str = "not read yet: nobody asked for it at the last reading";

/// Begins the paths of what runs at the moment: how many instances, since when.
pub const RUNTIME: &str = "runtime.";

/// The fact that stands for a detail that nobody asked for.
pub fn not_asked() -> Fact {
    Fact::Unknown(NOT_ASKED.into())
}

/// Whether a fact stands for a detail that nobody asked for, rather than for one that failed.
pub fn is_not_asked(fact: &Fact) -> bool {
    matches!(fact, Fact::Unknown(why) if **why == *NOT_ASKED)
}

/// How much older than the beginning of the reading that tells it a fact may be: three cadences of
/// the detail, as `scopes::detail` promises, and a minute for the call that read it. What comes with
/// the list itself is no older than the reading.
pub fn may_lag(kind: &str, path: &str) -> SignedDuration {
    let top = path.split('.').next().unwrap_or(path);
    match (kind, top) {
        ("LoadBalancer", "listeners" | "attributes" | "idleTimeout" | "deletionProtection" | "tags")
        | ("TargetGroup" | "HealthCheck", "tags") => SignedDuration::from_mins(16),
        ("TargetGroup", "targets") | ("HealthCheck", "status") => SignedDuration::from_mins(4),
        _ => SignedDuration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_details_with_a_cadence_of_their_own_lag_behind_their_reading() {
        for (kind, path, minutes) in [
            ("LoadBalancer", "listeners.443.protocol", 16),
            ("LoadBalancer", "attributes.idle_timeout.timeout_seconds", 16),
            ("LoadBalancer", "idleTimeout", 16),
            ("LoadBalancer", "scheme", 0),
            ("TargetGroup", "targets.healthy", 4),
            ("TargetGroup", "tags.team", 16),
            ("TargetGroup", "healthCheck.path", 0),
            ("HealthCheck", "status.failing", 4),
            ("HealthCheck", "tags.team", 16),
            ("EcsService", "tags.team", 0),
        ] {
            assert_eq!(may_lag(kind, path), SignedDuration::from_mins(minutes), "{kind} {path}");
        }
    }
}
