//! Bad days: what cannot be read, or is not the declared cloud, still gives a report that says why,
//! scope by scope; it is never called drift, and never in sync.

use std::net::TcpListener;

use moored::sim::world::Service;
use moored::sim::world::faults::Effect;
use serde_json::{Value, json};

use crate::common::Outcome;
use crate::common::platform::{DNS, MAIN, Platform, SCOPES, STAGING, STRANGER};

/// Why a scope could not be read.
fn error(report: &Value, scope: &str) -> Option<String> {
    let scopes = report["scopes"].as_array().unwrap();
    let found =
        scopes.iter().find(|view| view["scope"] == scope).unwrap_or_else(|| panic!("no scope {scope}: {report}"));
    found["error"].as_str().map(str::to_owned)
}

fn identity(report: &Value, account: &str) -> String {
    let environments = report["environments"].as_array().unwrap();
    let known = environments.iter().flat_map(|environment| environment["identity"].as_array().unwrap());
    let found = known.into_iter().find(|identity| identity["account"] == account);
    found.and_then(|identity| identity["state"].as_str()).unwrap_or_else(|| panic!("no {account}: {report}")).to_owned()
}

/// Nothing is claimed to have drifted.
#[track_caller]
fn no_findings(report: &Value) {
    assert_eq!(report["findings"], json!([]), "{report}");
}

#[test]
fn a_table_that_may_not_be_read_is_3_with_the_reason_and_2_with_drift_elsewhere() {
    let platform = Platform::new("denied");
    platform.fault(Service::DynamoDb, None, Effect::Denied);
    let (code, report) = platform.report(&[]);
    assert_eq!(code, 3, "{report}");
    no_findings(&report);
    for scope in SCOPES {
        match error(&report, scope) {
            Some(why) => {
                assert!(scope.starts_with("table/"), "{scope}: {why}");
                assert!(
                    why.starts_with("denied: ") && why.contains("AccessDeniedException") && why.contains(" — "),
                    "{why}"
                );
            }
            None => assert!(!scope.starts_with("table/"), "{scope} cannot have been read"),
        }
    }
    platform.check(&[]).exits(3).says(&[
        "Unknown",
        "denied",
        "table/111122223333/eu-west-1/settings",
        "TableItem/release",
    ]);

    platform.run_tasks(MAIN, "api", 1);
    platform.check(&[]).exits(2).says(&["declared 2, live 1", "TableItem/release"]);
}

#[test]
fn refused_or_expired_credentials_give_a_report_that_says_so_everywhere() {
    let platform = Platform::new("credentials");
    for effect in [Effect::UnrecognizedClient, Effect::ExpiredToken] {
        platform.heal();
        platform.fault(Service::Sts, Some("GetCallerIdentity"), effect.clone());
        let (code, report) = platform.report(&[]);
        assert_eq!(code, 3, "{effect:?}: {report}");
        no_findings(&report);
        for scope in SCOPES {
            let why = error(&report, scope).unwrap_or_else(|| panic!("{scope} cannot have been read: {report}"));
            assert!(why.starts_with("credentials: "), "{effect:?}: {why}");
        }
        for account in [MAIN, DNS, STAGING] {
            assert_eq!(identity(&report, account), "unverified", "{effect:?}");
        }
        let verdicts: Vec<&Value> =
            report["environments"].as_array().unwrap().iter().map(|view| &view["verdict"]).collect();
        assert_eq!(verdicts, ["unknown", "unknown"]);
    }
}

#[test]
fn a_role_that_may_not_be_assumed_blinds_its_account_alone() {
    let platform = Platform::new("role");
    platform.fault(Service::Sts, Some("AssumeRole"), Effect::Denied);
    let (code, report) = platform.report(&[]);
    assert_eq!(code, 3, "{report}");
    no_findings(&report);
    let blind: Vec<&str> = SCOPES.into_iter().filter(|scope| error(&report, scope).is_some()).collect();
    assert_eq!(blind, ["hosted_zone/444455556666/global/example.com"]);
    assert_eq!((identity(&report, DNS), identity(&report, MAIN)), ("unverified".to_owned(), "simulated".to_owned()));
}

