//! What an ordinary day brings on Cloud Foundry.
//!
//! Acceptance tests push an app and make a buildpack, and take both away; an app is deployed without
//! a gap; the platform gets a new buildpack, and what was built with the old one is built again; at
//! last a stack is rolled. What moored must do: call the first three on their way, and the others good
//! to know, once for all apps. [`super::steps`] puts the steps between the others.

use jiff::{SignedDuration, Timestamp};

use super::{TWO_READINGS, quiet};
use crate::demo::outside::{Report, text};
use crate::demo::platform::cloud_foundry::{
    BUILDPACKS, HELPDESK, HOST, NEXT_STACK, ORGANIZATION, RUBY, SPACE, STACK, SURVEYS, buildpack_file,
};
use crate::demo::scenario::on_foundation;
use crate::demo::scenario::sights::{SOON, all_in_sync, calm, drifted, entry, listed, no_finding};
use crate::demo::script::{Act, Expectation, Seen, Sees, Step, expect};
use crate::sim::cloudfoundry::AppPlan;
use crate::sim::wire::Cloud;
use crate::sim::world::ApiError;

/// As long as new instances take to be healthy, and old ones to go.
const ROLLING: SignedDuration = SignedDuration::from_secs(150);
/// The end of a deployment is seen with the reading after it.
const ROLLED: SignedDuration = SignedDuration::from_mins(8);
/// What is gone is asked for once more before it is forgotten.
const GONE: SignedDuration = SignedDuration::from_mins(5);

const TESTED_APP: &str = "CATS-7-app";
const TESTED_BUILDPACK: &str = "CATS-7-buildpack";

fn good_to_know() -> Expectation {
    expect("there never was any finding above info", SOON, Sees::NeverMoreThanLatent { kind: "App" })
}

pub fn acceptance_tests() -> Step {
    Step {
        title: "Cloud Foundry's acceptance tests come",
        story: "They push an app and make a buildpack. Both inventories let what is called CATS-* be there for 45 \
                minutes, so that it is on its way and no finding.",
        act: Act::CloudThenWait(run_acceptance_tests, TWO_READINGS),
        look: &["curl -s {api}/api/v1/report | jq .converging"],
        shows_check: false,
        expect: vec![
            expect(
                "app and buildpack of the tests may be there for a while",
                SOON,
                Sees::Report(tests_are_on_their_way),
            ),
            expect("nothing is found", SOON, Sees::Report(no_finding)),
            quiet(),
        ],
    }
}

pub fn acceptance_tests_are_over() -> Step {
    Step {
        title: "Cloud Foundry's acceptance tests go",
        story: "This time they clean up.",
        act: Act::Cloud(end_acceptance_tests),
        look: &[],
        shows_check: false,
        expect: vec![expect("everything is in sync", GONE, Sees::Report(all_in_sync)), quiet()],
    }
}

pub fn a_rolling_deploy() -> Step {
    Step {
        title: "an app is deployed without a gap",
        story: "helpdesk is pushed with --strategy rolling. For a while two web processes run side by side, and none \
                of them has as many instances as the manifest says.",
        act: Act::Cloud(deploy_helpdesk),
        look: &["curl -s {api}/api/v1/report | jq '.converging[] | select(.kind == \"App\")'"],
        shows_check: false,
        expect: vec![
            expect("helpdesk is converging", SOON, Sees::Report(helpdesk_is_converging)),
            expect("nothing is found", SOON, Sees::Report(no_finding)),
        ],
    }
}

pub fn the_deploy_is_done() -> Step {
    Step {
        title: "the app is deployed",
        story: "One web process is left, under another guid, with all of its instances.",
        act: Act::Nothing,
        look: &[],
        shows_check: false,
        expect: vec![expect("everything is in sync", ROLLED, Sees::Report(all_in_sync)), quiet()],
    }
}

pub fn a_new_buildpack() -> Step {
    Step {
        title: "the platform gets a new buildpack",
        story: "A new version of the Ruby buildpack is uploaded. Nothing that runs has changed, and two apps would be \
                built with something else from now on: one cause, so one group, and good to know.",
        act: Act::Cloud(upload_buildpack),
        look: &["curl -s {api}/api/v1/report | jq '.findings[] | {name, drift, severity, message, group}'"],
        shows_check: true,
        expect: vec![
            expect("two apps wait for a restage, in one group", SOON, Sees::Report(one_group_of_two)),
            good_to_know(),
        ],
    }
}

pub fn the_apps_are_built_again() -> Step {
    let mut expected = calm(ROLLED);
    expected.push(good_to_know());
    Step {
        title: "the apps are built again",
        story: "Their owners push them again, one instance after the other.",
        act: Act::Cloud(build_again),
        look: &["moored check --cloud {cloud} --desired-state {state}"],
        shows_check: true,
        expect: expected,
    }
}

