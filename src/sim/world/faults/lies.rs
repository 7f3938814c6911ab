//! Answers that leave out what is there.
//!
//! Decides which entries an answer loses, and that DescribeServices says MISSING of a service that
//! it does not show. The wire layer applies it to whole answers.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::sim::world::{Caller, World};

/// Takes every entry out of an answer's lists that mentions this text.
pub fn leave_out(operation: &str, output: &mut Value, text: &str) {
    let Some(members) = output.as_object_mut() else { return };
    let mut lost = Vec::new();
    for list in members.values_mut().flat_map(lists_of) {
        list.retain(|entry| {
            let stays = !entry.to_string().contains(text);
            if !stays {
                lost.push(entry.clone());
            }
            stays
        });
    }
    if operation != "DescribeServices" {
        return;
    }
    let missing =
        lost.iter().filter_map(|service| Some(json!({ "arn": service.get("serviceArn")?, "reason": "MISSING" })));
    let missing: Vec<Value> = missing.collect();
    if let Some(failures) = members.get_mut("failures").and_then(Value::as_array_mut) {
        failures.extend(missing);
    }
}

/// A list, or the lists by table that BatchGetItem answers.
fn lists_of(member: &mut Value) -> Vec<&mut Vec<Value>> {
    match member {
        Value::Array(list) => vec![list],
        Value::Object(tables) => tables.values_mut().filter_map(Value::as_array_mut).collect(),
        _ => Vec::new(),
    }
}

/// The ARNs of the services in an answer that were created less than so long ago, each in the
/// quotes that make it whole.
pub fn young(world: &World, caller: &Caller, output: &Value, now: Timestamp, age: SignedDuration) -> Vec<String> {
    let Some(ecs) = world.ecs.get(&(caller.account.clone(), caller.region.clone())) else { return Vec::new() };
    let listed = output.get("serviceArns").and_then(Value::as_array).into_iter().flatten();
    let described = output.get("services").and_then(Value::as_array).into_iter().flatten();
    let arns = listed.chain(described.filter_map(|service| service.get("serviceArn"))).filter_map(Value::as_str);
    let is_young = |arn: &&str| {
        let mut parts = arn.rsplit('/');
        let (Some(name), Some(cluster)) = (parts.next(), parts.next()) else { return false };
        ecs.service(cluster, name).is_some_and(|service| now.duration_since(service.created_at) < age)
    };
    arns.filter(is_young).map(|arn| format!("\"{arn}\"")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_is_left_out_of_its_description_is_missing() {
        let mut output = json!({ "services": [{ "serviceArn": "arn:a" }, { "serviceArn": "arn:b" }], "failures": [] });
        leave_out("DescribeServices", &mut output, "\"arn:b\"");
        let missing = json!([{ "arn": "arn:b", "reason": "MISSING" }]);
        assert_eq!(output, json!({ "services": [{ "serviceArn": "arn:a" }], "failures": missing }));
    }

    #[test]
    fn an_item_is_left_out_of_its_table() {
        let mut output = json!({ "Responses": { "t": [{ "k": { "S": "a" } }, { "k": { "S": "b" } }] } });
        leave_out("BatchGetItem", &mut output, "\"b\"");
        assert_eq!(output, json!({ "Responses": { "t": [{ "k": { "S": "a" } }] } }));
    }
}
