//! F21, detours: a redirect is not followed, and a proxy is used only when moored itself is told.
//!
//! Other programs' `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` are not obeyed: they may be meant for
//! another program, or have been planted, and with `HTTP_PROXY` the metadata service's credentials
//! would pass through it in the clear. `--proxy` (`MOORED_PROXY`) is moored's own, for TLS alone.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::certificates::{Authority, Certificate};
use super::direct::runtime;
use super::real::{asking, production_alone};
use super::wire::{Act, Wire, raw};
use crate::common::platform::Platform;
use crate::common::run;

const VARIABLES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A proxy that carries TLS connections, and counts everybody who comes.
struct Proxy {
    address: SocketAddr,
    visits: Arc<AtomicUsize>,
    tunnels: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Proxy {
    fn new() -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (visits, tunnels) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (seen, carried) = (visits.clone(), tunnels.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(tunnel(stream, carried.clone()));
            }
        });
        Self { address, visits, tunnels, _runtime: runtime }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

async fn tunnel(mut stream: TcpStream, carried: Arc<AtomicUsize>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let Some(target) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) else { return };
    let Ok(mut there) = TcpStream::connect(target).await else { return };
    if stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_ok() {
        carried.fetch_add(1, Ordering::SeqCst);
        let _ = copy_bidirectional(&mut stream, &mut there).await;
    }
}

#[test]
fn f21_a_redirect_to_a_login_page_is_not_followed() {
    let platform = Platform::new("login");
    let wire = Wire::new(&platform.cloud);
    // What would answer there is honest, so that only not going there can explain the outcome.
    let login = Wire::new(&platform.cloud);
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let place = format!("{}/login", login.url());
        let page = b"<html><body>Please sign in</body></html>";
        let answer = raw(status, &[("location", &place), ("content-type", "text/html")], page);
        let before = wire.count("ecs");
        wire.script(move |asked| match asked.service.as_str() {
            "ecs" => Act::Raw(answer.clone()),
            _ => Act::Honest,
        });
        let outcome = platform.moored_at(&wire.url(), "check", &["--format", "json"]).exits(3);
        let report = outcome.json();
        assert_eq!(report["findings"], serde_json::json!([]), "{status}: {report}");
        let unknown = report["unknown"].as_array().unwrap();
        let services: Vec<_> = unknown.iter().filter(|entry| entry["kind"] == "EcsService").collect();
        assert_eq!(services.len(), 3, "{status}: {report}");
        assert!(services.iter().all(|entry| entry["reason"] == "malformed"), "{status}: {services:?}");
        assert!(wire.count("ecs") > before);
        assert_eq!(login.asked().len(), 0, "{status} was followed");
    }
    wire.heal();
    platform.moored_at(&wire.url(), "check", &[]).exits(0);
}

#[test]
fn f21_a_proxy_that_the_environment_names_is_not_used() {
    let platform = Platform::new("planted");
    production_alone(&platform);
    let authority = Authority::new();
    let proxy = Proxy::new();
    let planted = |mut command: Command| {
        for variable in VARIABLES {
            command.env(variable, proxy.url());
        }
        run(command)
    };
    let secure =
        Wire::at(&platform.cloud, SocketAddr::from(([127, 0, 0, 1], 0)), Some(authority.server(Certificate::Good)));
    let url = format!("https://localhost:{}", secure.address.port());
    planted(asking(&platform, &url, Some(&authority.certificate()), "check")).exits(0);
    assert!(secure.count("sts") > 0);
    // Plain HTTP, as the metadata service speaks it.
    let plain = Wire::new(&platform.cloud);
    planted(asking(&platform, &plain.url(), Some(&authority.certificate()), "check")).exits(0);
    assert!(plain.count("sts") > 0);
    assert_eq!(proxy.visits(), 0, "the proxy was asked");
}

#[test]
fn f21_a_proxy_that_moored_is_told_of_carries_tls_and_nothing_else() {
    let platform = Platform::new("told");
    production_alone(&platform);
    let authority = Authority::new();
    let proxy = Proxy::new();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let told = |endpoint: &str| {
        let mut command = asking(&platform, endpoint, Some(&authority.certificate()), "check");
        command.env("MOORED_PROXY", proxy.url());
        run(command)
    };
    let secure = Wire::at(&platform.cloud, address, Some(authority.server(Certificate::Good)));
    told(&format!("https://localhost:{}", secure.address.port())).exits(0);
    let visits = proxy.visits();
    assert!(visits > 0 && proxy.tunnels.load(Ordering::SeqCst) == visits, "{visits} visits");
    let plain = Wire::new(&platform.cloud);
    told(&plain.url()).exits(0);
    assert_eq!(proxy.visits(), visits, "plain HTTP went through the proxy");

    // It can only carry, not look inside: its own certificate convinces nobody.
    let wrong = Wire::at(&platform.cloud, address, Some(authority.server(Certificate::SelfSigned)));
    told(&format!("https://localhost:{}", wrong.address.port())).exits(3);
    assert_eq!(wrong.asked().len(), 0);
    let mut command = asking(&platform, "https://localhost:1", None, "check");
    command.env("MOORED_PROXY", "ftp://name:hunter2@proxy.example.com");
    run(command).exits(1).complains(&["--proxy"]).hides(&["hunter2"]);
}
