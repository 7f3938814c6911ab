//! What is wrong with a manifest, where, and what to do about it; and how that is shown to a person.
//!
//! It decides how a place in a file, a message and a hint become lines on a terminal. It never reads a file and never
//! judges a manifest: every other module of `manifest` makes problems, the commands and the daemon render them.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};

use crate::core::visible::is_hidden;

/// So many problems are shown in full; the rest are counted.
const SHOWN: usize = 50;
/// So many characters of a line are shown, around the place.
const WIDTH: usize = 200;
/// So many of them at most stand before the place, and so many are marked.
const HALF: usize = WIDTH / 2;
/// So many characters of a foreign word are repeated in a message.
const WORD: usize = 60;
/// How a message begins whose subject is the file.
const OF_THE_FILE: [&str; 5] = ["is ", "was ", "does ", "lies ", "cannot "];
/// Words longer than this are no misspelling of anything.
const LONGEST_MISSPELLING: usize = 256;

/// Where something stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The first byte, from 0.
    pub offset: u32,
    /// The number of bytes; 0 for a list or a map, which is shown by where it begins.
    pub length: u32,
}

impl Place {
    /// A place from the numbers a parser counts in; none can exceed `u32` within the size budget of a file.
    pub fn new(line: usize, column: usize, offset: usize, length: usize) -> Place {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Place { line: narrow(line), column: narrow(column), offset: narrow(offset), length: narrow(length) }
    }

    /// The place of one byte of a text, found by counting its lines.
    pub fn in_text(text: &str, offset: usize) -> Place {
        let offset = floor_to_character(text, offset);
        let before = text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Place::new(line, column, offset, 0)
    }
}

/// One thing that is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to its root; or the root itself.
    pub file: String,
    /// Where in the file, unless the file as a whole is the problem.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at one place of a file.
    pub fn at(file: impl Into<String>, place: Place, message: impl Into<String>) -> Problem {
        Problem { file: file.into(), place: Some(place), message: message.into(), hint: None }
    }

    /// A problem with a file, folder or root as a whole.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { file: file.into(), place: None, message: message.into(), hint: None }
    }

    /// The same problem with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }
}

/// Shows problems in the order of their places, each with its line, as far as `sources` knows the text of its file.
pub fn render(problems: &[Problem], sources: &impl Fn(&str) -> Option<Arc<str>>, colour: bool) -> String {
    let mut ordered: Vec<&Problem> = problems.iter().collect();
    ordered.sort_by(|a, b| (&a.file, a.place).cmp(&(&b.file, b.place)));
    let mut out = String::new();
    for problem in ordered.into_iter().take(SHOWN) {
        show(problem, sources(&problem.file).as_deref(), colour, &mut out);
        out.push('\n');
    }
    let rest = problems.len().saturating_sub(SHOWN);
    if rest > 0 {
        let _ = writeln!(out, "… and {rest} more");
    }
    out
}

fn show(problem: &Problem, source: Option<&str>, colour: bool, out: &mut String) {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let arrow = if colour { AnsiColor::BrightBlue.on_default().bold() } else { Style::new() };
    let file = visible(&problem.file);

    let is_of_the_file = problem.place.is_none() && OF_THE_FILE.iter().any(|verb| problem.message.starts_with(verb));
    let subject = if is_of_the_file { format!("{file} ") } else { String::new() };
    let title = Group::with_title(Level::ERROR.primary_title(subject + &visible(&problem.message)));
    let _ = writeln!(out, "{}", renderer.render(&[title]));
    match problem.place {
        None => {
            let _ = writeln!(out, " {arrow}-->{arrow:#} {file}");
        }
        // The renderer would count the column in the line it is given, which is cut: so this line is written here.
        Some(place) => {
            let gutter = place.line.to_string().len();
            let _ = writeln!(out, "{:gutter$}{arrow}-->{arrow:#} {file}:{}:{}", "", place.line, place.column);
        }
    }
    if let (Some(place), Some(text)) = (problem.place, source) {
        let excerpt = Excerpt::around(place, text);
        let snippet = Snippet::source(excerpt.line)
            .line_start(place.line as usize)
            .annotation(AnnotationKind::Primary.span(excerpt.marked));
        let group = Group::with_level(Level::ERROR).element(snippet);
        let _ = writeln!(out, "{}", renderer.render(&[group]));
    }
    if let Some(hint) = &problem.hint {
        let help = Group::with_title(Level::HELP.secondary_title(visible(hint)));
        let _ = writeln!(out, "{}", renderer.render(&[help]));
    }
}

/// The one line a problem is about, cut to what fits a terminal, and the bytes of it to mark.
struct Excerpt {
    line: String,
    marked: Range<usize>,
}

impl Excerpt {
    fn around(place: Place, text: &str) -> Excerpt {
        let at = floor_to_character(text, place.offset as usize);
        let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let end = text.get(at..).and_then(|after| after.find(['\n', '\r'])).map_or(text.len(), |length| at + length);
        let marked_end = floor_to_character(text, at.saturating_add(place.length as usize).min(end));

        let before = text.get(start..at).unwrap_or_default();
        let cut = before.char_indices().rev().nth(HALF - 1).map_or(0, |(index, _)| index);
        let mut line = String::new();
        if cut > 0 {
            line.push('…');
        }
        let mut room = WIDTH;
        for character in before.get(cut..).unwrap_or_default().chars() {
            push_in_line(character, &mut line);
            room -= 1;
        }
        let from = line.len();
        for character in text.get(at..marked_end).unwrap_or_default().chars().take(HALF) {
            push_in_line(character, &mut line);
            room -= 1;
        }
        let to = line.len();
        let mut after = text.get(marked_end..end).unwrap_or_default().chars();
        for character in after.by_ref().take(room) {
            push_in_line(character, &mut line);
        }
        if after.next().is_some() {
            line.push('…');
        }
        Excerpt { line, marked: from..to }
    }
}

