//! `c2`: a deploy loses the bindings of two environments, and half of them come back.
//!
//! What happened: in 2016 a deploy of 18F's C2 on cloud.gov took the database and queue bindings of
//! two of three environments with it. The database was bound again, the queue was not, and workers
//! failed silently; the deploy script generated its manifest from what was live, so that the next
//! deploy took the loss for what was wanted. What moored must do: name every binding and who removed
//! it, see workers that no address answers for, stay quiet of recovery while its own role is gone,
//! and call nothing in sync before the queue is back *and* everything was restarted.

mod foundation;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub use foundation::foundation;

use super::on_foundation;
use super::sights::{SOON, calm_in, drifted, listed};
use crate::demo::outside::{Report, text};
use crate::demo::script::{Act, Expectation, Seen, Sees, Step, expect};
use crate::sim::wire::Cloud;
use crate::sim::world::ApiError;
use foundation::{DEPLOYER, HOST};

/// The first readings, and whatever they want to have read again.
const FIRST_READINGS: SignedDuration = SignedDuration::from_mins(4);
/// Instances that crash are given two minutes to mend themselves.
const CRASHED: SignedDuration = SignedDuration::from_mins(7);
/// Longer than the time between two readings.
const A_READING: SignedDuration = SignedDuration::from_secs(75);

/// Database and queue of web and worker, in staging and production.
const LOST: usize = 8;

const PRODUCTION: (&str, &str) = ("environment", "production");
const BINDING: (&str, &str) = ("kind", "ServiceBinding");
const APP: (&str, &str) = ("kind", "App");
const MISSING: (&str, &str) = ("drift", "missing");

pub fn steps() -> Vec<Step> {
    vec![
        three_environments(),
        a_deploy(),
        moored_loses_its_roles(),
        moored_gets_them_back(),
        the_database_is_back(),
        the_queue_is_bound_again(),
        everything_is_restarted(),
    ]
}

fn calm(within: SignedDuration) -> Vec<Expectation> {
    calm_in(3, "all three environments are in sync", within)
}

fn drift(name: &'static str, labels: &'static [(&'static str, &'static str)], count: usize) -> Expectation {
    expect(name, SOON, Sees::Series { name: "moored_drift", labels, count })
}

fn three_environments() -> Step {
    Step {
        title: "three environments",
        story: "Development, staging and production of C2 are three spaces of one (simulated) Cloud Foundry \
                organisation: moored warned of that when it read the manifests. In each a web app and a worker are \
                bound to a database and a queue, as the project's own manifest.yml says, which moored reads \
                unchanged.",
        act: Act::Nothing,
        look: &[
            "cat {state}/c2/manifest.yml",
            "moored expected --desired-state {state}",
            "moored check --cloud {cloud} --desired-state {state}",
        ],
        shows_check: true,
        expect: calm(FIRST_READINGS),
    }
}

fn a_deploy() -> Step {
    Step {
        title: "a deploy",
        story: "script/deploy asks Cloud Foundry for a manifest of what is live and pushes that; this time the \
                bindings are not in it. Staging and production lose database and queue; production also loses the \
                service for its logs, which nobody ever declared. Without a database nothing comes up again, workers \
                included.",
        act: Act::Cloud(deploy),
        look: &[
            "curl -s {metrics}/metrics | grep 'moored_drift{' | grep ServiceBinding",
            "curl -s {api}/api/v1/report | jq '.findings[] | {environment, name, drift, attribution}'",
        ],
        shows_check: true,
        expect: vec![
            drift("eight bindings are missing", &[BINDING, MISSING], LOST),
            drift("four of them are production's", &[PRODUCTION, BINDING, MISSING], 4),
            expect("each of them names who removed it", SOON, Sees::Report(everybody_is_named)),
            drift(
                "a binding that nobody declared has vanished",
                &[PRODUCTION, BINDING, ("name", "prod/c2-prod/c2-prod-logs"), ("drift", "vanished")],
                1,
            ),
            expect(
                "web and worker of production are down",
                CRASHED,
                Sees::Series {
                    name: "moored_application_verdict",
                    labels: &[PRODUCTION, ("verdict", "down")],
                    count: 2,
                },
            ),
            expect(
                "four apps do not run, workers included",
                CRASHED,
                Sees::Series { name: "moored_drift", labels: &[APP, ("drift", "degraded")], count: 4 },
            ),
            expect(
                "development is untouched",
                SOON,
                Sees::Series {
                    name: "moored_environment_verdict",
                    labels: &[("environment", "development"), ("verdict", "in_sync")],
                    count: 1,
                },
            ),
            expect("`moored check` exits 2", SOON, Sees::Check { exit: 2, says: all_are_missing }),
        ],
    }
}

