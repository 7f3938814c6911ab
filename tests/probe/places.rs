//! F56, where a probe may ask: nowhere inside, by whatever spelling or name; and a simulated cloud
//! is asked in place of everything.

use std::net::IpAddr;
use std::sync::Arc;

use moored::clock::Clock;
use moored::core::observation::Reason;
use moored::core::redact::Redactor;
use moored::core::value::Fact;
use moored::probe::ProbeContext;
use moored::probe::address::Reach;
use moored::probe::transport::Setup;
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::asking::{Given, HOME, context, number, read, setup, silence, text};

/// As the real transport reaches.
fn outward(given: Given) -> ProbeContext {
    context(Setup { reach: Reach::Network, ..setup(given) })
}

#[tokio::test]
async fn f56_nothing_inside_is_asked_by_any_spelling_or_name() {
    let server = MockServer::start().await;
    Mock::given(path("/")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let port = server.address().port();
    let metadata: IpAddr = "169.254.169.254".parse().unwrap();
    let public: IpAddr = "192.0.2.1".parse().unwrap();
    for (host, given) in [
        ("127.0.0.1", Given::Unknown),
        ("2130706433", Given::Unknown),
        ("0x7f.1", Given::Unknown),
        ("[::1]", Given::Unknown),
        ("[::ffff:127.0.0.1]", Given::Unknown),
        ("[fe80::1]", Given::Unknown),
        ("169.254.169.254", Given::Unknown),
        ("localhost", Given::Addresses(vec![HOME])),
        ("rebinding.example.com", Given::Addresses(vec![metadata])),
        ("rebinding.example.com", Given::Addresses(vec![public, HOME])),
        ("rebinding.example.com", Given::Addresses(vec![HOME, public])),
    ] {
        let live = read(&outward(given), &format!("http://{host}:{port}/"), &[]).await.unwrap();
        let (class, said) = silence(&live);
        assert_eq!(class, "refusedAddress", "{host}: {said}");
        assert!(said.contains("moored never asks there"), "{said}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0, "somebody was asked");
    // Nothing else was in the way.
    let context = context(setup(Given::Addresses(vec![HOME])));
    let live = read(&context, &format!("http://localhost:{port}/"), &[]).await.unwrap();
    assert_eq!(number(&live, "status"), 200);
}

#[tokio::test]
async fn what_is_no_url_is_no_reading() {
    for url in ["file:///etc/passwd", "nothing"] {
        let failure = read(&outward(Given::Unknown), url, &[]).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Invalid, "{failure}");
    }
}

#[tokio::test]
async fn a_simulated_cloud_answers_for_every_address() {
    let server = MockServer::start().await;
    let secure = ResponseTemplate::new(204).insert_header("x-simulated-tls-expires-at", "2026-03-14T23:59:59Z");
    Mock::given(path("/_http/metadata.example.com:8443/a"))
        .and(header("x-simulated-scheme", "https"))
        .respond_with(secure)
        .mount(&server)
        .await;
    let refused = ResponseTemplate::new(502).insert_header("x-simulated-failure", "refused");
    Mock::given(path("/_http/169.254.169.254/"))
        .and(header("x-simulated-scheme", "http"))
        .respond_with(refused)
        .mount(&server)
        .await;
    let simulated = |url: String| ProbeContext::new(Clock::wall(), Arc::new(Redactor::new(&[7; 32])), Some(url), None);
    let cloud = simulated(server.uri());
    let live = read(&cloud, "https://metadata.example.com:8443/a", &[]).await.unwrap();
    assert_eq!((number(&live, "status"), text(&live, "tls.expiresAt")), (204, "2026-03-14T23:59:59Z"));
    let live = read(&cloud, "http://169.254.169.254/", &[]).await.unwrap();
    assert_eq!(silence(&live), ("refused", "simulated: refused"));
    let live = read(&cloud, "https://elsewhere.example.com/", &[]).await.unwrap();
    assert_eq!(number(&live, "status"), 404);
    assert!(matches!(*live.fields.fact("tls.expiresAt"), Fact::Unchecked(_)));
    // A cloud that is not there says nothing of what it simulates.
    drop(server);
    let free = std::net::TcpListener::bind((HOME, 0)).unwrap().local_addr().unwrap();
    let failure = read(&simulated(format!("http://{free}")), "http://example.com/", &[]).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Network, "{failure}");
}
