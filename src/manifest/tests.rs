//! Whole roots, from text to what is declared or refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::sync::Arc;

use super::load::{Parsed, Rejected};
use super::resolve::{Resolved, resolve};
use super::source::{Source, SourceFile};
use crate::core::desired::{Declared, Desired};
use crate::core::drift::Drift;
use crate::core::redact::Redactor;
use crate::core::value::Expect;

const ENVIRONMENTS: &str = r#"apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec: {class: production, aws: {accounts: {main: {account: "111122223333", regions: [eu-west-1]}}}}
---
apiVersion: moored.dev/v1
kind: Environment
metadata: {name: staging}
spec: {class: staging, aws: {accounts: {main: {account: "444455556666", regions: [eu-west-1]}}}}
"#;

const SERVICE: &str = r"apiVersion: moored.dev/v1
kind: EcsService
metadata:
  name: deployer-api
  environments: [staging, production]
  labels: {app: deployer, team: werkzeug}
policy: {vital: true}
spec:
  cluster: wonderland
  capacity: {min: 2, max: 6}
  taskDefinition: {containers: {api: {image: {repository: jimdo/deployer}, environment: {LOG_LEVEL: info}}}}
overrides:
  production: {capacity: {min: 3}}
";

fn root(name: &str, files: &[(&str, &str)]) -> Arc<Parsed> {
    let files = files.iter().map(|(path, text)| SourceFile { path: (*path).to_owned(), text: Arc::from(*text) });
    Arc::new(Parsed::of(&Source { root: PathBuf::from(name), files: files.collect(), digest: name.to_owned() }, None))
}

fn resolved(roots: &[Arc<Parsed>]) -> Resolved {
    resolve(roots, &Redactor::new(&[7; 32]), "2026-01-01T12:00:00Z".parse().unwrap())
}

/// The environments above and these documents, in one root.
fn with_environments(documents: &str) -> Resolved {
    resolved(&[root("apps", &[("apps.yaml", documents), ("environments.yaml", ENVIRONMENTS)])])
}

fn accepted(documents: &str) -> Desired {
    let resolved = with_environments(documents);
    assert!(resolved.rejected.is_empty(), "{}", resolved.rejected[0].render(false));
    resolved.desired
}

fn rejected(documents: &str) -> Rejected {
    let mut resolved = with_environments(documents);
    assert!(resolved.desired.resources.is_empty());
    assert_eq!(resolved.rejected.len(), 1, "it is accepted");
    resolved.rejected.remove(0)
}

/// `file:line:column: message` of each problem.
fn told(rejected: &Rejected) -> Vec<String> {
    let tell = |problem: &super::problem::Problem| {
        let place = problem.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
        format!("{}{place}: {}", problem.file, problem.message)
    };
    rejected.problems.iter().map(tell).collect()
}

fn hints(rejected: &Rejected) -> Vec<&str> {
    rejected.problems.iter().map(|problem| problem.hint.as_deref().expect("a hint")).collect()
}

fn record(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: moored.dev/v1\nkind: DnsRecord\nmetadata: {{name: {name}, environments: [production]}}\n\
         spec: {{zone: example.com, type: CNAME, value: x.example.net}}\n{rest}\n---\n"
    )
}

fn count(declared: &Declared) -> Option<&Expect> {
    declared.expects.iter().find(|(path, _)| path == "desiredCount").map(|(_, expect)| expect)
}

#[test]
fn one_manifest_is_declared_in_each_environment_and_an_override_changes_only_its_own() {
    let desired = accepted(SERVICE);
    let [production, staging] = desired.resources.as_slice() else { panic!("{:?}", desired.resources) };
    assert_eq!(count(production), Some(&Expect::Between(Some(3), Some(6))));
    assert_eq!(count(staging), Some(&Expect::Between(Some(2), Some(6))));
    assert_eq!(production.scope.to_string(), "ecs_cluster/111122223333/eu-west-1/wonderland");
    assert_eq!((&*production.application, production.team.as_deref()), ("deployer", Some("werkzeug")));
    assert_eq!((&*production.source.file, production.source.line), ("apps.yaml", 1));
    assert_ne!(production.digest, staging.digest);
    assert!(production.policy.vital);
    assert_eq!(desired.environments.len(), 2);
    assert!(desired.revisions[0].accepted);
}

#[test]
fn a_spec_may_be_completed_by_the_overrides_of_every_environment() {
    let manifest = SERVICE.replace("  cluster: wonderland\n", "");
    let only_one = manifest.replace("{capacity: {min: 3}}", "{cluster: a}");
    assert_eq!(told(&rejected(&only_one)), ["apps.yaml:9:3: missing field `cluster` in `spec`"]);
    accepted(&format!("{only_one}  staging: {{cluster: b}}\n"));
}

