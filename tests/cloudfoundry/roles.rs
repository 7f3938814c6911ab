//! What a role may read, and two roles beside each other.

use std::collections::BTreeSet;

use moored::core::drift::{Drift, State};
use moored::sim::cloudfoundry::{AppPlan, Role};

use super::place;
use super::stage::{Stage, start};

const TWO: &str = "apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  cloudFoundry:
    api: https://api.example.com
    organizations: {gds: {}}
    auth: {clientId: moored, clientSecretFile: /nowhere/secret}
---
apiVersion: moored.dev/v1
kind: Environment
metadata: {name: staging}
spec:
  class: staging
  cloudFoundry:
    api: https://api.example.com
    organizations: {sandbox: {}}
    auth: {clientId: auditor, clientSecretFile: /nowhere/secret}
---
apiVersion: moored.dev/v1
kind: App
metadata: {name: demo, environments: [staging]}
spec: {space: play, application: {instances: 1}}
";

const SCOPED: &str = "apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  cloudFoundry:
    api: https://api.example.com
    organizations: {gds: {}}
    auth: {clientId: scoped, clientSecretFile: /nowhere/secret}
---
apiVersion: moored.dev/v1
kind: App
metadata: {name: tool, environments: [production]}
spec: {space: tools, application: {instances: 1}}
";

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_leaves_env_and_commands_unchecked_without_effect_on_any_state() {
    let mut stage = Stage::in_sync("auditor", place::foundation(start()), &place::with(place::AUDITED)).await;
    let snapshot = stage.snapshot();
    let why: BTreeSet<&str> = snapshot.unchecked.keys().map(|(_, why)| &**why).collect();
    assert!(why.iter().any(|why| why.contains("cloud_controller.admin_read_only")), "{why:?}");
    let all: u32 = snapshot.counts.values().sum();
    assert_eq!(snapshot.count(State::InSync), all, "{:?}", snapshot.counts);

    let app = stage.app("api");
    stage.cf(|cf, now| {
        cf.reset_requests();
        cf.set_env(&app, "LOG_LEVEL", "debug", now);
    });
    stage.passes(5).await;
    assert_eq!(stage.open(), BTreeSet::new(), "a finding for want of a right would be the right's own fault");
    let snapshot = stage.snapshot();
    let told =
        snapshot.unchecked.keys().any(|(_, why)| why.starts_with("whether a restart is needed: what of the app"));
    assert!(told, "that something changed, it sees: {:?}", snapshot.unchecked);
    let refused = stage.asked().into_iter().filter(|(path, _)| path.ends_with("/manifest")).map(|(_, times)| times);
    assert!(refused.sum::<usize>() <= 1, "a role that may not is not asked to at each pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_everything_compares_env_and_commands_and_shows_neither() {
    let mut stage = Stage::settled("reader").await;
    assert!(stage.snapshot().unchecked.is_empty(), "{:?}", stage.snapshot().unchecked);
    let app = stage.app("api");
    stage.cf(|cf, now| {
        cf.set_env(&app, "LOG_LEVEL", "canary-5a1e", now);
        cf.set_command(&app, "worker", "canary-77c0", now);
    });
    stage.pass().await;
    let changed = stage.finding("App", "api", Drift::Changed);
    let fields: Vec<(&str, &str)> =
        changed.fields.iter().map(|field| (&*field.path, field.live.as_str().unwrap_or_default())).collect();
    assert_eq!(fields, [("env.LOG_LEVEL", "(secret)"), ("processes.worker.command", "(secret)")]);
    let shown = format!("{:?} {:?}", stage.snapshot(), stage.watch.observations);
    assert!(!shown.contains("canary"), "a value is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_with_two_clients_on_one_foundation_do_not_disturb_each_other() {
    let mut foundation = place::foundation(start());
    let made = start().checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    let demo = foundation.push("sandbox", "play", &AppPlan::new("demo"), made);
    let mut files = place::manifests().to_vec();
    files[0] = ("environments.yaml", TWO);
    let mut stage = Stage::in_sync("two", foundation, &files).await;
    let principals: BTreeSet<String> = stage.cf(|cf, _| {
        let signed_in = cf.requests.iter().map(|request| request.principal.clone());
        signed_in.filter(|principal| !principal.is_empty()).collect()
    });
    assert_eq!(principals, BTreeSet::from(["auditor", "moored"].map(str::to_owned)));

    assert!(stage.cf(|cf, _| cf.revoke_role("auditor", &Role::GlobalAuditor)));
    stage.cf(|cf, now| cf.delete_app(&demo, now));
    let site = stage.app("site");
    stage.cf(|cf, now| cf.stop(&site, now));
    stage.passes(3).await;
    let blind: Vec<String> = stage.unknown().into_keys().collect();
    assert_eq!(blind, ["staging App/demo"]);
    assert_eq!(stage.open(), BTreeSet::from(["production App/site degraded".to_owned()]), "production sees on");

    stage.cf(|cf, _| cf.set_role("auditor", Role::GlobalAuditor));
    stage.passes(3).await;
    assert_eq!(stage.losses(), BTreeSet::from(["staging App/demo missing".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn f09_a_role_that_is_lost_in_one_space_makes_that_space_unknown_and_no_other() {
    let mut foundation = place::foundation(start());
    let made = start().checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    foundation.push(place::ORGANIZATION, "tools", &AppPlan::new("tool"), made);
    foundation.add_client("scoped", place::SECRET, &["cloud_controller.read"]);
    let prod = foundation.space_guid(place::ORGANIZATION, place::SPACE).unwrap();
    let tools = foundation.space_guid(place::ORGANIZATION, "tools").unwrap();
    for space in [&prod, &tools] {
        foundation.set_role("scoped", Role::SpaceAuditor(space.clone()));
    }
    let mut files = place::manifests().to_vec();
    files[0] = ("environments.yaml", SCOPED);
    let mut stage = Stage::in_sync("scoped", foundation, &files).await;

    assert!(stage.cf(|cf, _| cf.revoke_role("scoped", &Role::SpaceAuditor(prod.clone()))));
    stage.passes(3).await;
    assert_eq!(stage.open(), BTreeSet::new(), "an empty list with 200 is no loss");
    let unknown = stage.unknown();
    for name in ["App/api", "App/site", "App/mailer", "ServiceBinding/api/db", "ServiceInstance/queue"] {
        assert!(unknown.contains_key(&format!("production {name}")), "{name}: {unknown:?}");
    }
    assert!(!unknown.contains_key("production App/tool"), "the other space is still read: {unknown:?}");

    stage.cf(|cf, _| cf.set_role("scoped", Role::SpaceAuditor(prod.clone())));
    stage.is_back(&BTreeSet::new(), "a role that was given back").await;
}