fn moored_loses_its_roles() -> Step {
    Step {
        title: "moored loses its own roles",
        story: "Somebody tidies up roles, and moored may look into no space any more. Cloud Foundry refuses nothing: \
                it answers 200, and every list is empty. That is no reason to call anything missing, or anything \
                mended.",
        act: Act::Cloud(take_roles),
        look: &[
            "curl -s {api}/api/v1/report | jq '.unknown[0], .summary'",
            "curl -s {metrics}/metrics | grep 'moored_finding_held{'",
        ],
        shows_check: false,
        expect: vec![
            expect("no app is known any more", SOON, Sees::Report(all_apps_are_unknown)),
            expect("nothing is resolved, and nothing else is missing", SOON, Sees::Report(everything_is_held)),
        ],
    }
}

fn moored_gets_them_back() -> Step {
    Step {
        title: "moored gets its roles back",
        story: "The same findings are confirmed: same labels, same beginning.",
        act: Act::Cloud(give_roles),
        look: &["curl -s {metrics}/metrics | grep moored_drift_since"],
        shows_check: false,
        expect: vec![
            expect(
                "no finding is only held",
                SOON,
                Sees::Series { name: "moored_finding_held", labels: &[], count: 0 },
            ),
            drift("the same eight bindings are missing", &[BINDING, MISSING], LOST),
        ],
    }
}

fn the_database_is_back() -> Step {
    Step {
        title: "the database is back",
        story: "Somebody binds the databases again and restarts the web apps. The site answers, and for everybody who \
                looks at it the incident is over. The queue is still not bound, and no worker runs.",
        act: Act::CloudThenWait(restore_databases, A_READING),
        look: &[
            "moored check --cloud {cloud} --desired-state {state} --environment production",
            "moored show App/c2-prod-worker --cloud {cloud} --desired-state {state} --environment production",
        ],
        shows_check: true,
        expect: vec![
            drift("the queue is still missing", &[BINDING, MISSING], 4),
            drift("the web apps run again, the workers do not", &[APP, ("drift", "degraded")], 2),
            drift(
                "the worker is noticed though no address answers for it",
                &[PRODUCTION, APP, ("name", "c2-prod-worker"), ("drift", "degraded")],
                1,
            ),
            expect(
                "c2-prod is partial",
                SOON,
                Sees::Series {
                    name: "moored_application_verdict",
                    labels: &[PRODUCTION, ("application", "c2-prod"), ("verdict", "partial")],
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

fn the_queue_is_bound_again() -> Step {
    Step {
        title: "the queue is bound again",
        story: "Every binding is back, on paper: whatever runs was started before, and has never heard of the queue. \
                Nobody restarts anything. An app that has what it is bound to only after its next restart is latent \
                drift, and a worker that crashes with yesterday's bindings goes on crashing.",
        act: Act::CloudThenWait(restore_queues, A_READING),
        look: &["curl -s {api}/api/v1/report | jq '.findings[] | {name, drift, message}'"],
        shows_check: true,
        expect: vec![
            drift("no binding is missing", &[BINDING, MISSING], 0),
            drift("nothing has vanished any more", &[("drift", "vanished")], 0),
            drift("the web apps wait for a restart", &[APP, ("drift", "latent")], 2),
            drift("no worker of staging or production runs", &[APP, ("drift", "degraded")], 2),
            expect(
                "only development is in sync",
                SOON,
                Sees::Series { name: "moored_environment_verdict", labels: &[("verdict", "in_sync")], count: 1 },
            ),
            expect("`moored check` exits 2", SOON, Sees::Check { exit: 2, says: restarts_are_due }),
        ],
    }
}

fn everything_is_restarted() -> Step {
    Step {
        title: "everything is restarted",
        story: "Web apps and workers are restarted. Now what runs is what is declared.",
        act: Act::Cloud(restart),
        look: &["curl -s '{api}/api/v1/history?app=c2-prod'"],
        shows_check: true,
        expect: calm(SOON),
    }
}

fn deploy(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| foundation::deploy(foundation, now))
}

fn take_roles(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, foundation::take_roles)
}

fn give_roles(cloud: &Cloud, _now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, foundation::give_roles)
}

fn restore_databases(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| foundation::restore_databases(foundation, now))
}

fn restore_queues(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| foundation::restore_queues(foundation, now))
}

