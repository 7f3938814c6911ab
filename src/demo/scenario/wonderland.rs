//! `wonderland`: a service is deleted in the wrong account.
//!
//! What happened: somebody meant another account, and deleted the deployer of production. Its item,
//! load balancer, CNAME and health check stayed behind, and every redeploy stumbled over them; it
//! took 27 minutes to find and clear them by hand. What moored must do: one group with one root,
//! held through an outage of its own credentials, and gone when the service is back.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::by_hand;
use super::sights::{SOON, calm, entry, no_finding};
use crate::demo::outside::{Report, text};
use crate::demo::platform::{self, CLUSTER, DEPLOYER_API, Site};
use crate::demo::script::{Act, Seen, Sees, Step, expect};
use crate::sim::wire::Cloud;
use crate::sim::world::faults::{Effect, Match, Rule};
use crate::sim::world::{ApiError, Service};

/// A service drains for two minutes before ECS calls it INACTIVE.
const DRAINED: SignedDuration = SignedDuration::from_mins(5);

/// The first readings: budgets make them take a while.
const FIRST_READINGS: SignedDuration = SignedDuration::from_mins(4);

const APPLICATION: (&str, &str) = ("application", "deployer-api");
const PRODUCTION: (&str, &str) = ("environment", "production");

pub fn steps() -> Vec<Step> {
    vec![
        a_calm_evening(),
        the_wrong_account(),
        the_service_is_gone(),
        what_it_left_behind(),
        expired_credentials(),
        new_credentials(),
        a_redeploy_by_hand(),
    ]
}

fn a_calm_evening() -> Step {
    Step {
        title: "a calm evening",
        story: "Production and staging each run ten services in a (simulated) AWS account of their own; DNS lives in \
                a third. moored has read all of it, and it is as the manifests declare it.",
        act: Act::Nothing,
        look: &[
            "curl -s {metrics}/metrics | grep moored_environment_verdict",
            "moored check --cloud {cloud} --desired-state {state}",
        ],
        shows_check: true,
        expect: calm(FIRST_READINGS),
    }
}

fn the_wrong_account() -> Step {
    Step {
        title: "the wrong account",
        story: "Somebody wants to take down a test copy of deployer-api, and is still signed in to 111122223333, \
                which is production: aws ecs delete-service --force. ECS begins to drain the tasks.",
        act: Act::Cloud(delete_the_deployer),
        look: &[
            "curl -s {metrics}/metrics | grep -E 'moored_(drift|application_verdict)\\{'",
            "curl -s '{api}/api/v1/findings?app=deployer-api'",
        ],
        shows_check: false,
        expect: vec![
            expect(
                "the service is degraded while it drains",
                SOON,
                Sees::Series {
                    name: "moored_drift",
                    labels: &[PRODUCTION, ("kind", "EcsService"), ("name", "deployer-api"), ("drift", "degraded")],
                    count: 1,
                },
            ),
            expect("the field that changed is named with both values", SOON, Sees::Report(the_count_is_named)),
            expect(
                "deployer-api is down",
                SOON,
                Sees::Series {
                    name: "moored_application_verdict",
                    labels: &[PRODUCTION, APPLICATION, ("verdict", "down")],
                    count: 1,
                },
            ),
        ],
    }
}

fn the_service_is_gone() -> Step {
    Step {
        title: "the service is gone",
        story: "The last task has stopped, and ECS calls the service INACTIVE. That it is missing is now proven, by \
                the very incarnation that moored knew; before, it was only degraded.",
        act: Act::Nothing,
        look: &["curl -s {metrics}/metrics | grep 'drift=\"missing\"'"],
        shows_check: false,
        expect: vec![
            expect(
                "the service is missing",
                DRAINED,
                Sees::Series {
                    name: "moored_drift",
                    labels: &[PRODUCTION, ("kind", "EcsService"), ("name", "deployer-api"), ("drift", "missing")],
                    count: 1,
                },
            ),
            expect(
                "it is critical",
                SOON,
                Sees::Series {
                    name: "moored_drift_severity",
                    labels: &[("name", "deployer-api"), ("drift", "missing"), ("severity", "critical")],
                    count: 1,
                },
            ),
            expect(
                "deployer-api is still down",
                SOON,
                Sees::Series {
                    name: "moored_application_verdict",
                    labels: &[PRODUCTION, APPLICATION, ("verdict", "down")],
                    count: 1,
                },
            ),
            expect(
                "production is partial",
                SOON,
                Sees::Series {
                    name: "moored_environment_verdict",
                    labels: &[PRODUCTION, ("verdict", "partial")],
                    count: 1,
                },
            ),
        ],
    }
}

