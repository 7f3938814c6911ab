//! Several roots, one for each team: what is wrong with one changes nothing for the others. Each root
//! fails alone, keeps its last good revision for detection, and is heard of by its own metric.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::common::daemon::{Daemon, finding};
use crate::common::exposition::Metrics;
use crate::common::platform::{MAIN, Platform, SETTINGS, manifests};
use crate::common::{moored, text};

const SERVICE: [(&str, &str); 4] = finding("EcsService", "api", "changed");
const ITEM: [(&str, &str); 4] = finding("TableItem", "release", "changed");

/// The platform with its manifests divided among three roots.
struct Teams {
    platform: Platform,
}

impl Teams {
    fn new(name: &str) -> Self {
        let platform = Platform::new(name);
        for (file, content) in manifests() {
            let team = file.strip_suffix(".yaml").unwrap();
            platform.scratch.write(&format!("{team}/{file}"), content);
        }
        Self { platform }
    }

    /// `environments`, `apps` or `tables`.
    fn root(&self, team: &str) -> PathBuf {
        self.platform.scratch.file(team)
    }

    fn start(&self) -> Daemon {
        let (apps, tables) = (self.root("apps"), self.root("tables"));
        let more = ["--desired-state", text(&apps), "--desired-state", text(&tables)];
        Daemon::over(&self.root("environments"), &self.platform.url, &more)
    }

    fn edit(&self, team: &str, from: &str, to: &str) {
        let path = self.root(team).join(format!("{team}.yaml"));
        let content = fs::read_to_string(&path).unwrap();
        assert!(content.contains(from), "{team} lacks `{from}`");
        fs::write(&path, content.replacen(from, to, 1)).unwrap();
    }

    fn success(&self, metrics: &Metrics, team: &str) -> Option<f64> {
        metrics.value("moored_manifest_load_success", &[("root", text(&self.root(team)))])
    }

    /// Which roots' newest revision is in force, in the order environments, apps, tables.
    fn standing(&self, metrics: &Metrics) -> [bool; 3] {
        ["environments", "apps", "tables"].map(|team| self.success(metrics, team) == Some(1.0))
    }

    #[track_caller]
    fn until_standing(&self, daemon: &Daemon, wanted: [bool; 3]) -> Metrics {
        daemon.until(&format!("the roots stand like {wanted:?}"), |metrics| self.standing(metrics) == wanted)
    }

    /// Lets something drift that each of the teams has declared, and waits until both are found.
    #[track_caller]
    fn drift_is_found(&self, daemon: &Daemon) -> Metrics {
        self.platform.run_tasks(MAIN, "api", 1);
        let item = json!({ "setting": { "S": "release" }, "channel": { "S": "edge" }, "signing_key": { "S": "x" } });
        self.platform.put_item(SETTINGS, item);
        daemon.until("the drift of both teams is found", |metrics| {
            metrics.value("moored_drift", &SERVICE) == Some(1.0) && metrics.value("moored_drift", &ITEM) == Some(1.0)
        })
    }

    /// The log's word on a root that was refused.
    #[track_caller]
    fn refusal(&self, daemon: &Daemon, team: &str) -> String {
        let root = self.root(team);
        daemon.wait_for("a refusal", |daemon| {
            let told = daemon.events("manifests_rejected").into_iter().rfind(|line| line["root"] == text(&root))?;
            told["first"].as_str().map(str::to_owned)
        })
    }
}

#[test]
fn several_roots_one_that_breaks_keeps_its_last_good_revision_and_stops_no_other() {
    let teams = Teams::new("several");
    let daemon = teams.start();
    let resources = daemon.settled().sum("moored_resources", &[]);
    teams.edit("tables", "kind: TableItem", "kind: TableItm");
    let metrics = teams.until_standing(&daemon, [true, true, false]);
    assert_eq!(metrics.sum("moored_resources", &[]), resources);
    assert!(teams.refusal(&daemon, "tables").contains("unknown kind `TableItm`"));
    teams.drift_is_found(&daemon);

    // Others still change their own.
    teams.edit("apps", "app: worker", "app: workers");
    let metrics = daemon.until("the others' new revision is in force", |metrics| {
        !metrics.all("moored_application_info", &[("application", "workers")]).is_empty()
    });
    assert_eq!(teams.standing(&metrics), [true, true, false]);
    assert_eq!(metrics.value("moored_drift", &ITEM), Some(1.0), "what the broken root declared is still watched");
    teams.edit("tables", "kind: TableItm", "kind: TableItem");
    teams.until_standing(&daemon, [true, true, true]);
    assert_eq!(daemon.settled().sum("moored_resources", &[]), resources);
}

#[test]
fn several_roots_that_lean_on_a_broken_one_stay_in_force_with_its_last_good_revision() {
    let teams = Teams::new("shared-environments");
    let daemon = teams.start();
    let resources = daemon.settled().sum("moored_resources", &[]);
    for (from, to) in [
        // Wrong by itself, no YAML at all, without what the others need, and gone.
        ("class: production", "class: producton"),
        ("spec:\n", "spec: [\n"),
        ("metadata: {name: staging}", "metadata: {name: stage}"),
    ] {
        teams.edit("environments", from, to);
        let metrics = teams.until_standing(&daemon, [false, true, true]);
        assert_eq!(metrics.sum("moored_resources", &[]), resources, "`{to}` takes nothing out of watch");
        teams.edit("environments", to, from);
        teams.until_standing(&daemon, [true, true, true]);
    }
    let told = teams.refusal(&daemon, "environments");
    assert!(told.contains("would not stand any more") && told.contains("apps.yaml:"), "{told}");

    fs::rename(teams.root("environments"), teams.root("away")).unwrap();
    let metrics = teams.until_standing(&daemon, [false, true, true]);
    assert_eq!(metrics.sum("moored_resources", &[]), resources);
    teams.drift_is_found(&daemon);
    fs::rename(teams.root("away"), teams.root("environments")).unwrap();
    teams.until_standing(&daemon, [true, true, true]);
}

