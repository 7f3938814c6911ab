//! A simulated Cloud Foundry by itself, for clients that are not moored: cloudfoundry-client, the
//! cf CLI, a look by hand.
//!
//! `cargo run --example foundation -- 4570` serves one at http://127.0.0.1:4570/_cf/api.example.com
//! until it is interrupted: three organisations, apps with routes and bindings, and a principal for
//! each role. Every secret is `simulated`. It is what `tests/cloudfoundry_conformance` is asked
//! about, and `python -m cloudfoundry_conformance` can ask it here too.

use std::process::ExitCode;

use moored::clock::Clock;
use tokio::net::TcpListener;

#[path = "../tests/cloudfoundry_conformance/world.rs"]
mod world;

#[tokio::main]
async fn main() -> ExitCode {
    let Some(port) = std::env::args().nth(1).and_then(|port| port.parse::<u16>().ok()) else {
        eprintln!("usage: foundation PORT");
        return ExitCode::FAILURE;
    };
    let router = world::router(world::cloud(&Clock::wall()));
    let served = async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        println!("http://{}/_cf/{}", listener.local_addr()?, world::HOST);
        let interrupted = async {
            let _ = tokio::signal::ctrl_c().await;
        };
        axum::serve(listener, router).with_graceful_shutdown(interrupted).await
    };
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
