//! The query string of the API: which part of a snapshot is asked for.
//!
//! Decides what a parameter may be. What is not understood is refused with a hint, never skipped:
//! a misspelt filter must not read as "nothing has drifted". [`super::api`] calls it.

use std::collections::BTreeSet;

use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use jiff::Timestamp;

use super::api::Problem;
use crate::core::filter::Filter;
use crate::core::identity::ScopeKey;
use crate::core::ignore::Glob;
use crate::kinds::KINDS;
use crate::store::Past;

const FILTERS: &str = "environment, app, kind, name, label";

/// How many past findings and changes an answer holds, unless asked for more, and at most.
const LIMIT: (usize, usize) = (1_000, 10_000);

/// The filter that a query string asks for.
pub fn filter(uri: &Uri) -> Result<Filter, Problem> {
    let mut filter = Filter::default();
    for (name, value) in pairs(uri)? {
        if !narrow(&mut filter, &name, &value)? {
            return Err(unknown(&name, FILTERS));
        }
    }
    Ok(filter)
}

/// What is asked of the past: of findings, and of the record.
#[derive(Debug)]
pub struct Asked {
    /// Findings.
    pub past: Past,
    /// Only what happened until then.
    pub until: Option<Timestamp>,
    /// The moment whose facts are asked for.
    pub at: Option<Timestamp>,
    /// Only these scopes, if any are named.
    pub scopes: BTreeSet<ScopeKey>,
}

/// What a query string asks of the past.
pub fn past(uri: &Uri) -> Result<Asked, Problem> {
    let past = Past { since: None, filter: Filter::default(), limit: LIMIT.0 };
    let mut asked = Asked { past, until: None, at: None, scopes: BTreeSet::new() };
    for (name, value) in pairs(uri)? {
        let past = &mut asked.past;
        match name.as_str() {
            "since" => past.since = Some(moment(&name, &value)?),
            "until" => asked.until = Some(moment(&name, &value)?),
            "at" => asked.at = Some(moment(&name, &value)?),
            "scope" => {
                let hint = "write it like hosted_zone/111122223333/global/example.com";
                asked.scopes.insert(ScopeKey::parse(&value).ok_or_else(|| refused(&name, &value, hint))?);
            }
            "limit" => {
                let limit = value.parse::<usize>().ok().filter(|limit| (1..=LIMIT.1).contains(limit));
                past.limit = limit.ok_or_else(|| refused(&name, &value, "a number from 1 to 10000"))?;
            }
            _ if narrow(&mut past.filter, &name, &value)? => {}
            _ => return Err(unknown(&name, &format!("{FILTERS}, scope, since, until, at, limit"))),
        }
    }
    if let Some(label) = asked.past.filter.labels.keys().find(|label| *label != "app") {
        return Err(refused("label", label, "history knows no label but app"));
    }
    if asked.at.is_some() && asked.past.filter.names.is_empty() {
        return Err(refused("at", "", "say of what: add a name"));
    }
    Ok(asked)
}

fn moment(name: &str, value: &str) -> Result<Timestamp, Problem> {
    value.parse().map_err(|_| refused(name, value, "write it like 2026-01-31T22:00:00Z"))
}

fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    match Query::<Vec<(String, String)>>::try_from_uri(uri) {
        Ok(Query(pairs)) => Ok(pairs),
        Err(error) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            error.to_string(),
            "write it like ?environment=production&kind=DnsRecord",
        )),
    }
}

/// Narrows the filter; `false` for a parameter that is none.
fn narrow(filter: &mut Filter, name: &str, value: &str) -> Result<bool, Problem> {
    if value.is_empty() {
        return Err(refused(name, value, "leave it out, or give it a value"));
    }
    match name {
        "environment" => filter.environments.push(value.to_owned()),
        "kind" if KINDS.iter().any(|entry| entry.kind.name().eq_ignore_ascii_case(value)) => {
            filter.kinds.push(value.to_owned())
        }
        "kind" => {
            let kinds: Vec<&str> = KINDS.iter().map(|entry| entry.kind.name()).collect();
            return Err(refused(name, value, &format!("the kinds are {}", kinds.join(", "))));
        }
        "name" => filter.names.push(Glob::new(value)),
        "app" => label(filter, "app", value)?,
        "label" => match value.split_once('=') {
            Some((key, wanted)) => label(filter, key, wanted)?,
            None => return Err(refused(name, value, "write it like label=team=werkzeug")),
        },
        _ => return Ok(false),
    }
    Ok(true)
}

fn label(filter: &mut Filter, key: &str, wanted: &str) -> Result<(), Problem> {
    match filter.labels.insert(key.to_owned(), wanted.to_owned()) {
        Some(earlier) if earlier != wanted => Err(refused(key, wanted, "a label can be asked for once")),
        _ => Ok(()),
    }
}

fn unknown(name: &str, known: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        format!("unknown query parameter `{}`", brief(name)),
        &format!("known here are {known}"),
    )
}

fn refused(name: &str, value: &str, hint: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("`{}={}` cannot be used", brief(name), brief(value)), hint)
}

/// An answer repeats little of what it was asked.
fn brief(text: &str) -> String {
    text.chars().filter(|c| !crate::core::visible::is_hidden(*c)).take(80).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_a_filter() {
        let uri = "/api/v1/findings?environment=staging&environment=production&kind=dnsrecord&name=*.example.com&app=api&label=team%3Dweb";
        let filter = filter(&uri.parse().unwrap()).unwrap();
        assert_eq!(filter.environments, ["staging", "production"]);
        assert!(filter.thing("production", "DnsRecord", "www.example.com", "api"));
        assert!(!filter.thing("production", "DnsRecord", "www.example.org", "api"));
        assert_eq!(filter.labels.get("team").map(String::as_str), Some("web"));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_a_hint() {
        for (query, hint) in [
            ("enviroment=production", "known here are environment"),
            ("environment=", "leave it out"),
            ("kind=Volume", "the kinds are"),
            ("label=team", "label=team=werkzeug"),
            ("app=a&app=b", "once"),
            ("since=2026-01-31T22:00:00Z", "known here are"),
        ] {
            let problem = filter(&format!("/api/v1/findings?{query}").parse().unwrap()).unwrap_err();
            assert!(problem.hint.contains(hint), "{query}: {}", problem.hint);
        }
    }

    #[test]
    fn the_past_can_be_asked_since_when_and_how_much() {
        let ask = |query: &str| past(&format!("/api/v1/history?{query}").parse().unwrap());
        let past = ask("since=2026-01-31T22:00:00Z&limit=5&kind=EcsService").unwrap().past;
        assert_eq!((past.since.unwrap().as_second(), past.limit, past.filter.kinds.len()), (1_769_896_800, 5, 1));
        let refused = [
            "since=yesterday",
            "until=22:00",
            "limit=0",
            "limit=10001",
            "limit=x",
            "label=team=web",
            "page=2",
            "scope=zone",
            "at=2026-01-31T22:00:00Z",
        ];
        for query in refused {
            assert!(ask(query).is_err(), "{query}");
        }
        let asked = ask("scope=health_checks/1/global&at=2026-01-31T22:00:00Z&name=api").unwrap();
        assert_eq!((asked.scopes.len(), asked.at.is_some()), (1, true));
    }
}
