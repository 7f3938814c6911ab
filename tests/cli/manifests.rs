//! Manifests: `validate` with every kind of bad input, `explain`, `schema` and `expected`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::platform::{Platform, SECRETS, manifests};
use crate::common::{Outcome, Scratch, moored, text};

const KINDS: [&str; 15] = [
    "App",
    "Buildpacks",
    "DnsRecord",
    "EcsService",
    "Environment",
    "HealthCheck",
    "HttpProbe",
    "Ignore",
    "Inventory",
    "LoadBalancer",
    "ServiceBinding",
    "ServiceInstance",
    "StateTable",
    "TableItem",
    "TargetGroup",
];

/// A root with good manifests, to spoil.
fn good(name: &str) -> Scratch {
    let root = Scratch::new(name);
    for (file, content) in manifests() {
        root.write(file, content);
    }
    root
}

fn spoil(root: &Scratch, file: &str, from: &str, to: &str) {
    let content = fs::read_to_string(root.file(file)).unwrap();
    assert!(content.contains(from), "{file} lacks `{from}`");
    root.write(file, content.replacen(from, to, 1));
}

fn validate(root: &Path) -> Outcome {
    moored(["validate", "--desired-state", text(root)])
}

/// Refused by `validate`, with a reason and a hint, and by every other command that loads it.
#[track_caller]
fn refused(root: &Path, reasons: &[&str]) {
    let outcome = validate(root).exits(1).complains(reasons).complains(&["error: ", "help: "]);
    assert_eq!(outcome.stdout, "");
    let subcommands: [&[&str]; 4] =
        [&["check"], &["run", "--metrics-listen", "127.0.0.1:0"], &["expected"], &["iam", "observe"]];
    for subcommand in subcommands {
        let arguments = [subcommand, &["--desired-state", text(root)][..]].concat();
        let outcome = moored(arguments).exits(1).complains(reasons).complains(&["the manifests were rejected"]);
        assert_eq!(outcome.stdout, "", "{subcommand:?}");
    }
}

#[test]
fn good_manifests_are_valid_and_no_cloud_is_asked() {
    let platform = Platform::new("valid");
    platform
        .manifests_only(&["validate"], &[])
        .exits(0)
        .says(&["valid: 2 environment(s), 8 resource(s), 0 ignore(s) in 1 root(s)"]);
    let json = platform.manifests_only(&["validate"], &["--format", "json"]).exits(0).json();
    assert_eq!(json["valid"], true);
    assert!(platform.cloud.calls().is_empty());
}

#[test]
fn an_empty_directory_or_a_missing_one_is_refused() {
    let root = Scratch::new("empty");
    refused(root.path(), &["no manifests below", "*.yaml"]);
    refused(&root.file("missing"), &["does not exist", "check the path"]);
    root.write("README.md", "no manifest");
    refused(root.path(), &["no manifests below"]);
}

#[test]
fn a_fifo_is_refused_without_waiting_for_its_other_end() {
    let root = good("fifo");
    assert!(Command::new("mkfifo").arg(root.file("pipe.yaml")).status().unwrap().success());
    refused(root.path(), &["pipe.yaml", "is a FIFO"]);
}

#[test]
fn a_link_out_of_the_root_is_refused_and_one_that_leads_nowhere_too() {
    let (root, elsewhere) = (good("link"), Scratch::new("elsewhere"));
    let target = elsewhere.write("secret.yaml", "kind: Secret\n");
    symlink(&target, root.file("escape.yaml")).unwrap();
    refused(root.path(), &["escape.yaml", "is a link to", "outside"]);
    fs::remove_file(root.file("escape.yaml")).unwrap();
    symlink("nowhere.yaml", root.file("dangling.yaml")).unwrap();
    refused(root.path(), &["dangling.yaml", "leads nowhere"]);
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    let root = good("unreadable");
    let path = root.file("apps.yaml");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        return; // This user may read everything.
    }
    refused(root.path(), &["apps.yaml", "permission denied"]);
}

#[test]
fn a_half_written_file_is_refused_with_its_place() {
    let root = good("half");
    let whole = fs::read_to_string(root.file("apps.yaml")).unwrap();
    let cut = whole.find("{repository").unwrap() + "{repo".len();
    root.write("apps.yaml", &whole[..cut]);
    refused(root.path(), &["not valid YAML", "apps.yaml:"]);
    root.write("apps.yaml", [whole.as_bytes(), &[0_u8; 512][..]].concat());
    refused(root.path(), &["NUL byte", "half-written"]);
}

#[test]
fn what_is_not_utf_8_is_refused_with_its_place() {
    let root = good("latin1");
    root.write("team.yaml", b"apiVersion: moored.dev/v1\nkind: caf\xe9\n");
    refused(root.path(), &["is not UTF-8", "team.yaml:2:10", "save the file as UTF-8"]);
}

