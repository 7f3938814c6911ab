//! What a manifest of kind TableItem says, and what it expects of the live item.
//!
//! Decides the item's key and the hashes of the declared attributes. Attributes that are not
//! declared are not compared. The loader calls [`resolve`] through the kind's entry.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::live::{Keeping, TableName, attribute_path};
use super::spelling::{key_text, number};
use crate::core::identity::{ScopeKey, ScopeKind, Select};
use crate::core::value::{Expect, Path};
use crate::kinds::Declaration;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;

/// An item of a DynamoDB table.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableItemSpec {
    /// The name of the table.
    pub table: String,
    /// The alias of the account in the Environment; `main`, or the only one, by default.
    pub account: Option<String>,
    /// The region; by default the only one of the account.
    pub region: Option<String>,
    /// The item's key: the partition attribute and, where the table has one, the sort attribute.
    pub key: BTreeMap<String, Text>,
    /// The types of key attributes that are not text.
    #[serde(default)]
    pub key_types: BTreeMap<String, AttributeType>,
    /// Top-level attributes by name. Values are compared as keyed hashes and shown only where the
    /// Environment lists the name under `visible`. Lists, sets and maps are written as JSON with
    /// sorted names and without spaces, numbers in it as text.
    #[serde(default)]
    pub attributes: BTreeMap<String, Text>,
    /// The types of attributes whose spelling is not unique: with `N`, `1.0` is `1`.
    #[serde(default)]
    pub attribute_types: BTreeMap<String, AttributeType>,
}

/// DynamoDB's scalar types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum AttributeType {
    /// Text (the default).
    S,
    /// A number.
    N,
    /// Bytes, in base64.
    B,
}

/// Resolves a spec in one environment.
pub fn resolve(spec: &TableItemSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let account = setting.account(spec.account.as_deref()).map_err(|problem| vec![problem])?;
    let region = setting.region(account, spec.region.as_deref()).map_err(|problem| vec![problem])?;
    let table = TableName { account: account.id.clone(), region, table: spec.table.as_str().into() };

    let mut problems: Vec<SpecProblem> = table_problem(&spec.table).into_iter().collect();
    if spec.key.is_empty() || spec.key.len() > 2 {
        let hint = "name the partition attribute and, where the table has one, the sort attribute";
        problems.push(
            SpecProblem::at(["key"], format!("a key has one or two attributes, not {}", spec.key.len())).hint(hint),
        );
    }
    let parts = spelled("key", &spec.key, "keyTypes", &spec.key_types, &mut problems);
    let attributes = spelled("attributes", &spec.attributes, "attributeTypes", &spec.attribute_types, &mut problems);
    for (name, _) in spec.key.iter().filter(|(_, value)| value.is_empty()) {
        problems.push(SpecProblem::at(["key", name.as_str()], format!("`{name}` is empty, which no key can be")));
    }
    for name in spec.key.keys().filter(|name| spec.attributes.contains_key(*name)) {
        problems.push(
            SpecProblem::at(["attributes", name.as_str()], format!("`{name}` is part of the key"))
                .hint("leave it out here"),
        );
    }
    if !problems.is_empty() {
        return Err(problems);
    }

    let key = key_text(parts.iter().map(|(name, value)| (*name, value.as_str())));
    let id = table.item_id(&key);
    let keeping = Keeping { redactor: setting.redactor, plain: &BTreeSet::new(), visible: setting.visible() };
    let expects = attributes
        .iter()
        .map(|(name, value)| (Path::Owned(attribute_path(name)), Expect::Is(keeping.attribute(&id, name, value))))
        .collect();
    Ok(Declaration {
        not_compared: Vec::new(),
        scope: ScopeKey::new(ScopeKind::Table, &table.account, &table.region, &table.table),
        select: Select::Key(key.into()),
        id: id.into(),
        expects,
        facets: BTreeSet::new(),
        rules: None,
    })
}

/// Why this is no table's name, if it is none.
pub fn table_problem(name: &str) -> Option<SpecProblem> {
    let sound =
        !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.'));
    (!sound).then(|| {
        SpecProblem::at(["table"], format!("`{name}` is no table's name")).hint("write the name alone, not an ARN")
    })
}

/// The values in the spelling that their types ask for.
fn spelled<'a>(
    field: &str,
    values: &'a BTreeMap<String, Text>,
    types_field: &str,
    types: &BTreeMap<String, AttributeType>,
    problems: &mut Vec<SpecProblem>,
) -> Vec<(&'a str, String)> {
    for name in types.keys().filter(|name| !values.contains_key(*name)) {
        problems.push(
            SpecProblem::at([types_field, name.as_str()], format!("`{field}` has no `{name}`"))
                .hint("a type belongs to an attribute that is declared"),
        );
    }
    let mut spelled = Vec::with_capacity(values.len());
    for (name, value) in values {
        match types.get(name) {
            Some(AttributeType::N) => match number(value) {
                Some(plain) => spelled.push((name.as_str(), plain)),
                None => problems
                    .push(SpecProblem::at([field, name.as_str()], format!("the value of `{name}` is no number"))),
            },
            Some(AttributeType::B) if !is_base64(value) => {
                problems.push(SpecProblem::at([field, name.as_str()], format!("the value of `{name}` is no base64")));
            }
            Some(AttributeType::B | AttributeType::S) | None => spelled.push((name.as_str(), value.0.clone())),
        }
    }
    spelled
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}
