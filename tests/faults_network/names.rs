//! F18 and F19, names and certificates: what cannot be found, or cannot prove who it is, is Unknown
//! and gets no request; and what is mended is read again.
//!
//! F18 injects a resolver into the SDK's connector, since the system's cannot be made to fail for one
//! process. F19 is the real binary with the connector that it really uses.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use moored::aws::allow_list::STS_GET_CALLER_IDENTITY;
use moored::aws::transport::Limits;
use moored::core::observation::Reason;

use super::certificates::{Authority, Certificate};
use super::direct::{context, runtime};
use super::real::{identities, production_alone, report, unreachable};
use super::wire::Wire;
use crate::common::platform::{MAIN, Platform};

const RIGHT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
/// Somebody else lives there.
const WRONG: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Nobody lives there.
const EMPTY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

#[derive(Debug, Clone, Copy)]
enum Dns {
    Fails(&'static str),
    Slow,
    Says(Ipv4Addr),
}

/// A resolver that does as it is told, and counts.
#[derive(Debug, Clone)]
struct Resolver {
    does: Arc<Mutex<Dns>>,
    asked: Arc<AtomicUsize>,
}

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, _name: &'a str) -> DnsFuture<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let does = *self.does.lock().unwrap();
        DnsFuture::new(async move {
            match does {
                Dns::Fails(how) => Err(ResolveDnsError::new(how)),
                Dns::Slow => {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    Ok(vec![IpAddr::V4(RIGHT)])
                }
                Dns::Says(address) => Ok(vec![IpAddr::V4(address)]),
            }
        })
    }
}

#[test]
fn f18_a_name_that_is_not_found_or_leads_elsewhere_is_unknown_until_it_is_mended() {
    let platform = Platform::new("names");
    let authority = Authority::new();
    let right = Wire::at(&platform.cloud, SocketAddr::from((RIGHT, 0)), Some(authority.server(Certificate::Good)));
    let port = right.address.port();
    let elsewhere = authority.server(Certificate::WrongName);
    let wrong = Wire::at(&platform.cloud, SocketAddr::from((WRONG, port)), Some(elsewhere));
    let resolver = Resolver { does: Arc::new(Mutex::new(Dns::Slow)), asked: Arc::default() };
    let trusted = TrustStore::empty().with_pem_certificate(std::fs::read(authority.certificate()).unwrap());
    let client = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(TlsContext::builder().with_trust_store(trusted).build().unwrap())
        .build_with_resolver(resolver.clone());
    let limits = Limits { connect: Duration::from_millis(300), call: Duration::from_secs(5), ..Limits::AWS };
    runtime().block_on(async {
        let url = format!("https://localhost:{port}");
        let context = context(MAIN, &url, Some(client), limits).await;
        let ask = || context.call(&STS_GET_CALLER_IDENTITY, context.clients.sts.get_caller_identity().send());
        for (does, reason) in [
            (Dns::Fails("NXDOMAIN"), Reason::Network),
            (Dns::Fails("SERVFAIL"), Reason::Network),
            (Dns::Slow, Reason::Timeout),
            (Dns::Says(WRONG), Reason::Network),
            (Dns::Says(EMPTY), Reason::Network),
        ] {
            let before = resolver.asked.load(Ordering::SeqCst);
            *resolver.does.lock().unwrap() = does;
            let failure = ask().await.unwrap_err().failure;
            assert_eq!(failure.reason, reason, "{does:?}: {failure}");
            if let Dns::Fails(how) = does {
                assert!(failure.detail.contains(how), "{failure}");
            }
            assert!(resolver.asked.load(Ordering::SeqCst) > before, "{does:?}: nobody asked for the name");
            assert_eq!(right.asked().len(), 0, "{does:?}");
        }
        assert_eq!(wrong.asked().len(), 0, "a request went to a stranger");
        // The same clients, nothing restarted.
        *resolver.does.lock().unwrap() = Dns::Says(RIGHT);
        assert_eq!(ask().await.unwrap().account(), Some(MAIN));
        assert_eq!(right.asked().len(), 1);
    });
}

#[test]
fn f18_the_real_connector_says_that_a_name_cannot_be_found() {
    let platform = Platform::new("nowhere");
    production_alone(&platform);
    let authority = Authority::new();
    let said = unreachable(&platform, "https://nowhere.invalid", &authority.certificate());
    assert!(said.contains("dns error") || said.contains("lookup"), "{said}");
    assert_eq!(identities(&platform), 0);
}

/// A server that is no good TLS server: answers whatever comes with these bytes, and keeps what came.
fn imposter(answer: &'static [u8]) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    let keep = heard.clone();
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
            let mut piece = [0; 4096];
            let _ = stream.read(&mut piece).map(|count| keep.lock().unwrap().extend_from_slice(&piece[..count]));
            let _ = stream.write_all(answer);
            // Whatever it says next, in the clear perhaps.
            let _ = stream.read(&mut piece).map(|count| keep.lock().unwrap().extend_from_slice(&piece[..count]));
        }
    });
    (address, heard)
}

/// A handshake record with a hello that insists on TLS 1.1, and no extensions.
const OLD_HELLO: &[u8] = &[
    0x16, 0x03, 0x02, 0x00, 0x2a, // a handshake record of 42 bytes
    0x02, 0x00, 0x00, 0x26, // ServerHello, 38 bytes
    0x03, 0x02, // TLS 1.1
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    32,   // random
    0x00, // no session
    0x00, 0x2f, // TLS_RSA_WITH_AES_128_CBC_SHA
    0x00, // no compression
];

const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

#[test]
fn f19_a_server_that_cannot_prove_who_it_is_gets_no_request() {
    let platform = Platform::new("tls");
    production_alone(&platform);
    let authority = Authority::new();
    let trusted = authority.certificate();
    let any = SocketAddr::from((RIGHT, 0));
    let url = |address: SocketAddr| format!("https://localhost:{}", address.port());
    for (certificate, said) in [
        (Certificate::Expired, "expired"),
        (Certificate::WrongName, "not valid for name"),
        (Certificate::SelfSigned, "certificate"),
    ] {
        let wire = Wire::at(&platform.cloud, any, Some(authority.server(certificate)));
        let told = unreachable(&platform, &url(wire.address), &trusted);
        assert!(told.to_ascii_lowercase().contains(said), "{certificate:?} is not explained: {told}");
        assert_eq!(wire.asked().len(), 0, "{certificate:?}: a request was sent");
    }
    for (what, answer) in [("an old protocol", OLD_HELLO), ("no TLS at all", PLAIN)] {
        let (address, heard) = imposter(answer);
        unreachable(&platform, &url(address), &trusted);
        let heard = heard.lock().unwrap();
        assert_eq!(heard.first(), Some(&0x16), "{what}: no handshake was tried");
        // Names of protocols are in a handshake too; what a request holds is not.
        let clear = String::from_utf8_lossy(&heard).to_ascii_lowercase();
        assert!(!clear.contains("authorization") && !clear.contains("x-amz"), "{what}: it fell back: {clear}");
    }
    // With a good certificate all of it is read: nothing else was in the way.
    let wire = Wire::at(&platform.cloud, any, Some(authority.server(Certificate::Good)));
    let (code, report) = report(&platform, &url(wire.address), Some(&trusted));
    assert_eq!((code, &report["environments"][0]["verdict"]), (0, &serde_json::json!("in_sync")), "{report}");
    assert!(wire.count("sts") > 0 && wire.count("ecs") > 0);
}
