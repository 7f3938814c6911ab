//! An address that is asked over HTTP: the kind `HttpProbe`.
//!
//! Decides what of an answer is as declared, and which silence says something of the other side: a
//! name that cannot be found and a connection that is not made may be moored's own trouble, a
//! refusal or a bad certificate is theirs. How many failures in a row it takes, `core` counts.
//! Never asks anybody. `core` calls the [`Kind`], the loader [`ENTRY`].

pub mod live;
mod spec;
mod url;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::core::desired::Declared;
use crate::core::identity::Ask;
use crate::core::judge::{Judgement, Kind, Proof};
use crate::core::memory::ObjectMemory;
use crate::core::observation::{Failure, Live, Reading, Reason};
use crate::core::value::{Expect, Fact, Value};
use crate::core::world::World;
use crate::kinds::{KindEntry, detail};
use live::{ANSWERED, BODY, Document, FAILURE, FAILURE_CLASS, JSON, LATENCY, LOCATION, STATUS, Silence, TLS_EXPIRY};

/// The kind's name.
pub const KIND: &str = "HttpProbe";

/// How many seconds the certificate must be good for yet.
const TLS_LEFT: &str = "tls.expiresIn";
/// After how many milliseconds nothing is an answer.
const TIMEOUT: &str = "timeoutMs";
/// After how many failures in a row it is degraded.
const FAILURES: &str = "failures";
/// What no answer is: `unknown` or `failure`.
const NO_ANSWER: &str = "noAnswer";
/// What it decides.
const DECIDES: &str = "decides";
/// Before the pointer to a value that is declared.
const EQUALS: &str = JSON;
/// Before a pointer where something must be.
const PRESENT: &str = "present.";
/// Before a pointer where nothing may be.
const ABSENT: &str = "absent.";
/// Before a pointer to what must be the same as at another one.
const EQUAL_FIELD: &str = "equalsField.";

/// The longest value that a message repeats.
const SHOWN: usize = 80;

/// An address that is asked over HTTP.
#[derive(Debug)]
pub struct HttpProbe;

/// The kind's line in the table.
pub const ENTRY: KindEntry = KindEntry {
    kind: &HttpProbe,
    summary: "An address that is asked over HTTP: its status, latency and certificate, and what its JSON must say.",
    schema,
    declare: spec::declare,
    import: None,
};

fn schema() -> schemars::Schema {
    schemars::schema_for!(spec::HttpProbeSpec)
}

/// The JSON pointers whose values a declared probe compares: what its reading is asked for. None of
/// any other kind.
pub fn pointers(declared: &Declared) -> Vec<Arc<str>> {
    let assertions = assertions(declared).flat_map(|assertion| match assertion {
        Assertion::Equals(pointer, _) | Assertion::Present(pointer) | Assertion::Absent(pointer) => vec![pointer],
        Assertion::Same(pointer, other) => vec![pointer, other],
    });
    assertions.map(Arc::from).collect()
}

/// Something that the answer's JSON must say.
enum Assertion<'a> {
    Equals(&'a str, &'a Value),
    Present(&'a str),
    Absent(&'a str),
    Same(&'a str, &'a str),
}

fn assertions(declared: &Declared) -> impl Iterator<Item = Assertion<'_>> {
    let expects = if declared.kind.name() == KIND { declared.expects.as_slice() } else { &[] };
    expects.iter().filter_map(|(path, expect)| {
        let Expect::Is(value) = expect else { return None };
        match (path.strip_prefix(EQUALS), path.strip_prefix(PRESENT), path.strip_prefix(ABSENT)) {
            (Some(pointer), _, _) => Some(Assertion::Equals(pointer, value)),
            (_, Some(pointer), _) => Some(Assertion::Present(pointer)),
            (_, _, Some(pointer)) => Some(Assertion::Absent(pointer)),
            _ => Some(Assertion::Same(path.strip_prefix(EQUAL_FIELD)?, value.as_text()?)),
        }
    })
}

