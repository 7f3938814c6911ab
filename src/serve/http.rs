//! The metrics listener, and what both listeners share: what is published, and how many may ask.
//!
//! Decides how a connection is bounded, and when the daemon is alive and ready. An outage of a
//! cloud never makes it unready: restarting moored does not mend a cloud. The engine writes the
//! [`Board`], the CLI starts [`serve_metrics`].

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep};

use super::metrics::ProcessMetrics;
use crate::core::desired::Desired;
use crate::core::index::Index;
use crate::core::memory::Memory;
use crate::core::observation::Observations;
use crate::core::snapshot::Snapshot;

/// Connections at a time on one listener; more wait in the system's queue.
const MOST_CONNECTIONS: usize = 64;

/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may idle between an answer and the next request: a little longer than
/// the usual time between two scrapes.
const IDLE: Duration = Duration::from_secs(75);

/// Why there is nothing to show yet.
pub(super) const NOT_YET: &str = "the manifests are not loaded yet";

/// What one evaluation published.
#[derive(Debug, Clone)]
pub struct Published {
    /// What it says.
    pub snapshot: Arc<Snapshot>,
    /// The index of what is declared.
    pub index: Arc<Index>,
    /// What is declared.
    pub desired: Arc<Desired>,
    /// What was read.
    pub observations: Arc<Observations>,
    /// What is remembered.
    pub memory: Memory,
    /// [`super::metrics::render`] of all this, made once.
    pub metrics: Arc<str>,
    /// When the pass began.
    pub started: Timestamp,
}

/// Where the latest is found; `None` until manifests are loaded.
pub type Board = watch::Receiver<Option<Arc<Published>>>;

/// Serves `/metrics`, `/healthz` and `/readyz` until `shutdown`.
pub async fn serve_metrics(
    listener: TcpListener,
    board: Board,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(Scrape { board, process: ProcessMetrics::new() });
    serve(listener, router, shutdown).await
}

/// Serves a router with bounded connections. No handler reads a body, so none is ever stored.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let bounded = Bounded { listener, permits: Arc::new(Semaphore::new(MOST_CONNECTIONS)) };
    axum::serve(bounded, router).with_graceful_shutdown(shutdown).await
}

#[derive(Clone)]
struct Scrape {
    board: Board,
    process: ProcessMetrics,
}

/// Before manifests are loaded a scrape fails: one that succeeds without findings would read as
/// "all resolved".
async fn metrics(State(scrape): State<Scrape>) -> Response {
    let published = scrape.board.borrow().clone();
    let Some(published) = published else { return not_yet() };
    let mut text = published.metrics.to_string();
    text.push_str(&scrape.process.render());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn readyz(State(scrape): State<Scrape>) -> Response {
    let ready = scrape.board.borrow().is_some();
    if ready { "ready\n".into_response() } else { not_yet() }
}

fn not_yet() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{NOT_YET}\n")).into_response()
}

/// A listener that has only so many connections open at a time. Not covered: whoever keeps all of
/// them busy with good requests keeps others out; that is for the network to prevent.
struct Bounded {
    listener: TcpListener,
    permits: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Nobody closes the semaphore, so there always is a permit in the end.
        let permit = self.permits.clone().acquire_owned().await.ok();
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        (Connection::new(stream, PATIENCE, permit), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when the next request has not arrived in time, or an answer is not
/// taken: `axum::serve` has no timeout of its own.
struct Connection {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    /// Nothing of the next request has arrived yet.
    idle: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(stream: TcpStream, patience: Duration, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { stream, deadline: Box::pin(tokio::time::sleep(patience)), idle: false, _permit: permit }
    }

    /// Nothing happened; too late?
    fn overdue<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn wait(&mut self, idle: bool, patience: Duration) {
        self.idle = idle;
        self.deadline.as_mut().reset(Instant::now() + patience);
    }

    /// When something was sent, the next request has its time again.
    fn progress<T>(&mut self, sent: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match sent {
            Poll::Pending => self.overdue(context),
            Poll::Ready(sent) => {
                self.wait(true, IDLE);
                Poll::Ready(sent)
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Pending => this.overdue(context),
            Poll::Ready(read) => {
                // Only the first bytes of a request move the deadline: those that drip in do not.
                if this.idle && buffer.filled().len() > before {
                    this.wait(false, PATIENCE);
                }
                Poll::Ready(read)
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.progress(sent, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let sent = Pin::new(&mut this.stream).poll_write_vectored(context, pieces);
        this.progress(sent, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// What an evaluation of nothing publishes.
    pub fn nothing() -> Published {
        Published {
            snapshot: Arc::default(),
            index: Arc::default(),
            desired: Arc::default(),
            observations: Arc::default(),
            memory: Memory::default(),
            metrics: "moored_panics_total 0\n".into(),
            started: Timestamp::UNIX_EPOCH,
        }
    }

    /// Sends a request as it is written here and reads to the end: the status and all of the answer.
    pub async fn exchange(address: SocketAddr, request: String) -> (u16, String) {
        let exchange = move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let answer = tokio::task::spawn_blocking(exchange).await.unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    async fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
        exchange(address, format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    #[tokio::test]
    async fn the_daemon_is_alive_at_once_and_ready_when_manifests_are_loaded() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, board) = watch::channel(None);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve_metrics(listener, board, async move {
            let _ = stopped.await;
        }));

        for (path, status) in [("/healthz", 200), ("/readyz", 503), ("/metrics", 503)] {
            assert_eq!(ask(address, "GET", path).await.0, status, "{path}");
        }
        sender.send(Some(Arc::new(nothing()))).unwrap();
        for (method, path, status) in [
            ("GET", "/readyz", 200),
            ("GET", "/metrics", 200),
            ("HEAD", "/metrics", 200),
            ("POST", "/metrics", 405),
            ("DELETE", "/healthz", 405),
            ("GET", "/", 404),
            ("GET", "/metrics/", 404),
        ] {
            assert_eq!(ask(address, method, path).await.0, status, "{method} {path}");
        }
        let (_, scrape) = ask(address, "GET", "/metrics").await;
        assert!(scrape.contains("moored_panics_total 0\n") && scrape.contains("process_open_fds"), "{scrape}");

        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_request_that_does_not_arrive_in_time_ends_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = Connection::new(stream, Duration::from_millis(1), None);
        let mut bytes = [0; 8];
        let read =
            std::future::poll_fn(|context| Pin::new(&mut connection).poll_read(context, &mut ReadBuf::new(&mut bytes)));
        assert_eq!(read.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(client);
    }
}
