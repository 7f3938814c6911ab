//! One HTTP exchange: authenticate, decode, let a fault strike, carry out, encode.
//!
//! Decides which protocol a request speaks and what its sender may do. It checks no signature (the
//! simulator holds no secrets), waits for nothing and opens nothing. [`Cloud::handle`] calls it.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{self, HeaderMap, HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Call, Cloud, State, json, outcome, query, route53_rest};
use crate::sim::world::faults::lies::{leave_out, young};
use crate::sim::world::faults::pages::Paging;
use crate::sim::world::faults::{self, Effect, PageFault};
use crate::sim::world::{self, Answer, ApiError, Caller, Request, Service};

/// Larger requests are refused.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// A request that is never answered is dropped after this time, should the client still be there.
const HANG: Duration = Duration::from_secs(120);

const HTML: &str = "text/html";

/// A response, and how long to wait before sending it.
pub(super) struct Reply {
    pub(super) response: http::Response<Bytes>,
    pub(super) delay: Option<Duration>,
}

impl Reply {
    fn at_once(response: http::Response<Bytes>) -> Self {
        Self { response, delay: None }
    }
}

/// Marks a response of which only a part is sent; the server promises the whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct CutShort {
    /// The length that the `content-length` header claims.
    pub(super) promised: usize,
}

/// Marks a response that never arrives, because the connection is reset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reset;

/// Who signed a request, for what. The signature itself is not kept.
struct Signature<'a> {
    access_key: &'a str,
    region: &'a str,
    service: Service,
}

impl Cloud {
    /// Answers a request without waiting. The lock is held for the whole of it, so requests are
    /// carried out one after the other.
    pub(super) fn exchange(&self, http: &http::Request<Bytes>) -> Reply {
        let now = self.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        state.requests += 1;
        let drawn = faults::splitmix64(self.0.seed ^ state.requests);
        let id = request_id(drawn);

        let signature = match signature(http.headers()) {
            Ok(signature) => signature,
            Err(error) => return Reply::at_once(unaddressed(http.headers(), error, &id)),
        };
        let service = signature.service;
        let mut call = Call {
            at: now,
            account: String::new(),
            region: signature.region.to_owned(),
            service,
            operation: String::new(),
            container: None,
            outcome: String::new(),
            fault: None,
            human: false,
        };
        let (caller, request) = match admit(state, &signature, http, now, &mut call) {
            Ok(admitted) => admitted,
            Err(error) => {
                call.outcome.clone_from(&error.code);
                let response = encode(service, &call.operation, &Err(error), &id);
                state.log(call);
                return Reply::at_once(response);
            }
        };
        let effect = state.world.faults.choose(&caller, &request, now, self.0.seed);
        call.fault = effect.as_ref().map(Effect::name);
        let (reply, outcome) = strike(state, effect, &caller, request, now, drawn, &id);
        call.outcome = outcome;
        state.log(call);
        reply
    }
}

/// Establishes the caller and the request, or refuses; notes in the log what it has learnt.
fn admit(
    state: &State,
    signature: &Signature<'_>,
    http: &http::Request<Bytes>,
    now: Timestamp,
    call: &mut Call,
) -> Result<(Caller, Request), ApiError> {
    let service = signature.service;
    let token = text_header(http.headers(), "x-amz-security-token");
    let caller = state
        .world
        .sts
        .caller(signature.access_key, token, signature.region, now)
        .map_err(|error| respell(service, error))?;
    call.account.clone_from(&caller.account);
    if http.body().len() > MAX_BODY {
        return Err(ApiError::new(413, "RequestEntityTooLarge", "The request is larger than 1 MiB."));
    }
    let request = decode(service, http)?;
    call.operation.clone_from(&request.operation);
    call.container = super::container(&request.input);
    if state.world.sts.denies(&caller, service, &request.operation) {
        return Err(faults::denied(&caller, service, &request.operation));
    }
    Ok((caller, request))
}

