//! What a pass costs, by the requests that the foundation counted: a steady one the sum of its
//! lists' pages and one for the running variables; the cold one apart.

use std::collections::BTreeMap;

use moored::sim::cloudfoundry::{AppPlan, Foundation};

use super::place::{self, ENVIRONMENT, ORGANIZATION};
use super::stage::{Stage, start};

/// Spaces, stacks and buildpacks, and in each space one app with its instance, binding and route.
const EACH: usize = 6;

fn grid() -> Foundation {
    let made = start().checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    let mut foundation = Foundation::new(place::HOST, made);
    foundation.add_client("moored", place::SECRET, &["cloud_controller.admin_read_only"]);
    foundation.add_domain("example.com");
    for number in 0..EACH {
        let (stack, pack, space) = (format!("stack-{number}"), format!("pack-{number}"), format!("space-{number}"));
        foundation.add_stack(&stack);
        foundation.add_buildpack(&pack, Some(&stack), &format!("{pack}-v1.0.0.zip"));
        foundation.add_space(ORGANIZATION, &space);
        foundation.create_service_instance(ORGANIZATION, &space, "store", None, made);
        let mut plan = AppPlan::new(&format!("app-{number}"));
        plan.stack = stack;
        plan.services = vec!["store".to_owned()];
        plan.routes = vec![format!("app-{number}.example.com")];
        place::run(&mut foundation, &space, &plan, made);
    }
    foundation
}

fn declared() -> String {
    let app = |number: usize| {
        format!(
            "---\napiVersion: moored.dev/v1\nkind: App\nmetadata: {{name: app-{number}, environments: [production]}}\n\
             spec: {{space: space-{number}, application: {{services: [store], instances: 1}}}}\n"
        )
    };
    let apps: String = (0..EACH).map(app).collect();
    let packs: String =
        (0..EACH).map(|number| format!("    - {{name: pack-{number}, stack: stack-{number}}}\n")).collect();
    format!(
        "{apps}---\napiVersion: moored.dev/v1\nkind: Buildpacks\nmetadata: {{name: packs, environments: [production]}}\n\
         spec:\n  buildpacks:\n{packs}"
    )
}

async fn stage(name: &str) -> Stage {
    let declared = declared();
    Stage::over(name, grid(), &[("environment.yaml", ENVIRONMENT), ("all.yaml", declared.as_str())]).await
}

/// The organisation's lists and the foundation's, with so many rows on a page.
fn steady(rows_a_page: usize) -> BTreeMap<String, usize> {
    let pages = |rows: usize| rows.div_ceil(rows_a_page).max(1);
    let (one, all) = (pages(1), pages(EACH));
    let costs = [
        ("/v3/organizations", one + one),
        ("/v3/spaces", all + all),
        ("/v3/apps", all + all),
        ("/v3/deployments", pages(0)),
        ("/v3/processes", all),
        ("/v3/service_instances", all),
        ("/v3/service_credential_bindings", all),
        ("/v3/routes", all),
        ("/v3/buildpacks", all + all),
        ("/v3/stacks", all),
        ("/v3/audit_events", pages(0) + pages(0)),
        ("/v3/environment_variable_groups/running", 1),
    ];
    costs.into_iter().map(|(path, calls)| (path.to_owned(), calls)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_pass_costs_one_call_for_each_page_of_each_list() {
    for rows_a_page in [5000, 2] {
        let mut stage = stage("steady").await;
        stage.passes(2).await;
        assert!(stage.open().is_empty() && stage.unknown().is_empty(), "{:#?}", stage.snapshot().findings);
        stage.cf(|cf, _| cf.page_limit = Some(rows_a_page));
        for pass in 0..3 {
            stage.cf(|cf, _| cf.reset_requests());
            stage.pass().await;
            assert_eq!(stage.asked(), steady(rows_a_page), "pass {pass}, {rows_a_page} rows a page");
        }
        assert!(stage.open().is_empty() && stage.unknown().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_changed_app_costs_one_manifest_and_a_new_droplet_one_call_for_all() {
    let mut stage = stage("changed").await;
    stage.passes(2).await;
    for changed in [1, 3] {
        let apps: Vec<String> = (0..changed)
            .map(|number| {
                let (space, app) = (format!("space-{number}"), format!("app-{number}"));
                stage.cf(|cf, _| cf.app_guid(ORGANIZATION, &space, &app)).unwrap()
            })
            .collect();
        stage.cf(|cf, now| {
            cf.reset_requests();
            apps.iter().for_each(|app| cf.restage(app, now));
        });
        stage.pass().await;
        let mut expected = steady(5000);
        expected.insert("/v3/droplets".to_owned(), 1);
        expected.extend(apps.iter().map(|app| (format!("/v3/apps/{app}/manifest"), 1)));
        assert_eq!(stage.asked(), expected, "{changed} apps changed");
        stage.cf(|cf, _| cf.reset_requests());
        stage.pass().await;
        assert_eq!(stage.asked(), steady(5000), "and nothing since");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cold_pass_signs_in_once_and_reads_every_manifest_and_the_past() {
    let mut stage = stage("cold").await;
    stage.pass().await;
    let mut expected = steady(5000);
    expected.insert("/".to_owned(), 1);
    expected.insert("/login/oauth/token".to_owned(), 1);
    expected.insert("/v3/droplets".to_owned(), 1);
    // What was done lately, and within a month; for the organisation and for the foundation.
    expected.insert("/v3/audit_events".to_owned(), 4);
    let manifests: usize =
        stage.asked().iter().filter(|(path, _)| path.ends_with("/manifest")).map(|(_, times)| times).sum();
    assert_eq!(manifests, EACH);
    let mut lists = stage.asked();
    lists.retain(|path, _| !path.ends_with("/manifest"));
    assert_eq!(lists, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_reading_leaves_a_trace_in_the_audit_log() {
    let mut stage = Stage::settled("trace").await;
    let app = stage.app("api");
    stage.cf(|cf, now| cf.set_env(&app, "FEATURE", "on", now));
    stage.passes(3).await;
    let traces = ["/env", "/environment_variables", "/details", "/parameters", "/credentials"];
    let asked = stage.asked();
    assert!(asked.keys().any(|path| path.ends_with("/manifest")));
    assert!(!asked.keys().any(|path| traces.iter().any(|trace| path.ends_with(trace))), "{asked:?}");
    let wrote: Vec<String> = stage.cf(|cf, _| {
        let posts = cf.requests.iter().filter(|request| request.method != "GET");
        posts.map(|request| request.path.clone()).filter(|path| !path.ends_with("/oauth/token")).collect()
    });
    assert_eq!(wrote, Vec::<String>::new());
}
