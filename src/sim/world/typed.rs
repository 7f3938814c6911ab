//! The members of an input in one of the JSON protocols, where every value has a type.
//!
//! Decides that a value of another type is refused, not converted (the query and XML protocols, which
//! carry only text, have [`super::members`]). Called by [`super::ecs`] and [`super::dynamodb`].

use serde_json::{Map, Value};

use super::ApiError;

/// An input, or one structure in it, with the code that its service gives to a bad member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typed<'a> {
    input: &'a Value,
    code: &'static str,
}

impl<'a> Typed<'a> {
    pub(super) fn new(input: &'a Value, code: &'static str) -> Self {
        Self { input, code }
    }

    /// A 400 with the service's code for bad input.
    pub(super) fn invalid(self, message: impl Into<String>) -> ApiError {
        ApiError::bad_request(self.code, message)
    }

    /// The member as it came; null counts as absent.
    pub(super) fn raw(self, name: &str) -> Option<&'a Value> {
        self.input.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Reads a member, or complains about its type.
    fn read<T>(
        self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        match self.raw(name) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(self.invalid(format!("{name} must be {expected}."))),
            },
        }
    }

    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.read(name, "a string", Value::as_str)
    }

    /// A text that must be there and not be empty.
    pub(super) fn required(self, name: &str) -> Result<&'a str, ApiError> {
        match self.text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.invalid(format!("{name} must not be null or empty."))),
        }
    }

    pub(super) fn count(self, name: &str) -> Result<Option<u64>, ApiError> {
        self.read(name, "a whole number and not negative", Value::as_u64)
    }

    /// A flag; absent means false.
    pub(super) fn flag(self, name: &str) -> Result<bool, ApiError> {
        Ok(self.read(name, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    pub(super) fn map(self, name: &str) -> Result<Option<&'a Map<String, Value>>, ApiError> {
        self.read(name, "an object", Value::as_object)
    }

    pub(super) fn structure(self, name: &str) -> Result<Option<Typed<'a>>, ApiError> {
        let code = self.code;
        self.read(name, "an object", |value| value.is_object().then(|| Typed::new(value, code)))
    }

    /// The elements of a list; absent means none.
    pub(super) fn list(self, name: &str) -> Result<&'a [Value], ApiError> {
        let list = self.read(name, "a list", |value| value.as_array().map(Vec::as_slice))?;
        Ok(list.unwrap_or_default())
    }

    pub(super) fn texts(self, name: &str) -> Result<Vec<&'a str>, ApiError> {
        let texts: Option<Vec<&'a str>> = self.list(name)?.iter().map(Value::as_str).collect();
        texts.ok_or_else(|| self.invalid(format!("{name} must hold strings only.")))
    }

    pub(super) fn structures(self, name: &str) -> Result<Vec<Typed<'a>>, ApiError> {
        let list = self.list(name)?;
        if list.iter().any(|value| !value.is_object()) {
            return Err(self.invalid(format!("{name} must hold objects only.")));
        }
        Ok(list.iter().map(|value| Typed::new(value, self.code)).collect())
    }
}
