//! Every shape of answer: in full, and with all that a platform may leave out or set to `null`.

use serde::de::DeserializeOwned;

use super::super::types::*;
use super::*;

const TIMES: &str = r#""created_at":"2016-03-23T18:48:22Z","updated_at":"2016-03-23T18:48:42Z""#;

/// The fixture as an answer; `TIMES` in it stands for both times.
fn read<T: DeserializeOwned>(fixture: &str) -> T {
    let text = fixture.replace("TIMES", TIMES);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn at(time: &str) -> Option<Timestamp> {
    Some(time.parse().unwrap())
}

#[test]
fn apps() {
    let app: App = read(
        r#"{"guid":"a","name":"api","state":"STARTED",TIMES,
            "lifecycle":{"type":"buildpack","data":{"buildpacks":["ruby_buildpack"],"stack":"cflinuxfs4"}},
            "relationships":{"space":{"data":{"guid":"s"}},"current_droplet":{"data":{"guid":"d"}}},
            "metadata":{"labels":{"team":"shop"},"annotations":{"note":null}},"links":{"self":{"href":"x"}}}"#,
    );
    assert_eq!((&*app.guid, &*app.name, &*app.state), ("a", "api", "STARTED"));
    assert_eq!((app.created_at, app.updated_at), (at("2016-03-23T18:48:22Z"), at("2016-03-23T18:48:42Z")));
    assert_eq!((&*app.lifecycle.kind, app.lifecycle.data.stack.as_deref()), ("buildpack", Some("cflinuxfs4")));
    assert_eq!(&*app.lifecycle.data.buildpacks[0], "ruby_buildpack");
    let relationships = &app.relationships;
    assert_eq!((relationships.space.as_deref(), relationships.current_droplet.as_deref()), (Some("s"), Some("d")));
    assert_eq!(app.metadata.labels.get("team"), Some(&Some("shop".into())));

    let docker: App = read(
        r#"{"guid":"a","name":"api","state":"STOPPED","lifecycle":{"type":"docker","data":{}},
            "relationships":{"space":{"data":null},"current_droplet":{"data":{"guid":null}},"other":{"data":[]}}}"#,
    );
    assert!(docker.lifecycle.data.buildpacks.is_empty());
    assert_eq!(docker.relationships, Relationships::default());
}

#[test]
fn processes_and_their_instances() {
    let process: Process = read(
        r#"{"guid":"p","type":"web","command":"[PRIVATE DATA HIDDEN IN LISTS]","user":"vcap","instances":3,
            "memory_in_mb":256,"disk_in_mb":1024,"log_rate_limit_in_bytes_per_second":-1,
            "health_check":{"type":"http","data":{"timeout":60,"invocation_timeout":null,"endpoint":"/health"}},
            "readiness_health_check":{"type":"process","data":{"interval":5}},
            "process_instances":[{"index":0,"state":"RUNNING","since":12,"routable":true},{"index":1,"state":"DOWN"}],
            "relationships":{"app":{"data":{"guid":"a"}},"revision":null},"version":"v",TIMES}"#,
    );
    assert_eq!((&*process.kind, process.instances, process.version.as_deref()), ("web", 3, Some("v")));
    assert_eq!((process.memory_in_mb, process.log_rate_limit_in_bytes_per_second), (Some(256), Some(-1)));
    let check = process.health_check.unwrap();
    assert_eq!((&*check.kind, check.data.timeout, check.data.invocation_timeout), ("http", Some(60), None));
    assert_eq!(check.data.endpoint.as_deref(), Some("/health"));
    assert_eq!(process.readiness_health_check.unwrap().data.interval, Some(5));
    let instances = process.process_instances.unwrap();
    assert_eq!((&*instances[0].state, instances[0].since, instances[0].routable), ("RUNNING", Some(12), Some(true)));
    assert_eq!((instances[1].index, instances[1].since, instances[1].routable), (1, None, None));
    assert_eq!((process.relationships.app.as_deref(), process.relationships.revision), (Some("a"), None));

    let old: Process = read(r#"{"guid":"p","type":"worker","instances":0,"relationships":null}"#);
    assert_eq!((old.process_instances, old.health_check, old.version), (None, None, None));

    let stats: Stats = read(
        r#"{"resources":[
            {"type":"web","index":0,"state":"RUNNING","routable":true,"uptime":9042,"usage":{},"isolation_segment":null},
            {"type":"web","index":1,"state":"CRASHED","uptime":0,"mem_quota":null,"details":"exit 1"}]}"#,
    );
    assert_eq!((stats.resources[0].uptime, stats.resources[0].routable), (Some(9042), Some(true)));
    assert_eq!((stats.resources[1].index, &*stats.resources[1].state), (1, "CRASHED"));
}

