//! `moored check`: what is drift, what the exit code says of it, and what a person reads.

use moored::sim::world::Service;
use serde_json::{Value, json};

use crate::common::platform::{CLUSTER, MAIN, Platform, STAGING};

/// `drift Kind name` of every finding.
fn findings(report: &Value) -> Vec<String> {
    let told = |finding: &Value| {
        let word = |name: &str| finding[name].as_str().unwrap().to_owned();
        format!("{} {} {}", word("drift"), word("kind"), word("name"))
    };
    let mut found: Vec<String> = report["findings"].as_array().unwrap().iter().map(told).collect();
    found.sort();
    found
}

#[test]
fn a_platform_in_sync_exits_0_and_says_so() {
    let platform = Platform::new("in-sync");
    platform.check(&[]).exits(0).says(&["production  in_sync", "staging  in_sync", " 0 drifted", " 0 unknown"]);
    let (code, report) = platform.report(&[]);
    assert_eq!((code, findings(&report)), (0, vec![]));
    let summary = &report["summary"];
    assert!(summary["resources"].as_u64().unwrap() >= 8, "{summary}");
    assert_eq!(summary["inSync"], summary["resources"]);
    assert_eq!(summary["unchecked"], 0);
}

#[test]
fn a_changed_count_exits_2_and_names_the_field_both_values_and_the_line() {
    let platform = Platform::new("changed");
    platform.run_tasks(MAIN, "api", 1);
    let texts =
        ["production: EcsService api", "changed", "desiredCount: declared 2, live 1", "apps.yaml:1", "runbooks/api"];
    platform.check(&[]).exits(2).says(&texts).says(&["production  drifted", " 1 drifted"]);
    let (code, report) = platform.report(&[]);
    assert_eq!((code, findings(&report)), (2, vec!["changed EcsService api".to_owned()]));
    let finding = &report["findings"][0];
    assert_eq!(finding["fields"], json!([{ "path": "desiredCount", "desired": 2, "live": 1 }]));
    assert_eq!(finding["source"], json!({ "file": "apps.yaml", "line": 1 }));
    assert_eq!((&finding["severity"], &finding["held"]), (&json!("warning"), &json!(false)));
}

#[test]
fn a_deleted_service_and_its_leftovers_are_one_group_with_one_root() {
    let platform = Platform::new("orphans");
    platform.delete_worker();
    let (code, report) = platform.report(&[]);
    assert_eq!(code, 2);
    let found = findings(&report);
    assert_eq!(found.len(), 5, "{found:?}");
    for expected in [
        "missing EcsService worker",
        "orphaned DnsRecord worker.example.com CNAME",
        "orphaned LoadBalancer worker",
        "orphaned TableItem deployments/service=worker",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected}: {found:?}");
    }
    assert!(found.iter().any(|found| found.starts_with("orphaned HealthCheck ")), "{found:?}");
    for finding in report["findings"].as_array().unwrap() {
        let root = json!({ "kind": "EcsService", "name": "worker" });
        assert_eq!((&finding["group"]["root"], &finding["group"]["size"]), (&root, &json!(5)), "{finding}");
        assert_eq!(
            (&finding["application"], &finding["severity"]),
            (&json!("worker"), &json!("critical")),
            "{finding}"
        );
    }
    let missing = report["findings"].as_array().unwrap().iter().find(|finding| finding["drift"] == "missing").unwrap();
    assert_eq!(missing["id"], "arn:aws:ecs:eu-west-1:111122223333:service/harbor/worker");
    assert_eq!(missing["redeploy"], "make deploy SERVICE=worker");
    let worker = report["applications"].as_array().unwrap().iter().find(|view| view["name"] == "worker").unwrap();
    assert_eq!((&worker["verdict"], &worker["missing"]), (&json!("down"), &json!(["EcsService/worker"])));
    let production =
        report["environments"].as_array().unwrap().iter().find(|view| view["name"] == "production").unwrap();
    assert_eq!(production["verdict"], "partial", "applications never take an environment down");

    platform.check(&[]).exits(2).says(&[
        "production: EcsService worker",
        "5 finding(s)",
        "worker  down",
        "redeploy: make deploy SERVICE=worker",
    ]);
}

#[test]
fn a_rollout_under_way_is_converging_and_no_drift() {
    let platform = Platform::new("rollout");
    let input = json!({ "cluster": CLUSTER, "service": "api", "forceNewDeployment": true });
    platform.act(MAIN, Service::Ecs, "UpdateService", input);
    platform.check(&[]).exits(0).says(&["Converging", "EcsService"]);
    let (_, report) = platform.report(&[]);
    assert_eq!((findings(&report), &report["converging"][0]["name"]), (vec![], &json!("api")));
}

