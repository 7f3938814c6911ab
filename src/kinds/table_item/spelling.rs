//! How items are spelled: their keys as one text, and numbers as DynamoDB keeps them.
//!
//! Decides when two keys, or two numbers, are the same. Manifests, StateTables and the table's
//! reader all make their key texts here, so that the same item has the same name everywhere.

use std::collections::BTreeMap;

/// DynamoDB's own bound is 38 digits and an exponent of 126; what is far beyond is no number.
const MAX_POINT: i64 = 400;

/// The text of a key: `service=api`, or `region=eu,service=api` with a sort attribute. Attributes
/// come in the order of their names, since a manifest does not say which one is the partition.
pub fn key_text<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let sorted: BTreeMap<&str, &str> = parts.into_iter().collect();
    let written: Vec<String> =
        sorted.into_iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    written.join(",")
}

/// Reads what [`key_text`] wrote.
pub fn parse_key(text: &str) -> Option<BTreeMap<String, String>> {
    let mut parts = BTreeMap::new();
    let mut name: Option<String> = None;
    let mut current = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => current.push(chars.next()?),
            '=' if name.is_none() => name = Some(std::mem::take(&mut current)),
            '=' => return None,
            ',' => {
                parts.insert(name.take()?, std::mem::take(&mut current));
            }
            other => current.push(other),
        }
    }
    parts.insert(name?, current);
    Some(parts)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '\\' | ',' | '=') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

/// A number without sign of plus, exponent or needless zeros: `1.0`, `+1` and `1e0` are `1`.
pub fn number(text: &str) -> Option<String> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let leading = digits.len() - significant.len();
    let significant = significant.trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    // The decimal point stands after so many of the significant digits.
    let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()? + i64::from(exponent);
    if point.abs() > MAX_POINT {
        return None;
    }
    let plain = match usize::try_from(point) {
        Ok(point) if point >= significant.len() => format!("{significant}{}", "0".repeat(point - significant.len())),
        Ok(point) if point > 0 => {
            let (whole, fraction) = significant.split_at(point);
            format!("{whole}.{fraction}")
        }
        _ => format!("0.{}{significant}", "0".repeat(usize::try_from(-point).ok()?)),
    };
    Some(if negative { format!("-{plain}") } else { plain })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_written_whatever_is_in_it() {
        for (name, value) in [("service", "api"), ("a=b", "c,d\\e="), ("id", "")] {
            let text = key_text([(name, value), ("zone", "x")]);
            let read = parse_key(&text).unwrap();
            assert_eq!(read.get(name).map(String::as_str), Some(value), "{text}");
            assert_eq!(read.get("zone").map(String::as_str), Some("x"), "{text}");
        }
        assert_eq!(key_text([("service", "api")]), "service=api");
    }

    #[test]
    fn the_order_of_a_keys_parts_does_not_matter() {
        assert_eq!(key_text([("service", "api"), ("region", "eu")]), key_text([("region", "eu"), ("service", "api")]));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "api", "a=b=c", "a=b,", "a=b\\"] {
            assert_eq!(parse_key(text), None, "{text}");
        }
    }

    #[test]
    fn one_number_in_many_spellings_is_one_number() {
        let cases = [
            ("1", "1"),
            ("1.0", "1"),
            ("+01", "1"),
            ("1e3", "1000"),
            ("1.5E1", "15"),
            ("-0.50", "-0.5"),
            ("5e-3", "0.005"),
            ("0.00", "0"),
            ("-0", "0"),
            (".5", "0.5"),
            ("10.10", "10.1"),
            ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
        ];
        for (text, plain) in cases {
            assert_eq!(number(text).as_deref(), Some(plain), "{text}");
        }
        for text in ["", "-", ".", "1a", "0x1", "1e", "1e999999999", "--1"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
