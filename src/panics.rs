//! Panics: counted, and logged without their payload.
//!
//! A panic is a bug of the highest class; it makes one scope or resource Unknown and is counted in
//! `moored_panics_total`. The payload may quote a value, so only the place is logged.

use std::sync::atomic::{AtomicU64, Ordering};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Replaces the default hook.
pub fn install() {
    std::panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(event = "panic", place, "moored itself failed: this is a bug, please report it");
    }));
}

/// How many there were since the start.
pub fn count() -> u64 {
    PANICS.load(Ordering::Relaxed)
}
