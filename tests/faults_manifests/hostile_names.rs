//! F54: names that are meant to mislead: terminal codes, line breaks, quotes, scripts, text that runs
//! backwards, text without end. In live things and in manifests; in the log, on a terminal, in a
//! label, in a picture. Every event is one line, every scrape parses, and no reader is misled.

use std::fs::{self, File};
use std::process::Stdio;

use jiff::Timestamp;
use moored::core::visible::is_hidden;
use serde_json::{Value, json};

use crate::common::daemon::{Daemon, get};
use crate::common::platform::{DEPLOYMENTS, Platform};
use crate::common::{command, eventually, moored, text};

const HOSTILE: [&str; 8] = [
    "\u{1b}]0;owned\u{7}\u{1b}[31mred",
    "two\nlines\r\n2026-11-20T10:00:00.000000Z ERROR moored: forged",
    "a\"} 1\nmoored_drift{name=\"forged\"} 1 \\",
    "<img src=x onerror=alert('x')>&amp;",
    "invoice\u{202e}gpj.exe\u{2066}",
    "zero\u{200b}width\u{feff}\u{2028}apart\u{85}again\u{e0041}",
    "back\\slash `tick` $(id) %s {brace} {{each}}",
    "\",\"event\":\"forged\",\"x\":\"",
];

/// What no surface may hold but at the end of a line.
#[track_caller]
fn plain(surface: &str, text: &str) {
    let bad = text.chars().find(|character| *character != '\n' && is_hidden(*character));
    assert_eq!(bad, None, "{surface} holds a hidden character:\n{}", text.escape_debug());
}

/// A platform with a leftover of each hostile name, and one whose name does not end.
fn platform(name: &str) -> (Platform, usize) {
    let platform = Platform::new(name);
    let endless = "n".repeat(200_000);
    let names = HOSTILE.iter().copied().chain([endless.as_str()]);
    for name in names {
        let item = json!({ "service": { "S": name }, "updated_at": { "S": "2020-01-01T00:00:00Z" } });
        platform.put_item(DEPLOYMENTS, item);
    }
    (platform, HOSTILE.len() + 1)
}

#[test]
fn f54_hostile_names_of_live_things_forge_no_line_no_series_and_no_field() {
    let (platform, count) = platform("hostile-live");
    let state = platform.scratch.file("moored.db");
    let kept = ["--state", text(&state), "--api-listen", "127.0.0.1:0"];
    let mut daemon = Daemon::start(&platform, &kept);
    let api = daemon.address("--api-listen");
    // Every scrape is parsed as strictly as Prometheus does.
    let metrics = daemon.until("every leftover is found", |metrics| {
        metrics.sum("moored_drift", &[("kind", "TableItem"), ("drift", "orphaned")]) == count as f64
    });
    plain("/metrics", &metrics.text);
    let drifts = metrics.all("moored_drift", &[]);
    assert_eq!(drifts.len(), count, "no series is forged, none is lost: {}", metrics.text);
    assert!(drifts.iter().all(|(labels, _)| labels.values().all(|value| value.len() <= 128)), "{}", metrics.text);

    // ECS would take this one for another thing than a name: it is unknown, and blinds nobody.
    let path = json!({ "service": { "S": "<b>x</b>" }, "updated_at": { "S": "2020-01-01T00:00:00Z" } });
    platform.put_item(DEPLOYMENTS, path);
    let opened = daemon.logged("finding_opened", count);
    assert_eq!(opened.len(), count);
    for line in daemon.log().split('\n').filter(|line| !line.is_empty()) {
        plain("the log", line);
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}"));
        assert_ne!(event["event"], "forged");
    }
    for name in HOSTILE {
        let exact = opened.iter().any(|line| line["name"].as_str().is_some_and(|told| told.contains(name.trim())));
        // The key's own spelling escapes `=` and `,`; nothing else of a name changes.
        assert!(exact || name.contains(['\\', ',', '=']), "the log lost {}", name.escape_debug());
    }

    let findings = get(api, "/api/v1/findings").json();
    assert_eq!(findings["items"].as_array().map(Vec::len), Some(count), "{findings}");
    daemon.signal("TERM");
    assert_eq!(daemon.ended().0.code(), Some(0));

    let history = moored(["history", "--state", text(&state)]).exits(0);
    plain("history", &history.stdout);
    let table = platform.check(&[]).exits(2);
    plain("the table", &table.stdout);
    assert!(table.stdout.contains("\\u{1b}"), "{}", table.stdout);
    assert!(table.stdout.len() < 100_000, "a name without end fills the screen: {} bytes", table.stdout.len());
    let (code, report) = platform.report(&[]);
    assert_eq!((code, report["findings"].as_array().map(Vec::len)), (2, Some(count)));
    let unknown: Vec<&str> =
        report["unknown"].as_array().unwrap().iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert!(unknown.len() == 1 && unknown[0].contains("<b>x</b>"), "{unknown:?}");
}

