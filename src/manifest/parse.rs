//! From text to trees: the streaming parser, with every bound on what it may build.
//!
//! Decides what YAML a manifest may use: no tags, no merge keys, no duplicate keys, no keys but text, and bounded depth,
//! size and aliases. It never knows what a field means, and never holds more than one file's tree. The loader calls it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use saphyr_parser::{Event, Input, Parser, ScalarStyle, ScanError, Span, Tag};

use super::problem::{Place, Problem, shorten};
use super::source::{MAX_FILE_DOCUMENTS, SourceFile};
use super::tree::{Data, Key, Node, Scalar};

/// The most lists and maps inside one another. Everything that walks a tree may recurse because of it.
const MAX_DEPTH: usize = 32;
/// The most values in one document.
const MAX_DOCUMENT_NODES: usize = 100_000;
/// The most values in one file.
const MAX_FILE_NODES: usize = 600_000;
/// The most anchors in one file.
const MAX_ANCHORS: usize = 20_000;
/// The most aliases in one document.
const MAX_ALIASES: usize = 100;
/// The most values that aliases may add to one file.
const MAX_COPIED: usize = 10_000;
/// A text this long counts as one more value where an alias repeats it.
const TEXT_PER_NODE: usize = 100;
/// The most tokens the scanner may gather before it is sure what the first of them is.
const MAX_AHEAD: usize = 200_000;
/// After so many problems a file is not read further.
const MAX_PROBLEMS: usize = 100;

/// The documents of a file in which something is written. After a syntax error, or too much of anything, the rest of
/// the file is not read; whatever else is wrong is reported together.
pub fn parse(file: &SourceFile) -> Result<Vec<Node>, Vec<Problem>> {
    parse_as(file, false)
}

/// The same of a file of Cloud Foundry's, whose manifests may merge: `<<` is a key like any other,
/// and whoever reads the tree merges.
pub fn parse_foreign(file: &SourceFile) -> Result<Vec<Node>, Vec<Problem>> {
    parse_as(file, true)
}

fn parse_as(file: &SourceFile, merges: bool) -> Result<Vec<Node>, Vec<Problem>> {
    let ahead = Rc::new(Cell::new(0));
    let mut parser = Parser::new(Metered { rest: &file.text, asked: 0, ahead: Rc::clone(&ahead) });
    let mut builder = Builder::new(file);
    builder.merges = merges;
    loop {
        ahead.set(0);
        let event = parser.next_event();
        let step = match event {
            // What came of the shortened input must not be looked at.
            _ if ahead.get() > MAX_AHEAD => Err(builder.too_long()),
            None | Some(Ok((Event::StreamEnd, _))) => break,
            Some(Ok((event, span))) => builder.event(event, span),
            Some(Err(error)) => Err(builder.syntax(&error)),
        };
        if let Err(problem) = step {
            builder.problems.push(problem);
            break;
        }
    }
    if builder.problems.is_empty() { Ok(builder.documents) } else { Err(builder.problems) }
}

/// The text as the scanner reads it, cut off when the scanner gathers too much.
///
/// The scanner holds back all tokens of a `[…]` or `{…}` that might be a key until it has seen its end, at fifty bytes
/// of memory for each byte of text. It asks for exactly four characters once for every token, and once for every word
/// of a quoted or plain text; that is counted.
struct Metered<'a> {
    rest: &'a str,
    asked: usize,
    ahead: Rc<Cell<usize>>,
}

