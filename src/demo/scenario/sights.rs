//! Sights that several scenarios look for.
//!
//! Decides what a report must say, in questions small enough to be named in one line. Each answers
//! with what it saw, whether that was right or wrong.

use jiff::SignedDuration;

use serde_json::Value;

use crate::demo::outside::{Report, text};
use crate::demo::script::{Expectation, Seen, Sees, expect};

/// So soon the daemon has seen any change: its interval with jitter, and a reading.
pub const SOON: SignedDuration = SignedDuration::from_secs(150);

/// Nothing drifted, unknown or on its way. What is ignored counts as decided.
pub fn all_in_sync(report: &Report) -> Seen {
    let total = |name| report.total(name);
    let seen = format!(
        "{} resources: {} in sync, {} drifted, {} converging, {} unknown, {} ignored",
        total("resources"),
        total("inSync"),
        total("drifted"),
        total("converging"),
        total("unknown"),
        total("ignored"),
    );
    let settled = total("resources") > 0 && total("inSync") + total("ignored") == total("resources");
    if settled && report.list("findings").is_empty() { Ok(seen) } else { Err(seen) }
}

/// No finding at all; something may be on its way.
pub fn no_finding(report: &Report) -> Seen {
    let findings = report.list("findings").len();
    let seen = format!("{findings} findings, {} unknown", report.total("unknown"));
    if findings == 0 { Ok(seen) } else { Err(seen) }
}

/// How it looks when all is well: by metrics, by report, by exit code.
pub fn calm(within: SignedDuration) -> Vec<Expectation> {
    calm_in(2, "both environments are in sync", within)
}

/// The same where there are so many environments.
pub fn calm_in(environments: usize, name: &'static str, within: SignedDuration) -> Vec<Expectation> {
    let in_sync =
        Sees::Series { name: "moored_environment_verdict", labels: &[("verdict", "in_sync")], count: environments };
    vec![
        expect(name, within, in_sync),
        expect("nothing is drifted, unknown or on its way", within, Sees::Report(all_in_sync)),
        expect("`moored check` exits 0", within, Sees::Check { exit: 0, says: no_finding }),
    ]
}

/// The findings of this kind that drifted so.
pub fn drifted<'a>(report: &'a Report, kind: &'a str, drift: &'a str) -> impl Iterator<Item = &'a Value> {
    let findings = report.list("findings").iter();
    findings.filter(move |finding| text(finding, "/kind") == kind && text(finding, "/drift") == drift)
}

/// Every finding in a few words, for a line that says what was seen.
pub fn listed(report: &Report) -> String {
    let named = |finding: &Value| {
        let held = if finding.get("held") == Some(&Value::Bool(true)) { " (held)" } else { "" };
        format!("{}/{} {}{held}", text(finding, "/kind"), text(finding, "/name"), text(finding, "/drift"))
    };
    let findings: Vec<String> = report.list("findings").iter().map(named).collect();
    let unknown = report.total("unknown");
    let findings = if findings.is_empty() { "no finding".to_owned() } else { findings.join(", ") };
    if unknown == 0 { findings } else { format!("{findings}; {unknown} unknown") }
}

/// The entry of a list of the report of this kind, whose name holds this text.
pub fn entry<'a>(report: &'a Report, list: &str, kind: &str, name: &str) -> Option<&'a Value> {
    report.list(list).iter().find(|entry| text(entry, "/kind") == kind && text(entry, "/name").contains(name))
}
