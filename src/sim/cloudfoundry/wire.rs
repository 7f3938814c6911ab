//! The simulated Cloud Foundry behind real HTTP.
//!
//! Decides how an HTTP request becomes one of the machine's and how its answer is spelled in bytes.
//! It opens no socket and never waits: whoever serves it does, for the [`Reply`]'s delay. Several
//! foundations, and the web sites beside them, are told apart by the caller, by host.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{self, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;

use super::encoding::{decoded, pairs};
use super::{Answer, Foundation, Request};

/// A response, and how long to wait before sending it.
#[derive(Debug)]
pub struct Reply {
    /// What to send. One that carries [`Cut`] as an extension breaks off.
    pub response: http::Response<Bytes>,
    /// How long to wait.
    pub delay: Option<Duration>,
}

/// Marks a response of which only this part is sent; the server promises the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The length that the `content-length` header claims.
    pub promised: usize,
}

/// Answers a request to a foundation. `prefix` is the part of the path that leads to it, such as
/// `/_cf/api.example.com`, and `origin` the server's own address, such as `http://127.0.0.1:4711`:
/// together they are the base of every link.
pub fn handle(
    foundation: &mut Foundation,
    request: &http::Request<Bytes>,
    origin: &str,
    prefix: &str,
    now: Timestamp,
    seed: u64,
) -> Reply {
    let path = request.uri().path();
    let below = path.strip_prefix(prefix).unwrap_or(path);
    let headers: BTreeMap<String, String> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let asked = Request {
        method: request.method().as_str().to_owned(),
        path: if below.is_empty() { "/".to_owned() } else { decoded(below) },
        query: pairs(request.uri().query().unwrap_or_default()),
        headers,
        body: request.body().to_vec(),
        base: format!("{origin}{prefix}"),
    };
    let mut reply = reply(foundation.answer(&asked, now, seed));
    // The world's time, not that of the machine which simulates it.
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        reply.response.headers_mut().entry(header::DATE).or_insert(date);
    }
    reply
}

/// Spells an answer, of a foundation or of a site.
pub fn reply(answer: Answer) -> Reply {
    let promised = answer.body.len().max(1);
    let mut body = Bytes::from(answer.body);
    if answer.cut {
        body.truncate(promised / 2);
    }
    let mut response = http::Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    if answer.cut {
        response.extensions_mut().insert(Cut { promised });
    }
    Reply { response, delay: answer.delay }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::sim::cloudfoundry::faults::{Effect, Rule};

    fn get(path: &str) -> http::Request<Bytes> {
        http::Request::builder().uri(format!("http://127.0.0.1:4711{path}")).body(Bytes::new()).unwrap()
    }

    fn ask(foundation: &mut Foundation, path: &str) -> Reply {
        let prefix = "/_cf/api.example.com";
        handle(foundation, &get(path), "http://127.0.0.1:4711", prefix, Timestamp::UNIX_EPOCH, 1)
    }

    #[test]
    fn links_lead_back_to_the_server_and_the_prefix() {
        let mut foundation = Foundation::new("api.example.com", Timestamp::UNIX_EPOCH);
        let reply = ask(&mut foundation, "/_cf/api.example.com");
        assert_eq!(reply.response.headers()["date"], "Thu, 01 Jan 1970 00:00:00 GMT", "the world's time");
        let body: serde_json::Value = serde_json::from_slice(reply.response.body()).unwrap();
        assert_eq!(body["links"]["uaa"]["href"], "http://127.0.0.1:4711/_cf/api.example.com/uaa");
        assert_eq!(foundation.requests[0].path, "/");
    }

    #[test]
    fn a_broken_connection_promises_more_than_it_sends() {
        let mut foundation = Foundation::new("api.example.com", Timestamp::UNIX_EPOCH);
        foundation.faults.add(Rule::always("/", Effect::Truncated).times(1));
        foundation.faults.add(Rule::always("/", Effect::Reset).times(1));
        let cut = |reply: &Reply| reply.response.extensions().get::<Cut>().map(|cut| cut.promised);
        let half = ask(&mut foundation, "/_cf/api.example.com/");
        assert!(cut(&half).unwrap() > half.response.body().len());
        let nothing = ask(&mut foundation, "/_cf/api.example.com/");
        assert_eq!((cut(&nothing), nothing.response.body().len()), (Some(1), 0));
        assert_eq!(cut(&ask(&mut foundation, "/_cf/api.example.com/")), None);
    }
}
