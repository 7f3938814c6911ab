#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};

use super::*;
use crate::sim::world::Service;

fn caller() -> Caller {
    Caller::root("111122223333", "eu-west-1")
}

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
}

fn call_at(world: &mut World, operation: &str, input: Value, second: i64) -> Answer {
    apply(world, &caller(), &Request::new(Service::DynamoDb, operation, input), at(second), 0)
}

fn call(world: &mut World, operation: &str, input: Value) -> Answer {
    call_at(world, operation, input, 100)
}

/// Table `t`, keyed by `service`, holds the items `a` (version 1) and `b`; table `r` has a sort key.
fn world() -> World {
    let mut world = World::with_accounts(["111122223333"]);
    let tables = of(&mut world, &caller());
    tables.put_table(&caller(), "t", "service", None, at(0));
    tables.put_table(&caller(), "r", "p", Some("s"), at(0));
    tables.put_item("t", json!({"service": {"S": "a"}, "version": {"N": "1"}})).unwrap();
    tables.put_item("t", json!({"service": {"S": "b"}})).unwrap();
    world
}

fn key(name: &str) -> Value {
    json!({"service": {"S": name}})
}

fn exists(world: &mut World, name: &str) -> bool {
    of(world, &caller()).item("t", &key(name)).is_some()
}

#[test]
fn a_missing_item_is_no_error_and_a_missing_table_is() {
    let mut world = world();
    let answer = call(&mut world, "GetItem", json!({"TableName": "t", "Key": key("gone")})).unwrap();
    assert_eq!(answer, json!({}));
    let error = call(&mut world, "GetItem", json!({"TableName": "gone", "Key": key("a")})).unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
}

#[test]
fn a_key_of_another_shape_is_refused() {
    for key in [json!({"service": {"N": "1"}}), json!({"name": {"S": "a"}}), json!({})] {
        let error = call(&mut world(), "GetItem", json!({"TableName": "t", "Key": key})).unwrap_err();
        assert_eq!(error.message, "The provided key element does not match the schema");
    }
}

#[test]
fn a_conditional_delete_spares_a_changed_item() {
    let mut world = world();
    let delete = |version: &str| {
        json!({
            "TableName": "t",
            "Key": key("a"),
            "ConditionExpression": "version = :v",
            "ExpressionAttributeValues": {":v": {"N": version}},
        })
    };
    let error = call(&mut world, "DeleteItem", delete("2")).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (400, "ConditionalCheckFailedException"));
    assert!(exists(&mut world, "a"));
    call(&mut world, "DeleteItem", delete("1.0")).unwrap();
    assert!(!exists(&mut world, "a"));
}

