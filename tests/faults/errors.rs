//! F08: what an error code proves. Every code that the AWS models know for every operation that
//! moored may send, and codes that any service may answer: each is understood, and three alone, each
//! as the answer to a question about one thing by name, are an absence.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use moored::aws::allow_list::{READ, STS_ASSUME_ROLE};
use moored::aws::classify::answered;
use moored::core::observation::Reason;
use moored::sim::world::faults::{Effect, Match, Rule};
use moored::sim::world::{Caller, Service, dynamodb};
use serde_json::json;

use super::common::Scratch;
use super::common::platform::{MAIN, REGION, SETTINGS};
use super::world::{LEFT, Lookout};

/// Made from the SDK's models; the file says how.
const MODELLED: &str = include_str!("error_codes.txt");

/// Codes that the models do not name, or name elsewhere: any service may answer them.
const GENERIC: [&str; 34] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "BrandNewException",
    "ClusterNotFoundException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InternalFailure",
    "InternalServerError",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "LoadBalancerNotFound",
    "MissingAuthenticationToken",
    "NoSuchEntity",
    "NoSuchHealthCheck",
    "NoSuchHostedZone",
    "NotFound",
    "OptInRequired",
    "RequestExpired",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ResourceNotFoundException",
    "ServiceNotFoundException",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "SlowDown",
    "TargetGroupNotFound",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "ValidationException",
];

/// Service, operation and code of each line that names one.
fn modelled() -> Vec<(&'static str, &'static str, Option<&'static str>)> {
    let lines = MODELLED.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [service, operation, code] = words.as_slice() else { panic!("`{line}` is no line of three words") };
            (*service, *operation, Some(*code).filter(|code| *code != "-"))
        })
        .collect()
}

/// Every code there is, once.
fn codes() -> BTreeSet<&'static str> {
    modelled().into_iter().filter_map(|(_, _, code)| code).chain(GENERIC).collect()
}

/// What is refused without its code being known has the meaning of its status.
fn is_known(code: &str) -> bool {
    answered(Some(code), None, 403) == answered(Some(code), None, 429)
}

#[test]
fn f08_every_modelled_code_of_every_operation_on_the_list_is_understood() {
    let listed: BTreeSet<(&str, &str)> = READ
        .iter()
        .copied()
        .chain([&STS_ASSUME_ROLE])
        .map(|operation| (operation.service.as_str(), operation.name))
        .collect();
    let described: BTreeSet<(&str, &str)> =
        modelled().into_iter().map(|(service, operation, _)| (service, operation)).collect();
    assert_eq!(described, listed, "tests/faults/error_codes.txt says how it is made");
    let unknown: Vec<_> =
        modelled().into_iter().filter(|(_, _, code)| code.is_some_and(|code| !is_known(code))).collect();
    assert!(unknown.is_empty(), "only understood by their status: {unknown:?}");
    assert!(!is_known("BrandNewException") && modelled().len() > 80);
}

#[test]
fn f08_a_code_that_nobody_knows_is_unknown_whatever_its_status() {
    let expected = [
        (400, Reason::Server),
        (401, Reason::Credentials),
        (403, Reason::Denied),
        (404, Reason::Server),
        (408, Reason::Timeout),
        (409, Reason::Server),
        (429, Reason::Throttled),
        (500, Reason::Server),
        (503, Reason::Server),
    ];
    for (status, reason) in expected {
        assert_eq!(answered(Some("BrandNewNotFoundException"), None, status), reason, "{status}");
    }
}

/// Operations that nothing in this world asks for. The first three are details and names that no
/// manifest wants here; a check by id is asked about in the test of proofs, and a role is assumed
/// once an hour (F15). CloudTrail belongs to no scope.
const NOT_ASKED: [&str; 5] = ["DescribeTags", "DescribeTargetHealth", "GetHealthCheck", "LookupEvents", "AssumeRole"];