#[test]
fn an_unknown_field_is_refused_with_line_column_the_line_and_what_was_meant() {
    let root = good("field");
    spoil(&root, "apps.yaml", "desiredCount: 2", "desiredCoutn: 2");
    let reasons =
        ["unknown field `desiredCoutn`", "apps.yaml:10:3", "10 |   desiredCoutn: 2", "did you mean `desiredCount`?"];
    refused(root.path(), &reasons);

    let json = moored(["validate", "--format", "json", "--desired-state", text(root.path())]).exits(1).json();
    assert_eq!(json["valid"], false);
    let problem = &json["problems"][0];
    assert_eq!((&problem["severity"], &problem["file"]), (&json!("error"), &json!("apps.yaml")));
    assert_eq!((problem["line"].as_u64(), problem["column"].as_u64()), (Some(10), Some(3)));
    assert_eq!(
        (&problem["message"], &problem["hint"]),
        (&json!("unknown field `desiredCoutn`"), &json!("did you mean `desiredCount`?"))
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let root = good("several");
    spoil(&root, "apps.yaml", "desiredCount: 2", "desiredCoutn: 2");
    spoil(&root, "apps.yaml", "kind: HealthCheck", "kind: HealthChek");
    spoil(&root, "tables.yaml", "writtenAt: \"{updated_at}\"", "writtenat: \"{updated_at}\"");
    let reasons = [
        "unknown field `desiredCoutn`",
        "unknown kind `HealthChek`",
        "did you mean `HealthCheck`?",
        "unknown field `writtenat`",
        "did you mean `writtenAt`?",
    ];
    refused(root.path(), &reasons);
}

#[test]
fn aliases_that_multiply_are_refused_before_they_do() {
    let root = good("bomb");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let copies = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{copies}]\n"));
    }
    root.write("bomb.yaml", bomb);
    refused(root.path(), &["bomb.yaml:", "alias"]);
}

#[test]
fn one_bad_root_does_not_hide_the_errors_of_another() {
    let (one, other) = (good("root-one"), Scratch::new("root-other"));
    spoil(&one, "apps.yaml", "desiredCount: 2", "desiredCoutn: 2");
    other.write("extra.yaml", "apiVersion: moored.dev/v1\nkind: Ecs\n");
    let outcome = moored(["validate", "--desired-state", text(one.path()), "--desired-state", text(other.path())]);
    outcome.exits(1).complains(&["unknown field `desiredCoutn`", "unknown kind `Ecs`", "extra.yaml:2:7"]);
}

#[test]
fn explain_tells_kinds_and_fields_and_what_was_meant() {
    moored(["explain"]).exits(0).says(&KINDS);
    for kind in KINDS {
        moored(["explain", kind]).exits(0).says(&[kind, "metadata", "spec:"]);
    }
    moored(["explain", "EcsService.desiredCount"]).exits(0).says(&["EcsService.spec.desiredCount: ", "How many tasks"]);
    let typo = moored(["explain", "EcsService.desiredCoutn"]).exits(1).complains_in_one_line();
    typo.complains(&["has no field `desiredCoutn`", "did you mean `desiredCount`?"]);
    moored(["explain", "EcsServise"]).exits(1).complains(&["did you mean `EcsService`?"]);
}

#[test]
fn the_schema_is_json_and_names_every_kind() {
    let schema = moored(["schema"]).exits(0).json();
    // tests/schema.rs proves this very schema against the example.
    assert_eq!(schema, moored::manifest::schema::json_schema());
    let mut named: Vec<&str> =
        schema["properties"]["kind"]["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    named.sort_unstable();
    assert_eq!(named, KINDS);
    for kind in KINDS {
        assert!(schema["$defs"][kind]["description"].is_string(), "{kind} is not described");
    }
}

#[test]
fn the_example_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("desired-state");
    validate(&root).exits(0).says(&["valid: "]);
}

#[test]
fn expected_shows_what_is_declared_in_every_format_and_no_secret() {
    let platform = Platform::new("expected");
    let expected =
        |format: &str| platform.manifests_only(&["expected"], &["--format", format]).exits(0).hides(&SECRETS);
    expected("table").says(&[
        "ENVIRONMENT",
        "production",
        "staging",
        "EcsService",
        "worker",
        "apps.yaml:1",
        "tables.yaml:",
    ]);

    let rows = expected("json").json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 8);
    let api = rows.iter().find(|row| row["kind"] == "EcsService" && row["environment"] == "staging").unwrap();
    assert_eq!((&api["fields"]["desiredCount"], &api["vital"]), (&json!(1), &json!(true)));
    assert_eq!(api["scope"], "ecs_cluster/777788889999/eu-west-1/harbor");

    let edge = "\"production/EcsService/worker\" -> \"production/StateTable/deployments\" [label=\"tracked in\"];";
    let dot = expected("dot").says(&["digraph expected {", "label=\"production\"", edge]);
    assert_eq!(dot.stdout.matches('{').count(), dot.stdout.matches('}').count());
    assert_eq!(dot.stdout.matches('"').count() % 2, 0);
    expected("mermaid").says(&["flowchart LR\n", "subgraph production\n", "-->|tracked in|", "EcsService worker"]);

    let staging = platform.manifests_only(&["expected"], &["--environment", "staging"]).exits(0);
    assert!(!staging.stdout.contains("worker"), "{}", staging.stdout);
    assert!(platform.cloud.calls().is_empty());
}
