//! Holds: an application that somebody is working on, for minutes, in the open.
//!
//! Decides which findings a hold sets aside, and that it ends by itself within the hour. What is
//! held back is shown as ignored, with the reason and who said it; nothing is ever hidden. Made by
//! `moored hold`, kept by the store, asked by `evaluate`.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::drift::Finding;
use super::visible::is_hidden;

/// The longest that one hold may last.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// Somebody works on an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// The application.
    pub application: Arc<str>,
    /// Its environment; in all of them if absent.
    pub environment: Option<Arc<str>>,
    /// Why.
    pub reason: Arc<str>,
    /// Who said so.
    pub by: Arc<str>,
    /// When it began.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

impl Hold {
    /// A hold of this length, or why there is none.
    pub fn begin(
        application: &str,
        environment: Option<&str>,
        reason: &str,
        by: &str,
        from: Timestamp,
        length: SignedDuration,
    ) -> Result<Self, String> {
        for (what, text) in [("the application", application), ("the reason", reason), ("who holds it", by)] {
            if text.trim().is_empty() {
                return Err(format!("{what} is empty: who reads the report will ask for it"));
            }
            if text.chars().any(is_hidden) || text.chars().count() > 253 {
                return Err(format!("{what} must be one line of at most 253 characters"));
            }
        }
        if length <= SignedDuration::ZERO || length > LONGEST {
            return Err(format!("a hold lasts at most {LONGEST:#}: for longer, write an Ignore, which is reviewed"));
        }
        let until = from.saturating_add(length).map_err(|error| error.to_string())?;
        Ok(Self {
            application: application.into(),
            environment: environment.map(Into::into),
            reason: reason.into(),
            by: by.into(),
            from,
            until,
        })
    }

    /// Whether it is in force.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until && self.until.duration_since(self.from) <= LONGEST
    }

    /// Whether it sets this finding aside now.
    pub fn matches(&self, finding: &Finding, now: Timestamp) -> bool {
        // What takes a whole environment down is nobody's maintenance.
        self.holds(now)
            && !finding.decides
            && self.application == finding.application
            && self.environment.as_ref().is_none_or(|environment| *environment == finding.key.environment)
    }

    /// Why, as the report shows it.
    pub fn because(&self) -> Arc<str> {
        format!("{} (held by {})", self.reason, self.by).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(reason: &str, minutes: i64) -> Result<Hold, String> {
        Hold::begin("api", None, reason, "alice", Timestamp::UNIX_EPOCH, SignedDuration::from_mins(minutes))
    }

    #[test]
    fn a_hold_has_a_reason_and_ends_within_the_hour() {
        assert!(hold("deploy", 60).is_ok());
        for (reason, minutes) in [("deploy", 61), ("deploy", 0), ("deploy", -5), (" ", 15), ("two\nlines", 15)] {
            assert!(hold(reason, minutes).is_err(), "{reason} {minutes}");
        }
    }

    #[test]
    fn a_hold_is_over_at_its_end() {
        let held = hold("deploy", 15).unwrap_or_else(|error| unreachable!("{error}"));
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap_or(Timestamp::MAX);
        assert_eq!([-1, 0, 14, 15].map(|minute| held.holds(at(minute))), [false, true, true, false]);
    }
}
