//! The tables of the platform: the deployer's own records, and one of switches.
//!
//! Decides how the deployer writes down what it made. Called while the world is put up, and by
//! scenarios in which it deploys something new.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::dns::expect_done;
use super::plan::{DEPLOYMENTS, SETTINGS, Site};
use crate::sim::world::{World, dynamodb};

/// Both tables, which only production has; the switch that is declared is off.
pub(super) fn put_tables(world: &mut World, made: Timestamp) {
    let owner = Site::Production.owner();
    let tables = dynamodb::of(world, &owner);
    tables.put_table(&owner, DEPLOYMENTS, "service", None, made);
    tables.put_table(&owner, SETTINGS, "setting", None, made);
    let freeze = json!({
        "setting": { "S": "deploy-freeze" },
        "frozen": { "S": "false" },
        "owner": { "S": "werkzeug" },
    });
    expect_done(tables.put_item(SETTINGS, freeze));
}

/// Writes an item into the deployer's table.
pub(super) fn put_item(world: &mut World, item: Value) {
    expect_done(dynamodb::of(world, &Site::Production.owner()).put_item(DEPLOYMENTS, item));
}

/// What the deployer writes down about a service.
pub fn item(service: &str, written: Timestamp, balancer_arn: &str, hostname: Option<&str>, check_id: &str) -> Value {
    let mut item = json!({
        "service": { "S": service },
        "updated_at": { "S": written.to_string() },
        "load_balancer_arn": { "S": balancer_arn },
        "health_check_id": { "S": check_id },
        "deployed_by": { "S": "wonderland-deployer" },
    });
    if let Some(hostname) = hostname {
        item["hostname"] = json!({ "S": hostname });
    }
    item
}
