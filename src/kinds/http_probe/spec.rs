//! What a manifest may say of an HTTP probe.
//!
//! Decides, at load, that the URL can be asked and that each term makes sense, and spells the terms
//! as expectations that [`super::HttpProbe`] judges. Never asks anybody. The loader calls
//! [`declare`].

use std::collections::BTreeSet;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::live::{LATENCY, LONGEST, STATUS, Spelling, is_secret};
use super::url::{Address, address};
use super::{ABSENT, DECIDES, EQUAL_FIELD, EQUALS, FAILURES, NO_ANSWER, PRESENT, TIMEOUT, TLS_LEFT};
use crate::core::identity::{ScopeKey, ScopeKind, Select};
use crate::core::value::{Expect, Path, Value};
use crate::kinds::Declaration;
use crate::kinds::setting::{Setting, SpecProblem};
use crate::kinds::text::Text;
use crate::manifest::check::Checker;
use crate::manifest::decode::decode;
use crate::manifest::reach;
use crate::manifest::tree::Node;

/// An address that is asked over HTTP with every reading: one GET, without credentials, and without
/// following redirects.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HttpProbeSpec {
    /// The address, such as `https://api.example.com/health`.
    url: String,
    /// The status, or a list of those that will do; any of 200 to 299 by default.
    status: Option<Statuses>,
    /// How long the whole answer may take, such as `2s`.
    max_latency: Option<String>,
    /// How long the certificate must be good for yet, such as `14d`.
    tls_expires_in: Option<String>,
    /// After this time nothing that comes is an answer: `10s` by default, `30s` at most.
    timeout: Option<String>,
    /// What the answer's JSON must say.
    #[serde(default)]
    json: Vec<AssertionSpec>,
    /// After how many failures in a row it is degraded: 3 by default. Only the daemon counts them; `check`
    /// asks once.
    failures: Option<u32>,
    /// What it is when nothing answers at all, which may be the fault of moored's own network: `unknown` by default.
    /// A connection that is refused, and a certificate that is not good, are answers: failures.
    no_answer: Option<NoAnswer>,
    /// Whether the environment is `down` while it fails.
    decides: Option<Decides>,
}

/// One status, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Statuses {
    /// The status.
    One(u16),
    /// Each of them will do.
    Several(Vec<u16>),
}

/// Something that the answer's JSON must say. A `null` counts as not there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AssertionSpec {
    /// Where in the answer, as a JSON pointer such as `/components/0/status`.
    path: String,
    /// The text, number or truth value that is there.
    equals: Option<Text>,
    /// Whether anything is there: only `true` can be said.
    present: Option<bool>,
    /// Whether nothing is there: only `true` can be said.
    absent: Option<bool>,
    /// Another JSON pointer, where the same is.
    equals_field: Option<String>,
}

/// What no answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum NoAnswer {
    /// Nothing is known then.
    Unknown,
    /// A failure like any other.
    Failure,
}

/// What a probe decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Decides {
    /// Its failure makes the environment `down`.
    Environment,
}

const TIMEOUT_DEFAULT: SignedDuration = SignedDuration::from_secs(10);
/// As long as any probe waits, whoever asks: `probe::transport` gives up after that.
const TIMEOUT_LONGEST: SignedDuration = SignedDuration::from_secs(30);
const FAILURES_DEFAULT: u32 = 3;
const FAILURES_MOST: u32 = 100;

/// Reads and resolves a spec.
pub(super) fn declare(node: &Node, checker: &Checker, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let spec: HttpProbeSpec = decode(node, checker).map_err(|error| vec![error.into()])?;
    resolve(&spec, setting)
}

pub(super) fn resolve(spec: &HttpProbeSpec, setting: &Setting<'_>) -> Result<Declaration, Vec<SpecProblem>> {
    let address = address(&spec.url).map_err(|why| {
        vec![SpecProblem::at(["url"], why.to_string()).hint("such as `https://api.example.com/health`")]
    })?;
    if let Some(what) = reach::refused(&address.text) {
        let message = format!("{} is {what}: moored never asks there", address.host);
        return Err(vec![SpecProblem::at(["url"], message).hint("name a server on the network")]);
    }
    let mut terms = Terms { setting, address: &address, expects: Vec::new(), problems: Vec::new() };
    terms.status(spec.status.as_ref());
    terms.times(spec);
    terms.policy(spec);
    for (at, assertion) in spec.json.iter().enumerate() {
        terms.assertion(at, assertion);
    }
    let Terms { expects, problems, .. } = terms;
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Declaration {
        scope: ScopeKey::new(ScopeKind::HttpProbe, &address.host, "http", &address.text),
        select: Select::Key(address.text.as_str().into()),
        id: address.text.as_str().into(),
        expects,
        facets: BTreeSet::new(),
        rules: None,
        not_compared: Vec::new(),
    })
}

/// The terms of a probe under construction, and what is wrong with them.
struct Terms<'a> {
    setting: &'a Setting<'a>,
    address: &'a Address,
    expects: Vec<(Path, Expect)>,
    problems: Vec<SpecProblem>,
}

