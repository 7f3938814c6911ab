use super::*;

pub(in crate::kinds::app) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(in crate::kinds::app) fn running(since: &str) -> Instance {
    Instance { state: "RUNNING".to_owned(), since: Some(at(since)) }
}

pub(in crate::kinds::app) fn in_state(state: &str) -> Instance {
    Instance { state: state.to_owned(), since: None }
}

pub(in crate::kinds::app) fn process(process_type: &str, states: Vec<Instance>) -> Process {
    Process {
        guid: format!("{process_type}-guid").into(),
        process_type: process_type.to_owned(),
        instances: i64::try_from(states.len()).unwrap(),
        memory: Some(256),
        disk: Some(1024),
        log_rate: Some(-1),
        user: None,
        version: Some("v1".into()),
        revision: None,
        health_check: Check { check_type: Some("port".to_owned()), timeout: Some(60), ..Check::default() },
        readiness: Check { check_type: Some("process".to_owned()), ..Check::default() },
        created_at: Some(at("2026-11-01T10:00:00Z")),
        updated_at: Some(at("2026-11-01T10:00:00Z")),
        states: Ok(states),
    }
}

pub(in crate::kinds::app) fn deployment(since: &str) -> Deployment {
    Deployment {
        guid: "59c3d133".into(),
        created_at: at(since),
        progressed_at: None,
        reason: Some("DEPLOYING".to_owned()),
    }
}

/// Two instances of `web`, which run since an hour after the app was last touched.
pub(in crate::kinds::app) fn observed() -> Observed {
    Observed {
        guid: "ccc25a0f".into(),
        name: "Api".to_owned(),
        space: "Production".to_owned(),
        state: "STARTED".to_owned(),
        lifecycle_type: "buildpack".to_owned(),
        buildpacks: Vec::new(),
        stack: Some("cflinuxfs4".to_owned()),
        docker_image: None,
        created_at: Some(at("2026-11-01T10:00:00Z")),
        updated_at: Some(at("2026-11-20T01:00:00Z")),
        labels: BTreeMap::from([("team".to_owned(), "paas".to_owned())]),
        annotations: BTreeMap::new(),
        processes: vec![process("web", vec![running("2026-11-20T02:00:00Z"), running("2026-11-20T02:00:05Z")])],
        routes: vec![Route {
            url: "api.example.com/v1".to_owned(),
            protocol: Some("http1".to_owned()),
            options: BTreeMap::from([("loadbalancing".to_owned(), "round-robin".to_owned())]),
        }],
        services: BTreeSet::from(["queue".to_owned()]),
        droplet: Some(Droplet {
            guid: "585bc3c1".into(),
            stack: Some("cflinuxfs4".to_owned()),
            buildpacks: vec![("ruby_buildpack".to_owned(), Some("1.10.6".to_owned()))],
            created_at: Some(at("2026-11-01T10:00:00Z")),
        }),
        restarted: None,
        deployment: None,
        manifest: None,
    }
}

pub(in crate::kinds::app) fn platform() -> Platform {
    let buildpack = |name: &str, filename: &str| Buildpack {
        name: name.to_owned(),
        stack: Some("cflinuxfs4".to_owned()),
        enabled: true,
        filename: Some(filename.to_owned()),
        updated_at: Some(at("2026-10-01T10:00:00Z")),
    };
    let stack = |name: &str, state: &str| Stack { name: name.to_owned(), state: Some(state.to_owned()) };
    Platform {
        buildpacks: vec![
            buildpack("ruby_buildpack", "ruby_buildpack-cached-cflinuxfs4-v1.10.6.zip"),
            buildpack("nodejs_buildpack", "nodejs_buildpack-cached-cflinuxfs4-v1.8.30.zip"),
        ],
        stacks: vec![stack("cflinuxfs4", "ACTIVE"), stack("cflinuxfs5", "ACTIVE")],
    }
}

fn fields(app: &Observed) -> Fields {
    live(app, &platform()).0.fields
}

#[test]
fn an_app_is_found_by_space_and_name_in_lower_case_and_known_by_its_guid() {
    let (live, _) = live(&observed(), &platform());
    assert_eq!((&*live.key.key, &*live.id), ("production/api", "ccc25a0f"));
}

