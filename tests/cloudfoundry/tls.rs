//! F19 for Cloud Foundry: a server that cannot prove who it is, or speaks no protocol that moored takes,
//! gets no request and no secret, and is said to be so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use moored::aws::intercept::Requests;
use moored::clock::Clock;
use moored::cloudfoundry::read::ReadContext;
use moored::cloudfoundry::session::{SessionOptions, Sessions};
use moored::core::desired::{Auth, Foundation};
use moored::core::observation::{Failure, Reason};
use moored::core::redact::Redactor;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, Certificate};
use super::common::{Scratch, command, run, text};
use super::place;

/// The client's secret.
const CANARY: &str = "Oh3jYb8fSx4DeG";
/// How long an imposter listens for what comes after its answer.
const AFTERWARDS: Duration = Duration::from_millis(200);

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

/// What a server on loopback was told: what came through TLS, or the bytes themselves where there is none.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// Called `localhost`, with such a certificate. Everything that gets through is told that the
    /// foundation is here, and its sign-in too.
    async fn with(authority: &Authority, certificate: Certificate) -> Self {
        let (server, listener) = Self::listening().await;
        let acceptor = TlsAcceptor::from(authority.server(certificate));
        let address = format!("https://localhost:{}", server.port);
        let links = json!({
            "cloud_controller_v3": { "href": format!("{address}/v3"), "meta": { "version": "3.195.0" } },
            "login": { "href": address },
        });
        let body = json!({ "links": links }).to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        let heard = server.heard.clone();
        // It ends with the test's runtime.
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut piece = [0; 4096];
                let Ok(length) = stream.read(&mut piece).await else { continue };
                heard.lock().unwrap().extend_from_slice(&piece[..length]);
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        server
    }

    /// No good TLS server: it answers whatever comes with these bytes.
    async fn imposter(answer: &'static [u8]) -> Self {
        let (server, listener) = Self::listening().await;
        let heard = server.heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                listen(&mut stream, &heard).await;
                let _ = stream.write_all(answer).await;
                // Whatever it says next, in the clear perhaps.
                listen(&mut stream, &heard).await;
            }
        });
        server
    }

    async fn listening() -> (Self, TcpListener) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (Self { port, heard: Arc::default() }, listener)
    }

    fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }

    /// A handshake was tried with an imposter, and nothing was said in the clear.
    #[track_caller]
    fn was_told_nothing(&self, what: &str) {
        let heard = self.heard();
        assert_eq!(heard.first(), Some(&0x16), "{what}: no handshake was tried");
        // Names of protocols are in a handshake too; what a request holds is not.
        let clear = String::from_utf8_lossy(&heard).to_ascii_lowercase();
        let told = ["authorization", "get /", "post /", "user-agent"].into_iter().find(|word| clear.contains(word));
        assert_eq!(told, None, "{what}: it fell back: {clear}");
        assert!(!clear.contains(&CANARY.to_ascii_lowercase()), "{what}: {clear}");
    }
}

async fn listen(stream: &mut TcpStream, heard: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    if let Ok(Ok(length)) = tokio::time::timeout(AFTERWARDS, stream.read(&mut piece)).await {
        heard.lock().unwrap().extend_from_slice(&piece[..length]);
    }
}

fn secret_file(scratch: &Scratch) -> String {
    text(&scratch.write("secret", CANARY)).to_owned()
}