#[test]
fn the_digest_changes_with_what_is_declared_and_with_nothing_else() {
    let digest = |manifest: &str| accepted(manifest).resources[0].digest;
    let before = digest(SERVICE);
    assert_eq!(digest(&SERVICE.replace("cluster: wonderland", "cluster: \"wonderland\" # quoted")), before);
    assert_eq!(digest(&SERVICE.replace("{min: 2, max: 6}", "{max: 6, min: 2}")), before);
    assert_ne!(digest(&SERVICE.replace("max: 6", "max: 7")), before);
    // Policy is about moored: a new severity or runbook gives the thing no time to settle.
    assert_eq!(digest(&SERVICE.replace("vital: true", "vital: false")), before);
}

#[test]
fn an_unknown_field_has_line_column_and_hint_even_in_an_override() {
    let rejected = rejected(&SERVICE.replace("{capacity: {min: 3}}", "{capacity: {mni: 3}}"));
    assert_eq!(told(&rejected), ["apps.yaml:13:27: unknown field `mni`"]);
    assert_eq!(hints(&rejected), ["did you mean `min`?"]);
    let shown = rejected.render(false);
    assert!(
        shown.contains("--> apps/apps.yaml:13:27") && shown.contains("production: {capacity: {mni: 3}}"),
        "{shown}"
    );
}

#[test]
fn all_errors_of_all_documents_are_told_at_once() {
    let documents = record("a.example.com", "polic: {vital: true}")
        + "apiVersion: moored.dev/v1\nkind: DnsRecrod\n---\n"
        + &record("b.example.com", "policy: {settle: soon}\nstate: abesnt")
        + &record("c.example.org", "");
    let rejected = rejected(&documents);
    let messages: Vec<&str> = rejected.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "unknown field `polic`",
            "unknown kind `DnsRecrod`",
            "`soon` is no duration",
            "`state` cannot be `abesnt`",
            "the record `c.example.org` does not lie in the zone `example.com`",
        ]
    );
    assert_eq!(hints(&rejected).len(), 5);
}

#[test]
fn an_override_is_for_a_listed_environment_only() {
    let rejected = rejected(&SERVICE.replace("[staging, production]", "[staging]"));
    let message = "`overrides` names the environment `production`, which `metadata.environments` does not list";
    assert_eq!(told(&rejected), [format!("apps.yaml:13:3: {message}")]);
}

#[test]
fn what_is_declared_twice_is_told_with_both_places() {
    let twice = rejected(&(record("a.example.com", "") + &record("a.example.com", "")));
    assert_eq!(
        told(&twice),
        ["apps.yaml:9:18: DnsRecord `a.example.com` is declared twice: here and in apps/apps.yaml:3"]
    );
    let other = record("other", "").replace("{zone: example.com,", "{zone: example.com, name: a.example.com,");
    let object = rejected(&(record("a.example.com", "") + &other));
    assert!(told(&object)[0].starts_with("apps.yaml:9:18: one live object is declared twice: "), "{:?}", told(&object));
    assert!(told(&object)[0].ends_with(": here and in apps/apps.yaml:3"));
}

#[test]
fn environments_that_share_an_account_cannot_declare_one_object() {
    let environments = ENVIRONMENTS.replace("444455556666", "111122223333");
    let resolved = resolved(&[root("apps", &[("a.yaml", SERVICE), ("e.yaml", environments.as_str())])]);
    let problem = &told(&resolved.rejected[0])[0];
    assert!(
        problem.starts_with("a.yaml:4:9: the environments `staging` and `production` mean one live object"),
        "{problem}"
    );
}

#[test]
fn an_owner_is_a_resource_of_the_same_environment() {
    let owned = |owner: &str| record("a.example.com", &format!("ownedBy: {{kind: EcsService, name: {owner}}}"));
    let desired = accepted(&(owned("deployer-api") + SERVICE));
    let parent = desired.resources[0].owned_by.as_ref().unwrap();
    assert_eq!((parent.ask.kind, &*parent.name), ("EcsService", "deployer-api"));
    assert_eq!(parent.scope.to_string(), "ecs_cluster/111122223333/eu-west-1/wonderland");

    let rejected = rejected(&(owned("deployer-ap") + SERVICE));
    assert_eq!(
        told(&rejected),
        ["apps.yaml:5:35: `ownedBy` names EcsService `deployer-ap`, which `production` does not have"]
    );
    assert_eq!(hints(&rejected), ["did you mean `deployer-api`?"]);
}

