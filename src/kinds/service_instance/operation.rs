//! The last operation of a service instance or binding: what a broker was asked to do, and how far
//! it is.
//!
//! Decides how it is spelled as facts, and whether it is done, running, overdue or failed. The kinds
//! ServiceInstance and ServiceBinding call it, and say what that means.

use jiff::{SignedDuration, Timestamp};

use crate::core::observation::{Failure, Reason};
use crate::core::value::{Fields, Value};
use crate::core::visible::escaped;
use crate::kinds::importing::tells_secret;

/// What a broker was asked to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operation {
    /// `create`, `update` or `delete`; none of an instance that no broker made.
    pub kind: Option<String>,
    /// `initial`, `in progress`, `succeeded` or `failed`.
    pub state: Option<String>,
    /// What the broker says.
    pub description: Option<String>,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// When the broker was last heard of.
    pub updated_at: Option<Timestamp>,
}

/// How far an operation is. The text begins with a noun, so that `its` fits before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is over, or there is none.
    Done,
    /// It failed.
    Failed(String),
    /// It should be over by now.
    Overdue(String),
    /// It may take until then, by the platform's clock.
    Running(Timestamp, String),
    /// What is wanted is being deleted.
    Leaving(String),
    /// It runs, and nobody knows since when.
    Unknown(Failure),
}

/// A broker may say as much as it likes.
const LONGEST: usize = 200;
/// Stands for what it should not have said.
const HIDDEN: &str = "(not shown: it may hold a secret)";

/// Whether everything was done that was asked.
pub fn is_done(operation: Option<&Operation>) -> bool {
    operation.and_then(|operation| operation.state.as_deref()).is_none_or(|state| state == "succeeded")
}

/// Sets its facts. What a broker says about a success says nothing.
pub fn put(operation: Option<&Operation>, fields: &mut Fields) {
    let Some(operation) = operation else { return };
    fields.set_some("operation.type", operation.kind.as_deref());
    fields.set_some("operation.state", operation.state.as_deref());
    let since = operation.created_at.or(operation.updated_at);
    fields.set_some("operation.since", since.map(|since| Value::text(since.to_string())));
    if !is_done(Some(operation)) {
        let said = operation.description.as_deref().map(shown);
        fields.set_some("runtime.operation.description", said.as_deref());
    }
}

/// What a broker says, unless it tells a secret: some repeat the address that they were asked at, with
/// what stands in it.
fn shown(said: &str) -> String {
    let has_user = |word: &str| word.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
    if tells_secret(said) || said.split_whitespace().any(has_user) {
        return HIDDEN.to_owned();
    }
    escaped(said).chars().take(LONGEST).collect()
}

/// Whether it is a creation.
pub fn is_creation(fields: &Fields) -> bool {
    text(fields, "operation.type").is_none_or(|kind| kind == "create")
}

/// How far it is; `now` is by the platform's clock.
pub fn state(fields: &Fields, deadline: SignedDuration, now: Timestamp) -> State {
    let noun = match text(fields, "operation.type") {
        Some("update") => "update",
        Some("delete") => "deletion",
        _ => "creation",
    };
    let said = text(fields, "runtime.operation.description").filter(|said| !said.is_empty());
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    match text(fields, "operation.state") {
        None | Some("succeeded") => State::Done,
        Some("failed") => State::Failed(format!("{noun} failed{said}")),
        Some(_) if noun == "deletion" => {
            let since = text(fields, "operation.since").map(|since| format!(" since {since}")).unwrap_or_default();
            State::Leaving(format!("{noun} is in progress{since}{said}"))
        }
        Some(_) => {
            let Some(since) = text(fields, "operation.since").and_then(|since| since.parse::<Timestamp>().ok()) else {
                let detail = format!("its {noun} is in progress, but Cloud Foundry does not say since when");
                return State::Unknown(Failure::new(Reason::Malformed, detail));
            };
            let until = since.saturating_add(deadline).unwrap_or(since);
            if now < until {
                State::Running(until, format!("{noun} is in progress since {since}"))
            } else {
                State::Overdue(format!("{noun} has been in progress since {since}{said}"))
            }
        }
    }
}

fn text<'a>(fields: &'a Fields, path: &str) -> Option<&'a str> {
    fields.value(path)?.as_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_says_is_shown_unless_it_tells_a_secret() {
        assert_eq!(shown("quota exceeded: 5 of 5\n"), "quota exceeded: 5 of 5\\u{a}");
        for said in ["bad request: password=hunter2", "GET https://admin:hunter2@broker.example.com/v2 failed"] {
            assert_eq!(shown(said), HIDDEN, "{said}");
        }
        assert_eq!(shown(&"x".repeat(300)).len(), LONGEST);
    }
}
