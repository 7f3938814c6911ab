//! The report as a person reads it at 3 a.m.: what is down, why, since when, what to do.
//!
//! Decides layout only; every word comes from the report. Colour is left to `anstream`, which
//! drops it where stdout is no terminal or NO_COLOR is set. Names come from clouds and files, so
//! control characters are shown, never sent to the terminal.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, Width, presets};
use jiff::Timestamp;

use crate::core::drift::{Severity, Verdict};
use crate::core::observation::IdentityState;
use crate::core::report::{FindingReport, Report, ScopeReport};
use crate::core::visible::escaped;

/// How an error is marked.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
/// What must not be overlooked.
pub const CAUTION: Style = AnsiColor::Yellow.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
/// What is less important.
pub const DIM: Style = Style::new().dimmed();
/// What a line is about.
pub const BOLD: Style = Style::new().bold();

/// Text in a style.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{}{}{}", style.render(), text, style.render_reset())
}

/// So much of a foreign text is shown; the JSON has all of it.
const LONGEST: usize = 1_000;

/// Text from outside, safe on a terminal: what is hidden is shown as an escape, and one thing with
/// an endless name does not push all others off the screen.
pub fn clean(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => escaped(text),
        Some((end, _)) => format!("{}…", escaped(text.get(..end).unwrap_or_default())),
    }
}

/// An age as people say it.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..=89 => format!("{seconds}s"),
        90..=5_399 => format!("{}m", (seconds + 30) / 60),
        5_400..=172_799 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A moment to the second, UTC.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A table without borders, as wide as the terminal, at most.
pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    // No terminal, or one that does not know its width.
    if table.width().is_none_or(|width| width < 60) {
        table.set_width(160);
    }
    table.set_header(header.map(|title| Cell::new(title).add_attribute(comfy_table::Attribute::Dim)));
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 2));
    }
    table
}

/// The whole report.
pub fn report(report: &Report) -> String {
    let mut text = String::new();
    environments(report, &mut text);
    findings(report, &mut text);
    converging(report, &mut text);
    ignored(report, &mut text);
    unknown(report, &mut text);
    scopes(report, &mut text);
    summary(report, &mut text);
    text
}

fn verdict_style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Down | Verdict::Partial => BAD,
        Verdict::Unknown | Verdict::Drifted => CAUTION,
        Verdict::InSync => GOOD,
    }
}

fn environments(report: &Report, text: &mut String) {
    for environment in &report.environments {
        let identity: Vec<String> = environment
            .identity
            .iter()
            .map(|identity| {
                let said = format!("{} {}", identity.account, identity.state.as_str());
                match identity.state {
                    IdentityState::Mismatch => styled(BAD, said.to_uppercase()),
                    IdentityState::Unverified => styled(CAUTION, said),
                    IdentityState::Verified | IdentityState::Simulated => said,
                }
            })
            .collect();
        let _ = writeln!(
            text,
            "{}  {}  {}",
            styled(BOLD, clean(&environment.name)),
            styled(verdict_style(environment.verdict), environment.verdict),
            styled(DIM, format!("class {}, accounts: {}", environment.class.as_str(), identity.join(", "))),
        );
        let apps = report.applications.iter().filter(|application| application.environment == environment.name);
        let (fine, broken): (Vec<_>, Vec<_>) = apps.partition(|application| application.verdict == Verdict::InSync);
        for application in broken {
            let missing = if application.missing.is_empty() {
                String::new()
            } else {
                format!("  missing: {}", application.missing.join(", "))
            };
            let _ = writeln!(
                text,
                "  {}  {}{}",
                clean(&application.name),
                styled(verdict_style(application.verdict), application.verdict),
                clean(&missing)
            );
        }
        let _ = writeln!(text, "  {}", styled(DIM, format!("{} application(s) in sync", fine.len())));
    }
}

fn findings(report: &Report, text: &mut String) {
    if report.findings.is_empty() {
        return;
    }
    let mut order: Vec<&str> = Vec::new();
    let mut groups: BTreeMap<&str, Vec<&FindingReport>> = BTreeMap::new();
    for finding in &report.findings {
        let members = groups.entry(&finding.group.id).or_default();
        if members.is_empty() {
            order.push(&finding.group.id);
        }
        members.push(finding);
    }
    for members in order.iter().filter_map(|id| groups.get(id)) {
        group(members, report.finished_at, text);
    }
}

