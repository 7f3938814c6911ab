//! A live service instance as a manifest would declare it.
//!
//! Decides that one that is being deleted gets no manifest. Parameters and credentials are nowhere
//! among its facts. Called through the kind's entry.

use serde_json::Value as Json;

use super::spec::InstanceType;
use crate::core::observation::Live;
use crate::core::value::{Fields, Value};
use crate::kinds::importing::{Import, ImportSetting, Imported, Spec, text, texts, word};

/// How service instances are imported.
pub const IMPORT: Import = Import { facets: &[], declare };

fn declare(live: &Live, setting: &ImportSetting<'_>) -> Result<Imported, &'static str> {
    let fields = &live.fields;
    // The name of an instance may have a slash.
    let Some((space, name)) = live.key.key.split_once('/') else { return Err("service instances without a space") };
    if is(fields, "operation.type", "delete") && is(fields, "operation.state", "in progress") {
        return Err("service instances that somebody is deleting");
    }
    let organization = &setting.scope.thing;
    let mut spec = Spec::default();
    spec.put("organization", Some(Json::from(&**organization)));
    spec.put("space", Some(Json::from(space)));
    spec.put("name", Some(Json::from(name)));
    spec.put("type", word::<InstanceType>(fields, "type"));
    let managed = is(fields, "type", "managed");
    spec.put("offering", text(fields, "offering").filter(|_| managed));
    spec.put("plan", text(fields, "plan").filter(|_| managed));
    spec.put("tags", texts(fields, "tags"));
    Ok(Imported {
        names: vec![
            name.to_owned(),
            format!("{name}-{space}"),
            format!("{name}-{space}-{organization}-{}", setting.scope.account),
        ],
        name_field: Some("name"),
        spec: spec.whole(),
        hidden: Vec::new(),
        suspicious: Vec::new(),
    })
}

fn is(fields: &Fields, path: &str, word: &str) -> bool {
    fields.value(path).and_then(Value::as_text) == Some(word)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::live::tests::observed;
    use super::super::live::{Observed, live};
    use super::super::operation::Operation;
    use super::super::spec::{ServiceInstanceSpec, declare as resolve};
    use super::*;
    use crate::core::identity::{ScopeKey, ScopeKind};
    use crate::kinds::Declaration;
    use crate::kinds::app::spec::tests::Stage;
    use crate::kinds::dns_record::fixture::differences;
    use crate::manifest::check::Checker;
    use crate::manifest::parse::parse;
    use crate::manifest::source::SourceFile;
    use crate::manifest::write::document;

    fn imported(live: &Live) -> Result<Imported, &'static str> {
        let scope = ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds");
        declare(live, &ImportSetting { scope: &scope, account: None, region: None })
    }

    fn read_back(imported: &Imported) -> Declaration {
        let text = document(&Json::Object(imported.spec.clone()));
        let file = SourceFile { path: "db.yaml".to_owned(), text: text.as_str().into() };
        let checker = Checker::new(schemars::schema_for!(ServiceInstanceSpec).as_value());
        resolve(&parse(&file).unwrap().remove(0), &checker, &Stage::new().setting("another-name")).unwrap()
    }

    #[test]
    fn an_imported_instance_does_not_differ_from_itself_whoever_made_it() {
        let provided = Observed { instance_type: "user-provided".to_owned(), offering: None, plan: None, ..observed() };
        for (observed, compared) in [(observed(), 4), (provided, 2)] {
            let live = live(&observed);
            let declaration = read_back(&imported(&live).unwrap());
            assert_eq!(differences(&declaration, &live), Vec::<String>::new());
            assert_eq!((&*declaration.id, declaration.expects.len()), ("production/Db", compared));
        }
    }

    #[test]
    fn an_instance_that_is_being_deleted_gets_no_manifest() {
        let operation = |state: &str| {
            let operation =
                Operation { kind: Some("delete".to_owned()), state: Some(state.to_owned()), ..Operation::default() };
            imported(&live(&Observed { operation: Some(operation), ..observed() }))
        };
        assert!(operation("in progress").is_err());
        assert!(operation("failed").is_ok(), "it is still there");
    }
}
