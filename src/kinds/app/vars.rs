//! What happens to a Cloud Foundry manifest before anybody reads it: maps are merged into others,
//! and variables get their values.
//!
//! Decides which of several values wins, and leaves a `((variable))` that no file gives where it is,
//! so that whoever reads the field can say that it is left open ([`open`]). Never reads a file. `spec`
//! lays every manifest out with it before `legacy` and `v1` read it.

use std::collections::BTreeSet;

use super::v1::sheet::{Notes, is_null};
use crate::manifest::problem::Place;
use crate::manifest::tree::{Data, Key, Node, Scalar};

/// The name of the key that merges maps into the one in which it stands.
const MERGE: &str = "<<";

/// The manifest without merge keys and, as far as `files` give them, without variables. Of two files
/// that give one, the later counts. What a file gives stands where its variable was.
pub fn laid_out(node: &Node, files: &[&Node], notes: &mut Notes<'_>) -> Node {
    let data = match &node.data {
        Data::Scalar(scalar) => return filled(scalar, node.place, files, notes),
        Data::Seq(items) => Data::Seq(items.iter().map(|item| laid_out(item, files, notes)).collect()),
        Data::Map(entries) => Data::Map(merged(entries, files, notes)),
    };
    Node { place: node.place, data }
}

/// The fields of a map: its own, and those that it merges where it has none of the name; of several
/// merged maps the first counts.
fn merged(entries: &[(Key, Node)], files: &[&Node], notes: &mut Notes<'_>) -> Vec<(Key, Node)> {
    let (merges, own): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| key.name == MERGE);
    let mut fields: Vec<(Key, Node)> =
        own.into_iter().map(|(key, value)| (key.clone(), laid_out(value, files, notes))).collect();
    let mut names: BTreeSet<String> = fields.iter().map(|(key, _)| key.name.clone()).collect();
    for (key, value) in merges {
        let sources: Vec<&Node> = match &value.data {
            Data::Seq(items) => items.iter().collect(),
            Data::Map(_) | Data::Scalar(_) => vec![value],
        };
        for source in sources {
            let Data::Map(inherited) = &source.data else {
                let message = format!("`{MERGE}` cannot merge {}", source.kind_name());
                notes.problem(key.place, message, "name the anchor of a map, such as `<<: *defaults`");
                continue;
            };
            let inherited = merged(inherited, files, notes);
            fields.extend(inherited.into_iter().filter(|(key, _)| names.insert(key.name.clone())));
        }
    }
    fields
}

/// A value with its variables filled in. A value that is one variable and nothing else becomes
/// whatever the file has, be it a list or a map. Messages keep to what is written: values may be secret.
fn filled(scalar: &Scalar, place: Place, files: &[&Node], notes: &mut Notes<'_>) -> Node {
    if let Some(("", name, "")) = next(&scalar.raw)
        && let Some(value) = given(name, files)
    {
        notes.fill(place, scalar.raw.as_str());
        return moved(value, place);
    }
    let mut raw = String::new();
    let mut rest = scalar.raw.as_str();
    let mut plain = scalar.plain;
    while let Some((before, name, after)) = next(rest) {
        raw.push_str(before);
        match given(name, files).map(|value| &value.data) {
            Some(Data::Scalar(value)) => {
                raw.push_str(&value.raw);
                notes.fill(place, scalar.raw.as_str());
                // What is put together is text, whatever it looks like.
                plain = false;
            }
            _ => raw.push_str(&format!("(({name}))")),
        }
        rest = after;
    }
    raw.push_str(rest);
    Node { place, data: Data::Scalar(Scalar { raw, plain }) }
}

/// The first variable of a text that is still there.
pub fn open(text: &str) -> Option<&str> {
    next(text).map(|(_, name, _)| name)
}

/// The next `((name))` of a text: what stands before it, the name, and what follows.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let close = from + text.get(from..)?.find("))")?;
        let segment = text.get(from..close)?;
        if let Some(open) = segment.rfind("((") {
            let name = segment.get(open + 2..)?;
            if is_name(name) {
                return Some((text.get(..from + open)?, name, text.get(close + 2..)?));
            }
        }
        from = close + 2;
    }
}

