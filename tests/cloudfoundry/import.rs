//! The commands of a person at a foundation: `import` and the `check` after it, manifests that only
//! repeat what is live, `whoami`, and `diff` with the names of those who changed something.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use moored::clock::Clock;
use moored::sim::cloudfoundry::{Answer, Foundation, Request};
use moored::sim::wire::{Cloud, server};
use moored::sim::world::World;
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::common::daemon::Daemon;
use super::common::{Outcome, Scratch, command, eventually, run, text};
use super::place;

/// What is said of a manifest that may have been exported from live.
const ECHO: &str = "says exactly what is live in production (prod/api)";
/// What is said where the platform writes no events of buildpacks.
const TOO_OLD: &str = "by nobody we can see (platform older than 3.210)";

/// Signs in with a role that sees nothing.
const STRANGER: &str = "apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  cloudFoundry:
    api: https://api.example.com
    organizations: {gds: {}}
    auth: {clientId: stranger, clientSecretFile: /nowhere/secret}
";

/// The place, served on loopback by the wall's clock, and manifests beside it.
struct Served {
    scratch: Scratch,
    cloud: Cloud,
    clock: Clock,
    server: server::Running,
    /// Dropped after the server that it runs.
    _runtime: Runtime,
}

impl Served {
    fn new(name: &str, prepare: impl FnOnce(&mut Foundation)) -> Self {
        let clock = Clock::wall();
        let mut foundation = place::foundation(clock.now());
        prepare(&mut foundation);
        let ticking = clock.clone();
        let cloud = Cloud::new(World::default(), move || ticking.now(), 7);
        cloud.add_foundation(foundation);
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(server::spawn(cloud.clone())).unwrap();
        Self { scratch: Scratch::new(name), cloud, clock, server, _runtime: runtime }
    }

    /// Writes the files of a root.
    fn write(&self, root: &str, files: &[(&str, &str)]) {
        for (file, content) in files {
            self.scratch.write(&format!("{root}/{file}"), content);
        }
    }

    /// Runs a subcommand on these roots.
    fn moored(&self, subcommand: &str, roots: &[&str], more: &[&str]) -> Outcome {
        let mut command = command();
        command.args([subcommand, "--cloud", self.server.url.as_str()]);
        for root in roots {
            command.args(["--desired-state", text(&self.scratch.file(root))]);
        }
        command.args(more);
        run(command)
    }

    /// What people do on the foundation.
    fn act<R>(&self, act: impl FnOnce(&mut Foundation, Timestamp) -> R) -> R {
        let now = self.clock.now();
        self.cloud.with_foundation(place::HOST, |foundation| act(foundation, now)).expect("it is mounted")
    }

    /// Somebody unbinds the database of `api`.
    fn unbind_db(&self, who: &str) {
        self.act(|foundation, now| {
            let app = foundation.app_guid(place::ORGANIZATION, place::SPACE, "api").unwrap();
            let db = foundation.instance_guid(place::ORGANIZATION, place::SPACE, "db").unwrap();
            foundation.act_as(who);
            assert!(foundation.unbind(&app, &db, now));
        });
    }

    /// The manifest that the platform makes of a live app.
    fn exported(&self, app: &str) -> Value {
        let answer = self.act(|foundation, now| {
            let guid = foundation.app_guid(place::ORGANIZATION, place::SPACE, app).unwrap();
            // What is asked here is none of moored's requests.
            let mut foundation = foundation.clone();
            let form = format!("grant_type=client_credentials&client_id=moored&client_secret={}", place::SECRET);
            let kind = "application/x-www-form-urlencoded";
            let signed = ask(&mut foundation, "POST", "/login/oauth/token", ("content-type", kind), form.as_str(), now);
            let signed: Value = serde_json::from_slice(&signed.body).unwrap();
            let bearer = format!("bearer {}", signed["access_token"].as_str().expect("a token"));
            let path = format!("/v3/apps/{guid}/manifest");
            ask(&mut foundation, "GET", &path, ("authorization", bearer.as_str()), "", now)
        });
        let yaml = String::from_utf8(answer.body).unwrap();
        assert_eq!(answer.status, 200, "{yaml}");
        serde_yaml::from_str(&yaml).unwrap()
    }

    /// A root with the reviewed App `api`, whose manifest of Cloud Foundry's was written just now.
    fn declare(&self, root: &str, environment: &str, reviewed: &str, manifest: &Value) {
        let app = format!(
            "apiVersion: moored.dev/v1\nkind: App\nmetadata:\n  name: api\n  environments: [production]\n  \
             annotations: {{moored.dev/reviewed: \"{reviewed}\"}}\nspec: {{space: prod, manifest: manifest.yml}}\n"
        );
        let manifest = serde_yaml::to_string(manifest).unwrap();
        self.write(
            root,
            &[("environment.yaml", environment), ("app.yaml", app.as_str()), ("manifest.yml", manifest.as_str())],
        );
    }