/// The text with everything that could steer a terminal, or hide from its reader, written as an escape.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        push_visible(character, &mut out);
    }
    out
}

fn push_visible(character: char, out: &mut String) {
    if is_hidden(character) {
        out.extend(character.escape_default());
    } else {
        out.push(character);
    }
}

/// As [`push_visible`], but leaves tabs to the renderer, which widens line and mark alike.
fn push_in_line(character: char, out: &mut String) {
    if character == '\t' {
        out.push(character);
    } else {
        push_visible(character, out);
    }
}

fn floor_to_character(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The beginning of a foreign word, short enough to stand in a message.
pub fn shorten(word: &str) -> String {
    let mut characters = word.chars();
    let mut short: String = characters.by_ref().take(WORD).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

/// The known word that was probably meant, whatever its case.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    if word.len() > LONGEST_MISSPELLING {
        return None;
    }
    let word = word.to_lowercase();
    let tolerated = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&word, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "spec:\n  desiredCoutn: 2\n";

    fn shown(problem: Problem, text: &str) -> String {
        render(&[problem], &|_: &str| Some(Arc::from(text)), false)
    }

    #[test]
    fn a_problem_shows_its_place_its_line_and_its_hint() {
        let problem = Problem::at("app.yaml", Place::new(2, 3, 8, 12), "unknown field `desiredCoutn`")
            .hint("did you mean `desiredCount`?");
        let shown = shown(problem, TEXT);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "error: unknown field `desiredCoutn`");
        assert_eq!(lines[1], " --> app.yaml:2:3");
        assert!(shown.contains("2 |   desiredCoutn: 2"), "{shown}");
        assert!(shown.contains("^^^^^^^^^^^^"), "{shown}");
        assert!(shown.contains("help: did you mean `desiredCount`?"), "{shown}");
    }

    #[test]
    fn a_problem_of_a_whole_file_names_it_in_its_sentence() {
        let shown = |message: &str| render(&[Problem::of_file("a.yaml", message)], &|_: &str| None, false);
        assert!(shown("is a link to /etc/hostname").starts_with("error: a.yaml is a link to /etc/hostname\n"));
        assert!(shown("no manifests below x").starts_with("error: no manifests below x\n"));
    }

    #[test]
    fn a_long_line_is_cut_but_keeps_its_true_column() {
        let text = format!("{}needle{}", "ä".repeat(4_000_000), "z".repeat(100_000));
        let place = Place::new(1, 4_000_001, 8_000_000, 6);
        let shown = shown(Problem::at("a.yaml", place, "found"), &text);
        assert!(shown.contains("a.yaml:1:4000001"), "{shown}");
        assert!(shown.contains("needle"), "{shown}");
        assert!(shown.chars().count() < 1000);
    }

    #[test]
    fn escapes_in_names_lines_and_messages_are_made_visible() {
        let problem = Problem::at("a\u{1b}[2J.yaml", Place::new(1, 1, 0, 4), "bad \u{202e}eman").hint("see \u{7}");
        let shown = shown(problem, "ab\u{1b}[31m: \u{2066}x");
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}', '\u{2066}']), "{shown}");
        assert!(shown.contains("a\\u{1b}[2J.yaml"), "{shown}");
    }

    #[test]
    fn any_place_in_any_text_can_be_shown() {
        let text = "ä: [\r\n\t\"ö\"\n\n";
        for offset in 0..text.len() + 3 {
            for length in 0..text.len() + 3 {
                let place = Place { length: u32::try_from(length).unwrap_or(0), ..Place::in_text(text, offset) };
                assert!(shown(Problem::at("a.yaml", place, "here"), text).starts_with("error: here\n"));
            }
        }
        let beyond = Place::new(9, 9, 999, 999);
        assert!(shown(Problem::at("a.yaml", beyond, "here"), "").contains("a.yaml:9:9"));
    }

    #[test]
    fn more_than_fifty_problems_are_counted() {
        let problems: Vec<Problem> = (1..=53).map(|line| Problem::of_file("a.yaml", format!("no {line}"))).collect();
        let shown = render(&problems, &|_: &str| None, false);
        assert_eq!(shown.matches("error:").count(), 50);
        assert!(shown.ends_with("… and 3 more\n"), "{shown}");
    }

    #[test]
    fn a_misspelling_is_recognised_and_another_word_is_not() {
        let known = ["desiredCount", "cluster", "capacity"];
        assert_eq!(suggest("desiredCoutn", known).as_deref(), Some("desiredCount"));
        assert_eq!(suggest("desired_count", known).as_deref(), Some("desiredCount"));
        assert_eq!(suggest("CLUSTER", known).as_deref(), Some("cluster"));
        assert_eq!(suggest("replicas", known), None);
        assert_eq!(suggest(&"x".repeat(1_000_000), known), None);
    }
}