#[test]
fn a_failed_condition_shows_the_item_to_who_asks() {
    let mut world = world();
    let mut delete = json!({
        "TableName": "t",
        "Key": key("a"),
        "ConditionExpression": "version = :v",
        "ExpressionAttributeValues": {":v": {"N": "2"}},
    });
    assert!(call(&mut world, "DeleteItem", delete.clone()).unwrap_err().members.is_empty());
    delete["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
    let item = json!({"service": {"S": "a"}, "version": {"N": "1"}});
    assert_eq!(call(&mut world, "DeleteItem", delete.clone()).unwrap_err().members, [("Item", item.clone())]);

    let error = call(&mut world, "TransactWriteItems", json!({"TransactItems": [{"Delete": delete}]})).unwrap_err();
    let reason = json!({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": item});
    assert_eq!(error.members, [("CancellationReasons", json!([reason]))]);
}

#[test]
fn a_query_does_not_filter_by_its_keys() {
    let query = |filter: &str| {
        json!({
            "TableName": "r",
            "KeyConditionExpression": "p = :p",
            "FilterExpression": filter,
            "ExpressionAttributeValues": {":p": {"S": "p"}},
        })
    };
    let mut world = world();
    call(&mut world, "Query", query("NOT (color = :p OR shape = :p)")).unwrap();
    let error = call(&mut world, "Query", query("NOT (color = :p OR s = :p)")).unwrap_err();
    assert!(error.message.ends_with("Primary key attribute: s"), "{}", error.message);
}

#[test]
fn a_put_may_insist_on_being_the_first() {
    let mut world = world();
    let first = "attribute_not_exists(service)";
    let put = |name: &str| json!({"TableName": "t", "Item": key(name), "ConditionExpression": first});
    call(&mut world, "PutItem", put("c")).unwrap();
    let error = call(&mut world, "PutItem", put("c")).unwrap_err();
    assert_eq!(error.code, "ConditionalCheckFailedException");
}

#[test]
fn an_update_sets_and_removes_but_never_touches_the_key() {
    let mut world = world();
    let update = json!({
        "TableName": "t",
        "Key": key("a"),
        "UpdateExpression": "SET #o = :me, founder = if_not_exists(founder, :me) REMOVE version",
        "ExpressionAttributeNames": {"#o": "owner"},
        "ExpressionAttributeValues": {":me": {"S": "me"}},
        "ReturnValues": "ALL_NEW",
    });
    let answer = call(&mut world, "UpdateItem", update).unwrap();
    let expected = json!({"service": {"S": "a"}, "owner": {"S": "me"}, "founder": {"S": "me"}});
    assert_eq!(answer["Attributes"], expected);
    let rename = json!({
        "TableName": "t",
        "Key": key("a"),
        "UpdateExpression": "SET service = :me",
        "ExpressionAttributeValues": {":me": {"S": "me"}},
    });
    let error = call(&mut world, "UpdateItem", rename).unwrap_err();
    assert!(error.message.ends_with("This attribute is part of the key"));
}

#[test]
fn a_batch_takes_a_hundred_keys_and_no_key_twice() {
    let batch = |keys: Vec<Value>| json!({"RequestItems": {"t": {"Keys": keys}}});
    let mut world = world();
    let hundred: Vec<Value> = (0..100).map(|number| key(&format!("k{number}"))).collect();
    call(&mut world, "BatchGetItem", batch(hundred.clone())).unwrap();
    let error = call(&mut world, "BatchGetItem", batch([hundred, vec![key("a")]].concat())).unwrap_err();
    assert_eq!(error.message, "Too many items requested for the BatchGetItem call");
    let error = call(&mut world, "BatchGetItem", batch(vec![key("a"), key("a")])).unwrap_err();
    assert_eq!(error.message, "Provided list of item keys contains duplicates");
}

#[test]
fn a_batch_leaves_keys_unprocessed_above_sixteen_megabytes() {
    let mut world = world();
    let tables = of(&mut world, &caller());
    let blob = "x".repeat(390 * 1024);
    let keys: Vec<Value> = (0..50).map(|number| key(&format!("large{number}"))).collect();
    for key in &keys {
        let mut item = key.clone();
        item["blob"] = json!({"S": blob});
        tables.put_item("t", item).unwrap();
    }
    let answer = call(&mut world, "BatchGetItem", json!({"RequestItems": {"t": {"Keys": keys}}})).unwrap();
    let found = answer["Responses"]["t"].as_array().unwrap().len();
    let left = answer["UnprocessedKeys"]["t"]["Keys"].as_array().unwrap().len();
    assert_eq!((found, found + left), (42, 50));
}

#[test]
fn a_scan_ends_its_page_at_one_megabyte_and_goes_on_where_it_stopped() {
    let mut world = world();
    let tables = of(&mut world, &caller());
    for number in 0..5 {
        let item = json!({"service": {"S": format!("large{number}")}, "blob": {"S": "x".repeat(300 * 1024)}});
        tables.put_item("t", item).unwrap();
    }
    let mut start = Value::Null;
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = call(&mut world, "Scan", json!({"TableName": "t", "ExclusiveStartKey": start})).unwrap();
        pages += 1;
        seen.extend(page["Items"].as_array().unwrap().iter().map(|item| item["service"].clone()));
        match page.get("LastEvaluatedKey") {
            Some(last) => start = last.clone(),
            None => break,
        }
    }
    assert_eq!(pages, 2);
    let distinct: std::collections::BTreeSet<String> = seen.iter().map(Value::to_string).collect();
    assert_eq!((seen.len(), distinct.len()), (7, 7));
}

#[test]
fn a_scan_that_stops_at_its_limit_names_a_last_key_even_at_the_end() {
    let mut world = world();
    let page = call(&mut world, "Scan", json!({"TableName": "t", "Limit": 2})).unwrap();
    assert_eq!(page["Count"], 2);
    let start = page["LastEvaluatedKey"].clone();
    let rest = call(&mut world, "Scan", json!({"TableName": "t", "ExclusiveStartKey": start})).unwrap();
    assert_eq!((&rest["Count"], rest.get("LastEvaluatedKey")), (&json!(0), None));
}

#[test]
fn a_consistent_read_costs_twice_an_eventual_one() {
    let mut world = world();
    let units = |world: &mut World, consistent: bool| {
        let input = json!({
            "TableName": "t", "Key": key("a"), "ConsistentRead": consistent, "ReturnConsumedCapacity": "TOTAL",
        });
        call(world, "GetItem", input).unwrap()["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap()
    };
    assert_eq!((units(&mut world, true), units(&mut world, false)), (1.0, 0.5));
}

#[test]
fn a_query_reads_one_partition_in_the_order_of_its_sort_key() {
    let mut world = world();
    let tables = of(&mut world, &caller());
    for (partition, sort) in [("x", "2"), ("x", "10"), ("y", "1"), ("x", "1")] {
        tables.put_item("r", json!({"p": {"S": partition}, "s": {"S": sort}})).unwrap();
    }
    let query = |forward: bool| {
        json!({
            "TableName": "r",
            "KeyConditionExpression": "p = :p AND s > :s",
            "ExpressionAttributeValues": {":p": {"S": "x"}, ":s": {"S": "1"}},
            "ScanIndexForward": forward,
        })
    };
    let mut sorts = |forward| {
        let answer = call(&mut world, "Query", query(forward)).unwrap();
        let items = answer["Items"].as_array().unwrap().clone();
        items.iter().map(|item| item["s"]["S"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sorts(true), ["10", "2"]);
    assert_eq!(sorts(false), ["2", "10"]);
}

#[test]
fn a_query_without_its_partition_is_refused() {
    let input = json!({
        "TableName": "r",
        "KeyConditionExpression": "s = :s",
        "ExpressionAttributeValues": {":s": {"S": "1"}},
    });
    let error = call(&mut world(), "Query", input).unwrap_err();
    assert_eq!(error.message, "Query condition missed key schema element: p");
}

fn transaction(check: &str) -> Value {
    json!({
        "TransactItems": [
            {"Delete": {"TableName": "t", "Key": key("b")}},
            {"ConditionCheck": {
                "TableName": "t",
                "Key": key("a"),
                "ConditionExpression": "version = :v",
                "ExpressionAttributeValues": {":v": {"N": check}},
            }},
        ],
        "ClientRequestToken": format!("token-{check}"),
    })
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let mut world = world();
    let error = call(&mut world, "TransactWriteItems", transaction("2")).unwrap_err();
    assert_eq!(error.code, "TransactionCanceledException");
    assert!(error.message.ends_with("[None, ConditionalCheckFailed]"));
    assert!(exists(&mut world, "b"));
    call(&mut world, "TransactWriteItems", transaction("1")).unwrap();
    assert!(!exists(&mut world, "b"));
    assert!(exists(&mut world, "a"));
}

#[test]
fn a_transaction_with_a_known_token_is_not_carried_out_again() {
    let mut world = world();
    call(&mut world, "TransactWriteItems", transaction("1")).unwrap();
    of(&mut world, &caller()).put_item("t", key("b")).unwrap();
    call(&mut world, "TransactWriteItems", transaction("1")).unwrap();
    assert!(exists(&mut world, "b"));
    let mut other = transaction("1");
    other["TransactItems"] = json!([{"Delete": {"TableName": "t", "Key": key("b")}}]);
    let error = call(&mut world, "TransactWriteItems", other).unwrap_err();
    assert_eq!(error.code, "IdempotentParameterMismatchException");
}

#[test]
fn a_transaction_takes_a_hundred_actions_and_no_item_twice() {
    let delete = |name: &str| json!({"Delete": {"TableName": "t", "Key": key(name)}});
    let many: Vec<Value> = (0..101).map(|number| delete(&format!("k{number}"))).collect();
    for items in [many, vec![delete("a"), delete("a")], vec![]] {
        let error = call(&mut world(), "TransactWriteItems", json!({"TransactItems": items})).unwrap_err();
        assert_eq!(error.code, "ValidationException");
    }
}

#[test]
fn a_new_table_takes_items_only_when_it_is_active() {
    let mut world = world();
    let create = json!({
        "TableName": "new",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    call_at(&mut world, "CreateTable", create.clone(), 100).unwrap();
    let put = json!({"TableName": "new", "Item": {"id": {"N": "1"}}});
    assert_eq!(call_at(&mut world, "PutItem", put.clone(), 104).unwrap_err().code, "ResourceNotFoundException");
    call_at(&mut world, "PutItem", put, 105).unwrap();
    assert_eq!(call_at(&mut world, "CreateTable", create, 105).unwrap_err().code, "ResourceInUseException");
    let described = call_at(&mut world, "DescribeTable", json!({"TableName": "new"}), 105).unwrap();
    assert_eq!(described["Table"]["TableStatus"], "ACTIVE");
    assert_eq!(described["Table"]["ItemCount"], 0, "AWS counts every six hours");
    call_at(&mut world, "DeleteTable", json!({"TableName": "new"}), 106).unwrap();
    let error = call_at(&mut world, "DescribeTable", json!({"TableName": "new"}), 111).unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
}

#[test]
fn what_is_not_simulated_is_refused_and_not_ignored() {
    let input = json!({"TableName": "t", "Key": key("a"), "Expected": {"version": {"Exists": false}}});
    assert_eq!(call(&mut world(), "DeleteItem", input).unwrap_err().code, "ValidationException");
}