/// One group: the root first, then what follows from it.
fn group(members: &[&FindingReport], now: Timestamp, text: &mut String) {
    let Some(first) = members.first() else { return };
    let root = &first.group.root;
    let is_root = |finding: &FindingReport| finding.kind == root.kind && finding.name == root.name;
    let since = members.iter().map(|finding| finding.since).min().unwrap_or(first.since);
    let shown =
        if members.len() as u32 == first.group.size { String::new() } else { format!(" ({} shown)", members.len()) };
    let _ = writeln!(
        text,
        "\n{} {}  {}",
        styled(BOLD, format!("{}: {} {}", clean(&first.environment), root.kind, clean(&root.name))),
        styled(DIM, format!("since {} ({})", moment(since), age(since, now))),
        styled(DIM, format!("{} finding(s){shown}", first.group.size)),
    );
    let mut table = table(["  SEVERITY", "DRIFT", "KIND", "NAME", "WHAT"]);
    let (roots, rest): (Vec<&FindingReport>, Vec<&FindingReport>) =
        members.iter().copied().partition(|finding| is_root(finding));
    for finding in roots.into_iter().chain(rest) {
        let colour = match finding.severity {
            Severity::Critical => comfy_table::Color::Red,
            Severity::Warning => comfy_table::Color::Yellow,
            Severity::Info => comfy_table::Color::Reset,
        };
        let held = if finding.held { " (held: not confirmed now)" } else { "" };
        let mut what = format!("{}{held}", clean(&finding.message));
        for field in &finding.fields {
            let _ = write!(
                what,
                "\n{}: declared {}, live {}",
                clean(&field.path),
                value(&field.desired),
                value(&field.live)
            );
        }
        if let Some(by) = finding.attribution.as_ref().filter(|_| is_root(finding)) {
            let _ = write!(what, "\nby {}: {} at {}", clean(&by.actor), clean(&by.event), moment(by.at));
        }
        if let Some(source) = &finding.source {
            let _ = write!(what, "\n{}:{}", clean(&source.file), source.line);
        }
        table.add_row([
            Cell::new(format!("  {}", finding.severity)).fg(colour),
            Cell::new(finding.drift),
            Cell::new(&finding.kind),
            Cell::new(clean(&finding.name)),
            Cell::new(what),
        ]);
    }
    if let Some(name) = table.column_mut(3) {
        name.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(60)));
    }
    let _ = writeln!(text, "{table}");
    hints("runbook", members.iter().filter_map(|finding| finding.runbook.as_deref()), text);
    hints("redeploy", members.iter().filter_map(|finding| finding.redeploy.as_deref()), text);
}

/// What to do, once for the whole group.
fn hints<'a>(label: &str, hints: impl Iterator<Item = &'a str>, text: &mut String) {
    let distinct: std::collections::BTreeSet<&str> = hints.collect();
    for hint in distinct {
        let _ = writeln!(text, "  {} {}", styled(DIM, format!("{label}:")), clean(hint));
    }
}

/// A value in one line.
pub fn value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "(not set)".to_owned(),
        serde_json::Value::String(text) => clean(text),
        other => clean(&other.to_string()),
    }
}

fn converging(report: &Report, text: &mut String) {
    if report.converging.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", styled(BOLD, "Converging (no drift until the deadline)"));
    let mut table = table(["  UNTIL", "ENVIRONMENT", "KIND", "NAME", "WHAT"]);
    for entry in &report.converging {
        table.add_row([
            format!("  {}", moment(entry.until)),
            clean(&entry.environment),
            entry.kind.to_string(),
            clean(&entry.name),
            clean(&entry.message),
        ]);
    }
    let _ = writeln!(text, "{table}");
}

