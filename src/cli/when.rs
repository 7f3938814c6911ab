//! Moments as people write them at 3 a.m.: `22:00`, `2h`, `2026-01-31`, or in full.
//!
//! Decides which moment is meant; everything without an offset is UTC, and a time of day is the
//! latest one that has been. What is not understood is refused. `diff`, `history` and
//! `show --at` call it.

use anyhow::bail;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::render;

/// The moment that a text means.
pub fn parse(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    match exact(text).or_else(|| time_of_day(text, now)).or_else(|| ago(text, now)) {
        Some(at) if at <= now => Ok(at),
        Some(_) => bail!("`{text}` is in the future: it is {} now", render::moment(now)),
        None => bail!(
            "`{text}` is no time: write it like 22:00 (the latest one, UTC), 2h (ago), 2026-01-31 or 2026-01-31T22:00:00Z"
        ),
    }
}

fn exact(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| utc(text.parse().ok()?))
}

fn utc(civil: DateTime) -> Option<Timestamp> {
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn time_of_day(text: &str, now: Timestamp) -> Option<Timestamp> {
    let time: Time = if text.contains(':') { text.parse().ok()? } else { return None };
    let today = now.to_zoned(TimeZone::UTC).date();
    let days = [Some(today), today.yesterday().ok()];
    days.into_iter().flatten().filter_map(|day| utc(day.to_datetime(time))).find(|at| *at <= now)
}

fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i32>().ok());
    let duration = match days {
        Some(days) => SignedDuration::from_hours(24 * i64::from(days)),
        None => text.parse().ok()?,
    };
    if duration.is_negative() { None } else { now.checked_sub(duration).ok() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_understood_however_it_is_written() {
        let now: Timestamp = "2026-02-01T01:30:00Z".parse().unwrap();
        for (text, expected) in [
            ("22:00", "2026-01-31T22:00:00Z"),
            ("01:15", "2026-02-01T01:15:00Z"),
            ("01:30:00", "2026-02-01T01:30:00Z"),
            ("2h", "2026-01-31T23:30:00Z"),
            ("90m", "2026-02-01T00:00:00Z"),
            ("3d", "2026-01-29T01:30:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T22:00", "2026-01-31T22:00:00Z"),
            ("2026-01-31 22:00", "2026-01-31T22:00:00Z"),
            ("2026-01-31T22:00:00+02:00", "2026-01-31T20:00:00Z"),
        ] {
            assert_eq!(parse(text, now).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_or_has_not_been_is_refused() {
        let now: Timestamp = "2026-02-01T01:30:00Z".parse().unwrap();
        for text in ["", "yesterday", "25:00", "22", "-2h", "-1d", "2026-13-01"] {
            assert!(parse(text, now).unwrap_err().to_string().contains("is no time"), "{text}");
        }
        assert!(parse("2026-02-01T02:00:00Z", now).unwrap_err().to_string().contains("in the future"));
    }
}
