//! Templates of a StateTable: `{attribute}` in names and ARNs, expanded from one item.
//!
//! Decides what an item names. A missing attribute is reported as missing, never as an empty
//! text; there is no expression, no nesting and no default. Manifests parse them at load, so that
//! a bad template is an error with its place.

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use super::value::{Fields, Value};

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    source: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Arc<str>),
    /// An attribute of the item.
    Attribute(Arc<str>),
    /// The current entry of `forEach`.
    Each,
    /// All entries of a list attribute: only as the whole of a `forEach`.
    Entries(Arc<str>),
}

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("`{0}` has a brace without its partner")]
    Unbalanced(String),
    /// `{}` or a name with braces or spaces in it.
    #[error("`{{{0}}}` names no attribute")]
    BadName(String),
    /// The item lacks the attribute.
    #[error("the item has no attribute `{0}`")]
    Missing(Arc<str>),
    /// The attribute is there, but is no text or number (or, for a list, no list of texts).
    #[error("the attribute `{0}` is not text")]
    NotText(Arc<str>),
}

impl Template {
    /// Parses `text`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            match rest.find(['{', '}']) {
                None => {
                    parts.push(Part::Literal(rest.into()));
                    break;
                }
                Some(at) => {
                    let (literal, tail) = rest.split_at(at);
                    if !literal.is_empty() {
                        parts.push(Part::Literal(literal.into()));
                    }
                    let inner = tail.strip_prefix('{').ok_or_else(|| TemplateError::Unbalanced(text.to_owned()))?;
                    let (name, after) =
                        inner.split_once('}').ok_or_else(|| TemplateError::Unbalanced(text.to_owned()))?;
                    parts.push(attribute(name)?);
                    rest = after;
                }
            }
        }
        Ok(Self { parts, source: text.into() })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it reads `{each}`.
    pub fn uses_each(&self) -> bool {
        self.parts.contains(&Part::Each)
    }

    /// The attribute whose entries it lists, if that is all it does.
    pub fn entries(&self) -> Option<&Arc<str>> {
        match self.parts.as_slice() {
            [Part::Entries(name)] => Some(name),
            _ => None,
        }
    }

    /// The attributes it reads.
    pub fn attributes(&self) -> BTreeSet<Arc<str>> {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Attribute(name) | Part::Entries(name) => Some(name.clone()),
                Part::Literal(_) | Part::Each => None,
            })
            .collect()
    }

    /// The text that one item makes of it.
    pub fn expand(&self, item: &Fields, each: Option<&str>) -> Result<String, TemplateError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Attribute(name) => text.push_str(&scalar(item, name)?),
                Part::Each => text.push_str(each.ok_or_else(|| TemplateError::Missing("each".into()))?),
                Part::Entries(name) => return Err(TemplateError::NotText(name.clone())),
            }
        }
        Ok(text)
    }

    /// The entries of the list that a `forEach` names.
    pub fn expand_entries(&self, item: &Fields) -> Result<Vec<String>, TemplateError> {
        let Some(name) = self.entries() else { return Ok(vec![self.expand(item, None)?]) };
        match item.value(name) {
            None | Some(Value::Nothing) => Err(TemplateError::Missing(name.clone())),
            Some(Value::List(entries)) => entries
                .iter()
                .map(|entry| entry.as_text().map(str::to_owned).ok_or_else(|| TemplateError::NotText(name.clone())))
                .collect(),
            Some(_) => Err(TemplateError::NotText(name.clone())),
        }
    }
}

fn attribute(name: &str) -> Result<Part, TemplateError> {
    let bare = name.strip_suffix("[]").unwrap_or(name);
    let sound =
        !bare.is_empty() && bare.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | '#'));
    if !sound {
        return Err(TemplateError::BadName(name.to_owned()));
    }
    Ok(match (bare, name.ends_with("[]")) {
        ("each", false) => Part::Each,
        (bare, true) => Part::Entries(bare.into()),
        (bare, false) => Part::Attribute(bare.into()),
    })
}

fn scalar(item: &Fields, name: &Arc<str>) -> Result<String, TemplateError> {
    match item.value(name) {
        None | Some(Value::Nothing) => Err(TemplateError::Missing(name.clone())),
        Some(Value::Text(text)) if text.is_empty() => Err(TemplateError::Missing(name.clone())),
        Some(Value::Text(text)) => Ok(text.to_string()),
        Some(Value::Int(number)) => Ok(number.to_string()),
        Some(_) => Err(TemplateError::NotText(name.clone())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn item() -> Fields {
        let mut item = Fields::default();
        item.set("service", "api");
        item.set("hosts", Value::set(["a.example.com", "b.example.com"]));
        item
    }

    #[test]
    fn attributes_are_put_in_place() {
        let template = Template::parse("svc-{service}.example.com").unwrap();
        assert_eq!(template.expand(&item(), None).unwrap(), "svc-api.example.com");
    }

    #[test]
    fn a_missing_attribute_is_never_an_empty_text() {
        let template = Template::parse("{load_balancer_arn}").unwrap();
        assert_eq!(template.expand(&item(), None), Err(TemplateError::Missing("load_balancer_arn".into())));
    }

    #[test]
    fn a_list_gives_one_name_for_each_entry() {
        let entries = Template::parse("{hosts[]}").unwrap().expand_entries(&item()).unwrap();
        assert_eq!(entries, ["a.example.com", "b.example.com"]);
        assert_eq!(Template::parse("{each}").unwrap().expand(&item(), Some("x")).unwrap(), "x");
    }

    #[test]
    fn a_bad_template_is_refused_when_it_is_parsed() {
        for text in ["{", "}", "a{b", "a}b", "{}", "{a b}", "{a{b}}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