    /// Whether `check` points the manifest of `api` out.
    fn is_pointed_out(&self, root: &str) -> bool {
        let outcome = self.moored("check", &[root], &[]);
        assert_ne!(outcome.code, 1, "there is a report: {}", outcome.stderr);
        outcome.stderr.contains(ECHO)
    }
}

fn ask(
    foundation: &mut Foundation,
    method: &str,
    path: &str,
    (name, value): (&str, &str),
    body: &str,
    now: Timestamp,
) -> Answer {
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: Vec::new(),
        headers: [(name.to_owned(), value.to_owned())].into(),
        body: body.as_bytes().to_vec(),
        base: String::new(),
    };
    foundation.answer(&request, now, 1)
}

/// Every manifest below a folder.
fn documents(folder: &Path) -> Vec<Value> {
    let mut documents = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents.extend(self::documents(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let all = serde_yaml::Deserializer::from_str(&text);
            documents.extend(all.map(|document| Value::deserialize(document).unwrap()));
        }
    }
    documents
}

/// The text at a place of a document.
#[track_caller]
fn said<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}: {document}"))
}

#[test]
fn an_import_is_in_sync_unreviewed_and_info_at_most() {
    let served = Served::new("cf-import", |_| ());
    served.write("bare", &[("environment.yaml", place::ENVIRONMENT)]);
    let output = served.scratch.file("imported");
    let flags = ["--environment", "production", "--cf-organization", "gds", "--cf-foundation", "--output"];
    let import = [&flags[..], &[text(&output)]].concat();
    served.moored("import", &["bare"], &import).exits(0).complains(&["imported: 8 manifest(s)"]);

    let documents = documents(&output);
    let reviewed: BTreeSet<&str> =
        documents.iter().map(|document| said(document, "/metadata/annotations/moored.dev~1reviewed")).collect();
    assert_eq!(reviewed, BTreeSet::from(["false"]));
    let named: BTreeSet<String> = documents
        .iter()
        .map(|document| format!("{}/{}", said(document, "/kind"), said(document, "/metadata/name")))
        .collect();
    let apps = ["App/api", "App/legacy", "App/mailer", "App/site"];
    let others = ["Buildpacks/buildpacks", "ServiceInstance/db", "ServiceInstance/logs", "ServiceInstance/queue"];
    let expected: BTreeSet<String> = apps.into_iter().chain(others).map(str::to_owned).collect();
    assert_eq!(named, expected);

    let check = || served.moored("check", &["bare", "imported"], &["--format", "json"]);
    let outcome = check().exits(0).complains(&["nobody has reviewed"]);
    assert!(!outcome.stderr.contains("says exactly what is live"), "an import says itself what it is");
    let report = outcome.json();
    let summary = &report["summary"];
    assert!(summary["resources"].as_u64().is_some_and(|resources| resources > 8), "bindings too: {summary}");
    assert_eq!(summary["inSync"], summary["resources"], "{report}");

    served.unbind_db("leaver@example.com");
    let report = check().exits(2).json();
    let findings = report["findings"].as_array().unwrap();
    let lost = |finding: &&Value| finding["kind"] == "ServiceBinding" && finding["drift"] == "missing";
    let lost: Vec<&str> = findings.iter().filter(lost).map(|finding| said(finding, "/name")).collect();
    assert_eq!(lost, ["api/db"], "{report}");
    assert!(findings.iter().all(|finding| finding["severity"] == "info"), "{report}");
    assert_eq!(report["environments"][0]["verdict"], "drifted", "nobody's word takes nothing down");
}

#[test]
fn a_second_import_has_nothing_left_and_overwrites_nothing() {
    let served = Served::new("cf-import-twice", |_| ());
    served.write("bare", &[("environment.yaml", place::ENVIRONMENT)]);
    let import = |roots: &[&str], output: &str| {
        let output = served.scratch.file(output);
        let flags = ["--environment", "production", "--cf-organization", "gds", "--cf-foundation", "--output"];
        served.moored("import", roots, &[&flags[..], &[text(&output)]].concat())
    };
    import(&["bare"], "imported").exits(0);
    import(&["bare"], "imported").exits(1).complains(&["is there already"]);
    import(&["bare", "imported"], "more").exits(0).complains(&["nothing to import"]);
    assert!(!served.scratch.file("more").exists());
}

#[test]
fn a_reviewed_export_of_what_is_live_is_pointed_out_while_it_is_fresh() {
    let served = Served::new("cf-echo", |_| ());
    let export = served.exported("api");
    served.declare("reviewed", place::ENVIRONMENT, "true", &export);
    let outcome = served.moored("check", &["reviewed"], &[]).exits(0);
    let told = format!("`manifest.yml` {ECHO}");
    outcome.complains(&[told.as_str(), "written less than a minute ago", "launders drift"]);

    served.declare("unreviewed", place::ENVIRONMENT, "false", &export);
    assert!(!served.is_pointed_out("unreviewed"), "it says so itself");
    served.declare("audited", place::AUDITED, "true", &export);
    assert!(!served.is_pointed_out("audited"), "an auditor does not know whether it names every variable");
}

