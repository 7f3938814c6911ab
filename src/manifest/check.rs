//! Whether a document has the shape its kind asks for, told all at once.
//!
//! It decides, by a JSON Schema as schemars writes it, which fields are unknown, missing, of the wrong type or none of
//! the allowed words. It never decides what values mean together, and never stops at the first problem. The loader asks
//! it before it decodes; `decode` asks it which values must stay text.
//!
//! Two rules are its own: a field that no part of the schema names is an error, whether or not the schema forbids it;
//! and of several alternatives the one that fits best is taken.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::problem::{Place, Problem, shorten, suggest};
use super::rules::{Alternatives, Choice, Compiler, MAX_NESTING, Others, ROOT, Rule, Tag, kind};
use super::tree::{Data, Key, Node, Resolved, Scalar};

/// After so many problems nothing more is looked for.
const MAX_PROBLEMS: usize = 10_000;
/// As many names as fit a hint.
const NAMES_IN_HINT: usize = 12;
/// So many items of a list are looked at to choose among alternatives.
const ITEMS_TO_CHOOSE_BY: usize = 8;

/// A schema, made ready for many documents.
#[derive(Debug)]
pub struct Checker {
    rules: Vec<Rule>,
}

/// What the rules in force for a map say about one of its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// The value follows this rule.
    Rule(usize),
    /// The value may be anything.
    Anything,
    /// No such field.
    Unknown,
}

impl Checker {
    /// Makes a schema ready. What it uses beyond schemars' vocabulary is not enforced.
    pub fn new(schema: &Value) -> Checker {
        let mut compiler = Compiler { schema, rules: Vec::new(), named: BTreeMap::new() };
        compiler.rule(schema);
        let mut checker = Checker { rules: compiler.rules };
        checker.gather_facets();
        checker.find_tags();
        checker
    }

    /// Adds everything that is wrong with the shape of a document to `problems`.
    pub fn check(&self, file: &str, node: &Node, problems: &mut Vec<Problem>) {
        Pass { checker: self, file, problems }.node(node, ROOT, Subject::Document);
    }

    pub(super) fn root(&self) -> usize {
        ROOT
    }

