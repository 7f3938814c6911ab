//! What a probe heard, as facts.
//!
//! Decides how an answer, or the lack of one, is spelled: one fact for each thing that a manifest
//! can ask for, values of the answer's JSON only where somebody asks for them, and what is secret
//! by its name only as a keyed hash. Never judges. The reader of probes calls [`live`].

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::KIND;
use crate::core::identity::ObjectKey;
use crate::core::observation::Live;
use crate::core::redact::Redactor;
use crate::core::value::{Fact, Fields, Value};

/// Whether there was an answer.
pub const ANSWERED: &str = "answered";
/// The status of the answer.
pub const STATUS: &str = "status";
/// The host that a redirect leads to.
pub const LOCATION: &str = "location";
/// How long it took, in milliseconds.
pub const LATENCY: &str = "runtime.latencyMs";
/// When the certificate expires.
pub const TLS_EXPIRY: &str = "tls.expiresAt";
/// What kind of body came: a word of [`Document`].
pub const BODY: &str = "body";
/// What was there instead of an answer, in words.
pub const FAILURE: &str = "failure";
/// The same as a word of [`Silence`].
pub const FAILURE_CLASS: &str = "failureClass";
/// Where the values of the answer's JSON stand, by their pointers.
pub const JSON: &str = "json.";

/// The longest text of an answer that is kept.
pub(super) const LONGEST: usize = 200;

/// Words in a name that say that its value is secret.
const SECRETIVE: [&str; 6] = ["api_key", "apikey", "credential", "passw", "secret", "token"];

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The name has no address, or nobody could say.
    Dns,
    /// No connection: nothing there answers, or no way leads there.
    Unreachable,
    /// Somebody there refuses connections.
    Refused,
    /// Who answers cannot prove who it is, or does not speak TLS.
    Tls,
    /// Connected, and then no answer in time.
    Timeout,
    /// Half an answer, or something that is none.
    Broken,
    /// moored itself does not ask there.
    RefusedAddress,
}

impl Silence {
    const ALL: [Self; 7] =
        [Self::Dns, Self::Unreachable, Self::Refused, Self::Tls, Self::Timeout, Self::Broken, Self::RefusedAddress];

    /// The word in facts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::RefusedAddress => "refusedAddress",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|silence| silence.as_str() == word)
    }
}

/// What was heard.
#[derive(Debug, Clone)]
pub enum Observed {
    /// An answer.
    Answer(Answer),
    /// None.
    Nothing {
        /// Why.
        class: Silence,
        /// The same in words.
        said: String,
    },
}

/// An answer, free of any client.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The host that it sends a client to.
    pub location: Option<String>,
    /// How long it took, in milliseconds, to its last byte.
    pub latency_ms: i64,
    /// What is known of the end of the certificate's time; none without TLS.
    pub expires_at: Option<Result<Timestamp, Fact>>,
    /// Its body.
    pub document: Document,
}

/// The body of an answer, as far as anybody asks for something in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// Nobody does.
    NotAsked,
    /// It is too long to be read.
    TooLong,
    /// It is no JSON.
    Other,
    /// It is JSON.
    Json(Json),
}

impl Document {
    /// The word for a body that is JSON.
    pub const IS_JSON: &'static str = "json";
    /// The word for one that is not.
    pub const IS_OTHER: &'static str = "other";
    /// The word for one that is too long.
    pub const IS_TOO_LONG: &'static str = "tooLong";

    fn word(&self) -> Option<&'static str> {
        match self {
            Self::NotAsked => None,
            Self::TooLong => Some(Self::IS_TOO_LONG),
            Self::Other => Some(Self::IS_OTHER),
            Self::Json(_) => Some(Self::IS_JSON),
        }
    }
}

/// How values of the answer are spelled.
#[derive(Debug, Clone, Copy)]
pub struct Spelling<'a> {
    /// The probe's address.
    pub url: &'a str,
    /// Hashes what may be secret.
    pub redactor: &'a Redactor,
    /// Names whose values may be shown.
    pub visible: &'a BTreeSet<Arc<str>>,
}

impl Spelling<'_> {
    /// What a manifest expects at this pointer, as the answer's own value would be spelled.
    pub(super) fn declared(&self, pointer: &str, text: &str) -> Value {
        if is_secret(pointer) { self.hidden(pointer, text) } else { Value::text(text) }
    }

    /// A value of the answer. `null` says no more than a value that is not there.
    fn of(&self, pointer: &str, value: &Json) -> Value {
        let text = match value {
            Json::Null => return Value::Nothing,
            // That it is there is all that can be asked of it.
            Json::Array(_) | Json::Object(_) => return Value::List(Box::default()),
            Json::Bool(flag) => flag.to_string(),
            Json::Number(number) => number.to_string(),
            Json::String(text) => text.clone(),
        };
        match value {
            _ if is_secret(pointer) => self.hidden(pointer, &text),
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => number.as_i64().map_or_else(|| Value::text(text), Value::Int),
            _ => Value::text(self.shortened(text)),
        }
    }

    /// The same path for all pointers of a probe: two of them can be compared.
    fn hidden(&self, pointer: &str, text: &str) -> Value {
        let name = pointer.rsplit('/').next().unwrap_or_default();
        self.redactor.secret(KIND, self.url, "json", name, text, self.visible)
    }

    /// Two texts that begin alike are not the same for that.
    fn shortened(&self, text: String) -> String {
        match text.char_indices().nth(LONGEST) {
            None => text,
            Some((end, _)) => {
                let kept = text.get(..end).unwrap_or_default();
                format!("{kept}… (#{:016x})", self.redactor.fingerprint(text.as_bytes()))
            }
        }
    }
}

