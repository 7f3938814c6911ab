//! Changes of the world as a person reads them: when, what, from what to what, and who.
//!
//! Decides layout only; every word comes from the record. What happened between the same two
//! readings stands together, and what only followed from other changes is one line unless all is
//! asked for. `diff` and `show --at` print it.

use std::collections::BTreeSet;
use std::fmt::Write;

use anstyle::AnsiColor;

use super::render::{BOLD, CAUTION, DIM, clean, moment, styled, value};
use crate::core::identity::spoken;
use crate::core::record::{Attributed, Change, FieldChange, MORE, What};
use crate::engine::attribution::plan::CONSEQUENCE;

/// So many fields of what settled are named.
const NAMED: usize = 3;

/// The changes, oldest first; what only followed from others is counted unless `all` is wanted.
pub fn sheet(changes: &[Change], all: bool) -> String {
    let mut text = String::new();
    for block in changes.chunk_by(|one, next| (one.after, one.at) == (next.after, next.at)) {
        let Some(first) = block.first() else { continue };
        let space = if text.is_empty() { "" } else { "\n" };
        let heading = match first.after {
            Some(after) => format!("between {} and {}", moment(after), moment(first.at)),
            None => format!("seen at {}; when it happened is not known", moment(first.at)),
        };
        let _ = writeln!(text, "{space}{}", styled(BOLD, heading));
        let (folded, told): (Vec<&Change>, Vec<&Change>) =
            block.iter().partition(|change| !all && is_consequence(change));
        told.into_iter().for_each(|change| one(change, &mut text));
        if !folded.is_empty() {
            let _ = writeln!(text, "  {}", styled(DIM, settled(&folded)));
        }
    }
    text
}

/// Counts and rollouts that follow a call. A target or a check that fails is told, whatever caused it.
fn is_consequence(change: &Change) -> bool {
    let settles = |path: &str| matches!(path.split('.').next(), Some("rollout" | "runningCount" | "pendingCount"));
    let consequence = matches!(&change.attributed, Attributed::NotVisible(why) if **why == *CONSEQUENCE);
    consequence && change.fields.iter().all(|field| settles(&field.path))
}

/// What followed from other changes, in one line.
fn settled(changes: &[&Change]) -> String {
    let things: BTreeSet<_> = changes.iter().map(|change| (&change.scope, &change.kind, &change.key)).collect();
    let paths = changes.iter().flat_map(|change| &change.fields);
    let fields: BTreeSet<&str> = paths.filter_map(|field| field.path.split('.').next()).collect();
    let mut named: Vec<String> = fields.iter().take(NAMED).map(|field| clean(field)).collect();
    if fields.len() > NAMED {
        named.push("…".to_owned());
    }
    format!("{} thing(s) settled: {} (--all shows them)", things.len(), named.join(", "))
}

fn one(change: &Change, text: &mut String) {
    let style = match change.what {
        What::Appeared => AnsiColor::Green.on_default(),
        What::Changed => CAUTION,
        What::Gone => AnsiColor::Red.on_default().bold(),
    };
    let _ = writeln!(
        text,
        "  {}  {} {}  {}",
        styled(style, format!("{:<8}", change.what)),
        clean(&change.kind),
        clean(&spoken(&change.key)),
        styled(DIM, clean(&change.scope.to_string())),
    );
    if change.what != What::Changed {
        let _ = writeln!(text, "            {}", styled(DIM, clean(&change.object)));
    }
    for field in &change.fields {
        let _ = writeln!(text, "            {}", line(field));
    }
    let _ = writeln!(text, "            {}", who(&change.attributed));
}

fn line(field: &FieldChange) -> String {
    if &*field.path == MORE {
        return format!("{MORE} and {} more", value(&field.after));
    }
    format!("{}: {} → {}", clean(&field.path), value(&field.before), value(&field.after))
}

fn who(attributed: &Attributed) -> String {
    match attributed {
        Attributed::Pending => styled(DIM, "by: not known yet"),
        Attributed::By(by) => {
            let when = by.at.strftime("%H:%M:%SZ");
            format!("by {} ({} at {when})", styled(BOLD, clean(&by.actor)), clean(&by.event))
        }
        Attributed::NotVisible(why) => styled(DIM, format!("by: not visible: {}", clean(why))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use serde_json::Value as Json;

    use super::*;
    use crate::core::identity::ScopeKey;
    use crate::core::record::Attribution;

    fn change(what: What, attributed: Attributed) -> Change {
        let at = |second| Timestamp::from_second(second).unwrap();
        Change {
            id: 1,
            at: at(70),
            after: Some(at(10)),
            scope: ScopeKey::parse("hosted_zone/111122223333/global/example.com").unwrap(),
            kind: "DnsRecord".into(),
            key: "a\u{1b}[31m.example.com|A|".into(),
            object: "example.com/a".into(),
            what,
            fields: vec![
                FieldChange {
                    path: "values".into(),
                    before: Json::Null,
                    after: serde_json::json!(["192.0.2.1", "\u{202e}"]),
                },
                FieldChange { path: MORE.into(), before: Json::Null, after: 7.into() },
            ],
            attributed,
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_change_says_when_what_and_who_and_sends_nothing_hostile() {
        let by = Attribution { actor: "alice".into(), event: "Change".into(), at: Timestamp::from_second(42).unwrap() };
        let changes = [change(What::Changed, Attributed::By(by)), change(What::Gone, Attributed::Pending)];
        let text = plain(&sheet(&changes, false));
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines.first(), Some(&"between 1970-01-01 00:00:10Z and 1970-01-01 00:01:10Z"));
        assert_eq!(lines.iter().filter(|line| line.starts_with("between")).count(), 1, "{text}");
        for line in [
            "changed   DnsRecord a\\u{1b}[31m.example.com A  hosted_zone/111122223333/global/example.com",
            "values: (not set) → [\"192.0.2.1\",\"\\u{202e}\"]",
            "… and 7 more",
            "by alice (Change at 00:00:42Z)",
            "by: not known yet",
        ] {
            assert!(lines.contains(&line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_only_followed_is_one_line_unless_all_is_asked_for() {
        let mut follows = change(What::Changed, Attributed::NotVisible(CONSEQUENCE.into()));
        follows.fields = ["rollout.state", "runningCount", "rollout.failedTasks"]
            .map(|path| FieldChange { path: path.into(), before: 1.into(), after: 2.into() })
            .to_vec();
        let called = change(What::Gone, Attributed::NotVisible("CloudTrail shows no event of it".into()));
        let changes = [follows, called];
        let text = plain(&sheet(&changes, false));
        assert!(text.contains("  1 thing(s) settled: rollout, runningCount (--all shows them)\n"), "{text}");
        assert!(text.contains("gone") && !text.contains("rollout.state"), "{text}");
        let text = plain(&sheet(&changes, true));
        assert!(text.contains("rollout.state: 1 → 2") && !text.contains("settled"), "{text}");
    }
}
