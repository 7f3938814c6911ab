//! F13 and F14: throttling in every spelling, server errors and resets. moored asks a cloud that is
//! in trouble no more often than one that is well, and believes only whole readings.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use moored::core::drift::State;
use moored::sim::world::Service;
use moored::sim::world::faults::{Effect, Match, Rule};

use super::steady::{Steady, all_is_known};
use super::world::{Lookout, OTHER_TTL, service, with};

/// How throttling is spelled: status and code.
const SPELLINGS: [(u16, &str); 16] = [
    (400, "Throttling"),
    (400, "ThrottlingException"),
    (400, "ThrottledException"),
    (400, "RequestThrottled"),
    (400, "RequestThrottledException"),
    (400, "TooManyRequestsException"),
    (400, "ProvisionedThroughputExceededException"),
    (400, "TransactionInProgressException"),
    (400, "RequestLimitExceeded"),
    (400, "BandwidthLimitExceeded"),
    (400, "LimitExceededException"),
    (400, "PriorRequestNotComplete"),
    (400, "EC2ThrottledException"),
    (503, "SlowDown"),
    (503, "Throttling"),
    (429, "TooManyRequests"),
];

fn refused(status: u16, code: &str, retry_after: Option<u32>) -> Effect {
    Effect::Refused { status, code: code.to_owned(), retry_after }
}

