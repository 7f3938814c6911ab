//! The scenarios: what happens in the cloud, and what must be seen of it.
//!
//! Decides the steps, in one file each; how they are played is [`super::script`]'s. The people in
//! them are simulated too: they call the cloud as the owners of their accounts.

mod ordinary_day;
mod sights;
mod wonderland;

use clap::ValueEnum;
use serde_json::Value;

use super::script::Step;
use crate::sim::wire::Cloud;
use crate::sim::world::{ApiError, Caller, Request, Service};

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// A service is deleted in the wrong account; what was made for it stays behind
    Wonderland,
    /// A deploy, tests, a scale-down, a throttled minute and a restart: nothing pages
    OrdinaryDay,
}

impl Scenario {
    /// As it is named on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wonderland => "wonderland",
            Self::OrdinaryDay => "ordinary-day",
        }
    }

    /// In one line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Wonderland => {
                "an ECS service is deleted in the wrong account, and what it left behind blocks every redeploy"
            }
            Self::OrdinaryDay => "everything that happens anyway, and nothing that anybody is woken for",
        }
    }

    /// What happens, step by step.
    pub(super) fn steps(self) -> Vec<Step> {
        match self {
            Self::Wonderland => wonderland::steps(),
            Self::OrdinaryDay => ordinary_day::steps(),
        }
    }
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