fn ignored(report: &Report, text: &mut String) {
    if report.ignored.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", styled(BOLD, "Ignored"));
    let mut table = table(["  UNTIL", "BY", "DRIFT", "KIND", "NAME", "REASON"]);
    for entry in &report.ignored {
        let finding = &entry.finding;
        table.add_row([
            format!("  {}", moment(entry.until)),
            clean(&entry.by),
            finding.drift.to_string(),
            finding.kind.to_string(),
            format!("{}/{}", clean(&finding.environment), clean(&finding.name)),
            clean(&entry.reason),
        ]);
    }
    let _ = writeln!(text, "{table}");
}

/// Unknown things, gathered by reason: a hundred of one cause are one line.
fn unknown(report: &Report, text: &mut String) {
    if report.unknown.is_empty() {
        return;
    }
    let mut causes: BTreeMap<(String, &str, &str), Vec<String>> = BTreeMap::new();
    for entry in &report.unknown {
        let cause = (entry.scope.to_string(), entry.reason, &*entry.detail);
        causes.entry(cause).or_default().push(format!("{}/{}", entry.kind, clean(&entry.name)));
    }
    let _ = writeln!(text, "\n{}", styled(CAUTION.bold(), "Unknown (neither drift nor in sync)"));
    for ((scope, reason, detail), things) in causes {
        let named: Vec<&str> = things.iter().take(4).map(String::as_str).collect();
        let more = things.len() - named.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "  {} {}{more}", styled(CAUTION, reason), named.join(", "));
        let _ = writeln!(text, "    {}", styled(DIM, format!("{}: {}", clean(&scope), clean(detail))));
    }
}

fn scopes(report: &Report, text: &mut String) {
    // What the unknown things have said already is not said again.
    let said = |scope: &ScopeReport| {
        let error = scope.error.as_deref().unwrap_or_default();
        report.unknown.iter().any(|entry| entry.scope == scope.scope && error.ends_with(&*entry.detail))
    };
    let has_trouble = |scope: &&ScopeReport| (scope.error.is_some() && !said(scope)) || !scope.remarks.is_empty();
    let trouble: Vec<_> = report.scopes.iter().filter(has_trouble).collect();
    if trouble.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", styled(BOLD, "Scopes with trouble"));
    for scope in trouble {
        for line in scope.error.iter().chain(&scope.remarks) {
            let _ = writeln!(text, "  {}  {}", clean(&scope.scope.to_string()), clean(line));
        }
    }
}

fn summary(report: &Report, text: &mut String) {
    let sum = &report.summary;
    let took = report.finished_at.duration_since(report.started_at).as_secs_f64();
    let scopes = report.scopes.len() as u64;
    let calls: u64 = report.scopes.iter().map(|scope| u64::from(scope.api_calls)).sum();
    let _ = writeln!(
        text,
        "\n{} resources: {} in sync, {} drifted, {} converging, {} unknown, {} ignored{}  {}",
        sum.resources,
        sum.in_sync,
        sum.drifted,
        sum.converging,
        sum.unknown,
        sum.ignored,
        if sum.unchecked > 0 { format!(", {} field(s) unchecked", sum.unchecked) } else { String::new() },
        styled(DIM, format!("({}, {}, {took:.1}s)", counted(scopes, "scope"), counted(calls, "call"))),
    );
}

/// A number of things.
fn counted(number: u64, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!((counted(1, "scope"), counted(0, "call")), ("1 scope".to_owned(), "0 calls".to_owned()));
    }

    #[test]
    fn hostile_names_are_shown_not_sent_to_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\n"), "a\\u{1b}[31mb\\u{202e}c\\u{a}");
    }

    #[test]
    fn an_endless_name_is_cut() {
        assert_eq!(clean(&"ä".repeat(LONGEST)), "ä".repeat(LONGEST));
        assert_eq!(clean(&"ä".repeat(1 << 20)), "ä".repeat(LONGEST) + "…");
    }

    #[test]
    fn ages_read_as_people_say_them() {
        let now = Timestamp::from_second(1_000_000).unwrap_or_default();
        let ages: Vec<String> = [5, 300, 7_260, 259_200]
            .map(|seconds| age(Timestamp::from_second(1_000_000 - seconds).unwrap_or_default(), now))
            .to_vec();
        assert_eq!(ages, ["5s", "5m", "2h01m", "3d"]);
    }
}
