//! The client of `moored health`: is the daemon alive, is it ready?
//!
//! Decides by the status alone, within three seconds. It follows no redirect and uses no proxy: a
//! health check that asks somebody else answers nothing. Only the CLI calls it.

use std::error::Error;
use std::time::Duration;

use reqwest::redirect::Policy;

const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the daemon at `url` whether it is alive, or `ready`. Both answers are one line.
pub async fn ask(url: &str, ready: bool) -> Result<String, String> {
    let path = if ready { "readyz" } else { "healthz" };
    let address = format!("{}/{path}", url.trim_end_matches('/'));
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().redirect(Policy::none()).build();
    let client = client.map_err(|error| format!("cannot ask {address}: {}", causes(&error)))?;
    let sent = client.get(&address).send().await;
    let mut answer = sent.map_err(|error| {
        format!("no answer from {address}: {}; is the daemon running, with this --metrics-listen?", causes(&error))
    })?;
    let status = answer.status();
    // The first piece is enough: the answer is one line.
    let body = answer.chunk().await.ok().flatten().unwrap_or_default();
    let line = first_line(&String::from_utf8_lossy(&body));
    match status.is_success() {
        true => Ok(line),
        false => Err(format!("{address} answers {status}: {line}")),
    }
}

/// The innermost cause says what happened; the others only say that something did.
fn causes(error: &reqwest::Error) -> String {
    let mut deepest: &dyn Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    first_line(&deepest.to_string())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().filter(|c| !crate::core::visible::is_hidden(*c)).take(200).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    #[tokio::test]
    async fn the_status_decides() {
        let server = MockServer::start().await;
        let answer = |status: u16, body: &str| ResponseTemplate::new(status).set_body_string(body);
        Mock::given(path("/healthz")).respond_with(answer(200, "ok\n")).mount(&server).await;
        Mock::given(path("/readyz")).respond_with(answer(503, "no manifests\nmore")).mount(&server).await;
        assert_eq!(ask(&format!("{}/", server.uri()), false).await, Ok("ok".to_owned()));
        let refusal = ask(&server.uri(), true).await.unwrap_err();
        assert!(refusal.ends_with("/readyz answers 503 Service Unavailable: no manifests"), "{refusal}");
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_there_is_one_line_with_a_hint() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refusal = ask(&format!("http://{free}"), false).await.unwrap_err();
        assert!(refusal.contains("is the daemon running") && refusal.lines().count() == 1, "{refusal}");
    }
}
