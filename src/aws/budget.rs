//! Rate budgets: how many calls a second moored may make to one service of one account.
//!
//! Decides how long a call waits. The quotas belong to the account, so all environments on it,
//! and all scopes, share one bucket per service; by default it is a quarter of what AWS publishes
//! (all of it for CloudTrail).
//! Never fails and never bounds the wait, which is as long as the queue. Called by [`super::read`];
//! the engine takes detection bounds from [`Budgets::rate`].

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::allow_list::Service;
use crate::clock::Clock;
use crate::core::desired::Account;

/// The slowest and the fastest rate that a declaration can ask for, in calls a second.
const RATES: (f64, f64) = (0.01, 1000.0);

/// Calls a second and the burst, where no environment says otherwise.
fn default_quota(service: Service) -> (f64, f64) {
    match service {
        Service::Route53 => (2.0, 10.0),
        Service::Ecs => (5.0, 25.0),
        Service::Elbv2 => (2.5, 10.0),
        Service::DynamoDb => (25.0, 50.0),
        Service::Sts => (5.0, 20.0),
        // All that AWS allows: nobody else asks in a hurry, and attribution can wait for its turn.
        Service::CloudTrail => (2.0, 2.0),
    }
}

/// The buckets of all accounts.
pub struct Budgets {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    declared: BTreeMap<Arc<str>, BTreeMap<Service, f64>>,
    buckets: BTreeMap<Arc<str>, BTreeMap<Service, Arc<Bucket>>>,
}

struct Bucket {
    rate: f64,
    pace: Pace,
    limiter: RateLimiter<NotKeyed, InMemoryState, Pace, NoOpMiddleware<Nanos>>,
    /// First come, first served: the one who waits for a token holds it, the others queue.
    turn: tokio::sync::Mutex<()>,
}

impl Budgets {
    /// Full buckets with the default rates, on this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Takes over what the environments declare. Where several share an account, the lowest of the
    /// declared rates wins. A bucket whose rate stays keeps its fill.
    pub fn declare<'a>(&self, accounts: impl IntoIterator<Item = &'a Account>) {
        let mut declared: BTreeMap<Arc<str>, BTreeMap<Service, f64>> = BTreeMap::new();
        for account in accounts {
            for service in Service::ALL {
                let Some(rate) = account.budgets.get(service.as_str()).copied().filter(|rate| rate.is_finite()) else {
                    continue;
                };
                let rate = rate.clamp(RATES.0, RATES.1);
                let lowest = declared.entry(account.id.clone()).or_default().entry(service).or_insert(rate);
                *lowest = lowest.min(rate);
            }
        }
        let mut state = self.state();
        state.declared = declared;
        let State { declared, buckets } = &mut *state;
        for (account, services) in buckets.iter_mut() {
            services.retain(|service, bucket| bucket.rate == rate_of(declared, account, *service));
        }
    }

    /// Calls a second.
    pub fn rate(&self, account: &str, service: Service) -> f64 {
        rate_of(&self.state().declared, account, service)
    }

    /// Waits until one more call is within the budget.
    pub async fn acquire(&self, account: &str, service: Service) {
        let bucket = self.bucket(account, service);
        let _turn = bucket.turn.lock().await;
        while let Err(too_early) = bucket.limiter.check() {
            let wait = too_early.wait_time_from(governor::clock::Clock::now(&bucket.pace));
            self.clock.sleep(wait).await;
        }
    }

    fn bucket(&self, account: &str, service: Service) -> Arc<Bucket> {
        let mut state = self.state();
        let rate = rate_of(&state.declared, account, service);
        let services = state.buckets.entry(account.into()).or_default();
        services.entry(service).or_insert_with(|| Arc::new(Bucket::full(rate, service, &self.clock))).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rate_of(declared: &BTreeMap<Arc<str>, BTreeMap<Service, f64>>, account: &str, service: Service) -> f64 {
    let declared = declared.get(account).and_then(|services| services.get(&service)).copied();
    declared.unwrap_or_else(|| default_quota(service).0)
}

impl Bucket {
    fn full(rate: f64, service: Service, clock: &Clock) -> Self {
        let (usual, burst) = default_quota(service);
        // Another rate changes the burst with it: who asks for half a quota means half of it all.
        let burst = NonZeroU32::new((burst * rate / usual).round() as u32).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::from_secs(1)))
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
            .allow_burst(burst);
        let pace = Pace::of(clock);
        Self {
            rate,
            limiter: RateLimiter::direct_with_clock(quota, pace.clone()),
            pace,
            turn: tokio::sync::Mutex::default(),
        }
    }
}

