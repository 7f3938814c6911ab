//! Scripted misbehaviour: which request meets which fault, and how each service spells it.
//!
//! Decides, from rules, the time and a seed, whether a request is throttled, denied, cut short or
//! lied to. It never touches resources and never delays anything itself: the wire layer asks
//! [`Faults::choose`] once a request and carries the effect out. Scenarios and tests add the rules.

pub(in crate::sim) mod lies;
pub(in crate::sim) mod pages;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

pub use self::pages::PageFault;
use self::pages::Paging;
use super::{ApiError, Caller, Request, Service};

/// Which requests a rule is about; an absent member matches every request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// The account of the caller.
    pub account: Option<String>,
    /// The service addressed.
    pub service: Option<Service>,
    /// The exact name of the operation.
    pub operation: Option<String>,
}

impl Match {
    /// Every request of one operation, in every account.
    pub fn operation(service: Service, operation: &str) -> Self {
        Self { account: None, service: Some(service), operation: Some(operation.to_owned()) }
    }

    fn covers(&self, caller: &Caller, request: &Request) -> bool {
        self.account.as_ref().is_none_or(|account| *account == caller.account)
            && self.service.is_none_or(|service| service == request.service)
            && self.operation.as_ref().is_none_or(|operation| *operation == request.operation)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Refused for its rate, spelled as the service spells it.
    Throttle,
    /// Refused with this very code.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: String,
        /// Seconds that the headers `Retry-After` and `x-amz-retry-after` ask to wait.
        retry_after: Option<u32>,
    },
    /// 503 is `ServiceUnavailable`, any other status the service's own failure.
    ServerError {
        /// The HTTP status.
        status: u16,
    },
    /// The request gets lost: it changes nothing and is never answered.
    Timeout,
    /// The answer gets lost: the request is carried out and never answered.
    LostAnswer,
    /// The connection is reset: the request is carried out and nothing of the answer arrives.
    Reset,
    /// The request is carried out and half of the answer arrives.
    TruncatedBody,
    /// A proxy in front of AWS answers with a web page.
    HtmlBody {
        /// The HTTP status: 200 is the nastiest.
        status: u16,
    },
    /// 200, with the first list of the answer emptied.
    EmptyPage,
    /// An eventually consistent read answers from the past.
    StaleRead {
        /// The age of the answer in seconds.
        by: u32,
    },
    /// Each eventually consistent read answers from a moment of its own, so that answers go back in
    /// time from one to the next.
    Wandering {
        /// The greatest age of an answer in seconds.
        up_to: u32,
    },
    /// A list comes in small pages, and something goes wrong between them.
    Pages {
        /// Entries of a page.
        size: u32,
        /// What goes wrong.
        fault: PageFault,
    },
    /// 200, without the entries that mention this text; DescribeServices calls them MISSING.
    Without {
        /// The text.
        text: String,
    },
    /// ECS does not know services yet that were created a moment ago.
    Lagging {
        /// How long it takes, in seconds.
        seconds: u32,
    },
    /// The credentials are another account's: it answers for itself. Where AssumeRole meets this,
    /// the session that it issues is the other account's.
    OtherAccount {
        /// The other account.
        account: String,
    },
    /// BatchGetItem leaves half of the keys unprocessed.
    UnprocessedKeys,
    /// Refused by IAM.
    Denied,
    /// The session has ended.
    ExpiredToken,
    /// The access key is not known.
    UnrecognizedClient,
    /// Carried out at once, answered late.
    Slow {
        /// The delay of the answer.
        millis: u64,
    },
}

impl Effect {
    /// Some effects mean nothing to some requests, and must not be used up by them.
    fn fits(&self, request: &Request) -> bool {
        match self {
            Self::EmptyPage | Self::Without { .. } => is_read(request),
            Self::StaleRead { .. } | Self::Wandering { .. } => is_read(request) && !is_consistent_read(request),
            Self::Pages { .. } => Paging::of(request).is_some(),
            Self::Lagging { .. } => matches!(request.operation.as_str(), "ListServices" | "DescribeServices"),
            Self::UnprocessedKeys => request.operation == "BatchGetItem",
            _ => true,
        }
    }

