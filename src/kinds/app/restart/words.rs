//! What a person reads of what waits for a restart.
//!
//! Decides which changes share a sentence, and that the worst is said first. Times are the teller's
//! own, to the second, so that they are found again in its log. Never a value. [`super::judge`] calls
//! [`changed`] and [`removed`].

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::verdict::Verdict;
use super::{Running, What};

/// Something that changed, and what may not have it.
pub(super) struct Clause<'a> {
    /// What changed.
    pub(super) what: &'a What,
    /// When, as it was told.
    pub(super) at: Timestamp,
    /// The worst that is known of what runs.
    pub(super) verdict: Verdict,
    /// The processes of which that is known.
    pub(super) processes: Vec<&'a Running<'a>>,
}

/// Everything that changed and of which this is known, in one sentence; `None` where nothing is.
pub(super) fn changed(clauses: &[Clause<'_>], verdict: Verdict) -> Option<String> {
    let mut alike: Vec<(Vec<&str>, Vec<&Clause<'_>>)> = Vec::new();
    for clause in clauses.iter().filter(|clause| clause.verdict == verdict) {
        let names: Vec<&str> = clause.processes.iter().map(|process| process.name).collect();
        match alike.iter_mut().find(|(known, _)| *known == names) {
            Some((_, all)) => all.push(clause),
            None => alike.push((names, vec![clause])),
        }
    }
    let said = alike.iter().map(|(names, all)| {
        let changes = changes(all);
        match verdict {
            Verdict::Stale => format!("{changes}, {}", runs(all)),
            Verdict::Maybe | Verdict::Fresh => {
                let were = if names.len() == 1 { "was" } else { "were" };
                format!("{changes}, and nothing proves that {} {were} restarted after it", listed(names))
            }
        }
    });
    let said: Vec<String> = said.collect();
    let needs = if verdict == Verdict::Stale { "needs" } else { "may need" };
    (!said.is_empty()).then(|| format!("{needs} a restart: {}", said.join("; ")))
}

/// `its environment changed at … and its bindings to db and queue changed at …`.
fn changes(all: &[&Clause<'_>]) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut bindings: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for clause in all {
        match clause.what {
            What::Binding(service) => {
                bindings.insert(service.as_str(), clause.at);
            }
            what => said.push(format!("{what} changed {}", when(&[clause.at]))),
        }
    }
    if !bindings.is_empty() {
        let (names, times): (Vec<&str>, Vec<Timestamp>) = bindings.into_iter().unzip();
        let noun = if names.len() == 1 { "its binding" } else { "its bindings" };
        said.push(format!("{noun} to {} changed {}", listed(&names), when(&times)));
    }
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    listed(&said)
}

/// Since when each process runs. One that crashed since was started with the old again.
fn runs(all: &[&Clause<'_>]) -> String {
    let first = all.iter().map(|clause| clause.at).min();
    let processes = all.first().map(|clause| clause.processes.as_slice()).unwrap_or_default();
    let told = processes.iter().enumerate().map(|(number, process)| {
        let verb = if number == 0 { " runs" } else { "" };
        let name = process.name;
        match process.since {
            Some(since) if first.is_some_and(|first| since >= first) => {
                format!("{name} still runs the version from before (started again at {})", spoken(since))
            }
            Some(since) => format!("{name}{verb} since {}", spoken(since)),
            None => format!("{name}{verb} as it was before"),
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

/// Bindings that are gone, and what is known of what runs.
pub(super) fn removed(services: &[(&str, Timestamp)], verdict: Verdict) -> Option<String> {
    if services.is_empty() {
        return None;
    }
    let (names, times): (Vec<&str>, Vec<Timestamp>) = services.iter().copied().unzip();
    let (noun, is, it) = match names.len() {
        1 => ("the binding", "is", "it"),
        _ => ("the bindings", "are", "them"),
    };
    let (names, times) = (listed(&names), span(&times));
    Some(match verdict {
        Verdict::Stale => format!(
            "{noun} to {names} {is} removed ({times}), but the running process still has {it}: breaks at the next restart"
        ),
        Verdict::Maybe | Verdict::Fresh => format!(
            "{noun} to {names} {is} removed ({times}), and the running process may still have {it}: it may break at the next restart"
        ),
    })
}

fn when(times: &[Timestamp]) -> String {
    match bounds(times) {
        Some((first, last)) if first != last => format!("between {} and {}", spoken(first), spoken(last)),
        Some((only, _)) => format!("at {}", spoken(only)),
        None => String::new(),
    }
}

fn span(times: &[Timestamp]) -> String {
    match bounds(times) {
        Some((first, last)) if first != last => format!("{} to {}", spoken(first), spoken(last)),
        Some((only, _)) => spoken(only),
        None => String::new(),
    }
}

fn bounds(times: &[Timestamp]) -> Option<(Timestamp, Timestamp)> {
    times.iter().min().copied().zip(times.iter().max().copied())
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// To the second.
pub(super) fn spoken(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