/// The shell's clock for the limiter. It counts on the monotonic clock at the shell's pace, so
/// that a jump of the wall clock neither opens nor shuts a bucket, and the demo's budgets scale.
#[derive(Debug, Clone)]
struct Pace {
    started: Instant,
    factor: f64,
}

impl Pace {
    fn of(clock: &Clock) -> Self {
        let second = clock.real(Duration::from_secs(1)).as_secs_f64();
        Self { started: Instant::now(), factor: if second > 0.0 { 1.0 / second } else { 1.0 } }
    }
}

impl governor::clock::Clock for Pace {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new((self.started.elapsed().as_secs_f64() * self.factor * 1e9) as u64)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::wire::account;
    use super::*;

    const ACCOUNT: &str = "111122223333";

    fn with_budget(rate: f64) -> Account {
        Account { budgets: [("route53".into(), rate)].into(), ..account() }
    }

    #[tokio::test]
    async fn a_burst_passes_at_once_and_the_rest_waits_its_turn() {
        // Ten times as fast: 2 a second are 20.
        let budgets = Budgets::new(Clock::scaled(Timestamp::UNIX_EPOCH, 10.0));
        let started = Instant::now();
        for _ in 0..10 {
            budgets.acquire(ACCOUNT, Service::Route53).await;
        }
        let burst = started.elapsed();
        for _ in 0..4 {
            budgets.acquire(ACCOUNT, Service::Route53).await;
        }
        let all = started.elapsed();
        assert!(all >= Duration::from_millis(190), "four calls beyond the burst took {all:?}");
        assert!(burst < Duration::from_millis(150), "the burst of ten took {burst:?}");
    }

    #[tokio::test]
    async fn another_account_and_another_service_have_buckets_of_their_own() {
        let budgets = Budgets::new(Clock::wall());
        for _ in 0..10 {
            budgets.acquire(ACCOUNT, Service::Route53).await;
        }
        let soon = Duration::from_millis(200);
        let other = budgets.acquire("444455556666", Service::Route53);
        assert!(tokio::time::timeout(soon, other).await.is_ok());
        assert!(tokio::time::timeout(soon, budgets.acquire(ACCOUNT, Service::Ecs)).await.is_ok());
        assert!(tokio::time::timeout(soon, budgets.acquire(ACCOUNT, Service::Route53)).await.is_err());
    }

    #[test]
    fn the_lowest_of_several_declarations_wins_and_others_keep_the_default() {
        let budgets = Budgets::new(Clock::wall());
        assert_eq!(budgets.rate(ACCOUNT, Service::Route53), 2.0);
        budgets.declare(&[with_budget(5.0), with_budget(1.0), with_budget(3.0)]);
        assert_eq!(budgets.rate(ACCOUNT, Service::Route53), 1.0);
        assert_eq!(budgets.rate(ACCOUNT, Service::Ecs), 5.0);
        assert_eq!(budgets.rate("444455556666", Service::Route53), 2.0);
        budgets.declare(&[with_budget(f64::NAN), with_budget(-1.0)]);
        assert_eq!(budgets.rate(ACCOUNT, Service::Route53), RATES.0, "nonsense is slow, never a panic");
    }
}
