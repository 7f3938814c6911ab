//! The metrics: one line of [`METRICS`] each, rendered once for every publish.
//!
//! Decides which series exist. Help, type, labels and samples of a metric stand in one line of the
//! table, so none of them can be forgotten and the documentation is made of it. Series grow with
//! what has drifted, not with what exists, and never carry a value of a field. The engine renders;
//! a scrape only serves what is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus::process_collector::ProcessCollector;
use prometheus::{Registry, TextEncoder};

use super::exposition::Family;
use super::samples::{self, Subject};
use crate::aws::intercept::RequestKey;
use crate::core::identity::ScopeKey;
use crate::core::index::Index;
use crate::core::snapshot::Snapshot;

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only up, until a restart.
    Counter,
    /// Up and down.
    Gauge,
}

impl MetricKind {
    /// The word of the text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

type Samples = fn(&Subject<'_>, &mut Family<'_>);

/// One metric.
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it moves.
    pub kind: MetricKind,
    /// One sentence for people.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    samples: Samples,
}

/// What the shell counts beside the snapshot.
#[derive(Debug, Clone, Default)]
pub struct ShellMetrics {
    /// Requests to clouds since the start.
    pub requests: BTreeMap<RequestKey, u64>,
    /// Failed readings since the start, by scope and reason.
    pub failures: BTreeMap<(ScopeKey, &'static str), u64>,
    /// Panics that were caught since the start.
    pub panics: u64,
    /// Log lines that were dropped since the start.
    pub log_lines_dropped: u64,
    /// Whether the last save succeeded; `None` when nothing is kept.
    pub store_healthy: Option<bool>,
    /// The manifest roots.
    pub roots: Vec<RootStatus>,
}

/// How a manifest root stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootStatus {
    /// The root as given.
    pub root: Arc<str>,
    /// Whether its newest reading was accepted.
    pub success: bool,
    /// The digest in force, once one was accepted.
    pub digest: Option<Arc<str>>,
    /// The commit in force, in a checkout.
    pub commit: Option<Arc<str>>,
}

const FINDING: &[&str] = &["environment", "kind", "name", "scope", "drift", "application"];

const FINDING_SEVERITY: &[&str] = &["environment", "kind", "name", "scope", "drift", "application", "severity"];

