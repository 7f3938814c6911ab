//! F01 and F02: lists that come empty, and lists that go wrong between their pages.
//!
//! The world has five open findings (the worker is deleted), so that everything is asked: lists,
//! and by name what they lack. Then a list lies. Nothing may open, nothing may end, and what a lying
//! list lacks makes its scope incomplete.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use moored::sim::world::Service;
use moored::sim::world::faults::{Effect, Match, PageFault, Rule};

use super::world::{LEFT, Lookout, OTHER_TTL, with};

/// Every operation that answers with a list, and why it is called in a world with open findings.
const LISTS: [(Service, &str); 11] = [
    (Service::Ecs, "DescribeClusters"),
    (Service::Ecs, "ListServices"),
    (Service::Ecs, "DescribeServices"),
    (Service::DynamoDb, "Scan"),
    (Service::Route53, "ListResourceRecordSets"),
    (Service::Route53, "ListHealthChecks"),
    (Service::Route53, "ListTagsForResources"),
    (Service::Elbv2, "DescribeLoadBalancers"),
    (Service::Elbv2, "DescribeTargetGroups"),
    (Service::Elbv2, "DescribeListeners"),
    (Service::Elbv2, "DescribeLoadBalancerAttributes"),
];

/// Details and scans have their own, slower cadence: after this everything is due.
const EVERYTHING_IS_DUE: SignedDuration = SignedDuration::from_mins(6);