impl Terms<'_> {
    fn expect(&mut self, path: impl Into<Path>, expect: Expect) {
        self.expects.push((path.into(), expect));
    }

    fn problem(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(SpecProblem::at(path.iter().copied(), message).hint(hint));
    }

    fn status(&mut self, statuses: Option<&Statuses>) {
        let (wanted, expect) = match statuses {
            None => (Vec::new(), Expect::Between(Some(200), Some(299))),
            Some(Statuses::One(status)) => (vec![*status], Expect::Is(Value::Int((*status).into()))),
            Some(Statuses::Several(several)) => {
                let items: Vec<Value> = several.iter().map(|status| Value::Int((*status).into())).collect();
                (several.clone(), Expect::Is(Value::List(items.into())))
            }
        };
        if let Some(odd) = wanted.iter().find(|status| !(200..=599).contains(*status)) {
            self.problem(&["status"], format!("no answer ends with {odd}"), "a number from 200 to 599");
        }
        if statuses.is_some() && wanted.is_empty() {
            self.problem(&["status"], "`status` lists none", "such as `status: [200, 204]`; leave it out for any 2xx");
        }
        self.expect(STATUS, expect);
    }

    fn times(&mut self, spec: &HttpProbeSpec) {
        let timeout = match spec.timeout.as_deref() {
            None => TIMEOUT_DEFAULT,
            Some(text) => match duration(text).filter(|timeout| *timeout <= TIMEOUT_LONGEST) {
                Some(timeout) => timeout,
                None => {
                    self.problem(&["timeout"], format!("`{text}` is no timeout"), "such as `10s`; `30s` at most");
                    TIMEOUT_DEFAULT
                }
            },
        };
        self.expect(TIMEOUT, Expect::Between(None, Some(millis(timeout))));
        if let Some(text) = spec.max_latency.as_deref() {
            match duration(text) {
                Some(most) if most <= timeout => self.expect(LATENCY, Expect::Between(None, Some(millis(most)))),
                Some(_) => self.problem(
                    &["maxLatency"],
                    "`maxLatency` is longer than `timeout`, after which nothing is an answer",
                    "make it shorter, or `timeout` longer",
                ),
                None => self.problem(&["maxLatency"], format!("`{text}` is no duration"), "such as `2s` or `800ms`"),
            }
        }
        if let Some(text) = spec.tls_expires_in.as_deref() {
            match duration(text) {
                Some(_) if !self.address.secure => {
                    self.problem(&["tlsExpiresIn"], "an http:// URL has no certificate", "make it https://");
                }
                Some(left) => self.expect(TLS_LEFT, Expect::Between(Some(left.as_secs()), None)),
                None => self.problem(&["tlsExpiresIn"], format!("`{text}` is no duration"), "such as `14d` or `48h`"),
            }
        }
    }

    fn policy(&mut self, spec: &HttpProbeSpec) {
        let failures = spec.failures.unwrap_or(FAILURES_DEFAULT);
        if !(1..=FAILURES_MOST).contains(&failures) {
            self.problem(&["failures"], format!("`{failures}` is no number of failures"), "a number from 1 to 100");
        }
        self.expect(FAILURES, Expect::Is(Value::Int(failures.into())));
        let no_answer = match spec.no_answer {
            None | Some(NoAnswer::Unknown) => "unknown",
            Some(NoAnswer::Failure) => "failure",
        };
        self.expect(NO_ANSWER, Expect::Is(Value::text(no_answer)));
        if let Some(Decides::Environment) = spec.decides {
            self.expect(DECIDES, Expect::Is(Value::text("environment")));
        }
    }

    fn assertion(&mut self, at: usize, spec: &AssertionSpec) {
        let at = at.to_string();
        let here = ["json", at.as_str()];
        let place = |field: &'static str| ["json", at.as_str(), field];
        self.pointer(&place("path"), &spec.path);
        let path = |kind: &str| format!("{kind}{}", spec.path);
        match (&spec.equals, spec.present, spec.absent, &spec.equals_field) {
            (Some(text), None, None, None) => {
                if text.chars().count() > LONGEST {
                    let message = format!("more than {LONGEST} characters of an answer are not compared");
                    self.problem(&place("equals"), message, "assert something shorter");
                }
                let (redactor, visible) = (self.setting.redactor, self.setting.visible());
                let spelling = Spelling { url: &self.address.text, redactor, visible };
                let value = spelling.declared(&spec.path, text);
                self.expect(path(EQUALS), Expect::Is(value));
            }
            (None, Some(true), None, None) => self.expect(path(PRESENT), Expect::Is(Value::Bool(true))),
            (None, None, Some(true), None) => self.expect(path(ABSENT), Expect::Is(Value::Bool(true))),
            (None, None, None, Some(other)) => {
                self.pointer(&place("equalsField"), other);
                if is_secret(&spec.path) != is_secret(other) {
                    let message =
                        format!("one of `{}` and `{other}` is secret by its name, the other is not", spec.path);
                    self.problem(&here, message, "moored keeps hashes of what is secret: it cannot compare these two");
                }
                self.expect(path(EQUAL_FIELD), Expect::Is(Value::text(other.as_str())));
            }
            (None, Some(false), None, None) => {
                self.problem(&place("present"), "`present: false` is not understood", "write `absent: true`");
            }
            (None, None, Some(false), None) => {
                self.problem(&place("absent"), "`absent: false` is not understood", "write `present: true`");
            }
            _ => self.problem(
                &here,
                format!("`{}` needs exactly one of `equals`, `present`, `absent` and `equalsField`", spec.path),
                "such as `{path: /status, equals: ok}`",
            ),
        }
    }

    fn pointer(&mut self, path: &[&str], pointer: &str) {
        let escapes_well = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !pointer.starts_with('/') || !escapes_well || pointer.chars().any(char::is_control) {
            let hint = "such as `/components/0/status`; within a name `~1` stands for a slash and `~0` for a tilde";
            self.problem(path, format!("`{pointer}` is no JSON pointer"), hint);
        }
    }
}

