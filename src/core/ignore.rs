//! Ignores: drift that somebody decided to live with, in the open and for a time.
//!
//! Decides whether a finding is ignored: by kind, name glob, drift and path, until a date (UTC,
//! inclusive). A missing vital thing cannot be ignored. Ignored findings are shown, never hidden.

use std::sync::Arc;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::drift::{Drift, Finding};
use super::value::Source;

/// One Ignore manifest in one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Ignore {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// The environment.
    pub environment: Arc<str>,
    /// The kind it matches, or any.
    pub kind: Option<Arc<str>>,
    /// The names it matches (`*` and `?`; a literal `*` is `\052`).
    pub glob: Glob,
    /// The drifts it matches, or any.
    pub drifts: Vec<Drift>,
    /// The field it matches (`/weight`, `/taskDefinition/cpu`): a `changed` finding is ignored
    /// only for this field and those below it.
    pub path: Option<Arc<str>>,
    /// Why.
    pub reason: Arc<str>,
    /// Who decided.
    pub owner: Arc<str>,
    /// The last day on which it holds (UTC).
    pub until: Date,
    /// Where it is declared.
    pub source: Source,
}

impl Ignore {
    /// The moment at which it stops.
    pub fn expires(&self) -> Timestamp {
        self.until
            .tomorrow()
            .ok()
            .and_then(|day| day.to_zoned(TimeZone::UTC).ok())
            .map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    /// Whether it speaks of this finding at all (not yet of its fields).
    pub fn matches(&self, finding: &Finding, now: Timestamp) -> bool {
        let missing_vital = finding.vital && finding.key.drift == Drift::Missing;
        // What takes a whole environment down is not ignored in passing.
        let in_passing = finding.decides && self.kind.as_deref() != Some(&*finding.key.kind);
        !missing_vital
            && !in_passing
            && now < self.expires()
            && self.environment == finding.key.environment
            && self.kind.as_ref().is_none_or(|kind| *kind == finding.key.kind)
            && (self.drifts.is_empty() || self.drifts.contains(&finding.key.drift))
            && self.glob.matches(&finding.key.name)
            && (self.path.is_none() || !finding.fields.is_empty())
    }

    /// Whether it covers this field.
    pub fn covers(&self, field: &str) -> bool {
        let Some(path) = &self.path else { return true };
        let wanted = path.trim_start_matches('/');
        let dotted = field.replace('.', "/");
        dotted == wanted || dotted.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// A glob over names: `*` is any run, `?` any one character, `\052` a literal `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Char(char),
}

impl Glob {
    /// Parses a glob; every text is one.
    pub fn new(pattern: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = pattern;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("\\052") {
                tokens.push(Token::Char('*'));
                rest = after;
                continue;
            }
            match c {
                '*' if tokens.last() == Some(&Token::Any) => {}
                '*' => tokens.push(Token::Any),
                '?' => tokens.push(Token::One),
                other => tokens.push(Token::Char(other)),
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        Self(tokens)
    }

    /// Whether the whole name matches; linear in name × pattern, without backtracking blow-up.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let mut reachable = vec![false; name.len() + 1];
        if let Some(first) = reachable.first_mut() {
            *first = true;
        }
        for token in &self.0 {
            let mut next = vec![false; name.len() + 1];
            let mut carried = false;
            for (at, slot) in next.iter_mut().enumerate() {
                let here = reachable.get(at).copied().unwrap_or(false);
                let before = at.checked_sub(1);
                let stepped = before.and_then(|b| reachable.get(b)).copied().unwrap_or(false);
                *slot = match token {
                    Token::Any => {
                        carried |= here;
                        carried
                    }
                    Token::One => stepped,
                    Token::Char(c) => stepped && before.and_then(|b| name.get(b)) == Some(c),
                };
            }
            reachable = next;
        }
        reachable.last().copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_whole_names() {
        for (pattern, name, expected) in [
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "example.com", false),
            ("CATS-*", "CATS-1", true),
            ("api", "api2", false),
            ("a?i", "api", true),
            ("\\052.example.com", "*.example.com", true),
            ("\\052.example.com", "x.example.com", false),
            ("**a**b", "xxaxxb", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }
}