const IGNORE: &str = "apiVersion: moored.dev/v1
kind: Ignore
metadata: {name: short-ttl, environments: [production]}
spec: {match: {kind: DnsRecord, name: api, drift: [changed], path: /ttl}, reason: migration, owner: werkzeug, until: 2199-12-31}
";

#[test]
fn an_ignored_finding_is_shown_and_exits_0() {
    let platform = Platform::new("ignored");
    platform.set_ttl(300);
    let (code, report) = platform.report(&[]);
    assert_eq!((code, findings(&report)), (2, vec!["changed DnsRecord api".to_owned()]));
    platform.append("apps.yaml", IGNORE);
    platform.check(&[]).exits(0).says(&["Ignored", "short-ttl", "migration"]);
    let (_, report) = platform.report(&[]);
    assert_eq!((findings(&report), &report["ignored"][0]["by"]), (vec![], &json!("short-ttl")));
}

#[test]
fn fail_on_leaves_milder_findings_out_of_the_exit_code_but_not_out_of_the_report() {
    let platform = Platform::new("fail-on");
    platform.run_tasks(STAGING, "api", 3);
    for (severity, code) in [("info", 2), ("warning", 2), ("critical", 0)] {
        platform.check(&["--fail-on", severity]).exits(code).says(&["declared 1, live 3"]);
    }
}

#[test]
fn filters_narrow_what_is_shown_and_an_environment_what_is_read() {
    let platform = Platform::new("filters");
    platform.run_tasks(STAGING, "api", 3);
    for (filter, code) in [
        (["--environment", "production"], 0),
        (["--environment", "staging"], 2),
        (["-l", "app=api"], 2),
        (["-l", "app=worker"], 0),
        (["-l", "team=werkzeug"], 2),
        (["--kind", "EcsService"], 2),
        (["--kind", "dnsrecord"], 0),
        (["--name", "a?i"], 2),
        (["--name", "worker*"], 0),
    ] {
        let (exited, report) = platform.report(&filter);
        assert_eq!((exited, findings(&report).len()), (code, usize::from(code == 2)), "{filter:?}: {report}");
    }
    platform.forget_tables();
    platform.cloud.reset_calls();
    platform.check(&["--environment", "staging"]).exits(2);
    let asked = platform.cloud.calls();
    assert!(!asked.is_empty() && asked.iter().all(|call| call.account == STAGING), "{asked:?}");
}

#[test]
fn a_check_in_sync_takes_no_more_calls_than_pages() {
    let platform = Platform::new("calls");
    platform.cloud.reset_calls();
    platform.check(&[]).exits(0);
    let count = |service, operation| platform.cloud.count(service, operation);
    // One cluster each for production and staging; both services of production fit in one call.
    assert_eq!((count(Service::Ecs, "DescribeClusters"), count(Service::Ecs, "DescribeServices")), (2, 2));
    assert_eq!(count(Service::Ecs, "ListServices"), 0, "all that is named is ACTIVE, so no list is needed");
    assert_eq!((count(Service::Route53, "ListResourceRecordSets"), count(Service::Route53, "GetHostedZone")), (1, 1));
    assert_eq!((count(Service::DynamoDb, "Scan"), count(Service::DynamoDb, "BatchGetItem")), (1, 1));
    assert_eq!(count(Service::Sts, "GetCallerIdentity"), 3, "once an account");
}

#[test]
fn nothing_that_check_sends_can_change_anything() {
    let platform = Platform::new("reads");
    platform.delete_worker();
    platform.run_tasks(MAIN, "api", 1);
    platform.cloud.reset_calls();
    platform.check(&[]).exits(2);
    let harmless = ["Describe", "List", "Get", "BatchGet", "Scan", "AssumeRole"];
    for call in platform.cloud.calls() {
        assert!(harmless.iter().any(|verb| call.operation.starts_with(verb)), "{call:?}");
        assert_eq!(call.outcome, "ok", "{call:?}");
    }
}

#[test]
fn a_filter_that_matches_nothing_is_no_good_news() {
    let platform = Platform::new("nothing");
    for filter in [["-l", "app=ipa"], ["--name", "zzz*"], ["-l", "team=nobody"]] {
        platform.moored("check", &filter).exits(1).complains(&["nothing that is declared or found matches"]);
    }
    let (_, named) = platform.report(&["--kind", "EcsService", "--name", "api", "--environment", "production"]);
    assert_eq!(named["summary"]["resources"], 1, "{}", named["summary"]);
    assert_eq!(named["applications"].as_array().unwrap().len(), 1, "{}", named["applications"]);
}