fn what_it_left_behind() -> Step {
    Step {
        title: "what it left behind",
        story: "The deployer's item, and the load balancer, CNAME and health check that it names, have nobody left to \
                be there for. Any redeploy would stumble over them. moored says so once, not five times.",
        act: Act::Nothing,
        look: &[
            "moored check --cloud {cloud} --desired-state {state} -l app=deployer-api",
            "curl -s '{api}/api/v1/history?app=deployer-api'",
        ],
        shows_check: true,
        expect: vec![
            expect(
                "four things are orphaned",
                SOON,
                Sees::Series {
                    name: "moored_drift",
                    labels: &[PRODUCTION, APPLICATION, ("drift", "orphaned")],
                    count: 4,
                },
            ),
            expect("one item, one balancer, one record, one check", SOON, Sees::Report(one_of_each)),
            expect("all five are one group, and the service is its root", SOON, Sees::Report(one_group)),
            expect("each finding names its file, its line and its minute", SOON, Sees::Report(file_line_and_minute)),
            expect("the report says how to put it back", SOON, Sees::Report(hints)),
            expect(
                "staging is in sync",
                SOON,
                Sees::Series {
                    name: "moored_environment_verdict",
                    labels: &[("environment", "staging"), ("verdict", "in_sync")],
                    count: 1,
                },
            ),
            expect("`moored check` exits 2", SOON, Sees::Check { exit: 2, says: one_group }),
        ],
    }
}

fn expired_credentials() -> Step {
    Step {
        title: "moored's own credentials expire",
        story: "Every call that moored makes to AWS is refused from now on. An outage of the watcher is no recovery: \
                what was found stays, marked as held, and what cannot be read is unknown.",
        act: Act::Cloud(expire_credentials),
        look: &["curl -s {metrics}/metrics | grep -E 'moored_(finding_held|observation_complete)\\{'"],
        shows_check: false,
        expect: vec![
            expect("every scope says why it cannot be read", SOON, Sees::Report(every_scope_fails)),
            expect(
                "all five findings are held",
                SOON,
                Sees::Series { name: "moored_finding_held", labels: &[APPLICATION], count: 5 },
            ),
            expect(
                "none of them is resolved",
                SOON,
                Sees::Series { name: "moored_drift", labels: &[PRODUCTION, APPLICATION], count: 5 },
            ),
            expect("`moored check` exits 3 and shows them as held", SOON, Sees::Check { exit: 3, says: five_held }),
        ],
    }
}

fn new_credentials() -> Step {
    Step {
        title: "new credentials",
        story: "The credentials are back. The same five findings are confirmed: same labels, same beginning.",
        act: Act::Cloud(renew_credentials),
        look: &["curl -s {metrics}/metrics | grep moored_drift_since"],
        shows_check: false,
        expect: vec![
            expect(
                "no finding is only held",
                SOON,
                Sees::Series { name: "moored_finding_held", labels: &[], count: 0 },
            ),
            expect("all five are still one group", SOON, Sees::Report(one_group)),
        ],
    }
}

fn a_redeploy_by_hand() -> Step {
    let mut expect_calm =
        vec![expect("no finding is open", SOON, Sees::Series { name: "moored_drift", labels: &[], count: 0 })];
    expect_calm.extend(calm(SOON));
    Step {
        title: "a redeploy by hand",
        story: "Somebody creates the service again, on the same target group. It is another incarnation under the \
                same name; what was made for it is needed again, so all five findings end.",
        act: Act::Cloud(redeploy_the_deployer),
        look: &["moored show EcsService/deployer-api --cloud {cloud} --desired-state {state}"],
        shows_check: true,
        expect: expect_calm,
    }
}

fn delete_the_deployer(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    let input = json!({ "cluster": CLUSTER, "service": DEPLOYER_API.name, "force": true });
    by_hand(cloud, &Site::Production.owner(), Service::Ecs, "DeleteService", input).map(drop)
}

fn expire_credentials(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    cloud.with_world(|world| world.faults.add(Rule::always(Match::default(), Effect::ExpiredToken)));
    Ok(())
}

fn renew_credentials(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    cloud.with_world(|world| world.faults.clear());
    Ok(())
}

fn redeploy_the_deployer(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    let input = cloud.with_world(|world| platform::creation(world, &DEPLOYER_API, Site::Production));
    by_hand(cloud, &Site::Production.owner(), Service::Ecs, "CreateService", input).map(drop)
}

fn the_count_is_named(report: &Report) -> Seen {
    let changed = report.list("findings").iter().find(|finding| text(finding, "/drift") == "changed");
    let field = changed.and_then(|finding| {
        finding.pointer("/fields")?.as_array()?.iter().find(|field| text(field, "/path") == "desiredCount")
    });
    match field {
        Some(field) if field.get("live").and_then(Value::as_i64) == Some(0) => {
            let declared = field.get("desired").unwrap_or(&Value::Null);
            Ok(format!("desiredCount declared {declared}, live 0"))
        }
        _ => Err(format!("no changed desiredCount among {} findings", report.list("findings").len())),
    }
}

