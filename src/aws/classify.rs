//! What a failed AWS call means, and what a person can do about it.
//!
//! Decides the [`Reason`] of every failure: one table of error codes, the HTTP status where the
//! code is new or missing, and the kind of failure where nothing was answered. Never says that a
//! thing is absent: no reason does, and what is not understood is unknown. Called by
//! [`super::read`] for calls, by [`super::intercept`] for single attempts and by
//! [`super::session`] for credentials.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::interceptors::context::Error as ErasedError;
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::allow_list::{Operation, STS_ASSUME_ROLE};
use super::intercept::Refused;
use super::transport::BadAnswer;
use crate::core::observation::Reason;

/// Every error code that is understood, by what it means. A code means the same in every service.
const CODES: &[(Reason, &[&str])] = &[
    (
        Reason::Throttled,
        &[
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "LimitExceededException",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "TooManyRequestsException",
            "TransactionInProgressException",
        ],
    ),
    (
        Reason::Denied,
        &[
            "AccessDenied",
            "AccessDeniedException",
            "NotAuthorized",
            "OperationNotPermitted",
            "OperationNotPermittedException",
            "UnauthorizedOperation",
        ],
    ),
    (
        Reason::Credentials,
        &[
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidIdentityToken",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "OptInRequired",
            "RegionDisabledException",
            "RequestExpired",
            "RequestInTheFuture",
            "RequestTimeTooSkewed",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ],
    ),
    (Reason::ContainerMissing, &["ClusterNotFoundException", "NoSuchHostedZone", "ResourceNotFoundException"]),
    (
        // The thing that was asked about has gone between two calls, or one of several has: a scope
        // that asked about one by name looks at the code first (`Operation::not_found`).
        Reason::Incomplete,
        &[
            "ListenerNotFound",
            "LoadBalancerNotFound",
            "NoSuchHealthCheck",
            "RuleNotFound",
            "TargetGroupNotFound",
            "TrustStoreNotFound",
        ],
    ),
    (
        Reason::Invalid,
        &[
            "ClientException",
            "IncompatibleVersion",
            "InvalidAction",
            "InvalidDomainName",
            "InvalidEndpointException",
            "InvalidEventCategoryException",
            "InvalidInput",
            "InvalidLookupAttributesException",
            "InvalidMaxResultsException",
            "InvalidNextTokenException",
            "InvalidParameter",
            "InvalidParameterCombination",
            "InvalidParameterException",
            "InvalidParameterValue",
            "InvalidQueryParameter",
            "InvalidTarget",
            "InvalidTimeRangeException",
            "MalformedPolicyDocument",
            "MalformedQueryString",
            "MissingAction",
            "MissingParameter",
            "NotImplemented",
            "PackedPolicyTooLarge",
            "SerializationException",
            "UnknownOperationException",
            "UnsupportedOperationException",
            "UnsupportedProtocol",
            "ValidationError",
            "ValidationException",
        ],
    ),
    (Reason::Timeout, &["RequestTimeout", "RequestTimeoutException"]),
    (
        Reason::Server,
        &[
            "HealthUnavailable",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "InternalServiceError",
            "ServerException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ],
    ),
];

/// A failed call, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// The class of failure.
    pub reason: Reason,
    /// The service's own error code for this call, where it gave one.
    pub code: Option<String>,
    /// What was answered, or what happened instead of an answer.
    pub said: String,
    /// What to do about it.
    pub hint: String,
}

impl Meaning {
    fn new(operation: &Operation, reason: Reason, said: String) -> Self {
        Self { reason, code: None, said, hint: hint(reason, operation) }
    }
}

/// What a failed call means.
pub fn failed<E>(operation: &Operation, error: &SdkError<E, HttpResponse>) -> Meaning
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    // First, because the SDK reports a refusal as a failure to build or to dispatch the request.
    if let Some(refused) = find::<Refused>(error) {
        let hint = "a defect of moored: please report it".to_owned();
        return Meaning { reason: Reason::Denied, code: None, said: refused.to_string(), hint };
    }
    if let Some(bad) = find::<BadAnswer>(error) {
        return Meaning::new(operation, Reason::Malformed, causes(Some(bad)));
    }
    let unsigned = || error.source().and_then(session);
    match error {
        SdkError::ServiceError(context) => {
            let (code, message) = (context.err().code(), context.err().message());
            let status = context.raw().status().as_u16();
            let said = match code {
                Some(code) => format!("{code}: {}", message.unwrap_or("no message")),
                None => format!("HTTP {status} without an error code"),
            };
            let reason = answered(code, message, status);
            Meaning { code: code.map(str::to_owned), ..Meaning::new(operation, reason, said) }
        }
        SdkError::ResponseError(context) => {
            let status = context.raw().status().as_u16();
            let said = format!("HTTP {status} that could not be read: {}", causes(error.source()));
            Meaning::new(operation, answered(None, None, status), said)
        }
        SdkError::TimeoutError(_) => Meaning::new(operation, Reason::Timeout, causes(error.source())),
        SdkError::DispatchFailure(context) => unsigned().unwrap_or_else(|| {
            let reason = if context.is_timeout() { Reason::Timeout } else { Reason::Network };
            Meaning::new(operation, reason, causes(error.source()))
        }),
        _ => unsigned().unwrap_or_else(|| Meaning::new(operation, Reason::Invalid, causes(error.source()))),
    }
}

