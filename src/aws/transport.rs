//! Transport: how bytes get to AWS and back.
//!
//! Decides how long an answer may take, how large it may be, that it came whole, and through which
//! proxy calls leave: none, unless moored is told. It follows no redirect and never reads what an
//! answer says. [`super::session`] puts it below every client, those that fetch credentials included.

use std::fmt;
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::{ByteStream, error::Error as StreamError};
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::ErrorKind;
use aws_smithy_types::timeout::TimeoutConfig;

/// How long AWS may take, and how much it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until there is a connection, name and TLS included.
    pub connect: Duration,
    /// Until the answer begins, and between any two pieces of it.
    pub idle: Duration,
    /// For one attempt, from the first byte sent to the last received: what drips in is never idle.
    pub attempt: Duration,
    /// For a call with all its attempts.
    pub call: Duration,
    /// The largest body, in bytes.
    pub body: u64,
}

impl Limits {
    /// Those of every reading. Three attempts and the waits between them fit into one call. The
    /// largest page that AWS sends is 16 MB (BatchGetItem).
    pub const AWS: Self = Self {
        connect: Duration::from_secs(3),
        idle: Duration::from_secs(10),
        attempt: Duration::from_secs(15),
        call: Duration::from_secs(60),
        body: 32 * 1024 * 1024,
    };

    /// The part of them that the SDK watches.
    pub(super) fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .read_timeout(self.idle)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.call)
            .build()
    }
}

/// A proxy for TLS connections. Plain HTTP (the metadata service that gives credentials) never
/// goes through one.
#[derive(Clone)]
pub struct Proxy(ProxyConfig);

impl Proxy {
    /// The proxy at this URL, which may hold a name and a password.
    pub fn at(url: &str) -> Result<Self, String> {
        ProxyConfig::https(url).map(Self).map_err(|error| error.to_string())
    }
}

/// The URL may hold a password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy")
    }
}

/// A client with TLS that goes through this proxy or none. The SDK's own would obey `HTTP_PROXY`
/// and its kin, which may be meant for other programs, or for nobody's good.
pub(super) fn with_tls(proxy: Option<&Proxy>) -> SharedHttpClient {
    let proxy = proxy.map_or_else(ProxyConfig::disabled, |proxy| proxy.0.clone());
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.set_proxy_config(Some(proxy.clone()));
        connector.build()
    })
}

/// A client for a simulated cloud on loopback, which needs neither.
pub(super) fn plain() -> SharedHttpClient {
    Builder::new().build_http()
}

/// An answer that moored does not believe.
#[derive(Debug, thiserror::Error)]
pub enum BadAnswer {
    /// Taking it in could take all memory.
    #[error("HTTP {status} with more than {most} bytes")]
    TooLarge {
        /// The HTTP status.
        status: u16,
        /// What would be taken.
        most: u64,
    },
    /// The connection ended before the answer did.
    #[error("HTTP {status} that could not be read")]
    BrokeOff {
        /// The HTTP status.
        status: u16,
        /// What happened to the connection.
        #[source]
        cause: StreamError,
    },
    /// A success that says nothing, which the SDK would read as a list without entries.
    #[error("HTTP {status} with an empty body")]
    Empty {
        /// The HTTP status.
        status: u16,
    },
    /// XML that ends in the middle: the SDK would read what there is, and call it all.
    #[error("HTTP {status} with half an answer: it does not end with </{root}>")]
    Unfinished {
        /// The HTTP status.
        status: u16,
        /// The element that is not closed.
        root: String,
    },
}

/// The pause in an answer was too long.
#[derive(Debug, thiserror::Error)]
#[error("the answer paused for more than {} ms", .0.as_millis())]
struct Stalled(Duration);

/// A client whose answers are whole, and no larger than the limit.
#[derive(Debug)]
pub(super) struct Bounded {
    inner: SharedHttpClient,
    limits: Limits,
}

impl Bounded {
    /// Around this client.
    pub(super) fn around(inner: SharedHttpClient, limits: Limits) -> SharedHttpClient {
        SharedHttpClient::new(Self { inner, limits })
    }
}

impl HttpClient for Bounded {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        // The inner client keeps its connectors, and with them the connections.
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(BoundedConnector { inner, limits: self.limits })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.inner.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct BoundedConnector {
    inner: SharedHttpConnector,
    limits: Limits,
}

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, limits) = (self.inner.call(request), self.limits);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let status = answer.status();
            let body = taken_in(answer.take_body(), status.as_u16(), limits).await?;
            if status.is_success() {
                whole(body.bytes().unwrap_or_default(), status.as_u16()).map_err(again)?;
            }
            *answer.body_mut() = body;
            Ok(answer)
        })
    }
}