/// Kinds and drifts of all findings.
fn kinds(report: &Report) -> String {
    let kinds: Vec<String> = report
        .list("findings")
        .iter()
        .map(|finding| format!("{} {}", text(finding, "/drift"), text(finding, "/kind")))
        .collect();
    if kinds.is_empty() { "no finding".to_owned() } else { kinds.join(", ") }
}

fn one_of_each(report: &Report) -> Seen {
    let orphans = report.list("findings").iter().filter(|finding| text(finding, "/drift") == "orphaned");
    let mut found: Vec<&str> = orphans.map(|finding| text(finding, "/kind")).collect();
    found.sort_unstable();
    let seen = kinds(report);
    if found == ["DnsRecord", "HealthCheck", "LoadBalancer", "TableItem"] { Ok(seen) } else { Err(seen) }
}

fn one_group(report: &Report) -> Seen {
    let findings = report.list("findings");
    let in_group = |finding: &Value| {
        text(finding, "/environment") == "production"
            && text(finding, "/group/root/kind") == "EcsService"
            && text(finding, "/group/root/name") == DEPLOYER_API.name
            && finding.pointer("/group/size").and_then(Value::as_u64) == Some(5)
    };
    let seen = format!(
        "{} of {} findings in that group: {}",
        findings.iter().filter(|finding| in_group(finding)).count(),
        findings.len(),
        kinds(report)
    );
    if findings.len() == 5 && findings.iter().all(in_group) { Ok(seen) } else { Err(seen) }
}

/// The service's finding points at its manifest, the others at the table's; each began lately.
fn file_line_and_minute(report: &Report) -> Seen {
    let Some(finished) = report.finished() else { return Err("a report without a time".to_owned()) };
    let mut places = Vec::new();
    for finding in report.list("findings") {
        let file = text(finding, "/source/file");
        let line = finding.pointer("/source/line").and_then(Value::as_u64).unwrap_or_default();
        let wanted = if text(finding, "/drift") == "missing" { "apps/deployer-api.yaml" } else { "deployments.yaml" };
        let since: Option<Timestamp> = text(finding, "/since").parse().ok();
        let lately = since.is_some_and(|since| {
            let age = finished.duration_since(since);
            !age.is_negative() && age < SignedDuration::from_hours(1)
        });
        if !file.ends_with(wanted) || line == 0 || !lately {
            return Err(format!("{} at {file}:{line} since {}", text(finding, "/kind"), text(finding, "/since")));
        }
        places.push(format!("{file}:{line}"));
    }
    places.sort_unstable();
    places.dedup();
    let since = report.list("findings").iter().map(|finding| text(finding, "/since")).min().unwrap_or_default();
    if places.len() == 2 { Ok(format!("{}, since {since}", places.join(" and "))) } else { Err(places.join(", ")) }
}

fn hints(report: &Report) -> Seen {
    let Some(missing) = entry(report, "findings", "EcsService", DEPLOYER_API.name) else {
        return Err("no finding about the service".to_owned());
    };
    let (runbook, redeploy) = (text(missing, "/runbook"), text(missing, "/redeploy"));
    let seen = format!("runbook `{runbook}`, redeploy `{redeploy}`");
    if runbook.is_empty() || redeploy.is_empty() { Err(seen) } else { Ok(seen) }
}

/// Every one that is read with the credentials that expired: Cloud Foundry has others, and a probe none.
fn every_scope_fails(report: &Report) -> Seen {
    let elsewhere = |scope: &Value| {
        let name = text(scope, "/scope");
        ["cf_", "http_probe/"].iter().any(|prefix| name.starts_with(prefix))
    };
    let scopes = report.list("scopes").iter().filter(|scope| !elsewhere(scope));
    let failing = scopes.clone().filter(|scope| !text(scope, "/error").is_empty());
    let first = failing.clone().next().map(|scope| text(scope, "/error")).unwrap_or("no error");
    let (failing, all) = (failing.count(), scopes.count());
    let seen = format!("{failing} of {all} scopes: {first}");
    if failing == all && all > 0 && no_finding(report).is_err() { Ok(seen) } else { Err(seen) }
}

fn five_held(report: &Report) -> Seen {
    let held = report.list("findings").iter().filter(|finding| finding.get("held") == Some(&Value::Bool(true))).count();
    let unreadable = report.list("scopes").iter().filter(|scope| !text(scope, "/error").is_empty()).count();
    let seen = format!("{held} of {} findings held, {unreadable} scopes unreadable", report.list("findings").len());
    if held == 5 && report.list("findings").len() == 5 && unreadable > 0 { Ok(seen) } else { Err(seen) }
}
