//! Single calls: what is asked again, what is refused, and what somebody else answers.

use super::super::allow_list::{APP_MANIFEST, INFO, ORGANIZATIONS, PROCESS_STATS, Resource};
use super::super::types::{Info, Organization, Stats};
use super::*;
use crate::core::observation::Reason;

const GUID: &str = "6a901b7c-9417-4dc1-8189-d3234aa0ab82";

#[tokio::test]
async fn what_writes_an_event_is_refused_before_a_byte_is_sent() {
    const ENVIRONMENT: Resource = Resource { name: "GET /v3/apps/:guid/env", path: "/v3/apps/:guid/env", order: None };
    let platform = Platform::answering(|_| None).await;
    let context = platform.context(&platform.foundation()).await;
    let failure = context.text(&ENVIRONMENT, Some(GUID)).await.unwrap_err().failure;
    assert_eq!(failure.reason, Reason::Denied);
    assert!(failure.detail.contains("moored refuses it"), "{failure}");
    for guid in [None, Some("x/env?"), Some("../../apps/x/env#"), Some("a b")] {
        let failure = context.text(&APP_MANIFEST, guid).await.unwrap_err().failure;
        assert!(failure.detail.contains("moored refuses it"), "{guid:?}: {failure}");
    }
    assert_eq!(platform.asked().await, ["GET /", "POST /uaa/oauth/token"]);
    assert_eq!(platform.counted("GET /v3/apps/:guid/env"), BTreeMap::from([("refused", 1)]));
    assert_eq!(platform.counted("GET /v3/apps/:guid/manifest"), BTreeMap::from([("refused", 4)]));
}

#[tokio::test]
async fn nothing_but_a_get_and_the_sign_in_leaves() {
    let platform = Platform::answering(|_| None).await;
    let context = platform.context(&platform.foundation()).await;
    context.sign_in().await.unwrap();
    let (client, uri) = (reqwest::Client::new(), platform.server.uri());
    let base = format!("{uri}/_cf/{HOST}");
    let requests = [
        client.post(format!("{base}/v3/apps")),
        client.patch(format!("{base}/v3/apps")),
        client.delete(format!("{base}/v3/apps")),
        client.head(format!("{base}/v3/apps")),
        client.post(format!("{uri}/uaa/Users")),
        client.get(format!("{uri}/uaa/oauth/token")),
        client.get(format!("{uri}/v3/apps")),
        client.get("https://api.example.org/v3/apps"),
    ];
    for request in requests {
        let request = request.build().unwrap();
        let said = format!("{request:?}");
        let failure = context.session.send("test", request, &AtomicU32::new(0)).await.err().unwrap().failure;
        assert!(failure.detail.contains("moored refuses it"), "{said}: {failure}");
    }
    assert_eq!(platform.asked().await, ["GET /", "POST /uaa/oauth/token"]);
}