/// `14d` beside what `jiff` understands: it leaves days to calendars.
fn duration(text: &str) -> Option<SignedDuration> {
    let days = text.strip_suffix('d').and_then(|days| days.trim_end().parse::<u16>().ok());
    let duration = match days {
        Some(days) => SignedDuration::from_hours(24 * i64::from(days)),
        None => text.parse().ok()?,
    };
    (duration > SignedDuration::ZERO).then_some(duration)
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::dns_record::fixture::Stage;

    fn resolved(spec: serde_json::Value) -> Result<Declaration, Vec<SpecProblem>> {
        let spec: HttpProbeSpec = serde_json::from_value(spec).unwrap();
        resolve(&spec, &Stage::new().setting("front-door"))
    }

    #[test]
    fn a_probe_is_named_by_its_address_and_has_terms_of_its_own() {
        let bare = resolved(json!({"url": "https://Example.com"})).unwrap();
        assert_eq!(bare.scope.to_string(), "http_probe/example.com/http/https://example.com/");
        assert_eq!(ScopeKey::parse(&bare.scope.to_string()), Some(bare.scope.clone()));
        assert_eq!((&*bare.id, bare.select), ("https://example.com/", Select::Key("https://example.com/".into())));
        let terms: Vec<&str> = bare.expects.iter().map(|(path, _)| &**path).collect();
        assert_eq!(terms, [STATUS, TIMEOUT, FAILURES, NO_ANSWER]);
    }

    #[test]
    fn days_are_durations_too() {
        for (text, hours) in [("14d", 336), ("336h", 336), ("1d", 24)] {
            assert_eq!(duration(text), Some(SignedDuration::from_hours(hours)), "{text}");
        }
        for text in ["", "d", "0d", "-1d", "soon", "0s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_term_that_makes_no_sense_is_refused_where_it_stands() {
        for (term, path) in [
            (json!({"url": "https://example.com", "status": 100}), "status"),
            (json!({"url": "https://example.com", "status": []}), "status"),
            (json!({"url": "https://example.com", "timeout": "31s"}), "timeout"),
            (json!({"url": "https://example.com", "timeout": "2s", "maxLatency": "3s"}), "maxLatency"),
            (json!({"url": "http://example.com", "tlsExpiresIn": "14d"}), "tlsExpiresIn"),
            (json!({"url": "https://example.com", "failures": 0}), "failures"),
            (json!({"url": "https://example.com", "failures": 101}), "failures"),
            (json!({"url": "https://example.com", "json": [{"path": "a", "present": true}]}), "json.0.path"),
            (json!({"url": "https://example.com", "json": [{"path": "/a~2", "present": true}]}), "json.0.path"),
            (json!({"url": "https://example.com", "json": [{"path": "/a"}]}), "json.0"),
            (json!({"url": "https://example.com", "json": [{"path": "/a", "present": true, "equals": "b"}]}), "json.0"),
            (json!({"url": "https://example.com", "json": [{"path": "/a", "present": false}]}), "json.0.present"),
            (json!({"url": "https://example.com", "json": [{"path": "/a", "equalsField": "/token"}]}), "json.0"),
            (json!({"url": "https://user:hunter2@example.com"}), "url"),
            (json!({"url": "http://169.254.169.254/latest/meta-data"}), "url"),
            (json!({"url": "http://localhost:8080/"}), "url"),
        ] {
            let problems = resolved(term.clone()).unwrap_err();
            let [problem] = problems.as_slice() else { unreachable!("{term}: {problems:?}") };
            assert_eq!(problem.path.join("."), path, "{term}: {}", problem.message);
            assert!(problem.hint.is_some() && !problem.message.contains("hunter2"), "{problem:?}");
        }
    }

    #[test]
    fn an_expected_secret_is_hashed_as_the_answers_own_would_be() {
        let declaration = resolved(json!({
            "url": "https://example.com", "json": [{"path": "/db/password", "equals": "hunter2"}]
        }));
        let expects = declaration.unwrap().expects;
        assert!(!format!("{expects:?}").contains("hunter2"));
        assert!(matches!(expects.last(), Some((_, Expect::Is(Value::Secret(_))))));
    }
}
