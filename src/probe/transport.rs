//! Transport: one request, and what came back or why nothing did.
//!
//! Decides how long an answer may take, how large it may be, who is believed to be who they say,
//! and which of the [`Silence`]s it is when there is no answer. One request a reading, on a
//! connection of its own, so that each reading sees what a new visitor would. Never reads what an
//! answer says. `scopes::http_probe` asks through it.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Client, Proxy, Response, Url, retry};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::address::{Guard, Names, NotAsked, Reach, SystemNames};
use crate::core::visible::escaped;
use crate::kinds::http_probe::live::Silence;

/// Who asks.
const USER_AGENT: &str = concat!("moored/", env!("CARGO_PKG_VERSION"), " (probe)");
/// Tells a simulated cloud whether the request would have gone over TLS.
pub const SIMULATED_SCHEME: &str = "x-simulated-scheme";
/// The longest detail of a failure that is repeated, in characters.
const DETAIL: usize = 120;

/// How long the other side may take, and how much it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a name has an address.
    pub name: Duration,
    /// Until there is a connection, name and TLS included.
    pub connect: Duration,
    /// For all of it, to the last byte of the answer.
    pub answer: Duration,
    /// The largest body that is read, in bytes.
    pub body: usize,
}

impl Limits {
    /// Those of every probe. The longest `timeout` that a manifest may name is that of the answer.
    pub const PROBE: Self = Self {
        name: Duration::from_secs(5),
        connect: Duration::from_secs(10),
        answer: Duration::from_secs(30),
        body: 1024 * 1024,
    };
}

/// What a transport is made of.
#[derive(Clone)]
pub struct Setup {
    /// Who knows the addresses of names.
    pub names: Arc<dyn Names>,
    /// How far it reaches.
    pub reach: Reach,
    /// How patient it is.
    pub limits: Limits,
    /// Carries what goes over TLS. Its URL may hold a password.
    pub proxy: Option<String>,
    /// Authorities that are believed besides the system's, as PEM.
    pub trusted: Vec<Vec<u8>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            names: Arc::new(SystemNames),
            reach: Reach::default(),
            limits: Limits::PROBE,
            proxy: None,
            trusted: Vec::new(),
        }
    }
}

/// An answer, unread.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// How long it took, to its last byte.
    pub latency: Duration,
    /// The certificate of who gave it.
    pub certificate: Option<Vec<u8>>,
    /// Its body; `None` if that is larger than the limit.
    pub body: Option<Vec<u8>>,
}

/// No answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The other side gave none.
    #[error("{said}")]
    NoAnswer {
        /// Why.
        class: Silence,
        /// The same in words.
        said: String,
    },
    /// moored cannot ask anybody.
    #[error("moored cannot probe: {0}")]
    NoClient(String),
}

impl ProbeError {
    fn silence(class: Silence, said: impl Into<String>) -> Self {
        Self::NoAnswer { class, said: said.into() }
    }
}

impl From<&NotAsked> for ProbeError {
    fn from(error: &NotAsked) -> Self {
        let class = match error {
            NotAsked::NotFound { .. } | NotAsked::Slow { .. } => Silence::Dns,
            NotAsked::Refused { .. } => Silence::RefusedAddress,
        };
        Self::silence(class, error.to_string())
    }
}

/// How requests get to other machines.
pub struct Transport {
    guard: Guard,
    setup: Setup,
    /// For http://, which needs no certificates of authorities.
    plain: OnceLock<Client>,
    /// For https://.
    secure: OnceLock<Client>,
}

impl Transport {
    /// Made of this. Nothing is opened before the first request.
    pub fn new(setup: Setup) -> Self {
        let guard = Guard::new(setup.names.clone(), setup.reach, setup.limits.name);
        Self { guard, setup, plain: OnceLock::new(), secure: OnceLock::new() }
    }