    /// The rules in force for a node: those that always hold, and of each set of alternatives the one that fits best.
    pub(super) fn facets(&self, node: &Node, rule: usize) -> Cow<'_, [usize]> {
        let always = self.always(rule);
        if always.iter().all(|facet| self.alternatives(*facet).is_empty()) {
            return Cow::Borrowed(always);
        }
        Cow::Owned(self.choose(node, always.to_vec(), 0, MAX_NESTING))
    }

    pub(super) fn field(&self, facets: &[usize], name: &str) -> Field {
        if let Some(rule) = self.rules(facets).find_map(|rule| rule.properties.get(name)) {
            return Field::Rule(*rule);
        }
        let mut patterns = self.rules(facets).flat_map(|rule| &rule.patterns);
        if let Some((_, rule)) = patterns.find(|(pattern, _)| pattern.matches(name)) {
            return Field::Rule(*rule);
        }
        for rule in self.rules(facets) {
            match rule.others {
                Others::Refused => {}
                Others::Anything => return Field::Anything,
                Others::By(rule) => return Field::Rule(rule),
            }
        }
        Field::Unknown
    }

    pub(super) fn item(&self, facets: &[usize]) -> Option<usize> {
        facets.iter().find_map(|facet| self.rules.get(*facet)?.items)
    }

    /// Whether text may be written here without quotes even where it looks like a number or a truth value.
    pub(super) fn keeps_text(&self, facets: &[usize]) -> bool {
        let types = self.types(facets);
        types & kind::TEXT != 0 && types & (kind::INTEGER | kind::NUMBER | kind::BOOL) != 0
    }

    fn always(&self, rule: usize) -> &[usize] {
        self.rules.get(rule).map(|rule| rule.facets.as_slice()).unwrap_or_default()
    }

    fn alternatives(&self, rule: usize) -> &[Alternatives] {
        self.rules.get(rule).map(|rule| rule.alternatives.as_slice()).unwrap_or_default()
    }

    fn rules<'a>(&'a self, facets: &'a [usize]) -> impl Iterator<Item = &'a Rule> {
        facets.iter().filter_map(move |facet| self.rules.get(*facet))
    }

    fn types(&self, facets: &[usize]) -> u8 {
        let stated = self.rules(facets).map(|rule| rule.types).filter(|types| *types != 0);
        stated.reduce(|all, types| all & types).unwrap_or(0)
    }

    /// All types that some choice of alternatives allows; 0 if any does.
    fn possible_types(&self, rule: usize, nesting: usize) -> u8 {
        let always = self.always(rule);
        let stated = self.types(always);
        let alternatives = always.iter().flat_map(|facet| self.alternatives(*facet)).next();
        match alternatives {
            Some(alternatives) if stated == 0 && nesting > 0 => {
                let each = alternatives.rules.iter().map(|rule| self.possible_types(*rule, nesting - 1));
                each.reduce(|all, types| if all == 0 || types == 0 { 0 } else { all | types }).unwrap_or(0)
            }
            _ => stated,
        }
    }

    /// Every name that some choice of alternatives knows.
    fn possible_names(&self, rule: usize, nesting: usize) -> Vec<&str> {
        let always = self.always(rule);
        let mut names: Vec<&str> =
            self.rules(always).flat_map(|rule| rule.properties.keys()).map(String::as_str).collect();
        if nesting > 0 {
            for alternatives in always.iter().flat_map(|facet| self.alternatives(*facet)) {
                for rule in &alternatives.rules {
                    names.extend(self.possible_names(*rule, nesting - 1));
                }
            }
        }
        names
    }

    /// Extends `facets`, whose alternatives are open from `from` on, by the best choice from each.
    fn choose(&self, node: &Node, mut facets: Vec<usize>, from: usize, nesting: usize) -> Vec<usize> {
        if nesting == 0 {
            return facets;
        }
        let undecided: Vec<usize> = facets.get(from..).unwrap_or_default().to_vec();
        for alternatives in undecided.iter().flat_map(|facet| self.alternatives(*facet)) {
            let tried = alternatives.rules.iter().map(|rule| {
                let mut tried = facets.clone();
                tried.extend_from_slice(self.always(*rule));
                self.choose(node, tried, facets.len(), nesting - 1)
            });
            // Of equals the first, as `min_by_key` has it.
            let best = tried.min_by_key(|tried| self.misfit(node, tried));
            if let Some(best) = best {
                facets = best;
            }
        }
        facets
    }

    /// How badly a node fits, seen without looking deeper than its own fields: looking deeper would cost exponentially.
    fn misfit(&self, node: &Node, facets: &[usize]) -> u32 {
        if !allows(self.types(facets), node) {
            return 100_000;
        }
        let own = if self.choices_allow(facets, node) { 0 } else { 10_000 };
        let of_value = |rule: usize, value: &Node| {
            let facets = self.always(rule);
            match (self.choices_allow(facets, value), allows(self.types(facets), value)) {
                (false, _) => 1_000,
                (true, false) => 10,
                (true, true) => 0,
            }
        };
        let within: u32 = match &node.data {
            Data::Scalar(_) => 0,
            Data::Seq(items) => match self.item(facets) {
                Some(rule) => items.iter().take(ITEMS_TO_CHOOSE_BY).map(|item| of_value(rule, item)).sum(),
                None => 0,
            },
            Data::Map(entries) => {
                let missing =
                    self.rules(facets).flat_map(|rule| &rule.required).filter(|name| node.get(name).is_none());
                let fields = entries.iter().map(|(key, value)| match self.field(facets, &key.name) {
                    Field::Rule(rule) => of_value(rule, value),
                    Field::Anything => 0,
                    Field::Unknown => 100,
                });
                fields.fold(100 * u32::try_from(missing.count()).unwrap_or(u32::MAX / 200), u32::saturating_add)
            }
        };
        within.saturating_add(own)
    }

    fn choices_allow(&self, facets: &[usize], node: &Node) -> bool {
        self.rules(facets).filter(|rule| !rule.choices.is_empty()).all(|rule| is_one_of(&rule.choices, node))
    }

    fn gather_facets(&mut self) {
        for rule in 0..self.rules.len() {
            let mut facets = vec![rule];
            let mut next = 0;
            while let Some(also) = facets.get(next).and_then(|facet| self.rules.get(*facet)).map(|rule| &rule.also) {
                let new: Vec<usize> = also.iter().copied().filter(|also| !facets.contains(also)).collect();
                facets.extend(new);
                next += 1;
            }
            if let Some(rule) = self.rules.get_mut(rule) {
                rule.facets = facets;
            }
        }
    }

    fn find_tags(&mut self) {
        let tags: Vec<Vec<Option<Tag>>> = self
            .rules
            .iter()
            .map(|rule| rule.alternatives.iter().map(|alternatives| self.tag_of(&alternatives.rules)).collect())
            .collect();
        for (rule, tags) in self.rules.iter_mut().zip(tags) {
            for (alternatives, tag) in rule.alternatives.iter_mut().zip(tags) {
                alternatives.tag = tag;
            }
        }
    }

    /// The field for which each of the rules allows certain words only.
    fn tag_of(&self, rules: &[usize]) -> Option<Tag> {
        let words = |rule: usize, name: &str| -> Option<Vec<Choice>> {
            let Field::Rule(value) = self.field(self.always(rule), name) else {
                return None;
            };
            let choices: Vec<Choice> =
                self.rules(self.always(value)).flat_map(|rule| rule.choices.iter().cloned()).collect();
            (!choices.is_empty()).then_some(choices)
        };
        let mut required = self.rules(self.always(*rules.first()?)).flat_map(|rule| &rule.required);
        required.find_map(|name| {
            let all: Option<Vec<Vec<Choice>>> = rules.iter().map(|rule| words(*rule, name)).collect();
            Some(Tag { name: name.clone(), choices: all?.into_iter().flatten().collect() })
        })
    }
}