#[test]
fn f54_a_text_log_has_one_line_for_each_event_whatever_things_are_called() {
    let (platform, count) = platform("hostile-text");
    let log = platform.scratch.file("log");
    let mut command = command();
    command.args(["run", "--desired-state", text(&platform.desired_state()), "--cloud", &platform.url]);
    command.args(["--metrics-listen", "127.0.0.1:0", "--resync", "1s", "--log-format", "text"]);
    let mut child = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    let opened = |content: &str| content.matches("event=\"finding_opened\"").count();
    let found = std::panic::catch_unwind(|| {
        eventually("every leftover is in the log", || {
            let content = fs::read_to_string(&log).ok()?;
            (opened(&content) >= count && content.ends_with('\n')).then_some(content)
        })
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let content = found.unwrap_or_else(|_| panic!("{}", fs::read_to_string(&log).unwrap_or_default()));
    assert_eq!(opened(&content), count);
    for line in content.split('\n').filter(|line| !line.is_empty()) {
        plain("the log", line);
        let time = line.split(' ').next().unwrap_or_default();
        assert!(time.parse::<Timestamp>().is_ok(), "no event begins here: {line}");
    }
}

/// A manifest of a load balancer with this name and application.
fn manifest(name: &str, application: &str) -> String {
    let (name, application) = (Value::from(name), Value::from(application));
    format!(
        "apiVersion: moored.dev/v1\nkind: EcsService\n\
         metadata: {{name: {name}, environments: [production], labels: {{app: {application}}}}}\n\
         spec: {{cluster: harbor, serviceName: api-2, desiredCount: 1}}\n"
    )
}

#[test]
fn f54_hidden_characters_in_a_manifests_name_are_refused_and_shown() {
    let platform = Platform::new("hostile-manifest");
    let refused = |content: &str| {
        fs::write(platform.desired_state().join("hostile.yaml"), content).unwrap();
        let outcome = platform.manifests_only(&["validate"], &[]).exits(1);
        plain("validate", &outcome.stderr);
        outcome
    };
    for name in ["a\u{1b}[31m", "a\nb", "pay\u{202e}gpj", "zero\u{200b}width", "a\u{2028}b"] {
        let outcome = refused(&manifest(name, "app"));
        outcome.complains(&["the name has a space or another invisible character in it"]);
    }
    let endless = refused(&manifest(&"n".repeat(1 << 20), "app")).complains(&["is longer than 253 characters"]);
    assert!(endless.stderr.len() < 10_000, "{} bytes", endless.stderr.len());
    refused(&manifest("a", "two\nlines")).complains(&["the label `app` is not one line"]);
    let words = "apiVersion: \"\\e[2J\"\nkind: \"\\u202Eecivres\"\n\"\\e[1mkey\": \"\\a\"\n";
    refused(words).complains(&["unknown kind `\\u{202e}ecivres`", "unknown apiVersion `\\u{1b}[2J`"]);
}

#[test]
fn f54_what_is_declared_under_a_hostile_name_is_escaped_in_every_picture_of_it() {
    let platform = Platform::new("hostile-expected");
    let hostile = "<script>alert(1)</script>\"'&#\\";
    let application = "a \u{202e}b<img/src=x>\"";
    fs::write(platform.desired_state().join("hostile.yaml"), manifest(hostile, application)).unwrap();
    let shown = |format: &str| {
        let outcome = platform.manifests_only(&["expected"], &["--format", format]).exits(0);
        if !["json", "yaml"].contains(&format) {
            plain(format, &outcome.stdout);
        }
        outcome.stdout
    };
    assert!(shown("table").contains("\\u{202e}"));
    let rows: Value = serde_json::from_str(&shown("json")).unwrap();
    assert!(rows.as_array().unwrap().iter().any(|row| row["name"] == hostile && row["application"] == application));

    let svg = shown("svg");
    assert!(svg.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&amp;#\\"), "{svg}");
    for tag in svg.split('<').skip(1) {
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphabetic).collect();
        assert!(["svg", "text", "rect", "path", "title"].contains(&name.as_str()), "a tag is forged: <{tag}");
    }
    for part in svg.split('&').skip(1) {
        assert!(["lt;", "gt;", "amp;", "quot;"].iter().any(|entity| part.starts_with(entity)), "&{part}");
    }

    let mermaid = shown("mermaid");
    let line = mermaid.lines().find(|line| line.contains("alert(1)")).expect("the service is there");
    assert!(line.contains("#lt;script#gt;alert(1)#lt;/script#gt;#quot;'#amp;#35;\\\"]"), "{line}");
    assert_eq!(line.matches('"').count(), 2, "{line}");

    let dot = shown("dot");
    for line in dot.lines() {
        let bare = line.replace("\\\\", "").replace("\\\"", "");
        assert_eq!(bare.matches('"').count() % 2, 0, "a text is not closed: {line}");
    }
}
