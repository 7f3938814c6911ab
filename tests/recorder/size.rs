//! How large the record grows: 10,000 things of which 1 % change within each hour fit into 300 MB
//! for 90 days.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use moored::core::identity::{ObjectKey, ScopeKey};
use moored::core::observation::Live;
use moored::core::record::Seen;
use moored::core::redact::Redactor;
use moored::kinds::ecs_service::definition::{self, ObservedContainer, ObservedDefinition, ObservedPort, Secrets};
use moored::kinds::ecs_service::live::{self, Cluster, Detail, Observed, ObservedDeployment, ObservedLoadBalancer};
use moored::store::{ChangeQuery, History, SqliteHistory};

use crate::common::{Scratch, hidden};

const SECRET: &str = "canary-variable-3f1c";

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn cluster() -> Cluster {
    Cluster { account: "111122223333".into(), region: "eu-west-1".into(), name: "wonderland".into() }
}

/// A service as a company of some size runs it, in the middle of a deployment every third turn.
fn service(number: usize, turn: i64, redactor: &Redactor) -> Live {
    let name = format!("checkout-service-{number:05}");
    let revision = turn / 3;
    let at = start() + SignedDuration::from_mins(turn);
    let container = |container: &str, variables: usize| ObservedContainer {
        name: container.to_owned(),
        image: Some(format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/{name}-{container}:2026.{revision}")),
        cpu: 256,
        memory: Some(512),
        memory_reservation: None,
        essential: Some(true),
        environment: (0..variables)
            // A release names itself in one variable; the others stay.
            .map(|variable| (variable, if variable == 0 { revision } else { 0 }))
            .map(|(variable, value)| (format!("SOME_SETTING_{variable}"), format!("{SECRET}-{variable}-{value}")))
            .collect(),
        command: vec!["serve".to_owned()],
        entry_point: Vec::new(),
        port_mappings: vec![ObservedPort { container_port: 8080, host_port: None, protocol: Some("tcp".to_owned()) }],
        mount_points: Vec::new(),
    };
    let registered = ObservedDefinition {
        cpu: Some("512".to_owned()),
        memory: Some("1024".to_owned()),
        network_mode: Some("awsvpc".to_owned()),
        task_role_arn: Some(format!("arn:aws:iam::111122223333:role/{name}-task")),
        execution_role_arn: Some(format!("arn:aws:iam::111122223333:role/{name}-execution")),
        containers: vec![container("app", 12), container("log-router", 4)],
    };
    let arn = cluster().service_arn(&name);
    let visible = BTreeSet::new();
    let facts = definition::facts(&registered, &Secrets { service_arn: &arn, redactor, visible: &visible });
    let states = ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"];
    let observed = Observed {
        status: "ACTIVE".to_owned(),
        desired_count: 4,
        running_count: [2, 3, 4][(turn % 3) as usize],
        pending_count: [2, 1, 0][(turn % 3) as usize],
        launch_type: Some("FARGATE".to_owned()),
        scheduling_strategy: Some("REPLICA".to_owned()),
        platform_version: Some("1.4.0".to_owned()),
        controller: None,
        created_at: Some(start()),
        task_definition: Some(format!("arn:aws:ecs:eu-west-1:111122223333:task-definition/{name}:{}", revision + 1)),
        deployments: vec![ObservedDeployment {
            primary: true,
            rollout_state: Some(states[(turn % 3) as usize].to_owned()),
            rollout_reason: Some(format!("ECS deployment ecs-svc/06714829337{revision:08} in progress or completed.")),
            failed_tasks: 0,
            created_at: Some(start() + SignedDuration::from_mins(3 * revision)),
            updated_at: Some(at),
        }],
        task_sets: Vec::new(),
        load_balancers: vec![ObservedLoadBalancer {
            target_group_arn: Some(format!(
                "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/{name}/6d0ecf831eec9f09"
            )),
            name: None,
            container_name: Some("app".to_owned()),
            container_port: Some(8080),
        }],
        tags: Detail::Known(vec![
            ("team".to_owned(), "checkout".to_owned()),
            ("cost-center".to_owned(), "4711".to_owned()),
        ]),
        definition: Detail::Known(facts),
        registered: Detail::NotAsked,
        name,
    };
    live::live(&observed, &cluster())
}

/// One reading of all of them, and how many changes it shows.
fn read(history: &mut SqliteHistory, scope: &ScopeKey, lives: impl Iterator<Item = Live>, at: Timestamp) -> usize {
    let objects: BTreeMap<ObjectKey, Arc<Live>> = lives.map(|live| (live.key.clone(), Arc::new(live))).collect();
    let seen = Seen {
        scope,
        started: at,
        finished: at + SignedDuration::from_secs(1),
        listed: true,
        objects: &objects,
        gone: Vec::new(),
    };
    history.record(&seen).unwrap().len()
}

fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

#[test]
fn ten_thousand_things_of_which_one_in_a_hundred_changes_each_hour_fit_into_300_mb() {
    let (services, turns) = (1_000, 20);
    let scratch = Scratch::new("recorder-size");
    let path = scratch.file("moored.db");
    let scope = ScopeKey::parse("ecs_cluster/111122223333/eu-west-1/wonderland").unwrap();
    let redactor = Redactor::new(&[7; 32]);
    let of_turn = |turn| (0..services).map(move |number| (number, turn));

    let mut history = SqliteHistory::open(&path).unwrap();
    let empty = bytes(&path);
    let lives = of_turn(0).map(|(number, turn)| service(number, turn, &redactor));
    assert_eq!(read(&mut history, &scope, lives, start()), 0);
    drop(history);
    let facts = bytes(&path) - empty;

    let mut history = SqliteHistory::open(&path).unwrap();
    let mut changes = 0;
    for turn in 1..=turns {
        let lives = of_turn(turn).map(|(number, turn)| service(number, turn, &redactor));
        changes += read(&mut history, &scope, lives, start() + SignedDuration::from_mins(turn));
    }
    drop(history);
    assert_eq!(changes, 20_000);
    let a_change = (bytes(&path) - empty - facts) / changes as u64;
    let a_thing = facts / services as u64;
    // 100 things an hour for 90 days.
    let whole = 10_000 * a_thing + 100 * 24 * 90 * a_change;
    println!("{a_thing} bytes a thing, {a_change} bytes a change, {} MB for 90 days", whole / 1_000_000);
    assert!(whole <= 300_000_000, "{a_thing} bytes a thing, {a_change} bytes a change: {whole}");

    let content = std::fs::read(&path).unwrap();
    hidden(SECRET, "the state file", &String::from_utf8_lossy(&content));
}

#[test]
fn the_file_does_not_grow_when_the_past_is_pruned_as_fast_as_it_comes() {
    let scratch = Scratch::new("recorder-reuse");
    let path = scratch.file("moored.db");
    let scope = ScopeKey::parse("ecs_cluster/111122223333/eu-west-1/wonderland").unwrap();
    let redactor = Redactor::new(&[7; 32]);
    let mut history = SqliteHistory::open(&path).unwrap();
    let mut size = Vec::new();
    // A change of each thing every third day; what is older than 90 days goes.
    for (turn, day) in (1..).zip((0..=360).step_by(3)) {
        let lives = (0..50).map(|number| service(number, turn, &redactor));
        read(&mut history, &scope, lives, start() + SignedDuration::from_hours(24 * day));
        size.push(bytes(&path) + bytes(&scratch.file("moored.db-wal")));
    }
    let kept = history.changes(&ChangeQuery { limit: 100_000, ..ChangeQuery::default() }).unwrap();
    assert!((1_450..=1_600).contains(&kept.len()), "{}", kept.len());
    let (after_120_days, after_360_days) = (size[40], size[120]);
    assert!(after_360_days <= after_120_days + after_120_days / 5, "{after_120_days} {after_360_days}");
}
