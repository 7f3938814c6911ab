//! DNS names, record keys and addresses, spelled the one way moored compares them.
//!
//! Decides that `*.Example.COM.`, `\052.example.com` and `*.example.com` are one name: lower case,
//! no trailing dot, `*` as itself, every other unusual octet as Route 53's three octal digits.
//! Never resolves a name. Called by specs, live forms, the zone reader and StateTable templates.

use std::fmt::Write as _;

use thiserror::Error;

/// Why a declared text is no DNS name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameProblem {
    /// Nothing, or a lone dot.
    #[error("the name is empty")]
    Empty,
    /// `a..b`, or a dot at the start.
    #[error("`{0}` has an empty label: two dots in a row, or one at the start")]
    EmptyLabel(String),
    /// A label that DNS cannot carry.
    #[error("`{0}` has a label of more than 63 octets")]
    LongLabel(String),
    /// A name that DNS cannot carry.
    #[error("`{0}` is longer than 255 octets")]
    LongName(String),
    /// Not ASCII, a space, or a backslash without its three octal digits.
    #[error(
        "`{0}` has a character that no DNS name is written with: use the xn-- form, or three octal digits such as \\052"
    )]
    BadCharacter(String),
}

/// The one spelling of a declared name, or why it is none.
pub fn declared(text: &str) -> Result<String, NameProblem> {
    let text = text.trim();
    if text.trim_end_matches('.').is_empty() {
        return Err(NameProblem::Empty);
    }
    let (labels, sound) = labels(text);
    if !sound || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(NameProblem::BadCharacter(text.to_owned()));
    }
    if labels.iter().any(Vec::is_empty) {
        return Err(NameProblem::EmptyLabel(text.to_owned()));
    }
    if labels.iter().any(|label| label.len() > 63) {
        return Err(NameProblem::LongLabel(text.to_owned()));
    }
    if labels.iter().map(|label| label.len() + 1).sum::<usize>() > 255 {
        return Err(NameProblem::LongName(text.to_owned()));
    }
    Ok(spelled(&labels))
}

/// The one spelling of any name; what is no name is spelled as well as it can be.
pub fn canonical(text: &str) -> String {
    spelled(&labels(text.trim()).0)
}

/// The target of an alias, or any host by which a load balancer is reached: Route 53's console
/// puts `dualstack.` before a name that both resolve to the same balancer.
pub fn target(text: &str) -> String {
    let name = canonical(text);
    match name.strip_prefix("dualstack.") {
        Some(bare) => bare.to_owned(),
        None => name,
    }
}

/// How things refer to each other by DNS name: `dns:NAME`.
pub fn address(text: &str) -> String {
    format!("dns:{}", target(text))
}

/// The zone's own key of a record: `name|TYPE|set`, the set empty for a simple record.
pub fn record_key(name: &str, record_type: &str, set: Option<&str>) -> String {
    format!("{}|{}|{}", canonical(name), record_type.to_ascii_uppercase(), set.unwrap_or_default())
}

/// The physical identity of a record: `ZONE/NAME/TYPE/SET`.
pub fn record_id(zone: &str, name: &str, record_type: &str, set: Option<&str>) -> String {
    format!("{}/{}/{}/{}", canonical(zone), canonical(name), record_type.to_ascii_uppercase(), set.unwrap_or_default())
}

/// Whether a name is the zone's apex or below it; both in their one spelling.
pub fn is_within(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|above| above.ends_with('.'))
}

/// The octets of each label, escapes undone and letters lowered; and whether every backslash had
/// its three octal digits.
fn labels(text: &str) -> (Vec<Vec<u8>>, bool) {
    let mut labels = Vec::new();
    let mut label = Vec::new();
    let mut sound = true;
    let mut rest = text.strip_suffix('.').unwrap_or(text).as_bytes();
    while let Some((octet, tail)) = rest.split_first() {
        rest = tail;
        match octet {
            b'.' => labels.push(std::mem::take(&mut label)),
            b'\\' => match octal(tail) {
                Some((octet, tail)) => {
                    label.push(octet.to_ascii_lowercase());
                    rest = tail;
                }
                None => {
                    sound = false;
                    label.push(b'\\');
                }
            },
            other => label.push(other.to_ascii_lowercase()),
        }
    }
    labels.push(label);
    (labels, sound)
}

/// The octet that the first three octal digits stand for, and what follows them.
pub(super) fn octal(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_at_checked(3)?;
    let mut value = 0_u32;
    for digit in digits {
        value = value * 8 + char::from(*digit).to_digit(8)?;
    }
    Some((u8::try_from(value).ok()?, rest))
}

fn spelled(labels: &[Vec<u8>]) -> String {
    let mut name = String::new();
    for (at, label) in labels.iter().enumerate() {
        if at > 0 {
            name.push('.');
        }
        for octet in label {
            match octet {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'*' => name.push(char::from(*octet)),
                // Writing to a String cannot fail.
                other => _ = write!(name, "\\{other:03o}"),
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_one_name_are_one_name() {
        for (written, name) in [
            ("*.Example.COM.", "*.example.com"),
            ("\\052.example.com.", "*.example.com"),
            ("API.example.com", "api.example.com"),
            (" _acme-challenge.example.com ", "_acme-challenge.example.com"),
            ("a@b.example.com", "a\\100b.example.com"),
            ("a\\100b.example.com.", "a\\100b.example.com"),
            ("\\101.example.com", "a.example.com"),
            ("a\\056b.example.com", "a\\056b.example.com"),
        ] {
            assert_eq!(declared(written).as_deref(), Ok(name), "{written}");
            assert_eq!(canonical(written), name, "{written}");
            assert_eq!(canonical(name), name, "the spelling of {name} is its own");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(declared("."), Err(NameProblem::Empty));
        assert_eq!(declared("a..example.com"), Err(NameProblem::EmptyLabel("a..example.com".into())));
        for text in ["ö.example.com", "a b.example.com", "\\9.example.com", "\\777.example.com"] {
            assert_eq!(declared(text), Err(NameProblem::BadCharacter(text.into())), "{text}");
        }
        let long = "a".repeat(64);
        assert_eq!(declared(&long), Err(NameProblem::LongLabel(long)));
        let long = "ab.".repeat(90);
        assert_eq!(declared(&long), Err(NameProblem::LongName(long)));
    }

    #[test]
    fn a_load_balancer_has_one_address_under_its_dualstack_name() {
        assert_eq!(address("dualstack.API-1.eu-west-1.elb.amazonaws.com."), "dns:api-1.eu-west-1.elb.amazonaws.com");
        assert_eq!(address("api-1.eu-west-1.elb.amazonaws.com"), "dns:api-1.eu-west-1.elb.amazonaws.com");
    }

    #[test]
    fn a_record_has_one_key_however_its_name_is_written() {
        assert_eq!(record_key("API.example.com.", "cname", None), "api.example.com|CNAME|");
        assert_eq!(record_key("\\052.example.com", "A", Some("Blue")), "*.example.com|A|Blue");
        assert_eq!(record_id("example.com.", "api.example.com.", "CNAME", None), "example.com/api.example.com/CNAME/");
    }

    #[test]
    fn a_name_that_only_ends_like_the_zone_is_outside_it() {
        assert!(is_within("www.example.com", "example.com") && is_within("example.com", "example.com"));
        assert!(!is_within("notexample.com", "example.com"));
    }
}
