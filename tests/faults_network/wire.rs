//! A person in the middle: takes requests on a socket, lets the simulated cloud answer them, and
//! sends what a script makes of the answer, byte by byte if need be.
//!
//! Decides nothing: each test says what happens to which request. One request a connection, so that
//! no connection of a good time serves in a bad one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http;
use moored::sim::wire::Cloud;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A request, as far as the test is interested.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The service that it is signed for, such as `ecs`.
    pub service: String,
    /// Head and body.
    pub text: String,
}

/// What the client gets.
pub enum Act {
    /// What the cloud answers.
    Honest,
    /// What the cloud answers, with its body edited.
    Edited(fn(&str) -> String),
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// What the cloud answers, after this time.
    Late(Duration),
    /// The head at once, and the body a piece of this size at a time, with this pause before each.
    Drip(usize, Duration),
    /// The head and the first half of the body, and then nothing more.
    Stall,
    /// Nothing, ever.
    Silence,
    /// 200 with so many zeros; their number is told beforehand, or not.
    Flood(u64, bool),
}

type Script = Arc<dyn Fn(&Asked) -> Act + Send + Sync>;

struct Shared {
    cloud: Cloud,
    script: Mutex<Script>,
    /// Counts the scripts: a connection of an earlier one is cut off.
    act: AtomicU64,
    asked: Mutex<Vec<Asked>>,
    flooded: AtomicU64,
    closed: AtomicBool,
}

/// The person in the middle, at work until dropped.
pub struct Wire {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    // Dropped without waiting for connections that never end.
    runtime: Option<Runtime>,
}

impl Wire {
    /// In front of this cloud, honest until told otherwise.
    pub fn new(cloud: &Cloud) -> Self {
        Self::at(cloud, "127.0.0.1:0".parse().unwrap(), None)
    }

    /// Behind TLS, on an address of its own or on any.
    pub fn at(cloud: &Cloud, address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> Self {
        let honest: Script = Arc::new(|_: &Asked| Act::Honest);
        let shared = Arc::new(Shared {
            cloud: cloud.clone(),
            script: Mutex::new(honest),
            act: AtomicU64::new(0),
            asked: Mutex::default(),
            flooded: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = tls.map(TlsAcceptor::from);
        let serving = shared.clone();
        runtime.spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (shared, acceptor) = (serving.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        // A client that does not like the certificate goes away here.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                answer(stream, &shared).await;
                            }
                        }
                        None => answer(stream, &shared).await,
                    };
                });
            }
        });
        Self { address, shared, runtime: Some(runtime) }
    }

    /// For `--cloud`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, requests fare like this; what is under way is cut off.
    pub fn script(&self, script: impl Fn(&Asked) -> Act + Send + Sync + 'static) {
        *locked(&self.shared.script) = Arc::new(script);
        self.shared.act.fetch_add(1, Ordering::SeqCst);
    }

    /// All is well again.
    pub fn heal(&self) {
        self.script(|_| Act::Honest);
    }

    /// What arrived so far.
    pub fn asked(&self) -> Vec<Asked> {
        locked(&self.shared.asked).clone()
    }

    /// How many of them were for this service.
    pub fn count(&self, service: &str) -> usize {
        self.asked().iter().filter(|asked| asked.service == service).count()
    }

    /// How many zeros of floods left, those in the system's buffers included.
    pub fn flooded(&self) -> u64 {
        self.shared.flooded.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A whole answer in bytes.
pub fn raw(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, shared: &Shared) {
    let Some((asked, request)) = request(&mut stream).await else { return };
    locked(&shared.asked).push(asked.clone());
    let began = shared.act.load(Ordering::SeqCst);
    let script = locked(&shared.script).clone();
    let still = || shared.act.load(Ordering::SeqCst) == began && !shared.closed.load(Ordering::SeqCst);
    match script(&asked) {
        Act::Honest => {
            let _ = stream.write_all(&honest(shared, request).await).await;
        }
        Act::Edited(edit) => {
            let bytes = honest(shared, request).await;
            let (_, body) = bytes.split_at(head_of(&bytes));
            let body = edit(&String::from_utf8_lossy(body));
            let _ = stream.write_all(&raw("200 OK", &[("content-type", "text/xml")], body.as_bytes())).await;
        }
        Act::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Act::Late(pause) => {
            let bytes = honest(shared, request).await;
            tokio::time::sleep(pause).await;
            let _ = stream.write_all(&bytes).await;
        }
        Act::Drip(size, pause) => {
            let bytes = honest(shared, request).await;
            let (head, body) = bytes.split_at(head_of(&bytes));
            if stream.write_all(head).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            for piece in body.chunks(size) {
                tokio::time::sleep(pause).await;
                if !still() || stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
        }
        Act::Stall => {
            let bytes = honest(shared, request).await;
            let head = head_of(&bytes);
            let half = bytes.get(..head + (bytes.len() - head) / 2).unwrap_or_default();
            let _ = stream.write_all(half).await;
            let _ = stream.flush().await;
            idle(still).await;
        }
        Act::Silence => idle(still).await,
        Act::Flood(length, told) => flood(&mut stream, shared, length, told).await,
    }
    let _ = stream.shutdown().await;
}

async fn idle(still: impl Fn() -> bool) {
    while still() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn flood<S: AsyncWrite + Unpin>(stream: &mut S, shared: &Shared, length: u64, told: bool) {
    // Without a length the body ends with the connection.
    let promise = if told { format!("content-length: {length}\r\n") } else { String::new() };
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{promise}\r\n");
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let zeros = vec![b'0'; 64 * 1024];
    let mut sent = 0;
    while sent < length {
        if stream.write_all(&zeros).await.is_err() {
            return;
        }
        sent += zeros.len() as u64;
        shared.flooded.fetch_add(zeros.len() as u64, Ordering::SeqCst);
    }
}

/// What the cloud answers, in bytes.
async fn honest(shared: &Shared, request: http::Request<Bytes>) -> Vec<u8> {
    let response = shared.cloud.handle(request).await;
    let status = response.status().to_string();
    let kept = response.headers().iter().filter(|(name, _)| name.as_str() != "content-length");
    let headers: Vec<(&str, &str)> =
        kept.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    raw(&status, &headers, response.body())
}

/// The length of an answer's head.
fn head_of(bytes: &[u8]) -> usize {
    find(bytes, b"\r\n\r\n").expect("an answer has a head") + 4
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// One request, read to its end.
async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<(Asked, http::Request<Bytes>)> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 16 * 1024];
    let end = loop {
        if let Some(at) = find(&bytes, b"\r\n\r\n") {
            break at + 4;
        }
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
    };
    let head = std::str::from_utf8(&bytes[..end]).ok()?.to_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let mut request = http::Request::builder().method(first.next()?).uri(first.next()?);
    let (mut length, mut service) = (0, String::new());
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        }
        if name.eq_ignore_ascii_case("authorization") {
            // Credential=KEY/DATE/REGION/SERVICE/aws4_request, …
            service = value.split('/').nth(3).unwrap_or_default().to_owned();
        }
        request = request.header(name, value);
    }
    while bytes.len() < end + length {
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
    }
    let asked = Asked { service, text: String::from_utf8_lossy(&bytes).into_owned() };
    let body = Bytes::copy_from_slice(&bytes[end..end + length]);
    Some((asked, request.body(body).ok()?))
}