fn is_one_of(choices: &[Choice], node: &Node) -> bool {
    matches!(&node.data, Data::Scalar(scalar) if choices.iter().any(|choice| choice.is(scalar)))
}

/// The JSON types a node has, as bits: a whole number is also a number.
fn types_of(node: &Node) -> u8 {
    match &node.data {
        Data::Map(_) => kind::MAP,
        Data::Seq(_) => kind::LIST,
        Data::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => kind::NULL,
            Resolved::Bool(_) => kind::BOOL,
            Resolved::Int(_) => kind::INTEGER | kind::NUMBER,
            Resolved::Float(_) => kind::NUMBER,
            Resolved::Text => kind::TEXT,
        },
    }
}

fn allows(types: u8, node: &Node) -> bool {
    types == 0 || types & types_of(node) != 0
}

/// What a problem is about, as its message names it.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Document,
    Field(&'a str),
    Item(usize, &'a str),
}

impl<'a> Subject<'a> {
    fn item(self, number: usize) -> Subject<'a> {
        match self {
            Subject::Document => Subject::Item(number, "the document"),
            Subject::Field(name) | Subject::Item(_, name) => Subject::Item(number, name),
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Document => formatter.write_str("the document"),
            Subject::Field(name) => write!(formatter, "`{}`", shorten(name)),
            Subject::Item(number, name) => {
                write!(formatter, "item {number} of `{}`", shorten(name))
            }
        }
    }
}

