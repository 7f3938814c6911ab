//! Transport: how bytes get to a foundation and back.
//!
//! Decides how long an answer may take, how large it may be, that its certificate is checked, and
//! through which proxy calls leave: none, unless moored is told. It follows no redirect, and never
//! reads what a body says. [`super::session`] sends everything through it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Proxy, Request, Response, Url};

use super::classify::{causes, one_line};
use super::pace::RateLimit;

/// How moored names itself.
const USER_AGENT: &str = concat!("moored/", env!("CARGO_PKG_VERSION"));
/// Until there is a connection, name and TLS included.
const CONNECT: Duration = Duration::from_secs(3);
/// Between any two pieces of an answer, and before the first.
const IDLE: Duration = Duration::from_secs(10);
/// For one answer as a whole: what drips in is never idle.
const CALL: Duration = Duration::from_secs(60);
/// The largest body, in bytes: a page of 5,000 apps has about 10 MB.
const LARGEST: u64 = 32 * 1024 * 1024;

/// One client for all foundations. Clones share its connections.
#[derive(Clone)]
pub(super) struct Transport {
    client: Client,
    largest: u64,
}

/// The client would show its proxy, whose address may hold a password.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// What was answered, whatever the status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    /// Where a redirect leads.
    pub(super) location: Option<String>,
    /// Seconds.
    pub(super) retry_after: Option<u64>,
    pub(super) limit: RateLimit,
    /// The platform's clock when it answered, to the second.
    pub(super) date: Option<Timestamp>,
    /// What the platform remarks beside the answer.
    pub(super) warnings: Vec<String>,
    pub(super) body: Vec<u8>,
}

/// There is no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Taking it in could take all memory.
    #[error("HTTP {status} with more than {largest} bytes")]
    TooLarge {
        /// The HTTP status.
        status: u16,
        /// What would be taken.
        largest: u64,
    },
    /// The connection failed, or did before the answer was over.
    #[error("no whole answer")]
    Broken(#[source] reqwest::Error),
}

impl NoAnswer {
    /// Without the address, which the caller names in its own words.
    fn broken(error: reqwest::Error) -> Self {
        Self::Broken(error.without_url())
    }
}

impl Transport {
    /// A client that speaks nothing but TLS; for a simulated cloud one that trusts no certificate
    /// and needs none, on loopback, where no proxy may come between.
    pub(super) fn new(proxy: Option<&str>, simulated: bool) -> Result<Self, String> {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            // Not those of the environment, which may be meant for other programs.
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(IDLE)
            .timeout(CALL)
            .tls_version_min(reqwest::tls::Version::TLS_1_2);
        let builder = if simulated {
            builder.tls_certs_only(std::iter::empty::<Certificate>())
        } else {
            builder.https_only(true)
        };
        let builder = match proxy.filter(|_| !simulated) {
            // The error would show the address, which may hold a password.
            Some(url) => builder.proxy(Proxy::all(url).map_err(|_| "the proxy's address is no URL".to_owned())?),
            None => builder,
        };
        let client = builder.build().map_err(|error| format!("no HTTPS client can be made: {}", causes(&error)))?;
        Ok(Self { client, largest: LARGEST })
    }

    /// Makes requests; [`Transport::fetch`] sends them.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request and takes in the whole answer.
    pub(super) async fn fetch(&self, request: Request) -> Result<Answer, NoAnswer> {
        let mut response = self.client.execute(request).await.map_err(NoAnswer::broken)?;
        let mut answer = Answer::headed(&response);
        let too_large = NoAnswer::TooLarge { status: answer.status, largest: self.largest };
        if response.content_length().is_some_and(|length| length > self.largest) {
            return Err(too_large);
        }
        while let Some(piece) = response.chunk().await.map_err(NoAnswer::broken)? {
            if (answer.body.len() + piece.len()) as u64 > self.largest {
                return Err(too_large);
            }
            answer.body.extend_from_slice(&piece);
        }
        Ok(answer)
    }
}

impl Answer {
    /// All but the body.
    fn headed(response: &Response) -> Self {
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| text(name).and_then(|value| value.trim().parse::<u64>().ok());
        let reset = number("x-ratelimit-reset").and_then(|seconds| i64::try_from(seconds).ok());
        Self {
            status: response.status().as_u16(),
            content_type: text("content-type").map(str::to_owned),
            location: text("location").map(str::to_owned),
            retry_after: number("retry-after"),
            limit: RateLimit {
                limit: number("x-ratelimit-limit"),
                remaining: number("x-ratelimit-remaining"),
                reset: reset.and_then(|seconds| Timestamp::from_second(seconds).ok()),
            },
            date: text("date").and_then(|date| DateTimeParser::new().parse_timestamp(date).ok()),
            warnings: warnings(response),
            body: Vec::new(),
        }
    }

    /// Whether this is a success.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A list with commas between, each encoded like a form.
fn warnings(response: &Response) -> Vec<String> {
    let values = response.headers().get_all("x-cf-warnings").iter().filter_map(|value| value.to_str().ok());
    let shown = values.flat_map(|value| value.split(',')).map(|warning| one_line(&decoded(warning)));
    shown.filter(|warning| !warning.is_empty()).collect()
}

fn decoded(text: &str) -> String {
    let Ok(mut url) = Url::parse("http://warning.invalid/") else { return text.to_owned() };
    url.set_query(Some(&format!("text={}", text.trim())));
    let pair = url.query_pairs().next().map(|(_, value)| value.into_owned());
    pair.unwrap_or_default()
}

/// `a=b&c=d`, encoded for a query or a form.
pub(super) fn pairs(pairs: &[(&str, &str)]) -> String {
    let encoded: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
    encoded.join("&")
}

fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What a client that takes at most four bytes makes of this answer.
    async fn fetched(answer: &'static str) -> Result<Answer, NoAnswer> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let transport = Transport { largest: 4, ..Transport::new(None, true).unwrap() };
        let request = transport.client().get(format!("http://{address}/")).build().unwrap();
        let fetched = transport.fetch(request).await;
        server.await.unwrap();
        fetched
    }

    #[tokio::test]
    async fn a_body_is_taken_in_up_to_the_limit() {
        let four = fetched("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfour").await;
        assert_eq!(four.ok().unwrap().body, b"four");
        for fiver in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfiver",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfiver",
        ] {
            assert!(matches!(fetched(fiver).await, Err(NoAnswer::TooLarge { status: 200, largest: 4 })));
        }
    }

    #[tokio::test]
    async fn half_a_body_is_no_answer() {
        let half = fetched("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfo").await;
        assert!(matches!(half, Err(NoAnswer::Broken(_))));
    }

    #[tokio::test]
    async fn a_foundation_is_spoken_to_over_tls_only() {
        let transport = Transport::new(None, false).unwrap();
        let request = transport.client().get("http://127.0.0.1:9/").build().unwrap();
        let Err(NoAnswer::Broken(error)) = transport.fetch(request).await else { panic!("it was sent") };
        assert!(error.is_builder(), "{error}");
    }

    #[test]
    fn names_with_commas_and_warnings_are_encoded_and_decoded() {
        assert_eq!(
            pairs(&[("names", "a%2Cb,c d"), ("created_ats[gte]", "ü")]),
            "names=a%252Cb%2Cc%20d&created_ats%5Bgte%5D=%C3%BC"
        );
        assert_eq!(decoded("Stats+server%3A%20down%0A"), "Stats server: down\n");
    }
}
