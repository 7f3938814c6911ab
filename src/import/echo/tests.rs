//! What an echo is and is not: sentences about one app, and about the files and the record around it.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;

use super::*;
use crate::core::identity::{ObjectKey, ScopeKind};
use crate::core::memory::{DeclaredMemory, ScopeMemory};
use crate::core::observation::{Observation, Reading};
use crate::core::record::Seen;
use crate::core::redact::Redactor;
use crate::core::value::Fields;
use crate::manifest::load::read_root;
use crate::manifest::resolve::resolve;
use crate::store::SqliteHistory;
use crate::store::scratch::Scratch;

const ENVIRONMENT: &str = "\
apiVersion: moored.dev/v1
kind: Environment
metadata: {name: production}
spec:
  class: production
  cloudFoundry:
    api: https://api.example.com
    organizations: {gds: {}}
    auth: {clientId: moored, clientSecretFile: /run/secrets/cf}
";

/// All that an export of [`live`] would say.
const EXPORT: &str = "\
applications:
- name: web
  stack: cflinuxfs4
  instances: 2
  memory: 256M
  disk_quota: 1G
  env: {RAILS_ENV: production, TOKEN: hunter2}
  routes:
  - route: web.example.com
  services:
  - db
";

const NOW: &str = "2026-11-20T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The web app of C2 after its queue was lost.
fn live() -> Live {
    let mut fields = Fields::default();
    for (path, text) in [("state", "STARTED"), ("lifecycle", "buildpack"), ("stack", "cflinuxfs4")] {
        fields.set(path, text);
    }
    for (path, texts) in
        [("routes", vec!["web.example.com"]), ("services", vec!["db"]), ("envNames", vec!["RAILS_ENV", "TOKEN"])]
    {
        fields.set(path, Value::set(texts));
    }
    fields.set("buildpacks", Value::List(Box::default()));
    fields.set("routes.web.example.com", true);
    for (path, number) in [("routeCount", 1), ("instances", 2), ("memory", 256), ("disk", 1024)] {
        let path = if path == "routeCount" { path.to_owned() } else { format!("processes.web.{path}") };
        fields.set(path, number);
    }
    for (hash, name) in [(1, "RAILS_ENV"), (2, "TOKEN")] {
        fields.set(format!("env.{name}"), Value::secret(hash, None));
    }
    let key = ObjectKey::new(app::KIND, "prod/web");
    let (addresses, references) = (Box::default(), Box::default());
    Live { key, id: "ccc25a0f".into(), incarnation: None, fields, addresses, references }
}

fn with(path: &'static str, value: impl Into<Value>) -> Live {
    let mut live = live();
    live.fields.set(path, value);
    live
}

fn scope() -> ScopeKey {
    ScopeKey::new(ScopeKind::CfOrganization, "api.example.com", "cf", "gds")
}

/// A root with the manifest of an app that uses this one of Cloud Foundry's.
struct Root {
    scratch: Scratch,
    roots: Vec<PathBuf>,
}

