//! What a manifest of kind ServiceBinding says.
//!
//! Decides which bindings it declares: one for each application that it lists, each a resource of its
//! own. A service that an App lists is the same thing, so `app::spec` calls [`Ground::part`] too. Never
//! keeps the parameters of a binding, which may be secret. The loader calls [`declare`].

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{ServiceBinding, live};
use crate::core::identity::{ScopeKey, Select};
use crate::core::value::{Expect, Value};
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;
use crate::kinds::{Declaration, Part, Parts, Rules};
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::tree::Node;

/// The bindings of one service instance to applications of its space. Each is a resource of its own, called
/// `APP/INSTANCE`; so is each of the `services` of an App, and either declares it, not both.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceBindingSpec {
    /// The organisation; by default the only one of the Environment.
    pub organization: Option<String>,
    /// The space.
    pub space: Text,
    /// The name of the service instance.
    pub service_instance: Text,
    /// The names of the applications that are bound to it.
    pub apps: Vec<Text>,
    /// The name of the bindings.
    pub binding_name: Option<Text>,
    /// What the broker is told when it binds. Cloud Foundry never shows it again, so it is not compared.
    #[schemars(with = "Option<BTreeMap<String, serde_json::Value>>")]
    pub parameters: Option<IgnoredAny>,
}

/// Reads and resolves a spec.
pub fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: ServiceBindingSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    resolve(&spec, setting)
}

fn resolve(spec: &ServiceBindingSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let scope = setting.organization(spec.organization.as_deref()).map_err(|problem| vec![problem])?;
    let mut problems: Vec<SpecProblem> = [("space", &spec.space), ("serviceInstance", &spec.service_instance)]
        .into_iter()
        .filter(|(_, name)| name.trim().is_empty())
        .map(|(field, _)| SpecProblem::at([field], format!("`{field}` is empty")).hint("write the name"))
        .collect();
    if spec.apps.is_empty() {
        let problem = SpecProblem::at(["apps"], "no application is bound");
        problems.push(problem.hint("list the names of the applications that are bound to the service instance"));
    }
    for (index, app) in spec.apps.iter().enumerate() {
        let twice = spec.apps.iter().take(index).any(|other| other.to_lowercase() == app.to_lowercase());
        if twice || app.trim().is_empty() {
            let message = if twice { format!("`{}` is listed twice", &**app) } else { "a name is empty".to_owned() };
            problems.push(SpecProblem::at(["apps"], message).hint("list each application once"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let ground = Ground { scope: &scope, space: &spec.space };
    let name = spec.binding_name.as_deref();
    let parts = spec.apps.iter().map(|app| ground.part(app, &spec.service_instance, name, app)).collect();
    let whole = ground.declaration(setting.name, &spec.service_instance, None);
    Ok(Declaration { rules: Some(Rules::Parts(Parts { parts, alone: true })), ..whole })
}

/// Where bindings are.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The organisation.
    pub scope: &'a ScopeKey,
    /// The space.
    pub space: &'a str,
}

impl Ground<'_> {
    /// One binding, as a resource of the application `whole`: of two apps with one name in two spaces
    /// each has its own manifest, and that one's name tells them apart.
    pub fn part(&self, app: &str, instance: &str, name: Option<&str>, whole: &str) -> Part {
        Part {
            kind: &ServiceBinding,
            name: format!("{whole}/{instance}").into(),
            application: Some(whole.into()),
            declaration: self.declaration(app, instance, name),
        }
    }

    fn declaration(&self, app: &str, instance: &str, name: Option<&str>) -> Declaration {
        let key = live::key(self.space, app, instance);
        Declaration {
            scope: self.scope.clone(),
            select: Select::Key(key.as_str().into()),
            id: key.as_str().into(),
            expects: name.map(|name| ("name".into(), Expect::Is(Value::text(name)))).into_iter().collect(),
            facets: BTreeSet::new(),
            rules: None,
            not_compared: Vec::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::value::Path;
    use crate::kinds::app::spec::tests::Stage;

    fn resolved(spec: serde_json::Value) -> Result<Declaration, Vec<SpecProblem>> {
        resolve(&serde_json::from_value(spec).unwrap(), &Stage::new().setting("queue"))
    }

    #[test]
    fn one_manifest_declares_one_binding_for_each_application() {
        let declaration = resolved(json!({
            "space": "Production", "serviceInstance": "C2-queue", "apps": ["c2-prod", "c2-prod-worker"],
            "bindingName": "queue", "parameters": {"password": "hunter2"}
        }));
        let Some(Rules::Parts(Parts { parts, alone: true })) = declaration.unwrap().rules else { unreachable!() };
        let told: Vec<_> = parts.iter().map(|part| (&*part.name, &*part.declaration.id)).collect();
        assert_eq!(
            told,
            [
                ("c2-prod/C2-queue", "production/c2-prod/C2-queue"),
                ("c2-prod-worker/C2-queue", "production/c2-prod-worker/C2-queue")
            ]
        );
        let first = parts.first().unwrap();
        assert_eq!(first.application.as_deref(), Some("c2-prod"));
        assert_eq!(first.declaration.expects, [(Path::from("name"), Expect::Is(Value::text("queue")))]);
    }

    #[test]
    fn a_binding_of_nothing_or_to_nothing_is_refused() {
        for (spec, field) in [
            (json!({"space": "s", "serviceInstance": "q", "apps": []}), "apps"),
            (json!({"space": "s", "serviceInstance": "q", "apps": ["a", "A"]}), "apps"),
            (json!({"space": "s", "serviceInstance": "", "apps": ["a"]}), "serviceInstance"),
            (json!({"space": " ", "serviceInstance": "q", "apps": ["a"]}), "space"),
        ] {
            let problems = resolved(spec).unwrap_err();
            assert_eq!(problems.len(), 1);
            assert_eq!(problems.first().unwrap().path, [field]);
        }
    }
}