#[test]
fn the_lists_tell_everything_but_variables_commands_features_and_sidecars() {
    let fields = fields(&observed());
    for (path, value) in [
        ("state", Value::text("STARTED")),
        ("buildpacks", Value::List(Box::default())),
        ("stack", Value::text("cflinuxfs4")),
        ("labels.team", Value::text("paas")),
        ("routes.api.example.com/v1", Value::Bool(true)),
        ("routes.api.example.com/v1.protocol", Value::text("http1")),
        ("routes.api.example.com/v1.loadbalancing", Value::text("round-robin")),
        ("routeCount", Value::Int(1)),
        ("services", Value::set(["queue"])),
        ("processes.web.instances", Value::Int(2)),
        ("processes.web.memory", Value::Int(256)),
        ("processes.web.timeout", Value::Int(60)),
        ("processes.web.healthCheck.type", Value::text("port")),
        ("processes.web.readiness.type", Value::text("process")),
        ("runtime.web.running", Value::Int(2)),
    ] {
        assert_eq!(*fields.fact(path), Fact::Known(value), "{path}");
    }
    for path in ["env.LOG_LEVEL", "envNames", "processes.web.command", "features.ssh", "sidecars.proxy.memory"] {
        assert!(detail::is_not_asked(&fields.fact(path)), "{path}");
    }
    assert_eq!(*fields.fact("routes.other.example.com"), Fact::Known(Value::Nothing), "no such route");
}

#[test]
fn what_the_role_may_never_read_is_unchecked() {
    let why = Fact::Unchecked("needs cloud_controller.admin_read_only, or Space Developer".into());
    let fields = fields(&Observed { manifest: Some(Err(why.clone())), ..observed() });
    assert_eq!((&*fields.fact("env.LOG_LEVEL"), &*fields.fact("processes.web.command")), (&why, &why));
}

#[test]
fn the_newest_process_says_what_is_wanted_and_all_of_its_type_what_runs() {
    let mut app = observed();
    let mut new = process("web", vec![running("2026-11-20T11:00:00Z"), in_state("STARTING")]);
    (new.created_at, new.instances, new.version) = (Some(at("2026-11-20T10:59:00Z")), 1, Some("v2".into()));
    app.processes.insert(0, new);
    let (live, marks) = live(&app, &platform());
    let number = |path: &str| live.fields.value(path).and_then(Value::as_int);
    assert_eq!(number("processes.web.instances"), Some(1));
    assert_eq!((number("runtime.web.running"), number("runtime.web.starting")), (Some(3), Some(1)));
    let text = |path: &str| live.fields.value(path).and_then(Value::as_text);
    assert_eq!(text("runtime.web.oldestStart"), Some("2026-11-20T02:00:00Z"));
    assert_eq!(text("runtime.processCreatedAt.web"), Some("2026-11-20T10:59:00Z"));
    assert_eq!(marks.get("version:web").map(|version| &**version), Some("v2"));
}

#[test]
fn instances_that_could_not_be_read_are_unknown_and_not_none() {
    let mut app = observed();
    app.processes[0].states = Err(Fact::Unknown("stats: 503".into()));
    assert_eq!(*fields(&app).fact("runtime.web.running"), Fact::Unknown("stats: 503".into()));
}

#[test]
fn an_instance_without_an_age_leaves_the_oldest_start_open() {
    let mut app = observed();
    app.processes[0].states = Ok(vec![running("2026-11-20T02:00:00Z"), in_state("RUNNING")]);
    assert_eq!(fields(&app).value("runtime.web.oldestStart"), None);
    app.processes[0].states = Ok(vec![running("2026-11-20T02:00:00.001Z")]);
    let start = fields(&app).value("runtime.web.oldestStart").cloned();
    assert_eq!(start, Some(Value::text("2026-11-20T02:00:01Z")), "rounded, but never to an earlier time");
}

#[test]
fn marks_tell_configuration_from_what_changes_by_itself() {
    let of = |change: fn(&mut Process)| {
        let mut app = observed();
        change(&mut app.processes[0]);
        live(&app, &platform()).1.get("process:web").cloned().unwrap()
    };
    let before = of(|_| ());
    assert_eq!(before, of(|process| process.instances = 5), "scaling needs no restart");
    assert_eq!(before, of(|process| process.version = Some("v2".into())));
    assert_ne!(before, of(|process| process.memory = Some(512)));
    assert_ne!(before, of(|process| process.health_check.endpoint = Some("/health".to_owned())));
}