impl Root {
    fn new(name: &str, manifest: &str, reviewed: bool) -> Self {
        let scratch = Scratch::new(name);
        let folder = scratch.file("desired");
        fs::create_dir_all(&folder).unwrap();
        let annotation = if reviewed { "true" } else { "false" };
        let app = format!(
            "apiVersion: moored.dev/v1\nkind: App\nmetadata:\n  name: c2\n  environments: [production]\n  annotations: \
             {{moored.dev/reviewed: \"{annotation}\"}}\nspec: {{space: prod, manifest: manifest.yml}}\n"
        );
        for (file, text) in [("environment.yaml", ENVIRONMENT), ("app.yaml", &app), ("manifest.yml", manifest)] {
            fs::write(folder.join(file), text).unwrap();
        }
        // The manifest of moored's is an old one.
        let file = fs::File::options().append(true).open(folder.join("app.yaml")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        Self { roots: vec![folder], scratch }
    }

    fn written(&self, when: &str) {
        let path = self.roots.first().unwrap().join("manifest.yml");
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(at(when).into()).unwrap();
    }

    fn desired(&self) -> Desired {
        let parsed = read_root(self.roots.first().unwrap(), || ()).unwrap();
        let resolved = resolve(&[Arc::new(parsed)], &Redactor::new(&[7; 32]), at(NOW));
        assert!(resolved.rejected.is_empty(), "{:?}", resolved.rejected);
        resolved.desired
    }

    fn warnings(&self, now_live: Option<Live>, memory: &Memory, history: Option<&dyn History>) -> Vec<String> {
        let (desired, now) = (self.desired(), at(NOW));
        let mut reading = Reading::begin(now);
        now_live.into_iter().for_each(|live| reading.insert(live));
        let observation = Observation { reading: Some(Arc::new(reading)), ..Observation::default() };
        let observations = Observations::from([(scope(), observation)]);
        let (roots, desired, observations) = (self.roots.as_slice(), &desired, &observations);
        let grounds = Grounds { desired, roots, observations, memory, history, now };
        warnings(&grounds).iter().map(ToString::to_string).collect()
    }
}

/// Whether this manifest of Cloud Foundry's is an echo of an app.
fn is_echo(name: &str, manifest: &str, live: &Live) -> bool {
    let desired = Root::new(&format!("echo-{name}"), manifest, true).desired();
    let group: Vec<&Declared> = desired.resources.iter().map(|declared| &**declared).collect();
    echoes(&group, &facts(live))
}

#[test]
fn a_manifest_that_says_all_that_an_export_says_is_an_echo() {
    assert!(is_echo("export", EXPORT, &live()));
    let worker = EXPORT.replace("  routes:\n  - route: web.example.com\n", "  no-route: true\n");
    let mut unreached = with("routes", Value::set::<&str>([]));
    unreached.fields.set("routeCount", 0);
    assert!(is_echo("worker", &worker, &unreached));
}

#[test]
fn a_hand_written_manifest_that_leaves_one_thing_out_is_no_echo() {
    for (at, part) in [
        "  stack: cflinuxfs4\n",
        "  instances: 2\n",
        "  memory: 256M\n",
        "  disk_quota: 1G\n",
        ", TOKEN: hunter2",
        "  routes:\n  - route: web.example.com\n",
        "  services:\n  - db\n",
    ]
    .into_iter()
    .enumerate()
    {
        let manifest = EXPORT.replace(part, "");
        assert!(manifest.len() < EXPORT.len() && !is_echo(&format!("less-{at}"), &manifest, &live()), "{part}");
    }
}

#[test]
fn one_value_that_is_another_is_no_echo() {
    for (at, (part, other)) in [
        ("cflinuxfs4", "cflinuxfs5"),
        ("instances: 2", "instances: 3"),
        ("256M", "512M"),
        ("  - db\n", "  - db\n  - queue\n"),
        ("web.example.com\n", "web.example.com\n  - route: www.example.com\n"),
        ("TOKEN: hunter2", "TOKEN: hunter2, MORE: x"),
        ("  instances", "  health-check-type: http\n  instances"),
    ]
    .into_iter()
    .enumerate()
    {
        let manifest = EXPORT.replace(part, other);
        assert!(manifest != EXPORT && !is_echo(&format!("other-{at}"), &manifest, &live()), "{other}");
    }
}

#[test]
fn where_names_of_variables_are_not_known_nobody_can_call_it_an_echo() {
    let mut blind = live();
    blind.fields.put("envNames", Fact::Unchecked("needs cloud_controller.admin_read_only".into()));
    assert!(!is_echo("blind", EXPORT, &blind));
}

#[test]
fn what_was_written_two_hours_ago_is_no_echo() {
    let now = at(NOW);
    for (when, recent) in [(NOW, true), ("2026-11-20T11:00:00Z", true), ("2026-11-20T10:00:00Z", false)] {
        assert_eq!(is_recent(at(when), now), recent, "{when}");
    }
    assert!(!is_recent(at("2026-11-20T12:00:01Z"), now), "nobody knows when");
}

#[test]
fn an_export_is_pointed_out_with_its_file_and_its_age_while_it_is_fresh() {
    let root = Root::new("echo-fresh", EXPORT, true);
    root.written("2026-11-20T11:48:00Z");
    let told = root.warnings(Some(live()), &Memory::default(), None);
    let [told] = told.as_slice() else { panic!("{told:?}") };
    for part in
        ["`manifest.yml` says exactly what is live in production (prod/web)", "written 12 minutes ago", "(compare"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    assert_eq!(root.warnings(None, &Memory::default(), None), Vec::<String>::new(), "no cloud, no record");
    root.written("2026-11-20T10:00:00Z");
    assert_eq!(root.warnings(Some(live()), &Memory::default(), None), Vec::<String>::new());
}

#[test]
fn an_import_that_nobody_has_reviewed_is_not_pointed_out_again() {
    let root = Root::new("echo-unreviewed", EXPORT, false);
    root.written(NOW);
    assert_eq!(root.warnings(Some(live()), &Memory::default(), None), Vec::<String>::new());
}

#[test]
fn a_declaration_that_the_state_file_has_known_for_long_was_not_written_by_a_checkout() {
    let root = Root::new("echo-known", EXPORT, true);
    root.written(NOW);
    let remembered = |changed_at: Option<&str>| {
        let mut memory = ScopeMemory::default();
        for declared in &root.desired().resources {
            let name = (declared.environment.clone(), declared.kind.name(), declared.name.clone());
            memory.declared.insert(name, DeclaredMemory { digest: declared.digest, changed_at: changed_at.map(at) });
        }
        let memory = Memory { scopes: BTreeMap::from([(scope(), Arc::new(memory))]), seasoned: true };
        root.warnings(Some(live()), &memory, None).len()
    };
    assert_eq!(remembered(None), 0, "from the first load on");
    assert_eq!(remembered(Some("2026-11-20T10:00:00Z")), 0);
    assert_eq!(remembered(Some("2026-11-20T11:30:00Z")), 1);
}

/// A record of these states of the app.
fn record(root: &Root, file: &str, states: &[(&str, Live)]) -> SqliteHistory {
    let mut history = SqliteHistory::open(&root.scratch.file(file)).unwrap();
    for (when, live) in states {
        let objects = BTreeMap::from([(live.key.clone(), Arc::new(live.clone()))]);
        let (scope, when) = (scope(), at(when));
        let gone = Vec::new();
        let seen = Seen { scope: &scope, started: when, finished: when, listed: true, objects: &objects, gone };
        history.record(&seen).unwrap();
    }
    history
}

#[test]
fn what_was_live_when_the_manifest_was_written_counts_more_than_what_is_live_now() {
    let root = Root::new("echo-record", EXPORT, true);
    root.written("2026-11-20T11:30:00Z");
    let (early, late) = ("2026-11-20T11:00:00Z", "2026-11-20T11:40:00Z");
    let other = || with("processes.web.instances", 5);
    let told = |now: Live, history: &SqliteHistory| root.warnings(Some(now), &Memory::default(), Some(history)).len();

    let exported = record(&root, "exported.db", &[(early, live()), (late, other())]);
    assert_eq!(told(other(), &exported), 1, "then it was deployed with other words");
    assert_eq!(root.warnings(None, &Memory::default(), Some(&exported)).len(), 1, "no cloud is asked");

    let deployed = record(&root, "deployed.db", &[(early, other()), (late, live())]);
    assert_eq!(told(live(), &deployed), 0, "the manifest was there first");
}

#[test]
fn a_moment_within_the_hour_before_it_was_written_is_enough() {
    let root = Root::new("echo-before", EXPORT, true);
    root.written("2026-11-20T11:30:00Z");
    let changed = with("processes.web.memory", 512);
    let states = [("2026-11-20T11:00:00Z", live()), ("2026-11-20T11:20:00Z", changed.clone())];
    let history = record(&root, "state.db", &states);
    assert_eq!(root.warnings(Some(changed), &Memory::default(), Some(&history)).len(), 1);
}
