//! The maps of a Cloud Foundry manifest, field by field.
//!
//! Decides what a field may be written like, and where a problem is: an unknown name gets a
//! suggestion, a variable that nobody gives leaves its field open. Never knows what a field means:
//! `v1` and `legacy` do, which call it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kinds::app::units::{self, UnitError};
use crate::kinds::app::vars;
use crate::kinds::setting::SpecProblem;
use crate::manifest::problem::{Place, shorten, suggest};
use crate::manifest::tree::{Data, Key, Node, Resolved, Scalar};

/// What is noticed while a manifest is read.
#[derive(Debug, Default)]
pub struct Notes<'a> {
    /// The file below its root, if it is not moored's own manifest.
    pub file: Option<&'a str>,
    /// What is wrong.
    pub problems: Vec<SpecProblem>,
    /// What cannot be compared, and why.
    pub not_compared: Vec<String>,
    /// Where a vars file gives a value, and what is written in its place.
    filled: Arc<BTreeMap<Place, String>>,
}

impl<'a> Notes<'a> {
    /// Nothing so far, of this file.
    pub fn of(file: Option<&'a str>) -> Self {
        Self { file, ..Self::default() }
    }

    /// Nothing so far, of the same file and with the same values to keep.
    pub fn apart(&self) -> Self {
        Self { file: self.file, filled: self.filled.clone(), ..Self::default() }
    }

    /// Remembers that a vars file gives what stands here: only `written` is ever told.
    pub fn fill(&mut self, place: Place, written: impl Into<String>) {
        Arc::make_mut(&mut self.filled).insert(place, written.into());
    }

    /// Whether a vars file gives what stands here, or a part of it.
    pub fn is_filled(&self, place: Place) -> bool {
        self.filled.contains_key(&place)
    }

    /// A value or name that stands here, as a message may repeat it: what a vars file gives may be secret.
    pub fn told(&self, place: Place, text: &str) -> String {
        shorten(self.filled.get(&place).map_or(text, String::as_str))
    }

    /// Notes that something is wrong here.
    pub fn problem(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        let problem = SpecProblem::at(Vec::<String>::new(), message).hint(hint);
        self.problems.push(SpecProblem { place: Some(place), file: self.file.map(str::to_owned), ..problem });
    }

    /// Notes that a field is not compared.
    pub fn leave_out(&mut self, path: &str, why: &str) {
        self.not_compared.push(format!("{path} ({why})"));
    }

    fn leave_open(&mut self, path: &str, variable: &str) {
        self.leave_out(path, &format!("no vars file has (({variable}))"));
    }
}

/// Whether nothing is written here, `~` or `null`.
pub fn is_null(node: &Node) -> bool {
    matches!(&node.data, Data::Scalar(scalar) if scalar.resolve() == Resolved::Null)
}

/// A single value, if it is one and no variable leaves it open.
pub fn scalar<'n>(node: &'n Node, path: &str, notes: &mut Notes<'_>) -> Option<&'n Scalar> {
    let Data::Scalar(scalar) = &node.data else {
        let message = format!("`{path}` is {}, not a single value", node.kind_name());
        notes.problem(node.place, message, "write one text or number");
        return None;
    };
    if let Some(variable) = vars::open(&scalar.raw) {
        notes.leave_open(path, variable);
        return None;
    }
    Some(scalar)
}

/// Yes or no, as YAML 1.1 writes them, which Cloud Foundry reads.
pub fn truth(scalar: &Scalar) -> Option<bool> {
    match scalar.raw.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" if scalar.plain => Some(true),
        "false" | "no" | "off" if scalar.plain => Some(false),
        _ => None,
    }
}

/// The one name of a field that is spelled with `-` or with `_`.
pub fn underscored(name: &str) -> String {
    name.replace('-', "_")
}

/// One map and where it stands in its application.
pub struct Sheet<'n> {
    /// Where it is, for a person: empty for the application itself.
    path: String,
    /// Where it stands in its file.
    pub place: Place,
    fields: BTreeMap<String, &'n Node>,
}

impl<'n> Sheet<'n> {
    /// A map whose fields are spelled as `known` has them.
    pub fn of(node: &'n Node, path: impl Into<String>, known: &[&str], notes: &mut Notes<'_>) -> Option<Self> {
        Self::spelled(node, path.into(), known, str::to_owned, notes)
    }

    /// A map whose fields are spelled with `-` or with `_`. They are asked for with `_`.
    pub fn of_either(node: &'n Node, path: impl Into<String>, known: &[&str], notes: &mut Notes<'_>) -> Option<Self> {
        Self::spelled(node, path.into(), known, underscored, notes)
    }

    fn spelled(
        node: &'n Node,
        path: String,
        known: &[&str],
        spelling: fn(&str) -> String,
        notes: &mut Notes<'_>,
    ) -> Option<Self> {
        let mut sheet = Sheet { path, place: node.place, fields: BTreeMap::new() };
        for (key, value) in entries(node, &sheet.path, notes)? {
            let name = spelling(&key.name);
            if !known.iter().any(|known| spelling(known) == name) {
                let hint = match suggest(&key.name, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("known here are: {}", known.join(", ")),
                };
                let message = format!("unknown attribute `{}`", notes.told(key.place, &key.name));
                notes.problem(key.place, message, hint);
            } else if sheet.fields.insert(name, value).is_some() {
                let message = format!("`{}` is written twice", notes.told(key.place, &key.name));
                notes.problem(key.place, message, "`-` and `_` are the same in this name: keep one");
            }
        }
        Some(sheet)
    }

