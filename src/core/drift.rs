//! The words of drift: states, drifts, severities, findings.
//!
//! Decides how they are ordered and spelled, and the default severity of each drift. Everything
//! from `evaluate` to the metrics uses these; nothing here looks at the world.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desired::Class;
use super::identity::ScopeKey;
use super::value::Source;

macro_rules! spelled {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every variant, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used in manifests, metrics and reports.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The variant of this word.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|candidate| candidate.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

spelled! {
    /// The state of a resource.
    State {
        /// As declared, and works.
        InSync = "in_sync",
        /// At least one open finding.
        Drifted = "drifted",
        /// A rollout, job or settling time is running.
        Converging = "converging",
        /// It could not be read, or not be believed.
        Unknown = "unknown",
        /// Every finding of it is ignored, visibly.
        Ignored = "ignored",
    }
}

spelled! {
    /// How a thing differs.
    Drift {
        /// Declared, proven absent.
        Missing = "missing",
        /// Undeclared, was there, proven absent, in an inventory that watches for it.
        Vanished = "vanished",
        /// Fields differ.
        Changed = "changed",
        /// Live, undeclared (or declared gone).
        Unexpected = "unexpected",
        /// Every claimant's parent is proven gone and nothing live outside its group refers to it.
        Orphaned = "orphaned",
        /// As declared, but not working.
        Degraded = "degraded",
        /// Right on paper; the running process, or the next restart, says otherwise.
        Latent = "latent",
    }
}

spelled! {
    /// How urgent a finding is, from least to most.
    Severity {
        /// Good to know.
        Info = "info",
        /// To be looked at in working hours.
        Warning = "warning",
        /// Wakes somebody.
        Critical = "critical",
    }
}

spelled! {
    /// The verdict of an application or environment, from best to worst.
    Verdict {
        /// As declared; converging counts as in sync.
        InSync = "in_sync",
        /// Only changed, unexpected, latent or vanished.
        Drifted = "drifted",
        /// Something could not be read.
        Unknown = "unknown",
        /// A piece is missing, orphaned or degraded.
        Partial = "partial",
        /// A vital piece is missing, or none of it works.
        Down = "down",
    }
}

impl Drift {
    /// The default severity: what a missing vital thing is, or anything missing in production.
    pub fn severity(self, vital: bool, class: Class) -> Severity {
        match self {
            Self::Missing | Self::Orphaned | Self::Degraded if vital || class == Class::Production => {
                Severity::Critical
            }
            Self::Latent => Severity::Info,
            _ => Severity::Warning,
        }
    }
}

/// What names an open finding, stable while it is open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FindingKey {
    /// The environment.
    pub environment: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The name in the manifest, or of the live thing where it is undeclared.
    pub name: Arc<str>,
    /// How it differs.
    pub drift: Drift,
}

/// One differing field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDrift {
    /// The field.
    pub path: Arc<str>,
    /// What is declared.
    pub desired: serde_json::Value,
    /// What is live.
    pub live: serde_json::Value,
}

/// The root of a group of findings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Root {
    /// The root's kind.
    pub kind: Arc<str>,
    /// The root's name.
    pub name: Arc<str>,
}

/// One drifted thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Environment, kind, name and drift.
    #[serde(flatten)]
    pub key: FindingKey,
    /// Physical identity of the live or wanted object.
    pub id: Arc<str>,
    /// Where it was observed.
    pub scope: ScopeKey,
    /// How urgent.
    pub severity: Severity,
    /// The application it belongs to.
    pub application: Arc<str>,
    /// What a person reads.
    pub message: Arc<str>,
    /// Not confirmed by the latest reading, kept until there is proof.
    pub held: bool,
    /// The differing fields.
    pub fields: Vec<FieldDrift>,
    /// What it is grouped under.
    pub root: Root,
    /// When moored first saw it.
    pub since: Timestamp,
    /// Where it is declared, if it is.
    pub source: Option<Source>,
    /// Whether its loss takes the application down.
    pub vital: bool,
    /// Whether any of it still works (a degraded thing).
    pub works: bool,
    /// Whether it makes its environment `down`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub decides: bool,
    /// Where a person reads on.
    pub runbook: Option<Arc<str>>,
    /// How to put it back.
    pub redeploy: Option<Arc<str>>,
}

impl Finding {
    /// The same, not confirmed: kept until there is proof.
    pub fn as_held(&self) -> Self {
        Self { held: true, ..self.clone() }
    }

    /// What this finding makes of its application.
    pub fn verdict(&self) -> Verdict {
        match self.key.drift {
            // What nobody has reviewed, or called urgent, takes nothing down.
            _ if self.severity == Severity::Info => Verdict::Drifted,
            Drift::Missing if self.vital => Verdict::Down,
            Drift::Degraded if self.vital && !self.works => Verdict::Down,
            Drift::Missing | Drift::Orphaned | Drift::Degraded => Verdict::Partial,
            Drift::Changed | Drift::Unexpected | Drift::Latent | Drift::Vanished => Verdict::Drifted,
        }
    }

    /// The order people read findings in: worst first, then oldest, then by name.
    pub fn by_urgency(&self, other: &Self) -> Ordering {
        (other.severity, self.since, &self.key).cmp(&(self.severity, other.since, &other.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_thing_is_critical_in_production_or_where_it_is_vital() {
        assert_eq!(Drift::Missing.severity(false, Class::Production), Severity::Critical);
        assert_eq!(Drift::Missing.severity(true, Class::Staging), Severity::Critical);
        assert_eq!(Drift::Missing.severity(false, Class::Staging), Severity::Warning);
        assert_eq!(Drift::Changed.severity(true, Class::Production), Severity::Warning);
        assert_eq!(Drift::Latent.severity(true, Class::Production), Severity::Info);
    }

    #[test]
    fn verdicts_are_ordered_from_best_to_worst() {
        assert!(Verdict::Down > Verdict::Partial && Verdict::Partial > Verdict::Unknown);
        assert!(Verdict::Unknown > Verdict::Drifted && Verdict::Drifted > Verdict::InSync);
    }
}