#[test]
fn an_address_where_nothing_listens_is_3() {
    let platform = Platform::new("refused");
    platform.forget_tables();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = platform.moored_at(&format!("http://{free}"), "check", &["--environment", "staging"]);
    outcome.exits(3).says(&["network", "ecs_cluster/777788889999/eu-west-1/harbor", "staging  unknown"]);
}

#[test]
fn throttling_is_3_and_no_drift() {
    let platform = Platform::new("throttled");
    platform.forget_tables();
    platform.fault(Service::Ecs, None, Effect::Throttle);
    let (code, report) = platform.report(&["--environment", "staging"]);
    assert_eq!(code, 3, "{report}");
    no_findings(&report);
    let why = error(&report, "ecs_cluster/777788889999/eu-west-1/harbor").unwrap();
    assert!(why.starts_with("throttled: "), "{why}");
}

/// `check` with the credentials of somebody else.
fn mistaken(platform: &Platform, more: &[&str]) -> Outcome {
    platform.moored_at(&platform.served_to_a_stranger(), "check", more)
}

#[test]
fn credentials_of_another_account_are_a_mismatch_and_nothing_read_with_them_is_believed() {
    let platform = Platform::new("stranger");
    // What a stranger's empty account would look like.
    platform.delete_worker();
    let outcome = mistaken(&platform, &["--format", "json"]).exits(3);
    let report = outcome.json();
    no_findings(&report);
    assert_eq!((identity(&report, MAIN), identity(&report, STAGING)), ("mismatch".to_owned(), "simulated".to_owned()));
    for scope in SCOPES.into_iter().filter(|scope| scope.contains(MAIN)) {
        let why = error(&report, scope).unwrap_or_else(|| panic!("{scope} cannot be believed: {report}"));
        assert!(why.starts_with("identity_mismatch: ") && why.contains(STRANGER) && why.contains(MAIN), "{why}");
    }
    assert_eq!(error(&report, "ecs_cluster/777788889999/eu-west-1/harbor"), None, "staging is what it should be");
    mistaken(&platform, &[]).exits(3).says(&["111122223333 MISMATCH", "moored whoami"]);

    platform.run_tasks(STAGING, "api", 3);
    mistaken(&platform, &[]).exits(2).says(&["declared 1, live 3", "111122223333 MISMATCH"]);
}

#[test]
fn a_cluster_zone_or_table_that_is_not_there_makes_its_things_unknown_not_missing() {
    let platform = Platform::new("containers");
    platform.cloud.with_world(|world| {
        world.ecs.clear();
        world.dynamodb.clear();
        world.route53.remove(DNS);
    });
    let (code, report) = platform.report(&[]);
    assert_eq!(code, 3, "{report}");
    no_findings(&report);
    for scope in SCOPES {
        let gone = ["ecs_cluster/", "hosted_zone/", "table/"].iter().any(|kind| scope.starts_with(kind));
        let why = error(&report, scope).unwrap_or_default();
        assert_eq!(why.starts_with("container_missing: "), gone, "{scope}: {why}");
    }
}

#[test]
fn half_an_answer_or_a_web_page_proves_nothing() {
    let platform = Platform::new("malformed");
    platform.forget_tables();
    for effect in [Effect::EmptyPage, Effect::HtmlBody { status: 200 }, Effect::TruncatedBody] {
        platform.heal();
        platform.fault(Service::Ecs, Some("DescribeServices"), effect.clone());
        let (code, report) = platform.report(&["--environment", "staging"]);
        assert_eq!(code, 3, "{effect:?}: {report}");
        no_findings(&report);
    }
}

#[test]
fn a_misspelt_region_is_1_with_the_one_that_was_meant() {
    let platform = Platform::new("region");
    platform.edit("environments.yaml", "regions: [eu-west-1]", "regions: [eu-wst-1]");
    let outcome = platform.check(&[]).exits(1);
    assert_eq!(outcome.stdout, "");
    outcome.complains(&["`eu-wst-1` is no AWS region", "environments.yaml:10:19", "did you mean `eu-west-1`?"]);
    assert!(platform.cloud.calls().is_empty(), "no cloud is asked with such manifests");
}
