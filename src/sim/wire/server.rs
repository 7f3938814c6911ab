//! The simulated cloud on a socket.
//!
//! Decides how bytes get to and from [`Cloud::handle`], and how a truncated answer breaks off. The
//! only place in the simulator that opens a socket. The demo serves with it, tests spawn it.

use std::future::Future;
use std::io;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{self, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Cloud;
use super::exchange::{CutShort, MAX_BODY};

/// Serves the cloud on a listener until the future ends, then finishes the requests under way.
pub async fn serve(
    cloud: Cloud,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(cloud)).with_graceful_shutdown(shutdown).await
}

/// The cloud's routes, for a server that adds some of its own.
pub fn router(cloud: Cloud) -> Router {
    Router::new().fallback(answer).with_state(cloud)
}

/// A cloud that is being served on a loopback port; dropping it ends that.
#[derive(Debug)]
pub struct Running {
    /// The endpoint for SDK clients, such as `http://127.0.0.1:41873`.
    pub url: String,
    /// Dropped with the rest, which tells open connections to close.
    _shutdown: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves the cloud on a free port of 127.0.0.1.
pub async fn spawn(cloud: Cloud) -> io::Result<Running> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (sender, receiver) = oneshot::channel::<()>();
    let shutdown = async move {
        // An error says that the sender is gone: that is the signal.
        let _ = receiver.await;
    };
    let task = tokio::spawn(serve(cloud, listener, shutdown));
    Ok(Running { url, _shutdown: sender, task })
}

async fn answer(State(cloud): State<Cloud>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // One byte above the limit is enough for the exchange to refuse it in AWS's terms.
    let Ok(body) = to_bytes(body, MAX_BODY + 1).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let response = cloud.handle(http::Request::from_parts(parts, body)).await;
    match response.extensions().get::<CutShort>().copied() {
        Some(cut) => break_off(response.map(Body::from), cut),
        None => response.map(Body::from),
    }
}

/// Promises the whole length and ends before it: hyper then closes the connection, and the client
/// finds its message incomplete. The body goes through a stream because hyper would notice (and in
/// debug builds assert) that a body of known length does not match the header.
fn break_off(response: Response, cut: CutShort) -> Response {
    let mut response = response.map(|half| Body::from_stream(half.into_data_stream()));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(cut.promised));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use jiff::Timestamp;

    use super::*;
    use crate::sim::world::faults::{Effect, Match, Rule};
    use crate::sim::world::{Service, World};

    const ACCOUNT: &str = "111122223333";

    fn cloud() -> Cloud {
        Cloud::new(World::with_accounts([ACCOUNT]), || Timestamp::UNIX_EPOCH, 1)
    }

    fn list_tables(url: &str) -> reqwest::RequestBuilder {
        let credential = format!("{ACCOUNT}/20261101/eu-west-1/dynamodb/aws4_request");
        reqwest::Client::new()
            .post(url)
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={credential}, Signature=00"))
            .header("x-amz-target", "DynamoDB_20120810.ListTables")
            .body("{}")
    }

    #[tokio::test]
    async fn a_call_over_loopback_is_answered_and_counted() {
        let cloud = cloud();
        let running = spawn(cloud.clone()).await.unwrap();
        let response = list_tables(&running.url).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.text().await.unwrap(), r#"{"TableNames":[]}"#);
        assert_eq!(cloud.count(Service::DynamoDb, "ListTables"), 1);
    }

    #[tokio::test]
    async fn a_truncated_answer_never_arrives_whole() {
        let cloud = cloud();
        cloud.with_world(|world| world.faults.add(Rule::always(Match::default(), Effect::TruncatedBody)));
        let running = spawn(cloud).await.unwrap();
        let outcome = match list_tables(&running.url).send().await {
            Ok(response) => response.text().await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(outcome.is_err());
    }

    #[tokio::test]
    async fn a_dropped_cloud_is_unreachable() {
        let running = spawn(cloud()).await.unwrap();
        let url = running.url.clone();
        drop(running);
        tokio::task::yield_now().await;
        assert!(list_tables(&url).send().await.is_err());
    }
}
