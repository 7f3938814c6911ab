//! Pretend web sites for HTTP probes.
//!
//! Decides what a host answers below a path: a status, headers, a body, or an effect. It never
//! opens a socket: whoever mounts it tells it the host and spells the answer with
//! [`super::wire::reply`]. Scenarios change the sites as their incidents go on.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Answer;

/// What a site does instead of simply answering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The connection breaks before anything arrives.
    Refuse,
    /// Answers this late.
    Slow(Duration),
    /// Answers 302 to this address.
    Redirect(String),
}

/// What one host answers below one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The HTTP status.
    pub status: u16,
    /// Headers beside the content type.
    pub headers: Vec<(String, String)>,
    /// The content type.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// What goes wrong.
    pub trouble: Option<Trouble>,
}

impl Site {
    /// A small page with this status.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: "text/plain".to_owned(),
            body: format!("{status}\n").into_bytes(),
            trouble: None,
        }
    }

    /// 200 with this JSON.
    pub fn json(body: &Value) -> Self {
        Self {
            content_type: "application/json".to_owned(),
            body: serde_json::to_vec(body).unwrap_or_default(),
            ..Self::status(200)
        }
    }

    /// The same with a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, in trouble.
    pub fn troubled(self, trouble: Trouble) -> Self {
        Self { trouble: Some(trouble), ..self }
    }

    fn answer(&self) -> Answer {
        let mut answer = Answer::new(self.status, &self.content_type, self.body.clone());
        answer.headers.extend(self.headers.clone());
        match &self.trouble {
            None => answer,
            Some(Trouble::Refuse) => Answer { body: Vec::new(), cut: true, ..answer },
            Some(Trouble::Slow(delay)) => Answer { delay: Some(*delay), ..answer },
            Some(Trouble::Redirect(to)) => Answer::empty(302).with_header("Location", to.as_str()),
        }
    }
}

/// Every site, and from when on each of its faces is shown.
#[derive(Debug, Clone, Default)]
pub struct Sites {
    faces: BTreeMap<(String, String), Vec<(Timestamp, Site)>>,
    visits: BTreeMap<String, usize>,
}

impl Sites {
    /// From this time on, the host answers so for every path that begins so and has no face of its
    /// own. Times may lie ahead; of two for one time the later call counts.
    pub fn set(&mut self, host: &str, path: &str, site: Site, from: Timestamp) {
        let faces = self.faces.entry((host.to_ascii_lowercase(), path.to_owned())).or_default();
        faces.push((from, site));
        faces.sort_by_key(|(from, _)| *from);
    }

    /// Nobody is at home any more.
    pub fn remove(&mut self, host: &str) {
        let host = host.to_ascii_lowercase();
        self.faces.retain(|(known, _), _| *known != host);
    }

    /// How often a host was asked.
    pub fn visits(&self, host: &str) -> usize {
        self.visits.get(&host.to_ascii_lowercase()).copied().unwrap_or(0)
    }

    /// What a host answers now. A host that nobody has set breaks the connection, a path that it
    /// does not know is 404.
    pub fn answer(&mut self, host: &str, path: &str, now: Timestamp) -> Answer {
        let host = host.to_ascii_lowercase();
        *self.visits.entry(host.clone()).or_default() += 1;
        let mut is_known = false;
        let mut best: Option<(&str, &Site)> = None;
        for ((known, below), faces) in &self.faces {
            let Some((_, site)) = faces.iter().rev().find(|(from, _)| *from <= now) else { continue };
            if *known != host {
                continue;
            }
            is_known = true;
            if path.starts_with(below.as_str()) && best.is_none_or(|(longest, _)| longest.len() < below.len()) {
                best = Some((below.as_str(), site));
            }
        }
        match best {
            Some((_, site)) => site.answer(),
            None if is_known => Site::status(404).answer(),
            None => Site::status(503).troubled(Trouble::Refuse).answer(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    #[test]
    fn the_longest_path_that_fits_answers_from_its_time_on() {
        let mut sites = Sites::default();
        sites.set("ci.example.com", "/", Site::status(200), at(0));
        sites.set("ci.example.com", "/api/v1/info", Site::json(&json!({"version": "7"})), at(0));
        sites.set("ci.example.com", "/", Site::status(503), at(100));
        assert_eq!(sites.answer("CI.example.com", "/api/v1/info", at(200)).body, br#"{"version":"7"}"#);
        assert_eq!(sites.answer("ci.example.com", "/x", at(99)).status, 200);
        assert_eq!(sites.answer("ci.example.com", "/x", at(100)).status, 503);
        assert_eq!(sites.visits("ci.example.com"), 3);
    }

    #[test]
    fn a_host_that_nobody_has_set_breaks_the_connection() {
        let mut sites = Sites::default();
        sites.set("known.example.com", "/only", Site::status(200), at(0));
        assert!(sites.answer("other.example.com", "/", at(1)).cut);
        assert_eq!(sites.answer("known.example.com", "/", at(1)).status, 404);
    }
}
