//! The smoke pass: the real binary against a real moto server, over loopback.
//!
//! Decides that moored understands answers that none of us wrote: it fills moto with a small
//! platform and asserts report and exit code of `check` and `whoami`. What it expects is what AWS
//! would give, except where moto 5.2.5 errs, which is said where it matters. The manifests are in
//! `tests/moto/`. `make test` makes the server and names it in `MOTO_SERVER`.
//!
//! Faults of moto that moored meets here without another outcome: services have no `createdAt`,
//! nothing but records and items comes in pages, ListHealthChecks and ListHostedZonesByName do not
//! say whether they end, the value of a SOA record is a Python dictionary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::{Value, json};

use server::{APPS, Moto};

#[path = "moto/server.rs"]
mod server;

#[tokio::test]
async fn moored_reads_and_judges_what_is_on_moto() {
    let moto = Moto::start().await;
    moto.fill(&APPS).await;
    everything_is_in_sync_but_no_list_of_health_checks_is_proven_whole(&moto);
    the_account_is_told(&moto);
    credentials_of_another_account_are_asked_for_their_name_and_nothing_else(&moto);

    moto.set_idle_timeout("shop", "30").await;
    a_changed_attribute_is_a_finding_with_both_values(&moto);
    moto.set_idle_timeout("shop", "90").await;

    moto.delete_service("blog").await;
    a_service_of_which_moto_says_two_things_is_not_in_sync(&moto);

    // AWS forgets an INACTIVE service after a while; moto only when it forgets everything.
    moto.reset().await;
    moto.fill(&["shop"]).await;
    a_purged_service_is_missing_and_what_it_left_behind_orphaned(&moto);
    nothing_that_a_health_check_may_refer_to_is_called_an_orphan(&moto);
}

/// moto answers GetHealthCheckCount with a page of HTML and status 404. Every declared check is in
/// the list, but a list that nothing confirms proves no absence: its scope is not complete, and the
/// exit code is 3 where AWS would make it 0.
fn everything_is_in_sync_but_no_list_of_health_checks_is_proven_whole(moto: &Moto) {
    let checked = check(moto, &["platform", "health-checks"]);
    assert_eq!(checked.findings(), BTreeSet::new());
    assert_eq!(checked.unknown(), BTreeSet::new());
    assert_eq!(checked.report["summary"]["inSync"], 12, "{}", checked.report["summary"]);
    assert_eq!(checked.report["summary"]["resources"], 12);
    assert_eq!(
        checked.report["environments"][0]["identity"],
        json!([{ "account": "123456789012", "state": "simulated" }])
    );
    assert_eq!(checked.incomplete(), ["health_checks/123456789012/global"]);
    let remark = checked.scope("health_checks/123456789012/global")["remarks"][0].as_str().unwrap().to_owned();
    assert!(remark.starts_with("malformed: GetHealthCheckCount") && remark.contains("HTTP 404"), "{remark}");
    assert_eq!(checked.code, 3);

    // Where no health check is declared, moto answers all that it takes.
    let checked = check(moto, &["platform"]);
    assert_eq!(
        (checked.findings(), checked.unknown(), checked.incomplete().len()),
        (BTreeSet::new(), BTreeSet::new(), 0)
    );
    assert_eq!((checked.report["summary"]["inSync"].as_u64(), checked.code), (Some(10), 0));
}