/// An accident of the connection: another attempt may go well.
fn again(bad: BadAnswer) -> ConnectorError {
    ConnectorError::other(bad.into(), Some(ErrorKind::TransientError))
}

/// The whole body, in memory. Nobody here streams an answer, so that nothing is parsed before all
/// of it has arrived.
async fn taken_in(body: SdkBody, status: u16, limits: Limits) -> Result<SdkBody, ConnectorError> {
    let most = limits.body;
    let too_large = || ConnectorError::other(BadAnswer::TooLarge { status, most }.into(), None);
    if body.content_length().is_some_and(|length| length > most) {
        return Err(too_large());
    }
    if body.bytes().is_some() {
        return Ok(body);
    }
    let mut stream = ByteStream::new(body);
    let mut taken: Vec<u8> = Vec::new();
    loop {
        let piece = tokio::time::timeout(limits.idle, stream.next())
            .await
            .map_err(|_| ConnectorError::timeout(Stalled(limits.idle).into()))?;
        let piece = match piece {
            None => return Ok(SdkBody::from(taken)),
            Some(piece) => piece.map_err(|cause| again(BadAnswer::BrokeOff { status, cause }))?,
        };
        if (taken.len() + piece.len()) as u64 > most {
            return Err(too_large());
        }
        taken.extend_from_slice(&piece);
    }
}

/// Whether a successful answer can be all there is. JSON needs no look: the SDK refuses half of it.
fn whole(body: &[u8], status: u16) -> Result<(), BadAnswer> {
    let text = body.trim_ascii();
    match text.first() {
        None => Err(BadAnswer::Empty { status }),
        Some(b'<') => match unclosed(text) {
            Some(root) => Err(BadAnswer::Unfinished { status, root }),
            None => Ok(()),
        },
        Some(_) => Ok(()),
    }
}

/// The root element of XML that does not end with it.
fn unclosed(text: &[u8]) -> Option<String> {
    let Some(tag) = root(text) else { return Some("?".to_owned()) };
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/');
    let name = tag.split(ends).next().unwrap_or_default();
    let before = text.strip_suffix(b">").and_then(|text| text.trim_ascii_end().strip_suffix(name));
    let closed = !name.is_empty() && before.is_some_and(|before| before.ends_with(b"</"));
    // `<Root/>`, and nothing after it.
    let alone = tag.ends_with(b"/>") && tag.iter().position(|byte| *byte == b'>') == Some(tag.len() - 1);
    let shown = name.get(..name.len().min(64)).unwrap_or_default();
    (!closed && !alone).then(|| String::from_utf8_lossy(shown).into_owned())
}

/// The text from the name of the root element on.
fn root(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        let at = rest.iter().position(|byte| *byte == b'<')?;
        rest = rest.get(at + 1..)?;
        // A declaration, a comment or a document type is no element.
        if !matches!(rest.first()?, b'?' | b'!') {
            return Some(rest);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_whole_only_with_the_end_of_its_root() {
        let answer = b"<?xml version=\"1.0\"?>\n<!-- a > b --><a:ListResponse xmlns:a=\"u\"><member>1</member><member/></a:ListResponse>\n";
        assert!(whole(answer, 200).is_ok());
        let end = answer.len() - 1;
        for cut in 0..end {
            assert!(whole(&answer[..cut], 200).is_err(), "{}", String::from_utf8_lossy(&answer[..cut]));
        }
        for whole_too in ["<a/>", "<a b=\"c\" />", "<a></a>", "<!DOCTYPE html><html></html>", "{\"a\":", "1", "x<a>"] {
            assert!(whole(whole_too.as_bytes(), 200).is_ok(), "{whole_too}");
        }
        for half in ["", " \n", "<a><b/>", "<a><b></b>", "<aa></a>", "<", "<?xml?>", "</a>x"] {
            assert!(whole(half.as_bytes(), 200).is_err(), "{half}");
        }
    }

    #[tokio::test]
    async fn a_body_is_taken_in_up_to_the_limit() {
        let limits = Limits { body: 4, ..Limits::AWS };
        let body = taken_in(SdkBody::from("four"), 200, limits).await.unwrap();
        assert_eq!(body.bytes(), Some(&b"four"[..]));
        assert!(taken_in(SdkBody::from("fiver"), 200, limits).await.is_err());
    }

    #[test]
    fn a_proxy_keeps_its_password_to_itself() {
        let proxy = Proxy::at("http://name:hunter2@proxy.example.com:3128").unwrap();
        assert!(!format!("{proxy:?}").contains("hunter2"));
        assert!(Proxy::at("no url").is_err());
    }
}