fn restart(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| foundation::restart(foundation, now))
}

fn everybody_is_named(report: &Report) -> Seen {
    let missing: Vec<&Value> = drifted(report, "ServiceBinding", "missing").collect();
    let by_deploy = |finding: &&&Value| {
        text(finding, "/attribution/actor") == DEPLOYER
            && text(finding, "/attribution/event") == "audit.service_binding.delete"
    };
    let named = missing.iter().filter(by_deploy).count();
    let others: Vec<String> = missing
        .iter()
        .filter(|finding| !by_deploy(finding))
        .map(|finding| format!("{} by `{}`", text(finding, "/name"), text(finding, "/attribution/actor")))
        .collect();
    let seen = format!("{named} of {} by {DEPLOYER} {}", missing.len(), others.join(", "));
    if missing.len() == LOST && named == LOST { Ok(seen) } else { Err(seen) }
}

fn all_are_missing(report: &Report) -> Seen {
    let missing = drifted(report, "ServiceBinding", "missing").count();
    if missing == LOST { Ok(format!("{missing} bindings are missing")) } else { Err(listed(report)) }
}

fn all_apps_are_unknown(report: &Report) -> Seen {
    let apps = report.list("unknown").iter().filter(|entry| text(entry, "/kind") == "App");
    let unseen = apps.clone().filter(|entry| text(entry, "/reason") == "container_missing").count();
    let all = apps.count();
    let seen = format!("{all} apps unknown, {unseen} of them because their space is not visible");
    if (all, unseen) == (6, 6) { Ok(seen) } else { Err(seen) }
}

/// What is proven gone for good, undeclared, needs no further proof; all else is held.
fn everything_is_held(report: &Report) -> Seen {
    let findings = report.list("findings");
    let bindings = drifted(report, "ServiceBinding", "missing").count();
    let apps = drifted(report, "App", "degraded").count();
    let vanished = drifted(report, "ServiceBinding", "vanished").count();
    let held = findings.iter().filter(|finding| finding.get("held") == Some(&Value::Bool(true))).count();
    let is_whole = (bindings, apps, vanished, findings.len()) == (LOST, 4, 1, LOST + 5);
    if is_whole && held >= LOST + 4 {
        Ok(format!("{held} of {} findings are held", findings.len()))
    } else {
        Err(listed(report))
    }
}

fn restarts_are_due(report: &Report) -> Seen {
    let (latent, down) = (drifted(report, "App", "latent").count(), drifted(report, "App", "degraded").count());
    if (latent, down) == (2, 2) {
        Ok(format!("{latent} apps wait for a restart, {down} do not run"))
    } else {
        Err(listed(report))
    }
}
