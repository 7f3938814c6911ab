//! What a Buildpacks manifest may say, and what it is told when it says something else.

#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::json;

use super::*;
use crate::core::desired::{Auth, Class, Environment, Foundation};
use crate::core::identity::{ObjectKey, spoken};
use crate::core::redact::Redactor;
use crate::core::value::Source;

fn resolved(spec: serde_json::Value) -> Result<Declaration, Vec<SpecProblem>> {
    let foundation = Foundation {
        api: "https://api.example.com".into(),
        host: "api.example.com".into(),
        organizations: BTreeMap::new(),
        every: true,
        auth: Auth::Client { id: "moored".into(), secret_file: "/run/secrets/cf".into() },
    };
    let environment = Environment {
        name: "production".into(),
        class: Class::Production,
        accounts: BTreeMap::new(),
        foundation: Some(foundation),
        visible: BTreeSet::new(),
        source: Source { file: "environment.yaml".into(), line: 1 },
    };
    let spec: BuildpacksSpec = serde_json::from_value(spec).unwrap();
    resolve(&spec, &Setting::new(&environment, "detection", &Redactor::new(&[7; 32])))
}

fn parts(declaration: Declaration) -> Vec<Part> {
    match declaration.rules {
        Some(Rules::Parts(parts)) if !parts.alone => parts.parts,
        other => panic!("{other:?}"),
    }
}

fn rules(parts: &[Part]) -> &InventoryRules {
    match &parts.last().unwrap().declaration.rules {
        Some(Rules::Inventory(rules)) => rules,
        other => panic!("{other:?}"),
    }
}

fn excepted(rules: &InventoryRules, name: &str, stack: &str, lifecycle: &str) -> bool {
    let key = ObjectKey::new(crate::kinds::buildpacks::KIND, &key(name, Some(stack), lifecycle));
    rules.except.iter().any(|except| except.glob.matches(&spoken(&key.key)))
}

#[test]
fn a_list_is_an_order_its_buildpacks_and_an_inventory_of_all_others() {
    let declaration = resolved(json!({ "buildpacks": [
        { "name": "java_buildpack", "version": "v4.77.0", "locked": true },
        { "name": "ruby_buildpack", "stack": "cflinuxfs4", "enabled": false, "filename": "ruby.zip" },
    ] }))
    .unwrap();
    assert_eq!(declaration.scope.to_string(), "cf_foundation/api.example.com/cf");
    assert_eq!(declaration.select, Select::Key("order|buildpack".into()));
    assert_eq!(&*declaration.id, "buildpacks/api.example.com/buildpack");
    let order = Value::List([Value::text("java_buildpack"), Value::text("ruby_buildpack|cflinuxfs4")].into());
    assert_eq!(declaration.expects, [(Path::from("order"), Expect::Is(order))]);

    let parts = parts(declaration);
    let names: Vec<&str> = parts.iter().map(|part| &*part.name).collect();
    assert_eq!(names, ["java_buildpack", "ruby_buildpack", "detection"]);
    let [java, ruby, rest] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!(java.declaration.select, Select::Alias("buildpack:java_buildpack|buildpack".into()));
    assert_eq!(
        java.declaration.expects,
        [
            (Path::from("enabled"), Expect::Is(true.into())),
            (Path::from("locked"), Expect::Is(true.into())),
            (Path::from("version"), Expect::Is("4.77.0".into())),
        ]
    );
    assert_eq!(ruby.declaration.select, Select::Key("ruby_buildpack|cflinuxfs4|buildpack".into()));
    assert_eq!(
        ruby.declaration.expects,
        [(Path::from("enabled"), Expect::Is(false.into())), (Path::from("filename"), Expect::Is("ruby.zip".into()))]
    );
    assert_eq!(rest.kind.name(), "Inventory");
    assert_eq!(rest.declaration.select, Select::Key("production/buildpacks/buildpack".into()));
    assert!(rules(&parts).exhaustive && !rules(&parts).vanished);
}

