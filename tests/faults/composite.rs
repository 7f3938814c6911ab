//! The composite: credentials cut, throttled for ten minutes, the clock set an hour or a day forward
//! or back, restarted in the middle. Open findings stay, nothing new appears but Unknown, and
//! detection is back within two passes of the end of the fault.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use moored::core::drift::State;
use moored::sim::world::faults::{Effect, Match, Rule};

use super::steady::{Steady, all_is_known};
use super::world::{Lookout, OTHER_TTL, with};

/// What happens in which minute of the throttling.
struct Troubles {
    jump: (usize, SignedDuration),
    restart: usize,
}

async fn through(troubles: Troubles) {
    let Troubles { jump: (jumps_in, by), restart } = troubles;
    let told = format!("{by:#} in minute {jumps_in}, restarted in minute {restart}");
    let mut lookout = Lookout::keeping("composite");
    lookout.settle().await;
    lookout.lose_the_worker().await;
    let before = lookout.open();
    let since = since(&lookout);

    lookout.fault(Rule::always(Match::default(), Effect::ExpiredToken));
    lookout.passes(2).await;
    assert_eq!((lookout.open(), lookout.in_sync()), (before.clone(), 0), "{told}: credentials cut");
    assert!(!lookout.struck().is_empty());
    lookout.heal();

    lookout.fault(Rule::always(Match::default(), Effect::Throttle));
    for minute in 0..10 {
        if minute == jumps_in {
            lookout.clock.jump(by);
        }
        if minute == restart {
            lookout.restart();
            assert_eq!(lookout.open(), before, "{told}: before anything is read");
        }
        if minute == 7 {
            lookout.set_ttl(300);
        }
        lookout.pass().await;
        assert_eq!(lookout.open(), before, "{told}: minute {minute}");
        assert_eq!((lookout.in_sync(), lookout.proven()), (0, BTreeSet::new()), "{told}: minute {minute}");
    }
    assert!(!lookout.struck().is_empty());
    lookout.is_back(&with(&before, OTHER_TTL), &told).await;
    assert!(since.is_subset(&self::since(&lookout)), "{told}: they are the findings of before");
}

/// Open findings with the time at which they were found.
fn since(lookout: &Lookout) -> BTreeSet<String> {
    let snapshot = lookout.snapshot();
    let findings = snapshot.findings.iter();
    findings.map(|finding| format!("{}/{} since {}", finding.key.kind, finding.key.name, finding.since)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn composite_with_a_clock_that_jumps_an_hour() {
    for hours in [-1, 1] {
        for (jumps_in, restart) in [(2, 5), (6, 3)] {
            through(Troubles { jump: (jumps_in, SignedDuration::from_hours(hours)), restart }).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn composite_with_a_clock_that_jumps_a_day() {
    for hours in [-24, 24] {
        for (jumps_in, restart) in [(2, 5), (6, 3)] {
            through(Troubles { jump: (jumps_in, SignedDuration::from_hours(hours)), restart }).await;
        }
    }
}

/// A clock that jumps while all is well: nothing ends, nothing opens, and drift is found two passes
/// later, by whatever time.
#[tokio::test(flavor = "multi_thread")]
async fn composite_a_jump_alone_is_no_drift() {
    let mut lookout = Lookout::keeping("composite-jump");
    lookout.settle().await;
    lookout.lose_the_worker().await;
    let before = lookout.open();
    let drifted = with(&before, OTHER_TTL);
    // Back and forth, and the record drifts and is mended in turn.
    for (hours, open, ttl, then) in [
        (1, &before, 300, &drifted),
        (-1, &drifted, 60, &before),
        (24, &before, 300, &drifted),
        (-24, &drifted, 60, &before),
    ] {
        lookout.clock.jump(SignedDuration::from_hours(hours));
        lookout.watch.evaluate(lookout.clock.now());
        assert_eq!(lookout.open(), *open, "{hours} hours: before anything is read");
        lookout.set_ttl(ttl);
        lookout.is_back(then, "a jump").await;
    }
}

/// The same with the real daemon: its queue, its backoff, its reloads and its own restart.
#[tokio::test(flavor = "multi_thread")]
async fn composite_with_the_real_daemon() {
    let mut steady = Steady::start("composite-daemon");
    steady.until("everything is read", all_is_known).await;
    steady.set_ttl(300);
    let found = |snapshot: &moored::core::snapshot::Snapshot| {
        all_is_known(snapshot) && snapshot.findings.len() == 1 && snapshot.findings.iter().all(|found| !found.held)
    };
    steady.until("drift is found without the fault", found).await;

    let plague = |effect: Effect| {
        steady.cloud.with_world(|world| {
            world.faults.clear();
            world.faults.add(Rule::always(Match::default(), effect));
        });
    };
    plague(Effect::ExpiredToken);
    steady.minutes(3).await;
    plague(Effect::Throttle);
    for minute in 0..10 {
        match minute {
            2 => steady.clock.jump(SignedDuration::from_hours(-1)),
            5 => steady.restart().await,
            7 => steady.clock.jump(SignedDuration::from_hours(2)),
            _ => {}
        }
        steady.minutes(1).await;
        let snapshot = steady.snapshot().unwrap();
        let findings = steady.findings();
        assert_eq!(findings.keys().collect::<Vec<_>>(), [OTHER_TTL], "minute {minute}");
        assert!(findings.values().all(|held| *held), "minute {minute}: {findings:?}");
        assert_eq!(snapshot.count(State::InSync), 0, "minute {minute}");
    }
    steady.cloud.with_world(|world| world.faults.clear());
    let took = steady.until("the finding is proven again", found).await;
    assert!(took <= SignedDuration::from_secs(150), "detection was back after {took:#}");
    steady.halt().await;
}