#[test]
fn the_environment_is_marked_only_where_the_manifest_was_read() {
    let yaml = "applications: [{name: api, env: {A: x}, processes: [{type: web, command: run}]}]";
    let read = super::super::manifest::tests::parsed(yaml);
    let (_, marks) = live(&Observed { manifest: Some(read), ..observed() }, &platform());
    let names: Vec<&str> = marks.keys().map(|name| &**name).collect();
    let expected = ["command:web", "environment", "guid:web", "handed", "handed:web", "manifest"];
    assert_eq!(names, [expected.as_slice(), &["process:web", "version:web"]].concat());
    let (_, marks) = live(&observed(), &platform());
    assert!(!marks.contains_key("environment") && !marks.contains_key("manifest"), "{marks:?}");
}

#[test]
fn the_image_of_a_docker_app_is_unknown_without_its_droplet() {
    let docker = Observed { lifecycle_type: "docker".to_owned(), droplet: None, ..observed() };
    assert!(matches!(*fields(&docker).fact("docker.image"), Fact::Unknown(_)));
    let named = Observed { docker_image: Some("jimdo/deployer:1".to_owned()), ..docker };
    assert_eq!(fields(&named).value("docker.image"), Some(&Value::text("jimdo/deployer:1")));
    assert_eq!(fields(&named).value("buildpacks"), None);
}

#[test]
fn what_a_restart_handed_over_is_marked_but_not_while_a_deployment_rolls() {
    let restarted = || Some((at("2026-11-20T02:00:00Z"), "audit.app.restart".to_owned()));
    let mut app = Observed { restarted: restarted(), ..observed() };
    app.processes[0].updated_at = Some(at("2026-11-20T03:00:00Z"));
    let marked = |app: &Observed, name: &str| live(app, &platform()).1.get(name).map(ToString::to_string);
    assert_eq!(marked(&app, "handed").as_deref(), Some("2026-11-20T02:00:00Z"));
    assert_eq!(marked(&app, "handed:web").as_deref(), Some("late"), "it was scaled since");
    assert_eq!(marked(&app, "rolling:web"), None);
    app.deployment = Some(deployment("2026-11-20T04:00:00Z"));
    assert_eq!((marked(&app, "handed"), marked(&app, "handed:web")), (None, None));
    assert_eq!(marked(&app, "rolling:web").as_deref(), Some("web-guid"));
}

#[test]
fn a_host_is_spelled_in_lower_case_and_a_path_as_it_is() {
    let mut app = observed();
    app.routes[0].url = "API.Example.com/V1".to_owned();
    let fields = fields(&app);
    assert_eq!(fields.value("routes.api.example.com/V1"), Some(&Value::Bool(true)));
    assert_eq!(fields.value("routes"), Some(&Value::set(["api.example.com/V1"])));
}

#[test]
fn what_stands_in_addresses_to_be_let_in_is_not_shown() {
    for (live, shown) in [
        ("ruby_buildpack", "ruby_buildpack"),
        ("https://github.com/x/y#v1", "https://github.com/x/y#v1"),
        ("https://me:hunter2@git.example.com/x/y#v1", "https://***:***@git.example.com/x/y#v1"),
        ("https://***:***@git.example.com/x", "https://***:***@git.example.com/x"),
        ("https://git.example.com/x.zip?token=hunter2", "https://git.example.com/x.zip"),
    ] {
        assert_eq!(without_secrets(live), shown);
    }
    assert_eq!(without_secret_query("/health?deep=no"), "/health?deep=no");
    assert_eq!(without_secret_query("/health?deep=no&token=hunter2"), "/health?deep=***&token=***");
    let mut app = observed();
    app.buildpacks = vec!["https://me:hunter2@git.example.com/x".to_owned()];
    app.processes[0].health_check.endpoint = Some("/health?token=hunter2".to_owned());
    let (live, marks) = live(&app, &platform());
    assert!(!format!("{live:?} {marks:?}").contains("hunter2"), "{live:?} {marks:?}");
}
