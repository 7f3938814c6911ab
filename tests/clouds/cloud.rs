//! One of the clouds, with its front.
//!
//! Decides what stands behind each name, how it is emptied between scenarios, and how time passes: the
//! simulated cloud begins hours ago and is brought up to now, the emulators know no time but the wall's
//! and finish within a call what takes AWS minutes.

use jiff::{SignedDuration, Timestamp};
use moored::clock::Clock;
use moored::sim::wire::{self, server};
use moored::sim::world::World;
use serde::Deserialize;
use serde_json::json;

use super::emulator::Emulator;
use super::front::Front;
use super::requests::{Requests, Signer};

/// The account of everything but the zone behind a role.
pub const MAIN: &str = "123456789012";
/// Where a zone lies behind a role.
pub const DNS: &str = "444455556666";
/// Whose key is taken for one of [`MAIN`].
pub const STRANGER: &str = "999999999999";
pub const REGION: &str = "eu-west-1";

/// When a scenario begins. What is deleted then has been forgotten by now.
const LONG_AGO: SignedDuration = SignedDuration::from_hours(8);
/// What is deleted then is no longer on its way out, and not yet forgotten.
const RECENTLY: SignedDuration = SignedDuration::from_mins(10);
/// How long every deed takes to settle.
const BETWEEN_DEEDS: SignedDuration = SignedDuration::from_mins(5);

/// The clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    Simulated,
    Moto,
    Ministack,
    /// The simulated cloud, but its tables are in DynamoDB Local.
    DynamodbLocal,
}

/// A running cloud.
pub struct Cloud {
    pub which: Which,
    pub front: Front,
    pub requests: Requests,
    simulated: Option<Simulated>,
    emulator: Option<Emulator>,
}

/// A simulated cloud on a clock of its own.
struct Simulated {
    cloud: wire::Cloud,
    clock: Clock,
    served: server::Running,
}

impl Cloud {
    pub async fn start(which: Which) -> Self {
        let simulated = match which {
            Which::Simulated | Which::DynamodbLocal => Some(Simulated::start().await),
            Which::Moto | Which::Ministack => None,
        };
        let emulator = match which {
            Which::Simulated => None,
            Which::Moto => Some(Emulator::moto().await),
            Which::Ministack => Some(Emulator::ministack().await),
            Which::DynamodbLocal => Some(Emulator::dynamodb_local().await),
        };
        let front = match (&simulated, &emulator) {
            (Some(simulated), tables) => {
                Front::start(simulated.served.url.clone(), tables.as_ref().map(|tables| tables.url.clone())).await
            }
            (None, Some(emulator)) => Front::start(emulator.url.clone(), None).await,
            (None, None) => unreachable!("every cloud is simulated or emulated"),
        };
        let requests = Requests::new(&front.url);
        Self { which, front, requests, simulated, emulator }
    }

    /// Forgets everything, and begins [`LONG_AGO`] again.
    pub async fn reset(&self) {
        if let Some(simulated) = &self.simulated {
            simulated.cloud.with_world(|world| *world = empty());
            simulated.set_back(LONG_AGO);
        }
        match (self.which, &self.emulator) {
            (Which::Moto, Some(moto)) => self.requests.at(&moto.url).post("/moto-api/reset").await,
            (Which::Ministack, Some(ministack)) => self.requests.at(&ministack.url).post("/_ministack/reset").await,
            (Which::DynamodbLocal, _) => {
                let signer = Signer::of(MAIN);
                let listed = self.requests.dynamodb(&signer, "ListTables", json!({})).await;
                for table in listed["TableNames"].as_array().unwrap() {
                    self.requests.dynamodb(&signer, "DeleteTable", json!({ "TableName": table })).await;
                }
            }
            _ => {}
        }
    }

    /// The deed that was done settles, as long as scenarios are still in the past.
    pub fn settle(&self) {
        if let Some(simulated) = &self.simulated
            && simulated.behind() > RECENTLY + BETWEEN_DEEDS
        {
            simulated.clock.jump(BETWEEN_DEEDS);
        }
    }

    /// A moment passes: new tables take a few.
    pub fn pass_a_moment(&self) {
        if let Some(simulated) = &self.simulated {
            simulated.clock.jump(SignedDuration::from_secs(10));
        }
    }

    /// It is [`RECENTLY`].
    pub fn pass_until_recently(&self) {
        if let Some(simulated) = &self.simulated {
            simulated.set_back(RECENTLY);
        }
    }

    /// It is now.
    pub fn pass_until_now(&self) {
        if let Some(simulated) = &self.simulated {
            simulated.set_back(SignedDuration::ZERO);
        }
    }

    /// Changes the simulated world at its own time, as no request could.
    pub fn change_world(&self, change: impl FnOnce(&mut World, Timestamp)) {
        let simulated = self.simulated.as_ref().expect("only a simulated world can be changed without a request");
        let now = simulated.clock.now();
        simulated.cloud.with_world(|world| change(world, now));
    }
}

impl Simulated {
    async fn start() -> Self {
        let clock = Clock::scaled(Clock::wall().now(), 1.0);
        let of_cloud = clock.clone();
        let cloud = wire::Cloud::new(empty(), move || of_cloud.now(), 1);
        let served = server::spawn(cloud.clone()).await.unwrap();
        Self { cloud, clock, served }
    }

    /// How far it is behind the wall clock.
    fn behind(&self) -> SignedDuration {
        Clock::wall().now().duration_since(self.clock.now())
    }

    fn set_back(&self, by: SignedDuration) {
        self.clock.jump(self.behind() - by);
    }
}

fn empty() -> World {
    let mut world = World::with_accounts([MAIN, DNS]);
    world.sts.add_role(DNS, "observe", &[MAIN]);
    world
}
