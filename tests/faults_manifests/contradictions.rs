//! F27: manifests that contradict each other. Neither is meant more than the other: the error names
//! both, and a revision that was in force stays so.

use crate::common::platform::manifests;
use crate::common::{Scratch, moored, text};

fn good(name: &str) -> Scratch {
    let root = Scratch::new(name);
    for (file, content) in manifests() {
        root.write(file, content);
    }
    root
}

fn record(name: &str, zone: &str, host: &str, kind: &str) -> String {
    format!(
        "apiVersion: moored.dev/v1\nkind: DnsRecord\nmetadata: {{name: {name}, environments: [production]}}\n\
         spec: {{account: dns, zone: {zone}, name: {host}, type: {kind}, ttl: 60, value: other.example.net}}\n"
    )
}

/// Refused, with both places and every one of these texts.
#[track_caller]
fn contradicts(extra: &str, reasons: &[&str], places: [&str; 2]) {
    let root = good("twins");
    root.write("extra.yaml", extra);
    let outcome = moored(["validate", "--desired-state", text(root.path())]).exits(1);
    outcome.complains(reasons).complains(&places).complains(&["help: "]);
}

#[test]
fn f27_one_name_declared_twice_names_both() {
    let twin = "apiVersion: moored.dev/v1\nkind: EcsService\nmetadata: {name: worker, environments: [production]}\n\
                spec: {cluster: elsewhere, desiredCount: 1}\n";
    contradicts(twin, &["EcsService `worker` is declared twice"], ["apps.yaml:", "extra.yaml:3"]);
    let environment = "apiVersion: moored.dev/v1\nkind: Environment\nmetadata: {name: staging}\n\
                       spec: {class: staging, aws: {accounts: {main: {account: \"999900001111\", regions: [eu-west-1]}}}}\n";
    contradicts(environment, &["Environment `staging` is declared twice"], ["environments.yaml:", "extra.yaml:3"]);
}

#[test]
fn f27_one_live_object_declared_twice_under_two_names_names_both() {
    let service = "apiVersion: moored.dev/v1\nkind: EcsService\nmetadata: {name: other, environments: [production]}\n\
                   spec: {cluster: harbor, serviceName: worker, desiredCount: 1}\n";
    let item = "apiVersion: moored.dev/v1\nkind: TableItem\nmetadata: {name: other, environments: [production]}\n\
                spec: {table: settings, key: {setting: release}, attributes: {channel: edge}}\n";
    let table = "apiVersion: moored.dev/v1\nkind: StateTable\nmetadata: {name: other, environments: [production]}\n\
                 spec:\n  table: deployments\n  key: {partition: service}\n\
                 \x20 parent: {kind: EcsService, cluster: harbor, name: \"{service}\"}\n";
    for (twin, file) in [(service, "apps.yaml:"), (item, "tables.yaml:"), (table, "tables.yaml:")] {
        contradicts(twin, &["one live object is declared twice: ", "keep one of the two"], [file, "extra.yaml:3"]);
    }
}

#[test]
fn f27_dns_names_that_differ_in_case_dots_or_escapes_are_one_object() {
    for (zone, host) in [
        ("example.com", "api.example.com"),
        ("Example.COM", "API.example.com"),
        ("example.com.", "api.example.com."),
        ("EXAMPLE.com.", "aPi.EXAMPLE.com."),
        ("example.com", "'\\141pi.example.com'"),
    ] {
        let reasons = ["one live object is declared twice: example.com/api.example.com/CNAME/"];
        contradicts(&record("twin", zone, host, "CNAME"), &reasons, ["apps.yaml:", "extra.yaml:3"]);
    }
    // Two spellings within one file: neither is the first.
    let wildcards = format!(
        "{}---\n{}",
        record("one", "example.com", "'*.example.com'", "CNAME"),
        record("two", "example.com", "'\\052.EXAMPLE.com.'", "CNAME")
    );
    let reasons = ["declared twice: example.com/*.example.com/CNAME/"];
    contradicts(&wildcards, &reasons, ["extra.yaml:3", "extra.yaml:8"]);
}

#[test]
fn f27_another_name_beside_it_is_no_contradiction() {
    let root = good("no-twins");
    root.write("extra.yaml", record("other", "example.com", "other.example.com", "CNAME"));
    moored(["validate", "--desired-state", text(root.path())]).exits(0);
}

#[test]
fn f27_a_key_given_twice_names_both_places() {
    for (twice, lines) in [
        ("apiVersion: moored.dev/v1\nkind: EcsService\nkind: DnsRecord\n", ["line 2, column 1", "extra.yaml:3:1"]),
        ("spec:\n  cluster: a\n  desiredCount: 1\n  cluster: b\n", ["line 2, column 3", "extra.yaml:4:3"]),
        ("spec: {cluster: a, \"cluster\": b}\n", ["line 1, column 8", "extra.yaml:1:20"]),
        ("policy: {vital: true, vital: false}\n", ["line 1, column 10", "extra.yaml:1:23"]),
    ] {
        contradicts(twice, &["is given twice: here and in", "keep one of the two"], lines);
    }
}

#[test]
fn f27_two_roots_that_declare_one_object_both_name_the_other() {
    let (root, other) = (good("twins-one"), Scratch::new("twins-other"));
    other.write("dns.yaml", record("twin", "Example.com", "API.example.com.", "CNAME"));
    let roots = ["validate", "--desired-state", text(root.path()), "--desired-state", text(other.path())];
    let outcome = moored(roots).exits(1).complains(&["one live object is declared twice"]);
    let (theirs, ours) = (other.file("dns.yaml:3"), root.file("apps.yaml:"));
    outcome.complains(&[&format!("here and in {}", text(&theirs)), &format!("here and in {}", text(&ours))]);
}
