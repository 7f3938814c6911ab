//! `govuk-paas`: a delete pipeline runs against production.
//!
//! What happened: on 3 June 2016 a pipeline that takes test platforms down ran against production of
//! GOV.UK PaaS. It was rebuilt within the day; then a buildpack that a test had left behind sat first
//! in detection order and broke `cf push` for three days, and a monitoring app was missing. What
//! moored must do: call the environment down by a probe, tell the loss of a dozen apps as one thing,
//! see it recover, not let a missing monitor be forgotten, and find the buildpack within one pass.

mod platform;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::on_foundation;
use super::sights::{SOON, calm_in, drifted, listed};
use crate::demo::outside::{Report, text};
use crate::demo::script::{Act, Expectation, Seen, Sees, Step, expect};
use crate::sim::wire::Cloud;
use crate::sim::world::ApiError;
use platform::{FORGOTTEN, HOST, LEFTOVER};

/// The first readings, or two that have to prove something gone.
const FIRST_READINGS: SignedDuration = SignedDuration::from_mins(4);
/// The third failure in a row is seen with the third reading.
const THREE_FAILURES: SignedDuration = SignedDuration::from_mins(6);

const PRODUCTION: (&str, &str) = ("environment", "production");
const MISSING: (&str, &str) = ("drift", "missing");

/// What is declared of the apps that go.
const DECLARED: usize = 5;

pub fn steps() -> Vec<Step> {
    vec![
        a_platform(),
        the_delete_pipeline(),
        the_rebuild(),
        a_test_leaves_its_buildpack(),
        the_buildpack_is_taken_away(),
    ]
}

/// The foundation and what the outside sees of it, in sync.
pub fn put(cloud: &Cloud, now: Timestamp) {
    cloud.add_foundation(platform::foundation(now));
    cloud.with_sites(|sites| platform::open_sites(sites, now));
}

fn calm(within: SignedDuration) -> Vec<Expectation> {
    calm_in(1, "production is in sync", within)
}

fn drift(name: &'static str, labels: &'static [(&'static str, &'static str)], count: usize) -> Expectation {
    expect(name, SOON, Sees::Series { name: "moored_drift", labels, count })
}

fn a_platform() -> Step {
    Step {
        title: "a platform for others",
        story: "A (simulated) Cloud Foundry with twelve apps of the platform's own, five of them declared, and the \
                apps of a tenant. Two addresses are asked from outside: the platform's healthcheck app, and \
                Concourse, which must have no pipeline that destroys production.",
        act: Act::Nothing,
        look: &[
            "curl -s {metrics}/metrics | grep -E 'moored_(environment_verdict|live_undeclared)\\{'",
            "moored check --cloud {cloud} --desired-state {state}",
        ],
        shows_check: true,
        expect: calm(FIRST_READINGS),
    }
}

fn the_delete_pipeline() -> Step {
    Step {
        title: "the delete pipeline",
        story: "The pipeline that takes test platforms down is set up against production, and runs. All twelve apps \
                are gone within a minute; somebody stops it before it gets to the tenants. The API answers all the \
                while.",
        act: Act::Cloud(run_the_delete_pipeline),
        look: &[
            "curl -s {metrics}/metrics | grep -E 'moored_(mass_loss|environment_verdict)\\{'",
            "curl -s {api}/api/v1/report | jq '.findings[] | {kind, name, drift, message, group}'",
        ],
        shows_check: true,
        expect: vec![
            expect(
                "the collapse is one finding",
                SOON,
                Sees::Series { name: "moored_mass_loss", labels: &[PRODUCTION], count: 1 },
            ),
            expect("all that is missing belongs to it", SOON, Sees::Report(all_in_one_group)),
            expect("the tenants' apps are none of it", SOON, Sees::Report(nothing_about_tenants)),
            drift(
                "Concourse has a pipeline that must not be there",
                &[PRODUCTION, ("kind", "HttpProbe"), ("name", "no-destroy-pipeline"), ("drift", "degraded")],
                1,
            ),
            expect(
                "production is down: a probe says so",
                THREE_FAILURES,
                Sees::Series {
                    name: "moored_environment_verdict",
                    labels: &[PRODUCTION, ("verdict", "down")],
                    count: 1,
                },
            ),
            drift(
                "the healthcheck fails",
                &[PRODUCTION, ("kind", "HttpProbe"), ("name", "healthcheck"), ("drift", "degraded")],
                1,
            ),
            expect("`moored check` exits 2", SOON, Sees::Check { exit: 2, says: all_in_one_group }),
        ],
    }
}

