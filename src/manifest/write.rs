//! YAML that every reader reads the same: those of YAML 1.1, who take `no` for a truth value and
//! `12:30` for a number, and those of 1.2, who do not.
//!
//! Decides what stands without quotes: only what no reader could take for anything but text. All
//! else is in double quotes, and what a person cannot see is written as an escape. It knows maps,
//! lists, text, whole numbers and truth values, and no more of YAML. It tells which texts are too long
//! for a key, but leaves it to others not to write them. `crate::import` and the kinds' imports call it.

use std::fmt::Write as _;

use serde_json::Value;

/// Words that some reader takes for something else than text, in lower case.
const WORDS: [&str; 11] = ["y", "yes", "n", "no", "on", "off", "true", "false", "null", "nan", "inf"];

/// A value as a document in block style, with a line break at its end.
pub fn document(value: &Value) -> String {
    let mut out = String::new();
    if is_nested(value) {
        block(value, 0, &mut out);
    } else {
        leaf(value, &mut out);
        out.push('\n');
    }
    out
}

/// The most characters that a key may have as it is written, quotes and escapes included: YAML does
/// not let a reader look farther for the colon.
const LONGEST_KEY: usize = 1_024;

/// Whether every reader of YAML takes this text for a key.
pub fn is_key(text: &str) -> bool {
    scalar(text).chars().count() <= LONGEST_KEY
}

/// A text as it is written in YAML: plain, or in double quotes.
pub fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Whether it takes lines of its own.
fn is_nested(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                begin(indent, out);
                out.push_str(&scalar(key));
                out.push(':');
                rest(value, indent, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                begin(indent, out);
                out.push('-');
                rest(item, indent, out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn begin(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// What follows a key or a dash.
fn rest(value: &Value, indent: usize, out: &mut String) {
    if is_nested(value) {
        out.push('\n');
        block(value, indent + 2, out);
    } else {
        out.push(' ');
        leaf(value, out);
        out.push('\n');
    }
}

fn leaf(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(&scalar(text)),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        // Writing to a String cannot fail.
        Value::Null | Value::Bool(_) | Value::Number(_) => _ = write!(out, "{value}"),
    }
}

fn is_plain(text: &str) -> bool {
    // Whatever a reader takes for a number or a date begins with a digit, a sign or a dot.
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.' | '/'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(char),
            other if other.is_alphanumeric() => out.push(other),
            // Control and bidirectional characters, and all that looks like nothing or like something else.
            other => {
                let code = u32::from(other);
                // Writing to a String cannot fail.
                _ = if code > 0xffff { write!(out, "\\U{code:08x}") } else { write!(out, "\\u{code:04x}") };
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::super::parse::parse;
    use super::super::source::SourceFile;
    use super::super::tree::{Data, Node, Resolved};
    use super::*;

    /// What moored's own reader makes of it.
    fn ours(node: &Node) -> Value {
        match &node.data {
            Data::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null => Value::Null,
                Resolved::Bool(flag) => flag.into(),
                Resolved::Int(number) => number.into(),
                Resolved::Float(number) => number.into(),
                Resolved::Text => scalar.raw.as_str().into(),
            },
            Data::Seq(items) => items.iter().map(ours).collect(),
            Data::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.name.clone(), ours(value))).collect())
            }
        }
    }

    /// Both readers of this program read back what was written.
    fn comes_back(value: &Value) {
        let text = document(value);
        let file = SourceFile { path: "a.yaml".into(), text: text.as_str().into() };
        let documents = parse(&file).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        assert_eq!(documents.iter().map(ours).collect::<Vec<_>>(), std::slice::from_ref(value), "{text}");
        assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), *value, "{text}");
    }

    #[test]
    fn what_some_reader_takes_for_something_else_is_in_quotes() {
        for text in [
            "no",
            "No",
            "NO",
            "on",
            "Off",
            "yes",
            "y",
            "N",
            "true",
            "False",
            "null",
            "~",
            "",
            "1e3",
            "0123",
            "0o17",
            "0x1f",
            "12:30",
            "1_000",
            "+1",
            "-1",
            ".5",
            ".inf",
            ".NaN",
            "2026-11-20",
            "*",
            "*.example.com",
            "&a",
            "!tag",
            "@a",
            "`a",
            "%a",
            "=",
            "<<",
            "- a",
            "? a",
            ": a",
            "a: b",
            "a #b",
            "a:",
            "[a]",
            "{a}",
            "a,b",
            " a",
            "a ",
            "'a'",
            "---",
            "...",
            "nan",
            "INF",
        ] {
            assert!(scalar(text).starts_with('"'), "{text} stands plain");
            comes_back(&json!({ "a": text, text: ["b"] }));
        }
        for text in ["api", "api.example.com", "eu-west-1", "moored.dev/v1", "t3.micro", "a_b", "HTTP1", "e10"] {
            assert_eq!(scalar(text), text);
            comes_back(&json!({ text: text }));
        }
    }

    #[test]
    fn what_a_person_cannot_see_is_an_escape() {
        assert_eq!(
            scalar("a\u{202e}b\u{0}\u{7f}\u{85}\u{feff}\u{1f600}é"),
            "\"a\\u202eb\\u0000\\u007f\\u0085\\ufeff\\U0001f600é\""
        );
        assert_eq!(scalar("a\r\n\tb \"c\" \\"), "\"a\\u000d\\n\\tb \\\"c\\\" \\\\\"");
    }

    #[test]
    fn maps_and_lists_are_written_in_blocks() {
        let value = json!({
            "metadata": { "name": "api", "environments": ["production"], "annotations": { "moored.dev/reviewed": "false" } },
            "spec": { "ports": { "8080": { "protocol": "tcp" } }, "count": 2, "on": true, "none": {}, "nothing": [],
                      "list": [["a"], { "b": 1 }] },
        });
        let text = "metadata:\n  name: api\n  environments:\n    - production\n  annotations:\n    moored.dev/reviewed: \"false\"\n\
                    spec:\n  ports:\n    \"8080\":\n      protocol: tcp\n  count: 2\n  \"on\": true\n  none: {}\n  nothing: []\n  \
                    list:\n    -\n      - a\n    -\n      b: 1\n";
        assert_eq!(document(&value), text);
        comes_back(&value);
    }

    #[test]
    fn a_key_is_as_long_as_every_reader_reads_it() {
        // An escape takes ten characters of a key, and quotes two.
        for (longest, more) in [("a".repeat(1_024), "a"), (format!("{}a", "\u{1f600}".repeat(102)), "aa")] {
            assert!(is_key(&longest) && !is_key(&format!("{longest}{more}")), "{longest}");
            comes_back(&json!({ longest: "b" }));
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![any::<String>(), "[a-zA-Z0-9:.#&*!|>'\"%@`{}\\[\\], \n\t~=<?-]{0,12}"];
        let leaf = prop_oneof![
            text.clone().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(value in values()) {
            comes_back(&json!({ "value": value }));
        }
    }
}
