//! The demo's time, told to other processes.
//!
//! The simulated cloud lives faster than the wall, so `moored check --cloud URL` must read by its
//! clock: ages, settling times and call budgets are wrong by any other. The stage serves [`route`]
//! beside the cloud; the CLI asks with [`ask`]. It decides nothing about what is read.

use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// No AWS protocol has such a path.
const PATH: &str = "/_demo/clock";

/// A cloud on loopback answers at once, or is none of ours.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is told.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    now: Timestamp,
    /// Seconds of the demo in one second of the wall.
    pace: f64,
}

/// Adds the time to a cloud's routes.
pub fn route(cloud: Router, clock: Clock) -> Router {
    cloud.route(
        PATH,
        get(move || {
            let told = Told { now: clock.now(), pace: 1.0 / clock.real(Duration::from_secs(1)).as_secs_f64() };
            async move { Json(told) }
        }),
    )
}

/// The clock of the demo at this URL; `None` where no demo answers, as with other simulated clouds.
pub async fn ask(cloud: &str) -> Option<Clock> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().ok()?;
    let answer = client.get(format!("{cloud}{PATH}")).send().await.ok()?;
    let told: Told = answer.error_for_status().ok()?.json().await.ok()?;
    Some(Clock::scaled(told.now, told.pace))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_process_lives_by_the_demos_time_and_pace() {
        let origin: Timestamp = "2020-02-29T12:00:00Z".parse().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = route(Router::new(), Clock::scaled(origin, 50.0));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        let clock = ask(&url).await.unwrap();
        let age = clock.now().duration_since(origin).as_secs();
        assert!((0..500).contains(&age), "{age}s");
        assert_eq!(clock.real(Duration::from_secs(100)), Duration::from_secs(2));
        server.abort();
        let _ = server.await;
        assert!(ask(&url).await.is_none());
    }
}
