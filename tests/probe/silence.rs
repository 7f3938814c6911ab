//! F18 and its like: no answer, and whose trouble that is.

use std::net::SocketAddr;
use std::time::Duration;

use moored::probe::transport::Setup;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::asking::{Given, HOME, context, here, number, read, setup, silence};

/// A server that reads a request, answers with these bytes, and hangs up; or says nothing ever.
async fn server(answer: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the test's runtime.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                match answer {
                    Some(answer) => {
                        let _ = stream.write_all(answer).await;
                    }
                    None => std::future::pending().await,
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn f18_a_name_that_cannot_be_found_is_told_from_a_server_that_is_down() {
    let nowhere = context(Setup { limits: setup(Given::Unknown).limits, ..Setup::default() });
    // The system's own resolver: this name never exists (RFC 6761).
    let live = read(&nowhere, "https://nowhere.invalid/", &[]).await.unwrap();
    let (class, said) = silence(&live);
    assert_eq!(class, "dns", "{said}");
    assert!(said.contains("the name nowhere.invalid cannot be found"), "{said}");
    for (given, word) in [
        (Given::Unknown, "NXDOMAIN"),
        (Given::Silent, "no name server answered"),
        (Given::Addresses(Vec::new()), "it has no address"),
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://door.example.com/");
            let live = read(&context(setup(given.clone())), &url, &[]).await.unwrap();
            let (class, said) = silence(&live);
            assert!(class == "dns" && said.contains(word), "{url}: {class}: {said}");
        }
    }
}

#[tokio::test]
async fn f18_a_name_that_is_mended_is_read_with_the_next_request() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let url = format!("http://door.example.com:{}/", server.address().port());
    let live = read(&context(setup(Given::Silent)), &url, &[]).await.unwrap();
    assert_eq!(silence(&live).0, "dns");
    assert_eq!(number(&here(&url, &[]).await, "status"), 200);
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses() {
    let address = std::net::TcpListener::bind((HOME, 0)).unwrap().local_addr().unwrap();
    for scheme in ["http", "https"] {
        let live = here(&format!("{scheme}://door.example.com:{}/", address.port()), &[]).await;
        let (class, said) = silence(&live);
        assert_eq!(class, "refused", "{said}");
        assert_eq!(said, format!("door.example.com refuses connections to port {}", address.port()));
    }
}

#[tokio::test]
async fn an_address_that_takes_no_connection_is_unreachable() {
    // Whoever comes after the queue is full is not even told so, as where nobody is.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((HOME, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let waits = Duration::from_millis(200);
    let queue: Vec<_> = (0..6).map(|_| std::net::TcpStream::connect_timeout(&address, waits)).collect();
    assert!(queue.iter().any(Result::is_err), "the queue has no end");
    for scheme in ["http", "https"] {
        let live = here(&format!("{scheme}://door.example.com:{}/", address.port()), &[]).await;
        assert_eq!(silence(&live), ("unreachable", "door.example.com took no connection within 0.8 s"), "{scheme}");
    }
}

#[tokio::test]
async fn who_takes_the_connection_and_says_nothing_is_too_late() {
    let address = server(None).await;
    let live = here(&format!("http://{address}/"), &[]).await;
    assert_eq!(silence(&live), ("timeout", "127.0.0.1 gave no answer within 1.5 s"));
    let live = here(&format!("https://door.example.com:{}/", address.port()), &[]).await;
    assert_eq!(silence(&live), ("timeout", "door.example.com finished no TLS handshake within 0.8 s"));
    let slow = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_delay(Duration::from_secs(5));
    Mock::given(any()).respond_with(answer).mount(&slow).await;
    assert_eq!(silence(&here(&slow.uri(), &[]).await).0, "timeout");
}

#[tokio::test]
async fn half_an_answer_is_none() {
    for bytes in
        [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\"", b"ssh"]
    {
        let live = here(&format!("http://{}/", server(Some(bytes)).await), &["/a"]).await;
        let (class, said) = silence(&live);
        assert_eq!(class, "broken", "{}: {said}", String::from_utf8_lossy(bytes));
        assert!(said.starts_with("127.0.0.1 broke off: "), "{said}");
    }
}
