//! F19, who cannot prove who they are gets no request, and is said to be so; and the certificate of
//! who can tells when it expires.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use moored::probe::ProbeContext;
use moored::probe::transport::Setup;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::asking::{Given, HOME, context, number, read, setup, silence, text};
use super::certificates::{Authority, Certificate};

/// A server called `localhost` with such a certificate, and how many requests it was sent.
async fn server(authority: &Authority, certificate: Certificate) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (acceptor, asked) = (TlsAcceptor::from(authority.server(certificate)), Arc::<AtomicUsize>::default());
    let counted = asked.clone();
    // It ends with the test's runtime.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            if stream.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0) {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (address, asked)
}

fn trusting(authority: &Authority) -> ProbeContext {
    let trusted = vec![std::fs::read(authority.certificate()).unwrap()];
    context(Setup { trusted, ..setup(Given::Addresses(vec![HOME])) })
}

#[tokio::test]
async fn f19_a_server_that_cannot_prove_who_it_is_gets_no_request() {
    let authority = Authority::new();
    let trusting = trusting(&authority);
    for (certificate, word) in [
        (Certificate::Expired, "a certificate that has expired"),
        (Certificate::WrongName, "a certificate of another name"),
        (Certificate::SelfSigned, "nobody vouches for"),
    ] {
        let (address, asked) = server(&authority, certificate).await;
        let live = read(&trusting, &format!("https://localhost:{}/", address.port()), &[]).await.unwrap();
        let (class, said) = silence(&live);
        assert!(class == "tls" && said.contains(word), "{certificate:?}: {class}: {said}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "{certificate:?}: a request was sent");
    }
    // The same server to a machine that does not trust its authority.
    let (address, asked) = server(&authority, Certificate::Good).await;
    let url = format!("https://localhost:{}/", address.port());
    let live = read(&context(setup(Given::Addresses(vec![HOME]))), &url, &[]).await.unwrap();
    let (class, said) = silence(&live);
    assert!(class == "tls" && said.contains("nobody vouches for"), "{class}: {said}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    // And with it: nothing else was in the way.
    let live = read(&trusting, &url, &[]).await.unwrap();
    assert_eq!((number(&live, "status"), text(&live, "tls.expiresAt")), (200, "2099-12-31T00:00:00Z"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn f19_who_speaks_no_tls_is_not_asked_in_the_clear() {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 4096];
        let length = stream.read(&mut heard).await.unwrap();
        heard.truncate(length);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        let again = listener.accept();
        assert!(tokio::time::timeout(std::time::Duration::from_millis(300), again).await.is_err(), "it came back");
        heard
    });
    let authority = Authority::new();
    let live = read(&trusting(&authority), &format!("https://localhost:{port}/health"), &[]).await.unwrap();
    let (class, said) = silence(&live);
    assert!(class == "tls" && said.contains("cannot be talked to over TLS"), "{class}: {said}");
    let heard = heard.await.unwrap();
    assert_eq!(heard.first(), Some(&0x16), "no handshake was tried");
    assert!(!String::from_utf8_lossy(&heard).contains("/health"));
}