    /// Asks once. `simulated` is the scheme of a URL that a simulated cloud answers for.
    pub async fn get(&self, url: &Url, simulated: Option<&str>) -> Result<Answer, ProbeError> {
        let way = Way::to(url, &self.setup);
        let client = self.client(way.secure)?;
        // The connector asks the guard for the addresses of names, and connects to those; it does
        // not ask for what is an address already, nor for names that a proxy looks up.
        if way.literal || way.proxied {
            match self.guard.addresses(way.host).await {
                Ok(_) => {}
                Err(NotAsked::NotFound { .. } | NotAsked::Slow { .. }) if way.proxied => {}
                Err(error) => return Err((&error).into()),
            }
        }
        let mut request = client.get(url.clone());
        if let Some(scheme) = simulated {
            request = request.header(SIMULATED_SCHEME, scheme);
        }
        let started = Instant::now();
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(self.explain(error, &way).await),
        };
        let body = match self.body(&mut response).await {
            Ok(body) => body,
            Err(error) => return Err(self.explain(error, &way).await),
        };
        let certificate = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
        Ok(Answer {
            status: response.status().as_u16(),
            latency: started.elapsed(),
            certificate: certificate.map(<[u8]>::to_vec),
            headers: response.headers().clone(),
            body,
        })
    }

    async fn body(&self, response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
        let mut taken = Vec::new();
        while let Some(piece) = response.chunk().await? {
            if taken.len() + piece.len() > self.setup.limits.body {
                return Ok(None);
            }
            taken.extend_from_slice(&piece);
        }
        Ok(Some(taken))
    }

    /// What cannot be made now may be later: a file of authorities that is being written.
    fn client(&self, secure: bool) -> Result<Client, ProbeError> {
        let made = if secure { &self.secure } else { &self.plain };
        if let Some(client) = made.get() {
            return Ok(client.clone());
        }
        let client = self.build(secure).map_err(ProbeError::NoClient)?;
        Ok(made.get_or_init(|| client).clone())
    }

    fn build(&self, secure: bool) -> Result<Client, String> {
        let limits = &self.setup.limits;
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .redirect(Policy::none())
            .retry(retry::never())
            .referer(false)
            .pool_max_idle_per_host(0)
            .connect_timeout(limits.connect)
            .timeout(limits.answer)
            .tls_info(true);
        if secure {
            for pem in &self.setup.trusted {
                let certificate = Certificate::from_pem(pem).map_err(|error| story(&error))?;
                builder = builder.tls_certs_merge([certificate]);
            }
        } else {
            builder = builder.tls_certs_only(std::iter::empty());
        }
        builder = match self.setup.proxy.as_deref().filter(|_| secure) {
            // The names that the connector looks up are the proxy's own then.
            Some(proxy) => builder.proxy(Proxy::https(proxy).map_err(|_| "the URL of the proxy is none".to_owned())?),
            None => builder.dns_resolver(self.guard.clone()),
        };
        builder.build().map_err(|error| story(&error))
    }

    /// What it means that there is no answer.
    async fn explain(&self, error: reqwest::Error, way: &Way<'_>) -> ProbeError {
        let error = error.without_url();
        if let Some(not_asked) = cause::<NotAsked>(&error) {
            return not_asked.into();
        }
        let (host, said) = (way.host, story(&error));
        let (connecting, late) = (error.is_connect(), error.is_timeout());
        let system = cause::<io::Error>(&error).map(io::Error::kind);
        let (class, said) = if late {
            let Limits { connect, answer, .. } = self.setup.limits;
            if !connecting {
                (Silence::Timeout, format!("{host} gave no answer within {} s", answer.as_secs_f32()))
            } else if way.secure && !way.proxied && self.connects(way).await {
                (Silence::Timeout, format!("{host} finished no TLS handshake within {} s", connect.as_secs_f32()))
            } else {
                (Silence::Unreachable, format!("{host} took no connection within {} s", connect.as_secs_f32()))
            }
        } else if !connecting {
            (Silence::Broken, format!("{host} broke off: {said}"))
        } else if way.proxied && chain(&error).any(|error| error.to_string().starts_with("tunnel error")) {
            (Silence::Unreachable, format!("the proxy made no connection to {host}: {said}"))
        } else {
            use io::ErrorKind::*;
            match system {
                Some(ConnectionRefused) => {
                    (Silence::Refused, format!("{host} refuses connections to port {}", way.port))
                }
                Some(HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable | PermissionDenied) => {
                    (Silence::Unreachable, format!("no way leads to {host}: {said}"))
                }
                _ if way.secure => (Silence::Tls, format!("{host} {}", distrust(&said))),
                _ => (Silence::Broken, format!("{host} broke off: {said}")),
            }
        };
        ProbeError::silence(class, said)
    }

    /// Whether there would be a connection: then it was TLS that took so long.
    async fn connects(&self, way: &Way<'_>) -> bool {
        let Ok(addresses) = self.guard.addresses(way.host).await else { return false };
        let addresses: Vec<SocketAddr> =
            addresses.into_iter().map(|address| SocketAddr::new(address, way.port)).collect();
        matches!(timeout(self.setup.limits.name, TcpStream::connect(addresses.as_slice())).await, Ok(Ok(_)))
    }
}

/// How a request gets to its URL.
struct Way<'a> {
    host: &'a str,
    port: u16,
    /// Whether the host is no name, but an address.
    literal: bool,
    secure: bool,
    proxied: bool,
}

impl<'a> Way<'a> {
    fn to(url: &'a Url, setup: &Setup) -> Self {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let secure = url.scheme() == "https";
        Self {
            host,
            port: url.port_or_known_default().unwrap_or_default(),
            literal: host.parse::<IpAddr>().is_ok(),
            secure,
            proxied: secure && setup.proxy.is_some(),
        }
    }
}

/// An error, what caused it, what caused that, and so on.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

/// The innermost error of this type, among those that led to this one.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).filter_map(|error| error.downcast_ref::<E>()).last()
}

/// What the innermost error says, in one short line.
fn story(error: &(dyn Error + 'static)) -> String {
    let said = chain(error).last().map(|error| error.to_string()).unwrap_or_default();
    escaped(said.lines().next().unwrap_or_default()).chars().take(DETAIL).collect()
}

/// What the TLS library says of certificates, and what a person is told.
const CERTIFICATES: [(&str, &str); 8] = [
    ("certificate expired", "shows a certificate that has expired"),
    ("Expired", "shows a certificate that has expired"),
    ("not valid yet", "shows a certificate that is not valid yet"),
    ("NotValidYet", "shows a certificate that is not valid yet"),
    ("not valid for name", "shows a certificate of another name"),
    ("NotValidForName", "shows a certificate of another name"),
    ("UnknownIssuer", "shows a certificate that nobody vouches for whom this machine trusts (self-signed?)"),
    ("CaUsedAsEndEntity", "shows a certificate that nobody vouches for whom this machine trusts (self-signed?)"),
];

/// Why a server is not believed, in words that stay the same from one reading to the next: the
/// library's own count the seconds.
fn distrust(said: &str) -> String {
    match CERTIFICATES.iter().find(|(sign, _)| said.contains(sign)) {
        Some((_, why)) => (*why).to_owned(),
        None => format!("cannot be talked to over TLS: {said}"),
    }
}