const fn gauge(name: &'static str, labels: &'static [&'static str], samples: Samples, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, help, labels, samples }
}

const fn counter(name: &'static str, labels: &'static [&'static str], samples: Samples, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, help, labels, samples }
}

/// Every metric of moored itself; those of the process (`process_*`) are added at each scrape.
#[rustfmt::skip]
pub static METRICS: &[Metric] = &[
    gauge("moored_resources", &["environment", "kind", "state"], samples::resources, "Resources by state"),
    gauge("moored_drift", FINDING, samples::drift, "1 while a finding is open, held ones included; ignored ones are left out"),
    gauge("moored_drift_severity", FINDING_SEVERITY, samples::severity, "1 for the severity of each open finding"),
    gauge("moored_drift_since_timestamp_seconds", FINDING, samples::since, "When moored first saw each open finding"),
    gauge("moored_finding_held", FINDING, samples::held, "1 while an open finding is kept for want of proof that it is over"),
    gauge("moored_findings_truncated", &[], samples::truncated, "Open findings without series of their own: only the 5,000 most urgent have them"),
    gauge("moored_applications", &["environment", "verdict"], samples::applications, "Applications by verdict"),
    gauge("moored_application_verdict", &["environment", "application", "verdict"], samples::application_verdict, "1 for the verdict of each application that is not in sync"),
    gauge("moored_application_info", &["environment", "application", "team", "runbook"], samples::application_info, "1 for each application: whose it is, and where to read on"),
    gauge("moored_environment_verdict", &["environment", "verdict"], samples::environment_verdict, "1 for the verdict of each environment, 0 for the others"),
    gauge("moored_observation_last_success_timestamp_seconds", &["scope"], samples::last_success, "When a scope was last read well; absent until it was"),
    gauge("moored_observation_complete", &["scope"], samples::complete, "1 if the last attempt to read a scope gave everything"),
    gauge("moored_observation_duration_seconds", &["scope"], samples::duration, "How long the last good reading of a scope took"),
    counter("moored_observation_failures_total", &["scope", "reason"], samples::failures, "Readings of a scope that failed"),
    gauge("moored_detection_bound_seconds", &["scope"], samples::bound, "The longest time between a change in a scope and its detection"),
    gauge("moored_scope_info", &["scope", "environment"], samples::scope_info, "1 for each environment that shares a scope"),
    counter("moored_api_requests_total", &["account", "service", "operation", "outcome"], samples::requests, "Requests to clouds, each retry counted"),
    gauge("moored_identity", &["environment", "account", "state"], samples::identity, "1 for the state of each account's identity, 0 for the others; mismatch means wrong credentials"),
    gauge("moored_fields_unchecked", &["environment", "reason"], samples::unchecked, "Declared fields that the role can never read"),
    gauge("moored_live_undeclared", &["environment", "scope"], samples::live_undeclared, "Live things in a scope that no manifest declares, where everything was listed"),
    gauge("moored_buildpack_undeclared_first_apps", &["environment", "stack"], samples::hijacked, "Applications on a stack that would detect an undeclared buildpack before every declared one"),
    gauge("moored_mass_loss", &["environment", "scope"], samples::mass_loss, "1 while more than the allowed part of what was there is gone"),
    gauge("moored_manifest_load_success", &["root"], samples::load_success, "1 if the newest manifests of a root were accepted; 0 if older ones are in force"),
    gauge("moored_manifest_revision_info", &["root", "digest", "commit"], samples::revision, "1 for the manifests in force"),
    gauge("moored_ignore_expires_timestamp_seconds", &["ignore", "environment"], samples::ignore_expires, "When an Ignore stops"),
    gauge("moored_store_healthy", &["store"], samples::store_healthy, "1 if the last save to a store succeeded"),
    counter("moored_panics_total", &[], samples::panics, "Panics that were caught; each is a bug of moored"),
    counter("moored_log_lines_dropped_total", &[], samples::log_lines_dropped, "Log lines that were dropped because nobody read stderr"),
    gauge("moored_build_info", &["version"], samples::build, "1 for the version that runs"),
];

/// Everything but the metrics of the process, in the text format.
pub fn render(snapshot: &Snapshot, index: &Index, shell: &ShellMetrics) -> String {
    let subject = Subject::new(snapshot, index, shell);
    let mut text = String::new();
    for metric in METRICS {
        (metric.samples)(&subject, &mut Family::begin(&mut text, metric));
    }
    text
}

/// The page of docs on metrics.
pub fn document() -> String {
    let mut page = String::from("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
    for metric in METRICS {
        let labels = match metric.labels {
            [] => "–".to_owned(),
            labels => format!("`{}`", labels.join("`, `")),
        };
        page.push_str(&format!("| `{}` | {} | {labels} | {} |\n", metric.name, metric.kind.as_str(), metric.help));
    }
    page
}

/// Memory, CPU time, threads and open files of this process.
#[derive(Debug, Clone)]
pub struct ProcessMetrics(Registry);

impl ProcessMetrics {
    /// For this process; empty where the system does not say (no `/proc`).
    pub fn new() -> Self {
        let registry = Registry::new();
        if let Err(error) = registry.register(Box::new(ProcessCollector::for_self())) {
            tracing::warn!(event = "no_process_metrics", %error, "the scrape has no process_* metrics");
        }
        Self(registry)
    }

    /// The text as of now.
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.0.gather()).unwrap_or_default()
    }
}

impl Default for ProcessMetrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;

    use super::samples::MOST_FINDINGS;
    use super::*;
    use crate::core::desired::Class;
    use crate::core::drift::{Drift, FieldDrift, Finding, FindingKey, Root, Severity, State, Verdict};
    use crate::core::observation::IdentityState;
    use crate::core::snapshot::{ApplicationView, EnvironmentView};

    type Series = (String, BTreeMap<String, String>);

    /// Reads the text format as strictly as Prometheus does, and a little more: every family has
    /// its help, then its type, then its samples, and no series comes twice.
    fn parse(text: &str) -> BTreeMap<Series, f64> {
        assert!(text.ends_with('\n'));
        let mut all = BTreeMap::new();
        let mut families = BTreeSet::new();
        let (mut helped, mut current) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(families.insert(name.to_owned()) && !help.is_empty(), "{line}");
                (helped, current) = (name.to_owned(), String::new());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(name == helped && ["gauge", "counter"].contains(&kind), "{line}");
                current = name.to_owned();
            } else {
                let (series, value) = sample(line);
                assert_eq!(series.0, current, "{line}");
                assert_eq!(all.insert(series, value), None, "twice: {line}");
            }
        }
        all
    }

    fn sample(line: &str) -> (Series, f64) {
        let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap();
        let (name, mut rest) = line.split_at(end);
        let mut labels = BTreeMap::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                let (label, value) = rest.split_once("=\"").unwrap();
                assert!(label.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
                let (value, after) = unescape(value);
                assert_eq!(labels.insert(label.to_owned(), value), None, "{line}");
                match after.strip_prefix(',') {
                    Some(more) => rest = more,
                    None => {
                        rest = after.strip_prefix('}').unwrap();
                        break;
                    }
                }
            }
        }
        let value = rest.strip_prefix(' ').unwrap().parse().unwrap();
        ((name.to_owned(), labels), value)
    }

    /// The text up to the closing quote, and what follows it.
    fn unescape(text: &str) -> (String, &str) {
        let mut value = String::new();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => return (value, &text[at + 1..]),
                '\\' => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    other => panic!("bad escape {other}"),
                }),
                c => {
                    assert!(!c.is_control(), "{text}");
                    value.push(c);
                }
            }
        }
        panic!("no closing quote in {text}")
    }

    fn finding(name: &str) -> Finding {
        Finding {
            key: FindingKey {
                environment: "production".into(),
                kind: "DnsRecord".into(),
                name: name.into(),
                drift: Drift::Changed,
            },
            id: name.into(),
            scope: ScopeKey::parse("hosted_zone/111122223333/global/example.com").unwrap(),
            severity: Severity::Warning,
            application: "api".into(),
            message: "differs".into(),
            held: false,
            fields: vec![FieldDrift {
                path: "ttl".into(),
                desired: "the-desired-value".into(),
                live: "the-live-value".into(),
            }],
            root: Root { kind: "DnsRecord".into(), name: name.into() },
            since: Timestamp::new(1_700_000_000, 250_000_000).unwrap(),
            source: None,
            vital: false,
            works: true,
            decides: false,
            runbook: None,
            redeploy: None,
        }
    }

    fn snapshot(findings: impl IntoIterator<Item = Finding>) -> Snapshot {
        Snapshot {
            environments: vec![EnvironmentView {
                name: "production".into(),
                class: Class::Production,
                verdict: Verdict::Partial,
                identity: [("111122223333".into(), IdentityState::Mismatch)].into(),
            }],
            applications: vec![ApplicationView {
                environment: "production".into(),
                name: "api".into(),
                verdict: Verdict::Down,
                missing: vec![],
            }],
            findings: findings.into_iter().map(Arc::new).collect(),
            counts: [(("production".into(), "DnsRecord", State::Drifted), 3)].into(),
            ..Snapshot::default()
        }
    }

    fn scrape(snapshot: &Snapshot, index: &Index, shell: &ShellMetrics) -> BTreeMap<Series, f64> {
        parse(&render(snapshot, index, shell))
    }

    fn value(scrape: &BTreeMap<Series, f64>, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        scrape.get(&(name.to_owned(), labels)).copied()
    }

    #[test]
    fn a_snapshot_is_rendered_as_series() {
        let index = Index {
            applications: [(("production".into(), "api".into()), 1), (("production".into(), "web".into()), 2)].into(),
            ..Index::default()
        };
        let root = RootStatus { root: "desired".into(), success: false, digest: Some("ab12".into()), commit: None };
        let shell = ShellMetrics { store_healthy: Some(true), panics: 2, roots: vec![root], ..ShellMetrics::default() };
        let scrape = scrape(&snapshot([finding("api.example.com")]), &index, &shell);
        let labels = [
            ("environment", "production"),
            ("kind", "DnsRecord"),
            ("name", "api.example.com"),
            ("scope", "hosted_zone/111122223333/global/example.com"),
            ("drift", "changed"),
            ("application", "api"),
        ];
        assert_eq!(value(&scrape, "moored_drift", &labels), Some(1.0));
        assert_eq!(value(&scrape, "moored_drift_since_timestamp_seconds", &labels), Some(1_700_000_000.25));
        let resources = |state| {
            value(
                &scrape,
                "moored_resources",
                &[("environment", "production"), ("kind", "DnsRecord"), ("state", state)],
            )
        };
        assert_eq!((resources("drifted"), resources("unknown")), (Some(3.0), Some(0.0)));
        let applications =
            |verdict| value(&scrape, "moored_applications", &[("environment", "production"), ("verdict", verdict)]);
        assert_eq!(
            (applications("down"), applications("in_sync"), applications("partial")),
            (Some(1.0), Some(1.0), Some(0.0))
        );
        let identity = |state| {
            value(
                &scrape,
                "moored_identity",
                &[("environment", "production"), ("account", "111122223333"), ("state", state)],
            )
        };
        assert_eq!((identity("mismatch"), identity("verified")), (Some(1.0), Some(0.0)));
        assert_eq!(value(&scrape, "moored_manifest_load_success", &[("root", "desired")]), Some(0.0));
        assert_eq!(value(&scrape, "moored_store_healthy", &[("store", "history")]), Some(1.0));
        assert_eq!(value(&scrape, "moored_panics_total", &[]), Some(2.0));
    }

    #[test]
    fn hostile_names_cannot_break_a_scrape() {
        let names = [
            "a\"} 1\nmoored_drift{environment=\"forged\"} 1".to_owned(),
            "back\\slash\\".to_owned(),
            "bell\u{7}".to_owned(),
            "bell\u{8}".to_owned(),
            "right\u{202e}left".to_owned(),
            "é".repeat(200),
            format!("{}2", "é".repeat(200)),
            String::new(),
        ];
        let text =
            render(&snapshot(names.iter().map(|name| finding(name))), &Index::default(), &ShellMetrics::default());
        let parsed = parse(&text);
        let drifts: Vec<&Series> = parsed.keys().filter(|(name, _)| name == "moored_drift").collect();
        assert_eq!(drifts.len(), names.len());
        assert!(drifts.iter().all(|(_, labels)| labels["environment"] == "production" && labels["name"].len() <= 128));
        assert!(!text.contains('\u{202e}'));
    }

    #[test]
    fn one_thing_found_twice_is_one_series() {
        let worse = Finding { severity: Severity::Critical, ..finding("api.example.com") };
        let scrape =
            scrape(&snapshot([worse, finding("api.example.com")]), &Index::default(), &ShellMetrics::default());
        let severities: Vec<&str> = scrape
            .keys()
            .filter(|(name, _)| name == "moored_drift_severity")
            .map(|(_, labels)| &*labels["severity"])
            .collect();
        assert_eq!(severities, ["critical"]);
    }

    #[test]
    fn only_the_most_urgent_findings_have_series() {
        let findings = (0..MOST_FINDINGS + 7).map(|number| finding(&format!("{number}.example.com")));
        let scrape = scrape(&snapshot(findings), &Index::default(), &ShellMetrics::default());
        assert_eq!(value(&scrape, "moored_findings_truncated", &[]), Some(7.0));
        assert_eq!(scrape.keys().filter(|(name, _)| name == "moored_drift").count(), MOST_FINDINGS);
    }

    #[test]
    fn no_value_of_a_field_is_in_the_metrics() {
        let text = render(&snapshot([finding("api.example.com")]), &Index::default(), &ShellMetrics::default());
        assert!(!text.contains("the-desired-value") && !text.contains("the-live-value"));
    }

    #[test]
    fn the_table_follows_the_naming_rules_of_prometheus() {
        let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            assert!(metric.name.starts_with("moored_") && !metric.help.is_empty(), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
            assert!(document().contains(metric.name));
        }
    }

    #[test]
    fn the_process_reports_on_itself() {
        let text = ProcessMetrics::new().render();
        assert!(text.contains("process_resident_memory_bytes"), "{text}");
    }
}