/// Whether what a pointer leads to is secret by one of its names.
pub(super) fn is_secret(pointer: &str) -> bool {
    let pointer = pointer.to_ascii_lowercase();
    SECRETIVE.iter().any(|word| pointer.contains(word))
}

/// The live probe: what was heard, with the values of these pointers.
pub fn live(observed: &Observed, pointers: &BTreeSet<Arc<str>>, spelling: Spelling<'_>) -> Live {
    let mut fields = Fields::default();
    match observed {
        Observed::Nothing { class, said } => {
            fields.set(ANSWERED, false);
            fields.set(FAILURE, said.as_str());
            fields.set(FAILURE_CLASS, class.as_str());
        }
        Observed::Answer(answer) => {
            fields.set(ANSWERED, true);
            fields.set(STATUS, i32::from(answer.status));
            fields.set_some(LOCATION, answer.location.as_deref());
            fields.set(LATENCY, answer.latency_ms);
            match &answer.expires_at {
                Some(Ok(at)) => fields.set(TLS_EXPIRY, at.to_string().as_str()),
                Some(Err(fact)) => fields.put(TLS_EXPIRY, fact.clone()),
                None => {}
            }
            fields.set_some(BODY, answer.document.word());
            if let Document::Json(document) = &answer.document {
                for pointer in pointers {
                    let value = document.pointer(pointer).map_or(Value::Nothing, |value| spelling.of(pointer, value));
                    fields.set(format!("{JSON}{pointer}"), value);
                }
            }
        }
    }
    fields.shrink();
    Live {
        key: ObjectKey::new(KIND, spelling.url),
        id: spelling.url.into(),
        incarnation: None,
        fields,
        addresses: Box::default(),
        references: Box::default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spelled(document: Json, pointer: &str) -> Option<Value> {
        let answer =
            Answer { status: 200, location: None, latency_ms: 3, expires_at: None, document: Document::Json(document) };
        let (redactor, visible) = (Redactor::new(&[7; 32]), BTreeSet::new());
        let spelling = Spelling { url: "https://example.com/", redactor: &redactor, visible: &visible };
        let live = live(&Observed::Answer(answer), &BTreeSet::from([pointer.into()]), spelling);
        live.fields.value(&format!("{JSON}{pointer}")).cloned()
    }

    #[test]
    fn only_scalars_are_kept_of_an_answer() {
        let document = json!({"a": {"b/c": [1, "two", null]}, "on": true, "part": 0.5});
        for (pointer, value) in [
            ("/a/b~1c/0", Value::Int(1)),
            ("/a/b~1c/1", Value::text("two")),
            ("/a/b~1c/2", Value::Nothing),
            ("/a/b~1c/3", Value::Nothing),
            ("/a", Value::List(Box::default())),
            ("/on", Value::Bool(true)),
            ("/part", Value::text("0.5")),
        ] {
            assert_eq!(spelled(document.clone(), pointer), Some(value), "{pointer}");
        }
    }

    #[test]
    fn long_texts_are_cut_and_still_told_apart() {
        let text = |end: &str| json!({"text": format!("{}{end}", "ä".repeat(LONGEST))});
        let one = spelled(text("one"), "/text");
        assert_ne!(one, spelled(text("two"), "/text"));
        assert_eq!(one, spelled(text("one"), "/text"));
        let shown = one.as_ref().and_then(Value::as_text).unwrap_or_default();
        assert!(!shown.contains("one") && shown.chars().count() < LONGEST + 25, "{shown}");
    }

    #[test]
    fn what_is_secret_by_its_name_is_kept_as_a_hash() {
        for pointer in ["/db/password", "/accessToken/value", "/CLIENT_SECRET"] {
            let value = spelled(
                json!({"db": {"password": "hunter2"}, "accessToken": {"value": "hunter2"},
                                       "CLIENT_SECRET": "hunter2"}),
                pointer,
            );
            assert!(matches!(value, Some(Value::Secret(_))), "{pointer}: {value:?}");
            assert!(!format!("{value:?}").contains("hunter2"));
        }
    }

    #[test]
    fn every_reason_for_silence_is_read_back() {
        for silence in Silence::ALL {
            assert_eq!(Silence::parse(silence.as_str()), Some(silence));
        }
        assert_eq!(Silence::parse("sleep"), None);
    }
}