#[tokio::test]
async fn a_429_in_plain_text_stops_all_calls_until_the_time_it_names() {
    let platform = Platform::answering(|asked| match (&*asked.path, asked.nth) {
        ("/v3/organizations", 0) => {
            let body = r#"{"errors":[{"detail":"Rate Limit Exceeded","title":"CF-RateLimitExceeded","code":10013}]}"#;
            Some(ResponseTemplate::new(429).insert_header("retry-after", "90").set_body_raw(body, "text/plain"))
        }
        ("/v3/organizations", _) => Some(page(asked, &[], 0, None)),
        _ => None,
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    let started = platform.clock.now();
    for _ in 0..3 {
        let failure = context.list::<Organization>(&ORGANIZATIONS, &[]).await.unwrap_err().failure;
        assert_eq!(failure.reason, Reason::Throttled);
    }
    assert_eq!(platform.asked().await.len(), 3, "asked once");
    let failure = context.list::<Organization>(&ORGANIZATIONS, &[]).await.unwrap_err().failure;
    assert!(failure.detail.contains("after 1970-01-01T00:01:30Z"), "{failure}");
    assert_eq!(platform.clock.now(), started, "nobody waited for it");
    platform.clock.jump(jiff::SignedDuration::from_secs(90));
    context.list::<Organization>(&ORGANIZATIONS, &[]).await.unwrap();
}

#[tokio::test]
async fn the_limit_that_the_platform_tells_slows_moored_down() {
    let platform = Platform::answering(|asked| {
        let told = |answer: ResponseTemplate| {
            answer.insert_header("x-ratelimit-limit", "20000").insert_header("x-ratelimit-remaining", "18000")
        };
        (asked.path == "/v3/organizations")
            .then(|| told(page(asked, &[], 0, None)).insert_header("x-ratelimit-reset", "1800"))
    })
    .await;
    let foundation = platform.foundation();
    assert_eq!(platform.sessions.rate(&foundation), 20.0);
    let context = platform.context(&foundation).await;
    context.list::<Organization>(&ORGANIZATIONS, &[]).await.unwrap();
    assert!((platform.sessions.rate(&foundation) - 5000.0 / 3600.0).abs() < 1e-9);
    let seen = context.session.rate_limit().unwrap();
    assert_eq!((seen.limit, seen.remaining), (Some(20_000), Some(18_000)));
    assert_eq!(seen.reset, Timestamp::from_second(1800).ok());
}

#[tokio::test]
async fn a_router_without_a_backend_is_asked_once_more() {
    let platform = Platform::answering(|asked| match (&*asked.path, asked.nth) {
        ("/v3/info", 0) => Some(ResponseTemplate::new(502).set_body_raw("<html>Bad Gateway</html>", "text/html")),
        ("/v3/info", _) => Some(ok(json!({ "name": "CF" }))),
        ("/v3/organizations", _) => Some(error(503, 10015, "CF-ServiceUnavailable")),
        ("/v3/apps/6a901b7c-9417-4dc1-8189-d3234aa0ab82/manifest", _) => Some(error(500, 10001, "UnknownError")),
        _ => None,
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    let info = context.one::<Info>(&INFO, None).await.unwrap();
    assert_eq!(&*info.name, "CF");
    assert_eq!(platform.counted("GET /v3/info"), BTreeMap::from([("ok", 1), ("server", 1)]));
    assert_eq!(platform.clock.now(), Timestamp::from_second(1).unwrap(), "after a second");
    let failure = context.list::<Organization>(&ORGANIZATIONS, &[]).await.unwrap_err().failure;
    assert_eq!(failure.reason, Reason::Server);
    assert_eq!(platform.counted("GET /v3/organizations"), BTreeMap::from([("server", 2)]));
    context.text(&APP_MANIFEST, Some(GUID)).await.unwrap_err();
    assert_eq!(
        platform.counted("GET /v3/apps/:guid/manifest"),
        BTreeMap::from([("server", 1)]),
        "a 500 is no accident"
    );
}

#[tokio::test]
async fn a_redirect_to_a_login_page_is_not_followed() {
    let platform = Platform::answering(|asked| {
        (asked.path == "/v3/organizations")
            .then(|| ResponseTemplate::new(302).insert_header("location", "https://sso.example.com/login?from=x"))
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    let failure = context.list::<Organization>(&ORGANIZATIONS, &[]).await.unwrap_err().failure;
    assert_eq!(failure.reason, Reason::Malformed);
    assert!(failure.detail.contains("leads to sso.example.com"), "{failure}");
}

#[tokio::test]
async fn a_page_of_html_is_malformed_whatever_was_asked() {
    let platform = Platform::answering(|asked| {
        asked.path.starts_with("/v3/").then(|| {
            ResponseTemplate::new(200).set_body_raw("<!DOCTYPE html><html>Sign in</html>", "text/html; charset=utf-8")
        })
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    let failures = [
        context.list::<Organization>(&ORGANIZATIONS, &[]).await.unwrap_err(),
        context.one::<Stats>(&PROCESS_STATS, Some(GUID)).await.unwrap_err(),
        context.text(&APP_MANIFEST, Some(GUID)).await.unwrap_err(),
    ];
    for failure in failures {
        assert_eq!(failure.failure.reason, Reason::Malformed);
        assert!(failure.failure.detail.contains("HTTP 200 with HTML"), "{failure}");
    }
}

#[tokio::test]
async fn a_manifest_comes_as_it_is_written() {
    let yaml = "---\napplications:\n- name: api\n";
    let platform = Platform::answering(move |asked| {
        asked.path.ends_with("/manifest").then(|| ResponseTemplate::new(200).set_body_raw(yaml, "application/x-yaml"))
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    assert_eq!(context.text(&APP_MANIFEST, Some(GUID)).await.unwrap(), yaml);
}

#[tokio::test]
async fn a_404_is_kept_apart_and_is_no_absence() {
    let platform = Platform::answering(|asked| {
        asked.path.starts_with("/v3/processes").then(|| error(404, 10010, "CF-ResourceNotFound"))
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    let failure = context.one::<Stats>(&PROCESS_STATS, Some(GUID)).await.unwrap_err();
    assert!(failure.is_not_found());
    assert_eq!(failure.failure.reason, Reason::Denied);
    let unknown = context.one::<Info>(&INFO, None).await.unwrap_err();
    assert!(!unknown.is_not_found());
    assert_eq!(unknown.failure.reason, Reason::Invalid);
}

#[tokio::test]
async fn nobody_at_the_address_is_a_matter_of_the_network() {
    let platform = Platform::answering(|_| None).await;
    let foundation = platform.foundation();
    let options = SessionOptions {
        // Nobody listens there.
        cloud: Some("http://127.0.0.1:9".to_owned()),
        clock: platform.clock.clone(),
        requests: platform.requests.clone(),
        proxy: None,
    };
    let session = Sessions::new(options).unwrap().session(&foundation).await;
    let context = ReadContext::new(session, platform.clock.clone(), Arc::new(Redactor::new(&[0; 32])));
    let failure = context.one::<Info>(&INFO, None).await.unwrap_err().failure;
    assert_eq!(failure.reason, Reason::Network);
    assert_eq!(platform.counted("GET /"), BTreeMap::from([("network", 2)]));
}

#[tokio::test]
async fn the_platform_tells_by_how_much_its_clock_is_ahead() {
    let platform = Platform::answering(|asked| {
        (asked.path == "/v3/organizations").then(|| {
            let date = if asked.nth == 0 { "Thu, 01 Jan 1970 00:01:30 GMT" } else { "Thu, 01 Jan 1970 00:01:28 GMT" };
            page(asked, &[], 0, None).insert_header("date", date)
        })
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    assert_eq!(context.clock_skew(), None);
    assert_eq!(context.platform_time(Timestamp::UNIX_EPOCH), Timestamp::UNIX_EPOCH, "as far as is known");
    for _ in 0..2 {
        context.list::<Organization>(&ORGANIZATIONS, &[]).await.unwrap();
    }
    assert_eq!(context.clock_skew(), Some(jiff::SignedDuration::from_secs(90)), "by the answer that came soonest");
    assert_eq!(context.platform_time(Timestamp::UNIX_EPOCH).as_second(), 90);
}

#[tokio::test]
async fn a_session_counts_how_often_it_has_signed_in_and_knows_what_is_pinned() {
    let platform = Platform::answering(|_| None).await;
    let mut foundation = platform.foundation();
    foundation.organizations.insert("GDS".into(), Some("o-1".into()));
    let context = platform.context(&foundation).await;
    assert_eq!(context.session.pinned("gds").map(|guid| &**guid), Some("o-1"));
    assert_eq!((context.session.pinned("other"), context.session.grants()), (None, 0));
    context.sign_in().await.unwrap();
    context.sign_in().await.unwrap();
    assert_eq!(context.session.grants(), 1);
    platform.sessions.forget(&foundation).await;
    context.sign_in().await.unwrap();
    assert_eq!(context.session.grants(), 2);
}
