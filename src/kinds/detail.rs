//! Details that nobody asked for at the last reading.
//!
//! Decides that such a field is unknown and not empty: a manifest that is newer than the reading
//! must not see drift in it. `live` of every kind whose details cost calls of their own calls it.

use crate::core::value::Fact;

/// Why a field is unknown that the last reading was not asked for.
pub const NOT_ASKED: &str = "not read yet: nobody asked for it at the last reading";

/// The fact that stands for a detail that nobody asked for.
pub fn not_asked() -> Fact {
    Fact::Unknown(NOT_ASKED.into())
}

/// Whether a fact stands for a detail that nobody asked for, rather than for one that failed.
pub fn is_not_asked(fact: &Fact) -> bool {
    matches!(fact, Fact::Unknown(why) if **why == *NOT_ASKED)
}