impl Input for Metered<'_> {
    fn lookahead(&mut self, count: usize) {
        self.asked = self.asked.max(count);
        if count == 4 {
            self.ahead.set(self.ahead.get() + 1);
            if self.ahead.get() > MAX_AHEAD {
                self.rest = "";
            }
        }
    }

    fn buflen(&self) -> usize {
        self.asked
    }

    fn bufmaxlen(&self) -> usize {
        16
    }

    fn raw_read_ch(&mut self) -> char {
        let next = self.peek();
        self.skip();
        next
    }

    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        let next = self.peek_opt().filter(|next| !matches!(next, '\n' | '\r' | '\0' | '\u{feff}'))?;
        self.skip();
        Some(next)
    }

    #[inline]
    fn skip(&mut self) {
        let mut rest = self.rest.chars();
        rest.next();
        self.rest = rest.as_str();
    }

    #[inline]
    fn skip_n(&mut self, count: usize) {
        for _ in 0..count {
            self.skip();
        }
    }

    #[inline]
    fn peek(&self) -> char {
        self.peek_opt().unwrap_or('\0')
    }

    #[inline]
    fn peek_nth(&self, n: usize) -> char {
        self.rest.chars().nth(n).unwrap_or('\0')
    }

    #[inline]
    fn peek_opt(&self) -> Option<char> {
        self.rest.chars().next()
    }
}

/// Turns the parser's count of characters into bytes; it moves with the parser, so the whole file is counted once.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    text: &'a str,
    ascii: bool,
    index: usize,
    byte: usize,
}

impl Cursor<'_> {
    fn byte_at(&mut self, index: usize) -> usize {
        if self.ascii {
            return index.min(self.text.len());
        }
        while self.index < index {
            let Some(next) = self.text.get(self.byte..).and_then(|rest| rest.chars().next()) else {
                break;
            };
            self.byte += next.len_utf8();
            self.index += 1;
        }
        while self.index > index {
            let Some(last) = self.text.get(..self.byte).and_then(|before| before.chars().next_back()) else {
                break;
            };
            self.byte -= last.len_utf8();
            self.index -= 1;
        }
        self.byte
    }
}

/// A list or map whose end has not come yet.
enum Open {
    Seq { place: Place, items: Vec<Node> },
    Map { place: Place, entries: Vec<(Key, Node)>, key: Option<Key> },
}

impl Open {
    fn len(&self) -> usize {
        match self {
            Open::Seq { items, .. } => items.len(),
            Open::Map { entries, .. } => entries.len(),
        }
    }

    fn child(&self, index: usize) -> Option<&Node> {
        match self {
            Open::Seq { items, .. } => items.get(index),
            Open::Map { entries, .. } => entries.get(index).map(|(_, value)| value),
        }
    }
}

fn child(node: &Node, index: usize) -> Option<&Node> {
    match &node.data {
        Data::Scalar(_) => None,
        Data::Seq(items) => items.get(index),
        Data::Map(entries) => entries.get(index).map(|(_, value)| value),
    }
}

/// Makes documents of events. An `Err` ends the file; what can be noted and passed over goes to `problems`.
struct Builder<'a> {
    file: &'a SourceFile,
    cursor: Cursor<'a>,
    last: Place,
    documents: Vec<Node>,
    problems: Vec<Problem>,
    documents_begun: usize,
    root: Option<Node>,
    open: Vec<Open>,
    /// Where each anchored value of this document is, or will be: the index to take at each level from the root.
    anchors: BTreeMap<usize, Vec<usize>>,
    anchors_begun: usize,
    aliases: usize,
    /// Whether maps may be merged into others.
    merges: bool,
    copied: usize,
    document_nodes: usize,
    file_nodes: usize,
}

