//! One request: let a fault strike, authenticate, count, serve, log.
//!
//! Decides the order in which a real foundation's parts see a request: the router (faults, web
//! pages), the rate limiter, the Cloud Controller, UAA. It never knows a row.
//! [`Foundation::answer`] is the machine's one entrance for requests.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::access::Caller;
use super::errors::CfError;
use super::faults::Effect;
use super::presenting::View;
use super::rates::Standing;
use super::reading::Note;
use super::writing::Writer;
use super::{Answer, Foundation, Logged, REQUESTS_KEPT, Request};

impl Foundation {
    /// Answers one request. Equal foundations, requests, times and seeds get equal answers.
    pub fn answer(&mut self, request: &Request, now: Timestamp, seed: u64) -> Answer {
        self.advance(now);
        let effect = self.faults.choose(request, now, seed);
        let caller = match request.bearer() {
            None => Ok(None),
            Some(token) => self.accounts.holder(token, now).map(Some).ok_or_else(CfError::invalid_token),
        };
        let principal = match &caller {
            Ok(Some(caller)) => caller.name.clone(),
            _ => String::new(),
        };
        let answer = self.strike(request, caller, effect.as_ref(), now);
        if self.requests.len() >= REQUESTS_KEPT {
            self.requests.drain(..REQUESTS_KEPT / 2);
        }
        self.requests.push(Logged {
            at: now,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query_text(),
            status: answer.status,
            principal,
        });
        answer
    }

    /// Lets the effect strike, and serves the request as far as the effect allows.
    fn strike(
        &mut self,
        request: &Request,
        caller: Result<Option<Caller>, CfError>,
        effect: Option<&Effect>,
        now: Timestamp,
    ) -> Answer {
        match effect {
            Some(Effect::Status(status)) => CfError::scripted(*status).answer(),
            Some(Effect::RateLimited(seconds)) => limited(self.rate_limit.scripted(*seconds, now)),
            Some(Effect::ExpiredToken) => CfError::invalid_token().answer(),
            Some(Effect::Html) => {
                let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body></body></html>\n";
                Answer::new(200, "text/html; charset=utf-8", page.into())
            }
            Some(Effect::Redirect(to)) => Answer::empty(302).with_header("Location", to.as_str()),
            Some(Effect::Truncated) => Answer { cut: true, ..self.exchange(request, caller, None, now) },
            Some(Effect::Reset) => {
                let lost = self.exchange(request, caller, None, now);
                Answer { body: Vec::new(), cut: true, ..lost }
            }
            Some(Effect::Slow(delay)) => Answer { delay: Some(*delay), ..self.exchange(request, caller, None, now) },
            Some(Effect::Stale(age)) => self.look_back(request, caller, *age, now),
            Some(Effect::LostRole) => {
                let nobody = caller.map(|caller| caller.map(|caller| caller.without_roles()));
                self.exchange(request, nobody, None, now)
            }
            // These strike in the list.
            None | Some(Effect::Empty | Effect::DropPage | Effect::ShiftRows | Effect::TotalChanges) => {
                self.exchange(request, caller, effect, now)
            }
        }
    }

    /// Answers a read from the past, without touching the present.
    fn look_back(
        &mut self,
        request: &Request,
        caller: Result<Option<Caller>, CfError>,
        age: SignedDuration,
        now: Timestamp,
    ) -> Answer {
        let Some(past) = self.past_state(age, now) else { return self.exchange(request, caller, None, now) };
        let present = std::mem::replace(&mut self.state, past);
        let answer = self.exchange(request, caller, None, now);
        self.state = present;
        answer
    }

    fn exchange(
        &mut self,
        request: &Request,
        caller: Result<Option<Caller>, CfError>,
        effect: Option<&Effect>,
        now: Timestamp,
    ) -> Answer {
        let path = request.path.clone();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match segments.as_slice() {
            [] if request.method == "GET" => Answer::json(200, &self.root(&request.base)),
            ["uaa" | "login", rest @ ..] => self.uaa(request, rest, now),
            ["v3", rest @ ..] => {
                let public = matches!(rest, [] | ["info"]);
                let caller = match caller {
                    Ok(caller) => caller,
                    Err(_) if public => None,
                    Err(refusal) => return refusal.answer(),
                };
                let headers = match self.rate_limit.count(caller.as_ref(), now) {
                    Some(standing) if standing.refusal.is_some() => return limited(standing),
                    Some(standing) => standing.headers,
                    None => Vec::new(),
                };
                let served = self.serve(request, rest, caller.as_ref(), effect, now);
                let mut answer = served.unwrap_or_else(|refusal| refusal.answer());
                answer.headers.extend(headers);
                answer
            }
            _ => CfError::unknown_route().answer(),
        }
    }