#[test]
fn a_manifest_that_leaves_one_thing_out_is_not_pointed_out() {
    let served = Served::new("cf-no-echo", |_| ());
    let export = served.exported("api");
    type Less = (&'static str, fn(&mut Value));
    let less: [Less; 6] = [
        ("service", |app| drop(app["services"].as_array_mut().unwrap().pop())),
        ("route", |app| drop(app.as_object_mut().unwrap().remove("routes"))),
        ("variable", |app| drop(app.as_object_mut().unwrap().remove("env"))),
        ("stack", |app| drop(app.as_object_mut().unwrap().remove("stack"))),
        ("process", |app| drop(app["processes"].as_array_mut().unwrap().pop())),
        ("memory", |app| drop(app["processes"][0].as_object_mut().unwrap().remove("memory"))),
    ];
    for (what, leave_out) in less {
        let mut manifest = export.clone();
        leave_out(&mut manifest["applications"][0]);
        assert_ne!(manifest, export, "{what}");
        served.declare(what, place::ENVIRONMENT, "true", &manifest);
        assert!(!served.is_pointed_out(what), "a {what} was left out: {manifest}");
    }
    served.declare("whole", place::ENVIRONMENT, "true", &export);
    assert!(served.is_pointed_out("whole"), "with all of them it is");
}

#[test]
fn whoami_names_the_host_the_organisation_the_scopes_and_what_they_allow() {
    let served = Served::new("cf-whoami", |foundation| {
        foundation.add_client("stranger", place::SECRET, &["cloud_controller.read"]);
    });
    for (root, environment) in [("all", place::ENVIRONMENT), ("audited", place::AUDITED), ("stranger", STRANGER)] {
        served.write(root, &[("environment.yaml", environment)]);
    }
    served.moored("whoami", &["all"], &[]).exits(0).says(&[
        "PRODUCTION: production",
        "api.example.com  simulated as moored",
        "organisations: gds (not pinned",
        "granted: cloud_controller.admin_read_only",
        "audit events: yes, of every organisation",
        "env and command: yes, compared as keyed hashes",
        "visible: every organisation that is named",
    ]);
    served.moored("whoami", &["audited"], &[]).exits(0).says(&[
        "api.example.com  simulated as auditor",
        "granted: cloud_controller.global_auditor",
        "env and command: unchecked (needs cloud_controller.admin_read_only",
    ]);
    served.moored("whoami", &["stranger"], &[]).exits(3).says(&[
        "api.example.com  simulated as stranger",
        "granted: cloud_controller.read",
        "NOT VISIBLE: gds",
    ]);
}

/// A daemon over the place, once it has read everything.
fn daemon(served: &Served) -> Daemon {
    served.write("desired-state", &place::manifests());
    let state = served.scratch.file("moored.db");
    let daemon = Daemon::over(&served.scratch.file("desired-state"), &served.server.url, &["--state", text(&state)]);
    daemon.settled();
    daemon
}

/// Asks the state file what changed, until who did it is known of every change of this kind.
#[track_caller]
fn changes(served: &Served, kind: &str) -> Outcome {
    let state = served.scratch.file("moored.db");
    eventually("who did it is known", || {
        let mut command = command();
        command.args(["diff", "--since", "10m", "--kind", kind, "--state", text(&state)]);
        let page = run(command).exits(0);
        (page.stdout.contains(kind) && !page.stdout.contains("by: not known yet")).then_some(page)
    })
}

#[test]
fn diff_names_who_unbound_a_service() {
    let served = Served::new("cf-diff", |_| ());
    let daemon = daemon(&served);
    served.unbind_db("leaver@example.com");
    let page = changes(&served, "ServiceBinding");
    page.says(&["gone      ServiceBinding prod/api/db", "by leaver@example.com (audit.service_binding.delete at "]);
    drop(daemon);
}

#[test]
fn diff_says_why_an_old_platform_names_nobody_for_a_buildpack() {
    for (version, says, lacks) in
        [((3, 209, 0), TOO_OLD, "cats@example.com"), ((3, 210, 0), "by cats@example.com (audit.buildpack.", TOO_OLD)]
    {
        let (major, minor, patch) = version;
        let served = Served::new("cf-diff-old", |foundation| foundation.set_api_version(major, minor, patch));
        let daemon = daemon(&served);
        served.act(|foundation, now| {
            foundation.act_as("cats@example.com");
            let guid = foundation.create_buildpack("bruh", None, None, now);
            assert!(foundation.upload_buildpack(&guid, "bruh-v0.0.1.zip", now));
        });
        let page = changes(&served, "Buildpacks").says(&["appeared  Buildpacks bruh", says]);
        assert!(!page.stdout.contains(lacks), "{version:?}: {}", page.stdout);
        drop(daemon);
    }
}
