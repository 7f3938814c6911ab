//! The members of a request's input, and dice for ids that look random.
//!
//! Decides how an input member is read: the query and XML protocols carry only text, so a number
//! or a boolean may arrive as a string (the JSON protocols have [`super::typed`]). Never decides
//! what a value means, and never draws from a real random source. Called by [`super::sts`],
//! [`super::route53`] and [`super::elbv2`].

use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde_json::Value;

use super::ApiError;
use super::faults::splitmix64;

/// Lower-case hexadecimal, as in ARN suffixes and UUIDs.
pub(super) const HEX: &str = "0123456789abcdef";
/// Capitals and digits, as in hosted zone and change ids.
pub(super) const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// An input (or one structure in it) with the error code that this service gives to a bad member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Members<'a> {
    input: &'a Value,
    code: &'static str,
}

impl<'a> Members<'a> {
    pub(super) fn new(input: &'a Value, code: &'static str) -> Self {
        Self { input, code }
    }

    /// A 400 with the service's own code for bad input.
    pub(super) fn invalid(&self, message: impl Into<String>) -> ApiError {
        ApiError::bad_request(self.code, message)
    }

    fn present(&self, name: &str) -> Option<&'a Value> {
        self.input.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        match self.present(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(self.invalid(format!("{name} must be a string"))),
        }
    }

    /// A text that must be there and not be empty.
    pub(super) fn required(&self, name: &str) -> Result<&'a str, ApiError> {
        match self.text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.invalid(format!("{name} is required"))),
        }
    }

    pub(super) fn integer(&self, name: &str, allowed: RangeInclusive<i64>) -> Result<Option<i64>, ApiError> {
        let number = match self.present(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        match number {
            Some(number) if allowed.contains(&number) => Ok(Some(number)),
            _ => Err(self.invalid(format!(
                "{name} must be a whole number from {} to {}",
                allowed.start(),
                allowed.end()
            ))),
        }
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.present(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(_) => Err(self.invalid(format!("{name} must be true or false"))),
        }
    }

    /// The items of a list. The query protocol writes an empty list as an empty text.
    pub(super) fn list(&self, name: &str) -> Result<&'a [Value], ApiError> {
        match self.present(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items.as_slice()),
            Some(Value::String(text)) if text.is_empty() => Ok(&[]),
            Some(_) => Err(self.invalid(format!("{name} must be a list"))),
        }
    }

    /// The items of a list of structures.
    pub(super) fn structures(&self, name: &str) -> Result<Vec<Members<'a>>, ApiError> {
        let items = self.list(name)?;
        if let Some(odd) = items.iter().find(|item| !item.is_object()) {
            return Err(self.invalid(format!("{name} holds {odd}, which is not a structure")));
        }
        Ok(items.iter().map(|item| Members::new(item, self.code)).collect())
    }

    /// The items of a list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&'a str>, ApiError> {
        let items = self.list(name)?;
        let texts: Vec<&'a str> = items.iter().filter_map(Value::as_str).collect();
        if texts.len() == items.len() { Ok(texts) } else { Err(self.invalid(format!("{name} must hold strings only"))) }
    }

    pub(super) fn structure(&self, name: &str) -> Result<Option<Members<'a>>, ApiError> {
        match self.present(name) {
            None => Ok(None),
            Some(value) if value.is_object() => Ok(Some(Members::new(value, self.code))),
            Some(_) => Err(self.invalid(format!("{name} must be a structure"))),
        }
    }

    /// Refuses a structure with a member that the simulated cloud would silently lose.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let unknown = self
            .input
            .as_object()
            .into_iter()
            .flatten()
            .find(|(name, value)| !value.is_null() && !known.contains(&name.as_str()));
        match unknown {
            None => Ok(()),
            Some((name, _)) => Err(self.invalid(format!("the simulated cloud does not know the member {name}"))),
        }
    }
}

/// Letters that look random, and are the same for the same seed and serial.
#[derive(Debug)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    pub(super) fn new(seed: u64, serial: u64) -> Self {
        // Not symmetric: a seed may itself be a mix of a number like the serial.
        Self { state: splitmix64(splitmix64(seed).rotate_left(32) ^ splitmix64(serial)) }
    }

    /// The next letters, drawn from an ASCII alphabet.
    pub(super) fn letters(&mut self, alphabet: &str, length: usize) -> String {
        let letters = alphabet.as_bytes();
        let count = u64::try_from(letters.len()).unwrap_or(u64::MAX).max(1);
        (0..length)
            .filter_map(|_| {
                self.state = splitmix64(self.state);
                let index = usize::try_from(self.state % count).ok()?;
                letters.get(index).copied().map(char::from)
            })
            .collect()
    }
}

/// A time as the XML protocols write it, in whole seconds.
pub(super) fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_booleans_may_arrive_as_text() {
        let input = json!({"Port": "80", "TTL": 300, "Disabled": "true", "Odd": "yes"});
        let members = Members::new(&input, "InvalidInput");
        assert_eq!(members.integer("Port", 1..=65_535).unwrap(), Some(80));
        assert_eq!(members.integer("TTL", 0..=i64::MAX).unwrap(), Some(300));
        assert_eq!(members.boolean("Disabled").unwrap(), Some(true));
        assert_eq!(members.boolean("Odd").unwrap_err().code, "InvalidInput");
        assert_eq!(members.integer("Port", 1..=79).unwrap_err().code, "InvalidInput");
    }

    #[test]
    fn ids_differ_by_serial_and_repeat_by_seed() {
        let draw = |seed, serial| Dice::new(seed, serial).letters(HEX, 16);
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }
}