    fn serve(
        &mut self,
        request: &Request,
        segments: &[&str],
        caller: Option<&Caller>,
        effect: Option<&Effect>,
        now: Timestamp,
    ) -> Result<Answer, CfError> {
        if request.method == "GET" && segments.is_empty() {
            return Ok(Answer::json(200, &json!({"links": {"self": {"href": format!("{}/v3", request.base)}}})));
        }
        if request.method == "GET" && segments == ["info"] {
            return Ok(Answer::json(200, &self.info(&request.base)));
        }
        let caller = caller.ok_or_else(CfError::not_authenticated)?;
        if request.method == "GET" {
            let page_limit = self.page_limit;
            let view = View { state: &self.state, caller, base: &request.base, now, effect, page_limit };
            let reading = view.read(segments, &request.query)?;
            if let Some(note) = reading.note {
                self.write_down(note, caller, now);
            }
            return Ok(reading.answer);
        }
        let mut writer = Writer { state: &mut self.state, caller, base: &request.base, now };
        let answer = writer.write(segments, request)?;
        self.remember(now);
        Ok(answer)
    }

    /// The audit event of a reading that is none without one.
    fn write_down(&mut self, note: Note, caller: &Caller, now: Timestamp) {
        let actor = &caller.actor;
        match note {
            Note::Environment(app) => {
                self.state.audit_app("audit.app.environment.show", actor, &app, json!({}), now);
            }
            Note::Variables(app) => {
                self.state.audit_app("audit.app.environment_variables.show", actor, &app, json!({}), now);
            }
            Note::Binding(binding) => self.state.audit_binding("show", &binding, json!({}), actor, now),
            Note::Instance(instance) => {
                let user_provided = "audit.user_provided_service_instance.show";
                self.state.audit_instance("audit.service_instance.show", user_provided, &instance, actor, now);
            }
        }
        self.remember(now);
    }

    fn root(&self, base: &str) -> Value {
        let (major, minor, patch) = self.state.api;
        let link = |path: &str| json!({"href": format!("{base}{path}")});
        json!({"links": {
            "self": link(""),
            "cloud_controller_v3":
                {"href": format!("{base}/v3"), "meta": {"version": format!("{major}.{minor}.{patch}")}},
            "network_policy_v0": link("/networking/v0/external"),
            "network_policy_v1": link("/networking/v1/external"),
            "login": link("/login"),
            "uaa": link("/uaa"),
            "credhub": null,
            "routing": null,
            "logging": {"href": format!("wss://doppler.{}:443", self.host)},
            "log_cache": {"href": format!("https://log-cache.{}", self.host)},
            "log_stream": {"href": format!("https://log-stream.{}", self.host)},
            "app_ssh": {
                "href": format!("ssh.{}:2222", self.host),
                "meta": {
                    "host_key_fingerprint": "Y411oivJwZCUQnXHq83mdM5SKCK4ftyoSXI31RRe4Zs",
                    "oauth_client": "ssh-proxy",
                },
            },
        }})
    }

    fn info(&self, base: &str) -> Value {
        let limits = json!({
            "enabled": self.rate_limit.enabled,
            "general_limit": self.rate_limit.general,
            "reset_interval_in_minutes": self.rate_limit.reset_minutes,
        });
        let mut info = json!({
            "build": "", "cli_version": {"minimum": "", "recommended": ""}, "custom": {}, "description": "",
            "name": "", "version": 0, "osbapi_version": "2.15",
            "links": {"self": {"href": format!("{base}/v3/info")}, "support": {"href": ""}},
        });
        if let (true, Some(members)) = (self.state.api >= (3, 200, 0), info.as_object_mut()) {
            members.insert("rate_limits".to_owned(), limits);
        }
        info
    }
}

/// JSON that calls itself text.
fn limited(standing: Standing) -> Answer {
    let refusal = standing.refusal.unwrap_or_else(CfError::rate_limited);
    let mut answer = Answer::new(429, "text/plain; charset=utf-8", refusal.answer().body);
    answer.headers.extend(standing.headers);
    answer
}
