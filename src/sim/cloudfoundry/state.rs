//! Everything that exists on one simulated foundation.
//!
//! Decides what time alone brings about: a job that completes, a deployment that ends. It never
//! reads a clock; [`State::settle`] is called before every request and every act. Cloned whole
//! where a fault asks for answers from the past.

use jiff::{SignedDuration, Timestamp};

use super::apps::App;
use super::bindings::Binding;
use super::buildpacks::Buildpack;
use super::deployments::Deployment;
use super::droplets::Droplet;
use super::events::{Actor, Event};
use super::jobs::Job;
use super::organizations::{EnvironmentGroup, Organization, Space, Stack};
use super::processes::Process;
use super::record::{Table, guid};
use super::routes::{Domain, Route};
use super::services::{Offering, Plan, ServiceInstance};

/// What will happen by itself.
#[derive(Clone)]
pub enum Pending {
    /// The broker has carried out what was asked for this binding.
    Binding(String, Actor),
    /// The rolling deployment has replaced the last instance.
    Deployment(String),
}

/// Everything that exists.
#[derive(Clone)]
pub struct State {
    pub host: String,
    pub api: (u32, u32, u32),
    pub organizations: Table<Organization>,
    pub spaces: Table<Space>,
    pub stacks: Table<Stack>,
    pub buildpacks: Table<Buildpack>,
    pub apps: Table<App>,
    pub processes: Table<Process>,
    pub droplets: Table<Droplet>,
    pub offerings: Table<Offering>,
    pub plans: Table<Plan>,
    pub instances: Table<ServiceInstance>,
    pub bindings: Table<Binding>,
    pub domains: Table<Domain>,
    pub routes: Table<Route>,
    pub deployments: Table<Deployment>,
    pub jobs: Table<Job>,
    pub events: Table<Event>,
    pub running: EnvironmentGroup,
    pub staging: EnvironmentGroup,
    pub pending: Vec<(Timestamp, Pending)>,
    serial: u64,
}

impl State {
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            api: (3, 228, 0),
            organizations: Table::default(),
            spaces: Table::default(),
            stacks: Table::default(),
            buildpacks: Table::default(),
            apps: Table::default(),
            processes: Table::default(),
            droplets: Table::default(),
            offerings: Table::default(),
            plans: Table::default(),
            instances: Table::default(),
            bindings: Table::default(),
            domains: Table::default(),
            routes: Table::default(),
            deployments: Table::default(),
            jobs: Table::default(),
            events: Table::default(),
            running: EnvironmentGroup::default(),
            staging: EnvironmentGroup::default(),
            pending: Vec::new(),
            serial: 0,
        }
    }

    /// A guid that nothing else on this foundation has.
    pub fn next_guid(&mut self, name: &str) -> String {
        self.serial += 1;
        guid(&self.host, self.serial, name)
    }

    /// Lets everything happen that is due by now, in its order; whether anything was.
    pub fn settle(&mut self, now: Timestamp) -> bool {
        let all = std::mem::take(&mut self.pending);
        let (mut due, later): (Vec<_>, Vec<_>) = all.into_iter().partition(|(at, _)| *at <= now);
        self.pending = later;
        due.sort_by_key(|(at, _)| *at);
        let any = !due.is_empty();
        for (at, pending) in due {
            match pending {
                Pending::Binding(guid, actor) => self.complete_binding(&guid, &actor, at),
                Pending::Deployment(guid) => self.finish_deployment(&guid, at),
            }
        }
        any
    }
}

/// A later time.
pub fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(now)
}