impl<'a> Builder<'a> {
    fn new(file: &'a SourceFile) -> Builder<'a> {
        Builder {
            file,
            cursor: Cursor { text: &file.text, ascii: file.text.is_ascii(), index: 0, byte: 0 },
            last: Place::new(1, 1, 0, 0),
            documents: Vec::new(),
            problems: Vec::new(),
            documents_begun: 0,
            root: None,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            anchors_begun: 0,
            aliases: 0,
            merges: false,
            copied: 0,
            document_nodes: 0,
            file_nodes: 0,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd => Ok(()),
            Event::DocumentStart(_) => self.begin_document(&span),
            Event::DocumentEnd => {
                self.documents.extend(self.root.take().filter(|root| !root.is_unwritten()));
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let place = self.scalar_place(&span, style);
                self.refuse_tag(place, tag.as_deref())?;
                let plain = style == ScalarStyle::Plain;
                // A copy of the exact size: the parser's own has room for much more.
                let raw = String::from(&*text);
                if self.wants_key() {
                    return self.key(Key { place, name: raw }, plain, anchor);
                }
                self.begin_value(place, anchor)?;
                self.put(Node { place, data: Data::Scalar(Scalar { raw, plain }) });
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => {
                let place = self.begin_collection(&span, anchor, tag.as_deref())?;
                self.open.push(Open::Seq { place, items: Vec::new() });
                Ok(())
            }
            Event::MappingStart(anchor, tag) => {
                let place = self.begin_collection(&span, anchor, tag.as_deref())?;
                self.open.push(Open::Map { place, entries: Vec::new(), key: None });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.end_collection(),
            Event::Alias(anchor) => self.alias(anchor, &span),
        }
    }

    fn problem(&self, place: Place, message: impl Into<String>) -> Problem {
        Problem::at(&self.file.path, place, message)
    }

    /// Notes a problem that does not keep the rest of the file from being read, unless there are too many.
    fn note(&mut self, problem: Problem) -> Result<(), Problem> {
        if self.problems.len() + 1 >= MAX_PROBLEMS {
            return Err(problem);
        }
        self.problems.push(problem);
        Ok(())
    }

    fn begin_document(&mut self, span: &Span) -> Result<(), Problem> {
        self.documents_begun += 1;
        self.anchors.clear();
        (self.aliases, self.document_nodes) = (0, 0);
        if self.documents_begun > MAX_FILE_DOCUMENTS {
            let message = format!("more than {MAX_FILE_DOCUMENTS} documents in one file");
            let place = self.place(span);
            return Err(self.problem(place, message).hint("divide it into several files"));
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    fn key(&mut self, new: Key, plain: bool, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            self.note(self.problem(new.place, "a key cannot have an anchor").hint("anchor its value instead"))?;
        }
        if plain && new.name == "<<" && !self.merges {
            let problem = self.problem(new.place, "merge keys (`<<`) are not allowed");
            self.note(problem.hint("write what differs between environments under `overrides`"))?;
        }
        if plain && new.name.is_empty() {
            self.note(self.problem(new.place, "a key is missing before `:`").hint("name the field"))?;
        }
        if let Some(Open::Map { key, .. }) = self.open.last_mut() {
            *key = Some(new);
        }
        Ok(())
    }

    /// Counts a value and remembers its anchor.
    fn begin_value(&mut self, place: Place, anchor: usize) -> Result<(), Problem> {
        self.document_nodes += 1;
        self.file_nodes += 1;
        if self.document_nodes > MAX_DOCUMENT_NODES {
            let message = format!("more than {MAX_DOCUMENT_NODES} values in one document");
            return Err(self.problem(place, message).hint("divide it into several documents"));
        }
        if self.file_nodes > MAX_FILE_NODES {
            let message = format!("more than {MAX_FILE_NODES} values in one file");
            return Err(self.problem(place, message).hint("divide it into several files"));
        }
        if anchor != 0 {
            self.anchors_begun += 1;
            if self.anchors_begun > MAX_ANCHORS {
                let message = format!("more than {MAX_ANCHORS} anchors in one file");
                return Err(self.problem(place, message).hint("write the values out"));
            }
            self.anchors.insert(anchor, self.open.iter().map(Open::len).collect());
        }
        Ok(())
    }

    fn begin_collection(&mut self, span: &Span, anchor: usize, tag: Option<&Tag>) -> Result<Place, Problem> {
        let place = self.place(span);
        self.refuse_tag(place, tag)?;
        if self.wants_key() {
            let problem = self.problem(place, "a key must be text, not a list or a map");
            return Err(problem.hint("quote the key if it begins with `[`, `{` or `?`"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.too_deep(place));
        }
        self.begin_value(place, anchor)?;
        Ok(place)
    }

    fn end_collection(&mut self) -> Result<(), Problem> {
        let node = match self.open.pop() {
            None => return Ok(()),
            Some(Open::Seq { place, mut items }) => {
                items.shrink_to_fit();
                Node { place, data: Data::Seq(items) }
            }
            Some(Open::Map { place, mut entries, .. }) => {
                entries.shrink_to_fit();
                self.refuse_duplicates(&entries)?;
                Node { place, data: Data::Map(entries) }
            }
        };
        self.put(node);
        Ok(())
    }

    /// Gives a finished value to the list, map or document it belongs to.
    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Seq { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => entries.extend(key.take().map(|key| (key, node))),
        }
    }

    fn refuse_duplicates(&mut self, entries: &[(Key, Node)]) -> Result<(), Problem> {
        let mut keys: Vec<(&str, Place)> = entries.iter().map(|(key, _)| (key.name.as_str(), key.place)).collect();
        keys.sort_unstable();
        for pair in keys.windows(2) {
            if let [(first, before), (second, place)] = pair
                && first == second
            {
                let message = format!(
                    "`{}` is given twice: here and in line {}, column {}",
                    shorten(first),
                    before.line,
                    before.column
                );
                self.note(self.problem(*place, message).hint("keep one of the two"))?;
            }
        }
        Ok(())
    }

    fn refuse_tag(&mut self, place: Place, tag: Option<&Tag>) -> Result<(), Problem> {
        let Some(tag) = tag else { return Ok(()) };
        let handle = if tag.is_yaml_core_schema() { "!!" } else { tag.handle.as_str() };
        let message = format!("tags are not allowed: `{}`", shorten(&format!("{handle}{}", tag.suffix)));
        self.note(self.problem(place, message).hint("leave the tag out; put what must stay text in quotes"))
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<(), Problem> {
        let place = self.place(span);
        if self.wants_key() {
            return Err(self.problem(place, "an alias cannot be a key").hint("write the name of the field"));
        }
        self.aliases += 1;
        if self.aliases > MAX_ALIASES {
            let message = format!("more than {MAX_ALIASES} aliases in one document");
            return Err(self.problem(place, message).hint("write the values out"));
        }
        let Some(origin) = self.anchors.get(&anchor).and_then(|path| self.anchored(path)) else {
            let problem = self.problem(place, "the alias names nothing that is complete in this document");
            return Err(problem.hint("an anchor holds within its document, after the value it names has ended"));
        };
        let left = MAX_COPIED.saturating_sub(self.copied);
        let mut budget = left;
        let Some(copy) = copy(origin, MAX_DEPTH.saturating_sub(self.open.len()), &mut budget) else {
            let message = format!("aliases repeat more than {MAX_COPIED} values, or nest deeper than {MAX_DEPTH}");
            return Err(self.problem(place, message).hint("write the values out"));
        };
        self.copied += left - budget;
        self.put(copy);
        Ok(())
    }

    /// The finished value at a path of indices: first through what is still open, then through what is done.
    fn anchored(&self, path: &[usize]) -> Option<&Node> {
        let mut found: Option<&Node> = None;
        for (level, index) in path.iter().enumerate() {
            found = match found {
                Some(node) => Some(child(node, *index)?),
                None => self.open.get(level)?.child(*index),
            };
        }
        found
    }

    fn place(&mut self, span: &Span) -> Place {
        let offset = self.cursor.byte_at(span.start.index());
        self.last = Place::new(span.start.line(), span.start.col() + 1, offset, 0);
        self.last
    }

    fn scalar_place(&mut self, span: &Span, style: ScalarStyle) -> Place {
        let place = self.place(span);
        // A copy looks ahead: the next event may begin before this one's end.
        let mut ahead = self.cursor;
        let end = ahead.byte_at(span.end.index());
        let written = self.file.text.get(place.offset as usize..end).unwrap_or_default();
        let length = match style {
            ScalarStyle::DoubleQuoted => quoted_length(written, b'"'),
            ScalarStyle::SingleQuoted => quoted_length(written, b'\''),
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => written.len(),
        };
        Place { length: u32::try_from(length).unwrap_or(u32::MAX), ..place }
    }

    fn too_deep(&self, place: Place) -> Problem {
        self.problem(place, format!("nested more than {MAX_DEPTH} levels deep"))
            .hint("no manifest nests so deep; is the indentation or a bracket wrong?")
    }

    fn too_long(&self) -> Problem {
        self.problem(self.last, "what follows is too long to be read: a `[…]`, `{…}` or text without an end in sight")
            .hint("close the bracket or quote; write a long list or map with one item a line")
    }

    fn syntax(&mut self, error: &ScanError) -> Problem {
        // At the end of the file the parser counts one line too many, so the place is found anew.
        let end = self.file.text.trim_end().len();
        let offset = self.cursor.byte_at(error.marker().index()).min(end);
        let place = Place::in_text(&self.file.text, offset);
        if error.info().contains("recursion limit") {
            return self.too_deep(place);
        }
        self.problem(place, format!("not valid YAML: {}", error.info())).hint(syntax_hint(error.info()))
    }
}

/// What usually stands behind a message of the parser.
fn syntax_hint(info: &str) -> &'static str {
    const HINTS: [(&str, &str); 8] = [
        ("tab", "indent with spaces, not tabs"),
        ("unknown anchor", "define the anchor (`&name`) above its alias, in the same document"),
        ("mapping values are not allowed", "put text that holds `: ` in quotes, and check the indentation"),
        ("simple key", "a field needs a `:` after its name; check this line and the one above"),
        ("end of stream", "a quote or bracket is not closed, or the file was cut off"),
        ("',' or ", "a bracket is not closed, or a comma is missing"),
        ("escape", "use single quotes for text with backslashes"),
        ("unexpected character", "put text that begins with `@`, `%` or a backtick in quotes"),
    ];
    let known = HINTS.iter().find(|(part, _)| info.contains(*part));
    known.map_or("check indentation, quotes and brackets in this line and the one above", |(_, hint)| *hint)
}

/// How much of the text is the quoted value itself: the parser counts the blanks and the comment behind it as well.
fn quoted_length(written: &str, quote: u8) -> usize {
    let bytes = written.as_bytes();
    let Some(start) = bytes.iter().position(|byte| *byte == quote) else {
        return written.len();
    };
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        let escaped = match quote {
            b'"' => *byte == b'\\',
            _ => *byte == quote && bytes.get(at + 1) == Some(&quote),
        };
        if escaped {
            at += 2;
        } else if *byte == quote {
            return at + 1;
        } else {
            at += 1;
        }
    }
    written.len()
}

/// A copy within the budget of values and levels; none if it does not suffice.
fn copy(node: &Node, levels: usize, budget: &mut usize) -> Option<Node> {
    let data = match &node.data {
        Data::Scalar(scalar) => {
            *budget = budget.checked_sub(1 + scalar.raw.len() / TEXT_PER_NODE)?;
            Data::Scalar(scalar.clone())
        }
        Data::Seq(items) => {
            *budget = budget.checked_sub(1)?;
            let levels = levels.checked_sub(1)?;
            Data::Seq(items.iter().map(|item| copy(item, levels, budget)).collect::<Option<_>>()?)
        }
        Data::Map(entries) => {
            *budget = budget.checked_sub(1)?;
            let levels = levels.checked_sub(1)?;
            let mut copies = Vec::with_capacity(entries.len().min(*budget));
            for (key, value) in entries {
                *budget = budget.checked_sub(key.name.len() / TEXT_PER_NODE)?;
                copies.push((key.clone(), copy(value, levels, budget)?));
            }
            Data::Map(copies)
        }
    };
    Some(Node { place: node.place, data })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::manifest::tree::{Resolved, Segment, merge};

    fn file(text: &str) -> SourceFile {
        SourceFile { path: "a.yaml".to_owned(), text: Arc::from(text) }
    }

    fn one(text: &str) -> Node {
        parse(&file(text)).unwrap().remove(0)
    }

    fn refused(text: &str) -> Vec<Problem> {
        parse(&file(text)).expect_err("must be refused")
    }

    fn resolved(text: &str) -> Resolved {
        match one(text).data {
            Data::Scalar(scalar) => scalar.resolve(),
            _ => panic!("not a scalar"),
        }
    }

    #[test]
    fn every_value_knows_its_place() {
        let root = one("# über\nspec:\n  \"ä\": 'it''s' # tail\n  list: [1, two]\n");
        let spec = root.get("spec").unwrap();
        assert_eq!(spec.key_place("ä"), Some(Place { line: 3, column: 3, offset: 16, length: 4 }));
        assert_eq!(spec.get("ä").unwrap().place, Place { line: 3, column: 8, offset: 22, length: 7 });
        let path = [Segment::Key("spec".to_owned()), Segment::Key("list".to_owned()), Segment::Index(1)];
        assert_eq!((root.at(&path).place.line, root.at(&path).place.column), (4, 13));
        let beyond = [path.as_slice(), &[Segment::Index(7)]].concat();
        assert_eq!(root.at(&beyond).as_text(), Some("two"));
    }

    #[test]
    fn plain_values_mean_what_yaml_1_2_says_and_keep_their_spelling() {
        for (text, meaning) in [
            ("~", Resolved::Null),
            ("True", Resolved::Bool(true)),
            ("yes", Resolved::Text),
            ("-007", Resolved::Int(-7)),
            ("0o17", Resolved::Int(15)),
            ("0x-1", Resolved::Text),
            ("1.10", Resolved::Float(1.1)),
            (".5e1", Resolved::Float(5.0)),
            ("-.inf", Resolved::Float(f64::NEG_INFINITY)),
            ("99999999999999999999", Resolved::Float(1e20)),
            ("inf", Resolved::Text),
            ("1.2.3", Resolved::Text),
            ("2026-12-31", Resolved::Text),
            ("\"1\"", Resolved::Text),
        ] {
            assert_eq!(resolved(text), meaning, "{text}");
        }
        assert_eq!(one("1.10").data, Data::Scalar(Scalar { raw: "1.10".to_owned(), plain: true }));
    }

    #[test]
    fn empty_documents_are_skipped() {
        assert_eq!(parse(&file("---\n# nothing\n---\na: 1\n---\n")).unwrap().len(), 1);
        assert_eq!(parse(&file("")).unwrap().len(), 0);
    }

    #[test]
    fn what_manifests_may_not_use_is_refused_together_with_hints() {
        let problems = refused("a: 1\na: 2\nb: !foo x\n---\nbase: &b {x: 1}\nc:\n  <<: *b\n---\nd: !!str 1\n");
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "tags are not allowed: `!foo`",
                "`a` is given twice: here and in line 1, column 1",
                "merge keys (`<<`) are not allowed",
                "tags are not allowed: `!!str`",
            ]
        );
        assert_eq!(problems[1].place.map(|place| (place.line, place.column)), Some((2, 1)));
        assert!(problems.iter().all(|problem| problem.hint.is_some()));
        assert!(refused("? [a]\n: 1\n")[0].message.contains("a key must be text"));
    }

    #[test]
    fn a_syntax_error_has_a_place_in_the_file_and_a_hint() {
        let problems = refused("a: 1\nb: \"open\n\n");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].place.unwrap().line <= 2);
        assert!(problems[0].message.starts_with("not valid YAML: "));
        assert!(problems[0].hint.is_some());
    }

    #[test]
    fn an_alias_repeats_a_value_and_never_itself() {
        let root = one("a: &a [1, {x: &x 2}]\nb: *a\nc: [*x, *a]\n");
        assert_eq!(root.get("a"), root.get("b"));
        let nested = [Segment::Key("c".to_owned()), Segment::Index(1), Segment::Index(1), Segment::Key("x".to_owned())];
        assert_eq!(root.at(&nested), root.at(&[Segment::Key("c".to_owned()), Segment::Index(0)]));
        assert!(refused("a: &a [*a]\n")[0].message.starts_with("the alias names nothing"));
        assert!(refused("a: &a 1\n---\nb: *a\n")[0].message.starts_with("the alias names nothing"));
    }

    #[test]
    fn bombs_are_refused_at_once() {
        let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..11 {
            let below = format!("*a{}, ", level - 1).repeat(9);
            aliases.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        let long_text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), "*a, ".repeat(99));
        for (name, text, reason) in [
            ("aliases", aliases, "aliases repeat more than"),
            ("text by aliases", long_text, "aliases repeat more than"),
            ("many aliases", format!("a: &a 1\nb: [{}]\n", "*a, ".repeat(101)), "more than 100 aliases"),
            ("deep lists", "- ".repeat(100_000), "nested more than"),
            ("deep flow", "[".repeat(100_000), "nested more than"),
            ("deep flow in a field", format!("a: {}", "[".repeat(100_000)), "nested more than"),
            ("deep keys", "? ".repeat(100_000), "a key must be text"),
            ("closed flow", "[".repeat(40) + &"]".repeat(40), "nested more than"),
            ("long flow", format!("- [{}", "a,".repeat(4_000_000)), "what follows is too long"),
            ("long flow of anchors", format!("[{}", "&a ".repeat(2_000_000)), "what follows is too long"),
            ("wide list", "- a\n".repeat(2_000_000), "more than 100000 values"),
            ("documents by dots", "a\n...\n".repeat(20_001), "more than 20000 documents"),
        ] {
            let begun = Instant::now();
            let problems = refused(&text);
            assert!(problems[0].message.starts_with(reason), "{name}: {}", problems[0].message);
            assert!(begun.elapsed() < Duration::from_secs(10), "{name} took {:?}", begun.elapsed());
        }
    }

    #[test]
    fn a_file_cut_off_anywhere_never_panics() {
        let text = "%YAML 1.2\n---\nkind: App # ö\nspec: &s {a: [1, \"t\\u00e9\\n\", 'ü'], b: *s0}\nt: |2-\n   x\n  \
                    y\nu: >+\n  z\n\nl:\n- ? k\n  : v\n- &x !t \"q\n  r\"\n- *x\n...\n---\n{a: b, c}\n";
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = parse(&file(&text[..end]));
            let _ = parse(&file(&text[end..]));
        }
    }

    #[test]
    fn overrides_are_laid_over_by_rfc_7396() {
        let base = one("a: {b: 1, c: [1, 2], d: 4}\ne: 5\n");
        let patch = one("a: {b: null, c: [3], f: {g: ~, h: 1}}\ne: {i: null}\n");
        let merged = merge(&base, &patch);
        let at = |path: &[&str]| {
            let path: Vec<Segment> = path.iter().map(|name| Segment::Key((*name).to_owned())).collect();
            merged.at(&path).clone()
        };
        assert_eq!(at(&["a"]).get("b"), None);
        assert_eq!(at(&["a", "c"]), *patch.at(&[Segment::Key("a".to_owned()), Segment::Key("c".to_owned())]));
        assert_eq!(at(&["a", "d"]), *base.at(&[Segment::Key("a".to_owned()), Segment::Key("d".to_owned())]));
        assert!(matches!(at(&["a", "f"]).data, Data::Map(entries) if entries.len() == 1));
        assert!(matches!(at(&["e"]).data, Data::Map(entries) if entries.is_empty()));
    }
}