impl Kind for HttpProbe {
    fn name(&self) -> &'static str {
        KIND
    }

    /// An address is never gone: a reading that lacks it was not asked for it yet.
    fn absence(&self, _ask: &Ask, _reading: &Reading, _known: Option<&ObjectMemory>) -> Result<Proof, Failure> {
        Err(Failure::new(Reason::Unconfirmed, "it was not asked yet; the next reading asks it"))
    }

    /// All that is declared of it is a term, not a field.
    fn judges(&self, _path: &str) -> bool {
        true
    }

    fn judge(&self, declared: &Declared, live: &Live, world: &World<'_>) -> Vec<Judgement> {
        if live.fields.value(ANSWERED) != Some(&Value::Bool(true)) {
            return vec![silent(declared, live)];
        }
        let mut hearing = Hearing { declared, live, failing: Vec::new(), doubts: Vec::new() };
        hearing.status();
        hearing.latency();
        hearing.certificate(world.now);
        hearing.document();
        let Hearing { failing, mut doubts, .. } = hearing;
        if !failing.is_empty() {
            doubts.insert(0, failed(declared, failing.join("; ")));
        }
        doubts
    }
}

fn expected<'a>(declared: &'a Declared, path: &str) -> Option<&'a Expect> {
    declared.expects.iter().find(|(known, _)| known == path).map(|(_, expect)| expect)
}

fn failed(declared: &Declared, message: String) -> Judgement {
    let times = match expected(declared, FAILURES) {
        Some(Expect::Is(Value::Int(times))) => u32::try_from(*times).unwrap_or(1),
        _ => 1,
    };
    Judgement::Failing { message, times, decides: expected(declared, DECIDES).is_some() }
}

/// What no answer says of the other side.
fn silent(declared: &Declared, live: &Live) -> Judgement {
    let text = |path| live.fields.value(path).and_then(Value::as_text);
    let said = text(FAILURE).unwrap_or("it gave no answer");
    let counts = expected(declared, NO_ANSWER) == Some(&Expect::Is(Value::text("failure")));
    match text(FAILURE_CLASS).and_then(Silence::parse) {
        Some(Silence::RefusedAddress) => Judgement::Unknown(Failure::new(Reason::Invalid, said)),
        Some(Silence::Dns | Silence::Unreachable) if !counts => Judgement::Unknown(Failure::new(
            Reason::Network,
            format!("{said}: nobody can say from here whether it works (`noAnswer: failure` calls that a failure)"),
        )),
        _ => failed(declared, said.to_owned()),
    }
}

/// An answer, held against the terms.
struct Hearing<'a> {
    declared: &'a Declared,
    live: &'a Live,
    failing: Vec<String>,
    doubts: Vec<Judgement>,
}

impl Hearing<'_> {
    fn status(&mut self) {
        let fields = &self.live.fields;
        let (Some(status), Some(expect)) = (fields.value(STATUS), expected(self.declared, STATUS)) else { return };
        let meets = match expect {
            Expect::Is(Value::List(several)) => several.contains(status),
            expect => expect.met_by(status),
        };
        if !meets {
            let to = fields.value(LOCATION).and_then(Value::as_text).map(|host| format!(" to {host}"));
            let (status, to) = (status.to_json(true), to.unwrap_or_default());
            self.failing.push(format!("HTTP {status}{to}, declared {}", plain(&expect.to_json())));
        }
    }

    fn latency(&mut self) {
        let Some(took) = self.live.fields.value(LATENCY).and_then(Value::as_int) else { return };
        let most = |path| match expected(self.declared, path) {
            Some(Expect::Between(_, Some(most))) if took > *most => Some(*most),
            _ => None,
        };
        if let Some(timeout) = most(TIMEOUT) {
            self.failing.push(format!("no answer within {}, only after {}", span(timeout), span(took)));
        } else if let Some(most) = most(LATENCY) {
            self.failing.push(format!("it took {}, at most {} is declared", span(took), span(most)));
        }
    }

    fn certificate(&mut self, now: Timestamp) {
        let Some(Expect::Between(Some(wanted), _)) = expected(self.declared, TLS_LEFT) else { return };
        let unread = |why: &str| Judgement::Unknown(Failure::new(Reason::Malformed, format!("its certificate: {why}")));
        match &*self.live.fields.fact(TLS_EXPIRY) {
            Fact::Unchecked(why) => self.doubts.push(Judgement::Unchecked(why.clone())),
            Fact::Unknown(why) => self.doubts.push(unread(why)),
            Fact::Known(value) => match value.as_text().and_then(|text| text.parse::<Timestamp>().ok()) {
                None => self.doubts.push(unread("nobody can read when it expires")),
                Some(at) => {
                    let (left, wanted) = (at.duration_since(now), SignedDuration::from_secs(*wanted));
                    if left < wanted {
                        let (left, wanted) = (whole(left), whole(wanted));
                        self.failing.push(format!("its certificate expires in {left} ({at}), declared is {wanted}"));
                    }
                }
            },
        }
    }

    fn document(&mut self) {
        let mut assertions = assertions(self.declared).peekable();
        if assertions.peek().is_none() {
            return;
        }
        let unknown = |reason, detail: &str| Judgement::Unknown(Failure::new(reason, detail));
        match self.live.fields.value(BODY).and_then(Value::as_text) {
            Some(Document::IS_JSON) => {}
            Some(Document::IS_TOO_LONG) => {
                let said = "its answer is longer than 1 MiB, so nothing in it was checked";
                return self.doubts.push(unknown(Reason::Incomplete, said));
            }
            Some(_) => {
                return self.failing.push("its answer is no JSON, so nothing in it can be as declared".to_owned());
            }
            // The last reading is older than the manifest.
            None => return self.doubts.push(unknown(Reason::Incomplete, detail::NOT_ASKED)),
        }
        for assertion in assertions {
            match held(assertion, self.live) {
                Held::Yes => {}
                Held::No(message) => self.failing.push(message),
                Held::NotAsked(pointer) => {
                    self.doubts.push(unknown(Reason::Incomplete, &format!("{pointer}: {}", detail::NOT_ASKED)));
                }
            }
        }
    }
}