/// One check of one document.
struct Pass<'a> {
    checker: &'a Checker,
    file: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Pass<'_> {
    fn node(&mut self, node: &Node, rule: usize, subject: Subject<'_>) {
        let checker = self.checker;
        let always = checker.always(rule);
        let nothing = types_of(node) == kind::NULL;
        if self.problems.len() >= MAX_PROBLEMS || (nothing && checker.rules(always).any(|rule| rule.nullable)) {
            return;
        }
        if self.tag_is_wrong(node, always, subject) {
            return;
        }
        let facets = checker.facets(node, rule);
        if let Some(rule) =
            checker.rules(&facets).find(|rule| !rule.choices.is_empty() && !is_one_of(&rule.choices, node))
        {
            return self.none_of(node, &rule.choices, subject);
        }
        if !allows(checker.types(&facets), node) {
            let types = match checker.possible_types(rule, MAX_NESTING) {
                0 => checker.types(&facets),
                types => types,
            };
            return self.wrong_type(node, types, subject);
        }
        match &node.data {
            Data::Scalar(scalar) => self.range(node.place, scalar, &facets, subject),
            Data::Seq(items) => {
                let Some(rule) = checker.item(&facets) else {
                    return;
                };
                for (index, item) in items.iter().enumerate() {
                    self.node(item, rule, subject.item(index + 1));
                }
            }
            Data::Map(entries) => self.map(node, entries, rule, &facets, subject),
        }
    }

    fn map(&mut self, node: &Node, entries: &[(Key, Node)], rule: usize, facets: &[usize], subject: Subject<'_>) {
        let checker = self.checker;
        // Without a rule that speaks of fields at all, anything goes: that is what the schema `true` means.
        let silent = checker.types(facets) == 0 && checker.rules(facets).all(|rule| rule.properties.is_empty());
        let mut meant: Vec<String> = Vec::new();
        for (key, value) in entries {
            match checker.field(facets, &key.name) {
                Field::Rule(rule) => self.node(value, rule, Subject::Field(&key.name)),
                Field::Anything => {}
                Field::Unknown if silent => {}
                Field::Unknown => meant.extend(self.unknown(key, rule, facets)),
            }
        }
        // A misspelt name of another alternative shows that this one was not meant: what it lacks says nothing.
        let other_meant = meant.iter().any(|name| checker.field(facets, name) == Field::Unknown);
        if other_meant {
            return;
        }
        for name in checker.rules(facets).flat_map(|rule| &rule.required) {
            if node.get(name).is_none() && !meant.contains(name) {
                self.missing(node.place, name, facets, subject);
            }
        }
    }

    /// Reports an unknown field; returns the name that was probably meant.
    fn unknown(&mut self, key: &Key, rule: usize, facets: &[usize]) -> Option<String> {
        let checker = self.checker;
        if self.problems.len() >= MAX_PROBLEMS {
            return None;
        }
        let known: Vec<&str> =
            checker.rules(facets).flat_map(|rule| rule.properties.keys()).map(String::as_str).collect();
        let meant = suggest(&key.name, known.iter().copied())
            .or_else(|| suggest(&key.name, checker.possible_names(rule, MAX_NESTING)));
        let hint = match &meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => "no field can stand here".to_owned(),
            None if known.len() <= NAMES_IN_HINT => format!("known here: `{}`", known.join("`, `")),
            None => "`moored explain KIND` lists the known fields".to_owned(),
        };
        let message = format!("unknown field `{}`", shorten(&key.name));
        self.problems.push(Problem::at(self.file, key.place, message).hint(hint));
        meant
    }

    fn missing(&mut self, place: Place, name: &str, facets: &[usize], subject: Subject<'_>) {
        let checker = self.checker;
        let about = match checker.field(facets, name) {
            Field::Rule(rule) => checker.rules(checker.always(rule)).find_map(|rule| rule.description.as_deref()),
            Field::Anything | Field::Unknown => None,
        };
        let hint = match about {
            Some(about) => format!("add `{name}`: {about}"),
            None => format!("add `{name}:` to {subject}"),
        };
        self.problems.push(Problem::at(self.file, place, format!("missing field `{name}` in {subject}")).hint(hint));
    }

    /// Whether the field that tells alternatives apart is missing or none of its words. Then nothing else can be said.
    fn tag_is_wrong(&mut self, node: &Node, always: &[usize], subject: Subject<'_>) -> bool {
        let checker = self.checker;
        if !matches!(node.data, Data::Map(_)) {
            return false;
        }
        let alternatives = always.iter().flat_map(|facet| checker.alternatives(*facet));
        for Tag { name, choices } in alternatives.filter_map(|alternatives| alternatives.tag.as_ref()) {
            match node.get(name) {
                Some(value) if is_one_of(choices, value) => {}
                Some(value) => {
                    self.none_of(value, choices, Subject::Field(name));
                    return true;
                }
                None => {
                    let message = format!("missing field `{name}` in {subject}");
                    let hint = format!("add `{name}`: {}", listed(choices));
                    self.problems.push(Problem::at(self.file, node.place, message).hint(hint));
                    return true;
                }
            }
        }
        false
    }

    fn none_of(&mut self, node: &Node, choices: &[Choice], subject: Subject<'_>) {
        let written = match &node.data {
            Data::Scalar(scalar) if !scalar.raw.is_empty() => format!("`{}`", shorten(&scalar.raw)),
            Data::Scalar(_) | Data::Seq(_) | Data::Map(_) => node.kind_name().to_owned(),
        };
        let words = choices.iter().filter_map(|choice| match choice {
            Choice::Text(text) => Some(text.as_str()),
            Choice::Int(_) | Choice::Bool(_) | Choice::Null => None,
        });
        let meant = match &node.data {
            Data::Scalar(scalar) => suggest(&scalar.raw, words),
            Data::Seq(_) | Data::Map(_) => None,
        };
        let hint = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("it can be {}", listed(choices)),
        };
        let message = format!("{subject} cannot be {written}");
        self.problems.push(Problem::at(self.file, node.place, message).hint(hint));
    }

    fn wrong_type(&mut self, node: &Node, types: u8, subject: Subject<'_>) {
        let fraction = types & kind::INTEGER != 0 && types_of(node) == kind::NUMBER;
        let wanted = wanted(types, fraction);
        let found = if fraction { "a fraction" } else { node.kind_name() };
        let hint = match (&node.data, types_of(node)) {
            (Data::Scalar(_), kind::NULL) => {
                format!("write {wanted} after the `:`, or leave the field out")
            }
            (Data::Scalar(scalar), _) if types & kind::TEXT != 0 && scalar.plain => {
                "quote it, so that it stays text".to_owned()
            }
            (Data::Scalar(scalar), _) if !scalar.plain && allows(types, &unquoted(node, scalar)) => {
                "leave the quotes out".to_owned()
            }
            (Data::Scalar(_), _) if types & kind::LIST != 0 => "write it as a list: `[…]`".to_owned(),
            _ => format!("write {wanted} here"),
        };
        let message = format!("{subject} must be {wanted}, not {found}");
        self.problems.push(Problem::at(self.file, node.place, message).hint(hint));
    }

    fn range(&mut self, place: Place, scalar: &Scalar, facets: &[usize], subject: Subject<'_>) {
        let number = match scalar.resolve() {
            Resolved::Int(number) => number as f64,
            Resolved::Float(number) => number,
            Resolved::Null | Resolved::Bool(_) | Resolved::Text => return,
        };
        for rule in self.checker.rules(facets) {
            let limit = match (rule.minimum, rule.maximum) {
                (Some(minimum), _) if number < minimum => format!("at least {minimum}"),
                (_, Some(maximum)) if number > maximum => format!("at most {maximum}"),
                _ => continue,
            };
            let message = format!("{subject} must be {limit}");
            self.problems.push(Problem::at(self.file, place, message).hint("correct the number"));
        }
    }
}

