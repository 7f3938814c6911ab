//! A report as lines that can be compared between clouds.
//!
//! Decides how a finding is spelled: drift, kind, name, `of` the root of its group where that is
//! another one, and the live value of every field that differs. What a cloud chose itself, such as
//! the id of a health check, is spelled as the scenarios do: `{blog.check}`. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Everything in the report that asks for attention.
pub fn lines(report: &Value, ids: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut lines: Vec<String> = list(report, "findings").iter().map(finding).collect();
    lines.extend(list(report, "ignored").iter().map(|entry| format!("ignored {}", finding(entry))));
    lines.extend(list(report, "converging").iter().map(|entry| format!("converging {}", named(entry))));
    lines.extend(
        list(report, "unknown").iter().map(|entry| format!("unknown({}) {}", word(entry, "reason"), named(entry))),
    );
    for environment in list(report, "environments") {
        let doubtful = list(environment, "identity").iter().filter(|identity| identity["state"] != "simulated");
        lines.extend(
            doubtful.map(|identity| format!("identity {} {}", word(identity, "account"), word(identity, "state"))),
        );
    }
    let incomplete = list(report, "scopes").iter().filter(|scope| scope["complete"] != true);
    lines.extend(incomplete.map(|scope| format!("incomplete({}) {}", why(scope), word(scope, "scope"))));
    lines.into_iter().map(|line| anonymous(line, ids)).collect()
}

/// The exit code that these lines ask for.
pub fn exit_code(lines: &BTreeSet<String>) -> i32 {
    let begins = |line: &str, words: &[&str]| words.iter().any(|word| line.starts_with(word));
    let quiet = |line: &str| begins(line, &["ignored ", "converging "]);
    let unsaid = |line: &str| begins(line, &["unknown(", "incomplete(", "identity "]);
    if lines.iter().any(|line| !quiet(line) && !unsaid(line)) {
        2
    } else if lines.iter().any(|line| unsaid(line)) {
        3
    } else {
        0
    }
}

/// The verdict of an application.
pub fn verdict(report: &Value, application: &str) -> String {
    let told = list(report, "applications").iter().find(|told| told["name"] == application);
    told.map_or_else(|| "not told".to_owned(), |told| word(told, "verdict").to_owned())
}

fn finding(entry: &Value) -> String {
    let mut line = format!("{} {}", word(entry, "drift"), named(entry));
    let root = named(&entry["group"]["root"]);
    if root != named(entry) {
        line.push_str(&format!(" of {root}"));
    }
    for field in list(entry, "fields") {
        line.push_str(&format!(" {}={}", word(field, "path"), field["live"]));
    }
    line
}

fn named(entry: &Value) -> String {
    format!("{}/{}", word(entry, "kind"), word(entry, "name"))
}

/// The reason at the beginning of a scope's error, or of its first remark.
fn why(scope: &Value) -> &str {
    let said = scope["error"].as_str().or_else(|| scope["remarks"][0].as_str());
    said.and_then(|said| said.split(':').next()).unwrap_or("no reason")
}

/// The longest first: one may be a part of another.
fn anonymous(line: String, ids: &BTreeMap<String, String>) -> String {
    let mut known: Vec<(&String, &String)> = ids.iter().collect();
    known.sort_by_key(|(_, id)| std::cmp::Reverse(id.len()));
    known.into_iter().fold(line, |line, (name, id)| line.replace(id.as_str(), &format!("{{{name}}}")))
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no {member}: {value}"))
}
