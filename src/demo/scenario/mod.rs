//! The scenarios: what happens in the cloud, and what must be seen of it.
//!
//! Decides the steps, in one file each; how they are played is [`super::script`]'s. The people in
//! them are simulated too: they call the cloud as the owners of their accounts.

mod c2;
mod govuk_paas;
mod ordinary_day;
mod sights;
mod wonderland;

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;

use super::manifests::{self, Example};
use super::platform;
use super::script::Step;
use crate::sim::cloudfoundry::Foundation;
use crate::sim::wire::Cloud;
use crate::sim::world::{ApiError, Caller, Request, Service, World};

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// A service is deleted in the wrong account; what was made for it stays behind
    Wonderland,
    /// A deploy loses the database and the queue of two Cloud Foundry environments; one comes back
    C2,
    /// A delete pipeline runs in production; after the rebuild a test's buildpack is first in line
    GovukPaas,
    /// Deploys, tests, a scale-down, a throttled minute, a restart, a new buildpack and stack: nothing pages
    OrdinaryDay,
}

impl Scenario {
    /// As it is named on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wonderland => "wonderland",
            Self::C2 => "c2",
            Self::GovukPaas => "govuk-paas",
            Self::OrdinaryDay => "ordinary-day",
        }
    }

    /// In one line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Wonderland => {
                "an ECS service is deleted in the wrong account, and what it left behind blocks every redeploy"
            }
            Self::C2 => {
                "a deploy to Cloud Foundry loses bindings in two of three environments, and only half of them come back"
            }
            Self::GovukPaas => {
                "a delete pipeline runs against production, and after the rebuild a test's buildpack is tried first"
            }
            Self::OrdinaryDay => "everything that happens anyway, and nothing that anybody is woken for",
        }
    }

    /// What happens, step by step.
    pub(super) fn steps(self) -> Vec<Step> {
        match self {
            Self::Wonderland => wonderland::steps(),
            Self::C2 => c2::steps(),
            Self::GovukPaas => govuk_paas::steps(),
            Self::OrdinaryDay => ordinary_day::steps(),
        }
    }

    /// What is declared.
    pub(super) fn manifests(self) -> Example {
        match self {
            Self::Wonderland | Self::OrdinaryDay => manifests::PLATFORM,
            Self::C2 => manifests::C2,
            Self::GovukPaas => manifests::GOVUK_PAAS,
        }
    }

    /// What lies in AWS when the story begins.
    pub(super) fn world(self, now: Timestamp) -> World {
        match self {
            Self::Wonderland | Self::OrdinaryDay => platform::world(now),
            Self::C2 | Self::GovukPaas => World::default(),
        }
    }

    /// Puts beside AWS what else there is then.
    pub(super) fn put_beside(self, cloud: &Cloud, now: Timestamp) {
        match self {
            Self::Wonderland | Self::OrdinaryDay => platform::cloud_foundry::put(cloud, now),
            Self::C2 => cloud.add_foundation(c2::foundation(now)),
            Self::GovukPaas => govuk_paas::put(cloud, now),
        }
    }
}

/// What simulated people do on a foundation. Nothing of it is refused: `None` is that the story
/// names what is not there.
fn on_foundation(cloud: &Cloud, host: &str, act: impl FnOnce(&mut Foundation) -> Option<()>) -> Result<(), ApiError> {
    let done = cloud.with_foundation(host, act).flatten();
    done.ok_or_else(|| ApiError::bad_request("NotThere", format!("{host} lacks what this step is about")))
}

/// What a simulated person does in the cloud.
fn by_hand(cloud: &Cloud, who: &Caller, service: Service, operation: &str, input: Value) -> Result<Value, ApiError> {
    cloud.call(who, &Request::new(service, operation, input))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_knows_scenarios_by_their_own_names() {
        for scenario in Scenario::value_variants() {
            assert_eq!(scenario.to_possible_value().unwrap().get_name(), scenario.name());
        }
    }

    #[test]
    fn every_step_of_every_scenario_expects_something_or_is_expected_of_later() {
        for scenario in Scenario::value_variants() {
            let steps = scenario.steps();
            assert!(steps.last().is_some_and(|step| !step.expect.is_empty()), "{scenario:?}");
            let mut names: Vec<_> = steps
                .iter()
                .flat_map(|step| step.expect.iter().map(|expectation| (step.title, expectation.name)))
                .collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{scenario:?} has two expectations of one name in a step");
        }
    }
}
