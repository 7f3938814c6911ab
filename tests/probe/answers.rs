//! What of an answer becomes a fact: status, latency, values of its JSON; and that one request, as
//! anybody would send it, is all that is sent.

use std::time::Duration;

use moored::core::value::Value;
use serde_json::json;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::asking::{Given, HOME, context, here, number, read, setup, text};

async fn server(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(answer).mount(&server).await;
    server
}

#[tokio::test]
async fn a_reading_is_one_request_that_says_who_asks() {
    let server = server(ResponseTemplate::new(503).insert_header("set-cookie", "session=1")).await;
    let url = format!("http://door.example.com:{}/health?deep=yes", server.address().port());
    let context = context(setup(Given::Addresses(vec![HOME])));
    for _ in 0..2 {
        let live = read(&context, &url, &[]).await.unwrap();
        assert_eq!(number(&live, "status"), 503);
        assert_eq!((&*live.id, &*live.key.key), (&*url, &*url));
        assert!(live.fields.value("body").is_none(), "nobody asked what it says");
    }
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked.len(), 2);
    for request in asked {
        assert_eq!((request.url.path(), request.url.query()), ("/health", Some("deep=yes")));
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert!(header("user-agent").unwrap().starts_with("moored/"));
        assert!(header("user-agent").unwrap().ends_with(" (probe)"));
        assert!(header("host").unwrap().starts_with("door.example.com"));
        for unsent in ["cookie", "authorization", "referer", "x-simulated-scheme"] {
            assert_eq!(header(unsent), None, "{unsent}");
        }
    }
}

#[tokio::test]
async fn the_values_that_are_asked_for_are_facts() {
    let document = json!({"status": "ok", "jobs": {"deploy": {}}, "count": 3, "password": "hunter2"});
    let server = server(ResponseTemplate::new(200).set_body_json(document)).await;
    let live = here(&server.uri(), &["/status", "/jobs/destroy", "/jobs/deploy", "/count", "/password"]).await;
    assert_eq!((text(&live, "body"), text(&live, "json./status")), ("json", "ok"));
    assert_eq!(number(&live, "json./count"), 3);
    assert_eq!(live.fields.value("json./jobs/destroy"), Some(&Value::Nothing));
    assert_eq!(live.fields.value("json./jobs/deploy"), Some(&Value::List(Box::default())));
    assert!(matches!(live.fields.value("json./password"), Some(Value::Secret(_))));
    assert!(!format!("{live:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_body_that_is_no_json_or_has_no_end_says_nothing() {
    let page = server(ResponseTemplate::new(200).set_body_string("<html>please sign in</html>")).await;
    let live = here(&page.uri(), &["/jobs/destroy"]).await;
    assert_eq!((text(&live, "body"), live.fields.value("json./jobs/destroy")), ("other", None));
    let endless = server(ResponseTemplate::new(200).set_body_bytes(vec![b' '; 1024 * 1024 + 1])).await;
    let live = here(&endless.uri(), &["/jobs/destroy"]).await;
    assert_eq!((text(&live, "body"), live.fields.value("json./jobs/destroy")), ("tooLong", None));
    assert_eq!(number(&live, "status"), 200);
}

#[tokio::test]
async fn latency_is_the_time_to_the_whole_answer() {
    let server = server(ResponseTemplate::new(200).set_delay(Duration::from_millis(250))).await;
    let latency = number(&here(&server.uri(), &[]).await, "runtime.latencyMs");
    assert!((250..1500).contains(&latency), "{latency}");
}

#[tokio::test]
async fn f21_a_redirect_is_its_status_and_is_not_followed() {
    let server = MockServer::start().await;
    let metadata = "http://169.254.169.254/latest/meta-data?token=hunter2";
    for (from, to) in [("/out", "https://login.example.com/oauth?token=hunter2"), ("/in", metadata), ("/up", "/login")]
    {
        let answer = ResponseTemplate::new(302).insert_header("location", to);
        Mock::given(path(from)).respond_with(answer).mount(&server).await;
    }
    for (from, host) in [("/out", "login.example.com"), ("/in", "169.254.169.254"), ("/up", "127.0.0.1")] {
        let live = here(&format!("{}{from}", server.uri()), &[]).await;
        assert_eq!((number(&live, "status"), text(&live, "location")), (302, host), "{from}");
        assert!(!format!("{live:?}").contains("hunter2"));
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}