/// Passes with random faults; each draws anew for every request.
const DRAWS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn f01_an_empty_list_of_any_kind_proves_no_absence_and_ends_no_finding() {
    let mut lookout = Lookout::bereft("f01").await;
    let before = lookout.open();
    for (service, operation) in LISTS {
        lookout.plague(service, operation, Effect::EmptyPage);
        lookout.advance(EVERYTHING_IS_DUE);
        for _ in 0..3 {
            lookout.pass().await;
            assert_eq!(lookout.open(), before, "{operation} answers with empty lists");
        }
        assert!(!lookout.struck().is_empty(), "{operation} is never called: the fault tests nothing");
        lookout.is_back(&before, operation).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_what_an_empty_list_touches_is_unknown_within_one_pass() {
    let mut lookout = Lookout::settled("f01-unknown").await;
    let touched = [
        (Service::Ecs, "DescribeServices", "production EcsService/api"),
        (Service::Ecs, "DescribeClusters", "staging EcsService/api"),
        (Service::Route53, "ListResourceRecordSets", "production DnsRecord/api"),
        (Service::Elbv2, "DescribeLoadBalancers", "production LoadBalancer/api"),
    ];
    for (service, operation, resource) in touched {
        lookout.plague(service, operation, Effect::EmptyPage);
        lookout.pass().await;
        assert!(lookout.unknown().contains_key(resource), "{operation}: {:?}", lookout.unknown());
        assert_eq!(lookout.open(), BTreeSet::new(), "{operation}");
        lookout.is_back(&BTreeSet::new(), operation).await;
    }
    lookout.set_ttl(300);
    lookout.is_back(&BTreeSet::from([OTHER_TTL.to_owned()]), "without any fault").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_all_lists_empty_at_once_are_no_empty_cloud() {
    let mut lookout = Lookout::bereft("f01-all").await;
    let before = lookout.open();
    lookout.fault(Rule::always(Match::default(), Effect::EmptyPage));
    lookout.advance(EVERYTHING_IS_DUE);
    for _ in 0..3 {
        lookout.pass().await;
        assert_eq!(lookout.open(), before);
    }
    assert!(lookout.struck().len() > LISTS.len());
    lookout.is_back(&before, "all lists empty").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_lists_that_are_empty_from_the_first_reading_on_prove_nothing_either() {
    let mut lookout = Lookout::new("f01-first");
    lookout.fault(Rule::always(Match::default(), Effect::EmptyPage));
    for _ in 0..3 {
        lookout.pass().await;
        assert_eq!(lookout.open(), BTreeSet::new(), "nothing was ever seen, and nothing is gone");
    }
    assert!(!lookout.struck().is_empty());
    lookout.is_back(&BTreeSet::new(), "empty from the start").await;
}

/// Any subset of lists, another one with every request: quiet worlds and such with findings.
#[tokio::test(flavor = "multi_thread")]
async fn f01_no_draw_of_empty_lists_gives_an_absence() {
    for bereft in [false, true] {
        let mut lookout = if bereft { Lookout::bereft("f01-draws").await } else { Lookout::settled("f01-draws").await };
        let before = lookout.open();
        for share in [0.1, 0.5] {
            lookout.fault(Rule::sometimes(share, Match::default(), Effect::EmptyPage));
            for draw in 0..DRAWS {
                lookout.pass().await;
                assert_eq!(lookout.open(), before, "draw {draw} of {share}");
            }
            assert!(lookout.struck().len() > DRAWS, "{} requests were struck", lookout.struck().len());
            lookout.is_back(&before, "half of the lists empty").await;
        }
        lookout.set_ttl(300);
        lookout.is_back(&with(&before, OTHER_TTL), "without any fault").await;
    }
}

/// The operations that page, with the scope that each is read for.
const PAGED: [(Service, &str, &str); 6] = [
    (Service::Ecs, "ListServices", "ecs_cluster/111122223333/eu-west-1/harbor"),
    (Service::DynamoDb, "Scan", "table/111122223333/eu-west-1/deployments"),
    (Service::Route53, "ListResourceRecordSets", "hosted_zone/444455556666/global/example.com"),
    (Service::Route53, "ListHealthChecks", "health_checks/111122223333/global"),
    (Service::Elbv2, "DescribeLoadBalancers", "load_balancers/111122223333/eu-west-1"),
    (Service::Elbv2, "DescribeTargetGroups", "load_balancers/111122223333/eu-west-1"),
];

/// Five open findings, and a second service, so that every list has several pages of one entry.
async fn with_several_of_everything(name: &str) -> Lookout {
    let mut lookout = Lookout::bereft(name).await;
    lookout.create("other");
    lookout.passes(2).await;
    lookout
}

/// Serves pages of one entry, going wrong like this, and reads three times. How often what a pass
/// called whole lacked something that is there, and how often a pass was called incomplete.
async fn served_in_pages(lookout: &mut Lookout, fault: PageFault) -> (usize, usize) {
    let before = lookout.open();
    assert_eq!(before.len(), LEFT);
    let (mut short, mut incomplete) = (0, 0);
    for (service, operation, scope) in PAGED {
        let scope = lookout.scope(scope);
        let honest = lookout.seen(&scope);
        assert!(lookout.is_whole(&scope) && honest.len() > 1, "{operation}: {honest:?}");
        lookout.plague(service, operation, Effect::Pages { size: 1, fault });
        lookout.advance(EVERYTHING_IS_DUE);
        for _ in 0..3 {
            lookout.pass().await;
            assert_eq!(lookout.open(), before, "{operation} with {fault:?}");
            match lookout.is_whole(&scope) {
                true => short += usize::from(!lookout.seen(&scope).is_superset(&honest)),
                false => incomplete += 1,
            }
        }
        assert!(!lookout.struck().is_empty(), "{operation} is never called: the fault tests nothing");
        lookout.is_back(&before, operation).await;
    }
    (short, incomplete)
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_small_honest_pages_are_a_whole_list() {
    let mut lookout = with_several_of_everything("f02").await;
    assert_eq!(served_in_pages(&mut lookout, PageFault::None).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_dropped_and_repeated_pages_are_never_taken_for_a_whole_list() {
    for fault in [PageFault::Empty, PageFault::Ends, PageFault::Repeats] {
        let mut lookout = with_several_of_everything("f02-dropped").await;
        let (short, incomplete) = served_in_pages(&mut lookout, fault).await;
        assert_eq!(short, 0, "{fault:?}: a list that lacks a live object was called whole");
        // ECS asks by name for what its list lacks, and has the whole picture after all.
        assert!(incomplete >= 3 * (PAGED.len() - 1), "{fault:?}: {incomplete} incomplete passes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_token_that_loops_or_expires_ends_the_reading_not_the_process() {
    for fault in [PageFault::Loops, PageFault::Expires] {
        let mut lookout = with_several_of_everything("f02-token").await;
        let (short, incomplete) = served_in_pages(&mut lookout, fault).await;
        assert_eq!((short, incomplete), (0, 3 * PAGED.len()), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_pages_that_go_wrong_now_and_then_open_and_end_nothing() {
    let mut lookout = with_several_of_everything("f02-draws").await;
    let before = lookout.open();
    for fault in [PageFault::Empty, PageFault::Ends, PageFault::Repeats, PageFault::Loops, PageFault::Expires] {
        lookout.fault(Rule::sometimes(0.3, Match::default(), Effect::Pages { size: 1, fault }));
        for draw in 0..8 {
            lookout.pass().await;
            assert_eq!(lookout.open(), before, "draw {draw} of {fault:?}");
        }
        assert!(!lookout.struck().is_empty());
        lookout.is_back(&before, "pages that go wrong now and then").await;
    }
}