#[test]
fn several_roots_a_change_that_needs_the_broken_ones_change_waits_for_it() {
    let teams = Teams::new("waits");
    let daemon = teams.start();
    let resources = daemon.settled().sum("moored_resources", &[]);
    // One team declares an environment, wrongly at first; another uses it.
    let path = teams.root("environments").join("more.yaml");
    let environment = "apiVersion: moored.dev/v1\nkind: Environment\nmetadata: {name: next}\n\
                       spec: {class: staging, aws: {accounts: {main: {account: \"777788889999\", regions: [@]}}}}\n";
    fs::write(&path, environment.replace('@', "eu-wst-1")).unwrap();
    let service = "apiVersion: moored.dev/v1\nkind: EcsService\nmetadata: {name: next, environments: [next]}\n\
                   spec: {cluster: harbor, serviceName: next, desiredCount: 1}\n";
    fs::write(teams.root("apps").join("next.yaml"), service).unwrap();
    let metrics = teams.until_standing(&daemon, [false, false, true]);
    assert_eq!(metrics.sum("moored_resources", &[]), resources);
    fs::write(&path, environment.replace('@', "eu-west-1")).unwrap();
    let metrics = teams.until_standing(&daemon, [true, true, true]);
    assert_eq!(metrics.sum("moored_resources", &[]), resources + 1.0);
}

#[test]
fn several_roots_a_twin_is_refused_where_it_is_new_and_the_first_stays_in_force() {
    let teams = Teams::new("twin");
    let daemon = teams.start();
    let resources = daemon.settled().sum("moored_resources", &[]);
    let twin = "apiVersion: moored.dev/v1\nkind: DnsRecord\nmetadata: {name: mine, environments: [production]}\n\
                spec: {account: dns, zone: example.com, name: API.example.com., type: CNAME, ttl: 5, value: x.example.net}\n";
    teams.platform.scratch.write("tables/twin.yaml", twin);
    let metrics = teams.until_standing(&daemon, [true, true, false]);
    assert_eq!(metrics.sum("moored_resources", &[]), resources);
    assert_eq!(metrics.sum("moored_drift", &[]), 0.0, "the twin judges nothing: {}", metrics.text);
    let told = teams.refusal(&daemon, "tables");
    assert!(told.contains("one live object is declared twice"), "{told}");
    assert!(told.contains("twin.yaml:3") && told.contains("apps/apps.yaml:"), "{told}");
    fs::remove_file(teams.root("tables").join("twin.yaml")).unwrap();
    teams.until_standing(&daemon, [true, true, true]);
}

#[test]
fn several_roots_one_that_is_broken_or_away_at_the_start_does_not_keep_the_others_from_being_watched() {
    let teams = Teams::new("broken-start");
    teams.edit("tables", "kind: TableItem", "kind: TableItm");
    let daemon = teams.start();
    assert_eq!(daemon.ask("/readyz").map(|answer| answer.status), Some(200));
    let metrics = daemon.settled();
    assert_eq!(teams.standing(&metrics), [true, true, false]);
    let refused = daemon.logged("manifests_rejected", 1);
    assert_eq!(refused[0]["message"], "nothing of this root is watched until it is mended; the other roots are");
    teams.platform.run_tasks(MAIN, "api", 1);
    daemon.until("drift elsewhere", |metrics| metrics.value("moored_drift", &SERVICE) == Some(1.0));
    teams.edit("tables", "kind: TableItm", "kind: TableItem");
    teams.until_standing(&daemon, [true, true, true]);
    // What is declared anew has time to settle before it differs, and is watched from now on.
    daemon.until("the mended root is watched", |metrics| {
        let watched = |state| metrics.sum("moored_resources", &[("kind", "TableItem"), ("state", state)]);
        watched("converging") >= 1.0 && watched("unknown") == 0.0
    });
    daemon.kill();

    fs::rename(teams.root("tables"), teams.root("away")).unwrap();
    let daemon = teams.start();
    teams.until_standing(&daemon, [true, true, false]);
    daemon.until("drift elsewhere", |metrics| metrics.value("moored_drift", &SERVICE) == Some(1.0));
    fs::rename(teams.root("away"), teams.root("tables")).unwrap();
    teams.until_standing(&daemon, [true, true, true]);
}

#[test]
fn several_roots_of_which_none_stands_are_no_beginning() {
    let teams = Teams::new("none-stands");
    teams.edit("environments", "class: production", "class: producton");
    let [environments, apps] = ["environments", "apps"].map(|team| teams.root(team));
    let roots = ["--desired-state", text(&environments), "--desired-state", text(&apps)];
    let arguments = [&["run", "--metrics-listen", "127.0.0.1:0"][..], &roots].concat();
    let outcome = moored(arguments).exits(1).complains(&["the manifests were rejected", "did you mean `production`?"]);
    outcome.complains(&["the environment `production` is declared in", "which was rejected"]);
}
