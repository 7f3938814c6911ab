//! Inventories and several roots: a root that was never accepted may declare anything, and until
//! it can be read nobody is called a stranger.

use std::collections::BTreeSet;

use crate::common::daemon::Daemon;
use crate::common::exposition::Metrics;
use crate::common::platform::Platform;
use crate::common::text;
use crate::people::{EXAMPLE_COM, change_records, cname, drift, environment, inventory, root, set};

/// The other team's record, as it stands; its kind is spelled by who asks.
fn theirs(kind: &str) -> String {
    format!(
        "apiVersion: moored.dev/v1\nkind: {kind}\nmetadata: {{name: worker, environments: [production]}}\n\
         spec: {{account: dns, zone: example.com, name: worker.example.com, type: CNAME, ttl: 60, \
         value: worker-1420117002.eu-west-1.elb.amazonaws.com}}\n"
    )
}

#[test]
fn nobody_is_a_stranger_while_a_root_was_never_accepted() {
    let platform = Platform::new("watching-roots");
    let zone = "{scope: {hostedZone: example.com, account: dns}, exhaustive: true, except: [{name: \"api.*\"}]}";
    let ours = root(&platform, "ours", &[environment(), inventory("example-com", zone)]);
    let other = root(&platform, "theirs", &[theirs("DnsRecrod")]);
    let daemon = Daemon::over(&ours, &platform.url, &["--desired-state", text(&other)]);
    change_records(&platform, "mallory", "CREATE", &[cname("by-hand", 60, "elsewhere.example.net")]);
    let unknown = |metrics: &Metrics| metrics.value("moored_resources", &[("kind", "Inventory"), ("state", "unknown")]);
    let read_at = |metrics: &Metrics| {
        let scope = [("scope", EXAMPLE_COM)];
        metrics.value("moored_observation_last_success_timestamp_seconds", &scope)
    };
    let first = daemon.until("the zone is read", |metrics| read_at(metrics).is_some());
    let first = read_at(&first).unwrap();
    let metrics = daemon.until("it is read again and again", |metrics| read_at(metrics).unwrap() >= first + 2.0);
    assert_eq!((drift(&metrics), unknown(&metrics)), (BTreeSet::new(), Some(1.0)), "{}", metrics.text);
    assert!(daemon.events("finding_opened").is_empty());

    root(&platform, "theirs", &[theirs("DnsRecord")]);
    let stranger = set(["production unexpected DnsRecord by-hand.example.com CNAME"]);
    let metrics = daemon.until("the other root is accepted", |metrics| drift(metrics) == stranger);
    assert_eq!(unknown(&metrics), Some(0.0));
    assert_eq!(daemon.events("finding_opened").len(), 1);

    // Once accepted, its last good revision says whose the record is.
    root(&platform, "theirs", &[theirs("DnsRecrod")]);
    let failed = [("root", text(&other))];
    let metrics = daemon.until("the other root is broken again", |metrics| {
        metrics.value("moored_manifest_load_success", &failed) == Some(0.0)
    });
    assert_eq!((drift(&metrics), unknown(&metrics)), (stranger, Some(0.0)), "{}", metrics.text);
}