/// Whether an assertion holds.
enum Held<'a> {
    Yes,
    No(String),
    /// The last reading was not asked for what stands at this pointer.
    NotAsked(&'a str),
}

fn held<'a>(assertion: Assertion<'a>, live: &Live) -> Held<'a> {
    let at = |pointer: &str| live.fields.value(&format!("{JSON}{pointer}"));
    let unless = |holds: bool, message: String| if holds { Held::Yes } else { Held::No(message) };
    match assertion {
        Assertion::Equals(pointer, wanted) => match at(pointer) {
            None => Held::NotAsked(pointer),
            Some(value) => {
                let message = match wanted {
                    Value::Secret(_) => format!("{pointer} is another than declared (it is kept as a hash)"),
                    wanted => format!("{pointer} is {}, declared {}", shown(value), shown(wanted)),
                };
                unless(is_meant(wanted, value), message)
            }
        },
        Assertion::Present(pointer) => match at(pointer) {
            None => Held::NotAsked(pointer),
            Some(value) => unless(*value != Value::Nothing, format!("{pointer} is not there")),
        },
        Assertion::Absent(pointer) => match at(pointer) {
            None => Held::NotAsked(pointer),
            Some(value) => unless(*value == Value::Nothing, format!("{pointer} is there, declared absent")),
        },
        Assertion::Same(pointer, other) => match (at(pointer), at(other)) {
            (None, _) => Held::NotAsked(pointer),
            (_, None) => Held::NotAsked(other),
            // Two things that are not there, or of which only that is known, are not the same.
            (Some(Value::Nothing | Value::List(_)), Some(_)) => {
                Held::No(format!("{pointer} is no single value to compare with {other}"))
            }
            (Some(one), Some(two)) => {
                let (this, that) = (shown(one), shown(two));
                unless(one == two, format!("{pointer} is {this}, {other} is {that}, declared the same"))
            }
        },
    }
}

/// Whether a value is the declared one: what a person writes is text, whatever JSON makes of it.
fn is_meant(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::Text(text), Value::Int(number)) => text.parse::<i64>().is_ok_and(|meant| meant == *number),
        (Value::Text(text), Value::Bool(flag)) => text.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
        _ => wanted == value,
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Nothing => return "not there".to_owned(),
        Value::List(_) => return "a list or map".to_owned(),
        value => plain(&value.to_json(false)),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Text without quotes, anything else as JSON.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn span(millis: i64) -> String {
    if millis % 1000 == 0 { format!("{} s", millis / 1000) } else { format!("{millis} ms") }
}

/// Whole days, or hours where there are few.
fn whole(duration: SignedDuration) -> String {
    let hours = duration.as_hours();
    if hours.abs() < 72 { format!("{hours} h") } else { format!("{} days", hours / 24) }
}

#[cfg(test)]
mod tests;