fn unquoted(node: &Node, scalar: &Scalar) -> Node {
    Node { place: node.place, data: Data::Scalar(Scalar { raw: scalar.raw.clone(), plain: true }) }
}

/// The allowed types in words. Where text may be written without quotes, that it may look like a number is no news.
fn wanted(types: u8, fraction: bool) -> String {
    let whole = if fraction { "a whole number" } else { "a number" };
    let mut words = Vec::new();
    if types & kind::TEXT != 0 {
        words.push("text");
    } else {
        if types & (kind::NUMBER | kind::INTEGER) != 0 {
            words.push(whole);
        }
        if types & kind::BOOL != 0 {
            words.push("true or false");
        }
    }
    if types & kind::LIST != 0 {
        words.push("a list");
    }
    if types & kind::MAP != 0 {
        words.push("a map");
    }
    if words.is_empty() { "left out".to_owned() } else { words.join(" or ") }
}

fn listed(choices: &[Choice]) -> String {
    let shown: Vec<String> = choices.iter().take(NAMES_IN_HINT).map(ToString::to_string).collect();
    let more = if choices.len() > NAMES_IN_HINT { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::super::parse::parse;
    use super::super::source::SourceFile;
    use super::*;

    fn schema() -> Value {
        let text = r##"{
            "type": "object",
            "properties": {
                "kind": {"type": "string", "const": "EcsService"},
                "class": {"$ref": "#/$defs/Class"},
                "cluster": {"type": "string", "description": "the ECS cluster. By name"},
                "desiredCount": {"type": ["integer", "null"], "format": "uint32", "minimum": 0, "maximum": 100},
                "image": {"anyOf": [{"$ref": "#/$defs/Text"}, {"$ref": "#/$defs/Image"}]},
                "environment": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Text"}},
                "listeners": {
                    "type": "object",
                    "additionalProperties": false,
                    "patternProperties": {"^\\d+$": {"type": "boolean"}}
                },
                "pieces": {"type": "array", "items": {"$ref": "#/$defs/Piece"}},
                "scope": {"anyOf": [{"$ref": "#/$defs/Cluster"}, {"$ref": "#/$defs/Zone"}, {"type": "null"}]},
                "anything": true,
                "within": {"$ref": "#"}
            },
            "required": ["cluster"],
            "$defs": {
                "Text": {"type": ["string", "number", "boolean"]},
                "Class": {"oneOf": [
                    {"type": "string", "const": "production", "description": "real"},
                    {"type": "string", "enum": ["staging", "development"]}
                ]},
                "Image": {"type": "object", "properties": {"repository": {"type": "string"}}},
                "Cluster": {"type": "object", "properties": {"ecsCluster": {"type": "string"}}, "required": ["ecsCluster"]},
                "Zone": {"type": "object", "properties": {
                    "hostedZone": {"type": "string"}, "account": {"type": "string"}
                }, "required": ["hostedZone"]},
                "Piece": {"oneOf": [
                    {"type": "object", "required": ["kind", "arn"], "properties": {
                        "kind": {"type": "string", "const": "LoadBalancer"}, "arn": {"type": "string"}
                    }},
                    {"type": "object", "required": ["kind"], "$ref": "#/$defs/Record", "properties": {
                        "kind": {"type": "string", "const": "DnsRecord"}
                    }}
                ]},
                "Record": {"type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}
            }
        }"##;
        serde_json::from_str(text).unwrap()
    }

    fn documents(text: &str) -> Vec<Node> {
        parse(&SourceFile { path: "a.yaml".to_owned(), text: Arc::from(text) }).unwrap()
    }

    fn problems(text: &str) -> Vec<Problem> {
        let checker = Checker::new(&schema());
        let mut problems = Vec::new();
        for document in documents(text) {
            checker.check("a.yaml", &document, &mut problems);
        }
        problems
    }

    /// Line, column, message and hint of the only problem.
    fn only(text: &str) -> (u32, u32, String, String) {
        let mut problems = problems(text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = problems.remove(0);
        let place = problem.place.unwrap();
        (place.line, place.column, problem.message, problem.hint.unwrap())
    }

    #[test]
    fn a_misspelt_field_is_named_with_its_place_and_what_was_meant() {
        let found = only("cluster: a\ndesiredCoutn: 2\n");
        let hint = "did you mean `desiredCount`?".to_owned();
        assert_eq!(found, (2, 1, "unknown field `desiredCoutn`".to_owned(), hint));
        assert_eq!(only("clutser: a\n").3, "did you mean `cluster`?");
        assert_eq!(only("cluster: a\nimage: {name: x}\n").3, "known here: `repository`");
    }

    #[test]
    fn everything_wrong_in_every_document_is_told() {
        let problems = problems("cluster: a\nx: 1\nclass: 3\n---\ndesiredCount: a\nwithin: {y: 1}\n");
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "unknown field `x`",
                "`class` cannot be `3`",
                "`desiredCount` must be a number, not text",
                "unknown field `y`",
                "missing field `cluster` in `within`",
                "missing field `cluster` in the document",
            ]
        );
        assert_eq!(problems[5].hint.as_deref(), Some("add `cluster`: the ECS cluster."));
        assert!(problems.iter().all(|problem| problem.hint.is_some() && problem.place.is_some()));
    }

    #[test]
    fn values_of_the_wrong_type_or_size_are_refused() {
        let told = |rest: &str| only(&format!("cluster: a\n{rest}\n"));
        assert_eq!(only("cluster: 1.10\n").3, "quote it, so that it stays text");
        assert_eq!(told("desiredCount: \"2\"").3, "leave the quotes out");
        assert_eq!(told("desiredCount: 1.5").2, "`desiredCount` must be a whole number, not a fraction");
        assert_eq!(told("desiredCount: 101").2, "`desiredCount` must be at most 100");
        assert_eq!(told("image: [a]").2, "`image` must be text or a map, not a list");
        assert_eq!(told("class: prodution").3, "did you mean `production`?");
        assert_eq!(told("class: test").3, "it can be `production`, `staging`, `development`");
        assert_eq!(told("environment: {A: [1]}").2, "`A` must be text, not a list");
        assert_eq!(told("listeners: {http: true}").2, "unknown field `http`");
        assert_eq!(told("pieces: [1]").2, "item 1 of `pieces` must be a map, not a number");
    }

    #[test]
    fn what_fits_is_accepted() {
        let text = "cluster: a\nkind: EcsService\nclass: staging\ndesiredCount: ~\nimage: 1.10\n\
                    environment: {A: true, B: 1.10}\nlisteners: {443: true}\nscope:\nanything: {b: [1]}\n\
                    pieces: [{kind: LoadBalancer, arn: x}, {kind: DnsRecord, zone: z}]\nwithin: {cluster: b}\n";
        assert!(problems(text).is_empty(), "{:?}", problems(text));
    }

    #[test]
    fn of_alternatives_the_one_that_fits_best_is_meant() {
        let told = |rest: &str| only(&format!("cluster: a\n{rest}\n"));
        assert_eq!(told("pieces: [{kind: DnsRecord}]").2, "missing field `zone` in item 1 of `pieces`");
        assert_eq!(told("pieces: [{kind: DnsRecrod, zone: z}]").3, "did you mean `DnsRecord`?");
        assert_eq!(told("pieces: [{zone: z}]").3, "add `kind`: `LoadBalancer`, `DnsRecord`");
        assert_eq!(told("scope: {hostedZone: z, acount: a}").3, "did you mean `account`?");
        assert_eq!(told("scope: {hostedZon: z}").3, "did you mean `hostedZone`?");
    }

    #[test]
    fn ten_thousand_documents_are_checked_at_once() {
        let text = "cluster: a\nimage: {repository: b}\nscope: {hostedZone: z}\nenvironment: {A: 1, B: c}\n---\n";
        let documents = documents(&text.repeat(10_000));
        let checker = Checker::new(&schema());
        let mut problems = Vec::new();
        let begun = Instant::now();
        for document in &documents {
            checker.check("a.yaml", document, &mut problems);
        }
        assert!(problems.is_empty(), "{problems:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
