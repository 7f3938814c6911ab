//! The platform's clock beside moored's own.
//!
//! Decides how a time that Cloud Foundry told reads on moored's clock, and back, by the note that the
//! reader of a scope leaves. Where it could not tell, both clocks are taken for one: what compares
//! times of both leaves a margin (see [`super::restart`]). Never asks for the time. The kinds App,
//! ServiceBinding and ServiceInstance call it.

use jiff::{SignedDuration, Timestamp};

use crate::core::identity::ScopeKey;
use crate::core::world::World;

/// The note of a reading: how many seconds the platform's clock is ahead.
pub const NOTE: &str = "clockSkew";

/// How far the platform's clock is ahead of moored's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skew(SignedDuration);

impl Skew {
    /// As the current reading of the scope tells.
    pub fn of(scope: &ScopeKey, world: &World<'_>) -> Self {
        let told = world.reading(scope).ok().and_then(|reading| reading.notes.get(NOTE)?.parse::<i64>().ok());
        Self(told.map_or(SignedDuration::ZERO, SignedDuration::from_secs))
    }

    /// A time of the platform, by moored's clock.
    pub fn ours(self, theirs: Timestamp) -> Timestamp {
        theirs.checked_sub(self.0).unwrap_or(theirs)
    }

    /// A time of moored, by the platform's clock.
    pub fn theirs(self, ours: Timestamp) -> Timestamp {
        ours.checked_add(self.0).unwrap_or(ours)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::core::identity::ScopeKind;
    use crate::core::memory::Memory;
    use crate::core::observation::{Observation, Reading};

    #[test]
    fn a_platform_that_is_ahead_is_put_back_and_one_that_does_not_tell_is_believed() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
        let skew = |note: Option<&str>| {
            let mut reading = Reading::begin(at(1000));
            reading.notes.extend(note.map(|note| (NOTE.into(), note.into())));
            let seen = Observation { reading: Some(Arc::new(reading)), ..Observation::default() };
            let (observations, memory) = (BTreeMap::from([(scope.clone(), seen)]), Memory::default());
            Skew::of(&scope, &World { observations: &observations, memory: &memory, now: at(1000) })
        };
        assert_eq!((skew(Some("40")).ours(at(100)), skew(Some("40")).theirs(at(100))), (at(60), at(140)));
        assert_eq!(skew(Some("-40")).ours(at(100)), at(140));
        assert_eq!((skew(None), skew(Some("soon"))), (Skew::default(), Skew::default()));
    }
}