    /// The name under which the call log knows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Refused { .. } => "refused",
            Self::ServerError { .. } => "server_error",
            Self::Timeout => "timeout",
            Self::LostAnswer => "lost_answer",
            Self::Reset => "reset",
            Self::TruncatedBody => "truncated_body",
            Self::HtmlBody { .. } => "html_body",
            Self::EmptyPage => "empty_page",
            Self::StaleRead { .. } => "stale_read",
            Self::Wandering { .. } => "wandering",
            Self::Pages { .. } => "pages",
            Self::Without { .. } => "without",
            Self::Lagging { .. } => "lagging",
            Self::OtherAccount { .. } => "other_account",
            Self::UnprocessedKeys => "unprocessed_keys",
            Self::Denied => "denied",
            Self::ExpiredToken => "expired_token",
            Self::UnrecognizedClient => "unrecognized_client",
            Self::Slow { .. } => "slow",
        }
    }

    /// The error that the service answers, for the effects that are refusals.
    pub fn refusal(&self, caller: &Caller, request: &Request) -> Option<ApiError> {
        match self {
            Self::Throttle => Some(throttled(request)),
            Self::Refused { status, code, .. } => Some(ApiError::new(*status, code, "The request was refused.")),
            Self::Pages { fault: PageFault::Expires, .. } => {
                let follows = Paging::of(request).is_some_and(|paging| paging.follows(&request.input));
                follows.then(|| pages::expired(request.service))
            }
            Self::ServerError { status: 503 } => {
                Some(ApiError::new(503, "ServiceUnavailable", "Service is unavailable."))
            }
            Self::ServerError { status } => Some(failed(*status, request.service)),
            Self::Denied => Some(denied(caller, request.service, &request.operation)),
            Self::ExpiredToken => Some(expired_token(request.service)),
            Self::UnrecognizedClient => Some(unrecognized_client(request.service)),
            _ => None,
        }
    }
}

/// One scripted fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The requests that it may hit.
    pub matches: Match,
    /// Only requests whose input contains this text.
    pub mentions: Option<String>,
    /// What happens to them.
    pub effect: Effect,
    /// 1.0 hits every matching request.
    pub probability: f64,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Not at or after this time.
    pub until: Option<Timestamp>,
    /// How many more requests it hits; unlimited when absent.
    pub remaining: Option<u32>,
}

impl Rule {
    /// Hits every matching request until the rules are cleared.
    pub fn always(matches: Match, effect: Effect) -> Self {
        Self { matches, mentions: None, effect, probability: 1.0, from: None, until: None, remaining: None }
    }

    /// Hits each matching request with this probability.
    pub fn sometimes(probability: f64, matches: Match, effect: Effect) -> Self {
        Self { probability, ..Self::always(matches, effect) }
    }

    /// The same for requests alone whose input contains this text.
    pub fn about(self, text: &str) -> Self {
        Self { mentions: Some(text.to_owned()), ..self }
    }

    /// Hits the next `count` matching requests.
    pub fn times(count: u32, matches: Match, effect: Effect) -> Self {
        Self { remaining: Some(count), ..Self::always(matches, effect) }
    }

    fn applies(&self, caller: &Caller, request: &Request, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now)
            && self.until.is_none_or(|until| now < until)
            && self.remaining != Some(0)
            && self.matches.covers(caller, request)
            && self.mentions.as_ref().is_none_or(|text| request.input.to_string().contains(text))
            && self.effect.fits(request)
    }
}

/// The rules in force; the first that applies to a request decides.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Vec<Rule>,
    requests: u64,
}

impl Faults {
    /// Adds a rule after the others.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Drops every rule: the cloud behaves again.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules, in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How far back reads may be answered from: the wire layer keeps the past that long.
    pub fn longest_staleness(&self) -> Option<SignedDuration> {
        let ages = self.rules.iter().filter_map(|rule| match rule.effect {
            Effect::StaleRead { by } | Effect::Wandering { up_to: by } => {
                Some(SignedDuration::from_secs(i64::from(by)))
            }
            _ => None,
        });
        ages.max()
    }

    /// What happens to this request. Equal seeds and equal requests meet equal faults.
    pub fn choose(&mut self, caller: &Caller, request: &Request, now: Timestamp, seed: u64) -> Option<Effect> {
        self.requests = self.requests.wrapping_add(1);
        for (position, rule) in (0_u64..).zip(self.rules.iter_mut()) {
            if !rule.applies(caller, request, now) {
                continue;
            }
            if chance(seed, self.requests, position) >= rule.probability {
                continue;
            }
            rule.remaining = rule.remaining.map(|remaining| remaining.saturating_sub(1));
            return Some(rule.effect.clone());
        }
        None
    }
}