#[test]
fn an_unquoted_account_gets_the_hint_to_quote_it_and_nothing_else_is_blamed() {
    let environments = ENVIRONMENTS.replace("\"111122223333\"", "111122223333");
    let resolved = resolved(&[root("apps", &[("a.yaml", SERVICE), ("e.yaml", environments.as_str())])]);
    assert_eq!(told(&resolved.rejected[0]), ["e.yaml:4:60: `account` must be text, not a number"]);
    assert_eq!(hints(&resolved.rejected[0]), ["quote it, so that it stays text"]);
}

#[test]
fn an_environment_that_no_root_declares_is_an_error() {
    let rejected = rejected(&record("a.example.com", "").replace("[production]", "[prodution]"));
    assert_eq!(told(&rejected), ["apps.yaml:3:48: no root declares the environment `prodution`"]);
    assert_eq!(hints(&rejected), ["did you mean `production`?"]);
}

#[test]
fn an_ignore_needs_an_owner_and_warns_when_it_ends_or_matches_nothing() {
    let ignore = |name: &str, fields: &str| {
        format!(
            "apiVersion: moored.dev/v1\nkind: Ignore\nmetadata: {{name: {name}, environments: [production]}}\n\
             spec: {{match: {{kind: DnsRecord, name: \"a.*\", drift: [changed]}}, reason: r, {fields}}}\n---\n"
        )
    };
    let without = ignore("weights", "until: 2026-12-31");
    assert_eq!(told(&rejected(&without)), ["apps.yaml:4:7: missing field `owner` in `spec`"]);

    let ignores = ignore("ended", "owner: o, until: 2025-12-31") + &ignore("lasting", "owner: o, until: 2026-01-01");
    let resolved = with_environments(&(ignores.clone() + &record("b.example.com", "")));
    let warnings: Vec<String> = resolved.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].starts_with("apps/apps.yaml:3:18: the Ignore `ended` of o ended with 2025-12-31"),
        "{warnings:?}"
    );
    assert!(warnings[1].contains("the Ignore `lasting` matches nothing in `production`"), "{warnings:?}");

    let matched = with_environments(&(ignores + &record("a.example.com", "")));
    assert_eq!(matched.warnings.len(), 1, "{:?}", matched.warnings);
    assert_eq!(matched.desired.ignores[0].drifts, [Drift::Changed]);
}

#[test]
fn environments_of_different_class_on_one_account_are_warned_of() {
    let environments = ENVIRONMENTS.replace("444455556666", "111122223333");
    let resolved = resolved(&[root("apps", &[("e.yaml", environments.as_str())])]);
    assert!(resolved.rejected.is_empty());
    let warning = resolved.warnings[0].to_string();
    assert!(warning.starts_with("apps/e.yaml:9:"), "{warning}");
    assert!(
        warning.contains("account 111122223333 serves `staging` (staging) and `production` (production)"),
        "{warning}"
    );
}

#[test]
fn a_root_fails_alone() {
    let environments = root("environments", &[("e.yaml", ENVIRONMENTS)]);
    let good = root("good", &[("a.yaml", SERVICE)]);
    let bad = root("bad", &[("a.yaml", record("a.example.com", "nonsense: 1").as_str())]);
    let resolved = resolved(&[environments, good, bad]);
    assert_eq!(resolved.rejected.iter().map(|root| &*root.root).collect::<Vec<_>>(), ["bad"]);
    assert_eq!(resolved.desired.resources.len(), 2);
    assert_eq!(resolved.desired.revisions.len(), 2);
}

#[test]
fn a_root_falls_with_the_root_it_needs() {
    let environments = root("environments", &[("e.yaml", ENVIRONMENTS.replace("[eu-west-1]", "[eu-wst-1]").as_str())]);
    let apps = root("apps", &[("a.yaml", record("a.example.com", "").as_str())]);
    let resolved = resolved(&[environments, apps]);
    assert_eq!(resolved.rejected.len(), 2);
    assert_eq!(
        told(&resolved.rejected[1]),
        ["a.yaml:3:48: the environment `production` is declared in environments, which was rejected"]
    );
}

#[test]
fn two_roots_that_declare_one_thing_are_both_rejected() {
    let environments = root("environments", &[("e.yaml", ENVIRONMENTS)]);
    let one = root("one", &[("a.yaml", SERVICE)]);
    let other = root("other", &[("b.yaml", SERVICE)]);
    let resolved = resolved(&[environments, one, other]);
    assert_eq!(
        resolved.rejected.iter().flat_map(told).collect::<Vec<_>>(),
        [
            "a.yaml:4:9: EcsService `deployer-api` is declared twice: here and in other/b.yaml:4",
            "b.yaml:4:9: EcsService `deployer-api` is declared twice: here and in one/a.yaml:4",
        ]
    );
    assert_eq!(resolved.desired.environments.len(), 2);
}

