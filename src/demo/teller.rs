//! The teller: what the demo prints.
//!
//! Decides layout and colour only. Every line says when it happened on the demo's clock; whatever
//! is printed about the cloud says that it is simulated.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use super::Scenario;
use super::script::{Seen, Step};
use super::stage::Stage;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints for people, or one line for each expectation.
#[derive(Debug, Clone)]
pub struct Teller {
    people: bool,
    /// What the placeholders of commands stand for.
    words: [(&'static str, String); 4],
}

impl Teller {
    /// A teller of what happens on this stage.
    pub fn new(stage: &Stage, people: bool) -> Self {
        let words = [
            ("{metrics}", stage.metrics_url()),
            ("{api}", stage.api_url()),
            ("{cloud}", stage.cloud_url.clone()),
            ("{state}", stage.desired_state.display().to_string()),
        ];
        Self { people, words }
    }

    /// Before the first step: what this is, and where everything is found.
    pub fn begin(&self, scenario: Scenario, speed: f64) {
        let name = scenario.name();
        if !self.people {
            anstream::println!("{name}: on a simulated cloud, {speed} simulated seconds a second");
            return;
        }
        anstream::println!("{}", styled(BOLD, format!("moored demo {name}: {}", scenario.summary())));
        println!(
            "Everything here is simulated: accounts, services, people. {speed} simulated seconds pass in one second.\n"
        );
        for (what, word) in [
            ("metrics", "{metrics}/metrics"),
            ("report", "{api}/api/v1/report"),
            ("simulated cloud", "{cloud}"),
            ("manifests", "{state}"),
        ] {
            println!("  {what:<16} {}", self.filled(word));
        }
    }

    /// The head of a step.
    pub fn step(&self, number: usize, all: usize, step: &Step, now: Timestamp) {
        anstream::println!("\n{} {}", styled(DIM, clock(now)), styled(BOLD, format!("{number}/{all} {}", step.title)));
        println!("{}", step.story);
    }

    /// The outcome of one expectation.
    pub fn seen(&self, step: &str, expectation: &str, seen: &Seen, now: Timestamp) {
        let (mark, detail) = match seen {
            Ok(detail) => (styled(GOOD, "ok    "), detail),
            Err(detail) => (styled(BAD, "FAILED"), detail),
        };
        let place = if self.people { String::new() } else { format!("{step}: ") };
        anstream::println!(
            "{} {mark} {place}{expectation} {}",
            styled(DIM, clock(now)),
            styled(DIM, format!("[saw: {detail}]"))
        );
    }

    /// What a command printed, as it is, moved to the right.
    pub fn output(&self, text: &str) {
        println!();
        for line in text.lines() {
            println!("    {line}");
        }
    }

    /// Commands for people to try in another terminal.
    pub fn look(&self, commands: &[&str]) {
        if commands.is_empty() {
            return;
        }
        println!("\n  Look for yourself:");
        for command in commands {
            anstream::println!("    {}", styled(BOLD, self.filled(command)));
        }
    }

    /// After the last step.
    pub fn end(&self, scenario: Scenario, stays: bool) {
        let name = scenario.name();
        match (self.people, stays) {
            (false, _) => anstream::println!("{name}: {}", styled(GOOD, "everything came out as expected")),
            (true, true) => println!("\nThe story is over; cloud and daemon go on until you press Ctrl-C."),
            (true, false) => println!("\nThe story is over."),
        }
    }

    fn filled(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    }
}

fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A moment of the demo's day.
fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}
