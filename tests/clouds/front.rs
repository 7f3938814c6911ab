//! What stands between moored and a cloud.
//!
//! Decides where a request goes (those about tables may have a server of their own), counts them,
//! and takes one account's key for another's, as a wrong profile does. It looks into nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::cloud::{MAIN, STRANGER};

const LARGEST: usize = 64 << 20;

/// A running front; dropping it ends it.
pub struct Front {
    /// For `--cloud`.
    pub url: String,
    behind: Arc<Behind>,
    task: JoinHandle<()>,
}

struct Behind {
    everything: String,
    tables: Option<String>,
    calls: AtomicUsize,
    client: reqwest::Client,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    pub async fn start(everything: String, tables: Option<String>) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let behind = Arc::new(Behind { everything, tables, calls: AtomicUsize::new(0), client });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().fallback(pass_on).with_state(behind.clone());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Self { url, behind, task }
    }

    /// How many requests have come so far.
    pub fn calls(&self) -> usize {
        self.behind.calls.load(Ordering::Relaxed)
    }
}

async fn pass_on(State(behind): State<Arc<Behind>>, request: Request) -> Response {
    behind.calls.fetch_add(1, Ordering::Relaxed);
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return StatusCode::BAD_REQUEST.into_response() };
    let mut headers = parts.headers;
    forget_connection(&mut headers);
    headers.remove(HOST);
    take_the_stranger_for_us(&mut headers);
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let base = match &behind.tables {
        Some(tables) if target.starts_with("DynamoDB") => tables,
        _ => &behind.everything,
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let request = behind.client.request(parts.method, format!("{base}{path}")).headers(headers).body(body);
    match request.send().await {
        Ok(answer) => {
            let status = answer.status();
            let mut headers = answer.headers().clone();
            forget_connection(&mut headers);
            match answer.bytes().await {
                Ok(body) => (status, headers, body).into_response(),
                Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
            }
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

/// What is true of one connection is not of the next.
fn forget_connection(headers: &mut HeaderMap) {
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
}

fn take_the_stranger_for_us(headers: &mut HeaderMap) {
    let signed = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let forged = signed.map(|text| text.replace(&format!("Credential={STRANGER}/"), &format!("Credential={MAIN}/")));
    if let Some(value) = forged.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(AUTHORIZATION, value);
    }
}
