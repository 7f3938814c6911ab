//! The Prometheus text format: names, labels, values, and nothing that could break a scrape.
//!
//! Decides how foreign text becomes a label value. Names come from clouds and manifests, so they
//! may hold anything; a scrape must parse whatever they hold, and show no reader a text that runs
//! backwards. One bad series would lose the whole scrape, and with it every alert. Only
//! [`super::metrics`] writes it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::metrics::Metric;
use crate::core::visible::is_hidden;

/// The longest label value, in bytes.
const LONGEST: usize = 128;

/// A link that is cut leads nowhere, so this label may be longer.
const LINK: (&str, usize) = ("runbook", 1024);

/// `~` and eight hex digits.
const MARK: usize = 9;

/// One family of series under construction.
pub struct Family<'a> {
    text: &'a mut String,
    metric: &'static Metric,
    seen: BTreeSet<String>,
}

impl<'a> Family<'a> {
    /// Writes the head of a family.
    pub fn begin(text: &'a mut String, metric: &'static Metric) -> Self {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {} {}", metric.name, metric.help.replace('\\', "\\\\").replace('\n', "\\n"));
        let _ = writeln!(text, "# TYPE {} {}", metric.name, metric.kind.as_str());
        Self { text, metric, seen: BTreeSet::new() }
    }

    /// Adds a series with these label values, in the order of the metric's labels. A series that is
    /// there already keeps its first value: Prometheus refuses a scrape that holds one twice.
    pub fn add(&mut self, values: &[&str], value: f64) {
        debug_assert_eq!(values.len(), self.metric.labels.len(), "{}", self.metric.name);
        let mut labels = String::new();
        for (label, value) in self.metric.labels.iter().zip(values) {
            let separator = if labels.is_empty() { "" } else { "," };
            let _ = write!(labels, "{separator}{label}=\"");
            escape(&mut labels, &presentable(label, value));
            labels.push('"');
        }
        if self.seen.contains(&labels) {
            return;
        }
        let _ = match labels.is_empty() {
            true => writeln!(self.text, "{} {value}", self.metric.name),
            false => writeln!(self.text, "{}{{{labels}}} {value}", self.metric.name),
        };
        self.seen.insert(labels);
    }
}

/// The value as it may be shown. What is changed gets a mark made of the original, so that two
/// values that look alike now are still two series.
fn presentable<'a>(label: &str, value: &'a str) -> Cow<'a, str> {
    let longest = if label == LINK.0 { LINK.1 } else { LONGEST };
    if value.len() <= longest && !value.chars().any(is_replaced) {
        return Cow::Borrowed(value);
    }
    let mut shown: String = value.chars().map(|c| if is_replaced(c) { '\u{fffd}' } else { c }).collect();
    let room = shown.floor_char_boundary(longest - MARK);
    shown.truncate(room);
    shown.push('~');
    for byte in Sha256::digest(value.as_bytes()).iter().take(4) {
        let _ = write!(shown, "{byte:02x}");
    }
    Cow::Owned(shown)
}

/// A line break can be written; nothing else that is hidden can.
fn is_replaced(c: char) -> bool {
    is_hidden(c) && c != '\n'
}

fn escape(into: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            c => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmless_name_is_shown_as_it_is() {
        assert_eq!(presentable("name", "äpi.example.com"), "äpi.example.com");
        assert_eq!(presentable("name", &"a".repeat(128)).len(), 128);
    }

    #[test]
    fn long_names_are_cut_between_characters_and_stay_different() {
        let (one, other) = (format!("{}1", "ä".repeat(100)), format!("{}2", "ä".repeat(100)));
        let (one, other) = (presentable("name", &one), presentable("name", &other));
        assert!(one.len() <= 128 && other.len() <= 128);
        assert_ne!(one, other);
    }

    #[test]
    fn hidden_characters_are_replaced_and_such_names_stay_different() {
        let (one, other) = (presentable("name", "a\u{202e}b"), presentable("name", "a\u{7}b"));
        assert!(one.starts_with("a\u{fffd}b~") && other.starts_with("a\u{fffd}b~"));
        assert_ne!(one, other);
    }

    #[test]
    fn a_link_is_not_cut() {
        let link = format!("https://wiki.example.com/{}", "x".repeat(300));
        assert_eq!(presentable("runbook", &link), link);
    }
}
