//! The request of a probe, and what came back in the kind's own words.
//!
//! Decides where a simulated cloud is asked in place of the network, and what of an answer is kept:
//! of a redirect the host alone, of the body what is JSON if anybody asks for that. Called by
//! [`super::HttpProbe`].

use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{HeaderMap, LOCATION};

use crate::core::observation::{Failure, Reason};
use crate::core::value::{Fact, Value};
use crate::kinds::http_probe::live::{Answer, Document, Observed, Silence};
use crate::probe::ProbeContext;
use crate::probe::certificate;
use crate::probe::transport::{self, ProbeError};

/// Where a simulated cloud answers for the network: `/_http/<host>[:<port>]<path>`.
const SIMULATED_PATH: &str = "/_http/";
/// A simulated cloud's word that there would have been no answer: one of [`Silence`].
const SIMULATED_FAILURE: &str = "x-simulated-failure";
/// When the certificate would expire that a simulated cloud has none of.
const SIMULATED_EXPIRY: &str = "x-simulated-tls-expires-at";

/// What is heard at this address. `Err` if it could not even be asked.
pub(super) async fn heard(context: &ProbeContext, address: &str, parse: bool) -> Result<Observed, Failure> {
    let url = url(address)?;
    let simulated = context.cloud.is_some();
    let asked = match &context.cloud {
        None => context.transport.get(&url, None).await,
        Some(cloud) => context.transport.get(&in_the_cloud(cloud, &url)?, Some(url.scheme())).await,
    };
    match asked {
        Ok(answer) if simulated => Ok(pretended(&answer.headers).unwrap_or_else(|| {
            let expires_at = (url.scheme() == "https").then(|| pretended_expiry(&answer.headers));
            observed(answer, &url, expires_at, parse)
        })),
        Ok(answer) => {
            let expires_at = (url.scheme() == "https").then(|| expiry(answer.certificate.as_deref()));
            Ok(observed(answer, &url, expires_at, parse))
        }
        // What cannot be reached then is the cloud itself, about which nothing was declared.
        Err(ProbeError::NoAnswer { class, said }) if simulated && !late(class) => {
            Err(Failure::new(Reason::Network, format!("the simulated cloud: {said} — is it running?")))
        }
        Err(ProbeError::NoAnswer { class, said }) => Ok(Observed::Nothing { class, said }),
        Err(error @ ProbeError::NoClient(_)) => Err(Failure::new(Reason::Invalid, error.to_string())),
    }
}

fn url(address: &str) -> Result<Url, Failure> {
    let wrong = match Url::parse(address) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => return Ok(url),
        Ok(url) => format!("{}:// cannot be probed", url.scheme()),
        Err(error) => error.to_string(),
    };
    Err(Failure::new(Reason::Invalid, format!("{address}: {wrong} — correct the `url:` of the probe")))
}

/// Whether somebody was there.
fn late(class: Silence) -> bool {
    matches!(class, Silence::Timeout | Silence::Broken)
}

/// The address at which a simulated cloud answers for this one.
fn in_the_cloud(cloud: &str, url: &Url) -> Result<Url, Failure> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let cloud = cloud.trim_end_matches('/');
    Url::parse(&format!("{cloud}{SIMULATED_PATH}{host}{port}{}{query}", url.path()))
        .map_err(|error| Failure::new(Reason::Invalid, format!("{cloud} is no URL: {error} — correct `--cloud`")))
}

fn pretended(headers: &HeaderMap) -> Option<Observed> {
    let class = Silence::parse(headers.get(SIMULATED_FAILURE)?.to_str().ok()?)?;
    Some(Observed::Nothing { class, said: format!("simulated: {}", class.as_str()) })
}

fn pretended_expiry(headers: &HeaderMap) -> Result<Timestamp, Fact> {
    let told = headers.get(SIMULATED_EXPIRY).and_then(|text| text.to_str().ok());
    told.and_then(|text| text.parse().ok())
        .ok_or_else(|| Fact::Unchecked("a simulated cloud shows no certificate".into()))
}

/// Nothing here is worth doubting the answer itself.
fn expiry(certificate: Option<&[u8]>) -> Result<Timestamp, Fact> {
    certificate.and_then(certificate::expires_at).ok_or(Fact::Known(Value::Nothing))
}

fn observed(
    answer: transport::Answer,
    url: &Url,
    expires_at: Option<Result<Timestamp, Fact>>,
    parse: bool,
) -> Observed {
    let redirects = (300..400).contains(&answer.status);
    let location = answer.headers.get(LOCATION).filter(|_| redirects).and_then(|text| text.to_str().ok());
    // It may lead to a path of the same host; what stands behind the host may be a token.
    let location = location.and_then(|text| url.join(text).ok()).and_then(|to| to.host_str().map(str::to_owned));
    let document = match answer.body {
        _ if !parse => Document::NotAsked,
        None => Document::TooLong,
        Some(body) => serde_json::from_slice(&body).map_or(Document::Other, Document::Json),
    };
    Observed::Answer(Answer {
        status: answer.status,
        location,
        latency_ms: i64::try_from(answer.latency.as_millis()).unwrap_or(i64::MAX),
        expires_at,
        document,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_cloud_answers_for_every_address() {
        for (url, there) in [
            ("https://api.example.com/", "http://127.0.0.1:4566/_http/api.example.com/"),
            ("http://api.example.com:8080/a/b?c=d", "http://127.0.0.1:4566/_http/api.example.com:8080/a/b?c=d"),
            ("http://api.example.com/../_admin", "http://127.0.0.1:4566/_http/api.example.com/_admin"),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(in_the_cloud("http://127.0.0.1:4566/", &url).unwrap().as_str(), there);
        }
    }
}