/// The splitmix64 generator: one well-mixed number for each state.
pub(in crate::sim) fn splitmix64(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A number in 0.0..1.0 that depends on nothing but its arguments.
fn chance(seed: u64, request: u64, rule: u64) -> f64 {
    let drawn = splitmix64(splitmix64(splitmix64(seed) ^ request) ^ rule);
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}

/// Whether the operation leaves the world as it is.
pub fn is_read(request: &Request) -> bool {
    ["Describe", "List", "Get", "BatchGet", "Lookup", "Query", "Scan", "Test"]
        .iter()
        .any(|prefix| request.operation.starts_with(prefix))
}

fn is_consistent_read(request: &Request) -> bool {
    let asks = |value: &Value| value.get("ConsistentRead").and_then(Value::as_bool) == Some(true);
    let tables = request.input.get("RequestItems").and_then(Value::as_object);
    asks(&request.input) || tables.is_some_and(|tables| tables.values().any(asks))
}

/// Empties the first list of an answer.
pub fn empty_first_list(output: &mut Value) {
    let list = output.as_object_mut().and_then(|members| members.values_mut().find_map(Value::as_array_mut));
    if let Some(list) = list {
        list.clear();
    }
}

/// Takes the second half of every table's keys out of a BatchGetItem input, in the shape in which
/// the answer returns them as `UnprocessedKeys`.
pub fn withhold_keys(input: &mut Value) -> Map<String, Value> {
    let mut withheld = Map::new();
    let Some(tables) = input.get_mut("RequestItems").and_then(Value::as_object_mut) else {
        return withheld;
    };
    for (name, table) in tables {
        let Some(keys) = table.get_mut("Keys").and_then(Value::as_array_mut) else { continue };
        let rest = keys.split_off(keys.len().div_ceil(2));
        if rest.is_empty() {
            continue;
        }
        let mut unprocessed = table.clone();
        if let Some(keys) = unprocessed.get_mut("Keys") {
            *keys = Value::Array(rest);
        }
        withheld.insert(name.clone(), unprocessed);
    }
    withheld
}

/// Adds withheld keys to the `UnprocessedKeys` of a BatchGetItem answer.
pub fn leave_unprocessed(output: &mut Value, withheld: Map<String, Value>) {
    let Some(unprocessed) = output.get_mut("UnprocessedKeys").and_then(Value::as_object_mut) else { return };
    for (name, table) in withheld {
        let earlier = unprocessed.get_mut(&name).and_then(|table| table.get_mut("Keys"));
        match earlier.and_then(Value::as_array_mut) {
            Some(keys) => keys.extend(table.get("Keys").and_then(Value::as_array).cloned().unwrap_or_default()),
            None => {
                unprocessed.insert(name, table);
            }
        }
    }
}

/// ECS, DynamoDB and CloudTrail speak JSON and spell what they share in one way, the XML services in another.
fn speaks_json(service: Service) -> bool {
    matches!(service, Service::Ecs | Service::DynamoDb | Service::CloudTrail)
}

fn throttled(request: &Request) -> ApiError {
    let control_plane = ["Describe", "List", "Create", "Delete"]
        .iter()
        .any(|verb| request.operation.strip_prefix(verb).is_some_and(|rest| rest.starts_with("Table")));
    match request.service {
        Service::DynamoDb if !control_plane => ApiError::bad_request(
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded. Consider \
             increasing your provisioning level with the UpdateTable API.",
        ),
        Service::DynamoDb | Service::Ecs | Service::CloudTrail => {
            ApiError::bad_request("ThrottlingException", "Rate exceeded")
        }
        Service::Sts | Service::Route53 | Service::Elbv2 => ApiError::bad_request("Throttling", "Rate exceeded"),
    }
}

fn failed(status: u16, service: Service) -> ApiError {
    let code = if service == Service::DynamoDb { "InternalServerError" } else { "InternalFailure" };
    ApiError::new(status, code, "The request processing has failed because of an unknown error.")
}

/// The refusal of a request that IAM does not allow.
pub fn denied(caller: &Caller, service: Service, operation: &str) -> ApiError {
    let action = format!("{}:{operation}", service.signing_name());
    let message = format!(
        "User: {} is not authorized to perform: {action} because no identity-based policy allows the {action} action",
        caller.arn
    );
    if speaks_json(service) {
        ApiError::bad_request("AccessDeniedException", message)
    } else {
        ApiError::new(403, "AccessDenied", message)
    }
}

/// The refusal of a session that has ended.
pub fn expired_token(service: Service) -> ApiError {
    let message = "The security token included in the request is expired";
    if speaks_json(service) {
        ApiError::bad_request("ExpiredTokenException", message)
    } else {
        ApiError::new(403, "ExpiredToken", message)
    }
}

/// The refusal of an access key that nobody issued.
pub fn unrecognized_client(service: Service) -> ApiError {
    let message = "The security token included in the request is invalid.";
    if speaks_json(service) {
        ApiError::bad_request("UnrecognizedClientException", message)
    } else {
        ApiError::new(403, "InvalidClientTokenId", message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use serde_json::json;

    use super::*;

    fn caller() -> Caller {
        Caller::root("111122223333", "eu-west-1")
    }

    fn describe_services() -> Request {
        Request::new(Service::Ecs, "DescribeServices", json!({}))
    }

    #[test]
    fn every_service_spells_throttling_its_own_way() {
        let code = |service, operation| {
            let request = Request::new(service, operation, json!({}));
            Effect::Throttle.refusal(&caller(), &request).unwrap().code
        };
        assert_eq!(code(Service::Ecs, "ListServices"), "ThrottlingException");
        assert_eq!(code(Service::DynamoDb, "GetItem"), "ProvisionedThroughputExceededException");
        assert_eq!(code(Service::DynamoDb, "DescribeTable"), "ThrottlingException");
        assert_eq!(code(Service::Route53, "ListHostedZones"), "Throttling");
        assert_eq!(code(Service::Elbv2, "DescribeLoadBalancers"), "Throttling");
    }

    #[test]
    fn a_rule_with_a_count_is_used_up() {
        let mut faults = Faults::default();
        faults.add(Rule::times(2, Match::default(), Effect::Throttle));
        let now = Timestamp::UNIX_EPOCH;
        let chosen: Vec<_> = (0..3).map(|_| faults.choose(&caller(), &describe_services(), now, 7)).collect();
        assert_eq!(chosen, [Some(Effect::Throttle), Some(Effect::Throttle), None]);
    }

    #[test]
    fn one_seed_replays_one_history_and_another_seed_another() {
        let history = |seed| {
            let mut faults = Faults::default();
            faults.add(Rule { probability: 0.5, ..Rule::always(Match::default(), Effect::Throttle) });
            let hits =
                (0..64).map(|_| faults.choose(&caller(), &describe_services(), Timestamp::UNIX_EPOCH, seed).is_some());
            hits.collect::<Vec<bool>>()
        };
        assert_eq!(history(1), history(1));
        assert_ne!(history(1), history(2));
        let hits = history(1).into_iter().filter(|hit| *hit).count();
        assert!((16..=48).contains(&hits), "{hits} of 64 at probability 0.5");
    }

    #[test]
    fn a_consistent_read_is_never_stale() {
        let mut faults = Faults::default();
        faults.add(Rule::always(Match::default(), Effect::StaleRead { by: 5 }));
        let now = Timestamp::UNIX_EPOCH;
        let eventual = Request::new(Service::DynamoDb, "GetItem", json!({}));
        let consistent = Request::new(Service::DynamoDb, "GetItem", json!({"ConsistentRead": true}));
        assert!(faults.choose(&caller(), &eventual, now, 1).is_some());
        assert_eq!(faults.choose(&caller(), &consistent, now, 1), None);
    }

    #[test]
    fn withheld_keys_come_back_beside_those_left_for_their_size() {
        let mut input = json!({"RequestItems": {"t": {"Keys": [{"k": {"S": "a"}}, {"k": {"S": "b"}}]}}});
        let withheld = withhold_keys(&mut input);
        assert_eq!(input["RequestItems"]["t"]["Keys"], json!([{"k": {"S": "a"}}]));
        let mut output = json!({"UnprocessedKeys": {"t": {"Keys": [{"k": {"S": "c"}}]}}});
        leave_unprocessed(&mut output, withheld);
        assert_eq!(output["UnprocessedKeys"]["t"]["Keys"], json!([{"k": {"S": "c"}}, {"k": {"S": "b"}}]));
    }
}