/// The scopes whose reading may send an operation of this service.
fn scopes(service: Service) -> &'static [&'static str] {
    match service {
        Service::Ecs | Service::Sts => &["ecs_cluster/111122223333/eu-west-1/harbor"],
        Service::DynamoDb => &["table/111122223333/eu-west-1/deployments", "table/111122223333/eu-west-1/settings"],
        Service::Route53 => &["hosted_zone/444455556666/global/example.com", "health_checks/111122223333/global"],
        Service::Elbv2 => &["load_balancers/111122223333/eu-west-1"],
        _ => &[],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_no_code_of_any_operation_opens_or_ends_a_finding() {
    let mut lookout = Lookout::bereft("f08").await;
    // An item that is missing, so that it is asked for by its own.
    let owner = Caller::root(MAIN, REGION);
    lookout.cloud.with_world(|world| {
        assert!(dynamodb::of(world, &owner).remove_item(SETTINGS, &json!({ "setting": { "S": "release" } })));
    });
    lookout.passes(2).await;
    let before = lookout.open();
    assert_eq!(before.len(), LEFT + 1);
    let mut struck: BTreeMap<&str, usize> = BTreeMap::new();
    for (turn, (service, operation, code)) in cases().into_iter().enumerate() {
        let service = Service::from_signing_name(service).unwrap();
        // Half of them meet a process that has just begun, and remembers what was stored alone.
        if turn % 2 == 0 {
            lookout.forget_readers();
        }
        lookout.plague(service, operation, refused(code));
        lookout.advance(SignedDuration::from_mins(6));
        for scope in scopes(service) {
            let scope = lookout.scope(scope);
            lookout.read(&scope).await;
        }
        assert_eq!(lookout.open(), before, "{operation} answers {code}");
        *struck.entry(operation).or_default() += lookout.struck().len();
        lookout.heal();
    }
    let untouched: BTreeSet<&str> =
        struck.iter().filter(|(_, count)| **count == 0).map(|(operation, _)| *operation).collect();
    assert_eq!(untouched, BTreeSet::from(NOT_ASKED), "every other operation was refused: {struck:?}");
    lookout.is_back(&before, "every code").await;
}

/// Every modelled code of every operation, and of the generic ones each operation its share.
fn cases() -> Vec<(&'static str, &'static str, &'static str)> {
    let operations: BTreeSet<(&str, &str)> =
        modelled().into_iter().map(|(service, operation, _)| (service, operation)).collect();
    let own = modelled().into_iter().filter_map(|(service, operation, code)| Some((service, operation, code?)));
    // Seven each, beginning where the operation before has ended.
    let generic = operations.iter().enumerate().flat_map(|(at, (service, operation))| {
        (0..7).filter_map(move |step| Some((*service, *operation, *GENERIC.get((at * 7 + step) % GENERIC.len())?)))
    });
    own.chain(generic).collect()
}

fn refused(code: &str) -> Effect {
    let status = match code {
        _ if code.contains("NoSuch") => 404,
        _ if code.starts_with("Internal") || code.starts_with("Service") => 500,
        _ => 400,
    };
    Effect::Refused { status, code: code.to_owned(), retry_after: None }
}

/// Three things that are declared by name and do not exist.
const NOWHERE: &str = r#"
---
apiVersion: moored.dev/v1
kind: HealthCheck
metadata: {name: nowhere, environments: [production]}
spec: {id: 11111111-2222-4333-8444-555555555555, type: HTTPS, fqdn: nowhere.example.com}
---
apiVersion: moored.dev/v1
kind: LoadBalancer
metadata: {name: nowhere, environments: [production]}
spec: {type: application}
---
apiVersion: moored.dev/v1
kind: TargetGroup
metadata: {name: nowhere, environments: [production]}
spec: {protocol: HTTP, port: 8080}
"#;

/// What proves each of them gone, where the list lacks it.
const PROOFS: [(&str, &str); 3] = [
    ("production HealthCheck/nowhere missing", "NoSuchHealthCheck"),
    ("production LoadBalancer/nowhere missing", "LoadBalancerNotFound"),
    ("production TargetGroup/nowhere missing", "TargetGroupNotFound"),
];

#[tokio::test(flavor = "multi_thread")]
async fn f08_three_codes_alone_prove_an_absence_each_of_its_own_kind() {
    let mut lookout = Lookout::over("f08-proofs", false, add_nowhere);
    lookout.passes(2).await;
    let missing: BTreeSet<String> = PROOFS.iter().map(|(finding, _)| (*finding).to_owned()).collect();
    assert_eq!(lookout.proven(), missing, "without a fault they are proven gone");
    for code in codes() {
        lookout.fault(Rule::always(Match::operation(Service::Route53, "GetHealthCheck"), refused(code)));
        for operation in ["DescribeLoadBalancers", "DescribeTargetGroups"] {
            let by_name = Rule::always(Match::operation(Service::Elbv2, operation), refused(code)).about("Names");
            lookout.cloud.with_world(|world| world.faults.add(by_name));
        }
        lookout.advance(SignedDuration::from_secs(60));
        for scope in ["health_checks/111122223333/global", "load_balancers/111122223333/eu-west-1"] {
            let scope = lookout.scope(scope);
            lookout.read(&scope).await;
        }
        assert!(lookout.struck().len() >= PROOFS.len(), "{code}");
        assert_eq!(lookout.open(), missing, "{code}: what was proven gone is held");
        for (finding, proof) in PROOFS {
            assert_eq!(lookout.proven().contains(finding), code == proof, "{code} and {finding}");
        }
        lookout.heal();
    }
    lookout.is_back(&missing, "every code").await;
}

fn add_nowhere(scratch: &Scratch) {
    let apps = std::fs::read_to_string(scratch.file("desired-state/apps.yaml")).unwrap();
    scratch.write("desired-state/apps.yaml", format!("{apps}{NOWHERE}"));
}
