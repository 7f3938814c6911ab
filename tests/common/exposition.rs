//! `/metrics`, read as strictly as Prometheus reads it, and a little more: every family has its
//! help, then its type, then its samples, and no series comes twice.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of a series by name.
pub type Labels = BTreeMap<String, String>;

/// One scrape.
#[derive(Debug)]
pub struct Metrics {
    pub text: String,
    series: BTreeMap<(String, Labels), f64>,
}

impl Metrics {
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line is cut off");
        let mut series = BTreeMap::new();
        let mut families = BTreeSet::new();
        let (mut helped, mut current) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
                assert!(families.insert(name.to_owned()), "the family comes twice: {line}");
                assert!(!help.is_empty(), "{line}");
                (helped, current) = (name.to_owned(), String::new());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
                assert!(name == helped && current.is_empty(), "a type without its help, or twice: {line}");
                assert!(["gauge", "counter"].contains(&kind), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                current = name.to_owned();
            } else {
                let (name, labels, value) = sample(line);
                assert_eq!(name, current, "outside of its family: {line}");
                assert_eq!(series.insert((name, labels), value), None, "the series comes twice: {line}");
            }
        }
        Self { text: text.to_owned(), series }
    }

    /// The series of this name that have these labels, others aside.
    pub fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(&Labels, f64)> {
        let fits =
            |known: &Labels| labels.iter().all(|(label, value)| known.get(*label).is_some_and(|known| known == value));
        let found = self.series.iter().filter(|((known, has), _)| known == name && fits(has));
        found.map(|((_, labels), value)| (labels, *value)).collect()
    }

    /// The value of the only such series.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = self.all(name, labels);
        assert!(found.len() <= 1, "{name} {labels:?} is ambiguous: {found:?}");
        found.first().map(|(_, value)| *value)
    }

    /// The sum of all such series.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).into_iter().map(|(_, value)| value).sum()
    }
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end =
        line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or_else(|| panic!("no sample: {line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()), "{line}");
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
            assert!(!label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
            let (value, after) = unescape(value, line);
            assert_eq!(labels.insert(label.to_owned(), value), None, "a label comes twice: {line}");
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after.strip_prefix('}').unwrap_or_else(|| panic!("no brace: {line}"));
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').and_then(|value| value.parse().ok());
    (name.to_owned(), labels, value.unwrap_or_else(|| panic!("no value: {line}")))
}

/// The text up to the closing quote, and what follows it.
fn unescape<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, escaped @ ('\\' | '"'))) => escaped,
                other => panic!("a bad escape, {other:?}: {line}"),
            }),
            c => {
                assert!(!c.is_control(), "a control character: {line}");
                value.push(c);
            }
        }
    }
    panic!("no closing quote: {line}")
}
