//! The simulated cloud by itself, for clients that are not moored: boto3, the AWS CLI, a look by hand.
//!
//! `cargo run --example cloud -- 4566 111122223333 444455556666` serves it on 127.0.0.1:4566 with
//! these accounts until it is interrupted. An access key of twelve digits is that account's root.

use std::process::ExitCode;

use moored::clock::Clock;
use moored::sim::wire::{Cloud, server};
use moored::sim::world::World;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((port, accounts)) =
        arguments.split_first().and_then(|(port, rest)| Some((port.parse::<u16>().ok()?, rest)))
    else {
        eprintln!("usage: cloud PORT ACCOUNT...");
        return ExitCode::FAILURE;
    };
    let clock = Clock::wall();
    let world = World::with_accounts(accounts.iter().map(String::as_str));
    let cloud = Cloud::new(world, move || clock.now(), 1);
    let served = async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        println!("http://{}", listener.local_addr()?);
        server::serve(cloud, listener, async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
    };
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