#[test]
fn services_and_bindings() {
    let instance: ServiceInstance = read(
        r#"{"guid":"i","name":"db","type":"managed","tags":["sql"],"upgrade_available":true,TIMES,
            "maintenance_info":{"version":"1.0.0"},"dashboard_url":"https://x?token=secret",
            "last_operation":{"type":"update","state":"failed","description":"no","updated_at":"2020-03-10T15:49:32Z"},
            "relationships":{"service_plan":{"data":{"guid":"pl"}},"space":{"data":{"guid":"s"}}}}"#,
    );
    assert_eq!((&*instance.kind, instance.upgrade_available), ("managed", Some(true)));
    assert_eq!(instance.maintenance_info.version.as_deref(), Some("1.0.0"));
    let operation = instance.last_operation.clone().unwrap();
    assert_eq!((operation.kind.as_deref(), &*operation.state), (Some("update"), "failed"));
    assert_eq!(operation.updated_at, at("2020-03-10T15:49:32Z"));
    assert_eq!(instance.relationships.service_plan.as_deref(), Some("pl"));
    assert!(!format!("{instance:?}").contains("secret"));

    let provided: ServiceInstance = read(
        r#"{"guid":"i","name":"drain","type":"user-provided","tags":null,"last_operation":null,
            "syslog_drain_url":"https://user:secret@logs","relationships":{"space":{"data":{"guid":"s"}}}}"#,
    );
    assert_eq!((provided.tags.len(), provided.last_operation, provided.upgrade_available), (0, None, None));

    let binding: Binding = read(
        r#"{"guid":"b","name":null,"type":"app",TIMES,"credentials":{"password":"secret"},
            "last_operation":{"type":null,"state":"in progress","description":null},
            "relationships":{"app":{"data":{"guid":"a"}},"service_instance":{"data":{"guid":"i"}}}}"#,
    );
    assert_eq!((&*binding.kind, binding.name.as_deref()), ("app", None));
    assert_eq!(&*binding.last_operation.clone().unwrap().state, "in progress");
    assert_eq!(binding.relationships.service_instance.as_deref(), Some("i"));
    assert!(!format!("{binding:?}").contains("secret"));

    let plan: ServicePlan =
        read(r#"{"guid":"pl","name":"small","relationships":{"service_offering":{"data":{"guid":"of"}}}}"#);
    assert_eq!(plan.relationships.service_offering.as_deref(), Some("of"));
    assert_eq!(&*read::<ServiceOffering>(r#"{"guid":"of","name":"postgres"}"#).name, "postgres");
}

#[test]
fn routes_and_domains() {
    let route: Route = read(
        r#"{"guid":"r","protocol":"http","host":"www","path":"/some_path","port":null,"url":"www.example.com/some_path",
            TIMES,"options":{"loadbalancing":"hash","hash_balance":1.5},
            "destinations":[
              {"guid":"d","app":{"guid":"a","process":{"type":"web"}},"weight":null,"port":8080,"protocol":"http1",TIMES},
              {"guid":null,"app":{"guid":"a"},"port":null}],
            "relationships":{"space":{"data":{"guid":"s"}},"domain":{"data":{"guid":"do"}}}}"#,
    );
    assert_eq!((&*route.url, &*route.path, route.port), ("www.example.com/some_path", "/some_path", None));
    let destination = &route.destinations[0];
    assert_eq!((&*destination.app.guid, destination.port), ("a", Some(8080)));
    assert_eq!(destination.app.process.as_ref().map(|process| &*process.kind), Some("web"));
    assert_eq!(destination.created_at, at("2016-03-23T18:48:22Z"));
    assert_eq!(route.destinations[1].app.process, None);
    assert_eq!(route.options.get("hash_balance").and_then(Value::as_f64), Some(1.5));
    assert_eq!(route.relationships.domain.as_deref(), Some("do"));

    let tcp: Route =
        read(r#"{"guid":"r","protocol":"tcp","port":6666,"url":"tcp.example.com:6666","destinations":[]}"#);
    assert_eq!((tcp.port, &*tcp.host, tcp.options.len()), (Some(6666), "", 0));

    let domain: Domain = read(
        r#"{"guid":"do","name":"example.com","internal":false,"router_group":null,"supported_protocols":["http"],
            "relationships":{"organization":{"data":null},"shared_organizations":{"data":[{"guid":"o"}]}}}"#,
    );
    assert_eq!((&*domain.name, domain.relationships.organization), ("example.com", None));
}

#[test]
fn buildpacks_stacks_droplets_and_deployments() {
    let buildpack: Buildpack = read(
        r#"{"guid":"b","name":"ruby_buildpack","state":"READY","filename":"ruby-cflinuxfs4-v1.8.39.zip",
            "stack":"cflinuxfs4","position":2,"lifecycle":"buildpack","enabled":true,"locked":false,TIMES}"#,
    );
    assert_eq!((buildpack.position, buildpack.enabled, buildpack.locked), (2, true, false));
    assert_eq!(buildpack.filename.as_deref(), Some("ruby-cflinuxfs4-v1.8.39.zip"));
    let spurious: Buildpack = read(
        r#"{"guid":"b","name":"x","state":"AWAITING_UPLOAD","filename":null,"stack":null,"position":1,
            "enabled":true,"locked":false}"#,
    );
    assert_eq!((spurious.stack, spurious.lifecycle), (None, None));

    let stack: Stack = read(
        r#"{"guid":"s","name":"cflinuxfs3","state":"DEPRECATED","state_reason":"old","default":true,"description":null}"#,
    );
    assert_eq!((stack.state.as_deref(), stack.default), (Some("DEPRECATED"), true));
    assert_eq!(read::<Stack>(r#"{"guid":"s","name":"cflinuxfs3"}"#).state, None);

    let droplet: Droplet = read(
        r#"{"guid":"d","state":"STAGED","error":null,"lifecycle":{"type":"buildpack","data":{}},
            "execution_metadata":"[PRIVATE DATA HIDDEN IN LISTS]","process_types":{"web":"secret"},
            "checksum":{"type":"sha256","value":"e3b0"},"stack":"cflinuxfs4","image":null,TIMES,
            "buildpacks":[{"name":"ruby_buildpack","detect_output":"ruby","version":"1.8.39","buildpack_name":"ruby"},
                          {"name":"x","version":null}],
            "relationships":{"app":{"data":{"guid":"a"}}}}"#,
    );
    assert_eq!(
        (&*droplet.buildpacks[0].name, droplet.buildpacks[0].version.as_deref()),
        ("ruby_buildpack", Some("1.8.39"))
    );
    assert_eq!(droplet.checksum.as_ref().and_then(|checksum| checksum.value.as_deref()), Some("e3b0"));
    assert!(!format!("{droplet:?}").contains("secret"));
    let copying: Droplet = read(r#"{"guid":"d","state":"COPYING","buildpacks":null,"checksum":null,"stack":null}"#);
    assert!(copying.buildpacks.is_empty());

    let deployment: Deployment = read(
        r#"{"guid":"d","status":{"value":"ACTIVE","reason":"DEPLOYING",
              "details":{"last_successful_healthcheck":"2018-04-25T22:42:10Z","last_status_change":null}},
            "strategy":"rolling","droplet":{"guid":"new"},"previous_droplet":{"guid":null},TIMES,
            "relationships":{"app":{"data":{"guid":"a"}}}}"#,
    );
    assert_eq!((&*deployment.status.value, deployment.status.reason.as_deref()), ("ACTIVE", Some("DEPLOYING")));
    assert_eq!(deployment.status.details.last_successful_healthcheck, at("2018-04-25T22:42:10Z"));
    assert_eq!((deployment.droplet.as_deref(), deployment.previous_droplet), (Some("new"), None));
    assert_eq!(deployment.relationships.app.as_deref(), Some("a"));
}

