//! One event is one line, and nothing in it steers a terminal or hides from its reader.
//!
//! Decides how hidden characters in names, reasons and other foreign text are written in a log: a
//! table item called `a\nERROR …` must not forge a line of its own. Everything that is logged goes
//! through here, so that no single event has to think of it.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use tracing::field::Field;
use tracing_subscriber::fmt::format::Writer;

use crate::core::visible::{escaped, is_hidden};

/// Writes one field of an event as text. The formatter itself would quote what is logged as text,
/// but write what is logged by its `Display` as it is.
pub fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = escaped(&format!("{value:?}"));
    match field.name() {
        "message" => writer.write_str(&value),
        // What the bridge from the `log` crate has dealt with already.
        name if name.starts_with("log.") => Ok(()),
        name => write!(writer, "{}={value}", name.strip_prefix("r#").unwrap_or(name)),
    }
}

/// Lines of JSON on their way out. JSON allows hidden characters other than controls as they are;
/// a reader of the raw line would be misled by them.
pub struct JsonLine<W>(pub W);

impl<W: Write> Write for JsonLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        if line.chars().any(is_hidden) {
            self.0.write_all((escaped_in_json(line) + end).as_bytes())?;
        } else {
            self.0.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The same JSON in other letters: outside of its texts there is nothing hidden.
fn escaped_in_json(line: &str) -> String {
    let mut safe = String::with_capacity(line.len() + 16);
    for character in line.chars() {
        if is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::field::MakeExt as _;
    use tracing_subscriber::fmt::format;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const HOSTILE: &str = "a\u{1b}[31m\nERROR b\u{202e}\u{2028}\u{e0041}\"";

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn a_hostile_name_in_a_text_log_forges_no_line() {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .fmt_fields(format::debug_fn(field).delimited(" "));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(event = "opened", name = %HOSTILE, count = 2, "said {HOSTILE}");
        });
        let text = sink.text();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(!text.trim_end().chars().any(is_hidden), "{text:?}");
        assert!(text.contains("event=\"opened\" name=a\\u{1b}[31m\\u{a}ERROR") && text.contains("count=2"), "{text}");
    }

    #[test]
    fn a_hostile_name_in_a_json_log_is_the_same_text_in_other_letters() {
        let sink = Sink::default();
        let line = serde_json::json!({ "name": HOSTILE }).to_string() + "\n";
        JsonLine(sink.clone()).write_all(line.as_bytes()).unwrap();
        let text = sink.text();
        assert!(text.ends_with('\n') && !text.trim_end().chars().any(is_hidden), "{text:?}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["name"], HOSTILE);
    }
}