/// What the cf CLI takes for the name of a variable; everything else in `((…))` is text.
fn is_name(name: &str) -> bool {
    let name = name.strip_prefix('!').unwrap_or(name);
    !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || "-/._".contains(character))
}

/// What the files say that a variable is: `name`, or `name.key` of a map.
fn given<'n>(name: &str, files: &[&'n Node]) -> Option<&'n Node> {
    let mut keys = name.strip_prefix('!').unwrap_or(name).split('.');
    let first = keys.next()?;
    let value = files.iter().rev().find_map(|file| file.get(first))?;
    keys.try_fold(value, |value, key| value.get(key)).filter(|value| !is_null(value))
}

/// The same value where another one stood.
fn moved(node: &Node, place: Place) -> Node {
    let data = match &node.data {
        Data::Scalar(scalar) => Data::Scalar(scalar.clone()),
        Data::Seq(items) => Data::Seq(items.iter().map(|item| moved(item, place)).collect()),
        Data::Map(entries) => {
            let fields = entries.iter().map(|(key, value)| {
                let key = Key { place, name: key.name.clone() };
                (key, moved(value, place))
            });
            Data::Map(fields.collect())
        }
    };
    Node { place, data }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::manifest::parse::parse_foreign;
    use crate::manifest::source::SourceFile;

    fn node(text: &str) -> Node {
        let file = SourceFile { path: "manifest.yml".to_owned(), text: Arc::from(text) };
        parse_foreign(&file).unwrap().remove(0)
    }

    /// The tree as one line.
    fn shown(node: &Node) -> String {
        match &node.data {
            Data::Scalar(scalar) => scalar.raw.clone(),
            Data::Seq(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
            Data::Map(entries) => {
                let fields = entries.iter().map(|(key, value)| format!("{}: {}", key.name, shown(value)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn out(text: &str, files: &[&str]) -> (String, usize) {
        let files: Vec<Node> = files.iter().map(|text| node(text)).collect();
        let files: Vec<&Node> = files.iter().collect();
        let mut notes = Notes::of(None);
        let laid_out = laid_out(&node(text), &files, &mut notes);
        (shown(&laid_out), notes.problems.len())
    }

    #[test]
    fn a_map_keeps_its_own_fields_and_takes_the_others_from_the_first_map_that_it_merges() {
        let text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\n";
        let expected = "{a: {x: 1, y: 1}, b: {y: 2, z: 2, x: 1}, c: {x: 3, y: 1, z: 2}}";
        assert_eq!(out(text, &[]), (expected.to_owned(), 0));
        assert_eq!(out("a: {<<: 7}\n", &[]).1, 1);
    }

    #[test]
    fn a_variable_takes_its_value_from_the_last_file_that_gives_it() {
        let text = "a: ((size))\nb: \"((host)).((domain.name))\"\nc: [((list))]\n";
        let files = ["size: 1\nhost: x\ndomain: {name: example.com}\n", "size: 2\nlist: [1, 2]\n"];
        assert_eq!(out(text, &files).0, "{a: 2, b: x.example.com, c: [[1, 2]]}");
    }

    #[test]
    fn a_variable_that_no_file_gives_stays_and_is_found() {
        assert_eq!(out("a: x-((b))-((c))\n", &["c: 1\n"]).0, "{a: x-((b))-1}");
        assert_eq!(open("x-((b))-1"), Some("b"));
        assert_eq!(open("(((b)))"), Some("b"));
        for text in ["f(g(x))", "((a b))", "(())", "((a)", "))(("] {
            assert_eq!(open(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_file_gives_stands_where_its_variable_was() {
        let files = node("# a comment\n\nx: {y: 1}\n");
        let filled = laid_out(&node("a: ((x))\n"), &[&files], &mut Notes::of(None));
        assert_eq!(filled.get("a").unwrap().get("y").unwrap().place.line, 1);
    }
}