#[test]
fn events_and_variables() {
    let event: AuditEvent = read(
        r#"{"guid":"e","created_at":"2016-06-08T16:41:23Z","updated_at":"2016-06-08T16:41:23Z","type":"audit.app.update",
            "actor":{"guid":"u","type":"user","name":"anne"},"target":{"guid":"a","type":"app","name":"api"},
            "data":{"manifest_triggered":true,"request":{"env":"secret"}},
            "space":{"guid":"s"},"organization":{"guid":"o"}}"#,
    );
    assert_eq!((&*event.kind, Some(event.created_at)), ("audit.app.update", at("2016-06-08T16:41:23Z")));
    assert_eq!((&*event.actor.name, &*event.target.guid, event.manifest_triggered), ("anne", "a", true));
    assert_eq!((event.space.as_deref(), event.organization.as_deref()), (Some("s"), Some("o")));
    assert!(!format!("{event:?}").contains("secret"));
    let platform_wide: AuditEvent = read(
        r#"{"guid":"e","created_at":"2016-06-08T16:41:23Z","type":"audit.buildpack.create","data":null,
            "actor":{"guid":"u","type":"user","name":null},"target":null,"space":null,"organization":{"guid":null}}"#,
    );
    assert_eq!((platform_wide.space, platform_wide.organization), (None, None));
    assert_eq!((platform_wide.target, platform_wide.manifest_triggered), (Party::default(), false));

    let group: EnvironmentGroup =
        read(r#"{"updated_at":"2016-05-04T17:00:41Z","name":"running","var":{"PROXY":"secret","N":1}}"#);
    assert_eq!(group.names.iter().map(|name| &**name).collect::<Vec<_>>(), ["N", "PROXY"]);
    assert!(!format!("{group:?}").contains("secret"));
    let never: EnvironmentGroup = read(r#"{"updated_at":null,"name":"running","var":{}}"#);
    assert_eq!(never.updated_at, None);
}

#[test]
fn the_platform_itself() {
    let root: Root = read(
        r#"{"links":{"cloud_controller_v3":{"href":"https://api.x/v3","meta":{"version":"3.211.0"}},
            "login":{"href":"https://login.x"},"uaa":null,"credhub":null,"app_ssh":{"href":"x","meta":{"oauth_client":"y"}}}}"#,
    );
    assert_eq!(root.links.cloud_controller_v3.unwrap().version(), (3, 211, 0));
    assert_eq!((root.links.login.unwrap().href.as_str(), root.links.uaa), ("https://login.x", None));
    assert_eq!(read::<Link>(r#"{"href":"https://api.x/v3"}"#).version(), (0, 0, 0));
    assert_eq!(read::<Link>(r#"{"href":"x","meta":{"version":"4.1"}}"#).version(), (4, 1, 0));

    let info: Info = read(
        r#"{"build":"","name":"CF","version":123,"osbapi_version":"2.15","custom":{},
            "rate_limits":{"enabled":true,"general_limit":2000,"reset_interval_in_minutes":30}}"#,
    );
    let limits = info.rate_limits.unwrap();
    assert_eq!((limits.enabled, limits.general_limit), (true, Some(2000)));
    assert_eq!(read::<Info>(r#"{"name":null}"#), Info::default());

    let organization: Organization = read(
        r#"{"guid":"o","name":"shop","suspended":true,TIMES,"relationships":{"quota":{"data":{"guid":"q"}}},
            "metadata":{"labels":{},"annotations":{}}}"#,
    );
    assert_eq!((organization.suspended, organization.relationships.quota.as_deref()), (true, Some("q")));
    let space: Space = read(
        r#"{"guid":"s","name":"prod",TIMES,"relationships":{"organization":{"data":{"guid":"o"}},"quota":{"data":null}}}"#,
    );
    assert_eq!((space.relationships.organization.as_deref(), space.relationships.quota), (Some("o"), None));
    assert_eq!(&*read::<Space>(r#"{"guid":"s","name":"prod"}"#).name, "prod");
}

#[test]
fn what_tells_things_apart_must_be_there() {
    for half in [
        r#"{"guid":"a","name":"api"}"#,
        r#"{"name":"api","state":"STARTED"}"#,
        r#"{"guid":null,"name":"api","state":"STARTED"}"#,
    ] {
        assert!(serde_json::from_str::<App>(half).is_err(), "{half}");
    }
    for half in [
        r#"{"guid":"b","name":"x","position":1,"locked":false}"#,
        r#"{"guid":"b","name":"x","enabled":true,"locked":false}"#,
    ] {
        assert!(serde_json::from_str::<Buildpack>(half).is_err(), "{half}");
    }
    assert!(serde_json::from_str::<Binding>(r#"{"guid":"b"}"#).is_err());
    assert!(serde_json::from_str::<Process>(r#"{"guid":"p","type":"web"}"#).is_err());
    assert!(serde_json::from_str::<Route>(r#"{"guid":"r","url":"x"}"#).is_err());
}