#[test]
fn a_name_on_two_stacks_is_told_with_them() {
    let declaration = resolved(json!({ "exhaustive": false, "buildpacks": [
        { "name": "ruby", "stack": "cflinuxfs3" }, { "name": "ruby", "stack": "cflinuxfs4" }, { "name": "go" },
    ] }));
    let parts = parts(declaration.unwrap());
    let names: Vec<&str> = parts.iter().map(|part| &*part.name).collect();
    assert_eq!(names, ["ruby (cflinuxfs3)", "ruby (cflinuxfs4)", "go"]);
}

#[test]
fn each_lifecycle_leaves_the_buildpacks_of_the_other_alone() {
    let of = |lifecycle: &str| {
        let spec = json!({ "lifecycle": lifecycle, "buildpacks": [{ "name": "java" }],
            "except": [{ "name": "CATS-*", "atMost": "45m" }] });
        parts(resolved(spec).unwrap())
    };
    let (classic, native) = (of("buildpack"), of("cnb"));
    assert_eq!(&*native.first().unwrap().name, "java (cnb)", "two documents may have a name in common");
    assert!(excepted(rules(&classic), "x", "s", "cnb") && !excepted(rules(&classic), "x", "s", "buildpack"));
    assert!(excepted(rules(&native), "x", "s", "buildpack") && !excepted(rules(&native), "x", "s", "cnb"));
    let cats = rules(&classic).except.first().unwrap();
    assert_eq!(cats.at_most.map(|most| most.as_mins()), Some(45));
}

#[test]
fn what_makes_no_sense_is_told_with_its_place_and_a_hint() {
    for (spec, place, message) in [
        (json!({ "buildpacks": [] }), "buildpacks", "no buildpack is declared"),
        (json!({ "buildpacks": [{ "name": "a|b" }] }), "buildpacks.0.name", "`a|b` is no name of a buildpack"),
        (json!({ "buildpacks": [{ "name": "a", "stack": "" }] }), "buildpacks.0.stack", "`` is no name of a stack"),
        (json!({ "buildpacks": [{ "name": "a", "version": " " }] }), "buildpacks.0.version", "` ` is no version"),
        (
            json!({ "buildpacks": [{ "name": "a" }, { "name": "b" }, { "name": "a" }] }),
            "buildpacks.2.name",
            "`a` is listed twice: here and as number 1",
        ),
        (
            json!({ "buildpacks": [{ "name": "a" }, { "name": "a", "stack": "cflinuxfs4" }] }),
            "buildpacks.0.name",
            "which `a`? It is listed for a stack as well",
        ),
        (
            json!({ "buildpacks": [{ "name": "detection" }] }),
            "buildpacks.0.name",
            "the manifest itself is called `detection`",
        ),
        (
            json!({ "buildpacks": [{ "name": "a" }], "exhaustive": false, "except": [{ "name": "b" }] }),
            "except",
            "nothing is excepted where any buildpack may be there",
        ),
        (
            json!({ "buildpacks": [{ "name": "a" }], "except": [{ "name": "b", "atMost": "soon" }] }),
            "except.0.atMost",
            "`soon` is no duration",
        ),
    ] {
        let problems = resolved(spec).unwrap_err();
        let told: Vec<(String, &str)> =
            problems.iter().map(|problem| (problem.path.join("."), problem.message.as_str())).collect();
        let told: Vec<(&str, &str)> = told.iter().map(|(place, message)| (place.as_str(), *message)).collect();
        assert!(told.starts_with(&[(place, message)]), "{told:?}");
        assert!(problems.iter().all(|problem| problem.hint.is_some()), "{problems:?}");
    }
}

#[test]
fn another_lifecycle_is_unknown() {
    let spec = json!({ "lifecycle": "docker", "buildpacks": [{ "name": "a" }] });
    let error = serde_json::from_value::<BuildpacksSpec>(spec).unwrap_err().to_string();
    assert!(error.contains("expected `buildpack` or `cnb`"), "{error}");
}

#[test]
fn an_environment_without_cloud_foundry_has_no_buildpacks() {
    let stage = crate::kinds::dns_record::fixture::Stage::new();
    let spec: BuildpacksSpec = serde_json::from_value(json!({ "buildpacks": [{ "name": "a" }] })).unwrap();
    let problems = resolve(&spec, &stage.setting("detection")).unwrap_err();
    assert!(problems.first().unwrap().message.contains("declares no Cloud Foundry"), "{problems:?}");
}