/// What one failed attempt means, which may not have been the last.
pub fn attempt(operation: &Operation, error: &OrchestratorError<ErasedError>, status: Option<u16>) -> Reason {
    if error.is_timeout_error() {
        return Reason::Timeout;
    }
    if let Some(connector) = error.as_connector_error() {
        return match connector {
            bad if find::<BadAnswer>(bad).is_some() => Reason::Malformed,
            late if late.is_timeout() => Reason::Timeout,
            _ => Reason::Network,
        };
    }
    let metadata = error.as_operation_error().and_then(operation.metadata);
    match status {
        Some(status) => answered(
            metadata.and_then(|metadata| metadata.code()),
            metadata.and_then(|metadata| metadata.message()),
            status,
        ),
        None => session(error).map_or(Reason::Network, |meaning| meaning.reason),
    }
}

/// What an answer other than success means. Total: a new code, or none, is unknown, never absent.
pub fn answered(code: Option<&str>, message: Option<&str>, status: u16) -> Reason {
    // Some services say so only in words, under a code that means something else.
    if message.is_some_and(|message| message.to_ascii_lowercase().contains("rate exceeded")) {
        return Reason::Throttled;
    }
    if let Some(reason) = code.and_then(known) {
        return reason;
    }
    match status {
        401 => Reason::Credentials,
        403 => Reason::Denied,
        408 => Reason::Timeout,
        429 => Reason::Throttled,
        500..=599 => Reason::Server,
        _ if code.is_some() => Reason::Server,
        // Not AWS's way of saying no: an HTML page, half a body.
        _ => Reason::Malformed,
    }
}