pub fn a_stack_roll() -> Step {
    Step {
        title: "a stack roll",
        story: "The operator adds the stack cflinuxfs5 with buildpacks of its own, not enabled yet, and calls cflinuxfs4 \
                deprecated. All three apps run on as before: they are to be moved some day, one cause and one group.",
        act: Act::Cloud(roll_the_stack),
        look: &["curl -s {api}/api/v1/report | jq '.findings[] | {name, drift, severity, message, group}'"],
        shows_check: true,
        expect: vec![
            expect("all three apps wait for another stack, in one group", SOON, Sees::Report(one_group_of_three)),
            expect(
                "`moored check` exits 2, and knows of nothing else",
                SOON,
                Sees::Check { exit: 2, says: one_group_of_three },
            ),
            good_to_know(),
        ],
    }
}

fn run_acceptance_tests(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| {
        foundation.act_as("cats@example.com");
        let plan = AppPlan { memory: 64, buildpacks: vec![RUBY.to_owned()], ..AppPlan::new(TESTED_APP) };
        foundation.push(ORGANIZATION, SPACE, &plan, now);
        let buildpack = foundation.create_buildpack(TESTED_BUILDPACK, None, None, now);
        foundation.upload_buildpack(&buildpack, "simple-buildpack-v0.0.1.zip", now).then_some(())
    })
}

fn end_acceptance_tests(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| {
        let app = foundation.app_guid(ORGANIZATION, SPACE, TESTED_APP)?;
        let buildpack = foundation.buildpack_guid(TESTED_BUILDPACK, None)?;
        foundation.delete_app(&app, now).then_some(())?;
        foundation.delete_buildpack(&buildpack, now).then_some(())
    })
}

fn deploy_helpdesk(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    rolling_push(cloud, HELPDESK, now)
}

fn rolling_push(cloud: &Cloud, app: &str, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| {
        foundation.act_as("pipeline@example.com");
        let app = foundation.app_guid(ORGANIZATION, SPACE, app)?;
        foundation.rolling_push(&app, ROLLING, now).map(drop)
    })
}

fn upload_buildpack(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| {
        foundation.act_as("platform@example.com");
        let buildpack = foundation.buildpack_guid(RUBY, Some(STACK))?;
        foundation.upload_buildpack(&buildpack, &buildpack_file(RUBY, STACK, "1.10.26"), now).then_some(())
    })
}

fn build_again(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    [HELPDESK, SURVEYS].into_iter().try_for_each(|app| rolling_push(cloud, app, now))
}

/// The buildpacks of the new stack come behind those of the old one, in the same order.
fn roll_the_stack(cloud: &Cloud, now: Timestamp) -> Result<(), ApiError> {
    on_foundation(cloud, HOST, |foundation| {
        foundation.act_as("platform@example.com");
        foundation.add_stack(NEXT_STACK);
        for (name, version) in BUILDPACKS {
            let buildpack = foundation.create_buildpack(name, Some(NEXT_STACK), Some(usize::MAX), now);
            let file = buildpack_file(name, NEXT_STACK, version);
            foundation.upload_buildpack(&buildpack, &file, now).then_some(())?;
            // Nothing detects them before they are declared.
            foundation.enable_buildpack(&buildpack, false, now).then_some(())?;
        }
        foundation.set_stack_state(STACK, "DEPRECATED", now).then_some(())
    })
}

fn tests_are_on_their_way(report: &Report) -> Seen {
    let app = entry(report, "converging", "App", &TESTED_APP.to_lowercase());
    let buildpack = entry(report, "converging", "Buildpacks", TESTED_BUILDPACK);
    match (app, buildpack) {
        (Some(app), Some(buildpack)) => Ok(format!("until {} and {}", text(app, "/until"), text(buildpack, "/until"))),
        _ => Err(format!(
            "{} converging, app {}, buildpack {}; {}",
            report.list("converging").len(),
            app.is_some(),
            buildpack.is_some(),
            listed(report)
        )),
    }
}

fn helpdesk_is_converging(report: &Report) -> Seen {
    match entry(report, "converging", "App", HELPDESK) {
        Some(app) => Ok(format!("{} until {}", text(app, "/message"), text(app, "/until"))),
        None => Err(format!("{} converging, helpdesk is none of them", report.list("converging").len())),
    }
}

fn one_group_of_two(report: &Report) -> Seen {
    one_group(report, "Buildpacks", RUBY, 2)
}

fn one_group_of_three(report: &Report) -> Seen {
    one_group(report, "Stack", STACK, 3)
}

/// So many apps are latent for this one cause, and nothing else is found.
fn one_group(report: &Report, kind: &str, name: &str, apps: usize) -> Seen {
    let grouped = drifted(report, "App", "latent").filter(|finding| {
        text(finding, "/group/root/kind") == kind
            && text(finding, "/group/root/name") == name
            && finding.pointer("/group/size").and_then(serde_json::Value::as_u64) == u64::try_from(apps).ok()
            && text(finding, "/severity") == "info"
    });
    let (grouped, all) = (grouped.count(), report.list("findings").len());
    if (grouped, all) == (apps, apps) { Ok(format!("{grouped} apps, one cause")) } else { Err(listed(report)) }
}