fn the_rebuild() -> Step {
    Step {
        title: "the rebuild",
        story: "The apps are pushed again, under the same names and with other guids. The healthcheck answers, and \
                everybody goes home. One monitoring app was forgotten: what should notice that is the app itself.",
        act: Act::Cloud(rebuild),
        look: &[
            "curl -s {metrics}/metrics | grep -E 'moored_(mass_loss|drift_severity)\\{'",
            "moored check --cloud {cloud} --desired-state {state}",
        ],
        shows_check: true,
        expect: vec![
            expect(
                "the mass loss is over",
                SOON,
                Sees::Series { name: "moored_mass_loss", labels: &[PRODUCTION], count: 0 },
            ),
            expect(
                "production is no longer down",
                SOON,
                Sees::Series {
                    name: "moored_environment_verdict",
                    labels: &[PRODUCTION, ("verdict", "down")],
                    count: 0,
                },
            ),
            drift("no probe fails", &[PRODUCTION, ("kind", "HttpProbe")], 0),
            drift("one app is still missing", &[PRODUCTION, ("kind", "App"), MISSING], 1),
            expect(
                "it is the monitoring app, and it is critical",
                SOON,
                Sees::Series {
                    name: "moored_drift_severity",
                    labels: &[PRODUCTION, ("kind", "App"), ("name", FORGOTTEN), MISSING, ("severity", "critical")],
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
            expect("`moored check` exits 2", SOON, Sees::Check { exit: 2, says: one_is_forgotten }),
        ],
    }
}

fn a_test_leaves_its_buildpack() -> Step {
    Step {
        title: "a test leaves its buildpack behind",
        story: "The acceptance tests prove the rebuilt platform. One of them makes a buildpack and dies before it \
                cleans up. A buildpack without a position is made the first; without a stack it is for any; and it is \
                enabled. Nothing that runs changes: the next `cf push` of whoever relies on detection will meet it.",
        act: Act::Cloud(leave_a_buildpack),
        look: &[
            "curl -s {metrics}/metrics | grep moored_buildpack_undeclared_first_apps",
            "curl -s {api}/api/v1/report | jq '.findings[] | select(.kind == \"Buildpacks\")'",
        ],
        shows_check: true,
        expect: vec![
            drift(
                "an undeclared buildpack is found",
                &[PRODUCTION, ("kind", "Buildpacks"), ("drift", "unexpected")],
                1,
            ),
            expect("it is told that it is first in detection", SOON, Sees::Report(it_is_first)),
            expect(
                "five apps would meet it first",
                SOON,
                Sees::Gauge {
                    name: "moored_buildpack_undeclared_first_apps",
                    labels: &[PRODUCTION, ("stack", "cflinuxfs4")],
                    value: 5.0,
                },
            ),
            drift("the order of the others is as declared", &[("kind", "Buildpacks"), ("drift", "changed")], 0),
        ],
    }
}

fn the_buildpack_is_taken_away() -> Step {
    Step {
        title: "the buildpack is taken away",
        story: "Somebody disables the buildpack, then deletes it, and pushes paas-metrics as well: three days earlier \
                than it went.",
        act: Act::Cloud(clean_up),
        look: &["curl -s '{api}/api/v1/history?kind=Buildpacks'"],
        shows_check: true,
        expect: calm(FIRST_READINGS),
    }
}

fn run_the_delete_pipeline(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    cloud.with_sites(|sites| platform::close_sites(sites, now));
    on_foundation(cloud, HOST, |foundation| platform::destroy(foundation, now))
}

fn rebuild(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    cloud.with_sites(|sites| platform::reopen_sites(sites, now));
    on_foundation(cloud, HOST, |foundation| platform::rebuild(foundation, now))
}

fn leave_a_buildpack(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| platform::leave_buildpack(foundation, now))
}

fn clean_up(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| platform::clean_up(foundation, now))
}

/// One mass loss, with every declared app that went in its group, and no app told by itself.
fn all_in_one_group(report: &Report) -> Seen {
    let lost: Vec<&Value> = drifted(report, "Inventory", "vanished").collect();
    let missing: Vec<&Value> = drifted(report, "App", "missing").collect();
    let of_loss = |finding: &&&Value| {
        text(finding, "/group/root/kind") == "Inventory" && text(finding, "/group/root/name") == "platform-apps"
    };
    let grouped = missing.iter().filter(of_loss).count();
    let alone = drifted(report, "App", "vanished").count();
    let said = lost.first().map_or("no mass loss", |finding| text(finding, "/message"));
    let seen = format!("{said}; {grouped} of {} missing apps in its group, {alone} told alone", missing.len());
    if (lost.len(), missing.len(), grouped, alone) == (1, DECLARED, DECLARED, 0) { Ok(seen) } else { Err(seen) }
}

fn nothing_about_tenants(report: &Report) -> Seen {
    let of_foundation =
        report.list("findings").iter().filter(|finding| text(finding, "/scope").starts_with("cf_foundation"));
    match of_foundation.count() {
        0 => Ok("nothing is found in the foundation as a whole".to_owned()),
        _ => Err(listed(report)),
    }
}

fn one_is_forgotten(report: &Report) -> Seen {
    let findings = report.list("findings");
    let missing: Vec<&str> = drifted(report, "App", "missing").map(|finding| text(finding, "/name")).collect();
    if missing == [FORGOTTEN] && findings.len() == 1 {
        Ok(format!("{FORGOTTEN} is missing"))
    } else {
        Err(listed(report))
    }
}

fn it_is_first(report: &Report) -> Seen {
    let unexpected =
        drifted(report, "Buildpacks", "unexpected").find(|finding| text(finding, "/name").contains(LEFTOVER));
    match unexpected.map(|finding| text(finding, "/message")) {
        Some(message) if message.to_lowercase().contains("first in detection") => Ok(message.to_owned()),
        Some(message) => Err(message.to_owned()),
        None => Err(listed(report)),
    }
}
