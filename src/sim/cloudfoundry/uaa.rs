//! UAA's token endpoint, and as much of its pages as clients look at.
//!
//! Decides which grants are granted: client_credentials without a refresh token, password (with the
//! client `cf`, whose secret is empty) and refresh_token. It never says why a sign-in failed. The
//! same endpoints answer below `/uaa` and `/login`, as the two hosts of a real foundation do.

use std::collections::BTreeMap;

use aws_smithy_types::base64;
use jiff::Timestamp;
use serde_json::json;

use super::access::Issued;
use super::encoding::pairs;
use super::{Answer, Foundation, Request};

/// The public client of the command line.
const CF: &str = "cf";

const CONTENT_TYPE: &str = "application/json;charset=UTF-8";

impl Foundation {
    /// Answers a request below `/uaa` or `/login`.
    pub(super) fn uaa(&mut self, request: &Request, segments: &[&str], now: Timestamp) -> Answer {
        match (request.method.as_str(), segments) {
            ("POST", ["oauth", "token"]) => self.token(request, now),
            (_, ["oauth", "token"]) => error(405, "method_not_allowed", "Request method is not supported"),
            ("GET", [] | ["info"] | ["login"]) => {
                let body = json!({
                    "app": {"version": "77.20.0"},
                    "links": {
                        "uaa": format!("{}/uaa", request.base),
                        "login": format!("{}/login", request.base),
                        "passwd": "/forgot_password",
                    },
                    "zone_name": "uaa",
                    "prompts": {"username": ["text", "Email"], "password": ["password", "Password"]},
                });
                answer(200, &body)
            }
            _ => error(404, "not_found", "No such page"),
        }
    }

    fn token(&mut self, request: &Request, now: Timestamp) -> Answer {
        let content_type = request.headers.get("content-type").map(String::as_str).unwrap_or_default();
        if !content_type.starts_with("application/x-www-form-urlencoded") {
            return error(415, "unsupported_media_type", "Content type is not supported");
        }
        let form: BTreeMap<String, String> = pairs(&String::from_utf8_lossy(&request.body)).into_iter().collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let Some((client, secret)) = credentials(request, &form) else {
            let missing = "Full authentication is required to access this resource";
            return error(401, "unauthorized", missing);
        };
        let issued = match field("grant_type") {
            "client_credentials" if client != CF => self.accounts.client_grant(&client, &secret, now),
            "password" | "refresh_token" if client != CF || !secret.is_empty() => None,
            "password" => self.accounts.password_grant(field("username"), field("password"), now),
            "refresh_token" => match self.accounts.refresh_grant(field("refresh_token"), now) {
                Some(issued) => Some(issued),
                None => {
                    let refused = "The token expired, was revoked, or the token ID is incorrect";
                    return error(401, "invalid_token", refused);
                }
            },
            "" => return error(400, "invalid_request", "Missing grant type"),
            "client_credentials" => return error(401, "unauthorized_client", "Unauthorized grant type"),
            odd => return error(400, "unsupported_grant_type", &format!("Unsupported grant type: {odd}")),
        };
        match issued {
            Some(issued) => granted(&issued),
            None => error(401, "unauthorized", "Bad credentials"),
        }
    }
}

/// The client's id and secret: from the Basic header, or else from the form.
fn credentials(request: &Request, form: &BTreeMap<String, String>) -> Option<(String, String)> {
    let basic = request.headers.get("authorization").and_then(|header| header.split_once(' '));
    if let Some((_, encoded)) = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) {
        let decoded = String::from_utf8(base64::decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        return Some((id.to_owned(), secret.to_owned()));
    }
    let id = form.get("client_id")?;
    Some((id.clone(), form.get("client_secret").cloned().unwrap_or_default()))
}

fn granted(issued: &Issued) -> Answer {
    let mut body = json!({
        "access_token": issued.access,
        "token_type": "bearer",
        "expires_in": issued.seconds,
        "scope": issued.scope,
        "jti": issued.access,
    });
    if let (Some(refresh), Some(members)) = (&issued.refresh, body.as_object_mut()) {
        members.insert("refresh_token".to_owned(), json!(refresh));
    }
    answer(200, &body).with_header("Cache-Control", "no-store")
}

fn error(status: u16, name: &str, description: &str) -> Answer {
    answer(status, &json!({"error": name, "error_description": description}))
}

fn answer(status: u16, body: &serde_json::Value) -> Answer {
    Answer::new(status, CONTENT_TYPE, serde_json::to_vec(body).unwrap_or_default())
}