    /// Where a field is, for a person.
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether a field is there, be it empty.
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// A field that says something.
    pub fn node(&self, name: &str) -> Option<&'n Node> {
        self.fields.get(name).copied().filter(|node| !is_null(node))
    }

    /// A single value.
    pub fn scalar(&self, name: &str, notes: &mut Notes<'_>) -> Option<&'n Scalar> {
        scalar(self.node(name)?, &self.path(name), notes)
    }

    /// A text, as it is on the page.
    pub fn text(&self, name: &str, notes: &mut Notes<'_>) -> Option<String> {
        self.scalar(name, notes).map(|scalar| scalar.raw.clone())
    }

    /// A text that must be there. `None` is an error, or it is left open.
    pub fn required(&self, name: &str, notes: &mut Notes<'_>) -> Option<String> {
        let text = self.text(name, notes);
        if self.node(name).is_none() || text.as_deref() == Some("") {
            self.lacks(name, notes);
            return None;
        }
        text
    }

    /// Notes that a field is not there, or empty.
    pub fn lacks(&self, name: &str, notes: &mut Notes<'_>) {
        let here = if self.path.is_empty() { "the application".to_owned() } else { format!("`{}`", self.path) };
        notes.problem(self.place, format!("{here} has no `{name}`"), format!("add `{name}:`"));
    }

    /// A whole number of at least this.
    pub fn number(&self, name: &str, least: i64, notes: &mut Notes<'_>) -> Option<i64> {
        let raw = &self.scalar(name, notes)?.raw;
        let number = raw.trim().parse::<i64>().ok().filter(|number| *number >= least);
        if number.is_none() {
            let told = notes.told(self.place_of(name), raw);
            let message = format!("`{told}` is no number for `{}`", self.path(name));
            self.problem(name, message, format!("write a whole number of at least {least}"), notes);
        }
        number
    }

    /// Yes or no.
    pub fn flag(&self, name: &str, notes: &mut Notes<'_>) -> Option<bool> {
        let scalar = self.scalar(name, notes)?;
        let flag = truth(scalar);
        if flag.is_none() {
            let message = format!("`{}` is neither true nor false", self.path(name));
            self.problem(name, message, "write `true` or `false`, without quotes", notes);
        }
        flag
    }

    /// One of a few words.
    pub fn word(&self, name: &str, known: &[&'static str], notes: &mut Notes<'_>) -> Option<&'static str> {
        let raw = &self.scalar(name, notes)?.raw;
        let word = known.iter().copied().find(|word| *word == raw.as_str());
        if word.is_none() {
            let hint = match suggest(raw, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("one of: {}", known.join(", ")),
            };
            let told = notes.told(self.place_of(name), raw);
            self.problem(name, format!("`{told}` is no `{}`", self.path(name)), hint, notes);
        }
        word
    }

    /// An amount with a unit.
    pub fn amount(&self, name: &str, read: fn(&str) -> Result<i64, UnitError>, notes: &mut Notes<'_>) -> Option<i64> {
        let raw = &self.scalar(name, notes)?.raw;
        match read(raw) {
            Ok(amount) => Some(amount),
            Err(error) => {
                let place = self.place_of(name);
                let why = match notes.is_filled(place) {
                    true => format!("`{}` is no amount", notes.told(place, raw)),
                    false => error.to_string(),
                };
                self.problem(name, format!("`{}`: {why}", self.path(name)), units::HINT, notes);
                None
            }
        }
    }

    /// The items of a list, each with where it is; of what is not there, none.
    pub fn items(&self, name: &str, notes: &mut Notes<'_>) -> Vec<(String, &'n Node)> {
        let path = self.path(name);
        match self.node(name).map(|node| (node, &node.data)) {
            None => Vec::new(),
            Some((_, Data::Seq(items))) => {
                items.iter().enumerate().map(|(index, item)| (format!("{path}.{index}"), item)).collect()
            }
            Some((node, _)) => {
                let message = format!("`{path}` is {}, not a list", node.kind_name());
                notes.problem(node.place, message, "write one `- ` line for each");
                Vec::new()
            }
        }
    }

    /// A list of texts that counts as a whole: with one of them open, all of it is.
    pub fn texts(&self, name: &str, notes: &mut Notes<'_>) -> Option<Vec<String>> {
        self.node(name)?;
        let items = self.items(name, notes);
        let texts: Vec<Option<String>> =
            items.iter().map(|(path, item)| scalar(item, path, notes).map(|scalar| scalar.raw.clone())).collect();
        texts.into_iter().collect()
    }

    /// The fields of a map with any names; of what is not there, none.
    pub fn map(&self, name: &str, notes: &mut Notes<'_>) -> &'n [(Key, Node)] {
        self.node(name).and_then(|node| entries(node, &self.path(name), notes)).unwrap_or_default()
    }

    /// Where a field stands, or the map that lacks it.
    pub fn place_of(&self, name: &str) -> Place {
        self.node(name).map_or(self.place, |node| node.place)
    }

    /// Notes that something is wrong with a field.
    pub fn problem(&self, name: &str, message: String, hint: impl Into<String>, notes: &mut Notes<'_>) {
        notes.problem(self.place_of(name), message, hint);
    }
}

/// The fields of a map.
fn entries<'n>(node: &'n Node, path: &str, notes: &mut Notes<'_>) -> Option<&'n [(Key, Node)]> {
    if let Data::Map(entries) = &node.data {
        return Some(entries);
    }
    let here = if path.is_empty() { "an application".to_owned() } else { format!("`{path}`") };
    notes.problem(node.place, format!("{here} is {}, not a map", node.kind_name()), "write `name: value` lines");
    None
}