fn asked(lookout: &Lookout) -> usize {
    lookout.cloud.calls().iter().filter(|call| !call.human).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_every_spelling_of_throttling_is_unknown_and_met_with_fewer_calls() {
    const PASSES: usize = 5;
    let mut lookout = Lookout::bereft("f13-spellings").await;
    let before = lookout.open();
    lookout.cloud.reset_calls();
    lookout.passes(PASSES).await;
    let steady = asked(&lookout);
    for (at, (status, code)) in SPELLINGS.into_iter().enumerate() {
        // A server that invites to come back at once is not believed either.
        let retry_after = [None, Some(0), Some(1), Some(3600)].get(at % 4).copied().flatten();
        lookout.fault(Rule::always(Match::default(), refused(status, code, retry_after)));
        lookout.passes(PASSES).await;
        let throttled = asked(&lookout);
        assert_eq!(lookout.open(), before, "{code}");
        assert!(lookout.unknown().values().all(|reason| *reason == "throttled"), "{code}: {:?}", lookout.unknown());
        assert_eq!((lookout.in_sync(), lookout.proven().len()), (0, 0), "{code}");
        assert!(throttled * 10 <= steady * 11, "{code}: {throttled} calls instead of {steady}");
        assert_eq!(lookout.struck().len(), throttled, "{code}");
        lookout.is_back(&before, code).await;
    }
}

/// One service throttles, the others do not: it alone is asked less.
#[tokio::test(flavor = "multi_thread")]
async fn f13_a_service_that_throttles_delays_no_other() {
    let mut lookout = Lookout::settled("f13-one").await;
    lookout.fault(Rule::always(service(Service::Ecs), Effect::Throttle));
    lookout.passes(2).await;
    lookout.set_ttl(300);
    lookout.pass().await;
    assert_eq!(lookout.proven(), BTreeSet::from([OTHER_TTL.to_owned()]), "found while ECS throttles");
    let unknown: BTreeSet<String> = lookout.unknown().into_keys().collect();
    assert!(unknown.iter().all(|name| !name.contains("DnsRecord/api")), "{unknown:?}");
    assert!(unknown.contains("production EcsService/api"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_ten_minutes_of_throttling_are_met_with_no_more_calls_than_a_quiet_day() {
    let mut steady = Steady::start("f13-daemon");
    steady.until("everything is read", all_is_known).await;
    steady.minutes(1).await;
    let quiet = steady.now();
    steady.minutes(5).await;
    let usual = steady.calls(quiet, steady.now()) as f64 / 5.0;

    let spelled = [
        (Service::Ecs, 400, "ThrottlingException", None),
        (Service::DynamoDb, 400, "ProvisionedThroughputExceededException", Some(1)),
        (Service::Route53, 400, "Throttling", Some(0)),
        (Service::Elbv2, 503, "SlowDown", Some(1)),
        (Service::Sts, 429, "TooManyRequestsException", Some(30)),
    ];
    let began = steady.now();
    steady.cloud.with_world(|world| {
        for (of, status, code, retry_after) in spelled {
            world.faults.add(Rule::always(service(of), refused(status, code, retry_after)));
        }
    });
    steady.minutes(3).await;
    steady.set_ttl(300);
    let troubled = steady.snapshot().unwrap();
    assert_eq!((troubled.count(State::InSync), troubled.findings.len()), (0, 0), "{:?}", troubled.unknown);
    assert!(troubled.unknown.iter().all(|unknown| unknown.reason == "throttled"), "{:?}", troubled.unknown);
    steady.minutes(7).await;
    assert!(steady.findings().is_empty());
    let ended = steady.now();
    let throttled = steady.calls(began, ended) as f64 / 10.0;
    assert!(throttled > 1.0, "it goes on asking: {throttled} calls a minute");
    assert!(throttled <= 1.1 * usual, "{throttled} calls a minute instead of {usual}");

    steady.cloud.with_world(|world| world.faults.clear());
    let took = steady
        .until("the drift of the meantime is found", |snapshot| {
            all_is_known(snapshot) && snapshot.findings.len() == 1 && snapshot.findings.iter().all(|found| !found.held)
        })
        .await;
    // Two passes of sixty seconds, a tenth of jitter each, and the time that reading takes.
    assert!(took <= SignedDuration::from_secs(150), "detection was back after {took:#}");
    assert!(steady.findings().contains_key(OTHER_TTL));
    steady.minutes(1).await;
    let first_minute = steady.calls(ended, ended.checked_add(SignedDuration::from_mins(1)).unwrap()) as f64;
    assert!(first_minute <= 2.0 * usual, "{first_minute} calls in the first minute instead of {usual}");
    steady.halt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_server_errors_and_resets_leave_only_whole_readings_believed() {
    let mut lookout = Lookout::bereft("f14").await;
    let before = lookout.open();
    for share in [0.01, 0.1, 0.25, 0.5] {
        for effect in [Effect::ServerError { status: 500 }, Effect::ServerError { status: 503 }, Effect::Reset] {
            let told = format!("{effect:?} for {share} of all requests");
            lookout.fault(Rule::sometimes(share, Match::default(), effect));
            for _ in 0..5 {
                lookout.pass().await;
                assert_eq!(lookout.open(), before, "{told}");
            }
            assert!(share < 0.1 || !lookout.struck().is_empty(), "{told}");
            lookout.is_back(&before, &told).await;
        }
    }
    lookout.set_ttl(300);
    lookout.is_back(&with(&before, OTHER_TTL), "no fault").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_a_page_that_fails_makes_its_whole_list_unknown() {
    let mut lookout = Lookout::settled("f14-page").await;
    let small = Effect::Pages { size: 1, fault: moored::sim::world::faults::PageFault::None };
    let records = Match::operation(Service::Route53, "ListResourceRecordSets");
    // The last of four pages, each time that it is asked for.
    lookout.fault(Rule::always(records.clone(), Effect::ServerError { status: 502 }).about("\"worker.example.com."));
    lookout.cloud.with_world(|world| world.faults.add(Rule::always(records, small)));
    lookout.set_ttl(300);
    lookout.pass().await;
    assert_eq!(lookout.open(), BTreeSet::new(), "three good pages of four say nothing");
    assert_eq!(lookout.unknown().get("production DnsRecord/api"), Some(&"server"));
    let outcomes: BTreeSet<String> = lookout.struck().into_iter().map(|call| call.outcome).collect();
    assert!(outcomes.contains("ok") && outcomes.contains("InternalFailure"), "{outcomes:?}");
    lookout.is_back(&BTreeSet::from([OTHER_TTL.to_owned()]), "a failing page").await;
}
