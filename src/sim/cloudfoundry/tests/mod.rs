//! What the simulated foundation owes to the real one, a sentence each.
//!
//! The fixture signs in and asks as a client would; it never looks behind the API but to act as a
//! human on the platform.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod platform;
mod reads;
mod signing_in;
mod writes;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::encoding::pairs;
use super::{Answer, AppPlan, Foundation, Request};

const BASE: &str = "http://127.0.0.1:1/_cf/api.example.com";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// A foundation at time 0 with the space gds/prod and one client of each tier.
fn foundation() -> Foundation {
    let mut foundation = Foundation::new("api.example.com", at(0));
    foundation.add_space("gds", "prod");
    foundation.add_stack("cflinuxfs4");
    foundation.add_client("auditor", "a", &["cloud_controller.global_auditor"]);
    foundation.add_client("reader", "r", &["cloud_controller.admin_read_only"]);
    foundation.add_client("admin", "s", &["cloud_controller.admin"]);
    foundation
}

/// An app of the fixture's space, by its name.
fn app(foundation: &mut Foundation, name: &str) -> String {
    foundation.push("gds", "prod", &AppPlan::new(name), at(0))
}

fn request(method: &str, path: &str, token: &str, body: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    if !token.is_empty() {
        headers.insert("authorization".to_owned(), format!("bearer {token}"));
    }
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: pairs(query),
        headers,
        body: body.as_bytes().to_vec(),
        base: BASE.to_owned(),
    }
}

/// Asks the token endpoint; `basic` is `id:secret`.
fn sign_in(foundation: &mut Foundation, basic: &str, form: &str, now: Timestamp) -> Answer {
    let mut asked = request("POST", "/uaa/oauth/token", "", form);
    asked.headers.insert("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
    let encoded = aws_smithy_types::base64::encode(basic);
    asked.headers.insert("authorization".to_owned(), format!("Basic {encoded}"));
    foundation.answer(&asked, now, 1)
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} in {value}"))
}

/// The token of one of the fixture's clients.
fn token(foundation: &mut Foundation, client: &str, now: Timestamp) -> String {
    let secrets = [("auditor", "a"), ("reader", "r"), ("admin", "s")];
    let secret = secrets.iter().find(|(id, _)| *id == client).unwrap().1;
    let answer = sign_in(foundation, &format!("{client}:{secret}"), "grant_type=client_credentials", now);
    text(&json(&answer), "/access_token").to_owned()
}

/// A GET as one of the fixture's clients: status and JSON.
fn get(foundation: &mut Foundation, client: &str, path: &str, now: Timestamp) -> (u16, Value) {
    let answer = ask(foundation, client, "GET", path, "", now);
    (answer.status, json(&answer))
}

fn ask(foundation: &mut Foundation, client: &str, method: &str, path: &str, body: &str, now: Timestamp) -> Answer {
    let token = token(foundation, client, now);
    foundation.answer(&request(method, path, &token, body), now, 1)
}

/// The error's code and title.
fn error(body: &Value) -> (u64, &str) {
    (body["errors"][0]["code"].as_u64().unwrap(), body["errors"][0]["title"].as_str().unwrap())
}

fn rows(body: &Value) -> &Vec<Value> {
    body["resources"].as_array().unwrap()
}

/// The names of a list's rows.
fn names(body: &Value) -> Vec<&str> {
    rows(body).iter().map(|row| row["name"].as_str().unwrap_or_default()).collect()
}
