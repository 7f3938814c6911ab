//! What a manifest of kind ServiceInstance says.
//!
//! Decides which service instance is meant and what is expected of it. Never looks at one. The loader
//! calls [`declare`].

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::live;
use crate::core::identity::Select;
use crate::core::value::{Expect, Path, Value};
use crate::kinds::Declaration;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::tree::Node;

/// A service instance in a space of Cloud Foundry. Only what is declared is compared.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceInstanceSpec {
    /// The organisation; by default the only one of the Environment.
    pub organization: Option<String>,
    /// The space.
    pub space: Text,
    /// Its name; by default metadata.name.
    pub name: Option<Text>,
    /// Whether a broker made it, or a user gave its credentials.
    #[serde(rename = "type")]
    pub instance_type: Option<InstanceType>,
    /// The service offering that it is of.
    pub offering: Option<Text>,
    /// The plan of the offering.
    pub plan: Option<Text>,
    /// Its tags; their order does not matter.
    pub tags: Option<Vec<Text>>,
}

/// Who made a service instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceType {
    /// A broker.
    Managed,
    /// A user, who gave its credentials.
    UserProvided,
}

impl InstanceType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Managed => "managed",
            Self::UserProvided => "user-provided",
        }
    }
}

/// Reads and resolves a spec.
pub fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: ServiceInstanceSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    resolve(&spec, setting)
}

fn resolve(spec: &ServiceInstanceSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let scope = setting.organization(spec.organization.as_deref()).map_err(|problem| vec![problem])?;
    let name = spec.name.as_deref().unwrap_or(setting.name);
    let mut problems = Vec::new();
    for (field, text) in [("space", &*spec.space), ("name", name)] {
        if text.trim().is_empty() {
            problems.push(SpecProblem::at([field], format!("`{field}` is empty")).hint("write the name"));
        }
    }
    let given = spec.instance_type == Some(InstanceType::UserProvided);
    for (field, declared) in [("offering", spec.offering.is_some()), ("plan", spec.plan.is_some())] {
        if given && declared {
            let problem = SpecProblem::at([field], format!("a user-provided instance has no `{field}`"));
            problems.push(problem.hint("leave it out, or write `type: managed`"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let key = live::key(&spec.space, name);
    Ok(Declaration {
        scope,
        select: Select::Key(key.as_str().into()),
        id: key.as_str().into(),
        expects: expects(spec),
        facets: BTreeSet::new(),
        rules: None,
        not_compared: Vec::new(),
    })
}

fn expects(spec: &ServiceInstanceSpec) -> Vec<(Path, Expect)> {
    let tags = spec.tags.as_ref().map(|tags| Value::set(tags.iter().map(|tag| &**tag)));
    [
        ("type", spec.instance_type.map(|instance_type| Value::text(instance_type.as_str()))),
        ("offering", spec.offering.as_deref().map(Value::text)),
        ("plan", spec.plan.as_deref().map(Value::text)),
        ("tags", tags),
    ]
    .into_iter()
    .filter_map(|(path, value)| Some((Path::from(path), Expect::Is(value?))))
    .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::app::spec::tests::Stage;

    fn resolved(spec: serde_json::Value) -> Result<Declaration, Vec<SpecProblem>> {
        resolve(&serde_json::from_value(spec).unwrap(), &Stage::new().setting("c2-prod-db"))
    }

    #[test]
    fn an_instance_is_expected_to_be_what_is_declared_and_nothing_more() {
        let bare = resolved(json!({"space": "Production"})).unwrap();
        assert_eq!((&*bare.id, bare.expects.len()), ("production/c2-prod-db", 0));
        let full = resolved(json!({
            "space": "production", "name": "DB", "type": "managed", "offering": "aws-rds", "plan": "medium-psql",
            "tags": ["sql", "main"]
        }));
        let full = full.unwrap();
        assert_eq!(&*full.id, "production/DB");
        let is = |path: &'static str, value: Value| (Path::from(path), Expect::Is(value));
        assert_eq!(
            full.expects,
            [
                is("type", Value::text("managed")),
                is("offering", Value::text("aws-rds")),
                is("plan", Value::text("medium-psql")),
                is("tags", Value::set(["main", "sql"])),
            ]
        );
    }

    #[test]
    fn a_user_provided_instance_has_no_plan() {
        let problems = resolved(json!({"space": "s", "type": "user-provided", "plan": "small"})).unwrap_err();
        assert_eq!(problems.first().unwrap().path, ["plan"]);
    }
}