/// What it means that there are no credentials to sign with; `None` when the cause is another.
pub fn session(error: &(dyn StdError + 'static)) -> Option<Meaning> {
    // The observe role could not be assumed: that call failed for a reason of its own.
    if let Some(assuming) = find::<SdkError<AssumeRoleError, HttpResponse>>(error) {
        let meaning = failed(&STS_ASSUME_ROLE, assuming);
        return Some(Meaning { code: None, said: format!("AssumeRole: {}", meaning.said), ..meaning });
    }
    // The identity cache's own timeout has no public type.
    let timed_out = chain(error).any(|cause| cause.to_string().starts_with("identity resolver timed out"));
    let refused = find::<CredentialsError>(error);
    let said = match refused {
        // The chain's own words end in the middle of a sentence.
        Some(CredentialsError::CredentialsNotLoaded(_)) => "no credentials were found".to_owned(),
        _ => causes(Some(error)),
    };
    let meaning =
        (timed_out || refused.is_some()).then(|| Meaning::new(&STS_ASSUME_ROLE, Reason::Credentials, said))?;
    let hint = "set AWS_PROFILE or AWS_ACCESS_KEY_ID, sign in (aws sso login), or run where a role is attached";
    Some(Meaning { hint: hint.to_owned(), ..meaning })
}

fn known(code: &str) -> Option<Reason> {
    CODES.iter().find(|(_, codes)| codes.contains(&code)).map(|(reason, _)| *reason)
}

fn hint(reason: Reason, operation: &Operation) -> String {
    match reason {
        Reason::Throttled => {
            let service = operation.service.as_str();
            format!("moored waits and asks again; lower `budgets: {service}` if other callers need the quota")
        }
        Reason::Denied => format!("grant {}; see `moored iam observe`", operation.iam),
        Reason::Credentials => "check the role and the clock; see `moored whoami`".to_owned(),
        Reason::Network => "check the region name and the route to the endpoint; a proxy needs --proxy".to_owned(),
        Reason::Malformed => "check for a proxy that answers in the place of AWS".to_owned(),
        Reason::ContainerMissing => "check its name, account and region in the manifest".to_owned(),
        Reason::Invalid => "check the names in the manifest; if they are right, report it".to_owned(),
        Reason::Incomplete => "it changed while it was read; moored reads it again".to_owned(),
        _ => "moored asks again; see the AWS Health Dashboard if it lasts".to_owned(),
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    // By value: `source` on a reference to the reference would borrow from the iterator.
    std::iter::successors(Some(error), |&cause| cause.source())
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|cause| cause.downcast_ref::<T>())
}

/// The causes in words, outermost first, without those that only repeat another.
fn causes(error: Option<&(dyn StdError + 'static)>) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in error.into_iter().flat_map(chain) {
        let cause = cause.to_string();
        if !said.iter().any(|earlier| earlier.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_sdk_ecs::operation::describe_services::DescribeServicesError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::super::allow_list::*;
    use super::*;

    /// The codes that the SDK's error enums model, by hand from `operation/*.rs` and
    /// `protocol_serde/*.rs` of the pinned SDK crates.
    const MODELLED: &[(&Operation, &[&str])] = &[
        (&ECS_DESCRIBE_CLUSTERS, ECS),
        (&ECS_LIST_SERVICES, ECS_IN_CLUSTER),
        (&ECS_DESCRIBE_SERVICES, ECS_IN_CLUSTER),
        (&ECS_DESCRIBE_TASK_DEFINITION, ECS),
        (&DYNAMODB_DESCRIBE_TABLE, &["InternalServerError", "InvalidEndpointException", "ResourceNotFoundException"]),
        (&DYNAMODB_GET_ITEM, DYNAMODB),
        (&DYNAMODB_BATCH_GET_ITEM, DYNAMODB),
        (&DYNAMODB_SCAN, DYNAMODB),
        (&ROUTE53_LIST_HOSTED_ZONES_BY_NAME, &["InvalidDomainName", "InvalidInput"]),
        (&ROUTE53_GET_HOSTED_ZONE, &["InvalidInput", "NoSuchHostedZone"]),
        (&ROUTE53_LIST_RESOURCE_RECORD_SETS, &["InvalidInput", "NoSuchHostedZone"]),
        (&ROUTE53_LIST_HEALTH_CHECKS, &["IncompatibleVersion", "InvalidInput"]),
        (&ROUTE53_GET_HEALTH_CHECK_COUNT, &[]),
        (&ROUTE53_GET_HEALTH_CHECK, &["IncompatibleVersion", "InvalidInput", "NoSuchHealthCheck"]),
        (&ROUTE53_GET_HEALTH_CHECK_STATUS, &["InvalidInput", "NoSuchHealthCheck"]),
        (
            &ROUTE53_LIST_TAGS_FOR_RESOURCES,
            &[
                "InvalidInput",
                "NoSuchHealthCheck",
                "NoSuchHostedZone",
                "PriorRequestNotComplete",
                "ThrottlingException",
            ],
        ),
        (&ELBV2_DESCRIBE_LOAD_BALANCERS, &["LoadBalancerNotFound"]),
        (&ELBV2_DESCRIBE_TARGET_GROUPS, &["LoadBalancerNotFound", "TargetGroupNotFound"]),
        (&ELBV2_DESCRIBE_LISTENERS, &["ListenerNotFound", "LoadBalancerNotFound", "UnsupportedProtocol"]),
        (&ELBV2_DESCRIBE_LOAD_BALANCER_ATTRIBUTES, &["LoadBalancerNotFound"]),
        (
            &ELBV2_DESCRIBE_TAGS,
            &["ListenerNotFound", "LoadBalancerNotFound", "RuleNotFound", "TargetGroupNotFound", "TrustStoreNotFound"],
        ),
        (&ELBV2_DESCRIBE_TARGET_HEALTH, &["HealthUnavailable", "InvalidTarget", "TargetGroupNotFound"]),
        (
            &CLOUDTRAIL_LOOKUP_EVENTS,
            &[
                "InvalidEventCategoryException",
                "InvalidLookupAttributesException",
                "InvalidMaxResultsException",
                "InvalidNextTokenException",
                "InvalidTimeRangeException",
                "OperationNotPermittedException",
                "UnsupportedOperationException",
            ],
        ),
        (&STS_GET_CALLER_IDENTITY, &[]),
        (
            &STS_ASSUME_ROLE,
            &["ExpiredTokenException", "MalformedPolicyDocument", "PackedPolicyTooLarge", "RegionDisabledException"],
        ),
    ];
    const ECS: &[&str] = &["AccessDeniedException", "ClientException", "InvalidParameterException", "ServerException"];
    const ECS_IN_CLUSTER: &[&str] = &[
        "AccessDeniedException",
        "ClientException",
        "ClusterNotFoundException",
        "InvalidParameterException",
        "ServerException",
    ];
    const DYNAMODB: &[&str] = &[
        "InternalServerError",
        "InvalidEndpointException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ResourceNotFoundException",
        "ThrottlingException",
    ];

    #[test]
    fn every_modelled_code_of_every_operation_is_understood() {
        for (operation, codes) in MODELLED {
            for code in *codes {
                assert!(known(code).is_some(), "{code} of {}", operation.name);
            }
        }
        for operation in READ {
            assert!(
                MODELLED.iter().any(|(modelled, _)| modelled.iam == operation.iam),
                "{} has no row",
                operation.name
            );
        }
    }

    #[test]
    fn a_code_is_in_the_table_once() {
        let mut codes: Vec<&str> = CODES.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }

    #[test]
    fn only_a_code_that_names_the_one_thing_asked_for_is_an_absence() {
        for (operation, modelled) in MODELLED {
            for code in operation.not_found {
                assert!(modelled.contains(code), "{} never answers {code}", operation.name);
                assert_eq!(known(code), Some(Reason::Incomplete), "{code} is said of containers or callers");
            }
        }
        let naming: Vec<&str> = READ.iter().filter(|row| !row.not_found.is_empty()).map(|row| row.name).collect();
        assert_eq!(
            naming,
            [
                "GetHealthCheck",
                "GetHealthCheckStatus",
                "DescribeLoadBalancers",
                "DescribeTargetGroups",
                "DescribeListeners",
                "DescribeLoadBalancerAttributes",
                "DescribeTargetHealth",
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_unknown_whatever_its_status() {
        assert_eq!(answered(Some("BrandNewException"), None, 400), Reason::Server);
        assert_eq!(answered(Some("BrandNewException"), None, 404), Reason::Server);
        assert_eq!(answered(Some("BrandNewException"), None, 403), Reason::Denied);
        assert_eq!(answered(Some("BrandNewException"), None, 429), Reason::Throttled);
        assert_eq!(answered(None, None, 404), Reason::Malformed);
        assert_eq!(answered(None, None, 200), Reason::Malformed);
        assert_eq!(answered(None, None, 502), Reason::Server);
        assert_eq!(answered(Some("ClientException"), Some("Rate exceeded"), 400), Reason::Throttled);
    }

    fn response(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().unwrap(), SdkBody::from("<html>"))
    }

    fn undispatched(error: ConnectorError) -> SdkError<DescribeServicesError, HttpResponse> {
        SdkError::dispatch_failure(error)
    }

    #[test]
    fn a_denial_says_what_to_grant() {
        let metadata =
            ErrorMetadata::builder().code("AccessDeniedException").message("User x is not authorized").build();
        let error = SdkError::service_error(DescribeServicesError::generic(metadata), response(400));
        let meaning = failed(&ECS_DESCRIBE_SERVICES, &error);
        assert_eq!((meaning.reason, meaning.code.as_deref()), (Reason::Denied, Some("AccessDeniedException")));
        assert_eq!(meaning.said, "AccessDeniedException: User x is not authorized");
        assert_eq!(meaning.hint, "grant ecs:DescribeServices; see `moored iam observe`");
    }

    #[test]
    fn a_page_of_html_is_malformed_not_absent() {
        let error: SdkError<DescribeServicesError, HttpResponse> =
            SdkError::response_error("expected `{`", response(404));
        let meaning = failed(&ECS_DESCRIBE_SERVICES, &error);
        assert_eq!((meaning.reason, meaning.code), (Reason::Malformed, None));
    }

    #[test]
    fn without_an_answer_the_kind_of_failure_decides() {
        let reason = |error| failed(&ECS_DESCRIBE_SERVICES, &undispatched(error)).reason;
        assert_eq!(reason(ConnectorError::io("dns error".into())), Reason::Network);
        assert_eq!(reason(ConnectorError::timeout("connect".into())), Reason::Timeout);
        let none = CredentialsError::not_loaded("no providers in chain provided credentials");
        assert_eq!(reason(ConnectorError::other(none.into(), None)), Reason::Credentials);
        let timeout: SdkError<DescribeServicesError, HttpResponse> = SdkError::timeout_error("operation");
        assert_eq!(failed(&ECS_DESCRIBE_SERVICES, &timeout).reason, Reason::Timeout);
    }

    #[test]
    fn a_role_that_may_not_be_assumed_is_denied_with_the_right_hint() {
        let metadata = ErrorMetadata::builder().code("AccessDenied").message("not authorized to assume").build();
        let assuming = SdkError::service_error(AssumeRoleError::generic(metadata), response(403));
        let wrapped = CredentialsError::provider_error(assuming);
        let meaning = failed(&ECS_DESCRIBE_SERVICES, &undispatched(ConnectorError::other(wrapped.into(), None)));
        assert_eq!(meaning.reason, Reason::Denied);
        assert_eq!(meaning.code, None, "the code is not the answer to DescribeServices");
        assert_eq!(meaning.said, "AssumeRole: AccessDenied: not authorized to assume");
        assert!(meaning.hint.contains("sts:AssumeRole"), "{}", meaning.hint);
    }
}
