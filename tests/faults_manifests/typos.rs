//! F29: a typo in what protects, or in a kind, is never ignored: the revision is refused whole, with
//! what was probably meant, and what was in force stays so.

use jiff::Timestamp;
use moored::core::redact::Redactor;
use moored::engine::roots::Roots;

use crate::common::Scratch;
use crate::common::platform::manifests;

const IGNORE: &str = r#"apiVersion: moored.dev/v1
kind: Ignore
metadata: {name: quiet, environments: [production]}
spec:
  match: {kind: DnsRecord, name: "*.example.com", drift: [changed], path: /ttl}
  reason: shifted by the pipeline
  owner: platform
  until: 2099-12-31
"#;

const LEFTOVER: &str = r#"apiVersion: moored.dev/v1
kind: LoadBalancer
metadata: {name: old, environments: [production], annotations: {moored.dev/reviewed: "false"}}
policy: {severity: critical, settle: 20m}
ownedBy: {kind: EcsService, name: worker}
state: absent
spec: {type: application}
"#;

/// File, what is written there, the typo, and what moored says of it.
const TYPOS: [(&str, &str, &str, &str); 32] = [
    ("apps.yaml", "vital: true", "vitel: true", "did you mean `vital`?"),
    ("apps.yaml", "policy: {vital", "polcy: {vital", "did you mean `policy`?"),
    ("apps.yaml", "kind: HealthCheck", "kind: HealthChek", "did you mean `HealthCheck`?"),
    ("apps.yaml", "kind: DnsRecord", "kind: Record", "unknown kind `Record`"),
    ("apps.yaml", "moored.dev/v1", "moored.dev/v2", "did you mean `moored.dev/v1`?"),
    (
        "apps.yaml",
        "environments: [production, staging]",
        "enviroments: [production, staging]",
        "did you mean `environments`?",
    ),
    (
        "apps.yaml",
        "environments: [production, staging]",
        "environments: [productoin, staging]",
        "did you mean `production`?",
    ),
    ("apps.yaml", "staging: {desiredCount", "stagin: {desiredCount", "did you mean `staging`?"),
    ("apps.yaml", "account: dns", "acount: dns", "did you mean `account`?"),
    ("tables.yaml", "whenParentGone", "whenParentGon", "did you mean `whenParentGone`?"),
    ("tables.yaml", "whenParentGone: prune", "whenParentGone: prun", "did you mean `prune`?"),
    ("tables.yaml", "writtenAt", "writenAt", "did you mean `writtenAt`?"),
    ("tables.yaml", "optional: true", "optionl: true", "did you mean `optional`?"),
    ("environments.yaml", "kind: Environment", "kind: Enviroment", "did you mean `Environment`?"),
    ("environments.yaml", "class: production", "class: producton", "did you mean `production`?"),
    ("environments.yaml", "observeRole", "observeRol", "did you mean `observeRole`?"),
    ("environments.yaml", "visible", "visble", "did you mean `visible`?"),
    ("environments.yaml", "budgets", "budget", "did you mean `budgets`?"),
    ("ignores.yaml", "until", "untill", "did you mean `until`?"),
    ("ignores.yaml", "match:", "mach:", "did you mean `match`?"),
    ("ignores.yaml", "kind: DnsRecord", "kind: DnsRecrd", "did you mean `DnsRecord`?"),
    ("ignores.yaml", "[changed]", "[chnged]", "did you mean `changed`?"),
    ("ignores.yaml", "path: /ttl", "paht: /ttl", "did you mean `path`?"),
    ("leftovers.yaml", "severity", "severty", "did you mean `severity`?"),
    ("leftovers.yaml", "severity: critical", "severity: critcal", "did you mean `critical`?"),
    ("leftovers.yaml", "settle", "setle", "did you mean `settle`?"),
    ("leftovers.yaml", "settle: 20m", "settle: 20mm", "`20mm` is no duration"),
    ("leftovers.yaml", "ownedBy", "ownedby", "did you mean `ownedBy`?"),
    ("leftovers.yaml", "kind: EcsService", "kind: EcsServise", "did you mean `EcsService`?"),
    ("leftovers.yaml", "state: absent", "stat: absent", "did you mean `state`?"),
    ("leftovers.yaml", "state: absent", "state: absnt", "did you mean `absent`?"),
    ("leftovers.yaml", "moored.dev/reviewed", "moored.dev/reviewd", "unknown annotation"),
];

#[test]
fn f29_a_typo_in_a_protective_field_or_a_kind_rejects_the_revision_and_changes_nothing() {
    let root = Scratch::new("typos");
    let files: Vec<(&str, String)> = manifests()
        .into_iter()
        .chain([("ignores.yaml", IGNORE.to_owned()), ("leftovers.yaml", LEFTOVER.to_owned())])
        .collect();
    for (file, content) in &files {
        root.write(file, content);
    }
    let (redactor, now): (Redactor, Timestamp) = (Redactor::new(&[7; 32]), "2026-11-20T10:00:00Z".parse().unwrap());
    let mut roots = Roots::new(vec![root.path().to_owned()]);
    let good = roots.load(&redactor, now);
    assert!(good.rejected.is_empty(), "{}", good.rejected[0].render(false));
    let good = good.desired.unwrap();
    assert!(!good.resources.is_empty() && !good.tables.is_empty() && !good.ignores.is_empty());

    for (file, right, wrong, says) in TYPOS {
        let (_, content) = files.iter().find(|(name, _)| *name == file).unwrap();
        assert!(content.contains(right), "{file} lacks `{right}`");
        root.write(file, content.replacen(right, wrong, 1));
        let loaded = roots.load(&redactor, now);
        assert_eq!(loaded.rejected.len(), 1, "`{wrong}` is accepted");
        let told = loaded.rejected[0].render(false);
        assert!(told.contains(says), "`{wrong}`:\n{told}");
        assert!(told.contains(&format!("{file}:")), "`{wrong}` is not told with its place:\n{told}");
        let desired = loaded.desired.expect("what was in force stays so");
        assert_eq!(
            (&desired.resources, &desired.tables, &desired.ignores, &desired.environments),
            (&good.resources, &good.tables, &good.ignores, &good.environments),
            "`{wrong}` changed what is in force"
        );
        root.write(file, content);
    }
    let loaded = roots.load(&redactor, now);
    assert!(loaded.rejected.is_empty() && roots.status()[0].success, "without typos it is good again");
}
