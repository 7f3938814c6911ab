//! Import: how a kind says what is live as a manifest would declare it.
//!
//! Decides how a spec is put together from facts: in the order of the docs, without what is not
//! known, and never with a value that may be secret. Reads nothing and writes nothing. Each kind's
//! `import.rs` is made of these parts; `crate::import` calls it through
//! [`KindEntry::import`](super::KindEntry::import).

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::core::asks::Facet;
use crate::core::identity::ScopeKey;
use crate::core::observation::Live;
use crate::core::value::{Fields, Value};

/// How things of a kind are imported.
pub struct Import {
    /// The details that have to be read of each thing first.
    pub facets: &'static [Facet],
    /// What a manifest would declare of it; or why none should.
    pub declare: fn(&Live, &ImportSetting<'_>) -> Result<Imported, &'static str>,
}

/// Where a thing was found, and how a manifest of the environment says so.
#[derive(Debug, Clone, Copy)]
pub struct ImportSetting<'a> {
    /// Where it was found.
    pub scope: &'a ScopeKey,
    /// The alias of its account, where a manifest has to name it.
    pub account: Option<&'a str>,
    /// Its region, where a manifest has to name it.
    pub region: Option<&'a str>,
}

/// A live thing as a manifest would declare it.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// What it may be called, best first; the last one tells it from everything else of its kind.
    pub names: Vec<String>,
    /// The field of the spec that goes without saying where `metadata.name` says the same.
    pub name_field: Option<&'static str>,
    /// What it is now, in the order of the docs.
    pub spec: Map<String, Json>,
    /// The names of what is left out because its value is hidden.
    pub hidden: Vec<String>,
    /// What is left out because it looks as if it held a secret.
    pub suspicious: Vec<String>,
}

/// Words in the name of a parameter or field that say that its value is secret. One of them inside
/// of another word (`author`) is enough: a field that is left out can be added by whoever reviews
/// the manifest, a secret in a repository stays there.
const SECRETIVE: [&str; 8] = ["auth", "cred", "key", "pass", "pwd", "secret", "sig", "token"];

/// A spec, or a part of one, under construction.
#[derive(Debug, Default)]
pub struct Spec(Map<String, Json>);

impl Spec {
    /// Adds a field, unless nothing is known of it or it is empty.
    pub fn put(&mut self, field: &str, value: Option<Json>) {
        let nothing = match &value {
            None | Some(Json::Null) => true,
            Some(Json::Array(items)) => items.is_empty(),
            Some(Json::Object(entries)) => entries.is_empty(),
            Some(_) => false,
        };
        if let (Some(value), false) = (value, nothing) {
            self.0.insert(field.to_owned(), value);
        }
    }

    /// Adds the account and the region, where a manifest has to name them.
    pub fn put_place(&mut self, setting: &ImportSetting<'_>) {
        self.put("account", setting.account.map(Json::from));
        self.put("region", setting.region.map(Json::from));
    }

    /// As a part of another spec.
    pub fn part(self) -> Option<Json> {
        Some(Json::Object(self.0))
    }

    /// The whole spec.
    pub fn whole(self) -> Map<String, Json> {
        self.0
    }
}

/// Whether the query of a path gives a value to something that is secret by its name.
pub fn has_secret_query(path: &str) -> bool {
    path.split_once('?').is_some_and(|(_, query)| tells_secret(query))
}

/// Whether a text gives a value to something that is secret by its name: `token=…`, `"api_key": "…"`.
pub fn tells_secret(text: &str) -> bool {
    let blank = |char: char| char.is_whitespace() || matches!(char, '"' | '\'');
    let part_of_name = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '%' | '[' | ']');
    text.match_indices(['=', ':']).any(|(at, sign)| {
        let before = text.get(..at).unwrap_or_default().trim_end_matches(blank);
        let after = text.get(at + sign.len()..).unwrap_or_default().trim_start_matches(blank);
        let name = before.rsplit(|char: char| !part_of_name(char)).next().unwrap_or_default().to_ascii_lowercase();
        !after.is_empty() && SECRETIVE.iter().any(|word| name.contains(word))
    })
}

/// The text at this path.
pub fn text(fields: &Fields, path: &str) -> Option<Json> {
    fields.value(path)?.as_text().map(Json::from)
}

/// The number at this path, if a manifest may say it.
pub fn number(fields: &Fields, path: &str, allowed: RangeInclusive<i64>) -> Option<Json> {
    fields.value(path)?.as_int().filter(|number| allowed.contains(number)).map(Json::from)
}

/// The truth value at this path.
pub fn flag(fields: &Fields, path: &str) -> Option<bool> {
    match fields.value(path)? {
        Value::Bool(flag) => Some(*flag),
        _ => None,
    }
}

/// The texts of the list or set at this path.
pub fn texts(fields: &Fields, path: &str) -> Option<Json> {
    match fields.value(path)? {
        Value::List(items) => Some(Json::Array(items.iter().filter_map(Value::as_text).map(Json::from).collect())),
        _ => None,
    }
}

/// The text at this path, if it is a word that the spec's type `T` knows: clouds learn new ones.
pub fn word<T: DeserializeOwned>(fields: &Fields, path: &str) -> Option<Json> {
    text(fields, path).filter(|word| T::deserialize(word).is_ok())
}

/// The tags that people set; those that AWS sets itself say nothing about the thing.
pub fn tags(fields: &Fields) -> Option<Json> {
    let mut tags = Map::new();
    for (path, _) in fields.iter() {
        let Some(key) = path.strip_prefix("tags.").filter(|key| !key.starts_with("aws:")) else { continue };
        if let Some(value) = text(fields, path) {
            tags.insert(key.to_owned(), value);
        }
    }
    Some(Json::Object(tags))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_or_empty_is_left_out() {
        let mut spec = Spec::default();
        spec.put("a", None);
        spec.put("b", Some(json!([])));
        spec.put("c", Spec::default().part());
        spec.put("d", Some(json!(false)));
        assert_eq!(Json::Object(spec.whole()), json!({ "d": false }));
    }

    #[test]
    fn a_parameter_that_is_secret_by_its_name_is_told_from_others() {
        for path in ["/health?token=abc", "/h?deep=yes&X-Amz-Signature=1f", "/h?api_key=%20a", "/h?user[password]=a"] {
            assert!(has_secret_query(path), "{path}");
        }
        for path in ["/health", "/token/abc", "/health?deep=no&full", "/health?token", "/health?token=", "/a:b?c=d"] {
            assert!(!has_secret_query(path), "{path}");
        }
        for text in ["{\"api_key\": \"abc\"}", "Authorization: Bearer abc", "SECRET = abc", "?sig=abc"] {
            assert!(tells_secret(text), "{text}");
        }
        for text in ["ok", "\"status\":\"healthy\"", "1e3", "no secret here", "token", "https://example.com"] {
            assert!(!tells_secret(text), "{text}");
        }
    }

    #[test]
    fn tags_of_aws_itself_are_nobodys_declaration() {
        let mut fields = Fields::default();
        fields.set("tags.aws:cloudformation:stack-name", "x");
        fields.set("tags.app.kubernetes.io/name", "api");
        fields.set("tags.team", "");
        assert_eq!(tags(&fields), Some(json!({ "app.kubernetes.io/name": "api", "team": "" })));
    }
}