/// Lets the effect strike and carries the request out as far as the effect allows.
fn strike(
    state: &mut State,
    effect: Option<Effect>,
    caller: &Caller,
    mut request: Request,
    now: Timestamp,
    seed: u64,
    id: &str,
) -> (Reply, String) {
    let service = request.service;
    let operation = request.operation.clone();
    let spelled = |answer: &Answer| Reply::at_once(encode(service, &operation, answer, id));

    if let Some(refusal) = effect.as_ref().and_then(|effect| effect.refusal(caller, &request)) {
        let answer = Err(refusal);
        let mut reply = spelled(&answer);
        if let Some(Effect::Refused { retry_after: Some(seconds), .. }) = effect {
            let headers = reply.response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            headers.insert("x-amz-retry-after", HeaderValue::from(u64::from(seconds) * 1000));
        }
        return (reply, outcome(&answer));
    }
    match effect {
        Some(Effect::Timeout) => (hang(), "timeout".to_owned()),
        Some(Effect::LostAnswer) => {
            let _lost = carry_out(state, caller, &request, now, seed);
            (hang(), "lost".to_owned())
        }
        Some(Effect::Reset) => {
            let _lost = carry_out(state, caller, &request, now, seed);
            (Reply::at_once(reset()), "reset".to_owned())
        }
        Some(Effect::HtmlBody { status }) => (Reply::at_once(web_page(status)), "html".to_owned()),
        Some(Effect::TruncatedBody) => {
            let whole = spelled(&carry_out(state, caller, &request, now, seed)).response;
            (Reply::at_once(cut_short(whole)), "truncated".to_owned())
        }
        Some(Effect::EmptyPage) => {
            let mut answer = carry_out(state, caller, &request, now, seed);
            if let Ok(output) = &mut answer {
                faults::empty_first_list(output);
            }
            (spelled(&answer), outcome(&answer))
        }
        Some(Effect::StaleRead { by }) => {
            let age = SignedDuration::from_secs(i64::from(by));
            let answer = look_back(state, caller, &request, age, now, seed);
            (spelled(&answer), outcome(&answer))
        }
        Some(Effect::Wandering { up_to }) => {
            let age = SignedDuration::from_secs(i64::try_from(seed % (u64::from(up_to) + 1)).unwrap_or_default());
            let answer = look_back(state, caller, &request, age, now, seed);
            (spelled(&answer), outcome(&answer))
        }
        Some(Effect::Pages { size, fault }) => {
            let answer = page(state, caller, request, size, fault, now, seed);
            (spelled(&answer), outcome(&answer))
        }
        Some(Effect::Without { text }) => {
            let mut answer = carry_out(state, caller, &request, now, seed);
            if let Ok(output) = &mut answer {
                leave_out(&operation, output, &text);
            }
            (spelled(&answer), outcome(&answer))
        }
        Some(Effect::Lagging { seconds }) => {
            let mut answer = carry_out(state, caller, &request, now, seed);
            if let Ok(output) = &mut answer {
                let age = SignedDuration::from_secs(i64::from(seconds));
                for arn in young(&state.world, caller, output, now, age) {
                    leave_out(&operation, output, &arn);
                }
            }
            (spelled(&answer), outcome(&answer))
        }
        Some(Effect::OtherAccount { account }) => {
            let answer = answer_as(state, caller, &request, &account, now, seed);
            (spelled(&answer), outcome(&answer))
        }
        Some(Effect::UnprocessedKeys) => {
            let withheld = faults::withhold_keys(&mut request.input);
            let mut answer = carry_out(state, caller, &request, now, seed);
            if let Ok(output) = &mut answer {
                faults::leave_unprocessed(output, withheld);
            }
            (spelled(&answer), outcome(&answer))
        }
        Some(Effect::Slow { millis }) => {
            let answer = carry_out(state, caller, &request, now, seed);
            let delay = Some(Duration::from_millis(millis));
            (Reply { delay, ..spelled(&answer) }, outcome(&answer))
        }
        // The refusals have returned above.
        None
        | Some(
            Effect::Throttle
            | Effect::Refused { .. }
            | Effect::ServerError { .. }
            | Effect::Denied
            | Effect::ExpiredToken
            | Effect::UnrecognizedClient,
        ) => {
            let answer = carry_out(state, caller, &request, now, seed);
            (spelled(&answer), outcome(&answer))
        }
    }
}