/// Why nobody can sign in there, outside of any simulated cloud and with the trust of this machine.
async fn refused(server: &Server, secret_file: &str) -> Failure {
    let clock = Clock::stopped(Timestamp::UNIX_EPOCH);
    let options = SessionOptions { cloud: None, clock: clock.clone(), requests: Requests::default(), proxy: None };
    let sessions = Sessions::new(options).unwrap();
    let host = format!("localhost:{}", server.port);
    let foundation = Foundation {
        api: format!("https://{host}").into(),
        host: host.into(),
        organizations: BTreeMap::new(),
        every: true,
        auth: Auth::Client { id: "moored".into(), secret_file: secret_file.into() },
    };
    let session = sessions.session(&foundation).await;
    let context = ReadContext::new(session, clock, Arc::new(Redactor::new(&[7; 32])));
    context.sign_in().await.unwrap_err().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn f19_nobody_signs_in_at_a_server_that_cannot_prove_who_it_is() {
    let (authority, scratch) = (Authority::new(), Scratch::new("cf-tls"));
    let secret = secret_file(&scratch);
    // This machine trusts no authority of a test, so that even a good certificate is not good enough.
    for certificate in [Certificate::Good, Certificate::Expired, Certificate::WrongName, Certificate::SelfSigned] {
        let server = Server::with(&authority, certificate).await;
        let failure = refused(&server, &secret).await;
        assert_eq!(failure.reason, Reason::Network, "{certificate:?}: {failure}");
        assert!(failure.detail.contains("invalid peer certificate"), "{certificate:?} is not explained: {failure}");
        assert!(!failure.detail.contains(CANARY), "{failure}");
        assert_eq!(String::from_utf8_lossy(&server.heard()), "", "{certificate:?}: a request was sent");
    }
    for (what, answer) in [("an old protocol", OLD_HELLO), ("no TLS at all", PLAIN)] {
        let server = Server::imposter(answer).await;
        let failure = refused(&server, &secret).await;
        assert_eq!(failure.reason, Reason::Network, "{what}: {failure}");
        server.was_told_nothing(what);
    }
}

/// The report of `moored check`, which trusts this authority alone, and its exit code.
fn checked(server: &Server, authority: &Authority) -> (i32, serde_json::Value) {
    let scratch = Scratch::new("cf-tls-check");
    let environment = place::ENVIRONMENT
        .replace("api.example.com", &format!("localhost:{}", server.port))
        .replace("/nowhere/secret", &secret_file(&scratch));
    scratch.write("desired-state/environment.yaml", environment);
    scratch.write("desired-state/apps.yaml", place::APPS);
    let root = scratch.file("desired-state");
    let mut check = command();
    check.args(["check", "--desired-state", text(&root), "--format", "json"]);
    check.env("SSL_CERT_FILE", authority.certificate());
    let outcome = run(check).hides(&[CANARY]);
    (outcome.code, outcome.json())
}

#[test]
fn f19_check_says_what_is_wrong_with_a_certificate_and_with_a_good_one_signs_in() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let authority = Authority::new();
    for (certificate, said) in [
        (Certificate::Expired, "expired"),
        (Certificate::WrongName, "not valid for name"),
        (Certificate::SelfSigned, "invalid peer certificate"),
    ] {
        let server = runtime.block_on(Server::with(&authority, certificate));
        let (code, report) = checked(&server, &authority);
        assert_eq!(code, 3, "{certificate:?}: {report}");
        assert_eq!(report["findings"], json!([]), "{certificate:?}: {report}");
        assert_eq!(report["summary"]["unknown"], report["summary"]["resources"], "{certificate:?}: {report}");
        let scopes = report["scopes"].as_array().unwrap().iter();
        let errors: Vec<&str> = scopes.map(|scope| scope["error"].as_str().unwrap_or_default()).collect();
        let explained = |error: &&str| error.starts_with("network: ") && error.to_ascii_lowercase().contains(said);
        assert!(!errors.is_empty() && errors.iter().all(explained), "{certificate:?} is not explained: {errors:?}");
        assert_eq!(String::from_utf8_lossy(&server.heard()), "", "{certificate:?}: a request was sent");
    }
    // With a good certificate the secret is sent: nothing else was in the way.
    let server = runtime.block_on(Server::with(&authority, Certificate::Good));
    let (code, report) = checked(&server, &authority);
    assert_eq!((code, &report["findings"]), (3, &json!([])), "nothing there grants a token: {report}");
    let heard = String::from_utf8_lossy(&server.heard()).to_ascii_lowercase();
    for expected in ["get / http/1.1", "post /oauth/token http/1.1", "authorization: basic "] {
        assert!(heard.contains(expected), "{expected} was not asked: {heard}");
    }
}
