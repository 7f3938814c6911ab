//! Cloud Foundry as a whole: moored over the simulated foundation, pass by pass: the scenario `c2`,
//! the rows of the fault matrix that are Cloud Foundry's, what a pass costs, and every kind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

#[path = "cloudfoundry/buildpacks.rs"]
mod buildpacks;
#[path = "cloudfoundry/c2.rs"]
mod c2;
#[path = "faults_network/certificates.rs"]
mod certificates;
#[path = "cloudfoundry/cost.rs"]
mod cost;
#[path = "cloudfoundry/draws.rs"]
mod draws;
#[path = "cloudfoundry/errors.rs"]
mod errors;
#[path = "cloudfoundry/import.rs"]
mod import;
#[path = "cloudfoundry/inventories.rs"]
mod inventories;
#[path = "cloudfoundry/lies.rs"]
mod lies;
#[path = "cloudfoundry/manifests.rs"]
mod manifests;
#[path = "cloudfoundry/place.rs"]
mod place;
#[path = "cloudfoundry/restarts.rs"]
mod restarts;
#[path = "cloudfoundry/roles.rs"]
mod roles;
#[path = "cloudfoundry/running.rs"]
mod running;
#[path = "cloudfoundry/secrets.rs"]
mod secrets;
#[path = "cloudfoundry/stage.rs"]
mod stage;
#[path = "cloudfoundry/tls.rs"]
mod tls;
#[path = "cloudfoundry/trouble.rs"]
mod trouble;