fn carry_out(state: &mut State, caller: &Caller, request: &Request, now: Timestamp, seed: u64) -> Answer {
    let answer = world::apply(&mut state.world, caller, request, now, seed);
    if !faults::is_read(request) {
        state.remember(now);
    }
    answer
}

/// Serves one page of a list, with what goes wrong around it. A position that has expired was
/// refused before.
fn page(
    state: &mut State,
    caller: &Caller,
    mut request: Request,
    size: u32,
    fault: PageFault,
    now: Timestamp,
    seed: u64,
) -> Answer {
    let Some(paging) = Paging::of(&request) else { return carry_out(state, caller, &request, now, seed) };
    let follows = paging.follows(&request.input);
    paging.shrink(&mut request.input, size);
    let mut first = request.clone();
    paging.rewind(&mut first.input);
    let asked = if fault == PageFault::Loops { &first } else { &request };
    let mut output = carry_out(state, caller, asked, now, seed)?;
    match fault {
        PageFault::Empty if follows => paging.fill(&mut output, Value::Array(Vec::new())),
        PageFault::Repeats if follows => {
            let again = carry_out(state, caller, &first, now, seed)?;
            paging.fill(&mut output, paging.entries(&again));
        }
        PageFault::Ends => paging.end(&mut output),
        _ => {}
    }
    Ok(output)
}

/// Answers for another account than the caller's. A role that is assumed keeps its name: the
/// session that comes out of it is the other account's.
fn answer_as(
    state: &mut State,
    caller: &Caller,
    request: &Request,
    account: &str,
    now: Timestamp,
    seed: u64,
) -> Answer {
    if request.operation != "AssumeRole" {
        let arn = caller.arn.replace(caller.account.as_str(), account);
        let other = Caller { account: account.to_owned(), region: caller.region.clone(), arn };
        return carry_out(state, &other, request, now, seed);
    }
    let output = carry_out(state, caller, request, now, seed)?;
    if let Some(key) = output.pointer("/Credentials/AccessKeyId").and_then(Value::as_str) {
        state.world.sts.hand_over(key, account);
    }
    Ok(output)
}

/// Answers a read from the past, without touching the present.
fn look_back(
    state: &mut State,
    caller: &Caller,
    request: &Request,
    age: SignedDuration,
    now: Timestamp,
    seed: u64,
) -> Answer {
    let then = now.checked_sub(age).unwrap_or(now);
    match state.past_world(age, now) {
        Some(mut old) => world::apply(&mut old, caller, request, then, seed),
        None => world::apply(&mut state.world, caller, request, now, seed),
    }
}

fn decode(service: Service, http: &http::Request<Bytes>) -> Result<Request, ApiError> {
    match service {
        Service::Ecs | Service::DynamoDb | Service::CloudTrail => {
            json::decode(service, text_header(http.headers(), "x-amz-target"), http.body())
        }
        Service::Sts | Service::Elbv2 => {
            let (operation, input) = query::decode(text(http.body())?)?;
            Ok(Request { service, operation, input })
        }
        Service::Route53 => {
            let uri = http.uri();
            let query = uri.query().unwrap_or_default();
            route53_rest::decode(http.method().as_str(), uri.path(), query, text(http.body())?)
        }
    }
}

