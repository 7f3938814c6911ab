//! A daemon that records: what changed in the cloud is known afterwards, without anybody having
//! declared it, and nothing secret is in the file.

use serde_json::Value;

use crate::common::daemon::Daemon;
use crate::common::platform::{Platform, SECRETS};
use crate::common::{eventually, hidden, moored, text};

#[test]
fn what_changed_is_known_beside_the_daemon_and_from_it_and_after_it() {
    let platform = Platform::new("recorder-live");
    let state = platform.scratch.file("moored.db");
    let mut daemon = Daemon::start(&platform, &["--state", text(&state), "--api-listen", "127.0.0.1:0"]);
    let url = format!("http://{}", daemon.address("--api-listen"));
    daemon.settled();
    platform.set_ttl(300);

    let changed = |source: &[&str]| -> Option<Value> {
        let ask = ["diff", "--since", "10m", "--format", "json", "--kind", "DnsRecord"];
        let answer = moored([&ask[..], source].concat()).exits(0).hides(&SECRETS).json();
        let found = answer["changes"].as_array()?.iter().find(|change| change["what"] == "changed")?;
        Some(found.clone())
    };
    let beside = eventually("the change is recorded", || changed(&["--state", text(&state)]));
    assert_eq!(beside["key"].as_str().map(|key| key.starts_with("api.example.com|CNAME")), Some(true), "{beside}");
    assert_eq!(beside["fields"], serde_json::json!([{"path": "ttl", "before": 60, "after": 300}]));
    assert!(beside["after"].as_str() < beside["at"].as_str(), "{beside}");
    assert_eq!(changed(&["--server", url.as_str()]).unwrap()["id"], beside["id"]);
    let named =
        moored(["diff", "--since", "10m", "--name", "api", "--environment", "production", "--server", url.as_str()]);
    named.exits(0).says(&["api.example.com CNAME", "ttl: 60 → 300"]);

    let misspelt = moored(["diff", "--since", "10m", "-l", "app=nosuch", "--server", url.as_str()]).exits(1);
    misspelt.complains_in_one_line().complains(&["-l app=nosuch: no manifest declares it; ", "app=worker"]);
    let nowhere = ["--scope", "hosted_zone/444455556666/global/nope.org"];
    let nowhere = moored([&["diff", "--since", "10m", "--server", url.as_str()][..], &nowhere].concat()).exits(1);
    nowhere.complains_in_one_line().complains(&["nothing is recorded of it; recorded are: "]);
    let whose = moored(["diff", "--since", "10m", "-l", "app=api", "--server", url.as_str()]);
    whose.exits(0).says(&["ttl: 60 → 300"]);
    moored(["history", "--since", "1d", "--limit", "10000", "--server", url.as_str()]).exits(0);
    moored(["history", "--since", "soon", "--server", url.as_str()]).exits(1).complains(&["is no time"]);
    let token = platform.scratch.file("token");
    std::fs::write(&token, "0123456789abcdef\n0123456789abcdef\n").unwrap();
    let bad = moored(["diff", "--since", "10m", "--server", url.as_str(), "--token-file", text(&token)]).exits(1);
    bad.complains_in_one_line().complains(&["bad token file"]);

    let then = moored(["show", "DnsRecord/api", "--at", "0s", "--server", url.as_str(), "--environment", "production"]);
    then.exits(0).says(&["stood        present", "300"]);
    let task =
        moored(["show", "EcsService/api", "--at", "0s", "--server", url.as_str(), "--environment", "production"]);
    task.exits(0).says(&["SESSION_KEY", "(secret)", "LOG_LEVEL", "info"]).hides(&SECRETS);

    daemon.signal("TERM");
    daemon.ended();
    assert_eq!(changed(&["--state", text(&state)]).unwrap()["fields"], beside["fields"]);
    for file in [state.clone(), platform.scratch.file("moored.db-wal")] {
        let content = std::fs::read(&file).unwrap_or_default();
        SECRETS.iter().for_each(|secret| hidden(secret, text(&file), &String::from_utf8_lossy(&content)));
    }
}

#[test]
fn what_changed_while_no_daemon_ran_is_found_by_the_next_one() {
    let platform = Platform::new("recorder-down");
    let state = platform.scratch.file("moored.db");
    let start = |platform: &Platform| {
        let daemon = Daemon::start(platform, &["--state", text(&state)]);
        daemon.settled();
        daemon
    };
    drop(start(&platform));
    platform.set_ttl(120);
    platform.delete_worker();
    let daemon = start(&platform);
    let told = eventually("both are recorded", || {
        let page = moored(["diff", "--since", "10m", "--state", text(&state)]).exits(0);
        (page.stdout.contains("ttl: 60 → 120") && page.stdout.contains("gone")).then_some(page)
    });
    told.says(&["gone      EcsService worker"]);
    drop(daemon);
}
