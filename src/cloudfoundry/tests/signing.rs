//! How moored signs in, and how often.

use super::super::allow_list::ORGANIZATIONS;
use super::super::types::Organization;
use super::*;
use crate::core::observation::Reason;

/// Organisations for every token but those that are refused.
async fn platform() -> Platform {
    Platform::answering(|asked| (asked.path == "/v3/organizations").then(|| page(asked, &[], 0, None))).await
}

async fn read(context: &ReadContext) -> Result<usize, super::super::read::CallFailure> {
    context.list::<Organization>(&ORGANIZATIONS, &[]).await.map(|listed| listed.items.len())
}

#[tokio::test]
async fn a_client_signs_in_once_with_its_id_and_secret() {
    let platform = Platform::answering(|asked| match &*asked.path {
        "/uaa/oauth/token" if asked.authorization != "Basic bW9vcmVkOnMzY3JldA==" => {
            Some(ResponseTemplate::new(401).set_body_json(json!({ "error": "unauthorized" })))
        }
        "/v3/organizations" if asked.authorization == "Bearer token-0" => Some(page(asked, &[], 0, None)),
        _ => None,
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    assert_eq!((context.session.api_version(), context.session.scopes().len()), (None, 0), "nothing is asked yet");
    read(&context).await.unwrap();
    read(&context).await.unwrap();
    assert_eq!(platform.sign_ins().await, ["grant_type=client_credentials"]);
    assert_eq!(context.calls(), 4, "discovery, token, and two lists");
    assert_eq!(context.session.api_version(), Some((3, 195, 0)));
    assert!(context.session.scopes().contains("cloud_controller.read"));
}

#[tokio::test]
async fn a_person_signs_in_through_the_client_of_people() {
    let platform = Platform::answering(|asked| match &*asked.path {
        "/uaa/oauth/token" if asked.authorization != "Basic Y2Y6" => Some(ResponseTemplate::new(401)),
        "/v3/organizations" => Some(page(asked, &[], 0, None)),
        _ => None,
    })
    .await;
    std::fs::write(&platform.secret, "p&ss wörd\r\n").unwrap();
    let context = platform.context(&platform.foundation_of("anne@example.com")).await;
    read(&context).await.unwrap();
    let expected = "grant_type=password&username=anne%40example.com&password=p%26ss%20w%C3%B6rd";
    assert_eq!(platform.sign_ins().await, [expected]);
}

#[tokio::test]
async fn a_token_is_refreshed_before_it_expires() {
    let platform = platform().await;
    let context = platform.context(&platform.foundation_of("anne")).await;
    read(&context).await.unwrap();
    platform.clock.jump(jiff::SignedDuration::from_secs(1000));
    read(&context).await.unwrap();
    assert_eq!(platform.sign_ins().await.len(), 1, "1199 s are not over yet");
    platform.clock.jump(jiff::SignedDuration::from_secs(100));
    read(&context).await.unwrap();
    let sign_ins = platform.sign_ins().await;
    assert_eq!(sign_ins[1..], ["grant_type=refresh_token&refresh_token=refresh-0"]);
}

#[tokio::test]
async fn a_refresh_that_is_refused_falls_back_to_the_password() {
    let platform = Platform::answering(|asked| match &*asked.path {
        "/uaa/oauth/token" if asked.body.starts_with("grant_type=refresh_token") => {
            let body = json!({ "error": "invalid_token", "error_description": "refresh-0 expired" });
            Some(ResponseTemplate::new(401).set_body_json(body))
        }
        "/v3/organizations" => Some(page(asked, &[], 0, None)),
        _ => None,
    })
    .await;
    let context = platform.context(&platform.foundation_of("anne")).await;
    read(&context).await.unwrap();
    platform.clock.jump(jiff::SignedDuration::from_hours(1));
    read(&context).await.unwrap();
    let grants: Vec<String> =
        platform.sign_ins().await.iter().map(|body| body.split('&').next().unwrap().to_owned()).collect();
    assert_eq!(grants, ["grant_type=password", "grant_type=refresh_token", "grant_type=password"]);
}

#[tokio::test]
async fn a_token_that_the_platform_takes_no_longer_is_replaced_once() {
    let platform = Platform::answering(|asked| match &*asked.path {
        "/v3/organizations" if asked.authorization == "Bearer token-0" => Some(error(401, 1000, "CF-InvalidAuthToken")),
        "/v3/organizations" => Some(page(asked, &[], 0, None)),
        _ => None,
    })
    .await;
    let context = platform.context(&platform.foundation()).await;
    read(&context).await.unwrap();
    assert_eq!(platform.sign_ins().await.len(), 2);
    assert_eq!(platform.counted("GET /v3/organizations"), BTreeMap::from([("credentials", 1), ("ok", 1)]));

    let refusing = Platform::answering(|asked| {
        (asked.path == "/v3/organizations").then(|| error(401, 1000, "CF-InvalidAuthToken"))
    })
    .await;
    let context = refusing.context(&refusing.foundation()).await;
    assert_eq!(read(&context).await.unwrap_err().failure.reason, Reason::Credentials);
    assert_eq!(refusing.sign_ins().await.len(), 2, "it does not go on for ever");
}

#[tokio::test]
async fn a_secret_that_was_refused_is_not_tried_again_until_it_changes() {
    let platform = Platform::answering(|asked| {
        let refused = json!({ "error": "unauthorized", "error_description": "Bad credentials" });
        (asked.path == "/uaa/oauth/token").then(|| ResponseTemplate::new(401).set_body_json(refused))
    })
    .await;
    let foundation = platform.foundation();
    for _ in 0..3 {
        let context = platform.context(&foundation).await;
        let failure = read(&context).await.unwrap_err().failure;
        assert_eq!(failure.reason, Reason::Credentials);
        assert!(failure.detail.contains("POST /oauth/token at api.example.com: HTTP 401 unauthorized"), "{failure}");
        platform.sessions.forget(&foundation).await;
    }
    assert_eq!(platform.sign_ins().await.len(), 1, "UAA locks out who tries a few times");
    std::fs::write(&platform.secret, "another").unwrap();
    read(&platform.context(&foundation).await).await.unwrap_err();
    assert_eq!(platform.sign_ins().await.len(), 2);
    platform.clock.jump(jiff::SignedDuration::from_mins(6));
    read(&platform.context(&foundation).await).await.unwrap_err();
    assert_eq!(platform.sign_ins().await.len(), 3);
}

#[tokio::test]
async fn many_readings_at_once_sign_in_once() {
    let platform = platform().await;
    let foundation = platform.foundation();
    let (one, two) = (platform.context(&foundation).await, platform.context(&foundation).await);
    let (first, second) = tokio::join!(read(&one), read(&two));
    first.unwrap();
    second.unwrap();
    assert_eq!(platform.sign_ins().await.len(), 1);
}

#[tokio::test]
async fn who_is_forgotten_signs_in_anew_and_another_principal_has_a_session_of_its_own() {
    let platform = platform().await;
    let (client, person) = (platform.foundation(), platform.foundation_of("anne"));
    read(&platform.context(&client).await).await.unwrap();
    read(&platform.context(&person).await).await.unwrap();
    platform.sessions.forget(&client).await;
    read(&platform.context(&client).await).await.unwrap();
    read(&platform.context(&person).await).await.unwrap();
    assert_eq!(platform.sign_ins().await.len(), 3);
}

#[tokio::test]
async fn no_secret_is_sent_where_the_platform_has_no_business() {
    for login in ["https://login.example.com", "http://127.0.0.1:1/uaa", "nowhere"] {
        let platform = Platform::answering(move |asked| (asked.path == "/").then(|| ok(root(login)))).await;
        let context = platform.context(&platform.foundation()).await;
        let failure = read(&context).await.unwrap_err().failure;
        assert_eq!(failure.reason, Reason::Malformed, "{login}");
        assert_eq!(platform.asked().await, ["GET /"], "{login}");
    }
}

#[tokio::test]
async fn neither_a_failure_nor_a_session_shows_a_secret() {
    let platform = Platform::answering(|asked| match &*asked.path {
        "/uaa/oauth/token" => Some(ok(json!({ "access_token": ["token-0"], "refresh_token": "refresh-0" }))),
        _ => None,
    })
    .await;
    let context = platform.context(&platform.foundation_of("anne")).await;
    let failure = read(&context).await.unwrap_err();
    assert!(failure.failure.detail.contains("HTTP 200 without a token"), "{failure}");
    let shown = format!("{failure:?} {:?} {:?}", context.session, platform.sessions);
    for secret in ["s3cret", "token-0", "refresh-0"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