fn encode(service: Service, operation: &str, answer: &Answer, id: &str) -> http::Response<Bytes> {
    let (status, body) = match service {
        Service::Ecs | Service::DynamoDb | Service::CloudTrail => json::encode(service, answer),
        Service::Sts | Service::Elbv2 => query::encode(service, operation, answer, id),
        Service::Route53 => route53_rest::encode(operation, answer, id),
    };
    let content_type = match service {
        Service::Ecs | Service::CloudTrail => "application/x-amz-json-1.1",
        Service::DynamoDb => "application/x-amz-json-1.0",
        Service::Sts | Service::Elbv2 | Service::Route53 => "text/xml",
    };
    let mut response = respond(status, content_type, body);
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

fn respond(status: u16, content_type: &'static str, body: String) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The answer to a request that names no service: in the protocol that it seems to speak.
fn unaddressed(headers: &HeaderMap, error: ApiError, id: &str) -> http::Response<Bytes> {
    let service = if headers.contains_key("x-amz-target") { Service::Ecs } else { Service::Sts };
    encode(service, "", &Err(error), id)
}

/// Nothing arrives for [`HANG`]; then the load balancer in front gives up.
fn hang() -> Reply {
    Reply { response: web_page(504), delay: Some(HANG) }
}

/// A client in this process sees the mark; one at a socket, a connection that ends too early.
fn reset() -> http::Response<Bytes> {
    let mut response = respond(200, HTML, String::new());
    response.extensions_mut().insert(Reset);
    response.extensions_mut().insert(CutShort { promised: 1 });
    response
}

fn web_page(status: u16) -> http::Response<Bytes> {
    let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    let page =
        format!("<html>\n<head><title>{status} {title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n");
    respond(status, HTML, page)
}

fn cut_short(whole: http::Response<Bytes>) -> http::Response<Bytes> {
    let promised = whole.body().len();
    let mut half = whole.map(|body| body.slice(..promised / 2));
    half.extensions_mut().insert(CutShort { promised });
    half
}

/// STS names the refusals of a credential in its own spelling; JSON services have another.
fn respell(service: Service, error: ApiError) -> ApiError {
    match error.code.as_str() {
        "InvalidClientTokenId" | "UnrecognizedClientException" => faults::unrecognized_client(service),
        "ExpiredToken" | "ExpiredTokenException" => faults::expired_token(service),
        _ => error,
    }
}

/// Reads `AWS4-HMAC-SHA256 Credential=AKID/date/region/service/aws4_request, …`.
fn signature(headers: &HeaderMap) -> Result<Signature<'_>, ApiError> {
    let incomplete = || {
        ApiError::new(
            400,
            "IncompleteSignature",
            "Authorization header requires 'Credential' parameter of the form \
             AKID/date/region/service/aws4_request.",
        )
    };
    let header = text_header(headers, "authorization")
        .ok_or_else(|| ApiError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token"))?;
    let parameters = header.strip_prefix("AWS4-HMAC-SHA256").ok_or_else(incomplete)?;
    let credential = parameters
        .split(',')
        .find_map(|parameter| parameter.trim().strip_prefix("Credential="))
        .ok_or_else(incomplete)?;
    let scope: Vec<&str> = credential.split('/').collect();
    let [access_key, _date, region, name, "aws4_request"] = scope.as_slice() else {
        return Err(incomplete());
    };
    let service = Service::from_signing_name(name).ok_or_else(|| {
        let message = format!("Credential should be scoped to correct service: '{name}' is not simulated.");
        ApiError::new(403, "SignatureDoesNotMatch", message)
    })?;
    // Route 53 is global; a client that was given an endpoint signs with its own region.
    let region = if service == Service::Route53 { "us-east-1" } else { *region };
    Ok(Signature { access_key, region, service })
}

fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn text(body: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(body)
        .map_err(|_| ApiError::bad_request("MalformedInput", "The request body is not valid UTF-8."))
}

/// Looks like a UUID, so that whatever parses or shows one can.
fn request_id(drawn: u64) -> String {
    let hex = format!("{drawn:016x}{:016x}", faults::splitmix64(drawn));
    let group = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::json;

    use super::*;
    use crate::sim::world::World;
    use crate::sim::world::faults::{Match, Rule};

    const ACCOUNT: &str = "111122223333";

    fn cloud() -> Cloud {
        Cloud::new(World::with_accounts([ACCOUNT]), || Timestamp::UNIX_EPOCH, 1)
    }

    fn list_clusters() -> http::Request<Bytes> {
        let credential = format!("{ACCOUNT}/20261101/eu-west-1/ecs/aws4_request");
        http::Request::post("http://cloud.invalid/")
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={credential}, Signature=00"))
            .header("x-amz-target", "AmazonEC2ContainerServiceV20141113.ListClusters")
            .body(Bytes::from_static(b"{}"))
            .unwrap()
    }

    fn body(response: &http::Response<Bytes>) -> Value {
        serde_json::from_slice(response.body()).unwrap()
    }

    fn plague(cloud: &Cloud, effect: Effect) {
        cloud.with_world(|world| world.faults.add(Rule::always(Match::default(), effect)));
    }

    #[tokio::test]
    async fn a_request_without_a_signature_is_refused() {
        let mut request = list_clusters();
        request.headers_mut().remove("authorization");
        let response = cloud().handle(request).await;
        assert_eq!(response.status(), 403);
        assert_eq!(body(&response)["__type"], "MissingAuthenticationToken");
    }

    #[tokio::test]
    async fn an_unknown_access_key_is_refused_in_the_spelling_of_the_service() {
        let mut request = list_clusters();
        let stranger = "AWS4-HMAC-SHA256 Credential=AKIAUNKNOWN/20261101/eu-west-1/ecs/aws4_request";
        request.headers_mut().insert("authorization", HeaderValue::from_static(stranger));
        let response = cloud().handle(request).await;
        assert_eq!(response.status(), 400);
        assert_eq!(body(&response)["__type"], "UnrecognizedClientException");
    }

    #[tokio::test]
    async fn a_request_above_the_limit_is_refused() {
        let request = list_clusters().map(|_| Bytes::from(vec![b' '; MAX_BODY + 1]));
        assert_eq!(cloud().handle(request).await.status(), 413);
    }

    #[tokio::test]
    async fn a_truncated_answer_is_no_json() {
        let cloud = cloud();
        plague(&cloud, Effect::TruncatedBody);
        let response = cloud.handle(list_clusters()).await;
        assert_eq!(response.status(), 200);
        assert!(serde_json::from_slice::<Value>(response.body()).is_err());
    }

    #[test]
    fn a_timeout_changes_nothing_and_a_lost_answer_does() {
        let create = || {
            let body = Bytes::from_static(b"{\"clusterName\": \"made\"}");
            let mut request = list_clusters().map(|_| body);
            let target = "AmazonEC2ContainerServiceV20141113.CreateCluster";
            request.headers_mut().insert("x-amz-target", HeaderValue::from_static(target));
            request
        };
        let clusters = |effect| {
            let cloud = cloud();
            plague(&cloud, effect);
            assert_eq!(cloud.exchange(&create()).delay, Some(HANG));
            let list = Request::new(Service::Ecs, "ListClusters", json!({}));
            let listed = cloud.call(&Caller::root(ACCOUNT, "eu-west-1"), &list).unwrap();
            listed["clusterArns"].as_array().unwrap().len()
        };
        assert_eq!(clusters(Effect::Timeout), 0);
        assert_eq!(clusters(Effect::LostAnswer), 1);
    }

    #[tokio::test]
    async fn a_stale_read_shows_the_world_as_it_was() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicI64, Ordering};

        let second = Arc::new(AtomicI64::new(1_000));
        let hand = Arc::clone(&second);
        let clock = move || Timestamp::from_second(hand.load(Ordering::SeqCst)).unwrap();
        let cloud = Cloud::new(World::with_accounts([ACCOUNT]), clock, 1);
        plague(&cloud, Effect::StaleRead { by: 10 });

        second.store(1_100, Ordering::SeqCst);
        let caller = Caller::root(ACCOUNT, "eu-west-1");
        let create = Request::new(Service::Ecs, "CreateCluster", json!({"clusterName": "new"}));
        cloud.call(&caller, &create).unwrap();
        second.store(1_105, Ordering::SeqCst);
        assert_eq!(body(&cloud.handle(list_clusters()).await)["clusterArns"], json!([]));
        second.store(1_111, Ordering::SeqCst);
        let arns = body(&cloud.handle(list_clusters()).await)["clusterArns"].clone();
        assert_eq!(arns.as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn the_log_tells_clients_from_humans() {
        let cloud = cloud();
        plague(&cloud, Effect::Throttle);
        cloud.handle(list_clusters()).await;
        let request = Request::new(Service::Ecs, "ListClusters", json!({}));
        cloud.call(&Caller::root(ACCOUNT, "eu-west-1"), &request).unwrap();
        let log: Vec<_> = cloud.calls().into_iter().map(|call| (call.outcome, call.human)).collect();
        assert_eq!(log, [("ThrottlingException".to_owned(), false), ("ok".to_owned(), true)]);
        assert_eq!(cloud.count(Service::Ecs, "ListClusters"), 1);
    }
}
