//! DNS names as Route 53 writes and orders them.
//!
//! Decides the one spelling of a name: lower case, a trailing dot, and every octet other than
//! `a-z 0-9 - _ .` as a three-digit octal escape (`*` is `\052`). Never resolves anything. Called
//! by the zones and records of the simulated Route 53.

use std::fmt::Write as _;

use thiserror::Error;

/// Why a text is no DNS name, in the words of Route 53.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum NameError {
    #[error("FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with '{0}'")]
    EmptyLabel(String),
    #[error("FATAL problem: DomainLabelTooLong (Domain label is too long) encountered with '{0}'")]
    LabelTooLong(String),
    #[error("FATAL problem: DomainNameTooLong (Domain name is too long) encountered with '{0}'")]
    NameTooLong(String),
    #[error("FATAL problem: UnsupportedCharacter (Value contains unsupported characters) encountered with '{0}'")]
    UnsupportedCharacter(String),
}

/// The one spelling under which Route 53 keeps and lists a name.
pub(super) fn canonical(name: &str) -> Result<String, NameError> {
    let mut spelled = String::with_capacity(name.len() + 1);
    let mut octets_in_all = 0;
    for label in labels(name)? {
        if label.is_empty() {
            return Err(NameError::EmptyLabel(name.to_owned()));
        }
        if label.len() > 63 {
            return Err(NameError::LabelTooLong(name.to_owned()));
        }
        octets_in_all += label.len() + 1;
        for octet in label {
            match octet {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => spelled.push(char::from(octet)),
                // Writing to a String cannot fail.
                other => _ = write!(spelled, "\\{other:03o}"),
            }
        }
        spelled.push('.');
    }
    if octets_in_all > 255 {
        return Err(NameError::NameTooLong(name.to_owned()));
    }
    Ok(spelled)
}

/// The octets of each label, escapes undone and letters lowered.
fn labels(name: &str) -> Result<Vec<Vec<u8>>, NameError> {
    let unsupported = || NameError::UnsupportedCharacter(name.to_owned());
    let mut labels = Vec::new();
    let mut label = Vec::new();
    let mut octets = name.strip_suffix('.').unwrap_or(name).bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'.' => labels.push(std::mem::take(&mut label)),
            b'\\' => label.push(escaped(&mut octets).ok_or_else(unsupported)?.to_ascii_lowercase()),
            b'!'..=b'~' => label.push(octet.to_ascii_lowercase()),
            _ => return Err(unsupported()),
        }
    }
    labels.push(label);
    Ok(labels)
}

/// The octet that three octal digits stand for.
fn escaped(octets: &mut std::str::Bytes<'_>) -> Option<u8> {
    let mut value = 0_u32;
    for _ in 0..3 {
        value = value * 8 + char::from(octets.next()?).to_digit(8)?;
    }
    u8::try_from(value).ok()
}

/// What Route 53 sorts by: the labels reversed, with the trailing dot, compared as ASCII.
pub(super) fn order(canonical: &str) -> String {
    let mut reversed = canonical.trim_end_matches('.').rsplit('.').collect::<Vec<_>>().join(".");
    reversed.push('.');
    reversed
}

/// Whether a canonical name is the zone's apex or below it.
pub(super) fn is_within(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|above| above.ends_with('.'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowered_dotted_and_escaped() {
        assert_eq!(canonical("*.Example.COM").unwrap(), "\\052.example.com.");
        assert_eq!(canonical("\\052.example.com.").unwrap(), "\\052.example.com.");
        assert_eq!(canonical("_acme-challenge.example.com").unwrap(), "_acme-challenge.example.com.");
        assert_eq!(canonical("a@b.example.com").unwrap(), "a\\100b.example.com.");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert!(matches!(canonical("a..example.com"), Err(NameError::EmptyLabel(_))));
        assert!(matches!(canonical(""), Err(NameError::EmptyLabel(_))));
        assert!(matches!(canonical(&"a".repeat(64)), Err(NameError::LabelTooLong(_))));
        assert!(matches!(canonical(&"a.".repeat(200)), Err(NameError::NameTooLong(_))));
        assert!(matches!(canonical("ö.example.com"), Err(NameError::UnsupportedCharacter(_))));
        assert!(matches!(canonical("\\9.example.com"), Err(NameError::UnsupportedCharacter(_))));
    }

    #[test]
    fn names_sort_by_reversed_labels_with_their_dot() {
        let mut names = ["www.example.com.", "example.com.", "a.www.example.com.", "example-x.com."];
        names.sort_by_key(|name| order(name));
        assert_eq!(names, ["example-x.com.", "example.com.", "www.example.com.", "a.www.example.com."]);
    }

    #[test]
    fn a_name_that_only_ends_like_the_zone_is_outside_it() {
        assert!(is_within("www.example.com.", "example.com."));
        assert!(is_within("example.com.", "example.com."));
        assert!(!is_within("notexample.com.", "example.com."));
    }
}
