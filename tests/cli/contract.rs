//! The JSON report, field by field as the design's section 6 promises it to scripts.

use moored::sim::world::Service;
use moored::sim::world::faults::Effect;
use serde_json::{Value, json};

use crate::common::platform::{CLUSTER, MAIN, Platform, SCOPES, STAGING};

const TEXT: &str = "text";
const TIME: &str = "time";
const FLAG: &str = "flag";
const NUMBER: &str = "number";
const NOTHING: &str = "nothing";
const LIST: &str = "list";
const MAP: &str = "map";
const MAYBE_TEXT: &str = "text or null";
const MAYBE_TIME: &str = "time or null";
const MAYBE_MAP: &str = "map or null";
const ANYTHING: &str = "anything";

/// Every one of these fields is there, and of its type.
#[track_caller]
fn has(value: &Value, what: &str, fields: &[(&str, &str)]) {
    assert!(value.is_object(), "{what} is no map: {value}");
    for (name, expected) in fields {
        let Some(field) = value.get(*name) else { panic!("{what} lacks `{name}`: {value}") };
        let is_time = || field.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok());
        let fits = match *expected {
            TEXT => field.is_string(),
            TIME => is_time(),
            FLAG => field.is_boolean(),
            NUMBER => field.is_number(),
            NOTHING => field.is_null(),
            LIST => field.is_array(),
            MAP => field.is_object(),
            MAYBE_TEXT => field.is_string() || field.is_null(),
            MAYBE_TIME => is_time() || field.is_null(),
            MAYBE_MAP => field.is_object() || field.is_null(),
            ANYTHING => true,
            other => panic!("{other} is no type"),
        };
        assert!(fits, "{what}: `{name}` is no {expected}: {field}");
    }
}

/// A list of the report that is not empty here: every entry is to have these fields.
#[track_caller]
fn each(report: &Value, list: &str, fields: &[(&str, &str)]) -> Vec<Value> {
    let entries = report[list].as_array().unwrap_or_else(|| panic!("{list} is no list: {report}"));
    assert!(!entries.is_empty(), "{list} has no entry to look at: {report}");
    for entry in entries {
        has(entry, list, fields);
    }
    entries.clone()
}

const FINDING: &[(&str, &str)] = &[
    ("id", TEXT),
    ("environment", TEXT),
    ("kind", TEXT),
    ("name", TEXT),
    ("scope", TEXT),
    ("drift", TEXT),
    ("severity", TEXT),
    ("application", TEXT),
    ("message", TEXT),
    ("held", FLAG),
    ("fields", LIST),
    ("group", MAP),
    ("since", TIME),
    ("attribution", MAYBE_MAP),
    ("source", MAYBE_MAP),
];

const IGNORE: &str = "apiVersion: moored.dev/v1
kind: Ignore
metadata: {name: short-ttl, environments: [production]}
spec: {match: {kind: DnsRecord, name: api}, reason: migration, owner: werkzeug, until: 2199-12-31}
";

/// Something of everything: drift, leftovers, what is ignored, under way and unknown.
fn mixed() -> Platform {
    let platform = Platform::new("contract");
    platform.run_tasks(STAGING, "api", 3);
    platform.delete_worker();
    platform.set_ttl(300);
    platform.append("apps.yaml", IGNORE);
    let rollout = json!({ "cluster": CLUSTER, "service": "api", "forceNewDeployment": true });
    platform.act(MAIN, Service::Ecs, "UpdateService", rollout);
    platform.fault(Service::DynamoDb, Some("BatchGetItem"), Effect::Denied);
    platform
}

#[test]
fn the_json_report_has_every_field_that_the_design_promises() {
    let (code, report) = mixed().report(&[]);
    assert_eq!(code, 2, "proven drift counts more than what could not be read: {report}");
    assert_eq!((&report["apiVersion"], &report["kind"]), (&json!("moored.dev/v1"), &json!("DriftReport")));
    has(&report, "the report", &[("startedAt", TIME), ("finishedAt", TIME), ("summary", MAP)]);

    each(
        &report,
        "revisions",
        &[("root", TEXT), ("digest", TEXT), ("commit", MAYBE_TEXT), ("dirty", FLAG), ("accepted", FLAG)],
    );
    for environment in
        each(&report, "environments", &[("name", TEXT), ("class", TEXT), ("verdict", TEXT), ("identity", LIST)])
    {
        each(&environment, "identity", &[("account", TEXT), ("state", TEXT)]);
    }
    each(&report, "applications", &[("environment", TEXT), ("name", TEXT), ("verdict", TEXT), ("missing", LIST)]);
    let scope = [
        ("scope", TEXT),
        ("environments", LIST),
        ("complete", FLAG),
        ("observedAt", MAYBE_TIME),
        // A single pass has no next reading, and so no bound; the daemon's report has a number.
        ("boundSeconds", NOTHING),
        ("apiCalls", NUMBER),
        ("error", MAYBE_TEXT),
    ];
    let scopes = each(&report, "scopes", &scope);
    assert_eq!(scopes.iter().map(|scope| scope["scope"].as_str().unwrap()).collect::<Vec<_>>(), SCOPES);

    let findings = each(&report, "findings", FINDING);
    for finding in &findings {
        has(&finding["group"], "a group", &[("id", TEXT), ("root", MAP), ("size", NUMBER)]);
        has(&finding["group"]["root"], "a root", &[("kind", TEXT), ("name", TEXT)]);
        has(&finding["source"], "a source", &[("file", TEXT), ("line", NUMBER)]);
        for field in finding["fields"].as_array().unwrap() {
            has(field, "a field", &[("path", TEXT), ("desired", ANYTHING), ("live", ANYTHING)]);
        }
    }
    assert!(findings.iter().any(|finding| !finding["fields"].as_array().unwrap().is_empty()));
    assert_eq!(findings[0]["severity"], "critical", "the worst comes first");

    let common = [("environment", TEXT), ("kind", TEXT), ("name", TEXT), ("scope", TEXT)];
    each(&report, "converging", &[&common[..], &[("until", TIME), ("message", TEXT)][..]].concat());
    each(&report, "ignored", &[FINDING, &[("by", TEXT), ("reason", TEXT), ("until", TIME)][..]].concat());
    let unknown = each(&report, "unknown", &[&common[..], &[("reason", TEXT), ("detail", TEXT)][..]].concat());
    assert!(unknown.iter().all(|entry| entry["reason"] == "denied"), "{unknown:?}");
}

#[test]
fn the_summary_adds_up() {
    let (_, report) = mixed().report(&[]);
    let summary = &report["summary"];
    let names = ["inSync", "drifted", "converging", "unknown", "ignored"];
    has(summary, "the summary", &[("resources", NUMBER), ("unchecked", NUMBER)]);
    let counts: Vec<u64> = names.iter().map(|name| summary[*name].as_u64().unwrap()).collect();
    assert_eq!(counts.iter().sum::<u64>(), summary["resources"].as_u64().unwrap(), "{summary}");
    assert!(counts.iter().all(|count| *count > 0), "{summary}");
}

#[test]
fn ids_are_physical_and_the_same_in_every_run() {
    let platform = mixed();
    let ids = || {
        let (_, report) = platform.report(&[]);
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = ids();
    assert!(first.contains(&format!("arn:aws:ecs:eu-west-1:{STAGING}:service/harbor/api")), "{first:?}");
    assert_eq!(first, ids());
}