#[test]
fn what_an_unreadable_file_declares_is_not_called_dangling() {
    let resolved = resolved(&[root("apps", &[("a.yaml", SERVICE), ("e.yaml", "kind: [\n")])]);
    let files: Vec<&str> = resolved.rejected[0].problems.iter().map(|problem| problem.file.as_str()).collect();
    assert_eq!(files, ["e.yaml"]);
}

#[test]
fn a_wrong_shape_hides_nothing_that_can_be_told_without_the_spec() {
    let broken = |name: &str, policy: &str| {
        format!(
            "apiVersion: moored.dev/v1\nkind: DnsRecord\nmetadata: {{name: {name}, environments: [production, stagin]}}\n\
             spec: {{nonsense: 1}}\npolicy: {policy}\nownedBy: {{kind: EcsService, name: deployer-ap}}\n\
             overrides: {{prodution: {{weight: 1}}}}\n---\n"
        )
    };
    let documents = record("a.example.com", "") + &broken("a.example.com", "{vitel: true}") + SERVICE;
    let rejected = rejected(&documents);
    let messages: Vec<&str> = rejected.problems.iter().map(|problem| problem.message.as_str()).collect();
    for told in [
        "unknown field `nonsense`",
        "unknown field `vitel`",
        "no root declares the environment `stagin`",
        "`overrides` names the environment `prodution`, which `metadata.environments` does not list",
        "DnsRecord `a.example.com` is declared twice: here and in apps/apps.yaml:3",
        "`ownedBy` names EcsService `deployer-ap`, which `production` does not have",
    ] {
        assert!(messages.contains(&told), "{told}: {messages:?}");
    }
    let hints = hints(&rejected);
    for hint in ["did you mean `staging`?", "did you mean `production`?", "did you mean `deployer-api`?"] {
        assert!(hints.contains(&hint), "{hint}: {hints:?}");
    }
}

#[test]
fn a_bad_metadata_hides_no_undeclared_environment() {
    let rejected = rejected(&record("a.example.com", "").replace("[production]}", "[prodution], lables: {}}"));
    assert_eq!(
        told(&rejected),
        ["apps.yaml:3:48: no root declares the environment `prodution`", "apps.yaml:3:60: unknown field `lables`",]
    );
}

#[test]
fn every_problem_of_a_spec_points_at_what_was_written() {
    let image = SERVICE.replace("{repository: jimdo/deployer}", "{repository: jimdo/deployer:5@sha256:abc}");
    let image = rejected(&image);
    assert_eq!(told(&image), ["apps.yaml:11:59: `jimdo/deployer:5@sha256:abc` names no image"]);
    assert_eq!(hints(&image), ["the tag goes to `tag`, the digest to `digest`"]);

    let named = rejected(&record("a.example.org", ""));
    assert!(
        told(&named)[0].starts_with("apps.yaml:3:18: the record `a.example.org` does not lie"),
        "{:?}",
        told(&named)
    );

    let values = record("a.example.com", "").replace("CNAME, value: x.example.net", "A, values: [192.0.2.1, x, y]");
    let values = rejected(&values);
    let columns: Vec<u32> = values.problems.iter().map(|problem| problem.place.unwrap().column).collect();
    assert_eq!(columns, [56, 59], "{:?}", told(&values));
}

#[test]
fn a_table_is_neither_declared_gone_nor_owned() {
    let table = "apiVersion: moored.dev/v1\nkind: StateTable\nmetadata: {name: deployments, environments: [production]}\n\
                 spec: {table: deployments, key: {partition: service}, parent: {kind: EcsService, cluster: a, name: \"{service}\"}}\n";
    accepted(table);
    let rejected =
        rejected(&format!("{table}state: absent\nownedBy: {{kind: EcsService, name: deployer-api}}\n---\n{SERVICE}"));
    assert_eq!(
        told(&rejected),
        [
            "apps.yaml:5:8: a table is never declared gone: its items are",
            "apps.yaml:6:1: a table is never owned: its items are",
        ]
    );
}

#[test]
fn owners_in_a_circle_are_all_told() {
    let owned = |name: &str, owner: &str| record(name, &format!("ownedBy: {{kind: DnsRecord, name: {owner}}}"));
    let documents = owned("a.example.com", "b.example.com")
        + &owned("b.example.com", "c.example.com")
        + &owned("c.example.com", "a.example.com")
        + &owned("d.example.com", "a.example.com");
    let told = told(&rejected(&documents));
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[1].ends_with(
            "in a circle: DnsRecord `b.example.com` → DnsRecord `c.example.com` → DnsRecord `a.example.com` → \
             DnsRecord `b.example.com`"
        ),
        "{told:?}"
    );
}
