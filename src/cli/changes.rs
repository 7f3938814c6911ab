//! Changes of the world as a person reads them: when, what, from what to what, and who.
//!
//! Decides layout only; every word comes from the record. What happened between the same two
//! readings stands together. `diff` and `show --at` print it.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::Value as Json;

use super::render::{clean, moment, styled};
use crate::core::identity::spoken;
use crate::core::record::{Attributed, Change, FieldChange, MORE, What};

const BOLD: Style = Style::new().bold();

/// What is less important.
pub const DIM: Style = Style::new().dimmed();

/// What must not be overlooked.
pub const CAUTION: Style = AnsiColor::Yellow.on_default();

/// All of them, oldest first.
pub fn sheet(changes: &[Change]) -> String {
    let mut text = String::new();
    let mut last = None;
    for change in changes {
        let interval = (change.after, change.at);
        if last != Some(interval) {
            let space = if last.is_some() { "\n" } else { "" };
            let heading = match change.after {
                Some(after) => format!("between {} and {}", moment(after), moment(change.at)),
                None => format!("seen at {}; when it happened is not known", moment(change.at)),
            };
            let _ = writeln!(text, "{space}{}", styled(BOLD, heading));
            last = Some(interval);
        }
        one(change, &mut text);
    }
    text
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

/// A value in one line.
pub fn value(value: &Json) -> String {
    match value {
        Json::Null => "(not set)".to_owned(),
        Json::String(text) => clean(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(", "))
        }
        other => clean(&other.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

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
        let text = plain(&sheet(&[change(What::Changed, Attributed::By(by)), change(What::Gone, Attributed::Pending)]));
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines.first(), Some(&"between 1970-01-01 00:00:10Z and 1970-01-01 00:01:10Z"));
        assert_eq!(lines.iter().filter(|line| line.starts_with("between")).count(), 1, "{text}");
        for line in [
            "changed   DnsRecord a\\u{1b}[31m.example.com A  hosted_zone/111122223333/global/example.com",
            "values: (not set) → [192.0.2.1, \\u{202e}]",
            "… and 7 more",
            "by alice (Change at 00:00:42Z)",
            "by: not known yet",
        ] {
            assert!(lines.contains(&line), "{line}\n{text}");
        }
    }
}