fn the_account_is_told(moto: &Moto) {
    let output = moto.moored("whoami", &["platform"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("123456789012  simulated as arn:aws:sts::123456789012:user/moto"), "{said}");
    assert_eq!(output.status.code(), Some(0));
}

fn credentials_of_another_account_are_asked_for_their_name_and_nothing_else(moto: &Moto) {
    let calls = moto.calls();
    let checked = check(moto, &["other-account"]);
    assert_eq!(moto.calls() - calls, 1, "GetCallerIdentity alone");
    assert_eq!(checked.findings(), BTreeSet::new());
    assert_eq!(checked.unknown(), set(&["identity_mismatch DnsRecord/shop", "identity_mismatch EcsService/shop"]));
    assert_eq!(
        checked.report["environments"][0]["identity"],
        json!([{ "account": "999999999999", "state": "mismatch" }])
    );
    let error = checked.scope("ecs_cluster/999999999999/eu-west-1/wonderland")["error"].as_str().unwrap().to_owned();
    assert!(error.contains("credentials belong to account 123456789012, declared is 999999999999"), "{error}");
    assert_eq!(checked.code, 3);

    let output = moto.moored("whoami", &["other-account"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("MISMATCH: these credentials are account 123456789012"), "{said}");
    assert_eq!(output.status.code(), Some(3));
}

fn a_changed_attribute_is_a_finding_with_both_values(moto: &Moto) {
    let checked = check(moto, &["platform"]);
    assert_eq!(checked.findings(), set(&["changed LoadBalancer/shop"]));
    let fields = &checked.report["findings"][0]["fields"];
    assert_eq!(*fields, json!([{ "path": "idleTimeout", "desired": 90, "live": 30 }]));
    assert_eq!(checked.code, 2);
}

/// After DeleteService moto describes the service as INACTIVE, as AWS does, but without the
/// `createdAt` that tells which one was deleted, and goes on listing it, which AWS never does. Two
/// answers that contradict each other are no reason to say that all is well.
fn a_service_of_which_moto_says_two_things_is_not_in_sync(moto: &Moto) {
    let checked = check(moto, &["platform"]);
    assert_eq!(checked.findings(), BTreeSet::new());
    let unknown = set(&["incomplete EcsService/blog", "incomplete TableItem/wonderland-deployments/service=blog"]);
    assert_eq!((checked.unknown(), checked.code), (unknown, 3));
}

/// MISSING in DescribeServices, and a complete list without it: the service is proven gone, and with
/// it everything that only the deployer's item claims is one group under it.
fn a_purged_service_is_missing_and_what_it_left_behind_orphaned(moto: &Moto) {
    let checked = check(moto, &["platform"]);
    assert_eq!(
        checked.findings(),
        set(&[
            "missing EcsService/blog",
            "orphaned DnsRecord/blog.example.com CNAME",
            "orphaned LoadBalancer/blog",
            "orphaned TableItem/wonderland-deployments/service=blog",
        ])
    );
    let root = json!({ "id": "moto/EcsService/blog", "root": { "kind": "EcsService", "name": "blog" }, "size": 4 });
    for finding in checked.report["findings"].as_array().unwrap() {
        assert_eq!(finding["group"], root, "{finding}");
    }
    let blog = json!({ "environment": "moto", "name": "blog", "verdict": "down", "missing": ["EcsService/blog"] });
    assert!(checked.report["applications"].as_array().unwrap().contains(&blog));
    assert_eq!((checked.unknown(), checked.code), (BTreeSet::new(), 2));
}

/// The same world, health checks included. The service is gone, and its item, which nothing can
/// refer to, is an orphan; but the record, the balancer and the check might be what a check refers
/// to that moto did not list, and without GetHealthCheckCount nobody can tell.
fn nothing_that_a_health_check_may_refer_to_is_called_an_orphan(moto: &Moto) {
    let checked = check(moto, &["platform", "health-checks"]);
    assert_eq!(
        checked.findings(),
        set(&["missing EcsService/blog", "orphaned TableItem/wonderland-deployments/service=blog"])
    );
    assert_eq!(
        checked.unknown(),
        set(&[
            "unconfirmed DnsRecord/blog.example.com CNAME",
            "unconfirmed HealthCheck/blog",
            "unconfirmed LoadBalancer/blog",
        ])
    );
    assert_eq!(checked.code, 2);
}

/// One pass over the manifests in these folders of `tests/moto/`.
fn check(moto: &Moto, folders: &[&str]) -> Checked {
    Checked::of(&moto.moored("check", folders).args(["--format", "json"]).output().unwrap())
}

fn set(entries: &[&str]) -> BTreeSet<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}

/// What one `check` said.
struct Checked {
    report: Value,
    code: i32,
}

impl Checked {
    fn of(output: &Output) -> Self {
        let said = String::from_utf8_lossy(&output.stderr);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains("hunter2") && !said.contains("hunter2"), "a secret was shown");
        let report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("no report ({error}): {said}"));
        Self { report, code: output.status.code().expect("an exit code") }
    }

    /// `drift Kind/name` of every finding.
    fn findings(&self) -> BTreeSet<String> {
        self.named("findings", "drift")
    }

    /// `reason Kind/name` of all that could not be judged.
    fn unknown(&self) -> BTreeSet<String> {
        self.named("unknown", "reason")
    }

    fn named(&self, list: &str, what: &str) -> BTreeSet<String> {
        let entries = self.report[list].as_array().unwrap().iter();
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
        entries.map(|entry| format!("{} {}/{}", text(entry, what), text(entry, "kind"), text(entry, "name"))).collect()
    }

    fn incomplete(&self) -> Vec<&str> {
        let scopes = self.report["scopes"].as_array().unwrap().iter();
        scopes.filter(|scope| scope["complete"] != true).filter_map(|scope| scope["scope"].as_str()).collect()
    }

    fn scope(&self, key: &str) -> &Value {
        let scopes = self.report["scopes"].as_array().unwrap();
        scopes.iter().find(|scope| scope["scope"] == key).unwrap_or_else(|| panic!("no scope {key}: {scopes:?}"))
    }
}
